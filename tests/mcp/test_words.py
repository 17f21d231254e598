"""What others wrote is bounded, marked, and hides nothing from whoever reads it."""

from __future__ import annotations

import pytest

from praisonrun.mcp import words

RUN = {"job_id": "run_1", "agent": "a"}


def test_nobody_can_write_the_mark_before_it_is_made() -> None:
    first, second = words.marked(RUN, [("x", "text")]), words.marked(RUN, [("x", "text")])
    assert first
    assert second
    assert first.split("\n")[1] == first.split("\n")[-1] != second.split("\n")[1]
    forged = words.marked(RUN, [("output", first)])
    assert forged
    assert forged.count(forged.split("\n")[1]) == 3  # once where it is said, and around
    assert words.marked(RUN, [("output", " \n"), ("error", "")]) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext é 🙂", "plain\n\ttext é 🙂"),
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07x", "red x"),
        ("\u202egnihton\u202c", "\\u202egnihton\\u202c"),
        ("a\U000e0041b\u200b", "a\\U000e0041b\\u200b"),
        ("\x00\x08\r\n\r", "\\x00\\x08\n\\r"),
    ],
)
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert words.visible(text) == shown
    assert words.visible(shown) == shown


def test_texts_are_cut_and_say_so() -> None:
    assert words.first("abc", 3) == "abc"
    assert words.first("abcdef", 3, "ask again") == "abc\n… 3 more characters: ask again"
    assert words.last("abcdef", 3) == "3 earlier characters …\ndef"
    assert words.one_line("a\n b\x1b[1mc", 10) == "a bc"
    assert words.one_line("x" * 1000, 10) == "x" * 9 + "…"


@pytest.mark.parametrize(
    ("event", "data", "said"),
    [
        ("log", {"stream": "stderr", "text": "no\n"}, "no\n"),
        ("message", {"text": "he", "delta": True}, "he"),
        ("message", {"text": "hello"}, "hello\n"),
        ("message", {"text": "hello", "repeats": True}, ""),
        ("progress", {"percentage": 40.0, "step": "half\nof it"}, "(progress: 40 %, half of it)\n"),
        ("tool_call", {"name": "Bash", "input": {"command": "ls"}}, "(tool: Bash {'command': 'ls'})\n"),
        ("tool_call", {"name": "Bash", "output": "x"}, ""),
        ("attempt", {"state": "start", "attempt": 2}, "(attempt 2 starts)\n"),
        ("attempt", {"state": "start", "attempt": 1}, ""),
        ("usage", {"input_tokens": 1}, ""),
    ],
)
def test_events_as_text(event: str, data: dict[str, object], said: str) -> None:
    assert words.spoken({"event": event, "data": data}) == said
