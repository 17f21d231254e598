"""What a fresh clone and the single file install is pinned and allowed; the wheel has every file."""

from __future__ import annotations

import shutil
import subprocess
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .rigs.places import ROOT

FILE = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = FILE["project"], FILE["tool"]["setuptools"]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
PINS = {canonicalize_name(pin.name): pin for pin in map(Requirement, LINES)}


RELEASE = (ROOT / "packaging" / "requirements-release.txt").read_text().replace("\\\n", " ").splitlines()
"""What the single file is made of: one package a line, with its hashes."""


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


def test_the_single_file_is_made_of_the_pinned_versions_by_hash() -> None:
    lines = [line for line in RELEASE if not line.startswith("#")]
    made_of = {
        canonicalize_name(one.name): one for one in (Requirement(line.split(" --")[0]) for line in lines)
    }
    assert all(" --hash=sha256:" in line for line in lines)
    assert {name: str(one.specifier) for name, one in made_of.items()} == {
        name: str(PINS[name].specifier) for name in made_of
    }
    assert {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]} <= made_of.keys()


def test_the_wheel_gets_every_file_of_the_package() -> None:
    data = SETUPTOOLS["package-data"]["praisonrun"]
    files = [path for path in (ROOT / "praisonrun").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 100
    for file in files:
        name = file.relative_to(ROOT / "praisonrun")
        if file.suffix == ".py":
            assert all((ROOT / "praisonrun" / folder / "__init__.py").exists() for folder in name.parents), (
                name
            )
        else:
            assert any(name.match(pattern.removeprefix("**/")) for pattern in data), name
    assert SETUPTOOLS["packages"]["find"]["include"] == ["praisonrun*"]


def test_the_stub_is_a_script_for_any_shell() -> None:
    for shell in ("sh", "bash", "busybox"):
        if found := shutil.which(shell):
            check = [
                found,
                *(["sh"] if shell == "busybox" else []),
                "-n",
                str(ROOT / "packaging" / "stub.sh"),
            ]
            assert subprocess.run(check, capture_output=True).stderr == b""
