"""Learned health in SQL: equal to its Python twin, on trial until it kept within its budget, taught by labels."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from mlguard import api
from mlguard.learn.learner import Learner
from tests import support
from tests.runtime_example import rows, session, value
from tests.usual_example import TABLE, Both, deliver, make, random_day, start_of, sweep

NASTY = ["NaN", "Infinity", "-Infinity", "0", "-0", "1e308", "-1e308", "4.9e-324", "1e-200", "1e200", "1"]


def test_every_value_and_score_is_that_of_the_twin(guarded_db: str) -> None:
    rng = random.Random(2)
    with session(guarded_db) as connection:
        make(connection, list(random_day(rng, 0, 1)))
        both = Both(connection, Learner())
        off = [line for day in range(30) for line in both.day(day, random_day(rng, day, rng.choice([100, 120, 150])))]
        assert off == []
        assert value(connection, "select count(*) from mlguard._pair where metric = 'pair'") > 0


def test_scopes_of_few_rows_and_of_none_are_measured_alike(guarded_db: str) -> None:
    rng = random.Random(3)
    with session(guarded_db) as connection:
        make(connection, list(random_day(rng, 0, 1)))
        connection.execute("update mlguard._slo set learned = '{all}'")  # pair rules of next to nothing are chance
        both = Both(connection, Learner())
        both.learner.memory.rules = _Nothing()
        for day in range(40):
            assert both.day(day, random_day(rng, day, rng.choice([0, 1, 3, 40]))) == []


class _Nothing(list[Any]):
    """Rules that are never learned."""

    def __iadd__(self, other: Any) -> Self:  # type: ignore[misc]
        return self


def test_no_number_makes_a_learned_function_raise(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        make(connection, ["odd", "ratio", "plan"])
        for day in range(45):
            rng = random.Random(day)
            odd = [None if rng.random() < 0.1 else float(rng.choice(NASTY)) for _ in range(60)]
            deliver(
                connection,
                day,
                {"odd": odd, "ratio": [float(NASTY[day % len(NASTY)])] * 60, "plan": [None if day % 3 else "a"] * 60},
            )
            sweep(connection, day)
        assert value(connection, "select count(*) from mlguard._verdict where outcome = 'ERROR'") == 0
        assert value(connection, "select count(distinct window_start) from mlguard._verdict where current") == 45


@pytest.mark.parametrize("kind", ["share", "count", "information", "location"])
def test_scales_of_errors_and_their_inverses_are_total(guarded_db: str, kind: str) -> None:
    with session(guarded_db) as connection:
        for number in (*NASTY, "-1", "1e150"):
            for unit in ("1", "0", "4.9e-324", "1e308", "Infinity"):
                [(y,)] = rows(connection, "select mlguard._steady(%s, %s::float8, %s::float8)", kind, number, unit)
                assert (y is None) == (number == "NaN")
                assert y is None or math.isfinite(y)
        for y in ("0", "1e-320", "-800", "800", "-1e308", "1e308", "1", "-1"):
            for unit in ("1", "1e-320", "1e308"):
                x = value(connection, "select mlguard._unsteady(%s, %s::float8, %s::float8)", kind, y, unit)
                assert math.isfinite(x)


def test_a_value_and_its_steadied_value_are_inverse(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        for kind, number in (("share", 0.3), ("count", 17.0), ("information", 0.4), ("location", -250.0)):
            back = value(connection, "select mlguard._unsteady(%s, mlguard._steady(%s, %s, 3), 3)", kind, kind, number)
            assert back == pytest.approx(number)


# Trial, arms, labels.


def calm(day: int, k: int = 200) -> dict[str, Any]:
    """Return an unremarkable day."""
    rng = random.Random(day)
    return {
        "amount": [round(rng.gauss(50, 5), 1) for _ in range(k)],
        "plan": rng.choices(["free", "pro"], [3, 1], k=k),
    }


def broken(day: int) -> dict[str, Any]:
    """Return a day on which half of the plans are lost."""
    found = calm(day)
    return {**found, "plan": [None if i % 2 else plan for i, plan in enumerate(found["plan"])]}


def live(connection: psycopg.Connection[Any], days: int, faults: tuple[int, ...] = ()) -> None:
    for day in range(days):
        deliver(connection, day, broken(day) if day in faults else calm(day))
        sweep(connection, day)


def verdicts(connection: psycopg.Connection[Any], column: str | None = "plan") -> list[tuple[Any, ...]]:
    """Return (outcome, reason) of a column's windows, oldest first."""
    return rows(
        connection,
        "select outcome, reason from mlguard._verdict where slo = %s and current order by window_start",
        f"{TABLE}/{column or 'rows'}.usual",
    )


