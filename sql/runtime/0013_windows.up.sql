-- Windows: states folded into buckets of time, buckets merged into windows, windows judged once they have closed, and
-- anew when rows come later. One transaction at a time does this for a table; writers never wait for it.

create table mlguard._window (
  slo text primary key references mlguard._slo on update cascade on delete cascade,
  tbl text not null,
  version integer not null,
  judged_to timestamptz,
  due_at timestamptz not null default '-infinity',
  checked_to timestamptz not null default '-infinity',
  first_start timestamptz,
  frozen boolean not null default false
);

create index _window_due on mlguard._window (tbl, due_at);

comment on table mlguard._window is 'Private. How far the windows of each SLO are judged. Only sweep() writes here.';
comment on column mlguard._window.slo is 'Id of the SLO.';
comment on column mlguard._window.tbl is 'The table.';
comment on column mlguard._window.version is 'The version of the SLO that was judged; a new one begins with history.';
comment on column mlguard._window.judged_to is 'End of the last window judged; null: none yet.';
comment on column mlguard._window.due_at is 'When the next window is to be judged: its end and the time it waits for rows.';
comment on column mlguard._window.checked_to is 'Changes of buckets up to this time were judged.';
comment on column mlguard._window.first_start is 'Start of the first window judged.';
comment on column mlguard._window.frozen is 'The segments that are judged alone are chosen, for good.';


create table mlguard._segment (
  slo text not null references mlguard._slo on update cascade on delete cascade,
  segment jsonb not null,
  n bigint not null,
  primary key (slo, segment)
);

comment on table mlguard._segment is
  'Private. Segments seen in the windows of an SLO while its baseline lasts; the largest are judged alone ever after.';
comment on column mlguard._segment.slo is 'Id of the SLO.';
comment on column mlguard._segment.segment is 'Values of the segment columns.';
comment on column mlguard._segment.n is 'Rows so far.';


alter table mlguard._bucket add column shrunk_at timestamptz;

create index _bucket_changed on mlguard._bucket (tbl, changed_at);
create index _bucket_shrunk on mlguard._bucket (tbl, shrunk_at) where shrunk_at is not null;

comment on column mlguard._bucket.changed_at is 'When rows came to it last: windows judged before are judged anew.';
comment on column mlguard._bucket.shrunk_at is
  'When rows only went from it last: deleting what is old makes no window bad, but may mend one that failed.';


create function mlguard._window_floor(p_length text, p_local timestamp)
returns timestamp
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _length interval := p_length;
  _months integer := extract(year from _length) * 12 + extract(month from _length);
  _days integer := extract(day from _length);
  _seconds numeric := extract(epoch from _length);
  _origin constant timestamp := '2001-01-01';
begin
  if _months > 0 then
    return _origin + floor(
      ((extract(year from p_local) - 2001) * 12 + extract(month from p_local) - 1) / _months) * _months * interval '1 month';
  elsif _days > 0 then
    return _origin + floor((p_local::date - _origin::date)::numeric / _days) * _days * interval '1 day';
  end if;
  return date_trunc('day', p_local)
         + floor(extract(epoch from p_local - date_trunc('day', p_local)) / _seconds) * _length;
end
$mlguard$;

comment on function mlguard._window_floor(text, timestamp) is
  'Private. The local time at which the window of a length begins: days counted from Monday 2001-01-01, hours and '
  'minutes from midnight.';


create function mlguard._window_start(p_length text, p_zone text, p_at timestamptz)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._window_floor(p_length, p_at at time zone p_zone) at time zone p_zone
$mlguard$;

comment on function mlguard._window_start(text, text, timestamptz) is
  'Private. Start of the calendar window that a time falls in, by the clock of a time zone.';


create function mlguard._window_end(p_length text, p_zone text, p_start timestamptz)
returns timestamptz
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (mlguard._window_floor(p_length, p_start at time zone p_zone) + p_length::interval) at time zone p_zone
$mlguard$;

comment on function mlguard._window_end(text, text, timestamptz) is
  'Private. End of the calendar window that begins at a time: a day has 23 or 25 hours where the clock is changed.';


-- Folding.

