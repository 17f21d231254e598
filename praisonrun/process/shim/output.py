"""An agent's output as frames: where frames end, and what happens beyond the cap.

A frame ends at the end of a line. It ends inside a line only if that is longer than the buffer or was
incomplete for a while, and then never inside a UTF-8 character. Standard library only.
"""

from __future__ import annotations

import json
from collections import deque

from praisonrun.journal import format as journal
from praisonrun.journal.writer import Bytes, Journal

TAIL = 1 << 16
"""Bytes of the end of the output that are kept beyond the cap."""
_PIECES = 1024
_STDOUT, _STDERR, _EVENT = int(journal.Kind.STDOUT), int(journal.Kind.STDERR), int(journal.Kind.EVENT)


def whole(data: Bytes | bytearray, end: int) -> int:
    """Return where `data[:end]` may be cut: before an incomplete character, else at `end`."""
    for back in range(1, min(3, end) + 1):
        byte = data[end - back]
        if byte < 0x80:
            return end
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 1
            return end - back if need > back else end
    return end


def line_start(data: bytes | bytearray, at: int) -> int:
    """Return the first place from `at` on where a line, or else a character, begins."""
    newline = data.find(b"\n", at)
    if 0 <= newline < len(data) - 1:
        return newline + 1
    while at < len(data) and data[at] & 0xC0 == 0x80:
        at += 1
    return at


def lines(view: memoryview, data: bytearray, start: int, end: int, size: int = 0) -> list[Bytes]:
    """Return the lines of `data[start:end]`, whose view is `view`; the last may lack its newline.

    Lines that have no more than `size` bytes together stay together.
    """
    found: list[Bytes] = []
    while start < end:
        stop = end if end - start <= size else data.rfind(b"\n", start, start + size) + 1
        stop = stop or data.find(b"\n", start, end) + 1 or end
        found.append(view[start:stop])
        start = stop
    return found


class LastOutput:
    """The last bytes of output beyond its cap."""

    def __init__(self) -> None:
        self.pieces: deque[tuple[int, bytearray]] = deque()
        self.size = 0

    def add(self, kind: int, data: Bytes) -> None:
        """Add output, and forget what is too old."""
        kept = data[-TAIL:]
        self.size += len(kept)
        if self.pieces and self.pieces[-1][0] == kind and len(self.pieces[-1][1]) + len(kept) <= TAIL:
            self.pieces[-1][1].extend(kept)
        else:
            self.pieces.append((kind, bytearray(kept)))
        while self.size - len(self.pieces[0][1]) >= TAIL or len(self.pieces) > _PIECES:
            self.size -= len(self.pieces.popleft()[1])

    def cut(self) -> deque[tuple[int, bytearray]]:
        """Return at most TAIL bytes in pieces. The first piece begins with a line if possible."""
        if self.size > TAIL:
            first = self.pieces[0][1]
            del first[: line_start(first, self.size - TAIL)]
        return self.pieces


class Output:
    """What is written to the journal of one attempt, and what its caps keep out."""

    def __init__(self, target: Journal, cap: int, event_cap: int, by_line: bool) -> None:
        self.journal = target
        self.room = cap
        self.event_room = event_cap
        self.by_line = by_line
        self.full = False
        self.unfinished = b""
        """What ends the last line, if the agent has not."""
        self.dropped = {_STDOUT: 0, _STDERR: 0, _EVENT: 0}
        self.events = 0
        self.tail = LastOutput()

    def put(self, kind: int, payloads: list[Bytes]) -> None:
        """Append a frame for each payload, as far as there is room."""
        self.unfinished = b"" if payloads[-1][-1:] == b"\n" else b"\n"
        size = sum(map(len, payloads)) + journal.HEAD_SIZE * len(payloads)
        if size > self.room or self.full:
            self._fill(kind, payloads)
        elif self.journal.append(kind, *payloads):
            self.room -= size
        else:
            self.dropped[kind] += sum(map(len, payloads))

    def put_event(self, line: Bytes) -> bool:
        """Append an event, unless there were too many; return whether it is there."""
        size = len(line) + journal.HEAD_SIZE
        if size <= self.event_room and self.journal.append(_EVENT, line):
            self.event_room -= size
            self.events += 1
            return True
        self.drop_event(len(line))
        return False

    def drop_event(self, size: int) -> None:
        """Count an event that the journal does not hold."""
        self.dropped[_EVENT] += size

    def say(self, text: str) -> None:
        """Append a line of praisonrun's own, once all output was put."""
        self.journal.append(_STDERR, self.unfinished + f"praisonrun: {text}\n".encode())
        self.unfinished = b""

    def finish(self) -> None:
        """Write how much is missing, and the last bytes of it."""
        kept = self.tail.cut()
        for kind, piece in kept:
            self.dropped[kind] -= len(piece)
        if any(self.dropped.values()):
            missing = {"stdout": self.dropped[_STDOUT], "stderr": self.dropped[_STDERR]}
            if self.dropped[_EVENT]:
                missing["event"] = self.dropped[_EVENT]
            self.journal.append(journal.Kind.DROPPED, json.dumps(missing).encode())
        for kind, piece in kept:
            view = memoryview(piece)
            for payload in lines(view, piece, 0, len(piece), journal.BATCH) if self.by_line else [view]:
                if not self.journal.append(kind, payload):
                    self.dropped[kind] += len(payload)

    def _fill(self, kind: int, payloads: list[Bytes]) -> None:
        """Use the room that is left; what does not fit goes to the tail."""
        for payload in payloads:
            fits = 0 if self.full else self._fitting(payload)
            if fits and self.journal.append(kind, payload[:fits]):
                self.room -= fits + journal.HEAD_SIZE
            else:
                fits = 0
            if fits < len(payload):
                self.full = True
                self.dropped[kind] += len(payload) - fits
                self.tail.add(kind, payload[fits:])

    def _fitting(self, payload: Bytes) -> int:
        room = self.room - journal.HEAD_SIZE
        if room >= len(payload):
            return len(payload)
        if room <= 0:
            return 0
        return bytes(payload[:room]).rfind(b"\n") + 1 or (0 if self.by_line else whole(payload, room))
