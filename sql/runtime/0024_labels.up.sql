-- Labels: what is known of predictions later, and about whom they are. Sums of errors and tallies by score, bin or group
-- are states like any other; pairs that two transactions could not see are found by what each of them saw.

alter table mlguard._slo add column matures interval not null default '0';

comment on column mlguard._slo.matures is
  'Of SLOs about labels: how long after the end of a window (and the time it waits for rows) labels are waited for.';

alter table mlguard._table add column joins jsonb not null default '[]';

comment on column mlguard._table.joins is
  'Tables whose rows are matched with its own: [{"what": labels or attributes, "table", "on": [columns], '
  '"columns": [those taken from it]}].';


create table mlguard._pairing (
  id bigint generated always as identity,
  tbl text not null,
  side text not null,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  seen pg_snapshot not null,
  statement timestamptz not null default pg_catalog.statement_timestamp(),
  bucket_from timestamptz,
  bucket_to timestamptz,
  known_at xid8,
  primary key (tbl, id),
  constraint _pairing_side check (side in ('predictions', 'labels', 'attributes'))
);

comment on table mlguard._pairing is
  'Private. A mark of each statement on a prediction table and on those that hold its labels and attributes, kept while '
  'a transaction that did not see it can be around.';
comment on column mlguard._pairing.id is 'Number.';
comment on column mlguard._pairing.tbl is 'The prediction table.';
comment on column mlguard._pairing.side is 'Which table was written: predictions, labels or attributes.';
comment on column mlguard._pairing.xid is 'The transaction.';
comment on column mlguard._pairing.seen is 'What its trigger saw before it looked for pairs.';
comment on column mlguard._pairing.statement is 'When the statement began: triggers of one statement see the end of both.';
comment on column mlguard._pairing.bucket_from is 'Start of the first bucket of the predictions written.';
comment on column mlguard._pairing.bucket_to is 'Start of the last bucket of the predictions written.';
comment on column mlguard._pairing.known_at is 'Transactions from this one on began after the mark was seen; null: it is new.';


create table mlguard._paired (
  tbl text primary key,
  upto xid8 not null
);

comment on table mlguard._paired is 'Private. Which marks of mlguard._pairing are gone.';
comment on column mlguard._paired.tbl is 'The prediction table.';
comment on column mlguard._paired.upto is 'The newest transaction whose mark is gone.';


create table mlguard._recount_due (
  id bigint generated always as identity,
  tbl text not null,
  bucket_from timestamptz,
  bucket_to timestamptz,
  primary key (tbl, id)
);

comment on table mlguard._recount_due is
  'Private. Buckets whose stored rows sweep() counts anew before it judges: what was appended cannot tell them.';
comment on column mlguard._recount_due.id is 'Number.';
comment on column mlguard._recount_due.tbl is 'The table.';
comment on column mlguard._recount_due.bucket_from is 'Start of the first bucket; null: all.';
comment on column mlguard._recount_due.bucket_to is 'Start of the last bucket; null: all.';

revoke all on mlguard._pairing, mlguard._paired, mlguard._recount_due from public;


create function mlguard.pair_v1(
  p_tbl text, p_side text, p_seen pg_snapshot, p_from timestamptz, p_to timestamptz)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._pairing (tbl, side, seen, bucket_from, bucket_to) values (p_tbl, p_side, p_seen, p_from, p_to)
$mlguard$;

comment on function mlguard.pair_v1(text, text, pg_snapshot, timestamptz, timestamptz) is
  'Leaves the mark of a statement on predictions, labels or attributes.';


create function mlguard.recount_due_v1(p_tbl text, p_from timestamptz, p_to timestamptz)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._recount_due (tbl, bucket_from, bucket_to) values (p_tbl, p_from, p_to)
$mlguard$;

comment on function mlguard.recount_due_v1(text, timestamptz, timestamptz) is
  'Has buckets counted anew from the stored rows before their windows are judged; null, null: all of the table.';


