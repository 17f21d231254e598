"""A model server on loopback that always gives the same words: OpenAI chat, responses and models.

    uvicorn --app-dir tests fake_llm:app --port 8099

The last user message is remembered at /seen, so that a test can look at what reached the model.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

WORDS = ("Hello", "from", "the", "fake", "model", ".")
ANSWER = " ".join(WORDS)
_seen: list[str] = []


async def chat(request: Request) -> Response:
    """Answer POST /v1/chat/completions, streamed or whole."""
    asked = await request.json()
    _seen.append(json.dumps(asked.get("messages", [])))
    base = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": asked.get("model", "fake"),
    }
    if asked.get("stream"):
        return StreamingResponse(_chat_chunks(base), media_type="text/event-stream")
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    return JSONResponse({**base, "object": "chat.completion", "choices": [choice], "usage": _usage()})


async def responses(request: Request) -> Response:
    """Answer POST /v1/responses, streamed or whole."""
    asked = await request.json()
    _seen.append(json.dumps(asked.get("input", "")))
    whole = _response(str(asked.get("model", "fake")))
    if asked.get("stream"):
        return StreamingResponse(_response_events(whole), media_type="text/event-stream")
    return JSONResponse(whole)


async def models(_: Request) -> Response:
    """Answer GET /v1/models."""
    return JSONResponse(
        {"object": "list", "data": [{"id": "fake", "object": "model", "created": 1, "owned_by": "tests"}]}
    )


async def seen(_: Request) -> Response:
    """Answer GET /seen: the messages of every request, as JSON texts."""
    return JSONResponse(_seen)


def _usage() -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": len(WORDS), "total_tokens": 10 + len(WORDS)}


def _chat_chunks(base: dict[str, Any]) -> Iterator[str]:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": ""},
        *({"content": f"{w} "} for w in WORDS),
    ]
    for delta in deltas:
        yield _chunk(base, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _chunk(base, [{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield _chunk(base, [], usage=_usage())
    yield "data: [DONE]\n\n"


def _chunk(base: dict[str, Any], choices: list[dict[str, Any]], **more: Any) -> str:
    return f"data: {json.dumps({**base, 'object': 'chat.completion.chunk', 'choices': choices, **more})}\n\n"


def _response(model: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": ANSWER, "annotations": [], "logprobs": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(WORDS),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 10 + len(WORDS),
    }
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": model,
        "output": [item],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "metadata": {},
        "usage": usage,
    }


def _response_events(whole: dict[str, Any]) -> Iterator[str]:
    item = whole["output"][0]
    place = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        *({"type": "response.output_text.delta", **place, "delta": f"{w} ", "logprobs": []} for w in WORDS),
        {"type": "response.output_text.done", **place, "text": ANSWER, "logprobs": []},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    for number, event in enumerate(events):
        yield f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"


app = Starlette(
    routes=[
        Route("/v1/chat/completions", chat, methods=["POST"]),
        Route("/v1/responses", responses, methods=["POST"]),
        Route("/v1/models", models),
        Route("/seen", seen),
    ]
)
