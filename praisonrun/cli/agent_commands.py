"""The flags and help of the commands about agents: their file, and what a server offers of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..config.discovery import Named
from .flags import PATH, as_json, target
from .program import program


@program.command()
@click.argument("file", type=PATH, required=False)
@click.option("--strict", is_flag=True, help="Exit 1 if a program is missing.")
@as_json
@click.option("--schema", is_flag=True, help="Print a JSON Schema of agents.yaml, for editors.")
def check(file: Path | None, *, strict: bool, as_json: bool, schema: bool) -> None:
    """Check FILE or ./agents.yaml, and look for its programs."""
    from .check import check as report
    from .check import print_schema

    sys.exit(print_schema() if schema else report(file, strict=strict, as_json=as_json))


@program.command()
@as_json
@target
def agents(server: Named, *, as_json: bool) -> None:
    """List the agents that can be run, and what is missing for them.

    Where no server runs, they are those of ./agents.yaml. --json prints what GET /api/v1/agents answers.
    """
    from .agents import agents as show

    sys.exit(show(server, as_json=as_json))
