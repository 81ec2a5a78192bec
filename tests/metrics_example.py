"""A table whose metrics are judged, made by hand as the emitter would make it: states, batches, windows, verdicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from tests.runtime_example import rows, value

TABLE = "features.sale"
Connection = psycopg.Connection[Any]

EXAMPLE = """
create schema features;
create table features.sale (id bigint primary key, country text, amount double precision, event_ts timestamptz);
create index on features.sale (event_ts);

insert into mlguard._table (
  tbl, schema_name, table_name, key, event_time, owner, base, judges_batches, window_length, recount)
values ('features.sale', 'features', 'sale', '{id}', 'event_ts', 'platform-ml', '1 day', true, '1 day',
        'mlguard."recount features.sale"');

create function mlguard."bucket features.sale"(_at timestamptz) returns timestamptz
language sql stable set search_path = pg_catalog, pg_temp as $$
  select mlguard._window_start(t.base, t.time_zone, _at) from mlguard._table t where t.tbl = 'features.sale'
$$;

create type mlguard."row features.sale" as (country text, amount double precision, bucket timestamptz);

create function mlguard."states features.sale"(_rows mlguard."row features.sale"[])
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select r.bucket, case when grouping(r.country) = 0 then jsonb_build_object('country', r.country) else '{}' end,
         count(*),
         jsonb_build_object(
           'n', count(*), 'have(amount)', count(r.amount), 'sum(amount)', sum(r.amount), 'min(amount)', min(r.amount),
           'true(amount > 100)', count(*) filter (where r.amount > 100))
  from unnest(_rows) r
  group by grouping sets ((r.bucket), (r.bucket, r.country))
$$;

create function mlguard."after rows features.sale"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform mlguard.add_states_v1('features.sale', tg_op, 1, s.bucket, s.segment, s.n, s.states)
  from mlguard."states features.sale"(array(
    select row(r.country, r.amount, mlguard."bucket features.sale"(r.event_ts))::mlguard."row features.sale"
    from new_rows r)) s;
  if (select t.judges_batches from mlguard._table t where t.tbl = 'features.sale') then
    perform mlguard.landed_v1('features.sale', (select count(*) from new_rows), '{}');
  end if;
  return null;
end
$$;

create function mlguard."after removal features.sale"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform mlguard.add_states_v1('features.sale', tg_op, -1, s.bucket, s.segment, s.n, s.states)
  from mlguard."states features.sale"(array(
    select row(r.country, r.amount, mlguard."bucket features.sale"(r.event_ts))::mlguard."row features.sale"
    from old_rows r)) s;
  return null;
end
$$;

create function mlguard."emptied features.sale"() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform mlguard.truncated_v1('features.sale');
  return null;
end
$$;

create trigger zz_mlguard_after_removal_update after update on features.sale referencing old table as old_rows
  for each statement execute function mlguard."after removal features.sale"();
create trigger zz_mlguard_after_removal_delete after delete on features.sale referencing old table as old_rows
  for each statement execute function mlguard."after removal features.sale"();
create trigger zz_mlguard_after_rows_insert after insert on features.sale referencing new table as new_rows
  for each statement execute function mlguard."after rows features.sale"();
create trigger zz_mlguard_after_rows_update after update on features.sale referencing new table as new_rows
  for each statement execute function mlguard."after rows features.sale"();
create trigger zz_mlguard_emptied after truncate on features.sale
  for each statement execute function mlguard."emptied features.sale"();

create function mlguard."recount features.sale"(_from timestamptz, _to timestamptz)
returns table (bucket timestamptz, segment jsonb, n bigint, states jsonb)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select s.*
  from mlguard."states features.sale"(array(
    select row(r.country, r.amount, mlguard."bucket features.sale"(r.event_ts))::mlguard."row features.sale"
    from features.sale r
    where (_from is null or r.event_ts >= _from) and (_to is null or r.event_ts < _to))) s
$$;

create view features.sale_guarded as
select t.* from features.sale as t
where case
    when not exists (select from mlguard._hold h where h.tbl = 'features.sale' and h.ended_at is null) then true
    else mlguard.guard_v1('features.sale')
  end;
"""

METRICS = {
    "row_count()": "mlguard.count_v1(_s, 'n')",
    "coverage(amount)": "mlguard.ratio_v1(_s, 'have(amount)', 'n')",
    "mean(amount)": "mlguard.mean_v1(_s, 'sum(amount)', 'have(amount)', 'nan(amount)')",
    "min(amount)": "mlguard.least_v1(_s, 'min(amount)')",
    "share(amount > 100)": "mlguard.ratio_v1(_s, 'true(amount > 100)', 'n')",
    # A data exception whose message holds a value of the row.
    "broken()": "('secret-' || (_s ->> 'n'))::double precision",
    "trailing(coverage(amount), '7 days')": "mlguard.trailing_v1(_c, 'coverage(amount)', '7 days')",
}


def make(dsn: str) -> None:
    """Create the table in a database where the runtime is installed."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(EXAMPLE.encode())


