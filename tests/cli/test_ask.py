"""`ask` inside an agent, `answer` by a person: what they print, how they end, what others show meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from praisonrun.cli import ask
from praisonrun.cli.attach import still_open
from praisonrun.cli.ids import short
from praisonrun.core.clock import iso

from ..rigs.harness import Json, Server, code_of
from ..rigs.wire_rig import Api
from .conftest import Command


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run, as the process of an agent knows it."""
    os.mkfifo(tmp_path / "events")
    monkeypatch.setenv("PRAISONRUN_EVENTS", str(tmp_path / "events"))
    monkeypatch.setenv("PRAISONRUN_ANSWERS", str(tmp_path / "answers.jsonl"))
    return tmp_path


@contextmanager
def replying(folder: Path, *lines: str) -> Iterator[list[Json]]:
    """Take one question inside this block, and reply with lines; `@` stands for the question's id."""
    got: list[Json] = []
    fd = os.open(folder / "events", os.O_RDWR)

    def reply() -> None:
        with os.fdopen(os.dup(fd), "rb", 0) as pipe:
            got.append(json.loads(pipe.readline())["ask"])
        for line in lines:
            with (folder / "answers.jsonl").open("a") as file:
                file.write(line.replace("@", got[0]["id"]))

    server = threading.Thread(target=reply)
    server.start()
    try:
        yield got
    finally:
        server.join()
        os.close(fd)


