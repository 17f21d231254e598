"""The commands that end a server count its services among what is live."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx2

from praisonrun.cli.local import end
from praisonrun.config.discovery import holder

from ..rigs.harness import Server
from ..rigs.processes import of_run

WEB = "\n  web: {mode: service, command: [/bin/sleep, '600'], files: false}\n"


def start_service(url: str) -> str:
    """Start a service and return its id as a run."""
    answer = httpx2.post(
        f"{url}/v1/agent-deployments/web/services", json={}, headers={"Idempotency-Key": "one"}, timeout=30
    )
    assert answer.status_code == 201, answer.text
    return "run_" + str(answer.json()["id"]).removeprefix("adsvc_")


def words(*given: object) -> list[str]:
    return [sys.executable, "-m", "praisonrun", *map(str, given)]


def test_stop_cancel_ends_services(tmp_path: Path, agents_file: Path) -> None:
    agents_file.write_text(agents_file.read_text() + WEB)
    with Server(tmp_path, agents_file) as server:
        server.start()
        ids = [server.submit("wait"), start_service(server.url)]
        done = subprocess.run(
            words("stop", "--cancel", "--state", server.state), capture_output=True, text=True, timeout=30
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(", 1 run and 1 service cancelled\n")
        assert not any(of_run(run_id) for run_id in ids)


def test_run_leaves_its_server_and_a_service_to_it(tmp_path: Path, agents_file: Path) -> None:
    agents_file.write_text(agents_file.read_text() + WEB)
    state, gate = tmp_path / "state", tmp_path / "gate"
    command = words("run", gate, "--agent", "until", "--agents", agents_file, "--state", state)
    with (
        Server(tmp_path, agents_file),  # which sweeps what is left
        subprocess.Popen([*command, "--port", str(free_port())], stderr=subprocess.PIPE, text=True) as run,
    ):
        assert run.stderr is not None
        said = next(line for line in run.stderr if line.startswith("started a server at"))
        assert said.endswith(f", which stays until it is idle for 10m; log: {state}/server.log\n")
        run_id = start_service(said.split()[4].rstrip(","))
        gate.touch()
        assert run.wait(20) == 0
        assert of_run(run_id)
        pid = holder(state)
        assert pid is not None
        assert end(state, pid)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
