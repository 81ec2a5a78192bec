-- Turns are advisory locks again.

-- Who has a turn goes on to the end; none begins meanwhile.
lock table mlguard._turn in access exclusive mode;


create function mlguard._incident_key()
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select hashtextextended('mlguard incidents', 0)
$mlguard$;

comment on function mlguard._incident_key() is 'Private. The advisory lock under which incidents are written.';

revoke all on function mlguard._incident_key() from public;


create or replace function mlguard._lock_table(p_tbl text)
returns boolean
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select pg_try_advisory_xact_lock(hashtextextended('mlguard ' || p_tbl, 0))
$mlguard$;


create or replace function mlguard._wait_table(p_tbl text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select pg_advisory_xact_lock(hashtextextended('mlguard ' || p_tbl, 0))
$mlguard$;


create or replace function mlguard._sweep_incidents(p_as_of timestamptz default statement_timestamp())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _new bigint[];
  _n bigint;
begin
  -- One at a time; whoever comes second finds the work done. Acts of people wait, sweeps do not.
  if not pg_try_advisory_xact_lock(mlguard._incident_key()) then
    return;
  end if;
  return query select 'incidents masked', mlguard._mask_incidents();
  return query select 'freshness judged', mlguard._judge_reads(p_as_of);
  _new := mlguard._fold_failures();
  return query select 'incidents opened', cardinality(_new)::bigint;
  return query select 'incidents resolved', mlguard._heal_incidents(_new);
  return query select 'incidents attached to a cause', mlguard._group_incidents(_new || mlguard._outlived());
  return query select 'snoozes ended', mlguard._end_snoozes(p_as_of);
  return query select 'alerts written', mlguard._tell_incidents();

  delete from mlguard._outbox o where o.delivered_at < p_as_of - interval '90 days';
  get diagnostics _n = row_count;
  return query select 'alerts pruned', _n;
end
$mlguard$;


create or replace function mlguard._acted_on(p_id bigint, p_act text)
returns mlguard._incident
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _incident mlguard._incident;
begin
  perform pg_advisory_xact_lock(mlguard._incident_key());
  perform mlguard._sweep_incidents(statement_timestamp());
  select i.* into _incident from mlguard._incident i where i.id = p_id or p_id = any (i.also) order by i.id = p_id desc;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no incident %s', coalesce(p_id::text, 'NULL')),
      hint = 'mlguard incidents list, or: select id, state, headline from mlguard.incident';
  end if;
  if _incident.state = 'resolved' and p_act <> 'label' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: incident %s was resolved %s by %s: %s', _incident.id,
                       mlguard._minute(_incident.resolved_at), _incident.resolved_by, _incident.resolved_reason),
      hint = 'Nothing is left to do; mlguard.label says whether it was a true or a false alarm.';
  end if;
  return _incident;
end
$mlguard$;


