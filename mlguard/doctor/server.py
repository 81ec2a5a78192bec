"""Findings about the server and what lies beside the objects: roles, settings, indexes, caps, forgotten locks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlguard.doctor.finding import Finding, Table
from mlguard.errors import RuntimeVersionError
from mlguard.names import quote_ident, quote_literal
from mlguard.operate.ask import values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import psycopg

ROLES = ("mlguard_platform", "mlguard_task", "mlguard_writer")
NEARLY_FULL = 0.8  # of quarantine_cap
# log_min_error_statement: at these levels a statement that fails with ERROR is printed with its values.
_LOGS_FAILED = ("debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "error")


def findings(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield what is wrong around the guarded tables."""
    yield from _roles(connection)
    yield from _settings(connection, tables)
    here = [table for table in tables if table.oid is not None]
    yield from _pii_keys(connection, here)
    yield from _pii_rows(connection, here)
    yield from _key_index(connection, here)
    yield from _slo_index(connection, here)
    yield from _join_columns(connection, here)
    yield from _join_index(connection, here)
    yield from _request_index(connection, here)
    yield from _caps(connection, here)
    yield from _prepared(connection, here)


def skew(connection: psycopg.Connection[Any]) -> Finding | None:
    """Return a finding where client and runtime do not fit each other.

    Raises:
        RuntimeVersionError: mlguard is not installed here.
    """
    from mlguard import runtime

    try:
        runtime.check_version(connection)
    except RuntimeVersionError as error:
        if runtime.installed_version(connection) is None:
            raise
        return Finding("runtime", error.message, error.help)
    return None


