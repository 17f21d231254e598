"""The store's promises, on real SQLite: submits, decisions, claims, lists, counters, versions."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from praisonrun.core import lifecycle
from praisonrun.core.agent import Agent
from praisonrun.core.errors import Invalid, KeyReused, NotFound, QueueFull, WrongState
from praisonrun.core.model import Exit, Failure, Mode, Outcome, Run, Status
from praisonrun.store import Find, Key, Store, lists, reads, writes
from praisonrun.store.deliveries import owed

LIMIT = 1_000_000
KEY = Key("local", "k", {"f": 1})


def run(name: str = "run_1", **given: Any) -> Run:
    needed: dict[str, Any] = {"agent": "hello", "version": "v", "created_at": 1, "updated_at": 1, "due_at": 1}
    return Run(id=name, **{**needed, **given})


async def add(store: Store, *runs: Run) -> list[Run]:
    added = [await store.add(new, key=None, queue_limit=LIMIT) for new in runs]
    return [each.run for each in added]


def anything(_agent: str, _taken: int, _limit: int | None) -> bool:
    return True


def ended(found: Run, at: int = 9, status: Status = Status.SUCCEEDED) -> Run:
    failure = Failure.EXIT_NONZERO if status is Status.FAILED else None
    outcome = Outcome(status, failure)
    return lifecycle.finish(
        found, Exit(found.attempt, "exited", 0), outcome, at, journal_end=64, summary=None
    )


FULLEST = run(
    status=Status.FAILED,
    mode=Mode.SERVICE,
    prompt="say \0 \N{SNOWMAN}",
    input='{"a":1}',
    session_id="s",
    priority=-3,
    timeout=1.5,
    retries=2,
    backoff=0.5,
    attempt=1,
    started_at=2,
    finished_at=3,
    cancel_requested_at=3,
    cancel_reason="why",
    failure=Failure.LOST,
    error="gone",
    exit_code=1,
    signal=9,
    pid=7,
    boot="b",
    env_names=("A", "B"),
    metadata={"m": [1, None]},
    webhook_url="http://127.0.0.1/x",
    origin="run_0",
    retention_seconds=60,
    journal_end=64,
    summary={"s": "é"},
    metrics={"wall_seconds": 0.1},
)


async def test_every_field_returns_as_it_was(store: Store) -> None:
    [added] = await add(store, FULLEST)
    assert added == FULLEST._replace(seq=1, title="say  ☃")
    assert await store.get_full("run_1") == added
    assert await store.get("run_1") == added._replace(prompt="", input=None)


async def test_a_field_of_run_is_a_column(store: Store) -> None:
    table = await store._reader.run(lambda db: {row[1] for row in db.execute("PRAGMA table_info(runs)")})
    later = {"attempts", "caller_approve"}
    later |= {"limits", "schedule_tick"}
    assert table - {"key_scope", "fingerprint", "rev"} - later == set(Run._fields)


async def test_an_unknown_run_is_not_found(store: Store) -> None:
    for ask in (
        store.get("x"),
        store.get_full("x"),
        store.delete("x"),
        store.change("x", lambda r: r),
        store.version("x"),
    ):
        with pytest.raises(NotFound):
            await ask


async def test_the_same_key_and_payload_is_the_same_run(store: Store) -> None:
    first = await store.add(run("run_a"), key=KEY, queue_limit=1)
    again = await store.add(run("run_b"), key=KEY, queue_limit=1)
    assert (first.replayed, again.replayed, again.run.id) == (False, True, "run_a")
    named = await store.named(KEY)
    assert named is not None
    assert named.id == "run_a"
    assert await store.named(replace(KEY, scope="other")) is None
    with pytest.raises(KeyReused):
        await store.add(run("run_c"), key=replace(KEY, payload={"f": 2}), queue_limit=LIMIT)
    other = await store.add(run("run_d"), key=replace(KEY, scope="other"), queue_limit=LIMIT)
    assert not other.replayed


async def test_fifty_identical_submits_are_one_run(store: Store) -> None:
    submits = (store.add(run(f"run_{n}"), key=KEY, queue_limit=1) for n in range(50))
    answers = await asyncio.gather(*submits)
    assert len({answer.run.id for answer in answers}) == 1
    assert Counter(answer.replayed for answer in answers) == {True: 49, False: 1}
    assert (await store.find(Find())).total == 1


async def test_a_full_queue_refuses_before_any_row_exists(store: Store) -> None:
    answers = await asyncio.gather(
        *(store.add(run(f"run_{n}"), key=None, queue_limit=3) for n in range(10)),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, QueueFull)]
    assert len(refused) == 7
    assert refused[0].retry_after
    assert await store.queued() == 3


async def test_a_run_that_is_born_claimed_needs_no_place_in_the_queue(store: Store) -> None:
    claimed = lifecycle.claim(run(), 5, "boot", "c" * 16)
    await store.add(claimed, key=None, queue_limit=0)
    assert [found.id for found in await store.running()] == ["run_1"]


async def test_an_id_is_used_once(store: Store) -> None:
    await add(store, run())
    with pytest.raises(WrongState, match="run_1"):
        await add(store, run())


async def test_half_a_character_is_refused_at_submit_and_replaced_at_the_end(store: Store) -> None:
    with pytest.raises(Invalid):
        await add(store, run(prompt="\ud83d"))
    await add(store, run("run_2"))
    lost = Outcome(Status.FAILED, Failure.LOST, "half \ud83d")
    failed = await store.change(
        "run_2", lambda r: lifecycle.finish(r, Exit(1, "lost"), lost, 5, journal_end=64, summary=None)
    )
    assert failed.status is Status.FAILED
    assert (await store.get("run_2")).error == "half ?"


async def test_numbers_that_json_lacks_become_null(store: Store) -> None:
    await add(store, run(metadata={"a": [math.nan, math.inf, 1]}))
    assert (await store.get("run_1")).metadata == {"a": [None, None, 1]}


async def test_a_change_is_one_guarded_decision(store: Store) -> None:
    await add(store, run())
    cancelled = await store.change("run_1", lambda r: lifecycle.cancel(r, 7, "no more"))
    assert cancelled == await store.get("run_1")
    with pytest.raises(WrongState):
        await store.change("run_1", lambda r: lifecycle.cancel(r, 8))
    assert (await store.get("run_1")).updated_at == 7


async def test_the_same_run_writes_nothing(store: Store) -> None:
    await add(store, run())

    def written(db: sqlite3.Connection) -> int:
        before = db.total_changes
        writes.change(db, "run_1", Run._replace)
        return db.total_changes - before

    assert await store._writer.run(written) == 0


async def test_a_final_run_owes_its_webhook_in_the_same_transaction(store: Store) -> None:
    await add(store, run(webhook_url="http://127.0.0.1/hook"), run("run_2"))
    await store.change("run_1", lambda r: lifecycle.cancel(r, 7))
    await store.change("run_2", lambda r: lifecycle.cancel(r, 7))
    await store.change("run_1", lambda r: r._replace(metadata={"later": 1}))
    [found] = await store.outbox.of_run("run_1")
    owed = found.delivery
    assert owed.id.startswith("msg_")
    assert (owed.run_id, owed.type, owed.state, owed.due_at) == ("run_1", "run.cancelled", "pending", 7)
    assert (owed.url, owed.attempts, owed.delivered_at) == ("http://127.0.0.1/hook", 0, None)
    assert await store.outbox.of_run("run_2") == []


async def test_a_delivery_that_cannot_be_kept_takes_the_change_with_it(store: Store) -> None:
    await add(store, run(webhook_url="http://127.0.0.1/hook"))

    def broken(found: Run) -> Any:
        return replace(owed(found), type=None)  # type: ignore[type-var]

    with pytest.raises(sqlite3.IntegrityError):
        await store.change("run_1", lambda r: lifecycle.cancel(r, 7), deliver=broken)
    assert (await store.get("run_1")).status is Status.QUEUED


async def test_delete_takes_key_and_deliveries_along_and_spares_live_runs(store: Store) -> None:
    await store.add(run(webhook_url="http://127.0.0.1/"), key=KEY, queue_limit=1)
    with pytest.raises(WrongState):
        await store.delete("run_1")
    await store.change("run_1", lambda r: lifecycle.cancel(r, 7))
    await store.delete("run_1")
    assert await store.named(KEY) is None
    assert await store.outbox.of_run("run_1") == []
    assert await store.totals() == dict.fromkeys(Status, 0)


async def test_claims_go_by_priority_then_age_and_bring_the_input(store: Store) -> None:
    await add(store, run("run_a", prompt="p"), run("run_b", priority=1, input="{}"), run("run_c", due_at=50))
    claimed = await store.claim(5, 10, "boot", anything)
    assert [found.id for found in claimed] == ["run_b", "run_a"]
    assert (claimed[0].input, claimed[1].prompt) == ("{}", "p")
    assert (claimed[0].status, claimed[0].attempt, claimed[0].boot) == (Status.RUNNING, 1, "boot")
    assert await store.running() == sorted(claimed, key=lambda found: found.seq)
    assert await store.next_due(10) == 50
    assert await store.next_due(50) is None
    assert await store.claim(5, 10, "boot", anything) == []


async def test_each_agent_has_its_own_free_slots(store: Store) -> None:
    await add(store, *(run(f"run_{agent}{n}", agent=agent) for n in range(3) for agent in "abc"))
    slots = {"a": 0, "b": 2, "c": 9}
    claimed = await store.claim(4, 10, "boot", lambda agent, taken, _: taken < slots[agent])
    assert [found.id for found in claimed] == ["run_b0", "run_c0", "run_b1", "run_c1"]
    assert await store.claim(0, 10, "boot", anything) == []


async def test_ten_claimers_never_claim_a_run_twice(store: Store) -> None:
    await add(store, *(run(f"run_{n}") for n in range(60)))
    taken = await asyncio.gather(*(store.claim(7, 10, "boot", anything) for _ in range(10)))
    ids = [found.id for some in taken for found in some]
    assert len(ids) == len(set(ids)) == 60


async def test_lists_are_newest_first_in_pages_and_by_cursor(store: Store) -> None:
    await add(store, *(run(f"run_{n}", prompt="p") for n in range(7)))
    await add(store, run("run_s", mode=Mode.SERVICE))
    first = await store.find(Find(page_size=3))
    assert ([found.id for found in first.runs], first.total) == (["run_6", "run_5", "run_4"], 7)
    assert first.runs[0].prompt == ""
    last = await store.find(Find(page_size=3, page=3))
    assert ([found.id for found in last.runs], last.total) == (["run_0"], 7)
    older = await store.find(Find(page_size=3, after_seq=first.runs[-1].seq))
    assert [found.id for found in older.runs] == ["run_3", "run_2", "run_1"]
    assert (await store.find(Find(mode=None))).total == 8
    assert [found.id for found in (await store.find(Find(mode=Mode.SERVICE))).runs] == ["run_s"]
    assert await store.find(Find(status=())) == await store.find(Find(agent="nobody"))


@pytest.mark.parametrize("seed", range(6))
async def test_any_filter_gives_what_a_plain_filter_gives(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "NEAR", 20)
    monkeypatch.setattr(lists, "STEP", 7)
    dice = random.Random(seed)
    history = await random_history(store, dice, 60)
    for _ in range(60):
        wanted = Find(
            status=dice.choice([None, [Status.QUEUED], [Status.FAILED, Status.RUNNING], set(Status), []]),
            session_id=dice.choice([None, None, "s0", "s1"]),
            agent=dice.choice([None, "a", "b"]),
            mode=dice.choice([None, Mode.RUN, Mode.SERVICE]),
            since=dice.choice([None, None, 0, 25, 1000]),
            text=dice.choice([None, None, "RUN_1", "no such text"]),
            page=dice.choice([1, 1, 2]),
            page_size=dice.choice([1, 7, 50]),
        )
        matching = [found for found in reversed(history) if matches(found, wanted)]
        page = await store.find(wanted)
        start = (wanted.page - 1) * wanted.page_size
        assert page.runs == matching[start : start + wanted.page_size]
        assert page.total == len(matching)


def matches(found: Run, wanted: Find) -> bool:
    return (
        (wanted.status is None or found.status in wanted.status)
        and wanted.session_id in (None, found.session_id)
        and wanted.agent in (None, found.agent)
        and wanted.mode in (None, found.mode)
        and found.created_at >= (wanted.since or 0)
        and (wanted.text or "").lower() in found.title
    )


async def random_history(store: Store, dice: random.Random, length: int) -> list[Run]:
    """Do `length` random things and return every run left, oldest first."""
    known: dict[str, Run] = {}
    for n in range(length):
        given = {
            "agent": dice.choice("ab"),
            "mode": dice.choice(list(Mode)),
            "session_id": dice.choice([None, "s0", "s1"]),
        }
        about = {"prompt": f"about run_{n}", "created_at": n + dice.randrange(20)}  # not quite in order
        [new] = await add(store, run(f"run_{n}", retries=1, **given, **about))
        known[new.id] = new
        for claimed in await store.claim(dice.randrange(3), 10**9, "boot", anything):
            known[claimed.id] = claimed
        chosen = dice.choice(list(known))
        known[chosen] = await random_move(store, dice, known[chosen])
        if known[chosen].status in lifecycle.FINAL and dice.random() < 0.3:
            await store.delete(chosen)
            del known[chosen]
    return [
        found._replace(prompt="", input=None) for found in sorted(known.values(), key=lambda each: each.seq)
    ]


async def random_move(store: Store, dice: random.Random, found: Run) -> Run:
    if found.status is Status.RUNNING:
        status = dice.choice([Status.SUCCEEDED, Status.FAILED])
        return await store.change(found.id, lambda r: ended(r, 9, status))
    if found.status is Status.QUEUED and dice.random() < 0.3:
        return await store.change(found.id, lambda r: lifecycle.cancel(r, 9))
    return found


async def test_a_text_is_looked_for_as_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = ["100% of it", "a_b", "a\\b", "axb", "first line\nthe Second"]
    await add(store, *(run(f"run_{n}", prompt=prompt) for n, prompt in enumerate(prompts)))

    async def having(text: str) -> list[str]:
        return [found.id for found in (await store.find(Find(text=text))).runs]

    for text, found in (("0%", [0]), ("a_b", [1]), ("\\", [2]), ("A", [3, 2, 1]), ("second", [4])):
        assert await having(text) == [f"run_{n}" for n in found], text
    monkeypatch.setattr(lists, "SEARCHED", 2)  # only so many of the newest
    assert await having("a") == ["run_3"]
    monkeypatch.setattr(lists, "SEARCHED_TEXT", len(prompts[-1]) - 1)
    assert await having("a") == []
    assert (await store.find(Find(text="a", status=[]))).total == 0


@pytest.mark.parametrize("seed", range(6))
async def test_counters_are_what_counting_gives(store: Store, seed: int) -> None:
    history = await random_history(store, random.Random(seed), 120)
    by_status = Counter(found.status for found in history)
    assert await store.totals() == {status: by_status[status] for status in Status}
    assert await store.queued() == by_status[Status.QUEUED]
    by_agent = Counter((found.agent, found.status) for found in history)
    counted = {
        (agent, status): n
        for agent, of in (await store.totals_by_agent()).items()
        for status, n in of.items()
    }
    assert counted == by_agent


async def test_every_word_of_the_model_is_known_to_the_schema(store: Store) -> None:
    for n, failure in enumerate(Failure):
        await add(store, run(f"run_{n}", status=Status.FAILED, failure=failure, finished_at=2))
    for status in lifecycle.FINAL - {Status.FAILED}:
        await add(
            store, *(run(f"run_{status}_{mode}", status=status, mode=mode, finished_at=2) for mode in Mode)
        )


DELIVERY = "INSERT INTO deliveries (id, run_seq, url, receiver, type, state, due_at, created_at)"
IMPOSSIBLE = {
    "no such status": "UPDATE runs SET status = 'done'",
    "failed without failure": "UPDATE runs SET status = 'failed', finished_at = 1",
    "failure without failed": "UPDATE runs SET failure = 'lost'",
    "no such failure": "UPDATE runs SET status = 'failed', failure = 'x', finished_at = 1",
    "final without an end": "UPDATE runs SET status = 'succeeded'",
    "an end without being final": "UPDATE runs SET finished_at = 1",
    "running without boot": "UPDATE runs SET status = 'running', started_at = 1, attempt = 1",
    "running without start": "UPDATE runs SET status = 'running', boot = 'b', attempt = 1",
    "running without attempt": "UPDATE runs SET status = 'running', boot = 'b', started_at = 1",
    "negative attempt": "UPDATE runs SET attempt = -1",
    "text as a time": "UPDATE runs SET due_at = 'soon'",
    "metadata that is no object": "UPDATE runs SET metadata = 'x'",
    "a journal's end before the run's": "UPDATE runs SET journal_end = 64",
    "a reason without a request": "UPDATE runs SET cancel_reason = 'x'",
    "a key without its fingerprint": "UPDATE runs SET key = 'k', key_scope = 's'",
    "another id": "UPDATE runs SET id = 'run_2'",
    "another agent": "UPDATE runs SET agent = 'b'",
    "a live run deleted": "DELETE FROM runs",
    "a delivery of no run": f"{DELIVERY} VALUES ('m', 9, 'u', 'u', 't', 'pending', 1, 1)",
    "a delivery delivered never": f"{DELIVERY} VALUES ('m', 1, 'u', 'u', 't', 'delivered', 1, 1)",
    "a count below nothing": "UPDATE counts SET n = -1",
}


@pytest.mark.parametrize("sql", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_the_schema_refuses(store: Store, sql: str) -> None:
    await add(store, run())
    with pytest.raises(sqlite3.IntegrityError):
        await store._writer.run(lambda db: db.execute(sql))
    assert (await store.get("run_1")).status is Status.QUEUED


async def test_the_schema_refuses_to_reopen_a_final_run(store: Store) -> None:
    await add(store, run())
    await store.change("run_1", lambda r: lifecycle.cancel(r, 7))
    with pytest.raises(sqlite3.IntegrityError, match="final"):
        await store._writer.run(
            lambda db: db.execute("UPDATE runs SET status = 'queued', finished_at = NULL")
        )


async def test_a_version_is_kept_once_and_numbered_by_agent(store: Store) -> None:
    one = Agent("a", "/f", command=("x",), env={"SECRET": "value"})
    two, other = replace(one, timeout=1.0), replace(one, name="b")
    digests = [
        await store.see_version(agent, at) for at, agent in enumerate([one, one, two, replace(one), other])
    ]
    assert digests == [one.version, one.version, two.version, one.version, other.version]
    kept = [await store.version(agent.version) for agent in (one, two, other)]
    assert [(each.agent, each.number, each.seen_at) for each in kept] == [
        ("a", 1, 0),
        ("a", 2, 2),
        ("b", 1, 4),
    ]
    assert Agent.from_definition(kept[0].definition, {"SECRET": "value"}) == one
    assert "value" not in str(kept[0].definition)


LISTS = {
    "everything": Find(mode=None),
    "default": Find(),
    "some statuses": Find(status=[Status.QUEUED, Status.FAILED]),
    "by cursor": Find(after_seq=10),
    "deep page": Find(page=1000),
    "agent": Find(agent="a"),
    "agent and status": Find(agent="a", status=[Status.FAILED]),
    "session": Find(session_id="s"),
    "since": Find(since=5),
    "since, agent and status": Find(since=5, agent="a", status=[Status.FAILED]),
    "session, agent and status": Find(session_id="s", agent="a", status=[Status.FAILED]),
}


@pytest.mark.parametrize("wanted", LISTS.values(), ids=LISTS)
async def test_lists_neither_scan_nor_sort(store: Store, wanted: Find) -> None:
    sql, values = lists.page_query(wanted)
    steps = await plan(store, sql, values)
    assert not [step for step in steps if "SCAN runs" in step or "TEMP B-TREE" in step], steps


async def plan(store: Store, sql: str, values: Sequence[Any] = ()) -> list[str]:
    def explain(db: sqlite3.Connection) -> list[str]:
        return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]

    return await store._writer.run(explain)  # only it has next_rev()


def finish_and_delete(db: sqlite3.Connection) -> None:
    writes.change(db, "run_1", lambda r: lifecycle.cancel(r, 7))
    writes.delete(db, "run_1")


HOT = ["claim", "next_due", "running", "get", "named", "total", "since", "search", "queued", "delete"]


@pytest.mark.parametrize("ask", HOT)
async def test_hot_statements_use_an_index(store: Store, ask: str) -> None:
    await store.add(run(session_id="s"), key=KEY, queue_limit=1)
    asks: dict[str, Any] = {
        "claim": lambda db: writes.claim(db, 4, 10, "boot", anything),
        "next_due": lambda db: reads.next_due(db, 1),
        "running": reads.running,
        "get": lambda db: reads.get(db, "run_1"),
        "named": lambda db: reads.named(db, KEY),
        "total": lambda db: lists.find(db, Find(session_id="s")),
        "since": lambda db: lists.find(db, Find(since=1)),
        "search": lambda db: lists.Search(Find(text="x")).look(db),
        "queued": reads.queued,
        "delete": finish_and_delete,
    }

    def statements(db: sqlite3.Connection) -> list[str]:
        said: list[str] = []
        db.set_trace_callback(said.append)
        try:
            asks[ask](db)
        finally:
            db.set_trace_callback(None)
        return [sql for sql in said if sql.startswith(("SELECT", "UPDATE", "DELETE"))]

    for sql in await store._writer.run(statements):
        steps = await plan(store, sql)
        assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], (sql, steps)


async def test_ten_thousand_runs_of_a_full_agent_do_not_slow_a_claim(store: Store) -> None:
    new = [run(f"run_{n}", agent="full") for n in range(10_000)]
    await store._writer.run(lambda db: [writes.add(db, each, key=None, queue_limit=LIMIT) for each in new])
    await add(store, run("run_x", agent="free"))
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    await store._writer.run(lambda db: db.set_progress_handler(step, 100))
    claimed = await store.claim(8, 10, "boot", lambda agent, _taken, _limit: agent == "free")
    await store._writer.run(lambda db: db.set_progress_handler(None, 0))
    assert [found.id for found in claimed] == ["run_x"]
    assert steps < 20
