"""Runs of one session continue one conversation of their agent's own, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.conversation import opening
from praisonrun.core.delivery import Reach
from praisonrun.core.errors import WrongState
from praisonrun.core.model import Status
from praisonrun.engine.engine import Engine
from praisonrun.files.run_files import RunFiles
from praisonrun.journal.formats import frame_events

from ..rigs.harness import engine_in, submit, until
from ..rigs.talkers import Talks


@pytest.fixture
def talks(tmp_path: Path) -> Talks:
    return Talks(tmp_path / "talks")


@pytest.fixture
def agents_file(tmp_path: Path, talks: Talks) -> Path:
    return talks.agents(tmp_path / "talks.yaml")


@pytest.fixture
async def engine(tmp_path: Path, agents_file: Path) -> AsyncIterator[Engine]:
    async with engine_in(tmp_path / "state", agents_file) as made:
        yield made


def again(tmp_path: Path, agents_file: Path) -> AbstractAsyncContextManager[Engine]:
    """A server of the same directory, after a restart."""
    return engine_in(tmp_path / "state", agents_file)


async def said(engine: Engine, run_id: str) -> list[str]:
    """Return all that was said in the conversation of a run that succeeded."""
    shown = await engine.until_final(run_id)
    assert shown.run.status is Status.SUCCEEDED, shown.run.error
    found: list[str] = (await engine.journals.result(await engine.row(run_id))).value
    return found


async def talk(
    engine: Engine, prompt: str, agent: str = "talk", session: str | None = "s", **more: Any
) -> list[str]:
    return await said(engine, await submit(engine, agent, prompt, session_id=session, **more))


def events(tmp_path: Path, run_id: str) -> list[dict[str, Any]]:
    """Return the data of the session events of a run."""
    reader = RunFiles(tmp_path / "state").reader(run_id)
    assert reader is not None
    with reader:
        frames = [frame for window in reader.windows() for frame in window]
    return [each.data for frame in frames for each in frame_events("jsonl", frame) if each.name == "session"]


@pytest.mark.parametrize("agent", ["talk", "tells"])
async def test_a_later_run_continues_the_conversation_also_after_a_restart(
    agent: str, tmp_path: Path, agents_file: Path, talks: Talks
) -> None:
    async with again(tmp_path, agents_file) as engine:
        assert await talk(engine, "one", agent) == ["one"]
        assert await talk(engine, "two", agent) == ["one", "two"]
    async with again(tmp_path, agents_file) as engine:
        assert await talk(engine, "three", agent) == ["one", "two", "three"]
    (name,) = talks.names()
    first = ("--session-id", name) if agent == "talk" else ()
    assert [start.words for start in talks.starts()] == [first, ("--resume", name), ("--resume", name)]


async def test_agent_session_and_directory_make_a_conversation(
    engine: Engine, tmp_path: Path, talks: Talks
) -> None:
    assert await talk(engine, "a") == ["a"]
    assert await talk(engine, "b", session="other") == ["b"]
    assert await talk(engine, "c", "tells") == ["c"]
    here: dict[str, Any] = {"agent": "here", "webhook_reach": Reach.LOOPBACK}
    assert await talk(engine, "d", cwd=str(tmp_path), **here) == ["d"]
    assert await talk(engine, "e", cwd=str(talks.folder), **here) == ["e"]
    assert await talk(engine, "f", **here) == ["d", "f"]  # in the file's folder
    assert await talk(engine, "g", session=None) == ["g"]
    assert await talk(engine, "h", session=None) == ["h"]
    assert len(talks.names()) == 7
    assert talks.overlaps() == []


async def test_two_runs_of_one_session_wait_for_each_other_and_say_so(
    engine: Engine, tmp_path: Path, talks: Talks
) -> None:
    gate = tmp_path / "gate"
    first = await submit(engine, "talk", f"wait:{gate}", session_id="s")
    second = await submit(engine, "talk", "two", session_id="s")
    third = await submit(engine, "talk", "three", session_id="s", priority=9)  # overtakes others, not these
    assert (await engine.get(second)).waits == f"waits for {first} of the same session"
    assert (await engine.get(third)).waits == f"waits for {first} of the same session"
    assert await talk(engine, "else", session="else") == ["else"]  # though slots are few
    assert (await engine.get(second)).run.status is Status.QUEUED
    gate.touch()
    assert await said(engine, third) == [f"wait:{gate}", "two", "three"]
    assert [start.run_id for start in talks.starts() if start.run_id in (first, second, third)] == [
        first, second, third,
    ]  # fmt: skip
    assert talks.overlaps() == []


async def test_without_forms_a_session_only_groups(engine: Engine, tmp_path: Path, talks: Talks) -> None:
    gate = tmp_path / "gate"
    ids = [await submit(engine, "plain", f"wait:{gate}", session_id="s") for _ in range(3)]
    for run_id in ids:
        await until(engine, run_id, lambda shown: shown.pid is not None)
    gate.touch()
    assert [await said(engine, run_id) for run_id in ids] == [[f"wait:{gate}"]] * 3
    assert len(talks.names()) == 3


async def test_a_waiting_retry_keeps_its_place(engine: Engine, talks: Talks) -> None:
    first = await submit(engine, "talk", "fail1", session_id="s", retries=1)
    second = await submit(engine, "talk", "two", session_id="s")
    assert await said(engine, second) == ["fail1", "two"]
    assert [start.run_id for start in talks.starts()] == [first, first, second]
    assert (await engine.get(first)).run.attempt == 2


async def test_the_end_of_a_run_that_waits_lets_the_next_one_go(engine: Engine, tmp_path: Path) -> None:
    await engine.queue.pause("talk")
    first = await submit(engine, "talk", "one", session_id="s")
    second = await submit(engine, "talk", "two", session_id="s")
    held = await submit(engine, "talk", "", session_id="t", held=True)
    behind = await submit(engine, "talk", "b", session_id="t")
    await engine.queue.resume("talk")
    assert await said(engine, second) == ["one", "two"]
    assert (await engine.get(first)).run.status is Status.SUCCEEDED
    assert (await engine.get(behind)).waits == f"waits for {held} of the same session"
    await engine.cancel(held)
    assert await said(engine, behind) == ["b"]


async def test_a_conversation_that_is_gone_begins_anew_and_the_run_says_so(
    engine: Engine, tmp_path: Path, talks: Talks
) -> None:
    await talk(engine, "one")
    (old,) = talks.names()
    talks.lose(old)
    run_id = await submit(engine, "talk", "two", session_id="s")
    assert await said(engine, run_id) == ["two"]
    (new,) = talks.names()
    assert new != old
    assert talks.told(run_id) == [("--resume", old), ("--session-id", new)]
    run = (await engine.get(run_id)).run
    assert (run.attempt, run.retries, run.error) == (2, 0, None)
    assert events(tmp_path, run_id) == [{"started_anew": True}, {"id": new}]
    assert await talk(engine, "three") == ["two", "three"]


async def test_one_that_tells_its_name_begins_anew_too(engine: Engine, tmp_path: Path, talks: Talks) -> None:
    await talk(engine, "one", "tells")
    (old,) = talks.names()
    talks.lose(old)
    run_id = await submit(engine, "tells", "two", session_id="s")
    assert await said(engine, run_id) == ["two"]
    assert talks.told(run_id) == [("--resume", old), ()]
    assert await talk(engine, "three", "tells") == ["two", "three"]


async def test_a_name_that_is_taken_is_left_alone(engine: Engine, tmp_path: Path, talks: Talks) -> None:
    run_id = await submit(engine, "talk", "mute die", session_id="s")  # it made one and could not say so
    assert (await engine.until_final(run_id)).run.status is Status.FAILED
    (taken,) = talks.names()
    second = await submit(engine, "talk", "two", session_id="s")
    assert await said(engine, second) == ["two"]
    assert talks.told(second)[0] == ("--session-id", taken)
    assert talks.turns(taken) == []
    # Again, by the run after it, which finds nothing known.
    (lost,) = {*talks.names()} - {taken}
    talks.lose(lost)
    third = await submit(engine, "talk", "mute die", session_id="s")
    assert (await engine.until_final(third)).run.status is Status.FAILED
    fourth = await submit(engine, "talk", "four", session_id="s")
    assert await said(engine, fourth) == ["four"]
    assert len({words[1] for words in talks.told(fourth)}) == 2


async def test_what_was_worked_is_never_done_again_unasked(engine: Engine, talks: Talks) -> None:
    await talk(engine, "one")
    run_id = await submit(engine, "talk", "message unknown", session_id="s")
    run = (await engine.until_final(run_id)).run
    assert (run.status, run.attempt) == (Status.FAILED, 1)
    assert run.error_tail is not None
    assert "No conversation found" in run.error_tail
    assert await talk(engine, "two") == ["one", "two"]


async def test_one_that_knows_no_new_one_either_fails(engine: Engine, talks: Talks) -> None:
    await talk(engine, "one")
    (old,) = talks.names()
    talks.lose(old)
    run_id = await submit(engine, "talk", "unknown", session_id="s")
    run = (await engine.until_final(run_id)).run
    assert (run.status, run.attempt) == (Status.FAILED, 2)
    assert await talk(engine, "two") == ["two"]


async def test_beginning_anew_costs_no_retry(engine: Engine, talks: Talks) -> None:
    await talk(engine, "one")
    talks.lose(*talks.names())
    run_id = await submit(engine, "talk", "fail2 fail3", session_id="s", retries=1)
    run = (await engine.until_final(run_id)).run
    assert (run.status, run.attempt) == (Status.FAILED, 3)
    (name,) = talks.names()
    assert [words[0] for words in talks.told(run_id)] == ["--resume", "--session-id", "--resume"]
    assert {words[1] for words in talks.told(run_id)[1:]} == {name}


async def test_a_cancelled_turn_is_no_end_of_the_conversation(engine: Engine, tmp_path: Path) -> None:
    run_id = await submit(engine, "talk", f"wait:{tmp_path / 'never'}", session_id="s")
    await until(engine, run_id, lambda shown: shown.pid is not None)
    next_one = await submit(engine, "talk", "two", session_id="s")
    await engine.cancel(run_id)
    assert await said(engine, next_one) == ["two"]
    assert await talk(engine, "three") == ["two", "three"]


async def test_a_retry_by_hand_continues_it(engine: Engine) -> None:
    run_id = await submit(engine, "talk", "one", session_id="s")
    assert await said(engine, run_id) == ["one"]
    shown, _ = await engine.retry(run_id, {})
    assert await said(engine, shown.run.id) == ["one", "one"]


async def test_no_run_waits_for_one_that_waits_for_it(engine: Engine, tmp_path: Path, talks: Talks) -> None:
    gate = tmp_path / "gate"
    top = await submit(engine, "talk", f"wait:{gate}", session_id="s")
    middle = await submit(engine, "plain", f"wait:{gate}", session_id="s", parent=top)
    for more in ({"parent": top}, {"parent": middle}, {"waiter": top}, {"waiter": middle}):
        with pytest.raises(WrongState, match=f"{top}.* give another session, or none"):
            await submit(engine, "talk", "x", session_id="s", **more)
    assert await talk(engine, "y", session="t", parent=top) == ["y"]
    assert await talk(engine, "z", session=None, waiter=top) == ["z"]
    assert await talk(engine, "v", "tells", waiter="run_of_another_server") == ["v"]
    gate.touch()
    for run_id in (top, middle):
        await engine.until_final(run_id)
    assert await talk(engine, "after", parent=top) == [f"wait:{gate}", "after"]
    assert talks.overlaps() == []


async def test_a_crash_leaves_the_order_as_it_was(tmp_path: Path, agents_file: Path, talks: Talks) -> None:
    gate = tmp_path / "gate"
    async with again(tmp_path, agents_file) as engine:
        first = await submit(engine, "talk", f"wait:{gate}", session_id="s")
        await until(engine, first, lambda shown: shown.pid is not None)
        second = await submit(engine, "talk", "two", session_id="s")
    async with again(tmp_path, agents_file) as engine:  # the agent lives on
        assert (await engine.get(second)).waits == f"waits for {first} of the same session"
        gate.touch()
        assert await said(engine, second) == [f"wait:{gate}", "two"]


async def test_two_stores_name_their_conversations_apart(engine: Engine, talks: Talks) -> None:
    run_id = await submit(engine, "talk", "one", session_id="s")
    await said(engine, run_id)
    run, agent = (await engine.get(run_id)).run, engine.catalog.get("talk", None)
    assert [opening(agent, engine.store.id, run.conversation, None).name] == talks.names()
    assert opening(agent, "another store", run.conversation, None).name not in talks.names()
