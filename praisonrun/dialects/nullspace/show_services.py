"""How the Nullspace dialect shows services: pure functions."""

from __future__ import annotations

from ...core.agent import Agent
from ...core.clock import iso
from ...core.json import Json
from ...core.model import Condition, ServiceHealth, Snapshot, Status
from ...services.probes import HOST
from .ids import deployment_id, sandbox_id, version_id, wire_id
from .show import failure_reason, process_id


def service_word(shown: Snapshot) -> str:
    """Return a service's status."""
    if shown.run.status is Status.FAILED:
        return "failed"
    return "stopped" if shown.run.finished_at is not None else str(_health(shown).condition)


def _health(shown: Snapshot) -> ServiceHealth:
    if shown.health is not None:
        return shown.health
    asked = shown.run.cancel_requested_at is not None
    return ServiceHealth(Condition.STOPPING if asked else Condition.STARTING)


def public_url(shown: Snapshot, agent: Agent) -> str | None:
    """Return where a service answers, while it does."""
    ready = service_word(shown) == "ready" and agent.public_url
    return f"http://{HOST}:{shown.run.port}/" if ready else None


def service(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    """Return a service; `agent` is the version that it runs."""
    run = shown.run
    return {
        "id": wire_id(run),
        "deployment_id": deployment_id(run.agent),
        "version_id": version_id(run.version),
        "status": service_word(shown),
        "port": run.port,
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "sandbox_id": sandbox_id(shown),
        "process_id": process_id(shown) if run.finished_at is None else None,
        "public_url": public_url(shown, agent),
        "readiness_status": _readiness(shown, agent),
        "failure_reason": failure_reason(run) if run.status is Status.FAILED else None,
        "started_at": iso(run.started_at),
        "stopped_at": iso(run.finished_at),
        "idempotency_key": run.key,
    }


def _readiness(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    health = _health(shown)
    return {
        "phase": service_word(shown),
        "type": agent.readiness.type,
        "path": agent.readiness.path if agent.readiness.type == "http" else None,
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
        "service_id": wire_id(shown.run),
        "status": service_word(shown),
        "public_url": public_url(shown, agent),
        "port": shown.run.port,
    }
