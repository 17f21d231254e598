"""Requests and agents files that are too much of something, made as they are sent."""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator
from itertools import pairwise, product

MB = 1 << 20
DEEP = 100_000
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"
Pieces = Callable[[], Iterator[bytes]]


def head(method: str, path: str, *more: str) -> bytes:
    """Return the head of a request but for its Host and its empty line."""
    lines = [f"{method} {path} HTTP/1.1", *more]
    return "\r\n".join([*lines, ""]).encode()


def asked(size: int | None = None) -> bytes:
    length = "Transfer-Encoding: chunked" if size is None else f"Content-Length: {size}"
    return head("POST", "/api/v1/runs", "Host: @", "Content-Type: application/json", length) + b"\r\n"


def posted(body: bytes) -> Pieces:
    return lambda: iter([asked(len(body)), body])


def endless(first: bytes, piece: bytes, size: int) -> Pieces:
    """Return what begins so and then repeats a piece up to so many bytes."""

    def pieces() -> Iterator[bytes]:
        yield first
        for _ in range(size // len(piece)):
            yield piece

    return pieces


def with_prompt(rest: str) -> Pieces:
    return posted(b'{"prompt": "x", "agent": "true", "metadata": {"a": %b}}' % rest.encode())


GET = head("GET", "/healthz", "Host: @")
REQUESTS: dict[str, tuple[Pieces, int]] = {
    "a header of 200 MB": (endless(GET + b"X: ", b"x" * 65536, 200 * MB), 431),
    "a header name of 200 MB": (endless(GET, b"x" * 65536, 200 * MB), 431),
    "100 000 headers": (endless(GET, b"X: y\r\n" * 100, 100_000 * 6), 431),
    "a URL of 200 MB": (endless(b"GET /", b"x" * 65536, 200 * MB), 414),
    "a body of 300 MB": (endless(asked(300 * MB), b"x" * 65536, 300 * MB), 413),
    "a chunked body of 300 MB": (endless(asked(), CHUNK, 300 * MB), 413),
    "lists 100 000 deep": (with_prompt("[" * DEEP + "]" * DEEP), 422),
    "objects 100 000 deep": (with_prompt('{"a":' * DEEP + "1" + "}" * DEEP), 422),
    "brackets that stay open": (posted(b"[" * DEEP), 422),
    "an integer of a million digits": (with_prompt("1" * 1_000_000), 422),
    "a number beyond all": (with_prompt("1e" + "9" * 1000), 422),
    "a number not of this world": (with_prompt("NaN"), 422),
    "100 000 times one key": (with_prompt("{" + ",".join(['"k":1'] * DEEP) + "}"), 422),
    "a prompt of 2 MB": (posted(json.dumps({"prompt": "x" * 2 * MB}).encode()), 422),
    "half a pair": (with_prompt('"\\ud800"'), 422),
    "a compressed body": (lambda: iter([asked(9)[:-2] + b"Content-Encoding: gzip\r\n\r\n", b"x" * 9]), 415),
}
KEYS = [*map("".join, product(string.ascii_letters, repeat=3))][:60_000]
KEYS = [key for key in KEYS if key.lower() not in ("off", "yes")]
"""Texts in YAML, so many in 256 KiB."""
FILES = {
    "aliases": "a: &a [x,x]\n"
    + "\n".join(f"{b}: &{b} [*{a},*{a}]" for a, b in pairwise(string.ascii_letters)),
    "a million merged keys": f"a: &a {{{','.join(KEYS[:1000])}}}\nb: {{<<: [{','.join(['*a'] * 1000)}]}}",
    "60 000 keys": "{" + ",".join(KEYS) + "}",
    "900 deep": "{k: " * 900 + "1" + "}" * 900,
    "100 000 brackets": "[" * DEEP,
    "1 MB": "# " + "x" * MB,
}
