"""Inline agents files: off unless allowed; then read by the same loader, kept nowhere, versioned like any."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from praisonrun.core.errors import Forbidden, Invalid
from praisonrun.engine import versions
from praisonrun.engine.engine import Choice, Engine, Submit

pytestmark = pytest.mark.anyio
Engines = Callable[..., AbstractAsyncContextManager[Engine]]
TEXT = 'agents: {pwd: {command: [/bin/sh, -c, "pwd; cat"]}, other: {command: [/bin/true]}}'
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nagents: {x: {command: *b}}"


async def test_it_is_off_unless_allowed(engine: Engine) -> None:
    with pytest.raises(Forbidden, match="agent_yaml is off"):
        await engine.submit(Submit(Choice(text=TEXT), "x"))


async def test_it_runs_in_the_root_by_the_version_it_came_with(engines: Engines, tmp_path: Path) -> None:
    async with engines(inline_agents=True, agent_root=(tmp_path,)) as engine:
        shown, _ = await engine.submit(Submit(Choice(text=TEXT), "said"))
        run = (await engine.until_final(shown.run.id)).run
        assert (run.agent, run.status) == ("pwd", "succeeded")
        assert (await engine.journals.result(run)).value == f"{tmp_path}\nsaid"
        again, _ = await engine.retry(run.id, {})
        assert again.run.version == run.version
        assert (await engine.until_final(again.run.id)).run.status == "succeeded"
        named, _ = await engine.submit(Submit(Choice("other", text=TEXT), "x"))
        assert named.run.agent == "other"
        same, _ = await engine.submit(Submit(Choice(text=TEXT), "x"))
        assert same.run.version == run.version
        for live in (named, same):
            await engine.until_final(live.run.id)


async def test_versions_beyond_a_number_are_read_again(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "KNOWN", 2)
    async with engines(inline_agents=True, concurrency=1) as engine:
        texts = [
            f"agents: {{say: {{command: [/bin/echo, '{number}'], prompt: none}}}}" for number in range(6)
        ]
        ids = [(await engine.submit(Submit(Choice(text=text), "x")))[0].run.id for text in texts]
        ended = [(await engine.until_final(run_id)).run for run_id in ids]
        assert [(await engine.journals.result(run)).value for run in ended] == [
            f"{number}\n" for number in range(6)
        ]
        assert len(engine._supervisor.versions.known) <= 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("agents: {x: {command: [x], env: {A: b}}}", "`env` must be sent as the submit's `envs`"),
        ("env: {A: b}\nagents: {x: {command: [x]}}", "`env` must be sent"),
        (BOMB, "agent_yaml:1:4: anchors"),
        ("agents: " + "[" * 5000, "agent_yaml:1:"),
        ("agents: {x: {comand: [x]}}", "did you mean"),
        ("agents: {x: !!python/object/apply:os.system [ls]}", "tag"),
        ("", "agent_yaml:1:1"),
        ("x: " + "y" * 262_144, "larger than 256 KiB"),
        ("agents: {x: {command: [no-such-program-anywhere]}}", "no-such-program-anywhere"),
    ],
)
async def test_what_is_wrong_with_it_is_said(engines: Engines, text: str, words: str) -> None:
    async with engines(inline_agents=True) as engine:
        with pytest.raises(Invalid) as refused:
            await engine.submit(Submit(Choice(text=text), "x"))
        assert words in refused.value.message
        assert sum((await engine.store.totals()).values()) == 0
