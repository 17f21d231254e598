"""The jobs dialect's paths, and what several of its operations answer."""

from __future__ import annotations

from ...web.operations import Answer

RUNS = "/api/v1/runs"
RUN = RUNS + "/{run_id}"

AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
NOT_FOUND = {404: Answer("No such run.")}
BAD_QUERY = {422: Answer("A query parameter at fault; `errors` names it.")}
WRONG_STATE = {409: Answer("The run's status does not allow it.")}
BUSY = {503: Answer("Too many streams are open.", headers=AGAIN)}
