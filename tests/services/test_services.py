"""Services: ports, readiness, stop, restart, and a life beyond the server's. Real servers on real ports."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import anyio.lowlevel
import httpx2
import psutil
import pytest

from praisonrun.core import lifecycle
from praisonrun.core.agent import Readiness
from praisonrun.core.errors import NotFound, PortTaken, QueueFull, WrongMode, WrongState
from praisonrun.core.judge import judge
from praisonrun.core.model import (
    Condition,
    Exit,
    Failure,
    Mode,
    Outcome,
    Run,
    ServiceHealth,
    Snapshot,
    Status,
    Verdict,
)
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.services import ports
from praisonrun.services import readiness as services
from praisonrun.services.ports import Probe, free_port, probe

from ..rigs.harness import Json, Server, alive, pid_of, ran, submit
from ..rigs.nullspace_rig import BASE, Client
from ..rigs.places import PROGRAMS

SERVICE = f'"{{python}}", {PROGRAMS / "service.py"}'
AGENTS = f"""
default: run
agents:
  run:   {{command: [/bin/sh, -c, "echo up; exec sleep 60"], prompt: none}}
  true:  {{command: [/bin/true], prompt: none, files: false}}
  http:  {{mode: service, command: ["{{python}}", -u, -m, http.server, "{{port}}", --bind, 127.0.0.1], readiness: {{type: http, path: /}}}}
  asgi:
    mode: service
    command: ["{{python}}", -m, uvicorn, --app-dir, {PROGRAMS}, --port, "{{port}}", "asgi:app"]
    readiness: {{type: http, path: /}}
  own:   {{mode: service, command: [{SERVICE}], readiness: {{type: http, path: /}}, port: auto}}
  soon:  {{mode: service, command: [{SERVICE}], readiness: {{type: http, timeout_seconds: 0.5}}, port: auto}}
  dead:  {{mode: service, command: [/bin/sh, -c, "echo one; echo two >&2; exit 3"], port: auto}}
  timed: {{mode: service, command: [/bin/sh, -c, "exec sleep 60"], readiness: {{type: timeout, timeout_seconds: 0.1}}, public_url: false}}
  only:  {{mode: service, command: [/bin/sleep, "60"], readiness: {{type: timeout, timeout_seconds: 0.1}}, concurrency: 1}}
