"""The versions that a fresh clone installs are pinned, and they are ones that pyproject.toml allows."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .rigs.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, LINES)}


def wanted() -> list[Requirement]:
    extras = [line for lines in PROJECT.get("optional-dependencies", {}).values() for line in lines]
    return [Requirement(line) for line in (*PROJECT["dependencies"], *extras)]


def test_every_constraint_is_one_exact_version() -> None:
    assert len(PINS) == len(LINES) > 40
    for pin in PINS.values():
        assert [part.operator for part in pin.specifier] == ["=="], pin
        assert pin.url is None


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    for one in wanted():
        (pin,) = PINS[canonicalize_name(one.name)].specifier
        assert one.specifier.contains(pin.version), f"{one}: constraints.txt has {pin}; make it anew"


def test_every_dependency_says_the_lowest_version_and_stops_before_the_next_break() -> None:
    for one in wanted():
        assert {part.operator for part in one.specifier} == {">=", "<"}, one
