"""What tests of streams share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from praisonrun.engine.engine import Engine

from ...engine.test_engine import until_printed
from ...rigs.harness import submit


@pytest.fixture
async def held(engine: Engine, tmp_path: Path) -> AsyncIterator[str]:
    """A run that has printed `up` and goes on."""
    run_id = await submit(engine, "until", str(tmp_path / "gate"))
    await until_printed(engine, run_id, "up")
    yield run_id
    (tmp_path / "gate").touch()
    await engine.until_final(run_id)
