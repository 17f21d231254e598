"""From a Veryfront request to a submit in the engine's words: pure functions (contracts: canonical runs)."""

from __future__ import annotations

import json
import uuid

from ...core.errors import Invalid
from ...core.json import Json
from ...engine.engine import Choice, Submit
from ...store import Key
from ...web.fields import PROMPT_LIMIT
from .models import Create, Echoed, Shown, Trigger

RESULT_ENV = "VERYFRONT_RUN_RESULT_PATH"
"""The variable in which Veryfront's own tasks look for the path of their result."""


def parse_create(body: Create) -> tuple[Submit, Key | None]:
    """Return a body in the engine's words, and its key. Raises Invalid."""
    _check(body)
    agent, conversation = _agent(body), _conversation(body)
    given = body.request.config if body.kind == "task" else body.request.input
    prompt = _prompt(body.kind, given)
    if len(prompt.encode()) > PROMPT_LIMIT or "\0" in prompt:
        raise Invalid(f"the prompt must be at most {PROMPT_LIMIT} bytes without NUL", field="request")
    submit = Submit(
        Choice(agent),
        prompt,
        id=body.public_id,
        input=_input(body.kind, prompt, given),
        session_id=conversation,
        timeout=body.request.timeout_seconds,
        retries=body.request.backoff_limit,
        metadata=_metadata(body) or None,
        parent=body.parent_run_id,
        held=body.request.initial_status == "pending" and given is None and body.kind == "agent",
        owner=body.owner.id.lower(),
        labels=_labels(body, conversation),
        result_env=RESULT_ENV,
    )
    if body.public_id is None:
        return submit, None
    identity = {"kind": body.kind, "owner": [body.owner.kind, submit.owner], "agent": agent}
    return submit, Key("canonical", body.public_id, identity)


def _check(body: Create) -> None:
    if body.kind not in ("agent", "task"):
        raise Invalid(f"kind: praisonrun runs agents and tasks, but no {body.kind}", field="kind")
    if (body.conversation_mode == "existing") != (body.conversation_id is not None):
        wrong = "conversation_id: is required with conversation_mode existing, and only there"
        raise Invalid(wrong, field="conversation_id")


def _agent(body: Create) -> str:
    if body.kind == "agent":
        if body.request.agent_id is None:
            raise Invalid("request.agent_id: is required for kind agent", field="request")
        return body.request.agent_id
    kind, _, name = (body.request.target or "").partition(":")
    if kind != "task" or not name:
        raise Invalid("request.target: must be task:NAME for kind task", field="request")
    return name


def _conversation(body: Create) -> str | None:
    """Return the conversation that the run is part of."""
    if body.conversation_mode == "create_new":
        return str(uuid.uuid4())
    if body.conversation_id is None and body.owner.kind == "conversation":
        return body.owner.id
    return body.conversation_id


def _metadata(body: Create) -> dict[str, Json]:
    echoed = body.request.model_dump(include=set(Echoed.model_fields), exclude_none=True)
    found = {**(body.request.metadata or {}), **echoed}
    if body.trigger is not None:
        found["trigger"] = body.trigger.model_dump(exclude_none=True)
    return found


def _labels(body: Create, conversation: str | None) -> dict[str, Json]:
    trigger = body.trigger or Trigger()
    found = {
        "kind": body.kind,
        "owner": body.owner.model_dump(),
        "conversation_mode": body.conversation_mode,
        "conversation_id": conversation,
        "trigger_id": trigger.tool_call_id or trigger.message_id or trigger.conversation_id,
        **body.request.model_dump(include=set(Shown.model_fields)),
    }
    return {name: value for name, value in found.items() if value is not None}


def _prompt(kind: str, given: Json) -> str:
    """Return the prompt of a task's config or an agent's input."""
    if given is None:
        return ""
    if isinstance(given, dict):
        message = _last_user_message(given.get("messages")) if kind == "agent" else None
        prompt = given.get("prompt") if message is None else message
        if isinstance(prompt, str):
            return prompt
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def _last_user_message(messages: Json) -> str | None:
    """Return the text of the user's last message, from its `parts` or its `content`."""
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text(message.get("parts", message.get("content")))
    return None


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def _input(kind: str, prompt: str, given: Json) -> str | None:
    """Return the input file's text: an agent's input verbatim, a task's {prompt, config}."""
    if given is None:
        return None
    return json.dumps({"prompt": prompt, "config": given} if kind == "task" else given)
