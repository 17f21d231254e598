"""Standard error that takes nothing, takes it late or in part: nobody waits, what is lost is counted."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from praisonrun.config import stderr as writer
from praisonrun.config.log import AsJson, Once, OneLine
from praisonrun.config.stderr import Stderr

LOST = re.compile(rb"praisonrun: (\d+) lines? of this log could not be written\n")


class Pipe(NamedTuple):
    read: int
    write: int

    def until(self, last: bytes) -> bytes:
        """Return what comes until it ends with some bytes."""
        said = b""
        while not said.endswith(last):
            said += os.read(self.read, 1 << 20)
        return said


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe(*os.pipe())
    yield made
    for fd in made:
        os.close(fd)


def full(pipe: Pipe) -> int:
    """Fill a pipe; return how many bytes it took."""
    os.set_blocking(pipe.write, False)
    taken = 0
    try:
        while True:
            taken += os.write(pipe.write, b"-" * 4096)
    except BlockingIOError:
        os.set_blocking(pipe.write, True)
        return taken


def ended(stderr: Stderr) -> None:
    stderr.drain()
    assert not stderr._thread.is_alive()


def test_lines_come_whole_and_in_order(pipe: Pipe) -> None:
    stderr = Stderr(pipe.write)
    print("one", "two", file=stderr, flush=True)
    stderr.write("thr")
    stderr.write("ee\nfo\udcff")
    ended(stderr)
    assert pipe.until(b"\n") == b"one two\nthree\nfo\\udcff\n"


@pytest.mark.parametrize("blocking", [True, False])
def test_what_nobody_reads_is_dropped_and_counted(pipe: Pipe, blocking: bool) -> None:
    taken = full(pipe)
    os.set_blocking(pipe.write, blocking)
    stderr, line, count = Stderr(pipe.write), "x" * 999, 5000
    started = time.monotonic()
    for _ in range(count):
        print(line, file=stderr, flush=True)
    assert time.monotonic() - started < 1
    said = pipe.until(b"written\n")[taken:]
    (lost,) = LOST.findall(said)
    assert LOST.sub(b"", said) == f"{line}\n".encode() * (count - int(lost))
    assert 200 < count - int(lost) < 400
    print("again", file=stderr)
    ended(stderr)
    assert pipe.until(b"again\n") == b"again\n"


def test_a_gap_is_told_where_it_is(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BACKLOG", 10)
    taken = full(pipe)
    stderr = Stderr(pipe.write)
    for number in range(9):
        print("a line", number, file=stderr)
    stderr._done += 1000  # as if the thread had caught up
    print("after", file=stderr)
    said = pipe.until(b"after\n")[taken:]
    assert re.fullmatch(rb"(a line \d\n){1,3}praisonrun: [678] lines .* written\nafter\n", said)
    ended(stderr)


def test_a_full_disk_costs_the_lines_that_met_it(tmp_path: Path) -> None:
    (tmp_path / "log").touch()
    fd = os.open("/dev/full", os.O_WRONLY)
    stderr = Stderr(fd)
    for number in range(3):
        print("lost", number, file=stderr)
    waited = threading.Event()
    while stderr._done < stderr._taken:
        waited.wait(0.001)
    with (tmp_path / "log").open("wb") as log_file:
        os.dup2(log_file.fileno(), fd)  # there is room again
    print("kept", file=stderr)
    ended(stderr)
    os.close(fd)
    assert (tmp_path / "log").read_bytes().splitlines() == [
        b"praisonrun: 3 lines of this log could not be written",
        b"kept",
    ]


def program(code: str, stderr: int, how: str = "") -> int:
    """Run a program that has taken its standard error over; return its exit code."""
    start = "import logging, resource, sys, time, warnings\nfrom praisonrun.config import log\n"
    start += f"log.start({how})\n"
    command = [sys.executable, "-W", "default", "-c", start + code]
    return subprocess.run(command, stderr=stderr, timeout=20).returncode


def test_a_line_that_was_cut_is_ended_before_the_next(tmp_path: Path) -> None:
    code = """
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (4, most))
print("cut off", file=sys.stderr)
while sys.stderr._done < sys.stderr._taken:
    time.sleep(0.001)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print("next", file=sys.stderr)
"""
    with (tmp_path / "log").open("wb") as file:
        assert program(code, file.fileno()) == 0
    assert (tmp_path / "log").read_text().splitlines() == [
        "cut ",
        "praisonrun: 1 line of this log could not be written",
        "next",
    ]


NOISY = """
class Odd:
    def __del__(self):
        raise ValueError("in the end")

warnings.warn("a warning")
logging.getLogger("uvicorn.error").warning("a record")
Odd()
raise LookupError("the last word")
"""


def test_what_the_interpreter_says_goes_the_same_way(pipe: Pipe) -> None:
    assert program(NOISY, pipe.write) == 1
    said = pipe.until(b"the last word\n").decode()
    assert all(each in said for each in ("UserWarning: a warning", "WARNING uvicorn.error: a record\n"))
    assert "ValueError: in the end" in said
    full(pipe)
    assert program(NOISY, pipe.write) == 1  # and nobody waits


def test_an_end_does_not_wait_for_a_reader(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.05)
    full(pipe)
    stderr = Stderr(pipe.write)
    print("never", file=stderr)
    started = time.monotonic()
    stderr.drain()
    assert time.monotonic() - started < 1
    os.read(pipe.read, 1 << 20)
    stderr._thread.join()


def record(
    text: str, *args: object, level: int = logging.INFO, name: str = "praisonrun"
) -> logging.LogRecord:
    return logging.getLogger(name).makeRecord(name, level, "f", 1, text, args, None)


def test_a_record_is_one_line() -> None:
    assert OneLine().format(record("a\nb %s", "\x1b[1m\u2028")).count("\n") == 0


def test_what_is_repeated_is_said_once_but_for_what_has_fields() -> None:
    once = Once()
    assert [once.filter(record("x %s", 1)) for _ in range(3)] == [True, False, False]
    assert all(once.filter(record("run %(run)s", {"run": "a"})) for _ in range(3))


def test_a_line_of_json_has_the_record_s_fields() -> None:
    line = AsJson().format(
        record("run %(run)s\nof %(agent)s", {"run": "a", "agent": "\ud800", "error": None})
    )
    shown = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z", shown.pop("ts"))
    assert shown == {
        "level": "info", "logger": "praisonrun", "message": "run a\nof \ud800", "run": "a", "agent": "\ud800",
    }  # fmt: skip


def test_all_that_a_process_says_is_json(pipe: Pipe) -> None:
    assert program("log.say('  up')\n" + NOISY, pipe.write, "as_json=True") == 1
    said = [json.loads(line) for line in pipe.until(b'the last word"}\n').decode().splitlines()]
    assert [(each["level"], each["message"]) for each in said if "logger" in each] == [
        ("info", "up"), ("warning", "a record"),
    ]  # fmt: skip
    foreign = [each["message"] for each in said if "logger" not in each]
    assert foreign[-1] == "LookupError: the last word"
    assert any("UserWarning: a warning" in line for line in foreign)


def test_a_gap_in_json_is_json(tmp_path: Path) -> None:
    code = """
limit, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
log.say("lost")
while sys.stderr._done < sys.stderr._taken:
    time.sleep(0.001)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
log.say("next")
"""
    with (tmp_path / "log").open("wb") as file:
        assert program(code, file.fileno(), "as_json=True") == 0
    said = [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()]
    assert said == ["praisonrun: 1 line of this log could not be written", "next"]
