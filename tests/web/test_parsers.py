"""Scorecard 30: no parser of ours answers anything but a value or a refusal, whatever it is given."""

from __future__ import annotations

import pytest

from praisonrun.webhooks import schedule

from ..rigs.parsers import DAILY, PARSERS, explore

EXAMPLES = 40


@pytest.mark.scorecard(30)
@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_takes_or_refuses(name: str) -> None:
    explore(name, EXAMPLES, DAILY)


@pytest.mark.parametrize(
    "date", [f"Wed, 21 Oct {'9' * 400} 07:28:00 GMT", f"Wed, 21 Oct 2026 07:28:00 -{'9' * 400}"]
)
def test_a_date_of_hundreds_of_digits_is_no_date(date: str) -> None:
    assert schedule.retry_after(503, date, 1) is None
