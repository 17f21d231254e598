"""A whole server: the real assembly over a real store and real files, in time that passes when told.

Not real are the shims (`fake_shims`), the receivers of webhooks and the clock; nothing else. It can be
stopped, crashed between any two turns of its loop, and rebooted.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import shutil
import signal
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

from praisonrun import store
from praisonrun.app import engine_of
from praisonrun.config.settings import Settings
from praisonrun.core.delivery import Delivery, Reply
from praisonrun.core.errors import Unavailable
from praisonrun.engine.engine import Engine
from praisonrun.files.run_files import RunFiles
from praisonrun.services.ports import Probe
from praisonrun.store.group_commit import GroupCommit
from praisonrun.webhooks import Own, Webhooks

from .engine_disk import PATIENCE, Disk, Files
from .engine_memory import Memory
from .fake_shims import SECRET, Shim, Shims, System
from .fired import fired
from .virtual import Virtual, in_step

if TYPE_CHECKING:
    from .engine_checks import Row

T = TypeVar("T")
BEGIN = 1_800_000_000_000_000
"""The time at which every world begins, in microseconds."""
SLOTS = 3
QUEUE = 12
DAYS = 30
AGENTS = f"""
default: plain
agents:
  plain: {{command: ["{{python}}"], prompt: none, files: false, timeout: 600}}
  again: {{command: ["{{python}}"], prompt: none, files: false, retries: 2, backoff: 1}}
  alone: {{command: ["{{python}}"], prompt: none, files: false, concurrency: 1, retries: 1, backoff: 90}}
  first: {{command: ["{{python}}"], prompt: none, files: false, priority: 5, concurrency: 2}}
  jsonl: {{command: ["{{python}}"], prompt: none, files: false, format: jsonl, retries: 1, backoff: 3}}
  needy: {{command: ["{{python}}"], prompt: none, files: false, retries: 1, env_required: [{SECRET}]}}
  made:  {{command: ["{{python}}"], prompt: none, install: ["{{python}}"], retries: 1}}
  kept:  {{command: ["{{python}}"], prompt: none, retain: {{on_failure: true}}}}
  web:   {{mode: service, command: ["{{python}}"], port: auto,
          readiness: {{type: timeout, timeout_seconds: 2}}}}
  site:  {{mode: service, command: ["{{python}}"], port: auto, install: ["{{python}}"],
          readiness: {{type: tcp, timeout_seconds: 5}}}}
