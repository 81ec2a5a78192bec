"""The same rows and the same rules break on PostgreSQL and on DuckDB, or the difference is declared."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_expr import UNSUPPORTED
from mlguard.emit.pg_danger import conditions as dangers
from mlguard.emit.pg_expr import Writer
from mlguard.lang import Expr, ExpressionError, Scope, columns_of, compile_row, tree
from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.types import Kind, parse_type
from tests.parity.divergences import FOUND
from tests.parity.engines import Case, Engines, Row, case_of, program_of, rule_of
from tests.parity.gaps import DOUBTED, REFUSED
from tests.parity.more import combined, single
from tests.parity.rows import NOT_HELD, rows, values_of
from tests.unit.lang.generate import COLUMNS, SCOPE, VALUES, conditions

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
RULES = 25  # per table
TABLES = 80  # times RULES: 2,000 cases
EDGES = 40  # rows of edges beside those Hypothesis draws


def compiled(text: str) -> Expr | None:
    """Compile a rule; None where PostgreSQL would compute a part without columns beforehand, whatever a row holds."""
    try:
        expr = compile_row(text, SCOPE)
    except ExpressionError:
        return None
    if not columns_of(expr) or any(_is_folded(node) for node in expr.walk()):
        return None
    return expr


def _is_folded(node: Expr) -> bool:
    """Tell whether the planner decides a node without its row, and with it perhaps what is around it."""
    match node:
        case tree.Literal():
            return False
        case tree.Between() | tree.InList():
            operand, *rest = node.children()
            decided = not columns_of(operand) and any(not columns_of(side) for side in rest)
        case tree.Logical():
            decided = any(not columns_of(side) for side in node.operands)
        case tree.Case():
            decided = any(not columns_of(condition) for condition, _ in node.branches)
        case _:
            decided = False
    if decided or columns_of(node):
        return decided
    return bool(dangers(node, Writer())) or node.type.kind is Kind.BOOL


def cases(specs: Sequence[tuple[str, str | None, str, bool]]) -> list[Case]:
    """Return the cases that both engines judge."""
    found = []
    for text, where, zone, nulls_fail in specs:
        expr, condition = compiled(text), compiled(where) if where else None
        if expr is None or (where and condition is None):
            continue
        if any(settled(part) for part in (expr, condition) if part is not None):
            continue
        made = case_of(rule_of(expr, where=condition, nulls_fail=nulls_fail, text=text), program_of(zone))
        if isinstance(made, Case):
            found.append(made)
    return found


def settled(expr: Expr) -> bool:
    """Say whether coalesce begins with a constant.

    PostgreSQL puts the constant in its place before it reads a row: what then raises does so on every row, or on none.
    """
    return any(
        isinstance(node, tree.Call) and node.name == "coalesce" and not columns_of(node.args[0]) for node in expr.walk()
    )


def differences(engines: Engines, judged: Sequence[Case], loaded: Sequence[Row]) -> list[str]:
    """Return what the engines say differently, as entries for divergences.py."""
    try:
        theirs = engines.broken_in_postgres(judged)
    except psycopg.Error:
        engines.postgres.rollback()
        if len(judged) == 1:
            return []  # PostgreSQL computes a part beforehand; apply refuses such a rule
        return [line for case in judged for line in differences(engines, [case], loaded)]
    ours, undecided = engines.broken_in_duck(judged)
    lines = []
    for case, one, two, open_ in zip(judged, theirs, ours, undecided, strict=True):
        for number in sorted((one ^ two) - open_)[:1]:
            row = dict(zip(COLUMNS, loaded[number], strict=True))
            expr, where = case.rule.expr, case.rule.where
            named = [name for part in (expr, where) if part is not None for name in columns_of(part)]
            who = "PostgreSQL" if number in one else "DuckDB"
            lines.append(
                f"broken in {who} only: ({case.rule.text!r}, { ({name: row[name] for name in named})!r}),"
                f" zone {case.program.time_zone}, nulls_fail {case.rule.nulls_fail}, where {where is not None}"
            )
    return lines


SPECS = st.tuples(
    conditions(1) | conditions(2) | combined() | combined() | conditions(3),
    st.none() | st.none() | single(),
    st.sampled_from(ZONES),
    st.booleans(),
)


def many(tables: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try RULES rules on so many tables."""

    def decorated(test: Callable[..., None]) -> Callable[..., None]:
        given_ = given(
            specs=st.lists(SPECS, min_size=RULES, max_size=RULES),
            drawn=st.lists(rows(), min_size=2, max_size=6),
            seed=st.integers(0, 2**32),
        )(test)
        return settings(
            max_examples=tables,
            deadline=None,
            print_blob=True,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )(given_)

    return decorated


@many(TABLES)
def test_rows_break_the_same_rules(
    engines: Engines, specs: list[tuple[str, str | None, str, bool]], drawn: list[Row], seed: int
) -> None:
    judged_alike(engines, specs, drawn, seed)


