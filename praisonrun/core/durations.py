"""Durations as people write them: `90s`, `5m`, `1h30m`, `2d`."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
PATTERN = "(?=.)" + "".join(rf"(?:([0-9]+(?:\.[0-9]+)?){unit})?" for unit in _UNITS)
"""What `parse` takes, for JavaScript, too."""
_PARTS = re.compile(PATTERN)
_LOOSE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([a-z]*),? *")
_WORDS = {
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
    "m": ("m", "min", "mins", "minute", "minutes"),
    "s": ("s", "sec", "secs", "second", "seconds"),
}


def parse(text: str) -> float | None:
    """Return the seconds of a duration such as `1h30m`, its units in this order; None for any other text."""
    found = _PARTS.fullmatch(text)
    if not found:
        return None
    return sum(float(part) * size for part, size in zip(found.groups(), _UNITS.values(), strict=True) if part)


def meant(text: str) -> str:
    """Return what someone who wrote `5 min` or `5M` probably meant, in the form of `parse`; "" if unclear."""
    lowered = text.strip().lower()
    if not lowered or "".join(match[0] for match in _LOOSE.finditer(lowered)) != lowered:
        return ""
    units = {word: unit for unit, words in _WORDS.items() for word in words} | {"": ""}
    parts = [(number, units.get(word)) for number, word in _LOOSE.findall(lowered)]
    written = "".join(f"{number}{unit}" for number, unit in parts)
    fits = (len(parts) == 1 and parts[0][1] == "") or parse(written) is not None
    return written if fits else ""