create function mlguard._fold_states(p_tbl text, p_most integer default null)
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
begin
  -- The caller has the lock of the table. Rows of batches that are held stay: a correction judges them again.
  for _round in 1..coalesce(p_most, 1000000) loop
    _upto := (
      select max(c.id)
      from (select s.id from mlguard._state s where s.tbl = p_tbl and not s.folded order by s.id limit _chunk) c);
    exit when _upto is null;
    _emptied := (
      select max(s.id)
      from mlguard._state s
      join mlguard._table t on t.tbl = s.tbl
      -- Without event time windows count what was written in them, whatever became of it.
      where s.tbl = p_tbl and not s.folded and s.op = 'TRUNCATE' and s.id <= _upto and t.event_time is not null);
    if _emptied is not null then
      update mlguard._bucket b
      set n = 0, states = '{"n": 0}', shrunk_at = clock_timestamp()
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
             case when c.grew then clock_timestamp() else coalesce(b.changed_at, '-infinity') end,
             case when c.grew then b.shrunk_at else clock_timestamp() end
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

comment on function mlguard._fold_states(text, integer) is
  'Private. Folds states that writers appended into buckets, at most p_most times 20000; returns how many.';


create function mlguard._sweep_fold(p_as_of timestamptz)
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

comment on function mlguard._sweep_fold(timestamptz) is 'Private. The part of sweep() that folds states into buckets.';


-- Judging.

