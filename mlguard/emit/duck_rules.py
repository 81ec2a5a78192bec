"""Row rules of a table over a relation of DuckDB: mended values, what is kept out, violating rows and why. Pure.

The order is that of the row trigger (`before_row`): repairs run in file order, each on the row as mended so far and
from the values that arrived; then every quarantine rule, and every repair rule once more, is judged on the mended row;
all other rules are judged on the rows that would land.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlguard.emit.duck_core import NotLocal, duck_type, quoted
from mlguard.emit.duck_expr import Writer
from mlguard.emit.duck_guard import Judged, judged_duck, source_duck, tried
from mlguard.emit.rules import HIDDEN
from mlguard.lang.types import FLOATS, TIMES, Kind, SqlType
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Action, Level, Place, Rule, TableProgram

ACTED_ON = "mlguard acted on "  # begins the names of columns that tell which rows a repair mended
ARRIVED = "mlguard arrived "  # begins the names of columns that hold values before they were mended
KEPT_OUT = "mlguard kept out"  # the column that tells whether a row is kept out
ROW = "mlguard row"  # the place of a row in its file, 1 for the first: its key where the table declares none
_SEEN = 50  # columns of one rule that are shown
Tables = Mapping[TableName, str]


def _lines(parts: Sequence[str]) -> str:
    return ",\n  ".join(parts)


def row_rules(program: TableProgram) -> tuple[Rule, ...]:
    """Return the rules that are an expression on one row, in file order."""
    return tuple(rule for rule in program.rules if rule.expr is not None and rule.level is Level.ROW)


def diverts(rule: Rule) -> bool:
    """Tell whether the rule keeps rows out."""
    return rule.placement.place is Place.BEFORE_ROW and rule.action in (Action.QUARANTINE, Action.REPAIR)


def mended_columns(program: TableProgram) -> tuple[str, ...]:
    """Return the columns that repairs may change, in the table's order."""
    mended = {repair.column for rule in _repairing(program) for repair in rule.repairs}
    return tuple(column.name for column in program.shape.columns if column.name in mended)


def _repairing(program: TableProgram) -> tuple[Rule, ...]:
    return tuple(rule for rule in row_rules(program) if diverts(rule) and rule.action is Action.REPAIR)


def canonical_duck(relation: str, program: TableProgram, keep: Sequence[str] = ()) -> str:
    """Return the relation with every column in the type the rules are written for.

    Args:
        relation: an item of FROM that has all columns of the table.
        program: the table's.
        keep: further columns of the relation that go along.

    A value that cannot be read as the column's type stops the query, as it would stop a load.
    """
    columns = [
        f"r.{quote_ident(column.name)}::{duck_type(column.type)} as {quote_ident(column.name)}"
        for column in program.shape.columns
    ]
    columns += [f"r.{quote_ident(name)}" for name in keep]
    return f"(select\n  {_lines(columns)}\nfrom {relation} as r)"


def repair_duck(relation: str, program: TableProgram, keep: Sequence[str] = (), tables: Tables | None = None) -> str:
    """Return the relation with mended values; those that arrived stand beside them (`arrived_name`).

    Args:
        relation: an item of FROM, in the types of `duck_type`.
        program: the table's.
        keep: further columns of the relation that go along.
        tables: see source_duck.

    Raises:
        NotLocal: a repair rule or its value cannot be said in DuckDB.
    """
    mended = mended_columns(program)
    if not mended:
        return relation
    own = [column.name for column in program.shape.columns]
    kept = [*own, *keep]
    first = [f"r.{quote_ident(name)}" for name in kept]
    first += [f"r.{quote_ident(name)} as {quote_ident(arrived_name(name))}" for name in mended]
    current = f"(select\n  {_lines(first)}\nfrom {relation} as r)"
    carried = [*kept, *(arrived_name(name) for name in mended)]
    for rule in _repairing(program):
        current = _mend(current, rule, program, carried, mended, tables)
        carried += [ACTED_ON + rule.name] if rule.max_bad is not None else []
    return current


