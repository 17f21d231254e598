"""Shims without processes: real journals, real locks, real lifelines; what the agent does is told.

They outlive the server of the test as real ones do, and do one thing at each turn of its loop.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from praisonrun.journal.format import Kind
from praisonrun.journal.writer import Journal

from .fired import fired

Json = Any
Slow = Literal["no", "spec", "agent"]
Refusals = Literal["no", "not_started", "spawn_failed"]
NO_PID = 1 << 30
"""Above every pid that a system gives out."""
NEVER = 1 << 60
SECRET = "MODEL_SECRET"


class Shim:
    """One attempt."""

    def __init__(self, number: int, journal: int, lifeline: int, log: Callable[[], int]) -> None:
        self.pid = NO_PID + number
        self.made_at, self.begun_at, self.over_at = log(), NEVER, NEVER
        """How long the log of changes was then."""
        self._log = log
        self.spec: dict[str, Json] = {}
        self.begun = self.running = self.over = False
        self.ended: dict[str, Json] | None = None
        """The payload of its ended frame."""
        self.lost = False
        """Whether a power cut took that frame."""
        self.installed = False
        self.refused = False
        """Whether its agent could not be started, but may be later."""
        self.said: bool | None = None
        """Whether its result event, if it gave one, says that all is well."""
        self.printed = b""
        self._journal, self._life = journal, socket.socket(fileno=lifeline)
        self._life.setblocking(False)
        self._heard, self._deaf = b"", False
        self._asked = False
        self._writes: Journal | None = None
        self.gone, self._alive = os.pipe()
        """Readable at its end, as a pidfd is."""

    @property
    def attempt(self) -> tuple[str, int]:
        """Whose attempt it is, once it was told."""
        return self.spec["run_id"], self.spec["attempt"]

    @property
    def scratch(self) -> Path:
        """Its agent's scratch directory."""
        return Path(self.spec["folder"], "scratch")

    @property
    def installing(self) -> bool:
        return self.begun and not self.running and not self.over and bool(self.spec["install"])

    def hear(self) -> None:
        """Take what the server said."""
        while not self._deaf:
            try:
                heard = self._life.recv(65536)
            except BlockingIOError:
                break
            except OSError:
                heard = b""
            self._deaf = not heard
            self._heard += heard
        size = int.from_bytes(self._heard[:4], "little")
        if not self.spec and len(self._heard) >= 4 + size > 4:
            self.spec = json.loads(self._heard[4 : 4 + size])
            self._heard = self._heard[4 + size :]
        if self.spec and b"C" in self._heard:
            self._asked = True

    def server_is_gone(self) -> None:
        """Hear the last of the server."""
        self.hear()
        self._deaf = True
        self._life.close()

    def step(self, *, deaf: bool) -> bool:
        """Do the next thing that needs nobody. Returns whether there was one."""
        if self.over:
            return False
        self.hear()
        if not self.spec:
            if self._deaf:
                fired("a shim lost its server before its spec")
                self.die()
            return self._deaf
        cancelled = self._asked and (self.running or bool(self.spec["install"]))
        if cancelled and deaf:
            fired("a shim did not hear a cancel")
        if not self.begun:
            self._begin()
        elif cancelled and not deaf:
            fired("a shim ended a cancelled agent" if self.running else "a shim ended a cancelled install")
            self.end("cancelled", signal=15)
        elif not self.running and (self.installed or not self.spec["install"]):
            self.running = True
            self._say({"pid": self.pid})
        else:
            return False
        return True

    def _begin(self) -> None:
        self.begun, self.begun_at = True, self._log()
        self._writes = Journal(self._journal)
        self._writes.ring_at(self.spec["bell"], self.spec["run_id"])
        self._say({})
        if self.spec["folder"]:
            self.scratch.mkdir(parents=True, exist_ok=True)
        if self.spec["install"]:
            fired("an install began")
            self._say({"pid": self.pid, "phase": "installing"})

    def _say(self, more: dict[str, Json]) -> None:
        said = {"attempt": self.spec["attempt"], "shim": self.pid, **more, "time": 0}
        self._append(Kind.STARTED, json.dumps(said).encode())
        if more:
            self._tell({"started": said})

    def _append(self, kind: Kind, data: bytes) -> None:
        assert self._writes is not None
        assert self._writes.append(kind, data)

    def _tell(self, said: dict[str, Json]) -> None:
        with suppress(OSError):
            self._life.send(json.dumps(said).encode() + b"\n")

    def print(self, data: bytes) -> None:
        """Have the agent print something."""
        self.printed += data
        self._append(Kind.STDOUT, data)

    def refuse(self, reason: str) -> None:
        """Have the system refuse to start the agent."""
        fired("a start was refused for now" if reason == "not_started" else "a start was refused for good")
        self.begun, self.begun_at, self.refused = True, self._log(), reason == "not_started"
        self._writes = Journal(self._journal)
        self._say({})
        self.end(reason)

    def result(self, *, well: bool) -> None:
        """Have an agent that prints JSON say how it went."""
        self.said = well
        fired("a result was good" if well else "a result was bad")
        self.print(json.dumps({"type": "result", "result": 1, "is_error": not well}).encode() + b"\n")

    def end(self, reason: str, code: int | None = None, signal: int | None = None) -> None:
        """Write how the agent ended, tell it, and let go."""
        ended = {
            "attempt": self.spec["attempt"],
            "reason": reason,
            "code": code,
            "signal": signal,
            "error": "no room" if self.refused else None,
            "pid": self.pid if self.running else None,
            "installed": bool(self.spec["install"]) and self.running,
            "stdout": len(self.printed),
        }
        self._append(Kind.ENDED, json.dumps(ended).encode())
        self.ended = ended
        if self.spec["folder"] and self.scratch.exists():
            self._clear(keep=self.spec["keep_scratch"] and not (reason == "exited" and code == 0))
        assert self._writes is not None
        self._tell({"ended": {**ended, "end": self._writes.end}})
        self.die()

    def _clear(self, *, keep: bool) -> None:
        fired("scratch was kept" if keep else "scratch was removed")
        if not keep:
            shutil.rmtree(self.scratch)

    def die(self, torn: bytes = b"") -> None:
        """Let go of everything, as a killed process does; `torn` is a frame that it was at."""
        if self.over:
            return
        self.over, self.over_at = True, self._log()
        if torn and self.begun:
            fired("a shim left a torn frame")
            os.write(self._journal, torn)
        if self._writes is not None and self._writes._socket is not None:
            self._writes._socket.close()
        os.close(self._journal)
        self._life.close()
        os.close(self._alive)

    def ask(self) -> None:
        """SIGTERM."""
        self._asked = True

    def close(self) -> None:
        """Leave no descriptor behind."""
        self.die()
        os.close(self.gone)


