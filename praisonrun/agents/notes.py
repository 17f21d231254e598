"""What `check` says of an agent that can start and yet may do something else than was meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ..config.settings import default_concurrency
from ..core.agent import Agent
from ..files import programs
from . import frameworks, hints, launch, recipes
from .placeholders import split

_VARIABLE = re.compile(r"\$\{[A-Za-z_][^}]*\}|(?:(?<=[:/=])|^)\$[A-Za-z_]\w*")
_HOME = re.compile(r"(?:(?<=[:=])|^)~(?=/|$)")
_INTERPRETER = re.compile(r"(?:ba|da|z|k|fi|c|tc)?sh|\{python\}|(?:python|pypy)[0-9.]*")
_CODE = re.compile(r"-[A-Za-z]*c")
_OF_CALLERS = ("prompt", "session_id", "run_id")
"""Placeholders whose values a caller chooses."""


def of(agent: Agent, missing: Sequence[str], path: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield notes on an agent, its `missing` variables, and its program at `path` where that is installed."""
    for name, value in agent.env.items():
        if _VARIABLE.search(value):
            yield f"env {name} looks like a variable, but values are literal; use env_pass"
        elif _HOME.search(value):
            yield f"env {name} has ~, but values are literal; write the whole path"
    if missing:
        yield f"a submit must send {', '.join(missing)} in `envs`, or the server's environment must hold it"
    yield from _recipe(agent, path, environ)
    yield from _directory(agent)
    yield from _command(agent.command, "command")
    yield from _command(agent.install, "install")
    search = agent.env.get("PATH") or environ.get("PATH") or os.defpath
    if path and agent.crew is None and (misses := programs.env_misses(path, search)):
        yield misses


def _recipe(agent: Agent, path: str | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what an agent's recipe wants to be there, and whether the machine has memory for its runs."""
    recipe = recipes.of(agent)
    if recipe is None:
        return
    if recipe.modules and path and (gone := frameworks.missing(path, recipe.modules)):
        yield f"{path} cannot import {gone}; {recipe.get}, or name the interpreter that has it as `python`"
    env = launch.child_env(agent, environ, {}, {})
    for names, todo in recipe.needs.items():
        if not any(_is_there(name, env) for name in names.split("|")):
            yield f"no sign-in of {recipe.description} was found: {todo}"
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    if (wanted := recipe.memory * (agent.concurrency or default_concurrency())) > memory:
        most = max(1, memory // recipe.memory)
        yield f"its runs may take {wanted} MB together, the machine has {memory}; write concurrency: {most}"


def _is_there(name: str, env: Mapping[str, str]) -> bool:
    if "/" in name:
        home = env.get("HOME", "")
        return os.path.exists(home + name[1:] if name.startswith("~/") else name)  # noqa: PTH110
    return any(env.get(one) for one in env if fnmatchcase(one, name))


def _directory(agent: Agent) -> Iterator[str]:
    if not agent.cwd or os.path.isdir(agent.cwd):  # noqa: PTH112
        return
    yield f"its directory {agent.cwd} {'is a file' if os.path.exists(agent.cwd) else 'does not exist'}"  # noqa: PTH110
    if "$" in agent.cwd:
        yield "cwd looks like a variable, but only ~ is expanded; write the whole path"
    elif "/~" in agent.cwd:
        yield "cwd names the home of a user whom this machine does not know"


def _command(command: Sequence[str], key: str) -> Iterator[str]:
    code = _code_at(command)
    for number, element in enumerate(command):
        if number == code:
            continue  # a shell expands by itself
        if found := _VARIABLE.search(element):
            yield f"{key}: {found[0]} is not expanded, because no shell reads it; use [sh, -c, '…']"
        elif number and _HOME.search(element):
            yield f"{key}: ~ is not expanded in an argument; write the whole path"
        if element and hints.odd(element[0]):
            yield f"{key}: in the element {element[:40]} {hints.odd(element[0])}"
    yield from _dashes(command, code)


def _dashes(command: Sequence[str], code: int) -> Iterator[str]:
    """Yield a note on a text of a caller that a program may take for an option."""
    for number, element in enumerate(command):
        before = command[max(number - 1, 0)] if number else ""
        if "--" in command[:number] or 0 < code < number or (number > 1 and before.startswith("-")):
            continue
        prefix, name = split(element) or ("", "")
        if name in _OF_CALLERS and not prefix:
            other = ", or use prompt: stdin" if name == "prompt" else ""
            yield (
                f"a {name} that begins with - is an option for many programs: put -- before "
                f'"{element}", or write "--option={element}"{other}'
            )


def _code_at(command: Sequence[str]) -> int:
    """Return which element is a text of code for a shell or Python (`sh -c CODE`), -1 for none."""
    if not command or not _INTERPRETER.fullmatch(os.path.basename(command[0])):  # noqa: PTH119
        return -1
    options = (number for number, element in enumerate(command[1:-1], 1) if _CODE.fullmatch(element))
    return next(options, -2) + 1
