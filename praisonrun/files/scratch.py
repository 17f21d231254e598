"""A run's scratch directory, which is its TMPDIR: the path must leave room for the name of a socket.

While the run lives it is a directory in a short place, and a link in the run's folder says where. The link is
made first and removed last, so a kill at any point leaves nothing that is not found. `PLACE.run` beside the
directory leads back to that link. Whoever lives in it holds its lock, which also keeps cleaners of /tmp away.
Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress

from praisonrun.files.trees import DIRECTORY, own_directory, remove_tree

_BASE = 31
"""Bytes of a base's path at most: 40 with the 8 characters of a run."""
_PLACE = re.compile(r"/(.*/)?pr(-\d+)?/[0-9a-f]{8}")
_BACK, _PART = ".run", ".part"


def bases() -> list[str]:
    """Return the short directories of this user, the best first. They need not be there."""
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    found = [f"{given}/pr"] if given.startswith("/") and _is_ours(given) else []
    return [base for base in (*found, f"/tmp/pr-{os.geteuid()}") if len(os.fsencode(base)) <= _BASE]  # noqa: S108 - checked when it is used


def make(link: str, places: Sequence[str]) -> tuple[str, int]:
    """Make an empty directory in the first place that can be had, or else at `link` itself.

    Returns its path, and a descriptor whose end gives it up.
    """
    remove(link)
    for place in places:
        with suppress(OSError):
            own_directory(os.path.dirname(place))
            os.symlink(place, link)
            try:
                os.mkdir(place, 0o700)
                return place, _entered(place, link)
            except OSError:  # another run has that name
                os.unlink(link)
    own_directory(link)
    return link, os.open(link, DIRECTORY)


def _entered(place: str, link: str) -> int:
    fd = os.open(place, DIRECTORY)
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with suppress(OSError):
        os.unlink(place + _BACK)
    with suppress(OSError):
        os.symlink(link, place + _BACK)
    return fd


def remove(link: str) -> None:
    """Remove a run's scratch directory, wherever it is, unless somebody lives in it."""
    if (place := _place(link)) is not None:
        _remove_place(place)
    with suppress(OSError):
        os.unlink(link)
    for path in (link, link + _PART):
        remove_tree(path)


def keep(link: str) -> None:
    """Move a scratch directory to `link`, out of a place that a restart of the machine empties.

    Raises OSError, shutil.Error when not all of it can be copied: then it stays where it is.
    """
    place, part = _place(link), link + _PART
    if place is None:
        return
    if os.path.isdir(place):
        remove_tree(part)
        try:
            os.rename(place, part)
        except OSError:
            import shutil  # no shim pays for it

            try:
                shutil.copytree(place, part, symlinks=True, ignore=_special)
            except OSError:
                remove_tree(part)  # the disk may be full
                raise
    if os.path.isdir(part):
        os.unlink(link)
        os.rename(part, link)
    _remove_place(place)


def remove_orphans(base: str, old: Callable[[int], bool]) -> None:
    """Remove what no run's link names any more, if its last change (µs) is `old` and nobody lives in it."""
    if not _is_ours(base):
        return
    for place in {f"{base}/{name.removesuffix(_BACK)}" for name in os.listdir(base)}:
        with suppress(OSError):
            back = place + _BACK
            if _place(_link(back) or "") == place or not _PLACE.fullmatch(place):
                continue
            changed = [os.lstat(path).st_mtime_ns for path in (place, back) if os.path.lexists(path)]
            if old(max(changed) // 1000):
                _remove_place(place)


def _special(folder: str, names: list[str]) -> set[str]:
    """Return what cannot be copied: sockets, pipes and devices."""
    modes = {name: os.lstat(os.path.join(folder, name)).st_mode for name in names}
    return {
        name
        for name, mode in modes.items()
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))
    }


def _remove_place(place: str) -> None:
    with suppress(OSError):
        fd = os.open(place, DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(place)
        except BlockingIOError:  # another run has that name
            return
        finally:
            os.close(fd)
    with suppress(OSError):
        os.unlink(place + _BACK)


def _place(link: str) -> str | None:
    """Return the short place that a link names, if it leads back there: an agent may have made the link, or a
    copy of the state directory may have it.
    """
    place = _link(link) or ""
    if not _PLACE.fullmatch(place) or not _is_ours(os.path.dirname(place)):
        return None
    back = _link(place + _BACK) or link
    try:
        return place if os.path.samefile(os.path.dirname(back), os.path.dirname(link)) else None
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _is_ours(path: str) -> bool:
    """Say whether this is a directory of this user, and no link to one."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