create function mlguard._find_unseen(p_tbl text)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _ids bigint[];
  _now pg_snapshot;
  _pairs numeric;
  _n bigint := 0;
  _more bigint;
  _gone xid8;
begin
  -- Numbers of transactions that are still to come are of another server: the database was restored.
  delete from mlguard._pairing m
  where m.tbl = p_tbl and m.xid >= pg_snapshot_xmax(pg_current_snapshot())
    and m.xid is distinct from pg_current_xact_id_if_assigned();
  delete from mlguard._paired d where d.tbl = p_tbl and d.upto >= pg_snapshot_xmax(pg_current_snapshot());

  -- One statement, one snapshot: a transaction that saw none of these marks had its number before _now ends.
  select array_agg(m.id), pg_current_snapshot(),
         count(*) filter (where m.side = 'predictions')::numeric * count(*) filter (where m.side <> 'predictions')
  into _ids, _now, _pairs
  from mlguard._pairing m
  where m.tbl = p_tbl;
  if _ids is null then
    return 0;
  end if;

  if _pairs <= 1000000 then
    insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
    select distinct p.tbl, p.bucket_from, p.bucket_to
    from mlguard._pairing p
    join mlguard._pairing o
      on o.tbl = p_tbl and o.side <> 'predictions' and o.id = any (_ids)
      and (o.known_at is null or p.known_at is null)
      and case
            when o.xid = p.xid then o.statement = p.statement
            else not pg_visible_in_snapshot(o.xid, p.seen) and not pg_visible_in_snapshot(p.xid, o.seen)
          end
    where p.tbl = p_tbl and p.side = 'predictions' and p.id = any (_ids);
    get diagnostics _n = row_count;
  else
    -- Too many to compare each with each: two that overlap in time are taken for such that saw nothing of each other.
    with mark as materialized (
      select m.id, m.side, m.known_at, m.bucket_from, m.bucket_to, m.xid::text::numeric as xid,
             pg_snapshot_xmin(m.seen)::text::numeric as low
      from mlguard._pairing m
      where m.tbl = p_tbl and m.id = any (_ids)
    ), line as (
      select m.id, m.low as place, null::numeric as low, null::numeric as new_low, 1 as kind
      from mark m
      where m.side = 'predictions'
      union all
      select null, m.xid, m.low, case when m.known_at is null then m.low end, 0
      from mark m
      where m.side <> 'predictions'
    ), reached as (
      select l.id, min(l.low) over later as low, min(l.new_low) over later as new_low
      from line l
      window later as (order by l.place desc, l.kind rows unbounded preceding)
    )
    insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
    select distinct p_tbl, m.bucket_from, m.bucket_to
    from mark m
    join reached r on r.id = m.id
    where case when m.known_at is null then r.low else r.new_low end <= m.xid;
    get diagnostics _n = row_count;
  end if;

  -- A transaction that looked at the database once, long ago, and wrote only now may have missed marks that are gone.
  insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
  select distinct m.tbl, m.bucket_from, m.bucket_to
  from mlguard._pairing m
  join mlguard._paired d on d.tbl = m.tbl and pg_snapshot_xmin(m.seen) <= d.upto
  where m.tbl = p_tbl and m.id = any (_ids) and m.known_at is null;
  get diagnostics _more = row_count;

  update mlguard._pairing m
  set known_at = pg_snapshot_xmax(_now)
  where m.tbl = p_tbl and m.id = any (_ids) and m.known_at is null;
  with gone as (
    delete from mlguard._pairing m
    where m.tbl = p_tbl and m.id = any (_ids) and m.known_at <= pg_snapshot_xmin(_now)
    returning m.xid
  )
  select g.xid into _gone from gone g order by g.xid desc limit 1;
  if _gone is not null then
    insert into mlguard._paired as d (tbl, upto)
    values (p_tbl, _gone)
    on conflict (tbl) do update set upto = greatest(d.upto, excluded.upto);
  end if;
  return _n + _more;
end
$mlguard$;

