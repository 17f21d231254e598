"""The access token, `Authorization: Bearer TOKEN`, compared in constant time."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest


class Token:
    """A token's digest, so that no crash report contains the token."""

    __slots__ = ("_digest",)

    def __init__(self, token: str) -> None:
        self._digest = sha256(token.encode()).digest()

    def admits(self, authorization: bytes) -> bool:
        """Say whether an Authorization header's value carries the token."""
        scheme, _, given = authorization.partition(b" ")
        # All digests have the same length, so the comparison reveals not even the token's length.
        same = compare_digest(sha256(given.strip(b" ")).digest(), self._digest)
        return same and scheme.lower() == b"bearer"
