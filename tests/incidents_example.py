"""Tables and SLOs as apply would register them, and verdicts written by hand: what the tests of incidents judge."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from tests.runtime_example import value

CUSTOMER, SCORE, RAW = "features.customer", "features.score", "raw.events"
AGE, PLAN, TENURE = f"{CUSTOMER}/age_coverage", f"{CUSTOMER}/plan_nulls", f"{CUSTOMER}/tenure_mean"
VOLUME, AGE_MEAN, MIX, WEEK = (f"{CUSTOMER}/{name}" for name in ("volume", "age_mean", "mix", "week"))
RAW_VOLUME, RAW_NULLS, SCORE_MEAN = f"{RAW}/volume", f"{RAW}/nulls", f"{SCORE}/mean"

EXAMPLE = """
insert into mlguard._table (
  tbl, schema_name, table_name, key, pii, event_time, owner, consumers, inputs, base, importance)
values
  ('raw.events', 'raw', 'events', '{id}', '{}', 'at', 'ingest', '{}', '{}', '1 day', '{}'),
  ('features.customer', 'features', 'customer', '{customer_id}', '{email,salary,country}', 'event_ts', 'platform-ml',
   '{churn,ltv}', '{raw.events}', '1 day', '{"age": 0.9}'),
  ('features.score', 'features', 'score', '{customer_id}', '{}', 'event_ts', 'scoring', '{fraud}',
   '{features.customer}', '1 day', '{}');

insert into mlguard._slo (
  id, tbl, name, level, over, check_text, allowed, action, place, columns, column_name, severity, metrics, by_columns,
  runbook)
values
  ('raw.events/volume', 'raw.events', 'volume', 'window', '1 day', 'row_count() >= 1000', 'allowed >= 1000', 'hold',
   'window judgement', '{}', null, 'page', '{row_count()}', '{}', null),
  ('raw.events/nulls', 'raw.events', 'nulls', 'window', '1 day', 'null_rate(id) <= 0.01', 'allowed <= 0.01', 'warn',
   'window judgement', '{id}', 'id', 'low', '{null_rate(id)}', '{}', null),
  ('features.customer/age_coverage', 'features.customer', 'age_coverage', 'batch', 'batch', 'coverage(age) >= 0.75',
   'allowed >= 0.75', 'hold', 'judgement at COMMIT', '{age}', 'age', 'page', '{coverage(age)}', '{}',
   'https://run.book/coverage'),
  ('features.customer/plan_nulls', 'features.customer', 'plan_nulls', 'batch', 'batch', 'null_rate(plan) <= 0.02',
   'allowed <= 0.02', 'warn', 'judgement at COMMIT', '{plan}', 'plan', 'normal', '{null_rate(plan)}', '{}', null),
  ('features.customer/tenure_mean', 'features.customer', 'tenure_mean', 'batch', 'batch', 'mean(tenure) <= 100',
   'allowed <= 100', 'warn', 'judgement at COMMIT', '{tenure}', 'tenure', 'normal', '{mean(tenure)}', '{}', null),
  ('features.customer/top_salary', 'features.customer', 'top_salary', 'batch', 'batch', 'max(salary) <= 100000',
   'allowed <= 100000', 'warn', 'judgement at COMMIT', '{salary}', 'salary', 'normal', '{max(salary)}', '{}',
   null),
  ('features.customer/volume', 'features.customer', 'volume', 'window', '1 day', 'row_count() >= 100',
   'allowed >= 100', 'warn', 'window judgement', '{}', null, 'normal', '{row_count()}', '{}', null),
  ('features.customer/age_mean', 'features.customer', 'age_mean', 'window', '1 day', 'mean(age) >= 30',
   'allowed >= 30', 'warn', 'window judgement', '{age}', 'age', 'normal', '{mean(age)}', '{}', null),
  ('features.customer/mix', 'features.customer', 'mix', 'window', '1 day', 'psi(plan) <= 0.2', 'allowed <= 0.2', 'warn',
   'window judgement', '{plan}', 'plan', 'normal', '{psi(plan)}', '{country}', null),
  ('features.customer/week', 'features.customer', 'week', 'window', 'last 7 days', 'mean(age) >= 30', 'allowed >= 30',
   'warn', 'window judgement', '{age}', 'age', 'low', '{mean(age)}', '{}', null),
  ('features.customer/columns', 'features.customer', 'columns', 'schema', null, 'schema: at_least', null, 'hold',
   'schema watch', '{}', null, 'page', '{}', '{}', null),
  ('features.score/mean', 'features.score', 'mean', 'window', '1 day', 'mean(score) <= 0.5', 'allowed <= 0.5', 'warn',
   'window judgement', '{score}', 'score', 'page', '{mean(score)}', '{}', null);
