"""What becomes of a run's worktree at its end: a branch and a patch, or nothing where nothing changed.

Each step may be repeated, so a kill between any two of them costs nothing: the same files, parents and time
give the same commit, a branch that has it is there already, and what was decided is noted before anything
is removed. The checkout goes only once the repository has all that was in it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import reason
from ..core.json import Json
from ..files.trees import directory_below
from ..files.worktrees import Made, Worktree
from .checkout import own, settings
from .git import Git, GitFailed

PATCH = "changes.patch"
"""The artifact."""
PATCH_LIMIT = 256 * 1024 * 1024
"""Bytes of a patch at most: the branch has everything in any case."""
_GITLINK = b"160000 "
_WHO = {"NAME": "praisonrun", "EMAIL": "praisonrun@localhost"}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 9
"""Names of a branch that are tried."""


@dataclass(frozen=True, slots=True)
class About:
    """What the commit says of its run, and where the patch goes."""

    message: str
    at: int
    """Seconds since the epoch; the same each time that this is repeated."""
    folder: Path
    """The run's."""


async def keep(git: Git, tree: Worktree, about: About) -> dict[str, Json]:
    """Return what became of a worktree: `branch`, `commit` and `files` (how many changed) where anything did;
    `path` where the checkout stays; `error`, a line that says why, or what is missing.
    """
    if (kept := await asyncio.to_thread(tree.kept)) is None:
        kept = await _kept(git, tree, about)
        await asyncio.to_thread(tree.keep, kept)
    if "path" not in kept:
        await asyncio.to_thread(tree.remove_checkout)
    return kept


async def _kept(git: Git, tree: Worktree, about: About) -> dict[str, Json]:
    made = await asyncio.to_thread(tree.made)
    if made is None or not made.whole:
        return {}
    admin = await asyncio.to_thread(tree.admin, made.common)
    there = await asyncio.to_thread(os.path.isdir, tree.path)
    if admin is None:
        if not there:
            return {"error": "its agent removed the worktree"}
        why = f"the repository does not know this directory any more; try git worktree repair {tree.path}"
        return {"path": tree.path, "error": why}
    try:
        return await _Keeping(git, tree, made, admin, about).kept(there=there)
    except (GitFailed, OSError) as error:
        why = error.message if isinstance(error, GitFailed) else reason(error)
        return {**({"path": tree.path} if there else {}), "error": f"its changes are in no branch: {why}"}


