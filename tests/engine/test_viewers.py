"""The bell: a watched run's shim is heard, even in a crowd."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from praisonrun.core.notifier import Notifier, run_topic
from praisonrun.engine.viewers import CROWDED, Viewers
from praisonrun.files.run_files import RunFiles
from praisonrun.journal import format as journal


async def test_a_ring_reaches_the_run_s_bell(tmp_path: Path) -> None:
    files, bells = RunFiles(tmp_path), Notifier()
    with Viewers(files, bells).listening(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shim:
        bell, other = bells.bell(run_topic("run_a")), bells.bell(run_topic("run_b"))
        shim.sendto(b"run_a", files.bell.path)
        await asyncio.wait_for(bell.wait(), 5)
        assert not other.is_set()


async def test_a_ring_lost_in_a_crowd_is_made_good(tmp_path: Path) -> None:
    files, bells = RunFiles(tmp_path), Notifier()
    watch = Viewers(files, bells)
    with watch.listening(), watch.watching("run_b"), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as shim:
        lost = bells.bell(run_topic("run_b"))
        for _ in range(CROWDED):
            shim.sendto(b"run_a", files.bell.path)
        await asyncio.wait_for(lost.wait(), 5)


async def test_the_flag_follows_the_watchers(tmp_path: Path) -> None:
    files = RunFiles(tmp_path)
    watch = Viewers(files, Notifier())
    with watch.watching("run_a"):  # before there is a journal
        fd = files.create("run_a")
        watch.refresh("run_a")
        with watch.watching("run_a"):
            pass
        assert os.pread(fd, 1, journal.WATCH_AT) == b"1"
    assert os.pread(fd, 1, journal.WATCH_AT) == b"0"
    os.close(fd)
