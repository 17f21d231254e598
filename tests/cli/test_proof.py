"""Who are we talking to? Nothing goes to a server before it proved to be the one that a command means."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import httpx2
import pytest

from praisonrun import __version__, cli
from praisonrun.cli import background, proof
from praisonrun.cli.client import Client
from praisonrun.cli.proof import Target
from praisonrun.config import discovery
from praisonrun.config.discovery import FILE, LOCK, Listening
from praisonrun.core.errors import Forbidden

from ..rigs.harness import Json, Server, no_server, swept

SECRET, TOKEN, PROMPT = "5ec2e7" * 6, "token-of-the-right-server", "prompt-for-the-right-server"
Answer = Callable[[socket.socket, bytes], None]


class Stranger:
    """A program that has a port, answers each connection with one function, and keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.heard: list[bytes] = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    self.heard.append(connection.recv(65536))
                    self._answer(connection, self.heard[-1])
                    while more := connection.recv(65536):
                        self.heard.append(more)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


def http(body: bytes, status: str = "200 OK", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status.encode(), *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def says(data: bytes) -> Answer:
    return lambda connection, _heard: connection.sendall(data)


def challenge_of(heard: bytes) -> str:
    found = re.search(rb"challenge=([0-9a-f]+) ", heard)
    assert found is not None
    return found[1].decode()


def proves(secret: str, port: int | None = None, **more: Json) -> Answer:
    """Answer with a proof, for the right port unless another is given."""

    def answer(connection: socket.socket, heard: bytes) -> None:
        own = connection.getsockname()[1] if port is None else port
        known = {"api_version": 2, "proof": discovery.proof(secret, own, challenge_of(heard))}
        connection.sendall(http(json.dumps({**known, **more}).encode()))

    return answer


def endless(connection: socket.socket, _heard: bytes) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4096)


def drip(connection: socket.socket, _heard: bytes) -> None:
    for byte in http(b'{"api_version": 2, "proof": "' + b"x" * 9000 + b'"}'):
        connection.sendall(bytes([byte]))
        threading.Event().wait(0.01)


