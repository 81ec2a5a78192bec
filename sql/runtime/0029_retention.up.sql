-- Retention: how long records are kept, by age and by number, pruned by sweep() some at a time. What anything still
-- needs stays whatever its age. The chain of events is cut at a checkpoint: number and hash of the last event that went.

create table mlguard._retention (
  what text primary key,
  keep interval,
  most bigint,
  constraint _retention_what check (
    what in ('verdict', 'metric', 'violation', 'change', 'batch', 'incident', 'event')),
  constraint _retention_keep check (keep >= interval '1 day'),
  constraint _retention_most check (most >= 1000),
  constraint _retention_said check (keep is not null or most is not null)
);

comment on table mlguard._retention is 'Private. What sweep() prunes; records without a line here are kept for ever.';
comment on column mlguard._retention.what is 'Kind of record: verdict, metric, violation, change, batch, incident or event.';
comment on column mlguard._retention.keep is 'Age at which they go; null: no age.';
comment on column mlguard._retention.most is 'Newest that stay, whatever their age; null: no limit.';


create table mlguard._event_checkpoint (
  no bigint primary key,
  hash bytea not null,
  last_at timestamptz not null,
  events bigint not null,
  at timestamptz not null default pg_catalog.clock_timestamp()
);

comment on table mlguard._event_checkpoint is
  'Private. Where the chain of events was cut: everything up to a seal was pruned, and the chain goes on from its hash.';
comment on column mlguard._event_checkpoint.no is 'Number of the last seal that was pruned.';
comment on column mlguard._event_checkpoint.hash is 'Its hash.';
comment on column mlguard._event_checkpoint.last_at is 'When the newest event that went was written.';
comment on column mlguard._event_checkpoint.events is 'Events that went with this cut.';
comment on column mlguard._event_checkpoint.at is 'When it was cut.';


