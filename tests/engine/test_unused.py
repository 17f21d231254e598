"""Versions and crew copies that no run names go; what a run or a submit names stays."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from praisonrun.core import clock
from praisonrun.core.agent import Agent, Crew
from praisonrun.core.model import Run
from praisonrun.engine import unused
from praisonrun.engine.ages import Ages
from praisonrun.engine.unused import Unused
from praisonrun.store import Store

DAY = 86_400_000_000
AT = 100 * DAY


def agent(name: str, timeout: float, crew: str | None = None) -> Agent:
    return Agent(name, "/f", command=("x",), timeout=timeout, crew=crew and Crew("praisonai", crew))  # type: ignore[arg-type]


class House(NamedTuple):
    store: Store
    crews: Path
    unused: Unused

    async def see(self, *agents: Agent) -> list[str]:
        return [await self.store.see_version(agent, AT) for agent in agents]

    async def use(self, run_id: str, version: str) -> None:
        run = Run(run_id, "a", version, 1, 1, 1)
        await self.store.add(run, key=None, queue_limit=1000)

    async def there(self) -> set[str]:
        return {each.digest for name in ("a", "b") for each in await self.store.versions(name)}


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    (tmp_path / "crews").mkdir()
    return House(
        store, tmp_path / "crews", Unused(store, tmp_path / "crews", lambda: {"a"}, Ages(tmp_path, "boot"))
    )


async def test_a_version_that_no_run_names_goes_at_the_second_pass(house: House) -> None:
    used, idle, latest, gone = await house.see(agent("a", 1), agent("a", 2), agent("a", 3), agent("b", 1))
    await house.use("run_1", used)
    await house.unused.prune(AT + 1)
    assert await house.there() == {used, idle, latest, gone}
    await house.unused.prune(AT)  # too young
    await house.unused.prune(AT + 1)
    assert await house.there() == {used, idle, latest, gone}
    await house.unused.prune(AT + 1)
    assert await house.there() == {used, latest}
    assert await house.see(agent("a", 2)) == [idle]
    assert await house.there() == {used, idle, latest}


async def test_a_version_that_a_submit_looked_up_stays(house: House) -> None:
    one, two = agent("b", 1), agent("b", 2)
    digests = set(await house.see(one, two))
    await house.unused.prune(AT + 1)
    await house.see(one)  # a submit begins: its run is stored later
    await house.unused.prune(AT + 1)
    assert await house.there() == {one.version}
    await house.use("run_1", one.version)
    for _ in range(3):
        await house.unused.prune(AT + 1)
    assert await house.there() == {one.version} < digests


async def test_a_submit_in_the_middle_of_a_pass_keeps_its_version(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = agent("b", 1)
    await house.see(one)
    await house.unused.prune(AT + 1)
    await house.unused.prune(AT)
    await house.unused.prune(AT + 1)
    rows = house.store.versions_of_runs

    async def submit_meanwhile(after: int, limit: int) -> list[tuple[int, str]]:
        found = await rows(after, limit)
        if not found:
            await house.see(one)
        return found

    monkeypatch.setattr(house.store, "versions_of_runs", submit_meanwhile)
    await house.unused.prune(AT + 1)
    assert await house.there() == {one.version}


async def test_many_are_looked_at_a_few_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unused, "ROWS", 3)
    monkeypatch.setattr(unused, "BATCH", 2)
    digests = await house.see(*(agent("b", number) for number in range(20)))
    for number, digest in enumerate(digests[::4]):
        await house.use(f"run_{number}", digest)
    await house.unused.prune(AT + 1)
    await house.unused.prune(AT + 1)
    assert await house.there() == set(digests[::4])


async def test_a_crew_s_copy_stays_as_long_as_a_version_names_it(house: House) -> None:
    named, idle, young = "a" * 64, "b" * 64, "c" * 64
    (version,) = await house.see(agent("b", 1, named))
    await house.use("run_1", version)
    for name in (named, idle, young):
        (house.crews / f"{name}.yaml").write_text("roles: {}")
        os.utime(house.crews / f"{name}.yaml", (0, 0 if name != young else 2 * AT / 1e6))
    (house.crews / "driver-0.py").write_text("")
    await house.unused.prune(AT)
    left = {path.name for path in house.crews.iterdir()}
    assert left == {f"{named}.yaml", f"{young}.yaml", "driver-0.py"}


async def test_nothing_goes_because_the_clock_was_set(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unused, "EVERY", 0)
    now, looks = clock.now(), asyncio.Queue[None]()
    ages = Ages(tmp_path, "boot", lambda: now, lambda: 1)
    one = agent("b", 1)
    await house.store.see_version(one, now)
    crew = house.crews / f"{'a' * 64}.yaml"
    crew.write_text("roles: {}")
    now += 40 * DAY
    ages.look()
    crews = house.store.crews_of_versions

    async def looked(after: str, limit: int) -> list[tuple[str, str | None]]:
        looks.put_nowait(None)
        return await crews(after, limit)

    monkeypatch.setattr(house.store, "crews_of_versions", looked)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Unused(house.store, house.crews, set, ages).serve)
        for _ in range(8):
            await looks.get()
        tasks.cancel_scope.cancel()
    assert await house.there() == {one.version}
    assert crew.exists()
