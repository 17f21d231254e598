"""From a run and its agent to the spec that a shim executes. A pure mapping: no processes here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..agents import argv, child_env, install_argv
from ..agents.launch import STRING_LIMIT
from ..core.agent import Agent
from ..core.conversation import Opening
from ..core.lifecycle import may_keep_scratch
from ..core.model import Json, Run
from ..files.answers import ANSWERS
from ..files.run_files import RunFiles
from ..journal.format import START
from ..journal.formats import FORMATS
from .ends import Mark
from .sweep import MARK

OUTPUT_CAP = 64 * 1024 * 1024
"""Bytes of stdout and stderr that one run keeps."""
EVENT_CAP = 8 * 1024 * 1024
"""Bytes of events that one run keeps."""
RESULT_CAP = 8 * 1024 * 1024
"""Bytes that an agent may leave at PRAISONRUN_RESULT_PATH."""
INSTALL_TIMEOUT = 3600.0
"""Seconds that an install command may take; the run's own timeout begins after it."""


def spec(
    run: Run,
    mark: Mark,
    agent: Agent,
    files: RunFiles,
    environ: Mapping[str, str],
    given: Mapping[str, str],
    journal_size: int,
    install: bool,
    opening: Opening,
) -> dict[str, Json]:
    """Return what the shim needs to run this attempt; `given` are the envs of the submit.

    `mark` is what its processes are known by, `install` says whether the agent's install command comes first,
    `opening` which conversation of its own the agent continues.

    Raises errors.Invalid when the program is missing or the prompt does not fit an argument.
    """
    folder = str(files.folder(run.id)) if agent.files else None
    places = files.scratch_places(mark.store, run.id) if folder else []
    scratch = places[0] if places else f"{folder}/scratch"
    defaults = {"PYTHONUNBUFFERED": "1", **({"TMPDIR": scratch} if folder else {})}
    return {
        "run_id": run.id,
        "attempt": run.attempt,
        "mark": str(mark),
        "argv": argv(
            agent,
            prompt=run.prompt,
            run_id=run.id,
            session_id=run.session_id,
            port=run.port,
            environ=environ,
            crews=crew_files(files),
            opening=opening,
        ),
        "anew": opening.anew,
        "install": install_argv(agent, environ) if install else [],
        "install_timeout": INSTALL_TIMEOUT,
        "env": child_env(agent, environ, given, {MARK: str(mark), **_ours(run, folder, scratch)}, defaults),
        "cwd": run.cwd or agent.cwd,
        "stdin": "none" if agent.prompt == "none" else "prompt",
        "prompt": run.prompt if agent.prompt == "stdin" else "",
        "input": run.input or json.dumps({"prompt": run.prompt}),
        "folder": folder,
        "scratch": places,
        "keep_scratch": may_keep_scratch(run, agent),
        "timeout": run.timeout,
        "idle_timeout": agent.idle_timeout,
        "waiting": agent.truth.waiting,
        "grace": agent.grace,
        "cap": max(OUTPUT_CAP - (journal_size - START), OUTPUT_CAP // 64),
        "event_cap": EVENT_CAP,
        "result_cap": RESULT_CAP,
        "partial": not FORMATS[agent.format].structured,
        "bell": files.bell.path,
    }


def crew_files(files: RunFiles) -> Path:
    """Return the directory that keeps the crews that runs were submitted with, and their driver."""
    return files.root / "crews"


def _ours(run: Run, folder: str | None, scratch: str) -> dict[str, str]:
    names = {
        "PRAISONRUN_RUN_ID": run.id,
        "PRAISONRUN_ATTEMPT": str(run.attempt),
    }
    if run.port is not None:
        names["PORT"] = str(run.port)
    if run.input_env and run.input and len(run.input_env) + len(run.input.encode()) + 1 <= STRING_LIMIT:
        names[run.input_env] = run.input
    if run.session_id is not None:
        names["PRAISONRUN_SESSION_ID"] = run.session_id
    if folder is not None:
        names |= {
            "PRAISONRUN_INPUT_PATH": f"{folder}/input.json",
            "PRAISONRUN_RESULT_PATH": f"{folder}/result.json",
            "PRAISONRUN_EVENTS": f"{folder}/events",
            "PRAISONRUN_ANSWERS": f"{folder}/{ANSWERS}",
            "PRAISONRUN_ARTIFACTS": f"{folder}/artifacts",
            "PRAISONRUN_SCRATCH": scratch,
        }
        if run.result_env is not None:
            names[run.result_env] = names["PRAISONRUN_RESULT_PATH"]
    return names
