"""A server with --idle-exit stops once it has nothing to do, and takes nothing that it would leave alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from praisonrun.web.edge import Edge
from praisonrun.web.transport import ABORT

from .rigs.harness import Server


def test_it_stops_after_its_last_run(tmp_path: Path, agents_file: Path) -> None:
    with Server(tmp_path, agents_file, "--idle-exit", "1s") as server:
        server.start()
        gate = tmp_path / "gate"
        run_id = server.submit("until", str(gate))
        with server.client() as client, client.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
            lines = stream.iter_lines()
            assert any('"up\\n"' in line for line in lines)
            gate.touch()
            assert any("succeeded" in line for line in lines)
        assert server.process is not None
        assert server.process.wait(20) == 0
        server.stop()
        assert any(line.startswith("stopping: there was nothing to do") for line in server.said)
        assert not (server.state / "server.json").exists()


@pytest.mark.anyio
async def test_who_comes_too_late_is_told_nothing() -> None:
    async def never(*_: object) -> Any:
        raise AssertionError

    broken: list[bool] = []
    edge = Edge(Response(), port=80)
    edge.leave()
    scope = {
        "type": "http", "method": "POST", "path": "/api/v1/runs", "raw_path": b"/api/v1/runs",
        "query_string": b"", "headers": [(b"host", b"127.0.0.1:80")],
        "extensions": {ABORT: {"now": lambda: broken.append(True)}},
    }  # fmt: skip
    await edge(scope, never, never)
    assert broken == [True]
