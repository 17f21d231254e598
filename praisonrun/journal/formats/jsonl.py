"""JSON lines: one object a line, told apart by `type`; anything else is a log line.

progress {percentage, step, …} · delta {text} · message {text} · tool_call {name, input} ·
usage {input_tokens, …} · result {result | text, error?, is_error?, usage?}
"""

from __future__ import annotations

import json

from ...core.model import Json
from .events import Said, log, parse_object, progress, typed, usage


def read(printed: str) -> list[Said]:
    """Return what one line says."""
    said = parse_object(printed)
    if said is None or not isinstance(said.get("type"), str):
        return [log("stdout", printed)]
    match said["type"]:
        case "progress":
            found = [*progress(said), *usage(said.get("usage"))]
        case "delta":
            found = [typed("message", {**said, "delta": True})]
        case "message" | "tool_call" as kind:
            found = [typed(kind, said)]
        case "usage":
            found = usage(said.get("usage", said))
        case "result":
            found = [_result(said), *usage(said.get("usage"))]
        case _:
            found = []
    return found or [log("stdout", printed)]


def may_answer(printed: bytes) -> bool:
    """Say whether a line could be a result: one that spells the word, or hides it in an escape."""
    return b"result" in printed or b"\\u" in printed


def _result(said: dict[str, Json]) -> Said:
    answer = said.get("result", said.get("text"))
    error = said.get("error")
    if error is None and said.get("is_error") is True:
        error = answer if isinstance(answer, str) else "the agent reported an error"
    if error is None:
        return "result", {"result": answer}
    return "result", {"result": answer, "error": error if isinstance(error, str) else json.dumps(error)}
