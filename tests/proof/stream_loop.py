"""A viewer of one run who is cut off at any byte, again and again, and resumes by the last id that it saw."""

from __future__ import annotations

import http.client
import json
import random
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .worker import pieces
from .world import PATIENCE, World

Event = tuple[int, str, Any]
"""Id, name, data."""


@dataclass
class Figures:
    """What the loop came to."""

    cuts: int = 0
    kills: int = 0
    events: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        return (
            f"{self.cuts} disconnects ({self.kills} by kill -9 of the server), {self.events} events with "
            f"{self.bytes} bytes of output: 0 missing, 0 repeated, byte-exact"
        )


class StreamLoop:
    """A viewer, and one run after the other until it was cut off often enough."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.chance = random.Random(f"{seed} viewer")
        self.figures = Figures()
        self.seen: list[Event] = []

    def run(self, cuts: int, kills: int) -> Figures:
        """Be cut off so often, `kills` of them with the server; each run is read to its end."""
        how = [True] * kills + [False] * (cuts - kills)
        self.chance.shuffle(how)
        while how:
            self._view(how, 16 * cuts)
        return self.figures

    def _view(self, how: list[bool], count: int) -> None:
        """Follow one run, with as many of these cuts as it lasts for: a slow machine needs another run."""
        run_id = self.world.submitted("worker", f"{self.seed} {count} 3 0 text")
        self.seen, done = [], False
        while how and not done:
            kill = how.pop()
            done = self._leg(run_id, self.chance.randrange(1, 5000), kill)
            self.figures.cuts += 1
            self.figures.kills += kill
        while not done:
            done = self._leg(run_id, None, False)
        self._check(run_id, b"".join(pieces(self.seed, count, "text")))

    def _leg(self, run_id: str, most: int | None, kill: bool) -> bool:
        """Read so many bytes on, be cut off; say whether the stream had come to its end."""
        after = self.seen[-1][0] if self.seen else 0
        read = b""
        with closing(self._open(run_id, after)) as line:
            answer = line.getresponse()
            assert answer.status == 200, answer.read()
            with suppress(ConnectionError, http.client.IncompleteRead):
                while most is None or len(read) < most:
                    got = answer.read1(65536 if most is None else most - len(read))
                    read += got
                    if not got:
                        break
                if kill:
                    self.world.kill()
                    read += answer.read()
        if kill:
            self.world.kill()
            self.world.start()
        events, done = parsed(read)
        self.seen += events
        return done

    def _open(self, run_id: str, after: int) -> http.client.HTTPConnection:
        line = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=PATIENCE)
        line.request("GET", f"/api/v1/runs/{run_id}/stream", headers={"Last-Event-ID": str(after)})
        return line

    def _check(self, run_id: str, printed: bytes) -> None:
        ids = [event[0] for event in self.seen]
        assert all(before < after for before, after in pairwise(ids)), "ids must increase"
        assert [name for _, name, _ in self.seen[-2:]] == ["result", "complete"]
        text = "".join(data["text"] for _, name, data in self.seen if name == "log")
        assert text == printed.decode()
        assert self.world.logs(run_id) == printed
        again, done = parsed(self.world.ask("GET", f"/api/v1/runs/{run_id}/stream").body)
        assert done
        assert again == self.seen, "a replay differs from what was seen live"
        answer = self.world.ask("GET", f"/api/v1/runs/{run_id}/stream", after=ids[-1])
        assert (answer.status, answer.body) == (204, b"")
        self.figures.events += len(ids)
        self.figures.bytes += len(printed)


def parsed(read: bytes) -> tuple[list[Event], bool]:
    """Return the whole events of a stream, and whether it said that it is done."""
    events: list[Event] = []
    done = False
    for block in read.split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
        if fields.get(b"data") == b"[DONE]":
            done = True
        elif b"data" in fields:
            assert not done, "something follows the end"
            events.append((int(fields[b"id"]), fields[b"event"].decode(), json.loads(fields[b"data"])))
    return events, done
