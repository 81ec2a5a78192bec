-- Baselines: what distributions are compared with. Frozen and versioned together with the edges of their bins, because
-- counts over other edges cannot be compared. Writers read the edges; only sweep() and set_baseline() write here.

alter table mlguard._table
  add column event_sql text,
  add column missing jsonb not null default '{}';

comment on column mlguard._table.event_sql is
  'The event time of a row t as timestamptz, in SQL as mlguard writes it; null: the table has none.';
comment on column mlguard._table.missing is
  'What counts as missing beside NULL: {column: [values as text]}; numbers are compared as numbers.';


create table mlguard._baseline (
  tbl text not null,
  version integer not null,
  kind text not null,
  source text not null,
  starts timestamptz,
  ends timestamptz,
  state text not null default 'learning',
  n bigint,
  set_at timestamptz not null default pg_catalog.clock_timestamp(),
  set_by text not null default session_user,
  next_at timestamptz,
  primary key (tbl, version),
  constraint _baseline_kind check (kind in ('first', 'previous', 'window', 'table', 'file', 'ticket')),
  constraint _baseline_state check (state in ('learning', 'frozen', 'replaced'))
);

-- Generated triggers ask for the version at the start of each statement.
create unique index _baseline_frozen on mlguard._baseline (tbl) where state = 'frozen';
create unique index _baseline_learning on mlguard._baseline (tbl) where state = 'learning';

comment on table mlguard._baseline is
  'Private. One row per version of a table''s baseline; what is counted with one version is compared with no other.';
comment on column mlguard._baseline.tbl is 'The table.';
comment on column mlguard._baseline.version is 'Counts the baselines of the table.';
comment on column mlguard._baseline.kind is
  'first or previous: learned from the first days, or from those before what is judged; window, table, file: set by '
  'hand; ticket: what a model was trained on.';
comment on column mlguard._baseline.source is 'In words: first 28 days, all rows, features.training, ref.parquet.';
comment on column mlguard._baseline.starts is
  'Event time of its first rows; null: it has no limit, or the table no event time.';
comment on column mlguard._baseline.ends is 'Event time up to which its rows reach, itself not included.';
comment on column mlguard._baseline.state is
  'learning: not there yet; frozen: the one in use; replaced: kept for explain.';
comment on column mlguard._baseline.n is 'Values of the column that has most.';
comment on column mlguard._baseline.set_at is 'When it was frozen; of one that is learned still, since when.';
comment on column mlguard._baseline.set_by is 'Who set it, or whose sweep froze it.';
comment on column mlguard._baseline.next_at is 'Columns it lacks are not looked for again before then.';


create table mlguard._baseline_column (
  tbl text not null,
  version integer not null,
  column_name text not null,
  key text not null,
  segment jsonb not null default '{}',
  kind text not null,
  edges double precision[],
  counts bigint[],
  categories jsonb,
  other bigint not null default 0,
  n bigint not null,
  sampled bigint,
  missing bigint,
  starts timestamptz,
  ends timestamptz,
  primary key (tbl, version, column_name, key, segment),
  constraint _baseline_column_kind check (kind in ('number', 'category')),
  constraint _baseline_column_bins check (kind <> 'number' or cardinality(counts) = cardinality(edges) + 1)
);

comment on table mlguard._baseline_column is 'Private. The distribution of each compared column in a baseline.';
comment on column mlguard._baseline_column.tbl is 'The table.';
comment on column mlguard._baseline_column.version is 'The version of its baseline.';
comment on column mlguard._baseline_column.column_name is 'The column.';
comment on column mlguard._baseline_column.key is
  'The state it is compared with: bins(age), values(plan), values(plan) where source = ''web''.';
comment on column mlguard._baseline_column.segment is 'Values of the segment columns; {}: all rows.';
comment on column mlguard._baseline_column.kind is 'number: in bins; category: value by value.';
comment on column mlguard._baseline_column.edges is
  'Edges of the bins, ascending; bin i holds the values above edge i - 1 and up to edge i.';
comment on column mlguard._baseline_column.counts is 'Values in each bin.';
comment on column mlguard._baseline_column.categories is
  'Values of each category: {"free": 120}; the 1000 most frequent, of pii columns by hash.';
comment on column mlguard._baseline_column.other is 'Values of all other categories.';
comment on column mlguard._baseline_column.n is 'Values, NaN and missing ones left out.';
comment on column mlguard._baseline_column.sampled is 'Values that were looked at for it; null: all of them.';
comment on column mlguard._baseline_column.missing is 'Missing values and NaN; null: not counted.';
comment on column mlguard._baseline_column.starts is 'Event time of its first rows, as of the baseline.';
comment on column mlguard._baseline_column.ends is 'Event time up to which its rows reach.';


-- Windows labelled as faults are looked up with every comparison with previous days.
create index _metric_excluded on mlguard._metric (tbl, window_start) where excluded and current;


create function mlguard.baseline_version_v1(p_tbl text)
returns integer
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (select b.version from mlguard._baseline b where b.tbl = p_tbl and b.state = 'frozen');
end
$mlguard$;

comment on function mlguard.baseline_version_v1(text) is 'The version of the baseline in use; null: there is none yet.';


create function mlguard.edges_v1(p_tbl text, p_column text)
returns double precision[]
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (
    select k.edges
    from mlguard._baseline b
    join mlguard._baseline_column k on k.tbl = b.tbl and k.version = b.version
    where b.tbl = p_tbl and b.state = 'frozen' and k.column_name = p_column and k.kind = 'number'
    limit 1);
end
$mlguard$;

comment on function mlguard.edges_v1(text, text) is
  'Edges of the bins in which values of a column are counted now; null: there is no baseline of it yet.';


-- Distances between counts of the same bins or categories. Each is a pure function, and mlguard.learn.distance has its
-- twin in Python.

create function mlguard._psi(p_here double precision[], p_baseline double precision[])
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Half a value of the smaller side is added to every share of both: an empty bin has a logarithm then, and one that
  -- is as rare here as there counts for nothing however unequal the sides are.
  with sides as (
    select sum(b.here) as n, sum(b.there) as m, 0.5 / least(sum(b.here), sum(b.there)) as half, count(*) as bins
    from unnest(p_here, p_baseline) b (here, there)
  ), shares as (
    select (b.here / s.n + s.half) / (1 + s.half * s.bins) as p, (b.there / s.m + s.half) / (1 + s.half * s.bins) as q
    from unnest(p_here, p_baseline) b (here, there), sides s
  )
  select sum((h.p - h.q) * ln(h.p / h.q)) from shares h
$mlguard$;

comment on function mlguard._psi(double precision[], double precision[]) is
  'Private. Population stability index: sum of (p - q) ln(p / q). Siddiqi, Credit Risk Scorecards (2006), chapter 10.';


create function mlguard._js(p_here double precision[], p_baseline double precision[])
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  ), shares as (
    select b.here / s.n + b.there / s.m as total,
           abs(b.here / s.n - b.there / s.m) / (b.here / s.n + b.there / s.m) as d
    from unnest(p_here, p_baseline) b (here, there), sides s
    where b.here + b.there > 0
  ), parts as (
    -- (1 + d) ln(1 + d) + (1 - d) ln(1 - d), whose digits cancel where d is small: d² + d⁴ / 6 + d⁶ / 15 + …
    select h.total * case
      when h.d < 0.05 then
        h.d ^ 2 * (1 + h.d ^ 2 * (1 / 6.0::float8 + h.d ^ 2 * (1 / 15.0::float8 + h.d ^ 2 * (
          1 / 28.0::float8 + h.d ^ 2 * (1 / 45.0::float8 + h.d ^ 2 / 66)))))
      when h.d < 1 then (1 + h.d) * ln(1 + h.d) + (1 - h.d) * ln(1 - h.d)
      else (1 + h.d) * ln(1 + h.d)
    end as part
    from shares h
  )
  select least(1, sqrt(sum(t.part) / (4 * ln(2.0::float8)))) from parts t
$mlguard$;

comment on function mlguard._js(double precision[], double precision[]) is
  'Private. Jensen-Shannon distance: root of the divergence in bits. Lin (1991), Endres and Schindelin (2003).';


create function mlguard._ks(p_here double precision[], p_baseline double precision[])
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  ), cumulated as (
    select sum(b.here) over (order by b.bin) as here, sum(b.there) over (order by b.bin) as there
    from unnest(p_here, p_baseline) with ordinality b (here, there, bin)
  )
  select max(abs(c.here / s.n - c.there / s.m)) from cumulated c, sides s
$mlguard$;

comment on function mlguard._ks(double precision[], double precision[]) is
  'Private. Two-sample Kolmogorov-Smirnov statistic at the edges of ordered bins. Smirnov (1948).';


