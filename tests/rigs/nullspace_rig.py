"""What tests of agent deployments share: their agents, a client in the dialect's words, its own server."""

from __future__ import annotations

import uuid
from typing import Any

from .harness import Json
from .wire_rig import Api

BASE = "/v1/agent-deployments"
AGENTS = r"""
default: echo
agents:
  echo: {command: [/bin/cat], description: says it again, metadata: {team: a}}
  show:
    command: ["{python}", -c, "import os,sys,json; say = sys.stdout.write; say(json.dumps({n: os.environ.get(n) for n in ('NULLSPACE_INPUT', 'FOO', 'HOME')}) + '\\n'); say(open(os.environ['PRAISONRUN_INPUT_PATH']).read() + '\\n')"]
    prompt: none
  fail:  {command: [/bin/sh, -c, 'echo no; touch "$PRAISONRUN_SCRATCH/left"; exit 7'], prompt: none}
  kept:  {command: [/bin/sh, -c, "exit 1"], prompt: none, retain: {on_failure: true, seconds: 60}}
  short: {command: [/bin/sleep, "60"], prompt: none, timeout: 0.2}
  wait:  {command: [/bin/sh, -c, "echo up; exec sleep 60"], prompt: none}
  one:   {command: [/bin/sh, -c, "echo up; exec sleep 60"], prompt: none, concurrency: 1}
  both:  {command: [/bin/sh, -c, "echo out; echo err >&2; exit 0"], prompt: none}
  count: {command: ["{python}", -c, "import sys; [print('line', i) for i in range(int(sys.stdin.read()))]"]}
  told:
    command: [/bin/sh, -c, 'echo ''{"step": "half", "percentage": 50}'' > "$PRAISONRUN_EVENTS"; echo odd > "$PRAISONRUN_EVENTS"']
    prompt: none
  manifest:
    command: [/bin/sh, -c, 'echo ''{"outputs": [{"path": "a", "mine": 1}], "more": 2}'' > "$PRAISONRUN_RESULT_PATH"']
    prompt: none
    outputs: [ignored.txt]
  outputs:
    command: [/bin/sh, -c, 'printf hi > "$PRAISONRUN_ARTIFACTS/a.txt"; printf there > here.txt; mkdir -p sub; ln -sf /etc/passwd sub/link']
    prompt: none
    outputs: [a.txt, here.txt, sub, sub/link, missing.txt, stale.txt]
  installs:
    # Says so to a pipe, and waits until it may go on.
    install: [/bin/sh, -c, "echo installing; echo x >> installs.log; read go < gate"]
    command: [/bin/sh, -c, "echo installed"]
    prompt: none
  broken: {install: [/bin/sh, -c, "echo cannot; exit 3"], command: [/bin/true], prompt: none}
  needy:  {command: [/bin/true], prompt: none, env_required: [SECRET, HOME], env_pass: [MAYBE, "GLOB_*"]}
  web:
    mode: service
    command: ["{python}", -u, -m, http.server, "{port}", --bind, 127.0.0.1]
    readiness: {type: http, path: /}
"""  # noqa: E501


class Client(Api):
    """A client of this dialect. Every answer that it reads is checked against the table."""

    def make(self, agent: str, given: Json = None, key: str | None = None, **more: Json) -> Json:
        """Create a run and return it."""
        keys = {"Idempotency-Key": key or str(uuid.uuid4())}
        body = {**({} if given is None else {"input": given}), **more}
        answer = self.post(f"{BASE}/{agent}/runs", json=body, headers=keys)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def run(self, made: Json) -> Json:
        """Return a run as it is now."""
        return self.get(f"{BASE}/{made['deployment_id']}/runs/{made['id']}").json()

    def final(self, made: Json) -> Json:
        """Return a run once it is final: its stream in the jobs dialect closes then."""
        self.get(f"/api/v1/runs/{made['id'].replace('adrun_', 'run_')}/stream")
        return self.run(made)

    def did(self, agent: str, given: Json = None, **more: Json) -> Json:
        """Create a run and return it once it is final."""
        return self.final(self.make(agent, given, **more))

    def log(self, made: Json, **query: Any) -> Json:
        """Return a page of a run's log."""
        answer = self.get(f"{BASE}/{made['deployment_id']}/runs/{made['id']}/logs", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def told(self, made: Json, text: str) -> None:
        """Return once a run or service said something, praisonrun's own words included."""
        run_id = made["id"].replace("adrun_", "run_").replace("adsvc_", "run_")
        self.until(run_id, text, "stream")


def code(answer: Json) -> tuple[int, str]:
    """Return an error's status and code; check its form."""
    body = answer.json()
    assert set(body) == {"error", "code", "request_id"}
    assert body["error"]
    assert answer.headers["x-request-id"] == body["request_id"]
    return answer.status_code, body["code"]
