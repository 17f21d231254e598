"""Where files lie: locks, torn headers, tails, removal without following a link."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import chdir as within
from pathlib import Path

import pytest

from praisonrun.core.errors import Unavailable
from praisonrun.files.bell import Bell
from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.format import Kind
from praisonrun.journal.reader import Tail


@pytest.fixture
def runs(tmp_path: Path) -> RunFiles:
    return RunFiles(tmp_path / "state")


def append(fd: int, *frames: tuple[Kind, bytes]) -> int:
    """Append frames as a shim would; return the journal's length."""
    for kind, data in frames:
        os.write(fd, journal.encode(kind, data, 5, os.lseek(fd, 0, os.SEEK_END)))
    return os.lseek(fd, 0, os.SEEK_END)


def test_a_journal_is_made_once_private_and_locked(runs: RunFiles) -> None:
    assert runs.held("r") is None
    fd = runs.create("r")
    assert runs.held("r") is True
    assert runs.journal("r").stat().st_mode & 0o777 == 0o600
    assert runs.journal("r").parent.stat().st_mode & 0o777 == 0o700
    assert runs.journal("r").read_bytes() == journal.FILE_HEADER
    assert os.get_inheritable(fd) is False
    with pytest.raises(FileExistsError):
        runs.create("r")
    with pytest.raises(BlockingIOError):
        runs.reopen("r")
    os.close(fd)
    assert runs.held("r") is False


def test_the_probe_of_one_does_not_disturb_another(runs: RunFiles) -> None:
    os.close(runs.create("r"))
    assert [runs.held("r") for _ in range(3)] == [False, False, False]
    os.close(runs.reopen("r"))


@pytest.mark.parametrize("left", [b"", b"prais", journal.FILE_HEADER[:40], b"\0" * 64, None])
def test_reopen_mends_what_has_no_frame(runs: RunFiles, left: bytes | None) -> None:
    if left is not None:
        runs.journal("r").write_bytes(left)
    os.close(runs.reopen("r"))
    assert runs.journal("r").read_bytes() == journal.FILE_HEADER


def test_a_journal_of_another_version_is_refused_and_kept(runs: RunFiles) -> None:
    for version in (b"2\n", b"10\n"):
        other = b"praisonrun journal " + version + bytes(100) + b"frames of another kind"
        runs.journal("r").write_bytes(other)
        with pytest.raises(Unavailable, match="another version"):
            runs.reopen("r")
        assert runs.reader("r") is None
        assert runs.tail("r") == Tail(journal.START, readable=False)
        assert runs.held("r") is False
        assert runs.journal("r").read_bytes() == other


def test_reopen_keeps_frames(runs: RunFiles) -> None:
    fd = runs.create("r")
    append(fd, (Kind.STDOUT, b"kept"))
    os.close(fd)
    before = runs.journal("r").read_bytes()
    os.close(runs.reopen("r"))
    assert runs.journal("r").read_bytes() == before


