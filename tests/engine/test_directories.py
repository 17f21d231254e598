"""Which directory a submit may name for its agent (rules: B2)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from praisonrun.core.agent import Agent
from praisonrun.core.delivery import Reach
from praisonrun.core.errors import Invalid
from praisonrun.engine.directories import Directories

ANY, OWN = Agent("any", "/x/agents.yaml", cwd="/x", caller=True), Agent("own", "/x/agents.yaml", cwd="/x/own")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state" / "runs").mkdir(parents=True)
    (tmp_path / "proj" / "sub").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("proj")
    (tmp_path / "out").symlink_to("state")
    return tmp_path / "state"


def test_a_directory_of_the_users_own_is_taken_without_links(state: Path, tmp_path: Path) -> None:
    named = Directories(state, ())
    assert named.checked(str(tmp_path / "link" / "sub" / ".."), ANY, Reach.LOOPBACK) == f"{tmp_path}/proj"
    assert named.checked(None, ANY, Reach.PUBLIC) is None
    assert named.checked(None, OWN, Reach.PUBLIC) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "absolute"),
        ("proj", "absolute"),
        ("~/proj", "absolute"),
        ("/" + "x" * 4096, "4096 bytes"),
        ("/a\0b", "no path"),
        ("{here}/none", "no such file"),
        ("{here}/file", "not a directory"),
        ("{here}/state", "state directory"),
        ("{here}/state/runs", "state directory"),
        ("{here}/out/runs", "state directory"),
    ],
)
def test_what_may_not_be_named(given: str, why: str, state: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=why) as wrong:
        Directories(state, ()).checked(given.format(here=tmp_path), ANY, Reach.LOOPBACK)
    assert wrong.value.field == "cwd"
    assert "\n" not in wrong.value.message


def test_an_entry_with_a_directory_of_its_own_says_where_to_change_that(state: Path) -> None:
    with pytest.raises(Invalid, match=r"'own' runs in /x/own; write cwd: caller in /x/agents.yaml"):
        Directories(state, ()).checked("/tmp", OWN, Reach.LOOPBACK)


def test_roots_hold_what_may_be_named_whoever_asks(state: Path, tmp_path: Path) -> None:
    named = Directories(state, (tmp_path / "link",))
    for reach in Reach:
        assert named.checked(f"{tmp_path}/proj/sub", ANY, reach) == f"{tmp_path}/proj/sub"
    with pytest.raises(Invalid, match="--cwd-root"):
        named.checked(str(tmp_path), ANY, Reach.LOOPBACK)


@pytest.mark.parametrize("reach", [Reach.PRIVATE, Reach.PUBLIC])
def test_another_machine_names_nothing_without_a_root(state: Path, tmp_path: Path, reach: Reach) -> None:
    with pytest.raises(Invalid, match="another machine"):
        Directories(state, ()).checked(f"{tmp_path}/proj", ANY, reach)


def test_a_strangers_directory_is_rejected(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns it could change what a coding agent reads, and so does."""
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Invalid, match="belongs to another user"):
        Directories(state, ()).checked("/", ANY, Reach.LOOPBACK)
