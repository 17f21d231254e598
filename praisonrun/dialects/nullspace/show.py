"""How the deployments dialect names and shows agents, versions, runs and services: pure functions."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping

from ...agents import missing_env
from ...core.clock import iso
from ...core.json import Json
from ...core.model import Agent, Condition, Failure, Mode, Phase, Run, Snapshot, Standing, Status
from ...services.probes import HOST
from ...store import StoredVersion

RUN, SERVICE = "adrun_", "adsvc_"
MODE = {Mode.RUN: "job", Mode.SERVICE: "service"}
STATUS = {
    Status.QUEUED: "queued",
    Status.SUCCEEDED: "succeeded",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
TIMED_OUT = frozenset({Failure.TIMED_OUT, Failure.IDLE_TIMED_OUT})
_OURS = "run_"
_FOREIGN = "~"
"""Marks ids that callers chose without the prefix of ours. No id contains it, so no two ids collide."""


def deployment_id(agent: str) -> str:
    """Return the id of an agent."""
    return f"adpl_{hashlib.sha256(agent.encode()).hexdigest()[:12]}"


def version_id(digest: str) -> str:
    """Return the id of a version."""
    return f"adpv_{digest[:12]}"


def wire_id(run: Run) -> str:
    """Return the id of a run or service in this dialect."""
    return (SERVICE if run.mode is Mode.SERVICE else RUN) + _suffix(run)


def run_id(wire: str, mode: Mode) -> str | None:
    """Return the id of the run with this dialect's id; None for an id of another kind."""
    prefix = SERVICE if mode is Mode.SERVICE else RUN
    if not wire.startswith(prefix):
        return None
    suffix = wire.removeprefix(prefix)
    return suffix.removeprefix(_FOREIGN) if suffix.startswith(_FOREIGN) else _OURS + suffix


def _suffix(run: Run) -> str:
    return run.id.removeprefix(_OURS) if run.id.startswith(_OURS) else _FOREIGN + run.id


def process_id(shown: Snapshot) -> int | None:
    """Return the process of a run's latest attempt; None until it has one."""
    return None if shown.visible_status is Status.QUEUED else shown.pid


def deployment(agent: Agent, digest: str, seen: tuple[int, int] | None, *, active: bool) -> dict[str, Json]:
    """Return an agent as a deployment; `seen` is when its first and its latest version were."""
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
    """Name only what the server cannot supply: this dialect's client refuses to run without the rest."""
    required = missing_env(agent, environ, {})
    passed = [name for name in agent.env_pass if not set(name) & set("*?[")]
    return {
        "required": required,
        "optional": [name for name in passed if name not in environ and name not in required],
    }


def run_word(shown: Snapshot) -> str:
    """Return a run's status: what is one failure to the engine may be a status of its own here."""
    run = shown.run
    if run.status is Status.RUNNING:
        return str(shown.phase or Phase.STARTING)
    return "timed_out" if run.failure in TIMED_OUT else STATUS[run.status]


def run(shown: Snapshot) -> dict[str, Json]:
    """Return a run."""
    run = shown.run
    final = run.finished_at is not None
    return {
        "id": wire_id(run),
        "deployment_id": deployment_id(run.agent),
        "version_id": version_id(run.version),
        "mode": MODE[run.mode],
        "status": run_word(shown),
        "input": _input(run),
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "retain_on_failure": run.retain_on_failure,
        "retention_seconds": run.retention_seconds,
        "sandbox_id": sandbox_id(shown),
        "process_id": process_id(shown),
        "exit_code": run.exit_code if final else None,
        "failure_reason": failure_reason(run) if final else None,
        "output_manifest": manifest(run),
        "started_at": iso(run.started_at),
        "completed_at": iso(run.finished_at),
        "idempotency_key": run.key,
    }


def manifest(run: Run) -> dict[str, Json]:
    """Return what a run left; empty before its end."""
    if run.finished_at is None:
        return {}
    found: dict[str, Json] = (run.summary or {}).get("outputs") or {"outputs": []}
    return found


def sandbox_id(shown: Snapshot) -> str | None:
    """Return the name of a run's scratch directory while there is one."""
    return f"sb_{_suffix(shown.run)}" if shown.scratch else None


def _input(run: Run) -> dict[str, Json]:
    if run.input is None:
        return {"prompt": run.prompt}
    value = json.loads(run.input)
    return value if isinstance(value, dict) else {"input": value}


def failure_phase(run: Run) -> str | None:
    """Return the word by which a client sorts failures."""
    if run.status is Status.CANCELLED:
        return "cancel"
    phases = {Failure.INSTALL_FAILED: "install", Failure.READINESS_FAILED: "readiness"}
    return None if run.failure is None else phases.get(run.failure, "entrypoint")


def failure_reason(run: Run) -> str | None:
    """Return why a final run did not succeed, in the words that clients look for."""
    error = run.error or "no reason was given"
    match run.failure:
        case None:
            return run.error if run.status is Status.CANCELLED else None
        case Failure.EXIT_NONZERO | Failure.EXITED:
            how = (
                f"killed by signal {run.signal}" if run.signal is not None else f"exited with {run.exit_code}"
            )
            return f"entrypoint command {how}{_log_of(error)}"
        case Failure.TIMED_OUT:
            return f"entrypoint timed out after {run.timeout:g}s" if run.timeout else f"entrypoint {error}"
        case Failure.IDLE_TIMED_OUT:
            return f"entrypoint timed out: {error}"
        case Failure.INSTALL_FAILED:
            return error
        case Failure.READINESS_FAILED:
            return error if error.startswith("readiness") else f"readiness failed: {error}"
        case Failure.LOST:
            return f"entrypoint {error}"
    return f"entrypoint failed: {error}"


def _log_of(error: str) -> str:
    _, separator, log = error.partition("; its last lines:\n")
    return separator + log


def service_word(shown: Snapshot) -> str:
    """Return a service's status."""
    if shown.run.status is Status.FAILED:
        return "failed"
    return "stopped" if shown.run.finished_at is not None else str(_standing(shown).condition)


def _standing(shown: Snapshot) -> Standing:
    if shown.standing is not None:
        return shown.standing
    asked = shown.run.cancel_requested_at is not None
    return Standing(Condition.STOPPING if asked else Condition.STARTING)


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
    standing = _standing(shown)
    return {
        "phase": service_word(shown),
        "type": agent.readiness.type,
        "path": agent.readiness.path if agent.readiness.type == "http" else None,
        "ok": standing.ok,
        "attempts": standing.attempts,
        "consecutive_failures": standing.failures,
        "last_status_code": standing.status_code,
        "last_error": standing.error,
        "last_checked_at": iso(standing.checked_at),
    }


def url(shown: Snapshot, agent: Agent) -> dict[str, Json]:
    """Return where a service answers."""
    return {
        "service_id": wire_id(shown.run),
        "status": service_word(shown),
        "public_url": public_url(shown, agent),
        "port": shown.run.port,
    }
