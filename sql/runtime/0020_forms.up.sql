-- Short forms. Arrival by a time of day: on named days, by a local time, data newer than the deadline before asked for must have come.
-- Read from the freshness log alone, so that the gate can ask it at every read and no scheduler can be late.

alter table mlguard._slo add column arrives jsonb;

comment on column mlguard._slo.arrives is
  'Of arrives_by: {"at": local time, "zone": its zone, "days": ISO numbers of weekdays, Monday 1}.';


create function mlguard._deadline(p_arrives jsonb, p_before timestamptz, p_itself boolean)
returns timestamptz
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _zone text := p_arrives ->> 'zone';
  _at time := p_arrives ->> 'at';
  _day date := p_before at time zone _zone;
  _due timestamptz;
begin
  -- A week and a day back: only one day of the week may be named, and today's time may not have come. A time that the
  -- clock skips is taken an hour later, of one that comes twice the second counts: PostgreSQL's reading of local times.
  for _back in 0..8 loop
    if p_arrives -> 'days' @> to_jsonb(extract(isodow from _day - _back)::integer) then
      _due := (_day - _back + _at) at time zone _zone;
      if _due < p_before or (p_itself and _due = p_before) then
        return _due;
      end if;
    end if;
  end loop;
  return null;
end
$mlguard$;

comment on function mlguard._deadline(jsonb, timestamptz, boolean) is
  'Private. The last deadline of an arrives_by before a time (p_itself: or at it).';


create function mlguard._arrival(
  p_tbl text, p_arrives jsonb, p_at timestamptz, out due timestamptz, out wanted timestamptz, out arrived boolean)
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _before timestamptz;
begin
  due := mlguard._deadline(p_arrives, p_at, true);
  _before := mlguard._deadline(p_arrives, due, false);
  select mlguard._window_floor(t.window_length, _before at time zone t.time_zone) at time zone t.time_zone
  into wanted
  from mlguard._table t
  where t.tbl = p_tbl;
  arrived := exists (
    select
    from mlguard._freshness f
    where f.tbl = p_tbl and f.newest >= wanted and f.newest <= p_at and f.at > _before);
end
$mlguard$;

comment on function mlguard._arrival(text, jsonb, timestamptz) is
  'Private. The last deadline of an arrives_by, from which event time on data was wanted by then, and whether such data '
  'was written since the deadline before. PL/pgSQL for its cached plans: guarded reads ask it.';


create function mlguard.arrivals_v1(p_tbl text, p_at timestamptz default statement_timestamp())
returns table (slo text, holds boolean, due timestamptz, wanted timestamptz, arrived boolean, words text)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select s.id, s.action = 'hold' and not s.shadow, a.due, a.wanted, a.arrived,
         format('%s by %s %s, newest %s is %s',
                case when a.arrived then 'data came' else 'nothing new had come' end,
                to_char(a.due at time zone (s.arrives ->> 'zone'), 'YYYY-MM-DD HH24:MI'), s.arrives ->> 'zone',
                coalesce(t.event_time, 'event time'), coalesce(mlguard._minute(n.newest), 'unknown'))
         || case
              when a.arrived then ''
              else format(', wanted %s or later', mlguard._minute(a.wanted))
            end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join lateral mlguard._arrival(s.tbl, s.arrives, p_at) a
  left join lateral (
    select f.newest from mlguard._freshness f where f.tbl = t.tbl and f.newest <= p_at order by f.newest desc limit 1
  ) n on true
  where s.level = 'read' and s.arrives is not null and s.tbl = p_tbl
$mlguard$;

comment on function mlguard.arrivals_v1(text, timestamptz) is
  'The arrives_by of a table at a time: its last deadline, from which event time on data was wanted by then, whether '
  'such data was written since the deadline before.';


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
    -- When that row was written nobody knows: its event time alone decides whether it came in time.
    insert into mlguard._freshness (tbl, newest, at) values (p_tbl, p_newest, 'infinity');
  end if;
end
$mlguard$;

comment on column mlguard._freshness.at is
  'When the line was written; infinity: found in stored rows, when they were written is not known.';


-- Assertions that short forms stand for.

