"""The single file at work: kills, its unpacked files gone, other versions, a system with nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from praisonrun import __version__
from praisonrun.config import form

from ..rigs.harness import Server
from ..rigs.minimal_root import inside, needs_root_directory
from ..rigs.processes import of_run
from .conftest import AGENTS
from .releases import OTHER, Release, run, unpacked, versions

pytestmark = [pytest.mark.package, pytest.mark.timeout(120, func_only=True)]

LINES = "".join(f"line {number}\n" for number in range(150))


def replace(server: Server, release: Release) -> None:
    """Put another release's file in the place of the server's, as an upgrade does."""
    place = server.home.parent / "praisonrun"
    new = place.with_name("new")
    shutil.copy(release.file, new)
    new.replace(place)


def text(server: Server, run_id: str) -> str:
    with server.client() as client:
        return client.get(f"/api/v1/runs/{run_id}/logs").text


def info(server: Server) -> dict[str, Any]:
    with server.client() as client:
        return dict(client.get("/api/v1/info").json())


def five(server: Server, gate: Path) -> dict[str, str]:
    """Submit five runs, four of which wait for `gate`; return their ids once all but one are under way."""
    ids = {
        "lines": server.submit("lines", str(gate)),
        "more lines": server.submit("lines", str(gate)),
        "python": server.submit("python", str(gate)),
        "more python": server.submit("python", str(gate)),
        "hello": server.submit("hello", "two words"),
    }
    for name in ("lines", "more lines", "python", "more python"):
        with (
            server.client() as client,
            client.stream("GET", f"/api/v1/runs/{ids[name]}/logs?follow=1") as logs,
        ):
            assert next(logs.iter_lines()) in ("line 0", "up")
    return ids


def check(server: Server, ids: dict[str, str]) -> None:
    """All five have ended, with every byte of their output."""
    for name, run_id in ids.items():
        ended = server.ended(run_id)
        assert ended["status"] == "succeeded", (name, ended)
    for name in ("lines", "more lines"):
        assert text(server, ids[name]) == LINES
    for name in ("python", "more python"):
        up, ready = text(server, ids[name]).splitlines()
        assert (up, ready[:2]) == ("up", "3.")
    with server.client() as client:
        assert client.get(f"/api/v1/runs/{ids['hello']}/result").json()["result"]


def cycle(server: Server, upgrade: Callable[[], None], gate: Path) -> None:
    """Serve, five runs, kill -9 of the visible pid, `upgrade` and the unpacked removed, serve again."""
    server.start()
    assert server.process is not None
    listening = json.loads((server.state / "server.json").read_text())
    assert listening["pid"] == server.process.pid
    ids = five(server, gate)
    server.kill()
    upgrade()
    server.start()
    gate.touch()
    check(server, ids)
    for agent in ("hello", "import"):
        again = server.submit(agent)
        assert server.ended(again)["status"] == "succeeded", text(server, again)
    assert server.stop() == 0
    assert not [run_id for run_id in ids.values() if of_run(run_id)]


def test_the_cycle(served: Server, home: Path, other: Release) -> None:
    def upgrade() -> None:
        replace(served, other)
        shutil.rmtree(versions(home))

    cycle(served, upgrade, home / "gate")
    assert unpacked(home).name.startswith(f"{OTHER}-")


@needs_root_directory
@pytest.mark.parametrize("home", ["/home/user", "/"])
def test_the_cycle_with_busybox_and_glibc_alone(
    root: Path, release: Release, other: Release, home: str
) -> None:
    user = root / "home/user"
    (user / "agents.yaml").write_text(AGENTS)
    shutil.copy(release.file, root / "praisonrun")
    kept = root / ("home/user/.local" if home == "/home/user" else "tmp/praisonrun-12345")

    def upgrade() -> None:
        assert list(kept.iterdir())
        shutil.copy(other.file, root / "praisonrun")
        shutil.rmtree(kept)

    with Server(user, user / "agents.yaml") as server:
        server.program = inside(root, "/praisonrun")
        server.environ = {"HOME": home, "PATH": "/bin"}
        cycle(server, upgrade, user / "gate")


def test_nothing_of_the_file_reaches_an_agent(served: Server, home: Path) -> None:
    mine = {"id": "1", "new": "2", "size": "3", "HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    served.environ = dict(mine)
    served.start()
    run_id = served.submit("env")
    served.ended(run_id)
    seen = dict(line.split("=", 1) for line in text(served, run_id).splitlines())
    assert {name: seen[name] for name in mine} == mine
    ours = {name for name in seen if name.startswith("PRAISONRUN_")} | {"PYTHONUNBUFFERED", "TMPDIR"}
    filled = {"USER", "LOGNAME", "SHELL"}  # which the server did not have
    assert seen.keys() - mine.keys() - ours - filled <= {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}
    assert not any(str(versions(home)) in value for name, value in seen.items() if name != "_")
    run_id = served.submit("open")
    served.ended(run_id)
    links = [line.partition(" -> ")[0] for line in text(served, run_id).splitlines() if " -> " in line]
    assert {link.split()[-1] for link in links} == {"0", "1", "2"}
    assert served.process is not None
    held = [os.readlink(link) for link in Path(f"/proc/{served.process.pid}/fd").iterdir()]
    assert not [path for path in held if str(versions(home)) in path or path == served.program[0]]


def test_a_server_whose_files_are_gone_keeps_every_promise(served: Server, home: Path) -> None:
    served.start()
    shutil.rmtree(versions(home))
    hook = {"webhook_url": "http://127.0.0.1:9/hook"}
    (home / "gate").touch()
    run_id = served.submit("lines", str(home / "gate"), **hook)
    assert served.ended(run_id)["status"] == "succeeded"
    assert text(served, run_id) == LINES
    assert served.ended(served.submit("import"))["failure"] == "spawn_failed"
    with served.client() as client:
        assert client.get("/openapi.json").status_code == 200
        assert client.get("/health").json()["status"] == "ok"
        (owed,) = client.get(f"/api/v1/runs/{run_id}/deliveries").json()["deliveries"]
        assert owed["state"] == "pending"
    assert served.stop() == 0


def test_an_upgrade_and_back_with_live_runs(
    served: Server, home: Path, release: Release, other: Release
) -> None:
    served.start()
    ids = five(served, home / "gate")
    for new, version, end in ((other, OTHER, signal.SIGTERM), (release, __version__, signal.SIGKILL)):
        replace(served, new)
        assert info(served)["version"] != version
        served.stop(end)
        served.start()
        assert info(served)["version"] == version
        assert len(list(versions(home).iterdir())) == 2  # live runs hold the older one
    (home / "gate").touch()
    check(served, ids)
    served.stop()
    (old,) = versions(home).glob(f"{OTHER}-*")
    while any(program.startswith(f"{old}/") for program in form._programs() or ()):
        assert old.exists()  # the last shims are ending
    os.utime(old / "used", (0, 0))  # as if it had not been started just now
    served.start()
    while len(list(versions(home).iterdir())) > 1:  # it is removed after the start
        assert info(served)["version"] == __version__
    assert unpacked(home).name.startswith(f"{__version__}-")


def test_the_database_of_a_newer_version_is_rejected_untouched(served: Server) -> None:
    served.start()
    served.ended(served.submit("hello"))
    served.stop()
    database = served.state / "praisonrun.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = {path: path.read_bytes() for path in served.state.rglob("*[!k]") if path.is_file()}
    assert database in before
    command = [*served.program, "serve", "--state", str(served.state), "--port", "0"]
    done = run(command, HOME=str(served.home))
    assert done.returncode == 2
    assert "was made by a newer praisonrun (schema 99, known" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_a_command_starts_a_server_of_the_same_file(served: Server, home: Path) -> None:
    (home / "pydantic.py").write_text("raise SystemExit('not this one')")
    environ = {**os.environ, **served.environ, "PYTHONPATH": str(home), "PYTHONHOME": "/nowhere"}
    state = ["--state", str(home / "state")]
    for words in (["run", "two words", "--port", "18642"], ["stop"]):
        command = [*served.program, *words, *state]
        done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_a_crew_runs_under_another_interpreter(served: Server, home: Path) -> None:
    venv.create(home / "crew")
    (modules,) = (home / "crew/lib").glob("python*/site-packages")
    shutil.copytree(Path(yaml.__file__).parent, modules / "yaml")
    (modules / "praisonai/llm").mkdir(parents=True)
    (modules / "praisonai/agents_generator.py").write_text(GENERATOR)
    (modules / "praisonai/llm/config.py").write_text("build_config_list = list\n")
    (home / "crew.yaml").write_text("framework: praisonai\nroles: {}\n")
    (home / "agents.yaml").write_text(f"python: {home}/crew/bin/python\n{AGENTS}")
    served.start()
    crew = {"agent_file": "crew.yaml", "framework": "praisonai", "prompt": "tides"}
    with served.client() as client:
        run_id = client.post("/api/v1/runs", json=crew).json()["job_id"]
        assert served.ended(run_id)["status"] == "succeeded", text(served, run_id)
        assert client.get(f"/api/v1/runs/{run_id}/result").json()["result"] == f"tides in {home}/crew"


@needs_root_directory
@pytest.mark.parametrize("place", ["etc/pki/tls/cert.pem", "etc/ssl/certs/34ca3b64.0"])
def test_certificates_are_found(root: Path, release: Release, place: str) -> None:
    (root / place).parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "rigs/zoo.pem", root / place)
    shutil.copy(release.file, root / "praisonrun")
    environ = {"HOME": "/home/user", "PATH": "/bin"}
    subprocess.run(inside(root, "/praisonrun", "--version"), env=environ, check=True)
    python = f"/home/user/{(unpacked(root / 'home/user') / 'bin/python3').relative_to(root / 'home/user')}"
    for code in (TRUSTED, TRUSTED.replace("ssl.create_default_context()", "httpx2.create_ssl_context()")):
        done = subprocess.run(
            inside(root, python, "-I", "-c", code), env=environ, input=ZOO, capture_output=True, text=True
        )
        assert done.stdout == "trusted\n", done.stderr


GENERATOR = """
import sys, yaml
class AgentsGenerator:
    def __init__(self, *_, agent_yaml, **__): self.crew = yaml.safe_load(agent_yaml)
    def generate_crew_and_kickoff(self): return f"{self.crew['topic']} in {sys.prefix}"
"""
"""A framework, as the driver of crews calls it."""
ZOO = (Path(__file__).parents[1] / "rigs/zoo.pem").read_text()
TRUSTED = """
import httpx2, ssl, sys, tempfile
own = tempfile.NamedTemporaryFile("w"); own.write(sys.stdin.read()); own.flush()
server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
server.load_cert_chain(own.name)
to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
ends = [
    client.wrap_bio(to_client, to_server, server_hostname="receiver.test"),
    server.wrap_bio(to_server, to_client, server_side=True),
]
for _ in range(3):
    for end in ends:
        try: end.do_handshake()
        except ssl.SSLWantReadError: pass
print("trusted" if ends[0].version() and ends[0].getpeercert() else "not")
"""
