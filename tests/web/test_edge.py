"""The door: every refusal of the edge, the headers it adds, and what it leaves alone."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praisonrun.config.settings import Settings
from praisonrun.web.edge import BODY_CAP, Access, Edge, RenderOf
from praisonrun.web.errors import Render, problem
from praisonrun.web.head import allowed_hosts, routed

OWN = [(b"host", b"127.0.0.1:8005")]
JSON = (b"content-type", b"application/json")
PAGE = b"http://page.test:3000"

pytestmark = pytest.mark.anyio


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive()).get("body", b"")
    await PlainTextResponse(body or b"ok")(scope, receive, send)


def edge(app: ASGIApp = app, render: RenderOf = lambda _: problem, **access: Any) -> Edge:
    return Edge(app, port=8005, access=Access(**access), render=render)


async def ask(
    guarded: ASGIApp,
    headers: Iterable[tuple[bytes, bytes]],
    method: str = "GET",
    path: str = "/x",
    query: bytes = b"",
    chunks: Sequence[bytes] = (b"",),
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Return (status, headers, body) of one request."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
    }
    pending: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    pending[-1]["more_body"] = False
    sent: list[Message] = []

    async def receive() -> Message:
        return pending.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(m.get("body", b"") for m in sent[1:])


HOSTS = [
    ([], 400),
    (OWN * 2, 400),
    ([(b"host", b"127.0.0.1:8005"), (b"host", b"evil.test:8005")], 400),
    ([(b"host", b"127.0.0.1")], 421),
    ([(b"host", b"127.0.0.1:8006")], 421),
    ([(b"host", b"evil.test:8005")], 421),
    ([(b"host", b"")], 421),
    ([(b"host", b"127.0.0.1:8005.evil.test")], 421),
    ([(b"host", b"LocalHost:8005")], 200),
    ([(b"host", b"[::1]:8005")], 200),
]


@pytest.mark.parametrize(("headers", "status"), HOSTS)
async def test_only_our_own_host_is_served(headers: Any, status: int) -> None:
    assert (await ask(edge(), headers))[0] == status


def test_an_allowed_host_counts_with_and_without_our_port() -> None:
    assert allowed_hosts(8005, ["box.lan", "Other:80", "[fe80::1]"])[3:] == [
        "box.lan",
        "box.lan:8005",
        "Other:80",
        "[fe80::1]",
        "[fe80::1]:8005",
    ]
    assert "localhost" in allowed_hosts(80)


async def test_the_port_is_that_of_the_socket() -> None:
    guarded = edge()
    guarded.set_port(9)
    assert (await ask(guarded, OWN))[0] == 421
    assert (await ask(guarded, [(b"host", b"localhost:9"), (b"origin", b"http://localhost:9")]))[0] == 200


CALLERS = [
    ({b"origin": b"http://127.0.0.1:8005"}, 200),
    ({b"origin": b"http://localhost:8005", b"sec-fetch-site": b"same-origin"}, 200),
    ({b"origin": b"https://localhost:8005"}, 403),
    ({b"origin": b"http://localhost:9001"}, 403),
    ({b"origin": b"null"}, 403),
    ({b"origin": PAGE}, 403),
    ({b"origin": b""}, 403),
    ({b"sec-fetch-site": b"none"}, 200),
    ({b"sec-fetch-site": b"same-site"}, 403),
    ({b"sec-fetch-site": b"cross-site"}, 403),
]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(("headers", "status"), CALLERS)
async def test_pages_of_others_are_refused_on_every_method(headers: Any, status: int, method: str) -> None:
    got, answered, _ = await ask(edge(), [*OWN, *headers.items()], method)
    assert got == status
    assert b"access-control-allow-origin" not in answered


FORMS = [
    ({b"content-type": b"application/json"}, 200),
    ({b"content-type": b"application/json; charset=UTF-8"}, 200),
    ({b"content-type": b'Application/JSON;charset="utf-8"'}, 200),
    ({b"content-type": b"application/json; charset=latin-1"}, 415),
    ({b"content-type": b"application/json; x=1"}, 415),
    ({b"content-type": b"application/jsonp"}, 415),
    ({b"content-type": b"text/plain"}, 415),
    ({}, 415),
    ({b"content-type": b"application/json", b"content-encoding": b"gzip"}, 415),
    ({b"content-type": b"application/json", b"content-length": b"1e3"}, 400),
    ({b"content-type": b"application/json", b"content-length": b"%d" % (BODY_CAP + 1)}, 413),
    ({b"content-type": b"application/json", b"content-length": b"9" * 5000}, 413),
]


@pytest.mark.parametrize(("headers", "status"), FORMS)
async def test_a_body_is_small_plain_json(headers: Any, status: int) -> None:
    got, answered, _ = await ask(edge(), [*OWN, *({b"content-length": b"2"} | headers).items()], "POST")
    assert got == status
    assert (answered.get(b"connection") == b"close") == (status == 413)


@pytest.mark.parametrize("size", [b"0", None])
async def test_an_empty_body_needs_no_type(size: bytes | None) -> None:
    headers = OWN + ([(b"content-length", size)] if size else [])
    assert (await ask(edge(), headers, "POST"))[0] == 200


async def test_a_chunked_body_is_counted_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("praisonrun.web.edge.BODY_CAP", 10)

    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    guarded = Edge(Starlette(routes=[Route("/x", read, methods=["POST"])]), port=8005)
    headers = [*OWN, JSON, (b"transfer-encoding", b"chunked")]
    assert (await ask(guarded, headers, "POST", chunks=[b"12345", b"67890"]))[::2] == (200, b"10")
    status, answered, _ = await ask(guarded, headers, "POST", chunks=[b"12345", b"67890", b"1"])
    assert (status, answered[b"connection"]) == (413, b"close")
    untyped = [*OWN, (b"transfer-encoding", b"chunked")]
    assert (await ask(guarded, untyped, "POST"))[0] == 415


async def test_a_long_head_is_refused() -> None:
    assert (await ask(edge(), OWN, query=b"a" * 8192))[0] == 414
    assert (await ask(edge(), [*OWN, (b"x", b"y" * 40_000)]))[0] == 431
    assert (await ask(edge(), OWN + [(b"x", b"y")] * 100))[0] == 431


async def test_every_answer_wears_the_headers_unless_it_has_its_own() -> None:
    async def styled(scope: Scope, receive: Receive, send: Send) -> None:
        own = {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "no-cache"}
        await PlainTextResponse("x", headers=own)(scope, receive, send)

    for guarded, headers in ((edge(), OWN), (edge(), [])):
        answered = (await ask(guarded, headers))[1]
        assert answered[b"x-content-type-options"] == b"nosniff"
        assert answered[b"cache-control"] == b"no-store"
        assert answered[b"referrer-policy"] == b"no-referrer"
        assert answered[b"cross-origin-resource-policy"] == b"same-origin"
        assert answered[b"content-security-policy"].startswith(b"default-src 'none'")
        assert b"vary" not in answered
    answered = (await ask(edge(app=styled), OWN))[1]
    assert answered[b"content-security-policy"] == b"default-src 'self'"
    assert answered[b"cache-control"] == b"no-cache"
    assert answered[b"x-content-type-options"] == b"nosniff"


async def test_an_allowed_origin_gets_exactly_itself() -> None:
    guarded = edge(origins=[PAGE.decode()])
    page = [*OWN, (b"origin", PAGE), (b"sec-fetch-site", b"cross-site")]
    status, answered, _ = await ask(guarded, page)
    assert (status, answered[b"access-control-allow-origin"]) == (200, PAGE)
    assert answered[b"vary"] == b"Origin"
    assert {b"Location", b"ETag"} <= {*answered[b"access-control-expose-headers"].split(b", ")}
    assert b"access-control-allow-credentials" not in answered
    refused = await ask(guarded, [*page, (b"content-length", b"3")], "POST")
    assert (refused[0], refused[1][b"access-control-allow-origin"]) == (415, PAGE)  # so the page can read why


async def test_others_get_nothing_when_one_origin_is_allowed() -> None:
    guarded = edge(origins=[PAGE.decode()])
    for origin, status in ((b"http://evil.test", 403), (b"http://localhost:8005", 200)):
        got, answered, _ = await ask(guarded, [*OWN, (b"origin", origin)])
        assert got == status
        assert b"access-control-allow-origin" not in answered
        assert answered[b"vary"] == b"Origin"
    evil = await ask(guarded, [(b"host", b"evil.test:8005"), (b"origin", PAGE)])
    assert evil[0] == 421
    assert b"access-control-allow-origin" not in evil[1]


async def test_a_preflight_is_answered_for_an_allowed_origin_alone() -> None:
    guarded = edge(origins=[PAGE.decode()])
    wish = (b"access-control-request-method", b"POST")
    status, answered, _ = await ask(guarded, [*OWN, (b"origin", PAGE), wish], "OPTIONS")
    assert (status, answered[b"access-control-allow-origin"]) == (204, PAGE)
    allowed = {*answered[b"access-control-allow-headers"].split(b", ")}
    assert {b"idempotency-key", b"if-none-match"} <= allowed
    assert (await ask(edge(), [*OWN, (b"origin", PAGE), wish], "OPTIONS"))[0] == 403

    near = (b"access-control-request-private-network", b"true")
    answered = (await ask(guarded, [*OWN, (b"origin", PAGE), wish, near], "OPTIONS"))[1]
    assert answered[b"access-control-allow-private-network"] == b"true"


@pytest.mark.parametrize(
    ("named", "sent", "status"),
    [
        ("vscode-webview://abc", b"vscode-webview://abc", 200),
        ("vscode-webview://ABC/", b"vscode-webview://ABC", 200),
        ("tauri://localhost", b"tauri://localhost", 200),
        ("chrome-extension://abcdef", b"chrome-extension://abcdef", 200),
        ("app://obsidian.md", b"app://obsidian.md", 200),
        ("app://a:1", b"app://a:2", 403),
        ("http://localhost:*", b"http://localhost:5173", 200),
        ("http://localhost:*", b"http://localhost", 200),
        ("http://[::1]:*", b"http://[::1]:80", 200),
        ("http://localhost:*", b"https://localhost:5173", 403),
        ("http://localhost:*", b"http://localhost.evil.test:5173", 403),
        ("http://localhost:*", b"http://localhost:*", 200),
        ("http://localhost:*", b"http://127.0.0.1:1", 403),
        ("http://localhost:*", b"null", 403),
    ],
)
async def test_an_origin_of_any_scheme_may_be_named(named: str, sent: bytes, status: int) -> None:
    [origin] = Settings(allow_origin=(named,)).allow_origin
    guarded = edge(origins=[origin])
    got, answered, _ = await ask(guarded, [*OWN, (b"origin", sent), (b"sec-fetch-site", b"cross-site")])
    shown = sent if status == 200 else None
    assert (got, answered.get(b"access-control-allow-origin")) == (status, shown)


@pytest.mark.parametrize(
    "sent",
    [b"vscode-webview://AbC", b"https://a.test", b"null", b"file://", b"*", b"a b", b"\xff"],
)
async def test_what_a_stranger_is_advised_works(sent: bytes) -> None:
    page = [*OWN, (b"origin", sent)]
    status, _, body = await ask(edge(), page)
    _, offered, advice = json.loads(body)["detail"].partition("--allow-origin ")
    assert (status, bool(offered)) == (403, b"://" in sent and sent != b"file://")
    if offered:
        origins = Settings(allow_origin=(advice.split()[0],)).allow_origin
        assert (await ask(edge(origins=origins), page))[0] == 200


@pytest.mark.parametrize(
    "host", [b"box.lan", b"box.lan:8005", b"10.0.0.1:1", b"u@127.0.0.1:8005", b"", b"a b"]
)
async def test_what_an_unknown_name_is_advised_works(host: bytes) -> None:
    status, _, body = await ask(edge(), [(b"host", host)])
    _, offered, advice = json.loads(body)["detail"].partition("--allow-host ")
    assert (status, bool(offered)) == (421, host[:1] in (b"b", b"1"))
    if offered:
        hosts = Settings(allow_host=(advice.split()[0],)).allow_host
        assert (await ask(edge(hosts=hosts), [(b"host", host)]))[0] == 200


@pytest.mark.parametrize(
    ("path", "raw", "served"),
    [
        ("/api/v1/runs/", "/api/v1/runs/", "/api/v1/runs"),
        ("/", "/", "/"),
        ("/x//", "/x//", "/x/"),
        ("/runs/a/", "/runs/a%2F", "/runs/a/"),
        ("/api/v1/runs/r/artifacts/", "/api/v1/runs/r/artifacts/", "/api/v1/runs/r/artifacts"),
        ("/api/v1/runs/r/artifacts/d/", "/api/v1/runs/r/artifacts/d/", "/api/v1/runs/r/artifacts/d/"),
    ],
)
def test_a_slash_at_the_end_means_nothing(path: str, raw: str, served: str) -> None:
    assert routed({"path": path, "raw_path": raw.encode()}) == served


async def test_refusals_take_the_form_of_the_dialect() -> None:
    def render(path: str) -> Render:
        def text(status: int, detail: str, headers: Any = None, error: Any = None) -> Response:
            return PlainTextResponse(f"{path} {detail}", status, headers)

        return text

    assert (await ask(edge(render=render), [], path="/own"))[2] == b"/own the request has no Host header"
    body = json.loads((await ask(edge(), []))[2])
    assert body == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "the request has no Host header",
    }


async def test_other_scopes() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def send(message: Message) -> None:
        seen.append(message["type"])

    async def never() -> Message:
        raise AssertionError("nothing is received")

    await edge(app=inner)({"type": "lifespan"}, never, send)
    await edge(app=inner)({"type": "websocket", "headers": []}, never, send)
    assert seen == ["lifespan", "websocket.close"]
