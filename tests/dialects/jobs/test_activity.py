"""What finished and what it used. The client checks each answer against what is promised of it."""

from __future__ import annotations

import json

import pytest

from ...rigs.harness import TIME, Json
from ...rigs.wire_rig import RUNS, Api

ACTIVITY, USAGE = "/api/v1/activity", "/api/v1/usage"
KINDS = ("finished", "failed", "cancelled")


def counts(found: Json) -> list[int]:
    return [sum(hour[kind] for hour in found["hours"]) for kind in KINDS]


def test_the_ends_of_the_last_hours(api: Api) -> None:
    before = counts(api.get(f"{ACTIVITY}?agent=fail").json())
    api.ran("fail")
    cancelled = api.submit("wait")
    api.post(f"{RUNS}/{cancelled}/cancel")
    answer = api.get(f"{ACTIVITY}?agent=fail")
    found = answer.json()
    assert [len(found["hours"]), *counts(found)] == [24, before[0] + 1, before[1] + 1, before[2]]
    assert [agent["agent"] for agent in found["agents"]] == ["fail"]
    assert all(TIME.fullmatch(hour["hour"]) for hour in found["hours"])
    again = api.get(f"{ACTIVITY}?agent=fail", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    everyone = api.get(f"{ACTIVITY}?hours=744").json()
    assert len(everyone["hours"]) == 744
    assert {"fail", "wait"} <= {agent["agent"] for agent in everyone["agents"]}
    assert counts(everyone) == [sum(agent[kind] for agent in everyone["agents"]) for kind in KINDS]


def test_an_agent_that_never_ran(api: Api) -> None:
    found = api.get(f"{ACTIVITY}?hours=1&agent=nobody").json()
    assert (counts(found), found["agents"], len(found["hours"])) == ([0, 0, 0], [], 1)


@pytest.mark.parametrize("hours", ["0", "745", "1.0", "x", ""])
def test_hours_are_from_1_to_744(api: Api, hours: str) -> None:
    assert api.get(f"{ACTIVITY}?hours={hours}").status_code == 422


def test_what_runs_used(api: Api) -> None:
    used = {"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5}
    prompt = "".join(json.dumps({"usage": used, "delta": True}) + "\n" for _ in "ab")
    before = api.get(f"{USAGE}?by=day").json()["total"]
    first = api.ran("told", prompt, session_id="dear")
    assert first["usage"] == {"input_tokens": 6, "output_tokens": 8, "cost_usd": 1.0}
    api.ran("fail", session_id="dear")
    more = {"finished": 2, "failed": 1, "cancelled": 0, "tokens_in": 6, "tokens_out": 8, "cost_usd": 1.0}
    answer = api.get(f"{USAGE}?by=session&since={first['created_at']}")
    assert {"name": "dear", **more} in answer.json()["usage"]
    assert answer.json()["since"][:13] == first["created_at"][:13]
    again = api.get(str(answer.request.url), headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    by_day, by_agent = (api.get(f"{USAGE}?by={by}").json() for by in ("day", "agent"))
    assert by_day["total"] == by_agent["total"] == {key: before[key] + more[key] for key in more}
    assert "told" in {row["name"] for row in by_agent["usage"]}
    assert by_day["usage"][-1]["name"] >= first["created_at"][:10] >= by_day["since"][:10]
    hours = api.get(ACTIVITY).json()["hours"]
    assert sum(hour["tokens_out"] for hour in hours) == by_agent["total"]["tokens_out"]
    assert api.get(f"{USAGE}?since=0001-01-01T00:00:00%2B14:00").json()["since"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize("query", ["by=hour", "by=", "since=soon", "since="])
def test_a_question_about_usage_is_understood_or_rejected(api: Api, query: str) -> None:
    assert api.get(f"{USAGE}?{query}").status_code == 422
