"""A real server whose state directory is spoiled under it: what it says, what it takes, and what is saved."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

import httpx2
import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from praisonrun.web.errors import handlers, respond

from ..rigs.harness import Json, Server

RESULT = '{"type": "result", "result": 1}'
pytestmark = pytest.mark.scorecard(11)


def health(server: Server) -> Json:
    with server.client() as client:
        answer = client.get("/health")
    assert answer.status_code == 200
    return answer.json()


def refused(server: Server) -> httpx2.Response:
    with server.client() as client:
        return client.post("/api/v1/runs", json={"agent": "echo", "prompt": "x"})


def test_what_a_removed_database_held_is_saved_as_health_says(server: Server, tmp_path: Path) -> None:
    run_id = server.submit("echo", "kept")
    server.ended(run_id)
    for path in server.state.glob("praisonrun.db*"):
        path.unlink()
    answer, shown = refused(server), health(server)
    assert (answer.status_code, shown["status"]) == (503, "degraded")
    assert "praisonrun.db was removed or moved" in answer.json()["detail"]
    assert shown["runs"]["succeeded"] == 1
    safe = tmp_path / "safe"
    safe.mkdir()
    copies = re.search(r"\((cp .*?)\)", shown["problems"][0])
    assert copies is not None
    subprocess.run(["sh", "-ec", copies[1]], cwd=safe, check=True)
    assert server.stop() == 0
    for path in safe.iterdir():
        path.rename(server.state / path.name)
    server.start("--adopt")
    assert server.ended(run_id)["status"] == "succeeded"
    assert health(server)["problems"] == []


def test_a_moved_directory_starts_nothing_and_comes_back(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first, second = server.submit("one", str(gate)), server.submit("one", str(gate))
    server.state.rename(tmp_path / "away")
    answer = refused(server)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "state was removed or moved; /health says" in answer.json()["detail"]
    assert len(health(server)["problems"]) == 1  # and none about a journal
    gate.touch()  # the first ends: its end waits, and so does the second
    assert health(server)["runs"] == {"queued": 1, "running": 1, "succeeded": 0, "failed": 0, "cancelled": 0}
    (tmp_path / "away").rename(server.state)
    assert [server.ended(run)["status"] for run in (first, second)] == ["succeeded", "succeeded"]
    assert health(server)["problems"] == []
    server.stop()
    said = [line for line in server.said if "was removed or moved" in line or "rejected" in line]
    assert len(said) == len({line.split(" ", 2)[2] for line in said}) <= 6


def test_a_second_server_does_not_start_where_the_lock_was_removed(server: Server) -> None:
    assert server.process is not None
    (server.state / "server.lock").unlink()
    command = [*server.program, "serve", "--port", "0", "--state", str(server.state)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert second.returncode == 2
    assert f"in use by another server (pid {server.process.pid}); stop it with `kill" in second.stderr
    assert "server.lock was replaced" in health(server)["problems"][0]
    assert refused(server).status_code == 503


def test_the_journal_of_a_live_run_is_missed(server: Server, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    run_id = server.submit("until", str(gate))
    with server.client() as client, client.stream("GET", f"/api/v1/runs/{run_id}/logs?follow") as logs:
        assert next(logs.iter_lines()) == "up"
    assert health(server)["problems"] == []
    (server.state / "runs" / f"{run_id}.journal").unlink()
    (problem,) = health(server)["problems"]
    assert problem.startswith(f"the journal of run {run_id} was removed")
    assert server.submit("echo")  # others are taken
    gate.touch()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MemoryError(), 503),
        (FileNotFoundError(2, "gone"), 503),
        (OSError(28, "No space left"), 507),
        (RuntimeError("can't start new thread"), 503),
        (RuntimeError("a bug"), 500),
    ],
)
def test_what_the_system_denies_is_no_fault_of_ours(error: Exception, status: int) -> None:
    assert respond(error).status_code == status


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_a_run_that_was_found_again_outlives_a_moved_directory(
    server: Server, agents_file: Path, tmp_path: Path, form: str
) -> None:
    gate, up, starts = tmp_path / "gate", tmp_path / "up", tmp_path / "starts"
    os.mkfifo(up)
    script = f"echo $$ >> {starts}; : > {up}; while [ ! -e {gate} ]; do sleep 0.01; done; echo '{RESULT}'"
    agents_file.write_text(f"agents: {{sh: {{command: [sh], format: {form}}}}}")
    run_id = server.submit("sh", script)
    up.read_bytes()
    agent = psutil.Process(int(starts.read_text()))
    server.kill()
    server.start()
    server.state.rename(tmp_path / "away")
    gate.touch()
    agent.wait()
    for _ in range(30):  # the server hears of it meanwhile
        health(server)
    (tmp_path / "away").rename(server.state)
    ended = server.ended(run_id)
    assert (ended["status"], ended["attempt"], ended["error"]) == ("succeeded", 1, None)
    assert len(starts.read_text().split()) == 1


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread"), OSError(5, "bad")])
def test_an_error_is_told_without_a_thread(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def endpoint(_: Request) -> Response:
        raise error

    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def answered() -> httpx2.Response:
        app = Starlette(routes=[Route("/", endpoint)], exception_handlers=handlers())
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    monkeypatch.setattr("starlette._exception_handler.run_in_threadpool", no_thread)
    answer = asyncio.run(answered())
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
