"""Answers as every dialect makes them."""

from __future__ import annotations

import mimetypes


def content_type(path: str) -> str:
    """Return the media type that a file's name suggests."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
