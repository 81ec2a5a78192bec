-- Judgement: states of a batch or window → metrics → verdict → what follows from it. A verdict commits with what it
-- judges; functions that COMMIT of a writer runs read by index only, and nothing whose size grows with the table.

alter table mlguard._hold
  add column window_start timestamptz,
  add column window_end timestamptz,
  add column segment jsonb not null default '{}',
  add column verdict bigint,
  add column resolved boolean not null default false;

create index _hold_slo on mlguard._hold (slo, id);

comment on column mlguard._hold.window_start is 'Start of the window held.';
comment on column mlguard._hold.window_end is 'End of the window held.';
comment on column mlguard._hold.segment is 'The segment held; {}: all rows.';
comment on column mlguard._hold.verdict is 'The verdict it came from; null: held by hand.';
comment on column mlguard._hold.resolved is 'Ended by a person: the same batch or window does not close the gate again.';


create function mlguard._figure(p_value double precision, p_limits text default null)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _number numeric;
  _digits integer;
  _limits numeric[];
begin
  if p_value is null then
    return 'no value';
  elsif p_value = 'NaN' then
    return 'NaN';
  elsif abs(p_value) = 'Infinity' then
    return case when p_value > 0 then 'infinite' else '-infinite' end;
  elsif p_value = 0 then
    return '0';
  elsif abs(p_value) >= 1e15 or abs(p_value) < 1e-6 then
    return trim(to_char(p_value, '9.99EEEE'));
  end if;
  _number := p_value::numeric;
  _digits := case when abs(p_value) >= 0.1 then 3 else 2 - floor(log(abs(_number))) end;
  -- 0.7496 is not written 0.75 where 0.75 is the limit.
  _limits := array(select m[1]::numeric from regexp_matches(p_limits, '-?\d+(?:\.\d+)?', 'g') m);
  while _digits < 15 and round(_number, _digits) = any (_limits) and _number <> round(_number, _digits) loop
    _digits := _digits + 1;
  end loop;
  return trim_scale(round(_number, _digits))::text;
end
$mlguard$;

comment on function mlguard._figure(double precision, text) is
  'Private. A number as messages show it: three digits after the point, or three that count, and as many more as tell '
  'it from the limit.';


create function mlguard._for_segment(p_segment jsonb, p_by text[])
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when coalesce(p_segment, '{}') = '{}' then ''
    when p_segment ? '*' then ' for every other ' || array_to_string(p_by, ', ')
    else ' for ' || (
      select string_agg(
               e.key || ' ' || case when jsonb_typeof(e.value) = 'null' then 'missing' else mlguard._shown(e.value) end,
               ', ' order by array_position(p_by, e.key), e.key)
      from jsonb_each(p_segment) e)
  end
$mlguard$;

comment on function mlguard._for_segment(jsonb, text[]) is 'Private. A segment in words: « for country DE».';


