"""Whether what enforces an SLO is still what apply made: the health of objects, and of the SLOs they carry."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from mlguard.emit.objects import Kind
from mlguard.operate.ask import values

if TYPE_CHECKING:
    import psycopg

    from mlguard.plan import InstalledObject, InstalledTable, Plan

GATES = (Kind.VIEW, Kind.POLICY, Kind.REVOKE)  # objects that carry every SLO that may hold


class Health(Enum):
    """What became of an object since it was applied, worst first."""

    MISSING = "MISSING"  # it is gone from the database
    DISABLED = "DISABLED"  # it is there and does nothing
    TAMPERED = "TAMPERED"  # the database moved: its definition is not the one recorded at apply
    ORPHANED = "ORPHANED"  # no SLO file asks for it any more
    OUTDATED = "OUTDATED"  # the SLO file moved: apply would change it
    INSTALLED = "INSTALLED"


def disabled_triggers(connection: psycopg.Connection[Any], *, clones: bool = True) -> frozenset[tuple[str, str]]:
    """Return (relation, trigger) of generated triggers that fire for nobody.

    Args:
        connection: the database.
        clones: a trigger counts too where only its clone on some partition is disabled.
    """
    found = values(
        connection,
        """
with recursive silent as (
  select t.tgrelid, t.tgname, t.tgparentid from pg_catalog.pg_trigger as t
  where t.tgname like 'zz\\_mlguard\\_%%' and not t.tgisinternal and t.tgenabled = 'D'
  union
  -- A row trigger of a partitioned table has a clone on each partition, which can be disabled there.
  select t.tgrelid, t.tgname, t.tgparentid
  from silent as s
  join pg_catalog.pg_trigger as t on t.oid = s.tgparentid
  where %(clones)s
)
select array[n.nspname || '.' || c.relname, s.tgname]
from silent as s
join pg_catalog.pg_class as c on c.oid = s.tgrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
""",
        clones=clones,
    )
    return frozenset((relation, trigger) for relation, trigger in found)


def of_object(item: InstalledObject, table: str, disabled: frozenset[tuple[str, str]]) -> Health:
    """Return the health of one object, without regard to SLO files."""
    if not item.present:
        return Health.MISSING
    trigger, _, relation = item.name.partition(" on ")
    if item.kind is Kind.TRIGGER and (relation or table, trigger) in disabled:
        return Health.DISABLED
    return Health.INSTALLED if item.intact else Health.TAMPERED


def carriers(slo: str, action: str, table: InstalledTable) -> list[InstalledObject]:
    """Return the objects that enforce an SLO; the gate of the table is among them where the SLO may hold it."""
    return [
        item
        for item in table.objects
        if slo in item.slos or (action == "hold" and item.kind in GATES and str(table.table) in item.slos)
    ]


def worst(*found: Health | None) -> Health:
    """Return the worst of some healths; INSTALLED where none is known."""
    order = list(Health)
    return min((health for health in found if health is not None), key=order.index, default=Health.INSTALLED)


def moved_slos(plan: Plan) -> dict[str, Health]:
    """Return the SLOs that the files say otherwise than the database: changed ones, and those no file asks for."""
    moved: dict[str, Health] = {}
    for table in plan.tables:
        for step in table.steps:
            if step.verb == "replace":
                moved |= dict.fromkeys(step.slos, Health.OUTDATED)
        moved |= dict.fromkeys(table.changed, Health.OUTDATED)
        moved |= dict.fromkeys(table.removed, Health.ORPHANED)
    return moved
