"""The house as ARCHITECTURE.md draws it: floors, the state table, what must not be imported."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

import praisonrun
from praisonrun.core.lifecycle import TRANSITIONS

PACKAGE = Path(praisonrun.__file__).parent
TEXT = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
PROGRAMS = {"demo"}
"""What agents run: it is no part of the house."""
SHARED = {"event_stream"}
"""What dialects have in common, above the engine."""


def table(heading: str) -> dict[str, list[str]]:
    """Return the first table under a heading: first column to the words of the second."""
    section = TEXT.split(f"## {heading}", 1)[1].split("\n## ")[0]
    rows = re.findall(r"^\| *([^|]*?) *\| *([^|]*?) *\|$", section, re.MULTILINE)[1:]
    return {first: re.findall(r"\w+", second) for first, second in rows if not first.startswith("-")}


FLOORS = {name: level for level, names in enumerate(table("Floors").values()) for name in names}


Names: TypeAlias = tuple[str, ...]
"""A module below the package, name by name."""


def imports() -> Iterator[tuple[Names, Names]]:
    """Yield (who, whom) for every import inside the package, deferred ones included."""
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        package = parts[:-1]
        if parts[0] in PROGRAMS or parts == ("__init__",):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            yield from ((parts, target) for target in _targets(node, package))


def _targets(node: ast.AST, package: Names) -> Iterator[Names]:
    if isinstance(node, ast.ImportFrom):
        if node.level:
            above = package[: len(package) - node.level + 1]
            whole = above + tuple((node.module or "").split(".") if node.module else ())
        elif (node.module or "").split(".")[0] == "praisonrun":
            whole = tuple((node.module or "").split(".")[1:])
        else:
            return
        yield from [(*whole, alias.name) for alias in node.names]
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.startswith("praisonrun."):
                yield tuple(alias.name.split(".")[1:])


def test_every_module_has_a_floor() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - PROGRAMS - {"__init__", "__pycache__"} == FLOORS.keys()


def test_imports_only_point_down() -> None:
    pairs = {(who[0], whom[0]) for who, whom in imports() if whom[0] in FLOORS}
    assert len(pairs) > 50
    assert sorted((who, whom) for who, whom in pairs if FLOORS[who] < FLOORS[whom]) == []


def test_no_dialect_imports_another() -> None:
    pairs = {(who[1], whom[1]) for who, whom in imports() if who[0] == whom[0] == "dialects"}
    assert {who for who, _ in pairs} >= {"jobs", "veryfront", "nullspace"}
    assert [(who, whom) for who, whom in sorted(pairs) if who != whom and whom not in SHARED] == []
    assert not {who for who, _ in pairs} & SHARED


def test_the_state_table_is_the_code_s() -> None:
    drawn = {first: set(onward) for first, onward in table("A run's states").items()}
    assert drawn == {status.value: {to.value for to in onward} for status, onward in TRANSITIONS.items()}


@pytest.mark.parametrize(
    ("module", "never"),
    [
        ("praisonrun.server", ["rich", "httpx2", "mcp"]),
        ("praisonrun.cli.commands", ["starlette", "uvicorn", "pydantic", "rich", "httpx2"]),
        ("praisonrun.cli.run", ["starlette", "uvicorn", "pydantic"]),
        ("praisonrun.process.spawner", ["asyncio", "typing_extensions", "pydantic", "subprocess", "logging"]),
    ],
)
def test_what_a_module_must_not_pull_in(module: str, never: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {never!r} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