def arrived_name(column: str) -> str:
    """Return the name of the column that holds what a mended column held when it arrived."""
    return fit(ARRIVED + column)


def _mend(
    current: str,
    rule: Rule,
    program: TableProgram,
    carried: Sequence[str],
    mended: Sequence[str],
    tables: Tables | None,
) -> str:
    """Return one more layer, in which one rule's columns are mended where the row breaks it.

    A value that raises leaves its column and those after it as they were; those before it stay mended.
    """
    judged = judged_duck(rule, program, "m")
    elsewhere = {name: arrived_name(name) for name in mended}
    writer = Writer("m", program.time_zone, elsewhere)
    values: dict[str, str] = {}
    fine: list[str] = []
    first_fails = False
    for repair in rule.repairs:
        before = writer.fails
        column = next(found for found in program.shape.columns if found.name == repair.column)
        text = _assigned(writer, writer.write(repair.value), column.type)
        if writer.fails > before:
            fine.append(f"{tried(f'({text}) is null')} is not null")
            text = tried(text)
            first_fails = first_fails or not values
        when = " and ".join(['m."mlguard breaks it"', *fine])
        current_value = f"m.{quote_ident(repair.column)}"
        values[repair.column] = f"case when {when} then {text} else {current_value} end"
    if writer.lookups:
        raise NotLocal("a lookup in a repair's value", "it is looked up for the rule only")
    flagged = source_duck(current, judged.lookups, program, "m", tables)
    inner = f'(select m.*, {judged.broken} as "mlguard breaks it" from {flagged})'
    columns = [
        f"{values[name]} as {quote_ident(name)}" if name in values else f"m.{quote_ident(name)}" for name in carried
    ]
    if rule.max_bad is not None:
        # As the change log has it: from the first value on that could be computed.
        acted = " and ".join(['m."mlguard breaks it"', *(fine[:1] if first_fails else [])])
        columns.append(f"{acted} as {quote_ident(ACTED_ON + rule.name)}")
    return f"(select\n  {_lines(columns)}\nfrom {inner} as m)"


def _assigned(writer: Writer, text: str, type: SqlType) -> str:
    """Return a value as a column takes it: numbers rounded to its scale, text no longer than it may be."""
    held = f"{writer.atom(text)}::{duck_type(type)}"
    if "(" not in type.sql or type.kind not in (Kind.NUMERIC, Kind.TEXT):
        return held
    writer.fails += 1
    if type.kind is Kind.NUMERIC:
        return held
    most = int(type.sql[type.sql.index("(") + 1 : -1])
    bad = writer.failing("value too long for the column", type)
    return writer.let(
        (held,),
        # Blanks too many are cut off without an error (manual 8.3).
        lambda x: (
            f"case when length({x}) <= {most} then {x}"
            f" when length(rtrim({x}, ' ')) <= {most} then left({x}, {most}) when {x} is not null then {bad} end"
        ),
    )


@dataclass(frozen=True)
class Scan:
    """The rules of a table as columns of one pass over its rows."""

    source: str  # an item of FROM with alias `r`; begins with the rows as mended
    rules: tuple[Rule, ...]  # judged, in file order
    broken: tuple[str, ...]  # per rule: TRUE where the row breaks it; of rules that judge landed rows, landed ones only
    undecided: tuple[str | None, ...]  # per rule: TRUE where the row is not judged; None: every row is
    doubts: tuple[tuple[str, ...], ...]  # per rule: why rows may be undecided
    refused: tuple[tuple[Rule, NotLocal], ...]  # rules that are not judged, and why
    kept_out: str  # TRUE where the row is kept out
    acted_on: tuple[str | None, ...]  # per rule: TRUE where a repair with `max_bad` mended the row
    counted: tuple[str, ...]  # as `broken`, for CASE and WHERE


