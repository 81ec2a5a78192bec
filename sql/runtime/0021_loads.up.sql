-- Loads: batches that span transactions, told apart by a column of the table or by begin_batch(). Writers append the
-- states of what they wrote under the load's name; at COMMIT those of one load go one by one and judge all of it so far.

alter table mlguard._table add column batch_column text;

comment on column mlguard._table.batch_column is
  'The column whose values tell loads apart; null: a batch is a transaction, unless begin_batch() names it.';

alter table mlguard._batch
  alter column xid drop not null,
  add column name text,
  add column part_of bigint,
  add column begun boolean not null default false,
  add column ended_at timestamptz,
  add column retired boolean not null default false;

create unique index _batch_name on mlguard._batch (tbl, name) where name is not null and not retired;
create index _batch_part_of on mlguard._batch (part_of) where part_of is not null;

comment on column mlguard._batch.xid is 'The transaction; null for a load.';
comment on column mlguard._batch.name is 'Of a load: the value of the column, or what begin_batch() was told.';
comment on column mlguard._batch.part_of is 'Of a transaction: the load it was part of, where it was part of one only.';
comment on column mlguard._batch.begun is 'Somebody began it and is to end it: how many rows there are is judged then.';
comment on column mlguard._batch.ended_at is 'Nothing more was expected from then on; null where nobody said so.';
comment on column mlguard._batch.retired is 'Its states are forgotten: rows that come under its name begin a new load.';

alter table mlguard._state
  add column load text,
  add column load_kept boolean not null default false;
alter table mlguard._state alter column load set default nullif(current_setting('mlguard.load', true), '');

create index _state_load on mlguard._state (tbl, load) where load is not null and not load_kept;
create index _state_emptied on mlguard._state (tbl, id) where op = 'TRUNCATE';

comment on column mlguard._state.load is 'The load the rows belong to; null: none, their batch is their transaction.';
comment on column mlguard._state.load_kept is 'Counted in mlguard._load_state already.';


create table mlguard._load_state (
  id bigint primary key generated always as identity,
  tbl text not null,
  load text not null,
  bucket timestamptz,
  segment jsonb not null,
  sign smallint not null,
  n bigint not null,
  states jsonb not null,
  upto bigint not null,
  merged boolean not null default false
);

create index _load_state_load on mlguard._load_state (tbl, load);
create index _load_state_loose on mlguard._load_state (tbl, load) where not merged;

comment on table mlguard._load_state is
  'Private. States of loads, merged: a load may grow long after its rows were folded, and by many small transactions.';
comment on column mlguard._load_state.id is 'Number.';
comment on column mlguard._load_state.tbl is 'The table.';
comment on column mlguard._load_state.load is 'The load; empty: the table was emptied, all with lower numbers is void.';
comment on column mlguard._load_state.bucket is
  'Start of the bucket of time; null where there is none, and where loads are told apart by a column.';
comment on column mlguard._load_state.segment is 'Values of the segment columns; {}: all rows.';
comment on column mlguard._load_state.sign is '1 for rows that landed, -1 for rows that were taken away.';
comment on column mlguard._load_state.n is 'Rows.';
comment on column mlguard._load_state.states is 'The states, by name.';
comment on column mlguard._load_state.upto is 'Number of the last line of mlguard._state in it.';
comment on column mlguard._load_state.merged is 'Merged with what was there before.';


create table mlguard._load_due (
  id bigint primary key generated always as identity,
  tbl text not null,
  load text not null
);

comment on table mlguard._load_due is 'Private. Loads that COMMIT left to sweep() to judge.';
comment on column mlguard._load_due.id is 'Number.';
comment on column mlguard._load_due.tbl is 'The table.';
comment on column mlguard._load_due.load is 'The load.';


create function mlguard._keep_load()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  insert into mlguard._load_state (tbl, load, bucket, segment, sign, n, states, upto)
  values (old.tbl, case when old.op = 'TRUNCATE' then '' else old.load end, old.bucket, old.segment, old.sign, old.n,
          old.states, old.id);
  return null;
end
$mlguard$;

comment on function mlguard._keep_load() is 'Private. Keeps the states of a load when they were folded into buckets.';

create trigger keep_load
  after delete on mlguard._state
  for each row
  when ((old.load is not null and not old.load_kept) or old.op = 'TRUNCATE')
  execute function mlguard._keep_load();

alter table mlguard._state enable always trigger keep_load;


-- What a loader says.

create function mlguard.begin_batch(p_id text, p_session boolean default false)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_id is null or p_id !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a batch needs an id',
      hint = 'Use what names the load wherever it is tried again: the id of the run, or the day it is for.';
  elsif length(p_id) > 200 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: the id of a batch has %s characters, allowed 200', length(p_id)),
      hint = 'Use a shorter one, or a hash.';
  end if;
  -- The first statement of its transaction, and so perhaps the only one.
  if not p_session and statement_timestamp() = transaction_timestamp() then
    raise notice using
      message = format('mlguard: batch %s is what the rest of this transaction writes', p_id),
      hint = 'Outside BEGIN … COMMIT that is nothing: begin a transaction first, or call begin_batch(id, true) on a '
             'connection of your own.';
  end if;
  perform set_config('mlguard.load', p_id, not p_session);
  return p_id;
