"""Stops itself, after its child did: neither hears a SIGTERM until somebody says SIGCONT."""

import os
import signal

child = os.fork()
if child:
    os.waitpid(child, os.WUNTRACED)
    print("ready", flush=True)
else:
    os.setsid()
os.kill(os.getpid(), signal.SIGSTOP)
signal.pause()
