"""`use:`: what recipes fill in, what an entry says instead, and that none does what nobody allowed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from praisonrun.agents import Catalog, document, offers, recipes
from praisonrun.agents.check import check
from praisonrun.agents.placeholders import OF_SESSIONS, SESSION, fill, prefixes
from praisonrun.core.agent import Agent, Truth
from praisonrun.core.conversation import Conversation, opening
from praisonrun.core.errors import ConfigError
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.journal.formats import FORMATS

from ..rigs.harness import submit
from .test_entry import FILE, entry, one

OWN = """
description: Mine
get: make mine
command: [sh, -c, 'cat; echo $0 $SAID $HOW "$@"', mine, "{approve}", "{args}"]
approve: {edits: {args: [-e]}, all: {args: [-a], env: {HOW: freely}}}
env: {SAID: recipe, HOW: asking}
answer: required
banner: '^#'
failure: '^oops'
waiting: [hold on]
timeout: 5
"""
POWERS = re.compile(r"bypass|yolo|auto-approve|--auto$|allow-all|danger|full-access")


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        one(text)
    return caught.value.message.removeprefix("agents.yaml:")


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_is_whole_and_never_lets_its_agent_do_all_unasked(name: str) -> None:
    recipe = recipes.builtin(name)
    assert recipe.description
    assert recipe.get
    assert recipe.tested
    words = sorted(recipe.approve) or ["edits"]
    for word in words:
        script = ", script: x.py" if recipe.scripted else ""
        agent = entry(f"use: {name}, approve: {word}{script}")
        assert (agent.use, agent.approve) == (name, word if recipe.approve else "")
        assert not {"{approve}", "{args}", "{script}", "{interpreter}"} & set(agent.command)
        assert (agent.session is not None) is (SESSION in agent.command)
        assert (agent.env["NO_COLOR"], agent.env["TERM"], agent.idle_timeout) == ("1", "dumb", 900.0)
        assert "HTTPS_PROXY" in agent.env_pass
        assert FORMATS[agent.format].structured or agent.truth.answer
        spoken = [*agent.command, *agent.env.values()]
        assert any(map(POWERS.search, spoken)) <= (word == "all")
        # A prompt that begins with a dash is no option: on standard input, after --, or the value of one.
        if agent.prompt == "arg":
            before = (
                agent.command[agent.command.index("{prompt}") - 1]
                if prefixes(agent.command, "prompt") == [""]
                else "="
            )
            assert before in ("--", "-t", "=")
        assert Agent.from_definition(agent.definition(), agent.env) == agent
    if "edits" not in words:
        assert "write approve: all" in fault(f"agents: {{a: {{use: {name}}}}}")


def test_a_script_is_found_from_the_file_and_so_is_its_interpreter() -> None:
    agent = entry("use: agno, script: sub/x.py:bot, python: .venv/bin/python")
    folder = FILE.parent
    assert agent.command == (f"{folder}/.venv/bin/python", "{driver}", "agno", f"{folder}/sub/x.py:bot")
    assert entry("use: agno, script: ~/x.py").command[::3] == ("python3", f"{Path.home()}/x.py")
    assert entry("use: agno, script: /x.py", top="python: python3.12").command[0] == "python3.12"


def test_an_entry_of_before_has_the_version_that_it_had() -> None:
    assert not {"use", "approve", "truth", "caller", "session"} & entry("command: [ls]").definition().keys()


TOLD = {
    "claude": (["--session-id", "N"], ["--resume", "N"]),
    "codex": ([], ["resume", "N"]),
    "gemini": (["--session-id", "N"], ["--resume", "N"]),
    "copilot": (["--session-id", "N"], ["--session-id", "N"]),
    "opencode": ([], ["-s", "N"]),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_an_agent_is_told_of_its_conversation(name: str) -> None:
    agent, key = entry(f"use: {name}"), '["a","s","/"]'

    def told(known: Conversation | None) -> list[str]:
        opened = opening(agent, "store", key, known)
        return [fill(each, dict.fromkeys(OF_SESSIONS, opened.name)) for each in opened.args]

    ours = opening(agent, "store", key, None).name
    assert [each.replace(ours, "N") for each in told(None)] == TOLD[name][0]
    assert told(Conversation("N", "run_1")) == TOLD[name][1]


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder with a recipe of the user's."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text(OWN)
    return tmp_path / "agents.yaml"


def of(file: Path, text: str) -> Agent:
    file.write_text(text)
    return document.read(text, file, "agents.yaml").agents["a"]


def test_what_is_said_nearer_to_the_agent_wins(beside: Path) -> None:
    agent = of(beside, """
