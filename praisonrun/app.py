"""The assembly: the only place that constructs collaborators."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401 - asyncio.to_thread imports it late: see load_pydantic
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio

from .agents import Catalog, user_environ, without_ours
from .config.settings import Settings, boot_id, url
from .core import clock
from .core.errors import PraisonrunError
from .core.notifier import CHANGES, Notifier
from .dialects import jobs, mcp, nullspace, page, veryfront
from .dialects.jobs import webhooks as jobs_webhooks
from .dialects.system import Prove, Stay, System, stays
from .engine.ages import Ages
from .engine.callbacks import Callbacks
from .engine.context import Context, Limits
from .engine.directories import Directories
from .engine.engine import Engine
from .engine.reservations import Reservations, RunSlots
from .engine.retention import Keep, Retention
from .engine.scheduler import Scheduler
from .engine.supervisor import Supervisor
from .engine.unused import Unused
from .engine.viewers import Viewers
from .files.run_files import RunFiles
from .process import callback
from .process.spawner import Control
from .process.spawning import Spawner
from .process.spec import crew_files
from .services.ports import Ports
from .store import Store
from .web.budget import Budget
from .web.budgeted import Budgeted
from .web.edge import Access, Edge
from .web.forms import load_pydantic
from .web.operations import Dialects
from .web.responses import StreamLimits
from .webhooks import Own, Sender, Signer, Webhooks, addresses_of

USER: Mapping[str, Any] = {"umask": 0o022, "limits": ()}
CHECKPOINT_EVERY = 30.0
"""Seconds between two looks at the size of the store's log file."""
LEAST_FREE = 64 * 1024
"""Bytes without which no run is taken, whatever --min-free says: a transaction and a journal need some."""


@asynccontextmanager
async def engine_of(
    settings: Settings,
    spawner: Control,
    environ: Mapping[str, str],
    port: int = 0,
    user: Mapping[str, Any] = USER,
) -> AsyncIterator[Engine]:
    """Assemble an engine and run it inside this block. Live runs outlive it.

    `port` is the one that the server listens on, if it is not that of the settings; agents get `user`.
    """
    environ = user_environ(environ)
    own = Own(port or settings.port, addresses_of(settings.host))
    sender = Sender(Signer.read(settings.webhook_secret_file), own, clock.now)
    catalog = Catalog(settings.agents, settings.agent_root, environ)
    async with AsyncExitStack() as stack:
        adopt = (lambda run_id: RunFiles(settings.state).tail(run_id).end) if settings.adopt else None
        store = await stack.enter_async_context(Store.open(settings.state, adopt))
        files, notifier, shims = RunFiles(settings.state), Notifier(), Spawner(spawner)
        store.when_written(partial(notifier.ring, CHANGES))
        viewers = Viewers(files, notifier)
        limits = Limits(
            settings.concurrency,
            settings.queue_limit,
            max(settings.min_free << 20, LEAST_FREE),
            Directories(settings.state, settings.cwd_root),
            settings.inline_agents,
        )
        context = Context(store, catalog, files, notifier, viewers, limits, user, boot_id(), clock.now)
        stack.callback(shims.close)
        stack.enter_context(viewers.listening())
        slots, ports = RunSlots(limits.concurrency, notifier), Ports(store)
        reservations = Reservations(slots, ports)
        supervisor = Supervisor(context, shims, reservations)
        scheduler = Scheduler(context, supervisor, slots)
        webhooks = Webhooks(store.outbox, notifier, sender, clock.now)
        engine = Engine(context, supervisor, reservations, webhooks)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        await ports.recover()
        if programs := settings.callbacks:
            theirs = {**without_ours(environ), "PRAISONRUN_STATE": str(settings.state)}
            call = partial(callback.call, environ=theirs, umask=user["umask"])
            callbacks = Callbacks(store, engine.feed, programs, call, url(settings.host, own.port))
            await callbacks.begin()
            tasks.start_soon(callbacks.serve)
        await tasks.start(scheduler.serve)
        tasks.start_soon(_keep_log_small, store)
        keep = Keep(settings.retain_days, round(settings.retain_gb * (1 << 30)))
        ages = Ages(settings.state, context.boot)
        tasks.start_soon(Retention(store, files, ages, keep).serve)
        tasks.start_soon(Unused(store, crew_files(files), catalog.names, ages).serve)
        compose = partial(jobs_webhooks.compose, engine, url(settings.host, own.port))
        tasks.start_soon(webhooks.serve, compose)
        try:
            yield engine
        finally:
            tasks.cancel_scope.cancel()


def application(engine: Engine, settings: Settings, prove: Prove = str, stay: Stay = stays) -> Edge:
    """Return the ASGI application over an engine, inside its edge."""
    load_pydantic()
    limits, since, guarded = StreamLimits(), clock.iso(clock.now()) or "", settings.token is not None
    apis = ["jobs", "canonical", "deployments"]
    system = System(engine, apis, since, prove, stay, token=guarded, inline_agents=settings.inline_agents)
    foreign = veryfront.dialect(engine, limits), nullspace.dialect(engine)
    tools = mcp.Mcp(engine, limits)
    dialects = Dialects(
        jobs.dialect(engine, limits, system), *foreign, page.dialect(engine), mcp.dialect(tools)
    )
    tools.app = dialects
    no_api = (page.TAG, mcp.TAG)  # MCP describes itself
    system.table = [row for row in dialects.operations if row.tag not in no_api]
    access = Access(settings.hosts, settings.allow_origin, settings.token)
    large = [row.path for row in dialects.operations if row.large]
    within = Budgeted(dialects, Budget(), dialects.render)
    return Edge(within, port=settings.port, access=access, large_paths=large, render=dialects.render)


async def _keep_log_small(store: Store) -> None:
    while True:
        await anyio.sleep(CHECKPOINT_EVERY)
        with suppress(PraisonrunError):  # a full disk; the store says so to whoever writes
            await store.checkpoint()
