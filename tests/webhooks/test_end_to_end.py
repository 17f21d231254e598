"""Webhooks of a real server: every end, every try, across kill -9; what they say and what they do not."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import queue
import random
import re
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from praisonrun.config.settings import PORT
from praisonrun.core.clock import iso, now
from praisonrun.core.delivery import Delivery, Reach
from praisonrun.core.errors import Invalid
from praisonrun.core.json import dumps
from praisonrun.core.model import Run, Snapshot, Status
from praisonrun.dialects.jobs.webhooks import RESULT_LIMIT, body
from praisonrun.engine.engine import Engine
from praisonrun.files.run_files import RunFiles
from praisonrun.journal.results import Result
from praisonrun.web.head import FORWARDED, caller
from praisonrun.webhooks import Signer

from ..proof.world import seed
from ..rigs import zoo
from ..rigs.harness import Server, code_of, ran, submit
from ..rigs.places import ROOT
from ..rigs.wire_rig import Api
from ..rigs.zoo import Got, Receiver

Json = Any
KEYS = {"job_id", "status", "result", "error", "completed_at", "duration_seconds", "type", "timestamp"}
"""The contract's."""
SECRET = "whsec_" + base64.b64encode(b"c4n4ry-of-the-webhook-secret-1!!").decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(zoo.answer(200, "", b"thanks")) as made:
        yield made


def told(receiver: Receiver) -> tuple[Got, Json]:
    """Wait for the next webhook and return it and what it says."""
    got = receiver.next()
    assert got.headers["content-type"] == "application/json"
    said = json.loads(got.body)
    assert KEYS <= said.keys() <= KEYS | {"failure", "error_tail", "result_url"}
    assert ("failure" in said) == (said["status"] == "failed")
    assert said["type"] == f"run.{said['status']}"
    return got, said


def settled(api: Api, run_id: str, state: str = "delivered", attempts: int = 0) -> Json:
    """Return a run's one delivery once it is in a state: a recorded attempt rings no bell outside."""
    deadline = time.monotonic() + zoo.PATIENCE
    while True:
        [delivery] = api.get(f"/api/v1/runs/{run_id}/deliveries").json()["deliveries"]
        if delivery["state"] == state and len(delivery["attempts"]) >= attempts:
            return delivery
        assert time.monotonic() < deadline, delivery


def test_every_end_is_told(shared: Server, api: Api, receiver: Receiver, tmp_path: Path) -> None:
    url, gate = receiver.url, tmp_path / "gate"
    ends: dict[str, tuple[str, str | None]] = {}
    ends[api.submit("echo", "hi", webhook_url=url)] = ("succeeded", None)
    ends[api.submit("fail", webhook_url=url)] = ("failed", "exit_nonzero")
    ends[api.submit("short", webhook_url=url)] = ("failed", "timed_out")
    ends[api.submit("story", webhook_url=url)] = ("succeeded", None)

    running = api.submit("wait", webhook_url=url)
    api.until(running, "up")
    api.post(f"/api/v1/runs/{running}/cancel")
    ends[running] = ("cancelled", None)

    held = api.submit("one", str(gate))
    queued = api.submit("one", webhook_url=url)
    assert api.status(queued)["status"] == "queued"
    api.post(f"/api/v1/runs/{queued}/cancel")
    ends[queued] = ("cancelled", None)
    gate.touch()
    api.ended(held)

    lost = api.submit("wait", webhook_url=url)
    api.until(lost, "up")
    os.kill(RunFiles(shared.state).tail(lost).started["shim"], signal.SIGKILL)
    ends[lost] = ("failed", "lost")

    seen: dict[str, Json] = {}
    for _ in ends:
        got, said = told(receiver)
        assert "webhook-signature" not in got.headers
        seen[said["job_id"]] = said
    assert {run_id: (said["status"], said.get("failure")) for run_id, said in seen.items()} == ends
    for run_id, said in seen.items():
        result = api.result(run_id)
        both = KEYS - {"type", "timestamp"}
        assert {key: said[key] for key in both} == {key: result[key] for key in both}
        assert said["timestamp"] == said["completed_at"]
        delivery = settled(api, run_id)
        [attempt] = delivery["attempts"]
        assert (attempt["status"], attempt["error"], attempt["reply"]) == (200, None, "thanks")
        assert (delivery["url"], delivery["next_attempt_at"]) == (url, None)
    assert api.get(f"/api/v1/runs/{held}/deliveries").json() == {"deliveries": []}
    assert len(receiver.got) == len(ends)


