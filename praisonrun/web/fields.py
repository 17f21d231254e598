"""The base of all wire models, and the types of fields that several dialects take."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, get_type_hints

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ..core.json import Json

PROMPT_LIMIT = 1024 * 1024
"""Bytes of a prompt."""


class WireModel(BaseModel):
    """The form of a body or a query. Its checks are built on its first use."""

    model_config = ConfigDict(defer_build=True)
    several: ClassVar[frozenset[str]] = frozenset()
    """Parameters of a query that may be repeated: their values come joined by commas."""


class Described:
    """The form of an answer, written like a model. A field with a default may be missing.

    pydantic makes a model of it for the first document: all the models of the answers would take a tenth of
    the server's start.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: pydantic.GetCoreSchemaHandler) -> Any:
        return handler.generate_schema(cls.model())

    @classmethod
    @cache
    def model(cls) -> type[BaseModel]:
        """Return its model, made once."""
        hints = get_type_hints(cls, include_extras=True)
        fields: dict[str, Any] = {name: (hint, getattr(cls, name, ...)) for name, hint in hints.items()}
        base: type[BaseModel] = pydantic.RootModel if issubclass(cls, OneOf) else _Answer
        return pydantic.create_model(
            cls.__name__, __base__=base, __doc__=cls.__doc__, __module__=cls.__module__, **fields
        )


class OneOf(Described):
    """The form of what has one of several forms; its field `root` names them."""


def _forget_defaults(schema: dict[str, Json]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class _Answer(BaseModel):
    """It has no defaults: generators of clients take a field that has one for one that is always there."""

    model_config = ConfigDict(defer_build=True, json_schema_extra=_forget_defaults)


class _Sample(OneOf):
    root: int | str = 0


def load_pydantic() -> None:
    """Import what pydantic imports only with the first model and the first schema that it makes.

    An upgrade may replace the program's files under a live server, so that later imports fail.
    """
    _Sample.model().model_json_schema()


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
