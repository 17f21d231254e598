"""The single file: what is in it, and how its first start ends well, whatever stands in its way."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from praisonrun import __version__

from ..rigs.places import ROOT
from .releases import LIMIT, Release, as_nobody, run, unpacked, versions

pytestmark = [pytest.mark.package, pytest.mark.timeout(120, func_only=True)]

LEFT_OUT = {
    "_crypt", "_curses", "_curses_panel", "_dbm", "_gdbm", "_pydatetime", "_pydecimal", "_pyio", "_tkinter",
    "crypt", "curses", "distutils", "ensurepip", "idlelib", "lib2to3", "nis", "ossaudiodev", "readline",
    "tkinter", "turtle", "turtledemo",
}  # fmt: skip
"""What docs/install.md says is missing of the standard library, and the parts of that."""


def asked(home: Path, code: str, *flags: str) -> str:
    """Return what the unpacked interpreter prints."""
    done = run([str(unpacked(home) / "bin/python3"), *flags, "-c", code], HOME=str(home))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def started(home: Path, release: Release) -> Path:
    """A home directory in which the file was started."""
    assert run([str(release.file), "--version"], HOME=str(home)).returncode == 0
    return home


def test_what_a_release_consists_of(release: Release) -> None:
    lines = (release.folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    made = {release.file, release.bill, release.wheel, release.sdist}
    assert sums == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made}
    assert {path.name for path in release.folder.iterdir()} == {*sums, "SHA256SUMS"}
    assert release.file.name == f"praisonrun-{__version__}-linux-{os.uname().machine}"
    assert release.file.stat().st_size <= LIMIT


def test_the_first_start_leaves_the_version_and_nothing_else(home: Path, release: Release) -> None:
    done = run([str(release.file), "--version"], HOME=str(home))
    assert done.stdout.startswith(f"praisonrun {__version__} (single file, Python 3.")
    assert (done.returncode, done.stderr) == (0, "")
    assert unpacked(home).name.startswith(f"{__version__}-")
    for path in (versions(home), unpacked(home)):
        assert path.stat().st_mode & 0o777 == 0o700
    shown: dict[str, Any] = json.loads(run([str(release.file), "info", "--json"], HOME=str(home)).stdout)
    assert (shown["file"], shown["unpacked"]) == (str(release.file), str(unpacked(home)))


def test_the_bill_names_all_that_is_inside(started: Path, release: Release) -> None:
    listed = {
        part["name"]: part.get("version") for part in json.loads(release.bill.read_text())["components"]
    }
    code = (
        "import platform, ssl, sqlite3\n"
        "print(platform.python_version(), ssl.OPENSSL_VERSION.split()[1], sqlite3.sqlite_version)"
    )
    assert [listed["CPython"], listed["OpenSSL"], listed["SQLite"]] == asked(started, code).split()
    assert {path.name for path in (unpacked(started) / "lib/so").iterdir()} <= listed.keys()
    names = asked(
        started, "import importlib.metadata as m; print(*(found.name for found in m.distributions()))"
    )
    assert {name.lower().replace("_", "-") for name in names.split()} <= listed.keys()
    vendor = ROOT / "praisonrun/web/page/vendor"
    assert {path.stem for path in vendor.glob("*.js")} <= listed.keys()
    assert all(listed.values())


def test_the_standard_library_is_whole_but_for_what_the_page_names(started: Path) -> None:
    code = (
        "import importlib, sys\n"
        "for name in sorted(sys.stdlib_module_names - {'this', 'antigravity'}):\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError: print(name)"
    )
    missing = set(asked(started, code, "-W", "ignore").split())
    here = subprocess.check_output([sys.executable, "-W", "ignore", "-c", code], text=True).split()
    foreign = {name for name in missing if name in here} - LEFT_OUT  # Windows and its kin
    assert missing - foreign <= LEFT_OUT
    page = (ROOT / "docs/install.md").read_text()
    assert all(f"`{name}`" in page for name in missing - foreign if not name.startswith("_"))


def test_no_module_is_taken_from_the_machine(started: Path) -> None:
    assert run([str(unpacked(started) / "bin/python3"), "-I", "-c", "import sys; print(*sys.path)"]).stdout
    places = asked(started, "import sys; print(*sys.path)", "-I").split()
    assert all(Path(place).is_relative_to(unpacked(started)) for place in places)


def test_models_may_use_it_by_mcp(home: Path, release: Release) -> None:
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    asked = [("initialize", hello), ("tools/call", {"name": "list_agents", "arguments": {}})]
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": given})
        for number, (method, given) in enumerate(asked)
    ]
    with subprocess.Popen(
        [str(release.file), "mcp", "--state", str(home / "state")],
        env={"HOME": str(home), "PATH": os.defpath}, cwd=home, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdin
        assert child.stdout
        child.stdin.write("\n".join(lines) + "\n")
        child.stdin.flush()
        answers = [json.loads(child.stdout.readline()) for _ in lines]
        assert "hello" in answers[1]["result"]["content"][0]["text"]
        child.stdin.close()
        assert (child.wait(30), child.stderr and child.stderr.read()) == (0, "")


def test_rich_shows_text_of_all_languages(started: Path) -> None:
    text = "# title\n```python\nfirst\n```\n```rust\nsecond\n```"
    shown = asked(started, f"import rich.markdown as m, rich; rich.print(m.Markdown({text!r}))")
    assert {"title", "first", "second"} <= set(shown.split())


def test_six_first_starts_at_once(home: Path, release: Release) -> None:
    start = [str(release.file), "--version"]
    environ = {"HOME": str(home), "PATH": os.defpath}
    starts = [
        subprocess.Popen(start, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(6)
    ]
    for one in starts:
        out, err = one.communicate(timeout=120)
        assert (one.returncode, err) == (0, b"")
        assert out.startswith(b"praisonrun ")
    assert unpacked(home)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_start_that_is_killed_while_it_unpacks(home: Path, release: Release, number: int) -> None:
    stopping = home / "bin"
    stopping.mkdir()
    os.mkfifo(home / "up")
    (stopping / "gzip").write_text(f"#!/bin/sh\necho up > {home}/up\nexec sleep 600\n")
    (stopping / "gzip").chmod(0o755)
    environ = {"HOME": str(home), "PATH": f"{stopping}:{os.defpath}"}
    start = subprocess.Popen([str(release.file), "--version"], env=environ, start_new_session=True)
    assert (home / "up").read_text() == "up\n"
    os.killpg(start.pid, number)
    start.wait(30)
    left = [path.name for path in versions(home).iterdir()]
    assert [name[:5] for name in left] == ([".new."] if number == signal.SIGKILL else [])
    assert run([str(release.file), "--version"], HOME=str(home)).returncode == 0
    assert len([path for path in versions(home).iterdir() if path.name not in left]) == 1


@pytest.mark.parametrize("how", ["read-only", "unset", "missing"])
def test_a_home_that_cannot_be_written(tmp_path: Path, release: Release, how: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    scratch.chmod(0o1777)
    (tmp_path / "home").mkdir(0o555)
    for place in (tmp_path, *list(tmp_path.parents)[:3]):
        place.chmod(place.stat().st_mode | 0o011)
    file = str(shutil.copy(release.file, scratch))
    homes = {"read-only": {"HOME": str(tmp_path / "home")}, "unset": {}, "missing": {"HOME": "/nowhere"}}
    environ = {**homes[how], "TMPDIR": str(scratch)}
    assert run(as_nobody([file, "--version"]), **environ).returncode == 0
    user = 65534 if os.geteuid() == 0 else os.getuid()
    assert (scratch / f"praisonrun-{user}").stat().st_mode & 0o777 == 0o700
    hello = ["run", "Say hello to the world", "--state", str(scratch / "state"), "--port", "18641"]
    done = run(as_nobody([file, *hello]), **environ)
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout.lower()
    assert run(as_nobody([file, "stop", "--state", str(scratch / "state")]), **environ).returncode == 0
    if how != "unset":
        failed = run(as_nobody([file, "run", "x", "--port", "18641"]), **environ)
        assert failed.returncode == 125
        assert failed.stderr.startswith("praisonrun: cannot use ")
        assert failed.stderr.count("\n") == 1


@pytest.mark.parametrize("how", ["open", "link"])
def test_a_planted_directory_is_rejected(tmp_path: Path, release: Release, how: str) -> None:
    mine = tmp_path / "mine"
    mine.mkdir(0o700)
    planted = tmp_path / f"praisonrun-{os.getuid()}"
    if how == "open":
        planted.mkdir()
        planted.chmod(0o777)
    else:
        planted.symlink_to(mine)
    done = run([str(release.file), "--version"], TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "set XDG_DATA_HOME" in done.stderr
    assert not list(planted.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
def test_another_user_s_directory_is_rejected(tmp_path: Path, release: Release) -> None:
    planted = tmp_path / "praisonrun-0"
    planted.mkdir(0o700)
    os.chown(planted, 65534, 65534)
    assert run([str(release.file), "--version"], TMPDIR=str(tmp_path)).returncode == 1
    assert not list(planted.iterdir())


@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_file_says_so_and_leaves_nothing(home: Path, release: Release, how: str) -> None:
    data = bytearray(release.file.read_bytes())
    if how == "cut":
        del data[-1000:]
    else:
        data[-100_000] ^= 1
    file = home / "praisonrun"
    file.write_bytes(data)
    file.chmod(0o755)
    done = run([str(file), "--version"], HOME=str(home), TMPDIR=str(home))
    assert (done.returncode, done.stdout) == (1, "")
    assert "this file is damaged (compare SHA256SUMS)" in done.stderr
    assert not list(versions(home).iterdir())
