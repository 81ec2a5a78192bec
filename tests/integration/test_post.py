"""Post-prediction steps on real servers: every way of writing, each value processed exactly once."""

from __future__ import annotations

import math
from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.predictions_example import HEAD, POST, TABLE, guard
from tests.support import prepare, project, query

DAY = "'2026-11-01 00:00+00'"


def calibrated(score: float) -> float:
    return round(min(max(1 / (1 + math.exp(-(1.3 * score - 0.2))), 0.1), 0.9), 4)


def stored(dsn: str, columns: str = "customer_id, score, action, raw_score") -> list[tuple[object, ...]]:
    return query(dsn, f"select {columns} from predictions.churn order by customer_id")


def changes(dsn: str) -> list[tuple[object, ...]]:
    return query(
        dsn,
        "select key ->> 'customer_id', column_name, old, new, split_part(rule, '/', 2), version"
        " from mlguard.change order by id",
    )


def insert(*rows: str) -> str:
    values = ", ".join(f"({row.partition(',')[0]}, {DAY}, 'v1',{row.partition(',')[2]})" for row in rows)
    return f"insert into predictions.churn (customer_id, as_of, model_version, score, action) values {values}"


class TestOneRow:
    def test_steps_run_in_order_and_raw_keeps_the_models_own_value(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("1, 1.5, 'call'"))
        assert stored(pg) == [(1, calibrated(1.5), "call", 1.5)]
        assert changes(pg) == []  # calibrate and round touch every row, and raw keeps the value

    def test_three_conditional_steps_leave_three_lines(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, POST.replace("[0.1, 0.9]", "[0.7, 0.9]"))
        prepare(pg, insert("13, null, 'call'"))
        middle = 1 / (1 + math.exp(-(1.3 * 0.5 - 0.2)))
        assert stored(pg) == [(13, 0.7, "none", None)]
        assert changes(pg) == [
            ("13", "score", None, 0.5, "post.fallback_prior", 1),
            ("13", "score", pytest.approx(middle), 0.7, "post.clip", 1),
            ("13", "action", "call", "none", "post.never_contact_blocked", 1),
        ]

    def test_without_raw_the_change_log_keeps_every_step(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, POST.replace("raw: {score: raw_score}", ""))
        prepare(pg, insert("1, 1.5, 'call'"))
        assert [(line[1], line[2], line[4]) for line in changes(pg)] == [
            ("score", 1.5, "post.calibrate"),
            ("score", pytest.approx(1 / (1 + math.exp(-1.75))), "post.round"),
        ]

    def test_row_slos_judge_what_lands(self, pg: str, tmp_path: Path) -> None:
        rules = "columns: {score: {type: double precision, range: [0, 1]}}\n"
        guard(pg, tmp_path, rules + POST)
        prepare(pg, insert("1, 7.5, 'call'"))
        assert stored(pg) == [(1, 0.9, "call", 7.5)]

    def test_quarantine_keeps_the_row_as_it_arrived(self, pg: str, tmp_path: Path) -> None:
        rules = "columns: {score: {type: double precision, range: {between: [0, 0.5], on_violation: quarantine}}}\n"
        guard(pg, tmp_path, rules + POST)
        prepare(pg, insert("1, 1.5, 'call'", "2, -3, 'call'"))
        assert stored(pg) == [(2, 0.1, "call", -3.0)]
        assert query(pg, "select row ->> 'score', row ->> 'raw_score', slos from mlguard.quarantine") == [
            ("1.5", None, ["predictions.churn/score.range"])
        ]

    @pytest.mark.parametrize("on_error", ["quarantine", "reject"])
    def test_an_error_of_a_step(self, pg: str, tmp_path: Path, on_error: str) -> None:
        text = f"post:\n  - {{name: odds, set: {{score: score / (1 - score)}}, on_error: {on_error}}}\n"
        text += "raw: {score: raw_score}\n"
        guard(pg, tmp_path, text)
        write = insert("1, 0.5, 'call'", "2, 1, 'call'")
        if on_error == "reject":
            with pytest.raises(psycopg.errors.CheckViolation, match=r"predictions\.churn/post\.odds: score is 1"):
                prepare(pg, write)
            assert stored(pg) == []
            return
        prepare(pg, write)
        assert stored(pg) == [(1, 1.0, "call", 0.5)]
        assert query(pg, "select row ->> 'score', row ->> 'raw_score', slos from mlguard.quarantine") == [
            ("1", None, ["predictions.churn/post.odds"])
        ]
        with psycopg.connect(pg, autocommit=True) as connection:
            connection.execute(
                "select * from mlguard.release((select id from mlguard.quarantine), '{\"score\": 0.75}')"
            )
        assert stored(pg)[1] == (2, 3.0, "call", 0.75)


