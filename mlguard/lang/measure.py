"""From a metric to what must be known of the rows: states that add up, and how the value comes out of them. Pure.

The one catalogue of states. `finalise(merge(states))` gives every metric its value, whether the states are those of one
statement, a batch, a window or a whole table.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property

from mlguard.lang.spell import spelled
from mlguard.lang.tree import Column, Expr, Literal, Metric
from mlguard.lang.types import INTEGERS, NUMBERS, Kind


class Of(Enum):
    """What a state holds. The value is the word its key begins with; `merge` is how two of them become one."""

    ROWS = "n", "sum"
    HAVE = "have", "sum"
    NAN = "nan", "sum"
    ZERO = "zero", "sum"
    NEGATIVE = "negative", "sum"
    TRUE = "true", "sum"
    SUM = "sum", "sum"
    MOMENTS = "moments", "Chan, Golub and LeVeque 1979"
    JOINT = "joint", "Pébay 2008"
    MIN = "min", "least"
    MAX = "max", "greatest"
    BINS = "bins", "sum of bins of one baseline version"
    VALUES = "values", "sum of categories, the rarest pooled"
    KEYS = "keys", "union of hashes below the lesser threshold"
    QUANTILES = "quantiles", "union of weighted points, thinned"
    LABELLED = "labelled", "sum"
    ERRORS = "errors", "sums"
    CONFUSION = "confusion", "sums"
    SCORES = "scores", "sums"
    ROC = "roc", "sums by score, beyond a number of scores by rounded score"
    CALIBRATION = "calibration", "sums by bin of equal width"
    PARITY = "parity", "sums by group, the smallest pooled"
    OPPORTUNITY = "opportunity", "sums by group, the smallest pooled"
    UNEQUAL = "unequal", "sums by group, the smallest pooled"

    def __init__(self, word: str, merge: str) -> None:
        self.word = word
        self.merge = merge


# What needs a grouping of its own, so that one pass of plain aggregates does not give it.
TALLIED = frozenset({Of.ROC, Of.CALIBRATION, Of.PARITY, Of.OPPORTUNITY, Of.UNEQUAL})
GROUPED = frozenset({Of.BINS, Of.VALUES, Of.KEYS, Of.QUANTILES}) | TALLIED
# What is made of rows that have a label; other rows add nothing to it.
OF_LABELS = frozenset(
    {Of.LABELLED, Of.ERRORS, Of.CONFUSION, Of.SCORES, Of.ROC, Of.CALIBRATION, Of.OPPORTUNITY, Of.UNEQUAL}
)
CAN_BE_NAN = frozenset({Kind.FLOAT4, Kind.FLOAT8, Kind.NUMERIC, Kind.UNKNOWN})


@dataclass(frozen=True)
class State:
    """One state of a set of rows.

    Attributes:
        of: what it holds.
        args: its columns, or for TRUE the predicate.
        where: only rows for which this is true are looked at.
        present: KEYS of rows whose value is not missing; otherwise all rows have a key, NULLs being equal.
    """

    of: Of
    args: tuple[Expr, ...] = ()
    where: Expr | None = None
    present: bool = False

    @cached_property
    def key(self) -> str:
        """Its name in the state document: `have(age)`, `true(age >= 18) where plan = 'free'`."""
        name = f"{self.of.word}({', '.join(spelled(arg) for arg in self.args)})" if self.args else self.of.word
        conditions = [f"{spelled(self.args[0])} is not missing"] if self.present else []
        if self.where is not None:
            conditions.append(spelled(self.where))
        return f"{name} where {' and '.join(conditions)}" if conditions else name


@dataclass(frozen=True)
class Measure:
    """How one metric comes out of states.

    Attributes:
        name: the metric as messages and history name it, with the SLO's row filter.
        finish: the finaliser, without its version: `ratio`, `mean`, `psi`.
        states: its arguments, in order; None where the column's type has no such state.
        share: the constant of quantile().
        column: the column that is compared with the baseline, exactly as the table calls it.
    """

    name: str
    finish: str
    states: tuple[State | None, ...]
    share: Decimal | None = None
    column: str | None = None

    @property
    def needs(self) -> tuple[State, ...]:
        """The states that must be kept for it."""
        return tuple(state for state in self.states if state is not None)


def measured_name(metric: Metric, where: Expr | None) -> str:
    """Return the metric as messages and history name it."""
    return spelled(metric) if where is None else f"{spelled(metric)} where {spelled(where)}"


def measure(metric: Metric, where: Expr | None = None, categories: Collection[str] = ()) -> Measure:
    """Return how the metric comes out of states.

    Args:
        metric: one over rows; not one over history, which has no states of its own.
        where: the SLO's row filter.
        categories: integer columns whose values are names rather than amounts.

    Raises:
        KeyError: the metric has no states: it is over history, or read from the gate's clock.
    """
    return _Catalogue(metric, where, categories).entry()


_COMPARED = {
    **dict.fromkeys(("mae", "rmse", "mape", "bias"), Of.ERRORS),
    **dict.fromkeys(("accuracy", "precision", "recall", "f1"), Of.CONFUSION),
    **dict.fromkeys(("logloss", "brier"), Of.SCORES),
    "auc": Of.ROC,
    "calibration_error": Of.CALIBRATION,
    **dict.fromkeys(("parity_gap", "disparate_impact"), Of.PARITY),
    "equal_opportunity_gap": Of.OPPORTUNITY,
    "error_ratio": Of.UNEQUAL,
}


class _Catalogue:
    """One line a metric."""

    def __init__(self, metric: Metric, where: Expr | None, categories: Collection[str]) -> None:
        self.metric, self.where, self.categories = metric, where, categories

    def entry(self) -> Measure:
        name = self.metric.name
        if name in ("psi", "js", "linf", "ks", "new_category_rate"):
            return self._against_baseline(name)
        if name in _COMPARED:
            return Measure(measured_name(self.metric, self.where), name, (self._state(_COMPARED[name]),))
        rows, have = self._state(Of.ROWS, args=()), self._state(Of.HAVE)
        values = (have, self._nan())
        finish, states = {
            "row_count": ("count", (rows,)),
            "count": ("count", (have,)),
            "coverage": ("ratio", (have, rows)),
            "label_coverage": ("label_coverage", (self._state(Of.LABELLED, args=()), rows)),
            "null_rate": ("rest", (have, rows)),
            "nan_rate": ("ratio", (self._state(Of.NAN), rows)),
            "share": ("ratio", (self._state(Of.TRUE), rows)),
            "zero_rate": ("share", (self._state(Of.ZERO), *values)),
            "negative_rate": ("share", (self._state(Of.NEGATIVE), *values)),
            "sum": ("sum", (self._state(Of.SUM), *values)),
            "mean": ("mean", (self._state(Of.SUM), *values)),
            "stddev": ("stddev", (self._state(Of.MOMENTS),)),
            "min": ("least", (self._state(Of.MIN),)),
            "max": ("greatest", (self._state(Of.MAX),)),
            "median": ("quantile", (self._state(Of.QUANTILES),)),
            "quantile": ("quantile", (self._state(Of.QUANTILES, args=self.metric.args[:1]),)),
            "correlation": ("correlation", (self._state(Of.JOINT),)),
            "distinct_count": ("distinct", (self._state(Of.KEYS, present=True),)),
            "duplicate_rate": ("duplicates", (self._state(Of.KEYS),)),
        }[name]
        return Measure(measured_name(self.metric, self.where), finish, states, share=self._share())

    def _state(self, of: Of, *, args: tuple[Expr, ...] | None = None, present: bool = False) -> State:
        return State(of, self.metric.args if args is None else args, self.where, present)

    def _nan(self) -> State | None:
        args = self.metric.args
        return self._state(Of.NAN) if args and args[0].type.kind in CAN_BE_NAN else None

    def _share(self) -> Decimal | None:
        if self.metric.name == "median":
            return Decimal("0.5")
        share = self.metric.args[1] if self.metric.name == "quantile" else None
        return share.value if isinstance(share, Literal) and isinstance(share.value, Decimal) else None

    def _against_baseline(self, name: str) -> Measure:
        (column,) = self.metric.args
        assert isinstance(column, Column)
        listed = name == "new_category_rate" or is_category(column, self.categories)
        finish = "new_categories" if name == "new_category_rate" else name
        state = self._state(Of.VALUES if listed and name != "ks" else Of.BINS)
        return Measure(measured_name(self.metric, self.where), finish, (state,), column=column.name)


def is_category(column: Column, categories: Collection[str]) -> bool:
    """Say whether the column's values are compared one by one rather than by bins of their amount."""
    kind = column.type.kind
    return kind not in NUMBERS or (kind in INTEGERS and column.name in categories)
