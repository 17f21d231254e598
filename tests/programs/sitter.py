"""Ignores every polite request; so does its child, which leads a session of its own and holds stdout."""

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
told, tell = os.pipe()
if os.fork():
    os.read(told, 1)
    print("ready", flush=True)
else:
    os.setsid()
    os.write(tell, b"x")
time.sleep(600)
