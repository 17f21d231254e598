"""Many clients submit the same with the same key at the same moment, kills of the server between."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from .world import PATIENCE, Answer, Json, World

CLIENTS = 50


def same_key(world: World, seed: int, rounds: int) -> str:
    """Do so many rounds, half of them with a kill; return what they came to."""
    chance = random.Random(f"{seed} keys")
    ids: set[str] = set()
    kills = 0
    with ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(rounds):
            body, key = {"agent": "worker", "prompt": f"{number} 1 10 0 bytes"}, f"{seed}-{number}"
            start, first = threading.Barrier(CLIENTS), threading.Event()
            submit = partial(_submit, world, body, key, start, first)
            waiting = [pool.submit(submit) for _ in range(CLIENTS)]
            if number % 2:
                first.wait(chance.random() * 0.03)  # the fault's own moment
                world.kill()
                world.start()
                kills += 1
            answers = [client.result() for client in waiting]
            assert Counter(answer.status for answer in answers) == {202: CLIENTS}
            named = {answer.json["job_id"] for answer in answers}
            assert len(named) == 1, f"one key names {len(named)} runs"
            assert sum("idempotency-replayed" in answer.headers for answer in answers) >= CLIENTS - 1
            ids |= named
            other = world.ask("POST", "/api/v1/runs", body | {"prompt": "0 1 1 0 text"}, key=key)
            assert (other.status, other.headers["content-type"]) == (409, "application/problem+json")
    assert all(world.final(run_id)["status"] == "succeeded" for run_id in ids)
    assert {run["job_id"] for run in world.everything()} == ids
    assert world.starts() == dict.fromkeys(((run_id, 1) for run_id in ids), 1)
    return (
        f"{CLIENTS} identical submits x {rounds} ({kills} with kill -9 between): "
        f"{len(ids)} runs, each started once; another payload: 409 each time"
    )


def _submit(world: World, body: Json, key: str, start: threading.Barrier, first: threading.Event) -> Answer:
    start.wait(PATIENCE)
    answer = world.insist("POST", "/api/v1/runs", body, key=key)
    first.set()
    return answer
