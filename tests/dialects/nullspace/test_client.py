"""The unmodified Nullspace client against a real server: every command of the contract, and its SDK.

It lives in an environment of its own: PRAISONRUN_TEST_NULLSPACE names the `nullspace` command there.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ...rigs.harness import Json, Server
from ...rigs.wire_rig import house

pytestmark = pytest.mark.clients
AGENTS = """
agents:
  echo:  {command: ["{python}", -c, "import os,sys; print('got', sys.stdin.read()); print('env', os.environ.get('FOO'), os.environ['NULLSPACE_INPUT'])"]}
  lines: {command: ["{python}", -u, -c, "import time\\nfor i in range(20):\\n print('line', i)\\n time.sleep(0.02)"], prompt: none}
  wait:  {command: [/bin/sh, -c, "echo up; exec sleep 60"], prompt: none}
  fail:  {command: [/bin/sh, -c, "exit 7"], prompt: none}
  broken: {install: [/bin/sh, -c, "exit 3"], command: [/bin/true], prompt: none}
  left:  {command: [/bin/sh, -c, 'printf hi > "$PRAISONRUN_ARTIFACTS/a.txt"'], prompt: none, outputs: [a.txt, b.txt]}
  web:
    mode: service
    command: ["{python}", -u, -m, http.server, "{port}", --bind, 127.0.0.1]
    readiness: {type: http, path: /}
  dead:  {mode: service, command: [/bin/sh, -c, "echo oh no; exit 3"]}
"""  # noqa: E501
SDK = """
import asyncio, json, sys
from nullspace.agent_deployments import AgentDeployment, AsyncAgentDeployment
from nullspace.errors import NotImplementedError, SandboxError
found = next(item for item in AgentDeployment.list().items if item.name == "echo")
agent = AgentDeployment.get(found.id)
version = agent.get_version(agent.active_version_id)
assert [one.id for one in agent.list_versions().items] == [version.id]
run = agent.run(input={"prompt": "sync"}, envs={"FOO": "x"}, idempotency_key="sdk")
messages = [event.message for event in agent.iter_run_logs(run.id, follow=True, poll_interval=0)]
assert "got sync" in messages, messages
assert agent.get_run(run.id).status == "succeeded"
newest = agent.list_runs(status="succeeded", version_id=version.id, limit=1).items
assert [one.id for one in newest] == [run.id]
for change in (lambda: agent.update(description="x"), agent.delete):
    try:
        change()
    except NotImplementedError as error:
        assert error.request_id.startswith("req_")
    else:
        raise AssertionError("it should have been refused")

async def later():
    agent = await AsyncAgentDeployment.get(found.id)
    run = await agent.run(input={"prompt": "async"})
    messages = [event.message async for event in agent.iter_run_logs(run.id, follow=True, poll_interval=0)]
    assert "got async" in messages, messages
    await agent.close()

asyncio.run(later())
print("well")
"""


@pytest.fixture(scope="module")
def command() -> Path:
    given = os.environ.get("PRAISONRUN_TEST_NULLSPACE")
    if not given:
        pytest.skip(
            "nullspace is not here: python -m venv DIR && DIR/bin/pip install 'nullspace-sdk[cli]==0.1.9', "
            "then set PRAISONRUN_TEST_NULLSPACE=DIR/bin/nullspace"
        )
    return Path(given)


@pytest.fixture(scope="module")
def home(command: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from house(tmp_path_factory.mktemp("nullspace"), AGENTS)


class Nullspace:
    """Its commands, each in a process of its own, as a person would run them."""

    def __init__(self, command: Path, server: Server, place: Path) -> None:
        self._command, self._place = command, place
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "NULLSPACE_API_URL": server.url,
            "NULLSPACE_API_KEY": "local",
        }

    def __call__(self, *words: str) -> str:
        """Return what `nullspace agent …` printed. It must end well."""
        done = self.run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._run([str(self._command), "agent", *words])

    def json(self, *words: str) -> Json:
        return json.loads(self(*words, "--json"))

    def python(self, code: str) -> str:
        done = self._run([str(self._command.parent / "python"), "-c", code])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, argv: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, capture_output=True, text=True, env=self._environ, cwd=self._place, timeout=50
        )

    def until(self, what: str, *words: str) -> Json:
        """Return a status once its target is where it should be; each question takes a process's time."""
        while (shown := self.json("status", *words))["target"]["status"] != what:
            assert shown["target"]["status"] in ("queued", "starting", "installing", "running"), shown
        return shown


@pytest.fixture
def nullspace(command: Path, home: Server, tmp_path: Path) -> Nullspace:
    return Nullspace(command, home, tmp_path)


