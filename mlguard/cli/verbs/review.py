"""`mlguard review list|accept|override|reject`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import ID, LIMIT
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.cli.verbs.quarantine import correction
from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlguard.operate import Decision

STATUSES = ("pending", "accepted", "overridden", "rejected", "obsolete")
IDS = click.argument("ids", nargs=-1, type=ID, required=True, metavar="ID...")
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")


@click.group("review", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Decide about predictions that wait for a person.

    A step routed them to review: guarded reads omit such a row until it is accepted or overridden.
    A rejected one stays out.
    """


@command.command("list")
@click.argument("table", required=False, metavar="[TABLE]")
@shared(*DATABASE)
@click.option(
    "--status",
    type=click.Choice([*STATUSES, "all"]),
    default="pending",
    show_default=True,
    help="Rows in this state.",
)
@click.option("--limit", type=LIMIT, default=100, show_default=True, metavar="N", help="At most so many.")
@formats("text", "json")
@click.pass_obj
def list_rows(state: State, table: str | None, status: str, limit: int, style: str) -> Exit:
    """List routed rows, oldest first. Values of pii columns are not shown."""
    from mlguard.operate import review_list
    from mlguard.report.markup import dumps
    from mlguard.report.review_text import review_text

    wanted = None if status == "all" else status
    with state.database() as connection:
        rows = review_list(connection, table=table, status=wanted, limit=limit)
    if style == "json":
        out(dumps([asdict(row) for row in rows]))
    elif rows:
        out(review_text(rows))
    if not rows:
        say("no row" if wanted is None else f"no row is {wanted}")
    elif len(rows) == limit:
        say(f"the oldest {limit}; --limit shows more")
    return Exit.HOLDS


@command.command("accept")
@IDS
@shared(*DATABASE)
@REASON
@click.pass_obj
def accept(state: State, ids: tuple[int, ...], reason: str) -> Exit:
    """Let rows appear in guarded reads as they are."""
    from mlguard import operate

    with state.database() as connection:
        return _each(
            state, operate.review_known(connection, ids), lambda n: operate.review_accept(connection, n, reason)
        )


@command.command("override")
@IDS
@shared(*DATABASE)
@click.option(
    "--set",
    "values",
    multiple=True,
    required=True,
    metavar="COLUMN=VALUE",
    help="A column and its new value; null is NULL, {…} and […] are JSON, everything else is text of its type. May be"
    " repeated.",
)
@REASON
@click.pass_obj
def override(state: State, ids: tuple[int, ...], values: tuple[str, ...], reason: str) -> Exit:
    """Give rows other values, under the rules of their table, and let them appear in guarded reads.

    Exit code 1 when a rule refused a row.
    """
    from mlguard import operate

    given = dict(correction(text) for text in values)
    with state.database() as connection:
        known = operate.review_known(connection, ids)
        return _each(state, known, lambda n: operate.review_override(connection, n, given, reason))


@command.command("reject")
@IDS
@shared(*DATABASE)
@REASON
@click.pass_obj
def reject(state: State, ids: tuple[int, ...], reason: str) -> Exit:
    """Keep rows out of guarded reads for good; they stay in the table."""
    from mlguard import operate

    with state.database() as connection:
        return _each(
            state, operate.review_known(connection, ids), lambda n: operate.review_reject(connection, n, reason)
        )


def _each(state: State, numbers: list[int], act: Callable[[int], list[Decision]]) -> Exit:
    """Print each row as it is decided, then a summary."""
    from mlguard.report.columns import aligned, count

    state.so = "rows told as decided are, all others wait as before"
    settled = left = 0
    for number in numbers:
        for decision in act(number):
            out(aligned([(str(decision.id), decision.outcome, decision.reason or "")])[0])
            settled += decision.settled
            left += not decision.settled
    say(f"{count(settled, 'row')} decided, {left} left")
    return Exit.VIOLATED if left else Exit.HOLDS
