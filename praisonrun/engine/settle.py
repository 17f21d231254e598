"""What an attempt's end comes to: its journal, its files and its readiness, read once, as one decision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from ..core import lifecycle
from ..core.model import Agent, Exit, Json, Mode, Run
from ..files import manifest as outputs
from ..files.run_files import RunDir
from ..journal.formats import FORMATS, Summary
from ..journal.progress import Progress
from ..journal.results import last_words, result
from ..services import readiness as services
from ..services.readiness import Services

LAST_LINES = 5
"""Lines of its log that the error of a failed service repeats."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything that the end of an attempt is judged by."""

    agent: Agent
    exit: Exit
    summary: Summary
    manifest: dict[str, Json] | None
    journal_end: int
    probed: str | None
    """What the last look at a service found wrong."""
    tail: str
    """The last lines of a service's log."""

    def settle(self, run: Run, at: int) -> Run:
        """Return what becomes of the run."""
        structured = FORMATS[self.agent.format].structured
        outcome = lifecycle.judge(run, self.exit, self.summary.outcome(), needs_result=structured)
        outcome = services.explained(outcome, self.exit, self.agent.readiness, self.probed, self.tail)
        stored = self.summary.stored()
        return lifecycle.finish(
            run,
            self.exit,
            outcome,
            at,
            journal_end=self.journal_end,
            summary={**(stored or {}), "outputs": self.manifest} if self.manifest else stored,
            keep=lifecycle.keeps_scratch(run, self.agent, outcome),
        )


class Endings:
    """Reads how attempts ended."""

    def __init__(self, rundir: RunDir, services: Services) -> None:
        self._rundir, self._services = rundir, services

    async def read(self, run: Run, agent: Agent, progress: Progress, ended: Exit) -> Ending:
        """Return what an attempt's end is judged by; of most runs nothing has to be read."""
        structured = FORMATS[agent.format].structured
        told = structured or ended.events or ended.reason == "lost"
        summary = await progress.look() if told else Summary()
        manifest, tail = None, ""
        outcome = lifecycle.judge(run, ended, summary.outcome(), needs_result=structured)
        if (agent.outputs or ended.result) and not lifecycle.retriable(run, outcome):
            manifest = await asyncio.to_thread(self._manifest, run, agent, ended)
        probed = self._services.ended(run.id)
        if run.mode is Mode.SERVICE:
            tail = await asyncio.to_thread(self._last_words, run.id)
        end = ended.end or await asyncio.to_thread(self.journal_end, run.id)
        return Ending(agent, ended, summary, manifest, end, probed, tail)

    def journal_end(self, run_id: str) -> int:
        """Return the length of what a run's attempts wrote so far."""
        return self._rundir.tail(run_id).end

    def _last_words(self, run_id: str) -> str:
        return self._rundir.read(run_id, lambda reader: last_words(reader, LAST_LINES)) or ""

    def _manifest(self, run: Run, agent: Agent, ended: Exit) -> dict[str, Json] | None:
        if ended.result:
            answer = self._rundir.read(run.id, lambda reader: result(reader, agent.format))
            left = outputs.own(answer.value) if answer else None
            if left is not None:
                return left
        if not agent.outputs:
            return None
        artifacts = self._rundir.folder(run.id) / "artifacts"
        return outputs.declared(agent.outputs, artifacts, Path(agent.cwd), run.started_at or 0)
