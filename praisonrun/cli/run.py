"""`praisonrun run`: submit, follow, print the result. Only the result goes to stdout."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.discovery import Named
from ..config.settings import Settings, absolute, here
from ..core.errors import PraisonrunError, Unavailable
from ..core.model import Json
from . import pipe
from .client import Client, Pause
from .local import StartedServer, counted_live, find, no_server, settings_of, usual
from .proof import Target
from .screen import Screen

TIMED_OUT = 124
INTERRUPTED = 130
SIGNALLED = 128
WINDOW = 3.0
"""Seconds in which a second Ctrl-C cancels the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlags:
    """The command line's arguments and flags."""

    prompt: tuple[str, ...]
    """Its words; `-` stands for standard input."""
    server: Named
    agent: str | None = None
    agents: Path | None = None
    cwd: Path | None = None
    timeout: int | None = None
    session: str | None = None
    as_json: bool = False
    no_server: bool = False


def run(flags: RunFlags) -> int:
    """Run an agent; return the exit code (see `exit_code`)."""
    settings, prompt = settings_of(flags.server, flags.agents), pipe.prompt(flags.prompt)
    screen = Screen(sys.stderr, quiet=flags.as_json)
    target, server = find(flags.server, settings), None
    try:
        if target is None:
            target, server = _serve(settings, flags, screen)
        with Client(target, tell=screen.note) as client:
            try:
                return _one(client, flags, prompt, screen, theirs=server is None)
            finally:
                if server is not None:
                    _leave(client, server, screen)
    except KeyboardInterrupt:  # before the run was submitted, or once more while it was cancelled
        return INTERRUPTED
    finally:
        screen.close()


def _serve(settings: Settings, flags: RunFlags, screen: Screen) -> tuple[Target, StartedServer]:
    if flags.no_server:
        raise no_server(settings.state)
    first = usual(flags.server, settings)
    try:
        target, server = _started(first, flags)
    except Unavailable:
        if first.port == settings.port:
            raise
        target, server = _started(settings, flags)  # somebody was quicker at the usual port, perhaps
    screen.note(f"started a server at {target.base}, log: {server.log}")
    return target, server


def _started(settings: Settings, flags: RunFlags) -> tuple[Target, StartedServer]:
    server = StartedServer(settings, flags.agents)
    try:
        return server.wait(lambda: find(flags.server, settings)), server
    except BaseException:
        server.stop()
        raise


def _leave(client: Client, server: StartedServer, screen: Screen) -> None:
    live: dict[str, str] = {}
    with suppress(PraisonrunError):  # a server that is gone has nothing to stay for
        live = client.live() if server.lives() else {}
    if live:
        stop = f"stop it with: praisonrun stop --state {server.log.parent}"
        screen.note(f"the server keeps running for {counted_live(live)}; {stop}")
    elif not server.stop():
        screen.note(f"the server does not stop; log: {server.log}")


def _one(client: Client, flags: RunFlags, prompt: str, screen: Screen, *, theirs: bool) -> int:
    body = request(flags, prompt, theirs=theirs)
    if (cwd := _directory(client, flags, theirs=theirs)) is not None:
        body["cwd"] = cwd
    job = client.submit(body, uuid.uuid4().hex)
    run_id = str(job["job_id"])
    screen.note(f"run {run_id}: {job.get('poll_url') or client.base}")
    try:
        return _to_its_end(client, run_id, flags, screen)
    except Unavailable as error:
        raise Unavailable(f"{error.message}; run {run_id} continues in the background") from error


def _to_its_end(client: Client, run_id: str, flags: RunFlags, screen: Screen) -> int:
    try:
        for event in client.events(run_id):
            with suppress(ValueError):
                show(screen, event.event, json.loads(event.data))
    except KeyboardInterrupt:
        if not interrupted(client, run_id, screen):
            return INTERRUPTED
    return _finish(client, run_id, flags, screen)


def request(flags: RunFlags, prompt: str, *, theirs: bool) -> dict[str, Json]:
    """Return the body of the submit; it names the agents file to a server of `theirs`: not started by us."""
    file = str(flags.agents.absolute()) if flags.agents and theirs else None
    body: dict[str, Json] = {"prompt": prompt, "agent": flags.agent, "agent_file": file}
    body |= {"timeout": flags.timeout, "session_id": flags.session}
    return {name: value for name, value in body.items() if value is not None}


def _directory(client: Client, flags: RunFlags, *, theirs: bool) -> str | None:
    """Return where the agent is to work: --cwd, or the current directory for an agent that wants it."""
    if flags.cwd is not None:
        return str(absolute(flags.cwd))
    if flags.server.url is not None or (flags.agents and theirs):
        return None  # another machine has other directories; a file of ours is not among what it offers
    offered = client.agents()
    name = flags.agent or offered.get("default")
    wanted = (agent.get("cwd") for agent in offered["agents"] if agent["name"] == name)
    return here() if next(wanted, None) == "caller" else None


def show(screen: Screen, name: str, data: Json) -> None:
    """Show one event of the stream."""
    if not isinstance(data, dict):
        return
    match name:
        case "log":
            screen.log(str(data.get("stream", "")), str(data.get("text", "")))
        case "progress":
            amount = data.get("percentage")
            step = str(data.get("step") or data.get("message") or "")
            screen.progress(amount if isinstance(amount, int | float) else None, step)
        case "message":
            text = str(data.get("text", ""))
            screen.log("message", text if data.get("delta") else text + "\n")
        case "attempt" if data.get("state") == "start" and data.get("attempt") != 1:
            screen.note(f"attempt {data.get('attempt')} starts")
        case "tool_call":
            screen.note(f"tool: {data.get('name', '?')}")


def interrupted(client: Client, run_id: str, screen: Screen, pause: Pause = time.sleep) -> bool:
    """Handle a first Ctrl-C: return True when a second one came in time and the run was cancelled."""
    again = f"press again within {WINDOW:.0f} s to cancel it"
    screen.note(f"run {run_id} continues in the background; {again}", always=True)
    try:
        pause(WINDOW)
    except KeyboardInterrupt:
        screen.note(f"cancelling run {run_id}", always=True)
        client.cancel(run_id)
        return True
    screen.note(f"left run {run_id}; see it at {client.base}/api/v1/runs/{run_id}", always=True)
    return False


def _finish(client: Client, run_id: str, flags: RunFlags, screen: Screen) -> int:
    status, result = client.status(run_id), client.result(run_id)
    screen.close()
    if flags.as_json:
        pipe.print_object(result)
    else:
        pipe.print_result(client, status, result)
    if (longer := result.get("result_url")) and (flags.as_json or sys.stdout.isatty()):
        screen.note(f"the result is longer; all of it: {longer}")
    if status.get("status") != "succeeded":
        screen.note(f"run {run_id} {status.get('status')}: {status.get('error') or 'no reason given'}")
    return exit_code(status)


def exit_code(status: Mapping[str, Any]) -> int:
    """Return the exit code for a finished run's status object."""
    if status.get("status") == "succeeded":
        return 0
    if status.get("status") == "cancelled":
        return INTERRUPTED
    late = str(status.get("error")).startswith("timed out after")
    if late or status.get("failure") in ("timed_out", "idle_timed_out"):
        return TIMED_OUT
    if isinstance(killer := status.get("signal"), int):
        return SIGNALLED + killer
    code = status.get("exit_code")
    return code if isinstance(code, int) and 0 < code < 256 else 1
