"""How real agents end: what they say of it, what their exit codes say, and which of the two is true."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from praisonrun.core.model import Failure, Status
from praisonrun.engine.engine import Engine

from ..rigs.harness import engine_in, ran
from ..rigs.streams import cases

ANSWER = "Hello from the fake model, prior assistant turns 1."
AUTH = "Authentication failed with provider at http://127.0.0.1:9999/v1 (HTTP 401)…"
BIG = 3_000_000
MANY_X = f"head -c {BIG} /dev/zero | tr '\\0' x"
PLAIN = {"prompt": "none", "files": False}


def written(place: Path, name: str, case: str, ends: str = "exit 0") -> dict[str, object]:
    """Return an entry whose agent says what a real one said in a case, and ends in some way."""
    file = place / f"{name}-{case}"
    file.write_bytes(b"".join(next(lines for each, lines in cases(name) if each.startswith(case))))
    return {"command": ["sh", "-c", f"cat {file}; {ends}"], **PLAIN, "format": name}


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    file, write = tmp_path / "agents.yaml", partial(written, tmp_path)
    large = f'printf \'{{"type":"result","is_error":false,"result":"\'; {MANY_X}; echo \'"}}\''
    agents = {
        "claude": write("claude", "success", "exit 1"),
        "claude401": write("claude", "401"),
        "codex": write("codex", "success"),
        "codex1": write("codex", "success", "exit 1"),
        "copilot401": write("copilot", "401", "exit 1"),
        "copilot": write("copilot", "success"),
        "killed": write("copilot", "success", "kill -15 $$"),
        "pi401": write("pi", "401"),
        "cn401": write("cn", "401", "echo bad key >&2"),
        "large": {"command": ["sh", "-c", large], **PLAIN, "format": "claude"},
    }
    file.write_text(json.dumps({"agents": agents}))
    async with engine_in(tmp_path / "state", file) as made:
        yield made


async def test_an_agent_s_word_and_its_exit_code(engine: Engine) -> None:
    expected = {
        "claude": (Status.SUCCEEDED, None, None, ANSWER),
        "claude401": (Status.FAILED, Failure.AGENT_ERROR, "Invalid API key · Fix external API key", None),
        "codex": (Status.SUCCEEDED, None, None, ANSWER.replace("1", "0")),
        "codex1": (Status.FAILED, Failure.EXIT_NONZERO, "exited with code 1", ANSWER.replace("1", "0")),
        "copilot401": (
            Status.FAILED,
            Failure.AGENT_ERROR,
            f"ended with exit code 1; it last said: {AUTH}",
            None,
        ),
        "copilot": (Status.SUCCEEDED, None, None, ANSWER),
        "killed": (Status.FAILED, Failure.EXIT_NONZERO, "killed by signal 15", ANSWER),
        "pi401": (Status.FAILED, Failure.AGENT_ERROR, "401 Incorrect API key provided: bad.", None),
        "cn401": (Status.FAILED, Failure.NO_RESULT, "ended without a result event (no result)", None),
        "large": (Status.SUCCEEDED, None, None, "x" * BIG),
    }
    found = {}
    for agent in expected:
        run = (await ran(engine, agent)).run
        found[agent] = run.status, run.failure, run.error, (await engine.journals.result(run)).value
        assert run.error_tail == ("bad key" if agent == "cn401" else None)
    assert found == expected


async def test_what_it_used_is_shown(engine: Engine) -> None:
    shown = await ran(engine, "claude")
    assert shown.usage == {
        "input_tokens": 5446,
        "output_tokens": 26,
        "cached_input_tokens": 0,
        "cache_write_tokens": 0,
        "cost_usd": 0.022304,
    }
