"""What a session says about how values are printed changes no verdict, nor which rows are whose."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from mlguard import api
from tests.support import prepare, project, query

ODD = "set extra_float_digits = -14; set datestyle = 'German'; set intervalstyle = 'sql_standard'; "
TABLE = """
create schema f;
create table f.t (id bigint, at timestamptz, score double precision, plan text, primary key (id, at));
"""
HEAD = "mlguard: 1\ntable: f.t\nkey: [id, at]\nevent_time: at\n"


def guard(dsn: str, folder: Path, text: str, table: str = TABLE, head: str = HEAD) -> None:
    prepare(dsn, table)
    api.apply(project(folder, head + text), dsn)


def scores(*values: float) -> str:
    rows = ", ".join(f"({number}, '2026-01-01+00', {score})" for number, score in enumerate(values))
    return f"insert into f.t (id, at, score) values {rows}"


@pytest.mark.parametrize(
    ("check", "values"),
    [
        ("mean(score) <= 1.34", (1.4, 1.3, 1.35)),  # of a sum of 4.05 one digit is 4
        ("stddev(score) <= 14.5", (0.0, 21.0)),
        ("max(score) <= 1.2", (1.25, 1.0)),
        ("quantile(score, 0.5) <= 1.2", (1.25, 1.25)),
    ],
)
def test_a_writer_gets_no_bad_load_past_by_printing_fewer_digits(
    pg: str, tmp_path: Path, check: str, values: tuple[float, ...]
) -> None:
    guard(pg, tmp_path, f"slos:\n  - {{name: r, check: '{check}', over: batch, on_violation: reject, min_rows: 1}}\n")
    for settings in ("", ODD):
        with psycopg.connect(pg) as writer:
            writer.execute((settings + scores(*values)).encode())
            with pytest.raises(psycopg.errors.CheckViolation, match="COMMIT refused"):
                writer.commit()


def test_two_versions_of_a_key_written_in_two_time_zones_are_of_one_key(pg: str, tmp_path: Path) -> None:
    guard(pg, tmp_path, "columns: {plan: {in: {values: [free], on_violation: quarantine}}}\n")
    row = "insert into f.t values (1, '2026-01-01 12:00+00', %s, 'gold')"
    for zone, score in (("UTC", "1"), ("Asia/Kolkata", "2")):
        prepare(pg, f"set timezone = '{zone}'; " + row % score)
    prepare(pg, "alter table f.t disable trigger user")
    assert [line[1:] for line in query(pg, "select * from mlguard.replay('f.t')")] == [("released", None)]
    assert query(pg, "select score from f.t") == [(2.0,)]
    assert query(pg, "select status from mlguard.quarantine order by id") == [("obsolete",), ("released",)]


def test_a_hold_of_a_window_is_told_alike(pg: str, tmp_path: Path) -> None:
    guard(
        pg,
        tmp_path,
        "slos:\n  - {name: mean, check: mean(score) <= 1, over: 1 day, on_violation: hold, min_rows: 1}\n",
    )
    prepare(pg, "update mlguard._slo set since = '-infinity'; " + scores(5))
    prepare(pg, ODD + "select mlguard.sweep('2026-01-03+00')")
    [(observed,)] = query(pg, "select observed from mlguard.hold")
    assert str(observed).endswith(" on 2026-01-01")
