"""Placement: the one function that decides where in the database an SLO lives. Pure."""

from __future__ import annotations

from mlguard.lang.analyse import immutable, lookups_of
from mlguard.lang.tree import Expr
from mlguard.program import Action, Existing, Place, Placement


def place_row_rule(
    *,
    action: Action,
    expr: Expr,
    where: Expr | None,
    pii: bool,
    waivable: bool,
    shadow: bool,
    max_bad: bool,
    portable: bool,
    writes_rows: bool,
) -> Placement:
    """Return where a row rule lives, and why, in words that `plan` prints.

    The first line that fits decides; docs/placement.md is the same table for people.
    """
    parts = [part for part in (expr, where) if part is not None]
    lookup = any(lookups_of(part) for part in parts)
    unstable = next((reason for part in parts if (reason := immutable(part)) is not None), None)
    if shadow:
        return Placement(Place.AFTER_STATEMENT, "shadow: judged on the rows as they landed, never acts")
    if action is Action.WARN:
        return Placement(Place.AFTER_STATEMENT, "warn: recorded once the rows have landed")
    if action in (Action.QUARANTINE, Action.REPAIR):
        return Placement(Place.BEFORE_ROW, f"{action.value}: a row can be kept out or changed only before it lands")
    if max_bad:
        return Placement(Place.AFTER_STATEMENT, "max_bad: counted as rows land, judged at COMMIT")
    if pii:
        return Placement(
            Place.AFTER_STATEMENT, "pii: a failing CHECK would print the row, a statement trigger does not"
        )
    if lookup:
        return Placement(Place.AFTER_STATEMENT, "it reads another table, which a CHECK must not")
    if unstable is not None:
        return Placement(Place.AFTER_STATEMENT, f"{unstable}, so it cannot be a CHECK")
    if portable:
        return Placement(Place.CHECK, "portable: a plain CHECK that loads without schema mlguard")
    if waivable:
        return Placement(Place.AFTER_STATEMENT, "waivable: a waiver takes effect without DDL")
    if writes_rows:
        return Placement(
            Place.BEFORE_ROW, "writes: rows: a CHECK is set up anew in every statement, this function keeps its plan"
        )
    return Placement(Place.CHECK, "nothing gets past a CHECK, and it is the cheapest on bulk loads")


def place_required(*, pii: bool, existing: Existing, action: Action, plain: bool) -> Placement | None:
    """Return where `required` lives, or None where it is an ordinary row rule (`c IS NOT NULL`).

    Args:
        pii: the table has pii columns, so that the row in NOT NULL's own message would leak them.
        existing: `allow` needs a constraint that may stand NOT VALID, which NOT NULL can only from PostgreSQL 18 on.
        action: what happens on violation.
        plain: none of where, max_bad, shadow and waivable was said.
    """
    if action is not Action.REJECT or not plain or pii or existing is Existing.ALLOW:
        return None
    return Placement(Place.NOT_NULL, "the native constraint")


GATE = Placement(Place.GATE, "staleness is judged by the reader's clock, when it reads")
