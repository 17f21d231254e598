"""Says two things and leaves."""

import sys

print("hello", sys.stdin.read() or "nobody")
print("done", file=sys.stderr)
