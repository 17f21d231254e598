"""What a key was sent with: null is none, and a payload of before the upgrade is known again."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx2
import pytest

from praisonrun.store import Key

from ..rigs.golden import AGENTS, DATABASE
from ..rigs.harness import Json, Server
from ..rigs.wire_rig import house

OWNER = {"kind": "project", "id": "Aa5f1b0e-0000-4000-8000-000000000001"}
JOB = {"prompt": "x", "agent": "quick", "envs": {"B": "1", "A": "2"}, "metadata": {"n": None}}
CANONICAL = {"kind": "task", "owner": OWNER, "public_id": "once", "request": {"target": "task:quick"}}
RUN = {"envs": {"B": "1", "A": "2"}, "timeout_seconds": 9}
SENT: dict[str, tuple[str, Json, Json]] = {
    "jobs": ("/api/v1/runs", JOB, {**JOB, "envs": ["A", "B"]}),
    "canonical": (
        "/runs",
        CANONICAL,
        {"agent": "quick", "kind": "task", "owner": ["project", OWNER["id"].lower()]},
    ),
    "deployments": ("/v1/agent-deployments/quick/runs", RUN, {**RUN, "envs": ["A", "B"]}),
}
"""A path, a body, and what schema 1 made a digest of."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from house(tmp_path_factory.mktemp("keys"), AGENTS)


def sent(server: Server, path: str, body: Json, key: str) -> httpx2.Response:
    with server.client() as client:
        return client.post(
            path,
            content=json.dumps(body),
            headers={"Idempotency-Key": key, "Content-Type": "application/json"},
        )


def id_of(answer: httpx2.Response) -> str:
    assert answer.is_success, answer.text
    shown = answer.json()
    shown = shown.get("run") or shown
    return str(shown.get("job_id") or shown.get("run_id") or shown["id"])


def old_digest(payload: Json) -> str:
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("dialect", SENT)
def test_a_payload_of_schema_1_is_known_again(dialect: str, server: Server) -> None:
    path, body, counted = SENT[dialect]
    first = id_of(sent(server, path, body, f"old-{dialect}"))
    with closing(sqlite3.connect(server.state / DATABASE)) as db, db:
        where = "WHERE key IN (?, 'once')"
        assert (
            db.execute(f"SELECT fingerprint FROM runs {where}", [f"old-{dialect}"]).fetchone()[0][:2] == "2:"
        )
        db.execute(f"UPDATE runs SET fingerprint = ? {where}", (old_digest(counted), f"old-{dialect}"))
    for again in (body, {**dict(reversed(body.items())), "name": None} if dialect != "canonical" else body):
        assert id_of(sent(server, path, again, f"old-{dialect}")) == first
    other = (
        {**body, "owner": {**OWNER, "kind": "conversation"}}
        if dialect == "canonical"
        else {**body, "envs": {}}
    )
    assert sent(server, path, other, f"old-{dialect}").status_code == 409


@pytest.mark.parametrize("dialect", ["jobs", "deployments"])
def test_null_is_none(dialect: str, server: Server) -> None:
    path, body, _ = SENT[dialect]
    nulls = {"envs": None, "retention_seconds": None}
    bare = {name: value for name, value in body.items() if name != "envs"}
    key = f"nulls-{dialect}"
    first = id_of(sent(server, path, {**nulls, **bare}, key))
    for same in (bare, {**bare, **nulls}, {"retention_seconds": None, **bare}):
        assert id_of(sent(server, path, same, key)) == first
    for other in ({**bare, "envs": {}}, {**bare, "retention_seconds": 9}, {**bare, "metadata": {"n": 1}}):
        assert sent(server, path, other, key).status_code in (409, 422)


def test_a_stored_digest_with_nulls_is_known_by_the_old_function() -> None:
    key = Key("jobs", "k", {"prompt": "x", "session_id": None, "envs": {"B": "", "A": ""}})
    assert key.sent_with(old_digest({"prompt": "x", "session_id": None, "envs": ["A", "B"]}))
    assert key.sent_with(key.fingerprint)
    assert key.fingerprint == "2:" + old_digest({"prompt": "x", "envs": ["A", "B"]})
    for other in ("2:" + old_digest(dict(key.payload)), old_digest({}), "", "2:"):
        assert not key.sent_with(other)
    assert "prompt" not in repr(key)
