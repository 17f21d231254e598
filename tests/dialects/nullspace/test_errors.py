"""Errors of the Nullspace dialect: one form for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...rigs.harness import Server
from ...rigs.nullspace_rig import BASE, Client, code

JSON, TEXT = {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}


# Errors


def test_every_refusal_has_this_dialect_s_form(client: Client) -> None:
    run = client.did("echo")
    key, suffix = {"Idempotency-Key": "errors"}, run["id"].replace("adrun_", "adsvc_")
    url = f"{BASE}/echo/runs"
    for answer, expected in (
        (client.post(url, content="{", headers={**JSON, **key}), (400, "invalid_request")),
        (client.post(url, content="[]", headers={**JSON, **key}), (400, "invalid_request")),
        (client.post(url, json={"input": []}, headers=key), (400, "invalid_request")),
        (client.post(url, json={"envs": {"A": 1}}, headers=key), (400, "invalid_request")),
        (client.post(url, json={"envs": {"PRAISONRUN_X": "1"}}, headers=key), (400, "invalid_request")),
        (client.post(url, json={"retention_seconds": 0}, headers=key), (400, "invalid_request")),
        (client.post(url, json={"retain_on_failure": "yes"}, headers=key), (400, "invalid_request")),
        (client.post(url, content="{}", headers=TEXT | key), (415, "unsupported_media_type")),
        (client.get(url, headers={"Host": "evil"}), (421, "misdirected_request")),
        (client.get(url, headers={"Origin": "http://evil"}), (403, "forbidden")),
        (client.get(f"{BASE}/nobody"), (404, "agent_deployment_not_found")),
        (client.get(f"{BASE}/adpl_000000000000/runs"), (404, "agent_deployment_not_found")),
        (client.get(f"{BASE}/echo/runs/adrun_x"), (404, "agent_run_not_found")),
        (client.get(f"{BASE}/fail/runs/{run['id']}"), (404, "agent_run_not_found")),
        (client.get(f"{BASE}/echo/runs/{run['id'].replace('adrun_', 'run_')}"), (404, "agent_run_not_found")),
        (client.get(f"{BASE}/web/services/{suffix}"), (404, "agent_service_instance_not_found")),
        (client.get("/v1/nothing"), (404, "not_found")),
        (client.put(url, json={}), (405, "method_not_allowed")),
        (client.post(f"{BASE}/web/runs", json={}, headers=key), (409, "agent_deployment_invalid_state")),
        (client.post(f"{BASE}/echo/services", json={}, headers=key), (409, "agent_deployment_invalid_state")),
    ):  # fmt: skip
        assert code(answer) == expected, answer.request.url


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", BASE),
        ("PATCH", f"{BASE}/echo"),
        ("DELETE", f"{BASE}/echo"),
        ("POST", f"{BASE}/echo/versions"),
        ("PATCH", f"{BASE}/echo/versions/v"),
        ("DELETE", f"{BASE}/echo/versions/v"),
    ],
)
def test_what_agents_yaml_says_is_not_changed_here(client: Client, method: str, path: str) -> None:
    assert code(client.request(method, path, json={} if method != "DELETE" else None)) == (
        501,
        "not_implemented",
    )


def test_a_full_queue_is_capacity_exceeded_before_any_row_exists(tmp_path: Path) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text("agents:\n  w: {command: [/bin/sleep, '60'], prompt: none, files: false}\n")
    with Server(tmp_path, agents, "--concurrency", "1", "--queue-limit", "1") as server:
        server.start()
        with Client(server.url) as client:
            made = [client.make("w"), client.make("w")]
            full = client.post(f"{BASE}/w/runs", json={}, headers={"Idempotency-Key": "k"})
            assert code(full) == (429, "capacity_exceeded")
            assert int(full.headers["retry-after"]) > 0
            assert len(client.get(f"{BASE}/w/runs").json()["items"]) == len(made)


def test_a_queued_run_whose_envs_a_restart_lost_says_so(tmp_path: Path) -> None:
    agents = tmp_path / "agents.yaml"
    agents.write_text(
        "agents:\n  w: {command: [/bin/cat]}\n  b: {command: [/bin/sleep, '60'], prompt: none}\n"
    )
    with Server(tmp_path, agents, "--concurrency", "1") as server:
        server.start()
        with Client(server.url) as client:
            blocks, lost = client.make("b"), client.make("w", {}, envs={"SECRET": "x"})
        server.kill()
        server.start()
        with Client(server.url) as client:
            client.post(f"{BASE}/b/runs/{blocks['id']}/cancel")
            run = client.final(lost)
    assert (run["status"], run["exit_code"], run["process_id"]) == ("failed", None, None)
    assert run["failure_reason"].startswith("entrypoint failed: the server restarted")
    assert "SECRET" in run["failure_reason"]
