"""The events that runs have, and the parsers that make them of frames. None has state between lines."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ..core.json import Json, deeper
from ..core.question import Ask, BadAsk, ask_of
from .format import Frame, Kind, json_payload

ParsedEvent: TypeAlias = tuple[str, dict[str, Json]]
"""An event without an id yet: its name and its fields."""

DEPTH = 100
"""Levels to which an agent's JSON may nest; deeper JSON is taken as plain text."""
LOG_LIMIT = 300
"""Characters of a line that a warning repeats."""
NAME_LIMIT = 128
"""Characters of a name in `usage`; longer names are left out."""
_PROGRESS = ("percentage", "step", "steps_completed", "steps_total", "message")


def log(stream: str, text: str) -> ParsedEvent:
    """Return a log event. `stream` is stdout, stderr, or praisonrun for what praisonrun itself says."""
    return "log", {"stream": stream, "text": text, "message": text.removesuffix("\n")}


def parse_text(text: str) -> list[ParsedEvent]:
    """Return one log event for a frame of plain text, whatever number of lines it holds."""
    return [log("stdout", text)]


def parse_jsonl(line: str) -> list[ParsedEvent]:
    """Return the events of a line of an agent that prints JSON lines; any other line is a log line.

    progress {percentage, step, …} · delta {text} · message {text} · tool_call {name, input} ·
    usage {input_tokens, …, delta?} · session {id} · result {result | text, error?, is_error?, usage?}
    """
    found = parse_object(line) if "{" in line else None
    return (_typed_events(found) if found else []) or [log("stdout", line)]


