"""What the shim makes of an agent that prints a line for each event: batches, long lines, caps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from praisonrun.journal.format import BATCH, Kind
from praisonrun.process.shim.stream import LINE
from praisonrun.process.spec import RESULT_CAP

from ..rigs.shim_rig import Live, Rig

RESULT = """printf '{{"type":"result","result":"%0{}d"}}\\n' 0"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("state"))
    yield made
    made.close()


def printed(rig: Rig, script: str, **more: Any) -> Live:
    live = rig.start(["/bin/sh", "-c", script], partial=False, **more)
    live.ended()
    return live


def sizes(live: Live) -> list[int]:
    return [len(frame.data) for frame in live.frames() if frame.kind is Kind.STDOUT]


def test_short_lines_share_a_frame_and_a_long_one_has_its_own(rig: Rig) -> None:
    live = printed(rig, "printf 'a\\n\\nb\\n'; printf '%0300000d\\n' 1; printf end")
    assert [size for size in sizes(live) if size > BATCH] == [300_001]
    assert live.data().endswith(b"1\nend")
    assert all(frame.data.endswith((b"\n", b"end")) for frame in live.frames() if frame.kind is Kind.STDOUT)


def test_a_million_tiny_lines_are_few_frames(rig: Rig) -> None:
    live = printed(rig, "yes '' | head -n 1000000")
    assert live.data() == b"\n" * 1_000_000
    # A pipe that the agent fills slowly may give smaller ones.
    assert len(sizes(live)) < 1_000_000 / 100
    assert max(sizes(live)) <= BATCH


def test_a_line_may_be_as_long_as_a_result_file(rig: Rig) -> None:
    assert LINE == RESULT_CAP
    live = printed(rig, RESULT.format(LINE - 29))
    assert sizes(live) == [LINE + 1]
    assert live.said[-1]["ended"]["error"] is None


@pytest.mark.parametrize("newline", [True, False])
def test_a_longer_one_is_passed_on_in_pieces_and_told(rig: Rig, *, newline: bool) -> None:
    script = RESULT.format(LINE) if newline else RESULT.format(LINE).replace("\\n", "")
    live = printed(rig, f"echo first; {script}")
    size = LINE + 29 + newline
    assert len(live.data()) == 6 + size
    assert max(sizes(live)) <= 1 << 20
    told = f"praisonrun: a line of {size} bytes is no event: at most {LINE}\n".encode()
    assert live.data(Kind.STDERR).lstrip(b"\n") == told
    how = "set `files: true` and write it to PRAISONRUN_RESULT_PATH"
    assert live.said[-1]["ended"]["error"] == f"the result event is {size} bytes, at most {LINE}; {how}"


def test_a_message_that_is_too_long_is_no_lost_result(rig: Rig) -> None:
    live = printed(rig, f"""printf '{{"type":"message","text":"%0{LINE}d"}}\\n{{"type":"result"}}\\n' 0""")
    assert b" bytes is no event" in live.data(Kind.STDERR)
    assert live.said[-1]["ended"]["error"] is None
    assert live.data().endswith(b'\n{"type":"result"}\n')


def test_the_cap_cuts_batches_by_line(rig: Rig) -> None:
    live = printed(rig, "seq 100000 199999; echo last", cap=10_000)
    data = live.data()
    assert all(len(line) == 6 for line in data.split(b"\n")[:-2])
    assert data.startswith(b"100000\n100001\n")
    assert data.endswith(b"199999\nlast\n")
    assert 9_000 < data.index(live.data()[-(1 << 16) :]) <= 10_000
