"""The `hello` agent: counts the words of its prompt in two seconds, and shows all that an agent can show.

    echo "some words" | python -m praisonrun.demo

It works the same without praisonrun: what PRAISONRUN_EVENTS and PRAISONRUN_RESULT_PATH do not name is
left out. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import sys
import time

STEPS = (
    "Reading the prompt",
    "Splitting it into words",
    "Counting",
    "Checking the count",
    "Writing the answer",
)
PAUSE = 0.4
"""Seconds a step."""


def main(pause: float = PAUSE) -> int:
    """Read a prompt from stdin, report each step, write the answer. Return the exit code."""
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    events = _open_events(os.environ.get("PRAISONRUN_EVENTS"))
    print(f"hello: got a prompt of {len(prompt)} characters", file=sys.stderr, flush=True)
    for number, step in enumerate(STEPS):
        _tell(events, number, step)
        print(f"[{number + 1}/{len(STEPS)}] {step}", flush=True)
        time.sleep(pause)
    _tell(events, len(STEPS), "Done")
    result = answer(prompt)
    print(result["answer"], flush=True)
    if path := os.environ.get("PRAISONRUN_RESULT_PATH"):
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double the start-up time
            json.dump(result, file)
    return 0


def answer(prompt: str) -> dict[str, object]:
    """Return the result: what is shown, and the figures behind it."""
    words = prompt.split()
    noun = "word" if len(words) == 1 else "words"
    said = f"Hello! Your prompt has {len(words)} {noun}." if words else "Hello! Your prompt was empty."
    longest = max(words, key=len, default="")
    return {"answer": said, "words": len(words), "characters": len(prompt), "longest_word": longest[:100]}


def _open_events(path: str | None) -> int | None:
    """Return the descriptor to write events to, None where nobody reads them."""
    if not path:
        return None
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND)
    except OSError as error:
        print(f"hello: no events: {error}", file=sys.stderr, flush=True)
        return None
    os.set_blocking(descriptor, True)
    return descriptor


def _tell(events: int | None, done: int, step: str) -> None:
    total = len(STEPS)
    event = {"type": "progress", "percentage": round(100 * done / total, 1), "step": step}
    event |= {"steps_completed": done, "steps_total": total}
    if events is not None:
        # One write of less than PIPE_BUF bytes, so that lines of several writers never mix.
        os.write(events, json.dumps(event).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
