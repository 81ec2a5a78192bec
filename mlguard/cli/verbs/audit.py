"""`mlguard audit list|verify|head`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlguard.cli.echo import out, say
from mlguard.cli.options import LIMIT, TIME_OR_LENGTH
from mlguard.cli.state import DATABASE, State, formats, shared
from mlguard.errors import Exit

if TYPE_CHECKING:
    from datetime import datetime

    from mlguard.operate.audit import Head

HASH_DIGITS = 64  # of SHA-256, in hexadecimal


@click.group("audit", subcommand_metavar="VERB [ARGS]...")
def command() -> None:
    """Read the record of audited acts, and find out whether anybody changed it."""


@command.command("list")
@shared(*DATABASE)
@click.option("--about", "target", metavar="NAME", help="About this SLO, table or model; what begins with NAME counts.")
@click.option("--act", metavar="ACT", help="Only these: apply, waive, approve, promote, rollback, ….")
@click.option("--who", metavar="USER", help="Only what this user did.")
@click.option("--since", type=TIME_OR_LENGTH, metavar="TIME", help="Only since then: 2026-12-01, or a length: 2 days.")
@click.option("--limit", type=LIMIT, default=100, show_default=True, metavar="N", help="At most so many.")
@formats("text", "json")
@click.pass_obj
def list_events(
    state: State, target: str | None, act: str | None, who: str | None, since: datetime | None, limit: int, style: str
) -> Exit:
    """List audited acts, the newest first."""
    from mlguard.operate import audit_list
    from mlguard.report.markup import dumps
    from mlguard.report.models_text import events_text

    with state.database() as connection:
        found = audit_list(connection, target=target, act=act, who=who, since=since, limit=limit)
    if style == "json":
        out(dumps([asdict(event) for event in found]))
    elif found:
        out(events_text(found))
    if not found:
        say("no act is on record")
    elif len(found) == limit:
        say(f"the newest {limit}; --limit shows more")
    return Exit.HOLDS


@command.command("head")
@shared(*DATABASE)
@formats("text", "json")
@click.pass_obj
def head(state: State, style: str) -> Exit:
    """Print number and hash of the last seal: keep it outside the database, for `audit verify --head`."""
    from mlguard.operate import audit_head
    from mlguard.report.markup import dumps

    with state.database() as connection:
        found = audit_head(connection)
    if style == "json":
        out(dumps(asdict(found)))
    elif found.no is not None:
        out(f"{found.no}:{found.hash}")
    _say_unsealed(found)
    return Exit.HOLDS


@command.command("verify")
@shared(*DATABASE)
@click.option("--head", "exported", metavar="N:HASH", help="A head that `audit head` printed before.")
@formats("text", "json")
@click.pass_obj
def verify(state: State, exported: str | None, style: str) -> Exit:
    """Recompute the chain: find acts that were edited, deleted or reordered, and gaps. Exit code 1 when there is one.

    Who owns the tables can make the whole chain anew; only a head that was kept elsewhere tells.
    """
    from mlguard.operate import audit_head, audit_verify
    from mlguard.report.columns import count
    from mlguard.report.markup import dumps
    from mlguard.report.models_text import faults_text

    no, digest = _head(exported)
    with state.database() as connection:
        faults = audit_verify(connection, no, digest)
        found = audit_head(connection)
    if style == "json":
        out(dumps({"faults": [asdict(fault) for fault in faults], "head": asdict(found)}))
    elif faults:
        out(faults_text(faults))
    _say_unsealed(found)
    if faults:
        say(f"{count(len(faults), 'fault')}: the record is not what it was")
        return Exit.VIOLATED
    if found.no is None:
        say("nothing is sealed yet")
    else:
        among = "; the exported head is among them" if no else ""
        say(f"{count(found.no, 'seal')}, each follows the one before{among}")
    return Exit.HOLDS


def _head(text: str | None) -> tuple[int | None, str | None]:
    """Read N:HASH."""
    if text is None:
        return None, None
    number, colon, digest = text.strip().partition(":")
    digits = set(digest.lower()) <= set("0123456789abcdef") and len(digest) == HASH_DIGITS
    if not (colon and number.isdecimal() and int(number) and digits):
        raise click.UsageError(f"--head {text}: write it as `mlguard audit head` prints it, N:HASH")
    return int(number), digest


def _say_unsealed(found: Head) -> None:
    from mlguard.report.columns import count
    from mlguard.report.when import minute

    if found.unsealed:
        say(
            f"{count(found.unsealed, 'act')} since {minute(found.unsealed_since)}"
            f" {'waits' if found.unsealed == 1 else 'wait'} for the next sweep to be sealed"
        )