async def test_a_run_that_cannot_be_started_any_more_is_told_too(engines: Any, receiver: Receiver) -> None:
    """The envs of a submit do not outlive the server that took it."""
    hook = {"webhook_url": receiver.url, "webhook_reach": Reach.LOOPBACK}
    async with engines(concurrency=1) as engine:
        held = await submit(engine, "wait")
        await submit(engine, "needy", envs={"SECRET": "1"}, **hook)
    async with engines(concurrency=1) as engine:
        await engine.cancel(held)
        _, said = await asyncio.to_thread(told, receiver)
        assert (said["status"], said["failure"], said["duration_seconds"] is not None) == (
            "failed",
            "env_lost",
            True,
        )


async def test_who_may_be_told_is_checked_behind_every_dialect(engine: Engine) -> None:
    shown = await ran(engine, "echo", webhook_url="http://none.invalid/", webhook_reach=Reach.LOOPBACK)
    assert shown.run.status is Status.SUCCEEDED  # a name that nobody knows keeps nobody from submitting
    with pytest.raises(Invalid, match="its caller is public"):  # a dialect that forgot to say who asks
        await submit(engine, "echo", webhook_url="http://127.0.0.1:9/")
    own = f"http://127.0.0.1:{PORT}/"
    with pytest.raises(Invalid, match="this server itself"):
        await submit(engine, "echo", webhook_url=own, webhook_reach=Reach.LOOPBACK)


