drop function mlguard.grant_roles();
alter function mlguard._grant_surface() rename to grant_roles;
drop function mlguard._judge_reads(timestamptz);
alter function mlguard._judge_staleness(timestamptz) rename to _judge_reads;
drop function mlguard._judge_arrivals(timestamptz);

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
                              and statement_timestamp())) then
    return true;
  end if;
  return not exists (select from mlguard._closed(p_tbl));
end
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
$mlguard$;


create or replace function mlguard.refreshed_v1(p_tbl text, p_newest timestamptz, p_seen pg_snapshot default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- Only lines whose rows the caller could see when it looked for the newest: a line committed in between belongs
  -- to a row that is still there. An xid from the future comes from a dump of another cluster.
  delete from mlguard._freshness f
  where f.tbl = p_tbl
    and (p_newest is null or f.newest > p_newest)
    and (p_seen is null
         or f.xid = pg_current_xact_id()
         or pg_visible_in_snapshot(f.xid, p_seen)
         or f.xid >= pg_snapshot_xmax(pg_current_snapshot()));
  if isfinite(p_newest)
     and not exists (select from mlguard._freshness f where f.tbl = p_tbl and f.newest = p_newest) then
    insert into mlguard._freshness (tbl, newest) values (p_tbl, p_newest);
  end if;
end
$mlguard$;

create or replace function mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- (name Joe; name Fred; and 2 more): the key columns of the table where the result has some, else what it has.
  select format('the assertion returns %s', case when p_n = 1 then '1 row' else p_n || ' rows' end)
         || coalesce(
              (select ' (' || string_agg(mlguard._words(shown.value, t.key, ' '), '; ' order by s.place)
                      || case when p_n > count(*) then format('; and %s more', p_n - count(*)) else '' end || ')'
               from jsonb_array_elements(p_samples) with ordinality s (value, place)
               cross join lateral (
                 select coalesce(nullif(mlguard._assertion_key(s.value, p_tbl), '{}'), s.value) as value) shown
               where s.place <= 3), '')
  from mlguard._table t
  where t.tbl = p_tbl
$mlguard$;

update mlguard._freshness f set at = clock_timestamp() where f.at = 'infinity';
comment on column mlguard._freshness.at is 'When the line was written.';
drop function mlguard.arrivals_v1(text, timestamptz);
drop function mlguard._arrival(text, jsonb, timestamptz);
drop function mlguard._deadline(jsonb, timestamptz, boolean);
alter table mlguard._slo drop column arrives;
