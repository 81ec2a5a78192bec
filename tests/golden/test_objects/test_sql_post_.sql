-- refusal counters age.range
-- why: counts refused attempts, which roll back with their transaction
-- for: features.customer/age.range

-- phase: change, locks: none
select mlguard.count_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- undo: select mlguard.forget_refusals_v1(s.no) from mlguard._slo as s where s.id = 'features.customer/age.range';

-- refusal counters post-prediction steps
-- why: numbers the versions of the steps
-- for: features.customer

-- phase: change, locks: none
select mlguard.post_set_v1('features.customer', '17871fec9273', E'[{"name": "prior", "kind": "set", "when": "tenure_days IS NULL", "set": {"tenure_days": "0.5::double precision"}, "on_error": "quarantine"}, {"name": "curve", "kind": "calibrate", "set": {"tenure_days": "1 / (1 + exp(-(1.3 * tenure_days + -0.2)))"}, "on_error": "quarantine"}, {"name": "points", "kind": "calibrate", "points": "Points(column=''tenure_days'', table=TableName(schema=''ops'', name=''points''), x=''x'', y=''y'')", "on_error": "quarantine"}, {"name": "clip", "kind": "clamp", "when": "tenure_days < 0 OR tenure_days > 1 OR tenure_days = ''NaN''", "set": {"tenure_days": "CASE WHEN tenure_days IS NULL OR tenure_days = ''NaN'' THEN NULL ELSE least(greatest(tenure_days, 0), 1) END"}, "on_error": "quarantine"}, {"name": "round", "kind": "round", "set": {"tenure_days": "CASE WHEN abs(tenure_days) < 100000000000 THEN round(tenure_days * 10000) / 10000 ELSE tenure_days END"}, "on_error": "quarantine"}, {"name": "blocked", "kind": "set", "when": "customer_id IN (SELECT \\"id\\" FROM \\"ops\\".\\"blocked\\") AND age > 3", "set": {"plan": "''none''"}, "on_error": "quarantine"}, {"name": "listed", "kind": "set", "when": "plan NOT IN (SELECT \\"plan\\" FROM \\"ops\\".\\"plans\\")", "set": {"plan": "''other''"}, "on_error": "quarantine"}, {"name": "unsure", "kind": "route", "when": "tenure_days < 0.1", "on_error": "quarantine"}]');

-- undo: select mlguard.post_set_ended_v1('features.customer', '17871fec9273');

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

-- refusal counters memory of routed
-- why: tells what this statement did from what another one did
-- for: features.customer

-- phase: change, locks: none
create sequence if not exists mlguard."routed of features.customer";

-- phase: change, locks: none
comment on sequence mlguard."routed of features.customer" is 'mlguard:features.customer:c6a5ff32a060';

-- undo: drop sequence if exists mlguard."routed of features.customer";

