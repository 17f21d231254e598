"""Events and streams of the canonical dialect: the mapping to AG-UI; no disconnect loses or repeats one."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest

from praisonrun.core.model import Run, Snapshot, Status
from praisonrun.dialects.veryfront.events import RunEvents, camel, last_id
from praisonrun.dialects.veryfront.streams import Events
from praisonrun.engine.engine import Engine
from praisonrun.journal.format import HEAD_SIZE, START, Frame, Kind
from praisonrun.journal.results import Result
from praisonrun.web.responses import StreamLimits

from ...rigs.harness import Json, submit
from ...rigs.veryfront_rig import (
    AGENTS,
    TALK,
    agent,
    create,
    ended,
    events,
    made,
    ran,
    streamed,
    task,
    until_said,
)
from ...rigs.wire_rig import RUNS, Api, Call, app_of, house

NAMES = {
    "RunStarted", "Custom", "TextMessageStart", "TextMessageContent", "TextMessageEnd", "ToolCallStart",
    "ToolCallArgs", "ToolCallEnd", "ToolCallResult", "RunFinished", "RunError",
}  # fmt: skip
"""Of AG-UI's event names, those that we use."""


def kinds(told: list[Json]) -> list[str]:
    return [event["event_type"] for event in told]


def said_by(canon: Api, *lines: Json) -> list[Json]:
    """Return what the events of a structured agent say that prints these lines and then its result."""
    printed = "\n".join(json.dumps(line) for line in (*lines, {"type": "result", "result": "r"}))
    return events(canon, ran(canon, task("said", {"prompt": printed}))["run_id"])


def test_what_a_plain_agent_prints_is_one_message(canon: Api) -> None:
    run = ran(canon, agent("both", "x"))
    told = events(canon, run["run_id"])
    assert (kinds(told)[:2], kinds(told)[-2:]) == (
        ["RUN_STARTED", "TEXT_MESSAGE_START"],
        ["TEXT_MESSAGE_END", "RUN_FINISHED"],
    )
    text = [event["payload"] for event in told if event["event_type"].startswith("TEXT_MESSAGE")]
    assert len({(part["messageId"], part["contentId"]) for part in text}) == 1
    assert "".join(part.get("delta", "") for part in text) == run["output"] == "out 1\nout 2\n"
    logged = [event["payload"] for event in told if event["event_type"] == "CUSTOM"]
    assert {part["name"] for part in logged} == {"log"}
    assert "".join(part["value"]["text"] for part in logged) == "err 1\nerr 2\n"
    started, finished = told[0]["payload"], told[-1]["payload"]
    assert started == {"runId": run["run_id"], "threadId": TALK, "agentId": "both", "attempt": 1}
    assert (finished["runId"], finished["result"]) == (run["run_id"], run["output"])
    assert {event["payload"]["attempt"] for event in told} == {1}


def test_a_structured_agent(canon: Api) -> None:
    told = said_by(
        canon,
        {"type": "delta", "text": "he"},
        {"type": "message", "text": "whole"},
        {"type": "progress", "percentage": 5, "step": "s"},
        {"type": "usage", "input_tokens": 3, "output_tokens": 4, "cost": 0.5},
        {"type": "tool_call", "name": "grep", "id": "t1", "input": {"a": 1}},
        {"type": "tool_call", "name": "grep", "id": "t1", "output": "found", "status": "error"},
        {"type": "tool_call"},
        "no object",
    )
    assert kinds(told) == [
        "RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END",
        "CUSTOM", "CUSTOM",
        "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "TOOL_CALL_RESULT",
        "TOOL_CALL_START", "TOOL_CALL_END",
        "CUSTOM", "TEXT_MESSAGE_END", "RUN_FINISHED",
    ]  # fmt: skip
    delta, start, whole = (told[place]["payload"] for place in (2, 3, 4))
    assert (delta["delta"], whole["delta"], start["role"]) == ("he", "whole", "assistant")
    assert delta["messageId"] != start["messageId"] == whole["messageId"]
    assert told[6]["payload"]["value"] == {"percentage": 5.0, "step": "s"}
    call, arguments, result = (told[place]["payload"] for place in (8, 9, 11))
    assert (call["toolCallId"], call["toolCallName"]) == ("t1", "grep")
    assert (json.loads(arguments["delta"]), result["content"], result["isError"]) == ({"a": 1}, "found", True)
    assert told[12]["payload"]["toolCallName"] == "tool"
    assert told[12]["payload"]["toolCallId"] != "t1"
    assert told[14]["payload"]["value"]["text"] == '"no object"\n'
    assert told[-1]["payload"]["metadata"] == {"inputTokens": 3, "outputTokens": 4}
    assert told[-1]["payload"]["result"] == "r"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("fail", "exit_nonzero", "exited with code 7"),
        ("short", "timed_out", "timed out after 0.2 s"),
        ("nowhere", "spawn_failed", None),
    ],
)
def test_a_run_that_ends_badly_says_why(canon: Api, name: str, code: str, message: str | None) -> None:
    run = ran(canon, agent(name, "x"))
    told = events(canon, run["run_id"])
    last = told[-1]
    assert (last["event_type"], last["payload"]["code"]) == ("RUN_ERROR", code)
    assert last["payload"]["message"] == run["error"]["message"]
    assert message in (None, run["error"]["message"])
    assert (
        kinds(told).count("TEXT_MESSAGE_START")
        == kinds(told).count("TEXT_MESSAGE_END")
        == (code != "spawn_failed")
    )
    assert last["created_at"] == run["completed_at"]


