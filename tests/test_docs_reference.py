"""The pages are whole: every key, field, command, option, failure and operation; every link leads on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from praisonrun import cli  # noqa: F401  # its commands register themselves
from praisonrun.agents import entry
from praisonrun.agents.keys import READERS
from praisonrun.cli.program import program
from praisonrun.core.model import Failure
from praisonrun.dialects.jobs import models

from .rigs.pages import PAGES
from .rigs.places import ROOT
from .rigs.wire_rig import table

TEXT = "\n".join(page.read_text() for page in PAGES)
"""All pages."""


def keys_of(heading: str) -> set[str]:
    """Return the keys that stand in the first cells of the tables of agents-yaml.md below a heading."""
    text = (ROOT / "docs" / "agents-yaml.md").read_text()
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {
        key
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for key in re.findall(r"`(\w+)`", row)
    }


def test_every_key_of_an_entry_is_explained() -> None:
    assert keys_of("Keys of an entry") == set(READERS)
    assert keys_of("Services") >= {"type", "path", "timeout_seconds"}
    reserved = re.search(r"The keys (.*?) are reserved", TEXT)
    assert reserved
    assert set(entry._NEVER) <= set(re.findall(r"`(\w+)`", reserved[1]))


def test_every_field_of_a_submit_is_explained() -> None:
    for name in models.Submit.model_fields:
        assert f"`{name}`" in TEXT, name


def test_every_failure_is_explained() -> None:
    for failure in Failure:
        assert f"`{failure}`" in TEXT, failure


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for below, found in command.commands.items():
            yield from commands(found, f"{name} {below}")


@pytest.mark.parametrize(("name", "command"), list(commands(program, "praisonrun")), ids=str)
def test_every_command_and_option_is_explained(name: str, command: click.Command) -> None:
    assert f"`{name}" in TEXT or isinstance(command, click.Group)
    for option in command.params:
        if isinstance(option, click.Option):
            assert re.search(rf"{option.opts[0]}\b", TEXT), (name, option.opts)


def test_every_marker_of_the_tests_is_explained() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    marked = pyproject["tool"]["pytest"]["ini_options"]["markers"]
    names = {text.split(":")[0] for text in marked if "(*" not in text.split(":")[0]}
    for page in ("development.md", "figures.md"):
        text = (ROOT / "docs" / page).read_text()
        assert {name for name in names if f"| `{name}` |" not in text} == set()


def test_every_operation_of_the_jobs_api_is_listed() -> None:
    text = (ROOT / "docs" / "api.md").read_text().replace("…/artifacts/", "/api/v1/runs/{id}/artifacts/")
    for operation in table():
        path = operation.path.replace("{run_id}", "{id}").replace("{path:path}", "{path}")
        if not path.startswith(("/runs", "/projects", "/conversations", "/v1/")):
            assert f"{path}`" in text, path


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```$", "", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "ARCHITECTURE.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file(), link
        assert not anchor or anchor in anchors(there), link


def test_the_words_of_the_pages_are_the_users() -> None:
    """What users read says rejected and finished."""
    for page in PAGES:
        found = re.search(r"\brefus\w+|\bfinal\b|\bgoes on\b|\bgo on\b", page.read_text(), re.IGNORECASE)
        assert found is None, (page.name, found)
