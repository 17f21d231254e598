"""The shim's end of a journal: append frames, cut off a torn tail, survive a full disk, ring the bell.

One process appends to a journal at a time. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Sequence

from praisonrun.journal import format as journal
from praisonrun.journal.reader import Reader

Bytes = bytes | memoryview
_SHORT = (errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""What keeps a ring from being sent for a while. macOS says ENOBUFS of a full queue."""
_BATCH = 500
"""Frames in one writev: they have two buffers each, and the limit of a call is 1024 buffers."""


class Journal:
    """An open, locked journal whose last frame is whole."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        last = Reader(fd).last()
        self.end = last.end if last else journal.START
        self._latest = last.time if last else 0
        """The time of the last frame: none after it is earlier, whatever the clock says."""
        self._bell: str | None = None
        self._name = b""
        self._socket: socket.socket | None = None
        self.refused = OSError("nothing was refused")
        """Why the disk refused what was to be appended last."""
        self._torn = True
        """Whether there may be bytes after the last whole frame."""
        self._cut_off()

    def ring_at(self, bell: str | None, name: str) -> None:
        """Send `name` to the datagram socket at `bell` after each append while the watch byte is set."""
        self._bell, self._name = bell, name.encode()

    def append(self, kind: int, *payloads: Bytes) -> bool:
        """Append a frame for each payload. Returns False if the disk refused some: all of a batch or none."""
        done = True
        for at in range(0, len(payloads), _BATCH):
            done &= self._append(kind, payloads[at : at + _BATCH])
        return done

    def append_surely(self, kind: int, payload: Bytes) -> None:
        """Append a frame. While the disk refuses, wait and try again, unless the file was removed."""
        while not self.append(kind, payload) and os.fstat(self.fd).st_nlink:
            time.sleep(0.5)

    def _append(self, kind: int, payloads: Sequence[Bytes]) -> bool:
        self._latest = now = max(self._latest, time.time_ns() // 1000)
        parts: list[Bytes] = []
        offset = self.end
        for payload in payloads:
            parts += journal.head(kind, len(payload), now, offset), payload
            offset += journal.HEAD_SIZE + len(payload)
        if not self._write(parts, offset - self.end):
            return False
        self.end = offset
        self._ring()
        return True

    def _write(self, parts: list[Bytes], size: int) -> bool:
        if self._torn and not self._cut_off():
            return False
        try:
            done = os.writev(self.fd, parts)
            if done < size:
                rest = b"".join(parts)
                while done < size:
                    done += os.write(self.fd, rest[done:])
        except OSError as error:
            self._torn = True
            self._cut_off()
            self.refused = error
            return False
        return True

    def cut(self, end: int) -> bool:
        """Cut off all frames from `end` on. Returns False if that failed."""
        self.end = end
        return self._cut_off()

    def _cut_off(self) -> bool:
        """Cut off the bytes after the last whole frame. Returns False if that failed."""
        try:
            os.ftruncate(self.fd, self.end)
            os.lseek(self.fd, self.end, os.SEEK_SET)
        except OSError as error:
            self.refused = error
            return False
        self._torn = False
        return True

    def ring_ask(self) -> bool:
        """Tell the server that the agent asks something; return False if that is to be tried again.

        A server that is not there reads it when it comes.
        """
        return self._bell is None or self._send(journal.ASKING + self._name, self._bell)

    def _ring(self) -> None:
        """Tell the server that the journal grew, if somebody watches the run."""
        if self._bell is not None and os.pread(self.fd, 1, journal.WATCH_AT) == b"1":
            self._send(self._name, self._bell)

    def _send(self, message: bytes, bell: str) -> bool:
        """Send to the server, if there is one; return False if its queue is full."""
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(message, bell)
        except BlockingIOError:
            return False
        except OSError as error:
            return error.errno not in _SHORT
        return True

    def sync(self) -> None:
        """Write the journal through to the disk, if possible."""
        with contextlib.suppress(OSError):  # the server stores the outcome too
            os.fsync(self.fd)
