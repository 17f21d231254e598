"""Agents ask without end while the server is killed: no question and no answer is lost, kept or told twice.

Each agent prints all that it was told. A client remembers each answer that was acknowledged, and sends others
to see them rejected. After each kill the database is looked at as it lies there: what was open, what was
answered and not told, and what was told and not noted. A rule that never fired proves nothing.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from praisonrun.files.answers import ANSWERS
from praisonrun.files.run_files import RunFiles

from .world import Json, World

AGENTS, CLIENTS, QUESTIONS = 6, 4, 12
RULES = (
    "a question was open at a kill",
    "a question was asked while no server was there",
    "an answer was stored and not told at a kill",
    "an answer was told and not noted at a kill",
    "an answer was acknowledged",
    "an answer was sent again",
    "another answer was rejected",
    "a question was asked twice",
    "nobody answered in time: the default",
    "nobody answered in time: denied",
)
_ASKS = """
    SELECT r.id, a.id, a.question, a.state, a.answer, a.asked_at, a.delivered
    FROM asks a JOIN runs r ON r.seq = a.run_seq
"""


class AskLoop:
    """Agents that ask, clients that answer, a killer, and what they know."""

    agent = "asker"
    rules: tuple[str, ...] = RULES

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.fired = Counter[str]()
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.runs: set[str] = set()
        self._down: list[tuple[int, int]] = []
        """From when to when no server was there; microseconds."""
        self._turn = threading.Lock()
        self._over = threading.Event()

    def run(self, kills: int) -> str:
        """Kill so often; return what it came to once every run is final and checked."""
        begun = time.monotonic()
        with ThreadPoolExecutor(AGENTS + CLIENTS) as pool:
            work = [pool.submit(self._submits, number) for number in range(AGENTS)]
            work += [pool.submit(self._answers, number) for number in range(CLIENTS)]
            try:
                self._kill(kills)
            finally:
                self._over.set()
            for each in work:
                each.result()
        self._check()
        assert not (never := [rule for rule in self.rules if not self.fired[rule]]), f"never fired: {never}"
        told = ", ".join(f"{rule} {self.fired[rule]}" for rule in self.rules)
        return f"{kills} kills, {len(self.runs)} runs, {time.monotonic() - begun:.0f} s; {told}"

    def _submits(self, number: int) -> None:
        chance = random.Random(f"{self.seed} agent {number}")
        while not self._over.is_set():
            run_id = self.world.submitted(self.agent, f"{chance.getrandbits(30)} {QUESTIONS}")
            with self._turn:
                self.runs.add(run_id)
            self._until_over(run_id)

    def _until_over(self, run_id: str) -> None:
        while self.world.insist("GET", f"/api/v1/runs/{run_id}?wait=2").json["completed_at"] is None:
            pass

    def _answers(self, number: int) -> None:
        chance = random.Random(f"{self.seed} client {number}")
        while not self._over.is_set() or self._live():
            for run in self._live():
                shown = self.world.insist("GET", f"/api/v1/runs/{run['job_id']}").json
                for asked in shown["questions"]:
                    left = "leave" in asked["question"]
                    if asked["state"] == "open" and not left and chance.random() < 0.7:
                        text = chance.choice(asked["options"] or [f"{number} {chance.getrandbits(20)}"])
                        self._answer(run["job_id"], asked["id"], text, chance)

    def _live(self) -> list[Json]:
        return list(self.world.insist("GET", "/api/v1/runs?status=running&page_size=100").json["jobs"])

    def _answer(self, run_id: str, ask_id: str, text: str, chance: random.Random) -> None:
        path = f"/api/v1/runs/{run_id}/answers/{ask_id}"
        got = self.world.insist("POST", path, {"answer": text})
        if got.status != 200:
            assert got.status in (409, 410), got
            self._fire("another answer was rejected")
            return
        with self._turn:
            known = self.acknowledged.setdefault((run_id, ask_id), text)
        assert known == text, "two answers were acknowledged"
        self._fire("an answer was acknowledged")
        if chance.random() < 0.3:
            assert self.world.insist("POST", path, {"answer": text}).status == 200
            self._fire("an answer was sent again")
            assert self.world.insist("POST", path, {"answer": text + "!"}).status in (409, 410)
            self._fire("another answer was rejected")

    def _fire(self, rule: str, count: int = 1) -> None:
        with self._turn:
            self.fired[rule] += count

    def _kill(self, kills: int) -> None:
        chance = random.Random(f"{self.seed} killer")
        for _ in range(kills):
            time.sleep(chance.random() * 0.4)
            self.world.kill()
            begun = time.time_ns() // 1000
            self._look()
            time.sleep(chance.choice((0, 0.05, 0.2)))
            self.world.start()
            self._down.append((begun, time.time_ns() // 1000))

    def _asks(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.world.state}/praisonrun.db?mode=ro", uri=True)) as db:
            return db.execute(_ASKS).fetchall()

    def _look(self) -> None:
        """See what the kill has left."""
        files = RunFiles(self.world.state)
        for run_id, ask_id, _, state, _, _, delivered in self._asks():
            self._fire("a question was open at a kill", state == "open")
            if state in ("answered", "expired") and not delivered:
                file = files.folder(run_id) / ANSWERS
                told = file.exists() and f'"id": "{ask_id}"' in file.read_text()
                self._fire(
                    f"an answer was {'told and not noted' if told else 'stored and not told'} at a kill"
                )

    def _check(self) -> None:
        rows = {(run_id, ask_id): about for run_id, ask_id, *about in self._asks()}
        for run_id in self.runs:
            shown = self.world.final(run_id)
            assert (shown["status"], shown["attempt"]) == ("succeeded", 1), shown
            replies = [json.loads(line) for line in self.world.logs(run_id).splitlines()]
            told = {reply["id"]: reply.get("answer") for reply in replies}
            assert len(told) == len(replies) == QUESTIONS, "a reply is lost, or told twice"
            for ask_id, answer in told.items():
                question, state, stored, asked_at, _ = rows.pop((run_id, ask_id))
                assert stored == answer, (run_id, ask_id)
                given = self.acknowledged.pop((run_id, ask_id), None)
                assert (state, given) == (("answered", answer) if given is not None else ("expired", None))
                assert (state == "expired") == (question == "leave")
                if state == "expired":
                    kind = "denied" if answer is None else "the default"
                    self._fire(f"nobody answered in time: {kind}")
                self._fire("a question was asked twice", question == "twice")
                away = any(begun < asked_at < back for begun, back in self._down)
                self._fire("a question was asked while no server was there", away)
        assert not rows, f"questions that nobody asked: {rows}"
        assert not self.acknowledged, f"answers that were acknowledged and lost: {self.acknowledged}"
        assert self.world.integrity() == "ok"
