"""What may write predictions, however they are written; who wrote how many; what customers see of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.violation import ModelNotApproved, SloViolation
from tests.golden.dump import dump
from tests.models_example import APPROVAL, HEAD, ROW, TABLE, TABLES, People, apply, guard, people, refused
from tests.support import prepare, query

PARTS = TABLES.replace(
    "  primary key (customer_id, as_of)\n);",
    "  primary key (customer_id, as_of)\n) partition by range (as_of);\n"
    "create table predictions.old partition of predictions.churn for values from (minvalue) to ('2026-01-01');\n"
    "create table predictions.new partition of predictions.churn for values from ('2026-01-01') to (maxvalue);",
)
Team = People


@pytest.fixture
def team(db: str, tmp_path: Path) -> Iterator[People]:
    """Version 1 is the champion, 2 approved, 3 registered, 4 retired, 5 unknown."""
    guard(db, tmp_path)
    yield from _team(db)


@pytest.fixture
def parted(db: str, tmp_path: Path) -> Iterator[People]:
    guard(db, tmp_path, tables=PARTS)
    prepare(db, "grant select, insert, update on predictions.old, predictions.new to public")
    yield from _team(db)


def _team(db: str) -> Iterator[People]:
    with people(db) as found:
        found.approved("1", "2", "4")
        prepare(found["anna"], "select mlguard.register('churn', '3')")
        prepare(found["bert"], "select mlguard.retire('churn', '4', 'old')")
        found.promote("1")
        yield found


def copied(dsn: str, rows: str) -> None:
    sql = "copy predictions.churn (customer_id, as_of, score, model_version) from stdin"
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.write(rows)


def row(version: str, customer: int = 9, at: str = "2026-03-01") -> str:
    return f"({customer}, '{at}', 0.5, '{version}')"


MERGE = (
    "merge into predictions.churn as t using (values (1, timestamptz '2026-03-01', 0.7, '{0}'), (8,"
    " timestamptz '2026-03-01', 0.7, '{0}')) as s (c, a, x, v) on t.customer_id = s.c and t.as_of = s.a"
    " when matched then update set score = s.x when not matched then insert (customer_id, as_of, score, model_version)"
    " values (s.c, s.a, s.x, s.v)"
)


def ways(version: str) -> dict[str, Callable[[str], None]]:
    """Return every way to write a row of a version; row 1 of 2026-03-01 is there, of version 1."""
    upsert = ROW + row(version, 1) + " on conflict (customer_id, as_of) do update set score = excluded.score"
    return {
        "insert": lambda dsn: prepare(dsn, ROW + row(version)),
        "one of many": lambda dsn: prepare(dsn, f"{ROW}{row('1', 20)}, {row(version, 21)}, {row('2', 22)}"),
        "copy": lambda dsn: copied(dsn, f"31\t2026-03-01\t0.5\t{version}\n"),
        "upsert": lambda dsn: prepare(dsn, upsert + ", model_version = excluded.model_version"),
        "update of the version": lambda dsn: prepare(dsn, f"update {TABLE} set model_version = '{version}'"),
        "merge": lambda dsn: prepare(dsn, MERGE.format(version)),
        "replica": lambda dsn: prepare(dsn, f"set session_replication_role = replica; {ROW}{row(version, 41)}"),
        "replica's update": lambda dsn: prepare(
            dsn, f"set session_replication_role = replica; update {TABLE} set model_version = '{version}'"
        ),
    }


def words(version: str) -> str:
    return {
        "3": "model churn version 3 is not approved",
        "4": "model churn version 4 is retired",
        "5": "model churn version 5 is not registered",
    }[version]


def test_an_unapproved_version_writes_in_no_way(team: Team) -> None:
    prepare(team["dora"], ROW + row("1", 1))
    for version in ("3", "4", "5"):
        for way, write in ways(version).items():
            if way == "merge" and int(query(team.owner, "show server_version_num")[0][0]) < 150000:  # type: ignore[call-overload]
                continue
            with pytest.raises(psycopg.Error) as caught:
                write(team.owner if "replica" in way else team["dora"])
            error = caught.value
            assert (error.sqlstate, error.diag.message_primary) == (
                "ML003",
                f"mlguard: {TABLE}: {words(version)}; this statement stored nothing",
            ), way
            assert (
                error.diag.constraint_name,
                error.diag.schema_name,
                error.diag.table_name,
                error.diag.column_name,
            ) == (
                f"{TABLE}/approval",
                "predictions",
                "churn",
                "model_version",
            )
    assert query(team.owner, f"select customer_id, model_version from {TABLE}") == [(1, "1")]
    assert query(team.owner, "select version, predictions from mlguard.model_usage") == [("1", 1)]


def test_an_approved_version_writes_in_every_way(team: Team) -> None:
    prepare(team["dora"], ROW + row("1", 1))
    for way, write in ways("2").items():
        if way == "merge" and int(query(team.owner, "show server_version_num")[0][0]) < 150000:  # type: ignore[call-overload]
            continue
        write(team.owner if "replica" in way else team["dora"])
    assert query(team.owner, f"select distinct model_version from {TABLE}") == [("2",)]


def test_fields_of_the_refusal(team: Team) -> None:
    error = refused(team["dora"], ROW + row("3"))
    detail = json.loads(error.diag.message_detail or "")
    assert detail == {
        "slo": f"{TABLE}/approval", "table": TABLE, "column": "model_version", "model": "churn", "version": "3",
        "state": "registered", "allowed": "an approved version", "owner": "ml-team",
    }  # fmt: skip
    assert error.diag.message_hint == (
        "Owner ml-team. A platform role other than its author approves it: mlguard models approve churn 3"
    )
    found = SloViolation.from_exception(error)
    assert isinstance(found, ModelNotApproved)
    assert (found.slo, found.table, found.column, found.owner) == (
        f"{TABLE}/approval",
        TABLE,
        "model_version",
        "ml-team",
    )


def test_a_row_without_a_version(team: Team) -> None:
    error = refused(team["dora"], f"{ROW} (1, now(), 0.5, null)")
    assert error.sqlstate == "ML003"
    so = "model churn: a row names no version, and approval is required"
    assert error.diag.message_primary == f"mlguard: {TABLE}: {so}; this statement stored nothing"
    prepare(team["dora"], ROW + row("1", 1))
    assert refused(team["dora"], f"update {TABLE} set model_version = null").sqlstate == "ML003"


def test_rows_of_a_retired_version_may_be_mended(team: Team) -> None:
    """What it wrote while it might stays; only new predictions of it are refused, an upsert over its own rows too."""
    prepare(team["dora"], ROW + row("2", 1))
    prepare(team["bert"], "select mlguard.retire('churn', '2', 'old')")
    prepare(team["dora"], f"update {TABLE} set score = 0.1")
    upsert = ROW + row("2", 1) + " on conflict (customer_id, as_of) do update set score = 0.9"
    assert refused(team["dora"], upsert).sqlstate == "ML003"
    # One transaction: the UPDATE after an INSERT of another version is no upsert.
    prepare(team["dora"], f"begin; {ROW}{row('1', 2)}; update {TABLE} set score = 0.2; commit")
    assert query(team.owner, f"select distinct score from {TABLE}") == [(0.2,)]


def test_approval_counts_from_its_commit(team: Team) -> None:
    with psycopg.connect(team["bert"]) as approving:
        approving.execute("select mlguard.approve('churn', '3')")
        assert refused(team["dora"], ROW + row("3")).sqlstate == "ML003"
        approving.commit()
    prepare(team["dora"], ROW + row("3"))


def test_partitions(parted: Team) -> None:
    prepare(parted["dora"], f"{ROW}{row('1', 1, '2025-03-01')}, {row('2', 2)}")
    prepare(parted["dora"], ROW.replace("churn", "new") + row("2", 3))
    for sql in (
        ROW + row("3", 7, "2025-03-01"),
        ROW.replace("churn", "old") + row("3", 7, "2025-03-01"),
        ROW.replace("churn", "new") + row("3", 7),
        # to another partition, with another version
        f"update {TABLE} set as_of = '2026-06-01', model_version = '3' where customer_id = 1",
        "update predictions.old set model_version = '3'",
        ROW.replace("churn", "new") + row("4", 3) + " on conflict (customer_id, as_of) do update set score = 0,"
        " model_version = excluded.model_version",
    ):
        assert refused(parted["dora"], sql).sqlstate == "ML003", sql
    assert query(parted.owner, "select version, predictions from mlguard.model_usage order by 1") == [
        ("1", 1),
        ("2", 2),
    ]
    prepare(parted["dora"], f"update {TABLE} set as_of = '2026-06-01' where customer_id = 1")
    assert query(parted.owner, "select count(*) from predictions.churn_served") == [(1,)]


def test_usage_is_counted_whatever_was_folded(team: Team) -> None:
    prepare(team["dora"], f"{ROW}{row('1', 1)}, {row('2', 2)}, {row('2', 3)}")
    prepare(team["dora"], f"{ROW}{row('2', 2)} on conflict (customer_id, as_of) do update set score = 0.1")
    prepare(team["dora"], f"{ROW}{row('2', 2)} on conflict do nothing")
    prepare(team["dora"], f"update {TABLE} set score = 0.7")
    before = query(team.owner, "select * from mlguard.model_usage order by version")
    assert [(version, n) for _, version, _, _, _, n in before] == [("1", 1), ("2", 3)]
    for _ in range(2):
        prepare(team.owner, "select mlguard.sweep()")
        assert query(team.owner, "select * from mlguard.model_usage order by version") == before
    assert query(team.owner, "select count(*) from mlguard._prediction_line") == [(0,)]
    prepare(team["dora"], f"{ROW}{row('2', 5)}")
    [(first, last, n)] = query(
        team.owner, "select first_use, last_use, predictions from mlguard.model_version where version = '2'"
    )
    assert n == 4
    assert first < last  # type: ignore[operator]


def test_a_rolled_back_write_is_no_use(team: Team) -> None:
    prepare(team["dora"], f"begin; {ROW}{row('1', 1)}; rollback")
    prepare(team["dora"], f"begin; savepoint a; {ROW}{row('1', 1)}; rollback to a; {ROW}{row('2', 1)}; commit")
    assert query(team.owner, "select version, predictions from mlguard.model_usage") == [("2", 1)]


def test_eight_writers_two_versions(team: Team) -> None:
    """No deadlock, no lost count, while somebody folds all the time."""
    errors: list[psycopg.Error] = []
    rows, writers = 25, 8
    done = threading.Event()

    def write(number: int) -> None:
        try:
            with psycopg.connect(team["dora"], autocommit=True) as connection:
                for i in range(rows):
                    key = number * 1000 + i * 2
                    connection.execute(f"{ROW}{row('1', key)}, {row('2', key + 1)}".encode())
        except psycopg.Error as error:
            errors.append(error)

    def fold() -> None:
        try:
            with psycopg.connect(team["bert"], autocommit=True) as connection:
                while not done.is_set():
                    connection.execute("select mlguard.sweep()")
        except psycopg.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    folding = [threading.Thread(target=fold) for _ in range(2)]
    for thread in (*threads, *folding):
        thread.start()
    for thread in threads:
        thread.join(120)
    done.set()
    for thread in folding:
        thread.join(60)
    assert errors == []
    assert query(team.owner, "select version, predictions from mlguard.model_usage order by 1") == [
        ("1", rows * writers),
        ("2", rows * writers),
    ]
    prepare(team.owner, "select mlguard.sweep()")
    assert query(team.owner, "select version, n from mlguard._model_usage order by 1") == [
        ("1", rows * writers),
        ("2", rows * writers),
    ]


def test_customers_see_the_champion(team: Team) -> None:
    prepare(team["dora"], f"{ROW}{row('1', 1)}, {row('2', 2)}")
    prepare(team.owner, "grant usage on schema predictions to anna")
    with psycopg.connect(team["anna"], autocommit=True) as reader:
        reader.execute("prepare served as select customer_id from predictions.churn_served")
        assert reader.execute("execute served").fetchall() == [(1,)]
        with psycopg.connect(team["bert"]) as promoting:
            promoting.execute("select mlguard.promote('churn', '2')")
            assert reader.execute("execute served").fetchall() == [(1,)]
            promoting.commit()
        assert reader.execute("execute served").fetchall() == [(2,)]
        prepare(team["bert"], "select mlguard.rollback('churn', 'worse')")
        assert reader.execute("execute served").fetchall() == [(1,)]


def test_nothing_is_served_without_a_champion_or_while_held(team: Team) -> None:
    prepare(team["dora"], f"{ROW}{row('1', 1)}")
    prepare(team.owner, "insert into mlguard._hold (tbl, slo) values ('predictions.churn', 'predictions.churn/x')")
    for sql in (
        "select * from predictions.churn_served where customer_id = 77",
        "select count(*) from predictions.churn_served",
    ):
        error = refused(team["anna"], sql)
        assert error.sqlstate == "ML001"
        assert str(error.diag.message_primary).startswith(f"mlguard: {TABLE} is held since ")
    prepare(team.owner, "delete from mlguard._hold; delete from mlguard._model_version where version = '1'")
    assert query(team["anna"], "select * from predictions.churn_served") == []


def test_versions_of_other_types(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, tables=TABLES.replace("model_version text", "model_version integer"))
    with people(db) as team:
        team.approved("7", "8", "latest")
        team.promote("7")
        prepare(team["dora"], f"{ROW}(1, now(), 0.5, 7), (2, now(), 0.5, 8)")
        assert refused(team["dora"], f"{ROW}(1, now(), 0.5, 9)").sqlstate == "ML003"
        assert query(db, "select model_version from predictions.churn_served") == [(7,)]
        team.promote("latest")  # no number: it has no row here
        assert query(db, "select model_version from predictions.churn_served") == []


def test_without_approval_everybody_writes_and_is_counted(db: str, tmp_path: Path) -> None:
    guard(db, tmp_path, HEAD)
    with people(db) as team:
        prepare(team["dora"], f"{ROW}{row('x', 1)}, (2, now(), 0.5, null)")
        found = query(db, "select version, predictions from mlguard.model_usage order by 1 nulls last")
        assert found == [("x", 1), (None, 1)]
        prepare(db, "select mlguard.sweep()")
        assert query(db, "select version, predictions from mlguard.model_usage order by 1 nulls last") == found
        assert query(db, "select * from mlguard.model_version") == []


def test_approval_comes_and_goes(db: str, tmp_path: Path) -> None:
    """The whole life: without, with, without again, gone; what was there before is there after."""
    prepare(db, TABLES)
    before = dump(db, "--exclude-schema=mlguard") if "18" in str(query(db, "show server_version")) else ""
    apply(db, tmp_path, HEAD)
    prepare(db, ROW + row("x", 1))
    apply(db, tmp_path, APPROVAL)
    assert refused(db, ROW + row("x", 2)).sqlstate == "ML003"
    prepare(db, f"update {TABLE} set score = 1")
    apply(db, tmp_path, HEAD)
    prepare(db, ROW + row("x", 2))
    api.remove([TABLE], db)
    prepare(db, ROW + row("y", 3))
    assert query(db, "select version, predictions from mlguard.model_usage") == [("x", 2)]  # the record stays
    if before:
        assert dump(db, "--exclude-schema=mlguard") == before
