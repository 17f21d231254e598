"""What goes into and comes out of `run` as bytes: the prompt, and the result."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.errors import Invalid, reason
from ..core.json import Json
from .text import plain

if TYPE_CHECKING:
    from .client import Client  # what needs no server waits for no HTTP library

PROMPT_LIMIT = 1024 * 1024
"""Bytes of a prompt that a server takes."""
_STDOUT = {"stream": "stdout"}


def prompt(words: Sequence[str]) -> str:
    """Return the prompt: the words, and standard input after them where one is `-`, or where there is none.

    With words, standard input is read only if it is asked for: it may be a shell loop's. Raises Invalid.
    """
    if not words and sys.stdin.isatty():
        raise Invalid('no prompt: praisonrun run "what the agent is asked", or give it on standard input')
    said = [word for word in words if word != "-"]
    try:
        parts = [os.fsencode(" ".join(said)).decode()] if said else []  # the bytes, whatever the locale
        if len(said) < len(words) or not words:
            parts.append(_input().decode())
    except UnicodeError:
        raise Invalid("the prompt is not UTF-8 text") from None
    if not (text := "\n".join(parts)):
        raise Invalid("the prompt is empty: standard input had nothing")
    return text


def _input() -> bytes:
    try:
        data = sys.stdin.buffer.read(PROMPT_LIMIT + 1) or b""
    except OSError as error:
        raise Invalid(f"standard input cannot be read: {reason(error)}") from None
    if len(data) > PROMPT_LIMIT:
        raise Invalid(
            f"standard input is longer than a prompt may be: {PROMPT_LIMIT} bytes; put it into a file"
        )
    return data


def print_result(client: Client, status: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Print a run's result: what it printed byte for byte into a pipe, all else with a newline at its end.

    A terminal gets no control characters, and of a text over 1 MiB what the server shows of it.
    """
    shown = result.get("result")
    if shown is None:
        return
    if not sys.stdout.isatty() and (found := _printed(client, status, result)):
        _write(found)
        return
    _write([_encoded(plain(_text(shown)) if sys.stdout.isatty() else _text(shown))])


def was_printed(result: Mapping[str, Any]) -> bool:
    """Say whether a result is what the last attempt printed to stdout."""
    size, shown = _size(result), result.get("result")
    if not isinstance(shown, str):
        return False
    same = len(shown.encode("utf-8", "backslashreplace")) == size
    return same or bool(result.get("result_url")) or ("\ufffd" in shown and size > 0)


def print_object(shown: Json) -> None:
    """Print a JSON object over several lines."""
    print_text(_text(shown))


def print_lines(shown: Iterable[Json]) -> None:
    """Print a JSON value on each line."""
    _write(_encoded(json.dumps(each, ensure_ascii=False)) for each in shown)


def print_text(text: str) -> None:
    """Print a text with a newline at its end."""
    _write([_encoded(text)])


def _printed(client: Client, status: Mapping[str, Any], result: Mapping[str, Any]) -> Iterable[bytes] | None:
    """Return the bytes that a result stands for, None where it is not what the last attempt printed."""
    if not was_printed(result):
        return None
    from .output import printed

    size, shown, run_id = _size(result), str(result["result"]), str(result["job_id"])
    if result.get("result_url"):
        whole = status.get("attempt") == 1
        skip = 0 if whole else sum(map(len, printed(client, run_id, _STDOUT))) - size
        return _without(printed(client, run_id, _STDOUT), skip)
    if len(data := shown.encode("utf-8", "backslashreplace")) == size:
        return [data]
    data = b"".join(printed(client, run_id, _STDOUT))[-size:]  # it printed what is no text, perhaps
    return [data] if data.decode("utf-8", "replace") == shown else None


def _size(result: Mapping[str, Any]) -> int:
    """Return how many bytes the last attempt printed to stdout."""
    return (result.get("metrics") or {}).get("stdout_bytes") or 0


def _without(chunks: Iterable[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        skip, new = max(skip - len(chunk), 0), chunk[skip:]
        yield new


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _encoded(text: str) -> bytes:
    # JSON can carry half a surrogate pair, which UTF-8 cannot.
    data = text.encode("utf-8", "backslashreplace")
    return data if data.endswith(b"\n") else data + b"\n"


def _write(chunks: Iterable[bytes]) -> None:
    sys.stdout.flush()
    for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
