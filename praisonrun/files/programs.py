"""Why the system would not start a program: what its first bytes and its mode say. Standard library only."""

from __future__ import annotations

import errno
import functools
import os
import re
import shutil
import stat
import sys

_HEAD = 4096
_LINE = 255
"""Bytes of a first line that Linux reads."""
_DEPTH = 5
"""Interpreters of interpreters that the kernel follows."""
_ALSO = {62: {3}, 183: {40}}
"""Machines of ELF programs that a 64-bit processor runs besides its own: x86-64 i386, AArch64 Arm."""
_FOREIGN = (b"\x7fELF", b"MZ", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
"""How programs of some system begin: Linux, Windows, macOS."""
_BY_NAME = {".py": "python3", ".js": "node", ".mjs": "node", ".rb": "ruby", ".pl": "perl", ".bash": "bash"}
_OWN_ORDER = 1 if sys.byteorder == "little" else 2
_WINDOWS = "the file has Windows line ends; save it with Unix ones"


def why_not(path: str, cwd: str = "/", depth: int = 0) -> str | None:
    """Return why the system would not start the program at `path`, in words that follow its name.

    None if nothing is seen that would keep it from its start. `cwd` is the directory it would be started in.
    """
    path = os.path.join(cwd, path)  # noqa: PTH118
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return _missing(path, error)
    if stat.S_ISDIR(found.st_mode):
        return "is a directory"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if not os.access(path, os.X_OK):
        return _not_allowed(path, found.st_mode)
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            head = file.read(_HEAD)
    except OSError:
        return None  # a program may be run and not read
    return _form(path, head, cwd, depth)


def env_misses(path: str, search: str) -> str | None:
    """Return what `#!/usr/bin/env NAME` of a script lacks on the path `search`, in words; else None."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            line = os.fsdecode(file.read(_HEAD).split(b"\n")[0])
    except OSError:
        return None
    interpreter, *words = re.split("[ \t]+", line[2:].strip(" \t")) if line.startswith("#!") else [""]
    name = next((word for word in words if word != "-S" and "=" not in word), "-")
    if os.path.basename(interpreter) != "env" or name.startswith("-") or shutil.which(name, path=search):  # noqa: PTH119
        return None
    why = f": {_WINDOWS}" if name.endswith("\r") else ""
    return f"its #! line asks env for {name!r}, which is not on PATH{why}"


def _missing(path: str, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ELOOP:
        return "is a loop of symlinks"
    if number == errno.ENOENT and os.path.islink(path):  # noqa: PTH114
        return f"is a symlink to {os.readlink(path)}, which does not exist"  # noqa: PTH115
    if number in (errno.ENOENT, errno.ENOTDIR):
        return "does not exist"
    return f"cannot be looked at: {getattr(error, 'strerror', None) or error}".lower()


def _not_allowed(path: str, mode: int) -> str:
    if not mode & 0o111:
        return f"is not executable: chmod +x {path}"
    if os.statvfs(path).f_flag & getattr(os, "ST_NOEXEC", 0):
        return "lies on a file system that is mounted noexec; move it"
    return "may not be executed by this user"


def _form(path: str, head: bytes, cwd: str, depth: int) -> str | None:
    if not head:
        return "is an empty file"
    if head.startswith(b"#!"):
        return _script(head, cwd, depth)
    if head.startswith(b"\xef\xbb\xbf"):
        return "begins with a byte order mark; save it as UTF-8 without one"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16 text; save it as UTF-8"
    if head.startswith(_FOREIGN) or b"\0" in head:
        return None if _helped() else _binary(head, cwd, depth)
    if head.lstrip().startswith(b"#!"):
        return "has something before its #!, which must be the first two bytes"
    return f"has no #! line: use [{_BY_NAME.get(os.path.splitext(path)[1], 'sh')}, {path}]"  # noqa: PTH122


def _script(head: bytes, cwd: str, depth: int) -> str | None:
    line, newline, _ = head[2:].partition(b"\n")
    named = line.strip(b" \t").split(b" ")[0].split(b"\t")[0]
    if (not newline or len(line) > _LINE - 2) and len(named) > _LINE - 3 and sys.platform == "linux":
        return f"has a #! line of more than {_LINE} bytes, which Linux cuts off"
    name = os.fsdecode(named)
    if not name:
        return "has a #! line that names no interpreter"
    if depth >= _DEPTH:
        return "has an interpreter that is a script, whose interpreter is a script, and so on"
    why = why_not(name, cwd, depth + 1)
    if why is None:
        return None
    if name.endswith("\r") and why == "does not exist":
        why += f": {_WINDOWS}"
    elif not name.startswith("/"):
        why += ": a #! line needs an absolute path, such as #!/usr/bin/env NAME"
    return f"cannot run, because its interpreter {name!r} {why}"


def _binary(head: bytes, cwd: str, depth: int) -> str | None:
    if sys.platform != "linux":
        return None
    if not head.startswith(b"\x7fELF"):
        foreign = head.startswith(_FOREIGN)
        return "is a program for another kind of machine" if foreign else "is neither a program nor a script"
    if len(head) < 64:
        return "is a program that was cut off"
    own = _machine()
    if head[5] != _OWN_ORDER or (own and _number(head, 18, 2) not in {own, *_ALSO.get(own, ())}):
        return "is a program for another kind of machine"
    if _number(head, 16, 2) == 1:
        return "is an object file and no program; link it"
    loader = os.fsdecode(_loader(head, wide=head[4] == 2))
    why = why_not(loader, cwd, depth + 1) if loader and depth < _DEPTH else None
    return f"cannot run, because its loader {loader} {why}: it was built for another system" if why else None


@functools.cache
def _machine() -> int:
    """Return the kind of machine that this process runs on, 0 if its program cannot be read any more."""
    for path in ("/proc/self/exe", sys.executable):  # the first can be read when the file is gone, too
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                return _number(file.read(20), 18, 2)
        except OSError:
            continue
    return 0


def _loader(head: bytes, *, wide: bool) -> bytes:
    """Return the path of the loader that an ELF program asks for; empty for one without."""
    table, size, count = (
        (_number(head, 32, 8), _number(head, 54, 2), _number(head, 56, 2))
        if wide
        else (_number(head, 28, 4), _number(head, 42, 2), _number(head, 44, 2))
    )
    for at in range(table, min(table + size * count, _HEAD), size or _HEAD):
        if _number(head, at, 4) == 3:
            offset = _number(head, at + 8, 8) if wide else _number(head, at + 4, 4)
            return head[offset:].split(b"\0")[0]
    return b""


def _number(head: bytes, at: int, size: int) -> int:
    return int.from_bytes(head[at : at + size], sys.byteorder)


def _helped() -> bool:
    """Return whether this system has helpers (binfmt_misc) that start foreign programs."""
    try:
        return bool(set(os.listdir("/proc/sys/fs/binfmt_misc")) - {"register", "status"})  # noqa: PTH208
    except OSError:
        return False
