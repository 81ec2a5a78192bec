"""SLOs that are declared on SQLAlchemy models and tables, as the project that SLO files would make.

    class Customer(Base):
        __tablename__ = "customer"
        __table_args__ = {
            "schema": "features",
            "info": {"mlguard": {"owner": "platform-ml", "slos": [{"name": "adult", "check": "age >= 18"}]}},
        }
        customer_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        age: Mapped[int | None] = mapped_column(info={"mlguard": {"range": [0, 130]}})

A column's `info["mlguard"]` holds short forms, a table's holds the keys of an SLO file. What the model knows already
is not said again: the table's name, `type` of the columns that say something, and `key`, the primary key.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import registry

from mlguard.errors import Problem, SpecError, Where
from mlguard.lang.types import parse_type
from mlguard.spec.declared import Declared
from mlguard.spec.project import Project, declared_project

if TYPE_CHECKING:
    from sqlalchemy.orm import DeclarativeBase, Mapper

INFO = "mlguard"
_SPELLED = {"float": "double precision", "datetime": "timestamp"}  # what SQLAlchemy prints and format_type() does not

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves the constructor untyped


def from_metadata(
    source: sqlalchemy.MetaData | registry | type[DeclarativeBase],
    *,
    select: Sequence[str] = (),
    default_schema: str = "public",
) -> Project:
    """Return the project that models declare.

    Args:
        source: the models' base class or registry; or a MetaData, whose faults are then told by table instead of model.
        select: `table:x`, `tag:y`, `slo:z`; several are alternatives.
        default_schema: where tables without a schema live.

    Raises:
        SpecError: every fault at once, by model and column; or nothing is declared.
    """
    metadata = source if isinstance(source, sqlalchemy.MetaData) else source.metadata
    mappers = _mappers(source)
    found: list[Declared] = []
    faults: list[Problem] = []
    for table in metadata.sorted_tables:
        mapper = mappers.get(table)
        name = mapper.class_.__name__ if mapper is not None else table.fullname
        names = {column.name: f"{name}.{_attribute(column, mapper)}" for column in table.columns}
        said = {column.name: column.info[INFO] for column in table.columns if INFO in column.info}
        if INFO not in table.info and not said:
            continue
        wrong = [(name, table.info.get(INFO, {})), *((names[column], keys) for column, keys in said.items())]
        faults += [_not_a_dict(place, given) for place, given in wrong if not isinstance(given, Mapping)]
        if not any(not isinstance(given, Mapping) for _, given in wrong):
            found.append(Declared(name, _keys(table, said, default_schema), names))
    if faults:
        raise SpecError(f"{len(faults)} problems", problems=faults)
    if not found:
        raise SpecError(
            "no model declares an SLO", help='write info={"mlguard": {…}} on a column, or in __table_args__ of a model'
        )
    return declared_project(found, select=select)


def load_models(target: str, *, select: Sequence[str] = ()) -> Project:
    """Import `package.module:name` and return the project that it declares.

    Args:
        target: where the base class, registry or MetaData is; the current folder is looked in too.
        select: as in `from_metadata`.

    Raises:
        SpecError: it cannot be imported, or is none of these; or as `from_metadata`.
    """
    module, colon, name = target.partition(":")
    if not colon or not module or not name:
        raise SpecError(f"`{target}` does not name models", help="write package.module:Base")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"cannot import {target}: {error}", help="run it from the project's folder") from error
    if not isinstance(getattr(found, "metadata", found), sqlalchemy.MetaData):
        raise SpecError(
            f"{target} is a {type(found).__name__}", help="name a declarative base, a registry or a MetaData"
        )
    return from_metadata(found, select=select)  # type: ignore[arg-type]  # one of these, as has just been seen


def _mappers(source: Any) -> dict[Any, Mapper[Any]]:
    """Return the mapper of each table; of several (a hierarchy in one table) the first, which is the base."""
    known = source if isinstance(source, registry) else getattr(source, "registry", None)
    found: dict[Any, Mapper[Any]] = {}
    for mapper in known.mappers if known is not None else ():
        before = found.get(mapper.local_table)
        if before is None or issubclass(before.class_, mapper.class_):
            found[mapper.local_table] = mapper
    return found


def _attribute(column: sqlalchemy.Column[Any], mapper: Mapper[Any] | None) -> str:
    """Return what the model calls a column."""
    if mapper is not None:
        for key, mapped in mapper.columns.items():
            if mapped is column:
                return key
    return column.name


def _not_a_dict(name: str, given: Any) -> Problem:
    return Problem(f'info["mlguard"] is a {type(given).__name__}', Where(name, 0, 0), "write a dict of keys")


def _keys(table: sqlalchemy.Table, said: Mapping[str, Mapping[str, Any]], default_schema: str) -> dict[str, Any]:
    """Return the keys of the SLO file that a table stands for."""
    given = dict(table.info.get(INFO, {}))
    columns = dict(given.pop("columns", {}))
    for name, keys in said.items():
        columns[name] = {**columns.get(name, {}), **keys}
    for name, keys in columns.items():
        column = table.columns.get(name)
        spelled = _type(column) if column is not None else None
        if spelled is not None and isinstance(keys, Mapping):
            columns[name] = {"type": spelled, **keys}
    key = [column.name for column in table.primary_key.columns]
    return {
        "mlguard": 1,
        "table": f"{table.schema or default_schema}.{table.name}",
        **({"key": key} if key else {}),
        **given,
        **({"columns": columns} if columns else {}),
    }


def _type(column: sqlalchemy.Column[Any]) -> str | None:
    """Return a column's type in PostgreSQL's words; None where the language does not know it."""
    try:
        printed = column.type.compile(dialect=_DIALECT)
    except sqlalchemy.exc.CompileError:
        return None
    spelled = printed if '"' in printed else printed.lower()
    spelled = _SPELLED.get(spelled, spelled)
    return spelled if parse_type(spelled) is not None else None
