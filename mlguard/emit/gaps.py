"""The verdict function of `no_gaps`: the longest time between neighbours in one window, read from its own rows. Pure.

States cannot tell it: the gap between two rows is closed by a third that is in the states of another statement. So the
function reads the stored rows of its one window in the order of an index on the event time, and the newest row before.
"""

from __future__ import annotations

from mlguard.emit.objects import function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.lang.spell import spelled_name
from mlguard.lang.types import Kind
from mlguard.names import quote_ident
from mlguard.program import Rule, TableProgram


def gap_metric(rule: Rule) -> str:
    """Return how the metric is called in verdicts: `gap_seconds(event_ts)`."""
    return f"gap_seconds({spelled_name(rule.column or '')})"


def gap_function(rule: Rule, program: TableProgram, name: str) -> str:
    """Return CREATE FUNCTION.

    Times without a zone are subtracted as they stand: two days that follow each other are a day apart, also where
    the clock is changed between them.
    """
    assert rule.no_gaps is not None
    assert rule.column is not None
    shape = program.shape.column(rule.column)
    local = shape is not None and shape.type.kind in (Kind.DATE, Kind.TIMESTAMP)
    type_ = "timestamp" if local else "timestamptz"
    zone = f" at time zone {literal(program.time_zone)}" if local else ""
    it = f"t.{quote_ident(rule.column)}"
    at = f"{it}::timestamp" if shape is not None and shape.type.kind is Kind.DATE else it
    seconds = f"{rule.no_gaps.total_seconds():.6f}".rstrip("0").rstrip(".")
    body = (
        f"select max({at})\ninto _before\nfrom {program.table.sql} as t\nwhere {it} < _from and {it} > '-infinity';\n\n"
        "-- Each row's distance from the one before it, the first one's from the newest before the window.\n"
        "select count(*), extract(epoch from max(g.at - g.before)), max(g.at)\ninto _n, _gap, _last\nfrom (\n"
        f"  select {at} as at, lag({at}, 1, _before) over (order by {it}) as before\n"
        f"  from {program.table.sql} as t\n  where {it} >= _from and {it} < _to\n) as g;\n\n"
        "-- Nothing came between the last row and the end of the window: GREATEST passes over what is null.\n"
        "_gap := greatest(_gap, extract(epoch from _to - coalesce(_last, _before)));\n"
        f"return row(array[{literal(gap_metric(rule))}], array[_gap]::double precision[], _n, _gap <= {seconds},\n"
        "           case when _gap is null then 'no rows yet' end)::mlguard.found_v1;"
    )
    return function(
        f"{name}(_s jsonb, _c jsonb)",
        returns="mlguard.found_v1",
        attributes="stable\nsecurity definer\nset search_path = pg_catalog, pg_temp\nset row_security = off",
        about=f"{one_line(rule.id)}: {one_line(rule.text)}\n_c: the window; its own rows are read by an index on"
        f" {one_line(rule.column)}, and the newest before it.",
        declare=(
            f"_from {type_} := (_c ->> 'start')::timestamptz{zone}",
            f"_to {type_} := (_c ->> 'end')::timestamptz{zone}",
            f"_before {type_}",
            f"_last {type_}",
            "_n bigint",
            "_gap double precision",
        ),
        body=indent(body),
    )
