"""`praisonrun permission --hook`: what an agent may run before it calls a tool, to have a person allow it.

Codex, Gemini CLI and Qwen Code give a hook one JSON object, and take exit code 2 for a no whose reason is on
standard error.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress

from ..core.errors import ConfigError
from .ask import places
from .permit import Decision, decide

DENIED = 2


def answer_once(timeout: float) -> int:
    """Ask whether the tool of standard input may be called; return 0, or DENIED. Outside a run: 0."""
    try:
        places()
    except ConfigError:  # the agent's own settings hold for its user's terminal, too, where it asks by itself
        return 0
    decision = Decision(False, "The hook was not told which tool.")
    with suppress(ValueError, RecursionError):
        given = json.loads(sys.stdin.buffer.read())
        tool, wanted = (
            (given.get("tool_name"), given.get("tool_input")) if isinstance(given, dict) else ("", {})
        )
        if isinstance(tool, str) and tool:
            decision = decide(tool, wanted if isinstance(wanted, dict) else {"input": wanted}, timeout)
    if not decision.allowed:
        print(decision.why, file=sys.stderr)
    return 0 if decision.allowed else DENIED
