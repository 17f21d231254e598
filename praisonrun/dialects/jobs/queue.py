"""The queue of the jobs dialect: what waits, and for whom it is paused."""

from __future__ import annotations

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...engine.engine import Engine
from ...engine.queue import Waiting
from ...web.fields import Name, Time, WireModel
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import read_body
from ...web.responses import json_response

QUEUE = "/api/v1/queue"


class AgentQueue(Described):
    """What one agent has to do."""

    agent: str = Field(description="Its name.")
    queued: int = Field(description="Runs that wait.")
    running: int = Field(description="Runs that have a slot.")
    concurrency: int | None = Field(description="How many may run at once by its entry; null for no limit.")
    paused_since: Time | None = Field(description="Since when its runs may not start; null if they may.")


class QueueShown(Described):
    """What waits and runs. Services are not among them: they take no slot."""

    queued: int = Field(description="Runs that wait: for a slot, their time, their input, or a resume.")
    queue_limit: int = Field(description="How many may wait; a submit beyond is a 503.")
    running: int = Field(description="Runs that have a slot.")
    concurrency: int = Field(description="How many may run at once.")
    paused_since: Time | None = Field(description="Since when all agents are paused; null if they are not.")
    agents: list[AgentQueue] = Field(description="The agents of the file, and all others with such runs.")


class Pause(WireModel, extra="forbid"):
    """Whose runs are meant."""

    agent: Name | None = Field(None, description="An agent; without one, all are meant.")


_SHOWN = {200: Answer("The queue as it is now.", QueueShown)}
_ALL = {409: Answer("All agents are paused: one alone cannot be resumed.")}
_CHANGED = {**_SHOWN, 422: Answer("No such agent, a service, or an unknown field.")}


class Queue:
    """The endpoints."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("GET", QUEUE, _SHOWN)
    async def get_queue(self, _request: Request) -> Response:
        """Show what waits, and what is paused."""
        return await self._shown()

    @operation("POST", f"{QUEUE}/pause", _CHANGED, body=Pause)
    async def pause_queue(self, request: Request) -> Response:
        """Let no run of an agent, or of any, start. What runs is left alone; submits are taken."""
        await self._engine.queue.pause((await read_body(request, Pause)).agent)
        return await self._shown()

    @operation("POST", f"{QUEUE}/resume", {**_CHANGED, **_ALL}, body=Pause)
    async def resume_queue(self, request: Request) -> Response:
        """Let the runs of an agent, or of all, start again."""
        await self._engine.queue.resume((await read_body(request, Pause)).agent)
        return await self._shown()

    async def _shown(self) -> Response:
        everyone, agents = await self._engine.queue.look()
        shown = {
            "queued": everyone.queued,
            "queue_limit": self._engine.limits.queue,
            "running": everyone.running,
            "concurrency": everyone.concurrency,
            "paused_since": iso(everyone.paused_since),
            "agents": [_agent(each) for each in agents],
        }
        return json_response(shown)


def _agent(waiting: Waiting) -> dict[str, object]:
    return {
        "agent": waiting.agent,
        "queued": waiting.queued,
        "running": waiting.running,
        "concurrency": waiting.concurrency,
        "paused_since": iso(waiting.paused_since),
    }
