"""server.json: written for tools that do not know the port, and believed only while its server lives."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from praisonrun import __version__
from praisonrun.cli.local import target
from praisonrun.config import discovery
from praisonrun.config.discovery import FILE, Listening, Named, holder
from praisonrun.config.settings import url
from praisonrun.core.errors import ConfigError

from ..rigs.harness import Server

TOKEN = "correct-horse-battery-staple"
HERE = Listening("http://127.0.0.1:4711", 4711, os.getpid(), "0.1.0", "2026-01-01T00:00:00.000Z")


@pytest.mark.scorecard(29)
def test_it_is_written_whole_and_private(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")  # a link is replaced, not followed
    discovery.write(tmp_path, HERE)
    found = (tmp_path / FILE).lstat()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert json.loads((tmp_path / FILE).read_text()) == asdict(HERE)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert discovery.find(tmp_path, os.getpid()) == HERE


def test_only_the_holder_of_the_lock_is_believed(tmp_path: Path) -> None:
    discovery.write(tmp_path, HERE)
    assert discovery.find(tmp_path, None) is None
    assert discovery.find(tmp_path, os.getpid() + 1) is None


def test_a_name_that_may_lead_elsewhere_is_not_where_a_server_is() -> None:
    """A program on [::1] with the same port could pass the challenge of `localhost` on to the server."""
    assert url("localhost", 7) == url("0.0.0.0", 7) == "http://127.0.0.1:7"


def test_only_its_own_file_is_removed(tmp_path: Path) -> None:
    discovery.remove(tmp_path)
    discovery.write(tmp_path, replace(HERE, pid=1))
    discovery.remove(tmp_path)
    assert (tmp_path / FILE).exists()
    discovery.write(tmp_path, HERE)
    discovery.remove(tmp_path)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"url": 1}', "\xff", "[" * 100_000])
def test_a_file_of_nonsense_is_no_file(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("latin-1"))
    assert discovery.find(tmp_path, os.getpid()) is None


def test_what_is_no_file_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    assert discovery.find(tmp_path, os.getpid()) is None
    (tmp_path / FILE).unlink()
    (tmp_path / "real").write_text(json.dumps(asdict(HERE)))
    (tmp_path / FILE).symlink_to(tmp_path / "real")
    assert discovery.find(tmp_path, os.getpid()) is None


def test_a_server_says_where_it_is_and_takes_it_back(server: Server) -> None:
    assert server.process is not None
    found = discovery.find(server.state, holder(server.state))
    assert found is not None
    assert (found.url, found.port, found.pid) == (server.url, server.port, server.process.pid)
    assert (found.version, found.token_file) == (__version__, None)
    with server.client() as client:
        info = client.get("/api/v1/info").json()
    assert (info["name"], info["version"], info["pid"]) == ("praisonrun", __version__, found.pid)
    assert "jobs" in info["api"]
    assert info["started_at"].endswith("Z")
    assert server.stop() == 0
    assert not (server.state / FILE).exists()
    server.start()
    server.kill()
    assert (server.state / FILE).exists()
    assert discovery.find(server.state, holder(server.state)) is None  # stale


def command(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a client command that knows the state directory alone."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PRAISONRUN_")}
    words = (*words, "--state", str(server.state))
    return subprocess.run(
        [sys.executable, "-m", "praisonrun", *words], capture_output=True, text=True, env=environ, timeout=60
    )


def test_commands_find_a_server_on_another_port_with_its_token(tmp_path: Path, agents_file: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with Server(tmp_path, agents_file, "--token-file", str(tmp_path / "token")) as server:
        server.start()
        done = command(server, "run", "hello", "--no-server")
        assert (done.returncode, done.stdout) == (0, "got hello\n"), done.stderr
        assert server.url in done.stderr
        assert TOKEN not in done.stderr
        done = command(server, "run", "x", "--no-server", "--port", "1")  # another server is meant
        assert (done.returncode, server.url in done.stderr) == (125, True)
        done = command(server, "stop", "--cancel")
        assert done.returncode == 0, done.stderr
        assert "stopped" in done.stdout
        assert not (server.state / FILE).exists()


def test_a_flag_or_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    discovery.write(tmp_path, replace(HERE, token_file=str(tmp_path / "token")))
    monkeypatch.setattr(discovery, "holder", lambda _: os.getpid())
    monkeypatch.delenv("PRAISONRUN_TOKEN", raising=False)
    here = Named(state=tmp_path)
    found = target(here)
    assert (found.base, found.token) == (HERE.url, TOKEN)
    assert TOKEN not in repr(found)
    for elsewhere in (replace(here, port=9), replace(here, host="127.0.0.2")):
        with pytest.raises(ConfigError, match="leave --host and --port out"):
            target(elsewhere)
    for same in (replace(here, port=4711), replace(here, host="localhost"), replace(here, host="127.0.0.1")):
        assert target(same) == found
    monkeypatch.setenv("PRAISONRUN_TOKEN", "t" * 20)
    assert (target(here).base, target(here).token) == (HERE.url, "t" * 20)
