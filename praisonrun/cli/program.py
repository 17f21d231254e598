"""The command that all commands are below.

Exit codes: 0 success, 1 failure, 2 a fault in the command line or a file, or no server; `run`, `attach` and
`wait` end as their run does.
"""

from __future__ import annotations

import click


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from .info import version

        click.echo(version())
        context.exit()


@click.group(no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def program() -> None:
    """Run any agent as a durable, cancellable, streamable local job."""