def test_a_cancelled_run_is_an_abort_to_the_client(canon: Api) -> None:
    run_id = made(canon, agent("wait", "x"))
    until_said(canon, run_id)
    canon.post(f"/runs/{run_id}/cancel")
    assert streamed(canon, run_id)[-1][1:] == (
        "RunError",
        {"code": "CANCELLED", "message": "cancelled", "attempt": 1},
    )
    held = made(canon, agent("echo", initial_status="pending"))
    canon.post(f"/runs/{held}/cancel")
    assert [name for _, name, _ in streamed(canon, held)] == ["RunError"]


def test_attempts_are_told_apart(canon: Api) -> None:
    run = ran(canon, agent("twice", "x", backoff_limit=1))
    told = events(canon, run["run_id"])
    assert kinds(told).count("RUN_STARTED") == 1
    names: dict[int, set[str]] = {}
    for event in told:
        if event["event_type"].startswith("TEXT_MESSAGE"):
            names.setdefault(event["payload"]["attempt"], set()).add(event["payload"]["messageId"])
    assert (sorted(names), len(names[1] | names[2])) == ([1, 2], 2)
    attempts = [event["payload"]["attempt"] for event in told]
    assert attempts == sorted(attempts)
    assert {"name": "status", "value": {"status": "running", "attempt": 2}, "attempt": 2} in [
        event["payload"] for event in told
    ]
    for after in told:  # a cursor between attempts knows where it is
        page = canon.get(f"/runs/{run['run_id']}/events", params={"after_event_id": after["event_id"]}).json()
        assert page["data"] == told[told.index(after) + 1 :]


def test_the_three_forms_tell_the_same(canon: Api) -> None:
    run_id = ran(canon, agent("story", "x"))["run_id"]
    told = events(canon, run_id)
    spoken = canon.get(f"/conversations/{TALK}/runs/{run_id}/events").json()["data"]
    live = streamed(canon, run_id)
    ids = [event["event_id"] for event in told]
    assert ids == sorted(set(ids))
    assert [(event["event_id"], camel(event["event_type"]), event["payload"]) for event in told] == live
    assert [
        {"event_id": event["event_id"], "event": {"type": event["event_type"], **event["payload"]}}
        for event in told
    ] == spoken
    assert {name for _, name, _ in live} <= NAMES
    latest = canon.get(f"/conversations/{TALK}/runs/{run_id}").json()["latest_event_id"]
    assert latest == ids[-1]


@pytest.mark.scorecard(21)
def test_resume_from_every_event(canon: Api) -> None:
    run_id = ran(canon, agent("twice", "x", backoff_limit=1))["run_id"]
    told = streamed(canon, run_id)
    assert len(told) > 8
    for number, (event_id, _, _) in enumerate(told[:-1], 1):
        assert streamed(canon, run_id, event_id) == told[number:]
    answer = canon.get(
        f"/conversations/{TALK}/runs/{run_id}/stream", headers={"Last-Event-ID": str(told[-1][0])}
    )
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_cursor_that_names_nothing_is_refused(canon: Api) -> None:
    run_id = ran(canon, agent("echo", "x"))["run_id"]
    told = events(canon, run_id)
    path = f"/conversations/{TALK}/runs/{run_id}"
    for cursor in ("99999999", str(told[2]["event_id"] + 16 * HEAD_SIZE), "x", "-1", "9" * 30):
        assert canon.get(f"{path}/stream", headers={"Last-Event-ID": cursor}).status_code == 400
        assert canon.get(f"{path}/events", params={"after_event_id": cursor}).status_code == 400
    assert canon.get(f"/runs/{run_id}/events", params={"limit": 0}).status_code == 400
    assert canon.get(f"/runs/{run_id}/events", params={"after_event_id": 1}).json()["data"] == told
    assert canon.get("/runs/nobody/events").status_code == 404


def test_the_latest_event_of_a_live_run(canon: Api) -> None:
    run_id = made(canon, agent("wait", "x"))
    until_said(canon, run_id)
    told = events(canon, run_id)
    path = f"/conversations/{TALK}/runs/{run_id}"
    assert canon.get(path).json()["latest_event_id"] == told[-1]["event_id"]
    assert told[-1]["event_type"] == "TEXT_MESSAGE_CONTENT"
    canon.post(f"/runs/{run_id}/cancel")
    slow = made(canon, agent("slow", "x", backoff_limit=1))
    told_slow = streamed(canon, slow, enough=4)
    assert told_slow[-1][1] == "TextMessageEnd"
    assert canon.get(f"/conversations/{TALK}/runs/{slow}").json()["latest_event_id"] == told_slow[-1][0]
    canon.post(f"/runs/{slow}/cancel")


