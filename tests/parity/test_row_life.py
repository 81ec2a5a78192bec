"""A load on both engines: what lands, what is mended and into what, what is kept out and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from mlguard import api, planner
from mlguard.emit.duck_core import duck_type
from mlguard.emit.duck_rules import (
    changes_duck,
    count_duplicates_duck,
    duplicates_duck,
    json_duck,
    orphans_duck,
    scan_duck,
    violations_duck,
)
from mlguard.program import TableProgram
from tests import servers
from tests.parity.engines import spelled_for_duck
from tests.support import prepare, project, query
from tests.unit.lang.generate import column_type

TABLE = """
create schema features;
create schema ops;
create table ops.blocked (id integer, word text);
insert into ops.blocked values (3, 'spam'), (null, null);
create table features.t (
  id integer primary key, i integer, s smallint, n numeric(8,2), f double precision,
  t text, d date, z timestamptz, p jsonb
);
"""
COLUMNS = {
    "id": "integer",
    "i": "integer",
    "s": "smallint",
    "n": "numeric(8,2)",
    "f": "double precision",
    "t": "text",
    "d": "date",
    "z": "timestamp with time zone",
    "p": "jsonb",
}
ROWS: list[tuple[object, ...]] = [
    (1, 5, 1, "1.50", "0.5", "a", "2024-02-29", "2024-03-31 01:30+00", '{"a": 1}'),
    (2, -5, 0, "-1.00", "-0.5", "", None, None, None),
    (3, 500, 2, "200.00", "1.5", "spam", "infinity", "infinity", '{"a": "x"}'),
    (4, None, None, None, None, None, None, None, "null"),
    (5, 7, 0, "0.00", "NaN", "Ünï", "0001-01-01", "2024-10-27 00:30+00", "[1, 2]"),
    (6, 2147483647, 32767, "999999.99", "Infinity", "b", "9999-12-31", "1970-01-01 00:00+00", '{"a": {"b": 2}}'),
    (7, -2147483648, -32768, "-999999.99", "-Infinity", "7", "1970-01-01", "2024-03-31 00:59:59.5+00", '"s"'),
    (8, 1, 4, "0.01", "1e308", " x ", "2024-01-01", "2026-11-20 08:00+00", '{"a": null}'),
    (9, 100, 100, "100.00", "-0", "spam", "2023-12-31", "2026-11-20 08:00+00", "{}"),
    (10, 1, 0, "5.00", "5e-324", "e\u0301", "2024-01-01", "2026-11-20 08:00+00", '{"a": 2.5}'),
]
HEAD = "mlguard: 1\ntable: features.t\nkey: [id]\nreads: none\ntime_zone: Europe/Berlin\nslos:\n"
FILES = {
    "clamp, then quarantine on the mended row": """
  - {name: clamped, check: i BETWEEN 0 AND 100, on_violation: repair, repair: {clamp: [0, 100]}}
  - {name: mended, check: i <> 100, on_violation: quarantine}
  - {name: small, check: f BETWEEN -1 AND 1, on_violation: quarantine, nulls: fail}
""",
    "each repair sees what arrived, each rule what was mended": """
  - {name: one, check: i >= 0, on_violation: repair, repair: {i: 0, s: i}}
  - {name: two, check: s >= 0, on_violation: repair, repair: {i: s, t: "t || '!'"}}
  - {name: three, check: i + s < 1000, on_violation: quarantine}
""",
    "a value that raises leaves the row to quarantine": """
  - {name: ratio, check: i / s >= 1, on_violation: repair, repair: {t: "'ratio'", n: i / s, f: 0}}
  - {name: n_small, check: n < 500, on_violation: repair, repair: {n: n * 1000}}
""",
    "a default, and null": """
  - {name: text, check: t <> 'spam', on_violation: repair, repair: {default: ham}}
  - {name: there, check: f IS NOT NULL, on_violation: repair, repair: {default: 0}}
  - {name: finite, check: is_finite(f), on_violation: repair, repair: null}
""",
    "where, nulls and an error in where": """
  - {name: filtered, check: i > 0, where: t <> '', on_violation: quarantine, nulls: fail}
  - {name: raising, check: i > 0, where: 10 / s > 2, on_violation: quarantine}
  - {name: number, check: "(p ->> 'a')::integer > 0", where: p IS NOT NULL, on_violation: quarantine}
""",
    "lookups, on the row as mended": """
  - {name: word, check: length(t) < 3, on_violation: repair, repair: {t: "'spam'"}}
  - {name: blocked, check: t NOT IN (SELECT word FROM ops.blocked WHERE_), on_violation: quarantine}
  - {name: known, check: i / s IN (SELECT id FROM ops.blocked), on_violation: quarantine, nulls: pass}
""".replace(" WHERE_", ""),
    "times": """
  - {name: day, check: extract(hour from z) BETWEEN 2 AND 9, on_violation: quarantine, nulls: fail}
  - {name: moved, check: "z + interval '1 day' > '2024-03-31 02:30'", on_violation: quarantine}
  - {name: age, check: "date '2026-11-20' - d < 10000", on_violation: repair, repair: {d: "date '2000-01-01'"}}
""",
    "quarantine with warn and reject after it": """
  - {name: out, check: i < 400, on_violation: quarantine}
  - {name: said, check: s > 0, on_violation: warn}
  - {name: shadowed, check: n > 0, on_violation: quarantine, shadow: true}