def test_list_and_get(nullspace: Nullspace) -> None:
    header, *rows = nullspace("list").splitlines()
    assert header.split("\t") == ["ID", "NAME", "MODE", "STATUS", "ACTIVE_VERSION"]
    assert [row.split("\t")[1:4] for row in rows][:1] == [["echo", "job", "active"]]
    assert [row.split("\t")[1] for row in nullspace("list", "--mode", "service").splitlines()[1:]] == [
        "web",
        "dead",
    ]
    shown = nullspace.json("get", "echo")
    assert shown["active_version_id"].startswith("adpv_")
    assert nullspace.json("get", shown["id"]) == shown
    assert "not found by name" in nullspace.run("get", "nobody").stderr


def test_a_run_twice_with_one_key_and_then_with_another_payload(nullspace: Nullspace) -> None:
    words = ("run", "echo", "--env", "FOO=bar", "--idempotency-key", "k1", "--input-json")
    first = nullspace.json(*words, '{"prompt": "hi"}')
    shown = nullspace.until("succeeded", "echo", "--run", first["id"])
    assert shown["triage"]["failure_phase"] is None
    assert shown["target"]["input"] == {"prompt": "hi"}
    assert nullspace(*words, '{"prompt": "hi"}') == f"Run: {first['id']} (succeeded)\n"
    other = nullspace.run(*words, '{"prompt": "other"}')
    assert other.returncode != 0
    assert "used with another payload" in other.stderr
    log = nullspace("logs", "echo", "--run", first["id"])
    assert "info got hi\n" in log
    assert 'info env bar {"prompt": "hi"}\n' in log
    tail = nullspace.json("logs", "echo", "--run", first["id"], "--tail", "1")
    assert [event["event_type"] for event in tail["events"]] == ["run_succeeded"]


def test_logs_are_followed_while_it_runs(nullspace: Nullspace) -> None:
    run = nullspace.json("run", "lines")
    words = ("logs", "lines", "--run", run["id"], "--follow", "--poll-interval-ms", "10", "--limit", "7")
    said = [line.split(" ", 3)[-1] for line in nullspace(*words).splitlines()]
    assert said[2:-2] == [f"line {i}" for i in range(20)]
    assert said[-1] == "run succeeded"


@pytest.mark.parametrize(
    ("agent", "phase", "reason"),
    [
        ("fail", "entrypoint", "entrypoint command exited with 7"),
        ("broken", "install", "install command exited with 3"),
    ],
)
def test_failures_are_sorted_by_their_words(
    nullspace: Nullspace, agent: str, phase: str, reason: str
) -> None:
    run = nullspace.json("run", agent)
    shown = nullspace.until("failed", agent, "--run", run["id"])
    assert (shown["triage"]["failure_phase"], shown["triage"]["failure_reason"]) == (phase, reason)
    assert f"failure: {phase} {reason}\n" in nullspace("status", agent)


def test_outputs(nullspace: Nullspace) -> None:
    run = nullspace.json("run", "left")
    nullspace.until("succeeded", "left", "--run", run["id"])
    header, available, missing = nullspace("outputs", "left", "--run", run["id"]).splitlines()
    assert header.split("\t") == ["CONFIGURED_PATH", "STATUS", "KIND", "SIZE_BYTES", "PATH"]
    assert available.split("\t")[:4] == ["a.txt", "available", "file", "2"]
    assert missing.split("\t") == ["b.txt", "missing", "-", "-", "b.txt"]


def test_stop_cancels_a_run(nullspace: Nullspace) -> None:
    run = nullspace.json("run", "wait")
    assert nullspace("stop", "wait", "--run", run["id"], "--reason", "enough") == f"{run['id']} cancelled\n"
    assert "failure: cancel cancelled: enough\n" in nullspace("status", "wait", "--run", run["id"])


def test_the_life_of_a_service(nullspace: Nullspace) -> None:
    assert "has no public URL yet (starting)" in nullspace("url", "web")
    shown = nullspace.until("ready", "web")
    service = shown["target"]["id"]
    assert service.startswith("adsvc_")
    assert shown["triage"]["readiness_status"]["ok"] is True
    url = nullspace("url", "web").strip()
    assert url == f"http://127.0.0.1:{shown['triage']['port']}/" == nullspace.json("url", "web")["public_url"]
    assert httpx2.get(url).status_code == 200
    assert nullspace("restart", "web", "--env", "FOO=bar", "--reason", "why not") == f"{service} starting\n"
    again = nullspace.until("ready", "web", "--service", service)
    assert again["target"]["process_id"] != shown["target"]["process_id"]
    assert httpx2.get(url).status_code == 200
    assert nullspace("stop", "web") == f"{service} stopped\n"
    assert "status=stopped" in nullspace("status", "web")
    log = nullspace("logs", "web", "--service", service)
    assert log.count("Serving HTTP on 127.0.0.1") == 2
    assert log.endswith("service stopped\n") or "service stopped: " in log


def test_a_service_that_cannot_start(nullspace: Nullspace) -> None:
    nullspace("url", "dead")
    shown = nullspace.until("failed", "dead")
    assert shown["triage"]["failure_phase"] == "readiness"
    assert "oh no" in shown["triage"]["failure_reason"]


def test_the_sdk(nullspace: Nullspace) -> None:
    assert nullspace.python(SDK) == "well\n"
