"""A finished run whose journal somebody removed: no dialect tells of an empty success."""

from __future__ import annotations

from praisonrun.dialects.nullspace.words import deployment_id
from praisonrun.files.run_files import RunFiles

from ..rigs.harness import Server
from ..rigs.nullspace_rig import BASE
from ..rigs.veryfront_rig import TALK, agent, ran
from ..rigs.wire_rig import RUNS, Api


def test_what_a_removed_journal_held_is_said_to_be_gone(canonical: Server, canon: Api) -> None:
    run_id = ran(canon, agent("echo", "x"))["run_id"]
    end = canon.get(f"{RUNS}/{run_id}/events").json()["next"]
    RunFiles(canonical.state).journal(run_id).unlink()
    gone = f"the files of run {run_id} are gone"
    spoken = f"/conversations/{TALK}/runs/{run_id}/stream"
    paths = [f"{RUNS}/{run_id}/{what}" for what in ("logs", "logs?tail=1&follow=true", "events", "stream")]
    for path in (*paths, f"/runs/{run_id}/events", spoken):
        answer = canon.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (410, gone), path
    deployment = f"{BASE}/{deployment_id('echo')}/runs"
    answer = canon.get(f"{deployment}/{canon.get(deployment).json()['items'][0]['id']}/logs")
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (410, gone, "gone")
    assert canon.get(f"{RUNS}/{run_id}").json()["status"] == "succeeded"
    found = canon.get(f"{RUNS}/{run_id}/result").json()
    assert (found["status"], found["result"], found["error"]) == ("succeeded", None, gone)
    whole = canon.get(f"/runs/{run_id}").json()
    assert (whole["status"], whole["output"], whole["logs"]) == ("completed", None, f"praisonrun: {gone}\n")
    # Who has everything has it still.
    assert canon.get(f"{RUNS}/{run_id}/stream", headers={"Last-Event-ID": str(end)}).status_code == 204
