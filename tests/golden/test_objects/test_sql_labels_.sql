-- function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)
-- why: computes the states of metrics from stored rows
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: none
create or replace function mlguard."recount features.customer"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- States of the stored rows of features.customer with event times from _from up to _to; null, null: of all rows.
begin
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'labelled', count(*) filter (where r.label is not null)) as states
    from (
      select p.*, t."churned" as "label", a."gender"
      from "features"."customer" as p
      left join "labels"."churn" as t on t."customer_id" = p."customer_id"
      left join "crm"."person" as a on a."customer_id" = p."customer_id"
    ) as r
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1
  ), empty as materialized (
    select '{"roc(tenure_days, label)": {"c": {}}, "parity(age > 3, gender)": {"c": {}}}'::jsonb as states
  ), tallied_1 as (
    select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        v.x_1 + 0 as k,
        count(*) filter (where not r."label") as s_1,
        count(*) filter (where r."label") as s_2
      from (
        select p.*, t."churned" as "label", a."gender"
        from "features"."customer" as p
        left join "labels"."churn" as t on t."customer_id" = p."customer_id"
        left join "crm"."person" as a on a."customer_id" = p."customer_id"
      ) as r
      cross join lateral (select
        case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
      ) as v
      where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and abs(v.x_1) < 'Infinity' and r."label" is not null
      group by 1, 2
    ) as t
  ), tally_1 as (
    select t.bucket, 'roc(tenure_days, label)' as key,
      jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
    from (
      select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
      from tallied_1 as t
      group by 1, 2
    ) as t
    group by 1
  ), tallied_2 as (
    select t.bucket, t.k, t.s_1, t.s_2, row_number() over (partition by t.bucket order by t.s_1 desc, t.k) as scores
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        coalesce('=' || left(r."gender", 200), '?') as k,
        count(*) as s_1,
        count(*) filter (where (r."age" > 3)) as s_2
      from (
        select p.*, t."churned" as "label", a."gender"
        from "features"."customer" as p
        left join "labels"."churn" as t on t."customer_id" = p."customer_id"
        left join "crm"."person" as a on a."customer_id" = p."customer_id"
      ) as r
      where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to) and (r."age" > 3) is not null
      group by 1, 2
    ) as t
  ), tally_2 as (
    select t.bucket, 'parity(age > 3, gender)' as key,
      jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) as state
    from (
      select t.bucket, case when t.scores > 1000 then '*' else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
      from tallied_2 as t
      group by 1, 2
    ) as t
    group by 1
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from tally_1
      union all
      select * from tally_2
    ) as u
    group by 1
  )
  select case when isfinite(g.bucket) then g.bucket end, '{}'::jsonb, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
  where g.n > 0;
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'errors(tenure_days, label)', jsonb_build_array(
          count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
          coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
          coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
          coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
          coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
          coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
        'confusion(age > 3, label)', jsonb_build_array(
          count(*) filter (where (r."age" > 3) and r."label"),
          count(*) filter (where (r."age" > 3) and not r."label"),
          count(*) filter (where not (r."age" > 3) and r."label"),
          count(*) filter (where not (r."age" > 3) and not r."label")),
        'labelled', count(*) filter (where r.label is not null)) as states
    from (
      select p.*, t."churned" as "label"
      from "features"."customer" as p
      left join "labels"."churn" as t on t."customer_id" = p."customer_id"
    ) as r
    cross join lateral (select
      case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
    ) as v
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1, 2
  )
  select case when isfinite(g.bucket) then g.bucket end, jsonb_build_object('plan', g.by_1), g.n, g.states
  from groups as g
  where g.n > 0;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) from public;

-- phase: change, locks: none
comment on function mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone) is 'mlguard:features.customer:f37846ab97bd';

-- undo: drop function if exists mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone);

