"""The programs of --on-end and --on-ask: which they are, and what fills the placeholders of their words.

No shell reads them, and a placeholder is a whole word: what fills it is an argument, and never an option's
beginning, a command or two arguments.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence

from ..core.errors import ConfigError

ON_END, ON_ASK = "--on-end", "--on-ask"
NAMES: Mapping[str, Sequence[str]] = {
    ON_END: ("run_id", "agent", "status", "title", "error", "seconds", "url"),
    ON_ASK: ("run_id", "agent", "title", "ask_id", "question", "url"),
}
"""The placeholders of each flag."""
LONGEST = 300
"""Characters of a value."""
_WHOLE = re.compile(r"\{([A-Za-z_]\w*)\}")


def checked(flag: str, words: Sequence[str]) -> tuple[str, ...]:
    """Return a flag's program, by its absolute path, and its arguments. Raises ConfigError."""
    if not words:
        return ()
    for word in words:
        _check(flag, word)
    if _WHOLE.fullmatch(words[0]):
        raise ConfigError(f"{flag}: its first word is the program, and cannot be {words[0]}")
    name = os.path.expanduser(words[0])  # noqa: PTH111 - of an unknown user it is the name itself
    found = shutil.which(name, path=os.environ.get("PATH") or os.defpath)
    if found is None:
        where = "is no program that can be run" if "/" in name else "is not on PATH"
        raise ConfigError(f"{flag}: {words[0]} {where}; install it, or write its path")
    return os.path.abspath(found), *words[1:]  # noqa: PTH100 - a link may be what the program is known by


def _check(flag: str, word: str) -> None:
    known = ", ".join(f"{{{name}}}" for name in NAMES[flag])
    if "\0" in word:
        raise ConfigError(f"{flag}: a word of a command cannot have a null character")
    whole = _WHOLE.fullmatch(word)
    if whole and whole[1] not in NAMES[flag]:
        raise ConfigError(f"{flag}: there is no placeholder {word}; there are {known}")
    inside = None if whole else next((one for one in _WHOLE.finditer(word) if one[1] in NAMES[flag]), None)
    if inside:
        raise ConfigError(f"{flag}: {inside[0]} must be a word of its own, not a part of {word[:80]!r}")


def filled(words: Sequence[str], values: Mapping[str, object]) -> list[str]:
    """Return a command whose placeholders have their values, each on one line and not long."""
    return [_line(values[whole[1]]) if (whole := _WHOLE.fullmatch(word)) else word for word in words]


def _line(value: object) -> str:
    """Return a value as one argument: without ends of lines, control characters and halves of characters."""
    text = "".join(char if char.isprintable() else " " for char in str(value)[: 4 * LONGEST])
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
