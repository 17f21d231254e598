"""The jobs dialect's deliveries: the webhooks that are owed, their attempts, and replays."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.delivery import DeliveryState, Reply
from ...core.json import Json
from ...engine.engine import Engine
from ...store import DeliveryLog
from ...web.fields import WireModel
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import json_response
from .answers import RUN

ALL = "/api/v1/deliveries"
OF_RUN = RUN + "/deliveries"


class AttemptShown(WireModel):
    """One attempt at a delivery."""

    at: str
    status: int | None = Field(description="The receiver's HTTP status; null when it gave none.")
    duration_ms: float
    error: str | None = Field(description="Why it failed; null for a success.")
    reply: str | None = Field(description="How its answer began; only for runs submitted from this machine.")


class DeliveryShown(WireModel):
    """One webhook owed. Its id is the webhook-id, the same on every attempt."""

    id: str
    job_id: str
    url: str
    type: Literal["run.succeeded", "run.failed", "run.cancelled"]
    state: Literal["pending", "delivered", "dead"]
    attempts: list[AttemptShown]
    next_attempt_at: str | None = Field(description="Null unless pending.")
    created_at: str
    delivered_at: str | None


class RunDeliveries(WireModel):
    """What one run owes or owed."""

    deliveries: list[DeliveryShown]


class DeliveryPage(WireModel):
    """A page of all deliveries, newest first."""

    deliveries: list[DeliveryShown]
    total: int
    page: int
    page_size: int


class DeliveryQuery(WireModel):
    """Which deliveries."""

    state: DeliveryState | None = Field(None, description="pending, delivered or dead.")
    page: int = Field(1, ge=1, le=10**9)
    page_size: int = Field(20, ge=1, le=100)


class Replayed(WireModel):
    """How many deliveries are due again."""

    replayed: int


_AGAIN = {202: Answer("Due at once.", Replayed)}


class Deliveries:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation(
        "GET", OF_RUN, {200: Answer("What it owes or owed.", RunDeliveries), 404: Answer("No such run.")}
    )
    async def list_run_deliveries(self, request: Request) -> Response:
        """List a run's webhooks and every attempt."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        return json_response(
            {"deliveries": [show(log) for log in await self._engine.webhooks.of_run(run.id)]}
        )

    @operation("POST", OF_RUN + "/{delivery_id}/replay", {**_AGAIN, 404: Answer("No such run or delivery.")})
    async def replay_delivery(self, request: Request) -> Response:
        """Send a webhook again."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        await self._engine.webhooks.replay(run.id, request.path_params["delivery_id"])
        return json_response({"replayed": 1}, 202)

    @operation(
        "GET",
        ALL,
        {200: Answer("A page.", DeliveryPage), 422: Answer("A bad state or page.")},
        query=DeliveryQuery,
    )
    async def list_deliveries(self, request: Request) -> Response:
        """List webhooks of all runs, newest first."""
        query = read_query(request, DeliveryQuery)
        found, total = await self._engine.webhooks.find(query.state, query.page, query.page_size)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        return json_response({"deliveries": [show(log) for log in found], **page})

    @operation("POST", ALL + "/replay", _AGAIN)
    async def replay_dead_deliveries(self, _request: Request) -> Response:
        """Send every dead letter again."""
        return json_response({"replayed": await self._engine.webhooks.replay_dead()}, 202)


def show(log: DeliveryLog) -> dict[str, Json]:
    """Return a delivery as the wire shows it."""
    delivery = log.delivery
    pending = delivery.state is DeliveryState.PENDING
    return {
        "id": delivery.id,
        "job_id": delivery.run_id,
        "url": delivery.url,
        "type": delivery.type,
        "state": delivery.state,
        "attempts": [_attempt(reply) for reply in log.attempts],
        "next_attempt_at": iso(delivery.due_at) if pending else None,
        "created_at": iso(delivery.created_at),
        "delivered_at": iso(delivery.delivered_at),
    }


def _attempt(reply: Reply) -> dict[str, Json]:
    return {
        "at": iso(reply.at),
        "status": reply.status,
        "duration_ms": round(reply.duration * 1000, 3),
        "error": reply.error,
        "reply": reply.text,
    }
