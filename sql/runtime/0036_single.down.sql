do $mlguard$
declare
  _tbl text;
begin
  for _tbl in select distinct l.tbl from mlguard._single l loop
    perform mlguard._gather(_tbl);
  end loop;
end
$mlguard$;


create or replace function mlguard._sweep_fold(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _tbl text;
  _n bigint;
  _folded bigint := 0;
  _dropped bigint := 0;
begin
  for _tbl in
    select t.tbl
    from mlguard._table t
    where exists (select from mlguard._state s where s.tbl = t.tbl)
    order by t.tbl
  loop
    continue when not mlguard._lock_table(_tbl);
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
    ), news as materialized (
      select u.bucket, bool_or(u.sign > 0) as grew, bool_or(u.op = 'TRUNCATE') as emptied
      from (
        select t.bucket, t.sign, t.op from told t where not t.folded
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
  foreach _relation in array array['_state', '_bucket', '_sample'] loop
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


drop function mlguard._gather(text);
drop table mlguard._single;
