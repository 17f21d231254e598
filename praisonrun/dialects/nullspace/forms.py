"""Keys, pages and answers of the Nullspace dialect's endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest
from ...core.json import Json
from ...core.model import Snapshot
from ...engine.engine import Engine
from ...store import Find, Key
from ...web.requests import checked_key, fingerprint, read_query, seq_of
from ...web.responses import json_response
from . import models
from .errors import REQUEST_ID, new_request_id
from .logs import Log


def key_of(request: Request, operation: str, name: str) -> Key:
    """Return the required key of a create, scoped by operation and agent. Raises BadRequest."""
    given = request.headers.get("idempotency-key")
    if given is None:
        raise BadRequest("the header Idempotency-Key is required", field="idempotency_key")
    return Key(f"deployments:{operation}:{name}", checked_key(given))


def fingerprint_of(given: Mapping[str, Json]) -> str:
    """Return the digest of a payload, in which null is the same as no value."""
    return fingerprint({name: value for name, value in given.items() if value is not None})


async def listed(
    engine: Engine, wanted: Find, query: models.PageQuery, keep: Callable[[Snapshot], bool]
) -> tuple[list[Snapshot], str | None]:
    """Return a page of runs that `keep` takes, and the cursor after it."""
    found: list[Snapshot] = []
    after = seq_of(query.cursor, "is no place of this list")
    while len(found) <= query.limit:
        page, _ = await engine.find(
            Find(
                status=wanted.status,
                agent=wanted.agent,
                mode=wanted.mode,
                version=wanted.version,
                failure=wanted.failure,
                page_size=query.limit + 1,
                after_seq=after,
                full=True,
                counted=False,
            )
        )
        found += filter(keep, page)
        if len(page) <= query.limit:
            break
        after = page[-1].run.seq
    items = found[: query.limit]
    return items, str(items[-1].run.seq) if len(found) > query.limit else None


async def log_page(engine: Engine, shown: Snapshot, request: Request) -> Response:
    """Return a page of the log of a run or service."""
    query = read_query(request, models.LogsQuery)
    with engine.files.reader(shown.run.id) or nullcontext() as reader:
        return answer(await asyncio.to_thread(Log(shown, reader).page, query))


def page_of(items: list[dict[str, Json]], query: models.PageQuery) -> dict[str, Json]:
    """Return a page of a short list. Its cursor is the id of the last item shown."""
    start = 0
    if query.cursor is not None:
        ids = [item["id"] for item in items]
        if query.cursor not in ids:
            raise BadRequest(f"cursor {query.cursor[:40]!r} is no place of this list; start without one")
        start = ids.index(query.cursor) + 1
    page = items[start : start + query.limit]
    more = start + query.limit < len(items)
    return {"items": page, "next_cursor": page[-1]["id"] if more else None}


def answer(body: Json, status: int = 200, *, replayed: bool = False) -> Response:
    """Return a JSON answer."""
    headers = {REQUEST_ID: new_request_id(), **({"Idempotency-Replayed": "true"} if replayed else {})}
    return json_response(body, status, headers)
