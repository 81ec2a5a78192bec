"""What random tests have found, each by its name."""

from __future__ import annotations

import duckdb
import pytest

from mlguard.compile import compile_project
from mlguard.emit.duck_rules import canonical_duck, repair_duck
from mlguard.emit.objects import indent
from mlguard.emit.table import objects
from mlguard.errors import TOLD, CompileError, Problem, SpecError
from mlguard.lang import ExpressionError
from mlguard.lang.query import parse_query
from mlguard.spec.load import Loader
from mlguard.spec.project import Project
from mlguard.spec.source import Source
from tests.fuzz import sound
from tests.fuzz.specs import Spec
from tests.fuzz.test_hostile import compiled, statements
from tests.unit.compile.shape import TABLE

HEAD = "mlguard: 1\ntable: a.b\n"


def load(text: str) -> Project:
    from pathlib import Path

    found = Loader().loads(Source("f.slo.yaml", text), Path("f.slo.yaml"))
    if found.file is None:
        raise SpecError("", problems=found.faults)
    return Project((found.file,))


def test_a_line_end_in_the_name_of_a_column_stays_one_line_end() -> None:
    text = 'mlguard: 1\ntable: a.b\nkey: [k]\ncolumns: {"x\\ny": {in: {values: [a], on_violation: quarantine}}}\n'
    parts = sound.read(statements(compiled(Spec(text, "a", "b", {"k": "bigint", "x\ny": "text"}))))
    assert {name for name in parts.names if name.startswith("x\n")} == {"x\ny"}


@pytest.mark.parametrize(
    ("text", "indented"),
    [
        ('a\n"b\nc"\nd', '  a\n  "b\nc"\n  d'),
        ("-- it's \"one\nb", "  -- it's \"one\n  b"),
        ("E'\\\\' \"\na\"\nb", "  E'\\\\' \"\na\"\n  b"),
        ("'\"'\n\nb\n", "  '\"'\n\n  b\n"),
        ('"a""\nb"\nc', '  "a""\nb"\n  c'),
        ("", ""),
        ("\na", "\n  a"),
    ],
)
def test_indenting_leaves_names_alone(text: str, indented: str) -> None:
    assert indent(text) == indented


def test_a_long_name_of_a_repaired_column_in_duckdb() -> None:
    name = "é" * 31
    text = f"{HEAD}columns: {{{name}: {{not_in: {{values: [a], on_violation: repair, repair: {{default: b}}}}}}}}\n"
    program = compiled(Spec(text, "a", "b", {name: "text"}))
    with duckdb.connect() as duck:
        duck.execute(f"create schema a; create table a.b (\"{name}\" varchar); insert into a.b values ('a')")
        relation = repair_duck(canonical_duck("a.b", program), program)
        assert duck.execute(f'select "{name}" from {relation}').fetchall() == [("b",)]


@pytest.mark.parametrize("table", ["_arrived", "new", "tg_op"])
def test_a_lookup_into_a_table_named_like_a_variable(table: str) -> None:
    text = (
        f"mlguard: 1\ntable: a.b\nkey: [k]\nwrites: rows\ncolumns: {{k: {{type: bigint}}, x: {{type: text}}}}\nslos:\n"
        f"  - {{name: n, check: 'x IN (SELECT y FROM ops.\"{table}\")', on_violation: quarantine}}\n"
    )
    made = statements(compiled(Spec(text, "a", "b", {"k": "bigint", "x": "text"})))
    assert any(f'from "ops"."{table}" as looked' in sql for sql in made)
    assert not any(f'"{table}"."y"' in sql for sql in made)


@pytest.mark.parametrize("line", ['missing: "\\ud800"', 'key: ["\\udfff"]', 'columns: {c: {range: ["\\ud800", 1]}}'])
def test_half_a_surrogate_pair(line: str) -> None:
    with pytest.raises(SpecError) as refused:
        load(f"{HEAD}{line}\n")
    assert str(refused.value).encode()


def test_an_assertion_nested_without_end() -> None:
    with pytest.raises(ExpressionError, match="nested too deeply"):
        parse_query("select k from a.b where k in (" + "(" * 3000 + "1" + ")" * 3000 + ")", "a")


def test_more_columns_than_a_table_can_have() -> None:
    columns = "".join(f"  c{n}: {{type: text, required: true}}\n" for n in range(3000))
    with pytest.raises(SpecError, match="3000 columns; a table of PostgreSQL has at most 1600"):
        compile_project(load(f"{HEAD}columns:\n{columns}"), None)


def test_very_many_faults_are_not_all_told() -> None:
    told = str(SpecError("", problems=[Problem(f"fault {n}") for n in range(TOLD + 7)]))
    assert told.endswith(f"fault {TOLD - 1}\nand 7 more")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("select k, from a.b", 8),
        ("select k from a.b group by k having count(*) > 1,", 48),
        ("select k from a.b where k in (1, 2,)", 34),
    ],
)
def test_a_comma_that_parts_nothing_in_an_assertion(text: str, at: int) -> None:
    with pytest.raises(ExpressionError, match="nothing follows the comma") as refused:
        parse_query(text, TABLE.schema)
    assert refused.value.pos == at


@pytest.mark.parametrize(
    "text",
    [
        "key: [k]\nslos: [{name: n, check: \"(p ->> 'n')::integer > 0\"}]",
        "event_time: t\nslos: [{name: n, check: 'share(sqrt(x) > 2) > 0.5', over: 1 day}]",
    ],
)
def test_a_judge_function_of_a_column_without_a_type(text: str) -> None:
    (program,) = compile_project(load(f"{HEAD}{text}"), None).tables.values()
    with pytest.raises(CompileError, match="nothing says of what type"):
        objects(program)


@pytest.mark.parametrize("text", ["table: 'a.b/c'", "table: a.b\nslos: [{name: a/b, check: x > 0}]"])
def test_a_slash_would_part_an_id_elsewhere(text: str) -> None:
    with pytest.raises(SpecError, match=r"has a /|a / in its name"):
        load(f"mlguard: 1\n{text}")
