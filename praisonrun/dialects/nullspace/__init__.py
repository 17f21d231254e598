"""Nullspace agent deployments: `/v1/agent-deployments`."""

from __future__ import annotations

from ...engine.engine import Engine
from ...web.operations import Dialect, operations
from .agents import Deployments
from .answers import STATUSES, render
from .runs import Runs, Services

_SEGMENTS = {
    "deployment": "An agent's id, or its name.",
    "version": "A version's id, or its digest.",
    "run": "A run's id: adrun_…",
    "service": "A service's id: adsvc_…",
}


def dialect(engine: Engine) -> Dialect:
    """Return the dialect over an engine."""
    endpoints = (Deployments(engine), Runs(engine), Services(engine))
    return Dialect(("v1",), operations(*endpoints, tag="nullspace", **_SEGMENTS), STATUSES, render)
