"""SLOs on SQLAlchemy models: the program of the same SLOs in YAML, and faults that name Model.column."""

from __future__ import annotations

import enum
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

import mlguard
from mlguard.cli import cli
from mlguard.compile import compile_project
from mlguard.declarative import from_metadata
from mlguard.errors import SpecError
from mlguard.lang.types import parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableShape
from mlguard.spec.declared import Declared, tree
from tests import support

YAML = """
mlguard: 1
table: features.customer
key: [customer_id]
event_time: event_ts
owner: platform-ml
consumers: [churn, ltv]
writes: rows
late: 1 hour
baseline: first 14 days
missing: [NaN, '']
columns:
  customer_id: {type: bigint, required: true}
  age: {type: integer, range: {between: [0, 130], on_violation: quarantine}}
  plan: {type: text, in: [free, pro, enterprise], description: What they pay for}
  score: {type: double precision, range: [null, 0.75], max_null_rate: 2%}
  joined: {type: date, range: ['2001-01-01', null]}
  email: {type: varchar(200), pii: true, matches: '^[a-z]+$'}
  event_ts: {type: timestamp with time zone}
slos:
  - {name: cancelled_is_not_new, check: NOT (plan = 'free' AND age < 18), on_violation: warn, tags: [law]}
  - {name: covered, check: coverage(age) >= 0.75, over: 1 day, by: plan, min_rows: 5}
  - {name: fresh, check: staleness() <= INTERVAL '26 hours', severity: page}
"""

SHAPES = {
    TableName("public", "customer"): TableShape(
        TableName("public", "customer"), (ColumnShape("age", parse_type("integer") or pytest.fail("integer")),)
    )
}


class Plan(enum.Enum):
    FREE = "free"


def models() -> type[DeclarativeBase]:
    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        __table_args__ = {  # noqa: RUF012  # SQLAlchemy's own annotation is no ClassVar
            "schema": "features",
            "info": {
                "mlguard": {
                    "event_time": "event_ts",
                    "owner": "platform-ml",
                    "consumers": ["churn", "ltv"],
                    "writes": "rows",
                    "late": "1 hour",
                    "baseline": "first 14 days",
                    "missing": ["NaN", ""],
                    "slos": [
                        {
                            "name": "cancelled_is_not_new",
                            "check": "NOT (plan = 'free' AND age < 18)",
                            "on_violation": "warn",
                            "tags": ["law"],
                        },
                        {
                            "name": "covered",
                            "check": "coverage(age) >= 0.75",
                            "over": "1 day",
                            "by": "plan",
                            "min_rows": 5,
                        },
                        {"name": "fresh", "check": "staleness() <= INTERVAL '26 hours'", "severity": "page"},
                    ],
                }
            },
        }
        customer_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True, info={"mlguard": {"required": True}})
        age: Mapped[int | None] = mapped_column(
            info={"mlguard": {"range": {"between": [0, 130], "on_violation": "quarantine"}}}
        )
        plan: Mapped[str | None] = mapped_column(
            sa.Text,
            info={"mlguard": {"in": [Plan.FREE, "pro", "enterprise"], "description": "What they pay for"}},
        )
        rating: Mapped[float | None] = mapped_column(
            "score", sa.Float, info={"mlguard": {"range": [None, Decimal("0.75")], "max_null_rate": 0.02}}
        )
        joined: Mapped[date | None] = mapped_column(info={"mlguard": {"range": [date(2001, 1, 1), None]}})
        email: Mapped[str | None] = mapped_column(
            sa.String(200), info={"mlguard": {"pii": True, "matches": "^[a-z]+$"}}
        )
        event_ts: Mapped[Any] = mapped_column(sa.TIMESTAMP(timezone=True), info={"mlguard": {}})
        unwatched: Mapped[str | None] = mapped_column(info={"other": 1})

    return Base


def test_the_program_of_the_same_slos_in_yaml(tmp_path: Path) -> None:
    of_yaml = compile_project(support.project(tmp_path, YAML), None)
    of_models = compile_project(from_metadata(models()), None)
    assert of_models == of_yaml
    assert from_metadata(models().metadata).files == from_metadata(models().registry).files
    assert mlguard.from_metadata is from_metadata


