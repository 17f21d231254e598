"""The agents on offer: those of the main file, read again when it changes, and of files that submits name."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ..core.agent import Agent
from ..core.clock import OncePerTick
from ..core.errors import ConfigError, FaultPlace, Invalid, PraisonrunError, reason
from . import crew, document, files, frameworks, reading, recipes
from .document import Document
from .files import Place

DEFAULT_FILE = "agents.yaml"
_SETTLED_NS = 50_000_000
"""A file that was younger than this when read may change again without a new time stamp."""

log = logging.getLogger("praisonrun.agents")


class Catalog:
    """The agents of the main file and of the roots. For one thread at a time.

    `file` is the main agents file; without one there is the built-in `hello`. `roots` are the folders that an
    agent_file may be in. Raises ConfigError when the main file cannot be used.
    """

    def __init__(self, file: Path | None, roots: Sequence[Path], environ: Mapping[str, str]) -> None:
        self.file = Path(os.path.abspath(file)) if file is not None else None  # noqa: PTH100
        self.shown = str(file)
        self.roots = tuple(roots)
        self.environ = environ
        self.problem: str | None = None
        """Why the last reload failed; None while the file on disk is in use."""
        self._texts: OrderedDict[str, str] = OrderedDict()
        """The texts of crews that were asked for, by digest."""
        self._identity: tuple[int, ...] | None = None
        """Of the main file as it was read last; None to read it again."""
        self._recipes: recipes.State = ()
        """Of the user's recipes beside it then."""
        self._text: str | None = None
        """What the main file held then, good or broken; None if it could not be read."""
        self._tick = OncePerTick()
        recipes.names()  # reads them all: an upgrade may remove their files
        self._main = document.builtin(str(roots[0]) if roots else "")
        if self.file is not None:
            self._refresh(self.file)

    @property
    def default(self) -> Agent:
        """The agent for a submit that names none."""
        return self.get(None)

    def get(self, name: str | None, framework: str | None = None) -> Agent:
        """Return an agent of the main file; `framework` is for a crew whose file names none.

        Raises Invalid for an unknown agent or framework.
        """
        return self._pick(self._current(), name, framework)

    def all(self) -> tuple[Agent, ...]:
        """Return the agents of the main file, in its order."""
        return tuple(self._bound(agent, None) for agent in self._current().agents.values())

    def names(self) -> set[str]:
        """Return the names of the agents in the main file as it was last read."""
        return set(self._main.agents)

    def from_file(self, agent_file: str, framework: str | None = None, agent: str | None = None) -> Agent:
        """Return an agent of the file that a submit names, relative to the roots.

        `framework` is for a crew whose file names none. Raises BadRequest for a file that is missing,
        special, too large or outside the roots; Invalid for a fault in it, or an unknown agent or framework.
        """
        return self._pick(self._of_file(agent_file), agent, framework)

    def from_text(self, text: str, framework: str | None = None, agent: str | None = None) -> Agent:
        """Return an agent of a file that a submit contains. Raises Invalid for a fault in it."""
        return self._pick(document.read_inline(text, self.roots[0]), agent, framework)

    def env_of(self, agent: Agent) -> Mapping[str, str]:
        """Return the literal env values that the agent's entry has now; empty if the entry is gone."""
        try:
            if agent.file == document.NOWHERE:
                return recipes.env_of(agent, self.roots[0])
            in_main = agent.file in ("", str(self.file or ""))
            found = self._current() if in_main else self._of_file(agent.file)
        except PraisonrunError:
            return {}
        entry = found.agents.get(agent.name)
        return self._bound(entry, None).env if entry is not None and entry.file == agent.file else {}

    def crew_copy(self, agent: Agent, directory: Path) -> Path:
        """Do as `crew.copy` does."""
        return crew.copy(agent, directory, self._texts)

    def _current(self) -> Document:
        """Return the main file's agents, read again if it changed; the last good version of a broken one."""
        if self.file is not None:
            self._tick.once("main", self._look)
        return self._main

    def _look(self) -> None:
        assert self.file is not None
        try:
            self._refresh(self.file)
        except ConfigError as error:
            if error.message != self.problem:
                log.warning("%s; the last good version stays in use", error.message)
            self.problem = error.message

    def _refresh(self, file: Path) -> None:
        try:
            found = os.stat(file)  # noqa: PTH116 - microseconds, in every turn
        except OSError as error:
            self._identity = self._text = None
            raise ConfigError(f"cannot be read: {reason(error)}", place=FaultPlace(self.shown)) from None
        identity = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
        state = document.used_state(self._text or "", file)
        if identity != self._identity or state != self._recipes:
            self._identity = identity if abs(time.time_ns() - found.st_mtime_ns) > _SETTLED_NS else None
            self._reread(file)

    def _reread(self, file: Path) -> None:
        last, self._text = (self._text, self._recipes), None
        self._text = files.read(file, self.shown)
        self._recipes = document.used_state(self._text, file)
        if (self._text, self._recipes) == last:
            return
        self._main = document.read(self._text, file, self.shown)
        if self.problem:
            log.info("%s is in use again", self.shown)
        self.problem = None

    def _of_file(self, agent_file: str) -> Document:
        place = files.locate(agent_file, self.roots)
        if self._is_main(agent_file, place):
            return self._current()
        if place is None:
            raise files.bad(agent_file, "does not exist")
        try:
            return document.read(files.read_confined(place, agent_file), Path(place.path), agent_file)
        except ConfigError as error:
            raise Invalid(f"agent_file {error.message}", field="agent_file") from None

    def _is_main(self, agent_file: str, place: Place | None) -> bool:
        if place is None:
            return agent_file == DEFAULT_FILE or (self.file is not None and agent_file == self.file.name)
        with suppress(OSError):
            return self.file is not None and os.path.samefile(place.path, self.file)  # noqa: PTH121
        return False

    def _pick(self, found: Document, name: str | None, framework: str | None) -> Agent:
        wanted = found.default if name is None else name
        if wanted not in found.agents:
            near = reading.did_you_mean(wanted, found.agents)
            known = ", ".join(list(found.agents)[:50])
            raise Invalid(f"no agent {wanted[:100]!r}{near or ';'} there are: {known}", field="agent")
        agent = self._bound(found.agents[wanted], framework)
        if agent.crew is not None:
            frameworks.known(agent.crew.framework)
            self._keep(agent.crew.source_sha256, found.text)
        return agent

    def _keep(self, digest: str, text: str) -> None:
        self._texts[digest] = text
        self._texts.move_to_end(digest)
        if len(self._texts) > document.KEPT:
            self._texts.popitem(last=False)

    def _bound(self, agent: Agent, framework: str | None) -> Agent:
        return crew.bound(agent, framework, self._main.shared)
