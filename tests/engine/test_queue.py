"""Pauses: whose runs wait, what runs meanwhile, what a restart remembers. The engine's model has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from praisonrun.core.errors import DiskFull, Invalid, WrongMode, WrongState
from praisonrun.core.model import Mode, Status
from praisonrun.engine.engine import Engine
from praisonrun.store import ALL

from ..rigs.harness import Engines, ran, submit, until


async def status(engine: Engine, run_id: str) -> Status:
    return (await engine.get(run_id)).run.status


async def test_a_paused_agent_waits_and_others_run(engine: Engine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    live = await submit(engine, "until", str(gate))
    await engine.queue.pause("until")
    waiting = await submit(engine, "until", str(gate))
    assert (await engine.get(waiting)).waits == "agent 'until' is paused, until: praisonrun resume until"
    assert (await ran(engine, "quick")).run.status is Status.SUCCEEDED
    everyone, agents = await engine.queue.look()
    found = {each.agent: each for each in agents}
    assert (everyone.agent, everyone.queued, everyone.running, everyone.paused_since) == (ALL, 1, 1, None)
    assert (found["until"].queued, found["until"].running, found["one"].concurrency) == (1, 1, 1)
    assert found["until"].paused_since
    assert found["quick"].paused_since is None
    assert "server" not in found  # a service
    gate.touch()
    assert (await engine.until_final(live)).run.status is Status.SUCCEEDED  # and gives its slot back
    assert (await ran(engine, "quick")).run.status is Status.SUCCEEDED
    assert await status(engine, waiting) is Status.QUEUED
    await engine.queue.resume("until")
    assert (await engine.until_final(waiting)).run.status is Status.SUCCEEDED


async def test_a_pause_outlives_the_server(engines: Engines, caplog: pytest.LogCaptureFixture) -> None:
    async with engines() as engine:
        await engine.queue.pause("echo")
        since = engine.queue.paused_since("echo")
        await engine.queue.pause("echo")  # which changes nothing
        await engine.queue.pause(None)
        waiting = [await submit(engine, "echo"), await submit(engine, "quick")]
    async with engines() as engine:
        assert "waiting for `praisonrun resume`: all agents" in caplog.text
        assert engine.queue.paused_since("echo") == since
        assert [await status(engine, run_id) for run_id in waiting] == [Status.QUEUED] * 2
        assert (await engine.get(waiting[0])).waits == "all agents are paused, until: praisonrun resume"
        with pytest.raises(WrongState, match="all agents are paused"):
            await engine.queue.resume("quick")
        await engine.queue.resume("echo")  # is paused with all others still
        assert engine.queue.paused_since("echo") != since
        await engine.queue.pause("echo")
        await engine.queue.resume(None)
        for run_id in waiting:
            assert (await engine.until_final(run_id)).run.status is Status.SUCCEEDED
        await engine.queue.resume(None)
    async with engines() as engine:
        assert engine.queue.paused_since("echo") is None


async def test_services_start_all_the_same(engine: Engine) -> None:
    await engine.queue.pause(None)
    run_id = await submit(engine, "server", mode=Mode.SERVICE)
    await until(engine, run_id, lambda shown: shown.pid is not None)
    assert (await engine.queue.look())[0].running == 0
    await engine.cancel(run_id)


async def test_who_cannot_be_paused(engine: Engine) -> None:
    for work in (engine.queue.pause, engine.queue.resume):
        with pytest.raises(Invalid, match="no agent 'ecko'; did you mean `echo`"):
            await work("ecko")
        with pytest.raises(WrongMode, match="is a service"):
            await work("server")
        with pytest.raises(Invalid):
            await work(ALL)
    assert await engine.store.paused() == {}


async def test_a_pause_that_cannot_be_stored_is_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> None:
        raise DiskFull("no")

    monkeypatch.setattr(engine.store, "pause", full)
    with pytest.raises(DiskFull):
        await engine.queue.pause(None)
    assert (await ran(engine, "quick")).run.status is Status.SUCCEEDED
