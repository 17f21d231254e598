"""The server as a person at a terminal meets it: signals, ports, broken files, stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from .rigs.harness import Server
from .rigs.places import PROGRAMS
from .rigs.processes import of_run


def started(server: Server, agent: str = "wait") -> str:
    """Submit a run and return its id once its agent is up."""
    run_id = server.submit(agent)
    with server.client() as client, client.stream("GET", f"/api/v1/runs/{run_id}/logs?follow=1") as logs:
        assert next(logs.iter_lines()) == "up"
    return run_id


def said(server: Server) -> str:
    """Return the next line that the server prints."""
    assert server.process is not None
    assert server.process.stderr is not None
    return server.process.stderr.readline()


def read_all_but(server: Server, text: str) -> None:
    while text not in said(server):
        pass


def test_the_start_says_all_that_one_needs_and_ctrl_c_without_runs_stops_at_once(server: Server) -> None:
    assert server.stop(signal.SIGINT) == 0
    assert not any("continues" in line for line in server.said)
    text = "".join(server.said)
    assert f"listens on {server.url}" in text
    assert str(server.state) in text
    assert "echo" in text
    assert f"curl {server.url}/api/v1/runs" in text


def test_ctrl_c_leaves_runs_alive(server: Server) -> None:
    run_id = started(server)
    assert server.stop(signal.SIGINT) == 0
    assert any(
        "1 run continues in the background; press again within 3 s to cancel it" in line
        for line in server.said
    )
    assert of_run(run_id)
    server.start()
    with server.client() as client:
        assert client.get(f"/api/v1/runs/{run_id}").json()["status"] == "running"


def test_ctrl_c_twice_cancels_them(server: Server) -> None:
    run_id = started(server)
    assert server.process is not None
    server.process.send_signal(signal.SIGINT)
    read_all_but(server, "press again")
    assert server.stop(signal.SIGINT) == 0
    assert not of_run(run_id)
    server.start()
    with server.client() as client:
        assert client.get(f"/api/v1/runs/{run_id}").json()["status"] == "cancelled"


def test_ctrl_c_in_a_terminal_does_not_reach_the_agents(shared: Server) -> None:
    """The whole foreground group gets the signal; shims and agents are in sessions of their own."""
    run_id = started(shared)
    assert shared.process is not None
    (agent,) = of_run(run_id)
    assert os.getsid(agent) not in (os.getsid(shared.process.pid), os.getsid(0))
    assert os.getpgid(agent) != os.getpgid(shared.process.pid)
    with shared.client() as client:
        client.post(f"/api/v1/runs/{run_id}/cancel")


def serve(home: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "praisonrun", "serve", "--state", str(home / "state"), *flags],
        capture_output=True, text=True, cwd=home, timeout=20,
    )  # fmt: skip


def test_a_port_in_use_is_one_clear_line(shared: Server, tmp_path: Path) -> None:
    done = serve(tmp_path, "--state", str(tmp_path / "other"), "--port", str(shared.port))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{shared.port}: address already in use" in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("agents:\n  a: {comand: [x]}\n", "agents.yaml:2:7: unknown key `comand`"),
        ("agents:\n  a: [\n", "agents.yaml:3:1: not YAML"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    """What is a fault is told by the tests of `agents`."""
    (tmp_path / "agents.yaml").write_text(text)
    done = serve(tmp_path, "--port", "0")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_stop_from_outside(server: Server, tmp_path: Path) -> None:
    run_id = started(server)
    command = [sys.executable, "-m", "praisonrun", "stop", "--state", str(server.state)]
    command += ["--port", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert of_run(run_id)
    server.stop()
    server.start()
    done = subprocess.run([*command, "--cancel"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert not of_run(run_id)
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    server.stop()


def test_a_broken_edit_keeps_the_last_good_version(server: Server) -> None:
    server.agents.write_text("agents: {broken")
    run_id = server.submit("quick")
    assert server.ended(run_id)["status"] == "succeeded"
    with server.client() as client:
        assert "agents.yaml:2:" in client.get("/health").json()["problems"][0]
        server.agents.write_text("agents: {other: {command: [/bin/true], prompt: none}}")
        assert [each["name"] for each in client.get("/api/v1/agents").json()["agents"]] == ["other"]
        assert client.get("/health").json()["problems"] == []


@pytest.mark.parametrize(
    ("path", "kind", "keys"),
    [
        ("/api/v1/runs", "application/problem+json", {"type", "title", "status", "detail"}),
        ("/runs", "application/json", {"error", "detail"}),
        ("/v1/agent-deployments", "application/json", {"error", "code", "request_id"}),
    ],
)
def test_what_is_refused_before_it_is_parsed_is_refused_in_its_dialect(
    shared: Server, path: str, kind: str, keys: set[str]
) -> None:
    with shared.client() as client:
        answer = client.get(f"{path}?q={'x' * 9000}")
        assert (answer.status_code, answer.headers["content-type"], answer.json().keys()) == (414, kind, keys)
        many = client.get(path, headers={f"x-{number}": "y" for number in range(200)})
        assert (many.status_code, many.headers["content-type"], many.json().keys()) == (431, kind, keys)


# --- files that are replaced under a live server ----------------------------------------------------


def test_no_request_imports_a_module(tmp_path: Path, agents_file: Path) -> None:
    with Server(tmp_path, agents_file) as server:
        server.program = [sys.executable, str(PROGRAMS / "importless.py")]
        server.start()
        run_id = server.submit("echo")
        assert server.ended(run_id)["status"] == "succeeded"
        with server.client() as client:
            paths = client.get("/openapi.json?dialect=all").json()["paths"]
            for path in (path for path, item in paths.items() if "get" in item):
                named = re.sub(r"{\w+}", run_id, path)
                with client.stream("GET", named, params={"follow": "0"}) as answer:
                    assert answer.status_code != 500, path
                    if path == "/api/v1/events":  # it does not end
                        next(answer.iter_raw())
                    else:
                        answer.read()
            for path in (path for path, item in paths.items() if "post" in item):
                named = re.sub(r"{\w+}", run_id, path)
                assert client.post(named, json={"prompt": 1}).status_code != 500, path
        assert server.stop() == 0
        assert not any("imported late" in line for line in server.said)


def test_agents_get_the_file_mode_mask_of_the_person(unstarted: Server, tmp_path: Path) -> None:
    unstarted.agents.write_text(
        "agents: {mask: {command: [/bin/sh, -c, umask], prompt: none, install: [/bin/true]}}"
    )
    ours = os.umask(0o027)
    try:
        unstarted.start()
    finally:
        os.umask(ours)
    with unstarted.client() as client:
        for _ in range(2):
            run_id = unstarted.submit("mask")
            assert unstarted.ended(run_id)["status"] == "succeeded"
            assert client.get(f"/api/v1/runs/{run_id}/logs").text == "0027\n"
            children = psutil.Process(unstarted.process.pid if unstarted.process else 0).children()
            for spawner in children:  # the next one is made by a server whose own mask is stricter
                spawner.kill()
    assert {path.stat().st_mode & 0o077 for path in unstarted.state.rglob("*")} == {0}
