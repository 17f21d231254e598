"""Agents files that a submit brings along: read like any other, run in the first root, kept nowhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..core.errors import ConfigError, Invalid
from . import files
from .document import Document
from .document import read as read_document

NAME = "agent_yaml"
NOWHERE = f"/dev/null/{NAME}"
"""Stands for the file of such an agent. Nothing can ever lie there, so its entry is never read again."""


def read(text: str, root: Path) -> Document:
    """Return what an inline file offers. Raises Invalid with `agent_yaml:line:column`.

    Literal env values are refused: a run would need them at its start, and they are never stored.
    """
    try:
        if len(text.encode("utf-8", "replace")) > files.MAX_BYTES:
            raise ConfigError(f"larger than {files.MAX_BYTES // 1024} KiB", place=NAME)
        found = read_document(text, root / NAME, NAME)
        if found.shared.env or any(agent.env for agent in found.agents.values()):
            raise ConfigError("`env` must be sent as the submit's `envs`, which are never stored", place=NAME)
    except ConfigError as error:
        raise Invalid(error.message, field=NAME) from None
    agents = {name: replace(agent, file=NOWHERE) for name, agent in found.agents.items()}
    return replace(found, agents=agents)
