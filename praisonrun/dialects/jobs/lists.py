"""Lists of runs, and what is done to all runs of one."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import Invalid
from ...core.model import Mode
from ...engine.engine import Engine
from ...store import Find
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_query
from ...web.responses import ETAG, IF_NONE_MATCH, UNCHANGED, json_response, unless_known
from .feed_cursor import place, store_of
from .feed_models import CURSOR
from .models import check_known
from .queries import CancelManyQuery, ListQuery, filtered
from .show import RUNS, JobList, status

_LIST = {
    200: Answer("A page.", JobList, {**CURSOR, **ETAG}),
    **UNCHANGED,
    400: Answer("No such status."),
    422: Answer("A bad page or time."),
}


CANCEL = RUNS + "/cancel"
NAMED = 1000
"""Cancelled runs that are named in an answer."""


class CancelledRuns(Described):
    """The runs that were cancelled."""

    cancelled: int = Field(
        description="How many were asked to end, those submitted on their behalf included."
    )
    job_ids: list[str] = Field(description="Their ids, at most 1000.")


_CANCELLED = {
    200: Answer("They have ended, or are about to.", CancelledRuns),
    400: Answer("No such status."),
    422: Answer("A bad filter, or none and no all=true."),
}


class Lists:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", RUNS, _LIST, query=ListQuery, headers=IF_NONE_MATCH, heavy=True)
    async def list_runs(self, request: Request) -> Response:
        """List runs, newest first."""
        query = read_query(request, ListQuery)
        filters, mode = filtered(query), Mode(query.mode)
        wanted = Find(**filters, mode=mode, page=query.page, page_size=query.page_size)
        cursor = place(store_of(self._engine.store.id), await self._engine.feed.now())  # before it is read
        found, total = await self._engine.find(wanted)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        body = {"jobs": [status(shown) for shown in found], **page}
        return unless_known(request, body, {"Praisonrun-Cursor": cursor})

    @operation("POST", CANCEL, _CANCELLED, query=CancelManyQuery)
    async def cancel_runs(self, request: Request) -> Response:
        """Cancel all runs that the filters of a list leave."""
        check_known(request.query_params, CancelManyQuery, "query")
        if parse_object(await request.body() or b"{}"):
            raise Invalid(
                "the filters belong into the query, such as ?agent=NAME; send no body", field="body"
            )
        query = read_query(request, CancelManyQuery)
        filters = filtered(query)
        if not filters and not query.all:
            names = "status, session_id, agent, root, since or q"
            raise Invalid(f"nothing says which runs: give {names}, or send all=true", field="all")
        found = await self._engine.cancel_found(Find(**filters, mode=Mode(query.mode)), wait=query.wait)
        return json_response({"cancelled": len(found), "job_ids": found[:NAMED]})
