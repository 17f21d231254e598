"""Other people's programs make whole clients of our OpenAPI document."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from praisonrun.web.openapi import document

from ..rigs.harness import Json
from ..rigs.wire_rig import table

SCRIPTS = Path(sys.executable).parent
DIALECTS = ("jobs", "nullspace", "veryfront", "all")


def described(dialect: str) -> Json:
    return document((row for row in table() if dialect in ("all", row.tag)), "1", "http://127.0.0.1:8005")


@pytest.fixture(params=DIALECTS)
def served(request: pytest.FixtureRequest) -> Json:
    return described(request.param)


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.proof] * (name != "all")) for name in DIALECTS])
def generated(request: pytest.FixtureRequest) -> Json:
    """A document to generate from: all in one has every operation and schema of the others."""
    return described(request.param)


@pytest.fixture
def file(tmp_path: Path, generated: Json) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(generated))
    return path


def made(program: str | Path, *arguments: str | Path) -> str:
    """Run a generator; return what it said. It must end well."""
    done = subprocess.run([SCRIPTS / program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def operations(served: Json) -> set[str]:
    return {row["operationId"] for item in served["paths"].values() for row in item.values()}


def test_the_document_is_valid(served: Json) -> None:
    import openapi_spec_validator  # it takes long, and each process of the tests reads this file

    openapi_spec_validator.validate(served)


def test_a_python_client_has_every_operation(file: Path, generated: Json, tmp_path: Path) -> None:
    out = tmp_path / "client"
    said = made("openapi-python-client", "generate", "--path", file, "--output-path", out, "--meta", "none")
    assert "WARNING" not in said
    modules = {path.stem: path for path in (out / "api").rglob("*.py") if path.stem != "__init__"}
    assert modules.keys() == operations(generated)
    for path in out.rglob("*.py"):
        ast.parse(path.read_text())


def test_python_models_have_every_schema(file: Path, generated: Json, tmp_path: Path) -> None:
    out = tmp_path / "models.py"
    kind = "pydantic_v2.BaseModel"
    how = ("--output-model-type", kind, "--formatters", "builtin")  # the default ones take half of the time
    made("datamodel-codegen", "--input", file, "--output", out, *how)
    classes = {node.name for node in ast.parse(out.read_text()).body if isinstance(node, ast.ClassDef)}
    assert generated["components"]["schemas"].keys() <= classes


def test_typescript_has_every_operation_and_schema(
    file: Path, generated: Json, tmp_path: Path, node_modules: Path
) -> None:
    out = tmp_path / "client.ts"
    made(node_modules / ".bin" / "openapi-typescript", file, "--output", out)
    schemas, known = generated["components"]["schemas"], sorted(operations(generated))
    uses = [f'export type O{n} = operations["{name}"];' for n, name in enumerate(known)]
    uses += [f'export type S{n} = components["schemas"]["{name}"];' for n, name in enumerate(schemas)]
    (tmp_path / "uses.ts").write_text(
        "\n".join(['import type { components, operations } from "./client";', *uses])
    )
    made(
        node_modules / ".bin" / "tsc",
        "--strict",
        "--noEmit",
        "--moduleResolution",
        "node",
        tmp_path / "uses.ts",
    )


def test_nothing_is_described_that_nobody_refers_to(served: Json) -> None:
    text = json.dumps(served)
    for name in served["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_no_name_tells_where_our_code_lies(served: Json) -> None:
    assert not [name for name in served["components"]["schemas"] if "praisonrun" in name]
