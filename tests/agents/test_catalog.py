"""The catalog: fresh at every use, never broken by an edit, and honest about names."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from praisonrun.agents import Catalog, document
from praisonrun.core.errors import BadRequest, ConfigError, Invalid

CREW = """\
roles:
  r:
    role: R
    goal: About {topic}
    backstory: B
    tasks: {t: {description: D, expected_output: E}}
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def names(catalog: Catalog) -> list[str]:
    return [agent.name for agent in catalog.all()]


def test_without_a_file_there_is_hello(tmp_path: Path) -> None:
    catalog = Catalog(None, [tmp_path], {})
    assert names(catalog) == ["hello"]
    assert catalog.default.command == ("{python}", "-m", "praisonrun.demo")
    assert (catalog.default.timeout, catalog.default.cwd, catalog.default.file) == (60.0, str(tmp_path), "")
    assert catalog.from_file("agents.yaml") == catalog.default
    assert catalog.env_of(catalog.default) == {}


def test_an_edit_is_seen_at_the_next_use(tmp_path: Path) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    assert catalog.default.name == "a"
    write(file, "agents: {b: {command: [x]}}")  # the same size, perhaps in the same tick
    assert catalog.default.name == "b"


def test_a_file_replaced_by_a_rename_is_seen(tmp_path: Path) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    os.utime(file, ns=(10**18, 10**18))
    catalog = Catalog(file, [tmp_path], {})
    other = write(tmp_path / "new", "agents: {b: {command: [x]}}")
    os.utime(other, ns=(10**18, 10**18))
    other.rename(file)
    assert names(catalog) == ["b"]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    os.utime(file, ns=(10**18, 10**18))
    catalog = Catalog(file, [tmp_path], {})
    monkeypatch.setattr("praisonrun.agents.files.read", None)
    assert [catalog.default.name for _ in range(3)] == ["a"] * 3


def test_a_broken_edit_keeps_the_last_good_version_and_warns_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    write(file, "agents: {a: {comand: [x]}}")
    with caplog.at_level(logging.WARNING):
        assert [names(catalog) for _ in range(3)] == [["a"]] * 3
    assert catalog.problem is not None
    assert "agents.yaml:1:14: unknown key `comand`" in catalog.problem
    assert len(caplog.records) == 1
    write(file, "agents: {c: {command: [x]}}")
    assert (names(catalog), catalog.problem or "") == (["c"], "")


def test_a_broken_edit_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    parsed: list[str] = []
    read = document.read

    def counted(text: str, place: Path, shown: str) -> document.Document:
        parsed.append(text)
        return read(text, place, shown)

    monkeypatch.setattr(document, "read", counted)
    broken = ("agents: [", "agents: {")
    for text in (*broken, broken[0]):
        write(file, text)
        assert [names(catalog) for _ in range(3)] == [["a"]] * 3
    file.unlink()
    assert names(catalog) == ["a"]
    write(file, broken[0])
    assert names(catalog) == ["a"]
    assert "no such file" not in str(catalog.problem)
    assert parsed == [*broken, broken[0], broken[0]]


def test_a_broken_edit_that_is_taken_back_is_forgotten(tmp_path: Path) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    write(file, "agents: [")
    assert names(catalog) == ["a"]
    assert catalog.problem
    write(file, "agents: {a: {command: [x]}}")
    assert names(catalog) == ["a"]
    assert catalog.problem is None


