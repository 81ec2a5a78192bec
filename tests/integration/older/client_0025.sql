-- What mlguard left in a database when its runtime was 0025: the table, the objects made for it, its records. Made by
-- the client of that version from the SLO file of test_upgrade.py; PostgreSQL's own spelling (pg_dump, pg_get_functiondef).

CREATE OR REPLACE FUNCTION mlguard."after removal features.customer"()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _gone timestamptz;
  _seen pg_snapshot;
begin
  if TG_OP = 'TRUNCATE' then
    _seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept
    perform mlguard.refreshed_v1('features.customer', (select max((t."event_ts")) from "features"."customer" as t where (t."event_ts") <= statement_timestamp()), _seen);
    perform mlguard.truncated_v1('features.customer');
    return null;
  end if;
  select max((r."event_ts")) into _gone from old_rows as r where (r."event_ts") <= statement_timestamp();
  if _gone >= mlguard.newest_v1('features.customer') then
    _seen := pg_current_snapshot();  -- lines of rows that commit from here on are kept
    perform mlguard.refreshed_v1('features.customer', (select max((t."event_ts")) from "features"."customer" as t where (t."event_ts") <= statement_timestamp()), _seen);
  end if;
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(tenure)', coalesce(sum(v.x_1), 0),
        'have(tenure)', count(r."tenure"),
        'nan(tenure)', count(*) filter (where r."tenure" = 'NaN')) as states
    from old_rows as r
    cross join lateral (select
      case when abs(r."tenure") <= 1e140 then r."tenure" when r."tenure" < 'NaN' then sign(r."tenure")::double precision * 'Infinity' end as x_1
    ) as v
    group by 1
  )
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  select
    'features.customer', mlguard.batch_v1('features.customer'),
    case when isfinite(g.bucket) then g.bucket end,
    '{}'::jsonb,
    -1, TG_OP, g.n, g.states
  from groups as g
  where g.n > 0;
  if found and TG_OP = 'DELETE' then  -- it may mend a batch that is held
    perform mlguard.landed_v1('features.customer', 0, '{}');
  end if;
  return null;
end
$function$;

comment on function mlguard."after removal features.customer"() is 'mlguard:features.customer:35fa61812a85';
revoke all on function mlguard."after removal features.customer"() from public;

CREATE OR REPLACE FUNCTION mlguard."after rows features.customer"()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- features.customer, once a statement, over the rows it wrote or took away.
#variable_conflict use_variable
declare
  _n bigint;
  _bad_1 bigint;
  _newest timestamptz;
  _future timestamptz[];
begin
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(tenure)', coalesce(sum(v.x_1), 0),
        'have(tenure)', count(r."tenure"),
        'nan(tenure)', count(*) filter (where r."tenure" = 'NaN')) as states,
      count(*) filter (where not (r."plan" in ('free', 'pro'))) as bad_1,
      max((r."event_ts")) filter (where (r."event_ts") <= statement_timestamp()) as newest,
      array_agg(distinct date_trunc('minute', (r."event_ts"))) filter (where (r."event_ts") > statement_timestamp()) as future
    from new_rows as r
    cross join lateral (select
      case when abs(r."tenure") <= 1e140 then r."tenure" when r."tenure" < 'NaN' then sign(r."tenure")::double precision * 'Infinity' end as x_1
    ) as v
    group by 1
  ), appended as (
    insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
    select
      'features.customer', mlguard.batch_v1('features.customer'),
      coalesce(case when isfinite(g.bucket) then g.bucket end, date_bin(interval '1 day', statement_timestamp(), timestamptz '2001-01-01 00:00+00')),
      '{}'::jsonb,
      1, TG_OP, g.n, g.states
    from groups as g
    where g.n > 0
  )
  select
    coalesce(sum(g.n), 0),
    coalesce(sum(g.bad_1), 0),
    max(g.newest),
    (select array_agg(distinct f.at) from groups as o, unnest(o.future) as f (at))
    into
    _n,
    _bad_1,
    _newest,
    _future
    from groups as g;
  -- warn plan.in
  if _bad_1 > 0 then
    perform mlguard.note_v1('features.customer/plan.in', case when mlguard.waived_v1('features.customer/plan.in') then 'NOTED' else 'FAIL' end, jsonb_build_object('plan', r."plan"), jsonb_build_object('customer_id', r."customer_id"), _n, 1, case when mlguard.waived_v1('features.customer/plan.in') then 'waived' end)
    from (select * from new_rows as r where not (r."plan" in ('free', 'pro')) limit 100) as r;
    if _bad_1 > 100 then
      perform mlguard.note_v1('features.customer/plan.in', case when mlguard.waived_v1('features.customer/plan.in') then 'NOTED' else 'FAIL' end, null, null, _n, _bad_1 - 100, format('and %s more rows', _bad_1 - 100));
    end if;
  end if;
  if _n > 0 or TG_OP = 'INSERT' then
    perform mlguard.landed_v1('features.customer', _n, '{}');
  end if;
  perform mlguard.fresh_v1('features.customer', _newest, _future);
  return null;
