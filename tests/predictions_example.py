"""A prediction table with the steps of the contract's own example, and how it is written."""

from __future__ import annotations

from pathlib import Path

from mlguard import api
from tests.support import prepare, project

TABLE = """
create schema if not exists predictions;
create schema if not exists ops;
create table ops.blocklist (customer_id bigint primary key);
create table predictions.churn (
  customer_id bigint,
  as_of timestamptz,
  model_version text,
  score double precision,
  action text,
  raw_score double precision,
  latency_ms double precision,
  primary key (customer_id, as_of)
);
insert into ops.blocklist values (13), (14);
"""
HEAD = """
mlguard: 1
table: predictions.churn
model: churn
key: [customer_id, as_of]
event_time: as_of
"""
POST = """
post:
  - {name: fallback_prior, when: score IS NULL, set: {score: 0.5}}
  - {name: calibrate, set: {score: 1 / (1 + exp(-(1.3 * score - 0.2)))}}
  - {name: clip, clamp: {score: [0.1, 0.9]}}
  - {name: round, round: {score: 4}}
  - name: never_contact_blocked
    when: customer_id IN (SELECT customer_id FROM ops.blocklist)
    set: {action: "'none'"}
  - {name: review_unsure, when: score BETWEEN 0.45 AND 0.55, route: review}
raw: {score: raw_score}
"""


def guard(dsn: str, folder: Path, text: str = POST, table: str = TABLE, head: str = HEAD) -> None:
    """Make the table and apply its file."""
    prepare(dsn, table)
    api.apply(project(folder, head + text), dsn)
