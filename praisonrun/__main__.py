"""The entry: for `serve` the spawner is forked first, while this process is still small."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main() -> int:
    """Run the command line and return its exit code."""
    spawner = None
    if serves(sys.argv[1:]):
        from praisonrun.process import spawner as small  # standard library only: a fork costs by the megabyte

        spawner = small.start()
        gc.disable()  # imports make no garbage worth looking for; the server enables it once it is up
    from praisonrun import cli

    return cli.main(spawner)


def serves(arguments: Sequence[str]) -> bool:
    """Say whether a command line is going to start the server."""
    words = [word for word in arguments if not word.startswith("-")]
    return words[:1] == ["serve"] and "--help" not in arguments


if __name__ == "__main__":
    sys.exit(main())
