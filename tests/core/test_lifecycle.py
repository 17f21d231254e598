"""The state table and every decision, without a clock, a file or a process."""

from __future__ import annotations

from dataclasses import replace

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.errors import WrongState
from praisonrun.core.judge import judge
from praisonrun.core.lifecycle import FINAL, TRANSITIONS
from praisonrun.core.model import Exit, Failure, Outcome, Run, Status, Verdict
from praisonrun.core.usage import Used, counted

QUEUED = Run("run_1", "a", "v", created_at=1, updated_at=1, due_at=1)
RUNNING = lifecycle.claim(QUEUED, 2, "boot", "c" * 16)
DAY = 86_400_000_000
ENDED = Exit(1, "exited", code=0)
NOTHING = Verdict()


def finished(run: Run, ended: Exit, said: Verdict = NOTHING, **needs: bool) -> Run:
    outcome = judge(run, ended, said, **{"needs_result": False, **needs})
    return lifecycle.finish(run, ended, outcome, 9, journal_end=64, summary=None)


def test_final_states_lead_nowhere() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED} == FINAL
    assert TRANSITIONS.keys() == set(Status)


def test_a_claim_counts_an_attempt_and_keeps_the_first_start() -> None:
    assert (RUNNING.attempt, RUNNING.started_at, RUNNING.boot) == (1, 2, "boot")
    again = lifecycle.claim(RUNNING._replace(status=Status.QUEUED), 5, "boot", "c" * 16)
    assert (again.attempt, again.started_at) == (2, 2)


def test_what_an_attempt_used_stays_whatever_comes_next() -> None:
    usage = {"input_tokens": 12.0, "output_tokens": -3, "cost_usd": 0.0000015, "n": 1}
    failed, summary = (
        Outcome(Status.FAILED, Failure.EXIT_NONZERO),
        {"progress": {"step": "s"}, "usage": usage},
    )
    tried = lifecycle.finish(RUNNING._replace(retries=1), ENDED, failed, 5, journal_end=64, summary=summary)
    assert (tried.status, tried.summary) == (Status.QUEUED, {"usage": usage})
    gone = lifecycle.cancel(tried, 6)
    assert (gone.summary, gone.tokens_in, gone.tokens_out, gone.cost_microusd) == ({"usage": usage}, 12, 0, 2)
    huge = counted({"prompt_tokens": 10**15, "completion_tokens": 1e15, "cost": 10**15})
    assert set(huge) == {10**12}
    assert counted({"n": 1}) == Used()


def test_taking_back_a_claim_leaves_no_trace_of_it() -> None:
    assert lifecycle.unclaim(RUNNING, 3) == QUEUED._replace(updated_at=3, boot="boot", claim="c" * 16)


