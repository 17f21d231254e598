"""A journal from its end: the same frames, with little read; and the frame of a line."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from praisonrun.core.agent import Agent
from praisonrun.journal import format as journal
from praisonrun.journal.attempts import AttemptIndex, last_output
from praisonrun.journal.backwards import frame_of_line, frames_back, windows_back
from praisonrun.journal.format import HEAD_SIZE, START, Frame, Kind, split_event_id
from praisonrun.journal.formats import frame_events
from praisonrun.journal.progress import Progress
from praisonrun.journal.reader import Reader
from praisonrun.journal.results import last_words, result

from ..rigs.journals import BEGIN, END, printed, written

ODD = [b"", b"\x01" * 3000, b"x" * 70_000, b"a\nb\n", b"\0\0\0\1" * 500, bytes(range(256)) * 9]
TINY = b"x\n" * 20_000
JSONL = Agent("a", "", format="jsonl")


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes], Reader]:
    def make(data: bytes) -> Reader:
        path = tmp_path / "r.journal"
        path.write_bytes(data)
        return Reader(os.open(path, os.O_RDONLY))

    return make


class Counted(Reader):
    """A reader that knows how many bytes were asked for."""

    asked = 0

    def piece(self, start: int, end: int) -> bytes:
        self.asked += end - start
        return super().piece(start, end)

    def frames(self, offset: int, size: int = 1 << 18, lines: int | None = None) -> list[Frame]:
        found = super().frames(offset, size, lines)
        self.asked += sum(HEAD_SIZE + len(frame.data) for frame in found)
        return found


@pytest.mark.parametrize("tail", [b"", b"torn", journal.head(Kind.STDOUT, 100, 1, 0) + b"less", b"\1" * 9000])
@pytest.mark.parametrize("size", [20, 4096, 1 << 18])
def test_the_frames_are_those_that_are_read_forwards(
    opened: Callable[[bytes], Reader], size: int, tail: bytes
) -> None:
    data = written([*BEGIN, *((Kind.STDOUT, payload) for payload in ODD), END])
    with opened(data + tail) as reader:
        forwards = [frame for frames in reader.windows() for frame in frames]
        assert list(frames_back(reader, size)) == forwards[::-1]


def test_an_empty_journal_has_none(opened: Callable[[bytes], Reader]) -> None:
    for data in (b"", journal.FILE_HEADER[:9], journal.FILE_HEADER, journal.FILE_HEADER + b"zz"):
        with opened(data) as reader:
            assert list(windows_back(reader)) == []


def test_each_line_finds_its_frame_and_nothing_else_does(opened: Callable[[bytes], Reader]) -> None:
    with opened(written([*BEGIN, (Kind.STDOUT, b"a\n\nbc\n"), (Kind.STDERR, b"d\ne\n"), END])) as reader:
        frame = next(each for each in reader.frames(START) if each.kind is Kind.STDOUT)
        first = frame.offset + HEAD_SIZE
        found = {at: frame_of_line(reader, at) for at in range(START, reader.size() + 40)}
        assert {at for at in found if found[at]} == {first + 2, first + 3}
        assert {found[first + 2], found[first + 3]} == {frame.offset}


def test_ids_rise_and_those_of_one_line_a_frame_are_as_they_were(opened: Callable[[bytes], Reader]) -> None:
    text = b'one\n{"type":"result","result":1,"usage":{"n":2}}\n\n{"type":"tool_call"}\nlast'
    for old in (True, False):
        with opened(printed(text, old=old)) as reader:
            frames = [frame for frame in reader.frames(START) if frame.kind is Kind.STDOUT]
            events = [event for frame in frames for event in frame_events("jsonl", frame)]
            names = ["log", "result", "usage", "log", "tool_call", "log"]
            assert [event.name for event in events] == names
            ids = [event.id for event in events]
            assert ids == sorted(set(ids))
            places = sorted({split_event_id(event)[0] for event in ids})
            assert len(places) == 5
            assert all(reader.begins_frame(at) or frame_of_line(reader, at) for at in places)
            assert reader.begins_frame(places[1]) is old


@pytest.mark.parametrize("old", [True, False])
def test_the_end_of_a_long_journal_costs_its_end(opened: Callable[[bytes], Reader], *, old: bool) -> None:
    with opened(printed(TINY * 4 + b'{"type":"result","result":7}\n', old=old)) as plain:
        reader = Counted(os.dup(plain._fd))
        assert reader.size() > 160_000
        assert len(list(islice(frames_back(reader, 4096), 5))) == 5
        assert last_words(reader, 2) == 'x\n{"type":"result","result":7}'
        assert reader.asked < 60_000
        assert result(reader, JSONL).value == 7
        assert last_output(reader, 32, many=False).endswith("7}\n")
        assert reader.asked < 600_000
        reader.close()


def test_a_result_file_beats_the_event_and_an_earlier_attempt_has_none(
    opened: Callable[[bytes], Reader],
) -> None:
    said = (Kind.STDOUT, b'{"type":"result","result":"said"}\n')
    file, again = (Kind.RESULT, b'{"a": 1}'), (Kind.STARTED, b'{"attempt": 2, "shim": 2, "pid": 4}')
    for frames, value in (([said, file], {"a": 1}), ([said], "said"), ([said, file, END, again], None)):
        with opened(written([*BEGIN, *frames, END])) as reader:
            assert result(reader, JSONL).value == value


def test_attempts_are_indexed_in_steps(opened: Callable[[bytes], Reader]) -> None:
    again = (Kind.STARTED, b'{"attempt": 2, "shim": 2, "pid": 4}')
    with opened(written([*BEGIN, *[(Kind.STDOUT, b"x\n")] * 500, END, again])) as reader:
        index, steps = AttemptIndex(many=True), 1
        while not index.read_to(reader, reader.size(), 100):
            steps += 1
        assert steps == 6
        last = next(frames_back(reader))
        assert (index.begins_at(last.offset), index.attempt_at(last.offset)) == (True, 2)


async def test_a_poll_gets_what_is_parsed_and_the_end_gets_all(
    opened: Callable[[bytes], Reader],
) -> None:
    steps = [b'{"type":"progress","percentage":%d}\n' % (number % 100) for number in range(40_000)]
    with opened(printed(b"".join(steps), old=True)) as reader:
        progress = Progress(lambda: Reader(os.dup(reader._fd)), "jsonl")
        first = await progress.look()
        assert first.progress["percentage"] != 99 or progress._offset < reader.size() / 2
        assert (await progress.whole()).progress["percentage"] == 99
        assert progress._offset == reader.size()
        assert (await progress.look()).progress["percentage"] == 99
