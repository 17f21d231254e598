"""The command line without a server: flags, exit codes, the screen, a stream that breaks and resumes."""

import fcntl
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from praisonrun import __main__, __version__, cli
from praisonrun.agents.check import AgentReport, Report
from praisonrun.cli import attach, background, check, client, local, outcome, output, pipe, run, start, stop
from praisonrun.cli.client import RUNS, TRIES, Client
from praisonrun.cli.events import events as events_of
from praisonrun.cli.proof import Target
from praisonrun.cli.screen import Screen
from praisonrun.cli.text import plain
from praisonrun.config.discovery import LOCK, holder
from praisonrun.config.settings import Settings
from praisonrun.core.errors import BadRequest, Invalid, NotFound, Unavailable
from praisonrun.process import streams
from praisonrun.web.fields import PROMPT_LIMIT

from ..rigs.harness import code_of as command
from ..rigs.places import ROOT

HERE = Target("http://127.0.0.1:8005")
Handler = Callable[[httpx2.Request], httpx2.Response]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client_of(pauses: list[float]) -> Callable[[Handler], Client]:
    def make(handler: Handler) -> Client:
        transport = httpx2.MockTransport(handler)
        return Client(HERE, transport=transport, pause=pauses.append)

    return make


ClientOf = Callable[[Handler], Client]


# --- the command line -----------------------------------------------------------------------------


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--version") == 0
    assert capsys.readouterr().out.startswith(f"praisonrun {__version__} (")


@pytest.mark.parametrize("name", ["serve", "run", "stop", "check"])
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(name, "--help") == 0
    assert f"praisonrun {name}" in capsys.readouterr().out


def test_a_wrong_setting_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("serve", "--host", "0.0.0.0") == 2
    error = capsys.readouterr().err
    assert error.startswith("praisonrun: --host 0.0.0.0: ")
    assert error.count("\n") == 1


def test_settings_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRAISONRUN_ALLOW_ORIGIN", "http://a.test,http://b.test/page")
    assert command("serve") == 2
    assert "--allow-origin http://b.test/page" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "serves"),
    [("serve", True), ("serve --port 1", True), ("serve --help", False), ("run serve", False), ("", False)],
)
def test_only_serve_forks_a_spawner(line: str, serves: bool) -> None:
    assert __main__.serves(line.split()) is serves


