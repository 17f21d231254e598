"""What tests need of npm: `tests/npm` names the packages, and its lock file each version and its hash.

They are fetched once into the tests' cache. A test that cannot have them is skipped, and says why.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import pytest

from .places import TESTS

NAMED = [TESTS / "npm" / name for name in ("package.json", "package-lock.json")]
INSTALL = [
    "npm",
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--fetch-retries=0",
    "--fetch-timeout=20000",
]


def packages(cache: pytest.Cache) -> Path:
    """Return the directory `node_modules` with all that `tests/npm` names."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node 20 or newer, and npm")
    digest = blake2b(b"".join(path.read_bytes() for path in NAMED), digest_size=6).hexdigest()
    kept = cache.mkdir("npm")
    if not (kept / digest).is_dir():
        _fetch(kept, kept / digest)
    return kept / digest / "node_modules"


def _fetch(beside: Path, into: Path) -> None:
    """Install the packages; another process of the tests may do so at the same time."""
    made = tempfile.mkdtemp(dir=beside)
    try:
        for path in NAMED:
            shutil.copy(path, made)
        done = subprocess.run(INSTALL, cwd=made, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"npm cannot fetch what {NAMED[0].parent} names: {done.stderr.strip()[-300:]}")
        with suppress(OSError):  # it is there meanwhile
            Path(made).rename(into)
    finally:
        shutil.rmtree(made, ignore_errors=True)
