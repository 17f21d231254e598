"""The assembly: the only place that constructs collaborators."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from . import clock
from .agents import Catalog
from .attempt import Spawner
from .config import Settings, boot_id
from .engine import Engine
from .errors import PraisonrunError, RunNotFound
from .intake import Intake, Limits
from .notifier import Notifier
from .rundir import RunDir
from .scheduler import Scheduler
from .store import Store
from .supervisor import Supervisor
from .watch import Watch
from .wire import jobs_table, problems
from .wire.edge import Edge
from .wire.operations import exception_handlers, routes
from .wire.system import System

CHECKPOINT_EVERY = 30.0
"""Seconds between two looks at the size of the store's log file."""


@asynccontextmanager
async def engine_of(
    settings: Settings, spawner: socket.socket, environ: Mapping[str, str]
) -> AsyncIterator[Engine]:
    """Assemble an engine and run it inside this block. Live runs go on after it."""
    catalog = Catalog(settings.agents, settings.agent_root, environ)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(settings.state))
        rundir, bells = RunDir(settings.state), Notifier()
        watch, shims = Watch(rundir, bells), Spawner(spawner)
        stack.callback(shims.close)
        stack.enter_context(watch.listening())
        supervisor = Supervisor(store, catalog, rundir, bells, watch, shims, environ, clock.now)
        scheduler = Scheduler(
            store, catalog, bells, supervisor, clock.now, slots=settings.concurrency, boot=boot_id()
        )
        limits = Limits(queue=settings.queue_limit, min_free=settings.min_free << 20)
        intake = Intake(
            store, catalog, rundir, supervisor, scheduler, clock.now, environ=environ, limits=limits
        )
        engine = Engine(store, catalog, rundir, bells, watch, supervisor, scheduler, intake, clock.now)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        await tasks.start(scheduler.serve)
        tasks.start_soon(_keep_log_small, store)
        try:
            yield engine
        finally:
            tasks.cancel_scope.cancel()


def application(engine: Engine, settings: Settings) -> Edge:
    """Return the ASGI application over an engine, inside its edge."""
    system = System(engine)
    system.table = [*jobs_table.operations(engine), *system.operations()]
    inner = Starlette(
        routes=routes(system.table), exception_handlers={**exception_handlers(), RunNotFound: _not_found}
    )
    inner.router.redirect_slashes = False
    return Edge(inner, port=settings.port, hosts=settings.hosts, origins=settings.allow_origin)


async def _keep_log_small(store: Store) -> None:
    while True:
        await anyio.sleep(CHECKPOINT_EVERY)
        with suppress(PraisonrunError):  # a full disk; the store says so to whoever writes
            await store.checkpoint()


def _not_found(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RunNotFound)
    return problems.problem(404, f"Job not found: {error.run_id}")
