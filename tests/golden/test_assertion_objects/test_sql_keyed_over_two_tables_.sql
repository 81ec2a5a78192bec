-- function mlguard."judge assertion hr.employee/within_budget"(text[])
-- why: judged at COMMIT of every transaction that writes hr.department or hr.employee, one after another under a row lock of its own; only the touched dept is judged again
-- for: hr.employee/within_budget

-- phase: change, locks: none
create or replace function mlguard."judge assertion hr.employee/within_budget"(_keys pg_catalog.text[])
returns table (n bigint, samples pg_catalog.jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- hr.employee/within_budget: how many rows the assertion returns, and the first of them.
-- _keys: only rows whose key was touched can be new; null: all are counted.
#variable_conflict use_variable
declare
  _touched pg_catalog.int8[] := _keys;
begin
  if _keys is null then
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_within_budget_a64f247a" as q
    ) as f;
  else
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_within_budget_a64f247a" as q
      where q."dept" = any (_touched)
    ) as f;
  end if;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."judge assertion hr.employee/within_budget"(pg_catalog.text[]) from public;

-- phase: change, locks: none
comment on function mlguard."judge assertion hr.employee/within_budget"(pg_catalog.text[]) is 'mlguard:hr.employee/within_budget:ca85b88d41f6';

-- undo: drop function if exists mlguard."judge assertion hr.employee/within_budget"(pg_catalog.text[]);

-- assertion mlguard.assertion_within_budget_a64f247a
-- why: judged at COMMIT of every transaction that writes hr.department or hr.employee, one after another under a row lock of its own; only the touched dept is judged again
-- for: hr.employee/within_budget

-- phase: change, locks: none
create view "mlguard"."assertion_within_budget_a64f247a" as
SELECT d.dept, sum(e.salary) AS spent FROM hr.department d JOIN hr.employee e ON e.dept = d.dept
GROUP BY d.dept, d.budget HAVING sum(e.salary) > d.budget;

-- phase: change, locks: none
comment on view "mlguard"."assertion_within_budget_a64f247a" is 'mlguard:hr.employee/within_budget:117bd9498b78';

-- phase: change, locks: none
-- hold
select mlguard.put_assertion_v1(
  'hr.employee/within_budget',
  array['hr.department', 'hr.employee'],
  'assertion_within_budget_a64f247a',
  'mlguard."judge assertion hr.employee/within_budget"',
  false,
  '2725ff0c32ae'
);

-- phase: validate, locks: the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait
select mlguard.try_assertion_v1('hr.employee/within_budget');

-- undo: select mlguard.end_assertion_v1('hr.employee/within_budget');

-- undo: drop view if exists "mlguard"."assertion_within_budget_a64f247a";

-- function mlguard."judge assertion hr.employee/paid"(text[])
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched name is judged again
-- for: hr.employee/paid

-- phase: change, locks: none
create or replace function mlguard."judge assertion hr.employee/paid"(_keys pg_catalog.text[])
returns table (n bigint, samples pg_catalog.jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- hr.employee/paid: how many rows the assertion returns, and the first of them.
-- _keys: only rows whose key was touched can be new; null: all are counted.
#variable_conflict use_variable
declare
  _touched pg_catalog.text[] := _keys;
begin
  if _keys is null then
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_paid_7a239e5f" as q
    ) as f;
  else
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_paid_7a239e5f" as q
      where q."name" = any (_touched)
    ) as f;
  end if;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."judge assertion hr.employee/paid"(pg_catalog.text[]) from public;

-- phase: change, locks: none
comment on function mlguard."judge assertion hr.employee/paid"(pg_catalog.text[]) is 'mlguard:hr.employee/paid:c639c8a5d86f';

-- undo: drop function if exists mlguard."judge assertion hr.employee/paid"(pg_catalog.text[]);

-- assertion mlguard.assertion_paid_7a239e5f
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched name is judged again
-- for: hr.employee/paid

-- phase: change, locks: none
create view "mlguard"."assertion_paid_7a239e5f" as
SELECT name FROM hr.employee WHERE salary <= 0;

-- phase: change, locks: none
comment on view "mlguard"."assertion_paid_7a239e5f" is 'mlguard:hr.employee/paid:b9fc4647d177';

-- phase: change, locks: none
-- reject
select mlguard.put_assertion_v1(
  'hr.employee/paid',
  array['hr.employee'],
  'assertion_paid_7a239e5f',
  'mlguard."judge assertion hr.employee/paid"',
  false,
  'f0a9661b8baf'
);

-- phase: validate, locks: the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait
select mlguard.try_assertion_v1('hr.employee/paid');

-- undo: select mlguard.end_assertion_v1('hr.employee/paid');

-- undo: drop view if exists "mlguard"."assertion_paid_7a239e5f";

