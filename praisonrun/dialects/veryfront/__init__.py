"""Veryfront durable runs: `/runs`."""

from __future__ import annotations

from ...engine.engine import Engine
from ...web.operations import Dialect, operations
from ...web.responses import StreamLimits
from .endpoints import Runs
from .errors import STATUSES, render
from .streams import Events

ROOTS = ("runs", "projects", "conversations")
TAG = "canonical runs"


def dialect(engine: Engine, limits: StreamLimits) -> Dialect:
    """Return the dialect over an engine."""
    events = Events(engine, limits)
    return Dialect(ROOTS, operations(Runs(engine, events), events, tag=TAG), STATUSES, render)
