"""Huey on SQLite with an fsync for each write, two threads: DATABASE. Run by an interpreter that has `huey`.

Reads counts, a line each; answers with the seconds that so many runs of /bin/true took, queued and done.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from huey import SqliteHuey  # type: ignore[import-not-found]


def main(database: str) -> None:
    """Consume in a child; queue and wait in this process."""
    done, tell = os.pipe()
    child = os.fork()  # before SQLite is open
    huey = SqliteHuey("bench", filename=database, fsync=True)

    def run() -> int:
        code = subprocess.call(["/bin/true"])
        os.write(tell, b".")
        return code

    task = huey.task(name="run")(run)
    if child == 0:
        huey.create_consumer(workers=2, worker_type="thread", initial_delay=0.001, max_delay=0.001).run()
    for line in sys.stdin:
        count, began = int(line), time.perf_counter()
        for _ in range(count):
            task()
        while count:
            count -= len(os.read(done, count))
        print(time.perf_counter() - began, flush=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(sys.argv[1])
