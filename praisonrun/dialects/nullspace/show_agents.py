"""How the Nullspace dialect shows agents, as deployments, and their versions: pure functions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from ...agents import missing_env
from ...core.agent import Agent
from ...core.clock import iso
from ...core.json import Json
from ...core.model import Mode
from ...store import StoredVersion
from .ids import deployment_id, version_id

MODE = {Mode.RUN: "job", Mode.SERVICE: "service"}


def deployment(agent: Agent, digest: str, seen: tuple[int, int] | None, *, active: bool) -> dict[str, Json]:
    """Return an agent as a deployment; `seen` are the times of its first and its latest version."""
    return {
        "id": deployment_id(agent.name),
        "name": agent.name,
        "mode": MODE[agent.mode],
        "status": "active" if active else "deleted",
        "metadata": dict(agent.metadata),
        "description": agent.description or None,
        "active_version_id": version_id(digest),
        "created_at": iso(seen[0]) if seen else None,
        "updated_at": iso(seen[1]) if seen else None,
        "deleted_at": None,
    }


def version_status(stored: StoredVersion, agent: Agent, current: str | None) -> str:
    """Return the status of a version; `current` is the digest of the agent's present one."""
    if stored.digest != current:
        return "superseded"
    return "created" if agent.install and stored.installed_at is None else "ready"


def version(
    stored: StoredVersion, agent: Agent, current: str | None, environ: Mapping[str, str]
) -> dict[str, Json]:
    """Return a version. `agent` is the entry that it stands for."""
    status = version_status(stored, agent, current)
    ready_at = stored.installed_at if agent.install else stored.seen_at
    return {
        "id": version_id(stored.digest),
        "deployment_id": deployment_id(stored.agent),
        "version_number": stored.number,
        "bundle_digest": f"sha256:{stored.digest}",
        "bundle_manifest": {"file": agent.file or None, "entry": agent.name},
        "config": dict(stored.definition),
        "template": "local",
        "workdir": agent.cwd,
        "install_command": shlex.join(agent.install) if agent.install else None,
        "entrypoint_command": _entrypoint(agent),
        "service_port": agent.port or None,
        "readiness_config": _readiness_config(agent),
        "env_spec": _env_spec(agent, environ),
        "resource_config": {"timeout_seconds": agent.timeout, "concurrency": agent.concurrency},
        "debug_config": {
            "retain_on_failure": agent.retain.on_failure,
            "retention_seconds": agent.retain.seconds,
        },
        "status": status,
        "cache_policy": "auto",
        "cache_summary": None,
        "build_summary": None,
        "failure_reason": None,
        "created_at": iso(stored.seen_at),
        "ready_at": iso(ready_at),
    }


def _entrypoint(agent: Agent) -> str:
    if agent.crew is not None:
        return shlex.join([agent.crew.framework, agent.file])
    return shlex.join(agent.command)


def _readiness_config(agent: Agent) -> dict[str, Json] | None:
    if agent.mode is not Mode.SERVICE:
        return None
    return {
        "type": agent.readiness.type,
        "path": agent.readiness.path if agent.readiness.type == "http" else None,
        "timeout_seconds": agent.readiness.timeout_seconds,
    }


def _env_spec(agent: Agent, environ: Mapping[str, str]) -> dict[str, list[str]]:
    """Require only the names that the server cannot supply: this dialect's client insists on all of them."""
    required = missing_env(agent, environ, {})
    passed = [name for name in agent.env_pass if not set(name) & set("*?[")]
    return {
        "required": required,
        "optional": [name for name in passed if name not in environ and name not in required],
    }
