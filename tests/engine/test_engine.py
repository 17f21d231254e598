"""The engine with real SQLite, real shims and real children."""

from __future__ import annotations

import asyncio
import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from praisonrun.core.agent import Agent
from praisonrun.core.errors import DiskFull, Invalid, KeyReused, NotFound, QueueFull, Unavailable, WrongState
from praisonrun.core.model import Failure, Snapshot, Status
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.engine.journals import SHORT, SharedRendering
from praisonrun.files.run_files import RunFiles
from praisonrun.journal.attempts import last_output
from praisonrun.journal.format import START, Frame, Kind
from praisonrun.journal.reader import Reader
from praisonrun.journal.results import Result, result
from praisonrun.store import Find, Key

from ..rigs.harness import Engines, alive, pid_of, ran, submit

OUTPUT = SharedRendering(lambda _, frames: b"".join(f.data for f in frames if f.kind is Kind.STDOUT))


async def printed(engine: Engine, run_id: str) -> str:
    chunks = [chunk async for chunk in engine.journals.follow(run_id, START, OUTPUT)]
    return b"".join(chunks).decode()


async def until_printed(engine: Engine, run_id: str, text: str) -> None:
    """Wait, by the run's own stream, until it printed something."""
    seen = ""
    async for chunk in engine.journals.follow(run_id, START, SharedRendering(OUTPUT._render)):
        seen += chunk.decode()
        if text in seen:
            return
    raise AssertionError(f"{text!r} is not in {seen!r}")


async def test_a_run_from_submit_to_result(engine: Engine) -> None:
    shown = await ran(engine, "echo", "the prompt")
    assert (shown.run.status, shown.run.exit_code, shown.run.attempt) == (Status.SUCCEEDED, 0, 1)
    assert (await engine.journals.result(shown.run)).value == "got the prompt\n"
    assert shown.run.metrics is not None
    assert shown.run.metrics["stdout_bytes"] == len("got the prompt\n")
    assert shown.run.metrics["wall_seconds"] > 0


async def test_an_entry_without_files(engine: Engine) -> None:
    shown = await ran(engine, "quick")
    assert shown.run.status is Status.SUCCEEDED
    assert (await engine.journals.result(shown.run)).value == ""


async def test_a_failure_keeps_its_code_and_output(engine: Engine) -> None:
    shown = await ran(engine, "fail")
    assert (shown.run.status, shown.run.failure) == (Status.FAILED, Failure.EXIT_NONZERO)
    assert (shown.run.exit_code, shown.run.error) == (7, "exited with code 7")
    assert (await engine.journals.result(shown.run)).value == "no\n"


async def test_events_result_and_usage(engine: Engine) -> None:
    shown = await ran(engine, "story")
    assert shown.progress == {"percentage": 50.0, "step": "half", "steps_completed": 1, "steps_total": 2}
    assert shown.usage == {"input_tokens": 3}
    assert (await engine.journals.result(shown.run)).value == {"answer": 42}


@pytest.mark.parametrize(
    ("prompt", "status", "failure"),
    [
        ("hi", Status.SUCCEEDED, None),
        ("bad", Status.FAILED, Failure.AGENT_ERROR),
        ("none", Status.FAILED, Failure.NO_RESULT),
    ],
)
async def test_a_structured_agent_owes_its_result(
    engine: Engine, prompt: str, status: Status, failure: Failure | None
) -> None:
    shown = await ran(engine, "jsonl", prompt)
    assert (shown.run.status, shown.run.failure) == (status, failure)
    assert (await engine.journals.result(shown.run)).value == ({"p": prompt} if prompt != "none" else None)


async def test_retries_until_it_works(engine: Engine) -> None:
    shown = await ran(engine, "flaky")
    assert (shown.run.status, shown.run.attempt) == (Status.SUCCEEDED, 3)
    assert await printed(engine, shown.run.id) == "1\n2\n3\n"
    assert (await engine.journals.result(shown.run)).value == "3\n"


async def test_cancel_waits_until_the_process_is_gone(engine: Engine) -> None:
    run_id = await submit(engine, "wait")
    await until_printed(engine, run_id, "up")
    pid = await pid_of(engine, run_id)
    shown = await engine.cancel(run_id, "enough")
    assert (shown.run.status, shown.run.error) == (Status.CANCELLED, "cancelled: enough")
    assert pid is not None
    assert not alive(pid)
    with pytest.raises(WrongState):
        await engine.cancel(run_id)


async def test_cancel_right_after_submit(engine: Engine) -> None:
    for _ in range(5):
        run_id = await submit(engine, "wait")
        assert (await engine.cancel(run_id)).run.status is Status.CANCELLED


async def test_a_stubborn_agent_is_killed_after_its_grace(engine: Engine) -> None:
    run_id = await submit(engine, "stubborn")
    await until_printed(engine, run_id, "up")
    shown = await engine.cancel(run_id)
    assert (shown.run.status, shown.run.signal) == (Status.CANCELLED, 9)


async def test_a_timeout_is_a_failure_that_says_so(engine: Engine) -> None:
    shown = await ran(engine, "wait", timeout=0.3)
    assert (shown.run.status, shown.run.failure) == (Status.FAILED, Failure.TIMED_OUT)
    assert shown.run.error == "timed out after 0.3 s"


