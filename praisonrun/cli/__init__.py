"""The command line: an error is one line on stderr and an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from ..config.settings import Settings
from ..core.errors import BadRequest, ConfigError, Invalid, NoServer, NotFound, PraisonrunError, reason
from .commands import program

REJECTED = 125
"""What `run` ends with where no agent ran, or its result could not be written: all else is the agent's."""
_FAULTS = (ConfigError, Invalid, BadRequest, NotFound, NoServer)
"""Faults of the command line or a file, and servers that are not there: exit code 2."""


class Stderr(io.TextIOBase):
    """Standard error of a command. What it does not take is lost, and ends nothing."""

    def __init__(self, out: Any) -> None:
        self._out = out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def isatty(self) -> bool:
        """Say whether a person may read it."""
        return bool(self._out.isatty())

    def write(self, text: str) -> int:
        """Take text, if that is possible."""
        with suppress(OSError, ValueError):
            self._out.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what was taken, if that is possible."""
        with suppress(OSError, ValueError):
            self._out.flush()


def main(serve: Callable[[Settings], int], arguments: Sequence[str] | None = None) -> int:
    """Run one command, the server by `serve`; return its exit code, or raise SystemExit with it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    said = sys.stderr
    sys.stderr = Stderr(said)
    try:
        code = _run(serve, words)
    finally:
        sys.stderr = said
    return REJECTED if code and words[:1] == ["run"] else code


def _run(serve: Callable[[Settings], int], words: list[str]) -> int:
    """Run one command; return 0, or the exit code of a fault, which was told."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no fault
    try:
        try:
            code = program.main(words, prog_name="praisonrun", obj=serve, standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be reported
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except PraisonrunError as error:
        for fault in error.faults if isinstance(error, ConfigError) else (error,):
            print(f"praisonrun: {fault.message}", file=sys.stderr)
        return 2 if isinstance(error, _FAULTS) else 1
    except OSError as error:
        _report(error)
        return 1
    except MemoryError:
        print("praisonrun: out of memory: is `ulimit -v` or `ulimit -d` too low?", file=sys.stderr)
        return 1
    return code or 0


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