create function mlguard._window_states(p_tbl text, p_from timestamptz, p_to timestamptz, p_segments boolean)
returns table (segment jsonb, states jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select b.segment, mlguard.merge_v1(b.states)
  from mlguard._bucket b
  where b.tbl = p_tbl and b.bucket >= p_from and b.bucket < p_to and b.n <> 0 and (p_segments or b.segment = '{}')
  group by b.segment
$mlguard$;

comment on function mlguard._window_states(text, timestamptz, timestamptz, boolean) is
  'Private. States of a window, by segment, or of all its rows only.';


create function mlguard._asks_for_stale(p_states jsonb[], p_metrics text[])
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select exists (
    select
    from unnest(p_states) s (states)
    cross join lateral jsonb_array_elements_text(s.states -> 'stale') k (key)
    join unnest(p_metrics) m (metric)
      on m.metric ~ case substring(k.key from '^[a-z]+')
           when 'min' then '\mmin\('
           when 'max' then '\mmax\('
           when 'sum' then '\m(sum|mean)\('
           when 'moments' then '\mstddev\('
           when 'joint' then '\mcorrelation\('
           else '\m(median|quantile)\('
         end
      and strpos(m.metric, substring(k.key from '\((.*?)\)')) > 0)
$mlguard$;

comment on function mlguard._asks_for_stale(jsonb[], text[]) is
  'Private. Whether a metric is made from a state that deleted rows left unknown.';


create function mlguard._segments_alone(
  p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamptz, p_again boolean)
returns jsonb[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _alone jsonb[];
begin
  if (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
    _alone := array(select s.segment from mlguard._segment s where s.slo = p_slo.id order by s.segment);
  else
    _alone := array(
      select k.segment
      from (
        select s.segment, s.n::numeric from mlguard._segment s where s.slo = p_slo.id
        union all
        select p.segment, (p.states ->> 'n')::numeric
        from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, 1000000) p
      ) k (segment, n)
      group by k.segment
      order by sum(k.n) desc, k.segment
      limit p_slo.max_segments);
  end if;
  if p_again then
    -- What was first seen later was not missing then.
    _alone := array(
      select a.segment from unnest(_alone) a (segment) where a.segment = any (p_segments)
      union
      select v.segment
      from mlguard._verdict v
      where v.slo = p_slo.id and v.window_start = p_start and v.over = p_slo.over and v.current and not v.segment ? '*');
  end if;
  return _alone;
end
$mlguard$;

comment on function mlguard._segments_alone(mlguard._slo, jsonb[], jsonb[], timestamptz, boolean) is
  'Private. The segments of a window that are judged alone, absent ones too: the largest of the baseline, or, while '
  'that is not over, of all windows so far.';


create function mlguard._count_segments(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_end timestamptz)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _first timestamptz;
  _baseline interval;
begin
  if (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
    return;
  end if;
  insert into mlguard._segment as s (slo, segment, n)
  select p_slo.id, p.segment, (p.states ->> 'n')::bigint
  from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, 1000000) p
  on conflict (slo, segment) do update set n = s.n + excluded.n;

  select w.first_start, coalesce(substring(t.baseline from '^(?:first|previous) (.*)$')::interval, interval '28 days')
  into _first, _baseline
  from mlguard._window w
  join mlguard._table t on t.tbl = w.tbl
  where w.slo = p_slo.id;
  if p_end >= _first + _baseline and exists (select from mlguard._segment s where s.slo = p_slo.id) then
    delete from mlguard._segment s
    using (
      select k.segment, row_number() over (order by k.n desc, k.segment) as place
      from mlguard._segment k
      where k.slo = p_slo.id
    ) ranked
    where s.slo = p_slo.id and s.segment = ranked.segment and ranked.place > p_slo.max_segments;
    update mlguard._window w set frozen = true where w.slo = p_slo.id;
  end if;
end
$mlguard$;

comment on function mlguard._count_segments(mlguard._slo, jsonb[], jsonb[], timestamptz) is
  'Private. Counts the segments of a window until the baseline is over, then keeps the largest for good.';


create function mlguard._judge_window(
  p_table mlguard._table, p_slos text[], p_over text, p_start timestamptz, p_end timestamptz, p_again boolean)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _by_segment boolean := exists (select from mlguard._slo s where s.id = any (p_slos) and s.by_columns <> '{}');
  _segments jsonb[];
  _states jsonb[];
  _whole jsonb;
  _slo mlguard._slo;
  _part record;
  _verdicts mlguard._verdict[] := '{}';
  _id bigint;
  _n bigint := 0;
begin
  select array_agg(w.segment), array_agg(w.states)
  into _segments, _states
  from mlguard._window_states(p_table.tbl, p_start, p_end, _by_segment) w;
  if p_table.recount is not null
     and mlguard._asks_for_stale(
       _states,
       array(select m.metric from mlguard._slo s, unnest(s.metrics) m (metric) where s.id = any (p_slos))) then
    -- The one case in which stored rows are read again: an extreme whose row was deleted.
    perform mlguard._recount(p_table.tbl, p_table.recount, p_start, p_end);
    select array_agg(w.segment), array_agg(w.states)
    into _segments, _states
    from mlguard._window_states(p_table.tbl, p_start, p_end, _by_segment) w;
  end if;
  _whole := coalesce(
    (select s.states from unnest(_segments, _states) s (segment, states) where s.segment = '{}'), '{"n": 0}');

  for _slo in select s.* from mlguard._slo s where s.id = any (p_slos) order by s.no loop
    if _slo.by_columns = '{}' then
      _verdicts := _verdicts || mlguard._find(
        _slo, _whole, mlguard._scope(p_table.tbl, p_over, null, p_start, p_end, '{}'));
    else
      for _part in
        select p.segment, p.states
        from mlguard._pooled(_segments, _states, _slo.by_columns,
                             mlguard._segments_alone(_slo, _segments, _states, p_start, p_again), null) p
      loop
        _verdicts := _verdicts || mlguard._find(
          _slo, _part.states, mlguard._scope(p_table.tbl, p_over, null, p_start, p_end, _part.segment));
      end loop;
      if not p_again then
        perform mlguard._count_segments(_slo, _segments, _states, p_end);
      end if;
    end if;
  end loop;
  if cardinality(_verdicts) = 0 then
    return 0;
  end if;
  for _id in select k.id from mlguard._keep(_verdicts, p_again) k loop
    perform mlguard._conclude(_id);
    _n := _n + 1;
  end loop;
  return _n;
end
$mlguard$;

comment on function mlguard._judge_window(mlguard._table, text[], text, timestamptz, timestamptz, boolean) is
  'Private. Judges one window by the SLOs named; returns the number of new verdicts.';


create function mlguard._judge_late(p_table mlguard._table, p_most integer)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _checked timestamptz;
  _seen timestamptz;
  _over record;
  _starts timestamptz[];
  _start timestamptz;
  _end timestamptz;
  _done integer := 0;
  _n bigint := 0;
begin
  _checked := (select min(w.checked_to) from mlguard._window w where w.tbl = p_table.tbl and w.judged_to is not null);
  _seen := greatest(
    (select b.changed_at from mlguard._bucket b where b.tbl = p_table.tbl order by b.changed_at desc limit 1),
    (select b.shrunk_at from mlguard._bucket b where b.tbl = p_table.tbl and b.shrunk_at is not null
     order by b.shrunk_at desc limit 1));
  -- What was never judged is judged for the first time, with all that came so far.
  update mlguard._window w set checked_to = _seen where w.tbl = p_table.tbl and w.judged_to is null and w.checked_to < _seen;
  if _checked is null or _seen is null or _seen <= _checked then
    return 0;
  end if;

  for _over in
    select s.over, s.over like 'last %' as slides, array_agg(s.id) as slos, max(w.judged_to) as judged_to
    from mlguard._slo s
    join mlguard._window w on w.slo = s.id
    where s.tbl = p_table.tbl and w.judged_to is not null
    group by s.over
  loop
    if _over.slides then
      -- Every bucket is in many sliding windows; only the newest still says how things are.
      _end := _over.judged_to;
      _starts := array[(_end at time zone p_table.time_zone - substr(_over.over, 6)::interval) at time zone p_table.time_zone];
      if not exists (
           select
           from mlguard._bucket b
           where b.tbl = p_table.tbl and b.bucket >= _starts[1] and b.bucket < _end
             and greatest(b.changed_at, b.shrunk_at) > _checked) then
        _starts := '{}';
      end if;
    else
      _starts := array(
        select distinct c.start
        from (
          select mlguard._window_start(_over.over, p_table.time_zone, b.bucket) as start
          from mlguard._bucket b
          where b.tbl = p_table.tbl and b.changed_at > _checked and b.bucket < _over.judged_to
          union all
          select f.start
          from (
            select distinct mlguard._window_start(_over.over, p_table.time_zone, b.bucket) as start
            from mlguard._bucket b
            where b.tbl = p_table.tbl and b.shrunk_at > _checked and b.bucket < _over.judged_to
          ) f
          where exists (
            select
            from mlguard._verdict v
            where v.slo = any (_over.slos) and v.window_start = f.start and v.current and v.outcome = 'FAIL')
        ) c
        order by c.start);
    end if;
    if _done + cardinality(_starts) > p_most then
      return _n;
    end if;
    foreach _start in array _starts loop
      if not _over.slides then
        _end := mlguard._window_end(_over.over, p_table.time_zone, _start);
      end if;
      _n := _n + mlguard._judge_window(
        p_table,
        array(select w.slo from mlguard._window w where w.slo = any (_over.slos) and w.judged_to >= _end),
        _over.over, _start, _end, true);
      _done := _done + 1;
    end loop;
  end loop;
  update mlguard._window w set checked_to = _seen where w.tbl = p_table.tbl;
  return _n;
end
$mlguard$;

comment on function mlguard._judge_late(mlguard._table, integer) is
  'Private. Judges windows anew to which rows came after they were judged, and failed ones from which rows went; all or '
  'none where there are more than p_most.';


create function mlguard._judge_closed(
  p_table mlguard._table, p_over text, p_slos text[], p_as_of timestamptz, p_most integer)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _history constant integer := 1000;
  _patience constant integer := 62;
  _zone text := p_table.time_zone;
  _slides boolean := p_over like 'last %';
  -- A sliding window ends with each bucket.
  _step text := case when p_over like 'last %' then p_table.base else p_over end;
  _late interval := make_interval(secs => mlguard._seconds(p_table.late));
  _first_row timestamptz := (
    select b.bucket from mlguard._bucket b where b.tbl = p_table.tbl order by b.bucket limit 1);
  _to timestamptz;
  _start timestamptz;
  _end timestamptz;
  _next timestamptz;
  _done integer := 0;
  _empty integer := 0;
  _n bigint := 0;
begin
  -- History begins with the first row, or with the SLO, but no more than so many windows before the SLO.
  -- Without event time it begins with the first window that has all its states.
  update mlguard._window w
  set first_start = case
    when p_table.event_time is null
    then mlguard._window_end(_step, _zone, mlguard._window_start(_step, _zone, f.since - interval '1 microsecond'))
    else mlguard._window_start(
      _step, _zone,
      greatest(least(_first_row, f.since), (f.since at time zone _zone - _history * _step::interval) at time zone _zone))
  end
  from (
    select s.id, case when isfinite(s.since) then s.since else coalesce(_first_row, p_as_of) end as since
    from mlguard._slo s
  ) f
  where w.slo = any (p_slos) and f.id = w.slo and w.judged_to is null;
  _to := (select min(coalesce(w.judged_to, w.first_start)) from mlguard._window w where w.slo = any (p_slos));

  loop
    _start := mlguard._window_start(_step, _zone, _to);
    _end := mlguard._window_end(_step, _zone, _start);
    exit when _end + _late > p_as_of or _done >= p_most;
    if exists (
         select from mlguard._bucket b where b.tbl = p_table.tbl and b.bucket >= _start and b.bucket < _end and b.n <> 0) then
      _empty := 0;
    else
      _empty := _empty + 1;
    end if;
    if _empty > _patience then
      -- Only where many windows are made up for at once: a wrong clock in one row would make centuries of empty ones.
      _next := coalesce(
        (select b.bucket from mlguard._bucket b
         where b.tbl = p_table.tbl and b.bucket >= _end and b.bucket < p_as_of and b.n <> 0
         order by b.bucket limit 1),
        mlguard._window_start(_step, _zone, p_as_of - _late) - interval '1 microsecond');
      _empty := 0;
      if mlguard._window_start(_step, _zone, _next) > _start then
        _to := _next;
        continue;
      end if;
    end if;
    _n := _n + mlguard._judge_window(
      p_table,
      array(select w.slo from mlguard._window w
            where w.slo = any (p_slos) and coalesce(w.judged_to, w.first_start) < _end),
      p_over,
      case
        when _slides then (_end at time zone _zone - substr(p_over, 6)::interval) at time zone _zone
        else _start
      end,
      _end, false);
    _to := _end;
    _done := _done + 1;
  end loop;

  update mlguard._window w
  set judged_to = case when _done > 0 then greatest(w.judged_to, _to) else w.judged_to end, due_at = _end + _late
  where w.slo = any (p_slos);
  return _n;
end
$mlguard$;

comment on function mlguard._judge_closed(mlguard._table, text, text[], timestamptz, integer) is
  'Private. Judges the windows of one length that have closed, oldest first, at most p_most; those that ended before an '
  'SLO came into force as its history.';


create function mlguard._judge_windows(p_tbl text, p_as_of timestamptz, p_most integer default null)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _table mlguard._table;
  _over record;
  _n bigint := 0;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  if _table.base is null then
    return 0;
  end if;
  -- An SLO that is new, or means something new, begins with the first row.
  delete from mlguard._segment g
  using mlguard._window w, mlguard._slo s
  where w.tbl = p_tbl and s.id = w.slo and s.version <> w.version and g.slo = w.slo;
  delete from mlguard._window w using mlguard._slo s where w.tbl = p_tbl and s.id = w.slo and s.version <> w.version;
  insert into mlguard._window (slo, tbl, version)
  select s.id, s.tbl, s.version
  from mlguard._slo s
  where s.tbl = p_tbl and s.level = 'window' and s.verdict is not null
  on conflict (slo) do nothing;

  _n := mlguard._judge_late(_table, p_most);
  for _over in
    select s.over, array_agg(s.id order by s.no) as slos
    from mlguard._window w
    join mlguard._slo s on s.id = w.slo
    where w.tbl = p_tbl and w.due_at <= p_as_of
    group by s.over
    order by min(s.no)
  loop
    _n := _n + mlguard._judge_closed(_table, _over.over, _over.slos, p_as_of, p_most);
  end loop;
  return _n;
end
$mlguard$;

comment on function mlguard._judge_windows(text, timestamptz, integer) is
  'Private. Judges the windows of a table that are due; the caller has its lock. p_most: of each length at most so many.';


create function mlguard._judge_due(p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
begin
  -- A writer judges what is due, one window of each length, when nobody else is at it; never at its own risk.
  if current_setting('transaction_isolation') <> 'read committed'
     or not exists (
       select from mlguard._slo s where s.tbl = p_tbl and s.level = 'window' and s.verdict is not null)
     or (exists (select from mlguard._window w where w.tbl = p_tbl)
         and not exists (
           select from mlguard._window w where w.tbl = p_tbl and w.due_at <= statement_timestamp()))
     or not mlguard._lock_table(p_tbl) then
    return;
  end if;
  begin
    perform mlguard._fold_states(p_tbl, 1);
    perform mlguard._judge_windows(p_tbl, statement_timestamp(), 1);
  exception
    when others then
      raise log 'mlguard: windows of % could not be judged at COMMIT: SQLSTATE %; sweep() will', p_tbl, sqlstate;
  end;
end
$mlguard$;

comment on function mlguard._judge_due(text) is
  'Private. Judges windows that are due at COMMIT of a writer; what fails is left to sweep().';


create function mlguard._sweep_windows(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _tbl text;
  _n bigint := 0;
begin
  for _tbl in
    select t.tbl
    from mlguard._table t
    where t.base is not null
      and exists (select from mlguard._slo s where s.tbl = t.tbl and s.level = 'window' and s.verdict is not null)
    order by t.tbl
  loop
    continue when not mlguard._lock_table(_tbl);
    _n := _n + mlguard._judge_windows(_tbl, p_as_of);
  end loop;
  return query values ('verdicts on windows', _n);
end
$mlguard$;

comment on function mlguard._sweep_windows(timestamptz) is 'Private. The part of sweep() that judges windows.';


create function mlguard._sweep_holds(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'the SLO is no longer in force'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo);
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$mlguard$;

comment on function mlguard._sweep_holds(timestamptz) is
  'Private. The part of sweep() that ends holds whose SLO was taken out of its file: nothing would judge it good again.';
