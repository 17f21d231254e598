"""The jobs dialect's webhooks and their deliveries (contracts: PraisonAI jobs, Standard Webhooks)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.delivery import Delivery, DeliveryState
from ...core.json import Json, dumps
from ...core.model import Snapshot, Status
from ...engine.engine import Engine
from ...journal.results import Result
from ...store import DeliveryLog
from ...web.fields import Time, WireModel
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import read_query
from ...web.responses import json_response
from .show import NOT_FOUND, RUN, result, url_of

RESULT_LIMIT = 256 * 1024
"""Bytes of a result's JSON that a webhook carries; a longer text is cut in the middle."""
_OF_RESULT = ("job_id", "status", "result", "error", "completed_at", "duration_seconds")


async def compose(engine: Engine, base: str, delivery: Delivery) -> bytes:
    """Return the bytes of a delivery's body; `base` is the server's own URL."""
    shown = await engine.until_final(delivery.run_id)
    return dumps(body(shown, await engine.journals.result(shown.run), delivery, base))


def body(shown: Snapshot, answer: Result, delivery: Delivery, base: str) -> dict[str, Json]:
    """Return the body of a delivery: the same on every attempt."""
    full = result(shown, answer, base)
    full["result"], whole = _fitting(full["result"])
    where = full["result_url"] or (None if whole else f"{url_of(shown.run, base)}/result")
    return {
        **{name: full[name] for name in _OF_RESULT},
        "type": delivery.type,
        "timestamp": iso(delivery.created_at),
        **(
            {"failure": shown.run.failure, "error_tail": shown.run.error_tail}
            if shown.run.status is Status.FAILED
            else {}
        ),
        **({"result_url": where} if where else {}),
    }


def _fitting(value: Json) -> tuple[Json, bool]:
    """Return the part of a result that fits, and whether it is whole. A large object is left out."""
    if len(dumps(value)) <= RESULT_LIMIT:
        return value, True
    if not isinstance(value, str):
        return None, False
    data, size, shown = value.encode("utf-8", "replace"), RESULT_LIMIT, value
    while len(dumps(shown)) > RESULT_LIMIT:  # escapes make its JSON longer than the text
        size //= 2
        first, last = data[:size].decode("utf-8", "ignore"), data[-size:].decode("utf-8", "ignore")
        shown = f"{first}\n… {len(data) - 2 * size} bytes omitted …\n{last}"
    return shown, False


class AttemptShown(Described):
    """One attempt at a delivery."""

    at: Time = Field(description="When it began.")
    status: int | None = Field(description="The receiver's HTTP status; null when it gave none.")
    duration_ms: float = Field(description="Milliseconds that it took.")
    error: str | None = Field(description="Why it failed; null for a success.")
    reply: str | None = Field(description="How its answer began; only for runs submitted from this machine.")


class DeliveryShown(Described):
    """One webhook owed. Its id is the webhook-id, the same on every attempt."""

    id: str = Field(description="The webhook-id of every attempt.")
    job_id: str = Field(description="The run's id.")
    url: str = Field(description="The receiver, as it was submitted.")
    type: Literal["run.succeeded", "run.failed", "run.cancelled"] = Field(description="What it tells.")
    state: Literal["pending", "delivered", "dead"] = Field(description="dead: given up; it can be replayed.")
    attempts: list[AttemptShown] = Field(description="Every attempt, oldest first.")
    next_attempt_at: Time | None = Field(description="Null unless pending.")
    created_at: Time = Field(description="When the run finished.")
    delivered_at: Time | None = Field(description="When the receiver took it.")


def show(log: DeliveryLog) -> dict[str, Json]:
    """Return a delivery as the wire shows it."""
    delivery = log.delivery
    return {
        "id": delivery.id,
        "job_id": delivery.run_id,
        "url": delivery.url,
        "type": delivery.type,
        "state": delivery.state,
        "attempts": [
            {
                "at": iso(reply.at),
                "status": reply.status,
                "duration_ms": round(reply.duration * 1000, 3),
                "error": reply.error,
                "reply": reply.text,
            }
            for reply in log.attempts
        ],
        "next_attempt_at": iso(delivery.due_at) if delivery.state is DeliveryState.PENDING else None,
        "created_at": iso(delivery.created_at),
        "delivered_at": iso(delivery.delivered_at),
    }


class RunDeliveries(Described):
    """What one run owes or owed."""

    deliveries: list[DeliveryShown] = Field(description="The webhooks; on a page the newest first.")


class DeliveryPage(RunDeliveries):
    """A page of all deliveries, newest first."""

    total: int = Field(description="How many there are on all pages.")
    page: int = Field(description="The page that was asked for, from 1 on.")
    page_size: int = Field(description="The most webhooks of a page.")


class DeliveryQuery(WireModel):
    """Which deliveries."""

    state: DeliveryState | None = Field(None, description="pending, delivered or dead.")
    page: int = Field(1, ge=1, le=10**9, description="Which page, from 1 on.")
    page_size: int = Field(20, ge=1, le=100, description="The most webhooks of a page.")


class Replayed(Described):
    """How many deliveries are due again."""

    replayed: int = Field(description="How many.")


ALL = "/api/v1/deliveries"
OF_RUN = RUN + "/deliveries"
_PAGE = {200: Answer("A page.", DeliveryPage), 422: Answer("A bad state or page.")}
_AGAIN = {202: Answer("Due at once.", Replayed)}


class Deliveries:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", OF_RUN, {200: Answer("What it owes or owed.", RunDeliveries), **NOT_FOUND})
    async def list_run_deliveries(self, request: Request) -> Response:
        """List a run's webhooks and every attempt."""
        run = await self._engine.row(request.path_params["run_id"])
        logs = await self._engine.webhooks.outbox.of_run(run.id)
        return json_response({"deliveries": [show(log) for log in logs]})

    @operation("POST", OF_RUN + "/{delivery_id}/replay", {**_AGAIN, 404: Answer("No such run or delivery.")})
    async def replay_delivery(self, request: Request) -> Response:
        """Send a webhook again."""
        run = await self._engine.row(request.path_params["run_id"])
        await self._engine.webhooks.replay(run.id, request.path_params["delivery_id"])
        return json_response({"replayed": 1}, 202)

    @operation("GET", ALL, _PAGE, query=DeliveryQuery)
    async def list_deliveries(self, request: Request) -> Response:
        """List webhooks of all runs, newest first."""
        query = read_query(request, DeliveryQuery)
        found, total = await self._engine.webhooks.outbox.find(query.state, query.page, query.page_size)
        page = {"total": total, "page": query.page, "page_size": query.page_size}
        return json_response({"deliveries": [show(log) for log in found], **page})

    @operation("POST", ALL + "/replay", _AGAIN)
    async def replay_dead_deliveries(self, _request: Request) -> Response:
        """Send every dead letter again."""
        return json_response({"replayed": await self._engine.webhooks.replay_dead()}, 202)