create or replace function mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- What the row says of itself, where the SELECT has a column `says`: a falls from 40 to 31 (customer_id 7), and 2 more.
  select case when p_samples -> 0 ? 'says' then
    format('%s (%s)%s', p_samples -> 0 ->> 'says',
           mlguard._words(
             coalesce(nullif(mlguard._assertion_key(p_samples -> 0, p_tbl), '{}'), (p_samples -> 0) - 'says'),
             t.key, ' '),
           case when p_n > 1 then format(', and %s more', p_n - 1) else '' end)
  else
    -- (name Joe; name Fred; and 2 more): the key columns of the table where the result has some, else what it has.
    format('the assertion returns %s', case when p_n = 1 then '1 row' else p_n || ' rows' end)
           || coalesce(
                (select ' (' || string_agg(mlguard._words(shown.value, t.key, ' '), '; ' order by s.place)
                        || case when p_n > count(*) then format('; and %s more', p_n - count(*)) else '' end || ')'
                 from jsonb_array_elements(p_samples) with ordinality s (value, place)
                 cross join lateral (
                   select coalesce(nullif(mlguard._assertion_key(s.value, p_tbl), '{}'), s.value) as value) shown
                 where s.place <= 3), '')
  end
  from mlguard._table t
  where t.tbl = p_tbl
$mlguard$;


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
$mlguard$;


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


-- The sweep, for those who do not read at night.

create function mlguard._judge_arrivals(p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo record;
  _last text;
  _outcome text;
  _verdict bigint;
  _n bigint := 0;
begin
  for _slo in
    select s.id, s.tbl, s.allowed, a.arrived, a.words, n.newest
    from mlguard._slo s
    cross join lateral mlguard.arrivals_v1(s.tbl, p_as_of) a
    left join lateral (
      select f.newest from mlguard._freshness f where f.tbl = s.tbl and f.newest <= p_as_of order by f.newest desc limit 1
    ) n on true
    where s.level = 'read' and s.arrives is not null and a.slo = s.id
    order by s.no
  loop
    _outcome := case
      when _slo.arrived then 'PASS'
      when mlguard.waived_v1(_slo.id) or (select s.shadow from mlguard._slo s where s.id = _slo.id) then 'NOTED'
      else 'FAIL'
    end;
    select v.outcome
    into _last
    from mlguard._verdict v
    where v.slo = _slo.id and v.over = 'read' and v.current
    order by v.id desc
    limit 1;
    -- Only changes are written.
    continue when _last = _outcome;
    update mlguard._verdict v set current = false where v.slo = _slo.id and v.over = 'read' and v.current;
    insert into mlguard._verdict (at, slo, tbl, over, outcome, metrics, vals, observed, allowed, reason)
    values (p_as_of, _slo.id, _slo.tbl, 'read', _outcome, '{staleness()}',
            array[coalesce(extract(epoch from p_as_of - _slo.newest)::double precision, 'Infinity')],
            _slo.words, _slo.allowed,
            case when _outcome = 'NOTED' then case when mlguard.waived_v1(_slo.id) then 'waived' else 'shadow' end end)
    returning id into _verdict;
    perform mlguard._incident_of(_verdict);
    _n := _n + 1;
  end loop;
  return _n;
end
$mlguard$;

comment on function mlguard._judge_arrivals(timestamptz) is
  'Private. Judges arrives_by by the clock, where it changed; returns how many verdicts were written.';


alter function mlguard._judge_reads(timestamptz) rename to _judge_staleness;

create function mlguard._judge_reads(p_as_of timestamptz)
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._judge_staleness(p_as_of) + mlguard._judge_arrivals(p_as_of)
$mlguard$;

comment on function mlguard._judge_reads(timestamptz) is
  'Private. Judges by the clock what readers find by theirs; returns how many verdicts were written.';


alter function mlguard.grant_roles() rename to _grant_surface;

create function mlguard.grant_roles()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _role text;
begin
  perform mlguard._grant_surface();
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant execute on function mlguard.arrivals_v1(text, timestamptz) to %I', _role);
  end loop;
end
$mlguard$;

comment on function mlguard.grant_roles() is
  'Gives mlguard_platform, mlguard_task and mlguard_writer their rights, as far as these roles exist. For the owner of '
  'the schema, after an administrator made the roles.';

revoke all on function
  mlguard._deadline(jsonb, timestamptz, boolean), mlguard._arrival(text, jsonb, timestamptz),
  mlguard.arrivals_v1(text, timestamptz), mlguard._judge_arrivals(timestamptz), mlguard._judge_reads(timestamptz),
  mlguard.grant_roles()
  from public;

select mlguard.grant_roles();
