"""What people really write, or paste from a page, and what to say of it. Pure."""

from __future__ import annotations

import re
import unicodedata

_ODD = (
    ("[\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019\u201a]", "{} is a curly quote; write \" or '"),
    ("[\u00a0\u2000-\u200a\u202f\u3000]", "{} is no plain space; replace it by one"),
    ("[\u200b-\u200f\u2060\ufeff]", "{} cannot be seen; remove it"),
    ("[\u2010-\u2015\u2212\uff0d]", "{} is a long dash; write -"),
    ("\uff1a", "{} is a wide colon; write : and a space"),
    ("[\uff0c\u3001]", "{} is a wide comma; write ,"),
    ("[\uff08\uff09\uff3b\uff3d\uff5b\uff5d\u3010\u3011]", "{} is a wide bracket; write [ ] or { }"),
)
_NAME = re.compile(r"[A-Za-z0-9._-]")


def odd(text: str) -> str:
    """Return what to do about the first character of a text that only looks like one of YAML's, or ""."""
    for pattern, advice in _ODD:
        if found := re.search(pattern, text):
            return advice.replace("{}", shown(found[0]), 1)
    return ""


def key(text: str) -> str:
    """Return a hint for an unknown key, or ""."""
    if text.startswith(("x-", "x_")):
        return "put what agents share under `defaults:`"
    return odd(text)


def shown(character: str) -> str:
    """Return a character with its number, so that look-alikes can be told apart: `“ (U+201C)`."""
    number = f"U+{ord(character):04X}"
    return f"{character} ({number})" if character.isprintable() and not character.isspace() else number


def name(text: str) -> str:
    """Return what is wrong with the name of an agent."""
    rule = "an agent's name is letters, digits, . _ and -"
    odd_ones = [character for character in text if not _NAME.fullmatch(character)]
    if not text:
        return f"{rule}; this one is empty"
    if odd_ones:
        known = unicodedata.name(odd_ones[0], "").lower()
        called = "a space" if odd_ones[0] == " " else f"{shown(odd_ones[0])}{', ' * bool(known)}{known}"
        return f"{rule}, of ASCII only; it has {called}"
    if len(text) > 100:
        return f"an agent's name has at most 100 characters; this one has {len(text)}"
    return f"{rule}, and begins with a letter or digit"


def of_line(text: str) -> str:
    """Return a better hint for a line that is not YAML, or ""."""
    bare = text.strip()
    if bare.startswith("//"):
        return "a comment begins with #"
    if re.match(r"[A-Za-z_]+ *= *\S", bare):
        return "write `key: value`"
    return odd(text)


def cut_off(lines: list[str]) -> tuple[int, int] | None:
    """Return the line and column (from 0) of a # that cut off the end of a list or mapping, or None."""
    for number, line in enumerate(lines):
        found = re.search(r"(?<=\s)#(?=[^\s#].*[\]}])", line)
        if found:
            return number, found.start()
    return None
