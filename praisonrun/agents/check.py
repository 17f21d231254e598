"""`praisonrun check` as data: the agents of a file, and what this machine lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.agent import Agent
from ..core.errors import Invalid
from ..core.model import Mode
from . import known, launch, notes
from .catalog import Catalog

_KINDS = {Mode.RUN: "command", Mode.SERVICE: "service"}


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
    install: str | None = None
    """The shell line that installs its program, where that is missing and we know one."""
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
    install = None if path else known.install(agent)
    found = tuple(notes.of(agent, missing, path, environ))
    return AgentReport(agent.name, kind, program, path, missing, problem, install, found)
