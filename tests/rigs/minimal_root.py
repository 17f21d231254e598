"""A root directory with busybox and glibc and nothing else, whose paths are the same inside and outside."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = 12345
"""A user who is unknown everywhere: there is no /etc/passwd."""
BUSYBOX, CHROOT = shutil.which("busybox"), shutil.which("chroot") or "/usr/sbin/chroot"
MISSING = next(
    (
        reason
        for reason, true in {
            "only root can make a root directory": os.geteuid() != 0,
            "busybox is not installed (apt install busybox-static)": BUSYBOX is None,
        }.items()
        if true
    ),
    None,
)
needs_root_directory = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
_GLIBC = ("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1")


@contextmanager
def minimal_root(place: Path) -> Iterator[Path]:
    """Make one at `place`, with /home/user, /tmp and /proc, and yield it."""
    assert BUSYBOX is not None
    for name in ("bin", "dev", "proc", "tmp", "etc", "home/user"):
        (place / name).mkdir(parents=True)
    (place / "tmp").chmod(0o1777)
    os.chown(place / "home/user", USER, USER)
    shutil.copy(BUSYBOX, place / "bin/busybox")
    subprocess.run([CHROOT, place, "/bin/busybox", "--install", "-s", "/bin"], check=True)
    for device in ("null", "urandom"):
        status = os.stat(f"/dev/{device}")
        os.mknod(place / "dev" / device, status.st_mode, status.st_rdev)
        (place / "dev" / device).chmod(0o666)
    _glibc(place)
    (place / str(place.parent)[1:]).mkdir(parents=True)
    (place / str(place)[1:]).symlink_to("/")
    subprocess.run(["mount", "-t", "proc", "proc", place / "proc"], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place / "proc"], check=True)


def inside(root: Path, *command: str) -> list[str]:
    """Return a command that runs inside as an ordinary user, as the process that was started."""
    return [CHROOT, f"--userspec={USER}:{USER}", str(root), *command]


def _glibc(root: Path) -> None:
    """Copy the loader and the parts of glibc, and no other library, to where the system has them."""
    listed = subprocess.check_output(["/sbin/ldconfig", "-p"], text=True).splitlines()
    found = {line.split()[0]: Path(line.split()[-1]) for line in reversed(listed[1:]) if "x86-64" in line}
    for name in (*_GLIBC, "ld-linux-x86-64.so.2"):
        to = root / str(found[name])[1:]
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(found[name], to)
    loader = root / "lib64/ld-linux-x86-64.so.2"  # the name that is in every program
    loader.parent.mkdir(exist_ok=True)
    if not loader.exists():
        shutil.copy("/lib64/ld-linux-x86-64.so.2", loader)
