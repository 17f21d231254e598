"""One owner of a live run: what fails, waits or comes in between costs no run, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from praisonrun.core.errors import DiskFull, Unavailable, WrongState
from praisonrun.core.model import Failure, Mode, Phase, Status
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.engine.supervisor import Supervisor
from praisonrun.files.run_files import RunFiles
from praisonrun.process import spawning
from praisonrun.store import Find, Store

from ..rigs.harness import Engines, alive, ran, submit, until

AGENTS = """
agents:
  sleeps: {command: [/bin/sleep, "600"], prompt: none, files: false, grace: 0.2}
  says: {command: [/bin/echo, hi], prompt: none, files: false}
  installed: {command: [/bin/echo, hi], prompt: none, files: false, install: [/bin/true]}
  web:
    mode: service
    command: [/bin/sh, -c, 'test "$GO" != fail || exit 3; exec sleep 600']
    grace: 0.2
    port: auto
    readiness: {type: timeout, timeout_seconds: 0.1}
  spends:
    mode: service
    command:
    - /bin/sh
    - -c
    - |
      echo '{"usage": {"input_tokens": 9}}' > $PRAISONRUN_EVENTS
    readiness: {type: timeout, timeout_seconds: 0.1}
  dies:
    mode: service
    command: [/bin/false]
    files: false
    port: auto
    readiness: {type: timeout, timeout_seconds: 0.1}
  counts:
    command:
    - /bin/sh
    - -c
    - |
      exec > $PRAISONRUN_EVENTS
      test $PRAISONRUN_ATTEMPT = 3 && exit
      if test $PRAISONRUN_ATTEMPT = 1; then echo '{"usage": {"input_tokens": 1200, "cost": 0.25}}'; exit 3; fi
      echo '{"usage": {"input_tokens": 30}}'
      echo '{"usage": {"input_tokens": 40}}'
      echo '{"usage": {"input_tokens": 2, "output_tokens": 5}, "delta": true}'
      exit 3
    prompt: none
    retries: 2
    backoff: 0.01
  again:
    command: [/bin/sh, -c, 'test $PRAISONRUN_ATTEMPT != 1 || exit 3; exec sleep 600']
    prompt: none
    retries: 1
    backoff: 0.3
    grace: 0.2
"""


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


async def serve(engine: Engine, agent: str = "web", **envs: str) -> str:
    """Start a service and return its id."""
    shown, _ = await engine.submit(Submit(Choice(agent), "", mode=Mode.SERVICE, envs=envs))
    return shown.run.id


def held(engine: Engine) -> tuple[int, int, int]:
    """Return how many runs are live, slots taken and ports held."""
    reservations = engine._supervisor._reservations
    return len(engine._supervisor.live), reservations.slots._taken.total(), len(reservations._ports._held)


class Gate:
    """Holds a function that runs in a thread until it is opened."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner, self.entered, self.opened = inner, threading.Event(), threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.entered.set()
        assert self.opened.wait(30)
        return self.inner(*args)


async def entered(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.entered.wait, 30)


async def test_a_restart_waits_until_the_service_before_it_has_left(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    clearing = Gate(engine.files.remove_scratch)
    monkeypatch.setattr(RunFiles, "remove_scratch", lambda _, run_id: clearing(run_id))
    run_id = await serve(engine, GO="fail")
    await entered(clearing)  # its row is final; its files are being removed
    assert (await engine.store.get(run_id)).status is Status.FAILED
    again = asyncio.create_task(engine.restart(run_id, {"GO": "on"}))
    asking = asyncio.create_task(engine.restart(run_id, {"GO": "on"}))
    with pytest.raises(WrongState, match="being restarted"):
        await asking
    assert not again.done()
    clearing.opened.set()
    await again
    shown = await until(engine, run_id, lambda now: now.health is not None and now.health.ok)
    assert (shown.phase, shown.run.attempt, held(engine)) == (Phase.RUNNING, 2, (1, 0, 1))
    stopped = await engine.cancel(run_id, "enough")
    assert (stopped.run.status, alive(shown.pid), held(engine)) == (Status.CANCELLED, False, (0, 0, 0))


@pytest.mark.parametrize("agent", ["says", "installed"])
@pytest.mark.parametrize("dead", [1, 2])
async def test_a_shim_that_dies_before_its_agent_is_made_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, agent: str, dead: int
) -> None:
    asked, real = [], spawning.Spawner.request

    def request(self: spawning.Spawner, journal: int, lifeline: int) -> None:
        asked.append(journal)
        if len(asked) > dead:  # the caller closes both descriptors, as a killed shim would
            real(self, journal, lifeline)

    monkeypatch.setattr(spawning.Spawner, "request", request)
    monkeypatch.setattr("praisonrun.core.lifecycle.START_PAUSE", 0)
    shown = await ran(engine, agent)
    assert (shown.run.status, shown.run.attempt, shown.run.uncounted) == (Status.SUCCEEDED, 1, dead)
    assert (await ran(engine, agent)).run.status is Status.SUCCEEDED  # it left no install mark


