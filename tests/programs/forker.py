"""A storm of 400 processes that fork their successors; half of them in sessions of their own."""

import os
import signal
import sys
import time


def storm(left: int) -> None:
    """Be replaced by a child, again and again."""
    while left and os.fork() == 0:
        left -= 1
        time.sleep(0.001)
    time.sleep(600)


signal.signal(signal.SIGTERM, signal.SIG_IGN)
for number in range(20):
    if os.fork() == 0:
        if number % 2:
            os.setsid()
        storm(19)
print("ready", flush=True)
time.sleep(0 if "leave" in sys.argv else 600)
