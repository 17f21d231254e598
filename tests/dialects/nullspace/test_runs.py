"""Nullspace runs over HTTP: create, cancel, list, install, outputs, retention."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path

import pytest

from ...rigs.harness import Json, Server
from ...rigs.nullspace_rig import BASE, Client, code

# Runs


def test_a_run_from_create_to_end(client: Client) -> None:
    made = client.make("echo", {"prompt": "hi"}, key="whole")
    assert made["id"].startswith("adrun_")
    assert made["status"] in ("queued", "starting", "running")
    assert (made["mode"], made["input"], made["output_manifest"]) == ("job", {"prompt": "hi"}, {})
    assert made["idempotency_key"] == "whole"
    run = client.final(made)
    assert (run["status"], run["exit_code"], run["failure_reason"]) == ("succeeded", 0, None)
    assert run["completed_at"] >= run["started_at"] >= run["created_at"]
    assert run["output_manifest"] == {"outputs": []}
    assert run["process_id"] > 0
    assert (run["retain_on_failure"], run["retention_seconds"], run["sandbox_id"]) == (None, None, None)
    assert client.get(f"{BASE}/{made['deployment_id']}/runs").json()["items"][0] == run


def test_one_run_in_two_dialects(client: Client) -> None:
    here = client.did("echo", {"prompt": "from here", "n": 1})
    there = client.status(here["id"].replace("adrun_", "run_"))
    assert (there["status"], there["agent"], there["exit_code"]) == ("succeeded", "echo", 0)
    assert client.result(there["job_id"])["result"] == "from here"
    job = client.ran("fail", "from there")
    run = client.get(f"{BASE}/fail/runs/{job['job_id'].replace('run_', 'adrun_')}").json()
    assert (run["status"], run["exit_code"], run["input"]) == ("failed", 7, {"prompt": "from there"})
    assert run["idempotency_key"] is None


def test_two_ids_of_callers_own_are_two_runs_here(client: Client) -> None:
    owner = {"kind": "project", "id": "3c90c3cc-0d44-4b50-8888-8dd25736052a"}
    for public_id in ("abc", "run_abc"):
        body = {"kind": "task", "owner": owner, "public_id": public_id, "request": {"target": "task:wait"}}
        assert client.post("/runs", json=body).status_code == 202
    names = [run["id"] for run in client.get(f"{BASE}/wait/runs?limit=2").json()["items"]]
    assert names == ["adrun_abc", "adrun_~abc"]
    assert client.post(f"{BASE}/wait/runs/{names[1]}/cancel", json={}).json()["status"] == "cancelled"
    assert client.status("abc")["status"] == "cancelled"
    assert client.status("run_abc")["completed_at"] is None
    client.post(f"{BASE}/wait/runs/{names[0]}/cancel", json={})


@pytest.mark.parametrize(
    "given", [{}, {"prompt": "x"}, {"b": [1, 2.5, None, {"ü": "\u2028"}], "a": True}, {"prompt": ["no text"]}]
)
def test_the_input_reaches_the_agent_as_it_is(client: Client, given: Json) -> None:
    run = client.did("show", given)
    assert run["input"] == given
    environ, file = (
        json.loads(event["message"]) for event in client.log(run)["events"] if event["source"] == "stdout"
    )
    assert json.loads(environ["NULLSPACE_INPUT"]) == file == given
    assert list(file) == list(given)


def test_a_large_input_is_in_the_file_alone(client: Client) -> None:
    given = {"text": "x" * 200_000}
    run = client.did("show", given)
    first, *file = (event["message"] for event in client.log(run)["events"] if event["source"] == "stdout")
    assert json.loads(first)["NULLSPACE_INPUT"] is None
    assert json.loads("".join(file)) == given  # a line that is longer than a pipe comes in parts


def test_what_is_no_prompt_is_given_as_json(client: Client) -> None:
    for given, printed in (({"prompt": "as text"}, "as text"), ({"n": 1}, '{"n": 1}')):
        run = client.did("echo", given)
        said = [event["message"] for event in client.log(run)["events"] if event["source"] == "stdout"]
        assert said == [printed]


@pytest.mark.scorecard(29)
def test_values_of_envs_are_written_nowhere(client: Client, home: Server) -> None:
    secret = f"secret-{uuid.uuid4()}"
    run = client.did("needy", envs={"SECRET": secret})
    refused = client.post(
        f"{BASE}/needy/runs",
        json={"envs": {"SECRET": secret, "A=": secret}},
        headers={"Idempotency-Key": "e"},
    )
    assert code(refused) == (400, "invalid_request")
    answers = [refused.text, client.get(f"{BASE}/needy/runs").text, json.dumps(client.log(run))]
    files = [path.read_bytes() for path in home.state.rglob("*") if path.is_file()]
    assert not any(secret in text for text in answers)
    assert not any(secret.encode() in data for data in files)


def test_a_key_is_required_and_names_one_run(client: Client) -> None:
    body, url = {"input": {"prompt": "x"}, "envs": {"A": "1"}}, f"{BASE}/echo/runs"
    assert code(client.post(url, json=body)) == (400, "invalid_request")
    for wrong in ("", "two words", "x" * 256):
        assert code(client.post(url, json=body, headers={"Idempotency-Key": wrong})) == (
            400,
            "invalid_request",
        )
    keys = {"Idempotency-Key": "same"}
    first = client.post(url, json=body, headers=keys)
    client.final(first.json())
    # Names of envs are part of the payload, their values are not.
    again = client.post(url, json={**body, "envs": {"A": "2"}, "version_id": None}, headers=keys)
    assert (first.status_code, again.status_code) == (201, 201)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == client.run(first.json())
    for other in ({"input": {"prompt": "y"}}, {**body, "envs": {"B": "1"}}, {**body, "retention_seconds": 5}):
        answer = client.post(url, json=other, headers=keys)
        assert code(answer) == (409, "agent_deployment_idempotency_mismatch")
    assert client.make("fail", key="same")["id"] != first.json()["id"]  # another agent, another scope


@pytest.mark.parametrize(
    ("agent", "status", "reason", "exit_code"),
    [
        ("fail", "failed", "entrypoint command exited with 7", 7),
        ("short", "timed_out", "entrypoint timed out after 0.2s", None),
        ("broken", "failed", "install command exited with 3", 3),
    ],
)
def test_how_a_run_fails(client: Client, agent: str, status: str, reason: str, exit_code: int | None) -> None:
    run = client.did(agent)
    assert (run["status"], run["failure_reason"], run["exit_code"]) == (status, reason, exit_code)
    last = client.log(run)["events"][-1]
    assert (last["event_type"], last["level"]) == (f"run_{status}", "error")
    assert last["metadata"]["failure_phase"] == reason.split()[0]
    # Each is found by its own status alone.
    for word in ("failed", "timed_out", "succeeded"):
        found = client.get(f"{BASE}/{agent}/runs", params={"status": word}).json()["items"]
        assert (run["id"] in [item["id"] for item in found]) == (word == status)


def test_cancel_has_a_reason_and_may_be_repeated(client: Client) -> None:
    run = client.make("wait")
    client.told(run, "up")
    url = f"{BASE}/wait/runs/{run['id']}/cancel"
    cancelled = client.post(url, json={"reason": "enough"}).json()
    assert (cancelled["status"], cancelled["failure_reason"]) == ("cancelled", "cancelled: enough")
    assert (cancelled["exit_code"], cancelled["input"]) == (None, {})
    assert client.post(url).json() == cancelled
    done = client.did("echo")
    late = client.post(f"{BASE}/echo/runs/{done['id']}/cancel")
    assert code(late) == (409, "agent_deployment_invalid_state")
    assert "succeeded already" in late.json()["error"]


def test_a_list_of_large_inputs_comes_in_short_pages(client: Client) -> None:
    made = [client.make("both", {"a": letter * 300_000})["id"] for letter in "abc"]
    url, cursor = f"{BASE}/both/runs", None
    pages: list[list[tuple[str, str]]] = []
    while not pages or cursor:
        page = client.get(url, params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        pages.append([(run["id"], run["input"]["a"][0]) for run in page["items"] if "a" in run["input"]])
        cursor = page["next_cursor"]
    assert [run for page in pages for run in page] == list(zip(made, "abc", strict=True))[::-1]
    assert [len(page) for page in pages if page] == [2, 1]  # a prompt is made of the input, too


def test_lists_of_runs(client: Client) -> None:
    up = client.make("one")
    client.told(up, "up")
    waiting = [client.make("one") for _ in range(4)]
    url = f"{BASE}/one/runs"
    assert [run["id"] for run in client.get(url).json()["items"]] == [
        run["id"] for run in (*waiting[::-1], up)
    ]
    by_status = {
        word: [run["id"] for run in client.get(url, params={"status": word}).json()["items"]]
        for word in ("queued", "starting", "running", "installing", "failed")
    }
    assert by_status["queued"] == [run["id"] for run in waiting[::-1]]
    assert by_status["running"] == [up["id"]]
    for several in ({"status": "queued,running,timed_out"}, {"status": ["running", "queued", "failed"]}):
        found = [run["id"] for run in client.get(url, params=several).json()["items"]]
        assert found == [run["id"] for run in (*waiting[::-1], up)]
    assert not by_status["starting"] + by_status["installing"] + by_status["failed"]
    first = client.get(url, params={"limit": 2}).json()
    second = client.get(url, params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [run["id"] for run in first["items"] + second["items"]] == [
        run["id"] for run in (*waiting[::-1], up)
    ]
    assert second["next_cursor"] is None
    for wrong in (
        {"limit": 201},
        {"status": "done"},
        {"status": "failed,"},
        {"cursor": "x"},
        {"cursor": "-1"},
    ):
        assert code(client.get(url, params=wrong)) == (400, "invalid_request")
    unknown = client.get(url, params={"version_id": "adpv_nothing"})
    assert code(unknown) == (404, "agent_deployment_version_not_found")
    for run in (*waiting, up):
        client.post(f"{url}/{run['id']}/cancel")


# Install and outputs


def test_an_install_runs_once_before_the_first_run(client: Client, home: Server) -> None:
    os.mkfifo(home.home / "gate")
    created = client.get(f"{BASE}/installs/versions").json()["items"][0]
    assert (created["status"], created["ready_at"]) == ("created", None)
    first = client.make("installs")
    client.told(first, "installing")
    second = client.make("installs")
    assert client.run(first)["status"] == "installing"
    assert client.run(second)["status"] == "starting"
    third = client.make("installs")  # who waits for an install can be cancelled
    stopped = client.post(f"{BASE}/installs/runs/{third['id']}/cancel").json()
    assert (stopped["status"], stopped["process_id"]) == ("cancelled", None)
    (home.home / "gate").write_text("go\n")
    assert [client.final(run)["status"] for run in (first, second)] == ["succeeded"] * 2
    assert (home.home / "installs.log").read_text() == "x\n"
    ready = client.get(f"{BASE}/installs/versions").json()["items"][0]
    assert ready["status"] == "ready"
    assert ready["ready_at"] > ready["created_at"]
    types = [event["event_type"] for event in client.log(first)["events"]]
    assert types == [
        "run_queued", "install_started", "stdout", "run_started", "stdout", "process_exited", "run_succeeded",
    ]  # fmt: skip
    assert "install_started" not in [event["event_type"] for event in client.log(second)["events"]]
    assert client.result(first["id"].replace("adrun_", "run_"))["result"] == "installed\n"


def test_the_agent_s_own_manifest(client: Client) -> None:
    run = client.did("manifest")
    manifest = {"outputs": [{"path": "a", "mine": 1}], "more": 2}
    assert run["output_manifest"] == manifest
    outputs = client.get(f"{BASE}/manifest/runs/{run['id']}/outputs").json()
    assert outputs == {"run_id": run["id"], "output_manifest": manifest, "outputs": manifest["outputs"]}


def test_the_manifest_of_declared_paths(client: Client, home: Server) -> None:
    (home.home / "stale.txt").write_text("of another run")
    client.did("short")  # some time goes by
    outputs = client.get(f"{BASE}/outputs/runs/{client.did('outputs')['id']}/outputs").json()["outputs"]
    shown = {each["configured_path"]: (each["status"], each["kind"], each["size_bytes"]) for each in outputs}
    assert shown == {
        "a.txt": ("available", "file", 2),
        "here.txt": ("available", "file", 5),
        "sub": ("available", "directory", None),
        "sub/link": ("missing", None, None),
        "missing.txt": ("missing", None, None),
        "stale.txt": ("missing", None, None),
    }
    assert outputs[0]["sha256"] == hashlib.sha256(b"hi").hexdigest()
    assert Path(outputs[0]["path"]).read_text() == "hi"


# Retention


def test_the_scratch_of_a_failed_run_is_kept_where_wanted(client: Client, home: Server) -> None:
    def left(run: Json) -> bool:
        folder = home.state / "runs" / str(run["id"]).replace("adrun_", "run_")
        return (folder / "scratch").is_dir()

    plain, kept = client.did("fail"), client.did("fail", retain_on_failure=True, retention_seconds=60)
    assert (plain["sandbox_id"], left(plain)) == (None, False)
    assert (kept["sandbox_id"], left(kept)) == (kept["id"].replace("adrun_", "sb_"), True)
    assert (kept["retain_on_failure"], kept["retention_seconds"]) == (True, 60)
    by_entry, against = client.did("kept"), client.did("kept", retain_on_failure=False)
    assert (by_entry["sandbox_id"] is None, by_entry["retain_on_failure"]) == (False, None)
    assert (against["sandbox_id"], left(against)) == (None, False)
    assert client.did("echo", retain_on_failure=True)["sandbox_id"] is None
