"""Agents' own conversations: which one a run continues, and what its agent is told of it.

A conversation is an agent, a session id and a directory: agents keep theirs by directory. Pure.
"""

from __future__ import annotations

import re
import uuid
from typing import NamedTuple

from .agent import Agent
from .json import canonical_json
from .model import Run

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")
"""What may be given to an agent as its own name of a conversation: its output says it, so it is no option."""


OURS = "{session_uuid}"


class Conversation(NamedTuple):
    """What is known of a conversation."""

    agent_session: str
    """What the agent calls it; "" once it does not know it any more."""
    made_by_run: str
    """The run that began it, or found it unknown."""


class Opening(NamedTuple):
    """What an attempt's agent is told of its conversation."""

    args: tuple[str, ...] = ()
    """What stands in its command for `{session}`."""
    name: str = ""
    """Its value of {session_uuid} and {agent_session}."""
    anew: bool = False
    """Whether there was a conversation that is lost."""


NO_OPENING = Opening()


def key_of(agent: Agent, session_id: str | None, cwd: str | None) -> str | None:
    """Return what a run's conversation is known by; None for an agent that continues none, or no session."""
    if agent.session is None or session_id is None:
        return None
    return canonical_json([agent.name, session_id, cwd or agent.cwd])


def opening(agent: Agent, store: str, key: str | None, known: Conversation | None) -> Opening:
    """Return how an attempt opens its conversation; `store` is the id of the store.

    An id that is ours to choose is the same for a conversation until that is lost. Two stores, which may
    share an agent's files, never choose the same.
    """
    if agent.session is None or key is None:
        return NO_OPENING
    forms = agent.session
    if known is not None and known.agent_session:
        return Opening(forms.later or forms.first, known.agent_session)
    lost = known is not None and not known.agent_session
    ours = uuid.uuid5(uuid.NAMESPACE_URL, f"praisonrun:{store}")
    made = uuid.uuid5(ours, f"{key} {known.made_by_run}" if known is not None and lost else key)
    return Opening(forms.first, str(made), lost)


def names_one(agent: Agent, known: Conversation | None) -> bool:
    """Say whether an agent was told of a conversation by name, so that it can be unknown, or taken."""
    told = known is not None and known.agent_session
    return agent.session is not None and bool(told or any(OURS in each for each in agent.session.first))


def after(run: Run, known: Conversation | None, told: str | None, *, lost: bool) -> Conversation | None:
    """Return what is known of a conversation once an attempt of a run ended; None for nothing.

    `told` is what its agent called it; `lost` says that the agent did not know it.
    """
    if lost:
        return Conversation("", run.id)
    if told and _NAME.fullmatch(told) and (known is None or known.agent_session != told):
        return Conversation(told, run.id)
    return known
