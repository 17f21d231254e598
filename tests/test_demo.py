"""The hello agent: what it says, with praisonrun and without."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from praisonrun import demo


def run(monkeypatch: pytest.MonkeyPatch, prompt: bytes) -> int:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(prompt)))
    return demo.main(pause=0)


def test_it_works_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("PRAISONRUN_EVENTS", raising=False)
    monkeypatch.delenv("PRAISONRUN_RESULT_PATH", raising=False)
    assert run(monkeypatch, b"three little words\n") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == "Hello! Your prompt has 3 words."
    assert said.out.startswith("[1/5] ")
    assert "18 characters" in said.err


def test_it_tells_progress_and_leaves_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, result = tmp_path / "events", tmp_path / "result.json"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv("PRAISONRUN_EVENTS", str(fifo))
    monkeypatch.setenv("PRAISONRUN_RESULT_PATH", str(result))
    assert run(monkeypatch, "un mot é".encode()) == 0
    events = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    os.close(reader)
    assert [event["percentage"] for event in events] == [0, 20, 40, 60, 80, 100]
    assert events[0] == {
        "type": "progress",
        "percentage": 0.0,
        "step": "Reading the prompt",
        "steps_completed": 0,
        "steps_total": 5,
    }
    found = json.loads(result.read_text())
    assert (found["answer"], found["words"], found["longest_word"]) == (
        "Hello! Your prompt has 3 words.",
        3,
        "mot",
    )


def test_a_pipe_that_nobody_reads_does_not_hold_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "events")
    monkeypatch.setenv("PRAISONRUN_EVENTS", str(tmp_path / "events"))
    assert run(monkeypatch, b"x") == 0


@pytest.mark.parametrize(("prompt", "said"), [("", "empty"), ("x", "1 word."), ("a  b\n c", "3 words.")])
def test_the_answer(prompt: str, said: str) -> None:
    assert said in str(demo.answer(prompt)["answer"])


def test_sigterm_ends_it_at_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "praisonrun.demo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.close()
        assert child.stdout.readline().startswith("[1/5]")
        child.terminate()
        assert child.stdout.read().count("[") < 4
        assert child.wait() == -signal.SIGTERM


def test_it_imports_next_to_nothing() -> None:
    code = "import sys, praisonrun.demo; print('praisonrun.core.model' in sys.modules, 'yaml' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False False\n"
