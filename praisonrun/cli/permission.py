"""`praisonrun permission`: an MCP server on standard input and output with one tool, which asks a person.

A coding agent that would have to ask somebody calls it, and gets the answer in the form that Claude Code
defines. Standard library only: each run of such an agent starts one, which waits while it lives, and an agent
that may not ask must not depend on an extra. What a line asks is answered; nothing that it says ends this.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from .. import __version__
from ..core.json import Json
from ..core.question import OPEN
from .ask import places
from .permit import Decision, decide

TOOL = "ask"
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""Versions of the protocol, which differ in nothing that is used here."""
UNREADABLE, INVALID, NO_METHOD, NO_SUCH = -32700, -32600, -32601, -32602
"""JSON-RPC: no JSON; no request; an unknown method; unknown or wrong parameters."""
_DESCRIPTION = {
    "name": TOOL,
    "description": "Asks a person whether a tool may be called, and returns the answer.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "tool_name": {"type": "string"},
            "input": {"type": "object"},
            "tool_use_id": {"type": "string"},
        },
        "required": ["tool_name", "input"],
    },
}
Decide: TypeAlias = Callable[[str, Mapping[str, Json]], Decision]
Write: TypeAlias = Callable[[bytes], None]


class Fault(Exception):
    """What is wrong with a request: a code of JSON-RPC, and a sentence."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


def serve(timeout: float) -> int:
    """Serve a client until it closes standard input; return 0. Raises ConfigError outside an agent."""
    places()  # a fault is told now, to whoever reads why this server does not start
    server = Server(partial(decide, timeout=timeout), _write)
    for line in sys.stdin.buffer:
        server.take(line)
    return 0


class Server:
    """The protocol: takes lines, and writes lines. Each question waits in a thread of its own."""

    def __init__(self, decides: Decide, write: Write) -> None:
        self._decide, self._write = decides, write
        self._lock = threading.Lock()
        self._asking: set[str | int] = set()
        """The requests that wait for an answer."""

    def take(self, line: bytes) -> None:
        """Take a line of the client's."""
        if not line.strip():
            return
        ask_id = None
        try:
            message = _read(line)
            ask_id = message.get("id")
            if "method" in message:
                self._handle(message["method"], ask_id, message.get("params") or {})
            elif not {"result", "error"} & message.keys():
                raise Fault(INVALID, "a request needs a method")
        except Fault as fault:
            self._send(ask_id, error={"code": fault.code, "message": str(fault)})

    def _handle(self, method: str, ask_id: Any, params: Any) -> None:
        if ask_id is None:  # a notification: none is answered
            if method == "notifications/cancelled" and isinstance(params, dict):
                self._forget(params.get("requestId"))
            return
        if not isinstance(params, dict):
            raise Fault(NO_SUCH, "params must be an object")
        match method:
            case "initialize":
                self._send(ask_id, result=_initialized(params.get("protocolVersion")))
            case "ping":
                self._send(ask_id, result={})
            case "tools/list":
                self._send(ask_id, result={"tools": [_DESCRIPTION]})
            case "tools/call":
                self._call(ask_id, params)
            case _:
                raise Fault(NO_METHOD, f"there is no method {method[:100]!r}")

    def _call(self, ask_id: str | int, params: Mapping[str, Any]) -> None:
        given: Any = params.get("arguments")
        if params.get("name") != TOOL or not isinstance(given, dict):
            raise Fault(NO_SUCH, f"there is one tool, {TOOL}; its arguments are an object")
        tool, wanted = given.get("tool_name"), given.get("input")
        if not isinstance(tool, str) or not isinstance(wanted, dict):
            raise Fault(NO_SUCH, "tool_name must be a text, and input an object")
        with self._lock:
            if ask_id in self._asking:
                raise Fault(INVALID, "a request with this id waits already")
            free = len(self._asking) < OPEN
            self._asking |= {ask_id} if free else set()
        if free:
            threading.Thread(target=self._ask, args=(ask_id, tool, wanted), daemon=True).start()
        else:
            self._send(ask_id, result=_told(Decision(False, "Too much is asked at once."), wanted))

    def _ask(self, ask_id: str | int, tool: str, wanted: Mapping[str, Json]) -> None:
        try:
            decision = self._decide(tool, wanted)
        except Exception as error:  # whatever it is: the agent must not wait for ever
            decision = Decision(False, f"Nobody could be asked: {error}")
        if self._forget(ask_id):
            self._send(ask_id, result=_told(decision, wanted))

    def _forget(self, ask_id: Any) -> bool:
        """Let nobody wait for a request any more; return whether somebody did."""
        with self._lock:
            waited = isinstance(ask_id, str | int) and ask_id in self._asking
            self._asking.discard(ask_id) if waited else None
        return waited

    def _send(self, ask_id: Any, **said: Json) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": ask_id, **said}).encode() + b"\n"
        with self._lock:
            self._write(line)


def _read(line: bytes) -> dict[str, Any]:
    """Return a message. Raises Fault for what is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise Fault(UNREADABLE, "a line must be JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("method", ""), str):
        raise Fault(INVALID, "a message must be an object with a method")
    if isinstance(message.get("id"), bool) or not isinstance(message.get("id", ""), str | int):
        raise Fault(INVALID, "an id must be a text or a number")
    return message


def _initialized(wanted: Json) -> dict[str, Json]:
    return {
        "protocolVersion": wanted if wanted in VERSIONS else VERSIONS[-1],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "praisonrun permission", "version": __version__},
    }


def _told(decision: Decision, wanted: Mapping[str, Json]) -> dict[str, Json]:
    """Return a decision as the result of a call."""
    told: dict[str, Json] = {"behavior": "allow", "updatedInput": dict(decision.changed or wanted)}
    if not decision.allowed:
        told = {"behavior": "deny", "message": decision.why}
    return {"content": [{"type": "text", "text": json.dumps(told)}], "isError": False}


def _write(line: bytes) -> None:
    """Write a line. A client that left does not read it; the end of standard input says so."""
    with suppress(OSError):
        while line:
            line = line[os.write(1, line) :]
