"""The way in: how what a dialect asks for becomes a run on the disk, or a refusal that leaves no row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import uuid_utils

from ..agents import Catalog
from ..core import lifecycle
from ..core.errors import Forbidden, Invalid, KeyReused, PraisonrunError, WrongState
from ..core.json import Json, canonical_json
from ..core.model import Agent, Mode, Reach, Run
from ..services.ports import Ports
from ..store import Added, Key, Store
from .checks import Checks
from .scheduler import Scheduler
from .supervisor import Supervisor

METADATA_LIMIT = 64 * 1024
"""Bytes of JSON that a submit's metadata may have: every list repeats it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which agent, in the words of a request: a name, a file of its own, a framework for a crew.

    `text` is a file that the request brings along.
    """

    name: str | None = None
    file: str | None = None
    framework: str | None = None
    text: str | None = field(default=None, repr=False)
    version: str | None = None
    """Only this version of it: another is a WrongState."""


@dataclass(frozen=True, slots=True)
class Submit:
    """What a dialect asks for, in the engine's words."""

    choice: Choice
    prompt: str
    id: str | None = None
    """The run's own id, [A-Za-z0-9._:-]{1,128}; None has one made."""
    mode: Mode = Mode.RUN
    input: str | None = None
    input_env: str | None = None
    """The name under which the agent finds its input in its environment, too."""
    session_id: str | None = None
    timeout: float | None = None
    priority: int | None = None
    retries: int | None = None
    envs: Mapping[str, str] = field(default_factory=dict, repr=False)
    metadata: Mapping[str, Json] | None = None
    webhook_url: str | None = None
    webhook_reach: Reach = Reach.PUBLIC
    """How far away the caller is: a dialect that forgets to say so may use public receivers only."""
    retention_seconds: int | None = None
    retain_on_failure: bool | None = None
    origin: str | None = None
    parent: str | None = None
    held: bool = False
    """Whether the run waits for its `release`, which brings its prompt and input."""
    owner: str | None = None
    labels: Mapping[str, Json] | None = None
    result_env: str | None = None
    """See Run."""


