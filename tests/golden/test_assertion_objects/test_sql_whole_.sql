-- function mlguard."judge assertion hr.employee/same_salary"(text[])
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; the whole SELECT runs, because no column of its result tells which rows a write can change
-- for: hr.employee/same_salary

-- phase: change, locks: none
create or replace function mlguard."judge assertion hr.employee/same_salary"(_keys pg_catalog.text[])
returns table (n bigint, samples pg_catalog.jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
as $mlguard$
-- hr.employee/same_salary: how many rows the assertion returns, and the first of them.
-- _keys: only rows whose key was touched can be new; null: all are counted.
begin
  return query
  select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
  from (
    select to_jsonb((q.*)) as found, row_number() over () as place
    from "mlguard"."assertion_same_salary_93dba4b3" as q
  ) as f;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."judge assertion hr.employee/same_salary"(pg_catalog.text[]) from public;

-- phase: change, locks: none
comment on function mlguard."judge assertion hr.employee/same_salary"(pg_catalog.text[]) is 'mlguard:hr.employee/same_salary:c39af14f4238';

-- undo: drop function if exists mlguard."judge assertion hr.employee/same_salary"(pg_catalog.text[]);

-- assertion mlguard.assertion_same_salary_93dba4b3
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; the whole SELECT runs, because no column of its result tells which rows a write can change
-- for: hr.employee/same_salary

-- phase: change, locks: none
create view "mlguard"."assertion_same_salary_93dba4b3" as
SELECT a.name FROM hr.employee a JOIN hr.employee b ON a.name = 'Joe' AND b.name = 'Fred'
WHERE a.salary <> b.salary;

-- phase: change, locks: none
comment on view "mlguard"."assertion_same_salary_93dba4b3" is 'mlguard:hr.employee/same_salary:7ce926c444cb';

-- phase: change, locks: none
-- reject
select mlguard.put_assertion_v1(
  'hr.employee/same_salary',
  array['hr.employee'],
  'assertion_same_salary_93dba4b3',
  'mlguard."judge assertion hr.employee/same_salary"',
  false,
  'c84cc0ac3f1d'
);

-- phase: validate, locks: the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait
select mlguard.try_assertion_v1('hr.employee/same_salary');

-- undo: select mlguard.end_assertion_v1('hr.employee/same_salary');

-- undo: drop view if exists "mlguard"."assertion_same_salary_93dba4b3";

-- function mlguard."after writes hr.employee"()
-- why: every transaction that writes hr.employee has same_salary judged at its COMMIT
-- for: hr.employee/same_salary

-- phase: change, locks: none
create or replace function mlguard."after writes hr.employee"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
-- hr.employee, once a statement that wrote rows: has assertions judged at COMMIT.
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.assertion_due_v1('hr.employee/same_salary', 'c84cc0ac3f1d', null);
    return null;
  end if;
  if TG_OP = 'INSERT' then
    if not exists (select from new_rows) then
      return null;
    end if;
  else
    if not exists (select from old_rows) then
      return null;
    end if;
  end if;
  perform mlguard.assertion_due_v1('hr.employee/same_salary', 'c84cc0ac3f1d', null);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after writes hr.employee"() from public;

-- phase: change, locks: none
comment on function mlguard."after writes hr.employee"() is 'mlguard:hr.employee/same_salary:871dc2607530';

-- undo: drop function if exists mlguard."after writes hr.employee"();

-- trigger zz_mlguard_assertions_insert
-- why: every transaction that writes hr.employee has same_salary judged at its COMMIT
-- for: hr.employee/same_salary

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_insert
after insert on "hr"."employee"
referencing new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_insert on "hr"."employee" is 'mlguard:hr.employee/same_salary:45d7e5a0a295';

-- undo: drop trigger if exists zz_mlguard_assertions_insert on "hr"."employee";

-- trigger zz_mlguard_assertions_update
-- why: every transaction that writes hr.employee has same_salary judged at its COMMIT
-- for: hr.employee/same_salary

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_update
after update on "hr"."employee"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_update on "hr"."employee" is 'mlguard:hr.employee/same_salary:81694f41195d';

-- undo: drop trigger if exists zz_mlguard_assertions_update on "hr"."employee";

-- trigger zz_mlguard_assertions_delete
-- why: every transaction that writes hr.employee has same_salary judged at its COMMIT
-- for: hr.employee/same_salary

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_delete
after delete on "hr"."employee"
referencing old table as old_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_delete on "hr"."employee" is 'mlguard:hr.employee/same_salary:7e6d20f3ee89';

-- undo: drop trigger if exists zz_mlguard_assertions_delete on "hr"."employee";

-- trigger zz_mlguard_assertions_truncate
-- why: every transaction that writes hr.employee has same_salary judged at its COMMIT
-- for: hr.employee/same_salary

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_truncate
after truncate on "hr"."employee"
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_truncate on "hr"."employee" is 'mlguard:hr.employee/same_salary:c3b7878b0e78';

-- undo: drop trigger if exists zz_mlguard_assertions_truncate on "hr"."employee";
