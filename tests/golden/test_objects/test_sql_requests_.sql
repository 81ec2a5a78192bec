-- refusal counters post-prediction steps
-- why: numbers the versions of the steps
-- for: features.customer

-- phase: change, locks: none
select mlguard.post_set_v1('features.customer', 'fcaa1982ab7e', '[{"name": "shares", "kind": "normalise", "on_error": "quarantine", "by": ["plan"], "order": "tenure_days"}, {"name": "once", "kind": "dedupe", "when": "age > 3", "on_error": "quarantine", "by": ["plan", "age"], "order": "tenure_days"}, {"name": "best", "kind": "top_k", "on_error": "quarantine", "by": ["plan"], "order": "tenure_days", "k": 10}]');

-- undo: select mlguard.post_set_ended_v1('features.customer', 'fcaa1982ab7e');

-- refusal counters memory of statement
-- why: tells what this statement did from what another one did
-- for: features.customer

-- phase: change, locks: none
create sequence if not exists mlguard."statement of features.customer";

-- phase: change, locks: none
comment on sequence mlguard."statement of features.customer" is 'mlguard:features.customer:b91d14a2e590';

-- undo: drop sequence if exists mlguard."statement of features.customer";

-- refusal counters memory of lines
-- why: tells what this statement did from what another one did
-- for: features.customer

-- phase: change, locks: none
create sequence if not exists mlguard."lines of features.customer";

-- phase: change, locks: none
comment on sequence mlguard."lines of features.customer" is 'mlguard:features.customer:187d2a78aa49';

-- undo: drop sequence if exists mlguard."lines of features.customer";

-- function mlguard."broken row features.customer"(record, record, text)
-- why: decides what happens to a row
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."broken row features.customer"(new record, old record, tg_op text)
returns record
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
as $mlguard$
-- Steps and row rules of features.customer, called for the rows that one of them acts on:
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
  _arrived record;
  _lines jsonb := '[]';
  _was jsonb;
  _before record;
  _first bigint;
  _fresh_1 boolean := true;
  _note jsonb;
  _taken text[] := '{}';
begin
  _arrived := NEW;
  <<steps>>
  begin
    if tg_op = 'UPDATE' then
      _note := mlguard.unsealed_v1(current_setting('mlguard.post_memo_fc531f492982', true));
      if (_note ->> 'statement')::bigint <> pg_catalog.currval('mlguard."statement of features.customer"'::pg_catalog.regclass) then
        _note := null;
      end if;
      NEW."raw_days" := OLD."raw_days";
      _fresh_1 := NEW."tenure_days" is distinct from OLD."tenure_days";
      if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1('features.customer') then
        _fresh_1 := false;
        exit steps;  -- a person's values
      end if;
      if _note ->> 'op' = 'INSERT' and ((_note -> 'key' -> 'customer_id' = to_jsonb(NEW."customer_id"))) then
        if _note -> 'now' -> 'tenure_days' = to_jsonb(NEW."tenure_days") then
          _fresh_1 := false;
          _taken := _taken || 'tenure_days'::text;
          NEW."raw_days" := (_note -> 'raw' ->> 'raw_days')::double precision;
        end if;
      else
        _note := null;
      end if;
    end if;
    if _fresh_1 then
      NEW."raw_days" := NEW."tenure_days";
    end if;
    -- keep shares
    if _fresh_1 then
      NEW."tenure_days" := NEW."tenure_days";
      _fresh_1 := true;
    end if;
  end steps;
  if _broken <> '[]' then
    if TG_OP = 'INSERT' and strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 then
      if mlguard.kept_v1('features.customer', _broken, to_jsonb(_arrived), _arrived::text,
        jsonb_build_object('customer_id', _arrived."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id")) then
        return null;
      end if;
    end if;
    if exists (select from mlguard._waiver as w where w.ended_at is null and w.until > statement_timestamp()) then
      _broken := mlguard.not_waived_v1(_broken, jsonb_build_object('customer_id', NEW."customer_id"));
    end if;
    if _broken <> '[]' then
      if TG_OP = 'UPDATE' then
        perform mlguard.refuse_v1(_broken -> 0 ->> 'slo', _broken -> 0 -> 'observed', jsonb_build_object('customer_id', NEW."customer_id"));
      end if;
      perform mlguard.withhold_v1('features.customer', _broken, to_jsonb(_arrived), _arrived::text,
        jsonb_build_object('customer_id', _arrived."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id"));
      return null;
    end if;
  end if;
  if _lines <> '[]' then
    _first := mlguard.post_lines_v1('features.customer', 'fcaa1982ab7e',
      jsonb_build_object('customer_id', NEW."customer_id"),
      hash_record_extended(row(NEW."tenure_days", NEW."raw_days"), 0)::text,
      _lines, false, 'mlguard.post_lines_fc531f492982');
  end if;
  if tg_op = 'INSERT' and current_setting('mlguard.post_both_fc531f492982', true) = 'both' then
    perform set_config('mlguard.post_memo_fc531f492982', mlguard.sealed_v1(jsonb_build_object('op', 'INSERT', 'statement', pg_catalog.currval('mlguard."statement of features.customer"'::pg_catalog.regclass),
      'key', jsonb_build_object('customer_id', NEW."customer_id"),
      'now', jsonb_build_object('tenure_days', NEW."tenure_days"),
      'raw', jsonb_build_object('raw_days', NEW."raw_days"), 'first', _first,
      'count', jsonb_array_length(_lines))), true);
  elsif tg_op = 'UPDATE' and _note ->> 'first' is not null then
    perform mlguard.post_moved_v1('features.customer', (_note ->> 'first')::bigint,
      (_note ->> 'count')::integer, _taken, hash_record_extended(row(NEW."tenure_days", NEW."raw_days"), 0)::text);
  end if;
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."broken row features.customer"(record, record, text) from public;

