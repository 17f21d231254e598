"""What every dialect shows of a run between two attempts: nothing of the attempt that is over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.model import Exit, Failure, Mode, Outcome, Phase, Run, Snapshot, Status
from praisonrun.core.question import Question, QuestionState
from praisonrun.dialects.jobs import show as jobs
from praisonrun.dialects.nullspace import log_events, words
from praisonrun.dialects.nullspace import logs as nullspace_logs
from praisonrun.dialects.nullspace import show as nullspace
from praisonrun.dialects.nullspace.models import LogsQuery
from praisonrun.dialects.veryfront import show as veryfront
from praisonrun.journal.format import Frame, Kind

FAILED = Outcome(Status.FAILED, Failure.EXIT_NONZERO, "exited with code 3")
ENDED = Exit(1, "exited", code=3, pid=4711)


def between(retries: int = 1) -> Run:
    """Return a run whose first attempt has failed."""
    queued = Run("run_1", "a", "v", 1, 1, 1, retries=retries)
    started = lifecycle.claim(queued, 2, "boot", "c" * 16)
    return lifecycle.finish(started, ENDED, FAILED, 3, journal_end=64, summary=None)


def shown(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the dialects show of an attempt."""
    log = nullspace_logs.Log(snapshot, None).page(LogsQuery.model_validate({}))
    return {
        "jobs": jobs.status(snapshot)["exit_code"],
        "veryfront": veryfront.run_object(snapshot)["exit_code"],
        "nullspace": nullspace.run(snapshot)["exit_code"],
        "process": nullspace.run(snapshot)["process_id"],
        "log": log["events"][0]["process_id"],
    }


NOTHING = dict.fromkeys(("jobs", "veryfront", "nullspace", "process", "log"))


def test_a_retry_that_waits_shows_nothing_of_the_attempt_before_it() -> None:
    run = between()
    assert (run.status, run.attempt) == (Status.QUEUED, 1)
    assert shown(Snapshot(run, pid=run.pid)) == NOTHING


def test_a_retry_that_starts_or_runs_shows_nothing_of_the_attempt_before_it() -> None:
    run = lifecycle.claim(between(), 4, "boot", "c" * 16)
    assert shown(Snapshot(run, Phase.STARTING, run.pid)) == NOTHING
    assert shown(Snapshot(run, Phase.RUNNING, 4712)) == {**NOTHING, "process": 4712, "log": 4712}


def test_a_finished_run_shows_its_last_attempt() -> None:
    run = between(retries=0)
    assert run.status is Status.FAILED
    expected = {"jobs": 3, "veryfront": 3, "nullspace": 3, "process": 4711, "log": 4711}
    assert shown(Snapshot(run, pid=run.pid)) == expected


IDS = ["abc", "run_abc", "run_run_abc", "run_", "run", "r", "RUN_abc", "0" * 32, "run_" + "0" * 32]


@pytest.mark.parametrize("mode", Mode)
def test_every_run_has_a_name_of_its_own_in_nullspace(mode: Mode) -> None:
    runs = [Run(run_id, "a", "v", 1, 1, 1, mode=mode) for run_id in IDS]
    names = [words.wire_id(run) for run in runs]
    assert len(set(names)) == len(names)
    assert [words.run_id_of(name, mode) for name in names] == [run.id for run in runs]
    boxes = {words.sandbox_id(Snapshot(run, scratch=True)) for run in runs}
    assert len(boxes) == len(runs)


def test_a_minted_id_keeps_its_name() -> None:
    minted = "0197f2a0c3d4e5f60718293a4b5c6d7e"
    assert words.wire_id(Run(f"run_{minted}", "a", "v", 1, 1, 1)) == f"adrun_{minted}"
    assert words.run_id_of("adsvc_x", Mode.RUN) is None


def asking(kind: str, state: QuestionState = QuestionState.OPEN) -> Snapshot:
    """Return a run whose agent asks something."""
    started = lifecycle.claim(Run("run_1", "a", "v", 1, 1, 1), 2, "boot", "c" * 16)
    question = Question("q", "Deploy?", (), None, kind, 3, 4, state)
    return Snapshot(started, Phase.RUNNING, pid=5, questions=[question])


@pytest.mark.parametrize(("kind", "reason"), [("question", "input"), ("permission", "approval")])
def test_a_run_that_asks_is_running_and_waits(kind: str, reason: str) -> None:
    shown = asking(kind)
    assert {name: jobs.status(shown)[name] for name in ("status", "phase")} == {
        "status": "running",
        "phase": "waiting",
    }
    wire = veryfront.run_object(shown)
    assert (wire["status"], wire["waiting_reason"], nullspace.run(shown)["status"]) == (
        "waiting",
        reason,
        "running",
    )
    over = asking(kind, QuestionState.ANSWERED)
    wire = veryfront.run_object(over)
    assert (jobs.status(over)["phase"], wire["status"], wire["waiting_reason"]) == (
        "running",
        "running",
        None,
    )


@pytest.mark.parametrize(
    ("timeout", "entry"),
    [
        (60, ("info", "system", "question_asked", "Deploy?")),
        (
            0,
            (
                *("warn", "system", "question_rejected"),
                "question rejected: timeout must be from 1 second to 7 days (604800)",
            ),
        ),
    ],
)
def test_a_question_is_in_the_nullspace_log(timeout: int, entry: tuple[str, ...]) -> None:
    asked = {"ask": {"id": "q", "question": "Deploy?", "timeout": timeout}}
    frame = Frame(Kind.EVENT, 3, 64, json.dumps(asked).encode())
    (event,) = log_events.frame_events(asking("question").run, frame)
    assert event.entry == (*entry, {"event": asked})
