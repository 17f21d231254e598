"""The paths of no dialect: health, statistics, the agents on offer, the API's description."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Literal, TypeAlias

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from .. import __version__
from ..agents.offers import offered
from ..config.discovery import API_VERSION
from ..core.errors import PraisonrunError
from ..core.json import Json, dumps
from ..core.model import Status
from ..engine.engine import Engine
from ..web.fields import Time, WireModel
from ..web.forms import Described
from ..web.openapi import document
from ..web.operations import Answer, Operation, operation
from ..web.requests import base_url, read_query
from ..web.responses import json_response

BAD = Answer("A challenge that is not 1 to 256 hex digits.")
_DOCUMENT = {200: Answer("OpenAPI 3.1.", "application/json"), 422: Answer("No such dialect.")}
Prove: TypeAlias = Callable[[str], str]


class Healthz(Described):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always ok.")


class Health(Described):
    """Whether the server can take runs, and what it is made of."""

    status: Literal["ok", "degraded"] = Field(description="degraded while there are problems.")
    version: str = Field(description="praisonrun's version.")
    problems: list[str] = Field(description="What keeps runs from being taken or kept, and what to do.")
    runs: dict[str, int] = Field(description="How many runs there are, by status.")
    concurrency: int = Field(description="The most runs that are executed at once.")
    queue_limit: int = Field(description="The most runs that wait.")
    free_bytes: int = Field(description="Free space where the state directory is.")
    min_free_bytes: int = Field(description="The free space below which no run is taken.")
    store: dict[str, Json] = Field(
        description="The database's size in bytes, its schema, and SQLite's version."
    )


class Stats(Described):
    """How many runs there are."""

    total: int = Field(description="All runs and services.")
    by_status: dict[str, int] = Field(description="How many, by status.")
    by_agent: dict[str, dict[str, int]] = Field(description="How many, by agent and then by status.")
    live: int = Field(description="Runs and services that are executed now.")
    concurrency: int = Field(description="The most runs that are executed at once.")
    queue_limit: int = Field(description="The most runs that wait.")


class AgentShown(Described):
    """One agent that can be run."""

    name: str = Field(description="The name of its entry.")
    default: bool = Field(description="Whether a submit that names no agent gets it.")
    mode: str = Field(description="run, or service for one that is not expected to end.")
    kind: Literal["command", "crew"] = Field(description="crew: a framework executes it.")
    use: str | None = Field(description="The recipe that its entry uses; null for none.")
    description: str = Field(description="As its entry says; may be empty.")
    cwd: str = Field(description="Where it works; caller where each submit may say so.")
    timeout: float | None = Field(description="Seconds that an attempt may take; null for no limit.")
    concurrency: int | None = Field(description="The most runs of it at once; null for no limit of its own.")
    format: str = Field(description="How its output is read: text, jsonl, or the agent whose stream it is.")
    env_required: list[str] = Field(description="Variables that a submit or the server must supply.")
    env_missing: list[str] = Field(description="Those of them that the server has no value for.")
    problem: str | None = Field(description="Why its program cannot be started now, and what to do.")
    install: str | None = Field(description="A shell line that installs its program, if that helps.")


class Agents(Described):
    """What agents.yaml offers."""

    agents: list[AgentShown] = Field(description="The agents, as the file has them.")
    default: str = Field(description="The agent of a submit that names none.")
    problem: str | None = Field(description="Why the file cannot be used as it is now; the last good one is.")


class Info(Described):
    """Which server this is, and what it speaks. To a challenge it says the first four and its proof alone."""

    name: str = Field(description="Always praisonrun.")
    version: str = Field(description="praisonrun's version.")
    api_version: int = Field(description="What its own commands speak; they talk to no other.")
    store: str = Field(description="An id of the state directory.")
    proof: str = Field("", description="HMAC-SHA256(secret of server.json, CHALLENGE:PORT).")
    api: list[str] = Field([], description="Its dialects.")
    pid: int = Field(0, description="The server's process.")
    started_at: Time = Field("", description="When the server started.")
    features: dict[str, bool] = Field({}, description="What its settings turn on or off.")


class InfoQuery(WireModel):
    """How to prove that this server has the state directory that a client means. Needs no token."""

    challenge: str | None = Field(
        None, pattern="^[0-9a-fA-F]{1,256}$", description="Hex digits of the client's choice, new each time."
    )


class DocumentQuery(WireModel):
    """Which of the server's APIs to describe."""

    dialect: Literal["jobs", "nullspace", "veryfront", "all"] = Field(
        "jobs", description="jobs is PraisonAI's, with what belongs to no dialect; all is everything."
    )


class System:
    """The endpoints."""

    def __init__(
        self, engine: Engine, api: Sequence[str] = (), since: str = "", prove: Prove = str, **features: bool
    ) -> None:
        """`api` names the dialects; each of `features` is something that the settings turn on or off."""
        self._engine, self._prove, self._guarded = engine, prove, features.get("token", False)
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
