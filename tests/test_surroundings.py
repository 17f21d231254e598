"""What the starter hands down, and what of it reaches an agent: a real server, started oddly."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .rigs.harness import Server

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
AGENTS = f"""
agents:
  sh: {{command: [sh], timeout: 60}}
  retained: {{command: [sh], retain: {{on_failure: true}}}}
  env: {{command: ["{{python}}", -c, "{SHOW}"], prompt: none}}
  own:
    command: ["{{python}}", -c, "{SHOW}"]
    prompt: none
    env: {{TMPDIR: /var/tmp, PYTHONUNBUFFERED: ""}}
  named: {{command: ["{{python}}", -c, "{SHOW}"], prompt: none, env_pass: [TMPDIR]}}
  manager: {{command: ["{{python}}", -c, "import multiprocessing as m; m.Manager(); print(1)"], prompt: none}}
"""


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[Server]:
    """A server in a place whose path is long, not started yet."""
    home = tmp_path / ("long" * 20)
    home.mkdir()
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        yield server


def result(server: Server, agent: str, prompt: str = "x", **more: Any) -> Any:
    """Return the result of a run that must succeed."""
    run_id = server.submit(agent, prompt, **more)
    ended = server.ended(run_id)
    assert ended["status"] == "succeeded", ended
    with server.client() as client:
        return client.get(f"/api/v1/runs/{run_id}/result").json()["result"]


def environ(server: Server, agent: str = "env", **more: Any) -> dict[str, str]:
    found = result(server, agent, **more)
    names: dict[str, str] = json.loads(found) if isinstance(found, str) else found
    return names


def test_tmpdir_has_room_for_sockets_and_the_entrys_own_wins(odd: Server, tmp_path: Path) -> None:
    odd.environ |= {"TMPDIR": str(tmp_path)}
    odd.start()
    assert str(result(odd, "manager")).strip() == "1"
    seen = environ(odd)
    assert len(seen["TMPDIR"]) <= 40
    assert (seen["PRAISONRUN_SCRATCH"], seen["PYTHONUNBUFFERED"]) == (seen["TMPDIR"], "1")
    assert not os.path.exists(seen["TMPDIR"])
    own = environ(odd, "own")
    assert (own["TMPDIR"], own["PYTHONUNBUFFERED"]) == ("/var/tmp", "")
    assert len(own["PRAISONRUN_SCRATCH"]) <= 40
    assert environ(odd, "named")["TMPDIR"] == str(tmp_path)
    assert environ(odd, envs={"TMPDIR": "/given"})["TMPDIR"] == "/given"


def test_a_scratch_that_is_kept_is_moved_to_the_runs_folder(odd: Server) -> None:
    """Of a run that failed, and of one whose shim was killed; that of any other killed one goes."""
    odd.start()
    failed = odd.submit("retained", "echo x > $TMPDIR/file; exit 1")
    assert odd.ended(failed)["status"] == "failed"
    kill = f"echo x > $TMPDIR/file; echo $TMPDIR >> {odd.home}/places; kill -9 $PPID; sleep 60"
    kept, gone = odd.submit("retained", kill), odd.submit("sh", kill)
    for run_id in (kept, gone):
        assert odd.ended(run_id)["status"] == "failed"
    runs = odd.state / "runs"
    for run_id in (failed, kept):
        assert not (runs / run_id / "scratch").is_symlink()
        assert (runs / run_id / "scratch" / "file").read_text() == "x\n"
    assert not os.path.lexists(runs / gone / "scratch")
    places = (odd.home / "places").read_text().split()
    assert [os.path.lexists(place) for place in places] == [False, False]
