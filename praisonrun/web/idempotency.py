"""Idempotency keys: their form, and the fingerprint that tells one payload from another."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from ..core.errors import BadRequest
from ..core.json import Json, canonical_json

KEY = "^[!-~]{1,255}$"
"""The pattern of an Idempotency-Key: visible ASCII."""
_KEY = re.compile(KEY)


def checked_key(key: str) -> str:
    """Return an idempotency key as it was given. Raises BadRequest for a malformed one."""
    if not _KEY.fullmatch(key):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters", field="idempotency_key")
    return key


def fingerprint(payload: Mapping[str, Json]) -> str:
    """Return a payload's digest, 64 hex digits. Names of `envs` count, their values do not."""
    if isinstance(payload.get("envs"), dict):
        payload = {**payload, "envs": sorted(payload["envs"])}
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()
