"""Questions of real agents: heard at once, answered or expired, told once, found again after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from praisonrun.core import clock
from praisonrun.core.errors import Gone, NotFound
from praisonrun.core.model import Snapshot, Status
from praisonrun.core.notifier import ASKS
from praisonrun.engine import asks
from praisonrun.engine.engine import Engine
from praisonrun.files import answers
from praisonrun.files.run_files import RunFiles
from praisonrun.store import Find

from ..rigs.harness import Engines, submit, until
from .test_engine import printed, until_printed


def asked(ask_id: str, **more: Any) -> str:
    """Return a line that asks something."""
    return json.dumps({"ask": {"id": ask_id, "question": f"Is {ask_id} well?", **more}})


def waits(count: int = 1) -> Callable[[Snapshot], bool]:
    return lambda shown: len(shown.open_questions) == count


async def told(engine: Engine, run_id: str) -> list[Any]:
    """Return what an agent was told, in the order in which it read it; it prints that."""
    shown = await engine.until_final(run_id)
    assert shown.run.status is Status.SUCCEEDED
    return [json.loads(line) for line in (await printed(engine, run_id)).splitlines()[1:]]


async def test_a_question_is_answered(engine: Engine, tmp_path: Path) -> None:
    run_id = await submit(engine, "asks", asked("a", options=["yes", "no"]))
    shown = await until(engine, run_id, waits())
    assert (shown.run.status, shown.run.asks_read is not None) == (Status.RUNNING, True)
    (question,) = shown.open_questions
    assert question.due_at - question.asked_at == 600_000_000
    (listed,), _ = await engine.find(Find(root=run_id))
    assert [each.id for each in listed.questions] == ["a"]
    with pytest.raises(NotFound):
        await engine.answer(run_id, "b", "yes")
    assert (await engine.answer(run_id, "a", "yes")).answer == "yes"
    assert await told(engine, run_id) == [{"id": "a", "answer": "yes"}]
    assert (await engine.answer(run_id, "a", "yes")).answer == "yes"
    assert not RunFiles(tmp_path / "state").folder(run_id).exists()


async def test_the_stream_of_all_runs_tells_of_questions(engine: Engine) -> None:
    rev = await engine.feed.now()
    run_id = await submit(engine, "asks", asked("a"))
    told_of = list[int]()
    while told_of[-1:] != [1]:
        bell = engine.feed.changed()
        window = await engine.feed.after(rev)
        told_of += [len(each.shown.open_questions) for each in window.changes if each.shown]
        rev = window.next
        if told_of[-1:] != [1]:
            await bell.wait()
    await engine.answer(run_id, "a", "x")
    window = await engine.feed.after(rev)
    assert [each.shown and each.shown.open_questions for each in window.changes] == [[]]
    await engine.until_final(run_id)


async def test_nobody_answers_in_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = asked("a", default="no", timeout=60), asked("b", timeout=30), asked("c", timeout=7 * 86_400)
    run_id = await submit(engine, "asks", "\n".join(lines))
    await until(engine, run_id, waits(3))
    monkeypatch.setattr(engine._asks, "_ticks", lambda: clock.ticks() + 61_000_000)
    engine._notifier.ring(ASKS)
    shown = await until(engine, run_id, waits(1))
    assert {each.id: (each.state.value, each.answer) for each in shown.questions} == {
        "a": ("expired", "no"),
        "b": ("expired", None),
        "c": ("open", None),
    }
    await engine.answer(run_id, "c", "x")
    assert await told(engine, run_id) == [
        {"id": "a", "answer": "no"},
        {"id": "b", "denied": True},
        {"id": "c", "answer": "x"},
    ]


async def test_a_wall_clock_that_is_set_changes_no_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await submit(engine, "asks", asked("a", timeout=60))
    await until(engine, run_id, waits())
    monkeypatch.setattr(engine._asks, "_now", lambda: clock.now() + 10**12)
    engine._notifier.ring(ASKS)
    await engine.answer(run_id, "a", "x")
    assert await told(engine, run_id) == [{"id": "a", "answer": "x"}]


async def test_what_is_beyond_a_limit_is_denied_and_said(engine: Engine) -> None:
    run_id = await submit(engine, "asks", asked("a", timeout=0))
    assert await told(engine, run_id) == [{"id": "a", "denied": True}]
    (question,) = (await engine.get(run_id)).questions
    why = "rejected: timeout must be from 1 second to 7 days (604800)"
    assert (question.question, question.state.value) == (why, "expired")


async def test_more_than_may_be_open_at_once(engine: Engine) -> None:
    lines = [asked(f"q{number:02}") for number in range(34)]
    run_id = await submit(engine, "asks", "\n".join(lines))
    await until(engine, run_id, waits(32))
    for number in range(32):
        await engine.answer(run_id, f"q{number:02}", "x")
    replies = {each["id"]: each.get("answer") for each in await told(engine, run_id)}
    assert replies == {f"q{number:02}": "x" if number < 32 else None for number in range(34)}


async def test_the_end_of_an_attempt_voids_its_questions(engine: Engine) -> None:
    run_id = await submit(engine, "asks", asked("a"))
    await until(engine, run_id, waits())
    shown = await engine.cancel(run_id)
    assert [each.state.value for each in shown.questions] == ["void"]
    with pytest.raises(Gone):
        await engine.answer(run_id, "a", "x")


async def test_questions_outlive_the_server(engines: Engines) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "asks", f"{asked('a')}\n{asked('b', timeout=60, default='no')}")
        await until(engine, run_id, waits(2))
    async with engines() as engine:
        assert waits(2)(await engine.get(run_id))
        await engine.answer(run_id, "a", "x")
        while (asking := engine.live[run_id].asks) is None or not asking.known:
            await anyio.lowlevel.checkpoint()
        assert 50_000_000 < asking.due["b"] - clock.ticks() <= 60_000_000
    async with engines() as engine:
        await engine.answer(run_id, "b", "yes")
        assert await told(engine, run_id) == [{"id": "a", "answer": "x"}, {"id": "b", "answer": "yes"}]


async def test_what_was_asked_without_a_server_is_read_then(engines: Engines, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    agent = (
        "import os,sys,time\nprint('up',flush=True)\n"
        f"while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n"
        f"open(os.environ['PRAISONRUN_EVENTS'],'w').write({asked('late')!r}+'\\n')\n"
        f"os.unlink({str(gate)!r})\n"
        "name=os.environ['PRAISONRUN_ANSWERS']\n"
        "while not os.path.exists(name): time.sleep(0.01)\n"
    )
    file = tmp_path / "agents.yaml"
    file.write_text(
        json.dumps({"agents": {"late": {"command": ["{python}", "-c", agent], "prompt": "none"}}})
    )
    async with engines() as engine:
        run_id = await submit(engine, "late")
        await until_printed(engine, run_id, "up")
    gate.touch()
    while gate.exists():
        pass
    async with engines() as engine:
        await until(engine, run_id, waits())
        await engine.answer(run_id, "late", "x")
        assert (await engine.until_final(run_id)).run.status is Status.SUCCEEDED


async def test_a_crash_between_the_answer_and_its_note_tells_nothing_twice(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engines() as engine:
        run_id = await submit(engine, "asks", f"{asked('a')}\n{asked('b')}")
        await until(engine, run_id, waits(2))

        async def lost(*_: object) -> None:
            raise OSError("the server dies here")

        monkeypatch.setattr(engine.store, "note_delivered", lost)
        await engine.answer(run_id, "a", "x")
        file = engine.files.folder(run_id) / answers.ANSWERS
        while not file.exists() or not file.read_text():
            await anyio.lowlevel.checkpoint()
    async with engines() as engine:
        await engine.answer(run_id, "b", "y")
        assert await told(engine, run_id) == [{"id": "a", "answer": "x"}, {"id": "b", "answer": "y"}]


async def test_a_file_that_cannot_be_written_is_tried_again(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(asks, "RETRY", 0.01)
    write, failures = answers.append, [OSError(28, "No space left on device")] * 3

    def failing(*given: Any) -> None:
        if failures:
            raise failures.pop()
        write(*given)

    monkeypatch.setattr(answers, "append", failing)
    run_id = await submit(engine, "asks", asked("a"))
    await until(engine, run_id, waits())
    await engine.answer(run_id, "a", "x")
    assert await told(engine, run_id) == [{"id": "a", "answer": "x"}]
    said = [record.message for record in caplog.records if "questions" in record.message]
    assert said == [f"run {run_id}: its questions wait: no space left on device"]
