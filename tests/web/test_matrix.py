"""Every route denies every stranger: routes from the table of operations, strangers from the threat notes.

A row that is added to the table is in here by itself.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from ..rigs.harness import Server
from ..rigs.wire_rig import RUNS, Api, table

pytestmark = pytest.mark.scorecard(26)

Headers = tuple[tuple[str, str], ...]
TOO_MUCH = 8 * 1024 * 1024 + 1
HOST = (("Host", "127.0.0.1:{port}"),)
STRANGERS: dict[str, tuple[Headers, int]] = {
    "no Host": ((), 400),
    "two Hosts": (HOST * 2, 400),
    "two Hosts, one of them wrong": ((*HOST, ("Host", "evil.test")), 400),
    "empty Host": ((("Host", ""),), 421),
    "wrong Host": ((("Host", "example.com"),), 421),
    "wrong port": ((("Host", "127.0.0.1:1"),), 421),
    "no port": ((("Host", "127.0.0.1"),), 421),
    "rebinding": ((("Host", "evil.test:{port}"),), 421),
    "rebinding, same origin": ((("Host", "evil.test:{port}"), ("Origin", "http://evil.test:{port}")), 421),
    "name that begins as ours": ((("Host", "127.0.0.1:{port}.evil.test"),), 421),
    "foreign Origin": ((*HOST, ("Origin", "http://evil.test")), 403),
    "another port's Origin": ((*HOST, ("Origin", "http://127.0.0.1:1")), 403),
    "our Origin by https": ((*HOST, ("Origin", "https://127.0.0.1:{port}")), 403),
    "null Origin": ((*HOST, ("Origin", "null")), 403),
    "two Origins": ((*HOST, ("Origin", "http://127.0.0.1:{port}"), ("Origin", "null")), 400),
    "same-site": ((*HOST, ("Sec-Fetch-Site", "same-site")), 403),
    "cross-site": ((*HOST, ("Sec-Fetch-Site", "cross-site")), 403),
    "cross-site that says it is us": (
        (*HOST, ("Origin", "http://127.0.0.1:{port}"), ("Sec-Fetch-Site", "cross-site")), 403,
    ),
    "packed body": ((*HOST, ("Content-Encoding", "gzip")), 415),
    "many headers": (HOST + (("X", "y"),) * 100, 431),
}  # fmt: skip
FORMS: dict[str, tuple[Headers, bytes, int]] = {
    "form": ((("Content-Type", "application/x-www-form-urlencoded"),), b'{"prompt": "x"}', 415),
    "plain text": ((("Content-Type", "text/plain"),), b'{"prompt": "x"}', 415),
    "multipart": ((("Content-Type", "multipart/form-data; boundary=x"),), b'{"prompt": "x"}', 415),
    "no type": ((), b'{"prompt": "x"}', 415),
    "two types": ((("Content-Type", "application/json"), ("Content-Type", "text/plain")), b"{}", 400),
    "too much": ((("Content-Type", "application/json"), ("Content-Length", str(TOO_MUCH))), b"", 413),
}
ROUTES = sorted(
    {(row.method, row.path) for row in table()}
    | {("HEAD", row.path) for row in table() if row.method == "GET"}
    | {("OPTIONS", row.path) for row in table()}
    | {("GET", "/"), ("POST", "/no/such/path")}
)


@dataclass(frozen=True, slots=True)
class House:
    """A server with one final run and one live one, which no stranger may touch."""

    port: int
    api: Api
    final: str
    live: str

    def state(self) -> tuple[int, str, str]:
        """Return what any side effect would change."""
        total = self.api.get(RUNS).json()["total"]
        return total, self.api.status(self.final)["status"], self.api.status(self.live)["status"]

    def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> int:
        """Send a request byte for byte and return the status of its answer."""
        lines = [f"{method} {path} HTTP/1.1", "Connection: close"]
        lines += [f"{name}: {value.format(port=self.port)}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            with wire.makefile("rb") as answer:
                return int(answer.readline().split()[1])


@pytest.fixture(scope="module")
def house(shared: Server, api: Api) -> Iterator[House]:
    live = api.submit("wait")
    api.until(live, "up")
    yield House(shared.port, api, api.ran("quick")["job_id"], live)
    api.post(f"{RUNS}/{live}/cancel")


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_a_route_denies_every_stranger(house: House, method: str, path: str) -> None:
    before = house.state()
    body = json.dumps({"prompt": "x", "agent": "quick"}).encode() if method == "POST" else b""
    kind = (("Content-Type", "application/json"),) if body else ()
    for run_id in (house.final, house.live):
        target = path.replace("{run_id}", run_id).replace("{path:path}", "x")
        got = {
            who: house.ask(method, target, headers + kind, body) for who, (headers, _) in STRANGERS.items()
        }
        assert got == {who: status for who, (_, status) in STRANGERS.items()}
    assert house.state() == before


@pytest.mark.parametrize(
    ("method", "path"), sorted({(row.method, row.path) for row in table() if row.method != "GET"})
)
def test_a_body_is_json_or_refused(house: House, method: str, path: str) -> None:
    before = house.state()
    if method in ("POST", "PUT", "PATCH"):
        for run_id in (house.final, house.live):
            target = path.replace("{run_id}", run_id)
            got = {
                what: house.ask(method, target, HOST + headers, body)
                for what, (headers, body, _) in FORMS.items()
            }
            assert got == {what: status for what, (_, _, status) in FORMS.items()}
    assert house.state() == before


def test_the_matrix_is_not_empty_and_friends_are_let_in(house: House, figure: Callable[[str], None]) -> None:
    assert len(ROUTES) > 30
    cases = len(ROUTES) * len(STRANGERS) * 2
    figure(f"{len(ROUTES)} routes x {len(STRANGERS)} strangers x 2 runs: {cases} cases, none let in")
    friends: tuple[Headers, ...] = (
        HOST,
        (("Host", "localhost:{port}"),),
        (("Host", "[::1]:{port}"),),
        (*HOST, ("Origin", "http://127.0.0.1:{port}"), ("Sec-Fetch-Site", "same-origin")),
        (*HOST, ("Sec-Fetch-Site", "none")),
    )
    for friend in friends:
        assert house.ask("GET", "/healthz", friend) == 200
        assert house.ask("GET", f"{RUNS}/{house.final}/stream", friend) == 200
    assert house.ask("GET", "/healthz?" + "x" * 9000, HOST) == 414
