"""The crew driver: stdout gets the answer alone, whatever the framework prints.

Most tests run it with a framework of their own making. The last ones run the real praisonai against a
model server on loopback; PRAISONRUN_TEST_PRAISONAI names an interpreter that has it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.agents import Catalog, argv, child_env
from praisonrun.agents.crew import DRIVER

from ..rigs.places import TESTS

CREW = """\
framework: praisonai
topic: the file's own topic
roles:
  researcher:
    role: Researcher
    goal: Find facts about {topic}
    backstory: You know much about {topic}.
    tasks:
      find: {description: "Research {topic}", expected_output: Three facts}
  writer:
    role: Writer
    goal: Write about {topic}
    backstory: You write.
    tasks:
      write: {description: "Write on {topic}", expected_output: A text}
"""
FAKE = """\
import os, subprocess, sys, types, yaml
class AgentsGenerator:
    def __init__(self, path, framework, config_list, *, agent_yaml, task_callback):
        self.crew, self.framework, self.callback = yaml.safe_load(agent_yaml), framework, task_callback
    def generate_crew_and_kickoff(self):
        print("+--- a box ---+")
        subprocess.run(["echo", "a child's noise"])
        topic = self.crew["topic"]
        if topic == "wait":
            import time; print("waiting", flush=True); time.sleep(60)
        if topic == "raise": raise RuntimeError("the model is away")
        if topic == "nothing": return ""
        if topic == "none": return None
        if topic == "banner": return "### Task Output ###\\n \\n"
        if topic == "raw": return types.SimpleNamespace(raw=None)
        if topic == "workflow": return "Workflow failed: no such step"
        if topic == "stdin": return "stdin gave " + repr(sys.stdin.read())
        metrics = types.SimpleNamespace(input_tokens=10, output_tokens=6)
        for agent in ("A", "B"):
            said = "Look\\nat " + topic
            self.callback(types.SimpleNamespace(description=said, agent=agent, token_metrics=metrics))
        return f"### PraisonAI Output ###\\n{self.framework}: {topic} {os.environ['DO_NOT_TRACK']}"
"""


@pytest.fixture
def framework(tmp_path: Path) -> Path:
    """A folder with a module that behaves like praisonai where the driver touches it."""
    package = tmp_path / "fake" / "praisonai"
    (package / "llm").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "llm/__init__.py").touch()
    (package / "llm/config.py").write_text("def build_config_list(): return []\n")
    (package / "agents_generator.py").write_text(FAKE)
    (tmp_path / "crew.yaml").write_text(CREW)
    return package.parent


def command(folder: Path) -> list[str]:
    return [sys.executable, str(DRIVER), str(folder.parent / "crew.yaml"), "--framework", "praisonai"]


def drive(folder: Path, prompt: str, **env: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **env}
    return subprocess.run(command(folder), input=prompt, capture_output=True, text=True, env=environ)


def test_stdout_is_the_answer_alone(framework: Path) -> None:
    done = drive(framework, "cats & {dogs}\n")
    assert (done.returncode, done.stdout) == (0, "praisonai: cats & {dogs} true\n")
    assert "a box" in done.stderr
    assert "a child's noise" in done.stderr


def test_an_empty_prompt_leaves_the_files_topic(framework: Path) -> None:
    assert drive(framework, "").stdout == "praisonai: the file's own topic true\n"


def test_the_result_and_the_progress_are_told(framework: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events")
    reader = os.open(tmp_path / "events", os.O_RDONLY | os.O_NONBLOCK)
    done = drive(
        framework,
        "x",
        PRAISONRUN_EVENTS=str(tmp_path / "events"),
        PRAISONRUN_RESULT_PATH=str(tmp_path / "result"),
    )
    events = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    os.close(reader)
    assert json.loads((tmp_path / "result").read_text()) == done.stdout.strip()
    assert [event.get("step") for event in events] == [
        "Starting praisonai",
        "A: Look at x",
        "B: Look at x",
        None,
        "Done",
    ]
    assert [event.get("percentage") for event in events] == [0, 50, 100, None, 100]
    assert events[3] == {"type": "usage", "usage": {"input_tokens": 20, "output_tokens": 12}}


CREWAI = """
from types import SimpleNamespace as Is
class Crew:
    def kickoff(self, fails=False):
        self.used = Is(prompt_tokens=30, completion_tokens=9)
        if fails: raise RuntimeError("the model is away")
        return "done"
    def calculate_usage_metrics(self): return self.used
"""
RUNS = """
class AgentsGenerator:
    def __init__(self, *_, **__): pass
    def generate_crew_and_kickoff(self):
        import crewai
        return "### Task Output ###\\n" + crewai.Crew().kickoff() + crewai.Crew().kickoff(fails={fails})
