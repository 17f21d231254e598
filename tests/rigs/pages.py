"""The pages of the documentation as tests read them: blocks of code, steps of a shell, shown output."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .places import ROOT

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
UNTESTED = re.compile(r"^(?:.*\. )?Needs ([^.]+?), so no test runs this:$")
"""What a page says in the line before a block that cannot run here."""
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    needs: str | None
    """What it needs that is not here, as the page says; None for a block that runs."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """A command, and the output that the page shows for it: empty lines for none."""

    command: str
    shown: list[str]


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of a page, in order, of the languages named or all."""
    text = page.read_text()
    name = str(page.relative_to(ROOT))
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()].rstrip("\n").rsplit("\n\n", 1)[-1].replace("\n", " ")
        needs = UNTESTED.match(before)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(name, line, match[1], match[2], needs[1] if needs else None))
    return [block for block in found if not languages or block.language in languages]


def steps(block: Block) -> list[Step]:
    """Return the commands of a `sh` block as one step, those of a `console` block each with its output."""
    if block.language == "sh":
        return [Step(block.text, [])]
    found: list[Step] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Step(line[2:], []))
        else:
            found[-1].shown.append(line)
    return found


def matches(shown: Iterable[str], told: Iterable[str]) -> bool:
    """Say whether output is what a page shows: `…` stands for any text, and on a line alone for any lines."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "…" else ".*?".join(map(re.escape, line.split("…"))) + "\n" for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in told)) is not None
