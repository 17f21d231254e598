"""What an agent may ask, and what of it is rejected."""

from __future__ import annotations

from typing import Any

import pytest

from praisonrun.core.question import LONGEST, OPTION, OPTIONS, TEXT, TIMEOUT, Ask, BadAsk, ask_of

GOOD = {"id": "a", "question": "Deploy?"}


def test_a_question_has_usual_values() -> None:
    assert ask_of(GOOD) == Ask("a", "Deploy?", (), None, TIMEOUT, "question")
    whole = {"options": ["yes", "no"], "default": "no", "timeout": 5, "kind": "permission"}
    assert ask_of(GOOD | whole) == Ask("a", "Deploy?", ("yes", "no"), "no", 5.0, "permission")
    assert ask_of(GOOD | dict.fromkeys(("options", "default", "timeout"))) == ask_of(GOOD)


def test_a_question_at_its_limits() -> None:
    options = [f"{number:0{OPTION}}" for number in range(OPTIONS)]
    most = {"id": "x" * 64, "question": "ü" * (TEXT // 2), "options": options, "timeout": LONGEST}
    assert ask_of(most).options == tuple(options)
    assert ask_of(GOOD | {"question": "\ud800\0?"}).question == "?\ufffd?"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"question": " \n"}, "question must not be empty"),
        ({"question": None}, "question must be a text"),
        ({"question": "ü" * TEXT}, f"question has {2 * TEXT} bytes, at most {TEXT}"),
        ({"options": "yes"}, f"options must be a list of 1 to {OPTIONS} texts"),
        ({"options": []}, f"options must be a list of 1 to {OPTIONS} texts"),
        ({"options": list("abcdefghijklmnopq")}, f"options must be a list of 1 to {OPTIONS} texts"),
        ({"options": [1]}, "an option must be a text"),
        ({"options": ["x" * 257]}, "an option has 257 bytes, at most 256"),
        ({"options": ["a", "a"]}, "options must differ, and none may be empty"),
        ({"options": ["a", ""]}, "options must differ, and none may be empty"),
        ({"options": ["a"], "default": "b"}, "default must be one of the options"),
        ({"default": 1}, "default must be a text"),
        ({"timeout": "5m"}, "timeout must be a number of seconds"),
        ({"timeout": True}, "timeout must be a number of seconds"),
        ({"timeout": 0.5}, "timeout must be from 1 second to 7 days (604800)"),
        ({"timeout": LONGEST + 1}, "timeout must be from 1 second to 7 days (604800)"),
        ({"kind": "order"}, "kind must be question or permission"),
        ({"defualt": "no"}, "unknown key 'defualt'; there are default, id, kind, options, question, timeout"),
    ],
)
def test_a_question_beyond_a_limit_says_which(given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadAsk) as fault:
        ask_of(GOOD | given)
    assert (str(fault.value), fault.value.id) == (why, "a")


@pytest.mark.parametrize("ask_id", [None, 1, "", "a b", "x" * 65, "ä", "a/b"])
def test_an_id_that_is_none_can_be_told_nothing(ask_id: Any) -> None:
    with pytest.raises(BadAsk, match="id must be 1 to 64 of the characters") as fault:
        ask_of(GOOD | {"id": ask_id})
    assert fault.value.id is None
    with pytest.raises(BadAsk, match="ask must be an object"):
        ask_of("Deploy?")
