"""The access token: asked of everybody on every route, compared without a hint, kept out of sight."""

from __future__ import annotations

import hmac
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from praisonrun.config import private_file
from praisonrun.config.settings import Settings
from praisonrun.core.errors import ConfigError
from praisonrun.web.edge import Access, Edge
from praisonrun.web.head import Token

from ..rigs.harness import AGENTS, Server
from .test_edge import OWN, PAGE, app, ask
from .test_matrix import ROUTES

TOKEN = "correct-horse-battery-staple"
WRONG = {
    "none": None,
    "empty": "",
    "the scheme alone": "Bearer",
    "another": "Bearer wrong-horse-battery-staple",
    "a part": f"Bearer {TOKEN[:-1]}",
    "more": f"Bearer {TOKEN}x",
    "other letters": f"Bearer {TOKEN.upper()}",
    "another scheme": f"Basic {TOKEN}",
    "no scheme": TOKEN,
    "twice": f"Bearer {TOKEN} {TOKEN}",
    "a list": f"Bearer {TOKEN}, Bearer {TOKEN}",
}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("guarded")
    (home / "agents.yaml").write_text(AGENTS)
    (home / "token").write_text(TOKEN + "\n")
    (home / "token").chmod(0o600)
    with Server(home, home / "agents.yaml", "--token-file", str(home / "token")) as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def run_id(guarded: Server) -> str:
    with guarded.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        answer = client.post("/api/v1/runs", json={"agent": "quick", "prompt": "x"})
        client.get(answer.json()["stream_url"])
    return str(answer.json()["job_id"])


@pytest.mark.scorecard(26)
@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
def test_every_route_wants_it(guarded: Server, run_id: str, method: str, path: str) -> None:
    target = path.replace("{run_id}", run_id).replace("{path:path}", "x")
    answers = set()
    with guarded.client() as client:
        for given in WRONG.values():
            headers = {} if given is None else {"Authorization": given}
            body = {"prompt": "x", "agent": "quick"} if method == "POST" else None
            answer = client.request(method, target, headers=headers, json=body)
            text = re.sub(r"req_\w+", "", answer.text)  # an id of its own
            answers.add((answer.status_code, answer.headers.get("www-authenticate"), text))
    if path in ("/healthz", "/") and method in ("GET", "HEAD"):
        assert {status for status, _, _ in answers} == {200}
    else:
        assert len(answers) == 1  # nothing tells a wrong one from none
        assert {(status, asked) for status, asked, _ in answers} == {(401, "Bearer")}


def test_nothing_happened_and_the_right_one_opens(guarded: Server, run_id: str) -> None:
    for scheme in ("Bearer", "bearer", "BEARER "):
        with guarded.client(headers={"Authorization": f"{scheme} {TOKEN}"}) as client:
            jobs = client.get("/api/v1/runs").json()
            assert [job["job_id"] for job in jobs["jobs"]] == [run_id]
            assert client.get("/openapi.json").status_code == 200
            assert client.get("/api/v1/info").json()["features"]["token"] is True


def test_without_one_authorization_means_nothing(server: Server) -> None:
    with server.client(headers={"Authorization": "Bearer whatever"}) as client:
        assert client.get("/api/v1/info").json()["features"]["token"] is False


@pytest.mark.anyio
async def test_a_page_s_preflight_carries_none_and_learns_nothing() -> None:
    guarded = Edge(app, port=8005, access=Access(origins=[PAGE.decode()], token=TOKEN))
    page = [*OWN, (b"origin", PAGE)]
    wish = (b"access-control-request-method", b"GET")
    assert (await ask(guarded, [*page, wish], "OPTIONS"))[0] == 204
    for headers, method in ((page, "GET"), ([*OWN, wish], "OPTIONS"), ([*page, wish], "GET")):
        status, answered, _ = await ask(guarded, headers, method)
        assert (status, answered[b"www-authenticate"]) == (401, b"Bearer")
    bearer = (b"authorization", f"Bearer {TOKEN}".encode())
    assert (await ask(guarded, [*page, bearer]))[0] == 200
    assert (await ask(guarded, [(b"host", b"evil.test:8005"), bearer]))[
        0
    ] == 421  # strangers hear of no token
    assert (await ask(guarded, [*OWN, (b"content-length", b"99999999")], "POST"))[0] == 401  # before its body


