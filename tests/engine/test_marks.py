"""What is killed is provably ours, and what may have started is never started again."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from praisonrun.core.model import Failure, Status
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.files.run_files import RunFiles
from praisonrun.store.directory import DATABASE

from ..rigs.harness import Engines, alive, engine_in, pid_of, ran, submit
from ..rigs.processes import kill_run
from .test_engine import printed, until_printed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
Stranger = Callable[..., int]


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """Start a process of somebody else that has these variables; return its pid."""
    started = []

    def start(**environ: str) -> int:
        process = subprocess.Popen([sys.executable, "-c", "input()"], env=environ, stdin=subprocess.PIPE)
        started.append(process)
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.communicate()


async def named(engine: Engine, run_id: str, agent: str, prompt: str = "x") -> str:
    shown, _ = await engine.submit(Submit(Choice(agent), prompt, id=run_id))
    await until_printed(engine, run_id, "up")
    return shown.run.id


async def test_each_claim_has_a_mark_of_its_own(engine: Engine) -> None:
    shown = await ran(engine, "env", retries=0)
    names = json.loads(await printed(engine, shown.run.id))
    assert names["PRAISONRUN_MARK"] == f"{engine.store.id}/{shown.run.id}/1/{shown.run.claim}"
    assert re.fullmatch("[0-9a-f]{16}", shown.run.claim or "")
    again = await ran(engine, "env")
    assert again.run.claim != shown.run.claim


async def test_two_stores_may_have_one_id(engines: Engines, tmp_path: Path, stranger: Stranger) -> None:
    """The shim of one is killed: what the other started lives on."""
    gate = str(tmp_path / "gate")
    async with engines() as one, engine_in(tmp_path / "other", tmp_path / "agents.yaml") as other:
        for engine in (one, other):
            await named(engine, "same-1", "until", gate)
        mine, theirs = [await pid_of(engine, "same-1") for engine in (one, other)]
        bystander = stranger(
            PRAISONRUN_RUN_ID="same-1", PRAISONRUN_MARK=f"{one.store.id}/same-1/1/{'0' * 16}"
        )
        os.kill(one.files.tail("same-1").started["shim"], signal.SIGKILL)
        assert (await one.until_final("same-1")).run.failure is Failure.LOST
        assert [alive(pid) for pid in (mine, theirs, bystander)] == [False, True, True]
        Path(gate).touch()
        assert (await other.until_final("same-1")).run.status is Status.SUCCEEDED


async def test_an_agent_that_emptied_its_environment_is_known_by_pid_and_ticks(
    engines: Engines, tmp_path: Path
) -> None:
    python = f"exec env -i {sys.executable} -uc 'import signal; print(1); print(\"up\"); signal.pause()'"
    entry = {"command": ["sh", "-c", python], "prompt": "none"}
    (tmp_path / "agents.yaml").write_text(json.dumps({"agents": {"bare": entry}}))
    async with engines() as engine:
        run_id = await submit(engine, "bare")
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
        os.kill(RunFiles(tmp_path / "state").tail(run_id).started["shim"], signal.SIGKILL)
        shown = await engine.until_final(run_id)
        assert (shown.run.failure, alive(pid)) == (Failure.LOST, False)


def cut(path: Path, size: int | None) -> None:
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)


@pytest.mark.parametrize("size", [None, 0, 20, 63])
async def test_a_lost_journal_proves_nothing(engines: Engines, tmp_path: Path, size: int | None) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"), retries=2)
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
    cut(RunFiles(tmp_path / "state").journal(run_id), size)
    async with engines() as engine:
        shown = await engine.until_final(run_id)
        assert (shown.run.status, shown.run.failure, shown.run.attempt) == (Status.FAILED, Failure.LOST, 1)
        assert not alive(pid)


@pytest.mark.parametrize("size", [64, 70])
async def test_a_journal_that_lost_its_first_frames_starts_nothing_again(
    engines: Engines, tmp_path: Path, size: int
) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"), retries=2)
        await until_printed(engine, run_id, "up")
    os.truncate(RunFiles(tmp_path / "state").journal(run_id), size)
    async with engines() as engine:
        (tmp_path / "gate").touch()
        shown = await engine.until_final(run_id)
        assert (shown.run.failure, shown.run.attempt) == (Failure.LOST, 1)


@pytest.mark.parametrize("size", [None, 0, 64])
async def test_a_killed_shim_whose_journal_is_gone_is_still_found(
    engines: Engines, tmp_path: Path, size: int | None
) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "until", str(tmp_path / "gate"), retries=2)
        await until_printed(engine, run_id, "up")
        pid = await pid_of(engine, run_id)
    files = RunFiles(tmp_path / "state")
    os.kill(files.tail(run_id).started["shim"], signal.SIGKILL)
    cut(files.journal(run_id), size)
    async with engines() as engine:
        shown = await engine.until_final(run_id)
        assert (shown.run.failure, shown.run.attempt, alive(pid)) == (Failure.LOST, 1, False), shown.run


async def test_a_journal_without_a_claim_is_used(engines: Engines, tmp_path: Path) -> None:
    """A crash between the two leaves that behind."""
    async with engines() as engine:
        engine.files.prepare("early-1")
        engine.files.prepare("early-1")
        await engine.submit(Submit(Choice("echo"), "x", id="early-1"))
        assert (await engine.until_final("early-1")).run.status is Status.SUCCEEDED


def of_before(state: Path, run_id: str) -> None:
    """Make the claim of a run one of before schema 2."""
    with closing(sqlite3.connect(state / DATABASE)) as db, db:
        db.create_function("next_rev", 0, lambda: 10**9)
        db.execute("UPDATE runs SET claim = NULL WHERE id = ?", (run_id,))


async def test_an_attempt_of_before_is_known_by_its_place_or_its_shim(
    engines: Engines, tmp_path: Path, stranger: Stranger, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    async with engines() as engine:
        await named(engine, "old-1", "until", "/nowhere")
        pid = await pid_of(engine, "old-1")
    of_before(state, "old-1")
    result = "PRAISONRUN_RESULT_PATH"
    ours = stranger(PRAISONRUN_RUN_ID="old-1", **{result: f"{state}/runs/old-1/result.json"})
    others = [
        stranger(PRAISONRUN_RUN_ID="old-1"),
        stranger(PRAISONRUN_RUN_ID="old-1", **{result: f"{state}2/runs/old-1/result.json"}),
    ]
    os.kill(RunFiles(state).tail("old-1").started["shim"], signal.SIGKILL)
    async with engines() as engine:
        assert (await engine.until_final("old-1")).run.failure is Failure.LOST
    assert [alive(one) for one in (pid, ours, *others)] == [False, False, True, True]
    for other in others:
        assert f"left running: pid {other}" in caplog.text


async def test_an_attempt_of_before_without_a_journal_never_started(engines: Engines, tmp_path: Path) -> None:
    async with engines() as engine:
        await named(engine, "old-2", "until", str(tmp_path / "gate"))
    of_before(tmp_path / "state", "old-2")
    kill_run("old-2")
    RunFiles(tmp_path / "state").journal("old-2").unlink()
    (tmp_path / "gate").touch()
    async with engines() as engine:
        assert (await engine.until_final("old-2")).run.status is Status.SUCCEEDED