def test_it_learns_for_twenty_windows_and_then_is_on_trial(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        make(connection, ["amount", "plan"])
        live(connection, 26, faults=(24,))
        found = verdicts(connection)
        assert found[0] == ("INSUFFICIENT", "learning: 0 of 20 past windows or batches")
        assert found[19] == ("INSUFFICIENT", "learning: 19 of 20 past windows or batches")
        assert {outcome for outcome, _ in found[20:24]} == {"PASS"}
        assert found[24] == ("NOTED", "shadow: on trial until its alarms keep within the budget")
        assert value(connection, "select count(*) from mlguard._armed") == 0, "5 windows are no trial"


def test_within_the_budget_it_is_armed_and_alarms(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        make(connection, ["amount", "plan"])
        live(connection, 32, faults=(31,))
        assert rows(connection, "select slo, scopes, alarms from mlguard._armed order by slo") == [
            (f"{TABLE}/{name}.usual", 10, 0) for name in ("amount", "plan", "rows")
        ]
        assert verdicts(connection)[31] == ("FAIL", None)
        [(observed, allowed, detail)] = rows(
            connection,
            "select observed, allowed, detail from mlguard._verdict where slo = %s and outcome = 'FAIL'",
            f"{TABLE}/plan.usual",
        )
        assert observed == "null_rate(plan) is 0.5"
        assert allowed.startswith("usually 0 to 0.")
        assert detail["score"] > 1
        worst = detail["series"][0]
        assert worst["series"] == "usual_null(plan)"
        assert worst["error"] / worst["unit"] / worst["limit"] == pytest.approx(worst["score"])
        assert {outcome for outcome, _ in verdicts(connection, "amount")[20:]} == {"PASS"}


def test_out_of_budget_it_stays_on_trial(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        make(connection, ["amount", "plan"])
        for day in range(34):
            data = broken(day) if day == 22 else calm(day)
            if day == 25:
                data["amount"] = [100 * amount for amount in data["amount"]]
            if day == 28:
                data["plan"] = ["unheard-of"] * len(data["plan"])
            deliver(connection, day, data)
            sweep(connection, day)
        alarmed = rows(
            connection, "select distinct window_start from mlguard._verdict where outcome = 'NOTED' order by 1"
        )
        assert alarmed == [(start_of(22),), (start_of(25),), (start_of(28),)]
        assert value(connection, "select count(*) from mlguard._armed") == 0


def test_a_true_alarm_leaves_what_is_usual(guarded_db: str) -> None:
    with session(guarded_db) as connection:
        make(connection, ["amount", "plan"])
        live(connection, 24, faults=(21,))
        before = value(connection, "select cardinality(known) from mlguard._band where metric = 'usual_null(plan)'")
        worst = value(connection, "select plain_up from mlguard._band where metric = 'usual_null(plan)'")
        connection.execute("update mlguard._metric set excluded = true where window_start = %s", (start_of(21),))
        deliver(connection, 24, calm(24))
        sweep(connection, 24)
        assert rows(connection, "select excluded, count(*) from mlguard._learned_scope group by 1 order by 1") == [
            (False, 24),
            (True, 1),
        ]
        after = value(connection, "select cardinality(known) from mlguard._band where metric = 'usual_null(plan)'")
        assert after == before, "one came, one was left out"
        assert value(connection, "select plain_up from mlguard._band where metric = 'usual_null(plan)'") < worst
        [(left_out,)] = rows(connection, "select window_start from mlguard._learned_scope where excluded")
        assert left_out == start_of(21)


# As SLO files say it.

FILE = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
{more}
"""


def fill(connection: psycopg.Connection[Any], day: int, *, nulls: int = 0, n: int = 60) -> None:
    """Write one batch, a day's rows; of `nulls` in ten the age is missing."""
    connection.execute(
        "insert into features.customer (customer_id, age, plan, tenure_days, event_ts)"
        " select %(day)s * 1000 + g, case when g %% 10 >= %(nulls)s then 20 + g %% 40 end,"
        " (array['free', 'pro'])[1 + (g %% 3 = 0)::int], g %% 17, %(at)s"
        " from generate_series(1, %(n)s) g",
        {"day": day, "nulls": nulls, "n": n + day % 3, "at": start_of(day)},
    )


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        ("{metrics: all, shadow: false}", "FAIL", None),
        ("{metrics: all, shadow: true}", "NOTED", "shadow"),
        ("all", "NOTED", "shadow: on trial until its alarms keep within the budget"),
    ],
)
def test_the_slo_file_decides_whether_it_acts(
    pg18: str, tmp_path: Path, said: str, outcome: str, reason: str | None
) -> None:
    support.prepare(pg18)
    api.apply(support.project(tmp_path, FILE.format(more=f"columns:\n  age: {{usual: {said}}}")), pg18)
    with session(pg18) as connection:
        for day in range(21):
            fill(connection, day)
        fill(connection, 21, nulls=9)
        connection.execute("select mlguard.sweep(%s)", (start_of(22),))
        [found] = rows(
            connection,
            "select outcome, reason from mlguard.verdict where slo = %s and window_start = %s",
            "features.customer/age.usual",
            start_of(21),
        )
        assert found[0] == outcome
        assert (found[1] or "").startswith(reason or "")


def test_batches_are_judged_at_commit_and_learned_by_sweep(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    said = "usual: {metrics: all, over: batch, shadow: false, on_violation: reject}"
    api.apply(support.project(tmp_path, FILE.format(more=f"columns:\n  age: {{{said}}}")), pg18)
    with session(pg18) as connection:
        for day in range(24):
            fill(connection, day)
            connection.execute("select mlguard.sweep()")
        with pytest.raises(psycopg.errors.CheckViolation) as told:
            fill(connection, 24, nulls=9)
        message = told.value.diag.message_primary or ""
        assert "age.usual" in message
        assert value(connection, "select count(*) from features.customer where customer_id >= 24000") == 0
        fill(connection, 24)
        [last] = rows(
            connection,
            "select outcome from mlguard.verdict where slo = 'features.customer/age.usual' order by id desc limit 1",
        )
        assert last == ("PASS",)


def test_usual_of_a_metric_in_a_check(pg18: str, tmp_path: Path) -> None:
    support.prepare(pg18)
    more = "slos:\n  - name: steady\n    check: usual(coverage(age))\n    over: window"
    api.apply(support.project(tmp_path, FILE.format(more=more)), pg18)
    with session(pg18) as connection:
        for day in range(25):
            fill(connection, day)
        fill(connection, 25, nulls=7)
        fill(connection, 26)
        connection.execute("select mlguard.sweep(%s)", (start_of(27),))
        found = rows(
            connection,
            "select outcome, reason from mlguard.verdict where slo = 'features.customer/steady' order by window_start",
        )
        assert found[0] == ("INSUFFICIENT", "learning") or found[0][0] == "NOTED"
        assert [outcome for outcome, _ in found[-3:]] in (["PASS", "FAIL", "PASS"], ["PASS", "NOTED", "PASS"])