create function mlguard._linf(p_here double precision[], p_baseline double precision[])
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  )
  select max(abs(b.here / s.n - b.there / s.m)) from unnest(p_here, p_baseline) b (here, there), sides s
$mlguard$;

comment on function mlguard._linf(double precision[], double precision[]) is
  'Private. Greatest difference of the share of one bin or category.';


create function mlguard._chi_squared(p_freedom double precision)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- 3.09… is the quantile of the normal distribution at 0.999.
  select p_freedom * (1 - 2 / (9 * p_freedom) + 3.090232306167813::float8 * sqrt(2 / (9 * p_freedom))) ^ 3
$mlguard$;

comment on function mlguard._chi_squared(double precision) is
  'Private. Quantile 0.999 of the chi-squared distribution. Wilson and Hilferty (1931).';


create function mlguard._normal_tail(p_probability double precision)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (((((((7.74545014278341407640e-4 * r.r + 2.27238449892691845833e-2) * r.r + 2.41780725177450611770e-1) * r.r
               + 1.27045825245236838258) * r.r + 3.64784832476320460504) * r.r + 5.76949722146069140550) * r.r
            + 4.63033784615654529590) * r.r + 1.42343711074968357734)
         / (((((((1.05075007164441684324e-9 * r.r + 5.47593808499534494600e-4) * r.r + 1.51986665636164571966e-2) * r.r
                 + 1.48103976427480074590e-1) * r.r + 6.89767334985100004550e-1) * r.r + 1.67638483018380384940) * r.r
              + 2.05319162663775882187) * r.r + 1)
  from (select sqrt(-ln(p_probability)) - 1.6::float8 as r) r
$mlguard$;

comment on function mlguard._normal_tail(double precision) is
  'Private. What a standard normal variable exceeds with this probability, 1e-11 to 0.07. Wichura, AS 241 (1988).';


create function mlguard._noise(p_metric text, p_here double precision[], p_baseline double precision[])
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- psi and js are (1/n + 1/m) times a chi-squared variable, js over 8 ln 2 and under the root (second-order
  -- expansion), with one degree of freedom for each bin but one. A bin in which the smaller side can expect few values
  -- counts for less in psi and for more in js; both fits are good to 7 % of the exact Poisson means. Below -700 exp()
  -- would raise instead of being 0.
  with sides as (
    select sum(b.here) as n, sum(b.there) as m, 1 / sum(b.here) + 1 / sum(b.there) as spread,
           least(sum(b.here), sum(b.there)) as least, count(*) as bins
    from unnest(p_here, p_baseline) b (here, there)
  ), pooled as (
    select (b.here + b.there) / (s.n + s.m) as share, s.least * (b.here + b.there) / (s.n + s.m) as expected
    from unnest(p_here, p_baseline) b (here, there), sides s
  )
  select case p_metric
    when 'psi' then s.spread * mlguard._chi_squared((
      select greatest(sum(1 - exp(greatest(-1.2::float8 * p.expected, -700))) - 1, 1) from pooled p))
    when 'js' then sqrt(s.spread / (8 * ln(2.0::float8)) * mlguard._chi_squared((
      select greatest(
        sum((1 - exp(greatest(-4 * p.expected, -700))) * (1 + 0.6::float8 / greatest(p.expected, 1.6::float8))) - 1, 1)
      from pooled p)))
    -- The first term of Kolmogorov's series at 1 in 1000.
    when 'ks' then sqrt(-ln(0.0005::float8) / 2 * s.spread)
    -- Bonferroni over the bins; binomial quantile by Cornish and Fisher (1938), half a value for continuity.
    when 'linf' then (
      select max(z.z * sqrt(p.share * (1 - p.share) * s.spread) + (z.z ^ 2 - 1) / 6 * abs(1 - 2 * p.share) / s.least)
      from pooled p, (select mlguard._normal_tail(0.0005::float8 / s.bins) as z) z) + 0.5 / s.least
  end
  from sides s
$mlguard$;

comment on function mlguard._noise(text, double precision[], double precision[]) is
  'Private. The distance that chance alone exceeds once in 1000, were both sides samples of one distribution.';


create function mlguard.noise_v1(p_metric text, p_n bigint, p_m bigint, p_bins integer)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._noise(
    p_metric, array_fill(p_n / p_bins::float8, array[p_bins]), array_fill(p_m / p_bins::float8, array[p_bins]))
$mlguard$;

comment on function mlguard.noise_v1(text, bigint, bigint, integer) is
  'The psi, js, ks or linf that chance alone exceeds once in 1000 between n values and a baseline of m, in bins that '
  'are equally full.';


-- What is compared with what.

create function mlguard._left_out(p_tbl text, p_from timestamptz, p_to timestamptz)
returns tstzmultirange
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (
    select coalesce(range_agg(tstzrange(w.window_start, w.window_end)), '{}')
    from (
      select v.window_start, v.window_end
      from mlguard._slo s
      join mlguard._verdict v
        on v.slo = s.id and v.current and v.outcome = 'FAIL' and v.window_start < coalesce(p_to, 'infinity')
      where s.tbl = p_tbl and s.action = 'hold' and v.over not like 'last %'
        and not exists (
          select
          from mlguard._incident i
          where i.slo = v.slo and i.segment = v.segment and i.label in ('false', 'expected')
            and i.scope && tstzrange(v.window_start, v.window_end))
      union all
      select m.window_start, m.window_end
      from mlguard._metric m
      where m.tbl = p_tbl and m.current and m.excluded and m.over not like 'last %'
    ) w
    where w.window_start < coalesce(p_to, 'infinity') and w.window_end > coalesce(p_from, '-infinity')
      and w.window_start < w.window_end);
end
$mlguard$;

comment on function mlguard._left_out(text, timestamptz, timestamptz) is
  'Private. Windows no baseline is made of: labelled as faults, or failed under a hold that nobody called a false '
  'alarm.';


create function mlguard._previous(
  p_baseline mlguard._baseline, p_c jsonb, p_segment jsonb, p_key text, p_bins boolean)
returns jsonb
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _at timestamptz := coalesce(
    (p_c ->> 'start')::timestamptz,
    (select b.opened_at from mlguard._batch b where b.id = (p_c ->> 'batch')::bigint),
    statement_timestamp());
  _from timestamptz;
  _left_out tstzmultirange;
begin
  select (_at at time zone t.time_zone - substr(p_baseline.source, length('previous ') + 1)::interval)
         at time zone t.time_zone
  into _from
  from mlguard._table t
  where t.tbl = p_baseline.tbl;
  _left_out := mlguard._left_out(p_baseline.tbl, _from, _at);
  return (
    select mlguard.merge_v1(jsonb_build_object(p_key, b.states -> p_key)) -> p_key
    from mlguard._bucket b
    where b.tbl = p_baseline.tbl and b.bucket >= _from and b.bucket < _at and b.segment = p_segment
      and b.states ? p_key and not _left_out @> b.bucket
      and (not p_bins
           or (b.states -> p_key ->> 'v')::integer = p_baseline.version and not (b.states -> p_key) ? 'partial'));
end
$mlguard$;

comment on function mlguard._previous(mlguard._baseline, jsonb, jsonb, text, boolean) is
  'Private. The merged state of the buckets before a batch or window, where these are the baseline; null: there is '
  'none.';


create function mlguard._counted_by_time(p_table mlguard._table)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select p_table.recount is not null and p_table.base is not null and p_table.event_sql is not null
$mlguard$;

comment on function mlguard._counted_by_time(mlguard._table) is
  'Private. Whether the buckets of a table can be computed from its stored rows: these tell which bucket they are of.';


create function mlguard._counted(p_baseline mlguard._baseline, p_c jsonb)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Buckets by event time are counted anew for a new baseline; other rows are counted by the edges they met.
  select (p_c ->> 'batch' is null and mlguard._counted_by_time(t))
         or p_baseline.set_at <= coalesce(
              (p_c ->> 'start')::timestamptz,
              (select b.opened_at from mlguard._batch b where b.id = (p_c ->> 'batch')::bigint))
  from mlguard._table t
  where t.tbl = p_baseline.tbl
$mlguard$;

comment on function mlguard._counted(mlguard._baseline, jsonb) is
  'Private. Whether the rows of a batch or window were counted by the edges of a baseline, if they have values at all.';


