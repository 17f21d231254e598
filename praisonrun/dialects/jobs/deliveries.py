"""The jobs dialect's webhooks owed: what became of each, every attempt, and sending them again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.json import Json, dumps
from ...core.model import DeliveryState, Reply
from ...engine.engine import Engine
from ...store import DeliveryLog
from ...web.errors import Shape
from ...web.operations import Answer, Operation
from ...web.requests import read_query
from .endpoints import RUNS

ALL = "/api/v1/deliveries"
OF_RUN = RUNS + "/{run_id}/deliveries"


class AttemptShown(Shape):
    """One attempt at a delivery."""

    at: str
    status: int | None = Field(description="The receiver's HTTP status; null when it gave none.")
    duration_ms: float
    error: str | None = Field(description="Why it failed; null for a success.")
    reply: str | None = Field(description="How its answer began; only for runs submitted from this machine.")


class DeliveryShown(Shape):
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


class RunDeliveries(Shape):
    """What one run owes or owed."""

    deliveries: list[DeliveryShown]


class DeliveryPage(Shape):
    """A page of all deliveries, newest first."""

    deliveries: list[DeliveryShown]
    total: int
    page: int
    page_size: int


class DeliveryQuery(Shape):
    """Which deliveries."""

    state: DeliveryState | None = Field(None, description="pending, delivered or dead.")
    page: int = Field(1, ge=1, le=10**9)
    page_size: int = Field(20, ge=1, le=100)


class Replayed(Shape):
    """How many deliveries are due again."""

    replayed: int


class Deliveries:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of_run(self, request: Request) -> Response:
        """GET …/{id}/deliveries: what a run owes or owed, with every attempt."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        return _json({"deliveries": [show(log) for log in await self._engine.webhooks.of_run(run.id)]})

    async def replay(self, request: Request) -> Response:
        """POST …/deliveries/{delivery_id}/replay: one again, whatever became of it."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        await self._engine.webhooks.replay(run.id, request.path_params["delivery_id"])
        return _json({"replayed": 1}, 202)

    async def find(self, request: Request) -> Response:
        """GET /api/v1/deliveries: of all runs, newest first."""
        query = read_query(request, DeliveryQuery)
        found, total = await self._engine.webhooks.find(query.state, query.page, query.page_size)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        return _json({"deliveries": [show(log) for log in found], **page})

    async def replay_dead(self, _request: Request) -> Response:
        """POST /api/v1/deliveries/replay: every dead letter again."""
        return _json({"replayed": await self._engine.webhooks.replay_dead()}, 202)


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


def _json(body: Json, status: int = 200) -> Response:
    return Response(dumps(body), status, media_type="application/json")


def operations(engine: Engine) -> list[Operation]:
    """Return these endpoints' operations."""
    deliveries = Deliveries(engine)
    again = Answer("Due at once.", Replayed)
    return [
        Operation(
            "GET",
            OF_RUN,
            "list_run_deliveries",
            "List a run's webhooks and every attempt",
            deliveries.of_run,
            answers={200: Answer("What it owes or owed.", RunDeliveries), 404: Answer("No such run.")},
        ),
        Operation(
            "POST",
            OF_RUN + "/{delivery_id}/replay",
            "replay_delivery",
            "Send a webhook again",
            deliveries.replay,
            answers={202: again, 404: Answer("No such run or delivery.")},
        ),
        Operation(
            "GET",
            ALL,
            "list_deliveries",
            "List webhooks of all runs, newest first",
            deliveries.find,
            query=DeliveryQuery,
            answers={200: Answer("A page.", DeliveryPage), 422: Answer("A bad state or page.")},
        ),
        Operation(
            "POST",
            ALL + "/replay",
            "replay_dead_deliveries",
            "Send every dead letter again",
            deliveries.replay_dead,
            answers={202: again},
        ),
    ]
