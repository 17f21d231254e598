"""Answers as every dialect makes them."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

from starlette.responses import Response

from ..core.json import Json, dumps


def json_response(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer whose body is JSON."""
    return Response(dumps(body), status, headers, media_type="application/json")


def content_type(path: str) -> str:
    """Return the media type that a file's name suggests."""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"
