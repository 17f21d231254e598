"""Standard Webhooks headers, and the secrets that sign them. No other module sees the secrets."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ..config import private_file
from ..core.errors import ConfigError

PREFIX = "whsec_"
SIZE = range(24, 65)
"""Bytes of a secret."""
FLAG = "--webhook-secret-file"


class Signer:
    """Signs with every active secret: one, two during a rotation, or none."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = tuple(secrets)

    @classmethod
    def read(cls, path: Path | None) -> Signer:
        """Return the signer of a secret file: a `whsec_…` line, or two while secrets are rotated.

        Raises ConfigError, which never repeats what the file holds.
        """
        if path is None:
            return cls()
        where = f"{FLAG} {path}"
        lines = [line.strip() for line in private_file.text(path, FLAG).splitlines() if line.strip()]
        if not 1 <= len(lines) <= 2:
            raise ConfigError(f"{where}: must hold one secret, or two on two lines; it has {len(lines)}")
        return cls([_secret(line, where) for line in lines])

    def headers(self, message_id: str, at: int, body: bytes) -> dict[str, str]:
        """Return the headers of one attempt at `at`, in microseconds."""
        seconds = at // 1_000_000
        headers = {"webhook-id": message_id, "webhook-timestamp": str(seconds)}
        if self._secrets:
            from standardwebhooks import Webhook

            moment, text = datetime.fromtimestamp(seconds, UTC), body.decode()
            signatures = [Webhook(secret).sign(message_id, moment, text) for secret in self._secrets]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def _secret(line: str, where: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(PREFIX), validate=True)
    except ValueError:
        secret = b""
    if not line.startswith(PREFIX) or len(secret) not in SIZE:
        raise ConfigError(
            f"{where}: a secret is {PREFIX} and {SIZE[0]} to {SIZE[-1]} bytes in base64; "
            f'make one with: echo "{PREFIX}$(openssl rand -base64 32)"'
        )
    return secret