env: {SAID: file, TERM: file}
env_pass: [FILE_*]
defaults: {timeout: 7, retries: 2}
agents: {a: {use: mine, approve: all, args: [-n, 5], env: {TERM: entry}, env_pass: [ENTRY_*], retries: 1}}
""")  # fmt: skip
    assert agent.command[3:] == ("mine", "-a", "-n", "5")
    assert (agent.timeout, agent.retries, agent.idle_timeout) == (7.0, 1, 900.0)
    assert agent.env == {"NO_COLOR": "1", "SAID": "file", "TERM": "entry", "HOW": "freely"}
    assert agent.env_pass[0] == "FILE_*"
    assert agent.env_pass[-1] == "ENTRY_*"
    assert "HTTPS_PROXY" in agent.env_pass
    assert agent.truth == Truth(answer=True, banner="^#", failure="^oops", waiting=("hold on",))
    assert agent.description == "Mine"


def test_a_command_of_one_s_own_keeps_the_rest_of_the_recipe() -> None:
    agent = entry('use: claude, command: [/opt/claude, -p, "{args}"], args: [-x], timeout: off, format: text')
    assert (agent.command, agent.timeout, agent.format) == (("/opt/claude", "-p", "-x"), None, "text")
    assert agent.env["DISABLE_AUTOUPDATER"] == "1"
    assert entry("use: cline, command: [cline]").command == ("cline",)
    # What it says of sessions has no place there, unless it is given one.
    assert agent.session is None
    assert entry('use: claude, command: [c, "{session}"]').session == entry("use: claude").session is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("use: claud", "1:19: no recipe `claud`; did you mean `claude`?; a recipe of your own is recipes/"),
        ("use: ../claude", "1:19: no recipe `../claude`"),
        ("use: zzz", "known are adk, agno, aider, "),
        ("use: 5", "1:19: `use` must be a text"),
        ("use: codex, approve: ask", "1:19: `use: codex` cannot ask a person; write approve: edits or all"),
        ("use: claude, approve: ask, files: false", "1:48: `files: false` leaves an agent no way to ask"),
        ("use: claude, approve: al", "`approve` must be edits, ask or all, not 'al'; did you mean `all`?"),
        ("use: claude, args: -x", "1:33: `args` must be a list of texts"),
        ("use: claude, script: x.py", "1:27: `script` has no meaning here; remove it"),
        ("use: agno", "1:19: `use: agno` runs a Python file of yours; add script: agent.py"),
        ("use: claude, mode: service", "1:33: a recipe is for runs"),
        ("use: claude, command: [x], args: [y]", "`args` has no meaning with a `command` of your own"),
        ("command: [x], approve: all", "`approve` needs `use`; remove it"),
        ("timeout: 5", "agent `a` has neither `use` nor `command`; write use: claude or another recipe"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(text: str, says: str) -> None:
    assert says in fault(f"agents: {{a: {{{text}}}}}")


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        ("command: [x]\nbanner: '('", "recipes/mine.yaml:2:9: `banner` is no pattern"),
        ("command: [x]\nbaner: x", "recipes/mine.yaml:2:1: unknown key `baner` in the recipe; did you mean"),
        ("get: x", "recipes/mine.yaml:1:1: the recipe has no `command`"),
        ("command: [x]\napprove: {some: {}}", "recipes/mine.yaml:2:11: unknown key `some` in `approve`"),
        ("command: [x]\napprove: {all: {arg: []}}", "recipes/mine.yaml:2:17: unknown key `arg` in `approve."),
        ("command: [x]\napprove: {all: {env: {A: 5}}}", "recipes/mine.yaml:2:26: `approve.all.env.A` must"),
        ("[x]", "recipes/mine.yaml:1:1: a recipe is a mapping"),
        ("command: [x]\nmode: service", "recipes/mine.yaml:2:1: unknown key `mode`"),
        ('command: [x, "{approve}", "a {prompt}"]', "recipes/mine.yaml:1:27: {prompt} stands inside"),
    ],
)  # fmt: skip
def test_a_recipe_that_is_wrong_is_named_with_its_place(beside: Path, recipe: str, says: str) -> None:
    (beside.parent / "recipes" / "mine.yaml").write_text(recipe)
    with pytest.raises(ConfigError) as caught:
        of(beside, "agents: {a: {use: mine}}")
    assert says in caught.value.message


def test_a_user_s_recipe_wins_and_is_read_again_when_it_changes(beside: Path) -> None:
    beside.write_text("agents: {a: {use: claude}, b: {use: mine}}")
    catalog = Catalog(beside, [beside.parent], {})
    assert catalog.get("a").command[0] == "claude"
    own = beside.parent / "recipes" / "claude.yaml"
    own.write_text("command: [better]\nenv: {A: b}")
    assert catalog.get("a").command == ("better",)
    assert catalog.env_of(catalog.get("a"))["A"] == "b"
    own.write_text("command: []")
    assert catalog.get("a").command == ("better",)
    assert "recipes/claude.yaml:1:10" in str(catalog.problem)
    own.unlink()
    assert (catalog.get("a").command[0], catalog.problem) == ("claude", None)


def test_an_agent_whose_recipe_was_broken_meanwhile_is_still_offered(beside: Path) -> None:
    own = beside.parent / "recipes" / "mine.yaml"
    own.write_text("command: [no-such-program]\nget: make mine")
    beside.write_text("agents: {a: {use: mine}}")
    catalog = Catalog(beside, [beside.parent], {})
    missing = "program 'no-such-program' of agent 'a' is not on PATH"
    (shown,) = offers.offered(catalog.all(), "a", {})
    assert (shown["problem"], shown["install"]) == (f"{missing}; install it with: make mine", "make mine")
    own.write_text("command: []")
    (shown,) = offers.offered(catalog.all(), "a", {})
    assert (shown["problem"], shown["install"]) == (missing, None)
    assert "recipes/mine.yaml:1:10" in str(catalog.problem)


Engines = Callable[..., AbstractAsyncContextManager[Engine]]


@pytest.mark.anyio
async def test_a_run_has_all_of_its_recipe_also_inline_and_after_a_restart(
    engines: Engines, beside: Path
) -> None:
    beside.write_text("agents: {a: {use: mine, approve: all}}")
    text = "agents: {a: {use: mine, approve: all, args: [inline]}}"
    settings = {"inline_agents": True, "agent_root": (beside.parent,), "concurrency": 1}
    async with engines(**settings) as engine:
        first = (await engine.until_final(await submit(engine, "a", "# a banner\nhi\n"))).run
        assert (await engine.journals.result(first)).value == "hi\nmine recipe freely -a"
        inline, _ = await engine.submit(Submit(Choice(text=text), "hi\n"))
        run = (await engine.until_final(inline.run.id)).run
        assert (await engine.journals.result(run)).value == "hi\nmine recipe freely -a inline"
        failed = (await engine.until_final(await submit(engine, "a", "oops: no key\n"))).run
        assert (failed.status, failed.failure, failed.error) == ("failed", "agent_error", "oops: no key")
    async with engines(**settings) as engine:
        again, _ = await engine.retry(run.id, {})
        run = (await engine.until_final(again.run.id)).run
        assert (await engine.journals.result(run)).value == "hi\nmine recipe freely -a inline"


@pytest.mark.anyio
async def test_an_agent_that_owes_an_answer_and_prints_none_has_failed(
    engines: Engines, beside: Path
) -> None:
    own = beside.parent / "recipes" / "mine.yaml"
    own.write_text("command: [sh, -c, 'echo \"# banner\"; echo']\nanswer: required\nbanner: '^#'")
    beside.write_text("agents: {a: {use: mine}}")
    async with engines() as engine:
        run = (await engine.until_final(await submit(engine, "a"))).run
        assert (run.failure, run.error) == ("no_result", "exited with code 0, but without an answer")


def test_check_says_what_a_recipe_misses(beside: Path) -> None:
    own = beside.parent / "recipes" / "mine.yaml"
    own.write_text(OWN + "memory: 1000000\nneeds: {MINE_*|~/.mine: run `mine login`}\nenv_pass: [MINE_*]")
    beside.write_text("agents: {a: {use: mine, concurrency: 9}}")
    home = {"PATH": os.environ["PATH"], "HOME": str(beside.parent)}
    sign_in, memory = check(beside, home).agents[0].warnings
    assert sign_in == "no sign-in of Mine was found: run `mine login`"
    assert re.fullmatch(
        r"its runs may take 9000000 MB together, the machine has \d+; write concurrency: 1", memory
    )
    (beside.parent / ".mine").touch()
    assert check(beside, home).agents[0].warnings == (memory,)
    (beside.parent / ".mine").unlink()
    assert check(beside, {**home, "MINE_KEY": "x"}).agents[0].warnings == (memory,)


def test_every_recipe_is_in_the_wheel() -> None:
    assert '"agents/recipes/*.yaml"' in (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert FILE.parent.name == "app"
