-- States: what a metric needs to know of rows, in a form that adds up. Writers append the states of what they wrote and
-- took away; nobody updates a shared row. Folding into buckets of time is sweep()'s work.

alter table mlguard._table
  add column window_length text not null default '1 day',
  add column late interval not null default interval '0',
  add column base text,
  add column inputs text[] not null default '{}',
  add column baseline text not null default 'first 28 days',
  add column schema_mode text not null default 'at_least',
  add column importance jsonb not null default '{}',
  add column judges_batches boolean not null default false,
  add column recount text,
  add column sampler text,
  add constraint _table_schema_mode check (schema_mode in ('exact', 'at_least', 'off'));

comment on column mlguard._table.window_length is 'The window of SLOs that name none: 1 day.';
comment on column mlguard._table.late is 'How long after its end a window still waits for rows.';
comment on column mlguard._table.base is
  'Length of the buckets that states are kept in, the finest that every window of the table is made of; null: no '
  'window is judged.';
comment on column mlguard._table.inputs is 'Upstream tables: an incident here attaches to an open one there.';
comment on column mlguard._table.baseline is 'What distributions are compared with: first 28 days, previous 28 days, …';
comment on column mlguard._table.schema_mode is 'Which change of columns closes the gate: exact, at_least or off.';
comment on column mlguard._table.importance is 'Weights of columns for the models: {column: 0 to 1}.';
comment on column mlguard._table.judges_batches is 'Whether metrics of every batch are judged at COMMIT.';
comment on column mlguard._table.recount is 'The generated function that computes states from stored rows.';
comment on column mlguard._table.sampler is 'The generated function that samples stored rows.';

alter table mlguard._slo
  drop constraint _slo_level,
  add constraint _slo_level check (level in ('row', 'batch', 'window', 'read', 'assertion', 'schema')),
  add column over text,
  add column by_columns text[] not null default '{}',
  add column max_segments integer not null default 50,
  add column reopen text not null default 'next',
  add column metrics text[] not null default '{}',
  add column verdict text,
  add column learned text[] not null default '{}',
  add column sensitivity double precision not null default 1,
  add constraint _slo_reopen check (reopen in ('same', 'next'));

comment on column mlguard._slo.over is
  'What metrics are judged over: batch, a calendar length such as 1 day, or last 7 days; null for rows and reads.';
comment on column mlguard._slo.by_columns is 'Segment columns, in order: one verdict for each combination of values.';
comment on column mlguard._slo.max_segments is 'Segments judged alone; the rest is judged as other.';
comment on column mlguard._slo.reopen is
  'When a window hold ends: same window re-judged good, or next closed window good.';
comment on column mlguard._slo.metrics is 'The metrics of the check, as messages name them.';
comment on column mlguard._slo.verdict is 'The generated function that judges the states of a batch or window.';
comment on column mlguard._slo.learned is 'For learned health: the series judged, or {all}; else empty.';
comment on column mlguard._slo.sensitivity is 'Multiplies every learned limit; above 1 fewer alarms.';


create table mlguard._state (
  id bigint generated always as identity,
  tbl text not null,
  batch bigint,
  bucket timestamptz,
  segment jsonb not null default '{}',
  sign smallint not null,
  op text not null,
  n bigint not null,
  states jsonb not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  folded boolean not null default false,
  corrects bigint,
  -- By table first: sweep() takes the rows of one table in order, and one index less is what every writer saves.
  primary key (tbl, id)
);

create index _state_batch on mlguard._state (batch) where batch is not null;
create index _state_corrects on mlguard._state (corrects) where corrects is not null;

comment on table mlguard._state is
  'Private. States of the rows that statements wrote (sign 1) and took away (sign -1), appended; folded by sweep().';
comment on column mlguard._state.id is 'Number.';
comment on column mlguard._state.tbl is 'The table.';
comment on column mlguard._state.batch is 'The batch; null where the table judges no batches.';
comment on column mlguard._state.bucket is 'Start of the bucket of time the rows belong to; null: the table has none.';
comment on column mlguard._state.segment is 'Values of the segment columns; {}: all rows, whatever their segment.';
comment on column mlguard._state.sign is '1 for rows that landed, -1 for rows that were taken away.';
comment on column mlguard._state.op is 'INSERT, UPDATE, DELETE or TRUNCATE.';
comment on column mlguard._state.n is 'Rows.';
comment on column mlguard._state.states is 'The states, by name.';
comment on column mlguard._state.at is 'When.';
comment on column mlguard._state.folded is
  'Counted in mlguard._bucket already; kept because the gate is closed by its batch, whose correction needs it.';
comment on column mlguard._state.corrects is 'The earlier, held batch that these rows are counted with too.';


create table mlguard._bucket (
  tbl text not null,
  bucket timestamptz not null,
  segment jsonb not null default '{}',
  n bigint not null,
  states jsonb not null,
  changed_at timestamptz not null default pg_catalog.clock_timestamp(),
  primary key (tbl, bucket, segment)
);

comment on table mlguard._bucket is
  'Private. States of all rows of a bucket of time, folded from mlguard._state. Only sweep() writes here.';
comment on column mlguard._bucket.tbl is 'The table.';
comment on column mlguard._bucket.bucket is 'Start of the bucket.';
comment on column mlguard._bucket.segment is 'Values of the segment columns; {}: all rows.';
comment on column mlguard._bucket.n is 'Rows.';
comment on column mlguard._bucket.states is 'The merged states.';
comment on column mlguard._bucket.changed_at is 'When states were folded into it last: windows judged before are judged anew.';


