"""Files that only this user may read: writing them whole, and reading secrets from them."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

from ..core.errors import ConfigError, reason

MAX_BYTES = 4096
MIN_CHARACTERS = 16


def write(path: Path, data: bytes) -> None:
    """Write a file with mode 0600, whole or not at all. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read(path: Path, flag: str) -> str:
    """Return the one line of a secret's file. Raises ConfigError as `text` and `checked` do, with `flag`."""
    return checked(text(path, flag).strip(), f"{flag} {path}")


def text(path: Path, flag: str) -> str:
    """Return the text of a secret's file. Raises ConfigError for anything but a private regular file."""
    where = f"{flag} {path}"
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"{where}: {reason(error)}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"{where}: not a regular file")
        if found.st_uid not in (os.geteuid(), 0):
            raise ConfigError(f"{where}: belongs to another user")
        if found.st_mode & 0o077:
            raise ConfigError(f"{where}: others can read it; run: chmod 600 {path}")
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{where}: larger than {MAX_BYTES} bytes; it must hold the secret alone")
    return data.decode("latin-1")


def checked(secret: str, where: str) -> str:
    """Return a secret that can stand in a header. Raises ConfigError, which never repeats it."""
    if not all("!" <= char <= "~" for char in secret):
        raise ConfigError(f"{where}: must be one line of visible ASCII characters without spaces")
    if len(secret) < MIN_CHARACTERS:
        raise ConfigError(
            f"{where}: shorter than {MIN_CHARACTERS} characters; make one: openssl rand -hex 32"
        )
    return secret
