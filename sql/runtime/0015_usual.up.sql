-- Learned health. Every scope (a window, or a batch) leaves a sample of its rows. Series are computed from it, each is
-- held against a band learned from its own past, and a column's score is the worst of its series. mlguard/learn computes
-- the same in Python, for files and for replays.

create table mlguard._learned_scope (
  id bigint primary key generated always as identity,
  tbl text not null,
  over text not null,
  batch bigint,
  window_start timestamptz,
  window_end timestamptz,
  n bigint not null,
  k integer not null,
  positions integer[],
  observed boolean not null default false,
  excluded boolean not null default false,
  at timestamptz not null default pg_catalog.clock_timestamp()
);

create unique index _learned_scope_window on mlguard._learned_scope (tbl, over, window_start) where batch is null;
create unique index _learned_scope_batch on mlguard._learned_scope (tbl, over, batch) where batch is not null;

comment on table mlguard._learned_scope is 'Private. Windows and batches whose samples were judged by what is usual.';
comment on column mlguard._learned_scope.id is 'Number, in the order in which they were judged.';
comment on column mlguard._learned_scope.tbl is 'The table.';
comment on column mlguard._learned_scope.over is 'batch, or the length of the window.';
comment on column mlguard._learned_scope.batch is 'The batch.';
comment on column mlguard._learned_scope.window_start is 'Start of the window.';
comment on column mlguard._learned_scope.window_end is 'End of the window.';
comment on column mlguard._learned_scope.n is 'Rows.';
comment on column mlguard._learned_scope.k is 'Rows in the sample.';
comment on column mlguard._learned_scope.positions is
  'At which place among all rows each sampled row came, from 0; null: not known, as where batches were merged.';
comment on column mlguard._learned_scope.observed is 'Taken into what is usual.';
comment on column mlguard._learned_scope.excluded is 'Labelled as a fault: left out of what is usual.';
comment on column mlguard._learned_scope.at is 'When it was judged first.';


create table mlguard._profile (
  scope bigint not null references mlguard._learned_scope on delete cascade,
  column_name text not null,
  m bigint not null,
  nums double precision[],
  texts text[],
  counts integer[] not null,
  sketch double precision[],
  deviation double precision,
  logdeviation double precision,
  rows_nums double precision[],
  rows_texts text[],
  primary key (scope, column_name)
);

comment on table mlguard._profile is 'Private. Columns of a sample: distinct values and how often each came.';
comment on column mlguard._profile.scope is 'The window or batch.';
comment on column mlguard._profile.column_name is 'The column.';
comment on column mlguard._profile.m is 'Values in the sample that are not missing.';
comment on column mlguard._profile.nums is 'Distinct numbers, ascending.';
comment on column mlguard._profile.texts is 'Distinct texts; of pii columns hashes.';
comment on column mlguard._profile.counts is 'How often each came.';
comment on column mlguard._profile.sketch is 'At most 400 of the numbers, evenly spaced by rank.';
comment on column mlguard._profile.deviation is 'Their standard deviation (population).';
comment on column mlguard._profile.logdeviation is 'Standard deviation of ln |x| of those that are not 0.';
comment on column mlguard._profile.rows_nums is 'The sampled rows, for numbers; aligned across columns.';
comment on column mlguard._profile.rows_texts is 'The sampled rows, for texts; aligned across columns.';


create table mlguard._reference (
  tbl text not null,
  over text not null,
  column_name text not null,
  edges double precision[],
  below double precision[],
  low double precision,
  high double precision,
  decimals integer,
  nums double precision[],
  texts text[],
  shares double precision[] not null,
  primary key (tbl, over, column_name)
);

comment on table mlguard._reference is 'Private. The last 30 samples of a column, pooled.';
comment on column mlguard._reference.tbl is 'The table.';
comment on column mlguard._reference.over is 'batch, or the length of the window.';
comment on column mlguard._reference.column_name is 'The column.';
comment on column mlguard._reference.edges is 'Distinct 5 %, 10 % … 95 % quantiles.';
comment on column mlguard._reference.below is 'Share of the pooled values below each edge.';
comment on column mlguard._reference.low is 'A number below it is far out: p05 - 1.5 (p95 - p05).';
comment on column mlguard._reference.high is 'A number above it is far out: p95 + 1.5 (p95 - p05).';
comment on column mlguard._reference.decimals is 'Decimals that the numbers keep to; null: none.';
comment on column mlguard._reference.nums is 'Numbers that were heavy in some sample.';
comment on column mlguard._reference.texts is 'All texts.';
comment on column mlguard._reference.shares is 'Their shares of the pooled values.';


create table mlguard._seen (
  tbl text not null,
  over text not null,
  what text not null,
  name text not null,
  value text not null,
  primary key (tbl, over, what, name, value)
);

comment on table mlguard._seen is 'Private. Values, shapes and value pairs that a column has ever held.';
comment on column mlguard._seen.tbl is 'The table.';
comment on column mlguard._seen.over is 'batch, or the length of the window.';
comment on column mlguard._seen.what is 'value, shape or pair.';
comment on column mlguard._seen.name is 'The column; of a pair both.';
comment on column mlguard._seen.value is 'What was seen; of pii columns hashes.';


create table mlguard._pair (
  tbl text not null,
  over text not null,
  column_name text not null,
  metric text not null,
  partner text not null,
  bins jsonb,
  partner_bins jsonb,
  learned_at timestamptz not null default pg_catalog.clock_timestamp(),
  evidence jsonb,
  primary key (tbl, over, column_name, metric, partner),
  constraint _pair_metric check (metric in ('pair', 'dependence', 'nulls'))
);

comment on table mlguard._pair is 'Private. Rules between two columns that were learned.';
comment on column mlguard._pair.tbl is 'The table.';
comment on column mlguard._pair.over is 'batch, or the length of the window.';
comment on column mlguard._pair.column_name is 'The one column.';
comment on column mlguard._pair.metric is
  'pair: values never seen together; dependence: one no longer tells of the other; nulls: they are missing together.';
comment on column mlguard._pair.partner is 'The other column.';
comment on column mlguard._pair.bins is 'How the one is cut into bins, for dependence.';
comment on column mlguard._pair.partner_bins is 'How the other is cut.';
comment on column mlguard._pair.learned_at is 'When it was learned.';
comment on column mlguard._pair.evidence is 'What it rests on.';


create table mlguard._band (
  tbl text not null,
  over text not null,
  segment jsonb not null default '{}',
  metric text not null,
  class text not null,
  side text not null,
  factor double precision not null,
  scale double precision,
  filled double precision[] not null default '{}',
  known boolean[] not null default '{}',
  slots integer[] not null default '{}',
  units double precision[] not null default '{}',
  r1 double precision[] not null default '{}',
  r2 double precision[] not null default '{}',
  r3 double precision[] not null default '{}',
  r4 double precision[] not null default '{}',
  r5 double precision[] not null default '{}',
  r6 double precision[] not null default '{}',
  errors double precision[] not null default '{}',
  spreads double precision[] not null default '{}',
  plain integer,
  plain_up double precision,
  plain_down double precision,
  slot_up double precision,
  slot_down double precision,
  history integer not null default 0,
  upto bigint not null default 0,
  left_out bigint not null default 0,
  learned_at timestamptz not null default pg_catalog.clock_timestamp(),
  primary key (tbl, over, segment, metric)
);

-- Numbers hardly compress: trying would cost more than learning them.
alter table mlguard._band
  alter column filled set storage external,
  alter column units set storage external,
  alter column r1 set storage external,
  alter column r2 set storage external,
  alter column r3 set storage external,
  alter column r4 set storage external,
  alter column r5 set storage external,
  alter column r6 set storage external;

comment on table mlguard._band is 'Private. What the next value of a series should be, and how far off is too far.';
comment on column mlguard._band.tbl is 'The table.';
comment on column mlguard._band.over is 'batch, or the length of the window.';
comment on column mlguard._band.segment is 'The segment; {}: all rows.';
comment on column mlguard._band.metric is 'The series.';
comment on column mlguard._band.class is 'share, count, information or location: how errors are made alike.';
comment on column mlguard._band.side is 'Which direction is bad: up, down or both.';
comment on column mlguard._band.factor is 'Multiplies the limit: above 1 where a change may well be the world''s.';
comment on column mlguard._band.scale is 'Unit of a location: the column''s usual standard deviation; set at 20, 40, 80 … values.';
comment on column mlguard._band.filled is 'The last 200 values on the steadied scale, missing ones filled, oldest first.';
comment on column mlguard._band.known is 'Which of the last 150 had a value.';
comment on column mlguard._band.slots is 'Day of the week, or hour of the day, of the last 35.';
comment on column mlguard._band.units is 'Least error that counts, for each of the last 150.';
comment on column mlguard._band.r1 is 'Errors of the median of 30 as a guess, for the last 150; null: no value, or too early.';
comment on column mlguard._band.r2 is 'Of the median of 7.';
comment on column mlguard._band.r3 is 'Of the last value.';
comment on column mlguard._band.r4 is 'Of the value 7 ago.';
comment on column mlguard._band.r5 is 'Of the median of those 7, 14 and 21 ago.';
comment on column mlguard._band.r6 is 'Of the median of the last 4 on the same day of the week, or hour.';
comment on column mlguard._band.errors is 'Trimmed mean error of each guess.';
comment on column mlguard._band.spreads is 'Usual error of each guess.';
comment on column mlguard._band.plain is 'The best of the first five guesses.';
comment on column mlguard._band.plain_up is 'Its worst error upward in units; from 40 on the mean of the two worst.';
comment on column mlguard._band.plain_down is 'The same downward.';
comment on column mlguard._band.slot_up is 'The same of the sixth guess, where it is better.';
comment on column mlguard._band.slot_down is 'The same downward.';
comment on column mlguard._band.history is 'Past errors it rests on.';
comment on column mlguard._band.upto is 'Number of the newest metric row it was learned from.';
comment on column mlguard._band.left_out is 'Values labelled as faults when it was learned; another count, and it is learned anew.';
comment on column mlguard._band.learned_at is 'When.';


create table mlguard._armed (
  slo text primary key,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  scopes integer not null,
  alarms integer not null
);

comment on table mlguard._armed is
  'Private. Learned SLOs that act: their alarms over their trial stayed within the budget. Others only note.';
comment on column mlguard._armed.slo is 'Id of the SLO.';
comment on column mlguard._armed.at is 'When.';
comment on column mlguard._armed.scopes is 'Windows or batches of the trial.';
comment on column mlguard._armed.alarms is 'Those among them in which the table would have alarmed.';


