"""Calls git, in an environment of its own, with nothing that a repository's configuration could start.

Hooks, the file monitor, signing, editors, pagers and every way to another machine are off. What is left that
a configuration may start are filters: they run only where git reads or writes files of a checkout, and for
that `checkout` has a git directory with a configuration of ours.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import anyio

from ..core.errors import Invalid, escaped

SECONDS = 60.0
"""How long one call may take."""
_GRACE = 2.0
"""Seconds that git has to remove its lock files once it is asked to end."""
_SAID = 4096
"""Bytes of what git says, and of what a call returns as text, that are kept."""
_PIECE = 64 * 1024
_PASSED = ("HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "TMPDIR", "TZ")
_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
OFF = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=false",
    "core.sshCommand=false",
    "credential.helper=",
    "protocol.allow=never",
    "commit.gpgsign=false",
    "submodule.recurse=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "worktree.useRelativePaths=false",
    "core.filesRefLockTimeout=10000",
    "core.fsync=added,reference",
    "core.fsyncMethod=batch",
)
"""What each call has instead of the repository's own; the last ones say how git writes."""
Take: TypeAlias = Callable[[bytes], None]


class GitFailed(Invalid):
    """Git is missing, said no, or took too long. The message is one line."""


class Git:
    """Calls git in one environment."""

    def __init__(
        self, environ: Mapping[str, str], seconds: float = SECONDS, more: Mapping[str, str] | None = None
    ) -> None:
        """`environ` is the server's, of which little is passed on; `more` is added to it."""
        self._environ, self._seconds, self._more = environ, seconds, dict(more or {})

    def within(self, **more: str) -> Git:
        """Return one that has more variables: GIT_DIR, say."""
        return Git(self._environ, self._seconds, {**self._more, **more})

    async def text(self, *words: str, cwd: str = "/") -> str:
        """Return what git prints, at most 4 KiB of it, without the last line break. Raises as `run`."""
        said = _Some()
        await self.run(*words, cwd=cwd, take=said.take)
        return said.text.removesuffix("\n")

    async def run(
        self,
        *words: str,
        cwd: str = "/",
        given: bytes = b"",
        take: Take | None = None,
        into: int = -1,
        most: int = 0,
    ) -> None:
        """Call git and return once it has ended well.

        It reads `given`. What it prints goes to `take`, piece by piece, or into the file of the descriptor
        `into`: on Linux at most `most` bytes, where that is not 0. Raises GitFailed, or OSError where no
        process can be made.
        """
        program = find(self._environ)
        if program is None:
            raise GitFailed(MISSING)
        settings = [word for setting in OFF for word in ("-c", setting)]
        process = await asyncio.create_subprocess_exec(
            program, *settings, *words,
            stdin=PIPE if given else DEVNULL, stdout=into if into >= 0 else PIPE, stderr=PIPE,
            cwd=cwd, env=self._env(), start_new_session=True,
        )  # fmt: skip
        said, ended = _Some(), False
        try:
            _bound(process, most)
            with anyio.move_on_after(self._seconds):
                await _talk(process, given, take or (lambda _: None), said.take)
                ended = True
        finally:
            if not ended:
                await _end(process)
        if not ended:
            raise GitFailed(f"git {verb(words)} took longer than {self._seconds:.0f} s")
        too_much = process.returncode == -signal.SIGXFSZ or os.fstat(into).st_size > most if most else False
        if too_much:
            raise GitFailed(f"git {verb(words)} printed more than {most >> 20} MiB")
        if process.returncode:
            raise GitFailed(f"git {verb(words)}: {said.line or f'exit code {process.returncode}'}")

    def _env(self) -> dict[str, str]:
        passed = {name: self._environ[name] for name in _PASSED if name in self._environ}
        return {**passed, **_FIXED, "PATH": _path(self._environ), **self._more}


MISSING = "`worktree: true` needs git, which is not on the server's PATH; install it with: apt install git"


def find(environ: Mapping[str, str]) -> str | None:
    """Return git's absolute path; None if it is not installed. A relative part of PATH does not count."""
    return shutil.which("git", path=_path(environ))


def _path(environ: Mapping[str, str]) -> str:
    parts = environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(part for part in parts if part.startswith("/")) or os.defpath


def verb(words: tuple[str, ...]) -> str:
    """Return the command among git's arguments: `worktree add`."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-c", "-C") else 1
    return " ".join(words[at : at + (2 if words[at : at + 1] == ("worktree",) else 1)])


class _Some:
    """The first bytes of an output, however long it is."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def take(self, piece: bytes) -> None:
        self._kept += piece[: max(0, _SAID - len(self._kept))]

    @property
    def text(self) -> str:
        return os.fsdecode(bytes(self._kept))

    @property
    def line(self) -> str:
        """The line that says what is wrong: git's last word is often advice."""
        lines = [line for line in self._kept.decode("utf-8", "replace").splitlines() if line.strip()]
        fatal = [line for line in lines if line.startswith(("fatal: ", "error: "))]
        chosen = (fatal or lines[-1:] or [""])[0]
        return escaped(chosen.removeprefix("fatal: ").removeprefix("error: "))[:300]


async def _talk(process: Process, given: bytes, take: Take, say: Take) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_feed, process.stdin, given)
        tasks.start_soon(_drain, process.stdout, take)
        tasks.start_soon(_drain, process.stderr, say)
        await process.wait()


async def _feed(stream: asyncio.StreamWriter | None, given: bytes) -> None:
    if stream is not None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it says itself why it reads no more
            stream.write(given)
            await stream.drain()
        stream.close()


async def _drain(stream: asyncio.StreamReader | None, take: Take) -> None:
    while stream is not None and (piece := await stream.read(_PIECE)):
        take(piece)


async def _end(process: Process) -> None:
    """End a call that took too long or is not wanted any more, with the filters that it started."""
    with anyio.CancelScope(shield=True):
        _signal(process, signal.SIGTERM)
        with anyio.move_on_after(_GRACE):
            await process.wait()
        _signal(process, signal.SIGKILL)
        with anyio.move_on_after(_GRACE):
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # a child that escaped may hold its pipes


def _bound(process: Process, most: int) -> None:
    """Have the system end a process that writes a file of more than `most` bytes, if that is not 0."""
    if most and hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))


def _signal(process: Process, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
