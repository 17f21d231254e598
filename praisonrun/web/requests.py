"""Readers of requests: a body as strict JSON, a query without repetitions, cursors, idempotency keys."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from math import isfinite
from typing import NoReturn, TypeVar

import anyio
import pydantic
from starlette.requests import ClientDisconnect, Request

from ..core.errors import BadRequest, Invalid
from ..core.json import Json, deeper
from ..core.notifier import AnyOf

Model = TypeVar("Model", bound=pydantic.BaseModel)

DEPTH = 64
"""Levels of arrays and objects that a body may nest."""
DIGITS = 4300
"""Digits of a whole number in a body."""
KEY = "^[!-~]{1,255}$"
"""The pattern of an Idempotency-Key: visible ASCII."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(Invalid):
    """A body that is not one strict JSON object; dialects other than jobs answer 400."""


def base_url(request: Request) -> str:
    """Return the scheme and host that the client used, which the edge has checked."""
    return f"{request.scope['scheme']}://{request.headers['host']}"


def seq_of(cursor: str | None, wrong: str = "is none of ours") -> int | None:
    """Return the number that a list's cursor holds, None without a cursor. Raises BadRequest."""
    if cursor is None or re.fullmatch("[0-9]{1,18}", cursor):
        return None if cursor is None else int(cursor)
    raise BadRequest(f"cursor {cursor[:40]!r} {wrong}; start without one", field="cursor")


def last_event_id(request: Request) -> int | None:
    """Return the Last-Event-ID header, None without one. Raises BadRequest for a malformed one."""
    given = request.headers.get("last-event-id", "")
    if re.fullmatch("[0-9]{0,19}", given):
        return int(given) if given else None
    raise BadRequest(f"Last-Event-ID {given[:40]!r} is no id of ours; start without one")


def checked_key(key: str) -> str:
    """Return an idempotency key as it was given. Raises BadRequest for a malformed one."""
    if not re.fullmatch(KEY, key):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters", field="idempotency_key")
    return key


async def wait_for(request: Request, bell: asyncio.Event | AnyOf, seconds: float) -> None:
    """Wait until a bell rings or some seconds have passed.

    Raises ClientDisconnect as soon as the client leaves. The request's body must have been read, or be empty.
    """
    departed = False

    async def watch(wait: anyio.CancelScope) -> None:
        nonlocal departed
        while (await request.receive())["type"] != "http.disconnect":
            pass
        departed = True
        wait.cancel()

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch, tasks.cancel_scope)
            await bell.wait()
            tasks.cancel_scope.cancel()
    if departed:
        raise ClientDisconnect


async def read_body(request: Request, model: type[Model]) -> Model:
    """Return the request's body as `model`; an empty body is an empty object.

    Raises NotJson, and pydantic.ValidationError for a field at fault.
    """
    body = await request.body()
    return model.model_validate(parse_object(body) if body else {})


def read_query(request: Request, model: type[Model]) -> Model:
    """Return the query as `model`; unknown parameters are ignored.

    Raises Invalid for a repeated parameter, pydantic.ValidationError for a value at fault.
    """
    if not request.scope["query_string"]:
        return model.model_validate({})
    several: frozenset[str] = getattr(model, "several", frozenset())
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in values and name not in several:
            raise Invalid(f"the query parameter {name!r} is given more than once", field=name)
        if _counts(model, name) and not re.fullmatch("-?[0-9]{1,20}", value):
            raise Invalid(f"{name}: must be a whole number in digits, such as 5", field=name)
        values[name] = f"{values[name]},{value}" if name in values else value
    return model.model_validate(values)


def _counts(model: type[pydantic.BaseModel], name: str) -> bool:
    """Say whether a parameter is a whole number: pydantic would take `5.0`, `1_0` and ` +5`, too."""
    field = model.model_fields.get(name)
    return field is not None and field.annotation in (int, int | None)


def parse_object(body: bytes) -> dict[str, Json]:
    """Return a body's one JSON object.

    Rejected (NotJson): other encodings than UTF-8, NaN and infinities, duplicate keys, lone
    surrogates, more than DEPTH levels, anything but an object.
    """
    value = _decoded(body)
    if not isinstance(value, dict):
        raise NotJson("the body must be a JSON object")
    # Every level needs a bracket, so a body with few brackets needs no walk.
    if body.count(b"{") + body.count(b"[") > DEPTH and deeper(value, DEPTH):
        raise NotJson(f"the body nests more than {DEPTH} levels")
    return value


def _decoded(body: bytes) -> Json:
    if (encoding := json.detect_encoding(body)) != "utf-8":
        marked = encoding == "utf-8-sig"
        name = encoding[:6].upper().strip("-")
        why = "begins with a byte order mark; send UTF-8 without one" if marked else f"is {name}; send UTF-8"
        raise NotJson(f"the body {why}")
    try:
        text = body.decode()
        value = _DECODER.decode(text)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as fault:
        raise NotJson(f"body is not JSON: {fault.msg} at {fault.lineno}:{fault.colno}") from None
    except UnicodeEncodeError:
        raise NotJson("the body holds half a surrogate pair") from None
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8") from None
    except RecursionError:
        raise NotJson(f"the body nests more than {DEPTH} levels") from None
    except ValueError:  # the interpreter's own limit was set below ours
        raise NotJson("body is not JSON: a number of too many digits") from None


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise NotJson(f"the key {twice[:100]!r} stands twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    raise NotJson(f"body is not JSON: {name} is not a number")


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise NotJson(f"body is not JSON: {digits[:40]} is too large a number")
    return value


def _int(digits: str) -> int:
    if len(digits) > DIGITS:  # Python's own limit can be lifted from outside, and then costs minutes
        raise NotJson(f"body is not JSON: a number of more than {DIGITS} digits")
    return int(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int
)
