"""All faults of a file at once: each is kept, and the reading of the rest continues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..core.errors import ConfigError, FaultPlace

MOST = 100
"""Faults after which nobody looks for more: a file may have tens of thousands."""


class Faults:
    """What was found to be wrong so far; of several faults at one place the first."""

    def __init__(self) -> None:
        self._found: dict[FaultPlace | str, ConfigError] = {}

    def add(self, fault: ConfigError) -> None:
        """Keep a fault, or each of those that it stands for. Raises what was found once that is too much.

        None keeps its traceback, which leads to who holds it: the tree of the file would outlive its reading.
        """
        for one in fault.faults:
            self._found.setdefault(one.place or one.message, one.with_traceback(None))
        if len(self._found) >= MOST:
            raise self.joined()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Leave this block at its first fault, and keep that."""
        try:
            yield
        except ConfigError as fault:
            self.add(fault)

    def check(self) -> None:
        """Raise what was found, if anything was."""
        if self._found:
            raise self.joined()

    def joined(self) -> ConfigError:
        """Hand over the fault that was found, or one that stands for all.

        That has the message of the first that was found; its `faults` have the order of their places.
        """
        first, found = next(iter(self._found.values())), sorted(self._found.values(), key=_order)
        self._found = {}
        if found[1:]:
            more = f"{len(found) - 1} more fault{'s' if found[2:] else ''}; `praisonrun check` shows all"
            return ConfigError(f"{first.message} (and {more})", faults=found)
        return first


def _order(fault: ConfigError) -> tuple[int, ...]:
    return tuple(number or 0 for number in fault.place[1:]) if fault.place else ()
