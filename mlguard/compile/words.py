"""How a rule is worded: the text of a short form, and the limit that messages name. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile.draft import Draft
from mlguard.compile.shorts import string
from mlguard.names import quote_ident

SHOWN_ITEMS = 12


def name_of(column: str | None) -> str:
    """Return the column as an expression would spell it."""
    if column is None:
        return ""
    plain = column.isidentifier() and column == column.lower() and column.isascii()
    return column if plain else quote_ident(column)


def _spell(value: Any) -> str:
    return string(value.text) if value.kind == "text" else str(value.text)


def _bounds(what: str, low: Any, high: Any) -> str:
    if low is None:
        return f"{what} <= {_spell(high)}"
    if high is None:
        return f"{what} >= {_spell(low)}"
    return f"{what} BETWEEN {_spell(low)} AND {_spell(high)}"


def _bounds_in_words(low: Any, high: Any) -> str:
    if low is None:
        return f"at most {high.text}"
    if high is None:
        return f"at least {low.text}"
    return f"{low.text} to {high.text}"


def _items(values: Any) -> str:
    shown = ", ".join(value.text for value in values[:SHOWN_ITEMS])
    more = len(values) - SHOWN_ITEMS
    return f"{shown} and {more} more" if more > 0 else shown


def _target(value: Any) -> str:
    return ".".join(part for part in (value.schema, value.table, value.column) if part)


def text_of(draft: Draft) -> str:
    """Return the rule as an expression a person could have written."""
    name, value = name_of(draft.column), draft.value
    match draft.kind:
        case "required":
            return f"{name} IS NOT NULL"
        case "range":
            return _bounds(name, value[0], value[1])
        case "in" | "not_in":
            listed = ", ".join(_spell(item) for item in value)
            return f"{name} {'NOT ' if draft.kind == 'not_in' else ''}IN ({listed})"
        case "matches":
            return f"{name} ~ {string(value)}"
        case "length":
            return _bounds(f"length({name})", value[0], value[1])
        case "finite":
            return f"is_finite({name})"
        case "array_length":
            return f"cardinality({name}) = {value}"
        case "unique":
            return f"unique ({name})"
        case "references":
            return f"{name} references {_target(value)}"
        case "pii_forbid":
            return f"{name} holds no personal data"
    return str(draft.value).strip()


def limit_of(draft: Draft) -> str:
    """Return what is allowed, as the words of a message after its comma."""
    value = draft.value
    match draft.kind:
        case "required":
            return "required NOT NULL"
        case "range":
            return f"allowed {_bounds_in_words(value[0], value[1])}"
        case "in":
            return f"allowed {_items(value)}"
        case "not_in":
            return f"not allowed {_items(value)}"
        case "matches":
            return f"must match {value}"
        case "length":
            return f"allowed {_bounds_in_words(value[0], value[1])} characters"
        case "finite":
            return "must be a finite number"
        case "array_length":
            return f"allowed exactly {value} elements"
        case "references":
            return f"must be in {_target(value)}"
        case "pii_forbid":
            return "must hold no personal data"
        case "unique":
            return "must be unique"
    return f"required {' '.join(str(draft.value).split())}"
