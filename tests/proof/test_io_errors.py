"""Scorecard 8, 11: a disk that fails costs no acknowledged run and no run's end, and the server says so."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .crash_points import CutWorld
from .inject import shims, strace, threads
from .io_errors import Submits, check_after_a_restart
from .world import Answer

Json = Any
Figure = Callable[[str], None]
pytestmark = [pytest.mark.proof, pytest.mark.scorecard(8, 11), pytest.mark.timeout(120)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CutWorld]:
    with CutWorld(tmp_path) as made:
        made.start()
        yield made


def thread(world: CutWorld, role: str) -> list[int]:
    assert world.process is not None
    return threads(world.process.pid)[role]


@pytest.mark.parametrize("every", [7, 61])
@pytest.mark.parametrize(("error", "status"), [("EIO", 503), ("ENOSPC", 507)])
def test_writes_of_the_store_fail(
    world: CutWorld, figure: Figure, error: str, status: int, every: int
) -> None:
    """A commit takes some 16 writes: of those that every seventh fails, none succeeds."""
    submits, file = Submits(world), world.home / "calls"
    assert submits.one().status == 202
    inject = f"inject=pwrite64:error={error}:when=3+{every}"
    with strace(thread(world, "writer"), file, "trace=pwrite64", inject) as traced:
        submits.many(25)
        assert world.ask("GET", f"/api/v1/runs/{submits.acknowledged[0]}").status == 200
    assert traced.failed() > 5
    submits.check_words()
    assert submits.told[status] > 0
    assert set(submits.told) <= {202, status}
    assert submits.told[202] > (1 if every > 16 else 0), "nothing was acknowledged"
    assert submits.one().status == 202, "it is no longer well by itself"
    check_after_a_restart(submits, exactly=True)
    told, count = dict(submits.told), traced.failed()
    figure(
        f"{error} at every {every}th write of the store: {count} failed, answers {told}; 0 lost, well at once"
    )


@pytest.mark.parametrize("after", [1, 2, 7])
def test_an_fsync_of_the_store_fails(world: CutWorld, figure: Figure, after: int) -> None:
    submits, file, gate = Submits(world), world.home / "calls", world.home / "gate"
    live = world.submitted("gated", str(gate))
    world.until_printed(live, b"ready\n")
    submits.acknowledged.append(live)
    with strace(
        thread(world, "writer"), file, "trace=fdatasync", f"inject=fdatasync:error=EIO:when={after}"
    ) as traced:
        submits.many(25)
    assert traced.failed() == 1
    before = len(submits.acknowledged)
    for _ in range(10):
        answer = submits.one()
        assert answer.status == 503
        assert "restart the server" in answer.json["detail"]
    submits.check_words()
    assert len(submits.acknowledged) == before
    for path in ("", f"/{live}", f"/{live}/logs"):
        assert world.ask("GET", f"/api/v1/runs{path}").status == 200
    gate.touch()  # its end waits in its journal
    check_after_a_restart(submits, exactly=False)
    figure(
        f"fsync number {after} of the store fails: answers {dict(submits.told)}, none 202 after it; "
        "0 lost, well after a restart"
    )


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("restart", [False, True])
def test_writes_of_a_journal_fail(world: CutWorld, figure: Figure, error: str, *, restart: bool) -> None:
    """What cannot be written of an output is counted; the result and the end wait for the disk."""
    run_id, gate = begun(world)
    shim, agent = world.tail(run_id)["shim"], world.tail(run_id)["pid"]
    calls = "writev,ftruncate"  # not write: a signal wakes the shim by one
    with strace([shim], world.home / "calls", f"trace={calls}", f"inject={calls}:error={error}") as traced:
        with closing(os.fdopen(os.pidfd_open(agent))) as ended:
            gate.touch()
            assert select.select([ended], [], [], 30)[0]
        traced.until_failed(3)
        if restart:
            world.kill()
            world.start()
        assert world.ask("GET", f"/api/v1/runs/{run_id}").json["status"] == "running"
    shown = world.final(run_id)
    assert (shown["status"], shown["exit_code"]) == ("succeeded", 0), shown
    result = world.ask("GET", f"/api/v1/runs/{run_id}/result").json
    assert result["result"] == f'{{"gate": "{gate}"}}' or result["result"] == {"gate": str(gate)}, result
    assert world.logs(run_id) == b"ready\n"
    assert result["metrics"]["dropped_bytes"] >= len(b"done\n"), result
    assert world.starts() == {(run_id, 1): 1}
    assert not world.marked()
    figure(
        f"{error} at {traced.failed()} writes of a journal: result and end were kept, the loss was counted"
    )


@pytest.mark.parametrize(
    ("calls", "when"),
    [("mkdir", "1"), ("mkdir", "2"), ("mknodat", "1"), ("writev", "1"), ("openat", "1")],
)
def test_a_start_that_the_disk_refuses(world: CutWorld, figure: Figure, calls: str, when: str) -> None:
    world.final(world.submitted("true"))
    assert world.process is not None
    inject = f"inject={calls}:error=ENOSPC:when={when}"
    gate = world.home / "gate"
    gate.touch()
    with strace(shims(world.process.pid)[-1:], world.home / "calls", f"trace={calls}", inject) as traced:
        run_id = world.submitted("thorough", str(gate))
        shown = world.final(run_id)
    assert traced.failed() > 0
    assert (shown["status"], shown["attempt"]) == ("succeeded", 1), shown
    assert world.starts() == {(run_id, 1): 1}
    assert world.ask("DELETE", f"/api/v1/runs/{run_id}").status == 204
    assert not list((world.state / "runs").glob(f"{run_id}*"))
    world.slots_are_free(8)
    figure(f"ENOSPC at {calls} {when} of a start: started a second later")


def refused(answer: Answer) -> None:
    """See that an error says what it is, as a problem."""
    assert answer.status >= 400
    assert answer.headers["content-type"] == "application/problem+json", answer


def begun(world: CutWorld) -> tuple[str, Path]:
    """Start a run that waits; return its id and its gate."""
    gate = world.home / "gate"
    run_id = world.submitted("thorough", str(gate))
    world.until_printed(run_id, b"ready\n")
    return run_id, gate


def test_a_journal_that_cannot_be_made(world: CutWorld, figure: Figure) -> None:
    calls = "trace=pwrite64", "inject=pwrite64:error=ENOSPC:when=1"
    with strace(thread(world, "writer"), world.home / "calls", *calls):
        answer = world.ask("POST", "/api/v1/runs", {"agent": "true", "prompt": "x"})
    assert answer.status == 507, answer
    assert not world.everything()
    assert world.final(world.submitted("true"))["status"] == "succeeded"
    figure(f"ENOSPC at the making of a journal: {answer.json['detail']!r}")


def test_a_delete_that_the_disk_refuses(world: CutWorld, figure: Figure) -> None:
    run_id, gate = begun(world)
    gate.touch()
    world.final(run_id)
    inject = "trace=unlink", "inject=unlink:error=EIO"
    with strace(thread(world, "loop"), world.home / "calls", *inject, whole=True) as traced:
        answer = world.ask("DELETE", f"/api/v1/runs/{run_id}")
    assert traced.failed() > 0
    refused(answer)
    assert world.ask("GET", f"/api/v1/runs/{run_id}").status == 200
    assert world.ask("DELETE", f"/api/v1/runs/{run_id}").status == 204
    assert not list((world.state / "runs").iterdir())
    figure(f"EIO at the journal of a DELETE: {answer.status} {answer.json['detail']!r}, then deleted")


def test_reads_of_the_store_fail(world: CutWorld, figure: Figure) -> None:
    submits = Submits(world)
    submits.many(10)
    with strace(
        thread(world, "reader"), world.home / "calls", "trace=pread64", "inject=pread64:error=EIO:when=1+3"
    ) as traced:
        answers = [world.ask("GET", "/api/v1/runs") for _ in range(20)]
        submits.many(10)
        answers += [world.ask("GET", "/api/v1/runs?status=failed") for _ in range(20)]
    assert traced.failed() > 0
    for answer in answers:
        if answer.status != 200:
            refused(answer)
            assert answer.status == 503, answer
    assert {world.ask("GET", "/api/v1/runs").status for _ in range(20)} == {200}
    check_after_a_restart(submits, exactly=True)
    statuses = sorted({answer.status for answer in answers})
    figure(f"EIO at {traced.failed()} reads of the store: answers {statuses}, well at once")