create table mlguard._sample (
  id bigint primary key generated always as identity,
  tbl text not null,
  batch bigint,
  bucket timestamptz,
  n bigint not null,
  k integer not null,
  column_name text not null,
  nums double precision[],
  texts text[],
  at timestamptz not null default pg_catalog.clock_timestamp(),
  xid xid8 not null default pg_catalog.pg_current_xact_id()
);

create index _sample_batch on mlguard._sample (tbl, batch);
create index _sample_bucket on mlguard._sample (tbl, bucket);

comment on table mlguard._sample is
  'Private. Columns of a uniform sample of the rows that landed, aligned by position; what learned health is judged by.';
comment on column mlguard._sample.id is 'Number.';
comment on column mlguard._sample.tbl is 'The table.';
comment on column mlguard._sample.batch is 'The batch; null where it stands for a bucket as a whole.';
comment on column mlguard._sample.bucket is 'Start of the bucket of time; null: the table has none.';
comment on column mlguard._sample.n is 'Rows the sample stands for.';
comment on column mlguard._sample.k is 'Rows in the sample.';
comment on column mlguard._sample.column_name is 'The column.';
comment on column mlguard._sample.nums is 'Its values, for numbers; null for a missing one.';
comment on column mlguard._sample.texts is 'Its values as text, for all other types; of pii columns hashes.';
comment on column mlguard._sample.at is 'When.';
comment on column mlguard._sample.xid is
  'The transaction: its n-th row of each column belongs to one sample, in which positions agree.';


create table mlguard._metric (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  tbl text not null,
  metric text not null,
  over text not null,
  batch bigint,
  window_start timestamptz,
  window_end timestamptz,
  segment jsonb not null default '{}',
  value double precision,
  n bigint,
  sd double precision,
  sampled boolean not null default false,
  excluded boolean not null default false,
  current boolean not null default true
);

create index _metric_window on mlguard._metric (tbl, over, metric, segment, window_start)
  where current and window_start is not null;
create index _metric_batch on mlguard._metric (tbl, metric, segment, batch) where current and batch is not null;
create index _metric_of_window on mlguard._metric (tbl, window_start) where current and window_start is not null;
create index _metric_of_batch on mlguard._metric (tbl, batch) where current and batch is not null;

comment on table mlguard._metric is 'Private. Every value ever judged, passing ones too.';
comment on column mlguard._metric.id is 'Number.';
comment on column mlguard._metric.at is 'When it was computed.';
comment on column mlguard._metric.tbl is 'The table.';
comment on column mlguard._metric.metric is 'The metric, as the check spells it: coverage(age).';
comment on column mlguard._metric.over is 'batch, a calendar length such as 1 day, or last 7 days.';
comment on column mlguard._metric.batch is 'The batch, where over is batch.';
comment on column mlguard._metric.window_start is 'Start of the window.';
comment on column mlguard._metric.window_end is 'End of the window.';
comment on column mlguard._metric.segment is 'Values of the segment columns; {}: all rows.';
comment on column mlguard._metric.value is 'The value; null where there is none.';
comment on column mlguard._metric.n is 'Rows it was computed from; of a sample, rows in the sample.';
comment on column mlguard._metric.sd is 'Standard deviation of the column there, for locations that are learned.';
comment on column mlguard._metric.sampled is 'Computed from a sample.';
comment on column mlguard._metric.excluded is 'Labelled as a fault: learned bands leave it out.';
comment on column mlguard._metric.current is 'Not superseded by a later version for the same batch or window.';


create table mlguard._verdict (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  slo text not null,
  tbl text not null,
  over text not null,
  batch bigint,
  window_start timestamptz,
  window_end timestamptz,
  segment jsonb not null default '{}',
  version integer not null default 1,
  current boolean not null default true,
  outcome text not null,
  metrics text[] not null default '{}',
  vals double precision[] not null default '{}',
  n bigint,
  observed text,
  allowed text,
  reason text,
  detail jsonb,
  constraint _verdict_outcome check (outcome in ('PASS', 'FAIL', 'NOTED', 'INSUFFICIENT', 'ERROR'))
);

create index _verdict_window on mlguard._verdict (slo, window_start) where current and window_start is not null;
create index _verdict_batch on mlguard._verdict (tbl, batch) where current and batch is not null;
create index _verdict_slo on mlguard._verdict (slo, id);

comment on table mlguard._verdict is 'Private. What was found of each SLO over each batch and window; superseded ones stay.';
comment on column mlguard._verdict.id is 'Number; mlguard explain takes it.';
comment on column mlguard._verdict.at is 'When it was judged.';
comment on column mlguard._verdict.slo is 'Id of the SLO.';
comment on column mlguard._verdict.tbl is 'The table.';
comment on column mlguard._verdict.over is 'batch, a calendar length, last …, read, assertion or schema.';
comment on column mlguard._verdict.batch is 'The batch judged.';
comment on column mlguard._verdict.window_start is 'Start of the window judged.';
comment on column mlguard._verdict.window_end is 'End of the window judged.';
comment on column mlguard._verdict.segment is 'The segment judged; {}: all rows.';
comment on column mlguard._verdict.version is 'Counts the judgements of the same batch or window.';
comment on column mlguard._verdict.current is 'The last judgement of its batch or window.';
comment on column mlguard._verdict.outcome is 'PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT or ERROR.';
comment on column mlguard._verdict.metrics is 'The metrics of the check.';
comment on column mlguard._verdict.vals is 'Their values, in the same order.';
comment on column mlguard._verdict.n is 'Rows judged.';
comment on column mlguard._verdict.observed is 'What was found, in words: coverage(age) is 0.491.';
comment on column mlguard._verdict.allowed is 'What is allowed, in words: allowed >= 0.75.';
comment on column mlguard._verdict.reason is 'Why not PASS or FAIL: shadow, waived, 12 rows, fewer than 30; or no values.';
comment on column mlguard._verdict.detail is 'Numbers behind it, for explain: band, bins, arithmetic.';


