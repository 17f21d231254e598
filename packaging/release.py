"""Everything of a release in one directory: `packaging/build` starts this with the CPython that it is for."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import archive
import bundle
import sbom

ROOT = Path(__file__).parent.parent
UNTRIED = {
    "Darwin": "macOS was not tried: the file is made only from a CPython whose libraries are all its own "
    "(python-build-standalone), because none is rewritten there.",
    "aarch64": "aarch64 was not tried: it takes the same way as x86_64, whose proofs are tests/package.",
}


def main(out: Path) -> None:
    """Make sdist, wheel, file, SBOM and SHA256SUMS. Raises SystemExit with what is missing or wrong."""
    for place in {platform.system(), platform.machine()} & UNTRIED.keys():
        print(f"note: {UNTRIED[place]}", file=sys.stderr)
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch())
    os.umask(0o022)
    version = re.findall(r'__version__ = "(.+)"', (ROOT / "praisonrun/__init__.py").read_text())[0]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        made = distributions(Path(temporary), out)
        tree = bundle.Tree(Path(temporary) / "tree")
        tree.fill(ROOT / "packaging/requirements-release.txt", made[1])
        name = f"praisonrun-{version}-{platform.system().lower()}-{platform.machine()}"
        file = archive.single_file(tree, version, out / name)
        listed = sbom.write(tree, version, epoch(), out / f"{name}.cdx.json")
    sums(out / "SHA256SUMS", [*made, file, listed])
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, needs {tree.needs}")


def epoch() -> int:
    """Return the time that stands in all files: SOURCE_DATE_EPOCH, else that of the commit or the sdist."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    if (ROOT / ".git").exists():
        return int(subprocess.check_output(["git", "-C", ROOT, "log", "-1", "--format=%ct"]))
    return int((ROOT / "pyproject.toml").stat().st_mtime)


def distributions(temporary: Path, out: Path) -> tuple[Path, Path]:
    """Make the sdist from the tracked files, and the wheel from the sdist; return both."""
    source = archive.stage(ROOT, temporary / "source")
    sdist = archive.repack(backend(source, "sdist", temporary), out)
    wheel = backend(archive.unpack(sdist, temporary / "sdist"), "wheel", out)
    return sdist, wheel


def backend(source: Path, kind: str, out: Path) -> Path:
    """Call a hook of the build backend in `source`; return what it made."""
    code = f"import sys; from setuptools import build_meta; print(build_meta.build_{kind}(sys.argv[1]))"
    run = [sys.executable, "-c", code, str(out)]
    done = subprocess.run(run, cwd=source, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return out / done.stdout.split()[-1]


def sums(file: Path, made: list[Path]) -> None:
    """Write what `sha256sum -c` reads."""
    lines = [f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in sorted(made)]
    file.write_text("".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