@pytest.mark.parametrize(
    ("info", "table", "said"),
    [
        ({"range": [130, 0]}, {}, "Customer.years: no value lies between 130 and 0"),
        ({"rnge": [0, 130]}, {}, 'Customer.years: unknown key `rnge`\n   help: did you mean "range"?'),
        ({"range": [0, object()]}, {}, "Customer.years: a value of type object cannot stand here"),
        ("required", {}, 'Customer.years: info["mlguard"] is a str'),
        ({}, {"slos": [{"name": "s", "check": "aeg > 0"}]}, "Customer/s: no column `aeg`"),
        ({}, {"slos": [{"check": "age > 0"}]}, "Customer: `name` is missing"),
        ({}, {"slos": [{"name": "s", "check": "length(age) > 0"}]}, "   | length(age) > 0\n"),
        ({}, {"columns": {"agee": {"range": [0, 1]}}}, "Customer.agee: no column `agee` in public.customer"),
        ({}, {"ownr": "x"}, "Customer: unknown key `ownr`"),
        ({}, {"key": "nothing"}, "Customer: no column `nothing` in public.customer"),
    ],
)
def test_faults_name_model_and_column(info: Any, table: dict[str, Any], said: str) -> None:
    mapper = registry()

    @mapper.mapped
    class Customer:
        __table__ = sa.Table(
            "customer",
            mapper.metadata,
            sa.Column("age", sa.Integer, key="years", info={"mlguard": info}, primary_key=True),
            info={"mlguard": table},
        )

    with pytest.raises(SpecError) as refused:
        compile_project(from_metadata(mapper), SHAPES)
    text = str(refused.value)
    assert said in text
    assert ":0:" not in text


def test_every_fault_at_once() -> None:
    metadata = sa.MetaData()
    sa.Table(
        "t",
        metadata,
        sa.Column("a", sa.Integer, info={"mlguard": {"rang": 1}}),
        sa.Column("b", sa.Integer, info={"mlguard": {"lenght": 1}}),
    )
    with pytest.raises(SpecError) as refused:
        from_metadata(metadata)
    assert [str(problem.where) for problem in refused.value.problems] == ["t.a", "t.b"]


def test_nothing_declared() -> None:
    with pytest.raises(SpecError, match="no model declares an SLO"):
        from_metadata(sa.MetaData())


def test_selection() -> None:
    assert [str(file.table) for file in from_metadata(models(), select=["table:features.customer"]).files] == [
        "features.customer"
    ]
    with pytest.raises(SpecError):
        from_metadata(models(), select=["table:features.nothing"])


def test_values_of_python() -> None:
    """Each value is what YAML's spelling of it is."""
    given = {"a": [1, 0.5, 1e-7, float("inf"), True, None, "5", "null"], "b": frozenset({"x"}), "c": ("y",)}
    root, faults = tree(Declared("T", given))
    assert faults == []
    kinds = [node.kind for node in root.entries["a"].value.items]  # type: ignore[union-attr]
    assert kinds == ["number", "number", "number", "number", "boolean", "null", "text", "text"]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with models in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "shop_models.py").write_text(
        "from sqlalchemy import Integer\n"
        "from sqlalchemy.orm import DeclarativeBase, mapped_column\n"
        "class Base(DeclarativeBase):\n    pass\n"
        "class Customer(Base):\n    __tablename__ = 'customer'\n"
        "    id = mapped_column(Integer, primary_key=True)\n"
        "    age = mapped_column(Integer, info={'mlguard': {'range': [0, 130]}})\n"
        "number = 5\n"
    )
    return tmp_path


def test_command_line(module: Path) -> None:
    def run(*args: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, args)
        return done.exit_code, done.output

    assert run("validate", "--models", "shop_models:Base") == (0, "1 SLO file without a fault\n")
    code, text = run("--models", "shop_models:Base.metadata", "compile", "--expand")
    assert code == 0
    assert "age.range" in text
    for wrong, words in (
        ("shop_models", "does not name models"),
        ("shop_modelz:Base", "cannot import shop_modelz:Base"),
        ("shop_models:Nothing", "cannot import shop_models:Nothing"),
        ("shop_models:number", "shop_models:number is a int"),
    ):
        code, text = run("validate", "--models", wrong)
        assert code == 2
        assert words in text
    code, text = run("validate", "--models", "shop_models:Base", "--slos", ".")
    assert code == 2
    assert "say one of them" in text
