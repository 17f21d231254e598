"""`praisonrun info`: which praisonrun this is, where its state is, and how the server there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..config import discovery
from ..config.discovery import Named
from ..config.settings import Settings
from ..core.errors import NotFound, PraisonrunError
from . import local
from .client import Client
from .pipe import print_object
from .proof import no_server
from .table import show_pairs
from .text import plain
from .version import made_of

_SERVER = "{url} (pid {pid}, version {version}, since {started_at})"
_LIVE = ("running", "queued")


def print_info(named: Named, *, as_json: bool) -> int:
    """Print what is known of praisonrun and its server; return 1 if the server does not answer, else 0."""
    settings = local.settings_of(named)
    known = collect(settings.state) | {"health": None, "queue": None, "problem": None}
    try:
        known |= _asked(named, settings)
    except PraisonrunError as error:
        known["problem"] = error.message
    if as_json:
        print_object(known)
    else:
        show_pairs(f"praisonrun {known['version']} ({known['form']})", list(rows(known)))
    return 1 if known["problem"] else 0


def collect(state: Path) -> dict[str, Any]:
    """Return what is known without asking a server. `server` is null where none holds the state directory."""
    server = discovery.find(state, discovery.holder(state))
    return {**made_of(), "state": str(state), "server": None if server is None else server.public()}


def _asked(named: Named, settings: Settings) -> dict[str, Any]:
    """Return what the server says of itself. Raises PraisonrunError where it does not answer."""
    target = local.find(named, settings)
    if target is None:
        if discovery.holder(settings.state) is not None:
            raise no_server(settings.state)
        return {}
    with Client(target, tries=3) as client:
        found = {"health": client.call("GET", "/health")}
        with suppress(NotFound):  # an older server
            found["queue"] = client.call("GET", "/api/v1/queue")
        if named.url is not None:
            found["server"] = {"url": target.base, **client.call("GET", discovery.PROOF_PATH)}
    return found


def rows(known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the names and values to show."""
    server, python, health = known["server"], known["python"], known["health"]
    problems = ([known["problem"]] if known["problem"] else []) + (health["problems"] if health else [])
    found = [
        ("file", known["file"]),
        ("unpacked", known["unpacked"]),
        ("state", known["state"]),
        ("server", _SERVER.format_map(server) if server else "none"),
        ("runs", _runs(health) if health else None),
        ("queue", _queue(known["queue"]) if known["queue"] else None),
        *(("problem", problem) for problem in problems),
        ("Python", f"{python['version']} ({python['executable']})"),
        ("SQLite", f"{known['sqlite']['version']}: {known['sqlite']['wal_reset']}"),
        ("OpenSSL", known["openssl"]["version"]),
    ]
    return ((name, plain(value)) for name, value in found if value)


def _runs(health: Mapping[str, Any]) -> str:
    counts = health["runs"]
    ended = [f"{count} {status}" for status, count in counts.items() if count and status not in _LIVE]
    live = f"{counts.get('running', 0)} running of at most {health['concurrency']}"
    return ", ".join([live, f"{counts.get('queued', 0)} queued", *ended])


def _queue(queue: Mapping[str, Any]) -> str:
    paused = [each["agent"] for each in queue["agents"] if each["paused_since"]]
    if queue["paused_since"]:
        return f"paused since {queue['paused_since']}; praisonrun resume"
    return f"paused for {', '.join(paused)}; praisonrun resume AGENT" if paused else ""
