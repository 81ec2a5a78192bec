-- The functions as they were before labels.

create or replace function mlguard._judge_windows(p_tbl text, p_as_of timestamptz, p_most integer default null)
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


create or replace function mlguard._judge_closed(
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


create or replace function mlguard._evidence(p_states jsonb, p_columns text[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Extremes are values of single rows; long states are for the machine.
  select jsonb_strip_nulls(jsonb_build_object(
    'states', jsonb_object_agg(s.key, s.value) filter (where s.key <> 'stale'),
    'stale', p_states -> 'stale'))
  from jsonb_each(p_states) s
  where s.key !~ '^(keys|quantiles|min|max)\('
    and (s.key !~ '\(' or exists (select from unnest(p_columns) c (name) where strpos(s.key, c.name) > 0))
    and octet_length(s.value::text) <= 4000
$mlguard$;


create or replace function mlguard._less(p_key text, p_from jsonb, p_gone jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n double precision;
  _share double precision;
  _a double precision;
  _b double precision;
begin
  if p_gone is null then
    return p_from;
  end if;
  case substring(p_key from '^[a-z]+')
    when 'min', 'max' then
      return p_from;
    when 'moments' then
      _n := (p_from ->> 0)::float8 - (p_gone ->> 0)::float8;
      if p_from is null or _n <= 0 or (p_gone ->> 0)::float8 = 0 then
        return case when (p_gone ->> 0)::float8 = 0 then p_from else jsonb_build_array(coalesce(_n, 0), 0, 0) end;
      end if;
      _a := ((p_from ->> 0)::float8 * (p_from ->> 1)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 1)::float8) / _n;
      _share := _n * (p_gone ->> 0)::float8 / (p_from ->> 0)::float8;
      return jsonb_build_array(
        _n, _a,
        greatest((p_from ->> 2)::float8 - (p_gone ->> 2)::float8 - _share * ((p_gone ->> 1)::float8 - _a) ^ 2, 0));
    when 'joint' then
      _n := (p_from ->> 0)::float8 - (p_gone ->> 0)::float8;
      if p_from is null or _n <= 0 or (p_gone ->> 0)::float8 = 0 then
        return case
          when (p_gone ->> 0)::float8 = 0 then p_from
          else jsonb_build_array(coalesce(_n, 0), 0, 0, 0, 0, 0)
        end;
      end if;
      _a := ((p_from ->> 0)::float8 * (p_from ->> 1)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 1)::float8) / _n;
      _b := ((p_from ->> 0)::float8 * (p_from ->> 2)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 2)::float8) / _n;
      _share := _n * (p_gone ->> 0)::float8 / (p_from ->> 0)::float8;
      return jsonb_build_array(
        _n, _a, _b,
        greatest((p_from ->> 3)::float8 - (p_gone ->> 3)::float8 - _share * ((p_gone ->> 1)::float8 - _a) ^ 2, 0),
        greatest((p_from ->> 4)::float8 - (p_gone ->> 4)::float8 - _share * ((p_gone ->> 2)::float8 - _b) ^ 2, 0),
        (p_from ->> 5)::float8 - (p_gone ->> 5)::float8
        - _share * ((p_gone ->> 1)::float8 - _a) * ((p_gone ->> 2)::float8 - _b));
    when 'bins' then
      if p_from is null then
        return null;
      elsif p_from -> 'v' <> p_gone -> 'v' then
        return p_from || '{"partial": true}';
      end if;
      return p_from || jsonb_build_object(
        'c', (select coalesce(jsonb_agg(greatest(f.count::numeric - coalesce(g.count::numeric, 0), 0) order by f.place), '[]')
              from jsonb_array_elements_text(p_from -> 'c') with ordinality f (count, place)
              left join jsonb_array_elements_text(p_gone -> 'c') with ordinality g (count, place) using (place)),
        'n', (p_from ->> 'n')::numeric - (p_gone ->> 'n')::numeric);
    when 'values' then
      -- A value that is not counted by name is among the others.
      return (
        select jsonb_build_object(
                 'c', coalesce(jsonb_object_agg(c.key, c.f - c.g) filter (where c.f > c.g), '{}'),
                 'other', greatest(coalesce((p_from ->> 'other')::numeric, 0) - coalesce((p_gone ->> 'other')::numeric, 0)
                                   - coalesce(sum(c.g - c.f) filter (where c.g > c.f), 0), 0),
                 'n', coalesce((p_from ->> 'n')::numeric, 0) - (p_gone ->> 'n')::numeric)
               || case when p_from ? 'sampled' then jsonb_build_object('sampled', p_from -> 'sampled') else '{}' end
        from (
          select coalesce(f.key, g.key) as key, coalesce(f.value::numeric, 0) as f, coalesce(g.value::numeric, 0) as g
          from jsonb_each_text(p_from -> 'c') f
          full join jsonb_each_text(p_gone -> 'c') g on g.key = f.key
        ) c);
    when 'keys' then
      return (
        select jsonb_build_object(
                 't', least((p_from ->> 't')::float8, (p_gone ->> 't')::float8),
                 'k', coalesce(jsonb_object_agg(k.key, k.count) filter (where k.count > 0), '{}'),
                 'n', coalesce((p_from ->> 'n')::numeric, 0) - (p_gone ->> 'n')::numeric)
        from (
          select f.key, f.value::numeric - coalesce(g.value::numeric, 0) as count
          from jsonb_each_text(p_from -> 'k') f
          left join jsonb_each_text(p_gone -> 'k') g on g.key = f.key
          where coalesce(
            f.key collate "C" < mlguard._below(least((p_from ->> 't')::float8, (p_gone ->> 't')::float8)), true)
        ) k);
    when 'quantiles' then
      return p_from || jsonb_build_object('n', (p_from ->> 'n')::numeric - (p_gone ->> 'n')::numeric);
    else
      return to_jsonb(coalesce((p_from #>> '{}')::numeric, 0) - coalesce((p_gone #>> '{}')::numeric, 0));
  end case;
end
$mlguard$;


create or replace function mlguard._merge_parts(p_key text, p_parts jsonb[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_key = 'stale' then
    return (select jsonb_agg(distinct s.key) from unnest(p_parts) p (part), jsonb_array_elements(p.part) s (key));
  elsif cardinality(p_parts) = 1 then
    return p_parts[1];
  end if;
  return case substring(p_key from '^[a-z]+')
    when 'moments' then mlguard._merge_moments(p_parts)
    when 'joint' then mlguard._merge_joint(p_parts)
    when 'bins' then mlguard._merge_bins(p_parts)
    when 'values' then mlguard._merge_values(p_parts)
    when 'keys' then mlguard._merge_keys(p_parts)
    when 'quantiles' then mlguard._merge_quantiles(p_parts)
  end;
end
$mlguard$;


drop function
  mlguard._fair_groups, mlguard._find_unseen, mlguard._recount_now, mlguard._sum_arrays, mlguard._sum_tallies,
  mlguard._sums, mlguard.accuracy_v1, mlguard.auc_v1, mlguard.bias_v1, mlguard.brier_v1, mlguard.calibration_error_v1,
  mlguard.f1_v1, mlguard.label_coverage_v1, mlguard.fair_bound_v1, mlguard.fair_v1, mlguard.logloss_v1,
  mlguard.mae_v1, mlguard.mape_v1, mlguard.no_score_v1, mlguard.pair_v1, mlguard.precision_v1, mlguard.recall_v1,
  mlguard.recount_due_v1, mlguard.rmse_v1, mlguard.rounded_score_v1;

drop table mlguard._recount_due, mlguard._paired, mlguard._pairing;

alter table mlguard._slo drop column matures;

alter table mlguard._table drop column joins;