def scan_duck(
    relation: str, program: TableProgram, keep: Sequence[str] = (), tables: Tables | None = None, row: str = "r"
) -> Scan:
    """Return all row rules of a table as conditions on a relation; the arguments are those of repair_duck.

    Raises:
        NotLocal: a repair cannot be said in DuckDB, so that no row of the table is known.
    """
    judged: list[tuple[Rule, Judged]] = []
    refused: list[tuple[Rule, NotLocal]] = []
    for rule in row_rules(program):
        try:
            judged.append((rule, judged_duck(rule, program, row)))
        except NotLocal as why:
            refused.append((rule, why))
    mended = repair_duck(relation, program, keep, tables)
    lookups = [lookup for _, one in judged for lookup in one.lookups]
    out = [one.broken for rule, one in judged if diverts(rule)]
    kept_out = f"({' or '.join(out)})" if out else "false"
    source = source_duck(mended, lookups, program, row, tables)
    if out:
        source = f"(select {row}.*, {kept_out} as {quote_ident(KEPT_OUT)} from {source}) as {row}"
        kept_out = f"{row}.{quote_ident(KEPT_OUT)}"
    broken, loose = (
        tuple(text if diverts(rule) or not out else f"({text} and not {kept_out})" for rule, text in texts)
        for texts in ([(rule, one.broken) for rule, one in judged], [(rule, one.counted) for rule, one in judged])
    )
    undecided = tuple(" or ".join(condition for condition, _ in one.doubts) or None for _, one in judged)
    doubts = tuple(tuple(why for _, why in one.doubts) for _, one in judged)
    rules = tuple(rule for rule, _ in judged)
    counted = {rule for rule in _repairing(program) if rule.max_bad is not None}
    acted = tuple(f"{row}.{quote_ident(ACTED_ON + rule.name)}" if rule in counted else None for rule in rules)
    return Scan(source, rules, broken, undecided, doubts, tuple(refused), kept_out, acted, loose)


def violations_duck(scan: Scan, program: TableProgram, row: str = "r") -> str:
    """Return a query for the rows that break some rule: key, kept out or not, and every rule broken with what it saw.

    Its columns: `key` (json), `kept_out` (boolean), `broken` (list of {slo, observed}, in file order).
    """
    seen = [
        f"case when {broken} then {{'slo': {quoted(rule.id)}, 'observed': {observed_duck(rule, program, row)}}} end"
        for rule, broken in zip(scan.rules, scan.broken, strict=True)
    ]
    return (
        f"select\n  {key_duck(program, row)} as key,\n  {scan.kept_out} as kept_out,\n"
        f"  list_filter([\n    {_lines(seen)}\n  ], lambda one: one is not null) as broken\n"
        f"from {scan.source}\nwhere {' or '.join(scan.broken) or 'false'}"
    )


def changes_duck(relation: str, program: TableProgram, keep: Sequence[str] = (), tables: Tables | None = None) -> str:
    """Return a query for the values that repairs changed: `key`, `column_name`, `old` and `new` as json.

    Rows that are kept out are not among them. The arguments are those of repair_duck.
    """
    scan = scan_duck(relation, program, keep, tables)
    parts = []
    for name in mended_columns(program):
        column = next(found for found in program.shape.columns if found.name == name)
        old, new = f"r.{quote_ident(arrived_name(name))}", f"r.{quote_ident(name)}"
        hidden = name in program.pii
        texts = [quoted(HIDDEN) + "::json" if hidden else json_duck(text, column.type) for text in (old, new)]
        parts.append(
            f"select {key_duck(program, 'r')} as key, {quoted(name)} as column_name,\n"
            f"  {texts[0]} as old, {texts[1]} as new\n"
            f"from {scan.source}\nwhere not {scan.kept_out} and {old} is distinct from {new}"
        )
    return "\nunion all\n".join(parts)


