"""The page for browsers: its files, as they are served. They are in memory: an upgrade may replace them.

Nothing in them is secret, so they need no token. All else the page asks the API for, as any client does.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

PLACE = Path(__file__).parent
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page alone has it: no inline script, nothing from elsewhere, no frame around it."""
PARTS = ("wire.js", "log.js", "state.js", "list.js", "run.js", "keys.js")
"""What app.js is made of, in this order. They share one scope, and as one stream they pack better."""
_UNSENT = re.compile(rb"^\s*(?:(?://|/\*\*|\*).*\n\s*)*|(?<=;) // .*", re.MULTILINE)
"""Indentation, empty lines, and comments. They stay in the sources."""
_SPACE = re.compile(rb";?\s*(?=})|(?<=[;:,{}])\s+|\s+(?={)")
"""What of a style means nothing. It stays in the source, too."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}


class File:
    """One file of the page."""

    def __init__(self, name: str, plain: bytes) -> None:
        self.name, self.plain, self._kind = name, plain, TYPES[Path(name).suffix]
        self._tag = blake2b(self.plain, digest_size=12).hexdigest()

    @cached_property
    def packed(self) -> bytes:
        """The file as gzip: made once, when it is first wanted."""
        return gzip.compress(self.plain, 9, mtime=0)

    def answer(self, request: Request) -> Response:
        """Return the file in the encoding that the client takes; 304 to one that has it."""
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        tag = f'"{self._tag}{"-gz" if zipped else ""}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept, Accept-Encoding"}
        headers["Content-Security-Policy"] = CSP
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return Response(self.packed if zipped else self.plain, 200, headers, self._kind)


def files() -> Mapping[str, File]:
    """Return the page's files by name."""
    found = (path for folder in (PLACE, PLACE / "vendor") for path in sorted(folder.iterdir()))
    contents = {path.name: path.read_bytes() for path in found if path.suffix in TYPES}
    script = b"".join(_UNSENT.sub(b"", contents.pop(part)) for part in PARTS)
    contents["style.css"] = _SPACE.sub(b"", contents["style.css"])
    return {name: File(name, content) for name, content in {**contents, "app.js": script}.items()}