"""  # noqa: E501


@pytest.fixture
def agents_file(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "INTERVAL", 0.02)


@pytest.fixture
async def engine(
    engines: Callable[..., AbstractAsyncContextManager[Engine]],
) -> AsyncIterator[Engine]:
    async with engines(concurrency=1) as made:
        yield made
        await made.cancel_live()


async def start(engine: Engine, agent: str, **more: Json) -> str:
    """Start a service and return its id."""
    shown, _ = await engine.submit(Submit(Choice(agent), "", mode=Mode.SERVICE, **more))
    return shown.run.id


async def until(engine: Engine, run_id: str, good: Callable[[Snapshot], bool]) -> Snapshot:
    """Return a run once something is true of it: its bell is rung at every change."""
    with engine.viewers.watching(run_id):
        while True:
            bell = engine.bell(run_id)
            shown = await engine.get(run_id)
            if good(shown):
                return shown
            await bell.wait()


def at(condition: Condition) -> Callable[[Snapshot], bool]:
    return lambda shown: shown.health is not None and shown.health.condition is condition


READY, UNHEALTHY = at(Condition.READY), at(Condition.UNHEALTHY)


async def well(engine: Engine, tmp_path: Path, **more: Json) -> Snapshot:
    """Start a service that answers well, and return it once it is ready."""
    (tmp_path / "well").touch()
    return await until(engine, await start(engine, "own", **more), READY)


# Decisions


def test_how_looks_change_a_standing() -> None:
    good, bad = Probe(ok=True, status_code=200), Probe(ok=False, error="no")
    story = [
        # look, was ready, condition, failures in a row
        (bad, False, Condition.STARTING, 1),
        (bad, False, Condition.STARTING, 2),
        (bad, False, Condition.STARTING, 3),
        (good, False, Condition.READY, 0),
        (bad, True, Condition.READY, 1),
        (bad, True, Condition.READY, 2),
        (good, True, Condition.READY, 0),
        (bad, True, Condition.READY, 1),
        (bad, True, Condition.READY, 2),
        (bad, True, Condition.UNHEALTHY, 3),
        (bad, True, Condition.UNHEALTHY, 4),
        (good, True, Condition.READY, 0),
    ]
    health = ServiceHealth()
    for number, (found, was_ready, condition, failures) in enumerate(story, 1):
        health = services.seen(health, found, number, was_ready=was_ready)
        assert (health.condition, health.failures, health.attempts) == (condition, failures, number)
        assert (health.ok, health.error, health.checked_at) == (found.ok, found.error, number)


def service(**more: Json) -> Run:
    fields = {
        "status": Status.RUNNING,
        "mode": Mode.SERVICE,
        "attempt": 1,
        "started_at": 1,
        "boot": "b",
        **more,
    }
    return Run(id="run_x", agent="a", version="v", created_at=1, updated_at=1, due_at=1, **fields)


@pytest.mark.parametrize(
    ("row", "ended", "status", "failure"),
    [
        ({}, Exit(1, "exited", code=0), Status.FAILED, Failure.READINESS_FAILED),
        ({}, Exit(1, "cancelled", signal=15), Status.FAILED, Failure.READINESS_FAILED),
        ({}, Exit(1, "install_failed", code=1), Status.FAILED, Failure.INSTALL_FAILED),
        ({"ready_at": 2}, Exit(1, "exited", code=0), Status.FAILED, Failure.EXITED),
        ({"ready_at": 2}, Exit(1, "cancelled", signal=15), Status.FAILED, Failure.EXITED),
        ({"ready_at": 2}, Exit(1, "lost"), Status.FAILED, Failure.LOST),
        ({"ready_at": 2, "cancel_requested_at": 3}, Exit(1, "cancelled"), Status.CANCELLED, None),
        ({"ready_at": 2, "cancel_requested_at": 3}, Exit(1, "exited", code=0), Status.CANCELLED, None),
        ({"cancel_requested_at": 3}, Exit(1, "exited", code=1), Status.CANCELLED, None),
    ],
)
def test_how_a_service_s_end_is_judged(
    row: Json, ended: Exit, status: Status, failure: Failure | None
) -> None:
    run = service(**row, retries=5)
    outcome = judge(run, ended, Verdict(), needs_result=False)
    assert (outcome.status, outcome.failure) == (status, failure)
    assert lifecycle.finish(run, ended, outcome, 9, journal_end=64, summary=None).status is status


def test_a_failed_service_says_what_it_said_last() -> None:
    late = Outcome(Status.FAILED, Failure.READINESS_FAILED, "readiness probe timed out")
    ended, wanted = Exit(1, "cancelled"), Readiness(timeout_seconds=3)
    said = services.explained(late, ended, wanted, "connection refused", "a\nb").error
    assert said == "readiness probe timed out after 3s: connection refused; its last lines:\na\nb"
    assert services.explained(late, ended, wanted, None, "").error == (
        "readiness probe timed out after 3s; it printed nothing"
    )
    other = Outcome(Status.FAILED, Failure.LOST, "lost")
    assert services.explained(other, ended, wanted, "x", "y") is other


def test_only_a_final_service_is_started_again() -> None:
    ended = lifecycle.finish(
        service(ready_at=2), Exit(1, "exited", code=1, pid=5),
        Outcome(Status.FAILED, Failure.EXITED, "no"), 9, journal_end=99, summary={}, keep=5,
    )  # fmt: skip
    again = lifecycle.restart(ended, 10, ("A",))
    assert (again.status, again.due_at, again.env_names, again.attempt) == (Status.QUEUED, 0, ("A",), 1)
    gone = (again.finished_at, again.started_at, again.ready_at, again.failure, again.error, again.exit_code)
    assert {*gone, again.pid, again.scratch_until, again.cancel_requested_at} == {None}
    assert lifecycle.claim(again, 11, "b", "c" * 16).attempt == 2
    for wrong in (service(), service(mode=Mode.RUN, status=Status.FAILED), again):
        with pytest.raises(WrongState):
            lifecycle.restart(wrong, 10)


# Looks


async def test_a_look_is_bounded_and_says_what_is_wrong() -> None:
    port = free_port()
    assert (await probe(Readiness("tcp"), port)).error == "connection refused"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert (await probe(Readiness("tcp"), port)).ok
        assert (await probe(Readiness("http"), port, 0.05)).error == "no answer within 0.05 s"


@pytest.mark.parametrize(
    ("answer", "ok", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True, None),
        (b"HTTP/1.0 302 Found\r\n\r\n", True, None),
        (b"HTTP/1.1 503 No\r\n\r\n", False, "answered 503"),
        (b"SSH-2.0\r\n", False, "the answer is not HTTP"),
        (b"", False, "the answer is not HTTP"),
    ],
)
async def test_what_counts_as_an_answer(answer: bytes, ok: bool, error: str | None) -> None:
    asked = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await probe(Readiness("http", path="/a b\r\nX: y?q=1"), port)
    assert (found.ok, found.error) == (ok, error)
    assert (await asked).startswith(b"GET /a%20b%0D%0AX:%20y?q=1 HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_a_status_line_may_come_in_pieces() -> None:
    reader = asyncio.StreamReader()
    reading = asyncio.create_task(ports._status_line(reader))
    for piece in (b"H", b"TTP/1.1 2", b"04 No"):
        reader.feed_data(piece)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
    assert not reading.done()
    reader.feed_data(b" Content\r\n")
    assert await reading == b"HTTP/1.1 204 No Content\r\n"


# Lives


async def test_a_service_is_ready_unhealthy_and_ready_again(engine: Engine, tmp_path: Path) -> None:
    run_id = await start(engine, "own")
    early = (
        await until(engine, run_id, lambda shown: (shown.health or ServiceHealth()).status_code == 503)
    ).health
    assert early is not None
    assert (early.condition, early.error) == (Condition.STARTING, "answered 503")
    (tmp_path / "well").touch()
    assert (await until(engine, run_id, READY)).pid
    (tmp_path / "well").unlink()
    sick = await until(engine, run_id, UNHEALTHY)
    assert sick.health is not None
    assert sick.health.failures >= 3
    (tmp_path / "well").touch()
    await until(engine, run_id, READY)
    stopped = await engine.cancel(run_id, "enough")
    assert (stopped.run.status, stopped.run.error, stopped.health) == (
        Status.CANCELLED,
        "cancelled: enough",
        None,
    )
    assert not alive(stopped.pid)


async def test_services_take_no_slot(engine: Engine, tmp_path: Path) -> None:
    for _ in range(3):
        await well(engine, tmp_path)
    assert engine.limits.concurrency == 1
    assert (await ran(engine, "true")).run.status is Status.SUCCEEDED


async def test_a_service_that_ends_early_or_late_fails_with_its_last_lines(engine: Engine) -> None:
    dead = (await engine.until_final(await start(engine, "dead"))).run
    assert (dead.failure, dead.exit_code, dead.ready_at) == (Failure.READINESS_FAILED, 3, None)
    assert dead.error is not None
    assert dead.error.startswith("exited with code 3 before it was ready; its last lines:\n")
    assert sorted(dead.error.splitlines()[1:]) == ["one", "two"]
    late = await engine.until_final(await start(engine, "soon"))
    assert late.run.failure is Failure.READINESS_FAILED
    assert late.run.error == (
        "readiness probe timed out after 0.5s: answered 503; its last lines:\nlistening, attempt 1"
    )
    assert not alive(late.pid)


async def test_a_service_that_dies_unasked_has_failed(engine: Engine, tmp_path: Path) -> None:
    shown = await well(engine, tmp_path)
    assert shown.pid is not None
    os.kill(shown.pid, signal.SIGKILL)
    run = (await engine.until_final(shown.run.id)).run
    assert (run.failure, run.signal) == (Failure.EXITED, 9)
    assert run.error == "killed by signal 9; its last lines:\nlistening, attempt 1"
    left = await well(engine, tmp_path)
    (tmp_path / "leave").touch()
    run = (await engine.until_final(left.run.id)).run
    assert (run.status, run.failure, run.exit_code) == (Status.FAILED, Failure.EXITED, 0)


async def test_a_restart_keeps_id_port_and_journal_and_takes_fresh_envs(
    engine: Engine, tmp_path: Path
) -> None:
    first = await well(engine, tmp_path, envs={"FOO": "one"})
    run_id, url = first.run.id, f"http://127.0.0.1:{first.run.port}/"
    async with httpx2.AsyncClient() as client:
        assert (await client.get(url)).text == "one"
        shown = await engine.restart(run_id, {"FOO": "two", "BAR": "x"}, "new envs")
        assert (shown.run.status, shown.run.id) == (Status.RUNNING, run_id)
        assert shown.health is not None
        assert shown.health.condition is Condition.STARTING
        again = await until(engine, run_id, READY)
        assert (again.run.port, again.run.attempt, again.run.env_names) == (first.run.port, 2, ("BAR", "FOO"))
        assert again.pid != first.pid
        assert not alive(first.pid)
        assert (await client.get(url)).text == "two"
    await engine.cancel(run_id)
    third = await engine.restart(run_id, {})  # a stopped one too
    assert (await until(engine, run_id, READY)).run.attempt == third.run.attempt == 3
    reader = engine.files.reader(run_id)
    assert reader is not None
    with reader:
        printed = b"".join(frame.data for frames in reader.windows(64) for frame in frames)
    assert [b"attempt %d" % number in printed for number in (1, 2, 3)] == [True] * 3


async def test_what_cannot_be_restarted(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await engine.restart("run_x", {})
    run = await submit(engine, "run")
    with pytest.raises(WrongState, match="no service"):
        await engine.restart(run, {})
    await engine.cancel(run)
    with pytest.raises(WrongState, match="no service"):
        await engine.restart(run, {})
    up = await well(engine, tmp_path)
    (tmp_path / "agents.yaml").write_text(AGENTS)
    assert await pid_of(engine, up.run.id) == up.pid


async def test_each_mode_has_its_own_door(engine: Engine) -> None:
    with pytest.raises(WrongMode, match="is a service; it cannot be submitted as a run"):
        await submit(engine, "own")
    with pytest.raises(WrongMode, match="is a job; it cannot be submitted as a service"):
        await start(engine, "run")


async def test_ports(engine: Engine, tmp_path: Path, agents_file: Path) -> None:
    ports = {(await engine.get(await start(engine, "timed"))).run.port for _ in range(10)}
    assert len(ports) == 10
    first = await start(engine, "only")
    with pytest.raises(QueueFull, match="1 services at once"):
        await start(engine, "only")
    await engine.cancel(first)
    await start(engine, "only")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fixed = taken.getsockname()[1]
        agents_file.write_text(AGENTS.replace("port: auto", f"port: {fixed}"))
        with pytest.raises(PortTaken, match=f"port {fixed} is in use by another program"):
            await start(engine, "own")
    shown = await well(engine, tmp_path)
    assert shown.run.port == fixed
    with pytest.raises(
        PortTaken, match=f"port {fixed} is in use by the service {shown.run.id} of agent 'own'"
    ):
        await start(engine, "soon")
    await engine.cancel(shown.run.id)
    again = await start(engine, "own")
    with pytest.raises(PortTaken):  # the one that had it before does not get it back
        await engine.restart(shown.run.id, {})
    assert (await engine.get(again)).run.port == fixed


async def test_a_timeout_is_the_simplest_readiness(engine: Engine) -> None:
    shown = await until(engine, await start(engine, "timed"), READY)
    assert shown.health is not None
    assert (shown.health.attempts, shown.run.port is not None) == (0, True)


async def test_the_scratch_of_a_service_is_kept_where_its_stop_says_so(
    engine: Engine, tmp_path: Path
) -> None:
    scratch = tmp_path / "state" / "runs"
    plain, kept = await well(engine, tmp_path), await well(engine, tmp_path)
    assert plain.scratch
    stopped = await engine.cancel(plain.run.id)
    assert (stopped.scratch, (scratch / plain.run.id).exists()) == (False, False)
    stopped = await engine.cancel(kept.run.id, keep_scratch=True)
    assert (stopped.scratch, (scratch / kept.run.id / "scratch").is_dir()) == (True, True)
    await engine.restart(kept.run.id, {})
    await until(engine, kept.run.id, READY)


# A life beyond the server's


async def test_readiness_is_found_again(
    engines: Callable[..., AbstractAsyncContextManager[Engine]], tmp_path: Path
) -> None:
    async with engines() as first:
        up, down, sick = [await well(first, tmp_path) for _ in range(3)]
    down_pid = psutil.Process(down.pid)
    down_pid.kill()
    async with engines() as second:
        again = await until(second, up.run.id, READY)
        assert (again.pid, again.run.port, again.run.attempt) == (up.pid, up.run.port, 1)
        failed = (await second.until_final(down.run.id)).run
        assert (failed.status, failed.failure) == (Status.FAILED, Failure.EXITED)
        (tmp_path / "well").unlink()
        await until(second, sick.run.id, UNHEALTHY)
    async with engines() as third:  # it was ready once, so no deadline ends it now
        await until(third, sick.run.id, UNHEALTHY)
        (tmp_path / "well").touch()
        await until(third, sick.run.id, READY)
        with pytest.raises(PortTaken):  # ports are remembered
            third._supervisor._reservations._ports.reserve(
                "run_y", replace(await third.versions.of(up.run), port=up.run.port)
            )
        await third.cancel_live()


@pytest.fixture
def home(tmp_path: Path, agents_file: Path) -> Iterator[Server]:
    with Server(tmp_path, agents_file, "--concurrency", "8") as server:
        server.start()
        yield server


def post(client: Client, path: str, body: Json = None, key: str | None = None) -> Json:
    answer = client.post(f"{BASE}/{path}", json=body, headers={"Idempotency-Key": key} if key else None)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_real_services_are_reached_at_their_public_url(home: Server) -> None:
    with Client(home.url) as client:
        for agent, word in (("http", "agents.yaml"), ("asgi", "")):
            made = post(client, f"{agent}/services", {}, "k1")
            assert (made["status"], made["public_url"], made["port"] > 0) == ("starting", None, True)
            assert made["id"].startswith("adsvc_")
            client.told(made, "ready: ")
            shown = client.get(f"{BASE}/{agent}/services/{made['id']}").json()
            readiness = shown["readiness_status"]
            assert (shown["status"], readiness["ok"], readiness["last_status_code"]) == ("ready", True, 200)
            assert (readiness["type"], readiness["path"], readiness["phase"]) == ("http", "/", "ready")
            assert shown["public_url"] == f"http://127.0.0.1:{made['port']}/"
            page = httpx2.get(shown["public_url"])
            assert page.status_code == 200
            assert word in page.text
            if agent == "asgi":
                assert page.text == f"{shown['port']} {shown['process_id']}"
            url = client.get(f"{BASE}/{agent}/services/{made['id']}/url").json()
            assert url == {
                "service_id": made["id"], "status": "ready",
                "public_url": shown["public_url"], "port": made["port"],
            }  # fmt: skip
            again = client.post(f"{BASE}/{agent}/services", json={}, headers={"Idempotency-Key": "k1"})
            assert (again.headers["idempotency-replayed"], again.json()["id"]) == ("true", made["id"])
            events = client.get(f"{BASE}/{agent}/services/{made['id']}/logs").json()["events"]
            assert {event["service_instance_id"] for event in events} == {made["id"]}
            types = [
                (event["source"], event["event_type"]) for event in events if event["source"] != "stderr"
            ]
            assert ("readiness", "service_ready") in types
            assert types[:2] == [("lifecycle", "service_created"), ("lifecycle", "service_started")]
            stopped = post(client, f"{agent}/services/{made['id']}/stop", {"reason": "enough"})
            assert (stopped["status"], stopped["public_url"]) == ("stopped", None)
            assert (stopped["failure_reason"], stopped["process_id"]) == (None, None)
            assert stopped["stopped_at"] > stopped["started_at"]
            assert post(client, f"{agent}/services/{made['id']}/stop") == stopped
            with pytest.raises(httpx2.ConnectError):
                httpx2.get(shown["public_url"])
            client.get(f"/api/v1/runs/{made['id'].replace('adsvc_', 'run_')}")


def test_services_over_the_wire(home: Server, tmp_path: Path) -> None:
    with Client(home.url) as client:
        timed = post(client, "timed/services", {}, "a")
        client.told(timed, "ready: ")
        shown = client.get(f"{BASE}/timed/services/{timed['id']}").json()
        assert (shown["status"], shown["public_url"]) == ("ready", None)  # the entry says so
        dead = post(client, "dead/services", {}, "b")
        client.told(dead, "[DONE]")
        failed = client.get(f"{BASE}/dead/services/{dead['id']}").json()
        assert (failed["status"], failed["readiness_status"]["phase"]) == ("failed", "failed")
        assert failed["failure_reason"].startswith("readiness failed: exited with code 3 before it was ready")
        last = client.get(f"{BASE}/dead/services/{dead['id']}/logs").json()["events"][-1]
        assert (last["event_type"], last["metadata"]["failure_phase"]) == ("service_failed", "readiness")
        refused = client.post(f"{BASE}/dead/services/{dead['id']}/stop")
        assert (refused.status_code, refused.json()["code"]) == (409, "agent_deployment_invalid_state")
        assert client.post(f"{BASE}/dead/services", json={}).status_code == 400  # the key is required
        for status, expected in (("ready", 1), ("stopped", 0), ("starting", 0)):
            found = client.get(f"{BASE}/timed/services", params={"status": status}).json()["items"]
            assert len(found) == expected
        again = post(
            client, f"timed/services/{timed['id']}/restart", {"reason": "why not", "envs": {"A": "b"}}
        )
        assert (again["id"], again["status"], again["port"]) == (timed["id"], "starting", timed["port"])
        assert again["created_at"] == timed["created_at"]
        assert client.get("/api/v1/runs").json()["jobs"] == []
        jobs = client.get("/api/v1/runs", params={"mode": "service"}).json()["jobs"]
        assert {job["agent"] for job in jobs} == {"timed", "dead"}
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            (tmp_path / "agents.yaml").write_text(AGENTS.replace("port: auto", f"port: {port}"))
            refused = client.post(f"{BASE}/own/services", json={}, headers={"Idempotency-Key": "c"})
            assert (refused.status_code, refused.json()["code"]) == (409, "agent_deployment_invalid_state")
            assert f"port {port} is in use" in refused.json()["error"]


def test_a_killed_server_leaves_services_and_runs_alive(home: Server) -> None:
    with Client(home.url) as client:
        up = [post(client, f"{agent}/services", {}, "k") for agent in ("http", "asgi", "timed")]
        runs = [client.make("run") for _ in range(5)]
        for made in up:
            client.told(made, "ready: ")
        for run in runs:
            client.told(run, "up")
        before = everything(client, up, runs)
        assert {status for status, _, _ in before.values()} == {"ready", "running"}
    home.kill()
    assert all(alive(pid) for _, pid, _ in before.values())
    home.start()
    with Client(home.url) as client:
        waited = {made["id"]: ready_again(client, made) for made in up}
        assert everything(client, up, runs) == before
        assert set(waited.values()) == {"ready"}
        for made in up[:2]:
            assert httpx2.get(f"http://127.0.0.1:{made['port']}/").status_code == 200
        for made in up:
            assert post(client, f"{made['deployment_id']}/services/{made['id']}/stop")["status"] == "stopped"
    assert not any(alive(before[made["id"]][1]) for made in up)


def everything(client: Client, up: list[Json], runs: list[Json]) -> dict[str, tuple[str, int, int | None]]:
    """Return status, process and port of all that lives, by id."""
    kinds = [*(("services", made) for made in up), *(("runs", made) for made in runs)]
    shown = [client.get(f"{BASE}/{made['deployment_id']}/{kind}/{made['id']}").json() for kind, made in kinds]
    return {one["id"]: (one["status"], one["process_id"], one.get("port")) for one in shown}


def ready_again(client: Client, made: Json) -> str:
    """Return a service's status once this server has looked at it; each answer lets time go by."""
    while True:
        shown = client.get(f"{BASE}/{made['deployment_id']}/services/{made['id']}").json()
        if shown["status"] != "starting":
            return str(shown["status"])
