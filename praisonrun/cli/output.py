"""What a run printed, over HTTP: byte for byte, once over all breaks, while it lives and afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import httpx2

from ..core.errors import Unavailable
from .client import PATIENT, RUNS, Client
from .outcome import finished


def printed(
    client: Client, run_id: str, query: Mapping[str, str], *, follow: bool = False
) -> Iterator[bytes]:
    """Yield the output that a query of /logs means; with `follow` until the run has finished.

    After a break it is read again from where it began, and what is known is left out. Raises Unavailable.
    """
    got, failures, cursor = 0, 0, ""
    whole = not follow or finished(client.status(run_id))
    while True:
        asked = {**query, **({} if whole else {"follow": "1"})}
        if cursor:
            asked = {"cursor": cursor, **{name: asked[name] for name in asked.keys() - {"tail", "since"}}}
        try:
            with client.opened(f"{RUNS}/{run_id}/logs", params=asked, timeout=PATIENT) as answer:
                cursor = answer.headers.get("praisonrun-cursor", "")
                for new in _beyond(answer.iter_bytes(), got):
                    got, failures = got + len(new), 0
                    yield new
            fault: Exception = Unavailable("the output ended early")
        except (httpx2.TransportError, Unavailable) as error:
            fault = error
        else:
            if whole:
                return
            # A server that stops lets its readers go, too: what is read after the end is all of it.
            if whole := finished(client.status(run_id)):
                continue
        failures = client.again(failures, fault)


def _beyond(chunks: Iterable[bytes], known: int) -> Iterator[bytes]:
    """Yield what comes after the first `known` bytes."""
    for chunk in chunks:
        if new := chunk[known:]:
            yield new
        known = max(known - len(chunk), 0)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield whole lines without their newlines, and a last one that has none."""
    begun: list[bytes] = []
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            yield b"".join([*begun, line])
            begun.clear()
        if rest:
            begun.append(rest)
    if begun:
        yield b"".join(begun)
