"""The bodies of webhooks, in the jobs dialect's words (contracts: PraisonAI jobs, Standard Webhooks)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.clock import iso
from ...core.delivery import Delivery
from ...core.json import Json, dumps
from ...core.model import Snapshot, Status
from ...journal.results import Result
from .show import result

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...webhooks import Compose

RESULT_LIMIT = 256 * 1024
"""Bytes of a result's JSON that a webhook carries; a longer text is cut in the middle."""


def composer(engine: Engine, base: str) -> Compose:
    """Return a function that makes the bodies of deliveries; `base` is the server's own URL."""

    async def compose(delivery: Delivery) -> bytes:
        shown = await engine.until_final(delivery.run_id)
        return dumps(body(shown, await engine.journals.result(shown.run), delivery, base))

    return compose


def body(shown: Snapshot, answer: Result, delivery: Delivery, base: str) -> dict[str, Json]:
    """Return the body of a delivery: the same on every attempt.

    It has `result_url` if it does not have the whole result, and `failure` if the run failed.
    """
    full = result(shown, answer, base)
    value, whole = _fitting(full["result"])
    where = full["result_url"] or (None if whole else f"{base}/api/v1/runs/{shown.run.id}/result")
    return {
        "job_id": full["job_id"],
        "status": full["status"],
        "result": value,
        "error": full["error"],
        "completed_at": full["completed_at"],
        "duration_seconds": full["duration_seconds"],
        "type": delivery.type,
        "timestamp": iso(delivery.created_at),
        **({"failure": shown.run.failure} if shown.run.status is Status.FAILED else {}),
        **({"result_url": where} if where else {}),
    }


def _fitting(value: Json) -> tuple[Json, bool]:
    """Return the part of a result that fits, and whether it is whole. A large object is left out."""
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
