"""A spawner, a run directory and a bell: what the tests of the shim stand on. Nothing here sleeps."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal
from praisonrun.journal.format import Frame, Kind
from praisonrun.process import spawner

from .places import PROGRAMS

PATIENCE = 20.0


def agent(name: str, *args: str) -> list[str]:
    """Return the command of one of tests/programs."""
    return [sys.executable, "-I", "-S", str(PROGRAMS / f"{name}.py"), *args]


@dataclass
class Live:
    """A run and the server's end of its lifeline."""

    rig: Rig
    id: str
    life: socket.socket
    unread: bytes = b""
    said: list[dict[str, Any]] = field(default_factory=list)

    def message(self) -> dict[str, Any] | None:
        """Wait for the shim's next line; None at the lifeline's end."""
        while b"\n" not in self.unread:
            try:
                got = self.life.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self.unread += got
        line, _, self.unread = self.unread.partition(b"\n")
        self.said.append(json.loads(line))
        return self.said[-1]

    def died(self) -> None:
        """Wait for a shim that was killed: its descriptors go one by one, the lock at last."""
        assert self.message() is None
        fd = self.rig.runs.open_read(self.id)
        fcntl.flock(fd, fcntl.LOCK_SH)
        os.close(fd)

    def started(self) -> dict[str, Any]:
        """Wait until the agent runs."""
        said = self.message()
        assert said is not None
        started: dict[str, Any] = said["started"]
        return started

    def ended(self) -> dict[str, Any]:
        """Wait until the shim let go; return how the attempt ended."""
        while self.message() is not None:
            pass
        assert self.rig.runs.held(self.id) is False
        ended: dict[str, Any] = self.said[-1]["ended"]
        return ended

    def frames(self) -> list[Frame]:
        """Return the journal as it is."""
        data = self.rig.runs.journal(self.id).read_bytes()
        return list(journal.decode(data[journal.START :], journal.START))

    def data(self, kind: Kind = Kind.STDOUT) -> bytes:
        """Return all that was said on one stream."""
        return b"".join(frame.data for frame in self.frames() if frame.kind == kind)

    def until(self, reached: Callable[[], object]) -> None:
        """Wait, by the bell, until the journal is as it should be."""
        self.rig.runs.watch(self.id, True)
        while not reached():
            self.rig.bell.recv(256)

    def until_ready(self) -> None:
        """Wait for an agent that says so."""
        self.until(lambda: b"ready\n" in self.data())


class Rig:
    """A server's part."""

    def __init__(self, root: Path, control: socket.socket | None = None) -> None:
        self.root = root
        self.runs = RunFiles(root)
        self.control = control or spawner.start_exec()
        self.bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bell.bind(self.runs.bell.path)
        self.bell.settimeout(PATIENCE)
        self.lives: list[socket.socket] = []
        self.count = 0
        self.token = os.urandom(4).hex()  # no process of another session bears our marks

    def spec(self, argv: list[str], **more: Any) -> dict[str, Any]:
        """Return what the shim is told, with the values of a plain entry."""
        self.count += 1
        run_id = more.get("run_id", f"run-{self.token}-{self.count}")
        return {
            "run_id": run_id,
            "attempt": 1,
            "argv": argv,
            "env": {"PATH": os.defpath, "PRAISONRUN_RUN_ID": run_id, "PRAISONRUN_MARK": run_id},
            "mark": run_id,
            "cwd": str(self.root),
            "stdin": "none",
            "prompt": "",
            "input": None,
            "folder": None,
            "scratch": [],
            "keep_scratch": False,
            "timeout": None,
            "idle_timeout": None,
            "grace": 0.2,
            "umask": 0o022,
            "limits": [],
            "cap": 1 << 26,
            "event_cap": 1 << 23,
            "partial": True,
            "bell": self.runs.bell.path,
            "result_cap": 1 << 20,
        } | more

    def hand_over(self, run_id: str, *, again: bool = False) -> Live:
        """Give a run to a shim, which waits for its spec."""
        fd = self.runs.reopen(run_id) if again else self.runs.create(run_id)
        ours, theirs = socket.socketpair()
        spawner.request(self.control, fd, theirs.fileno())
        os.close(fd)
        theirs.close()
        ours.settimeout(PATIENCE)
        self.lives.append(ours)
        return Live(self, run_id, ours)

    def start(self, argv: list[str], *, again: bool = False, **more: Any) -> Live:
        """Start a run."""
        spec = self.spec(argv, **more)
        live = self.hand_over(spec["run_id"], again=again)
        with suppress(BrokenPipeError):  # who was to read it is dead: no start
            live.life.sendall(framed(spec))
        return live

    def with_files(self, argv: list[str], **more: Any) -> Live:
        """Start a run that has a folder."""
        spec = self.spec(argv, **more)
        folder = self.runs.folder(spec["run_id"])
        names = {"INPUT_PATH": "input.json", "EVENTS": "events", "RESULT_PATH": "result.json"}
        names |= {"ARTIFACTS": "artifacts", "SCRATCH": "scratch"}
        env = spec["env"] | {f"PRAISONRUN_{name}": str(folder / path) for name, path in names.items()}
        given = {"input": "{}", "run_id": spec["run_id"], "folder": str(folder)} | more
        return self.start(argv, env=env, **given)

    def close(self) -> None:
        """Be a server that goes, once its runs are cancelled."""
        for life in self.lives:
            try:
                life.sendall(b"C")
                while life.recv(65536):
                    pass
            except OSError:
                pass
            life.close()
        self.control.close()
        self.bell.close()


def framed(spec: dict[str, Any]) -> bytes:
    """Return a spec as it goes over the lifeline."""
    text = json.dumps(spec).encode()
    return struct.pack("<I", len(text)) + text
