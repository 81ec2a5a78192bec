"""Better limits from history: what to change in the SLO files, with the evidence for each change.

A limit is only ever proposed from the values the replayed windows had: wider, where it failed more often than the
budget allows and nobody called those failures right; closer, where that catches incidents labelled true without a
single new failure; gone, where people judged its alarms and most were wrong.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.lang import Scope, compile_slo
from mlguard.lang.fault import ExpressionError
from mlguard.lang.tree import Compare, Expr, Literal, Metric, Negate
from mlguard.names import quote_ident, quote_literal
from mlguard.operate.backtest import Backtest, Value, by_slo

if TYPE_CHECKING:
    import psycopg

    from mlguard.spec import Project
    from mlguard.spec.models import SloFile

LEAST_WINDOWS = 20
BUDGET = 0.01  # failures an SLO may have in clean windows
RETIRE_BELOW = 0.2  # precision
RETIRE_AFTER = 5  # judged alarms
MOST_VALUES = 12  # different values of a column that a written-out pair rule may name
MOST_PAIRS = 40


@dataclass(frozen=True)
class Change:
    """One proposed change.

    Attributes:
        slo: the SLO, or the table a new one is for.
        kind: 'limit', 'tolerance', 'retire' or 'new'.
        words: what to do and why, in one line.
        before: the text it replaces; '' for a new SLO.
        after: the text in its place; '' for one to retire.
        file, line, column: where `before` stands (1-based); line 0 for a new SLO.
    """

    slo: str
    kind: str
    words: str
    before: str
    after: str
    file: str
    line: int = 0
    column: int = 0


def tune(found: Backtest, project: Project, *, budget: float = BUDGET) -> tuple[Change, ...]:
    """Return the changes that the replayed values argue for.

    Args:
        found: a replay of the same SLO files.
        project: the files.
        budget: share of clean windows an SLO may fail in.
    """
    changes: list[Change] = []
    values = by_slo(found)
    for file in project.files:
        for index, slo in enumerate(file.slos):
            id_ = f"{file.table}/{slo.name}"
            past = values.get(id_, [])
            if slo.check is None or len([v for v in past if v.value is not None]) < LEAST_WINDOWS:
                continue
            change = _retire(id_, past, file, index) or _limit(id_, slo.check, past, file, index, budget)
            if change is not None:
                changes.append(change)
    return tuple(changes)


def _retire(slo: str, past: Sequence[Value], file: SloFile, index: int) -> Change | None:
    judged = [value for value in past if value.outcome in ("FAIL", "NOTED") and value.label is not None]
    right = sum(value.label != "false" for value in judged)
    if len(judged) < RETIRE_AFTER or right / len(judged) >= RETIRE_BELOW:
        return None
    where = file.where(("slos", index, "name"))
    words = f"{right} of {len(judged)} judged alarms were right; take it out, or let it note only"
    return Change(slo, "retire", words, slo.partition("/")[2], "", where.file, where.line, where.column)


def _limit(slo: str, check: str, past: Sequence[Value], file: SloFile, index: int, budget: float) -> Change | None:
    read = _threshold(check)
    if read is None:
        return None
    op, limit, position, length = read
    known = [value for value in past if value.value is not None and math.isfinite(value.value)]
    clean = sorted(value.value for value in known if value.label != "true" and value.value is not None)
    missed = [value for value in known if value.label == "true" and _keeps(value.value, op, limit)]
    failing = [value for value in clean if not _keeps(value, op, limit)]
    if len(clean) >= LEAST_WINDOWS and len(failing) > budget * len(clean):
        wanted = _wider(clean, op, budget)
        why = f"failed in {len(failing)} of {len(clean)} windows that nobody called faults"
    elif missed and not failing:
        wanted = _closer(clean, [value.value for value in missed if value.value is not None], op)
        why = f"misses {len(missed)} incidents labelled true"
    else:
        return None
    if wanted is None or wanted == limit:
        return None
    left = sum(not _keeps(value, op, wanted) for value in clean)
    caught = sum(value.label == "true" and not _keeps(value.value, op, wanted) for value in known)
    told = [value for value in known if value.label == "true"]
    evidence = f"{why}; with {_written(wanted)} it fails in {left}" + (
        f", and in {caught} of {len(told)} labelled true" if told else ""
    )
    where = file.where_in(("slos", index, "check"), position)
    before = check[position : position + length]
    return Change(slo, "limit", evidence, before, _written(wanted), where.file, where.line, where.column)


def _threshold(check: str) -> tuple[str, float, int, int] | None:
    """Read `metric op number`: the operator, the number, and where in the text the number stands; else None."""
    try:
        expr = compile_slo(check, Scope(columns={}, closed=False))
    except ExpressionError:
        return None
    if not isinstance(expr, Compare) or expr.op not in ("<", "<=", ">", ">="):
        return None
    left, op, right = expr.left, expr.op, expr.right
    if isinstance(right, Metric):
        left, right, op = right, left, op.replace("<", "~").replace(">", "<").replace("~", ">")
    if not isinstance(left, Metric):
        return None
    return _number(right, op, check)


def _number(expr: Expr, op: str, check: str) -> tuple[str, float, int, int] | None:
    sign = -1.0 if isinstance(expr, Negate) else 1.0
    literal = expr.operand if isinstance(expr, Negate) else expr
    if not isinstance(literal, Literal) or isinstance(literal.value, bool | None):
        return None
    start = expr.pos
    end = literal.pos
    while end < len(check) and (
        check[end].isalnum() or check[end] == "." or (check[end] in "+-" and check[end - 1] in "eE")
    ):
        end += 1
    try:
        return op, sign * float(literal.value), start, end - start
    except ValueError:
        return None


def _keeps(value: float | None, op: str, limit: float) -> bool:
    if value is None:
        return True
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[op]


def _wider(clean: Sequence[float], op: str, budget: float) -> float | None:
    """Return the closest limit that at most `budget` of the clean values break, rounded away from them."""
    spare = math.floor(budget * len(clean))
    edge = clean[spare] if op.startswith(">") else clean[len(clean) - 1 - spare]
    return _rounded(edge, down=op.startswith(">"))


def _closer(clean: Sequence[float], missed: Sequence[float], op: str) -> float | None:
    """Return a limit between the clean values and as many of the missed ones as lie beyond all of those."""
    if op.startswith(">"):
        beyond = [value for value in missed if value < clean[0]]
        return _rounded((max(beyond) + clean[0]) / 2, down=False) if beyond else None
    beyond = [value for value in missed if value > clean[-1]]
    return _rounded((min(beyond) + clean[-1]) / 2, down=True) if beyond else None


def _rounded(value: float, *, down: bool) -> float:
    """Round to two significant digits, down or up."""
    if value == 0:
        return 0.0
    digits = 1 - math.floor(math.log10(abs(value)))
    factor = 10.0**digits
    return (math.floor(value * factor) if down else math.ceil(value * factor)) / factor


def _written(value: float) -> str:
    text = f"{value:.10f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


_PAIRS = """
select r.tbl, r.column_name, r.metric, r.partner, r.evidence
from mlguard._pair as r
where r.tbl = any(%(tables)s) and r.metric in ('nulls', 'pair')
order by r.tbl, r.metric, r.column_name, r.partner
"""
_MET = """
select split_part(s.value, chr(31), 1), split_part(s.value, chr(31), 2)
from mlguard._seen as s
where s.tbl = %(table)s and s.what = 'pair' and s.name = %(name)s
order by 1, 2
limit %(limit)s
"""


def pair_rules(connection: psycopg.Connection[Any], project: Project) -> tuple[Change, ...]:
    """Return learned rules between two columns, written out as row SLOs that note."""
    files = {str(file.table): file for file in project.files}
    rows = connection.execute(_PAIRS, {"tables": list(files)}).fetchall()
    found: list[Change] = []
    for table, column, metric, partner, evidence in rows:
        file = files[table]
        if file.columns.get(column) is not None and file.columns[column].pii:
            continue  # a rule that names values of personal data would show them
        name = f"{column}_with_{partner}" if metric == "pair" else f"{column}_and_{partner}_together"
        if any(slo.name == name for slo in file.slos):
            continue
        check, words = (
            _nulls(column, partner, evidence) if metric == "nulls" else _met(connection, table, column, partner)
        )
        if check:
            text = f"  - name: {name}\n    check: {_yaml(check)}\n    on_violation: warn"
            found.append(Change(f"{table}/{name}", "new", words, "", text, file.path))
    return tuple(found)


def _nulls(column: str, partner: str, evidence: dict[str, Any]) -> tuple[str, str]:
    share = float(evidence.get("mismatch") or 0)
    words = f"{column} and {partner} were missing together in all but {share:.2%} of the sampled rows"
    return f"({quote_ident(column)} IS NULL) = ({quote_ident(partner)} IS NULL)", words


def _met(connection: psycopg.Connection[Any], table: str, column: str, partner: str) -> tuple[str, str]:
    rows = connection.execute(
        _MET, {"table": table, "name": f"{column}\x1f{partner}", "limit": MOST_PAIRS + 1}
    ).fetchall()
    allowed: dict[str, list[str]] = {}
    for one, other in rows:
        allowed.setdefault(one, []).append(other)
    if not rows or len(rows) > MOST_PAIRS or len(allowed) > MOST_VALUES:
        return "", ""  # too many to be written out; the learned series goes on judging them
    a, b = f"{quote_ident(column)}::text", f"{quote_ident(partner)}::text"
    arms = " ".join(
        f"WHEN {a} = {quote_literal(one).strip()} THEN {b} IN ({', '.join(quote_literal(o).strip() for o in others)})"
        for one, others in allowed.items()
    )
    words = f"only these {len(rows)} pairs of {column} and {partner} were ever seen together"
    return f"CASE {arms} ELSE true END", words


def _yaml(check: str) -> str:
    return '"' + check.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_diff(changes: Sequence[Change], project: Project) -> str:
    """Return the changes as one unified diff of the SLO files, the evidence as comments above each changed line."""
    return "".join(
        _diff(file, [change for change in changes if change.file == file.path])
        for file in project.files
        if any(change.file == file.path for change in changes)
    )


def _diff(file: SloFile, changes: Sequence[Change]) -> str:
    before = Path(file.path).read_text(encoding="utf-8").splitlines(keepends=True)
    after = list(before)
    for change in sorted(changes, key=lambda one: (one.line, one.column), reverse=True):
        if change.kind == "new":
            continue
        text = after[change.line - 1]
        indent = text[: len(text) - len(text.lstrip())]
        start = change.column - 1
        if change.kind == "limit" and text[start : start + len(change.before)] == change.before:
            after[change.line - 1] = text[:start] + change.after + text[start + len(change.before) :]
        after.insert(change.line - 1, f"{indent}# {change.words}\n")
    fresh = [change for change in changes if change.kind == "new"]
    if fresh:
        if after and not after[-1].endswith("\n"):
            after[-1] += "\n"
        if not file.slos:
            after.append("\nslos:\n")
        for change in fresh:
            after.append(f"\n  # {change.words}\n")
            after.extend(f"{line}\n" for line in change.after.splitlines())
    return "".join(difflib.unified_diff(before, after, f"a/{file.path}", f"b/{file.path}"))