"""
INSTALLED = {"made", "site"}
LIMITS = {"alone": 1, "first": 2}
NO_ANSWER = 20.0
"""Seconds after which the sender gives up on a receiver."""
TOLD = ("removing its scratch directory failed", "the attempt failed")
"""How messages end that tell of a fault of the disk, which the model makes, as an error of ours."""
LATEST = 0.6
"""Seconds within which a server must have seen what its shims did: two looks at a lock, and some."""


class Receiver:
    """Stands for the sender and all who receive."""

    def __init__(self, own: Own, now: Callable[[], int]) -> None:
        self.own, self._now = own, now
        self.status = 200
        """What they answer; 0 stands for no answer."""
        self.took: Counter[str] = Counter()

    async def send(self, delivery: Delivery, body: bytes) -> Reply:
        assert body
        if not self.status:
            fired("a receiver did not answer")
            await asyncio.sleep(NO_ANSWER)
            return Reply(self._now(), NO_ANSWER, error="no answer")
        fired("a receiver took it" if self.status == 200 else "a receiver refused")
        if self.status == 200:
            self.took[delivery.id] += 1
        return Reply(self._now(), 0.0, self.status, None if self.status == 200 else "no")

    async def aclose(self) -> None: ...


class World:
    """The server's surroundings, and the server while there is one."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="praisonrun-model-"))
        self.seconds, self.skew, self.boot = 0.0, 0, 1
        self.shims = Shims()
        self.disk = Disk(lambda: self._loop.now if self._alive else self.seconds)
        self.answers = True
        """Whether services answer."""
        self._ports = itertools.count(20_000)
        self.receiver = Receiver(Own(8005, frozenset()), self.clock)
        self.engine: Engine | None = None
        self.files: Files | None = None
        self.starts = 0
        self._alive = False
        """Whether what the server does has an effect."""
        self.faults: list[str] = []
        self._loop: Virtual
        self._main: asyncio.Task[None]
        self._tasks: set[asyncio.Task[Any]] = set()
        self._batches: list[GroupCommit] = []
        (self.home / "state").mkdir(mode=0o700)
        (self.home / "beyond").mkdir()
        (self.home / "agents.yaml").write_text(AGENTS)
        self._patches = ExitStack()
        self._patches.enter_context(in_step())
        for name, stand_in in self._stand_ins().items():
            self._patches.enter_context(patch(f"praisonrun.{name}", stand_in))
        self._log = _Faults(self.faults)
        logging.getLogger("praisonrun").addHandler(self._log)
        logging.getLogger("asyncio").addHandler(self._log)

    def _stand_ins(self) -> dict[str, Any]:
        return {
            "core.clock.now": self.clock,
            "app.boot_id": lambda: f"boot {self.boot}",
            "app.Spawner": lambda _: self,
            "app.Sender": lambda *_: self.receiver,
            "app.Webhooks": partial(Webhooks, chance=lambda: 0.5),
            "app.RunFiles": self._files,
            "process.found.os": System(self.shims, os),
            "process.found.signal": System(self.shims, signal),
            "process.sweep.kill_marked": lambda *_: 0,
            "store.GroupCommit": self._batch(self.disk.connection(GroupCommit)),
            "store.ReadOnly": self._batch(self.disk.connection(store.ReadOnly)),
            "store.Store.version": self.disk.version_of(),
            "engine.attempts.spec": self.disk.spec(),
            "services.readiness.probe": self._probe,
            "services.ports.free_port": lambda: next(self._ports),
            "services.ports.in_use": lambda _: False,
        }

    async def _probe(self, *_: Any) -> Probe:
        await asyncio.sleep(0.001)  # a look takes time, else a deadline that is a hair away never comes
        fired("a service answered" if self.answers else "a service did not answer")
        return Probe(self.answers, error=None if self.answers else "connection refused")

    def _batch(self, kind: type[GroupCommit]) -> Callable[..., GroupCommit]:
        def made(*args: Any, **kwargs: Any) -> GroupCommit:
            self._batches.append(kind(*args, **kwargs))
            return self._batches[-1]

        return made

    def _files(self, root: Path) -> Files:
        self.files = Files(root, self.disk)
        return self.files

    def clock(self) -> int:
        """The time on the wall."""
        seconds = self._loop.now if self._alive else self.seconds
        return BEGIN + round(seconds * 1e6) + self.skew

    @property
    def up(self) -> bool:
        return self.engine is not None

    @property
    def serving(self) -> Engine:
        assert self.engine is not None
        return self.engine

    def request(self, journal: int, lifeline: int) -> None:
        """Stand for the spawner, while somebody may ask it."""
        if self._alive:
            self.shims.request(journal, lifeline)

    def check(self, hurry: bool) -> None:
        """Stand for a spawner that answers."""

    def close(self) -> None:
        """What the server does with its spawner at the end."""

    def start(self) -> None:
        """Start a server and return when it serves."""
        self.starts += 1
        self._loop = Virtual(self.seconds, self.shims.step)
        self._loop.set_exception_handler(lambda _, told: self.faults.append(str(told)))
        self._batches.clear()
        self.disk.server_starts()
        self.shims.server_comes()
        self._alive = True
        self._main = self._loop.create_task(self._serve())
        self._loop.until(lambda: self.up or self._main.done())
        if not self.up:
            self._main.result()

    async def _serve(self) -> None:
        settings = Settings(
            state=self.home / "state",
            agents=self.home / "agents.yaml",
            concurrency=SLOTS,
            queue_limit=QUEUE,
            min_free=0,
            retain_days=DAYS,
        )
        environ = {"PATH": os.environ["PATH"]}
        async with engine_of(settings, None, environ) as engine:  # type: ignore[arg-type]
            self.engine = engine
            await asyncio.Event().wait()

    def do(self, work: Coroutine[Any, Any, T], turns: int | None = None) -> T | None:
        """Have the server do something and return what it came to.

        With `turns` it is crashed after so many; then None stands for no answer.
        """
        task = self._loop.create_task(work)
        self._loop.turns_left = turns
        if turns is None:
            self._loop.until(task.done)
            self.seconds = self._loop.now
            return task.result()
        self._loop.rest()
        done, self._loop.turns_left = task.done(), None
        if not done:
            task.cancel()
            self._tasks.add(task)
        self.crash()
        fired(f"the server crashed {'after' if done else 'before'} an answer")
        return task.result() if done else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Have a client do something for as long as it takes, or until the server goes."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        return task

    def settle(self, seconds: float = LATEST) -> None:
        """Let time pass, and the shims and the server, if there is one, do what they can."""
        if self.up:
            self._loop.advance(seconds)
            assert not self._main.done(), "the server ended by itself"
            self.seconds = self._loop.now
        else:
            self.seconds += seconds
            for _ in range(8):
                self.shims.step()

    def rest(self) -> None:
        """Let the server do all that it can, also what it tries again after a fault of the disk.

        A deadline of its own may end a shim as long as time passes: it must have seen that, too.
        """
        over = -1
        while over < (over := self.shims.over()):
            self.settle()
            while self.up and self.disk.failed_lately:
                self.settle(PATIENCE)

    def check_memory(self, rows: Mapping[str, Row], knows_envs: Iterable[str]) -> None:
        """Compare what the server holds in memory with the rows."""
        memory = Memory(self.serving, rows, self.disk.clearing)
        memory.check(knows_envs, self._loop)
        memory.pidfds(self.shims.pidfds or ())

    def stop(self) -> None:
        """End the server politely."""
        self._end(lambda: None)

    def crash(self) -> None:
        """End the server as kill -9 does: nothing that it still does reaches a file or a shim."""
        self._end(self._detach)

    def _detach(self) -> None:
        self.shims.server_is_gone()
        for batch in self._batches:
            batch.files.lost = "killed"
        if self.files is not None:
            self.files.die()

    def _end(self, first: Callable[[], None]) -> None:
        known = list(self.faults)
        first()
        self.seconds, crashed = self._loop.now, first == self._detach
        if crashed:
            self.engine, self._alive = None, False
        for task in (*self._tasks, self._main):
            task.cancel()
        with suppress(BaseException):
            self._loop.until(lambda: self._main.done() and all(task.done() for task in self._tasks))
        for task in (*self._tasks, self._main):
            if not task.cancelled():
                task.exception()
        self._tasks.clear()
        self._loop.close()
        if not crashed:
            self.engine, self._alive = None, False
            self.shims.server_is_gone()
        else:
            self.faults[:] = known

    def reboot(self, lose: int, unsettled: Callable[[Shim], bool], *, zeros: bool) -> None:
        """Restart the machine: all processes are gone, and the last `lose` bytes of what was not settled.

        Some file systems leave zeros in their place.
        """
        if self.up:
            self.crash()
        self.boot += 1
        for shim in self.shims.all:
            if lose and shim.begun and (not shim.over or unsettled(shim)):
                shim.lost = True
                fired("a power cut left zeros" if zeros else "a power cut took bytes")
                file = RunFiles(self.home / "state").journal(shim.spec["run_id"])
                size = file.stat().st_size
                os.truncate(file, max(size - lose, 0))
                if zeros:
                    os.truncate(file, size)
            shim.die()

    def remove(self) -> None:
        """Leave nothing behind."""
        if self.up:
            self.crash()
        self.shims.close()
        self._patches.close()
        for name in ("praisonrun", "asyncio"):
            logging.getLogger(name).removeHandler(self._log)
        shutil.rmtree(self.home)

    def database(self) -> sqlite3.Connection:
        """Look at the server's database from outside."""
        return sqlite3.connect(self.home / "state" / "praisonrun.db", isolation_level=None)


class _Faults(logging.Handler):
    """Keeps what the log calls an error: a fault of ours, whatever the clients did."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError | Unavailable) and str(record.msg).endswith(TOLD):
            return
        self._faults.append(self.format(record))