create function mlguard.set_retention(p_what text, p_keep interval default null, p_most bigint default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _before mlguard._retention;
begin
  if p_what is null or p_what not in ('verdict', 'metric', 'violation', 'change', 'batch', 'incident', 'event') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: there is no retention of %s', coalesce(p_what, 'null')),
      hint = 'There is one of verdict, metric, violation, change, batch, incident, event; of kept rows the SLO file says '
             'it: quarantine: {retention: 90 days}.';
  end if;
  if p_keep < interval '1 day' or p_most < 1000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a retention is of a day or more, and of 1000 records or more';
  end if;
  select r.* into _before from mlguard._retention r where r.what = p_what;
  if p_keep is null and p_most is null then
    delete from mlguard._retention r where r.what = p_what;
  else
    insert into mlguard._retention (what, keep, most)
    values (p_what, p_keep, p_most)
    on conflict (what) do update set keep = excluded.keep, most = excluded.most;
  end if;
  perform mlguard._record(
    'retention policy', p_what, case when _before.what is not null then to_jsonb(_before) end,
    jsonb_build_object('keep', p_keep, 'most', p_most), null);
end
$mlguard$;

comment on function mlguard.set_retention(text, interval, bigint) is
  'Sets how long records are kept, by age (a day or more) and by number (1000 or more); neither: for ever. sweep() prunes.';


create view mlguard.retention as
select k.what, r.keep, r.most, c.reltuples::bigint as rows, pg_total_relation_size(c.oid) as bytes
from unnest(array['verdict', 'metric', 'violation', 'change', 'batch', 'incident', 'event']) with ordinality k (what, place)
join pg_class c on c.relname = '_' || k.what and c.relnamespace = 'mlguard'::regnamespace
left join mlguard._retention r on r.what = k.what
order by k.place;

comment on view mlguard.retention is 'How long records are kept, and what they take.';
comment on column mlguard.retention.what is 'Kind of record.';
comment on column mlguard.retention.keep is 'Age at which they go; null: no age.';
comment on column mlguard.retention.most is 'Newest that stay; null: no limit.';
comment on column mlguard.retention.rows is 'Rows, as the last ANALYZE estimated them; -1: never analysed.';
comment on column mlguard.retention.bytes is 'Bytes on disk, indexes included.';


create view mlguard.own_size as
select c.relname as relation, c.reltuples::bigint as rows, pg_total_relation_size(c.oid) as bytes
from pg_class c
where c.relnamespace = 'mlguard'::regnamespace and c.relkind in ('r', 'p')
order by bytes desc, relation;

comment on view mlguard.own_size is 'Tables of schema mlguard, the largest first.';
comment on column mlguard.own_size.rows is 'Rows, as the last ANALYZE estimated them; -1: never analysed.';
comment on column mlguard.own_size.bytes is 'Bytes on disk, indexes and long values included.';


create function mlguard._oldest_kept(p_what text, p_as_of timestamptz, p_beyond bigint)
returns table (before timestamptz, upto bigint)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select p_as_of - r.keep, case when r.most is not null then p_beyond end
  from mlguard._retention r
  where r.what = p_what
$mlguard$;

comment on function mlguard._oldest_kept(text, timestamptz, bigint) is
  'Private. What a retention prunes: records before a time, and those numbered up to one. No row: nothing is pruned.';


create function mlguard._prune_judgements(p_as_of timestamptz, p_some integer)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _limit record;
  _n bigint;
begin
  -- What is learned, and trailing(), look back on 500 windows or batches at most.
  select o.* into _limit
  from mlguard._oldest_kept('verdict', p_as_of, (
    select v.id from mlguard._verdict v order by v.id desc
    offset (select r.most from mlguard._retention r where r.what = 'verdict') limit 1)) o;
  if found then
    with needed as materialized (
      select i.first_verdict as id from mlguard._incident i
      union select i.last_verdict from mlguard._incident i
      union select e.verdict from mlguard._incident_event e
      union select h.verdict from mlguard._hold h where h.ended_at is null
    ), old as (
      select v.id
      from mlguard._verdict v
      where (v.at < _limit.before or v.id <= _limit.upto)
        and not exists (select from needed n where n.id = v.id)
        and (not v.current
             or (select count(*)
                 from (
                   select from mlguard._verdict l
                   where l.slo = v.slo and l.id > v.id and l.segment = v.segment
                   limit 500
                 ) later) = 500)
      order by v.id
      limit p_some
    )
    delete from mlguard._verdict v using old where v.id = old.id;
    get diagnostics _n = row_count;
    return query select 'verdicts pruned', _n;
  end if;

  select o.* into _limit
  from mlguard._oldest_kept('metric', p_as_of, (
    select m.id from mlguard._metric m order by m.id desc
    offset (select r.most from mlguard._retention r where r.what = 'metric') limit 1)) o;
  if found then
    with old as (
      select m.id
      from mlguard._metric m
      where (m.at < _limit.before or m.id <= _limit.upto)
        and (not m.current
             or (select count(*)
                 from (
                   select from mlguard._metric l
                   where l.tbl = m.tbl and l.over = m.over and l.metric = m.metric and l.segment = m.segment
                     and l.current and (l.window_start > m.window_start or l.batch > m.batch)
                   limit 500
                 ) later) = 500)
      order by m.id
      limit p_some
    )
    delete from mlguard._metric m using old where m.id = old.id;
    get diagnostics _n = row_count;
    return query select 'metrics pruned', _n;
  end if;
end
$mlguard$;

comment on function mlguard._prune_judgements(timestamptz, integer) is
  'Private. Deletes verdicts and metrics past their retention, some at a time: never the last 500 of an SLO or metric and '
  'segment, nor what an incident or open hold names.';


create function mlguard._prune_records(p_as_of timestamptz, p_some integer)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _limit record;
  _n bigint;
begin
  select o.* into _limit
  from mlguard._oldest_kept('violation', p_as_of, (
    select v.id from mlguard._violation v order by v.id desc
    offset (select r.most from mlguard._retention r where r.what = 'violation') limit 1)) o;
  if found then
    delete from mlguard._violation v
    where v.id in (
      select w.id from mlguard._violation w where w.at < _limit.before or w.id <= _limit.upto order by w.id limit p_some);
    get diagnostics _n = row_count;
    return query select 'violations pruned', _n;
  end if;

  select o.* into _limit
  from mlguard._oldest_kept('change', p_as_of, (
    select c.id from mlguard._change c order by c.id desc
    offset (select r.most from mlguard._retention r where r.what = 'change') limit 1)) o;
  if found then
    delete from mlguard._change c
    where c.id in (
      select d.id from mlguard._change d
      where not d.pending and (d.at < _limit.before or d.id <= _limit.upto)
      order by d.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'changes pruned', _n;
  end if;

  -- Verdicts and metrics keep the number of a batch that has gone.
  select o.* into _limit
  from mlguard._oldest_kept('batch', p_as_of, (
    select b.id from mlguard._batch b order by b.id desc
    offset (select r.most from mlguard._retention r where r.what = 'batch') limit 1)) o;
  if found then
    delete from mlguard._batch b
    where b.id in (
      select a.id
      from mlguard._batch a
      where a.closed_at is not null and (a.closed_at < _limit.before or a.id <= _limit.upto)
        and (a.name is null or a.retired)
        and not exists (select from mlguard._batch p where p.part_of = a.id)
        and not exists (select from mlguard._delta d where d.batch = a.id)
        and not exists (select from mlguard._state s where s.batch = a.id)
        and not exists (select from mlguard._sample s where s.tbl = a.tbl and s.batch = a.id)
        and not exists (select from mlguard._quarantine q where q.batch = a.id and q.status = 'waiting')
        and not exists (select from mlguard._hold h where h.tbl = a.tbl and h.ended_at is null and h.batch = a.id)
      order by a.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'batches pruned', _n;
  end if;

  select o.* into _limit
  from mlguard._oldest_kept('incident', p_as_of, (
    select i.id from mlguard._incident i order by i.id desc
    offset (select r.most from mlguard._retention r where r.what = 'incident') limit 1)) o;
  if found then
    delete from mlguard._incident i
    where i.id in (
      select a.id
      from mlguard._incident a
      where a.state = 'resolved' and (a.resolved_at < _limit.before or a.id <= _limit.upto)
        and not exists (select from mlguard._incident c where c.cause = a.id)
        and not exists (select from mlguard._outbox o where o.incident = a.id and o.delivered_at is null)
      order by a.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'incidents pruned', _n;
  end if;
end
$mlguard$;

comment on function mlguard._prune_records(timestamptz, integer) is
  'Private. Deletes violations, changes, batches and resolved incidents past their retention, some at a time; a batch that '
  'states, waiting rows or an open hold name stays, and so does an incident that is the cause of another.';


-- The chain of events.

create function mlguard._refuse_unsealed_deletion()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _upto bigint := coalesce((select max(c.no) from mlguard._event_checkpoint c), 0);
begin
  if tg_table_name = '_event' then
    if exists (
      select
      from gone g
      where not exists (select from mlguard._event_seal s where s.event = g.id and s.no <= _upto)) then
      raise exception 'mlguard: events are append-only; % refused', tg_op
        using errcode = 'insufficient_privilege',
              hint = 'Events that are old go by mlguard.set_retention(''event'', …).';
    end if;
  elsif exists (select from gone g where (to_jsonb(g) ->> 'no')::bigint > _upto) then
    raise exception 'mlguard: events are append-only; % refused', tg_op
      using errcode = 'insufficient_privilege',
            hint = 'Events that are old go by mlguard.set_retention(''event'', …).';
  end if;
  return null;
end
$mlguard$;

comment on function mlguard._refuse_unsealed_deletion() is
  'Private. Lets go of events and seals up to the last checkpoint, and of no other.';

drop trigger refuse_rewriting on mlguard._event;
create trigger refuse_rewriting
  before update or truncate on mlguard._event
  for each statement
  execute function mlguard._refuse_rewriting();
create trigger refuse_deletion
  after delete on mlguard._event
  referencing old table as gone
  for each statement
  execute function mlguard._refuse_unsealed_deletion();
alter table mlguard._event enable always trigger refuse_rewriting;
alter table mlguard._event enable always trigger refuse_deletion;

drop trigger refuse_rewriting on mlguard._event_seal;
create trigger refuse_rewriting
  before update or truncate on mlguard._event_seal
  for each statement
  execute function mlguard._refuse_rewriting();
create trigger refuse_deletion
  after delete on mlguard._event_seal
  referencing old table as gone
  for each statement
  execute function mlguard._refuse_unsealed_deletion();
alter table mlguard._event_seal enable always trigger refuse_rewriting;
alter table mlguard._event_seal enable always trigger refuse_deletion;

create trigger refuse_rewriting
  before update or delete or truncate on mlguard._event_checkpoint
  for each statement
  execute function mlguard._refuse_rewriting();
alter table mlguard._event_checkpoint enable always trigger refuse_rewriting;


create function mlguard._prune_events(p_as_of timestamptz, p_some integer)
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

comment on function mlguard._prune_events(timestamptz, integer) is
  'Private. Cuts the chain of events behind those past their retention, some at a time; the last seal always stays.';


create or replace function mlguard.verify_audit(p_no bigint default null, p_hash text default null)
returns table (fault text, seal bigint, event bigint, words text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _last bigint := (select max(s.no) from mlguard._event_seal s);
  _cut mlguard._event_checkpoint;
begin
  select c.* into _cut from mlguard._event_checkpoint c order by c.no desc limit 1;
  return query
  with walked as (
    select s.no, s.event, s.prev, s.hash, e.id as found,
           lag(s.no, 1, coalesce(_cut.no, 0)) over (order by s.no) as before,
           lag(s.hash, 1, coalesce(_cut.hash, decode(repeat('00', 32), 'hex'))) over (order by s.no) as expected,
           e.id is not null and mlguard._link(s.prev, s.no, e) <> s.hash as wrong
    from mlguard._event_seal s
    left join mlguard._event e on e.id = s.event
  ), gap as (
    select 'gap'::text, w.no, w.event,
           case when w.no - w.before = 2 then format('seal %s is missing', w.no - 1)
                else format('seals %s to %s are missing', w.before + 1, w.no - 1) end
    from walked w
    where w.no <> w.before + 1
  ), broken as (
    select 'broken'::text, w.no, w.event,
           format('seal %s does not follow seal %s: one of them was replaced', w.no, w.before)
    from walked w
    where w.no = w.before + 1 and w.prev <> w.expected
  ), deleted as (
    select 'deleted'::text, w.no, w.event, format('event %s is gone', w.event)
    from walked w
    where w.found is null
    union all
    select 'deleted', null, u.event, format('event %s is gone, before it was sealed', u.event)
    from mlguard._unsealed u
    where not exists (select from mlguard._event e where e.id = u.event)
      and not exists (select from mlguard._event_seal s where s.event = u.event)
  ), moved as (
    -- Its own text gives the hash that stands at another place: it was taken from there.
    select distinct on (w.no) w.no, w.event, o.no as belongs
    from walked w
    join mlguard._event e on e.id = w.event
    join walked o on o.wrong and o.no <> w.no
    where w.wrong
      and (mlguard._link(o.prev, o.no, e) = o.hash or mlguard._link(w.prev, o.no, e) = w.hash)
    order by w.no, o.no
  ), changed as (
    select case when m.no is null then 'edited' else 'reordered' end, w.no, w.event,
           case when m.no is null then format('event %s is not what was sealed', w.event)
                else format('event %s stands at seal %s and was sealed as %s', w.event, w.no, m.belongs) end
    from walked w
    left join moved m on m.no = w.no
    where w.wrong
  ), unsaid as (
    -- A cut is an act itself, recorded in the chain that goes on behind it.
    select 'checkpoint'::text, _cut.no, null::bigint,
           format('the chain was cut at seal %s, and no event tells of it', _cut.no)
    where _cut.no is not null
      and not exists (
        select
        from mlguard._event e
        where e.act = 'prune' and e.target = 'audit'
          and e.after = jsonb_build_object('checkpoint', _cut.no, 'hash', encode(_cut.hash, 'hex')))
  )
  select f.* from (
    select * from gap union all select * from broken union all select * from deleted union all select * from changed
    union all select * from unsaid
  ) f (fault, seal, event, words)
  order by f.seal nulls last, f.event;

  if p_no > 0 and p_no = _cut.no then
    return query
    select 'rewritten'::text, p_no, null::bigint,
           format('the chain was cut at seal %s, which is not the one that was exported', p_no)
    where p_hash is not null and encode(_cut.hash, 'hex') <> lower(btrim(p_hash));
  elsif p_no > 0 and p_no < _cut.no then
    return query
    select 'pruned'::text, p_no, null::bigint,
           format('seal %s was pruned with all up to %s: compare a head exported later', p_no, _cut.no);
  elsif p_no is not null and not exists (select from mlguard._event_seal s where s.no = p_no) and p_no > 0 then
    return query select 'cut'::text, p_no, null::bigint,
      format('the chain ends at %s, and seal %s was exported', coalesce(_last, 0), p_no);
  elsif p_no > 0 and p_hash is not null then
    return query
    select 'rewritten'::text, s.no, s.event,
           format('seal %s is not the one that was exported: the chain was made anew', s.no)
    from mlguard._event_seal s
    where s.no = p_no and encode(s.hash, 'hex') <> lower(btrim(p_hash));
  end if;

  return query
  select 'unsealed'::text, null::bigint, e.id,
         format('event %s of %s was never sealed', e.id, mlguard._minute(e.at))
  from mlguard._event e
  where e.at < statement_timestamp() - interval '1 hour'
    and not exists (select from mlguard._event_seal s where s.event = e.id)
  order by e.id
  limit 100;
end
$mlguard$;

comment on function mlguard.verify_audit(bigint, text) is
  'What is wrong with the chain of events, one row a fault, none where it is whole from its last checkpoint on: edited, '
  'deleted, reordered, gap, broken, checkpoint, unsealed for over an hour; against an exported head (number and hash) also '
  'cut, rewritten and pruned.';


create or replace function mlguard._sweep_audit()
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  -- So many records of a kind at a time: a sweep stays short, however much there is to prune.
  _some constant integer := 2000;
begin
  if exists (select from mlguard._retention) then
    return query select p.what, p.n from mlguard._prune_judgements(statement_timestamp(), _some) p;
    return query select p.what, p.n from mlguard._prune_records(statement_timestamp(), _some) p;
    return query select p.what, p.n from mlguard._prune_events(statement_timestamp(), _some) p;
  end if;
  return query select 'events sealed'::text, mlguard._seal_events();
end
$mlguard$;

comment on function mlguard._sweep_audit() is
  'Private. The part of sweep() that prunes records past their retention, and then seals events.';


create or replace function mlguard._grant_review(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('grant select on mlguard.review, mlguard.post_set, mlguard.retention, mlguard.own_size to %I', p_role);
  execute format(
    'grant execute on function mlguard.review_accept(bigint, text), mlguard.review_reject(bigint, text), '
    'mlguard.review_override(bigint, jsonb, text), mlguard.set_retention(text, interval, bigint) to %I', p_role);
end
$mlguard$;

comment on function mlguard._grant_review(text) is
  'Private. Rights of the platform role: to decide about routed rows, and how long records are kept.';


revoke all on function
  mlguard.set_retention(text, interval, bigint), mlguard._oldest_kept(text, timestamptz, bigint),
  mlguard._prune_judgements(timestamptz, integer), mlguard._prune_records(timestamptz, integer),
  mlguard._prune_events(timestamptz, integer), mlguard._refuse_unsealed_deletion()
  from public;

revoke all on mlguard._retention, mlguard._event_checkpoint, mlguard.retention, mlguard.own_size from public;

select mlguard.grant_roles();
