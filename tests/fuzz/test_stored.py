"""Hostile names and values in a real database: what was written is stored, kept out or refused, and read back whole."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg

from mlguard import api
from mlguard.errors import SpecError
from mlguard.operate import quarantine_list, status, violations
from mlguard.patience import Options
from mlguard.report import status_text
from mlguard.violation import SloViolation
from tests import servers
from tests.fuzz import budget, hostile
from tests.fuzz.hostile import literal, quoted
from tests.fuzz.specs import Spec, spec
from tests.support import project

ROWS = 12


def make(connection: psycopg.Connection[Any], found: Spec) -> None:
    """Make the table, and the tables its rules look into."""
    columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in found.columns.items())
    key = next(iter(found.columns))
    for schema in {found.schema, "fuzz"}:
        run(connection, f"create schema if not exists {quoted(schema)}")
    run(connection, f"create table {name_of(found)} ({columns}, primary key ({quoted(key)}))")
    for table, column in found.lookups.items():
        run(connection, f"create table fuzz.{quoted(table)} ({quoted(column)} text)")
        values = ", ".join(f"({literal(value)})" for value in found.values[:3])
        run(connection, f"insert into fuzz.{quoted(table)} values {values}")


def name_of(found: Spec) -> str:
    return f"{quoted(found.schema)}.{quoted(found.table)}"


def run(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text.encode())


def rows(chance: random.Random, found: Spec) -> list[dict[str, Any]]:
    """Rows of which many break a rule: their texts are those that rules compare with, or hostile ones."""
    made = []
    for number in range(1, ROWS + 1):
        row: dict[str, Any] = {}
        for column, type_ in found.columns.items():
            match type_:
                case "text":
                    row[column] = chance.choice([*found.values, hostile.text(chance), None])
                case "boolean":
                    row[column] = chance.random() < 0.5
                case "double precision":
                    row[column] = float(chance.choice((1, 5, 99)))
                case "timestamptz":
                    row[column] = "2026-01-01 00:00:00+00"
                case _:
                    row[column] = number
        made.append(row)
    return made


def insert(connection: psycopg.Connection[Any], found: Spec, row: dict[str, Any]) -> SloViolation | None:
    """Write one row; return what refused it."""
    names = f"{name_of(found)} ({', '.join(map(quoted, row))})".replace("%", "%%")  # psycopg's own escape
    text = f"insert into {names} values ({', '.join(['%s'] * len(row))})"
    try:
        connection.execute(text.encode(), list(row.values()))
    except psycopg.Error as error:
        refusal = SloViolation.from_exception(error)
        if refusal is None:
            raise
        return refusal
    return None


def judge(dsn: str, found: Spec, chance: random.Random, folder: Path) -> Counter[str]:
    """Apply a file, write rows, and look for each of them."""
    counts: Counter[str] = Counter()
    with psycopg.connect(dsn, autocommit=True) as connection:
        make(connection, found)
        files = project(folder, found.text)
        api.apply(files, connection, options=Options(lock_timeout=5))
        assert api.plan(files, connection).empty
        told = set(connection.execute("select owner, runbook from mlguard.slo").fetchall())
        assert (found.told[0], found.told[1]) in told
        known = {id_ for (id_,) in connection.execute("select id from mlguard.slo").fetchall()}
        written = rows(chance, found)
        refused = {}
        for number, row in enumerate(written, 1):
            if (refusal := insert(connection, found, row)) is not None:
                refused[number] = refusal
                assert refusal.slo in known, refusal
                assert len(str(refusal)) < 5000
        stored = {row[0]: row for row in connection.execute(f"select * from {name_of(found)}".encode()).fetchall()}
        kept = {
            row[0]: row
            for row in connection.execute(
                "select (row ->> %s)::int, row from mlguard._quarantine", [next(iter(found.columns))]
            ).fetchall()
        }
        assert not set(stored) & set(kept)
        assert not set(refused) & (set(stored) | set(kept))
        assert set(stored) | set(kept) | set(refused) == set(range(1, ROWS + 1))
        changed = {
            (key, column): old
            for key, column, old in connection.execute(
                "select (key ->> %s)::int, column_name, old #>> '{}' from mlguard._change", [next(iter(found.columns))]
            ).fetchall()
        }
        for number, row in enumerate(written, 1):
            for place, (column, value) in enumerate(row.items()):
                if found.columns[column] != "text":
                    continue
                if number in kept:
                    assert kept[number][1][column] == value
                elif number in stored and stored[number][place] != value:
                    assert changed[number, column] == value
        assert len(quarantine_list(connection, limit=None)) == len(kept)
        violations(connection, limit=None)
        assert status_text.render(status(connection, files))
        connection.execute("select * from mlguard.sweep()")
        api.remove(None, connection, discard=True)
    counts.update(
        stored=len(stored), kept=len(kept), refused=len(refused), words=len(found.values) + len(found.columns)
    )
    return counts


def test_written_and_read_back(server18: servers.TestServer, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()

    def example(chance: random.Random) -> None:
        found = spec(chance)
        try:
            with server18.guarded_database() as dsn:
                counts.update(judge(dsn, found, chance, tmp_path))
                counts["files"] += 1
        except SpecError:
            counts["files refused"] += 1

    with server18.guarded_database():
        pass  # the first one installs the runtime, and takes its time
    budget.run(0.2, example)
    print(dict(counts))
    assert counts["kept"] or not budget.is_long()
