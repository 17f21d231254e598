"""How many streams may be open at once, in all and of one run. A stream takes its place when it begins."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from ..core.errors import Unavailable

TOTAL = 256
PER_RUN = 64
SLICE = 32 * 1024
"""Bytes handed to a connection at once: what one that is behind has copied for itself alone. The rest of a
chunk is shared by all viewers who stand there."""
BUSY = "too many streams are open; try again, or poll"
LATER = b"retry: 30000\n: too many streams are open\n\n"
"""What an EventSource is told: any status but 200 would end it for good."""


class Slots:
    """The places of one server. Not for threads."""

    def __init__(self, total: int = TOTAL, per_run: int = PER_RUN) -> None:
        self._total, self._per_run = total, per_run
        self._taken: Counter[str] = Counter()
        self.turn = asyncio.Semaphore(2)
        """Streams that catch up take turns, so that a crowd of them delays nobody else."""
        self.count = 0
        """Places that are taken."""

    @contextmanager
    def place(self, run_id: str) -> Iterator[bool]:
        """Hold a place inside this block; give False where there is none."""
        if self.count >= self._total or self._taken[run_id] >= self._per_run:
            yield False
            return
        self.count += 1
        self._taken[run_id] += 1
        try:
            yield True
        finally:
            self.count -= 1
            self._taken[run_id] -= 1
            self._taken += Counter()  # drops what is zero

    def hold(self, answer: Response, run_id: str, *, sse: bool) -> Response:
        """Return an answer that is sent while it holds a place, or else a refusal.

        `sse` says that the client asked for an event stream by name: it gets one that sends it away for
        30 s. Everybody else gets a 503.
        """
        return _Held(self, answer, run_id, sse=sse)


class _Held(Response):
    def __init__(self, slots: Slots, answer: Response, run_id: str, *, sse: bool) -> None:
        self._slots, self._answer, self._run_id, self._sse = slots, answer, run_id, sse
        self.status_code, self.raw_headers = answer.status_code, answer.raw_headers
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sliced(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= SLICE:
                await send(message)
                return
            async with self._slots.turn:
                await asyncio.sleep(0)
            view = memoryview(body)
            for at in range(0, len(body), SLICE):
                more = message.get("more_body", False) or at + SLICE < len(body)
                await send({"type": "http.response.body", "body": view[at : at + SLICE], "more_body": more})

        with self._slots.place(self._run_id) as held:
            if not held and not self._sse:
                raise Unavailable(BUSY, retry_after=5)
            await (self._answer if held else _later())(scope, receive, sliced)


def _later() -> Response:
    return Response(LATER, media_type="text/event-stream")
