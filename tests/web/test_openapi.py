"""The document that is served is the routes that are served, and what its schemas promise is what comes.

Every JSON answer in these tests that goes over `Api` is checked against its operation; see wire_rig.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pydantic
import pytest

from praisonrun import __version__
from praisonrun.web.errors import MEDIA_TYPE
from praisonrun.web.operations import routes

from ..rigs.harness import Json
from ..rigs.wire_rig import RUNS, Api, check, table


@pytest.fixture(scope="module")
def served(api: Api) -> Json:
    return api.get("/openapi.json?dialect=all").json()


def nodes(value: Json) -> Iterator[Json]:
    yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(child)


def test_the_document_is_the_table(served: Json, api: Api) -> None:
    assert (served["openapi"], served["info"]["version"]) == ("3.1.0", __version__)
    assert served["servers"] == [{"url": str(api.base_url).rstrip("/")}]
    shown = {
        (method.upper(), path): row["operationId"]
        for path, item in served["paths"].items()
        for method, row in item.items()
    }
    kept = {(row.method, re.sub(r":\w+}", "}", row.path)): row.name for row in table()}
    assert shown == kept
    assert len(set(shown.values())) == len(shown)


def test_every_path_of_the_document_is_served_with_just_its_methods(served: Json, api: Api) -> None:
    for path, item in served["paths"].items():
        there = {method.upper() for method in item}
        there |= {"HEAD"} if "GET" in there else set()
        answer = api.request("PROPFIND", re.sub(r"{\w+}", "x", path))
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, there), path


def test_a_route_has_one_row_for_each_of_its_methods() -> None:
    methods = [(method, route.path) for route in routes(table()) for method in route.methods or ()]
    assert len(methods) == len(set(methods))
    assert {(row.method, row.path) for row in table()} <= set(methods)


def test_the_document_holds_together(served: Json) -> None:
    schemas = served["components"]["schemas"]
    for node in nodes(served):
        if isinstance(node, dict) and "$ref" in node:
            assert node["$ref"].removeprefix("#/components/schemas/") in schemas
    for path, item in served["paths"].items():
        for row in item.values():
            inside = {
                parameter["name"] for parameter in row.get("parameters", ()) if parameter["in"] == "path"
            }
            assert inside == set(re.findall(r"{(\w+)}", path))
            names = [(parameter["in"], parameter["name"]) for parameter in row.get("parameters", ())]
            assert len(names) == len(set(names))
            for status, answer in row["responses"].items():
                assert answer["description"]
                assert status == "default" or 200 <= int(status) < 600
                for kind, content in answer.get("content", {}).items():
                    assert content["schema"], (path, status, kind)
                    if row["tags"] == ["jobs"]:  # other dialects have errors of their own
                        assert (kind == MEDIA_TYPE) == (status == "default" or int(status) >= 400)


def test_nothing_is_without_a_description(served: Json) -> None:
    bare = [name for name, schema in served["components"]["schemas"].items() if not schema.get("description")]
    for node in nodes(served):
        if isinstance(node, dict) and isinstance(fields := node.get("properties"), dict):
            title = node.get("title", "?")
            bare += [f"{title}.{name}" for name, field in fields.items() if not field.get("description")]
    for path, item in served["paths"].items():
        for method, row in item.items():
            where, given = f"{method} {path}", row.get("parameters", ())
            bare += [where] if not row["summary"] else []
            bare += [f"{where} {each['name']}" for each in given if not each["description"]]
    assert bare == []


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("JobEvent", "event"), ("StreamEvent", "event"), ("OwnEvent", "event"), ("AllRunsEvent", "event")),
        *(("EventShown", "event_type"), ("AgUiEvent", "type")),
    ],
)
def test_events_are_told_apart_by_their_kind(served: Json, name: str, field: str) -> None:
    schemas = served["components"]["schemas"]
    told, each = schemas[name]["discriminator"], [form["$ref"] for form in schemas[name]["oneOf"]]
    assert (told["propertyName"], sorted(told["mapping"].values())) == (field, sorted(each))
    for kind, form in told["mapping"].items():
        assert schemas[form.rpartition("/")[2]]["properties"][field]["const"] == kind


def test_the_events_of_a_stream_are_described(served: Json) -> None:
    content = served["paths"][f"{RUNS}/{{run_id}}/stream"]["get"]["responses"]["200"]["content"]
    for kind, form in (("text/event-stream", "StreamEvent"), ("application/x-ndjson", "JobEvent")):
        events = {"type": "array", "items": {"$ref": f"#/components/schemas/{form}"}}
        schema = {"type": "string", "contentMediaType": kind, "contentSchema": events}
        assert content[kind] == {"schema": schema}


def test_no_module_is_imported_for_the_document() -> None:
    code = """if True:
        import sys
        from praisonrun.web.forms import load_pydantic
        from praisonrun.web.openapi import document
        from tests.rigs.wire_rig import table
        load_pydantic()
        before = set(sys.modules)
        assert document(table(), "1", "http://x")
        print(*set(sys.modules) - before)
        """
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_shown_object_promises_each_of_its_keys(served: Json) -> None:
    schemas = served["components"]["schemas"]
    for name in ("JobStatus", "JobResult", "JobList", "Accepted", "ProgressShown", "EventPage"):
        sometimes = {"warnings", "queue_reason"} if name == "Accepted" else set()
        assert set(schemas[name]["required"]) == set(schemas[name]["properties"]) - sometimes, name


def test_the_checks_of_every_answer_have_teeth() -> None:
    request = httpx2.Request("GET", "http://x/api/v1/runs/run_1/events")
    good = {"events": [], "next": 1, "done": True}
    check(httpx2.Response(200, json=good, request=request))
    with pytest.raises(pydantic.ValidationError, match="done"):
        check(httpx2.Response(200, json={"events": [], "next": 1}, request=request))
    for status, body in ((200, {**good, "more": 1}), (418, {}), (201, good)):
        with pytest.raises(AssertionError):
            check(httpx2.Response(status, json=body, request=request))
