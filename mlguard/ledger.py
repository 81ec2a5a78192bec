"""What is written into schema mlguard beside the objects of a table, as SQL without parameters. Pure.

`apply` runs these statements in the transaction that changes the table; a migration holds the same ones. They expect an
empty search_path, so that definitions come back with every name qualified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from mlguard import definitions
from mlguard.emit import after_statement, buckets, states
from mlguard.emit.objects import DbObject, Kind
from mlguard.emit.rules import literal
from mlguard.names import TableName, quote_ident
from mlguard.plan import InstalledTable, Step, TablePlan, program_hash
from mlguard.program import TableProgram
from mlguard.record import Record, of_rule, of_table

# The triggers without which states no longer say what the rows are.
COUNTING = re.compile(r"mlguard_after_(rows|labels|attributes)_")
# What mlguard keeps of a guarded table; the row of _table goes last, the others refer to it.
PRIVATE = ("_object", "_freshness", "_single", "_state", "_bucket", "_sample", "_pairing", "_recount_due", "_table")


def value(given: Any) -> str:
    """Return a value of a record as an SQL constant.

    Raises:
        TypeError: a type that no column of the registry has.
    """
    if given is None:
        return "null"
    if isinstance(given, bool):
        return str(given).lower()
    if isinstance(given, int | float | Decimal):
        return str(given)
    if isinstance(given, str):
        return literal(given)
    if isinstance(given, timedelta):
        return f"interval '{given.days} days {given.seconds}.{given.microseconds:06d} seconds'"
    if isinstance(given, list):
        return texts(given)
    raise TypeError(f"a record holds a {type(given).__name__}")


def texts(given: Iterable[str]) -> str:
    """Return a text[] constant."""
    listed = [literal(text) for text in given]
    return f"array[{', '.join(listed)}]" if listed else "'{}'::text[]"


def _upsert(table: str, key: str, record: Record, extra: str) -> str:
    values = {**record.values, "hash": record.hash}
    columns = ", ".join(quote_ident(name) for name in values)
    constants = ",\n  ".join(value(given) for given in values.values())
    updates = ",\n  ".join(f"{quote_ident(name)} = excluded.{quote_ident(name)}" for name in values if name != key)
    return (
        f"insert into mlguard.{quote_ident(table)} as old ({columns})\nvalues (\n  {constants}\n)\n"
        f"on conflict ({quote_ident(key)}) do update set\n  {updates},\n  {extra}\n"
        "where old.hash is distinct from excluded.hash"
    )


def table_and_slos(program: TableProgram) -> list[str]:
    """Return what writes the table and its SLOs; what is there and the same stays untouched."""
    applied = "applied_at = statement_timestamp(), applied_by = session_user"
    since = "version = old.version + 1, since = statement_timestamp()"
    return [
        _upsert("_table", "tbl", of_table(program), applied),
        *(_upsert("_slo", "id", of_rule(rule), since) for rule in program.rules),
    ]


def after_change(table: TablePlan, note: Mapping[str, str] | None = None) -> list[str]:
    """Return what is written once the objects of a table are as they should be, in the same transaction.

    Args:
        table: what was done.
        note: what the audited event says beside it.
    """
    pending = recount(table)
    return [
        *_freshness(table),
        *_objects(table),
        # Until the rows are counted a plan finds the function outdated.
        *([keep_hash(pending, "")] if pending is not None else []),
        *_forget(table),
        *_columns(table),
        _event(table, note or {}),
    ]


def recount(table: TablePlan) -> DbObject | None:
    """Return the function that counts stored rows, where they must be counted: states of a new kind, other partitions.

    A trigger that is made anew counts too: while it was gone it did not fire.
    """
    if table.program is None or not states.recount_name(table.program):
        return None
    counting = next(
        item for item in states.objects(table.program) if item.name == states.recount_signature(table.program)
    )
    touched = [item for step in table.steps for item in (step.made, step.gone) if item is not None]
    moved = any(item.kind is Kind.TRIGGER and COUNTING.search(item.name) for item in touched)
    return counting if moved or any(item.identity == counting.identity for item in touched) else None


def count_rows(counting: DbObject) -> list[str]:
    """Return what counts the stored rows anew and takes note of it; one statement reads them, in one snapshot."""
    return [
        f"select mlguard.backfill_v1({literal(str(counting.table))})",
        # A table with enough history has its baseline at once; the others get it from a sweep.
        "select mlguard._sweep_baselines(statement_timestamp())",
        keep_hash(counting, counting.hash),
    ]


def count_anew(table: TableName) -> list[str]:
    """Return what counts the stored rows of a table whose counting function is as it was before."""
    return [
        f"select mlguard.backfill_v1({literal(str(table))})",
        "select mlguard._sweep_baselines(statement_timestamp())",
    ]


def after_return(
    table: TablePlan, steps: Sequence[Step], installed: InstalledTable, named: Sequence[str], note: Mapping[str, str]
) -> list[str]:
    """Return what is written once the objects and records of a table are what they were before a change.

    Args:
        table: the change that was taken back.
        steps: what took it back.
        installed: the table as it was before the change.
        named: the columns that its SLO file named then.
        note: what the audited event says beside it.
    """
    hashes = {item.identity: item.hash for item in installed.objects}
    made = [step.made for step in steps if step.made is not None]
    after = {
        "added": list(table.removed),
        "changed": list(table.changed),
        "removed": list(table.added),
        "steps": [f"{step.verb} {step.what}" for step in steps],
        "hash": installed.hash,
        **note,
    }
    return [
        *_objects(replace(table, steps=tuple(steps))),
        *(keep_hash(item, hashes[item.identity]) for item in made),
        *_forget_slos(table.added),
        *_named(table.table, named),
        _recorded("apply", table.table, after),
    ]


def keep_hash(item: DbObject, text: str) -> str:
    """Return what keeps `text` as the hash of the SQL that made an object."""
    return (
        f"update mlguard._object set hash = {literal(text)}\nwhere tbl = {literal(str(item.table))}"
        f" and kind = {literal(item.kind.name)} and name = {literal(item.name)}"
    )


def read_back(table: TableName, steps: Iterable[Step]) -> list[str]:
    """Return what keeps PostgreSQL's own definitions of what the steps made."""
    made = [step.made for step in steps if step.made is not None]
    return definitions.plainly(definitions.remember(table, made)) if made else []


