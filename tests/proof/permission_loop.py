"""Agents ask for permission by MCP while the server is killed: each question is asked and answered once."""

from __future__ import annotations

import json
from collections import defaultdict

from .ask_loop import QUESTIONS, AskLoop

SAID = {"allow": "allow", "deny": "deny", None: "deny"}
"""What an agent is told of each answer."""


class PermissionLoop(AskLoop):
    """The same with agents that talk to `praisonrun permission`."""

    agent = "permitter"
    rules = (
        "a question was open at a kill",
        "a question was asked while no server was there",
        "an answer was stored and not told at a kill",
        "an answer was acknowledged",
        "an answer was sent again",
        "another answer was rejected",
        "allow",
        "deny",
        "nobody answered in time: denied",
    )

    def _check(self) -> None:
        rows = defaultdict(list)
        for run_id, ask_id, question, *about in self._asks():
            rows[run_id, question].append((ask_id, *about))
        for run_id in self.runs:
            shown = self.world.final(run_id)
            assert (shown["status"], shown["attempt"]) == ("succeeded", 1), shown
            told = [json.loads(line) for line in self.world.logs(run_id).splitlines()]
            assert {each["number"] for each in told} == set(range(QUESTIONS))
            assert len(told) == QUESTIONS, "an answer is lost, or told twice"
            for each in told:
                question = f"Allow {each['tool']}?\n  number: {each['number']}"
                ((ask_id, state, stored, asked_at, _),) = rows.pop((run_id, question))
                assert each["behavior"] == SAID[stored], (run_id, question)
                given = self.acknowledged.pop((run_id, ask_id), None)
                assert (state, given) == (("answered", stored) if given is not None else ("expired", None))
                assert (state == "expired") == (each["tool"] == "leave")
                self._fire(stored or "nobody answered in time: denied")
                away = any(begun < asked_at < back for begun, back in self._down)
                self._fire("a question was asked while no server was there", away)
        assert not rows, f"questions that nobody asked: {rows}"
        assert not self.acknowledged, f"answers that were acknowledged and lost: {self.acknowledged}"
        assert self.world.integrity() == "ok"
