"""Hostile names and values in what DuckDB runs: it is run, and comes apart into the same words."""

from __future__ import annotations

import json
import random
from typing import Any

import duckdb
import pytest

from mlguard.emit.duck_core import NotLocal, duck_type
from mlguard.emit.duck_guard import judged_duck, source_duck
from mlguard.emit.duck_rules import canonical_duck, repair_duck, row_rules
from mlguard.errors import SpecError
from mlguard.names import quote_ident
from mlguard.program import TableProgram
from tests.fuzz import budget
from tests.fuzz.specs import spec
from tests.fuzz.test_hostile import compiled


@pytest.fixture
def duck() -> Any:
    with duckdb.connect() as connection:
        yield connection


def query(program: TableProgram) -> str:
    """Return one query that judges every row rule that can be judged locally."""
    judged = []
    for rule in row_rules(program):
        try:
            judged.append(judged_duck(rule, program, "r"))
        except NotLocal:
            continue
    relation = repair_duck(canonical_duck(program.table.sql, program), program)
    lookups = [lookup for one in judged for lookup in one.lookups]
    conditions = [f"count(*) filter (where {one.broken})" for one in judged]
    return f"select {', '.join(['count(*)', *conditions])} from {source_duck(relation, lookups, program, 'r')}"


def words(node: Any) -> set[str]:
    """Return every string in a tree."""
    if isinstance(node, dict):
        return set().union(*(words(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(words(value) for value in node))
    return {node} if isinstance(node, str) else set()


def test_runs_and_comes_apart(duck: duckdb.DuckDBPyConnection) -> None:
    def example(chance: random.Random) -> None:
        found = spec(chance)
        if len({name.lower() for name in found.columns}) < len(found.columns):
            return  # DuckDB knows no capitals in names
        try:
            program = compiled(found)
            text = query(program)
        except (SpecError, NotLocal):
            return
        columns = ", ".join(f"{quote_ident(c.name)} {duck_type(c.type)}" for c in program.shape.columns)
        schemas = {found.schema, *(["fuzz"] if found.lookups else [])}
        for schema in schemas:
            duck.execute(f"create schema if not exists {quote_ident(schema)}")
        duck.execute(f"create table {program.table.sql} ({columns})")
        for table, column in found.lookups.items():
            duck.execute(f"create table fuzz.{quote_ident(table)} ({quote_ident(column)} varchar)")
        assert duck.execute(text).fetchall()
        (tree,) = duck.execute("select json_serialize_sql(?::varchar)", [text]).fetchall()[0]
        seen = words(json.loads(tree, strict=False))
        names = [name for name in found.names if name in found.columns]
        assert [name for name in names if name not in seen] == []
        for schema in schemas:
            duck.execute(f"drop schema {quote_ident(schema)} cascade")

    assert budget.run(0.1, example) > 3
