"""Scorecard 30: every parser, tried with thousands of inputs; see `tests/parsers.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..rigs.parsers import PARSERS, explore
from .world import seed

EXAMPLES = 5000


@pytest.mark.proof
@pytest.mark.scorecard(30)
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_or_refuses_thousands(figure: Callable[[str], None], name: str) -> None:
    figure(f"{name}: {explore(name, EXAMPLES, seed())} inputs tried, each taken or refused")
