"""The interpreter that has a framework: this one, the one behind its command, or one that a file names."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..core.errors import Invalid
from .reading import did_you_mean


class Framework(NamedTuple):
    """How to install a framework, and the modules that it needs."""

    install: str
    modules: tuple[str, ...]


FRAMEWORKS: Mapping[str, Framework] = {
    "praisonai": Framework("pip install praisonai", ("praisonai",)),
    "crewai": Framework(
        "pip install praisonai 'praisonai-frameworks[crewai]'",
        ("praisonai", "praisonai_frameworks", "crewai"),
    ),
    "autogen": Framework(
        "pip install praisonai 'praisonai-frameworks[autogen]'",
        ("praisonai", "praisonai_frameworks", "autogen"),
    ),
}
"""crewai and autogen run through praisonai's adapters, which read the same file. The one of AutoGen's later
versions (autogen_agentchat) runs nothing."""
_PROBE = "import importlib.util as u, sys\nfor m in sys.argv[1:]:\n    if not u.find_spec(m): sys.exit(m)"
_HAVE: set[tuple[str, int, int, tuple[str, ...]]] = set()
"""Interpreters that have some modules, with the state of their file when they were asked."""


def known(framework: str) -> Framework:
    """Return what a framework needs. Raises Invalid for an unknown one."""
    try:
        return FRAMEWORKS[framework]
    except KeyError:
        near = did_you_mean(framework, FRAMEWORKS) or f"; known are {', '.join(FRAMEWORKS)}"
        raise Invalid(f"unknown framework {framework[:80]!r}{near}", field="framework") from None


def resolve(framework: str, python_hint: str | None, environ: Mapping[str, str]) -> str:
    """Return the absolute path of an interpreter that has the framework.

    That is `python_hint` if given, else this interpreter, else the one behind praisonai's command on PATH.
    Raises Invalid, which names the install command. A foreign interpreter is started once to ask it (tens of
    ms); its answer is kept until the file changes.
    """
    wanted = known(framework)
    if python_hint:
        return _hinted(framework, wanted, python_hint, environ)
    if all(map(_here, wanted.modules)):
        return sys.executable
    behind = _behind_command(environ)
    if behind is None:
        raise Invalid(
            f"framework {framework} is not installed; install it with: {wanted.install}", field="framework"
        )
    if gone := missing(behind, wanted.modules):
        install = wanted.install.replace("pip", f"{behind} -m pip", 1)
        raise Invalid(
            f"framework {framework} is not installed where praisonai is ({gone} is missing);"
            f" install it with: {install}",
            field="framework",
        )
    return behind


def _hinted(framework: str, wanted: Framework, hint: str, environ: Mapping[str, str]) -> str:
    python = shutil.which(hint, path=environ.get("PATH", os.defpath))
    if python is None:
        raise Invalid(f"`python: {Path(hint).name}` is no program that can be run", field="framework")
    gone = missing(python, wanted.modules)
    if gone:
        install = wanted.install.replace("pip install", f"{Path(hint).name} -m pip install")
        raise Invalid(
            f"framework {framework} is not installed where `python:` points ({gone} is missing);"
            f" install it with: {install}",
            field="framework",
        )
    return os.path.abspath(python)  # noqa: PTH100 - resolve() would leave the virtual environment


def _here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _behind_command(environ: Mapping[str, str]) -> str | None:
    """Return the interpreter that the first line of praisonai's command on PATH names."""
    script = shutil.which("praisonai", path=environ.get("PATH", os.defpath))
    if script is None:
        return None
    with Path(script).open("rb") as file:
        head = file.read(1024).decode("utf-8", "replace")
    # The second form is pip's own, for paths too long or with spaces in them.
    found = re.match(r"#!\s*(/\S+)", head), re.search(r"'''exec' \"?(/[^\"\n]+?)\"? ", head)
    paths = [match[1] for match in found if match]
    return next((path for path in paths if "python" in Path(path).name and os.access(path, os.X_OK)), None)


def missing(python: str, modules: tuple[str, ...]) -> str:
    """Return the module that an interpreter lacks, or "". Only "" is kept: a module may be installed."""
    try:
        stat = os.stat(python)  # noqa: PTH116
        key = (python, stat.st_mtime_ns, stat.st_ino, modules)
        if key in _HAVE:
            return ""
        asked = [python, "-I", "-c", _PROBE, *modules]
        done = subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(python).name}, which could not be asked: {type(error).__name__}"
    if done.returncode:
        return done.stderr.decode("utf-8", "replace").strip()[-200:] or "python"
    _HAVE.add(key)
    return ""
