"""Samples of the rows that landed, for health that is learned: the same columns of the same rows, by position. Pure.

A statement of fewer than LEAST rows leaves no sample: a row at a time, writing samples would cost more than the write.
sweep() samples the stored rows of such a table through the sampler function.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlguard.emit.cells import Cells, is_number, settings, shown
from mlguard.emit.groups import Grouping, Source
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.emit.states import stored_function, stored_source
from mlguard.lang.tree import Column
from mlguard.lang.types import Kind
from mlguard.names import fit, quote_ident
from mlguard.program import TableProgram

LEAST = 20  # rows of a statement
MOST = 2000  # rows of a sample
TRIED = 2300  # rows expected to be looked at for MOST; fewer than MOST come in less than one of 10^9 samples
LONGEST = 200  # characters kept of a text
ARRIVAL = quote_ident("mlguard arrival")
# Which rows are taken depends on their place in the statement alone, so that loads of like size are sampled at like
# places and can be compared row by row: the fractional parts of multiples of the golden ratio, spread evenly.
PICK = f"(r.{ARRIVAL} * 2654435761 % 4294967296)::double precision / 4294967296"
# Of these only whether two values are the same is kept: their text can be of any length.
_HASHED = frozenset({Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.BYTEA, Kind.OTHER})
WHY = "samples stored rows for learned health"


def columns(program: TableProgram) -> tuple[Column, ...]:
    """Return the columns to sample; virtual ones have no value in what a trigger sees."""
    wanted = set(program.learned_columns)
    return tuple(
        Column(column.type, column.name)
        for column in program.shape.columns
        if column.name in wanted and not column.virtual
    )


def text_columns(program: TableProgram) -> tuple[Column, ...]:
    """Return the columns whose text becomes part of samples."""
    return tuple(column for column in columns(program) if not is_number(column))


def sampler_name(program: TableProgram) -> str:
    """Return the qualified name of the function that samples stored rows, '' where none are sampled by time."""
    if program.base is None or program.event_time is None or not columns(program):
        return ""
    return f"mlguard.{quote_ident(fit(f'sample {program.table}'))}"


def totals(grouping: Grouping) -> list[tuple[str, str, str]]:
    """Return what the statement that computes states tells the sample: variable, its type, expression over groups g."""
    if grouping.bucket is None:
        return []
    large = f"filter (where g.n > {TRIED})"
    found = [
        ("_buckets", f"{grouping.bucket.type}[]", "array_agg(g.bucket)"),
        ("_sizes", "bigint[]", "array_agg(g.n)"),
        ("_large", f"{grouping.bucket.type}[]", f"array_agg(g.bucket) {large}"),
        ("_share", "double precision", f"{TRIED}::double precision / min(g.n) {large}"),
    ]
    if grouping.load is None:
        return found
    # Loads share buckets, and a sample is of a bucket.
    buckets = "(select o.bucket, sum(o.n)::bigint as n from groups as o group by 1 order by 1) as g"
    return [(name, type_, f"(select {over} from {buckets})") for name, type_, over in found]


def declarations(program: TableProgram) -> tuple[str, ...]:
    """Return the variables that a statement's sample is gathered in."""
    wanted = columns(program)
    if not wanted:
        return ()
    return (
        "_written no scroll cursor for select r.* from new_rows as r",
        "_line record",
        "_place bigint",
        "_at bigint := -1",
        "_k integer := 0",
        "_arrival double precision[]",
        *(f"_{name} {'double precision' if is_number(column) else 'text'}[]" for name, column in _numbered(wanted)),
    )


