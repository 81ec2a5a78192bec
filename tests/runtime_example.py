"""A guarded table made by hand, as the emitter would make it: what the tests of the runtime write to and read from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg

TABLE = "features.customer"

EXAMPLE = """
create schema features;
create table features.customer (
  customer_id bigint primary key,
  age integer,
  plan text,
  tenure double precision,
  email text,
  payload json,
  double_age integer generated always as (age * 2) stored,
  event_ts timestamptz
);

insert into mlguard._table (tbl, schema_name, table_name, key, pii, event_time, owner, grain)
values ('features.customer', 'features', 'customer', '{customer_id}', '{email}', 'event_ts', 'platform-ml', '1 minute');

insert into mlguard._slo (
  id, tbl, name, level, check_text, allowed, action, place, columns, column_name, max_bad_share, max_bad_rows, max_age,
  waivable, owner, runbook, version)
values
  ('features.customer/tenure.range', 'features.customer', 'tenure.range', 'row', 'tenure >= 0', 'allowed at least 0',
   'reject', 'CHECK constraint', '{tenure,plan}', 'tenure', null, null, null, false, 'platform-ml', 'https://run.book/1',
   3),
  ('features.customer/age.range', 'features.customer', 'age.range', 'row', 'age between 0 and 130', 'allowed 0 to 130',
   'quarantine', 'row trigger', '{age}', 'age', 0.2, null, null, true, 'platform-ml', null, 1),
  ('features.customer/plan.in', 'features.customer', 'plan.in', 'row', 'plan in (free, pro)', 'allowed free, pro',
   'quarantine', 'row trigger', '{plan}', 'plan', null, null, null, true, 'platform-ml', null, 1),
  ('features.customer/email.matches', 'features.customer', 'email.matches', 'row', 'email like %@%', 'allowed %@%',
   'warn', 'statement trigger', '{email}', 'email', null, 2, null, true, 'platform-ml', null, 1),
  ('features.customer/fresh', 'features.customer', 'fresh', 'read', 'staleness() <= 26 h', 'allowed 26 h',
   'hold', 'read gate', '{event_ts}', null, null, null, '26 hours', true, 'platform-ml', 'https://run.book/2', 1);

select mlguard.count_refusals_v1(s.no) from mlguard._slo s where s.level = 'row';

alter table features.customer
  add constraint "mlguard_tenure.range"
  check (case when not (tenure >= 0) then mlguard.refuse_v1(
    'features.customer/tenure.range', jsonb_build_object('tenure', tenure, 'plan', plan),
    jsonb_build_object('customer_id', customer_id)) else true end);

insert into mlguard._object (tbl, kind, name, slos, undo)
values ('features.customer', 'CHECK', 'mlguard_tenure.range', '{features.customer/tenure.range}',
        array['alter table "features"."customer" drop constraint if exists "mlguard_tenure.range"']);

create function mlguard."before row features.customer"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $mlguard$
declare
  _broken jsonb := '[]';
begin
  if not (new.age between 0 and 130) and not mlguard.waived_v1('features.customer/age.range') then
    _broken := _broken || jsonb_build_object(
      'slo', 'features.customer/age.range', 'observed', jsonb_build_object('age', new.age), 'version', 1);
  end if;
  if not (new.plan in ('free', 'pro')) then
    _broken := _broken || jsonb_build_object(
      'slo', 'features.customer/plan.in', 'observed', jsonb_build_object('plan', new.plan), 'version', 1);
  end if;
  if _broken = '[]' then
    return new;
  end if;
  if strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 and mlguard.kept_v1(
    'features.customer', _broken, to_jsonb(new), new::text, jsonb_build_object('customer_id', new.customer_id), tg_op,
    false) then
    return null;
  end if;
  perform mlguard.withhold_v1(
    'features.customer', _broken, to_jsonb(new), new::text, jsonb_build_object('customer_id', new.customer_id), tg_op,
    false);
  return null;
