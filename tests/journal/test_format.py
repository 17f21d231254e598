"""The frame format: what is written can be read, and what was not written cannot."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praisonrun.core import lifecycle
from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.format import HEAD_SIZE, START, Frame, Kind, decode, encode
from praisonrun.journal.reader import Reader
from praisonrun.journal.writer import Journal

FRAMES = st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=200), st.integers(0, 2**63)))


def written(frames: list[tuple[Kind, bytes, int]], offset: int = START) -> bytes:
    buffer = b""
    for kind, data, at in frames:
        buffer += encode(kind, data, at, offset + len(buffer))
    return buffer


@given(FRAMES)
def test_what_is_written_is_read(frames: list[tuple[Kind, bytes, int]]) -> None:
    read = list(decode(written(frames), START))
    assert [(frame.kind, frame.data, frame.time) for frame in read] == frames
    assert [frame.end for frame in read] == [frame.offset + HEAD_SIZE + len(frame.data) for frame in read]


@given(FRAMES, st.data())
def test_a_torn_tail_is_never_data(frames: list[tuple[Kind, bytes, int]], data: st.DataObject) -> None:
    buffer = written(frames)
    torn = buffer[: data.draw(st.integers(0, len(buffer)))]
    read = list(decode(torn, START))
    assert [(frame.kind, frame.data, frame.time) for frame in read] == frames[: len(read)]


@given(st.binary(min_size=HEAD_SIZE, max_size=400))
def test_foreign_bytes_are_no_frame(noise: bytes) -> None:
    assert list(decode(noise, START)) == []


def test_a_frame_is_bound_to_its_place() -> None:
    frame = encode(Kind.STDOUT, b"data", 1, START)
    assert list(decode(frame, START)) == [Frame(Kind.STDOUT, 1, START, b"data")]
    assert list(decode(frame, START + 1)) == []


def test_output_that_looks_like_a_frame_is_only_output() -> None:
    inner = encode(Kind.ENDED, b"{}", 1, START)
    outer = encode(Kind.STDOUT, inner, 1, START)
    assert [frame.kind for frame in decode(outer, START)] == [Kind.STDOUT]
    assert journal.parse_header(outer, HEAD_SIZE, START + HEAD_SIZE) is None


def test_a_run_without_a_journal_ends_where_a_journal_begins() -> None:
    assert lifecycle.EMPTY_JOURNAL == START


@given(st.integers(0, 2**50), st.integers(0, journal.IDS_PER_BYTE - 1))
def test_an_event_id_is_its_place(offset: int, slot: int) -> None:
    assert journal.split_event_id(journal.event_id(offset, slot)) == (offset, slot)


def test_no_frame_is_earlier_than_the_one_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is set back by a day within an attempt, and by another before the next."""
    files, times = RunFiles(tmp_path), [0]
    for days in (3, 2, 1):
        monkeypatch.setattr(time, "time_ns", partial(int, days * 86_400 * 10**9))
        writer = Journal(files.reopen("run_1"))
        writer.append(Kind.STDOUT, b"a", b"b")
        os.close(writer.fd)
        with Reader(files.open_read("run_1")) as reader:
            times = [header.time for header in reader.headers()]
    assert times == [3 * 86_400 * 10**6] * 6
