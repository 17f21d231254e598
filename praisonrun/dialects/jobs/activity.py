"""What ended lately, for charts: `GET /api/v1/activity`. It reads counters, however many runs there are."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core import clock
from ...core.json import Json
from ...engine.engine import Engine
from ...store import HOUR, Ended
from ...web.fields import Time, WireModel
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import ETAG, IF_NONE_MATCH, UNCHANGED, unless_known
from .show import BAD_QUERY

MOST = 31 * 24


class ActivityQuery(WireModel):
    """Which hours, and whose."""

    hours: int = Field(24, ge=1, le=MOST, description="How many hours, the present one among them.")
    agent: str | None = Field(None, description="Only runs of this agent.")


class Counts(Described):
    """How many runs ended, and what they used."""

    finished: int = Field(description="Runs and services that finished.")
    failed: int = Field(description="Those of them that failed.")
    cancelled: int = Field(description="Those of them that were cancelled; all others succeeded.")
    tokens_in: int = Field(description="Tokens that their agents say they sent to models.")
    tokens_out: int = Field(description="Tokens that their agents say they had back.")
    cost_usd: float = Field(description="What their agents say that cost, in dollars.")


class HourShown(Counts):
    """What ended in one hour."""

    hour: Time = Field(description="When it began; UTC.")


class AgentActivity(Counts):
    """What one agent's runs came to."""

    agent: str = Field(description="Its name.")


class ActivityShown(Described):
    """What finished, also of runs that were removed since."""

    hours: list[HourShown] = Field(description="Every hour, the oldest first; the last is not over.")
    agents: list[AgentActivity] = Field(
        description="The agents of these runs, at most 100, the busiest first."
    )


_ACTIVITY = {200: Answer("What finished in these hours.", ActivityShown, ETAG), **UNCHANGED, **BAD_QUERY}


class Activity:
    """The endpoint."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", "/api/v1/activity", _ACTIVITY, query=ActivityQuery, headers=IF_NONE_MATCH)
    async def get_activity(self, request: Request) -> Response:
        """Count what finished and what it used, by hour and by agent."""
        query = read_query(request, ActivityQuery)
        last = clock.now() // HOUR * HOUR
        first = last - (query.hours - 1) * HOUR
        found = await self._engine.store.activity(first, last, query.agent)
        hours = [
            {"hour": clock.iso(hour), **counts(found.hours.get(hour, Ended()))}
            for hour in range(first, last + HOUR, HOUR)
        ]
        agents = [{"agent": agent, **counts(ended)} for agent, ended in found.agents.items()]
        return unless_known(request, {"hours": hours, "agents": agents}, {})


def counts(ended: Ended) -> dict[str, Json]:
    """Return what is shown of these runs."""
    return {
        "finished": ended.ended,
        "failed": ended.failed,
        "cancelled": ended.cancelled,
        "tokens_in": ended.tokens_in,
        "tokens_out": ended.tokens_out,
        "cost_usd": ended.cost_microusd / 1e6,
    }
