"""Archives that are the same each time they are made: the sdist, and the file that carries the bundle."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import deflate
from bundle import Tree

STUB = Path(__file__).parent / "stub.sh"


def single_file(tree: Tree, version: str, file: Path) -> Path:
    """Write the stub with the packed tree behind it. The packing's hash names the unpacked directory."""
    plain = _tar(tree.root, sorted(tree.root.rglob("*")), _private)
    identity = f"{version}-{hashlib.sha256(plain).hexdigest()[:16]}"
    (tree.root / "ID").write_text(identity)  # the last member: where it is, all is
    payload = _gzip(_tar(tree.root, [*sorted(tree.root.rglob("*")), tree.root / "ID"], _private))
    stub = STUB.read_text().replace("@VERSION@", version).replace("@ID@", identity)
    stub = stub.replace("@SIZE@", str(len(payload))).replace("@NEEDS@", tree.needs)
    file.write_bytes(stub.encode() + payload)
    file.chmod(0o755)
    return file


def stage(root: Path, to: Path) -> Path:
    """Copy the tracked files, or all where there is no repository, with the same modes everywhere."""
    if (root / ".git").exists():
        listed = subprocess.check_output(["git", "-C", root, "ls-files", "-z"], text=True)
        names = [name for name in listed.split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    for name in names:
        (to / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, to / name)
        (to / name).chmod(0o755 if os.access(root / name, os.X_OK) else 0o644)
    return to


def repack(sdist: Path, out: Path) -> Path:
    """Write an sdist again, without the times and the user of this build."""
    folder = unpack(sdist, sdist.parent / "repack")
    members = sorted(path for path in folder.rglob("*"))
    (out / sdist.name).write_bytes(_gzip(_tar(folder.parent, [folder, *members], _public)))
    return out / sdist.name


def unpack(sdist: Path, to: Path) -> Path:
    """Unpack an sdist; return its one folder."""
    shutil.unpack_archive(sdist, to)
    return next(to.iterdir())


def _tar(root: Path, paths: Iterable[Path], clean: Callable[[tarfile.TarInfo], tarfile.TarInfo]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in dict.fromkeys(paths):
            member = tar.gettarinfo(path, str(path.relative_to(root)))
            with path.open("rb") if member.isreg() else io.BytesIO() as content:
                tar.addfile(clean(member), content)
    return buffer.getvalue()


def _public(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(os.environ["SOURCE_DATE_EPOCH"])
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _private(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """As a server unpacks what only its user shall read."""
    _public(member).mode &= 0o700
    return member


def _gzip(data: bytes) -> bytes:
    """As gzip -9, but a thirtieth smaller."""
    return bytes(deflate.gzip_compress(data, 12))