create or replace function mlguard._sweep_models(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint := 0;
begin
  if pg_try_advisory_xact_lock(hashtextextended('mlguard prediction lines', 0)) then
    with gone as (
      delete from mlguard._prediction_line l returning l.*
    ), batch as (
      select g.tbl, g.model, g.version, g.xid, g.started_at, min(g.at) as first_at, max(g.at) as last_at,
             min(g.writer) as writer, sum(g.n) as n, min(g.first_event) as first_event, max(g.last_event) as last_event,
             (array_agg(g.inputs order by g.held desc, g.at))[1] as inputs, bool_or(g.held) as held, count(*) as lines
      from gone g
      group by g.tbl, g.model, g.version, g.xid, g.started_at
    ), used as (
      insert into mlguard._model_usage as old (model, version, tbl, first_use, last_use, n)
      select b.model, b.version, b.tbl, min(b.first_at), max(b.last_at), sum(b.n)
      from batch b
      group by b.model, b.version, b.tbl
      on conflict (model, version, tbl) do update
      set first_use = least(old.first_use, excluded.first_use), last_use = greatest(old.last_use, excluded.last_use),
          n = old.n + excluded.n
    ), large as (
      insert into mlguard._prediction_batch (
        tbl, model, version, xid, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs,
        held)
      select b.tbl, b.model, b.version, b.xid, b.started_at, b.first_at, b.last_at, b.writer, b.n, 1, b.first_event,
             b.last_event, b.inputs, b.held
      from batch b
      where b.held or b.n >= 100
    ), small as (
      -- A batch a row would grow as fast as the table itself; of good ones the hour says enough.
      insert into mlguard._prediction_batch as old (
        tbl, model, version, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs, held)
      select b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC'), min(b.first_at), max(b.last_at),
             case when min(b.writer) = max(b.writer) then min(b.writer) end, sum(b.n), count(*), min(b.first_event),
             max(b.last_event), (array_agg(b.inputs order by b.first_at desc))[1], false
      from batch b
      where not b.held and b.n < 100
      group by b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC')
      on conflict (tbl, model, version, started_at) where xid is null do update
      set first_at = least(old.first_at, excluded.first_at), last_at = greatest(old.last_at, excluded.last_at),
          writer = case when old.writer = excluded.writer then old.writer end, n = old.n + excluded.n,
          batches = old.batches + excluded.batches, first_event = least(old.first_event, excluded.first_event),
          last_event = greatest(old.last_event, excluded.last_event), inputs = excluded.inputs
    )
    select coalesce(sum(b.lines), 0) from batch b into _n;
  end if;
  return query select 'lines of predictions folded', _n;
end
$mlguard$;


create or replace function mlguard._seal_events()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _event mlguard._event;
  _no bigint;
  _hash bytea;
  _prev bytea;
  _sealed bigint[] := '{}';
begin
  -- An older snapshot would not see the last seal.
  if current_setting('transaction_isolation') <> 'read committed'
     or not pg_try_advisory_xact_lock(hashtextextended('mlguard audit chain', 0)) then
    return 0;
  end if;
  select s.no, s.hash into _no, _prev from mlguard._event_seal s order by s.no desc limit 1;
  _no := coalesce(_no, 0);
  _prev := coalesce(_prev, decode(repeat('00', 32), 'hex'));
  for _event in
    select e.*
    from mlguard._unsealed u
    join mlguard._event e on e.id = u.event
    where not exists (select from mlguard._event_seal s where s.event = u.event)
    order by e.id
  loop
    _no := _no + 1;
    _hash := mlguard._link(_prev, _no, _event);
    insert into mlguard._event_seal (no, event, prev, hash) values (_no, _event.id, _prev, _hash);
    _prev := _hash;
    _sealed := _sealed || _event.id;
  end loop;
  delete from mlguard._unsealed u where u.event = any (_sealed);
  return cardinality(_sealed);
end
$mlguard$;


create or replace function mlguard._prune_events(p_as_of timestamptz, p_some integer)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _first bigint;
  _upto bigint;
  _n bigint;
begin
  if not exists (select from mlguard._retention r where r.what = 'event') then
    return;
  end if;
  -- Only who seals cuts: the lock is that of the chain.
  if current_setting('transaction_isolation') <> 'read committed'
     or not pg_try_advisory_xact_lock(hashtextextended('mlguard audit chain', 0)) then
    return;
  end if;
  select coalesce(max(c.no), 0) into _first from mlguard._event_checkpoint c;
  -- The first event that stays ends what goes, so that nothing within the chain is missing.
  select max(c.no) into _upto
  from (
    select s.no,
           bool_and(coalesce(e.at < p_as_of - r.keep, false) or coalesce(s.no <= l.last - r.most, false))
             over (order by s.no) as goes
    from mlguard._retention r
    cross join (select max(x.no) as last from mlguard._event_seal x) l
    join mlguard._event_seal s on s.no > _first and s.no <= _first + p_some and s.no < l.last
    join mlguard._event e on e.id = s.event
    where r.what = 'event'
  ) c
  where c.goes;
  if _upto is null then
    return query select 'events pruned', 0::bigint;
    return;
  end if;
  insert into mlguard._event_checkpoint (no, hash, last_at, events)
  select s.no, s.hash, e.at, _upto - _first
  from mlguard._event_seal s
  join mlguard._event e on e.id = s.event
  where s.no = _upto;
  perform mlguard._record(
    'prune', 'audit', jsonb_build_object('from', _first + 1, 'to', _upto),
    jsonb_build_object('checkpoint', c.no, 'hash', encode(c.hash, 'hex')), 'retention of events')
  from mlguard._event_checkpoint c
  where c.no = _upto;
  delete from mlguard._event e using mlguard._event_seal s where s.event = e.id and s.no <= _upto;
  get diagnostics _n = row_count;
  delete from mlguard._event_seal s where s.no <= _upto;
  return query select 'events pruned', _n;
end
$mlguard$;


create or replace function mlguard._sweep_schema(p_as_of timestamptz)
returns table (what text, n bigint)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- One at a time: two would both find what neither wrote down yet.
  select 'changes of columns judged', count(*) filter (where j.judged)
  from (select pg_try_advisory_xact_lock(hashtextextended('mlguard schema watch', 0)) as turn offset 0) mine
  cross join mlguard._table t
  cross join lateral mlguard._judge_schema(case when mine.turn then t.tbl end) j (judged)
$mlguard$;


drop function mlguard._wait_turn(text);
drop function mlguard._take_turn(text);
drop function mlguard._new_turn(text);
drop table mlguard._turn;
