"""What plan, apply and remove share: who reads round the gate, asking, and what is said afterwards."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from mlguard.cli.echo import out, paint, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from mlguard.apply import Applied
    from mlguard.cli.state import State
    from mlguard.plan import Plan


def with_readers(plan: Plan, connection: psycopg.Connection[Any]) -> Plan:
    """Return the plan with the roles that could still read round each table's gate."""
    from mlguard.doctor import bypass
    from mlguard.program import Reads

    gated = [
        table.table
        for table in plan.tables
        if table.program is not None and table.program.reads is Reads.VIEW and table.table not in plan.bypass
    ]
    revoked = {table.table: table.program.revoke for table in plan.tables if table.program is not None}
    found = {
        table: tuple(str(reader) for reader in readers if reader.grantee not in revoked[table])
        for table, readers in bypass(connection, gated).items()
    }
    return replace(plan, bypass={**plan.bypass, **{table: roles for table, roles in found.items() if roles}})


def removal(connection: psycopg.Connection[Any], tables: Sequence[str] | None) -> Plan:
    """Return what `remove` would take out of some tables (None: of all).

    Raises:
        PlanError: a table is not guarded here.
    """
    from mlguard import planner, runtime
    from mlguard.errors import PlanError
    from mlguard.operate.ask import listed, near
    from mlguard.plan import Plan, plan_removal

    runtime.check_version(connection)
    there = planner.installed_tables(connection)
    names = list(there) if tables is None else list(dict.fromkeys(tables))
    for name in names:
        if name not in there:
            known = sorted(there)
            raise PlanError(f"{name} is not guarded here", help=near(name, known) or listed(known, "guarded"))
    return Plan(tuple(plan_removal(there[name]) for name in names))


def refuse_partial_prune(state: State, *, prune: bool) -> None:
    """Refuse to take out what is in no SLO file where only some files are looked at.

    Raises:
        UsageError: --prune and --select.
    """
    if prune and state.select:
        raise click.UsageError("--prune with --select would take out every table that is not selected; say one of them")


def must_ask(verb: str, *, yes: bool, dry_run: bool) -> None:
    """Refuse to change a database where nobody can be asked and nobody said yes.

    Raises:
        UsageError: neither --yes nor --dry-run, and standard input is no terminal.
    """
    if not yes and not dry_run and not on_a_terminal():
        raise click.UsageError(
            f"{verb} asks before it changes the database, and there is no terminal to ask on;"
            " say --yes to go on without asking, or --dry-run to see what it would do"
        )


def on_a_terminal() -> bool:
    """Say whether somebody can be asked."""
    return sys.stdin.isatty()


def agreed(plan: Plan, question: str, *, yes: bool, dry_run: bool, statements: bool) -> bool:
    """Show the plan and return whether to go on."""
    from mlguard.report import plan_text

    if not plan.empty:
        out(plan_text.render(plan, paint=paint, statements=statements))
    if dry_run:
        say("dry run: nothing was changed")
        return False
    if yes or click.confirm(question, err=True):
        return True
    say("not confirmed: nothing was changed")
    return False


def tell(applied: Applied, verb: str) -> None:
    """Say what was done."""
    from mlguard.report.columns import count

    for table, rows in applied.moved.items():
        if rows:
            say(f"{table}: {count(rows, 'row')} moved into quarantine (mlguard quarantine list --table {table})")
    say(f"{verb}: {', '.join(str(table) for table in applied.tables) or 'nothing'}")
