"""One attempt from its first frame to its last. Standard library only.

Their order is a promise: no agent without a started frame; no ended frame while any process of the
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
from praisonrun.process.shim.output import Output
from praisonrun.process.shim.stream import LINE, Events, Lines, Pipe, Text
from praisonrun.process.shim.wait import RunningAgent, Wake
from praisonrun.process.sweep import kill_descendants, ticks

_WORTH_A_SYNC = 1.0
"""An attempt that took more seconds than this has its end written through to the disk."""


class Attempt:
    """One process of a run, and all that the shim knows about it."""

    def __init__(self, spec: dict[str, Any], journal: Journal, life: socket.socket, wake: Wake) -> None:
        self.clean = False
        """Whether the agent and all its descendants ended by themselves."""
        self._spec, self._journal, self._life, self._wake = spec, journal, life, wake
        self._output = Output(journal, spec["cap"], spec["event_cap"], by_line=not spec["partial"])
        self._folder = child.Folder(spec["folder"]) if spec["folder"] else None
        self._fifo: Events | None = None
        self._pipes: list[Pipe] = []
        self._begin = journal.end
        self._alive = False
        """Whether a process was started whose end is not known."""
        self._agent: RunningAgent | None = None
        self._result = False
        self._installed = False

    def run(self) -> dict[str, Any]:
        """Run the agent, after its install command where it has one, and return the ended frame's payload."""
        try:
            return self._run()
        except child.SpawnFailed as refusal:
            refusal.passes = refusal.passes or self._displaced()
            return self._end_before_the_agent(refusal)
        except Exception as fault:
            if self._alive:
                return self._crash(fault)
            return self._end_before_the_agent(child.SpawnFailed("cannot prepare the agent's start", fault))

    def _run(self) -> dict[str, Any]:
        if self._folder:
            try:
                self._fifo = Events(self._folder.make(self._spec), Kind.EVENT, self._output)
            except OSError as error:
                raise child.SpawnFailed("cannot make the run's folder", error) from None
        self._write_started({})
        if self._spec.get("note"):
            self._output.say(self._spec["note"])
        if self._spec.get("install") and (refused := self._install()):
            self._settle(well=False)
            return self._end(*refused)
        running = self._start(self._spec, {"anew": True} if self._spec.get("anew") else {})
        self.clean = running.run(self._fifo) and not self._installed
        self._settle(running.status == 0 and running.reason == "exited")
        return self._end(running.reason, running.error)

    def _displaced(self) -> bool:
        """Whether the directory of all runs is not in its place. Moved away under us, it may come back."""
        return bool(self._folder) and not os.path.isdir(os.path.dirname(self._spec["folder"]))

    def _end_before_the_agent(self, refusal: child.SpawnFailed) -> dict[str, Any]:
        if self._folder and self._fifo:
            with contextlib.suppress(OSError):
                self._fifo.close()
                self._folder.remove(keep_scratch=self._spec["keep_scratch"] and refusal.passes)
        return self._end("not_started" if refusal.passes else "spawn_failed", str(refusal))

    def _crash(self, fault: Exception) -> dict[str, Any]:
        """End all that was started: a fault of ours is never told as the agent's own end."""
        self.clean = False
        if self._agent is None:
            kill_descendants(os.getpid(), lambda: None)
        else:
            status = self._agent.status
            self._agent.sweep()
            self._agent.status = status  # not the signal of this sweep
        with contextlib.suppress(Exception):
            self._settle(well=False)
        return self._end("lost", f"lost: praisonrun failed: {fault!r}")

    def _install(self) -> tuple[str, str | None] | None:
        """Run the install command. Returns why the agent must not start, None when it may."""
        own = {"argv": self._spec["install"], "stdin": "none", "timeout": self._spec["install_timeout"]}
        spec = {**self._spec, **own, "idle_timeout": None}
        running = self._start(spec, {"phase": "installing"})
        running.run(None)
        if running.cancel_asked:
            return "cancelled", None
        if running.reason != "exited":
            return "install_failed", f"install command {running.error}"
        if running.status:
            how = "exited with" if running.status > 0 else "was killed by signal"
            return "install_failed", f"install command {how} {abs(running.status)}"
        self._tell_swept()
        self._agent, self._alive, self._installed = None, False, True
        return None

    def _start(self, spec: dict[str, Any], more: dict[str, Any]) -> RunningAgent:
        pid, out, err = child.start(spec)
        self._alive = True
        make = Text if spec["partial"] else Lines
        waiting = tuple(text.encode() for text in spec.get("waiting", ()))
        kinds = ((out, Kind.STDOUT), (err, Kind.STDERR))
        self._pipes = [make(fd, kind, self._output, waiting) for fd, kind in kinds]
        self._agent = RunningAgent(pid, spec, self._pipes, self._life, self._wake)
        self._write_started({"pid": pid, "ticks": ticks(pid), **more})
        spec["prompt"] = ""
        return self._agent

    def _write_started(self, more: dict[str, Any]) -> None:
        """Write a started frame: one before the agent is started, and one with its `pid` at once after."""
        now = time.time_ns() // 1000
        payload = {"attempt": self._spec["attempt"], "shim": os.getpid(), **more, "time": now}
        written = self._journal.append(Kind.STARTED, json.dumps(payload).encode())
        if not more and not written:
            raise child.SpawnFailed("the journal cannot be written", self._journal.refused)
        if more:
            send(self._life, {"started": payload})

    def _settle(self, well: bool) -> None:
        """Write the rest of the output and the result, then remove the attempt's own files."""
        self._output.finish()
        if self._folder is None:
            return
        try:
            result = self._folder.read_result(min(self._spec["result_cap"], MAX_PAYLOAD))
        except ValueError as error:
            self._output.say(str(error))
        else:
            if result is not None:
                self._journal.append_surely(Kind.RESULT, result)
                self._result = True
        self._folder.remove(keep_scratch=self._spec["keep_scratch"] and not well)

    def _tell_swept(self) -> None:
        """Say in the log how many processes the agent left, which were ended: nothing else tells."""
        if self._agent and (left := self._agent.swept):
            some = "1 process that it left was" if left == 1 else f"{left} processes that it left were"
            self._output.say(f"{some} ended")

    def _end(self, reason: str, error: str | None) -> dict[str, Any]:
        """Write the ended frame, however long that takes, and return its payload."""
        self._tell_swept()
        agent, output = self._agent, self._output
        status = agent.status if agent else None
        ended = {
            "attempt": self._spec["attempt"],
            "reason": reason,
            "code": status if status is not None and status >= 0 else None,
            "signal": -status if status is not None and status < 0 else None,
            "error": error or self._too_long(),
            "pid": agent.pid if agent else None,
            "wall": round(agent.wall, 6) if agent else 0.0,
            "cpu": round(agent.cpu, 6) if agent else 0.0,
            "max_rss": agent.rss if agent else 0,
            "stdout": self._pipes[0].total if agent else 0,
            "stderr": self._pipes[1].total if agent else 0,
            "events": output.events,
            "dropped": sum(output.dropped.values()),
            "swept": agent.swept if agent else 0,
            "result": self._result,
            "installed": self._installed,
            "ended_at": time.time_ns() // 1000,
        }
        if reason != "not_started" or self._installed or not self._say_or_unsay(ended):
            self._journal.append_surely(Kind.ENDED, json.dumps(ended).encode())
        if agent and agent.wall > _WORTH_A_SYNC:
            self._journal.sync()
        return {**ended, "end": self._journal.end}

    def _too_long(self) -> str | None:
        """Return what became of a result event that was too long."""
        size = max((pipe.too_long for pipe in self._pipes if isinstance(pipe, Lines)), default=0)
        if not size:
            return None
        how = "write it to PRAISONRUN_RESULT_PATH"
        how = how if self._folder else f"set `files: true` and {how}"
        return f"the result event is {size} bytes, at most {LINE}; {how}"

    def _say_or_unsay(self, ended: dict[str, Any]) -> bool:
        """Write the end of what was never started, or cut it off: a full disk must not make it wait."""
        return self._journal.append(Kind.ENDED, json.dumps(ended).encode()) or self._journal.cut(self._begin)


def send(life: socket.socket, message: dict[str, Any]) -> None:
    """Send a line to the server, if it listens."""
    with contextlib.suppress(OSError):  # the journal has the same
        life.send(json.dumps(message).encode() + b"\n", socket.MSG_DONTWAIT)
