"""Versions of models: who trained, approved and promoted them, what they wrote, how two of them compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.errors import PlanError
from mlguard.operate.ask import as_rows, listed, near, require_runtime, values

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

# What the functions of mlguard refuse in words: unknown, registered already, not in that state, no reason given.
_REFUSALS = frozenset({"42704", "42710", "55000", "22023", "42501"})
_PREFIX = "mlguard: "


@dataclass(frozen=True)
class ModelVersion:
    """One row of mlguard.model_version: a version, its people, and what it wrote (`predictions` in rows)."""

    model: str
    version: str
    state: str  # registered | approved | champion | challenger | retired
    author: str
    registered_at: datetime
    approver: str | None
    approved_at: datetime | None
    promoted_by: str | None
    promoted_at: datetime | None
    previous: bool  # where a rollback of the model leads
    retired_by: str | None
    retired_at: datetime | None
    note: str | None
    ticket: int | None
    first_use: datetime | None
    last_use: datetime | None
    predictions: int


@dataclass(frozen=True)
class Usage:
    """What one version wrote to one table; `version` None: rows that name none. `state` None: nobody registered it."""

    model: str
    version: str | None
    tbl: str
    first_use: datetime
    last_use: datetime
    predictions: int
    state: str | None


@dataclass(frozen=True)
class Compared:
    """The latest value of one metric for each of two versions; None where a version has none."""

    tbl: str
    metric: str
    over: str
    segment: dict[str, Any] | None
    old: float | None
    old_at: datetime | None  # end of the window
    new: float | None
    new_at: datetime | None


@dataclass(frozen=True)
class Difference:
    """Two versions of a model beside each other."""

    old: ModelVersion
    new: ModelVersion
    metrics: tuple[Compared, ...]


def model_versions(connection: psycopg.Connection[Any], model: str | None = None) -> list[ModelVersion]:
    """Return the versions of one model, or of all, the newest first.

    Raises:
        PlanError: the model has no version.
    """
    require_runtime(connection)
    found = as_rows(
        connection,
        ModelVersion,
        "select v.* from mlguard.model_version as v where %(model)s::text is null or v.model = %(model)s"
        " order by v.model, v.registered_at desc, v.version desc",
        model=model,
    )
    if model is not None and not found:
        known = values(connection, "select distinct v.model from mlguard.model_version as v order by 1")
        raise PlanError(
            f"no version of a model {model} is registered", help=near(model, known) or listed(known, "models")
        )
    return found


def model_usage(connection: psycopg.Connection[Any], model: str | None = None) -> list[Usage]:
    """Return what each version wrote, by table, the latest use first; versions nobody registered are among them."""
    require_runtime(connection)
    return as_rows(
        connection,
        Usage,
        "select u.model, u.version, u.tbl, u.first_use, u.last_use, u.predictions, v.state"
        " from mlguard.model_usage as u"
        " left join mlguard.model_version as v on v.model = u.model and v.version = u.version"
        " where %(model)s::text is null or u.model = %(model)s order by u.model, u.last_use desc, u.version, u.tbl",
        model=model,
    )


def model_diff(connection: psycopg.Connection[Any], model: str, old: str, new: str) -> Difference:
    """Return two versions of a model beside each other, with the latest value of every metric by version.

    Raises:
        PlanError: there is no such model, or no such version of it.
    """
    known = {found.version: found for found in model_versions(connection, model)}
    for version in (old, new):
        if version not in known:
            raise PlanError(
                f"model {model} has no version {version}",
                help=near(version, known) or listed(list(known), "versions"),
            )
    metrics = as_rows(
        connection,
        Compared,
        """
select k.tbl, k.metric, k.over, k.segment, o.value as old, o.window_end as old_at,
       n.value as new, n.window_end as new_at
from (
  select distinct m.tbl, m.metric, m.over, m.segment
  from mlguard.model_metric as m
  where m.model = %(model)s and m.version in (%(old)s, %(new)s)
) as k
left join lateral (
  select m.value, m.window_end
  from mlguard.model_metric as m
  where m.model = %(model)s and m.version = %(old)s and m.tbl = k.tbl and m.metric = k.metric and m.over = k.over
    and m.segment is not distinct from k.segment and m.value is not null
  order by m.window_end desc nulls last limit 1
) as o on true
left join lateral (
  select m.value, m.window_end
  from mlguard.model_metric as m
  where m.model = %(model)s and m.version = %(new)s and m.tbl = k.tbl and m.metric = k.metric and m.over = k.over
    and m.segment is not distinct from k.segment and m.value is not null
  order by m.window_end desc nulls last limit 1
) as n on true
order by k.tbl, k.metric, k.over, k.segment::text
""",
        model=model,
        old=old,
        new=new,
    )
    return Difference(known[old], known[new], tuple(metrics))


def register(
    connection: psycopg.Connection[Any], model: str, version: str, note: str | None = None, ticket: int | None = None
) -> str:
    """Register a version; its author is who is logged in. Return its state.

    Args:
        connection: of a member of mlguard_task or mlguard_platform.
        model: as `model:` in the SLO file says it.
        version: what the version column of its predictions will hold.
        note: what others should know about it.
        ticket: the training ticket it came from.

    Raises:
        PlanError: it is registered already, or has no name.
    """
    return _act(
        connection,
        "select mlguard.register(%(model)s, %(version)s, %(note)s, %(ticket)s)",
        model=model,
        version=version,
        note=note,
        ticket=ticket,
    )


def approve(connection: psycopg.Connection[Any], model: str, version: str, reason: str | None = None) -> str:
    """Let a version write where approval is required. Return its state.

    Raises:
        PlanError: there is no such version, it is approved already, or who asks is its author.
    """
    query = "select mlguard.approve(%(model)s, %(version)s, %(reason)s)"
    return _act(connection, query, model=model, version=version, reason=reason)


def promote(
    connection: psycopg.Connection[Any],
    model: str,
    version: str,
    reason: str | None = None,
    *,
    challenger: bool = False,
) -> str:
    """Make an approved version the champion, or a challenger. Return its state.

    Raises:
        PlanError: there is no such version, or nobody approved it.
    """
    query = "select mlguard.promote(%(model)s, %(version)s, %(reason)s, %(as)s)"
    role = "challenger" if challenger else "champion"
    return _act(connection, query, model=model, version=version, reason=reason, **{"as": role})


def rollback(connection: psycopg.Connection[Any], model: str, reason: str) -> str:
    """Make the approved champion before the present one champion again; return its version.

    Raises:
        PlanError: there is none, or no reason is given.
    """
    return _act(connection, "select mlguard.rollback(%(model)s, %(reason)s)", model=model, reason=reason)


def retire(connection: psycopg.Connection[Any], model: str, version: str, reason: str) -> str:
    """End a version. Return its state.

    Raises:
        PlanError: there is no such version, it is the champion, or no reason is given.
    """
    query = "select mlguard.retire(%(model)s, %(version)s, %(reason)s)"
    return _act(connection, query, model=model, version=version, reason=reason)


def _act(connection: psycopg.Connection[Any], query: str, **parameters: object) -> str:
    """Run one function and return its answer; what it refuses in words becomes a PlanError."""
    import psycopg

    require_runtime(connection)
    try:
        return str(values(connection, query, **parameters)[0])
    except psycopg.Error as error:
        said = (error.diag.message_primary or "").strip()
        if error.sqlstate not in _REFUSALS or not said.startswith(_PREFIX):
            raise
        raise PlanError(said.removeprefix(_PREFIX), help=error.diag.message_hint or "") from error
