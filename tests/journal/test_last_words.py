"""The last words of a failed attempt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from praisonrun.files.run_files import RunFiles
from praisonrun.journal.format import Kind
from praisonrun.journal.last_words import error_tail, plain_lines, telling
from praisonrun.journal.writer import Journal


def told(place: Path, *frames: tuple[Kind, bytes]) -> str | None:
    files = RunFiles(place)
    writer = Journal(files.reopen("run_1"))
    for kind, data in frames:
        writer.append(kind, data)
    os.close(writer.fd)
    return files.read("run_1", error_tail)


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"", ""),
        (b"\n \n\r\n", ""),
        (b"one\n\ntwo\n", "one\ntwo"),
        (b"10%\r20%\rdone\r\n", "done"),
        (b"\x1b[1;31mError\x1b[0m: \x1b]0;title\x07no\a \x00key\x7f", "Error: no key"),
        (b"".join(b"%d\n" % n for n in range(9)), "4\n5\n6\n7\n8"),
        (b"x" * 5000, "x" * 1000),
        (
            b"Error: no key\n    at go (/a/b.js:1:2)\n    at async main [as x] (file.js)\n  }\n}\n",
            "Error: no key",
        ),
        (b"caf\xc3\xa9 \xff", "café \N{REPLACEMENT CHARACTER}"),
        ("a\u2028b\u202ec\n".encode(), "abc"),
    ],
)
def test_they_are_plain_and_short(output: bytes, shown: str) -> None:
    assert telling(plain_lines(output)) == shown


def test_standard_error_says_more_than_output_and_only_the_latest_attempt_counts(tmp_path: Path) -> None:
    assert told(tmp_path, (Kind.STARTED, b"{}")) is None
    assert told(tmp_path, (Kind.STDOUT, b"out\n")) == "out"
    assert told(tmp_path, (Kind.STDERR, b"er"), (Kind.STDOUT, b"more\n"), (Kind.STDERR, b"ror\n")) == "error"
    assert told(tmp_path, *[(Kind.STDERR, b"y" * 10_000 + b"\n")] * 9, (Kind.STDERR, b"end")) == (
        "y" * 996 + "\nend"
    )
    assert told(tmp_path, (Kind.STARTED, b"{}"), (Kind.STDOUT, b"again")) == "again"
    assert told(tmp_path, (Kind.STARTED, b"{}")) is None
