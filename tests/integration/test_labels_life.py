"""Labels and groups from apply to remove: windows that wait, chance, attributes nobody may read, what doctor sees."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor
from mlguard.errors import SpecError
from mlguard.operate.backtest import backtest, by_slo
from tests import labels_example
from tests.labels_example import ATTRIBUTES, HEAD, TABLE, Connection
from tests.support import project, query, write

SLOS = """
slos:
  - {name: mae, check: 'mae(score, label) <= 0.2', over: 1 day}
  - {name: arrived, check: label_coverage() >= 0.9, over: 1 day}
  - {name: rows, check: row_count() >= 1, over: 1 day}
"""
TRIGGERS = """
select c.oid::regclass::text, t.tgname from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
where t.tgname like 'zz\\_mlguard\\_after\\_labels%' or t.tgname like 'zz\\_mlguard\\_after\\_attributes%' order by 1, 2
"""


def predict(connection: Connection, day: str, count: int, *, score: float = 0.9, first: int = 1) -> None:
    connection.execute(
        "insert into predictions.churn select g, %s::timestamp at time zone 'UTC' + interval '12 hours', 'v1', %s,"
        " case when g %% 2 = 0 then 'a' else 'b' end from generate_series(%s::bigint, %s) g",
        (day, score, first, first + count - 1),
    )


def label(connection: Connection, day: str, count: int, *, value: float = 1, first: int = 1) -> None:
    connection.execute(
        "insert into labels.churn select g, %s::timestamp at time zone 'UTC' + interval '12 hours', %s"
        " from generate_series(%s::bigint, %s) g",
        (day, value, first, first + count - 1),
    )


def since(connection: Connection) -> None:
    """Have all SLOs in force from the first window on, so that none is history."""
    connection.execute("update mlguard._slo set since = '2026-01-01'")


def test_windows_wait_until_labels_are_mature_and_are_judged_anew_after(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    with psycopg.connect(db, autocommit=True) as connection:
        since(connection)
        predict(connection, "2026-01-01", 40)
        label(connection, "2026-01-01", 10)
        labels_example.sweep(connection, "2026-01-10")
        assert labels_example.verdicts(connection, "mae") == []
        assert labels_example.verdicts(connection, "arrived") == []
        assert labels_example.verdicts(connection, "rows")[0][2:] == ("PASS", 40, None)
        labels_example.sweep(connection, "2026-01-16 00:01+00")
        assert labels_example.verdicts(connection, "mae") == [
            ("2026-01-01", {}, "INSUFFICIENT", 10, "10 labelled rows, fewer than 30")
        ]
        assert labels_example.verdicts(connection, "arrived") == [("2026-01-01", {}, "FAIL", 40, None)]
        label(connection, "2026-01-01", 30, first=11, value=0)
        labels_example.sweep(connection, "2026-01-16 00:02+00")
        assert labels_example.verdicts(connection, "mae") == [("2026-01-01", {}, "FAIL", 40, None)]
        assert labels_example.verdicts(connection, "arrived") == [("2026-01-01", {}, "PASS", 40, None)]
        observed = connection.execute(
            "select observed, allowed from mlguard.verdict where slo = %s and current", (f"{TABLE}/mae",)
        ).fetchone()
        assert observed == ("mae(score, label) is 0.7", "allowed <= 0.2")
        connection.execute("update labels.churn set churned = 1")
        labels_example.sweep(connection, "2026-01-16 00:03+00")
        assert labels_example.verdicts(connection, "mae") == [("2026-01-01", {}, "PASS", 40, None)]


def test_windows_that_slide_wait_for_labels_too(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    slos = """
slos:
  - {name: slides, check: 'mae(score, label) <= 0.2', over: last 3 days}
  - {name: rows, check: row_count() >= 1, over: last 3 days}
