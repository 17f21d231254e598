"""Questions in a journal: as events, and read on from an offset."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from praisonrun.core.question import Ask, BadAsk
from praisonrun.journal import asks
from praisonrun.journal.events import ask_in, parse_event_line
from praisonrun.journal.format import START, Kind
from praisonrun.journal.reader import Reader
from praisonrun.journal.writer import Journal


def line(ask_id: str = "a", **more: object) -> str:
    return json.dumps({"ask": {"id": ask_id, "question": "Deploy?", **more}}) + "\n"


def test_a_question_is_an_event_of_its_own() -> None:
    asked = {"id": "a", "question": "Deploy?", "options": ["yes"], "default": None, "timeout": 600.0}
    assert parse_event_line(line(options=["yes"])) == [("ask", asked | {"kind": "question"})]
    (name, said), *more = parse_event_line(line(timeout=0))
    assert (name, more) == ("log", [])
    assert said["text"] == "question a rejected: timeout must be from 1 second to 7 days (604800)\n"
    ((_, said),) = parse_event_line('{"ask": 1}')
    assert said["text"] == "question rejected: ask must be an object with id and question\n"


def test_only_a_line_with_the_key_asks() -> None:
    assert isinstance(ask_in(line().encode()), Ask)
    assert isinstance(ask_in(line().replace("ask", "\\u0061sk").encode()), Ask)
    assert isinstance(ask_in(line(timeout=0).encode()), BadAsk)
    assert ask_in(b'{"message": "I \\"ask\\" nothing"}') is None
    assert ask_in(b'["ask"]') is None
    assert ask_in(b'{"ask": ') is None


def test_a_journal_is_read_on_a_piece_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asks, "MOST", 2)
    fd = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    with Reader(fd) as reader:
        journal = Journal(fd)
        for number in range(5):
            journal.append(Kind.STDOUT, line("printed").encode())
            journal.append(Kind.EVENT, b'{"percentage": 5}\n', line(str(number)).encode())
        seen, offset, pieces = list[str](), START, 0
        while True:
            asked = asks.asks_from(reader, offset)
            seen += [each.id or "" for each, _ in asked.found]
            offset, pieces = asked.end, pieces + 1
            if not asked.more:
                break
        assert (seen, pieces, offset) == (["0", "1", "2", "3", "4"], 3, journal.end)
        assert asks.asks_from(reader, offset) == ([], offset)
