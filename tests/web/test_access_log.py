"""Who is kept out is a line of the log, which a flood does not fill; so is each request if that is wanted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import pytest
from starlette.responses import Response

from praisonrun.web.access_log import TOLD
from praisonrun.web.edge import Access, Edge

from .test_edge import ask

TOKEN = "a-token-of-these-tests"
pytestmark = pytest.mark.anyio


async def asked(edge: Edge, head: Mapping[str, str], path: str = "/api/v1/runs") -> int:
    """Return the status that a request is answered."""
    headers = [(name.encode(), value.encode()) for name, value in {"host": "127.0.0.1:80", **head}.items()]
    status, _, _ = await ask(edge, headers, path=path, query=b"secret=1")
    return status


@pytest.fixture
def edge() -> Edge:
    return Edge(Response(), port=80, access=Access(token=TOKEN))


@pytest.fixture
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What the loop was asked to do later."""
    asked: list[Callable[[], None]] = []
    monkeypatch.setattr(
        asyncio.BaseEventLoop, "call_later", lambda _loop, _delay, what, *_args, **_more: asked.append(what)
    )
    return asked


async def test_a_stranger_is_one_line(edge: Edge, caplog: pytest.LogCaptureFixture) -> None:
    mine = {"authorization": f"Bearer {TOKEN}"}
    assert await asked(edge, mine) == 200
    assert await asked(edge, {"origin": "https://evil.test", **mine}) == 403
    assert await asked(edge, {"host": "evil.test", **mine}, f"/a\n{'b' * 999}") == 421
    assert await asked(edge, {"authorization": "Bearer wrong-token"}) == 401
    assert await asked(edge, {"content-encoding": "x", **mine}) == 415  # no stranger
    other = "this server is not evil.test; --allow-host evil.test lets it be"
    allowed = "pages of https://evil.test may not use this server; --allow-origin https://evil.test lets them"
    assert [record.getMessage() for record in caplog.records] == [
        f"rejected GET /api/v1/runs of 127.0.0.1 (403): {allowed}",
        f"rejected GET /a\n{'b' * 97} of 127.0.0.1 (421): {other}",
        "rejected GET /api/v1/runs of 127.0.0.1 (401): this server wants its token: Authorization: Bearer …",
    ]
    assert "wrong-token" not in caplog.text


async def test_a_flood_of_strangers_is_a_few_lines_and_a_number(
    edge: Edge, caplog: pytest.LogCaptureFixture, at_the_end: list[Callable[[], None]]
) -> None:
    for _ in range(100):
        assert await asked(edge, {"origin": "https://evil.test"}) == 403
    assert len(caplog.records) == len(at_the_end) == 1
    for number in range(1000):
        assert await asked(edge, {"host": f"evil{number}.test"}) == 421
    assert len(caplog.records) == TOLD
    at_the_end.pop()()
    assert caplog.records[-1].getMessage() == (
        f"{100 + 1000 - TOLD} more requests of strangers were rejected within 60 s"
    )
    assert await asked(edge, {"origin": "https://evil.test"}) == 403  # the next window
    assert (len(caplog.records), len(at_the_end)) == (TOLD + 2, 1)


async def test_each_request_is_a_line_where_it_is_wanted(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "praisonrun"):
        assert await asked(edge, {"authorization": f"Bearer {TOKEN}"}) == 200
    (record,) = caplog.records
    assert record.getMessage().startswith("200 for GET /api/v1/runs of 127.0.0.1 after ")
    assert "secret" not in caplog.text
