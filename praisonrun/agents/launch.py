"""What a child is started with: its program and its arguments."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ..core.agent import Agent
from ..core.errors import Invalid
from . import arguments, crew, environment, frameworks
from .environment import STRING_LIMIT


def program(agent: Agent, environ: Mapping[str, str]) -> str | None:
    """Return the absolute path of the agent's program, or None if it is not installed.

    A crew's program is its framework's interpreter. Raises what `frameworks.resolve` raises.
    """
    if agent.crew is not None:
        return frameworks.resolve(agent.crew.framework, agent.crew.python, environ)
    return _found(agent, agent.command[0], environ)


def argv(
    agent: Agent,
    *,
    prompt: str,
    run_id: str,
    session_id: str | None,
    port: int | None,
    environ: Mapping[str, str],
    crews: Path | None = None,
) -> list[str]:
    """Return the command with its placeholders filled and its program absolute.

    {session_id} is the run's id if the submit named no session. A crew needs `crews`, the directory that
    `CrewTexts.copy` wrote its text to. Raises Invalid for a program that is missing or a prompt that no
    argument can hold.
    """
    if agent.crew is not None:
        assert crews is not None
        python = frameworks.resolve(agent.crew.framework, agent.crew.python, environ)
        driver, file = crew.driver_copy(crews), crew.copy_path(agent, crews)
        return [python, str(driver), str(file), "--framework", agent.crew.framework]
    values = {
        "prompt": prompt,
        "run_id": run_id,
        "session_id": session_id or run_id,
        "port": "" if port is None else str(port),
        "python": sys.executable,
    }
    _refuse_prompt(agent, prompt)
    return [_installed(agent, agent.command[0], environ), *arguments.fill(agent.command[1:], values)]


def install_argv(agent: Agent, environ: Mapping[str, str]) -> list[str]:
    """Return the install command ready to run; empty if there is none. Raises Invalid like `argv`."""
    if not agent.install:
        return []
    values = {"python": sys.executable}
    return [_installed(agent, agent.install[0], environ), *arguments.fill(agent.install[1:], values)]


def preflight(
    agent: Agent,
    prompt: str,
    environ: Mapping[str, str],
    given: Mapping[str, str],
    find: Callable[[Agent, Mapping[str, str]], str | None] = program,
) -> None:
    """Raise Invalid for anything that would keep a run from starting: program, framework, prompt, envs."""
    _refuse_prompt(agent, prompt)
    environment.refuse_envs(given)
    if find(agent, environ) is None:
        raise _not_installed(agent, agent.command[0])
    missing = environment.missing_env(agent, environ, given)
    if missing:
        raise Invalid(
            f"agent {agent.name!r} needs {', '.join(missing)}; send it in `envs` or set it for the server",
            field="envs",
        )


def _found(agent: Agent, name: str, environ: Mapping[str, str]) -> str | None:
    if name == "{python}":
        return sys.executable
    name = os.path.expanduser(name)  # noqa: PTH111
    if "/" not in name:
        found = shutil.which(name, path=agent.env.get("PATH") or environ.get("PATH") or os.defpath)
        return os.path.abspath(found) if found else None  # noqa: PTH100
    places = (os.path.join(folder, name) for folder in (agent.cwd, os.path.dirname(agent.file)))  # noqa: PTH118, PTH120
    return next((os.path.normpath(place) for place in places if _runs(place)), None)


def _runs(place: str) -> bool:
    return os.access(place, os.X_OK) and os.path.isfile(place)  # noqa: PTH113


def _installed(agent: Agent, name: str, environ: Mapping[str, str]) -> str:
    found = _found(agent, name, environ)
    if found is None:
        raise _not_installed(agent, name)
    return found


def _not_installed(agent: Agent, name: str) -> Invalid:
    where = "does not exist or cannot be run" if "/" in name else "is not on PATH"
    return Invalid(f"program {name!r} of agent {agent.name!r} {where}", field="agent")


def _refuse_prompt(agent: Agent, prompt: str) -> None:
    if agent.prompt != "arg":
        return
    size = len(prompt.encode())
    if size > STRING_LIMIT:
        raise Invalid(
            f"a prompt of {size} bytes does not fit an argument (at most {STRING_LIMIT}):"
            f" agent {agent.name!r} must take it from stdin",
            field="prompt",
        )
