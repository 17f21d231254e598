"""The Veryfront dialect (`/runs`): canonical durable runs over the engine."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, Invalid, NotFound, WrongState
from ...core.json import Json
from ...core.lifecycle import FINAL
from ...core.model import Snapshot, Status
from ...engine.engine import Engine
from ...store import Find
from ...web.operations import Answer, operation
from ...web.requests import parse_object, read_query, seq_of
from ...web.responses import json_response
from . import models, schemas, show
from .errors import BAD, NOT_FOUND, rejection
from .parse import ParsedCreate, parse_create
from .streams import RUN, SPOKEN, Events, in_conversation

LOGS = 256 * 1024
"""Bytes of output that a final run shows."""
_AGAIN = {"Retry-After": "Seconds until it is worth asking again."}
_CREATED = {
    202: Answer("The run is on the disk.", schemas.RunAccepted),
    400: rejection("Fields at fault; `detail` names each."),
    404: rejection("No such agent, or no such parent."),
    409: rejection("The public_id is another run's, or the parent was cancelled."),
    413: rejection("The body is too large."),
    415: rejection("The body is not application/json."),
    503: rejection("The queue is full.", _AGAIN),
    507: rejection("The disk is full.", _AGAIN),
}


class Runs:
    """The endpoints. Each one parses, calls the engine, and shows the answer."""

    def __init__(self, engine: Engine, events: Events) -> None:
        self._engine, self._events = engine, events

    @operation("POST", "/runs", _CREATED, body=models.Create, large=True)
    async def create_canonical_run(self, request: Request) -> Response:
        """Create a run, or let a held one start."""
        asked = parse_create(models.Create.model_validate(parse_object(await request.body())))
        shown, duplicate = await self._submit(asked)
        if duplicate and asked.brings_input and shown.run.held and shown.run.status is Status.QUEUED:
            shown = await self._release(asked, shown)
        if duplicate:
            run = await self._whole(shown)
        else:  # nothing is read: an error after the commit would invite another create
            run = show.run_object(shown, whole=show.Whole(asked.submit.prompt, asked.submit.input))
        return json_response(show.accepted(shown, run, duplicate=duplicate), 202)

    @operation("GET", RUN, {200: Answer("The run as it is now.", schemas.RunShown), **NOT_FOUND})
    async def get_canonical_run(self, request: Request) -> Response:
        """Get a run.

        A finished run comes with its output.
        """
        return json_response(await self._whole(await self._engine.get(request.path_params["run_id"])))

    @operation(
        "POST", RUN + "/cancel", {200: Answer("Whether it is cancelled.", schemas.Cancelled), **NOT_FOUND}
    )
    async def cancel_canonical_run(self, request: Request) -> Response:
        """Cancel a run and its descendants.

        Answers once its process is gone; a finished run is no error.
        """
        run_id = request.path_params["run_id"]
        try:
            shown = await self._engine.cancel(run_id)
            cancelled = True
        except WrongState:
            shown = await self._engine.get(run_id)
            cancelled = shown.run.status is Status.CANCELLED
        return json_response({"cancelled": cancelled, "run": await self._whole(shown)})

    @operation("POST", RUN + "/complete", {400: rejection("Always."), **NOT_FOUND})
    async def complete_canonical_run(self, request: Request) -> Response:
        """Refused: praisonrun ends its runs itself."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        raise BadRequest(
            f"run {run.id} is executed by praisonrun, which ends it itself; cancel it to end it sooner"
        )

    @operation(
        "GET",
        "/projects/{project_ref}/runs",
        {200: Answer("A page.", schemas.RunPage), **BAD},
        query=models.ProjectRunsQuery,
    )
    async def list_canonical_runs(self, request: Request) -> Response:
        """List runs, newest first.

        A UUID names one project's runs, any other name all runs.
        """
        query = read_query(request, models.ProjectRunsQuery)
        ref = request.path_params["project_ref"]
        wanted = Find(
            owner=ref.lower() if _is_uuid(ref) and ref != show.LOCAL else None,
            root=query.root_run_id,
            after_seq=seq_of(query.cursor),
            page_size=query.limit + 1,
            counted=False,
        )
        found, _ = await self._engine.find(wanted)
        page, more = found[: query.limit], len(found) > query.limit
        info = show.page_info(query.cursor, str(page[-1].run.seq) if more else None)
        return json_response({"data": [await self._listed(shown) for shown in page], "page_info": info})

    @operation("GET", SPOKEN, {200: Answer("The projection.", schemas.Projection), **NOT_FOUND})
    async def project_canonical_run(self, request: Request) -> Response:
        """Get a run as its conversation sees it."""
        shown = await in_conversation(self._engine, request)
        return json_response(show.projection(shown, await self._events.latest(shown.run)))

    async def _submit(self, asked: ParsedCreate) -> tuple[Snapshot, bool]:
        try:
            return await self._engine.submit(asked.submit, asked.key, asked.fingerprint)
        except Invalid as error:
            name = asked.submit.choice.name
            if error.field == "agent" and name not in [agent.name for agent in self._engine.catalog.all()]:
                raise NotFound(error.message) from None
            raise

    async def _release(self, asked: ParsedCreate, shown: Snapshot) -> Snapshot:
        try:
            return await self._engine.release(shown.run.id, asked.submit.prompt, asked.submit.input)
        except WrongState:  # another request has released it already
            return await self._engine.get(shown.run.id)

    async def _listed(self, shown: Snapshot) -> dict[str, Json]:
        return show.run_object(shown, await self._engine.artifacts(shown.run.id))

    async def _whole(self, shown: Snapshot) -> dict[str, Json]:
        run = shown.run
        prompt, given = await self._engine.input_of(run.id)
        whole = show.Whole(prompt, given)
        if run.status in FINAL:
            output = (await self._engine.journals.result(run)).value
            whole = show.Whole(prompt, given, output, await self._engine.journals.logs(run, LOGS))
        return show.run_object(shown, await self._engine.artifacts(run.id), whole)


def _is_uuid(ref: str) -> bool:
    return len(ref) == 36 and set(ref.lower()) <= set("0123456789abcdef-")
