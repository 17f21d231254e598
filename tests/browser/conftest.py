"""Pages of one browser, each of which must keep its Content-Security-Policy and raise no error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ..rigs.wire_rig import WIRE_AGENTS
from .chromium import CHROMIUM


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(WIRE_AGENTS)
    return file


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages. None may break a rule of its Content-Security-Policy, or raise an error."""
    faults: list[str] = []
    contexts = []

    def open_page(**settings: Any) -> Page:
        contexts.append(chromium.new_context(**settings))
        page: Page = contexts[-1].new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "console",
            lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.add_init_script("window.boom = () => { throw new Error('a stranger ran code') }")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
