"""The command line: flags and help here; what a command does is imported when it is called."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

import typer

from ..errors import BadRequest, ConfigError, Invalid, NotFound, PraisonrunError

__all__ = ["main"]


def main(spawner: socket.socket | None = None, arguments: Sequence[str] | None = None) -> int:
    """Run one command; `spawner` is the socket of a spawner forked early. Ends with SystemExit or a code."""
    try:
        _program(spawner)(arguments, prog_name="praisonrun", obj=spawner)
    except PraisonrunError as error:
        print(f"praisonrun: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | Invalid | BadRequest | NotFound) else 1
    return 0


def _program(spawner: socket.socket | None) -> typer.Typer:
    if spawner is None:
        from .commands import app

        return app
    from .options import program  # a server's start should not wait for the other commands' flags
    from .serve import serve

    app = program()
    app.command()(serve)
    return app