end
$function$;

comment on function mlguard."after rows features.customer"() is 'mlguard:features.customer:1cfdcbcbc59f';
revoke all on function mlguard."after rows features.customer"() from public;

CREATE OR REPLACE FUNCTION mlguard."before row features.customer"()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "IntervalStyle" TO 'postgres'
 SET extra_float_digits TO '1'
 SET bytea_output TO 'hex'
AS $function$
-- Row rules of features.customer, called for the rows that break one of its rules:
--   quarantine age.range: age BETWEEN 0 AND 130
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
begin
  -- quarantine age.range
  if not (NEW."age" between 0 and 130) then
    _broken := _broken || jsonb_build_object('slo', 'features.customer/age.range',
      'observed', jsonb_build_object('age', NEW."age"));
  end if;
  if _broken <> '[]' then
    if TG_OP = 'INSERT' and strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 then
      if mlguard.kept_v1('features.customer', _broken, to_jsonb(NEW), NEW::text,
        jsonb_build_object('customer_id', NEW."customer_id"), TG_OP,
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
      perform mlguard.withhold_v1('features.customer', _broken, to_jsonb(NEW), NEW::text,
        jsonb_build_object('customer_id', NEW."customer_id"), TG_OP,
        TG_OP = 'UPDATE' or exists (select from "features"."customer" as stored where stored."customer_id" = NEW."customer_id"));
      return null;
    end if;
  end if;
  return NEW;
end
$function$;

comment on function mlguard."before row features.customer"() is 'mlguard:features.customer/age.range:dc999825a6b0';
revoke all on function mlguard."before row features.customer"() from public;

CREATE OR REPLACE FUNCTION mlguard."count before features.customer"()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- Tells who wrote features.customer how many rows were kept out.
begin
  perform set_config('mlguard.landed_before', (
    pg_stat_get_xact_tuples_inserted('"features"."customer"'::regclass)
      + pg_stat_get_xact_tuples_updated('"features"."customer"'::regclass))::text, true);
  return null;
end
$function$;

comment on function mlguard."count before features.customer"() is 'mlguard:features.customer/age.range:8c5b302745c7';
revoke all on function mlguard."count before features.customer"() from public;

CREATE OR REPLACE FUNCTION mlguard."kept out features.customer"()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer/age.range:659b8db1eed3';
revoke all on function mlguard."kept out features.customer"() from public;

CREATE OR REPLACE FUNCTION mlguard."recount features.customer"(_from timestamp with time zone, _to timestamp with time zone)
 RETURNS TABLE(bucket timestamp with time zone, segment jsonb, n bigint, states jsonb)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- States of the stored rows of features.customer with event times from _from up to _to; null, null: of all rows.
begin
  return query
  with groups as (
    select
      date_bin(interval '1 day', r."event_ts", timestamptz '2001-01-01 00:00+00') as bucket,
      count(*) as n,
      jsonb_build_object(
        'n', count(*),
        'have(age)', count(r."age"),
        'sum(tenure)', coalesce(sum(v.x_1), 0),
        'have(tenure)', count(r."tenure"),
        'nan(tenure)', count(*) filter (where r."tenure" = 'NaN')) as states
    from "features"."customer" as r
    cross join lateral (select
      case when abs(r."tenure") <= 1e140 then r."tenure" when r."tenure" < 'NaN' then sign(r."tenure")::double precision * 'Infinity' end as x_1
    ) as v
    where (_from is null or (r."event_ts") >= _from) and (_to is null or (r."event_ts") < _to)
    group by 1
  )
  select case when isfinite(g.bucket) then g.bucket end, '{}'::jsonb, g.n, g.states
  from groups as g
  where g.n > 0;
end
$function$;

comment on function mlguard."recount features.customer"(timestamp with time zone,timestamp with time zone) is 'mlguard:features.customer:637004b4c61a';
revoke all on function mlguard."recount features.customer"(timestamp with time zone,timestamp with time zone) from public;

CREATE OR REPLACE FUNCTION mlguard."verdict features.customer/alike"(_s jsonb, _c jsonb)
 RETURNS mlguard.found_v1
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- features.customer/alike: mean(tenure) <= 100
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.mean_v1(_s, 'sum(tenure)', 'have(tenure)', 'nan(tenure)');  -- mean(tenure)
  _ok := _1 <= '100'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['mean(tenure)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$function$;

comment on function mlguard."verdict features.customer/alike"(jsonb,jsonb) is 'mlguard:features.customer/alike:ee8999d11897';
revoke all on function mlguard."verdict features.customer/alike"(jsonb,jsonb) from public;

CREATE OR REPLACE FUNCTION mlguard."verdict features.customer/enough"(_s jsonb, _c jsonb)
 RETURNS mlguard.found_v1
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- features.customer/enough: row_count() >= 3
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.count_v1(_s, 'n');  -- row_count()
  _ok := _1 >= '3'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['row_count()'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$function$;

comment on function mlguard."verdict features.customer/enough"(jsonb,jsonb) is 'mlguard:features.customer/enough:fa45ffb764fb';
revoke all on function mlguard."verdict features.customer/enough"(jsonb,jsonb) from public;

CREATE OR REPLACE FUNCTION mlguard."verdict features.customer/filled"(_s jsonb, _c jsonb)
 RETURNS mlguard.found_v1
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
-- features.customer/filled: coverage(age) >= 0.5
-- _s: merged states; _c: what they are of.
#variable_conflict use_variable
declare
  _1 double precision;
  _ok boolean;
  _reason text;
begin
  _1 := mlguard.ratio_v1(_s, 'have(age)', 'n');  -- coverage(age)
  _ok := _1 >= '0.5'::double precision;
  if _ok is null and _reason is null then
    _reason := case
      when _1 is null then 'no values'
      else 'no answer'
    end;
  end if;
  return row(array['coverage(age)'],
             array[_1]::double precision[],
             mlguard.count_v1(_s, 'n')::bigint, _ok, _reason)::mlguard.found_v1;
end
$function$;

comment on function mlguard."verdict features.customer/filled"(jsonb,jsonb) is 'mlguard:features.customer/filled:d71470138286';
revoke all on function mlguard."verdict features.customer/filled"(jsonb,jsonb) from public;

CREATE SEQUENCE mlguard.refused_1
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE mlguard.refused_2
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE mlguard.refused_5
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE mlguard.refused_at_1
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE mlguard.refused_at_2
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
CREATE SEQUENCE mlguard.refused_at_5
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

CREATE SCHEMA features;
CREATE TABLE features.customer (
    customer_id bigint NOT NULL,
    age integer,
    plan text,
    tenure double precision,
    event_ts timestamp with time zone,
    CONSTRAINT "mlguard_tenure.range" CHECK (
CASE
    WHEN (NOT ((tenure >= '0'::double precision) AND (tenure < 'Infinity'::double precision))) THEN mlguard.refuse_v1('features.customer/tenure.range'::text, jsonb_build_object('tenure', tenure), jsonb_build_object('customer_id', customer_id))
    ELSE true
END)
);
COMMENT ON CONSTRAINT "mlguard_tenure.range" ON features.customer IS 'mlguard:features.customer/tenure.range:29b4168f3d2d';
CREATE VIEW features.customer_guarded AS
 SELECT customer_id,
    age,
    plan,
    tenure,
    event_ts
   FROM features.customer t
  WHERE
        CASE
            WHEN ((EXISTS ( SELECT
               FROM mlguard._freshness f
              WHERE ((f.tbl = 'features.customer'::text) AND ((f.newest >= (statement_timestamp() - '26:00:00'::interval)) AND (f.newest <= statement_timestamp()))))) AND (NOT (EXISTS ( SELECT
               FROM mlguard._hold h
              WHERE ((h.tbl = 'features.customer'::text) AND (h.ended_at IS NULL)))))) THEN true
            ELSE mlguard.guard_v1('features.customer'::text)
        END;
COMMENT ON VIEW features.customer_guarded IS 'mlguard:features.customer:5ee1655d7f80';
ALTER TABLE ONLY features.customer
    ADD CONSTRAINT customer_pkey PRIMARY KEY (customer_id);
CREATE TRIGGER zz_mlguard_after_removal_delete AFTER DELETE ON features.customer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION mlguard."after removal features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_after_removal_delete;
COMMENT ON TRIGGER zz_mlguard_after_removal_delete ON features.customer IS 'mlguard:features.customer:f4698b3df172';
CREATE TRIGGER zz_mlguard_after_removal_truncate AFTER TRUNCATE ON features.customer FOR EACH STATEMENT EXECUTE FUNCTION mlguard."after removal features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_after_removal_truncate;
COMMENT ON TRIGGER zz_mlguard_after_removal_truncate ON features.customer IS 'mlguard:features.customer:07c263f33cf3';
CREATE TRIGGER zz_mlguard_after_removal_update AFTER UPDATE ON features.customer REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION mlguard."after removal features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_after_removal_update;
COMMENT ON TRIGGER zz_mlguard_after_removal_update ON features.customer IS 'mlguard:features.customer:5690e9c2f675';
CREATE TRIGGER zz_mlguard_after_rows_insert AFTER INSERT ON features.customer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION mlguard."after rows features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_after_rows_insert;
COMMENT ON TRIGGER zz_mlguard_after_rows_insert ON features.customer IS 'mlguard:features.customer:2c20cab8c069';
CREATE TRIGGER zz_mlguard_after_rows_update AFTER UPDATE ON features.customer REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION mlguard."after rows features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_after_rows_update;
COMMENT ON TRIGGER zz_mlguard_after_rows_update ON features.customer IS 'mlguard:features.customer:85d2ca7fade4';
CREATE TRIGGER zz_mlguard_before_row BEFORE INSERT OR UPDATE ON features.customer FOR EACH ROW WHEN ((NOT ((new.age >= 0) AND (new.age <= 130)))) EXECUTE FUNCTION mlguard."before row features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_before_row;
COMMENT ON TRIGGER zz_mlguard_before_row ON features.customer IS 'mlguard:features.customer/age.range:654355efe240';
CREATE TRIGGER zz_mlguard_count_before BEFORE INSERT OR UPDATE ON features.customer FOR EACH STATEMENT EXECUTE FUNCTION mlguard."count before features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_count_before;
COMMENT ON TRIGGER zz_mlguard_count_before ON features.customer IS 'mlguard:features.customer/age.range:8821f398b290';
CREATE TRIGGER zz_mlguard_kept_out AFTER INSERT OR UPDATE ON features.customer FOR EACH STATEMENT WHEN ((strpos(current_setting('mlguard.kept_out'::text, true), '|features.customer|'::text) > 0)) EXECUTE FUNCTION mlguard."kept out features.customer"();
ALTER TABLE features.customer ENABLE ALWAYS TRIGGER zz_mlguard_kept_out;
COMMENT ON TRIGGER zz_mlguard_kept_out ON features.customer IS 'mlguard:features.customer/age.range:9abf2f6a7db1';
GRANT SELECT ON TABLE features.customer_guarded TO mlguard_task;

INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (1, 'features.customer', 'COUNTERS', 'tenure.range', '{features.customer/tenure.range}', '94a2b465fe71', 'e3b0c44298fc', '{"select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = ''features.customer/tenure.range''"}', '2026-11-30 17:54:54.089014+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (2, 'features.customer', 'COUNTERS', 'age.range', '{features.customer/age.range}', '58ee697bb1f0', 'e3b0c44298fc', '{"select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = ''features.customer/age.range''"}', '2026-11-30 17:54:54.089296+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (3, 'features.customer', 'COUNTERS', 'filled', '{features.customer/filled}', 'fcdc6ac2ba06', 'e3b0c44298fc', '{"select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = ''features.customer/filled''"}', '2026-11-30 17:54:54.089406+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (4, 'features.customer', 'FUNCTION', 'mlguard."before row features.customer"()', '{features.customer/age.range}', 'a9970ba0f4c8', '4a6e28d7b9bf', '{"drop function if exists mlguard.\"before row features.customer\"()"}', '2026-11-30 17:54:54.089514+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (5, 'features.customer', 'FUNCTION', 'mlguard."count before features.customer"()', '{features.customer/age.range}', '4f5621295d36', '0c8089b5382b', '{"drop function if exists mlguard.\"count before features.customer\"()"}', '2026-11-30 17:54:54.089602+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (6, 'features.customer', 'FUNCTION', 'mlguard."kept out features.customer"()', '{features.customer/age.range}', 'ea3cdfc77477', '2fc3d5f2eded', '{"drop function if exists mlguard.\"kept out features.customer\"()"}', '2026-11-30 17:54:54.089688+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (8, 'features.customer', 'FUNCTION', 'mlguard."verdict features.customer/filled"(jsonb, jsonb)', '{features.customer/filled}', 'c1d613eeaae7', 'ea58660bdc54', '{"drop function if exists mlguard.\"verdict features.customer/filled\"(jsonb, jsonb)"}', '2026-11-30 17:54:54.089828+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (9, 'features.customer', 'FUNCTION', 'mlguard."verdict features.customer/enough"(jsonb, jsonb)', '{features.customer/enough}', '560ad3c36c68', '953080aed468', '{"drop function if exists mlguard.\"verdict features.customer/enough\"(jsonb, jsonb)"}', '2026-11-30 17:54:54.089886+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (10, 'features.customer', 'FUNCTION', 'mlguard."verdict features.customer/alike"(jsonb, jsonb)', '{features.customer/alike}', 'f6c6482d91c5', '53ec93cb8245', '{"drop function if exists mlguard.\"verdict features.customer/alike\"(jsonb, jsonb)"}', '2026-11-30 17:54:54.089942+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (11, 'features.customer', 'FUNCTION', 'mlguard."after rows features.customer"()', '{features.customer/plan.in,features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', '82b0c91571e4', '30e3d53e1e25', '{"drop function if exists mlguard.\"after rows features.customer\"()"}', '2026-11-30 17:54:54.090004+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (12, 'features.customer', 'FUNCTION', 'mlguard."after removal features.customer"()', '{features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', '8ed264e72ebd', '11e887155274', '{"drop function if exists mlguard.\"after removal features.customer\"()"}', '2026-11-30 17:54:54.090063+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (14, 'features.customer', 'TRIGGER', 'zz_mlguard_before_row', '{features.customer/age.range}', '211c528176cc', '6cda518378df', '{"drop trigger if exists zz_mlguard_before_row on \"features\".\"customer\""}', '2026-11-30 17:54:54.090179+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (15, 'features.customer', 'TRIGGER', 'zz_mlguard_count_before', '{features.customer/age.range}', 'e276a03471f6', '784e356b3d12', '{"drop trigger if exists zz_mlguard_count_before on \"features\".\"customer\""}', '2026-11-30 17:54:54.090239+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (16, 'features.customer', 'TRIGGER', 'zz_mlguard_kept_out', '{features.customer/age.range}', '81a5dca4210f', '825af9ca3a7e', '{"drop trigger if exists zz_mlguard_kept_out on \"features\".\"customer\""}', '2026-11-30 17:54:54.090293+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (17, 'features.customer', 'TRIGGER', 'zz_mlguard_after_rows_insert', '{features.customer/plan.in,features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', 'ea057004298f', '7c4cf47fdb73', '{"drop trigger if exists zz_mlguard_after_rows_insert on \"features\".\"customer\""}', '2026-11-30 17:54:54.090353+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (18, 'features.customer', 'TRIGGER', 'zz_mlguard_after_rows_update', '{features.customer/plan.in,features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', 'cd45b634d162', 'a9574bd21aa7', '{"drop trigger if exists zz_mlguard_after_rows_update on \"features\".\"customer\""}', '2026-11-30 17:54:54.090414+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (19, 'features.customer', 'TRIGGER', 'zz_mlguard_after_removal_update', '{features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', '2c6b09fa6252', 'cf840064ac70', '{"drop trigger if exists zz_mlguard_after_removal_update on \"features\".\"customer\""}', '2026-11-30 17:54:54.093018+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (20, 'features.customer', 'TRIGGER', 'zz_mlguard_after_removal_delete', '{features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', '68b5f5371c35', '7d406512d301', '{"drop trigger if exists zz_mlguard_after_removal_delete on \"features\".\"customer\""}', '2026-11-30 17:54:54.093045+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (21, 'features.customer', 'TRIGGER', 'zz_mlguard_after_removal_truncate', '{features.customer/fresh,features.customer/filled,features.customer/enough,features.customer/alike}', '9ebfd174702d', '99cc2f737157', '{"drop trigger if exists zz_mlguard_after_removal_truncate on \"features\".\"customer\""}', '2026-11-30 17:54:54.093058+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (22, 'features.customer', 'VIEW', 'features.customer_guarded', '{features.customer}', 'cda8f5faea4d', 'c1e989fa7251', '{"drop view if exists \"features\".\"customer_guarded\""}', '2026-11-30 17:54:54.093068+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (7, 'features.customer', 'FUNCTION', 'mlguard."recount features.customer"(timestamp with time zone, timestamp with time zone)', '{features.customer/filled,features.customer/enough,features.customer/alike}', '56f2def0f819', '5c6dc2bb9f67', '{"drop function if exists mlguard.\"recount features.customer\"(timestamp with time zone, timestamp with time zone)"}', '2026-11-30 17:54:54.089764+00');
INSERT INTO mlguard._object (id, tbl, kind, name, slos, hash, definition_hash, undo, installed_at) OVERRIDING SYSTEM VALUE VALUES (13, 'features.customer', 'CHECK', 'mlguard_tenure.range', '{features.customer/tenure.range}', '690e7e1ac06e', '2a9e2bb1286f', '{"alter table \"features\".\"customer\" drop constraint if exists \"mlguard_tenure.range\""}', '2026-11-30 17:54:54.090123+00');
INSERT INTO mlguard._table (tbl, schema_name, table_name, key, pii, event_time, time_zone, writes, reads, on_update, quarantine_cap, quarantine_retention, grain, owner, consumers, hash, applied_at, applied_by, window_length, late, base, inputs, baseline, schema_mode, importance, judges_batches, recount, sampler, event_sql, missing, batch_column, model, version_column, approval, features, when_features_held, joins) VALUES ('features.customer', 'features', 'customer', '{customer_id}', '{}', 'event_ts', 'UTC', 'bulk', 'view', 'reject', 1000000, NULL, '00:03:07.2', '', '{}', '48b17cb55b7a', '2026-11-30 17:54:54.024633+00', 'postgres', '1 day', '00:00:00', '1 day', '{}', 'first 28 days', 'at_least', '{}', true, 'mlguard."recount features.customer"', NULL, '(t."event_ts")', '{}', NULL, NULL, NULL, false, '{}', 'reject', '[]');
INSERT INTO mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos) VALUES ('features.customer', 'customer_id', 1, 'bigint', true, '{}');
INSERT INTO mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos) VALUES ('features.customer', 'age', 2, 'integer', true, '{features.customer/age.range,features.customer/filled}');
INSERT INTO mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos) VALUES ('features.customer', 'plan', 3, 'text', true, '{features.customer/plan.in}');
INSERT INTO mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos) VALUES ('features.customer', 'tenure', 4, 'double precision', true, '{features.customer/tenure.range,features.customer/alike}');
INSERT INTO mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos) VALUES ('features.customer', 'event_ts', 5, 'timestamp with time zone', true, '{}');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/tenure.range', 1, 'features.customer', 'tenure.range', 'row', 'tenure >= 0', 'allowed at least 0', 'reject', 'CHECK constraint', 'nothing gets past a CHECK, and it is the cheapest on bulk loads', '{tenure}', 'tenure', NULL, NULL, 30, NULL, false, false, false, 'normal', '', '', '', '{}', '{notify}', 1, '17b9319bd282', '2026-11-30 17:54:54.030129+00', NULL, '{}', 50, 'next', '{}', NULL, '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/age.range', 2, 'features.customer', 'age.range', 'row', 'age BETWEEN 0 AND 130', 'allowed 0 to 130', 'quarantine', 'row trigger', 'quarantine: a row can be kept out or changed only before it lands', '{age}', 'age', NULL, NULL, 30, NULL, false, true, false, 'normal', '', '', '', '{}', '{notify}', 1, '3e116f2914e2', '2026-11-30 17:54:54.031421+00', NULL, '{}', 50, 'next', '{}', NULL, '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/plan.in', 3, 'features.customer', 'plan.in', 'row', 'plan IN (''free'', ''pro'')', 'allowed free, pro', 'warn', 'statement trigger', 'warn: recorded once the rows have landed', '{plan}', 'plan', NULL, NULL, 30, NULL, false, true, false, 'normal', '', '', '', '{}', '{notify}', 1, '4f11964e8881', '2026-11-30 17:54:54.037187+00', NULL, '{}', 50, 'next', '{}', NULL, '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/fresh', 4, 'features.customer', 'fresh', 'read', 'staleness() <= INTERVAL ''26 hours''', 'required staleness() <= INTERVAL ''26 hours''', 'hold', 'read gate', 'staleness is judged by the reader''s clock, when it reads', '{}', NULL, NULL, NULL, 30, '1 day 02:00:00', false, false, false, 'page', '', '', '', '{}', '{notify}', 1, '33aced98f086', '2026-11-30 17:54:54.038215+00', NULL, '{}', 50, 'next', '{}', NULL, '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/filled', 5, 'features.customer', 'filled', 'batch', 'coverage(age) >= 0.5', 'allowed >= 0.5', 'reject', 'judgement at COMMIT', 'over: batch: judged at COMMIT, over the rows the transaction wrote', '{age}', 'age', NULL, NULL, 5, NULL, false, true, false, 'normal', '', '', '', '{}', '{notify}', 1, '9559e8baef86', '2026-11-30 17:54:54.039252+00', 'batch', '{}', 50, 'next', '{coverage(age)}', 'mlguard."verdict features.customer/filled"', '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/enough', 6, 'features.customer', 'enough', 'window', 'row_count() >= 3', 'allowed >= 3', 'hold', 'window judgement', 'a window of 1 day: judged by sweep() once it has closed', '{}', NULL, NULL, NULL, 0, NULL, false, true, false, 'page', '', '', '', '{}', '{notify}', 1, 'e0762347cd70', '2026-11-30 17:54:54.039989+00', '1 day', '{}', 50, 'next', '{row_count()}', 'mlguard."verdict features.customer/enough"', '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/alike', 7, 'features.customer', 'alike', 'batch', 'mean(tenure) <= 100', 'allowed <= 100', 'hold', 'judgement at COMMIT', 'over: batch: judged at COMMIT, over the rows the transaction wrote', '{tenure}', 'tenure', NULL, NULL, 1, NULL, false, true, false, 'page', '', '', '', '{}', '{notify}', 1, '732450c11e4b', '2026-11-30 17:54:54.040803+00', 'batch', '{}', 50, 'next', '{mean(tenure)}', 'mlguard."verdict features.customer/alike"', '{}', 1, NULL, '00:00:00');
INSERT INTO mlguard._slo (id, no, tbl, name, level, check_text, allowed, action, place, reason, columns, column_name, max_bad_share, max_bad_rows, min_rows, max_age, shadow, waivable, portable, severity, owner, runbook, description, tags, then_do, version, hash, since, over, by_columns, max_segments, reopen, metrics, verdict, learned, sensitivity, arrives, matures) OVERRIDING SYSTEM VALUE VALUES ('features.customer/schema', 8, 'features.customer', 'schema', 'schema', 'schema: at_least', 'allowed as at the last mlguard apply', 'hold', 'schema watch', 'an event trigger sees every ALTER TABLE', '{}', NULL, NULL, NULL, 30, NULL, false, false, false, 'page', '', NULL, NULL, '{}', '{notify}', 1, '', '2026-11-30 17:54:54.108511+00', 'schema', '{}', 50, 'next', '{}', NULL, '{}', 1, NULL, '00:00:00');
SELECT pg_catalog.setval('mlguard._hold_id_seq', 1, false);
SELECT pg_catalog.setval('mlguard._object_id_seq', 22, true);
SELECT pg_catalog.setval('mlguard._slo_no_seq', 8, true);
