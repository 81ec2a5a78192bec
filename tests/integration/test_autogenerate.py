"""`alembic revision --autogenerate` beside mlguard: it touches nothing of ours, and still finds what is the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg.conninfo import make_conninfo

from mlguard import api
from mlguard.alembic import include_name, include_object, options
from tests.alembic_project import AlembicProject
from tests.support import prepare, write

CHECKS = ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"]
SLOS = """
mlguard: 1
table: {table}
key: [customer_id]
event_time: event_ts
columns:
  customer_id: {{type: bigint, unique: true}}
  age: {{type: integer, required: true, range: [0, 130]}}
  plan: {{type: text, references: {schema}.plan.plan}}
  email: {{type: text, unique: true, required: true}}
  tenure_days: {{type: double precision, range: {{between: [0, null], on_violation: quarantine}}}}
slos:
  - {{name: covered, check: coverage(age) >= 0.5, over: 1 day}}
  - {{name: fresh, check: "staleness() <= INTERVAL '26 hours'"}}
"""


def metadata(schema: str | None) -> sa.MetaData:
    """Return the user's models, as they are in the database."""
    made = sa.MetaData()
    sa.Table("plan", made, sa.Column("plan", sa.Text, primary_key=True), schema=schema)
    sa.Table(
        "customer",
        made,
        sa.Column("customer_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("age", sa.Integer),  # nullable for the model, NOT NULL by an SLO
        sa.Column("plan", sa.Text),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("tenure_days", sa.Double),
        sa.Column("event_ts", sa.DateTime(timezone=True)),
        sa.CheckConstraint("age <> 13", name="not_thirteen"),
        sa.Index("by_plan", "plan"),
        schema=schema,
    )
    return made


def guard(dsn: str, folder: Path, schema: str) -> None:
    prepare(
        dsn,
        f"create schema if not exists {schema}; create table {schema}.plan (plan text primary key);"
        f"create table {schema}.customer (customer_id bigint primary key, age integer, plan text, email text not null,"
        " tenure_days double precision, event_ts timestamptz, constraint not_thirteen check (age <> 13));"
        f"create index by_plan on {schema}.customer (plan)",
    )
    slos = write(folder, SLOS.format(table=f"{schema}.customer", schema=schema), f"{schema}.slo.yaml")
    api.apply(api.load(slos / f"{schema}.slo.yaml"), dsn)


def project(
    dsn: str, folder: Path, monkeypatch: pytest.MonkeyPatch, models: sa.MetaData, **given: Any
) -> AlembicProject:
    monkeypatch.setenv("MLGUARD_DSN", dsn)
    made = AlembicProject(folder, metadata=models, **given)
    made.upgrade()
    return made


@pytest.mark.parametrize("plugins", [None, CHECKS], ids=["plain", "checks"])
def test_ordinary_project(
    guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: list[str] | None
) -> None:
    guard(guarded_db, tmp_path, "public")
    given: dict[str, Any] = {"autogenerate_plugins": plugins} if plugins else {}
    with_filters = project(guarded_db, tmp_path, monkeypatch, metadata(None), **options(**given))
    assert with_filters.found() == []

    with_filters.options = given  # without the filters it would undo the guard: the test can fail
    undone = "\n".join(with_filters.found())
    assert "mlguard_email.unique@customer" in undone
    assert "mlguard_plan.references" in undone
    assert ("mlguard_age.range" in undone) == bool(plugins)
    assert "op.alter_column('customer', 'age'" in undone


def test_the_users_own_changes_are_found(guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard(guarded_db, tmp_path, "public")
    models = metadata(None)
    customer = models.tables["customer"]
    customer.append_column(sa.Column("score", sa.Double))
    customer.c.email.nullable = True
    customer.c.age.type = sa.BigInteger()
    customer.constraints -= {next(c for c in customer.constraints if c.name == "not_thirteen")}
    customer.append_constraint(sa.CheckConstraint("age <> 14", name="not_fourteen"))
    customer.indexes.clear()
    sa.Table("other", models, sa.Column("id", sa.Integer, primary_key=True))
    # A model that maps the guarded view reads through the gate; it is no table to create.
    sa.Table("customer_guarded", models, sa.Column("customer_id", sa.BigInteger, primary_key=True))
    kept = project(guarded_db, tmp_path, monkeypatch, models, **options(autogenerate_plugins=CHECKS))
    found = kept.found()
    text = "\n".join(found)
    for mine in ("create_table('other'", "add_column('customer'", "drop_index", "not_thirteen", "not_fourteen"):
        assert mine in text
    assert "op.alter_column('customer', 'email'" in text
    assert "op.alter_column('customer', 'age'" in text  # its type; that it is NOT NULL is left as it is
    assert "nullable=True)" not in next(line for line in found if "'age'" in line)
    assert "mlguard" not in text
    assert "customer_guarded" not in text


def test_schemas_and_heads(guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several schemas and several heads, every schema looked at, with filters of the user's own."""
    guard(guarded_db, tmp_path, "features")
    guard(guarded_db, tmp_path, "labels")
    prepare(guarded_db, "create schema legacy; create table legacy.old (id integer primary key)")
    models = metadata("features")
    for table in metadata("labels").tables.values():
        table.to_metadata(models)

    def mine(name: str | None, type_: str, parents: Any) -> bool:
        return not (type_ == "schema" and name == "legacy")

    kept = project(
        guarded_db,
        tmp_path,
        monkeypatch,
        models,
        **options(include_schemas=True, include_name=mine, autogenerate_plugins=CHECKS),
    )
    kept.empty("one", head="base", label="one")
    kept.empty("two", head="base", label="two")
    kept.upgrade("heads")
    assert kept.found(head="one@head") == []
    kept.options = options(include_schemas=True)
    assert kept.found(head="two@head") == ["op.drop_table('old', schema='legacy')"]


def test_a_database_without_the_runtime(bare_any: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(bare_any, "create table customer (customer_id bigint primary key, age integer not null)")
    models = sa.MetaData()
    columns = (sa.Column("customer_id", sa.BigInteger, primary_key=True), sa.Column("age", sa.Integer))
    sa.Table("customer", models, *columns)
    (line,) = project(bare_any, tmp_path, monkeypatch, models, **options()).found()
    assert line.startswith("op.alter_column('customer', 'age'")


def test_a_user_without_rights_on_the_registry(
    guarded_db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    guard(guarded_db, tmp_path, "public")
    prepare(guarded_db, "create role migrator login; grant create, usage on schema public to migrator")
    try:
        given = make_conninfo(guarded_db, user="migrator")
        (line,) = project(given, tmp_path, monkeypatch, metadata(None), **options()).found()
        assert line.startswith("op.alter_column('customer', 'age'")
        assert "no rights on schema mlguard" in caplog.text
    finally:
        prepare(guarded_db, "drop owned by migrator; drop role migrator")


def test_filters_one_by_one() -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("a", sa.Integer))
    check = sa.CheckConstraint("a > 0", name="mlguard_a.range")
    assert not include_name("mlguard", "schema", {})
    assert include_name("features", "schema", {})
    assert include_name(None, "schema", {})
    assert not include_name("_slo", "table", {"schema_name": "mlguard"})
    assert not include_object(check, "mlguard_a.range", "check_constraint", True, None)
    assert include_object(check, "mlguard_a.range", "check_constraint", False, None)
    assert include_object(check, "a_range", "check_constraint", True, None)
    assert include_object(table, "t", "table", False, None)
    assert not include_object(sa.Table("_slo", sa.MetaData(), schema="mlguard"), "_slo", "table", True, None)
    both = options(include_object=lambda *found: found[1] != "t")["include_object"]
    assert not both(table, "t", "table", True, None)
    assert both(table, "u", "table", True, None)
