"""A program that tells somebody something: its end is known, and it is ended when it takes too long."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from praisonrun.process import callback

pytestmark = pytest.mark.anyio


async def call(*words: str) -> str:
    return await callback.call(words, os.environ, 0o022)


async def test_how_it_ended_is_known(tmp_path: Path) -> None:
    assert await call("/bin/true") == ""
    assert await call("/bin/sh", "-c", "exit 3") == "exited with code 3"
    assert await call("/bin/sh", "-c", "kill -9 $$") == "died by signal 9"
    assert await call(str(tmp_path / "gone")) == "cannot be started: no such file or directory"
    assert await call(str(tmp_path)) == "cannot be started: permission denied"
    assert await call("/bin/true", "x" * 3_000_000) == "cannot be started: argument list too long"


async def test_it_has_a_session_and_nothing_of_the_server_s(tmp_path: Path) -> None:
    told = tmp_path / "told"
    look = (
        "import os, sys; fds = sorted(map(int, os.listdir('/proc/self/fd')))[:3]; "
        "links = {os.readlink(f'/proc/self/fd/{fd}') for fd in fds}; "
        "print(os.getsid(0) == os.getpid(), fds, links, os.umask(0), file=open(sys.argv[1], 'w'))"
    )
    assert await call(sys.executable, "-c", look, str(told)) == ""
    assert told.read_text() == "True [0, 1, 2] {'/dev/null'} 18\n"


@pytest.mark.parametrize("cancelled", [False, True])
async def test_one_that_takes_too_long_is_ended_with_its_children(
    cancelled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "held")
    script = f"exec 3> {tmp_path}/held; sleep 60 & echo up >&3; wait"
    monkeypatch.setattr(callback, "PATIENCE", 60 if cancelled else 0.5)
    calling = asyncio.create_task(call("/bin/sh", "-c", script))
    held = await asyncio.to_thread((tmp_path / "held").open)
    with held:
        assert await asyncio.to_thread(held.readline) == "up\n"
        if cancelled:
            calling.cancel()
            await asyncio.wait([calling])
            assert calling.cancelled()
        else:
            assert await calling == "took more than 0 s, and was ended"
        assert await asyncio.to_thread(held.read) == ""  # whoever held it is gone
