"""What the server's log says of requests: who was kept out, and where that is wanted each one."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable

from starlette.types import Message, Scope, Send

from .head import Fault

log = logging.getLogger("praisonrun")
TOLD, WINDOW = 10, 60.0
"""Lines about strangers at most in so many seconds; the rest is one number at their end."""
LONGEST = 100
"""Characters of a path."""


class Strangers:
    """Says who was kept out, and why. A flood costs a few lines: its repetitions are counted."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()
        """Who, and why, in this window."""
        self._more = 0

    def rejected(self, scope: Scope, fault: Fault) -> None:
        """Say that a request was rejected, or count it."""
        status, why = fault
        client = _client(scope)
        if (client, why) in self._told or len(self._told) >= TOLD:
            self._more += 1
            return
        if not self._told:
            asyncio.get_running_loop().call_later(WINDOW, self._over)
        self._told.add((client, why))
        fields = {"client": client, "status": status, "error": why, **_asked(scope)}
        log.warning("rejected %(method)s %(path)s of %(client)s (%(status)d): %(error)s", fields)

    def _over(self) -> None:
        if self._more:
            fields = {"count": self._more, "seconds": WINDOW}
            log.warning("%(count)d more requests of strangers were rejected within %(seconds)d s", fields)
        self._told.clear()
        self._more = 0


def told(scope: Scope, send: Send) -> Send:
    """Return `send`, which also says what a request is answered, where that is wanted."""
    if not log.isEnabledFor(logging.DEBUG):
        return send
    start = time.monotonic()

    def telling(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            took = round((time.monotonic() - start) * 1000, 1)
            fields = {**_asked(scope), "status": message["status"], "ms": took, "client": _client(scope)}
            log.debug("%(status)d for %(method)s %(path)s of %(client)s after %(ms)s ms", fields)
        return send(message)

    return telling


def _asked(scope: Scope) -> dict[str, object]:
    """Return what was asked for. A query says too much."""
    return {"method": scope["method"], "path": scope["path"][:LONGEST]}


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "?"
