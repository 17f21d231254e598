"""Which conversation a run continues, and what is known of it after: values alone."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.agent import Agent, Session
from praisonrun.core.conversation import NO_OPENING, Conversation, after, key_of, names_one, opening
from praisonrun.core.model import Exit, Failure, Outcome, Run, Status

ASSIGNED = Session(("--session-id", "{session_uuid}"), ("--resume", "{agent_session}"), "unknown")
CAPTURED = Session((), ("--resume", "{agent_session}"), "unknown")
ONE_FORM = Session(("--session-id", "{session_uuid}"))
AGENT = Agent("a", file="", command=("a", "{session}"), cwd="/home", session=ASSIGNED)
KNOWN, LOST = Conversation("N", "run_0"), Conversation("", "run_0")
RUN = Run("run_1", "a", "v", 1, 1, 1)


def test_agent_session_and_directory_are_the_key() -> None:
    key = key_of(AGENT, "s", None)
    assert key == key_of(AGENT, "s", "/home") == '["a","s","/home"]'
    others = [
        key_of(replace(AGENT, name="b"), "s", None),
        key_of(AGENT, "t", None),
        key_of(AGENT, "s", "/srv"),
    ]
    assert len({key, *others}) == 4
    assert key_of(AGENT, None, None) is None
    assert key_of(replace(AGENT, session=None), "s", None) is None


def test_a_name_of_ours_is_a_uuid_that_stays_until_it_is_lost() -> None:
    first = opening(AGENT, "store", "key", None)
    assert (first.args, first.anew) == (ASSIGNED.first, False)
    assert str(uuid.UUID(first.name)) == first.name
    assert opening(AGENT, "store", "key", None) == first
    anew = opening(AGENT, "store", "key", LOST)
    assert (anew.args, anew.anew) == (ASSIGNED.first, True)
    again = opening(AGENT, "store", "key", Conversation("", "run_1"))
    others = opening(AGENT, "other", "key", None), opening(AGENT, "store", "other", None)
    assert len({first.name, anew.name, again.name, *(each.name for each in others)}) == 5


@pytest.mark.parametrize("session", [ASSIGNED, CAPTURED, ONE_FORM])
def test_one_that_is_known_is_named(session: Session) -> None:
    agent = replace(AGENT, session=session)
    assert opening(agent, "store", "key", KNOWN) == (session.later or session.first, "N", False)
    assert names_one(agent, KNOWN)
    assert names_one(agent, None) is names_one(agent, LOST) is (session is not CAPTURED)


def test_without_a_conversation_nothing_is_told() -> None:
    assert opening(AGENT, "store", None, None) == NO_OPENING
    assert opening(replace(AGENT, session=None), "store", "key", None) == NO_OPENING
    assert not names_one(replace(AGENT, session=None), None)


def test_what_an_agent_calls_it_is_kept_where_it_can_be_given_back() -> None:
    assert after(RUN, None, "ses_1.2:3-4", lost=False) == Conversation("ses_1.2:3-4", "run_1")
    assert after(RUN, KNOWN, "N", lost=False) == after(RUN, KNOWN, None, lost=False) == KNOWN
    assert after(RUN, KNOWN, "M", lost=False) == Conversation("M", "run_1")
    assert after(RUN, KNOWN, "M", lost=True) == Conversation("", "run_1")
    assert after(RUN, None, None, lost=False) is None
    for odd in ("--all", "", "a b", "a/b", "x" * 201, "é"):  # an option, say, that its output brought in
        assert after(RUN, KNOWN, odd, lost=False) == KNOWN


def test_beginning_anew_is_no_retry_and_waits_for_nothing() -> None:
    live = lifecycle.claim(RUN._replace(backoff=60.0), 2, "boot", "c" * 16)
    failed = Outcome(Status.FAILED, Failure.EXIT_NONZERO, "unknown")

    def ended(run: Run, *, anew: bool = False, uncounted: int = 0, by: Outcome = failed) -> Run:
        said = Exit(run.attempt, "exited", code=1)
        return lifecycle.finish(
            run, said, by, 5, journal_end=64, summary=None, anew=anew, uncounted=uncounted
        )

    queued = ended(live, anew=True)
    assert (queued.status, queued.due_at) == (Status.QUEUED, 0)
    second = lifecycle.claim(queued, 6, "boot", "c" * 16)
    assert ended(second, uncounted=1).status is Status.FAILED
    assert ended(second._replace(retries=1), uncounted=1).due_at == 5 + 120_000_000
    third = lifecycle.claim(ended(second._replace(retries=1), uncounted=1), 7, "boot", "c" * 16)
    assert ended(third, uncounted=1).status is Status.FAILED
    for run in (live._replace(cancel_requested_at=3), second._replace(cancel_requested_at=3)):
        assert ended(run, anew=True).status is Status.FAILED
    lost = Outcome(Status.FAILED, Failure.LOST, "lost")
    assert ended(live, anew=True, by=lost).status is Status.FAILED
