"""What a child is started with: program, arguments, environment; and which interpreter runs a crew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from praisonrun.agents import Catalog, argv, child_env, install_argv, missing_env, preflight, program
from praisonrun.agents.check import check
from praisonrun.agents.frameworks import resolve
from praisonrun.agents.launch import ENVS_LIMIT, STRING_LIMIT
from praisonrun.config import form
from praisonrun.core.agent import Agent, Crew
from praisonrun.core.errors import ConfigError, Invalid


def script(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def agent(tmp_path: Path, *command: str, **more: object) -> Agent:
    return replace(Agent("a", str(tmp_path / "agents.yaml"), command, cwd=str(tmp_path)), **more)  # type: ignore[arg-type]


def filled(found: Agent, environ: dict[str, str], prompt: str = "hi", session: str | None = "s") -> list[str]:
    return argv(found, prompt=prompt, run_id="r1", session_id=session, port=81, environ=environ)


def test_placeholders_fill_whole_elements(tmp_path: Path) -> None:
    found = agent(
        tmp_path,
        "{python}",
        "{prompt}",
        "{port}",
        "{session_id}",
        "{run_id}",
        "{python}",
        "{other}",
        "x{run_id}",
    )
    assert filled(found, {}) == [
        sys.executable,
        "hi",
        "81",
        "s",
        "r1",
        sys.executable,
        "{other}",
        "x{run_id}",
    ]
    assert filled(found, {}, session=None)[3] == "r1"
    assert filled(found, {}, prompt="{run_id} $(x)")[1] == "{run_id} $(x)"


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ({}, 2400),
        ({"idle_timeout": 900.0}, 600),
        ({"idle_timeout": 900.0, "timeout": 90.0}, 60),
        ({"timeout": None}, 403_200),
        ({"timeout": 0.5}, 1),
    ],
)
def test_an_agent_is_told_how_it_asks_and_denied_before_its_own_end(
    tmp_path: Path, spans: dict[str, float | None], seconds: int
) -> None:
    """The command that is named starts this praisonrun, from anywhere."""
    given = filled(agent(tmp_path, "{python}", "{permission}", **spans), {})[1]
    server = json.loads(given)["mcpServers"]["praisonrun-permission"]
    words = [server["command"], *server["args"]]
    assert words == [*form.program(), "permission", "--timeout", str(seconds)]
    assert server["timeout"] == (seconds + 120) * 1000
    if spans == {}:
        done = subprocess.run([*words, "--help"], cwd="/", capture_output=True, text=True, check=True)
        assert "permission [OPTIONS]" in done.stdout


def test_a_program_is_found_on_path(tmp_path: Path) -> None:
    tool = script(tmp_path / "bin/tool")
    assert program(agent(tmp_path, "tool"), {"PATH": str(tool.parent)}) == str(tool)
    assert program(agent(tmp_path, "tool", env={"PATH": str(tool.parent)}), {"PATH": "/none"}) == str(tool)
    assert program(agent(tmp_path, "tool"), {"PATH": "/none"}) is None
    assert program(agent(tmp_path, "{python}"), {}) == sys.executable


def test_a_program_with_a_slash_is_relative_to_its_directory_and_then_to_the_file(tmp_path: Path) -> None:
    beside, inside = script(tmp_path / "run.sh"), script(tmp_path / "work/here.sh")
    found = agent(tmp_path, "./run.sh", cwd=str(tmp_path / "work"))
    assert program(found, {}) == str(beside)
    assert program(replace(found, command=("./here.sh",)), {}) == str(inside)
    assert program(replace(found, command=("./none.sh",)), {}) is None
    assert program(replace(found, command=(str(beside),)), {}) == str(beside)
    (tmp_path / "plain").write_text("")
    assert program(replace(found, command=("./plain",)), {}) is None


def test_a_missing_program_is_invalid_before_anything_runs(tmp_path: Path) -> None:
    found = agent(tmp_path, "no-such-tool")
    for refused in (
        lambda: filled(found, {"PATH": "/none"}),
        lambda: preflight(found, "", {"PATH": "/none"}, {}),
    ):
        with pytest.raises(Invalid, match="program 'no-such-tool' of agent 'a' is not on PATH") as caught:
            refused()
        assert caught.value.field == "agent"


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        ("echo hi\n", 0o755, r"has no #! line: use \[sh, .*/x\]"),
        ("#!/bin/sh\r\n", 0o755, "the file has Windows line ends"),
        ("#!/bin/sh\n", 0o644, r"is not executable: chmod \+x /"),
        ("", 0o755, "is an empty file"),
    ],
)
def test_a_program_that_cannot_start_is_rejected_before_anything_runs(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    script(tmp_path / "x", text).chmod(mode)
    with pytest.raises(Invalid, match=f"program './x' of agent 'a' .*{says}"):
        preflight(agent(tmp_path, "./x"), "", {}, {})
    with pytest.raises(Invalid, match=r"is not on PATH; write \./x"):
        preflight(agent(tmp_path, "x"), "", {"PATH": "/none"}, {})


def test_a_prompt_must_fit_its_argument(tmp_path: Path) -> None:
    found = agent(tmp_path, "{python}", "{prompt}", prompt="arg")
    assert len(filled(found, {}, prompt="x" * STRING_LIMIT)[1]) == STRING_LIMIT
    with pytest.raises(Invalid, match="131072 bytes does not fit an argument") as caught:
        preflight(found, "x" * (STRING_LIMIT + 1), {}, {})
    assert caught.value.field == "prompt"
    with pytest.raises(Invalid, match="131072 bytes"):
        filled(found, {}, prompt="é" * ((STRING_LIMIT + 1) // 2))


def test_envs_must_fit_an_environment(tmp_path: Path) -> None:
    found = agent(tmp_path, "/bin/true")
    fits = {"A": "é" * ((ENVS_LIMIT - 3) // 2)}
    preflight(found, "", {}, fits)
    assert subprocess.run(["/bin/true"], env=fits, check=False).returncode == 0
    for more in ({**fits, "B": ""}, {f"V{number}": "x" * 100 for number in range(2000)}):
        with pytest.raises(Invalid, match=r"envs of \d+ bytes do not fit") as refused:
            preflight(found, "", {}, more)
        assert refused.value.field == "envs"


def test_the_install_command_is_filled(tmp_path: Path) -> None:
    assert install_argv(agent(tmp_path, "x"), {}) == []
    assert install_argv(agent(tmp_path, "x", install=("{python}", "-V")), {}) == [sys.executable, "-V"]
    with pytest.raises(Invalid, match="program 'none'"):
        install_argv(agent(tmp_path, "x", install=("none",)), {"PATH": "/none"})


ENVIRON = {
    "HOME": "/h", "PATH": "/bin", "LC_ALL": "C", "XDG_RUNTIME_DIR": "/x", "SSL_CERT_FILE": "/c", "TZ": "UTC",
    "SECRET": "s", "FOO_A": "1", "FOO_B": "2", "OPENAI_API_KEY": "k", "PRAISONRUN_TOKEN": "t",
    "NOTIFY_SOCKET": "n", "LISTEN_FDS": "1", "LISTEN_PID": "1",
}  # fmt: skip
BASE = {name: ENVIRON[name] for name in ("HOME", "PATH", "LC_ALL", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "TZ")}


def test_a_child_sees_the_base_and_no_more(tmp_path: Path) -> None:
    assert child_env(agent(tmp_path, "x"), ENVIRON, {}, {}) == BASE


def test_env_pass_takes_names_and_globs_and_never_the_servers_own(tmp_path: Path) -> None:
    assert child_env(agent(tmp_path, "x", env_pass=("FOO_*",)), ENVIRON, {}, {}) == {
        **BASE,
        "FOO_A": "1",
        "FOO_B": "2",
    }
    seen = child_env(agent(tmp_path, "x", env_pass=("*",)), ENVIRON, {}, {})
    assert set(ENVIRON) - set(seen) == {"PRAISONRUN_TOKEN", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"}


def test_later_ones_win(tmp_path: Path) -> None:
    found = agent(tmp_path, "x", env={"TZ": "entry", "A": "entry", "B": "entry"})
    seen = child_env(found, ENVIRON, {"A": "given", "B": "given"}, {"B": "extra"})
    assert (seen["TZ"], seen["A"], seen["B"]) == ("entry", "given", "extra")


def test_a_crew_sees_its_providers_keys(tmp_path: Path) -> None:
    assert child_env(agent(tmp_path, crew=Crew("praisonai", "0")), ENVIRON, {}, {})["OPENAI_API_KEY"] == "k"


def test_required_env_is_missed_until_something_supplies_it(tmp_path: Path) -> None:
    found = agent(tmp_path, "{python}", env={"L": "x"}, env_required=("A", "B", "L", "D"))
    assert missing_env(found, {"A": "1", "D": ""}, {"B": "2"}) == ["D"]
    assert child_env(found, {"A": "1"}, {}, {})["A"] == "1"
    with pytest.raises(Invalid, match="needs A, D; send it in `envs`") as caught:
        preflight(found, "", {}, {"B": "2"})
    assert caught.value.field == "envs"


# An interpreter that has a framework: this one, with a folder of fake modules on its path.


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A program that answers like an interpreter that has praisonai, and is asked only what exists."""
    return script(tmp_path / "venv/bin/python3", "#!/bin/sh\nexit 0\n")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """One that has nothing."""
    return script(tmp_path / "bare/bin/python3", "#!/bin/sh\necho praisonai >&2; exit 1\n")