@pytest.mark.scorecard(21)
def test_a_stream_goes_on_across_a_restart_of_the_server(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    for server in house(tmp_path, AGENTS):
        with server.client() as client:
            run_id = made(client, agent("until", str(gate)))
            before = streamed(client, run_id, enough=3)
        server.kill()
        server.start()
        with server.client() as client:
            gate.touch()
            after = streamed(client, run_id, before[-1][0])
            whole = streamed(client, run_id)
        assert before + after == whole
        assert [name for _, name, _ in whole][-1] == "RunFinished"
        text = "".join(data["delta"] for _, name, data in whole if name == "TextMessageContent")
        assert text == "up\ndone\n"


def test_many_viewers_see_the_same(canon: Api) -> None:
    run_id = made(canon, agent("lines", "50"))
    first = streamed(canon, run_id)
    assert streamed(canon, run_id) == first
    text = "".join(data["delta"] for _, name, data in first if name == "TextMessageContent")
    assert text == ended(canon, run_id)["output"]


async def test_a_silent_stream_has_a_heartbeat_and_ends_with_the_server(engine: Engine) -> None:
    labels = {"owner": {"kind": "conversation", "id": TALK}}
    run_id = await submit(engine, "echo", "", held=True, labels=labels)
    call = Call(f"/conversations/{TALK}/runs/{run_id}/stream")
    async with call.to(app_of(Events(engine, StreamLimits(), heartbeat=0.01))):
        assert b": heartbeat\n" in await call.until(b"heartbeat")
        engine.journals.dismiss()


RUN = Run(
    id="r", agent="a", version="v", created_at=1, updated_at=1, due_at=1, status=Status.SUCCEEDED,
    attempt=1, journal_end=4096, finished_at=5,
)  # fmt: skip


def test_every_id_of_a_frame_is_its_own() -> None:
    """One line may say more than a frame has slots: its header's bytes have ids, too."""
    line = Frame(Kind.STDOUT, 7, START, json.dumps({"type": "message", "text": "x"}).encode())
    after = Frame(Kind.STDOUT, 7, line.end, b"plain\n")
    told = RunEvents(RUN, "jsonl", lambda: None).events([line, after])
    ids = [event.id for event in told]
    assert ids == [START * 16, START * 16 + 1, START * 16 + 2, line.end * 16]


def test_a_usage_that_the_client_could_not_read_is_left_out() -> None:
    usage = {"input_tokens": 1.5, "output_tokens": -1, "total_tokens": 2**60, "cache_read_input_tokens": 0}
    [last] = RunEvents(RUN, "text", lambda: None).last(Snapshot(RUN, usage=usage), Result("x"))
    assert last.payload["metadata"] == {"cachedInputTokens": 0}
    assert (last.id, last.type) == (last_id(RUN), "RUN_FINISHED")


def test_the_run_s_message_is_its_own_for_good(canon: Api) -> None:
    accepted = create(canon, agent("echo", "x", conversation_mode="create_new"))
    run_id, talk = accepted["run"]["run_id"], accepted["conversation_id"]
    told = streamed(canon, run_id, talk=talk)
    assert told[0][2]["threadId"] == talk
    assert told[1][2]["messageId"] == accepted["message_id"] == str(uuid.UUID(accepted["message_id"]))


def test_every_line_of_a_batch_is_a_place_to_resume(canon: Api) -> None:
    lines = [{"type": "message", "text": "m"}, "plain", {"type": "tool_call", "input": 1}, "x", "y"]
    printed = "\n".join(map(json.dumps, [*lines, {"type": "result", "result": "r"}]))
    run_id = ran(canon, task("said", {"prompt": printed}))["run_id"]
    told = events(canon, run_id)
    ids = [event["event_id"] for event in told]
    assert ids == sorted(set(ids))
    for number, after in enumerate(ids, 1):
        page = canon.get(f"/runs/{run_id}/events", params={"after_event_id": after, "limit": 1000}).json()
        assert page["data"] == told[number:]
    url = f"{RUNS}/{run_id}"
    jobs = canon.get(f"{url}/events").json()["events"]
    assert len({event["id"] for event in jobs}) == len(jobs) > len(lines)
    for number, event in enumerate(jobs, 1):
        assert canon.get(f"{url}/events?after={event['id']}").json()["events"] == jobs[number:]
        if event["event"] == "log":
            assert canon.get(f"{url}/events?after={event['id'] + 16}").status_code == 400
            seen = canon.get(f"{url}/stream", headers={"Last-Event-ID": str(event["id"])}).text
            assert seen.count("\nid: ") + seen.startswith("id: ") == len(jobs) - number
