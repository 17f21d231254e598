"""Questions in the store: kept once, answered once, told once; each change is among the changes of runs."""

from __future__ import annotations

from typing import Any

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.errors import Gone, Invalid, NotFound, WrongState
from praisonrun.core.model import Run
from praisonrun.core.question import OPEN, Question, QuestionState
from praisonrun.store import Store, Unsettled

from .test_store import add, anything, ended, run

DUE = 700


def question(ask_id: str = "a", **more: Any) -> Question:
    return Question(ask_id, "Deploy?", ("yes", "no"), "no", "question", 100, DUE)._replace(**more)


@pytest.fixture
async def live(store: Store) -> Run:
    """A run that has begun."""
    await add(store, run(retries=1))
    (claimed,) = await store.claim(1, 2, "boot", anything)
    return claimed


async def ask(store: Store, live: Run, *asked: Question, read: int = 64) -> Unsettled:
    needs = await store.ask(live, asked, read, 5)
    assert needs is not None
    return needs


async def news(store: Store, rev: int) -> list[str]:
    return [change.id for change in (await store.changed_since(rev, 9)).found]


async def rev(store: Store) -> int:
    return (await store.changed_since(0, 9)).last


async def test_a_question_is_kept_as_it_was_asked(store: Store, live: Run) -> None:
    before = await rev(store)
    permission = question("b", kind="permission", asked_at=101)
    plain = question("c", options=(), default=None, asked_at=102)
    silent = question("d", options=(), kind="permission", asked_at=103)
    needs = await ask(store, live, question(), permission, plain, silent, read=99)
    assert needs == Unsettled(dict.fromkeys("abcd", DUE), [])
    assert await store.questions(live.seq) == [question(), permission, plain, silent]
    assert await news(store, before) == [live.id]
    assert (await store.get(live.id)).asks_read == 99
    short = (await store.open_questions([live.seq]))[live.seq]
    assert [(each.id, each.kind, each.options, each.default) for each in short] == [
        ("a", "question", (), None),
        ("b", "permission", (), None),
        ("c", "question", (), None),
        ("d", "permission", (), None),
    ]


async def test_a_repeated_id_is_the_same_question(store: Store, live: Run) -> None:
    await ask(store, live, question())
    assert (await ask(store, live, question(question="Again?", due_at=9999))).open == {"a": DUE}
    await store.answer(live.id, "a", "yes", 6)
    assert await ask(store, live, question()) == Unsettled({}, ["a"])  # it was not told yet
    await store.note_delivered(live.seq, ["a"])
    assert await ask(store, live, question()) == Unsettled({}, [])
    (known,) = await store.questions(live.seq)
    assert (known.question, known.answer) == ("Deploy?", "yes")


async def test_what_is_beyond_a_limit_is_denied_at_once(store: Store, live: Run) -> None:
    many = [question(f"q{number:02}") for number in range(OPEN + 2)]
    needs = await ask(store, live, *many)
    assert (len(needs.open), needs.untold) == (OPEN, [f"q{OPEN}", f"q{OPEN + 1}"])
    await store.answer(live.id, "q00", "yes", 6)
    bad = question("bad", state=QuestionState.EXPIRED)
    assert await ask(store, live, bad, question("more")) == Unsettled({"more": DUE}, ["bad"])
    denied = await store.settled_questions(live.seq, ["bad", "q00", "q01", f"q{OPEN}"])
    assert [each.reply for each in denied] == [
        {"id": "bad", "denied": True},
        {"id": "q00", "answer": "yes"},
        {"id": f"q{OPEN}", "denied": True},
    ]


async def test_an_answer_is_given_once(store: Store, live: Run) -> None:
    await ask(store, live, question(), question("free", options=(), default=None))
    before = await rev(store)
    with pytest.raises(Invalid, match="answer: must be one of 'yes', 'no'"):
        await store.answer(live.id, "a", "maybe", 6)
    assert await news(store, before) == []
    known, fresh = await store.answer(live.id, "a", "yes", 6)
    assert (known.state, known.answer, fresh) == (QuestionState.ANSWERED, "yes", True)
    assert await news(store, before) == [live.id]
    before = await rev(store)
    assert await store.answer(live.id, "a", "yes", 7) == (known, False)
    with pytest.raises(WrongState, match="question a was answered already: 'yes'"):
        await store.answer(live.id, "a", "no", 7)
    assert await news(store, before) == []
    assert (await store.answer(live.id, "free", "", 7))[0].answer == ""
    with pytest.raises(NotFound, match="run run_1 has asked no question 'x'"):
        await store.answer(live.id, "x", "yes", 7)
    with pytest.raises(NotFound):
        await store.answer("run_2", "a", "yes", 7)


async def test_time_gives_the_default_or_denies(store: Store, live: Run) -> None:
    await ask(store, live, question(), question("b", default=None, options=()), question("c"))
    await store.answer(live.id, "c", "yes", 6)
    before = await rev(store)
    due = [(live.seq, ask_id) for ask_id in "abc"]
    assert await store.expire(due, DUE) == {(live.seq, "a"), (live.seq, "b")}
    assert await news(store, before) == [live.id]
    assert await store.expire(due, DUE) == set()
    replies = {each.id: each.answer for each in await store.questions(live.seq)}
    assert replies == {"a": "no", "b": None, "c": "yes"}
    with pytest.raises(WrongState, match="question a has expired"):
        await store.answer(live.id, "a", "no", DUE)


async def test_the_end_of_an_attempt_voids_what_it_asked(store: Store, live: Run) -> None:
    await ask(store, live, question(), question("b"))
    await store.answer(live.id, "b", "yes", 6)
    await store.change(live.id, ended)
    assert {each.id: each.state.value for each in await store.questions(live.seq)} == {
        "a": "void",
        "b": "answered",
    }
    assert not (await store.answer(live.id, "b", "yes", 9))[1]
    with pytest.raises(Gone, match="question a is void: the attempt that asked it has ended"):
        await store.answer(live.id, "a", "yes", 9)
    assert await store.ask(live, [question("late")], 99, 9) is None
    await store.delete(live.id)
    assert await store.questions(live.seq) == []


async def test_a_later_attempt_asks_again(store: Store, live: Run) -> None:
    await ask(store, live, question(), question("b"))
    await store.answer(live.id, "b", "yes", 6)
    await store.change(live.id, lambda found: lifecycle.unclaim(found, 7))
    (second,) = await store.claim(1, 10**9, "boot", anything)
    assert await store.ask(live, [question("old")], 99, 9) is None  # who read for the first attempt
    needs = await ask(store, second, question(asked_at=800, due_at=900), question("b"))
    assert needs == Unsettled({"a": 900}, ["b"])
