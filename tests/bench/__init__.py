"""Benchmarks: each figure beside its floor, measured in the same run, in turns. `python -m tests.bench`."""
