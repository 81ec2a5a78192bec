"""Rows that wait for a person: withheld, decided about, predicted anew."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.integration.test_post import calibrated, insert, stored
from tests.predictions_example import POST, guard
from tests.support import prepare, query

UNSURE = 0.15  # calibrated to about 0.5


def visible(dsn: str, zone: str = "UTC") -> list[object]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"set timezone = '{zone}'".encode())
        rows = connection.execute("select customer_id from predictions.churn_guarded order by 1").fetchall()
    return [row[0] for row in rows]


def act(dsn: str, call: str) -> tuple[object, ...]:
    return query(dsn, f"select outcome, reason from mlguard.{call}")[0]


@pytest.fixture
def routed(pg: str, tmp_path: Path) -> str:
    """A table with one sure row and two that wait."""
    guard(pg, tmp_path, "columns: {score: {type: double precision, range: [0, 1]}}\n" + POST)
    prepare(pg, insert("1, 1.5, 'call'", f"2, {UNSURE}, 'call'", f"3, {UNSURE}, 'call'"))
    return pg


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_guarded_reads_omit_what_waits(routed: str, zone: str) -> None:
    assert len(stored(routed)) == 3
    assert visible(routed, zone) == [1]
    assert query(routed, "select key ->> 'customer_id', step, status, version from mlguard.review order by id") == [
        ("2", "review_unsure", "pending", 1),
        ("3", "review_unsure", "pending", 1),
    ]


def test_decisions(routed: str) -> None:
    assert act(routed, "review_accept(1, 'checked')") == ("accepted", "checked")
    assert act(routed, "review_accept(1, 'again')") == ("already accepted", "checked")
    assert act(routed, "review_reject(2, 'nonsense')") == ("rejected", "nonsense")
    assert act(routed, "review_reject(9, 'x')")[0] == "not found"
    assert visible(routed) == [1, 2]
    assert query(routed, "select status, decided_by is not null, reason from mlguard.review order by id") == [
        ("accepted", True, "checked"),
        ("rejected", True, "nonsense"),
    ]
    assert query(routed, "select act from mlguard.event where act like 'review %' order by id") == [
        ("review accepted",),
        ("review rejected",),
    ]
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="needs a reason"):
        act(routed, "review_accept(1, ' ')")


def test_override_keeps_to_the_rules_and_skips_the_steps(routed: str) -> None:
    outcome, words = act(routed, """review_override(1, '{"score": 7}', 'x')""")
    assert outcome == "refused"
    assert "score is 7, allowed 0 to 1" in str(words)
    assert act(routed, """review_override(1, '{"nope": 7}', 'x')""") == ("failed", '"nope" cannot be set')
    assert act(routed, """review_override(1, '{"score": 0.2, "action": "mail"}', 'by phone')""")[0] == "overridden"
    assert visible(routed) == [1, 2]
    assert stored(routed)[1] == (2, 0.2, "mail", UNSURE)
    assert query(routed, "select column_name, new, split_part(rule, '/', 2) from mlguard.change order by 1") == [
        ("action", "mail", "review"),
        ("score", 0.2, "review"),
    ]
    assert query(routed, "select count(*) from mlguard._acting") == [(0,)]
    prepare(routed, "update predictions.churn set latency_ms = 4")
    assert visible(routed) == [1, 2]


def test_predicted_anew(routed: str) -> None:
    prepare(routed, "update predictions.churn set score = 1.5 where customer_id = 2")
    assert visible(routed) == [1, 2]
    assert stored(routed)[1] == (2, calibrated(1.5), "call", 1.5)
    upsert = " on conflict (customer_id, as_of) do update set score = excluded.score"
    prepare(routed, insert("3, 1.2, 'call'", f"1, {UNSURE}, 'call'") + upsert)
    assert visible(routed) == [2, 3]
    assert query(routed, "select key ->> 'customer_id', status from mlguard.review order by id") == [
        ("2", "obsolete"),
        ("3", "obsolete"),
        ("1", "pending"),
    ]


def test_deleted(routed: str) -> None:
    prepare(routed, "delete from predictions.churn where customer_id = 2")
    prepare(routed, insert("2, 1.5, 'call'"))
    assert visible(routed) == [1, 2]


def test_rights(routed: str) -> None:
    prepare(
        routed,
        "do $$ begin create role reader login; exception when duplicate_object then null; end $$;"
        "grant usage on schema predictions to reader; grant select on predictions.churn_guarded to reader",
    )
    with psycopg.connect(routed, autocommit=True) as connection:
        connection.execute("set role reader")
        assert connection.execute("select customer_id from predictions.churn_guarded").fetchall() == [(1,)]
        for sql in (
            "select * from predictions.churn",
            "select * from mlguard.review",
            "select * from mlguard._review",
            "select * from mlguard.review_accept(1, 'x')",
            "select mlguard.sealed_v1('{}')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.encode())


def test_the_view_asks_once_while_nothing_waits(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path)
    plan = query(pg, "explain (costs off) select * from predictions.churn_guarded where customer_id = 1")
    assert any("InitPlan" in str(row[0]) for row in plan)
    assert visible(pg) == []


def test_a_table_that_only_routes(pg: str, tmp_path: Path) -> None:
    text = "post:\n  - {name: big, when: score > 0.9, route: review}\n"
    guard(pg, tmp_path, text + "  - {name: odd, when: action = 'x', route: review}\n")
    prepare(pg, insert("1, 0.95, 'call'", "2, 0.5, 'call'"))
    assert visible(pg) == [2]
    act(pg, "review_accept(1, 'fine')")
    prepare(pg, "update predictions.churn set latency_ms = 4")
    assert visible(pg) == [1, 2]
    prepare(pg, "update predictions.churn set score = 0.96 where customer_id = 1")
    assert visible(pg) == [2]
    assert act(pg, """review_override(2, '{"score": 0.99}', 'sure')""")[0] == "overridden"
    assert visible(pg) == [1, 2]
    assert stored(pg) == [(1, 0.99, "call", None), (2, 0.5, "call", None)]


def test_command_line(routed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from mlguard.cli import main

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mlguard", "--dsn", routed, *words])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().out

    code, listed = run("review", "list", "predictions.churn")
    assert code == 0
    assert listed.count("review_unsure") == 2
    assert run("review", "override", "1", "--set", "score=7", "--reason", "x")[0] == 1
    assert run("review", "override", "1", "--set", "score=0.3", "--reason", "x") == (0, "1  overridden  x\n")
    assert run("review", "reject", "2", "--reason", "no")[0] == 0
    assert run("review", "accept", "77", "--reason", "no")[0] == 2
    assert visible(routed) == [1, 2]
