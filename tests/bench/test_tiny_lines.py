"""A finished run that printed a million lines of one byte: no request costs what its journal holds.

Both forms of journals: batches of lines, and a line a frame as older shims wrote it. The bounds are many
times what is measured.
"""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from praisonrun.dialects.nullspace.words import deployment_id
from praisonrun.files.run_files import RunFiles

from ..rigs.harness import Server
from ..rigs.journals import printed
from ..rigs.wire_rig import RUNS, Api

pytestmark = pytest.mark.bench
OUTPUT = b"\n" * 1_000_000 + b'{"type":"result","result":7}\n'
ANSWER, STALL = 1.0, 0.5
"""Seconds: the longest that an answer may take, and that the server may leave all others waiting."""


@pytest.mark.parametrize("old", [True, False])
async def test_no_request_waits_for_a_million_lines(server: Server, *, old: bool) -> None:
    with Api(server.url) as api:
        run_id = api.ran("jsonl")["job_id"]
        deployment = f"/v1/agent-deployments/{deployment_id('jsonl')}/runs"
        log = f"{deployment}/{api.get(deployment).json()['items'][0]['id']}/logs?tail=5"
        RunFiles(server.state).journal(run_id).write_bytes(printed(OUTPUT, old=old))
        assert api.get(f"{RUNS}/{run_id}/result").json()["result"] == 7
    own = f"{RUNS}/{run_id}"
    paths = [own, f"{own}/events?limit=5", f"{own}/result", f"/runs/{run_id}/events?limit=5", log]
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
        for path in paths:
            assert await _seconds(client, path) < ANSWER, path
        many = asyncio.gather(*(_seconds(client, path) for path in paths * 3))
        worst = 0.0
        while not many.done():
            worst = max(worst, await _seconds(client, "/healthz"))
        assert worst < STALL
        assert max(await many) < 3 * ANSWER


async def _seconds(client: httpx2.AsyncClient, path: str) -> float:
    began = time.perf_counter()
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text[:200]
    return time.perf_counter() - began
