"""`praisonrun webhooks`: list webhooks, and send them again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from ..config.discovery import Named
from ..core.errors import Invalid, counted
from . import table
from .client import RUNS, Client
from .ids import find, short
from .local import target
from .pipe import print_lines, print_object

DELIVERIES = "/api/v1/deliveries"
PAGE = {"page_size": "100"}
HEAD = ("RUN", "STATE", "TRIES", "LAST", "NEXT", "URL")


def show(named: Named, *, dead: bool, as_json: bool) -> int:
    """Print a line for each of the newest deliveries; return 0."""
    with Client(target(named), tries=3) as client:
        page = client.call("GET", DELIVERIES, params=PAGE | ({"state": "dead"} if dead else {}))
    found = page["deliveries"]
    if as_json:
        print_lines(found)
        return 0
    if found:
        table.show(HEAD, [row(delivery) for delivery in found], spare=("NEXT", "TRIES", "LAST"))
    more = page["total"] - len(found)
    print(f"and {more} more" if more > 0 else counted(len(found), "webhook"), file=sys.stderr)
    return 0


def row(delivery: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a delivery."""
    tries = delivery["attempts"]
    last = (tries[-1]["error"] or str(tries[-1]["status"])) if tries else ""
    head = short(delivery["job_id"]), delivery["state"], str(len(tries)), last
    return (*head, delivery["next_attempt_at"] or "", delivery["url"])


def replay(named: Named, word: str | None, *, every: bool, as_json: bool) -> int:
    """Send a run's webhook again, or every one that was given up; return 0, or 1 if there was none."""
    if (word is None) is not every:
        raise Invalid("name a run, or use --all for every webhook that was given up")
    with Client(target(named), tries=3) as client:
        count = _dead_again(client) if word is None else _again(client, find(client, word)["job_id"])
    if as_json:
        print_object({"replayed": count})
    else:
        print(f"{counted(count, 'webhook')} will be sent again")
    return 0 if count else 1


def _again(client: Client, run_id: str) -> int:
    """Send a run's webhooks again; return how many there are."""
    path = f"{RUNS}/{run_id}/deliveries"
    found = client.call("GET", path)["deliveries"]
    for delivery in found:
        client.call("POST", f"{path}/{delivery['id']}/replay")
    return len(found)


def _dead_again(client: Client) -> int:
    """Send again what was given up; return how many webhooks that were."""
    return int(client.call("POST", f"{DELIVERIES}/replay")["replayed"])
