"""A model with predictions, features and people, for tests of the retrain loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mlguard import api
from tests.support import query

SCHEMA = """
create schema features;
create table features.customer (
  customer_id bigint, event_ts timestamptz, age integer, plan text, primary key (customer_id, event_ts));
create schema predictions;
create table predictions.churn (
  customer_id bigint, as_of timestamptz, score double precision, model_version text,
  primary key (customer_id, as_of));
"""

FEATURES = """
mlguard: 1
table: features.customer
key: [customer_id, event_ts]
event_time: event_ts
owner: platform-ml
slos:
  - {name: age_coverage, check: coverage(age) >= 0.75, over: 1 day, on_violation: hold, reopen: same}
"""

PREDICTIONS = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id, as_of]
event_time: as_of
owner: churn-team
features: [features.customer]
when_features_held: allow
slos:
  - name: mean_score
    check: mean(score) <= 0.5
    over: 1 day
    by: model_version
    then: [notify, retrain, rollback_model, withdraw]
"""


def guard(dsn: str, folder: Path, **files: str) -> None:
    """Make the tables and put both SLO files in force."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SCHEMA.encode())
    slos = folder / "slos"
    slos.mkdir()
    for name, text in {"features": FEATURES, "predictions": PREDICTIONS, **files}.items():
        (slos / f"{name}.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(slos), dsn)
    # Windows that closed before an SLO was in force are history, and act on nothing.
    query(dsn, "update mlguard._slo set since = since - interval '60 days' returning 1")


@contextmanager
def people(dsn: str, *names: str) -> Iterator[dict[str, str]]:
    """Make users of the platform role and give a DSN for each; take them away again."""
    made: dict[str, str] = {}
    with psycopg.connect(dsn, autocommit=True) as admin:
        database = admin.info.dbname
        for name in names:
            user = f"{name}_{database}"
            admin.execute(sql.SQL("create role {} login superuser").format(sql.Identifier(user)))
            made[name] = psycopg.conninfo.make_conninfo(dsn, user=user)
    try:
        yield made
    finally:
        with psycopg.connect(dsn, autocommit=True) as admin:
            for name in names:
                role = sql.Identifier(f"{name}_{database}")
                admin.execute(sql.SQL("drop owned by {}").format(role))
                admin.execute(sql.SQL("drop role {}").format(role))


def serve(who: dict[str, str], *versions: str) -> None:
    """Have Ann register and Bob approve and promote versions, one after the other."""
    for version in versions:
        query(who["ann"], f"select mlguard.register('churn', '{version}')")
        query(who["bob"], f"select mlguard.approve('churn', '{version}', 'looks right')")
        query(who["bob"], f"select mlguard.promote('churn', '{version}', 'better')")


def predict(dsn: str, days_ago: int, version: str, score: float, n: int = 100) -> None:
    """Write predictions of one day of one version."""
    query(
        dsn,
        "insert into predictions.churn select k, date_trunc('day', now(), 'UTC')"
        f" - interval '{days_ago} days' + k * interval '1 second', {score}, '{version}'"
        f" from generate_series({1 if version == '1' else 5000}, {n if version == '1' else 4999 + n}) k returning 1",
    )


def features(dsn: str, days_ago: int, *, missing: bool = False, n: int = 200) -> None:
    """Write features of one day; `missing` leaves half of the ages out."""
    age = "case when k % 2 = 0 then 30 end" if missing else "30"
    query(
        dsn,
        "insert into features.customer select k, date_trunc('day', now(), 'UTC')"
        f" - interval '{days_ago} days' + k * interval '1 second', {age}, 'free'"
        f" from generate_series(1, {n}) k returning 1",
    )


def sweep(dsn: str) -> dict[str, int]:
    """Sweep once and return what was done."""
    return {str(what): int(str(n)) for what, n in query(dsn, "select * from mlguard.sweep()")}


def one(dsn: str, text: str) -> Any:
    """Return the only value of a query."""
    ((value,),) = query(dsn, text)
    return value
