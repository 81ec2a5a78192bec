-- What writers of single rows pay: the states of a statement that wrote one ordinary row go into a table without index
-- or number of its own. sweep() gathers them, as if they had been appended to mlguard._state, before it folds.

create table mlguard._single (
  -- Numbered with mlguard._state: what was written before a TRUNCATE has lower numbers.
  id bigint not null default nextval('mlguard._state_id_seq'),
  tbl text not null,
  bucket timestamptz,
  known jsonb not null,
  states jsonb
);

-- Without a key, whoever publishes all tables could not delete from it.
alter table mlguard._single replica identity full;

comment on table mlguard._single is
  'Private. States of statements that wrote one ordinary row each, until sweep() gathers them; no index, which every '
  'writer would pay for.';
comment on column mlguard._single.id is 'Number, among those of mlguard._state.';
comment on column mlguard._single.tbl is 'The table.';
comment on column mlguard._single.bucket is 'Start of the bucket of time the row belongs to; null: the table has none.';
comment on column mlguard._single.known is 'The states that every ordinary row has.';
comment on column mlguard._single.states is 'The states that are the row''s own; null: none.';


create function mlguard._gather(p_tbl text)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set jit = off
as $mlguard$
declare
  _n bigint;
begin
  -- The caller has the lock of the table, so nobody recounts its rows meanwhile. One statement, one snapshot: who sees a
  -- row written after a TRUNCATE sees the TRUNCATE.
  with taken as (
    delete from mlguard._single l where l.tbl = p_tbl returning l.id, l.bucket, l.known, l.states
  ), merged as (
    select max(t.id) as id, t.bucket, count(*) as n, mlguard.merge_v1(t.known || coalesce(t.states, '{}')) as states
    from taken t
    cross join (select mlguard._emptied_at(p_tbl)) e (id)
    group by t.bucket, t.id > e.id
  ), gathered as (
    insert into mlguard._state (id, tbl, bucket, sign, op, n, states)
    overriding system value
    select m.id, p_tbl, m.bucket, 1, 'INSERT', m.n, m.states
    from merged m
  )
  select count(*) from taken into _n;
  return _n;
end
$mlguard$;

comment on function mlguard._gather(text) is
  'Private. Appends to mlguard._state what single rows of a table left in mlguard._single.';


create or replace function mlguard._sweep_fold(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _singles text[] := array(select distinct l.tbl from mlguard._single l);
  _tbl text;
  _n bigint;
  _folded bigint := 0;
  _dropped bigint := 0;
begin
  for _tbl in
    select t.tbl
    from mlguard._table t
    where t.tbl = any (_singles) or exists (select from mlguard._state s where s.tbl = t.tbl)
    order by t.tbl
  loop
    continue when not mlguard._lock_table(_tbl);
    if _tbl = any (_singles) then
      perform mlguard._gather(_tbl);
    end if;
    _folded := _folded + mlguard._fold_states(_tbl);
    delete from mlguard._state s
    where s.tbl = _tbl and s.folded
      and not exists (select from mlguard._kept_batches(_tbl) k (batch) where k.batch in (s.batch, s.corrects));
    get diagnostics _n = row_count;
    _dropped := _dropped + _n;
  end loop;
  return query values ('states folded', _folded), ('states of ended holds dropped', _dropped);
end
$mlguard$;


create or replace function mlguard._recount(p_tbl text, p_recount text, p_from timestamptz, p_to timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _at timestamptz := mlguard._tick(p_tbl);
  _n bigint;
begin
  -- One statement, one snapshot: rows that were counted are exactly those whose states are dropped.
  execute format($statement$
    with counted as materialized (
      select c.bucket, c.segment, c.n, c.states
      from %s($2, $3) c
      where isfinite(c.bucket) and c.bucket >= coalesce($2, '-infinity') and c.bucket < coalesce($3, 'infinity')
    ), held as materialized (
      select k.batch from mlguard._kept_batches($1) k (batch)
    ), told as (
      delete from mlguard._state s
      where s.tbl = $1
        and (($2 is null and $3 is null) or (s.bucket >= $2 and s.bucket < $3))
        and not exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.bucket, s.sign, s.op, s.folded
    ), kept as (
      update mlguard._state s
      set folded = true
      where s.tbl = $1 and not s.folded
        and (($2 is null and $3 is null) or (s.bucket >= $2 and s.bucket < $3))
        and exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.bucket, s.sign, s.op
    ), single as (
      delete from mlguard._single l
      where l.tbl = $1 and (($2 is null and $3 is null) or (l.bucket >= $2 and l.bucket < $3))
      returning l.bucket
    ), news as materialized (
      select u.bucket, bool_or(u.sign > 0) as grew, bool_or(u.op = 'TRUNCATE') as emptied
      from (
        select t.bucket, t.sign, t.op from told t where not t.folded
        union all
        select distinct l.bucket, 1::smallint, 'INSERT' from single l
        union all
        select k.bucket, k.sign, k.op from kept k
      ) u
      group by u.bucket
    ), gone as materialized (
      select b.bucket, b.segment,
             exists (select from news w where w.bucket = b.bucket or w.emptied) as is_news
      from mlguard._bucket b
      where b.tbl = $1 and b.bucket >= coalesce($2, '-infinity') and b.bucket < coalesce($3, 'infinity')
        and not exists (select from counted c where c.bucket = b.bucket and c.segment = b.segment)
    ), forgotten as (
      delete from mlguard._bucket b
      using gone g
      where b.tbl = $1 and b.bucket = g.bucket and b.segment = g.segment and not g.is_news
    ), left_empty as (
      update mlguard._bucket b
      set n = 0, states = '{"n": 0}', shrunk_at = $4
      from gone g
      where b.tbl = $1 and b.bucket = g.bucket and b.segment = g.segment and g.is_news and b.n <> 0
    )
    insert into mlguard._bucket as b (tbl, bucket, segment, n, states, changed_at, shrunk_at)
    select $1, c.bucket, c.segment, c.n, c.states, case when w.grew then $4 else '-infinity' end,
           case when not w.grew then $4 end
    from counted c
    left join news w on w.bucket = c.bucket
    on conflict (tbl, bucket, segment) do update
    set n = excluded.n, states = excluded.states, changed_at = greatest(b.changed_at, excluded.changed_at),
        shrunk_at = greatest(b.shrunk_at, excluded.shrunk_at)
    $statement$, p_recount)
  using p_tbl, p_from, p_to, _at;
  get diagnostics _n = row_count;
  return _n;
end
$mlguard$;


create or replace function mlguard._drop_unguarded()
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
  foreach _relation in array array['_single', '_state', '_bucket', '_sample'] loop
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


revoke all on function mlguard._gather(text) from public;
