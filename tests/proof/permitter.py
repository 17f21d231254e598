"""Asks for permission as often as its prompt says, a few times at once, and prints what it was told.

The prompt: seed, questions. It talks to two `praisonrun permission`, as Claude Code does: one that waits for
an answer, and one whose questions expire. A question's tool is `wait` or `leave`.
"""

import json
import subprocess
import sys
from _random import Random

TIMES = {"wait": "10m", "leave": "1"}


def main() -> int:
    """Be the agent."""
    seed, count = map(int, sys.stdin.read().split())
    chance, at = Random(seed), 0
    asking = {tool: started(time) for tool, time in TIMES.items()}
    while at < count:
        some = range(at, min(count, at + 1 + chance.getrandbits(2)))
        at += len(some)
        tools = ["leave" if chance.getrandbits(3) == 0 else "wait" for _ in some]
        for number, tool in zip(some, tools, strict=True):
            wanted = {"tool_name": tool, "input": {"number": number}, "tool_use_id": "always the same"}
            call = {"name": "ask", "arguments": wanted}
            send(asking[tool], {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": call})
        for tool in tools:
            answer = json.loads(line_of(asking[tool]))
            told = json.loads(answer["result"]["content"][0]["text"])
            print(json.dumps({"number": answer["id"], "tool": tool, **told}), flush=True)
    for process in asking.values():
        process.communicate()
    return 0


def started(time: str) -> subprocess.Popen[str]:
    """Start one that waits so long."""
    words = [sys.executable, "-P", "-m", "praisonrun", "permission", "--timeout", time]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line_of(process: subprocess.Popen[str]) -> str:
    """Return the next line that it says."""
    assert process.stdout is not None
    return process.stdout.readline()


def send(process: subprocess.Popen[str], said: object) -> None:
    """Send a line."""
    assert process.stdin is not None
    print(json.dumps(said), file=process.stdin, flush=True)


if __name__ == "__main__":
    sys.exit(main())
