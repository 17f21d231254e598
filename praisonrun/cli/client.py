"""The HTTP client of the commands: the few calls they make; error answers become our own errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

import httpx2

from ..config import discovery
from ..core.errors import (
    BadRequest,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PraisonrunError,
    Unavailable,
    WrongState,
)
from ..core.json import Json
from .proof import Proving, Target, no_server

RUNS = "/api/v1/runs"
LIVE = "queued,running"
PAGE = 100
"""Runs that a list has at most."""
TRIES = 30
"""Attempts in a row before a server is given up: about a minute."""
PATIENCE = 60.0
"""Seconds of them in all: what hangs, or takes no connection, uses up its time in each."""
AWAY = 4
"""Attempts in a row before the person at the terminal is told: three quarters of a second."""
PATIENT = httpx2.Timeout(30.0, connect=5.0, read=None)
"""Where nothing may come for long: an agent has its grace, and may be silent for hours."""
_KINDS: dict[int, type[PraisonrunError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    409: WrongState,
    410: Gone,
    415: BadRequest,
    422: Invalid,
}

Pause = Callable[[float], None]


class Client:
    """A client of one server. Raises PraisonrunError with the server's own words."""

    def __init__(
        self,
        target: Target,
        *,
        tries: int = TRIES,
        transport: httpx2.BaseTransport | None = None,
        pause: Pause = time.sleep,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._http = httpx2.Client(
            base_url=target.base,
            trust_env=False,
            transport=transport or Proving(target),
            timeout=httpx2.Timeout(30.0, connect=5.0),
            headers={"Authorization": f"Bearer {target.token}"} if target.token else None,
        )
        self.base = target.base
        self._tries = tries
        self._pause = pause
        self._tell = tell
        self._lost_at = 0.0
        self._told_at = -PATIENCE
        self._state, self._met = target.state, False
        """Where its server is known to be, and whether it has answered."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def submit(self, body: Mapping[str, Json], key: str) -> dict[str, Any]:
        """Submit a run once, even if the connection breaks: `key` is its idempotency key."""
        return self.call("POST", RUNS, json=dict(body), headers={"Idempotency-Key": key})

    def agents(self) -> dict[str, Any]:
        """Return what agents the server offers, and its default."""
        return self.call("GET", "/api/v1/agents")

    def status(self, run_id: str) -> dict[str, Any]:
        return self.call("GET", f"{RUNS}/{run_id}")

    def result(self, run_id: str) -> dict[str, Any]:
        return self.call("GET", f"{RUNS}/{run_id}/result")

    def cancel(self, run_id: str, *, wait: bool = True) -> None:
        """Cancel a run. Does nothing to a run that has finished or was deleted."""
        with suppress(WrongState, NotFound):
            asked = {} if wait else {"wait": "false"}
            self.call("POST", f"{RUNS}/{run_id}/cancel", params=asked, timeout=PATIENT)

    def changes(self, cursor: str = "", wait: float = 0.0) -> dict[str, Any]:
        """Return what changed in all runs since a cursor, in a page; one of now without."""
        asked = {"after": cursor, "wait": f"{wait:.2f}"} if cursor else {}
        return self.call("GET", "/api/v1/events", params=asked, headers={"Accept": "application/json"})

    def live(self) -> dict[str, str]:
        """Return all queued and running runs: id to mode, `run` or `service`."""
        return {
            job["job_id"]: mode
            for mode in ("run", "service")  # a list holds one mode only
            for job in self.runs({"mode": mode, "status": LIVE})
        }

    def runs(self, query: Mapping[str, str], size: int = PAGE) -> Iterator[dict[str, Any]]:
        """Yield the runs of a list, newest first; a page of so many is asked for when it is needed."""
        page, found = 1, size
        while found == size:
            wanted = {**query, "page": page, "page_size": size}
            jobs = self.call("GET", RUNS, params=wanted)["jobs"]
            yield from jobs
            page, found = page + 1, len(jobs)

    def fetch(
        self, method: str, path: str, most: int, **options: Any
    ) -> tuple[int, Mapping[str, str], bytes, bool]:
        """Return an answer: status, headers, at most so many bytes, whether there are more. Tries once."""
        body = bytearray()
        with self._http.stream(method, path, **options) as answer:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > most:
                    break
        return answer.status_code, answer.headers, bytes(body[:most]), len(body) > most

    @contextmanager
    def opened(self, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """Open an answer that is read as it comes."""
        with self._http.stream("GET", path, **options) as answer:
            if answer.is_error:
                answer.read()
                _checked(answer)
            yield answer

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        failures = 0
        while True:
            try:
                answer = self._http.request(method, path, **options)
                self._met = True
                return _checked(answer)
            except httpx2.TransportError as error:
                failures = self.again(failures, error)

    def again(self, failures: int, fault: Exception) -> int:
        """Pause before another attempt; return how many failed in a row. Raises Unavailable after TRIES."""
        if not self._met and self._state is not None and discovery.holder(self._state) is None:
            raise no_server(self._state)  # it has left since it was found
        if failures == 0:
            self._lost_at = time.monotonic()
        if failures == self._tries or time.monotonic() - self._lost_at > PATIENCE:
            raise Unavailable(f"the server at {self.base} does not answer: {fault}") from fault
        if failures == AWAY and self._tell is not None and time.monotonic() > self._told_at + PATIENCE:
            self._told_at = time.monotonic()  # once, however many threads use this client
            self._tell(f"the server at {self.base} does not answer; trying for a minute")
        self._pause(min(0.05 * 2**failures, 2.0))
        return failures + 1


def _checked(answer: httpx2.Response) -> dict[str, Any]:
    body = _object(answer)
    if answer.is_success and body:
        return body
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        raise Forbidden("the server wants another token: name its file with --token-file")
    kind = _KINDS.get(answer.status_code, Unavailable)
    said = body.get("detail") or body.get("error")  # each dialect has its own
    text = str(said or f"the server answered {answer.status_code} {answer.reason_phrase}")
    raise kind(text, field=_field(body))


def _field(body: Mapping[str, Any]) -> str | None:
    """Return the field at fault that an error answer names first."""
    try:
        return str(body["errors"][0]["loc"][0])
    except (LookupError, TypeError):
        return None


def _object(answer: httpx2.Response) -> dict[str, Any]:
    """Return the JSON object of an answer's body, an empty one for anything else."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
