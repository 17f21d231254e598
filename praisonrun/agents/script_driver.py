"""Runs an agent that a Python file makes, under the interpreter that has its framework; prints JSON lines.

    python script_driver.py FRAMEWORK FILE[:NAME] < prompt

The file has an agent, a graph, a crew or a team under a usual name, or a function `run(prompt)`. What it and
the framework print goes to stderr. A framework that returns its error in place of raising it has failed, and
so has one that returns nothing. Self-contained: it knows nothing of praisonrun.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import io
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

QUIET = {
    "DO_NOT_TRACK": "true",
    "OTEL_SDK_DISABLED": "true",
    "AGNO_TELEMETRY": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "PRAISONAI_TELEMETRY_DISABLED": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "ANONYMIZED_TELEMETRY": "false",
}
"""What keeps frameworks from calling home; the user's own values win."""
NAMES = ("agent", "root_agent", "graph", "app", "crew", "team", "workflow", "agents", "run", "main")
"""What a file may call its agent, in this order."""
Tell = Callable[..., None]


class AgentFailed(Exception):
    """The agent could not be run to its end; the message says why."""


class Errors(logging.Handler):
    """The errors that a framework only logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage())

    def listen(self) -> None:
        """Hear all loggers that exist by now, also those that pass nothing on."""
        known = logging.root.manager.loggerDict.values()
        own = [one for one in known if isinstance(one, logging.Logger) and not one.propagate]
        for logger in [logging.root, *own]:
            logger.addHandler(self)


def main() -> NoReturn:
    """Run the agent named on the command line, and end with its exit code."""
    if len(sys.argv) != 3 or sys.argv[1] not in RUNNERS:
        sys.exit(f"usage: script_driver.py {{{','.join(RUNNERS)}}} FILE[:NAME]")
    framework, script = sys.argv[1:]
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace")
    stdout = _set_stdout_aside()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)

    def tell(kind: str, **fields: Any) -> None:
        stdout.write(json.dumps({"type": kind, **fields}, default=str) + "\n")
        stdout.flush()

    errors = Errors()
    try:
        agent = found(script)
        errors.listen()
        answer = text_of(called(framework, agent, prompt, tell), errors.found)
    except AgentFailed as error:
        _leave(tell, str(error))
    except ModuleNotFoundError as error:
        _leave(
            tell,
            f"{sys.executable} has no module {error.name}; install {framework} there, or name its `python`",
        )
    except BaseException as error:
        traceback.print_exc()
        _leave(tell, f"{type(error).__name__}: {error}")
    tell("result", result=answer, is_error=False)
    _leave(tell)


def found(script: str) -> Any:
    """Return what a file calls its agent. Raises AgentFailed, or whatever the file raises."""
    path, _, name = (
        script.rpartition(":") if ":" in script and not Path(script).exists() else (script, "", "")
    )
    if not Path(path).is_file():
        raise AgentFailed(f"there is no file {path}")
    sys.path.insert(0, str(Path(path).resolve().parent))
    names = runpy.run_path(path, run_name="__praisonrun__")
    for one in [name] if name else NAMES:
        if one in names:
            return names[one]
    raise AgentFailed(f"{path} has no {name or ', '.join(NAMES[:-1]) + ' or ' + NAMES[-1]}")


def called(framework: str, agent: Any, prompt: str, tell: Tell) -> Any:
    """Return what an agent answers; a function is just called with the prompt."""
    plain = inspect.isroutine(agent)
    answer = agent(prompt) if plain else RUNNERS[framework](agent, prompt, tell)
    return asyncio.run(awaited(answer)) if inspect.isawaitable(answer) else answer


async def awaited(answer: Any) -> Any:
    """Wait for an answer."""
    return await answer


def text_of(answer: Any, errors: list[str]) -> Any:
    """Return an answer as JSON or text. Raises AgentFailed for none, and for an error in its place."""
    for _ in range(3):  # an object around the answer, as frameworks return it
        for name in ("final_output", "output", "raw", "content"):
            if not isinstance(answer, str | dict | list) and hasattr(answer, name):
                answer = getattr(answer, name)
                break
    last = errors[-1] if errors else ""
    if answer is None or (isinstance(answer, str) and not answer.strip()):
        raise AgentFailed(last or "the agent gave no answer")
    if isinstance(answer, str) and any(
        answer.strip() in error or error in answer for error in errors if error
    ):
        raise AgentFailed(last)
    return answer if isinstance(answer, str | int | float | bool | dict | list) else str(answer)


def usage(tell: Tell, given: Any, taken: str = "input_tokens", made: str = "output_tokens") -> None:
    """Tell the tokens that an object or mapping has under two names."""
    value = given if isinstance(given, dict) else {name: getattr(given, name, None) for name in (taken, made)}
    counts = {"input_tokens": value.get(taken), "output_tokens": value.get(made)}
    known = {name: count for name, count in counts.items() if isinstance(count, int)}
    if any(known.values()):
        tell("usage", usage=known)


async def _openai_agents(agent: Any, prompt: str, tell: Tell) -> Any:
    run = importlib.import_module("agents").Runner.run_streamed(agent, prompt)
    async for event in run.stream_events():
        data: Any = getattr(event, "data", None)
        item: Any = getattr(event, "item", None)
        if getattr(data, "type", "") == "response.output_text.delta":
            tell("delta", text=data.delta)
        elif event.type == "run_item_stream_event" and event.name == "tool_called":
            raw = item.raw_item
            tell("tool_call", name=raw.name, id=raw.call_id, input=raw.arguments)
        elif event.type == "run_item_stream_event" and event.name == "tool_output":
            tell("tool_call", id=item.raw_item["call_id"], output=str(item.output), status="completed")
    usage(tell, run.context_wrapper.usage)
    return run.final_output


def _langgraph(graph: Any, prompt: str, tell: Tell) -> Any:
    state, taken, made = {}, 0, 0
    asked = {"messages": [{"role": "user", "content": prompt}]}
    for mode, part in graph.stream(asked, stream_mode=["messages", "values"]):
        if mode == "values":
            state = part
        elif type(part[0]).__name__ == "AIMessageChunk" and (text := _words(part[0].content)):
            tell("delta", text=text)
    messages = state.get("messages") or [None]
    for message in messages:
        counts = getattr(message, "usage_metadata", None) or {}
        taken, made = taken + counts.get("input_tokens", 0), made + counts.get("output_tokens", 0)
    usage(tell, {"input_tokens": taken, "output_tokens": made})
    return _words(getattr(messages[-1], "content", None))


def _words(content: Any) -> Any:
    """Return the text of a message's content, which may be a list of blocks."""
    if not isinstance(content, list):
        return content
    return "".join(block if isinstance(block, str) else block.get("text", "") for block in content)


