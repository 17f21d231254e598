"""Tells what it was given: descriptors, environment, signal mask, limits."""

import json
import os
import resource
import signal


def is_open(fd: int) -> bool:
    """Say whether a descriptor is anything."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


os.mkdir("probe")
seen = {
    "fds": [fd for fd in range(256) if is_open(fd)],
    "env": dict(os.environ),
    "cwd": os.getcwd(),
    "mode": oct(os.stat("probe").st_mode & 0o777),
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "group": os.getpgid(0) == os.getpid(),
    "stdin": os.readlink("/proc/self/fd/0") if os.path.exists("/proc/self/fd/0") else "",
}
print(json.dumps(seen))
