"""Which form of praisonrun this is, and the versions that the single file has unpacked beside each other."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from .. import __file__ as _PROGRAM  # noqa: N812

_VERSION = re.compile(r"\d.*-[0-9a-f]{16}")
_PARTIAL = ".new."
"""How names begin that are being unpacked or removed."""
STARTING = 60.0
"""Seconds for which a version is left alone after a start: it may not be a process yet."""
UNPACKING = 3600.0
"""Seconds after which an unpacking has certainly been killed."""
KEPT = 3
"""Versions that are kept where no one can tell which of them run."""


def file() -> Path | None:
    """Return the single file that this process was started with, None for the other forms."""
    named = sys._xoptions.get("praisonrun")
    return Path(named).absolute() if isinstance(named, str) else None


def program() -> list[str]:
    """Return the command that starts this praisonrun from anywhere: the file, the script, or the module."""
    single, script = file(), Path(sys.argv[0]).absolute()
    if single is not None:
        return [str(single)]
    if script.name == "praisonrun" and os.access(script, os.X_OK):
        return [str(script)]
    return [
        sys.executable,
        "-P",
        "-m",
        "praisonrun",
    ]  # what lies where it is started replaces nothing of ours


def unpacked() -> Path | None:
    """Return where the single file is unpacked, None for the other forms."""
    place = Path(sys.prefix)
    return place if (place / "ID").is_file() else None


def form() -> str:
    """Return `single file`, `package` or `source tree`."""
    if unpacked() is not None:
        return "single file"
    return "source tree" if (Path(__file__).parents[2] / "pyproject.toml").is_file() else "package"


def mark() -> tuple[int, int, int] | None:
    """Return what changes when the program's files are replaced; None where they are gone."""
    try:
        found = Path(_PROGRAM).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def remove_unused(own: Path) -> None:
    """Remove the versions beside `own` that no process of this user runs from, and parts of killed starts."""
    own = own.resolve()
    now = time.time()
    for place in _unused(own, _programs()):
        if now - _used(place) > STARTING:
            gone = place.with_name(_PARTIAL + place.name)
            with suppress(OSError):
                place.rename(gone)  # at once: a half removed version must not be started
            shutil.rmtree(gone, ignore_errors=True)
    for place in own.parent.glob(_PARTIAL + "*"):
        with suppress(FileNotFoundError):
            if now - place.stat().st_mtime > UNPACKING:
                shutil.rmtree(place, ignore_errors=True)


def _unused(own: Path, programs: list[str] | None) -> list[Path]:
    versions = [place for place in own.parent.iterdir() if _VERSION.fullmatch(place.name) and place != own]
    if programs is None:
        return sorted(versions, key=_used, reverse=True)[KEPT - 1 :]
    if not any(program.startswith(f"{own}/") for program in programs):
        return []  # not even this process is seen: /proc hides too much
    return [place for place in versions if not any(program.startswith(f"{place}/") for program in programs)]


def _used(place: Path) -> float:
    """Return when a version was started last: the stub marks it."""
    try:
        return (place / "used").stat().st_mtime
    except OSError:
        return 0.0


def _programs() -> list[str] | None:
    """Return the program files of all processes of this user; None where the system does not tell."""
    if not sys.platform.startswith("linux") or not Path("/proc").is_dir():
        return None
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):  # it ended, or is another user's
                found.append(str((process / "exe").readlink()))
    return found
