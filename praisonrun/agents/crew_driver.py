"""Runs one crew file under the interpreter that has its framework; stdout gets the answer and nothing else.

    python crew_driver.py FILE --framework praisonai < prompt

The prompt is the crew's topic. What the framework prints goes to stderr. Self-contained: it knows of
praisonrun only the variables PRAISONRUN_EVENTS and PRAISONRUN_RESULT_PATH, and works without them.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import re
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

QUIET = {
    "PRAISONAI_TELEMETRY_DISABLED": "true",
    "PRAISONAI_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "OTEL_SDK_DISABLED": "true",
    "EC_TELEMETRY": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "ANONYMIZED_TELEMETRY": "false",
    "NO_COLOR": "1",
    "TERM": "dumb",
}
"""What keeps frameworks from calling home and from drawing; the user's own values win."""
_BANNER = re.compile(r"\A### [\w .()-]* ?Output ###\n")


class CrewFailed(Exception):
    """The crew could not be run to its end; the message says why."""


def main() -> NoReturn:
    """Run the crew named on the command line, and end with its exit code."""
    parser = argparse.ArgumentParser(description="Run a crew file; the prompt comes on stdin.")
    parser.add_argument("file")
    parser.add_argument("--framework", default="praisonai")
    options = parser.parse_args()
    prompt = sys.stdin.buffer.read().decode("utf-8", "replace").strip()
    answer_to = _set_stdio_aside()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    tell = Teller(os.environ.get("PRAISONRUN_EVENTS"))
    tell.progress(0, 0, f"Starting {options.framework}")
    try:
        answer = run(options.file, options.framework, prompt, tell)
    except CrewFailed as error:
        _leave(f"crew failed: {error}")
    except Exception as error:
        traceback.print_exc()
        _leave(f"crew failed: {type(error).__name__}: {error}")
    tell.progress(tell.tasks, tell.tasks, "Done")
    _deliver(answer, answer_to)
    _leave()


def run(path: str, framework: str, topic: str, tell: Teller) -> str:
    """Return the crew's answer on the topic. Raises CrewFailed, or whatever the framework raises."""
    crew = _load(path, topic)
    tell.tasks = count_tasks(crew)
    generator, models = _imported("praisonai.agents_generator"), _imported("praisonai.llm.config")
    text = _imported("yaml").safe_dump(crew, allow_unicode=True, sort_keys=False)
    made = generator.AgentsGenerator(
        path, framework, models.build_config_list(), agent_yaml=text, task_callback=tell.task
    )
    if framework == "crewai":
        tell.count(_imported("crewai").Crew)
    try:
        return text_of(made.generate_crew_and_kickoff())
    finally:
        tell.usage()
        getattr(made, "close", lambda: None)()


def _load(path: str, topic: str) -> dict[str, Any]:
    """Return the crew with the prompt as its topic; an empty prompt leaves the file's own."""
    crew = _imported("yaml").safe_load(Path(path).read_text("utf-8"))
    if not isinstance(crew, dict):
        raise CrewFailed("the file is no mapping")
    if topic:
        crew.pop("input", None)
        crew.pop("topic", None)
        crew.update(input=topic, topic=topic)
    return crew


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise CrewFailed(
            f"{sys.executable} cannot import {module}: {error}; {sys.executable} -m pip install praisonai"
        ) from error


def count_tasks(crew: dict[str, Any]) -> int:
    """Return how many tasks a crew file lists; 0 when that is not to be seen."""
    tasks = [crew.get("tasks"), crew.get("steps")]
    for group in (crew.get("roles"), crew.get("agents")):
        members = list(group.values()) if isinstance(group, dict) else group or []
        tasks += [member.get("tasks") for member in members if isinstance(member, dict)]
    return sum(len(found) for found in tasks if isinstance(found, dict | list))


def text_of(result: Any) -> str:
    """Return the answer alone. Raises CrewFailed for what frameworks return in place of raising."""
    raw = result if isinstance(result, str) else getattr(result, "raw", result)
    text = _BANNER.sub("", "" if raw is None else str(raw)).strip()
    if not text:
        raise CrewFailed("the framework gave no answer; its messages stand above")
    if text.startswith("Workflow failed:"):
        raise CrewFailed(text)
    return text


class Teller:
    """Writes progress and usage to the events pipe; silent where there is none."""

    def __init__(self, path: str | None) -> None:
        self.tasks = 0
        self._done = 0
        self._tokens: dict[str, int] = {}
        self._pipe: int | None = None
        with suppress(OSError):
            if path:
                self._pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND | os.O_CLOEXEC)

    def progress(self, done: int, total: int, step: str) -> None:
        """Tell how many tasks are done."""
        share = round(100 * done / total, 1) if total else 0.0
        counts = {"steps_completed": done, "steps_total": total} if total else {}
        self._write({"type": "progress", "percentage": share, "step": step[:200], **counts})

    def task(self, output: Any, *_: Any, **__: Any) -> None:
        """Take a task's end: the framework's task_callback."""
        self._done += 1
        metrics = getattr(output, "token_metrics", None)
        for name in ("input_tokens", "output_tokens"):
            count = getattr(metrics, name, None)
            if isinstance(count, int):
                self._tokens[name] = self._tokens.get(name, 0) + count
        said = " ".join(str(getattr(output, "description", "") or "a task").split())
        agent = getattr(output, "agent", None)
        self.progress(self._done, max(self.tasks, self._done), f"{agent}: {said}" if agent else said)

    def count(self, crews: Any) -> None:
        """Have a class of crews tell what each of them used, also one that fails: its tasks do not."""
        kickoff = crews.kickoff

        def counted(crew: Any, *args: Any, **named: Any) -> Any:
            try:
                return kickoff(crew, *args, **named)
            finally:
                with suppress(Exception):  # another version has none
                    used = crew.calculate_usage_metrics()
                    for name, count in (
                        ("input_tokens", used.prompt_tokens),
                        ("output_tokens", used.completion_tokens),
                    ):
                        if count:
                            self._tokens[name] = self._tokens.get(name, 0) + count

        crews.kickoff = counted

    def usage(self) -> None:
        """Tell the tokens of all tasks together."""
        if self._tokens:
            self._write({"type": "usage", "usage": self._tokens})

    def _write(self, event: dict[str, Any]) -> None:
        with suppress(OSError):  # nobody reads, or not fast enough
            if self._pipe is not None:
                os.write(self._pipe, json.dumps(event).encode() + b"\n")


def _set_stdio_aside() -> int:
    """Return the real stdout; from now on descriptor 1 is stderr, and stdin is empty."""
    answer_to = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    return answer_to


def _deliver(answer: str, answer_to: int) -> None:
    with os.fdopen(answer_to, "w", encoding="utf-8", errors="replace") as stdout:
        stdout.write(answer + "\n")
    if path := os.environ.get("PRAISONRUN_RESULT_PATH"):
        Path(path).write_text(json.dumps(answer), "utf-8")


def _leave(complaint: str = "") -> NoReturn:
    """End at once: frameworks leave threads behind that would hold the process."""
    sys.stdout.flush()
    if complaint:
        print(complaint, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1 if complaint else 0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
