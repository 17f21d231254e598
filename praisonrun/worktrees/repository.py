"""The repository that a directory is in: what a worktree needs of it, or why there can be none."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from .git import Git, GitFailed

_ASKED = (
    "--is-bare-repository",
    "--is-inside-work-tree",
    "--path-format=absolute",
    "--git-common-dir",
    "--absolute-git-dir",
    "--show-toplevel",
    "--show-prefix",
    "HEAD^{commit}",
)
_TAKEN_OVER = (
    "autocrlf|eol|safecrlf|filemode|symlinks|ignorecase|precomposeunicode|protecthfs|protectntfs|excludesfile"
    "|attributesfile|bigfilethreshold|compression|loosecompression|checkstat|trustctime|sharedrepository"
)
"""Settings of `core` that say how files become objects and back, and start nothing."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that has commits and files. All paths are absolute."""

    common: str
    """The git directory that all its worktrees share."""
    git_dir: str
    """The git directory of the checkout that was asked for, which is another one in a linked worktree."""
    top: str
    """The checkout."""
    below: str
    """Where in the checkout the directory is; empty at its top."""
    head: str
    """The commit that is checked out."""


async def repository(git: Git, directory: str) -> Repository:
    """Return the repository that a directory is in. Raises GitFailed where it can have no worktree."""
    if "\n" in directory:
        raise GitFailed(f"{directory!r} has a line break in its name: git cannot name it")
    said, failed = "", GitFailed("")
    try:
        said = await git.text("rev-parse", *_ASKED, cwd=directory)
    except GitFailed as error:
        failed = error
        said = await _as_far(git, directory)
    lines = said.split("\n")
    if lines[0] not in ("true", "false"):
        raise _none(directory, failed)
    if lines[0] == "true":
        raise GitFailed(f"{directory} is in a bare repository, which has no files; use a clone of it")
    if lines[1] != "true":
        raise GitFailed(
            f"{directory} is in no checkout: it is inside a git directory, or core.worktree says so"
        )
    if failed.message:
        raise GitFailed(f"the repository at {directory} has no commit yet, and a worktree begins at one")
    if len(lines) != len(_ASKED) - 1:
        raise GitFailed(f"git did not say where the repository of {directory} is; praisonrun needs git 2.31")
    _, _, common, git_dir, top, below, head = lines
    if not await asyncio.to_thread(_leads, f"{top}/.git", git_dir):
        raise GitFailed(f"core.worktree of {git_dir} names {top}, which does not lead back to it")
    return Repository(common, git_dir, top, below.rstrip("/"), head)


def _leads(path: str, git_dir: str) -> bool:
    """Say whether a checkout's `.git`, a directory or a file that names one, is a git directory."""
    found = Path(path)
    try:
        if found.is_file():
            found = Path(path).parent / os.fsdecode(found.read_bytes()).removeprefix("gitdir: ").rstrip("\n")
        return found.samefile(git_dir)
    except (OSError, ValueError):
        return False


async def _as_far(git: Git, directory: str) -> str:
    """Return what can be said of a directory for which not everything can."""
    try:
        return await git.text("rev-parse", *_ASKED[:2], cwd=directory)
    except GitFailed:
        return ""


def _none(directory: str, failed: GitFailed) -> GitFailed:
    if "not a git repository" in failed.message:
        return GitFailed(f"{directory} is in no git repository, and `worktree: true` needs one")
    return GitFailed(f"{directory} cannot have a worktree: {failed.message}")


async def taken_over(git: Git, directory: str) -> tuple[str, ...]:
    """Return what our git takes over of a repository's configuration, each `key=value`."""
    try:
        said = await git.text("config", "-z", "--get-regexp", rf"^core\.({_TAKEN_OVER})$", cwd=directory)
    except GitFailed:  # it has none of them
        return ()
    pairs = (entry.partition("\n") for entry in said.split("\0") if entry)
    return tuple(f"{key}={value}" if line else key for key, line, value in pairs)


async def object_format(git: Git, directory: str) -> str:
    """Return how a repository names its objects: sha1, say."""
    return await git.text("rev-parse", "--show-object-format", cwd=directory)
