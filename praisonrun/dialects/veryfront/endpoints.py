"""The Veryfront dialect (`/runs`): canonical durable runs over the engine."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, Invalid, NotFound, WrongState
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Snapshot, Status
from ...engine.engine import Engine, Submit
from ...store import Find, Key
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_query, seq_of
from ...web.responses import json_response
from . import models, show
from .parse import parse_create
from .schemas import BAD, NOT_FOUND, Cancelled, Refused, RunAccepted, RunShown, RunShownPage
from .streams import RUN

PROJECT = "/projects/{project_ref}/runs"
LOGS = 256 * 1024
"""Bytes of output that a final run shows."""
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
_CREATED = {
    202: Answer("The run is on the disk.", RunAccepted),
    400: Answer("Fields at fault; `detail` names each.", Refused),
    404: Answer("No such agent, or no such parent.", Refused),
    409: Answer(
        "The public_id is another run's, or the parent was cancelled or has the same conversation.", Refused
    ),
    413: Answer("The body is too large.", Refused),
    415: Answer("The body is not application/json.", Refused),
    503: Answer("The queue is full.", Refused, _AGAIN),
    507: Answer("The disk is full.", Refused, _AGAIN),
}


class Runs:
    """The endpoints of runs. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("POST", "/runs", _CREATED, body=models.Create, large=True)
    async def create_canonical_run(self, request: Request) -> Response:
        """Create a run, or let a held one start."""
        submit, key = parse_create(models.Create.model_validate(parse_object(await request.body())))
        shown, duplicate = await self._submit(submit, key)
        if duplicate and submit.input is not None and shown.run.held and shown.run.status is Status.QUEUED:
            try:
                shown = await self._engine.release(shown.run.id, submit.prompt, submit.input)
            except WrongState:  # another request has released it already
                shown = await self._engine.get(shown.run.id)
        if duplicate:
            run = await self._whole(shown)
        else:  # nothing is read: an error after the commit would invite another create
            run = show.run_object(shown, whole=show.given(shown.run, submit.prompt, submit.input))
        return json_response(show.accepted(shown, run, duplicate=duplicate), 202)

    @operation("GET", RUN, {200: Answer("The run as it is now.", RunShown), **NOT_FOUND}, heavy=True)
    async def get_canonical_run(self, request: Request) -> Response:
        """Get a run; a finished one comes with its output."""
        return json_response(await self._whole(await self._engine.get(request.path_params["run_id"])))

    @operation("POST", RUN + "/cancel", {200: Answer("Whether it is cancelled.", Cancelled), **NOT_FOUND})
    async def cancel_canonical_run(self, request: Request) -> Response:
        """Cancel a run and its descendants, and wait until they are gone; a finished run is no error."""
        run_id = request.path_params["run_id"]
        try:
            shown = await self._engine.cancel(run_id)
            cancelled = True
        except WrongState:
            shown = await self._engine.get(run_id)
            cancelled = shown.run.status is Status.CANCELLED
        return json_response({"cancelled": cancelled, "run": await self._whole(shown)})

    @operation("POST", RUN + "/complete", {400: Answer("Always.", Refused), **NOT_FOUND})
    async def complete_canonical_run(self, request: Request) -> Response:
        """Rejected: praisonrun ends its runs itself."""
        run_id = (await self._engine.get(request.path_params["run_id"])).run.id
        why = "is executed by praisonrun, which ends it itself; cancel it to end it sooner"
        raise BadRequest(f"run {run_id} {why}")

    @operation(
        "GET", PROJECT, {200: Answer("A page.", RunShownPage), **BAD}, query=models.RunsQuery, heavy=True
    )
    async def list_canonical_runs(self, request: Request) -> Response:
        """List runs, newest first: a UUID names one project's, any other name all."""
        query = read_query(request, models.RunsQuery)
        ref = request.path_params["project_ref"]
        wanted = Find(
            owner=ref.lower() if re.fullmatch(models.UUID, ref) and ref != show.LOCAL else None,
            root=query.root_run_id,
            after_seq=seq_of(query.cursor),
            page_size=query.limit + 1,
            counted=False,
        )
        found, _ = await self._engine.find(wanted)
        page, more = found[: query.limit], len(found) > query.limit
        data = [show.run_object(shown, await self._engine.artifacts(shown.run.id)) for shown in page]
        return json_response(show.page(data, query.cursor, str(page[-1].run.seq) if more else None))

    async def _submit(self, submit: Submit, key: Key | None) -> tuple[Snapshot, bool]:
        try:
            return await self._engine.submit(submit, key)
        except Invalid as error:
            known = [agent.name for agent in self._engine.catalog.all()]
            if error.field == "agent" and submit.choice.name not in known:
                raise NotFound(error.message) from None
            raise

    async def _whole(self, shown: Snapshot) -> dict[str, Json]:
        run = shown.run
        full = await self._engine.store.get_full(run.id)
        whole = show.given(run, full.prompt, full.input)
        if run.status in FINAL:
            whole["output"] = (await self._engine.journals.result(run)).value
            whole["logs"] = await self._engine.journals.logs(run, LOGS)
        return show.run_object(shown, await self._engine.artifacts(run.id), whole)
