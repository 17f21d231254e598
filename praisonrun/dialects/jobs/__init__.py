"""PraisonAI jobs: `/api/v1/runs`."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from ...core.errors import RunNotFound
from ...engine.engine import Engine
from ...web.errors import STATUSES, problem
from ...web.operations import Dialect, operations
from ...web.responses import StreamLimits
from .endpoints import Jobs
from .output import Output
from .streams import Streams
from .webhooks import Deliveries


def dialect(engine: Engine, limits: StreamLimits, *shared: object) -> Dialect:
    """Return the dialect over an engine; `shared` are objects that serve paths of no dialect."""
    own = (Jobs(engine), Streams(engine, limits), Output(engine, limits), Deliveries(engine))
    return Dialect((), operations(*own, *shared), STATUSES, render)


def render(
    status: int, detail: str, headers: Mapping[str, str] | None = None, error: Exception | None = None
) -> Response:
    """Return a problem; a missing run is a job here (contracts: PraisonAI jobs)."""
    if isinstance(error, RunNotFound):
        detail = f"Job not found: {error.run_id}"
    return problem(status, detail, headers, error)