def _typed_events(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("type"):
        case "progress":
            return [*_progress(found), *_usage(found.get("usage"))]
        case "delta":
            return [_typed("message", {**found, "delta": True})]
        case "message" | "tool_call" as kind:
            return [_typed(kind, found)]
        case "usage":
            return _usage(found.get("usage", found), found.get("delta"))
        case "session" if isinstance(found.get("id"), str):
            return [("session", {"id": found["id"][:200]})]
        case "result":
            return [_result(found), *_usage(found.get("usage"))]
    return []


def may_answer(lines: bytes) -> bool:
    """Say whether lines could hold a result event: the word is in them, or an escape that may hide it."""
    return b"result" in lines or b"\\u" in lines


def may_tell(lines: bytes) -> bool:
    """Say the same of a result, progress, usage or session."""
    return may_answer(lines) or b"progress" in lines or b"usage" in lines or b"session" in lines


def _result(found: dict[str, Json]) -> ParsedEvent:
    answer = found.get("result", found.get("text"))
    error = found.get("error")
    if error is None and found.get("is_error") is True:
        error = answer if isinstance(answer, str) else "the agent reported an error"
    if error is None:
        sure = {"success": True} if found.get("is_error") is False else {}
        return "result", {"result": answer, **sure}
    return "result", {"result": answer, "error": error if isinstance(error, str) else json.dumps(error)}


def parse_other_frame(frame: Frame) -> Iterable[ParsedEvent]:
    """Return the events of a frame that is neither stdout nor an event line."""
    match frame.kind:
        case Kind.STDERR:
            return [log("stderr", frame.data.decode("utf-8", "replace"))]
        case Kind.STARTED:
            started = json_payload(frame.data)
            more = {"phase": started["phase"]} if "phase" in started else {}
            if "pid" in started:
                running = ("status", {"status": "running", "attempt": started["attempt"], **more})
                anew = _begun_anew() if started.get("anew") is True else []
                return [running] if more else [running, _began(started), *anew]
        case Kind.ENDED:
            ended = json_payload(frame.data)
            return [_over(ended)] if ended.get("reason", "not_started") != "not_started" else []
        case Kind.DROPPED:
            dropped = json_payload(frame.data)
            events = dropped.pop("event", 0)
            output = f"output cap reached: {sum(dropped.values())} bytes dropped here"
            told = f"events too many or too long: {events} bytes dropped here"
            said = [text for text, size in ((output, sum(dropped.values())), (told, events)) if size]
            return [log("praisonrun", "; ".join(said or [output]) + "\n")]
    return []


def _began(started: Mapping[str, Json]) -> ParsedEvent:
    return "attempt", {"state": "start", "attempt": started["attempt"], "pid": started["pid"]}


def _begun_anew() -> list[ParsedEvent]:
    told = "its agent does not know the conversation of this session any more: it begins a new one\n"
    return [("session", {"started_anew": True}), log("praisonrun", told)]


def _over(ended: Mapping[str, Json]) -> ParsedEvent:
    names = {"exit_code": "code", "signal": "signal", "reason": "reason", "wall_seconds": "wall"}
    told = {name: ended.get(key) for name, key in names.items()}
    return "attempt", {"state": "end", "attempt": ended["attempt"], **told}


def parse_event_line(line: str) -> list[ParsedEvent]:
    """Return the events of a line from PRAISONRUN_EVENTS; a warning if it has none that is known."""
    found = parse_object(line)
    if found is None:
        return [log("praisonrun", f"event ignored, not a JSON object: {line.strip()[:LOG_LIMIT]}\n")]
    if "ask" in found:
        return [_asked(found["ask"])]
    kind = found.get("type")
    if isinstance(kind, str) and kind in ("message", "tool_call", "log"):
        return [_typed(kind, found)]
    parsed = [*_progress(found), *_usage(found.get("usage"), found.get("delta"))]
    if not parsed and isinstance(found.get("message"), str):
        parsed = [("message", {"text": found["message"]})]
    return parsed or [log("praisonrun", f"event ignored, nothing known in it: {line.strip()[:LOG_LIMIT]}\n")]


def _asked(given: Json) -> ParsedEvent:
    """Return the event of a question; a warning for one that is rejected."""
    try:
        ask = ask_of(given)
        return "ask", {**ask._asdict(), "options": list(ask.options)}
    except BadAsk as fault:
        name = f" {fault.id}" if fault.id else ""
        return log("praisonrun", f"question{name} rejected: {fault}\n")


def ask_in(line: bytes) -> Ask | BadAsk | None:
    """Return what a line from PRAISONRUN_EVENTS asks, and why it is rejected; None for any other line."""
    if not may_ask(line):
        return None
    found = parse_object(line.decode("utf-8", "replace"))
    if found is None or "ask" not in found:
        return None
    try:
        return ask_of(found["ask"])
    except BadAsk as fault:
        return fault


def may_ask(line: bytes) -> bool:
    """Say whether a line could ask something: the word is in it, or an escape that may hide it."""
    return b'"ask"' in line or b"\\u" in line


def parse_object(line: str) -> dict[str, Json] | None:
    """Return the JSON object in a line; None if it is anything else."""
    _, value = parse_json(line)
    return value if isinstance(value, dict) else None


def parse_json(text: str) -> tuple[bool, Json]:
    """Return whether a text is JSON that is safe to encode again, and its value."""
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False, None
    if text.count("{") + text.count("[") > DEPTH and deeper(value, DEPTH):
        return False, None
    return True, value


def _progress(fields: Mapping[str, Json]) -> list[ParsedEvent]:
    """Return a progress event if the object has a field of progress other than `message`."""
    found: dict[str, Json] = {}
    for key in _PROGRESS:
        value = fields.get("current_step") if key == "step" and "step" not in fields else fields.get(key)
        if key in ("step", "message"):
            if isinstance(value, str):
                found[key] = value
        elif (number := _number(value)) is not None:
            found[key] = min(max(number, 0.0), 100.0) if key == "percentage" else max(int(number), 0)
    return [("progress", found)] if found.keys() - {"message"} else []


def _usage(value: Json, delta: Json = None) -> list[ParsedEvent]:
    """Return a usage event for an object with numbers: tokens, cost so far; with `delta`, since the last."""
    if not isinstance(value, dict):
        return []
    found = numbers(value)
    return [("usage", {**found, **({"delta": True} if delta is True else {})})] if found else []


def numbers(value: Mapping[str, Json]) -> dict[str, Json]:
    """Return what is a number in an object, and has a short name."""
    return {key: n for key, n in value.items() if len(key) <= NAME_LIMIT and _number(n) is not None}


def _typed(kind: str, fields: Mapping[str, Json]) -> ParsedEvent:
    """Return the event of an object whose type is message, tool_call or log."""
    text = fields.get("text", fields.get("message", fields.get("content", "")))
    shown = text if isinstance(text, str) else json.dumps(text)
    if kind == "log":
        return log("praisonrun", shown)
    if kind == "message":
        return "message", {"text": shown, **({"delta": True} if fields.get("delta") is True else {})}
    return "tool_call", {
        key: fields[key] for key in ("name", "input", "id", "output", "status") if key in fields
    }


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