class Intake:
    """Checks and stores runs, and lets them start."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        supervisor: Supervisor,
        scheduler: Scheduler,
        ports: Ports,
        checks: Checks,
        check_webhook: Callable[[str, Reach], None],
        now: Callable[[], int],
    ) -> None:
        self._store, self._catalog, self._now = store, catalog, now
        self._supervisor, self._scheduler, self._ports = supervisor, scheduler, ports
        self._checks, self._check_webhook = checks, check_webhook

    async def submit(self, ask: Submit, key: Key | None, fingerprint: str | None) -> Added:
        """Store a run and let it start, or return the run that the key named already.

        Raises Invalid or BadRequest for an agent that cannot run or a webhook that cannot be, NotFound for
        a parent that does not exist, WrongState for one that was cancelled and for an id that is taken,
        DiskFull, QueueFull, KeyReused; none leaves a row. A key answers before every other rule, so a
        repeated submit succeeds even where a new one would not.
        """
        try:
            agent = await self._choose(ask)
            run = self._placed(await self._mint(ask, agent), agent)
        except (PraisonrunError, OSError):
            if key is not None and (known := await self._named(key, fingerprint)) is not None:
                return Added(known, replayed=True)
            raise
        return await self._add(run, agent, ask.envs, key, fingerprint)

    async def _add(
        self, run: Run, agent: Agent, envs: Mapping[str, str], key: Key | None, fingerprint: str | None
    ) -> Added:
        service = run.mode is Mode.SERVICE  # they take no slot, and so never wait for one
        born = service or (not run.held and self._scheduler.reserve(agent))
        if born:
            run = lifecycle.claim(run, run.created_at, self._scheduler.boot)
        self._supervisor.keep(run, agent, envs)
        added: Added | None = None
        try:
            with anyio.CancelScope(shield=True):  # what is on the disk must also be let go
                added = await self._store.add(
                    run, key=key, fingerprint=fingerprint, queue_limit=self._checks.limits.queue
                )
                if born and not added.replayed:
                    await self._scheduler.launch(added.run)
        finally:
            if added is None or added.replayed:
                if envs:  # a run of this id that was there before keeps its own
                    self._supervisor.forget(run.id)
                if service:
                    self._ports.release(run.id)
                elif born:
                    self._scheduler.release(run.agent)
        assert added is not None
        if not born:
            self._scheduler.wake()
        return added

    async def retry(self, run_id: str, envs: Mapping[str, str]) -> Added:
        """Submit a final run once more, as a new run that names its origin.

        It is run by the version that the origin was run by. Raises NotFound, WrongState for a live
        run, Invalid when the origin's envs are not given again.
        """
        origin = await self._store.get_full(run_id)
        if origin.status not in lifecycle.FINAL:
            raise WrongState(f"run {run_id} is {origin.status}; only a finished run can be retried")
        missing = sorted(set(origin.env_names) - envs.keys())
        if missing:
            raise Invalid(f"envs are never stored: give {', '.join(missing)} again", field="envs")
        agent = await self._supervisor.agent_of(origin)
        await self._checks.stored(agent, origin.prompt, envs)
        run = _run(
            self._now(),
            agent=origin.agent,
            version=origin.version,
            prompt=origin.prompt,
            input=origin.input,
            input_env=origin.input_env,
            session_id=origin.session_id,
            priority=origin.priority,
            timeout=origin.timeout,
            retries=origin.retries,
            backoff=origin.backoff,
            metadata=origin.metadata,
            webhook_url=origin.webhook_url,
            webhook_reach=origin.webhook_reach,
            retention_seconds=origin.retention_seconds,
            retain_on_failure=origin.retain_on_failure,
            env_names=tuple(sorted(envs)),
            origin=origin.id,
            owner=origin.owner,
            labels=origin.labels,
            result_env=origin.result_env,
        )
        return await self._add(run, agent, envs, None, None)

    async def release(self, run_id: str, prompt: str, given: str | None) -> Run:
        """Give a held run its prompt and input, and let it start, by the version it was submitted with.

        Raises NotFound, WrongState for a run that is not held, Invalid for what would keep it from starting.
        """
        agent = await self._supervisor.agent_of(await self._store.get(run_id))
        await self._checks.stored(agent, prompt, {})
        at = self._now()
        run = await self._store.release(run_id, lambda run: lifecycle.release(run, at), prompt, given)
        self._scheduler.wake()
        return run

    def _placed(self, run: Run, agent: Agent) -> Run:
        """Give a service its port."""
        if run.mode is not Mode.SERVICE:
            return run
        self._scheduler.check_serving()
        return run._replace(port=self._ports.reserve(run.id, agent))

    async def _choose(self, ask: Submit) -> Agent:
        choice = ask.choice
        _refuse_large(ask.metadata)
        if ask.webhook_url is not None:
            self._check_webhook(ask.webhook_url, ask.webhook_reach)
        if choice.text is not None:
            if not self._checks.limits.inline_agents:
                raise Forbidden("agent_yaml is off: put the agent into agents.yaml and name it with `agent`")
            agent = self._catalog.from_text(choice.text, choice.framework, choice.name)
        elif choice.file is not None:
            agent = self._catalog.from_file(choice.file, choice.framework, choice.name)
        else:
            agent = self._catalog.get(choice.name, choice.framework)
        if choice.version not in (None, agent.version):
            raise WrongState(f"this version of agent {agent.name!r} is not the current one; leave it out")
        await self._checks.new(agent, ask.prompt, ask.envs, ask.mode)
        return agent

    async def _mint(self, ask: Submit, agent: Agent) -> Run:
        at = self._now()
        return _run(
            at,
            ask.id,
            agent=agent.name,
            version=await self._store.see_version(agent, at),
            mode=ask.mode,
            prompt=ask.prompt,
            input=ask.input,
            input_env=ask.input_env,
            session_id=ask.session_id,
            priority=agent.priority if ask.priority is None else ask.priority,
            timeout=min((t for t in (ask.timeout, agent.timeout) if t is not None), default=None),
            retries=agent.retries if ask.retries is None else ask.retries,
            backoff=agent.backoff,
            metadata=ask.metadata,
            webhook_url=ask.webhook_url,
            webhook_reach=ask.webhook_reach,
            retention_seconds=ask.retention_seconds,
            retain_on_failure=ask.retain_on_failure,
            env_names=tuple(sorted(ask.envs)),
            origin=ask.origin,
            parent=ask.parent,
            held=ask.held,
            owner=ask.owner,
            labels=ask.labels,
            result_env=ask.result_env,
        )

    async def _named(self, key: Key, fingerprint: str | None) -> Run | None:
        found = await self._store.find_key(key)
        if found is None:
            return None
        if found[0] != fingerprint:
            raise KeyReused(f"the idempotency key {key.key!r} was used for another payload")
        return await self._store.get(found[1])


def _refuse_large(metadata: Mapping[str, Json] | None) -> None:
    size = len(canonical_json(metadata).encode()) if metadata else 0
    if size > METADATA_LIMIT:
        raise Invalid(
            f"metadata of {size} bytes is more than {METADATA_LIMIT}, which every list would repeat: "
            "put what the agent needs into the prompt or `config`",
            field="metadata",
        )


def new_suffix() -> str:
    """Return 32 characters of [0-9a-f], increasing with time: what all names of one run share."""
    return uuid_utils.uuid7().hex


def _run(at: int, run_id: str | None = None, **fields: Any) -> Run:
    return Run(id=run_id or f"run_{new_suffix()}", created_at=at, updated_at=at, due_at=at, **fields)
