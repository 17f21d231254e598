"""Where a run's worktree lies, what belongs to it, and how all of it is removed.

`<state>/worktrees/NAME` is the checkout that the agent works in. `NAME.git` beside it is ours: the index and
the configuration by which we look at the checkout, the record of what was made, and what became of it. The
user's repository has `worktrees/ID` in its git directory, which leads back to the checkout. Nothing here
starts git, and no link is followed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..config import private_file
from .trees import DIRECTORY, disk_bytes, remove_tree, tree_bytes

_MADE_ID = re.compile(r"run_([0-9a-f]{32})")
_RECORD, _KEPT = "made.json", "kept.json"
OWN = ".git"
"""What the name of our own directory has beyond that of the checkout."""


@dataclass(frozen=True, slots=True)
class Made:
    """What was made for a run, or is being made."""

    run_id: str
    base: str
    """The commit that it begins at."""
    common: str
    """The git directory of the user's repository, which all its worktrees share."""
    below: str = ""
    """The directory below the checkout that the agent works in."""
    config: tuple[str, ...] = ()
    """What our git takes over of the repository's configuration, each `key=value`."""
    note: str = ""
    """What the run's log says of it."""
    whole: bool = False
    """Whether all of it was made."""


class Worktree:
    """The worktree of one run: its paths, and what is written about it."""

    def __init__(self, root: Path, name: str) -> None:
        """`name` is the file name of the run, see `name_of`."""
        self.name = name
        self.path = str(root / "worktrees" / name)
        """The checkout."""
        self.own = self.path + OWN
        """Our directory, which is there before everything else of the worktree and is removed last."""

    def exists(self) -> bool:
        """Say whether anything of it may be there."""
        return os.path.lexists(self.own)

    def record(self, made: Made) -> None:
        """Note what was made. Raises OSError."""
        private_file.write(Path(self.own, _RECORD), json.dumps(asdict(made)).encode())

    def made(self) -> Made | None:
        """Return what was noted; None where nothing is, or nothing that can be read."""
        found = self._read(_RECORD)
        try:
            return Made(**{**found, "config": tuple(found["config"])}) if found else None
        except (TypeError, KeyError):
            return None

    def keep(self, kept: Mapping[str, Any]) -> None:
        """Note what became of it. Raises OSError."""
        private_file.write(Path(self.own, _KEPT), json.dumps(dict(kept)).encode())

    def kept(self) -> dict[str, Any] | None:
        """Return what became of it, once that is noted."""
        return self._read(_KEPT)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            found = json.loads(Path(self.own, name).read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def admin(self, common: str) -> str | None:
        """Return the directory of the user's repository that leads to the checkout; None if none does.

        The copy of a state directory has none: what its records name belongs to the original.
        """
        back = f"{os.path.realpath(self.path)}/.git"
        for path in _directories(f"{common}/worktrees"):
            with suppress(OSError, UnicodeDecodeError):
                if Path(path, "gitdir").read_text().strip() == back:
                    return path
        return None

    def remove_checkout(self) -> None:
        """Remove the checkout, and then what the repository has of it."""
        made = self.made()
        admin = self.admin(made.common) if made else None
        remove_tree(self.path)
        if made and admin:
            remove_tree(admin)
        if made:
            self._remove_begun(made.common)

    def _remove_begun(self, common: str) -> None:
        """Remove what a git that was killed had only begun to make in the repository.

        The directory above it stays, also if it is empty: another git may be about to use it.
        """
        begun = Path(common, "worktrees", self.name)
        if str(begun) in _directories(str(begun.parent)) and not Path(begun, "gitdir").exists():
            remove_tree(str(begun))

    def remove(self) -> None:
        """Remove everything. Harmless when repeated."""
        if self.exists():
            self.remove_checkout()
            remove_tree(self.own)

    def bytes(self) -> int:
        """Return what it takes on the disk."""
        total = 0
        for path in (self.path, self.own):
            with suppress(OSError):
                total += disk_bytes(os.lstat(path)) + tree_bytes(path)
        return total


def name_of(run_id: str, file_name: str) -> str:
    """Return the name of a run's worktree and branch: the end that all names of the run share.

    `file_name` is the run's. It stands where a caller chose the id, and also where that is such an end.
    """
    if found := _MADE_ID.fullmatch(run_id):
        return found[1]
    return f"={file_name}" if _MADE_ID.fullmatch(f"run_{file_name}") else file_name


def run_ids(root: Path) -> Iterator[str]:
    """Yield the runs that have worktrees."""
    for path in _directories(str(root / "worktrees")):
        if path.endswith(OWN):
            made = Worktree(root, Path(path).name.removesuffix(OWN)).made()
            if made is not None:
                yield made.run_id


def _directories(path: str) -> list[str]:
    """Return the directories in a directory, without links; none where it is not there, or a link itself."""
    try:
        fd = os.open(path, DIRECTORY)
    except OSError:
        return []
    try:
        with os.scandir(fd) as entries:
            return [f"{path}/{entry.name}" for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    finally:
        os.close(fd)
