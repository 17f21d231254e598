"""`praisonrun cancel`: one run, some, or all that filters leave."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.discovery import Named
from ..core.errors import Invalid, counted
from .client import PATIENT, RUNS, Client
from .ids import several
from .local import target
from .outcome import finished, next_steps
from .pipe import print_object
from .screen import Screen
from .wait import print_run


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which runs, and what is printed."""

    run_ids: tuple[str, ...]
    every: bool
    agent: str | None
    session: str | None
    status: str | None
    as_json: bool

    def query(self) -> dict[str, str]:
        """Return the filters; empty where runs are named."""
        asked = {"agent": self.agent, "session_id": self.session, "status": self.status}
        asked |= {"all": "true" if self.every else None}
        return {name: value for name, value in asked.items() if value is not None}


def cancel(named: Named, wanted: Wanted) -> int:
    """Cancel runs and wait until they have ended; return 0, or 1 if a named one ended otherwise."""
    query = wanted.query()
    if query and wanted.run_ids:
        raise Invalid("name runs, or say which with --all, --agent, --session or --status, but not both")
    screen = Screen()
    with Client(target(named), tries=3) as client:
        return _found(client, query, wanted, screen) if query else _named(client, wanted, screen)


def _found(client: Client, query: dict[str, str], wanted: Wanted, screen: Screen) -> int:
    answer = client.call("POST", f"{RUNS}/cancel", params=query, timeout=PATIENT)
    if wanted.as_json:
        print_object(answer)
    else:
        print(f"{counted(answer['cancelled'], 'run')} cancelled")
        screen.hint("next: praisonrun ps --all")
    return 0


def _named(client: Client, wanted: Wanted, screen: Screen) -> int:
    runs, code = several(client, wanted.run_ids), 0
    for run_id in runs if len(runs) > 1 else ():  # so that their graces pass together
        client.cancel(run_id, wait=False)
    for run_id in runs:
        client.cancel(run_id)
        run = client.status(run_id)
        print_run(run, as_json=wanted.as_json)
        if run["status"] != "cancelled":
            code = 1
            screen.note(f"run {run_id} {'had finished already' if finished(run) else 'has not ended yet'}")
    if len(runs) == 1:
        screen.hint(next_steps(run_id, *(("show", "retry") if finished(run) else ("wait", "attach"))))
    return code
