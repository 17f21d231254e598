"""Commands that talk to the shared server, run in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..rigs.harness import Server, code_of

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(shared: Server, capfdbinary: pytest.CaptureFixture[bytes]) -> Command:
    """Run a command; return its exit code, its standard output and its standard error."""

    def run(*words: str) -> tuple[int, str, str]:
        code = code_of(*words, "--state", str(shared.state))
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8", "surrogateescape"), err.decode()

    return run
