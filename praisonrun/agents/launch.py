"""What a child is started with: its program, its arguments and its environment."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from ..core.agent import Agent
from ..core.conversation import NO_OPENING, Opening
from ..core.errors import Invalid
from ..files import programs
from . import crew, frameworks, known, permission, placeholders
from .environment import NETWORK, OURS, PROVIDERS

STRING_LIMIT = 131_071
"""Bytes that an argument, or a variable with its value, may hold on Linux, without the final NUL."""
ENVS_LIMIT = STRING_LIMIT + 1
"""Bytes that the envs of a submit may hold together, each with its NUL. Each then fits one string of the
kernel, and together with a prompt they fit its room. They stay in memory until the spawn."""
BASE = ("HOME", "PATH", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR", "SHELL", "SSL_*", "XDG_*")
Strings: TypeAlias = Mapping[str, str]
_NONE: Strings = {}
_LOGIN = ("HOME", "USER", "LOGNAME", "SHELL", "PATH")


def program(agent: Agent, environ: Strings) -> str | None:
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
    environ: Strings,
    crews: Path | None = None,
    opening: Opening = NO_OPENING,
) -> list[str]:
    """Return the command with its placeholders filled and its program absolute.

    {session_id} is the run's id if the submit named no session; `opening` has what stands for {session}.
    `crews` is where `crew.copy` wrote a crew's text, and where drivers are. Raises Invalid for a program that
    is missing or a prompt that no argument can hold.
    """
    if agent.crew is not None:
        assert crews is not None
        python = frameworks.resolve(agent.crew.framework, agent.crew.python, environ)
        driver, file = crew.driver_copy(crews), crew.copy_path(agent, crews)
        return [python, str(driver), str(file), "--framework", agent.crew.framework]
    _refuse_prompt(agent, prompt)
    values = {
        "prompt": prompt,
        "run_id": run_id,
        "session_id": session_id or run_id,
        "port": "" if port is None else str(port),
        **dict.fromkeys(placeholders.OF_SESSIONS, opening.name),
    }
    if crews is not None and placeholders.prefixes(agent.command, "driver"):
        values["driver"] = str(crew.driver_copy(crews, crew.SCRIPT_DRIVER))
    if placeholders.prefixes(agent.command, "permission"):
        values["permission"] = permission.servers(agent)
    return _filled(agent, placeholders.opened(agent.command, opening.args), values, environ)


def install_argv(agent: Agent, environ: Strings) -> list[str]:
    """Return the install command ready to run; empty if there is none. Raises Invalid like `argv`."""
    return _filled(agent, agent.install, {}, environ) if agent.install else []


def child_env(
    agent: Agent, environ: Strings, given: Strings, extra: Strings, defaults: Strings = _NONE
) -> dict[str, str]:
    """Return the child's environment: what passes from `environ`, `defaults`, what `env_pass` names exactly,
    the entry's literals, `given`, `extra`.

    Later ones win. The server's own variables (its token, its sockets) never pass.
    """
    wanted = _matching(
        (*BASE, *agent.env_pass, *agent.env_required, *((*PROVIDERS, *NETWORK) if agent.crew else ()))
    )
    passed = {key: value for key, value in environ.items() if wanted.match(key) and not key.startswith(OURS)}
    named = {name: passed[name] for name in agent.env_pass if name in passed}
    return {**passed, **defaults, **named, **agent.env, **given, **extra}


def user_environ(environ: Strings) -> dict[str, str]:
    """Return an environment with what a login would have set, where the server was started without it."""
    found = dict(environ)
    if not all(found.get(name) for name in _LOGIN):
        with suppress(KeyError):  # a user whom this machine does not know
            user = pwd.getpwuid(os.getuid())
            known = (user.pw_dir, user.pw_name, user.pw_name, user.pw_shell or "/bin/sh", os.defpath)
            found |= {name: value for name, value in zip(_LOGIN, known, strict=True) if not found.get(name)}
    found["PATH"] = found.get("PATH") or os.defpath
    return found


def without_ours(environ: Strings) -> dict[str, str]:
    """Return an environment without the server's own variables: its token, its sockets."""
    return {name: value for name, value in environ.items() if not name.startswith(OURS)}


def missing_env(agent: Agent, environ: Strings, given: Strings) -> list[str]:
    """Return the names of `env_required` that have no value."""
    sources = (given, agent.env, environ)
    return [name for name in agent.env_required if not any(source.get(name) for source in sources)]


