"""`praisonrun --version` and `praisonrun info`: which praisonrun this is, what it is made of, what runs."""

from __future__ import annotations

import json
import platform
import sqlite3
import ssl
import sys
from pathlib import Path
from typing import Any

from .. import __version__
from ..config import discovery, form
from ..config.settings import make

OPENSSL = ssl.OPENSSL_VERSION.split()[1]
WAL_RESET = (
    "one connection writes and checkpoints, so the WAL-reset fault of versions before 3.51.3 cannot occur"
)
_SERVER = "{url} (pid {pid}, version {version}, since {started_at})"


def version() -> str:
    """Return the line of `--version`."""
    return (
        f"praisonrun {__version__} ({form.form()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, OpenSSL {OPENSSL})"
    )


def print_info(state: Path | None, *, as_json: bool) -> int:
    """Print what is known without asking a server; `state` is as for all commands."""
    known = collect(make(state=state).state)
    print(json.dumps(known, indent=2) if as_json else "\n".join(_lines(known)))
    return 0


def collect(state: Path) -> dict[str, Any]:
    """Return what `--json` prints. `server` is null where none holds the state directory."""
    server, file, unpacked = discovery.find(state, discovery.holder(state)), form.file(), form.unpacked()
    return {
        "name": "praisonrun",
        "version": __version__,
        "form": form.form(),
        "file": file and str(file),
        "unpacked": unpacked and str(unpacked),
        "state": str(state),
        "server": None if server is None else server.public(),
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "sqlite": {"version": sqlite3.sqlite_version, "wal_reset": WAL_RESET},
        "openssl": {"version": OPENSSL},
    }


def _lines(known: dict[str, Any]) -> list[str]:
    server, python = known["server"], known["python"]
    rows = {
        "file": known["file"],
        "unpacked": known["unpacked"],
        "state": known["state"],
        "server": _SERVER.format_map(server) if server else "none",
        "Python": f"{python['version']} ({python['executable']})",
        "SQLite": f"{known['sqlite']['version']}: {WAL_RESET}",
        "OpenSSL": known["openssl"]["version"],
    }
    head = f"praisonrun {known['version']} ({known['form']})"
    return [head, *(f"  {name:<9} {value}" for name, value in rows.items() if value)]
