"""`mlguard explain` and `mlguard status` on history: the numbers, the band, the past; nothing personal."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlguard import api
from mlguard.cli import cli
from tests import support
from tests.runtime_example import session

FIRST = datetime(2026, 1, 5, tzinfo=UTC)
FILE = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
columns:
  age: {type: integer, usual: {metrics: all, shadow: false}}
  email: {type: text, pii: true, usual: {metrics: all, shadow: false}, in: {values: [nobody@x.org], on_violation: warn}}
slos:
  - name: coverage
    check: coverage(age) >= 0.75
"""


@pytest.fixture(scope="module")
def history(server18: object, tmp_path_factory: pytest.TempPathFactory) -> object:
    """DSN of a database with thirty judged days, the last of them bad."""
    rng = random.Random(5)
    with server18.database() as dsn:  # type: ignore[attr-defined]
        support.prepare(dsn)
        api.apply(support.project(tmp_path_factory.mktemp("explain"), FILE), dsn)
        with session(dsn) as connection:
            connection.execute("update mlguard._slo set since = %s", (FIRST,))
            for day in range(30):
                bad = day == 29
                rows = [
                    (day * 1000 + i, None if bad and i % 2 else rng.randrange(20, 60), f"secret-{i % 7}@x.org")
                    for i in range(100 + day % 3)
                ]
                with connection.cursor() as cursor:
                    cursor.executemany(
                        "insert into features.customer (customer_id, age, email, event_ts) values (%s, %s, %s, %s)",
                        [(*row, FIRST + timedelta(days=day, hours=1)) for row in rows],
                    )
            connection.execute("select mlguard.sweep(%s)", (FIRST + timedelta(days=30),))
        yield dsn


def explain(dsn: object, what: str, *more: str) -> str:
    done = CliRunner().invoke(cli, ["explain", what, "--dsn", str(dsn), *more])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_metric_shows_its_number_and_its_past(history: object) -> None:
    told = explain(history, "features.customer/coverage")
    assert "features.customer/coverage: coverage(age) is 0.5" in told
    assert "coverage(age), 30 values from 2026-01-06 00:00 UTC to 2026-02-04 00:00 UTC" in told
    assert "at the same time:" in told
    assert max(map(len, told.splitlines())) <= 250


def test_learned_health_shows_its_arithmetic(history: object) -> None:
    told = json.loads(explain(history, "features.customer/age.usual", "--format", "json"))
    [first, *_] = told["verdict"]["detail"]["series"]
    assert first["series"] == "usual_null(age)"
    assert first["error"] / first["unit"] / first["limit"] == pytest.approx(first["score"])
    text = explain(history, "features.customer/age.usual")
    assert "usual_null(age)" in text
    assert "outside the band" in text


@pytest.mark.parametrize("what", ["features.customer/email.usual", "features.customer/email.in"])
@pytest.mark.parametrize("style", ["text", "json"])
def test_no_value_of_a_pii_column_is_told(history: object, what: str, style: str) -> None:
    assert "secret-" not in explain(history, what, "--format", style)


def test_unknown_ids_are_told_what_is_near(history: object, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["explain", "features.customer/coverag", "--dsn", str(history)])
    assert done.exit_code != 0
    assert "features.customer/coverage" in done.stderr


def test_status_draws_the_past(history: object) -> None:
    done = CliRunner().invoke(cli, ["status", "--dsn", str(history)])
    assert done.exit_code == 0, done.output
    [line] = [line for line in done.stdout.splitlines() if line.startswith("features.customer/coverage ")]
    assert "█" in line
    assert "▁" in line
    assert "secret-" not in done.stdout
