"""What is rejected before anything is stored: an agent that could only fail later, a disk that is full."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..agents import Catalog, preflight, program
from ..core.agent import Agent
from ..core.errors import DiskFull, WrongMode
from ..core.model import Mode
from ..core.once_per_tick import OncePerTick
from ..files.run_files import RunFiles
from ..process.spec import crew_files


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine does not go beyond."""

    queue: int
    min_free: int
    """Bytes."""
    inline_agents: bool = False
    """Whether a submit may bring its own agents file."""


class Admission:
    """Looks at what a run would need; at programs and free space once in a turn of the loop."""

    def __init__(self, catalog: Catalog, files: RunFiles, environ: Mapping[str, str], limits: Limits) -> None:
        self._catalog, self._files, self._environ, self.limits = catalog, files, environ, limits
        self._tick = OncePerTick()

    async def check(self, agent: Agent, prompt: str, envs: Mapping[str, str], mode: Mode = Mode.RUN) -> None:
        """Reject what could only fail later. Raises Invalid, BadRequest, WrongMode, DiskFull."""
        if agent.mode is not mode:
            is_one, wanted = ("service", "run") if mode is Mode.RUN else ("job", "service")
            raise WrongMode(
                f"agent {agent.name!r} is a {is_one}; it cannot be submitted as a {wanted}", field="agent"
            )
        if agent.crew is None:
            preflight(agent, prompt, self._environ, envs, self._found)
        else:  # a first look at a framework's interpreter starts it
            await asyncio.to_thread(preflight, agent, prompt, self._environ, envs)
            self._catalog.crew_copy(agent, crew_files(self._files))
        free = self._tick.once("free", self._files.free_bytes)
        if free < self.limits.min_free:
            raise DiskFull(
                f"{free >> 20} MB free on the disk of the state directory, "
                f"less than --min-free {self.limits.min_free >> 20}",
                retry_after=60,
            )

    async def check_stored(
        self, agent: Agent, prompt: str, envs: Mapping[str, str], mode: Mode = Mode.RUN
    ) -> None:
        """Do the same for a stored version, whose literal env values are those of the file as it is now."""
        await self.check(replace(agent, env=self._catalog.env_of(agent)), prompt, envs, mode)

    def _found(self, agent: Agent, environ: Mapping[str, str]) -> str | None:
        return self._tick.once(agent.version, lambda: program(agent, environ))
