-- function mlguard."judge assertion hr.employee/salary.increasing_by"(text[])
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched name is judged again
-- for: hr.employee/salary.increasing_by

-- phase: change, locks: none
create or replace function mlguard."judge assertion hr.employee/salary.increasing_by"(_keys pg_catalog.text[])
returns table (n bigint, samples pg_catalog.jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- hr.employee/salary.increasing_by: how many rows the assertion returns, and the first of them.
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
      from "mlguard"."assertion_salary_increasing_by_73965194" as q
    ) as f;
  else
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_salary_increasing_by_73965194" as q
      where q."name" = any (_touched)
    ) as f;
  end if;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."judge assertion hr.employee/salary.increasing_by"(pg_catalog.text[]) from public;

-- phase: change, locks: none
comment on function mlguard."judge assertion hr.employee/salary.increasing_by"(pg_catalog.text[]) is 'mlguard:hr.employee/salary.increasing_by:b5123eb84c53';

-- undo: drop function if exists mlguard."judge assertion hr.employee/salary.increasing_by"(pg_catalog.text[]);

-- assertion mlguard.assertion_salary_increasing_by_73965194
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched name is judged again
-- for: hr.employee/salary.increasing_by

-- phase: change, locks: none
create view "mlguard"."assertion_salary_increasing_by_73965194" as
select "name", "dept", "moment", "salary", "salary_before",
  'salary falls from ' || "salary_before" || ' to ' || "salary" || ' at ' || "moment" as "says"
from (
  select "name", "dept", "salary", (hired) as "moment",
    max("salary") over (
      partition by "name", "dept" order by (hired)
      groups between 1 preceding and 1 preceding
    ) as "salary_before"
  from "hr"."employee"
  where "name" is not null
    and "dept" is not null
    and "salary" is not null
    and (hired) is not null
) as ordered
where "salary" < "salary_before";

-- phase: change, locks: none
comment on view "mlguard"."assertion_salary_increasing_by_73965194" is 'mlguard:hr.employee/salary.increasing_by:bb384e9391dc';

-- phase: change, locks: none
-- reject
select mlguard.put_assertion_v1(
  'hr.employee/salary.increasing_by',
  array['hr.employee'],
  'assertion_salary_increasing_by_73965194',
  'mlguard."judge assertion hr.employee/salary.increasing_by"',
  false,
  'b2db662c70b0'
);

-- phase: validate, locks: the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait
select mlguard.try_assertion_v1('hr.employee/salary.increasing_by');

-- undo: select mlguard.end_assertion_v1('hr.employee/salary.increasing_by');

-- undo: drop view if exists "mlguard"."assertion_salary_increasing_by_73965194";

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

-- function mlguard."after writes hr.employee"()
-- why: every transaction that writes hr.employee has salary.increasing_by, paid judged at its COMMIT
-- for: hr.employee/salary.increasing_by, hr.employee/paid

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
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.assertion_due_v1('hr.employee/salary.increasing_by', 'b2db662c70b0', null);
    perform mlguard.assertion_due_v1('hr.employee/paid', 'f0a9661b8baf', null);
    return null;
  end if;
  if TG_OP = 'INSERT' then
    if not exists (select from new_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."name"::pg_catalog.text from new_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."name"::pg_catalog.text from new_rows as r limit 1001);
    end if;
  elsif TG_OP = 'DELETE' then
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."name"::pg_catalog.text from old_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."name"::pg_catalog.text from old_rows as r limit 1001);
    end if;
  else
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."name"::pg_catalog.text from (
        select u."name" from old_rows as u
        union all
        select u."name" from new_rows as u
      ) as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."name"::pg_catalog.text from (
        select u."name" from old_rows as u
        union all
        select u."name" from new_rows as u
      ) as r limit 1001);
    end if;
  end if;
  perform mlguard.assertion_due_v1('hr.employee/salary.increasing_by', 'b2db662c70b0', _keys_1);
  perform mlguard.assertion_due_v1('hr.employee/paid', 'f0a9661b8baf', _keys_1);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after writes hr.employee"() from public;

-- phase: change, locks: none
comment on function mlguard."after writes hr.employee"() is 'mlguard:hr.employee:7cc4c7bac3a3';

-- undo: drop function if exists mlguard."after writes hr.employee"();

-- trigger zz_mlguard_assertions_insert
-- why: every transaction that writes hr.employee has salary.increasing_by, paid judged at its COMMIT
-- for: hr.employee/salary.increasing_by, hr.employee/paid

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
-- why: every transaction that writes hr.employee has salary.increasing_by, paid judged at its COMMIT
-- for: hr.employee/salary.increasing_by, hr.employee/paid

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
-- why: every transaction that writes hr.employee has salary.increasing_by, paid judged at its COMMIT
-- for: hr.employee/salary.increasing_by, hr.employee/paid

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
-- why: every transaction that writes hr.employee has salary.increasing_by, paid judged at its COMMIT
-- for: hr.employee/salary.increasing_by, hr.employee/paid

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
