"""`mlguard incidents list|show|ack|snooze|resolve|label`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, paint, say
from mlguard.cli.options import FUTURE, ID, LENGTH, LIMIT
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import psycopg

LABELS = ("true", "false", "expected")
IDS = click.argument("ids", nargs=-1, required=True, type=ID, metavar="ID...")


@click.group("incidents", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Work with what failed: one alarm per cause.

    An incident is an SLO, or one segment of it, from its first failure until it is resolved. What fails together is one
    alarm: its likeliest cause first, the rest listed with it.
    """


@command.command("list")
@shared(*DATABASE)
@click.option("--table", metavar="TABLE", help="Of this table only, and what belongs to the same alarms.")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, metavar="N", help="At most so many.")
@formats("text", "json")
@click.pass_obj
def list_incidents(state: State, table: str | None, everything: bool, limit: int, style: str) -> Exit:
    """List open incidents, the most severe first, each cause with its consequences."""
    from mlguard.operate import incidents
    from mlguard.report.incidents_text import list_text, summary
    from mlguard.report.markup import dumps

    with state.database() as connection:
        found = incidents(connection, table=table, everything=everything, limit=limit)
    if style == "json":
        out(dumps([asdict(incident) for incident in found]))
    elif found:
        out(list_text(found, paint))
    if not found and everything:
        say("there was never an incident")
    else:
        say(summary(found) if len(found) < limit else f"the first {limit}; --limit shows more")
    return Exit.HOLDS


@command.command("show")
@IDS
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def show(state: State, ids: tuple[int, ...], style: str) -> Exit:
    """Show all about incidents: what, why, who reads it, what was judged and done, what can be done next."""
    from mlguard.operate import incident
    from mlguard.report.incidents_text import show_text
    from mlguard.report.markup import dumps

    with state.database() as connection:
        found = [incident(connection, number) for number in ids]
    out(dumps([asdict(one) for one in found]) if style == "json" else "\n\n\n".join(map(show_text, found)))
    return Exit.HOLDS


@command.command("ack")
@IDS
@shared(*DATABASE)
@click.option("--reason", metavar="TEXT", help="What others should know; may be left out at 3 a.m.")
@click.pass_obj
def ack(state: State, ids: tuple[int, ...], reason: str | None) -> Exit:
    """Say that you are on it: nobody else is alerted for it, until it gets worse or is resolved.

    For what is a consequence of another incident, that one is acknowledged.
    """
    from mlguard.operate import ack

    return _each(state, ids, "acknowledged", lambda connection, number: ack(connection, number, reason))


@command.command("snooze")
@IDS
@shared(*DATABASE)
@click.option("--for", "length", type=LENGTH, metavar="LENGTH", help="For how long: 4h, 90 min, 2 days.")
@click.option("--until", type=FUTURE, metavar="TIME", help="Until when: 2026-12-01 or '2026-12-01 06:00' (UTC).")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.pass_obj
def snooze(state: State, ids: tuple[int, ...], length: timedelta | None, until: datetime | None, reason: str) -> Exit:
    """Keep an alarm quiet for a while; if it still fails then, it alerts again.

    Gates stay as they are: `mlguard off` lets readers through.
    """
    from mlguard.operate import snooze
    from mlguard.report.when import minute

    if (length is None) == (until is None):
        raise click.UsageError("say how long: --for 4h, or --until '2026-12-01 06:00'")
    end = until or datetime.now(UTC) + (length or timedelta())
    _need(reason)
    words = f"snoozed until {minute(end)}"
    return _each(state, ids, words, lambda connection, number: snooze(connection, number, end, reason))


@command.command("resolve")
@IDS
@shared(*DATABASE)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept with your name.")
@click.option(
    "--label",
    type=click.Choice(LABELS),
    help="Whether it was a true alarm, a false one, or real but expected.",
    metavar="LABEL",
)
@click.pass_obj
def resolve(state: State, ids: tuple[int, ...], reason: str, label: str | None) -> Exit:
    """End an incident, what failed with it on the same table, and the holds of both.

    It comes back if it fails again. Labels make the precision that `status` shows; after `true` learned bands leave
    those batches and windows out.
    """
    from mlguard.operate import resolve

    _need(reason)
    return _each(state, ids, "resolved", lambda connection, number: resolve(connection, number, reason, label))


@command.command("label")
@IDS
@shared(*DATABASE)
@click.option("--true", "judged", flag_value="true", help="Something was wrong.")
@click.option("--false", "judged", flag_value="false", help="Nothing was wrong.")
@click.option("--expected", "judged", flag_value="expected", help="It was real, and wanted.")
@click.option("--none", "judged", flag_value="none", help="Take the label back.")
@click.option("--reason", metavar="TEXT", help="Why; it is kept with your name.")
@click.pass_obj
def label(state: State, ids: tuple[int, ...], judged: str | None, reason: str | None) -> Exit:
    """Say whether alarms were right; they may be open or resolved.

    Holds for what failed with them on the same table, too, unless that has a label of its own.
    """
    from mlguard.operate import label

    if judged is None:
        raise click.UsageError("say what it was: --true, --false or --expected; --none takes the label back")
    wanted = None if judged == "none" else judged
    words = f"labelled {judged}" if wanted else "without a label again"
    return _each(state, ids, words, lambda connection, number: label(connection, number, wanted, reason))


def _need(reason: str) -> None:
    if not reason.strip():
        raise click.UsageError("--reason must say something: it is what others read in the morning")


def _each(state: State, ids: tuple[int, ...], words: str, act: Callable[[psycopg.Connection[Any], int], int]) -> Exit:
    """Do it for each incident, once for those that belong to one alarm."""
    with state.database() as connection:
        for number in dict.fromkeys(ids):
            state.so = "incidents told as done are done, all others are as before"
            done = act(connection, number)
            say(f"#{done} is {words}" + (f"; #{number} is a part of it" if done != number else ""))
    return Exit.HOLDS
