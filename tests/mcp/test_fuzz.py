"""No message makes a server of MCP crash or hang, over HTTP and on standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from praisonrun.mcp.table import TOOLS

from ..rigs.harness import Json, Server
from .test_server import BOTH, PING

METHODS = ("initialize", "ping", "tools/list", "tools/call", "resources/list", "resources/read", "x", "")
NAMES = (*TOOLS, "", "rm")
VERSIONS = ("2024-11-05", "2025-11-25", "2026-07-28", "1", "")
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
keys = st.sampled_from(("run_id", "prompt", "agent", "cursor", "last_lines", "result_from", "cwd"))
params = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(NAMES),
        "uri": st.text(max_size=20) | st.just("praisonrun://runs/../logs"),
        "arguments": st.dictionaries(keys, leaves, max_size=4) | values,
        "protocolVersion": st.sampled_from(VERSIONS),
        "_meta": values,
    },
)
message = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(("2.0", "1.0", 2))},
    optional={"id": leaves, "method": st.sampled_from(METHODS), "params": params | values, "result": values},
)
bodies = (message | values | st.lists(message, max_size=3)).map(lambda value: json.dumps(value).encode())
ODD = (
    b"", b"{", b"[" * 5000, b'{"a":' * 5000, b"\xff\xfe", b'"\\ud800"', b"NaN", b"1" * 5000, b"\0",
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}' * 2, b"[]", b"null",
)  # fmt: skip

WRONG: tuple[Json, ...] = ([], {}, 1.5, None)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    body=bodies | st.sampled_from(ODD) | st.binary(max_size=50), version=st.sampled_from((*VERSIONS, None))
)
def test_any_body_is_answered(shared: Server, body: bytes, version: str | None) -> None:
    headers = {
        **BOTH,
        "Content-Type": "application/json",
        **({"MCP-Protocol-Version": version} if version else {}),
    }
    with shared.client() as client:
        assert client.post("/mcp", content=body, headers=headers).status_code < 500
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("opening", ["junk", "handshake"])
def test_any_line_on_standard_input_is_survived(shared: Server, tmp_path: Path, opening: str) -> None:
    start = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": start}
    junk = [
        *ODD,
        *(json.dumps({**PING, "id": one, "params": one}).encode() for one in WRONG),
    ]
    junk += [json.dumps({**PING, "method": name, "params": {"name": "get_run"}}).encode() for name in METHODS]
    first = [json.dumps(hello).encode()]
    lines = [*(first if opening == "handshake" else []), *junk, *first]
    lines.append(json.dumps({"jsonrpc": "2.0", "id": "last", "method": "tools/list"}).encode())
    words = [sys.executable, "-m", "praisonrun", "mcp", "--state", str(shared.state)]
    with subprocess.Popen(
        words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(b"\n".join(line.replace(b"\n", b" ") for line in lines) + b"\n")
        child.stdin.flush()
        answers = iter(child.stdout.readline, b"")
        last = next(answer for answer in map(json.loads, answers) if answer.get("id") == "last")
        assert len(last["result"]["tools"]) == len(TOOLS)
        _, err = child.communicate(timeout=20)
    assert child.returncode == 0
    assert b"Traceback" not in err, err.decode()