end
$mlguard$;

create trigger zz_mlguard_before_row
  before insert or update on features.customer
  for each row
  when (not (new.age between 0 and 130) or not (new.plan in ('free', 'pro')))
  execute function mlguard."before row features.customer"();

create function mlguard."written features.customer"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $mlguard$
declare
  _n bigint;
  _bad bigint;
  _newest timestamptz;
  _future timestamptz[];
begin
  select count(*), count(*) filter (where not (r.email like '%@%')),
         max(r.event_ts) filter (where r.event_ts <= statement_timestamp()),
         array_agg(r.event_ts) filter (where r.event_ts > statement_timestamp())
  into _n, _bad, _newest, _future
  from new_rows r;
  if _bad > 0 then
    perform mlguard.note_v1('features.customer/email.matches', 'FAIL', '{"email": "not shown (pii)"}', null, _n, _bad,
                            null);
  end if;
  perform mlguard.landed_v1('features.customer', _n,
                            jsonb_build_object('features.customer/email.matches', _bad));
  perform mlguard.fresh_v1('features.customer', _newest, _future);
  if strpos(current_setting('mlguard.kept_out', true), '|features.customer|') > 0 then
    perform mlguard.kept_out_warning_v1('features.customer', _n);
  end if;
  return null;
end
$mlguard$;

create trigger zz_mlguard_written_insert
  after insert on features.customer referencing new table as new_rows
  for each statement execute function mlguard."written features.customer"();
create trigger zz_mlguard_written_update
  after update on features.customer referencing new table as new_rows
  for each statement execute function mlguard."written features.customer"();

create function mlguard."removal features.customer"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $mlguard$
declare
  _seen pg_snapshot := pg_current_snapshot();
begin
  perform mlguard.refreshed_v1('features.customer', (select max(event_ts) from features.customer), _seen);
  return null;
end
$mlguard$;

create trigger zz_mlguard_removal
  after delete or truncate on features.customer
  for each statement execute function mlguard."removal features.customer"();

create view features.customer_guarded as
select t.customer_id, t.age, t.plan, t.event_ts
from features.customer as t
where case
    when exists (
           select from mlguard._freshness f
           where f.tbl = 'features.customer'
             and f.newest between statement_timestamp() - interval '93600 seconds' and statement_timestamp())
     and not exists (select from mlguard._hold h where h.tbl = 'features.customer' and h.ended_at is null)
    then true
    else mlguard.guard_v1('features.customer')
  end;
"""


def make(dsn: str) -> None:
    """Create the guarded table in a database where the runtime is installed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(EXAMPLE.encode())


@contextmanager
def session(dsn: str, *, autocommit: bool = True) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection; what it left open is rolled back."""
    with psycopg.connect(dsn, autocommit=autocommit) as connection:
        yield connection
        if not connection.closed and not autocommit:
            connection.rollback()


def rows(connection: psycopg.Connection[Any], query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """Return all rows of a query."""
    return connection.execute(query, values).fetchall()


def value(connection: psycopg.Connection[Any], query: LiteralString, *values: object) -> Any:
    """Return the one value of a query."""
    (found,) = rows(connection, query, *values)
    (only,) = found
    return only


def detail(error: psycopg.Error) -> dict[str, Any]:
    """Return the JSON of an error's DETAIL."""
    found: dict[str, Any] = json.loads(error.diag.message_detail or "null")
    return found


def write(connection: psycopg.Connection[Any], first: int, last: int, *, bad: int = 0) -> None:
    """Write customers `first` to `last` in one statement; the first `bad` of them break age.range."""
    connection.execute(
        "insert into features.customer (customer_id, age, plan, event_ts)"
        " select g, case when g < %(first)s + %(bad)s then -4 else 30 end, 'pro', now()"
        " from generate_series(%(first)s::bigint, %(last)s::bigint) g",
        {"first": first, "last": last, "bad": bad},
    )
