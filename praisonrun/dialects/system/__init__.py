"""The paths of no dialect: health, statistics, the agents on offer, the API's description."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from ... import __version__
from ...agents.offers import offered
from ...config.discovery import API_VERSION
from ...core.errors import PraisonrunError
from ...core.json import dumps
from ...core.model import Status
from ...engine.engine import Engine
from ...web.openapi import document
from ...web.operations import Answer, Operation, operation
from ...web.requests import base_url, read_query
from ...web.responses import json_response
from .models import Agents, DocumentQuery, Health, Healthz, Info, InfoQuery, Stats, Stays

BAD = Answer("A challenge that is not 1 to 256 hex digits.")
_DOCUMENT = {200: Answer("OpenAPI 3.1.", "application/json"), 422: Answer("No such dialect.")}
Prove: TypeAlias = Callable[[str], str]
Stay: TypeAlias = Callable[[], Awaitable[bool]]


async def stays() -> bool:
    """Be a server that leaves only when it is told to."""
    return False


class System:
    """The endpoints."""

    def __init__(
        self,
        engine: Engine,
        api: Sequence[str] = (),
        since: str = "",
        prove: Prove = str,
        stay: Stay = stays,
        **features: bool,
    ) -> None:
        """`api` names the dialects; each of `features` is something that the settings turn on or off.

        `stay` has the server forget that it may leave when it is idle, and says whether that is new.
        """
        self._engine, self._prove, self._stay = engine, prove, stay
        self._guarded = features.get("token", False)
        self._more = {
            "api": list(api),
            "pid": os.getpid(),
            "started_at": since,
            "features": features,
        }
        self.table: list[Operation] = []
        """All operations of the server; set once they are known."""
        self._documents: dict[str, bytes] = {}
        """By dialect, for the URL that was asked for last."""
        self._url = ""

    @operation("GET", "/healthz", {200: Answer("Yes.", Healthz)})
    async def healthz(self, _request: Request) -> Response:
        """Is it up?"""
        return json_response({"status": "ok"})

    @operation("GET", "/api/v1/info", {200: Answer("This one.", Info), 422: BAD}, query=InfoQuery)
    async def info(self, request: Request) -> Response:
        """What server is this?"""
        challenge = read_query(request, InfoQuery).challenge
        known = {"name": "praisonrun", "version": __version__, "api_version": API_VERSION}
        more = {"proof": self._prove(challenge)} if challenge else self._more
        return json_response({**known, "store": self._engine.store.id, **more})

    @operation("GET", "/health", {200: Answer("So.", Health)})
    async def health(self, _request: Request) -> Response:
        """How is it?"""
        engine = self._engine
        problems, runs, free = await engine.problems(), {}, 0
        with suppress(OSError):
            free = engine.files.free_bytes()
        try:
            runs = await engine.store.totals()
        except PraisonrunError as unreadable:
            problems = problems or [unreadable.message]
        shown = {
            "status": "degraded" if problems else "ok",
            "version": __version__,
            "problems": problems,
            "runs": runs,
            "concurrency": engine.limits.concurrency,
            "queue_limit": engine.limits.queue,
            "free_bytes": free,
            "min_free_bytes": engine.limits.min_free,
            "store": asdict(engine.store.sizes()),
        }
        return json_response(shown)

    @operation("POST", "/api/v1/stay", {200: Answer("So it does.", Stays)})
    async def stay(self, _request: Request) -> Response:
        """Stay until somebody stops it, also when idle: no --idle-exit any more."""
        return json_response({"changed": await self._stay()})

    @operation("GET", "/stats", {200: Answer("Counts.", Stats)})
    async def stats(self, _request: Request) -> Response:
        """Count runs."""
        engine = self._engine
        by_agent = await engine.store.totals_by_agent()
        by_status = {status: sum(of.get(status, 0) for of in by_agent.values()) for status in Status}
        shown = {
            "total": sum(by_status.values()),
            "by_status": by_status,
            "by_agent": by_agent,
            "live": len(engine.live),
            "concurrency": engine.limits.concurrency,
            "queue_limit": engine.limits.queue,
        }
        return json_response(shown)

    @operation("GET", "/api/v1/agents", {200: Answer("What can be run.", Agents)})
    async def list_agents(self, _request: Request) -> Response:
        """List agents."""
        catalog = self._engine.catalog
        default = catalog.default.name
        # Programs are looked for in a thread: on a disk, and by asking a crew's interpreter.
        shown = await asyncio.to_thread(offered, catalog.all(), default, catalog.environ)
        return json_response({"agents": shown, "default": default, "problem": catalog.problem})

    @operation("GET", "/openapi.json", _DOCUMENT, query=DocumentQuery)
    async def openapi(self, request: Request) -> Response:
        """Describe an API."""
        dialect, url = read_query(request, DocumentQuery).dialect, base_url(request)
        if url != self._url:
            self._documents, self._url = {}, url
        if dialect not in self._documents:
            table = [row for row in self.table if dialect in ("all", row.tag)]
            made = document(table, __version__, url, token=self._guarded)
            self._documents[dialect] = dumps(made)
        return Response(self._documents[dialect], media_type="application/json")
