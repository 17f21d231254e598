"""What a run used, in a word: its tokens and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.usage import counted

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def tokens(usage: Mapping[str, Any] | None) -> str:
    """Return the tokens of both ways: `940`, `5.5k`, `1.2M`; empty for a run that told none."""
    used = counted(usage or {})
    count = (used.tokens_in or 0) + (used.tokens_out or 0)
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f}{name}"
    return str(count or "")


def cost(usage: Mapping[str, Any] | None) -> str:
    """Return the cost: `$12.30`, `$0.0223`; empty for a run that told none."""
    dollars = (counted(usage or {}).cost_microusd or 0) / 1e6
    if not dollars:
        return ""
    return f"${dollars:.2f}" if dollars >= 1 else f"${max(dollars, 0.0001):.4f}"