def _objects(table: TablePlan) -> list[str]:
    tbl = literal(str(table.table))
    found = []
    gone = [f"({literal(step.gone.kind.name)}, {literal(step.gone.name)})" for step in table.steps if step.gone]
    if gone:
        listed = ",\n  ".join(gone)
        found.append(f"delete from mlguard._object where tbl = {tbl} and (kind, name) in (\n  {listed}\n)")
    rows = [
        f"({tbl}, {literal(item.kind.name)}, {literal(item.name)}, {texts(item.slos)}, {literal(item.hash)}, '',"
        f" {texts(item.drop)})"
        for item in (step.made for step in table.steps)
        if item is not None
    ]
    if rows:
        listed = ",\n  ".join(rows)
        found.append(
            f"insert into mlguard._object (tbl, kind, name, slos, hash, definition_hash, undo)\nvalues\n  {listed}\n"
            "on conflict (tbl, kind, name) do update set slos = excluded.slos, hash = excluded.hash,"
            " undo = excluded.undo,\n  installed_at = statement_timestamp()"
        )
    return [*found, *read_back(table.table, table.steps)]


def _freshness(table: TablePlan) -> list[str]:
    """Start the freshness log of a table that has rows already."""
    program = table.program
    if program is None or not after_statement.tracks_freshness(program):
        return []
    newly = any(
        step.made is not None and step.made.kind is Kind.FUNCTION and "after removal" in step.made.name
        for step in table.steps
    )
    if not newly:
        return []
    at = buckets.event_time(program, "t")
    newest = f"select max({at}) from {program.table.sql} as t where {at} <= statement_timestamp()"
    return [f"select mlguard.refreshed_v1({literal(str(program.table))}, (\n  {newest}\n))"]


def _forget(table: TablePlan) -> list[str]:
    found = _forget_slos(table.removed)
    if table.program is None:
        tbl = literal(str(table.table))
        # Allowed only once somebody has said that they may go; the rows stay on record, nobody can release them.
        found.append(
            "update mlguard._quarantine set status = 'discarded', decided_at = statement_timestamp(),\n"
            "  decided_by = session_user, reason = 'mlguard remove'\n"
            f"where tbl = {tbl} and status = 'waiting'"
        )
        found += [f"delete from mlguard.{private} where tbl = {tbl}" for private in PRIVATE]
    return found


def _forget_slos(slos: Sequence[str]) -> list[str]:
    """Forget SLOs, also where objects that stay as they are say whom they serve."""
    if not slos:
        return []
    gone = texts(slos)
    return [
        f"delete from mlguard._slo where id = any({gone})",
        (
            "update mlguard._object as o\n"
            "set slos = array(select s.slo from unnest(o.slos) with ordinality as s (slo, place)\n"
            f"                 where s.slo <> all ({gone}) order by s.place)\n"
            f"where o.slos && {gone}"
        ),
    ]


def _columns(table: TablePlan) -> list[str]:
    """Take the columns as they are now for what they should be, which reopens a gate that a change of them closed."""
    if table.program is None:
        return []
    return _named(table.table, table.program.named)


def _named(table: TableName, columns: Sequence[str]) -> list[str]:
    tbl = literal(str(table))
    return [
        f"select mlguard.remember_schema_v1({tbl}, {texts(columns)})",
        f"select mlguard._judge_schema({tbl})",
    ]


def _event(table: TablePlan, note: Mapping[str, str]) -> str:
    after = {
        "added": list(table.added),
        "changed": list(table.changed),
        "removed": list(table.removed),
        "steps": [f"{step.verb} {step.what}" for step in table.steps],
        "hash": program_hash(table.program) if table.program else None,
        **note,
    }
    return _recorded("apply" if table.program else "remove", table.table, after)


def _recorded(act: str, table: TableName, after: Mapping[str, Any]) -> str:
    return (
        "insert into mlguard._event (who, act, target, after)\n"
        f"values (session_user, {literal(act)}, {literal(str(table))},"
        f" {literal(json.dumps(after, ensure_ascii=False))})"
    )
