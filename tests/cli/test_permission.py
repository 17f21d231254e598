"""`praisonrun permission`: what it asks a person, what it tells an agent, and that nothing stops it."""

from __future__ import annotations

import io
import json
import queue
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from praisonrun.cli import ask
from praisonrun.cli.permission import VERSIONS, Server
from praisonrun.cli.permit import Decision, decide
from praisonrun.cli.permit_text import choices, question
from praisonrun.core.question import TEXT, ask_of

from ..rigs.harness import Json, code_of
from .test_ask import inside, replying

__all__ = ["inside"]  # a fixture
ALLOWED = Decision(True)
BASH = {"tool_name": "Bash", "input": {"command": "rm -r build", "description": "Clean"}, "tool_use_id": "t"}
CHOICE: dict[str, Json] = {
    "question": "Which db?",
    "options": [{"label": "pg", "description": "large"}, {"label": "lite", "description": "small"}],
    "multiSelect": False,
}


class Rig:
    """The protocol with decisions of a test's own."""

    def __init__(self, decides: Callable[[str, Mapping[str, Json]], Decision] = lambda *_: ALLOWED) -> None:
        self._said = queue.SimpleQueue[bytes]()
        self.server = Server(decides, self._said.put)

    def send(self, method: str | None, ask_id: Json = 1, **params: Json) -> None:
        said = {"jsonrpc": "2.0", "id": ask_id, "method": method, "params": params}
        self.server.take(
            json.dumps({key: value for key, value in said.items() if value is not None}).encode()
        )

    def answer(self) -> Json:
        line = self._said.get(timeout=10)
        assert line.count(b"\n") == 1
        return json.loads(line)

    def result(self, method: str, **params: Json) -> Json:
        self.send(method, **params)
        return self.answer()["result"]

    def call(self, ask_id: Json = 1, **arguments: Json) -> None:
        self.send("tools/call", ask_id, name="ask", arguments=arguments or BASH)

    def told(self) -> Json:
        return json.loads(self.answer()["result"]["content"][0]["text"])

    @property
    def silent(self) -> bool:
        return self._said.empty()


def test_the_protocol_is_as_a_client_wants_it() -> None:
    rig = Rig()
    for version, got in ((VERSIONS[0], VERSIONS[0]), ("1", VERSIONS[-1]), (None, VERSIONS[-1])):
        assert rig.result("initialize", protocolVersion=version)["protocolVersion"] == got
    assert rig.result("ping") == {}
    (tool,) = rig.result("tools/list")["tools"]
    assert (tool["name"], tool["inputSchema"]["required"]) == ("ask", ["tool_name", "input"])
    rig.call()
    assert rig.told() == {"behavior": "allow", "updatedInput": BASH["input"]}
    for line in (b"\n", b'{"jsonrpc":"2.0","method":"notifications/initialized"}', b'{"id":9,"result":{}}'):
        rig.server.take(line)
    assert rig.silent


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b"[" * 100_000, -32700),
        (b"\xff", -32700),
        (b"[]", -32600),
        (b'{"id":1}', -32600),
        (b'{"id":1.5,"method":"ping"}', -32600),
        (b'{"id":true,"method":"ping"}', -32600),
        (b'{"id":1,"method":5}', -32600),
        (b'{"id":1,"method":"rm"}', -32601),
        (b'{"id":1,"method":"ping","params":[1]}', -32602),
        (b'{"id":1,"method":"tools/call","params":{"name":"rm","arguments":{}}}', -32602),
        (b'{"id":1,"method":"tools/call","params":{"name":"ask","arguments":{"tool_name":"Bash"}}}', -32602),
    ],
)
def test_what_is_no_request_is_an_error(line: bytes, code: int) -> None:
    rig = Rig()
    rig.server.take(line)
    assert rig.answer()["error"]["code"] == code
    assert rig.silent


