"""Errors of the jobs dialect, and what a stop leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from ...rigs.harness import Server
from ...rigs.wire_rig import RUNS, Api, keyed

# Errors


@pytest.mark.parametrize("run_id", ["run_unknown", "..", "%00", "%ff", "%2e%2e%2fx", "run_" + "x" * 300, "*"])
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/retry"), ("GET", "/result"),
     ("GET", "/stream"), ("GET", "/events"), ("GET", "/logs")],
)  # fmt: skip
def test_an_unknown_run_is_a_404(shared: Server, api: Api, method: str, path: str, run_id: str) -> None:
    target = f"{RUNS}/{run_id}{path}".replace("/..", "/%2e%2e")
    answer = api.request(method, httpx2.URL(shared.url, raw_path=target.encode()))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    if run_id == "run_unknown":
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "detail": "Job not found: run_unknown",
        }


def test_unknown_paths_and_methods_are_problems(api: Api) -> None:
    for path in ("/api/v1", RUNS + "//", "/docs", "/favicon.ico"):
        assert api.get(path).status_code == 404
    answer = api.put(RUNS)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD", "POST"})
    assert answer.json()["title"] == "Method Not Allowed"


def test_a_slash_at_the_end_means_nothing(api: Api) -> None:
    run_id = api.post(f"{RUNS}/", json={"agent": "quick", "prompt": "x"}).json()["job_id"]
    assert api.ended(run_id)["job_id"] == api.get(f"{RUNS}/{run_id}/").json()["job_id"] == run_id
    for path in ("/healthz/", f"{RUNS}/?page=1", "/projects/p/runs/", "/v1/agent-deployments/"):
        assert api.get(path).status_code == api.get(path.replace("/?", "?").rstrip("/")).status_code == 200
    assert api.delete(f"{RUNS}/{run_id}/").status_code == 204


def test_a_full_queue_is_a_503_before_any_row(unstarted: Server, tmp_path: Path) -> None:
    unstarted.start("--concurrency", "1", "--queue-limit", "1")
    with Api(unstarted.url) as api:
        held, queued = api.submit("until", str(tmp_path / "gate")), keyed(api, "fits").json()["job_id"]
        answer = keyed(api, "does not fit".replace(" ", "-"))
        assert (answer.status_code, answer.json()["detail"]) == (503, "Job queue is full; retry later.")
        assert int(answer.headers["retry-after"]) >= 1
        assert keyed(api, "fits").json()["job_id"] == queued
        assert api.get(RUNS).json()["total"] == 2
        (tmp_path / "gate").touch()
        assert [api.ended(each)["status"] for each in (held, queued)] == ["succeeded"] * 2


@pytest.mark.scorecard(10)
def test_a_full_disk_is_a_507_before_any_row(unstarted: Server) -> None:
    unstarted.start("--min-free", "1000000000")
    with Api(unstarted.url) as api:
        answer = api.post(RUNS, json={"prompt": "x"})
        assert (answer.status_code, answer.headers["retry-after"]) == (507, "60")
        assert api.get(RUNS).json()["total"] == 0
        assert api.get("/health").json()["status"] == "degraded"


# Races


async def test_what_was_accepted_before_a_stop_is_there_after_it(server: Server) -> None:
    accepted: list[str] = []

    async def submit_on(client: httpx2.AsyncClient) -> None:
        while True:
            try:
                answer = await client.post(RUNS, json={"prompt": "x", "agent": "quick"})
            except httpx2.TransportError:
                return
            if answer.status_code != 202:
                return
            accepted.append(answer.json()["job_id"])
            if len(accepted) == 20:
                stopped.set()

    stopped = asyncio.Event()
    async with httpx2.AsyncClient(base_url=server.url, timeout=30) as client:
        waiting = [asyncio.create_task(submit_on(client)) for _ in range(8)]
        await stopped.wait()
        assert await asyncio.to_thread(server.stop) == 0
        await asyncio.gather(*waiting)
    assert not [line for line in server.said if "Traceback" in line]
    server.start()
    with Api(server.url) as api:
        assert {api.ended(run_id)["status"] for run_id in accepted} == {"succeeded"}
        assert api.get(RUNS).json()["total"] >= len(accepted)
