"""What a server needs of the system, and gives back: threads, memory."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from ..core.errors import ConfigError
from . import log

LARGE = 1024 * 1024
"""Bytes of a piece of memory that the system gives, and gets back, for itself alone."""
_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of mallopt(3)."""


class Threads(ThreadPoolExecutor):
    """Threads for what blocks: when the system denies another one, those that are there do its work, too."""

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise


@contextmanager
def threads(*, verbose: bool = False, log_json: bool = False) -> Iterator[Threads]:
    """Have threads inside this block, the log's among them. Raises ConfigError where there are none."""
    try:
        log.start(verbose=verbose, as_json=log_json)
        made = Threads()
        made.submit(int).result()
        yield made
    except RuntimeError as error:
        if "can't start new thread" not in error.args:
            raise
        raise ConfigError("cannot start a thread: is `ulimit -u` or `ulimit -v` too low?") from None


def keep_no_large_memory() -> None:
    """Have every large piece of memory go back to the system as soon as it is free.

    Else glibc takes the size of the first for what is usual, and keeps, and splits, all that are no larger.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, LARGE)


def give_memory_back() -> None:
    """Return free memory to the system at once: glibc keeps what lies below the last piece in use."""
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
