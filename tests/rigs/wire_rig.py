"""What tests of the wire share: a client that checks every answer, a call without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio
import httpx2
from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import ASGIApp, Message

from praisonrun.dialects import jobs, nullspace, veryfront
from praisonrun.dialects.jobs.event_models import StreamEvent
from praisonrun.dialects.system import System
from praisonrun.engine.engine import Engine
from praisonrun.web.errors import MEDIA_TYPE, Problem, handlers
from praisonrun.web.forms import Described
from praisonrun.web.operations import Operation, operations, routes
from praisonrun.web.responses import StreamLimits

from .harness import AGENTS, Json, Server, Sse

RUNS = "/api/v1/runs"
FINAL = ("result", "error", "cancelled")
STATUS_KEYS = {
    "job_id", "status", "progress", "created_at", "started_at", "completed_at", "agent_id", "run_id",
    "session_id", "error", "error_tail", "retry_after",
    "title", "cwd", "worktree", "due_at", "queue_reason", "usage",
    "agent", "exit_code", "signal", "timeout", "attempt", "metadata", "failure", "retry_of", "parent", "root",
    "phase", "questions",
}  # fmt: skip
"""The keys of a status object."""
JOB_KEYS = STATUS_KEYS | {"prompt", "queue_position"}
"""Those of a single run."""
MORE_AGENTS = """
  code:  {command: ["{python}", -c, "import sys; exec(sys.stdin.read())"], files: false}
  cat:   {command: [/bin/cat], files: false}
  said:  {command: [/bin/cat], format: jsonl, files: false, backoff: 0.01}
  bytes: {command: ["{python}", -c, "import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))"]}
  both:  {command: [/bin/sh, -c, "echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2"], prompt: none}
  input: {command: [/bin/sh, -c, 'cat "$PRAISONRUN_INPUT_PATH"; printf %s "$PRAISONRUN_SESSION_ID"']}
  left:  {command: [/bin/sh, -c, 'cat > "$PRAISONRUN_RESULT_PATH"']}
  large:
    # Its result is its prompt, where an @ stands for more than a MiB.
    command: ["{python}", -c, "import os,sys; open(os.environ['PRAISONRUN_RESULT_PATH'], 'w').write(sys.stdin.read().replace('@', 'x' * 1_200_000))"]
  told:  {command: [/bin/sh, -c, 'cat > "$PRAISONRUN_EVENTS"']}
  telling: {command: [/bin/sh, -c, 'cat > "$PRAISONRUN_EVENTS"; exec sleep 60']}
  telling-code: {command: ["{python}", -c, "import sys; exec(sys.stdin.read())"]}
  makes: {command: [/bin/sh, -c, 'cat > "$PRAISONRUN_ARTIFACTS/a.txt"']}
  short: {command: [/bin/sleep, "60"], prompt: none, timeout: 0.2, files: false}
  again: {command: [/bin/sh, -c, 'echo no; exit 3'], prompt: none, retries: 5, backoff: 30, files: false}
