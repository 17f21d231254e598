"""What all commands share: the options that find a server, and the program's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import __version__

Host = Annotated[
    str | None,
    typer.Option(envvar="PRAISONRUN_HOST", help="Address of the server (default: the state directory's)."),
]
Port = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, envvar="PRAISONRUN_PORT", metavar="N", help="Its port (default: likewise)."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(
        envvar="PRAISONRUN_STATE", metavar="DIR", help="Where runs are kept (default: your state directory)."
    ),
]
Agents = Annotated[
    Path | None,
    typer.Option(
        envvar="PRAISONRUN_AGENTS", metavar="FILE", help="The agents to offer (default: ./agents.yaml)."
    ),
]


def program() -> typer.Typer:
    """Return the program without its commands."""
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,  # without it typer imports rich for every message
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Run any agent as a durable, cancellable, streamable local job.",
    )
    app.callback()(_root)
    return app


def _version(wanted: bool) -> None:
    if wanted:
        print(f"praisonrun {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run any agent as a durable, cancellable, streamable local job."""
