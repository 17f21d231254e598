"""The budget of memory: what is large waits for place or is told to come again, what is small never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praisonrun.web.budget import FREE, MUCH, Budget
from praisonrun.web.budgeted import SLICE, UNDECLARED, Budgeted
from praisonrun.web.errors import handlers, problem
from praisonrun.web.transport import ABORT

pytestmark = pytest.mark.anyio
MB = 1 << 20
Endpoint = Callable[[Request], Awaitable[Response]]


class Client:
    """One request of a client that reads while `reads` is set."""

    def __init__(
        self, method: str = "GET", size: int = 0, *, chunked: bool = False, reads: bool = True
    ) -> None:
        self.method, self.size, self.chunked = method, size, chunked
        self.parts = [b"x" * min(16384, size - at) for at in range(0, size, 16384)]
        self.took = 0
        self.sent: list[Message] = []
        self.reads, self.started, self.aborted = anyio.Event(), anyio.Event(), anyio.Event()
        if reads:
            self.reads.set()

    async def of(self, app: ASGIApp) -> tuple[int, bytes]:
        """Return the status and body of the answer."""
        headers = [] if self.chunked else [(b"content-length", b"%d" % self.size)]
        scope: Scope = {
            "type": "http", "method": self.method, "path": "/", "headers": headers, "query_string": b"",
            "extensions": {ABORT: {"now": self.aborted.set}},
        }  # fmt: skip
        with anyio.fail_after(5):
            await app(scope, self._receive, self._send)
        return self.sent[0]["status"], b"".join(bytes(part.get("body", b"")) for part in self.sent)

    async def _receive(self) -> Message:
        self.took += 1
        if self.took > max(-(-self.size // 16384), 1):
            await self.aborted.wait()
            return {"type": "http.disconnect"}
        body = self.parts.pop(0) if self.parts else b""
        return {"type": "http.request", "body": body, "more_body": bool(self.parts)}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self.started.set()
        await self.reads.wait()


def app_of(budget: Budget, endpoint: Endpoint) -> ASGIApp:
    """Return an app within a budget, with the errors of a dialect."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            answer = await endpoint(request)
        except Exception as error:
            answer = await handlers()[Exception](request, error)  # type: ignore[arg-type, misc]
        await answer(scope, receive, send)

    return Budgeted(app, budget, lambda _path: problem)


async def measure(request: Request) -> Response:
    return Response(b"%d" % len(await request.body()))


