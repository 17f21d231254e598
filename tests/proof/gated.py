"""Is ready, and leaves when the file that its prompt names is there."""

import os
import sys
import time

name = sys.stdin.read()
print("ready", flush=True)
while not os.path.exists(name):
    time.sleep(0.01)
