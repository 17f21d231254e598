"""A program of the user's that the server starts itself, to tell somebody something: short, and alone."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

import anyio

from ..core.errors import reason

PATIENCE = 10.0
"""Seconds after which it is ended."""


async def call(words: Sequence[str], environ: Mapping[str, str], umask: int) -> str:
    """Run a program until it ends, at most PATIENCE; return what went wrong, or "".

    It has a session of its own and reads and writes nothing of the server's. What it leaves behind when it
    ends by itself is its own business; one that takes too long is killed with its whole process group.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env=environ,
            umask=umask,
            start_new_session=True,
        )
    except OSError as error:
        return f"cannot be started: {reason(error)}"
    except RuntimeError:  # there is no thread to wait for its end
        return "cannot be started: is `ulimit -u` too low?"
    try:
        with anyio.move_on_after(PATIENCE):
            return _how(await process.wait())
        return f"took more than {PATIENCE:.0f} s, and was ended"
    finally:
        await _ended(process)


def _how(code: int) -> str:
    if code < 0:
        return f"died by signal {-code}"
    return f"exited with code {code}" if code else ""


async def _ended(process: Process) -> None:
    """Kill a program that is still there, and wait until it is gone."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with anyio.CancelScope(shield=True):
            await process.wait()
