"""The base of all wire models, and the types of fields that several dialects take."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ..core.json import Json

PROMPT_LIMIT = 1024 * 1024
"""Bytes of a prompt."""


class WireModel(BaseModel):
    """The form of a body or a query. Its checks are built on its first use."""

    model_config = ConfigDict(defer_build=True)
    several: ClassVar[frozenset[str]] = frozenset()
    """Parameters of a query that may be repeated: their values come joined by commas."""


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain NUL")
    return text


def _env_name(name: str) -> str:
    if not name or "=" in name or "\0" in name or name.startswith("PRAISONRUN_"):
        raise ValueError("must be a name without '=' or NUL, and not start with PRAISONRUN_")
    return name


Text = Annotated[str, AfterValidator(_no_nul), Field(json_schema_extra={"pattern": "^[^\\u0000]*$"})]
Name = Annotated[Text, Field(min_length=1, max_length=128)]
_NAMED: dict[str, Json] = {"propertyNames": {"pattern": "^(?!PRAISONRUN_)[^=\\u0000]+$"}}
Envs = Annotated[
    dict[Annotated[str, AfterValidator(_env_name)], Annotated[Text, Field(strict=True)]],
    Field(json_schema_extra=_NAMED),
]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""A time as the wire shows it: UTC, milliseconds, `Z`."""
Whole = Annotated[int, Field(strict=True)]
_FLAGS = {"": True, "true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
Flag = Annotated[
    bool,
    BeforeValidator(lambda given: _FLAGS.get(given, "neither") if isinstance(given, str) else given),
    WithJsonSchema({"type": "boolean"}),
]
"""A query parameter that needs no value: `?follow`. 1, 0 and Python's True and False are accepted, too."""