def key_duck(program: TableProgram, row: str) -> str:
    """Return a json that refers to a row: its key, or where the table declares none its place in the file."""
    if not program.key:
        return f"json_object('row', {row}.{quote_ident(ROW)})"
    return _object(program, row, program.key)


def observed_duck(rule: Rule, program: TableProgram, row: str) -> str:
    """Return a json of the values the rule looked at, pii values replaced by words; as `observed` in the database."""
    return _object(program, row, rule.columns[:_SEEN]) if rule.columns else "null::json"


def _object(program: TableProgram, row: str, columns: Sequence[str]) -> str:
    pairs = []
    for name in columns:
        column = program.shape.column(name)
        text = f"{row}.{quote_ident(name)}"
        value = quoted(HIDDEN) if name in program.pii else json_duck(text, column.type) if column else text
        pairs.append(f"{quoted(name)}, {value}")
    return f"json_object({', '.join(pairs)})"


def json_duck(text: str, type: SqlType) -> str:
    """Return a value as json, equal to what to_jsonb() makes of it."""
    kind = type.kind
    if kind in FLOATS or (kind is Kind.NUMERIC and duck_type(type) == "double"):
        # JSON has neither NaN nor infinities: PostgreSQL writes them as strings.
        name = "NaN", "Infinity", "-Infinity"
        word = f"case when isnan({text}) then '{name[0]}' when {text} > 0 then '{name[1]}' else '{name[2]}' end"
        return f"case when isfinite({text}) then to_json({text}) when {text} is not null then to_json({word}) end"
    if kind in TIMES:
        return f"to_json({_iso(text, kind)})"
    if kind is Kind.BYTEA:
        return f"to_json('\\x' || lower(hex({text})))"
    if kind in (Kind.JSON, Kind.JSONB):
        return text
    return f"to_json({text})"


def _iso(text: str, kind: Kind) -> str:
    """Return a date or timestamp as PostgreSQL writes it in json: T before the time, the zone as +00:00."""
    plain = f"({text})::varchar"
    if kind is Kind.DATE:
        return plain
    if kind is Kind.TIMESTAMPTZ:
        plain = f"({text} at time zone 'UTC')::varchar"
    shown = f"replace({plain}, ' ', 'T')"
    if kind is Kind.TIMESTAMPTZ:
        shown = f"case when isfinite({text}) then {shown} || '+00:00' else {plain} end"
    return shown


def duplicates_duck(rule: Rule, row: str = "r") -> str:
    """Return a condition on a row: some other row has the same values in the rule's unique columns.

    NULL is equal to nothing, NaN to itself, 0 to -0. It is a window over the relation: use it in SELECT or QUALIFY.
    """
    columns = [f"{row}.{quote_ident(name)}" for name in rule.unique]
    known = " and ".join(f"{column} is not null" for column in columns)
    return f"({known} and count(*) over (partition by {', '.join(columns)}) > 1)"


def count_duplicates_duck(relation: str, rule: Rule, row: str = "r") -> str:
    """Return a query for the number of rows beyond the first of each key; NULL is equal to nothing."""
    columns = [f"{row}.{quote_ident(name)}" for name in rule.unique]
    known = " and ".join(f"{column} is not null" for column in columns)
    return (
        "select coalesce(sum(n - 1), 0)::bigint from (\n"
        f"  select count(*) as n from {relation} as {row} where {known}\n"
        f"  group by {', '.join(columns)}\n  having count(*) > 1\n)"
    )


def orphans_duck(rule: Rule, row: str = "r", tables: Tables | None = None) -> str:
    """Return a condition on a row: its value is not NULL and not in the table it refers to."""
    assert rule.references is not None
    assert rule.column is not None
    table, column = rule.references
    source = (tables or {}).get(table, table.sql)
    text = f"{row}.{quote_ident(rule.column)}"
    return f"({text} is not null and not exists (select 1 from {source} as o where o.{quote_ident(column)} = {text}))"
