"""Origins of pages: which may be named, and whether a page is one of those that were."""

from __future__ import annotations

import re
from collections.abc import Collection

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?")
_LOOPBACK = re.compile(r"(https?://(?:localhost|127\.0\.0\.1|\[::1\])):\*")
_DEFAULT_PORT = {"http": ":80", "https": ":443"}
ANY_PORT = ":*"


def origin(text: str) -> str | None:
    """Return an origin as browsers send it, or a loopback one with ANY_PORT; None for what is none."""
    text = text.lower().removesuffix("/")
    if _LOOPBACK.fullmatch(text):
        return text
    match = _ORIGIN.fullmatch(text)
    if match is None or match[1] == "file":  # whose pages send null, as every sandboxed frame does
        return None
    scheme, host, port = match.groups()
    return f"{scheme}://{host}{port if port and port != _DEFAULT_PORT.get(scheme) else ''}"


def allows(named: Collection[bytes], sent: bytes) -> bool:
    """Say whether an Origin header's value is among some named origins."""
    lowered = sent.lower()
    if lowered in named:
        return True
    head, _, port = lowered.rpartition(b":")
    base = head if port.isdigit() else lowered
    return base + ANY_PORT.encode() in named
