"""Where the tests find what lies beside them."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
"""The checkout."""
PROGRAMS = TESTS / "programs"
"""What test agents run."""
DATA = TESTS / "data"
