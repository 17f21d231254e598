"""What all parts of one engine work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..agents import Catalog
from ..core.notifier import Notifier
from ..files.run_files import RunFiles
from ..store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The collaborators that every part of the engine shares."""

    store: Store
    catalog: Catalog
    files: RunFiles
    notifier: Notifier
    environ: Mapping[str, str]
    """The server's environment, from which agents get what their entries name."""
    umask: int
    """The user's file mode mask, which agents inherit; the server's own files are for the user alone."""
    boot: str
    """The boot id of this machine's run."""
    now: Callable[[], int]
    """The time in microseconds since the epoch."""
