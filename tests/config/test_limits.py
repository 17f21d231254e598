"""What a server needs of the system, and what it does with less."""

from __future__ import annotations

import platform
import subprocess
import sys
import threading

import pytest

from praisonrun.config import limits, log
from praisonrun.core.errors import ConfigError


def denied(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_threads_that_are_there_do_the_work_of_those_that_are_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "start", lambda **_: None)
    release = threading.Event()
    with limits.threads() as threads:
        waiting = threads.submit(release.wait, 20)
        monkeypatch.setattr(threading.Thread, "start", denied)
        others = [threads.submit(len, "abc") for _ in range(5)]
        release.set()
        assert [waiting.result(20), *(other.result(20) for other in others)] == [True, 3, 3, 3, 3, 3]
        monkeypatch.undo()
        threads.shutdown()


def test_no_thread_at_all_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "start", lambda **_: None)
    monkeypatch.setattr(threading.Thread, "start", denied)
    with pytest.raises(ConfigError, match="cannot start a thread: is `ulimit -u`"), limits.threads():
        pass
    monkeypatch.undo()
    monkeypatch.setattr(log, "start", lambda **_: "another".index("fault"))
    with pytest.raises(ValueError, match="substring"), limits.threads():
        pass


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_large_memory_goes_back_although_small_memory_beside_it_stays() -> None:
    code = """
from praisonrun.config.limits import keep_no_large_memory
def used():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 >> 20
keep_no_large_memory()
bytes(30 << 20)  # from which glibc would learn what is usual
before, large, small = used(), [], []
for _ in range(10):
    large.append(b"x" * (4 << 20))
    small.append(b"x" * 1000)
assert used() - before > 30
large.clear()
print(used() - before)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(found.stdout) < 8