def test_each_question_waits_alone_and_a_cancelled_one_is_not_answered() -> None:
    gates = {name: Event() for name in "abc"}

    def wait(tool: str, _: Mapping[str, Json]) -> Decision:
        gates[tool].wait(10)
        return Decision(False, tool)

    rig = Rig(wait)
    for name in "abc":
        rig.call(name, tool_name=name, input={})
    rig.call("a", tool_name="a", input={})
    assert rig.answer()["error"]["message"] == "a request with this id waits already"
    rig.send("notifications/cancelled", None, requestId="b")
    assert rig.result("ping") == {}
    for name in "cba":
        gates[name].set()
    assert {rig.answer()["id"] for _ in range(2)} == {"a", "c"}
    assert rig.silent


def test_more_than_may_be_open_is_denied_at_once_and_so_is_what_cannot_be_asked() -> None:
    gate = Event()
    rig = Rig(lambda *_: Decision(gate.wait(10)))
    for number in range(33):
        rig.call(number)
    assert rig.told() == {"behavior": "deny", "message": "Too much is asked at once."}
    gate.set()
    assert [rig.told()["behavior"] for _ in range(32)] == ["allow"] * 32

    def fails(*_: object) -> Decision:
        raise KeyError("x")

    rig = Rig(fails)
    rig.call()
    assert rig.told() == {"behavior": "deny", "message": "Nobody could be asked: 'x'"}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": values,
        "method": st.sampled_from(("initialize", "ping", "tools/list", "tools/call", "x")) | values,
        "params": values
        | st.fixed_dictionaries(
            {"name": st.just("ask")},
            optional={
                "arguments": st.fixed_dictionaries(
                    {"tool_name": st.sampled_from(("Bash", "AskUserQuestion")) | values},
                    optional={"input": st.dictionaries(st.just("questions") | st.text(), values, max_size=3)},
                )
            },
        ),
    },
)


@settings(max_examples=80, deadline=None)
@given(line=st.binary(max_size=40) | (values | requests).map(lambda value: json.dumps(value).encode()))
def test_no_line_stops_it(line: bytes) -> None:
    rig = Rig()
    rig.server.take(line)
    rig.send("ping", "last")
    while (answer := rig.answer())["id"] != "last":
        assert {"result", "error"} & answer.keys()
    assert answer["result"] == {}


@settings(max_examples=80, deadline=None)
@given(
    tool=st.text(max_size=20), wanted=st.dictionaries(st.just("questions") | st.text(), values, max_size=3)
)
def test_whatever_an_agent_wants_can_be_asked(tool: str, wanted: Mapping[str, Json]) -> None:
    assert ask_of({"id": "x", "question": question(tool, wanted)})
    for one in choices(wanted):
        assert ask_of({"id": "x", "question": one.text or "?", "options": one.options or None})


def test_a_question_shows_all_that_would_be_done() -> None:
    command = "make x\n  description: Nothing\x1b[2K\u202e"
    shown = question("Bash", {"command": command, "description": "Build", "limits": [1, None]})
    assert shown.split("\n") == [
        "Allow Bash?",
        "  command:",
        "    make x",
        "      description: Nothing\\x1b[2K\\u202e",
        "  description: Build",
        "  limits: [1, null]",
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        {"content": "é\n" * 20_000, "file_path": "/x"},
        {"content": "\x1b\udcff" * 20_000, "file_path": "/x"},
        {"file_path": "/x", **{"\x1b" * 200 + str(at): "y" * 5000 for at in range(60)}},
    ],
)
def test_what_is_too_long_says_so_first_and_keeps_what_is_short(wanted: Mapping[str, Json]) -> None:
    shown = question("\x1b" * 500, wanted)
    assert len(shown.encode()) <= TEXT
    assert shown.split("\n")[1] == "(too long to be shown whole)"
    assert "\n  file_path: /x" in shown
    assert "more bytes" in shown


def replies(folder: Path, answer: str | None, tool: str, wanted: Mapping[str, Json]) -> tuple[Decision, Json]:
    """Return what becomes of a question with an answer, and what was asked."""
    reply = {"id": "@", **({"denied": True} if answer is None else {"answer": answer})}
    with replying(folder, json.dumps(reply) + "\n") as asked:
        decision = decide(tool, wanted, 60)
    return decision, asked[0]


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        ("allow", ALLOWED),
        ("deny", Decision(False, "A person denied it.")),
        (None, Decision(False, "Nobody allowed it in time.")),
    ],
)
def test_what_a_person_says_is_what_the_agent_is_told(
    answer: str | None, decision: Decision, inside: Path
) -> None:
    got, asked = replies(inside, answer, "Bash", {"command": "ls"})
    assert got == decision
    assert len(asked.pop("id")) == 16
    assert asked == {
        "question": "Allow Bash?\n  command: ls",
        "options": ["allow", "deny"],
        "default": None,
        "timeout": 60,
        "kind": "permission",
    }


