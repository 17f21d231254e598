"""Canaries: what is secret is found nowhere but where its owner put it. And what we keep is ours alone."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from praisonrun.app import application
from praisonrun.config import settings as config
from praisonrun.engine.engine import Engine
from praisonrun.store.directory import DATABASE

from .rigs.harness import Server
from .rigs.wire_rig import RUNS, table
from .web.test_token import TOKEN

pytestmark = pytest.mark.scorecard(29)

LITERAL, GIVEN, AGAIN, PASSED = (
    f"canary-{name}-7f3a91c2" for name in ("literal", "given", "again", "passed")
)
WEBHOOK = "Y2FuYXJ5LXdlYmhvb2stN2YzYTkxYzItMDEyMzQ1Njc="
CANARIES = (LITERAL, GIVEN, AGAIN, PASSED, TOKEN, WEBHOOK)
AGENTS = f"""
env: {{TOP: {LITERAL}}}
env_pass: [HANDED_ON]
agents:
  quiet: {{command: ["{{python}}", -c, "import os; print(len(os.environ['SECRET'] + os.environ['MINE']))"], env_required: [SECRET], env: {{MINE: {LITERAL}}}, prompt: none}}
  holds: {{command: ["{{python}}", -uc, "import signal; print('up'); signal.pause()"], env: {{MINE: {LITERAL}}}, prompt: none}}
  fails: {{command: ["{{python}}", -c, "raise SystemExit(3)"], env: {{MINE: {LITERAL}}}, prompt: none, retries: 1, backoff: 0.01}}
  lost:  {{command: ["/no/such/program"], env: {{MINE: {LITERAL}}}}}
  makes: {{command: [/bin/sh, -c, 'echo a > "$PRAISONRUN_ARTIFACTS/a"; mkdir "$PRAISONRUN_SCRATCH/d"; echo b > "$PRAISONRUN_SCRATCH/d/b"; echo "{{}}" > "$PRAISONRUN_RESULT_PATH"; exit 1'], prompt: none, retain: {{on_failure: true}}}}
