"""What a person may write for a run."""

from __future__ import annotations

import pytest

from praisonrun.core.errors import Invalid, NotFound
from praisonrun.engine.engine import Engine

from ..rigs.harness import ran, submit


async def test_a_run_is_meant_by_its_id_its_end_or_its_age(engine: Engine) -> None:
    first = (await ran(engine, "quick")).run.id
    second = (await ran(engine, "quick", id="mine-1234")).run.id
    meant = [first, first[-6:], f"adrun_{first.partition('_')[2]}", second, "1234", "@", "@2"]
    found = [(await engine.meant(word)).run.id for word in meant]
    assert found == [first, first, first, second, second, second, first]


@pytest.mark.parametrize("word", ["@0", "@x", "@-1", "@" + "9" * 400, "@²"])
async def test_what_counts_no_run_is_said(engine: Engine, word: str) -> None:
    with pytest.raises(Invalid, match="@ is the newest, @2 the one before it"):
        await engine.meant(word)


async def test_a_word_without_a_run_is_answered_with_the_newest(engine: Engine) -> None:
    with pytest.raises(NotFound, match="there are no runs yet"):
        await engine.meant("abcdef")
    run_id = await submit(engine, "quick", "say hello")
    for word in ("abcdef", "@7"):
        with pytest.raises(NotFound, match=rf"the newest are {run_id} \(quick: 'say hello'\)"):
            await engine.meant(word)
    for word in (run_id[-3:], ""):
        with pytest.raises(NotFound, match="write the last 4 or more characters of its id"):
            await engine.meant(word)


async def test_a_word_of_several_runs_is_answered_with_them(engine: Engine) -> None:
    runs = [await submit(engine, "quick", id=f"{n}-same") for n in range(7)]
    with pytest.raises(
        Invalid, match=f"several runs end in 'same': {', '.join(runs[:1:-1])} and more; write"
    ):
        await engine.meant("same")
    assert (await engine.meant("0-same")).run.id == runs[0]
