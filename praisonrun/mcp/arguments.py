"""What each tool takes. A model reads the descriptions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

LONGEST = 50.0
"""Seconds that a call takes at most: clients give up after a minute."""
USUAL = 45.0
LINES = 1000
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,128}$", description="The run's id, such as run_….")]
Cursor = Annotated[
    str | None,
    Field(
        pattern=r"^[0-9]{1,19}(\.[0-9]{1,9})?$",
        description="The cursor of an earlier answer; without one, the beginning.",
    ),
]


class Arguments(BaseModel, extra="forbid", hide_input_in_errors=True):
    """The arguments of a tool."""


class Nothing(Arguments):
    """No arguments."""


class Submit(Arguments):
    """Of submit_run."""

    prompt: str = Field(min_length=1, description="What the agent is asked. It knows nothing else of you.")
    agent: str | None = Field(None, description="Which agent.")
    cwd: str | None = Field(
        None, description="Where it works, an absolute path; only for agents of cwd: caller."
    )
    session_id: str | None = Field(None, description="Groups runs that belong together.")
    timeout: int | None = Field(None, ge=1, le=10**9, description="Seconds after which it is stopped.")


class One(Arguments):
    """Of a tool about one run."""

    run_id: RunId


class Get(One):
    """Of get_run."""

    result_from: int = Field(0, ge=0, description="Characters of a long result to skip.")


class Wait(One):
    """Of wait_run."""

    seconds: float = Field(USUAL, ge=0, le=LONGEST, description="How long to wait at most.")
    cursor: Cursor = None


class Read(One):
    """Of read_logs."""

    cursor: Cursor = None
    last_lines: int | None = Field(
        None, ge=1, le=LINES, description="Instead of a cursor: only the last lines, as they were printed."
    )


class Retry(One):
    """Of retry_run."""

    prompt: str | None = Field(None, min_length=1, description="Another prompt than the run had.")


class Reply(One):
    """Of answer."""

    answer: str = Field(min_length=1, max_length=8192, description="One of its options, if it has any.")
    question_id: str | None = Field(
        None, pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Which question, if it asks several."
    )
