"""Commands that talk to the shared server, run in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from praisonrun import cli

from ..rigs.harness import Server, no_server

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(shared: Server, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Run a command; return its exit code, its standard output and its standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = cli.main(no_server, [*words, "--state", str(shared.state)])
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8", "surrogateescape"), err.decode()

    return run