"""  # noqa: E501


@dataclass
class House:
    """A server with secrets of every kind, and everything that it has said."""

    server: Server
    heard: list[bytes] = field(default_factory=list)

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        with self.server.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            answer = client.request(method, path, **more)
        self.heard += [answer.content, repr(answer.headers.multi_items()).encode()]
        return answer

    def submit(self, agent: str, **more: Any) -> str:
        answer = self.ask("POST", RUNS, json={"agent": agent, "prompt": "x", **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def ended(self, run_id: str) -> str:
        self.ask("GET", f"{RUNS}/{run_id}/stream")
        return str(self.ask("GET", f"{RUNS}/{run_id}").json()["status"])


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setenv("HANDED_ON", PASSED)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents.yaml").write_text(AGENTS)
    for name, secret in (("token", TOKEN), ("webhook", f"whsec_{WEBHOOK}")):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(0o600)
    flags = ["--token-file", str(tmp_path / "token"), "--allow-inline-agents"]
    if "webhook_secret_file" in config.Settings.__dataclass_fields__:
        flags += ["--webhook-secret-file", str(tmp_path / "webhook")]
    with Server(tmp_path, tmp_path / "agents.yaml", *flags) as server:
        server.start()
        yield House(server)


def busy(house: House) -> str:
    """Let happen all that can happen to secrets; return the id of a run that is live."""
    quiet = house.submit("quiet", envs={"SECRET": GIVEN}, webhook_url="http://127.0.0.1:9/hook")
    assert house.ended(quiet) == "succeeded"
    assert house.ask("GET", f"{RUNS}/{quiet}/logs").text == f"{len(GIVEN + LITERAL)}\n"
    again = house.ask("POST", f"{RUNS}/{quiet}/retry", json={"envs": {"SECRET": AGAIN}})
    assert house.ended(again.json()["job_id"]) == "succeeded"
    assert house.ended(house.submit("fails", envs={"SECRET": GIVEN})) == "failed"
    assert house.ended(house.submit("makes", envs={"SECRET": GIVEN})) == "failed"
    live = house.submit("holds", envs={"SECRET": GIVEN})
    refused: list[dict[str, Any]] = [
        {"agent": "lost", "envs": {"SECRET": GIVEN}},
        {"agent": "quiet", "envs": {"OTHER": GIVEN}},
        {"agent": "quiet", "envs": {"BAD=": GIVEN}},
        {"agent": "quiet", "envs": {"SECRET": [GIVEN]}},
        {"agent": "quiet", "envs": {"SECRET": GIVEN + "\0"}},
        {"agent": "quiet", "envs": [GIVEN]},
        {"agent_yaml": f"agents: {{x: {{command: [x], env: {{A: {LITERAL}}}}}}}"},
        {"agent_yaml": f"env: {{A: {LITERAL}}}\nagents: {{x: {{command: [x]}}}}"},
        {"agent_yaml": f"agents: {{x: {{command: [x], env: [{LITERAL}]}}}}"},
    ]
    for body in refused:
        answer = house.ask("POST", RUNS, json={"prompt": "x", **body})
        assert answer.status_code in (400, 422), (body, answer.text)
    house.ask("POST", f"{RUNS}/{quiet}/retry", json={"envs": {}})
    return live


def test_secrets_are_found_nowhere(house: House, figure: Callable[[str], None]) -> None:
    live = busy(house)
    crash(house)
    lines = list(processes())
    assert [(canary, line) for canary in CANARIES for line in lines if canary.encode() in line] == []
    written = files(house)
    assert any(name.endswith("praisonrun.db-wal") for name in written)
    house.ask("POST", f"{RUNS}/{live}/cancel")
    for operation in table():
        if operation.method == "GET":
            path = operation.path.replace("{run_id}", live).replace("{path:path}", "a")
            house.ask("GET", path, params={"after": 0}, headers={"Accept": "application/json"})
    house.server.stop()
    kept = files(house)
    said = "".join(house.server.said).encode()
    assert any(name.endswith("praisonrun.db") for name in kept)
    assert b"Traceback" in said  # the crash was told
    for canary in map(str.encode, CANARIES):
        assert [name for name, data in [*written.items(), *kept.items()] if canary in data] == []
        assert [data for data in house.heard if canary in data] == []
        assert canary not in said
    figure(
        f"{len(CANARIES)} canaries: 0 in {len(written)} files of a live server (-wal too), {len(kept)} of a "
        f"stopped one, {len(house.heard)} answers and heads, its log with a crash, {len(lines)} command lines"
    )


def files(house: House) -> dict[str, bytes]:
    """Return every file of the state directory."""
    return {str(file): file.read_bytes() for file in house.server.state.rglob("*") if file.is_file()}


def crash(house: House) -> None:
    """Make the server meet what it never expects: a row that is no row of its own."""
    run_id = house.submit("quiet", envs={"SECRET": GIVEN})
    house.ended(run_id)
    with closing(sqlite3.connect(house.server.state / DATABASE)) as db, db:
        db.execute("UPDATE runs SET summary = '{\"progress\": [1]}' WHERE id = ?", (run_id,))
    answer = house.ask("GET", f"{RUNS}/{run_id}")
    assert answer.status_code == 500, answer.text
    assert answer.json()["detail"] == "internal error; the server's log has the trace"
    assert str(house.server.state) not in answer.text
    with closing(sqlite3.connect(house.server.state / DATABASE)) as db, db:
        db.execute("UPDATE runs SET summary = NULL WHERE id = ?", (run_id,))


def processes() -> Iterator[bytes]:
    """Yield the command line of every process, as `ps` shows it."""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield process.read_bytes()
        except OSError:
            continue


def test_what_is_kept_is_ours_alone(house: House, figure: Callable[[str], None]) -> None:
    live = busy(house)
    seen = set()
    paths = [house.server.state, *house.server.state.rglob("*")]
    for path in paths:
        mode = path.lstat().st_mode
        if path.is_symlink():  # to the scratch directory of a live run
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            continue
        kind = "d" if stat.S_ISDIR(mode) else "f" if stat.S_ISREG(mode) else "other"
        seen.add(kind)
        wanted = {"d": (0o700,), "f": (0o600,), "other": (0o600, 0o700)}[kind]
        if not {"artifacts", "scratch"} & {above.name for above in path.parents}:
            assert stat.S_IMODE(mode) in wanted, (path, oct(mode))
        # What an agent writes there has modes of its own, behind a directory that is ours alone.
        assert path.lstat().st_uid == os.geteuid()
    assert {"d", "f"} <= seen
    figure(f"modes of {len(paths)} files and directories: all 0600 or 0700, and ours")
    house.ask("POST", f"{RUNS}/{live}/cancel")


@pytest.mark.anyio
async def test_a_bug_while_secrets_are_at_hand_tells_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(engine, "submit", broken)
    app = application(engine, config.Settings(state=tmp_path, agents=None, token=TOKEN, port=8005))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://127.0.0.1:8005"
    ) as client:
        with caplog.at_level(logging.DEBUG), anyio.fail_after(10):
            answer = await client.post(
                RUNS,
                json={"prompt": "x", "envs": {"SECRET": GIVEN}},
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
    assert answer.status_code == 500
    assert answer.headers["x-content-type-options"] == "nosniff"
    for said in (answer.text, caplog.text):
        assert not any(canary in said for canary in CANARIES)
        assert "boom" not in answer.text
