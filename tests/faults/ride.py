"""The table that schedules write to, the two SLO files it lives under, and a witness.

The witness is an account of what happened to each row that PostgreSQL keeps alone, beside mlguard's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

TABLE = "features.ride"
DAYS = (-2, 4)  # of event times, from today: some windows are history, some are not over yet
COUNTRIES = ("de", "fr", "us")
WRONG_COUNTRY = "xx"
SHARED_IDS = 40  # keys that every writer upserts, merges, changes and deletes


def day(offset: int) -> str:
    """Return a day so many days from today."""
    return (datetime.now(UTC).date() + timedelta(days=offset)).isoformat()


CREATE = """
create schema features;
create schema ops;
create table features.ride (
  id bigint primary key,
  token bigint not null,
  country text not null,
  amount double precision,
  score double precision,
  event_ts timestamptz not null
);

-- What was offered, in the transaction that offered it: a token names one version of one row. `only_once` is false
-- where ON CONFLICT DO NOTHING may drop it.
create table ops.offer (token bigint primary key, only_once boolean not null, amount double precision);

-- What landed and what left, as seen by triggers that know nothing of mlguard.
create table ops.witness (
  xid xid8 not null default pg_current_xact_id(),
  op text not null,
  came bigint,
  gone bigint,
  day date
);
create index on ops.witness (came);

create function ops.landed() returns trigger language plpgsql as $$
begin
  insert into ops.witness (op, came, day) select tg_op, n.token, (n.event_ts at time zone 'UTC')::date from new_rows n;
  return null;
end
$$;
create function ops.changed() returns trigger language plpgsql as $$
begin
  insert into ops.witness (op, came, gone, day)
  select tg_op, nullif(n.token, o.token), nullif(o.token, n.token), (n.event_ts at time zone 'UTC')::date
  from new_rows n join old_rows o using (id);
  return null;
end
$$;
create function ops.left_it() returns trigger language plpgsql as $$
begin
  insert into ops.witness (op, gone, day) select tg_op, o.token, (o.event_ts at time zone 'UTC')::date from old_rows o;
  return null;
end
$$;
create function ops.emptied() returns trigger language plpgsql as $$
begin
  insert into ops.witness (op) values (tg_op);
  return null;
end
$$;
create trigger witness_insert after insert on features.ride referencing new table as new_rows
  for each statement execute function ops.landed();
create trigger witness_update after update on features.ride referencing new table as new_rows old table as old_rows
  for each statement execute function ops.changed();
create trigger witness_delete after delete on features.ride referencing old table as old_rows
  for each statement execute function ops.left_it();
create trigger witness_truncate after truncate on features.ride for each statement execute function ops.emptied();
"""

BEFORE = """
mlguard: 1
table: features.ride
key: [id]
event_time: event_ts
columns:
  country: {type: text, in: [de, fr, us]}
  amount: {type: double precision, range: {between: [0, 1000], on_violation: quarantine}}
  score: {type: double precision, range: {between: [0, 1], on_violation: repair, repair: {clamp: [0, 1]}}}
slos:
  - {name: filled, check: coverage(amount) >= 0.5, over: batch, on_violation: hold, min_rows: 1}
  - {name: scored, check: null_rate(score) <= 0.7, over: batch, on_violation: reject, min_rows: 2}
  - {name: daily, check: coverage(amount) >= 0.6, by: country, on_violation: hold, min_rows: 1}
  - {name: busy, check: row_count() >= 3}
  - {name: peak, check: max(amount) <= 990, min_rows: 1}
"""
# Stored rows are above the new limit.
AFTER = BEFORE.replace("key: [id]", "key: [id]\nexisting: allow").replace("[0, 1000]", "[0, 990]").replace(
    "[de, fr, us]", "[de, fr, us, uk]"
) + (
    "  - {name: spread, check: stddev(amount) <= 400, min_rows: 1}\n"
    "  - {name: steady, check: mean(score) >= 0.1, over: batch, min_rows: 1}\n"
)
