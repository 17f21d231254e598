"""The command line: flags and help here; what a command does is imported when it is called."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

from ..core.errors import BadRequest, ConfigError, Invalid, NotFound, PraisonrunError
from .commands import program

__all__ = ["main"]


def main(spawner: socket.socket | None = None, arguments: Sequence[str] | None = None) -> int:
    """Run one command; `spawner` is the socket of a spawner forked early. Ends with SystemExit or a code."""
    try:
        program(arguments, prog_name="praisonrun", obj=spawner)
    except PraisonrunError as error:
        print(f"praisonrun: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | Invalid | BadRequest | NotFound) else 1
    return 0
