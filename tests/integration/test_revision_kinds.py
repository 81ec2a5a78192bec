"""Every kind of generated object goes up by a revision, changes into every other, and comes back as it was."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from mlguard import api, planner, runtime
from mlguard.alembic.drafts import How, drafts
from mlguard.alembic.revise import difference
from mlguard.alembic.text import Draft, Part
from mlguard.spec import Project
from tests import squawk, support
from tests.golden.dump import dump
from tests.golden.test_objects import CASES, HEAD

TABLES = """
create schema features; create schema ref; create schema labels; create schema crm; create schema ops;
create table features.customer (
  customer_id bigint primary key, age integer, plan text, tenure_days double precision, email text, payload jsonb,
  event_ts timestamptz, raw_days double precision, tenure_at timestamp
);
create table features.account (account_id bigint primary key, ts timestamptz);
create table ref.plan (plan text primary key);
create table labels.churn (customer_id bigint primary key, churned boolean);
create table crm.person (customer_id bigint primary key, gender text);
create table ops.points (x double precision, y double precision);
create table ops.blocked (id bigint);
create table ops.plans (plan text);
insert into features.customer select n, 20, 'a', 3, 'x@y', '{"n": 1}', now(), 3, now() from generate_series(1, 5) as n;
insert into ref.plan values ('a');
do $$ begin if to_regrole('analyst') is null then create role analyst; end if; end $$;
grant select on features.customer to analyst;
"""
HOW = How("change", runtime.versions()[-1], 3.0)
SHORT = (("labels", "post"), ("quarantine", "gate_policy"), ("window", "native"))
NAMES = sorted(CASES)
LONG = tuple((name, NAMES[(index + 7) % len(NAMES)]) for index, name in enumerate(NAMES))
PAIRS = LONG if os.environ.get("MLGUARD_LONG_TESTS") else SHORT


def run(dsn: str, parts: Sequence[Part]) -> None:
    """Run statements as Alembic does, without it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for part in parts:
            if part.autocommit:
                for sql in part.statements:
                    connection.execute(sql.encode())
                continue
            with connection.transaction():
                for sql in part.statements:
                    connection.execute(sql.encode())


def written(dsn: str, folder: Path, case: str) -> tuple[Project, list[Draft]]:
    """Return one of CASES as a project, and the files that lead there."""
    head = HEAD.replace("reads: none\n", "") if "reads:" in CASES[case] else HEAD
    project = support.project(folder, head + CASES[case] + "\nexisting: allow\n")
    with psycopg.connect(dsn, autocommit=True) as connection:
        changes = difference(planner.make_plan(project, connection), connection)
    return project, drafts(changes, HOW, None)


def unnumbered(text: str) -> list[str]:
    """Return a dump without the numbers of SLOs, which a second upgrade gives anew."""
    return sorted(re.sub(r"refused(_at)?_\d+", "refused", text).splitlines())


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_there_and_back(guarded_db: str, tmp_path: Path, first: str, second: str) -> None:
    support.prepare(guarded_db, TABLES)
    bare = dump(guarded_db)
    project, up = written(guarded_db, tmp_path, first)
    for draft in up:
        run(guarded_db, draft.upgrade)
    assert api.plan(project, guarded_db).empty
    guarded = dump(guarded_db)

    other, change = written(guarded_db, tmp_path, second)
    squawk.of_drafts((*up, *change))
    for draft in change:
        run(guarded_db, draft.upgrade)
    assert api.plan(other, guarded_db).empty
    changed = dump(guarded_db)
    for draft in reversed(change):
        run(guarded_db, draft.downgrade)
    assert api.plan(project, guarded_db).empty
    assert dump(guarded_db) == guarded

    for draft in change:
        run(guarded_db, draft.upgrade)
    assert api.plan(other, guarded_db).empty
    assert unnumbered(dump(guarded_db)) == unnumbered(changed)
    for draft in reversed((*up, *change)):
        run(guarded_db, draft.downgrade)
    assert dump(guarded_db) == bare
