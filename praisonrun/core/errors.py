"""Every way praisonrun says no, mapped to a status once by each surface; and what messages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class PraisonrunError(Exception):
    """Something a user can meet. The message says what was wrong, where, and what to do."""

    code = "internal_error"

    def __init_subclass__(cls, *, code: str | None = None) -> None:
        cls.code = code or cls.code

    def __init__(self, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field  # the request's field at fault, where there is one
        self.retry_after = retry_after  # seconds after which the same request may succeed


class BadRequest(PraisonrunError, code="bad_request"):
    """A request whose form is wrong."""


class Invalid(PraisonrunError, code="invalid"):
    """A well-formed request with a value that cannot be served."""


class Forbidden(PraisonrunError, code="forbidden"):
    """A request that the configuration does not allow."""


class NotFound(PraisonrunError, code="not_found"):
    """A name that means nothing here."""


class RunNotFound(NotFound):
    """A run id that names no run; each dialect says it in its own words."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id}")
        self.run_id = run_id


class Gone(PraisonrunError, code="gone"):
    """What a finished run left and somebody else removed."""


class WrongState(PraisonrunError, code="wrong_state"):
    """A request that the run's present status does not allow."""


class WrongMode(Invalid):
    """A service that was submitted as a run, or a run as a service."""


class PortTaken(WrongState):
    """A service's port that somebody else has."""


class KeyReused(PraisonrunError, code="key_reused"):
    """An idempotency key that belongs to another payload."""


class QueueFull(PraisonrunError, code="queue_full"):
    """More queued runs than `--queue-limit`. Raised before any row exists."""


class DiskFull(PraisonrunError, code="disk_full"):
    """Less free space than `--min-free`. Raised before any row exists."""


class Unavailable(PraisonrunError, code="unavailable"):
    """The server cannot do this now: it is stopping, or its store failed."""


class NoServer(Unavailable):
    """No server holds the state directory that a command means."""


class Unreadable(Unavailable):
    """A stored version of an agent is damaged, or another praisonrun wrote it: waiting does not help."""

    def __init__(self, digest: str, agent: object, error: Exception) -> None:
        super().__init__(
            f"version {digest[:12]} of agent {agent!r} cannot be read: it is damaged, or was stored by "
            f"another version of praisonrun ({type(error).__name__}: {error})"
        )


class FaultPlace(NamedTuple):
    """Where a fault of a file is; without a line it is of the whole file."""

    file: str
    """As it is shown."""
    line: int | None = None
    """From 1."""
    column: int | None = None
    """From 1, in characters."""

    def __str__(self) -> str:
        return ":".join(str(part) for part in self if part is not None)


class ConfigError(PraisonrunError, code="config"):
    """A file, flag or directory that the server cannot work with."""

    def __init__(
        self, message: str, *, place: FaultPlace | None = None, faults: Sequence[ConfigError] = ()
    ) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self._faults = tuple(faults)
        self.what = message
        """The message without the place."""
        self.place: FaultPlace | None = faults[0].place if faults else place

    @property
    def faults(self) -> tuple[ConfigError, ...]:
        """What a message of several faults stands for; else the error itself."""
        return self._faults or (self,)


def reason(error: OSError) -> str:
    """Return what the system says of an error, in lower case and without the path that it was about."""
    return (error.strerror or "error").lower()


def escaped(text: str) -> str:
    """Return the text on one line: each character that is not printable becomes its escape (`\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: `1 run`, `2 runs`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