comment on function mlguard._find_unseen(text) is
  'Private. Has the buckets of predictions counted anew whose transaction and that of a label (or attribute) did not see '
  'each other; returns how many statements that were.';


create function mlguard._recount_now(p_table mlguard._table)
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
  _n bigint := 0;
begin
  if cardinality(_ids) = 0 or p_table.recount is null or p_table.base is null then
    return 0;
  end if;
  for _part in
    with due as materialized (
      select d.bucket_from, mlguard._window_end(p_table.base, p_table.time_zone, d.bucket_to) as bucket_end
      from mlguard._recount_due d
      where d.tbl = p_table.tbl and d.id = any (_ids)
    ), island as (
      select l.bucket_from, l.bucket_end, count(*) filter (where l.apart) over (order by l.bucket_from, l.bucket_end) as no
      from (
        select d.*, d.bucket_from > max(d.bucket_end) over (
                      order by d.bucket_from, d.bucket_end rows between unbounded preceding and 1 preceding) as apart
        from due d
      ) l
    ), part as (
      select min(i.bucket_from) as first, max(i.bucket_end) as last from island i group by i.no
    )
    select null::timestamptz as first, null::timestamptz as last
    where exists (select from due d where d.bucket_from is null)
    union all
    select p.first, p.last from part p
    where not exists (select from due d where d.bucket_from is null) and (select count(*) from part) <= _most
    union all
    select min(p.first), max(p.last) from part p
    where not exists (select from due d where d.bucket_from is null)
    having count(*) > _most
  loop
    _n := _n + mlguard._recount(p_table.tbl, p_table.recount, _part.first, _part.last);
    -- What was judged of them may have been wrong.
    update mlguard._bucket b
    set changed_at = clock_timestamp()
    where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
      and b.bucket < coalesce(_part.last, 'infinity');
  end loop;
  delete from mlguard._recount_due d where d.tbl = p_table.tbl and d.id = any (_ids);
  return _n;
end
$mlguard$;

comment on function mlguard._recount_now(mlguard._table) is
  'Private. Counts the buckets that are due anew and has their windows judged again; the caller has the lock of the table.';


-- Merging and taking apart.

create function mlguard.rounded_score_v1(p_score double precision)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return case
    when p_score = 0 or abs(p_score) < 1e-30 then 0
    else round(p_score::numeric, 2 - floor(log(abs(p_score)))::integer)::float8
  end;
end
$mlguard$;

comment on function mlguard.rounded_score_v1(double precision) is
  'A score with three digits that count: the grid on which scores are tallied where there are too many different ones.';


create function mlguard._sum_arrays(p_parts jsonb[], p_signs integer[] default null)
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- As numeric, so that what was added can be taken away again without a trace.
  select coalesce(jsonb_agg(s.total order by s.place), '[]')
  from (
    select e.place, sum(e.value::numeric * coalesce(p_signs[p.no], 1)) as total
    from unnest(p_parts) with ordinality p (part, no)
    cross join lateral jsonb_array_elements_text(p.part) with ordinality e (value, place)
    group by e.place
  ) s
$mlguard$;

comment on function mlguard._sum_arrays(jsonb[], integer[]) is 'Private. Adds arrays of numbers, place by place.';


create function mlguard._sum_tallies(p_key text, p_parts jsonb[], p_signs integer[] default null)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
declare
  _scores boolean := p_key like 'roc(%';
  _groups boolean := p_key !~ '^(roc|calibration)\(';
  _rounded boolean := (select coalesce(bool_or(p.part ? 'rounded'), false) from unnest(p_parts) p (part));
  _tally jsonb;
  _size bigint;
