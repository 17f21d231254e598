"""The command line: an error is one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence

from ..config.settings import Settings
from ..core.errors import BadRequest, ConfigError, Invalid, NotFound, PraisonrunError, reason
from .commands import program


def main(serve: Callable[[Settings], int], arguments: Sequence[str] | None = None) -> int:
    """Run one command, the server by `serve`; return its exit code, or raise SystemExit with it."""
    try:
        try:
            program(arguments, prog_name="praisonrun", obj=serve)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be reported
    except PraisonrunError as error:
        print(f"praisonrun: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError | Invalid | BadRequest | NotFound) else 1
    except OSError as error:
        _report(error)
        return 1
    except MemoryError:
        print("praisonrun: out of memory: is `ulimit -v` or `ulimit -d` too low?", file=sys.stderr)
        return 1
    return 0


def _report(error: OSError) -> None:
    if error.errno != errno.EPIPE:  # the reader of a pipe has what it wanted
        where = f"{error.filename}: " if error.filename else ""
        print(f"praisonrun: {where}{reason(error)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        # The interpreter flushes stdout once more at its end, and would report the same error again.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
