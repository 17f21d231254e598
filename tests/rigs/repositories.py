"""Git repositories that tests make, and what git says of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{
        f"GIT_{role}_{key}": "user@example.com"
        for role in ("AUTHOR", "COMMITTER")
        for key in ("NAME", "EMAIL")
    },
}


def git(at: Path, *words: str, **env: str) -> str:
    """Return what git prints in a directory, without the last line break."""
    done = subprocess.run(
        ["git", *words], cwd=at, env={**ENV, **env}, capture_output=True, text=True, errors="surrogateescape"
    )
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout.removesuffix("\n")


def make(path: Path) -> Path:
    """Make a repository with two directories, a program, a link and an ignored file; return its path."""
    (path / "sub").mkdir(parents=True)
    (path / "sub" / "file").write_text("one\n")
    (path / "bytes").write_bytes(bytes(range(256)))
    (path / "program").write_text("#!/bin/sh\n")
    (path / "program").chmod(0o755)
    (path / "link").symlink_to("sub/file")
    (path / ".gitignore").write_text("ignored\n")
    git(path, "init", "-q", "-b", "main")
    git(path, "add", ".")
    git(path, "commit", "-q", "-m", "first")
    return path


def linked(path: Path) -> list[str]:
    """Return the names of the worktrees that a repository knows beside its own checkout."""
    known = path / ".git" / "worktrees"
    return sorted(each.name for each in known.iterdir()) if known.exists() else []


def state_of(path: Path) -> dict[str, str]:
    """Return what nobody but its user may change of a repository."""
    directory = Path(git(path, "rev-parse", "--absolute-git-dir"))
    index = directory / "index"
    return {
        "index": index.read_bytes().hex() if index.exists() else "",
        "written": str(index.stat().st_mtime_ns) if index.exists() else "",
        "HEAD": (directory / "HEAD").read_text(),
        "config": (directory / "config").read_text(),
        "branches": "\n".join(
            line for line in git(path, "for-each-ref").splitlines() if "refs/heads/praisonrun/" not in line
        ),
        "files": "\n".join(
            f"{each.relative_to(path)} {each.lstat().st_mtime_ns}"
            for each in sorted(path.rglob("*"))
            if ".git" not in each.relative_to(path).parts
        ),
    }
