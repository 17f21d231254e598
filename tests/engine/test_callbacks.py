"""The user's own program is told each end and each question once, also over a restart, and never a crowd."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import psutil
import pytest

from praisonrun.config.callbacks import ON_END
from praisonrun.core import clock
from praisonrun.core.errors import Unavailable
from praisonrun.engine import callbacks
from praisonrun.engine.callbacks import Callbacks
from praisonrun.engine.engine import Engine
from praisonrun.engine.feed import Feed, Window
from praisonrun.process import callback

from ..rigs.harness import Engines, ran, submit, until
from .test_asks import asked

pytestmark = pytest.mark.anyio
FLAGS = {
    "on_end": ("true", "{run_id}", "{agent}", "{status}", "{title}", "{error}", "{seconds}"),
    "on_ask": ("true", "{run_id}", "{ask_id}", "{question}", "{url}"),
}
HOUR = 3600 * 1_000_000


class Person:
    """Who is told, and answers when they are free."""

    def __init__(self) -> None:
        self._calls = asyncio.Queue[list[str]]()
        self.environ: Mapping[str, str] = {}
        self.free = asyncio.Event()
        self.free.set()
        self.trouble = ""

    async def call(self, words: Sequence[str], environ: Mapping[str, str] = {}, **_: int) -> str:
        self.environ = environ
        self._calls.put_nowait(list(words[1:]))
        await self.free.wait()
        return self.trouble

    async def told(self) -> list[str]:
        return await self._calls.get()


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Person:
    """Stands for the programs of every engine of a test."""
    made = Person()
    monkeypatch.setattr(callback, "call", made.call)
    monkeypatch.setattr(callbacks, "PAUSE", 0)
    monkeypatch.setenv("PRAISONRUN_TOKEN", "secret")
    return made


async def test_each_end_and_each_question_is_told(engines: Engines, person: Person, tmp_path: Path) -> None:
    async with engines(**FLAGS) as engine:
        await ran(engine, "fail", "--look\nat this")
        run_id, agent, status, title, error, seconds = await person.told()
        assert [agent, status, title, error] == ["fail", "failed", "--look", "exited with code 7"]
        assert (run_id.startswith("run_"), seconds.isdecimal()) == (True, True)
        asks = await submit(engine, "asks", f"{asked('a')}\n{asked('b')}")
        assert await person.told() == [
            asks, "a", "Is a well?", f"http://127.0.0.1:8005/ui/runs/{asks}",
        ]  # fmt: skip
        assert (await person.told())[1] == "b"
        await engine.answer(asks, "a", "yes")
        await engine.cancel(asks)
        assert (await person.told())[:3] == [asks, "asks", "cancelled"]
    assert person.environ["PRAISONRUN_STATE"] == str(tmp_path / "state")
    assert person.environ.keys().isdisjoint({"PRAISONRUN_TOKEN"})


async def test_what_came_while_no_server_was_up_is_told_once(
    engines: Engines, person: Person, tmp_path: Path
) -> None:
    async with engines(**FLAGS) as engine:
        done = (await ran(engine, "quick")).run.id
        assert (await person.told())[0] == done
        run_id = await submit(engine, "until", str(tmp_path / "go"))
        asks = await submit(engine, "asks", asked("a"))
        assert (await person.told())[:2] == [asks, "a"]
        await until(engine, run_id, lambda shown: shown.pid is not None)
        agent = psutil.Process((await engine.get(run_id)).pid)
    (tmp_path / "go").touch()
    await asyncio.to_thread(psutil.wait_procs, [agent])
    async with engines(**FLAGS) as engine:
        assert (await person.told())[::2] == [run_id, "succeeded", ""]
    async with engines(**FLAGS) as engine:
        await engine.cancel(asks)
        assert (await person.told())[:3] == [asks, "asks", "cancelled"]  # nothing else came before it


async def test_an_end_whose_row_changes_later_is_told_once(engines: Engines, person: Person) -> None:
    async with engines(**FLAGS) as engine:
        done = (await ran(engine, "quick")).run.id
        assert (await person.told())[0] == done
    async with engines(**FLAGS) as engine:
        await engine.store.forget_scratches([done])
        later = (await ran(engine, "quick")).run.id
        assert (await person.told())[0] == later


async def test_old_news_is_none(engine: Engine, person: Person) -> None:
    made = Callbacks(engine.store, engine.feed, {ON_END: FLAGS["on_end"]}, person.call, "", clock.now)
    await made.begin()
    await ran(engine, "quick")
    made._now = lambda: clock.now() + HOUR
    assert not await made._look()
    assert made._calls.empty()


async def test_a_crowd_is_dropped_and_counted_and_a_failure_is_said_without_arguments(
    engine: Engine, person: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callbacks, "WAITING", 2)
    made = Callbacks(engine.store, engine.feed, {ON_END: FLAGS["on_end"]}, person.call, "")
    await made.begin()
    for _ in range(5):
        await ran(engine, "quick", "a secret")
    person.free.clear()
    await made._look()
    person.trouble = "exited with code 1"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.serve)
        await person.told()
        person.free.set()
        await person.told()
        assert len((await ran(engine, "quick")).run.id) == len((await person.told())[0])
        tasks.cancel_scope.cancel()
    warned = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warned[:2] == [
        "--on-end: true exited with code 1",
        "calls dropped because too many came at once: 3",
    ]


async def test_a_store_that_fails_is_asked_again(
    engine: Engine, person: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callbacks, "RETRY", 0)
    made = Callbacks(engine.store, engine.feed, {ON_END: FLAGS["on_end"]}, person.call, "")
    await made.begin()
    trouble = iter([Unavailable("the disk is away"), None])
    after, passed = Feed.after, asyncio.Event()

    async def failing(feed: Feed, rev: int) -> Window:
        for fault in trouble:
            if fault is not None:
                raise fault
            return Window([], 0, reset="ahead")
        passed.set()
        return await after(feed, rev)

    monkeypatch.setattr(Feed, "after", failing)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.serve)
        await passed.wait()
        run_id = (await ran(engine, "quick")).run.id
        assert (await person.told())[0] == run_id
        tasks.cancel_scope.cancel()
    assert "--on-end wait: the disk is away" in caplog.text
