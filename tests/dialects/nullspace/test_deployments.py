"""Nullspace deployments and versions over HTTP."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ...rigs.nullspace_rig import BASE, Client, code
from ...rigs.wire_rig import house

# Agents and versions


def test_an_entry_is_a_deployment(client: Client) -> None:
    page = client.get(BASE).json()
    names = [item["name"] for item in page["items"]]
    assert names[:3] == ["echo", "show", "fail"]
    assert page["next_cursor"] is None
    echo = page["items"][0]
    assert echo["id"] == "adpl_" + hashlib.sha256(b"echo").hexdigest()[:12]
    assert (echo["mode"], echo["status"]) == ("job", "active")
    assert (echo["description"], echo["metadata"]) == ("says it again", {"team": "a"})
    by_id, by_name = client.get(f"{BASE}/{echo['id']}"), client.get(f"{BASE}/echo")
    assert by_id.json() == by_name.json() == echo
    assert by_id.headers["x-request-id"] != by_name.headers["x-request-id"]


def test_lists_have_filters_and_cursors(client: Client) -> None:
    services = client.get(BASE, params={"mode": "service"}).json()["items"]
    assert [item["name"] for item in services] == ["web"]
    assert client.get(BASE, params={"status": "paused"}).json()["items"] == []
    everything = [item["id"] for item in client.get(BASE).json()["items"]]
    walked: list[str] = []
    cursor: str | None = None
    while cursor is not None or not walked:
        page = client.get(BASE, params={"limit": 4, **({"cursor": cursor} if cursor else {})}).json()
        walked += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert walked == everything
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": "nothing"}, {"mode": "run"}, {"status": "x"}):
        assert code(client.get(BASE, params=wrong)) == (400, "invalid_request")


def test_a_version_is_the_entry_s_digest(client: Client) -> None:
    versions = client.get(f"{BASE}/echo/versions").json()["items"]
    assert [version["version_number"] for version in versions] == [1]
    version = versions[0]
    assert version["id"] == "adpv_" + version["bundle_digest"].removeprefix("sha256:")[:12]
    assert version["id"] == client.get(f"{BASE}/echo").json()["active_version_id"]
    assert (version["status"], version["entrypoint_command"]) == ("ready", "/bin/cat")
    assert client.get(f"{BASE}/echo/versions/{version['id']}").json() == version
    assert client.get(f"{BASE}/echo/versions", params={"status": "superseded"}).json()["items"] == []
    missing = client.get(f"{BASE}/fail/versions/{version['id']}")
    assert code(missing) == (404, "agent_deployment_version_not_found")


def test_only_what_the_server_cannot_supply_is_required_of_a_client(client: Client) -> None:
    version = client.get(f"{BASE}/needy/versions").json()["items"][0]
    assert version["env_spec"] == {"required": ["SECRET"], "optional": ["MAYBE"]}
    refused = client.post(f"{BASE}/needy/runs", json={}, headers={"Idempotency-Key": "needy"})
    assert code(refused) == (400, "invalid_request")
    assert client.did("needy", envs={"SECRET": "x"})["status"] == "succeeded"


def test_versions_live_on_when_the_file_changes(tmp_path: Path) -> None:
    for server in house(tmp_path, "agents:\n  a: {command: [/bin/cat]}\n  b: {command: [/bin/cat]}\n"):
        with Client(server.url) as client:
            old = client.did("a", {"prompt": "x"})
            (tmp_path / "agents.yaml").write_text("agents:\n  a: {command: [/bin/cat], timeout: 5}\n")
            new = client.did("a", {"prompt": "x"})
            assert old["version_id"] != new["version_id"]
            assert client.run(old)["version_id"] == old["version_id"]
            versions = client.get(f"{BASE}/a/versions").json()["items"]
            shown = [(version["id"], version["version_number"], version["status"]) for version in versions]
            assert shown == [(new["version_id"], 2, "ready"), (old["version_id"], 1, "superseded")]
            with_old = client.get(f"{BASE}/a/runs", params={"version_id": old["version_id"]}).json()["items"]
            assert [run["id"] for run in with_old] == [old["id"]]
            keys, url = {"Idempotency-Key": "s"}, f"{BASE}/a/runs"
            stale = client.post(url, json={"version_id": old["version_id"]}, headers=keys)
            assert code(stale) == (409, "agent_deployment_invalid_state")
            current = client.post(url, json={"version_id": new["version_id"]}, headers=keys)
            assert current.status_code == 201
            # b is gone from the file, but not from what was.
            assert [item["name"] for item in client.get(BASE).json()["items"]] == ["a"]


def test_an_agent_that_left_the_file_keeps_its_runs(tmp_path: Path) -> None:
    for server in house(tmp_path, "agents:\n  a: {command: [/bin/cat]}\n  b: {command: [/bin/cat]}\n"):
        with Client(server.url) as client:
            run = client.did("b", {"prompt": "x"})
            (tmp_path / "agents.yaml").write_text("agents:\n  a: {command: [/bin/cat]}\n")
            gone = client.get(BASE, params={"status": "deleted"}).json()["items"]
            assert [(item["name"], item["status"]) for item in gone] == [("b", "deleted")]
            assert client.get(f"{BASE}/b/runs").json()["items"] == [run]
            again = client.post(f"{BASE}/b/runs", json={}, headers={"Idempotency-Key": "k"})
            assert code(again) == (404, "agent_deployment_not_found")
