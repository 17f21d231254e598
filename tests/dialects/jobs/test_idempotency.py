"""Idempotency keys of the jobs dialect."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from ...rigs.harness import Server
from ...rigs.wire_rig import RUNS, Api, keyed

# Idempotency


def test_a_key_makes_one_run(api: Api) -> None:
    first = keyed(api, "one-key")
    api.ended(first.json()["job_id"])
    for key in ("one-key", '"one-key"'):
        again = keyed(api, key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.json() == {**first.json(), "status": "succeeded"}  # as it is now
        assert again.headers["location"] == first.headers["location"]


def test_the_order_of_keys_in_a_body_does_not_matter(api: Api) -> None:
    one, two = '{"prompt":"x","config":{"a":1,"b":2}}', '{"config": {"b": 2, "a": 1}, "prompt": "x"}'
    headers = {"Idempotency-Key": "order", "Content-Type": "application/json"}
    ids = {api.post(RUNS, content=body, headers=headers).json()["job_id"] for body in (one, two)}
    assert len(ids) == 1


def test_another_payload_is_a_409(api: Api) -> None:
    keyed(api, "two-payloads", envs={"A": "1"})
    assert keyed(api, "two-payloads", envs={"A": "2"}).status_code == 202  # env values are never kept
    for other in ({"prompt": "y"}, {"timeout": 5}, {"envs": {"B": "1"}}, {"anything": 1}):
        answer = keyed(api, "two-payloads", **{"envs": {"A": "1"}, **other})
        assert (answer.status_code, answer.json()["title"]) == (409, "Conflict")
        assert "key" in answer.json()["detail"]


def test_the_header_wins_over_the_body(api: Api) -> None:
    body_form = keyed(api, None, idempotency_key="in-body").json()["job_id"]
    assert keyed(api, "in-body").json()["job_id"] == body_form
    other = keyed(api, "in-header", idempotency_key="in-body").json()["job_id"]
    assert other != body_form
    assert keyed(api, "in-header").json()["job_id"] == other


def test_the_scope_of_a_key(api: Api) -> None:
    def asked(scope: str | None, session: str | None) -> str:
        answer = keyed(api, "scoped", idempotency_scope=scope, session_id=session)
        return str(answer.json().get("job_id", answer.status_code))

    everywhere = {asked("none", "s1"), asked("global", "s1"), asked(None, "s1")}
    one, two = asked("session", "s1"), asked("session", "s2")
    assert len(everywhere) == 1
    assert len({one, two, *everywhere}) == 3
    assert asked("session", "s1") == one
    assert asked("none", "s2") == "409"  # one key space, and another payload


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 256, '"' + "k" * 256 + '"', "k\u00e9"])
def test_a_key_is_visible_ascii(api: Api, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")), (b"Content-Type", b"application/json")]
    answer = api.post(RUNS, content=b'{"prompt": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (400, "Bad Request")
    assert "Idempotency-Key" in answer.json()["detail"]


def test_a_key_is_given_once(api: Api) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert api.post(RUNS, json={"prompt": "x"}, headers=headers).status_code == 400


def test_quotes_belong_to_a_key_unless_they_surround_it(api: Api) -> None:
    ids = {
        keyed(api, key).json()["job_id"] for key in ('half"', "half", '"half', "k" * 255, f'"{"k" * 255}"')
    }
    assert len(ids) == 4


def test_a_key_in_vain_is_free_again(api: Api) -> None:
    assert keyed(api, "in-vain", timeout=0).status_code == 422
    assert "idempotency-replayed" not in keyed(api, "in-vain").headers


def test_a_key_lives_as_long_as_its_run(api: Api) -> None:
    first = keyed(api, "mortal").json()["job_id"]
    api.ended(first)
    api.delete(f"{RUNS}/{first}")
    again = keyed(api, "mortal")
    assert again.json()["job_id"] != first
    assert "idempotency-replayed" not in again.headers


@pytest.mark.scorecard(17)
async def test_fifty_at_once_are_one_run(shared: Server) -> None:
    async with httpx2.AsyncClient(base_url=shared.url, timeout=30) as client:
        body, headers = {"prompt": "x", "agent": "quick"}, {"Idempotency-Key": "fifty"}
        answers = await asyncio.gather(*(client.post(RUNS, json=body, headers=headers) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count("true") == 49


@pytest.mark.scorecard(17)
def test_a_key_outlives_a_killed_server(server: Server) -> None:
    body, headers = {"prompt": "x", "agent": "quick"}, {"Idempotency-Key": "durable"}
    with server.client() as client:
        first = client.post(RUNS, json=body, headers=headers).json()["job_id"]
    server.kill()
    server.start()
    with server.client() as client:
        again = client.post(RUNS, json=body, headers=headers)
        assert (again.json()["job_id"], again.headers["idempotency-replayed"]) == (first, "true")
        assert client.post(RUNS, json={**body, "prompt": "y"}, headers=headers).status_code == 409
        assert client.get(RUNS).json()["total"] == 1
