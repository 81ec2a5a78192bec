"""Audited, expiring exceptions to SLOs: off and waive, and their early end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import listed, near, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    import psycopg

_ALTER = re.compile(r"(?i)(alter table .*?); mlguard apply")  # in the HINT of mlguard.off() and mlguard.waive()


class NeedsAlter(PlanError):
    """The SLO is a constraint of the table: only DDL can stop it.

    Attributes:
        sql: the one statement that does.
    """

    def __init__(self, message: str, sql: str) -> None:
        super().__init__(message, help="run that statement; mlguard apply puts the constraint back")
        self.sql = sql


def slo_id(connection: psycopg.Connection[Any], text: str) -> str:
    """Return the full id of an SLO in force, given in full or by a name that only one SLO has.

    Raises:
        PlanError: there is no such SLO, or more than one.
    """
    require_runtime(connection)
    known = values(connection, "select s.id from mlguard.slo as s order by s.id")
    if text in known:
        return text
    named = [slo for slo in known if slo.partition("/")[2] == text]
    if len(named) == 1:
        return str(named[0])
    if named:
        raise PlanError(f"{text} is the name of {len(named)} SLOs", help=f"say which: {', '.join(named)}")
    names = [*known, *(slo.partition("/")[2] for slo in known)]
    raise PlanError(f"no SLO {text} is in force here", help=near(text, names) or listed(known, "in force"))


def off(connection: psycopg.Connection[Any], slo: str, length: timedelta, reason: str) -> datetime:
    """Stop an SLO for some time: it is judged and recorded, and acts on nothing.

    Raises:
        NeedsAlter: the SLO is a constraint.
        PlanError: there is no such SLO.
    """
    return _except(connection, "select mlguard.off(%(slo)s, %(until)s, %(reason)s)", slo, length, reason)


def waive(connection: psycopg.Connection[Any], slo: str, until: datetime, reason: str) -> datetime:
    """Accept a known failure of an SLO until a time.

    Raises:
        NeedsAlter: the SLO is a constraint.
        PlanError: there is no such SLO.
    """
    return _except(connection, "select mlguard.waive(%(slo)s, %(until)s, %(reason)s)", slo, until, reason)


def resume(connection: psycopg.Connection[Any], slo: str, reason: str) -> int:
    """End every exception to an SLO that is in force now; return how many there were.

    Raises:
        PlanError: there is no such SLO.
    """
    query = "select mlguard.resume(%(slo)s, %(reason)s)"
    return int(values(connection, query, slo=slo_id(connection, slo), reason=reason)[0])


def _except(
    connection: psycopg.Connection[Any], query: str, slo: str, until: timedelta | datetime, reason: str
) -> datetime:
    import psycopg

    try:
        granted: datetime = values(connection, query, slo=slo_id(connection, slo), until=until, reason=reason)[0]
    except psycopg.errors.FeatureNotSupported as error:
        hint = error.diag.message_hint or ""
        found = _ALTER.search(hint)
        if found is None:
            raise PlanError((error.diag.message_primary or "").strip(), help=hint) from error
        raise NeedsAlter((error.diag.message_primary or "").strip(), found[1] + ";") from error
    return granted
