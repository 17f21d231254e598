"""The scorecard: what the tests that carry its mark showed, as one table at the end of `pytest -m proof`."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..proof.world import seed

ROWS = {
    1: "acknowledged runs lost by kill -9",
    2: "runs started twice unasked",
    3: "runs in flight that survive a kill",
    4: "webhooks never delivered",
    5: "repeats under another webhook-id",
    6: "a crash at every system call",
    7: "fsync before 202",
    8: "the database after it all",
    9: "restart with much behind it",
    10: "a full disk",
    11: "writes and fsyncs that fail",
    12: "a shim killed",
    13: "hostile trees: what is left",
    14: "timeouts on time",
    15: "a grandchild holds stdout",
    16: "an output flood",
    17: "one key, one run",
    18: "engine against a model",
    19: "the scheduler in virtual time",
    20: "webhook receiver zoo",
    21: "streams that are cut off",
    22: "stalled streams",
    23: "slow clients",
    24: "limits of a request and of YAML",
    25: "attacks from a browser",
    26: "every route denies every stranger",
    27: "webhook urls by class of caller",
    28: "paths, links and pipes",
    29: "secrets and modes",
    30: "arbitrary requests, parsers",
    31: "soak",
    32: "upgrade and downgrade",
}
LEFT_OUT = {13: "Linux alone: no test shows what macOS leaves"}
"""The part of a row that no test shows."""
ELSEWHERE = {25: "pytest -m browser"}
"""How rows are shown that -m proof does not run."""
OTHERS = ("agents", "browser", "clients")
"""Marks of tests that need more than Python: -m proof does not run them."""
WIDTH = max(map(len, ROWS.values()))


def proof_is_asked(config: pytest.Config) -> bool:
    """Say whether the mark expression wants proofs."""
    return re.search(r"(?<!\bnot )\bproof\b", config.option.markexpr or "") is not None


def head() -> str:
    """Return what a reader needs to have this run again."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        commit = ""
    return f"seed {seed()} (again: PRAISONRUN_SEED={seed()}), commit {commit or 'unknown'}"


@pytest.fixture
def figure(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Keep what a proof came to for the table, and print it past pytest's capture."""

    def say(text: str) -> None:
        request.node.user_properties.append(("figure", text))
        if proof_is_asked(request.config):
            with capsys.disabled():
                print(f"\nfigure: {text}")

    return say


def pytest_configure() -> None:
    """Choose the seed: all tests of a run have the same, also those of other processes."""
    seed()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at the head which seed it is; pytest's own header is hidden by -q."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and proof_is_asked(session.config):
        terminal.write_line(head())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have every test of the scorecard run with the proofs, and its reports name its rows."""
    for item in items:
        rows = sorted({row for mark in item.iter_markers("scorecard") for row in mark.args})
        if unknown := [row for row in rows if row not in ROWS]:
            raise pytest.UsageError(f"{item.nodeid}: the scorecard has no rows {unknown}")
        if rows:
            item.user_properties.append(("scorecard", rows))
            if proof_is_asked(config) and not any(map(item.get_closest_marker, OTHERS)):
                item.add_marker("proof")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, or the seed of a run that failed."""
    stats = terminalreporter.stats
    if config.option.collectonly:
        return
    if proof_is_asked(config):
        terminalreporter.section(f"scorecard, {head()}")
        for line in table(stats):
            terminalreporter.write_line(line)
    elif stats.get("failed") or stats.get("error"):
        terminalreporter.write_line(head())


def table(stats: dict[str, list[pytest.TestReport]]) -> Iterator[str]:
    """Yield the lines of the scorecard."""
    told: dict[str, int] = {}
    for row, title in ROWS.items():
        found = {kind: [r for r in reports if row in _rows(r)] for kind, reports in stats.items()}
        label = f"{row:2}  {title:{WIDTH}}"
        for line in _results(row, found, told):
            yield f"{label}  {line}"
            label = " " * len(label)


def _results(row: int, found: dict[str, list[pytest.TestReport]], told: dict[str, int]) -> Iterator[str]:
    """Yield what a row came to; a figure that an earlier row has is only referred to."""
    passed, broken = found.get("passed", []), found.get("failed", []) + found.get("error", [])
    left_out = found.get("skipped", []) + found.get("xfailed", [])
    for report in broken:
        yield f"FAILED: {'; '.join([report.nodeid, *_of(report, 'figure')])}"
    figures = [text for report in passed for text in _of(report, "figure")]
    yield from (text for text in figures if text not in told)
    if above := sorted({told[text] for text in figures if text in told}):
        yield f"see {', '.join(map(str, above))}"
    told.update({text: row for text in figures if text not in told})
    if plain := sum(not _of(report, "figure") for report in passed):
        yield f"{plain} test{'s' * (plain > 1)} passed"
    yield from sorted({f"skipped: {_reason(report)}" for report in left_out})
    if not (passed or broken or left_out):
        yield f"not run: {ELSEWHERE[row]}" if row in ELSEWHERE else "not run"
    elif row in LEFT_OUT:
        yield f"({LEFT_OUT[row]})"


def _of(report: pytest.TestReport, name: str) -> list[str]:
    return [str(value) for key, value in getattr(report, "user_properties", ()) if key == name]


def _rows(report: pytest.TestReport) -> set[int]:
    properties = getattr(report, "user_properties", ())
    return {row for key, rows in properties if key == "scorecard" for row in rows}


def _reason(report: pytest.TestReport) -> str:
    """Return why a test was skipped, or is known to fail."""
    if known := getattr(report, "wasxfail", ""):
        return f"known to fail: {known}"
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix(
        "Skipped: "
    )
