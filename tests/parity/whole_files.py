"""Random SLO files over one table of every type: row rules with all actions, metrics of batches and windows, together.

What Hypothesis draws are the conditions; a seed drawn beside them decides everything else, so that a case is small.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlguard.compile import compile_table
from mlguard.emit.duck_cells import doubt_of
from mlguard.emit.duck_core import NotLocal
from mlguard.emit.duck_guard import judged_duck
from mlguard.errors import SpecError
from mlguard.lang import compile_row
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableShape
from mlguard.spec.load import Loader
from mlguard.spec.source import Source
from tests.parity.engines import program_of, rule_of
from tests.parity.rows import values_of
from tests.parity.test_rules import compiled
from tests.unit.lang.generate import COLUMNS, SCOPE, column_type

# In the future, so that no window closes before it is swept.
START = datetime(2030, 3, 29, 12, tzinfo=UTC)  # two days before clocks are set forward in Europe
DAYS = 5
OWN = {"row_no": "integer", "load": "integer", "ts": "timestamp with time zone"}
ALL = {**OWN, **COLUMNS}
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
SMALL = {  # what a column mostly holds, so that rules hold on most rows
    "i": range(-3, 12), "s": range(-2, 6), "j": range(-9, 9), "m": (0, 1, 2.5, -1, 7.25), "f": (0, 0.5, 1, -1, 2.25),
    "g": (0.25, 3, -0.5), "t": ("a", "ab", "B", "7"), "b": ("true", "false"), "e": ("sad", "ok", "happy"),
    "r": (0, 1, 2.5), "n": (0, 1, 2.5), "u": ("a", "A", "xy"),
}  # fmt: skip
NUMBERS, AMOUNTS, WORDS = ("i", "s", "j", "m", "f", "g", "r"), ("i", "m", "f", "j"), ("t", "b", "e", "u", "s")
SIMPLE = (
    "i BETWEEN -2 AND 9", "f >= -0.5", "m < 7", "s <> 0", "t <> 'B'", "t IN ('a', 'ab', '7')", "b", "j >= -8 OR i > 0",
    "num_nulls(i, f, t) <= 1", "is_finite(f)", "length(t) < 3", "i + s < 15", "coalesce(g, 0) <= 3", "f IS NOT NULL",
    "i / nullif(s, 0) < 9", "100 / s > -60", "t = lower(t)", "e <> 'sad'", "p ->> 'a' IS NULL OR i > 0",
)  # fmt: skip
REPAIRS = {
    "i": ("{clamp: [-1, 8]}", "{default: 0}", "'null'", "{i: s}", "{i: j::integer, t: \"t || '!'\"}"),
    "f": ("{clamp: [-0.25, 1.5]}", "{default: 0.5}", "'null'", "{f: g * 2}", "{f: f / s, i: i + 1}"),
    "m": ("{clamp: [0, 5]}", "{default: 1.25}", "'null'", "{m: m * 0.5}"),
    "t": ("{default: none}", "'null'", "{t: lower(u)}"),
}


# json that jsonb cannot hold: what is kept out or mended is kept as jsonb, so PostgreSQL refuses the load.
NOT_KEPT = ('{"a":"\\u0000"}', '{"a":1e999}')


_TYPES = "\n".join(f"  {name}: {{type: '{kind}'}}" for name, kind in ALL.items() if kind != "mood")


@dataclass(frozen=True)
class Case:
    """One SLO file, and the loads of its table."""

    table: str
    text: str
    loads: tuple[tuple[tuple[str | None, ...], ...], ...]  # rows as texts, in the order of ALL
    slos: tuple[str, ...]


def make(number: int, conditions: Sequence[str], seed: int) -> Case:
    """Return a case made of drawn conditions and a seed."""
    chance = random.Random(seed)
    table = f"f.t{number}"
    zone = chance.choice(ZONES)
    head = [
        "mlguard: 1", f"table: {table}", "key: [row_no]", "event_time: ts", f"time_zone: {zone}", "reads: none",
        f"baseline: first {chance.choice([2, 3])} days",
        *(["missing: [NaN, '']"] if chance.random() < 0.4 else []),
        "columns:", _TYPES,
    ]  # fmt: skip
    texts = [text for text in (*conditions, *SIMPLE) if compiled(text) is not None and _is_judged(text, zone)]
    slos: list[str] = []
    for place, line in enumerate([*_row_rules(chance, texts), *_metrics(chance, texts)]):
        slo = f"  - {{name: s{place}, {line}}}"
        if _compiles(table, [*head, "slos:", slo]):
            slos.append(slo)
    text = "\n".join([*head, "slos:", *(slos or ["  - {name: s, check: row_no > 0}"])]) + "\n"
    return Case(table, text, _loads(chance), tuple(slos))


def given_case(number: int, more: str, slos: str, loads: Sequence[Sequence[dict[str, str | None]]]) -> Case:
    """Return a case of given SLOs and rows.

    Args:
        number: of its table.
        more: further keys of the file.
        slos: the list under `slos`.
        loads: rows by column; what a row does not say is NULL, its time START and `hours` later.
    """
    table, place, made = f"f.t{number}", 0, []
    for load, rows in enumerate(loads):
        cells = []
        for row in rows:
            at = START + timedelta(hours=float(row.get("hours") or 0))
            known = {**row, "row_no": str(place), "load": str(load), "ts": at.isoformat(sep=" ")}
            cells.append(tuple(known.get(name) for name in ALL))
            place += 1
        made.append(tuple(cells))
    head = f"mlguard: 1\ntable: {table}\nkey: [row_no]\nevent_time: ts\nreads: none\n{more}columns:\n{_TYPES}\n"
    return Case(table, f"{head}slos:\n{slos}", tuple(made), ())


@lru_cache(maxsize=1000)
def _is_judged(text: str, zone: str) -> bool:
    """Say whether both engines judge the condition on whatever a row holds."""
    expr = compile_row(text, SCOPE)
    program = program_of(zone)
    try:
        return not judged_duck(rule_of(expr, text=text), program, "r").doubts and doubt_of(expr, program, "r") is None
    except NotLocal:
        return False


def _compiles(table: str, lines: list[str]) -> bool:
    name = TableName.parse(table)
    shape = TableShape(name, tuple(ColumnShape(column, column_type(kind)) for column, kind in ALL.items()))
    file = Loader().loads(Source("case.slo.yaml", "\n".join(lines) + "\n"), Path("case.slo.yaml")).file
    if file is None:
        return False
    try:
        compile_table(file, shape)
    except SpecError:
        return False
    return True


def _row_rules(chance: random.Random, conditions: Sequence[str]) -> list[str]:
    found = []
    for _ in range(chance.randrange(2, 8)):
        check = chance.choice(conditions)
        action = chance.choice(["reject", "warn", "quarantine", "quarantine", "repair", "repair"])
        words = [f"check: {_quoted(check)}", f"on_violation: {action}"]
        if action == "repair":
            column = chance.choice(list(REPAIRS))
            repair = chance.choice(REPAIRS[column])
            if "clamp" in repair or "default" in repair or "null" in repair:
                check = {"i": "i BETWEEN -1 AND 8", "f": "f BETWEEN -0.25 AND 1.5", "m": "m >= 0", "t": "t <> 'B'"}[
                    column
                ]
            words = [f"check: {_quoted(check)}", "on_violation: repair", f"repair: {repair}"]
        if chance.random() < 0.25:
            words.append(f"where: {_quoted(chance.choice(conditions))}")
        if chance.random() < 0.3:
            words.append(f"nulls: {chance.choice(['fail', 'pass'])}")
        if action == "reject" or chance.random() < 0.4:
            bound = chance.choice(["10%", "35%", "60%", "2 rows", "9 rows", "95%"])
            words += [f"max_bad: {bound}"] * (chance.random() < 0.9)
        if chance.random() < 0.2:
            words.append(f"min_rows: {chance.choice([0, 5, 25])}")
        if chance.random() < 0.1:
            words.append("shadow: true")
        found.append(", ".join(words))
    return found


def _metrics(chance: random.Random, conditions: Sequence[str]) -> list[str]:
    found = []
    for _ in range(chance.randrange(2, 9)):
        over = chance.choice(["batch", "batch", "1 day", "1 day", "6 hours", "last 2 days", "7 days"])
        metric = _metric(chance, conditions, over)
        limit = chance.choice(["<= 0.4123", ">= 0.2123", "BETWEEN -2.5123 AND 3.5123", "<> 0.5123", "< 20.5123"])
        words = [
            f"check: {_quoted(f'{metric} {limit}')}",
            f"over: {over}",
            f"min_rows: {chance.choice([0, 1, 1, 5, 30])}",
        ]
        actions = ["warn", "warn", "hold", *(["reject"] if over == "batch" else [])]
        words.append(f"on_violation: {chance.choice(actions)}")
        if chance.random() < 0.3:
            words.append(f"by: [{chance.choice(['b', 'e', 's'])}]")
            words.append(f"max_segments: {chance.choice([2, 50])}")
        if chance.random() < 0.3:
            words.append(f"where: {_quoted(chance.choice(conditions))}")
        if chance.random() < 0.1:
            words.append("shadow: true")
        found.append(", ".join(words))
    return found


def _metric(chance: random.Random, conditions: Sequence[str], over: str) -> str:
    number, other = chance.sample(NUMBERS, 2)
    word = chance.choice(WORDS)
    plain = chance.choice(
        [
            "row_count()", f"count({word})", f"coverage({chance.choice([number, word])})", f"null_rate({number})",
            f"nan_rate({chance.choice(['f', 'g', 'r'])})", f"zero_rate({number})", f"negative_rate({number})",
            f"share({chance.choice(conditions)})", f"sum({chance.choice(AMOUNTS)})", f"mean({number})",
            f"stddev({number})", f"min({number})", f"max({number})", f"median({number})",
            f"quantile({number}, {chance.choice(['0.1', '0.95'])})", f"correlation({number}, {other})",
            f"distinct_count({word})", f"duplicate_rate({word}, {number})",
        ]
    )  # fmt: skip
    kind = chance.random()
    if kind < 0.15:
        return f"{chance.choice(['trailing', 'change', 'delta'])}({plain}, '90 days')"
    if kind < 0.35 and over == "batch":
        return plain  # a live table has its baseline from sweeps between the loads
    if kind < 0.3:
        name = chance.choice(["psi", "js", "linf", "new_category_rate"])
        column = chance.choice(["t", "e", "b", "s" if name == "new_category_rate" else number])
        return f"{name}({column})"
    if kind < 0.35:
        return f"ks({number})"
    return plain


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _loads(chance: random.Random) -> tuple[tuple[tuple[str | None, ...], ...], ...]:
    wild = chance.choice([0.0, 0.02, 0.1])  # how often a value is an edge of its type
    number, loads = 0, []
    for load in range(chance.randrange(2, 6)):
        rows = []
        for _ in range(chance.choice([1, 4, 20, 40, 90, 160])):
            at = START + timedelta(seconds=chance.randrange(DAYS * 86_400))
            rows.append(
                (str(number), str(load), at.isoformat(sep=" "), *(_cell(chance, name, wild) for name in COLUMNS))
            )
            number += 1
        loads.append(tuple(rows))
    return tuple(loads)


def _cell(chance: random.Random, name: str, wild: float) -> str | None:
    edges = [value for value in values_of(name) if value not in NOT_KEPT]
    if name not in SMALL:
        return chance.choice(edges) if chance.random() < max(wild, 0.3) else None
    if chance.random() < wild:
        return chance.choice(edges)
    return None if chance.random() < 0.05 else str(chance.choice(list(SMALL[name])))


def duck_columns() -> dict[str, Any]:
    """Return the columns with their types."""
    return {name: column_type(kind) for name, kind in ALL.items()}
