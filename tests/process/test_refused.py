"""What the shim says when the system refuses something, or it fails itself: never that the agent failed."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from praisonrun.journal.format import Kind
from praisonrun.process import spawner

from ..rigs.processes import of_run
from ..rigs.shim_rig import Live, Rig, agent

Patched = Callable[[str], Rig]
PASSING = ["ENOSPC", "EDQUOT", "EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "EIO", "ETXTBSY", "ESTALE"]
FOR_GOOD = ["ENOENT", "EACCES", "E2BIG", "ENOEXEC", "ENOTDIR", "ELOOP", "EPERM", "EISDIR", "ELIBBAD"]
REFUSE = """
import os
calls, real = [], os.{1}
def refuse(*given, **named):
    calls.append(given)
    if len(calls) <= {2} or given == ("/",):
        return real(*given, **named)
    raise OSError({0}, os.strerror({0}))
os.{1} = refuse
"""
FAIL = """
from praisonrun.process.shim import {0}
def fail(*_, **__):
    raise {2}
{0}.{1} = fail
"""


@pytest.fixture
def patched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Patched]:
    """Make a rig whose spawner and shims have run some code first."""
    made: list[Rig] = []

    def make(code: str) -> Rig:
        (tmp_path / "patch.py").write_text(code)
        run = f"exec(open({str(tmp_path / 'patch.py')!r}).read()); from"
        monkeypatch.setattr(spawner, "_CODE", spawner._CODE.replace("from", run, 1))
        made.append(Rig(tmp_path))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


def told(live: Live) -> tuple[str, str]:
    """Return why it ended without an agent."""
    ended = live.ended()
    assert (ended["code"], ended["signal"], ended["pid"]) == (None, None, None)
    return ended["reason"], ended["error"]


@pytest.mark.parametrize("name", [*PASSING, *FOR_GOOD])
@pytest.mark.parametrize("call", ["posix_spawn", "chdir"])
def test_each_word_of_the_system(patched: Patched, name: str, call: str) -> None:
    number = getattr(errno, name)
    live = patched(REFUSE.format(number, call, 0)).with_files(agent("ok"))
    reason, error = told(live)
    assert reason == ("not_started" if name in PASSING else "spawn_failed")
    gone = (call, name) == ("chdir", "ENOENT")
    assert error.endswith("no longer exists" if gone else os.strerror(number))
    assert [frame.kind for frame in live.frames()] == [Kind.STARTED, Kind.ENDED]
    assert not live.rig.runs.folder(live.id).exists()


@pytest.mark.parametrize("call", ["pipe", "mkfifo", "memfd_create"])
def test_each_call_before_the_agent(patched: Patched, call: str) -> None:
    own = 1 if call == "pipe" else 0  # the shim's, before it has a run
    live = patched(REFUSE.format(errno.EMFILE, call, own)).with_files(agent("ok"), stdin="prompt", prompt="x")
    assert told(live)[0] == "not_started"
    assert [frame.kind for frame in live.frames()][-1:] == [Kind.ENDED]


def test_a_journal_that_cannot_grow_is_as_before_and_the_shim_does_not_wait(patched: Patched) -> None:
    rig = patched("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))")
    live = rig.start(agent("ok"))
    assert told(live) == ("not_started", f"the journal cannot be written: {os.strerror(errno.EFBIG)}")
    assert live.frames() == []
    again = rig.start(agent("ok"), run_id=live.id, again=True)
    assert told(again)[0] == "not_started"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 64


FAULTS = [
    ("attempt", "RunningAgent.run", "RuntimeError('a bug')", "RuntimeError"),
    ("attempt", "RunningAgent.run", "OSError(5, 'Input/output error')", "OSError"),
    ("attempt", "Text", "RuntimeError('a bug')", "RuntimeError"),
    ("attempt", "RunningAgent.__init__", "MemoryError()", "MemoryError"),
    ("attempt", "ticks", "OSError(24, 'Too many open files')", "OSError"),
    ("wait", "RunningAgent._pause", "OverflowError('too large')", "OverflowError"),
]


@pytest.mark.parametrize(("module", "name", "error", "kind"), FAULTS)
@pytest.mark.parametrize("install", [False, True])
def test_a_fault_of_ours_is_lost_and_leaves_nothing(
    patched: Patched, module: str, name: str, error: str, kind: str, install: bool
) -> None:
    rig = patched(FAIL.format(module, name, error))
    more: dict[str, Any] = {"install": agent("slow"), "install_timeout": 60} if install else {}
    live = rig.start(agent("slow"), **more)
    ended = live.ended()
    assert (ended["reason"], ended["code"], ended["signal"]) == ("lost", None, None)
    assert kind in ended["error"]
    assert ended["error"].startswith("lost: praisonrun failed: ")
    assert of_run(live.id) == set()


@pytest.mark.parametrize(
    "error", ["MemoryError()", "OSError(12, 'Cannot allocate memory')", "RuntimeError('x')"]
)
def test_a_fault_before_the_agent_is_no_end_of_it(patched: Patched, error: str) -> None:
    live = patched(FAIL.format("attempt", "child.start", error)).start(agent("ok"))
    assert told(live)[0] == ("spawn_failed" if "Runtime" in error else "not_started")


@pytest.mark.parametrize("seconds", [2_147_483, 2_147_484, 2_592_000, 31_536_000, 1e15, 1e300])
@pytest.mark.parametrize("name", ["timeout", "idle_timeout", "grace", "install_timeout"])
def test_no_number_of_a_user_is_too_large_for_the_system(rig: Rig, name: str, seconds: float) -> None:
    more: dict[str, Any] = {"install": ["/bin/true"]} if name == "install_timeout" else {}
    more[name] = seconds
    assert rig.start(agent("ok"), **more).ended()["code"] == 0


def test_a_grace_of_years_is_one(rig: Rig) -> None:
    live = rig.start(agent("slow"), grace=1e9)
    live.started()
    live.life.sendall(b"C")
    assert live.ended()["reason"] == "cancelled"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("state"))
    yield made
    made.close()
