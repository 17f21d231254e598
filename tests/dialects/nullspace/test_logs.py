"""Nullspace logs over HTTP."""

from __future__ import annotations

import uuid

from ...rigs.nullspace_rig import BASE, Client, code

# Logs


def test_a_log_event_has_everything(client: Client) -> None:
    run = client.did("both")
    events = client.log(run)["events"]
    shown = [(event["source"], event["level"], event["event_type"], event["message"]) for event in events]
    pid = run["process_id"]
    assert shown[:2] == [
        ("lifecycle", "info", "run_queued", "run queued"),
        ("lifecycle", "info", "run_started", f"process {pid} started"),
    ]
    assert sorted(shown[2:4]) == [("stderr", "warn", "stderr", "err"), ("stdout", "info", "stdout", "out")]
    assert shown[4:] == [
        ("lifecycle", "info", "process_exited", "process exited with 0"),
        ("lifecycle", "info", "run_succeeded", "run succeeded"),
    ]
    for event in events:
        assert str(uuid.UUID(event["id"])) == event["id"]
        assert (event["run_id"], event["service_instance_id"]) == (run["id"], None)
        assert event["metadata"]["source"] == event["source"]
    assert len({event["id"] for event in events}) == len(events)
    assert client.log(run)["events"] == events


def test_what_an_agent_tells(client: Client) -> None:
    events = [event for event in client.log(client.did("told"))["events"] if event["source"] == "system"]
    assert [event["message"] for event in events] == ["half", "odd"]
    assert events[0]["metadata"]["event"] == {"step": "half", "percentage": 50}


def test_a_log_is_walked_by_cursor_offset_and_tail(client: Client) -> None:
    run = client.did("count", {"prompt": "40"})
    whole = client.log(run, limit=1000)
    messages = [event["message"] for event in whole["events"]]
    assert messages[2:42] == [f"line {i}" for i in range(40)]
    assert (whole["offset"], whole["limit"], whole["has_more"]) == (0, 1000, False)
    for step in (1, 7):
        walked: list[str] = []
        page = client.log(run, limit=step)
        while page["events"]:
            assert page["has_more"] == (len(walked) + len(page["events"]) < len(messages))
            walked += [event["message"] for event in page["events"]]
            page = client.log(run, limit=step, cursor=page["next_cursor"])
        assert walked == messages
        assert client.log(run, cursor=page["next_cursor"]) == {**page, "limit": 100}  # it stays where it was
    assert [event["message"] for event in client.log(run, offset=40, limit=3)["events"]] == messages[40:43]
    for count in (1, 5, 44, 45, 1000):
        tail = client.log(run, tail=count)
        assert [event["message"] for event in tail["events"]] == messages[-count:]
        assert client.log(run, cursor=tail["next_cursor"])["events"] == []
    for wrong in ({"cursor": "x"}, {"cursor": "65-0"}, {"cursor": "99999-0"}, {"tail": 0}, {"limit": 0}):
        answer = client.get(f"{BASE}/count/runs/{run['id']}/logs", params=wrong)
        assert code(answer) == (400, "invalid_request")


def test_a_follower_of_a_live_run_misses_nothing(client: Client) -> None:
    run = client.make("wait")
    client.told(run, "up")
    page = client.log(run)
    assert page["events"][-1]["message"] == "up"
    empty = client.log(run, cursor=page["next_cursor"])
    assert (empty["events"], empty["next_cursor"]) == ([], page["next_cursor"])
    client.post(f"{BASE}/wait/runs/{run['id']}/cancel")
    rest = client.log(run, cursor=empty["next_cursor"])["events"]
    assert [event["event_type"] for event in rest] == ["process_exited", "run_cancelled"]
    assert rest[-1]["metadata"]["failure_phase"] == "cancel"