end
$mlguard$;

comment on function mlguard.begin_batch(text, boolean) is
  'What this transaction (p_session: this session) writes from here on belongs to the batch of this id, which may span '
  'transactions and sessions; the same id is the same batch. Call it at the start of each transaction.';


create function mlguard.begin_batch(p_id bigint, p_session boolean default false)
returns text
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard.begin_batch(p_id::text, p_session)
$mlguard$;

comment on function mlguard.begin_batch(bigint, boolean) is 'As begin_batch(text, boolean), for ids that are numbers.';


-- States of a load.

create function mlguard._emptied_at(p_tbl text)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  select greatest(
    (select max(s.id) from mlguard._state s where s.tbl = p_tbl and s.op = 'TRUNCATE'),
    (select max(l.upto) from mlguard._load_state l where l.tbl = p_tbl and l.load = ''),
    0)
$mlguard$;

comment on function mlguard._emptied_at(text) is
  'Private. The line of mlguard._state that says a table was emptied; 0: it never was. What came before is void.';


create function mlguard._load_states(p_tbl text, p_load text)
returns table (segment jsonb, states jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _from bigint := mlguard._emptied_at(p_tbl);
begin
  -- One statement: what sweep() moves from one table to the other is counted once.
  return query
    select c.segment,
           mlguard._unmerge(
             mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0))
    from (
      select l.segment, l.sign, l.states
      from mlguard._load_state l
      where l.tbl = p_tbl and l.load = p_load and l.upto > _from
      union all
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.tbl = p_tbl and s.load = p_load and not s.load_kept and s.id > _from
    ) c
    group by c.segment;
end
$mlguard$;

comment on function mlguard._load_states(text, text) is
  'Private. What a load wrote so far, by segment, without what of it was taken away.';


create function mlguard._load_rows(p_tbl text, p_load text, p_bucket timestamptz, p_batch bigint, p_before bigint)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select coalesce(sum(c.n), 0)::bigint
  from (
    select l.sign * l.n as n
    from mlguard._load_state l
    where l.tbl = p_tbl and l.load = p_load and l.segment = '{}'
      and (l.bucket = p_bucket or l.bucket is null or p_bucket is null)
    union all
    select s.sign * s.n
    from mlguard._state s
    where s.tbl = p_tbl and s.load = p_load and not s.load_kept and s.segment = '{}'
      and (s.bucket = p_bucket or s.bucket is null or p_bucket is null)
      and (s.batch is distinct from p_batch or (s.sign > 0 and s.id < p_before))
  ) c
$mlguard$;

comment on function mlguard._load_rows(text, text, timestamptz, bigint, bigint) is
  'Private. How many rows of a bucket a load has: of a transaction only what it wrote before a line.';


