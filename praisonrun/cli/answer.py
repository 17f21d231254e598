"""`praisonrun answer`: what a person says to an agent that asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..config.discovery import Named
from ..core.errors import Invalid, WrongState
from .client import RUNS, Client
from .ids import find, short
from .local import target
from .pipe import print_object, print_text
from .questions import open_questions
from .text import one_line

CUT = 60
"""Characters of a question where several are told apart."""


def answer(named: Named, words: Sequence[str], *, as_json: bool) -> int:
    """Answer the question that words name: a run, maybe one of its questions, and the answer; return 0.

    Raises WrongState where the run asks nothing, or has another answer already.
    """
    if not 2 <= len(words) <= 3:
        raise Invalid("name a run and an answer, and the question between them if there are several")
    with Client(target(named), tries=3) as client:
        run = find(client, words[0])
        ask_id = words[1] if len(words) == 3 else only_one(run)
        path = f"{RUNS}/{quote(run['job_id'], safe='')}/answers/{quote(ask_id, safe='')}"
        told = client.call("POST", path, json={"answer": words[-1]})
    if as_json:
        print_object(told)
    else:
        print_text(f"{short(run['job_id'])}  {one_line(told['question'])[:CUT]}: {one_line(told['answer'])}")
    return 0


def only_one(run: Mapping[str, Any]) -> str:
    """Return the id of the one question that a run asks. Raises WrongState for none, Invalid for several."""
    asked = open_questions(run)
    if not asked:
        raise WrongState(f"run {short(run['job_id'])} asks nothing now")
    if len(asked) > 1:
        each = (f"{one['id']} ({one_line(one['question'])[:CUT]})" for one in asked)
        raise Invalid(f"run {short(run['job_id'])} asks several questions; name one: {', '.join(each)}")
    return str(asked[0]["id"])