""",
}  # fmt: skip


def program_of(tmp_path: Path, dsn: str, text: str) -> TableProgram:
    """Compile the file with the table as it is in the database."""
    with psycopg.connect(dsn) as connection:
        return next(iter(planner.program(project(tmp_path, HEAD + text), connection).tables.values()))


@contextmanager
def duck_with(rows: list[tuple[object, ...]]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a DuckDB that holds the rows in table `t`, and the looked-up table."""
    with duckdb.connect() as duck:
        duck.execute("set timezone = 'UTC'; create schema ops; create table ops.blocked (id integer, word varchar)")
        duck.execute("insert into ops.blocked values (3, 'spam'), (null, null)")
        types = [duck_type(column_type(kind)) for kind in COLUMNS.values()]
        duck.execute(f"create table t ({', '.join(f'{n} {k}' for n, k in zip(COLUMNS, types, strict=True))})")
        marks = ", ".join(f"cast(? as {kind})" for kind in types)
        for row in rows:
            texts = [
                spelled_for_duck(None if cell is None else str(cell), kind)
                for cell, kind in zip(row, COLUMNS.values(), strict=True)
            ]
            duck.execute(f"insert into t values ({marks})", texts)
        yield duck


def plain(value: object) -> object:
    """Return a JSON value in which numbers are equal however they are spelled."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def value_of(text: str | None) -> object:
    """Return the value of a JSON text."""
    return None if text is None else plain(json.loads(text))


@pytest.mark.parametrize("name", FILES)
def test_a_load_ends_the_same(server18: servers.TestServer, tmp_path: Path, name: str) -> None:
    with server18.guarded_database() as dsn:
        prepare(dsn, TABLE)
        text = FILES[name]
        api.apply(project(tmp_path, HEAD + text), dsn)
        with psycopg.connect(dsn) as connection:
            marks = ", ".join(f"%s::text::{kind}" for kind in COLUMNS.values())
            for row in ROWS:
                connection.execute(f"insert into features.t values ({marks})", row)
            connection.commit()
        program = program_of(tmp_path, dsn, text)
        landed = [plain(row) for (row,) in query(dsn, "select to_jsonb((x.*)) from features.t as x order by id")]
        kept_rows: Any = query(dsn, "select key, broken from mlguard.quarantine")
        kept = {
            int(str(key["id"])): {one["slo"]: plain(one["observed"]) for one in broken} for key, broken in kept_rows
        }
        logged: Any = query(dsn, "select key, column_name, old, new from mlguard.change order by id")
        changed = {(key["id"], column): (old, new) for key, column, old, new in logged}
    with duck_with(ROWS) as duck:
        scan = scan_duck("t", program)
        assert not scan.refused
        found = duck.execute(violations_duck(scan, program)).fetchall()
        out = {
            json.loads(key)["id"]: {one["slo"]: plain(json.loads(one["observed"])) for one in broken}
            for key, kept_out, broken in found
            if kept_out
        }
        assert out == kept
        cells = ", ".join(f"'{name}', {json_duck(f'r.{name}', column_type(kind))}" for name, kind in COLUMNS.items())
        stay = f"select json_object({cells}) from {scan.source} where not {scan.kept_out} order by r.id"
        assert [plain(json.loads(row)) for (row,) in duck.execute(stay).fetchall()] == landed
        changes = changes_duck("t", program)
        mended = duck.execute(changes).fetchall() if changes else []
        mine = {(json.loads(key)["id"], column): (value_of(old), value_of(new)) for key, column, old, new in mended}
        assert mine == {place: (plain(old), plain(new)) for place, (old, new) in changed.items() if old != new}


KEYS = """
create schema features;
create table features.parent (k double precision primary key);
insert into features.parent values ('NaN'), (0), (2);
create table features.k (id integer, f double precision, t text);
insert into features.k values
  (1, 'NaN', 'a'), (2, 'NaN', 'a'), (3, 0, 'a'), (4, '-0', 'a'), (5, null, 'a'), (6, null, 'a'), (7, 1, 'A'),
  (8, 1, 'a'), (9, 2, null), (10, 2, null), (11, 5, 'b'), (12, 5, 'b'), (13, 5, 'b');
"""
KEYS_FILE = """
mlguard: 1
table: features.k
reads: none
slos:
  - {name: unused, check: id > 0}
columns:
  f: {type: double precision, references: features.parent.k}
"""


def test_duplicates_and_orphans_are_the_same(server18: servers.TestServer, tmp_path: Path) -> None:
    from mlguard.emit.table import count_duplicates, count_orphans

    with server18.database() as dsn:
        prepare(dsn, KEYS)
        with psycopg.connect(dsn) as connection:
            program = next(iter(planner.program(project(tmp_path, KEYS_FILE), connection).tables.values()))
            refers = next(rule for rule in program.rules if rule.references is not None)
            unique = replace(refers, unique=("f", "t"))
            theirs = [
                connection.execute(sql.encode()).fetchone()
                for sql in (count_duplicates(program, unique), count_orphans(program, refers))
            ]
    with duckdb.connect() as duck:
        duck.execute(KEYS.replace("double precision", "double"))
        ours = [
            duck.execute(count_duplicates_duck("features.k", unique)).fetchone(),
            duck.execute(f"select count(*) from features.k as r where {orphans_duck(refers)}").fetchone(),
        ]
        assert ours == theirs == [(4,), (5,)]
        rows = f"select id from features.k as r qualify {duplicates_duck(unique)} order by id"
        assert [row[0] for row in duck.execute(rows).fetchall()] == [1, 2, 3, 4, 11, 12, 13]
