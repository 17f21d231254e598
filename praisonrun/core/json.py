"""JSON as praisonrun writes, compares and limits it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

Json = Any
"""Any value that `json.loads` may return."""
_BREAKS = [(char.encode(), f"\\u{ord(char):04x}".encode()) for char in "\x85\u2028\u2029"]
"""JSON allows these characters unescaped; str.splitlines, and so httpx's iter_lines, splits lines at them."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def dumps(value: Json) -> bytes:
    """Return JSON bytes without line breaks of any kind. NaN becomes null; a lone surrogate is escaped."""
    try:
        text = _encoder()(value, inf_nan_mode="null")
    except ValueError:  # a lone surrogate in an agent's output, or deep nesting
        return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None)).encode()
    for code, escaped in _BREAKS:
        text = text.replace(code, escaped)
    return text


@cache
def _encoder() -> Callable[..., bytes]:
    from pydantic_core import to_json  # client commands import this module and do not need pydantic

    return to_json


def canonical_json(value: Json) -> str:
    """Return JSON text that is the same for equal values, whatever the order of their keys."""
    return _CANONICAL.encode(value)


def deeper(value: Json, levels: int) -> bool:
    """Say whether arrays and objects nest more than `levels` deep."""
    level = [value]
    for _ in range(levels):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Json) -> list[Json]:
    nodes = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in nodes if isinstance(child, dict | list)]
