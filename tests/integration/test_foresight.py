"""What `plan` tells of the past and of other tables before anything is applied: holds, and what is not there."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from mlguard.errors import SpecError
from mlguard.plan import Foreseen, Plan
from mlguard.report.plan_text import render
from tests import support

TABLE = """
create schema f;
create table f.t (x integer, c text, ts timestamptz);
"""
OTHER = "create domain f.pos as integer; create table f.other (id bigint primary key, code text, p f.pos);"
HEAD = "mlguard: 1\ntable: f.t\nevent_time: ts\nslos:\n"


def slo(name: str, check: str, more: str) -> str:
    return f'  - {{name: {name}, check: "{check}", {more}}}\n'


def planned(dsn: str, tmp_path: Path, text: str) -> Plan:
    return api.plan(support.project(tmp_path, text), dsn)


def of(plan: Plan) -> dict[str, Foreseen]:
    return {found.slo.partition("/")[2]: found for found in plan.foreseen}


def with_history(dsn: str, tmp_path: Path) -> None:
    """Judge eight days, of which the third and fifth have no values, by SLOs that only warn."""
    support.prepare(dsn, TABLE)
    text = HEAD + "".join(
        slo(name, check, more)
        for name, check, more in (
            ("cov", "coverage(x) >= 0.5", "over: 1 day"),
            ("chg", "change(coverage(x), '4 days') >= -0.25", "over: 1 day"),
            ("seg", "coverage(x) >= 0.5", "by: c"),
            ("some", "mean(x) > 0", "where: c = 'a'"),
            ("bat", "coverage(x) >= 0.5", "over: batch"),
        )
    )
    api.apply(support.project(tmp_path, text), dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for day in range(1, 9):
            connection.execute(
                "insert into f.t select case when %(day)s not in (3, 5) then 1 end,"
                " case when i %% 3 = 0 then 'a' else 'b' end,"
                " timestamptz '2026-03-01 12:00+00' + %(day)s * interval '1 day'"
                " from generate_series(1, 120) as i",
                {"day": day},
            )
        connection.execute("select count(*) from mlguard.sweep('2026-03-10 00:00+00')")


def test_a_hold_that_is_added_says_how_often_it_would_have_held(pg: str, tmp_path: Path) -> None:
    with_history(pg, tmp_path)
    text = HEAD + "".join(
        slo(name, check, f"{more}, on_violation: hold")
        for name, check, more in (
            ("cov", "coverage(x) >= 0.5", "over: 1 day"),
            ("chg", "change(coverage(x), '4 days') >= -0.25", "over: 1 day"),
            ("seg", "coverage(x) >= 0.5", "by: c"),
            ("some", "mean(x) > 0", "where: c = 'a'"),
            ("bat", "coverage(x) >= 0.5", "over: batch"),
        )
    )
    plan = planned(pg, tmp_path, text)
    found = of(plan)
    assert {name: (each.judged, each.held) for name, each in found.items()} == {
        "cov": (8, 2),
        "chg": (5, 1),
        "seg": (16, 4),
        "some": (8, 2),
        "bat": (8, 2),
    }
    assert (
        "cov: hold would have closed the gate in 2 of 8 windows of 1 day judged so far, last 2026-03-06 00:00 UTC"
        in render(plan)
    )
    api.apply(support.project(tmp_path, text), pg)
    assert planned(pg, tmp_path, text).foreseen == ()


def test_another_limit_is_held_against_the_stored_values(pg: str, tmp_path: Path) -> None:
    with_history(pg, tmp_path)
    text = HEAD + "".join(
        slo(name, check, f"{more}, on_violation: hold")
        for name, check, more in (
            ("cov", "coverage(x) >= 0.4", "over: 1 day"),
            ("never", "coverage(x) >= 0", "over: 1 day"),
            ("fell", "delta(coverage(x), '4 days') >= -0.2", "over: 1 day"),
            ("low", "coverage(x) >= 0.9 * trailing(coverage(x), '4 days')", "over: 1 day"),
            ("seg", "coverage(x) >= 0.6", "by: c"),
            ("some", "mean(x) > -5", "where: c = 'a'"),
            ("bat", "coverage(x) >= 0.6", "over: batch"),
            ("bats", "change(coverage(x), '4 days') >= -0.2", "over: batch"),
            ("many", "coverage(x) >= 0.4", "over: 1 day, min_rows: 121"),
            ("unknown", "coverage(c) >= 0.4", "over: 1 day"),
        )
    )
    plan = planned(pg, tmp_path, text)
    assert {name: (each.judged, each.held) for name, each in of(plan).items()} == {
        "cov": (8, 2),
        "never": (8, 0),
        "fell": (5, 1),
        "low": (5, 1),
        "seg": (16, 4),
        "some": (8, 2),
        "bat": (8, 2),
        "bats": (5, 1),
        "many": (0, 0),
        "unknown": (0, 0),
    }
    told = render(plan)
    assert "never: hold would have closed the gate in none of 8 windows of 1 day judged so far" in told
    assert "unknown: hold has no verdict in the stored history yet; mlguard backtest replays the stored rows" in told


def test_warn_reject_and_shadow_say_nothing_of_the_past(pg18: str, tmp_path: Path) -> None:
    with_history(pg18, tmp_path)
    text = HEAD + slo("cov", "coverage(x) >= 0.4", "over: 1 day") + slo("sh", "coverage(x) > 0", "shadow: true")
    text += slo("bat", "coverage(x) >= 0.5", "over: batch, on_violation: reject")
    assert planned(pg18, tmp_path, text).foreseen == ()


def test_before_the_runtime_is_there_a_hold_has_no_past(bare18: str, tmp_path: Path) -> None:
    support.prepare(bare18, TABLE)
    text = HEAD + slo("cov", "coverage(x) >= 0.4", "on_violation: hold")
    assert [(each.judged, each.held) for each in planned(bare18, tmp_path, text).foreseen] == [(0, 0)]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("columns: {x: {references: f.nope.id}}", "no table f.nope in this database"),
        ("columns: {x: {references: f.other.nope}}", "no column `nope` in f.other"),
        ("columns: {c: {references: f.other.id}}", "c is text, and f.other.id is bigint: PostgreSQL cannot compare"),
        ("columns: {c: {references: f.other.code}}", "nothing keeps f.other.code unique"),
        ("slos: [{name: a, check: x IN (SELECT id FROM f.nope)}]", "no table f.nope in this database"),
        ("slos: [{name: a, check: x IN (SELECT idd FROM f.other)}]", "no column `idd` in f.other"),
        (
            "slos: [{name: a, check: c IN (SELECT id FROM f.other)}]",
            "IN cannot compare c (text) with f.other.id",
        ),
        ("slos: [{name: a, check: x > 0, where: x IN (SELECT id FROM f.nope)}]", "no table f.nope in this database"),
        ("model: m\npost: [{name: s, when: x IN (SELECT id FROM f.nope), set: {x: 1}}]", "no table f.nope"),
        ("model: m\npost: [{name: s, calibrate: {y: {table: f.nope, x: a, y: b}}}]", "no table f.nope"),
        ("columns: {x: {type: integr}}", "x is integer in the database, not integr"),
        ("revoke: [nobody_such]", "no role `nobody_such` on this server"),
    ],
)
def test_what_is_not_there_is_told_at_its_place(pg18: str, tmp_path: Path, said: str, message: str) -> None:
    support.prepare(
        pg18, TABLE + "alter table f.t add y double precision; create table f.other (id bigint primary key, code text);"
    )
    with pytest.raises(SpecError) as caught:
        planned(pg18, tmp_path, f"mlguard: 1\ntable: f.t\n{said}\n")
    (problem,) = caught.value.problems
    assert problem.message.startswith(message)
    assert problem.where is not None
    assert problem.where.line >= 3
    assert problem.where.text
    assert problem.help


def test_what_is_there_is_looked_up(pg18: str, tmp_path: Path) -> None:
    support.prepare(
        pg18,
        TABLE + "create domain f.pos as integer; create table f.other (id bigint primary key, code text, p f.pos);",
    )
    text = """\
mlguard: 1
table: f.t
columns:
  x: {type: integer, references: other.id}
  c: {references: {value: f.other.code, on_violation: warn}}
slos:
  - {name: a, check: x IN (SELECT p FROM f.other), on_violation: quarantine}
"""
    api.apply(support.project(tmp_path, text), pg18)
    assert api.plan(support.project(tmp_path, text), pg18).empty
