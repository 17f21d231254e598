"""Runs of conversations while the server is killed: no two of one overlap, and none loses what was said.

Each try is one conversation. Its turns are submitted by several clients at once; some fail and are tried
again, some die, some are cancelled, and some conversations are lost and begin anew. The agents themselves
note when they meet another in their conversation. A rule that never fired proves nothing.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from ..rigs.talkers import Talks
from .world import Json, World

CLIENTS, TURNS, AT_ONCE = 3, 4, 3
KINDS = {"": 6, "fail1": 2, "die": 1, "cancel": 1}
"""What a turn does, and how often."""
RULES = (
    "a run waited for another of its conversation",
    "at a kill one ran and another waited",
    "a turn continued a conversation",
    "a turn was tried again",
    "a turn died",
    "a turn was cancelled",
    "a conversation began anew",
)
_HELD_UP = """
    SELECT count(*) FROM runs AS r JOIN runs AS q ON q.conversation = r.conversation
    WHERE r.status = 'running' AND q.status = 'queued'
"""


class SessionLoop:
    """Conversations, their clients, a killer, and what they know."""

    def __init__(self, world: World, talks: Talks, seed: int) -> None:
        self.world, self.talks, self.seed = world, talks, seed
        self.fired, self.runs, self.kills = Counter[str](), 0, 0
        self._turn = threading.Lock()
        self._over = threading.Event()

    def run(self, tries: int) -> str:
        """Have so many conversations while the server is killed; return what it came to."""
        begun = time.monotonic()
        with ThreadPoolExecutor(1) as apart:
            killer = apart.submit(self._kill)
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    list(pool.map(self._try, range(tries)))
            finally:
                self._over.set()
            killer.result()
        assert self.talks.overlaps() == []
        assert self.world.integrity() == "ok"
        assert self.kills
        assert not (never := [rule for rule in RULES if not self.fired[rule]]), f"never fired: {never}"
        told = ", ".join(f"{rule} {self.fired[rule]}" for rule in RULES)
        took = time.monotonic() - begun
        return f"{tries} tries, {self.runs} runs, {self.kills} kills, {took:.0f} s: 0 overlaps; {told}"

    def _fire(self, rule: str, count: int = 1) -> None:
        with self._turn:
            self.fired[rule] += count

    def _kill(self) -> None:
        chance = random.Random(f"{self.seed} killer")
        while not self._over.wait(0.1 + chance.random() * 0.5):
            self.world.kill()
            self.kills += 1
            with closing(sqlite3.connect(f"file:{self.world.state}/praisonrun.db?mode=ro", uri=True)) as db:
                self._fire("at a kill one ran and another waited", db.execute(_HELD_UP).fetchone()[0])
            self.world.start()

    def _try(self, number: int) -> None:
        """Have one conversation, and see that it is whole."""
        chance, session = random.Random(f"{self.seed} {number}"), f"s{number}"
        agent = chance.choice(("talk", "tells"))
        said = self._turns(chance, agent, session, range(TURNS), [])
        if said and chance.random() < 0.5:
            self._lose(session)
            said = self._turns(chance, agent, session, [TURNS], [])
            self._fire("a conversation began anew")
        self._turns(chance, agent, session, [TURNS + 1], said)

    def _turns(
        self, chance: random.Random, agent: str, session: str, numbers: Json, before: list[str]
    ) -> list[str]:
        """Take turns, several at once if there are several; return all that was said so far."""
        kinds = list(KINDS) if len(numbers) > 1 else [""]
        weights = [KINDS[kind] for kind in kinds]
        turns = {
            f"{session}.{number} pause:{chance.random() / 10:.3f} {chance.choices(kinds, weights)[0]}"
            for number in numbers
        }
        with ThreadPoolExecutor(CLIENTS) as pool:
            ids = list(pool.map(lambda prompt: self._submitted(agent, session, prompt), turns))
        ended = {run_id: self._ended(run_id) for run_id in ids}
        return self._check(ended, before)

    def _submitted(self, agent: str, session: str, prompt: str) -> str:
        run_id = self.world.submitted(agent, prompt, session_id=session, retries=int("fail1" in prompt))
        shown = self.world.insist("GET", f"/api/v1/runs/{run_id}").json
        self._fire(RULES[0], "of the same session" in (shown["queue_reason"] or ""))
        if "cancel" in prompt:
            self.world.insist("POST", f"/api/v1/runs/{run_id}/cancel")
        return run_id

    def _ended(self, run_id: str) -> Json:
        shown = self.world.final(run_id)
        with self._turn:
            self.runs += 1
        return shown | self.world.insist("GET", f"/api/v1/runs/{run_id}").json

    def _check(self, ended: dict[str, Json], before: list[str]) -> list[str]:
        marks = ",".join("?" * len(ended))
        with closing(sqlite3.connect(f"file:{self.world.state}/praisonrun.db?mode=ro", uri=True)) as db:
            order = db.execute(f"SELECT id FROM runs WHERE id IN ({marks}) ORDER BY seq", [*ended]).fetchall()
        said = before
        for (run_id,) in order:
            shown = ended[run_id]
            prompt = shown["prompt"]
            wanted = "failed" if "die" in prompt else "succeeded"
            if "cancel" in prompt:
                assert shown["status"] in ("cancelled", "succeeded"), shown
                self._fire("a turn was cancelled", shown["status"] == "cancelled")
            else:
                assert shown["status"] == wanted, shown
                self._fire("a turn died", wanted == "failed")
            self._fire("a turn was tried again", shown["status"] == "succeeded" and "fail1" in prompt)
            if shown["status"] == "succeeded":
                found = self.world.insist("GET", f"/api/v1/runs/{run_id}/result").json["result"]
                # A turn that was cancelled may have said what it had to before.
                assert [each for each in found if each in said or "cancel" not in each] == [*said, prompt]
                self._fire("a turn continued a conversation", len(found) > 1)
                said = found
        return said

    def _lose(self, session: str) -> None:
        for name in self.talks.names():
            if any(turn.startswith(f"{session}.") for turn in self.talks.turns(name)):
                self.talks.lose(name)