"""


def make(dsn: str) -> None:
    """Register the tables and SLOs."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(EXAMPLE.encode())


def judge(
    connection: psycopg.Connection[Any],
    slo: str,
    outcome: str = "FAIL",
    *,
    batch: int | None = None,
    day: str | None = None,
    found: float = 0.5,
    score: float | None = None,
    segment: dict[str, str] | None = None,
    n: int = 1000,
    reason: str | None = None,
    anew: bool = True,
) -> int | None:
    """Write one verdict, superseding an older one of the same batch or window, and hand it over as the judges do.

    Args:
        connection: the database.
        slo: id of the SLO.
        outcome: PASS, FAIL, NOTED, INSUFFICIENT or ERROR.
        batch: the batch judged.
        day: first or only day of the window judged: 2026-11-19; for sliding windows the last one.
        found: value of the metric.
        score: of learned health.
        segment: values of the segment columns.
        n: rows judged.
        reason: further words.
        anew: look for an older verdict to supersede.

    Returns:
        the number of the incident.
    """
    over, metric, allowed = connection.execute(
        "select coalesce(over, level), metrics[1], allowed from mlguard._slo where id = %s", [slo]
    ).fetchone() or ("", "", "")
    start = datetime.fromisoformat(f"{day}T00:00+00:00") if day else None
    end = start + timedelta(days=1) if start else None
    if start and over.startswith("last "):
        start -= timedelta(days=6)
    row = connection.execute(
        """
with old as (
  update mlguard._verdict set current = false
  where %(anew)s and slo = %(slo)s and segment = %(segment)s and current
    and (batch = %(batch)s or (window_start = %(start)s and window_end = %(end)s))
  returning version
)
insert into mlguard._verdict (
  slo, tbl, over, batch, window_start, window_end, segment, version, outcome, metrics, vals, n, observed, allowed,
  reason, detail)
values (%(slo)s, split_part(%(slo)s, '/', 1), %(over)s, %(batch)s, %(start)s, %(end)s, %(segment)s,
        coalesce((select max(version) from old), 0) + 1, %(outcome)s, array_remove(array[%(metric)s::text], null),
        array[%(value)s::float8], %(n)s,
        mlguard._finding(
          array_remove(array[%(metric)s::text], null), array[%(value)s::float8], %(allowed)s,
          mlguard._for_segment(%(segment)s, (select by_columns from mlguard._slo where id = %(slo)s))),
        %(allowed)s, %(reason)s, %(detail)s)
returning id
""",
        {
            "slo": slo,
            "anew": anew,
            "over": over,
            "batch": batch,
            "start": start,
            "end": end,
            "segment": Jsonb(segment or {}),
            "outcome": outcome,
            "metric": metric,
            "value": found,
            "n": n,
            "allowed": allowed,
            "reason": reason,
            "detail": Jsonb({"score": score}) if score is not None else None,
        },
    ).fetchone()
    assert row is not None
    incident: int | None = value(connection, "select mlguard._incident_of(%s)", row[0])
    return incident


def sweep(connection: psycopg.Connection[Any], as_of: str = "now()") -> dict[str, int]:
    """Sweep incidents; return what was done."""
    return dict(connection.execute(f"select what, n from mlguard._sweep_incidents({as_of})".encode()).fetchall())


def outbox(connection: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
    """Return (event, incident, alarm) of all lines of the outbox."""
    return connection.execute("select event, incident, alarm from mlguard.outbox order by id").fetchall()


def alarms(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Return {SLO that alerts: SLOs that are a consequence of it} of what is not resolved."""
    rows = connection.execute(
        "select r.slo, array_remove(array_agg(c.slo order by c.slo), null) from mlguard.incident r"
        " left join mlguard.incident c on c.cause = r.id and c.state <> 'resolved'"
        " where r.cause is null and r.state <> 'resolved' group by r.slo, r.id order by r.slo"
    ).fetchall()
    return dict(rows)


def events(connection: psycopg.Connection[Any]) -> list[str]:
    """Return what the outbox told, in order."""
    return [event for event, _, _ in outbox(connection)]


def state(connection: psycopg.Connection[Any], slo: str) -> str:
    """Return the state of an SLO's last incident."""
    query = "select state from mlguard._incident where slo = %s order by id desc limit 1"
    return str(value(connection, query, slo))


def number(connection: psycopg.Connection[Any], slo: str) -> int:
    """Return the number of an SLO's last incident."""
    return int(value(connection, "select max(id) from mlguard.incident where slo = %s", slo))
