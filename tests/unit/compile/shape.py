"""The table that the SLO files of these tests are about, as a database would show it."""

from __future__ import annotations

from pathlib import Path

from mlguard.compile import compile_table
from mlguard.errors import SpecError
from mlguard.lang.types import Kind, SqlType, parse_type
from mlguard.names import TableName
from mlguard.program import ColumnShape, TableProgram, TableShape
from mlguard.spec.load import Loader
from mlguard.spec.source import Source

COLUMNS = {
    "customer_id": "bigint",
    "age": "integer",
    "plan": "text",
    "tenure_days": "double precision",
    "amount": "numeric(10,2)",
    "churned": "boolean",
    "mood": "mood",
    "channel": "text",
    "country": "text",
    "email": "text",
    "payload": "jsonb",
    "event_ts": "timestamp with time zone",
    "f_a": "real",
    "f_b": "real",
    "Odd Name": "integer",
}


def _type(spelled: str) -> SqlType:
    return parse_type(spelled) or SqlType(Kind.ENUM, f"public.{spelled}")


TABLE = TableName("features", "customer")
SHAPE = TableShape(
    TABLE,
    (
        *(ColumnShape(name, _type(spelled)) for name, spelled in COLUMNS.items()),
        ColumnShape("decade", SqlType(Kind.INT4, "integer"), generated="(age / 10)", virtual=True),
    ),
)
HEAD = "mlguard: 1\ntable: features.customer\nevent_time: event_ts\n"


def compiled(text: str, shape: TableShape = SHAPE) -> TableProgram:
    """Compile an SLO file from its text; the head may be left out.

    Raises:
        SpecError: every fault of it.
    """
    whole = text if "mlguard:" in text else HEAD + text
    loaded = Loader().loads(Source("t.slo.yaml", whole), Path("t.slo.yaml"))
    if loaded.file is None:
        raise SpecError("", problems=loaded.faults)
    return compile_table(loaded.file, shape)
