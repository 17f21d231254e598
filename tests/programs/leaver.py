"""Leaves at once; its child keeps stdout open."""

import os
import time

if os.fork():
    print("left", flush=True)
else:
    time.sleep(600)