class _Keeping:
    """The end of one worktree."""

    def __init__(self, git: Git, tree: Worktree, made: Made, admin: str, about: About) -> None:
        self._tree, self._made, self._about = tree, made, about
        self._theirs = git.within(GIT_DIR=made.common)
        self._agents = git.within(GIT_DIR=admin)
        when = f"@{about.at} +0000"
        who = {f"GIT_{role}_{key}": text for role in ("AUTHOR", "COMMITTER") for key, text in _WHO.items()}
        self._own = own(git, tree, made).within(**who, GIT_AUTHOR_DATE=when, GIT_COMMITTER_DATE=when)
        self._message = f"{tree.own}/message"
        self._nested = False
        """Whether the checkout has repositories in it, whose files are in no commit of ours."""
        self._missed = ""
        """Which files could not be read, and why."""

    async def kept(self, *, there: bool) -> dict[str, Json]:
        """Return what becomes of it, after the branch and the patch are made."""
        tip = await self._tip()
        commit = await self._committed(tip) if there else tip
        stays = {"path": self._tree.path} if there and (self._nested or self._missed) else {}
        errors = [self._missed, "repositories inside of it are not in the branch" if self._nested else ""]
        if commit == self._made.base:
            return {**stays, **_told(errors)}
        branch, files = await self._branch(commit), await self._files(commit)
        errors.append(await self._patch(commit))
        return {"branch": branch, "commit": commit, "files": files, **stays, **_told(errors)}

    async def _tip(self) -> str:
        """Return the commit that the agent left checked out; the base where it left none."""
        with suppress(GitFailed):
            return await self._agents.text("rev-parse", "--verify", "HEAD^{commit}")
        return self._made.base

    async def _run(
        self, *words: str, given: bytes = b"", take: Callable[[bytes], None] | None = None
    ) -> None:
        await self._own.run(*settings(self._made), *words, cwd=self._tree.path, given=given, take=take)

    async def _text(self, *words: str) -> str:
        return await self._own.text(*settings(self._made), *words, cwd=self._tree.path)

    async def _committed(self, tip: str) -> str:
        """Return a commit of all that is in the checkout and not ignored; `tip` if that is the same."""
        await asyncio.to_thread(self._prepare)
        if tip != self._made.base:
            await self._run("read-tree", "--no-recurse-submodules", "-m", tip)
        if links := await self._gitlinks():  # else git would start another in each
            await self._run("update-index", "--skip-worktree", "-z", "--stdin", given=b"\0".join(links))
        try:
            await self._run("-c", "advice.addEmbeddedRepo=false", "add", "--all", "--ignore-errors")
        except GitFailed as error:
            self._missed = f"not everything is in the branch: {error.message}"
        found = await self._gitlinks()
        self._nested = await asyncio.to_thread(lambda: any(map(self._is_there, found)))
        tree = await self._text("write-tree")
        if tree == await self._text("rev-parse", "--verify", f"{tip}^{{tree}}"):
            return tip
        return await self._text("commit-tree", tree, "-p", tip, "-F", self._message)

    def _prepare(self) -> None:
        """Write what the commit says, and remove the lock of a git that was killed."""
        Path(self._tree.own, "index.lock").unlink(missing_ok=True)
        Path(self._message).write_text(self._about.message, errors="replace")

    def _is_there(self, link: bytes) -> bool:
        """Say whether a repository that the index names has files here."""
        return os.path.lexists(f"{self._tree.path}/{os.fsdecode(link)}/.git")

    async def _gitlinks(self) -> list[bytes]:
        """Return where the index names other repositories."""
        found, rest = list[bytes](), b""

        def take(piece: bytes) -> None:
            nonlocal rest
            *entries, rest = (rest + piece).split(b"\0")
            found.extend(entry.partition(b"\t")[2] for entry in entries if entry.startswith(_GITLINK))

        await self._run("ls-files", "--stage", "-z", take=take)
        return found

    async def _branch(self, commit: str) -> str:
        """Make a branch at a commit, and return its name; a branch that is there already stays as it is."""
        name = self._tree.name
        names = [f"praisonrun/{name}", *(f"praisonrun/{name}-{number}" for number in range(2, _TRIES))]
        failed = GitFailed("")
        for branch in (*names, f"praisonrun-{name}"):  # the last one beside a branch `praisonrun`
            ref = f"refs/heads/{branch}"
            try:
                await self._theirs.run("update-ref", ref, commit, "0" * len(commit))
            except GitFailed as error:
                failed = error
                with suppress(GitFailed):
                    if await self._theirs.text("rev-parse", "--verify", ref) == commit:
                        return branch
            else:
                return branch
        raise failed

    async def _files(self, commit: str) -> int:
        """Return how many files are others than in the base."""
        count = 0

        def take(piece: bytes) -> None:
            nonlocal count
            count += piece.count(b"\0")

        names = (*settings(self._made), "diff-tree", "-r", "-z", "--name-only", self._made.base, commit)
        await self._own.run(*names, cwd=self._tree.own, take=take)
        return count

    async def _patch(self, commit: str) -> str:
        """Write the patch, from file to file; return what is missing of it."""
        folder, part = self._about.folder, f".{PATCH}.part"
        plain = ("--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color")
        diff = (*settings(self._made), "diff-tree", "-r", "-p", *plain, self._made.base, commit)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with directory_below(folder.parent, (folder.name, "artifacts"), make=True) as at:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=at)
                fd = os.open(part, _NEW, 0o600, dir_fd=at)
                try:
                    await self._own.run(*diff, cwd=self._tree.own, into=fd, most=PATCH_LIMIT)
                    os.fsync(fd)
                    os.rename(part, PATCH, src_dir_fd=at, dst_dir_fd=at)
                except BaseException:
                    os.unlink(part, dir_fd=at)
                    raise
                finally:
                    os.close(fd)
        except (GitFailed, OSError) as error:
            why = error.message if isinstance(error, GitFailed) else reason(error)
            return f"{PATCH} is not there: {why}"
        return ""


def _told(errors: list[str]) -> dict[str, Json]:
    said = "; ".join(filter(None, errors))
    return {"error": said} if said else {}
