"""Short forms that read stored rows need an index; a missing one is told by plan, before a write pays for it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mlguard.compile import growth
from mlguard.lang.tree import Column, Expr
from mlguard.names import TableName, quote_ident
from mlguard.program import Rule, TableShape


def notes(rules: Iterable[Rule], shape: TableShape | None, event_time: Expr | None) -> tuple[str, ...]:
    """Return for each rule that would read the whole table why, and what to do.

    Args:
        rules: the rules of the table.
        shape: the table as the database shows it; None: no database was asked.
        event_time: the file's, the best second column of an index where it is a column.
    """
    if shape is None:
        return ()
    then = (event_time.name,) if isinstance(event_time, Column) else ()
    leading = {index[0] for index in shape.indexes}
    found = []
    for rule in rules:
        if rule.volume is not None and rule.volume.column not in leading:
            found.append(_missing(rule, (rule.volume.column,)))
        elif rule.no_gaps is not None and rule.column not in leading:
            found.append(_missing(rule, (rule.column or "",)))
        elif rule.assertion is not None and rule.name == f"{rule.column}.{growth.KIND}":
            key = rule.assertion.keys.get(rule.table, ("", ""))[0]
            if not key:
                found.append(
                    f"{rule.name}: no column of {_listed(rule.columns[:-1])} is of a type by which rows are told"
                    " (integer, text, uuid, date): every COMMIT that writes the table reads all of it"
                )
            elif key not in leading:
                found.append(_missing(rule, (key, *(name for name in rule.columns[:-1] if name != key), *then)))
    return tuple(found)


def _missing(rule: Rule, columns: tuple[str, ...]) -> str:
    return (
        f"{rule.name}: no index of {rule.table} begins with {columns[0]}, so that it reads the whole table; best"
        f" before apply: {_create(rule.table, columns)}"
    )


def _create(table: TableName, columns: tuple[str, ...]) -> str:
    return f"create index concurrently on {table.sql} ({', '.join(map(quote_ident, columns))});"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
