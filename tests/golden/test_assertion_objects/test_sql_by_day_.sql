-- function mlguard."judge assertion hr.employee/one_a_day"(text[])
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched hired is judged again
-- for: hr.employee/one_a_day

-- phase: change, locks: none
create or replace function mlguard."judge assertion hr.employee/one_a_day"(_keys pg_catalog.text[])
returns table (n bigint, samples pg_catalog.jsonb)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
set row_security = off
set datestyle = 'ISO'
as $mlguard$
-- hr.employee/one_a_day: how many rows the assertion returns, and the first of them.
-- _keys: only rows whose key was touched can be new; null: all are counted.
#variable_conflict use_variable
declare
  _touched pg_catalog.date[] := _keys;
begin
  if _keys is null then
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_one_a_day_2b7eedab" as q
    ) as f;
  else
    return query
    select count(*), jsonb_agg(f.found order by f.place) filter (where f.place <= 5)
    from (
      select to_jsonb((q.*)) as found, row_number() over () as place
      from "mlguard"."assertion_one_a_day_2b7eedab" as q
      where q."hired" = any (_touched)
    ) as f;
  end if;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."judge assertion hr.employee/one_a_day"(pg_catalog.text[]) from public;

-- phase: change, locks: none
comment on function mlguard."judge assertion hr.employee/one_a_day"(pg_catalog.text[]) is 'mlguard:hr.employee/one_a_day:d7dd559c5fbc';

-- undo: drop function if exists mlguard."judge assertion hr.employee/one_a_day"(pg_catalog.text[]);

-- assertion mlguard.assertion_one_a_day_2b7eedab
-- why: judged at COMMIT of every transaction that writes hr.employee, one after another under a row lock of its own; only the touched hired is judged again
-- for: hr.employee/one_a_day

-- phase: change, locks: none
create view "mlguard"."assertion_one_a_day_2b7eedab" as
SELECT hired FROM hr.employee GROUP BY hired HAVING count(*) > 1;

-- phase: change, locks: none
comment on view "mlguard"."assertion_one_a_day_2b7eedab" is 'mlguard:hr.employee/one_a_day:9f21b477ecc2';

-- phase: change, locks: none
-- shadow
select mlguard.put_assertion_v1(
  'hr.employee/one_a_day',
  array['hr.employee'],
  'assertion_one_a_day_2b7eedab',
  'mlguard."judge assertion hr.employee/one_a_day"',
  false,
  '055ab8948299'
);

-- phase: validate, locks: the assertion's own row of mlguard, while its SELECT runs once: COMMITs it judges wait
select mlguard.try_assertion_v1('hr.employee/one_a_day');

-- undo: select mlguard.end_assertion_v1('hr.employee/one_a_day');

-- undo: drop view if exists "mlguard"."assertion_one_a_day_2b7eedab";

-- function mlguard."after writes hr.employee"()
-- why: every transaction that writes hr.employee has one_a_day judged at its COMMIT
-- for: hr.employee/one_a_day

-- phase: change, locks: none
create or replace function mlguard."after writes hr.employee"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO'
as $mlguard$
-- hr.employee, once a statement that wrote rows: has assertions judged at COMMIT.
#variable_conflict use_variable
declare
  _keys_1 pg_catalog.text[];
begin
  if TG_OP = 'TRUNCATE' then
    perform mlguard.assertion_due_v1('hr.employee/one_a_day', '055ab8948299', null);
    return null;
  end if;
  if TG_OP = 'INSERT' then
    if not exists (select from new_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."hired"::pg_catalog.text from new_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."hired"::pg_catalog.text from new_rows as r limit 1001);
    end if;
  elsif TG_OP = 'DELETE' then
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."hired"::pg_catalog.text from old_rows as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."hired"::pg_catalog.text from old_rows as r limit 1001);
    end if;
  else
    if not exists (select from old_rows) then
      return null;
    end if;
    _keys_1 := array(
      select r."hired"::pg_catalog.text from (
        select u."hired" from old_rows as u
        union all
        select u."hired" from new_rows as u
      ) as r limit 5001);
    if cardinality(_keys_1) > 5000
       and (select count(distinct k.key) from unnest(_keys_1) as k (key)) <= 1000 then
      _keys_1 := array(
        select distinct r."hired"::pg_catalog.text from (
        select u."hired" from old_rows as u
        union all
        select u."hired" from new_rows as u
      ) as r limit 1001);
    end if;
  end if;
  perform mlguard.assertion_due_v1('hr.employee/one_a_day', '055ab8948299', _keys_1);
  return null;
end
$mlguard$;

-- phase: change, locks: none
revoke all on function mlguard."after writes hr.employee"() from public;

-- phase: change, locks: none
comment on function mlguard."after writes hr.employee"() is 'mlguard:hr.employee/one_a_day:61b63aac497b';

-- undo: drop function if exists mlguard."after writes hr.employee"();

-- trigger zz_mlguard_assertions_insert
-- why: every transaction that writes hr.employee has one_a_day judged at its COMMIT
-- for: hr.employee/one_a_day

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_insert
after insert on "hr"."employee"
referencing new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_insert;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_insert on "hr"."employee" is 'mlguard:hr.employee/one_a_day:45d7e5a0a295';

-- undo: drop trigger if exists zz_mlguard_assertions_insert on "hr"."employee";

-- trigger zz_mlguard_assertions_update
-- why: every transaction that writes hr.employee has one_a_day judged at its COMMIT
-- for: hr.employee/one_a_day

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_update
after update on "hr"."employee"
referencing old table as old_rows new table as new_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_update;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_update on "hr"."employee" is 'mlguard:hr.employee/one_a_day:81694f41195d';

-- undo: drop trigger if exists zz_mlguard_assertions_update on "hr"."employee";

-- trigger zz_mlguard_assertions_delete
-- why: every transaction that writes hr.employee has one_a_day judged at its COMMIT
-- for: hr.employee/one_a_day

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_delete
after delete on "hr"."employee"
referencing old table as old_rows
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_delete;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_delete on "hr"."employee" is 'mlguard:hr.employee/one_a_day:7e6d20f3ee89';

-- undo: drop trigger if exists zz_mlguard_assertions_delete on "hr"."employee";

-- trigger zz_mlguard_assertions_truncate
-- why: every transaction that writes hr.employee has one_a_day judged at its COMMIT
-- for: hr.employee/one_a_day

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
create or replace trigger zz_mlguard_assertions_truncate
after truncate on "hr"."employee"
for each statement
execute function mlguard."after writes hr.employee"();

-- phase: change, locks: SHARE ROW EXCLUSIVE, for the catalogue change only
alter table "hr"."employee" enable always trigger zz_mlguard_assertions_truncate;

-- phase: change, locks: none
comment on trigger zz_mlguard_assertions_truncate on "hr"."employee" is 'mlguard:hr.employee/one_a_day:c3b7878b0e78';

-- undo: drop trigger if exists zz_mlguard_assertions_truncate on "hr"."employee";