"""
    labels_example.put(guarded_db, tmp_path, slos)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        since(connection)
        for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
            predict(connection, day, 20)
        label(connection, "2026-01-01", 20)
        label(connection, "2026-01-02", 20)
        labels_example.sweep(connection, "2026-01-18 00:01+00")
        # A sliding window is judged at the end of each day, and begins before the table did.
        found = {row[0]: row[2:4] for row in labels_example.verdicts(connection, "slides")}
        assert found["2025-12-30"] == ("INSUFFICIENT", 20)
        assert found["2025-12-31"] == ("PASS", 40)
        assert found["2026-01-01"] == ("PASS", 40)
        assert max(found) == "2026-01-01"
        assert max(row[0] for row in labels_example.verdicts(connection, "rows")) == "2026-01-15"
        label(connection, "2026-01-03", 20, value=0)
        labels_example.sweep(connection, "2026-01-18 00:02+00")
        found = {row[0]: row[2:4] for row in labels_example.verdicts(connection, "slides")}
        assert found["2026-01-01"] == ("FAIL", 60)


FAIR = """
slos:
  - {name: impact, check: 'disparate_impact(score >= 0.5, gender) >= 0.8', over: 1 day}
  - {name: gap, check: 'parity_gap(score >= 0.5, gender) <= 0.1', over: 1 day}
  - {name: chances, check: 'equal_opportunity_gap(score >= 0.5, label, gender) <= 0.1', over: 1 day}
  - {name: errors, check: 'error_ratio(score, label, gender) <= 1.5', over: 1 day}
  - {name: wrong, check: 'error_ratio(score >= 0.5, label, gender) <= 1.5', over: 1 day}
  - {name: split, check: 'mean(score) >= 0', over: 1 day, by: gender}
