"""An event loop whose time passes when told, with threads that go in step: what it does can be repeated."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Any
from unittest.mock import patch

Turn = Callable[[], None]


class Later(Exception):
    """Raised by what a thread does: it is done again later, and the thread is busy until then."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Virtual(asyncio.SelectorEventLoop):
    """A loop that stops by itself when nothing can happen before more time has passed."""

    def __init__(self, now: float, turn: Turn) -> None:
        """`turn` is called at every turn: the world around does something."""
        self.now = now
        self.turns_left: int | None = None
        """Turns until the loop stops though there is more to do; None for no limit."""
        self._selector_of_ours = _Selector(self, turn)
        super().__init__(self._selector_of_ours)
        self.set_default_executor(_Inline(self))

    def time(self) -> float:
        return self.now

    def rest(self) -> None:
        """Run until nothing can happen now, or until the turns are used up."""
        self.run_forever()
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        while ready and self.turns_left != 0:  # a timer ran in the last turn: one may be a hair too early
            self.run_forever()

    def until(self, done: Callable[[], bool], seconds: float = 1e6) -> None:
        """Rest, and let time pass, until something holds."""
        give_up = self.now + seconds
        self.rest()
        while not done():
            at = self._next_timer()
            assert at is not None, "nothing will ever happen"
            assert at <= give_up, f"not within {seconds:g} s"
            self.now = max(self.now, at)
            self.rest()

    def advance(self, seconds: float) -> None:
        """Let time pass, with everything that is due meanwhile."""
        target = self.now + seconds
        self.rest()
        while (at := self._next_timer()) is not None and at <= target:
            self.now = max(self.now, at)
            self.rest()
        self.now = target
        self.rest()

    def _next_timer(self) -> float | None:
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        return min((timer.when() for timer in scheduled if not timer.cancelled()), default=None)

    def turned(self, *, idle: bool) -> None:
        """Stop when there is nothing to do, or no turn is left."""
        if self.turns_left is not None:
            self.turns_left -= 1
        if idle or self.turns_left == 0:
            self.stop()


class _Selector(selectors.DefaultSelector):
    """Never waits: what cannot be had now is had once time has passed."""

    def __init__(self, loop: Virtual, turn: Turn) -> None:
        super().__init__()
        self._loop, self._turn = loop, turn

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turn()
        ready = super().select(0)
        self._loop.turned(idle=not ready and timeout != 0)
        return ready


class _Inline(ThreadPoolExecutor):
    """Does at once what a thread would do."""

    def __init__(self, loop: Virtual) -> None:
        super().__init__(1)
        self._loop = loop

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._work(future, partial(fn, *args, **kwargs))
        return future

    def _work(self, future: Future[Any], work: Callable[[], Any]) -> None:
        if future.done():  # its caller was cancelled
            return
        try:
            future.set_result(work())
        except Later as later:
            self._loop.call_later(later.seconds, self._work, future, work)
        except BaseException as error:
            future.set_exception(error)


_resting = threading.Semaphore(0)
"""Given by a thread that has come to rest: who woke it may go on."""


class _Thread(threading.Thread):
    """A thread that is waited for until it rests."""

    def start(self) -> None:
        super().start()
        _resting.acquire()

    def run(self) -> None:
        try:
            super().run()
        finally:
            _resting.release()


class _Queue(SimpleQueue[Any]):
    """What such a thread rests at: whoever puts something waits until it rests again."""

    awaited = False

    def put(self, item: Any, *_: Any) -> None:
        awaited, self.awaited = self.awaited, False
        super().put(item)
        if awaited:
            _resting.acquire()

    def put_nowait(self, item: Any) -> None:
        self.put(item)

    def get(self, *_: Any) -> Any:
        if self.empty():
            self.awaited = True
            _resting.release()
        return super().get()


@contextmanager
def in_step() -> Iterator[None]:
    """Have the threads of connections made inside this block run only while the loop waits for them."""
    with ExitStack() as stack:
        stack.enter_context(patch("aiosqlite.core.Thread", _Thread))
        stack.enter_context(patch("aiosqlite.core.SimpleQueue", _Queue))
        stack.enter_context(patch("praisonrun.store.connection.SimpleQueue", _Queue))
        yield
