"""A run's scratch directory: a short path, nobody else's, found again after every kill."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.files import scratch

from ..rigs.unprivileged import unprivileged

HOUR_NS = 3600 * 10**9


@pytest.fixture
def base() -> Iterator[Path]:
    """A short directory as XDG_RUNTIME_DIR/pr is one, of a file system in memory where there is one."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
    with tempfile.TemporaryDirectory(prefix="x", dir=memory) as given:
        yield Path(given, "pr")


@pytest.fixture
def link(tmp_path: Path) -> str:
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    return str(folder / "scratch")


def place(base: Path, name: str = "0123abcd") -> str:
    return str(base / name)


def files(*below: Path) -> list[str]:
    return sorted(str(path) for top in below for path in top.rglob("*"))


def test_a_base_is_short_private_and_this_users(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = f"/tmp/pr-{os.geteuid()}"
    (tmp_path / "link").symlink_to(base.parent)
    for given in ("", "relative", str(tmp_path / "none"), str(tmp_path / "link"), str(tmp_path)):
        monkeypatch.setenv("XDG_RUNTIME_DIR", given)
        assert scratch.bases() == [own]
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base.parent))
    assert scratch.bases() == [str(base), own]
    with unprivileged():
        assert str(base) not in scratch.bases()


def test_made_removed_and_nothing_left(base: Path, link: str) -> None:
    path, held = scratch.make(link, [place(base)])
    assert (path, os.path.realpath(path), os.readlink(link)) == (place(base), place(base), place(base))
    assert [Path(each).stat().st_mode & 0o777 for each in (path, base)] == [0o700, 0o700]
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"{path}/{'s' * 60}")
    scratch.remove(link)
    assert os.path.isdir(path), "somebody lives in it"
    os.close(held)
    path, held = scratch.make(link, [place(base)])
    assert path == link, "the first one was not given up, and its link is gone"
    os.close(held)
    scratch.remove(link)
    assert not os.path.lexists(link)


def test_an_attempt_begins_with_an_empty_one(base: Path, link: str) -> None:
    for old in ([place(base)], [], [place(base, "11111111")], [place(base)]):
        path, held = scratch.make(link, old)
        assert os.listdir(path) == []
        Path(path, "left").touch()
        os.close(held)
    assert files(base) == [place(base), f"{place(base)}.run", f"{place(base)}/left"]


@pytest.mark.parametrize("taken", ["a link", "a file", "another's", "another run's", "a link in it"])
def test_what_is_not_ours_is_left_alone(base: Path, link: str, tmp_path: Path, taken: str) -> None:
    precious = tmp_path / "precious"
    (precious / "0123abcd").mkdir(parents=True)
    (precious / "0123abcd" / "file").touch()
    if taken == "a link":
        base.symlink_to(precious)
    elif taken == "a file":
        base.touch()
    else:
        base.mkdir()
    if taken == "another's":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        os.chown(base, 65534, 65534)
    elif taken == "another run's":
        (base / "0123abcd").mkdir()
    elif taken == "a link in it":
        (base / "0123abcd").symlink_to(precious / "0123abcd")
    before = files(base, precious)
    path, held = scratch.make(link, [place(base)])
    os.close(held)
    assert path == link
    assert os.path.isdir(link)
    assert not os.path.islink(link)
    scratch.keep(link)
    scratch.remove(link)
    os.symlink(place(base), link)  # as a kill between link and directory leaves it
    if taken != "another run's":
        scratch.keep(link)
        scratch.remove(link)
    scratch.remove_orphans(str(base), lambda _: True) if taken in ("a link", "another's") else None
    assert files(base, precious) == before


@pytest.mark.parametrize("target", ["precious", "/tmp", "..", "precious/pr/0123abcd/../../.."])
def test_a_link_of_an_agents_own_is_not_followed(link: str, tmp_path: Path, target: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    os.symlink(tmp_path / target, link)
    scratch.keep(link)
    scratch.remove(link)
    assert (tmp_path / "precious" / "file").exists()
    assert not os.path.lexists(link)


def test_a_copy_of_the_state_directory_touches_nothing_of_the_original(
    base: Path, link: str, tmp_path: Path
) -> None:
    path, held = scratch.make(link, [place(base)])
    Path(path, "file").touch()
    os.close(held)
    (tmp_path / "copy").mkdir()
    copy = str(tmp_path / "copy" / "scratch")
    os.symlink(path, copy)
    scratch.keep(copy)
    scratch.remove(copy)
    assert not os.path.lexists(copy)
    (tmp_path / "other name").symlink_to(Path(link).parent)
    assert Path(path, "file").exists()
    scratch.keep(str(tmp_path / "other name" / "scratch"))
    assert Path(link, "file").exists()


def test_kept_across_file_systems(base: Path, link: str) -> None:
    path, held = scratch.make(link, [place(base)])
    Path(path, "deep").mkdir()
    Path(path, "deep", "file").write_text("x")
    Path(path, "away").symlink_to("/etc/passwd")
    os.mkfifo(f"{path}/fifo")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"{path}/socket")
    os.close(held)
    scratch.keep(link)
    scratch.keep(link)
    assert not os.path.islink(link)
    assert Path(link, "deep", "file").read_text() == "x"
    assert os.readlink(f"{link}/away") == "/etc/passwd"
    assert files(base) == []
    scratch.remove(link)
    assert files(Path(link).parent) == []


def test_a_restart_of_the_machine_that_empties_tmp(base: Path, link: str) -> None:
    path, held = scratch.make(link, [place(base)])
    os.close(held)
    os.rmdir(path)
    os.unlink(f"{path}.run")
    base.rmdir()
    scratch.keep(link)
    again, held = scratch.make(link, [place(base)])
    assert again == path
    os.close(held)
    scratch.remove(link)
    assert files(base, Path(link).parent) == []


def test_a_move_that_was_killed_is_continued(base: Path, link: str) -> None:
    path, held = scratch.make(link, [place(base)])
    Path(path, "file").touch()
    os.close(held)
    os.mkdir(f"{link}.part")
    Path(f"{link}.part", "half").touch()
    scratch.keep(link)
    assert (os.listdir(link), files(base)) == (["file"], [])
    os.rename(link, f"{link}.part")
    os.symlink(path, link)
    scratch.keep(link)
    assert files(Path(link).parent) == [link, f"{link}/file"]


def test_orphans(base: Path, link: str, tmp_path: Path) -> None:
    """Those go whose run is gone, once they are old; not one that lives or is still named."""

    def old(changed: int) -> bool:
        return changed * 1000 < time.time_ns() - HOUR_NS

    names = ("0000aaaa", "0000bbbb", "0000cccc", "0000dddd")
    gone, young, lives, named = (place(base, name) for name in names)
    links = {name: str(tmp_path / name) for name in names}
    held = {name: scratch.make(links[name], [place(base, name)])[1] for name in names}
    for name in names:
        if name != "0000cccc":
            os.close(held[name])
        if name != "0000dddd":
            os.unlink(links[name])
    for path in (gone, lives, named):
        for each in (path, f"{path}.run"):
            os.utime(each, ns=(0, 0), follow_symlinks=False)
    (base / "other").mkdir()
    os.utime(base / "other", (0, 0))
    scratch.remove_orphans(str(base), old)
    left = {path for path in files(base) if not path.endswith(".run")}
    assert left == {young, lives, named, str(base / "other")}
    os.close(held["0000cccc"])
    scratch.remove_orphans(str(base), lambda _: True)
    assert files(base) == [named, f"{named}.run", str(base / "other")]
    scratch.remove_orphans(str(tmp_path / "none"), old)
