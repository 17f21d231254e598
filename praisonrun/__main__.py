"""The entry point. For `serve` the spawner is forked first, while this process is still small."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from praisonrun.process import streams, surroundings

if TYPE_CHECKING:
    from praisonrun.config.settings import Settings
    from praisonrun.process.spawner import Control

_PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}
_INTERRUPTED = 130
_FROM_A_KERNEL = 128
"""The `si_code` of a signal that a terminal sent, which every process of its foreground group has got."""


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        streams.take()
        return _main()
    except KeyboardInterrupt:  # also while a module is imported
        return _INTERRUPTED
    except OSError as error:
        sys.exit(f"praisonrun: {error.filename}: {error.strerror}")


def _main() -> int:
    if serves(sys.argv[1:]) and os.getpid() == 1:
        _stay_as_init()
    surroundings.hear_signals()
    started = _start_spawner() if serves(sys.argv[1:]) else None
    from praisonrun import cli

    def run_server(settings: Settings) -> int:
        from praisonrun.server import serve  # the commands that ask a server do not pay for one

        return serve(settings, *(started or _start_spawner()))

    return cli.main(run_server)


def _stay_as_init() -> None:
    """Return in a child. The first process of a container stays init: it reaps orphans and passes signals on.

    The server must not: who reaps any child takes the exit status from whoever waits for one.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    waited = _PASSED_ON | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    if (server := os.fork()) == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        got = signal.sigwaitinfo(waited)
        if got.si_signo != signal.SIGCHLD:
            if got.si_code != _FROM_A_KERNEL:
                os.kill(server, got.si_signo)
            continue
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == server:
                code = os.waitstatus_to_exitcode(ended[1])
                os._exit(code if code >= 0 else 128 - code)


def _start_spawner() -> tuple[Control, dict[str, Any]]:
    """Start the spawner; return its control socket, and the surroundings that the user's agents get."""
    from praisonrun.process import spawner  # standard library only: a fork costs by the megabyte

    user = surroundings.take()
    if lack := surroundings.lack():
        sys.exit(f"praisonrun: {lack}")
    try:
        control = spawner.start()
    except OSError as error:
        sys.exit(
            f"praisonrun: cannot start a process: {error.strerror}; is `ulimit -u` or `ulimit -v` too low?"
        )
    gc.disable()  # imports leave little garbage; the server enables it once it is up
    return control, user


def serves(arguments: Sequence[str]) -> bool:
    """Say whether a command line starts the server."""
    words = [word for word in arguments if not word.startswith("-")]
    return words[:1] == ["serve"] and "--help" not in arguments


if __name__ == "__main__":
    sys.exit(main())
