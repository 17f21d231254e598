"""A run's id as a file name, and back. A caller may have chosen the id."""

from __future__ import annotations

import base64
import binascii
import re

_PLAIN = re.compile(r"[a-z0-9_-]{1,100}")
"""Ids that are file names as they are, as all ids are that praisonrun makes."""
_CODED = "="
"""The beginning of the file name of any other id."""


def file_name(run_id: str) -> str:
    """Return the file name of an id, which a caller may have chosen.

    Different ids have different names, even on a file system that ignores case. No name is `.`, `..` or
    another id's journal, and the name of an id of 128 characters is not too long.
    """
    if _PLAIN.fullmatch(run_id):
        return run_id
    return _CODED + base64.b32encode(run_id.encode()).decode().lower().rstrip("=")


def run_id_of(name: str) -> str:
    """Return the id of a file name; any other file's name is taken as an id."""
    if not name.startswith(_CODED):
        return name
    coded = name[1:].upper()
    try:
        return base64.b32decode(coded + "=" * (-len(coded) % 8)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return name
