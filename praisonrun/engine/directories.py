"""In which directory an agent works whose entry leaves that to whoever submits: `cwd: caller`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..core.agent import Agent
from ..core.delivery import Reach
from ..core.errors import Invalid, reason

LIMIT = 4096
"""Bytes of a path."""


class Directories:
    """Which directories a submit may name."""

    def __init__(self, state: Path, roots: Sequence[Path]) -> None:
        """`roots` hold all that may be named; without any, a local caller may name the user's own."""
        self._state, self._roots = os.path.realpath(state), tuple(map(os.path.realpath, roots))

    def checked(self, given: str | None, agent: Agent, reach: Reach) -> str | None:
        """Return the directory that a submit names, without links; None if it names none. Raises Invalid.

        `reach` is the caller's. A directory is the user's own: a stranger's may change what an agent does.
        """
        if given is None:
            return None
        if not agent.caller:
            entry = f"{agent.file}:{agent.line}" if agent.line else agent.file or "agents.yaml"
            choose = f"write cwd: caller in {entry} to choose"
            raise _invalid(f"agent {agent.name!r} runs in {agent.cwd}; {choose}")
        path, owner = _real(given)
        if _inside(path, self._state):
            raise _invalid(f"cwd {given} is inside the state directory")
        if self._roots and not any(_inside(path, root) for root in self._roots):
            raise _invalid(f"cwd {given} is in none of the server's --cwd-root directories")
        if not self._roots and reach is not Reach.LOOPBACK:
            raise _invalid("cwd from another machine: the server must name what may be used with --cwd-root")
        if not self._roots and owner != os.geteuid():
            raise _invalid(f"cwd {given} belongs to another user; the server may allow it with --cwd-root")
        return path


def _real(given: str) -> tuple[str, int]:
    """Return a directory without links, and its owner. Raises Invalid."""
    if not given.startswith("/") or len(given.encode(errors="replace")) > LIMIT:
        raise _invalid(f"cwd must be an absolute path of at most {LIMIT} bytes")
    try:
        path = os.path.realpath(given, strict=True)
        owner = os.stat(path).st_uid  # noqa: PTH116
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else "no path"
        raise _invalid(f"cwd {given[:200]}: {why}") from None
    if not os.path.isdir(path) or not os.access(path, os.X_OK):  # noqa: PTH112
        raise _invalid(f"cwd {given} is not a directory that can be entered")
    return path, owner


def _invalid(why: str) -> Invalid:
    return Invalid(why, field="cwd")


def _inside(path: str, root: str) -> bool:
    return os.path.commonpath([path, root]) == root