@pytest.fixture(autouse=True)
def without_praisonai(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("praisonrun.agents.frameworks._here", lambda _: False)


def test_this_interpreter_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("praisonrun.agents.frameworks._here", lambda module: module == "praisonai")
    assert resolve("praisonai", None, {"PATH": "/none"}) == sys.executable
    for name in ("crewai", "autogen"):
        install = rf"; install it with: pip install praisonai 'praisonai-frameworks\[{name}\]'$"
        with pytest.raises(Invalid, match=install):
            resolve(name, None, {"PATH": "/none"})


@pytest.mark.parametrize(("name", "there"), [("crewai", "crewai"), ("autogen", "autogen")])
def test_an_adapter_and_its_framework_are_needed(
    name: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    have = {"praisonai", there, "autogen_agentchat"}
    monkeypatch.setattr("praisonrun.agents.frameworks._here", lambda module: module in have)
    with pytest.raises(Invalid, match=f"framework {name} is not installed"):
        resolve(name, None, {"PATH": "/none"})
    have.add("praisonai_frameworks")
    assert resolve(name, None, {"PATH": "/none"}) == sys.executable
    have.remove(there)
    with pytest.raises(Invalid, match=f"framework {name} is not installed"):
        resolve(name, None, {"PATH": "/none"})


def test_what_the_interpreter_behind_the_command_lacks_is_named(tmp_path: Path, bare: Path) -> None:
    script(bare, "#!/bin/sh\necho praisonai_frameworks >&2; exit 1\n")
    script(tmp_path / "path/praisonai", f"#!{bare}\n")
    lacks = rf"\(praisonai_frameworks is missing\); install it with: {bare} -m pip install praisonai '"
    with pytest.raises(Invalid, match=lacks):
        resolve("crewai", None, {"PATH": str(tmp_path / "path")})


@pytest.mark.parametrize(
    "shebang", ["#!{python}\n", "#! {python} -E\n", '#!/bin/sh\n\'\'\'exec\' "{python}" "$0" "$@"\n']
)
def test_the_interpreter_behind_the_command_is_found(tmp_path: Path, foreign: Path, shebang: str) -> None:
    script(tmp_path / "path/praisonai", shebang.format(python=foreign))
    assert resolve("praisonai", None, {"PATH": str(tmp_path / "path")}) == str(foreign)


@pytest.mark.parametrize("text", ["", "#!/usr/bin/env bash\n", "#!/nonexistent/python\n", "\x7fELF\0\0"])
def test_a_command_without_an_interpreter_is_not_installed(tmp_path: Path, text: str) -> None:
    script(tmp_path / "path/praisonai", text)
    with pytest.raises(Invalid, match="praisonai is not installed; install it with: pip install praisonai"):
        resolve("praisonai", None, {"PATH": str(tmp_path / "path")})


def test_the_interpreter_that_a_file_names_wins(tmp_path: Path, foreign: Path, bare: Path) -> None:
    script(tmp_path / "path/praisonai", f"#!{bare}\n")
    environ = {"PATH": str(tmp_path / "path")}
    assert resolve("praisonai", str(foreign), environ) == str(foreign)
    with pytest.raises(Invalid, match=r"praisonai is missing.*python3 -m pip install praisonai") as caught:
        resolve("praisonai", str(bare), environ)
    assert caught.value.field == "framework"
    with pytest.raises(Invalid, match="no program that can be run"):
        resolve("praisonai", "/nonexistent/python", environ)


def test_a_no_is_asked_again_and_a_yes_is_kept(tmp_path: Path, bare: Path) -> None:
    with pytest.raises(Invalid):
        resolve("praisonai", str(bare), {})
    log = tmp_path / "log"
    script(bare, f"#!/bin/sh\necho asked >> {log}\n")
    assert [resolve("praisonai", str(bare), {}) for _ in range(3)] == [str(bare)] * 3
    assert log.read_text() == "asked\n"


def test_an_unknown_framework_is_named() -> None:
    with pytest.raises(
        Invalid, match="unknown framework 'langchain'; known are praisonai, crewai, autogen"
    ) as caught:
        resolve("langchain", None, {})
    assert caught.value.field == "framework"


def test_a_crew_is_the_driver_under_the_frameworks_interpreter(tmp_path: Path, foreign: Path) -> None:
    found = agent(tmp_path, crew=Crew("praisonai", "0", python=str(foreign)))
    command = argv(
        found, prompt="x", run_id="r", session_id=None, port=None, environ={}, crews=tmp_path / "crews"
    )
    assert command[0] == str(foreign)
    assert os.path.isfile(command[1])
    assert command[2:] == [str(tmp_path / "crews" / "0.yaml"), "--framework", "praisonai"]


def test_check_tells_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(
        "agents:\n"
        "  ok: {command: ['{python}', -V]}\n"
        "  gone: {command: [no-such-tool], cwd: nowhere}\n"
        "  keyed: {command: ['{python}'], env_required: [TOKEN], env: {K: '${HOME}'}}\n"
        "  web: {mode: service, command: ['{python}', '{port}']}\n"
        "  env: {command: [./x], cwd: agents.yaml}\n"
    )
    script(tmp_path / "x", "#!/usr/bin/env no-such\n")
    report = check(file, {"PATH": "/none"})
    assert (report.file, report.default, report.ok) == (str(file), "ok", False)
    ok, gone, keyed, web, env = report.agents
    assert (ok.kind, ok.program, ok.path, ok.problem, ok.warnings) == (
        "command",
        "{python}",
        sys.executable,
        None,
        (),
    )
    assert gone.path is None
    assert gone.problem == "program 'no-such-tool' of agent 'gone' is not on PATH"
    assert "does not exist" in gone.warnings[0]
    assert (keyed.missing_env, keyed.problem, len(keyed.warnings)) == (("TOKEN",), None, 2)
    assert web.kind == "service"
    assert [note.rsplit(" ", 3)[1:] for note in env.warnings] == [["is", "a", "file"], ["not", "on", "PATH"]]


def test_check_tells_how_to_install_a_framework(tmp_path: Path) -> None:
    file = tmp_path / "crew.yaml"
    file.write_text("roles: {a: {role: R}}")
    (crew,) = check(file, {"PATH": "/none"}).agents
    assert (crew.kind, crew.program, crew.path) == ("crew", "praisonai", None)
    assert "pip install praisonai" in (crew.problem or "")


def test_check_without_a_file_is_hello_and_a_broken_one_raises(tmp_path: Path) -> None:
    assert [found.name for found in check(None, {}).agents] == ["hello"]
    with pytest.raises(ConfigError):
        check(tmp_path / "none.yaml", {})


def test_hello_can_start(tmp_path: Path) -> None:
    hello = Catalog(None, [tmp_path], {}).default
    preflight(hello, "hi", {}, {})
    assert filled(hello, {}) == [sys.executable, "-m", "praisonrun.demo"]


@pytest.mark.parametrize("path", ["/bin:", ":/bin", "/bin::/usr/bin", "/bin:.", "bin:/bin"])
def test_an_agent_of_any_directory_finds_no_program_there(path: str) -> None:
    anywhere = Agent("a", "/x/agents.yaml", ("true",), cwd="/x", caller=True)
    preflight(replace(anywhere, caller=False), "", {"PATH": path}, {})
    preflight(anywhere, "", {"PATH": "/bin:/usr/bin"}, {})
    with pytest.raises(Invalid, match="empty or relative part"):
        preflight(anywhere, "", {"PATH": path}, {})
