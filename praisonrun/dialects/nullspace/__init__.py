"""Nullspace agent deployments: `/v1/agent-deployments`."""

from __future__ import annotations

from ...engine.engine import Engine
from ...web.operations import Dialect, operations
from .answers import STATUSES, render
from .deployments import Deployments, Elsewhere
from .runs import Runs, Services


def dialect(engine: Engine) -> Dialect:
    """Return the dialect over an engine."""
    endpoints = (Deployments(engine), Runs(engine), Services(engine), Elsewhere())
    return Dialect(("v1",), operations(*endpoints, tag="agent deployments"), STATUSES, render)
