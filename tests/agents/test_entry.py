"""Entries of agents.yaml: what each key gives, what contradicts, and how it is said."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from praisonrun.agents import document
from praisonrun.core.agent import Agent, Readiness, Retain, Session
from praisonrun.core.errors import ConfigError
from praisonrun.core.model import Mode

from ..rigs.places import ROOT

FILE = Path("/home/u/app/agents.yaml")


def one(text: str) -> Agent:
    found = document.read(text, FILE, "agents.yaml")
    return found.agents[found.default]


def entry(body: str, top: str = "") -> Agent:
    return one(f"{top}\nagents:\n  a: {{{body}}}\n")


def test_the_least_entry_has_the_defaults() -> None:
    agent = entry("command: [ls]")
    assert agent == Agent("a", str(FILE), ("ls",), cwd="/home/u/app")
    assert (agent.timeout, agent.prompt, agent.retries, agent.grace, agent.files) == (
        3600.0,
        "stdin",
        0,
        5.0,
        True,
    )


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ("command: [sleep, 5, 1.50]", "command", ("sleep", "5", "1.50")),
        ('command: [x, "{prompt}"]', "prompt", "arg"),
        ('command: [x, "{prompt}"], prompt: arg', "prompt", "arg"),
        ("command: [x], prompt: none", "prompt", "none"),
        ("command: [x, '{\"a\": 1}', 'a{b}c']", "command", ("x", '{"a": 1}', "a{b}c")),
        ("command: [x], cwd: sub", "cwd", "/home/u/app/sub"),
        ("command: [x], cwd: caller", "caller", True),
        ("command: [x], cwd: caller", "cwd", "/home/u/app"),
        ("command: [x], cwd: ./caller", "caller", False),
        ("command: [x], cwd: ./caller", "cwd", "/home/u/app/caller"),
        ("command: [x], cwd: ../other", "cwd", "/home/u/other"),
        ("command: [x], cwd: /srv", "cwd", "/srv"),
        ("command: [x], timeout: 1.5", "timeout", 1.5),
        ("command: [x], timeout: off", "timeout", None),
        ("command: [x], idle_timeout: 30", "idle_timeout", 30.0),
        ("command: [x], idle_timeout: off", "idle_timeout", None),
        ("command: [x], grace: 0", "grace", 0.0),
        ("command: [x], timeout: 1h30m", "timeout", 5400.0),
        ("command: [x], timeout: 2d", "timeout", 172_800.0),
        ("command: [x], idle_timeout: 5m", "idle_timeout", 300.0),
        ("command: [x], grace: 1.5s", "grace", 1.5),
        ("command: [x], backoff: 1m", "backoff", 60.0),
        ("command: [x], retain: {seconds: 1h}", "retain", Retain(False, 3600)),
        ("command: [x], timeout: 1_000", "timeout", 1000.0),
        ("command: [x], timeout: 0x10", "timeout", 16.0),
        ('command: [x, "--p={prompt}"]', "prompt", "arg"),
        ("command: [x, '--format={json}']", "prompt", "stdin"),
        ("command: [x], retries: 2", "retries", 2),
        ("command: [x], backoff: 0.5", "backoff", 0.5),
        ("command: [x], concurrency: 3", "concurrency", 3),
        ("command: [x], priority: -4", "priority", -4),
        ("command: [x], format: jsonl", "format", "jsonl"),
        ("command: [x], files: false", "files", False),
        ('command: [x], install: ["{python}", -m, pip]', "install", ("{python}", "-m", "pip")),
        ("command: [x], outputs: [out/a.txt, b]", "outputs", ("out/a.txt", "b")),
        ("command: [x], description: Does it", "description", "Does it"),
        (
            "command: [x], metadata: {a: {b: [1, x, null, true]}}",
            "metadata",
            {"a": {"b": [1, "x", None, True]}},
        ),
        ("command: [x], retain: {on_failure: true, seconds: 60}", "retain", Retain(True, 60)),
        ("command: [x], env: {A: b, NO: 'yes'}", "env", {"A": "b", "NO": "yes"}),
        ("command: [x], env_pass: [A_*, B]", "env_pass", ("A_*", "B")),
        ("command: [x], env_required: [K]", "env_required", ("K",)),
        ("command: [x], session: off", "session", None),
        (
            "command: [x, '{session}'], session: {first: [-n], later: ['-r={agent_session}']}",
            "session",
            Session(("-n",), ("-r={agent_session}",)),
        ),
    ],
)
def test_a_key_gives_its_field(body: str, field: str, value: object) -> None:
    assert getattr(entry(body), field) == value


def test_home_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert entry("command: [x], cwd: ~/src").cwd == "/home/me/src"


def test_the_top_level_is_merged_and_the_entry_wins() -> None:
    agent = entry(
        "command: [x], env: {A: mine}, env_pass: [C], env_required: [D, E]",
        "env: {A: top, B: top}\nenv_pass: [Z, C]\nenv_required: [D]",
    )
    assert agent.env == {"A": "mine", "B": "top"}
    assert agent.env_pass == ("Z", "C")
    assert agent.env_required == ("D", "E")


@pytest.mark.parametrize(
    ("body", "port", "readiness"),
    [
        ("port: auto", 0, Readiness("tcp")),
        (
            "port: 8080, readiness: {type: http, path: /up, timeout_seconds: 5}",
            8080,
            Readiness("http", "/up", 5.0),
        ),
        ("readiness: {type: timeout, timeout_seconds: 1}", None, Readiness("timeout", "/", 1.0)),
        ("public_url: false", None, Readiness("timeout")),
    ],
)
def test_services(body: str, port: int | None, readiness: Readiness) -> None:
    agent = entry(f"mode: service, command: [x], {body}")
    assert (agent.mode, agent.port, agent.readiness, agent.timeout) == (Mode.SERVICE, port, readiness, None)
    assert agent.prompt == "none"


def test_a_port_is_a_number_however_it_is_written() -> None:
    assert entry("mode: service, command: [x], port: 0x50, env: {PORT: '80'}").port == 80
    ready = entry("mode: service, command: [x], readiness: {type: timeout, timeout_seconds: 1m}").readiness
    assert ready.timeout_seconds == 60.0


def test_a_port_placeholder_asks_for_a_port() -> None:
    assert entry('mode: service, command: [x, "{port}"]').port == 0


def test_the_first_entry_is_the_default_unless_one_is_named() -> None:
    agents = "agents: {a: {command: [x]}, b: {command: [y]}}"
    assert one(agents).name == "a"
    assert one(f"default: b\n{agents}").name == "b"


BROKEN = {
    "comand: [x]": (7, "unknown key `comand` in agent `a`; did you mean `command`?"),
    "command: [x], zzz: 1": (21, "known are"),
    "use: clude": (12, "no recipe `clude`; did you mean `claude`?"),
    "command: [x], session: x": (30, "`session` must be a mapping"),
    "command: [x], session: {later: ['{agent_session}']}": (
        21,
        '`session` needs an element "{session}" in `command`',
    ),
    "command: [x, '{session}']": (16, '"{session}" in `command` needs `session`; add it'),
    "command: [x, '{session}'], session: {later: [-r]}": (
        51,
        '`session.later` needs "{agent_session}"; add it',
    ),
    "command: [x, '{session}'], session: {first: [-n]}": (
        43,
        '`session` needs `later` with "{agent_session}"',
    ),
    "command: [x, '{session}'], session: {first: ['{agent_session}']}": (
        52,
        "{agent_session} has no meaning in",
    ),
    "command: [x, '{session}'], session: {later: ['a {agent_session}']}": (
        52,
        "{agent_session} has no meaning in",
    ),
    "command: [x, '{session}'], session: {later: ['{agent_session}'], unknown: '('}": (
        0,
        "`session.unknown` is no pattern",
    ),
    "command: [x, '{session_uuid}']": (20, "{session_uuid} has no meaning in `command`"),
    "command: [x, '--s={session}']": (20, "{session} stands for any number of arguments"),
    "mode: service, command: [x], session: {later: ['{agent_session}']}": (
        0,
        "a service continues no conversation",
    ),
    "command: [x], launcher: x": (21, "`launcher` is not supported yet"),
    "command: [x], sandbox: x": (21, "`sandbox` is not supported yet"),
    "command: [x], cancel_signal: INT": (21, "`cancel_signal` is not supported yet"),
    "description: x": (6, "has neither `use` nor `command`"),
    "command: ls -l": (16, "never a shell line"),
    "command: []": (16, "must begin with a program"),
    "command: ['']": (16, "must begin with a program"),
    "command: [no]": (17, 'quote it: "no"'),
    "command: [x, 2024-01-01]": (20, "reads as a date"),
    "command: [x, {prompt}]": (20, 'quote it: "{prompt}"'),
    "command: [{python}, x]": (17, 'quote it: "{python}"'),
    'command: [x, "{promt}"]': (20, "unknown placeholder {promt}"),
    'command: [x, "say {prompt}"]': (20, "inside the longer element"),
    'command: [x, "p={prompt}"]': (20, "or the value of an option: --name={prompt}"),
    'command: [sh, -c, "x --p={prompt}"]': (25, "inside the longer element"),
    'command: [x, "--p={port}"]': (20, "{port} has no meaning"),
    'command: [x, "--p={prompt}"], prompt: none': (45, "contradicts"),
    'command: ["{prompt}"]': (17, "must begin with a program"),
    'command: [x, "{port}"]': (20, "{port} has no meaning"),
    'command: [x, "{prompt}"], prompt: stdin': (41, "contradicts"),
    'command: [x, "{prompt}"], prompt: none': (41, "contradicts"),
    "command: [x], prompt: arg": (29, 'needs an element "{prompt}"'),
    "command: [x], prompt: file": (29, "stdin, arg or none"),
    "command: [x], timeout: 1:00": (30, "base-60"),
    "command: [x], timeout: 010": (30, "octal"),
    "command: [x], timeout: 5 min": (30, "must be a number of seconds, a duration such as 90s, 5m or 1h30m"),
    "command: [x], timeout: 5 minutes": (30, "write 5m"),
    "command: [x], timeout: 5M": (30, "write 5m"),
    "command: [x], timeout: 1h 30min": (30, "write 1h30m"),
    "command: [x], timeout: '300'": (30, "write 300"),
    "command: [x], timeout: 30m1h": (30, "not the text '30m1h'"),
    "command: [x], timeout: never": (30, "or off, not the text 'never'"),
    "command: [x], timeout: 900d": (30, "from 0.1 to 31622400 seconds, not 900d"),
    f"command: [x], timeout: {'9' * 400}": (30, "from 0.1 to 31622400 seconds, not 9999"),
    f"command: [x], timeout: {'9' * 400}d": (30, "from 0.1 to 31622400"),
    "command: [x], timeout: 1.0e+308": (30, "from 0.1 to 31622400"),
    "command: [x], timeout: -.inf": (30, "from 0.1 to 31622400"),
    f"command: [x], retries: {'9' * 400}": (30, "from 0 to 1000, not 9999"),
    "command: [x], retries: true": (30, "a whole number"),
    "command: [x], grace: -1": (28, "from 0 to 3600 seconds"),
    "command: [x], backoff: .nan": (30, "from 0 to 86400 seconds"),
    "command: [x], priority: 1000001": (31, "from -1000000 to 1000000"),
    f"command: [x], metadata: {{a: {2**63}}}": (35, "at most 64 bits"),
    "command: [x], retain: {seconds: 1.5}": (39, "a whole number of seconds"),
    "command: [x], timeout: 0": (30, "from 0.1"),
    "command: [x], timeout: .nan": (30, "from 0.1"),
    "command: [x], timeout: true": (30, "which YAML reads as true"),
    "command: [x], timeout: ": (None, "not nothing"),
    "command: [x], retries: 1.5": (30, "a whole number"),
    "command: [x], retries: -1": (30, "from 0"),
    "command: [x], concurrency: 0": (34, "from 1"),
    "command: [x], files: maybe": (28, "true or false"),
    "command: [x], format: xml": (29, "`format` must be claude, cline,"),
    "command: [x], env: {A: 5}": (30, 'quote it: "5"'),
    "command: [x], env: {A: no}": (30, 'quote it: "no"'),
    "command: [x], env: {A-B: x}": (27, "not a name of an environment variable"),
    "command: [x], env: {PRAISONRUN_TOKEN: x}": (27, "set by praisonrun itself"),
    "command: [x], env: [A]": (26, "a mapping"),
    "command: [x], env_pass: A": (31, "a list of texts"),
    "command: [x], env_required: [A*]": (36, "not a name of an environment variable"),
    "command: [x], outputs: [../x]": (31, "without '..'"),
    "command: [x], outputs: [/etc/x]": (31, "inside the run's directory"),
    "command: [x], port: 80": (21, "`mode: service`"),
    "command: [x], readiness: {type: tcp}": (21, "`mode: service`"),
    "command: [x], public_url: true": (21, "`mode: service`"),
    "command: [x], mode: daemon": (27, "run or service"),
    "command: [x], mode: service, port: 70000": (42, "from 1 to 65535"),
    "command: [x], mode: service, port: any": (42, "or auto"),
    "command: [x], mode: service, port: auto, env: {PORT: '80'}": (54, "`port` sets PORT"),
    "command: [x], mode: service, port: 81, env: {PORT: '80'}": (52, "`port` sets PORT"),
    "command: [x], mode: service, readiness: {type: http}": (36, "needs a `port`"),
    "command: [x], mode: service, port: 1, readiness: {typ: tcp}": (57, "did you mean `type`"),
    "command: [x], mode: service, port: 1, readiness: {type: http, path: up}": (75, "must begin with /"),
    "command: [x], mode: service, prompt: stdin": (44, "a service gets no prompt"),
    'command: [x, "{prompt}"], mode: service': (20, "{prompt} has no meaning"),
    "command: [x], retain: {seconds: 0}": (39, "from 1"),
    "command: [x], files: false, retain: {on_failure: true}": (35, "no scratch to retain"),
    "command: [x], metadata: {a: .inf}": (35, "finite"),
    "command: [x], metadata: {a: 1:30}": (35, "base-60"),
    'command: [x, "a\\0b"]': (20, "NUL"),
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_entry_names_its_place_and_what_to_do(body: str) -> None:
    column, says = BROKEN[body]
    with pytest.raises(ConfigError) as caught:
        entry(body)
    assert says in caught.value.message
    assert caught.value.message.startswith(f"agents.yaml:3:{column}: " if column else "agents.yaml:3:")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1:1: an agents file is a mapping"),
        ("- a", "1:1: an agents file is a mapping"),
        ("SECRET=hunter2", "1:1: an agents file is a mapping"),
        ("agents: {}", "1:9: `agents` is empty"),
        ("agents: []", "1:9: `agents` must be a mapping"),
        ("default: a", "1:1: no `agents:`"),
        ("agents: {a: ls}", "1:13: agent `a` must be a mapping"),
        ("agents: {a b: {command: [x]}}", "1:10: 'a b': an agent's name"),
        ("agent: {a: {command: [x]}}", "1:1: unknown key `agent` in the file; did you mean `agents`?"),
        ("launchers: {}\nagents: {a: {command: [x]}}", "1:1: `launchers` is not supported yet"),
        ("default: b\nagents: {bb: {command: [x]}}", "1:10: `default` names no agent"),
        ("env: {A: 1}\nagents: {a: {command: [x]}}", "1:10: `env.A` must be a text"),
    ],
)
def test_a_broken_file_names_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        one(text)
    assert caught.value.message.startswith(f"agents.yaml:{says}")
    assert "hunter2" not in caught.value.message


def test_the_own_example_is_read() -> None:
    text = (ROOT / "agents.yaml").read_text()
    assert one(text).name == "hello"
    examples = "\n".join(re.findall(r"^  # ((?:\w+:$|  \S).*)", text, re.MULTILINE))
    found = document.read("agents:\n" + textwrap.indent(examples, "  "), FILE, "agents.yaml")
    assert set(found.agents) == {"summarize", "shout", "structured", "flaky", "api"}
