"""What a person writes for a run: its id, the end of its id, or how new it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from .client import Client  # what names a run waits for no HTTP library

SHOWN = 6
"""Characters of an id that are shown: enough to tell some thousand runs apart."""


def find(client: Client, word: str) -> dict[str, Any]:
    """Return the status of the run that a word means. Raises NotFound and Invalid, which name candidates."""
    return client.call("GET", f"/api/v1/ids/{quote(word, safe='@')}")


def several(client: Client, words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the runs that words mean, each once, by id; without words the newest."""
    found = [find(client, word) for word in words or ("@",)]
    return {str(run["job_id"]): run for run in found}


def short(run_id: str) -> str:
    """Return the end of an id that praisonrun made, which is what commands take; a caller's own one whole."""
    return run_id[-SHOWN:] if len(run_id) > 2 * SHOWN else run_id