-- function mlguard."broken row features.customer"(record, record, text)
-- why: decides what happens to a row
-- for: features.customer/age.range

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
--   quarantine age.range: age BETWEEN 0 AND 130
#variable_conflict use_variable
declare
  _broken jsonb := '[]';
  _arrived record;
  _lines jsonb := '[]';
  _was jsonb;
  _before record;
  _first bigint;
  _fresh_1 boolean := true;
  _fresh_2 boolean := true;
  _value double precision;
  _routes text[] := '{}';
  _routed bigint;
  _anew boolean := false;
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
      _fresh_2 := NEW."plan" is distinct from OLD."plan";
      if current_setting('mlguard.acting', true) = 'on' and mlguard.acting_v1('features.customer') then
        _fresh_1 := false;
        _fresh_2 := false;
        exit steps;  -- a person's values
      end if;
      if _note ->> 'op' = 'INSERT' and ((_note -> 'key' -> 'customer_id' = to_jsonb(NEW."customer_id"))) then
        if _note -> 'now' -> 'tenure_days' = to_jsonb(NEW."tenure_days") then
          _fresh_1 := false;
          _taken := _taken || 'tenure_days'::text;
          NEW."raw_days" := (_note -> 'raw' ->> 'raw_days')::double precision;
        end if;
        if _note -> 'now' -> 'plan' = to_jsonb(NEW."plan") then
          _fresh_2 := false;
          _taken := _taken || 'plan'::text;
        end if;
      else
        _note := null;
      end if;
    end if;
    if _fresh_1 then
      NEW."raw_days" := NEW."tenure_days";
    end if;
    -- set prior
    if (_fresh_1) and (NEW."tenure_days" is null) then
      _was := to_jsonb(NEW."tenure_days");
      NEW."tenure_days" := '0.5'::double precision;
      if to_jsonb(NEW."tenure_days") is distinct from _was then
        _lines := _lines || jsonb_build_object('step', 'prior', 'column', 'tenure_days',
          'old', _was, 'new', to_jsonb(NEW."tenure_days"));
      end if;
      _fresh_1 := true;
    end if;
    -- calibrate curve
    begin
      if _fresh_1 then
        NEW."tenure_days" := '1'::double precision / ('1'::double precision + exp(-('1.3'::double precision * NEW."tenure_days" + '-0.2'::double precision)));
        _fresh_1 := true;
      end if;
    exception
      when others then
        _broken := _broken || jsonb_build_object('slo', 'features.customer/post.curve', 'observed', jsonb_build_object('tenure_days', _arrived."tenure_days"));
    end;
    if _broken <> '[]' then
      exit steps;
    end if;
    -- calibrate points
    begin
      if _fresh_1 then
        _value := mlguard."post features.customer points 3"(NEW."tenure_days");
        if _value is null and NEW."tenure_days" is not null then
          raise exception 'mlguard: % has no points', 'ops.points';
        end if;
        NEW."tenure_days" := _value;
        _fresh_1 := true;
      end if;
    exception
      when others then
        _broken := _broken || jsonb_build_object('slo', 'features.customer/post.points', 'observed', jsonb_build_object('tenure_days', _arrived."tenure_days"));
    end;
    if _broken <> '[]' then
      exit steps;
    end if;
    -- clamp clip
    if (_fresh_1) and (NEW."tenure_days" < '0'::double precision or NEW."tenure_days" > '1'::double precision or NEW."tenure_days" = 'NaN'::double precision) then
      _was := to_jsonb(NEW."tenure_days");
      NEW."tenure_days" := case when NEW."tenure_days" is null or NEW."tenure_days" = 'NaN'::double precision then null::double precision else least(greatest(NEW."tenure_days", '0'::double precision), '1'::double precision) end;
      if to_jsonb(NEW."tenure_days") is distinct from _was then
        _lines := _lines || jsonb_build_object('step', 'clip', 'column', 'tenure_days',
          'old', _was, 'new', to_jsonb(NEW."tenure_days"));
      end if;
      _fresh_1 := true;
    end if;
    -- round round
    if _fresh_1 then
      NEW."tenure_days" := case when abs(NEW."tenure_days") < '100000000000'::double precision then round(NEW."tenure_days" * '10000'::double precision) / '10000'::double precision else NEW."tenure_days" end;
      _fresh_1 := true;
    end if;
    -- set blocked
    if (_fresh_2) and (case when exists (select from "ops"."blocked" as looked where looked."id" = NEW."customer_id") then true when (NEW."customer_id" is null and exists (select from "ops"."blocked" as looked)) or exists (select from "ops"."blocked" as looked where looked."id" is null) then null else false end and NEW."age" > 3) then
      _was := to_jsonb(NEW."plan");
      NEW."plan" := 'none';
      if to_jsonb(NEW."plan") is distinct from _was then
        _lines := _lines || jsonb_build_object('step', 'blocked', 'column', 'plan',
          'old', _was, 'new', to_jsonb(NEW."plan"));
      end if;
      _fresh_2 := true;
    end if;
    -- set listed
    if (_fresh_2) and (case when exists (select from "ops"."plans" as looked where looked."plan" = NEW."plan") then false when (NEW."plan" is null and exists (select from "ops"."plans" as looked)) or exists (select from "ops"."plans" as looked where looked."plan" is null) then null else true end) then
      _was := to_jsonb(NEW."plan");
      NEW."plan" := 'other';
      if to_jsonb(NEW."plan") is distinct from _was then
        _lines := _lines || jsonb_build_object('step', 'listed', 'column', 'plan',
          'old', _was, 'new', to_jsonb(NEW."plan"));
      end if;
      _fresh_2 := true;
    end if;
    -- route unsure
    if (_fresh_1) then
      _anew := true;
      if NEW."tenure_days" < '0.1'::double precision then
        _routes := _routes || 'unsure'::text;
      end if;
    end if;
  end steps;
  if _broken = '[]' then
    -- quarantine age.range
    if not (NEW."age" between 0 and 130) then
      _broken := _broken || jsonb_build_object('slo', 'features.customer/age.range',
        'observed', jsonb_build_object('age', NEW."age"));
    end if;
  end if;
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
    _first := mlguard.post_lines_v1('features.customer', '17871fec9273',
      jsonb_build_object('customer_id', NEW."customer_id"),
      hash_record_extended(row(NEW."tenure_days", NEW."plan", NEW."raw_days"), 0)::text,
      _lines, false, 'mlguard.post_lines_fc531f492982');
  end if;
  if _routes <> '{}' or (tg_op = 'UPDATE' and (_anew or _taken <> '{}')) then
    _routed := mlguard.route_v1('features.customer', '17871fec9273', jsonb_build_object('customer_id', NEW."customer_id"),
      coalesce(NEW."customer_id"::text, E'\x1e'),
      hash_record_extended(row(NEW."tenure_days", NEW."plan", NEW."raw_days"), 0)::text,
      _routes, case tg_op when 'UPDATE' then coalesce((_note ->> 'routed')::bigint, 9223372036854775807) end, 'mlguard.post_routed_fc531f492982');
  end if;
  if tg_op = 'INSERT' and current_setting('mlguard.post_both_fc531f492982', true) = 'both' then
    perform set_config('mlguard.post_memo_fc531f492982', mlguard.sealed_v1(jsonb_build_object('op', 'INSERT', 'statement', pg_catalog.currval('mlguard."statement of features.customer"'::pg_catalog.regclass),
      'key', jsonb_build_object('customer_id', NEW."customer_id"),
      'now', jsonb_build_object('tenure_days', NEW."tenure_days", 'plan', NEW."plan"),
      'raw', jsonb_build_object('raw_days', NEW."raw_days"), 'routed', _routed, 'first', _first,
      'count', jsonb_array_length(_lines))), true);
  elsif tg_op = 'UPDATE' and _note ->> 'first' is not null then
    perform mlguard.post_moved_v1('features.customer', (_note ->> 'first')::bigint,
      (_note ->> 'count')::integer, _taken, hash_record_extended(row(NEW."tenure_days", NEW."plan", NEW."raw_days"), 0)::text);
  end if;
  return NEW;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."broken row features.customer"(record, record, text) from public;