def test_an_agent_asks_and_prints_the_answer(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (inside / "answers.jsonl").write_text('{"id": "earlier", "answer": "no"}\nno JSON\n[]\n')
    with replying(inside, '{"id": "@", "ans', 'wer": "yes"}\n') as asked:
        words = "--options", "yes,no", "--options", "later", "--default", "no", "--timeout", "5m"
        assert code_of("ask", "Deploy?", *words) == 0
    assert capsys.readouterr().out == "yes\n"
    assert asked[0].pop("id")
    assert asked == [
        {
            "question": "Deploy?",
            "options": ["yes", "no", "later"],
            "default": "no",
            "timeout": 300,
            "kind": "question",
        }
    ]


def test_a_denial_is_an_exit_code(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with replying(inside, '{"id": "@", "denied": true}\n') as asked:
        assert code_of("ask", "Deploy?", "--id", "d", "--permission") == 1
    assert (capsys.readouterr().out, asked[0]["id"], asked[0]["kind"]) == ("", "d", "permission")
    with replying(inside):
        assert code_of("ask", "Deploy?", "--id", "d", "--json") == 1
    assert json.loads(capsys.readouterr().out) == {"id": "d", "denied": True}


def test_without_a_server_a_question_is_denied(
    inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, 39.9, 40.0])
    monkeypatch.setattr(ask, "SHORTEST", 0.0)
    wanted = ask.Wanted(
        question="?", options=(), default="yes", timeout=10, ask_id=None, permission=False, as_json=False
    )
    with replying(inside):
        assert ask.ask(wanted, lambda: next(times)) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", "praisonrun: nobody said what became of the question: it is denied\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Deploy?", "--timeout", "8d"], "timeout must be from 1 second to 7 days (604800)"),
        (["Deploy?", "--options", "a,a"], "options must differ, and none may be empty"),
        (["Deploy?", "--id", "a b"], "id must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"),
        ([" "], "question must not be empty"),
    ],
)
def test_what_cannot_be_asked_says_why(
    inside: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of("ask", *words) == 2
    assert capsys.readouterr().err == f"praisonrun: the question is rejected: {why}\n"


def test_only_an_agent_may_ask(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of("ask", "Deploy?") == 2  # nobody has the pipe open: the run is over
    assert "PRAISONRUN_EVENTS cannot be written" in capsys.readouterr().err
    monkeypatch.delenv("PRAISONRUN_ANSWERS")
    assert code_of("ask", "Deploy?") == 2
    said = (
        "PRAISONRUN_EVENTS and PRAISONRUN_ANSWERS are not set: only an agent may ask, while praisonrun runs"
    )
    assert capsys.readouterr().err == f"praisonrun: {said} it with `files: true`\n"


def test_asking_needs_no_library_of_the_wire() -> None:
    code = "import sys, praisonrun.cli.ask; print([n for n in ('httpx2', 'pydantic') if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


AGENT = """
import os, subprocess, sys
ask = [sys.executable, "-m", "praisonrun", "ask"]
done = subprocess.run([*ask, *sys.argv[1:]], capture_output=True, text=True)
print(done.returncode, done.stdout, done.stderr)
"""


def asks(api: Api, *words: str) -> Json:
    """Submit a run whose agent asks by the command; return its status once it waits."""
    code = f"import sys; sys.argv[1:] = {list(words)!r}\n{AGENT}"
    run_id = api.submit("telling-code", code)
    api.until(run_id, "event: ask", "stream")
    while not (shown := api.status(run_id))["questions"]:
        pass
    return shown


def test_a_person_answers_by_the_command(shared: Server, api: Api, command: Command) -> None:
    shown = asks(api, "Deploy it?", "--options", "yes,no", "--default", "no")
    run_id, ask_id = shown["job_id"], shown["questions"][0]["id"]
    _, out, _ = command("ps")
    (line,) = [line for line in out.splitlines() if line.startswith(short(run_id))]
    assert "waiting" in line
    assert "asks: Deploy it?" in line
    _, out, _ = command("show", run_id)
    assert "running, waits for an answer" in out
    assert "Deploy it? (yes/no, else no)" in out
    assert f"praisonrun answer {short(run_id)} {ask_id} yes · answer {short(run_id)} {ask_id} no" in out
    code, out, err = command("answer", run_id[-8:], "maybe")
    assert (code, out, err) == (2, "", "praisonrun: answer: must be one of 'yes', 'no'\n")
    assert command("answer", run_id, "yes") == (0, f"{short(run_id)}  Deploy it?: yes\n", "")
    assert api.ended(run_id)["status"] == "succeeded"
    assert api.result(run_id)["result"] == "0 yes\n \n"
    code, out, _ = command("answer", run_id, ask_id, "yes", "--json")
    assert (code, json.loads(out)) == (0, api.status(run_id)["questions"][0])
    code, _, err = command("answer", run_id, "yes")
    assert (code, err) == (1, f"praisonrun: run {short(run_id)} asks nothing now\n")
    _, out, _ = command("show", run_id)
    assert "Deploy it?: yes" in out
    code, out, err = command("attach", run_id)
    assert (code, "asks: Deploy it? (yes/no, else no)" in err) == (0, True)


def test_which_question_is_meant_must_be_clear(shared: Server, api: Api, command: Command) -> None:
    lines = [json.dumps({"ask": {"id": ask_id, "question": f"Is {ask_id} well?"}}) for ask_id in "ab"]
    run_id = api.submit("asks", "\n".join(lines))
    while len(api.status(run_id)["questions"]) < 2:
        pass
    code, _, err = command("answer", run_id, "yes")
    named = "name one: a (Is a well?), b (Is b well?)"
    assert (code, err) == (2, f"praisonrun: run {short(run_id)} asks several questions; {named}\n")
    assert code_of("answer", "--state", str(shared.state), run_id, "b", "--", "-1") == 0
    assert command("answer", run_id, "yes")[0] == 0
    assert [each["answer"] for each in api.ended(run_id)["questions"]] == ["yes", "-1"]
    code, _, err = command("answer", run_id)
    assert (code, "name a run and an answer" in err) == (2, True)


def test_a_question_that_is_replayed_late_gets_no_hint() -> None:
    assert still_open({"ts": iso(0), "timeout": 60}) is False
    assert still_open({"timeout": 60}) is True