create function mlguard._steadied(p_class text, p_values double precision[], p_scale double precision)
returns double precision[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- GREATEST leaves NULL out, hence the first branch. Infinity, NaN and numbers too large or too small to be divided must
  -- not raise: NaN is no value, the rest is cut at 1e150.
  select array_agg(
           case
             when u.x is null or u.x = 'NaN' then null
             when p_class = 'share' then asin(sqrt(least(greatest(u.x, 0), 1)))
             when p_class = 'count' then ln(1 + least(greatest(u.x, 0), 1e150))
             when p_class = 'information' then ln(least(greatest(u.x, 0.001), 1e150))
             when abs(u.x) < 1e-100 then 0
             else asinh(least(greatest(u.x, -1e150), 1e150) / least(greatest(p_scale, 1e-100), 1e150))
           end
           order by u.i)
  from unnest(p_values) with ordinality u (x, i)
$mlguard$;

comment on function mlguard._steadied(text, double precision[], double precision) is
  'Private. The scale on which errors of a kind of metric are alike whatever its level: asin √p of shares, ln(1 + n) of '
  'counts, ln of information, asinh(x / scale) of locations.';


create function mlguard._steady(p_class text, p_x double precision, p_scale double precision)
returns double precision
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (mlguard._steadied(p_class, array[p_x], p_scale))[1]
$mlguard$;

comment on function mlguard._steady(text, double precision, double precision) is 'Private. _steadied() of one value.';


create function mlguard._unsteady(p_class text, p_y double precision, p_scale double precision)
returns double precision
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case p_class
    when 'share' then case when p_y < 1e-100 then 0 else power(sin(least(p_y, pi() / 2)), 2) end
    when 'count' then greatest(exp(least(greatest(p_y, 0), 700)) - 1, 0)
    when 'information' then least(exp(least(greatest(p_y, -700), 700)), 1)
    when 'location' then
      case when abs(p_y) < 1e-100 then 0
           else sinh(least(greatest(p_y, -350), 350)) * least(greatest(p_scale, 1e-100), 1e150) end
  end
$mlguard$;

comment on function mlguard._unsteady(text, double precision, double precision) is 'Private. The inverse of _steady.';


create function mlguard._units(p_class text, p_n bigint[], p_k bigint[])
returns double precision[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select array_agg(
           case p_class
             when 'share' then greatest(0.4 / sqrt(greatest(u.k, 1)), 0.01)
             when 'count' then greatest(0.02, 0.5 / (1 + greatest(u.n, 1)))
             when 'information' then greatest(1 / sqrt(greatest(u.k, 1)), 0.03)
             else greatest(1.25 / sqrt(greatest(u.k, 1)), 0.02)
           end
           order by u.i)
  from unnest(p_n::double precision[], p_k::double precision[]) with ordinality u (n, k, i)
$mlguard$;

comment on function mlguard._units(text, bigint[], bigint[]) is
  'Private. The least error that counts as one: sampling noise of so many rows, or the smallest effect worth a word.';


create function mlguard._unit(p_class text, p_n bigint, p_k bigint)
returns double precision
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (mlguard._units(p_class, array[p_n], array[p_k]))[1]
$mlguard$;

comment on function mlguard._unit(text, bigint, bigint) is 'Private. _units() of one value.';


create function mlguard._guesses(p_filled double precision[], p_slots integer[], p_slot integer)
returns double precision[]
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n integer := cardinality(p_filled);
  _s integer := cardinality(p_slots);
  _m30 double precision;
  _m7 double precision;
  _same double precision;
  _weeks double precision;
begin
  if _n = 0 then
    return array[null, null, null, null, null, null]::double precision[];
  end if;
  _m30 := (select percentile_cont(0.5) within group (order by u.y) from unnest(p_filled[greatest(1, _n - 29) : _n]) u (y));
  _m7 := (select percentile_cont(0.5) within group (order by u.y) from unnest(p_filled[greatest(1, _n - 6) : _n]) u (y));
  if _n >= 21 then
    _weeks := greatest(least(p_filled[_n - 6], p_filled[_n - 13]),
                       least(greatest(p_filled[_n - 6], p_filled[_n - 13]), p_filled[_n - 20]));
  elsif _n >= 7 then
    _weeks := p_filled[_n - 6];
  end if;
  if p_slot is not null then
    select case when count(f.y) >= 2 then percentile_cont(0.5) within group (order by f.y) end
    into _same
    from (
      select p_filled[_n - _s + g.i] as y
      from generate_series(_s, 1, -1) g (i)
      where p_slots[g.i] = p_slot and _n - _s + g.i >= 1
      order by g.i desc
      limit 4
    ) f;
  end if;
  return array[_m30, _m7, p_filled[_n], case when _n >= 7 then p_filled[_n - 6] end, _weeks, _same];
end
$mlguard$;

comment on function mlguard._guesses(double precision[], integer[], integer) is
  'Private. Six guesses at the next value: median of 30, of 7, the last, 7 ago, median of 7, 14 and 21 ago, and median of '
  'the last 4 on the same day of the week or hour.';


create function mlguard._taken_in(
  b mlguard._band, p_values double precision[], p_rows bigint[], p_slots integer[])
returns mlguard._band
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  -- The whole past stays in these arrays, and each grows at its end, which does not copy it.
  _filled double precision[] := b.filled;
  _known boolean[] := b.known;
  _slots integer[] := b.slots;
  _units double precision[] := b.units;
  _r1 double precision[] := b.r1;
  _r2 double precision[] := b.r2;
  _r3 double precision[] := b.r3;
  _r4 double precision[] := b.r4;
  _r5 double precision[] := b.r5;
  _r6 double precision[] := b.r6;
  _new double precision[] := mlguard._steadied(b.class, p_values, coalesce(b.scale, 1));
  _least double precision[] := mlguard._units(b.class, p_rows, p_rows);
  _n integer := cardinality(b.filled);
  _m integer := cardinality(b.units);
  _s integer := cardinality(b.slots);
  _y double precision;
  _slot integer;
  -- The last 30 and the last 7 in order of size: a median is then read off.
  _by_size double precision[] := array(select u.y from unnest(b.filled[greatest(1, _n - 29) : _n]) u (y) order by u.y);
  _by_size_7 double precision[] := array(select u.y from unnest(b.filled[greatest(1, _n - 6) : _n]) u (y) order by u.y);
  _place integer;
  _m30 double precision;
  _m7 double precision;
  _weeks double precision;
  _same double precision;
  _low double precision;
  _high double precision;
  -- Where each slot came last, and where it had come before that.
  _latest integer[] := array_fill(0, array[24]);
  _earlier integer[] := array_fill(0, array[_n]);
  _a integer;
  _b integer;
  _c integer;
  _d integer;
begin
  for _i in 1 .. _s loop
    if _slots[_i] is not null then
      _earlier[_n - _s + _i] := _latest[_slots[_i] + 1];
      _latest[_slots[_i] + 1] := _n - _s + _i;
    end if;
  end loop;

  for _i in 1 .. coalesce(cardinality(p_values), 0) loop
    _y := _new[_i];
    _slot := p_slots[_i];
    -- The history of a series begins with its first value.
    continue when _y is null and _n = 0;

    _m30 := case when _n = 0 then null
                 when cardinality(_by_size) % 2 = 1 then _by_size[cardinality(_by_size) / 2 + 1]
                 else _by_size[cardinality(_by_size) / 2]
                      + 0.5 * (_by_size[cardinality(_by_size) / 2 + 1] - _by_size[cardinality(_by_size) / 2]) end;
    _m := _m + 1;
    if _n >= 7 then
      _m7 := _by_size_7[4];
      _weeks := _filled[_n - 6];
      if _n >= 21 then
        _weeks := greatest(least(_weeks, _filled[_n - 13]), least(greatest(_weeks, _filled[_n - 13]), _filled[_n - 20]));
      end if;
      _same := null;
      if _slot is not null then
        -- The last four on the same slot, of the last 35. Of four the middle two are the greater of the lesser and the
        -- lesser of the greater.
        _a := _latest[_slot + 1];
        _b := case when _a > 0 then _earlier[_a] else 0 end;
        if _b > 0 and _b > _n - 35 then
          _c := _earlier[_b];
          _d := case when _c > 0 then _earlier[_c] else 0 end;
          if _c > 0 and _c > _n - 35 and (_d = 0 or _d <= _n - 35) then
            _same := greatest(least(_filled[_a], _filled[_b]), least(greatest(_filled[_a], _filled[_b]), _filled[_c]));
          else
            _low := _filled[_a];
            _high := _filled[_b];
            if _d > 0 and _d > _n - 35 then
              _low := greatest(least(_filled[_a], _filled[_b]), least(_filled[_c], _filled[_d]));
              _high := least(greatest(_filled[_a], _filled[_b]), greatest(_filled[_c], _filled[_d]));
            end if;
            _same := least(_low, _high) + 0.5 * (greatest(_low, _high) - least(_low, _high));
          end if;
        end if;
      end if;
      _r1[_m] := _y - _m30;
      _r2[_m] := _y - _m7;
      _r3[_m] := _y - _filled[_n];
      _r4[_m] := _y - _filled[_n - 6];
      _r5[_m] := _y - _weeks;
      _r6[_m] := _y - _same;
    else
      _r1[_m] := null;
      _r2[_m] := null;
      _r3[_m] := null;
      _r4[_m] := null;
      _r5[_m] := null;
      _r6[_m] := null;
    end if;
    _units[_m] := _least[_i];
    _known[_m] := _y is not null;
    -- A scope without a value is taken to have been as usual.
    _y := coalesce(_y, _m30);

    if _n >= 30 then
      _place := width_bucket(_filled[_n - 29], _by_size);
      _by_size := _by_size[: _place - 1] || _by_size[_place + 1 :];
    end if;
    _place := width_bucket(_y, _by_size);
    _by_size := _by_size[: _place] || _y || _by_size[_place + 1 :];
    if _n >= 7 then
      _place := width_bucket(_filled[_n - 6], _by_size_7);
      _by_size_7 := _by_size_7[: _place - 1] || _by_size_7[_place + 1 :];
    end if;
    _place := width_bucket(_y, _by_size_7);
    _by_size_7 := _by_size_7[: _place] || _y || _by_size_7[_place + 1 :];

    _n := _n + 1;
    _s := _s + 1;
    _filled[_n] := _y;
    _slots[_s] := _slot;
    _earlier[_n] := 0;
    if _slot is not null then
      _earlier[_n] := _latest[_slot + 1];
      _latest[_slot + 1] := _n;
    end if;
  end loop;

  b.filled := _filled[greatest(1, _n - 199) : _n];
  b.known := _known[greatest(1, _m - 149) : _m];
  b.slots := _slots[greatest(1, _s - 34) : _s];
  b.units := _units[greatest(1, _m - 149) : _m];
  b.r1 := _r1[greatest(1, _m - 149) : _m];
  b.r2 := _r2[greatest(1, _m - 149) : _m];
  b.r3 := _r3[greatest(1, _m - 149) : _m];
  b.r4 := _r4[greatest(1, _m - 149) : _m];
  b.r5 := _r5[greatest(1, _m - 149) : _m];
  b.r6 := _r6[greatest(1, _m - 149) : _m];
  return b;
end
$mlguard$;

comment on function mlguard._taken_in(mlguard._band, double precision[], bigint[], integer[]) is
  'Private. The band with more values in its past, oldest first: for each value the errors of the guesses that '
  '_guesses() makes.';


create function mlguard._worst(p_errors double precision[], p_units double precision[], p_spread double precision, p_side text)
returns double precision[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- The worst errors upward and downward, in units; of both-sided series neither counts for less than .6 of the other.
  select case p_side
           when 'both' then array[greatest(t.up, 0.6 * t.any), greatest(t.down, 0.6 * t.any)]
           else array[t.up, t.down]
         end
  from (
    select case when count(*) < 40 then max(greatest(s.s, 0))
                else (select avg(x.v) from (select v from unnest(array_agg(greatest(s.s, 0))) v order by v desc limit 2) x) end as up,
           case when count(*) < 40 then max(greatest(-s.s, 0))
                else (select avg(x.v) from (select v from unnest(array_agg(greatest(-s.s, 0))) v order by v desc limit 2) x) end as down,
           case when count(*) < 40 then max(abs(s.s))
                else (select avg(x.v) from (select v from unnest(array_agg(abs(s.s))) v order by v desc limit 2) x) end as any
    from (
      select e.r / greatest(p_spread, e.unit) as s
      from unnest(p_errors, p_units) e (r, unit)
      where e.r is not null
    ) s
  ) t
$mlguard$;

comment on function mlguard._worst(double precision[], double precision[], double precision, text) is
  'Private. The worst past errors of a guess, up and down; from 40 errors on the mean of the two worst.';


create function mlguard._finished(b mlguard._band)
returns mlguard._band
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _worst double precision[];
begin
  select array_agg(q.error order by q.c), array_agg(q.spread order by q.c), max(q.h)
  into b.errors, b.spreads, b.history
  from (
    select c.c, q.h, greatest(1.4826 * q.q5, q.q9 / 1.645) as spread,
           -- LEAST leaves NULL out: a scope without an error must not count as one of q9.
           (select avg(least(abs(u.r), q.q9)) from unnest(c.r) u (r) where u.r is not null) * case c.c when 1 then 1 else 1.05 end as error
    from (values (1, b.r1), (2, b.r2), (3, b.r3), (4, b.r4), (5, b.r5), (6, b.r6)) c (c, r)
    cross join lateral (
      select count(u.r)::integer as h, percentile_cont(0.9) within group (order by abs(u.r)) as q9,
             percentile_cont(0.5) within group (order by abs(u.r)) as q5
      from unnest(c.r) u (r)
    ) q
  ) q;
  b.plain := (select e.c from unnest(b.errors[1:5]) with ordinality e (error, c) order by e.error nulls last, e.c limit 1);
  b.plain_up := null;
  b.plain_down := null;
  b.slot_up := null;
  b.slot_down := null;
  if b.history = 0 then
    return b;
  end if;
  _worst := mlguard._worst(
    case b.plain when 1 then b.r1 when 2 then b.r2 when 3 then b.r3 when 4 then b.r4 else b.r5 end,
    b.units, b.spreads[b.plain], b.side);
  b.plain_up := _worst[1];
  b.plain_down := _worst[2];
  -- With fewer than seven errors the sixth guess has no record to choose it by.
  if b.errors[6] < b.errors[b.plain] and (select count(u.r) from unnest(b.r6) u (r)) >= 7 then
    _worst := mlguard._worst(b.r6, b.units, b.spreads[6], b.side);
    b.slot_up := _worst[1];
    b.slot_down := _worst[2];
  end if;
  return b;
end
$mlguard$;

comment on function mlguard._finished(mlguard._band) is
  'Private. Which guess was best so far, its usual error, and its worst errors, which set the limit.';


create function mlguard._kind(p_metric text)
returns table (class text, side text, factor double precision)
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select k.class, k.side, k.factor
  from (values
    ('null_rate', 'share', 'both', 1.0), ('coverage', 'share', 'both', 1), ('nan_rate', 'share', 'both', 1),
    ('zero_rate', 'share', 'both', 1), ('negative_rate', 'share', 'both', 1), ('share', 'share', 'both', 1),
    ('duplicate_rate', 'share', 'up', 1), ('new_category_rate', 'share', 'up', 1),
    ('psi', 'location', 'up', 1.5), ('js', 'share', 'up', 1.5), ('ks', 'share', 'up', 1.5), ('linf', 'share', 'up', 1),
    ('row_count', 'count', 'both', 1), ('count', 'count', 'both', 1), ('distinct_count', 'count', 'both', 1),
    ('mean', 'location', 'both', 1.5), ('sum', 'location', 'both', 1.5), ('median', 'location', 'both', 1.5),
    ('stddev', 'location', 'both', 1.5), ('min', 'location', 'both', 1.5), ('max', 'location', 'both', 1.5),
    ('quantile', 'location', 'both', 1.5), ('correlation', 'location', 'both', 1.5),
    ('usual_null', 'share', 'both', 1), ('usual_same', 'share', 'up', 1), ('usual_mean', 'location', 'both', 1.5),
    ('usual_magnitude', 'location', 'both', 1.5), ('usual_negative', 'share', 'both', 1),
    ('usual_grid', 'share', 'up', 1.5), ('usual_far', 'share', 'up', 2), ('usual_ks', 'share', 'up', 1.5),
    ('usual_spike', 'share', 'up', 1), ('usual_overlap', 'share', 'both', 1), ('usual_linf', 'share', 'up', 1),
    ('usual_new', 'share', 'up', 1), ('usual_shape', 'share', 'up', 1), ('usual_rows', 'count', 'both', 1),
    ('usual_repeats', 'share', 'up', 1), ('usual_pair', 'share', 'up', 1.25),
    ('usual_dependence', 'information', 'down', 1), ('usual_nulls', 'share', 'up', 1)
  ) k (name, class, side, factor)
  where k.name = split_part(p_metric, '(', 1)
$mlguard$;

comment on function mlguard._kind(text) is 'Private. How the errors of a metric are judged.';


create function mlguard._slots(p_over text, p_zone text, p_ats timestamptz[])
returns integer[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select array_agg(
           case
             when p_over in ('1 day', 'batch') then extract(dow from u.at at time zone p_zone)::integer
             when p_over = '1 hour' then extract(hour from u.at at time zone p_zone)::integer
           end
           order by u.i)
  from unnest(p_ats) with ordinality u (at, i)
$mlguard$;

comment on function mlguard._slots(text, text, timestamptz[]) is
  'Private. The places of windows in their cycle: day of the week, or hour of the day; null for other lengths.';


create function mlguard._slot(p_over text, p_zone text, p_at timestamptz)
returns integer
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (mlguard._slots(p_over, p_zone, array[p_at]))[1]
$mlguard$;

comment on function mlguard._slot(text, text, timestamptz) is 'Private. _slots() of one window.';


create function mlguard._past(
  p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamptz default null, p_batch bigint default null)
returns table (id bigint, value double precision, n bigint, sd double precision, at timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  -- Windows and batches each by the index they have; a series has only ones or the others.
  select p.id, p.value, p.n, p.sd, coalesce(p.window_start, p.at)
  from (
    (select m.*
     from mlguard._metric m
     where m.tbl = p_tbl and m.over = p_over and m.metric = p_metric and m.segment = p_segment
       and m.current and not m.excluded
       and m.window_start is not null and (p_start is null or m.window_start < p_start)
     order by m.window_start desc
     limit 200)
    union all
    (select m.*
     from mlguard._metric m
     where m.tbl = p_tbl and m.over = p_over and m.metric = p_metric and m.segment = p_segment
       and m.current and not m.excluded
       and m.batch is not null and (p_batch is null or m.batch < p_batch)
     order by m.batch desc
     limit 200)
  ) p
  order by p.window_start nulls first, p.batch nulls first
$mlguard$;

comment on function mlguard._past(text, text, jsonb, text, timestamptz, bigint) is
  'Private. Past values of a series, oldest first, the last 200; those labelled as faults left out. With a start or a '
  'batch only those before it.';


create function mlguard._scale_of(p_tbl text, p_over text, p_segment jsonb, p_metric text)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(nullif(percentile_cont(0.5) within group (order by p.sd), 0),
                  nullif(percentile_cont(0.5) within group (order by abs(p.value)), 0), 1)
  from (
    select p.sd, p.value
    from mlguard._past(p_tbl, p_over, p_segment, p_metric) p
    order by p.id desc
    limit 90
  ) p
$mlguard$;

comment on function mlguard._scale_of(text, text, jsonb, text) is
  'Private. The unit of a location: the median of the column''s standard deviation over the last 90 windows.';


create function mlguard._learned(
  p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamptz default null, p_batch bigint default null)
returns mlguard._band
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _b mlguard._band;
  _past record;
begin
  select k.class, k.side, k.factor into _b.class, _b.side, _b.factor from mlguard._kind(p_metric) k;
  if not found then
    return null;
  end if;
  _b.tbl := p_tbl;
  _b.over := p_over;
  _b.segment := p_segment;
  _b.metric := p_metric;
  _b.scale := case when _b.class = 'location' then mlguard._scale_of(p_tbl, p_over, p_segment, p_metric) else 1 end;
  _b.filled := '{}';
  _b.known := '{}';
  _b.slots := '{}';
  _b.units := '{}';
  _b.r1 := '{}';
  _b.r2 := '{}';
  _b.r3 := '{}';
  _b.r4 := '{}';
  _b.r5 := '{}';
  _b.r6 := '{}';
  _b.history := 0;
  select coalesce(max(p.id), 0) as upto, array_agg(p.value order by p.place) as vals, array_agg(p.n order by p.place) as rows,
         mlguard._slots(p_over, (select t.time_zone from mlguard._table t where t.tbl = p_tbl),
                        array_agg(p.at order by p.place)) as slots
  into _past
  from mlguard._past(p_tbl, p_over, p_segment, p_metric, p_start, p_batch)
    with ordinality p (id, value, n, sd, at, place);
  _b := mlguard._taken_in(_b, _past.vals, _past.rows, _past.slots);
  _b.upto := _past.upto;
  _b.learned_at := clock_timestamp();
  return mlguard._finished(_b);
end
$mlguard$;

comment on function mlguard._learned(text, text, jsonb, text, timestamptz, bigint) is
  'Private. The band of a series learned from nothing, of all values or of those before a window or batch; null: nobody '
  'knows how the errors of such a metric are judged.';


create function mlguard.usual_v1(p_c jsonb, p_metric text, p_value double precision, p_rows bigint)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _tbl text := p_c ->> 'tbl';
  _over text := p_c ->> 'over';
  _segment jsonb := coalesce(p_c -> 'segment', '{}');
  _slot integer;
  _b mlguard._band;
begin
  if p_value is null then
    return null;
  end if;
  -- From the values before this one, so that a window judged again is held against the same past.
  _b := mlguard._learned(
    _tbl, _over, _segment, p_metric, (p_c ->> 'start')::timestamptz, (p_c ->> 'batch')::bigint);
  -- Before twenty values a band knows too little to call anything unusual.
  if coalesce(cardinality(_b.filled), 0) < 20 then
    return null;
  end if;
  _slot := (
    select mlguard._slot(_over, t.time_zone, coalesce((p_c ->> 'start')::timestamptz, statement_timestamp()))
    from mlguard._table t where t.tbl = _tbl);
  return coalesce((mlguard._held_against(_b, p_value, p_rows, p_rows, _slot)).score, 0) <= 1;
end
$mlguard$;

comment on function mlguard.usual_v1(jsonb, text, double precision, bigint) is
  'Whether a value lies in the band learned from the windows or batches before it; null while there are fewer than 20.';


create type mlguard._ratio as (
  score double precision, error double precision, unit double precision, lim double precision,
  expected double precision, low double precision, high double precision, guess integer
);

comment on type mlguard._ratio is 'Private. A value held against its band.';


create function mlguard._held_against(
  p_band mlguard._band, p_value double precision, p_n bigint, p_k bigint, p_slot integer,
  p_sensitivity double precision default 1)
returns mlguard._ratio
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _g double precision[];
  _c integer := p_band.plain;
  _up double precision := p_band.plain_up;
  _down double precision := p_band.plain_down;
  _error double precision;
  _unit double precision;
  _limit_up double precision;
  _limit_down double precision;
  _r mlguard._ratio;
begin
  -- A series that mostly has no value says nothing when it has one.
  if p_value is null or p_band.history < 7
     or p_band.history + least(cardinality(p_band.filled), 7) < 0.5 * least(cardinality(p_band.filled), 150) then
    return null;
  end if;
  _g := mlguard._guesses(p_band.filled, p_band.slots, p_slot);
  if p_band.slot_up is not null and _g[6] is not null then
    _c := 6;
    _up := p_band.slot_up;
    _down := p_band.slot_down;
  end if;
  _error := mlguard._steady(p_band.class, p_value, p_band.scale) - _g[_c];
  _unit := greatest(p_band.spreads[_c], mlguard._unit(p_band.class, p_n, p_k));
  _limit_up := greatest(3.5, 1 + 2.5 * _up) * (1 + 8.0 / p_band.history) * p_band.factor * p_sensitivity;
  _limit_down := greatest(3.5, 1 + 2.5 * _down) * (1 + 8.0 / p_band.history) * p_band.factor * p_sensitivity;
  _r.guess := _c;
  _r.unit := _unit;
  _r.lim := case when p_band.side = 'up' or (p_band.side = 'both' and _error >= 0) then _limit_up else _limit_down end;
  _r.error := case p_band.side when 'up' then greatest(_error, 0) when 'down' then greatest(-_error, 0) else abs(_error) end;
  _r.score := _r.error / _unit / _r.lim;
  _r.expected := mlguard._unsteady(p_band.class, _g[_c], p_band.scale);
  _r.low := case when p_band.side <> 'up' then
    mlguard._unsteady(p_band.class, _g[_c] - _limit_down * _unit, p_band.scale) end;
  _r.high := case when p_band.side <> 'down' then
    mlguard._unsteady(p_band.class, _g[_c] + _limit_up * _unit, p_band.scale) end;
  return _r;
end
$mlguard$;

comment on function mlguard._held_against(mlguard._band, double precision, bigint, bigint, integer, double precision) is
  'Private. Score above 1: the value lies outside the band. Null: the band knows too little.';


create function mlguard._shape(p_text text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Runs of one class of character are written once: AB-1234 is A-9.
  select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
           left(p_text, 24),
           '((?![[:upper:]])[[:alpha:]])+', 'a', 'g'),
           '[[:upper:]]+', 'A', 'g'),
           '[[:digit:]]+', '9', 'g'),
           '[[:space:]]+', ' ', 'g'),
           '([^[:alnum:][:space:]])\1+', '\1', 'g')
$mlguard$;

comment on function mlguard._shape(text) is 'Private. What a text looks like: digits 9, capitals A, other letters a.';


create function mlguard._sample_of(p_tbl text, p_start timestamptz, p_end timestamptz, p_batch bigint, p_n bigint)
returns table (column_name text, nums double precision[], texts text[])
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
begin
  if p_batch is not null then
    return query select s.column_name, s.nums, s.texts from mlguard._batch_sample(p_batch) s;
    return;
  end if;
  if p_n is distinct from (select max(s.n) from mlguard._window_sample(p_tbl, p_start, p_end) s) and p_n > 0 then
    -- Rows came singly, or were changed or taken away: the window's own rows are sampled anew, and only they are read.
    select t.* into _table from mlguard._table t where t.tbl = p_tbl;
    if _table.sampler is not null then
      delete from mlguard._sample s where s.tbl = p_tbl and s.bucket >= p_start and s.bucket < p_end;
      execute format(
        'insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts) '
        'select $1, s.bucket, s.n, s.k, s.column_name, s.nums, s.texts from %s($2, $3) s', _table.sampler)
      using p_tbl, p_start, p_end;
    end if;
  end if;
  return query select s.column_name, s.nums, s.texts from mlguard._window_sample(p_tbl, p_start, p_end) s where p_n > 0;
end
$mlguard$;

comment on function mlguard._sample_of(text, timestamptz, timestamptz, bigint, bigint) is
  'Private. The sample of a window or batch, column by column, at most 2,000 rows.';


create function mlguard._before(p_scope bigint)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select y.id
  from mlguard._learned_scope c
  join mlguard._learned_scope y on y.tbl = c.tbl and y.over = c.over and y.observed and not y.excluded and y.id <> c.id
  where c.id = p_scope and (y.window_start < c.window_start or y.batch < c.batch)
  order by y.window_start desc nulls last, y.batch desc nulls last
  limit 1
$mlguard$;

comment on function mlguard._before(bigint) is 'Private. The observed scope just before one.';


create function mlguard._deviation(p_values double precision[])
returns double precision
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Equal values give 0 and nothing else: what rounding leaves over would be taken for a unit.
  select case when max(u.x) = min(u.x) then 0 else stddev_pop(u.x) end from unnest(p_values) u (x)
$mlguard$;

comment on function mlguard._deviation(double precision[]) is 'Private. Standard deviation (population) of numbers.';


create function mlguard._take_profile(p_scope bigint, p_tbl text, p_start timestamptz, p_end timestamptz, p_batch bigint)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  delete from mlguard._profile p where p.scope = p_scope;

  with everything as materialized (
    select s.*
    from mlguard._learned_scope c
    cross join lateral mlguard._sample_of(p_tbl, p_start, p_end, p_batch, c.n) s
    where c.id = p_scope
  ), sample as (
    select e.* from everything e where e.column_name <> ''
  ), sized as (
    update mlguard._learned_scope c
    set k = coalesce((select max(cardinality(coalesce(e.nums::text[], e.texts))) from everything e), 0),
        positions = (
          select case when count(distinct u.at) = count(*) then array_agg(u.at::integer order by u.i) end
          from everything e
          cross join lateral unnest(e.nums) with ordinality u (at, i)
          where e.column_name = '')
    where c.id = p_scope
  ), number as (
    select v.column_name, array_agg(v.x order by v.x) as nums, array_agg(v.c order by v.x) as counts
    from (
      select s.column_name, u.x, count(*)::integer as c
      from sample s
      cross join lateral unnest(s.nums) u (x)
      where u.x <> 'NaN'
      group by s.column_name, u.x
    ) v
    group by v.column_name
  ), ordered as (
    select s.column_name, array_agg(u.x order by u.x) as xs, count(*) as m,
           mlguard._deviation(array_agg(u.x) filter (where abs(u.x) <= 1e100)) as deviation,
           mlguard._deviation(array_agg(ln(abs(u.x))) filter (where u.x <> 0 and abs(u.x) <= 1e100)) as logdeviation
    from sample s
    cross join lateral unnest(s.nums) u (x)
    where u.x <> 'NaN'
    group by s.column_name
  ), word as (
    select v.column_name, array_agg(v.x order by v.x collate "C") as texts, array_agg(v.c order by v.x collate "C") as counts,
           sum(v.c) as m
    from (
      select s.column_name, u.x, count(*)::integer as c
      from sample s
      cross join lateral unnest(s.texts) u (x)
      where u.x is not null
      group by s.column_name, u.x
    ) v
    group by v.column_name
  )
  insert into mlguard._profile
    (scope, column_name, m, nums, texts, counts, sketch, deviation, logdeviation, rows_nums, rows_texts)
  select p_scope, s.column_name, coalesce(o.m, w.m, 0), n.nums, w.texts, coalesce(n.counts, w.counts, '{}'),
         case when o.m <= 400 then o.xs
              when o.m > 400 then (
                select array_agg(o.xs[1 + (g.j * (o.m - 1) / 399)::integer] order by g.j) from generate_series(0, 399) g (j))
         end,
         o.deviation, o.logdeviation, s.nums, s.texts
  from sample s
  left join number n on n.column_name = s.column_name
  left join ordered o on o.column_name = s.column_name
  left join word w on w.column_name = s.column_name;

  -- A scope without rows is a scope all the same: its columns are those of the one before.
  insert into mlguard._profile (scope, column_name, m, counts, rows_nums, rows_texts)
  select p_scope, b.column_name, 0, '{}', case when b.rows_nums is not null then '{}'::double precision[] end,
         case when b.rows_texts is not null then '{}'::text[] end
  from mlguard._learned_scope c
  join mlguard._profile b on b.scope = mlguard._before(p_scope)
  where c.id = p_scope and c.k = 0
  on conflict do nothing;
$mlguard$;

comment on function mlguard._take_profile(bigint, text, timestamptz, timestamptz, bigint) is
  'Private. Profiles of the columns of a scope, from its sample.';


create function mlguard._off_grid(p_x double precision, p_decimals integer)
returns boolean
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Numbers beyond 1e100 have no decimals, infinite ones neither; what is next to 0 is 0.
  select case
    when p_decimals is null then null
    when not abs(p_x) between 1e-100 and 1e100 then false
    else abs(p_x * power(10::double precision, p_decimals) - round(p_x * power(10::double precision, p_decimals)))
         > 1e-6 + 1e-9 * abs(p_x * power(10::double precision, p_decimals))
  end
$mlguard$;

comment on function mlguard._off_grid(double precision, integer) is 'Private. Whether a number has more decimals than that.';


create function mlguard._decimals(p_nums double precision[])
returns integer
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _spare double precision := 0.005 * cardinality(p_nums);
  _some double precision[] := array(select u.x from unnest(p_nums) with ordinality u (x, i) where u.i % 10 = 0);
  _p double precision;
begin
  for _d in 0 .. 5 loop
    _p := power(10::double precision, _d);
    -- A tenth of them mostly has too many already. In line, not as a function: there are thousands.
    continue when _spare < (
      select count(*) filter (
        where case when abs(u.x) between 1e-100 and 1e100 then abs(u.x * _p - round(u.x * _p)) > 1e-6 + 1e-9 * abs(u.x * _p) end)
      from unnest(_some) u (x));
    if _spare >= (
      select count(*) filter (
        where case when abs(u.x) between 1e-100 and 1e100 then abs(u.x * _p - round(u.x * _p)) > 1e-6 + 1e-9 * abs(u.x * _p) end)
      from unnest(p_nums) u (x))
    then
      return _d;
    end if;
  end loop;
  return null;
end
$mlguard$;

comment on function mlguard._decimals(double precision[]) is
  'Private. Fewest decimals, up to 5, that all but 0.5 % of the numbers keep to; null: none.';


create function mlguard._below(p_nums double precision[], p_counts integer[], p_edges double precision[])
returns double precision[]
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  with bin as (
    select width_bucket(u.x, p_edges) as bin, sum(coalesce(u.c, 1)) as c
    from unnest(p_nums, p_counts) u (x, c)
    group by 1
  )
  select array_agg(coalesce((select sum(b.c) from bin b where b.bin < g.i), 0)::double precision
                   / (select sum(b.c) from bin b) order by g.i)
  from generate_series(1, cardinality(p_edges)) g (i)
$mlguard$;

comment on function mlguard._below(double precision[], integer[], double precision[]) is
  'Private. Share of the numbers below each edge; counts may be null for one each.';


create function mlguard._refresh_reference(p_tbl text, p_over text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  delete from mlguard._reference r where r.tbl = p_tbl and r.over = p_over;

  with recent as (
    select c.id
    from mlguard._learned_scope c
    where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded
    order by c.window_start desc nulls last, c.batch desc nulls last
    limit 30
  ), pooled as (
    select p.* from mlguard._profile p join recent c on c.id = p.scope
  ), wide as (
    select p.column_name, sum(p.m) as m from pooled p group by p.column_name having count(*) >= 3
  ), sketch as (
    select p.column_name, array_agg(u.x order by u.x) as xs, count(*) as l
    from pooled p
    cross join lateral unnest(p.sketch) u (x)
    group by p.column_name
    having count(*) >= 20
  ), quantile as (
    select s.column_name, s.xs, s.l, s.xs[1 + (s.l - 1) / 20] as p05, s.xs[1 + 19 * (s.l - 1) / 20] as p95,
           (select array_agg(distinct s.xs[1 + g.j * (s.l - 1) / 20]) from generate_series(1, 19) g (j)) as edges
    from sketch s
  ), heavy as (
    select v.column_name, array_agg(v.x) as nums, array_agg(v.c / greatest(w.m, 1)::double precision) as shares
    from (
      select p.column_name, u.x, sum(u.c) as c
      from pooled p
      cross join lateral unnest(p.nums, p.counts) u (x, c)
      where u.c >= greatest(2, 0.004 * p.m)
      group by p.column_name, u.x
    ) v
    join wide w on w.column_name = v.column_name
    group by v.column_name
  ), word as (
    select v.column_name, array_agg(v.x) as texts, array_agg(v.c / greatest(w.m, 1)::double precision) as shares
    from (
      select p.column_name, u.x, sum(u.c) as c
      from pooled p
      cross join lateral unnest(p.texts, p.counts) u (x, c)
      where u.x is not null
      group by p.column_name, u.x
    ) v
    join wide w on w.column_name = v.column_name
    group by v.column_name
  )
  insert into mlguard._reference (tbl, over, column_name, edges, below, low, high, decimals, nums, texts, shares)
  select p_tbl, p_over, w.column_name, q.edges,
         mlguard._below(q.xs, null, q.edges),
         -- Where a twentieth of the numbers is infinite, or nearly so, none is far out.
         case when greatest(abs(q.p05), abs(q.p95)) <= 1e300 then q.p05 - 1.5 * greatest(q.p95 - q.p05, 1e-9) end,
         case when greatest(abs(q.p05), abs(q.p95)) <= 1e300 then q.p95 + 1.5 * greatest(q.p95 - q.p05, 1e-9) end,
         mlguard._decimals(q.xs),
         h.nums, t.texts, coalesce(t.shares, h.shares, '{}')
  from wide w
  left join quantile q on q.column_name = w.column_name
  left join heavy h on h.column_name = w.column_name
  left join word t on t.column_name = w.column_name
  where q.l is not null or t.texts is not null;
$mlguard$;

comment on function mlguard._refresh_reference(text, text) is
  'Private. Pools the last 30 observed samples of every column of a table.';


create function mlguard._number_series(p_scope bigint, p_before bigint)
returns table (column_name text, metric text, value double precision, sd double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  select p.column_name, s.metric, s.value, case s.metric when 'mean' then p.deviation when 'magnitude' then p.logdeviation end
  from mlguard._profile p
  join mlguard._learned_scope c on c.id = p.scope
  left join mlguard._reference r on r.tbl = c.tbl and r.over = c.over and r.column_name = p.column_name and r.edges is not null
  left join mlguard._profile b on b.scope = p_before and b.column_name = p.column_name and b.m > 0
  cross join lateral (
    -- Of the finite ones: a mean of infinities tells nothing, and those that are new are far out. (Products of numbers
    -- near 0 would underflow, which is an error.)
    select sum(case when abs(u.x) >= 1e-100 then u.x else 0 end * u.c) filter (where abs(u.x) <= 1e100)
             / nullif(sum(u.c) filter (where abs(u.x) <= 1e100), 0) as mean,
           sum(ln(abs(u.x)) * u.c) filter (where u.x <> 0 and abs(u.x) <= 1e100)
             / nullif(sum(u.c) filter (where u.x <> 0 and abs(u.x) <= 1e100), 0) as magnitude,
           coalesce(sum(u.c) filter (where u.x < 0), 0)::double precision / p.m as negative,
           coalesce(sum(u.c) filter (where mlguard._off_grid(u.x, r.decimals)), 0)::double precision / p.m as grid,
           coalesce(sum(u.c) filter (where u.x < r.low or u.x > r.high), 0)::double precision / p.m as far
    from unnest(p.nums, p.counts) u (x, c)
  ) plain
  cross join lateral (
    select max(abs(e.here - e.usual)) as ks
    from unnest(mlguard._below(p.nums, p.counts, r.edges), r.below) e (here, usual)
  ) far
  cross join lateral (
    select coalesce(max(u.c::double precision / p.m - coalesce(h.share, 0)), 0) as spike
    from unnest(p.nums, p.counts) u (x, c)
    left join unnest(r.nums, r.shares) h (x, share) on h.x = u.x
    where u.c >= greatest(2, 0.004 * p.m)
  ) rise
  cross join lateral (
    select coalesce(sum(least(u.c::double precision / p.m, o.c::double precision / b.m)), 0) as overlap
    from unnest(p.nums, p.counts) u (x, c)
    join unnest(b.nums, b.counts) o (x, c) on o.x = u.x
  ) lap
  cross join lateral (values
    ('mean', plain.mean), ('magnitude', plain.magnitude), ('negative', plain.negative),
    ('grid', case when r.decimals is not null then plain.grid end),
    ('far', case when r.edges is not null then plain.far end), ('ks', case when r.edges is not null then far.ks end),
    ('spike', case when r.edges is not null then greatest(rise.spike, 0) end),
    ('overlap', case when b.m > 0 then lap.overlap end)
  ) s (metric, value)
  where p.scope = p_scope and p.rows_nums is not null and p.m > 0
$mlguard$;

comment on function mlguard._number_series(bigint, bigint) is
  'Private. Series of the numeric columns of a scope, against the pooled reference and the scope before.';


create function mlguard._same_series(p_scope bigint, p_before bigint)
returns table (column_name text, value double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  -- Row by row against the scope before: a load that delivers yesterday's values again shows here first.
  with place as (
    select h.i as here, b.i as there
    from mlguard._learned_scope c
    join mlguard._learned_scope d on d.id = p_before
    cross join lateral unnest(c.positions) with ordinality h (at, i)
    join lateral unnest(d.positions) with ordinality b (at, i) on b.at = h.at
    where c.id = p_scope
  )
  select p.column_name, case when s.n >= 5 then s.equal::double precision / s.n end
  from mlguard._profile p
  join mlguard._profile q
    on q.scope = p_before and q.column_name = p.column_name and (q.rows_nums is null) = (p.rows_nums is null)
  cross join lateral (
    select count(*) filter (where a.text is not null or b.text is not null
                              or coalesce(a.num, 'NaN') <> 'NaN' or coalesce(b.num, 'NaN') <> 'NaN') as n,
           count(*) filter (where a.text = b.text or (a.num = b.num and a.num <> 'NaN')) as equal
    from unnest(p.rows_nums, p.rows_texts) with ordinality a (num, text, i)
    join place l on l.here = a.i
    join unnest(q.rows_nums, q.rows_texts) with ordinality b (num, text, i) on b.i = l.there
  ) s
  where p.scope = p_scope
$mlguard$;

comment on function mlguard._same_series(bigint, bigint) is
  'Private. Of each column the share of rows that hold what the row at the same place held in the scope before.';


create table mlguard._seen_size (
  tbl text not null,
  over text not null,
  what text not null,
  name text not null,
  size bigint not null,
  primary key (tbl, over, what, name)
);

comment on table mlguard._seen_size is
  'Private. How many values a column has ever held; past 100,000 what is new can no longer be told.';
comment on column mlguard._seen_size.tbl is 'The table.';
comment on column mlguard._seen_size.over is 'batch, or the length of the window.';
comment on column mlguard._seen_size.what is 'value, shape or pair.';
comment on column mlguard._seen_size.name is 'The column; of a pair both.';
comment on column mlguard._seen_size.size is 'How many.';


create function mlguard._overfull(p_tbl text, p_over text, p_what text, p_name text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce((
    select s.size > 100000
    from mlguard._seen_size s
    where s.tbl = p_tbl and s.over = p_over and s.what = p_what and s.name = p_name), false)
$mlguard$;

comment on function mlguard._overfull(text, text, text, text) is
  'Private. Whether a column has held so many values that new ones are no news.';


create function mlguard._text_series(p_scope bigint, p_before bigint)
returns table (column_name text, metric text, value double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  select p.column_name, s.metric, s.value
  from mlguard._profile p
  join mlguard._learned_scope c on c.id = p.scope
  left join mlguard._reference r on r.tbl = c.tbl and r.over = c.over and r.column_name = p.column_name and r.texts is not null
  left join mlguard._profile b on b.scope = p_before and b.column_name = p.column_name and b.m > 0
  cross join lateral (
    select max(abs(coalesce(u.c, 0)::double precision / p.m - coalesce(h.share, 0))) as linf,
           max(u.c::double precision / p.m - coalesce(h.share, 0)) as spike
    from unnest(p.texts, p.counts) u (x, c)
    full join unnest(r.texts, r.shares) h (x, share) on h.x = u.x
  ) change
  cross join lateral (
    select coalesce(sum(u.c) filter (where v.value is null), 0)::double precision / p.m as new,
           coalesce(sum(u.c) filter (where v.value is null and h.value is null), 0)::double precision / p.m as shape
    from unnest(p.texts, p.counts) u (x, c)
    left join mlguard._seen v
      on v.tbl = c.tbl and v.over = c.over and v.what = 'value' and v.name = p.column_name and v.value = u.x
    -- A value seen before has a shape seen before.
    left join mlguard._seen h
      on h.tbl = c.tbl and h.over = c.over and h.what = 'shape' and h.name = p.column_name
      and h.value = case when v.value is null then mlguard._shape(u.x) end
  ) unseen
  cross join lateral (
    select coalesce(sum(least(u.c::double precision / p.m, o.c::double precision / b.m)), 0) as overlap
    from unnest(p.texts, p.counts) u (x, c)
    join unnest(b.texts, b.counts) o (x, c) on o.x = u.x
  ) lap
  cross join lateral (
    -- A column that came later has a band from its first scope on.
    select exists (
             select from mlguard._band y
             where y.tbl = c.tbl and y.over = c.over and y.segment = '{}'
               and y.metric = format('usual_null(%s)', p.column_name)) as any_before
  ) past
  cross join lateral (values
    ('linf', case when r.texts is not null then change.linf end),
    ('spike', case when r.texts is not null then greatest(change.spike, 0) end),
    ('new', case when past.any_before and not mlguard._overfull(c.tbl, c.over, 'value', p.column_name) then unseen.new end),
    ('shape', case when past.any_before and not mlguard._overfull(c.tbl, c.over, 'shape', p.column_name) then unseen.shape end),
    ('overlap', case when b.m > 0 then lap.overlap end)
  ) s (metric, value)
  where p.scope = p_scope and p.rows_texts is not null and p.m > 0
$mlguard$;

comment on function mlguard._text_series(bigint, bigint) is
  'Private. Series of the other columns of a scope, against the pooled reference, the scope before and all ever seen.';


create function mlguard._cells(p_scope bigint, p_column text)
returns table (i bigint, value text, num double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Both zeros are one number, and NaN is a missing one.
  select u.i, coalesce(u.text, (nullif(u.num, 'NaN') + 0)::text), nullif(u.num, 'NaN')
  from mlguard._profile p
  cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
  where p.scope = p_scope and p.column_name = p_column
$mlguard$;

comment on function mlguard._cells(bigint, text) is 'Private. The sampled rows of one column, missing values as null.';


create function mlguard._binned(p_value text, p_num double precision, p_bins jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Numbers by edges, an edge belonging to the bin above it; texts by the most frequent ones.
  select case
    when p_value is null then 'missing'
    when p_bins ? 'edges' then
      width_bucket(p_num, array(select e.edge::double precision from jsonb_array_elements_text(p_bins -> 'edges') e (edge) order by e.edge::double precision))::text
    when p_bins -> 'values' ? p_value then 'is ' || p_value
    else 'other'
  end
$mlguard$;

comment on function mlguard._binned(text, double precision, jsonb) is 'Private. The bin of a value, for dependence.';


create function mlguard._explained(p_first anyarray, p_second anyarray)
returns double precision
language sql
immutable
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  -- Mutual information of two binned columns as a share of the smaller of their entropies, in nats.
  with joint as (
    select u.a, u.b, count(*)::double precision / cardinality(p_first) as p from unnest(p_first, p_second) u (a, b) group by u.a, u.b
  ), one as (
    select j.a, sum(j.p) as p from joint j group by j.a
  ), two as (
    select j.b, sum(j.p) as p from joint j group by j.b
  ), entropy as (
    select least((select -sum(o.p * ln(o.p)) from one o), (select -sum(t.p * ln(t.p)) from two t)) as h
  )
  select case when cardinality(p_first) >= 5 and e.h > 0.05 then (
           select sum(j.p * ln(j.p / (o.p * t.p))) from joint j join one o on o.a = j.a join two t on t.b = j.b) / e.h
         end
  from entropy e
$mlguard$;

comment on function mlguard._explained(anyarray, anyarray) is
  'Private. How much one binned column tells of another: mutual information over the smaller entropy.';


create function mlguard._pair_value(p_scope bigint, p_rule mlguard._pair)
returns double precision
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
begin
  if p_rule.metric = 'nulls' then
    return (
      select avg(((a.value is null) <> (b.value is null))::integer)
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i);
  end if;
  if p_rule.metric = 'dependence' then
    return (
      select mlguard._explained(
               array_agg(mlguard._binned(a.value, a.num, p_rule.bins) order by a.i),
               array_agg(mlguard._binned(b.value, b.num, p_rule.partner_bins) order by a.i))
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i);
  end if;
  if mlguard._overfull(p_rule.tbl, p_rule.over, 'pair', p_rule.column_name || chr(31) || p_rule.partner)
     or mlguard._overfull(p_rule.tbl, p_rule.over, 'value', p_rule.column_name)
     or mlguard._overfull(p_rule.tbl, p_rule.over, 'value', p_rule.partner) then
    return null;
  end if;
  return (
    -- Of all sampled rows: where the two rarely have values, one odd row must not be a share of 1.
    select coalesce(sum(p.c) filter (where known_a.value is not null and known_b.value is not null and met.value is null), 0)
           ::double precision / nullif((select c.k from mlguard._learned_scope c where c.id = p_scope), 0)
    from (
      select a.value as a, b.value as b, count(*) as c
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i
      where a.value is not null and b.value is not null
      group by a.value, b.value
    ) p
    left join mlguard._seen known_a
      on known_a.tbl = p_rule.tbl and known_a.over = p_rule.over and known_a.what = 'value'
      and known_a.name = p_rule.column_name and known_a.value = p.a
    left join mlguard._seen known_b
      on known_b.tbl = p_rule.tbl and known_b.over = p_rule.over and known_b.what = 'value'
      and known_b.name = p_rule.partner and known_b.value = p.b
    left join mlguard._seen met
      on met.tbl = p_rule.tbl and met.over = p_rule.over and met.what = 'pair'
      and met.name = p_rule.column_name || chr(31) || p_rule.partner and met.value = p.a || chr(31) || p.b);
end
$mlguard$;

comment on function mlguard._pair_value(bigint, mlguard._pair) is
  'Private. The value of a pair rule in a scope: share of pairs never seen, dependence, or share of lone nulls.';


create function mlguard._repeated_share(p_scope bigint)
returns double precision
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select 1 - count(distinct r.line)::double precision / nullif(count(*), 0)
  from (
    select md5(string_agg(coalesce(u.text, (nullif(u.num, 'NaN') + 0)::text, chr(30)), chr(31) order by p.column_name)) as line
    from mlguard._profile p
    cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
    where p.scope = p_scope
    group by u.i
  ) r
$mlguard$;

comment on function mlguard._repeated_share(bigint) is 'Private. Share of sampled rows equal to another in every column.';


create table mlguard._series (
  tbl text not null,
  over text not null,
  metric text not null,
  family text not null,
  column_name text not null,
  partner text not null,
  primary key (tbl, over, metric)
);

comment on table mlguard._series is 'Private. Learned series: which column each belongs to. Column '''': the whole table.';
comment on column mlguard._series.tbl is 'The table.';
comment on column mlguard._series.over is 'batch, or the length of the window.';
comment on column mlguard._series.metric is 'Its name in mlguard.metric: usual_null(age).';
comment on column mlguard._series.family is 'What it measures: null, mean, spike, …';
comment on column mlguard._series.column_name is 'The column.';
comment on column mlguard._series.partner is 'The other column of a pair rule, else empty.';


create function mlguard._measure(p_scope bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _scope mlguard._learned_scope;
  _before bigint := mlguard._before(p_scope);
begin
  select c.* into _scope from mlguard._learned_scope c where c.id = p_scope;
  -- Two statements, so that each finds its rows by an index.
  update mlguard._metric m
  set current = false
  where m.tbl = _scope.tbl and m.over = _scope.over and m.sampled and m.current and m.window_start = _scope.window_start;
  update mlguard._metric m
  set current = false
  where m.tbl = _scope.tbl and m.over = _scope.over and m.sampled and m.current and m.batch = _scope.batch;

  with found as materialized (
    select s.metric as family, s.column_name, '' as partner, s.value, s.sd from mlguard._number_series(p_scope, _before) s
    union all
    select s.metric, s.column_name, '', s.value, null from mlguard._text_series(p_scope, _before) s
    union all
    select 'same', s.column_name, '', s.value, null from mlguard._same_series(p_scope, _before) s
    union all
    select 'null', p.column_name, '', 1 - p.m::double precision / _scope.k, null
    from mlguard._profile p
    where p.scope = p_scope and _scope.k > 0
    union all
    select 'rows', '', '', _scope.n, null
    union all
    select 'repeats', '', '', mlguard._repeated_share(p_scope), null
    union all
    select r.metric, r.column_name, r.partner, mlguard._pair_value(p_scope, r), null
    from mlguard._pair r
    where r.tbl = _scope.tbl and r.over = _scope.over and _scope.k > 0
  ), named as (
    select f.*, format('usual_%s(%s)', f.family, concat_ws(', ', nullif(f.column_name, ''), nullif(f.partner, ''))) as metric
    from found f
  ), known as (
    insert into mlguard._series (tbl, over, metric, family, column_name, partner)
    select _scope.tbl, _scope.over, f.metric, f.family, f.column_name, f.partner from named f
    on conflict do nothing
  )
  insert into mlguard._metric (tbl, metric, over, batch, window_start, window_end, value, n, sd, sampled)
  select _scope.tbl, f.metric, _scope.over, _scope.batch, _scope.window_start, _scope.window_end, f.value,
         case f.family when 'rows' then _scope.n else _scope.k end, f.sd, true
  from named f
  union all
  -- A series without a value here: its band must know that a scope went by.
  select _scope.tbl, r.metric, _scope.over, _scope.batch, _scope.window_start, _scope.window_end, null, _scope.k, null, true
  from mlguard._series r
  where r.tbl = _scope.tbl and r.over = _scope.over and r.metric not in (select f.metric from named f);
end
$mlguard$;

comment on function mlguard._measure(bigint) is 'Private. Computes and keeps every learned series of a scope.';


create function mlguard._series_words(p_family text, p_column text, p_partner text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case p_family
    when 'null' then 'null_rate(' || p_column || ')'
    when 'mean' then 'mean(' || p_column || ')'
    when 'negative' then 'negative_rate(' || p_column || ')'
    when 'same' then 'share of rows where ' || p_column || ' repeats the time before'
    when 'magnitude' then 'order of magnitude of ' || p_column
    when 'grid' then 'share of values of ' || p_column || ' with more decimals than usual'
    when 'far' then 'share of far-out values of ' || p_column
    when 'ks' then 'shift of the distribution of ' || p_column
    when 'spike' then 'rise of a single value of ' || p_column
    when 'overlap' then 'overlap of ' || p_column || ' with the time before'
    when 'linf' then 'change of the mix of ' || p_column
    when 'new' then 'share of values of ' || p_column || ' never seen before'
    when 'shape' then 'share of values of ' || p_column || ' of a form never seen before'
    when 'rows' then 'row_count()'
    when 'repeats' then 'share of repeated rows'
    when 'pair' then format('share of pairs (%s, %s) never seen together', p_column, p_partner)
    when 'dependence' then format('dependence of %s and %s', p_column, p_partner)
    when 'nulls' then format('share of rows where only one of %s and %s is missing', p_column, p_partner)
    else p_family || '(' || concat_ws(', ', nullif(p_column, ''), nullif(p_partner, '')) || ')'
  end
$mlguard$;

comment on function mlguard._series_words(text, text, text) is 'Private. A learned series as messages name it.';


create function mlguard._judge_usual(
  p_tbl text, p_over text, p_start timestamptz, p_end timestamptz, p_batch bigint, p_n bigint)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _scope bigint;
  _past bigint;
  _found record;
  _verdict bigint;
  _version integer;
  _slot integer := (
    select mlguard._slot(p_over, t.time_zone, coalesce(p_start, statement_timestamp()))
    from mlguard._table t
    where t.tbl = p_tbl);
begin
  if p_batch is null then
    insert into mlguard._learned_scope as c (tbl, over, window_start, window_end, n, k)
    values (p_tbl, p_over, p_start, p_end, p_n, 0)
    on conflict (tbl, over, window_start) where batch is null do update set n = excluded.n
    returning c.id into _scope;
  else
    insert into mlguard._learned_scope as c (tbl, over, batch, n, k)
    values (p_tbl, p_over, p_batch, p_n, 0)
    on conflict (tbl, over, batch) where batch is not null do update set n = excluded.n
    returning c.id into _scope;
  end if;
  perform mlguard._take_profile(_scope, p_tbl, p_start, p_end, p_batch);
  perform mlguard._measure(_scope);
  _past := (
    select count(*)
    from (
      select from mlguard._learned_scope c
      where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded and c.id <> _scope
      limit 20
    ) seen);

  for _found in
    with slo as (
      select s.id, s.no, coalesce(s.column_name, '') as column_name, s.learned, s.sensitivity
      from mlguard._slo s
      where s.tbl = p_tbl and s.over = p_over and s.learned <> '{}'
    ), held as materialized (
      select r.metric, r.family, r.column_name, r.partner, m.value, m.n as rows, b as band,
             mlguard._held_against(b, m.value, m.n, m.n, _slot) as h
      from mlguard._metric m
      join mlguard._series r on r.tbl = m.tbl and r.over = m.over and r.metric = m.metric
      join mlguard._band b on b.tbl = m.tbl and b.over = m.over and b.metric = m.metric and b.segment = '{}'
      where m.tbl = p_tbl and m.over = p_over and m.sampled and m.current and m.value is not null
        and (m.window_start = p_start or m.batch = p_batch)
    ), own as (
      select h.column_name, power(sum(case when (h.h).score > 1e-50 then power((h.h).score, 3) else 0 end), 1.0 / 3) as score
      from held h
      where h.partner = ''
      group by h.column_name
    ), broken as (
      select c.name as column_name, count(*) as rules
      from held h
      cross join lateral (values (h.column_name), (h.partner)) c (name)
      where h.partner <> '' and (h.h).score > 1
      group by c.name
    ), blamed as (
      -- A broken rule between two columns is laid to the one with more of them broken, then with the worse score.
      select c.name as column_name, h.metric
      from held h
      cross join lateral (values (h.column_name, h.partner), (h.partner, h.column_name)) c (name, other)
      cross join lateral (
        select coalesce((select b.rules from broken b where b.column_name = c.name), 0)
               + least(coalesce((select o.score from own o where o.column_name = c.name), 0), 0.99) as here,
               coalesce((select b.rules from broken b where b.column_name = c.other), 0)
               + least(coalesce((select o.score from own o where o.column_name = c.other), 0), 0.99) as there
      ) e
      where h.partner <> '' and (h.h).score > 0.5 and e.here >= e.there
    ), counted as (
      select s.id, h.metric, h.family, h.column_name, h.partner, h.value, h.rows, h.band,
             case when s.sensitivity = 1 then h.h
                  else mlguard._held_against(h.band, h.value, h.rows, h.rows, _slot, s.sensitivity) end as h
      from slo s
      join held h
        on (h.partner = '' and h.column_name = s.column_name)
        or (h.partner <> '' and exists (
             select from blamed b where b.metric = h.metric and b.column_name = s.column_name))
      where 'all' = any (s.learned) or h.family = any (s.learned) or h.partner <> ''
    )
    select s.id, s.no, count((c.h).score) as series,
           -- Several weak signs of one column add up: the cube root of the sum of cubes.
           greatest(power(sum(case when (c.h).score > 1e-50 then power((c.h).score, 3) else 0 end) filter (where c.partner = ''), 1.0 / 3),
                    max((c.h).score) filter (where c.partner <> '')) as score,
           max((c.h).score) as worst,
           (array_agg(mlguard._series_words(c.family, c.column_name, c.partner) order by (c.h).score desc nulls last))[1] as words,
           (array_agg(c.metric order by (c.h).score desc nulls last))[1] as metric,
           (array_agg(c.value order by (c.h).score desc nulls last))[1] as value,
           (array_agg((c.h).low order by (c.h).score desc nulls last))[1] as low,
           (array_agg((c.h).high order by (c.h).score desc nulls last))[1] as high,
           jsonb_agg(jsonb_build_object(
             'series', c.metric, 'words', mlguard._series_words(c.family, c.column_name, c.partner), 'value', c.value,
             'expected', (c.h).expected, 'error', (c.h).error, 'unit', (c.h).unit, 'limit', (c.h).lim,
             'score', (c.h).score, 'low', (c.h).low, 'high', (c.h).high,
             'predictor', (array['median of 30', 'median of 7', 'last', '7 ago', 'median of 7, 14 and 21 ago',
                                 'same day or hour'])[(c.h).guess],
             'history', (c.band).history, 'rows', c.rows)
             order by (c.h).score desc) filter (where (c.h).score is not null) as detail
    from slo s
    left join counted c on c.id = s.id
    group by s.id, s.no
    order by s.no
  loop
    update mlguard._verdict v
    set current = false
    where v.slo = _found.id and v.current and (v.window_start = p_start or v.batch = p_batch)
    returning v.version into _version;
    insert into mlguard._verdict
      (slo, tbl, over, batch, window_start, window_end, version, outcome, metrics, vals, n, observed, allowed, reason, detail)
    select _found.id, p_tbl, p_over, p_batch, p_start, p_end, coalesce(_version, 0) + 1,
           case
             when _past < 20 then 'INSUFFICIENT'
             when _found.series = 0 then 'INSUFFICIENT'
             when _found.score <= 1 then 'PASS'
             when a.slo is null then 'NOTED'
             else 'FAIL'
           end,
           array_remove(array[_found.metric], null), case when _found.metric is not null then array[_found.value] else '{}' end,
           p_n, case when _found.score > 1 and _found.worst <= 1 then 'several signs at once, the plainest: ' else '' end
             || _found.words || ' is ' || mlguard._figure(_found.value, null),
           case
             when _found.low is null then 'usually at most ' || mlguard._figure(_found.high, null)
             when _found.high is null then 'usually at least ' || mlguard._figure(_found.low, null)
             else format('usually %s to %s', mlguard._figure(_found.low, null), mlguard._figure(_found.high, null))
           end,
           case
             when _past < 20 then format('learning: %s of 20 past windows or batches', _past)
             when _found.series = 0 then 'no series has a band yet'
             when _found.score > 1 and a.slo is null then 'shadow: on trial until its alarms keep within the budget'
           end,
           jsonb_build_object('score', _found.score, 'series',
             (select jsonb_agg(e.value order by e.ordinality)
              from jsonb_array_elements(_found.detail) with ordinality e where e.ordinality <= 8))
    from (select _found.id) x
    left join (
      select m.slo from mlguard._armed m
      union
      select s.id from mlguard._slo s where 'armed' = any (s.learned)
    ) a on a.slo = _found.id
    returning id into _verdict;
    _version := null;
    perform mlguard._conclude(_verdict);
  end loop;
  return _scope;
end
$mlguard$;

comment on function mlguard._judge_usual(text, text, timestamptz, timestamptz, bigint, bigint) is
  'Private. Judges the learned health of a window or batch; writes a verdict for each column.';


create function mlguard._deciles(p_ordered double precision[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(jsonb_agg(distinct p_ordered[1 + g.j * (cardinality(p_ordered) - 1) / 10]), '[]')
  from generate_series(1, 9) g (j)
  where cardinality(p_ordered) > 20
$mlguard$;

comment on function mlguard._deciles(double precision[]) is 'Private. Distinct deciles of ordered numbers.';


create function mlguard._most_frequent(p_texts text[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(jsonb_agg(f.x), '[]')
  from (select u.x from unnest(p_texts) u (x) group by u.x order by count(*) desc, u.x limit 30) f
$mlguard$;

comment on function mlguard._most_frequent(text[]) is 'Private. The thirty most frequent texts.';


create table mlguard._pair_work (
  tbl text not null,
  over text not null,
  t integer not null,
  scope bigint not null,
  column_name text not null,
  place integer not null,
  codes integer[] not null,
  mixed integer[] not null,
  cut jsonb,
  bins integer[],
  mixed_bins integer[],
  able_domain boolean not null,
  able_dependence boolean not null,
  primary key (tbl, over, t, column_name)
);

comment on table mlguard._pair_work is 'Private. Scratch of _learn_pairs(): kept samples as integers. Empty between calls.';
comment on column mlguard._pair_work.tbl is 'The table.';
comment on column mlguard._pair_work.over is 'batch, or the length of the window.';
comment on column mlguard._pair_work.t is 'Place of the sample among those kept, from 0.';
comment on column mlguard._pair_work.scope is 'The sample.';
comment on column mlguard._pair_work.column_name is 'The column.';
comment on column mlguard._pair_work.place is 'Place of the column in the table.';
comment on column mlguard._pair_work.codes is 'Values as integers; null: missing.';
comment on column mlguard._pair_work.mixed is 'The same in a fixed shuffled order.';
comment on column mlguard._pair_work.cut is 'How the column is cut into bins.';
comment on column mlguard._pair_work.bins is 'Bins of the values.';
comment on column mlguard._pair_work.mixed_bins is 'The same in the shuffled order.';
comment on column mlguard._pair_work.able_domain is 'Its values come again often enough for pairs of values to be learned.';
comment on column mlguard._pair_work.able_dependence is 'The same for dependence.';


create function mlguard._domain(p_tbl text, p_over text, p_first text, p_second text, p_mixed boolean)
returns table (t integer, share double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
  -- Share of rows whose two values were both known before and never met; with p_mixed, were the first column shuffled.
  with line as (
    select a.t, u.x, u.y, u.mixed
    from mlguard._pair_work a
    join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and b.t = a.t and b.column_name = p_second
    cross join lateral unnest(a.codes, b.codes, a.mixed) u (x, y, mixed)
    where a.tbl = p_tbl and a.over = p_over and a.column_name = p_first
  ), first_x as (
    select l.x, min(l.t) as t from line l where l.x is not null group by l.x
  ), first_y as (
    select l.y, min(l.t) as t from line l where l.y is not null group by l.y
  ), met as (
    select l.x, l.y, min(l.t) as t from line l where l.x is not null and l.y is not null group by l.x, l.y
  )
  select l.t, avg((l.x is not null and l.y is not null and coalesce(m.t >= l.t, true)
                   and coalesce(x.t < l.t, false) and coalesce(y.t < l.t, false))::integer)::double precision
  from (select l.t, case when p_mixed then l.mixed else l.x end as x, l.y from line l) l
  left join first_x x on x.x = l.x
  left join first_y y on y.y = l.y
  left join met m on m.x = l.x and m.y = l.y
  group by l.t
$mlguard$;

comment on function mlguard._domain(text, text, text, text, boolean) is
  'Private. Of each kept scope the share of rows with a pair of known values never seen together before.';


create function mlguard._learn_pairs(p_tbl text, p_over text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_nestloop = off  -- arrays have no statistics: nested loops over them are quadratic
set jit = off
as $mlguard$
declare
  _one record;
  _nature record;
  _kept integer;
  _half integer;
  _before bigint := (select count(*) from mlguard._pair r where r.tbl = p_tbl and r.over = p_over);
begin
  delete from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over;
  insert into mlguard._pair_work (tbl, over, t, scope, column_name, place, codes, mixed, able_domain, able_dependence)
  with kept as materialized (
    select c.id, (row_number() over (order by c.window_start, c.batch))::integer - 1 as t
    from (
      select c.*
      from mlguard._learned_scope c
      where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded and c.k > 0
      order by c.window_start desc nulls last, c.batch desc nulls last
      limit 35
    ) c
  ), cell as materialized (
    select k.t, k.id as scope, p.column_name, p.rows_nums is not null as numeric, u.i,
           dense_rank() over (partition by p.column_name order by u.text, nullif(u.num, 'NaN'))
             * case when u.text is null and nullif(u.num, 'NaN') is null then null else 1 end as code
    from kept k
    join mlguard._profile p on p.scope = k.id
    cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
  ), shuffled as (
    -- A fixed shuffle: learning twice finds the same rules.
    select c.*, row_number() over (partition by c.t, c.column_name order by (c.i - 1) * 2654435761 % 4294967296) as place
    from cell c
  ), able as (
    select f.column_name,
           percentile_cont(0.5) within group (order by f.distinct_values) as distinct_values,
           percentile_cont(0.5) within group (order by f.distinct_values::double precision / nullif(f.m, 0)) as uniqueness
    from (
      select c.t, c.column_name, count(distinct c.code) as distinct_values, count(c.code) as m
      from cell c
      group by c.t, c.column_name
    ) f
    group by f.column_name
  )
  select p_tbl, p_over, s.t, s.scope, s.column_name,
         coalesce((select a.attnum::integer
                   from mlguard._table t
                   join pg_namespace n on n.nspname = t.schema_name
                   join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
                   join pg_attribute a on a.attrelid = c.oid and a.attname = s.column_name
                   where t.tbl = p_tbl), 0),
         array_agg(s.code::integer order by s.i), array_agg(s.code::integer order by s.place),
         a.distinct_values between 2 and 5000 and a.uniqueness < 0.9,
         a.distinct_values >= 2 and a.uniqueness < 0.98
  from shuffled s
  join able a on a.column_name = s.column_name
  group by s.t, s.scope, s.column_name, a.distinct_values, a.uniqueness;
  _kept := (select count(distinct w.t) from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over);
  _half := _kept / 2;

  -- Nulls that come together. A column that never lacks a value, or never has one, has nothing to come together with.
  insert into mlguard._pair (tbl, over, column_name, metric, partner, evidence)
  with lacking as materialized (
    select w.t, w.column_name, w.place, w.codes
    from mlguard._pair_work w
    join (
      select c.column_name
      from mlguard._pair_work c
      where c.tbl = p_tbl and c.over = p_over
      group by c.column_name
      having bool_or(array_position(c.codes, null) is not null) and bool_or(cardinality(array_remove(c.codes, null)) > 0)
    ) n on n.column_name = w.column_name
    where w.tbl = p_tbl and w.over = p_over
  )
  select distinct on (least(f.a, f.b), greatest(f.a, f.b)) p_tbl, p_over, f.a, 'nulls', f.b,
         jsonb_build_object('scopes', _kept, 'mismatch', f.mismatch, 'missing', least(f.share_a, f.share_b))
  from (
    select e.*, row_number() over (partition by e.a order by e.mismatch, e.b) as rank
    from (
      select a.column_name as a, b.column_name as b, a.place,
             percentile_cont(0.5) within group (order by s.mismatch) as mismatch,
             percentile_cont(0.5) within group (order by s.share_a) as share_a,
             percentile_cont(0.5) within group (order by s.share_b) as share_b
      from lacking a
      join lacking b on b.t = a.t and b.column_name <> a.column_name
      cross join lateral (
        select avg(((u.x is null) <> (u.y is null))::integer) as mismatch, avg((u.x is null)::integer) as share_a,
               avg((u.y is null)::integer) as share_b
        from unnest(a.codes, b.codes) u (x, y)
      ) s
      group by a.column_name, b.column_name, a.place
    ) e
    where e.share_a > 0.0005 and e.share_a < 0.999 and e.share_b > 0.0005 and e.share_b < 0.999
      and e.mismatch <= 0.2 * least(e.share_a, e.share_b)
  ) f
  where f.rank = 1
  order by least(f.a, f.b), greatest(f.a, f.b), f.place, f.a
  on conflict do nothing;

  -- Values that only come in certain pairs: a shuffled column would break the rule, nature does not.
  for _one in
    select distinct a.column_name as a, b.column_name as b
    from mlguard._pair_work a
    join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and (b.place, b.column_name) > (a.place, a.column_name)
    where a.tbl = p_tbl and a.over = p_over and a.able_domain and b.able_domain
  loop
    select percentile_cont(0.5) within group (order by d.share) as median, stddev_pop(d.share) as deviation
    into _nature
    from mlguard._domain(p_tbl, p_over, _one.a, _one.b, false) d
    where d.t >= _half;
    continue when _nature.median is null or _nature.median > 0.1
      or exists (
        select
        from mlguard._pair r
        where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair'
          and (r.column_name, r.partner) in ((_one.a, _one.b), (_one.b, _one.a)));
    insert into mlguard._pair (tbl, over, column_name, metric, partner, evidence)
    select p_tbl, p_over, w.a, 'pair', w.b,
           jsonb_build_object('scopes', _kept, 'gain', e.broken - _nature.median - _nature.deviation, 'nature', _nature.median)
    from (values (_one.a, _one.b), (_one.b, _one.a)) w (a, b)
    cross join lateral (
      select percentile_cont(0.5) within group (order by d.share) as broken
      from mlguard._domain(p_tbl, p_over, w.a, w.b, true) d
      where d.t >= _half
    ) e
    where e.broken - _nature.median - _nature.deviation >= 0.1
    on conflict do nothing;
  end loop;
  -- Two partners a column at most, and each pair once.
  delete from mlguard._pair r
  using (
    select p.column_name, p.partner,
           row_number() over (partition by p.column_name order by (p.evidence ->> 'gain')::double precision desc, p.partner desc) as rank
    from mlguard._pair p
    where p.tbl = p_tbl and p.over = p_over and p.metric = 'pair'
  ) k
  where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and r.column_name = k.column_name and r.partner = k.partner
    and k.rank > 2;
  delete from mlguard._pair r
  using mlguard._pair o, mlguard._pair_work x, mlguard._pair_work y
  where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and o.tbl = r.tbl and o.over = r.over and o.metric = 'pair'
    and o.column_name = r.partner and o.partner = r.column_name
    and x.tbl = r.tbl and x.over = r.over and x.t = 0 and x.column_name = r.column_name
    and y.tbl = r.tbl and y.over = r.over and y.t = 0 and y.column_name = o.column_name
    and (x.place, x.column_name) > (y.place, y.column_name);

  -- Dependence: deciles of numbers, the thirty most frequent texts.
  with bin as (
    select v.column_name,
           case when bool_or(v.num is not null) then jsonb_build_object('edges', mlguard._deciles(array_agg(v.num order by v.num)))
                else jsonb_build_object('values', mlguard._most_frequent(array_agg(v.text)))
           end as bins
    from (
      select w.column_name, nullif(u.num, 'NaN') as num, u.text
      from mlguard._pair_work w
      join mlguard._profile p on p.scope = w.scope and p.column_name = w.column_name
      cross join lateral unnest(p.rows_nums, p.rows_texts) u (num, text)
      where w.tbl = p_tbl and w.over = p_over and w.able_dependence and (u.text is not null or nullif(u.num, 'NaN') is not null)
    ) v
    group by v.column_name
  ), edge as (
    select b.column_name, b.bins, array(
             select e.edge::double precision
             from jsonb_array_elements_text(b.bins -> 'edges') e (edge)
             order by e.edge::double precision) as edges
    from bin b
  ), binned as (
    select h.t, h.column_name, h.bins as cut, array_agg(h.bin order by h.i) as bins,
           array_agg(h.bin order by (h.i - 1) * 2654435761 % 4294967296) as mixed_bins
    from (
      select w.t, w.column_name, b.bins, u.i,
             case
               when u.text is null and nullif(u.num, 'NaN') is null then -1
               when b.edges <> '{}' then width_bucket(u.num, b.edges)
               when b.bins -> 'values' ? u.text then hashtext(u.text)
               else -2
             end as bin
      from mlguard._pair_work w
      join edge b on b.column_name = w.column_name
      join mlguard._profile p on p.scope = w.scope and p.column_name = w.column_name
      cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
      where w.tbl = p_tbl and w.over = p_over and (b.bins ? 'values' or b.edges <> '{}')
    ) h
    group by h.t, h.column_name, h.bins
  )
  update mlguard._pair_work w
  set cut = b.cut, bins = b.bins, mixed_bins = b.mixed_bins
  from binned b
  where w.tbl = p_tbl and w.over = p_over and w.t = b.t and w.column_name = b.column_name;

  insert into mlguard._pair (tbl, over, column_name, metric, partner, bins, partner_bins, evidence)
  select p_tbl, p_over, r.a, 'dependence', r.b, r.cut_a, r.cut_b,
         jsonb_build_object('scopes', _kept, 'strength', r.strength, 'dependence', r.middle)
  from (
    select s.*, row_number() over (partition by s.owner order by s.strength desc, s.a desc, s.b desc) as rank
    from (
      select e.*, o.owner
      from (
        select a.column_name as a, b.column_name as b, a.cut as cut_a, b.cut as cut_b,
               percentile_cont(0.5) within group (order by x.usual) as middle,
               (percentile_cont(0.5) within group (order by x.usual) - percentile_cont(0.5) within group (order by x.chance))
                 / (stddev_pop(x.usual) + 0.02 * percentile_cont(0.5) within group (order by x.usual)) as strength
        from mlguard._pair_work a
        join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and b.t = a.t and (b.place, b.column_name) > (a.place, a.column_name)
        cross join lateral (
          select mlguard._explained(a.bins, b.bins) as usual,
                 case when (a.t - _half) % 3 = 0 then mlguard._explained(a.mixed_bins, b.bins) end as chance
        ) x
        where a.tbl = p_tbl and a.over = p_over and a.t >= _half and a.bins is not null and b.bins is not null
        group by a.column_name, b.column_name, a.cut, b.cut
        having percentile_cont(0.5) within group (order by x.usual) > 0
      ) e
      cross join lateral (values (e.a), (e.b)) o (owner)
      where e.strength >= 3
    ) s
  ) r
  where r.rank <= 2
  on conflict do nothing;

  -- What the new rules would have said of the scopes they were learned from: their bands need a past.
  insert into mlguard._series (tbl, over, metric, family, column_name, partner)
  select r.tbl, r.over, format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner), r.metric, r.column_name, r.partner
  from mlguard._pair r
  where r.tbl = p_tbl and r.over = p_over
  on conflict do nothing;
  insert into mlguard._metric (tbl, metric, over, batch, window_start, window_end, value, n, sampled)
  with added as materialized (
    select r.*, format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner) as name
    from mlguard._pair r
    where r.tbl = p_tbl and r.over = p_over
      and not exists (
        select
        from mlguard._metric m
        where m.tbl = p_tbl and m.over = p_over and m.metric = format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner))
  ), valued as (
    select a.name, d.t, d.share as value
    from added a
    cross join lateral mlguard._domain(p_tbl, p_over, a.column_name, a.partner, false) d
    where a.metric = 'pair' and d.t >= 8
    union all
    select a.name, x.t, mlguard._explained(x.bins, y.bins)
    from added a
    join mlguard._pair_work x on x.tbl = p_tbl and x.over = p_over and x.column_name = a.column_name
    join mlguard._pair_work y on y.tbl = p_tbl and y.over = p_over and y.column_name = a.partner and y.t = x.t
    where a.metric = 'dependence'
    union all
    select a.name, x.t, (select avg(((u.x is null) <> (u.y is null))::integer) from unnest(x.codes, y.codes) u (x, y))
    from added a
    join mlguard._pair_work x on x.tbl = p_tbl and x.over = p_over and x.column_name = a.column_name
    join mlguard._pair_work y on y.tbl = p_tbl and y.over = p_over and y.column_name = a.partner and y.t = x.t
    where a.metric = 'nulls'
  )
  select p_tbl, a.name, p_over, c.batch, c.window_start, c.window_end, v.value, c.k, true
  from added a
  cross join (select distinct w.t, w.scope from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over) k
  join mlguard._learned_scope c on c.id = k.scope
  left join valued v on v.name = a.name and v.t = k.t;
  with met as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct p_tbl, p_over, 'pair', r.column_name || chr(31) || r.partner, a.value || chr(31) || b.value
    from mlguard._pair r
    join (select distinct w.scope from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over) k on true
    cross join lateral mlguard._cells(k.scope, r.column_name) a
    join lateral mlguard._cells(k.scope, r.partner) b on b.i = a.i
    where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and a.value is not null and b.value is not null
    on conflict do nothing
    returning name
  )
  insert into mlguard._seen_size as z (tbl, over, what, name, size)
  select p_tbl, p_over, 'pair', m.name, count(*) from met m group by m.name
  on conflict (tbl, over, what, name) do update set size = z.size + excluded.size;
  delete from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over;
  return (select count(*) from mlguard._pair r where r.tbl = p_tbl and r.over = p_over) - _before;
end
$mlguard$;

comment on function mlguard._learn_pairs(text, text) is
  'Private. Finds rules between two columns in the last twenty samples: values that only come together in certain pairs, '
  'columns that tell of one another, values that are missing together.';


create function mlguard._refresh_bands(p_tbl text, p_over text, p_rescale boolean)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_nestloop = off  -- bands made in this transaction have no statistics: loops over them are quadratic
set jit = off
as $mlguard$
declare
  _one record;
  _b mlguard._band;
  _zone text := (select t.time_zone from mlguard._table t where t.tbl = p_tbl);
  -- What came since is read in one go for all bands, by number.
  _upto bigint := (
    select min(b.upto)
    from mlguard._band b
    where b.tbl = p_tbl and b.over = p_over and b.segment = '{}' and b.upto > 0);
begin
  for _one in
    with labelled as materialized (
      select m.metric, count(*) as n
      from mlguard._metric m
      where m.tbl = p_tbl and m.over = p_over and m.segment = '{}' and m.current and m.excluded
      group by m.metric
    ), fresh as materialized (
      select m.metric, max(m.id) as upto,
             array_agg(m.value order by m.window_start nulls first, m.batch nulls first) as vals,
             array_agg(m.n order by m.window_start nulls first, m.batch nulls first) as rows,
             array_agg(coalesce(m.window_start, m.at) order by m.window_start nulls first, m.batch nulls first) as ats
      from mlguard._metric m
      join mlguard._band b
        on b.tbl = m.tbl and b.over = m.over and b.segment = m.segment and b.metric = m.metric and b.upto < m.id
      where m.id > _upto and m.tbl = p_tbl and m.over = p_over and m.segment = '{}' and m.current and not m.excluded
      group by m.metric
    )
    select r.metric, b as band, coalesce(l.n, 0) as left_out, f.upto, f.vals, f.rows,
           mlguard._slots(p_over, _zone, f.ats) as slots,
           b.metric is null or b.upto = 0 or (p_rescale and b.class = 'location') or b.left_out <> coalesce(l.n, 0) as anew
    from mlguard._series r
    left join mlguard._band b on b.tbl = r.tbl and b.over = r.over and b.segment = '{}' and b.metric = r.metric
    left join labelled l on l.metric = r.metric
    left join fresh f on f.metric = r.metric
    where r.tbl = p_tbl and r.over = p_over
  loop
    if _one.anew then
      _b := mlguard._learned(p_tbl, p_over, '{}', _one.metric);
      continue when _b.metric is null;
      _b.left_out := _one.left_out;
    else
      continue when _one.upto is null;
      _b := mlguard._taken_in(_one.band, _one.vals, _one.rows, _one.slots);
      _b := mlguard._finished(_b);
      _b.upto := _one.upto;
      _b.learned_at := clock_timestamp();
    end if;
    delete from mlguard._band b
    where b.tbl = p_tbl and b.over = p_over and b.segment = '{}' and b.metric = _one.metric;
    insert into mlguard._band select _b.*;
  end loop;
end
$mlguard$;

comment on function mlguard._refresh_bands(text, text, boolean) is
  'Private. Takes the values that came since into the bands of a table; p_rescale: locations are learned anew.';


create function mlguard._observe(p_scope bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _scope mlguard._learned_scope;
  _observed bigint;
  _round boolean;
begin
  select c.* into _scope from mlguard._learned_scope c where c.id = p_scope;
  with value as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select _scope.tbl, _scope.over, 'value', p.column_name, coalesce(u.text, (u.num + 0)::text)
    from mlguard._profile p
    cross join lateral unnest(p.nums, p.texts) u (num, text)
    where p.scope = p_scope and not mlguard._overfull(_scope.tbl, _scope.over, 'value', p.column_name)
      -- Numbers are remembered where a rule about pairs of values asks, or may come to ask, for them.
      and (p.texts is not null or cardinality(p.counts) <= 0.9 * p.m)
    on conflict do nothing
    returning name
  ), shape as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct _scope.tbl, _scope.over, 'shape', p.column_name, mlguard._shape(u.text)
    from mlguard._profile p
    cross join lateral unnest(p.texts) u (text)
    where p.scope = p_scope and not mlguard._overfull(_scope.tbl, _scope.over, 'shape', p.column_name)
      -- A value seen before has a shape seen before. (LIMIT keeps it a look-up by key.)
      and (select k.value
           from mlguard._seen k
           where k.tbl = _scope.tbl and k.over = _scope.over and k.what = 'value' and k.name = p.column_name
             and k.value = u.text
           limit 1) is null
    on conflict do nothing
    returning name
  ), pair as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct _scope.tbl, _scope.over, 'pair', r.column_name || chr(31) || r.partner, a.value || chr(31) || b.value
    from mlguard._pair r
    cross join lateral mlguard._cells(p_scope, r.column_name) a
    join lateral mlguard._cells(p_scope, r.partner) b on b.i = a.i
    where r.tbl = _scope.tbl and r.over = _scope.over and r.metric = 'pair' and a.value is not null and b.value is not null
      and not mlguard._overfull(_scope.tbl, _scope.over, 'pair', r.column_name || chr(31) || r.partner)
    on conflict do nothing
    returning name
  ), grown as (
    select 'value' as what, v.name, count(*) as n from value v group by v.name
    union all select 'shape', s.name, count(*) from shape s group by s.name
    union all select 'pair', p.name, count(*) from pair p group by p.name
  )
  insert into mlguard._seen_size as z (tbl, over, what, name, size)
  select _scope.tbl, _scope.over, g.what, g.name, g.n from grown g
  on conflict (tbl, over, what, name) do update set size = z.size + excluded.size;

  update mlguard._learned_scope c set observed = true where c.id = p_scope;
  delete from mlguard._profile p
  using (
    select c.id
    from mlguard._learned_scope c
    where c.tbl = _scope.tbl and c.over = _scope.over and c.observed
    order by c.window_start desc nulls last, c.batch desc nulls last
    offset 35
  ) old
  where p.scope = old.id;
  _observed := (select count(*) from mlguard._learned_scope c where c.tbl = _scope.tbl and c.over = _scope.over and c.observed);
  -- At 20, 40, 80, 160 …: pair rules are looked for anew, and the units of locations set again.
  _round := _observed >= 20 and _observed % 20 = 0 and (_observed / 20) & (_observed / 20 - 1) = 0;
  if _round and exists (
       select
       from mlguard._slo s
       where s.tbl = _scope.tbl and s.over = _scope.over and 'pairs' = any (s.learned)) then
    perform mlguard._learn_pairs(_scope.tbl, _scope.over);
  end if;
  perform mlguard._refresh_reference(_scope.tbl, _scope.over);
  perform mlguard._refresh_bands(_scope.tbl, _scope.over, _round);
end
$mlguard$;

comment on function mlguard._observe(bigint) is
  'Private. Takes a judged scope into what is usual: values seen, pooled references, bands.';


create function mlguard._arm(p_tbl text, p_over text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _trial integer;
  _alarms integer;
  _n bigint;
begin
  -- On trial are the scopes judged with at least twenty before them; ten of them at least, the last sixty at most.
  select count(*), count(*) filter (where t.alarmed)
  into _trial, _alarms
  from (
    select bool_or(v.outcome in ('FAIL', 'NOTED')) as alarmed
    from mlguard._verdict v
    join mlguard._slo s on s.id = v.slo and s.learned <> '{}'
    where v.tbl = p_tbl and v.over = p_over and v.current and v.outcome in ('PASS', 'FAIL', 'NOTED')
    group by v.window_start, v.batch
    order by v.window_start desc nulls last, v.batch desc nulls last
    limit 60
  ) t;
  if _trial < 10 or _alarms > greatest(1, 0.05 * _trial) then
    return 0;
  end if;
  insert into mlguard._armed (slo, scopes, alarms)
  select s.id, _trial, _alarms
  from mlguard._slo s
  where s.tbl = p_tbl and s.over = p_over and s.learned <> '{}' and not s.shadow
  on conflict do nothing;
  get diagnostics _n = row_count;
  return _n;
end
$mlguard$;

comment on function mlguard._arm(text, text) is
  'Private. Lets learned SLOs act once their trial stayed within the budget: at most one alarm in twenty windows or '
  'batches, real ones included.';


create function mlguard._sweep_usual(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table record;
  _start timestamptz;
  _end timestamptz;
  _judged bigint := 0;
  _armed bigint := 0;
  _scope bigint;
begin
  for _table in
    select t.tbl, t.time_zone, t.late, t.base, s.over
    from mlguard._table t
    join mlguard._slo s on s.tbl = t.tbl and s.learned <> '{}'
    group by t.tbl, t.time_zone, t.late, t.base, s.over
    order by t.tbl, s.over
  loop
    -- What somebody labelled a fault since is no example of what is usual.
    update mlguard._learned_scope c
    set excluded = m.excluded
    from (
      select m.window_start, m.batch, bool_or(m.excluded) as excluded
      from mlguard._metric m
      where m.tbl = _table.tbl and m.over = _table.over and m.sampled and m.current
      group by m.window_start, m.batch
    ) m
    where c.tbl = _table.tbl and c.over = _table.over and c.excluded <> m.excluded
      and (c.window_start = m.window_start or c.batch = m.batch);
    if _table.over = 'batch' then
      for _scope in
        select c.id
        from mlguard._learned_scope c
        where c.tbl = _table.tbl and c.over = 'batch' and not c.observed and not c.excluded
        order by c.batch
      loop
        perform mlguard._observe(_scope);
      end loop;
    else
      _start := coalesce(
        (select max(c.window_end) from mlguard._learned_scope c where c.tbl = _table.tbl and c.over = _table.over and c.batch is null),
        -- A stray event time long ago must not open a thousand empty windows: 400 are learned from at most.
        (select mlguard._window_start(_table.over, _table.time_zone,
                                      greatest(min(b.bucket), max(b.bucket) - 400 * _table.over::interval))
         from mlguard._bucket b
         where b.tbl = _table.tbl and isfinite(b.bucket) and b.bucket <= p_as_of));
      while _start is not null loop
        _end := mlguard._window_end(_table.over, _table.time_zone, _start);
        exit when _end + _table.late > p_as_of;
        _scope := mlguard._judge_usual(
          _table.tbl, _table.over, _start, _end, null,
          coalesce((select sum(b.n) from mlguard._bucket b
                    where b.tbl = _table.tbl and b.segment = '{}' and b.bucket >= _start and b.bucket < _end), 0)::bigint);
        perform mlguard._observe(_scope);
        _judged := _judged + 1;
        _start := _end;
      end loop;
    end if;
    _armed := _armed + mlguard._arm(_table.tbl, _table.over);
  end loop;
  return query values ('windows judged by what is usual', _judged), ('learned SLOs armed', _armed);
end
$mlguard$;

comment on function mlguard._sweep_usual(timestamptz) is
  'Private. Judges closed windows by what is usual, in order, and learns from them.';


create function mlguard._judge_usual_batch(p_batch bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _batch record;
begin
  select b.tbl, coalesce(sum(s.n) filter (where s.sign = 1 and s.segment = '{}'), 0)::bigint as n
  into _batch
  from mlguard._batch b
  left join mlguard._state s on s.batch = b.id
  where b.id = p_batch
  group by b.tbl;
  if _batch.n > 0 then
    perform mlguard._judge_usual(_batch.tbl, 'batch', null, null, p_batch, _batch.n);
  end if;
end
$mlguard$;

comment on function mlguard._judge_usual_batch(bigint) is
  'Private. Judges a batch by what is usual, at its COMMIT; sweep() learns from it later.';
