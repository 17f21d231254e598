"""Amounts, as a person reads them; what runs used, in `ps` and `show`."""

from __future__ import annotations

import json

import pytest

from praisonrun.cli.amounts import cost, size, span, tokens

from ..rigs.wire_rig import Api
from .conftest import Command


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (None, ("", "")),
        ({"n": 5, "cost": 0}, ("", "")),
        ({"input_tokens": 933, "output_tokens": 7}, ("940", "")),
        ({"prompt_tokens": 5446, "completion_tokens": 26, "cost": 0.022304}, ("5.5k", "$0.0223")),
        ({"input_tokens": 1_200_000, "cost_usd": 12.3}, ("1.2M", "$12.30")),
        ({"output_tokens": 2.5e9, "cost_usd": 0.000001}, ("2.5G", "$0.0001")),
    ],
)
def test_a_person_reads_it_at_a_glance(usage: dict[str, float] | None, shown: tuple[str, str]) -> None:
    assert (tokens(usage), cost(usage)) == shown


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (5e9, "5.0 GB")])
def test_bytes_have_a_unit(count: float, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0s"), (59, "59s"), (120, "2m"), (7200, "2h"), (9e5, "10d")]
)
def test_a_time_has_one_unit(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_ps_has_columns_for_what_some_run_used(api: Api, command: Command) -> None:
    used = {"input_tokens": 1_234_567, "cost_usd": 0.5}
    ran = api.ran("told", json.dumps({"usage": used}) + "\n", session_id="spends")["job_id"]
    api.ran("echo", session_id="spends")
    code, out, _ = command("ps", "-a", "--session", "spends")
    head, idle, dear = out.splitlines()
    assert code == 0
    assert head.split() == ["ID", "STATUS", "AGENT", "AGE", "TOOK", "TOKENS", "COST", "WHAT"]
    assert dear[head.index("TOKENS") :].split()[:2] == ["1.2M", "$0.5000"]
    assert not idle[head.index("TOKENS") : head.index("WHAT")].strip()
    assert "input_tokens 1234567, cost_usd 0.5" in command("show", ran)[1]
    api.ran("echo", session_id="idle")
    assert "COST" not in command("ps", "-a", "--session", "idle")[1]
