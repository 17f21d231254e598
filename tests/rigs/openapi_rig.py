"""Our OpenAPI document, tried by schemathesis against a server that has something of everything.

schemathesis runs as a program of its own: its pytest plugin would slow the start of every test process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .harness import Json, Server
from .places import ROOT
from .wire_rig import Api

BASE = "/v1/agent-deployments"
TALK = "5a8e4b9e-0c73-4a3b-9d0f-0f6f3f9f8a11"
AGENTS = """
default: nothing
agents:
  nothing: {command: [/bin/true], prompt: none, files: false}
  said:    {command: [/usr/bin/printf, 'one\\ntwo\\n'], prompt: none}
  no:      {command: [/bin/false], prompt: none, files: false, retries: 1, backoff: 0.01}
  left:    {command: [/bin/sh, -c, 'echo hi > "$PRAISONRUN_ARTIFACTS/a.txt"'], prompt: none}
  long:    {command: [/bin/sleep, "600"], prompt: none, files: false, concurrency: 2}
  web:     {mode: service, command: [/bin/sleep, "2"], port: auto, readiness: {type: timeout, timeout_seconds: 1}}
"""  # noqa: E501
"""Nothing that a stranger's words could make do harm."""
AT_THE_DOOR = ("413", "414", "415", "431")
"""Refusals that any request may meet, whatever it asks for."""
OF_ANOTHER_PATH = "405"
"""What an id with `#`, `?` or `/` may meet: it makes the path another one, which may have other methods."""
WELL_FORMED_BUT = [
    *("list_events", "stream_run", "list_canonical_events", "list_conversation_events", "get_run_logs"),
    *("stream_canonical_run", "list_deployments", "list_versions", "list_deployment_runs", "list_services"),
    *("get_service_logs", "submit_run", "retry_run", "create_canonical_run", "create_run", "create_service"),
    *("complete_canonical_run", "cancel_runs", "pause_queue", "resume_queue", "get_logs", "find_run"),
]
"""Operations that may refuse what is well formed: a cursor or agent that names nothing; the last always."""
OF_SERVICES = [
    *("create_service", "list_services", "get_service", "stop_service", "restart_service"),
    *("get_service_logs", "get_service_url"),
]
CONFIG = """
request-timeout = 10
continue-on-failure = true
phases.coverage.unexpected-methods = []  # test_openapi.py has these
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501", "503", "507"]
checks.negative_data_rejection.expected-statuses = [
  "400", "404", "405", "409", "413", "414", "415", "422", "431", "501"
]

[[operations]]
include-operation-id = {operations}
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "403", "404", "409", "422"]
"""
Pools: TypeAlias = Mapping[str, Sequence[str]]
"""The values that a parameter of a path may have, by its name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What schemathesis came to."""

    code: int
    said: str

    @property
    def cases(self) -> int:
        """How many requests were made."""
        found = re.search(r"(\d+) generated", self.said.replace(",", ""))
        assert found, self.said
        return int(found[1])


def tried(server: Server, home: Path, *flags: str) -> Outcome:
    """Have schemathesis try the document of a running server, in a directory of its own."""
    with Api(server.url) as api:
        pools = seeded(api)
        document = strict(api.get("/openapi.json?dialect=all").json(), pools)
    (home / "document.json").write_text(json.dumps(document))
    config = home / "schemathesis.toml"
    config.write_text(CONFIG.format(operations=json.dumps(WELL_FORMED_BUT)))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [str(home / "document.json"), "--url", server.url, "--no-color", "--generation-database=none"]
    # What hypothesis knows of characters takes a second to make, and is the same in any directory.
    environ = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}
    done = subprocess.run([*command, *flags], cwd=home, env=environ, capture_output=True, text=True)
    return Outcome(done.returncode, done.stdout + done.stderr)


def strict(document: Json, pools: Mapping[str, Pools]) -> Json:
    """Return the document with ids that exist in its paths, and without an answer for what it leaves out.

    A stream's schema is of its whole text; schemathesis would read it as that of each event.
    """
    del document["paths"]["/api/v1/events"]  # its streams do not end
    for item in document["paths"].values():
        for row in item.values():
            answers = row["responses"]
            other = answers.pop("default")
            ids = any(parameter["in"] == "path" for parameter in row.get("parameters", ()))
            met = (*AT_THE_DOOR, OF_ANOTHER_PATH) if ids else AT_THE_DOOR
            answers |= {status: other for status in met if status not in answers}
            for answer in answers.values():
                for kind in ("text/event-stream", "application/x-ndjson"):
                    answer.get("content", {}).get(kind, {}).pop("schema", None)
            pool = {**pools[""], **pools.get(row["operationId"], {})}
            for parameter in row.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in pool:
                    parameter["schema"] = {"enum": list(pool[parameter["name"]])}
    return document


def seeded(api: Api) -> dict[str, Pools]:
    """Make runs of every kind; return the values of paths, for all operations and for single ones."""
    runs = [api.ran(name)["job_id"] for name in ("nothing", "said", "no", "left")]
    said = _runs(api)
    live, ids = [api.submit("long") for _ in range(12)], [api.submit("nothing") for _ in range(10)]
    for run_id in ids:
        api.ended(run_id)
    web = [_made(api, "web/services")["id"] for _ in range(3)]
    version = [item["id"] for item in api.get(f"{BASE}/said/versions").json()["items"]]
    service: Pools = {"deployment": ["web"], "service": web}
    run: Pools = {"deployment": ["said"], "run": [_made(api, "said/runs")["id"]], "version": version}
    found: dict[str, Pools] = {
        "": {
            "run_id": [*runs, *said],
            "deployment": ["said", "left", api.get(f"{BASE}/no").json()["id"]],
            "conversation_id": [TALK],
            "path": ["a.txt", "b.txt"],
        },
        "delete_run": {"run_id": ids},
        "cancel_run": {"run_id": [*live[:6], *runs[:1]]},
        "cancel_canonical_run": {"run_id": [*live[6:], *runs[:1]]},
        "cancel_deployment_run": {
            "deployment": ["long"],
            "run": [_made(api, "long/runs")["id"] for _ in "ab"],
        },
        "get_artifact": {"run_id": runs[3:]},
    }
    found |= dict.fromkeys(("get_deployment_run", "get_run_logs", "get_run_outputs", "get_version"), run)
    return found | dict.fromkeys(OF_SERVICES, service)


def _runs(api: Api) -> list[str]:
    """Return finished runs of a conversation."""
    asked = {
        "kind": "agent",
        "owner": {"kind": "conversation", "id": TALK},
        "conversation_mode": "existing",
        "conversation_id": TALK,
        "request": {"agent_id": "said", "input": {"prompt": "x"}},
    }
    ids = [api.post("/runs", json=asked).json()["run"]["run_id"] for _ in range(2)]
    return [api.ended(run_id)["job_id"] for run_id in ids]


def _made(api: Api, what: str) -> Json:
    return api.post(f"{BASE}/{what}", json={}, headers={"Idempotency-Key": str(uuid.uuid4())}).json()
