"""`services`: start, list, url, restart and stop, by the agent's name or the end of an id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import httpx2
import pytest

from ..rigs.harness import Server, code_of

AGENTS = """
agents:
  echo: {command: [cat]}
  web:
    mode: service
    command: ["{python}", -m, http.server, "{port}", --bind, 127.0.0.1]
    readiness: {type: http, path: /}
  dies: {mode: service, command: [sh, -c, "echo oh no; exit 3"], port: auto}
  needy:
    mode: service
    command: [sh, -c, "exec sleep $SECONDS_OF_IT"]
    env_required: [SECONDS_OF_IT]
    readiness: {type: timeout, timeout_seconds: 0.1}
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("services")
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        server.start()
        yield server


@pytest.fixture
def run(serving: Server, capsys: pytest.CaptureFixture[str]) -> Run:
    def words(*given: str) -> tuple[int, str, str]:
        """Run `services` with these words; return exit code, stdout, stderr."""
        return code_of("services", *given, "--state", str(serving.state)), *capsys.readouterr()

    return words


def test_the_life_of_a_service(run: Run) -> None:
    assert run() == (
        0,
        "",
        "no services; praisonrun services start AGENT starts one, and -a lists stopped ones\n",
    )
    assert run("stop")[::2] == (
        2,
        "praisonrun: no service lives; praisonrun services start AGENT starts one\n",
    )
    code, said, _ = run("start", "web")
    assert (code, said.split()[:2]) == (0, ["ready:", "web"])
    end, address = said.split()[2], said.split()[-1]
    assert run("url") == run("url", "web") == run("url", end) == (0, f"{address}\n", "")
    assert httpx2.get(address).status_code == 200
    head, row = run()[1].splitlines()
    assert head.split() == ["ID", "AGENT", "STATUS", "AGE", "WHERE"]
    assert (row.split()[:3], row.split()[4]) == ([end, "web", "ready"], address)
    assert run("restart", "web")[1].startswith(f"ready: web {end} at http://127.0.0.1:")
    other = json.loads(run("start", "web", "--json")[1])
    assert (other["agent"], other["status"]) == ("web", "ready")
    code, _, told = run("stop", "web")
    assert (code, f"several services are meant: web {other['id'][-6:]}, web {end}; name one" in told) == (
        2,
        True,
    )
    assert run("stop", other["id"])[1] == f"stopped: web {other['id'][-6:]}\n"
    assert run("stop", f"run_{'x' * 20}")[0] == 2
    assert run("stop")[1] == f"stopped: web {end}\n"
    assert [json.loads(line)["status"] for line in run("--json", "-a")[1].splitlines()] == ["stopped"] * 2


def test_a_service_that_fails_says_why(run: Run) -> None:
    code, said, told = run("start", "dies")
    assert code == 1
    assert "readiness failed: exited with code 3 before it was ready; its last lines:\noh no\n" in said
    assert told == ""


def test_a_service_gets_what_it_needs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("start", "needy")[0] == 2
    code, said, _ = run("start", "needy", "--env", "SECONDS_OF_IT=600")
    assert (code, said.split()[:2]) == (0, ["ready:", "needy"])
    monkeypatch.setenv("SECONDS_OF_IT", "601")
    assert run("restart", "needy")[0] == 0
    assert run("stop", "needy")[0] == 0


def test_what_is_no_service_is_answered_with_those_that_there_are(run: Run) -> None:
    for name in ("echo", "nope", "a/b"):
        code, _, told = run("start", name)
        assert (code, told) == (
            2,
            f"praisonrun: no service {name!r} in the agents file; there are: web, dies, needy\n",
        )
