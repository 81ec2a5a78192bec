"""The in-database runtime as a migration: the files of sql/runtime between two versions, as they stand."""

from __future__ import annotations

from mlguard import runtime
from mlguard.alembic import frame
from mlguard.alembic.text import Draft, Part
from mlguard.emit.rules import literal
from mlguard.runtime import LOCK, sql_folder, versions

# As Alembic makes it for the runtime's own environment, which goes on from there.
_VERSIONS = (
    "create table if not exists mlguard.alembic_version (\n  version_num varchar(32) not null,\n"
    "  constraint alembic_version_pkc primary key (version_num)\n)"
)


def draft(message: str, installed: str | None) -> Draft:
    """Return the file that installs the runtime, or brings it from `installed` to this client's version."""
    known = versions()
    wanted = known[known.index(installed) + 1 :] if installed is not None else known
    files = {path.name: path.name.removesuffix(".sql") for path in sql_folder().glob("*.sql")}
    ups = [name for version in wanted for name in sorted(files.values()) if name.startswith(f"{version}_")]
    up = [runtime.read_sql(name) for name in ups if name.endswith(".up")]
    down = [runtime.read_sql(name) for name in reversed(ups) if name.endswith(".down")]
    lock = f"select pg_advisory_xact_lock({LOCK})"
    if installed is None:
        first = [frame.refuse_installed(known[-1]), "create schema if not exists mlguard", _VERSIONS]
        last = [f"insert into mlguard.alembic_version (version_num) values ({literal(known[-1])})"]
        undone = ["drop table mlguard.alembic_version", "drop schema mlguard"]
        guard = [frame.refuse_runtime_loss()]
    else:
        first = [frame.refuse_version(installed)]
        last = [f"update mlguard.alembic_version set version_num = {literal(known[-1])}"]
        undone = [f"update mlguard.alembic_version set version_num = {literal(installed)}"]
        guard = [frame.refuse_version(known[-1])]
    return Draft(
        f"{message}: mlguard runtime",
        (Part((frame.refuse_doubled(), lock, *first, *up, *last), about=f"the runtime {known[-1]}"),),
        (Part((frame.refuse_doubled(), lock, *guard, *down, *undone)),),
    )
