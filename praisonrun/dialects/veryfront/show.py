"""How the Veryfront dialect shows runs: pure functions (contracts: canonical runs).

The client's schema is strict: but for metadata, input, config and output every key is always there.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from ...core.clock import iso
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Run, Snapshot, Status
from ...files.artifacts import Artifact
from ...web.responses import content_type
from .models import Shown

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


def run_object(
    shown: Snapshot, files: Iterable[Artifact] = (), whole: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """Return the run object; `whole` is what lists leave out of it (`given`, and perhaps output and logs)."""
    run, labels = shown.run, shown.run.labels or {}
    kind, status = labels.get("kind", "agent"), _status(shown)
    return {
        **dict.fromkeys(("workflow_id", "schedule_id", "created_by", "logs")),
        **{name: labels.get(name) for name in Shown.model_fields},
        "run_id": run.id,
        "kind": kind,
        "status": status,
        "waiting_reason": _waits_for(shown),
        "owner": labels.get("owner", {"kind": "project", "id": LOCAL}),
        "parent_run_id": run.parent,
        "root_run_id": run.root or run.id,
        "metadata": run.metadata,
        "target": f"{kind}:{run.agent}",
        "error": error_of(run),
        "artifacts": _artifacts(run, files),
        "duration_ms": None if run.duration is None else run.duration // 1000,
        "exit_code": run.exit_code if run.status in FINAL else None,
        "timeout_seconds": None if run.timeout is None else ceil(run.timeout),
        "backoff_limit": run.retries,
        "trigger_kind": "api",
        "trigger_id": labels.get("trigger_id"),
        "created_at": iso(run.created_at),
        "updated_at": iso(run.updated_at),
        "started_at": None if status == "pending" else iso(run.started_at),
        "completed_at": iso(run.finished_at),
        **(whole or {}),
    }


def _status(shown: Snapshot) -> str:
    """Return the status of a run, which is `waiting` while its agent asks something."""
    waits = shown.visible_status is Status.RUNNING and shown.open_questions
    return "waiting" if waits else STATUS[shown.visible_status]


def _waits_for(shown: Snapshot) -> str | None:
    if _status(shown) != "waiting":
        return None
    return "approval" if shown.open_questions[0].kind == "permission" else "input"


def given(run: Run, prompt: str, text: str | None) -> dict[str, Json]:
    """Return what a run was given, `text` as JSON, and no output."""
    found = json.loads(text) if text is not None else None
    if (run.labels or {}).get("kind") == "task":
        return {"input": None, "config": found and found.get("config"), "output": None}
    if found is None and prompt:
        found = {"prompt": prompt}
    return {"input": found, "config": None, "output": None}


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
    found = [("output", path, size) for path, size in outputs.items()]
    found += [("file", file.path, file.size) for file in files if file.path not in outputs]
    return [
        {"kind": kind, "path": path, "contentType": content_type(path), "size": size}
        for kind, path, size in found
    ]


def _outputs(run: Run) -> Iterator[tuple[str, int]]:
    """Yield the path and size of each declared output that is a file and well-formed."""
    for output in (run.summary or {}).get("outputs", {}).get("outputs", ()):
        if isinstance(output, dict) and (output.get("kind"), output.get("status")) == ("file", "available"):
            path, size = output.get("configured_path"), output.get("size_bytes")
            if isinstance(path, str) and isinstance(size, int):
                yield path, size


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
    run, status = shown.run, STATUS[shown.visible_status]
    error = error_of(run) or {}
    return {
        **dict.fromkeys(("waiting_tool_call_id", "waiting_tool_name")),
        "run_id": run.id,
        "conversation_id": conversations(run)[0],
        "message_id": message_id(run.id),
        "agent_id": run.agent,
        "status": status,
        "latest_event_id": latest,
        "latest_external_event_sequence": 0,
        "terminal_error_code": error.get("code"),
        "terminal_error_message": error.get("message"),
        "started_at": None if status == "pending" else iso(run.started_at),
        "finished_at": iso(run.finished_at),
    }


def page(data: list[Json], this: Json, following: Json) -> dict[str, Json]:
    """Return a page between two cursors, which clients return unchanged."""
    return {"data": data, "page_info": {"self": this, "first": None, "next": following, "prev": None}}