-- function mlguard."after writes hr.department for hr.employee"()
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: none
create or replace function mlguard."after writes hr.department for hr.employee"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- hr.department, once a statement that wrote rows: has assertions judged at COMMIT.
#variable_conflict use_variable
declare
  _keys_1 pg_catalog.text[];
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.assertion_due_v1('hr.employee/within_budget', '2725ff0c32ae', null);
    return null;
  end if;
  if TG_OP = 'INSERT' then
    if not exists (select from new_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from new_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from new_rows as r limit 1001);
    end if;
  elsif TG_OP = 'DELETE' then
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from old_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from old_rows as r limit 1001);
    end if;
  else
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from (
        select u."dept" from old_rows as u
        union all
        select u."dept" from new_rows as u
      ) as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from (
        select u."dept" from old_rows as u
        union all
        select u."dept" from new_rows as u
      ) as r limit 1001);
    end if;
  end if;
  perform mlguard.assertion_due_v1('hr.employee/within_budget', '2725ff0c32ae', _keys_1);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after writes hr.department for hr.employee"() from public;

-- phase: change, locks: none
comment on function mlguard."after writes hr.department for hr.employee"() is 'mlguard:hr.employee/within_budget:641e65ce994b';

-- undo: drop function if exists mlguard."after writes hr.department for hr.employee"();

-- trigger zz_mlguard_assertions_insert_53b134b4 on hr.department
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_insert_53b134b4
after insert on "hr"."department"
referencing new table as new_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department" enable always trigger zz_mlguard_assertions_insert_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_insert_53b134b4 on "hr"."department" is 'mlguard:hr.employee/within_budget:4b3f3952bf35';

-- undo: drop trigger if exists zz_mlguard_assertions_insert_53b134b4 on "hr"."department";

-- trigger zz_mlguard_assertions_update_53b134b4 on hr.department
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_update_53b134b4
after update on "hr"."department"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department" enable always trigger zz_mlguard_assertions_update_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_update_53b134b4 on "hr"."department" is 'mlguard:hr.employee/within_budget:5074f8d7002f';

-- undo: drop trigger if exists zz_mlguard_assertions_update_53b134b4 on "hr"."department";

-- trigger zz_mlguard_assertions_delete_53b134b4 on hr.department
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_delete_53b134b4
after delete on "hr"."department"
referencing old table as old_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department" enable always trigger zz_mlguard_assertions_delete_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_delete_53b134b4 on "hr"."department" is 'mlguard:hr.employee/within_budget:7608903bd347';

-- undo: drop trigger if exists zz_mlguard_assertions_delete_53b134b4 on "hr"."department";

-- trigger zz_mlguard_assertions_truncate_53b134b4 on hr.department
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_truncate_53b134b4
after truncate on "hr"."department"
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department" enable always trigger zz_mlguard_assertions_truncate_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_truncate_53b134b4 on "hr"."department" is 'mlguard:hr.employee/within_budget:0c05485b7a82';

-- undo: drop trigger if exists zz_mlguard_assertions_truncate_53b134b4 on "hr"."department";

-- trigger zz_mlguard_assertions_insert_53b134b4 on hr.department_old
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_insert_53b134b4
after insert on "hr"."department_old"
referencing new table as new_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department_old" enable always trigger zz_mlguard_assertions_insert_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_insert_53b134b4 on "hr"."department_old" is 'mlguard:hr.employee/within_budget:4b3f3952bf35';

-- undo: drop trigger if exists zz_mlguard_assertions_insert_53b134b4 on "hr"."department_old";

-- trigger zz_mlguard_assertions_update_53b134b4 on hr.department_old
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_update_53b134b4
after update on "hr"."department_old"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department_old" enable always trigger zz_mlguard_assertions_update_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_update_53b134b4 on "hr"."department_old" is 'mlguard:hr.employee/within_budget:5074f8d7002f';

-- undo: drop trigger if exists zz_mlguard_assertions_update_53b134b4 on "hr"."department_old";

-- trigger zz_mlguard_assertions_delete_53b134b4 on hr.department_old
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_delete_53b134b4
after delete on "hr"."department_old"
referencing old table as old_rows
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department_old" enable always trigger zz_mlguard_assertions_delete_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_delete_53b134b4 on "hr"."department_old" is 'mlguard:hr.employee/within_budget:7608903bd347';

-- undo: drop trigger if exists zz_mlguard_assertions_delete_53b134b4 on "hr"."department_old";

-- trigger zz_mlguard_assertions_truncate_53b134b4 on hr.department_old
-- why: every transaction that writes hr.department has within_budget judged at its COMMIT
-- for: hr.employee/within_budget

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_truncate_53b134b4
after truncate on "hr"."department_old"
for each statement
execute function mlguard."after writes hr.department for hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."department_old" enable always trigger zz_mlguard_assertions_truncate_53b134b4;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_truncate_53b134b4 on "hr"."department_old" is 'mlguard:hr.employee/within_budget:0c05485b7a82';

