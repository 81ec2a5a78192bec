"""Types of metrics and of checks over them: which column, constant or metric may stand where. Pure."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from mlguard.lang import tree
from mlguard.lang.catalogue import FUNCTIONS
from mlguard.lang.fault import ExpressionError
from mlguard.lang.literals import Span, read_interval
from mlguard.lang.metrics import METRICS, Family, MetricEntry, Takes
from mlguard.lang.spell import spelled
from mlguard.lang.tree import Call, Column, Expr, Literal, Metric
from mlguard.lang.types import FLOATS, INTEGERS, NUMBERS, TIMES, Kind, SqlType

if TYPE_CHECKING:
    from mlguard.lang.check import Checker

_FLOAT8, _INTERVAL = SqlType(Kind.FLOAT8), SqlType(Kind.INTERVAL)
_WORDS = frozenset({Kind.TEXT, Kind.ENUM, Kind.BOOL, Kind.UUID})
_FITS: dict[Takes, frozenset[Kind]] = {
    Takes.ANY: frozenset(Kind),
    Takes.NUMBER: NUMBERS,
    Takes.FRACTIONAL: FLOATS | {Kind.NUMERIC},
    Takes.CATEGORY: NUMBERS | _WORDS,
    Takes.LISTED: INTEGERS | _WORDS,
}
LABEL = "label"  # by which metrics name what a prediction is compared with
_WHERE_METRICS_STAND = "a metric looks at many rows; write it as the `check` of an SLO of its own"
_ELSEWHERE = "add a generated column for it, or count rows: share(<condition>)"

# What may stand around metrics: enough to compare and combine numbers, so little that every engine agrees on it.
_AROUND = (
    tree.Logical,
    tree.Not,
    tree.Compare,
    tree.Between,
    tree.Is,
    tree.Arithmetic,
    tree.Negate,
    tree.Literal,
    tree.Metric,
)
AROUND_CALLS = frozenset({"abs", "coalesce", "greatest", "least", "round"})


def metric(checker: Checker, expr: Call) -> Metric:
    """Return the typed node of a metric.

    Raises:
        ExpressionError: it may not stand here, is or does not take these arguments.
    """
    entry = METRICS[expr.name]
    if checker.inside:
        message = f"`{expr.name}()` is a metric and cannot stand inside {checker.inside}"
        raise checker.fault(
            expr, message, f"what stands there is judged row by row; write {METRICS[checker.inside].usage}"
        )
    if not checker.metrics:
        raise checker.fault(expr, f"`{expr.name}()` is a metric and cannot stand here", _WHERE_METRICS_STAND)
    if checker.scope.label is None and (Takes.TRUTH in entry.takes or expr.name == "label_coverage"):
        raise checker.fault(
            expr,
            f"`{expr.name}()` needs labels, and the file names none",
            "say where the truth is found: labels: {table: <schema>.<table>, on: [<key columns>], value: <column>},"
            " beside model: <name>",
        )
    _check_count(checker, expr, entry)
    takes = entry.takes + (entry.takes[-1],) * (len(expr.args) - len(entry.takes)) if entry.takes else ()
    args = tuple(_argument(checker, expr, entry, want, arg) for want, arg in zip(takes, expr.args, strict=True))
    _check_twice(checker, expr, args)
    node = Metric(entry.result, expr.name, args, pos=expr.pos)
    return replace(node, text=spelled(node))


def _check_count(checker: Checker, expr: Call, entry: MetricEntry) -> None:
    count, wanted = len(expr.args), len(entry.takes)
    if count == wanted or (entry.many and count > wanted):
        return
    words = "at least " * entry.many + (f"{wanted} argument{'s' * (wanted != 1)}" if wanted else "no argument")
    help = f"write {entry.usage}" if entry.usage else ""
    if expr.name == "count" and not count:
        help = "write row_count() for the number of rows"
    elif wanted == 0:
        help = f"write {expr.name}()" + ("; for values that are there, count(c)" if expr.name == "row_count" else "")
    raise checker.fault(expr, f"{expr.name} takes {words}, not {count}", help)


def _check_twice(checker: Checker, expr: Call, args: tuple[Expr, ...]) -> None:
    """Refuse the same column given twice: the answer would be known beforehand."""
    for index, arg in enumerate(args):
        if isinstance(arg, Column) and arg in args[:index]:
            raise checker.fault(arg, f"{expr.name} names {checker.shown(arg)} twice", "name two columns")


def _argument(checker: Checker, expr: Call, entry: MetricEntry, want: Takes, arg: Expr) -> Expr:
    if want is Takes.METRIC:
        return _inner_metric(checker, expr, entry, arg)
    if want is Takes.LENGTH:
        return _length(checker, expr, entry, arg)
    if want is Takes.SHARE:
        return _share(checker, expr, arg)
    if want is Takes.TRUTH:
        return _truth(checker, expr, entry, arg)
    if want is Takes.GROUP:
        return _group(checker, expr, arg)
    with checker.rows(expr.name):
        if want is Takes.PREDICATE:
            return checker.boolean(arg, f"the argument of {expr.name}")
        if want is Takes.ERROR:
            checked = checker.check(arg)
            if checked.type.kind is Kind.BOOL:
                return checked
            want = Takes.NUMBER
        return _column(checker, expr, want, arg)


def _truth(checker: Checker, expr: Call, entry: MetricEntry, arg: Expr) -> Expr:
    if not isinstance(arg, Column) or arg.name != LABEL:
        raise checker.fault(
            arg,
            f"{expr.name} compares with the label, which is written `{LABEL}`",
            f"write {entry.usage}; what it is stands under `labels: value:`",
        )
    assert checker.scope.label is not None
    return replace(arg, type=checker.scope.label)


def _group(checker: Checker, expr: Call, arg: Expr) -> Expr:
    """Return the column whose values are groups: the table's own, or one of its attributes."""
    if isinstance(arg, Column) and arg.name in checker.scope.attributes:
        found: Expr = replace(arg, type=checker.scope.attributes[arg.name])
    else:
        with checker.rows(expr.name):
            found = checker.check(arg)
    if not isinstance(found, Column):
        help = "add a generated column with few values, or a column of the table that `attributes:` names"
        raise checker.fault(arg, f"{expr.name} takes a column of groups, not an expression", help)
    kind = found.type.kind
    if kind in _FITS[Takes.LISTED] or kind is Kind.UNKNOWN:
        return found
    raise checker.fault(
        arg,
        f"{expr.name} needs few groups, and {checker.shown(found)} is {found.type}",
        "add a generated column with few values, for example a CASE over ranges",
    )


