"""The table of operations: its routes, its readers, its problems and its OpenAPI document."""

import json
import re
from collections.abc import Iterator

import anyio
import pydantic
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.testclient import TestClient

from praisonrun.core import errors
from praisonrun.web import errors as problems
from praisonrun.web.errors import handlers
from praisonrun.web.forms import Described
from praisonrun.web.openapi import document
from praisonrun.web.operations import Answer, Header, Operation, routes
from praisonrun.web.requests import NotJson, parse_object, read_body, read_query


@pytest.mark.anyio
async def test_heavy_answers_are_made_one_at_a_time() -> None:
    making, most, gate = 0, 0, anyio.Event()

    async def endpoint(_: Request) -> Response:
        nonlocal making, most
        making += 1
        most = max(most, making)
        await gate.wait()
        making -= 1
        return Response("made")

    for heavy, expected in ((True, 1), (False, 3)):
        (route,) = routes([Operation("GET", "/", "n", "s", endpoint, heavy=heavy)])
        most, gate = 0, anyio.Event()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
                tasks.start_soon(route.endpoint, Request(scope))
            await anyio.wait_all_tasks_blocked()
            assert most == expected
            gate.set()


class Order(pydantic.BaseModel):
    prompt: str
    timeout: int = pydantic.Field(3600, ge=1)
    config: dict[str, object] | None = None


class Page(pydantic.BaseModel):
    page: int = pydantic.Field(1, ge=1, description="which page")
    status: str | None = None


class Shown(Described):
    """What came of it."""

    job_id: str
    order: Order


async def submit(request: Request) -> Response:
    order = await read_body(request, Order)
    return Response(order.model_dump_json(), 202, media_type="application/json")


async def find(request: Request) -> Response:
    return Response(read_query(request, Page).model_dump_json(), media_type="application/json")


async def fail(request: Request) -> Response:
    name = request.path_params["name"]
    if name == "bug":
        raise RuntimeError("/secret/path")
    raise getattr(errors, name)("said", field="f", retry_after=3)


OPENED: list[str] = []


async def stream(_request: Request) -> Response:
    def opened() -> Iterator[bytes]:
        OPENED.append("x")
        yield b"x"

    return StreamingResponse(opened(), media_type="text/event-stream")


TABLE = [
    Operation(
        "POST",
        "/runs",
        "submit",
        "Submit a run.",
        submit,
        body=Order,
        answers={202: Answer("Accepted", Shown, {"Location": "the run"}), 409: Answer("Key reused")},
        tag="runs",
        headers={"Idempotency-Key": Header("one run a key", "^.+$")},
    ),
    Operation(
        "GET", "/runs", "find", "Find runs.", find, query=Page, answers={200: Answer("", Shown)}, tag="runs"
    ),
    Operation("DELETE", "/runs/{name}", "fail", "Fail.", fail, answers={204: Answer("gone")}),
    Operation(
        "GET", "/files/{path:path}", "stream", "A stream.", stream, answers={200: Answer("", "text/plain")}
    ),
]


@pytest.fixture
def client() -> TestClient:
    app = Starlette(routes=routes(TABLE), exception_handlers=handlers())
    return TestClient(app, raise_server_exceptions=False)


def test_a_path_serves_its_methods_and_names_them_in_a_405(client: TestClient) -> None:
    assert client.post("/runs", json={"prompt": "x"}).status_code == 202
    assert client.get("/runs").json() == {"page": 1, "status": None}
    refused = client.put("/runs")
    assert refused.status_code == 405
    assert set(refused.headers["allow"].split(", ")) == {"POST", "GET", "HEAD"}
    assert refused.headers["content-type"] == "application/problem+json"
    assert client.get("/none").json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }


def test_head_is_get_without_its_body(client: TestClient) -> None:
    answer = client.head("/runs")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(client.get("/runs").content))
    answer = client.head("/files/a/b")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "content-length" not in answer.headers
    assert not OPENED


CODES = {
    "BadRequest": 400,
    "Invalid": 422,
    "Forbidden": 403,
    "NotFound": 404,
    "WrongState": 409,
    "KeyReused": 409,
    "QueueFull": 503,
    "DiskFull": 507,
    "Unavailable": 503,
}


@pytest.mark.parametrize(("name", "status"), CODES.items())
def test_each_error_has_one_status(client: TestClient, name: str, status: int) -> None:
    answer = client.delete(f"/runs/{name}")
    body = answer.json()
    assert (answer.status_code, body["status"], body["detail"]) == (status, status, "said")
    assert answer.headers["retry-after"] == "3"
    assert body.get("errors") == ([{"loc": ["f"], "msg": "said"}] if status == 422 else None)


@pytest.mark.parametrize("name", ["bug", "ConfigError"])
def test_a_bug_tells_a_stranger_nothing(
    client: TestClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors.ConfigError, "__init__", errors.PraisonrunError.__init__)
    answer = client.delete(f"/runs/{name}")
    assert (answer.status_code, answer.json()["detail"]) == (500, problems.INTERNAL)


