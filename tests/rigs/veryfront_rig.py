"""What tests of the canonical dialect share: requests, the client's schema as we pinned it, readings."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import httpx2

from praisonrun.dialects.veryfront.event_models import PAYLOADS
from praisonrun.dialects.veryfront.events import camel
from praisonrun.files.run_files import RunFiles

from .harness import Json, Server, Sse
from .places import DATA
from .wire_rig import WIRE_AGENTS, exact

SCHEMAS: dict[str, Json] = json.loads((DATA / "veryfront_run_schema.json").read_text())
"""What the client's own schemas demand; `veryfront_client.mjs describe` made it."""
PROJECT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TALK = "5a8e4b9e-0c73-4a3b-9d0f-0f6f3f9f8a11"
AGENTS = (
    WIRE_AGENTS
    + """
  nowhere: {command: [/bin/true], prompt: none, cwd: /no/such/place}
  twice:   # fails once, then succeeds; tells its attempts apart by what it prints
    command: [/bin/sh, -c, 'echo try $PRAISONRUN_ATTEMPT; echo err >&2; test $PRAISONRUN_ATTEMPT != 1']
    prompt: none
    backoff: 0.01
  stuck:   {command: [/bin/sh, -c, "echo up; exec sleep 60"], prompt: none, timeout: 0.3, backoff: 0.01}
  report:
    command: [/bin/sh, -c, 'cd "$PRAISONRUN_ARTIFACTS"; cat > b.json; touch a.txt']
    outputs: [b.json, no.txt]
  slow:    {command: [/bin/sh, -c, "echo no; exit 3"], prompt: none, backoff: 300}
  result:  {command: [/bin/sh, -c, 'cat > "$VERYFRONT_RUN_RESULT_PATH"']}
"""
)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "any": (object,),
}


def faults(schema: Json, value: Json, place: str = "") -> list[str]:
    """Return what a value has that the client's schema would refuse."""
    if schema["type"] == "run":
        schema = SCHEMAS["run"]
    if value is None and (schema.get("nullable") or schema["type"] == "any"):
        return []
    wrong_type = not isinstance(value, _TYPES[schema["type"]])
    if wrong_type or (isinstance(value, bool) and schema["type"] in ("integer", "number")):
        return [f"{place}: {value!r} is no {schema['type']}"]
    if "values" in schema and value not in schema["values"]:
        return [f"{place}: {value!r} is not one of {schema['values']}"]
    found: list[str] = []
    for name, field in schema.get("fields", {}).items():
        if name in value:
            found += faults(field, value[name], f"{place}.{name}")
        elif not field.get("optional"):
            found.append(f"{place}.{name} is missing")
    for number, item in enumerate(value if "items" in schema else ()):
        found += faults(schema["items"], item, f"{place}[{number}]")
    return found


def fit(name: str, answer: httpx2.Response) -> Json:
    """Return the body of an answer that the client takes."""
    body = answer.json()
    assert answer.status_code in (200, 202), answer.text
    assert faults(SCHEMAS[name], body) == []
    return body


def task(agent: str = "echo", config: Json = None, **more: Json) -> dict[str, Any]:
    """Return the body that creates a task run; what is no field of the top belongs to `request`."""
    top = {
        name: more.pop(name) for name in ("public_id", "parent_run_id", "trigger", "owner") if name in more
    }
    request = {"target": f"task:{agent}", "config": {} if config is None else config, **more}
    body: Json = {"kind": "task", "owner": {"kind": "project", "id": PROJECT}, **top}
    return {**body, "request": request}


def agent(name: str = "echo", said: str | None = None, talk: str = TALK, **more: Json) -> dict[str, Any]:
    """Return the body that creates an agent run in a conversation, with what the user said."""
    tops = ("public_id", "parent_run_id", "trigger", "conversation_mode", "conversation_id", "owner")
    top = {field: more.pop(field) for field in tops if field in more}
    request = {"agent_id": name, **more}
    if said is not None:
        parts = [{"type": "text", "text": said}]
        request["input"] = {"messages": [{"id": "m", "role": "user", "parts": parts}]}
    return {"kind": "agent", "owner": {"kind": "conversation", "id": talk}, **top, "request": request}


