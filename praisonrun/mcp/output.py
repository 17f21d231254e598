"""What a run has said, in pieces that a model can read: from a cursor on, the last lines, the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.json import Json
from . import words
from .api import Api, Query, asked, checked, url_of

PIECE = 12_000
"""Characters of output in one answer."""
RESULT = 24_000
"""Characters of a result in one answer."""
PAGE = 500
"""Events that are asked for at once."""
PAGES = 8
"""Pages that are looked through for something to tell: most events of some agents say nothing."""
WHOLE = 1024 * 1024
"""Bytes of a result or of last lines that are read."""


class Piece(NamedTuple):
    """Some of a run's output."""

    text: str
    cursor: str | None
    """Where the next piece begins."""
    more: bool
    """Whether there is more by now."""


async def piece(api: Api, run_id: str, cursor: str | None, most: int = PIECE) -> Piece:
    """Return what a run has said after a cursor, at most so many characters. Raises Unavailable.

    A cursor is the id of the last event, and after a dot how many characters of the next were told.
    """
    after, _, begun = (cursor or "0").partition(".")
    told, room, skip = list[str](), most, int(begun or 0)
    for _page in range(PAGES):
        query: Query = {"after": after, "limit": PAGE}
        page = await asked(api, "GET", url_of(run_id, "events"), query=query)
        for event in page["events"]:
            if said := words.visible(words.spoken(event)):
                if len(said) - skip > room:
                    end = said.rfind("\n", skip, skip + room) + 1 or skip + room
                    return Piece("".join([*told, said[skip:end]]), f"{after}.{end}", more=True)
                told.append(said[skip:])
                room, skip = room - len(told[-1]), 0
            after = str(event["id"])
        if page["done"] or not page["events"]:
            return Piece("".join(told), after if after != "0" else None, more=False)
    return Piece("".join(told), after, more=True)


async def last_lines(api: Api, run_id: str, lines: int) -> str:
    """Return the last lines that a run has printed, or the end of them where they are long."""
    while True:
        reply = await api.ask("GET", url_of(run_id, "logs"), query={"tail": lines}, most=WHOLE)
        if reply.status != 200:
            checked(reply)
        if not reply.cut or lines == 1:
            text = reply.body.decode("utf-8", "replace")
            return words.first(text, PIECE) if reply.cut else words.last(text, PIECE)
        lines = max(lines // 8, 1)


async def result(api: Api, run_id: str, start: int = 0, most: int = RESULT) -> str:
    """Return the result of a finished run as text, from a character on; empty where it has none."""
    reply = await api.ask("GET", url_of(run_id, "result"), most=WHOLE + WHOLE // 2)
    if reply.cut:
        text = reply.body.decode("utf-8", "replace").partition('"result":')[2]
        return words.first(text[start:], most, "download it from the API, which has all of it")
    found = checked(reply)
    text = as_text(found["result"])
    if found.get("result_url"):
        text += f"\n… only the first part; all of it: {found['result_url']}"
    return words.first(text[start:], most, f"get_run with result_from={start + most}")


def as_text(value: Json) -> str:
    """Return a result as text: JSON where it is no text."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def said_of(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a run's status says in its agent's words."""
    return [
        ("what it does now", words.one_line(str((run.get("progress") or {}).get("current_step") or ""))),
        ("error", words.first(str(run.get("error") or ""), 2000)),
        ("last lines of its output", words.last(str(run.get("error_tail") or ""), 4000)),
    ]
