"""Leaves a daemon behind: forked twice, in a session of its own, deaf, with all pipes closed and no mark."""

import os
import signal
import sys
import time

told, tell = os.pipe()
if os.fork():
    os.close(tell)
    os.read(told, 1)
    print("ready", flush=True)
    if "stay" in sys.argv:
        time.sleep(600)
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
for fd in (0, 1, 2):
    os.close(fd)
os.write(tell, b"x")
os.close(tell)
os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], {})
