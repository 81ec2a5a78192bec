"""A click group whose verbs are imported when they are called, so that `--help` costs no library."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click


class Verb(NamedTuple):
    """Where a verb lives, and its line in the list of verbs."""

    module: str
    help: str


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports a module only for the verb that runs."""

    def __init__(self, *args: Any, verbs: dict[str, Verb], **kwargs: Any) -> None:
        """Take what click.Group takes, and the verbs in the order in which help lists them."""
        super().__init__(*args, **kwargs)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which a project meets them."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb."""
        verb = self.verbs.get(cmd_name)
        if verb is None:
            return None
        command = import_module(verb.module).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that was typed, or the one that was meant."""
        typed = args[0]
        if typed not in self.verbs and not ctx.resilient_parsing and not typed.startswith("-"):
            meant = get_close_matches(typed, self.verbs, n=1)
            guess = f"did you mean '{meant[0]}'?" if meant else f"there are {', '.join(self.verbs)}"
            raise click.UsageError(f"there is no verb '{typed}'; {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.help) for name, verb in self.verbs.items()])
