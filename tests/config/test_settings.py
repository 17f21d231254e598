"""Settings: what is filled in, what is refused, and with which words."""

import sys
from pathlib import Path
from typing import Any

import pytest

from praisonrun.config import settings as config
from praisonrun.config.settings import Settings, boot_id, make
from praisonrun.core.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-home"))
    return tmp_path


def test_what_nobody_said(here: Path) -> None:
    settings = make(host=None, allow_host=[], agents=None)
    assert (settings.host, settings.port, settings.agents) == ("127.0.0.1", 8005, None)
    assert settings.concurrency >= 4
    assert settings.agent_root == (here.resolve(),)
    assert (settings.min_free, settings.queue_limit, settings.hosts) == (256, 10_000, ())


@pytest.mark.skipif(sys.platform != "linux", reason="the XDG place is Linux's")
def test_the_state_directory_is_xdg(here: Path) -> None:
    assert Settings().state == here / "state-home" / "praisonrun"


def test_agents_yaml_beside_us_is_found(here: Path) -> None:
    (here / "agents.yaml").touch()
    assert Settings().agents == here / "agents.yaml"


def test_paths_become_absolute(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert Settings(state=Path("s")).state == here / "s"
    assert Settings(state=Path("~/s")).state == here / "s"


def test_lists_are_split_and_made_plain() -> None:
    settings = Settings(
        allow_host=("Box.lan,other:81", "[fe80::1]"),
        allow_origin=("https://App.test:443/", "http://localhost:3000"),
    )
    assert settings.allow_host == ("box.lan", "other:81", "[fe80::1]")
    assert settings.allow_origin == ("https://app.test", "http://localhost:3000")


def test_another_loopback_address_is_a_host_of_its_own() -> None:
    assert Settings(host="127.0.0.2", allow_host=("b",)).hosts == ("127.0.0.2", "b")
    assert Settings(host="[::1]").host == "::1"
    assert config.url("::1", 8005) == "http://[::1]:8005"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"host": "0.0.0.0"}, "set a token with --token-file"),
    ({"host": "192.168.1.2"}, "loopback"),
    ({"host": "127.0.0.1.evil.test"}, "loopback"),
    ({"host": ""}, "--host"),
    ({"host": "a b", "token": "t" * 16}, "--host a b: must be an address"),
    ({"token": "t" * 15}, "PRAISONRUN_TOKEN: shorter than 16"),
    ({"token": "t" * 16 + "é"}, "PRAISONRUN_TOKEN: must be one line of visible ASCII"),
    ({"token_file": Path("nope")}, "--token-file .*nope: no such file"),
    ({"port": 70_000}, "--port 70000: must be from 0 to 65535"),
    ({"concurrency": 0}, "--concurrency"),
    ({"min_free": -1}, "--min-free"),
    ({"queue_limit": 0}, "--queue-limit"),
    ({"agents": Path("nope.yaml")}, "there is no such file"),
    ({"agents": Path()}, "is not a file"),
    ({"agent_root": (Path("nope"),)}, "there is no such directory"),
    ({"allow_host": ("*",)}, "--allow-host"),
    ({"allow_host": ("http://x",)}, "--allow-host"),
    ({"allow_origin": ("*",)}, "--allow-origin"),
    ({"allow_origin": ("null",)}, "--allow-origin"),
    ({"allow_origin": ("https://x/y",)}, "--allow-origin"),
    ({"allow_origin": ("file://",)}, "--allow-origin"),
    ({"allow_origin": ("http://evil.test:*",)}, "--allow-origin"),
    ({"allow_origin": ("http://*.test",)}, "--allow-origin"),
    ({"allow_origin": ("app://x:*",)}, "--allow-origin"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_what_cannot_work_is_refused_by_name(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Settings(**given)


def test_the_boot_id_stays() -> None:
    first = boot_id()
    boot_id.cache_clear()
    assert first == boot_id() != ""
    assert config._boot_minute() == config._boot_minute()
