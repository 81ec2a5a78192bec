"""`mlguard quarantine list|show|release|replay|discard`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import ID, LIMIT
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import psycopg

    from mlguard.operate import Decision

STATUSES = ("waiting", "released", "obsolete", "discarded")
IDS = click.argument("ids", nargs=-1, type=ID, metavar="[ID]...")


@click.group("quarantine", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Work with the rows that were kept out.

    A kept row waits until it is released into its table, or discarded with a reason.
    """


@command.command("list")
@click.argument("named", required=False, metavar="[TABLE]")
@shared(*DATABASE)
@click.option("--table", metavar="TABLE", help="Of this table only; the same as TABLE.")
@click.option("--slo", metavar="SLO", help="That break this SLO; full id, or its name.")
@click.option(
    "--status",
    type=click.Choice([*STATUSES, "all"]),
    default="waiting",
    show_default=True,
    help="Rows in this state.",
)
@click.option("--limit", type=LIMIT, default=100, show_default=True, metavar="N", help="At most so many.")
@formats("text", "json")
@click.pass_obj
def list_rows(
    state: State, named: str | None, table: str | None, slo: str | None, status: str, limit: int, style: str
) -> Exit:
    """List kept rows, newest first. Values of pii columns are not shown."""
    from mlguard.operate import quarantine_list
    from mlguard.report.markup import dumps
    from mlguard.report.status_text import kept_text

    if named and table and named != table:
        raise click.UsageError(f"two tables are named: {named} and {table}")
    wanted = None if status == "all" else status
    with state.database() as connection:
        rows = quarantine_list(connection, table=table or named, slo=slo, status=wanted, limit=limit)
    if style == "json":
        out(dumps([asdict(row) for row in rows]))
    elif rows:
        out(kept_text(rows))
    if not rows:
        say("no row" if wanted is None else f"no row is {wanted}")
    elif len(rows) == limit:
        say(f"the newest {limit}; --limit shows more")
    return Exit.HOLDS


@command.command("show")
@click.argument("ids", nargs=-1, type=ID, required=True, metavar="ID...")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def show(state: State, ids: tuple[int, ...], style: str) -> Exit:
    """Show whole rows, and every rule each of them breaks."""
    from mlguard.operate import quarantine_show
    from mlguard.report.markup import dumps
    from mlguard.report.status_text import kept_full

    with state.database() as connection:
        rows = quarantine_show(connection, ids)
    out(dumps([asdict(row) for row in rows]) if style == "json" else "\n\n".join(kept_full(row) for row in rows))
    return Exit.HOLDS


@command.command("release")
@IDS
@shared(*DATABASE)
@click.option(
    "--set",
    "corrections",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Correct a column on the way; null is NULL, {…} and […] are JSON, everything else is text of its type."
    " May be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="Every waiting row of --table.")
@click.option("--table", metavar="TABLE", help="With --all: the table.")
@click.pass_obj
def release(
    state: State, ids: tuple[int, ...], corrections: tuple[str, ...], everything: bool, table: str | None
) -> Exit:
    """Write kept rows into their table, those that hold now.

    One line a row. A row that still breaks a rule stays and says which; a row whose key was written since then is a
    conflict and stays too. Exit code 1 when a row stayed.
    """
    from mlguard import operate

    settings = dict(correction(text) for text in corrections)
    if everything != bool(table) or everything == bool(ids):
        raise click.UsageError("say which rows: their numbers, or --all --table TABLE")
    with state.database() as connection:
        wanted = operate.waiting_ids(connection, table) if table else _known(connection, ids)
        state.so = "rows told as released are in their table, all others wait as before"
        return _each(wanted, lambda number: operate.release(connection, number, settings))


@command.command("replay")
@click.argument("table", metavar="TABLE")
@shared(*DATABASE)
@click.pass_obj
def replay(state: State, table: str) -> Exit:
    """Judge all waiting rows of a table anew, after a rule changed; write those that hold now.

    Exit code 1 when a row stayed.
    """
    from mlguard import operate

    with state.database() as connection:
        return _tell(operate.replay(connection, table))


@command.command("discard")
@IDS
@shared(*DATABASE)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.option("--all", "everything", is_flag=True, help="Every waiting row of --table.")
@click.option("--table", metavar="TABLE", help="With --all: the table.")
@click.pass_obj
def discard(state: State, ids: tuple[int, ...], reason: str, everything: bool, table: str | None) -> Exit:
    """Give kept rows up. Who and why are kept, and the row until its retention is over."""
    from mlguard import operate

    if everything != bool(table) or everything == bool(ids):
        raise click.UsageError("say which rows: their numbers, or --all --table TABLE")
    with state.database() as connection:
        wanted = operate.waiting_ids(connection, table) if table else _known(connection, ids)
        state.so = "rows told as discarded are, all others wait as before"
        return _each(wanted, lambda number: operate.discard(connection, number, reason))


def _known(connection: psycopg.Connection[Any], ids: tuple[int, ...]) -> list[int]:
    """Return the numbers, each once, after a look whether all of them exist: a typing error changes nothing."""
    from mlguard.operate import quarantine_show

    return [kept.id for kept in quarantine_show(connection, ids)]


def _each(numbers: Iterable[int], act: Callable[[int], list[Decision]]) -> Exit:
    return _tell(decision for number in numbers for decision in act(number))


def _tell(decisions: Iterable[Decision]) -> Exit:
    """Print each row as it is decided, then a summary."""
    from mlguard.report.columns import aligned, count

    settled = left = 0
    for decision in decisions:
        out(aligned([(str(decision.id), decision.outcome, decision.reason or "")])[0])
        settled += decision.settled
        left += not decision.settled
    say(f"{count(settled, 'row')} settled, {left} left in quarantine" if settled or left else "no row waits")
    return Exit.VIOLATED if left else Exit.HOLDS


def correction(text: str) -> tuple[str, Any]:
    """Read COLUMN=VALUE; text stays text, since PostgreSQL casts it to the column's type as it would a literal."""
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise click.UsageError(f"--set {text}: write COLUMN=VALUE, for example --set age=34")
    if value == "null":
        return column, None
    if value[:1] in ("{", "[", '"'):
        try:
            return column, json.loads(value)
        except ValueError:
            pass  # '{1,2}' is an array in PostgreSQL's own spelling
    return column, value
