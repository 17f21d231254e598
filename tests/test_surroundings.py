"""What the starter hands down, and what of it reaches an agent: a real server, started oddly."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from .rigs.harness import Server

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
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
  status: {{command: [cat, /proc/self/status], prompt: none}}
  stubborn: {{command: [sh], timeout: 0.2, grace: 0.1}}
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


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in such a place that was started as usual, but for a TMPDIR of its own."""
    home = tmp_path_factory.mktemp("long" * 20)
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        server.environ |= {"TMPDIR": str(home)}
        server.start()
        yield server


def started_by(server: Server, code: str) -> None:
    """Start the server from a process that did something odd before."""
    then = "os.execv(sys.executable, [sys.executable, '-m', 'praisonrun', *sys.argv[1:]])"
    server.program = [sys.executable, "-c", f"import os, resource, signal, sys\n{code}\n{then}"]
    server.start()


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


def test_tmpdir_has_room_for_sockets_and_the_entrys_own_wins(usual: Server) -> None:
    assert str(result(usual, "manager")).strip() == "1"
    seen = environ(usual)
    assert len(seen["TMPDIR"]) <= 40
    assert (seen["PRAISONRUN_SCRATCH"], seen["PYTHONUNBUFFERED"]) == (seen["TMPDIR"], "1")
    assert not os.path.exists(seen["TMPDIR"])
    own = environ(usual, "own")
    assert (own["TMPDIR"], own["PYTHONUNBUFFERED"]) == ("/var/tmp", "")
    assert len(own["PRAISONRUN_SCRATCH"]) <= 40
    assert environ(usual, "named")["TMPDIR"] == str(usual.home)
    assert environ(usual, envs={"TMPDIR": "/given"})["TMPDIR"] == "/given"


def test_a_scratch_that_is_kept_is_moved_to_the_runs_folder(usual: Server) -> None:
    """Of a run that failed, and of one whose shim was killed; that of any other killed one goes."""
    failed = usual.submit("retained", "echo x > $TMPDIR/file; exit 1")
    assert usual.ended(failed)["status"] == "failed"
    kill = f"echo x > $TMPDIR/file; echo $TMPDIR >> {usual.home}/places; kill -9 $PPID; sleep 60"
    kept, gone = usual.submit("retained", kill), usual.submit("sh", kill)
    for run_id in (kept, gone):
        assert usual.ended(run_id)["status"] == "failed"
    runs = usual.state / "runs"
    for run_id in (failed, kept):
        assert not (runs / run_id / "scratch").is_symlink()
        assert (runs / run_id / "scratch" / "file").read_text() == "x\n"
    assert not os.path.lexists(runs / gone / "scratch")
    places = (usual.home / "places").read_text().split()
    assert [os.path.lexists(place) for place in places] == [False, False]


IGNORING = """
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
"""


@linux
def test_signals_that_the_starter_turned_off(odd: Server) -> None:
    """An agent has them all. The server, its spawner and its shims hear of ends, timeouts and stops."""
    started_by(odd, IGNORING)
    status = dict(line.split(":\t") for line in result(odd, "status").splitlines())
    internal = 0b11 << 31  # 32 and 33 belong to the C library, which sets them as it likes
    assert [int(status[name], 16) & ~internal for name in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]
    assert odd.ended(odd.submit("stubborn", "sleep 60"))["failure"] == "timed_out"
    run_id = odd.submit("sh", "echo up; sleep 60")
    with odd.client() as client:
        assert client.post(f"/api/v1/runs/{run_id}/cancel").json()["status"] == "cancelled"
    assert odd.stop(signal.SIGINT) == 0
    odd.start()
    assert odd.stop(signal.SIGTERM) == 0


@linux
def test_a_command_can_be_left_whatever_its_starter_ignored(usual: Server, tmp_path: Path) -> None:
    then = "os.execv(sys.executable, [sys.executable, '-m', 'praisonrun', *sys.argv[1:]])"
    words = ["run", "--state", str(usual.state), "--agent", "sh", f"echo $$ > {tmp_path}/fifo; sleep 60"]
    os.mkfifo(tmp_path / "fifo")
    command = [sys.executable, "-c", f"import os, signal, sys\n{IGNORING}\n{then}", *words]
    with subprocess.Popen(command, env=usual.environ) as process:
        (tmp_path / "fifo").read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


