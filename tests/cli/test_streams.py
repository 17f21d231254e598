"""Every command with standard streams that are closed, full, left or oddly encoded."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..rigs.harness import Server
from ..rigs.places import ROOT

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
PROGRAM = ROOT / "tests" / "programs" / "streamed.py"
COMMANDS: dict[str, tuple[int, bool]] = {
    "--version": (0, True),
    "--help": (0, True),
    "check": (0, True),
    "info": (0, True),
    "stop": (2, True),
    "webhooks list": (2, False),
    "logs": (2, False),
    "wait": (125, False),
    "cancel --all": (2, False),
    "retry": (125, False),
    "show": (2, False),
    "check --bogus": (2, False),
    "serve --host 0.0.0.0 --port 1": (2, False),
    "run x --no-server": (125, False),
    "run --bogus": (125, False),
    "run - --no-server": (125, False),
}
"""Command lines, their exit code, and whether they write to standard output."""
STREAMS = ["out!", "in- err!", "in- out- err-"]


@pytest.mark.parametrize("streams", STREAMS)
def test_streams_that_take_nothing(streams: str, tmp_path: Path) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    asked = json.dumps([(line.split(), streams.split()) for line in COMMANDS])
    command = [sys.executable, str(PROGRAM), asked]
    ran = subprocess.run(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, check=True)
    for (line, (code, writes)), (got, out, err) in zip(COMMANDS.items(), json.loads(ran.stdout), strict=True):
        lost, closed = writes and "out!" in streams, "out-" in streams
        assert got == ((125 if line.startswith("run") else 1) if lost else code), (line, err)
        assert "Traceback" not in out + err
        assert bool(out) is (writes and not lost and not closed), line
        if "err" in streams:
            assert err == "", line
        elif lost:
            assert err == "praisonrun: cannot write to standard output: no space left on device\n", line
        else:
            assert "--bogus" in line or err.count("\n") == (0 if writes else 1), line


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    (home / "agents.yaml").write_text("agents: {sh: {command: [sh], retries: 1, backoff: 0.01}}")
    with Server(home, home / "agents.yaml") as server:
        server.start()
        yield server


def run(server: Server, line: str, *words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run `praisonrun run` of the server inside a line of shell, which has it as "$@"."""
    command = [sys.executable, "-m", "praisonrun", "run", "--state", str(server.state), *words]
    return subprocess.run(["/bin/sh", "-c", line, "sh", *command], capture_output=True, timeout=30, **options)  # type: ignore[call-overload, no-any-return]


AGAIN = """[ $PRAISONRUN_ATTEMPT = 2 ] || { printf first; exit 1; }; """


@pytest.mark.parametrize(
    ("prompt", "size"),
    [("printf hi", 2), ("seq 300000", 1_988_895), (f"{AGAIN} seq 300000", 1_988_895)],
)
def test_a_pipe_gets_all_that_an_agent_printed(server: Server, prompt: str, size: int) -> None:
    done = run(server, '"$@"', prompt)
    wanted = b"hi" if size == 2 else b"".join(b"%d\n" % number for number in range(1, 300_001))
    assert (done.returncode, len(done.stdout)) == (0, size)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(wanted).digest()


def test_a_pipe_gets_bytes_that_are_no_text(server: Server) -> None:
    assert run(server, '"$@"', "printf '\\377\\000\\303'").stdout == b"\xff\0\xc3"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('"$@" > /dev/full', 125),
        ('"$@" 2> /dev/full', 7),
        ('"$@" <&- >&- 2>&-', 7),
        ('{ "$@"; echo $? >&3; } 3>&2 2> /dev/null | true', 7),
    ],
)
def test_a_run_whose_streams_take_nothing(server: Server, line: str, code: int) -> None:
    done = run(server, line, "seq 300; exit 7")
    assert b"Traceback" not in done.stderr
    told = int(done.stderr) if "$?" in line else done.returncode
    assert told == code, done.stderr


def test_a_text_that_the_locale_cannot_write(server: Server) -> None:
    environ = {**server.environ, "PYTHONIOENCODING": "ascii", "LANG": "tlh", "COLUMNS": "0", "TERM": ""}
    done = run(server, '"$@"', "echo 'ä €'; echo ü >&2", env=environ)
    assert (done.returncode, done.stdout) == (0, "ä €\n".encode())
    assert b"! \\xfc\n" in done.stderr


def test_output_that_does_not_block_is_waited_for(server: Server) -> None:
    """A pipe of an event loop (node) that reads slowly."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    command = [sys.executable, "-m", "praisonrun", "run", "--state", str(server.state), "seq 300000"]
    with subprocess.Popen(command, stdout=write, stderr=subprocess.DEVNULL) as process:
        os.close(write)
        with open(read, "rb") as pipe:
            assert len(pipe.read()) == 1_988_895
        assert process.wait(10) == 0


def test_a_terminal_that_hung_up(server: Server) -> None:
    ours, theirs = pty.openpty()
    os.close(ours)
    command = [sys.executable, "-m", "praisonrun", "run", "--state", str(server.state), "echo x; exit 3"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(theirs)
    assert done.returncode == 125
    assert done.stderr.endswith(b"praisonrun: cannot write to standard output: input/output error\n")