def no_start(agent: Agent, environ: Strings) -> str | None:
    """Return why an agent's program cannot be started, None if it can, by what lies on the disk now.

    Raises what `program` raises.
    """
    if agent.caller and (why := _relative_path(agent, environ)):
        return why
    if agent.worktree and shutil.which("git", path=environ.get("PATH")) is None:
        todo = "install it with: apt install git"
        return f"agent {agent.name!r} has worktree: true, but git is not on PATH; {todo}"
    found = program(agent, environ)
    if found is None:
        return _not_installed(agent, agent.command[0])
    if found != sys.executable and (why := programs.why_not(found, agent.cwd or "/")):
        return _unstartable(agent, agent.command[0] if agent.command else found, why)
    return None


def preflight(
    agent: Agent,
    prompt: str,
    environ: Strings,
    given: Strings,
    look: Callable[[Agent, Strings], str | None] = no_start,
) -> None:
    """Raise Invalid for anything that would keep a run from starting: program, framework, prompt, envs.

    `look` is `no_start`, or what remembers its answers.
    """
    _refuse_prompt(agent, prompt)
    size = sum(len(f"{name}={value}".encode()) + 1 for name, value in given.items())
    if size > ENVS_LIMIT:
        raise Invalid(
            f"envs of {size} bytes do not fit an environment (at most {ENVS_LIMIT}): "
            "put what is large into a file and send its path",
            field="envs",
        )
    if why := look(agent, environ):
        raise Invalid(why, field="agent")
    missing = missing_env(agent, environ, given)
    if missing:
        raise Invalid(
            f"agent {agent.name!r} needs {', '.join(missing)}; send it in `envs` or set it for the server",
            field="envs",
        )


def _filled(agent: Agent, command: Sequence[str], values: Strings, environ: Strings) -> list[str]:
    found = _found(agent, command[0], environ)
    if found is None:
        raise Invalid(_not_installed(agent, command[0]), field="agent")
    values = {**values, "python": sys.executable}
    return [found, *(placeholders.fill(element, values) for element in command[1:])]


def _found(agent: Agent, name: str, environ: Strings) -> str | None:
    if name == "{python}":
        return sys.executable
    name = os.path.expanduser(name)  # noqa: PTH111
    if "/" not in name:
        found = shutil.which(name, path=agent.env.get("PATH") or environ.get("PATH") or os.defpath)
        return os.path.abspath(found) if found else None  # noqa: PTH100
    for place in _places(agent, name):
        if os.access(place, os.X_OK) and os.path.isfile(place):  # noqa: PTH113
            return place
    return None


def _places(agent: Agent, name: str) -> list[str]:
    """Return where a program may be whose name has a slash: below the agent's directory, then its file's."""
    folders = (agent.cwd, os.path.dirname(agent.file))  # noqa: PTH120
    return [os.path.normpath(os.path.join(folder, name)) for folder in folders]  # noqa: PTH118


def _not_installed(agent: Agent, name: str) -> str:
    if "/" in (full := os.path.expanduser(name)):  # noqa: PTH111
        places = _places(agent, full)
        place = next((one for one in places if os.path.lexists(one)), places[0])
        return _unstartable(agent, name, programs.why_not(place) or "cannot be run")
    install = known.install(agent) if name == (agent.command or ("",))[0] else None
    todo = f"; install it with: {install}" if install else ""
    if any(map(os.path.isfile, _places(agent, name))):
        todo = f"; write ./{name}"
    return _unstartable(agent, name, f"is not on PATH{todo}")


def _unstartable(agent: Agent, name: str, why: str) -> str:
    return f"program {name!r} of agent {agent.name!r} {why}"


def _relative_path(agent: Agent, environ: Strings) -> str | None:
    """Return what is wrong with a PATH that a directory of the caller's would be part of."""
    parts = (agent.env.get("PATH") or environ.get("PATH") or os.defpath).split(os.pathsep)
    if all(part.startswith("/") for part in parts):
        return None
    return (
        f"agent {agent.name!r} has cwd: caller, but its PATH has an empty or relative part: "
        "programs of that directory would be run; give it a PATH of absolute directories"
    )


def _refuse_prompt(agent: Agent, prompt: str) -> None:
    if agent.prompt != "arg":
        return
    before = max(map(len, placeholders.prefixes(agent.command, "prompt")), default=0)
    if (size := before + len(prompt.encode())) > STRING_LIMIT:
        raise Invalid(
            f"a prompt of {size} bytes does not fit an argument (at most {STRING_LIMIT}):"
            f" agent {agent.name!r} must take it from stdin",
            field="prompt",
        )


@lru_cache(maxsize=256)
def _matching(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(glob) for glob in globs))
