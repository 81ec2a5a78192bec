-- What mlguard guards: tables, SLOs, the objects made for them, exceptions to them, and who did what.
-- Tables that begin with an underscore are private; the views of 0006 are the interface.

create schema if not exists mlguard;

comment on schema mlguard is
  'mlguard: SLOs of feature tables. Views and functions are the interface; tables that begin with _ are private.';


create table mlguard._table (
  tbl text primary key,
  schema_name text not null,
  table_name text not null,
  key text[] not null default '{}',
  pii text[] not null default '{}',
  event_time text,
  time_zone text not null default 'UTC',
  writes text not null default 'bulk',
  reads text not null default 'view',
  on_update text not null default 'reject',
  quarantine_cap bigint not null default 1000000,
  quarantine_retention interval,
  grain interval not null default interval '1 minute',
  owner text,
  consumers text[] not null default '{}',
  hash text not null default '',
  applied_at timestamptz not null default pg_catalog.clock_timestamp(),
  applied_by text not null default session_user,
  -- tbl is what messages and ids say; the two names are what SQL is made from.
  constraint _table_name check (tbl = schema_name || '.' || table_name),
  -- A cap of 0 would turn every quarantine into a refusal, which is what `reject` is for.
  constraint _table_cap check (quarantine_cap > 0)
);

comment on table mlguard._table is 'Private. One row per table that an SLO file guards.';
comment on column mlguard._table.tbl is 'schema.table, exact names, unquoted.';
comment on column mlguard._table.schema_name is 'Schema of the table.';
comment on column mlguard._table.table_name is 'Name of the table.';
comment on column mlguard._table.key is 'Columns that identify a row; empty: rows are told by a hash.';
comment on column mlguard._table.pii is 'Columns whose values mlguard never shows.';
comment on column mlguard._table.event_time is 'Event time as the SLO file writes it: column or expression.';
comment on column mlguard._table.time_zone is 'How days are cut and times without a zone are read.';
comment on column mlguard._table.writes is 'How the table is mostly written: bulk or rows.';
comment on column mlguard._table.reads is 'How guarded readers reach it: view, rename, policy or none.';
comment on column mlguard._table.on_update is 'What a quarantine rule does to an UPDATE: reject, keep or remove.';
comment on column mlguard._table.quarantine_cap is 'Waiting rows at most; at the cap writes are refused.';
comment on column mlguard._table.quarantine_retention is 'Age at which sweep() erases kept rows; null: never.';
comment on column mlguard._table.grain is 'Step of the freshness log: smaller advances are not written.';
comment on column mlguard._table.owner is 'Who answers for the table.';
comment on column mlguard._table.consumers is 'Tasks that read the table.';
comment on column mlguard._table.hash is 'Hash of the program that was applied.';
comment on column mlguard._table.applied_at is 'When it was applied last.';
comment on column mlguard._table.applied_by is 'Who applied it.';


create table mlguard._slo (
  id text primary key,
  no integer not null unique generated always as identity,
  tbl text not null references mlguard._table on update cascade on delete cascade,
  name text not null,
  level text not null,
  check_text text not null,
  allowed text,
  action text not null,
  place text not null,
  reason text,
  columns text[] not null default '{}',
  column_name text,
  max_bad_share numeric,
  max_bad_rows bigint,
  min_rows bigint not null default 30,
  max_age interval,
  shadow boolean not null default false,
  waivable boolean not null default false,
  portable boolean not null default false,
  severity text not null default 'normal',
  owner text,
  runbook text,
  description text,
  tags text[] not null default '{}',
  then_do text[] not null default '{notify}',
  version integer not null default 1,
  hash text not null default '',
  since timestamptz not null default pg_catalog.clock_timestamp(),
  -- Messages and clients take an id apart at the slash.
  constraint _slo_id check (id = tbl || '/' || name),
  constraint _slo_level check (level in ('row', 'batch', 'window', 'read', 'assertion')),
  constraint _slo_action check (action in ('reject', 'quarantine', 'repair', 'hold', 'warn')),
  constraint _slo_severity check (severity in ('low', 'normal', 'page')),
  -- A tolerated amount is a share of the rows or a count, never both.
  constraint _slo_max_bad check (max_bad_share is null or max_bad_rows is null)
);

-- The gate asks for the read SLOs of one table with every guarded query.
create index _slo_gate on mlguard._slo (tbl) where level = 'read';
create index _slo_tbl on mlguard._slo (tbl);