def _column(checker: Checker, expr: Call, want: Takes, arg: Expr) -> Expr:
    checked = checker.check(arg)
    shown = checker.shown(checked)
    if not isinstance(checked, Column):
        help = _ELSEWHERE
        if isinstance(checked, Literal) and isinstance(checked.value, str) and checked.value in checker.scope.columns:
            help = f"write {expr.name}({spelled(Column(checked.type, checked.value))})"
        elif checked.type.kind is Kind.BOOL:
            help = f"write share({spelled(checked)})"
        raise checker.fault(arg, f"{expr.name} takes a column, not an expression", help)
    kind = checked.type.kind
    if kind in _FITS[want] or kind is Kind.UNKNOWN:
        return checked
    message = f"{expr.name} needs {want.value}, and {shown} is {checked.type}"
    raise checker.fault(arg, message, _column_help(expr.name, want, kind, shown))


def _column_help(name: str, want: Takes, kind: Kind, shown: str) -> str:
    if kind is Kind.BOOL:
        return f"write share({shown})"
    if want is Takes.FRACTIONAL:
        return f"no {kind.value} is NaN; write null_rate({shown})"
    if want is Takes.LISTED and kind in NUMBERS:
        return f"its values are no categories; write psi({shown})"
    if name == "ks":
        return f"write js({shown}), psi({shown}) or linf({shown})"
    if kind in TIMES and name in ("min", "max"):
        return "for the age of the newest row write staleness() <= INTERVAL '26 hours'"
    return f"add a generated column that is one, or write coverage({shown}) or distinct_count({shown})"


def _share(checker: Checker, expr: Call, arg: Expr) -> Expr:
    checked = checker.check(arg)
    value = checked.value if isinstance(checked, Literal) else None
    if not isinstance(value, Decimal) or not 0 <= value <= 1:
        help = f"write {expr.name}(x, 0.95)"
        raise checker.fault(arg, f"the second argument of {expr.name} is a constant from 0 to 1", help)
    value = value.normalize()
    return Literal(_FLOAT8, value.copy_abs() if value.is_zero() else value, pos=arg.pos)