@pytest.mark.scorecard(27)
@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "http://u:p@127.0.0.1/",
        "http://127.0.0.1/#f",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://169.254.169.254/",
        "http://metadata.google.internal/",
        "http://127.0.0.1:{port}/api/v1/runs",
        "http://localhost:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
    ],
)
def test_what_is_refused_at_submit(shared: Server, api: Api, url: str) -> None:
    asked = {"agent": "echo", "prompt": "x", "webhook_url": url.format(port=shared.port)}
    answer = api.post("/api/v1/runs", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["webhook_url"]
    assert "u:p" not in answer.text


@pytest.mark.scorecard(27)
def test_a_proxy_s_client_may_not_use_receivers_of_this_machine(api: Api, receiver: Receiver) -> None:
    asked = {"agent": "echo", "prompt": "x", "webhook_url": receiver.url}
    for name in FORWARDED:
        assert api.post("/api/v1/runs", json=asked, headers={name.decode(): "127.0.0.1"}).status_code == 422


def test_how_far_away_a_caller_is() -> None:
    from starlette.requests import Request

    def asked(host: str | None) -> Reach:
        client = None if host is None else (host, 1)
        return caller(Request({"type": "http", "headers": [], "client": client}))

    assert [asked(host) for host in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == [Reach.LOOPBACK] * 3
    assert [asked(host) for host in ("192.168.1.2", "fd00::1", "100.64.0.1", "fe80::1")] == [
        Reach.PRIVATE
    ] * 4
    assert [asked(host) for host in ("93.184.216.34", None, "", "testclient")] == [Reach.PUBLIC] * 4


def test_a_retried_run_owes_a_webhook_of_its_own(api: Api, receiver: Receiver) -> None:
    run_id = api.submit("echo", webhook_url=receiver.url)
    first, _ = told(receiver)
    api.ended(run_id)
    api.post(f"/api/v1/runs/{run_id}/retry", json={})
    second, said = told(receiver)
    assert said["job_id"] != run_id
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


def test_a_deleted_run_owes_nothing(api: Api) -> None:
    with zoo.Closed() as closed:
        before = api.get("/api/v1/deliveries").json()["total"]
        run_id = api.submit("quick", webhook_url=closed.url)
        api.ended(run_id)
        assert settled(api, run_id, "pending")["attempts"] is not None
        assert api.delete(f"/api/v1/runs/{run_id}").status_code == 204
    assert api.get(f"/api/v1/runs/{run_id}/deliveries").status_code == 404
    assert api.get("/api/v1/deliveries").json()["total"] == before


def test_dead_letters_over_http_and_on_the_command_line(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAISONRUN_STATE", str(server.state))

    def command(*words: str) -> tuple[int, str]:
        return code_of("webhooks", *words), "".join(capsys.readouterr())

    with Receiver(zoo.answer(410, times=3)) as gone, Api(server.url) as api:
        runs = [api.submit("quick", webhook_url=gone.url + "\u2028") for _ in range(3)]
        for run_id in runs:
            api.ended(run_id)
            dead = settled(api, run_id, "dead")
            assert [attempt["error"] for attempt in dead["attempts"]] == ["answered 410"]
            assert dead["next_attempt_at"] is None
        page = api.get("/api/v1/deliveries?state=dead&page_size=2").json()
        assert (page["total"], len(page["deliveries"])) == (3, 2)
        assert api.get("/api/v1/deliveries?state=delivered").json()["deliveries"] == []
        assert api.get("/api/v1/deliveries?state=lost").status_code == 422
        _, listed = command("list", "--dead")
        assert all(f"{run_id[-6:]}  dead   1      answered 410  " in listed for run_id in runs)
        assert listed.endswith("3 webhooks\n")
        assert "\u2028" not in listed

        objects = [json.loads(line) for line in command("list", "--json")[1].split("\n")[:-1]]
        assert {each["job_id"] for each in objects} == set(runs)
        assert command("replay", runs[0][-6:]) == (0, "1 webhook will be sent again\n")
        assert len(settled(api, runs[0])["attempts"]) == 2
        path = f"/api/v1/runs/{runs[1]}/deliveries/{settled(api, runs[1], 'dead')['id']}/replay"
        assert api.post(path.replace(runs[1], runs[0])).status_code == 404
        assert api.post(path).json() == {"replayed": 1}
        assert settled(api, runs[1])["delivered_at"] is not None
        assert command("replay", "--all") == (0, "1 webhook will be sent again\n")
        settled(api, runs[2])
        assert api.post("/api/v1/deliveries/replay", json={}).json() == {"replayed": 0}
        ids = [got.headers["webhook-id"] for got in gone.got]
        assert (len(ids), len(set(ids))) == (6, 3)
        assert command("list")[1].count("delivered") == 3
        code, said = command("replay")
        assert (code, "name a run" in said) == (2, True)
        assert "the newest are" in command("replay", "run_none")[1]


# --- kill -9 --------------------------------------------------------------------------------------


@pytest.mark.scorecard(5)
def test_a_kill_between_the_answer_and_the_record_repeats_the_same_webhook(server: Server) -> None:
    def kills(receiver: Receiver, connection: socket.socket, got: Got) -> None:
        if len(receiver.got) == 1:
            server.kill()
            killed.set()
        zoo.answer()(receiver, connection, got)

    killed = threading.Event()
    with Receiver(kills) as receiver:
        with Api(server.url) as api:
            run_id = api.submit("echo", "once", webhook_url=receiver.url)
        first = receiver.next()
        assert killed.wait(zoo.PATIENCE)
        server.start()
        second = receiver.next()
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        with Api(server.url) as api:
            assert len(settled(api, run_id)["attempts"]) == 1


def test_a_stop_waits_for_no_receiver_and_repeats_what_it_broke_off(server: Server) -> None:
    def hangs_once(receiver: Receiver, connection: socket.socket, got: Got) -> None:
        (zoo.hang if len(receiver.got) == 1 else zoo.answer())(receiver, connection, got)

    with Receiver(hangs_once) as receiver:
        with Api(server.url) as api:
            api.submit("echo", webhook_url=receiver.url)
        first = receiver.next()
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 10  # not the 20 s of an attempt
        server.start()
        assert receiver.next().headers["webhook-id"] == first.headers["webhook-id"]


@pytest.mark.scorecard(4)
def test_a_kill_before_the_end_loses_no_webhook(server: Server, receiver: Receiver, tmp_path: Path) -> None:
    with Api(server.url) as api:
        run_id = api.submit("until", str(tmp_path / "gate"), webhook_url=receiver.url)
        api.until(run_id, "up")
    server.kill()
    (tmp_path / "gate").touch()
    server.start()
    assert told(receiver)[1]["status"] == "succeeded"


def loop(server: Server, kills: int) -> tuple[int, int]:
    """Kill the server at random moments of its deliveries; return how many runs were told, and repeats."""
    chance, ids = random.Random(f"{seed()} webhooks"), defaultdict[str, set[str]](set)
    with Receiver(zoo.answer()) as good, Receiver(zoo.answer(500)) as bad:
        runs: dict[str, Receiver] = {}
        for _ in range(kills):
            with Api(server.url) as api:
                for _ in range(chance.randint(1, 6)):
                    receiver = chance.choice([good, good, good, bad])
                    runs[api.submit("quick", webhook_url=receiver.url)] = receiver
            with suppress(queue.Empty):  # a moment that is over sooner when something arrives
                good.news.get(timeout=chance.random() * 0.1)
            server.kill()
            server.start()
        with Api(server.url) as api:
            for run_id, receiver in runs.items():
                api.ended(run_id)
                settled(api, run_id, "delivered" if receiver is good else "pending", 1)
        for got in [*good.got, *bad.got]:
            ids[json.loads(got.body)["job_id"]].add(got.headers["webhook-id"])
        assert ids.keys() == runs.keys()
        assert all(len(of_run) == 1 for of_run in ids.values())
        return len(runs), len(good.got) - sum(receiver is good for receiver in runs.values())


@pytest.mark.scorecard(4, 5)
def test_every_run_is_told_across_kills(server: Server) -> None:
    loop(server, 4)


@pytest.mark.scorecard(4, 5)
@pytest.mark.proof
@pytest.mark.timeout(1800)
def test_every_run_is_told_across_many_kills(server: Server, figure: Callable[[str], None]) -> None:
    runs, repeats = loop(server, 200)
    figure(
        f"webhooks: 200 kills, {runs} runs, 0 never told; "
        f"{repeats} told twice, 0 of them under another webhook-id"
    )


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.scorecard(29)
def test_the_secret_signs_and_is_nowhere(unstarted: Server, tmp_path: Path) -> None:
    file = tmp_path / "outside" / "secret"
    file.parent.mkdir()
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    unstarted.start("--webhook-secret-file", str(file))
    kept = SECRET.removeprefix("whsec_").encode(), base64.b64decode(SECRET.removeprefix("whsec_"))
    with Receiver(zoo.answer(500, times=2)) as receiver, Api(unstarted.url) as api:
        run_id = api.submit("env", webhook_url=receiver.url + "?token=c4n4ry-of-the-url")
        got, said = told(receiver)
        assert Webhook(SECRET).verify(got.body, got.headers) == said
        seen = [
            api.get(path).content
            for path in ("/health", "/stats", "/openapi.json", f"/api/v1/runs/{run_id}", "/api/v1/deliveries")
        ] + [api.get(f"/api/v1/runs/{run_id}/logs").content, got.body]
        assert unstarted.process is not None
        process = psutil.Process(unstarted.process.pid)
        seen += [" ".join(one.cmdline()).encode() for one in (process, *process.children(recursive=True))]
        seen += [str(process.environ()).encode()]
    unstarted.stop()
    seen += ["".join(unstarted.said).encode()]
    seen += [found.read_bytes() for found in unstarted.state.rglob("*") if found.is_file()]
    assert not any(secret in text for text in seen for secret in kept)
    assert "c4n4ry-of-the-url" not in "".join(unstarted.said)
    file.chmod(0o644)
    with pytest.raises(AssertionError, match=r"--webhook-secret-file .*chmod 600") as refused:
        unstarted.start("--webhook-secret-file", str(file))
    assert SECRET not in str(refused.value)


def test_the_verifier_in_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("webhook.secret").write_text(SECRET + "\n")
    Path("webhook.secret").chmod(0o600)
    text = (ROOT / "docs" / "api.md").read_text()
    [snippet] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    body = b'{"job_id": "run_1"}'
    headers = Signer.read(Path("webhook.secret")).headers("msg_1", now(), body)
    assert names["received"](headers, body) == {"job_id": "run_1"}
    with pytest.raises(WebhookVerificationError):
        names["received"](headers, body + b" ")


# --- what it says ---------------------------------------------------------------------------------


def said_of(value: Json, *, complete: bool = True, **changes: Any) -> dict[str, Json]:
    run = Run(
        "run_1", "a", "v", 1, 9, 1, Status.SUCCEEDED, started_at=2_000_000, finished_at=9_500_000, **changes
    )
    delivery = Delivery("msg_1", "run_1", "http://a/", "run.succeeded", 9_500_000, 9)
    return body(Snapshot(run), Result(value, complete), delivery, "http://127.0.0.1:8005")


def test_what_a_webhook_says_key_by_key() -> None:
    assert list(said_of("x").items()) == [
        ("job_id", "run_1"),
        ("status", "succeeded"),
        ("result", "x"),
        ("error", None),
        ("completed_at", iso(9_500_000)),
        ("duration_seconds", 7.5),
        ("type", "run.succeeded"),
        ("timestamp", iso(9_500_000)),
    ]


@pytest.mark.parametrize("char", ["x", "ü", "😀", "\x01", '"', "\udcff"])
def test_a_long_text_is_cut_in_the_middle_and_linked(char: str) -> None:
    whole = said_of(char * (RESULT_LIMIT // 8))
    assert "result_url" not in whole
    cut = said_of("first" + char * RESULT_LIMIT + "last")
    assert cut["result_url"] == "http://127.0.0.1:8005/api/v1/runs/run_1/result"
    assert cut["result"].startswith("first")
    assert cut["result"].endswith("last")
    assert "bytes omitted" in cut["result"]
    assert len(dumps(cut["result"])) <= RESULT_LIMIT
    assert len(dumps(cut)) < RESULT_LIMIT + 1024


def test_a_large_object_is_linked_and_not_cut() -> None:
    said = said_of({"rows": ["x" * 1000] * 300})
    assert (said["result"], said["result_url"]) == (None, "http://127.0.0.1:8005/api/v1/runs/run_1/result")
    assert said_of({"rows": [1]})["result"] == {"rows": [1]}
    assert said_of("part", complete=False)["result_url"].endswith("/logs?stream=stdout")


def test_a_large_result_over_the_wire(api: Api, receiver: Receiver) -> None:
    run_id = api.submit("count", "40000", webhook_url=receiver.url)
    _, said = told(receiver)
    assert len(said["result"]) < RESULT_LIMIT
    assert said["result"].startswith("line 0\n")
    assert said["result"].endswith("line 39999\n")
    whole = httpx2.get(said["result_url"]).json()["result"]
    assert whole == "".join(f"line {n}\n" for n in range(40000))
    assert said["job_id"] == run_id
