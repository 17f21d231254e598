"""`praisonrun run`: submit, follow, print the result. Only the result goes to stdout."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.discovery import Named
from ..config.settings import absolute, here
from ..core.errors import Invalid
from ..core.json import Json
from . import pipe
from .attach import to_its_end, waits
from .client import Client
from .outcome import INTERRUPTED, next_steps
from .screen import Screen
from .start import Wanted, answered, has_other_agents, serving

Strings = Mapping[str, str]


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
    env: tuple[str, ...] = ()
    session: str | None = None
    detach: bool = False
    as_json: bool = False
    no_server: bool = False


def run(flags: RunFlags) -> int:
    """Run an agent; return the exit code (see `outcome.exit_code`)."""
    wanted = Wanted(flags.server, flags.agents, start=not flags.no_server)
    prompt, screen = pipe.prompt(flags.prompt), Screen(quiet=flags.as_json)
    try:
        client, job = answered(lambda: _submitted(wanted, flags, prompt, screen))
        with client:
            return followed(client, job, screen, detach=flags.detach, as_json=flags.as_json)
    except KeyboardInterrupt:  # before the run was submitted, or once more while it was cancelled
        return INTERRUPTED
    finally:
        screen.close()


def _submitted(
    wanted: Wanted, flags: RunFlags, prompt: str, screen: Screen
) -> tuple[Client, Mapping[str, Json]]:
    """Return what a server says to the submit, and its client."""
    with serving(wanted, screen.note) as target, ExitStack() as failing:
        client = failing.enter_context(Client(target, tell=screen.note))
        theirs = has_other_agents(target, flags.agents)
        # What is here is of no use to another machine, and a file of ours is not among what a server offers.
        agent = {} if flags.server.url or theirs else offered(client, flags.agent)
        job = client.submit(request(flags, prompt, agent, theirs=theirs), uuid.uuid4().hex)
        failing.pop_all()
    return client, job


def followed(client: Client, job: Mapping[str, Json], screen: Screen, *, detach: bool, as_json: bool) -> int:
    """Follow a run that was submitted to its end, or leave it; return the exit code."""
    if detach:
        return _detached(job, screen, as_json=as_json)
    screen.note(f"run {job['job_id']}: {job.get('poll_url') or client.base}")
    waits(screen, job)
    return to_its_end(client, str(job["job_id"]), screen, as_json=as_json)


def offered(client: Client, name: str | None) -> Mapping[str, Any]:
    """Return what a server says of an agent, or of its default."""
    offered = client.agents()
    wanted = name or offered.get("default")
    return next((agent for agent in offered["agents"] if agent["name"] == wanted), {})


def _detached(job: Mapping[str, Json], screen: Screen, *, as_json: bool) -> int:
    """Print the id of a run that continues in the background, and for a person what can be done next."""
    if as_json:
        pipe.print_object(dict(job))
        return 0
    run_id = str(job["job_id"])
    pipe.print_text(run_id)
    waits(screen, job)
    screen.hint(next_steps(run_id, "attach", "logs -f", "cancel"))
    return 0


def request(
    flags: RunFlags, prompt: str, agent: Mapping[str, Any], *, theirs: bool, environ: Strings = os.environ
) -> dict[str, Json]:
    """Return the body of the submit; it names the agents file to a server that has `theirs`.

    An agent may want the current directory, and variables that its server lacks: it gets ours.
    """
    file = str(flags.agents.absolute()) if flags.agents and theirs else None
    cwd = str(absolute(flags.cwd)) if flags.cwd else here() if agent.get("cwd") == "caller" else None
    # Of an agent that waits for this run: both would wait for ever if they were of one conversation.
    waiter = environ.get("PRAISONRUN_RUN_ID") if flags.session and not flags.detach else None
    envs = envs_for(agent, flags.env, environ)
    body: dict[str, Json] = {"prompt": prompt, "agent": flags.agent, "agent_file": file, "cwd": cwd}
    body |= {"timeout": flags.timeout, "session_id": flags.session, "envs": dict(envs) or None}
    body |= {"waiter": waiter}
    return {name: value for name, value in body.items() if value is not None}


def envs_for(agent: Mapping[str, Any], words: Sequence[str], environ: Strings = os.environ) -> dict[str, str]:
    """Return the variables that an agent wants and its server lacks, and those that `--env` names.

    Raises Invalid for one that has no value.
    """
    found = {name: environ[name] for name in agent.get("env_missing", ()) if environ.get(name)}
    for word in words:
        name, given, value = word.partition("=")
        if not given and name not in environ:
            raise Invalid(f"--env {name}: it is not set here; set it, or write --env {name}=VALUE")
        found[name] = value if given else environ[name]
    return found
