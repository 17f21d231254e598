"""The entry point. For `serve` the spawner is forked first, while this process is still small."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from praisonrun.process import surroundings

if TYPE_CHECKING:
    import socket

    from praisonrun.config.settings import Settings


def main() -> int:
    """Run the command line and return its exit code."""
    _open_standard_streams()
    surroundings.hear_signals()
    started = _start_spawner() if serves(sys.argv[1:]) else None
    from praisonrun import cli

    def run_server(settings: Settings) -> int:
        from praisonrun.server import serve  # the commands that ask a server do not pay for one

        return serve(settings, *(started or _start_spawner()))

    return cli.main(run_server)


def _start_spawner() -> tuple[socket.socket, dict[str, Any]]:
    """Start the spawner; return its control socket, and the surroundings that the user's agents get."""
    from praisonrun.process import spawner  # standard library only: a fork costs by the megabyte

    user = surroundings.take()
    control = spawner.start()
    gc.disable()  # imports leave little garbage; the server enables it once it is up
    return control, user


def serves(arguments: Sequence[str]) -> bool:
    """Say whether a command line starts the server."""
    words = [word for word in arguments if not word.startswith("-")]
    return words[:1] == ["serve"] and "--help" not in arguments


def _open_standard_streams() -> None:
    """Open /dev/null for standard descriptors that the caller closed: a database must not become stderr."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    sys.exit(main())
