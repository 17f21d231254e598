"""Where a placeholder may stand in a command: it fills an element, or is the value of an option.

`{name}` or `--option={name}`, and nowhere else: inside a shell line a prompt would be a program.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

SESSION = "{session}"
"""The element that stands for what an agent is told of its conversation: any number of arguments."""
OF_SESSIONS = frozenset({"session_uuid", "agent_session"})
"""What may stand in these arguments."""
NAMES = frozenset(
    {"prompt", "port", "session", "session_id", "run_id", "python", "driver", "permission", *OF_SESSIONS}
)
_FORM = re.compile(r"(--?[A-Za-z0-9][A-Za-z0-9_.-]*=)?\{([A-Za-z_][A-Za-z0-9_]*)\}")
_INSIDE = re.compile(r"\{(?:" + "|".join(sorted(NAMES)) + r")\}")


def split(element: str) -> tuple[str, str] | None:
    """Return what stands before the placeholder of an element, and its name; None for an element without.

    An unknown name after an option is the option's own business: `--format={json}`.
    """
    found = _FORM.fullmatch(element)
    if not found or (found[1] and found[2] not in NAMES):
        return None
    return found[1] or "", found[2]


def misplaced(element: str) -> str:
    """Return a placeholder that stands where none is filled in, or ""."""
    found = None if split(element) else _INSIDE.search(element)
    return found[0] if found else ""


def prefixes(command: Iterable[str], name: str) -> list[str]:
    """Return what stands before each place of a placeholder in a command; empty without any."""
    return [found[0] for element in command if (found := split(element)) and found[1] == name]


def opened(command: Sequence[str], args: Sequence[str]) -> list[str]:
    """Return a command with arguments in the place of `{session}`."""
    return [part for element in command for part in (args if element == SESSION else (element,))]


def fill(element: str, values: Mapping[str, str]) -> str:
    """Return an element with the value of its placeholder, if it has one that is in `values`."""
    found = split(element)
    return found[0] + values[found[1]] if found and found[1] in values else element
