-- Who may read: the freshness log, and the gate that guarded views, policies and assert_ok() ask.
-- Nothing here writes while reading, so that the gate also works on a hot standby.

create function mlguard._minute(p_at timestamptz)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
$mlguard$;

comment on function mlguard._minute(timestamptz) is 'Private. A time as messages show it.';


create function mlguard._seconds(p_length interval)
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select floor(extract(epoch from p_length))::bigint
$mlguard$;

comment on function mlguard._seconds(interval) is
  'Private. A length in seconds, a day being 24 hours: a limit must not depend on the reader''s time zone.';


create function mlguard._length(p_length interval)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Two units, the second only where it is not 0; hours up to four days, because limits are written in hours.
  select case
    when s < 60 then s || ' s'
    when s < 3600 then s / 60 || ' min' || coalesce(' ' || nullif(s % 60, 0) || ' s', '')
    when s < 4 * 86400 then s / 3600 || ' h' || coalesce(' ' || nullif(s % 3600 / 60, 0) || ' min', '')
    else s / 86400 || ' d' || coalesce(' ' || nullif(s % 86400 / 3600, 0) || ' h', '')
  end
  from (select mlguard._seconds(p_length) as s) seconds
$mlguard$;

comment on function mlguard._length(interval) is 'Private. A length of time as messages show it: 28 h 12 min.';


create function mlguard.newest_v1(p_tbl text)
returns timestamptz
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  -- Event times in the future do not count: one wrong clock would keep a dead feed fresh.
  select f.newest
  from mlguard._freshness f
  where f.tbl = p_tbl and f.newest <= statement_timestamp()
  order by f.newest desc
  limit 1
$mlguard$;

comment on function mlguard.newest_v1(text) is
  'The newest event time of the freshness log that is not in the future; the table''s own is at most a grain newer.';


create function mlguard.fresh_v1(p_tbl text, p_newest timestamptz, p_future timestamptz[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _grain interval;
  _last timestamptz;
  _time timestamptz;
begin
  if p_newest is null and p_future is null then
    return;
  end if;
  _grain := (select t.grain from mlguard._table t where t.tbl = p_tbl);
  _last := mlguard.newest_v1(p_tbl);
  if isfinite(p_newest) and (_last is null or p_newest > _last + _grain) then
    insert into mlguard._freshness (tbl, newest) values (p_tbl, p_newest);
  end if;
  -- A time that has not come yet gets a line of its own, so that it counts from the moment it comes.
  _last := null;
  for _time in
    select distinct f.time from unnest(p_future) f (time) where isfinite(f.time) order by f.time
  loop
    if (_last is null or _time > _last + _grain)
       and not exists (
         select from mlguard._freshness f where f.tbl = p_tbl and f.newest between _time - _grain and _time) then
      insert into mlguard._freshness (tbl, newest) values (p_tbl, _time);
      _last := _time;
    end if;
  end loop;
end
$mlguard$;

comment on function mlguard.fresh_v1(text, timestamptz, timestamptz[]) is
  'Notes the newest event time of rows that landed, and those that lie in the future.';


create function mlguard.refreshed_v1(p_tbl text, p_newest timestamptz, p_seen pg_snapshot default null)
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

comment on function mlguard.refreshed_v1(text, timestamptz, pg_snapshot) is
  'Sets the freshness log back after the newest rows were deleted or changed. p_seen: pg_current_snapshot() taken '
  'before the newest event time was computed.';


create function mlguard._reasons(p_tbl text)
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
           else format('has no rows, so it has no age (%s)', s.name)
         end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join (select mlguard.newest_v1(p_tbl) as newest) log
  where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
    and coalesce(statement_timestamp() > log.newest + make_interval(secs => mlguard._seconds(s.max_age)), true)
    and not mlguard.waived_v1(s.id)
$mlguard$;

comment on function mlguard._reasons(text) is
  'Private. Why the gate of a table is closed, one row per hold or stale SLO.';


create function mlguard._closed(p_tbl text)
returns table (slo text, state text, since timestamptz, batch bigint, observed jsonb, slos text[], words text)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select r.slo, r.state, r.since, r.batch, r.observed, everything.slos,
         r.words || case
           when everything.more = 1 then ' and 1 more SLO'
           when everything.more > 1 then format(' and %s more SLOs', everything.more)
           else ''
         end
  from mlguard._reasons(p_tbl) r
  cross join (
    select array_agg(distinct a.slo) as slos, count(distinct a.slo) - 1 as more from mlguard._reasons(p_tbl) a
  ) everything
  order by r.state <> 'held', r.since nulls first, r.slo
  limit 1
$mlguard$;

comment on function mlguard._closed(text) is
  'Private. Why the gate of a table is closed, in one row; none while it is open.';


create function mlguard.gate_open_v1(p_tbl text)
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

comment on function mlguard.gate_open_v1(text) is 'Whether the gate of a table is open now.';


create function mlguard.guard_v1(p_tbl text)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _why record;
  _slo record;
begin
  if mlguard.gate_open_v1(p_tbl) then
    return true;
  end if;
  select c.* into strict _why from mlguard._closed(p_tbl) c;
  select coalesce(s.owner, t.owner) as owner, s.runbook
  into _slo
  from mlguard._table t
  left join mlguard._slo s on s.id = _why.slo
  where t.tbl = p_tbl;
  return mlguard._raise(
    'ML001',
    format('mlguard: %s %s', p_tbl, _why.words),
    _why.slo,
    mlguard._detail(_why.slo, _why.observed, null, null,
                    jsonb_build_object('state', _why.state, 'since', _why.since, 'batch', _why.batch,
                                       'slos', _why.slos)),
    mlguard._hint(
      'Nothing is wrong with your query.',
      _slo.owner, _slo.runbook,
      format('A platform role may read on with: mlguard waive %s --until … --reason …', _why.slo)));
end
$mlguard$;

comment on function mlguard.guard_v1(text) is
  'True while the gate of a table is open; raises ML001 while it is closed. STABLE, so that a guarded view evaluates '
  'it once, before any row, on an empty table too.';


create function mlguard.may_mend_v1()
returns boolean
language sql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- The invoker's rights, not ours: policies ask it on behalf of who reads.
  select exists (
    select
    from pg_roles r
    where r.rolname in ('mlguard_writer', 'mlguard_platform') and pg_has_role(current_user, r.oid, 'member'))
    or (select u.rolsuper from pg_roles u where u.rolname = current_user)
$mlguard$;

comment on function mlguard.may_mend_v1() is
  'Whether the current user may read a held table in order to mend it: mlguard_writer, mlguard_platform, superusers.';


create function mlguard._tbl(p_table regclass)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _tbl text := (
    select n.nspname || '.' || c.relname
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = p_table);
begin
  if not exists (select from mlguard._table t where t.tbl = _tbl) then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no SLO is in force on %s', coalesce(_tbl, 'this table')),
      hint = 'The guarded tables are listed in mlguard.gate; mlguard apply puts SLOs in force.';
  end if;
  return _tbl;
end
$mlguard$;

comment on function mlguard._tbl(regclass) is 'Private. The guarded table; raises where no SLO is in force on it.';


create function mlguard.assert_ok(p_table regclass)
returns void
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- A table nobody guards is not known to be good: a breaker that says nothing then would be of no use.
  perform mlguard.guard_v1(mlguard._tbl(p_table));
end
$mlguard$;

comment on function mlguard.assert_ok(regclass) is
  'Raises ML001 while the gate of a table is closed, as a guarded read does: the circuit breaker of pipelines.';