@pytest.mark.scorecard(28)
def test_a_link_is_no_journal(runs: RunFiles, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("precious")
    runs.journal("r").symlink_to(tmp_path / "other")
    for action in (runs.create, runs.reopen, runs.open_read, runs.held):
        with pytest.raises(OSError, match="journal"):
            action("r")
    assert (tmp_path / "other").read_text() == "precious"


def test_the_tail_of_a_journal(runs: RunFiles) -> None:
    assert runs.tail("r") == Tail(journal.START, whole=False)
    fd = runs.create("r")
    assert runs.tail("r") == Tail(journal.START)
    append(fd, (Kind.STARTED, b'{"attempt": 1}'), (Kind.STDOUT, b"x" * 100_000))
    end = append(fd, (Kind.STARTED, b'{"attempt": 1, "pid": 7}'))
    assert runs.tail("r") == Tail(end, {"attempt": 1, "pid": 7})
    end = append(fd, (Kind.ENDED, b'{"attempt": 1, "code": 0}'))
    assert runs.tail("r") == Tail(end, {"attempt": 1, "pid": 7}, {"attempt": 1, "code": 0})
    end = append(fd, (Kind.STARTED, b'{"attempt": 2}'))
    os.write(fd, journal.encode(Kind.ENDED, b"{}", 5, end)[:-1])
    assert runs.tail("r") == Tail(end, {"attempt": 2}, torn=True)
    os.close(fd)


def test_the_tail_ends_before_bytes_that_are_no_frame(runs: RunFiles) -> None:
    fd = runs.create("r")
    end = append(fd, *[(Kind.STDOUT, b"%d" % number * 37) for number in range(1000)])
    os.write(fd, b"\xff" * 500)
    assert runs.tail("r").end == end
    os.close(fd)


def test_a_run_without_a_journal_is_read_as_nothing(runs: RunFiles) -> None:
    assert runs.reader("r") is None
    assert runs.read("r", lambda reader: list(reader.headers(journal.START))) is None
    os.close(runs.create("r"))
    assert runs.read("r", lambda reader: list(reader.headers(journal.START))) == []


def test_watch_is_a_byte_of_the_header(runs: RunFiles) -> None:
    runs.watch("r", True)
    os.close(runs.create("r"))
    fd = runs.open_read("r")
    runs.watch("r", True)
    assert os.pread(fd, 1, journal.WATCH_AT) == b"1"
    runs.watch("r", False)
    assert os.pread(fd, 1, journal.WATCH_AT) == b"0"
    os.close(fd)


@pytest.mark.scorecard(28)
def test_remove_follows_no_link(runs: RunFiles, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("x")
    os.close(runs.create("r"))
    folder = runs.folder("r")
    (folder / "scratch" / "deep").mkdir(parents=True)
    (folder / "scratch" / "deep" / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "events")
    (folder / "scratch").chmod(0o500)
    runs.remove("r")
    runs.remove("r")
    assert list(runs.ids_on_disk()) == []
    runs.folder("s").symlink_to(tmp_path / "outside")
    runs.remove("s")
    assert (tmp_path / "outside" / "precious").exists()


@pytest.mark.scorecard(28)
def test_remove_knows_no_depth(runs: RunFiles) -> None:
    fd = os.open(runs.folder("r").parent, os.O_RDONLY)
    name = "r"
    for _ in range(3000):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd, name = inner, "d" * 50
    os.close(fd)
    runs.remove("r")
    assert list(runs.ids_on_disk()) == []


def test_sizes_know_no_depth(runs: RunFiles) -> None:
    top = runs.folder("r")
    top.mkdir()
    (top / "file").write_bytes(bytes(100_000))
    shallow = runs.size("r")
    assert shallow >= 100_000
    fd = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    (top / "link").symlink_to("/")
    os.close(fd)
    assert shallow <= runs.size("r") < 10**9
    assert runs.usage() >= runs.size("r")
    runs.remove("r")  # which pytest could not


def test_ids_and_room(runs: RunFiles) -> None:
    os.close(runs.create("a"))
    runs.folder("a").mkdir()
    runs.folder("b").mkdir()
    assert sorted(runs.ids_on_disk()) == ["a", "a", "b"]
    assert runs.free_bytes() > 0


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory that stands for /tmp."""
    with tempfile.TemporaryDirectory() as home:
        monkeypatch.setattr(tempfile, "tempdir", home)
        yield Path(home)


def test_the_bell_has_a_short_path_in_a_private_directory(
    runs: RunFiles, tmp_path: Path, temporary: Path
) -> None:
    assert runs.bell.path == str(runs.root / "bell")
    long = RunFiles(tmp_path / ("long" * 30)).bell
    assert long.path == RunFiles(tmp_path / ("long" * 30)).bell.path
    assert Path(long.path).parent == temporary / f"praisonrun-{os.geteuid()}"
    assert Path(long.path).parent.stat().st_mode & 0o777 == 0o700
    assert len(os.fsencode(long.path)) <= 100
    assert ring(long) == [long.path]


def test_shims_of_before_ring_a_long_bell_where_it_was(tmp_path: Path, temporary: Path) -> None:
    long = RunFiles(tmp_path / ("long" * 30)).bell
    old = old_bell(tmp_path / ("long" * 30), temporary)
    for _ in range(2):
        assert ring(long, str(old)) == [str(old)]


@pytest.mark.parametrize("taken", ["directory", "old bell", "both"])
def test_a_stranger_s_file_does_not_keep_the_bell_from_ringing(
    tmp_path: Path, temporary: Path, taken: str
) -> None:
    if taken != "old bell":
        (temporary / f"praisonrun-{os.geteuid()}").write_text("a stranger's")
    if taken != "directory":
        old_bell(tmp_path / ("long" * 30), temporary).mkdir()  # which we cannot remove either
    long = RunFiles(tmp_path / ("long" * 30)).bell
    assert ring(long) == [long.path]


def ring(bell: Bell, *paths: str) -> list[str]:
    """Bind a bell and ring it at some paths; return where it was heard."""
    with bell.bound() as socket_, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shim:
        socket_.setblocking(False)
        for path in paths or (bell.path,):
            shim.sendto(path.encode(), path)
        return [socket_.recv(200).decode() for _ in paths or (1,)]


def old_bell(root: Path, temporary: Path) -> Path:
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return temporary / f"praisonrun-{os.geteuid()}-{digest}"


def test_the_tail_is_json(runs: RunFiles) -> None:
    fd = runs.create("r")
    append(fd, (Kind.STARTED, json.dumps({"time": 1}).encode()))
    assert runs.tail("r").started == {"time": 1}
    os.close(fd)


@pytest.mark.parametrize("kind", ["file", "link", "dangling", "loop", "fifo", "socket", "sealed", "full"])
@pytest.mark.parametrize("part", ["", "scratch", "artifacts", "events", "journal"])
def test_whatever_an_agent_put_in_the_place_of_its_files_is_removed(
    runs: RunFiles, tmp_path: Path, part: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    os.close(runs.create("r"))
    place = runs.journal("r") if part == "journal" else runs.folder("r") / part
    if part == "journal":
        place.unlink()
    elif part:
        runs.folder("r").mkdir()
    put(place, kind, outside)
    runs.remove("r")
    assert not [*(tmp_path / "state" / "runs").iterdir()]
    assert [path.name for path in outside.iterdir()] == ["kept"]


def put(place: Path, kind: str, outside: Path) -> None:
    """Put a file of a kind somewhere."""
    if kind == "fifo":
        os.mkfifo(place)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made, within(place.parent):
            made.bind(place.name)
    elif kind in ("sealed", "full"):
        (place / "a" / "b").mkdir(parents=True)
        (place / "out").symlink_to(outside)
        (place / "a").chmod(0o000 if kind == "sealed" else 0o755)
        place.chmod(0o000 if kind == "sealed" else 0o755)
    elif kind == "file":
        place.write_text("x")
        place.chmod(0)
    else:
        place.symlink_to({"link": outside, "dangling": Path("nowhere"), "loop": place}[kind])
