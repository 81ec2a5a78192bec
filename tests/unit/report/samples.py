"""Reports and plans that the rendering tests share."""

from __future__ import annotations

from mlguard.emit.objects import LOCK_CATALOGUE, LOCK_SCAN, DbObject, Kind, Phase, Statement
from mlguard.names import TableName
from mlguard.plan import Breaking, InstalledObject, Plan, Step, TablePlan
from mlguard.program import Existing, TableProgram, TableShape
from mlguard.report.verdict import Outcome, Report, Verdict

TABLE = TableName("features", "customer")
NASTY = "a | b <script>\n\x1b[31m`red` ]]> 100% :, &\u202e"


def verdict(name: str, outcome: Outcome, **more: object) -> Verdict:
    given: dict[str, object] = {
        "slo": f"{TABLE}/{name}",
        "table": str(TABLE),
        "name": name,
        "outcome": outcome,
        "action": "reject",
        **more,
    }
    return Verdict(**given)  # type: ignore[arg-type]


_AGE: dict[str, object] = {
    "column": "age",
    "observed": "2 of 10 rows break it",
    "limit": "0 to 130",
    "n": 10,
    "bad": 2,
    "owner": "platform-ml",
    "runbook": "https://wiki/age",
    "file": "slos/customer.slo.yaml",
    "line": 7,
    "samples": ({"observed": {"age": -4}, "key": {"customer_id": 17}}, {"observed": {"age": None}, "key": None}),
}
REPORT = Report(
    (
        verdict("age.range", Outcome.FAIL, **_AGE),
        verdict("plan.in", Outcome.PASS, observed="all 10 rows hold", limit="free, pro"),
        verdict("soft", Outcome.FAIL, action="warn", observed="1 of 10 rows breaks it", limit="x > 0"),
        verdict("trial", Outcome.NOTED, observed="3 of 10 rows break it", reason="shadow"),
        verdict("mean", Outcome.INSUFFICIENT, observed="3 rows, wants 30"),
        verdict("broken", Outcome.ERROR, reason="permission denied for table customer"),
    ),
    engine="postgresql",
)
NASTY_REPORT = Report((verdict("x", Outcome.FAIL, observed=NASTY, limit=NASTY, file="slos/a,b:c.slo.yaml", line=3),))
EMPTY_REPORT = Report()


def program(existing: Existing = Existing.FAIL, notes: tuple[str, ...] = ()) -> TableProgram:
    return TableProgram(TABLE, TableShape(TABLE, ()), (), existing=existing, notes=notes)


def _check(name: str) -> DbObject:
    constraint = f"mlguard_{name}"
    add = f'alter table {TABLE.sql}\n  add constraint "{constraint}"\n  check (true) not valid'
    return DbObject(
        TABLE, Kind.CHECK, constraint, (f"{TABLE}/{name}",),
        (
            Statement(add, LOCK_CATALOGUE),
            Statement(f'alter table {TABLE.sql} validate constraint "{constraint}"', LOCK_SCAN, Phase.VALIDATE),
        ),
        (f'alter table {TABLE.sql} drop constraint "{constraint}"',),
        why="immutable and about this row only: cheapest, and nothing goes round it",
    )  # fmt: skip


def plan(existing: Existing = Existing.FAIL) -> Plan:
    age, plan_in = _check("age.range"), _check("plan.in")
    gone = InstalledObject(Kind.CHECK, "mlguard_old", (f"{TABLE}/old",), "h", ("drop it",), intact=True, present=True)
    steps = (
        Step("drop", "CHECK mlguard_old", (Statement("drop it"),), gone.slos, "no SLO asks for it", gone=gone),
        Step("create", "CHECK mlguard_age.range", age.create, age.slos, age.why, age),
        Step(
            "repair", "CHECK mlguard_plan.in", plan_in.create, plan_in.slos, "it was changed in the database", plan_in
        ),
    )
    table = TablePlan(
        TABLE,
        program(existing, ("column f_id is in no rule",)),
        steps,
        added=(f"{TABLE}/age.range",),
        changed=(f"{TABLE}/soft",),
        removed=(f"{TABLE}/old",),
        record=True,
    )
    other = TableName("features", "shop")
    return Plan(
        (table, TablePlan(other, None, (), record=False)),
        runtime="install 0006",
        breaking=(Breaking(f"{TABLE}/age.range", 12, 964), Breaking(f"{TABLE}/soft", 0, 964)),
        bypass={TABLE: ("analyst", "bob (through analyst)")},
    )


EMPTY_PLAN = Plan((TablePlan(TABLE, program(), ()),))