def statement(program: TableProgram, source: Source) -> str:
    """Return the statement that keeps samples of what a statement wrote; it reads the variables of `totals`."""
    grouping = Grouping(program, (), source)
    if grouping.bucket is None:
        return f"if _n >= {LEAST} then\n{indent(_walked(program, grouping))}\nend if;"
    # Buckets of many rows are thinned while the rows are read, by what suits the least of them.
    first = f"{PICK} < case when {grouping.bucket.group} = any (_large) then _share else 1 end"
    sizes = "unnest(_buckets, _sizes) as z (bucket, n)"
    thinned = f"r.pick < {TRIED}::double precision / z.n"
    taken = _taken(program, grouping, first, sizes, thinned, arrived=True)
    several = (
        f"perform mlguard.add_sample_v1({literal(str(program.table))}, {grouping.start('s')}, s.n, s.k,\n"
        f"  c.name, c.nums, c.texts)\n{taken};"
    )
    return (
        f"if _n >= {LEAST} and cardinality(_buckets) = 1 then\n{indent(_walked(program, grouping))}\n"
        f"elsif _n >= {LEAST} then\n{indent(several)}\nend if;"
    )


def _walked(program: TableProgram, grouping: Grouping) -> str:
    """Return the statements that sample rows of one bucket.

    The rows to take are known beforehand, so the others are passed over unseen: numbering rows in a query would copy
    each, and a cursor with expressions of its own would compute them for each.
    """
    wanted, cells = columns(program), Cells(program)
    put = ["_arrival[_k] := _place;"]
    put += [
        f"_{name}[_k] := {_value(cells, column, f'_line.{quote_ident(column.name)}')};"
        for name, column in _numbered(wanted)
    ]
    lines = ["('', _arrival, null::text[])"]
    lines += [
        f"({literal(column.name)}, {f'_{name}, null::text[]' if is_number(column) else f'null, _{name}'})"
        for name, column in _numbered(wanted)
    ]
    bucket = "(select _buckets[1] as bucket) as s\ncross join " if grouping.bucket else ""
    return (
        "open _written;\n"
        f"foreach _place in array mlguard.sample_places_v1(_n, {TRIED}, {MOST}) loop\n"
        "  fetch relative _place - _at from _written into _line;\n"
        "  _at := _place;\n  _k := _k + 1;\n"
        f"{indent(chr(10).join(put))}\nend loop;\nclose _written;\n"
        f"perform mlguard.add_sample_v1({literal(str(program.table))}, {grouping.start('s')}, _n, _k,\n"
        f"  c.name, c.nums, c.texts)\nfrom {bucket}(values\n{indent(_lines(lines))}\n) as c (name, nums, texts);"
    )


def _numbered(wanted: Sequence[Column]) -> list[tuple[str, Column]]:
    return [(f"v_{number}", column) for number, column in enumerate(wanted, 1)]


def objects(program: TableProgram) -> list[DbObject]:
    """Return the sampler function, where samples are kept by time."""
    name = sampler_name(program)
    if not name:
        return []
    grouping = Grouping(program, (), stored_source(program))
    counted = indent(",\n".join([*grouping.selected, "count(*) as n"]))
    rows = f"from {grouping.source.rows}{grouping.source.where()}{grouping.group_by()}"
    sizes = f"(\n  select\n{indent(counted)}\n{indent(rows)}\n) as z"
    taken = _taken(program, grouping, "", sizes, f"r.pick < {TRIED}::double precision / z.n")
    made = function(
        f"{name}(_from timestamptz, _to timestamptz)",
        returns="table (bucket timestamptz, n bigint, k integer, column_name text, nums double precision[],"
        " texts text[])",
        attributes="stable\nsecurity definer\nset search_path = pg_catalog, pg_temp" + settings(text_columns(program)),
        about=f"A sample of each bucket of the stored rows of {one_line(str(program.table))} with event times from"
        " _from up to _to; null, null: of all.",
        declare=(),
        body=indent(f"return query\nselect {grouping.start('s')}, s.n, s.k, c.name, c.nums, c.texts\n{taken};"),
    )
    return [stored_function(program, name, made, WHY)]