-- undo: drop trigger if exists zz_mlguard_assertions_truncate_53b134b4 on "hr"."department_old";

-- function mlguard."after writes hr.employee"()
-- why: every transaction that writes hr.employee has within_budget, paid judged at its COMMIT
-- for: hr.employee/within_budget, hr.employee/paid

-- phase: change, locks: none
create or replace function mlguard."after writes hr.employee"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- hr.employee, once a statement that wrote rows: has assertions judged at COMMIT.
#variable_conflict use_variable
declare
  _keys_1 pg_catalog.text[];
  _keys_2 pg_catalog.text[];
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.assertion_due_v1('hr.employee/within_budget', '2725ff0c32ae', null);
    perform mlguard.assertion_due_v1('hr.employee/paid', 'f0a9661b8baf', null);
    return null;
  end if;
  if TG_OP = 'INSERT' then
    if not exists (select from new_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from new_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from new_rows as r limit 1001);
    end if;
    _keys_2 := array(
      select r."name"::pg_catalog.text from new_rows as r limit 5001);
    if cardinality(_keys_2) > 5000
       and (select count(distinct k.key) from unnest(_keys_2) as k (key)) <= 1000 then
      _keys_2 := array(
        select distinct r."name"::pg_catalog.text from new_rows as r limit 1001);
    end if;
  elsif TG_OP = 'DELETE' then
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from old_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from old_rows as r limit 1001);
    end if;
    _keys_2 := array(
      select r."name"::pg_catalog.text from old_rows as r limit 5001);
    if cardinality(_keys_2) > 5000
       and (select count(distinct k.key) from unnest(_keys_2) as k (key)) <= 1000 then
      _keys_2 := array(
        select distinct r."name"::pg_catalog.text from old_rows as r limit 1001);
    end if;
  else
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."dept"::pg_catalog.text from (
        select u."dept", u."name" from old_rows as u
        union all
        select u."dept", u."name" from new_rows as u
      ) as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."dept"::pg_catalog.text from (
        select u."dept", u."name" from old_rows as u
        union all
        select u."dept", u."name" from new_rows as u
      ) as r limit 1001);
    end if;
    _keys_2 := array(
      select r."name"::pg_catalog.text from (
        select u."dept", u."name" from old_rows as u
        union all
        select u."dept", u."name" from new_rows as u
      ) as r limit 5001);
    if cardinality(_keys_2) > 5000
       and (select count(distinct k.key) from unnest(_keys_2) as k (key)) <= 1000 then
      _keys_2 := array(
        select distinct r."name"::pg_catalog.text from (
        select u."dept", u."name" from old_rows as u
        union all
        select u."dept", u."name" from new_rows as u
      ) as r limit 1001);
    end if;
  end if;
  perform mlguard.assertion_due_v1('hr.employee/within_budget', '2725ff0c32ae', _keys_1);
  perform mlguard.assertion_due_v1('hr.employee/paid', 'f0a9661b8baf', _keys_2);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after writes hr.employee"() from public;

-- phase: change, locks: none
comment on function mlguard."after writes hr.employee"() is 'mlguard:hr.employee:812733cca9f5';

-- undo: drop function if exists mlguard."after writes hr.employee"();

-- trigger zz_mlguard_assertions_insert
-- why: every transaction that writes hr.employee has within_budget, paid judged at its COMMIT
-- for: hr.employee/within_budget, hr.employee/paid

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_insert
after insert on "hr"."employee"
referencing new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_insert on "hr"."employee" is 'mlguard:hr.employee:45d7e5a0a295';

-- undo: drop trigger if exists zz_mlguard_assertions_insert on "hr"."employee";

-- trigger zz_mlguard_assertions_update
-- why: every transaction that writes hr.employee has within_budget, paid judged at its COMMIT
-- for: hr.employee/within_budget, hr.employee/paid

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_update
after update on "hr"."employee"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_update on "hr"."employee" is 'mlguard:hr.employee:81694f41195d';

-- undo: drop trigger if exists zz_mlguard_assertions_update on "hr"."employee";

-- trigger zz_mlguard_assertions_delete
-- why: every transaction that writes hr.employee has within_budget, paid judged at its COMMIT
-- for: hr.employee/within_budget, hr.employee/paid

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_delete
after delete on "hr"."employee"
referencing old table as old_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_delete on "hr"."employee" is 'mlguard:hr.employee:7e6d20f3ee89';

-- undo: drop trigger if exists zz_mlguard_assertions_delete on "hr"."employee";

-- trigger zz_mlguard_assertions_truncate
-- why: every transaction that writes hr.employee has within_budget, paid judged at its COMMIT
-- for: hr.employee/within_budget, hr.employee/paid

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_truncate
after truncate on "hr"."employee"
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_truncate on "hr"."employee" is 'mlguard:hr.employee:c3b7878b0e78';

-- undo: drop trigger if exists zz_mlguard_assertions_truncate on "hr"."employee";
