"""Install commands that are the same take turns, whatever entry they are of."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from praisonrun.core.model import Status
from praisonrun.engine.engine import Engine

from ..rigs.harness import submit

INSTALL = "mkdir {0}/alone || exit 3; echo x >> {0}/told; read go < {0}/gate; rmdir {0}/alone"
"""Fails beside another of its kind; each waits for a word at the gate."""
AGENTS = """
agents:
  one: {{command: [/bin/true], prompt: none, install: [/bin/sh, -c, "{0}"]}}
  two: {{command: [/bin/true], prompt: none, install: [/bin/sh, -c, "{0}"], description: the same}}
"""


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "gate")
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS.format(INSTALL.format(tmp_path)))
    return file


@pytest.mark.anyio
async def test_two_entries_that_make_the_same_thing_make_it_one_after_the_other(
    engine: Engine, tmp_path: Path
) -> None:
    runs = [await submit(engine, agent) for agent in ("one", "two")]
    await asyncio.to_thread((tmp_path / "gate").write_text, "go\n")
    kept = os.open(tmp_path / "gate", os.O_RDWR)  # the second's word stays, though the first leaves the gate
    os.write(kept, b"go\n")
    ended = [(await engine.until_final(run_id)).run for run_id in runs]
    os.close(kept)
    assert [(run.status, run.error) for run in ended] == [(Status.SUCCEEDED, None)] * 2
    assert (tmp_path / "told").read_text() == "x\nx\n"
