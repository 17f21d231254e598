"""Runs outlive the server: what a new one finds after the old one went, politely or not."""

from __future__ import annotations

import fcntl
import os
import signal
from pathlib import Path

import pytest

from praisonrun.core.model import Failure, Status
from praisonrun.files.run_files import RunFiles

from ..rigs.harness import Engines, Server, alive, pid_of, submit
from .test_engine import printed, until_printed


async def test_a_run_goes_on_without_a_server_and_is_found_again(engines: Engines, tmp_path: Path) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"))
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
    async with engines() as engine:
        assert (await engine.get(run_id)).run.status is Status.RUNNING
        (tmp_path / "gate").touch()
        shown = await engine.until_final(run_id)
        assert (shown.run.status, shown.run.pid, shown.run.attempt) == (Status.SUCCEEDED, pid, 1)
        assert await printed(engine, run_id) == "up\ndone\n"


async def test_a_run_that_ended_meanwhile_is_settled(engines: Engines, tmp_path: Path) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"))
        await until_printed(engine, run_id, "up")
    (tmp_path / "gate").touch()
    files = RunFiles(tmp_path / "state")
    lock = os.open(files.journal(run_id), os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_SH)  # waits until the shim lets go
    os.close(lock)
    async with engines() as engine:
        shown = await engine.until_final(run_id)
        assert (shown.run.status, await printed(engine, run_id)) == (Status.SUCCEEDED, "up\ndone\n")


async def test_a_run_found_again_can_be_cancelled(engines: Engines) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "wait")
        await until_printed(engine, run_id, "up")
    async with engines() as engine:
        shown = await engine.cancel(run_id)
        assert shown.run.status is Status.CANCELLED
        assert shown.run.pid is not None
        assert not alive(shown.run.pid)


@pytest.mark.scorecard(12)
async def test_a_killed_shim_is_a_lost_run_and_leaves_nothing(engines: Engines, tmp_path: Path) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "stubborn", retries=3)
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
        os.kill(RunFiles(tmp_path / "state").tail(run_id).started["shim"], signal.SIGKILL)
        shown = await engine.until_final(run_id)
        assert (shown.run.status, shown.run.failure, shown.run.attempt) == (Status.FAILED, Failure.LOST, 1)
        assert not alive(pid)
        assert await printed(engine, run_id) == "up\n"


async def test_a_run_whose_journal_is_another_version_s_is_lost(engines: Engines, tmp_path: Path) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"), retries=3)
        await until_printed(engine, run_id, "up")
    with RunFiles(tmp_path / "state").journal(run_id).open("r+b") as journal:
        journal.write(b"praisonrun journal 2\n")
    async with engines() as engine:
        assert (await engine.get(run_id)).run.status is Status.RUNNING
        (tmp_path / "gate").touch()
        shown = await engine.until_final(run_id)
        assert (shown.run.failure, shown.run.attempt) == (Failure.LOST, 1)
        assert shown.run.error == "lost: its journal is of another version of praisonrun"
        assert (await engine.journals.result(shown.run)).value is None


async def test_after_a_reboot_a_claimed_run_is_lost(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "wait")
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
    monkeypatch.setattr("praisonrun.app.boot_id", lambda: "another boot")
    async with engines() as engine:
        shown = await engine.until_final(run_id)
        assert (shown.run.failure, shown.run.error) == (Failure.LOST, "lost: the machine restarted")
        assert not alive(pid)  # its mark proves what its pid does not


async def test_a_queued_run_starts_after_the_restart_unless_it_needs_envs(
    engines: Engines, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    async with engines(concurrency=1) as engine:
        held = await submit(engine, "until", str(gate))
        plain = await submit(engine, "echo", "later")
        secret = await submit(engine, "needy", envs={"SECRET": "1"})
    gate.touch()
    async with engines(concurrency=1) as engine:
        assert (await engine.until_final(held)).run.status is Status.SUCCEEDED
        assert await printed(engine, plain) == "got later\n"
        shown = await engine.until_final(secret)
        assert (shown.run.status, shown.run.failure) == (Status.FAILED, Failure.ENV_LOST)
        assert shown.run.error is not None
        assert "SECRET" in shown.run.error


async def test_a_retry_after_a_restart_finds_the_literal_env_of_the_file(
    engines: Engines, agents_file: Path
) -> None:
    text = agents_file.read_text()
    agents_file.write_text(
        f"{text}  own: {{command: [/bin/true], env: {{NEEDED: x}}, env_required: [NEEDED]}}\n"
    )
    async with engines() as engine:
        first = await submit(engine, "own")
        await engine.until_final(first)
    async with engines() as engine:
        again, _ = await engine.retry(first, {})
        assert (await engine.until_final(again.run.id)).run.status is Status.SUCCEEDED


@pytest.mark.scorecard(3)
def test_kill_minus_nine_of_the_server(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("until", str(tmp_path / "gate"))
    with server.client() as client, client.stream("GET", f"/api/v1/runs/{run_id}/logs?follow=1") as logs:
        assert next(logs.iter_lines()) == "up"
        server.kill()
    server.start()
    with server.client() as client:
        assert client.get(f"/api/v1/runs/{run_id}").json()["status"] == "running"
        (tmp_path / "gate").touch()
        assert server.ended(run_id)["status"] == "succeeded"
        assert client.get(f"/api/v1/runs/{run_id}/logs").text == "up\ndone\n"


def test_a_second_server_on_the_same_state_is_refused(server: Server, agents_file: Path) -> None:
    other = Server(server.home, agents_file)
    with pytest.raises(AssertionError, match=r"in use by another server .*--state"):
        other.start()
    other.kill()
    with server.client() as client:
        assert client.get("/healthz").status_code == 200


def test_stop_leaves_runs_alive_and_says_nothing_more(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("until", str(tmp_path / "gate"))
    assert server.stop() == 0
    server.start()
    (tmp_path / "gate").touch()
    assert server.ended(run_id)["status"] == "succeeded"