def _taken(
    program: TableProgram, grouping: Grouping, first: str, sizes: str, thinned: str, *, arrived: bool = False
) -> str:
    """Return the FROM clause that gives each sample as `s` and each of its columns as `c`.

    Of each bucket the rows are taken whose place hashes to the least numbers: a sample of exactly MOST rows. `first`
    thins rows while they are read, `thinned` once it is known how many rows their bucket has. `arrived`: the rows
    come in the order in which they were written; a column without a name then says at which place each came.
    """
    wanted = columns(program)
    names = [f"v_{number}" for number, _ in enumerate(wanted, 1)]
    rows = [*grouping.selected, f"{PICK} as pick", *([f"r.{ARRIVAL} as seq"] if arrived else [])]
    rows += [f"r.{quote_ident(column.name)} as {name}" for column, name in zip(wanted, names, strict=True)]
    # Picked by the place where a row stands, not by lot: who samples the same rows again finds the same.
    stands = f"select r.*, row_number() over () - 1 as {ARRIVAL} from {grouping.source.rows}"
    if arrived:
        read = f"from ({stands}) as r{grouping.source.where(*filter(None, [first]))}"
    else:
        read = f"from (\n{indent(stands + grouping.source.where())}\n) as r"
    read = f"select\n{indent(_lines(rows))}\n{read}"
    partition = f"partition by {', '.join(grouping.of('r'))} " if grouping.keys else ""
    picked = ["r.*", "z.n", f"row_number() over ({partition}order by r.pick) as place"]
    if arrived:
        first_seq = "0"
        if grouping.bucket is not None:  # places count from the first row of the bucket, where that is known
            first_seq = f"case when cardinality(_buckets) = 1 then 0 else min(r.seq) over ({partition.strip()}) end"
        picked.append(f"{first_seq} as first_seq")
    joined = f"join {sizes} on {grouping.same('z', 'r')}" + (f"\nwhere {thinned}" if thinned else "")
    placed = f"select {', '.join(picked)}\nfrom (\n{indent(read)}\n) as r\n{joined}"
    cells = Cells(program)
    order = " order by p.seq" if arrived else ""
    arrays = [*grouping.of("p"), "p.n", "count(*)::integer as k"]
    if arrived:
        arrays.append("array_agg((p.seq - p.first_seq)::double precision order by p.seq) as arrival")
    arrays += [
        f"array_agg({_value(cells, column, f'p.{name}')}{order}) as {name}"
        for column, name in zip(wanted, names, strict=True)
    ]
    group = ", ".join(str(number) for number in range(1, len(grouping.keys) + 2))
    gathered = (
        f"select\n{indent(_lines(arrays))}\nfrom (\n{indent(placed)}\n) as p\nwhere p.place <= {MOST}\ngroup by {group}"
    )
    lines = [
        f"({literal(column.name)}, {f's.{name}, null::text[]' if is_number(column) else f'null, s.{name}'})"
        for column, name in zip(wanted, names, strict=True)
    ]
    if arrived:
        lines.insert(0, "('', s.arrival, null::text[])")
    listed = f"(values\n{indent(_lines(lines))}\n) as c (name, nums, texts)"
    return f"from (\n{indent(gathered)}\n) as s\ncross join lateral {listed}"


def _value(cells: Cells, column: Column, raw: str) -> str:
    """Return a value as samples keep it: a number, else text, of long kinds and pii a hash; NULL where missing."""
    kind = column.type.kind
    if kind is Kind.NUMERIC:
        value = (
            f"case when abs({raw}) <= 1e300 then {raw}::double precision"
            f" when {raw} < 'NaN' then sign({raw})::double precision * 'Infinity' else {raw}::double precision end"
        )
    elif is_number(column):
        value = f"{raw}::double precision"
    elif kind in _HASHED:
        value = f"left(md5({raw}::text), 16)"
    else:
        value = shown(cells.program, column, raw)
        value = value if column.name in cells.program.pii else f"left({value}, {LONGEST})"
    present = cells.present(column, raw)
    return f"case when {present} then {value} end" if present else value


def _lines(columns: Sequence[str]) -> str:
    return ",\n".join(columns)
