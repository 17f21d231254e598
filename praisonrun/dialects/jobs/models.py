"""The jobs dialect's bodies. Field names are the wire's (contracts: PraisonAI jobs)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Literal

from pydantic import Field

from ...core.delivery import Reach
from ...core.errors import BadRequest, Invalid, escaped
from ...core.json import Json
from ...core.model import Run
from ...engine.engine import Choice
from ...engine.engine import Submit as Ask
from ...store import Key
from ...web.fields import PROMPT_LIMIT, Envs, Name, Text, Whole, WireModel
from ...web.requests import checked_key

_NOT_PAYLOAD = ("idempotency_key", "idempotency_scope")


class Submit(WireModel, extra="ignore", hide_input_in_errors=True):
    """A run to be made. Fields that are not named here are ignored."""

    prompt: Text = Field(description="What the agent is asked: 1 byte to 1 MiB of text.", min_length=1)
    agent: Name | None = Field(None, description="An entry of agents.yaml; default: the file's default.")
    agent_file: Text | None = Field(None, description="A YAML file inside the agent roots.")
    agent_yaml: Text | None = Field(None, description="An inline agents file: 403 unless that is allowed.")
    cwd: Text | None = Field(None, description="Where the agent works, absolute; only for cwd: caller.")
    framework: Name | None = Field(None, description="Which framework executes a crew; default praisonai.")
    timeout: Whole | None = Field(3600, ge=1, le=10**9, description="Seconds; at most the entry's own.")
    webhook_url: Text | None = Field(None, max_length=2048, description="Told when the run has finished.")
    session_id: Name | None = Field(None, description="Groups runs; the agent's PRAISONRUN_SESSION_ID.")
    recipe_name: Name | None = Field(None, description="Names an entry of agents.yaml, as `agent` does.")
    recipe_config: dict[str, Json] | None = Field(None, description="Reaches the agent, as `config` does.")
    config: dict[str, Json] | None = Field(None, description="Reaches the agent in its input file.")
    idempotency_key: str | None = Field(None, description="The header's body form; the header wins.")
    idempotency_scope: Literal["none", "global", "session"] | None = Field(
        None, description="session: the key counts within its session_id only."
    )
    envs: Envs | None = Field(None, description="Environment of this run. Values are never stored.")
    metadata: dict[str, Json] | None = Field(None, description="Any JSON of yours, shown with the run.")
    priority: Whole | None = Field(None, ge=-(10**6), le=10**6, description="Higher is sooner.")
    retries: Whole | None = Field(None, ge=0, le=100, description="How often it is retried if it fails.")
    retention_seconds: Whole | None = Field(
        None, ge=1, le=10**9, description="For how long a failed run's scratch directory is kept, if it is."
    )
    parent: Name | None = Field(None, description="The run on whose behalf this is; its cancel is passed on.")
    waiter: Name | None = Field(
        None, description="The run that waits for this one, so that neither is stuck."
    )


def parse_submit(body: Submit, reach: Reach) -> Ask:
    """Return a body in the engine's words; `reach` is the caller's. Raises Invalid."""
    _check_length(body.prompt)
    if body.agent_yaml is not None and body.agent_file is not None:
        raise Invalid("agent_file and agent_yaml both bring an agent; give one", field="agent_yaml")
    if body.agent and body.recipe_name and body.agent != body.recipe_name:
        raise Invalid("agent and recipe_name name different agents; give one", field="recipe_name")
    return Ask(
        Choice(body.agent or body.recipe_name, body.agent_file, body.framework, body.agent_yaml),
        body.prompt,
        input=_input(body),
        cwd=body.cwd,
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
        waiter=body.waiter,
    )


def _check_length(prompt: str) -> None:
    if len(prompt.encode()) > PROMPT_LIMIT:
        raise Invalid(f"prompt is longer than {PROMPT_LIMIT} bytes", field="prompt")


def _input(body: Submit) -> str | None:
    extra = {"config": body.config, "recipe_config": body.recipe_config}
    given = {name: value for name, value in extra.items() if value}
    return json.dumps({"prompt": body.prompt, **given}) if given else None


def key_of(headers: list[str], body: Submit, given: Mapping[str, Json]) -> Key | None:
    """Return the key of a body as it was given; the header wins over the body. Raises BadRequest."""
    if (key := _key(headers, body.idempotency_key)) is None:
        return None
    in_session = body.idempotency_scope == "session" and body.session_id is not None
    payload = {name: value for name, value in given.items() if name not in _NOT_PAYLOAD}
    return Key(f"jobs:session:{body.session_id}" if in_session else "jobs", key, payload)


def retry_key(headers: list[str], run_id: str, given: Mapping[str, Json]) -> Key | None:
    """Return the key of a retry, whose payload is the origin and the body. Raises BadRequest."""
    key = _key(headers, None)
    return None if key is None else Key("jobs", key, {**given, "retry_of": run_id})


def _key(headers: list[str], named: str | None) -> str | None:
    if len(headers) > 1:
        raise BadRequest("more than one Idempotency-Key header", field="idempotency_key")
    text = headers[0] if headers else named
    if text is None:
        return None
    return checked_key(text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text)


def check_known(given: Mapping[str, Json], model: type[WireModel], where: str) -> None:
    """Raise Invalid for the first field that means nothing here; `where` names what has it: body, query."""
    for line in unknown_fields(given, model, ""):
        raise Invalid(line, field=where)


def unknown_fields(
    given: Mapping[str, Json], model: type[WireModel], fate: str = " and was ignored"
) -> list[str]:
    """Return a line for each field that means nothing here, the ten first: it may be a typo."""
    known = [*model.model_fields]
    lines = []
    for name in [name for name in given if name not in known][:10]:
        close = get_close_matches(name[:100].lower(), known, n=1, cutoff=0.6)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        lines.append(f"the field '{escaped(name[:100])}' is unknown{fate}{hint}")
    return lines


class Retry(WireModel, extra="ignore", hide_input_in_errors=True):
    """What a retry needs anew, and what it does otherwise."""

    envs: Envs | None = Field(None, description="The origin's envs, which were never stored.")
    prompt: Text | None = Field(None, description="Another prompt than the origin's.", min_length=1)


def reworded(origin: Run, prompt: str) -> Run:
    """Return a run with another prompt, in its input too.

    Raises Invalid for one that is too long, and where the prompt is no field of the input.
    """
    _check_length(prompt)
    if origin.input is None:
        return origin._replace(prompt=prompt)
    given = json.loads(origin.input)
    if not isinstance(given, dict) or given.get("prompt") != origin.prompt:
        why = f"the prompt of run {origin.id} was made of its input; submit it anew with another input"
        raise Invalid(why, field="prompt")
    return origin._replace(prompt=prompt, input=json.dumps({**given, "prompt": prompt}, ensure_ascii=False))
