"""How old something is while clocks are set: one's own steady time decides, over restarts and reboots."""

from __future__ import annotations

from pathlib import Path

import pytest

from praisonrun.engine.ages import FILE, MOST, Ages

SECOND, HOUR, DAY, YEAR = 1_000_000, 3_600_000_000, 86_400_000_000, 365 * 86_400_000_000
START = 56 * YEAR


class Machine:
    """A machine with two clocks, and the ages of one server after the other on it."""

    def __init__(self, state: Path) -> None:
        self.state, self.wall, self.tick, self.boot = state, START, HOUR, "boot 1"
        self.start()

    def start(self) -> None:
        self.ages = Ages(self.state, self.boot, lambda: self.wall, lambda: self.tick)

    def passes(self, time: int) -> None:
        self.wall += time
        self.tick += time
        self.ages.look()

    def set(self, by: int) -> int:
        """Set the wall clock; return what it showed before."""
        before, self.wall = self.wall, self.wall + by
        self.ages.look()
        return before

    def reboot(self, off: int, wrong: int = 0) -> None:
        self.wall, self.tick, self.boot = self.wall + off + wrong, SECOND, f"{self.boot}+"
        self.start()

    def gets_old(self, at: int, period: int) -> int:
        """Return the hours until something is older than a period."""
        for hours in range(3000):
            if self.ages.older(at, period):
                return hours
            self.passes(HOUR)
        return -1


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_clock_that_nobody_sets_is_believed(machine: Machine) -> None:
    at = machine.wall
    machine.passes(DAY)
    assert not machine.ages.older(at, DAY)
    machine.passes(1)
    assert machine.ages.older(at, DAY)
    assert machine.ages.before(DAY) == at + 1
    assert machine.ages.older(at - 40 * DAY, 30 * DAY)  # from before there were ages


def test_a_slow_clock_that_is_corrected_makes_nothing_old(machine: Machine) -> None:
    at = machine.wall
    machine.passes(HOUR)
    machine.set(40 * DAY)
    late = machine.wall
    assert not machine.ages.older(at, HOUR)
    assert machine.gets_old(at, 2 * HOUR) == 2
    assert machine.gets_old(late, 10 * DAY) == 10 * 24 - 1  # and what comes later is no longer kept for it
    assert machine.gets_old(at, 30 * DAY) == 20 * 24 - 1


@pytest.mark.parametrize("again", ["same server", "restart", "reboot"])
def test_a_jump_and_back_makes_nothing_old(machine: Machine, again: str) -> None:
    at = machine.wall
    machine.passes(HOUR)
    machine.set(14 * YEAR)
    machine.passes(HOUR)
    there = machine.wall
    if again == "restart":
        machine.start()
    elif again == "reboot":
        machine.reboot(HOUR)
    assert not machine.ages.older(at, DAY)
    machine.set(-14 * YEAR)
    assert not machine.ages.older(at, DAY)
    assert machine.gets_old(at, DAY) <= 23
    assert 24 <= 24 + machine.gets_old(there, DAY) <= 49  # a day after the clock was set back


def test_a_jump_and_back_that_nobody_saw(machine: Machine) -> None:
    machine.passes(100 * DAY)
    at = machine.wall + 14 * YEAR
    assert machine.gets_old(at, DAY) == 25
    machine.start()
    assert machine.ages.older(at, DAY)


def test_a_clock_that_is_set_back_makes_nothing_old_or_young_for_long(machine: Machine) -> None:
    machine.passes(100 * DAY)
    at = machine.set(-2 * HOUR)
    assert not machine.ages.older(at, SECOND)
    assert machine.gets_old(at, DAY) == 27  # it had two hours more to go
    assert not machine.ages.older(machine.wall - SECOND, 2 * SECOND)


@pytest.mark.parametrize("while_off", [False, True])
def test_a_clock_that_is_set_while_no_server_runs(machine: Machine, while_off: bool) -> None:
    at = machine.wall
    machine.passes(HOUR)
    if while_off:
        machine.wall += 40 * DAY
    else:
        machine.set(40 * DAY)
    for _ in range(3):
        machine.start()
        assert not machine.ages.older(at, DAY)
    assert machine.gets_old(at, DAY) == 24


def test_time_without_a_server_counts(machine: Machine) -> None:
    at = machine.wall
    machine.wall += 40 * DAY
    machine.tick += 40 * DAY
    machine.start()
    assert machine.ages.older(at, 30 * DAY)
    at = machine.wall
    machine.reboot(off=3 * DAY)
    assert machine.ages.older(at, 2 * DAY)


def test_a_boot_with_a_clock_that_is_far_off_makes_nothing_old(machine: Machine) -> None:
    at = machine.wall
    machine.reboot(off=HOUR, wrong=14 * YEAR)
    assert not machine.ages.older(at, 30 * DAY)
    machine.passes(HOUR)
    machine.set(-14 * YEAR)
    assert not machine.ages.older(at, 30 * DAY)


@pytest.mark.parametrize("reboots", [0, 1, 2])
def test_a_boot_with_a_slow_clock_that_is_corrected_makes_nothing_old(machine: Machine, reboots: int) -> None:
    old = machine.wall
    machine.passes(HOUR)
    machine.reboot(off=40 * DAY, wrong=-40 * DAY)
    at = machine.wall
    machine.passes(SECOND)
    machine.set(40 * DAY)
    for _ in range(reboots):
        machine.passes(HOUR)
        machine.reboot(off=HOUR)
    assert not machine.ages.older(at, DAY)
    assert not machine.ages.older(old, DAY)
    assert machine.gets_old(at, 30 * DAY) <= 30 * 24 + 1


def test_a_clock_that_is_set_all_the_time_is_noted_in_a_few_words(machine: Machine) -> None:
    at = machine.wall
    for _ in range(3 * MOST):
        machine.set(HOUR)
    assert len(machine.ages._ahead) == MOST
    machine.start()
    assert not machine.ages.older(at, DAY)


ODD = '{"boot": "boot 1", "tick": 1, "steady": 1, "ahead": [["x", 1]], "future": [1, 2]}'


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", ODD, '{"ahead": []}', "\udcff"])
def test_a_damaged_note_counts_as_none(machine: Machine, text: str) -> None:
    (machine.state / FILE).write_bytes(text.encode(errors="surrogateescape"))
    machine.start()
    machine.passes(HOUR)
    assert machine.ages.older(machine.wall - DAY, HOUR)


def test_a_note_that_cannot_be_written_costs_nothing(machine: Machine) -> None:
    (machine.state / FILE).unlink()
    (machine.state / FILE).mkdir()
    machine.set(40 * DAY)
    assert not machine.ages.older(START, DAY)
    assert [each.name for each in machine.state.iterdir()] == [FILE]
