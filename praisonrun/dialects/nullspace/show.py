"""How the Nullspace dialect shows agents (as deployments), versions, runs and services: pure functions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from ...agents import missing_env
from ...core.agent import Agent
from ...core.clock import iso
from ...core.json import Json
from ...core.model import Mode, Run, Snapshot, Status
from ...services.ports import HOST
from ...store import StoredVersion
from . import words


def deployment(agent: Agent, digest: str, seen: tuple[int, int] | None, *, active: bool) -> dict[str, Json]:
    """Return an agent as a deployment; `seen` are the times of its first and its latest version."""
    return {
        "id": words.deployment_id(agent.name),
        "name": agent.name,
        "mode": words.MODE[agent.mode],
        "status": "active" if active else "deleted",
        "metadata": dict(agent.metadata),
        "description": agent.description or None,
        "active_version_id": words.version_id(digest),
        "created_at": iso(seen[0]) if seen else None,
        "updated_at": iso(seen[1]) if seen else None,
        "deleted_at": None,
    }


def version(
    agent: Agent, stored: StoredVersion, environ: Mapping[str, str], *, current: bool
) -> dict[str, Json]:
    """Return a version; `agent` is the entry that it stands for."""
    ready_at = stored.installed_at if agent.install else stored.seen_at
    status = "created" if ready_at is None else "ready"
    retain = agent.retain
    command = agent.command if agent.crew is None else (agent.crew.framework, agent.file)
    timeout = {"timeout_seconds": agent.readiness.timeout_seconds}
    return {
        "id": words.version_id(stored.digest),
        "deployment_id": words.deployment_id(stored.agent),
        "version_number": stored.number,
        "bundle_digest": f"sha256:{stored.digest}",
        "bundle_manifest": {"file": agent.file or None, "entry": agent.name},
        "config": dict(stored.definition),
        "template": "local",
        "workdir": agent.cwd,
        "install_command": shlex.join(agent.install) if agent.install else None,
        "entrypoint_command": shlex.join(command),
        "service_port": agent.port or None,
        "readiness_config": {**_probe(agent), **timeout} if agent.mode is Mode.SERVICE else None,
        "env_spec": _env_spec(agent, environ),
        "resource_config": {"timeout_seconds": agent.timeout, "concurrency": agent.concurrency},
        "debug_config": {"retain_on_failure": retain.on_failure, "retention_seconds": retain.seconds},
        "status": status if current else "superseded",
        "cache_policy": "auto",
        **dict.fromkeys(("cache_summary", "build_summary", "failure_reason")),
        "created_at": iso(stored.seen_at),
        "ready_at": iso(ready_at),
    }


def _probe(agent: Agent) -> dict[str, Json]:
    readiness = agent.readiness
    return {"type": readiness.type, "path": readiness.path if readiness.type == "http" else None}


def _env_spec(agent: Agent, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Require only the names that the server cannot supply: this dialect's client insists on all of them."""
    required = missing_env(agent, environ, {})
    passed = [name for name in agent.env_pass if not set(name) & set("*?[")]
    optional = [name for name in passed if name not in environ and name not in required]
    return {"required": required, "optional": optional}


def run(shown: Snapshot) -> dict[str, Json]:
    """Return a run."""
    run = shown.run
    final = run.finished_at is not None
    return {
        **_common(shown),
        "mode": words.MODE[run.mode],
        "input": _input(run),
        "retain_on_failure": run.retain_on_failure,
        "retention_seconds": run.retention_seconds,
        "process_id": words.process_id(shown),
        "exit_code": run.exit_code if final else None,
        "failure_reason": words.failure_reason(run) if final else None,
        "output_manifest": _manifest(run),
        "completed_at": iso(run.finished_at),
    }


def service(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    """Return a service; `agent` is the version that it runs."""
    run = shown.run
    return {
        **_common(shown),
        "port": run.port,
        "process_id": words.process_id(shown) if run.finished_at is None else None,
        "public_url": _public_url(shown, agent),
        "readiness_status": _readiness(shown, agent),
        "failure_reason": words.failure_reason(run) if run.status is Status.FAILED else None,
        "stopped_at": iso(run.finished_at),
    }


def _common(shown: Snapshot) -> dict[str, Json]:
    run = shown.run
    return {
        "id": words.wire_id(run),
        "deployment_id": words.deployment_id(run.agent),
        "version_id": words.version_id(run.version),
        "status": words.status(shown),
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "started_at": iso(run.started_at),
        "sandbox_id": words.sandbox_id(shown),
        "idempotency_key": run.key,
    }


def _input(run: Run) -> dict[str, Json]:
    value = {"prompt": run.prompt} if run.input is None else json.loads(run.input)
    return value if isinstance(value, dict) else {"input": value}


def _manifest(run: Run) -> dict[str, Json]:
    """Return the manifest of a run's outputs; {} before its end."""
    if run.finished_at is None:
        return {}
    found: dict[str, Json] = (run.summary or {}).get("outputs") or {"outputs": []}
    return found


def outputs(run: Run) -> dict[str, Json]:
    """Return what a run left."""
    found = _manifest(run)
    return {"run_id": words.wire_id(run), "output_manifest": found, "outputs": found.get("outputs", [])}


def _readiness(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    health = words.health(shown)
    return {
        **_probe(agent),
        "phase": words.status(shown),
        "ok": health.ok,
        "attempts": health.attempts,
        "consecutive_failures": health.failures,
        "last_status_code": health.status_code,
        "last_error": health.error,
        "last_checked_at": iso(health.checked_at),
    }


def url(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    """Return where a service answers."""
    return {
        "service_id": words.wire_id(shown.run),
        "status": words.status(shown),
        "public_url": _public_url(shown, agent),
        "port": shown.run.port,
    }


def _public_url(shown: Snapshot, agent: Agent) -> str | None:
    ready = words.status(shown) == "ready" and agent.public_url
    return f"http://{HOST}:{shown.run.port}/" if ready else None
