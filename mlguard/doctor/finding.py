"""A finding, and the tables that findings are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlguard.names import TableName, quote_ident
from mlguard.operate.ask import as_rows

if TYPE_CHECKING:
    import psycopg

# Every name a finding can have, with what it is about; `--ignore` takes these, the docs list them.
NAMES = {
    "runtime": "client and in-database runtime are of different versions",
    "runtime-edited": "a function or trigger of mlguard's own schema is not what its version installs",
    "audit": "the chain of audited events has faults",
    "opened": "others than its owner have rights on what is private to mlguard, or lack those they need",
    "numbers": "a sequence of mlguard's was set back, and gives numbers a second time",
    "role": "a role of mlguard's does not exist",
    "owner": "code of a table's owner can run with the rights of mlguard's owner",
    "gone": "a guarded table no longer exists",
    "re-created": "a guarded table was dropped and made anew, without its SLOs",
    "column-gone": "a column that an SLO names is gone or was renamed",
    "schema": "columns changed since the SLO file was applied",
    "missing": "an object that mlguard made is gone",
    "disabled": "a trigger that mlguard made fires for nobody",
    "tampered": "an object that mlguard made was changed",
    "not-always": "a trigger that mlguard made does not fire under session_replication_role = replica",
    "unregistered": "objects serve an SLO that the registry does not have",
    "unrecorded": "a trigger calls mlguard that no apply made",
    "rule": "a rule rewrites writes to a guarded table before a trigger sees them",
    "hold-ended": "a batch that failed holds nothing, though nobody resolved it",
    "verdict-edited": "a verdict says other than when it closed a gate",
    "unvalidated": "a constraint holds for new rows; stored rows were not all judged",
    "later-trigger": "a row trigger runs after mlguard's and can change the row it judged",
    "partition": "a partition lacks statement triggers: writes straight into it are not judged there",
    "partition-gone": "a partition was dropped or detached, and its rows still count",
    "foreign-partition": "a partition on another server enforces no rule",
    "subscribed": "logical replication writes into the table, and fires no statement trigger",
    "heir": "a table that inherits from a guarded one has CHECKs, but no trigger",
    "cascade": "a foreign key writes columns of a table that keeps rows out: that leaves orphans",
    "public-functions": "everybody may call functions of schema mlguard that are not for everybody",
    "reads-past-gate": "a role can read the table without passing its gate",
    "view-past-gate": "a view reads the table without passing its gate",
    "ungranted": "the role for tasks may not read the guarded view",
    "pii-key": "PostgreSQL prints personal data when a unique key is violated",
    "pii-row": "PostgreSQL prints the whole row, personal data included, when a constraint is violated",
    "pii-log": "the server's log settings print personal data",
    "key-index": "no index serves look-ups by the key of the table",
    "slo-index": "an SLO reads the whole table at every judgement, for want of an index",
    "join-index": "no index serves the matching of predictions with their labels or attributes",
    "request-index": "no index leads to the rows of a request, which COMMIT reads",
    "quarantine-cap": "quarantine is nearly full; at its cap writes are refused",
    "prepared": "a prepared transaction holds locks on a guarded table",
    "track-counts": "the server does not count rows, so the quarantine WARNING cannot say of how many",
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    name: str
    message: str
    fix: str
    table: str = ""

    def __post_init__(self) -> None:
        assert self.name in NAMES, self.name


@dataclass(frozen=True)
class Table:
    """A guarded table as mlguard remembers it, and whether it exists."""

    tbl: str
    schema_name: str
    table_name: str
    key: list[str]
    pii: list[str]
    reads: str
    quarantine_cap: int
    oid: int | None
    keeps_out: bool  # some SLO of it quarantines

    @property
    def name(self) -> TableName:
        """The table's name."""
        return TableName(self.schema_name, self.table_name)

    @property
    def sql(self) -> str:
        """The quoted name."""
        return f"{quote_ident(self.schema_name)}.{quote_ident(self.table_name)}"


def guarded(connection: psycopg.Connection[Any]) -> list[Table]:
    """Return the guarded tables."""
    return as_rows(
        connection,
        Table,
        """
select t.tbl, t.schema_name, t.table_name, t.key, t.pii, t.reads, t.quarantine_cap,
       c.oid::bigint as oid,
       exists (select from mlguard._slo as s where s.tbl = t.tbl and s.action in ('quarantine', 'repair')) as keeps_out
from mlguard._table as t
left join pg_catalog.pg_namespace as n on n.nspname = t.schema_name
left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = t.table_name
order by t.tbl
""",
    )
