"""`praisonrun open`: the address is printed, and a token is in a private file alone."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest

from praisonrun.cli import page
from praisonrun.cli.proof import Target
from praisonrun.config.discovery import Named

from ..rigs.harness import Server

TOKEN = "correct-horse-battery-staple"


def test_it_opens_the_page_or_a_run(shared: Server, capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    named, run_id = Named(state=shared.state), shared.submit("quick")

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    assert page.show(named, None, browse) == 0
    assert page.show(named, run_id[-8:], browse) == 0
    assert opened == [f"{shared.url}/", f"{shared.url}/ui/runs/{run_id}"]
    assert capsys.readouterr().out == "".join(f"{url}\n" for url in opened)
    assert page.show(named, None, lambda _url: False) == 1
    assert "no browser" in capsys.readouterr().err


def test_a_token_is_in_no_command_line(
    shared: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(page, "target", lambda _named: Target(shared.url, TOKEN, shared.state))
    files: list[Path] = []

    def browse(url: str) -> bool:
        assert TOKEN not in url
        files.append(Path(url2pathname(urlparse(url).path)))
        return True

    def pause(_seconds: float) -> None:
        (file,) = files
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        assert f"url={shared.url}/#token={TOKEN}" in file.read_text()

    assert page.show(Named(), None, browse, pause) == 0
    assert not files[0].exists()
    assert TOKEN not in "".join(capsys.readouterr())
