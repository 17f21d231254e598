"""From a jobs request to a submit in the engine's words: pure functions (contracts: PraisonAI jobs)."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...core.delivery import Reach
from ...core.errors import BadRequest, Invalid
from ...core.json import Json
from ...engine.engine import Choice, Submit
from ...store import Key
from ...web.fields import PROMPT_LIMIT
from ...web.requests import checked_key, fingerprint
from . import models

_NOT_PAYLOAD = ("idempotency_key", "idempotency_scope")


def parse_submit(body: models.Submit, reach: Reach) -> Submit:
    """Return a body in the engine's words; `reach` is the caller's. Raises Invalid."""
    if len(body.prompt.encode()) > PROMPT_LIMIT:
        raise Invalid(f"prompt is longer than {PROMPT_LIMIT} bytes", field="prompt")
    if body.agent_yaml is not None and body.agent_file is not None:
        raise Invalid("agent_file and agent_yaml both bring an agent; give one", field="agent_yaml")
    return Submit(
        Choice(_agent_name(body), body.agent_file, body.framework, body.agent_yaml),
        body.prompt,
        input=_input(body),
        session_id=body.session_id,
        timeout=body.timeout,
        priority=body.priority,
        retries=body.retries,
        envs=body.envs or {},
        metadata=body.metadata,
        webhook_url=body.webhook_url,
        webhook_reach=reach,
        retention_seconds=body.retention_seconds,
        parent=body.parent,
    )


def _agent_name(body: models.Submit) -> str | None:
    if body.agent and body.recipe_name and body.agent != body.recipe_name:
        raise Invalid("agent and recipe_name name different agents; give one", field="recipe_name")
    return body.agent or body.recipe_name


def _input(body: models.Submit) -> str | None:
    extra = {"config": body.config, "recipe_config": body.recipe_config}
    given = {name: value for name, value in extra.items() if value}
    return json.dumps({"prompt": body.prompt, **given}) if given else None


def key_of(headers: list[str], body: models.Submit) -> Key | None:
    """Return the key and its scope; the header wins over the body. Raises BadRequest."""
    if len(headers) > 1:
        raise BadRequest("more than one Idempotency-Key header", field="idempotency_key")
    given = headers[0] if headers else body.idempotency_key
    if given is None:
        return None
    key = checked_key(given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given)
    if body.idempotency_scope == "session" and body.session_id is not None:
        return Key(f"jobs:session:{body.session_id}", key)
    return Key("jobs", key)


def fingerprint_of(given: Mapping[str, Json]) -> str:
    """Return the digest of a payload, which does not include the key itself."""
    return fingerprint({name: value for name, value in given.items() if name not in _NOT_PAYLOAD})
