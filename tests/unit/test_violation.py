"""What a database error becomes in Python: from fake diagnostics, and from a server through psycopg and SQLAlchemy."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy

import mlguard
from mlguard.errors import Exit
from mlguard.violation import (
    KINDS,
    ModelNotApproved,
    ReadHeld,
    SloViolation,
    TrainingRefused,
    WriteRefused,
    violations,
)

SLO = "features.customer/age.range"
DETAIL = {
    "slo": SLO,
    "table": "features.customer",
    "column": "age",
    "observed": {"age": -4},
    "allowed": "allowed 0 to 130",
    "key": {"customer_id": 1017},
    "severity": "page",
    "owner": "platform-ml",
    "runbook": "https://wiki.example.com/age",
    "version": 3,
}
MESSAGE = f"mlguard: {SLO}: age is -4, allowed 0 to 130 (customer_id 1017); this statement stored nothing"
STALE = (
    "mlguard: features.customer is stale: newest event_ts is 2026-11-18 23:00 UTC, 28 h 12 min old, "
    "allowed 26 h (fresh)"
)
FIELDS = (
    "message_primary",
    "message_detail",
    "message_hint",
    "schema_name",
    "table_name",
    "column_name",
    "constraint_name",
)


class FakeError(Exception):
    """An error with the `diag` of psycopg."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields.get("message_primary", ""))
        self.diag = SimpleNamespace(**{**dict.fromkeys(FIELDS), **fields})


def refused(**changes: Any) -> FakeError:
    fields = {
        "sqlstate": "23514",
        "message_primary": MESSAGE,
        "message_detail": json.dumps(DETAIL),
        "message_hint": "Owner platform-ml.",
        "constraint_name": SLO,
        "schema_name": "features",
        "table_name": "customer",
        "column_name": "age",
    }
    return FakeError(**{**fields, **changes})


def seen(exc: BaseException) -> SloViolation:
    found = SloViolation.from_exception(exc)
    assert found is not None
    return found


def test_every_field_comes_from_the_json_detail() -> None:
    found = seen(refused())
    assert type(found) is WriteRefused
    assert found.message == MESSAGE
    assert (found.slo, found.table, found.column) == (SLO, "features.customer", "age")
    assert (found.observed, found.limit, found.key) == ({"age": -4}, "0 to 130", {"customer_id": 1017})
    assert (found.severity, found.owner, found.runbook) == ("page", "platform-ml", "https://wiki.example.com/age")
    assert (found.sqlstate, found.hint, found.help) == ("23514", "Owner platform-ml.", "Owner platform-ml.")
    assert found.detail == DETAIL
    assert found.exit_code is Exit.VIOLATED
    assert str(found) == f"{MESSAGE}\n   help: Owner platform-ml."


@pytest.mark.parametrize(
    ("sqlstate", "kind"), [("ML001", ReadHeld), ("ML002", TrainingRefused), ("ML003", ModelNotApproved)]
)
def test_own_sqlstates_have_own_classes(sqlstate: str, kind: type[SloViolation]) -> None:
    detail = json.dumps({"slo": "features.customer/fresh", "table": "features.customer", "observed": "28 h 12 min"})
    found = seen(FakeError(sqlstate=sqlstate, message_primary=STALE, message_detail=detail))
    assert type(found) is kind
    assert (found.slo, found.observed) == ("features.customer/fresh", "28 h 12 min")


def test_a_held_read_without_detail_still_names_the_table() -> None:
    found = seen(FakeError(sqlstate="ML001", message_primary=STALE, schema_name="features", table_name="customer"))
    assert (type(found), found.slo, found.table) == (ReadHeld, "", "features.customer")


@pytest.mark.parametrize("detail", ["Failing row contains (7, -4).", "[1, 2]", "{", "null", None])
def test_detail_that_is_no_json_object_is_tolerated_and_not_repeated(detail: str | None) -> None:
    found = seen(refused(message_detail=detail))
    assert (found.slo, found.table, found.column) == (SLO, "features.customer", "age")
    assert (found.observed, found.key, found.detail) == (None, None, {})


@pytest.mark.parametrize("sqlstate", ["23502", "23503", "23505", "23514"])
def test_native_and_portable_constraints_are_found_by_their_name(sqlstate: str) -> None:
    words = 'new row for relation "customer" violates check constraint "mlguard_age.range"'
    found = seen(
        refused(
            sqlstate=sqlstate,
            message_primary=words,
            message_detail="Failing row contains (7, -4).",
            constraint_name="mlguard_age.range",
            column_name=None,
        )
    )
    assert (type(found), found.slo, found.table, found.column) == (WriteRefused, SLO, "features.customer", None)
    assert found.message == f"{SLO}: {words}"


def test_citus_leaves_only_the_message() -> None:
    found = seen(FakeError(sqlstate="XX000", message_primary=MESSAGE))
    assert (type(found), found.slo, found.table) == (WriteRefused, SLO, "features.customer")