STRANGERS: dict[str, Answer] = {
    "hangs": says(b""),
    "drips": drip,
    "no HTTP": says(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "half an answer": says(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"),
    "closes": lambda connection, _: connection.shutdown(socket.SHUT_RDWR),
    "endless": endless,
    "redirects": says(http(b"", "307 Temporary Redirect", b"Location: http://127.0.0.1:1/")),
    "a page": says(http(b"<html>")),
    "JSON": says(http(b'{"name": "praisonrun", "api_version": 2}')),
    "a list": says(http(b"[1]")),
    "nested": says(http(b"[" * 9000)),
    "an odd proof": says(http(b'{"api_version": 2, "proof": "\\ud800\\u00e4"}')),
    "no text": says(http(b'{"api_version": 2, "proof": {"a": 1}}')),
    "not UTF-8": says(http(b'{"proof": "\xff"}')),
    "two answers": says(http(b"{}") + http(b"{}")),
    "a huge length": says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"x" * 20_000),
    "another secret": proves("0" * 32),
    "a relay": proves(SECRET, 8005),
}


@contextmanager
def held(state: Path, port: int, secret: str = SECRET, version: str = __version__) -> Iterator[None]:
    """Hold a state directory as a server does whose port somebody else has."""
    state.mkdir(exist_ok=True)
    (state / "token").write_text(TOKEN)
    (state / "token").chmod(0o600)
    url, token = f"http://127.0.0.1:{port}", str(state / "token")
    listening = Listening(
        url, port, os.getpid(), version, "2026-01-01T00:00:00.000Z", token, "0" * 16, secret
    )
    with (state / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        discovery.write(state, listening)
        yield


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(proof, "SECONDS", 0.2)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PRAISONRUN_")]:
        monkeypatch.delenv(name)


COMMANDS = (
    "run {prompt} --no-server",
    "run {prompt}",
    "stop --cancel",
    "webhooks list",
    "webhooks replay --all",
)


def said_to(stranger: Stranger, state: Path, line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line that a command ends with; the stranger has heard a challenge and nothing else."""
    words = line.format(prompt=PROMPT).split()
    assert cli.main(no_server, [*words, "--state", str(state)]) == (125 if words[0] == "run" else 1)
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[:12]) == ("", 1, "praisonrun: ")
    for heard in stranger.heard:
        asked = rb"GET /api/v1/info\?challenge=[0-9a-f]{32} HTTP/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\n\r\n"
        assert re.fullmatch(asked, heard), heard
    assert SECRET not in err
    return err


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_is_sent_a_challenge_alone(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Stranger(STRANGERS[kind])) as stranger, held(tmp_path / "s", stranger.port):
        err = said_to(stranger, tmp_path / "s", COMMANDS[0], capsys)
        assert f"127.0.0.1:{stranger.port}" in err
        assert "does not answer within" in err or "is not the server of" in err


@pytest.mark.parametrize("line", COMMANDS)
def test_no_command_sends_more(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Stranger(STRANGERS["JSON"])) as stranger, held(tmp_path / "s", stranger.port):
        assert "praisonrun stop --state" in said_to(stranger, tmp_path / "s", line, capsys)
        assert len(stranger.heard) == 1


def test_a_server_that_cannot_prove_itself_yet_and_one_of_another_api(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(Stranger(STRANGERS["JSON"])) as old, held(tmp_path / "s", old.port, "", "0.1.0"):
        assert "is too old to prove itself; stop the server" in said_to(
            old, tmp_path / "s", COMMANDS[0], capsys
        )
    with (
        closing(Stranger(proves(SECRET, api_version=3))) as other,
        held(tmp_path / "s", other.port, version="9"),
    ):
        assert "(version 9) speaks API 3, and this praisonrun API 2; stop" in said_to(
            other, tmp_path / "s", COMMANDS[0], capsys
        )


def test_each_new_connection_proves_itself(server: Server) -> None:
    """What takes the port after a kill -9 gets nothing of what the first connection was trusted with."""
    with Client(Target(server.url, TOKEN, server.state), tries=1, pause=lambda _: None) as client:
        assert client.live() == {}
        server.kill()
        with held(server.state, server.port), socket.create_server(("127.0.0.1", server.port)) as taken:
            heard: list[bytes] = []

            def answer() -> None:
                connection, _ = taken.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(http(b"{}"))

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(Forbidden, match="was sent nothing"):
                client.submit({"prompt": PROMPT}, "key")
            thread.join(10)
        assert [data.split(b"?")[0] for data in heard] == [b"GET /api/v1/info"]


def test_a_client_goes_on_with_the_next_server_on_the_port(server: Server) -> None:
    with Client(Target(server.url, state=server.state), pause=lambda _: None) as client:
        assert client.live() == {}
        before = discovery.find(server.state, discovery.holder(server.state))
        server.stop()
        server.start()
        assert client.live() == {}
        after = discovery.find(server.state, discovery.holder(server.state))
    assert before is not None
    assert after is not None
    assert (before.store, before.secret != after.secret) == (after.store, True)
    assert re.fullmatch("[0-9a-f]{32}", after.secret)


def test_a_server_proves_itself_without_the_token(tmp_path: Path, agents_file: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with Server(tmp_path, agents_file, "--token-file", str(tmp_path / "token")) as server:
        server.start()
        found = discovery.find(server.state, discovery.holder(server.state))
        assert found is not None
        with server.client() as client:
            shown = client.get("/api/v1/info?challenge=ab12").json()
            right = discovery.proof(found.secret, server.port, "ab12")
            assert shown == {
                "name": "praisonrun", "version": __version__, "api_version": 2,
                "store": found.store, "proof": right,
            }  # fmt: skip
            for path in ("/api/v1/info", "/api/v1/info?x=1&challenge=ab", "/api/v1/runs?challenge=ab"):
                assert client.get(path).status_code == 401
            for odd in ("xy", "", "a" * 257):
                assert client.get("/api/v1/info", params={"challenge": odd}).status_code == 422
            client.headers["Authorization"] = f"Bearer {TOKEN}"
            whole = client.get("/api/v1/info").json()
            assert ("proof" in whole, whole["api"][0], whole["store"]) == (False, "jobs", found.store)
            texts = [client.get("/openapi.json").text, *server.said, json.dumps(whole)]
        shown_info = praisonrun(tmp_path, "info", "--json", "--state", str(server.state)).stdout
        assert json.loads(shown_info)["server"]["store"] == found.store
        assert not [text for text in (*texts, shown_info, repr(found)) if found.secret in text]


def praisonrun(home: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("PRAISONRUN_")}
    command = [sys.executable, "-m", "praisonrun", *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=home, env={**plain, **environ}, timeout=60
    )


def test_a_state_directory_without_a_server_gets_its_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the server of another one, even on the port that is the default."""
    other = tmp_path / "other"
    words = ("run", "hello", "--agents", str(server.agents), "--state", str(other))
    with swept(other):
        done = praisonrun(tmp_path, *words)
    assert (done.returncode, done.stdout) == (0, "got hello\n"), done.stderr
    assert f"started a server at http://127.0.0.1:{server.port}," not in done.stderr
    assert (other / "praisonrun.db").exists()
    monkeypatch.setattr(background, "RIVAL_SECONDS", 0.1)
    assert cli.main(no_server, [*words, "--port", str(server.port)]) == 125
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), "address already in use" in err) == ("", 1, True)
    for line, code in {"webhooks list": 2, "run x --no-server": 125}.items():
        assert cli.main(no_server, [*line.split(), "--port", str(server.port), "--state", str(other)]) == code
        start = f"start one: praisonrun serve --state {other}"
        assert capsys.readouterr().err == f"praisonrun: no server runs on {other}; {start}\n"
    with server.client() as client:
        assert client.get("/api/v1/runs").json()["total"] == 0


def test_another_machine_is_named_and_known_by_its_token(tmp_path: Path, agents_file: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    with Server(tmp_path, agents_file, "--token-file", str(token)) as server:
        server.start()
        elsewhere = ("--url", server.url, "--state", str(tmp_path / "none"))
        done = praisonrun(tmp_path, "run", "hello", *elsewhere, "--token-file", str(token))
        assert (done.returncode, done.stdout) == (0, "got hello\n"), done.stderr
        assert (
            praisonrun(tmp_path, "webhooks", "list", *elsewhere, PRAISONRUN_TOKEN_FILE=str(token)).returncode
            == 0
        )
        for words, says_why in {
            ("run", "x", *elsewhere): "--url needs --token-file",
            ("run", "x", "--url", "ftp://x", "--token-file", str(token)): "must be an http or https URL",
            ("stop", *elsewhere): "only a server of this machine",
        }.items():
            done = praisonrun(tmp_path, *words)
            assert (done.returncode, done.stderr.count("\n")) == (125 if words[0] == "run" else 2, 1)
            assert says_why in done.stderr
        assert not (tmp_path / "none").exists()


def test_a_stopped_server_is_one_line(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        assert cli.main(no_server, ["run", "x", "--state", str(server.state)]) == 125
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert "does not answer within" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["open to others", "a link", "a FIFO", "of another pid"])
def test_a_file_that_is_not_provably_the_holders_is_none(kind: str, tmp_path: Path) -> None:
    with held(tmp_path, 1):
        path = tmp_path / FILE
        found = discovery.find(tmp_path, discovery.holder(tmp_path))
        assert found is not None
        if kind == "open to others":
            path.chmod(0o640)
        elif kind == "a link":
            path.rename(tmp_path / "real")
            path.symlink_to("real")
        elif kind == "a FIFO":
            path.unlink()
            os.mkfifo(path)
        else:
            path.write_text(json.dumps({**asdict(found), "pid": 1}))
        assert discovery.find(tmp_path, discovery.holder(tmp_path)) is None
        done = praisonrun(tmp_path, "run", "x", "--no-server", "--state", str(tmp_path))
        assert "has no server.json yet" in done.stderr


@pytest.mark.parametrize("kind", ["a FIFO", "a link"])
def test_an_odd_lock_is_one_line_at_once(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind == "a FIFO":
        os.mkfifo(tmp_path / LOCK)
    else:
        (tmp_path / LOCK).symlink_to("/dev/zero")
    assert cli.main(no_server, ["stop", "--state", str(tmp_path)]) == 2
    assert "choose another with --state DIR" in capsys.readouterr().err


def test_a_new_client_says_once_that_versions_differ(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proof, "__version__", "9.9.9")
    with Client(Target(server.url, state=server.state)) as client:
        client.live()
        server.stop()
        server.start()
        client.live()
    assert capsys.readouterr().err == f"the server is praisonrun {__version__}, this is 9.9.9\n"


def test_httpx_still_tells_of_a_new_connection_before_it_sends() -> None:
    """The proof hangs on this event: without it a request would leave unproved."""
    seen: list[str] = []

    def note(event: str, _info: object) -> None:
        seen.append(event)

    with closing(Stranger(says(http(b"{}")))) as stranger, httpx2.Client(trust_env=False) as client:
        client.get(
            f"http://127.0.0.1:{stranger.port}/", extensions={"trace": lambda name, _: seen.append(name)}
        )
    assert seen.index("connection.connect_tcp.complete") < seen.index("http11.send_request_headers.started")
