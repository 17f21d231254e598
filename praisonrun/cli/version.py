"""`praisonrun --version`: which praisonrun this is, and what it is made of."""

from __future__ import annotations

import platform
import sqlite3
import ssl
import sys
from typing import Any

from .. import __version__
from ..config import form

OPENSSL = ssl.OPENSSL_VERSION.split()[1]
WAL_RESET = (
    "one connection writes and checkpoints, so the WAL-reset fault of versions before 3.51.3 cannot occur"
)


def version() -> str:
    """Return the line of `--version`."""
    return (
        f"praisonrun {__version__} ({form.form()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, OpenSSL {OPENSSL})"
    )


def made_of() -> dict[str, Any]:
    """Return the same as an object, with where it lies."""
    file, unpacked = form.file(), form.unpacked()
    return {
        "name": "praisonrun",
        "version": __version__,
        "form": form.form(),
        "file": file and str(file),
        "unpacked": unpacked and str(unpacked),
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "sqlite": {"version": sqlite3.sqlite_version, "wal_reset": WAL_RESET},
        "openssl": {"version": OPENSSL},
    }
