"""Programs that the system does not start, and the word that says why: each is also tried for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from praisonrun.files import programs
from praisonrun.files.programs import env_misses, why_not

ELF = Path(sys.executable).resolve().read_bytes()[:4096]
FOREIGN = ELF[:18] + b"\x14\0" + ELF[20:]
LOADER = ELF.replace(b"/lib64/ld-linux", b"/lib64/no-linux").replace(b"/lib/ld-linux", b"/lib/no-linux")

FILES = {
    "no #!": (b"echo hi\n", "has no #! line: use [sh, {path}]"),
    "windows": (
        b"#!/bin/bash\r\necho hi\r\n",
        r"its interpreter '/bin/bash\r' does not exist: the file has Windows",
    ),
    "windows, with an option": (b"#!/bin/sh -e\r\n", None),
    "no interpreter": (b"#!/no/such\n", "its interpreter '/no/such' does not exist"),
    "nameless": (b"#! \necho\n", "names no interpreter"),
    "not executable": (b"#!/etc/passwd\n", "its interpreter '/etc/passwd' is not executable: chmod +x"),
    "directory": (b"#!/etc\n", "its interpreter '/etc' is a directory"),
    "relative": (b"#!python3\n", "a #! line needs an absolute path"),
    "too long": (b"#!/" + b"x" * 300 + b"\n", "more than 255 bytes"),
    "long option": (b"#!/bin/sh -e" + b" " * 300 + b"\n", None),
    "its own": (b"#!{path}\n", "and so on"),
    "mark": (b"\xef\xbb\xbf#!/bin/sh\n", "byte order mark"),
    "utf-16": ("#!/bin/sh\n".encode("utf-16"), "is UTF-16 text"),
    "empty": (b"", "is an empty file"),
    "blank line": (b"\n#!/bin/sh\n", "before its #!"),
    "windows program": (b"MZ\x90\0" + bytes(60), "another kind of machine"),
    "mac program": (b"\xcf\xfa\xed\xfe" + bytes(60), "another kind of machine"),
    "foreign machine": (FOREIGN, "another kind of machine"),
    "no loader": (LOADER, "its loader /lib"),
    "cut off": (ELF[:40], "was cut off"),
    "garbage": (b"\1\2\0\3" * 30, "neither a program nor a script"),
    "fine": (b"#!/bin/sh\n", None),
    "fine, with env": (b"#! /usr/bin/env sh\n", None),
}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what Linux starts")
@pytest.mark.parametrize("name", FILES)
def test_each_form_of_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_helped", lambda: False)
    data, says = FILES[name]
    place = tmp_path / "program"
    place.write_bytes(data.replace(b"{path}", str(place).encode()))
    place.chmod(0o755)
    told = why_not(str(place))
    if says is None:
        assert told is None
        return
    assert says.format(path=place) in str(told)
    with pytest.raises(OSError, match=r"program"):
        os.posix_spawn(place, [str(place)], {})


def test_each_place_that_is_no_program(tmp_path: Path) -> None:
    plain, link, loop = tmp_path / "plain", tmp_path / "link", tmp_path / "loop"
    plain.write_text("#!/bin/sh\n")
    link.symlink_to("nowhere")
    loop.symlink_to("loop")
    os.mkfifo(tmp_path / "pipe", 0o700)
    assert why_not(str(plain)) == f"is not executable: chmod +x {plain}"
    assert why_not(str(link)) == "is a symlink to nowhere, which does not exist"
    assert why_not(str(loop)) == "is a loop of symlinks"
    assert why_not(str(tmp_path)) == "is a directory"
    assert why_not(str(tmp_path / "pipe")) == "is not a regular file"
    assert why_not(str(plain / "below")) == why_not(str(tmp_path / "none")) == "does not exist"
    assert why_not("plain", str(tmp_path)) == f"is not executable: chmod +x {plain}"
    assert why_not(sys.executable) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("#!/usr/bin/env no-such", "asks env for 'no-such', which is not on PATH"),
        ("#!/usr/bin/env sh\r", r"asks env for 'sh\r', which is not on PATH: the file has Windows line ends"),
        ("#!/usr/bin/env -S no-such -x", "asks env for 'no-such'"),
        ("#!/usr/bin/env sh", None),
        ("#!/bin/sh no-such", None),
        ("", None),
    ],
)
def test_what_env_would_not_find(line: str, says: str | None, tmp_path: Path) -> None:
    place = tmp_path / "script"
    place.write_bytes(f"{line}\n".encode())
    place.chmod(0o755)
    told = env_misses(str(place), os.defpath)
    assert (says in str(told)) if says else told is None
    if says:
        done = subprocess.run([place], capture_output=True, check=False, env={"PATH": os.defpath})
        assert done.returncode == 127


@pytest.mark.parametrize("proc", [True, False])
def test_a_program_is_known_when_our_own_is_gone(proc: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(path: str, mode: str) -> IO[bytes]:
        if path == sys.executable or (path.startswith("/proc") and not proc):
            raise FileNotFoundError(path)
        return open(path, mode)

    programs._machine.cache_clear()
    monkeypatch.setattr(sys, "executable", "/a/version/that/was/removed")
    monkeypatch.setattr(programs, "open", opened, raising=False)
    try:
        assert programs.why_not("/bin/sh") is None
    finally:
        programs._machine.cache_clear()
