"""One attempt from its first frame to its last. Standard library only.

The order is the promise: no agent without a started frame; no ended frame while anything of the
agent lives; nothing after the ended frame.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from typing import Any

from praisonrun.journal.format import MAX_PAYLOAD, Kind
from praisonrun.journal.writer import Journal
from praisonrun.process.shim import agent as child
from praisonrun.process.shim.files import Folder
from praisonrun.process.shim.output import Output
from praisonrun.process.shim.stream import Events, Lines, Pipe, Text
from praisonrun.process.shim.wait import Wake, Watch

_WORTH_A_SYNC = 1.0
"""Seconds of an agent's work beyond which its end is written through to the disk."""


class Attempt:
    """One process of a run, and all that is known about it."""

    def __init__(self, spec: dict[str, Any], journal: Journal, life: socket.socket, wake: Wake) -> None:
        self.clean = False
        """Whether the agent ended by itself, as did all that it started."""
        self._spec, self._journal, self._life, self._wake = spec, journal, life, wake
        self._output = Output(journal, spec["cap"], spec["event_cap"], by_line=not spec["partial"])
        self._folder = Folder(spec["folder"]) if spec["folder"] else None
        self._fifo: Events | None = None
        self._pipes: list[Pipe] = []
        self._watch: Watch | None = None
        self._result = False
        self._installed = False

    def run(self) -> dict[str, Any]:
        """Run the agent, after its install command where it has one, and return the ended frame's payload."""
        try:
            self._prepare()
            if self._spec.get("install") and (refused := self._install()):
                self._settle(well=False)
                return self._end(*refused)
            watch = self._start(self._spec, {})
        except child.SpawnFailed as refused:
            self._forget()
            return self._end(reason="spawn_failed", error=str(refused))
        except OSError as error:
            self._forget()
            return self._end(
                reason="spawn_failed", error=f"cannot make the run's folder: {child.reason(error)}"
            )
        self.clean = watch.run(self._fifo) and not self._installed
        self._settle(watch.status == 0 and watch.reason == "exited")
        return self._end(reason=watch.reason, error=watch.error)

    def crash(self, error: Exception) -> dict[str, Any]:
        """End an attempt that met a fault of ours."""
        self.clean = False
        if self._watch is None:
            self._forget()
            return self._end(reason="spawn_failed", error=f"praisonrun failed: {error!r}")
        self._watch.sweep()
        return self._end(reason=self._watch.reason, error=f"praisonrun failed: {error!r}")

    def _forget(self) -> None:
        """Remove the folder of an agent that never was, if it is ours."""
        if self._folder and self._fifo:
            self._fifo.close()
            self._folder.remove(keep_scratch=False)

    def _prepare(self) -> None:
        if self._folder:
            self._fifo = Events(self._folder.make(self._spec.pop("input")), self._output)
        self._say_started({})

    def _install(self) -> tuple[str, str | None] | None:
        """Run the install command. Returns why the agent must not start, None when it may."""
        spec = {
            **self._spec,
            "argv": self._spec["install"],
            "stdin": "none",
            "timeout": self._spec["install_timeout"],
            "idle_timeout": None,
        }
        watch = self._start(spec, {"phase": "installing"})
        watch.run(None)
        if watch.asked:
            return "cancelled", None
        if watch.reason != "exited":
            return "install_failed", f"install command {watch.error}"
        if watch.status:
            how = "exited with" if watch.status > 0 else "was killed by signal"
            return "install_failed", f"install command {how} {abs(watch.status)}"
        self._watch, self._installed = None, True
        return None

    def _start(self, spec: dict[str, Any], more: dict[str, Any]) -> Watch:
        pid, out, err = child.start(spec)
        make = Text if spec["partial"] else Lines
        self._pipes = [make(out, Kind.STDOUT, self._output), make(err, Kind.STDERR, self._output)]
        self._watch = Watch(pid, spec, self._pipes, self._life, self._wake)
        self._say_started({"pid": pid, **more})
        spec["prompt"] = ""
        return self._watch

    def _say_started(self, more: dict[str, Any]) -> None:
        """Write that the agent is about to be, and then that it is, before anything else can happen."""
        said = {"attempt": self._spec["attempt"], "shim": os.getpid(), **more, "time": time.time_ns() // 1000}
        written = self._journal.append(Kind.STARTED, json.dumps(said).encode())
        if not more and not written:
            raise child.SpawnFailed("the journal cannot be written: is the disk full?")
        if more:
            tell(self._life, {"started": said})

    def _settle(self, well: bool) -> None:
        """Write what is left to say, then remove what was the attempt's own."""
        self._output.finish()
        if self._folder:
            self._take_result(self._folder)
            self._folder.remove(keep_scratch=self._spec["keep_scratch"] and not well)

    def _take_result(self, folder: Folder) -> None:
        try:
            result = folder.read_result(min(self._spec["result_cap"], MAX_PAYLOAD))
        except ValueError as error:
            self._journal.append(Kind.STDERR, f"praisonrun: {error}\n".encode())
            return
        if result is not None:
            self._journal.append_surely(Kind.RESULT, result)
            self._result = True

    def _end(self, reason: str, error: str | None) -> dict[str, Any]:
        """Write the ended frame, however long that takes, and return what it says."""
        watch, output = self._watch, self._output
        status = watch.status if watch else None
        ended = {
            "attempt": self._spec["attempt"],
            "reason": reason,
            "code": status if status is not None and status >= 0 else None,
            "signal": -status if status is not None and status < 0 else None,
            "error": error,
            "pid": watch.pid if watch else None,
            "wall": round(watch.wall, 6) if watch else 0.0,
            "cpu": round(watch.cpu, 6) if watch else 0.0,
            "max_rss": watch.rss if watch else 0,
            "stdout": self._pipes[0].total if watch else 0,
            "stderr": self._pipes[1].total if watch else 0,
            "events": output.events,
            "dropped": sum(output.dropped.values()),
            "swept": watch.swept if watch else 0,
            "result": self._result,
            "installed": self._installed,
            "ended_at": time.time_ns() // 1000,
        }
        self._journal.append_surely(Kind.ENDED, json.dumps(ended).encode())
        if watch and watch.wall > _WORTH_A_SYNC:
            self._journal.sync()
        return {**ended, "end": self._journal.end}


def tell(life: socket.socket, said: dict[str, Any]) -> None:
    """Send a line to the server, if there is one that listens."""
    with contextlib.suppress(OSError):  # the journal has it
        life.send(json.dumps(said).encode() + b"\n", socket.MSG_DONTWAIT)
