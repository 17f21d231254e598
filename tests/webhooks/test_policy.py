"""Which receivers a webhook may have: hostile urls, with a resolver and a connector of our own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

import httpx2
import pytest

from praisonrun.core.delivery import Delivery, Reach
from praisonrun.core.errors import Invalid
from praisonrun.webhooks import Own, Sender, Signer, reach_of
from praisonrun.webhooks.policy import Address, check
from praisonrun.webhooks.resolver import Unresolved
from praisonrun.webhooks.sender import UNREACHABLE

pytestmark = pytest.mark.scorecard(27)

OWN = Own(8005, frozenset({ip_address("127.0.0.1"), ip_address("192.168.7.7"), ip_address("203.0.114.9")}))
NAMES = {
    "good.example": ["93.184.216.34"],
    "good6.example": ["2606:2800:21f:cb07::1"],
    "localhost.attacker.example": ["127.0.0.1"],
    "127-0-0-1.nip.example": ["127.0.0.1"],
    "ten.attacker.example": ["10.1.2.3"],
    "six.attacker.example": ["fd12:3456::1"],
    "mapped.attacker.example": ["::ffff:10.0.0.1"],
    "nat64.attacker.example": ["64:ff9b::a9fe:a9fe"],
    "sixtofour.attacker.example": ["2002:a9fe:a9fe::1"],
    "mixed.attacker.example": ["93.184.216.34", "127.0.0.1"],
    "mixed-metadata.attacker.example": ["93.184.216.34", "169.254.169.254"],
    "meta.attacker.example": ["169.254.169.254"],
    "zero.attacker.example": ["0.0.0.0"],
    "self.attacker.example": ["203.0.114.9"],
    "lan-self.attacker.example": ["192.168.7.7"],
    "linklocal.attacker.example": ["fe80::1%2"],
    "none.attacker.example": [],
}

FORM = [
    "",
    "x",
    "//good.example/",
    "ftp://good.example/",
    "file:///etc/passwd",
    "gopher://good.example/",
    "javascript:alert(1)",
    "unix:/run/x.sock",
    "http:",
    "http:///path",
    "http://:80/",
    "http://good.example:0/",
    "http://good.example:65536/",
    "http://good.example:99999999/",
    "http://good.example:-1/",
    "http://good.example:8o/",
    "http://user@good.example/",
    "http://user:secret@good.example/",
    "http://good.example@127.0.0.1/",
    "http://@good.example/",
    "http://good.example/#x",
    "http://good.example/#",
    "http://good.example\\@127.0.0.1/",
    "http:\\\\good.example/",
    "http://good.example/\n",
    "http://good.exa\tmple/",
    "http://good.example/a b",
    " http://good.example/",
    "http://good.example\r\nX: y/",
    "http://good.example/\x00",
    "http://[::1/",
    "http://[::1%25lo]/",
    "http://[fe80::1%25eth0]/",
    "http://%31%32%37.0.0.1/",
    "http://\u2488.example\u3002\u3002/",
    f"http://good.example/{'x' * 2048}",
]
"""What is no webhook url, whoever asks."""

NEVER = [
    "http://0.0.0.0/",
    "http://0/",
    "http://0x0/",
    "http://[::]/",
    "http://0.1.2.3/",
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::]/",
    "http://[::169.254.169.254]/",
    "http://169.254.170.2/v2/credentials",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://metadata.google.internal/",
    "http://METADATA.google.internal./",
    "http://metadata/",
    "http://metadata.goog/",
    "http://instance-data/",
    "http://224.0.0.1/",
    "http://239.255.255.250:1900/",
    "http://[ff02::1]/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://127.0.0.1:8005/",
    "http://localhost:8005/",
    "http://LOCALHOST.:8005/",
    "http://x.localhost:8005/",
    "http://127.9.9.9:8005/",
    "http://127.1:8005/",
    "http://2130706433:8005/",
    "http://[::1]:8005/",
    "http://[::ffff:127.0.0.1]:8005/",
    "http://[64:ff9b::7f00:1]:8005/",
    "http://192.168.7.7:8005/",
    "http://203.0.114.9:8005/",
]
"""Where nobody's webhook goes."""

NEVER_BY_NAME = [
    "http://meta.attacker.example/",
    "http://nat64.attacker.example/",
    "http://sixtofour.attacker.example/",
    "http://zero.attacker.example/",
    "http://mixed-metadata.attacker.example/",
    "http://self.attacker.example:8005/",
    "http://lan-self.attacker.example:8005/",
    "http://linklocal.attacker.example/",
    "http://localhost.attacker.example:8005/",
    "http://none.attacker.example/",
    "http://unknown.attacker.example/",
]

LOOPBACK = [
    "http://127.0.0.1:9000/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://localhost/",
    "http://LocalHost./",
    "http://app.localhost:3000/",
    "http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "http://\u2460\u2461\u2466.0.0.1/",
]
LOOPBACK_BY_NAME = [
    "http://localhost.attacker.example/",
    "http://127-0-0-1.nip.example/",
    "http://mixed.attacker.example/",
]
PRIVATE = [
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://3232235777/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://[fd12:3456::1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[2002:a00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/",
]
PRIVATE_BY_NAME = [
    "http://ten.attacker.example/",
    "http://six.attacker.example/",
    "http://mapped.attacker.example/",
]
PUBLIC = [
    "http://93.184.216.34/",
    "https://good.example/hook?token=x",
    "https://GOOD.example:8443/",
    "http://good6.example:8005/",
    "http://[2606:2800:21f:cb07::1]/",
    "http://93.184.216.34:8005/",
]


