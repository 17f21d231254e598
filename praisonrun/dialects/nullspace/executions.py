"""What the Nullspace dialect's endpoints of runs and of services have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from ...core.errors import BadRequest, NotFound, WrongState
from ...core.json import Json
from ...core.model import Mode, Snapshot, Status
from ...engine.engine import Engine, Submit
from ...store import GIVEN_BYTES, Find, Key, given
from ...web.requests import checked_key, read_query, seq_of
from . import models, show, words
from .agents import Agents
from .answers import Missing, answer
from .logs import Log

_MISSING = {Mode.RUN: "agent_run_not_found", Mode.SERVICE: "agent_service_instance_not_found"}


class Executions:
    """Runs or services, whichever `mode` says. A path's parameter has the name of the mode."""

    mode: ClassVar[Mode]

    def __init__(self, engine: Engine) -> None:
        self._engine, self._agents = engine, Agents(engine)

    async def _submit(self, request: Request, given: Mapping[str, Json], ask: Submit) -> Response:
        """Submit what a body asks for."""
        key = key_of(request, f"{self.mode}s:{ask.choice.name}", given)
        shown, replayed = await self._engine.submit(ask, key)
        if replayed:
            shown = await self._engine.get(shown.run.id, full=True)
        return answer(await self._shown(shown), 201, replayed=replayed)

    async def _list(self, request: Request, query: models.RunsQuery | models.ServicesQuery) -> Response:
        found = await self._agents.of(request)
        wanted = replace(
            words.rows(self.mode, query.status),
            agent=found.agent.name,
            mode=self.mode,
            version=await self._agents.digest(found, query.version_id),
            page_size=query.limit + 1,
            after_seq=seq_of(query.cursor, "is no place of this list"),
            full=True,
            counted=False,
        )
        page, more = await self._page(wanted, query)
        onward = str(page[-1].run.seq) if more else None
        return answer({"items": [await self._shown(shown) for shown in page], "next_cursor": onward})

    async def _page(
        self, wanted: Find, query: models.RunsQuery | models.ServicesQuery
    ) -> tuple[list[Snapshot], bool]:
        """Return a page of runs with the status of the query, and whether there are more.

        It is shorter than asked for where the inputs are large.
        """
        words_of = query.status and query.status.split(",")
        kept: list[Snapshot] = []
        size = 0
        while len(kept) <= query.limit and (size <= GIVEN_BYTES or not kept):
            page, _ = await self._engine.find(wanted)
            kept += [one for one in page if not words_of or words.status(one) in words_of]
            size = sum(given(one.run) for one in page)
            if not page or (len(page) < wanted.page_size and size <= GIVEN_BYTES):
                return kept[: query.limit], len(kept) > query.limit
            wanted = replace(wanted, after_seq=page[-1].run.seq)
        return kept[: query.limit], True

    async def _cancel(self, request: Request, reason: str | None, *, keep_scratch: bool = False) -> Response:
        """Answer once the process is gone; what was cancelled before is no error."""
        shown = await self._of(request)
        if shown.run.status is not Status.CANCELLED:
            try:
                await self._engine.cancel(shown.run.id, reason, keep_scratch=keep_scratch)
            except WrongState:
                wire, ended = request.path_params[self.mode], words.status(await self._of(request))
                raise WrongState(f"{self.mode} {wire} has {ended} already") from None
        return await self._get(request)

    async def _get(self, request: Request) -> Response:
        return answer(await self._shown(await self._of(request)))

    async def _log(self, request: Request) -> Response:
        shown = await self._of(request)
        query = read_query(request, models.LogsQuery)
        self._engine.journals.check(shown.run)
        with self._engine.files.reader(shown.run.id) or nullcontext() as reader:
            return answer(await asyncio.to_thread(Log(shown, reader).page, query))

    async def _of(self, request: Request) -> Snapshot:
        """Return the run or service that a path names. Raises Missing."""
        agent = (await self._agents.of(request)).agent.name
        wire: str = request.path_params[self.mode]
        run_id = words.run_id_of(wire, self.mode)
        with suppress(NotFound):
            shown = await self._engine.get(run_id, full=True) if run_id else None
            if shown and shown.run.mode is self.mode and shown.run.agent == agent:
                return shown
        raise Missing(_MISSING[self.mode], f"agent {agent!r} has no {self.mode} {wire[:100]!r}")

    async def _shown(self, shown: Snapshot) -> dict[str, Json]:
        if self.mode is Mode.RUN:
            return show.run(shown)
        return show.service(shown, await self._engine.versions.of(shown.run))


def key_of(request: Request, scope: str, payload: Mapping[str, Json]) -> Key:
    """Return the required key of a create, scoped by operation and agent. Raises BadRequest."""
    given = request.headers.get("idempotency-key")
    if given is None:
        raise BadRequest("the header Idempotency-Key is required", field="idempotency_key")
    return Key(f"deployments:{scope}", checked_key(given), payload)
