"""How the Veryfront dialect shows runs: pure functions (contracts: canonical runs).

The client's schema is strict: but for metadata, input, config and output every key is always there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from ...core.clock import iso
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot, Status
from ...files.artifacts import Artifact
from ...web.responses import content_type

STATUS = {
    Status.QUEUED: "pending",
    Status.RUNNING: "running",
    Status.SUCCEEDED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "cancelled",
}
LOCAL = "00000000-0000-0000-0000-000000000000"
"""The project of runs that were submitted over another dialect: those have no projects."""
_MESSAGES = uuid.UUID("6b1f3c5e-8d0a-5c39-9d0e-2f7a54b1c6d8")


@dataclass(frozen=True, slots=True)
class Whole:
    """What a list leaves out of a run."""

    prompt: str
    input: str | None
    """JSON text."""
    output: Json = None
    logs: str | None = None


def status_word(shown: Snapshot) -> str:
    """Return the wire's status."""
    return STATUS[shown.visible_status]


def run_object(
    shown: Snapshot, files: Iterable[Artifact] = (), whole: Whole | None = None
) -> dict[str, Json]:
    """Return the run object; lists show it without `whole`."""
    run, labels = shown.run, shown.run.labels or {}
    kind, word = labels.get("kind", "agent"), status_word(shown)
    return {
        "run_id": run.id,
        "kind": kind,
        "status": word,
        "owner": labels.get("owner", {"kind": "project", "id": LOCAL}),
        "parent_run_id": run.parent,
        "root_run_id": run.root or run.id,
        "waiting_reason": None,
        "metadata": run.metadata,
        "target": f"{kind}:{run.agent}",
        "workflow_id": None,
        "schedule_id": None,
        "batch_id": labels.get("batch_id"),
        "runtime_target_kind": labels.get("runtime_target_kind"),
        "runtime_target_environment_id": labels.get("runtime_target_environment_id"),
        "runtime_target_branch_id": labels.get("runtime_target_branch_id"),
        **(_input_and_output(kind, whole) if whole else {}),
        "error": error_of(run),
        "logs": whole.logs if whole else None,
        "artifacts": _artifacts(run, files),
        "duration_ms": None if run.duration is None else run.duration // 1000,
        "exit_code": run.exit_code if run.status in FINAL else None,
        "start_mode": labels.get("start_mode"),
        "timeout_seconds": None if run.timeout is None else ceil(run.timeout),
        "backoff_limit": run.retries,
        "trigger_kind": "api",
        "trigger_id": labels.get("trigger_id"),
        "created_by": None,
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "started_at": None if word == "pending" else iso(run.started_at),
        "completed_at": iso(run.finished_at),
    }


def _input_and_output(kind: str, whole: Whole) -> dict[str, Json]:
    given = json.loads(whole.input) if whole.input is not None else None
    if kind == "task":
        return {"input": None, "config": given and given.get("config"), "output": whole.output}
    if given is None and whole.prompt:
        given = {"prompt": whole.prompt}
    return {"input": given, "config": None, "output": whole.output}


def error_of(run: Run) -> dict[str, Json] | None:
    """Return why a run failed or was cancelled; None for other runs. A cancel has no code."""
    if run.status is Status.CANCELLED:
        return {"message": run.error or "cancelled"}
    if run.status is not Status.FAILED or run.failure is None:
        return None
    detail = {"exit_code": run.exit_code, "signal": run.signal, "attempt": run.attempt}
    return {"message": run.error or run.failure.value, "code": run.failure.value, "detail": detail}


def _artifacts(run: Run, files: Iterable[Artifact]) -> list[dict[str, Json]]:
    """Return the files that a run left: declared outputs first, then its other artifacts."""
    outputs = dict(_outputs(run))
    others = {file.path: file.size for file in files if file.path not in outputs}
    return [_artifact("output", *output) for output in outputs.items()] + [
        _artifact("file", *other) for other in others.items()
    ]


def _outputs(run: Run) -> Iterator[tuple[str, int]]:
    """Yield the path and size of each declared output that is a file and well-formed."""
    for output in (run.summary or {}).get("outputs", {}).get("outputs", ()):
        if isinstance(output, dict) and (output.get("kind"), output.get("status")) == ("file", "available"):
            path, size = output.get("configured_path"), output.get("size_bytes")
            if isinstance(path, str) and isinstance(size, int):
                yield path, size


def _artifact(kind: str, path: str, size: int) -> dict[str, Json]:
    return {"kind": kind, "path": path, "contentType": content_type(path), "size": size}


def accepted(shown: Snapshot, run: Mapping[str, Json], *, duplicate: bool) -> dict[str, Json]:
    """Return the body of a 202 around a run object."""
    labels = shown.run.labels or {}
    mode = labels.get("conversation_mode")
    return {
        "accepted": True,
        "run": run,
        **({"duplicate": True} if duplicate else {}),
        "conversation_id": labels.get("conversation_id") if mode in ("create_new", "existing") else None,
        "message_id": message_id(shown.run.id) if mode == "create_new" else None,
    }


def message_id(run_id: str) -> str:
    """Return the id of the message that a run writes in its conversation: always the same for a run."""
    return str(uuid.uuid5(_MESSAGES, run_id))


def conversations(run: Run) -> list[str]:
    """Return the ids of the conversations that a run is found under: its own first, then its owner's."""
    labels = run.labels or {}
    owner = labels.get("owner", {})
    owned = owner["id"] if owner.get("kind") == "conversation" else None
    return [found for found in (labels.get("conversation_id"), owned) if found]


def projection(shown: Snapshot, latest: int) -> dict[str, Json]:
    """Return a run as its conversation sees it; `latest` is the id of its latest event."""
    run = shown.run
    error = error_of(run) or {}
    return {
        "run_id": run.id,
        "conversation_id": conversations(run)[0],
        "message_id": message_id(run.id),
        "agent_id": run.agent,
        "status": status_word(shown),
        "latest_event_id": latest,
        "latest_external_event_sequence": 0,
        "waiting_tool_call_id": None,
        "waiting_tool_name": None,
        "terminal_error_code": error.get("code"),
        "terminal_error_message": error.get("message"),
        "started_at": None if status_word(shown) == "pending" else iso(run.started_at),
        "finished_at": iso(run.finished_at),
    }


def page_info(this: str | None, following: str | None) -> dict[str, Json]:
    """Return the cursors around a page. Clients return them unchanged."""
    return {"self": this, "first": None, "next": following, "prev": None}
