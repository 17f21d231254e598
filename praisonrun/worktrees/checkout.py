"""Makes the worktree of a run, and looks at its files.

The user's repository adds it, empty. Its files are written, and later read, by git with a directory of ours:
its objects are the repository's, its configuration is not. So no filter runs that the repository's own
configuration names, also where somebody changes that meanwhile. Those of the user's own configuration do.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

from ..core.errors import counted, reason
from ..files.trees import directory_below, own_directory
from ..files.worktrees import Made, Worktree
from .git import Git, GitFailed
from .repository import Repository, object_format, repository, taken_over

_LINKED = ("info", "lfs")
"""What lies beside a repository's objects and says which files to ignore, or holds the large ones."""


def own(git: Git, tree: Worktree, made: Made, *, at: str = "", index: str = "") -> Git:
    """Return git with our directory: for the checkout, or for the one `at` a path with its own `index`."""
    return git.within(
        GIT_DIR=tree.own,
        GIT_WORK_TREE=at or tree.path,
        GIT_INDEX_FILE=index or f"{tree.own}/index",
        GIT_OBJECT_DIRECTORY=f"{made.common}/objects",
    )


def settings(made: Made) -> list[str]:
    """Return what our git takes over of the repository's configuration, as arguments."""
    return [word for setting in made.config for word in ("-c", setting)]


async def make(git: Git, tree: Worktree, run_id: str, base: str, directory: str) -> Made:
    """Make the worktree of a run that works in the repository of a directory; return what was made.

    What an earlier try left is removed. Raises GitFailed, OSError.
    """
    found = await repository(git, directory)
    await asyncio.to_thread(tree.remove)
    made = Made(run_id, base, found.common, found.below, await taken_over(git, directory))
    _own_directory(tree, made, await object_format(git, directory), found.head)
    tree.record(made)
    made = replace(made, note=await _left_out(git, tree, made, found))
    add = ("worktree", "add", "--detach", "--no-checkout", tree.path, base)
    await git.run("-C", found.top, *add)
    await _fill(git, tree, made)
    await asyncio.to_thread(_finish, tree, made)
    made = replace(made, whole=True)
    tree.record(made)
    return made


def _own_directory(tree: Worktree, made: Made, names: str, head: str) -> None:
    """Make the git directory that is ours."""
    own_directory(os.path.dirname(tree.own))  # noqa: PTH120
    own_directory(tree.own)
    for name in ("objects", "refs"):
        Path(tree.own, name).mkdir()
    other = f"\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = {names}\n"
    config = "\trepositoryformatversion = 0\n" if names == "sha1" else other
    Path(tree.own, "config").write_text(f"[core]\n\tbare = false\n{config}")
    Path(tree.own, "HEAD").write_text(f"{head}\n")
    for name in _LINKED:
        if Path(made.common, name).is_dir():
            Path(tree.own, name).symlink_to(Path(made.common, name))


async def _left_out(git: Git, tree: Worktree, made: Made, found: Repository) -> str:
    """Return what the log says of the user's uncommitted changes, which are not in the worktree."""
    count = 0

    def take(piece: bytes) -> None:
        nonlocal count
        count += piece.count(b"\0")

    theirs = own(git, tree, made, at=found.top, index=f"{found.git_dir}/index")
    look = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal")
    try:
        await theirs.run(*settings(made), *look, "--ignore-submodules=all", cwd=found.top, take=take)
    except GitFailed:  # an index in several files, say
        return f"uncommitted changes of {found.top}, if there are any, are not in this run's worktree"
    if not count:
        return ""
    are = "is" if count == 1 else "are"
    return f"{counted(count, 'uncommitted change')} of {found.top} {are} not in this run's worktree"


async def _fill(git: Git, tree: Worktree, made: Made) -> None:
    """Write the files of the base, and an index of them."""
    ours = own(git, tree, made)
    read = ("read-tree", "--reset", "-u", "--no-recurse-submodules", made.base)
    await ours.run(*settings(made), *read, cwd=tree.path)


def _finish(tree: Worktree, made: Made) -> None:
    """Give the agent's git its index, and make sure that the directory is there which the run works in."""
    admin = tree.admin(made.common)
    if admin is None:
        raise GitFailed(f"git made no worktree at {tree.path}")
    shutil.copy2(f"{tree.own}/index", f"{admin}/index")  # with its time, by which git trusts it
    try:
        with directory_below(tree.path, made.below.split("/") if made.below else (), make=True):
            pass
    except OSError as error:
        why = f"{made.below} is no directory in commit {made.base[:12]}: {reason(error)}"
        raise GitFailed(why) from None


def directory(tree: Worktree, made: Made) -> str:
    """Return the directory that the run works in."""
    return f"{tree.path}/{made.below}" if made.below else tree.path
