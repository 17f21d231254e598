"""What the tools do. Each asks the API; praisonrun's own facts come as JSON, with what to do next."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import quote

import anyio

from ..core.json import Json
from . import output, questions, words
from .api import RUNS, Api, asked, checked, url_of
from .arguments import Get, Nothing, One, Read, Reply, Retry, Submit, Wait
from .resources import uri_of

FINISHED = ("succeeded", "failed", "cancelled")
STEP = 5.0
"""Seconds from one progress notification to the next."""
ENDING = 20.0
"""Seconds that a cancel waits for the process to be gone."""
FILES = 30
"""Artifacts that are named."""
_FACTS = (
    "status", "phase", "agent", "attempt", "created_at", "started_at", "completed_at", "due_at", "exit_code",
    "signal", "failure", "usage", "cwd", "session_id", "retry_of", "parent",
)  # fmt: skip

Tell: TypeAlias = Callable[[float, float, str], Awaitable[None]]
"""Tells a client how long a call has waited, of how long at most, and for what."""
Said: TypeAlias = list[str]
"""What a tool says: facts as JSON, and perhaps text of others, marked as such."""


def facts(run: Mapping[str, Any], **more: Json) -> str:
    """Return what praisonrun itself knows of a run, as JSON."""
    known = {name: run[name] for name in _FACTS if run.get(name) is not None}
    wait, percent = run.get("queue_reason"), (run.get("progress") or {}).get("percentage")
    known |= {"percent": percent} if percent and not over(run) else {}
    asks = [{name: each[name] for name in ("id", "kind", "due_at")} for each in questions.still_open(run)]
    told = {**known, **({"queue_reason": words.one_line(wait)} if wait else {}), **more}
    told |= {"questions": asks} if asks else {}
    return json.dumps({"run_id": run["job_id"], **told}, ensure_ascii=False)


async def list_agents(api: Api, _given: Nothing, _tell: Tell) -> Said:
    offer = await api.agents()
    shown = [described(agent) for agent in runnable(offer)]
    return [json.dumps({"agents": shown, "default": offer["default"]}, ensure_ascii=False)]


def runnable(offer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the agents of an offer that can be submitted: a service is started by its own command."""
    return [agent for agent in offer["agents"] if agent["mode"] == "run"]


