"""From a Veryfront request to a submit in the engine's words: pure functions (contracts: canonical runs)."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from ...core.errors import Invalid
from ...core.json import Json
from ...engine.engine import Choice, Submit
from ...store import Key
from ...web.fields import PROMPT_LIMIT
from ...web.requests import fingerprint
from .models import Create, Request

TASK = "task:"
RESULT_ENV = "VERYFRONT_RUN_RESULT_PATH"
"""The variable in which Veryfront's own tasks look for the path of their result."""
SCOPE = "canonical"
"""The scope of the idempotency keys."""
_ECHOED = (
    "implementation_kind",
    "worker_key",
    "source_target_kind",
    "source_target_environment_id",
    "source_target_branch_id",
    "source_target_release_version",
)
"""Fields of a request that are returned in the run's metadata."""
_LABELS = (
    "name",
    "batch_id",
    "start_mode",
    "runtime_target_kind",
    "runtime_target_environment_id",
    "runtime_target_branch_id",
)
"""Fields of a request that are shown unchanged."""


@dataclass(frozen=True, slots=True)
class ParsedCreate:
    """A request in the engine's words."""

    submit: Submit
    key: Key | None
    fingerprint: str | None
    brings_input: bool
    """Whether it has an input: the second step of a start in two steps has one."""


def parse_create(body: Create) -> ParsedCreate:
    """Return a parsed body. Raises Invalid for kinds of runs that only other products have."""
    _check(body)
    agent = _agent(body)
    given = body.request.config if body.kind == "task" else body.request.input
    prompt = prompt_of(body.kind, given)
    if len(prompt.encode()) > PROMPT_LIMIT or "\0" in prompt:
        raise Invalid(f"the prompt must be at most {PROMPT_LIMIT} bytes without NUL", field="request")
    conversation = _conversation(body)
    submit = Submit(
        Choice(agent),
        prompt,
        id=body.public_id,
        input=input_text(body.kind, prompt, given),
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
    key = Key(SCOPE, body.public_id) if body.public_id else None
    identity = {"kind": body.kind, "owner": [body.owner.kind, submit.owner], "agent": agent}
    return ParsedCreate(submit, key, fingerprint(identity) if key else None, brings_input=given is not None)


def _check(body: Create) -> None:
    if body.kind not in ("agent", "task"):
        raise Invalid(f"kind: praisonrun runs agents and tasks, but no {body.kind}", field="kind")
    existing = body.conversation_mode == "existing"
    if existing != (body.conversation_id is not None):
        raise Invalid(
            "conversation_id: is required with conversation_mode existing, and only there",
            field="conversation_id",
        )


def _agent(body: Create) -> str:
    request = body.request
    if body.kind == "agent":
        if request.agent_id is None:
            raise Invalid("request.agent_id: is required for kind agent", field="request")
        return request.agent_id
    if request.target is None or not request.target.removeprefix(TASK) or not request.target.startswith(TASK):
        raise Invalid("request.target: must be task:NAME for kind task", field="request")
    return request.target.removeprefix(TASK)


def _conversation(body: Create) -> str | None:
    """Return the conversation that the run is part of."""
    if body.conversation_mode == "create_new":
        return str(uuid.uuid4())
    if body.conversation_id is None and body.owner.kind == "conversation":
        return body.owner.id
    return body.conversation_id


def _metadata(body: Create) -> dict[str, Json]:
    found = {**(body.request.metadata or {}), **_present(body.request, _ECHOED)}
    if body.trigger is not None:
        found["trigger"] = body.trigger.model_dump(exclude_none=True)
    return found


def _labels(body: Create, conversation: str | None) -> dict[str, Json]:
    trigger = body.trigger.model_dump() if body.trigger else {}
    trigger_id = trigger.get("tool_call_id") or trigger.get("message_id") or trigger.get("conversation_id")
    found = {
        "kind": body.kind,
        "owner": {"kind": body.owner.kind, "id": body.owner.id},
        "conversation_mode": body.conversation_mode,
        "conversation_id": conversation,
        "trigger_id": trigger_id,
        **_present(body.request, _LABELS),
    }
    return {name: value for name, value in found.items() if value is not None}


def _present(request: Request, names: tuple[str, ...]) -> dict[str, Json]:
    found = {name: getattr(request, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def prompt_of(kind: str, given: Json) -> str:
    """Return the prompt of a task's config or an agent's input."""
    if given is None:
        return ""
    if isinstance(given, dict):
        message = last_user_message(given.get("messages")) if kind == "agent" else None
        if message is not None:
            return message
        if isinstance(given.get("prompt"), str):
            return str(given["prompt"])
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


def last_user_message(messages: Json) -> str | None:
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


def input_text(kind: str, prompt: str, given: Json) -> str | None:
    """Return the input file's text: an agent's input verbatim, a task's {prompt, config}."""
    if given is None:
        return None
    return json.dumps({"prompt": prompt, "config": given} if kind == "task" else given)
