"""The tests. They keep compiled code, also where the environment forbids it: 200 servers start in a run."""

import os
import sys

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
