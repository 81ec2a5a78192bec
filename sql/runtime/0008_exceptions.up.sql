-- Exceptions to SLOs, housekeeping, and what the views look up.

create function mlguard._except(p_slo text, p_kind text, p_until timestamptz, p_reason text)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo mlguard._slo;
  _alter text;
begin
  select s.* into _slo from mlguard._slo s where s.id = p_slo;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no SLO %s', p_slo),
      hint = 'Ids are <schema>.<table>/<name>: select id from mlguard.slo';
  end if;
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: an exception to an SLO needs a reason';
  end if;
  if p_until is null or not isfinite(p_until) or p_until <= statement_timestamp() then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: an exception to an SLO must end, and in the future',
      hint = 'An SLO that is never wanted again is taken out of its file.';
  end if;
  if not _slo.waivable and (_slo.place like '%constraint' or _slo.action = 'reject') then
    select u.statement
    into _alter
    from mlguard._object o, unnest(o.undo) u (statement)
    where o.tbl = _slo.tbl and p_slo = any (o.slos) and _slo.place like '%constraint'
      and u.statement ilike 'alter table%'
    limit 1;
    raise exception using
      errcode = 'feature_not_supported',
      message = format('mlguard: %s is a %s, which looks at no waiver', p_slo, _slo.place),
      hint = coalesce('To take it out: ' || _alter || '; mlguard apply puts it back. ', '')
             || 'With waivable: true in the SLO file it is placed where a waiver takes effect.',
      constraint = p_slo;
  end if;

  insert into mlguard._waiver (slo, kind, until, reason) values (p_slo, p_kind, p_until, p_reason);
  perform mlguard._record(p_kind, p_slo, null, jsonb_build_object('until', p_until), p_reason);
  return p_until;
end
$mlguard$;

comment on function mlguard._except(text, text, timestamptz, text) is
  'Private. Writes an expiring exception to an SLO.';


create function mlguard.off(p_slo text, p_for interval, p_reason text)
returns timestamptz
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._except(p_slo, 'off', statement_timestamp() + p_for, p_reason)
$mlguard$;

comment on function mlguard.off(text, interval, text) is
  'Stops an SLO from acting for a while, with a reason; returns when that ends.';


create function mlguard.waive(p_slo text, p_until timestamptz, p_reason text)
returns timestamptz
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._except(p_slo, 'waive', p_until, p_reason)
$mlguard$;

comment on function mlguard.waive(text, timestamptz, text) is
  'Accepts violations of an SLO until a time, with a reason; returns that time.';


create function mlguard.sweep(p_as_of timestamptz default now())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
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
end
$mlguard$;

comment on function mlguard.sweep(timestamptz) is
  'Housekeeping: closes batches, prunes logs, ends waivers, erases kept rows whose retention is over. Never needed for '
  'a verdict to be right.';


create function mlguard._refusals()
returns table (no integer, refused bigint, last_at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select s.no, coalesce(pg_sequence_last_value(counter.oid), 0),
         to_timestamp(pg_sequence_last_value(clock.oid) / 1000.0)
  from mlguard._slo s
  join pg_class counter on counter.relnamespace = 'mlguard'::regnamespace and counter.relname = 'refused_' || s.no
  join pg_class clock on clock.relnamespace = 'mlguard'::regnamespace and clock.relname = 'refused_at_' || s.no
$mlguard$;

comment on function mlguard._refusals() is 'Private. Reads the refusal counters.';


create function mlguard._health(p_slo text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  with carried as (
    select o.kind, o.name,
           -- A partition's trigger is named «trigger on schema.partition».
           split_part(o.name, ' on ', 1) as trigger,
           coalesce(nullif(split_part(o.name, ' on ', 2), ''), o.tbl) as relation
    from mlguard._slo s
    join mlguard._object o
      on o.tbl = s.tbl and (s.id = any (o.slos) or (s.level = 'read' and o.kind in ('VIEW', 'POLICY')))
    where s.id = p_slo
  ), located as (
    select c.*, to_regclass(format('%I.%I', split_part(c.relation, '.', 1), split_part(c.relation, '.', 2))) as oid
    from carried c
  ), seen as (
    select case
      when l.kind in ('CHECK', 'UNIQUE', 'FOREIGN_KEY') then exists (
        select from pg_constraint k where k.conrelid = l.oid and k.conname = l.name)
      when l.kind = 'NOT_NULL' then exists (
        select from pg_attribute a
        where a.attrelid = l.oid and a.attname || ' not null' = l.name and a.attnotnull and not a.attisdropped)
      when l.kind = 'TRIGGER' then exists (
        select from pg_trigger t where t.tgrelid = l.oid and t.tgname = l.trigger)
      when l.kind = 'FUNCTION' then to_regprocedure(l.name) is not null
      when l.kind = 'VIEW' then
        to_regclass(format('%I.%I', split_part(l.name, '.', 1), split_part(l.name, '.', 2))) is not null
      when l.kind = 'POLICY' then exists (
        select from pg_policy p where p.polrelid = l.oid and p.polname = l.name)
      else true
    end as present,
    l.kind = 'TRIGGER' and exists (
      select
      from pg_trigger t
      where t.tgrelid = l.oid and t.tgname = l.trigger and t.tgenabled in ('D', 'R')) as disabled
    from located l
  )
  select case when not bool_and(s.present) then 'MISSING' when bool_or(s.disabled) then 'DISABLED' else 'INSTALLED' end
  from seen s
$mlguard$;

comment on function mlguard._health(text) is
  'Private. INSTALLED, DISABLED or MISSING: whether the objects of an SLO are there. Whether they are still the same '
  'is told by mlguard status.';
