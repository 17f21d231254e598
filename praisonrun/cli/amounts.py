"""Amounts as a person reads them: what a run used, bytes, and time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core.usage import counted

_THOUSANDS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((86_400, "d"), (3600, "h"), (60, "m"))


def tokens(usage: Mapping[str, Any] | None) -> str:
    """Return the tokens of both ways: `940`, `5.5k`, `1.2M`; empty for a run that told none."""
    used = counted(usage or {})
    count = (used.tokens_in or 0) + (used.tokens_out or 0)
    return "".join(_scaled(count)) if count else ""


def cost(usage: Mapping[str, Any] | None) -> str:
    """Return the cost: `$12.30`, `$0.0223`; empty for a run that told none."""
    dollars = (counted(usage or {}).cost_microusd or 0) / 1e6
    if not dollars:
        return ""
    return f"${dollars:.2f}" if dollars >= 1 else f"${max(dollars, 0.0001):.4f}"


def size(count: float) -> str:
    """Return bytes as a person says them: `512 B`, `1.2 kB`."""
    return "{} {}B".format(*_scaled(count))


def span(seconds: float) -> str:
    """Return some time as a person says it: `9s`, `2m`, `3h`, `4d`."""
    for unit, name in _TIMES:
        if seconds >= unit:
            return f"{seconds / unit:.0f}{name}"
    return f"{max(seconds, 0):.0f}s"


def when(text: str | None) -> datetime | None:
    """Return a time of the wire."""
    return datetime.fromisoformat(text) if text else None


def _scaled(count: float) -> tuple[str, str]:
    """Return a number in thousands, millions or thousand millions, and the letter of these."""
    for unit, letter in _THOUSANDS:
        if count >= unit:
            return f"{count / unit:.1f}", letter
    return str(count), ""
