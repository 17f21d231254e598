"""The command line: an error is one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import click

from ..config.settings import Settings
from ..core.errors import BadRequest, ConfigError, Invalid, NoServer, NotFound, PraisonrunError, reason
from . import agent_commands, commands, controls, editor_commands, more_commands, verbs  # noqa: F401  # they register themselves
from .outcome import INTERRUPTED, REJECTED
from .program import program

FOLLOWING = {"run", "attach", "wait", "retry"}
_FAULTS = (ConfigError, Invalid, BadRequest, NotFound, NoServer)
"""Faults of the command line or a file, and servers that are not there: exit code 2."""


def main(serve: Callable[[Settings], int], arguments: Sequence[str] | None = None) -> int:
    """Run one command, the server by `serve`; return its exit code, or raise SystemExit with it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = _run(serve, words)
    return REJECTED if code not in (0, INTERRUPTED) and words[:1] and words[0] in FOLLOWING else code


def _run(serve: Callable[[Settings], int], words: list[str]) -> int:
    """Run one command; return 0, or the exit code of a fault, which was told."""
    try:
        try:
            code = program.main(words, prog_name="praisonrun", obj=serve, standalone_mode=False)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be reported
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "praisonrun"
        print(f"praisonrun: {error.format_message()} ({command} --help)", file=sys.stderr)
        return error.exit_code
    except PraisonrunError as error:
        for fault in error.faults if isinstance(error, ConfigError) else (error,):
            print(f"praisonrun: {fault.message}", file=sys.stderr)
        return 2 if isinstance(error, _FAULTS) else 1
    except click.Abort:
        return INTERRUPTED
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"praisonrun: {where}{reason(error)}", file=sys.stderr)
        return 1
    except MemoryError:
        print("praisonrun: out of memory: is `ulimit -v` or `ulimit -d` too low?", file=sys.stderr)
        return 1
    return code or 0