async def test_envs_reach_the_agent_and_nothing_else(engine: Engine, tmp_path: Path) -> None:
    shown = await ran(engine, "env", envs={"CANARY": "c4n4ry-value"})
    child = (await engine.journals.result(shown.run)).value
    assert isinstance(child, str)
    names = json.loads(child)
    assert (names["CANARY"], names["LITERAL"]) == ("c4n4ry-value", "from-file")
    assert names["PRAISONRUN_RUN_ID"] == shown.run.id
    assert shown.run.env_names == ("CANARY",)
    await engine.delete(shown.run.id)  # the agent printed it; nothing else may hold it
    for file in sorted((tmp_path / "state").rglob("*")):
        if file.is_file():
            assert b"c4n4ry-value" not in file.read_bytes(), file
            assert b"from-file" not in file.read_bytes(), file


async def test_required_envs_are_asked_for_at_submit(engine: Engine) -> None:
    with pytest.raises(Invalid, match="SECRET"):
        await submit(engine, "needy")
    shown = await ran(engine, "needy", envs={"SECRET": "12345"})
    assert (await engine.journals.result(shown.run)).value == "5\n"


@pytest.mark.parametrize("agent", ["gone", "server", "unheard-of"])
async def test_what_cannot_run_is_refused_and_leaves_no_row(engine: Engine, agent: str) -> None:
    with pytest.raises(Invalid):
        await submit(engine, agent)
    assert sum((await engine.store.totals()).values()) == 0


