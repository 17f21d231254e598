"""`praisonrun services`: what is served where, and starting, stopping and restarting it.

The server speaks of services in the words of Nullspace's deployments: a service is an instance of an agent.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ..config.discovery import Named
from ..core.errors import Invalid, NotFound
from . import ids
from .amounts import span, when
from .client import Client, Pause
from .ids import short
from .local import target
from .outcome import INTERRUPTED, next_steps
from .pipe import print_lines, print_object
from .run import envs_for
from .screen import Screen
from .table import show
from .text import plain

DEPLOYMENTS = "/v1/agent-deployments"
LIVE = ("starting", "ready", "unhealthy", "stopping")
HEAD = ("ID", "AGENT", "STATUS", "AGE", "WHERE")
POLL = 0.1
URL = 23
"""Columns of `http://127.0.0.1:65535/`."""
MOST = 5
"""Candidates that an error names."""

Service = dict[str, Any]
"""As the server shows it, with the name of its `agent`."""


def services(named: Named, *, every: bool, as_json: bool) -> int:
    """Print a line for each service that lives, or each that is known; return 0."""
    with Client(target(named), tries=3) as client:
        found = list(_listed(client, every=every))
    if as_json:
        print_lines(found)
    elif found:
        show(HEAD, [row(each) for each in found], spare=("AGE", "STATUS"), least=URL)
    else:
        start = "" if every else "; praisonrun services start AGENT starts one, and -a lists stopped ones"
        print(f"no services{start}", file=sys.stderr)
    return 0


def start(named: Named, agent: str, env: Sequence[str], *, as_json: bool) -> int:
    """Start a service of an agent and wait until it is ready; return 0, or 1 if it fails."""
    with Client(target(named), tries=3) as client:
        key, body = {"Idempotency-Key": uuid.uuid4().hex}, {"envs": _envs(client, agent, env)}
        made = client.call("POST", f"{DEPLOYMENTS}/{agent}/services", json=body, headers=key)
        return _until_ready(client, {**made, "agent": agent}, as_json=as_json)


def restart(named: Named, word: str | None, env: Sequence[str], *, as_json: bool) -> int:
    """Start a service again under its id and wait until it is ready; return 0, or 1 if it fails."""
    with Client(target(named), tries=3) as client:
        found = find(client, word, ended=True)
        body = {"envs": _envs(client, found["agent"], env)}
        made = client.call("POST", f"{_path(found)}/restart", json=body)
        return _until_ready(client, {**made, "agent": found["agent"]}, as_json=as_json)


def stop(named: Named, word: str | None, *, as_json: bool) -> int:
    """Stop a service, and wait until its process is gone; return 0."""
    with Client(target(named), tries=3) as client:
        found = find(client, word)
        made = client.call("POST", f"{_path(found)}/stop", json={})
    print_object({**made, "agent": found["agent"]}) if as_json else print(f"stopped: {_name(found)}")
    return 0


def url(named: Named, word: str | None, *, as_json: bool) -> int:
    """Print where a service answers; return 0, or 1 if it does not."""
    with Client(target(named), tries=3) as client:
        found = find(client, word)
    if as_json:
        print_object(found)
    elif found["public_url"] is None:
        print(f"{_name(found)} has no address: it is {found['status']}", file=sys.stderr)
    else:
        print(found["public_url"])
    return 0 if found["public_url"] else 1


def find(client: Client, word: str | None, *, ended: bool = False) -> Service:
    """Return the service that an agent's name, an id or its end means; without a word the one that lives.

    With `ended`, of an agent whose services have all ended the newest. Raises NotFound and Invalid, which
    name candidates.
    """
    known = list(_listed(client, every=True))
    of = [each for each in known if word in (None, each["agent"])]
    meant = [each for each in of if each["status"] in LIVE] or (of[:1] if ended else [])
    if word is not None and not of:
        meant = _with_id(client, word, known)
    if not meant:
        live = _names([each for each in known if each["status"] in LIVE])
        there = f"there are: {live}" if live else "praisonrun services start AGENT starts one"
        raise NotFound(f"no service {word or 'lives'}; {there}")
    if len(meant) > 1:
        raise Invalid(f"several services are meant: {_names(meant)}; name one by its id")
    return meant[0]


def _with_id(client: Client, word: str, known: Sequence[Service]) -> list[Service]:
    """Return the service whose id a word means, as for runs. Raises Invalid for a word that means several."""
    with suppress(NotFound):
        end = ids.find(client, word)["job_id"].rpartition("_")[2]
        return [each for each in known if each["id"].rpartition("_")[2] == end]
    return []


def row(service: Mapping[str, Any], now: datetime | None = None) -> tuple[str, ...]:
    """Return the cells of a service."""
    now = now or datetime.now(UTC)
    age = (now - (when(service["started_at"]) or now)).total_seconds()
    why = service["failure_reason"] or service["readiness_status"]["last_error"] or ""
    where = service["public_url"] or ("" if service["status"] == "stopped" else why)
    return short(service["id"]), service["agent"], service["status"], span(age), where


def _listed(client: Client, *, every: bool) -> Iterator[Service]:
    """Yield services, those of an agent together, the newest first."""
    status = {} if every else {"status": ",".join(LIVE)}
    for gone in ({}, {"status": "deleted"}):  # agents that the file no longer has may still serve
        agents = client.call("GET", DEPLOYMENTS, params={"mode": "service", "limit": "100", **gone})
        for agent in agents["items"]:
            path = f"{DEPLOYMENTS}/{agent['id']}/services"
            for service in client.call("GET", path, params={"limit": "100", **status})["items"]:
                yield {**service, "agent": agent["name"]}


def _until_ready(client: Client, made: Service, *, as_json: bool, pause: Pause = time.sleep) -> int:
    """Wait until a service is ready, or has failed; print where it is."""
    name = _name(made)
    try:
        while made["status"] == "starting":
            pause(POLL)
            made = {**client.call("GET", _path(made)), "agent": made["agent"]}
    except KeyboardInterrupt:
        print(f"{name} continues to start; praisonrun services shows it", file=sys.stderr)
        return INTERRUPTED
    if as_json:
        print_object(made)
    elif made["status"] == "ready":
        print(f"ready: {name}{' at ' + made['public_url'] if made['public_url'] else ''}")
    else:
        print(f"{made['status']}: {name}: {plain(made['failure_reason'] or 'no reason given')}", flush=True)
        Screen().hint(next_steps(made["id"], "logs", "services restart"))
    return 0 if made["status"] == "ready" else 1


def _envs(client: Client, agent: str, env: Sequence[str]) -> dict[str, str]:
    """Return what --env names, and what the agent requires, the server lacks and the caller has."""
    offered = {each["name"]: each for each in client.agents()["agents"] if each["mode"] == "service"}
    if agent not in offered:
        there = f"there are: {', '.join(offered)}" if offered else "it needs an entry with mode: service"
        raise Invalid(f"no service {agent!r} in the agents file; {there}")
    return envs_for(offered[agent], env)


def _path(service: Mapping[str, Any]) -> str:
    return f"{DEPLOYMENTS}/{service['deployment_id']}/services/{service['id']}"


def _name(service: Mapping[str, Any]) -> str:
    return f"{service['agent']} {short(service['id'])}"


def _names(services: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(_name(each) for each in services[:MOST])