@pytest.mark.parametrize(
    "given", [given for given in WRONG.values() if given is not None] + ["Bearer " + "x" * 9999]
)
def test_every_wrong_token_is_compared_by_compare_digest(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    compared: list[tuple[int, int]] = []

    def seen(one: bytes, two: bytes) -> bool:
        compared.append((len(one), len(two)))
        return hmac.compare_digest(one, two)

    monkeypatch.setattr("praisonrun.web.head.compare_digest", seen)
    assert not Token(TOKEN).admits(given.encode())
    assert compared == [(32, 32)]  # digests: whatever the length of the token that was given


@pytest.mark.parametrize("same", [True, False])
def test_that_comparison_alone_decides(monkeypatch: pytest.MonkeyPatch, same: bool) -> None:
    token = Token(TOKEN)
    monkeypatch.setattr("praisonrun.web.head.compare_digest", lambda _one, _two: same)
    assert token.admits(f"Bearer {TOKEN}".encode()) is same
    assert token.admits(b"Bearer another") is same
    assert not hasattr(token, "__dict__")  # the token itself is nowhere


FILES = [
    ("tiny", 0o600, "shorter than 16 characters"),
    ("", 0o600, "shorter than 16"),
    (f"{TOKEN}\nsecond line", 0o600, "one line"),
    (f"{TOKEN} {TOKEN}", 0o600, "without spaces"),
    ("k" * 5000, 0o600, "larger than 4096"),
    (TOKEN, 0o640, "chmod 600"),
    (TOKEN, 0o604, "chmod 600"),
]


@pytest.mark.parametrize(("text", "mode", "words"), FILES)
def test_a_token_file_is_private_and_holds_a_token(tmp_path: Path, text: str, mode: int, words: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(ConfigError, match=words) as refused:
        Settings(token_file=file)
    assert not text or text not in str(refused.value)


def test_odd_token_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name, words in (("fifo", "not a regular file"), (".", "not a regular file"), ("no", "no such file")):
        with pytest.raises(ConfigError, match=words):
            private_file.read(tmp_path / name, "--token-file")


def test_a_token_opens_the_network_and_stays_out_of_sight(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"  {TOKEN}\r\n")
    file.chmod(0o400)
    settings = Settings(host="0.0.0.0", token_file=file, token="another-token-of-the-environment")
    assert (settings.token, settings.local, settings.hosts) == (TOKEN, False, ())
    assert TOKEN not in repr(settings)
    assert Settings(host="fe80::1", token=TOKEN).hosts == ("[fe80::1]",)
    with pytest.raises(ConfigError, match="set a token with --token-file"):
        Settings(host="0.0.0.0")


def test_the_server_refuses_the_network_without_one(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "praisonrun",
        "serve",
        "--host",
        "0.0.0.0",
        "--state",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "set a token with --token-file" in done.stderr
    assert not (tmp_path / "s").exists()


def test_a_server_of_the_network_serves_its_names_to_who_knows_it(tmp_path: Path, agents_file: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    flags = ("--host", "0.0.0.0", "--allow-host", "box.lan", "--token-file", str(tmp_path / "token"))
    with Server(tmp_path, agents_file, *flags) as server:
        server.start()
        with server.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            for host, status in (
                ("box.lan", 200),
                (f"box.lan:{server.port}", 200),
                (f"0.0.0.0:{server.port}", 421),
            ):
                assert client.get("/stats", headers={"Host": host}).status_code == status