"""


def people(connection: Connection, day: str, groups: dict[str | None, tuple[int, int]], *, first: int) -> None:
    """Write predictions, all labelled 1: of each group so many with 0.9, and so many with 0.1."""
    for group, (good, bad) in groups.items():
        last = first + good + bad - 1
        connection.execute(
            "insert into crm.person select g, %s from generate_series(%s::bigint, %s) g", (group, first, last)
        )
        if good:
            predict(connection, day, good, score=0.9, first=first)
        predict(connection, day, bad, score=0.1, first=first + good)
        label(connection, day, good + bad, first=first)
        first = last + 1


def test_groups_are_compared_and_small_differences_are_left_to_chance(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, FAIR, HEAD + ATTRIBUTES)
    names = ("impact", "gap", "chances", "errors", "wrong")
    with psycopg.connect(db, autocommit=True) as connection:
        since(connection)
        people(connection, "2026-01-01", {"f": (400, 600), "m": (700, 300)}, first=1)
        people(connection, "2026-01-02", {"f": (14, 21), "m": (24, 11)}, first=10_001)
        people(connection, "2026-01-03", {"f": (500, 500), "x": (0, 20)}, first=20_001)
        people(connection, "2026-01-04", {"f": (60, 40), "m": (60, 40)}, first=30_001)
        people(connection, "2026-01-05", {"f": (0, 40), "m": (0, 40)}, first=40_001)
        labels_example.sweep(connection)
        found = {name: [row[2:] for row in labels_example.verdicts(connection, name)[:5]] for name in names}
        chance = ("INSUFFICIENT", 70, "within chance")
        for name in names:
            assert found[name][0] == ("FAIL", 2000, None), name
            assert found[name][1] == chance, name
            assert found[name][3] == ("PASS", 200, None), name
        assert [found[name][2][2] for name in names] == [
            "fewer than two groups of 30 rows",
            "fewer than two groups of 30 rows",
            "fewer than two groups of 30 positive labels",
            "fewer than two groups of 30 labelled rows",
            "fewer than two groups of 30 labelled rows",
        ]
        assert found["impact"][4] == ("INSUFFICIENT", 80, "no positive predictions")
        assert found["gap"][4] == ("PASS", 80, None)
        told = connection.execute(
            "select observed from mlguard.verdict where slo = %s and window_start = '2026-01-01'", (f"{TABLE}/impact",)
        ).fetchone()
        assert told == ("disparate_impact(score >= 0.5, gender) is 0.571",)
        # What is behind a verdict names no group: some may be small.
        evidence = connection.execute(
            "select count(*) from mlguard._verdict where detail::text like '%=f%' or detail::text like '%opportunity%'"
        ).fetchone()
        assert evidence == (0,)


def test_small_groups_are_judged_together(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, FAIR, HEAD + ATTRIBUTES)
    with psycopg.connect(db, autocommit=True) as connection:
        people(connection, "2026-01-01", {"f": (500, 500), **{f"g{i}": (0, 20) for i in range(20)}}, first=1)
        labels_example.sweep(connection)
        value = connection.execute(
            "select value from mlguard.metric where metric like 'parity_gap%%' and value is not null"
        ).fetchone()
        assert value == (0.5,)


def test_attributes_need_not_be_readable_and_a_change_is_counted_anew(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, FAIR, HEAD + ATTRIBUTES)
    with psycopg.connect(db, autocommit=True) as connection:
        connection.execute("drop role if exists labels_task")
        connection.execute("create role labels_task")
        connection.execute("grant usage on schema predictions, labels to labels_task")
        connection.execute("grant select, insert, update on predictions.churn, labels.churn to labels_task")
        connection.execute("insert into crm.person select g, 'f' from generate_series(1, 80) g")
        connection.execute("set role labels_task")
        predict(connection, "2026-01-01", 80)
        label(connection, "2026-01-01", 80)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from crm.person")
        connection.execute("reset role")
        labels_example.sweep(connection)
        assert labels_example.verdicts(connection, "split")[0][1] == {"gender": "f"}
        connection.execute("update crm.person set gender = 'm' where customer_id <= 30")
        connection.execute("update predictions.churn set score = 0.1 where customer_id <= 30")
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        value = connection.execute(
            "select value from mlguard.metric where metric like 'parity_gap%%' and value is not null order by id desc"
        ).fetchone()
        assert value == (1.0,)
        connection.execute("reassign owned by labels_task to current_user; drop owned by labels_task")
        connection.execute("drop role labels_task")


def test_plan_lists_the_triggers_and_remove_takes_them_away(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    text = HEAD + ATTRIBUTES + FAIR
    made = api.plan(project(tmp_path, text), db)
    (table,) = made.tables
    on_labels = [step for step in table.steps if " on labels.churn" in step.what]
    assert len(on_labels) == 4
    assert all(step.lock.startswith("SHARE ROW EXCLUSIVE") for step in on_labels)
    api.apply(project(tmp_path, text), db)
    assert len(query(db, TRIGGERS)) == 8
    assert api.plan(project(tmp_path, text), db).empty
    api.apply(project(tmp_path, HEAD + "slos:\n  - {name: n, check: row_count() >= 1, over: 1 day}\n"), db)
    assert query(db, TRIGGERS) == []
    api.apply(project(tmp_path, text), db)
    with psycopg.connect(db, autocommit=True) as connection:
        predict(connection, "2026-01-01", 5)
    api.remove([TABLE], db)
    assert query(db, TRIGGERS) == []
    assert query(db, "select count(*) from mlguard._pairing") == [(0,)]


def test_a_label_trigger_that_was_gone_is_made_anew_and_rows_are_counted(db: str, tmp_path: Path) -> None:
    labels_example.create(db)
    labels_example.put(db, tmp_path, SLOS)
    with psycopg.connect(db, autocommit=True) as connection:
        predict(connection, "2026-01-01", 40)
        triggers = [name for _, name in query(db, TRIGGERS)]
        insert = next(str(name) for name in triggers if str(name).endswith("insert"))
        connection.execute(f'drop trigger "{insert}" on labels.churn'.encode())
        label(connection, "2026-01-01", 40)
        assert "missing" in {finding.name for finding in doctor.examine(connection)}
        labels_example.put(db, tmp_path, SLOS)
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)


def test_partitions_of_labels_have_triggers_of_their_own(db: str, tmp_path: Path) -> None:
    partitioned = labels_example.CREATE.replace(
        "primary key (customer_id, as_of)\n);\ncreate table crm",
        "primary key (customer_id, as_of)\n) partition by range (as_of);\n"
        "create table labels.churn_old partition of labels.churn for values from (minvalue) to ('2026-02-01');\n"
        "create table labels.churn_new partition of labels.churn for values from ('2026-02-01') to (maxvalue);\n"
        "create table crm",
    )
    assert "churn_old" in partitioned
    labels_example.create(db, partitioned)
    labels_example.put(db, tmp_path, SLOS)
    with psycopg.connect(db, autocommit=True) as connection:
        predict(connection, "2026-01-01", 40)
        label(connection, "2026-01-01", 20)
        connection.execute(
            "insert into labels.churn_old select g, '2026-01-01 12:00+00', 1 from generate_series(21, 40) g"
        )
        labels_example.fold(connection)
        labels_example.same_as_a_recount(connection)
        labels_example.sweep(connection)
        assert labels_example.verdicts(connection, "mae")[0][2:4] == ("PASS", 40)


def test_backtest_computes_a_metric_defined_today_over_history(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        for day in range(1, 11):
            predict(connection, f"2026-01-{day:02}", 40, score=0.9 if day != 7 else 0.2)
            label(connection, f"2026-01-{day:02}", 40)
    with psycopg.connect(guarded_db) as connection:
        found = backtest(connection, project(tmp_path, HEAD + SLOS))
        connection.rollback()
    values = [value for value in by_slo(found)[f"{TABLE}/mae"] if value.value is not None]
    assert [round(value.value or 0, 3) for value in values] == [0.1] * 6 + [0.8] + [0.1] * 3
    assert [value.outcome for value in values].count("FAIL") == 1
    assert query(guarded_db, "select count(*) from mlguard._bucket") == [(0,)]


PEOPLE = "attributes: {table: crm.person, on: [customer_id], columns: [gender]}\n"


@pytest.mark.parametrize(
    ("changes", "place", "message", "help_"),
    [
        ({"labels.churn,": "labels.gone,"}, "9:17", "no table labels.gone in this database", "create"),
        ({"[customer_id, as_of], v": "[customer_id, day], v"}, "9:49", "no column `day` in labels.churn", "columns"),
        ({"on: [customer_id, as_of], v": "on: [customer_id], v"}, "9:35", "nothing in labels.churn keeps", "create"),
        ({"value: churned": "value: churnd"}, "9:64", "no column `churnd`; did you mean `churned`?", ""),
        ({"value: churned": "value: labelled_at"}, "9:64", "the label is timestamp with time zone", "write"),
        ({"event_time: as_of": "owner: me"}, "9:9", "labels are counted by the event time", "add event_time"),
        ({"columns: [gender]": "columns: [sex]"}, "10:62", "no column `sex` in crm.person", "columns"),
        ({"columns: [gender]": "columns: [grp]"}, "10:62", "predictions.churn has a `grp`", "segment"),
        ({"crm.person": "predictions.churn"}, "10:21", "`attributes` names the prediction table itself", "use"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_place(
    guarded_db: str, tmp_path: Path, changes: dict[str, str], place: str, message: str, help_: str
) -> None:
    labels_example.create(guarded_db)
    head = HEAD + PEOPLE
    for old, new in changes.items():
        assert old in head
        head = head.replace(old, new, 1)
    with pytest.raises(SpecError) as raised:
        labels_example.put(guarded_db, tmp_path, SLOS, head)
    told = [problem for problem in raised.value.problems if message in problem.message]
    assert told, raised.value
    assert told[0].where is not None
    assert f"{told[0].where.line}:{told[0].where.column}" == place
    assert told[0].help.startswith(help_)


def test_batches_and_a_column_called_label_are_refused(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db, labels_example.CREATE.replace("grp text,", "grp text, label text,", 1))
    with pytest.raises(SpecError) as raised:
        labels_example.put(guarded_db, tmp_path, "slos:\n  - {name: m, check: 'mae(score, label) < 1', over: batch}\n")
    words = str(raised.value)
    assert "predictions.churn has a column `label`" in words
    assert "a batch is judged at its COMMIT, when no label of it has arrived" in words


def test_marks_of_another_server_are_forgotten_after_a_restore(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    labels_example.put(guarded_db, tmp_path, SLOS)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        predict(connection, "2026-01-01", 40)
        connection.execute("update mlguard._pairing set xid = '99999999999', seen = '99999999998:99999999999:'")
        connection.execute("insert into mlguard._paired values ('predictions.churn', '99999999999')")
        label(connection, "2026-01-01", 40)
        connection.execute("select mlguard._find_unseen('predictions.churn')")
        assert connection.execute("select count(*) from mlguard._recount_due").fetchone() == (0,)
        assert connection.execute("select side from mlguard._pairing").fetchall() in ([("labels",)], [])
        assert connection.execute("select count(*) from mlguard._paired where upto > '9999999999'").fetchone() == (0,)
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)


def test_a_guarded_label_table_keeps_bad_labels_out_and_counts_released_ones(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    quarantine = "columns: {churned: {range: {between: [0, 1], on_violation: quarantine}}}\n"
    own = "mlguard: 1\ntable: labels.churn\nkey: [customer_id, as_of]\nreads: none\nevent_time: labelled_at\n"
    text = own + quarantine + "slos:\n  - {name: n, check: row_count() >= 1, over: 1 day}\n"
    write(tmp_path, text, "labels.slo.yaml")
    both = project(tmp_path, HEAD + SLOS)
    api.apply(both, guarded_db)
    assert api.plan(both, guarded_db).empty
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        predict(connection, "2026-01-01", 40)
        label(connection, "2026-01-01", 30)
        label(connection, "2026-01-01", 10, first=31, value=7)
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        assert labels_example.verdicts(connection, "mae")[0][3] == 30
        connection.execute(
            "select mlguard.release(id, '{\"churned\": 1}') from mlguard.quarantine where tbl = 'labels.churn'"
        )
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        assert labels_example.verdicts(connection, "mae")[0][3] == 40
        api.remove(["labels.churn"], guarded_db)
        connection.execute("update labels.churn set churned = 0")
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)


def test_doctor_sees_indexes_and_columns_of_both_sides(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    labels_example.put(guarded_db, tmp_path, SLOS)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        assert doctor.examine(connection) == []
        connection.execute("alter table predictions.churn drop constraint churn_pkey")
        connection.execute("alter table labels.churn drop constraint churn_pkey")
        connection.execute("alter table labels.churn rename column churned to gone")
        (insert,) = [name for _, name in query(guarded_db, TRIGGERS) if str(name).endswith("insert")]
        connection.execute(f'alter table labels.churn disable trigger "{insert}"'.encode())
        found = doctor.examine(connection)
    assert [finding.name for finding in found] == ["column-gone", "disabled", "join-index", "join-index"]
    assert 'labels"."churn" has no column churned any more' in found[0].message
    assert {finding.message.split(" ")[3] for finding in found[2:]} == {"predictions.churn", "labels.churn"}


SCANS = """
select relname, seq_scan from pg_stat_user_tables
where (schemaname, relname) in (('labels', 'churn'), ('crm', 'person'), ('predictions', 'churn')) order by 1, schemaname
"""


def test_a_single_row_after_a_large_load_reads_no_other_table_whole(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        connection.execute("insert into crm.person select g, 'f' from generate_series(1, 30000) g")
        predict(connection, "2026-01-01", 30_000)
        label(connection, "2026-01-01", 20_000)
        connection.execute("analyze")
    labels_example.put(guarded_db, tmp_path, FAIR, HEAD + ATTRIBUTES)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        label(connection, "2026-01-01", 9_000, first=20_001)
        predict(connection, "2026-01-02", 20_000)
        connection.execute("select pg_stat_force_next_flush()")
        before = connection.execute(SCANS).fetchall()
        predict(connection, "2026-01-03", 1)
        label(connection, "2026-01-01", 1, first=29_001)
        connection.execute("update labels.churn set churned = 0 where customer_id = 29001 and as_of < '2026-01-02'")
        connection.execute("select pg_stat_force_next_flush()")
        after = connection.execute(SCANS).fetchall()
        assert len(before) == 3
        assert after == before
        labels_example.fold(connection)
        labels_example.same_as_a_recount(connection)


PERSON = "mlguard: 1\ntable: crm.person\nkey: [customer_id]\nreads: none\ncolumns: {gender: {pii: true}}\n"


def test_personal_attributes_are_no_segments_and_groups_of_them_are_hashes(guarded_db: str, tmp_path: Path) -> None:
    labels_example.create(guarded_db)
    write(tmp_path, PERSON, "person.slo.yaml")
    with pytest.raises(SpecError) as raised:
        api.apply(project(tmp_path, HEAD + ATTRIBUTES + FAIR), guarded_db)
    assert "gender is pii, and the values of segments stand in every verdict" in str(raised.value)
    fair = FAIR.replace("  - {name: split, check: 'mean(score) >= 0', over: 1 day, by: gender}\n", "")
    api.apply(project(tmp_path, HEAD + ATTRIBUTES + fair), guarded_db)
    with psycopg.connect(guarded_db, autocommit=True) as connection:
        people(connection, "2026-01-01", {"female": (10, 90), "male": (90, 10)}, first=1)
        labels_example.sweep(connection)
        labels_example.same_as_a_recount(connection)
        states = connection.execute("select states::text from mlguard._bucket where n > 0").fetchall()
        assert len(states) == 1
        assert "male" not in states[0][0]
        assert [row[2] for row in labels_example.verdicts(connection, "gap")[:1]] == ["NOTED"]
