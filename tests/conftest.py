"""Fixtures: asyncio for async tests, an engine in this process, a real server in another."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from praisonrun.engine.engine import Engine
from praisonrun.store import Store

from .rigs import npm, veryfront_rig
from .rigs.harness import AGENTS, Server, engine_in
from .rigs.wire_rig import Api, house

pytest_plugins = ("tests.rigs.scorecard",)


def pytest_collection() -> None:
    """What is collected stays until the end: looking for garbage in it costs seconds in each process."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store in a state directory of its own."""
    async with Store.open(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    """The agents that tests run; see harness.AGENTS."""
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest.fixture
def engines(tmp_path: Path, agents_file: Path) -> Callable[..., AbstractAsyncContextManager[Engine]]:
    """Make engines over one state directory, one after the other, as a restart would."""

    @asynccontextmanager
    async def make(**settings: object) -> AsyncIterator[Engine]:
        async with engine_in(tmp_path / "state", agents_file, **settings) as engine:
            yield engine

    return make


@pytest.fixture
async def engine(engines: Callable[..., AbstractAsyncContextManager[Engine]]) -> AsyncIterator[Engine]:
    async with engines() as made:
        yield made


@pytest.fixture
def unstarted(tmp_path: Path, agents_file: Path) -> Iterator[Server]:
    """A real server to start as the test likes, killed with everything it runs at the end."""
    with Server(tmp_path, agents_file) as made:
        yield made


@pytest.fixture
def server(unstarted: Server) -> Server:
    """A real server on a free port."""
    unstarted.start()
    return unstarted


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests that only talk to it."""
    yield from house(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="session")
def api(shared: Server) -> Iterator[Api]:
    """A client of the shared server that checks every answer against the table of operations."""
    with Api(shared.url) as client:
        yield client


@pytest.fixture(scope="session")
def canonical(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One real server for all tests of the canonical dialect that only talk to it."""
    yield from house(tmp_path_factory.mktemp("canonical"), veryfront_rig.AGENTS)


@pytest.fixture
def canon(canonical: Server) -> Iterator[Api]:
    """A client of that server that checks every answer against the table of operations."""
    with Api(canonical.url) as client:
        yield client


@pytest.fixture(scope="session")
def node_modules(request: pytest.FixtureRequest) -> Path:
    """The packages of npm that tests use."""
    assert request.config.cache is not None
    return npm.packages(request.config.cache)
