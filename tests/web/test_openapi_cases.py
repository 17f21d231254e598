"""Scorecard 30, short: every boundary that our document draws for runs, tried at a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from praisonrun.web.openapi import document

from ..rigs.harness import Json, Server
from ..rigs.openapi_rig import AGENTS, BASE, TALK, tried
from ..rigs.wire_rig import RUNS, Api, table

pytestmark = pytest.mark.scorecard(30)


@pytest.mark.timeout(180)  # some hundred requests; the proof tries all dialects
def test_the_server_does_what_its_document_says(tmp_path: Path) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    with Server(tmp_path, agents, "--concurrency", "16") as server:
        server.start()
        paths = "--include-path-regex=^/api/v1/runs(/[^/]+)?$"
        came = tried(server, tmp_path, "--phases=coverage", "--seed=1", paths)
        assert came.code == 0, came.said
        assert came.cases > 100


@pytest.fixture(scope="module")
def paths() -> Json:
    return document(table(), "1", "http://x")["paths"]


def parameter(row: Json, name: str) -> Json:
    return next(given for given in row["parameters"] if given["name"] == name)


def test_what_a_parameter_may_be_is_said(paths: Json) -> None:
    key = parameter(paths[BASE + "/{deployment}/runs"]["post"], "Idempotency-Key")
    assert (key["required"], key["schema"]) == (True, {"type": "string", "pattern": "^[!-~]{1,255}$"})
    assert not parameter(paths[RUNS]["post"], "Idempotency-Key")["required"]
    assert "queued" in parameter(paths[RUNS]["get"], "status")["schema"]["pattern"]
    assert parameter(paths["/projects/{project_ref}/runs"]["get"], "cursor")["schema"]["pattern"]
    assert paths["/openapi.json"]["get"]["responses"]["200"]["content"] == {
        "application/json": {"schema": {"type": "object"}}
    }
    assert "400" in paths[BASE]["get"]["responses"]


@pytest.mark.parametrize("cursor", [{}, {"Last-Event-ID": "0"}])
def test_a_stream_refuses_a_query_that_is_no_good(api: Api, cursor: dict[str, str]) -> None:
    run_id = api.ran("quick")["job_id"]
    for query in ("wait=x", "limit=0", "after=-1"):
        assert api.get(f"{RUNS}/{run_id}/stream?{query}", headers=cursor).status_code == 422
    owner = {"kind": "conversation", "id": TALK}
    wanted = {"kind": "agent", "owner": owner, "request": {"agent_id": "quick", "input": {"prompt": "x"}}}
    made = api.post("/runs", json=wanted).json()["run"]["run_id"]
    stream = f"/conversations/{TALK}/runs/{made}/stream"
    assert api.get(f"{stream}?limit=0", headers=cursor).status_code == 400
