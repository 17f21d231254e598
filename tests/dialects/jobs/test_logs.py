"""The jobs dialect's logs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from praisonrun.dialects.jobs.logs import Stamps
from praisonrun.journal.last_lines import PIECE

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


def test_lines_have_their_times_where_these_are_wanted(api: Api, tmp_path: Path) -> None:
    run_id = api.submit("until", str(tmp_path / "gate"))
    api.until(run_id, "up")
    logs = f"{RUNS}/{run_id}/logs?timestamps=1"
    with api.stream("GET", f"{logs}&follow=1") as answer:
        (tmp_path / "gate").touch()
        lines = answer.read().decode().splitlines()
    assert [re.sub(r"^20[\d-]{8}T[\d:]{8}\.\d{3}Z ", "", line) for line in lines] == ["up", "done"]
    assert api.get(logs).text.splitlines() == lines
    assert api.get(f"{logs}&tail=1&stream=stdout").text.splitlines() == lines[1:]
    last = lines[1].split()[0]
    assert api.get(f"{RUNS}/{run_id}/logs?since={last}").text == "done\n"
    assert api.get(f"{RUNS}/{run_id}/logs?since=1h&tail=9").text == "up\ndone\n"
    assert api.get(f"{RUNS}/{run_id}/logs?since=2100-01-01").text == ""
    assert api.get(f"{RUNS}/{run_id}/logs?since=noon").status_code == 422


def test_a_reader_may_begin_again_where_it_began(api: Api) -> None:
    run_id = api.ran("bytes", b"one\ntwo\nthree".hex())["job_id"]
    logs = f"{RUNS}/{run_id}/logs"
    for query in ("", "tail=2", "tail=0", "since=2100-01-01"):
        first = api.get(f"{logs}?{query}")
        cursor = first.headers["praisonrun-cursor"]
        for again in ("", "&follow"):
            assert api.get(f"{logs}?cursor={cursor}{again}").content == first.content
    stamped = api.get(f"{logs}?tail=2&timestamps=1")
    for again in ("", "&follow"):
        asked = f"{logs}?timestamps=1&cursor={stamped.headers['praisonrun-cursor']}{again}"
        assert api.get(asked).content == stamped.content
    for cursor, status in {"65.0": 400, "64.1&tail=1": 422, "64": 422, "-1.0": 422}.items():
        assert api.get(f"{logs}?cursor={cursor}").status_code == status


def test_times_are_put_before_lines_whatever_the_parts() -> None:
    def stamped(*parts: tuple[int, bytes]) -> bytes:
        stamps = Stamps()
        return b"".join(piece for part in parts for piece in stamps([part])).replace(
            b"1970-01-01T00:00:", b""
        )

    assert stamped((1_000_000, b"a"), (2_000_000, b"b\n"), (3_000_000, b"c\n\nd")) == (
        b"01.000Z ab\n03.000Z c\n03.000Z \n03.000Z d"
    )
    long = stamped((0, b"\n" * 100_000))
    assert long == b"00.000Z \n" * 100_000
    assert max(map(len, Stamps()([(0, b"\n" * 100_000)]))) < PIECE * 1.5
