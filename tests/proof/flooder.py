"""Prints as many times what its prompt says, says so at `gate`.fifo and waits for `gate`:
line, times, gate.

The line is `~` for 64 KiB of lines of 100 bytes.
"""

import os
import sys
import time

line, times, gate = sys.stdin.read().split()
data = (
    b"".join(b"%099d\n" % number for number in range(655)) if line == "~" else (line + "\n").encode() * 4096
)
for _ in range(int(times)):
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]
open(gate + ".fifo", "wb").close()  # waits for somebody who waits for this
while not os.path.exists(gate):
    time.sleep(0.01)
