"""The jobs dialect's logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...rigs.wire_rig import RUNS, Api

# Logs


def test_logs_are_what_was_printed(api: Api) -> None:
    run_id = api.ran("both")["job_id"]
    answer = api.get(f"{RUNS}/{run_id}/logs")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert sorted(answer.text.splitlines()) == ["err 1", "err 2", "out 1", "out 2"]
    for stream in ("stdout", "stderr"):
        kind = stream[3:]
        text = f"{kind} 1\n{kind} 2\n"
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}").text == text
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=1").text == f"{kind} 2\n"
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=99").text == text
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&tail=0").text == ""
        assert api.get(f"{RUNS}/{run_id}/logs?stream={stream}&follow").text == text
    for query in ("stream=both", "tail=-1", "tail=x", "follow=perhaps"):
        assert api.get(f"{RUNS}/{run_id}/logs?{query}").status_code == 422


@pytest.mark.parametrize(
    ("printed", "count", "last"),
    [("a\rb\n", 1, "a\rb\n"), ("a\nb", 1, "b"), ("a\nb", 2, "a\nb"), ("\n\n", 1, "\n")],
)
def test_a_tail_counts_newlines(api: Api, printed: str, count: int, last: str) -> None:
    run_id = api.ran("bytes", printed.encode().hex())["job_id"]
    assert api.get(f"{RUNS}/{run_id}/logs?tail={count}").content == last.encode()


def test_logs_follow_a_live_run_from_its_tail(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    assert api.get(f"{RUNS}/{run_id}/logs").text == "up\n"  # what there is, at once
    with api.stream("GET", f"{RUNS}/{run_id}/logs?follow=1&tail=1") as answer:
        chunks = answer.iter_text()
        assert next(chunks) == "up\n"
        (tmp_path / "gate").touch()
        assert "".join(chunks) == "done\n"