def answers(size: int) -> Endpoint:
    async def endpoint(_: Request) -> Response:
        return Response(b"y" * size)

    return endpoint


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_waits_for_place_and_is_then_told_to_come_again(chunked: bool) -> None:
    budget = Budget(MB, patience=0.01)
    assert budget.take(MB)
    client = Client("POST", MB, chunked=chunked)
    status, body = await client.of(app_of(budget, measure))
    assert (status, b"holds as much" in body) == (503, True)
    headers = dict(client.sent[0]["headers"])
    assert (headers[b"retry-after"], headers[b"connection"]) == (b"1", b"close")
    assert client.took <= UNDECLARED // 16384 + 1 if chunked else client.took == 0  # nothing was read
    assert budget.left == 0


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_read_as_soon_as_there_is_place_and_gives_it_back(chunked: bool) -> None:
    budget = Budget(MB)
    assert budget.take(MB)
    done: list[tuple[int, bytes]] = []

    async def call() -> None:
        done.append(await Client("POST", MB, chunked=chunked).of(app_of(budget, measure)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await anyio.wait_all_tasks_blocked()
        assert not done
        budget.give(MB)
    assert (done, budget.left) == ([(200, b"1048576")], MB)


@pytest.mark.parametrize(
    ("method", "sends", "gets"), [("POST", FREE, 5), ("POST", UNDECLARED, 5), ("GET", 0, FREE)]
)
async def test_what_is_small_never_waits(method: str, sends: int, gets: int) -> None:
    budget = Budget(MB)
    assert budget.take(MB)

    async def endpoint(request: Request) -> Response:
        assert len(await request.body()) == sends
        return Response(b"y" * gets)

    client = Client(method, sends, chunked=sends == UNDECLARED)
    assert await client.of(app_of(budget, endpoint)) == (200, b"y" * gets)


async def test_a_large_answer_is_counted_until_its_client_has_taken_it() -> None:
    budget, client = Budget(MB), Client(reads=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.of, app_of(budget, answers(MB)))
        await client.started.wait()
        assert budget.left == FREE
        assert (await Client().of(app_of(budget, answers(5))))[0] == 200
        client.reads.set()
    assert budget.left == MB
    assert max(len(part.get("body", b"")) for part in client.sent) == SLICE
    assert b"".join(bytes(part.get("body", b"")) for part in client.sent) == b"y" * MB
    assert [part.get("more_body") for part in client.sent[1:]] == [True] * (MB // SLICE - 1) + [False]


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    budget = Budget(MB)
    for waits_for_place in (False, True):
        client = Client(reads=False)
        if waits_for_place:
            assert budget.take(MB)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.of, app_of(budget, answers(MB)))
            await anyio.wait_all_tasks_blocked()
            assert budget.left < MB
            tasks.cancel_scope.cancel()
        if waits_for_place:
            budget.give(MB)
    assert budget.left == MB
    assert await Client().of(app_of(budget, answers(MB))) == (200, b"y" * MB)  # nobody waits before it


async def test_place_that_came_as_its_client_left_is_given_back() -> None:
    budget = Budget(MB)
    assert budget.take(MB)
    waiting = asyncio.create_task(budget.wait(MB))
    await anyio.wait_all_tasks_blocked()
    budget.give(MB)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.left == MB


async def test_an_answer_that_finds_no_place_is_dropped_and_made_again() -> None:
    budget, calls = Budget(MB), 0
    assert budget.take(MB)
    client = Client()

    async def endpoint(_: Request) -> Response:
        nonlocal calls
        calls += 1
        return Response(b"%d" % calls * MB)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.of, app_of(budget, endpoint))
        await anyio.wait_all_tasks_blocked()
        assert (calls, client.sent) == (1, [])
        budget.give(MB)
    assert (calls, client.sent[1]["body"][:1], budget.left) == (2, b"2", MB)


async def test_what_was_large_is_not_made_before_there_is_place() -> None:
    budget, sizes = Budget(MB, patience=0.01), [MB, 5, 5]

    async def endpoint(_: Request) -> Response:
        return Response(b"y" * sizes.pop(0))

    app = app_of(budget, endpoint)
    assert (await Client().of(app))[0] == 200
    assert budget.take(MB)
    assert ((await Client().of(app))[0], len(sizes)) == (503, 2)
    budget.give(MB)
    assert await Client().of(app) == (200, b"y" * 5)
    assert budget.take(MB)
    assert await Client().of(app) == (200, b"y" * 5)  # it is known to be small now


async def test_memory_that_was_much_is_given_back_once_nothing_is_held() -> None:
    rests: list[int] = []
    budget = Budget(2 * MUCH, rest=lambda: rests.append(budget.left))
    for cost, expected in ((MUCH - 1, 0), (MUCH, 1), (1, 1)):
        assert budget.take(1)
        assert budget.take(cost - 1)
        budget.give(cost - 1)
        budget.give(1)
        await anyio.wait_all_tasks_blocked()
        assert rests == [2 * MUCH] * expected


async def test_an_answer_that_never_finds_place_is_told_in_the_dialects_form() -> None:
    budget = Budget(MB, patience=0.01)
    assert budget.take(MB)
    for method in ("GET", "POST"):
        client = Client(method)
        status, body = await client.of(app_of(budget, answers(MB)))
        assert (status, b'"status":503' in body) == (503, True)
        assert dict(client.sent[0]["headers"])[b"retry-after"] == b"1"
    assert budget.left == 0


async def test_the_answer_to_a_large_body_has_its_place() -> None:
    budget = Budget(MB)

    async def endpoint(request: Request) -> Response:
        return Response(await request.body())

    assert await Client("POST", MB).of(app_of(budget, endpoint)) == (200, b"x" * MB)
    assert budget.left == MB


async def test_an_answer_larger_than_all_there_is_takes_all() -> None:
    budget = Budget(MB)
    assert await Client().of(app_of(budget, answers(3 * MB))) == (200, b"y" * 3 * MB)
    assert budget.left == MB


async def test_a_failure_gives_place_back() -> None:
    budget = Budget(MB)

    async def endpoint(request: Request) -> Response:
        await request.body()
        raise RuntimeError("boom")

    assert (await Client("POST", MB).of(app_of(budget, endpoint)))[0] == 500
    assert budget.left == MB


async def test_a_chunk_is_counted_once_for_all_and_a_stream_without_place_is_cut() -> None:
    chunk, budget = b"z" * MB, Budget(MB)
    slow, other, late = Client(reads=False), Client(), Client()

    async def endpoint(_: Request) -> Response:
        async def chunks() -> object:
            yield chunk

        return StreamingResponse(chunks())  # type: ignore[arg-type]

    async def another(_: Request) -> Response:
        async def chunks() -> object:
            yield b"a" * MB

        return StreamingResponse(chunks())  # type: ignore[arg-type]

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slow.of, app_of(budget, endpoint))
        await slow.started.wait()
        slow.reads.set()
        slow.reads = anyio.Event()
        await anyio.wait_all_tasks_blocked()
        assert budget.left == FREE
        assert await other.of(app_of(budget, endpoint)) == (200, chunk)
        assert budget.left == FREE
        assert (await late.of(app_of(budget, another)))[1] == b""
        assert (late.aborted.is_set(), other.aborted.is_set()) == (True, False)
        slow.reads.set()
    assert budget.left == MB