def _roles(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    there = dict(
        values(
            connection,
            "select array[r.rolname, pg_catalog.has_schema_privilege(r.oid, 'mlguard', 'usage')::text]"
            " from pg_catalog.pg_roles as r where r.rolname = any(%(r)s)",
            r=list(ROLES),
        )
    )
    grant = "as the owner of schema mlguard: select mlguard.grant_roles();"
    for role in ROLES:
        if role not in there:
            message = f"role {role} does not exist: nobody can be given its rights"
            yield Finding("role", message, f"as a role that may: create role {role}; then, {grant}")
        elif there[role] == "false":
            yield Finding("role", f"role {role} has no rights yet: it was made after mlguard was installed", grant)


def _settings(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    settings = dict(
        values(
            connection,
            "select array[s.name, s.setting] from pg_catalog.pg_settings as s where s.name = any(%(names)s)",
            names=[
                "track_counts",
                "log_statement",
                "log_min_error_statement",
                "log_min_duration_statement",
                "log_parameter_max_length_on_error",
            ],
        )
    )
    if settings["track_counts"] == "off" and any(table.keeps_out for table in tables):
        message = "track_counts is off, so the quarantine WARNING cannot say of how many rows"
        yield Finding("track-counts", message, "alter system set track_counts = on; select pg_reload_conf();")
    private = [table.tbl for table in tables if table.pii]
    if not private:
        return
    risky = []
    if settings["log_statement"] in ("mod", "all"):
        risky.append(("log_statement", settings["log_statement"], "none", "every statement, with its values"))
    if settings["log_min_error_statement"] in _LOGS_FAILED:
        risky.append(
            (
                "log_min_error_statement",
                settings["log_min_error_statement"],
                "fatal",
                "a refused statement, with its values",
            )
        )
    if settings["log_min_duration_statement"] != "-1":
        risky.append(
            (
                "log_min_duration_statement",
                settings["log_min_duration_statement"],
                "-1",
                "slow statements, with their values",
            )
        )
    if settings["log_parameter_max_length_on_error"] != "0":
        risky.append(
            (
                "log_parameter_max_length_on_error",
                settings["log_parameter_max_length_on_error"],
                "0",
                "the parameters of a failed statement",
            )
        )
    for name, value, safe, prints in risky:
        yield Finding(
            "pii-log",
            f"{name} = {value} prints {prints}; pii columns: {', '.join(private)}",
            f"for the roles that write it: alter role … set {name} = {quote_literal(safe)};",
        )


def _pii_keys(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    private = [table for table in tables if table.pii]
    for table in private:
        found = values(
            connection,
            """
select array[c.relname, string_agg(a.attname, ', ' order by a.attnum)]
from pg_catalog.pg_index as i
join pg_catalog.pg_class as c on c.oid = i.indexrelid
join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
where i.indrelid = %(oid)s and i.indisunique and a.attname = any(%(pii)s)
group by c.relname order by c.relname
""",
            oid=table.oid,
            pii=table.pii,
        )
        for index, columns in found:
            yield Finding(
                "pii-key",
                f"unique index {index} has pii column {columns}: a duplicate makes PostgreSQL print its value",
                "make the key of a hash of the column, or keep the column out of unique keys",
                table.tbl,
            )


def _pii_rows(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """NOT NULL and CHECK print `Failing row contains (…)`; mlguard makes none on such a table, others may have."""
    for table in tables:
        if not table.pii:
            continue
        found = values(
            connection,
            """
select 'NOT NULL of ' || a.attname
from pg_catalog.pg_attribute as a
where a.attrelid = %(oid)s and a.attnotnull and a.attnum > 0 and not a.attisdropped
union all
select 'CHECK ' || c.conname
from pg_catalog.pg_constraint as c
where c.conrelid = %(oid)s and c.contype = 'c'
order by 1
""",
            oid=table.oid,
        )
        if found:
            yield Finding(
                "pii-row",
                f"{', '.join(found)}: a violation makes PostgreSQL print the row with its pii values",
                "say it in the SLO file instead (required: true, or a check), where it is judged without printing the"
                " row; a primary key can be a unique key of columns that are `required`",
                table.tbl,
            )


def _slo_index(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Yield the SLOs that read stored rows of an entity or a window, where no index leads to them."""
    for table in tables:
        found = values(
            connection,
            """
select array[s.name, w.columns[1],
             array_to_string(array(select quote_ident(c) from unnest(w.columns || t.column_name) as c), ', ')]
from mlguard._slo as s
cross join lateral (
  select array(
    select a.attname::text from pg_catalog.pg_attribute as a
    join mlguard._table as g on g.tbl = s.tbl and g.event_time = a.attname
    where a.attrelid = %(oid)s and s.name = s.column_name || '.increasing_by')
) as t (column_name)
cross join lateral (
  select case when s.volume is not null then array[s.volume ->> 'column']
              when s.name = s.column_name || '.no_gaps' then s.columns
              else s.columns[1:cardinality(s.columns) - 1] end
) as w (columns)
where s.tbl = %(tbl)s
  and (s.volume is not null or s.name in (s.column_name || '.no_gaps', s.column_name || '.increasing_by'))
  and not exists (
    select from pg_catalog.pg_index as i
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = %(oid)s and i.indisvalid and i.indpred is null and a.attname = any(w.columns))
order by s.no
""",
            tbl=table.tbl,
            oid=table.oid,
        )
        for name, first, columns in found:
            yield Finding(
                "slo-index",
                f"{name} reads the whole table whenever it is judged: no index begins with {first}",
                f"create index concurrently on {table.sql} ({columns});",
                table.tbl,
            )


def _key_index(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Release looks for a stored row of the same key, once a released row."""
    for table in tables:
        if not (table.keeps_out and table.key):
            continue
        served = values(
            connection,
            """
select true from pg_catalog.pg_index as i
join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
where i.indrelid = %(oid)s and i.indisvalid and i.indpred is null and a.attname = any(%(key)s)
limit 1
""",
            oid=table.oid,
            key=table.key,
        )
        if not served:
            columns = ", ".join(quote_ident(column) for column in table.key)
            yield Finding(
                "key-index",
                f"no index begins with a column of the key ({', '.join(table.key)}): release reads the whole table for"
                " each row",
                f"create index concurrently on {table.sql} ({columns});",
                table.tbl,
            )


def _join_columns(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """The triggers on tables of labels and attributes read columns by name."""
    found = values(
        connection,
        """
select array[t.tbl, j.line ->> 'table', c.name]
from mlguard._table as t
cross join lateral jsonb_array_elements(t.joins) as j (line)
cross join lateral jsonb_array_elements_text(j.line -> 'on' || (j.line -> 'columns')) as c (name)
where t.tbl = any(%(tables)s) and j.line ->> 'what' <> 'training'
  and not exists (
    select from pg_catalog.pg_attribute as a
    where a.attrelid = to_regclass(j.line ->> 'table') and a.attname = c.name and not a.attisdropped)
order by 1
""",
        tables=[table.tbl for table in tables],
    )
    for tbl, relation, column in found:
        yield Finding(
            "column-gone",
            f"{relation} has no column {column} any more, by which its rows are counted with predictions: writes to it"
            " fail",
            "say in the SLO file where it is now, then mlguard apply",
            tbl,
        )


def _join_index(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """Every label looks for its predictions, every prediction for its label."""
    found = values(
        connection,
        """
select array[t.tbl, s.relation, s.relation::regclass::text, j.line ->> 'what',
             array_to_string(array(select jsonb_array_elements_text(j.line -> 'on')), ', ')]
from mlguard._table as t
cross join lateral jsonb_array_elements(t.joins) as j (line)
cross join lateral (values (j.line ->> 'table'), (format('%%I.%%I', t.schema_name, t.table_name))) as s (relation)
where t.tbl = any(%(tables)s) and j.line ->> 'what' <> 'training' and to_regclass(s.relation) is not null
  and not exists (
    select from pg_catalog.pg_index as i
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
    where i.indrelid = to_regclass(s.relation) and i.indisvalid and i.indpred is null
      and j.line -> 'on' ? a.attname::text)
order by 1
""",
        tables=[table.tbl for table in tables],
    )
    for tbl, relation, name, what, columns in found:
        quoted = ", ".join(quote_ident(column) for column in columns.split(", "))
        yield Finding(
            "join-index",
            f"no index of {name} begins with a column of ({columns}), by which predictions find their {what}: each"
            " statement reads the whole table",
            f"create index concurrently on {relation} ({quoted});",
            tbl,
        )


def _request_index(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    """COMMIT looks for the rows of each request that was touched."""
    for table in tables:
        found = values(
            connection,
            """
select array_to_string(array(select quote_ident(c) from jsonb_array_elements_text(r.by) as c), ', ')
from (
  select s.step -> 'by' as by
  from mlguard._post_set as p
  cross join lateral jsonb_array_elements(p.steps) with ordinality as s (step, place)
  where p.tbl = %(tbl)s and p.ended_at is null and s.step ? 'by'
  order by jsonb_array_length(s.step -> 'by'), s.place
  limit 1
) as r
where not exists (
  select from pg_catalog.pg_index as i
  join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
  where i.indrelid = %(oid)s and i.indisvalid and i.indpred is null and r.by ? a.attname::text)
""",
            tbl=table.tbl,
            oid=table.oid,
        )
        for columns in found:
            yield Finding(
                "request-index",
                f"no index begins with a column of a request ({columns}): each COMMIT that writes reads all rows",
                f"create index concurrently on {table.sql} ({columns}); then mlguard apply, which makes use of it",
                table.tbl,
            )


def _caps(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    waiting = dict(
        values(
            connection,
            "select array[q.tbl, count(*)::text] from mlguard._quarantine as q where q.status = 'waiting'"
            " group by q.tbl",
        )
    )
    for table in tables:
        rows = int(waiting.get(table.tbl, 0))
        if rows >= NEARLY_FULL * table.quarantine_cap:
            yield Finding(
                "quarantine-cap",
                f"{rows} rows wait in quarantine, the cap is {table.quarantine_cap}: at the cap writes are refused",
                f"mlguard quarantine list --table {table.tbl}; then release or discard",
                table.tbl,
            )


def _prepared(connection: psycopg.Connection[Any], tables: Sequence[Table]) -> Iterator[Finding]:
    found = values(
        connection,
        """
select distinct array[t.tbl, x.gid, x.prepared::text]
from unnest(%(tables)s::text[], %(oids)s::oid[]) as t (tbl, oid)
join pg_catalog.pg_locks as l
  on l.locktype = 'relation' and l.relation = t.oid and l.pid is null
  and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
join pg_catalog.pg_locks as own  -- every transaction holds the lock on its own id
  on own.virtualtransaction = l.virtualtransaction and own.locktype = 'transactionid' and own.granted
join pg_catalog.pg_prepared_xacts as x on x.transaction = own.transactionid
order by 1
""",
        tables=[table.tbl for table in tables],
        oids=[table.oid for table in tables],
    )
    for tbl, gid, since in found:
        yield Finding(
            "prepared",
            f"prepared transaction {gid} holds locks since {since}; apply and rule changes wait for it for ever",
            f"commit prepared {quote_literal(gid)}; or rollback prepared {quote_literal(gid)};",
            tbl,
        )