def _inner_metric(checker: Checker, expr: Call, entry: MetricEntry, arg: Expr) -> Expr:
    message = f"{expr.name} takes a metric"
    if not isinstance(arg, Call) or arg.name not in METRICS:
        shown = spelled(arg) if isinstance(arg, Column) else "c"
        raise checker.fault(arg, message, f"write {_usage(entry, f'coverage({shown})')}")
    if METRICS[arg.name].family in (Family.HISTORY, Family.AGE):
        help = f"write {_usage(entry, 'coverage(c)')}"
        if arg.name == "staleness":
            help = "staleness is judged by the reader's clock and has no history"
        raise checker.fault(arg, f"{message} of one batch or window, not {arg.name}", help)
    return checker.check(arg)


def _length(checker: Checker, expr: Call, entry: MetricEntry, arg: Expr) -> Expr:
    checked = checker.check(arg)
    example = f"write {_usage(entry, '…')}"
    if not isinstance(checked, Literal) or not isinstance(checked.value, str):
        raise checker.fault(arg, f"the second argument of {expr.name} is a length of time in quotes", example)
    try:
        span = read_interval(checked.value)
    except ValueError as error:
        raise checker.fault(arg, f"{checker.shown(arg)} {error}", example) from None
    if min(span.months, span.days, span.microseconds) < 0 or not (span.months or span.days or span.microseconds):
        raise checker.fault(arg, f"{expr.name} looks back over a length above zero", example)
    return Literal(SqlType(Kind.TEXT), length_text(span), pos=arg.pos)


def _usage(entry: MetricEntry, metric: str) -> str:
    return entry.usage.replace("metric", metric).replace("length", "7 days")


_PARTS = ((3_600_000_000, "hour"), (60_000_000, "minute"), (1_000_000, "second"), (1, "microsecond"))


def length_text(span: Span) -> str:
    """Return the one spelling of a length: `1 month 7 days 2 hours`; a week is 7 days, 24 hours are no day."""
    parts = [(span.months, "month"), (span.days, "day")]
    rest = span.microseconds
    for size, unit in _PARTS:
        count, rest = divmod(rest, size)
        parts.append((count, unit))
    return " ".join(f"{count} {unit}{'s' * (count != 1)}" for count, unit in parts if count)


def check_around(checker: Checker, expr: Expr) -> None:
    """Refuse what a check over metrics may not hold outside them.

    Raises:
        ExpressionError: at the first such part, in the order of the text.
    """
    outside = sorted(_outside(expr), key=lambda node: node.pos)
    if not any(isinstance(node, Metric) for node in outside):
        return
    for node in outside:
        if isinstance(node, Column):
            raise _row_beside(checker, node)
        if isinstance(node, tree.Arithmetic) and node.op == "/" and node.type.kind in INTEGERS:
            raise checker.fault(node, "`/` between whole numbers cuts the fraction off", "write 1.0 / 3")
        number_cast = isinstance(node, tree.Cast) and {node.type.kind, node.operand.type.kind} <= NUMBERS
        called = isinstance(node, Call) and node.name in AROUND_CALLS
        if not (isinstance(node, _AROUND) or number_cast or called):
            raise _beyond(checker, node)


def _outside(expr: Expr) -> list[Expr]:
    """Return the nodes of a check that are not inside a metric, with the metrics themselves."""
    if isinstance(expr, Metric):
        return [expr]
    return [expr, *(node for child in expr.children() for node in _outside(child))]


def _row_beside(checker: Checker, column: Column) -> ExpressionError:
    shown = checker.shown(column)
    kind = column.type.kind
    inside = f"share({shown})" if kind is Kind.BOOL else f"mean({shown})" if kind in NUMBERS else f"coverage({shown})"
    return checker.fault(
        column,
        f"{shown} has a value in every row, and the metrics beside it one for all of them",
        f"put it inside a metric, for example {inside}; a filter of rows goes under `where:`",
    )


def _beyond(checker: Checker, node: Expr) -> ExpressionError:
    around = "comparison, BETWEEN, AND, OR, NOT, IS NULL, + - * / and " + ", ".join(sorted(AROUND_CALLS))
    name = f"`{node.name}`" if isinstance(node, Call) and node.name in FUNCTIONS else "this"
    return checker.fault(node, f"{name} cannot stand around metrics", f"there may be {around}")
