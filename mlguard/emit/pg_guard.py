"""Typed tree → conditions under which PostgreSQL can evaluate it without an error. Knows the order of evaluation.

A guard lists, in that order, what would make a node raise; each condition may rely on the earlier ones, so evaluating
a guard never raises. A NULL operand makes every function of the language NULL, so a condition that is NULL harms
nothing. CASE, COALESCE, AND and OR are followed as PostgreSQL runs them, left to right, stopping where the result is
decided: for CASE the manual promises it (4.2.14), for the others it is what the executor does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlguard.emit.pg_danger import conditions
from mlguard.emit.pg_expr import Writer
from mlguard.emit.pg_ranges import Condition
from mlguard.lang import tree
from mlguard.lang.convert import Danger
from mlguard.lang.precedence import ATOM, OR
from mlguard.lang.tree import Expr

_BOTH = frozenset({Danger.DOMAIN, Danger.OVERFLOW})
_NONE: frozenset[Danger] = frozenset()


@dataclass(frozen=True)
class Guard:
    """When an expression can be evaluated; each text is true or false, never NULL, and never raises itself.

    `domain`: no node gets an argument it refuses; None where none can. `domain_exact`: it is false only on rows for
    which PostgreSQL would raise, so a row outside it may be called broken without trying.
    `overflow`: no result leaves the range of its type; wide of the limits, so a row outside it must be tried.
    Where one of the two could raise without the other, it includes it; both may be tested in any order.
    """

    domain: str | None
    domain_exact: bool
    overflow: str | None

    @property
    def whole(self) -> str | None:
        """Both as one condition; None where the expression never raises."""
        if self.domain is None or self.overflow is None or self.domain == self.overflow:
            return self.domain or self.overflow
        return f"{self.domain} and {self.overflow}"


@dataclass(frozen=True)
class _Step:
    """A condition under which evaluation fails, and the dangers of evaluating the condition."""

    bad: str
    exact: bool
    needs: frozenset[Danger]


def guard(expr: Expr, row: str | None = None, zone: str = "UTC") -> Guard:
    """Return when `expr` can be evaluated on a row; the arguments are those of to_sql."""
    found = _Steps(Writer(row, zone))
    domain = found.of(expr, frozenset({Danger.DOMAIN}))
    overflow = found.of(expr, frozenset({Danger.OVERFLOW}))
    exact = all(step.exact for step in domain)
    if not domain or not overflow:
        return Guard(_holds(domain), exact, _holds(overflow))
    tangled = any(Danger.OVERFLOW in step.needs for step in domain)
    leaning = any(Danger.DOMAIN in step.needs for step in overflow)
    whole = _holds(found.of(expr, _BOTH)) if tangled or leaning else None
    return Guard(whole if tangled else _holds(domain), exact and not tangled, whole if leaning else _holds(overflow))


class _Steps:
    """The failing conditions of one expression's nodes."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self._conditions: dict[int, tuple[Condition, ...]] = {}
        self._dangers: dict[int, frozenset[Danger]] = {}

    def of(self, expr: Expr, wanted: frozenset[Danger]) -> list[_Step]:
        """Return the failing conditions of `expr` and all below it, in the order of evaluation."""
        match expr:
            case tree.Logical():
                found = self._logical(expr, wanted)
            case tree.Case():
                found = self._case(expr, wanted)
            case tree.Call(name="coalesce"):
                found = self._coalesce(expr, wanted)
            case tree.Between() | tree.InList():
                first, *rest = expr.children()
                found = self.of(first, wanted)
                # PostgreSQL may know the result before it comes to the later operands.
                found += [replace(step, exact=False) for part in rest for step in self.of(part, wanted)]
            case _:
                found = [step for child in expr.children() for step in self.of(child, wanted)]
        own = [condition for condition in self._own(expr) if condition.danger in wanted]
        if own:
            needs = self._union(expr.children())
            found += [_Step(condition.bad, condition.exact, needs) for condition in own]
        return list({step.bad: step for step in found}.values())

    def _own(self, expr: Expr) -> tuple[Condition, ...]:
        if id(expr) not in self._conditions:
            self._conditions[id(expr)] = tuple(conditions(expr, self.writer))
        return self._conditions[id(expr)]

    def _danger(self, expr: Expr) -> frozenset[Danger]:
        """Return how evaluating `expr` can fail."""
        if id(expr) not in self._dangers:
            own = frozenset(condition.danger for condition in self._own(expr))
            self._dangers[id(expr)] = own | self._union(expr.children())
        return self._dangers[id(expr)]

    def _union(self, exprs: Iterable[Expr]) -> frozenset[Danger]:
        return _NONE.union(*(self._danger(expr) for expr in exprs))

    def _logical(self, expr: tree.Logical, wanted: frozenset[Danger]) -> list[_Step]:
        prefix, level = ("not ", ATOM) if expr.op == "and" else ("", OR)
        stops = [prefix + self.writer.write(operand, level) for operand in expr.operands]
        return self._in_turn(expr.operands, stops, wanted)

    def _coalesce(self, expr: tree.Call, wanted: frozenset[Danger]) -> list[_Step]:
        return self._in_turn(expr.args, [f"{self.writer.write(arg, ATOM)} is not null" for arg in expr.args], wanted)

    def _in_turn(self, operands: Sequence[Expr], stops: Sequence[str], wanted: frozenset[Danger]) -> list[_Step]:
        """Return the steps of operands evaluated one after the other until the stop of one is true."""
        steps = [self.of(operand, wanted) for operand in operands]
        last = max((index for index, own in enumerate(steps) if own), default=0)
        if last == 0:
            return steps[0]
        arms: list[str] = []
        for index in range(last + 1):
            if index:
                arms += [f"when {step.bad} then true" for step in steps[index]]
            if index < last:
                arms.append(f"when {stops[index]} then false")
        later = [step for own in steps[1:] for step in own]
        return [*steps[0], _merged(arms, "false", later, self._union(operands[:last]))]

    def _case(self, expr: tree.Case, wanted: frozenset[Danger]) -> list[_Step]:
        tests = [self.of(condition, wanted) for condition, _ in expr.branches]
        results = [self.of(result, wanted) for _, result in expr.branches]
        otherwise = self.of(expr.otherwise, wanted) if expr.otherwise is not None else []
        later = [step for own in (*tests[1:], *results, otherwise) for step in own]
        if not later:
            return tests[0]
        arms: list[str] = []
        for index, (condition, _) in enumerate(expr.branches):
            if index:
                arms += [f"when {step.bad} then true" for step in tests[index]]
            arms.append(f"when {self.writer.write(condition)} then {_fails(results[index])}")
        needs = self._union(condition for condition, _ in expr.branches)
        return [*tests[0], _merged(arms, _fails(otherwise), later, needs)]


def _merged(arms: Sequence[str], otherwise: str, steps: Sequence[_Step], needs: frozenset[Danger]) -> _Step:
    text = f"case {' '.join(arms)} else {otherwise} end"
    return _Step(text, all(step.exact for step in steps), needs.union(*(step.needs for step in steps)))


def _fails(steps: Sequence[_Step]) -> str:
    """Return that one of `steps`, tried in order, fails; it may be NULL, which means no."""
    if len(steps) == 1:
        return steps[0].bad
    return f"case {' '.join(f'when {step.bad} then true' for step in steps)} else false end" if steps else "false"


def _holds(steps: Sequence[_Step]) -> str | None:
    """Return that none of `steps` fails."""
    if not steps:
        return None
    if len(steps) > 1 and any(step.needs for step in steps):
        return f"case {' '.join(f'when {step.bad} then false' for step in steps)} else true end"
    return f"({' or '.join(step.bad for step in steps)}) is not true"
