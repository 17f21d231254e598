"""What a webhook says, in the jobs dialect's words (contracts: PraisonAI jobs, Standard Webhooks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.clock import iso
from ...core.json import Json, dumps
from ...core.model import Delivery, Snapshot, Status
from ...journal.results import Result
from .show import result

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...webhooks import Compose

RESULT_LIMIT = 256 * 1024
"""Bytes of a result's JSON that a webhook carries; of a longer text the first and the last part."""


def composer(engine: Engine, base: str) -> Compose:
    """Return what makes the bodies of an engine's deliveries; `base` is the server's own URL."""

    async def compose(delivery: Delivery) -> bytes:
        shown = await engine.until_final(delivery.run_id)
        return dumps(body(shown, await engine.result(shown.run), delivery, base))

    return compose


def body(shown: Snapshot, answer: Result, delivery: Delivery, base: str) -> dict[str, Json]:
    """Return the body of a delivery: the same on every attempt.

    `result_url` is there when the result is not, or not all of it; `failure` when the run failed.
    """
    told = result(shown, answer, base)
    value, whole = _fitting(told["result"])
    where = told["result_url"] or (None if whole else f"{base}/api/v1/runs/{shown.run.id}/result")
    return {
        "job_id": told["job_id"],
        "status": told["status"],
        "result": value,
        "error": told["error"],
        "completed_at": told["completed_at"],
        "duration_seconds": told["duration_seconds"],
        "type": delivery.type,
        "timestamp": iso(delivery.created_at),
        **({"failure": shown.run.failure} if shown.run.status is Status.FAILED else {}),
        **({"result_url": where} if where else {}),
    }


def _fitting(value: Json) -> tuple[Json, bool]:
    """Return what of a result fits, and whether that is all. Half an object would be none: it is left out."""
    if len(dumps(value)) <= RESULT_LIMIT:
        return value, True
    if not isinstance(value, str):
        return None, False
    size = RESULT_LIMIT // 2
    while len(dumps(shown := _shortened(value, size))) > RESULT_LIMIT:
        size //= 2
    return shown, False


def _shortened(text: str, size: int) -> str:
    """Return the first and last part of a text, about `size` bytes each."""
    data = text.encode("utf-8", "replace")
    first, last = data[:size].decode("utf-8", "ignore"), data[-size:].decode("utf-8", "ignore")
    return f"{first}\n… {len(data) - 2 * size} bytes omitted …\n{last}"
