"""The server's life: listen, announce it, serve, and stop as a person at a terminal expects."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from . import __version__
from .app import application, engine_of
from .config import discovery, form, limits
from .config.discovery import Listening
from .config.log import say
from .config.settings import Settings, url
from .core import clock
from .core.errors import ConfigError, counted, reason
from .engine.engine import Engine
from .engine.idle import Idle
from .process import surroundings
from .process import sweep as sweep_of
from .process.spawner import Control
from .web.edge import Edge
from .web.guard import Guard, sweep
from .web.head import SWEEP

STOP_PATIENCE = 3.0
"""Seconds in which a second Ctrl-C cancels the live runs."""
CROWD = 64
"""Connections whose memory, some 20 MB, is worth giving back to the system."""
UVICORN: dict[str, Any] = {
    "loop": "asyncio",  # uvloop gives children sockets for stdio and spawns at half the speed
    "http": Guard,  # httptools behind our caps and clocks
    "ws": "none",
    "lifespan": "off",
    "proxy_headers": False,
    "server_header": False,
    "access_log": False,
    "log_config": None,
    "timeout_keep_alive": 75,  # longer than any client polls; where room is short, Guard closes the idle
    "timeout_graceful_shutdown": 2,
}


def serve(settings: Settings, spawner: Control, user: Mapping[str, Any]) -> int:
    """Serve until told to stop; return the process's exit code. Agents get `user`. Raises ConfigError."""
    surroundings.allow_many_files()  # each connection may also read a journal
    limits.keep_no_large_memory()
    with (
        limits.threads(verbose=settings.verbose, log_json=settings.log_json) as threads,
        _listen(settings) as listener,
        asyncio.Runner() as runner,
    ):
        runner.get_loop().set_default_executor(threads)
        return runner.run(_serve(settings, spawner, listener, user))


async def _serve(
    settings: Settings, spawner: Control, listener: socket.socket, user: Mapping[str, Any]
) -> int:
    port = listener.getsockname()[1]
    async with engine_of(settings, spawner, os.environ, port, user) as engine:
        secret = secrets.token_hex(16)
        home, since = url(settings.host, port), clock.iso(clock.now()) or ""
        token_file = str(settings.token_file) if settings.token_file else None
        found = (home, port, os.getpid(), __version__, since, token_file, engine.store.id, secret)
        agents_file = str(settings.agents) if settings.agents else None
        listening, idle = Listening(*found, agents_file, settings.idle_exit), Idle(engine, settings.idle_exit)
        proof, stay = partial(discovery.proof, secret, port), partial(_stay, settings.state, listening, idle)
        edge = application(engine, settings, proof, stay)
        edge.set_port(port)
        server = _Server(engine, edge, idle)
        try:
            discovery.write(settings.state, listening)
        except OSError as error:  # a full disk must not stop the server
            say(f"no command will find this server: cannot write server.json: {reason(error)}")
        _announce(settings, engine, home)
        if (own := form.unpacked()) is not None:
            asyncio.get_running_loop().run_in_executor(None, form.remove_unused, own)
        gc.freeze()
        gc.set_threshold(10_000, 5, 20)  # streams leave cycles; a larger collection delays a request
        gc.enable()
        try:
            await server.serve([listener])
        finally:
            discovery.remove(settings.state)
    return 0


async def _stay(state: Path, listening: Listening, idle: Idle) -> bool:
    """Have a server stay, and commands know it; return whether it would have left. Raises OSError."""
    if not idle.ends:
        return False
    await asyncio.to_thread(discovery.write, state, replace(listening, idle_exit=None))
    idle.never()
    say("stays until it is stopped, as `praisonrun up` asked")
    return True


class _Server(uvicorn.Server):
    """Uvicorn's server, but Ctrl-C asks once more before it cancels live runs, and it may end when idle."""

    def __init__(self, engine: Engine, edge: Edge, idle: Idle) -> None:
        super().__init__(uvicorn.Config(edge, **UVICORN))
        self._engine, self._edge, self._idle = engine, edge, idle
        self._asked: asyncio.Task[None] | None = None
        self._most = 0
        """Connections at once, since memory was given back last."""

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

    async def on_tick(self, counter: int) -> bool:
        """Check the deadlines of the connections, too."""
        if counter % round(10 * SWEEP) == 0:  # uvicorn ticks ten times a second
            sweep(self.server_state.connections, asyncio.get_running_loop().time())
            self._after_a_crowd(len(self.server_state.connections))
            await self._end_if_idle()
        return await super().on_tick(counter)

    async def _end_if_idle(self) -> None:
        requests = self.server_state.tasks
        if await self._idle.over(self._edge.admitted, requests):
            self._edge.leave()
            say("stopping: there was nothing to do for as long as --idle-exit says")
            self.should_exit = True

    def _after_a_crowd(self, connections: int) -> None:
        """Give back the memory of many connections once half of them are gone."""
        self._most = max(self._most, connections)
        if self._most >= CROWD and connections <= self._most // 2:
            self._most = connections
            limits.give_memory_back()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams and polls first: their clients can come back with their cursors."""
        self._engine.journals.dismiss()
        await super().shutdown(sockets)

    def _stop(self) -> None:
        self.should_exit = True

    def _interrupt(self) -> None:
        live = len(self._engine.live)
        if self._asked is None and live and not self.should_exit:
            verb, them = ("continue", "them") if live > 1 else ("continues", "it")
            again = f"press again within {STOP_PATIENCE:.0f} s to cancel {them}"
            say(f"{counted(live, 'run')} {verb} in the background; {again}")
            self._asked = asyncio.get_running_loop().create_task(self._stop_later())
        elif self._asked is not None and not self._asked.done():
            self._asked.cancel()
            self._asked = asyncio.get_running_loop().create_task(self._cancel_all())
        else:
            self.should_exit = True

    async def _stop_later(self) -> None:
        await asyncio.sleep(STOP_PATIENCE)
        self.should_exit = True

    async def _cancel_all(self) -> None:
        say("cancelling")
        await self._engine.cancel_live()
        self.should_exit = True


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle off only where the protocol is named; with it each answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        advice = "stop what uses it (`praisonrun stop`), or choose another with --port"
        where = f"{settings.host}:{settings.port}"
        raise ConfigError(f"cannot listen on {where}: {reason(error)}; {advice}") from None
    return listener


def _announce(settings: Settings, engine: Engine, home: str) -> None:
    names = ", ".join(agent.name for agent in engine.catalog.all())
    about = {"url": home, "pid": os.getpid(), "version": __version__, "state": str(settings.state)}
    say("praisonrun listens on %(url)s", about)
    say(f"  state   {settings.state}")
    say(f"  agents  {names} ({settings.agents or 'built in'})")
    say(f"  page    {home}/" + (" (praisonrun open brings the token along)" if settings.token else ""))
    header = "'Content-Type: application/json'"
    token = " -H 'Authorization: Bearer TOKEN'" if settings.token else ""
    say(f"""  try     curl {home}/api/v1/runs -H {header}{token} -d '{{"prompt": "Hello"}}'""")
    if not settings.local:
        say("  note    other machines can reach this port, and HTTP is not encrypted: prefer ssh -L")
    if settings.idle_exit:
        say(f"  note    it stops once it is idle for {settings.idle_exit} s (--idle-exit)")
    if settings.inline_agents:
        say("  note    everyone who can submit can run any command (--allow-inline-agents)")
    if not sweep_of.sees():
        say(
            "  note    there is no /proc: what leaves its agent's process group is not found, and outlives it"
        )
    if os.geteuid() == 0:
        say("  note    running as root: agents will have root's rights")
