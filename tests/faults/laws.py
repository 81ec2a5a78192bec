"""What must be true after any schedule, each law by a query of its own; one that is broken says so with its rows."""

from __future__ import annotations

import math
from typing import Any

from tests.faults.ride import TABLE, day
from tests.faults.writer import Connection
from tests.labels_example import plain

LAST = 12  # days from today, when every window has closed

AFTERMATH = {"incidents resolved", "incidents opened", "incidents attached to a cause", "alerts written"}

# Law, query: every row is a breach.
LAWS = {
    "a row that was offered and committed is in exactly one place": """
        with came as (
          select w.came as token, count(*) as n from ops.witness w where w.came is not null group by w.came
        ), kept as (
          select (q.row ->> 'token')::bigint as token, count(*) filter (where q.status <> 'released') as n,
                 count(*) filter (where q.status = 'released') as released, count(*) as lines
          from mlguard._quarantine q where q.tbl = 'features.ride' and q.op <> 'APPLY' group by 1
        )
        select coalesce(o.token, c.token, k.token) as token, o.only_once, c.n as landed, k.n as kept, k.released
        from ops.offer o
        full join came c using (token)
        full join kept k using (token)
        where o.token is null or k.lines > 1 or coalesce(c.n, 0) + coalesce(k.n, 0) > 1
           or (o.only_once and coalesce(c.n, 0) + coalesce(k.n, 0) <> 1)
           or (k.released > 0 and coalesce(c.n, 0) <> 1)
        """,
    "what is kept is what was offered": """
        select q.id, q.row ->> 'amount', o.amount from mlguard._quarantine q
        join ops.offer o on o.token = (q.row ->> 'token')::bigint
        where (q.row ->> 'amount')::float8 is distinct from o.amount
        """,
    "a kept row that was decided says by whom": """
        select q.id, q.status from mlguard._quarantine q where q.status <> 'waiting' and q.decided_by is null
        """,
    "the table holds what came and did not leave": """
        select token, count(*) from (
          select t.token, 1 as sign from features.ride t
          union all
          select w.came, -1 from ops.witness w where w.came is not null
          union all
          select w.gone, 1 from ops.witness w where w.gone is not null
        ) s
        where not exists (select from ops.witness w where w.op = 'TRUNCATE')
        group by token having sum(sign) <> 0
        """,
    "no verdict without its data": """
        select v.id, v.slo, v.batch, v.outcome from mlguard._verdict v
        left join mlguard._batch b on b.id = v.batch
        where v.over = 'batch' and v.tbl = 'features.ride'
          and not exists (select from ops.witness w where w.xid = b.xid and w.came is not null)
          and not exists (select from ops.witness w where w.xid = b.xid and w.op = 'UPDATE')
        """,
    "no data without its verdict": """
        select l.xid, l.n, s.name, b.id
        from (
          select w.xid, count(w.came) as n from ops.witness w group by w.xid
          having bool_and(w.op = 'INSERT')
        ) l
        cross join (values ('filled')) s (name)
        left join mlguard._batch b on b.xid = l.xid and b.tbl = 'features.ride' and b.name is null
        where not exists (
          select from mlguard._verdict v
          where v.batch = b.id and v.slo = 'features.ride/' || s.name and v.segment = '{}' and v.n = l.n)
        """,
    "one verdict is current": """
        select v.slo, v.batch, v.window_start, v.segment, count(*) from mlguard._verdict v
        where v.current group by v.slo, v.over, v.batch, v.window_start, v.segment having count(*) > 1
        """,
    "one metric is current": """
        select m.metric, m.batch, m.window_start, m.segment, count(*) from mlguard._metric m
        where m.current and not m.sampled
        group by m.tbl, m.over, m.metric, m.batch, m.window_start, m.segment having count(*) > 1
        """,
    "a window is judged with all its rows": """
        with stored as (
          select (t.event_ts at time zone 'UTC')::date as day, count(*) as n from features.ride t group by 1
        ), judged as (
          select v.slo, (v.window_start at time zone 'UTC')::date as day, sum(v.n) as n,
                 bool_or(v.outcome = 'FAIL') as bad
          from mlguard._verdict v
          where v.tbl = 'features.ride' and v.current and v.over = '1 day'
          group by 1, 2
        )
        select s.name, r.day, r.n as stored, j.n as judged, j.bad
        from mlguard._slo s
        cross join stored r
        left join judged j on j.slo = s.id and j.day = r.day
        where s.tbl = 'features.ride' and s.level = 'window' and s.verdict is not null
          and (j.n is null or j.n < r.n
               or (j.n > r.n and (j.bad or not exists (select from ops.witness w where w.op <> 'INSERT'))))
        """,
    "a hold has a verdict that failed": """
        select h.id, h.slo, h.batch, h.window_start, v.outcome, v.reason from mlguard._hold h
        left join mlguard._verdict v
          on v.slo = h.slo and v.current and v.segment = h.segment and v.batch is not distinct from h.batch
          and v.window_start is not distinct from h.window_start
        where h.ended_at is null and h.verdict is not null
          and (v.outcome is null or v.outcome not in ('FAIL', 'NOTED'))
          and not (h.window_start is not null and v.outcome = 'INSUFFICIENT')
        """,
    "a batch that failed is held": """
        select v.id, v.slo, v.batch from mlguard._verdict v
        join mlguard._slo s on s.id = v.slo and s.action = 'hold'
        where v.over = 'batch' and v.current and v.outcome = 'FAIL'
          and not exists (
            select from mlguard._hold h
            where h.slo = v.slo and h.batch = v.batch and h.segment = v.segment and h.ended_at is null)
        """,
    "a batch is closed": "select b.id from mlguard._batch b where b.closed_at is null",
    "a delta is of a batch that was judged": "select d.id from mlguard._delta d where d.first",
    "nothing is left to fold, count or seal": """
        select 'state', count(*) from mlguard._state s where not s.folded having count(*) > 0
        union all
        select 'recount', count(*) from mlguard._recount_due having count(*) > 0
        union all
        select 'event', count(*) from mlguard._unsealed having count(*) > 0
        """,
    "the audit chain is whole": "select f.* from mlguard.verify_audit() f",
}


