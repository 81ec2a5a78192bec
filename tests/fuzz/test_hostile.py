"""Hostile names and values, from SLO file to SQL: nothing gets out of its quotes, and nothing is lost."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from mlguard.compile import compile_table
from mlguard.emit.table import count_broken, judged_in_place, objects
from mlguard.errors import SpecError
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableProgram, TableShape
from mlguard.spec.load import Loader
from mlguard.spec.source import Source
from tests.fuzz import budget, sound
from tests.fuzz.specs import Spec, spec

LEAST = 10_000  # names and values in the long form
VARIABLE = re.compile(r"_|(?:new|old|found|tg_\w+)\Z")


def compiled(found: Spec) -> TableProgram:
    loaded = Loader().loads(Source("h.slo.yaml", found.text), Path("h.slo.yaml"))
    if loaded.file is None:
        raise SpecError("", problems=loaded.faults)
    table = TableName(found.schema, found.table)
    types = {name: parse_type(type_) or pytest.fail(type_) for name, type_ in found.columns.items()}
    shape = TableShape(table, tuple(ColumnShape(name, type_) for name, type_ in types.items()))
    return compile_table(loaded.file, shape)


def statements(program: TableProgram) -> list[str]:
    made = objects(program)
    created = [statement.sql for item in made for statement in item.create]
    dropped = [sql for item in made for sql in item.drop]
    rules = judged_in_place(program)
    return [*created, *dropped, count_broken(program, rules, judges_installed=True)]


def judge(found: Spec, harmless: Spec) -> None:
    """Compile a file, and its harmless twin, and compare what they become."""
    parts = sound.read(statements(compiled(found)))
    assert [value for value in found.values if value not in parts.literals] == []
    assert [name for name in (*found.names, found.schema, found.table) if name not in parts.names] == []
    twin = sound.read(statements(compiled(harmless)))
    if not any(VARIABLE.match(table) for table in found.lookups):  # those are read under another name
        assert parts.shape == twin.shape


def test_hostile_names_and_values() -> None:
    counts: Counter[str] = Counter()

    def example(chance: random.Random) -> None:
        seed = chance.random()
        found = spec(random.Random(seed))
        try:
            judge(found, spec(random.Random(seed), plain=True))
        except SpecError:  # in words and with a place: test_files
            counts["refused"] += 1
        else:
            counts["files"] += 1
            counts["words"] += len(found.values) + len(found.columns) + len(found.told) + 2

    budget.run(0.25, example, lambda: counts["words"] >= LEAST)
    print(dict(counts))
    assert counts["files"] > 3 * counts["refused"]
    assert not budget.is_long() or counts["words"] >= LEAST
