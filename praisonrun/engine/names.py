"""The run that a person means: by its id, by the end of its id, or by how new it is."""

from __future__ import annotations

from ..core.errors import Invalid, NotFound
from ..store import Store

SHORTEST = 4
"""Characters of an id's end."""
_CANDIDATES = 5


async def meant(store: Store, word: str) -> str:
    """Return the id of the run that a word means. Raises NotFound and Invalid, which name candidates.

    `@` is the newest run, `@2` the one before it. A run's names in all dialects have the same end.
    """
    if word.startswith("@"):
        return await _newest(store, word)
    found = await _ending(store, word) or await _ending(store, word.rpartition("_")[2])
    if not found:
        if len(word) < SHORTEST:
            raise NotFound(f"no run is {word!r}: write the last {SHORTEST} or more characters of its id")
        raise NotFound(f"no run is {word!r}, or ends so; {await _newest_ones(store)}")
    if len(found) > 1:
        more = " and more" if len(found) > _CANDIDATES else ""
        raise Invalid(
            f"several runs end in {word!r}: {', '.join(found[:_CANDIDATES])}{more}; write more of it"
        )
    return found[0]


async def _ending(store: Store, end: str) -> list[str]:
    """Return the id that is `end`, else the newest that end so; one more than is named."""
    found = await store.ids_ending(end, _CANDIDATES + 1)
    return found if len(end) >= SHORTEST or found == [end] else []


async def _newest(store: Store, word: str) -> str:
    number = word[1:] or "1"
    if not number.isdecimal() or not number.isascii() or not 1 <= int(number[:9]) < 10**6:
        raise Invalid(f"{word!r} names no run: @ is the newest, @2 the one before it")
    if not (found := await store.newest_ids(1, int(number) - 1)):
        raise NotFound(f"there are fewer runs than {word!r} says; {await _newest_ones(store)}")
    return found[0][0]


async def _newest_ones(store: Store) -> str:
    """Return the newest runs in words."""
    shown = [f"{run_id} ({agent}: {title[:30]!r})" for run_id, agent, title in await store.newest_ids(3)]
    return f"the newest are {', '.join(shown)}" if shown else "there are no runs yet"
