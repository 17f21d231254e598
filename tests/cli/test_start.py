"""The server that commands start: one for all, with the agents of their directory, and none inside a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.cli import background, start
from praisonrun.cli.client import Client
from praisonrun.cli.proof import Target
from praisonrun.config import discovery
from praisonrun.config.discovery import Listening, Named
from praisonrun.core.errors import ConfigError, NoServer

from ..rigs.harness import Server, swept

AGENTS = """
agents:
  where: {{command: [sh, -c, "echo {name}"], prompt: none, files: false}}
  until: {{command: [sh, -c, "read gate; while [ ! -e $gate ]; do sleep 0.01; done"], files: false}}
"""


class House:
    """A state directory, and two directories with agents of their own."""

    def __init__(self, home: Path) -> None:
        self.home, self.state = home, home / "state"
        for name in ("one", "two", "none"):
            (home / name).mkdir()
            if name != "none":
                (home / name / "agents.yaml").write_text(AGENTS.format(name=name))

    def popen(self, place: str, *words: str, **environ: str) -> subprocess.Popen[str]:
        plain = {name: text for name, text in os.environ.items() if not name.startswith("PRAISONRUN_")}
        return subprocess.Popen(
            [sys.executable, "-m", "praisonrun", words[0], "--state", str(self.state), *words[1:]],
            cwd=self.home / place, env={**plain, **environ}, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def does(self, place: str, *words: str, **environ: str) -> tuple[int, str, str]:
        """Return the exit code of a command in a directory, its output and its standard error."""
        command = self.popen(place, *words, **environ)
        out, err = command.communicate(timeout=40)
        return command.returncode, out, err

    @property
    def server(self) -> Listening:
        found = discovery.find(self.state, discovery.holder(self.state))
        assert found is not None
        return found


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    with swept(made.state):
        yield made


def test_of_first_runs_at_once_one_starts_a_server(house: House) -> None:
    count = 3
    runs = [house.popen("one", "run", "--agent", "where", "x") for _ in range(count)]
    ends = [(*run.communicate(timeout=40), run.returncode) for run in runs]
    assert [(out, code) for out, _, code in ends] == [("one\n", 0)] * count, ends
    assert sum(err.count("started a server at ") for _, err, _ in ends) == 1
    assert sum(err.count("\n") for _, err, _ in ends) == 1 + 2 * count  # each tells its run, and its output
    log = (house.state / "server.log").read_text()
    assert (log.count("listens on"), log.count(" succeeded after ")) == (1, count)
    assert "praisonrun: " not in log.replace("INFO praisonrun: run ", "")


def test_a_server_stays_for_its_directory_and_goes_for_another_s(house: House) -> None:
    gate = house.home / "gate"
    code, out, err = house.does("one", "run", "x")
    assert (code, out) == (0, "one\n"), err
    assert f"which stays until it is idle for 10m; log: {house.state}/server.log\n" in err
    first = house.server
    assert (first.idle_exit, first.agents_file) == (600, str(house.home / "one" / "agents.yaml"))
    for words in ([], ["--agents", "../one/agents.yaml"]):
        code, out, err = house.does("none", "run", *words, "x")
        assert (code, out, "started" in err) == (0, "one\n", False), err
    # Inside a run the directory says nothing: the server is its own.
    code, out, err = house.does("two", "run", "x", PRAISONRUN_RUN_ID="run_1")
    assert (code, out, "started" in err) == (0, "one\n", False), err

    code, _, err = house.does("one", "run", "--agent", "until", "-d", str(gate))
    assert code == 0, err
    code, out, err = house.does("two", "run", "x")
    assert (code, out, err.count("\n")) == (125, "", 1), err
    assert (
        f"has the agents of {first.agents_file}, not those of {house.home}/two/agents.yaml, and 1 run to"
        in err
    )
    code, out, _ = house.does("two", "run", "--agents", first.agents_file or "", "x")
    assert (code, out) == (0, "one\n")
    gate.touch()
    assert house.does("one", "attach", "@2")[0] == 0

    code, out, err = house.does("two", "run", "x")
    assert (code, out) == (0, "two\n"), err
    assert (
        f"started a server at {first.url} instead of the idle one with the agents of {first.agents_file},"
        in err
    )
    assert (house.server.url, house.server.pid != first.pid) == (first.url, True)
    code, out, err = house.does("one", "up")
    kept = f"the server at {first.url} stays until it is stopped, also when it is idle\n"
    assert (code, out, err, house.server.idle_exit) == (0, f"{first.url}\n", kept, None)
    assert house.does("one", "up") == (0, f"{first.url}\n", "")  # and no other directory replaces it
    assert house.does("one", "run", "x")[:2] == (0, "two\n")


def test_up_has_a_server_that_stays(house: House) -> None:
    code, out, err = house.does("one", "up")
    assert (code, out) == (0, f"{house.server.url}\n"), err
    assert err == f"started a server at {house.server.url}; log: {house.state}/server.log\n"
    assert house.server.idle_exit is None
    code, out, err = house.does("two", "up", "--json", "--agents", "agents.yaml")
    shown = json.loads(out)
    assert (code, err, shown["server"]) == (0, "", house.server.public())
    assert json.loads(house.does("two", "info", "--json")[1]).keys() == shown.keys()
    code, out, err = house.does("two", "run", "x")  # a server that stays is everybody's
    assert (code, out) == (0, "one\n"), err
    code, out, err = house.does("two", "up", "--url", "http://127.0.0.1:1")
    assert (code, out, err.count("\n")) == (2, "", 1)
    stopped = {"state": str(house.state), "pid": house.server.pid, "cancelled": 0, "job_ids": []}
    code, out, err = house.does("one", "stop", "--json")
    assert (code, json.loads(out), err) == (0, stopped, "")
    code, out, err = house.does("one", "stop", "--json")
    assert (code, json.loads(out), err) == (2, {**stopped, "pid": None}, "")


def test_inside_a_run_nobody_serves(house: House) -> None:
    code, out, err = house.does("one", "serve", "--port", "0", PRAISONRUN_RUN_ID="run_1")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "inside a run (PRAISONRUN_RUN_ID) no server is started: ask the one that is up" in err
    assert not house.state.exists()


@pytest.mark.parametrize("words", [["run", "x"], ["up"]])
def test_inside_a_run_no_server_is_started(words: list[str], house: House) -> None:
    code, out, err = house.does("one", *words, PRAISONRUN_RUN_ID="run_1")
    assert (code, out, err.count("\n")) == (125 if words[0] == "run" else 2, "", 1)
    assert "inside a run (PRAISONRUN_RUN_ID) none is started: name the --state of the one that is up" in err
    assert not house.state.exists()


def test_who_finds_a_server_that_leaves_asks_once_more(server: Server) -> None:
    target = Target(server.url, state=server.state)
    server.stop()

    def never(_: float) -> None:
        raise AssertionError

    asked: list[str] = []

    def ask() -> str:
        asked.append("")
        if len(asked) == 1:
            with Client(target, pause=never) as client:
                client.agents()
        return "answered"

    assert (start.answered(ask), len(asked)) == ("answered", 2)
    with pytest.raises(NoServer, match="start one"), Client(target, pause=never) as client:
        client.agents()


def test_a_server_that_was_met_is_waited_for(server: Server) -> None:
    def again(_: float) -> None:
        server.start()

    with Client(Target(server.url, state=server.state), pause=again) as client:
        assert client.agents()["default"] == "echo"
        server.stop()
        assert client.agents()["default"] == "echo"


def test_a_large_log_loses_its_older_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LOG_BYTES", 100)
    for size, kept in ((10, 10), (11, 5), (1000, 5)):
        (tmp_path / "server.log").write_text("".join(f"line {number:04}\n" for number in range(size)))
        with background.log_of(tmp_path) as log:
            background._cut(log)
            log.write(b"last\n")
        lines = (tmp_path / "server.log").read_text().splitlines()
        assert lines == [*(f"line {number:04}" for number in range(size - kept, size)), "last"]


def test_what_a_server_that_another_wants_is_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").touch()
    (tmp_path / "link.yaml").symlink_to("a.yaml")
    about = ("http://127.0.0.1:1", 1, 1, "v", "t", None, "s", "")
    found = Target("http://127.0.0.1:1", None, tmp_path, Listening(*about, str(tmp_path / "a.yaml")))
    built_in = Target("http://127.0.0.1:1", None, tmp_path, Listening(*about))
    assert not start.has_other_agents(found, None)
    assert not start.has_other_agents(found, tmp_path / "link.yaml")
    assert start.has_other_agents(found, tmp_path / "gone.yaml")
    assert start.has_other_agents(built_in, tmp_path / "a.yaml")
    assert start.has_other_agents(Target("http://far:1"), tmp_path / "a.yaml")
    with pytest.raises(ConfigError, match="--agents"):
        _ = start.Wanted(Named(), tmp_path / "gone.yaml").settings
