"""A queued run says why it waits."""

from __future__ import annotations

import re
from pathlib import Path

from praisonrun.engine.engine import Choice, Engine, Submit

from ..rigs.harness import Engines, pid_of, submit, until
from ..rigs.wire_rig import WIRE_AGENTS


async def why(engine: Engine, run_id: str) -> str:
    return (await engine.get(run_id)).waits


async def test_slots_and_agents_have_limits(engine: Engine, tmp_path: Path) -> None:
    gate = str(tmp_path / "gate")
    first, second = [await submit(engine, "one", gate) for _ in range(2)]
    mine = "agent 'one' has as many runs live as its concurrency allows: 1"
    assert (await why(engine, first), await why(engine, second)) == ("", mine)
    others = [await submit(engine, "until", gate) for _ in range(4)]
    await pid_of(engine, others[-2])  # the oldest are claimed one after the other
    all_taken = "all slots are taken (--concurrency): 4"
    assert (await why(engine, second), await why(engine, others[-1])) == (mine, all_taken)
    (tmp_path / "gate").touch()
    for run_id in (first, second, *others):
        assert (await engine.until_final(run_id)).waits == ""


async def test_a_run_has_a_place_among_those_of_its_agent(engine: Engine, tmp_path: Path) -> None:
    async def place(run_id: str) -> int | None:
        return (await engine.get_prompted(run_id)).position

    gate = str(tmp_path / "gate")
    live, first, second = [await submit(engine, "one", gate) for _ in range(3)]
    await pid_of(engine, live)
    held = await submit(engine, "one", gate, held=True)
    others = [await submit(engine, "until", gate) for _ in range(4)]
    await pid_of(engine, others[-2])  # the oldest are claimed one after the other
    assert [await place(run_id) for run_id in (live, first, held, second, others[-1])] == [
        None,
        1,
        None,
        2,
        1,
    ]
    await engine.cancel(first)
    assert [await place(first), await place(second)] == [None, 1]
    (tmp_path / "gate").touch()
    await engine.until_final(second)
    assert await place(second) is None


async def test_an_agent_of_another_file_has_its_latest_version_s_limit(engines: Engines) -> None:
    text = "agents: {x: {command: [/bin/sleep, '60'], prompt: none, files: false, concurrency: 1}}"
    async with engines(inline_agents=True) as engine:
        asks = [Submit(Choice(text=text), "x") for _ in range(2)]
        runs = [(await engine.submit(ask))[0].run.id for ask in asks]
        assert "concurrency allows: 1" in await why(engine, runs[1])
        assert ("x", 1) in [(each.agent, each.concurrency) for each in (await engine.queue.look())[1]]
        for run_id in runs[::-1]:
            await engine.cancel(run_id)


async def test_a_pause_after_a_failure_and_a_held_run(engines: Engines, agents_file: Path) -> None:
    agents_file.write_text(WIRE_AGENTS)
    async with engines() as engine:
        run_id = await submit(engine, "again")
        shown = await until(engine, run_id, lambda shown: shown.run.due_at > 0)
        said = r"attempt 1 failed \(exited with code 3\); the next is due at \d{4}-\d\d-\d\dT[\d:.]+Z"
        assert re.fullmatch(said, shown.waits)
        held = await submit(engine, "quick", held=True)
        assert await why(engine, held) == "held until it is released"
        for waiting in (run_id, held):
            await engine.cancel(waiting)