-- phase: change, locks: none
comment on function mlguard."broken row features.customer"(record, record, text) is 'mlguard:features.customer/age.range:57d9d5a2beee';

-- undo: drop function if exists mlguard."broken row features.customer"(record, record, text);

-- function mlguard."post features.customer points 3"(double precision)
-- why: interpolates between the points of a calibration
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer points 3"(p_value double precision)
returns double precision
language plpgsql
stable security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- A straight line between the two nearest points; outside all of them the value of the nearest.
#variable_conflict use_variable
declare
  _x_1 double precision;
  _y_1 double precision;
  _x_2 double precision;
  _y_2 double precision;
begin
  if p_value is null or p_value = 'NaN' then
    return p_value;
  end if;
  select p."x", p."y" into _x_1, _y_1 from "ops"."points" as p where p."x" <= p_value order by p."x" desc limit 1;
  select p."x", p."y" into _x_2, _y_2 from "ops"."points" as p where p."x" >= p_value order by p."x" limit 1;
  return case
    when _x_1 is null then _y_2
    when _x_2 is null or _x_1 = _x_2 then _y_1
    else _y_1 + (_y_2 - _y_1) * ((p_value - _x_1) / (_x_2 - _x_1))
  end;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer points 3"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer points 3"(double precision) is 'mlguard:features.customer:1a8d57e945e8';

