"""A real browser, and pages that wish us ill: nothing happens, nothing is read, no stream is held.

Needs Chromium on PATH (Debian: apt-get install chromium). The last test turns the defence off, so that the
attack is known to work where nothing stops it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from tests.rigs.harness import Server

from .attacker import Attacker
from .chromium import CHROMIUM

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
]
VECTORS = 18

pytestmark = [
    pytest.mark.browser,
    pytest.mark.scorecard(25),
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium"),
]


@contextmanager
def browser(home: Path, url: str, *flags: str) -> Iterator[None]:
    """Have a fresh Chromium show a page inside this block."""
    profile = f"--user-data-dir={home / 'profile'}"
    command = [str(CHROMIUM), *FLAGS, profile, *flags, url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        family = psutil.Process(process.pid)
        try:
            yield
        finally:
            for child in [*family.children(recursive=True), family]:
                try:
                    child.kill()
                except psutil.NoSuchProcess:
                    continue


@pytest.fixture
def live(server: Server) -> str:
    """A run that goes on: every stream of it would stay open."""
    return server.submit("wait")


def attacked(home: Path, page: str, attacker: Attacker, live: str, *flags: str) -> Any:
    """Return what a page of the attacker's reports."""
    query = urlencode({"live": live, "to": f"http://127.0.0.1:{attacker.port}"})
    with browser(home, f"{page}/page?{query}", *flags):
        return attacker.reports.get(timeout=60)


def unharmed(server: Server, live: str) -> None:
    """Check that there is the one run, alive, and nobody else is connected."""
    with server.client() as client:
        jobs = client.get("/api/v1/runs").json()["jobs"]
        assert [(job["job_id"], job["status"]) for job in jobs] == [(live, "running")]
    assert server.process is not None
    journals = [file.path for file in psutil.Process(server.process.pid).open_files()]
    assert not [path for path in journals if live.removeprefix("run_") in path]  # what a stream holds open


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "public.test"])
def test_a_page_of_another_origin(
    server: Server, live: str, tmp_path: Path, name: str, figure: Callable[[str], None]
) -> None:
    with Attacker(server.url) as attacker:
        flags = ["--host-resolver-rules=MAP public.test 127.0.0.1"]
        report = attacked(tmp_path, f"http://{name}:{attacker.port}", attacker, live, *flags)
    assert report["origin"] == f"http://{name}:{attacker.port}"
    assert len(report["tried"]) >= VECTORS
    assert report["read"] == []
    unharmed(server, live)
    figure(f"{len(report['tried'])} vectors of a page of {name}: nothing read, nothing done, no stream held")


def rebound(server: Server, live: str, home: Path) -> Any:
    """Return what a page reports whose name led to the attacker's server first, and then to ours.

    A proxy rule does that at once: the page alone comes from elsewhere, all else from our port.
    """
    origin = f"http://evil.test:{server.port}"
    with Attacker(origin) as attacker:
        proxy = f"PROXY 127.0.0.1:{attacker.port}"
        rule = f"return url.indexOf('/page')>0?'{proxy}':'DIRECT'"
        flags = [
            f"--proxy-pac-url=data:,function FindProxyForURL(url,h){{{rule}}}",
            "--host-resolver-rules=MAP evil.test 127.0.0.1",
        ]
        report = attacked(home, origin, attacker, live, *flags)
    assert report["origin"] == origin
    return report


def test_a_rebound_name(server: Server, live: str, tmp_path: Path) -> None:
    """The page is same-origin with us: a browser hides nothing and asks nothing. Only Host stands."""
    assert rebound(server, live, tmp_path)["read"] == []
    unharmed(server, live)


def test_a_rebound_name_reads_all_where_host_is_let_in(server: Server, live: str, tmp_path: Path) -> None:
    server.stop()
    server.start("--allow-host", "evil.test")
    read = {name for name, *_ in rebound(server, live, tmp_path)["read"]}
    assert read >= {"fetch, JSON", "fetch, GET", "fetch, info", "EventSource"}


def test_the_attack_works_where_nothing_stops_it(server: Server, live: str, tmp_path: Path) -> None:
    """The same page against a server that lets its origin in: so the silence above is our doing."""
    server.stop()
    with Attacker(server.url) as attacker:
        server.start("--allow-origin", f"http://localhost:{attacker.port}")
        report = attacked(tmp_path, f"http://localhost:{attacker.port}", attacker, live)
    assert {name for name, *_ in report["read"]} >= {
        "fetch, JSON",
        "fetch, GET",
        "fetch, info",
        "EventSource",
    }
    with server.client() as client:
        assert client.get("/api/v1/runs").json()["total"] > 1
