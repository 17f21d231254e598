"""What tests in a browser share: where it is, and how a run is read from the page."""

from __future__ import annotations

import shutil

from playwright.sync_api import Page, expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FINISHED = 20_000
"""Milliseconds that a short run may take on a busy machine."""


def log_of(page: Page) -> str:
    """Return what an agent printed, as the page shows it, with line ends."""
    lines: list[str] = page.eval_on_selector_all(
        ".lines .stdout, .lines .stderr", "all => all.map(line => line.textContent)"
    )
    return "".join(f"{line}\n" for line in lines)


def status(page: Page, word: str) -> None:
    expect(page.locator(f".head h2.{word}")).to_be_visible(timeout=FINISHED)
