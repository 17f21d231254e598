"""Run command lines with odd standard streams, each in a fork of its own: a start costs too much for so many.

argv[1] is a JSON list of (arguments, streams): `out-` is closed, `out!` full, the same with `in` and `err`.
Prints a JSON list of (exit code, stdout, stderr).
"""

import json
import os
import sys
import tempfile

from praisonrun import __main__
from praisonrun.cli import check, client, info, local, run, service_file, webhooks  # noqa: F401

FULL = os.open("/dev/full", os.O_RDWR)
NAMES = ("in", "out", "err")


def case(arguments: list[str], streams: list[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if (pid := os.fork()) == 0:
            for number, file in ((1, out), (2, err)):
                os.dup2(file.fileno(), number)
            for stream in streams:
                odd(NAMES.index(stream[:-1]), closed=stream.endswith("-"))
            sys.argv[1:] = arguments
            sys.exit(__main__.main())
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = [os.pread(file.fileno(), 65536, 0).decode() for file in (out, err)]
        return code, said[0], said[1]


def odd(number: int, *, closed: bool) -> None:
    if closed:
        os.close(number)
        setattr(sys, f"std{NAMES[number]}", None)  # as the interpreter does it
    else:
        os.dup2(FULL, number)


if __name__ == "__main__":
    print(json.dumps([case(*each) for each in json.loads(sys.argv[1])]))
