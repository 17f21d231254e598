"""A model server on loopback that speaks as OpenAI (chat, responses), Anthropic and Gemini do.

    uvicorn --app-dir tests/rigs fake_models:app --port 8099

The base URL says how it is: `/s401` and `/s500` answer so, anything else, or nothing, is well. It says the
same words, and how many answers of its own it was shown, if any. `[[bash:COMMAND]]` in what it is asked
makes it call a shell first, each `[[mcp:TOOL ARGUMENTS]]` a tool, in order; RUN in the arguments is the id of
a run that a tool has named. The messages of each request are remembered at /seen.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WORDS = ("Hello", "from", "the", "fake", "model", ".")
ANSWER = " ".join(WORDS)
SHELLS = (
    "Bash",
    "bash",
    "shell_command",
    "exec_command",
    "shell",
    "run_shell_command",
    "run_commands",
    "Shell",
)
"""What agents call their shell."""
COMMANDS = ("command", "cmd", "commands", "script")
"""What its argument is called."""
_seen: list[str] = []


@dataclass
class Said:
    """One message of a conversation: who said it, and whether it is what a tool gave back."""

    role: str
    text: str
    tool: bool = False


class Reply:
    """What the model says to a conversation, or the call (a name and its arguments) that it makes first."""

    def __init__(self, said: Iterable[Said], tools: dict[str, dict[str, Any]]) -> None:
        heard = [one for one in said if one.role != "system"]
        turns = sum(one.role == "assistant" for one in heard)
        self.words = [*WORDS, *([f"Turn {turns}."] if turns else [])]
        self.text = " ".join(self.words)
        self.taken, self.made = 10, len(self.words)
        asked = next((one.text for one in reversed(heard) if "[[bash:" in one.text and not one.tool), "")
        done = bool(heard) and heard[-1].tool
        found = re.findall(r"\[\[bash:(.*?)\]\]", asked, re.DOTALL)
        self.call = _call(tools, found[-1]) if found and not done else _step(tools, heard)


def _call(tools: dict[str, dict[str, Any]], command: str) -> tuple[str, dict[str, Any]] | None:
    """Return a call of the first shell among some tools, by their schemas."""
    name = next((one for one in SHELLS if one in tools), None)
    if name is None:
        return None
    known = tools[name].get("properties", {})
    key = next((one for one in COMMANDS if one in known), "command")
    given: Any = [command] if known.get(key, {}).get("type") == "array" else command
    filled = {
        "string": "run it",
        "boolean": False,
        "integer": 1000,
        "number": 1000,
        "array": [],
        "object": {},
    }
    others = [one for one in tools[name].get("required", []) if one != key]
    return name, {key: given, **{one: filled.get(known.get(one, {}).get("type"), "x") for one in others}}


def _step(tools: dict[str, dict[str, Any]], heard: list[Said]) -> tuple[str, dict[str, Any]] | None:
    """Return the next call that the conversation's first words ask for."""
    steps = re.findall(r"\[\[mcp:(\w+) (.*?)\]\]", " ".join(one.text for one in heard if not one.tool))
    back = [one.text for one in heard if one.tool]
    if len(back) >= len(steps):
        return None
    tool, arguments = steps[len(back)]
    runs = re.findall(r"run_[0-9a-f]{32}", " ".join(back))
    name = next((one for one in tools if one.endswith(tool)), tool)
    return name, json.loads(arguments.replace("RUN", runs[0] if runs else "RUN"))


def _text(content: Any) -> str:
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        return " ".join(str(part.get("text") or "") or _text(part.get("content")) for part in parts)
    return content if isinstance(content, str) else ""


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:16]}"


ERRORS = {401: "Incorrect API key provided.", 500: "The server had an error."}


def _refused(request: Request) -> Response | None:
    mode = request.path_params.get("mode", "")
    if mode not in ("s401", "s500"):
        return None
    code = int(mode[1:])
    error = {"message": ERRORS[code], "type": "error", "code": code, "status": "UNAUTHENTICATED"}
    return JSONResponse({"type": "error", "error": error}, code)


async def _asked(request: Request, key: str) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        raw = gzip.decompress(raw)
    asked: dict[str, Any] = json.loads(raw)
    _seen.append(json.dumps(asked.get(key, "")))
    return asked


def _stream(events: Iterable[tuple[str, Any]]) -> Response:
    """Send events with their names, if they have one."""
    named = (f"event: {name}\n" * bool(name) + f"data: {json.dumps(data)}\n\n" for name, data in events)
    return StreamingResponse(named, media_type="text/event-stream")


