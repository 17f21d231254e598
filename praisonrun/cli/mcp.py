"""`praisonrun mcp`: the tools for a model, on standard input and output, over the server's API."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import httpx2
from anyio.to_thread import run_sync

from ..config.discovery import Named
from ..config.settings import default_agents, here
from ..core.errors import ConfigError, NoServer, Unavailable
from ..core.json import Json
from ..mcp.api import MOST, Query, Reply, asked
from .client import Client
from .local import find, settings_of
from .proof import NotYet, no_server
from .run import envs_for
from .start import Wanted, answered, serving

HOW = "the MCP SDK is not installed here: pip install 'praisonrun[mcp]'"
RECENT = 60.0
"""Seconds for which a server that has answered is waited for: it is being replaced, or was stopped."""
PATIENCE = 20.0
"""Seconds for which a call waits for a server that is away."""
PAUSE = 0.25
_STARTING = frozenset({"POST"})
"""Methods of what may start a server at any time."""


def serve(named: Named) -> int:
    """Serve a client until it closes standard input; return the exit code. Raises ConfigError without SDK."""
    try:
        from ..mcp.server import serve_stdio
    except ModuleNotFoundError as error:
        if error.name != "mcp":
            raise
        raise ConfigError(HOW) from None
    find(named, settings_of(named))  # faults of the command line are told now
    anyio.run(serve_stdio, Outside(named))
    sys.stdout.flush()
    os._exit(0)  # a thread may wait for an answer that nobody wants any more


class Outside:
    """The API of the server that a command line means, whichever it is at each call (see `mcp.api.Api`)."""

    def __init__(self, named: Named) -> None:
        self._named = named
        self._met = float("-inf")
        """When a server answered last (the monotonic clock)."""

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Mapping[str, Json] | None = None,
        headers: Mapping[str, str] | None = None,
        most: int = MOST,
    ) -> Reply:
        """Return the answer to a request. Raises PraisonrunError where there is none."""
        options = {"params": query, "headers": {"accept": "application/json", **(headers or {})}}
        fetch = partial(
            self._asked, method, path, most, **options, **({} if body is None else {"json": body})
        )
        return await run_sync(fetch, abandon_on_cancel=True)

    async def agents(self) -> dict[str, Any]:
        """Return what agents the server has, or one would have that starts here."""
        try:
            if await run_sync(self._found) is not None:
                return await asked(self, "GET", "/api/v1/agents")
        except NoServer:
            pass  # it left in between
        from ..agents import offers  # it brings YAML, which a server's answer does without

        return await run_sync(offers.of_file, default_agents(), os.environ)

    def given(self, agent: Mapping[str, Any]) -> dict[str, Json]:
        """Return what the place where this was started gives to a run: its directory, its variables."""
        if self._named.url is not None:
            return {}  # what is here is of no use to another machine
        envs = envs_for(agent, ())
        return {
            **({"cwd": here()} if agent.get("cwd") == "caller" else {}),
            **({"envs": envs} if envs else {}),
        }

    def _found(self) -> object:
        return find(self._named, settings_of(self._named))

    def _asked(self, method: str, path: str, most: int, **options: Any) -> Reply:
        """Ask the server of now; wait for one that was there a moment ago."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                reply = Reply(*self._once(method, path, most, **options))
            except (httpx2.TransportError, NoServer, NotYet) as error:
                fault: Exception = error
            else:
                self._met = time.monotonic()
                if reply.status != 503 or method != "GET":
                    return reply
                fault = Unavailable("the server is not available")
                if time.monotonic() >= end:
                    return reply
            if time.monotonic() >= end:
                raise fault if isinstance(fault, Unavailable) else Unavailable(f"no answer: {fault}")
            time.sleep(PAUSE)

    def _once(self, method: str, path: str, most: int, **options: Any) -> tuple[Any, ...]:
        """Ask once. Raises NoServer, and TransportError for a server that is away."""
        settings = settings_of(self._named)
        found = find(self._named, settings)
        recent = time.monotonic() - self._met < RECENT
        if found is None and recent and method not in _STARTING:
            raise no_server(settings.state)
        if self._named.url is None and (found is None or method in _STARTING):
            return answered(partial(self._in_one, method, path, most, **options))
        assert found is not None
        with Client(found) as client:
            return client.fetch(method, path, most, **options)

    def _in_one(self, method: str, path: str, most: int, **options: Any) -> tuple[Any, ...]:
        """Ask a server that nobody replaces meanwhile; start one where there is none."""
        with serving(Wanted(self._named), _tell) as target, Client(target) as client:
            return client.fetch(method, path, most, **options)


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
