"""Volumes: how many rows the window that ends now has, for guarded reads inline, for all else as a function. Pure.

Both read the newest rows first, by an index on the event time, and stop at the number that is wanted.
"""

from __future__ import annotations

from mlguard.emit import buckets
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import fit, quote_ident
from mlguard.program import Rule, TableProgram

WHY = "counts the rows of a window that slides with the reader's clock"
NOW = "statement_timestamp()"
# No zone has moved its clock by more: Samoa, which left out a day.
CLOCK_CHANGE = "interval '1 day'"


def counter_name(rule: Rule) -> str:
    """Return the qualified name of the function that counts the rows of the SLO's window."""
    return f"mlguard.{quote_ident(fit(f'volume {rule.id}'))}"


def objects(program: TableProgram) -> list[DbObject]:
    """Return one counting function for each volume at the read gate."""
    return [_counter(rule, program) for rule in program.rules if rule.volume is not None]


def enough(program: TableProgram, rule: Rule) -> str:
    """Return the condition of a view that the window which ends now has the rows that are wanted."""
    assert rule.volume is not None
    past = f"\n      offset {rule.volume.least - 1}" if rule.volume.least > 1 else ""
    return f"exists (\n{indent(_rows(program, rule, _start(program, rule, NOW), NOW), 6)}{past}\n    )"


def count(program: TableProgram, rule: Rule) -> str:
    """Return a query of one number: the rows of the window that ends now, counted up to the number that is wanted."""
    assert rule.volume is not None
    rows = _rows(program, rule, _start(program, rule, NOW), NOW)
    return f"select count(*) from (\n{indent(rows)}\n  limit {rule.volume.least}\n) as found"


def _counter(rule: Rule, program: TableProgram) -> DbObject:
    assert rule.volume is not None
    signature = f"{counter_name(rule)}(timestamp with time zone)"
    body = (
        f"since := {_start(program, rule, '_at')};\n"
        f"n := (\n  select count(*)\n  from (\n{indent(_rows(program, rule, 'since', '_at'), 4)}\n"
        f"    limit {rule.volume.least}\n  ) as found);\n"
        "return next;"
    )
    made = function(
        f"{counter_name(rule)}(_at timestamptz)",
        returns="table (n bigint, since timestamptz)",
        attributes="stable\nparallel safe\nsecurity definer\nset search_path = pg_catalog, pg_temp\n"
        "set row_security = off",
        about=f"{one_line(rule.id)}: {one_line(rule.text)}, over {one_line(rule.volume.words)}\n"
        f"_at: the end of the window, from since on; counting stops at {rule.volume.least}.",
        declare=(),
        body=indent(body),
    )
    return DbObject(
        table=program.table,
        kind=Kind.FUNCTION,
        name=signature,
        slos=(rule.id,),
        create=(
            Statement(made),
            Statement(f"revoke all on function {signature} from public"),
            Statement(comment(f"function {signature}", program.table, (rule.id,), made)),
        ),
        drop=(f"drop function if exists {signature}",),
        why=WHY,
        replaces_in_place=True,
    )


def _start(program: TableProgram, rule: Rule, end: str) -> str:
    """Return the start of the window that ends then: days and months are of the file's calendar, hours of the clock."""
    assert rule.volume is not None
    span = rule.volume.span
    if span.months or (span.days and program.time_zone != "UTC"):
        zone = literal(program.time_zone)
        return f"({end} at time zone {zone} - interval '{span}') at time zone {zone}"
    # A day of an interval is one of the session's zone.
    return f"{end} - interval '{f'{span.days * 24} hours' if span.days else span}'"


def _rows(program: TableProgram, rule: Rule, start: str, end: str) -> str:
    """Return the rows of the window, newest first."""
    assert rule.volume is not None
    assert program.event_time is not None
    it = f"v.{quote_ident(rule.volume.column)}"
    if program.event_time.type.kind not in (TypeKind.TIMESTAMP, TypeKind.DATE):
        within = [f"{it} > {start}", f"{it} <= {end}"]
    else:
        zone = literal(program.time_zone)
        begin = f"({start})" if " " in start else start
        low, high = f"{begin} at time zone {zone}", f"{end} at time zone {zone}"
        if program.time_zone == "UTC":
            within = [f"{it} > {low}", f"{it} <= {high}"]
        else:
            # An index knows local times, which a change of the clock puts out of order: wide bounds, then instants.
            moment = buckets.event_time(program, "v")
            within = [
                f"{it} > {low} - {CLOCK_CHANGE}",
                f"{it} <= {high} + {CLOCK_CHANGE}",
                f"{moment} > {start}",
                f"{moment} <= {end}",
            ]
    where = "\n  and ".join(within)
    return f"select\nfrom {program.table.sql} as v\nwhere {where}\norder by {it} desc"
