"""`praisonrun mcp` as an editor starts it, with or without a server; how clients come to it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from praisonrun.cli import mcp
from praisonrun.config.discovery import Named, holder
from praisonrun.config.form import program
from praisonrun.core.errors import NoServer

from ..rigs.harness import Server, code_of, swept
from ..rigs.mcp_rig import Model, connect

AGENTS = """
agents:
  where: {command: [sh, -c, 'pwd; printf %s "$KEY"'], prompt: none, cwd: caller, env_required: [KEY]}
"""


async def test_it_starts_a_server_for_a_submit_as_run_does(tmp_path: Path) -> None:
    """Until then it lists what the directory's file offers; the run has the editor's directory and key."""
    (tmp_path / "agents.yaml").write_text(AGENTS)
    server = Server(tmp_path, tmp_path / "agents.yaml")
    server.environ["KEY"] = "secret-of-this-test"
    with swept(server.state):
        async with connect("stdio", server, tmp_path) as client:
            model = Model(client)
            offer, _ = await model.does("list_agents")
            assert [agent["name"] for agent in offer["agents"]] == ["where"]
            assert holder(server.state) is None
            facts, _ = await model.does("submit_run", prompt="x")
            assert holder(server.state) is not None
            facts, text = await model.does("wait_run", run_id=facts["run_id"])
            assert facts["status"] == "succeeded", text
            assert f"{tmp_path}\nsecret-of-this-test" in text
        log = (server.state / "server.log").read_text()
        assert "secret-of-this-test" not in log


async def test_a_server_that_was_stopped_is_not_started_to_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp, "PATIENCE", 0.0)
    outside = mcp.Outside(Named(state=server.state))
    assert (await outside.ask("GET", "/api/v1/runs")).status == 200
    server.stop()
    with pytest.raises(NoServer, match=r"no server runs on .*; start one"):
        await outside.ask("GET", "/api/v1/runs")
    assert holder(server.state) is None


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is the PATH; a client in it writes down how it was called."""
    place = tmp_path / "bin"
    place.mkdir()
    for name, code in (("claude", 0), ("codex", 3)):
        file = place / name
        file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/{name}.txt\nexit {code}\n')
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/bin:/usr/bin")
    return place


def test_clients_that_have_a_command_for_it_are_told(
    clients: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = clients.parent
    words = ["mcp", "--state", "here", "--token-file", "t"]
    assert code_of(*words, "--install", "claude") == 0
    told = (home / "claude.txt").read_text().splitlines()
    flags = ["--state", f"{Path.cwd()}/here", "--token-file", f"{Path.cwd()}/t"]
    assert told == ["mcp", "add", "praisonrun", "--", *program(), "mcp", *flags]
    assert code_of(*words, "--install", "codex") == 1
    assert "codex mcp add praisonrun -- " in capfd.readouterr().err
    (clients / "claude").unlink()
    assert code_of(*words, "--install", "claude") == 2
    err = capfd.readouterr().err
    assert "claude is not on PATH; install it (npm install -g @anthropic-ai/claude-code), then: claude" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("client", "key"), [("cursor", "mcpServers"), ("vscode", "servers")])
def test_clients_that_have_a_file_get_json_to_paste(
    client: str, key: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert code_of("mcp", "--install", client) == 0
    out, err = capfd.readouterr()
    entry = json.loads(out)[key]["praisonrun"]
    assert [entry["command"], *entry["args"]] == [*program(), "mcp"]
    assert "mcp.json" in err


def test_a_fault_of_the_command_line_is_told_before_it_serves(capfd: pytest.CaptureFixture[str]) -> None:
    assert code_of("mcp", "--url", "http://x.example:1") == 2
    assert "--url needs --token-file" in capfd.readouterr().err


def test_without_the_sdk_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as without:
        for name in [name for name in sys.modules if name.split(".")[0] == "mcp"]:
            without.delitem(sys.modules, name)
        without.setitem(sys.modules, "mcp", None)
        without.delitem(sys.modules, "praisonrun.mcp.server", raising=False)
        without.delattr("praisonrun.mcp.server", raising=False)
        assert code_of("mcp") == 2
    assert "pip install 'praisonrun[mcp]'" in capfd.readouterr().err