def create(client: httpx2.Client, body: Json) -> Json:
    """Create a run and return the whole answer."""
    return fit("created", client.post("/runs", json=body))


def made(client: httpx2.Client, body: Json) -> str:
    """Create a run and return its id."""
    return str(create(client, body)["run"]["run_id"])


def rejected(client: httpx2.Client, body: Json, status: int = 400) -> str:
    """Return why a request to create a run is rejected, without a trace."""
    before = client.get("/stats").json()["total"]
    answer = client.post("/runs", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error", "detail"}
    assert client.get("/stats").json()["total"] == before
    return str(answer.json()["detail"])


def got(client: httpx2.Client, run_id: str) -> Json:
    """Return the run as it is now."""
    return fit("run", client.get(f"/runs/{run_id}"))


def ended(client: httpx2.Client, run_id: str) -> Json:
    """Return the run once it is final: its stream closes then."""
    client.get(f"/api/v1/runs/{run_id}/stream")
    return got(client, run_id)


def ran(client: httpx2.Client, body: Json) -> Json:
    """Create a run and return it once it is final."""
    return ended(client, made(client, body))


def events(client: httpx2.Client, run_id: str) -> list[Json]:
    """Return all events of a run, page by page."""
    found: list[Json] = []
    while True:
        after = found[-1]["event_id"] if found else 0
        query = {"after_event_id": after, "limit": 3}
        page = fit("events", client.get(f"/runs/{run_id}/events", params=query))
        found += page["data"]
        if page["page_info"]["next"] is None:
            return found
        assert page["page_info"]["next"] == str(found[-1]["event_id"])


_FORMS = {camel(kind): payload for kind, payload in PAYLOADS.items()}


def streamed(
    client: httpx2.Client, run_id: str, after: int | None = None, talk: str = TALK, enough: int = 1_000_000
) -> list[tuple[int | None, str, Json]]:
    """Return the events of a conversation's stream, up to where the server closes it or there are enough."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    found = []
    with client.stream("GET", f"/conversations/{talk}/runs/{run_id}/stream", headers=headers) as answer:
        assert answer.status_code == 200
        for event in Sse(answer.iter_lines()):
            exact(_FORMS[event[1]], event[2])
            found.append(event)
            if len(found) == enough:
                break
    return found


WORDS = {
    "held": "pending",
    "running": "running",
    "queued": "pending",
    "lost": "failed",
    "cancelled": "cancelled",
    "succeeded": "completed",
    "failed": "failed",
    "timed out": "failed",
    "unspawned": "failed",
}
"""The wire's word for each state of `states`."""


def states(server: Server) -> dict[str, str]:
    """Bring a run into every state; return their ids by name: held, running, queued and six ends."""
    with server.client() as client:
        found = {
            "held": made(client, agent("echo", public_id="Held:1", initial_status="pending")),
            "running": made(client, task("one", {"prompt": "/never/there"})),
            "queued": made(client, task("one", {"prompt": "/never/there"})),
            "lost": made(client, task("wait")),
            "cancelled": made(client, task("wait")),
        }
        for name in ("running", "lost", "cancelled"):
            until_said(client, found[name])
        os.kill(RunFiles(server.state).tail(found["lost"]).started["shim"], signal.SIGKILL)
        fit("cancelled", client.post(f"/runs/{found['cancelled']}/cancel"))
        ends = {"succeeded": "echo", "failed": "fail", "timed out": "short", "unspawned": "nowhere"}
        found |= {name: ran(client, task(which, {"prompt": "x"}))["run_id"] for name, which in ends.items()}
        ended(client, found["lost"])
    return found


def until_said(client: httpx2.Client, run_id: str) -> None:
    """Return when a run has printed something."""
    with client.stream("GET", f"/api/v1/runs/{run_id}/logs?follow") as printed:
        next(printed.iter_text())