"""  # noqa: E501
WIRE_AGENTS = AGENTS + MORE_AGENTS


def table() -> list[Operation]:
    """Return every operation of the server."""
    nobody = cast("Engine", None)
    limits = StreamLimits()
    dialects = (
        jobs.dialect(nobody, limits, System(nobody)),
        veryfront.dialect(nobody, limits),
        nullspace.dialect(nobody),
    )
    return [row for dialect in dialects for row in dialect.operations]


AT_THE_DOOR = frozenset({400, 403, 413, 414, 415, 421, 431})
"""What the edge may answer on any route."""
_ROUTES = routes(table())
_TABLE = {(row.method, row.path): row for row in table()}


def operation_of(method: str, path: str) -> Operation | None:
    """Return the row that serves a request."""
    scope = {"type": "http", "method": method, "path": path}
    found = (route.path for route in _ROUTES if route.matches(scope)[0] is Match.FULL)
    return _TABLE.get(("GET" if method == "HEAD" else method, next(found, "")))


def check(answer: httpx2.Response) -> None:
    """Check an answer against what the table, and so the OpenAPI document, promises."""
    method, path = answer.request.method, answer.request.url.path
    path = path.removesuffix("/")  # which is routed like none
    operation = operation_of(method, path)
    if operation is None:
        assert answer.status_code in AT_THE_DOOR | {404, 405}, (method, path, answer.status_code)
        return
    promised = operation.answers.get(answer.status_code)
    if promised is None:
        assert answer.status_code in AT_THE_DOOR, (method, path, answer.status_code, answer.text)
    kind = answer.headers.get("content-type", "")
    if method == "HEAD":
        assert not answer.content
    elif kind == MEDIA_TYPE:
        exact(Problem, problem := answer.json())
        assert problem["status"] == answer.status_code
        assert problem["title"]
    elif promised is not None and kind == "application/json" and kind in promised.forms:
        exact(promised.forms[kind], answer.json())


def exact(form: type[Described], shown: Json) -> None:
    """Check that JSON is what a form describes: each key there, none too many, all the way down.

    Only keys that the form has a default for may be missing.
    """
    again = form.model().model_validate(shown, strict=True).model_dump(mode="json", exclude_unset=True)
    assert again.keys() == shown.keys()
    assert again == shown


class Api(httpx2.Client):
    """A client of a real server. Every answer that it reads is checked."""

    def __init__(self, url: str) -> None:
        super().__init__(base_url=url, timeout=30, verify=False, event_hooks={"response": [self._checked]})

    def _checked(self, answer: httpx2.Response) -> None:
        if answer.request.method == "HEAD" or answer.headers.get("content-type") in (
            "application/json",
            MEDIA_TYPE,
        ):
            answer.read()
        check(answer)

    def submit(self, agent: str, prompt: str = "x", **more: Json) -> str:
        """Submit a run and return its id."""
        answer = self.post(RUNS, json={"agent": agent, "prompt": prompt, **more})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def ended(self, run_id: str) -> Json:
        """Return the status object once the run is final: its stream closes then."""
        self.get(f"{RUNS}/{run_id}/stream")
        return self.status(run_id)

    def ran(self, agent: str, prompt: str = "x", **more: Json) -> Json:
        """Submit a run and return its status object once it is final."""
        return self.ended(self.submit(agent, prompt, **more))

    def status(self, run_id: str) -> Json:
        return self.get(f"{RUNS}/{run_id}").json()

    def result(self, run_id: str) -> Json:
        return self.get(f"{RUNS}/{run_id}/result").json()

    def events(self, run_id: str, after: int | None = None) -> list[tuple[int | None, str, Json]]:
        """Return the events of a stream, from a cursor on, up to where the server closes it."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self.stream("GET", f"{RUNS}/{run_id}/stream", headers=headers) as answer:
            assert answer.status_code == 200
            found = list(Sse(answer.iter_lines()))
        for _, name, data in found:
            if data != "[DONE]":  # what stands beside `data` is described nowhere
                exact(StreamEvent, {"event": name, "ts": "", "data": data["data"]})
        return found

    def until(self, run_id: str, text: str, where: str = "logs?follow") -> None:
        """Return when a run has printed something; in its `stream` praisonrun's own words count too."""
        with self.stream("GET", f"{RUNS}/{run_id}/{where}") as answer:
            seen = ""
            for chunk in answer.iter_text():
                seen += chunk
                if text in seen:
                    return
        raise AssertionError(f"{text!r} is not in {seen!r}")


def keyed(api: Api, key: str | None, **body: Json) -> httpx2.Response:
    """Submit a run with an idempotency key and return the answer."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post(RUNS, json={"prompt": "x", "agent": "quick", **body}, headers=headers)


def raw(api: Api, run_id: str, **headers: str) -> bytes:
    """Return all bytes of a run's stream."""
    return api.get(f"{RUNS}/{run_id}/stream", headers=headers).content


def app_of(*objects: object) -> ASGIApp:
    """Return an app of the operations that some objects serve, without an edge."""
    return Starlette(routes=routes(operations(*objects)), exception_handlers=handlers())


class Call:
    """One request to an ASGI app in this process, whose messages are seen as they are sent."""

    def __init__(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> None:
        path, _, query = path.partition("?")
        given = {"host": "127.0.0.1:8005", **(headers or {})}
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        }
        self.left = anyio.Event()
        """Set it, and the client is gone."""
        self._asked = False
        self._sender, self._sent = anyio.create_memory_object_stream[Message](1000)

    async def receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self._sender.send(message)

    async def head(self) -> dict[str, str]:
        """Return the headers of the answer, before any of its body is asked for."""
        return {name.decode(): value.decode() for name, value in (await self._sent.receive())["headers"]}

    async def until(self, text: bytes) -> bytes:
        """Return what was sent up to a text."""
        seen = b""
        while text not in seen:
            seen += (await self._sent.receive()).get("body", b"")
        return seen

    @asynccontextmanager
    async def to(self, app: ASGIApp) -> AsyncIterator[None]:
        """Make the request; leaving the block waits for its end."""
        async with anyio.create_task_group() as tasks:

            async def asked() -> None:
                await app(self.scope, self.receive, self.send)

            tasks.start_soon(asked)
            yield
        self._sender.close()
        self._sent.close()


def house(home: Path, agents: str = WIRE_AGENTS) -> Iterator[Server]:
    """Run a real server of some agents in a directory, killed with all that it runs."""
    file = home / "agents.yaml"
    file.write_text(agents)
    with Server(home, file, "--concurrency", "16") as server:
        server.start()
        yield server
