"""`praisonrun run`: submit, follow, print the result. Only the result goes to stdout."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.discovery import Named
from ..config.settings import Settings, absolute, here
from ..core.errors import Invalid, PraisonrunError, Unavailable, reason
from ..core.model import Json
from .client import Client, Pause
from .local import StartedServer, counted_live, find, no_server, settings_of, usual
from .proof import Target
from .screen import Screen, plain

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
    settings = settings_of(flags.server, flags.agents)
    screen = Screen(sys.stderr, quiet=flags.as_json)
    target, server = find(flags.server, settings), None
    try:
        if target is None:
            target, server = _serve(settings, flags, screen)
        with Client(target, tell=screen.note) as client:
            try:
                return _one(client, flags, screen, theirs=server is None)
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


def _one(client: Client, flags: RunFlags, screen: Screen, *, theirs: bool) -> int:
    body = request(flags, theirs=theirs)
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


def request(flags: RunFlags, *, theirs: bool) -> dict[str, Json]:
    """Return the body of the submit; it names the agents file to a server of `theirs`: not started by us."""
    file = str(flags.agents.absolute()) if flags.agents and theirs else None
    body: dict[str, Json] = {"prompt": prompt(flags.prompt), "agent": flags.agent, "agent_file": file}
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


def prompt(words: Sequence[str]) -> str:
    """Return the prompt: the words, and standard input after them where one is `-`, or where there is none.

    With words, standard input is read only if it is asked for: it may be a shell loop's.
    """
    if not words and sys.stdin.isatty():
        raise Invalid('no prompt: praisonrun run "what the agent is asked", or give it on standard input')
    said = [word for word in words if word != "-"]
    try:
        parts = [" ".join(said).encode().decode()] if said else []  # halves of surrogate pairs: not UTF-8
        if len(said) < len(words) or not words:
            parts.append(sys.stdin.buffer.read().decode())
    except UnicodeError:
        raise Invalid("the prompt is not UTF-8 text") from None
    except OSError as error:
        raise Invalid(f"standard input cannot be read: {reason(error)}") from None
    if not (text := "\n".join(parts)):
        raise Invalid("the prompt is empty: standard input had nothing")
    return text


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
    shown, longer = result if flags.as_json else result.get("result"), result.get("result_url")
    if longer and not flags.as_json and not sys.stdout.isatty():
        _whole(client, str(longer))
    elif shown is not None:
        _print(shown)
    if longer and (flags.as_json or sys.stdout.isatty()):
        screen.note(f"the result is longer; all of it: {longer}")
    if status.get("status") != "succeeded":
        screen.note(f"run {run_id} {status.get('status')}: {status.get('error') or 'no reason given'}")
    return exit_code(status)


def _whole(client: Client, path: str) -> None:
    """Print a long result byte for byte, piece by piece."""
    sys.stdout.flush()
    for piece in client.download(path):
        sys.stdout.buffer.write(piece)
    sys.stdout.flush()


def _print(result: Json) -> None:
    text = result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False)
    if sys.stdout.isatty():
        text = plain(text)
    # JSON can carry half a surrogate pair, which UTF-8 cannot.
    data = text.encode("utf-8", "backslashreplace")
    sys.stdout.flush()
    sys.stdout.buffer.write(data if data.endswith(b"\n") else data + b"\n")
    sys.stdout.flush()


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