def breaches(connection: Connection, acknowledged: list[int]) -> list[str]:
    """Sweep, then return every law that is broken, with at most five of its rows."""
    sweep(connection)
    # An incident that opened and healed before anybody could look is told once before it is over.
    found = [f"the second sweep judged again: {again}" for again in [sweep(connection)] if again.keys() - AFTERMATH]
    found += [f"the third sweep still found work: {again}" for again in [sweep(connection)] if again]
    for law, query in LAWS.items():
        rows = connection.execute(query.encode()).fetchmany(5)
        if rows:
            found.append(f"broken: {law}: {rows}")
    lost = connection.execute(
        "select a.token from unnest(%s::bigint[]) a (token) left join ops.offer o using (token) where o.token is null",
        [acknowledged],
    ).fetchmany(5)
    if lost:
        found.append(f"broken: what a client was told is stored is stored: {lost}")
    return [*found, *apart(connection)]


def sweep(connection: Connection) -> dict[str, int]:
    """Sweep, and return what was done."""
    done = connection.execute("select what, n from mlguard.sweep(%s::timestamptz)", [day(LAST)]).fetchall()
    return {what: n for what, n in done if n}


def apart(connection: Connection) -> list[str]:
    """Return where folded states and a recount of the stored rows differ."""
    told = _states(
        connection, "select bucket, segment, n, states from mlguard._bucket where tbl = %s and n <> 0", (TABLE,)
    )
    counted = _states(connection, f'select bucket, segment, n, states from mlguard."recount {TABLE}"(null, null)', ())
    found = []
    for where in sorted(told.keys() | counted.keys()):
        kept, real = told.get(where, {}), counted.get(where, {})
        wrong = {
            name: (kept.get(name, 0), real.get(name, 0))
            for name in kept.keys() | real.keys()
            if not math.isclose(kept.get(name, 0), real.get(name, 0), rel_tol=1e-7, abs_tol=1e-6)
        }
        if wrong:
            found.append(f"broken: states are a recount of the table: {where}: {wrong}")
    return found


def _states(connection: Connection, sql: str, values: tuple[Any, ...]) -> dict[str, dict[str, float]]:
    found = {}
    for bucket, segment, n, states in connection.execute(sql.encode(), values).fetchall():
        # What deletes made stale is known to be.
        stale = states.get("stale", [])
        numbers = {
            key: number
            for key, number in plain(
                {k: v for k, v in states.items() if k != "stale" and v is not None and k not in stale}
            ).items()
            if not key.startswith(("min(", "max("))
        }
        found[f"{bucket:%Y-%m-%d} {segment}"] = {**numbers, "rows": float(n)}
    return found


def stuck(connection: Connection) -> list[str]:
    """Empty the table, and return the holds of batches that go on although none of their rows is left."""
    connection.execute(f"truncate {TABLE}".encode())
    sweep(connection)
    rows = connection.execute(
        "select h.id, h.slo, h.batch from mlguard._hold h where h.ended_at is null and h.batch is not null"
    ).fetchall()
    return [f"broken: no hold outlives its rows: {rows[:5]}"] if rows else []
