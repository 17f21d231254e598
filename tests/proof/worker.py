"""Says that it was started, prints seeded bytes for a while and leaves with a code, as its prompt tells.

The prompt: seed, pieces, milliseconds between two pieces, code, `bytes` or `text`.
"""

import os
import sys
import time
from _random import Random  # the C core alone: every run of a proof pays for imports

LETTERS = "abcdefgh \n\té€😀\r\x1b"


def pieces(seed: int, count: int, kind: str) -> list[bytes]:
    """Return what is printed, write by write: lines of any bytes, or text cut at any byte."""
    chance = Random(seed)
    sizes = [1 + chance.getrandbits(7) for _ in range(count)]
    if kind == "bytes":
        return [chance.getrandbits(8 * size).to_bytes(size, "little") + b"\n" for size in sizes]
    text = "".join(LETTERS[chance.getrandbits(8) % len(LETTERS)] for _ in range(sum(sizes))).encode()
    cuts = [0]
    for size in sizes[:-1]:
        cuts.append(cuts[-1] + size)
    return [text[start:end] for start, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def main() -> int:
    """Be the agent."""
    run, attempt = os.environ["PRAISONRUN_RUN_ID"], os.environ["PRAISONRUN_ATTEMPT"]
    starts = os.open(os.environ["STARTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(starts, f"{run} {attempt} {os.getpid()}\n".encode())
    seed, count, pause, code, kind = sys.stdin.read().split()
    for piece in pieces(int(seed), int(count), kind):
        os.write(1, piece)
        time.sleep(int(pause) / 1000)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
