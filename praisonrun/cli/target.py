"""The server that a client command talks to, and its token."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..config import discovery, secret_file
from ..config.settings import Settings, make, url
from .local import holder


@dataclass(frozen=True, slots=True)
class Target:
    """A server to talk to."""

    settings: Settings
    """The settings that would start it."""
    base: str
    token: str | None = field(default=None, repr=False)


def target(
    state: Path | None,
    host: str | None,
    port: int | None,
    agents: Path | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Target:
    """Return the server at host and port, or, if neither is given, the one that holds the state directory.

    Raises ConfigError for a setting that cannot work, such as a token file that cannot be read.
    """
    named = environ.get("PRAISONRUN_TOKEN_FILE")
    settings = make(
        host=host,
        port=port,
        state=state,
        agents=agents,
        token=environ.get("PRAISONRUN_TOKEN") or None,
        token_file=Path(named) if named else None,
    )
    base = url(settings.host, settings.port)
    found = discovery.find(settings.state, holder(settings.state))
    if found is not None and host is None and port is None:
        base = found.url
    token = settings.token
    if token is None and found is not None and found.token_file and found.url == base:
        token = secret_file.read(Path(found.token_file), "--token-file")
    return Target(settings, base, token)
