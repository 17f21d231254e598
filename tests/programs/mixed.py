"""Writes to both streams, each of which must keep its own bytes in order."""

import os

for number in range(200):
    os.write(1, b"out %d\n" % number)
    os.write(2, b"err %d" % number + (b"\n" if number % 3 else b""))
os.write(1, b"no newline at the end")
