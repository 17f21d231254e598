"""Ignores every polite request, and so does its child."""

import os
import signal
import time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print("ready", flush=True)
time.sleep(600)
