"""A row that cannot be read costs its own run: not a list, not the outbox, not a claim, not the start."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.agent import Agent
from praisonrun.core.errors import Unavailable
from praisonrun.core.model import Run, Status
from praisonrun.store import Find, Store


async def finished(store: Store, name: str) -> None:
    run = Run(name, "a", "v", 1, 1, 1, webhook_url="http://x.test/", env_names=("KEY",), labels={"a": "b"})
    await store.add(run, key=None, queue_limit=100)
    await store.change(name, lambda run: lifecycle.cancel(run, 2)._replace(summary={"usage": {"n": 1}}))


async def damage(store: Store, sql: str, *values: Any) -> None:
    """Change what is stored past all checks, as a bad disk or another version could."""

    def spoil(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute(sql, values)
        db.execute("PRAGMA ignore_check_constraints = OFF")

    await store._writer.run(spoil)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("summary", "{not json}"),
        ("metrics", '{"half": '),
        ("labels", "{" * 100_000),
        ("metadata", "nothing"),
        ("env_names", "[x]"),
        ("failure", "eaten_by_a_dog"),
        ("webhook_reach", "everywhere"),
    ],
)
async def test_a_damaged_column_is_read_as_nothing(store: Store, column: str, value: str) -> None:
    for name in ("run_1", "run_2", "run_3"):
        await finished(store, name)
    sound = await store.get("run_1")
    await damage(store, f"UPDATE runs SET {column} = ? WHERE id = 'run_2'", value)
    page = await store.find(Find())
    assert [run.id for run in page.runs] == ["run_3", "run_2", "run_1"]
    assert page.runs[2] == sound
    assert (await store.get("run_2")).status is Status.CANCELLED
    assert len(await store.outbox.due(10, 10)) == 3
    assert len((await store.outbox.find(None, 1, 10))[0]) == 3
    await store.delete("run_2")
    assert (await store.find(Find())).total == 2


async def test_a_run_whose_env_names_are_damaged_is_not_started_without_them(store: Store) -> None:
    run = Run("run_1", "a", "v", 1, 1, 1, env_names=("KEY",))
    await store.add(run, key=None, queue_limit=100)
    await damage(store, "UPDATE runs SET env_names = '[x]'")
    (claimed,) = await store.claim(1, 5, "boot", lambda *_: True)
    assert claimed.env_names


@pytest.mark.parametrize("column", ["metadata", "status"])
async def test_a_damaged_row_does_not_keep_others_from_being_claimed(store: Store, column: str) -> None:
    for name in ("run_1", "run_2"):
        await store.add(Run(name, "a", "v", 1, 1, 1), key=None, queue_limit=100)
    await damage(store, f"UPDATE runs SET {column} = 'odd' WHERE id = 'run_1'")
    assert [run.id for run in await store.claim(5, 5, "boot", lambda *_: True)][-1] == "run_2"
    assert [run.id for run in await store.oldest(0, 5)] == ["run_1", "run_2"]
    assert [run.id for run in await store.running()][-1] == "run_2"


async def test_a_damaged_delivery_is_a_dead_one(store: Store) -> None:
    for name in ("run_1", "run_2"):
        await finished(store, name)
    await damage(store, "UPDATE deliveries SET state = 'odd' WHERE run_seq = 1")
    assert [found.run_id for found in await store.outbox.due(10, 10)] == ["run_2"]
    shown, total = await store.outbox.find(None, 1, 10)
    assert total == 2
    assert [log.delivery.state.value for log in shown] == ["pending", "dead"]


AGENT = Agent("a", "/f", command=("x",), env={"SECRET": "value"})


@pytest.mark.parametrize(
    "change",
    [
        {"niceness": 3},
        {"command": None},
        {"mode": "daemon"},
        {"readiness": {"type": "http", "colour": "red"}},
        {"retain": []},
        {"crew": {"no": "crew"}},
        {"env": 7},
    ],
)
def test_a_version_of_another_praisonrun_is_named(change: dict[str, Any]) -> None:
    stored = {**AGENT.definition(), **change}
    with pytest.raises(Unavailable, match=r"version [0-9a-f]{12} of agent 'a' cannot be read"):
        Agent.from_definition(stored, {})
    with pytest.raises(Unavailable, match="cannot be read"):
        Agent.from_definition({}, {})


async def test_a_damaged_version_costs_itself(store: Store) -> None:
    await store.see_version(AGENT, 1)
    other = replace(AGENT, timeout=1.0)
    await store.see_version(other, 2)
    await damage(store, "UPDATE versions SET definition = '{x}' WHERE digest = ?", AGENT.version)
    with pytest.raises(Unavailable, match=f"version {AGENT.version[:12]} of agent 'a' cannot be read"):
        await store.version(AGENT.version)
    assert [each.number for each in await store.versions("a")] == [2]
    assert set(await store.agents_seen()) == {"a"}
