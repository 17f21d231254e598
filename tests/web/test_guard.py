"""The guarded protocol: what a stranger may make grow, how long he may take, what he is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anyio
import pytest
import uvicorn

from praisonrun.server import UVICORN
from praisonrun.web.edge import Edge
from praisonrun.web.errors import problem
from praisonrun.web.guard import LEFTOVER, PIECE, Guard
from praisonrun.web.head import Limits
from praisonrun.web.transport import HEADERS, written

from ..rigs.guard_rig import GET, HOST, QUICK, App, Quick, Wire, ask, served

pytestmark = pytest.mark.anyio
POST = b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
REFUSED: dict[str, tuple[list[bytes], int]] = {
    "a header without end": ([b"GET / HTTP/1.1\r\nX: ", *[b"y" * 2**16] * 100], 431),
    "a header just too long": ([b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 32768 + b"\r\n\r\n"], 431),
    "headers without end": ([b"GET / HTTP/1.1\r\n", *[b"X: y\r\n" * 1000] * 100], 431),
    "one header too many": ([b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 100 + b"\r\n"], 431),
    "a URL without end": ([b"GET /", *[b"y" * 2**16] * 100], 414),
    "a URL just too long": ([b"GET /" + b"y" * 8192 + b" HTTP/1.1\r\n" + HOST + b"\r\n"], 414),
    "a method without end": ([b"G" * 2**16] * 3, 400),
    "newlines without end": ([b"\r\n" * 2**15] * 3, 431),
    "another protocol": ([b"\x16\x03\x01\x02\x00\x01\x00"], 400),
    "a folded header": ([b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n z\r\n\r\n"], 400),
    "a bare CR": ([b"GET / HTTP/1.1\r\n" + HOST + b"X: y\rZ: z\r\n\r\n"], 400),
    "an absolute target of another server": ([b"GET http://evil.test/ HTTP/1.1\r\n" + HOST + b"\r\n"], 421),
    "one that names a user": ([b"GET http://u@127.0.0.1:8005/ HTTP/1.1\r\n" + HOST + b"\r\n"], 421),
    "one of TLS": ([b"GET https://127.0.0.1:8005/ HTTP/1.1\r\n" + HOST + b"\r\n"], 400),
    "one of no server": ([b"GET http:///x HTTP/1.1\r\n" + HOST + b"\r\n"], 400),
    "one without Host": ([b"GET http://127.0.0.1:8005/ HTTP/1.1\r\n\r\n"], 400),
    "one with two": ([b"GET http://127.0.0.1:8005/ HTTP/1.1\r\n" + HOST * 2 + b"\r\n"], 400),
    "one from a foreign page": (
        [b"GET http://127.0.0.1:8005/ HTTP/1.1\r\n" + HOST + b"Origin: http://evil.test\r\n\r\n"],
        403,
    ),
    "a tunnel": ([b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n"], 400),
    "a target of no path": ([b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n"], 400),
    "bytes in the path": ([b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n"], 400),
    "two lengths": ([POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"], 400),
    "length and chunks": ([POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"], 400),
    "no number": ([POST + b"Content-Length: 1e3\r\n\r\n"], 400),
    "chunks of no size": ([CHUNKED, b"xyz\r\n"], 400),
    "trailers without end": ([CHUNKED, b"1\r\n1\r\n0\r\nX: ", *[b"y" * 2**16] * 100], 431),
    "trailers beyond number": ([CHUNKED, b"1\r\n1\r\n0\r\n", *[b"X: y\r\n" * 100] * 9], 431),
    "a chunk's extension without end": ([CHUNKED, b"1;", *[b"y" * 2**16] * 100], 431),
    "two Hosts": ([b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n"], 400),
    "no Host": ([b"GET / HTTP/1.0\r\n\r\n"], 400),
    "a big body": ([POST + b"Content-Length: 300000000\r\n\r\n", *[b"y" * 2**16] * 100], 413),
}


@pytest.mark.scorecard(24)
@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_too_much_or_wrong_is_refused_as_a_problem(what: str) -> None:
    parts, expected = REFUSED[what]
    app = App()
    async with served(app, Limits()) as port:
        status, headers, body = await ask(port, *parts)
        assert status == expected
        assert headers[b"content-type"] == b"application/problem+json"
        for name, value in HEADERS:
            assert headers[name] == value
        shown = json.loads(body)
        assert (shown["status"], shown.keys()) == (expected, {"type", "title", "status", "detail"})
        assert "httptools" not in shown["detail"].lower()
        assert (await ask(port, GET))[0] == 200  # and the server is well


async def test_whole_requests_are_served_however_they_are_cut() -> None:
    body = b"x" * 700_000
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in (1, 5, 70_000))
    async with served(App(), Limits()) as port:
        assert (await ask(port, whole))[2] == b"700000"
        assert (await ask(port, *[whole[at : at + 1] for at in range(200)], whole[200:]))[2] == b"700000"
        assert (await ask(port, chunks + b"0\r\nX: trailer\r\nHost: evil\r\n\r\n"))[2] == b"70006"
        assert (await ask(port, b"\r\n\r\n" + GET))[0] == 200
        assert (await ask(port, GET[:-2] + b"X: " + b"y" * 30_000 + b"\r\n\r\n"))[0] == 200
        with await Wire.to(port, GET * 10) as wire:  # pipelined in one piece
            assert [(await wire.answer())[0] for _ in range(10)] == [200] * 10


async def test_a_pipeline_has_an_end() -> None:
    app = App()
    async with served(app) as port:
        with await Wire.to(port, (GET + b"\r\n") * 5000) as wire:
            assert await wire.ended()
        assert app.calls <= QUICK.pipelined + 1


async def test_an_upgrade_is_a_request_and_the_last_of_its_connection() -> None:
    async with served(App()) as port:
        upgrade = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        with await Wire.to(port, upgrade + b"\x81\x05hello") as wire:
            assert (await wire.answer())[0] == 200
            assert await wire.ended()


async def test_the_body_of_an_answered_request_is_read_for_a_while_only() -> None:
    async with served(App(), Limits(body=60)) as port:
        for path in (b"/early", b"/"):  # the app answers first; the edge refuses first
            refused = b"" if path == b"/early" else b"Origin: null\r\n"
            head = POST.replace(b"/", path, 1) + refused + b"Content-Length: 1000000\r\n\r\n"
            with await Wire.to(port, head) as wire:
                assert (await wire.answer())[0] == (403 if refused else 200)
                with pytest.raises(ConnectionError):
                    await wire.drip([b"y" * PIECE] * 200, 0.001)
    assert LEFTOVER < 1_000_000


SLOW: dict[str, list[bytes]] = {
    "nothing": [],
    "newlines": [b"\r\n"],
    "half a line": [b"GET / HT"],
    "half a head": [b"GET / HTTP/1.1\r\n" + HOST],
    "half a body": [POST + b"Content-Length: 100\r\n\r\nhalf"],
    "half a chunk": [CHUNKED + b"10\r\nhalf"],
    "no end of chunks": [CHUNKED + b"1\r\nx\r\n"],
    "half of the second": [GET, b"GET / HTTP/1.1\r\n"],
    "newlines after the first": [GET, b"\r\n"],
}


@pytest.mark.scorecard(23)
@pytest.mark.parametrize("what", SLOW)
async def test_the_slow_are_closed_in_time(what: str) -> None:
    app = App()
    async with served(app) as port:
        started = asyncio.get_running_loop().time()
        with await Wire.to(port) as wire:
            for part in SLOW[what]:
                wire.writer.write(part)
                await asyncio.sleep(0.02)
            assert await wire.ended()
        took = asyncio.get_running_loop().time() - started
        assert 0.25 < took < 1.5
        if what.startswith(("half a body", "half a chunk", "no end")):
            await app.left.wait()


@pytest.mark.scorecard(23)
async def test_a_byte_now_and_then_buys_no_time() -> None:
    async with served(App()) as port:
        for drip in (
            b"GET / HTTP/1.1\r\n" + HOST + b"X" * 999,
            POST + b"Content-Length: 999\r\n\r\n" + b"y" * 900,
        ):
            with await Wire.to(port) as wire, pytest.raises(ConnectionError):
                await wire.drip([drip[at : at + 1] for at in range(len(drip))], 0.01)


async def test_those_who_wait_for_us_are_not_closed() -> None:
    app = App()
    async with served(app) as port:
        with await Wire.to(port, GET) as idle, await Wire.to(port, GET.replace(b"/", b"/hold", 1)) as held:
            assert (await idle.answer())[0] == 200
            await asyncio.sleep(1.0)  # three times what a head may take
            idle.writer.write(GET)
            assert (await idle.answer())[0] == 200  # kept alive
            app.gate.set()
            assert (await held.answer())[0] == 200


async def test_one_who_takes_nothing_is_let_go() -> None:
    app = App()
    async with served(app) as port:
        with await Wire.to(port, GET.replace(b"/", b"/flood", 1)) as wire:
            wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
            with anyio.fail_after(5):
                await app.left.wait()


async def test_the_idle_make_room_for_the_new() -> None:
    app = App()
    async with served(app, Limits(connections=8)) as port:
        idle = [await Wire.to(port, GET if at % 2 else b"") for at in range(8)]
        for at in range(1, 8, 2):
            assert (await idle[at].answer())[0] == 200
        for _ in range(20):
            assert (await ask(port, GET))[0] == 200
        assert await idle[0].ended()  # which never asked for anything
        idle[7].writer.write(GET)
        assert (await idle[7].answer())[0] == 200
        for wire in idle:
            wire.__exit__()


async def test_where_all_are_busy_a_new_one_is_told_to_come_again() -> None:
    app = App()
    async with served(app, Limits(connections=4)) as port:
        held = [await Wire.to(port, GET.replace(b"/", b"/hold", 1)) for _ in range(4)]
        for _ in held:
            await app.called.acquire()
        status, headers, _ = await ask(port, GET)
        assert (status, headers[b"retry-after"], headers[b"connection"]) == (503, b"1", b"close")
        app.gate.set()
        assert [(await wire.answer())[0] for wire in held] == [200] * 4
        assert (await ask(port, GET))[0] == 200
        for wire in held:
            wire.__exit__()


def test_an_answer_as_bytes() -> None:
    said = written(problem(431, "too long", headers={"Retry-After": "1"}))
    head, body = said.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"retry-after: 1" in head
    assert f"content-length: {len(body)}".encode() in head


def test_limits_are_what_the_readme_says() -> None:
    limits: Any = Limits()
    assert (limits.head + 1, limits.body + 1, limits.connections) == (10, 30, 1024)


async def test_a_connection_that_ended_leaves_no_clock_running() -> None:
    config = uvicorn.Config(Edge(App(), port=8005), port=0, **UVICORN)
    server = Quick(config)
    async with server.running() as port:
        with await Wire.to(port, GET) as wire:
            assert (await wire.answer())[0] == 200
            (guard,) = server.server_state.connections
            assert isinstance(guard, Guard)
            assert guard.timeout_keep_alive_task is not None
        while server.server_state.connections:  # noqa: ASYNC110 - the end of a connection rings no bell
            await asyncio.sleep(0)
        assert guard.timeout_keep_alive_task is None


@pytest.mark.parametrize(
    "target", [b"http://127.0.0.1:8005/a?b=c", b"HTTP://LOCALHOST:8005/", b"http://[::1]:8005"]
)
async def test_an_absolute_target_is_served_by_its_own_authority(target: bytes) -> None:
    """RFC 9112 3.2.2: whoever has us for a proxy sends it, and the Host beside it does not count."""
    async with served(App()) as port:
        for host in (HOST, b"Host: elsewhere.test\r\n"):
            head = b"POST " + target + b" HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
            assert (await ask(port, head + b"Content-Length: 2\r\n\r\n{}"))[::2] == (200, b"2")
