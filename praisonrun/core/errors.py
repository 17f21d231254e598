"""Every way praisonrun says no: one class for each kind, mapped to a status once by each surface."""

from __future__ import annotations


class PraisonrunError(Exception):
    """Something a user can meet. The message says what was wrong, where, and what to do."""

    code = "internal_error"

    def __init__(self, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        """The request field at fault, where there is one."""
        self.retry_after = retry_after
        """Seconds after which the same request may succeed."""


class BadRequest(PraisonrunError):
    """A request whose form is wrong."""

    code = "bad_request"


class Invalid(PraisonrunError):
    """A well-formed request with a value that cannot be served."""

    code = "invalid"


class Forbidden(PraisonrunError):
    """A request that the configuration does not allow."""

    code = "forbidden"


class NotFound(PraisonrunError):
    """A name that means nothing here."""

    code = "not_found"


class RunNotFound(NotFound):
    """A run id that names no run; each dialect says it in its own words."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id}")
        self.run_id = run_id


class WrongState(PraisonrunError):
    """A request that the run's present status does not allow."""

    code = "wrong_state"


class WrongMode(Invalid):
    """A service that was submitted as a run, or a run as a service."""


class PortTaken(WrongState):
    """A service's port that somebody else has."""


class KeyReused(PraisonrunError):
    """An idempotency key that belongs to another payload."""

    code = "key_reused"


class QueueFull(PraisonrunError):
    """More queued runs than `--queue-limit`. Raised before any row exists."""

    code = "queue_full"


class DiskFull(PraisonrunError):
    """Less free space than `--min-free`. Raised before any row exists."""

    code = "disk_full"


class Unavailable(PraisonrunError):
    """The server cannot do this now: it is stopping, or its store failed."""

    code = "unavailable"


class Unreadable(Unavailable):
    """A stored version of an agent is damaged, or another praisonrun wrote it: waiting does not help."""


class ConfigError(PraisonrunError):
    """A file, flag or directory that the server cannot work with.

    `place` is `file:line:column` where the fault has one.
    """

    code = "config"

    def __init__(self, message: str, *, place: str | None = None) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.place = place


def reason(error: OSError) -> str:
    """Return what the system says of an error, in lower case and without the path that it was about."""
    return (error.strerror or "error").lower()