def _named(offer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: list[Mapping[str, Any]] = [agent for agent in offer["agents"] if agent["name"] == name]
    return found[0] if found else {"name": name}


def described(agent: Mapping[str, Any]) -> dict[str, Json]:
    """Return an agent as a model reads it."""
    cannot = words.one_line(agent["problem"] or "")
    lacks = ", ".join(agent["env_missing"])
    wants = f"it needs the environment variables {lacks}" if lacks else ""
    return {
        "name": agent["name"],
        "description": words.one_line(agent["description"], 400),
        **({"problem": cannot or wants} if cannot or wants else {}),
        **({"cwd": "caller"} if agent["cwd"] == "caller" else {}),
    }


async def submit_run(api: Api, given: Submit, _tell: Tell) -> Said:
    body: dict[str, Json] = given.model_dump(exclude_none=True)
    offer = await api.agents()
    name = given.agent or offer["default"]
    body = {**api.given(_named(offer, name)), **body}
    job = await asked(api, "POST", RUNS, body=body, key=uuid.uuid4().hex)
    return [facts({**job, "agent": name}, next="wait_run with this run_id")]


async def retry_run(api: Api, given: Retry, _tell: Tell) -> Said:
    origin, offer = await asked(api, "GET", url_of(given.run_id)), await api.agents()
    envs = api.given(_named(offer, origin["agent"])).get("envs")
    body: dict[str, Json] = {"prompt": given.prompt, "envs": envs}
    body = {name: value for name, value in body.items() if value is not None}
    job = await asked(api, "POST", url_of(given.run_id, "retry"), body=body, key=uuid.uuid4().hex)
    more = {"agent": origin["agent"], "retry_of": given.run_id}
    return [facts({**job, **more}, next="wait_run with this run_id")]


async def wait_run(api: Api, given: Wait, tell: Tell) -> Said:
    run = await settled(api, given.run_id, given.seconds, tell)
    said = await output.piece(api, given.run_id, given.cursor)
    parts = [*questions.asked_by(run), *output.said_of(run), ("output", said.text)]
    if over(run):
        result = await output.result(api, given.run_id, most=output.RESULT - output.PIECE)
        same = words.visible(result).strip() == said.text.strip()
        parts += [] if same else [("result", result)]
    following = {"cursor": said.cursor, "more_output": said.more, "next": _next(run, said)}
    return _with_words(run, following, parts)


async def get_run(api: Api, given: Get, _tell: Tell) -> Said:
    run = await asked(api, "GET", url_of(given.run_id))
    files = await asked(api, "GET", url_of(given.run_id, "artifacts"))
    parts = [("prompt", words.first(run["prompt"], 2000)), *questions.asked_by(run), *output.said_of(run)]
    if over(run):
        parts.append(("result", await output.result(api, given.run_id, given.result_from)))
    parts.append(("artifacts, as resources", artifacts(given.run_id, files["artifacts"])))
    more: dict[str, Json] = {"artifacts": len(files["artifacts"])}
    if not over(run):
        more["next"] = (
            questions.NEXT
            if questions.still_open(run)
            else "wait_run waits for its end; read_logs has its output"
        )
    return _with_words(run, more, parts)


async def read_logs(api: Api, given: Read, _tell: Tell) -> Said:
    run = await asked(api, "GET", url_of(given.run_id))
    if given.last_lines is not None:
        lines = await output.last_lines(api, given.run_id, given.last_lines)
        return _with_words(run, {}, [("last lines", lines)])
    said = await output.piece(api, given.run_id, given.cursor)
    return _with_words(
        run,
        {"cursor": said.cursor, "more_output": said.more, "next": _next(run, said)},
        [("output", said.text)],
    )


async def cancel_run(api: Api, given: One, tell: Tell) -> Said:
    await asked(api, "POST", url_of(given.run_id, "cancel"), query={"wait": "false"})
    run = await settled(api, given.run_id, ENDING, tell)
    more = {} if over(run) else {"next": "its process has not ended yet: wait_run"}
    return _with_words(run, more, output.said_of(run))


async def answer(api: Api, given: Reply, _tell: Tell) -> Said:
    ask_id = given.question_id
    if ask_id is None:
        ask_id = questions.only_one(await asked(api, "GET", url_of(given.run_id)))
    body: dict[str, Json] = {"answer": given.answer}
    told = await asked(api, "POST", url_of(given.run_id, "answers", quote(ask_id, safe="")), body=body)
    said = {
        "run_id": given.run_id,
        "question_id": ask_id,
        "state": told["state"],
        "next": "wait_run has what follows",
    }
    return [json.dumps(said, ensure_ascii=False)]


async def settled(api: Api, run_id: str, seconds: float, tell: Tell) -> dict[str, Any]:
    """Return a run once it has finished or waits for an answer, or as it is after some seconds."""
    began, tag = anyio.current_time(), ""
    run: dict[str, Any] = {}
    while True:
        passed = anyio.current_time() - began
        query = {"wait": f"{min(max(seconds - passed, 0.0), STEP):.3f}"} if tag else None
        reply = await api.ask(
            "GET", url_of(run_id), query=query, headers={"if-none-match": tag} if tag else None
        )
        if reply.status != 304:
            run, tag = checked(reply), reply.headers.get("etag", "")
        passed = anyio.current_time() - began
        if over(run) or questions.still_open(run) or passed >= seconds:
            return run
        await tell(passed, seconds, f"{run['status']} {words.progress(run.get('progress') or {})}".strip())


def over(run: Mapping[str, Any]) -> bool:
    return run["status"] in FINISHED


def artifacts(run_id: str, files: list[dict[str, Any]]) -> str:
    """Return a line for each of some files: its resource and its size."""
    lines = [f"{uri_of(run_id, 'artifacts', file['path'])} ({file['size']} bytes)" for file in files[:FILES]]
    return "\n".join([*lines, *([f"… and {len(files) - FILES} more"] if len(files) > FILES else [])])


def _next(run: Mapping[str, Any], said: output.Piece) -> str:
    if said.more:
        return "read_logs with this cursor has more of its output"
    if questions.still_open(run):
        return questions.NEXT
    return "it has finished; get_run has all of it" if over(run) else "call wait_run again with this cursor"


def _with_words(run: Mapping[str, Any], more: Mapping[str, Json], parts: list[tuple[str, str]]) -> Said:
    known = {name: value for name, value in more.items() if value is not None}
    theirs = words.marked(run, [(name, words.visible(text)) for name, text in parts])
    return [facts(run, **known), *([theirs] if theirs else [])]
