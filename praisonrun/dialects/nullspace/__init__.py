"""Nullspace agent deployments: `/v1/agent-deployments`."""

from __future__ import annotations

from ...engine.engine import Engine
from ...web.operations import Dialect, operations
from .agents import Deployments
from .answers import STATUSES, render
from .runs import Runs, Services


def dialect(engine: Engine) -> Dialect:
    """Return the dialect over an engine."""
    endpoints = (Deployments(engine), Runs(engine), Services(engine))
    return Dialect(("v1",), operations(*endpoints, tag="nullspace"), STATUSES, render)
