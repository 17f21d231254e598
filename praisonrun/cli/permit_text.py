"""What a person reads where an agent wants to use a tool, or offers a choice.

No text of the agent's can look like another value, or hide: its lines stand further in, what cannot be seen
is escaped, and what is left out is counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from ..core.errors import escaped
from ..core.json import Json
from ..core.question import OPTION, OPTIONS, TEXT

LINES = TEXT - 2048
"""Bytes of a question that show what a tool is called with; the rest is for names and notes."""
FIELDS = 32
"""Values that are shown."""
NAME = 100
"""Characters of a name."""
CHOICES = 8
"""Choices that are offered at once, at most."""


class Choice(NamedTuple):
    """Something that an agent wants a person to choose."""

    question: str
    """The agent's own words: its answer goes by them."""
    text: str
    """What the person reads."""
    options: tuple[str, ...]
    """What may be answered; empty where it may be any text."""


def question(tool: str, given: Mapping[str, Json]) -> str:
    """Return the question whether a tool may be called: its name, and each value, on lines of its own.

    Short values are shown whole. Where something is left out, that is said before all of it.
    """
    fields = [_field(name, value) for name, value in given.items()]
    shown = fields[:FIELDS]
    left, rooms = LINES, dict.fromkeys(range(len(shown)), 0)
    for done, number in enumerate(sorted(rooms, key=lambda at: len(shown[at]))):
        rooms[number] = min(len(shown[number]), left // (len(shown) - done))
        left -= rooms[number]
    lines = [_cut(field, rooms[number]) for number, field in enumerate(shown)]
    whole = sum(map(len, fields)) == sum(rooms.values())
    return "\n".join([f"Allow {_name(tool)}?", *([] if whole else ["(too long to be shown whole)"]), *lines])


def _field(name: str, value: Json) -> bytes:
    """Return the lines of a value."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    lines = _lines(text)
    between = b"\n    " if b"\n" in lines else b" "
    return f"  {_name(name)}:".encode(errors="replace") + between + lines.replace(b"\n", b"\n    ")


def _lines(text: str) -> bytes:
    return "\n".join(escaped(line) for line in text.split("\n")).encode(errors="replace")


def _cut(lines: bytes, room: int) -> str:
    text = lines[:room].decode(errors="ignore")
    return text if len(lines) <= room else f"{text} … and {len(lines) - room} more bytes"


def _name(text: str) -> str:
    return escaped(text if len(text) <= NAME else f"{text[:NAME]}…")


def choices(given: Mapping[str, Json]) -> list[Choice]:
    """Return what Claude Code's own tool for choices offers; empty where it is not called as it should be."""
    found = given.get("questions")
    made = [_choice(one) for one in found] if isinstance(found, list) and len(found) <= CHOICES else []
    return [one for one in made if one] if all(made) else []


def _choice(given: Json) -> Choice | None:
    if not isinstance(given, dict) or not isinstance(question := given.get("question"), str):
        return None
    offered = given.get("options")
    offered = [one for one in offered if isinstance(one, dict)] if isinstance(offered, list) else []
    labels = tuple(dict.fromkeys(str(one.get("label", "")) for one in offered))
    lines = [_field(str(one.get("label", "")), one.get("description", "")) for one in offered[:OPTIONS]]
    several = given.get("multiSelect") is True
    notes = [b"(one or more, with commas)"] if several else []
    text = b"\n".join([_lines(question), *notes, *lines])
    fits = len(labels) <= OPTIONS and all(
        0 < len(label.encode(errors="replace")) <= OPTION for label in labels
    )
    return Choice(question, _cut(text, LINES), labels if fits and not several else ())
