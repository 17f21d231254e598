"""One attempt at real receivers on loopback: what each kind of them comes to, and what it is asked."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from praisonrun import __version__
from praisonrun.core import clock
from praisonrun.core.delivery import Delivery, Reach, Reply
from praisonrun.core.errors import ConfigError
from praisonrun.webhooks import Own, Sender, Signer, addresses_of
from praisonrun.webhooks.policy import Address
from praisonrun.webhooks.resolver import LOOKUPS, Resolver, Unresolved
from praisonrun.webhooks.sender import BODY_LIMIT, SHOWN, transport

from ..rigs import zoo
from ..rigs.zoo import Behave, Receiver

OWED = Delivery("msg_1", "run_1", "", "run.succeeded", 0, 0, Reach.LOOPBACK)
BODY = '{"job_id": "run_1", "result": "ü 😀"}'.encode()


async def here(_host: str, _port: int) -> list[Address]:
    return [ip_address("127.0.0.1")]


@asynccontextmanager
async def sender(signer: Signer | None = None, **options: Any) -> AsyncIterator[Sender]:
    made = Sender(signer or Signer(), Own(), clock.now, **{"total": 20.0, **options})
    try:
        yield made
    finally:
        await made.aclose()


async def attempt(url: str, reach: Reach = Reach.LOOPBACK, **options: Any) -> Reply:
    async with sender(**options) as made:
        return await made.send(replace(OWED, url=url, reach=reach), BODY)


async def test_what_a_receiver_is_sent() -> None:
    with Receiver(zoo.answer(204)) as receiver:
        reply = await attempt(receiver.url + "?a=b%20c")
        [got] = receiver.got
    assert (reply.status, reply.error, reply.text, reply.retry_after) == (204, None, "", None)
    assert 0 < reply.duration < 20
    assert (got.head, got.body) == ("POST /hook?a=b%20c HTTP/1.1", BODY)
    assert got.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": f"praisonrun/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "webhook-id": "msg_1",
        "webhook-timestamp": str(reply.at // 1_000_000),
    }


ZOO: dict[str, tuple[Behave, int | None, str | None]] = {
    "ok": (zoo.answer(200), 200, None),
    "500": (zoo.answer(500), 500, "answered 500"),
    "404": (zoo.answer(404), 404, "answered 404"),
    "410": (zoo.answer(410), 410, "answered 410"),
    "301": (zoo.answer(301, "Location: /other\r\n"), 301, "answered 301; redirects are not followed"),
    "304": (zoo.answer(304), 304, "answered 304; redirects are not followed"),
    "a body byte by byte": (zoo.drip_body, 200, None),
    "a gigabyte": (zoo.flood, 200, None),
    "a gzip bomb": (zoo.bomb, 200, None),
    "a head without end": (zoo.endless_head, None, "the answer is not HTTP"),
    "another protocol": (zoo.garbage, None, "the answer is not HTTP"),
    "no answer at all": (zoo.slam, None, "the answer is not HTTP"),
}


@pytest.mark.scorecard(20)
@pytest.mark.parametrize("kind", ZOO)
async def test_what_each_kind_comes_to(kind: str) -> None:
    behave, status, error = ZOO[kind]
    before = psutil.Process().memory_info().rss
    with Receiver(behave) as receiver:
        reply = await attempt(receiver.url)
        assert (reply.status, reply.error) == (status, error)
        assert len(receiver.got) == 1
        assert receiver.sent < 32 << 20  # what the kernel's buffers took, not what we did
    assert psutil.Process().memory_info().rss - before < 16 << 20


@pytest.mark.scorecard(20)
@pytest.mark.parametrize("behave", [zoo.hang, zoo.drip], ids=["hangs", "a head byte by byte"])
async def test_a_receiver_that_does_not_answer_is_left(behave: Behave) -> None:
    with Receiver(behave) as receiver:
        reply = await attempt(receiver.url, total=0.3)
    assert (reply.status, reply.error) == (None, "no answer within 0.3 s")
    assert 0.3 <= reply.duration < 5


@pytest.mark.scorecard(20)
async def test_a_closed_port() -> None:
    with zoo.Closed() as closed:
        reply = await attempt(closed.url)
    assert reply.status is None
    assert reply.error is not None
    assert reply.error.startswith("cannot connect")


@pytest.mark.scorecard(20)
async def test_a_redirect_leads_nowhere() -> None:
    with Receiver(zoo.answer(200)) as other:
        with Receiver(zoo.answer(302, f"Location: {other.url}\r\n")) as receiver:
            reply = await attempt(receiver.url)
        assert (reply.status, other.got) == (302, [])


@pytest.mark.scorecard(20)
async def test_a_busy_receiver_is_heard() -> None:
    with Receiver(zoo.answer(429, "Retry-After: 17\r\n")) as receiver:
        assert (await attempt(receiver.url)).retry_after == 17


async def test_proxies_and_credentials_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login u password p\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with Receiver(zoo.answer()) as proxy, Receiver(zoo.answer(200, "Set-Cookie: a=b\r\n")) as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with sender() as made:
            for _ in range(2):
                await made.send(replace(OWED, url=receiver.url), BODY)
        assert (len(receiver.got), proxy.got) == (2, [])
        assert not {"authorization", "cookie"} & (
            receiver.got[0].headers.keys() | receiver.got[1].headers.keys()
        )


@pytest.mark.parametrize(("reach", "shown"), [(Reach.LOOPBACK, True), (Reach.PRIVATE, False)])
async def test_the_answer_is_kept_short_and_for_callers_of_this_machine(reach: Reach, shown: bool) -> None:
    said = b"no\x1b[2J\r\n\xff " + b"x" * (2 * BODY_LIMIT)
    with Receiver(zoo.answer(500, "", said)) as receiver:
        # Only a receiver's address decides; here it is as far away as the caller.
        reply = await attempt(receiver.url, Reach.LOOPBACK) if shown else await elsewhere(receiver, reach)
    assert reply.status == 500
    if shown:
        assert reply.text is not None
        assert reply.text.startswith("no\\x1b[2J\\r\\n\\ufffd xxx".replace("\\ufffd", "\ufffd"))
        assert len(re.sub(r"\\x1b|\\r|\\n", "?", reply.text)) == SHOWN
    else:
        assert reply.text is None


async def elsewhere(receiver: Receiver, reach: Reach) -> Reply:
    """Make an attempt at a private address that is, for once, a receiver here."""
    import httpx2

    class Detour(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            request.url = request.url.copy_with(host="127.0.0.1")
            return await real.handle_async_request(request)

    real = transport("http")
    try:
        url = f"http://10.0.0.9:{receiver.port}/"
        return await attempt(url, reach, transports=lambda _: Detour())
    finally:
        await real.aclose()


@pytest.mark.scorecard(20)
async def test_a_certificate_must_be_the_name_s() -> None:
    trusts = ssl.create_default_context(cafile=str(zoo.PEM))
    options: dict[str, Any] = {"resolve": here, "transports": lambda scheme: transport(scheme, trusts)}
    with Receiver(zoo.answer(), tls=True) as receiver:
        right, wrong = (f"https://{name}.test:{receiver.port}/" for name in ("receiver", "other"))
        assert (await attempt(right, **options)).status == 200
        assert receiver.next().headers["host"] == f"receiver.test:{receiver.port}"
        for reply in (await attempt(wrong, **options), await attempt(right, resolve=here)):
            assert reply.status is None
            assert reply.error is not None
            assert re.match(r"cannot connect: .*certificate", reply.error, re.IGNORECASE)
        assert len(receiver.got) == 1


async def test_the_addresses_of_a_name_are_tried_in_turn() -> None:
    async def both(_host: str, _port: int) -> list[Address]:
        return [ip_address("::1"), ip_address("127.0.0.2"), ip_address("127.0.0.1")]

    with Receiver(zoo.answer()) as receiver:
        reply = await attempt(f"http://two.test:{receiver.port}/", resolve=both)
        assert (reply.status, len(receiver.got)) == (200, 1)
        assert (await attempt(f"http://localhost:{receiver.port}/")).status == 200


# --- signatures -----------------------------------------------------------------------------------


def secret_of(byte: int, size: int = 32) -> str:
    return "whsec_" + base64.b64encode(bytes([byte]) * size).decode()


def secret_file(path: Path, *lines: str, mode: int = 0o600) -> Path:
    file = path / "secret"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(mode)
    return file


async def test_signatures_pass_the_public_verifier(tmp_path: Path) -> None:
    signer = Signer.read(secret_file(tmp_path, secret_of(1), "", f"  {secret_of(2)}  "))
    with Receiver(zoo.answer()) as receiver:
        async with sender(signer) as made:
            await made.send(replace(OWED, url=receiver.url), BODY)
        got = receiver.next()
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    for active in (1, 2):
        assert Webhook(secret_of(active)).verify(got.body, got.headers) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(3)).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(1)).verify(got.body + b" ", got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_of(1)).verify(got.body, {**got.headers, "webhook-id": "msg_2"})


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [secret_of(1), secret_of(2), secret_of(3)],
        [secret_of(1).removeprefix("whsec_")],
        [secret_of(1, 23)],
        [secret_of(1, 65)],
        ["whsec_" + "!" * 44],
        [secret_of(1) + "=="],
        ["whsec_"],
    ],
    ids=["none", "three", "no prefix", "short", "long", "no base64", "padded", "empty"],
)
def test_what_is_no_secret_is_refused_and_not_repeated(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(ConfigError, match="--webhook-secret-file") as refused:
        Signer.read(secret_file(tmp_path, *lines))
    assert not any(line in str(refused.value) for line in lines if len(line) > 6)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o610])
def test_a_secret_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="chmod 600"):
        Signer.read(secret_file(tmp_path, secret_of(1), mode=mode))


def test_a_secret_file_that_is_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="--webhook-secret-file"):
            Signer.read(path)
    assert "webhook-signature" not in Signer.read(None).headers("msg_1", 0, b"{}")
    assert "AQEB" not in repr(Signer([b"\1" * 32]))


# --- names ----------------------------------------------------------------------------------------


def answers(*addresses: str) -> Callable[..., list[Any]]:
    return lambda *_, **__: [(None, None, 0, "", (address, 80)) for address in addresses]


async def test_a_name_s_addresses_in_order_without_repetition() -> None:
    found = await Resolver(answers("127.0.0.1", "::1", "127.0.0.1", "fe80::1%lo"))("name", 80)
    assert [str(address) for address in found] == ["127.0.0.1", "::1", "fe80::1%lo"]
    assert ip_address("127.0.0.1") in await Resolver()("localhost", 80)


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label")])
async def test_a_name_that_cannot_be_resolved(error: Exception) -> None:
    def fails(*_: object, **__: object) -> list[Any]:
        raise error

    with pytest.raises(Unresolved, match="cannot be resolved"):
        await Resolver(fails)("name", 80)


async def test_a_name_server_that_hangs_holds_one_thread_a_name_and_no_more_than_its_own() -> None:
    release, asked = threading.Event(), []

    def hangs(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        if host != "good":
            release.wait(zoo.PATIENCE)
        return answers("127.0.0.1")()

    resolver = Resolver(hangs, seconds=0.05)
    waits = [resolver("bad", 80) for _ in range(20)]
    found = await asyncio.gather(*waits, resolver("good", 80), return_exceptions=True)
    assert [type(one) for one in found[:-1]] == [Unresolved] * 20
    assert found[-1] == [ip_address("127.0.0.1")]
    assert asked.count("bad") == 1
    more = [resolver(f"bad{n}", 80) for n in range(LOOKUPS)]
    errors = await asyncio.gather(*more, return_exceptions=True)
    assert sum("too many" in str(error) for error in errors) == 1
    release.set()
    await asyncio.gather(*map(asyncio.wrap_future, list(resolver._asked.values())))
    assert await resolver("bad", 80) == [ip_address("127.0.0.1")]


def test_this_server_s_addresses() -> None:
    assert addresses_of("127.0.0.1") == {ip_address("127.0.0.1")}
    assert ip_address("127.0.0.1") in addresses_of("localhost")
    assert ip_address("127.0.0.1") in addresses_of("0.0.0.0")
    assert addresses_of("no such host") == frozenset()
