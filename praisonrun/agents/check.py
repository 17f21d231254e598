"""`praisonrun check` as data: the agents of a file, and what this machine lacks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.agent import Agent
from ..core.errors import Invalid
from ..core.model import Mode
from ..files import programs
from . import launch
from .catalog import Catalog

_KINDS = {Mode.RUN: "command", Mode.SERVICE: "service"}
_VARIABLE = re.compile(r"\$\{?[A-Za-z_]\w*\}?")


@dataclass(frozen=True, slots=True)
class AgentReport:
    """What `check` finds out about one agent."""

    name: str
    kind: str
    """command, service or crew."""
    program: str
    """The command's first element, or the crew's framework."""
    path: str | None
    """The program's path, or None if it is not installed."""
    missing_env: tuple[str, ...] = ()
    problem: str | None = None
    """Why it cannot start, and what to do."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A file that can be read, and its agents."""

    file: str
    """As given; empty for the built-in."""
    default: str
    agents: tuple[AgentReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every agent could start."""
        return all(agent.problem is None for agent in self.agents)


def check(file: Path | None, environ: Mapping[str, str]) -> Report:
    """Return the report on a file. Raises ConfigError, with its place, for a file that cannot be used."""
    environ = launch.user_environ(environ)
    catalog = Catalog(file, [file.parent if file else Path()], environ)
    agents = tuple(check_agent(agent, environ) for agent in catalog.all())
    return Report(str(file or ""), catalog.default.name, agents)


def check_agent(agent: Agent, environ: Mapping[str, str]) -> AgentReport:
    """Return the report on one agent in this environment."""
    path, problem = None, None
    missing = tuple(launch.missing_env(agent, environ, {}))
    try:
        path = launch.program(agent, environ)
        launch.preflight(agent, "", environ, dict.fromkeys(missing, "given"))
    except Invalid as error:
        problem = error.message
    kind, program = ("crew", agent.crew.framework) if agent.crew else (_KINDS[agent.mode], agent.command[0])
    return AgentReport(
        agent.name, kind, program, path, missing, problem, tuple(_warnings(agent, missing, path, environ))
    )


def _warnings(
    agent: Agent, missing: tuple[str, ...], path: str | None, environ: Mapping[str, str]
) -> Iterator[str]:
    for name, value in agent.env.items():
        if _VARIABLE.fullmatch(value):
            yield f"env {name} looks like a variable, but values are literal; use env_pass"
    if missing:
        yield f"a submit must send {', '.join(missing)} in `envs`, or the server's environment must hold it"
    if agent.cwd and not os.path.isdir(agent.cwd):  # noqa: PTH112
        yield f"its directory {agent.cwd} {'is a file' if os.path.exists(agent.cwd) else 'does not exist'}"  # noqa: PTH110
    search = agent.env.get("PATH") or environ.get("PATH") or os.defpath
    if path and agent.crew is None and (misses := programs.env_misses(path, search)):
        yield misses
