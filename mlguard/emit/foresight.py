"""How often a check would have failed over the values that are stored of its metrics, as one SELECT. Pure.

What is judged again is the condition alone: values are those that were judged, so no row of the table is read.
"""

from __future__ import annotations

from mlguard.emit.rules import literal
from mlguard.emit.verdicts import Condition
from mlguard.lang.analyse import base_metrics, told_metrics
from mlguard.lang.measure import measured_name
from mlguard.lang.metrics import METRICS, Family
from mlguard.lang.tree import Literal, Metric
from mlguard.program import Over, Rule

# What the SLOs were that are there, and what has been judged of one since.
INSTALLED = """
select s.id, s.check_text, s.action, s.over, s.by_columns, s.min_rows, s.metrics
from mlguard._slo as s
where s.id = any(%(ids)s)
"""
JUDGED = """
select count(*) filter (where v.outcome in ('PASS', 'FAIL', 'NOTED')),
       count(*) filter (where v.outcome in ('FAIL', 'NOTED')),
       max(coalesce(v.window_start, v.at)) filter (where v.outcome in ('FAIL', 'NOTED'))
from mlguard._verdict as v
where v.slo = %(slo)s and v.current
"""

# Metrics without a value say nothing there, where others have failed.
_UNTOLD = (Family.LABELS, Family.GROUPS, Family.DISTRIBUTION)


def windows_of(rule: Rule) -> str:
    """Return what the rule's values are stored under: `1 day`, `last 7 days`, `batch`; '' for what has none."""
    if rule.volume is not None:
        return str(Over("sliding", rule.volume.span))
    return str(rule.over) if rule.over is not None else ""


def metric_names(rule: Rule) -> tuple[str, ...]:
    """Return the metrics whose stored values decide, none where the answer is no matter of values alone."""
    if rule.expr is None or rule.max_age is not None:
        return ()
    if any(metric.name == "usual" for metric in told_metrics(rule.expr)):
        return ()
    return tuple(measured_name(metric, rule.where) for metric in base_metrics(rule.expr))


def refuted(rule: Rule, time_zone: str) -> str:
    """Return a SELECT of: windows or batches that say something, those that fail, when the last one to fail began."""
    assert rule.expr is not None
    base, told = base_metrics(rule.expr), told_metrics(rule.expr)
    names = {metric: literal(measured_name(metric, rule.where)) for metric in base}
    columns = {metric: f"m{number}" for number, metric in enumerate(base, 1)}
    values = ",\n".join(
        f"         max(m.value) filter (where m.metric = {names[metric]}) as {columns[metric]}" for metric in base
    )
    compared = [metric for metric in told if METRICS[metric.name].family is Family.HISTORY]
    past = {metric: f"h{number}" for number, metric in enumerate(compared, 1)}
    looks = "".join(
        f",\n         {_compared(metric, columns, names, time_zone)} as {name}" for metric, name in past.items()
    )
    condition = Condition({**{m: f"v.{c}" for m, c in columns.items()}, **{m: f"v.{c}" for m, c in past.items()}})
    silent = [f"v.{columns[m]} is null" for m in base if METRICS[m.name].family not in _UNTOLD]
    unknown = f"{' or '.join(silent)}" if silent else "false"
    keys = ", ".join(literal(name) for name in rule.by)
    segment = (
        f"m.segment ?& array[{keys}] and (select count(*) from jsonb_object_keys(m.segment)) = {len(rule.by)}"
        if rule.by
        else "m.segment = '{}'"
    )
    return f"""
with w as materialized (
  select m.window_start, m.window_end, m.batch, m.segment, max(m.n) as n, max(m.at) as at,
{values}
  from mlguard._metric m
  where m.tbl = {literal(str(rule.table))} and m.over = {literal(windows_of(rule))} and {segment}
    and m.metric = any (array[{", ".join(names.values())}])
    and m.current and not m.sampled and not m.excluded
  group by m.window_start, m.window_end, m.batch, m.segment
  having count(distinct m.metric) = {len(names)}
), v as materialized (
  select w.*{looks}
  from w
  where w.n >= {rule.min_rows}
), j as (
  select coalesce(v.window_start, v.at) as at,
         coalesce({condition.write(rule.expr)}, case when {unknown} then false end) as ok
  from v
)
select count(j.ok), count(*) filter (where not j.ok), max(j.at) filter (where not j.ok)
from j"""


def _compared(metric: Metric, columns: dict[Metric, str], names: dict[Metric, str], time_zone: str) -> str:
    """Return trailing(), change() or delta() beside a window or batch `w`; the twin of mlguard.trailing_v1."""
    of, length = metric.args
    assert isinstance(of, Metric)
    assert isinstance(length, Literal)
    zone, back = literal(time_zone), f"interval {literal(str(length.value))}"
    median = f"""(
           select case when count(*) >= 3 then percentile_cont(0.5) within group (order by p.{columns[of]}) end
           from w p
           where p.segment = w.segment and p.{columns[of]} is not null and case
             when w.batch is not null then p.batch < w.batch and p.at >= w.at - {back}
             else p.window_end <= w.window_start
               and p.window_start >= (w.window_start at time zone {zone} - {back}) at time zone {zone}
           end)"""
    value = f"w.{columns[of]}"
    return {
        "trailing": median,
        "delta": f"{value} - {median}",
        "change": f"{value} / nullif({median}, 0) - 1",
    }[metric.name]
