"""The driver of scripts: JSON lines on stdout and nothing else, and no error that is taken for an answer."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from praisonrun.agents import recipes
from praisonrun.agents.crew import SCRIPT_DRIVER
from praisonrun.agents.script_driver import RUNNERS

from ..rigs.harness import Engines, submit

pytestmark = pytest.mark.anyio
COMMON = """
import asyncio, logging, os, sys
from types import SimpleNamespace as Is
def tokens(taken, made): return {"input_tokens": taken, "output_tokens": made}
"""
AGENTS = {
    "openai-agents": """
        class Run:
            final_output, context_wrapper = "done", Is(usage=Is(**tokens(3, 4)))
            async def stream_events(self):
                yield Is(type="raw_response_event", data=Is(type="response.output_text.delta", delta="do"))
                call = Is(name="sh", call_id="c", arguments="{}")
                yield Is(type="run_item_stream_event", name="tool_called", item=Is(raw_item=call))
                out = Is(raw_item={"call_id": "c"}, output=5)
                yield Is(type="run_item_stream_event", name="tool_output", item=out)
        sys.modules["agents"] = Is(Runner=Is(run_streamed=lambda agent, prompt: Run()))
        agent = object()
    """,
    "langgraph": """
        class AIMessageChunk: content = [{"type": "text", "text": "do"}]
        class Graph:
            def stream(self, asked, stream_mode):
                yield "messages", (AIMessageChunk(), {})
                last = Is(content=asked["messages"][0]["content"].upper(), usage_metadata=tokens(3, 4))
                yield "values", {"messages": [Is(content="x"), last]}
        graph = Graph()
    """,
    "smolagents": """
        run = Is(output="done", state="success", token_usage=Is(**tokens(3, 4)))
        agent = Is(run=lambda prompt, return_full_result: run)
    """,
    "crewai": """
        used = Is(prompt_tokens=3, completion_tokens=4)
        crew = Is(tasks=[], kickoff=lambda inputs: Is(raw=inputs["topic"].upper(), token_usage=used))
    """,
    "autogen": """
        class ModelClientStreamingChunkEvent: content = "do"
        class TaskResult: messages = [Is(source="user", content="hi"), Is(source="a", content="done")]
        class Team:
            async def run_stream(self, task):
                yield ModelClientStreamingChunkEvent()
                yield Is(models_usage=Is(prompt_tokens=3, completion_tokens=4))
                yield TaskResult()
        team = Team()
    """,
    "agno": """
        agent = Is(run=lambda prompt: Is(status="COMPLETED", content="done", metrics=Is(**tokens(3, 4))))
    """,
    "strands": """
        class Result:
            metrics = Is(accumulated_usage={"inputTokens": 3, "outputTokens": 4})
            def __str__(self): return "done"
        class Agent:
            def __call__(self, prompt): return Result()
        agent = Agent()
    """,
    "adk": """
        class Event:
            error_code, content = None, None
            def __init__(self, taken, made, *parts, last=False):
                self.usage_metadata = Is(prompt_token_count=taken, candidates_token_count=made)
                self.content, self.is_final_response = Is(parts=parts), lambda: last
        class Runner:
            async def create_session(self, **_): return Is(id="s")
            session_service = property(lambda self: self)
            async def run_async(self, **_):
                yield Event(1, None, Is(function_call=Is(name="sh", id="c", args={}), text=None))
                yield Event(2, 4, Is(function_call=None, text="done"), last=True)
        sys.modules["google.adk.runners"] = Is(InMemoryRunner=lambda agent, app_name: Runner())
        sys.modules["google.genai.types"] = Is(Content=Is, Part=Is)
        root_agent = object()
    """,
    "praisonaiagents": "agent = Is(start=lambda prompt: 'done')",
}
"""An agent of each framework, of our own making."""
STREAMED = ("openai-agents", "langgraph", "autogen")
FAILING = {
    "agno": ["agent = Is(run=lambda p: Is(status='ERROR', content='no key', metrics=None))"],
    "smolagents": [
        "run = Is(output='x', state='max_steps_error', token_usage=None)\nagent = Is(run=lambda p, **_: run)"
    ],
    "praisonaiagents": [
        "log = logging.getLogger('p'); log.propagate = 0\nagent = Is(start=lambda p: log.error('no key'))",
        "def start(prompt):\n    logging.error('failed: no key'); return 'no key'\nagent = Is(start=start)",
        "def run(prompt): raise ValueError('no key')",
        "def run(prompt): sys.exit('no key')",
        "agent = Is(start=lambda prompt: '  ')",
        "import nothing_of_this_name",
        "other = 1",
    ],
}  # fmt: skip


def ran(place: Path, framework: str, source: str, name: str = "") -> tuple[int, list[Any], str]:
    script = place / "mine.py"
    script.write_text(COMMON + textwrap.dedent(source))
    done = subprocess.run(
        [sys.executable, "-S", str(SCRIPT_DRIVER), framework, f"{script}{name}"],
        input="hi",
        capture_output=True,
        text=True,
        timeout=50,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_every_framework_has_a_recipe() -> None:
    scripted = {name for name in recipes.names() if recipes.builtin(name).scripted}
    assert scripted == RUNNERS.keys()
    assert scripted == AGENTS.keys()


@pytest.mark.parametrize("framework", AGENTS)
def test_an_agent_s_answer_tokens_and_pieces(framework: str, tmp_path: Path) -> None:
    code, lines, _ = ran(
        tmp_path,
        framework,
        "print('noise', flush=True); os.system('echo more')\n" + textwrap.dedent(AGENTS[framework]),
    )
    *told, last = lines
    answer = "HI" if framework in ("langgraph", "crewai") else "done"
    assert (code, last) == (0, {"type": "result", "result": answer, "is_error": False})
    by_kind = {line["type"]: line for line in told}
    if framework != "praisonaiagents":
        assert by_kind.pop("usage")["usage"] == {"input_tokens": 3, "output_tokens": 4}
    if framework in STREAMED:
        assert by_kind.pop("delta")["text"] == "do"
    calls = [line for line in told if line["type"] == "tool_call"]
    assert [call["id"] for call in calls] == ["c"] * {"openai-agents": 2, "adk": 1}.get(framework, 0)


@pytest.mark.parametrize(("framework", "source"), [(name, one) for name in FAILING for one in FAILING[name]])
def test_an_error_is_never_an_answer(framework: str, source: str, tmp_path: Path) -> None:
    code, lines, _ = ran(tmp_path, framework, source)
    assert code == 1
    assert lines[-1]["type"] == "result"
    said = ("no key", "gave no answer", "has no module", "max_steps_error", "mine.py has no agent")
    assert any(words in lines[-1]["error"] for words in said), lines


def test_a_function_will_do_and_what_it_gives_may_be_json(tmp_path: Path) -> None:
    code, lines, err = ran(
        tmp_path, "agno", "async def ask(prompt):\n    print('noise'); return {'asked': prompt}", ":ask"
    )
    assert (code, lines) == (0, [{"type": "result", "result": {"asked": "hi"}, "is_error": False}])
    assert "noise" in err
    assert ran(tmp_path, "agno", "", ":ask")[1][0]["error"].endswith("mine.py has no ask")


async def test_a_script_is_run_by_its_recipe(engines: Engines, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(COMMON + textwrap.dedent(AGENTS["crewai"]))
    entries = "{a: {use: crewai, script: mine.py}, b: {use: agno, script: no.py}}"
    (tmp_path / "agents.yaml").write_text(f"python: {sys.executable}\nagents: {entries}")
    async with engines() as engine:
        shown = await engine.until_final(await submit(engine, "a", "tea"))
        assert (await engine.journals.result(shown.run)).value == "TEA"
        assert shown.usage == {"input_tokens": 3, "output_tokens": 4}
        failed = (await engine.until_final(await submit(engine, "b"))).run
        assert (failed.failure, failed.exit_code) == ("agent_error", 1)
        assert failed.error == f"there is no file {tmp_path}/no.py"
