"""Writes as many lines of 100 bytes as are asked for, numbered, as fast as it can."""

import os
import sys

count, batch = int(sys.argv[1]), 1000
for start in range(0, count, batch):
    data = b"".join(b"%099d\n" % number for number in range(start, min(start + batch, count)))
    while data:
        data = data[os.write(1, data) :]