@many(TABLES // 10)
def test_rows_break_the_same_rules_on_an_older_server(
    older_engines: Engines, specs: list[tuple[str, str | None, str, bool]], drawn: list[Row], seed: int
) -> None:
    judged_alike(older_engines, specs, drawn, seed)


def judged_alike(engines: Engines, specs: list[tuple[str, str | None, str, bool]], drawn: list[Row], seed: int) -> None:
    chance = random.Random(seed)
    loaded = [*drawn, *(tuple(chance.choice(values_of(name)) for name in COLUMNS) for _ in range(EDGES))]
    engines.load(loaded)
    found = differences(engines, cases(specs), loaded)
    assert not found, f"seed {seed}:\n" + "\n".join(found)


def _one_row(values: dict[str, str | None]) -> Row:
    return tuple(values.get(name) for name in COLUMNS)


@pytest.mark.parametrize("name", FOUND)
def test_what_once_differed_does_not(engines: Engines, name: str) -> None:
    text, values = FOUND[name]
    engines.load([_one_row(values)])
    for zone in ZONES:
        for nulls_fail in (False, True):
            judged = case_of(rule_of(compile_row(text, SCOPE), nulls_fail=nulls_fail, text=text), program_of(zone))
            assert isinstance(judged, Case), judged
            assert not differences(engines, [judged], [_one_row(values)])
            assert engines.broken_in_duck([judged])[1] == [set()]


@pytest.mark.parametrize("name", sorted({*REFUSED, *UNSUPPORTED}))
def test_each_gap_is_declared_and_open(name: str) -> None:
    assert name in UNSUPPORTED, "refused, and not in UNSUPPORTED"
    scope = Scope({**SCOPE.columns, "h": parse_type("character(5)")}, closed=True)  # type: ignore[dict-item]
    for text in REFUSED[name]:
        refused = case_of(rule_of(compile_row(text, scope)), program_of("UTC"))
        assert isinstance(refused, NotLocal), f"{text} is judged now: take it out of REFUSED"


def test_the_page_lists_every_gap() -> None:
    page = (Path(__file__).parents[2] / "docs" / "parity.md").read_text(encoding="utf-8").replace("`", "")
    rows_of_page = [f"| {name} | {why} |".replace("`", "") for name, why in UNSUPPORTED.items()]
    assert [row for row in rows_of_page if row not in page] == []
    refused = page[page.index("## Refused") : page.index("## Rows that")]
    assert refused.count("\n| ") == len(UNSUPPORTED) + 1


@pytest.mark.parametrize("name", DOUBTED)
def test_each_doubt_is_needed(engines: Engines, name: str) -> None:
    doubt = DOUBTED[name]
    engines.load([_one_row(dict(doubt.row))])
    verdicts = []
    for nulls_fail in (False, True):
        judged = case_of(rule_of(compile_row(doubt.text, SCOPE), nulls_fail=nulls_fail), program_of("UTC"))
        assert isinstance(judged, Case)
        ours, undecided = engines.broken_in_duck([judged])
        assert undecided == [{0}]
        verdicts.append(ours == engines.broken_in_postgres([judged]))
    assert all(verdicts) != doubt.differs, "the engines agree now: take the doubt away"


def test_rules_that_duckdb_refuses_are_few_and_every_construct_is_judged(engines: Engines) -> None:
    """Count what the generated rules hold: each node, function and type, judged and with rows on both sides."""
    texts: list[str] = []

    @settings(max_examples=3000, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(text=st.one_of(single(), combined(), conditions(2)))
    def draw(text: str) -> None:
        texts.append(text)

    draw()
    specs = [(text, None, "Europe/Berlin", False) for text in dict.fromkeys(texts)]
    compiled_ones = [text for text, *_ in specs if compiled(text) is not None]
    judged = cases(specs)
    assert len(judged) >= 0.9 * len(compiled_ones)
    seen: Counter[str] = Counter()
    for case in judged:
        assert case.rule.expr is not None
        for node in case.rule.expr.walk():
            seen[type(node).__name__] += 1
            seen[node.type.kind.name] += 1
            if isinstance(node, tree.Call):
                seen[f"{node.name}()"] += 1
            if isinstance(node, tree.Compare | tree.Arithmetic | tree.JsonGet | tree.Logical):
                seen[f"{type(node).__name__} {node.op}"] += 1
    wanted = {node.__name__ for node in tree.Expr.__subclasses__()} - {"Metric"}
    wanted |= {f"{name}()" for name in FUNCTIONS}
    wanted |= {column.type.kind.name for column in program_of("UTC").shape.columns}
    wanted |= {f"Compare {op}" for op in ("=", "<>", "<", "<=", ">", ">=")}
    wanted |= {f"Arithmetic {op}" for op in "+-*/%"} | {f"JsonGet {op}" for op in ("->", "->>", "#>>")}
    assert sorted(name for name in wanted if seen[name] < 3) == []


def test_values_left_out_are_those_no_file_holds(engines: Engines) -> None:
    for name, (why, left_out) in NOT_HELD.items():
        assert why
        assert set(left_out) <= set(VALUES[name]), name
        for value in left_out:
            refused = False
            try:
                engines.load([_one_row({name: value})])
                kept = engines.duck.execute(f"select {name}::varchar from x").fetchone()
                theirs = engines.postgres.execute(f"select {name}::text from x").fetchone()
                refused = kept != theirs
            except Exception:  # noqa: BLE001 - DuckDB says no in many ways
                refused = True
            assert refused, f"{name} holds {value} now"
