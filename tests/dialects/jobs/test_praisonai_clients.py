"""The unmodified public clients against a real server: the printed examples, and PraisonAI's own.

PraisonAI is run in an environment of its own: PRAISONRUN_TEST_PRAISONAI names its interpreter.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from ...rigs.harness import Json, Server
from ...rigs.wire_rig import RUNS, Api, house

# The examples of the API's documentation, as they are printed there.

CURL = r"""curl -X POST http://127.0.0.1:8005/api/v1/runs \
  -H "Content-Type: application/json" \
  -H "Idempotency-Key: unique-key-123" \
  -d '{
    "prompt": "Analyze the quarterly sales data",
    "timeout": 3600,
    "webhook_url": "https://example.com/callback",
    "session_id": "project-alpha"
  }'
"""
HTTPX = """import httpx

# Safe to retry - same key returns existing job
for attempt in range(3):
    try:
        response = httpx.post(
            "http://127.0.0.1:8005/api/v1/runs",
            json={"prompt": "Process data"},
            headers={"Idempotency-Key": "unique-operation-id"},
            timeout=10
        )
        break
    except httpx.TimeoutException:
        continue
"""
PRINTED = {"job_id", "status", "created_at", "poll_url", "stream_url"}


def at(server: Server, text: str) -> str:
    assert "127.0.0.1:8005" in text
    return text.replace("127.0.0.1:8005", f"127.0.0.1:{server.port}")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_example_as_printed(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(
        "agents: {stays: {command: [/bin/sleep, '60'], prompt: none}}"
    )  # so that nothing is called back
    with Server(tmp_path, file) as server:
        server.start()
        printed = [
            json.loads(
                subprocess.run(["/bin/sh", "-c", at(server, CURL)], capture_output=True, check=True).stdout
            )
            for _ in range(2)
        ]
        assert printed[0].keys() == PRINTED
        assert printed[0]["job_id"] == printed[1]["job_id"]
        with Api(server.url) as api:
            shown = api.status(printed[0]["job_id"])
            assert (shown["session_id"], shown["timeout"]) == ("project-alpha", 3600)
            assert api.get(RUNS).json()["total"] == 1
            assert printed[0]["poll_url"] == f"{server.url}{RUNS}/{shown['job_id']}"
            assert api.get(printed[0]["poll_url"]).json()["job_id"] == shown["job_id"]


def test_the_httpx_example_as_printed(shared: Server, api: Api) -> None:
    names: dict[str, Json] = {}
    example = at(shared, HTTPX).replace("import httpx\n", "import httpx2 as httpx\n")
    for _ in range(2):
        exec(compile(example, "example", "exec"), names)
        response = names["response"]
        assert isinstance(response, httpx2.Response)
        assert (response.status_code, response.json().keys()) == (202, PRINTED)
    assert response.headers["idempotency-replayed"] == "true"
    assert api.result(api.ended(response.json()["job_id"])["job_id"])["result"] == "got Process data\n"


# PraisonAI's own clients

COMMAND = """import sys
from praisonai_code.cli.features.jobs import handle_run_command
handle_run_command(sys.argv[1:])
"""
RECIPE = """import json, sys
from praisonai import recipe
print(json.dumps((lambda url: {body})(sys.argv[1])))
"""


def interpreter() -> str:
    given = os.environ.get("PRAISONRUN_TEST_PRAISONAI")
    if given:
        return given
    if importlib.util.find_spec("praisonai"):
        return sys.executable
    pytest.skip(
        "praisonai is not here: python -m venv DIR && DIR/bin/pip install praisonai httpx, "
        "then set PRAISONRUN_TEST_PRAISONAI=DIR/bin/python"
    )


@pytest.fixture(scope="module")
def python() -> str:
    return interpreter()


@pytest.fixture(scope="module")
def home(python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from house(tmp_path_factory.mktemp("clients"))


class Praison:
    """The commands of PraisonAI, each in a process of its own, as a person would run them."""

    def __init__(self, python: str, server: Server, place: Path) -> None:
        self._python, self._place, self.url = python, place, server.url

    def run(self, code: str, *arguments: str) -> str:
        """Return what a program printed. It must end well."""
        environ = {
            **os.environ,
            "COLUMNS": "200",
            "NO_COLOR": "1",
            "HOME": str(self._place),
            "PYTHONPATH": "",
        }
        done = subprocess.run(
            [self._python, "-c", code, *arguments],
            capture_output=True, text=True, timeout=120, cwd=self._place, env=environ,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def __call__(self, *arguments: str) -> str:
        return self.run(COMMAND, *arguments, "--api-url", self.url)

    def submit(self, prompt: str, *more: str) -> str:
        """Submit by the command line and return the job's id."""
        found = re.search(r"✓ Job submitted: (run_\w+)", self("submit", prompt, *more))
        assert found
        return found[1]

    def recipe(self, body: str) -> Json:
        """Return what an expression over `recipe` and `url` gives."""
        return json.loads(self.run(RECIPE.replace("{body}", body), self.url).splitlines()[-1])


@pytest.fixture
def praison(python: str, home: Server, tmp_path: Path) -> Praison:
    return Praison(python, home, tmp_path)


@pytest.fixture
def own(home: Server) -> Iterator[Api]:
    with Api(home.url) as client:
        yield client


unmodified = pytest.mark.clients


