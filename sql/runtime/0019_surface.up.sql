-- The surface: views on what was judged, the rights on them, and sweep(), which does what no writer has to wait for.

create function mlguard._shows_values(p_metrics text[], p_pii text[])
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- An extreme or a quantile is the value of a row. Without a list (the table is guarded no longer) all are personal.
  select exists (
    select
    from unnest(p_metrics) m (metric)
    cross join lateral regexp_matches(m.metric, '\m(?:min|max|median|quantile)\(("(?:[^"]|"")+"|[^",)]+)', 'g') a (parts)
    where p_pii is null
       or case when a.parts[1] like '"%' then replace(trim('"' from a.parts[1]), '""', '"') else a.parts[1] end
          = any (p_pii))
$mlguard$;

comment on function mlguard._shows_values(text[], text[]) is
  'Private. Whether metrics show a value of a column that is personal by now.';


create function mlguard._personal(p_observed jsonb, p_pii text[])
returns text[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when p_pii is not null then array(
    select o.metric
    from jsonb_object_keys(case when jsonb_typeof(p_observed) = 'object' then p_observed else '{}' end) o (metric)
    where mlguard._shows_values(array[o.metric], p_pii)) end
$mlguard$;

comment on function mlguard._personal(jsonb, text[]) is
  'Private. Of what was observed the metrics that show a value of a column that is personal by now.';


create or replace view mlguard.violation as
select v.id, v.at, v.slo, v.tbl, v.batch, v.window_start, v.window_end, v.segment,
       mlguard._masked(v.observed, t.pii || mlguard._personal(v.observed, t.pii)) as observed, v.allowed, v.n, v.bad,
       mlguard._masked(v.key, t.pii) as key, v.outcome, v.reason
from mlguard._violation v
left join mlguard._table t on t.tbl = v.tbl;


create view mlguard.metric as
select m.id, m.at, m.tbl, m.metric, m.over, m.batch, m.window_start, m.window_end,
       mlguard._masked(m.segment, t.pii) as segment,
       case when not mlguard._shows_values(array[m.metric], t.pii) then m.value end as value,
       m.n, m.sd, m.sampled, m.excluded, m.current
from mlguard._metric m
left join mlguard._table t on t.tbl = m.tbl;

comment on view mlguard.metric is 'Every value ever judged, passing ones too.';
comment on column mlguard.metric.metric is 'The metric, as the check spells it: coverage(age).';
comment on column mlguard.metric.over is 'batch, a calendar length such as 1 day, or last 7 days.';
comment on column mlguard.metric.value is 'The value; null where there is none.';
comment on column mlguard.metric.n is 'Rows it was computed from; of a sample, rows in the sample.';
comment on column mlguard.metric.excluded is 'Labelled as a fault: what is learned leaves it out.';
comment on column mlguard.metric.current is 'Not superseded by a later value for the same batch or window.';


create view mlguard.verdict as
select v.id, v.at, v.slo, v.tbl, v.over, v.batch, v.window_start, v.window_end,
       mlguard._masked(v.segment, t.pii) as segment, v.version, v.current, v.outcome, v.metrics,
       case when not mlguard._shows_values(v.metrics, t.pii) then v.vals end as vals,
       v.n,
       case when not mlguard._shows_values(v.metrics, t.pii) then v.observed end as observed,
       v.allowed, v.reason, v.detail
from mlguard._verdict v
left join mlguard._table t on t.tbl = v.tbl;

comment on view mlguard.verdict is 'What was found of each SLO over each batch and window; superseded verdicts stay.';
comment on column mlguard.verdict.id is 'Number; mlguard explain takes it.';
comment on column mlguard.verdict.outcome is 'PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT or ERROR.';
comment on column mlguard.verdict.version is 'Counts the judgements of the same batch or window.';
comment on column mlguard.verdict.current is 'The last judgement of its batch or window.';
comment on column mlguard.verdict.reason is 'Why not PASS or FAIL, or no values.';


create view mlguard.profile as
select p.tbl, p.over, p.batch, p.window_start, p.window_end, p.segment, p.column_name, max(p.n) as n,
       coalesce(max(p.value) filter (where p.name = 'null_rate'),
                1 - max(p.value) filter (where p.name = 'coverage'),
                max(p.value) filter (where p.name = 'usual_null')) as null_rate,
       max(p.value) filter (where p.name = 'nan_rate') as nan_rate,
       max(p.value) filter (where p.name = 'zero_rate') as zero_rate,
       coalesce(max(p.value) filter (where p.name = 'negative_rate'),
                max(p.value) filter (where p.name = 'usual_negative')) as negative_rate,
       coalesce(max(p.value) filter (where p.name = 'mean'), max(p.value) filter (where p.name = 'usual_mean')) as mean,
       max(p.value) filter (where p.name = 'stddev') as stddev,
       max(p.value) filter (where p.name = 'min') as min,
       max(p.value) filter (where p.name = 'median') as median,
       max(p.value) filter (where p.name = 'max') as max,
       max(p.value) filter (where p.name = 'distinct_count') as distinct_count,
       jsonb_object_agg(p.name, p.value) as metrics
from (
  select m.tbl, m.over, m.batch, m.window_start, m.window_end, m.segment, m.n, m.value, c.parts[1] as name,
         case
           when c.parts[2] like '"%' then replace(substr(c.parts[2], 2, length(c.parts[2]) - 2), '""', '"')
           else c.parts[2]
         end as column_name
  from mlguard.metric m
  cross join lateral regexp_match(m.metric, '^([a-z_]+)\(("(?:[^"]|"")+"|[^"(),]+)\)$') c (parts)
  where m.current and c.parts is not null
) p
group by p.tbl, p.over, p.batch, p.window_start, p.window_end, p.segment, p.column_name;

comment on view mlguard.profile is
  'Columns of judged batches and windows: what the SLOs on them measured, one row a column.';
comment on column mlguard.profile.metrics is 'All metrics of the column by name.';


drop view mlguard.hold;

create view mlguard.hold as
select h.id, h.tbl, h.slo, h.batch, h.window_start, h.window_end, mlguard._masked(h.segment, t.pii) as segment, h.since,
       h.observed, h.allowed, h.verdict, h.ended_at, h.ended_by, h.reason
from mlguard._hold h
left join mlguard._table t on t.tbl = h.tbl;

comment on view mlguard.hold is 'Holds, open and ended.';


create function mlguard._drop_unguarded()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _relation text;
  _tbl text;
  _n bigint;
  _dropped bigint := 0;
begin
  foreach _relation in array array['_state', '_bucket', '_sample'] loop
    -- From one table's name to the next: reading every line to find a few names would cost as many lines.
    execute format('select min(s.tbl) from mlguard.%I s', _relation) into _tbl;
    while _tbl is not null loop
      if not exists (select from mlguard._table t where t.tbl = _tbl) and mlguard._lock_table(_tbl) then
        execute format('delete from mlguard.%I s where s.tbl = $1', _relation) using _tbl;
        get diagnostics _n = row_count;
        _dropped := _dropped + _n;
      end if;
      execute format('select min(s.tbl) from mlguard.%I s where s.tbl > $1', _relation) into _tbl using _tbl;
    end loop;
  end loop;
  return _dropped;
end
$mlguard$;

comment on function mlguard._drop_unguarded() is
  'Private. Deletes states, buckets and samples of tables that are not guarded any more; returns how many.';


create function mlguard._sweep_tidy(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  perform mlguard._count_batch(b.id) from mlguard._batch b where b.closed_at is null;
  get diagnostics _n = row_count;
  return query select 'batches closed', _n;

  -- The gate asks for the newest line that has come; later ones are still to come.
  delete from mlguard._freshness f
  where f.newest < (
    select max(l.newest) from mlguard._freshness l where l.tbl = f.tbl and l.newest <= p_as_of);
  get diagnostics _n = row_count;
  return query select 'freshness lines pruned', _n;

  -- A day later nothing sums them any more; the batch keeps the totals.
  delete from mlguard._delta d
  using mlguard._batch b
  where b.id = d.batch and b.closed_at < p_as_of - interval '1 day';
  get diagnostics _n = row_count;
  return query select 'deltas pruned', _n;

  -- Left by transactions with IMMEDIATE constraints: their rows never landed.
  delete from mlguard._change c
  using mlguard._batch b
  where c.pending and b.id = c.batch and b.xid <> pg_current_xact_id();
  get diagnostics _n = row_count;
  return query select 'phantom changes deleted', _n;

  update mlguard._waiver w set ended_at = w.until where w.ended_at is null and w.until <= p_as_of;
  get diagnostics _n = row_count;
  return query select 'waivers ended', _n;

  with expired as (
    update mlguard._quarantine q
    set status = case q.status when 'waiting' then 'discarded' else q.status end,
        decided_at = coalesce(q.decided_at, clock_timestamp()),
        decided_by = coalesce(q.decided_by, session_user),
        reason = coalesce(q.reason, format('kept longer than %s', mlguard._length(t.quarantine_retention))),
        key = null, row = null, row_text = null,
        broken = (
          select coalesce(jsonb_agg(b.line - 'observed' order by b.place), '[]')
          from jsonb_array_elements(q.broken) with ordinality b (line, place))
    from mlguard._table t
    where t.tbl = q.tbl and q.row is not null and q.kept_at < p_as_of - t.quarantine_retention
    returning q.tbl
  ), recorded as (
    select mlguard._record('retention', e.tbl, null, jsonb_build_object('rows', count(*)), 'quarantine_retention')
    from expired e
    group by e.tbl
  )
  select (select count(*) from expired) from (select count(*) from recorded) r into _n;
  return query select 'kept rows erased', _n;

  -- What was learned is kept in bands and series; a sample only has to last until its window was judged and learned from.
  with scope as (
    select t.tbl,
           exists (
             select from mlguard._slo k where k.tbl = t.tbl and k.learned <> '{}' and k.over <> 'batch') as by_window,
           (select b.batch
            from (select distinct s.batch from mlguard._sample s where s.tbl = t.tbl and s.batch is not null) b
            order by b.batch desc
            offset 40
            limit 1) as batch,
           (select min(l.done - 40 * (l.done - l.start))
            from (
              select max(v.window_end) as done, max(v.window_start) as start
              from mlguard._slo k
              join mlguard._verdict v on v.slo = k.id and v.current and v.window_start is not null
              where k.tbl = t.tbl and k.learned <> '{}'
              group by k.over
            ) l) as bucket
    from mlguard._table t
    where exists (select from mlguard._sample s where s.tbl = t.tbl)
  )
  delete from mlguard._sample s
  using scope c
  where s.tbl = c.tbl and case when c.by_window then s.bucket < c.bucket else s.batch <= c.batch end;
  get diagnostics _n = row_count;
  return query select 'samples pruned', _n;

  -- While a table is not guarded its rows change unseen: when it is guarded again they are counted anew.
  _n := mlguard._drop_unguarded();
  return query select 'states of tables no longer guarded dropped', _n;
end
$mlguard$;

comment on function mlguard._sweep_tidy(timestamptz) is
  'Private. The part of sweep() that is housekeeping: closes batches, prunes logs and samples, ends waivers, erases kept '
  'rows whose retention is over.';


create or replace function mlguard.sweep(p_as_of timestamptz default statement_timestamp())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- What needs the lock of a table leaves it to whoever has it, and goes on.
  return query select t.what, t.n from mlguard._sweep_tidy(p_as_of) t;
  return query select c.what, c.n from mlguard._sweep_schema(p_as_of) c;
  return query select f.what, f.n from mlguard._sweep_fold(p_as_of) f;
  -- What is frozen now is what the windows below are compared with.
  return query select b.what, b.n from mlguard._sweep_baselines(p_as_of) b;
  return query select w.what, w.n from mlguard._sweep_windows(p_as_of) w;
  return query select u.what, u.n from mlguard._sweep_usual(p_as_of) u;
  return query select h.what, h.n from mlguard._sweep_holds(p_as_of) h;
  return query select i.what, i.n from mlguard._sweep_incidents(p_as_of) i;
end
$mlguard$;

comment on function mlguard.sweep(timestamptz) is
  'Folds what writers appended, judges windows that have closed, learns, opens and resolves incidents, tidies up. Run '
  'it every minute or so (mlguard watch, pg_cron, cron with psql); two at once do no harm. Reading stays guarded without.';


create or replace function mlguard.grant_roles()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _role text;
begin
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant usage on schema mlguard to %I', _role);
    execute format(
      'grant select on mlguard.slo, mlguard.gate, mlguard.violation, mlguard.rejection, mlguard.batch, '
      'mlguard.metric, mlguard.verdict, mlguard.profile to %I', _role);
    -- Views run their functions as who reads them.
    execute format(
      'grant execute on function mlguard.assert_ok(regclass), mlguard._closed(text), mlguard._health(text), '
      'mlguard._masked(jsonb, text[]), mlguard._masked_rules(jsonb, text[]), mlguard._refusals(), '
      'mlguard._seconds(interval), mlguard.newest_v1(text), mlguard._shows_values(text[], text[]), '
      'mlguard._personal(jsonb, text[]) to %I',
      _role);
    perform mlguard._grant_incidents(_role);
    if to_regclass('mlguard.alembic_version') is not null then
      execute format('grant select on mlguard.alembic_version to %I', _role);
    end if;
  end loop;
  if exists (select from pg_roles r where r.rolname = 'mlguard_platform') then
    perform mlguard._grant_baselines('mlguard_platform');
    grant select on
      mlguard.quarantine, mlguard.change, mlguard.event, mlguard.hold, mlguard.waiver, mlguard.object
      to mlguard_platform;
    grant execute on function
      mlguard.release(bigint, jsonb), mlguard.replay(regclass), mlguard.discard(bigint, text),
      mlguard.off(text, interval, text), mlguard.waive(text, timestamptz, text),
      mlguard.resume(text, text), mlguard.sweep(timestamptz)
      to mlguard_platform;
  end if;
end
$mlguard$;


-- Functions of this version are called by generated objects, by sweep() and by each other, which run as their owner.
do $mlguard$
declare
  _function record;
begin
  for _function in
    select p.oid::pg_catalog.regprocedure as name
    from pg_catalog.pg_proc p
    where p.pronamespace operator(pg_catalog.=) 'mlguard'::pg_catalog.regnamespace
      and p.proname operator(pg_catalog.!~) ' '
      and p.proname operator(pg_catalog.!~) '^(refuse_v1|guard_v1|gate_open_v1|may_mend_v1)$'
  loop
    execute pg_catalog.format('revoke all on function %s from public', _function.name);
  end loop;
end
$mlguard$;

revoke all on mlguard.metric, mlguard.verdict, mlguard.profile, mlguard.hold from public;

select mlguard.grant_roles();
