"""One look at a service on this machine: does it answer? Bounded, and without a client library."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from urllib.parse import quote

from ..core.agent import Readiness

HOST = "127.0.0.1"
LONGEST = 2.0
"""Seconds that one look takes at most."""
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_SAFE = "/?&=%:@!$'()*+,;~[]"


@dataclass(frozen=True, slots=True)
class Probe:
    """What one look found."""

    ok: bool
    status_code: int | None = None
    error: str | None = None
    cut_short: bool = False
    """Whether it was given less time than a look takes at most, and found nothing in it."""


async def probe(readiness: Readiness, port: int, seconds: float = LONGEST) -> Probe:
    """Look once, for at most `seconds`: connect (tcp), or ask for a path and take any 2xx or 3xx (http)."""
    try:
        async with asyncio.timeout(seconds):
            return await _http(port, readiness.path) if readiness.type == "http" else await _tcp(port)
    except TimeoutError:
        return Probe(ok=False, error=f"no answer within {seconds:.3g} s", cut_short=seconds < LONGEST)
    except OSError as error:
        return Probe(ok=False, error=_words(error))


async def _tcp(port: int) -> Probe:
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()
    return Probe(ok=True)


async def _http(port: int, path: str) -> Probe:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        head = f"GET {quote(path, safe=_SAFE)} HTTP/1.1\r\nHost: {HOST}:{port}\r\n"
        writer.write(f"{head}User-Agent: praisonrun\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
        found = _STATUS.match(await _status_line(reader))
    finally:
        writer.transport.abort()  # the rest of the answer is nobody's business
    if found is None:
        return Probe(ok=False, error="the answer is not HTTP")
    code = int(found[1])
    return Probe(200 <= code < 400, code, None if 200 <= code < 400 else f"answered {code}")


async def _status_line(reader: asyncio.StreamReader) -> bytes:
    """Return how an answer begins: its first line or 64 bytes, in however many pieces they come."""
    line = b""
    while b"\n" not in line and len(line) < 64 and (piece := await reader.read(64 - len(line))):
        line += piece
    return line


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probing:
        probing.bind((HOST, 0))
        return int(probing.getsockname()[1])


def in_use(port: int) -> bool:
    """Say whether somebody listens on a port, or it may not be listened on."""
    with socket.socket() as probing:
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((HOST, port))
        except OSError:
            return True
    return False


def _words(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