def test_a_choice_of_the_model_s_is_put_to_the_person(inside: Path) -> None:
    got, asked = replies(inside, "lite", "AskUserQuestion", {"questions": [CHOICE]})
    assert got == Decision(True, changed={"questions": [CHOICE], "answers": {"Which db?": "lite"}})
    assert (asked["question"], asked["options"], asked["kind"]) == (
        "Which db?\n  pg: large\n  lite: small", ["pg", "lite"], "question",
    )  # fmt: skip
    got, _ = replies(inside, None, "AskUserQuestion", {"questions": [CHOICE]})
    assert got == Decision(False, "Nobody answered in time.")
    (several,) = choices({"questions": [{**CHOICE, "multiSelect": True}]})
    assert (several.options, several.text.split("\n")[1]) == ((), "(one or more, with commas)")
    got, asked = replies(inside, "allow", "AskUserQuestion", {"questions": "?"})
    assert (got, asked["kind"]) == (ALLOWED, "permission")


def test_nobody_to_ask_is_a_no(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decision = decide("Bash", {}, 60)  # nobody has the pipe open: the run is over
    assert not decision.allowed
    assert decision.why.startswith("Nobody could be asked: PRAISONRUN_EVENTS cannot be written")
    times = iter([0.0, 89.9, 90.0])
    monkeypatch.setattr(ask, "SHORTEST", 0.0)
    monkeypatch.setattr("praisonrun.cli.permit.reply_to", partial(ask.reply_to, now=lambda: next(times)))
    with replying(inside):
        assert decide("Bash", {}, 60) == Decision(False, "Nobody allowed it in time.")


def test_it_ends_with_its_client_and_starts_in_agents_only(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, "-m", "praisonrun", "permission"]
    ping = b'{"jsonrpc": "2.0", "id": "p", "method": "ping"}\n'
    call = json.dumps(
        {"id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": BASH}}
    ).encode()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        with replying(inside):  # a question that is open does not keep it
            process.stdin.write(ping + call + b"\n")
            process.stdin.flush()
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, json.loads(out)) == (0, {"jsonrpc": "2.0", "id": "p", "result": {}})
    monkeypatch.delenv("PRAISONRUN_ANSWERS")
    assert code_of("permission") == 2
    assert "only an agent may ask" in capsys.readouterr().err


def hooked(given: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the exit code of a hook that is given this."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    return code_of("permission", "--hook", "--timeout", "1m")


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [("allow", 0, ""), ("deny", 2, "A person denied it.\n"), (None, 2, "Nobody allowed it in time.\n")],
)
def test_a_hook_ends_as_the_person_says(
    answer: str | None,
    code: int,
    told: str,
    inside: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reply = {"id": "@", **({"denied": True} if answer is None else {"answer": answer})}
    call = {"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": "ls"}}
    with replying(inside, json.dumps(reply) + "\n") as asked:
        assert hooked(json.dumps(call).encode(), monkeypatch) == code
    assert (asked[0]["question"], asked[0]["timeout"]) == ("Allow Bash?\n  command: ls", 60)
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize("given", [b"", b"{", b"[]", b"{}", b'{"tool_name": 1}', b"[" * 100_000, b"\xff"])
def test_a_hook_that_cannot_be_read_is_a_no_and_outside_a_run_it_decides_nothing(
    given: bytes, inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inside.is_dir()
    assert hooked(given, monkeypatch) == 2
    assert capsys.readouterr().err == "The hook was not told which tool.\n"
    monkeypatch.delenv("PRAISONRUN_EVENTS")
    assert hooked(given, monkeypatch) == 0
    assert capsys.readouterr() == ("", "")
