"""Questions over HTTP: how a run shows them, what its stream tells, and what an answer is answered."""

from __future__ import annotations

import json

import pytest

from praisonrun.core.question import TEXT

from ...rigs.harness import Json
from ...rigs.wire_rig import RUNS, Api

OPTIONS = ["yes", "no"]


def asked(ask_id: str = "a", **more: Json) -> str:
    return json.dumps({"ask": {"id": ask_id, "question": "Deploy?" + "!" * 300, **more}})


def asking(api: Api, *lines: str) -> Json:
    """Submit a run that asks something; return its status once it waits."""
    run_id = api.submit("asks", "\n".join(lines))
    with api.stream("GET", f"{RUNS}/{run_id}/stream") as answer:
        names = (line for line in answer.iter_lines() if line.startswith("event: ask"))
        for _ in lines:
            next(names)
    while len((shown := api.status(run_id))["questions"]) < len(lines):
        pass
    return shown


def answered(api: Api, shown: Json, answer: Json, ask_id: str = "a") -> tuple[int, Json]:
    got = api.post(f"{RUNS}/{shown['job_id']}/answers/{ask_id}", json={"answer": answer})
    return got.status_code, got.json()


def test_a_run_that_asks_is_shown_everywhere(api: Api) -> None:
    shown = asking(api, asked(options=OPTIONS, default="no", kind="permission", timeout=90))
    assert (shown["status"], shown["phase"]) == ("running", "waiting")
    (question,) = shown["questions"]
    assert question["question"] == "Deploy?" + "!" * 300
    assert {name: question[name] for name in ("id", "options", "default", "kind", "state", "answer")} == {
        "id": "a",
        "options": OPTIONS,
        "default": "no",
        "kind": "permission",
        "state": "open",
        "answer": None,
    }
    (listed,) = [job for job in api.get(RUNS).json()["jobs"] if job["job_id"] == shown["job_id"]]
    (short,) = listed["questions"]
    assert (listed["phase"], short["question"]) == ("waiting", question["question"][:200])
    assert short.items() - {("question", short["question"])} <= question.items()
    code, told = answered(api, shown, "yes")
    assert (code, told) == (200, question | {"state": "answered", "answer": "yes"})
    events = api.events(shown["job_id"])
    (event,) = [data["data"] for _, name, data in events if name == "ask"]
    assert event == {
        "id": "a",
        "question": question["question"],
        "options": OPTIONS,
        "default": "no",
        "timeout": 90.0,
        "kind": "permission",
    }
    page = api.get(f"{RUNS}/{shown['job_id']}/events").json()["events"]
    assert [each["data"] for each in page if each["event"] == "ask"] == [event]
    final = api.status(shown["job_id"])
    assert (final["status"], final["phase"], final["questions"]) == ("succeeded", None, [told])
    assert api.result(shown["job_id"])["result"] == 'up\n{"id": "a", "answer": "yes"}\n'


def test_an_answer_is_taken_once(api: Api) -> None:
    shown = asking(api, asked(options=OPTIONS), asked("b"))
    assert answered(api, shown, "maybe")[1]["errors"] == [
        {"loc": ["answer"], "msg": "answer: must be one of 'yes', 'no'"}
    ]
    first = answered(api, shown, "no")
    assert (first[0], answered(api, shown, "no")) == (200, first)
    code, wrong = answered(api, shown, "yes")
    assert (code, wrong["detail"]) == (409, "question a was answered already: 'no'")
    assert answered(api, shown, "x", "c")[0] == 404
    assert answered(api, {"job_id": "run_none"}, "x")[0] == 404
    assert answered(api, shown, "x" * TEXT, "b")[0] == 200
    assert api.ended(shown["job_id"])["status"] == "succeeded"
    assert answered(api, shown, "no") == first


@pytest.mark.parametrize("body", ["{}", '{"answer": 1}', '{"answer": null}', '{"answer": "x", "more": 1}'])
def test_an_answer_that_is_none_changes_nothing(api: Api, body: str) -> None:
    shown = asking(api, asked())
    path, kind = f"{RUNS}/{shown['job_id']}/answers/a", {"Content-Type": "application/json"}
    assert api.post(path, content=body, headers=kind).status_code == 422
    assert answered(api, shown, "x" * (TEXT + 1))[0] == 422
    assert api.status(shown["job_id"]) == shown
    cancelled = api.post(f"{RUNS}/{shown['job_id']}/cancel").json()
    assert (cancelled["status"], cancelled["phase"], cancelled["questions"]) == ("cancelled", None, [])
    code, gone = answered(api, shown, "x")
    assert (code, gone["detail"]) == (410, "question a is void: the attempt that asked it has ended")


def test_a_poll_hears_of_a_question_and_of_its_answer(api: Api) -> None:
    shown = asking(api, asked())
    path = f"{RUNS}/{shown['job_id']}"
    tag = api.get(path).headers["etag"]
    answered(api, shown, "x")
    news = api.get(f"{path}?wait=20", headers={"If-None-Match": tag}).json()
    assert news["questions"][0]["state"] == "answered"
    api.ended(shown["job_id"])
