"""The forms of answers. They are described, never checked, so they are no models until somebody asks."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, ClassVar, Literal, cast, get_type_hints

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from ..core.json import Json


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
        return _made(cls, _Answer, **fields)


class OneOf(Described):
    """The form of what has one of several forms."""

    by: ClassVar[str | None] = None
    """The field that tells them apart."""

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        """Return the forms."""
        raise NotImplementedError

    @classmethod
    @cache
    def model(cls) -> type[BaseModel]:
        """Return its model, made once."""
        each: Any = reduce(or_, cls.forms())
        return _made(cls, pydantic.RootModel, root=(Annotated[each, Field(discriminator=cls.by)], ...))


def _made(form: type, base: type[BaseModel], /, **fields: Any) -> type[BaseModel]:
    return pydantic.create_model(
        form.__name__, __base__=base, __doc__=form.__doc__, __module__=form.__module__, **fields
    )


def more(base: type[Described], name: str, said: str, **fields: tuple[Any, str]) -> type[Described]:
    """Return a form of a name and a description that has more fields: of each its type and description."""
    space: dict[str, Any] = {key: Field(description=of) for key, (_, of) in fields.items()}
    space["__annotations__"] = {key: kind for key, (kind, _) in fields.items()}
    space |= {"__doc__": said, "__module__": base.__module__}
    return cast("type[Described]", type(name, (base,), space))


def _forget_defaults(schema: dict[str, Json]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class _Answer(BaseModel):
    """It has no defaults: generators of clients take a field that has one for one that is always there."""

    model_config = ConfigDict(defer_build=True, json_schema_extra=_forget_defaults)


class _One(Described):
    number: int = 1


class _Sample(OneOf):
    by = "kind"

    @classmethod
    def forms(cls) -> Iterable[type[Described]]:
        return [more(_One, kind, "", kind=(Literal[kind], "")) for kind in ("a", "b")]


def load_pydantic() -> None:
    """Import what pydantic imports only with the first model and the first schema that it makes.

    An upgrade may replace the program's files under a live server, so that later imports fail.
    """
    _Sample.model().model_json_schema()
