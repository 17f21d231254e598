"""Which versions of the single file go, and which stay."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from praisonrun.config import form

OWN = "0.2.0-00000000000000aa"
OTHER = "0.1.0-00000000000000bb"


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    for name in (OWN, OTHER):
        unpack(tmp_path, name)
    return tmp_path


def unpack(folder: Path, name: str, age: float = 3600) -> Path:
    """Make a version that was started some seconds ago."""
    place = folder / name
    (place / "bin").mkdir(parents=True)
    (place / "used").touch()
    then = time.time() - age
    os.utime(place / "used", (then, then))
    return place


def remove_unused(own: Path, running: list[str]) -> None:
    """Remove what is unused while these programs run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(form, "_programs", lambda: running)
        form.remove_unused(own)


def program(place: Path) -> str:
    return f"{place}/bin/python3.11"


def test_a_version_without_a_process_goes(versions: Path) -> None:
    remove_unused(versions / OWN, [program(versions / OWN), "/usr/bin/python3"])
    assert [place.name for place in versions.iterdir()] == [OWN]


@pytest.mark.parametrize("deleted", ["", " (deleted)"])
def test_a_version_that_runs_stays(versions: Path, deleted: str) -> None:
    remove_unused(versions / OWN, [program(versions / OWN), program(versions / OTHER) + deleted])
    assert (versions / OTHER / "bin").is_dir()


def test_all_stay_if_not_even_this_process_is_seen(versions: Path) -> None:
    remove_unused(versions / OWN, ["/usr/bin/python3"])
    assert (versions / OTHER / "bin").is_dir()


def test_a_version_that_is_just_starting_stays(versions: Path) -> None:
    starting = unpack(versions, "0.3.0-00000000000000cc", age=1)
    remove_unused(versions / OWN, [program(versions / OWN)])
    assert sorted(versions.iterdir()) == [versions / OWN, starting]


def test_another_user_s_link_and_a_stranger_s_folder_stay(versions: Path) -> None:
    (versions / "notes").mkdir()
    remove_unused(versions / OWN, [program(versions / OWN)])
    assert (versions / "notes").is_dir()


def test_what_a_killed_start_left_goes_after_an_hour(versions: Path) -> None:
    for name, age in ((".new.old", 3700), (".new.now", 10)):
        (versions / name / "lib").mkdir(parents=True)
        os.utime(versions / name, (time.time() - age,) * 2)
    remove_unused(versions / OWN, [program(versions / OWN)])
    assert sorted(place.name for place in versions.iterdir()) == [".new.now", OWN]


def test_three_stay_where_the_system_does_not_tell_what_runs(
    versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    for number, age in enumerate((100, 200, 300)):
        unpack(versions, f"0.1.{number}-00000000000000dd", age)
    form.remove_unused(versions / OWN)
    left = {place.name.split("-")[0] for place in versions.iterdir()}
    assert left == {"0.2.0", "0.1.0", "0.1.1"}
    assert not (versions / OTHER).exists()


def test_the_real_processes_are_seen(versions: Path) -> None:
    form.remove_unused(versions / OWN)
    assert (versions / OTHER / "bin").is_dir()  # nothing runs from OWN, so it is not believed
    assert form._programs() is None or os.readlink("/proc/self/exe") in form._programs()  # type: ignore[operator]