def test_what_is_imported_for_what() -> None:
    code = "import sys; from {0} import {1}; print(*sys.modules)"
    lazy = {"rich", "starlette", "httpx2", "pydantic"}
    for package, name, allowed in [
        ("praisonrun", "cli", set()),
        ("praisonrun.cli", "run", {"httpx2"}),
        ("praisonrun.cli", "local", {"httpx2"}),
        ("praisonrun.cli", "check", set()),
    ]:
        asked = subprocess.run(
            [sys.executable, "-c", code.format(package, name)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert lazy & set(asked.stdout.split()) == allowed, (package, name)


def test_a_command_imports_nothing_of_the_server_when_it_is_run(here: Path) -> None:
    run = [sys.executable, "-X", "importtime", "-m", "praisonrun", "stop", "--state", str(here / "none")]
    told = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.stdout.startswith("no server runs on ")
    imported = {line.split("|")[-1].strip() for line in told.stderr.splitlines()}
    assert imported & {"praisonrun.cli.local", "pydantic", "starlette", "rich"} == {"praisonrun.cli.local"}


# --- the screen -----------------------------------------------------------------------------------


def test_no_text_of_an_agent_moves_the_cursor() -> None:
    assert plain("\x1b[31mred\x1b[0m") == "red"
    assert plain("\x1b]0;title\x07\x1b[2J\x9b\u202e\ud800") == "\\x1b]0;title\\x07\\x1b[2J\\x9b\\u202e\\ud800"
    assert plain("a\r\nb\rc\td") == "a\nb\nc\td"


def test_a_pipe_gets_plain_lines() -> None:
    out = io.StringIO()
    screen = Screen(out, environ={})
    screen.note("run x")
    screen.progress(30.0, "reading")
    screen.progress(30.0, "reading")
    screen.log("stdout", "one\ntwo\n")
    screen.log("stderr", "bad\n")
    screen.log("stdout", "to")
    screen.log("stdout", "ken")
    screen.close()
    assert out.getvalue() == "run x\n30% reading\n| one\n| two\n! bad\n| token\n"


def test_a_terminal_shows_progress_in_place() -> None:
    out = Terminal()
    screen = Screen(out, environ={"NO_COLOR": "1"})
    screen.progress(30.0, "reading")
    screen.log("stdout", "one\n")
    screen.close()
    assert out.getvalue() == " 30% reading\r\x1b[K| one\n 30% reading\r\x1b[K"
    dim = Terminal()
    Screen(dim, environ={}).log("stdout", "one\n")
    assert dim.getvalue() == "\x1b[2m| one\x1b[0m\n"


def test_quiet_is_quiet_but_for_a_decision() -> None:
    out = io.StringIO()
    screen = Screen(out, quiet=True)
    screen.note("no")
    screen.log("stdout", "no\n")
    screen.progress(1.0, "no")
    screen.note("press again", always=True)
    assert out.getvalue() == "press again\n"


# --- the client -----------------------------------------------------------------------------------


def sse(*events: tuple[str, str, str]) -> bytes:
    return "".join(f"id: {i}\nevent: {name}\ndata: {data}\n\n" for i, name, data in events).encode()


def streamed(body: bytes) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)


def test_a_stream_resumes_where_it_broke(client_of: ClientOf, pauses: list[float]) -> None:
    def story() -> Iterator[httpx2.Response | Exception]:
        yield streamed(sse(("16", "log", '{"text":"a\u2028b"}')) + b"id: 32\nevent: log\ndata: cut")
        yield httpx2.ConnectError("refused")
        yield httpx2.Response(503, json={"detail": "too many streams"})
        yield streamed(sse(("32", "log", "{}"), ("48", "complete", "{}")) + b"data: [DONE]\n\n")

    answers, asked = story(), []

    def handler(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers.get("last-event-id"))
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    events = list(events_of(client_of(handler), "run_1"))
    assert [event.id for event in events] == ["16", "32", "48"]
    assert json.loads(events[0].data) == {"text": "a\u2028b"}
    assert asked == [None, "16", "16", "16"]
    assert pauses == [0.05, 0.1, 0.2]


def test_a_stream_with_nothing_left_ends(client_of: ClientOf) -> None:
    assert list(events_of(client_of(lambda _: httpx2.Response(204)), "run_1")) == []


def test_a_server_that_stays_away_is_given_up(pauses: list[float]) -> None:
    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    told: list[str] = []
    transport = httpx2.MockTransport(handler)
    client = Client(Target("http://x"), transport=transport, pause=pauses.append, tell=told.append)
    with pytest.raises(Unavailable, match="does not answer"):
        list(events_of(client, "run_1"))
    assert told == ["the server at http://x does not answer; trying for a minute"]
    assert len(pauses) == TRIES
    assert 45 < sum(pauses) < 75


def test_a_server_that_hangs_is_given_up_after_a_minute(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(0, 600, 5))  # each attempt takes 5 s

    def handler(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectTimeout("timed out")

    monkeypatch.setattr(client, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with pytest.raises(Unavailable, match="does not answer: timed out"):
        client_of(handler).status("run_1")
    assert next(times) <= 75


def test_a_submit_is_repeated_with_its_key(client_of: ClientOf) -> None:
    keys: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        keys.append(request.headers["idempotency-key"])
        if len(keys) < 3:
            raise httpx2.ReadError("reset")
        return httpx2.Response(202, json={"job_id": "run_1"})

    assert client_of(handler).submit({"prompt": "x"}, "k") == {"job_id": "run_1"}
    assert keys == ["k"] * 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequest), (404, NotFound), (422, Invalid), (503, Unavailable), (500, Unavailable)],
)
def test_what_the_server_refuses_is_said_in_its_words(
    client_of: ClientOf, status: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="its words"):
        client_of(lambda _: httpx2.Response(status, json={"detail": "its words"})).status("run_1")


