"""The OpenAPI 3.1 document, made from the same operations as the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..core.json import Json
from .errors import MEDIA_TYPE, Problem, title
from .forms import Described
from .operations import Answer, Operation

_PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
_SEGMENT: dict[str, Json] = {"type": "string", "pattern": "^[^/?#]+$"}
_TEXT: dict[str, Json] = {"type": "string"}
_REF = "#/components/schemas/{model}"
_TOKEN: dict[str, Json] = {
    "type": "http",
    "scheme": "bearer",
    "description": "The token of a server with --token-file or PRAISONRUN_TOKEN.",
}

Use: TypeAlias = tuple[type[BaseModel], Literal["validation", "serialization"]]
Schemas: TypeAlias = Mapping[Use, Json]


def document(
    operations: Iterable[Operation], version: str, server_url: str, *, token: bool = False
) -> dict[str, Json]:
    """Return the document of some operations; `token` says that the server wants its token."""
    table = list(operations)
    schemas, definitions = _schemas(table)
    paths: dict[str, dict[str, Json]] = {}
    for operation in table:
        item = paths.setdefault(_PARAMETER.sub(r"{\1}", operation.path), {})
        item[operation.method.lower()] = _operation(operation, schemas, definitions)
    return {
        "openapi": "3.1.0",
        "info": {"title": "praisonrun", "version": version, "summary": "A durable local agent runner."},
        "servers": [{"url": server_url}],
        "security": [{"token": []}] if token else [{}, {"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in table)],
        "paths": paths,
        "components": {"schemas": _used(paths, definitions), "securitySchemes": {"token": _TOKEN}},
    }


def _used(paths: Json, definitions: Mapping[str, Json]) -> dict[str, Json]:
    """Return the definitions that the paths lead to: what describes a query stands at its parameters."""
    used: dict[str, Json] = {}
    left = list(_references(paths))
    while left:
        if (name := left.pop()) not in used:
            used[name] = definitions[name]
            left += _references(definitions[name])
    return {name: used[name] for name in definitions if name in used}


def _references(value: Json) -> Iterator[str]:
    """Yield the names of the definitions that a value refers to."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        if key == "$ref":
            yield child.rpartition("/")[2]
        elif isinstance(child, dict | list):
            yield from _references(child)


def _schemas(table: Sequence[Operation]) -> tuple[Schemas, dict[str, Json]]:
    wanted: dict[Use, None] = {(Problem.model(), "serialization"): None}
    for operation in table:
        wanted |= {(model, "validation"): None for model in (operation.query, operation.body) if model}
        forms = [form for answer in operation.answers.values() for form in answer.forms.values()]
        wanted |= {(form.model(), "serialization"): None for form in forms}
    schemas, top = models_json_schema(list(wanted), ref_template=_REF)
    return {use: schemas[use] for use in wanted}, top.get("$defs", {})


def _operation(operation: Operation, schemas: Schemas, definitions: Mapping[str, Json]) -> dict[str, Json]:
    shown: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
    }
    if parameters := _parameters(operation, schemas, definitions):
        shown["parameters"] = parameters
    if operation.body:
        content = {"application/json": {"schema": schemas[operation.body, "validation"]}}
        required = any(field.is_required() for field in operation.body.model_fields.values())
        shown["requestBody"] = {"required": required, "content": content}
    shown["responses"] = _responses(operation, schemas)
    return shown


def _parameters(
    operation: Operation, schemas: Schemas, definitions: Mapping[str, Json]
) -> list[dict[str, Json]]:
    said = operation.segments
    path = [
        _parameter("path", name, _TEXT if kind == "path" else _SEGMENT, True, said.get(name, ""))
        for name, kind in _PARAMETER.findall(operation.path)
    ]
    headers = [
        _parameter("header", name, {**_TEXT, "pattern": row.pattern}, row.required, row.description)
        for name, row in operation.headers.items()
    ]
    return [*path, *_query(operation, schemas, definitions), *headers]


def _query(operation: Operation, schemas: Schemas, definitions: Mapping[str, Json]) -> list[dict[str, Json]]:
    if operation.query is None:
        return []
    schema = schemas[operation.query, "validation"]
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    return [
        _parameter("query", name, _given(value), name in required, value.get("description", ""))
        for name, value in schema.get("properties", {}).items()
    ]


def _parameter(
    where: str, name: str, schema: Mapping[str, Json], required: bool, description: str
) -> dict[str, Json]:
    shown = {"name": name, "in": where, "required": required, "description": description}
    return {**shown, "schema": schema}


def _given(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return the schema of a parameter that is given: a query has no null. Its description is elsewhere."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    given = {key: value for key, value in schema.items() if key != "description"}
    if given.get("default", "") is None:
        del given["default"]
    if len(kinds) == 1:
        del given["anyOf"]
        given |= kinds[0]
    return given


def _responses(operation: Operation, schemas: Schemas) -> dict[str, Json]:
    answers = dict(sorted(operation.answers.items()))
    shown = {str(status): _response(status, answer, schemas) for status, answer in answers.items()}
    errors = [answer.content for status, answer in answers.items() if status >= 400 and answer.content]
    shown["default"] = _response(500, Answer("Any other error", errors[0] if errors else None), schemas)
    return shown


def _response(status: int, answer: Answer, schemas: Schemas) -> dict[str, Json]:
    shown: dict[str, Json] = {"description": answer.description or title(status)}
    if answer.headers:
        shown["headers"] = {
            name: {"description": text, "schema": _TEXT} for name, text in answer.headers.items()
        }
    if content := _content(status, answer, schemas):
        shown["content"] = content
    return shown


def _content(status: int, answer: Answer, schemas: Schemas) -> dict[str, Json]:
    match answer.content:
        case None if status < 400:
            return {}
        case None:
            return {MEDIA_TYPE: {"schema": schemas[Problem.model(), "serialization"]}}
        case str() as media_type:
            kind = "object" if media_type == "application/json" else "string"
            return {media_type: {"schema": {"type": kind}}}
        case _:
            return {kind: {"schema": _body(kind, form, schemas)} for kind, form in answer.forms.items()}


def _body(media_type: str, form: type[Described], schemas: Schemas) -> dict[str, Json]:
    """Return the schema of a body: that of a stream is one of text, which holds the events of a form."""
    schema: dict[str, Json] = schemas[form.model(), "serialization"]
    if media_type == "application/json":
        return schema
    events = {"type": "array", "items": schema}
    return {"type": "string", "contentMediaType": media_type, "contentSchema": events}
