"""Asks as many questions as its prompt says, a few at a time, and prints at the end what it was told.

The prompt: seed, questions. A question is one of three words: `answer`, `leave` (it expires), or `twice` (it
is sent twice).
"""

import json
import os
import sys
import time
from _random import Random


def main() -> int:
    """Be the agent."""
    seed, count = map(int, sys.stdin.read().split())
    chance, at = Random(seed), 0
    known: set[str] = set()
    name = os.environ["PRAISONRUN_ANSWERS"]
    while at < count:
        some = [f"q{number}" for number in range(at, min(count, at + 1 + chance.getrandbits(2)))]
        at += len(some)
        for ask_id in some:
            kind = chance.getrandbits(3)
            word = "leave" if kind == 0 else "twice" if kind == 1 else "answer"
            asked = {"id": ask_id, "question": word, "timeout": 1 if word == "leave" else 600}
            if chance.getrandbits(1):
                asked["default"] = "nobody"
            line = json.dumps({"ask": asked}).encode() + b"\n"
            pipe = os.open(os.environ["PRAISONRUN_EVENTS"], os.O_WRONLY)
            os.write(pipe, line * (2 if word == "twice" else 1))
            os.close(pipe)
        while not known.issuperset(some):
            time.sleep(0.005)
            known = {reply["id"] for reply in replies(name)}
    for reply in replies(name):
        print(json.dumps(reply))
    return 0


def replies(name: str) -> list[dict[str, str]]:
    """Return the whole lines of the file."""
    try:
        with open(name) as file:
            return [json.loads(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


if __name__ == "__main__":
    sys.exit(main())