begin
  loop
    select jsonb_object_agg(k.key, k.sums), count(*)
    into _tally, _size
    from (
      select g.key, jsonb_agg(g.total order by g.place) as sums
      from (
        select case when _rounded then mlguard.rounded_score_v1(t.key::float8)::text else t.key end as key, e.place,
               sum(e.value::numeric * coalesce(p_signs[p.no], 1)) as total
        from unnest(p_parts) with ordinality p (part, no)
        cross join lateral jsonb_each(p.part -> 'c') t
        cross join lateral jsonb_array_elements_text(t.value) with ordinality e (value, place)
        group by 1, 2
      ) g
      group by g.key
      having bool_or(g.total <> 0)
    ) k;
    exit when not _scores or _rounded or _size <= 10000;
    _rounded := true;
  end loop;
  if _groups and _size > 1000 then
    _tally := (
      select jsonb_object_agg(k.key, k.sums)
      from (
        select m.key, jsonb_agg(m.total order by m.place) as sums
        from (
          select case when r.place <= 1000 then r.key else '*' end as key, e.place, sum(e.value::numeric) as total
          from (
            select t.key, t.value, row_number() over (order by (t.value ->> 0)::numeric desc, t.key) as place
            from jsonb_each(_tally) t
          ) r
          cross join lateral jsonb_array_elements_text(r.value) with ordinality e (value, place)
          group by 1, 2
        ) m
        group by m.key
      ) k);
  end if;
  return jsonb_build_object('c', coalesce(_tally, '{}')) || case when _rounded then '{"rounded": true}'::jsonb else '{}' end;
end
$mlguard$;

comment on function mlguard._sum_tallies(text, jsonb[], integer[]) is
  'Private. Adds tallies {"c": {name: [sums]}} name by name; above 10000 scores they are rounded, above 1000 groups the '
  'smallest are pooled as *.';


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
    when 'errors' then mlguard._sum_arrays(p_parts)
    when 'confusion' then mlguard._sum_arrays(p_parts)
    when 'scores' then mlguard._sum_arrays(p_parts)
    else mlguard._sum_tallies(p_key, p_parts)
  end;
