"""The process that forks shims: small, single-threaded, in a session of its own.

The server starts it once. A request is two descriptors, a journal and a lifeline; they go to a shim
that is idle, or else to a new one, and this process keeps neither. Standard library only.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from praisonrun.process import surroundings
from praisonrun.process.shim import main as shim
from praisonrun.process.shim.agent import SpawnFailed

IDLE_SECONDS = 1.0
"""How long an idle shim is kept."""
PING = b"?"
"""What the server sends to learn whether the spawner still works, and its answer."""
_OPEN = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
"""This process's descriptors. A bare container has no /dev/fd, a bare root directory neither."""
_CONTROL = 3
"""The descriptor of the control socket in the spawner, and of the pool socket in a shim."""
_CODE = (
    "import sys; sys.path[:0] = [{!r}]; "
    "from praisonrun.process.spawner import become, serve; become(0, serve)"
)


class Control(socket.socket):
    """The server's end of the control socket."""

    pid = 0
    """The spawner's, which is the server's child."""


def start() -> Control:
    """Fork a spawner from this process, which must have one thread; return its control socket.

    Fork before the heavy imports: what this process holds, every shim pays for.
    """
    if sys.platform == "darwin":  # forking a process that loaded its frameworks is unsafe there
        return start_exec()
    ours, theirs = socket.socketpair()
    if (pid := os.fork()) == 0:
        become(theirs.fileno(), serve)
    theirs.close()
    return _control(ours, pid)


def start_exec() -> Control:
    """Start a spawner as a fresh interpreter; return its control socket."""
    ours, theirs = socket.socketpair()
    place = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    argv = [sys.executable, "-I", "-S", "-c", _CODE.format(place)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PRAISONRUN_")}
    actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)]
    with theirs:
        try:
            pid = os.posix_spawn(sys.executable, argv, env, file_actions=actions)
        except OSError:
            ours.close()
            raise
    return _control(ours, pid)


def _control(ours: socket.socket, pid: int) -> Control:
    control = Control(fileno=ours.detach())
    control.pid = pid
    return control


def request(control: socket.socket, journal: int, lifeline: int) -> None:
    """Hand a journal and a lifeline on. The caller closes its own copies afterwards."""
    socket.send_fds(control, [b"r"], [journal, lifeline])


def serve(control: socket.socket) -> None:
    """Hand out runs until the server goes."""
    os.setsid()
    # Ended shims need no reaping. A shim has its agent's limit of CPU time for a moment: no reason to end.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)
    os.umask(0o077)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    gc.freeze()  # a collection in a shim must not touch, and so copy, what it shares
    Spawner(control, max(16, 2 * (os.cpu_count() or 1))).run()


class Spawner:
    """The control socket and the pool of shims."""

    def __init__(self, control: socket.socket, size: int) -> None:
        self._control = control
        self._size = size
        self._shims: dict[int, socket.socket] = {}
        self._idle: dict[int, float] = {}
        """Since when a shim is idle, the latest last."""
        self._poller = select.poll()
        self._poller.register(control, select.POLLIN)
        surroundings.allow_many_files()  # here each live run takes a descriptor

    def run(self) -> None:
        """Serve until the server's end of the control socket is closed."""
        while True:
            ready = [fd for fd, _ in self._poller.poll(self._pause())]
            for fd in ready:
                if fd != _CONTROL:
                    self._hear(fd)
            if _CONTROL in ready and not self._request():
                return
            old = time.monotonic() - IDLE_SECONDS
            for fd in [fd for fd, since in self._idle.items() if since <= old]:
                self._drop(fd)

    def _pause(self) -> float | None:
        if not self._idle:
            return None
        return max(0.0, 1 + 1000 * (next(iter(self._idle.values())) + IDLE_SECONDS - time.monotonic()))

    def _hear(self, fd: int) -> None:
        """A byte: the shim is idle. An end of file, or an error: it is gone."""
        try:
            said = self._shims[fd].recv(16)
        except OSError:
            said = b""
        if said and len(self._idle) < self._size:
            self._idle[fd] = time.monotonic()
        else:
            self._drop(fd)

    def _request(self) -> bool:
        try:
            said, fds = shim.receive_fds(self._control)
        except OSError:
            said, fds = b"", []
        try:
            if len(fds) == 2:
                self._hand_on(*fds)
            elif said == PING:
                with contextlib.suppress(OSError):
                    self._control.send(PING, socket.MSG_DONTWAIT)
        finally:
            for fd in fds:
                os.close(fd)
        return bool(said)

    def _hand_on(self, journal: int, lifeline: int) -> None:
        while True:
            try:
                fd = self._idle.popitem()[0] if self._idle else self._fork((journal, lifeline))
            except OSError as error:
                with socket.socket(fileno=os.dup(lifeline)) as life:
                    return shim.refuse(life, SpawnFailed("cannot start a process", error))
            try:
                return request(self._shims[fd], journal, lifeline)
            except OSError:  # an idle shim was killed
                self._drop(fd)

    def _fork(self, held: tuple[int, int]) -> int:
        ours, theirs = socket.socketpair()
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until the shim can take it
            if os.fork() == 0:
                top = max(ours.fileno(), theirs.fileno(), *held, *self._shims)
                become(theirs.fileno(), shim.serve, top)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        self._shims[ours.fileno()] = ours
        self._poller.register(ours, select.POLLIN)
        return ours.fileno()

    def _drop(self, fd: int) -> None:
        self._idle.pop(fd, None)
        self._poller.unregister(fd)
        self._shims.pop(fd).close()


def _highest() -> int:
    """Return this process's highest descriptor; the highest possible where the system does not tell."""
    try:
        return max(map(int, os.listdir(_OPEN)))
    except OSError:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return most if most != resource.RLIM_INFINITY else 1 << 20


def become(fd: int, main: Callable[[socket.socket], None], top: int | None = None) -> NoReturn:
    """Be a process that holds `fd`, as descriptor 3, and /dev/null; only the spawner keeps stderr.

    `top` is a shim's highest descriptor.
    """
    try:
        if fd != _CONTROL:
            os.dup2(fd, _CONTROL, inheritable=False)
        os.closerange(_CONTROL + 1, 1 + (top or _highest()))
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2) if top else (0, 1):
            os.dup2(null, number)
        os.close(null)
        main(socket.socket(fileno=_CONTROL))
    except BaseException:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(1)  # it ends, even if nobody takes what it says
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)
