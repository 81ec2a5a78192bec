"""A table of predictions with its SLO file, and people who log in: who trains, who approves, who only loads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from mlguard import api
from tests.support import prepare, project

TABLE = "predictions.churn"
TABLES = """
create schema features;
create schema predictions;
create table features.customer (customer_id bigint primary key, age integer, event_ts timestamptz);
create table predictions.churn (
  customer_id bigint,
  as_of timestamptz,
  score double precision,
  model_version text,
  written_in xid8 default pg_current_xact_id(),
  primary key (customer_id, as_of)
);
"""
HEAD = """
mlguard: 1
table: predictions.churn
model: churn
version_column: model_version
key: [customer_id, as_of]
event_time: as_of
owner: ml-team
"""
APPROVAL = f"{HEAD}approval: required\n"
PEOPLE = {"anna": "task", "bert": "platform", "carl": "platform", "dora": "writer"}
ROW = "insert into predictions.churn (customer_id, as_of, score, model_version) values "


class People:
    """DSNs of the people, by name; `owner` is who installed everything."""

    def __init__(self, dsn: str) -> None:
        self.owner = dsn

    def __getitem__(self, name: str) -> str:
        return make_conninfo(self.owner, user=name)

    def approved(self, *versions: str, model: str = "churn") -> None:
        """Register versions as anna and approve them as bert."""
        for version in versions:
            prepare(self["anna"], f"select mlguard.register('{model}', '{version}')")
            prepare(self["bert"], f"select mlguard.approve('{model}', '{version}', 'measured')")

    def promote(self, version: str, model: str = "churn") -> None:
        """Make a version the champion, as bert."""
        prepare(self["bert"], f"select mlguard.promote('{model}', '{version}')")


@contextmanager
def people(dsn: str) -> Iterator[People]:
    """Make the login roles, members of mlguard's; roles are the server's, so they go afterwards."""
    for name, role in PEOPLE.items():
        prepare(dsn, f"create role {name} login; grant mlguard_{role} to {name}")
    try:
        yield People(dsn)
    finally:
        for name in PEOPLE:
            prepare(dsn, f"drop owned by {name}; drop role {name}")


def guard(dsn: str, folder: Path, text: str = APPROVAL, tables: str = TABLES) -> None:
    """Make the tables and apply the SLO file; everybody may write, as far as PostgreSQL is asked."""
    prepare(dsn, tables)
    apply(dsn, folder, text)
    prepare(
        dsn,
        "grant usage on schema predictions, features to public;"
        " grant select, insert, update on predictions.churn to public",
    )


def apply(dsn: str, folder: Path, text: str, name: str = "t.slo.yaml") -> None:
    """Apply one SLO file."""
    api.apply(project(folder, text, name), dsn)


def refused(dsn: str, sql: str) -> psycopg.Error:
    """Run SQL that must fail, and return the error."""
    try:
        prepare(dsn, sql)
    except psycopg.Error as error:
        return error
    raise AssertionError(f"not refused: {sql}")
