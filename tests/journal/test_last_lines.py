"""Where a journal's last lines begin, and its output from there on, in pieces."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praisonrun.files.run_files import RunFiles
from praisonrun.journal.format import FILE_HEADER, START, Kind, encode
from praisonrun.journal.last_lines import PIECE, Place, is_place, last_lines, output
from praisonrun.journal.reader import WINDOW, Reader

OUT, ERR = {Kind.STDOUT}, {Kind.STDOUT, Kind.STDERR}
KINDS = st.sampled_from([Kind.STDOUT, Kind.STDERR, Kind.EVENT])
TEXTS = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r"]), max_size=6).map(b"".join)
LONG = [
    *[(Kind.STDOUT, b"%d\n" % at * 400) for at in range(500)],
    (Kind.STDOUT, b"x" * (2 * WINDOW) + b"\n"),
    (Kind.STDERR, b"e\n" * WINDOW),
    (Kind.STDOUT, b"y\n\nz" * 30_000),
]
"""Frames of many windows, and longer ones than a window."""
assert sum(len(data) for _, data in LONG) > 5 * WINDOW > PIECE


def journal(folder: Path, frames: list[tuple[Kind, bytes]]) -> Reader:
    written = bytearray(FILE_HEADER)
    for kind, data in frames:
        written += encode(kind, data, len(written), len(written))
    files = RunFiles(folder)
    files.journal("r").parent.mkdir(parents=True, exist_ok=True)
    files.journal("r").write_bytes(written)
    return Reader(files.open_read("r"))


def expected(frames: list[tuple[Kind, bytes]], kinds: set[Kind], count: int) -> bytes:
    lines = io.BytesIO(b"".join(data for kind, data in frames if kind in kinds)).readlines()
    return b"".join(lines[max(len(lines) - count, 0) :])


def tail(reader: Reader, kinds: set[Kind], count: int) -> bytes:
    place, end = last_lines(reader, kinds, count)
    return b"".join(output(reader, kinds, place, end))


@given(st.lists(st.tuples(KINDS, TEXTS), max_size=8), st.integers(0, 9))
def test_any_output_has_the_last_lines_that_it_has(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[Kind, bytes]], count: int
) -> None:
    with journal(tmp_path_factory.getbasetemp(), frames) as reader:
        for kinds in (OUT, ERR):
            assert tail(reader, kinds, count) == expected(frames, kinds, count)


@given(st.lists(st.tuples(KINDS, TEXTS), max_size=8), st.integers(0, 200), st.none() | st.integers(0, 9))
def test_output_since_a_time_has_no_older_frame(
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[tuple[Kind, bytes]],
    since: int,
    count: int | None,
) -> None:
    """A frame's time is its offset here."""
    with journal(tmp_path_factory.getbasetemp(), frames) as reader:
        there = [(frame.kind, frame.data) for frame in reader.frames(START) if frame.time >= since]
        place, end = last_lines(reader, ERR, count, since)
        assert is_place(reader, place)
        found = b"".join(output(reader, ERR, place, end))
        assert found == expected(there, ERR, 10**9 if count is None else count)


@pytest.mark.parametrize("kinds", [OUT, ERR])
def test_a_long_output_is_read_in_pieces(tmp_path: Path, kinds: set[Kind]) -> None:
    with journal(tmp_path, LONG) as reader:
        for count in (0, 1, 60_000, 60_001, 60_002, 150_000, 300_000, 10**9):
            assert tail(reader, kinds, count) == expected(LONG, kinds, count)
        pieces = list(output(reader, kinds, Place(), 1 << 40))
        assert max(map(len, pieces)) <= PIECE


def test_a_tail_ends_where_it_was_looked_for(tmp_path: Path) -> None:
    with journal(tmp_path, [(Kind.STDOUT, b"a\nb\n"), (Kind.STDOUT, b"c\n")]) as reader:
        place, end = last_lines(reader, OUT, 2)
        first = START + 16
        assert b"".join(output(reader, OUT, place, first + 4)) == b"b\n"
        assert b"".join(output(reader, OUT, place, end)) == b"b\nc\n"


def test_a_tail_holds_no_more_than_windows(tmp_path: Path) -> None:
    with journal(tmp_path, LONG * 8) as reader:
        tracemalloc.start()
        try:
            for _ in output(reader, ERR, *last_lines(reader, ERR, 10**9)):
                pass
            assert tracemalloc.get_traced_memory()[1] < 10 * WINDOW
        finally:
            tracemalloc.stop()