class TestExactlyOnce:
    """What was processed when the model wrote it is never processed again."""

    def test_upsert_of_the_excluded_value(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        upsert = " on conflict (customer_id, as_of) do update set score = excluded.score, action = excluded.action"
        prepare(pg, insert("1, 1.5, 'call'") + upsert)
        prepare(pg, insert("1, -0.4, 'mail'", "2, 0.3, 'mail'", "13, 0.9, 'mail'") + upsert)
        assert stored(pg) == [
            (1, calibrated(-0.4), "mail", -0.4),
            (2, calibrated(0.3), "mail", 0.3),
            (13, calibrated(0.9), "none", 0.9),
        ]
        prepare(pg, insert("13, 0.2, 'mail'") + upsert)
        assert stored(pg)[2] == (13, calibrated(0.2), "none", 0.2)
        lines = [(line[0], line[3], line[4]) for line in changes(pg)]
        assert lines == [("13", "none", "post.never_contact_blocked")] * 2

    def test_upsert_that_leaves_the_score(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("13, 1.5, 'call'"))
        prepare(pg, insert("13, null, 'mail'") + " on conflict (customer_id, as_of) do update set latency_ms = 7")
        assert stored(pg) == [(13, calibrated(1.5), "none", 1.5)]
        assert len(changes(pg)) == 1  # what was noted of the row that did not land was taken back

    def test_upsert_that_computes_a_new_value(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("1, 1.5, 'call'"))
        prepare(pg, insert("1, 0.4, 'mail'") + " on conflict (customer_id, as_of) do update set score = 0.25")
        assert stored(pg) == [(1, calibrated(0.25), "call", 0.25)]

    def test_nothing_is_noted_of_rows_that_did_not_land(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("13, 1.5, 'call'"))
        before = changes(pg)
        prepare(pg, insert("13, null, 'mail'") + " on conflict do nothing")
        assert changes(pg) == before
        assert query(pg, "select count(*) from mlguard.review") == [(0,)]

    def test_update(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("1, 1.5, 'call'", "2, 0.3, 'call'"))
        prepare(pg, "update predictions.churn set latency_ms = 3, raw_score = 99, score = score")
        prepare(pg, "update predictions.churn set action = 'mail' where customer_id = 1")
        prepare(pg, "update predictions.churn set score = 0.7 where customer_id = 2")
        assert stored(pg) == [(1, calibrated(1.5), "mail", 1.5), (2, calibrated(0.7), "call", 0.7)]

    def test_merge(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("1, 1.5, 'call'"))
        prepare(
            pg,
            f"merge into predictions.churn as t using (values (0, null), (1, 0.5), (2, 0.5)) as s (customer_id, score)"
            f" on t.customer_id = s.customer_id when matched then update set score = s.score"
            f" when not matched then insert (customer_id, as_of, score, action)"
            f" values (s.customer_id, {DAY}, s.score, 'call')",
        ) if query(pg, "select current_setting('server_version_num')::int >= 150000") == [(True,)] else pytest.skip(
            "MERGE"
        )
        assert stored(pg) == [
            (0, calibrated(0.5), "call", None),
            (1, calibrated(0.5), "call", 0.5),
            (2, calibrated(0.5), "call", 0.5),
        ]

    def test_a_forged_note_is_not_believed(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path)
        prepare(pg, insert("1, 1.5, 'call'"))
        with psycopg.connect(pg, autocommit=True) as connection:
            name = (
                "(select 'mlguard.post_memo_' || substring(prosrc from 'post_memo_([0-9a-f]+)') from pg_proc"
                " where proname = 'post predictions.churn before')"
            )
            connection.execute(
                f"update predictions.churn set score = 0.99 where set_config({name}, repeat('0', 64) || "
                '\'{"op": "INSERT", "now": {"score": 0.99}, "key": {"customer_id": 1}}\', true) <> \'\''
            )
        assert stored(pg) == [(1, calibrated(0.99), "call", 0.99)]

    def test_partitions_and_moves_between_them(self, pg: str, tmp_path: Path) -> None:
        table = TABLE.replace(
            "primary key (customer_id, as_of)\n)", "primary key (customer_id, as_of)\n) partition by range (as_of)"
        )
        table += (
            "create table predictions.p1 partition of predictions.churn"
            " for values from ('2026-01-01') to ('2026-12-01');"
            "create table predictions.p2 (as_of timestamptz not null, score double precision,"
            " raw_score double precision,"
            " action text, customer_id bigint not null, latency_ms double precision, model_version text);"
            "alter table predictions.churn attach partition predictions.p2"
            " for values from ('2026-12-01') to ('2027-12-01');"
        )
        guard(pg, tmp_path, table=table)
        prepare(pg, insert("1, 1.5, 'call'", "13, 0.3, 'call'"))
        prepare(pg, "update predictions.churn set as_of = '2026-12-05 00:00+00'")
        prepare(pg, "insert into predictions.p2 (customer_id, as_of, score) values (3, '2026-12-06', 0.9)")
        assert stored(pg, "customer_id, score, raw_score, tableoid::regclass::text") == [
            (1, calibrated(1.5), 1.5, "predictions.p2"),
            (3, calibrated(0.9), 0.9, "predictions.p2"),
            (13, calibrated(0.3), 0.3, "predictions.p2"),
        ]
        prepare(pg, "update predictions.churn set as_of = '2026-11-05 00:00+00', score = 0.2 where customer_id = 1")
        assert stored(pg)[0] == (1, calibrated(0.2), "call", 0.2)
        assert len(changes(pg)) == 1


def test_copy(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    load = "copy predictions.churn (customer_id, as_of, score) from stdin (format csv)"
    with psycopg.connect(pg) as connection, connection.cursor() as cursor, cursor.copy(load) as copy:
        for number in range(20, 2020):
            copy.write(f"{number},2026-11-01,{'' if number % 100 == 0 else (number - 1000) / 500}\n")
    found = stored(pg, "customer_id, score")
    assert len(found) == 2000
    assert all(
        score == pytest.approx(calibrated(0.5 if number % 100 == 0 else (number - 1000) / 500), abs=1e-12)  # type: ignore[operator]
        for number, score in found
    )
    names = query(pg, "select split_part(rule, '.', 3), count(*) from mlguard.change group by 1 order by 1")
    assert ("fallback_prior", 20) in names


class TestCalibration:
    def test_forms(self, pg: str, tmp_path: Path) -> None:
        table = TABLE + "create table ops.points (x double precision primary key, y double precision);"
        table += "insert into ops.points values (0, 0.1), (1, 0.3), (3, 0.9);"
        text = (
            "post:\n"
            "  - {name: line, calibrate: {latency_ms: {linear: [2, -1]}}}\n"
            "  - {name: iso, calibrate: {score: {table: ops.points, x: x, y: y}}}\n"
            "raw: {score: raw_score}\n"
        )
        guard(pg, tmp_path, text, table)
        for number, value in enumerate(["-5", "0", "0.5", "2", "99", "'NaN'", "null"]):
            prepare(
                pg,
                "insert into predictions.churn (customer_id, as_of, score, latency_ms)"
                f" values ({number}, {DAY}, {value}, 4)",
            )
        found = [row[0] for row in stored(pg, "score")]
        assert found[:5] == pytest.approx([0.1, 0.1, 0.2, 0.6, 0.9])
        assert math.isnan(found[5])  # type: ignore[arg-type]
        assert found[6] is None
        assert {row[0] for row in stored(pg, "latency_ms")} == {7.0}
        prepare(
            pg,
            f"delete from ops.points; insert into predictions.churn (customer_id, as_of, score) values (50, {DAY}, 1)",
        )
        assert query(pg, "select slos from mlguard.quarantine") == [(["predictions.churn/post.iso"],)]

    def test_logistic_far_out_goes_to_quarantine_or_lands(self, pg: str, tmp_path: Path) -> None:
        guard(
            pg, tmp_path, "post:\n  - {name: c, calibrate: {score: {logistic: [1.3, -0.2]}}}\nraw: {score: raw_score}\n"
        )
        prepare(pg, insert("1, 0.5, 'a'", "2, 300, 'a'"))
        assert stored(pg, "score") == [(pytest.approx(1 / (1 + math.exp(-0.45))),), (1.0,)]


def test_normalise_one_row(pg: str, tmp_path: Path) -> None:
    table = "create schema p; create table p.classes (id int primary key, a float8, b float8, c float8);"
    head = "mlguard: 1\ntable: p.classes\nmodel: m\nkey: [id]\nreads: none\n"
    guard(pg, tmp_path, "post:\n  - {name: sums_to_1, normalise: [a, b, c]}\n", table, head)
    prepare(pg, "insert into p.classes values (1, 1, 2, 5), (2, null, 1, 1), (3, 0, 0, 0)")
    assert query(pg, "select * from p.classes order by id") == [(1, 0.125, 0.25, 0.625), (2, None, 1.0, 1.0)]
    assert query(pg, "select slos from mlguard.quarantine") == [(["p.classes/post.sums_to_1"],)]


def test_versions_of_the_step_set(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    prepare(pg, insert("13, 1.5, 'call'"))
    other = POST.replace("[0.1, 0.9]", "[0.2, 0.8]")
    for text in (other, other, POST):
        api.apply(project(tmp_path, HEAD + text), pg)
        prepare(pg, f"delete from predictions.churn; {insert('13, 1.5, null')}")
    blocked = [line[5] for line in changes(pg) if line[4] == "post.never_contact_blocked"]
    assert blocked == [1, 2, 2, 1]
    assert query(pg, "select version, ended_at is null from mlguard.post_set order by 1") == [(1, True), (2, False)]
    assert query(pg, "select steps -> 0 ->> 'name' from mlguard.post_set where version = 1") == [("fallback_prior",)]


def test_whole_life(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    assert api.plan(project(tmp_path, HEAD + POST), pg).empty
    api.apply(project(tmp_path, HEAD), pg)
    prepare(pg, insert("13, null, 'call'"))
    assert stored(pg) == [(13, None, "call", None)]
    api.apply(project(tmp_path, HEAD + POST), pg)
    prepare(pg, insert("14, null, 'call'"))
    assert stored(pg)[1][2] == "none"
    api.remove(["predictions.churn"], pg)
    assert query(pg, "select count(*) from pg_trigger where tgname like 'zz_mlguard%'") == [(0,)]
    assert query(
        pg, "select count(*) from pg_proc where proname like 'post %' or proname like '% predictions.churn%'"
    ) == [(0,)]


def test_pii_is_not_shown(pg: str, tmp_path: Path) -> None:
    text = "columns: {action: {type: text, pii: true}}\n" + POST.replace("action IS", "action IS")
    guard(pg, tmp_path, text + "")
    prepare(pg, insert("13, 1.5, 'Joe Bloggs'"))
    assert changes(pg) == [("13", "action", "not shown (pii)", "not shown (pii)", "post.never_contact_blocked", 1)]
