"""What integration tests share: SLO files from text, and a table to guard."""

from __future__ import annotations

import textwrap
from pathlib import Path

import psycopg

from mlguard import api
from mlguard.spec import Project

CUSTOMER = """
create schema if not exists features;
create table features.customer (
  customer_id bigint primary key,
  age integer,
  plan text,
  tenure_days double precision,
  email text,
  event_ts timestamptz
);
"""


def write(folder: Path, text: str, name: str = "t.slo.yaml") -> Path:
    """Write an SLO file into `<folder>/slos` and return that folder."""
    slos = folder / "slos"
    slos.mkdir(exist_ok=True)
    (slos / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return slos


def project(folder: Path, text: str, name: str = "t.slo.yaml") -> Project:
    """Load one SLO file from text."""
    return api.load(write(folder, text, name))


def prepare(dsn: str, sql: str = CUSTOMER) -> None:
    """Run SQL and commit it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.encode())


def query(dsn: str, sql: str) -> list[tuple[object, ...]]:
    """Run one query and return its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()
