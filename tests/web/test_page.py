"""The page's addresses: who gets it, in which form, with which headers; and what its files are."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from praisonrun.web import page
from praisonrun.web.transport import HEADERS

from ..rigs.harness import AGENTS, Server
from .test_edge import OWN, app, ask, edge

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
VISIT = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", **HTML}
FILES = page.files()
SOURCES = sorted(page.PLACE.glob("*.js"))
TOKEN = "correct-horse-battery-staple"
LIMIT, PACKED_LIMIT, LINES_LIMIT = 72_000, 22_000, 600


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("guarded")
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        server.environ["PRAISONRUN_TOKEN"] = TOKEN
        server.start()
        yield server


@pytest.fixture
def browser(shared: Server) -> Iterator[httpx2.Client]:
    with shared.client(headers=HTML) as client:
        yield client


def test_it_is_as_small_as_it_says() -> None:
    assert sum(len(file.plain) for file in FILES.values()) <= LIMIT
    assert sum(len(file.packed) for file in FILES.values()) <= PACKED_LIMIT
    assert sum(path.read_bytes().count(b"\n") for path in SOURCES) <= LINES_LIMIT


def test_its_own_script_is_sent_as_one_without_comments() -> None:
    assert sorted(page.PARTS) == [path.name for path in SOURCES]
    text = "".join(re.sub(r"(?<=;) // .*", "", path.read_text()) for path in SOURCES)
    said = {line.strip() for line in text.splitlines()} - {""}
    sent = set(FILES["app.js"].plain.decode().splitlines()) - {""}
    assert not [line for line in sent if " // " in line]
    assert sent < said
    assert {line[:2] for line in said - sent} <= {"//", "/*", "*", "* ", "*/"}
    assert "// How the page asks: the API, and streams of JSON lines. The token is in no URL." in said - sent


def test_its_libraries_are_what_their_authors_published() -> None:
    vendor = page.PLACE / "vendor"
    listed = {}
    for row in re.findall(
        r"^\| (\S+\.js) \| .* \| ([^|]+) \| ([0-9a-f]{64}) \|$",
        (vendor / "README.md").read_text(),
        re.MULTILINE,
    ):
        name, licenses, listed[row[0]] = row
        assert all((vendor / text).is_file() for text in re.findall(r"LICENSE-\w+", licenses)), name
    assert listed == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.glob("*.js")
    }


def test_no_script_or_style_is_inline_and_nothing_is_set_as_html() -> None:
    text = FILES["index.html"].plain.decode()
    assert re.findall(r"<(?:script|style)(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"\s(?:on\w+|style)=", text) == []
    script = FILES["app.js"].plain
    assert not re.search(
        rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|dangerously", script
    )


@pytest.mark.parametrize("address", ["/", "/ui/runs/@", "/ui/runs/run_that_is_gone", "/ui/runs/x/"])
def test_a_browser_gets_the_page(browser: httpx2.Client, address: str) -> None:
    answer = browser.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == FILES["index.html"].plain
    assert answer.headers["content-security-policy"] == page.CSP
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= set(page.CSP.split("; "))
    rest = {name.decode(): text.decode() for name, text in HEADERS}
    for name in rest.keys() - {"content-security-policy", "cache-control"}:
        assert answer.headers[name] == rest[name]
    assert answer.headers["cache-control"] == "no-cache"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_sent_once_and_packed(browser: httpx2.Client, name: str) -> None:
    path = f"/ui/assets/{name}"
    packed = browser.get(path, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == FILES[name].plain
    assert gzip.decompress(FILES[name].packed) == FILES[name].plain
    plain = browser.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == FILES[name].plain
    assert plain.headers["etag"] != packed.headers["etag"]
    known = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["etag"]}
    again = browser.get(path, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == packed.headers["etag"]


def test_what_is_not_there_is_one_line(browser: httpx2.Client) -> None:
    for path in ("/ui/assets/../app.js", "/ui/assets/nothing.js", "/ui/assets/README.md", "/ui", "/ui/runs"):
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (404, "text/plain")
    assert browser.post("/").status_code == 405


def test_curl_gets_a_text(shared: Server) -> None:
    run_id = shared.ended(shared.submit("fail", "say\x1b[31m no"))["job_id"]
    with shared.client() as client:
        home = client.get("/")
        assert home.headers["content-type"].startswith("text/plain")
        assert f"curl {shared.url}/api/v1/runs " in home.text
        answer = client.get(f"/ui/runs/{run_id[-8:]}")
        assert answer.text.startswith(f"{run_id}  failed  fail  say")
        assert f"retry    curl -X POST {shared.url}/api/v1/runs/{run_id}/retry\n" in answer.text
        assert "\x1b" not in answer.text
        gone = client.get("/ui/runs/nothing_like_it")
        assert (gone.status_code, gone.text.count("\n")) == (404, 1)


def test_the_page_needs_no_token_and_says_nothing_without_one(guarded: Server) -> None:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        run_id = client.post("/api/v1/runs", json={"agent": "quick", "prompt": "hush"}).json()["job_id"]
        assert run_id in client.get(f"/ui/runs/{run_id}").text
    with guarded.client() as client:
        assert client.get("/").status_code == 200
        assert client.get("/ui/assets/app.js").status_code == 200
        assert client.get(f"/ui/runs/{run_id}", headers=HTML).content == FILES["index.html"].plain
        assert client.get(f"/ui/runs/{run_id}").status_code == 401
        for path in ("/api/v1/runs", "/api/v1/events", "/ui", "/ui/runs"):
            assert client.get(path, headers=HTML).status_code == 401, path
        assert client.post("/", headers=HTML).status_code == 401


def header_pairs(**changes: str) -> list[tuple[bytes, bytes]]:
    given = {**VISIT, **{name.replace("_", "-"): text for name, text in changes.items()}}
    return [*OWN, *((name.lower().encode(), text.encode()) for name, text in given.items() if text)]


VISITS: list[tuple[str, str, dict[str, str], int]] = [
    ("GET", "/", {}, 200),
    ("GET", "/ui/runs/abcd", {}, 200),
    ("GET", "/", {"Sec_Fetch_Site": "same-site"}, 200),
    ("GET", "/api/v1/runs", {}, 403),
    ("GET", "/health", {}, 403),
    ("GET", "/ui/assets/app.js", {}, 403),
    ("POST", "/", {}, 403),
    ("GET", "/", {"Sec_Fetch_Dest": "iframe"}, 403),
    ("GET", "/", {"Sec_Fetch_Dest": "embed"}, 403),
    ("GET", "/", {"Sec_Fetch_Dest": ""}, 403),
    ("GET", "/", {"Sec_Fetch_Mode": "no-cors"}, 403),
    ("GET", "/", {"Origin": "http://evil.test"}, 403),
    ("GET", "/ui/runs/abcd", {"Accept": "*/*"}, 403),
    ("GET", "/", {"Sec_Fetch_Site": "none"}, 200),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("method", "path", "changes", "status"), VISITS)
async def test_a_link_of_another_site_leads_to_the_page_and_nowhere_else(
    method: str, path: str, changes: dict[str, str], status: int
) -> None:
    assert (await ask(edge(), header_pairs(**changes), method, path))[0] == status


@pytest.mark.anyio
async def test_a_rebound_name_gets_no_page() -> None:
    headers: Any = [(b"host", b"evil.test:8005"), *header_pairs()[1:]]
    assert (await ask(edge(app), headers, path="/"))[0] == 421


def test_every_file_is_named_by_another(tmp_path: Path) -> None:
    """Nothing is shipped that nobody loads, and nothing is loaded that is not shipped."""
    named = {"index.html"}
    for file in FILES.values():
        named |= {name.decode() for name in re.findall(rb'(?:/ui/assets/|from "\./)([\w.]+)"', file.plain)}
    assert named == set(FILES)