class Connector(httpx2.AsyncBaseTransport):
    """Connects to nobody and remembers to whom."""

    def __init__(self) -> None:
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return httpx2.Response(200)

    @property
    def addresses(self) -> list[Address]:
        return [ip_address(request.url.host) for request in self.asked]


async def resolve(host: str, _port: int) -> list[Address]:
    if host not in NAMES:
        raise Unresolved("no such name")
    return [ip_address(text) for text in NAMES[host]]


async def attempt(url: str, reach: Reach) -> tuple[Connector, str | None]:
    """Make one attempt at a url, past the check at submit: return whom it asked, and its error."""
    connector = Connector()
    sender = Sender(Signer(), OWN, lambda: 0, resolve=resolve, transports=lambda _: connector)
    reply = await sender.send(Delivery("msg_1", "run_1", url, "run.succeeded", 0, 0, reach), b"{}")
    assert (reply.error is None) == (len(connector.asked) == 1)
    return connector, reply.error


def may(url: str, reach: Reach) -> bool:
    """Say whether a submit takes a url."""
    with suppress(Invalid):
        check(url, reach, OWN)
        return True
    with pytest.raises(Invalid, match="webhook_url must") as refused:
        check(url, reach, OWN)
    assert refused.value.field == "webhook_url"
    return False


EVERY = FORM + NEVER + NEVER_BY_NAME + LOOPBACK + LOOPBACK_BY_NAME + PRIVATE + PRIVATE_BY_NAME
RULES: list[tuple[list[str], list[str], set[Reach]]] = [
    (FORM, [], set()),
    (NEVER, NEVER_BY_NAME, set()),
    (LOOPBACK, LOOPBACK_BY_NAME, {Reach.LOOPBACK}),
    (PRIVATE, PRIVATE_BY_NAME, {Reach.LOOPBACK, Reach.PRIVATE}),
    (PUBLIC, [], set(Reach)),
]
"""Literal urls, urls by name, and the callers who may use them."""


def far_enough(address: Address, reach: Reach) -> bool:
    """Say whether an address that was connected to is no nearer than the caller."""
    found, order = reach_of(address), list(Reach)
    return found is not None and order.index(found) >= order.index(reach)


@pytest.mark.parametrize("reach", list(Reach))
async def test_no_forbidden_connection_whoever_asks(reach: Reach, figure: Callable[[str], None]) -> None:
    assert len(set(EVERY)) >= 120
    tried = 0
    for literal, named, allowed in RULES:
        for url in literal:
            assert may(url, reach) is (reach in allowed), url
        for url in literal + named:
            connector, error = await attempt(url, reach)
            assert (error is None) is (reach in allowed), (url, error)
            assert all(far_enough(address, reach) for address in connector.addresses), url
            tried += 1
    figure(f"{tried} urls of a {reach} caller: 0 forbidden connects")


@pytest.mark.parametrize("url", NEVER_BY_NAME + LOOPBACK_BY_NAME + PRIVATE_BY_NAME)
def test_a_submit_does_not_look_names_up(url: str) -> None:
    assert may(url, Reach.PUBLIC)


async def test_the_checked_address_is_the_one_that_is_asked_and_the_name_stays() -> None:
    connector, _ = await attempt("https://GOOD.example:8443/hook?a=b%20c", Reach.PUBLIC)
    [request] = connector.asked
    assert str(request.url) == "https://93.184.216.34:8443/hook?a=b%20c"
    assert request.headers["host"] == "good.example:8443"
    assert request.extensions["sni_hostname"] == "good.example"
    connector, _ = await attempt("http://good6.example", Reach.PUBLIC)
    assert (str(connector.asked[0].url), connector.asked[0].headers["host"]) == (
        "http://[2606:2800:21f:cb07::1]/",
        "good6.example",
    )


@pytest.mark.scorecard(20)
async def test_a_name_that_changes_its_mind_is_judged_every_time() -> None:
    """DNS rebinding: public when looked at first, then this machine."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["169.254.169.254"], ["93.184.216.34"]])

    async def rebinding(_host: str, _port: int) -> list[Address]:
        return [ip_address(text) for text in next(answers)]

    connector = Connector()
    sender = Sender(Signer(), OWN, lambda: 0, resolve=rebinding, transports=lambda _: connector)
    delivery = Delivery("msg_1", "run_1", "http://rebind.example/", "run.succeeded", 0, 0, Reach.PUBLIC)
    errors = [(await sender.send(delivery, b"{}")).error for _ in range(4)]
    assert errors == [None, UNREACHABLE, UNREACHABLE, None]
    assert [str(address) for address in connector.addresses] == ["93.184.216.34"] * 2


async def test_a_caller_from_elsewhere_learns_nothing_about_names_here() -> None:
    errors = {
        (await attempt(url, Reach.PUBLIC))[1] for url in (*NEVER_BY_NAME, *LOOPBACK_BY_NAME, *PRIVATE_BY_NAME)
    }
    assert errors == {UNREACHABLE}
    _, told = await attempt("http://meta.attacker.example/", Reach.LOOPBACK)
    assert told is not None
    assert "metadata" in told


def test_what_addresses_are() -> None:
    found = {text: reach_of(ip_address(text)) for text in ("::1", "10.0.0.1", "1.1.1.1", "fe80::1")}
    assert list(found.values()) == [Reach.LOOPBACK, Reach.PRIVATE, Reach.PUBLIC, None]
