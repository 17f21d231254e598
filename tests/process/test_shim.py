"""The shim with real agents: what is in the journal, how it stops, what it leaves behind (nothing)."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.model import Exit
from praisonrun.journal import format as journal
from praisonrun.journal.format import Kind
from praisonrun.process import sweep

from ..rigs.processes import of_run
from ..rigs.shim_rig import Live, Rig, agent, framed

SH = "/bin/sh"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("state"))
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path: Path) -> str:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return str(path)


def open_gate(gate: str) -> None:
    with open(gate, "wb"):
        pass


def gated(gate: str, first: bytes, second: bytes, times: int = 1) -> list[str]:
    return agent("gated", gate, first.hex(), second.hex(), str(times))


def kinds(live: Live) -> list[Kind]:
    return [frame.kind for frame in live.frames()]


# -- a run that goes well --------------------------------------------------------------------------


def test_a_run_from_its_first_frame_to_its_last(rig: Rig) -> None:
    live = rig.start(agent("ok"), stdin="prompt", prompt="wörld", attempt=7)
    started, ended = live.started(), live.ended()
    frames = live.frames()
    assert [json.loads(frame.data) for frame in frames[:2]] == [
        {"attempt": 7, "shim": started["shim"], "time": pytest.approx(started["time"], abs=1e6)},
        started,
    ]
    assert live.data() == "hello wörld\n".encode()
    assert live.data(Kind.STDERR) == b"done\n"
    assert frames[-1].kind == Kind.ENDED
    assert json.loads(frames[-1].data) | {"end": frames[-1].end} == ended


def test_the_ended_frame_is_an_exit(rig: Rig) -> None:
    ended = rig.start(agent("fail")).ended()
    assert set(ended) == {field.name for field in fields(Exit)}
    found = Exit(**ended)
    assert (found.reason, found.code, found.signal, found.stderr) == ("exited", 3, None, len("bad luck\n"))
    assert found.wall > 0 < found.cpu
    assert 1e6 < found.max_rss < 1e8


def test_death_by_a_signal(rig: Rig) -> None:
    ended = rig.start([SH, "-c", "kill -SEGV $$"]).ended()
    assert (ended["reason"], ended["code"], ended["signal"]) == ("exited", None, signal.SIGSEGV)


def test_both_streams_to_the_byte(rig: Rig) -> None:
    live = rig.start(agent("mixed"))
    ended = live.ended()
    out = b"".join(b"out %d\n" % n for n in range(200)) + b"no newline at the end"
    err = b"".join(b"err %d" % n + (b"\n" if n % 3 else b"") for n in range(200))
    assert (live.data(), live.data(Kind.STDERR)) == (out, err)
    assert (ended["stdout"], ended["stderr"], ended["dropped"]) == (len(out), len(err), 0)


def test_a_flood_of_lines_arrives_whole(rig: Rig) -> None:
    for partial in (True, False):
        live = rig.start(agent("flood", "20000"), partial=partial)
        assert live.ended()["stdout"] == 2_000_000
        assert live.data() == b"".join(b"%099d\n" % n for n in range(20000))


def test_an_incomplete_line_goes_out_but_never_half_a_character(rig: Rig, gate: str) -> None:
    live = rig.start(gated(gate, b"a\xe2\x82", b"\xac!"))
    live.until(lambda: live.data() == b"a")
    open_gate(gate)
    live.ended()
    assert [f.data for f in live.frames() if f.kind == Kind.STDOUT] == [b"a", "€!".encode()]


def test_bytes_that_are_no_utf8_do_not_stall(rig: Rig, gate: str) -> None:
    live = rig.start(gated(gate, b"b\xff\x80\x80\x80\x80", b""))
    live.until(lambda: live.data() == b"b\xff\x80\x80\x80\x80")
    open_gate(gate)
    assert live.ended()["code"] == 0


# -- what the agent is given -----------------------------------------------------------------------


def test_the_agent_gets_what_the_spec_says_and_nothing_else(rig: Rig, tmp_path: Path) -> None:
    os.environ["SECRET_OF_THE_SERVER"] = "x"
    env = {"PRAISONRUN_RUN_ID": "look", "LC_ALL": "C.UTF-8", "ÜMLAUT": "ö"}
    live = rig.start(agent("look"), env=env, cwd=str(tmp_path), run_id="look")
    live.ended()
    seen = json.loads(live.data())
    assert seen["fds"] == [0, 1, 2]
    assert seen["env"] == env
    assert seen["cwd"] == str(tmp_path)
    assert seen["mode"] == "0o755"
    assert seen["core"] == 0
    assert seen["blocked"] == []
    assert seen["group"]
    assert seen["stdin"] == "/dev/null"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="/proc is Linux's")
def test_the_agent_ignores_no_signal(rig: Rig) -> None:
    live = rig.start(["/bin/grep", "SigIgn", "/proc/self/status"])
    live.ended()
    ignored = int(live.data().split()[1], 16)
    ours = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGTERM)
    assert [number for number in ours if ignored >> number - 1 & 1] == []


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"argv": ["/no/such/program"]}, "cannot start /no/such/program: No such file or directory"),
        (
            {"argv": ["/etc/passwd"]},
            "cannot start /etc/passwd: Permission denied: it is not executable: chmod +x /etc/passwd",
        ),
        ({"argv": ["/bin/sh", "a\0b"]}, "cannot start /bin/sh: embedded null byte"),
        ({"argv": ["/bin/sh", "x" * 200_000]}, "cannot start /bin/sh: Argument list too long"),
        ({"cwd": "/no/such/place"}, "the agent cannot start: cwd /no/such/place no longer exists"),
    ],
)
def test_spawn_failures_say_what_and_why(rig: Rig, more: dict[str, Any], error: str) -> None:
    live = rig.start(**{"argv": agent("ok")} | more)
    ended = live.ended()
    assert (ended["reason"], ended["error"], ended["code"], ended["pid"]) == (
        "spawn_failed",
        error,
        None,
        None,
    )
    assert kinds(live) == [Kind.STARTED, Kind.ENDED]


# -- its files -------------------------------------------------------------------------------------


def test_files_events_and_result(rig: Rig) -> None:
    live = rig.with_files(agent("files"), input='{"prompt": "p"}')
    ended = live.ended()
    assert live.data(Kind.STDERR) == b"praisonrun: an event of 1500001 bytes was dropped: at most 1048576\n"
    events = [json.loads(frame.data)["progress"] for frame in live.frames() if frame.kind == Kind.EVENT]
    assert events == [0, 1, 2, 100_000 * "x", "last"]
    assert (ended["events"], ended["dropped"], ended["result"]) == (5, 1_500_001, True)
    assert json.loads(live.data(Kind.DROPPED)) == {"stdout": 0, "stderr": 0, "event": 1_500_001}
    assert json.loads(live.data(Kind.RESULT)) == {"given": {"prompt": "p"}}
    folder = rig.runs.folder(live.id)
    assert [path.name for path in folder.rglob("*")] == ["artifacts", "report.txt"]
    assert folder.stat().st_mode & 0o777 == 0o700
    rig.runs.remove(live.id)
    assert not folder.exists()


def test_an_empty_folder_goes(rig: Rig) -> None:
    live = rig.with_files(agent("ok"))
    assert live.ended()["result"] is False
    assert not rig.runs.folder(live.id).exists()


def test_an_agent_that_never_was_leaves_no_folder(rig: Rig) -> None:
    live = rig.with_files(["/no/such/program"])
    assert live.ended()["reason"] == "spawn_failed"
    assert not rig.runs.folder(live.id).exists()


def test_scratch_is_kept_after_a_failure_if_asked(rig: Rig) -> None:
    script = 'cd "$PRAISONRUN_SCRATCH"; touch x; ls -l ../input.json ../events | cut -c1-10; exit '
    kept = rig.with_files([SH, "-c", script + "1"], keep_scratch=True)
    gone = rig.with_files([SH, "-c", script + "0"], keep_scratch=True)
    assert (kept.ended()["code"], gone.ended()["code"]) == (1, 0)
    assert kept.data() == b"prw-------\n-rw-------\n"
    assert (rig.runs.folder(kept.id) / "scratch" / "x").exists()
    assert not rig.runs.folder(gone.id).exists()


@pytest.mark.scorecard(28)
@pytest.mark.parametrize("odd", ["link", "fifo", "hard", "large", "directory"])
def test_an_odd_result_is_not_read(rig: Rig, odd: str) -> None:
    live = rig.with_files(agent("odd_result", odd), result_cap=1000)
    ended = live.ended()
    assert (ended["code"], ended["result"], ended["stderr"]) == (0, False, 0)
    assert live.data(Kind.STDERR).startswith(b"praisonrun: the result")
    assert not (rig.runs.folder(live.id) / "result.json").exists()


@pytest.mark.scorecard(28)
def test_a_stranger_in_the_folders_place(rig: Rig, tmp_path: Path) -> None:
    rig.runs.folder("taken").symlink_to(tmp_path)
    live = rig.with_files(agent("ok"), run_id="taken")
    ended = live.ended()
    assert ended["reason"] == "spawn_failed"
    assert ended["error"] == "cannot make the run's folder: File exists"
    assert list(tmp_path.iterdir()) == []


def test_a_start_while_the_directory_is_away_may_succeed_later(rig: Rig, tmp_path: Path) -> None:
    live = rig.with_files(agent("ok"), run_id="early", folder=str(tmp_path / "away" / "early"))
    ended = live.ended()
    assert ended["reason"] == "not_started"
    assert ended["error"] == "cannot make the run's folder: No such file or directory"


def test_the_next_attempt_goes_on_in_the_same_journal_and_folder(rig: Rig) -> None:
    first = rig.with_files(agent("files"))
    end = first.ended()["end"]
    with rig.runs.journal(first.id).open("ab") as file:
        file.write(journal.encode(Kind.STDOUT, b"torn", 1, end)[:-1])
    env = {"PRAISONRUN_RUN_ID": first.id}
    folder = str(rig.runs.folder(first.id))
    (rig.runs.folder(first.id) / "result.json").write_text("stale")
    second = rig.start(
        agent("ok"), again=True, run_id=first.id, attempt=2, env=env, folder=folder, input="{}"
    )
    ended = second.ended()
    assert (ended["attempt"], ended["reason"], ended["result"]) == (2, "exited", False)
    assert second.frames()[-1].end == ended["end"] == rig.runs.journal(first.id).stat().st_size
    started = next(frame for frame in second.frames() if frame.offset >= end)
    assert (started.offset, started.kind) == (end, Kind.STARTED)
    assert (rig.runs.folder(first.id) / "artifacts" / "report.txt").read_text() == "kept"


# -- how it stops ----------------------------------------------------------------------------------


def test_cancel_over_the_lifeline(rig: Rig) -> None:
    live = rig.start(agent("slow"))
    live.until_ready()
    live.life.sendall(b"C")
    ended = live.ended()
    assert (ended["reason"], ended["signal"], ended["error"]) == ("cancelled", signal.SIGTERM, None)


def test_cancel_by_sigterm_to_the_shim(rig: Rig) -> None:
    live = rig.start(agent("slow"))
    os.kill(live.started()["shim"], signal.SIGTERM)
    assert live.ended()["reason"] == "cancelled"


def test_cancel_that_comes_with_the_spec(rig: Rig) -> None:
    spec = rig.spec(agent("slow"))
    live = rig.hand_over(spec["run_id"])
    live.life.sendall(framed(spec) + b"C")
    assert live.ended()["reason"] == "cancelled"


def test_timeout_with_a_grace_that_is_not_heeded(rig: Rig) -> None:
    live = rig.start(agent("stubborn"), timeout=0.5, grace=0.25)
    ended = live.ended()
    assert (ended["reason"], ended["error"]) == ("timed_out", "timed out after 0.5 s")
    assert (ended["code"], ended["signal"]) == (None, signal.SIGKILL)
    assert 0.75 <= ended["wall"] < 1.25
    assert of_run(live.id) == set()


def test_idle_timeout_counts_from_the_last_output(rig: Rig) -> None:
    live = rig.start([SH, "-c", "for i in 1 2 3 4; do echo $i; sleep 0.2; done; sleep 60"], idle_timeout=0.4)
    ended = live.ended()
    assert (ended["reason"], ended["error"]) == ("idle_timed_out", "no output for 0.4 s")
    assert live.data() == b"1\n2\n3\n4\n"


def test_an_agent_that_only_says_that_it_waits_is_idle(rig: Rig) -> None:
    loop = "echo work; while :; do echo 'Reconnecting... waiting for network'; echo; sleep 0.02; done"
    live = rig.start([SH, "-c", loop], idle_timeout=0.3, waiting=["Reconnecting..."])
    ended = live.ended()
    assert (ended["reason"], ended["error"]) == ("idle_timed_out", "no output for 0.3 s")
    assert ended["wall"] < 10


def test_the_run_finishes_alone_when_the_server_goes(rig: Rig, gate: str) -> None:
    live = rig.start(gated(gate, b"ready\n", b"after\n"))
    live.until_ready()
    live.life.close()
    open_gate(gate)
    live.until(lambda: kinds(live)[-1] == Kind.ENDED)
    assert json.loads(live.frames()[-1].data)["code"] == 0
    assert live.data() == b"ready\nafter\n"


def test_timeout_and_kill_without_a_server(rig: Rig) -> None:
    live = rig.start(agent("stubborn"), timeout=0.3)
    live.until_ready()
    live.life.close()
    live.until(lambda: kinds(live)[-1] == Kind.ENDED)
    assert json.loads(live.frames()[-1].data)["reason"] == "timed_out"
    assert of_run(live.id) == set()


def test_a_spec_that_is_cut_off_is_no_start(rig: Rig) -> None:
    spec = rig.spec(agent("ok"))
    live = rig.hand_over(spec["run_id"])
    live.life.sendall(framed(spec)[:-10])
    live.life.shutdown(1)
    assert live.message() is None
    assert rig.runs.held(live.id) is False
    assert live.frames() == []


def test_a_spec_that_is_nonsense_is_answered(rig: Rig) -> None:
    live = rig.hand_over("nonsense")
    live.life.sendall(framed({}))
    assert live.ended()["reason"] == "spawn_failed"


# -- what it leaves behind -------------------------------------------------------------------------


def leave_nothing(rig: Rig, name: str, *, cancel: bool) -> dict[str, Any]:
    live = rig.start(agent(name, *(() if cancel else ("leave",))))
    shim = live.started()["shim"]
    if cancel:
        live.until_ready()
        live.life.sendall(b"C")
    ended = live.ended()
    assert ended["reason"] == ("cancelled" if cancel else "exited")
    assert of_run(live.id) == set()
    assert sweep.descendants(shim) == set()
    return ended


@pytest.mark.scorecard(15)
def test_a_leaver_costs_a_second(rig: Rig) -> None:
    live = rig.start(agent("leaver"))
    live.started()
    begun = time.monotonic()
    assert live.ended()["swept"] == 1
    assert 0.9 < time.monotonic() - begun < 2.0
    assert live.data() == b"left\n"


def test_a_daemon_is_swept(rig: Rig) -> None:
    assert leave_nothing(rig, "daemon", cancel=False)["swept"] == 1


@pytest.mark.scorecard(13)
@pytest.mark.parametrize("name", ["stubborn", "forker", "stopped"])
def test_hostile_trees_are_swept(rig: Rig, name: str) -> None:
    leave_nothing(rig, name, cancel=True)


def test_a_killed_shim_frees_the_lock_and_the_mark_finds_the_rest(rig: Rig) -> None:
    live = rig.start(agent("stubborn"))
    started = live.started()
    live.until_ready()
    os.kill(started["shim"], signal.SIGKILL)
    live.died()
    assert rig.runs.held(live.id) is False
    assert rig.runs.tail(live.id).started == started
    assert rig.runs.tail(live.id).ended is None
    assert started["pid"] in of_run(live.id)
    assert sweep.kill_marked(live.id) == 2
    assert of_run(live.id) == set()


def test_the_mark_is_the_whole_id(rig: Rig) -> None:
    live = rig.start(agent("slow"), run_id="mark1", env={"PRAISONRUN_RUN_ID": "mark1"})
    pid = live.started()["pid"]
    live.until_ready()  # the environment of a process shows once its exec is over
    assert of_run("mark") == set()
    assert of_run("mark1") == {pid}
    live.life.sendall(b"C")
    live.ended()


# -- limits ----------------------------------------------------------------------------------------


def test_beyond_the_cap_the_head_and_the_tail_are_kept(rig: Rig) -> None:
    live = rig.start(agent("flood", "50000"), cap=100_000)
    ended = live.ended()
    everything = b"".join(b"%099d\n" % n for n in range(50000))
    place = kinds(live).index(Kind.DROPPED)
    head = b"".join(f.data for f in live.frames()[:place] if f.kind == Kind.STDOUT)
    tail = b"".join(f.data for f in live.frames()[place:] if f.kind == Kind.STDOUT)
    assert everything.startswith(head)
    assert 90_000 < len(head) <= 100_000
    assert head.endswith(b"\n")
    assert everything.endswith(tail)
    assert 65_000 < len(tail) <= 65_536
    dropped = len(everything) - len(head) - len(tail)
    assert json.loads(live.data(Kind.DROPPED)) == {"stdout": dropped, "stderr": 0}
    assert (ended["stdout"], ended["dropped"]) == (len(everything), dropped)


def test_events_have_a_cap_of_their_own(rig: Rig) -> None:
    script = 'for i in 1 2 3 4 5; do echo "event $i" > "$PRAISONRUN_EVENTS"; done; echo out'
    live = rig.with_files([SH, "-c", script], event_cap=2 * (len("event 1\n") + journal.HEAD_SIZE))
    ended = live.ended()
    assert live.data(Kind.EVENT) == b"event 1\nevent 2\n"
    assert (live.data(), ended["events"], ended["dropped"]) == (b"out\n", 2, 24)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="a limit for another process is Linux's")
def test_a_full_disk_costs_output_but_not_the_run(rig: Rig, gate: str) -> None:
    live = rig.start(gated(gate, b"ready\n", b"x" * 999 + b"\n", 1000))
    started = live.started()
    live.until_ready()
    limits = resource.prlimit(started["shim"], resource.RLIMIT_FSIZE)
    resource.prlimit(started["shim"], resource.RLIMIT_FSIZE, (rig.runs.tail(live.id).end, limits[1]))
    gone = select.poll()
    gone.register(os.pidfd_open(started["pid"]), select.POLLIN)
    open_gate(gate)
    assert gone.poll(20_000)
    assert rig.runs.held(live.id) is True
    resource.prlimit(started["shim"], resource.RLIMIT_FSIZE, limits)
    ended = live.ended()
    assert (ended["code"], ended["stdout"]) == (0, 1_000_006)
    assert ended["dropped"] > 800_000
    assert live.frames()[-1].end == ended["end"]


def test_it_rings_only_when_somebody_watches(rig: Rig) -> None:
    rig.bell.settimeout(0)
    try:
        with suppress(BlockingIOError):
            while rig.bell.recv(256):  # rings of other tests
                pass
        rig.start(agent("mixed")).ended()
        with pytest.raises(BlockingIOError):
            rig.bell.recv(256)
    finally:
        rig.bell.settimeout(20)


# -- proofs ----------------------------------------------------------------------------------------


@pytest.mark.scorecard(13)
@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["daemon", "stubborn", "forker", "stopped", "leaver"])
def test_twenty_of_each_hostile_tree(rig: Rig, name: str) -> None:
    for _ in range(20):
        leave_nothing(rig, name, cancel=name not in ("daemon", "leaver"))


@pytest.mark.scorecard(16)
@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("partial", [True, False])
def test_a_flood_of_5_gb_costs_little_memory(rig: Rig, partial: bool, figure: Callable[[str], None]) -> None:
    live = rig.start([SH, "-c", "yes | head -c 5000000000"], cap=1 << 26, partial=partial)
    shim = live.started()["shim"]
    peak = 0
    live.life.settimeout(0.05)
    while True:
        with open(f"/proc/{shim}/status") as file:
            peak = max(peak, *(int(line.split()[1]) for line in file if line.startswith("VmHWM")))
        try:
            said = live.message()
        except TimeoutError:
            continue
        break
    assert said is not None
    assert said["ended"]["stdout"] == 5_000_000_000
    figure(f"5 GB, {'as it comes' if partial else 'line by line'}: shim {peak / 1024:.1f} MB at most")
    assert peak < 20_000, f"{peak} KiB"
    assert rig.runs.journal(live.id).stat().st_size < (1 << 26) + 100_000 * (1 if partial else 20)
    live.life.settimeout(20)
    assert live.ended()["code"] == 0


@pytest.mark.scorecard(14)
@pytest.mark.proof
@pytest.mark.timeout(120)
def test_timeouts_are_punctual(rig: Rig, figure: Callable[[str], None]) -> None:
    late = []
    for _ in range(50):
        ended = rig.start(agent("slow"), timeout=0.3).ended()
        assert ended["reason"] == "timed_out"
        late.append(ended["wall"] - 0.3)
    figure(f"50 timeouts of 0.3 s, a shim alone: {min(late):+.3f}..{max(late):+.3f} s late")
    assert min(late) >= 0
    assert max(late) <= 0.5


# -- questions -------------------------------------------------------------------------------------


ASKS = """echo '{"ask": {"id": "a"}}' > "$PRAISONRUN_EVENTS"; exec sleep 60"""


def test_a_question_is_heard_although_nobody_watches(rig: Rig) -> None:
    live = rig.with_files([SH, "-c", f"echo '{{}}' > $PRAISONRUN_EVENTS; {ASKS}"])
    assert rig.bell.recv(256) == b"?" + live.id.encode()
    assert live.data(Kind.EVENT) == b'{}\n{"ask": {"id": "a"}}\n'
    live.life.sendall(b"C")
    live.ended()


def test_a_question_that_the_server_had_no_room_to_hear_is_told_again(rig: Rig) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                others.sendto(b"other", rig.runs.bell.path)
    live = rig.with_files([SH, "-c", ASKS])
    while b'"ask"' not in live.data(Kind.EVENT):  # the bell is what is full
        pass
    said = set()
    while (heard := rig.bell.recv(256)) == b"other":
        said.add(heard)
    assert (said, heard) == ({b"other"}, b"?" + live.id.encode())
    live.life.sendall(b"C")
    live.ended()
