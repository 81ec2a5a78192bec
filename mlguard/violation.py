"""An SLO's refusal as a Python exception, whatever driver or ORM reported it. Imports neither driver nor ORM.

SloViolation
├── WriteRefused      a row or a load breaks an SLO (SQLSTATE 23514; 23502, 23503, 23505 from native constraints)
├── ReadHeld          the read gate of a table is closed (ML001)
├── TrainingRefused   an input of a training is held (ML002)
└── ModelNotApproved  predictions of a version that nobody approved (ML003)
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlguard.errors import Exit, MlguardError

CONSTRAINT_PREFIX = "mlguard_"
ALLOWED = "allowed "

# Citus turns every error of a COPY into internal_error and drops all fields but the message.
CITUS_INTERNAL_ERROR = "XX000"
NATIVE = frozenset({"23502", "23503", "23505", "23514"})  # not_null, foreign_key, unique, check

# `mlguard: features.customer/age.range: age is -4, …`. A table name without a colon keeps the messages of the gate
# (`mlguard: features.customer is stale: …`) from being read as an id.
_ID_IN_MESSAGE = re.compile(r"mlguard: (?P<slo>[^/:\n]+\.[^/:\n]+/[^\n]+?): ")


class SloViolation(MlguardError):
    """An SLO refused what the database was asked to do.

    Attributes:
        slo: full id, `<schema>.<table>/<name>`.
        table: `<schema>.<table>`.
        column: the column the SLO is about, where there is one.
        observed: what was found, column to value, or one value; None where the database does not tell.
        limit: what is allowed, in words: `0 to 130`.
        key: identity of the row, key column to value.
        severity: `low`, `normal` or `page`.
        owner: who answers for the SLO.
        runbook: address of what to do.
        sqlstate: the database's error code.
        hint: what the database suggests to do.
        detail: everything the database said about it, as JSON values.
    """

    exit_code = Exit.VIOLATED

    def __init__(
        self,
        message: str,
        *,
        slo: str = "",
        table: str = "",
        column: str | None = None,
        observed: Mapping[str, Any] | str | None = None,
        limit: str = "",
        key: Mapping[str, Any] | None = None,
        severity: str = "normal",
        owner: str = "",
        runbook: str = "",
        sqlstate: str = "",
        hint: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, help=hint)
        self.slo = slo
        self.table = table
        self.column = column
        self.observed = observed
        self.limit = limit
        self.key = key
        self.severity = severity
        self.owner = owner
        self.runbook = runbook
        self.sqlstate = sqlstate
        self.hint = hint
        self.detail = dict(detail or {})

    @staticmethod
    def from_exception(exc: BaseException) -> SloViolation | None:
        """Return the violation that a database error reports, or None where it is about something else.

        Args:
            exc: an error of psycopg or psycopg2, or of whatever wraps one in `orig` (SQLAlchemy) or raises from it
                (Django, Airflow).
        """
        for error in _chain(exc):
            if isinstance(error, SloViolation):
                return error
            diag = getattr(error, "diag", None)
            if diag is not None and (found := _read(diag)) is not None:
                return found
        return None


class WriteRefused(SloViolation):
    """A row or a load breaks an SLO; nothing of the statement or transaction was stored."""


class ReadHeld(SloViolation):
    """The read gate of a table is closed."""


class TrainingRefused(SloViolation):
    """An input of a training is held."""


class ModelNotApproved(SloViolation):
    """Predictions of a model version that nobody approved."""


KINDS: Mapping[str, type[SloViolation]] = {
    **dict.fromkeys((*sorted(NATIVE), CITUS_INTERNAL_ERROR), WriteRefused),
    "ML001": ReadHeld,
    "ML002": TrainingRefused,
    "ML003": ModelNotApproved,
}


@contextmanager
def violations() -> Iterator[None]:
    """Re-raise database errors that report an SLO as SloViolation, from the original; let all others pass.

    Works as a decorator too. A transaction is still the caller's to roll back.
    """
    try:
        yield
    except Exception as exc:
        found = SloViolation.from_exception(exc)
        if found is None or found is exc:
            raise
        raise found from exc


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exception, then what it wraps or was raised from; each once, since causes may form a ring."""
    waiting: list[BaseException | None] = [exc]
    seen: set[int] = set()
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseException) and id(error) not in seen:
            seen.add(id(error))
            yield error
            waiting += [error.__cause__, getattr(error, "orig", None)]


def _read(diag: object) -> SloViolation | None:
    sqlstate = _text(diag, "sqlstate")
    kind = KINDS.get(sqlstate)
    if kind is None:
        return None
    detail = _json(_text(diag, "message_detail"))
    message = _text(diag, "message_primary")
    schema, name = _text(diag, "schema_name"), _text(diag, "table_name")
    place = f"{schema}.{name}" if schema and name else ""
    constraint = _text(diag, "constraint_name")
    slo = _slo_in(detail)
    if not slo and place and constraint.startswith(f"{place}/"):
        slo = constraint
    elif not slo and place and sqlstate in NATIVE and constraint.startswith(CONSTRAINT_PREFIX):
        # PostgreSQL's own words name a relation and a constraint; people look for the SLO.
        # A unique constraint carries its table's name, because its index needs a name of its own in the schema.
        slo = f"{place}/{constraint.removeprefix(CONSTRAINT_PREFIX).removesuffix(f'@{name}')}"
        message = f"{slo}: {message}"
    elif not slo and (found := _ID_IN_MESSAGE.search(message)):
        slo = found["slo"]
    if not slo and not sqlstate.startswith("ML"):
        return None  # an ordinary constraint, or an internal error of the database
    observed, key = detail.get("observed"), detail.get("key")
    return kind(
        message,
        slo=slo,
        table=str(detail.get("table") or place or slo.partition("/")[0]),
        column=str(detail.get("column") or _text(diag, "column_name")) or None,
        observed=observed if observed is None or isinstance(observed, dict) else str(observed),
        limit=str(detail.get("allowed") or "").removeprefix(ALLOWED),
        key=key if isinstance(key, dict) else None,
        severity=str(detail.get("severity") or "normal"),
        owner=str(detail.get("owner") or ""),
        runbook=str(detail.get("runbook") or ""),
        sqlstate=sqlstate,
        hint=_text(diag, "message_hint"),
        detail=detail,
    )


def _text(diag: object, name: str) -> str:
    return str(getattr(diag, name, None) or "")


def _json(text: str) -> dict[str, Any]:
    """Read DETAIL; PostgreSQL's own prose (which may hold a row's values) is left behind."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _slo_in(detail: Mapping[str, Any]) -> str:
    """Return the id DETAIL names: its own, else the first of several broken at once."""
    broken = detail.get("broken")
    first = broken[0] if isinstance(broken, list) and broken else None
    return str(detail.get("slo") or (first.get("slo") if isinstance(first, dict) else None) or "")