def test_a_field_at_fault_is_named_without_its_value(client: TestClient) -> None:
    body = client.post("/runs", json={"prompt": 7, "timeout": 0}).json()
    assert [fault["loc"] for fault in body["errors"]] == [["prompt"], ["timeout"]]
    assert body["detail"] == "prompt: Input should be a valid string (and 1 more)"
    assert client.post("/runs", json={}).json()["detail"] == "prompt: Field required"
    assert client.post("/runs").json()["detail"] == "prompt: Field required"


def test_a_query_has_each_parameter_once(client: TestClient) -> None:
    assert client.get("/runs?page=2&unknown=1").json()["page"] == 2
    assert client.get("/runs?page=2&page=3").json()["errors"][0]["loc"] == ["page"]
    assert client.get("/runs?page=0").status_code == 422


REFUSED = [
    (b'{"a": }', r"^body is not JSON: .+ at 1:7$"),
    (b'{"a": 1\n,,}', r"^body is not JSON: .+ at 2:2$"),
    (b'{"a": 1} x', r"^body is not JSON: .+ at 1:10$"),
    (b"[1]", r"JSON object"),
    (b"null", r"JSON object"),
    (b'{"a": NaN}', r"NaN"),
    (b'{"a": [-Infinity]}', r"Infinity"),
    (b'{"a": 1e999}', r"too large"),
    (b'{"a": ' + b"9" * 4301 + b"}", r"more than 4300 digits"),
    (b'{"a": 1, "b": {"c": 1, "c": 2}}', r"'c' stands twice"),
    (b'{"a": "\\ud800"}', r"surrogate"),
    (b'{"a": "\xff"}', r"UTF-8"),
    ('{"a": 1}'.encode("utf-16"), r"UTF-8"),
    (b"\xef\xbb\xbf{}", r"begins with a byte order mark; send UTF-8 without one$"),
    (b"\xff\xfe{\0}\0", r"is UTF-16; send UTF-8$"),
    ("{}".encode("utf-16-be"), r"is UTF-16; send UTF-8$"),
    ("{}".encode("utf-16-le"), r"is UTF-16; send UTF-8$"),
    ("{}".encode("utf-32"), r"is UTF-32; send UTF-8$"),
    ("{}".encode("utf-32-le"), r"is UTF-32; send UTF-8$"),
    (b'{"a":' * 65 + b"1" + b"}" * 65, r"64 levels"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", r"64 levels"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED)
def test_what_is_not_one_strict_object_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(NotJson, match=words):
        parse_object(body)


def test_strict_objects_pass() -> None:
    assert parse_object(b'{"a":' * 64 + b"1" + b"}" * 64)
    assert parse_object(json.dumps({"a": "\U0001f600", "b": ["[" * 99]}).encode()) == {
        "a": "\U0001f600",
        "b": ["[" * 99],
    }
    wide = {"a": [{"b": [i]} for i in range(1000)]}
    assert parse_object(json.dumps(wide).encode()) == wide


def test_the_document_describes_the_table() -> None:
    drawn = document(TABLE, "1.2.3", "http://127.0.0.1:8005")
    assert drawn["openapi"] == "3.1.0"
    assert drawn["info"]["version"] == "1.2.3"
    assert drawn["servers"] == [{"url": "http://127.0.0.1:8005"}]
    assert set(drawn["paths"]) == {"/runs", "/runs/{name}", "/files/{path}"}
    operations = [row for item in drawn["paths"].values() for row in item.values()]
    assert sorted(row["operationId"] for row in operations) == ["fail", "find", "stream", "submit"]
    for row in operations:
        assert row["responses"]["default"]["content"]["application/problem+json"]
        assert all(answer["description"] for answer in row["responses"].values())
    posted = drawn["paths"]["/runs"]["post"]
    assert posted["requestBody"]["required"]
    assert posted["responses"]["202"]["headers"]["Location"]["description"] == "the run"
    assert posted["responses"]["409"]["content"]["application/problem+json"]
    assert posted["parameters"][0]["in"] == "header"
    [page, status] = drawn["paths"]["/runs"]["get"]["parameters"]
    assert (page["name"], page["required"], page["description"]) == ("page", False, "which page")
    assert page["schema"]["minimum"] == 1
    assert (status["name"], status["schema"]["type"]) == ("status", "string")
    assert drawn["paths"]["/runs/{name}"]["delete"]["responses"]["204"] == {"description": "gone"}


def test_every_reference_in_the_document_resolves() -> None:
    drawn = document(TABLE, "1", "http://x")
    text = json.dumps(drawn)
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert names
    assert names <= set(drawn["components"]["schemas"])
    assert '"#/$defs' not in text
