"""Steps over the rows of a request: judged at COMMIT, over all rows of the requests that the transaction touched."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api, doctor
from tests.support import prepare, project, query

TABLE = """
create schema p;
create table p.offers (
  id bigint primary key, request_id bigint, item text, score double precision, raw_score double precision,
  at timestamptz default now());
create index on p.offers (request_id);
"""
HEAD = "mlguard: 1\ntable: p.offers\nmodel: ranker\nkey: [id]\nreads: view\nevent_time: at\n"
TOP = "post:\n  - {name: best, top_k: {k: 2, by: [request_id], order: score}}\n"
ONCE = "post:\n  - {name: once, dedupe: {by: [request_id, item], order: score}}\n"
SUMS = "post:\n  - {name: shares, normalise: {columns: score, by: [request_id]}}\n"
RAW = "raw: {score: raw_score}\n"
ALL = SUMS + ONCE.removeprefix("post:\n") + TOP.removeprefix("post:\n")


def guard(dsn: str, folder: Path, text: str, table: str = TABLE, head: str = HEAD) -> None:
    prepare(dsn, table)
    api.apply(project(folder, head + text), dsn)


def offers(*rows: tuple[object, ...], rest: str = "") -> str:
    values = ", ".join(f"({', '.join('null' if item is None else repr(item) for item in row)})" for row in rows)
    return f"insert into p.offers (id, request_id, item, score) values {values} {rest}"


def ids(dsn: str) -> list[object]:
    return [row[0] for row in query(dsn, "select id from p.offers order by id")]


def left_over(dsn: str) -> list[tuple[object, ...]]:
    return query(dsn, "select (select count(*) from mlguard._request), (select count(*) from mlguard._acting)")


def test_top_k_keeps_the_best_and_logs_the_rest(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, TOP)
    rows = [
        (1, 7, "a", 0.5),
        (2, 7, "b", 0.9),
        (3, 7, "c", 0.7),
        (4, 7, "d", None),
        (5, 7, "e", "NaN"),
        (6, 8, "a", 0.1),
    ]
    prepare(pg, offers(*rows))
    assert ids(pg) == [2, 3, 6]
    assert query(pg, "select key, column_name, old, new, rule, version from mlguard.change order by id") == [
        ({"id": 1}, "score", 0.5, None, "p.offers/post.best", 1),
        ({"id": 4}, "score", None, None, "p.offers/post.best", 1),
        ({"id": 5}, "score", "NaN", None, "p.offers/post.best", 1),
    ]
    assert left_over(pg) == [(0, 0)]


class TestWhichRequests:
    def test_all_rows_of_a_touched_request_count_and_no_others(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, TABLE + offers((1, 7, "a", 0.9), (2, 7, "b", 0.8), (3, 8, "a", 1), (4, 8, "b", 2), (5, 8, "c", 3)))
        api.apply(project(tmp_path, HEAD + TOP), pg)
        prepare(pg, offers((6, 7, "c", 0.85)))
        assert ids(pg) == [1, 3, 4, 5, 6]

    def test_statements_of_one_transaction_are_judged_together(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TOP)
        with psycopg.connect(pg) as connection:
            for number in range(5):
                connection.execute(offers((number, 7, "a", number / 10)).encode())
            assert connection.execute("select count(*) from p.offers").fetchone() == (5,)
        assert ids(pg) == [3, 4]

    def test_a_savepoint_that_is_rolled_back_touched_nothing(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, TABLE + offers((1, 7, "a", 0.9), (2, 7, "b", 0.8), (3, 7, "c", 0.7)))
        api.apply(project(tmp_path, HEAD + TOP), pg)
        with psycopg.connect(pg) as connection:
            connection.execute("savepoint s")
            connection.execute(offers((4, 7, "d", 0.6)).encode())
            connection.execute("rollback to s")
            connection.execute(offers((5, 8, "a", 0.1), (6, 8, "b", 0.2), (7, 8, "c", 0.3)).encode())
        assert ids(pg) == [1, 2, 3, 6, 7]

    def test_set_constraints_immediate_judges_each_statement(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, SUMS + TOP.removeprefix("post:\n"))
        with psycopg.connect(pg) as connection:
            connection.execute("set constraints all immediate")
            connection.execute(offers((1, 7, "a", 1), (2, 7, "b", 2), (3, 7, "c", 1)).encode())
            assert connection.execute("select id, score from p.offers order by id").fetchall() == [(1, 0.25), (2, 0.5)]
            connection.execute(offers((4, 9, "a", 4)).encode())
            connection.execute(offers((5, 9, "b", 1)).encode())
        assert query(pg, "select id, score from p.offers order by id") == [(1, 0.25), (2, 0.5), (4, 0.5), (5, 0.5)]
        assert left_over(pg) == [(0, 0)]

    def test_a_request_that_is_null_is_none(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TOP)
        prepare(pg, offers((1, None, "a", 0.9), (2, None, "b", 0.8), (3, None, "c", 0.7)))
        assert ids(pg) == [1, 2, 3]

    def test_an_update_touches_where_a_column_of_the_steps_changes(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, TABLE + offers((1, 7, "a", 0.9), (2, 7, "b", 0.8), (3, 7, "c", 0.7), (4, 8, "a", 0.1)))
        api.apply(project(tmp_path, HEAD + TOP), pg)
        prepare(pg, "update p.offers set item = 'x', score = score")
        assert len(ids(pg)) == 4
        prepare(pg, "update p.offers set score = 0.75 where id = 3")
        assert ids(pg) == [1, 2, 4]

    def test_a_row_that_changes_its_request_touches_both(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, SUMS)
        prepare(pg, offers((1, 7, "a", 1), (2, 7, "b", 1), (3, 8, "a", 3)))
        prepare(pg, "update p.offers set request_id = 8 where id = 1")
        scores = query(pg, "select request_id, score from p.offers order by id")
        assert scores == [(8, pytest.approx(1 / 3)), (7, 1.0), (8, pytest.approx(2 / 3))]

    @pytest.mark.parametrize(
        ("kind", "value"),
        [("char(6)", "'ab'"), ("numeric(8, 2)", "7.25"), ("timestamptz", "'2026-05-01 12:00:00.123456+02'"), ("uuid",
         "'6a3c1c7e-0a3f-4b6e-9d5e-0a5a1f0f3b11'"), ("date", "'infinity'")],
    )  # fmt: skip
    def test_a_request_of_any_type_is_found_again(self, pg: str, tmp_path: Path, kind: str, value: str) -> None:
        guard(pg, tmp_path, TOP, TABLE.replace("request_id bigint", f"request_id {kind}"))
        prepare(
            pg,
            "set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'; insert into p.offers (id, request_id, score)"
            f" select g, {value}, g from generate_series(1, 4) as g",
        )
        assert ids(pg) == [3, 4]

    def test_copy_in_more_than_one_piece(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TOP)
        text = "".join(f"{number},{number // 4},{number % 4}\n" for number in range(6000))
        with psycopg.connect(pg) as connection, connection.cursor() as cursor:
            with cursor.copy("copy p.offers (id, request_id, score) from stdin (format csv)") as copy:
                copy.write(text)
            held = connection.execute("select count(*), max(jsonb_array_length(keys)) from mlguard._request").fetchone()
            assert held == (5, 500)
        assert query(pg, "select count(*), min(score) from p.offers") == [(3000, 2.0)]

    def test_two_at_once_each_see_their_own(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, TOP)
        with psycopg.connect(pg) as one, psycopg.connect(pg) as other:
            one.execute(offers((1, 7, "a", 0.1), (2, 7, "b", 0.2)).encode())
            other.execute(offers((3, 7, "c", 0.3), (4, 7, "d", 0.4)).encode())
            one.commit()
            other.commit()
        assert ids(pg) == [3, 4]  # whoever commits later sees what was committed before

    def test_without_an_index_plan_and_doctor_say_so(self, pg: str, tmp_path: Path) -> None:
        prepare(pg, TABLE.replace("create index on p.offers (request_id);", ""))
        wanted = project(tmp_path, HEAD + ONCE + TOP.removeprefix("post:\n"))
        note = (
            "post.once: no index of p.offers begins with request_id, so that every COMMIT reads the whole table; best"
            ' before apply: create index concurrently on "p"."offers" ("request_id");'
        )
        planned = api.plan(wanted, pg).tables[0].program
        assert planned is not None
        assert note in planned.notes
        api.apply(wanted, pg)
        prepare(pg, offers((1, 7, "a", 0.1), (2, 7, "a", 0.2), (3, 7, "b", 0.3), (4, 7, "c", 0.4)))
        assert ids(pg) == [3, 4]
        with psycopg.connect(pg, autocommit=True) as connection:
            (found,) = doctor.examine(connection)
            assert (found.name, found.fix.partition(";")[0]) == (
                "request-index",
                'create index concurrently on "p"."offers" (request_id)',
            )
            connection.execute("create index on p.offers (request_id)")
            assert doctor.examine(connection) == []
        api.apply(wanted, pg)
        body = query(pg, "select prosrc, proconfig from pg_proc where proname = 'post p.offers requests'")
        assert "enable_hashjoin=off" in body[0][1]  # type: ignore[operator]


class TestDedupe:
    def test_the_greatest_stays_and_ties_go_by_key(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ONCE)
        prepare(pg, offers((4, 7, "a", 0.5), (2, 7, "a", 0.5), (3, 7, "b", 0.1), (5, 7, "a", None), (6, 8, "a", 0.1)))
        assert ids(pg) == [2, 3, 6]
        assert query(pg, "select key ->> 'id', rule from mlguard.change order by 1") == [
            ("4", "p.offers/post.once"),
            ("5", "p.offers/post.once"),
        ]

    def test_only_rows_the_condition_holds_for(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ONCE.replace("dedupe", "when: item <> 'keep', dedupe"))
        prepare(pg, offers((1, 7, "a", 0.5), (2, 7, "a", 0.6), (3, 7, "keep", 1), (4, 7, "keep", 1), (5, 7, None, 1)))
        assert ids(pg) == [2, 3, 4, 5]


class TestNormalise:
    def test_values_sum_to_one_and_are_logged_without_raw(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, SUMS)
        prepare(pg, offers((1, 7, "a", 1), (2, 7, "b", 3), (3, 7, "c", None), (4, 8, "a", 0.25)))
        assert query(pg, "select score from p.offers order by id") == [(0.25,), (0.75,), (None,), (1.0,)]
        assert query(pg, "select key ->> 'id', old, new from mlguard.change order by 1") == [
            ("1", 1, 0.25),
            ("2", 3, 0.75),
            ("4", 0.25, 1),
        ]

    @pytest.mark.parametrize("bad", ["0", "-1", "'NaN'", "'Infinity'", "1e300"])
    def test_what_is_no_share_stays_and_is_noted(self, pg: str, tmp_path: Path, bad: str) -> None:
        guard(pg, tmp_path, SUMS)
        prepare(pg, f"insert into p.offers (id, request_id, score) values (1, 7, 0), (2, 7, {bad}), (3, 8, 2)")
        assert query(pg, "select score from p.offers order by id")[0] == (0.0,)
        assert query(pg, "select score from p.offers where id = 3") == [(1.0,)]
        assert query(pg, "select slo, key, n, outcome from mlguard.violation") == [
            ("p.offers/post.shares", {"request_id": 7}, 2, "NOTED")
        ]

    def test_smallest_shares_are_zero(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, SUMS)
        prepare(pg, offers((1, 7, "a", 1e-320), (2, 7, "b", 1e20), (3, 8, "a", 5e-324)))
        assert query(pg, "select score from p.offers order by id") == [(0.0,), (1.0,), (1.0,)]

    @pytest.mark.parametrize("kind", ["real", "numeric(6, 4)", "numeric"])
    def test_other_types_and_a_second_look(self, pg: str, tmp_path: Path, kind: str) -> None:
        guard(pg, tmp_path, SUMS, TABLE.replace("score double precision", f"score {kind}", 1))
        prepare(pg, offers((1, 7, "a", 1), (2, 7, "b", 1), (3, 7, "c", 1)))
        before = query(pg, "select score from p.offers order by id")
        assert [float(row[0]) for row in before] == pytest.approx([1 / 3] * 3, abs=1e-4)  # type: ignore[arg-type]
        prepare(pg, offers((4, 7, "d", 0)))
        assert query(pg, "select score from p.offers where id < 4 order by id") == before

    def test_steps_of_the_row_do_not_run_again_and_raw_stays(self, pg: str, tmp_path: Path) -> None:
        text = "post:\n  - {name: twice, set: {score: score * 2}}\n" + SUMS.removeprefix("post:\n") + RAW
        guard(pg, tmp_path, text)
        prepare(pg, offers((1, 7, "a", 1), (2, 7, "b", 3)))
        assert query(pg, "select score, raw_score from p.offers order by id") == [(0.25, 1.0), (0.75, 3.0)]
        assert query(pg, "select count(*) from mlguard.change") == [(0,)]
        prepare(pg, "update p.offers set score = 0.125 where id = 1")
        assert query(pg, "select score, raw_score from p.offers order by id") == [(0.25, 0.125), (0.75, 3.0)]

    def test_raw_without_a_step_of_the_row(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, SUMS + RAW)
        upsert = "on conflict (id) do update set score = excluded.score"
        prepare(pg, offers((1, 7, "a", 1), (2, 7, "b", 3), rest=upsert))
        prepare(pg, offers((1, 7, "a", 6), (2, 7, "b", 2), rest=upsert))
        assert query(pg, "select score, raw_score from p.offers order by id") == [(0.75, 6.0), (0.25, 2.0)]
        assert query(pg, "select steps from mlguard.post_set where ended_at is null") == [
            (
                [
                    {
                        "by": ["request_id"],
                        "kind": "normalise",
                        "name": "shares",
                        "order": "score",
                        "on_error": "quarantine",
                    }
                ],
            )
        ]

    def test_a_new_value_that_a_rule_keeps_out_refuses_the_commit(self, pg: str, tmp_path: Path) -> None:
        rule = "quarantine_update: keep\ncolumns: {score: {range: {between: [0, 0.7], on_violation: quarantine}}}\n"
        guard(pg, tmp_path, rule + SUMS)
        with pytest.raises(psycopg.errors.CheckViolation, match=r"p\.offers/post\.shares: 1 of 2 rows could not"):
            prepare(pg, offers((1, 7, "a", 0.1), (2, 7, "b", 0.5)))
        assert ids(pg) == []


class TestTogether:
    ROWS = ((1, 7, "a", 1.0), (2, 7, "a", 2.0), (3, 7, "b", 3.0), (4, 7, "c", 4.0))

    def test_steps_run_in_the_order_of_the_file(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ALL)
        prepare(pg, offers(*self.ROWS))
        assert query(pg, "select id, score from p.offers order by id") == [(3, 0.3), (4, 0.4)]
        lines = query(
            pg, "select key ->> 'id', old, new, split_part(rule, '.', 3) from mlguard.change where new is null"
        )
        assert lines == [("1", 0.1, None, "once"), ("2", 0.2, None, "best")]

    def test_upsert(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ONCE + TOP.removeprefix("post:\n"))
        upsert = "on conflict (id) do update set score = excluded.score, item = excluded.item"
        prepare(pg, offers(*self.ROWS, rest=upsert))
        assert ids(pg) == [3, 4]
        prepare(pg, offers((3, 7, "c", 9.0), (5, 7, "d", 1.0), rest=upsert))
        assert query(pg, "select id, score from p.offers order by id") == [(3, 9.0), (5, 1.0)]

    def test_merge(self, pg: str, tmp_path: Path) -> None:
        if query(pg, "select current_setting('server_version_num')::int >= 150000") != [(True,)]:
            pytest.skip("MERGE")
        guard(pg, tmp_path, TOP)
        prepare(pg, offers(*self.ROWS[:2]))
        prepare(
            pg,
            "merge into p.offers as t using (values (1, 9), (8, 8), (9, 0)) as s (id, score) on t.id = s.id"
            " when matched then update set score = s.score"
            " when not matched then insert (id, request_id, score) values (s.id, 7, s.score)",
        )
        assert ids(pg) == [1, 8]

    @pytest.mark.parametrize("key", ["id, at", "id"])
    def test_partitions(self, pg: str, tmp_path: Path, key: str) -> None:
        table = TABLE.replace("id bigint primary key", "id bigint").replace("at timestamptz default now());",
            "at timestamptz default '2026-05-01'" + ", primary key (id, at)" * ("," in key)
            + ") partition by range (at); create table p.early partition of p.offers for values from"
            " ('2020-01-01') to ('2026-01-01'); create table p.late partition of p.offers for values from"
            " ('2026-01-01') to ('2030-01-01');",
        )  # fmt: skip
        guard(pg, tmp_path, ALL, table, HEAD.replace("key: [id]", f"key: [{key}]"))
        prepare(pg, offers(*self.ROWS))
        prepare(pg, "insert into p.early (id, request_id, item, score, at) values (5, 7, 'd', 0.5, '2025-01-01')")
        found = query(pg, "select id, score from p.offers order by id")
        assert found == [(4, pytest.approx(1 / 3)), (5, pytest.approx(5 / 12))]

    def test_states_and_the_batch_follow(self, pg: str, tmp_path: Path) -> None:
        rules = "slos:\n  - {name: enough, check: 'row_count() >= 1', over: batch, on_violation: warn}\n"
        rules += "  - {name: middle, check: 'mean(score) <= 0.5', over: batch, on_violation: reject}\n"
        guard(pg, tmp_path, ALL + rules)
        prepare(pg, offers(*self.ROWS))  # a mean of 2.5 before, of 0.35 after
        assert query(
            pg, "select value from mlguard.metric where metric like 'mean%' or metric like 'row%' order by 1"
        ) == [
            (pytest.approx(0.35),),
            (2.0,),
        ]
        assert query(pg, "select count(*) from mlguard._batch where closed_at is null") == [(0,)]

    def test_a_persons_value_is_left_alone(self, pg: str, tmp_path: Path) -> None:
        look = "  - {name: look, when: score > 0.9, route: review}\n"
        guard(pg, tmp_path, SUMS + look)
        prepare(pg, offers((1, 7, "a", 1.0), (2, 7, "b", 3.0)))
        assert query(pg, "select count(*) from p.offers_guarded") == [(0,)]
        done = query(pg, "select outcome from mlguard.review_override(1, '{\"score\": 0.5}', 'asked')")
        assert done == [("overridden",)]
        assert query(pg, "select score from p.offers order by id") == [(0.5,), (0.75,)]

    def test_a_row_that_goes_needs_no_review(self, pg: str, tmp_path: Path) -> None:
        look = "  - {name: look, when: item = 'a', route: review}\n"
        guard(pg, tmp_path, TOP + look)
        prepare(pg, offers(*self.ROWS))
        assert query(pg, "select key ->> 'id', status from mlguard.review order by 1") == [
            ("1", "obsolete"),
            ("2", "obsolete"),
        ]

    def test_values_of_pii_columns_are_not_shown(self, pg: str, tmp_path: Path) -> None:
        pii = "columns: {score: {type: double precision, pii: true}, request_id: {type: bigint, pii: true}}\n"
        guard(pg, tmp_path, pii + SUMS + TOP.removeprefix("post:\n"))
        prepare(pg, offers(*self.ROWS, (5, 8, "a", 0)))
        assert {row[0] for row in query(pg, "select old from mlguard.change")} == {"not shown (pii)"}
        assert query(pg, "select key, observed from mlguard.violation") == [(None, None)]

    def test_a_writer_needs_no_right_to_delete(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ALL)
        prepare(pg, "drop role if exists ranker; create role ranker; grant usage on schema p to ranker;"
                    "grant insert on p.offers to ranker")  # fmt: skip
        try:
            prepare(pg, f"set role ranker; {offers(*self.ROWS)}")
            assert ids(pg) == [3, 4]
        finally:
            prepare(pg, "drop owned by ranker; drop role ranker")

    def test_whole_life(self, pg: str, tmp_path: Path) -> None:
        guard(pg, tmp_path, ALL)
        assert api.plan(project(tmp_path, HEAD + ALL), pg).empty
        api.apply(project(tmp_path, HEAD + TOP.replace("k: 2", "k: 3")), pg)
        prepare(pg, offers(*self.ROWS))
        assert ids(pg) == [2, 3, 4]
        api.apply(project(tmp_path, HEAD), pg)
        prepare(pg, offers((5, 7, "e", 0.1)))
        assert ids(pg) == [2, 3, 4, 5]
        api.remove(["p.offers"], pg)
        assert query(pg, "select count(*) from pg_trigger where tgname like 'zz_mlguard%'") == [(0,)]
        assert query(pg, "select count(*) from pg_proc where proname like 'post p.offers%'") == [(0,)]


def test_publish_judges_what_the_steps_leave(pg: str, tmp_path: Path) -> None:
    text = TOP + "slos:\n  - {name: high, check: mean(score) >= 8, over: batch, on_violation: reject, min_rows: 1}\n"
    guard(pg, tmp_path, text)
    prepare(pg, "create table p.staged (like p.offers)")
    prepare(pg, "insert into p.staged (id, request_id, score) select i, 7, i from generate_series(1, 9) i")
    assert query(pg, "select stored from mlguard.publish('p.staged', 'p.offers')") == [(9,)]
    assert ids(pg) == [8, 9]
