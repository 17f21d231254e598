"""A client of the stream of all runs who is cut off at any byte, while runs start, end and are removed.

It keeps what an editor would keep, the latest state of each run, and checks each event against that. Now
and then its cursor is spoilt: it must be told so, and lists again.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

from .world import PATIENCE, World

EVENTS, RUNS = "/api/v1/events", "/api/v1/runs"
FORMS = ("text/event-stream", "application/x-ndjson", "application/json")
RANK = {"queued": 0, "running": 1, "succeeded": 2, "failed": 2, "cancelled": 2}
"""No run is tried again here, so a status of a lower rank is an older one."""
SUBMITTERS = 4


@dataclass
class Figures:
    """What the loop came to: how often each rule was tried."""

    runs: int = 0
    cuts: int = 0
    kills: int = 0
    events: int = 0
    removed: int = 0
    resets: int = 0
    live: int = 0
    """How often a run was seen running."""

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.cuts} disconnects ({self.kills} by kill -9 of the server), "
            f"{self.events} events, {self.live} of a running run, {self.removed} removed, "
            f"{self.resets} resets: every run's latest state arrived, none older after a newer"
        )


class Mirror:
    """What the client knows."""

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}
        self.cursor = ""
        self.seen = Counter[str]()

    @property
    def rev(self) -> int:
        """The last change that was seen."""
        return int(self.cursor.split(".")[1]) if self.cursor else 0

    def take(self, event: Any) -> None:
        """Take an event over; it must be newer than all before."""
        name, cursor = event["event"], event.get("cursor")
        self.seen[name] += 1
        if name in ("run", "removed"):
            rev = int(cursor.split(".")[1])
            assert rev > self.rev, f"rev {rev} after {self.rev}: {event}"
            (self._changed if name == "run" else self._removed)(event)
        self.cursor = cursor or self.cursor

    def _changed(self, event: Any) -> None:
        run = event["run"]
        self.seen["live"] += run["status"] == "running"
        known = self.runs.get(run["job_id"])
        if known is not None:
            assert RANK[run["status"]] >= RANK[known["status"]], f"older after newer: {run} after {known}"
            assert known["completed_at"] is None or known == run, f"{run} after {known}"
        self.runs[run["job_id"]] = run

    def _removed(self, event: Any) -> None:
        self.runs.pop(event["id"], None)


class FeedLoop:
    """The client, those who submit and remove, and whoever kills the server."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(f"{seed} feed")
        self.figures, self.mirror = Figures(), Mirror()
        self._removing, self._count = threading.Lock(), 0
        self._enough = threading.Event()

    def run(self, runs: int, cuts: int, kills: int, resets: int) -> Figures:
        """Have so many runs, and more while the client is cut off so often; return once it knows all."""
        how = ["kill"] * kills + ["spoil"] * resets + ["cut"] * (cuts - kills - resets)
        self.chance.shuffle(how)
        self._list()
        with ThreadPoolExecutor(SUBMITTERS) as pool:
            tasks = [pool.submit(self._submit, number, runs // SUBMITTERS) for number in range(SUBMITTERS)]
            try:
                for each in how:
                    self._leg(each)
            finally:
                self._enough.set()
            for task in tasks:
                task.result()
        self._catch_up()
        self._check()
        return self.figures

    # Those who submit

    def _submit(self, number: int, least: int) -> None:
        chance, count = random.Random(f"{number}"), 0
        while count < least or not self._enough.is_set():
            count += 1
            agent = chance.choice(("true", "true", "true", "worker"))
            run_id = self.world.submitted(agent, f"{count} 3 2 {chance.choice((0, 7))} text")
            if chance.random() < 0.1:
                self.world.insist("POST", f"{RUNS}/{run_id}/cancel?wait=false")
            if count % 5 == 0:
                self.world.final(run_id)
                with self._removing:
                    assert self.world.insist("DELETE", f"{RUNS}/{run_id}").status in (204, 404)
        with self._removing:
            self._count += count

    # The client

    def _leg(self, how: str) -> None:
        """Listen for some bytes, and be cut off."""
        self.figures.cuts += 1
        if how == "spoil":
            self._spoil()
            return
        form, most = self.chance.choice(FORMS), self.chance.randrange(1, 20_000)
        self._take(form, self._read(form, most, kill=how == "kill"))

    def _take(self, form: str, read: bytes) -> None:
        for event in parsed(form, read):
            self.mirror.take(event)

    def _read(self, form: str, most: int, *, kill: bool = False) -> bytes:
        read = b""
        with closing(self._open(form)) as line:
            answer = line.getresponse()
            assert answer.status == 200, answer.read()
            with suppress(ConnectionError, http.client.IncompleteRead):
                while len(read) < most and (got := answer.read1(most - len(read))):
                    read += got
                if kill:
                    self.world.kill()
                    read += answer.read()
        if kill:
            self.figures.kills += 1
            self.world.kill()
            self.world.start()
        return read

    def _open(self, form: str) -> http.client.HTTPConnection:
        line = http.client.HTTPConnection("127.0.0.1", self.world.port, timeout=PATIENCE)
        headers = {"Accept": form} | ({"Last-Event-ID": self.mirror.cursor} if self.mirror.cursor else {})
        line.request("GET", f"{EVENTS}?wait=1", headers=headers)
        return line

    def _spoil(self) -> None:
        """Come with a cursor of another store, or of a future: be told once, and list again."""
        store, rev = self.mirror.cursor.split(".")
        other = ("0" * 8, "other_store", rev), (store, "ahead", str(10**9))
        store, reason, rev = self.chance.choice(other)
        self.mirror.cursor = f"{store}.{rev}"
        with closing(self._open("application/json")) as line:
            page = json.loads(line.getresponse().read())
        assert page["reset"]["reason"] == reason, page
        self.figures.resets += 1
        self._list()

    def _list(self) -> None:
        """List all runs; the first page says where the stream is to begin."""
        with self._removing:  # pages must not move up under whoever turns them
            first = self.world.insist("GET", f"{RUNS}?page_size=1")
            runs = self.world.everything()
        self.mirror.cursor = first.headers["praisonrun-cursor"]
        self.mirror.runs = {run["job_id"]: run for run in runs}

    def _catch_up(self) -> None:
        for run in self.world.everything():
            self.world.final(run["job_id"])
        cursor = self.world.insist("GET", f"{RUNS}?page_size=1").headers["praisonrun-cursor"]
        while self.mirror.rev < int(cursor.split(".")[1]):
            self._take(FORMS[-1], self._read(FORMS[-1], 1 << 30))

    def _check(self) -> None:
        shown = {run["job_id"]: run for run in self.world.everything()}
        assert self.mirror.runs == shown
        seen, figures = self.mirror.seen, self.figures
        figures.runs, figures.events = self._count, sum(seen.values())
        figures.removed, figures.live = seen["removed"], seen["live"]


def parsed(form: str, read: bytes) -> Iterator[Any]:
    """Yield the whole events of what was read."""
    if form == "application/json":
        with suppress(ValueError):  # cut off
            page = json.loads(read)
            assert page["reset"] is None, page
            yield from page["events"]
            yield {"event": "page", "cursor": page["next"]}
        return
    mark = b"data: " if form == "text/event-stream" else b"{"
    for line in read.split(b"\n")[:-1]:
        if line.startswith(mark):
            event = json.loads(line.removeprefix(b"data: "))
            assert event["event"] != "reset", event
            yield event
