"""Wheel and sdist: what is in them, that they install anywhere, and that all is the same when built again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from praisonrun import __version__

from ..rigs.places import ROOT
from .releases import Release, run

pytestmark = [pytest.mark.package, pytest.mark.timeout(300, func_only=True)]


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the programs of an environment with pip, uv and pipx."""
    place = tmp_path_factory.mktemp("tools")
    venv.create(place, with_pip=True)
    subprocess.run([place / "bin/pip", "install", "-q", "uv", "pipx"], check=True)
    return place / "bin"


def hello(command: list[str], home: Path, *flags: str, **environ: str) -> None:
    """Run the built-in agent with a praisonrun that was just installed."""
    state = ["--state", str(home / "state"), "--port", "18643"]
    done = run([*command, "run", "Say hello to the world", *state, *flags], HOME=str(home), **environ)
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout.lower()
    stopped = run([*command, "stop", "--state", str(home / "state")], HOME=str(home), **environ)
    assert stopped.returncode == 0, stopped.stderr


def test_the_wheel_has_every_tracked_file(release: Release) -> None:
    with zipfile.ZipFile(release.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = wheel.read(f"praisonrun-{__version__}.dist-info/METADATA").decode()
    tracked = subprocess.check_output(["git", "ls-files", "praisonrun"], text=True, cwd=ROOT).split()
    assert names == set(tracked)
    for line in ("Author: praisonrun contributors", "Keywords: ", "Classifier: Development Status :: "):
        assert f"\n{line}" in metadata


def test_the_wheel_installs_into_an_empty_environment(tmp_path: Path, release: Release) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", release.wheel], check=True)
    command = str(tmp_path / "venv/bin/praisonrun")
    assert f"praisonrun {__version__} (package, Python " in run([command, "--version"]).stdout
    assert f"ExecStart={command} serve\n" in run([command, "service-file", "systemd"]).stdout
    hello([command], tmp_path)


def test_uvx_runs_the_wheel(tmp_path: Path, release: Release, tools: Path) -> None:
    (tmp_path / "cache").mkdir()
    base = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_PYTHON": sys.executable}
    hello([str(tools / "uvx"), "--from", str(release.wheel), "praisonrun"], tmp_path, **_index(), **base)


def test_pipx_installs_the_wheel(tmp_path: Path, release: Release, tools: Path) -> None:
    base = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin"), "HOME": str(tmp_path)}
    pipx = [str(tools / "pipx"), "install", "-q", "--python", sys.executable, str(release.wheel)]
    done = subprocess.run(pipx, env={**os.environ, **base}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hello([str(tmp_path / "bin/praisonrun")], tmp_path)


def test_the_sdist_has_every_tracked_file_and_its_tests_run(tmp_path: Path, release: Release) -> None:
    with tarfile.open(release.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(tmp_path)
    tracked = subprocess.check_output(["git", "ls-files"], text=True, cwd=ROOT).split()
    assert {name for name in tracked if name != ".gitignore"} <= names
    (folder,) = tmp_path.glob("praisonrun-*")
    asked = "import praisonrun; print(praisonrun.__file__)"
    assert str(folder) in subprocess.check_output([sys.executable, "-c", asked], text=True, cwd=folder)
    some = ["tests/core", "tests/store", "tests/agents/test_entry.py", "tests/test_packaging.py"]
    tests = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", *some]
    done = subprocess.run(tests, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"\d\d+ passed", done.stdout)


def test_all_is_the_same_when_built_again(release: Release) -> None:
    verify = [release.source / "packaging/verify", release.folder]
    done = subprocess.run(verify, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all is the same when built again\n")


def _index() -> dict[str, str]:
    """Return where this machine gets packages from, as its variables say."""
    return {
        name: text for name, text in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_", "HTTP"))
    }
