"""Is ready, and then works for very long."""

import time

print("ready", flush=True)
time.sleep(600)
