"""What was looked at in this turn of the event loop: a crowd of requests asks the disk once, not each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class OncePerTick:
    """Remembers answers until the loop's next turn, and so never longer than other requests have to wait."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def once(self, key: Hashable, look: Callable[[], T]) -> T:
        """Return what `look` gives, or gave in this turn. Without a running loop it is always asked."""
        if key in self._known:
            known: T = self._known[key]
            return known
        answer = look()
        with suppress(RuntimeError):
            loop = asyncio.get_running_loop()
            if not self._known:
                loop.call_soon(self._known.clear)
            self._known[key] = answer
        return answer
