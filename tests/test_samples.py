"""The samples for editors and pages: each follows a run to its last line over a kill of the server."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import pytest

from .rigs.harness import Server
from .rigs.places import ROOT

SAMPLES = ROOT / "docs" / "samples"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PROGRAMS = {"follow.py": sys.executable, "follow.mjs": "node", "eventsource.mjs": "node"}
OF_NPM = {"eventsource.mjs"}
"""What needs packages of npm beside it."""


def test_every_sample_is_tried_and_told_of() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == {*PROGRAMS, "follow.html"}
    page = (ROOT / "docs" / "api.md").read_text()
    assert not [path.name for path in SAMPLES.iterdir() if f"samples/{path.name}" not in page]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.skipif(not NODE, reason="needs node")] * (program == "node"))
        for name, program in PROGRAMS.items()
    ],
)
def test_a_program_follows_a_run_over_a_crash(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path, name: str
) -> None:
    shutil.copy(SAMPLES / name, tmp_path)
    if name in OF_NPM:
        (tmp_path / "node_modules").symlink_to(request.getfixturevalue("node_modules"))
    gate = tmp_path / "gate"
    command = [PROGRAMS[name], str(tmp_path / name), server.url, "until", str(gate)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_PROXY": "*"},
    ) as sample:
        assert sample.stdout is not None
        try:
            first = sample.stdout.readline()
            server.kill()
            gate.touch()
            server.start()
            rest, said = sample.communicate(timeout=30)
        finally:
            sample.kill()
    assert (first + rest, sample.returncode) == ("up\ndone\n", 0), said


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback; yield its origin."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = Thread(target=found.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{found.server_address[1]}"
        finally:
            found.shutdown()
            thread.join()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH: apt-get install chromium")
def test_a_page_follows_a_run_over_a_crash(tmp_path: Path, agents_file: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    gate = tmp_path / "gate"
    with site(SAMPLES) as origin, Server(tmp_path, agents_file, "--allow-origin", origin) as server:
        server.start()
        asked = urlencode({"server": server.url, "agent": "until", "prompt": str(gate)})
        with (
            sync_playwright() as driver,
            driver.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
            ) as browser,
        ):
            page = browser.new_page()
            page.goto(f"{origin}/follow.html?{asked}")
            log, status = page.locator("#log"), page.locator("#status")
            expect(log).to_have_text("up\n", use_inner_text=False)
            server.kill()
            expect(status).to_have_text("the server is away")
            gate.touch()
            server.start()
            expect(status).to_have_text("succeeded", timeout=30_000)
            assert log.text_content() == "up\ndone\n"