-- phase: change, locks: none
comment on function mlguard."broken row features.customer"(record, record, text) is 'mlguard:features.customer:7df4bbea26c2';

-- undo: drop function if exists mlguard."broken row features.customer"(record, record, text);

-- function mlguard."post features.customer test 1 ()"(text)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer test 1 ()"(tg_op text)
returns boolean
language sql
stable
begin atomic
  select (tg_op <> 'INSERT' or current_setting('mlguard.post_both_fc531f492982', true) = 'both');
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer test 1 ()"(text) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer test 1 ()"(text) is 'mlguard:features.customer:70350acb16a7';

-- undo: drop function if exists mlguard."post features.customer test 1 ()"(text);

-- function mlguard."post features.customer value 1.1 tenure_days (tenure_days)"(double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer value 1.1 tenure_days (tenure_days)"("tenure_days" double precision)
returns double precision
language sql
stable
begin atomic
  select ("tenure_days");
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer value 1.1 tenure_days (tenure_days)"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer value 1.1 tenure_days (tenure_days)"(double precision) is 'mlguard:features.customer:cc8d4701a955';

-- undo: drop function if exists mlguard."post features.customer value 1.1 tenure_days (tenure_days)"(double precision);

-- function mlguard."post features.customer same (tenure_days, raw_days)"(double precision, double precision, double precision, double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer same (tenure_days, raw_days)"(a_0 double precision, b_0 double precision, a_1 double precision, b_1 double precision)
returns boolean
language sql
stable
begin atomic
  select a_0 is not distinct from b_0
    and a_1 is not distinct from b_1;
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer same (tenure_days, raw_days)"(double precision, double precision, double precision, double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer same (tenure_days, raw_days)"(double precision, double precision, double precision, double precision) is 'mlguard:features.customer:f12a62c7b369';

-- undo: drop function if exists mlguard."post features.customer same (tenure_days, raw_days)"(double precision, double precision, double precision, double precision);

-- function mlguard."before row features.customer"()
-- why: post-prediction steps change a row before it lands
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."before row features.customer"()
returns trigger
language plpgsql
security definer
as $mlguard$
-- Every row written to features.customer. Pins no search_path, which a good row would pay
-- for: nothing here is looked up in it. Post-prediction steps:
--   shares: keep
#variable_conflict use_variable
declare
  _1 double precision := NEW."tenure_days";
begin
  <<plain>>
  begin
    exit plain when mlguard."post features.customer test 1 ()"(TG_OP);
    _1 := mlguard."post features.customer value 1.1 tenure_days (tenure_days)"(_1);
    NEW."raw_days" := NEW."tenure_days";
    NEW."tenure_days" := _1;
    return NEW;
  end plain;
  if TG_OP operator(pg_catalog.=) 'UPDATE'
    and pg_catalog.current_setting('mlguard.acting', true) operator(pg_catalog.=) 'on' then
    if exists (
      select from mlguard._acting as a
      where a.tbl operator(pg_catalog.=) 'features.customer'
        and a.xid operator(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()
    ) then
      NEW."raw_days" := OLD."raw_days";
      return NEW;
    end if;
  end if;
  if TG_OP operator(pg_catalog.=) 'UPDATE' then
    if mlguard."post features.customer same (tenure_days, raw_days)"(NEW."tenure_days", OLD."tenure_days", NEW."raw_days", OLD."raw_days") then
      return NEW;
    end if;
  end if;
  return mlguard."broken row features.customer"(NEW, OLD, TG_OP);
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before row features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before row features.customer"() is 'mlguard:features.customer:dbc72bf67e74';

-- undo: drop function if exists mlguard."before row features.customer"();

-- function mlguard."post features.customer before"()
-- why: one row of an upsert meets two row triggers and is processed once
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer before"()
returns trigger
language plpgsql
security definer
as $mlguard$
-- Tells the row trigger of features.customer whether a statement may insert and update: of
-- INSERT … ON CONFLICT DO UPDATE and MERGE this is called for INSERT, then for UPDATE.
-- Pins no search_path: nothing here is looked up in it.
begin
  perform pg_catalog.set_config('mlguard.post_both_fc531f492982', case when TG_OP operator(pg_catalog.=) 'UPDATE' then 'both' else '' end, true),
    pg_catalog.set_config('mlguard.post_memo_fc531f492982', '', true),
    pg_catalog.set_config('mlguard.post_lines_fc531f492982', '', true),
    pg_catalog.set_config('mlguard.post_routed_fc531f492982', '', true),
    pg_catalog.nextval('mlguard."statement of features.customer"'::pg_catalog.regclass),
    pg_catalog.setval('mlguard."lines of features.customer"'::pg_catalog.regclass, (
      select case when s.is_called then s.last_value operator(pg_catalog.+) 1 else s.last_value end from mlguard._change_id_seq as s));
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer before"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer before"() is 'mlguard:features.customer:c11eea0a42d5';

-- undo: drop function if exists mlguard."post features.customer before"();

-- function mlguard."after post features.customer"()
-- why: lines of rows that did not land are taken back
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."after post features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
set timezone = 'UTC'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $mlguard$
-- Takes back what the steps of features.customer noted of rows that did not land.
#variable_conflict use_variable
declare
  _from bigint;
  _batch bigint := mlguard.batch_v1('features.customer');
begin
  if current_setting('mlguard.post_lines_fc531f492982', true) <> '' then
    _from := pg_catalog.currval('mlguard."lines of features.customer"'::pg_catalog.regclass);
    delete from mlguard._change as c
    where c.batch = _batch
      and c.id >= _from
      and c.tbl = 'features.customer'
      and c.step_set is not null
      and not exists (
        select from "features"."customer" as t
        where t."customer_id" = (c.key ->> 'customer_id')::bigint
          and t.xmin = c.xmin  -- written by the same (sub)transaction
          and hash_record_extended(row(t."tenure_days", t."raw_days"), 0)::text = c.row_hash
      );
    perform set_config('mlguard.post_lines_fc531f492982', '', true);
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after post features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after post features.customer"() is 'mlguard:features.customer:4c1b5f66a7f2';

-- undo: drop function if exists mlguard."after post features.customer"();

-- function mlguard."count before features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."count before features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Tells who wrote features.customer how many rows were kept out.
begin
  perform set_config('mlguard.landed_before', (
    pg_stat_get_xact_tuples_inserted('"features"."customer"'::regclass)
      + pg_stat_get_xact_tuples_updated('"features"."customer"'::regclass))::text, true);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."count before features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."count before features.customer"() is 'mlguard:features.customer:8c5b302745c7';

-- undo: drop function if exists mlguard."count before features.customer"();

-- function mlguard."kept out features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."kept out features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Tells who wrote features.customer how many rows were kept out.
#variable_conflict use_variable
declare
  _landed bigint;
begin
  if current_setting('track_counts') = 'on' then
    _landed := pg_stat_get_xact_tuples_inserted('"features"."customer"'::regclass)
    + pg_stat_get_xact_tuples_updated('"features"."customer"'::regclass)
    - substring(current_setting('mlguard.landed_before', true) from '^\d{1,18}$')::bigint;
  end if;
  perform mlguard.kept_out_warning_v1('features.customer', _landed);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."kept out features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer:659b8db1eed3';

-- undo: drop function if exists mlguard."kept out features.customer"();

-- function mlguard."post features.customer requests"()
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer requests"()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
-- Steps of features.customer over the requests that a transaction touched; COMMIT calls it.
#variable_conflict use_variable
declare
  _meant bigint;
  _done bigint;
  _odd jsonb;
  _odd_n bigint;
begin
  -- normalise shares
  perform mlguard.request_acting_v1('features.customer', true);
  with touched as materialized (
    select distinct (e.value ->> 0)::text as key_1
    from mlguard._request as q
    cross join lateral jsonb_array_elements(q.keys) as e (value)
    where q.tbl = 'features.customer' and q.xid = pg_current_xact_id() and q.keys is not null
  ),
  found as materialized (
    select t.tableoid as at_1, t.ctid as at_2,
           t."tenure_days" as was,
           sum(t."tenure_days") filter (where t."tenure_days" >= 0 and t."tenure_days" < 1e290) over w as total,
           count(*) filter (where not (t."tenure_days" >= 0 and t."tenure_days" < 1e290)) over w as odd,
           count(*) over w as n,
           row_number() over w as no,
           t."plan" as by_1
    from touched as k
    join "features"."customer" as t on t."plan" = k.key_1
    window w as (partition by t."plan")
  ),
  meant as materialized (
    select f.*, case when f.total > 1 and f.was < f.total * 1e-300 then 0 else f.was / f.total end as share
    from found as f
    where f.odd = 0 and f.total > 0 and abs(f.total - 1) > 1e-9 and f.was is not null
  ),
  scaled as (
    update "features"."customer" as t
    set "tenure_days" = m.share
    from meant as m
    where t.ctid = m.at_2 and t.tableoid = m.at_1
    returning m.was, t."tenure_days" as share
  ),
  odd as (
    select jsonb_build_object('plan', f.by_1) as request, f.n, row_number() over () as place
    from found as f
    where f.no = 1 and (f.odd > 0 or f.total is null or f.total <= 0)
  )
  select (select count(*) from meant), (select count(*) from scaled),
         (select jsonb_agg(jsonb_build_object('key', o.request, 'rows', o.n)) from odd as o where o.place <= 100),
         (select count(*) from odd)
    into _meant, _done, _odd, _odd_n;
  perform mlguard.request_acting_v1('features.customer', false);
  if _done < _meant then
    perform mlguard.request_refused_v1('features.customer/post.shares', _meant, _done);
  end if;
  perform mlguard.note_v1('features.customer/post.shares', 'NOTED', null, nullif(o.value -> 'key', 'null'), (o.value -> 'rows')::bigint, 1,
    'no value below zero, no NaN or infinity, and a sum above zero are needed: the request stays as it is')
  from jsonb_array_elements(_odd) as o (value);
  if _odd_n > 100 then
    perform mlguard.note_v1('features.customer/post.shares', 'NOTED', null, null, null, _odd_n - 100,
      format('and %s more requests', _odd_n - 100));
  end if;
  -- dedupe once
  with touched as materialized (
    select distinct (e.value ->> 0)::text as key_1
    from mlguard._request as q
    cross join lateral jsonb_array_elements(q.keys) as e (value)
    where q.tbl = 'features.customer' and q.xid = pg_current_xact_id() and q.keys is not null
  ),
  ranked as materialized (
    select t.tableoid as at_1, t.ctid as at_2,
           row_number() over (
             partition by t."plan", t."age"
             order by nullif(t."tenure_days", 'NaN') desc nulls last, t."customer_id"
           ) as rank
    from touched as k
    join "features"."customer" as t on t."plan" = k.key_1
    where t."age" is not null
      and (t."age" > 3)
  ),
  gone as (
    delete from "features"."customer" as t
    using ranked as r
    where r.rank > 1 and t.ctid = r.at_2 and t.tableoid = r.at_1
    returning t.*
  )
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending, step_set)
  select 'features.customer', jsonb_build_object('customer_id', g."customer_id"), 'tenure_days', to_jsonb(g."tenure_days"), null,
         'features.customer/post.once', (select mlguard.batch_v1('features.customer')), false,
         'fcaa1982ab7e'
  from gone as g;
  -- top_k best
  with touched as materialized (
    select distinct (e.value ->> 0)::text as key_1
    from mlguard._request as q
    cross join lateral jsonb_array_elements(q.keys) as e (value)
    where q.tbl = 'features.customer' and q.xid = pg_current_xact_id() and q.keys is not null
  ),
  ranked as materialized (
    select t.tableoid as at_1, t.ctid as at_2,
           row_number() over (
             partition by t."plan"
             order by nullif(t."tenure_days", 'NaN') desc nulls last, t."customer_id"
           ) as rank
    from touched as k
    join "features"."customer" as t on t."plan" = k.key_1
  ),
  gone as (
    delete from "features"."customer" as t
    using ranked as r
    where r.rank > 10 and t.ctid = r.at_2 and t.tableoid = r.at_1
    returning t.*
  )
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending, step_set)
  select 'features.customer', jsonb_build_object('customer_id', g."customer_id"), 'tenure_days', to_jsonb(g."tenure_days"), null,
         'features.customer/post.best', (select mlguard.batch_v1('features.customer')), false,
         'fcaa1982ab7e'
  from gone as g;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer requests"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer requests"() is 'mlguard:features.customer:23bb7fe43aca';

-- undo: drop function if exists mlguard."post features.customer requests"();

-- function mlguard."post features.customer requests before"()
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer requests before"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Has COMMIT judge the requests of features.customer before it closes their batch.
begin
  if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1('features.customer') then
    return null;  -- values of a person, or of COMMIT itself
  end if;
  perform mlguard.request_due_v1('features.customer', 'mlguard."post features.customer requests"()');
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer requests before"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer requests before"() is 'mlguard:features.customer:534ce8a17760';

-- undo: drop function if exists mlguard."post features.customer requests before"();

-- function mlguard."post features.customer requests insert"()
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer requests insert"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Notes whose requests of features.customer a statement touched.
begin
  if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1('features.customer') then
    return null;  -- values of a person, or of COMMIT itself
  end if;
  insert into mlguard._request (tbl, judge, keys)
  select 'features.customer', 'mlguard."post features.customer requests"()', jsonb_agg(d.key)
  from (
    select jsonb_build_array(s."plan") as key, row_number() over () / 500 as chunk
    from (
      select distinct r."plan"
      from new_rows as r
      where r."plan" is not null
    ) as s
  ) as d
  group by d.chunk;
  if found then
    perform mlguard.request_due_v1('features.customer', 'mlguard."post features.customer requests"()');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer requests insert"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer requests insert"() is 'mlguard:features.customer:2e77a6603bb0';

-- undo: drop function if exists mlguard."post features.customer requests insert"();

-- function mlguard."post features.customer requests update"()
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer requests update"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Notes whose requests of features.customer a statement touched.
begin
  if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1('features.customer') then
    return null;  -- values of a person, or of COMMIT itself
  end if;
  insert into mlguard._request (tbl, judge, keys)
  select 'features.customer', 'mlguard."post features.customer requests"()', jsonb_agg(d.key)
  from (
    select jsonb_build_array(s."plan") as key, row_number() over () / 500 as chunk
    from (
      select distinct r."plan"
      from (
        (select w."plan", w."tenure_days", w."age" from new_rows as w except all select w."plan", w."tenure_days", w."age" from old_rows as w)
        union all
        (select w."plan", w."tenure_days", w."age" from old_rows as w except all select w."plan", w."tenure_days", w."age" from new_rows as w)
      ) as r
      where r."plan" is not null
    ) as s
  ) as d
  group by d.chunk;
  if found then
    perform mlguard.request_due_v1('features.customer', 'mlguard."post features.customer requests"()');
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer requests update"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer requests update"() is 'mlguard:features.customer:7a58418543fc';

-- undo: drop function if exists mlguard."post features.customer requests update"();

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
    null::timestamptz,
    null::timestamptz
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
        null::timestamptz as first_event,
        null::timestamptz as last_event
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
comment on function mlguard."predicted features.customer"() is 'mlguard:features.customer:787bb30cd601';

-- undo: drop function if exists mlguard."predicted features.customer"();

-- trigger zz_mlguard_post_before
-- why: one row of an upsert meets two row triggers and is processed once
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_post_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."post features.customer before"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_post_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_post_before on "features"."customer" is 'mlguard:features.customer:ff0816710c8e';

-- undo: drop trigger if exists zz_mlguard_post_before on "features"."customer";

-- trigger zz_mlguard_post_after
-- why: lines of rows that did not land are taken back
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_post_after
after insert or update on "features"."customer"
for each statement
when ((current_setting('mlguard.post_lines_fc531f492982', true) <> '') and not mlguard.copying_v1('"features"."customer"'::regclass))
execute function mlguard."after post features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_post_after;

-- phase: change, locks: none
comment on trigger zz_mlguard_post_after on "features"."customer" is 'mlguard:features.customer:287238bd3fe6';

-- undo: drop trigger if exists zz_mlguard_post_after on "features"."customer";

-- trigger zz_mlguard_before_row
-- why: a row can be kept out or changed only before it lands
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_before_row
before insert or update on "features"."customer"
for each row
execute function mlguard."before row features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_before_row;

-- phase: change, locks: none
comment on trigger zz_mlguard_before_row on "features"."customer" is 'mlguard:features.customer:4fdffe0a70de';

-- undo: drop trigger if exists zz_mlguard_before_row on "features"."customer";

-- trigger zz_mlguard_count_before
-- why: tells the writer how many rows were kept out
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_count_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."count before features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_count_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_count_before on "features"."customer" is 'mlguard:features.customer:8821f398b290';

-- undo: drop trigger if exists zz_mlguard_count_before on "features"."customer";

-- trigger zz_mlguard_kept_out
-- why: tells the writer how many rows were kept out
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_kept_out
after insert or update on "features"."customer"
for each statement
when (strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0)
execute function mlguard."kept out features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_kept_out;

-- phase: change, locks: none
comment on trigger zz_mlguard_kept_out on "features"."customer" is 'mlguard:features.customer:9abf2f6a7db1';

-- undo: drop trigger if exists zz_mlguard_kept_out on "features"."customer";

-- trigger zz_mlguard_a_request_before
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_a_request_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."post features.customer requests before"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_a_request_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_a_request_before on "features"."customer" is 'mlguard:features.customer:3a6f2f195488';

-- undo: drop trigger if exists zz_mlguard_a_request_before on "features"."customer";

-- trigger zz_mlguard_a_request_after_insert
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_a_request_after_insert
after insert on "features"."customer"
referencing new table as new_rows
for each statement
execute function mlguard."post features.customer requests insert"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_a_request_after_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_a_request_after_insert on "features"."customer" is 'mlguard:features.customer:7d70b081788b';

-- undo: drop trigger if exists zz_mlguard_a_request_after_insert on "features"."customer";

-- trigger zz_mlguard_a_request_after_update
-- why: top_k, dedupe and normalise see all rows of a request
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_a_request_after_update
after update on "features"."customer"
referencing new table as new_rows old table as old_rows
for each statement
execute function mlguard."post features.customer requests update"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_a_request_after_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_a_request_after_update on "features"."customer" is 'mlguard:features.customer:5d732dc6daca';

-- undo: drop trigger if exists zz_mlguard_a_request_after_update on "features"."customer";

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
