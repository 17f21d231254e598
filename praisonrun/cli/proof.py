"""The proof that a server is the one that a command means, before a prompt, an env or a token leaves.

Any program can take a port, also between two connections. So each new connection must prove itself first, and
carries nothing else before.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from .. import __version__
from ..config import discovery
from ..config.discovery import Listening
from ..core.errors import Forbidden, NoServer, Unavailable

SECONDS = 5.0
MAX_BYTES = 16 * 1024
_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
_PROBED = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), to)
        for name, to in _PROBES.items()
        if hasattr(socket, name)
    ),
]
"""Output that is followed may be silent for hours: the system finds out whether its sender is still there."""
_ANSWER = re.compile(rb"HTTP/1\.1 200 .*?\r\ncontent-length: *(\d{1,5})\r\n", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A server that a command talks to."""

    base: str
    token: str | None = field(default=None, repr=False)
    state: Path | None = None
    """The directory that its server must hold; None for one on another machine, which its user trusts."""
    listening: Listening | None = field(default=None, repr=False)
    """What server.json said of it."""


class NotYet(Unavailable):
    """A server has the directory, and does not say yet where it listens."""


def no_server(state: Path) -> Unavailable:
    """Return the error of a command that needs a server."""
    pid = discovery.holder(state)
    if pid is None:
        return NoServer(f"no server runs on {state}; start one: praisonrun serve --state {state}")
    return NotYet(f"the server of {state} (pid {pid}) has no server.json yet; try again, or restart it")


class Proving(httpx2.HTTPTransport):
    """A transport whose connections prove first that they lead to the server of a state directory."""

    def __init__(self, target: Target) -> None:
        # No proxy of the environment. Certificates cost 50 ms, and there are none on loopback.
        super().__init__(verify=target.base.startswith("https:"), socket_options=_PROBED)
        self._target = target
        self._told = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._target.state is not None:
            request.extensions = {**request.extensions, "trace": self._trace}
        return super().handle_request(request)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":  # before the first byte of a request
            connection: socket.socket = info["return_value"].get_extra_info("socket")
            try:
                self._prove(connection)
            except BaseException:
                connection.close()
                raise

    def _prove(self, connection: socket.socket) -> None:
        base, state, challenge = self._target.base, self._target.state, secrets.token_hex(16)
        assert state is not None
        said = _asked(connection, base, challenge)
        # After the answer: a server that was started meanwhile has written its file before it answers.
        found = discovery.find(state, discovery.holder(state))
        if found is None or found.url != base:
            raise httpx2.ConnectError(f"the server of {state} is no longer there")
        again = f"stop the server (praisonrun stop --state {state}) and start it again"
        if not found.secret:
            raise Forbidden(f"the server at {base} ({found.version}) is too old to prove itself; {again}")
        right = discovery.proof(found.secret, found.port, challenge).encode()
        if not hmac.compare_digest(right, str(said.get("proof")).encode(errors="replace")):
            stranger = f"what listens at {base} is not the server of {state} and was sent nothing"
            raise Forbidden(f"{stranger}; {again}, or choose another --port for it")
        if (theirs := said.get("api_version")) != discovery.API_VERSION:
            both = f"speaks API {str(theirs)[:20]}, and this praisonrun API {discovery.API_VERSION}"
            raise Forbidden(f"the server at {base} (version {found.version}) {both}; {again}")
        if found.version != __version__ and not self._told:
            self._told = True
            print(f"the server is praisonrun {found.version}, this is {__version__}", file=sys.stderr)


def _asked(connection: socket.socket, base: str, challenge: str) -> dict[str, Any]:
    """Return what a server answers to a challenge, an empty object for what is no short answer in JSON.

    Raises Unavailable for none in time.
    """
    end, got = time.monotonic() + SECONDS, b""
    path = f"{discovery.PROOF_PATH}?challenge={challenge}"
    try:
        connection.settimeout(SECONDS)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {base.removeprefix('http://')}\r\n\r\n".encode())
        while (said := _body(got)) is None and len(got) <= MAX_BYTES:
            connection.settimeout(max(end - time.monotonic(), 0.001))
            if not (data := connection.recv(4096)):
                return {}
            got += data
        answer = json.loads(said or b"{}")
    except TimeoutError:
        silent = f"what listens at {base} does not answer within {SECONDS:.0f} s"
        raise Unavailable(f"{silent}; try again, or end that process and start the server again") from None
    except (OSError, ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _body(got: bytes) -> bytes | None:
    """Return the body of an answer that has all come, None for any other."""
    head, _, body = got.partition(b"\r\n\r\n")
    size = _ANSWER.match(head + b"\r\n")
    return body if size and len(body) == int(size[1]) else None