comment on table mlguard._slo is 'Private. One row per SLO in force.';
comment on column mlguard._slo.id is '<schema>.<table>/<name>.';
comment on column mlguard._slo.no is 'Short number; names the refusal counters refused_<no> and refused_at_<no>.';
comment on column mlguard._slo.tbl is 'The guarded table.';
comment on column mlguard._slo.name is 'Name within the table.';
comment on column mlguard._slo.level is 'Over what it is judged: row, batch, window, read, assertion.';
comment on column mlguard._slo.check_text is 'The check as its author wrote it.';
comment on column mlguard._slo.allowed is 'What is allowed, in words, as messages end: allowed 0 to 130.';
comment on column mlguard._slo.action is 'What happens on violation: reject, quarantine, repair, hold, warn.';
comment on column mlguard._slo.place is 'Where in the database it lives: CHECK constraint, row trigger, read gate, …';
comment on column mlguard._slo.reason is 'Why it lives there.';
comment on column mlguard._slo.columns is 'Columns the check reads, in the order it names them.';
comment on column mlguard._slo.column_name is 'The one column it is about, where there is one.';
comment on column mlguard._slo.max_bad_share is 'Tolerated share of bad rows in one transaction; 0.05 is 5%.';
comment on column mlguard._slo.max_bad_rows is 'Tolerated number of bad rows in one transaction.';
comment on column mlguard._slo.min_rows is 'Rows below which a share is not judged.';
comment on column mlguard._slo.max_age is 'Limit of staleness(), for level read.';
comment on column mlguard._slo.shadow is 'Judged and recorded, never acts.';
comment on column mlguard._slo.waivable is 'Placed where a waiver takes effect without DDL.';
comment on column mlguard._slo.portable is 'A plain CHECK that loads without schema mlguard.';
comment on column mlguard._slo.severity is 'low, normal or page.';
comment on column mlguard._slo.owner is 'Who answers for it.';
comment on column mlguard._slo.runbook is 'Where it is written what to do.';
comment on column mlguard._slo.description is 'What it is for.';
comment on column mlguard._slo.tags is 'Words to select by.';
comment on column mlguard._slo.then_do is 'Further actions: notify, retrain, …';
comment on column mlguard._slo.version is 'Counts the changes of its meaning.';
comment on column mlguard._slo.hash is 'Hash of its meaning.';
comment on column mlguard._slo.since is 'In force since, in this version.';


create table mlguard._object (
  id bigint primary key generated always as identity,
  tbl text not null,
  kind text not null,
  name text not null,
  slos text[] not null default '{}',
  hash text not null default '',
  definition_hash text not null default '',
  undo text[] not null default '{}',
  installed_at timestamptz not null default pg_catalog.clock_timestamp(),
  unique (tbl, kind, name)
);

comment on table mlguard._object is 'Private. One row per constraint, trigger, function, view or policy made by apply.';
comment on column mlguard._object.id is 'Number.';
comment on column mlguard._object.tbl is 'The guarded table it belongs to.';
comment on column mlguard._object.kind is 'What it is: constraint, trigger, function, view, policy, …';
comment on column mlguard._object.name is 'Its identity within table and kind.';
comment on column mlguard._object.slos is 'Ids of the SLOs it carries.';
comment on column mlguard._object.hash is 'Hash of the SQL that made it; also in its COMMENT.';
comment on column mlguard._object.definition_hash is 'Hash of PostgreSQL''s own definition, read back after apply.';
comment on column mlguard._object.undo is 'Statements that take it out again, in order.';
comment on column mlguard._object.installed_at is 'When it was made or replaced.';


create table mlguard._waiver (
  id bigint primary key generated always as identity,
  slo text not null,
  kind text not null,
  until timestamptz not null,
  reason text not null,
  who text not null default session_user,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  ended_at timestamptz,
  constraint _waiver_kind check (kind in ('off', 'waive')),
  -- A stop without an end is a change of the SLO file, not a waiver.
  constraint _waiver_ends check (pg_catalog.isfinite(until)),
  constraint _waiver_reason check (reason ~ '\S')
);

create index _waiver_open on mlguard._waiver (slo, until) where ended_at is null;

comment on table mlguard._waiver is 'Private. Expiring exceptions to SLOs.';
comment on column mlguard._waiver.id is 'Number.';
comment on column mlguard._waiver.slo is 'Id of the SLO.';
comment on column mlguard._waiver.kind is 'off: not acted on for a while; waive: a known failure is accepted.';
comment on column mlguard._waiver.until is 'When it ends by itself.';
comment on column mlguard._waiver.reason is 'Why.';
comment on column mlguard._waiver.who is 'Who.';
comment on column mlguard._waiver.at is 'When it was given.';
comment on column mlguard._waiver.ended_at is 'When it was ended, by hand or by sweep().';


create table mlguard._event (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  who text not null default session_user,
  act text not null,
  target text not null,
  before jsonb,
  after jsonb,
  reason text
);

create index _event_target on mlguard._event (target, id);

comment on table mlguard._event is 'Private. Audited acts; append-only.';
comment on column mlguard._event.id is 'Number, in order of writing.';
comment on column mlguard._event.at is 'When.';
comment on column mlguard._event.who is 'Who: the user who logged in, whatever role was set.';
comment on column mlguard._event.act is 'What was done: apply, release, discard, off, waive, …';
comment on column mlguard._event.target is 'To what: an SLO id, a table, a quarantined row.';
comment on column mlguard._event.before is 'State before, without values of pii columns.';
comment on column mlguard._event.after is 'State after, without values of pii columns.';
comment on column mlguard._event.reason is 'Why, in the words of who did it.';


create function mlguard._refuse_rewriting()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  raise exception 'mlguard: events are append-only; % refused', tg_op
    using errcode = 'insufficient_privilege',
          hint = 'An event that was wrong is corrected by a later one.';
end
$mlguard$;

comment on function mlguard._refuse_rewriting() is 'Private. Keeps mlguard._event append-only, for its owner too.';

create trigger refuse_rewriting
  before update or delete or truncate on mlguard._event
  for each statement
  execute function mlguard._refuse_rewriting();

-- ALWAYS: session_replication_role = replica must not open the log.
alter table mlguard._event enable always trigger refuse_rewriting;


create function mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text)
returns void
language sql
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._event (act, target, before, after, reason)
  values (p_act, p_target, p_before, p_after, p_reason)
$mlguard$;

comment on function mlguard._record(text, text, jsonb, jsonb, text) is 'Private. Writes one event.';