def test_a_vanished_file_keeps_the_last_good_version(tmp_path: Path) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {a: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    file.unlink()
    assert names(catalog) == ["a"]
    assert catalog.problem is not None
    assert "no such file" in catalog.problem
    write(file, "agents: {b: {command: [x]}}")
    assert names(catalog) == ["b"]


@pytest.mark.parametrize("kind", ["missing", "broken", "fifo", "folder"])
def test_a_main_file_that_cannot_be_used_is_a_config_error(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "agents.yaml"
    if kind == "broken":
        write(file, "agents: {")
    elif kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    with pytest.raises(ConfigError, match=r"agents\.yaml"):
        Catalog(file, [tmp_path], {})


def test_an_unknown_agent_is_invalid_and_names_the_near_one(tmp_path: Path) -> None:
    catalog = Catalog(
        write(tmp_path / "a.yaml", "agents: {review: {command: [x]}, b: {command: [y]}}"), [], {}
    )
    with pytest.raises(
        Invalid, match=r"no agent 'reviw'; did you mean `review`\? there are: review, b"
    ) as caught:
        catalog.get("reviw")
    assert caught.value.field == "agent"
    with pytest.raises(Invalid, match="there are: review, b"):
        catalog.get("")


@pytest.mark.parametrize("name", ["agents.yaml", "main.yml"])
def test_the_default_name_and_its_own_mean_the_main_file_where_the_roots_have_none(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "root").mkdir()
    catalog = Catalog(write(tmp_path / "main.yml", "agents: {m: {command: [x]}}"), [tmp_path / "root"], {})
    assert catalog.from_file(name).name == "m"
    with pytest.raises(BadRequest, match=r"'other\.yaml' does not exist"):
        catalog.from_file("other.yaml")


def test_a_file_in_the_roots_wins_over_the_main_file(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    write(root / "agents.yaml", "agents: {r: {command: [x]}}")
    catalog = Catalog(write(tmp_path / "main.yaml", "agents: {m: {command: [x]}}"), [root], {})
    assert catalog.from_file("agents.yaml").name == "r"
    assert catalog.default.name == "m"


def test_the_main_file_named_by_a_submit_keeps_its_last_good_version(tmp_path: Path) -> None:
    file = write(tmp_path / "agents.yaml", "agents: {m: {command: [x]}}")
    catalog = Catalog(file, [tmp_path], {})
    write(file, "agents: [")
    assert catalog.from_file("agents.yaml").name == "m"


def test_a_file_of_a_submit_is_read_again_when_it_changes(tmp_path: Path) -> None:
    catalog = Catalog(None, [tmp_path], {})
    for name in ("a", "b", "c"):
        write(tmp_path / "x.yaml", f"agents: {{{name}: {{command: [x]}}}}")
        assert catalog.from_file("x.yaml").name == name
    assert catalog.from_file("x.yaml", agent="c").name == "c"
    with pytest.raises(Invalid):
        catalog.from_file("x.yaml", agent="a")


def test_remembered_files_are_bounded(tmp_path: Path) -> None:
    catalog = Catalog(None, [tmp_path], {})
    for number in range(document.KEPT + 10):
        write(tmp_path / "x.yaml", CREW.replace("backstory: B", f"backstory: {number}"))
        catalog.from_file("x.yaml")
    assert document.kept.cache_info().currsize == len(catalog._texts) == document.KEPT


def test_literal_env_values_are_those_of_now(tmp_path: Path) -> None:
    file = write(tmp_path / "x.yaml", "agents: {a: {command: [x], env: {K: value-one}}}")
    catalog = Catalog(None, [tmp_path], {})
    agent = catalog.from_file("x.yaml")
    assert catalog.env_of(agent) == {"K": "value-one"}
    write(file, "agents: {a: {command: [x], env: {K: two}}}")
    assert catalog.env_of(agent) == {"K": "two"}
    assert "value-one" not in str(agent.definition())
    file.unlink()
    assert catalog.env_of(agent) == {}


def test_a_crew_takes_the_framework_of_the_submit_unless_its_file_names_one(tmp_path: Path) -> None:
    write(tmp_path / "my crew.yaml", CREW)
    write(tmp_path / "named.yaml", f"framework: crewai\n{CREW}")
    catalog = Catalog(None, [tmp_path], {})
    crews = [
        catalog.from_file(name, framework)
        for name, framework in (
            ("my crew.yaml", None),
            ("my crew.yaml", "autogen"),
            ("named.yaml", "praisonai"),
        )
    ]
    assert [agent.crew.framework for agent in crews if agent.crew] == ["praisonai", "autogen", "crewai"]
    assert crews[0].name == "my-crew"
    with pytest.raises(Invalid, match="unknown framework 'praisonia'; did you mean `praisonai`") as caught:
        catalog.from_file("my crew.yaml", "praisonia")
    assert caught.value.field == "framework"


def test_the_framework_is_ignored_for_commands(tmp_path: Path) -> None:
    write(tmp_path / "x.yaml", "agents: {a: {command: [x]}}")
    assert Catalog(None, [tmp_path], {}).from_file("x.yaml", "nonsense").name == "a"


def test_a_crew_takes_the_interpreter_and_the_env_of_the_main_file(tmp_path: Path) -> None:
    main = write(
        tmp_path / "agents.yaml",
        "python: bin/py\nenv: {K: v}\nenv_pass: [X_*]\nenv_required: [T]\nagents: {a: {command: [x]}}",
    )
    write(tmp_path / "crew.yaml", CREW)
    agent = Catalog(main, [tmp_path], {}).from_file("crew.yaml")
    assert agent.crew is not None
    assert agent.crew.python == str(tmp_path / "bin/py")
    assert (agent.env, agent.env_pass, agent.env_required) == ({"K": "v"}, ("X_*",), ("T",))


def test_a_crew_copy_is_the_text_that_was_submitted(tmp_path: Path) -> None:
    file = write(tmp_path / "crew.yaml", CREW)
    catalog = Catalog(None, [tmp_path], {})
    agent = catalog.from_file("crew.yaml")
    write(file, CREW.replace("backstory: B", "backstory: other"))
    copy = catalog.crew_copy(agent, tmp_path / "state" / "crews")
    assert agent.crew is not None
    assert copy.name == f"{agent.crew.source_sha256}.yaml"
    assert copy.read_text() == CREW
    assert copy.stat().st_mode & 0o777 == 0o600
    before = copy.stat()
    assert catalog.crew_copy(agent, copy.parent) == copy
    assert copy.stat().st_ino == before.st_ino
    assert list(copy.parent.iterdir()) == [copy]
    with pytest.raises(ConfigError, match="submit it again"):
        Catalog(None, [tmp_path], {}).crew_copy(agent, tmp_path / "elsewhere")


def test_a_crew_copy_after_a_restart_reads_the_unchanged_file(tmp_path: Path) -> None:
    write(tmp_path / "crew.yaml", CREW)
    agent = Catalog(None, [tmp_path], {}).from_file("crew.yaml")
    assert Catalog(None, [tmp_path], {}).crew_copy(agent, tmp_path / "crews").read_text() == CREW


@pytest.mark.parametrize(
    ("text", "crew"),
    [
        (CREW, True),
        ("agents: {a: {role: R, goal: G}}", True),
        ("agents: {a: {instructions: Do it}}\nsteps: [{agent: a}]", True),
        ("agents: [{name: a, role: R}]", True),
        ("framework: crewai\ntopic: x\nroles: {}", True),
        ("agents: {a: {command: [x]}}", False),
        ("agents: {a: {command: [x], description: y}}", False),
    ],
)
def test_a_crew_is_told_by_its_roles(tmp_path: Path, text: str, crew: bool) -> None:
    write(tmp_path / "x.yaml", text)
    assert (Catalog(None, [tmp_path], {}).from_file("x.yaml").crew is not None) is crew


def test_a_text_that_was_rejected_for_its_values_is_not_remembered(tmp_path: Path) -> None:
    document.kept.cache_clear()
    document.kept_inline.cache_clear()
    with pytest.raises(Invalid, match="never stored"):
        Catalog(None, [tmp_path], {}).from_text("agents: {a: {command: [x], env: {K: value-one}}}")
    assert document.kept.cache_info().currsize == document.kept_inline.cache_info().currsize == 0
