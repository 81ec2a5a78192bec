"""What mlguard remembers of a table and its SLOs in the database, as plain rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlguard.names import digest
from mlguard.program import Rule, TableProgram


@dataclass(frozen=True)
class Record:
    """One row of a private table: its columns and values, and a hash by which a change is seen."""

    values: dict[str, Any]

    @property
    def hash(self) -> str:
        """The hash of all values."""
        return digest(*(f"{name}={value!r}" for name, value in sorted(self.values.items())))


def of_rule(rule: Rule) -> Record:
    """Return the row of mlguard._slo for a rule."""
    return Record(
        {
            "id": rule.id,
            "tbl": str(rule.table),
            "name": rule.name,
            "level": rule.level.value,
            "check_text": rule.text,
            "allowed": rule.limit,
            "action": rule.action.value,
            "place": rule.placement.place.value,
            "reason": rule.placement.reason,
            "columns": list(rule.columns),
            "column_name": rule.column,
            "max_bad_share": rule.max_bad.share if rule.max_bad else None,
            "max_bad_rows": rule.max_bad.rows if rule.max_bad else None,
            "min_rows": rule.min_rows,
            "max_age": rule.max_age,
            "shadow": rule.shadow,
            "waivable": rule.waivable,
            "portable": rule.portable,
            "severity": rule.severity,
            "owner": rule.owner,
            "runbook": rule.runbook,
            "description": rule.description,
            "tags": list(rule.tags),
            "then_do": list(rule.then),
        }
    )


def of_table(program: TableProgram) -> Record:
    """Return the row of mlguard._table for a table."""
    return Record(
        {
            "tbl": str(program.table),
            "schema_name": program.table.schema,
            "table_name": program.table.name,
            "key": list(program.key),
            "pii": sorted(program.pii),
            "event_time": program.event_time_text or None,
            "time_zone": program.time_zone,
            "writes": "rows" if program.writes_rows else "bulk",
            "reads": program.reads.value,
            "on_update": program.on_update.value,
            "quarantine_cap": program.quarantine_cap,
            "quarantine_retention": program.quarantine_retention,
            "grain": program.grain,
            "owner": program.owner,
            "consumers": list(program.consumers),
        }
    )