@linux
def test_descriptors_of_the_starter_reach_no_agent(odd: Server, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    started_by(odd, f"for n in (3, 4, 17, 900): os.dup2(os.open({str(tmp_path / 'secret')!r}, 0), n)")
    look = "for fd in /proc/$$/fd/*; do readlink $fd; done; true"
    assert "secret" not in result(odd, "sh", look)
    assert odd.process is not None
    for child in psutil.Process(odd.process.pid).children():  # a new spawner, of the server as it is now
        child.kill()
    assert "secret" not in result(odd, "sh", look)


@linux
def test_an_agent_has_the_users_limits_and_umask(odd: Server) -> None:
    code = "\n".join(
        f"resource.setrlimit(resource.RLIMIT_{name}, ({soft}, resource.getrlimit(resource.RLIMIT_{name})[1]))"
        for name, soft in {"NOFILE": 300, "CORE": 4096, "FSIZE": 1 << 20, "CPU": 700, "AS": 1 << 33}.items()
    )
    started_by(odd, f"{code}\nos.umask(0o027)\nos.nice(3)")
    look = "ulimit -Sn; ulimit -Sc; ulimit -Sf; ulimit -St; ulimit -Sv; umask; nice"
    wanted = ["300", "8", "2048", "700", str(1 << 23), "0027", str(min(os.nice(0) + 3, 19))]
    assert result(odd, "sh", look).split() == wanted
    assert odd.process is not None
    for child in psutil.Process(odd.process.pid).children():
        child.kill()
    assert result(odd, "sh", look).split() == wanted
    with odd.client() as client:  # a journal is ours
        run_id = odd.submit("sh", "head -c 3000000 /dev/zero | tr '\\0' x")
        assert odd.ended(run_id)["status"] == "succeeded"
        assert len(client.get(f"/api/v1/runs/{run_id}/logs").content) == 3_000_000


@pytest.mark.parametrize("missing", ["all of it", "empty"])
def test_an_agent_has_what_a_login_sets(odd: Server, missing: str) -> None:
    user = pwd.getpwuid(os.getuid())
    odd.environ = {} if missing == "all of it" else dict.fromkeys(("HOME", "USER", "PATH"), "")
    odd.start()
    seen = environ(odd)
    wanted = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell}
    assert {name: seen[name] for name in wanted} == wanted
    assert seen["PATH"] == os.defpath
    assert result(odd, "sh", "cd; pwd").strip() == user.pw_dir


def test_what_was_swept_is_said(usual: Server) -> None:
    run_id = usual.submit("sh", "sleep 60 & setsid sleep 60 & printf 'no newline'")
    usual.ended(run_id)
    with usual.client() as client:
        logs = client.get(f"/api/v1/runs/{run_id}/logs").text
    assert logs.splitlines() == ["no newline", "praisonrun: 2 processes that it left were ended"]


def in_mounts(server: Server, mounts: str) -> None:
    """Have the server's program start where some mounts were made that only it sees."""
    unshare = ["unshare", "--mount", "sh", "-ec", f'{mounts}\nexec "$@"', "sh"]
    able = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    if able.returncode:
        pytest.skip(f"no mount can be made here: {able.stderr.strip()}")
    server.program = [*unshare, *server.program]


@linux
def test_a_server_without_proc_runs_agents_and_says_what_is_lost(odd: Server) -> None:
    in_mounts(odd, "mount -t tmpfs none /proc")
    odd.start()
    assert str(result(odd, "sh", "sleep 60 & echo up")).startswith("up\n")
    assert odd.ended(odd.submit("stubborn", "sleep 60"))["failure"] == "timed_out"
    assert odd.stop() == 0
    assert any("there is no /proc" in line for line in odd.said)
    odd.start()  # it is the same boot, and the same place
    assert odd.ended(odd.submit("sh", "true"))["status"] == "succeeded"


@linux
def test_a_state_directory_that_became_read_only_is_one_line(odd: Server) -> None:
    odd.state.mkdir(0o700)
    in_mounts(odd, f"mount --bind {odd.state} {odd.state}; mount -o remount,ro,bind {odd.state}")
    with pytest.raises(AssertionError, match="did not start"):
        odd.start()
    why = "read-only file system; choose another with --state DIR"
    assert odd.said == [f"praisonrun: cannot use {odd.state} as the state directory: {why}\n"]
    assert odd.stop() == 2
    assert list(odd.state.iterdir()) == []


def test_a_file_size_that_holds_no_database_is_one_line(odd: Server) -> None:
    with pytest.raises(AssertionError, match="did not start"):
        started_by(odd, "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))")
    (said,) = odd.said
    assert said.startswith(
        "praisonrun: a limit is too low for a server (`ulimit -f`: bytes of a file): 1048576 here"
    )