end
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
    when 'errors', 'confusion', 'scores' then
      return mlguard._sum_arrays(array[coalesce(p_from, '[]'), p_gone], array[1, -1]);
    when 'roc', 'calibration', 'parity', 'opportunity', 'unequal' then
      return mlguard._sum_tallies(p_key, array[coalesce(p_from, '{"c": {}}'), p_gone], array[1, -1]);
    when 'quantiles' then
      return p_from || jsonb_build_object('n', (p_from ->> 'n')::numeric - (p_gone ->> 'n')::numeric);
    else
      return to_jsonb(coalesce((p_from #>> '{}')::numeric, 0) - coalesce((p_gone #>> '{}')::numeric, 0));
  end case;
end
$mlguard$;


create or replace function mlguard._evidence(p_states jsonb, p_columns text[])
returns jsonb
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Extremes are values of single rows, groups may be small; long states are for the machine.
  select jsonb_strip_nulls(jsonb_build_object(
    'states', jsonb_object_agg(s.key, s.value) filter (where s.key <> 'stale'),
    'stale', p_states -> 'stale'))
  from jsonb_each(p_states) s
  where s.key !~ '^(keys|quantiles|min|max|roc|parity|opportunity|unequal)\('
    and (s.key !~ '\(' or exists (select from unnest(p_columns) c (name) where strpos(s.key, c.name) > 0))
    and octet_length(s.value::text) <= 4000
$mlguard$;


-- Finalising: metrics from states.

create function mlguard._sums(p_states jsonb, p_key text)
returns double precision[]
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select array_agg(e.value::float8 order by e.place)
  from jsonb_array_elements_text(p_states -> p_key) with ordinality e (value, place)
$mlguard$;

comment on function mlguard._sums(jsonb, text) is 'Private. A state of sums as numbers; null where it was not kept.';


create function mlguard.label_coverage_v1(p_states jsonb, p_labelled text, p_rows text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- Where no label has come, no state of labels was appended.
  return coalesce((p_states ->> p_labelled)::float8, 0) / nullif((p_states ->> p_rows)::float8, 0);
end
$mlguard$;

comment on function mlguard.label_coverage_v1(jsonb, text, text) is
  'Share of rows whose label has arrived; null without rows.';


create function mlguard.mae_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states -> p_key ->> 1)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$mlguard$;

comment on function mlguard.mae_v1(jsonb, text) is 'Mean absolute error; null without rows to compare.';


create function mlguard.rmse_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return sqrt(greatest((p_states -> p_key ->> 2)::float8, 0) / nullif((p_states -> p_key ->> 0)::float8, 0));
end
$mlguard$;

comment on function mlguard.rmse_v1(jsonb, text) is 'Root mean squared error; null without rows to compare.';


create function mlguard.bias_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states -> p_key ->> 3)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$mlguard$;

comment on function mlguard.bias_v1(jsonb, text) is 'Mean of prediction - label; null without rows to compare.';


create function mlguard.mape_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return ((p_states -> p_key ->> 4)::float8 + (p_states -> p_key ->> 5)::float8 / 2.220446049250313e-16::float8)
         / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$mlguard$;

comment on function mlguard.mape_v1(jsonb, text) is
  'Mean of |prediction - label| / max(|label|, 2.2e-16), as in scikit-learn; null without rows to compare.';


create function mlguard.accuracy_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return (_c[1] + _c[4]) / nullif(_c[1] + _c[2] + _c[3] + _c[4], 0);
end
$mlguard$;

comment on function mlguard.accuracy_v1(jsonb, text) is 'Share of right predictions, from [tp, fp, fn, tn].';


create function mlguard.precision_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return _c[1] / nullif(_c[1] + _c[2], 0);
end
$mlguard$;

comment on function mlguard.precision_v1(jsonb, text) is
  'tp / (tp + fp), from [tp, fp, fn, tn]; null without positive predictions.';


create function mlguard.recall_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return _c[1] / nullif(_c[1] + _c[3], 0);
end
$mlguard$;

comment on function mlguard.recall_v1(jsonb, text) is 'tp / (tp + fn), from [tp, fp, fn, tn]; null without positive labels.';


create function mlguard.f1_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return 2 * _c[1] / nullif(2 * _c[1] + _c[2] + _c[3], 0);
end
$mlguard$;

comment on function mlguard.f1_v1(jsonb, text) is
  '2 tp / (2 tp + fp + fn), from [tp, fp, fn, tn]; null where nothing is and nothing is said to be positive.';


create function mlguard.logloss_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states -> p_key ->> 1)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$mlguard$;

comment on function mlguard.logloss_v1(jsonb, text) is 'Mean logarithmic loss, from [n, sum of losses, sum of squares].';


create function mlguard.brier_v1(p_states jsonb, p_key text)
returns double precision
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return (p_states -> p_key ->> 2)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$mlguard$;

comment on function mlguard.brier_v1(jsonb, text) is
  'Mean squared error of probabilities, from [n, sum of losses, sum of squares].';


create function mlguard.auc_v1(p_states jsonb, p_key text)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Mann and Whitney 1947: how often a positive scores above a negative, ties counting half.
  select sum(s.yes * (s.below + s.no / 2)) / nullif(sum(s.yes) * sum(s.no), 0)
  from (
    select (t.value ->> 0)::float8 as no, (t.value ->> 1)::float8 as yes,
           coalesce(sum((t.value ->> 0)::float8) over (
             order by t.key::float8 rows between unbounded preceding and 1 preceding), 0) as below
    from jsonb_each(p_states -> p_key -> 'c') t
  ) s
$mlguard$;

comment on function mlguard.auc_v1(jsonb, text) is
  'Area under the ROC curve, from {score: [negatives, positives]}; null with one class only.';


create function mlguard.calibration_error_v1(p_states jsonb, p_key text)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Naeini, Cooper and Hauskrecht 2015: |mean probability - share of positives| of each bin, weighted by its rows.
  select sum(abs((t.value ->> 1)::float8 - (t.value ->> 2)::float8)) / nullif(sum((t.value ->> 0)::float8), 0)
  from jsonb_each(p_states -> p_key -> 'c') t
$mlguard$;

comment on function mlguard.calibration_error_v1(jsonb, text) is
  'Expected calibration error, from {bin: [n, sum of probabilities, positives]}.';


-- Fairness. Groups of fewer rows than asked are judged as one, and not at all where they are few together.

create function mlguard._fair_groups(p_states jsonb, p_key text, p_least integer)
returns table (name text, n double precision, a double precision, b double precision)
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select g.name, sum(g.n), sum(g.a), sum(g.b)
  from (
    select case
             when t.key = '*' or (t.value ->> 0)::float8 < p_least then 'small groups'
             when t.key = '?' then 'missing'
             else t.key
           end as name,
           (t.value ->> 0)::float8 as n, (t.value ->> 1)::float8 as a, (t.value ->> 2)::float8 as b
    from jsonb_each(p_states -> p_key -> 'c') t
  ) g
  group by g.name
  having sum(g.n) >= greatest(p_least, 1)
$mlguard$;

comment on function mlguard._fair_groups(jsonb, text, integer) is
  'Private. Groups large enough to be compared, the small ones as one; a value has = before it.';


create function mlguard.fair_v1(p_states jsonb, p_metric text, p_key text, p_least integer)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when count(*) < 2 then null
    when p_metric in ('parity_gap', 'equal_opportunity_gap') then max(g.a / g.n) - min(g.a / g.n)
    when p_metric = 'disparate_impact' then min(g.a / g.n) / nullif(max(g.a / g.n), 0)
    when max(g.a) = 0 then null
    when min(g.a) = 0 then 'Infinity'
    else max(g.a / g.n) / nullif(min(g.a / g.n), 0)
  end
  from mlguard._fair_groups(p_states, p_key, p_least) g
$mlguard$;

comment on function mlguard.fair_v1(jsonb, text, text, integer) is
  'parity_gap, disparate_impact, equal_opportunity_gap or error_ratio between groups of at least so many rows; null with '
  'fewer than two.';


create function mlguard.fair_bound_v1(p_states jsonb, p_metric text, p_key text, p_least integer)
returns double precision
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- One-sided limits of confidence at 1 %, over all pairs of groups together (Bonferroni): of a difference of shares
  -- Newcombe 1998, method 10 (Wilson's intervals); of a ratio Katz et al. 1978 (the delta method on its logarithm, half
  -- a case added where there is none).
  with grp as materialized (
    select g.*, row_number() over (order by g.name) as no from mlguard._fair_groups(p_states, p_key, p_least) g
  ), z as materialized (
    select mlguard._normal_tail(0.01::float8 / greatest(count(*) * (count(*) - 1), 1)) as z from grp
  ), wilson as (
    select g.no, g.n, g.a / g.n as p,
           (g.a + z.z ^ 2 / 2) / (g.n + z.z ^ 2) as middle,
           z.z * sqrt(greatest(g.a * (1 - g.a / g.n), 0) + z.z ^ 2 / 4) / (g.n + z.z ^ 2) as half
    from grp g, z
  ), ratio as (
    select g.no, greatest(g.a, case when g.a = 0 then 0.5 else 0 end) / g.n as m,
           case
             when p_metric = 'error_ratio' and g.a > 0
             then greatest(g.b / g.n - (g.a / g.n) ^ 2, 0) / g.n / (g.a / g.n) ^ 2
             else 1 / greatest(g.a, 0.5) - 1 / greatest(g.n, 0.5)
           end as variance
    from grp g
  )
  select case
    when p_metric in ('parity_gap', 'equal_opportunity_gap')
    then (
      select greatest(max(
               h.p - l.p - sqrt((h.p - (h.middle - h.half)) ^ 2 + ((l.middle + l.half) - l.p) ^ 2)), 0)
      from wilson h join wilson l on l.no <> h.no)
    when p_metric = 'disparate_impact'
    then (
      select least(min(exp(ln(l.m / h.m) + z.z * sqrt(greatest(l.variance + h.variance, 0)))), 1)
      from ratio h join ratio l on l.no <> h.no, z)
    else (
      select greatest(max(exp(ln(h.m / l.m) - z.z * sqrt(greatest(l.variance + h.variance, 0)))), 1)
      from ratio h join ratio l on l.no <> h.no, z)
  end
$mlguard$;

comment on function mlguard.fair_bound_v1(jsonb, text, text, integer) is
  'The value nearest to fairness that chance alone leaves possible, at 1 %; null with fewer than two groups.';


create function mlguard.no_score_v1(p_states jsonb, p_metric text, p_key text, p_least integer, p_labelled text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  return case
    when p_metric not in ('parity_gap', 'disparate_impact') and coalesce((p_states ->> p_labelled)::float8, 0) = 0
    then 'no labels'
    when p_metric in ('parity_gap', 'disparate_impact', 'equal_opportunity_gap', 'error_ratio')
    then case
      when (select count(*) from mlguard._fair_groups(p_states, p_key, p_least)) < 2
      then format('fewer than two groups of %s %s', p_least,
                  case p_metric
                    when 'equal_opportunity_gap' then 'positive labels'
                    when 'error_ratio' then 'labelled rows'
                    else 'rows'
                  end)
      when p_metric = 'error_ratio' then 'no errors'
      else 'no positive predictions'
    end
    when p_metric = 'auc' and p_states -> p_key -> 'c' <> '{}' then 'only one class'
    when p_metric = 'precision' and mlguard.accuracy_v1(p_states, p_key) is not null then 'no positive predictions'
    when p_metric = 'recall' and mlguard.accuracy_v1(p_states, p_key) is not null then 'no positive labels'
    when p_metric = 'f1' and mlguard.accuracy_v1(p_states, p_key) is not null
    then 'no positive labels or predictions'
    else 'no prediction that can be compared with its label'
  end;
end
$mlguard$;

comment on function mlguard.no_score_v1(jsonb, text, text, integer, text) is
  'Why a metric of labels or groups has no value, in words.';


-- Windows wait for labels where an SLO is about them.

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
  _late interval := make_interval(secs => mlguard._seconds(p_table.late) + (
    select coalesce(max(mlguard._seconds(s.matures)), 0) from mlguard._slo s where s.id = any (p_slos)));
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

  -- Pairs of predictions and labels that nobody counted come first. Where a writer judges, it leaves counting to sweep().
  perform mlguard._find_unseen(p_tbl);
  if p_most is null then
    perform mlguard._recount_now(_table);
  elsif exists (select from mlguard._recount_due d where d.tbl = p_tbl) then
    return 0;
  end if;
  _n := mlguard._judge_late(_table, p_most);
  for _over in
    select s.over, array_agg(s.id order by s.no) as slos
    from mlguard._window w
    join mlguard._slo s on s.id = w.slo
    where w.tbl = p_tbl and w.due_at <= p_as_of
    group by s.over, s.matures
    order by min(s.no)
  loop
    _n := _n + mlguard._judge_closed(_table, _over.over, _over.slos, p_as_of, p_most);
  end loop;
  return _n;
end
$mlguard$;


revoke all on function
  mlguard._fair_groups, mlguard._find_unseen, mlguard._recount_now, mlguard._sum_arrays, mlguard._sum_tallies,
  mlguard._sums, mlguard.accuracy_v1, mlguard.auc_v1, mlguard.bias_v1, mlguard.brier_v1, mlguard.calibration_error_v1,
  mlguard.f1_v1, mlguard.label_coverage_v1, mlguard.fair_bound_v1, mlguard.fair_v1, mlguard.logloss_v1,
  mlguard.mae_v1, mlguard.mape_v1, mlguard.no_score_v1, mlguard.pair_v1, mlguard.precision_v1, mlguard.recall_v1,
  mlguard.recount_due_v1, mlguard.rmse_v1, mlguard.rounded_score_v1
  from public;
