"""What is asked of the paths of no dialect, and what they answer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ...core.json import Json
from ...web.fields import Time, WireModel
from ...web.forms import Described


class Healthz(Described):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always ok.")


class Health(Described):
    """Whether the server can take runs, and what it is made of."""

    status: Literal["ok", "degraded"] = Field(description="degraded while there are problems.")
    version: str = Field(description="praisonrun's version.")
    problems: list[str] = Field(description="What keeps runs from being taken or kept, and what to do.")
    runs: dict[str, int] = Field(description="How many runs there are, by status.")
    concurrency: int = Field(description="The most runs that are executed at once.")
    queue_limit: int = Field(description="The most runs that wait.")
    free_bytes: int = Field(description="Free space where the state directory is.")
    min_free_bytes: int = Field(description="The free space below which no run is taken.")
    store: dict[str, Json] = Field(
        description="The database's size in bytes, its schema, and SQLite's version."
    )


class Stats(Described):
    """How many runs there are."""

    total: int = Field(description="All runs and services.")
    by_status: dict[str, int] = Field(description="How many, by status.")
    by_agent: dict[str, dict[str, int]] = Field(description="How many, by agent and then by status.")
    live: int = Field(description="Runs and services that are executed now.")
    concurrency: int = Field(description="The most runs that are executed at once.")
    queue_limit: int = Field(description="The most runs that wait.")


class AgentShown(Described):
    """One agent that can be run."""

    name: str = Field(description="The name of its entry.")
    default: bool = Field(description="Whether a submit that names no agent gets it.")
    mode: str = Field(description="run, or service for one that is not expected to end.")
    kind: Literal["command", "crew"] = Field(description="crew: a framework executes it.")
    use: str | None = Field(description="The recipe that its entry uses; null for none.")
    description: str = Field(description="As its entry says; may be empty.")
    cwd: str = Field(description="Where it works; caller where each submit may say so.")
    timeout: float | None = Field(description="Seconds that an attempt may take; null for no limit.")
    concurrency: int | None = Field(description="The most runs of it at once; null for no limit of its own.")
    format: str = Field(description="How its output is read: text, jsonl, or the agent whose stream it is.")
    env_required: list[str] = Field(description="Variables that a submit or the server must supply.")
    env_missing: list[str] = Field(description="Those of them that the server has no value for.")
    problem: str | None = Field(description="Why its program cannot be started now, and what to do.")
    install: str | None = Field(description="A shell line that installs its program, if that helps.")


class Agents(Described):
    """What agents.yaml offers."""

    agents: list[AgentShown] = Field(description="The agents, as the file has them.")
    default: str = Field(description="The agent of a submit that names none.")
    problem: str | None = Field(description="Why the file cannot be used as it is now; the last good one is.")


class Info(Described):
    """Which server this is, and what it speaks. To a challenge it says the first four and its proof alone."""

    name: str = Field(description="Always praisonrun.")
    version: str = Field(description="praisonrun's version.")
    api_version: int = Field(description="What its own commands speak; they talk to no other.")
    store: str = Field(description="An id of the state directory.")
    proof: str = Field("", description="HMAC-SHA256(secret of server.json, CHALLENGE:PORT).")
    api: list[str] = Field([], description="Its dialects.")
    pid: int = Field(0, description="The server's process.")
    started_at: Time = Field("", description="When the server started.")
    features: dict[str, bool] = Field({}, description="What its settings turn on or off.")


class InfoQuery(WireModel):
    """How to prove that this server has the state directory that a client means. Needs no token."""

    challenge: str | None = Field(
        None, pattern="^[0-9a-fA-F]{1,256}$", description="Hex digits of the client's choice, new each time."
    )


class DocumentQuery(WireModel):
    """Which of the server's APIs to describe."""

    dialect: Literal["jobs", "nullspace", "veryfront", "all"] = Field(
        "jobs", description="jobs is PraisonAI's, with what belongs to no dialect; all is everything."
    )


class Stays(Described):
    """The server stays until it is stopped."""

    changed: bool = Field(description="Whether it would have stopped by itself before, once it was idle.")