def test_several_rules_broken_at_once_are_named_by_the_first() -> None:
    broken = [{"slo": SLO, "observed": {"age": -4}, "version": 1}, {"slo": "features.customer/plan.in"}]
    found = seen(refused(message_detail=json.dumps({"table": "features.customer", "broken": broken})))
    assert found.slo == SLO
    assert found.detail["broken"] == broken


def test_a_value_that_is_no_object_is_shown_as_text() -> None:
    assert seen(refused(message_detail=json.dumps({**DETAIL, "observed": 0.491}))).observed == "0.491"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no database error"),
        FakeError(sqlstate="42P01", message_primary='relation "x" does not exist'),
        FakeError(sqlstate="XX000", message_primary="cache lookup failed for relation 1: index 2"),
        FakeError(sqlstate=None),
        refused(constraint_name="customer_age_check", message_detail="Failing row contains (7).", message_primary="x"),
        refused(constraint_name="mlguard_age.range", message_detail=None, message_primary="x", table_name=None),
    ],
)
def test_other_errors_are_not_claimed(error: Exception) -> None:
    assert SloViolation.from_exception(error) is None
    with pytest.raises(type(error)) as caught, violations():
        raise error
    assert caught.value is error


def test_wrapped_errors_are_found_in_orig_and_in_causes() -> None:
    wrapped = RuntimeError("statement failed")
    wrapped.orig = refused()  # type: ignore[attr-defined]  # as SQLAlchemy's DBAPIError has it
    outer = RuntimeError("task failed")
    outer.__cause__ = wrapped
    wrapped.__cause__ = outer  # a ring must end
    assert seen(outer).slo == SLO


def test_a_violation_passes_unchanged() -> None:
    original = WriteRefused("x", slo=SLO)
    assert SloViolation.from_exception(original) is original
    with pytest.raises(WriteRefused) as caught, violations():
        raise original
    assert caught.value is original
    assert original.__cause__ is None


def test_violations_keeps_the_original_as_cause_and_decorates() -> None:
    error = refused()

    @violations()
    def load() -> None:
        raise error

    with pytest.raises(WriteRefused) as caught:
        load()
    assert caught.value.__cause__ is error


def test_a_violation_survives_pickling() -> None:
    # Task runners send exceptions between processes.
    copy = pickle.loads(pickle.dumps(seen(refused())))
    assert (type(copy), copy.slo, copy.observed, str(copy)) == (WriteRefused, SLO, {"age": -4}, str(seen(refused())))


def test_every_class_is_public() -> None:
    assert {kind.__name__ for kind in KINDS.values()} <= set(mlguard.__all__)


def test_the_module_imports_no_driver() -> None:
    code = (
        "import sys, mlguard.violation; print([m for m in ('psycopg', 'sqlalchemy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


RAISE = f"""
do $do$
begin
  raise exception using errcode = '23514', message = '{MESSAGE}', detail = '{json.dumps(DETAIL)}',
    hint = 'Owner platform-ml.', constraint = '{SLO}', schema = 'features', table = 'customer', column = 'age';
end
$do$
"""
HELD = "do $do$ begin raise exception using errcode = 'ML001', message = 'mlguard: s.t is stale: …'; end $do$"
TABLE = """
create schema features;
create table features.customer (customer_id bigint, age integer);
alter table features.customer add constraint "mlguard_age.range" check (age >= 0);
alter table features.customer add constraint "mlguard_customer_id.unique" unique (customer_id);
"""


def as_wide(found: SloViolation) -> tuple[Any, ...]:
    return (type(found), found.slo, found.table, found.column, found.observed, found.limit, found.key, found.sqlstate)


WANTED = (WriteRefused, SLO, "features.customer", "age", {"age": -4}, "0 to 130", {"customer_id": 1017}, "23514")


def test_psycopg(bare18: str) -> None:
    with psycopg.connect(bare18, autocommit=True) as connection:
        with pytest.raises(WriteRefused) as refused_write, violations():
            connection.execute(RAISE)
        assert as_wide(refused_write.value) == WANTED
        assert isinstance(refused_write.value.__cause__, psycopg.errors.CheckViolation)
        with pytest.raises(ReadHeld), violations():
            connection.execute(HELD)

        connection.execute(TABLE)
        with pytest.raises(WriteRefused, match=r"violates check constraint") as portable, violations():
            connection.execute("insert into features.customer values (1, -4)")
        assert (portable.value.slo, portable.value.observed) == (SLO, None)
        connection.execute("insert into features.customer values (1, 4)")
        with pytest.raises(WriteRefused) as twice, violations():
            connection.execute("insert into features.customer values (1, 5)")
        assert (twice.value.slo, twice.value.sqlstate) == ("features.customer/customer_id.unique", "23505")
        with pytest.raises(psycopg.errors.UndefinedTable), violations():
            connection.execute("select from nowhere")


def test_sqlalchemy(bare18: str) -> None:
    engine = sqlalchemy.create_engine(bare18.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection, pytest.raises(WriteRefused) as refused_write, violations():
        connection.exec_driver_sql(RAISE)
    engine.dispose()
    assert as_wide(refused_write.value) == WANTED
    assert isinstance(refused_write.value.__cause__, sqlalchemy.exc.IntegrityError)
