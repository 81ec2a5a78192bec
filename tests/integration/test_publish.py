"""publish(): a staging table moved under the guard of another, all or nothing, with its caller's rights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

TABLES = """
create schema features;
create table features.price (
  id bigint generated always as identity primary key, day date not null, amount double precision, plan text,
  twice double precision generated always as (amount * 2) stored, noted timestamptz default now()
);
create schema staging;
create table staging.price (day date not null, plan text, amount double precision);
"""
SLOS = """
mlguard: 1
table: features.price
key: [id]
columns:
  plan: {in: {values: [free, pro], on_violation: quarantine}}
  amount: {range: {between: [0, 100], on_violation: repair, repair: {clamp: [0, 100]}}}
slos:
  - {name: covered, check: coverage(amount) >= 0.5, over: batch, on_violation: reject, min_rows: 1}
  - {name: alike, check: mean(amount) <= 60, over: batch, on_violation: hold, min_rows: 1}
  - {name: few_odd, check: amount <> 13, max_bad: 3 rows, on_violation: warn}
"""


@pytest.fixture
def session(db: str, tmp_path: Path) -> Iterator[psycopg.Connection[Any]]:
    prepare(db, TABLES)
    api.apply(project(tmp_path, SLOS), db)
    with psycopg.connect(db, autocommit=True) as connection:
        yield connection


def stage(connection: psycopg.Connection[Any], *amounts: float | None, plan: str = "pro") -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into staging.price (day, plan, amount) values ('2026-01-01', %s, %s)", [(plan, a) for a in amounts]
        )


def publish(connection: psycopg.Connection[Any], more: str = "") -> list[tuple[Any, ...]]:
    return connection.execute(
        f"select stored, quarantined, repaired from mlguard.publish('staging.price', 'features.price'{more})".encode()
    ).fetchall()


def count(connection: psycopg.Connection[Any], table: str) -> int:
    (found,) = connection.execute(f"select count(*) from {table}".encode()).fetchone() or (0,)
    return int(found)


def test_rows_move_and_bad_ones_go_where_they_go(session: psycopg.Connection[Any]) -> None:
    stage(session, 1, 2, 300)
    stage(session, 4, plan="gold")
    assert publish(session) == [(3, 1, 1)]
    assert count(session, "staging.price") == 0
    assert session.execute("select amount, twice, noted is not null from features.price order by id").fetchall() == [
        (1, 2, True),
        (2, 4, True),
        (100, 200, True),
    ]
    assert count(session, "mlguard.quarantine where status = 'waiting'") == 1
    assert publish(session) == [(0, 0, 0)]


@pytest.mark.parametrize("more", ["", ", true"])
def test_a_refused_load_moves_nothing(session: psycopg.Connection[Any], more: str) -> None:
    stage(session, 1)
    publish(session)
    stage(session, None, None, None, 4)
    with pytest.raises(psycopg.errors.CheckViolation, match=r"coverage\(amount\) is 0.25 over the 4 rows"):
        publish(session, more)
    assert (count(session, "staging.price"), count(session, "features.price")) == (4, 1)
    session.execute("truncate staging.price")
    stage(session, 13, 13, 13, 13)
    with pytest.raises(psycopg.errors.CheckViolation, match="4 bad rows"):
        publish(session, more)
    assert (count(session, "staging.price"), count(session, "features.price")) == (4, 1)


def test_replacing_takes_the_old_rows_and_their_hold(session: psycopg.Connection[Any]) -> None:
    stage(session, 90, 95, 80)
    publish(session)
    assert count(session, "mlguard.hold where ended_at is null") == 1
    stage(session, 1, 2)
    assert publish(session, ", true") == [(2, 0, 0)]
    assert count(session, "features.price") == 2
    assert count(session, "mlguard.hold where ended_at is null") == 0
    with pytest.raises(psycopg.errors.NoDataFound, match=r"staging\.price is empty, and would replace all rows"):
        publish(session, ", true")
    stage(session, 4, plan="gold")
    with pytest.raises(psycopg.errors.NoDataFound, match=r"were kept out, and features\.price would be left empty"):
        publish(session, ", true")
    assert (count(session, "features.price"), count(session, "staging.price")) == (2, 1)


def test_it_fails_where_it_is_called_and_constraints_are_deferred_again(session: psycopg.Connection[Any]) -> None:
    stage(session, None, None)
    with session.transaction():
        with pytest.raises(psycopg.errors.CheckViolation), session.transaction():
            publish(session)
        session.execute("truncate staging.price")
        stage(session, 1, 1)
        publish(session)
        # Bad as it stands, good when all is written: only COMMIT looks.
        for amount in ("null", "2"):
            rows = f"select '2026-01-01'::date, {amount} from generate_series(1, 4)"
            session.execute(f"insert into features.price (day, amount) {rows}".encode())
    assert count(session, "features.price") == 10


def test_it_is_part_of_a_batch_that_was_begun(session: psycopg.Connection[Any]) -> None:
    for amount in (90, 10):
        stage(session, amount)
        with session.transaction():
            session.execute("select mlguard.begin_batch('d1')")
            publish(session)
        assert count(session, "mlguard.hold where ended_at is null") == (amount == 90)
    assert session.execute("select landed from mlguard.batch where name = 'd1'").fetchall() == [(2,)]


def test_a_caller_gains_no_rights(session: psycopg.Connection[Any]) -> None:
    stage(session, 1)
    session.execute("grant usage on schema features, staging to mlguard_writer")
    session.execute("grant select on staging.price to mlguard_writer")
    session.execute("grant insert on features.price to mlguard_writer")
    session.execute("set role mlguard_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="price"):
        publish(session)
    session.execute("reset role")
    session.execute("grant delete on staging.price to mlguard_writer")
    session.execute("revoke insert on features.price from mlguard_writer")
    session.execute("set role mlguard_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="price"):
        publish(session)
    session.execute("reset role")
    session.execute("grant insert on features.price to mlguard_writer")
    session.execute("set role mlguard_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="price"):
        publish(session, ", true")
    assert publish(session) == [(1, 0, 0)]
    session.execute("reset role")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("alter table staging.price add extra text", r"staging\.price has a column extra, which features\.price lacks"),
        ("alter table staging.price drop amount", "staging.price lacks column amount of features.price"),
        (
            "alter table staging.price alter amount type text",
            "column amount is text in staging.price and double precision in features.price",
        ),
    ],
)
def test_columns_are_compared_first(session: psycopg.Connection[Any], change: str, message: str) -> None:
    session.execute(change.encode())
    with pytest.raises(psycopg.errors.DatatypeMismatch, match=message):
        publish(session)


def test_columns_may_be_identities_and_generated(session: psycopg.Connection[Any]) -> None:
    session.execute("alter table staging.price add id bigint, add twice double precision")
    session.execute("insert into staging.price values ('2026-01-01', 'pro', 2, 77, 99)")
    assert publish(session) == [(1, 0, 0)]
    assert session.execute("select id, twice from features.price").fetchall() == [(77, 4)]


def test_only_ordinary_tables_are_staged_for_guarded_ones(session: psycopg.Connection[Any]) -> None:
    session.execute("create view staging.v as select * from staging.price")
    with pytest.raises(psycopg.errors.WrongObjectType, match="is no staging table"):
        session.execute("select * from mlguard.publish('staging.v', 'features.price')")
    with pytest.raises(psycopg.errors.WrongObjectType, match="is no staging table"):
        session.execute("select * from mlguard.publish('features.price', 'features.price')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=r"staging\.price is not guarded"):
        session.execute("select * from mlguard.publish('features.price', 'staging.price')")


def test_temporary_and_referenced_staging_tables(session: psycopg.Connection[Any]) -> None:
    session.execute('create temporary table "My Stage" (like staging.price, key integer primary key)')
    session.execute('create temporary table part (key integer references "My Stage")')
    session.execute('alter table "My Stage" drop column key cascade')
    session.execute("""insert into "My Stage" values ('2026-01-01', 'pro', 2)""")
    moved = session.execute("""select * from mlguard.publish('"My Stage"', 'features.price')""").fetchall()
    assert moved == [(1, 0, 0)]
    session.execute("alter table staging.price add unique (day)")
    session.execute("create table staging.note (day date references staging.price (day))")
    stage(session, 4)
    assert publish(session) == [(1, 0, 0)]
    assert count(session, "staging.price") == 0


def test_emptying_the_table_ends_the_hold_of_its_batches(db: str, session: psycopg.Connection[Any]) -> None:
    stage(session, 90, 95)
    publish(session)
    session.execute("truncate features.price")
    assert query(db, "select reason from mlguard.hold where ended_at is not null") != []
    assert count(session, "mlguard.hold where ended_at is null") == 0