def add_slo(
    connection: Connection, name: str, metric: str, condition: str, *, history: str = "no values", **fields: object
) -> str:
    """Put an SLO in force: `condition` such as `>= 0.75` on a metric of METRICS. Returns its id.

    Args:
        connection: to the database.
        name: of the SLO.
        metric: one of METRICS; several are joined by a space and |, and `condition` then speaks of _1, _2, ….
        condition: follows the metric; or, with several, an expression of its own.
        history: the reason a missing value gives.
        fields: columns of mlguard._slo.
    """
    names = metric.split(" | ")
    condition = condition if len(names) > 1 else f"_1 {condition}"
    declared = "\n".join(f"  _{i} double precision := {METRICS[m]};" for i, m in enumerate(names, 1))
    values = ", ".join(f"_{i}" for i in range(1, len(names) + 1))
    slo = f"{TABLE}/{name}"
    connection.execute(
        f"""
        create or replace function mlguard."verdict {slo}"(_s jsonb, _c jsonb) returns mlguard.found_v1
        language plpgsql stable set search_path = pg_catalog, pg_temp as $$
        declare
          {declared}
          _ok boolean := {condition};
        begin
          return row(array[{", ".join("'" + m.replace("'", "''") + "'" for m in names)}], array[{values}],
                     coalesce((_s ->> 'n')::bigint, 0), _ok,
                     case when _ok is null then '{history}' end)::mlguard.found_v1;
        end
        $$
        """.encode()
    )
    row: dict[str, object] = {
        "id": slo,
        "tbl": TABLE,
        "name": name,
        "level": "batch",
        "over": "batch",
        "check_text": f"{metric} {condition}",
        "allowed": f"allowed {condition.removeprefix('_1 ')}",
        "action": "warn",
        "place": "judgement at COMMIT",
        "columns": ["amount"],
        "column_name": "amount",
        "metrics": names,
        "verdict": f'mlguard."verdict {slo}"',
        "waivable": True,
        "since": datetime(2000, 1, 1, tzinfo=UTC),
        **fields,
    }
    columns = ", ".join(f'"{column}"' for column in row)
    holes = ", ".join(["%s"] * len(row))
    connection.execute(f"insert into mlguard._slo ({columns}) values ({holes})".encode(), list(row.values()))
    connection.execute("select mlguard.count_refusals_v1(no) from mlguard._slo where id = %s", [slo])
    return slo


def add_window_slo(connection: Connection, name: str, metric: str, condition: str, **fields: object) -> str:
    """As add_slo, over windows of a day unless `over` is said, in force since 2026 began."""
    given: dict[str, object] = {
        "level": "window",
        "over": "1 day",
        "place": "window judgement",
        "since": datetime(2026, 1, 1, tzinfo=UTC),
        **fields,
    }
    return add_slo(connection, name, metric, condition, **given)  # type: ignore[arg-type]


def sell(
    connection: Connection,
    count: int,
    *,
    missing: int = 0,
    day: str = "2026-01-01",
    country: str = "DE",
    amount: float = 10,
) -> None:
    """Write `count` rows in one statement, at noon of a day; the first `missing` have no amount."""
    connection.execute(
        "insert into features.sale (id, country, amount, event_ts)"
        " select coalesce((select max(id) from features.sale), 0) + g, %s, case when g > %s then %s end,"
        "        (%s::timestamp + interval '12 hours') at time zone 'UTC'"
        " from generate_series(1, %s) g",
        [country, missing, amount, day, count],
    )


def sweep(connection: Connection, as_of: str) -> dict[str, int]:
    """Sweep as of a time, and return what was done."""
    return dict(rows(connection, "select what, n from mlguard.sweep(%s::timestamptz)", as_of))


def verdicts(connection: Connection, name: str) -> list[tuple[Any, ...]]:
    """Return (day or None, segment, version, current, outcome, n) of an SLO, oldest first."""
    return rows(
        connection,
        "select (window_start at time zone 'UTC')::date::text, segment, version, current, outcome, n"
        " from mlguard._verdict where slo = %s order by window_start, segment, version, id",
        f"{TABLE}/{name}",
    )


def outcomes(connection: Connection, name: str) -> dict[str, str]:
    """Return the current outcome of each window of an SLO, by its first day."""
    return dict(
        rows(
            connection,
            "select (window_start at time zone 'UTC')::date::text, outcome from mlguard._verdict"
            " where slo = %s and current and segment = '{}' order by window_start",
            f"{TABLE}/{name}",
        )
    )


def days(first: str, count: int) -> list[str]:
    """Return `count` days from `first` on."""
    start = datetime.fromisoformat(first)
    return [(start + timedelta(days=i)).date().isoformat() for i in range(count)]


def gate(connection: Connection) -> str | None:
    """Return why the gate is closed, or None while it is open."""
    why: str | None = value(connection, "select why from mlguard.gate where tbl = %s", TABLE)
    return why


def judged(connection: Connection, name: str) -> list[tuple[object, ...]]:
    """Return (outcome, n, observed, reason) of the current verdicts of an SLO, in order."""
    return rows(
        connection,
        "select outcome, n, observed, reason from mlguard.verdict where slo = %s and current order by id",
        f"features.sale/{name}",
    )


def buckets(connection: Connection) -> list[tuple[str, int, int]]:
    """Return (day, rows, rows with an amount) of all buckets that hold rows."""
    return rows(
        connection,
        "select (bucket at time zone 'UTC')::date::text, n, (states ->> 'have(amount)')::int from mlguard._bucket"
        " where segment = '{}' and n <> 0 order by bucket",
    )


def same_as_a_recount(connection: Connection) -> None:
    """Compare buckets with what the stored rows give; extremes are left out, which may be stale."""
    told: list[tuple[object, ...]] = rows(
        connection,
        "select bucket, segment, n, states - array['min(amount)', 'stale'] from mlguard._bucket where n <> 0"
        " order by bucket, segment",
    )
    counted = rows(
        connection,
        "select bucket, segment, n, states - 'min(amount)' from mlguard.\"recount features.sale\"(null, null)"
        " order by bucket, segment",
    )
    assert told == counted