create function mlguard._finding(p_metrics text[], p_vals double precision[], p_limits text, p_segment text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select nullif(
    string_agg(
      case
        when m.value is null then m.metric || ' has no value'
        else m.metric || ' is ' || mlguard._figure(m.value, p_limits)
      end, ', ' order by m.place) || p_segment,
    '')
  from unnest(p_metrics, p_vals) with ordinality m (metric, value, place)
$mlguard$;

comment on function mlguard._finding(text[], double precision[], text, text) is
  'Private. Metrics in words: coverage(age) is 0.491 for country DE.';


create function mlguard._scope(
  p_tbl text, p_over text, p_batch bigint, p_start timestamptz, p_end timestamptz, p_segment jsonb)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select jsonb_build_object(
    'tbl', p_tbl, 'over', p_over, 'batch', p_batch, 'start', p_start, 'end', p_end, 'segment', p_segment)
$mlguard$;

comment on function mlguard._scope(text, text, bigint, timestamptz, timestamptz, jsonb) is
  'Private. What a verdict is about: one batch or window of one table and segment.';


create function mlguard.trailing_v1(p_c jsonb, p_metric text, p_back interval)
returns double precision
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _batch bigint := p_c ->> 'batch';
  _zone text;
  _start timestamptz;
  _n bigint;
  _median double precision;
begin
  -- At most 1000 values, the newest: what history there is beside them costs nothing.
  if _batch is not null then
    _start := (select b.opened_at from mlguard._batch b where b.id = _batch);
    select count(*), percentile_cont(0.5) within group (order by h.value)
    into _n, _median
    from (
      select m.value, m.at
      from mlguard._metric m
      where m.tbl = p_c ->> 'tbl' and m.metric = p_metric and m.segment = p_c -> 'segment' and m.batch < _batch
        and m.current and not m.sampled and not m.excluded and m.value is not null
      order by m.batch desc
      limit 1000
    ) h
    where h.at >= (_start at time zone 'UTC' - p_back) at time zone 'UTC';
  else
    _zone := (select t.time_zone from mlguard._table t where t.tbl = p_c ->> 'tbl');
    _start := p_c ->> 'start';
    select count(*), percentile_cont(0.5) within group (order by h.value)
    into _n, _median
    from (
      select m.value
      from mlguard._metric m
      where m.tbl = p_c ->> 'tbl' and m.over = p_c ->> 'over' and m.metric = p_metric and m.segment = p_c -> 'segment'
        and m.window_start < _start and m.window_start >= (_start at time zone _zone - p_back) at time zone _zone
        and m.window_end <= _start
        and m.current and not m.sampled and not m.excluded and m.value is not null
      order by m.window_start desc
      limit 1000
    ) h;
  end if;
  return case when _n >= 3 then _median end;
end
$mlguard$;

comment on function mlguard.trailing_v1(jsonb, text, interval) is
  'Median of a metric over the windows (or batches) before this one, as far back as a length; null: fewer than three.';


-- From states to a verdict.

create function mlguard._error_class(p_code text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Its class and not its message, which may hold a value.
  select format(
    'SQLSTATE %s (%s)', p_code,
    case left(p_code, 2)
      when '0A' then 'feature not supported'
      when '22' then 'data exception'
      when '23' then 'integrity constraint violation'
      when '25' then 'invalid transaction state'
      when '26' then 'invalid SQL statement name'
      when '2F' then 'SQL routine exception'
      when '42' then 'syntax error or access rule violation'
      when '53' then 'insufficient resources'
      when '54' then 'program limit exceeded'
      when '55' then 'object not in prerequisite state'
      when '58' then 'system error'
      when 'P0' then 'PL/pgSQL error'
      else 'internal error'
    end)
$mlguard$;

comment on function mlguard._error_class(text) is 'Private. An SQLSTATE in words that show no value.';


create function mlguard._evidence(p_states jsonb, p_columns text[])
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

comment on function mlguard._evidence(jsonb, text[]) is 'Private. The states behind a verdict, for explain.';


create function mlguard._verdict_of(p_slo mlguard._slo, p_c jsonb)
returns mlguard._verdict
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _v mlguard._verdict;
begin
  _v.slo := p_slo.id;
  _v.tbl := p_slo.tbl;
  _v.over := p_c ->> 'over';
  _v.batch := p_c ->> 'batch';
  _v.window_start := p_c ->> 'start';
  _v.window_end := p_c ->> 'end';
  _v.segment := coalesce(p_c -> 'segment', '{}');
  _v.metrics := '{}';
  _v.vals := '{}';
  _v.allowed := p_slo.allowed;
  return _v;
end
$mlguard$;

comment on function mlguard._verdict_of(mlguard._slo, jsonb) is 'Private. A verdict before anything is found.';


create function mlguard._could_not(p_slo mlguard._slo, p_c jsonb, p_code text)
returns mlguard._verdict
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _v mlguard._verdict := mlguard._verdict_of(p_slo, p_c);
begin
  _v.outcome := 'ERROR';
  _v.reason := 'could not be judged: ' || mlguard._error_class(p_code);
  return _v;
end
$mlguard$;

comment on function mlguard._could_not(mlguard._slo, jsonb, text) is 'Private. The verdict where judging raised an error.';


create function mlguard._find(p_slo mlguard._slo, p_states jsonb, p_c jsonb)
returns mlguard._verdict
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _v mlguard._verdict := mlguard._verdict_of(p_slo, p_c);
  _f mlguard.found_v1;
begin
  begin
    execute format('select * from %s($1, $2)', p_slo.verdict) into _f using p_states, p_c;
    if _f.metrics::text ~ '\m(psi|js|ks|linf|new_category_rate)\(' then
      _v.detail := mlguard._distance_detail(p_slo, p_states, p_c);
    end if;
  exception
    when others then
      -- A conflict with another transaction, or the server going down, is not about the check.
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      return mlguard._could_not(p_slo, p_c, sqlstate);
  end;

  _v.metrics := coalesce(_f.metrics, '{}');
  _v.vals := coalesce(_f.vals, '{}');
  _v.n := coalesce(_f.n, 0);
  if _v.n < p_slo.min_rows then
    _v.outcome := 'INSUFFICIENT';
    _v.reason := format('%s row%s, fewer than %s', _v.n, case when _v.n = 1 then '' else 's' end, p_slo.min_rows);
  elsif _f.ok then
    _v.outcome := 'PASS';
  elsif _f.ok is null and _f.reason is distinct from 'no values' then
    _v.outcome := 'INSUFFICIENT';
    _v.reason := coalesce(_f.reason, 'no answer');
  else
    _v.outcome := 'FAIL';
    _v.reason := _f.reason;
    _v.detail := coalesce(_v.detail, '{}') || mlguard._evidence(p_states, p_slo.columns);
    if _v.window_end <= p_slo.since then
      _v.outcome := 'NOTED';
      _v.reason := 'before the SLO was in force';
    elsif p_slo.shadow then
      _v.outcome := 'NOTED';
      _v.reason := 'shadow';
    elsif mlguard.waived_v1(p_slo.id) then
      _v.outcome := 'NOTED';
      _v.reason := 'waived';
    end if;
  end if;
  if p_states ? 'stale' then
    _v.detail := coalesce(_v.detail, '{}') || jsonb_build_object('stale', p_states -> 'stale');
  end if;
  _v.observed := mlguard._finding(
    _v.metrics, _v.vals, case when _v.outcome in ('FAIL', 'NOTED') then p_slo.allowed end,
    mlguard._for_segment(_v.segment, p_slo.by_columns));
  return _v;
end
$mlguard$;

comment on function mlguard._find(mlguard._slo, jsonb, jsonb) is
  'Private. Judges states: runs the generated verdict function of an SLO and says what follows. Stores nothing.';


create function mlguard._keep_metrics(p_verdicts mlguard._verdict[], p_again boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
begin
  -- SLOs share metrics: of one batch or window each is kept once.
  if (p_verdicts[1]).batch is not null and not p_again then
    insert into mlguard._metric (tbl, metric, over, batch, segment, value, n)
    select distinct on (v.segment, m.metric) v.tbl, m.metric, v.over, v.batch, v.segment, m.value, v.n
    from unnest(p_verdicts) v
    cross join lateral unnest(v.metrics, v.vals) m (metric, value)
    order by v.segment, m.metric;
  elsif (p_verdicts[1]).batch is null then
    with wanted as materialized (
      select distinct on (v.over, v.window_start, v.segment, m.metric)
             v.tbl, v.over, v.window_start, v.window_end, v.segment, m.metric, m.value, v.n
      from unnest(p_verdicts) v
      cross join lateral unnest(v.metrics, v.vals) m (metric, value)
      order by v.over, v.window_start, v.segment, m.metric
    ), known as materialized (
      select m.id, m.excluded, m.value is not distinct from w.value and m.n is not distinct from w.n as same,
             w.over, w.window_start, w.segment, w.metric
      from wanted w
      join mlguard._metric m
        on m.tbl = w.tbl and m.over = w.over and m.metric = w.metric and m.segment = w.segment
        and m.window_start = w.window_start and m.current and not m.sampled
    ), superseded as (
      update mlguard._metric m set current = false from known k where m.id = k.id and not k.same
    )
    insert into mlguard._metric (tbl, metric, over, window_start, window_end, segment, value, n, excluded)
    select w.tbl, w.metric, w.over, w.window_start, w.window_end, w.segment, w.value, w.n, coalesce(k.excluded, false)
    from wanted w
    left join known k using (over, window_start, segment, metric)
    where k.same is not true;
  else
    with wanted as materialized (
      select distinct on (v.segment, m.metric) v.tbl, v.over, v.batch, v.segment, m.metric, m.value, v.n
      from unnest(p_verdicts) v
      cross join lateral unnest(v.metrics, v.vals) m (metric, value)
      order by v.segment, m.metric
    ), known as materialized (
      select m.id, m.excluded, m.value is not distinct from w.value and m.n is not distinct from w.n as same,
             w.segment, w.metric
      from wanted w
      join mlguard._metric m
        on m.tbl = w.tbl and m.metric = w.metric and m.segment = w.segment and m.batch = w.batch and m.current
        and not m.sampled
    ), superseded as (
      update mlguard._metric m set current = false from known k where m.id = k.id and not k.same
    )
    insert into mlguard._metric (tbl, metric, over, batch, segment, value, n, excluded)
    select w.tbl, w.metric, w.over, w.batch, w.segment, w.value, w.n, coalesce(k.excluded, false)
    from wanted w
    left join known k using (segment, metric)
    where k.same is not true;
  end if;
end
$mlguard$;

comment on function mlguard._keep_metrics(mlguard._verdict[], boolean) is
  'Private. Writes the metrics of verdicts, those that passed too; a value that changed supersedes the one before.';


create function mlguard._keep(p_verdicts mlguard._verdict[], p_again boolean)
returns table (id bigint, outcome text)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
begin
  perform mlguard._keep_metrics(p_verdicts, p_again);
  if (p_verdicts[1]).batch is not null and not p_again then
    return query
      insert into mlguard._verdict (
        slo, tbl, over, batch, segment, outcome, metrics, vals, n, observed, allowed, reason, detail)
      select v.slo, v.tbl, v.over, v.batch, v.segment, v.outcome, v.metrics, v.vals, v.n, v.observed, v.allowed,
             v.reason, v.detail
      from unnest(p_verdicts) v
      returning _verdict.id, _verdict.outcome;
    return;
  end if;
  -- What is judged again and found the same is no news; a window judged as history keeps the verdict it had.
  return query
    with wanted as materialized (
      select v.*, old.known, old.known_version, old.same
      from unnest(p_verdicts) v
      left join lateral (
        select o.id as known, o.version as known_version,
               (o.outcome, o.reason, o.vals, o.n) is not distinct from (v.outcome, v.reason, v.vals, v.n) as same
        from mlguard._verdict o
        where v.batch is null and o.slo = v.slo and o.window_start = v.window_start and o.current and o.over = v.over
          and o.segment = v.segment
        union all
        select o.id, o.version, (o.outcome, o.reason, o.vals, o.n) is not distinct from (v.outcome, v.reason, v.vals, v.n)
        from mlguard._verdict o
        where v.batch is not null and o.tbl = v.tbl and o.batch = v.batch and o.current and o.slo = v.slo
          and o.segment = v.segment
      ) old on true
    ), superseded as (
      update mlguard._verdict o set current = false from wanted w where o.id = w.known and p_again and not w.same
    ), kept as (
      insert into mlguard._verdict (
        slo, tbl, over, batch, window_start, window_end, segment, version, outcome, metrics, vals, n, observed, allowed,
        reason, detail)
      select w.slo, w.tbl, w.over, w.batch, w.window_start, w.window_end, w.segment, coalesce(w.known_version, 0) + 1,
             w.outcome, w.metrics, w.vals, w.n, w.observed, w.allowed, w.reason, w.detail
      from wanted w
      where w.known is null or (p_again and not w.same)
      returning _verdict.id, _verdict.outcome
    )
    select k.id, k.outcome from kept k order by k.id;
end
$mlguard$;

comment on function mlguard._keep(mlguard._verdict[], boolean) is
  'Private. Writes verdicts of one batch, or of windows, and their metrics; gives the new ones. p_again: what was found '
  'before is superseded where it differs, else it stays.';


-- What follows from a verdict.

create function mlguard._hold_by(p_verdict mlguard._verdict, p_slo mlguard._slo)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _zone text;
  _when text := '';
begin
  -- One hold for one batch or window; what a person resolved stays resolved.
  if exists (
       select
       from mlguard._hold h
       where h.slo = p_verdict.slo and h.batch is not distinct from p_verdict.batch
         and h.window_start is not distinct from p_verdict.window_start and h.segment = p_verdict.segment
         and (h.ended_at is null or h.resolved)) then
    return;
  end if;
  if p_verdict.window_start is not null then
    -- A late finding about a window after which a good one closed already.
    if p_slo.reopen = 'next' and exists (
         select
         from mlguard._verdict v
         where v.slo = p_verdict.slo and v.over = p_verdict.over and v.window_start > p_verdict.window_start
           and v.segment = p_verdict.segment and v.current and v.outcome = 'PASS') then
      return;
    end if;
    _zone := (select t.time_zone from mlguard._table t where t.tbl = p_verdict.tbl);
    _when := mlguard._in_window(p_verdict.window_start, p_verdict.window_end, _zone);
  end if;
  insert into mlguard._hold (tbl, slo, batch, observed, allowed, window_start, window_end, segment, verdict)
  values (p_verdict.tbl, p_verdict.slo, p_verdict.batch, coalesce(p_verdict.observed, p_verdict.reason) || _when,
          p_verdict.allowed, p_verdict.window_start, p_verdict.window_end, p_verdict.segment, p_verdict.id);
end
$mlguard$;

comment on function mlguard._hold_by(mlguard._verdict, mlguard._slo) is
  'Private. Closes the gate for a batch or window that failed, once.';


create function mlguard._in_window(p_start timestamptz, p_end timestamptz, p_zone text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when l.s::time = '00:00' and l.e::time = '00:00' and l.e::date - l.s::date = 1 then format(' on %s', l.s::date)
    when l.s::time = '00:00' and l.e::time = '00:00' then format(' from %s to %s', l.s::date, l.e::date - 1)
    else format(' from %s to %s %s', to_char(l.s, 'YYYY-MM-DD HH24:MI'),
                to_char(l.e, case when l.s::date = l.e::date then 'HH24:MI' else 'YYYY-MM-DD HH24:MI' end), p_zone)
  end
  from (select p_start at time zone p_zone as s, p_end at time zone p_zone as e) l
$mlguard$;

comment on function mlguard._in_window(timestamptz, timestamptz, text) is
  'Private. A window in words: « on 2026-11-19», days by their last one.';


create function mlguard._refuse_batch(p_failed mlguard._verdict[])
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _v mlguard._verdict := p_failed[1];
  _slo mlguard._slo;
begin
  select s.* into strict _slo from mlguard._slo s where s.id = _v.slo;
  perform mlguard._count_refusal(s.no)
  from mlguard._slo s
  where s.id in (select f.slo from unnest(p_failed) f);
  return mlguard._raise(
    'check_violation',
    format('mlguard: %s: %s over the %s row%s this transaction wrote%s; COMMIT refused, nothing was stored',
           _v.slo, coalesce(_v.observed, _v.reason), _v.n, case when _v.n = 1 then '' else 's' end,
           coalesce(', ' || _v.allowed, '')),
    _v.slo,
    mlguard._detail(
      _v.slo,
      (select jsonb_object_agg(m.metric, m.value) from unnest(_v.metrics, _v.vals) m (metric, value)),
      null, null,
      jsonb_build_object(
        'batch', _v.batch, 'rows', _v.n, 'segment', _v.segment, 'reason', _v.reason,
        'also', (select coalesce(jsonb_agg(jsonb_build_object(
                          'slo', f.slo, 'segment', f.segment, 'observed', f.observed, 'allowed', f.allowed)
                          order by p.place), '[]')
                 from generate_subscripts(p_failed, 1) p (place)
                 cross join lateral (select (p_failed[p.place]).*) f
                 where p.place > 1))),
    mlguard._hint(null, _slo.owner, _slo.runbook, 'Correct the load and send it again.'));
end
$mlguard$;

comment on function mlguard._refuse_batch(mlguard._verdict[]) is
  'Private. Counts the refusals and raises 23514 at COMMIT for the first SLO that failed; names the others in DETAIL.';


create function mlguard._conclude(p_verdict bigint, p_why text default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _v mlguard._verdict;
  _slo mlguard._slo;
  _because text;
begin
  select v.* into _v from mlguard._verdict v where v.id = p_verdict;
  select s.* into _slo from mlguard._slo s where s.id = _v.slo;
  if _slo.id is null or _v.reason is not distinct from 'before the SLO was in force' then
    return;
  end if;
  if _v.outcome = 'FAIL' then
    _because := case when _slo.shadow then 'shadow' when mlguard.waived_v1(_slo.id) then 'waived' end;
    if _because is not null then
      update mlguard._verdict v set outcome = 'NOTED', reason = _because where v.id = p_verdict;
      _v.outcome := 'NOTED';
      _v.reason := _because;
    end if;
  end if;

  if _v.outcome = 'FAIL' and _slo.action = 'reject' then
    perform mlguard._refuse_batch(array[_v]);
  end if;
  -- A new version that fails as the one before did is the same violation.
  if _v.outcome in ('FAIL', 'NOTED')
     and (_v.version = 1 or _v.outcome is distinct from (
       select o.outcome
       from mlguard._verdict o
       where o.slo = _v.slo and o.id < _v.id and o.segment = _v.segment and o.over = _v.over
         and o.batch is not distinct from _v.batch and o.window_start is not distinct from _v.window_start
       order by o.id desc
       limit 1)) then
    insert into mlguard._violation (
      slo, tbl, batch, window_start, window_end, segment, observed, allowed, n, outcome, reason)
    values (
      _v.slo, _v.tbl, _v.batch, _v.window_start, _v.window_end, nullif(_v.segment, '{}')::text,
      (select jsonb_object_agg(m.metric, m.value) from unnest(_v.metrics, _v.vals) m (metric, value)),
      _v.allowed, _v.n, _v.outcome, _v.reason);
  end if;
  -- Staleness is judged by the reader's clock; a hold would outlast it.
  if _v.outcome = 'FAIL' and _slo.action = 'hold' and _slo.level <> 'read' then
    perform mlguard._hold_by(_v, _slo);
  elsif _v.outcome = 'PASS' then
    update mlguard._hold h
    set ended_at = clock_timestamp(), ended_by = 'mlguard',
        reason = coalesce(p_why, case when h.window_start < _v.window_start then 'the next window is good'
                                      else 're-judged good' end)
    where h.tbl = _v.tbl and h.ended_at is null and h.slo = _v.slo and h.segment = _v.segment and h.verdict is not null
      and h.batch is not distinct from _v.batch
      and case
            when _v.window_start is null then h.window_start is null
            when _slo.reopen = 'same' then h.window_start = _v.window_start
            else h.window_start <= _v.window_start
          end;
  end if;
  if to_regprocedure('mlguard._incident_of(bigint)') is not null then
    perform mlguard._incident_of(p_verdict);
  end if;
end
$mlguard$;

comment on function mlguard._conclude(bigint, text) is
  'Private. Acts on a verdict: notes the violation, refuses, opens and ends holds, tells incidents.';


create function mlguard._end_holds(p_slo text, p_reason text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _ended integer;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = session_user, reason = p_reason, resolved = true
  where h.slo = p_slo and h.ended_at is null;
  get diagnostics _ended = row_count;
  return _ended;
end
$mlguard$;

comment on function mlguard._end_holds(text, text) is
  'Private. A person ends every hold of an SLO, for the batches and windows it holds now; returns how many.';


create function mlguard._judge(p_slo mlguard._slo, p_states jsonb, p_c jsonb, p_why text default null)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _id bigint;
begin
  select k.id into _id from mlguard._keep(array[mlguard._find(p_slo, p_states, p_c)], true) k;
  if _id is not null then
    perform mlguard._conclude(_id, p_why);
  end if;
  return _id;
end
$mlguard$;

comment on function mlguard._judge(mlguard._slo, jsonb, jsonb, text) is
  'Private. Judges one SLO over one batch or window and acts on it; returns the verdict, null where nothing is new.';


-- Batches.

create function mlguard._own_removals(p_batch bigint)
returns bigint[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _tbl text;
  _from bigint;
  _last_insert bigint;
  _replaces boolean;
begin
  -- Transition tables do not tell which transaction wrote an old row. A load that corrects itself inserts first and
  -- then changes or deletes fewer rows, of the same buckets; a reload deletes first; upserts change rows before the
  -- last of them is inserted.
  select coalesce(max(s.id) filter (where s.op = 'TRUNCATE'), 0), max(s.id) filter (where s.op = 'INSERT' and s.sign = 1)
  into _from, _last_insert
  from mlguard._state s
  where s.batch = p_batch;
  _replaces := exists (
    select
    from mlguard._state s
    where s.batch = p_batch and s.op = 'UPDATE' and s.sign = -1 and s.id > _from and s.id < _last_insert and s.n > 0);
  return array(
    select s.id
    from mlguard._state s
    join (
      select i.bucket, sum(i.n) as n
      from mlguard._state i
      where i.batch = p_batch and i.op = 'INSERT' and i.sign = 1 and i.segment = '{}' and i.id > _from
      group by i.bucket
    ) inserted on inserted.bucket is not distinct from s.bucket
    where s.batch = p_batch and s.sign = -1 and s.id > _last_insert and s.n <= inserted.n
      and (s.op = 'DELETE' or (s.op = 'UPDATE' and not _replaces)));
end
$mlguard$;

comment on function mlguard._own_removals(bigint) is
  'Private. Which rows of mlguard._state tell of rows that the batch itself wrote and took away again, as far as can '
  'be told.';


create function mlguard._batch_states(p_batch bigint)
returns table (segment jsonb, states jsonb)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _from bigint := 0;
  _own bigint[] := '{}';
  _corrected boolean := exists (select from mlguard._state s where s.corrects = p_batch);
begin
  if not _corrected and not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return query
      select s.segment, mlguard.merge_v1(s.states) from mlguard._state s where s.batch = p_batch group by s.segment;
    return;
  end if;

  _from := coalesce((select max(s.id) from mlguard._state s where s.batch = p_batch and s.op = 'TRUNCATE'), 0);
  _own := mlguard._own_removals(p_batch);
  -- Fewer than none of something: the rows taken away were of other batches after all.
  if exists (
       select
       from (
         select mlguard._unmerge(
                  mlguard.merge_v1(s.states) filter (where s.sign > 0),
                  mlguard.merge_v1(s.states) filter (where s.sign < 0)) as states
         from mlguard._state s
         where s.batch = p_batch and s.id > _from and (s.sign > 0 or s.id = any (_own))
         group by s.segment
       ) net
       cross join lateral jsonb_each(net.states) e
       where e.key ~ '^(n|have|nan|zero|negative|true)\M' and e.value < '0'::jsonb) then
    _own := '{}';
  end if;
  return query
    select c.segment,
           mlguard._unmerge(
             mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0))
    from (
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.batch = p_batch and s.id > _from and (s.sign > 0 or s.id = any (_own))
      union all
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.corrects = p_batch
    ) c
    group by c.segment;
end
$mlguard$;

comment on function mlguard._batch_states(bigint) is
  'Private. What a batch wrote, by segment: without what it took away again itself, with what corrected it later.';


create function mlguard._pooled(
  p_segments jsonb[], p_states jsonb[], p_by text[], p_alone jsonb[], p_most integer)
returns table (segment jsonb, states jsonb)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  with mine as materialized (
    select s.segment, s.states,
           row_number() over (order by (s.states ->> 'n')::numeric desc nulls last, s.segment) as place
    from unnest(p_segments, p_states) s (segment, states)
    where (select coalesce(array_agg(k.name order by k.name collate "C"), '{}') from jsonb_object_keys(s.segment) k (name))
          = array(select b.name from unnest(p_by) b (name) order by b.name collate "C")
  )
  select m.segment, m.states
  from mine m
  where case when p_alone is null then m.place <= p_most else m.segment = any (p_alone) end
  union all
  select '{"*": "other"}', mlguard.merge_v1(m.states)
  from mine m
  where not case when p_alone is null then m.place <= p_most else m.segment = any (p_alone) end
  having count(*) > 0
  union all
  select a.segment, '{"n": 0}'
  from unnest(p_alone) a (segment)
  where not exists (select from mine m where m.segment = a.segment)
$mlguard$;

comment on function mlguard._pooled(jsonb[], jsonb[], text[], jsonb[], integer) is
  'Private. The segments of an SLO: those judged alone (absent ones with no rows), all others as one. p_alone: which '
  'these are; null: the p_most largest.';


create function mlguard._judge_metrics(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
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
    select s.* from mlguard._slo s where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null order by s.no
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

comment on function mlguard._judge_metrics(bigint, text) is
  'Private. Judges the metrics of a batch at COMMIT: the first SLO that rejects raises, everything else is kept.';


create function mlguard._emptied(p_hold bigint, p_why text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _hold mlguard._hold;
  _slo mlguard._slo;
  _v mlguard._verdict;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = p_why
  where h.id = p_hold
  returning h.* into _hold;
  select s.* into _slo from mlguard._slo s where s.id = _hold.slo;
  if found then
    _v := mlguard._verdict_of(_slo, mlguard._scope(_hold.tbl, 'batch', _hold.batch, null, null, _hold.segment));
    _v.outcome := 'INSUFFICIENT';
    _v.n := 0;
    _v.reason := 'no rows are left of it';
    perform mlguard._keep(array[_v], true);
  end if;
end
$mlguard$;

comment on function mlguard._emptied(bigint, text) is 'Private. Ends the hold of a batch of which no rows are left.';


create function mlguard._correct_held(p_batch bigint, p_tbl text)
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

  -- What was taken away belongs to the newest held batch that wrote into the same bucket; what replaces it goes along.
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
  where s.batch = p_batch and s.corrects is null and (s.sign < 0 or s.op = 'UPDATE');

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

comment on function mlguard._correct_held(bigint, text) is
  'Private. Counts what a batch changed and deleted with the held batches it belongs to, and judges those again.';


create or replace function mlguard._judge_batch()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _table mlguard._table;
  _n bigint;
  _over record;
  _allowed text;
  _raised boolean;
begin
  -- Cleared first: the next statement then opens a new stretch, also under SET CONSTRAINTS … IMMEDIATE.
  update mlguard._delta set first = false where id = new.id;

  _n := (select sum(d.landed) from mlguard._delta d where d.batch = new.batch)
        + (select count(*) from mlguard._quarantine q where q.batch = new.batch);

  select s.*, b.bad
  into _over
  from mlguard._bad_rows(new.batch) b
  join mlguard._slo s on s.id = b.slo
  where not s.shadow
    and (b.bad > s.max_bad_rows or (_n >= s.min_rows and b.bad > s.max_bad_share * _n))
    and not mlguard.waived_v1(s.id)
  order by s.no
  limit 1;

  if found then
    _allowed := coalesce(_over.max_bad_rows || ' rows', trim_scale(_over.max_bad_share * 100) || '%');
    perform mlguard._count_refusal(_over.no);
    _raised := mlguard._raise(
      'check_violation',
      format('mlguard: %s: %s bad rows%s of the %s rows this transaction wrote, allowed %s; '
             'COMMIT refused, nothing was stored',
             _over.id, _over.bad,
             case when _over.max_bad_rows is null
               then ' (' || trim_scale(round(100.0 * _over.bad / _n, 2)) || '%)'
             end,
             _n, _allowed),
      _over.id,
      mlguard._detail(_over.id, jsonb_build_object('bad', _over.bad, 'rows', _n), 'allowed ' || _allowed, null,
                      jsonb_build_object('batch', new.batch)),
      mlguard._hint(null, _over.owner, _over.runbook, 'Correct the load and send it again.'));
  end if;

  select t.*
  into _table
  from mlguard._table t
  where t.tbl = (select b.tbl from mlguard._batch b where b.id = new.batch);
  if _table.judges_batches then
    perform mlguard._judge_metrics(new.batch, _table.tbl);
    perform mlguard._correct_held(new.batch, _table.tbl);
    if to_regprocedure('mlguard._judge_usual_batch(bigint)') is not null
       and exists (
         select
         from mlguard._slo s
         where s.tbl = _table.tbl and s.level = 'batch' and s.learned <> '{}') then
      perform mlguard._judge_usual_batch(new.batch);
    end if;
  end if;
  if _table.base is not null then
    perform mlguard._judge_due(_table.tbl);
  end if;
  return null;
end
$mlguard$;

comment on function mlguard._judge_batch() is
  'Private. Judges a batch at COMMIT: max_bad, then metrics, then batches it corrects, then windows that closed.';
