-- In which order rows came to a table's buckets and its windows were judged. Kept as times, but ahead of every one that was
-- kept before: a clock that is put back hides no late row. And a recount, which counts rows whose states nobody folded
-- yet, says of their buckets that rows came.

create function mlguard._tick(p_tbl text)
returns timestamptz
language sql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  select greatest(
    clock_timestamp(),
    interval '1 microsecond' + (
      select b.changed_at from mlguard._bucket b where b.tbl = p_tbl order by b.changed_at desc limit 1),
    interval '1 microsecond' + (
      select b.shrunk_at from mlguard._bucket b where b.tbl = p_tbl and b.shrunk_at is not null
      order by b.shrunk_at desc limit 1),
    interval '1 microsecond' + (select max(w.checked_to) from mlguard._window w where w.tbl = p_tbl))
$mlguard$;

comment on function mlguard._tick(text) is
  'Private. Now; or, where the clock was put back, just after all that was noted of the buckets of a table. The caller has '
  'its lock.';


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

comment on function mlguard._recount(text, text, timestamptz, timestamptz) is
  'Private. Replaces buckets by a recount of the stored rows. Windows are judged anew only for rows whose states were not '
  'folded yet.';


create or replace function mlguard._fold_states(p_tbl text, p_most integer default null)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _chunk constant integer := 20000;
  _upto bigint;
  _emptied bigint;
  _n bigint;
  _folded bigint := 0;
  _at timestamptz;
begin
  -- The caller has the lock of the table. Rows of batches that are held stay: a correction judges them again.
  for _round in 1..coalesce(p_most, 1000000) loop
    _upto := (
      select max(c.id)
      from (select s.id from mlguard._state s where s.tbl = p_tbl and not s.folded order by s.id limit _chunk) c);
    exit when _upto is null;
    _at := mlguard._tick(p_tbl);
    _emptied := (
      select max(s.id)
      from mlguard._state s
      join mlguard._table t on t.tbl = s.tbl
      -- Without event time windows count what was written in them, whatever became of it.
      where s.tbl = p_tbl and not s.folded and s.op = 'TRUNCATE' and s.id <= _upto and t.event_time is not null);
    if _emptied is not null then
      update mlguard._bucket b
      set n = 0, states = '{"n": 0}', shrunk_at = _at
      where b.tbl = p_tbl and b.n <> 0;
    end if;

    with held as materialized (
      select k.batch from mlguard._kept_batches(p_tbl) k (batch)
    ), taken as (
      delete from mlguard._state s
      where s.tbl = p_tbl and s.id <= _upto and not s.folded
        and not exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.id, s.bucket, s.segment, s.sign, s.n, s.states
    ), marked as (
      update mlguard._state s
      set folded = true
      where s.tbl = p_tbl and s.id <= _upto and not s.folded
        and exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.id, s.bucket, s.segment, s.sign, s.n, s.states
    ), change as (
      select c.bucket, c.segment, sum(c.sign * c.n) as n, bool_or(c.sign > 0) as grew,
             mlguard.merge_v1(c.states) filter (where c.sign > 0) as come,
             mlguard.merge_v1(c.states) filter (where c.sign < 0) as gone,
             count(*) as lines
      from (select * from taken union all select * from marked) c
      where isfinite(c.bucket) and c.id > coalesce(_emptied, 0)
      group by c.bucket, c.segment
    ), folded as (
      insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at, shrunk_at)
      select p_tbl, c.bucket, c.segment, coalesce(b.n, 0) + c.n,
             mlguard._unmerge(mlguard._merge(b.states, c.come), c.gone),
             case when c.grew then _at else coalesce(b.changed_at, '-infinity') end,
             case when c.grew then b.shrunk_at else _at end
      from change c
      left join mlguard._bucket b on b.tbl = p_tbl and b.bucket = c.bucket and b.segment = c.segment
      on conflict (tbl, bucket, segment) do update
      set n = excluded.n, states = excluded.states, changed_at = excluded.changed_at, shrunk_at = excluded.shrunk_at
    )
    select (select count(*) from taken) + (select count(*) from marked) into _n;
    _folded := _folded + _n;
  end loop;
  return _folded;
end
$mlguard$;


create or replace function mlguard._recount_now(p_table mlguard._table)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _most constant integer := 200;
  _ids bigint[] := array(select d.id from mlguard._recount_due d where d.tbl = p_table.tbl);
  _part record;
  _at timestamptz;
  _buckets timestamptz[];
  _segments jsonb[];
  _n bigint := 0;
begin
  if cardinality(_ids) = 0 or p_table.recount is null or p_table.base is null then
    return 0;
  end if;
  for _part in
    with due as materialized (
      select d.shrunk, d.bucket_from, mlguard._window_end(p_table.base, p_table.time_zone, d.bucket_to) as bucket_end
      from mlguard._recount_due d
      where d.tbl = p_table.tbl and d.id = any (_ids)
    ), island as (
      select l.shrunk, l.bucket_from, l.bucket_end,
             count(*) filter (where l.apart) over (partition by l.shrunk order by l.bucket_from, l.bucket_end) as no
      from (
        select d.*, d.bucket_from > max(d.bucket_end) over (
                      partition by d.shrunk
                      order by d.bucket_from, d.bucket_end rows between unbounded preceding and 1 preceding) as apart
        from due d
      ) l
    ), part as (
      select i.shrunk, min(i.bucket_from) as first, max(i.bucket_end) as last from island i group by i.shrunk, i.no
    ), whole as (
      select d.shrunk from due d where d.bucket_from is null group by d.shrunk
    )
    select w.shrunk, null::timestamptz as first, null::timestamptz as last
    from whole w
    union all
    select p.shrunk, p.first, p.last
    from part p
    where not exists (select from whole w where w.shrunk = p.shrunk)
      and (select count(*) from part o where o.shrunk = p.shrunk) <= _most
    union all
    select p.shrunk, min(p.first), max(p.last)
    from part p
    where not exists (select from whole w where w.shrunk = p.shrunk)
    group by p.shrunk
    having count(*) > _most
  loop
    select array_agg(b.bucket), array_agg(b.segment)
    into _buckets, _segments
    from mlguard._bucket b
    where _part.shrunk and b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
      and b.bucket < coalesce(_part.last, 'infinity');
    _n := _n + mlguard._recount(p_table.tbl, p_table.recount, _part.first, _part.last);
    _at := mlguard._tick(p_table.tbl);
    if _part.shrunk then
      -- As where rows are deleted: a bucket of which nothing is left says so.
      insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at)
      select p_table.tbl, g.bucket, g.segment, 0, '{"n": 0}', '-infinity'
      from unnest(_buckets, _segments) g (bucket, segment)
      on conflict (tbl, bucket, segment) do nothing;
      update mlguard._bucket b
      set shrunk_at = _at
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    else
      -- What was judged of them may have been wrong.
      update mlguard._bucket b
      set changed_at = _at
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    end if;
  end loop;
  delete from mlguard._recount_due d where d.tbl = p_table.tbl and d.id = any (_ids);
  return _n;
end
$mlguard$;


revoke all on function mlguard._tick(text) from public;