class Shims:
    """All of them, and what stands for the spawner and for the system's calls about processes."""

    def __init__(self) -> None:
        self.all: list[Shim] = []
        self.begins: Counter[tuple[str, int]] = Counter()
        self.slow: Slow = "no"
        """Whether they wait before they begin, or before they start an agent."""
        self.deaf = False
        """Whether they have not heard yet that an agent is to be cancelled."""
        self.doomed = 0
        """How many of the next die before their agent starts."""
        self.refusals: Refusals = "no"
        """Whether the system refuses to start agents, for now or for good."""
        self.pidfds: dict[int, Shim] | None = {}
        """None where the system has no pidfds."""
        self.log: Callable[[], int] = lambda: 0
        self._numbers = itertools.count(1)

    def request(self, journal: int, lifeline: int) -> None:
        """Stand for the spawner."""
        self.all.append(Shim(next(self._numbers), os.dup(journal), os.dup(lifeline), self.log))

    def step(self) -> None:
        """Have each do the next thing that it can do by itself."""
        for shim in self.all:
            if shim.over:
                continue
            shim.hear()
            if self._waits(shim):
                continue
            was = shim.begun
            if shim.spec and not was and self.doomed:
                self.doomed -= 1
                fired("a shim died before its agent started")
                shim.die()
            elif shim.spec and not was and self.refusals != "no":
                shim.refuse(self.refusals)
            elif shim.step(deaf=self.deaf) and shim.begun and not was:
                self.begins[shim.attempt] += 1

    def _waits(self, shim: Shim) -> bool:
        if self.slow == "no" or shim.running or not shim.spec:
            return False
        if not shim.begun:
            return self.slow == "spec" and self._fired("a shim waited with its spec")
        return self._fired("a shim waited with its agent")

    def _fired(self, branch: str) -> bool:
        fired(branch)
        return True

    def alive(self) -> list[Shim]:
        """Those whose agent runs."""
        return [shim for shim in self.all if shim.running and not shim.over]

    def over(self) -> int:
        """How many have ended."""
        return sum(shim.over for shim in self.all)

    def of(self, run_id: str, attempt: int) -> list[Shim]:
        """Those that were told to make an attempt, in order."""
        return [shim for shim in self.all if shim.spec and shim.attempt == (run_id, attempt)]

    def printed(self, run_id: str) -> bytes:
        """What all attempts of a run printed."""
        return b"".join(shim.printed for shim in self.all if shim.spec and shim.spec["run_id"] == run_id)

    def server_comes(self) -> None:
        """Close what the server before it left open, as its death did."""
        while self.pidfds:
            os.close(self.pidfds.popitem()[0])

    def server_is_gone(self) -> None:
        for shim in self.all:
            if not shim.over:
                shim.server_is_gone()

    def close(self) -> None:
        for fd in self.pidfds or ():
            os.close(fd)
        for shim in self.all:
            shim.close()

    def _by_pid(self, pid: int) -> Shim:
        found = [shim for shim in self.all if shim.pid == pid and not shim.over]
        if not found:
            fired("a process to signal was gone")
            raise ProcessLookupError(pid)
        return found[0]


class System:
    """Stands for `os` and `signal` where the server asks about processes: only ours are ever meant."""

    def __init__(self, shims: Shims, module: Any) -> None:
        self._shims, self._module = shims, module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def kill(self, pid: int, _: int) -> None:
        self._shims._by_pid(pid).ask()
        fired("a signal went by pid")

    def pidfd_open(self, pid: int) -> int:
        if self._shims.pidfds is None:
            fired("pidfds are missing")
            raise OSError("no pidfds here")
        shim = self._shims._by_pid(pid)
        fd = os.dup(shim.gone)
        self._shims.pidfds[fd] = shim
        return fd

    def pidfd_send_signal(self, fd: int, _: int) -> None:
        assert self._shims.pidfds is not None
        shim = self._shims.pidfds[fd]
        if shim.over:
            fired("a process to signal was gone")
            raise ProcessLookupError(shim.pid)
        fired("a signal went by pidfd")
        shim.ask()

    def close(self, fd: int) -> None:
        if self._shims.pidfds:
            self._shims.pidfds.pop(fd, None)
        os.close(fd)
