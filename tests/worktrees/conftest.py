"""A repository, an engine whose agent is a shell script that a prompt brings, and a run in a worktree."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from praisonrun.core.model import Snapshot
from praisonrun.engine.engine import Engine

from ..rigs import repositories
from ..rigs.harness import Engines, engine_in, ran

AGENTS = """
agents:
  sh:    {command: [/bin/sh], cwd: caller, worktree: true}
  again: {command: [/bin/sh], cwd: caller, worktree: true, retries: 1, backoff: 0.01}
  later: {command: [/bin/sh], cwd: caller, worktree: true, retries: 1, backoff: 300}
  left:  {command: [/bin/sh], cwd: caller, worktree: true, outputs: [ignored]}
  plain: {command: [/bin/sh], cwd: caller}
"""
Ran: TypeAlias = Callable[..., Awaitable[Snapshot]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repositories.make(tmp_path_factory.mktemp("template") / "repo")


@pytest.fixture
def repo(tmp_path: Path, template: Path) -> Path:
    """A repository of the user's, with one commit."""
    shutil.copytree(template, tmp_path / "repo", symlinks=True)
    repositories.git(
        tmp_path / "repo", "update-index", "--refresh"
    )  # its files are others than the copied ones
    return (tmp_path / "repo").resolve()


@pytest.fixture
def scripted(tmp_path: Path) -> Path:
    """The agents file of these tests."""
    (tmp_path / "scripts.yaml").write_text(AGENTS)
    return tmp_path / "scripts.yaml"


@pytest.fixture
def engines(tmp_path: Path, scripted: Path) -> Engines:
    return lambda **settings: engine_in(tmp_path / "state", scripted, cwd_root=(tmp_path,), **settings)


@pytest.fixture
async def engine(engines: Engines) -> AsyncIterator[Engine]:
    async with engines() as made:
        yield made


@pytest.fixture
def run(engine: Engine, repo: Path) -> Ran:
    """Run a script in a worktree of the repository."""

    def run(script: str, agent: str = "sh", **more: Any) -> Awaitable[Snapshot]:
        return ran(engine, agent, script, **{"cwd": str(repo), **more})

    return run
