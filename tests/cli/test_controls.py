"""`wait`, `cancel`, `retry` and `show`: what they print, how they end, what they say of what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from praisonrun.cli import wait
from praisonrun.cli.client import RUNS, Client
from praisonrun.cli.proof import Target

from ..rigs.harness import Server
from ..rigs.terminal import Terminal
from ..rigs.wire_rig import Api
from .conftest import Command

# --- wait -----------------------------------------------------------------------------------------


def test_wait_ends_as_the_first_named_run_that_failed(
    shared: Server, api: Api, command: Command, tmp_path: Path
) -> None:
    late, failed, gate = api.submit("until", str(tmp_path / "gate")), api.submit("fail"), tmp_path / "gate"
    assert command("wait", late, failed, "--any") == (7, f"{failed}  failed: exited with code 7\n", "")
    words = [sys.executable, "-m", "praisonrun", "wait", "--state", str(shared.state), failed[-8:], late]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == f"{failed}  failed: exited with code 7\n"
        gate.touch()
        assert waiting.communicate(timeout=20) == (f"{late}  succeeded\n", "")
    assert waiting.returncode == 7
    code, out, _ = command("wait", late, "--json")
    assert (code, json.loads(out)) == (0, api.status(late))


def test_wait_has_a_timeout(api: Api, command: Command) -> None:
    run_id = api.submit("wait")
    code, out, err = command("wait", run_id, "--timeout", "1")
    assert (code, out, err) == (124, "", f"after 1 s 1 run had not finished: {run_id[-6:]}\n")
    assert command("wait", "none")[0] == 125


class Turns:
    """A server whose runs end when somebody asks what changed for the n-th time."""

    def __init__(self, *pages: dict[str, object]) -> None:
        self.pages, self.final, self.asked = list(pages), set[str](), list[str]()
        transport = httpx2.MockTransport(self)
        self.client = Client(Target("http://x"), transport=transport, pause=lambda _: None)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith(RUNS):
            run_id = request.url.path.rpartition("/")[2]
            self.asked.append(run_id)
            status = "succeeded" if run_id in self.final else "running"
            return httpx2.Response(200, json={"job_id": run_id, "status": status})
        assert request.headers["accept"] == "application/json"
        page: dict[str, object] = {"events": [], "next": "c", "reset": None, **self.pages.pop(0)}
        self.final |= set(page.pop("final", ()))  # type: ignore[call-overload]
        return httpx2.Response(200, json=page)


def change(run_id: str) -> dict[str, object]:
    return {"event": "run", "run": {"job_id": run_id}}


def test_only_what_changed_is_looked_at_and_all_of_it_after_a_reset() -> None:
    ends: dict[str, object] = {"events": [change("a")], "final": ["a"]}
    turns = Turns({}, {"events": [change("x")]}, ends, {"reset": {"reason": "ahead"}, "final": ["b"]})
    pauses: list[float] = []
    assert [run["job_id"] for run in wait.ended(turns.client, ["a", "b"], pause=pauses.append)] == ["a", "b"]
    assert turns.asked == ["a", "b", "a", "b"]
    assert pauses == [wait.BUSY]


# --- cancel ---------------------------------------------------------------------------------------


def test_cancel_waits_for_the_ends(api: Api, command: Command) -> None:
    runs = [api.submit("wait"), api.submit("stubborn")]
    code, out, err = command("cancel", *runs)
    assert (code, out, err) == (0, "".join(f"{run_id}  cancelled\n" for run_id in runs), "")
    assert command("cancel", runs[0], "--json")[0] == 0  # once more
    done = api.ran("quick")["job_id"]
    code, out, err = command("cancel", done)
    assert (code, out, err) == (1, f"{done}  succeeded\n", f"run {done} had finished already\n")


def test_cancel_by_filters(api: Api, command: Command) -> None:
    run_id = api.submit("wait", session_id="these")
    assert command("cancel", "--session", "these", "--agent", "other") == (0, "0 runs cancelled\n", "")
    code, out, _ = command("cancel", "--session", "these", "--json")
    assert (code, json.loads(out)) == (0, {"cancelled": 1, "job_ids": [run_id]})
    assert command("cancel", run_id, "--all")[0] == 2


# --- retry ----------------------------------------------------------------------------------------


def test_retry_follows_a_new_run(api: Api, command: Command) -> None:
    origin = api.ran("cat", "said")["job_id"]
    code, out, err = command("retry", origin[-6:])
    assert (code, out) == (0, "said")
    (made,) = {line.split()[1].rstrip(":") for line in err.splitlines() if line.startswith("run ")}
    assert api.status(made)["retry_of"] == origin
    code, out, _ = command("retry", origin, "-d")
    assert api.ended(out.strip())["status"] == "succeeded"


def test_retry_needs_what_was_never_stored(
    api: Api, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = api.ran("needy", envs={"SECRET": "12"})["job_id"]
    monkeypatch.delenv("SECRET", raising=False)
    code, _, err = command("retry", origin)
    assert (code, err) == (
        125,
        "praisonrun: envs are never stored: give SECRET again, with --env NAME or NAME=VALUE\n",
    )
    assert command("retry", origin, "--env", "SECRET=1234")[:2] == (0, "4\n")
    monkeypatch.setenv("SECRET", "123")
    assert command("retry", origin)[:2] == (0, "3\n")
    assert command("retry", api.submit("wait"))[0] == 125


def test_a_prompt_is_edited_before_it_is_tried_again(shared: Server, api: Api, tmp_path: Path) -> None:
    origin = api.ran("cat", "one")["job_id"]
    environ = {**shared.environ, "PRAISONRUN_STATE": str(shared.state), "VISUAL": "sed -i s/one/two/"}
    with Terminal("retry", "--edit", origin, cwd=tmp_path, environ=environ) as shown:
        assert shown.end() == 0
        assert shown.lines()[-1] == "two"
    with Terminal("retry", "--edit", origin, cwd=tmp_path, environ={**environ, "VISUAL": "true"}) as shown:
        assert shown.end() == 125
        assert "nothing was submitted" in shown.lines()[-1]


# --- show -----------------------------------------------------------------------------------------


def test_show_has_all_of_a_run(api: Api, command: Command) -> None:
    made = api.ran("makes", "first\nsecond", session_id="s", metadata={"m": 1})["job_id"]
    code, out, err = command("show", made[-6:])
    title, *lines = out.splitlines()
    assert (code, err, title) == (0, "", made)
    rows = dict(line.strip().split("  ", 1) for line in lines if line[2] != " ")
    assert rows["status"].strip() == "succeeded"
    assert rows["prompt"].strip() == "first"
    assert "             second" in lines
    assert rows["artifacts"] == "a.txt (12 B)"
    assert rows["metadata"].strip() == '{"m": 1}'
    assert rows["next"].strip() == f"praisonrun logs {made[-6:]} · retry {made[-6:]}"
    shown = json.loads(command("show", made, "--json")[1])
    single = api.get(f"{RUNS}/{made}").json()
    assert {name: shown[name] for name in single} == single
    assert shown["artifacts"][0]["path"] == "a.txt"
    assert {"result", "metrics", "deliveries"} <= shown.keys()


def test_show_says_why_a_run_failed_and_what_one_that_lives_does(api: Api, command: Command) -> None:
    failed, live = api.ran("fail")["job_id"], api.submit("wait")
    api.until(live, "up")
    wanted = {
        failed: ("failed: exited with code 7", "no", f"praisonrun logs {failed[-6:]} · retry "),
        live: ("running", "up", f"praisonrun logs -f {live[-6:]} · attach "),
    }
    for run_id, (status, printed, following) in wanted.items():
        lines = command("show", run_id)[1].splitlines()
        assert {f"  status     {status}", f"  printed    {printed}"} <= set(lines)
        assert lines[-1].startswith(f"  next       {following}")
