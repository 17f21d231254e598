"""What finished, by hour and agent. The client checks each answer against what is promised of it."""

from __future__ import annotations

import pytest

from ...rigs.harness import TIME, Json
from ...rigs.wire_rig import RUNS, Api

ACTIVITY = "/api/v1/activity"
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
