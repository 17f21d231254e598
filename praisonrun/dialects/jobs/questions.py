"""What agents ask, and the answers: `POST /api/v1/runs/{run_id}/answers/{ask_id}`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from ...core.clock import iso
from ...core.json import Json
from ...core.model import Snapshot
from ...core.question import TEXT, Question, QuestionState
from ...engine.engine import Engine
from ...web.fields import Text, Time, WireModel
from ...web.forms import Described
from ...web.operations import Answer, operation
from ...web.requests import read_body
from ...web.responses import json_response

StateWord = Annotated[QuestionState, BeforeValidator(QuestionState)]


class OpenQuestion(Described):
    """What an agent asks, in short."""

    id: str = Field(description="Which of its run's questions it is.")
    question: str = Field(description="What it asks.")
    kind: Literal["question", "permission"] = Field(description="permission: whether it may do something.")
    asked_at: Time = Field(description="When.")
    due_at: Time = Field(description="Until when it can be answered.")


class QuestionShown(OpenQuestion):
    """What an agent asks, and what became of it."""

    options: list[str] = Field(description="What may be answered; empty: any text.")
    default: str | None = Field(description="The answer if nobody gives one in time; null: it is denied.")
    state: StateWord = Field(description="void: its attempt ended before there was an answer.")
    answer: str | None = Field(description="The answer; of one that has expired its default, null if denied.")


def in_short(shown: Snapshot) -> list[dict[str, Json]]:
    """Return what a list shows of a run's open questions."""
    return [_short(each) for each in shown.open_questions]


def whole(each: Question) -> dict[str, Json]:
    """Return a question as its run shows it."""
    options, state = list(each.options), each.state.value
    more = {"options": options, "default": each.default, "state": state, "answer": each.answer}
    return {**_short(each), **more}


def _short(each: Question) -> dict[str, Json]:
    times = {"asked_at": iso(each.asked_at), "due_at": iso(each.due_at)}
    return {"id": each.id, "question": each.question, "kind": each.kind, **times}


def _fits(text: str) -> str:
    if len(text.encode(errors="replace")) > TEXT:
        raise ValueError(f"must have at most {TEXT} bytes")
    return text


class Given(WireModel, extra="forbid"):
    """An answer."""

    answer: Annotated[Text, AfterValidator(_fits), Field(strict=True)] = Field(
        description="One of the options, if there are any; else text of at most 8192 bytes."
    )


_ANSWERED = {
    200: Answer("It is answered; the same answer again is no error.", QuestionShown),
    404: Answer("No such run, or it has asked no such question."),
    409: Answer("It has another answer, or has expired."),
    410: Answer("The attempt that asked it has ended."),
    422: Answer("None of the options, or no text."),
}


class Questions:
    """The endpoint."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @operation("POST", "/api/v1/runs/{run_id}/answers/{ask_id}", _ANSWERED, body=Given)
    async def answer_question(self, request: Request) -> Response:
        """Answer what a run's agent asks."""
        run_id, ask_id = request.path_params["run_id"], request.path_params["ask_id"]
        given = (await read_body(request, Given)).answer
        return json_response(whole(await self._engine.answer(run_id, ask_id, given)))
