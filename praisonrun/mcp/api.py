"""What the tools ask: the public API of one server, over HTTP or inside its process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from ..core.errors import Unavailable
from ..core.json import Json

RUNS = "/api/v1/runs"
MOST = 4 * 1024 * 1024
"""Bytes of an answer that are read at most: of a run with its prompt, of a page of events."""
Query = Mapping[str, str | int | float]


class Reply(NamedTuple):
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    cut: bool = False
    """Whether there is more than these bytes."""


class Api(Protocol):
    """One server's API, as one client may use it."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST,
    ) -> Reply:
        """Return the answer to a request, and of its body at most so many bytes.

        It survives a restart of the server, if that does not take long. Raises PraisonrunError where there
        is no answer.
        """

    async def agents(self) -> dict[str, Any]:
        """Return what agents there are, as GET /api/v1/agents does."""

    def given(self, agent: Mapping[str, Any]) -> dict[str, Json]:
        """Return the fields that this client's own surroundings give to a run of an agent: cwd, envs."""


async def asked(
    api: Api,
    method: str,
    path: str,
    *,
    query: Query | None = None,
    body: Mapping[str, Json] | None = None,
    key: str = "",
) -> dict[str, Any]:
    """Return the JSON object of an answer; `key` is an idempotency key. Raises Unavailable."""
    headers = {"idempotency-key": key} if key else None
    return checked(await api.ask(method, path, query=query, body=body, headers=headers))


def checked(reply: Reply) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises Unavailable with the server's words for an error."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if reply.status < HTTPStatus.BAD_REQUEST and isinstance(found, dict):
        return found
    said = found.get("detail") if isinstance(found, dict) else None
    raise Unavailable(str(said or f"the server answered with status {reply.status}"))


def url_of(run_id: str, *more: str) -> str:
    """Return the path of a run, or of something of it."""
    return "/".join((RUNS, quote(run_id, safe=""), *more))
