"""The vocabulary of events, and what frames other than stdout say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from ...core.json import Json, deeper
from ..format import Frame, Kind, said

Said = tuple[str, dict[str, Json]]
"""An event before it has an id: its name and its fields."""

DEPTH = 100
"""Levels that an agent's JSON may nest; beyond, it is plain text."""
LOG_LIMIT = 300
"""Characters of a line that a warning repeats."""
NAME_LIMIT = 128
"""Characters of a number's name in `usage`."""
_PROGRESS = ("percentage", "step", "steps_completed", "steps_total", "message")


def log(stream: str, said: str) -> Said:
    """Return what stands on `stream`, or what praisonrun has to say about it."""
    return "log", {"stream": stream, "text": said, "message": said.removesuffix("\n")}


def of_frame(frame: Frame) -> Iterable[Said]:
    """Return what a frame that no format reads says."""
    match frame.kind:
        case Kind.STDERR:
            return [log("stderr", frame.data.decode("utf-8", "replace"))]
        case Kind.STARTED:
            started = said(frame.data)
            more = {"phase": started["phase"]} if "phase" in started else {}
            if "pid" in started:
                return [("status", {"status": "running", "attempt": started["attempt"], **more})]
        case Kind.DROPPED:
            lost = said(frame.data)
            return [log("praisonrun", f"output cap reached: {sum(lost.values())} bytes dropped here\n")]
    return []


def of_fifo_line(line: str) -> list[Said]:
    """Return what a line at PRAISONRUN_EVENTS says; anything odd is a logged warning."""
    said = parse_object(line)
    if said is None:
        return [log("praisonrun", f"event ignored, not a JSON object: {line.strip()[:LOG_LIMIT]}\n")]
    kind = said.get("type")
    if isinstance(kind, str) and kind in ("message", "tool_call", "log"):
        return [typed(kind, said)]
    found = [*progress(said), *usage(said.get("usage"))]
    if not found and isinstance(said.get("message"), str):
        found = [("message", {"text": said["message"]})]
    return found or [log("praisonrun", f"event ignored, nothing known in it: {line.strip()[:LOG_LIMIT]}\n")]


def parse_object(line: str) -> dict[str, Json] | None:
    """Return the JSON object that a line holds, or None."""
    _, value = parse_json(line)
    return value if isinstance(value, dict) else None


def parse_json(text: str) -> tuple[bool, Json]:
    """Return whether an agent's text is JSON that can also be shown again, and its value."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False, None
    if text.count("{") + text.count("[") > DEPTH and deeper(value, DEPTH):
        return False, None
    return True, value


def progress(said: Mapping[str, Json]) -> list[Said]:
    """Return a progress event when the object tells of progress."""
    found: dict[str, Json] = {}
    for key in _PROGRESS:
        value = said.get("current_step") if key == "step" and "step" not in said else said.get(key)
        if key in ("step", "message"):
            if isinstance(value, str):
                found[key] = value
        elif (number := _number(value)) is not None:
            found[key] = min(max(number, 0.0), 100.0) if key == "percentage" else max(int(number), 0)
    telling = found.keys() - {"message"}
    return [("progress", found)] if telling else []


def usage(value: Json) -> list[Said]:
    """Return a usage event for an object of numbers (tokens, cost)."""
    if not isinstance(value, dict):
        return []
    numbers = {key: n for key, n in value.items() if len(key) <= NAME_LIMIT and _number(n) is not None}
    return [("usage", numbers)] if numbers else []


def typed(kind: str, said: Mapping[str, Json]) -> Said:
    """Return the message, tool_call or log event that an object tells of."""
    text = said.get("text", said.get("message", said.get("content", "")))
    shown = text if isinstance(text, str) else json.dumps(text)
    if kind == "log":
        return log("praisonrun", shown)
    if kind == "message":
        return "message", {"text": shown, **({"delta": True} if said.get("delta") is True else {})}
    return "tool_call", {key: said[key] for key in ("name", "input", "id", "output", "status") if key in said}


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
