"""Partitions that come and go: covered when made, judged before they are attached, out of the states when detached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.spec import Project
from tests.support import prepare, project, query

TABLE = """
create schema features;
create table features.day (id int, d date not null, a int, at timestamptz not null, primary key (id, at))
  partition by range (at);
create table features.day_1 partition of features.day for values from ('2026-01-01') to ('2026-01-02');
create table features."Day 2" partition of features.day for values from ('2026-01-02') to ('2026-01-03')
  partition by list (id);
create table features.day_2_odd partition of features."Day 2" for values in (1, 3, 5);
"""
TEXT = """
mlguard: 1
table: features.day
key: [id, at]
event_time: at
window: 1 day
columns:
  a: {type: integer, required: true, range: {between: [0, 10], on_violation: quarantine}, not_in: [7]}
slos:
  - {name: small, check: a < 5, on_violation: warn}
  - {name: fresh, check: staleness() <= INTERVAL '1 day'}
  - {name: enough, check: mean(a) >= 1, over: batch, on_violation: reject, min_rows: 1}
  - {name: filled, check: row_count() >= 2, over: 1 day, on_violation: warn}
"""
ROWS = """
insert into features.day select n, '2026-01-01', 3, '2026-01-01 05:00+00' from generate_series(1, 4) n;
insert into features.day select n, '2026-01-02', 3, '2026-01-02 05:00+00' from generate_series(1, 5, 2) n;
"""
LOOSE = """
create table features.day_3 (at timestamptz, d date, a int, id int, note text);
alter table features.day_3 drop column note;
"""

BOUNDS = {
    " DEFAULT ": "default",
    "FOR VALUES IN ('a''b', NULL, 'it''s; drop table x')": "for values in ('a''b', NULL, 'it''s; drop table x')",
    "in(1,-2.50, +3e7,true)": "for values in (1, -2.50, +3E7, TRUE)",
    "in ('a\\')": "for values in (E'a\\\\')",
    "from ('2026-01-01',minvalue)\nto('2026-02-01', MAXVALUE)": (
        "for values from ('2026-01-01', MINVALUE) to ('2026-02-01', MAXVALUE)"
    ),
    "with (modulus 4, remainder 3)": "for values with (modulus 4, remainder 3)",
}
NO_BOUNDS = (
    "default; drop table features.day",
    "in (1) ; drop table features.day",
    "in (1)) , drop column a",
    "in ('a'; drop table x; --')",
    "in ('a' 'b')",
    "in (pg_sleep(1))",
    "in ((select 1))",
    "in (E'a')",
    "in (1::int)",
    "in ()",
    "in (1,)",
    "from (1) to (2) with (a)",
    "in (1) -- ",
    "in ($$a$$)",
    "in (U&'a')",
    "",
)


@pytest.fixture
def loaded(tmp_path: Path) -> Project:
    return project(tmp_path, TEXT)


@pytest.fixture
def day(db: str, loaded: Project) -> str:
    prepare(db, TABLE)
    api.apply(loaded, db)
    assert api.plan(loaded, db).empty
    return db


def sums(dsn: str) -> list[tuple[object, ...]]:
    """Rows and sum of `a` by day, as the folded states say."""
    prepare(dsn, "select mlguard.sweep()")
    return query(
        dsn,
        "select bucket::date::text, n from mlguard._bucket where tbl = 'features.day' and segment = '{}' and n > 0"
        " order by 1",
    )


def recounted(dsn: str) -> list[tuple[object, ...]]:
    return query(dsn, "select at::date::text, count(*) from features.day group by 1 order by 1")


def findings(dsn: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [(found.name, found.message) for found in doctor.examine(connection)]


def attach(dsn: str, bound: str, child: str = "features.day_3", parent: str = "features.day") -> tuple[Any, ...] | None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(
            "select stored, quarantined, repaired from mlguard.attach_partition(%s, %s, %s)", (parent, child, bound)
        ).fetchone()


def test_a_partition_is_covered_when_it_is_made(day: str, loaded: Project) -> None:
    prepare(
        day,
        "create table features.day_4 partition of features.day for values from ('2026-01-04') to ('2026-01-05');"
        'create table features.day_2_even partition of features."Day 2" for values in (2, 4, 6);'
        "insert into features.day_4"
        " select n, '2026-01-04', v, '2026-01-04 03:00+00' from (values (1, 6), (2, -6)) as r (n, v)",
    )
    assert api.plan(loaded, day).empty
    assert findings(day) == []
    assert query(day, "select slo, bad from mlguard.violation") == [("features.day/small", 1)]
    assert query(day, "select count(*) from mlguard.quarantine") == [(1,)]
    assert sums(day) == recounted(day) == [("2026-01-04", 1)]


def test_without_event_triggers_plan_names_it_and_apply_mends_it(day: str, loaded: Project) -> None:
    prepare(
        day,
        "alter event trigger mlguard_partition_made disable;"
        "create table features.day_4 partition of features.day for values from ('2026-01-04') to ('2026-01-05')",
    )
    [(name, message)] = findings(day)
    assert name == "partition"
    assert "features.day_4 lacks" in message
    assert {step.verb for table in api.plan(loaded, day).tables for step in table.steps} == {"create"}
    api.apply(loaded, day)
    assert findings(day) == []


def test_attached_rows_are_judged_as_a_load(day: str, loaded: Project) -> None:
    prepare(
        day,
        LOOSE + "insert into features.day_3 (id, d, a, at)"
        " select n, '2026-01-03', n - 2, '2026-01-03 05:00+00' from generate_series(1, 8) n",
    )
    assert attach(day, "FROM ('2026-01-03') TO ('2026-01-04')") == (7, 1, 0)
    assert query(day, "select id, a from features.day_3 order by 1") == [(n, n - 2) for n in range(2, 9)]
    assert query(day, "select slo, bad from mlguard.violation order by 1") == [("features.day/small", 1)] * 2
    assert query(day, "select landed, withheld from mlguard.batch") == [(7, 1)]
    assert api.plan(loaded, day).empty
    assert findings(day) == []
    assert sums(day) == recounted(day) == [("2026-01-03", 7)]
    assert query(day, "select act, target, after ->> 'partition' from mlguard.event where act like '%partition'") == [
        ("attach partition", "features.day", "features.day_3")
    ]


def test_a_table_with_partitions_of_its_own_is_attached(day: str, loaded: Project) -> None:
    prepare(
        day,
        "create table features.day_3 (id int, d date, a int, at timestamptz, spare text) partition by hash (id);"
        "create table features.day_3_0 partition of features.day_3 for values with (modulus 2, remainder 0);"
        "create table features.day_3_1 partition of features.day_3 for values with (modulus 2, remainder 1);"
        "alter table features.day_3 drop column spare;"
        "insert into features.day_3 select n, '2026-01-03', n, '2026-01-03 05:00+00' from generate_series(1, 6) n",
    )
    assert attach(day, "for values from ('2026-01-03') to ('2026-01-04')") == (6, 0, 0)
    prepare(
        day,
        "insert into features.day_3_0 select n, '2026-01-03', 3, '2026-01-03 05:00+00' from generate_series(7, 99) n"
        " where satisfies_hash_partition('features.day_3'::regclass, 2, 0, n)",
    )
    assert api.plan(loaded, day).empty
    assert sums(day) == recounted(day)


def test_a_refused_attachment_changes_nothing(guarded_db: str, loaded: Project) -> None:
    prepare(guarded_db, TABLE + LOOSE)
    api.apply(loaded, guarded_db)
    third, long = "from ('2026-01-03') to ('2026-01-04')", "from ('2026-01-01') to ('2026-01-09')"
    for rows, bound, words in (
        ("(1, '2026-01-03', 7, '2026-01-03')", third, "a.not_in: a is 7"),
        ("(1, '2026-01-03', null, '2026-01-03')", third, 'null value in column "a"'),
        ("(1, '2026-01-03', 0, '2026-01-03'), (2, '2026-01-03', 1, '2026-01-03')", third, r"enough: mean\(a\) is 0.5"),
        ("(1, '2026-01-05', 2, '2026-01-05')", third, "violates partition constraint"),
        ("(1, '2026-01-03', 2, '2026-01-03')", long, "would overlap"),
    ):
        prepare(guarded_db, f"truncate features.day_3; insert into features.day_3 (id, d, a, at) values {rows}")
        before = query(guarded_db, "select * from features.day_3")
        with pytest.raises(psycopg.Error, match=words):
            attach(guarded_db, bound)
        assert query(guarded_db, "select * from features.day_3") == before
    assert query(guarded_db, "select count(*) from pg_inherits where inhrelid = 'features.day_3'::regclass") == [(0,)]
    assert query(guarded_db, "select count(*) from pg_trigger where tgrelid = 'features.day_3'::regclass") == [(0,)]
    assert query(guarded_db, "select count(*) from mlguard._object where name like '%day_3'") == [(0,)]

    prepare(
        guarded_db, "create table features.plain (a int); create table features.other (a int) partition by list (a)"
    )
    for child, parent, words in (
        ("features.day_1", "features.day", "features.day_1 cannot be attached"),
        ("features.day_guarded", "features.day", "features.day_guarded cannot be attached"),
        ("features.plain", "features.other", "features.other is not a partitioned table that is guarded"),
    ):
        with pytest.raises(psycopg.Error, match=words):
            attach(guarded_db, "default", child, parent)


def test_bounds_are_made_anew_from_their_constants(guarded_db: str) -> None:
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        for bound, sql in BOUNDS.items():
            assert connection.execute("select mlguard._bound_sql(%s)", [bound]).fetchone() == (sql,)
        for bound in NO_BOUNDS:
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="this is no bound of a partition"):
                connection.execute("select mlguard._bound_sql(%s)", [bound])


def test_a_detached_partition_leaves_the_states(day: str, loaded: Project) -> None:
    prepare(day, ROWS)
    assert sums(day) == recounted(day) == [("2026-01-01", 4), ("2026-01-02", 3)]
    history = "select slo, window_start, batch, outcome from mlguard._verdict where current order by 1, 2, 3"
    judged, incidents = query(day, history), query(day, "select id, slo from mlguard._incident")
    assert len(judged) > 2
    assert query(day, "select mlguard.detach_partition('features.day', 'features.\"Day 2\"')") == [(3,)]
    assert sums(day) == recounted(day) == [("2026-01-01", 4)]
    assert query(day, history) == judged
    assert query(day, "select id, slo from mlguard._incident") == incidents
    assert query(day, "select max(newest)::date::text from mlguard._freshness") == [("2026-01-01",)]
    # It is a table of its own now: no rule holds there, and what is written there is nobody's.
    prepare(day, "insert into features.\"Day 2\" select 1, '2026-01-02', 7, '2026-01-02 06:00+00'")
    assert sums(day) == recounted(day)
    assert api.plan(loaded, day).empty
    assert findings(day) == []
    prepare(day, 'delete from features."Day 2" where a = 7')
    assert attach(day, "from ('2026-01-02') to ('2026-01-03')", 'features."Day 2"') == (3, 0, 0)
    assert sums(day) == recounted(day) == [("2026-01-01", 4), ("2026-01-02", 3)]
    assert findings(day) == []


@pytest.mark.parametrize(
    "act", ["alter table features.day detach partition features.day_1", "drop table features.day_1"]
)
def test_what_went_past_mlguard_is_found_and_mended(day: str, loaded: Project, act: str) -> None:
    prepare(day, ROWS)
    sums(day)
    prepare(day, act)
    [(name, message)] = findings(day)
    assert name == "partition-gone"
    assert message.startswith("features.day_1 was a partition")
    prepare(day, "insert into features.day values (1, '2026-01-02', 3, '2026-01-02 07:00+00')")
    api.apply(loaded, day)
    assert findings(day) == []
    assert sums(day) == recounted(day)


def test_what_came_past_mlguard_is_found_and_mended(day: str, loaded: Project) -> None:
    prepare(
        day,
        "create table features.day_3 (like features.day including all);"
        "insert into features.day_3 values (1, '2026-01-03', 3, '2026-01-03 05:00+00');"
        "alter table features.day attach partition features.day_3 for values from ('2026-01-03') to ('2026-01-04')",
    )
    [(name, message)] = findings(day)
    assert name == "partition"
    assert message.endswith("the rows it came with were judged by CHECKs only, and no state counts them")
    api.apply(loaded, day)
    assert findings(day) == []
    assert sums(day) == recounted(day) == [("2026-01-03", 1)]


def test_a_disabled_clone_is_found(day: str) -> None:
    prepare(day, "alter table features.day_1 disable trigger zz_mlguard_before_row")
    with psycopg.connect(day, autocommit=True) as connection:
        [found] = doctor.examine(connection)
        assert (found.name, found.table) == ("disabled", "features.day")
        connection.execute(found.fix.encode())
        assert doctor.examine(connection) == []


def test_an_ordinary_owner_needs_no_superuser(bare18: str, loaded: Project) -> None:
    """Without event triggers cover_partitions() hangs the triggers on; the rest is the owner's right."""
    name = query(bare18, "select current_database()")[0][0]
    prepare(bare18, f'create role parting login nosuperuser nocreaterole; grant create on database "{name}" to parting')
    try:
        plain = bare18.replace("postgres@", "parting@")
        prepare(plain, TABLE)
        api.apply(loaded, plain)
        prepare(
            plain,
            "create table features.day_4 partition of features.day for values from ('2026-01-04') to ('2026-01-05')",
        )
        assert "partition" in {found for found, _ in findings(plain)}
        assert query(plain, "select mlguard.cover_partitions('features.day') > 0") == [(True,)]
        assert query(plain, "select mlguard.cover_partitions('features.day_4')") == [(0,)]
        prepare(plain, LOOSE + "insert into features.day_3 (id, a, at) values (1, 4, '2026-01-03 05:00+00')")
        prepare(plain, "update features.day_3 set d = '2026-01-03'")
        assert attach(plain, "from ('2026-01-03') to ('2026-01-04')") == (1, 0, 0)
        assert sums(plain) == recounted(plain) == [("2026-01-03", 1)]
        assert query(plain, "select mlguard.detach_partition('features.day', 'features.day_3')") == [(1,)]
        assert sums(plain) == recounted(plain) == []
        assert api.plan(loaded, plain).empty
        assert {found for found, _ in findings(plain)} <= {"role"}
    finally:
        prepare(bare18, "reassign owned by parting to postgres; drop owned by parting; drop role parting")
