"""The unmodified npm package `veryfront` 0.1.1031 against a real server. `pytest -m clients`.

PRAISONRUN_TEST_VERYFRONT names a directory in which `npm install veryfront@0.1.1031` was run (node 20).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ...rigs.harness import Json, Server
from ...rigs.places import DATA
from ...rigs.veryfront_rig import AGENTS, SCHEMAS, WORDS, states
from ...rigs.wire_rig import house

PACKAGE = os.environ.get("PRAISONRUN_TEST_VERYFRONT", "")
pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(
        not PACKAGE or shutil.which("node") is None,
        reason="needs node 20, and PRAISONRUN_TEST_VERYFRONT: a directory made with "
        "`npm install veryfront@0.1.1031`",
    ),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    yield from house(tmp_path, AGENTS)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Put the script beside the package: an import looks there."""
    (tmp_path / "node_modules").symlink_to(Path(PACKAGE).resolve() / "node_modules")
    return Path(shutil.copy(DATA / "veryfront_client.mjs", tmp_path))


def node(script: Path, *arguments: str) -> Json:
    told = subprocess.run(["node", script, *arguments], capture_output=True, text=True, timeout=50)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_the_fixture_is_what_the_package_demands(script: Path) -> None:
    assert node(script, "describe") == SCHEMAS


def test_the_client_drives_the_server(script: Path, server: Server) -> None:
    known = states(server)
    seen = node(script, server.url, json.dumps(list(known.values())))

    assert seen["created"]["run"]["status"] == "pending"
    assert seen["again"]["duplicate"] is True
    assert seen["conflict"] == 409
    assert (seen["got"]["status"], seen["got"]["output"], seen["got"]["exit_code"]) == (
        "completed",
        "got hi\n",
        0,
    )
    assert (seen["got"]["timeout_seconds"], seen["got"]["backoff_limit"]) == (30, 2)
    told = [event["event_type"] for page in ("first", "rest") for event in seen[page]["data"]]
    assert told[0] == "RUN_STARTED"
    assert told[-1] == "RUN_FINISHED"
    assert len({event["event_id"] for page in ("first", "rest") for event in seen[page]["data"]}) == len(told)
    assert seen["child"]["run"]["root_run_id"] == seen["got"]["run_id"]
    assert (seen["cancelled"]["cancelled"], seen["cancelled"]["run"]["status"]) == (True, "cancelled")
    assert (seen["twice"]["cancelled"], seen["late"]["cancelled"]) == (True, False)
    assert [run["run_id"] for page in ("page", "next") for run in seen[page]["data"]] == [
        seen["child"]["run"]["run_id"], seen["got"]["run_id"],
    ]  # fmt: skip
    assert seen["next"]["page_info"]["next"] is None
    assert seen["all"] == len(known) + 2
    assert (seen["unknown"], seen["workflow"]) == (404, 400)

    assert (seen["held"]["status"], seen["ended"]["status"]) == ("pending", "completed")
    assert seen["ended"]["messageId"] == seen["held"]["messageId"]
    assert seen["ended"]["latestEventId"] == seen["stream"][-1]["eventId"]
    names = [event["eventName"] for event in seen["stream"]]
    assert (names[:2], names[-2:]) == (["RunStarted", "TextMessageStart"], ["TextMessageEnd", "RunFinished"])
    text = "".join(
        event["payload"]["delta"] for event in seen["stream"] if event["eventName"] == "TextMessageContent"
    )
    assert text == seen["agent"]["output"] == "got two steps\n"
    assert seen["resumed"] == seen["stream"][2:]
    assert all(event["chatEvents"] for event in seen["stream"])

    assert {run_id: run["fits"] for run_id, run in seen["runs"].items()} == dict.fromkeys(seen["runs"], True)
    assert {name: seen["runs"][run_id]["status"] for name, run_id in known.items()} == WORDS
