"""Scorecard 30: what our OpenAPI document allows and forbids, tried for minutes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..rigs.openapi_rig import AGENTS, tried
from .world import World, seed

SECONDS = int(os.environ.get("PRAISONRUN_CASES") or 170)

pytestmark = [pytest.mark.proof, pytest.mark.scorecard(30), pytest.mark.timeout(SECONDS + 120)]


def test_the_server_does_what_its_document_says(tmp_path: Path, figure: Callable[[str], None]) -> None:
    chosen = seed()
    with World(tmp_path, "--concurrency", "16") as world:
        world.agents.write_text(AGENTS)
        world.start()
        came = tried(world, tmp_path, f"--max-time={SECONDS}", f"--seed={chosen}")
        assert came.code == 0, came.said
        assert world.integrity() == "ok"
        world.stop()
        assert "Traceback" not in "".join(world.said)
    figure(f"schemathesis, {SECONDS} s, seed {chosen}: {came.cases} cases, 0 server errors, 0 violations")