@unmodified
def test_submit_and_wait(praison: Praison, own: Api) -> None:
    printed = praison("submit", "two words", "--wait", "--session-id", "s1", "--idempotency-key", "k1")
    assert re.search(r"✓ Job submitted: run_\w+\n", printed)
    assert f" Status URL: {praison.url}{RUNS}/run_" in printed
    assert " Waiting for job completion..." in printed
    assert "Status: succeeded | Progress: 100%" in printed
    assert "got two words" in printed  # the result's panel
    again = json.loads(
        praison("submit", "two words", "--json", "--session-id", "s1", "--idempotency-key", "k1")
    )
    assert own.status(again["job_id"])["session_id"] == "s1"
    assert own.get(f"{RUNS}?session_id=s1").json()["total"] == 1
    failed = praison("submit", "x", "--recipe", "fail", "--wait")
    assert "Status: failed | Progress: 0%" in failed


@unmodified
def test_status_result_and_list(praison: Praison, own: Api) -> None:
    run_id = own.ran("story")["job_id"]
    shown = praison("status", run_id)
    for text in (f"Job ID: {run_id}", "Status: succeeded", "Progress: 50%", "Step: half", "Created: 20"):
        assert text in shown
    assert "Started: -" not in shown
    assert '"answer": 42' in praison("result", run_id)
    failed = own.ran("fail")["job_id"]
    assert "Error: exited with code 7" in praison("status", failed)
    assert "Job failed: exited with code 7" in praison("result", failed)
    listed = praison("list", "--page-size", "2")
    assert failed in listed
    assert run_id in listed
    assert re.search(r"Total: \d+ jobs", listed)
    only = praison("list", "--status", "failed")
    assert failed in only
    assert run_id not in only


@unmodified
def test_the_stream_as_a_person_sees_it(praison: Praison, own: Api) -> None:
    lines = '{"percentage": 30, "step": "reading"}\n{"percentage": 60}\n'
    printed = praison("stream", own.ran("told", lines)["job_id"])
    assert "Status: reading | Progress: 30%" in printed
    assert "Progress: 60%" in printed
    assert "None" not in printed
    assert "✓ Job completed: succeeded" in printed
    assert printed.rstrip().endswith("✓ Stream completed")
    failed = praison("stream", own.ran("fail")["job_id"])
    assert "✗ exited with code 7" in failed
    assert "✗ Job ended: failed" in failed
    assert failed.rstrip().endswith("✓ Stream completed")


@unmodified
def test_the_stream_as_a_program_sees_it(praison: Praison, own: Api) -> None:
    nasty = own.ran("bytes", "a\u2028b\x85c\rd\ne\n".encode().hex())["job_id"]
    events = [json.loads(line) for line in praison("stream", nasty, "--json").splitlines()]
    assert [event["event"] for event in events][-2:] == ["result", "complete"]
    assert "".join(e["data"]["text"] for e in events if e["event"] == "log") == "a\u2028b\x85c\rd\ne\n"
    assert all(event["event"] != "unknown" and event["data"] for event in events)
    untimed = [{name: event[name] for name in event if name != "ts"} for event in events]
    assert untimed == [data for _, _, data in own.events(nasty)[:-1]]


@unmodified
def test_cancel(praison: Praison, own: Api) -> None:
    run_id = own.submit("wait")
    own.until(run_id, "up")
    printed = praison("cancel", run_id, "--json")
    assert f"✓ Job cancelled: {run_id}" in printed
    assert json.loads(printed[printed.index("{") :])["status"] == "cancelled"
    ended = praison("stream", run_id)
    assert "✗ Job ended: cancelled" in ended
    assert ended.rstrip().endswith("✓ Stream completed")


@unmodified
def test_a_recipe_and_its_handle(praison: Praison, own: Api) -> None:
    found = praison.recipe(
        """(lambda job: [job.job_id, job.status, job.poll_url, job.stream_url,
           job.wait(poll_interval=0.1), job.get_status(), job.get_result(), job.cancel()])(
           recipe.submit_job("input", input="p", config={"a": 1}, session_id="s2", api_url=url))"""
    )
    run_id, status, poll_url, stream_url, waited, shown, result, cancelled = found
    assert (status, poll_url, stream_url) == ("queued", f"{praison.url}{RUNS}/{run_id}", f"{poll_url}/stream")
    assert waited["result"] == '{"prompt": "p", "config": {"a": 1}}s2'
    assert (shown["status"], result, cancelled) == ("succeeded", waited, False)
    assert own.status(run_id)["agent"] == "input"


@unmodified
def test_a_handle_cancels_and_a_key_is_one_job(praison: Praison, own: Api) -> None:
    run_id, cancelled, status = praison.recipe(
        """(lambda job: [job.job_id, job.cancel(), job.get_status()["status"]])(
           recipe.submit_job("wait", api_url=url))"""
    )
    assert (cancelled, status) == (True, "cancelled")
    one, two = praison.recipe(
        """[recipe.submit_job("quick", input="x", idempotency_key="k2", api_url=url).job_id for _ in "ab"]"""
    )
    assert one == two != run_id
    waited = praison.recipe(
        """recipe.submit_job("quick", input="x", api_url=url, wait=True, poll_interval=0.1).get_result()"""
    )
    assert waited["status"] == "succeeded"
