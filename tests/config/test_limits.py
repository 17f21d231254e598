"""What a server needs of the system, and what it does with less."""

from __future__ import annotations

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
