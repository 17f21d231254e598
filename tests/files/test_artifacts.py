"""What a run leaves can be listed and opened, and nothing else can."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.core.errors import NotFound
from praisonrun.files import artifacts
from praisonrun.files.run_files import RunFiles

from ..rigs.unprivileged import unprivileged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "run"
    inside = root / "artifacts"
    (inside / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    (inside / "a.txt").write_text("a")
    (inside / "deep" / "b.txt").write_text("bb")
    (inside / "link").symlink_to(tmp_path / "outside" / "secret")
    (inside / "dirlink").symlink_to(tmp_path / "outside")
    os.link(tmp_path / "outside" / "secret", inside / "hard")
    os.mkfifo(inside / "fifo")
    return root


@pytest.mark.scorecard(28)
def test_only_regular_files_are_listed(folder: Path) -> None:
    assert [(each.path, each.size) for each in artifacts.listed(folder)] == [("a.txt", 1), ("deep/b.txt", 2)]
    assert artifacts.listed(folder / "none") == []


def test_a_listed_file_opens(folder: Path) -> None:
    fd = artifacts.opened(folder, "deep/b.txt")
    assert os.read(fd, 9) == b"bb"
    os.close(fd)


@pytest.mark.scorecard(28)
@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "..", "/", "/etc/passwd", "../a.txt", "../../outside/secret", "deep/../a.txt", "deep/.."),
        *("deep", "link", "dirlink/secret", "hard", "fifo", "none", "a.txt/", "a.txt/x", "deep//b.txt"),
        *("a\0.txt", "\udcff", "./a.txt", "deep/./b.txt", "x" * 5000),
    ],
)
def test_nothing_else_does(folder: Path, path: str) -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(NotFound):
        artifacts.opened(folder, path)
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.scorecard(28)
def test_a_folder_that_is_a_link_is_no_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)
    assert artifacts.listed(tmp_path / "alias") == []


@pytest.fixture
def locked() -> Iterator[RunFiles]:
    """A run whose agent left directories that nobody may search, read or write."""
    with unprivileged() as home:
        runs = RunFiles(home)
        inside = runs.folder("r") / "artifacts"
        for name in ("none", "read", "search"):
            (inside / name).mkdir(parents=True)
            (inside / name / "file").write_text(name)
        (inside / "a.txt").write_text("a")
        for name, mode in (("none", 0), ("read", 0o400), ("search", 0o100)):
            (inside / name).chmod(mode)
        yield runs
        runs.remove("r")
        assert list(runs.ids_on_disk()) == []


def test_what_may_not_be_looked_at_is_left_out(locked: RunFiles) -> None:
    folder = locked.folder("r")
    assert [each.path for each in artifacts.listed(folder)] == ["a.txt"]
    for name in ("none", "read"):
        with pytest.raises(NotFound):
            artifacts.opened(folder, f"{name}/file")
    outputs = artifacts.manifest(["none/file", "read/file", "a.txt"], folder / "artifacts", folder, 0)
    assert [each["status"] for each in outputs["outputs"]] == ["missing", "missing", "available"]


@pytest.mark.parametrize("mode", [0, 0o400, 0o100, 0o500])
@pytest.mark.parametrize("place", [".", "artifacts"])
def test_a_directory_without_permissions_lists_nothing_and_goes(
    locked: RunFiles, place: str, mode: int
) -> None:
    folder = locked.folder("r")
    (folder / place).chmod(mode)
    assert {each.path for each in artifacts.listed(folder)} <= {"a.txt"}
    assert locked.size("r") >= 0
    assert locked.usage() >= 0
    locked.remove("r")
    assert not folder.exists()