-- function mlguard."verdict features.customer/few"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/few

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/few"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/few: mae(tenure_days, label) <= 1 AND recall(age > 3, label) > 0.5
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _2 double precision;
  _n bigint;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.mae_v1(_s, 'errors(tenure_days, label)');  -- mae(tenure_days, label)
  _2 := mlguard.recall_v1(_s, 'confusion(age > 3, label)');  -- recall(age > 3, label)
  _ok := _1 <= '1'::double precision and _2 > '0.5'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then mlguard.no_score_v1(_s, 'mae', 'errors(tenure_days, label)', 30, 'labelled')
      when _2 is null then mlguard.no_score_v1(_s, 'recall', 'confusion(age > 3, label)', 30, 'labelled')
      else 'no answer'
    end;
  end if;
  _n := coalesce(mlguard.count_v1(_s, 'labelled'), 0)::bigint;
  if _n < 30 then
    _ok := null;
    _reason := format('%s labelled row%s, fewer than 30', _n, case when _n = 1 then '' else 's' end);
  end if;
  return row(array['mae(tenure_days, label)', 'recall(age > 3, label)'],
             array[_1, _2]::double precision[],
             _n, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/few"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/few"(jsonb, jsonb) is 'mlguard:features.customer/few:f475e82f2931';

-- undo: drop function if exists mlguard."verdict features.customer/few"(jsonb, jsonb);

-- function mlguard."verdict features.customer/auc"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/auc

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/auc"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/auc: auc(tenure_days, label) > 0.5
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _n bigint;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.auc_v1(_s, 'roc(tenure_days, label)');  -- auc(tenure_days, label)
  _ok := _1 > '0.5'::double precision;
  if not _ok and _s -> 'roc(tenure_days, label)' ? 'rounded' then
    _reason := 'of scores rounded to three digits';
  end if;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then mlguard.no_score_v1(_s, 'auc', 'roc(tenure_days, label)', 30, 'labelled')
      else 'no answer'
    end;
  end if;
  _n := coalesce(mlguard.count_v1(_s, 'labelled'), 0)::bigint;
  if _n < 30 then
    _ok := null;
    _reason := format('%s labelled row%s, fewer than 30', _n, case when _n = 1 then '' else 's' end);
  end if;
  return row(array['auc(tenure_days, label)'],
             array[_1]::double precision[],
             _n, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/auc"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/auc"(jsonb, jsonb) is 'mlguard:features.customer/auc:00e42c944f20';

-- undo: drop function if exists mlguard."verdict features.customer/auc"(jsonb, jsonb);

-- function mlguard."verdict features.customer/fair"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/fair

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/fair"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/fair: disparate_impact(age > 3, gender) >= 0.8
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.fair_v1(_s, 'disparate_impact', 'parity(age > 3, gender)', 30);  -- disparate_impact(age > 3, gender)
  _ok := _1 >= '0.8'::double precision;
  if not _ok then
    declare
      _least_1 double precision := mlguard.fair_bound_v1(_s, 'disparate_impact', 'parity(age > 3, gender)', 30);
    begin
      if (_least_1 >= '0.8'::double precision) is not false then
        _ok := null;
        _reason := 'within chance';
      end if;
    end;
  end if;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then mlguard.no_score_v1(_s, 'disparate_impact', 'parity(age > 3, gender)', 30, 'labelled')
      else 'no answer'
    end;
  end if;
  return row(array['disparate_impact(age > 3, gender)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/fair"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/fair"(jsonb, jsonb) is 'mlguard:features.customer/fair:6905f28801e3';

-- undo: drop function if exists mlguard."verdict features.customer/fair"(jsonb, jsonb);

-- function mlguard."verdict features.customer/came"(jsonb, jsonb)
-- why: judges the merged states of a batch or window
-- for: features.customer/came

-- phase: change, locks: none
create or replace function mlguard."verdict features.customer/came"(_s jsonb, _c jsonb)
returns mlguard.found_v1
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer/came: label_coverage() > 0.9
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.label_coverage_v1(_s, 'labelled', 'n');  -- label_coverage()
  _ok := _1 > '0.9'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['label_coverage()'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."verdict features.customer/came"(jsonb, jsonb) from public;

-- phase: change, locks: none
comment on function mlguard."verdict features.customer/came"(jsonb, jsonb) is 'mlguard:features.customer/came:f805d000362f';

-- undo: drop function if exists mlguard."verdict features.customer/came"(jsonb, jsonb);

-- function mlguard."after rows features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: none
create or replace function mlguard."after rows features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _n bigint;
  _pairing pg_snapshot;
begin
  _pairing := pg_current_snapshot();
  if exists (select from new_rows offset 1000) then  -- a plan of its own for large statements
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        count(*) as n,
        jsonb_build_object(
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from new_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      group by 1
    ), empty as materialized (
      select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
    ), tallied_1 as (
      select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
      from (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          v.x_1 + 0 as k,
          count(*) filter (where not r."label") as s_1,
          count(*) filter (where r."label") as s_2
        from (
          select p.*, t."churned" as "label"
          from new_rows as p
          join "labels"."churn" as t on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        where abs(v.x_1) < 'Infinity' and r."label" is not null
        group by 1, 2
      ) as t
    ), tally_1 as (
      select t.bucket, 'roc(tenure_days, label)' as key,
        jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
      from (
        select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
        from tallied_1 as t
        group by 1, 2
      ) as t
      group by 1
    ), more as (
      select u.bucket, jsonb_object_agg(u.key, u.state) as states
      from (
        select * from tally_1
      ) as u
      group by 1
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      '{}'::jsonb,
      1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0;
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        r."plan" as by_1,
        count(*) as n,
        jsonb_build_object(
          'errors(tenure_days, label)', jsonb_build_array(
            count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
          'confusion(age > 3, label)', jsonb_build_array(
            count(*) filter (where (r."age" > 3) and r."label"),
            count(*) filter (where (r."age" > 3) and not r."label"),
            count(*) filter (where not (r."age" > 3) and r."label"),
            count(*) filter (where not (r."age" > 3) and not r."label")),
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from new_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      cross join lateral (select
        case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
      ) as v
      group by 1, 2
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      jsonb_build_object('plan', g.by_1),
      1, 'LABELS', 0, g.states
    from groups as g
    where g.n > 0;
  else
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        count(*) as n,
        jsonb_build_object(
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from new_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      group by 1
    ), empty as materialized (
      select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
    ), tallied_1 as (
      select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
      from (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          v.x_1 + 0 as k,
          count(*) filter (where not r."label") as s_1,
          count(*) filter (where r."label") as s_2
        from (
          select p.*, t."churned" as "label"
          from new_rows as p
          join "labels"."churn" as t on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        where abs(v.x_1) < 'Infinity' and r."label" is not null
        group by 1, 2
      ) as t
    ), tally_1 as (
      select t.bucket, 'roc(tenure_days, label)' as key,
        jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
      from (
        select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
        from tallied_1 as t
        group by 1, 2
      ) as t
      group by 1
    ), more as (
      select u.bucket, jsonb_object_agg(u.key, u.state) as states
      from (
        select * from tally_1
      ) as u
      group by 1
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      '{}'::jsonb,
      1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0;
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        r."plan" as by_1,
        count(*) as n,
        jsonb_build_object(
          'errors(tenure_days, label)', jsonb_build_array(
            count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
          'confusion(age > 3, label)', jsonb_build_array(
            count(*) filter (where (r."age" > 3) and r."label"),
            count(*) filter (where (r."age" > 3) and not r."label"),
            count(*) filter (where not (r."age" > 3) and r."label"),
            count(*) filter (where not (r."age" > 3) and not r."label")),
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from new_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      cross join lateral (select
        case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
      ) as v
      group by 1, 2
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      jsonb_build_object('plan', g.by_1),
      1, 'LABELS', 0, g.states
    from groups as g
    where g.n > 0;
  end if;
  perform mlguard.pair_v1('features.customer', 'predictions', _pairing, case when isfinite(s.low) then s.low end, case when isfinite(s.high) then s.high end)
  from (
    select min(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00')) as low, max(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00')) as high from new_rows as r
  ) as s
  where s.low is not null;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from (
      select p.*, a."gender"
      from new_rows as p
      left join lateral (select a.* from "crm"."person" as a where a."customer_id" = p."customer_id" limit 1) as a on true
    ) as r
    group by 1
  ), empty as materialized (
    select '{"parity(age > 3, gender)": {"c": {}}}'::jsonb as states
  ), tallied_1 as (
    select t.bucket, t.k, t.s_1, t.s_2, row_number() over (partition by t.bucket order by t.s_1 desc, t.k) as scores
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        coalesce('=' || left(r."gender", 200), '?') as k,
        count(*) as s_1,
        count(*) filter (where (r."age" > 3)) as s_2
      from (
        select p.*, a."gender"
        from new_rows as p
        left join lateral (select a.* from "crm"."person" as a where a."customer_id" = p."customer_id" limit 1) as a on true
      ) as r
      where (r."age" > 3) is not null
      group by 1, 2
    ) as t
  ), tally_1 as (
    select t.bucket, 'parity(age > 3, gender)' as key,
      jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) as state
    from (
      select t.bucket, case when t.scores > 1000 then '*' else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
      from tallied_1 as t
      group by 1, 2
    ) as t
    group by 1
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from tally_1
    ) as u
    group by 1
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
      '{}'::jsonb,
      1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0
  )
  select
    coalesce(sum(g.n), 0)
    into
    _n
    from groups as g;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from new_rows as r
    group by 1, 2
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
    jsonb_build_object('plan', g.by_1),
    1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  if _n >= 1000 then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after rows features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:b9ef24a3daa2';

-- undo: drop function if exists mlguard."after rows features.customer"();

-- function mlguard."after removal features.customer"()
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: none
create or replace function mlguard."after removal features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _pairing pg_snapshot;
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.truncated_v1('features.customer');
    return null;
  end if;
  _pairing := pg_current_snapshot();
  if exists (select from old_rows offset 1000) then  -- a plan of its own for large statements
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        count(*) as n,
        jsonb_build_object(
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from old_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      group by 1
    ), empty as materialized (
      select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
    ), tallied_1 as (
      select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
      from (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          v.x_1 + 0 as k,
          count(*) filter (where not r."label") as s_1,
          count(*) filter (where r."label") as s_2
        from (
          select p.*, t."churned" as "label"
          from old_rows as p
          join "labels"."churn" as t on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        where abs(v.x_1) < 'Infinity' and r."label" is not null
        group by 1, 2
      ) as t
    ), tally_1 as (
      select t.bucket, 'roc(tenure_days, label)' as key,
        jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
      from (
        select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
        from tallied_1 as t
        group by 1, 2
      ) as t
      group by 1
    ), more as (
      select u.bucket, jsonb_object_agg(u.key, u.state) as states
      from (
        select * from tally_1
      ) as u
      group by 1
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      '{}'::jsonb,
      -1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0;
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        r."plan" as by_1,
        count(*) as n,
        jsonb_build_object(
          'errors(tenure_days, label)', jsonb_build_array(
            count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
          'confusion(age > 3, label)', jsonb_build_array(
            count(*) filter (where (r."age" > 3) and r."label"),
            count(*) filter (where (r."age" > 3) and not r."label"),
            count(*) filter (where not (r."age" > 3) and r."label"),
            count(*) filter (where not (r."age" > 3) and not r."label")),
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from old_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      cross join lateral (select
        case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
      ) as v
      group by 1, 2
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      jsonb_build_object('plan', g.by_1),
      -1, 'LABELS', 0, g.states
    from groups as g
    where g.n > 0;
  else
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        count(*) as n,
        jsonb_build_object(
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from old_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      group by 1
    ), empty as materialized (
      select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
    ), tallied_1 as (
      select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
      from (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          v.x_1 + 0 as k,
          count(*) filter (where not r."label") as s_1,
          count(*) filter (where r."label") as s_2
        from (
          select p.*, t."churned" as "label"
          from old_rows as p
          join "labels"."churn" as t on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        where abs(v.x_1) < 'Infinity' and r."label" is not null
        group by 1, 2
      ) as t
    ), tally_1 as (
      select t.bucket, 'roc(tenure_days, label)' as key,
        jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
      from (
        select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
        from tallied_1 as t
        group by 1, 2
      ) as t
      group by 1
    ), more as (
      select u.bucket, jsonb_object_agg(u.key, u.state) as states
      from (
        select * from tally_1
      ) as u
      group by 1
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      '{}'::jsonb,
      -1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
    from groups as g
    left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
    where g.n > 0;
    with groups as (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        r."plan" as by_1,
        count(*) as n,
        jsonb_build_object(
          'errors(tenure_days, label)', jsonb_build_array(
            count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
            coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
          'confusion(age > 3, label)', jsonb_build_array(
            count(*) filter (where (r."age" > 3) and r."label"),
            count(*) filter (where (r."age" > 3) and not r."label"),
            count(*) filter (where not (r."age" > 3) and r."label"),
            count(*) filter (where not (r."age" > 3) and not r."label")),
          'labelled', count(*) filter (where r.label is not null)) as states
      from (
        select p.*, t."churned" as "label"
        from old_rows as p
        join "labels"."churn" as t on t."customer_id" = p."customer_id"
      ) as r
      cross join lateral (select
        case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
      ) as v
      group by 1, 2
    )
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', null,
      case when isfinite(g.bucket) then g.bucket end,
      jsonb_build_object('plan', g.by_1),
      -1, 'LABELS', 0, g.states
    from groups as g
    where g.n > 0;
  end if;
  perform mlguard.pair_v1('features.customer', 'predictions', _pairing, case when isfinite(s.low) then s.low end, case when isfinite(s.high) then s.high end)
  from (
    select min(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00')) as low, max(date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00')) as high from old_rows as r
  ) as s
  where s.low is not null;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from (
      select p.*, a."gender"
      from old_rows as p
      left join lateral (select a.* from "crm"."person" as a where a."customer_id" = p."customer_id" limit 1) as a on true
    ) as r
    group by 1
  ), empty as materialized (
    select '{"parity(age > 3, gender)": {"c": {}}}'::jsonb as states
  ), tallied_1 as (
    select t.bucket, t.k, t.s_1, t.s_2, row_number() over (partition by t.bucket order by t.s_1 desc, t.k) as scores
    from (
      select
        date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
        coalesce('=' || left(r."gender", 200), '?') as k,
        count(*) as s_1,
        count(*) filter (where (r."age" > 3)) as s_2
      from (
        select p.*, a."gender"
        from old_rows as p
        left join lateral (select a.* from "crm"."person" as a where a."customer_id" = p."customer_id" limit 1) as a on true
      ) as r
      where (r."age" > 3) is not null
      group by 1, 2
    ) as t
  ), tally_1 as (
    select t.bucket, 'parity(age > 3, gender)' as key,
      jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) as state
    from (
      select t.bucket, case when t.scores > 1000 then '*' else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
      from tallied_1 as t
      group by 1, 2
    ) as t
    group by 1
  ), more as (
    select u.bucket, jsonb_object_agg(u.key, u.state) as states
    from (
      select * from tally_1
    ) as u
    group by 1
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    case when isfinite(g.bucket) then g.bucket end,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
  from groups as g
  left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
  where g.n > 0;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      r."plan" as by_1,
      count(*) as n,
      jsonb_build_object(
        'n', count(*)) as states
    from old_rows as r
    group by 1, 2
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', null,
    case when isfinite(g.bucket) then g.bucket end,
    jsonb_build_object('plan', g.by_1),
    -1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:1727039f5b72';

-- undo: drop function if exists mlguard."after removal features.customer"();

-- function mlguard."after labels features.customer"()
-- why: counts labels with the predictions they belong to
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: none
create or replace function mlguard."after labels features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- labels.churn, once a statement: counts labels with the predictions they belong to, features.customer.
#variable_conflict use_variable
declare
  _pairing pg_snapshot;
begin
  _pairing := pg_current_snapshot();
  if TG_OP = 'TRUNCATE' then
    perform mlguard.recount_due_v1('features.customer', null, null);
  end if;
  if TG_OP in ('UPDATE', 'DELETE') then
    if exists (select from old_rows offset 1000) then  -- a plan of its own for large statements
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          count(*) as n,
          jsonb_build_object(
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from old_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        group by 1
      ), empty as materialized (
        select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
      ), tallied_1 as (
        select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
        from (
          select
            date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
            v.x_1 + 0 as k,
            count(*) filter (where not r."label") as s_1,
            count(*) filter (where r."label") as s_2
          from (
            select p.*, t."churned" as "label"
            from old_rows as t
            join "features"."customer" as p on t."customer_id" = p."customer_id"
          ) as r
          cross join lateral (select
            case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
          ) as v
          where abs(v.x_1) < 'Infinity' and r."label" is not null
          group by 1, 2
        ) as t
      ), tally_1 as (
        select t.bucket, 'roc(tenure_days, label)' as key,
          jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
        from (
          select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
          from tallied_1 as t
          group by 1, 2
        ) as t
        group by 1
      ), more as (
        select u.bucket, jsonb_object_agg(u.key, u.state) as states
        from (
          select * from tally_1
        ) as u
        group by 1
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        '{}'::jsonb,
        -1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
      from groups as g
      left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
      where g.n > 0;
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          r."plan" as by_1,
          count(*) as n,
          jsonb_build_object(
            'errors(tenure_days, label)', jsonb_build_array(
              count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
            'confusion(age > 3, label)', jsonb_build_array(
              count(*) filter (where (r."age" > 3) and r."label"),
              count(*) filter (where (r."age" > 3) and not r."label"),
              count(*) filter (where not (r."age" > 3) and r."label"),
              count(*) filter (where not (r."age" > 3) and not r."label")),
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from old_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        group by 1, 2
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        jsonb_build_object('plan', g.by_1),
        -1, 'LABELS', 0, g.states
      from groups as g
      where g.n > 0;
    else
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          count(*) as n,
          jsonb_build_object(
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from old_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        group by 1
      ), empty as materialized (
        select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
      ), tallied_1 as (
        select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
        from (
          select
            date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
            v.x_1 + 0 as k,
            count(*) filter (where not r."label") as s_1,
            count(*) filter (where r."label") as s_2
          from (
            select p.*, t."churned" as "label"
            from old_rows as t
            join "features"."customer" as p on t."customer_id" = p."customer_id"
          ) as r
          cross join lateral (select
            case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
          ) as v
          where abs(v.x_1) < 'Infinity' and r."label" is not null
          group by 1, 2
        ) as t
      ), tally_1 as (
        select t.bucket, 'roc(tenure_days, label)' as key,
          jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
        from (
          select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
          from tallied_1 as t
          group by 1, 2
        ) as t
        group by 1
      ), more as (
        select u.bucket, jsonb_object_agg(u.key, u.state) as states
        from (
          select * from tally_1
        ) as u
        group by 1
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        '{}'::jsonb,
        -1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
      from groups as g
      left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
      where g.n > 0;
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          r."plan" as by_1,
          count(*) as n,
          jsonb_build_object(
            'errors(tenure_days, label)', jsonb_build_array(
              count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
            'confusion(age > 3, label)', jsonb_build_array(
              count(*) filter (where (r."age" > 3) and r."label"),
              count(*) filter (where (r."age" > 3) and not r."label"),
              count(*) filter (where not (r."age" > 3) and r."label"),
              count(*) filter (where not (r."age" > 3) and not r."label")),
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from old_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        group by 1, 2
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        jsonb_build_object('plan', g.by_1),
        -1, 'LABELS', 0, g.states
      from groups as g
      where g.n > 0;
    end if;
  end if;
  if TG_OP in ('INSERT', 'UPDATE') then
    if exists (select from new_rows offset 1000) then  -- a plan of its own for large statements
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          count(*) as n,
          jsonb_build_object(
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from new_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        group by 1
      ), empty as materialized (
        select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
      ), tallied_1 as (
        select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
        from (
          select
            date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
            v.x_1 + 0 as k,
            count(*) filter (where not r."label") as s_1,
            count(*) filter (where r."label") as s_2
          from (
            select p.*, t."churned" as "label"
            from new_rows as t
            join "features"."customer" as p on t."customer_id" = p."customer_id"
          ) as r
          cross join lateral (select
            case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
          ) as v
          where abs(v.x_1) < 'Infinity' and r."label" is not null
          group by 1, 2
        ) as t
      ), tally_1 as (
        select t.bucket, 'roc(tenure_days, label)' as key,
          jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
        from (
          select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
          from tallied_1 as t
          group by 1, 2
        ) as t
        group by 1
      ), more as (
        select u.bucket, jsonb_object_agg(u.key, u.state) as states
        from (
          select * from tally_1
        ) as u
        group by 1
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        '{}'::jsonb,
        1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
      from groups as g
      left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
      where g.n > 0;
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          r."plan" as by_1,
          count(*) as n,
          jsonb_build_object(
            'errors(tenure_days, label)', jsonb_build_array(
              count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
            'confusion(age > 3, label)', jsonb_build_array(
              count(*) filter (where (r."age" > 3) and r."label"),
              count(*) filter (where (r."age" > 3) and not r."label"),
              count(*) filter (where not (r."age" > 3) and r."label"),
              count(*) filter (where not (r."age" > 3) and not r."label")),
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from new_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        group by 1, 2
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        jsonb_build_object('plan', g.by_1),
        1, 'LABELS', 0, g.states
      from groups as g
      where g.n > 0;
    else
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          count(*) as n,
          jsonb_build_object(
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from new_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        group by 1
      ), empty as materialized (
        select '{"roc(tenure_days, label)": {"c": {}}}'::jsonb as states
      ), tallied_1 as (
        select t.bucket, t.k, t.s_1, t.s_2, count(*) over (partition by t.bucket) as scores
        from (
          select
            date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
            v.x_1 + 0 as k,
            count(*) filter (where not r."label") as s_1,
            count(*) filter (where r."label") as s_2
          from (
            select p.*, t."churned" as "label"
            from new_rows as t
            join "features"."customer" as p on t."customer_id" = p."customer_id"
          ) as r
          cross join lateral (select
            case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
          ) as v
          where abs(v.x_1) < 'Infinity' and r."label" is not null
          group by 1, 2
        ) as t
      ), tally_1 as (
        select t.bucket, 'roc(tenure_days, label)' as key,
          jsonb_build_object('c', jsonb_object_agg(t.k, jsonb_build_array(t.s_1, t.s_2))) || case when max(t.scores) > 10000 then '{"rounded": true}'::jsonb else '{}' end as state
        from (
          select t.bucket, case when t.scores > 10000 then mlguard.rounded_score_v1(t.k) else t.k end as k, sum(t.s_1) as s_1, sum(t.s_2) as s_2, max(t.scores) as scores
          from tallied_1 as t
          group by 1, 2
        ) as t
        group by 1
      ), more as (
        select u.bucket, jsonb_object_agg(u.key, u.state) as states
        from (
          select * from tally_1
        ) as u
        group by 1
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        '{}'::jsonb,
        1, 'LABELS', 0, g.states || (select empty.states from empty) || coalesce(m.states, '{}')
      from groups as g
      left join more as m on coalesce(m.bucket, '-infinity') = coalesce(g.bucket, '-infinity')
      where g.n > 0;
      with groups as (
        select
          date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
          r."plan" as by_1,
          count(*) as n,
          jsonb_build_object(
            'errors(tenure_days, label)', jsonb_build_array(
              count(*) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision) * (v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum((v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision) / abs(r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) >= 2.220446049250313e-16), 0),
              coalesce(sum(abs(v.x_1 - r."label"::integer::double precision)) filter (where abs(v.x_1) < 'Infinity' and r."label"::integer::double precision is not null and abs(r."label"::integer::double precision) < 2.220446049250313e-16), 0)),
            'confusion(age > 3, label)', jsonb_build_array(
              count(*) filter (where (r."age" > 3) and r."label"),
              count(*) filter (where (r."age" > 3) and not r."label"),
              count(*) filter (where not (r."age" > 3) and r."label"),
              count(*) filter (where not (r."age" > 3) and not r."label")),
            'labelled', count(*) filter (where r.label is not null)) as states
        from (
          select p.*, t."churned" as "label"
          from new_rows as t
          join "features"."customer" as p on t."customer_id" = p."customer_id"
        ) as r
        cross join lateral (select
          case when abs(r."tenure_days") <= 1e140 then r."tenure_days" when r."tenure_days" < 'NaN' then sign(r."tenure_days")::double precision * 'Infinity' end as x_1
        ) as v
        group by 1, 2
      )
      insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
      select
        'features.customer', null,
        case when isfinite(g.bucket) then g.bucket end,
        jsonb_build_object('plan', g.by_1),
        1, 'LABELS', 0, g.states
      from groups as g
      where g.n > 0;
    end if;
  end if;
  perform mlguard.pair_v1('features.customer', 'labels', _pairing, null, null);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after labels features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after labels features.customer"() is 'mlguard:features.customer:1756564029eb';

-- undo: drop function if exists mlguard."after labels features.customer"();

-- function mlguard."after attributes features.customer"()
-- why: has predictions counted anew whose attributes changed
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: none
create or replace function mlguard."after attributes features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set extra_float_digits = 1
as $mlguard$
-- crm.person, once a statement: has predictions counted anew whose attributes changed, features.customer.
#variable_conflict use_variable
declare
  _pairing pg_snapshot;
begin
  _pairing := pg_current_snapshot();
  if TG_OP = 'TRUNCATE' then
    perform mlguard.recount_due_v1('features.customer', null, null);
  elsif TG_OP = 'INSERT' then
    perform mlguard.recount_due_v1('features.customer', case when isfinite(s.bucket) then s.bucket end, case when isfinite(s.bucket) then s.bucket end)
    from (
      select distinct date_bin(interval '1 day', p."event_ts", timestamptz '2001-01-01 00:00+00') as bucket
      from (
        select "customer_id" from new_rows
      ) as a
      join "features"."customer" as p on a."customer_id" = p."customer_id"
    ) as s
    where s.bucket is not null;
  elsif TG_OP = 'DELETE' then
    perform mlguard.recount_due_v1('features.customer', case when isfinite(s.bucket) then s.bucket end, case when isfinite(s.bucket) then s.bucket end)
    from (
      select distinct date_bin(interval '1 day', p."event_ts", timestamptz '2001-01-01 00:00+00') as bucket
      from (
        select "customer_id" from old_rows
      ) as a
      join "features"."customer" as p on a."customer_id" = p."customer_id"
    ) as s
    where s.bucket is not null;
  else
    perform mlguard.recount_due_v1('features.customer', case when isfinite(s.bucket) then s.bucket end, case when isfinite(s.bucket) then s.bucket end)
    from (
      select distinct date_bin(interval '1 day', p."event_ts", timestamptz '2001-01-01 00:00+00') as bucket
      from (
        select "customer_id" from (select "customer_id", "gender"::text from old_rows except all select "customer_id", "gender"::text from new_rows) as o
        union
        select "customer_id" from (select "customer_id", "gender"::text from new_rows except all select "customer_id", "gender"::text from old_rows) as n
      ) as a
      join "features"."customer" as p on a."customer_id" = p."customer_id"
    ) as s
    where s.bucket is not null;
  end if;
  perform mlguard.pair_v1('features.customer', 'attributes', _pairing, null, null);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after attributes features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after attributes features.customer"() is 'mlguard:features.customer:1537adf76180';

-- undo: drop function if exists mlguard."after attributes features.customer"();

-- function mlguard."before predictions of features.customer"()
-- why: tells predictions from later changes of their rows
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."before predictions of features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement, before its first row: the gates of what m reads.
begin
  perform set_config('mlguard.predicting_fc531f492982', 'o{}', true);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before predictions of features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before predictions of features.customer"() is 'mlguard:features.customer:3e15f5b1aff5';

-- undo: drop function if exists mlguard."before predictions of features.customer"();

-- function mlguard."predicted features.customer"()
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."predicted features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- features.customer, once a statement: which versions of m wrote how many rows.
#variable_conflict use_variable
declare
  _inputs text := coalesce(current_setting('mlguard.predicting_fc531f492982', true), '');
  _one text;
  _other text;
  _n bigint;
  _first timestamptz;
  _last timestamptz;
begin
  if TG_OP = 'INSERT' then
    perform set_config('mlguard.predicting_fc531f492982', '', true);
  elsif _inputs = '' then  -- no INSERT belongs to this UPDATE
    return null;
  end if;
  if _inputs = '' then
    _inputs := 'o{}';
  end if;
  select min('' collate "C"),
    max('' collate "C"),
    count(*),
    min((r."event_ts")),
    max((r."event_ts"))
    into _one, _other, _n, _first, _last
    from new_rows as r;
  if _one = _other then  -- a statement is mostly of one version; where it wrote no row, both are null
    insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
    select 'features.customer', 'm', _one, _n, _first, _last,
      substr(_inputs, 2)::jsonb, false;
  elsif _n > 0 then
    with used as (
      select '' as version,
        count(*) as n,
        min((r."event_ts")) as first_event,
        max((r."event_ts")) as last_event
      from new_rows as r
      group by 1
    )
    insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)
    select 'features.customer', 'm', u.version, u.n, u.first_event, u.last_event,
      substr(_inputs, 2)::jsonb, false
    from used as u;
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."predicted features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."predicted features.customer"() is 'mlguard:features.customer:0257bd087bb6';

-- undo: drop function if exists mlguard."predicted features.customer"();

-- function "features"."customer_training"(bigint)
-- why: what a training run with a ticket reads: predictions, features as of them, labels that came after them
-- for: features.customer

-- phase: change, locks: none
create or replace function "features"."customer_training"(p_ticket bigint)
returns table (
  "customer_id" bigint,
  "age" integer,
  "plan" text,
  "tenure_days" double precision,
  "email" text,
  "payload" jsonb,
  "event_ts" timestamp with time zone,
  "label" boolean
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Rows of features.customer that a training run of m may read:
-- feature time <= prediction time <= label time.
#variable_conflict use_variable
declare
  _t record;
begin
  -- Raises ML002 without a ticket, and where an input went bad since it was given.
  select t.* into _t from mlguard.ticket_v1('m', p_ticket) as t;
  return query
  select
    p."customer_id",
    p."age",
    p."plan",
    p."tenure_days",
    p."email",
    p."payload",
    p."event_ts",
    (t."churned")
  from "features"."customer" as p
  join "labels"."churn" as t on t."customer_id" = p."customer_id"
  where (p."event_ts") >= _t.from_at
    and (p."event_ts") < _t.to_at
    and (p."event_ts") <= _t.given_at
    and (t."churned") is not null
    and (p."event_ts") <= _t.given_at - interval '7 days';
end
$mlguard$;

-- phase: change, locks: none
revoke all on function "features"."customer_training"(bigint) from public;

-- phase: change, locks: none
do $mlguard$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mlguard_task') then
    grant execute on function "features"."customer_training"(bigint) to "mlguard_task";
  end if;
end
$mlguard$;

-- phase: change, locks: none
comment on function "features"."customer_training"(bigint) is 'mlguard:features.customer:9ee1c45e2ec6';

-- undo: drop function if exists "features"."customer_training"(bigint);

-- trigger zz_mlguard_after_rows_insert
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_insert on "features"."customer" is 'mlguard:features.customer:2c20cab8c069';

-- undo: drop trigger if exists zz_mlguard_after_rows_insert on "features"."customer";

-- trigger zz_mlguard_after_rows_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_rows_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."after rows features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_rows_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_rows_update on "features"."customer" is 'mlguard:features.customer:85d2ca7fade4';

-- undo: drop trigger if exists zz_mlguard_after_rows_update on "features"."customer";

-- trigger zz_mlguard_after_removal_update
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_update
after update on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_update on "features"."customer" is 'mlguard:features.customer:5690e9c2f675';

-- undo: drop trigger if exists zz_mlguard_after_removal_update on "features"."customer";

-- trigger zz_mlguard_after_removal_delete
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_delete on "features"."customer" is 'mlguard:features.customer:f4698b3df172';

-- undo: drop trigger if exists zz_mlguard_after_removal_delete on "features"."customer";

-- trigger zz_mlguard_after_removal_truncate
-- why: judges all rows of a statement in one pass
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_removal_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_after_removal_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_removal_truncate on "features"."customer" is 'mlguard:features.customer:07c263f33cf3';

-- undo: drop trigger if exists zz_mlguard_after_removal_truncate on "features"."customer";

-- trigger zz_mlguard_after_labels_fc531f49_insert on labels.churn
-- why: counts labels with the predictions they belong to
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_labels_fc531f49_insert
after insert on "labels"."churn"
referencing new table as new_rows
for each statement
execute function mlguard."after labels features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "labels"."churn" enable always trigger zz_mlguard_after_labels_fc531f49_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_labels_fc531f49_insert on "labels"."churn" is 'mlguard:features.customer:d7a7a5911087';

-- undo: drop trigger if exists zz_mlguard_after_labels_fc531f49_insert on "labels"."churn";

-- trigger zz_mlguard_after_labels_fc531f49_update on labels.churn
-- why: counts labels with the predictions they belong to
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_labels_fc531f49_update
after update on "labels"."churn"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after labels features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "labels"."churn" enable always trigger zz_mlguard_after_labels_fc531f49_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_labels_fc531f49_update on "labels"."churn" is 'mlguard:features.customer:d4685bc679f0';

-- undo: drop trigger if exists zz_mlguard_after_labels_fc531f49_update on "labels"."churn";

-- trigger zz_mlguard_after_labels_fc531f49_delete on labels.churn
-- why: counts labels with the predictions they belong to
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_labels_fc531f49_delete
after delete on "labels"."churn"
referencing old table as old_rows
for each statement
execute function mlguard."after labels features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "labels"."churn" enable always trigger zz_mlguard_after_labels_fc531f49_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_labels_fc531f49_delete on "labels"."churn" is 'mlguard:features.customer:2af2d738cde3';

-- undo: drop trigger if exists zz_mlguard_after_labels_fc531f49_delete on "labels"."churn";

-- trigger zz_mlguard_after_labels_fc531f49_truncate on labels.churn
-- why: counts labels with the predictions they belong to
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_labels_fc531f49_truncate
after truncate on "labels"."churn"
for each statement
execute function mlguard."after labels features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "labels"."churn" enable always trigger zz_mlguard_after_labels_fc531f49_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_labels_fc531f49_truncate on "labels"."churn" is 'mlguard:features.customer:6e5220beb663';

-- undo: drop trigger if exists zz_mlguard_after_labels_fc531f49_truncate on "labels"."churn";

-- trigger zz_mlguard_after_attributes_fc531f49_insert on crm.person
-- why: has predictions counted anew whose attributes changed
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_attributes_fc531f49_insert
after insert on "crm"."person"
referencing new table as new_rows
for each statement
execute function mlguard."after attributes features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "crm"."person" enable always trigger zz_mlguard_after_attributes_fc531f49_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_attributes_fc531f49_insert on "crm"."person" is 'mlguard:features.customer:ce05cf64fc81';

-- undo: drop trigger if exists zz_mlguard_after_attributes_fc531f49_insert on "crm"."person";

-- trigger zz_mlguard_after_attributes_fc531f49_update on crm.person
-- why: has predictions counted anew whose attributes changed
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_attributes_fc531f49_update
after update on "crm"."person"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after attributes features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "crm"."person" enable always trigger zz_mlguard_after_attributes_fc531f49_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_attributes_fc531f49_update on "crm"."person" is 'mlguard:features.customer:0060ced762ea';

-- undo: drop trigger if exists zz_mlguard_after_attributes_fc531f49_update on "crm"."person";

-- trigger zz_mlguard_after_attributes_fc531f49_delete on crm.person
-- why: has predictions counted anew whose attributes changed
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_attributes_fc531f49_delete
after delete on "crm"."person"
referencing old table as old_rows
for each statement
execute function mlguard."after attributes features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "crm"."person" enable always trigger zz_mlguard_after_attributes_fc531f49_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_attributes_fc531f49_delete on "crm"."person" is 'mlguard:features.customer:6face4ac810d';

-- undo: drop trigger if exists zz_mlguard_after_attributes_fc531f49_delete on "crm"."person";

-- trigger zz_mlguard_after_attributes_fc531f49_truncate on crm.person
-- why: has predictions counted anew whose attributes changed
-- for: features.customer/few, features.customer/auc, features.customer/fair, features.customer/came

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_after_attributes_fc531f49_truncate
after truncate on "crm"."person"
for each statement
execute function mlguard."after attributes features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "crm"."person" enable always trigger zz_mlguard_after_attributes_fc531f49_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_after_attributes_fc531f49_truncate on "crm"."person" is 'mlguard:features.customer:ab2c3ccfcfe4';

-- undo: drop trigger if exists zz_mlguard_after_attributes_fc531f49_truncate on "crm"."person";

-- trigger zz_mlguard_predicting
-- why: tells predictions from later changes of their rows
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicting
before insert on "features"."customer"
for each statement
execute function mlguard."before predictions of features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicting;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicting on "features"."customer" is 'mlguard:features.customer:873f3f8f01ec';

-- undo: drop trigger if exists zz_mlguard_predicting on "features"."customer";

-- trigger zz_mlguard_predicted_insert
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicted_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."predicted features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicted_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicted_insert on "features"."customer" is 'mlguard:features.customer:5a25451af8a0';

-- undo: drop trigger if exists zz_mlguard_predicted_insert on "features"."customer";

-- trigger zz_mlguard_predicted_update
-- why: says which version of the model wrote how much, and on which inputs
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_predicted_update
after update on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."predicted features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_predicted_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_predicted_update on "features"."customer" is 'mlguard:features.customer:765a24acbc5a';

-- undo: drop trigger if exists zz_mlguard_predicted_update on "features"."customer";