async def chat(request: Request) -> Response:
    """Answer POST /v1/chat/completions, streamed or whole."""
    if refused := _refused(request):
        return refused
    asked = await _asked(request, "messages")
    said = [Said(one["role"], _text(one.get("content")), one["role"] == "tool") for one in asked["messages"]]
    functions = [tool["function"] for tool in asked.get("tools") or [] if tool.get("type") == "function"]
    reply = Reply(said, {one["name"]: one.get("parameters") or {} for one in functions})
    base = {"id": _id("chatcmpl"), "created": 1, "model": asked.get("model", "fake")}
    usage = {
        "prompt_tokens": reply.taken,
        "completion_tokens": reply.made,
        "total_tokens": reply.taken + reply.made,
    }
    calls = []
    if reply.call:
        function = {"name": reply.call[0], "arguments": json.dumps(reply.call[1])}
        calls = [{"index": 0, "id": _id("call"), "type": "function", "function": function}]
    if asked.get("stream"):
        return StreamingResponse(_chat_chunks(base, reply, calls, usage), media_type="text/event-stream")
    message = {
        "role": "assistant",
        "content": None if calls else reply.text,
        **({"tool_calls": calls} if calls else {}),
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return JSONResponse({**base, "object": "chat.completion", "choices": [choice], "usage": usage})


def _chat_chunks(
    base: dict[str, Any], reply: Reply, calls: list[Any], usage: dict[str, int]
) -> Iterator[str]:
    pieces: list[dict[str, Any]] = [{"content": f"{word} "} for word in reply.words]
    deltas = [{"role": "assistant", "content": ""}, *([{"tool_calls": calls}] if calls else pieces)]
    for delta in deltas:
        yield _chunk(base, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _chunk(base, [{"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}])
    yield _chunk(base, [], usage=usage)
    yield "data: [DONE]\n\n"


def _chunk(base: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> str:
    return f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', 'choices': choices, **more})}\n\n"


async def responses(request: Request) -> Response:
    """Answer POST /v1/responses, streamed or whole."""
    if refused := _refused(request):
        return refused
    asked = await _asked(request, "input")
    given = asked.get("input") or []
    said = [Said("user", given)] if isinstance(given, str) else [_response_said(one) for one in given]
    functions = [tool for tool in asked.get("tools") or [] if tool.get("type") == "function"]
    spaces = [tool for tool in asked.get("tools") or [] if tool.get("type") == "namespace"]
    inside = {one["name"]: space["name"] for space in spaces for one in space["tools"]}
    known = {one["name"]: one.get("parameters") or {} for one in functions}
    reply = Reply(said, {**known, **{name: {} for name in inside}})
    part = {"type": "output_text", "text": reply.text, "annotations": [], "logprobs": []}
    item: dict[str, Any] = {"id": _id("msg"), "type": "message", "status": "completed", "role": "assistant"}
    item["content"] = [part]
    if reply.call:
        call = {"call_id": _id("call"), "name": reply.call[0], "arguments": json.dumps(reply.call[1])}
        call |= {"namespace": inside[reply.call[0]]} if reply.call[0] in inside else {}
        item = {"id": _id("fc"), "type": "function_call", "status": "completed", **call}
    whole = _response(str(asked.get("model", "fake")), item, reply)
    return _stream(_response_events(whole, reply)) if asked.get("stream") else JSONResponse(whole)


def _response_said(one: dict[str, Any]) -> Said:
    if str(one.get("type", "")).endswith("_output"):
        return Said("user", _text(one.get("output")), tool=True)
    role = one.get("role", "system" if one.get("type") != "message" else "user")
    return Said("system" if role == "developer" else role, _text(one.get("content")))


def _response(model: str, item: dict[str, Any], reply: Reply) -> dict[str, Any]:
    usage = {
        "input_tokens": reply.taken,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.taken + reply.made,
    }
    nothing = dict.fromkeys(("error", "incomplete_details", "instructions"))
    return {
        "id": _id("resp"), "object": "response", "created_at": 1, "status": "completed", "model": model,
        "output": [item], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "metadata": {},
        "usage": usage, **nothing,
    }  # fmt: skip


def _response_events(whole: dict[str, Any], reply: Reply) -> Iterator[tuple[str, Any]]:
    item = whole["output"][0]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    spoken: list[dict[str, Any]] = [
        {"type": "response.output_text.delta", **place, "delta": f"{word} ", "logprobs": []}
        for word in reply.words
    ]
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *(
            []
            if reply.call
            else [*spoken, {"type": "response.output_text.done", **place, "text": reply.text}]
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        yield event["type"], {**event, "sequence_number": number}


async def messages(request: Request) -> Response:
    """Answer POST /v1/messages, streamed or whole."""
    if refused := _refused(request):
        return refused
    asked = await _asked(request, "messages")
    said = [Said(one["role"], _text(one["content"]), _gave_back(one["content"])) for one in asked["messages"]]
    reply = Reply(said, {tool["name"]: tool.get("input_schema") or {} for tool in asked.get("tools") or []})
    block: dict[str, Any] = {"type": "text", "text": reply.text}
    if reply.call:
        block = {"type": "tool_use", "id": _id("toolu"), "name": reply.call[0], "input": reply.call[1]}
    whole = {
        "id": _id("msg"), "type": "message", "role": "assistant", "model": asked.get("model", "fake"),
        "content": [block], "stop_reason": "tool_use" if reply.call else "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": reply.taken, "output_tokens": reply.made},
    }  # fmt: skip
    return _stream(_message_events(whole, reply)) if asked.get("stream") else JSONResponse(whole)


def _gave_back(content: Any) -> bool:
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and part.get("type") == "tool_result" for part in parts)


def _message_events(whole: dict[str, Any], reply: Reply) -> Iterator[tuple[str, Any]]:
    block = whole["content"][0]
    empty = {**block, **({"input": {}} if reply.call else {"text": ""})}
    pieces = [{"type": "text_delta", "text": f"{word} "} for word in reply.words]
    if reply.call:
        pieces = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": empty},
        *({"type": "content_block_delta", "index": 0, "delta": piece} for piece in pieces),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": whole["stop_reason"]}, "usage": whole["usage"]},
        {"type": "message_stop"},
    ]
    yield from ((event["type"], event) for event in events)


async def count(_: Request) -> Response:
    """Answer POST /v1/messages/count_tokens."""
    return JSONResponse({"input_tokens": 10})


async def gemini(request: Request) -> Response:
    """Answer POST /v1beta/models/NAME:ACTION."""
    if refused := _refused(request):
        return refused
    asked = await _asked(request, "contents")
    said = [_gemini_said(one) for one in asked.get("contents") or []]
    declared = [one for tool in asked.get("tools") or [] for one in tool.get("functionDeclarations") or []]
    schemas = {
        one["name"]: one.get("parametersJsonSchema") or one.get("parameters") or {} for one in declared
    }
    reply = Reply(said, schemas)
    if "countTokens" in request.url.path:
        return JSONResponse({"totalTokens": 10})
    parts: list[dict[str, Any]] = [{"text": f"{word} "} for word in reply.words]
    if reply.call:
        parts = [{"functionCall": {"name": reply.call[0], "args": reply.call[1]}}]
    if "streamGenerateContent" in request.url.path:
        last = len(parts) - 1
        return _stream(("", _candidate([part], reply, at == last)) for at, part in enumerate(parts))
    wanted = asked.get("generationConfig", {})
    if wanted.get("responseMimeType") == "application/json":  # its own router asks which model to take
        parts = [{"text": json.dumps({"reasoning": "x", "model_choice": "flash", "complexity_score": 1})}]
    return JSONResponse(_candidate(parts, reply, last=True))


def _gemini_said(one: dict[str, Any]) -> Said:
    role = "assistant" if one.get("role") == "model" else "user"
    return Said(
        role, _text(one.get("parts")), any("functionResponse" in part for part in one.get("parts") or [])
    )


def _candidate(parts: list[Any], reply: Reply, last: bool) -> dict[str, Any]:
    content = {
        "content": {"role": "model", "parts": parts},
        "index": 0,
        **({"finishReason": "STOP"} if last else {}),
    }
    counts = {"promptTokenCount": reply.taken, "candidatesTokenCount": reply.made}
    return {"candidates": [content], "usageMetadata": counts, "modelVersion": "fake"}


async def models(request: Request) -> Response:
    """Answer GET /v1/models."""
    listed = {
        "object": "list",
        "data": [{"id": "fake", "object": "model", "created": 1, "owned_by": "tests"}],
    }
    return _refused(request) or JSONResponse(listed)


async def seen(_: Request) -> Response:
    """Answer GET /seen: the messages of every request, as JSON texts."""
    return JSONResponse(_seen)


def _routes() -> Iterator[Route]:
    posts: dict[str, Callable[[Request], Any]] = {
        "/chat/completions": chat,
        "/responses": responses,
        "/messages": messages,
        "/messages/count_tokens": count,
    }
    for mode in ("", "/{mode}"):
        for path, answer in posts.items():
            yield Route(f"{mode}/v1{path}", answer, methods=["POST"])
        yield Route(f"{mode}/v1/models", models)
        yield Route(mode + "/v1beta/models/{name:path}", gemini, methods=["POST"])
    yield Route("/seen", seen)


app = Starlette(routes=list(_routes()))
