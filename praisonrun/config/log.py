"""The server's log: all that its process says, its interpreter too, goes to one writer (`config.stderr`).

A record whose arguments are a mapping has these as fields where the log is JSON.
"""

from __future__ import annotations

import atexit
import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from ..core import clock
from ..core.errors import escaped
from .stderr import Stderr

REPEATED, REMEMBERED = 60.0, 1000
"""Seconds for which a line of the log is not said again, and how many lines are known for that."""
SAID = "praisonrun.said"
"""The logger of what is said to the person who started the server: lines without time and level."""


def say(line: str, fields: Mapping[str, object] | None = None) -> None:
    """Say a line to the person who started the server; in JSON it has these fields."""
    logging.getLogger(SAID).info("%s" if fields is None else line, fields or line)


class OneLine(logging.Formatter):
    """A record is one line, whatever text it contains; only a traceback of ours takes more."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return escaped(record.getMessage()) if record.name == SAID else super().format(record)

    def foreign(self, text: str) -> str:
        """Return lines that are no record."""
        return text

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - its last line may contain a stranger's text
        return "\n".join(map(escaped, super().formatException(ei).split("\n")))


class AsJson(logging.Formatter):
    """A record is a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        fields = record.args if isinstance(record.args, Mapping) else {}
        trace = self.formatException(record.exc_info) if record.exc_info else None
        level, text = record.levelname.lower(), record.getMessage().strip()
        return _json(record.created, level, text, logger=record.name, **fields, trace=trace)

    def foreign(self, text: str) -> str:
        """Return lines that are no record: only the interpreter writes them, of warnings and faults."""
        now = clock.now() / 1e6
        return "".join(f"{_json(now, 'error', line)}\n" for line in text.splitlines())


def _json(created: float, level: str, message: str, **more: object) -> str:
    shown = {"ts": clock.iso(round(created * 1e6)), "level": level, "message": message, **more}
    return json.dumps({name: value for name, value in shown.items() if value is not None})


class Once(logging.Filter):
    """Passes a line once for as long as it is repeated: what fails is tried again each second.

    Lines with fields are never the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, Mapping):
            return True
        line, now = record.getMessage(), record.created
        again = abs(now - self._said.pop(line, 0)) < REPEATED
        self._said[line] = now  # the youngest is the last
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return not again


class Lines(logging.Handler):
    """Writes each record to standard error."""

    def __init__(self, stderr: Stderr, form: logging.Formatter) -> None:
        super().__init__()
        self._stderr = stderr
        self.addFilter(Once())
        self.setFormatter(form)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._stderr.line(self.format(record))
        except Exception:
            self.handleError(record)


def start(*, verbose: bool = False, as_json: bool = False) -> None:
    """Take standard error over, and log to it, until the process ends."""
    form = AsJson() if as_json else OneLine()
    sys.stderr = stderr = Stderr(form=form.foreign)
    atexit.register(stderr.drain)
    logging.basicConfig(level=logging.INFO, handlers=[Lines(stderr, form)])
    logging.getLogger("praisonrun").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns about each client that left
