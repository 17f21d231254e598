"""Clients that submit while the disk fails, and what they were told."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .world import Answer, World

CLIENTS = 4
REFUSALS = (503, 507)


class Submits:
    """Submits of many clients, each under a key of its own, and the answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.acknowledged: list[str] = []
        self.refusals: list[Answer] = []
        self._lock = threading.Lock()

    @property
    def told(self) -> Counter[int]:
        """How often each status was the answer."""
        return Counter({202: len(self.acknowledged)}) + Counter(answer.status for answer in self.refusals)

    def many(self, each: int) -> None:
        """Have every client submit so often."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            for client in [pool.submit(self._client, each) for _ in range(CLIENTS)]:
                client.result()

    def one(self) -> Answer:
        """Submit once."""
        answer = self.world.ask("POST", "/api/v1/runs", {"agent": "true", "prompt": "x"})
        with self._lock:
            if answer.status == 202:
                self.acknowledged.append(str(answer.json["job_id"]))
            else:
                self.refusals.append(answer)
        return answer

    def check_words(self) -> None:
        """See that every refusal is one that says what is wrong and does not look like a bug of ours."""
        for answer in self.refusals:
            assert answer.status in REFUSALS, answer
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["status"] == answer.status
            assert "store" in answer.json["detail"], answer.json

    def _client(self, each: int) -> None:
        for _ in range(each):
            self.one()


def check_after_a_restart(submits: Submits, *, exactly: bool) -> None:
    """Kill the server, start it again, and see that what was acknowledged is there and comes to its end.

    `exactly`: and nothing that was refused.
    """
    world = submits.world
    world.kill()
    world.start()
    for run_id in submits.acknowledged:
        assert world.final(run_id)["status"] == "succeeded", run_id
    there = {run["job_id"] for run in world.everything()}
    assert set(submits.acknowledged) <= there, "acknowledged, and lost"
    if exactly:
        assert there == set(submits.acknowledged), "refused, and there all the same"
    for run_id in there:
        world.final(run_id)
    assert world.integrity() == "ok"
    assert submits.one().status == 202
    world.final(submits.acknowledged[-1])
    assert world.ask("GET", "/health").json["status"] == "ok"
    assert not world.marked()
    world.slots_are_free(8)