async def test_slots_are_a_limit_and_the_queue_is_fair(engine: Engine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    held = [await submit(engine, "until", str(gate)) for _ in range(4)]
    queued = [await submit(engine, "quick") for _ in range(3)]
    urgent = await submit(engine, "quick", priority=5)
    assert [(await engine.get(run_id)).run.status for run_id in [*queued, urgent]] == [Status.QUEUED] * 4
    assert len(engine.live) == 4
    gate.touch()
    done = [await engine.until_final(run_id) for run_id in [*held, *queued, urgent]]
    assert {shown.run.status for shown in done} == {Status.SUCCEEDED}
    *plain, first = [shown.run.started_at or 0 for shown in done[4:]]
    assert [first, *plain] == sorted([first, *plain])


async def test_an_agent_s_own_limit_holds_up_nobody_else(engine: Engine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first, second = [await submit(engine, "one", str(gate)) for _ in range(2)]
    other = await ran(engine, "quick")
    assert other.run.status is Status.SUCCEEDED
    assert (await engine.get(second)).run.status is Status.QUEUED
    gate.touch()
    assert (await engine.until_final(second)).run.status is Status.SUCCEEDED
    finished, started = (await engine.get(first)).run.finished_at, (await engine.get(second)).run.started_at
    assert finished is not None
    assert started is not None
    assert started >= finished


async def test_a_queued_run_cancels_at_once(engine: Engine, tmp_path: Path) -> None:
    held = [await submit(engine, "until", str(tmp_path / "gate")) for _ in range(4)]
    run_id = await submit(engine, "echo")
    shown = await engine.cancel(run_id)
    assert (shown.run.status, shown.run.started_at) == (Status.CANCELLED, None)
    assert await printed(engine, run_id) == ""
    (tmp_path / "gate").touch()
    for run_id in held:
        await engine.until_final(run_id)


async def test_fifty_identical_submits_are_one_run(engine: Engine) -> None:
    async def once() -> tuple[Snapshot, bool]:
        return await engine.submit(Submit(Choice("quick"), "x"), Key("jobs", "k", {"a": "same"}))

    answers = await asyncio.gather(*(once() for _ in range(50)))
    assert len({shown.run.id for shown, _ in answers}) == 1
    assert [replayed for _, replayed in answers].count(False) == 1
    with pytest.raises(KeyReused):
        await engine.submit(Submit(Choice("quick"), "y"), Key("jobs", "k", {"a": "other"}))
    await engine.until_final(answers[0][0].run.id)
    assert len(engine.live) == 0
    # every slot came back: as many runs as slots can still be live
    runs = [await submit(engine, "wait") for _ in range(4)]
    assert len(engine.live) == 4
    for run_id in runs:
        await engine.cancel(run_id)


async def test_a_key_answers_even_where_a_new_run_could_not(engine: Engine, agents_file: Path) -> None:
    ask, key = Submit(Choice("quick"), "x"), Key("jobs", "k", {})
    first, _ = await engine.submit(ask, key)
    agents_file.write_text("agents: {other: {command: [/bin/true]}}")
    again, replayed = await engine.submit(ask, key)
    assert (again.run.id, replayed) == (first.run.id, True)
    with pytest.raises(KeyReused):
        await engine.submit(ask, replace(key, payload={"a": 1}))
    with pytest.raises(Invalid):
        await engine.submit(ask)


async def test_delete_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    live = await submit(engine, "wait")
    with pytest.raises(WrongState):
        await engine.delete(live)
    await engine.cancel(live)
    await engine.delete(live)
    with pytest.raises(NotFound):
        await engine.get(live)
    assert list((tmp_path / "state" / "runs").iterdir()) == []


async def test_retry_by_hand_names_its_origin(engine: Engine) -> None:
    shown = await ran(engine, "needy", envs={"SECRET": "12"}, metadata={"m": 1})
    with pytest.raises(Invalid, match="SECRET"):
        await engine.retry(shown.run.id, {})
    again, _ = await engine.retry(shown.run.id, {"SECRET": "1234"})
    done = await engine.until_final(again.run.id)
    assert (done.run.origin, done.run.metadata) == (shown.run.id, {"m": 1})
    assert (await engine.journals.result(done.run)).value == "4\n"


async def test_lists_and_totals(engine: Engine) -> None:
    good = [(await ran(engine, "quick", session_id="s")).run.id for _ in range(3)]
    bad = (await ran(engine, "fail")).run.id
    shown, total = await engine.find(Find())
    assert ([each.run.id for each in shown], total) == ([bad, *reversed(good)], 4)
    shown, total = await engine.find(Find(session_id="s", page=2, page_size=2))
    assert ([each.run.id for each in shown], total) == ([good[0]], 3)
    assert (await engine.store.totals())[Status.SUCCEEDED] == 3


async def test_limits_refuse_before_any_row_exists(engines: Engines, tmp_path: Path) -> None:
    async with engines(queue_limit=1, concurrency=1) as engine:
        gate = tmp_path / "gate"
        held, queued = await submit(engine, "until", str(gate)), await submit(engine, "quick")
        with pytest.raises(QueueFull):
            await submit(engine, "quick")
        gate.touch()
        await engine.until_final(held)
        await engine.until_final(queued)
        assert sum((await engine.store.totals()).values()) == 2
    async with engines(min_free=1_000_000_000) as engine:
        with pytest.raises(DiskFull, match="--min-free"):
            await submit(engine, "quick")
        assert (await engine.get(held)).run.status is Status.SUCCEEDED


async def test_all_who_ask_for_a_long_answer_at_once_share_one_reading(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def counted(reader: Reader, agent: Agent) -> Result:
        reads.append(agent.format)
        return result(reader, agent)

    run = (await ran(engine, "count", "40000")).run
    assert run.journal_end is not None
    assert run.journal_end > SHORT

    def counted_logs(reader: Reader, size: int, *, many: bool) -> str:
        reads.append("logs")
        return last_output(reader, size, many=many)

    monkeypatch.setattr("praisonrun.engine.journals.result", counted)
    monkeypatch.setattr("praisonrun.engine.journals.last_output", counted_logs)
    answers = await asyncio.gather(*(engine.journals.result(run) for _ in range(20)))
    assert reads == ["text"]
    assert {answer.value for answer in answers} == {"".join(f"line {n}\n" for n in range(40000))}
    logs = await asyncio.gather(*(engine.journals.logs(run, 100) for _ in range(20)))
    assert reads == ["text", "logs"]
    assert {len(text) for text in logs} == {100}


async def test_a_run_whose_files_cannot_be_removed_stays_whole(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = (await ran(engine, "echo", "hi")).run.id

    def failing(self: RunFiles, run_id: str) -> None:
        raise OSError(errno.EIO, "Input/output error", "/secret/place")

    monkeypatch.setattr(RunFiles, "remove", failing)
    with pytest.raises(Unavailable, match="cannot be removed: input/output error; try again"):
        await engine.delete(run_id)
    assert (await engine.journals.result((await engine.get(run_id)).run)).value == "got hi\n"


async def test_a_run_whose_journal_cannot_be_made_is_rejected_before_any_row(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: RunFiles, run_id: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", "/secret/place")

    monkeypatch.setattr(RunFiles, "create", failing)
    with pytest.raises(DiskFull, match="cannot be made: no space left on device"):
        await submit(engine, "echo", "hi")
    assert not any((await engine.store.totals()).values())


async def test_what_was_shown_is_shared_by_viewers_and_forgotten_with_the_last(engine: Engine) -> None:
    shown: list[str] = []

    def render(run_id: str, frames: list[Frame]) -> bytes:
        shown.append(run_id)
        return b"x" * len(frames)

    run_id = (await ran(engine, "count", "3")).run.id
    rendering = SharedRendering(render)
    one, two = (engine.journals.follow(run_id, START, rendering) for _ in range(2))
    assert await anext(one) == await anext(two)
    assert shown == [run_id]
    await one.aclose()
    assert [len(chunk) async for chunk in two] == []
    assert (rendering._shown, rendering._bytes) == ({}, 0)


async def test_who_catches_up_gives_way_to_others(engine: Engine) -> None:
    run_id = await submit(engine, "count", "40000")
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    with engine.viewers.watching(run_id):  # so that its end is known without a look at the store
        await engine.until_final(run_id)
        beside = asyncio.create_task(others())
        chunks = [
            chunk async for chunk in engine.journals.follow(run_id, START, SharedRendering(OUTPUT._render))
        ]
    beside.cancel()
    assert len(chunks) > 5
    assert turns >= len(chunks)
