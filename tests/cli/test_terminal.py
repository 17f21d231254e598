"""Sessions at a terminal: each thing is shown once, in its place, at any width."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from ..rigs.harness import Server
from ..rigs.terminal import Terminal

AGENTS = r"""
agents:
  sh: {command: [sh], retries: 1, backoff: 0.01}
  says:
    format: jsonl
    command:
      - sh
      - -c
      - |
        echo '{"type":"delta","text":"he"}'
        echo '{"type":"delta","text":"llo"}'
        echo '{"type":"message","text":"hello"}'
        echo '{"type":"result","result":"hello"}'
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("server")
    (home / "agents.yaml").write_text(AGENTS)
    with Server(home, home / "agents.yaml") as server:
        server.start()
        yield server


def terminal(
    server: Server, *words: str, columns: int = 80, environ: Mapping[str, str] | None = None
) -> Terminal:
    there = {**server.environ, "PRAISONRUN_STATE": str(server.state), **(environ or {})}
    return Terminal(*words, cwd=server.state, environ=there, columns=columns)


def test_a_terminal_shows_each_thing_once(server: Server) -> None:
    with terminal(
        server, "run", "echo one; echo bad >&2; printf '\\033[31mred\\033[0m\\n'; printf two"
    ) as shown:
        assert shown.end() == 0
        lines = shown.lines()
        assert lines[0].startswith("run run_")
        assert sorted(lines[-4:]) == ["! bad", "one", "red", "two"]
        assert "red" in shown.colours(lines.index("red"))
        assert shown.moves() == []


def test_a_carriage_return_begins_its_line_anew(server: Server) -> None:
    with terminal(server, "run", "printf 'ten %%\\r'; printf 'all\\r\\n'; printf 'a\\033[2Jb\\n'") as shown:
        assert shown.end() == 0
        assert shown.lines()[-2:] == ["all", "a\\x1b[2Jb"]
        assert set(shown.moves()) == {b"\x1b[K"}


def test_a_message_in_pieces_is_shown_once(server: Server) -> None:
    with terminal(server, "run", "--agent", "says", "x") as shown:
        assert shown.end() == 0
        assert shown.lines()[-1] == "hello"
        assert sum("hello" in line for line in shown.lines()) == 1


def test_a_failed_attempt_is_a_line_and_the_end_says_what_is_next(server: Server) -> None:
    with terminal(server, "run", "exit $((2 + PRAISONRUN_ATTEMPT))") as shown:
        assert shown.end() == 4
        said = "\n".join(shown.lines())
        assert "attempt 1: exit code 3" in said
        assert "attempt 2 starts" in said
        assert "next: praisonrun show" in said


def test_ctrl_c_leaves_a_run_that_can_be_attached_again(server: Server) -> None:
    with terminal(server, "run", "echo up; while [ ! -e go ]; do sleep 0.01; done; echo done") as first:
        first.until("up")
        first.press("c")
        first.until("press again within")
        end = first.until(r"next: praisonrun attach \w+").split()[-1]
        assert first.end() == 130
    with terminal(server, "attach", end, columns=44) as second:
        second.until("up")
        (server.home / "go").touch()
        assert second.end() == 0
        assert second.lines()[-2:] == ["up", "done"]


def test_a_second_ctrl_c_cancels(server: Server) -> None:
    with terminal(server, "run", "echo up; exec sleep 100") as shown:
        shown.until("up")
        shown.press("c")
        shown.until("press again within")
        shown.press("c")
        assert shown.end() == 130
        assert any("cancelled" in line for line in shown.lines())


def test_logs_of_several_runs_have_names_in_colours(server: Server) -> None:
    runs = []
    for prompt in ("printf 'ten %%\\rall\\n\\033[31mred\\033[0m\\n'", "printf 'a\\033[2Jb\\n'"):
        with terminal(server, "run", prompt) as ran:
            assert ran.end() == 0
            runs.append(ran.lines()[0].split(":")[0].removeprefix("run "))
    with terminal(server, "logs", *runs, columns=44) as shown:
        assert shown.end() == 0
        marks = [f"sh {run_id[-6:]} | " for run_id in runs]
        assert shown.lines() == [f"{marks[0]}all", f"{marks[0]}red", f"{marks[1]}a\\x1b[2Jb"]
        assert shown.colours(0) == {"cyan", "default"}
        assert shown.colours(1) == {"cyan", "red"}
        assert shown.moves() == []


def test_logs_of_a_run_that_lives_say_what_is_next(server: Server) -> None:
    with terminal(server, "run", "-d", "echo up; exec sleep 100") as started:
        assert started.end() == 0
    with terminal(server, "logs", "-f") as shown:
        shown.until("up")
        shown.press("c")
        shown.until(r"next: praisonrun logs -f \w{6}")
        assert shown.end() == 130
    with terminal(server, "logs", "-n", "1") as shown:
        assert shown.end() == 0
        assert shown.lines()[0] == "up"
        assert ": running" in shown.lines()[1]


@pytest.mark.parametrize("columns", [80, 44])
def test_a_list_fits_its_terminal(server: Server, columns: int) -> None:
    with terminal(server, "run", "-d", "exit 7; " + "a very long prompt " * 20) as started:
        assert started.end() == 0
        run_id = started.lines()[0]
    with terminal(server, "attach", run_id) as attached:
        assert attached.end() == 7
    with terminal(server, "ps", "-a", "-n", "3", columns=columns) as shown:
        assert shown.end() == 0
        head, first, *_ = shown.lines()
        assert head.split()[:2] == ["ID", "STATUS"]
        assert first.split()[:3] == [run_id[-6:], "failed", "sh"]
        assert first.endswith("…")
        assert len(shown.lines()) <= 4
        assert "red" in shown.colours(1)


@pytest.mark.parametrize("columns", [80, 44])
def test_all_of_a_run_fits_its_terminal(server: Server, columns: int) -> None:
    prompt = "echo " + "a very long word " * 20 + "日本語" * 30
    with terminal(server, "run", prompt) as ran:
        assert ran.end() == 0
    with terminal(server, "show", columns=columns) as shown:
        assert shown.end() == 0
        values = [line[13:] for line in shown.lines()[1:]]
        assert "".join(prompt.split()) in "".join("".join(values).split())
        assert {line[:13].strip() for line in shown.lines()} >= {
            "status",
            "prompt",
            "created",
            "result",
            "next",
        }
        assert b"\x1b[32msucceeded" in shown.raw


def test_a_terminal_that_takes_ascii_alone_gets_escapes(server: Server) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with terminal(server, "run", "echo ä") as ran:
        assert ran.end() == 0
    for words in (["show"], ["logs"], ["ps", "-a"]):
        with terminal(server, *words, environ=ascii_only) as shown:
            assert shown.end() == 0
            assert any("\\xe4" in line for line in shown.lines())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_none_are_wanted(server: Server, name: str, value: str) -> None:
    with terminal(server, "run", "printf '\\033[31mred\\033[0m\\n'", environ={name: value}) as shown:
        assert shown.end() == 0
        assert shown.lines()[-1] == "red"
        assert b"\x1b[3" not in shown.raw
