"""What runs used since a time, by agent, by day or by session: `GET /api/v1/usage`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core import clock
from ...core.json import Json
from ...engine.engine import Engine
from ...web.fields import Time, WireModel
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import ETAG, IF_NONE_MATCH, UNCHANGED, unless_known
from .activity import Counts, counts
from .queries import Since, since_of
from .show import BAD_QUERY

By = Literal["agent", "day", "session"]


class UsageQuery(WireModel):
    """Since when, and what is told apart."""

    since: Since = Field("24h", description="Finished at this time or later, or so long ago: 2h, 30d.")
    by: By = Field("agent", description="What is told apart.")


class UsageRow(Counts):
    """What one agent, day or session used."""

    name: str = Field(description="The agent, the session, or the day: 2026-12-31, UTC.")


class UsageShown(Described):
    """What finished runs used, also those that were removed since; by session only those that were not."""

    by: By = Field(description="What is told apart.")
    since: Time = Field(
        description="Where it begins: with the hour of the time that was asked for; by session with the "
        "submission of the oldest of the newest 10000 runs, if that is later."
    )
    total: Counts = Field(description="All together, also what is left out of `usage`.")
    usage: list[UsageRow] = Field(
        description="Days, the oldest first; or agents or sessions, at most 100, the dearest first."
    )


_USAGE = {200: Answer("What was used since then.", UsageShown, ETAG), **UNCHANGED, **BAD_QUERY}


class Usage:
    """The endpoint."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", "/api/v1/usage", _USAGE, query=UsageQuery, headers=IF_NONE_MATCH)
    async def get_usage(self, request: Request) -> Response:
        """Add up tokens and cost, by agent, day or session."""
        query = read_query(request, UsageQuery)
        found = await self._engine.store.usage(query.by, max(0, since_of(query.since)))
        rows: list[Json] = [{"name": name, **counts(ended)} for name, ended in found.rows.items()]
        answer = {"by": query.by, "since": clock.iso(found.since), "total": counts(found.total)}
        return unless_known(request, {**answer, "usage": rows}, {})
