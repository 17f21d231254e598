"""Continue's `cn -p --format json`: one object at the end. A failure is told on standard error."""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent
from . import said


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    if "status" not in found:
        return []
    answer = found.get("response")
    if found["status"] == "success":
        return said.answered(result=answer, success=True)
    return said.failed(found.get("message") or found.get("error") or answer)


parse = said.by_object(_events)
