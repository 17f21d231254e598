"""Claude Code's `--output-format stream-json`, which Qwen Code writes, too.

Its last line has type result, and `is_error` alone says whether all is well: `subtype` is "success" also
for an error. What subagents say is theirs; their tool calls are shown.
"""

from __future__ import annotations

from ...core.json import Json
from ..events import ParsedEvent, log
from . import said

_USAGE = {
    "usage.input_tokens": "input_tokens",
    "usage.output_tokens": "output_tokens",
    "usage.cache_read_input_tokens": "cached_input_tokens",
    "usage.cache_creation_input_tokens": "cache_write_tokens",
    "total_cost_usd": "cost_usd",
}


def _events(found: dict[str, Json]) -> list[ParsedEvent]:
    own = found.get("parent_tool_use_id") is None
    match found.get("type"):
        case "system":
            return _system(found)
        case "stream_event" if own and said.at(found, "event", "delta", "type") == "text_delta":
            return said.piece(said.at(found, "event", "delta", "text"))
        case "assistant":
            return _assistant(found, own=own)
        case "user":
            blocks = said.objects(said.at(found, "message", "content"))
            return [event for block in blocks for event in _tool_result(block)]
        case "result":
            return _result(found)
    return []


def _system(found: dict[str, Json]) -> list[ParsedEvent]:
    match found.get("subtype"):
        case "init":
            return said.session(found.get("session_id"))
        case "api_retry":
            why = found.get("error_status") or found.get("error") or ""
            return said.retry(str(why), found.get("attempt"), found.get("max_retries"))
    return []


def _assistant(found: dict[str, Json], *, own: bool) -> list[ParsedEvent]:
    made_up = said.at(found, "message", "model") == "<synthetic>"  # an error of the API, without pieces
    events = []
    for block in said.objects(said.at(found, "message", "content")):
        if block.get("type") == "text" and own:
            events += said.message(block.get("text"), repeats=not made_up)
        elif block.get("type") == "tool_use":
            events += said.call(block.get("name"), block.get("id"), block.get("input"))
    return events


def _tool_result(block: dict[str, Json]) -> list[ParsedEvent]:
    if block.get("type") != "tool_result":
        return []
    content = block.get("content")
    given = said.words(content) or content
    return said.output(block.get("tool_use_id"), given, failed=block.get("is_error") is True)


def _result(found: dict[str, Json]) -> list[ParsedEvent]:
    answer = found.get("result")
    match found.get("is_error"):
        case True:
            errors = found.get("errors")
            first = errors[0] if isinstance(errors, list) and errors else None
            told = said.text_at(found, "error", "message") or answer or first or found.get("subtype")
            verdict = said.failed(told)
        case False:
            verdict = said.answered(result=answer, success=True)
        case _:
            verdict = said.answered(result=answer)
    apart = said.at(found, "usage", "total_tokens") is None  # Qwen Code has a total of input and output
    return verdict + said.used(found, _USAGE, apart=apart) + _denied(found)


def _denied(found: dict[str, Json]) -> list[ParsedEvent]:
    """Return a line about the tools that the agent was not allowed to use."""
    tools = {said.text_at(one, "tool_name") for one in said.objects(found.get("permission_denials"))} - {""}
    return [log("praisonrun", f"not allowed: {', '.join(sorted(tools))[:200]}\n")] if tools else []


parse = said.by_object(_events)
