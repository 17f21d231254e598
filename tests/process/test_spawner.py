"""The spawner: who is asked, who is asked again, and what lives on when somebody dies."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.process import spawner

from ..rigs.places import ROOT
from ..rigs.shim_rig import Live, Rig, agent


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def shim_of(live: Live) -> int:
    shim: int = live.started()["shim"]
    return shim


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])


def ended_process(pid: int) -> bool:
    """Wait for a process that is not our child."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(20_000))


def run(rig: Rig, *argv: str) -> int:
    """Do one run; return its shim."""
    live = rig.start(list(argv))
    shim = shim_of(live)
    live.ended()
    return shim


def test_a_shim_is_used_again(rig: Rig) -> None:
    shims = [run(rig, *agent("ok")) for _ in range(10)]
    assert len(set(shims)) < 10  # its word that it is idle may come after the next request


def test_runs_at_the_same_time_have_a_shim_each(rig: Rig) -> None:
    lives = [rig.start(agent("slow")) for _ in range(3)]
    assert len({shim_of(live) for live in lives}) == 3


def test_a_failure_of_the_agent_is_clean(rig: Rig) -> None:
    assert len({run(rig, *agent("fail")) for _ in range(10)}) < 10


def test_a_shim_is_not_used_again_after_a_stop_or_a_sweep(rig: Rig) -> None:
    cancelled = rig.start(agent("slow"))
    shim = shim_of(cancelled)
    cancelled.life.sendall(b"C")
    cancelled.ended()
    assert ended_process(shim)
    swept = rig.start(agent("daemon"))
    shim = shim_of(swept)
    assert swept.ended()["swept"]
    assert ended_process(shim)


def test_an_idle_shim_goes_after_a_while(rig: Rig) -> None:
    assert ended_process(run(rig, *agent("ok")))


def test_an_idle_shim_that_was_killed_costs_nothing(rig: Rig) -> None:
    os.kill(run(rig, *agent("ok")), signal.SIGKILL)
    live = rig.start(agent("ok"))
    first = live.message()
    if first is None:  # it died with the run in its hands: not started, so started again
        live.died()
        live = rig.start(agent("ok"), run_id=live.id, again=True)
    assert live.ended()["code"] == 0


def test_shims_outlive_their_spawner(rig: Rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    live = rig.start(agent("gated", str(gate), b"ready\n".hex(), b"on\n".hex(), "1"))
    shim = shim_of(live)
    live.until_ready()
    dead = parent(shim)
    os.kill(dead, signal.SIGKILL)
    assert ended_process(dead)
    gate.write_bytes(b"")
    assert live.ended()["code"] == 0
    assert live.data() == b"ready\non\n"
    assert ended_process(shim)
    rig.control.close()
    rig.control = spawner.start_exec()
    assert rig.start(agent("ok")).ended()["code"] == 0


def test_the_spawner_goes_with_its_server(rig: Rig) -> None:
    live = rig.start(agent("slow"))
    shim = shim_of(live)
    home = parent(shim)
    idle = run(rig, *agent("ok"))
    rig.control.close()
    assert ended_process(home)
    assert ended_process(idle)
    live.life.sendall(b"C")
    assert live.ended()["reason"] == "cancelled"


def test_sessions_and_descriptors(rig: Rig) -> None:
    lives = [rig.start(agent("slow")) for _ in range(3)]
    shims = [shim_of(live) for live in lives]
    home = parent(shims[0])
    assert os.getsid(home) == home
    assert [os.getsid(shim) for shim in shims] == shims
    held = [sorted(map(int, os.listdir(f"/proc/{shim}/fd"))) for shim in shims]
    assert held[0] == held[1] == held[2]  # nothing of one run is known to another
    targets = [os.readlink(f"/proc/{home}/fd/{fd}") for fd in os.listdir(f"/proc/{home}/fd")]
    assert not any("journal" in target for target in targets)
    assert targets[:2] == ["/dev/null", "/dev/null"]


def test_no_zombies(rig: Rig) -> None:
    live = rig.start(agent("slow"))
    shim = shim_of(live)
    home = parent(shim)
    live.life.sendall(b"C")
    live.ended()
    assert ended_process(shim)
    other = rig.start(agent("slow"))
    shim_of(other)
    states = [Path(f"/proc/{pid}/stat") for pid in os.listdir("/proc") if pid.isdigit()]
    mine = [path for path in states if path.exists() and parent(int(path.parent.name)) == home]
    assert all(b") Z" not in path.read_bytes() for path in mine)


def test_ctrl_c_does_not_reach_it(rig: Rig) -> None:
    live = rig.start(agent("slow"))
    home = parent(shim_of(live))
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(home, number)
    assert rig.start(agent("ok")).ended()["code"] == 0


def test_a_fork_that_fails_is_told(rig: Rig) -> None:
    import resource

    live = rig.start(agent("slow"))
    home = parent(shim_of(live))
    limits = resource.prlimit(home, resource.RLIMIT_NOFILE)
    resource.prlimit(home, resource.RLIMIT_NOFILE, (8, limits[1]))  # no descriptors left for a socketpair
    refused = rig.start(agent("ok"))
    said = refused.message()
    resource.prlimit(home, resource.RLIMIT_NOFILE, limits)
    assert said is None or said["ended"]["reason"] == "not_started"  # there may be room later
    assert said is None or refused.message() is None  # the journal is let go before the lifeline
    assert rig.runs.held(refused.id) is False
    assert refused.frames() == []


def test_a_forked_spawner_does_the_same(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from pathlib import Path
        from praisonrun.process import spawner
        control = spawner.start()
        from tests.rigs.shim_rig import Rig, agent
        rig = Rig(Path(sys.argv[1]), control)
        live = rig.start(agent("look"), stdin="prompt", prompt="x" * 100_000)
        assert live.ended()["code"] == 0
        print(live.data().decode())
    """
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 0, done.stderr
    assert '"fds": [0, 1, 2]' in done.stdout


def test_the_server_holds_one_socket(rig: Rig) -> None:
    assert rig.control.get_inheritable() is False
    assert rig.control.family == socket.AF_UNIX