create function mlguard._compared(
  p_s jsonb, p_c jsonb, p_key text, p_column text,
  out here double precision[], out baseline double precision[], out labels text[], out words text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _segment jsonb := coalesce(p_c -> 'segment', '{}');
  _state jsonb := p_s -> p_key;
  _baseline mlguard._baseline;
  _column mlguard._baseline_column;
  _past jsonb;
  _n double precision;
  _m double precision;
  _scale_n double precision;
  _scale_m double precision;
begin
  select b.* into _baseline from mlguard._baseline b where b.tbl = p_c ->> 'tbl' and b.state = 'frozen';
  select k.*
  into _column
  from mlguard._baseline_column k
  where k.tbl = _baseline.tbl and k.version = _baseline.version and k.column_name = p_column and k.key = p_key
    and k.segment = _segment and k.n > 0;
  if _column.key is null and _segment <> '{}' then
    -- Files and other tables have no segments: all of these are compared with the whole.
    select k.*
    into _column
    from mlguard._baseline_column k
    where k.tbl = _baseline.tbl and k.version = _baseline.version and k.column_name = p_column and k.key = p_key
      and k.segment = '{}' and _baseline.kind in ('table', 'file');
    if _column.key is null and _baseline.tbl is not null then
      words := 'this segment is not in the baseline';
      return;
    end if;
  end if;
  if _column.key is null then
    words := 'no baseline yet';
    return;
  end if;

  if _column.kind = 'number' and _state is null and coalesce((p_s ->> 'n')::numeric, 0) > 0
     and not mlguard._counted(_baseline, p_c) then
    words := format('counted before baseline %s', _baseline.version);
  elsif coalesce((_state ->> 'n')::numeric, 0) <= 0 then
    words := 'no values';
  elsif _column.kind = 'number'
        and ((_state ->> 'v')::integer is distinct from _baseline.version or _state ? 'partial') then
    words := format('counted before baseline %s', _baseline.version);
  end if;
  if words is not null then
    return;
  end if;

  if _baseline.kind = 'previous' then
    _past := mlguard._previous(_baseline, p_c, _segment, p_key, _column.kind = 'number');
    if (_past ->> 'n')::numeric >= 200 then
      _column.n := (_past ->> 'n')::numeric;
      _column.sampled := (_past ->> 'sampled')::numeric;
      if _column.kind = 'number' then
        _column.counts := array(select c.count::numeric
                                from jsonb_array_elements_text(_past -> 'c') with ordinality c (count, bin)
                                order by c.bin);
      else
        _column.categories := _past -> 'c';
        _column.other := coalesce((_past ->> 'other')::numeric, 0);
      end if;
    end if;
  end if;

  -- Of a sample, as many values count as were looked at.
  _n := coalesce(_state ->> 'sampled', _state ->> 'n')::double precision;
  _m := coalesce(_column.sampled, _column.n);
  _scale_n := _n / (_state ->> 'n')::double precision;
  _scale_m := _m / _column.n;

  if _column.kind = 'number' then
    select array_agg(b.here * _scale_n order by b.bin), array_agg(b.there * _scale_m order by b.bin),
           array_agg(case
             when b.bin > cardinality(_column.edges) then '> ' || _column.edges[b.bin - 1]
             -- The edge just below the least value is there to part what is smaller.
             when b.bin = 1 and _column.edges[2] - _column.edges[1] <= greatest(abs(_column.edges[2]), 1) * 2e-9
             then '< ' || _column.edges[2]
             else '<= ' || _column.edges[b.bin]
           end order by b.bin)
    into here, baseline, labels
    from (
      -- Below zero where rows were taken away that had been counted elsewhere.
      select b.bin, greatest((_state -> 'c' ->> (b.bin - 1)::integer)::double precision, 0) as here, b.there
      from unnest(_column.counts) with ordinality b (there, bin)
    ) b
    where b.here + b.there > 0;
    if (select coalesce(sum(b.n), 0) from unnest(here) b (n)) = 0 then
      words := 'no values';
    end if;
    return;
  end if;

  -- Categories too rare to compare make one, together with what is not listed: those that, by the shares of both sides
  -- pooled, fewer than 5 values of as many as the baseline has would fall in.
  with both_sides as (
    select coalesce(h.name, b.name) as name, greatest(coalesce(h.n::double precision, 0), 0) * _scale_n as here,
           coalesce(b.n::double precision, 0) * _scale_m as there
    from jsonb_each_text(_state -> 'c') h (name, n)
    full join jsonb_each_text(_column.categories) b (name, n) on b.name = h.name
  ), judged as (
    select b.*, _m * (b.here + b.there) / (_n + _m) >= 5 as kept from both_sides b
  ), sides as (
    select j.name, j.here, j.there from judged j where j.kept
    union all
    select null,
           greatest(coalesce((_state ->> 'other')::double precision, 0), 0) * _scale_n
           + coalesce(sum(j.here) filter (where not j.kept), 0),
           _column.other * _scale_m + coalesce(sum(j.there) filter (where not j.kept), 0)
    from judged j
    having bool_or(j.kept)
  )
  select array_agg(s.here order by s.name collate "C"), array_agg(s.there order by s.name collate "C"),
         array_agg(coalesce(s.name, 'all others') order by s.name collate "C")
  into here, baseline, labels
  from sides s
  where s.here + s.there > 0;
  if here is null then
    words := 'its categories are too rare to compare';
  elsif (select sum(b.n) from unnest(here) b (n)) = 0 then
    words := 'no values';
  end if;
end
$mlguard$;

comment on function mlguard._compared(jsonb, jsonb, text, text) is
  'Private. Values in each bin or category here and in the baseline, as they are compared; words: why there is nothing '
  'to compare.';


create function mlguard._new_categories(
  p_s jsonb, p_c jsonb, p_key text, p_column text, out rate double precision, out words text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _state jsonb := p_s -> p_key;
  _baseline mlguard._baseline;
  _column mlguard._baseline_column;
  _past jsonb;
begin
  -- What no segment of the baseline knew is new, whichever segment it turns up in.
  select k.*
  into _column
  from mlguard._baseline b
  join mlguard._baseline_column k on k.tbl = b.tbl and k.version = b.version
  where b.tbl = p_c ->> 'tbl' and b.state = 'frozen' and k.column_name = p_column and k.key = p_key
    and k.segment = '{}' and k.n > 0;
  if not found then
    words := 'no baseline yet';
    return;
  end if;
  select b.* into _baseline from mlguard._baseline b where b.tbl = _column.tbl and b.version = _column.version;
  if _baseline.kind = 'previous' then
    _past := mlguard._previous(_baseline, p_c, '{}', p_key, false);
    if (_past ->> 'n')::numeric >= 200 then
      _column.categories := _past -> 'c';
      _column.other := coalesce((_past ->> 'other')::numeric, 0);
    end if;
  end if;
  words := case
    when coalesce((_state ->> 'n')::numeric, 0) <= 0 then 'no values'
    when _column.other > 0 then 'the baseline has more than 1000 categories'
  end;
  if words is null then
    select ((_state ->> 'other')::double precision
            + coalesce(sum(h.n::double precision) filter (where not _column.categories ? h.name), 0))
           / (_state ->> 'n')::double precision
    into rate
    from jsonb_each_text(_state -> 'c') h (name, n);
  end if;
end
$mlguard$;

comment on function mlguard._new_categories(jsonb, jsonb, text, text) is
  'Private. Share of values whose category the baseline does not know; words: why that cannot be told.';


-- What generated verdict functions call.

create function mlguard.psi_v1(p_s jsonb, p_c jsonb, p_key text, p_column text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when c.words is null then mlguard._psi(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$mlguard$;

comment on function mlguard.psi_v1(jsonb, jsonb, text, text) is
  'Population stability index of a column against its baseline; null: no_distance_v1 says why.';


create function mlguard.js_v1(p_s jsonb, p_c jsonb, p_key text, p_column text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when c.words is null then mlguard._js(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$mlguard$;

comment on function mlguard.js_v1(jsonb, jsonb, text, text) is
  'Jensen-Shannon distance of a column from its baseline; null: no_distance_v1 says why.';


create function mlguard.ks_v1(p_s jsonb, p_c jsonb, p_key text, p_column text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when c.words is null and p_key like 'bins(%' then mlguard._ks(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$mlguard$;

comment on function mlguard.ks_v1(jsonb, jsonb, text, text) is
  'Kolmogorov-Smirnov statistic of a number column against its baseline; null: no_distance_v1 says why.';


create function mlguard.linf_v1(p_s jsonb, p_c jsonb, p_key text, p_column text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case when c.words is null then mlguard._linf(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$mlguard$;

comment on function mlguard.linf_v1(jsonb, jsonb, text, text) is
  'Greatest difference of one share of a column from its baseline; null: no_distance_v1 says why.';


create function mlguard.new_categories_v1(p_s jsonb, p_c jsonb, p_key text, p_column text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select c.rate from mlguard._new_categories(p_s, p_c, p_key, p_column) c
$mlguard$;

comment on function mlguard.new_categories_v1(jsonb, jsonb, text, text) is
  'Share of the values of a column whose category its baseline does not know; null: no_distance_v1 says why.';


create function mlguard.no_distance_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when p_metric = 'new_category_rate' then (mlguard._new_categories(p_s, p_c, p_key, p_column)).words
    else (mlguard._compared(p_s, p_c, p_key, p_column)).words
  end
$mlguard$;

comment on function mlguard.no_distance_v1(jsonb, jsonb, text, text, text) is
  'Why a metric (psi, js, ks, linf, new_category_rate) has no value: no values, no baseline yet, …; null: it has one.';


create function mlguard._short(p_number double precision)
returns text
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select trim_scale(round(p_number::numeric, case
    when p_number = 0 or abs(p_number) >= 0.1 then 3
    else 2 - floor(log(abs(p_number)::numeric))::integer
  end))::text
$mlguard$;

comment on function mlguard._short(double precision) is
  'Private. A distance in words: three decimals, of small ones three digits.';


create function mlguard.within_noise_v1(
  p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text, p_value double precision)
returns text
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _compared record;
  _n double precision;
  _m double precision;
  _noise double precision;
begin
  if p_value is null or p_metric = 'new_category_rate' then
    return null;
  end if;
  _compared := mlguard._compared(p_s, p_c, p_key, p_column);
  _noise := mlguard._noise(p_metric, _compared.here, _compared.baseline);
  if _noise is null or p_value > _noise then
    return null;
  end if;
  select sum(b.here), sum(b.there) into _n, _m from unnest(_compared.here, _compared.baseline) b (here, there);
  return format('n = %s values%s cannot tell %s from chance (up to %s)',
                round(_n), case when _m < _n then format(' and a baseline of %s', round(_m)) else '' end,
                mlguard._short(p_value), mlguard._short(_noise));
end
$mlguard$;

comment on function mlguard.within_noise_v1(jsonb, jsonb, text, text, text, double precision) is
  'Says that a distance is no greater than chance alone gives once in 1000; null: it is.';



create function mlguard._baseline_metrics(p_metrics text[])
returns table (metric text, name text, column_name text, spelled text)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- psi(age), psi("Age") where plan = 'free'; the argument is spelled as in the names of states.
  select m.metric, f.parts[1],
         case
           when f.parts[2] like '"%' then replace(substr(f.parts[2], 2, length(f.parts[2]) - 2), '""', '"')
           else f.parts[2]
         end,
         f.parts[2]
  from unnest(p_metrics) m (metric)
  cross join lateral regexp_match(
    m.metric, '^(psi|js|ks|linf|new_category_rate)\(("(?:[^"]|"")+"|[^")]+)\)(?: where .*)?$') f (parts)
  where f.parts is not null
$mlguard$;

comment on function mlguard._baseline_metrics(text[]) is
  'Private. Those of some metrics that compare with a baseline: which metric, and of which column.';


create function mlguard._distance_detail(p_slo mlguard._slo, p_s jsonb, p_c jsonb)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _pii text[] := (select t.pii from mlguard._table t where t.tbl = p_slo.tbl);
  _found jsonb := '{}';
  _metric record;
  _compared record;
begin
  for _metric in
    select m.metric, m.name, m.column_name, s.key
    from mlguard._baseline_metrics(p_slo.metrics) m
    cross join lateral jsonb_object_keys(p_s) s (key)
    where m.name <> 'new_category_rate'
      and s.key in (replace(m.metric, m.name || '(', 'bins('), replace(m.metric, m.name || '(', 'values('))
  loop
    _compared := mlguard._compared(p_s, p_c, _metric.key, _metric.column_name);
    if _compared.words is null then
      _found := _found || jsonb_build_object(_metric.metric, jsonb_build_object(
        'baseline', mlguard.baseline_version_v1(p_slo.tbl),
        'noise', mlguard._noise(_metric.name, _compared.here, _compared.baseline),
        'n', (select sum(c.n) from unnest(_compared.here) c (n)),
        'm', (select sum(c.n) from unnest(_compared.baseline) c (n)),
        'bins', (
          select jsonb_agg(
                   jsonb_build_object('share', b.share, 'baseline', b.there)
                   || case
                        when _metric.column_name = any (_pii) then '{}'
                        else jsonb_build_object('bin', b.label)
                      end
                   order by b.place)
          from (
            select s.*, row_number() over (order by abs(s.share - s.there) desc) as rank
            from (
              select c.place, c.label, c.here / sum(c.here) over () as share, c.there / sum(c.there) over () as there
              from unnest(_compared.here, _compared.baseline, _compared.labels)
                   with ordinality c (here, there, label, place)
            ) s
          ) b
          where b.rank <= 30)));
    end if;
  end loop;
  return nullif(_found, '{}');
end
$mlguard$;

comment on function mlguard._distance_detail(mlguard._slo, jsonb, jsonb) is
  'Private. For explain: {metric: {baseline, noise, n, m, bins: [{bin, share, baseline}]}} with the 30 bins that '
  'differ most, without values of pii columns; null: nothing was compared with a baseline.';


-- How a baseline is made.

create function mlguard.baseline_columns(p_tbl regclass)
returns table (
  column_name text, spelled text, is_number boolean, in_bins boolean, in_values boolean, pii boolean, missing text[])
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select w.column_name, w.spelled, k.is_number, k.is_number and w.distance,
         w.categories or (w.distance and (not k.is_number or k.is_integer)),
         w.column_name = any (t.pii),
         array(select jsonb_array_elements_text(coalesce(t.missing -> w.column_name, '[]')))
  from mlguard._table t
  cross join lateral (
    select m.column_name, m.spelled, bool_or(m.name <> 'new_category_rate') as distance,
           bool_or(m.name = 'new_category_rate') as categories
    from mlguard._slo s
    cross join lateral mlguard._baseline_metrics(s.metrics) m
    where s.tbl = t.tbl and s.level in ('batch', 'window')
    group by m.column_name, m.spelled
  ) w
  join pg_attribute a on a.attrelid = p_tbl and a.attname = w.column_name and a.attnum > 0 and not a.attisdropped
  join pg_type y on y.oid = a.atttypid
  cross join lateral (
    select y.typcategory = 'N' as is_number,
           coalesce(nullif(y.typbasetype, 0), y.oid) in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
             as is_integer
  ) k
  where t.tbl = mlguard._tbl(p_tbl)
  order by a.attnum
$mlguard$;

comment on function mlguard.baseline_columns(regclass) is
  'Columns of a guarded table that an SLO compares with the baseline, and whether in bins, value by value, or both '
  '(integers: an `in` list makes names of them).';


create function mlguard._cell_sql(p_tbl regclass, p_relation regclass)
returns table (column_name text, spelled text, in_bins boolean, in_values boolean, amount text, category text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- The same cells as in the states of generated triggers: NaN and missing values are NULL, magnitudes beyond 1e140
  -- infinite, categories text, long ones cut, of pii columns hashed.
  select w.column_name, w.spelled, w.in_bins, w.in_values,
         case
           when not w.in_bins then null
           when r.can_be_nan then format(
             'case when %s then %s::double precision when %s then sign(%s)::double precision * ''Infinity'' end',
             concat_ws(' and ', format('abs(%s) <= 1e140', r.cell), p.present), r.cell,
             concat_ws(' and ', format('%s < ''NaN''', r.cell), p.present), r.cell)
           when p.present is null then format('%s::double precision', r.cell)
           else format('case when %s then %s::double precision end', p.present, r.cell)
         end,
         case
           when not w.in_values then null
           when p.present is null then n.name
           else format('case when %s then %s end', p.present, n.name)
         end
  from mlguard.baseline_columns(p_tbl) w
  join pg_attribute a on a.attrelid = p_relation and a.attname = w.column_name and a.attnum > 0 and not a.attisdropped
  join pg_type y on y.oid = a.atttypid and (y.typcategory = 'N') = w.is_number
  cross join lateral (
    select format('t.%I', a.attname) as cell,
           format(case when b.type = 'numeric'::regtype then 'trim_scale(t.%I)::text' else 't.%I::text' end, a.attname)
             as text,
           b.type in ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype) as can_be_nan
    from (select coalesce(nullif(y.typbasetype, 0), y.oid) as type) b
  ) r
  cross join lateral (
    select case
      when w.missing = '{}' then null
      when w.is_number then format('%s::numeric <> all (%L::numeric[])', r.cell, w.missing)
      else format('%s <> all (%L::text[])', r.text, w.missing)
    end as present
  ) p
  cross join lateral (
    select case
      when w.pii then format('left(md5(%s), 16)', r.text)
      else format(
        'case when length(%1$s) > 200 then left(%1$s, 180) || '' '' || left(md5(%1$s), 16) else %1$s end', r.text)
    end as name
  ) n
$mlguard$;

comment on function mlguard._cell_sql(regclass, regclass) is
  'Private. Expressions on a row t of a relation that give the compared columns of a guarded table, as numbers and as '
  'categories; null where they are not compared so.';


create function mlguard._rows_sql(p_event_sql text)
returns text
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when p_event_sql is null then 'true'
    else format('($1 is null or %1$s >= $1) and ($2 is null or %1$s < $2) and ($3 @> %1$s) is not true', p_event_sql)
  end
$mlguard$;

comment on function mlguard._rows_sql(text) is
  'Private. The condition for rows t from $1 on, before $2 and outside the windows $3; without an event time all rows.';


create function mlguard._survey(
  p_tbl regclass, p_relation regclass, p_columns text[], p_where text,
  p_from timestamptz default null, p_to timestamptz default null, p_left_out tstzmultirange default '{}')
returns table (column_name text, edges double precision[], n bigint, missing bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _query text;
  _found text[];
begin
  select format('select array[%s]::text[] from %s as t where %s',
                string_agg(format(
                  case
                    when c.amount is null then 'null, null, count(%1$s), count(*)'
                    else '(percentile_disc(array[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) '
                         'within group (order by %1$s))::text, min(%1$s)::text, count(%1$s), count(*)'
                  end,
                  coalesce(c.amount, c.category)), ', ' order by c.column_name),
                p_relation, p_where)
  into _query
  from mlguard._cell_sql(p_tbl, p_relation) c
  where c.column_name = any (p_columns);
  if _query is null then
    return;
  end if;
  execute _query into _found using p_from, p_to, p_left_out;

  -- Where the least value is a decile itself, an edge just below it parts what is smaller.
  return query
    select c.column_name, e.edges, _found[c.place + 3]::bigint,
           _found[c.place + 4]::bigint - _found[c.place + 3]::bigint
    from (
      select s.column_name, 4 * (row_number() over (order by s.column_name) - 1) as place
      from mlguard._cell_sql(p_tbl, p_relation) s
      where s.column_name = any (p_columns)
    ) c
    left join lateral (
      select array_agg(distinct d.edge) as edges
      from (
        select unnest(_found[c.place + 1]::double precision[]) as edge
        union
        select m.least - greatest(abs(m.least), 1) * 1e-9::float8
        from (select _found[c.place + 2]::double precision as least) m
        where m.least = (_found[c.place + 1]::double precision[])[1] and m.least <> '-Infinity'
      ) d
    ) e on true;
end
$mlguard$;

comment on function mlguard._survey(regclass, regclass, text[], text, timestamptz, timestamptz, tstzmultirange) is
  'Private. Edges and numbers of values of some columns over rows of a relation: edges are the distinct deciles, each '
  'a value that occurs.';


create function mlguard._tally(
  p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text,
  p_from timestamptz default null, p_to timestamptz default null, p_left_out tstzmultirange default '{}')
returns table (
  column_name text, key text, kind text, edges double precision[], counts bigint[], categories jsonb, other bigint,
  n bigint, missing bigint)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _query text;
begin
  if not exists (select from mlguard._tallied(p_tbl, p_relation, p_edges)) then
    return;
  end if;
  -- Bin i holds the values above edge i - 1 and up to edge i: width_bucket over the mirrored edges counts from above.
  select format(
    $statement$
      with counted as (
        select c.place, c.name, count(*) as n
        from %s as t
        cross join lateral (values %s) as c (place, name)
        where %s
        group by c.place, c.name
      ), ranked as (
        select c.*,
               row_number() over (partition by c.place, c.name is null order by c.n desc, c.name collate "C") as rank
        from counted c
      )
      select r.place,
             coalesce(jsonb_object_agg(r.name, r.n) filter (where r.name is not null and r.rank <= 1000), '{}'),
             coalesce(sum(r.n) filter (where r.name is not null and r.rank > 1000), 0)::bigint,
             coalesce(sum(r.n) filter (where r.name is not null), 0)::bigint,
             coalesce(sum(r.n) filter (where r.name is null), 0)::bigint
      from ranked r
      group by r.place
    $statement$,
    p_relation,
    string_agg(format('(%s, %s)', c.place, case
      when c.edges is null then c.category
      else format('(%s - width_bucket(-(%s), %L::double precision[]))::text', cardinality(c.edges), c.amount,
                  array(select -e.edge from unnest(c.edges) e (edge) order by e.edge desc))
    end), ', '),
    p_where)
  into _query
  from mlguard._tallied(p_tbl, p_relation, p_edges) c;

  return query execute format(
    $statement$
      select c.column_name, c.key, case when c.edges is null then 'category' else 'number' end, c.edges,
             case when c.edges is not null then array(
               select coalesce((f.names ->> b.bin::text)::bigint, 0)
               from generate_series(0, cardinality(c.edges)) b (bin)
               order by b.bin)
             end,
             case when c.edges is null then f.names end, f.other, f.n, f.missing
      from mlguard._tallied($4, $5, $6) c
      join (%s) f (place, names, other, n, missing) on f.place = c.place
    $statement$, _query)
  using p_from, p_to, p_left_out, p_tbl, p_relation, p_edges;
end
$mlguard$;

comment on function mlguard._tally(regclass, regclass, jsonb, text, timestamptz, timestamptz, tstzmultirange) is
  'Private. Counts the rows of a relation by bins and categories, in one pass; p_edges: {column: edges, or null}.';


create function mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb)
returns table (
  place bigint, column_name text, key text, edges double precision[], amount text, category text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select row_number() over (order by w.column_name, w.key), w.column_name, w.key, w.edges, w.amount, w.category
  from (
    select c.column_name, format('bins(%s)', c.spelled) as key,
           array(select e.edge::double precision
                 from jsonb_array_elements_text(p_edges -> c.column_name) e (edge)
                 order by 1) as edges,
           c.amount, null as category
    from mlguard._cell_sql(p_tbl, p_relation) c
    where c.in_bins and jsonb_typeof(p_edges -> c.column_name) = 'array'
    union all
    select c.column_name, format('values(%s)', c.spelled), null, null, c.category
    from mlguard._cell_sql(p_tbl, p_relation) c
    where c.in_values and p_edges ? c.column_name
  ) w
$mlguard$;

comment on function mlguard._tallied(regclass, regclass, jsonb) is
  'Private. What _tally() counts, numbered: columns in bins, and columns value by value.';


create function mlguard._begin_baseline(
  p_tbl text, p_kind text, p_source text, p_starts timestamptz, p_ends timestamptz)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _version integer;
begin
  delete from mlguard._baseline b where b.tbl = p_tbl and b.state = 'learning';
  insert into mlguard._baseline (tbl, version, kind, source, starts, ends)
  select p_tbl, coalesce(max(b.version), 0) + 1, p_kind, p_source, p_starts, p_ends
  from mlguard._baseline b
  where b.tbl = p_tbl
  returning version into _version;
  return _version;
end
$mlguard$;

comment on function mlguard._begin_baseline(text, text, text, timestamptz, timestamptz) is
  'Private. Opens the next version of a baseline; it is in use once _freeze_baseline() says so.';


create function mlguard._freeze_baseline(p_tbl text, p_version integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _before jsonb;
begin
  update mlguard._baseline b
  set state = 'replaced'
  where b.tbl = p_tbl and b.state = 'frozen' and b.version <> p_version
  returning jsonb_build_object('version', b.version, 'source', b.source) into _before;
  update mlguard._baseline b
  set state = 'frozen', set_at = clock_timestamp(), set_by = session_user
  where b.tbl = p_tbl and b.version = p_version and b.state = 'learning';
  if found then
    perform mlguard._record('baseline', p_tbl, _before, (
      select jsonb_build_object('version', b.version, 'source', b.source, 'from', b.starts, 'to', b.ends)
      from mlguard._baseline b
      where b.tbl = p_tbl and b.version = p_version), null);
  end if;
end
$mlguard$;

comment on function mlguard._freeze_baseline(text, integer) is
  'Private. Puts a version in use in place of the one before; writes one event.';


create function mlguard._count_stored(
  p_table mlguard._table, p_version integer, p_from timestamptz, p_to timestamptz, p_left_out tstzmultirange)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- From the states that the table's own function computes, so that filters and segments of SLOs are in it: of the
  -- buckets, where these were counted by event time and the stretch is made of whole ones, else of the rows.
  execute format(
    $statement$
      with counted as materialized (
        select c.segment, mlguard.merge_v1(d.states) as states, sum(c.n) as n,
               (select array_agg(k.name order by k.name) from jsonb_object_keys(c.segment) k (name)) as names
        from %s c
        cross join lateral (
          select jsonb_object_agg(s.key, s.value) as states
          from jsonb_each(c.states) s (key, value)
          where s.key ~ '^(bins|values)\('
        ) d
        where d.states is not null and ($5 @> c.bucket) is not true
        group by c.segment
      ), ranked as (
        select c.*, row_number() over (partition by c.names order by c.n desc, c.segment::text) as rank from counted c
      ), pooled as (
        -- Segments beyond the largest are judged as one; which these are differs from SLO to SLO, so that more of them
        -- are kept by themselves than any SLO judges alone.
        select r.segment, r.states from ranked r where r.rank <= 1000 and not r.segment ? '*'
        union all
        select '{"*": "other"}', mlguard.merge_v1(r.states)
        from ranked r
        where r.segment ? '*' or (r.segment <> '{}' and r.rank > (
          select coalesce(max(s.max_segments), 50) from mlguard._slo s where s.tbl = $1 and s.by_columns <> '{}'))
        having count(*) > 0
      )
      insert into mlguard._baseline_column as k (
        tbl, version, column_name, key, segment, kind, edges, counts, categories, other, n, sampled, starts, ends)
      select $1, $2, w.column_name, s.key, p.segment, case when s.key like 'bins(%%' then 'number' else 'category' end,
             e.edges,
             case when s.key like 'bins(%%' then array(
               select c.n::numeric::bigint
               from jsonb_array_elements_text(s.state -> 'c') with ordinality c (n, bin)
               order by c.bin)
             end,
             case when s.key like 'values(%%' then s.state -> 'c' end,
             coalesce((s.state ->> 'other')::numeric, 0), (s.state ->> 'n')::numeric, (s.state ->> 'sampled')::numeric,
             $3, $4
      from pooled p
      cross join lateral jsonb_each(p.states) s (key, state)
      join mlguard._baseline_wanted($1, $2) w
        on s.key in (format('bins(%%s)', w.spelled), format('values(%%s)', w.spelled))
        or starts_with(s.key, format('bins(%%s) where ', w.spelled))
        or starts_with(s.key, format('values(%%s) where ', w.spelled))
      left join lateral (
        select b.edges
        from mlguard._baseline_column b
        where b.tbl = $1 and b.version = $2 and b.column_name = w.column_name and b.kind = 'number'
        limit 1
      ) e on s.key like 'bins(%%'
      where exists (
          select
          from mlguard._baseline_column b
          where b.tbl = $1 and b.version = $2 and b.column_name = w.column_name
            and b.starts is not distinct from $3 and b.ends is not distinct from $4)
        and (s.state ->> 'n')::numeric > 0
        and (s.key like 'values(%%'
             or ((s.state ->> 'v')::integer = $2 and jsonb_array_length(s.state -> 'c') = cardinality(e.edges) + 1))
      on conflict (tbl, version, column_name, key, segment) do update
      set counts = excluded.counts, categories = excluded.categories, other = excluded.other, n = excluded.n,
          sampled = excluded.sampled
      where k.n = 0
    $statement$,
    case
      when mlguard._counted_by_time(p_table)
           and (p_from is null or mlguard._window_start(p_table.base, p_table.time_zone, p_from) = p_from)
           and (p_to is null or mlguard._window_start(p_table.base, p_table.time_zone, p_to) = p_to)
      then '(select b.* from mlguard._bucket b where b.tbl = $1 and ($3 is null or b.bucket >= $3) '
           'and ($4 is null or b.bucket < $4))'
      else format('%s($3, $4)', p_table.recount)
    end)
  using p_table.tbl, p_version, p_from, p_to, p_left_out;
end
$mlguard$;

comment on function mlguard._count_stored(mlguard._table, integer, timestamptz, timestamptz, tstzmultirange) is
  'Private. Counts the stored rows of a stretch of time into the columns of a version that are of this stretch, for '
  'each filter and segment of their SLOs. The version is in use and the buckets are counted by then.';


create function mlguard._baseline_wanted(p_tbl text, p_version integer)
returns table (column_name text, spelled text, present boolean)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select w.column_name, w.spelled, exists (
           select
           from mlguard._baseline_column k
           where k.tbl = t.tbl and k.version = p_version and k.column_name = w.column_name)
  from mlguard._table t
  cross join lateral mlguard.baseline_columns(to_regclass(format('%I.%I', t.schema_name, t.table_name))) w
  where t.tbl = p_tbl and to_regclass(format('%I.%I', t.schema_name, t.table_name)) is not null
$mlguard$;

comment on function mlguard._baseline_wanted(text, integer) is
  'Private. Columns that SLOs compare with the baseline, and whether a version of it has them.';


create function mlguard._fill_baseline(
  p_table mlguard._table, p_version integer, p_columns text[], p_from timestamptz, p_to timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _relation regclass := to_regclass(format('%I.%I', p_table.schema_name, p_table.table_name));
  _left_out tstzmultirange := mlguard._left_out(p_table.tbl, p_from, p_to);
  _where text := mlguard._rows_sql(case
    when p_from is not null or p_to is not null or _left_out <> '{}' then p_table.event_sql
  end);
  _edges jsonb;
  _missing jsonb;
  _most bigint;
  _added bigint;
begin
  select jsonb_object_agg(s.column_name, s.edges), jsonb_object_agg(s.column_name, s.missing), max(s.n), count(*)
  into _edges, _missing, _most, _added
  from mlguard._survey(_relation, _relation, p_columns, _where, p_from, p_to, _left_out) s
  where s.n >= 200;
  if _added = 0 then
    return 0;
  end if;

  if p_table.recount is null then
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, other, n, missing, starts, ends)
    select p_table.tbl, p_version, c.column_name, c.key, c.kind, c.edges, c.counts, c.categories, c.other, c.n,
           c.missing, p_from, p_to
    from mlguard._tally(_relation, _relation, _edges, _where, p_from, p_to, _left_out) c;
  else
    -- Without counts for now: these are computed by the edges, once they are in use.
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, n, missing, starts, ends)
    select p_table.tbl, p_version, c.column_name, c.key, case when c.edges is null then 'category' else 'number' end,
           c.edges, case when c.edges is not null then array_fill(0, array[cardinality(c.edges) + 1]) end,
           case when c.edges is null then '{}'::jsonb end, 0, (_missing ->> c.column_name)::bigint,
           p_from, p_to
    from mlguard._tallied(_relation, _relation, _edges) c;
  end if;
  update mlguard._baseline b
  set n = greatest(b.n, _most), starts = least(b.starts, p_from), ends = greatest(b.ends, p_to)
  where b.tbl = p_table.tbl and b.version = p_version;
  return _added;
end
$mlguard$;

comment on function mlguard._fill_baseline(mlguard._table, integer, text[], timestamptz, timestamptz) is
  'Private. Adds columns to a version of a baseline from the stored rows of a stretch of time; columns with fewer than '
  '200 values stay out. Returns how many came in; _use_baseline() counts them.';


create function mlguard._count_baseline(p_table mlguard._table, p_version integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _period record;
begin
  if p_table.recount is not null then
    for _period in
      select distinct k.starts, k.ends
      from mlguard._baseline_column k
      where k.tbl = p_table.tbl and k.version = p_version
    loop
      perform mlguard._count_stored(p_table, p_version, _period.starts, _period.ends,
                                    mlguard._left_out(p_table.tbl, _period.starts, _period.ends));
    end loop;
  end if;
end
$mlguard$;

comment on function mlguard._count_baseline(mlguard._table, integer) is
  'Private. Counts what a version in use lacks of filters and segments; counts that are there stay.';


create function mlguard._use_baseline(p_table mlguard._table, p_version integer)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  perform mlguard._freeze_baseline(p_table.tbl, p_version);
  -- Buckets counted before the edges were in use have none of their bins.
  if mlguard._counted_by_time(p_table) then
    perform mlguard._recount(p_table.tbl, p_table.recount, null, null);
  end if;
  perform mlguard._count_baseline(p_table, p_version);
end
$mlguard$;

comment on function mlguard._use_baseline(mlguard._table, integer) is
  'Private. Puts a version of a baseline in use, counts the buckets by its edges, and from them what it holds.';


create function mlguard._baseline_periods(
  p_table mlguard._table, p_kind text, p_length interval, p_columns text[], p_as_of timestamptz)
returns table (column_name text, starts timestamptz, ends timestamptz, due timestamptz)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _relation regclass := to_regclass(format('%I.%I', p_table.schema_name, p_table.table_name));
  _counted text;
  _since timestamptz;
begin
  if p_table.event_sql is null then
    select coalesce(
             least((select min(b.bucket) from mlguard._bucket b where b.tbl = p_table.tbl and isfinite(b.bucket)),
                   (select min(s.at) from mlguard._state s where s.tbl = p_table.tbl)),
             p_table.applied_at)
    into _since;
    return query
      select c.name, null::timestamptz, null::timestamptz,
             case when p_kind = 'first' then _since + p_length else _since end
      from unnest(p_columns) c (name);
    return;
  end if;

  select string_agg(format('(%L, (%s) is not null)', c.column_name, coalesce(c.amount, c.category)), ', ')
  into _counted
  from mlguard._cell_sql(_relation, _relation) c
  where c.column_name = any (p_columns);
  if _counted is null then
    return;
  end if;
  return query execute format(
    $statement$
      with daily as materialized (
        select c.name, date_trunc('day', %2$s at time zone $1) as day, count(*) as n
        from %1$s as t
        cross join lateral (values ('', true), %3$s) as c (name, present)
        where %2$s between '0001-01-02' and $2 and c.present
        group by c.name, day
      ), running as (
        select d.name, d.day, sum(d.n) over so_far as so_far, min(d.day) over (partition by d.name) as first_day,
               sum(d.n) over (
                 partition by d.name order by d.day
                 range between current row and $3 - interval '1 hour' following) as ahead
        from daily d
        window so_far as (partition by d.name order by d.day)
      ), own as (
        -- The first days that hold enough; a sentinel long before them does not. Where no stretch of that length does,
        -- as many days as it takes.
        select r.name, coalesce(min(r.day) filter (where r.ahead >= 200), min(r.first_day)) as starts,
               case
                 when bool_or(r.ahead >= 200) then min(r.day) filter (where r.ahead >= 200) + $3
                 else min(r.day) filter (where r.so_far >= 200) + interval '1 day'
               end as ends
        from running r
        group by r.name
        having max(r.so_far) >= 200
      ), recent as (
        select d.name, sum(d.n) filter (where d.day >= ($2 at time zone $1) - $3) >= 200 as enough
        from daily d
        group by d.name
        having sum(d.n) >= 200
      ), chosen as (
        -- All columns that can share the days of the table do.
        select o.name,
               case when s.shared then w.starts else o.starts end as starts,
               case when s.shared then w.ends else o.ends end as ends
        from own o
        join own w on w.name = ''
        cross join lateral (
          select coalesce(sum(d.n), 0) >= 200 as shared
          from daily d
          where d.name = o.name and d.day >= w.starts and d.day < w.ends
        ) s
        where $4 = 'first'
        union all
        select r.name, case when r.enough then ($2 at time zone $1) - $3 end, $2 at time zone $1
        from recent r
        where $4 = 'previous'
      )
      select c.name, c.starts at time zone $1, c.ends at time zone $1,
             case when $4 = 'first' then c.ends at time zone $1 + $5 else $2 end
      from chosen c
      where c.name <> ''
    $statement$, _relation, p_table.event_sql, _counted)
  using p_table.time_zone, p_as_of, p_length, p_kind, p_table.late;
end
$mlguard$;

comment on function mlguard._baseline_periods(mlguard._table, text, interval, text[], timestamptz) is
  'Private. From which stretch of time a learned baseline takes each column, and from when on it may; a column with '
  'fewer than 200 values is left out.';


create function mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamptz)
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

comment on function mlguard._learn_baseline(mlguard._table, timestamptz) is
  'Private. Freezes what can be frozen by now of the baseline that an SLO file describes; returns how many columns.';


create function mlguard._lacks_counts(p_table mlguard._table, p_version integer)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select p_table.recount is not null and exists (
    select
    from mlguard._bucket b
    cross join lateral jsonb_object_keys(b.states) s (key)
    join mlguard._baseline_wanted(p_table.tbl, p_version) w
      on s.key in (format('bins(%s)', w.spelled), format('values(%s)', w.spelled))
      or starts_with(s.key, format('bins(%s) where ', w.spelled))
      or starts_with(s.key, format('values(%s) where ', w.spelled))
    where b.tbl = p_table.tbl and not b.segment ? '*'
      and b.bucket = (select max(l.bucket) from mlguard._bucket l where l.tbl = p_table.tbl and isfinite(l.bucket))
      and not exists (
        select
        from mlguard._baseline_column k
        where k.tbl = p_table.tbl and k.version = p_version and k.column_name = w.column_name and k.key = s.key
          and k.n > 0
          and array(select n.n from jsonb_object_keys(k.segment) n (n) order by 1)
              = array(select n.n from jsonb_object_keys(b.segment) n (n) order by 1)))
$mlguard$;

comment on function mlguard._lacks_counts(mlguard._table, integer) is
  'Private. Whether writers count something by a filter or by segments that this version of the baseline does not '
  'have.';


create function mlguard._sweep_baselines(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
  _frozen bigint := 0;
begin
  for _table in
    select t.*
    from mlguard._table t
    where to_regclass(format('%I.%I', t.schema_name, t.table_name)) is not null
      and exists (
        select
        from mlguard._slo s
        where s.tbl = t.tbl and s.level in ('batch', 'window')
          and exists (select from mlguard._baseline_metrics(s.metrics)))
    order by t.tbl
  loop
    if mlguard._lock_table(_table.tbl) then
      _frozen := _frozen + mlguard._learn_baseline(_table, p_as_of);
    end if;
  end loop;
  return query select 'baseline columns frozen', _frozen;
end
$mlguard$;

comment on function mlguard._sweep_baselines(timestamptz) is
  'Private. Part of sweep(): freezes the baselines whose days are over.';


create function mlguard._set_own_baseline(p_tbl regclass, p_from timestamptz, p_to timestamptz)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
  _columns text[] := array(select c.column_name from mlguard.baseline_columns(p_tbl) c);
  _version integer;
begin
  select t.* into _table from mlguard._table t where t.tbl = mlguard._tbl(p_tbl);
  perform mlguard._wait_table(_table.tbl);
  if _table.event_sql is null and (p_from is not null or p_to is not null) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: %s has no event time, so its rows cannot be chosen by time', _table.tbl),
      hint = 'Name event_time in the SLO file, or take all stored rows.';
  end if;
  _version := mlguard._begin_baseline(
    _table.tbl, 'window',
    case
      when p_from is null and p_to is null then 'all rows'
      else concat_ws(' ', 'rows', 'from ' || mlguard._minute(p_from), 'to ' || mlguard._minute(p_to))
    end,
    p_from, p_to);
  if mlguard._fill_baseline(_table, _version, _columns, p_from, p_to) = 0 then
    perform mlguard._refuse_baseline(_table.tbl, 'these rows', cardinality(_columns));
  end if;
  perform mlguard._use_baseline(_table, _version);
  perform mlguard._warn_baseline(_table.tbl, _version);
  return _version;
end
$mlguard$;

comment on function mlguard._set_own_baseline(regclass, timestamptz, timestamptz) is
  'Private. set_baseline() from the table''s own rows.';


create function mlguard._refuse_baseline(p_tbl text, p_source text, p_wanted integer)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_wanted = 0 then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: no SLO of %s compares a column with a baseline', p_tbl),
      hint = 'psi(c), js(c), ks(c), linf(c), new_category_rate(c) and the short form new_categories do.';
  end if;
  raise exception using
    errcode = 'invalid_parameter_value',
    message = format('mlguard: %s hold fewer than 200 values of every column that an SLO of %s compares', p_source,
                     p_tbl),
    hint = 'A baseline of fewer values could tell little from chance; take more rows.';
end
$mlguard$;

comment on function mlguard._refuse_baseline(text, text, integer) is 'Private. Raises why no baseline can be made.';


create function mlguard._warn_baseline(p_tbl text, p_version integer)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _without text := (
    select string_agg(w.column_name, ', ') from mlguard._baseline_wanted(p_tbl, p_version) w where not w.present);
begin
  if _without is not null then
    raise warning using
      message = format('mlguard: baseline %s of %s lacks %s: fewer than 200 values there', p_version, p_tbl, _without),
      hint = 'SLOs that compare them are INSUFFICIENT until a baseline has them.';
  end if;
end
$mlguard$;

comment on function mlguard._warn_baseline(text, integer) is 'Private. Names the columns that a baseline lacks.';


create function mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text default 'file')
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
  _wanted integer := (select count(*) from mlguard.baseline_columns(p_tbl));
  _column record;
  _version integer;
begin
  select t.* into _table from mlguard._table t where t.tbl = mlguard._tbl(p_tbl);
  perform mlguard._wait_table(_table.tbl);
  if p_kind is distinct from 'file' and p_kind is distinct from 'table' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: the kind of a baseline that is given is file or table';
  end if;
  for _column in
    select c.*, w.spelled, w.in_bins, w.in_values
    from jsonb_to_recordset(p_columns) c (
      column_name text, key text, kind text, edges double precision[], counts bigint[], categories jsonb, other bigint,
      n bigint, missing bigint)
    left join mlguard.baseline_columns(p_tbl) w on w.column_name = c.column_name
    where c.n >= 200
  loop
    if (case _column.kind
         when 'number' then
           _column.in_bins and _column.key = format('bins(%s)', _column.spelled)
           and cardinality(_column.counts) = cardinality(_column.edges) + 1 and 0 <= all (_column.counts)
           and _column.edges = array(select distinct e.edge from unnest(_column.edges) e (edge) order by e.edge)
           and _column.n = (select sum(b.count) from unnest(_column.counts) b (count))
         when 'category' then
           _column.in_values and _column.key = format('values(%s)', _column.spelled)
           and jsonb_typeof(_column.categories) = 'object'
           and _column.n = coalesce(_column.other, 0) + (
             select sum(v.count::bigint) from jsonb_each_text(_column.categories) v (name, count))
       end) is not true
    then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('mlguard: what is given of column %s is no baseline of %s', _column.column_name, _table.tbl),
        hint = 'Columns are those of mlguard.baseline_columns(); edges ascend, counts are one more and add up to n.';
    end if;
    _version := coalesce(_version, mlguard._begin_baseline(_table.tbl, p_kind, p_source, null, null));
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, other, n, missing)
    values (_table.tbl, _version, _column.column_name, _column.key, _column.kind, _column.edges, _column.counts,
            _column.categories, coalesce(_column.other, 0), _column.n, _column.missing);
  end loop;
  if _version is null then
    perform mlguard._refuse_baseline(_table.tbl, 'the rows of ' || p_source, _wanted);
  end if;
  update mlguard._baseline b
  set n = (select max(k.n) from mlguard._baseline_column k where k.tbl = b.tbl and k.version = b.version)
  where b.tbl = _table.tbl and b.version = _version;
  perform mlguard._freeze_baseline(_table.tbl, _version);
  if mlguard._counted_by_time(_table) then
    perform mlguard._recount(_table.tbl, _table.recount, null, null);
  end if;
  perform mlguard._warn_baseline(_table.tbl, _version);
  return _version;
end
$mlguard$;

comment on function mlguard.keep_baseline(regclass, text, jsonb, text) is
  'Sets a baseline whose edges and counts were computed elsewhere, as mlguard baseline set --from-file does; returns '
  'its version. p_columns: [{column_name, key, kind, edges, counts, categories, other, n, missing}].';


create function mlguard.set_baseline(p_tbl regclass, p_other regclass)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _tbl text := mlguard._tbl(p_tbl);
  _columns text[] := array(select c.column_name from mlguard.baseline_columns(p_tbl) c);
  _edges jsonb;
begin
  -- Not SECURITY DEFINER: the other table is read by who names it.
  select coalesce(jsonb_object_agg(s.column_name, s.edges), '{}')
  into _edges
  from mlguard._survey(p_tbl, p_other, _columns, 'true') s
  where s.n >= 200;
  return mlguard.keep_baseline(
    p_tbl,
    (select format('%s.%s', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = p_other),
    (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from mlguard._tally(p_tbl, p_other, _edges, 'true') t),
    'table');
end
$mlguard$;

comment on function mlguard.set_baseline(regclass, regclass) is
  'Makes the rows of another table, such as the one a model was trained on, the baseline of a guarded table; returns '
  'its version.';


create function mlguard.set_baseline(
  p_tbl regclass, p_source text default null, p_from timestamptz default null, p_to timestamptz default null)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_source is null or p_source = 'window' then
    if p_from >= p_to then
      raise exception using
        errcode = 'invalid_parameter_value', message = 'mlguard: a baseline must begin before it ends';
    end if;
    return mlguard._set_own_baseline(p_tbl, p_from, p_to);
  elsif p_source in ('version', 'ticket') then
    raise exception using
      errcode = 'feature_not_supported',
      message = 'mlguard: a baseline cannot be taken from a model version yet',
      hint = 'Name the table it was trained on: select mlguard.set_baseline(…, ''features.training'')';
  elsif p_source ~ '^(first|previous) ' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: %s is what an SLO file says', p_source),
      hint = format('Write baseline: %s there; sweep() freezes it once its days are over.', p_source);
  elsif to_regclass(p_source) is null then
    raise exception using
      errcode = 'undefined_table',
      message = format('mlguard: there is no table %s to take a baseline from', p_source),
      hint = 'Give a table as schema.table, or a stretch of time; files are read by mlguard baseline set --from-file.';
  elsif p_from is not null or p_to is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: of another table all rows are taken',
      hint = 'Select the rows you mean into a table of their own.';
  end if;
  return mlguard.set_baseline(p_tbl, to_regclass(p_source));
end
$mlguard$;

comment on function mlguard.set_baseline(regclass, text, timestamptz, timestamptz) is
  'Pins what distributions of a guarded table are compared with: its own rows (of a stretch of time, or all), or '
  'another table; returns the version.';


create view mlguard.baseline as
select b.tbl, b.version, b.source, b.state, b.starts, b.ends, b.n, b.set_at, b.set_by, b.next_at
from mlguard._baseline b;

comment on view mlguard.baseline is 'What distributions are compared with, version by version.';
comment on column mlguard.baseline.state is 'learning: not there yet; frozen: in use; replaced: an earlier one.';
comment on column mlguard.baseline.n is 'Values of the column that has most.';
comment on column mlguard.baseline.next_at is 'When sweep() looks again for columns that it lacks.';


create view mlguard.baseline_column as
select k.tbl, k.version, k.column_name, k.key as state,
       mlguard._masked(k.segment, t.pii) as segment, k.kind, p.pii,
       case when not p.pii then k.edges end as edges,
       coalesce(k.counts, array(
         select c.n::bigint from jsonb_each_text(k.categories) c (name, n) order by c.n::bigint desc, c.name collate "C"
       )) as counts,
       case when not p.pii then array(
         select c.name from jsonb_each_text(k.categories) c (name, n) order by c.n::bigint desc, c.name collate "C")
       end as categories,
       k.other, k.n, k.missing
from mlguard._baseline_column k
left join mlguard._table t on t.tbl = k.tbl
cross join lateral (select k.column_name <> all (t.pii) is not true as pii) p
where k.n > 0;

comment on view mlguard.baseline_column is
  'The distribution of each compared column in each baseline; of pii columns counts only.';
comment on column mlguard.baseline_column.pii is 'Edges and categories are not shown: the column is personal.';
comment on column mlguard.baseline_column.edges is
  'Edges of the bins; bin i holds values above edge i - 1, up to edge i.';
comment on column mlguard.baseline_column.counts is 'Values in each bin, or of each category, most frequent first.';
comment on column mlguard.baseline_column.categories is 'Names of the categories, in the order of their counts.';


create function mlguard._grant_baselines(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('grant select on mlguard.baseline, mlguard.baseline_column to %I', p_role);
  execute format(
    'grant execute on function mlguard.set_baseline(regclass, text, timestamptz, timestamptz), '
    'mlguard.set_baseline(regclass, regclass), mlguard.keep_baseline(regclass, text, jsonb, text), '
    'mlguard.baseline_columns(regclass), mlguard._set_own_baseline(regclass, timestamptz, timestamptz), '
    'mlguard._cell_sql(regclass, regclass), mlguard._tallied(regclass, regclass, jsonb), '
    'mlguard._survey(regclass, regclass, text[], text, timestamptz, timestamptz, tstzmultirange), '
    'mlguard._tally(regclass, regclass, jsonb, text, timestamptz, timestamptz, tstzmultirange), '
    'mlguard._tbl(regclass), mlguard._masked(jsonb, text[]) to %I',
    p_role);
end
$mlguard$;

comment on function mlguard._grant_baselines(text) is
  'Private. Lets a role see baselines and set them. Part of grant_roles().';


revoke all on function
  mlguard._baseline_metrics, mlguard._baseline_periods, mlguard._baseline_wanted, mlguard._begin_baseline,
  mlguard._cell_sql, mlguard._chi_squared, mlguard._compared, mlguard._count_baseline, mlguard._count_stored,
  mlguard._counted, mlguard._counted_by_time, mlguard._distance_detail, mlguard._fill_baseline,
  mlguard._freeze_baseline, mlguard._grant_baselines, mlguard._js, mlguard._ks, mlguard._lacks_counts,
  mlguard._learn_baseline, mlguard._left_out, mlguard._linf, mlguard._new_categories, mlguard._noise,
  mlguard._normal_tail, mlguard._previous, mlguard._psi, mlguard._refuse_baseline, mlguard._rows_sql,
  mlguard._set_own_baseline, mlguard._short, mlguard._survey, mlguard._sweep_baselines, mlguard._tallied,
  mlguard._tally, mlguard._use_baseline, mlguard._warn_baseline, mlguard.baseline_columns,
  mlguard.baseline_version_v1, mlguard.edges_v1, mlguard.js_v1, mlguard.keep_baseline, mlguard.ks_v1, mlguard.linf_v1,
  mlguard.new_categories_v1, mlguard.no_distance_v1, mlguard.noise_v1, mlguard.psi_v1,
  mlguard.set_baseline(regclass, regclass), mlguard.set_baseline(regclass, text, timestamptz, timestamptz),
  mlguard.within_noise_v1
  from public;
