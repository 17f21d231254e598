"""The end of each run is one line of the log, in words of ours; more lines where they are wanted."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from praisonrun.core.model import Failure, Mode, Run, Status
from praisonrun.engine import logged
from praisonrun.engine.engine import Engine

from ..rigs.harness import pid_of, ran, submit

pytestmark = pytest.mark.anyio


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, Any]]:
    return [(record.getMessage(), record.args) for record in caplog.records if record.levelno == logging.INFO]


async def test_the_end_of_a_run_is_one_line(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "praisonrun")
    well, badly = await ran(engine, "echo", "a prompt"), await ran(engine, "fail")
    again = await ran(engine, "flaky")
    (first, one), (second, two), (third, three) = lines(caplog)
    assert first.startswith(f"run {well.run.id} of echo succeeded after ")
    assert second.startswith(f"run {badly.run.id} of fail failed after ")
    assert second.endswith(" s: exited with code 7")
    assert third.startswith(f"run {again.run.id} of flaky succeeded after ")
    assert (one["status"], one["exit_code"], one["attempt"]) == ("succeeded", 0, 1)
    assert (two["failure"], two["exit_code"], three["attempt"]) == ("exit_nonzero", 7, 3)
    assert "a prompt" not in caplog.text


async def test_so_is_that_of_a_run_that_never_started(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "praisonrun")
    first = await submit(engine, "one", "/no/such/file")
    await pid_of(engine, first)
    second = await submit(engine, "one")
    await engine.cancel(second, "not\nneeded")
    await engine.cancel(first)
    (one, _), (two, _) = lines(caplog)
    assert one == f"run {second} of one cancelled"
    assert two.startswith(f"run {first} of one cancelled after ")


def test_what_an_agent_said_is_not_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "praisonrun")
    run = Run("run_1", "a", "v", 1, 1, 0, status=Status.FAILED, error="its secret" * 100, attempt=1)
    for failure in Failure:
        logged.finished(run._replace(failure=failure, mode=Mode.SERVICE))
    said = {args["failure"]: text for text, args in lines(caplog)}
    assert said["agent_error"] == "service run_1 of a failed: agent_error"
    assert {name for name, text in said.items() if "secret" in text} == {
        "exit_nonzero", "timed_out", "idle_timed_out", "spawn_failed", "no_result", "env_lost", "lost",
    }  # fmt: skip
    assert max(map(len, said.values())) < 400


async def test_each_step_is_a_line_where_it_is_wanted(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "praisonrun")
    run = (await ran(engine, "flaky")).run
    fields: list[Any] = [record.args for record in caplog.records if isinstance(record.args, dict)]
    steps = [str(each["step"]) for each in fields if "step" in each]
    assert steps[0] == "was submitted"
    assert [step.split(",")[0] for step in steps[1:]] == [
        "attempt 1 is running", "waits for its next attempt",
        "attempt 2 is running", "waits for its next attempt",
        "attempt 3 is running",
    ]  # fmt: skip
    assert f"run {run.id} of flaky was submitted" in caplog.text
