"""`praisonrun pause` and `resume`."""

from __future__ import annotations

import json

import pytest

from praisonrun.cli.program import program
from praisonrun.cli.queue import change, told
from praisonrun.config.discovery import Named

from ..rigs.harness import Server
from ..rigs.wire_rig import Api


def test_pause_and_resume(api: Api, shared: Server, capsys: pytest.CaptureFixture[str]) -> None:
    named = Named(state=shared.state)

    def said(verb: str, agent: str | None, *, as_json: bool = False) -> str:
        assert change(named, verb, agent, as_json=as_json) == 0
        return capsys.readouterr().out

    assert said("pause", "one").endswith("waits for: praisonrun resume one\n")
    with pytest.raises(SystemExit, match="0"):
        program(["run", "-d", "--state", str(shared.state), "--agent", "one", "/dev/null"])
    out, err = capsys.readouterr()
    run_id = out.strip()
    assert err.startswith("waits: agent 'one' is paused, until: praisonrun resume one\n")
    assert "not paused: one (" in said("resume", "one")
    assert api.ended(run_id)["status"] == "succeeded"
    assert said("pause", None).startswith("paused: all agents (")
    resumed = json.loads(said("resume", None, as_json=True))
    assert (resumed["paused_since"], resumed["concurrency"]) == (None, 16)


def test_what_is_told_of_an_agent_that_is_gone() -> None:
    assert told({"agents": []}, "old") == "not paused: old (0 queued, 0 running)"