def test_what_could_not_be_started_waits_longer_each_time() -> None:
    run, pauses, at = QUEUED, [], 1
    while lifecycle.may_start(claimed := lifecycle.claim(run, at, "boot", "c" * 16), at):
        run = lifecycle.unclaim(claimed, at, "no room")
        pauses.append((run.due_at - at) // 10**6)
        at = run.due_at
    assert pauses == [1, 2, 4, 8, 16, 32] + [60] * 9
    assert (run.status, run.error, run.attempt, run.started_at) == (Status.QUEUED, "no room", 0, None)
    assert (run.uncounted, run.not_started_since) == (15, 1)


def test_a_clock_set_ahead_ends_nobodys_patience() -> None:
    waits = lifecycle.unclaim(RUNNING, 3, "no room")
    assert lifecycle.may_start(lifecycle.claim(waits, 40 * DAY, "boot", "c" * 16), 40 * DAY)


@pytest.mark.parametrize("back", [1, DAY, 40 * DAY])
def test_no_end_is_before_its_start_and_no_start_before_the_submit(back: int) -> None:
    """The clock goes back at each step."""
    queued = QUEUED._replace(created_at=4 * back, updated_at=4 * back, due_at=0)
    running = lifecycle.claim(queued, 3 * back, "boot", "c" * 16)
    ready = lifecycle.ready(running, 2 * back)
    asked = lifecycle.cancel(ready, back, "enough")
    done = lifecycle.finish(asked, ENDED, Outcome(Status.SUCCEEDED), 0, journal_end=64, summary=None)
    times = (done.created_at, done.started_at, done.ready_at, done.cancel_requested_at, done.finished_at)
    assert times == (4 * back,) * 5
    assert (done.updated_at, done.duration) == (4 * back, 0)
    never_ran = lifecycle.cancel(queued, 0)
    assert (never_ran.finished_at, never_ran.duration) == (4 * back, None)


@pytest.mark.parametrize("jump", [-40 * DAY, -DAY, 0, DAY, 40 * DAY])
def test_a_duration_is_of_the_steady_clock_where_the_journal_has_one(jump: int) -> None:
    running = QUEUED._replace(created_at=50 * DAY, updated_at=50 * DAY)
    running = lifecycle.claim(running, 50 * DAY, "boot", "c" * 16)
    outcome, at = Outcome(Status.SUCCEEDED), 50 * DAY + jump
    done = lifecycle.finish(running, replace(ENDED, wall=1.5), outcome, at, journal_end=64, summary=None)
    assert done.duration == 1_500_000
    lost = lifecycle.finish(running, ENDED, outcome, at, journal_end=64, summary=None)
    assert lost.duration == max(0, jump)


def test_a_clock_set_back_makes_no_pause_longer() -> None:
    failed = finished(RUNNING._replace(retries=9, backoff=2.0, attempt=2), replace(ENDED, code=1))
    assert failed.due_at == 9 + 4_000_000
    assert lifecycle.hasten(failed, 5).due_at == 5 + 4_000_000
    assert lifecycle.hasten(failed, 20) == failed
    waits = lifecycle.unclaim(RUNNING._replace(uncounted=3), DAY, "no room")
    assert (waits.due_at, lifecycle.hasten(waits, 7).due_at) == (DAY + 8_000_000, 7 + 8_000_000)


def test_a_clock_set_back_makes_nobody_wait_longer_than_ten_minutes() -> None:
    first = lifecycle.unclaim(RUNNING, 10**15, "no room")
    again = lifecycle.unclaim(lifecycle.claim(first, 5, "boot", "c" * 16), 5, "no room")
    assert again.not_started_since == 5


def test_an_attempt_that_was_made_ends_the_count() -> None:
    waited = lifecycle.claim(lifecycle.unclaim(RUNNING, 3, "no room"), 4, "boot", "c" * 16)
    failed = finished(waited._replace(retries=1), replace(ENDED, code=1))
    assert (failed.status, failed.uncounted, failed.not_started_since) == (Status.QUEUED, 0, None)


def test_a_cancelled_run_that_could_not_be_started_does_not_wait() -> None:
    asked = lifecycle.cancel(RUNNING, 3, "enough")
    for trouble in ("no room", None):
        gone = lifecycle.unclaim(asked, 4, trouble)
        assert (gone.status, gone.error, gone.finished_at) == (Status.CANCELLED, "cancelled: enough", 4)


def test_cancel_ends_a_queued_run_and_marks_a_running_one() -> None:
    assert lifecycle.cancel(QUEUED, 5, "why").status is Status.CANCELLED
    assert lifecycle.cancel(QUEUED, 5, "why").error == "cancelled: why"
    marked = lifecycle.cancel(RUNNING, 5, "why")
    assert (marked.status, marked.cancel_requested_at) == (Status.RUNNING, 5)
    assert lifecycle.cancel(marked, 6, "later") == marked._replace(updated_at=6)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_what_is_final_stays_so(status: Status) -> None:
    final = QUEUED._replace(status=status)
    with pytest.raises(WrongState):
        lifecycle.cancel(final, 5)
    with pytest.raises(WrongState):
        lifecycle.claim(final, 5, "boot", "c" * 16)
    with pytest.raises(WrongState):
        finished(final, replace(ENDED, reason="lost"))


BAD = Verdict(ended=True, error="the agent said so")
GOOD = Verdict(ended=True, certain=True, answered=True)
OVER = Verdict(ended=True, answered=True)
"""It gave a result event that says neither success nor failure."""


@pytest.mark.parametrize(
    ("ended", "said", "needs_result", "status", "failure"),
    [
        (ENDED, NOTHING, False, Status.SUCCEEDED, None),
        (replace(ENDED, code=7), NOTHING, False, Status.FAILED, Failure.EXIT_NONZERO),
        (replace(ENDED, code=None, signal=9), NOTHING, False, Status.FAILED, Failure.EXIT_NONZERO),
        # what praisonrun did wins over everything that the agent says of itself
        (replace(ENDED, reason="cancelled"), GOOD, True, Status.CANCELLED, None),
        (replace(ENDED, reason="timed_out"), GOOD, False, Status.FAILED, Failure.TIMED_OUT),
        (replace(ENDED, reason="idle_timed_out"), GOOD, False, Status.FAILED, Failure.IDLE_TIMED_OUT),
        (replace(ENDED, reason="spawn_failed"), NOTHING, False, Status.FAILED, Failure.SPAWN_FAILED),
        (replace(ENDED, reason="not_started"), NOTHING, False, Status.FAILED, Failure.SPAWN_FAILED),
        (replace(ENDED, reason="env_lost"), NOTHING, False, Status.FAILED, Failure.ENV_LOST),
        (replace(ENDED, reason="lost"), GOOD, False, Status.FAILED, Failure.LOST),
        # the agent's own word wins over its exit code, where it says success or failure
        (ENDED, BAD, True, Status.FAILED, Failure.AGENT_ERROR),
        (replace(ENDED, code=1), BAD, True, Status.FAILED, Failure.AGENT_ERROR),
        (replace(ENDED, code=1), GOOD, True, Status.SUCCEEDED, None),
        (replace(ENDED, code=1), OVER, True, Status.FAILED, Failure.EXIT_NONZERO),
        (replace(ENDED, code=None, signal=15), OVER, True, Status.FAILED, Failure.EXIT_NONZERO),
        (ENDED, OVER, True, Status.SUCCEEDED, None),
        (ENDED, NOTHING, True, Status.FAILED, Failure.NO_RESULT),
        (replace(ENDED, code=3), NOTHING, True, Status.FAILED, Failure.EXIT_NONZERO),
    ],
)
def test_how_an_end_is_judged(
    ended: Exit, said: Verdict, needs_result: bool, status: Status, failure: Failure | None
) -> None:
    run = finished(RUNNING, ended, said, needs_result=needs_result)
    assert (run.status, run.failure, run.finished_at) == (status, failure, 9)


def test_an_agent_that_owes_an_answer_fails_without_one_and_a_result_file_is_one() -> None:
    mute = GOOD._replace(answered=False)
    assert finished(RUNNING, ENDED, mute).status is Status.SUCCEEDED
    failed = finished(RUNNING, ENDED, mute, needs_answer=True)
    assert (failed.failure, failed.error) == (Failure.NO_RESULT, "exited with code 0, but without an answer")
    assert finished(RUNNING, replace(ENDED, result=True), mute, needs_answer=True).status is Status.SUCCEEDED


def test_a_failure_repeats_what_the_agent_said_last_of_its_tries_to_reach_its_model() -> None:
    waits = Verdict(trouble="attempt 3 of 10, 429")
    idle = finished(RUNNING, Exit(1, "idle_timed_out", signal=15, error="no output for 9 s"), waits)
    assert idle.error == "no output for 9 s; it last said: attempt 3 of 10, 429"
    failed = finished(RUNNING, replace(ENDED, code=1), waits, needs_result=True)
    assert failed.error == "exited with code 1; it last said: attempt 3 of 10, 429"
    assert finished(RUNNING, ENDED, waits._replace(error="429: attempt 3 of 10, 429")).error == (
        "429: attempt 3 of 10, 429"
    )


def test_a_failure_goes_back_to_the_queue_while_retries_are_left() -> None:
    run = RUNNING._replace(retries=1, backoff=2.0)
    once = finished(run, replace(ENDED, code=1))
    assert (once.status, once.due_at) == (Status.QUEUED, 9 + 2_000_000)
    twice = finished(lifecycle.claim(once, 20, "boot", "c" * 16), replace(ENDED, attempt=2, code=1))
    assert twice.status is Status.FAILED


@pytest.mark.parametrize("reason", ["lost", "spawn_failed", "env_lost", "cancelled"])
def test_some_ends_are_never_tried_again(reason: str) -> None:
    run = RUNNING._replace(retries=5)
    assert finished(run, replace(ENDED, reason=reason)).status in FINAL


def test_a_run_asked_to_cancel_is_not_tried_again() -> None:
    run = lifecycle.cancel(RUNNING._replace(retries=5), 3)
    assert finished(run, replace(ENDED, code=1)).status is Status.FAILED


def test_back_off_doubles_up_to_five_minutes() -> None:
    pauses = [lifecycle.pause(RUNNING._replace(attempt=n)) for n in (1, 2, 3, 9, 10, 60)]
    assert pauses == [1, 2, 4, 256, 300, 300]
