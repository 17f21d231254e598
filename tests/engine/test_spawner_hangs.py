"""A spawner that hangs or dies, and a shim that its own agent stops: no run waits for either for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from praisonrun.core.lifecycle import FINAL
from praisonrun.core.model import Failure, Status
from praisonrun.engine.engine import Engine
from praisonrun.process.spawning import Spawner

from ..rigs.harness import Engines, alive, ran, submit, until
from ..rigs.processes import of_run

AGENTS = """
agents:
  says: {{command: [/bin/sh, -c, "echo run >> {0}/starts"], prompt: none, timeout: 60, grace: 0}}
  eats: {{command: [/bin/cat], timeout: 60, grace: 0}}
  stops: {{command: [/bin/sh, -c, "kill -STOP $PPID; exec sleep 600"], prompt: none, grace: 0.1}}
  insists: {{command: [/bin/sh, -c, "while :; do kill -STOP $PPID; sleep .01; done"], prompt: none, grace: 0}}
  made: {{command: [/bin/true], install: [/bin/sh, -c, "kill -STOP $PPID; exec sleep 600"], grace: 0.1}}
"""


@pytest.fixture
def agents_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("praisonrun.core.lifecycle.START_PAUSE", 0.05)
    monkeypatch.setattr("praisonrun.process.attempt.LOOK", 0.05)
    monkeypatch.setattr("praisonrun.process.spawning.ANSWER", 0.2)
    monkeypatch.setattr("praisonrun.process.attempt.SLACK", 0.2)
    monkeypatch.setattr("praisonrun.engine.attempts.SLACK", 0.2)
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS.format(tmp_path))
    return file


@pytest.fixture
async def engine(engines: Engines) -> AsyncIterator[Engine]:
    async with engines(concurrency=400) as made:
        yield made


def spawner_of(engine: Engine) -> Spawner:
    return engine._supervisor._attempts._spawner


def hang(engine: Engine) -> int:
    """Stop the spawner; return its pid."""
    control = spawner_of(engine)._control
    assert control is not None
    os.kill(control.pid, signal.SIGSTOP)
    return control.pid


async def reaped(pid: int) -> None:
    """Wait until a child is no zombie either."""
    async with asyncio.timeout(10):
        while psutil.pid_exists(pid):  # noqa: ASYNC110 - the server looks as well
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("agent", ["says", "eats"])
async def test_a_spawner_that_hangs_is_replaced(engine: Engine, tmp_path: Path, agent: str) -> None:
    await ran(engine, "says")
    pid = hang(engine)
    runs = [await submit(engine, agent, "x" * 1_000_000) for _ in range(5)]  # one fills a lifeline
    for run_id in runs:
        done = (await engine.until_final(run_id)).run
        assert (done.status, done.attempt) == (Status.SUCCEEDED, 1)
    await reaped(pid)
    assert (tmp_path / "starts").read_text().count("run") == (6 if agent == "says" else 1)


async def test_more_runs_than_a_hung_spawner_takes_hold_up_nobody(engine: Engine) -> None:
    await ran(engine, "says")
    control = spawner_of(engine)._control
    assert control is not None
    control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the least that there is
    pid = hang(engine)
    runs = [await submit(engine, "says") for _ in range(20)]
    begun = time.monotonic()
    await engine.get(runs[0])
    assert time.monotonic() - begun < 1
    for run_id in runs:
        assert (await engine.until_final(run_id)).run.status is Status.SUCCEEDED
    await reaped(pid)


async def test_a_cancel_does_not_wait_for_a_spawner_that_hangs(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praisonrun.process.spawning.ANSWER", 600)
    monkeypatch.setattr("praisonrun.process.spawning.HURRY", 0.1)
    hang(engine)
    run_id = await submit(engine, "says")
    gone = (await engine.cancel(run_id)).run
    assert (gone.status, gone.attempt) == (Status.CANCELLED, 0)
    assert not (tmp_path / "starts").exists()
    assert (await ran(engine, "says")).run.status is Status.SUCCEEDED


async def test_a_spawner_that_was_killed_is_reaped_and_replaced(engine: Engine, tmp_path: Path) -> None:
    for _ in range(10):
        control = spawner_of(engine)._control
        pid = control.pid if control else 0
        assert (await ran(engine, "says")).run.status is Status.SUCCEEDED
        if pid:
            os.kill(pid, signal.SIGKILL)
            await reaped(pid)
    assert (tmp_path / "starts").read_text() == "run\n" * 10


async def test_nobody_elses_child_is_reaped(engine: Engine) -> None:
    child = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
    process = psutil.Popen(["/bin/sh", "-c", "exit 8"])
    os.kill(hang(engine), signal.SIGKILL)
    await ran(engine, "says")
    assert (await child.wait(), process.wait()) == (7, 8)


@pytest.mark.parametrize("how", ["timeout", "cancel"])
@pytest.mark.parametrize("agent", ["stops", "insists", "made"])
async def test_an_agent_that_stops_its_shim_ends_in_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, agent: str, how: str
) -> None:
    monkeypatch.setattr("praisonrun.engine.attempts.INSTALL_TIMEOUT", 0.2)
    monkeypatch.setattr("praisonrun.process.spec.INSTALL_TIMEOUT", 0.2)
    run_id = await submit(engine, agent, timeout=0.2 if how == "timeout" else None)
    async with asyncio.timeout(10):
        # One that insists may have its shim killed before anybody was told its pid: then it is lost already.
        shown = await until(engine, run_id, lambda now: now.pid is not None or now.run.status in FINAL)
        if how == "cancel" and shown.run.status not in FINAL:
            await engine.cancel(run_id)
        done = (await engine.until_final(run_id)).run
    ends = {"timeout": Failure.INSTALL_FAILED if agent == "made" else Failure.TIMED_OUT, "cancel": None}
    assert done.failure in ({ends[how]} if agent != "insists" else {ends[how], Failure.LOST}), done
    assert done.failure is Failure.LOST if shown.pid is None else not alive(shown.pid)
    assert of_run(run_id) == set()


async def test_the_next_server_ends_it_too(engines: Engines) -> None:
    async with engines() as first:
        run_id = await submit(first, "stops", timeout=0.3)
        await until(first, run_id, lambda now: now.pid is not None)
    async with engines() as second, asyncio.timeout(10):
        assert (await second.until_final(run_id)).run.failure is Failure.TIMED_OUT
