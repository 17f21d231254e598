"""What frames say, and how what they say adds up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praisonrun.core.model import Verdict
from praisonrun.journal.format import IDS_PER_BYTE, START, Frame, Kind, event_id
from praisonrun.journal.formats import FORMATS, frame_events
from praisonrun.journal.summary import Summary


def said(kind: Kind, line: str, name: str = "text") -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, event.data) for event in frame_events(name, Frame(kind, 1, START, line.encode()))]


def fifo(line: str) -> list[tuple[str, dict[str, Any]]]:
    return said(Kind.EVENT, line)


def test_text_is_one_log_event_a_frame() -> None:
    text = "a\nb\n"
    assert said(Kind.STDOUT, text) == [("log", {"stream": "stdout", "text": text, "message": "a\nb"})]
    assert said(Kind.STDERR, text)[0][1]["stream"] == "stderr"


def test_progress_from_the_fifo() -> None:
    line = json.dumps({"percentage": 250, "current_step": "s", "steps_completed": 1, "steps_total": 4})
    assert fifo(line) == [
        ("progress", {"percentage": 100.0, "step": "s", "steps_completed": 1, "steps_total": 4})
    ]
    assert fifo('{"message": "hi"}') == [("message", {"text": "hi"})]
    assert fifo('{"usage": {"input_tokens": 3, "model": "x"}}') == [("usage", {"input_tokens": 3})]


@pytest.mark.parametrize(
    "line",
    ["", "odd", "[1]", '{"a": 1}', '{"percentage": "5"}', '{"percentage": NaN}', '{"percentage": true}',
     '{"percentage": 1e999}', "[" * 100_000, '{"percentage": ' + "9" * 400 + "}"],
)  # fmt: skip
def test_anything_else_is_a_logged_warning(line: str) -> None:
    ((name, data),) = fifo(line)
    assert name == "log"
    assert data["message"].startswith("event ignored")


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")))
def test_no_line_breaks_a_format(line: str) -> None:
    for name in FORMATS:
        for kind in (Kind.STDOUT, Kind.STDERR, Kind.EVENT):
            assert len(said(kind, line, name)) <= IDS_PER_BYTE


def test_jsonl_tells_its_lines_apart() -> None:
    def of(value: Any) -> list[tuple[str, dict[str, Any]]]:
        return said(Kind.STDOUT, json.dumps(value) + "\n", "jsonl")

    assert of({"type": "delta", "text": "he"}) == [("message", {"text": "he", "delta": True})]
    assert of({"type": "tool_call", "name": "t", "input": {}}) == [("tool_call", {"name": "t", "input": {}})]
    assert of({"type": "result", "text": "done", "usage": {"cost": 1}}) == [
        ("result", {"result": "done"}),
        ("usage", {"cost": 1}),
    ]
    assert of({"type": "unheard"})[0][0] == "log"
    assert said(Kind.STDOUT, "plain\n", "jsonl")[0][1]["text"] == "plain\n"


def test_ids_are_the_frame_s_place() -> None:
    frame = Frame(Kind.STDOUT, 1, 500, b'{"type": "result", "usage": {"n": 1}}\n')
    assert [event.id for event in frame_events("jsonl", frame)] == [event_id(500, 0), event_id(500, 1)]


def summed(*lines: str) -> Summary:
    summary = Summary()
    for at, line in enumerate(lines):
        kind = Kind.STARTED if "pid" in line else Kind.STDOUT
        summary.add("jsonl", Frame(kind, 1, START + at * 1000, line.encode()))
    return summary


def test_a_summary_is_small_whatever_an_agent_says() -> None:
    invented = [
        json.dumps({"type": "usage", "usage": {f"n{one}_{two}": two for two in range(20)}})
        for one in range(20)
    ]
    known = json.dumps({"type": "usage", "usage": {"n0_1": 7, "x" * 200: 1}})
    step = json.dumps({"type": "progress", "percentage": 1, "step": "s" * 100_000, "message": "m" * 100_000})
    error = json.dumps({"type": "result", "error": "e" * 500_000})
    found = summed(*invented, known, step, error)
    assert (len(found.usage), found.usage["n0_1"]) == (100, 7)
    assert len(json.dumps(found.stored())) < 12_000
    assert found.verdict.error == "e" * 65_536 + " … 434464 characters omitted"


def test_the_agent_s_own_verdict() -> None:
    assert summed('{"type": "delta"}').verdict == Verdict()
    assert summed('{"type": "result", "result": {"a": 1}}').verdict == Verdict(ended=True, answered=True)
    sure = summed('{"type": "result", "result": " ", "is_error": false}').verdict
    assert sure == Verdict(ended=True, certain=True)
    bad = summed('{"type": "result", "is_error": true, "result": "no money"}').verdict
    assert bad.error == "no money"


def test_a_new_attempt_starts_afresh() -> None:
    summary = summed('{"type": "result", "result": 1}', '{"attempt": 2, "pid": 5}')
    assert summary.verdict == Verdict()
    assert summary.stored() is None


def test_usage_is_what_an_attempt_said_last_and_all_attempts_together() -> None:
    def used(number: float, **more: bool) -> str:
        return json.dumps({"type": "usage", "usage": {"n": number}, **more})

    first = [used(1), used(5), used(2, delta=True)]
    assert summed(*first).usage == {"n": 7}
    assert summed(*first, '{"attempt": 2, "pid": 5}').usage == {"n": 7}
    assert summed(*first, '{"attempt": 2, "pid": 5}', used(3), used(4)).usage == {"n": 11}
    assert summed(used(1e308), used(1e308, delta=True), used(10**300, delta=True)).usage == {"n": 10**15}


def test_a_result_is_found_where_its_word_is_escaped_and_lines_that_cannot_be_one_are_not_parsed() -> None:
    escaped = rb'{"type": "re\u0073ult", "result": 7}'
    assert [name for name, _ in FORMATS["jsonl"].parse(escaped.decode())] == ["result"]
    assert FORMATS["jsonl"].may_answer(escaped)
    assert FORMATS["jsonl"].may_answer(b'{"type":"result"}')
    assert not FORMATS["jsonl"].may_answer(b'{"type":"message","text":"hi"}')
