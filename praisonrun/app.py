"""The assembly: the only place that constructs collaborators, and the server's life from start to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from . import clock
from .agents import Catalog
from .attempt import Spawner
from .config import Settings, boot_id, url
from .engine import Engine, Limits
from .errors import ConfigError, NotFound
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

log = logging.getLogger("praisonrun")
STOP_PATIENCE = 3.0
"""Seconds in which a second Ctrl-C cancels the live runs."""
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
        engine = Engine(
            store, catalog, rundir, bells, watch, supervisor, scheduler,
            environ=environ,
            limits=Limits(queue=settings.queue_limit, min_free=settings.min_free << 20),
            now=clock.now,
        )  # fmt: skip
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
        routes=routes(system.table), exception_handlers={**exception_handlers(), NotFound: _not_found}
    )
    inner.router.redirect_slashes = False
    return Edge(inner, port=settings.port, hosts=settings.hosts, origins=settings.allow_origin)


def serve(settings: Settings, spawner: socket.socket) -> int:
    """Serve until told to stop. Returns the process's exit code. Raises ConfigError before it listens."""
    os.umask(0o077)
    listener = _listen(settings)
    with asyncio.Runner() as runner:
        return runner.run(_serve(settings, spawner, listener))


async def _serve(settings: Settings, spawner: socket.socket, listener: socket.socket) -> int:
    async with engine_of(settings, spawner, os.environ) as engine:
        edge = application(engine, settings)
        edge.port = listener.getsockname()[1]
        server = _Server(engine, uvicorn.Config(
            edge, lifespan="off", loop="asyncio", http="httptools", ws="none", access_log=False, proxy_headers=False,
            log_config=None, server_header=False, date_header=True, timeout_graceful_shutdown=2,
            timeout_keep_alive=75, backlog=2048,
        ))  # fmt: skip
        _announce(settings, engine, edge.port)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # a full collection costs 10-20 ms in the middle of a request
        await server.serve([listener])
    return 0


class _Server(uvicorn.Server):
    """Uvicorn, but Ctrl-C asks once more before it takes live runs along."""

    def __init__(self, engine: Engine, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._engine = engine
        self._asked: asyncio.Task[None] | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT on the loop, without raising them again at the end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            loop.remove_signal_handler(signal.SIGINT)

    def _stop(self) -> None:
        self.should_exit = True

    def _interrupt(self) -> None:
        live = self._engine.live_count
        if self._asked is None and live and not self.should_exit:
            say(f"{live} run{'s' if live > 1 else ''} go on; press again within 3 s to cancel them")
            self._asked = asyncio.get_running_loop().create_task(self._last_word())
        elif self._asked is not None and not self._asked.done():
            self._asked.cancel()
            self._asked = asyncio.get_running_loop().create_task(self._cancel_all())
        else:
            self.should_exit = True

    async def _last_word(self) -> None:
        await asyncio.sleep(STOP_PATIENCE)
        self.should_exit = True

    async def _cancel_all(self) -> None:
        say("cancelling")
        await self._engine.cancel_live()
        self.should_exit = True


def say(line: str) -> None:
    """Print a line for the person at the terminal."""
    print(line, file=sys.stderr, flush=True)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {settings.host}:{settings.port}: {(error.strerror or str(error)).lower()}; "
            "stop what uses it (`praisonrun stop`), or choose another with --port"
        ) from None
    return listener


def _announce(settings: Settings, engine: Engine, port: int) -> None:
    home = url(settings.host, port)
    names = ", ".join(agent.name for agent in engine.catalog.all())
    source = settings.agents or "built in"
    say(f"praisonrun listens on {home}")
    say(f"  state   {settings.state}")
    say(f"  agents  {names} ({source})")
    header = "'Content-Type: application/json'"
    say(f"""  try     curl {home}/api/v1/runs -H {header} -d '{{"prompt": "Hello"}}'""")
    if os.geteuid() == 0:
        say("  note    running as root: agents will have root's rights")


async def _keep_log_small(store: Store) -> None:
    while True:
        await anyio.sleep(CHECKPOINT_EVERY)
        await store.checkpoint()


def _not_found(request: Request, error: Exception) -> Response:
    run_id = request.path_params.get("run_id")
    if run_id is None:
        return problems.from_error(error)
    return problems.problem(404, f"Job not found: {run_id}")