"""


@pytest.mark.parametrize("fails", [False, True])
def test_crewai_s_own_count_is_the_usage(framework: Path, tmp_path: Path, fails: bool) -> None:
    (framework / "crewai.py").write_text(CREWAI)
    (framework / "praisonai/agents_generator.py").write_text(RUNS.format(fails=fails))
    os.mkfifo(tmp_path / "events")
    reader = os.open(tmp_path / "events", os.O_RDONLY | os.O_NONBLOCK)
    environ = {"PYTHONPATH": str(framework), "PRAISONRUN_EVENTS": str(tmp_path / "events")}
    asked = [*command(framework)[:-1], "crewai"]
    done = subprocess.run(asked, input="x", capture_output=True, text=True, env=environ)
    events = [json.loads(line) for line in os.read(reader, 65536).splitlines()]
    os.close(reader)
    assert (done.returncode, done.stdout) == ((1, "") if fails else (0, "donedone\n")), done.stderr
    used = [event["usage"] for event in events if event["type"] == "usage"]
    assert used == [{"input_tokens": 60, "output_tokens": 18}]


@pytest.mark.parametrize(
    ("topic", "says"),
    [
        ("raise", "crew failed: RuntimeError: the model is away"),
        *(
            (topic, "crew failed: the framework gave no answer")
            for topic in ("nothing", "none", "banner", "raw")
        ),
        ("workflow", "crew failed: Workflow failed: no such step"),
    ],
)
def test_a_failure_is_exit_1_and_a_last_line_that_says_why(framework: Path, topic: str, says: str) -> None:
    done = drive(framework, topic)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith(says)


def test_a_missing_framework_is_named(framework: Path, tmp_path: Path) -> None:
    (tmp_path / "empty/praisonai").mkdir(parents=True)
    (tmp_path / "empty/praisonai/__init__.py").write_text("raise ImportError('no wheel')")
    (tmp_path / "empty/crew.yaml").write_text(CREW)
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path / "empty")}
    done = subprocess.run(command(framework), input="x", capture_output=True, text=True, env=environ)
    assert done.returncode == 1
    assert "cannot import praisonai.agents_generator" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("pip install praisonai")


def test_the_framework_finds_an_empty_stdin(framework: Path) -> None:
    assert drive(framework, "stdin").stdout == "stdin gave ''\n"


def test_sigterm_ends_it_at_once(framework: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(framework)}
    with subprocess.Popen(
        command(framework), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(b"wait")
        child.stdin.close()
        while child.stderr.readline() != b"waiting\n":
            pass
        child.terminate()
        assert child.wait(5) == -signal.SIGTERM


# The real framework.


def real_python() -> str:
    """Return an interpreter that has praisonai, or skip the test saying how to get one."""
    named = os.environ.get("PRAISONRUN_TEST_PRAISONAI")
    if named:
        return named
    if importlib.util.find_spec("praisonai") is None:
        pytest.skip(
            "praisonai is not installed here: pip install praisonai, or set PRAISONRUN_TEST_PRAISONAI to an"
            " interpreter that has it"
        )
    return sys.executable


@pytest.fixture
def model_server() -> Iterator[str]:
    """The fake model on a free port of loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "uvicorn", "--app-dir", str(TESTS / "rigs"), "fake_models:app"]
    with subprocess.Popen([*program, "--port", str(port), "--log-level", "error"]) as child:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/v1/models")
        yield url
        child.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url).close()
        except urllib.error.URLError:
            assert time.monotonic() < deadline, "the fake model did not start"
            time.sleep(0.05)
        else:
            return


@pytest.mark.agents
@pytest.mark.timeout(120)
def test_a_real_crew_gives_its_answer(tmp_path: Path, model_server: str) -> None:
    python = real_python()
    (tmp_path / "crew.yaml").write_text(f"python: {python}\n{CREW}")
    catalog = Catalog(None, [tmp_path], os.environ)
    agent = catalog.from_file("crew.yaml", "praisonai")
    catalog.crew_copy(agent, tmp_path / "crews")
    environ = child_env(
        agent,
        os.environ,
        {"OPENAI_BASE_URL": f"{model_server}/v1", "OPENAI_API_KEY": "none"},
        {"PRAISONRUN_RESULT_PATH": str(tmp_path / "result.json")},
    )
    asked = argv(
        agent, prompt="", run_id="r", session_id=None, port=None, environ=environ, crews=tmp_path / "crews"
    )
    done = subprocess.run(
        asked, input="cats & dogs", capture_output=True, text=True, env=environ, cwd=tmp_path
    )
    assert done.returncode == 0, textwrap.shorten(done.stderr, 3000)
    assert done.stdout == "Hello from the fake model .\n"
    assert json.loads((tmp_path / "result.json").read_text()) == "Hello from the fake model ."
    with urllib.request.urlopen(f"{model_server}/seen") as seen:
        messages = json.load(seen)
    assert len(messages) == 2
    assert all("cats & dogs" in message and "{topic}" not in message for message in messages)
