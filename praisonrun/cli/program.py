"""The command that all commands are below.

Exit codes: 0 success, 1 failure, 2 a fault in the command line or a file, or no server; `run`, `attach` and
`wait` end as their run does.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import click

SECTIONS: Mapping[str, Sequence[str]] = {
    "Runs": ("run", "ps", "logs", "attach", "wait", "show", "answer", "cancel", "retry"),
    "Agents": ("init", "agents", "check", "services"),
    "Server": ("up", "serve", "stop", "info", "open", "pause", "resume", "webhooks"),
    "Inside an agent": ("ask", "permission"),
    "This machine": ("mcp", "service-file", "completion"),
}
"""All commands, in the order of the help."""
MEANT: Mapping[str, str] = {
    "add": "run", "submit": "run", "exec": "run", "list": "ps", "ls": "ps", "status": "ps", "jobs": "ps",
    "log": "logs", "tail": "logs", "follow": "attach", "watch": "attach", "inspect": "show", "get": "show",
    "describe": "show", "kill": "cancel", "abort": "cancel", "rm": "cancel", "rerun": "retry",
    "start": "up", "daemon": "up", "server": "serve", "shutdown": "stop", "quit": "stop", "health": "info",
    "doctor": "check", "validate": "check", "lint": "check", "new": "init",
}  # fmt: skip
"""What other tools call some of them."""
WIDEST = 80
NARROWEST = 40


class Program(click.Group):
    """Commands: in sections, as wide as the terminal, and with a hint for a name that is none."""

    group_class = type  # groups below are of this class, too

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        width = max(min(shutil.get_terminal_size().columns, WIDEST), NARROWEST) - 2
        return super().make_context(info_name, args, parent, **{"terminal_width": width, **extra})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in self._sections(ctx).values() for name in names if name in self.commands]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        column = max(map(len, self.commands))
        for title, names in self._sections(ctx).items():
            known = [(name, self.commands[name]) for name in names if name in self.commands]
            with formatter.section(title):
                formatter.write_dl(
                    [(name.ljust(column), each.get_short_help_str(500)) for name, each in known]
                )

    def _sections(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        known = {} if ctx.parent else SECTIONS
        rest = [name for name in self.commands if not any(name in names for names in known.values())]
        return {**known, **({"More" if known else "Commands": rest} if rest else {})}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        meant = MEANT.get(args[0], "")
        if args[0] not in self.commands and meant in self.commands:
            raise click.UsageError(f"No such command {args[0]!r}. Did you mean {meant!r}?", ctx)
        return super().resolve_command(ctx, args)


def _version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from .version import version

        click.echo(version())
        context.exit()


@click.group(cls=Program, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def program() -> None:
    """Run any agent as a durable, cancellable, streamable local job."""
