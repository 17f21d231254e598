"""What we make of the streams of real agents: as they are, cut, mixed, doubled, and with anything in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praisonrun.journal.format import IDS_PER_BYTE
from praisonrun.journal.formats import FORMATS
from praisonrun.journal.formats.said import PART_LIMIT, call, output

from ..rigs.streams import NAMES, PLACE, WRITERS, cases, golden, told

HELLO = "Hello from the fake model, prior assistant turns"
ODD: list[Any] = [
    None,
    True,
    7,
    -1.5,
    1e308,
    "",
    "x",
    [],
    [[]],
    {},
    {"type": {}},
    [1, "a", {"type": "text", "text": 4}],
]


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_means_what_it_meant(name: str) -> None:
    assert golden(name) == (PLACE / f"{name}.golden").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_found_and_nothing_else_is_taken_for_one(name: str, tmp_path: Path) -> None:
    form = WRITERS.get(name, name)
    for case, lines in cases(name):
        _, summary, answer = told(form, lines, tmp_path)
        verdict, well = summary.verdict, case.startswith("success")
        assert (verdict.ended and verdict.error is None) is well
        assert (verdict.answered and bool(answer)) is well
        if well and name != "gemini":  # whose pieces were shortened
            assert answer.startswith(HELLO)
        # Noise, and lines that come twice, change nothing.
        noise = [b"plain\n", b'{"type": "unheard"}\n', b'{"type": "result"', b"\n", b"[1]\n"]
        mixed = [line for one in lines for line in (one, *noise[:-3], one, *noise[3:])]
        again = told(form, mixed, tmp_path)
        assert again[1].verdict == verdict
        assert name == "gemini" or again[2] == answer


@pytest.mark.parametrize("name", NAMES)
def test_a_stream_that_is_cut_anywhere_says_nothing_of_an_end_that_it_lost(name: str, tmp_path: Path) -> None:
    form = WRITERS.get(name, name)
    lines = next(iter(cases(name)))[1]
    ends = [at for at, line in enumerate(lines) if any(e == "result" for e, _ in events(form, line))]
    cut = [*lines[: ends[-1]], lines[ends[-1]][:-9]]
    _, summary, answer = told(form, cut, tmp_path)
    assert summary.verdict.ended is (answer is not None) is (len(ends) > 1)
    assert not summary.verdict.certain


def events(form: str, line: bytes) -> list[tuple[str, Any]]:
    return list(FORMATS[form].parse(line.decode("utf-8", "replace")))


@pytest.mark.parametrize("form", sorted({WRITERS.get(name, name) for name in NAMES}))
def test_whatever_stands_in_a_line_its_events_are_sound(form: str) -> None:
    for _, lines in cases(form):
        for line in lines:
            if line.startswith(b"{"):
                for odd in variants(json.loads(line)):
                    check(events(form, json.dumps(odd).encode()))


@given(st.sampled_from(sorted(FORMATS.keys() - {"text"})), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "kind", "item", "message", "content", "result", "error", "data"])
        | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
))  # fmt: skip
def test_any_json_is_sound(form: str, value: Any) -> None:
    check(events(form, json.dumps(value).encode()))


def variants(value: Any) -> list[Any]:
    """Return a value with something odd in each of its places in turn, and without each of its keys."""
    found = list(ODD)
    if isinstance(value, dict):
        for key, one in value.items():
            found += [{**value, key: odd} for odd in variants(one)]
            found.append({name: value[name] for name in value if name != key})
    elif isinstance(value, list):
        for at, one in enumerate(value[:2]):
            found += [[*value[:at], odd, *value[at + 1 :]] for odd in variants(one)]
    return found


def check(found: list[tuple[str, Any]]) -> None:
    assert len(found) <= IDS_PER_BYTE or all(name == "tool_call" for name, _ in found[IDS_PER_BYTE:])
    for name, data in found:
        match name:
            case "message" | "log":
                assert isinstance(data["text"], str)
            case "progress":
                assert isinstance(data.get("step", ""), str)
            case "session":
                assert data["id"]
                assert isinstance(data["id"], str)
            case "usage":
                assert all(isinstance(number, int | float) for number in data.values())
            case "result":
                assert isinstance(data.get("error", ""), str)
            case _:
                assert name == "tool_call"
                assert isinstance(data.get("name", ""), str)


def test_what_tools_take_and_give_is_bounded() -> None:
    ((_, taken),) = call("n" * 500, "id", {"file": "é" * PART_LIMIT * 2})
    ((_, given),) = output("id", "o" * (PART_LIMIT + 5), failed=False)
    assert given["output"] == "o" * PART_LIMIT + " … 5 characters omitted"
    assert len(json.dumps(taken, ensure_ascii=False)) < PART_LIMIT + 200
    assert taken["input"].startswith('{"file": "éé')


CLAUDE = {"input_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7}
OPENCODE = {"tokens": {"input": 3, "cache": {"read": 90, "write": 7}}}
PI = {"role": "assistant", "usage": {"input": 3, "cacheRead": 90, "cacheWrite": 7}}


@pytest.mark.parametrize(
    ("form", "line", "read"),
    [
        ("claude", {"type": "result", "usage": CLAUDE}, 100),
        ("claude", {"type": "result", "usage": {**CLAUDE, "input_tokens": 99, "total_tokens": 105}}, 99),
        ("claude", {"type": "result", "usage": {**CLAUDE, "input_tokens": 10**308}}, 10**15 + 97),
        ("opencode", {"type": "step_finish", "part": OPENCODE}, 100),
        ("pi", {"type": "message_end", "message": PI}, 100),
        ("codex", {"type": "turn.completed", "usage": {"input_tokens": 99, "cached_input_tokens": 90}}, 99),
        ("gemini", {"type": "result", "stats": {"input_tokens": 99, "cached": 90}}, 99),
    ],
)
def test_cached_tokens_are_among_those_that_were_read(form: str, line: Any, read: int) -> None:
    (used,) = [data for name, data in events(form, json.dumps(line).encode()) if name == "usage"]
    assert used["input_tokens"] == read
