"""Linux's libraries: a tree gets copies of all that it needs, and finds them. Only glibc is the machine's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

GLIBC = re.compile(r"(lib(c|m|pthread|dl|rt|util|resolv|anl)\.so|ld-linux|linux-vdso)")


def gather(root: Path, to: Path) -> dict[str, Path]:
    """Copy all libraries that files below `root` need, strip all, and let each look in the tree alone.

    Returns each copied library's name and its origin.
    """
    to.mkdir(parents=True)
    origins: dict[str, Path] = {}
    while new := {name: path for name, path in _outside(root) if name not in origins}:
        for name, path in new.items():
            shutil.copy(path, to / name)
        origins |= new
    for file in files(root):
        subprocess.run(["strip", "--strip-unneeded", file], check=True)
        _look_in(file, to, origins)
    return origins


def strange(root: Path) -> list[str]:
    """Return the libraries that would still be taken from outside the tree, or from nowhere."""
    missing = [line for file in files(root) for line in _ldd(file) if "not found" in line]
    return sorted({*missing, *(str(path) for _, path in _outside(root))})


def glibc(root: Path) -> str:
    """Return the lowest version of glibc that has every symbol that the files need."""
    found = (
        version for file in files(root) for version in re.findall(rb"GLIBC_(\d+)\.(\d+)", file.read_bytes())
    )
    return ".".join(map(str, max((int(major), int(minor)) for major, minor in found)))


def files(root: Path) -> list[Path]:
    """Return the programs and libraries below a directory."""
    return [
        path for path in sorted(root.rglob("*")) if path.is_file() and not path.is_symlink() and _is_elf(path)
    ]


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _outside(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and place of each library that files below `root` take from elsewhere."""
    for file in files(root):
        for line in _ldd(file):
            match = re.match(r"\s*(\S+) => (/\S+)", line)
            if match and not GLIBC.match(match[1]) and not Path(match[2]).resolve().is_relative_to(root):
                yield match[1], Path(match[2])


def _ldd(file: Path) -> list[str]:
    return subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout.splitlines()


def _look_in(file: Path, libraries: Path, origins: dict[str, Path]) -> None:
    """Set where a file looks for libraries: what it says of its own place, and ours if it needs one."""
    old = subprocess.check_output(["patchelf", "--print-rpath", file], text=True).strip()
    needed = subprocess.check_output(["patchelf", "--print-needed", file], text=True).split()
    new = [place for place in old.split(":") if place.startswith("$ORIGIN")]
    if any(name in origins for name in needed):
        new.append(f"$ORIGIN/{os.path.relpath(libraries, file.parent)}")
    if ":".join(new) != old:
        subprocess.run(["patchelf", "--set-rpath", ":".join(new), file], check=True)