create function mlguard._sort_removals(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
begin
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return;
  end if;
  -- Transition tables do not tell who wrote an old row. A load that is tried again takes away what it wrote before: as
  -- many rows, of the same buckets, as it has. More than that were of others.
  with gone as materialized (
    select s.load, s.bucket, sum(s.n) as n, max(s.id) as last
    from mlguard._state s
    where s.batch = p_batch and s.sign < 0 and s.segment = '{}' and s.load is not null and not s.load_kept
    group by s.load, s.bucket
  ), foreign_rows as materialized (
    select g.load, g.bucket
    from gone g
    where g.n > mlguard._load_rows(p_tbl, g.load, g.bucket, p_batch, g.last)
  )
  update mlguard._state s
  set load = null
  from foreign_rows f
  where s.batch = p_batch and s.sign < 0 and s.load = f.load and not s.load_kept and s.bucket is not distinct from f.bucket;

  -- They may be of a load that is held: then what was changed is counted with that, and may mend it.
  with held as materialized (
    select distinct b.id, b.name
    from mlguard._hold h
    join mlguard._batch b on b.id = h.batch
    where h.tbl = p_tbl and h.ended_at is null and b.name is not null
  ), line as materialized (
    select s.id,
           (select h.name
            from held h
            where mlguard._load_rows(p_tbl, h.name, s.bucket, p_batch, 0) > 0
            order by h.id desc
            limit 1) as load
    from mlguard._state s
    where s.batch = p_batch and s.load is null and s.corrects is null and (s.sign < 0 or s.op = 'UPDATE')
      and s.op <> 'TRUNCATE' and exists (select from held)
  )
  update mlguard._state s set load = l.load from line l where s.tbl = p_tbl and s.id = l.id and l.load is not null;
end
$mlguard$;

comment on function mlguard._sort_removals(bigint, text) is
  'Private. Decides to which load the rows belong that a transaction changed or took away, as far as can be told.';


create function mlguard._merge_load(p_tbl text, p_load text, p_least integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _by_column boolean := (select t.batch_column is not null from mlguard._table t where t.tbl = p_tbl);
  _from bigint := mlguard._emptied_at(p_tbl);
  _merged bigint;
  _loose bigint;
begin
  select count(*) filter (where l.merged), count(*) filter (where not l.merged)
  into _merged, _loose
  from mlguard._load_state l
  where l.tbl = p_tbl and l.load = p_load;
  _loose := _loose + (
    select count(*) from mlguard._state s where s.tbl = p_tbl and s.load = p_load and not s.load_kept);
  -- Seldom enough that all the merging together costs no more than reading each line once.
  if _loose <= p_least + least(p_least, 1) * _merged then
    return;
  end if;
  -- What sweep() is about to move is left to it.
  with line as materialized (
    select s.id, s.bucket, s.segment, s.sign, s.n, s.states
    from mlguard._state s
    where s.tbl = p_tbl and s.load = p_load and not s.load_kept
    for update skip locked
  ), part as materialized (
    select l.id, l.bucket, l.segment, l.sign, l.n, l.states, l.upto
    from mlguard._load_state l
    where l.tbl = p_tbl and l.load = p_load
    for update skip locked
  ), kept as (
    update mlguard._state s set load_kept = true from line l where s.tbl = p_tbl and s.id = l.id
  ), dropped as (
    delete from mlguard._load_state l using part p where l.id = p.id
  )
  insert into mlguard._load_state (tbl, load, bucket, segment, sign, n, states, upto, merged)
  select p_tbl, p_load, c.bucket, c.segment, 1, sum(c.sign * c.n),
         mlguard._unmerge(
           mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0)),
         max(c.upto), true
  from (
    select case when not _by_column then l.bucket end as bucket, l.segment, l.sign, l.n, l.states, l.id as upto
    from line l
    union all
    select case when not _by_column then p.bucket end, p.segment, p.sign, p.n, p.states, p.upto
    from part p
  ) c
  where c.upto > _from
  group by c.bucket, c.segment;
end
$mlguard$;

comment on function mlguard._merge_load(text, text, integer) is
  'Private. Merges the states of a load, if there are more than p_least that are not merged yet.';


-- Judging.

create function mlguard._loads_of(p_batch bigint)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select array(
    select s.load
    from mlguard._state s
    where s.batch = p_batch and s.load is not null
    group by s.load
    order by max(s.id) desc)
$mlguard$;

comment on function mlguard._loads_of(bigint) is
  'Private. The loads that a transaction wrote to or took away from, the last first; COMMIT judges 100 of them.';


create function mlguard._lock_loads(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _load text;
begin
  if exists (select from mlguard._table t where t.tbl = p_tbl and t.batch_column is null) then
    perform mlguard._sort_removals(p_batch, p_tbl);
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  -- Until this transaction ends the next of the same load waits here: else neither would see what the other wrote. In one
  -- order, before any hold is locked, and one lock for a name whatever the table, so that none waits for one that waits.
  for _load in select l.load from unnest((mlguard._loads_of(p_batch))[:100]) l (load) order by l.load collate "C" loop
    perform pg_advisory_xact_lock(hashtextextended('mlguard load ' || _load, 0));
  end loop;
end
$mlguard$;

comment on function mlguard._lock_loads(bigint, text) is
  'Private. At COMMIT, first of all: which loads the transaction is of, and its turn to judge them.';


create function mlguard._waits(p_slo mlguard._slo)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select exists (select from unnest(p_slo.metrics) m (metric) where m.metric ~ '\m(row_count|count|sum|distinct_count)\(')
$mlguard$;

comment on function mlguard._waits(mlguard._slo) is
  'Private. Whether an SLO asks how much there is, which of a load that was begun is not known before it has ended.';


create function mlguard._find_in_load(
  p_load mlguard._batch, p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_column text)
returns mlguard._verdict[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _part record;
  _v mlguard._verdict;
  _verdicts mlguard._verdict[] := '{}';
begin
  for _part in
    select p.segment, p.states
    from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, p_slo.max_segments) p
    where p_slo.by_columns <> '{}'
    union all
    select s.segment, s.states
    from unnest(p_segments, p_states) s (segment, states)
    where p_slo.by_columns = '{}' and s.segment = '{}'
  loop
    if p_slo.since > p_load.opened_at then
      -- Of its first rows the states may lack what this SLO asks for.
      _v := mlguard._verdict_of(p_slo, mlguard._scope(p_load.tbl, 'batch', p_load.id, null, null, _part.segment));
      _v.n := (_part.states ->> 'n')::bigint;
      _v.outcome := 'INSUFFICIENT';
      _v.reason := 'the batch began before the SLO was in force';
    elsif (_part.states ->> 'n')::numeric <= 0 then
      continue;
    else
      _v := mlguard._find(
        p_slo, _part.states, mlguard._scope(p_load.tbl, 'batch', p_load.id, null, null, _part.segment));
      _v.observed := _v.observed || format(' for %s %s', coalesce(p_column, 'batch'), p_load.name);
    end if;
    _verdicts := _verdicts || _v;
  end loop;
  return _verdicts;
end
$mlguard$;

comment on function mlguard._find_in_load(mlguard._batch, mlguard._slo, jsonb[], jsonb[], text) is
  'Private. Judges one SLO over a load, a verdict for each segment. Stores nothing.';


create function mlguard._open_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean)
returns mlguard._batch
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _load mlguard._batch;
begin
  -- Only one at a time comes here with this name.
  insert into mlguard._batch (tbl, xid, name, opened_at)
  select p_tbl, null, p_load, coalesce((select p.opened_at from mlguard._batch p where p.id = p_part), now())
  where not exists (
    select from mlguard._batch b where b.tbl = p_tbl and b.name = p_load and b.name is not null and not b.retired);
  update mlguard._batch b
  set begun = b.begun or p_begun, closed_at = clock_timestamp(),
      ended_at = case when p_ends then clock_timestamp() when not p_begun then b.ended_at end
  where b.tbl = p_tbl and b.name = p_load and b.name is not null and not b.retired
  returning b.* into _load;
  update mlguard._batch b set part_of = _load.id where b.id = p_part and b.part_of is distinct from _load.id;
  return _load;
end
$mlguard$;

comment on function mlguard._open_load(text, text, bigint, boolean, boolean) is
  'Private. The row of a load, made when it is new; notes that rows came and whether more are expected.';


create function mlguard._judge_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _load mlguard._batch;
  _column text := (select t.batch_column from mlguard._table t where t.tbl = p_tbl);
  _segments jsonb[];
  _states jsonb[];
  _n bigint;
  _failure text;
  _slo mlguard._slo;
  _verdicts mlguard._verdict[] := '{}';
  _id bigint;
begin
  -- COMMIT has it by now; end_batch() takes it here.
  perform pg_advisory_xact_lock(hashtextextended('mlguard load ' || p_load, 0));
  _load := mlguard._open_load(p_tbl, p_load, p_part, p_begun, p_ends);
  begin
    select array_agg(s.segment), array_agg(s.states),
           max((s.states ->> 'n')::numeric) filter (where s.segment = '{}')
    into _segments, _states, _n
    from mlguard._load_states(p_tbl, p_load) s;
  exception
    when others then
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      _failure := sqlstate;
  end;
  update mlguard._batch b set landed = greatest(_n, 0) where b.id = _load.id and _failure is null;
  if _failure is null then
    perform mlguard._merge_load(p_tbl, p_load, 32);
  end if;

  for _slo in
    select s.*
    from mlguard._slo s
    where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null and s.action <> 'reject'
      and (not _load.begun or _load.ended_at is not null or not mlguard._waits(s))
    order by s.no
  loop
    if _failure is not null then
      _verdicts := _verdicts || mlguard._could_not(
        _slo, mlguard._scope(p_tbl, 'batch', _load.id, null, null, '{}'), _failure);
    else
      _verdicts := _verdicts || mlguard._find_in_load(_load, _slo, _segments, _states, _column);
    end if;
  end loop;
  if cardinality(_verdicts) > 0 then
    for _id in select k.id from mlguard._keep(_verdicts, true) k loop
      perform mlguard._conclude(_id);
    end loop;
  end if;
  if _failure is not null then
    return _load.id;
  end if;

  -- The gate tells what is so now, not what was found first.
  update mlguard._hold h
  set observed = v.observed, verdict = v.id
  from mlguard._verdict v
  where h.tbl = p_tbl and h.ended_at is null and h.batch = _load.id and h.verdict <> v.id
    and v.tbl = p_tbl and v.batch = _load.id and v.current and v.outcome = 'FAIL' and v.slo = h.slo
    and v.segment = h.segment;
  perform mlguard._emptied(h.id, 'no rows are left of it')
  from mlguard._hold h
  where h.tbl = p_tbl and h.ended_at is null and h.batch = _load.id and h.verdict is not null
    and not h.segment ? '*'
    and not exists (
      select
      from unnest(_segments, _states) s (segment, states)
      where s.segment = h.segment and (s.states ->> 'n')::numeric > 0);
  return _load.id;
end
$mlguard$;

comment on function mlguard._judge_load(text, text, bigint, boolean, boolean) is
  'Private. Judges all of a load so far, and acts on it; returns its number. p_part: the transaction that wrote to it; '
  'p_begun: somebody is to end it; p_ends: nothing more is expected.';


create function mlguard._judge_loads()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _most constant integer := 100;
  _tbl text;
  _column text;
  _loads text[];
  _load text;
  _ended jsonb := coalesce(nullif(current_setting('mlguard.loads_ended', true), '')::jsonb, '[]');
begin
  select t.tbl, t.batch_column
  into _tbl, _column
  from mlguard._batch b
  join mlguard._table t on t.tbl = b.tbl and t.judges_batches
  where b.id = new.batch;
  if _tbl is null then
    return null;
  end if;
  _loads := mlguard._loads_of(new.batch);
  if cardinality(_loads) = 0 then
    return null;
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    -- It does not see what others of the same load wrote since it began.
    insert into mlguard._load_due (tbl, load) select _tbl, l.load from unnest(_loads) l (load);
    return null;
  end if;
  insert into mlguard._load_due (tbl, load) select _tbl, l.load from unnest(_loads[_most + 1:]) l (load);
  for _load in select l.load from unnest(_loads[:_most]) l (load) order by l.load collate "C" loop
    perform mlguard._judge_load(
      _tbl, _load, case when cardinality(_loads) = 1 then new.batch end,
      (_column is null or _load is not distinct from current_setting('mlguard.load', true)) and not _ended ? _load, false);
  end loop;
  return null;
end
$mlguard$;

comment on function mlguard._judge_loads() is
  'Private. Judges at COMMIT the loads that a transaction wrote to or took away from, after the transaction itself.';

-- By its name it comes after judge_batch.
create constraint trigger judge_loads
  after insert on mlguard._delta
  deferrable initially deferred
  for each row
  when (new.first)
  execute function mlguard._judge_loads();

alter table mlguard._delta enable always trigger judge_loads;


create function mlguard._asker()
returns name
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when current_setting('role') = 'none' then session_user else current_setting('role') end::name
$mlguard$;

comment on function mlguard._asker() is 'Private. Who called, for functions that run as their owner.';


create function mlguard.end_batch(p_id text default null)
returns table (tbl text, slo text, outcome text, observed text, allowed text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _now text := nullif(current_setting('mlguard.load', true), '');
  _load text := coalesce(p_id, _now);
  _table record;
  _id bigint;
  _known boolean := false;
begin
  if _load is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'mlguard: no batch was begun in this transaction',
      hint = 'Name the one to end: select * from mlguard.end_batch(<id>)';
  end if;
  if _now is not distinct from _load then
    perform set_config('mlguard.load', '', false);
  end if;
  perform set_config(
    'mlguard.loads_ended',
    (coalesce(nullif(current_setting('mlguard.loads_ended', true), '')::jsonb, '[]') || to_jsonb(_load))::text, true);

  for _table in
    select t.tbl, t.batch_column, t.pii
    from mlguard._table t
    where t.judges_batches
      and (exists (
             select from mlguard._batch b
             where b.tbl = t.tbl and b.name = _load and b.name is not null and not b.retired)
           or exists (
             select from mlguard._state s where s.tbl = t.tbl and s.load = _load and not s.load_kept))
      and has_table_privilege(mlguard._asker(), to_regclass(format('%I.%I', t.schema_name, t.table_name)), 'insert')
    order by t.tbl
  loop
    _known := true;
    if _table.batch_column is null then
      perform mlguard._sort_removals(b.id, b.tbl)
      from mlguard._batch b
      where b.xid = pg_current_xact_id_if_assigned() and b.tbl = _table.tbl and b.opened_at = now();
    end if;
    _id := mlguard._judge_load(_table.tbl, _load, null, true, true);
    return query
      select v.tbl, v.slo, v.outcome,
             case when not mlguard._shows_values(v.metrics, _table.pii) then coalesce(v.observed, v.reason) end, v.allowed
      from mlguard._verdict v
      where v.tbl = _table.tbl and v.batch = _id and v.current
      order by v.id;
  end loop;
  if not _known then
    raise notice using
      message = format('mlguard: nothing was written in batch %s to a table that judges batches', _load),
      hint = 'Only tables with SLOs over: batch know of batches, and only who may write to them ends them.';
  end if;
end
$mlguard$;

comment on function mlguard.end_batch(text) is
  'Ends a batch: judges it as complete in every table it was written to, and gives what was found. Without an id, the '
  'batch that begin_batch() named in this transaction. Rows that come later under the id are judged with it.';

create function mlguard.end_batch(p_id bigint)
returns table (tbl text, slo text, outcome text, observed text, allowed text)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select e.tbl, e.slo, e.outcome, e.observed, e.allowed from mlguard.end_batch(p_id::text) e
$mlguard$;

comment on function mlguard.end_batch(bigint) is 'As end_batch(text), for ids that are numbers.';
create or replace function mlguard._judge_metrics(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  -- A load is judged as a whole afterwards; but what is refused is what this transaction wrote.
  _alone boolean;
  _again boolean;
  _judged text := coalesce(current_setting('mlguard.judged', true), '');
  _segments jsonb[];
  _states jsonb[];
  _failure text;
  _slo mlguard._slo;
  _part record;
  _c jsonb;
  _v mlguard._verdict;
  _verdicts mlguard._verdict[] := '{}';
  _refused mlguard._verdict[] := '{}';
  _id bigint;
begin
  perform mlguard._lock_loads(p_batch, p_tbl);
  _alone := exists (select from mlguard._state s where s.batch = p_batch and s.sign > 0 and s.load is null);
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign > 0) then
    return;
  end if;
  begin
    select array_agg(b.segment), array_agg(b.states) into _segments, _states from mlguard._batch_states(p_batch) b;
  exception
    when others then
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      _failure := sqlstate;
  end;
  -- Everything it wrote, it took away again.
  if _failure is null and not exists (
       select from unnest(_states) s (states) where (s.states ->> 'n')::numeric > 0)
     and exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return;
  end if;

  for _slo in
    select s.*
    from mlguard._slo s
    where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null and (_alone or s.action = 'reject')
    order by s.no
  loop
    if _failure is not null then
      _verdicts := _verdicts || mlguard._could_not(_slo, mlguard._scope(p_tbl, 'batch', p_batch, null, null, '{}'), _failure);
      continue;
    end if;
    for _part in
      select p.segment, p.states
      from mlguard._pooled(_segments, _states, _slo.by_columns, null, _slo.max_segments) p
      where _slo.by_columns <> '{}'
      union all
      select s.segment, s.states
      from unnest(_segments, _states) s (segment, states)
      where _slo.by_columns = '{}' and s.segment = '{}'
    loop
      _c := mlguard._scope(p_tbl, 'batch', p_batch, null, null, _part.segment);
      _v := mlguard._find(_slo, _part.states, _c);
      _verdicts := _verdicts || _v;
      if _v.outcome = 'FAIL' and _slo.action = 'reject' then
        _refused := _refused || _v;
      end if;
    end loop;
  end loop;
  if cardinality(_refused) > 0 then
    perform mlguard._refuse_batch(_refused);
  end if;
  if cardinality(_verdicts) = 0 then
    return;
  end if;

  -- Looking for earlier verdicts of the batch would, under SERIALIZABLE, conflict with writers on the same page of the
  -- index: there only a transaction that remembers having judged looks.
  if current_setting('transaction_isolation') = 'serializable' then
    _again := strpos(_judged, format('|%s|', p_batch)) > 0;
    perform set_config('mlguard.judged', format('|%s|', p_batch) || _judged, true);
  else
    _again := exists (select from mlguard._verdict v where v.tbl = p_tbl and v.batch = p_batch and v.current);
  end if;
  for _id in
    select k.id
    from mlguard._keep(_verdicts, _again) k
    -- What is good for the first time has nothing to end.
    where _again or k.outcome in ('FAIL', 'NOTED', 'ERROR')
  loop
    perform mlguard._conclude(_id);
  end loop;
end
$mlguard$;



create or replace function mlguard._correct_held(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _why text := format('corrected by batch %s', p_batch);
  _held bigint[];
  _corrected bigint;
  _hold record;
  _slo mlguard._slo;
  _segments jsonb[];
  _states jsonb[];
  _net jsonb;
begin
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0)
     or not exists (select from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null and h.batch <> p_batch) then
    return;
  end if;
  -- Two corrections of one batch come one after the other, or neither would see what the other did.
  _held := array(
    select l.batch
    from (
      select h.batch
      from mlguard._hold h
      where h.tbl = p_tbl and h.ended_at is null and h.batch <> p_batch
      order by h.id
      for update
    ) l
    group by l.batch
    order by l.batch desc);

  if exists (select from mlguard._state s where s.batch = p_batch and s.op = 'TRUNCATE') then
    perform mlguard._emptied(h.id, _why)
    from mlguard._hold h
    where h.tbl = p_tbl and h.ended_at is null and h.batch = any (_held);
    return;
  end if;

  -- What was taken away belongs, unless its load is known, to the newest held batch that wrote into the same bucket; what
  -- replaces it goes along.
  update mlguard._state s
  set corrects = (
    select b.batch
    from unnest(_held) b (batch)
    where exists (
      select
      from mlguard._state w
      where w.batch = b.batch and w.sign > 0 and (w.bucket = s.bucket or w.bucket is null or s.bucket is null))
    order by b.batch desc
    limit 1)
  where s.batch = p_batch and s.corrects is null and s.load is null and (s.sign < 0 or s.op = 'UPDATE');

  for _corrected in
    select distinct s.corrects from mlguard._state s where s.batch = p_batch and s.corrects is not null
  loop
    select array_agg(b.segment), array_agg(b.states)
    into _segments, _states
    from mlguard._batch_states(_corrected) b;
    for _hold in
      select h.id, h.slo, h.segment
      from mlguard._hold h
      where h.tbl = p_tbl and h.ended_at is null and h.batch = _corrected
      order by h.id
    loop
      select s.* into _slo from mlguard._slo s where s.id = _hold.slo;
      if _hold.segment ? '*' then
        -- The rest is what is not judged alone: of this batch that has a verdict of its own.
        _net := (
          select mlguard.merge_v1(p.states)
          from mlguard._pooled(
            _segments, _states, _slo.by_columns,
            array(select v.segment
                  from mlguard._verdict v
                  where v.tbl = p_tbl and v.batch = _corrected and v.current and v.slo = _slo.id and not v.segment ? '*'),
            0) p
          where p.segment ? '*');
      else
        _net := (select s.states from unnest(_segments, _states) s (segment, states) where s.segment = _hold.segment);
      end if;
      if coalesce((_net ->> 'n')::numeric, 0) <= 0 then
        perform mlguard._emptied(_hold.id, _why);
      elsif _slo.verdict is not null then
        perform mlguard._judge(
          _slo, _net, mlguard._scope(p_tbl, 'batch', _corrected, null, null, _hold.segment), _why);
      end if;
    end loop;
  end loop;
end
$mlguard$;


create function mlguard._sweep_loads(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _patience constant interval := interval '1 hour';
  _memory constant interval := interval '90 days';
  _due record;
  _n bigint := 0;
  _tbl text;
begin
  -- A loader that is at its COMMIT is not waited for: what it leaves is due the next time.
  for _due in
    select l.tbl, l.load, false as ends, array_agg(l.id) as lines
    from mlguard._load_due l
    join mlguard._table t on t.tbl = l.tbl and t.judges_batches
    group by l.tbl, l.load
    union all
    -- Nobody ended it: what is there is all there is, until more comes.
    select b.tbl, b.name, true, '{}'
    from mlguard._batch b
    join mlguard._table t on t.tbl = b.tbl and t.judges_batches
    where b.name is not null and not b.retired and b.begun and b.ended_at is null and b.closed_at < p_as_of - _patience
    order by 1, 2, 3
  loop
    continue when not pg_try_advisory_xact_lock(hashtextextended('mlguard load ' || _due.load, 0));
    perform mlguard._judge_load(_due.tbl, _due.load, null, false, _due.ends);
    delete from mlguard._load_due l where l.id = any (_due.lines);
    _n := _n + 1;
  end loop;
  delete from mlguard._load_due l
  where not exists (select from mlguard._table t where t.tbl = l.tbl and t.judges_batches);
  return query values ('loads judged', _n);

  -- While a table is not guarded its rows change unseen.
  update mlguard._batch b
  set retired = true
  where b.name is not null and not b.retired
    and not exists (select from mlguard._table t where t.tbl = b.tbl);
  with old as (
    update mlguard._batch b
    set retired = true
    where b.name is not null and not b.retired and b.closed_at < p_as_of - _memory
      and not exists (
        select from mlguard._hold h where h.tbl = b.tbl and h.ended_at is null and h.batch = b.id)
      and not exists (select from mlguard._state s where s.tbl = b.tbl and s.load = b.name and not s.load_kept)
    returning b.tbl, b.name
  )
  delete from mlguard._load_state l using old where l.tbl = old.tbl and l.load = old.name;

  -- From one table's name to the next, as there may be many lines of few tables.
  _tbl := (select min(l.tbl) from mlguard._load_state l);
  while _tbl is not null loop
    if not exists (select from mlguard._table t where t.tbl = _tbl) then
      delete from mlguard._load_state l where l.tbl = _tbl;
    end if;
    delete from mlguard._load_state l
    using (select max(e.upto) as upto from mlguard._load_state e where e.tbl = _tbl and e.load = '') emptied
    where l.tbl = _tbl and l.upto < emptied.upto;
    perform mlguard._merge_load(_tbl, k.load, 0)
    from (select distinct l.load from mlguard._load_state l where l.tbl = _tbl and not l.merged and l.load <> '') k;
    _tbl := (select min(l.tbl) from mlguard._load_state l where l.tbl > _tbl);
  end loop;
end
$mlguard$;

comment on function mlguard._sweep_loads(timestamptz) is
  'Private. The part of sweep() that judges loads which COMMIT left to it or nobody ended, and merges and forgets states '
  'of loads.';


create or replace function mlguard._sweep_holds(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  return query select l.what, l.n from mlguard._sweep_loads(p_as_of) l;

  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'the SLO is no longer in force'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo);
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$mlguard$;

comment on function mlguard._sweep_holds(timestamptz) is
  'Private. The part of sweep() that judges loads, and ends holds whose SLO was taken out of its file: nothing would '
  'judge it good again.';


-- Tables that are replaced rather than written to.

create function mlguard._written(p_target oid)
returns table (tbl text, kept_out bigint, mended bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select t.tbl,
         (select count(*) from mlguard._quarantine q where q.batch = b.id),
         (select count(distinct (c.key, c.row_hash)) from mlguard._change c where c.batch = b.id and not c.pending)
  from pg_class r
  join pg_namespace s on s.oid = r.relnamespace
  join mlguard._table t on t.schema_name = s.nspname and t.table_name = r.relname
  left join mlguard._batch b
    on b.xid = pg_current_xact_id_if_assigned() and b.tbl = t.tbl and b.opened_at = transaction_timestamp()
  where r.oid = p_target
$mlguard$;

comment on function mlguard._written(oid) is
  'Private. Of a guarded table: rows kept out and mended in this transaction; no line where it is not guarded.';


create function mlguard._same_columns(p_staging regclass, p_target regclass)
returns table (columns text, overriding text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _wrong record;
begin
  select case
           when t.attname is null then
             format('mlguard: %s has a column %I, which %s lacks', p_staging, s.attname, p_target)
           when s.attname is null then
             format('mlguard: %s lacks column %I of %s, which has no default', p_staging, t.attname, p_target)
           else format('mlguard: column %I is %s in %s and %s in %s', t.attname,
                       format_type(s.atttypid, s.atttypmod), p_staging, format_type(t.atttypid, t.atttypmod), p_target)
         end as message,
         case
           when t.attname is null then 'Take it out of the staging table, or add it to the other.'
           when s.attname is null then 'Add it to the staging table; NULL is a value like any other.'
           else 'Cast it where the staging table is made.'
         end as hint
  into _wrong
  from (select a.* from pg_attribute a where a.attrelid = p_staging and a.attnum > 0 and not a.attisdropped) s
  full join (select a.* from pg_attribute a where a.attrelid = p_target and a.attnum > 0 and not a.attisdropped) t
    using (attname)
  where t.attname is null
     or (s.attname is null and not t.atthasdef and t.attidentity = '')
     or (s.atttypid <> t.atttypid and t.attgenerated = '')
  order by coalesce(t.attnum, 10000 + s.attnum)
  limit 1;
  if found then
    raise exception using errcode = 'datatype_mismatch', message = _wrong.message, hint = _wrong.hint;
  end if;
  return query
    select string_agg(quote_ident(t.attname), ', ' order by t.attnum),
           case when bool_or(t.attidentity = 'a') then ' overriding system value' else '' end
    from pg_attribute t
    join pg_attribute s on s.attrelid = p_staging and s.attname = t.attname and s.attnum > 0 and not s.attisdropped
    where t.attrelid = p_target and t.attnum > 0 and not t.attisdropped and t.attgenerated = '';
end
$mlguard$;

comment on function mlguard._same_columns(regclass, regclass) is
  'Private. The columns to move from a staging table, in words of SQL; raises where the two tables differ.';


-- As its caller, and on the caller's search_path: triggers of the target's owner run under it as they always do.
create function mlguard.publish(p_staging regclass, p_target regclass, p_replace boolean default false)
returns table (stored bigint, quarantined bigint, repaired bigint)
language plpgsql
volatile
as $mlguard$
declare
  _kind "char" := (select c.relkind from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) p_staging);
  _before record;
  _after record;
  _names record;
  _any boolean;
begin
  select w.* into _before from mlguard._written(p_target) w;
  if _before.tbl is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = pg_catalog.format('mlguard: %s is not guarded, so there is nothing to judge rows by', p_target),
      hint = 'publish(staging, target) takes the guarded table second; its guard is made by mlguard apply.';
  elsif p_staging operator(pg_catalog.=) p_target or _kind operator(pg_catalog.<>) all ('{r,p}'::"char"[]) then
    raise exception using
      errcode = 'wrong_object_type',
      message = pg_catalog.format('mlguard: %s is no staging table for %s', p_staging, p_target),
      hint = 'Name another, ordinary table: it is emptied when its rows have moved.';
  end if;
  select c.* into _names from mlguard._same_columns(p_staging, p_target) c;

  execute pg_catalog.format('lock table %s in access exclusive mode', p_staging);
  if p_replace then
    execute pg_catalog.format('select exists (select from %s)', p_staging) into _any;
    if not _any then
      raise exception using
        errcode = 'no_data_found',
        message = pg_catalog.format('mlguard: %s is empty, and would replace all rows of %s by none', p_staging, p_target),
        hint = pg_catalog.format('If that is meant: delete from %s', p_target);
    end if;
    execute pg_catalog.format('delete from %s', p_target);
  end if;
  execute pg_catalog.format(
    'insert into %s (%s)%s select %s from %s', p_target, _names.columns, _names.overriding, _names.columns, p_staging);
  get diagnostics stored = row_count;
  if p_replace and stored operator(pg_catalog.=) 0 then
    raise exception using
      errcode = 'no_data_found',
      message = pg_catalog.format('mlguard: all rows of %s were kept out, and %s would be left empty', p_staging, p_target),
      hint = 'Correct them; they are still there.';
  end if;

  -- Judged here rather than at COMMIT, so that it is this call that fails.
  set constraints mlguard.judge_batch, mlguard.judge_loads immediate;
  set constraints mlguard.judge_batch, mlguard.judge_loads deferred;

  if pg_catalog.has_table_privilege(p_staging, 'truncate') and not exists (
       select from pg_catalog.pg_constraint f where f.confrelid operator(pg_catalog.=) p_staging) then
    execute pg_catalog.format('truncate %s', p_staging);
  else
    execute pg_catalog.format('delete from %s', p_staging);
  end if;
  select w.* into _after from mlguard._written(p_target) w;
  quarantined := _after.kept_out operator(pg_catalog.-) _before.kept_out;
  repaired := _after.mended operator(pg_catalog.-) _before.mended;
  return next;
end
$mlguard$;

comment on function mlguard.publish(regclass, regclass, boolean) is
  'Moves the rows of a staging table into a guarded one, judged as a load of their own: all or, where they are refused, '
  'none; p_replace: instead of the rows there. Gives rows stored, kept out and mended; the staging table is emptied.';


create or replace view mlguard.batch as
select b.id, b.tbl, b.opened_at, b.closed_at,
       case when b.closed_at is not null then b.landed
            else (select sum(d.landed)::bigint from mlguard._delta d where d.batch = b.id) end as landed,
       case
         when b.name is not null then (select sum(p.withheld)::bigint from mlguard._batch p where p.part_of = b.id)
         when b.closed_at is not null then b.withheld
         else (select count(*) from mlguard._quarantine q where q.batch = b.id)
       end as withheld,
       b.writer, b.name, b.part_of, b.ended_at
from mlguard._batch b;

comment on view mlguard.batch is
  'What one transaction wrote to one table, where a rule needed to know it; and loads of several transactions.';
comment on column mlguard.batch.landed is 'Rows that landed; of a load those that are left of it.';
comment on column mlguard.batch.name is 'Of a load: the value of its column, or what begin_batch() was told.';
comment on column mlguard.batch.part_of is 'Of a transaction: the load it was part of.';
comment on column mlguard.batch.ended_at is 'When end_batch() ended the load.';


revoke all on mlguard._load_state, mlguard._load_due from public;
revoke all on function
  mlguard._keep_load, mlguard._emptied_at, mlguard._load_states, mlguard._load_rows, mlguard._sort_removals,
  mlguard._merge_load, mlguard._loads_of, mlguard._lock_loads, mlguard._waits, mlguard._find_in_load, mlguard._open_load,
  mlguard._judge_load, mlguard._judge_loads, mlguard._asker, mlguard._sweep_loads
  from public;
-- Whoever may use the schema: they do nothing that their caller has no right to.
grant execute on function
  mlguard.begin_batch(text, boolean), mlguard.begin_batch(bigint, boolean), mlguard.end_batch(text),
  mlguard.end_batch(bigint), mlguard.publish, mlguard._written, mlguard._same_columns
  to public;