create type mlguard.found_v1 as (
  metrics text[],
  vals double precision[],
  n bigint,
  ok boolean,
  reason text
);

comment on type mlguard.found_v1 is
  'What a verdict function returns: metrics and values, rows, whether the check holds (null: no answer), and why not.';


-- Merging. A document holds states by name; the word before the parenthesis says how two of them add up.

create function mlguard._merge_moments(p_parts jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Chan, Golub, LeVeque 1979, over all parts at once: squares around the common mean.
  with part as materialized (
    select (p.part ->> 0)::float8 as n, (p.part ->> 1)::float8 as mean, (p.part ->> 2)::float8 as m2
    from unnest(p_parts) p (part)
    where (p.part ->> 0)::float8 > 0
  ), whole as materialized (
    select sum(w.n) as n, sum(w.n * w.mean) / sum(w.n) as mean from part w
  )
  select coalesce(
    (select jsonb_build_array(w.n, w.mean, sum(p.m2 + p.n * (p.mean - w.mean) ^ 2))
     from part p, whole w
     group by w.n, w.mean),
    '[0, 0, 0]')
$mlguard$;

comment on function mlguard._merge_moments(jsonb[]) is 'Private. Merges [n, mean, m2].';


create function mlguard._merge_joint(p_parts jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Pébay 2008, equation 3.13, over all parts at once.
  with part as materialized (
    select (p.part ->> 0)::float8 as n, (p.part ->> 1)::float8 as a, (p.part ->> 2)::float8 as b,
           (p.part ->> 3)::float8 as aa, (p.part ->> 4)::float8 as bb, (p.part ->> 5)::float8 as ab
    from unnest(p_parts) p (part)
    where (p.part ->> 0)::float8 > 0
  ), whole as materialized (
    select sum(w.n) as n, sum(w.n * w.a) / sum(w.n) as a, sum(w.n * w.b) / sum(w.n) as b from part w
  )
  select coalesce(
    (select jsonb_build_array(
              w.n, w.a, w.b,
              sum(p.aa + p.n * (p.a - w.a) ^ 2),
              sum(p.bb + p.n * (p.b - w.b) ^ 2),
              sum(p.ab + p.n * (p.a - w.a) * (p.b - w.b)))
     from part p, whole w
     group by w.n, w.a, w.b),
    '[0, 0, 0, 0, 0, 0]')
$mlguard$;

comment on function mlguard._merge_joint(jsonb[]) is 'Private. Merges [n, mean_a, mean_b, m2_a, m2_b, c_ab].';


create function mlguard._merge_sampled(p_parts jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Counts are of rows; where some were left out, how many were looked at decides what chance can do.
  select case
    when bool_or(p.part ? 'sampled')
    then jsonb_build_object('sampled', sum(coalesce((p.part ->> 'sampled')::numeric, (p.part ->> 'n')::numeric)))
    else '{}'
  end
  from unnest(p_parts) p (part)
$mlguard$;

comment on function mlguard._merge_sampled(jsonb[]) is
  'Private. {"sampled": values looked at}, where a part left some out; else {}.';


create function mlguard._merge_bins(p_parts jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Counts of different edges cannot be added: the newest edges stand, and that rows are missing is said.
  with newest as (
    select coalesce(max((p.part ->> 'v')::bigint), 0) as v from unnest(p_parts) p (part)
  ), part as materialized (
    select p.part, coalesce((p.part ->> 'v')::bigint, 0) = newest.v as same from unnest(p_parts) p (part), newest
  ), bin as (
    select c.place, sum(c.count::numeric) as count
    from part p, jsonb_array_elements_text(p.part -> 'c') with ordinality c (count, place)
    where p.same
    group by c.place
  )
  select jsonb_build_object(
           'v', (select n.v from newest n),
           'c', coalesce((select jsonb_agg(b.count order by b.place) from bin b), '[]'),
           'n', coalesce(sum((p.part ->> 'n')::numeric) filter (where p.same), 0))
         || case
              when bool_or(p.part ? 'partial' or (not p.same and (p.part ->> 'n')::numeric > 0))
              then '{"partial": true}'::jsonb
              else '{}'
            end
         || mlguard._merge_sampled(array_agg(p.part) filter (where p.same))
  from part p
$mlguard$;

comment on function mlguard._merge_bins(jsonb[]) is 'Private. Merges counts of bins: {"v", "c", "n"}.';


create function mlguard._merge_values(p_parts jsonb[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  with counted as (
    select c.key, sum(c.value::numeric) as count
    from unnest(p_parts) p (part), jsonb_each_text(p.part -> 'c') c
    group by c.key
  ), ranked as materialized (
    select c.key, c.count, row_number() over (order by c.count desc, c.key collate "C") as place from counted c
  )
  select jsonb_build_object(
           'c', coalesce((select jsonb_object_agg(r.key, r.count) from ranked r where r.place <= 1000), '{}'),
           'other', coalesce(sum((p.part ->> 'other')::numeric), 0)
                    + coalesce((select sum(r.count) from ranked r where r.place > 1000), 0),
           'n', coalesce(sum((p.part ->> 'n')::numeric), 0))
         || mlguard._merge_sampled(p_parts)
  from unnest(p_parts) p (part)
$mlguard$;

comment on function mlguard._merge_values(jsonb[]) is
  'Private. Merges counts of values: {"c", "other", "n"}; the 1000 most frequent stay by name.';


create function mlguard._below(p_theta double precision)
returns text
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- 52 bits of the 64, which a double holds exactly.
  select case
    when p_theta < 1 then lpad(to_hex(ceil(p_theta * 4503599627370496)::bigint), 13, '0') || '000'
  end
$mlguard$;

comment on function mlguard._below(double precision) is
  'Private. The hash that hashes below a theta are smaller than, in hexadecimal digits; null: no limit.';


create function mlguard._merge_keys(p_parts jsonb[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _theta double precision;
  _rows numeric;
  _hashes text[];
  _counts numeric[];
  _limit text;
begin
  select min((p.part ->> 't')::float8), sum((p.part ->> 'n')::numeric)
  into _theta, _rows
  from unnest(p_parts) p (part);
  _limit := mlguard._below(_theta);

  -- The smallest hashes of a union are a uniform sample of its keys (Bar-Yossef et al. 2002), counts complete.
  select array_agg(h.hash order by h.hash collate "C"), array_agg(h.count order by h.hash collate "C")
  into _hashes, _counts
  from (
    select k.key as hash, sum(k.value::numeric) as count
    from unnest(p_parts) p (part), jsonb_each_text(p.part -> 'k') k
    where _limit is null or k.key collate "C" < _limit
    group by k.key
  ) h
  where h.count <> 0;
  if cardinality(_hashes) > 4096 then
    _theta := ('x' || lpad(left(_hashes[4097], 13), 16, '0'))::bit(64)::bigint / 4503599627370496::float8;
    _limit := mlguard._below(_theta);
  end if;
  return jsonb_build_object(
    't', _theta,
    'k', (select coalesce(jsonb_object_agg(h.hash, h.count), '{}')
          from unnest(_hashes, _counts) h (hash, count)
          where _limit is null or h.hash collate "C" < _limit),
    'n', _rows);
end
$mlguard$;

comment on function mlguard._merge_keys(jsonb[]) is
  'Private. Merges counts of hashed keys: {"t", "k", "n"}; above 4096 keys those with the smallest hashes.';


create function mlguard._ranks(p_state jsonb, out vals double precision[], out ranks double precision[])
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if not p_state ? 'w' then
    -- All values: the positions of percentile_cont.
    select array_agg(v.value::float8 order by v.place),
           array_agg((v.place - 1) / greatest(v.points - 1, 1)::float8 order by v.place)
    into vals, ranks
    from (
      select e.value, e.place, count(*) over () as points
      from jsonb_array_elements_text(p_state -> 'v') with ordinality e (value, place)
    ) v;
  else
    -- A point stands for the rows around it; the first and the last are the ends.
    select array_agg(c.value order by c.place),
           array_agg(coalesce((c.middle - c.first) / nullif(c.last - c.first, 0), 0) order by c.place)
    into vals, ranks
    from (
      select m.value, m.place, m.middle, min(m.middle) over () as first, max(m.middle) over () as last
      from (
        select v.value::float8 as value, v.place,
               sum(w.weight::float8) over (order by v.place) - w.weight::float8 / 2 as middle
        from jsonb_array_elements_text(p_state -> 'v') with ordinality v (value, place)
        join jsonb_array_elements_text(p_state -> 'w') with ordinality w (weight, place) using (place)
      ) m
    ) c;
  end if;
end
$mlguard$;

comment on function mlguard._ranks(jsonb) is 'Private. Points of a quantile state with their ranks, 0 to 1, both ascending.';


create function mlguard._at_rank(p_vals double precision[], p_ranks double precision[], p_rank double precision)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _place integer := greatest(width_bucket(p_rank, p_ranks), 1);
  _step double precision;
begin
  -- Equal ends are not interpolated: Infinity - Infinity is no number.
  if _place >= cardinality(p_vals) or p_vals[_place] = p_vals[_place + 1] or p_rank <= p_ranks[_place] then
    return p_vals[_place];
  end if;
  _step := (p_rank - p_ranks[_place]) / (p_ranks[_place + 1] - p_ranks[_place]);
  return p_vals[_place] + _step * (p_vals[_place + 1] - p_vals[_place]);
end
$mlguard$;

comment on function mlguard._at_rank(double precision[], double precision[], double precision) is
  'Private. The value at a rank, interpolated between points.';


create function mlguard._merge_quantiles(p_parts jsonb[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _state jsonb;
  _points bigint;
  _exact boolean;
  _rows numeric;
  _points_of record;
begin
  _rows := (select coalesce(sum((p.part ->> 'n')::numeric), 0) from unnest(p_parts) p (part));
  select jsonb_build_object(
           'n', _rows,
           'v', coalesce(jsonb_agg(v.value order by v.value), '[]'),
           'w', coalesce(jsonb_agg(v.weight order by v.value), '[]')),
         count(*), coalesce(bool_and(v.weight = 1), true)
  into _state, _points, _exact
  from (
    select e.value::float8 as value, coalesce((p.part -> 'w' ->> (e.place::integer - 1))::float8, 1) as weight
    from unnest(p_parts) p (part), jsonb_array_elements_text(p.part -> 'v') with ordinality e (value, place)
  ) v;
  if _points > 2002 then
    _points_of := mlguard._ranks(case when _exact then _state - 'w' else _state end);
    return jsonb_build_object(
      'n', _rows,
      'v', (select jsonb_agg(mlguard._at_rank(_points_of.vals, _points_of.ranks, r.place / 500.0) order by r.place)
            from generate_series(0, 500) r (place)),
      'w', (select jsonb_agg(_rows::float8 / 501) from generate_series(0, 500)))
      || mlguard._merge_sampled(p_parts);
  end if;
  return case when _exact then _state - 'w' else _state end || mlguard._merge_sampled(p_parts);
end
$mlguard$;

comment on function mlguard._merge_quantiles(jsonb[]) is
  'Private. Merges sorted values {"n", "v", "w"}; above 2002 points 501 of equal rank stay.';


create function mlguard._merge_parts(p_key text, p_parts jsonb[])
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

comment on function mlguard._merge_parts(text, jsonb[]) is 'Private. Merges states of one name that are more than a number.';


create function mlguard._merge_all(p_documents jsonb[])
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if cardinality(p_documents) = 1 then
    return coalesce(p_documents[1], '{}');
  end if;
  -- Numbers as numeric: sums of integers are exact, and sums of floats can be taken apart again.
  return (
    select coalesce(jsonb_object_agg(m.key, m.value) filter (where m.value is not null), '{}')
    from (
      select e.key,
             case
               when bool_or(e.kind in ('array', 'object'))
               then mlguard._merge_parts(e.key, array_agg(e.value) filter (where e.kind in ('array', 'object')))
               when e.key like 'min(%' then to_jsonb(min(e.number))
               when e.key like 'max(%' then to_jsonb(max(e.number))
               else to_jsonb(sum(e.number))
             end as value
      from (
        select s.key, s.value, kind.kind,
               case kind.kind
                 when 'number' then s.value::numeric
                 when 'string' then (s.value #>> '{}')::numeric
               end as number
        from unnest(p_documents) d (states), jsonb_each(d.states) s, jsonb_typeof(s.value) kind (kind)
      ) e
      group by e.key
    ) m);
end
$mlguard$;

comment on function mlguard._merge_all(jsonb[]) is 'Private. Merges documents of states.';


create function mlguard._merge(p_a jsonb, p_b jsonb)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when coalesce(p_b, '{}') = '{}' then coalesce(p_a, '{}')
    when coalesce(p_a, '{}') = '{}' then p_b
    else mlguard._merge_all(array[p_a, p_b])
  end
$mlguard$;

comment on function mlguard._merge(jsonb, jsonb) is 'Private. Merges two documents of states.';


create aggregate mlguard.merge_v1(jsonb) (
  sfunc = pg_catalog.array_append,
  stype = jsonb[],
  initcond = '{}',
  finalfunc = mlguard._merge_all,
  parallel = safe
);

comment on aggregate mlguard.merge_v1(jsonb) is 'Merges documents of states; of none the empty document.';


create function mlguard._less(p_key text, p_from jsonb, p_gone jsonb)
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

comment on function mlguard._less(text, jsonb, jsonb) is
  'Private. A state without the rows of another; what cannot be taken apart is left as it is.';


create function mlguard._made_stale(p_key text, p_from jsonb, p_gone jsonb)
returns boolean
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(
    case substring(p_key from '^[a-z]+')
      -- An extreme stands as long as what went did not reach it.
      when 'min' then (p_gone #>> '{}')::numeric <= (p_from #>> '{}')::numeric
      when 'max' then (p_gone #>> '{}')::numeric >= (p_from #>> '{}')::numeric
      when 'quantiles' then (p_gone ->> 'n')::numeric > 0
      when 'moments' then p_gone ->> 1 in ('NaN', 'Infinity', '-Infinity') or p_gone ->> 2 in ('NaN', 'Infinity')
      when 'joint' then p_gone::text like any (array['%NaN%', '%Infinity%'])
      when 'sum' then jsonb_typeof(p_gone) = 'string'
    end,
    false)
$mlguard$;

comment on function mlguard._made_stale(text, jsonb, jsonb) is
  'Private. Whether taking rows away leaves a state that only a recount can tell.';


create function mlguard._unmerge(p_from jsonb, p_gone jsonb)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _left jsonb;
  _stale jsonb;
begin
  if coalesce(p_gone, '{}') = '{}' then
    return coalesce(p_from, '{}');
  end if;
  -- No row left: every state is that of no rows, exactly, whatever rounding or staleness there was.
  if (p_from ->> 'n')::numeric = (p_gone ->> 'n')::numeric then
    return '{"n": 0}';
  end if;
  select jsonb_object_agg(s.key, s.value) filter (where s.value is not null),
         jsonb_agg(s.key order by s.key) filter (where s.stale)
  into _left, _stale
  from (
    select key, mlguard._less(key, f.value, g.value) as value,
           mlguard._made_stale(key, f.value, g.value) or p_from -> 'stale' ? key or p_gone -> 'stale' ? key as stale
    from jsonb_each(coalesce(p_from, '{}') - 'stale') f
    full join jsonb_each(p_gone - 'stale') g using (key)
  ) s;
  return coalesce(_left, '{}') || case when _stale is null then '{}' else jsonb_build_object('stale', _stale) end;
end
$mlguard$;

comment on function mlguard._unmerge(jsonb, jsonb) is
  'Private. A document without the rows of another; "stale" lists states that only a recount can tell.';


-- Finalising: metrics from states. Functions of generated verdicts, in PL/pgSQL because a call costs least there.

create function mlguard.count_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- A state that was not kept while there were rows is unknown; of no rows it is 0.
  return case
    when p_states ? p_key then (p_states ->> p_key)::float8
    when coalesce((p_states ->> 'n')::float8, 0) = 0 then 0
  end;
end
$mlguard$;

comment on function mlguard.count_v1(jsonb, text) is 'A count.';


create function mlguard.ratio_v1(p_states jsonb, p_part text, p_whole text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states ->> p_part)::float8 / nullif((p_states ->> p_whole)::float8, 0);
end
$mlguard$;

comment on function mlguard.ratio_v1(jsonb, text, text) is 'One count as a share of another; null where that is 0.';


create function mlguard.rest_v1(p_states jsonb, p_part text, p_whole text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return ((p_states ->> p_whole)::float8 - (p_states ->> p_part)::float8) / nullif((p_states ->> p_whole)::float8, 0);
end
$mlguard$;

comment on function mlguard.rest_v1(jsonb, text, text) is
  'What one count leaves of another, as a share of that; null where that is 0.';


create function mlguard.share_v1(p_states jsonb, p_part text, p_have text, p_nan text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states ->> p_part)::float8
         / nullif((p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0), 0);
end
$mlguard$;

comment on function mlguard.share_v1(jsonb, text, text, text) is
  'A count as a share of the values that are neither missing nor NaN; null where there are none.';


create function mlguard.sum_v1(p_states jsonb, p_sum text, p_have text default null, p_nan text default null)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return case
    when (p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0) = 0 then null
    else (p_states ->> p_sum)::float8
  end;
end
$mlguard$;

comment on function mlguard.sum_v1(jsonb, text, text, text) is
  'A sum; null where there are no values, as far as p_have and p_nan tell.';


create function mlguard.mean_v1(p_states jsonb, p_sum text, p_have text, p_nan text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states ->> p_sum)::float8
         / nullif((p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0), 0);
end
$mlguard$;

comment on function mlguard.mean_v1(jsonb, text, text, text) is
  'Mean of the values that are neither missing nor NaN; null where there are none.';


create function mlguard.stddev_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n double precision := (p_states -> p_key ->> 0)::float8;
begin
  return case when _n >= 2 then sqrt(greatest((p_states -> p_key ->> 2)::float8, 0) / (_n - 1)) end;
end
$mlguard$;

comment on function mlguard.stddev_v1(jsonb, text) is 'Sample standard deviation; null below two values.';


create function mlguard.least_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states ->> p_key)::float8;
end
$mlguard$;

comment on function mlguard.least_v1(jsonb, text) is 'The least value; null where there are none.';


create function mlguard.greatest_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states ->> p_key)::float8;
end
$mlguard$;

comment on function mlguard.greatest_v1(jsonb, text) is 'The greatest value; null where there are none.';


create function mlguard.quantile_v1(p_states jsonb, p_key text, p_rank double precision)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _points record;
begin
  if coalesce((p_states -> p_key ->> 'n')::float8, 0) <= 0 then
    return null;
  end if;
  _points := mlguard._ranks(p_states -> p_key);
  return mlguard._at_rank(_points.vals, _points.ranks, p_rank);
end
$mlguard$;

comment on function mlguard.quantile_v1(jsonb, text, double precision) is
  'The value at a rank from 0 to 1, interpolated as percentile_cont; null where there are no values.';


create function mlguard.correlation_v1(p_states jsonb, p_key text)
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


create function mlguard.distinct_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return case
    when p_states ? p_key
    then round((select count(*) from jsonb_object_keys(p_states -> p_key -> 'k'))
               / (p_states -> p_key ->> 't')::float8)
    when coalesce((p_states ->> 'n')::float8, 0) = 0 then 0
  end;
end
$mlguard$;

comment on function mlguard.distinct_v1(jsonb, text) is
  'Different values; exact up to 4096, above that estimated from the values with the smallest hashes.';


create function mlguard.duplicates_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (
    select (sum(k.value::float8) - count(*)) / nullif(sum(k.value::float8), 0)
    from jsonb_each_text(p_states -> p_key -> 'k') k);
end
$mlguard$;

comment on function mlguard.duplicates_v1(jsonb, text) is
  'Share of rows beyond the first of their key; above 4096 keys of the rows with the smallest hashes.';


-- Appending. Called by generated triggers, once a statement and bucket.

create function mlguard.add_states_v1(
  p_tbl text, p_op text, p_sign integer, p_bucket timestamptz, p_segment jsonb, p_n bigint, p_states jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
    if p_sign < 0 then
      -- What is taken away may mend a batch that is held: COMMIT looks.
      perform mlguard.landed_v1(p_tbl, 0, '{}');
    end if;
  end if;
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  values (p_tbl, _batch, p_bucket, p_segment, p_sign, p_op, p_n, p_states);
end
$mlguard$;

comment on function mlguard.add_states_v1(text, text, integer, timestamptz, jsonb, bigint, jsonb) is
  'Appends the states of rows that a statement wrote (sign 1) or took away (sign -1), of one bucket and segment.';


create function mlguard.add_sample_v1(
  p_tbl text, p_bucket timestamptz, p_n bigint, p_k integer, p_column text, p_nums double precision[], p_texts text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
  end if;
  insert into mlguard._sample (tbl, batch, bucket, n, k, column_name, nums, texts)
  values (p_tbl, _batch, p_bucket, p_n, p_k, p_column, p_nums, p_texts);
end
$mlguard$;

comment on function mlguard.add_sample_v1(text, timestamptz, bigint, integer, text, double precision[], text[]) is
  'Appends one column of a sample of the rows that a statement wrote, of one bucket.';


create function mlguard.sample_places_v1(p_n bigint, p_tried integer, p_most integer)
returns bigint[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  -- A row draws the fractional part of its place times the golden ratio, in units of 2^-32.
  _step constant bigint := 2654435761;
  _whole constant bigint := 4294967296;
  _below bigint := ceil(p_tried::numeric * _whole / p_n);
  _up bigint;
  _up_by bigint;
  _down bigint;
  _down_by bigint;
  _moved bigint := 0;
  _stride bigint := 0;
  _place bigint := 0;
  _draw bigint := 0;
  _places bigint[];
  _draws bigint[];
  _k integer := 0;
begin
  if p_n <= p_tried then
    return array(
      select p.place
      from (
        select g.i as place from generate_series(0, p_n - 1) g (i) order by g.i * _step % _whole limit p_most
      ) p
      order by p.place);
  end if;
  -- From one draw below the limit to the next leads the shortest stride that moves it up, the shortest that moves it down,
  -- or both together: the three gaps theorem (Slater 1967). So no other place is looked at.
  while _up is null or _down is null loop
    _stride := _stride + 1;
    _moved := (_moved + _step) % _whole;
    if _up is null and _moved < _below then
      _up := _stride;
      _up_by := _moved;
    end if;
    if _down is null and _whole - _moved < _below then
      _down := _stride;
      _down_by := _whole - _moved;
    end if;
  end loop;
  while _place < p_n loop
    _k := _k + 1;
    _places[_k] := _place;
    _draws[_k] := _draw;
    if _draw + _up_by < _below and (_up < _down or _draw < _down_by) then
      _place := _place + _up;
      _draw := _draw + _up_by;
    elsif _draw >= _down_by then
      _place := _place + _down;
      _draw := _draw - _down_by;
    else
      _place := _place + _up + _down;
      _draw := _draw + _up_by - _down_by;
    end if;
  end loop;
  return array(
    select p.place
    from (select u.place from unnest(_places, _draws) u (place, draw) order by u.draw limit p_most) p
    order by p.place);
end
$mlguard$;

comment on function mlguard.sample_places_v1(bigint, integer, integer) is
  'Places, from 0, of the rows that a sample of a statement takes: of about p_tried evenly spread ones the p_most that '
  'drew least.';


create function mlguard.truncated_v1(p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
    perform mlguard.landed_v1(p_tbl, 0, '{}');
  end if;
  -- TRUNCATE waits for all writers and they for it: all rows so far have lower numbers.
  insert into mlguard._state (tbl, batch, sign, op, n, states) values (p_tbl, _batch, -1, 'TRUNCATE', 0, '{}');
end
$mlguard$;

comment on function mlguard.truncated_v1(text) is 'Notes that a table was emptied: all its states so far are void.';


-- Samples are merged when they are read, from what statements appended.

create function mlguard._pool_samples(p_ids bigint[])
returns table (column_name text, n bigint, k integer, nums double precision[], texts text[])
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _samples integer;
  _rows bigint;
  _size bigint;
begin
  select count(*), sum(s.n),
         -- No sample can give more rows than it has, or the rows of the others would count for too much.
         least(2000, sum(s.k), floor(min(s.k::numeric / s.n) * sum(s.n) + 0.000001))
  into _samples, _rows, _size
  from (
    select max(p.n) as n, max(p.k) as k
    from (
      select s.xid, s.batch, s.bucket, s.n, s.k,
             row_number() over (partition by s.xid, s.batch, s.bucket, s.column_name order by s.id) as place
      from mlguard._sample s
      where s.id = any (p_ids) and s.n > 0 and s.k > 0
    ) p
    group by p.xid, p.batch, p.bucket, p.place
  ) s;

  if _samples <= 1 then
    return query
      select s.column_name, s.n, s.k, s.nums, s.texts from mlguard._sample s where s.id = any (p_ids) order by s.id;
    return;
  end if;

  return query
    with line as materialized (
      select s.id, s.xid, s.batch, s.bucket, s.column_name, s.n, s.k,
             row_number() over (partition by s.xid, s.batch, s.bucket, s.column_name order by s.id) as place
      from mlguard._sample s
      where s.id = any (p_ids) and s.n > 0 and s.k > 0
    ), sample as materialized (
      select g.*, row_number() over (order by g.first) as no, sum(g.n) over (order by g.first) as upto
      from (
        select l.xid, l.batch, l.bucket, l.place, min(l.id) as first, max(l.n) as n, max(l.k) as k
        from line l
        group by l.xid, l.batch, l.bucket, l.place
      ) g
    ), pick as materialized (
      -- Each gives in proportion to the rows it stands for: evenly spaced points on all rows laid end to end.
      select s.no, 1 + floor((j.place + 0.5) * s.k / quota.rows)::integer as place
      from sample s
      cross join lateral (
        select least(s.k, floor(s.upto * _size / _rows + 0.5) - floor((s.upto - s.n) * _size / _rows + 0.5))::integer
          as rows
      ) quota
      cross join lateral generate_series(0, quota.rows - 1) j (place)
    ), value as (
      select c.column_name, s.no, v.place, v.num, v.text
      from line l
      join mlguard._sample c on c.id = l.id
      join sample s
        on s.xid = l.xid and s.place = l.place and s.batch is not distinct from l.batch
        and s.bucket is not distinct from l.bucket
      cross join lateral unnest(c.nums, c.texts) with ordinality v (num, text, place)
    )
    select c.column_name, _rows, (select count(*)::integer from pick),
           case when bool_or(c.numbers) then array_agg(v.num order by p.no, p.place) end,
           case when bool_or(c.words) then array_agg(v.text order by p.no, p.place) end
    from (
      select s.column_name, min(s.id) as first, bool_or(s.nums is not null) as numbers,
             bool_or(s.texts is not null) as words
      from mlguard._sample s
      where s.id = any (p_ids)
      group by s.column_name
    ) c
    cross join pick p
    left join value v on v.column_name = c.column_name and v.no = p.no and v.place = p.place
    group by c.column_name, c.first
    order by c.first;
end
$mlguard$;

comment on function mlguard._pool_samples(bigint[]) is
  'Private. One sample, of at most 2000 rows, from several: each counts by the rows it stands for, positions agree '
  'between columns.';


create function mlguard._batch_sample(p_batch bigint)
returns table (column_name text, n bigint, k integer, nums double precision[], texts text[])
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select p.*
  from mlguard._pool_samples(array(
    select s.id
    from mlguard._batch b
    join mlguard._sample s on s.tbl = b.tbl and s.batch = b.id
    where b.id = p_batch)) p
$mlguard$;

comment on function mlguard._batch_sample(bigint) is 'Private. The sample of a batch, one row a column.';


create function mlguard._window_sample(p_tbl text, p_from timestamptz, p_to timestamptz)
returns table (column_name text, n bigint, k integer, nums double precision[], texts text[])
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select p.*
  from mlguard._pool_samples(array(
    select s.id from mlguard._sample s where s.tbl = p_tbl and s.bucket >= p_from and s.bucket < p_to)) p
$mlguard$;

comment on function mlguard._window_sample(text, timestamptz, timestamptz) is
  'Private. The sample of the rows of a window, one row a column.';


-- One at a time folds, judges and recounts a table. The lock is the transaction's, so that nothing can leave it behind.

create function mlguard._lock_table(p_tbl text)
returns boolean
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select pg_try_advisory_xact_lock(hashtextextended('mlguard ' || p_tbl, 0))
$mlguard$;

comment on function mlguard._lock_table(text) is
  'Private. Takes the lock of a table''s buckets and windows if it is free; true when this transaction has it.';


create function mlguard._wait_table(p_tbl text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select pg_advisory_xact_lock(hashtextextended('mlguard ' || p_tbl, 0))
$mlguard$;

comment on function mlguard._wait_table(text) is 'Private. Waits for the lock of a table''s buckets and windows.';


create function mlguard._kept_batches(p_tbl text)
returns setof bigint
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select h.batch from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null and h.batch is not null
  union
  select b.id
  from mlguard._batch b
  where b.tbl = p_tbl and b.xid = pg_current_xact_id_if_assigned() and b.opened_at = now()
$mlguard$;

comment on function mlguard._kept_batches(text) is
  'Private. Batches whose states are needed after they were folded: those that are held, and the one of this '
  'transaction, which COMMIT judges.';


create function mlguard._recount(p_tbl text, p_recount text, p_from timestamptz, p_to timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
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
    ), kept as (
      update mlguard._state s
      set folded = true
      where s.tbl = $1 and not s.folded
        and (($2 is null and $3 is null) or (s.bucket >= $2 and s.bucket < $3))
        and exists (select from held h where h.batch in (s.batch, s.corrects))
    ), gone as (
      delete from mlguard._bucket b
      where b.tbl = $1 and b.bucket >= coalesce($2, '-infinity') and b.bucket < coalesce($3, 'infinity')
        and not exists (select from counted c where c.bucket = b.bucket and c.segment = b.segment)
    )
    insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at)
    select $1, c.bucket, c.segment, c.n, c.states, '-infinity'
    from counted c
    on conflict (tbl, bucket, segment) do update set n = excluded.n, states = excluded.states
    $statement$, p_recount)
  using p_tbl, p_from, p_to;
  get diagnostics _n = row_count;
  return _n;
end
$mlguard$;

comment on function mlguard._recount(text, text, timestamptz, timestamptz) is
  'Private. Replaces buckets by a recount of the stored rows. Windows are not judged anew for it: no row came.';


create function mlguard.backfill_v1(p_tbl text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
  _function text;
  _n bigint := 0;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  perform mlguard._wait_table(p_tbl);
  if _table.base is not null and _table.recount is not null then
    if current_setting('transaction_isolation') = 'read committed'
       and (select p.provolatile = 'v' from pg_proc p
            where p.oid = to_regprocedure(_table.recount || '(timestamptz, timestamptz)')) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('mlguard: %s is VOLATILE and would see rows that came after the count began', _table.recount),
        hint = 'Declare it STABLE, or backfill at REPEATABLE READ.';
    end if;
    _n := mlguard._recount(p_tbl, _table.recount, null, null);
  else
    delete from mlguard._bucket b where b.tbl = p_tbl;
  end if;

  delete from mlguard._sample s where s.tbl = p_tbl and s.batch is null;
  if _table.base is not null and _table.sampler is not null then
    execute format($statement$
      insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts)
      select $1, s.bucket, s.n, s.k, s.column_name, s.nums, s.texts
      from %s(null, null) s
      where isfinite(s.bucket)
        and not exists (select from mlguard._sample o where o.tbl = $1 and o.bucket = s.bucket)
      $statement$, _table.sampler)
    using p_tbl;
  end if;
  return _n;
end
$mlguard$;

comment on function mlguard.backfill_v1(text) is
  'Computes the buckets and samples of a table anew from its stored rows; returns how many buckets there are. For apply, '
  'and for doctor where states and rows differ.';
