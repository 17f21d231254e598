"""How what a dialect asks for becomes a run on the disk, or an error that leaves no row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from secrets import token_hex

import anyio

from ..agents import no_start, preflight
from ..core import lifecycle
from ..core.agent import Agent
from ..core.clock import OncePerTick
from ..core.errors import DiskFull, Forbidden, Invalid, PraisonrunError, WrongMode, WrongState
from ..core.model import Mode, Run
from ..process.spec import crew_files
from ..store import Added, Key
from ..webhooks import Webhooks
from . import request
from .context import Context
from .request import Choice, Submit
from .reservations import Reservation, Reservations
from .supervisor import Supervisor

Change = Callable[[Run], Run]
"""What a retry does otherwise than its origin."""


class Submissions:
    """Checks and stores runs, and lets them start."""

    def __init__(
        self, context: Context, supervisor: Supervisor, reservations: Reservations, webhooks: Webhooks
    ) -> None:
        self._context, self._supervisor = context, supervisor
        self._reservations, self._webhooks = reservations, webhooks
        self._tick = OncePerTick()
        """Looks at programs and free space once in a turn of the loop."""

    async def submit(self, ask: Submit, key: Key | None) -> Added:
        """Store a run and let it start, or return the run that the key named already.

        Raises Invalid or BadRequest for an agent that cannot run or a webhook that cannot be, NotFound for
        a parent that does not exist, WrongState for one that was cancelled, for an id that is taken and for
        a run that would wait for whom waits for it, DiskFull, QueueFull, KeyReused; none leaves a row. A key
        answers before every other rule, so a repeated submit succeeds even where a new one would not.
        """
        with ExitStack() as held:
            try:
                agent = await self._admit(ask)
                cwd = self._context.limits.directories.checked(ask.cwd, agent, ask.webhook_reach)
                ask = replace(ask, cwd=cwd)
                base = await self._supervisor.worktrees.base(agent, cwd, ask.session_id)
                at = self._context.now()
                version = await self._context.store.see_version(agent, at)
                run = request.first(ask, agent, version, at)._replace(worktree_base=base)
                reservation = held.enter_context(self._reservations.reserving(run, agent, ask.envs))
            except (PraisonrunError, OSError):
                self._context.store.check()  # says more, and a key names nothing that may be lost
                if key is not None and (known := await self._context.store.named(key)) is not None:
                    return Added(known, replayed=True)
                raise
            return await self._add(run, agent, reservation, key, ask.waiter)

    async def retry(
        self, run_id: str, envs: Mapping[str, str], key: Key | None, change: Change | None
    ) -> Added:
        """Submit a finished run once more, as a new run that names its origin, as it is after a `change`.

        Raises NotFound, WrongState for a live run, Invalid when the origin's envs are not given again. A key
        that names a run already answers before all of these.
        """
        if key is not None and (known := await self._context.store.named(key)) is not None:
            return Added(known, replayed=True)
        origin = await self._context.store.get_full(run_id)
        if origin.status not in lifecycle.FINAL:
            raise WrongState(f"run {run_id} is {origin.status}; only a finished run can be retried")
        if missing := sorted(set(origin.env_names) - envs.keys()):
            raise Invalid(f"envs are never stored: give {', '.join(missing)} again", field="envs")
        origin = change(origin) if change is not None else origin
        agent = await self._check_stored(origin, origin.prompt, envs, Mode.RUN)
        base = await self._supervisor.worktrees.base(agent, origin.cwd, origin.session_id)
        run = request.again(origin, agent, envs, self._context.now())._replace(worktree_base=base)
        with self._reservations.reserving(run, agent, envs) as reservation:
            return await self._add(run, agent, reservation, key)

    async def _add(
        self, run: Run, agent: Agent, reservation: Reservation, key: Key | None, waiter: str | None = None
    ) -> Added:
        store, limit = self._context.store, self._context.limits.queue
        run = run._replace(port=reservation.port)
        if reservation.slot or reservation.service:  # which needs none
            run = lifecycle.claim(run, run.created_at, self._context.boot, token_hex(8))
        with anyio.CancelScope(shield=True):  # a run on the disk must also get its owner
            prepare = self._context.files.prepare
            added = await store.add(run, key=key, queue_limit=limit, prepare=prepare, waiter=waiter)
            if not added.replayed:
                self._supervisor.keep(reservation, added.run, agent)
        return added

    async def release(self, run_id: str, prompt: str, given: str | None) -> None:
        """Give a held run its prompt and input, and let it start, by the version it was submitted with.

        Raises NotFound, WrongState for a run that is not held, Invalid for what would keep it from starting.
        """
        store = self._context.store
        await self._check_stored(await store.get(run_id), prompt, {}, Mode.RUN)
        at = self._context.now()
        with anyio.CancelScope(shield=True):
            await store.release(run_id, lambda run: lifecycle.release(run, at), prompt, given)
            self._reservations.slots.wake()

    async def check_restart(self, run: Run, envs: Mapping[str, str]) -> Agent:
        """Reject a run, and what could only fail once a service was stopped; return its agent."""
        if run.mode is not Mode.SERVICE:
            raise WrongState(f"run {run.id} is no service; retry it as a new run")
        self._reservations.check_open()
        return await self._check_stored(run, "", envs, Mode.SERVICE)

    async def restart(self, run_id: str, agent: Agent, envs: Mapping[str, str]) -> None:
        """Start a finished service again after `check_restart`: under its id and with fresh envs.

        It keeps its port if the entry says so or the port is free. Raises NotFound, WrongState for a service
        that lives, PortTaken.
        """
        store = self._context.store
        run = await store.get_full(run_id)
        # A service stays live for a moment after its row is final: until its files are in order.
        if run.status not in lifecycle.FINAL or run_id in self._supervisor.live:
            raise WrongState(f"service {run_id} has not ended yet; try again")
        # What is torn later is the new attempt's, which then may have run.
        await asyncio.to_thread(self._context.files.prepare, run_id, whole=True)
        at, boot = self._context.now(), self._context.boot
        with self._reservations.reserving(run, agent, envs) as reservation:

            def decide(final: Run) -> Run:
                queued = lifecycle.restart(final, at, tuple(sorted(envs)))
                return lifecycle.claim(queued._replace(port=reservation.port), at, boot, token_hex(8))

            with anyio.CancelScope(shield=True):
                row = await store.change(run_id, decide)
                self._supervisor.keep(reservation, row._replace(prompt=run.prompt, input=run.input), agent)

    async def _admit(self, ask: Submit) -> Agent:
        """Return the agent of a submit that may become a run."""
        request.check_metadata(ask.metadata)
        if ask.webhook_url is not None:
            self._webhooks.check(ask.webhook_url, ask.webhook_reach)
        agent = self._chosen(ask.choice)
        if ask.choice.version not in (None, agent.version):
            raise WrongState(f"this version of agent {agent.name!r} is not the current one; leave it out")
        await self._check(agent, ask.prompt, ask.envs, ask.mode)
        return agent

    def _chosen(self, choice: Choice) -> Agent:
        catalog = self._context.catalog
        if choice.text is not None:
            if not self._context.limits.inline_agents:
                raise Forbidden("agent_yaml is off: put the agent into agents.yaml and name it with `agent`")
            return catalog.from_text(choice.text, choice.framework, choice.name)
        if choice.file is not None:
            return catalog.from_file(choice.file, choice.framework, choice.name)
        return catalog.get(choice.name, choice.framework)

    async def _check(self, agent: Agent, prompt: str, envs: Mapping[str, str], mode: Mode) -> None:
        """Reject what could only fail later. Raises Invalid, BadRequest, WrongMode, DiskFull."""
        if agent.mode is not mode:
            it, wanted = ("service", "run") if mode is Mode.RUN else ("job", "service")
            why = f"agent {agent.name!r} is a {it}; it cannot be submitted as a {wanted}"
            raise WrongMode(why, field="agent")
        catalog, files, min_free = self._context.catalog, self._context.files, self._context.limits.min_free
        if agent.crew is None:
            preflight(agent, prompt, catalog.environ, envs, self._no_start)
        else:  # a first look at a framework's interpreter starts it
            await asyncio.to_thread(preflight, agent, prompt, catalog.environ, envs)
            catalog.crew_copy(agent, crew_files(files))
        free = self._tick.once("free", files.free_bytes)
        if free < min_free:
            left = f"{free >> 20} MB free" if free else "no room for another file"
            why = f"{left} on the disk of the state directory, less than --min-free {min_free >> 20}"
            raise DiskFull(why, retry_after=60)

    def _no_start(self, agent: Agent, environ: Mapping[str, str]) -> str | None:
        return self._tick.once(agent.version, lambda: no_start(agent, environ))

    async def _check_stored(self, run: Run, prompt: str, envs: Mapping[str, str], mode: Mode) -> Agent:
        """Check the version of a stored run, with the literal env values of the file as it is now."""
        agent = await self._supervisor.versions.of(run)
        await self._check(replace(agent, env=self._context.catalog.env_of(agent)), prompt, envs, mode)
        return agent
