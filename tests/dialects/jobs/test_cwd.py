"""A run works where its submit says, if its agent's entry leaves that to the caller."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...rigs.harness import Server
from ...rigs.wire_rig import RUNS, Api

AGENTS = """
agents:
  where: {command: [/bin/sh, -c, 'pwd -P'], prompt: none, cwd: caller}
  fixed: {command: [/bin/pwd], prompt: none}
  until: {command: [/bin/sh, -c, 'cat fifo'], prompt: none, cwd: caller}
"""


@pytest.fixture
def proj(tmp_path: Path) -> Path:
    (tmp_path / "proj").mkdir()
    return (tmp_path / "proj").resolve()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("at")
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml", "--concurrency", "1") as server:
        server.start()
        yield server


def test_a_run_works_where_its_submit_says(at: Server, proj: Path) -> None:
    with Api(at.url) as api:
        done = api.ended(api.submit("where", "x", cwd=str(proj)))
        assert (done["status"], done["cwd"]) == ("succeeded", str(proj))
        assert api.result(done["job_id"])["result"] == f"{proj}\n"
        again = api.post(f"{RUNS}/{done['job_id']}/retry").json()["job_id"]
        assert api.ended(again)["cwd"] == str(proj)
        assert api.result(again)["result"] == f"{proj}\n"
        without = api.ended(api.submit("where", "x"))
        assert without["cwd"] is None
        assert api.result(without["job_id"])["result"] == f"{at.home.resolve()}\n"


def test_only_an_agent_that_leaves_it_to_the_caller(at: Server, proj: Path) -> None:
    with Api(at.url) as api:
        before = api.get(RUNS).json()["total"]
        told = api.post(RUNS, json={"agent": "fixed", "prompt": "x", "cwd": str(proj)})
        assert (told.status_code, told.json()["errors"][0]["loc"][-1]) == (422, "cwd")
        assert re.search(r"write cwd: caller in /\S+/agents\.yaml:\d+ to choose", told.json()["detail"])
        offered = {agent["name"]: agent["cwd"] for agent in api.get("/api/v1/agents").json()["agents"]}
        assert (offered["where"], offered["fixed"]) == ("caller", str(at.home))
        assert api.get(RUNS).json()["total"] == before


def test_a_key_means_one_directory(at: Server, proj: Path) -> None:
    with Api(at.url) as api:
        body = {"agent": "where", "prompt": "x", "cwd": str(proj)}
        first, again, other = (
            api.post(RUNS, json={**body, **more}, headers={"Idempotency-Key": "k"})
            for more in ({}, {}, {"cwd": str(proj.parent)})
        )
        assert (first.status_code, again.json()["job_id"]) == (202, first.json()["job_id"])
        assert other.status_code == 409


def test_a_directory_that_is_gone_by_then_fails_the_run_and_says_so(at: Server, proj: Path) -> None:
    os.mkfifo(proj / "fifo")
    gone = proj / "gone"
    gone.mkdir()
    with Api(at.url) as api:
        first, second = (
            api.submit("until", "x", cwd=str(proj)),
            api.submit("where", "x", cwd=str(gone)),
        )
        gone.rmdir()
        (proj / "fifo").write_text("on\n")
        assert api.ended(first)["status"] == "succeeded"
        done = api.ended(second)
        assert (done["status"], done["failure"]) == ("failed", "spawn_failed")
        assert f"cwd {gone} no longer exists" in done["error"]


def test_the_command_sends_its_own_directory_to_an_agent_that_wants_it(at: Server, proj: Path) -> None:
    def said(*words: str) -> str:
        command = [sys.executable, "-m", "praisonrun", "run", "x", "--state", str(at.state), *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=proj, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert said() == said("--cwd", ".") == f"{proj}\n"
    assert said("--cwd", "..") == f"{proj.parent}\n"
    assert said("--agent", "fixed") == f"{at.home}\n"
