"""One server and one client for all tests of the dialect that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ...rigs.harness import Server
from ...rigs.nullspace_rig import AGENTS, Client
from ...rigs.wire_rig import house


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from house(tmp_path_factory.mktemp("nullspace"), AGENTS)


@pytest.fixture
def client(home: Server) -> Iterator[Client]:
    with Client(home.url) as made:
        yield made