-- undo: drop function if exists mlguard."post features.customer points 3"(double precision);

-- function mlguard."post features.customer test 2 (tenure_days)"(text, double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer test 2 (tenure_days)"(tg_op text, "tenure_days" double precision)
returns boolean
language sql
stable
begin atomic
  select (tg_op <> 'INSERT' or current_setting('mlguard.post_both_fc531f492982', true) = 'both')
    or ("tenure_days" is null)
    or ((case when "tenure_days" <> '0'::double precision and abs("tenure_days") not between '1E-150'::double precision and '1E+150'::double precision then false when -('1.3'::double precision * "tenure_days" + '-0.2'::double precision) not between '-300'::double precision and '300'::double precision then false else true end) is not true);
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer test 2 (tenure_days)"(text, double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer test 2 (tenure_days)"(text, double precision) is 'mlguard:features.customer:3786f4d75947';

-- undo: drop function if exists mlguard."post features.customer test 2 (tenure_days)"(text, double precision);

-- function mlguard."post features.customer value 2.1 tenure_days (tenure_days)"(double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer value 2.1 tenure_days (tenure_days)"("tenure_days" double precision)
returns double precision
language sql
stable
begin atomic
  select ('1'::double precision / ('1'::double precision + exp(-('1.3'::double precision * "tenure_days" + '-0.2'::double precision))));
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer value 2.1 tenure_days (tenure_days)"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer value 2.1 tenure_days (tenure_days)"(double precision) is 'mlguard:features.customer:597471ba4e90';

-- undo: drop function if exists mlguard."post features.customer value 2.1 tenure_days (tenure_days)"(double precision);

-- function mlguard."post features.customer test 4 (tenure_days)"(double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer test 4 (tenure_days)"("tenure_days" double precision)
returns boolean
language sql
stable
begin atomic
  select ("tenure_days" < '0'::double precision or "tenure_days" > '1'::double precision or "tenure_days" = 'NaN'::double precision);
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer test 4 (tenure_days)"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer test 4 (tenure_days)"(double precision) is 'mlguard:features.customer:d4c43a190a45';

-- undo: drop function if exists mlguard."post features.customer test 4 (tenure_days)"(double precision);

-- function mlguard."post features.customer value 5.1 tenure_days (tenure_days)"(double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer value 5.1 tenure_days (tenure_days)"("tenure_days" double precision)
returns double precision
language sql
stable
begin atomic
  select (case when abs("tenure_days") < '100000000000'::double precision then round("tenure_days" * '10000'::double precision) / '10000'::double precision else "tenure_days" end);
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer value 5.1 tenure_days (tenure_days)"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer value 5.1 tenure_days (tenure_days)"(double precision) is 'mlguard:features.customer:4d9a2d9f2fc3';

-- undo: drop function if exists mlguard."post features.customer value 5.1 tenure_days (tenure_days)"(double precision);

-- function mlguard."post features.customer test 6 (age)"(integer)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer test 6 (age)"("age" integer)
returns boolean
language sql
stable
begin atomic
  select ("age" > 3);
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer test 6 (age)"(integer) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer test 6 (age)"(integer) is 'mlguard:features.customer:5a803c9eede5';

-- undo: drop function if exists mlguard."post features.customer test 6 (age)"(integer);

-- function mlguard."post features.customer when 7 (plan)"(text)
-- why: a condition of the steps that reads other tables
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer when 7 (plan)"("plan" text)
returns boolean
language plpgsql
stable security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Whether step listed may hold; true too where that cannot be evaluated.
begin
  return case when exists (select from "ops"."plans" as looked where looked."plan" = "plan") then false when ("plan" is null and exists (select from "ops"."plans" as looked)) or exists (select from "ops"."plans" as looked where looked."plan" is null) then null else true end;
exception
  when others then
    return true;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer when 7 (plan)"(text) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer when 7 (plan)"(text) is 'mlguard:features.customer:83859bd94680';

-- undo: drop function if exists mlguard."post features.customer when 7 (plan)"(text);

-- function mlguard."post features.customer test 8 (tenure_days)"(double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer test 8 (tenure_days)"("tenure_days" double precision)
returns boolean
language sql
stable
begin atomic
  select ("tenure_days" < '0.1'::double precision);
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer test 8 (tenure_days)"(double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer test 8 (tenure_days)"(double precision) is 'mlguard:features.customer:76a89b9a3783';

-- undo: drop function if exists mlguard."post features.customer test 8 (tenure_days)"(double precision);

-- function mlguard."breaks features.customer (age)"(integer)
-- why: holds the rules, bound when it was made
-- for: features.customer/age.range

-- phase: change, locks: none
create or replace function mlguard."breaks features.customer (age)"("age" integer)
returns boolean
language sql
stable
begin atomic
  select (not ("age" between 0 and 130));
end;

-- phase: change, locks: none
revoke all on function mlguard."breaks features.customer (age)"(integer) from public;

-- phase: change, locks: none
comment on function mlguard."breaks features.customer (age)"(integer) is 'mlguard:features.customer/age.range:f1bcb09df49d';

-- undo: drop function if exists mlguard."breaks features.customer (age)"(integer);

-- function mlguard."post features.customer same (tenure_days, plan, raw_days)"(double precision, double precision, text, text, double precision, double precision)
-- why: an expression of the steps, bound when it was made
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."post features.customer same (tenure_days, plan, raw_days)"(a_0 double precision, b_0 double precision, a_1 text, b_1 text, a_2 double precision, b_2 double precision)
returns boolean
language sql
stable
begin atomic
  select a_0 is not distinct from b_0
    and a_1 is not distinct from b_1
    and a_2 is not distinct from b_2;
end;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer same (tenure_days, plan, raw_days)"(double precision, double precision, text, text, double precision, double precision) from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer same (tenure_days, plan, raw_days)"(double precision, double precision, text, text, double precision, double precision) is 'mlguard:features.customer:a0cea49ce5ad';

-- undo: drop function if exists mlguard."post features.customer same (tenure_days, plan, raw_days)"(double precision, double precision, text, text, double precision, double precision);

-- function mlguard."before row features.customer"()
-- why: post-prediction steps change a row before it lands
-- for: features.customer/age.range

-- phase: change, locks: none
create or replace function mlguard."before row features.customer"()
returns trigger
language plpgsql
security definer
as $mlguard$
-- Every row written to features.customer. Pins no search_path, which a good row would pay
-- for: nothing here is looked up in it. Post-prediction steps:
--   prior: set
--   curve: calibrate
--   points: calibrate
--   clip: clamp
--   round: round
--   blocked: set
--   listed: set
--   unsure: route
#variable_conflict use_variable
declare
  _1 double precision := NEW."tenure_days";
  _1_next double precision;
begin
  <<plain>>
  begin
    exit plain when mlguard."post features.customer test 2 (tenure_days)"(TG_OP, _1);
    _1 := mlguard."post features.customer value 2.1 tenure_days (tenure_days)"(_1);
    _1_next := mlguard."post features.customer points 3"(_1);
    exit plain when _1_next is null and _1 is not null;
    _1 := _1_next;
    exit plain when mlguard."post features.customer test 4 (tenure_days)"(_1);
    _1 := mlguard."post features.customer value 5.1 tenure_days (tenure_days)"(_1);
    if mlguard."post features.customer test 6 (age)"(NEW."age") is true then
      perform from "ops"."blocked" as looked
      where looked."id" operator(pg_catalog.=) NEW."customer_id";
      exit plain when found;
    end if;
    exit plain when mlguard."post features.customer when 7 (plan)"(NEW."plan");
    exit plain when mlguard."post features.customer test 8 (tenure_days)"(_1);
    exit plain when mlguard."breaks features.customer (age)"(NEW."age");
    NEW."raw_days" := NEW."tenure_days";
    NEW."tenure_days" := _1;
    return NEW;
  end plain;
  if TG_OP operator(pg_catalog.=) 'UPDATE' then
    if mlguard."post features.customer same (tenure_days, plan, raw_days)"(NEW."tenure_days", OLD."tenure_days", NEW."plan", OLD."plan", NEW."raw_days", OLD."raw_days")
      and mlguard."breaks features.customer (age)"(NEW."age") is not true then
      return NEW;
    end if;
  end if;
  return mlguard."broken row features.customer"(NEW, OLD, TG_OP);
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."before row features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."before row features.customer"() is 'mlguard:features.customer/age.range:7e019caa7fdc';

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
      select case when s.is_called then s.last_value operator(pg_catalog.+) 1 else s.last_value end from mlguard._change_id_seq as s)),
    pg_catalog.setval('mlguard."routed of features.customer"'::pg_catalog.regclass, (
      select case when s.is_called then s.last_value operator(pg_catalog.+) 1 else s.last_value end from mlguard._review_id_seq as s));
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."post features.customer before"() from public;

-- phase: change, locks: none
comment on function mlguard."post features.customer before"() is 'mlguard:features.customer:a89501cef41d';

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
          and hash_record_extended(row(t."tenure_days", t."plan", t."raw_days"), 0)::text = c.row_hash
      );
    perform set_config('mlguard.post_lines_fc531f492982', '', true);
  end if;
  if current_setting('mlguard.post_routed_fc531f492982', true) <> '' then
    _from := pg_catalog.currval('mlguard."routed of features.customer"'::pg_catalog.regclass);
    delete from mlguard._review as c
    where c.batch = _batch
      and c.id >= _from
      and c.tbl = 'features.customer'
      and c.step_set is not null
      and not exists (
        select from "features"."customer" as t
        where t."customer_id" = (c.key ->> 'customer_id')::bigint
          and t.xmin = c.xmin  -- written by the same (sub)transaction
          and hash_record_extended(row(t."tenure_days", t."plan", t."raw_days"), 0)::text = c.row_hash
      );
    perform set_config('mlguard.post_routed_fc531f492982', '', true);
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after post features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after post features.customer"() is 'mlguard:features.customer:4f82254670ec';

-- undo: drop function if exists mlguard."after post features.customer"();

-- function mlguard."after removal of routed features.customer"()
-- why: a row that is deleted needs no review
-- for: features.customer

-- phase: change, locks: none
create or replace function mlguard."after removal of routed features.customer"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- Ends the reviews of rows of features.customer that were deleted.
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.unrouted_v1('features.customer', null);
  elsif exists (select from mlguard._review as w where w.tbl = 'features.customer' and w.status in ('pending', 'rejected')) then
    perform mlguard.unrouted_v1('features.customer',
      array(select coalesce(o."customer_id"::text, E'\x1e') from old_rows as o));
  end if;
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after removal of routed features.customer"() from public;

-- phase: change, locks: none
comment on function mlguard."after removal of routed features.customer"() is 'mlguard:features.customer:21fec38aec34';

-- undo: drop function if exists mlguard."after removal of routed features.customer"();

-- function mlguard."count before features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range

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
comment on function mlguard."count before features.customer"() is 'mlguard:features.customer/age.range:8c5b302745c7';

-- undo: drop function if exists mlguard."count before features.customer"();

-- function mlguard."kept out features.customer"()
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range

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
comment on function mlguard."kept out features.customer"() is 'mlguard:features.customer/age.range:659b8db1eed3';

-- undo: drop function if exists mlguard."kept out features.customer"();

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
when ((current_setting('mlguard.post_lines_fc531f492982', true) <> '' or current_setting('mlguard.post_routed_fc531f492982', true) <> '') and not mlguard.copying_v1('"features"."customer"'::regclass))
execute function mlguard."after post features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_post_after;

-- phase: change, locks: none
comment on trigger zz_mlguard_post_after on "features"."customer" is 'mlguard:features.customer:111fc35bcc8d';

-- undo: drop trigger if exists zz_mlguard_post_after on "features"."customer";

-- trigger zz_mlguard_post_removed_delete
-- why: a row that is deleted needs no review
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_post_removed_delete
after delete on "features"."customer"
referencing old table as old_rows
for each statement
execute function mlguard."after removal of routed features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_post_removed_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_post_removed_delete on "features"."customer" is 'mlguard:features.customer:b770de01b185';

-- undo: drop trigger if exists zz_mlguard_post_removed_delete on "features"."customer";

-- trigger zz_mlguard_post_removed_truncate
-- why: a row that is deleted needs no review
-- for: features.customer

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_post_removed_truncate
after truncate on "features"."customer"
for each statement
execute function mlguard."after removal of routed features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_post_removed_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_post_removed_truncate on "features"."customer" is 'mlguard:features.customer:8d38f35245db';

-- undo: drop trigger if exists zz_mlguard_post_removed_truncate on "features"."customer";

-- trigger zz_mlguard_before_row
-- why: a row can be kept out or changed only before it lands
-- for: features.customer/age.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_before_row
before insert or update on "features"."customer"
for each row
execute function mlguard."before row features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_before_row;

-- phase: change, locks: none
comment on trigger zz_mlguard_before_row on "features"."customer" is 'mlguard:features.customer/age.range:4fdffe0a70de';

-- undo: drop trigger if exists zz_mlguard_before_row on "features"."customer";

-- trigger zz_mlguard_count_before
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_count_before
before insert or update on "features"."customer"
for each statement
execute function mlguard."count before features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_count_before;

-- phase: change, locks: none
comment on trigger zz_mlguard_count_before on "features"."customer" is 'mlguard:features.customer/age.range:8821f398b290';

-- undo: drop trigger if exists zz_mlguard_count_before on "features"."customer";

-- trigger zz_mlguard_kept_out
-- why: tells the writer how many rows were kept out
-- for: features.customer/age.range

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_kept_out
after insert or update on "features"."customer"
for each statement
when (strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0)
execute function mlguard."kept out features.customer"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "features"."customer" enable always trigger zz_mlguard_kept_out;

-- phase: change, locks: none
comment on trigger zz_mlguard_kept_out on "features"."customer" is 'mlguard:features.customer/age.range:9abf2f6a7db1';

-- undo: drop trigger if exists zz_mlguard_kept_out on "features"."customer";

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

-- guarded view features.customer_guarded
-- why: readers reach the table through its gate
-- for: features.customer

-- phase: change, locks: none
create or replace view "features"."customer_guarded" as
select
  t."customer_id",
  t."age",
  t."plan",
  t."tenure_days",
  t."email",
  t."payload",
  t."event_ts",
  t."raw_days"
from (select offset 0) as gate
join "features"."customer" as t
  on case
    when not exists (
      select from mlguard._hold as h
      where h.tbl = 'features.customer' and h.ended_at is null
    )
    then true
    else mlguard.guard_v1('features.customer')
  end
where (
    not (select exists (select from mlguard._review as w where w.tbl = 'features.customer' and w.status in ('pending', 'rejected')))
    or not exists (
      select from mlguard._review as w
      where w.tbl = 'features.customer' and w.status in ('pending', 'rejected')
        and w.row_key = coalesce(t."customer_id"::text, E'\x1e')
    )
  );

-- phase: change, locks: none
do $mlguard$
begin
  if exists (select from pg_catalog.pg_roles where rolname = 'mlguard_task') then
    grant select on "features"."customer_guarded" to "mlguard_task";
  end if;
end
$mlguard$;

-- phase: change, locks: none
comment on view "features"."customer_guarded" is 'mlguard:features.customer:2d6eb36494e9';

-- undo: drop view if exists "features"."customer_guarded";
