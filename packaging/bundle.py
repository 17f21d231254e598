"""The tree of the single file: a CPython that runs from any place, its standard library, and the product."""

from __future__ import annotations

import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import elf
from debian import package_of

OMITTED = (
    # for developers of Python
    "test", "tests", "_test*", "_ctypes_test.*", "xx*", "_xxtestfuzz.*", "*.a", "config-*",
    "_sysconfigdata_d_*", "ensurepip", "lib2to3", "distutils",
    # for a person at a terminal or a screen, where no agent is
    "idlelib", "tkinter", "turtle.py", "turtledemo", "_tkinter.*", "curses", "_curses*", "readline.*",
    # for libraries whose license or size is not ours to pass on
    "_dbm.*", "_gdbm.*", "nis.*", "crypt.py", "_crypt.*", "ossaudiodev.*",
    # what stands in for a part in C that is there
    "_pydecimal.py", "_pyio.py", "_pydatetime.py",
    "site-packages", "dist-packages", "EXTERNALLY-MANAGED", "sitecustomize.py", "__pycache__",
)  # fmt: skip
"""What is left out of the standard library. tests/package looks that nothing else is missing."""
UNUSED = (
    "pydantic/v1", "pydantic/mypy.py", "anyio/_backends/_trio.py", "anyio/pytest_plugin.py",
    "**/*.pyi", "**/py.typed", "bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED",
    "*.dist-info/WHEEL",
)  # fmt: skip
"""What the product never imports of its packages, and pip's notes. tests/package looks, too."""
LEXERS = {"data", "diff", "python", "shell", "special"}
"""The languages that pygments, of which rich is the only user, can color. Others are shown plainly."""
BY_PATH = ("crew_driver.py", "script_driver.py", "demo.py")
"""What runs by its path in another interpreter, which must find a source."""
CA_FILE = (b"/usr/lib/ssl/cert.pem\0", b"/etc/pki/tls/cert.pem\0")
CA_FOLDER = (b"/usr/lib/ssl/certs\0", b"/etc/ssl/certs\0\0\0\0\0")
"""Where Debian's OpenSSL looks for certificates, and what finds them on other systems, too: the file is that
of Fedora and its kin, the directory that of all others."""


class Tree:
    """A directory that becomes the payload."""

    def __init__(self, root: Path) -> None:
        self.root = root
        stdlib = Path(sysconfig.get_path("stdlib"))
        self.stdlib = root / stdlib.relative_to(sys.base_prefix)
        self.python = root / "bin" / f"python3.{sys.version_info.minor}"
        self.origins: dict[str, Path] = {}
        """The file name of each library that was copied, to where it came from."""
        self.needs = "macOS"
        """What a machine must have."""

    def fill(self, requirements: Path, wheel: Path) -> None:
        """Put everything in. Raises SystemExit where the result could not run elsewhere."""
        self._interpreter()
        self._packages(requirements, wheel)
        if sys.platform == "linux":
            self.origins = elf.gather(self.root, self.root / "lib" / "so")
            self._certificates()
            self._licenses()
            self.needs = f"glibc {elf.glibc(self.root)} or newer"
        self._only_own_libraries()
        self._only_own_modules()
        self._byte_code()

    def site(self) -> Path:
        """Return where the interpreter of the tree looks for packages."""
        code = "import site; print(*site.getsitepackages(), sep='\\n')"
        found = self._ask(code).splitlines()
        return next(Path(place) for place in found if Path(place).is_relative_to(self.stdlib))

    def packages(self) -> list[Path]:
        """Return the metadata directories of all packages."""
        return sorted(self.site().glob("*.dist-info"))

    def bills(self, package: Path) -> list[Path]:
        """Return the bills of materials that a package brought along: its metadata directory had them."""
        return sorted((self.root.parent / package.name).glob("*.json"))

    def _interpreter(self) -> None:
        self.python.parent.mkdir(parents=True)
        shutil.copy(os.path.realpath(sys._base_executable), self.python)  # type: ignore[attr-defined]
        for name in ("python3", "python"):
            (self.python.parent / name).symlink_to(self.python.name)
        shutil.copytree(sysconfig.get_path("stdlib"), self.stdlib, ignore=shutil.ignore_patterns(*OMITTED))

    def _packages(self, requirements: Path, wheel: Path) -> None:
        site = self.site()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--no-compile"]
        pip += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        subprocess.run([*pip, "--target", str(site), "-r", str(requirements)], check=True)
        shutil.unpack_archive(wheel, site, "zip")
        for pattern in UNUSED:
            for path in list(site.glob(pattern)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for bills in site.glob("*.dist-info/sboms"):
            shutil.move(bills, self.root.parent / bills.parent.name)
        _few_lexers(site / "pygments" / "lexers")

    def _certificates(self) -> None:
        for library in (self.root / "lib" / "so").glob("libcrypto.so.*"):
            data = library.read_bytes()
            for old, new in (CA_FILE, CA_FOLDER):
                data = data.replace(old, new)
            library.write_bytes(data)

    def _licenses(self) -> None:
        """Pass on what the libraries' licenses want passed on. The packages of Python bring theirs along."""
        (self.root / "licenses").mkdir()
        for origin in (Path(os.path.realpath(sys._base_executable)), *self.origins.values()):  # type: ignore[attr-defined]
            package = package_of(origin)
            if package and package.copyright.exists():
                shutil.copy(package.copyright, self.root / "licenses" / package.name)

    def _only_own_libraries(self) -> None:
        strange = elf.strange(self.root) if sys.platform == "linux" else list(_dylibs(self.root))
        if strange:
            sys.exit(f"libraries from outside the file would be needed: {', '.join(strange)}")

    def _only_own_modules(self) -> None:
        strange = [place for place in self._ask("import sys; print(*sys.path, sep='\\n')").splitlines()
                   if not Path(place).is_relative_to(self.root)]  # fmt: skip
        if strange:
            sys.exit(f"this CPython looks for modules outside the file: {', '.join(strange)}")

    def _byte_code(self) -> None:
        """Replace sources by byte code in their places, which is half as large and starts without a look."""
        for source in sorted(self.root.rglob("*.py")):
            shown = f"/praisonrun/{source.relative_to(self.root)}"  # in traces; a relative one might exist
            py_compile.compile(
                str(source), str(source.with_suffix(".pyc")), shown, doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )  # fmt: skip
            if not any(fnmatch(source.name, name) for name in BY_PATH):
                source.unlink()

    def _ask(self, code: str) -> str:
        asked = [str(self.python), "-B", "-I", "-c", code]
        return subprocess.check_output(asked, text=True, cwd="/").strip()


def _few_lexers(folder: Path) -> None:
    """Leave LEXERS, and tell pygments of no others."""
    for path in folder.glob("*.py"):
        if path.stem not in LEXERS | {"__init__", "_mapping"}:
            path.unlink()
    table = folder / "_mapping.py"
    rows = table.read_text().splitlines(keepends=True)
    others = re.compile(r".*\('pygments\.lexers\.(?!(" + "|".join(LEXERS) + r")')")
    table.write_text("".join(row for row in rows if not others.match(row)))


def _dylibs(root: Path) -> Iterator[str]:
    """Yield each library that a Mach-O file of the tree takes from neither the tree nor the system."""
    files = [
        path for path in root.rglob("*") if path.suffix in (".so", ".dylib") or path.parent == root / "bin"
    ]
    for file in files:
        for line in subprocess.check_output(["otool", "-L", file], text=True).splitlines()[1:]:
            if not line.split()[0].startswith(("/usr/lib/", "/System/", "@")):
                yield line.split()[0]
