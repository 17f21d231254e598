"""Requests and answers within the budget of memory: what clients send, and what they have not taken yet.

A body waits for its place before it is read, an answer before it is kept. A GET whose answer finds none
drops it and makes it again once there is place, so that nothing waits in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .budget import FREE, Budget
from .edge import LARGE_CAP, RenderOf
from .transport import ABORT

KNOWN = 256
"""Large answers whose size is remembered: the next of these is made only once there is place for it."""
UNDECLARED = 16 * 1024
"""Bytes of a body without a length, from which on it may become as large as any."""
SLICE = 32 * 1024
"""Bytes handed to a connection at once: a slow connection copies these for itself alone."""
FULL = "the server holds as much for its clients as it may; try again"
AGAIN = {"Retry-After": "1"}


class Budgeted:
    """ASGI middleware that keeps an app within a budget. It has the same `render` as the edge around it."""

    def __init__(self, app: ASGIApp, budget: Budget, render: RenderOf) -> None:
        self._app, self._budget, self._render = app, budget, render
        self._large: dict[tuple[str, bytes], int] = {}
        """What was large when it was asked for last, by path and query: the place that it took."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        exchange = _Exchange(self._budget, scope, receive, send)
        safe = scope["method"] in ("GET", "HEAD")
        given = receive if safe else exchange.receive
        try:
            exchange.wanted = self._expected(scope) if safe and self._large else 0
            if not exchange.wanted or await exchange.grow():
                await self._app(scope, given, exchange.send)
                if exchange.wanted and safe and await exchange.grow():
                    await self._app(scope, given, exchange.send)
                if exchange.cost or self._large:
                    self._remember(scope, exchange.cost)
            if exchange.wanted:  # what a POST did stays done: its client asks again, and is told
                await self._render(scope["path"])(503, FULL, AGAIN)(scope, receive, send)
            elif exchange.kept is not None:
                await exchange.finish(exchange.kept)
        finally:
            if exchange.place:
                self._budget.give(exchange.place)

    def _expected(self, scope: Scope) -> int:
        return self._large.get((scope["path"], scope["query_string"]), 0)

    def _remember(self, scope: Scope, cost: int) -> None:
        target = scope["path"], scope["query_string"]
        if not cost:
            self._large.pop(target, None)
            return
        self._large[target] = cost
        if len(self._large) > KNOWN:
            del self._large[next(iter(self._large))]


class _Exchange:
    """One request, its answer, and the place that they take."""

    __slots__ = (
        "_budget",
        "_due",
        "_receive",
        "_scope",
        "_send",
        "_start",
        "cost",
        "kept",
        "place",
        "wanted",
    )

    def __init__(self, budget: Budget, scope: Scope, receive: Receive, send: Send) -> None:
        self._budget, self._scope, self._receive, self._send = budget, scope, receive, send
        self.place = self.wanted = self.cost = 0
        """What is taken; what is needed beside that, for which there was no place; what the answer costs."""
        self.kept: bytes | None = None
        """The body of a large answer. It is sent when the app, and all that it held, is gone."""
        self._start: Message | None = None
        self._due: int | None = None
        """Bytes of the request's body: all that are declared, or those that came."""

    async def receive(self) -> Message:
        """Receive as the app does, once there is place for the whole body. Raises HTTPException."""
        if self._due is None:
            self._due = _length(self._scope["headers"])
            await self._make_room(self._due or 0)
        message = await self._receive()
        if not self.place and message.get("more_body") and self._due <= UNDECLARED:
            self._due += len(message.get("body", b""))
            await self._make_room(LARGE_CAP if self._due > UNDECLARED else 0)
        return message

    async def _make_room(self, size: int) -> None:
        self.wanted = self._budget.cost(size)
        if self.wanted and not await self.grow():
            self.wanted = 0
            raise HTTPException(503, FULL, {**AGAIN, "Connection": "close"})

    async def grow(self) -> bool:
        """Wait for the place that is wanted; say whether it came."""
        found = await self._budget.wait(self.wanted)
        if found:
            self.place, self.wanted = self.place + self.wanted, 0
        return found

    async def send(self, message: Message) -> None:
        """Send a message of the app, or keep a large answer, if there is place, for `finish`."""
        if message["type"] == "http.response.start":
            if _length(message.get("headers", ())) > FREE:
                self._start = message
                return
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        if self._start is not None and len(body) > FREE and not message.get("more_body"):
            self._keep(body)
            return
        if self._start is not None:
            start, self._start = self._start, None
            await self._send(start)
        if len(body) <= SLICE:
            await self._send(message)
        else:
            await self._stream(body, more=message.get("more_body", False))

    def _keep(self, body: bytes) -> None:
        self.cost = self._budget.cost(len(body))
        more = max(self.cost - self.place, 0)
        if self._budget.take(more):
            self.place += more
            self.kept = body
        else:
            self.wanted, self._start = more, None

    async def finish(self, body: bytes) -> None:
        """Send the answer that was kept."""
        assert self._start is not None
        await self._send(self._start)
        await self._write(body, more=False)

    async def _stream(self, body: bytes, *, more: bool) -> None:
        # Whoever follows comes back with a cursor; waiting here would keep what there is no place for.
        if not self._budget.hold(body):
            self._scope["extensions"][ABORT]["now"]()
            return
        try:
            async with self._budget.turn:
                await asyncio.sleep(0)
            await self._write(body, more=more)
        finally:
            self._budget.drop(body)

    async def _write(self, body: bytes, *, more: bool) -> None:
        view = memoryview(body)
        for at in range(0, len(body), SLICE):
            rest = more or at + SLICE < len(body)
            await self._send({"type": "http.response.body", "body": view[at : at + SLICE], "more_body": rest})


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the declared length of a body; 0 if there is none. The edge has checked a request's."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