def _smolagents(agent: Any, prompt: str, tell: Tell) -> Any:
    run = agent.run(prompt, return_full_result=True)
    usage(tell, run.token_usage)
    if run.state != "success":
        raise AgentFailed(f"the agent ended with {run.state}: {run.output}")
    return run.output


def _crewai(crew: Any, prompt: str, tell: Tell) -> Any:
    many = hasattr(crew, "tasks")
    output = crew.kickoff(inputs={"topic": prompt, "prompt": prompt}) if many else crew.kickoff(prompt)
    usage(tell, getattr(output, "token_usage", None), "prompt_tokens", "completion_tokens")
    return output.raw


async def _autogen(team: Any, prompt: str, tell: Tell) -> Any:
    result, taken, made = None, 0, 0
    async for event in team.run_stream(task=prompt):
        counts = getattr(event, "models_usage", None)
        taken += getattr(counts, "prompt_tokens", 0)
        made += getattr(counts, "completion_tokens", 0)
        if type(event).__name__ == "ModelClientStreamingChunkEvent":
            tell("delta", text=event.content)
        elif type(event).__name__ == "TaskResult":
            result = event
    usage(tell, {"input_tokens": taken, "output_tokens": made})
    said = [message for message in result.messages if message.source != "user"] if result else []
    return said[-1].content if said else None


def _agno(agent: Any, prompt: str, tell: Tell) -> Any:
    run = agent.run(prompt)
    usage(tell, getattr(run, "metrics", None))
    if str(getattr(run.status, "value", run.status)).lower() not in ("completed", "running"):
        raise AgentFailed(str(run.content or run.status))
    return run.content


def _strands(agent: Any, prompt: str, tell: Tell) -> Any:
    result = agent(prompt)
    usage(tell, result.metrics.accumulated_usage, "inputTokens", "outputTokens")
    return str(result)


async def _adk(agent: Any, prompt: str, tell: Tell) -> Any:
    runner = importlib.import_module("google.adk.runners").InMemoryRunner(agent=agent, app_name="praisonrun")
    types = importlib.import_module("google.genai.types")
    session = await runner.session_service.create_session(app_name="praisonrun", user_id="user")
    asked = types.Content(role="user", parts=[types.Part(text=prompt)])
    answer, taken, made = None, 0, 0
    async for event in runner.run_async(user_id="user", session_id=session.id, new_message=asked):
        if getattr(event, "error_code", None):
            raise AgentFailed(f"{event.error_code}: {event.error_message}")
        if counts := event.usage_metadata:  # of one call of the model
            taken += counts.prompt_token_count or 0
            made += counts.candidates_token_count or 0
            usage(tell, {"input_tokens": taken, "output_tokens": made})
        for part in (event.content.parts if event.content else None) or ():
            if part.function_call:
                tell(
                    "tool_call",
                    name=part.function_call.name,
                    id=part.function_call.id,
                    input=part.function_call.args,
                )
        if event.is_final_response() and event.content:
            answer = "".join(part.text or "" for part in event.content.parts or ())
    return answer


def _praisonaiagents(agent: Any, prompt: str, tell: Tell) -> Any:
    del tell
    return agent.start(prompt)


RUNNERS: dict[str, Callable[[Any, str, Tell], Any]] = {
    "openai-agents": _openai_agents,
    "langgraph": _langgraph,
    "smolagents": _smolagents,
    "crewai": _crewai,
    "autogen": _autogen,
    "agno": _agno,
    "strands": _strands,
    "adk": _adk,
    "praisonaiagents": _praisonaiagents,
}


def _set_stdout_aside() -> io.TextIOWrapper:
    """Return the real stdout; from now on descriptor 1 is stderr."""
    real = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return real


def _leave(tell: Tell, error: str = "") -> NoReturn:
    """End at once: frameworks leave threads behind that would hold the process."""
    if error:
        tell("result", error=error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1 if error else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
