"""Agents with conversations of their own, which `programs/talks.py` plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from .places import PROGRAMS

UNKNOWN = "No conversation found|is already in use"
COMMAND = ["{python}", "-I", "-S", str(PROGRAMS / "talks.py"), "{session}"]
ASSIGNED = {
    "first": ["--session-id", "{session_uuid}"],
    "later": ["--resume", "{agent_session}"],
    "unknown": UNKNOWN,
}
CAPTURED = {"later": ["--resume", "{agent_session}"], "unknown": UNKNOWN}


def entries(folder: Path, **more: Any) -> dict[str, Any]:
    """Return entries: one is told how to call its conversations, the other tells, the last has none."""
    base = {"command": COMMAND, "format": "jsonl", "env": {"TALKS": str(folder)}, "backoff": 0.01, **more}
    plain = {**base, "command": COMMAND[:-1]}
    return {
        "talk": {**base, "session": ASSIGNED},
        "tells": {**base, "session": CAPTURED},
        "plain": plain,
        "here": {**base, "session": ASSIGNED, "cwd": "caller"},
    }


class Start(NamedTuple):
    """An attempt, and what it was told of its conversation."""

    run_id: str
    attempt: int
    words: tuple[str, ...]


class Talks:
    """Their folder: conversations by name, and what was noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def agents(self, file: Path, **more: Any) -> Path:
        """Write an agents.yaml with them."""
        file.write_text(json.dumps({"agents": entries(self.folder, **more)}))
        return file

    def starts(self) -> list[Start]:
        lines = self._lines("starts")
        return [Start(run_id, int(number), tuple(words)) for run_id, number, *words in map(str.split, lines)]

    def told(self, run_id: str) -> list[tuple[str, ...]]:
        """Return what each attempt of a run was told."""
        return [start.words for start in self.starts() if start.run_id == run_id]

    def overlaps(self) -> list[str]:
        return self._lines("overlaps")

    def names(self) -> list[str]:
        """Return the conversations that there are."""
        return sorted({each.name for each in self.folder.iterdir()} - {"starts", "overlaps"})

    def turns(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()

    def lose(self, name: str) -> None:
        """Have a conversation be unknown from now on."""
        (self.folder / name).unlink()

    def _lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []
