"""Nullspace agent deployments: `/v1/agent-deployments`."""

from __future__ import annotations

from ...engine.engine import Engine
from ...web.operations import Dialect, operations
from .deployments import Deployments, Elsewhere
from .errors import STATUSES, render
from .runs import Runs
from .services import Services

TAG = "agent deployments"


def dialect(engine: Engine) -> Dialect:
    """Return the dialect over an engine."""
    table = operations(Deployments(engine), Runs(engine), Services(engine), Elsewhere(), tag=TAG)
    return Dialect(("v1",), table, STATUSES, render)
