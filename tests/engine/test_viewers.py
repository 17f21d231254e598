"""The bell: a watched run's shim is heard, even in a crowd."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from praisonrun.core.notifier import Notifier, of_run
from praisonrun.engine.viewers import CROWDED, Viewers
from praisonrun.files.run_files import RunDir
from praisonrun.journal import format as journal


async def test_a_ring_reaches_the_run_s_bell(tmp_path: Path) -> None:
    rundir, bells = RunDir(tmp_path), Notifier()
    with Viewers(rundir, bells).listening(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shim:
        bell, other = bells.bell(of_run("run_a")), bells.bell(of_run("run_b"))
        shim.sendto(b"run_a", rundir.bell.path)
        await asyncio.wait_for(bell.wait(), 5)
        assert not other.is_set()


async def test_a_ring_lost_in_a_crowd_is_made_good(tmp_path: Path) -> None:
    rundir, bells = RunDir(tmp_path), Notifier()
    watch = Viewers(rundir, bells)
    with watch.listening(), watch.watching("run_b"), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shim:
        lost = bells.bell(of_run("run_b"))
        for _ in range(CROWDED):
            shim.sendto(b"run_a", rundir.bell.path)
        await asyncio.wait_for(lost.wait(), 5)


async def test_the_flag_follows_the_watchers(tmp_path: Path) -> None:
    rundir = RunDir(tmp_path)
    watch = Viewers(rundir, Notifier())
    with watch.watching("run_a"):  # before there is a journal
        fd = rundir.create("run_a")
        watch.refresh("run_a")
        with watch.watching("run_a"):
            pass
        assert os.pread(fd, 1, journal.WATCH_AT) == b"1"
    assert os.pread(fd, 1, journal.WATCH_AT) == b"0"
    os.close(fd)
