"""Text of strangers, made safe to show."""

from __future__ import annotations


def escaped(text: str) -> str:
    """Return the text on one line: each character that is not printable becomes its escape (`\\x1b`)."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
