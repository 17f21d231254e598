"""Trouble that passes keeps an agent from its start: its run waits, nothing of it is lost or done twice."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.model import Failure, Mode, Snapshot, Status
from praisonrun.engine.attempts import Attempts
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.process import spawner

from ..rigs.harness import Engines, ran, submit, until

AGENTS = """
agents:
  busy: {{command: ["{0}/busy"], prompt: none, retries: 0}}
  needy: {{command: ["{0}/busy"], prompt: none, env_required: [SECRET]}}
  made: {{command: ["{0}/busy"], prompt: none, install: [/bin/sh, -c, "echo made >> {0}/made"]}}
  unmade: {{command: [/bin/true], prompt: none, install: ["{0}/busy"]}}
  served: {{mode: service, command: ["{0}/busy", "600"], port: auto, grace: 0.2,
           readiness: {{type: timeout, timeout_seconds: 0.1}}}}
  says: {{command: [/bin/echo, hi], prompt: none}}
"""


@pytest.fixture
def agents_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("praisonrun.core.lifecycle.START_PAUSE", 0.05)
    program = tmp_path / "busy"
    program.write_text(f"#!/bin/sh\necho ${{SECRET-run}} >> {tmp_path}/starts\n[ -z $1 ] || exec sleep $1\n")
    program.chmod(0o755)
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS.format(tmp_path))
    return file


@pytest.fixture
def written(agents_file: Path) -> Callable[[], AbstractContextManager[Any]]:
    """Keep the program open for writing: the system does not start it meanwhile (ETXTBSY)."""
    return lambda: closing((agents_file.parent / "busy").open("a"))


def waits(shown: Snapshot) -> bool:
    return shown.run.status is Status.QUEUED and shown.run.uncounted > 1


def starts(tmp_path: Path) -> str:
    return (tmp_path / "starts").read_text()


@pytest.mark.parametrize("agent", ["busy", "needy", "made"])
async def test_a_program_that_is_busy_is_started_when_it_is_not(
    engine: Engine, tmp_path: Path, written: Any, agent: str
) -> None:
    with written():
        run_id = await submit(engine, agent, envs={"SECRET": "s"})
        run = (await until(engine, run_id, waits)).run
        assert run.error == f"cannot start {tmp_path}/busy: Text file busy"
        assert (run.attempt, run.failure, run.finished_at) == (0, None, None)
        said = f"its agent could not be started ({run.error}); the next try is due at "
        await until(engine, run_id, lambda now: now.waits.startswith(said))
    done = (await engine.until_final(run_id)).run
    assert (done.status, done.attempt, done.error) == (Status.SUCCEEDED, 1, None)
    assert starts(tmp_path) == "s\n"
    if agent == "made":
        assert (tmp_path / "made").read_text() == "made\n"


async def test_an_install_command_that_is_busy_waits_too(engine: Engine, written: Any) -> None:
    with written():
        run_id = await submit(engine, "unmade")
        await until(engine, run_id, waits)
    assert (await engine.until_final(run_id)).run.status is Status.SUCCEEDED


async def test_a_service_keeps_its_port_while_it_waits(engine: Engine, written: Any) -> None:
    with written():
        shown, _ = await engine.submit(Submit(Choice("served"), "", mode=Mode.SERVICE))
        waiting = await until(engine, shown.run.id, waits)
    ready = await until(engine, shown.run.id, lambda now: now.health is not None and now.health.ok)
    assert (ready.run.port, ready.run.attempt) == (waiting.run.port, 1)
    assert (await engine.cancel(shown.run.id)).run.status is Status.CANCELLED


async def test_others_go_on_and_a_cancel_is_at_once(engine: Engine, tmp_path: Path, written: Any) -> None:
    with written():
        run_id = await submit(engine, "busy")
        await until(engine, run_id, waits)
        assert (await ran(engine, "says")).run.status is Status.SUCCEEDED
        gone = (await engine.cancel(run_id, "enough")).run
        assert (gone.status, gone.error, gone.attempt) == (Status.CANCELLED, "cancelled: enough", 0)
    assert not (tmp_path / "starts").exists()
    await engine.delete(run_id)
    assert not [path for path in (tmp_path / "state" / "runs").iterdir() if run_id in path.name]


async def test_a_restart_of_the_server_changes_nothing_but_envs(
    engines: Engines, tmp_path: Path, written: Any
) -> None:
    with written():
        async with engines() as first:
            plain = await submit(first, "busy")
            needy = await submit(first, "needy", envs={"SECRET": "s"})
            since = (await until(first, plain, waits)).run.not_started_since
            await until(first, needy, waits)
        async with engines() as second:
            waiting = (await until(second, plain, lambda now: waits(now) and now.run.uncounted > 3)).run
            assert waiting.not_started_since == since
            assert (await second.until_final(needy)).run.failure is Failure.ENV_LOST
    async with engines() as third:
        assert (await third.until_final(plain)).run.status is Status.SUCCEEDED
    assert starts(tmp_path) == "run\n"


async def test_after_ten_minutes_it_has_failed_with_the_last_reason(
    engine: Engine, tmp_path: Path, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praisonrun.core.lifecycle.START_PATIENCE", 0.3)
    monkeypatch.setattr("praisonrun.core.lifecycle.START_TRIES", 1)
    with written():
        done = (await ran(engine, "busy")).run
    assert (done.status, done.failure) == (Status.FAILED, Failure.SPAWN_FAILED)
    assert done.error == f"cannot start {tmp_path}/busy: Text file busy"
    assert not (tmp_path / "starts").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EAGAIN, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("place", [(Attempts, "_journal"), (spawner, "request"), (spawner, "start_exec")])
async def test_what_fails_on_the_servers_side_waits_too(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, place: tuple[Any, str], number: int
) -> None:
    owner, name = place
    left, real = [2], getattr(owner, name)

    def refuse(*args: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise OSError(number, os.strerror(number))
        return real(*args)

    monkeypatch.setattr(owner, name, refuse)
    if name == "start_exec":
        engine._supervisor._attempts._spawner._bury()
    done = (await ran(engine, "says")).run
    assert (done.status, done.attempt, done.uncounted, left) == (Status.SUCCEEDED, 1, 2, [0])


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOENT, errno.ENOTDIR])
async def test_what_is_final_on_the_servers_side_fails_at_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Attempts, "_journal", refuse)
    done = (await ran(engine, "says")).run
    assert (done.failure, done.uncounted) == (Failure.SPAWN_FAILED, 0)
    assert os.strerror(number).lower() in (done.error or "")


@pytest.fixture
async def engine(engines: Engines) -> AsyncIterator[Engine]:
    async with engines() as made:
        yield made
