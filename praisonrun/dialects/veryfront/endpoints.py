"""The canonical dialect (`/runs`): Veryfront's canonical durable runs over the engine."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, Invalid, NotFound, WrongState
from ...core.json import Json, dumps
from ...core.lifecycle import FINAL
from ...core.model import Snapshot, Status
from ...engine.engine import Engine
from ...store import Find
from ...web.requests import parse_object, read_query
from . import models, show
from .parse import Wish, wish
from .streams import Events, in_conversation

LOGS = 256 * 1024
"""Bytes of output that a final run shows."""


class Canonical:
    """The endpoints. Each is parse, a word or two to the engine, show."""

    def __init__(self, engine: Engine, events: Events) -> None:
        self._engine, self._events = engine, events

    async def create(self, request: Request) -> Response:
        """POST /runs: 202 once the run is on the disk; the second step of a start in two as well."""
        asked = wish(models.Create.model_validate(parse_object(await request.body())))
        shown, duplicate = await self._submit(asked)
        if duplicate and asked.brings_input and shown.run.held and shown.run.status is Status.QUEUED:
            shown = await self._release(asked, shown)
        if duplicate:
            run = await self._whole(shown)
        else:  # nothing is read: what is committed must not be answered with an error, which invites another
            run = show.run_object(shown, whole=show.Whole(asked.submit.prompt, asked.submit.input))
        return _json(show.accepted(shown, run, duplicate=duplicate), 202)

    async def get(self, request: Request) -> Response:
        """GET /runs/{run_id}: the bare run, with all that it said once it is final."""
        return _json(await self._whole(await self._engine.get(request.path_params["run_id"])))

    async def cancel(self, request: Request) -> Response:
        """POST /runs/{run_id}/cancel: once its process is gone; also of a run that is final already."""
        run_id = request.path_params["run_id"]
        try:
            shown = await self._engine.cancel(run_id)
            cancelled = True
        except WrongState:
            shown = await self._engine.get(run_id)
            cancelled = shown.run.status is Status.CANCELLED
        return _json({"cancelled": cancelled, "run": await self._whole(shown)})

    async def complete(self, request: Request) -> Response:
        """POST /runs/{run_id}/complete: nobody else ends a run here."""
        run = (await self._engine.get(request.path_params["run_id"])).run
        raise BadRequest(
            f"run {run.id} is executed by praisonrun, which ends it itself; cancel it to end it sooner"
        )

    async def find(self, request: Request) -> Response:
        """GET /projects/{ref}/runs: newest first; a project's by its UUID, all by any other name."""
        query = read_query(request, models.ProjectRunsQuery)
        ref = request.path_params["project_ref"]
        wanted = Find(
            owner=ref.lower() if _is_uuid(ref) and ref != show.LOCAL else None,
            root=query.root_run_id,
            after_seq=_seq(query.cursor),
            page_size=query.limit + 1,
            counted=False,
        )
        found, _ = await self._engine.find(wanted)
        page, more = found[: query.limit], len(found) > query.limit
        info = show.page_info(query.cursor, str(page[-1].run.seq) if more else None)
        return _json({"data": [await self._listed(shown) for shown in page], "page_info": info})

    async def project(self, request: Request) -> Response:
        """GET /conversations/{cid}/runs/{run_id}: the run as its conversation sees it."""
        shown = await in_conversation(self._engine, request)
        return _json(show.projection(shown, await self._events.latest(shown.run)))

    async def _submit(self, asked: Wish) -> tuple[Snapshot, bool]:
        try:
            return await self._engine.submit(asked.submit, asked.key, asked.fingerprint)
        except Invalid as refused:
            name = asked.submit.choice.name
            if refused.field == "agent" and name not in [agent.name for agent in self._engine.catalog.all()]:
                raise NotFound(refused.message) from None
            raise

    async def _release(self, asked: Wish, shown: Snapshot) -> Snapshot:
        try:
            return await self._engine.release(shown.run.id, asked.submit.prompt, asked.submit.input)
        except WrongState:  # somebody else's same step was quicker
            return await self._engine.get(shown.run.id)

    async def _listed(self, shown: Snapshot) -> dict[str, Json]:
        return show.run_object(shown, await self._engine.artifacts(shown.run.id))

    async def _whole(self, shown: Snapshot) -> dict[str, Json]:
        run = shown.run
        prompt, given = await self._engine.input_of(run.id)
        whole = show.Whole(prompt, given)
        if run.status in FINAL:
            output = (await self._engine.result(run)).value
            whole = show.Whole(prompt, given, output, await self._engine.logs(run.id, LOGS))
        return show.run_object(shown, await self._engine.artifacts(run.id), whole)


def _is_uuid(ref: str) -> bool:
    return len(ref) == 36 and set(ref.lower()) <= set("0123456789abcdef-")


def _seq(cursor: str | None) -> int | None:
    """Return the place that a cursor of a list names. Raises BadRequest."""
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadRequest(f"cursor {cursor[:40]!r} is none of ours; start without one", field="cursor")
    return int(cursor)


def _json(body: Mapping[str, Json], status: int = 200) -> Response:
    return Response(dumps(body), status, media_type="application/json")
