-- Volumes: at least so many rows in a window that slides with the reader's clock. Counted from the rows themselves, by a
-- function of each SLO, so that the gate can ask it at every read and no scheduler can be late.

alter table mlguard._slo add column volume jsonb;

comment on column mlguard._slo.volume is
  'Of row_count() judged by readers: {"least": rows wanted, "of": the window in words, "column": the event time, '
  '"counter": the function that counts}.';


create function mlguard._volume(p_volume jsonb, p_at timestamptz, out n bigint, out since timestamptz)
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('select c.n, c.since from %s($1) c', p_volume ->> 'counter') into n, since using p_at;
end
$mlguard$;

comment on function mlguard._volume(jsonb, timestamptz) is
  'Private. How many rows the window of a volume has that ends at a time, counted up to the number wanted, and its start.';


create function mlguard._volumes(p_tbl text, p_at timestamptz)
returns table (slo text, holds boolean, n bigint, wanted bigint, since timestamptz, event_time text, words text)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select s.id, s.action = 'hold' and not s.shadow, c.n, w.wanted, c.since, t.event_time,
         case
           when c.n >= w.wanted then format('at least %s %s', w.wanted, case w.wanted when 1 then 'row' else 'rows' end)
           when c.n = 0 then 'no rows'
           when c.n = 1 then '1 row'
           else format('%s rows', c.n)
         end || ' of ' || (s.volume ->> 'of')
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join lateral (select (s.volume ->> 'least')::bigint as wanted) w
  cross join lateral mlguard._volume(s.volume, p_at) c
  where s.level = 'read' and s.volume is not null and s.tbl = p_tbl
  order by s.no
$mlguard$;

comment on function mlguard._volumes(text, timestamptz) is
  'Private. The volumes of a table at a time: how many rows there are, how many there must be.';


-- The gate.

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
  union all
  select v.slo, 'thin', null, null, to_jsonb(v.n),
         format('has %s (%s), wanted at least %s (%s)', v.words, v.event_time, v.wanted, split_part(v.slo, '/', 2))
  from mlguard._volumes(p_tbl, statement_timestamp()) v
  where v.holds and v.n < v.wanted and not mlguard.waived_v1(v.slo)
$mlguard$;

comment on function mlguard._reasons(text) is
  'Private. Why the gate of a table is closed, one row per hold, and per SLO that readers judge.';


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
       where s.tbl = p_tbl and s.level = 'read' and s.action = 'hold' and not s.shadow
         and case
               when s.arrives is not null then not (mlguard._arrival(p_tbl, s.arrives, statement_timestamp())).arrived
               when s.volume is not null then
                 (mlguard._volume(s.volume, statement_timestamp())).n < (s.volume ->> 'least')::bigint
               else false
             end) then
    return true;
  end if;
  return not exists (select from mlguard._closed(p_tbl));
end
$mlguard$;


-- The sweep, for those who do not read at night.

create function mlguard._judge_volumes(p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo record;
  _last mlguard._verdict;
  _outcome text;
  _verdict bigint;
  _n bigint := 0;
begin
  for _slo in
    select s.id, s.tbl, s.allowed, s.shadow, v.n, v.wanted, v.since, v.words
    from mlguard._slo s
    cross join lateral mlguard._volumes(s.tbl, p_as_of) v
    where s.level = 'read' and s.volume is not null and v.slo = s.id
    order by s.no
  loop
    _outcome := case
      when _slo.n >= _slo.wanted then 'PASS'
      when _slo.shadow or mlguard.waived_v1(_slo.id) then 'NOTED'
      else 'FAIL'
    end;
    select v.* into _last from mlguard._verdict v where v.slo = _slo.id and v.current order by v.id desc limit 1;
    -- Only changes are written.
    continue when _last.over = 'read' and _last.outcome = _outcome;
    -- Those of windows too, from before readers judged it.
    update mlguard._verdict v set current = false where v.slo = _slo.id and v.current;
    insert into mlguard._verdict (
      at, slo, tbl, over, window_start, window_end, outcome, n, metrics, vals, observed, allowed, reason)
    values (p_as_of, _slo.id, _slo.tbl, 'read', _slo.since, p_as_of, _outcome, _slo.n, '{row_count()}', array[_slo.n],
            _slo.words, _slo.allowed,
            case when _outcome = 'NOTED' then case when _slo.shadow then 'shadow' else 'waived' end end)
    returning id into _verdict;
    perform mlguard._incident_of(_verdict);
    _n := _n + 1;
  end loop;
  return _n;
end
$mlguard$;

comment on function mlguard._judge_volumes(timestamptz) is
  'Private. Judges volumes by the clock, where it changed; returns how many verdicts were written.';


create or replace function mlguard._judge_reads(p_as_of timestamptz)
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._judge_staleness(p_as_of) + mlguard._judge_arrivals(p_as_of) + mlguard._judge_volumes(p_as_of)
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
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'no SLO in force holds it'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo and s.level <> 'read');
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$mlguard$;

comment on function mlguard._sweep_holds(timestamptz) is
  'Private. The part of sweep() that ends holds of judgements whose SLO was taken out of its file, or is judged by readers '
  'now: nothing would judge it good again.';


revoke all on function
  mlguard._volume(jsonb, timestamptz), mlguard._volumes(text, timestamptz), mlguard._judge_volumes(timestamptz)
  from public;
