create or replace function mlguard._judge_late(p_table mlguard._table, p_most integer)
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
    group by s.over, s.matures
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


create or replace function mlguard.correlation_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _a double precision := (p_states -> p_key ->> 3)::float8;
  _b double precision := (p_states -> p_key ->> 4)::float8;
begin
  -- Two roots: the product of two sums of squares may overflow.
  return case
    when (p_states -> p_key ->> 0)::float8 >= 2 and _a > 0 and _b > 0
    then greatest(least((p_states -> p_key ->> 5)::float8 / sqrt(_a) / sqrt(_b), 1), -1)
  end;
end
$mlguard$;

comment on function mlguard.correlation_v1(jsonb, text) is
  'Pearson correlation; null where one of the two columns does not vary.';


create or replace function mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _work mlguard._baseline;
  _learns boolean := p_table.baseline ~ '^(first|previous) ';
  _lacking text[];
  _period record;
  _next timestamptz;
  _added bigint := 0;
begin
  select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'learning';
  if found and _work.source <> p_table.baseline then
    delete from mlguard._baseline b where b.tbl = _work.tbl and b.version = _work.version;
    _work := null;
  end if;
  if _work.tbl is null then
    select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'frozen';
    if _learns
       and (_work.tbl is null or (_work.kind in ('first', 'previous') and _work.source <> p_table.baseline)) then
      perform mlguard._begin_baseline(p_table.tbl, split_part(p_table.baseline, ' ', 1), p_table.baseline, null, null);
      select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'learning';
    end if;
  end if;
  if _work.tbl is null or _work.kind not in ('first', 'previous', 'window') or _work.next_at > p_as_of then
    return 0;
  end if;

  _lacking := array(
    select w.column_name from mlguard._baseline_wanted(p_table.tbl, _work.version) w where not w.present);
  if _lacking = '{}' then
    if not mlguard._lacks_counts(p_table, _work.version) then
      return 0;
    end if;
    -- An SLO with a new filter or new segments: the same rows, counted for it too.
    perform mlguard._count_baseline(p_table, _work.version);
  elsif _work.kind = 'window' then
    _added := mlguard._fill_baseline(p_table, _work.version, _lacking, _work.starts, _work.ends);
  else
    for _period in
      select p.starts, p.ends, p.due, array_agg(p.column_name) as columns
      from mlguard._baseline_periods(p_table, _work.kind, substr(_work.source, position(' ' in _work.source))::interval,
                                     _lacking, p_as_of) p
      group by p.starts, p.ends, p.due
      order by p.due, p.starts
    loop
      if _period.due <= p_as_of then
        _added := _added
                  + mlguard._fill_baseline(p_table, _work.version, _period.columns, _period.starts, _period.ends);
      else
        _next := least(_next, _period.due);
      end if;
    end loop;
  end if;
  if _added > 0 then
    perform mlguard._use_baseline(p_table, _work.version);
  end if;
  -- What could not be had is looked for again, but not with every sweep: it takes a pass over the table.
  update mlguard._baseline b
  set next_at = case
    when cardinality(_lacking) <> _added or _lacking = '{}' then
      coalesce(_next, p_as_of + case b.state when 'learning' then interval '1 hour' else interval '1 day' end)
  end
  where b.tbl = p_table.tbl and b.version = _work.version;
  return _added;
end
$mlguard$;
