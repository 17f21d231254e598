"""`praisonrun logs`: every byte once, lines of several runs, breaks of the connection."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from praisonrun.cli import interleaved, output
from praisonrun.cli.client import RUNS, Client
from praisonrun.cli.proof import Target
from praisonrun.core.errors import NotFound

from ..rigs.harness import Server
from ..rigs.wire_rig import Api
from .conftest import Command


def test_output_is_printed_byte_for_byte(api: Api, command: Command) -> None:
    run_id = api.ran("bytes", b"one\ntwo\n\xff\0three".hex())["job_id"]
    whole = "one\ntwo\n\udcff\0three"
    for words, told in {
        "": whole,
        "-f": whole,
        "-n 1": "\udcff\0three",
        "--tail 2 -f": "two\n\udcff\0three",
        "--since 1h --stream stdout": whole,
        "--stream stderr": "",
    }.items():
        assert command("logs", run_id[-6:], *words.split()) == (0, told, "")
    code, out, _ = command("logs", run_id, "-t", "-n", "2")
    assert (code, re.sub(r"20\S+Z ", "", out)) == (0, "two\n\udcff\0three")


def test_lines_of_several_runs_have_names_and_the_order_of_time(api: Api, command: Command) -> None:
    code = "import sys, time\nfor n in range(3): print(n, flush=True); time.sleep(0.02)"
    runs = [api.submit("code", code), api.submit("code", code)]
    marks = [f"code {run_id[-6:]} | " for run_id in runs]
    for run_id in runs:
        api.ended(run_id)
    for flags in ([], ["-f"]):
        ended, out, _ = command("logs", *runs, runs[0], *flags)
        lines = out.splitlines()
        assert ended == 0
        assert [sorted(line for line in lines if line.startswith(mark)) for mark in marks] == [
            [f"{mark}{number}" for number in range(3)] for mark in marks
        ]
    times = [json.loads(line)["ts"] for line in command("logs", *runs, "--json")[1].splitlines()]
    assert times == sorted(times)
    assert len(times) == 6


def test_each_line_may_be_an_object(api: Api, command: Command) -> None:
    run_id = api.ran("bytes", "ä\n\r\n".encode().hex())["job_id"]
    _, out, _ = command("logs", run_id, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line.pop("job_id"), line.pop("text")) for line in lines] == [(run_id, "ä"), (run_id, "\r")]
    assert [list(line) for line in lines] == [["ts"], ["ts"]]


def test_words_that_mean_no_output_say_what_to_write(api: Api, command: Command) -> None:
    run_id = api.ran("quick")["job_id"]
    for words, says in {
        "logs no-such-run": "the newest are ",
        "logs ab": "write the last 4 or more characters",
        f"logs {run_id} --since noon": "nor a duration",
        f"logs {run_id} -n -1": "logs --help",
    }.items():
        code, out, err = command(*words.split())
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert says in err


def test_a_follower_outlives_the_server(server: Server, tmp_path: Path) -> None:
    gates = [tmp_path / "first", tmp_path / "second"]
    runs = [server.submit("until", str(gate)) for gate in gates]
    command = [sys.executable, "-m", "praisonrun", "logs", "--state", str(server.state), "-f"]
    with (
        subprocess.Popen([*command, runs[0]], stdout=subprocess.PIPE) as one,
        subprocess.Popen([*command, *runs], stdout=subprocess.PIPE) as both,
    ):
        assert one.stdout is not None
        assert both.stdout is not None
        assert one.stdout.readline() == b"up\n"
        started = [both.stdout.readline(), both.stdout.readline()]
        server.kill()
        gates[0].touch()
        server.start()
        gates[1].touch()
        assert (one.stdout.read(), one.wait(20)) == (b"done\n", 0)
        rest = both.stdout.read().splitlines(keepends=True)
        assert both.wait(20) == 0
    assert sorted(rest) == sorted(line.replace(b"up", b"done") for line in started)


def test_a_follower_ends_with_its_reader(server: Server) -> None:
    run_id = server.submit("wait")
    command = [sys.executable, "-m", "praisonrun", "logs", "--state", str(server.state), "-f", run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.stdout.close()  # and the run prints nothing more
        assert process.wait(20) == 0


def test_a_silent_connection_is_probed(shared: Server) -> None:
    with Client(Target(shared.url)) as client, client.opened("/healthz") as answer:
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


class Story:
    """A server whose answers about the output of one run are told beforehand."""

    def __init__(self, *answers: str | int | bytes | Iterator[bytes]) -> None:
        """A status, an error's number, or output."""
        self.answers, self.asked = list(answers), list[str]()
        self.client = Client(
            Target("http://x"), transport=httpx2.MockTransport(self), pause=lambda _: None, tries=3
        )

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            assert request.url.path == f"{RUNS}/r"
            return httpx2.Response(200, json={"status": answer})
        self.asked.append(request.url.query.decode())
        if isinstance(answer, int):
            return httpx2.Response(answer, json={"detail": "r is gone"})
        return httpx2.Response(200, content=answer, headers={"praisonrun-cursor": "64.2"})


def broken(text: bytes) -> Iterator[bytes]:
    yield text
    raise httpx2.ReadError("reset")


def test_a_break_repeats_nothing_and_loses_nothing() -> None:
    story = Story(
        "running", broken(b"ab"), 503, iter([b"abc"]), "running", iter([b"a", b"bcd"]), "failed", b"abcde"
    )
    found = output.printed(story.client, "r", {"tail": "9", "stream": "stdout"}, follow=True)
    assert b"".join(found) == b"abcde"
    again = "cursor=64.2&stream=stdout"
    first = "tail=9&stream=stdout&follow=1"
    assert [sorted(asked.split("&")) for asked in story.asked] == [
        sorted(asked.split("&")) for asked in (first, *[f"{again}&follow=1"] * 3, again)
    ]


def test_a_run_that_is_deleted_while_it_is_followed_is_told() -> None:
    one, several = (Story("running", broken(b"ab"), 404).client for _ in range(2))
    for found in (output.printed(one, "r", {}, follow=True), interleaved.coming(several, ["r"], {})):
        with pytest.raises(NotFound, match="is gone"):
            list(found)


def test_lines_come_whole_whatever_the_chunks() -> None:
    assert list(output.lines([b"a\nb", b"c", b"\n\nd\n", b"e"])) == [b"a", b"bc", b"", b"d", b"e"]
    assert list(output.lines([])) == []
