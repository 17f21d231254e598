"""Scorecard 18, 19: the engine against a model, in virtual time, through crashes at any turn of its loop.

The schedule is simulated by the same machine: it drives the real scheduler over the real store, with a clock
that passes when told, and looks at every claim for limits, order and wake-ups that were lost.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as seeded
from hypothesis.stateful import run_state_machine_as_test

from ..rigs import fired
from ..rigs.engine_model import Engine
from ..rigs.engine_stories import STORIES, tell

CASES, STEPS = 8, 30
DAILY = 1
"""The seed of every day: what is new is for the proof to find, not for whoever changes something else."""


def explore(machine: type[Engine], cases: int, steps: int, chosen: int) -> None:
    """Try so many cases; a failure is told as the shortest program that shows it."""
    how = settings(
        max_examples=cases,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seeded(chosen)(machine), settings=how)


@pytest.mark.scorecard(18, 19)
def test_the_engine_does_what_its_model_says() -> None:
    """Short stories first, so that everything fires; then whatever chance brings."""
    fired.counts.clear()
    for story in STORIES.values():
        tell(story)
    explore(Engine, CASES, STEPS, DAILY)
    assert not fired.never(), f"never fired, so nothing is known of it: {fired.never()}"


@pytest.mark.parametrize("lose", [1, 20, 300])
def test_an_end_that_a_power_cut_left_as_zeros_is_a_lost_run(lose: int) -> None:
    """The header of a frame may reach the disk without its payload: no run may hang on that for ever."""
    engine = Engine()
    engine.begin(pidfds=True, agents=["plain", "jsonl"])
    engine.all_is_well()
    engine.misfortune(what="reboot", lose=lose, zeros=True)
    engine.server_comes()
    engine.all_is_well()
    assert {row.failure for row in engine.checks.rows.values()} == {"lost"}
    engine.teardown()
