"""What becomes of a delivery, and who is next: pure functions, the time an argument."""

from __future__ import annotations

from dataclasses import replace

import pytest

from praisonrun.core.delivery import Delivery, DeliveryState, Reach, Reply
from praisonrun.webhooks import schedule
from praisonrun.webhooks.schedule import (
    EACH,
    FAILING,
    KNOWN,
    SCHEDULE,
    TOTAL,
    DeliveryQueue,
    decide,
    retry_after,
)
from praisonrun.webhooks.worker import origin

HOUR = 3600 * 1_000_000
OWED = Delivery("msg_1", "run_1", "http://a.example/", "run.succeeded", 1, 1)


def reply(status: int | None = 500, pause: float | None = None) -> Reply:
    error = None if status and 200 <= status < 300 else "no"
    return Reply(0, 0.1, status, error, retry_after=pause)


def test_the_schedule_is_the_contract_s() -> None:
    assert SCHEDULE == (5, 30, 120, 600, 1800, 7200, 21600, 86400)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_a_receiver_that_never_takes_it_gets_nine_attempts(chance: float, factor: float) -> None:
    delivery, now, pauses = OWED, 7, []
    while delivery.state is DeliveryState.PENDING:
        delivery = decide(delivery, reply(), now, chance)
        pauses.append((delivery.due_at - now) / 1e6)
        now = max(now, delivery.due_at)
    assert delivery.attempts == len(SCHEDULE) + 1
    assert pauses[:-1] == pytest.approx([factor * pause for pause in SCHEDULE])
    assert delivery.state is DeliveryState.DEAD


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_two_hundreds_are_a_success(status: int) -> None:
    done = decide(OWED, reply(status), 9, 0.5)
    assert (done.state, done.delivered_at, done.attempts) == (DeliveryState.DELIVERED, 9, 1)


@pytest.mark.parametrize("status", [None, 199, 300, 301, 302, 307, 308, 400, 404, 408, 429, 500, 503])
def test_all_else_is_tried_again(status: int | None) -> None:
    again = decide(OWED, reply(status), 9, 0.5)
    assert (again.state, again.due_at, again.delivered_at) == (DeliveryState.PENDING, 5_000_009, None)


def test_gone_is_gone() -> None:
    assert decide(OWED, reply(410), 9, 0.5).state is DeliveryState.DEAD


def test_a_busy_receiver_is_left_alone_for_so_long_and_no_longer_than_a_day() -> None:
    assert decide(OWED, reply(429, 60), 0, 0.5).due_at == 60_000_000
    assert decide(OWED, reply(429, 1), 0, 0.5).due_at == 5_000_000
    assert decide(OWED, reply(503, 1e9), 0, 0.5).due_at == 24 * HOUR
    spent = replace(OWED, attempts=len(SCHEDULE))
    assert decide(spent, reply(503, 60), 0, 0.5).state is DeliveryState.DEAD


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (429, "7", 7.0),
        (503, " 120 ", 120.0),
        (503, "9" * 400, 86400.0),
        (503, "Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        (503, "Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", 86400.0),
        (503, "Thu, 01 Jan 1970 00:01:40", 90.0),
        (503, "-1", None),
        (503, "1.5", None),
        (503, "soon", None),
        (503, "\u0663", None),
        (503, "", None),
        (503, None, None),
        (500, "7", None),
        (200, "7", None),
    ],
)
def test_what_retry_after_says(status: int, header: str | None, seconds: float | None) -> None:
    assert retry_after(status, header, 10_000_000) == seconds


def test_a_replay_starts_from_the_schedule_s_start_under_the_same_id() -> None:
    for state, at in (
        (DeliveryState.DEAD, None),
        (DeliveryState.DELIVERED, 3),
        (DeliveryState.PENDING, None),
    ):
        found = replace(OWED, state=state, delivered_at=at, attempts=9)
        assert schedule.replay(found, 50) == replace(OWED, due_at=50)


def due(*receivers: str, rows: int = 4) -> list[Delivery]:
    return [
        Delivery(f"{name}{n}", "run", f"http://{name}/", "run.failed", n, n)
        for name in receivers
        for n in range(rows)
    ]


def test_a_receiver_gets_two_attempts_at_once_and_all_together_eight() -> None:
    queue, found = DeliveryQueue(), due("a", "b", "c", "d", "e", "f")
    assert [delivery.id for delivery in queue.pick(due("a"))] == ["a0", "a1"]
    assert queue.pick(due("a")) == []
    picked = queue.pick(found)
    assert len(queue.busy) == TOTAL
    assert queue.full()
    assert max(list(queue.busy.values()).count(receiver) for receiver in queue.busy.values()) == EACH
    assert "a" not in {delivery.receiver for delivery in picked}
    queue.leave(picked[0], failed=False)
    assert len(queue.pick(found)) == 1


def test_who_failed_last_time_leaves_queue_to_the_others() -> None:
    queue, bad = DeliveryQueue(), [f"bad{n}" for n in range(20)]
    for _ in range(9):
        picked = queue.pick(due(*bad))
        for delivery in picked:
            queue.leave(delivery, failed=True)
    held = queue.pick(due(*bad))
    assert len(held) == FAILING
    assert len({delivery.receiver for delivery in held}) == FAILING
    assert [delivery.id for delivery in queue.pick(due(*bad, "good"))] == ["good0", "good1"]
    queue.leave(held[0], failed=False)
    assert queue.pick(due(held[0].receiver))[0].receiver == held[0].receiver


def test_receivers_take_turns_whatever_they_owe() -> None:
    queue, order = DeliveryQueue(), []
    names = [f"n{n}" for n in range(12)]
    for _ in range(6):
        picked = queue.pick(due(*names, rows=4))
        order += [delivery.receiver for delivery in picked]
        for delivery in picked:
            queue.leave(delivery, failed=False)
    counts = [order.count(name) for name in names]
    assert set(order[:24]) == set(names)
    assert max(counts) - min(counts) <= EACH


def test_only_so_many_receivers_are_remembered() -> None:
    queue = DeliveryQueue()
    for n in range(KNOWN + 100):
        for delivery in queue.pick(due(f"n{n}", rows=1)):
            queue.leave(delivery, failed=True)
    assert len(queue._failing) <= KNOWN + 1


@pytest.mark.parametrize(
    ("url", "receiver", "shown"),
    [
        ("http://A.example:80/x?y", "a.example:80", "http://A.example:80"),
        ("https://a.example?secret=1", "a.example", "https://a.example"),
        ("http://u:p@a.example/s", "u:p@a.example", "http://a.example"),
        ("http://[::1]:9/", "[::1]:9", "http://[::1]:9"),
        ("http://[::1", "[::1", "(no URL)"),
        ("nonsense\n", "nonsense\n", "://"),
    ],
)
def test_a_receiver_is_host_and_port_and_logs_hold_no_more(url: str, receiver: str, shown: str) -> None:
    assert replace(OWED, url=url, reach=Reach.PUBLIC).receiver == receiver
    assert origin(url) == shown
