create or replace function mlguard._judge_reads(p_as_of timestamptz)
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._judge_staleness(p_as_of) + mlguard._judge_arrivals(p_as_of)
$mlguard$;


create or replace function mlguard._reasons(p_tbl text)
returns table (slo text, state text, since timestamptz, batch bigint, observed jsonb, words text)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select h.slo, 'held', h.since, h.batch, to_jsonb(h.observed),
         format('is held since %s: %s (%s%s)',
                mlguard._minute(h.since),
                coalesce(nullif(concat_ws(', ', h.observed, h.allowed), ''), 'held by hand'),
                split_part(h.slo, '/', 2), ', batch ' || h.batch)
  from mlguard._hold h
  where h.tbl = p_tbl and h.ended_at is null and not mlguard.waived_v1(h.slo)
  union all
  select s.id, case when log.newest is null then 'empty' else 'stale' end,
         log.newest + make_interval(secs => mlguard._seconds(s.max_age)), null, to_jsonb(log.newest),
         case
           when log.newest is not null then
             format('is stale: newest %s is %s, %s old, allowed %s (%s)',
                    coalesce(t.event_time, 'event time'), mlguard._minute(log.newest),
                    mlguard._length(statement_timestamp() - log.newest), mlguard._length(s.max_age), s.name)
           when exists (select from mlguard._freshness f where f.tbl = p_tbl) then
             format('has only event times in the future, so it has no age (%s)', s.name)
           -- By its size: whoever asks may read no row of the table.
           else format('has no %s, so it has no age (%s)',
                       case
                         when pg_relation_size(relation.oid) > 0 or exists (
                           select from pg_partition_tree(relation.oid) p where pg_relation_size(p.relid) > 0)
                         then 'event time'
                         else 'rows'
                       end, s.name)
         end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join to_regclass(format('%I.%I', t.schema_name, t.table_name)) relation (oid)
  cross join (select mlguard.newest_v1(p_tbl) as newest) log
  where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
    and coalesce(statement_timestamp() > log.newest + make_interval(secs => mlguard._seconds(s.max_age)), true)
    and not mlguard.waived_v1(s.id)
  union all
  select a.slo, 'late', a.due, null, to_jsonb(a.words), format('is late: %s (%s)', a.words, split_part(a.slo, '/', 2))
  from mlguard.arrivals_v1(p_tbl, statement_timestamp()) a
  where a.holds and not a.arrived and not mlguard.waived_v1(a.slo)
$mlguard$;

comment on function mlguard._reasons(text) is
  'Private. Why the gate of a table is closed, one row per hold or stale SLO.';


create or replace function mlguard.gate_open_v1(p_tbl text)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- The common case in one cached plan; waivers are looked at only past it.
  if not exists (
       select from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null)
     and not exists (
       select
       from mlguard._slo s
       where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
         and not exists (
           select
           from mlguard._freshness f
           where f.tbl = p_tbl
             and f.newest between statement_timestamp() - make_interval(secs => mlguard._seconds(s.max_age))
                              and statement_timestamp()))
     and not exists (
       select
       from mlguard._slo s
       where s.tbl = p_tbl and s.level = 'read' and s.arrives is not null and s.action = 'hold' and not s.shadow
         and not (mlguard._arrival(p_tbl, s.arrives, statement_timestamp())).arrived) then
    return true;
  end if;
  return not exists (select from mlguard._closed(p_tbl));
end
$mlguard$;


create or replace function mlguard._sweep_holds(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'the SLO is no longer in force'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo);
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$mlguard$;

comment on function mlguard._sweep_holds(timestamptz) is
  'Private. The part of sweep() that ends holds whose SLO was taken out of its file: nothing would judge it good again.';


drop function mlguard._judge_volumes(timestamptz);
drop function mlguard._volumes(text, timestamptz);
drop function mlguard._volume(jsonb, timestamptz);
alter table mlguard._slo drop column volume;
