"""MCP over HTTP is behind the server's edge; it outlives a restart, is loaded late, and may be missing."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import anyio
import httpx2
import pytest

from praisonrun.config import form
from praisonrun.dialects import mcp
from praisonrun.engine.engine import Engine
from praisonrun.web.operations import Dialects
from praisonrun.web.responses import StreamLimits

from ..rigs.harness import AGENTS, Server
from ..rigs.mcp_rig import Model, connect

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
BOTH = {"Accept": "application/json, text/event-stream"}
TOKEN = "a-token-of-this-test-0123456789"


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Host": "evil.example"}, 421, "this server is not evil.example"),
        ({"Origin": "http://evil.example"}, 403, "pages of http://evil.example may not use this server"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "a page of another site may not use this server"),
        ({"Content-Type": "text/plain"}, 415, "Content-Type must be application/json"),
    ],
)
def test_strangers_stay_outside(shared: Server, headers: dict[str, str], status: int, said: str) -> None:
    with shared.client() as client:
        answer = client.post("/mcp", json=PING, headers={**BOTH, **headers})
        assert answer.status_code == status
        assert answer.json()["jsonrpc"] == "2.0"
        assert answer.json()["error"]["message"].startswith(said)
        assert (client.get("/mcp").status_code, client.delete("/mcp").status_code) == (405, 405)
        assert "mcp" not in client.get("/openapi.json?dialect=all").text  # it describes itself


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Server]:
    """A server with a token."""
    (tmp_path / "agents.yaml").write_text(AGENTS)
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with Server(tmp_path, tmp_path / "agents.yaml", "--token-file", str(file)) as server:
        server.start()
        yield server


async def test_runs_and_their_clients_outlive_a_restart(guarded: Server, tmp_path: Path) -> None:
    """Standard input and output wait for the next server; a request over HTTP is told to come again."""
    gate = tmp_path / "gate"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        connect("http", guarded, tmp_path, http) as over_http,
        connect("stdio", guarded, tmp_path) as over_pipe,
    ):
        web, pipe = Model(over_http), Model(over_pipe)
        facts, _ = await web.does("submit_run", agent="until", prompt=str(gate))
        run_id, found = facts["run_id"], {}

        async def waits() -> None:
            found["pipe"], _ = await pipe.does("wait_run", run_id=run_id, seconds=40)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(waits)
            while "running" not in pipe.told:
                await anyio.lowlevel.checkpoint()
            assert await anyio.to_thread.run_sync(guarded.stop) == 0
            await anyio.to_thread.run_sync(guarded.start)
            gate.touch()
        assert found["pipe"]["status"] == "succeeded"
        assert (await web.does("get_run", run_id=run_id))[0]["status"] == "succeeded"
    with guarded.client() as stranger:
        answer = stranger.post("/mcp", json=PING, headers=BOTH)
        assert (answer.status_code, "token" in answer.json()["error"]["message"]) == (401, True)
    assert guarded.stop() == 0
    assert TOKEN not in "".join(guarded.said)


@pytest.fixture
def app() -> Dialects:
    """The endpoint alone, as a server has it that nobody asked by MCP yet."""
    tools = mcp.Mcp(cast("Engine", None), StreamLimits())
    tools.app = made = Dialects(mcp.dialect(tools))
    return made


async def posted(app: Dialects) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
        return await client.post("/mcp", json=PING, headers=BOTH)


async def test_without_the_sdk_it_says_how_to_get_it(app: Dialects, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as without:
        for name in [name for name in sys.modules if name.split(".")[0] == "mcp"]:
            without.delitem(sys.modules, name)
        without.setitem(sys.modules, "mcp", None)
        without.delitem(sys.modules, "praisonrun.mcp.server", raising=False)
        without.delattr("praisonrun.mcp.server", raising=False)
        answer = await posted(app)
    assert answer.status_code == 501
    assert answer.json()["error"]["message"] == mcp.HOW


async def test_it_loads_nothing_of_another_version(app: Dialects, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as upgraded:
        upgraded.setattr(form, "mark", lambda: None)
        answer = await posted(app)
    assert (answer.status_code, answer.json()["error"]["message"]) == (503, mcp.REPLACED)
    assert (await posted(app)).status_code == 200
