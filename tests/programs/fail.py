"""Leaves with a code of its own."""

import sys

print("bad luck", file=sys.stderr)
sys.exit(3)
