"""The assembly: the only place that constructs collaborators."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - asyncio.to_thread imports it late: see load_pydantic
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import anyio

from .agents import Catalog
from .config.settings import Settings, boot_id, url
from .core import clock
from .core.errors import PraisonrunError
from .core.notifier import Notifier
from .dialects import jobs, nullspace, veryfront
from .dialects.jobs import webhook as jobs_webhook
from .dialects.system import System
from .engine.checks import Checks, Limits
from .engine.engine import Engine
from .engine.restarts import Restarts
from .engine.retention import Keep, Retention
from .engine.scheduler import Scheduler
from .engine.submit import Intake
from .engine.supervisor import Supervisor
from .engine.unused import Unused
from .engine.viewers import Watch
from .files.run_files import RunDir
from .process.attempt import Spawner
from .process.spec import crew_files
from .services.ports import Ports
from .services.readiness import Services
from .store import Store
from .web.edge import Edge
from .web.fields import load_pydantic
from .web.router import Dialects
from .web.stream_limits import StreamLimits
from .webhooks import Own, Sender, Signer, Webhooks, addresses_of

CHECKPOINT_EVERY = 30.0
"""Seconds between two looks at the size of the store's log file."""


@asynccontextmanager
async def engine_of(
    settings: Settings, spawner: socket.socket, environ: Mapping[str, str], port: int = 0
) -> AsyncIterator[Engine]:
    """Assemble an engine and run it inside this block. Live runs go on after it.

    `port` is the one that the server listens on, where it is not the settings'.
    """
    environ = dict(environ)  # os.environ decodes each value each time
    own = Own(port or settings.port, addresses_of(settings.host))
    sender = Sender(Signer.read(settings.webhook_secret_file), own, clock.now)
    catalog = Catalog(settings.agents, settings.agent_root, environ)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(settings.state))
        rundir, bells = RunDir(settings.state), Notifier()
        watch, shims = Watch(rundir, bells), Spawner(spawner)
        stack.callback(shims.close)
        stack.enter_context(watch.listening())
        services, ports = Services(store, rundir, bells, clock.now), Ports(store)
        supervisor = Supervisor(
            store, catalog, rundir, bells, watch, shims, services, ports, environ, clock.now
        )
        scheduler = Scheduler(
            store, catalog, bells, supervisor, clock.now, slots=settings.concurrency, boot=boot_id()
        )
        limits = Limits(
            queue=settings.queue_limit,
            min_free=settings.min_free << 20,
            inline_agents=settings.inline_agents,
        )
        webhooks = Webhooks(store.outbox, bells, sender, clock.now)
        checks = Checks(catalog, rundir, environ, limits)
        intake = Intake(store, catalog, supervisor, scheduler, ports, checks, webhooks.check, clock.now)
        restarts = Restarts(store, supervisor, scheduler, ports, checks, clock.now)
        engine = Engine(
            store,
            catalog,
            rundir,
            bells,
            watch,
            supervisor,
            scheduler,
            intake,
            restarts,
            webhooks,
            limits,
            clock.now,
        )
        tasks = await stack.enter_async_context(anyio.create_task_group())
        await ports.recover()
        await tasks.start(scheduler.serve)
        tasks.start_soon(_keep_log_small, store)
        keep = Keep(settings.retain_days, round(settings.retain_gb * (1 << 30)))
        tasks.start_soon(Retention(store, rundir, clock.now, keep).serve)
        tasks.start_soon(Unused(store, crew_files(rundir), catalog.names, clock.now).serve)
        tasks.start_soon(webhooks.serve, jobs_webhook.composer(engine, url(settings.host, own.port)))
        try:
            yield engine
        finally:
            tasks.cancel_scope.cancel()


def application(engine: Engine, settings: Settings) -> Edge:
    """Return the ASGI application over an engine, inside its edge."""
    load_pydantic()
    limits = StreamLimits()
    system = System(
        engine,
        api=["jobs", "canonical", "deployments"],
        started_at=clock.iso(clock.now()) or "",
        features={"token": settings.token is not None, "inline_agents": settings.inline_agents},
    )
    dialects = Dialects(
        jobs.dialect(engine, limits, system), veryfront.dialect(engine, limits), nullspace.dialect(engine)
    )
    system.table = dialects.operations
    return Edge(
        dialects,
        port=settings.port,
        hosts=settings.hosts,
        origins=settings.allow_origin,
        token=settings.token,
        large=[row.path for row in dialects.operations if row.large],
        render=dialects.render,
    )


async def _keep_log_small(store: Store) -> None:
    while True:
        await anyio.sleep(CHECKPOINT_EVERY)
        with suppress(PraisonrunError):  # a full disk; the store says so to whoever writes
            await store.checkpoint()
