"""The interpreter that has a framework: this one, the one behind its command, or one that a file names."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import Invalid
from .reading import did_you_mean


@dataclass(frozen=True, slots=True)
class Framework:
    """What a framework needs: modules (any of a group will do), a command, and how to install them."""

    modules: tuple[tuple[str, ...], ...]
    command: str
    install: str


FRAMEWORKS: Mapping[str, Framework] = {
    "praisonai": Framework((("praisonai",),), "praisonai", "pip install praisonai"),
    "crewai": Framework((("praisonai",), ("crewai",)), "praisonai", "pip install 'praisonai[crewai]'"),
    "autogen": Framework(
        (("praisonai",), ("autogen_agentchat", "autogen")), "praisonai", "pip install 'praisonai[autogen]'"
    ),
}
"""crewai and autogen run through praisonai's own adapters, which read the same file."""
_PROBE = (
    "import importlib.util as u, sys\n"
    "for g in sys.argv[1:]:\n"
    "    if not any(u.find_spec(m) for m in g.split('|')): sys.exit(g.replace('|', ' or '))"
)
_HAVE: set[tuple[str, int, int, str]] = set()
"""Interpreters that have a framework, with the state of their file when they were asked."""


def known(framework: str) -> Framework:
    """Return what a framework needs. Raises Invalid for an unknown one."""
    try:
        return FRAMEWORKS[framework]
    except KeyError:
        near = did_you_mean(framework, FRAMEWORKS) or f"; known are {', '.join(FRAMEWORKS)}"
        raise Invalid(f"unknown framework {framework[:80]!r}{near}", field="framework") from None


def resolve(framework: str, python_hint: str | None, environ: Mapping[str, str]) -> str:
    """Return the absolute path of an interpreter that has the framework.

    That is `python_hint` if given, else this interpreter, else the one behind the framework's command on
    PATH.
    Raises Invalid, which names the install command. A foreign interpreter is started once to ask it (tens of
    ms); its answer is kept until the file changes.
    """
    wanted = known(framework)
    if python_hint:
        return _hinted(framework, wanted, python_hint, environ)
    if all(any(_here(module) for module in group) for group in wanted.modules):
        return sys.executable
    behind = _behind(wanted.command, environ)
    if behind and not _missing(behind, wanted):
        return behind
    raise Invalid(
        f"framework {framework} is not installed; install it with: {wanted.install}", field="framework"
    )


def _hinted(framework: str, wanted: Framework, hint: str, environ: Mapping[str, str]) -> str:
    python = shutil.which(hint, path=environ.get("PATH", os.defpath))
    if python is None:
        raise Invalid(f"`python: {Path(hint).name}` is no program that can be run", field="framework")
    missing = _missing(python, wanted)
    if missing:
        install = wanted.install.replace("pip install", f"{Path(hint).name} -m pip install")
        raise Invalid(
            f"framework {framework} is not installed where `python:` points ({missing} is missing);"
            f" install it with: {install}",
            field="framework",
        )
    return os.path.abspath(python)  # noqa: PTH100 - resolve() would leave the virtual environment


def _here(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _behind(command: str, environ: Mapping[str, str]) -> str | None:
    """Return the interpreter that the first line of a command on PATH names."""
    script = shutil.which(command, path=environ.get("PATH", os.defpath))
    if script is None:
        return None
    with Path(script).open("rb") as file:
        head = file.read(1024).decode("utf-8", "replace")
    # The second form is pip's own, for paths too long or with spaces in them.
    found = re.match(r"#!\s*(/\S+)", head), re.search(r"'''exec' \"?(/[^\"\n]+?)\"? ", head)
    paths = [match[1] for match in found if match]
    return next((path for path in paths if "python" in Path(path).name and os.access(path, os.X_OK)), None)


def _missing(python: str, wanted: Framework) -> str:
    """Return the module that an interpreter lacks, or "". Only "" is kept: a module may be installed."""
    try:
        stat = os.stat(python)  # noqa: PTH116
    except OSError:
        return python
    key = (python, stat.st_mtime_ns, stat.st_ino, wanted.install)
    if key in _HAVE:
        return ""
    missing = _ask(python, wanted)
    if not missing:
        _HAVE.add(key)
    return missing


def _ask(python: str, wanted: Framework) -> str:
    asked = [python, "-I", "-c", _PROBE, *("|".join(group) for group in wanted.modules)]
    try:
        done = subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{Path(python).name}, which could not be asked: {type(error).__name__}"
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip()[-200:] or "python"
