"""An agent with conversations of its own, in files of the directory TALKS; it answers with all that was said.

Its arguments: --session-id UUID begins one, --resume ID continues one, none begins one that it names itself.
What it does in a turn its prompt tells, in words: wait:FILE, pause:SECONDS, mute, message, die, unknown,
fail, failN in attempt N. A turn that finds another at work in its conversation notes that in `overlaps`.
"""

import fcntl
import json
import os
import signal
import sys
import time
import uuid

UNKNOWN = "No conversation found with session ID: "
TAKEN = "Session ID {} is already in use."


def say(kind: str, **fields: object) -> None:
    print(json.dumps({"type": kind, **fields}), flush=True)


def fail(why: str) -> None:
    print(why, file=sys.stderr, flush=True)
    sys.exit(1)


def opened(folder: str, words: list[str]) -> tuple[str, int]:
    """Return a conversation's name and its file."""
    if words[:1] == ["--resume"]:
        try:
            return words[1], os.open(f"{folder}/{words[1]}", os.O_RDWR)
        except OSError:
            fail(UNKNOWN + words[1])
    name = words[1] if words[:1] == ["--session-id"] else f"own-{uuid.uuid4()}"
    try:
        return name, os.open(f"{folder}/{name}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        fail(TAKEN.format(name))
    raise AssertionError


def note(folder: str, name: str, what: str) -> None:
    fd = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (what + "\n").encode())


def work(told: list[str], name: str) -> None:
    """Do what the prompt tells, before the answer."""
    for what, _, given in (word.partition(":") for word in told):
        while what == "wait" and not os.path.exists(given):
            time.sleep(0.005)
        if what == "pause":
            time.sleep(float(given))
    if "die" in told:
        os.kill(os.getpid(), signal.SIGKILL)
    if "unknown" in told:
        fail(UNKNOWN + name)
    if "fail" in told or f"fail{os.environ['PRAISONRUN_ATTEMPT']}" in told:
        fail("no luck")


def main() -> None:
    folder, run, words = os.environ["TALKS"], os.environ["PRAISONRUN_RUN_ID"], sys.argv[1:]
    prompt = sys.stdin.read()
    note(folder, "starts", f"{run} {os.environ['PRAISONRUN_ATTEMPT']} {' '.join(words)}")
    name, file = opened(folder, words)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        note(folder, "overlaps", f"{run} {name}")
    before = os.read(file, 1 << 20).decode().splitlines()
    if "mute" not in prompt.split():
        say("session", id=name)
    if "message" in prompt.split():
        say("message", text="working")
    work(prompt.split(), name)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, "".join(f"{line}\n" for line in [*before, prompt]).encode())
    say("result", result=[*before, prompt])


main()
