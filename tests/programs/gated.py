"""Writes its second argument, waits at the gate (a FIFO, its first), writes its third so many times.

Both are hex.
"""

import os
import sys

gate, first, second, times = sys.argv[1:]
os.write(1, bytes.fromhex(first))
with open(gate, "rb") as file:
    file.read()
rest = bytes.fromhex(second) * int(times)
while rest:
    rest = rest[os.write(1, rest) :]
