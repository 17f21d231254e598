"""Large results: the JSON of a result file that is copied, where that means what its value would."""

from __future__ import annotations

import json
from math import isfinite
from typing import NoReturn

from ..core.json import Json, deeper
from .events import DEPTH
from .format import Header
from .reader import Reader
from .results import result_file

LARGE = 1024 * 1024
"""Bytes of a result that are parsed for each answer; of more JSON there is a copy."""


def large_result(reader: Reader) -> Header | None:
    """Return the frame of the latest attempt's result file, if that is large and can be copied into JSON.

    It takes the memory of the parsed value for a moment: let nobody else do so meanwhile.
    """
    file = result_file(reader)
    if file is None or len(file.data) <= LARGE or not can_be_copied(file.data):
        return None
    return Header(file.kind, file.time, file.offset, len(file.data))


def can_be_copied(text: bytes) -> bool:
    """Say whether every reader of some JSON finds the value that we would write after parsing it."""
    try:
        value = _STRICT.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return text.count(b"{") + text.count(b"[") <= DEPTH or not deeper(value, DEPTH)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


def _finite(digits: str) -> float:
    if isfinite(value := float(digits)):
        return value
    raise ValueError("a number is too large")


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_finite, parse_constant=_constant)