def test_stop_cancels_all_pages_of_live_runs(client_of: ClientOf, pauses: list[float]) -> None:
    live = [*(f"q{n}" for n in range(150)), "r1"]
    cancelled: list[str] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        if request.method == "POST":
            assert request.url.params["wait"] == "false"
            cancelled.append(request.url.path.split("/")[-2])
            return httpx2.Response(409, json={"detail": "final"})
        assert request.url.params["status"] == "queued,running"
        jobs = live if request.url.params["mode"] == "run" else []
        page = int(request.url.params["page"]) - 1
        if cancelled:
            jobs.clear()
        return httpx2.Response(
            200, json={"jobs": [{"job_id": i} for i in jobs[page * 100 : page * 100 + 100]]}
        )

    ended = stop.cancel_all(client_of(handler), pauses.append)
    assert local.counted_live(ended) == "151 runs"
    assert sorted(cancelled) == sorted([f"q{n}" for n in range(150)] + ["r1"])
    assert pauses == [0.1]


# --- run ------------------------------------------------------------------------------------------

ENDS: list[tuple[dict[str, Any], int]] = [
    ({"status": "succeeded", "exit_code": 0}, 0),
    ({"status": "failed", "exit_code": 7}, 7),
    ({"status": "failed", "exit_code": 0}, 1),
    ({"status": "failed", "exit_code": None}, 1),
    ({"status": "failed", "exit_code": None, "signal": 9}, 137),
    ({"status": "failed", "exit_code": 143, "failure": "timed_out"}, 124),
    ({"status": "failed", "exit_code": None, "failure": "idle_timed_out"}, 124),
    ({"status": "failed", "exit_code": 3, "error": "timed out after 3 s", "failure": "exit_nonzero"}, 3),
    ({"status": "cancelled", "exit_code": 143}, 130),
]


@pytest.mark.parametrize(("status", "code"), ENDS)
def test_the_exit_code_is_the_agents(status: dict[str, Any], code: int) -> None:
    assert outcome.exit_code(status) == code


class Fake:
    """A server that has one run."""

    def __init__(self, end: dict[str, Any], result: Any) -> None:
        self.end, self.result = {"job_id": "run_1", "error": None} | end, result
        self.asked: list[tuple[str, str]] = []
        self.submitted: dict[str, Any] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        self.asked.append((request.method, path))
        if request.method == "POST" and path == RUNS:
            self.submitted = json.loads(request.content)
            return httpx2.Response(202, json={"job_id": "run_1", "poll_url": f"http://x{RUNS}/run_1"})
        if path == "/api/v1/agents":
            return httpx2.Response(200, json={"agents": [{"name": "a", "cwd": "/x"}], "default": "a"})
        if path.endswith("/stream"):
            log, progress = '{"stream":"stdout","text":"hi\\n"}', '{"percentage":50.0,"step":"s"}'
            return streamed(
                sse(("16", "log", log), ("32", "progress", progress), ("48", "complete", "{}"))
                + b"data: [DONE]\n\n"
            )
        body = {"job_id": "run_1", "result": self.result} if path.endswith("/result") else self.end
        return httpx2.Response(200, content=json.dumps(body))


@pytest.fixture
def serve_with(monkeypatch: pytest.MonkeyPatch, client_of: ClientOf) -> Callable[[Handler], None]:
    def use(handler: Handler) -> None:
        monkeypatch.setattr(start, "find", lambda *_: HERE)
        monkeypatch.setattr(run, "Client", lambda _, **__: client_of(handler))

    return use