async def test_a_read_that_fails_after_a_claim_costs_no_run(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engines(concurrency=1) as first:
        live = await submit(first, "sleeps")
        waiting = [await submit(first, "says") for _ in range(4)]
    failing, real = [2], Store.version

    async def version(self: Store, digest: str) -> Any:
        if failing[0]:
            failing[0] -= 1
            raise Unavailable("the store failed: disk I/O error", retry_after=5)
        return await real(self, digest)

    monkeypatch.setattr(Store, "version", version)
    monkeypatch.setattr("praisonrun.engine.attempts.RETRY", 0)
    async with engines(concurrency=8) as second:
        ended = [(await second.until_final(run_id)).run.status for run_id in waiting]
        assert (ended, failing) == ([Status.SUCCEEDED] * 4, [0])
        assert (await second.cancel(live)).run.status is Status.CANCELLED
        assert held(second) == (0, 0, 0)


async def test_a_fault_while_a_run_is_watched_ends_its_process_first(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids: list[int] = []

    def started(_self: Supervisor, _live: object, pid: int, _phase: Phase) -> None:
        pids.append(pid)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(Supervisor, "_started", started)
    async with engines() as engine:
        shown = await ran(engine, "sleeps")
        told = (shown.run.failure, shown.run.error)
        assert told == (Failure.LOST, "lost: internal error, see the server's log")
        assert [alive(pid) for pid in pids] == [False]
        assert held(engine) == (0, 0, 0)


@pytest.mark.parametrize("damage", ["json_set(definition, '$.niceness', 5)", "'{}'", "'{no json}'"])
async def test_a_version_that_cannot_be_read_costs_its_own_run(
    engines: Engines, tmp_path: Path, damage: str
) -> None:
    async with engines(concurrency=1) as first:
        live = await submit(first, "sleeps")
        pid = (await until(first, live, lambda shown: shown.pid is not None)).pid
        queued = await submit(first, "sleeps")
        other = await submit(first, "says")
    with sqlite3.connect(tmp_path / "state" / "praisonrun.db") as database:
        database.execute(f"UPDATE versions SET definition = {damage} WHERE agent = 'sleeps'")
    database.close()
    async with engines() as second:
        ended = [(await second.until_final(run_id)).run for run_id in (live, queued, other)]
        assert [run.failure for run in ended] == [Failure.LOST, Failure.SPAWN_FAILED, None]
        assert all("version" in (run.error or "") for run in ended[:2])
        assert (alive(pid), held(second)) == (False, (0, 0, 0))
        assert len((await second.find(Find()))[0]) == 3


async def test_a_service_that_dies_at_once_is_looked_at_no_more(engine: Engine) -> None:
    ids = [await serve(engine, "dies") for _ in range(20)]
    for run_id in ids:
        assert (await engine.until_final(run_id)).run.failure is Failure.READINESS_FAILED
    watches = [task for task in asyncio.all_tasks() if "_watch" in repr(task.get_coro())]
    assert (watches, held(engine)) == ([], (0, 0, 0))


@pytest.mark.parametrize("restarted", [False, True])
async def test_concurrency_counts_for_agents_of_other_files(
    engines: Engines, tmp_path: Path, restarted: bool
) -> None:
    (tmp_path / "other.yaml").write_text(
        "agents: {one: {command: [/bin/sleep, '600'], prompt: none, files: false, concurrency: 1}}"
    )
    async with engines(agent_root=[tmp_path]) as engine:
        chosen = Submit(Choice("one", file="other.yaml"), "")
        ids = [(await engine.submit(chosen))[0].run.id for _ in range(3)]
        if not restarted:
            await engine.cancel(ids.pop(0))
            await until(engine, ids[0], lambda shown: shown.run.status is Status.RUNNING)
            assert (await engine.get(ids[1])).run.status is Status.QUEUED
            for run_id in reversed(ids):  # the queued one first: else it takes the other's place and lives on
                await engine.cancel(run_id)
    if restarted:
        async with engines(agent_root=[tmp_path]) as engine:
            await engine.cancel(ids.pop(0))
            await until(engine, ids[0], lambda shown: shown.run.status is Status.RUNNING)
            assert (await engine.get(ids[1])).run.status is Status.QUEUED
            for run_id in ids:
                await engine.cancel(run_id)


async def test_what_all_attempts_used_is_in_the_final_row(engine: Engine) -> None:
    shown = await ran(engine, "counts")  # its last attempt says nothing
    assert (shown.run.status, shown.run.attempt) == (Status.SUCCEEDED, 3)
    assert shown.usage == {"input_tokens": 1242, "output_tokens": 5, "cost": 0.25}
    assert (shown.run.tokens_in, shown.run.tokens_out, shown.run.cost_microusd) == (1242, 5, 250_000)


async def test_each_life_of_a_service_is_counted_once(engine: Engine) -> None:
    run_id = await serve(engine, "spends")
    for lives in (1, 2):
        gone = await engine.until_final(run_id)
        assert (gone.run.attempt, gone.usage["input_tokens"], gone.run.tokens_in) == (lives, 9, 9)
        counted = (await engine.store.activity(0, 1 << 62)).agents["spends"]
        assert (counted.ended, counted.tokens_in) == (lives, lives * 9)
        await engine.restart(run_id, {})


async def test_a_retry_shows_nothing_of_the_process_before(engine: Engine) -> None:
    run_id = await submit(engine, "again")
    waits = await until(engine, run_id, lambda now: now.run.attempt == 1 and now.run.status is Status.QUEUED)
    assert (waits.run.exit_code, waits.run.pid, waits.pid) == (None, None, None)
    assert waits.run.error == "exited with code 3"  # why it waits
    runs = await until(engine, run_id, lambda now: now.run.attempt == 2 and now.pid is not None)
    assert (runs.run.exit_code, runs.run.pid, runs.run.error) == (None, None, None)
    await engine.cancel(run_id)


async def test_a_delete_and_a_restart_keep_out_of_each_other_s_way(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await serve(engine, GO="fail")
    await engine.until_final(run_id)
    removing = Gate(engine.files.remove)
    monkeypatch.setattr(RunFiles, "remove", lambda _, run_id: removing(run_id))
    deleting = asyncio.create_task(engine.delete(run_id))
    await entered(removing)
    with pytest.raises(WrongState, match="deleted"):
        await engine.restart(run_id, {"GO": "on"})
    removing.opened.set()
    await deleting
    assert (await engine.find(Find(mode=Mode.SERVICE)))[1] == 0
    assert list(engine.files.ids_on_disk()) == []


async def test_a_spec_that_cannot_be_written_leaves_no_shim_behind(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spec(*_: object) -> object:
        raise OSError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr("praisonrun.engine.attempts.spec", spec)
    shown = await ran(engine, "says")
    assert (shown.run.failure, held(engine)) == (Failure.SPAWN_FAILED, (0, 0, 0))
    with engine.files.journal(shown.run.id).open() as journal:  # once the shim has let it go
        await asyncio.to_thread(fcntl.flock, journal, fcntl.LOCK_SH)


async def test_a_lifeline_that_cannot_be_made_lets_the_journal_go(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(*_: object) -> object:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("praisonrun.process.attempt.socket.socketpair", no_more)
    shown = await ran(engine, "says")
    assert (shown.run.failure, held(engine)) == (Failure.SPAWN_FAILED, (0, 0, 0))
    assert engine.files.held(shown.run.id) is False


async def test_an_install_that_cannot_be_noted_takes_nothing_down(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def mark(*_: object) -> None:
        raise DiskFull("the store cannot grow", retry_after=30)

    monkeypatch.setattr(Store, "mark_installed", mark)
    with caplog.at_level(logging.WARNING):
        assert (await ran(engine, "installed")).run.status is Status.SUCCEEDED
    assert "its install ran well but the store rejected it" in caplog.text
    assert (await ran(engine, "says")).run.status is Status.SUCCEEDED


async def test_a_cancel_whose_caller_left_reaches_the_process(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await submit(engine, "sleeps")
    await until(engine, run_id, lambda shown: shown.pid is not None)
    committed, real = asyncio.Event(), Store.change_tree

    async def change_tree(self: Store, *args: Any) -> Any:
        rows = await real(self, *args)
        committed.set()
        await asyncio.sleep(0)
        return rows

    monkeypatch.setattr(Store, "change_tree", change_tree)
    async with anyio.create_task_group() as callers:
        callers.start_soon(engine.cancel, run_id)
        await committed.wait()
        callers.cancel_scope.cancel()
    assert (await engine.until_final(run_id)).run.status is Status.CANCELLED
