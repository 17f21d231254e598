"""Lists of runs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...core.model import Mode
from ...engine.engine import Engine
from ...store import Find
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import ETAG, IF_NONE_MATCH, UNCHANGED, unless_known
from . import models
from .feed_cursor import place, store_of
from .feed_models import CURSOR
from .show import RUNS, JobList, status

_LIST = {
    200: Answer("A page.", JobList, {**CURSOR, **ETAG}),
    **UNCHANGED,
    400: Answer("No such status."),
    422: Answer("A bad page or time."),
}


class Lists:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", RUNS, _LIST, query=models.ListQuery, headers=IF_NONE_MATCH, heavy=True)
    async def list_runs(self, request: Request) -> Response:
        """List runs, newest first."""
        query = read_query(request, models.ListQuery)
        wanted = Find(
            status=None if query.status is None else models.statuses_of(query.status),
            session_id=query.session_id,
            agent=query.agent,
            root=query.root,
            since=None if query.since is None else models.since_of(query.since),
            text=query.q or None,
            mode=Mode(query.mode),
            page=query.page,
            page_size=query.page_size,
        )
        cursor = place(store_of(self._engine.store.id), await self._engine.feed.now())  # before it is read
        found, total = await self._engine.find(wanted)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        body = {"jobs": [status(shown) for shown in found], **page}
        return unless_known(request, body, {"Praisonrun-Cursor": cursor})