def test_only_the_result_goes_to_stdout(
    serve_with: Callable[[Handler], None], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    fake = Fake({"status": "succeeded"}, {"answer": "ä\ud800"})
    serve_with(fake)
    assert command("run", "say hi", "--agent", "a", "--timeout", "9s", "--session", "s") == 0
    out, err = capfdbinary.readouterr()
    assert out == b'{\n  "answer": "\xc3\xa4\\ud800"\n}\n'
    assert err.decode() == f"run run_1: http://x{RUNS}/run_1\n| hi\n50% s\n"
    assert fake.submitted == {"prompt": "say hi", "agent": "a", "timeout": 9, "session_id": "s"}


@pytest.mark.parametrize(("flags", "waiter"), [((), "run_up"), (("-d",), None)])
def test_a_run_inside_an_agent_says_who_waits_for_it(
    serve_with: Callable[[Handler], None],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    waiter: str | None,
) -> None:
    monkeypatch.setenv("PRAISONRUN_RUN_ID", "run_up")
    fake = Fake({"status": "succeeded"}, "x")
    serve_with(fake)
    assert command("run", "hi", "--session", "s", *flags) == 0
    assert fake.submitted.get("waiter") == waiter
    assert command("run", "hi", *flags) == 0
    assert "waiter" not in fake.submitted


def test_a_failed_run_says_why_and_keeps_its_output(
    serve_with: Callable[[Handler], None], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    serve_with(Fake({"status": "failed", "exit_code": 3, "error": "exited with code 3"}, "half\n"))
    assert command("run", "x") == 3
    out, err = capfdbinary.readouterr()
    assert out == b"half\n"
    assert err.endswith(b"run run_1 failed: exited with code 3\n")


def test_json_prints_the_object_alone(
    serve_with: Callable[[Handler], None], capfdbinary: pytest.CaptureFixture[bytes], here: Path
) -> None:
    fake = Fake({"status": "succeeded"}, "done")
    serve_with(fake)
    (here / "a.yaml").touch()
    assert command("run", "x", "--json", "--agents", "a.yaml") == 0
    out, err = capfdbinary.readouterr()
    assert json.loads(out) == {"job_id": "run_1", "status": "succeeded", "error": None, "result": "done"}
    assert err == b""
    assert fake.submitted["agent_file"] == str(here / "a.yaml")


def test_a_prompt_comes_from_stdin_and_is_text(
    serve_with: Callable[[Handler], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = Fake({"status": "succeeded"}, None)
    serve_with(fake)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("schön\n".encode())))
    assert command("run", "-") == 0
    assert fake.submitted == {"prompt": "schön\n"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert command("run", "-") == command("run", "\udcff") == 125
    assert capsys.readouterr().err.endswith("praisonrun: the prompt is not UTF-8 text\n")


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        ([], "given\n"),
        (["-"], "given\n"),
        (["fix", "this", "-"], "fix this\ngiven\n"),
        (["-", "fix"], "fix\ngiven\n"),
        (["fix", "this"], "fix this"),
    ],
)
def test_standard_input_follows_the_words_where_it_is_asked_for(
    words: list[str], prompt: str, serve_with: Callable[[Handler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, given = Fake({"status": "succeeded"}, None), io.TextIOWrapper(io.BytesIO(b"given\n"))
    serve_with(fake)
    monkeypatch.setattr("sys.stdin", given)
    assert command("run", *words) == 0
    assert fake.submitted == {"prompt": prompt}
    assert given.read() == ("" if "given" in prompt else "given\n")  # what the shell has next


def test_a_prompt_without_end_is_not_read_to_its_end(
    serve_with: Callable[[Handler], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pipe.PROMPT_LIMIT == PROMPT_LIMIT
    serve_with(Fake({"status": "succeeded"}, None))
    given = io.BytesIO(b"x" * (2 * PROMPT_LIMIT))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
    assert command("run") == 125
    assert "longer than a prompt may be: 1048576 bytes" in capsys.readouterr().err


def test_a_terminal_gets_the_start_and_the_end_of_a_long_result(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, written = Fake({}, None), io.BytesIO()
    out = io.TextIOWrapper(written)
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout", out)
    pipe.print_result(client_of(fake), {}, {"result": "first\x1b[2J … last", "result_url": "http://x/logs"})
    assert written.getvalue() == "first\\x1b[2J … last\n".encode()
    assert fake.asked == []


def test_what_was_printed_comes_whole_over_a_break(client_of: ClientOf) -> None:
    def broken() -> Iterator[bytes]:
        yield b"abcd"
        raise httpx2.ReadError("reset")

    answers = [broken(), iter([b"ab", b"cde", b"f"])]
    client = client_of(lambda _: httpx2.Response(200, content=answers.pop(0)))
    assert b"".join(output.printed(client, "run_1", {})) == b"abcdef"


def test_an_interrupt_at_any_time_is_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(stop, "settings_of", interrupt)
    assert command("stop") == 130
    monkeypatch.setattr(cli, "main", interrupt)
    monkeypatch.setattr(streams, "take", lambda: None)
    assert __main__.main() == 130


def test_a_prompt_is_never_waited_for_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    assert command("run") == 125
    assert 'praisonrun run "' in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert command("run", "-") == 125
    assert "standard input had nothing" in capsys.readouterr().err


def test_without_a_server_and_told_not_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", "x", "--no-server", "--port", "1") == 125
    assert "praisonrun serve" in capsys.readouterr().err


def test_one_interrupt_leaves_the_run_two_cancel_it(client_of: ClientOf) -> None:
    fake, out = Fake({"status": "cancelled"}, None), io.StringIO()
    client, screen = client_of(fake), Screen(out, quiet=True)

    def again(seconds: float) -> None:
        raise KeyboardInterrupt

    assert attach.interrupted(client, "run_1", screen, lambda _: None) is False
    assert fake.asked == []
    assert "press again within 3 s" in out.getvalue()
    assert attach.interrupted(client, "run_1", screen, again) is True
    assert fake.asked == [("POST", f"{RUNS}/run_1/cancel")]


def test_a_second_interrupt_may_come_with_the_note_of_the_first(client_of: ClientOf) -> None:
    class Quick(io.StringIO):
        def flush(self) -> None:
            if self.getvalue().endswith("to cancel it\n"):
                raise KeyboardInterrupt

    fake = Fake({"status": "cancelled"}, None)
    assert attach.interrupted(client_of(fake), "run_1", Screen(Quick(), quiet=True), lambda _: None) is True
    assert fake.asked == [("POST", f"{RUNS}/run_1/cancel")]


# --- servers of this machine ----------------------------------------------------------------------


def test_a_held_lock_is_a_running_server(here: Path) -> None:
    assert holder(here / "none") is None
    with (here / LOCK).open("w") as lock:
        lock.write("4242\n")
        lock.flush()
        assert holder(here) is None
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert holder(here) == 4242
    assert holder(here) is None


def test_stop_without_a_server(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("stop", "--state", str(here)) == 2
    assert capsys.readouterr().out == f"no server runs on {here}\n"


def test_the_server_of_a_run_is_started_with_the_same_words(here: Path) -> None:
    words = background.command(Settings(port=9, state=here), ["--idle-exit", "10m"])
    assert words[:5] == [sys.executable, "-P", "-m", "praisonrun", "serve"]
    assert words[5:] == [
        "--host",
        "127.0.0.1",
        "--port",
        "9",
        "--state",
        str(here),
        "--idle-exit",
        "10m",
    ]


# --- check ----------------------------------------------------------------------------------------


def test_check_names_every_agent(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(
        "agents.yaml",
        "a",
        (
            AgentReport("a", "command", "sh", "/bin/sh"),
            AgentReport("long", "crew", "crewai", None, problem="crewai is missing", warnings=("odd",)),
        ),
    )
    assert list(check.lines(report)) == [
        "agents.yaml: 2 agents, default a",
        "  ok a     command  /bin/sh",
        "  -- long  crew     cannot start: crewai is missing",
        "           note: odd",
    ]


def test_check_finds_the_fault_in_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "agents.yaml").write_text("agents:\n  a: {comand: [sh]}\n")
    assert command("check") == 2
    assert "agents.yaml:2:7" in capsys.readouterr().err


def test_check_is_strict_when_told(here: Path) -> None:
    (here / "agents.yaml").write_text("agents:\n  a: {command: [no-such-program-at-all]}\n")
    assert command("check") == 0
    assert command("check", "agents.yaml", "--strict") == 1
