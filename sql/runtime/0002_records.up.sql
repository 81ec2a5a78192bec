-- What writing leaves behind: batches, counts, kept rows, mended values, violations, holds, freshness.

create sequence mlguard.batch_id as bigint;

comment on sequence mlguard.batch_id is
  'Numbers of batches. A sequence, because a transaction id does not survive dump and restore.';


create table mlguard._batch (
  id bigint primary key default pg_catalog.nextval('mlguard.batch_id'),
  tbl text not null,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  opened_at timestamptz not null default pg_catalog.now(),
  closed_at timestamptz,
  landed bigint,
  withheld bigint,
  writer text not null default session_user,
  -- Finds the batch of the running transaction. The transaction's start is part of it, because after a restore
  -- into another cluster the same xid comes again.
  constraint _batch_transaction unique (xid, tbl, opened_at)
);

comment on table mlguard._batch is 'Private. What one transaction wrote to one table, where a rule needs to know it.';
comment on column mlguard._batch.id is 'Number.';
comment on column mlguard._batch.tbl is 'The table.';
comment on column mlguard._batch.xid is 'The transaction.';
comment on column mlguard._batch.opened_at is 'Start of the transaction.';
comment on column mlguard._batch.closed_at is
  'Its COMMIT; null where constraints were IMMEDIATE and sweep() has not closed it yet.';
comment on column mlguard._batch.landed is 'Rows that landed; null where no rule of the table counts them.';
comment on column mlguard._batch.withheld is 'Rows that were kept out.';
comment on column mlguard._batch.writer is 'Who wrote.';


create table mlguard._delta (
  id bigint primary key generated always as identity,
  batch bigint not null,
  landed bigint not null,
  broken jsonb not null default '{}',
  first boolean not null
);

create index _delta_batch on mlguard._delta (batch);
-- At most one: landed_v1 asks by trying, which under SERIALIZABLE takes no lock that another writer could trip over.
create unique index _delta_first on mlguard._delta (batch) where first;

comment on table mlguard._delta is
  'Private. One row per writing statement: appended, because updating one row again and again costs O(n²).';
comment on column mlguard._delta.id is 'Number.';
comment on column mlguard._delta.batch is 'The batch.';
comment on column mlguard._delta.landed is 'Rows the statement landed.';
comment on column mlguard._delta.broken is 'Landed rows that break a rule: {SLO id: count}.';
comment on column mlguard._delta.first is
  'Opens a stretch that has not been judged yet; the judge at COMMIT clears it.';


create table mlguard._quarantine (
  id bigint primary key generated always as identity,
  tbl text not null,
  key jsonb,
  row jsonb,
  row_text text,
  broken jsonb not null default '[]',
  slos text[] not null,
  batch bigint,
  op text not null,
  superseded boolean not null default false,
  status text not null default 'waiting',
  kept_at timestamptz not null default pg_catalog.clock_timestamp(),
  writer text not null default session_user,
  decided_at timestamptz,
  decided_by text,
  reason text
  -- No CHECKs: rows come one statement each, and PostgreSQL would prepare four expressions anew for every row (a fifth
  -- of what keeping one costs). The functions of 0006 and 0007 alone write here, and keep status and decision together.
);

-- Whole: the condition of a partial index is prepared anew for every kept row, which costs more than both indexes do.
create index _quarantine_waiting on mlguard._quarantine (tbl, status, id);
create index _quarantine_batch on mlguard._quarantine (batch);

comment on table mlguard._quarantine is 'Private. Rows kept out of guarded tables, whole.';
comment on column mlguard._quarantine.id is 'Number; release() and discard() take it.';
comment on column mlguard._quarantine.tbl is 'The table it was meant for.';
comment on column mlguard._quarantine.key is 'Its key columns.';
comment on column mlguard._quarantine.row is 'The row; null once its retention is over.';
comment on column mlguard._quarantine.row_text is
  'The row as PostgreSQL prints it: what jsonb loses (duplicate keys, array bounds) is here.';
comment on column mlguard._quarantine.broken is 'Every rule it breaks: [{"slo", "observed", "version"}].';
comment on column mlguard._quarantine.slos is 'Ids of the rules it breaks.';
comment on column mlguard._quarantine.batch is 'The batch it came with.';
comment on column mlguard._quarantine.op is 'INSERT, UPDATE, or APPLY for a stored row that a new rule found.';
comment on column mlguard._quarantine.superseded is 'A stored row of the same key stayed, older than this one.';
comment on column mlguard._quarantine.status is
  'waiting, released, obsolete (a later version was released) or discarded.';
comment on column mlguard._quarantine.kept_at is 'When it was kept out.';
comment on column mlguard._quarantine.writer is 'Who wrote it.';
comment on column mlguard._quarantine.decided_at is 'When it stopped waiting.';
comment on column mlguard._quarantine.decided_by is 'Who decided.';
comment on column mlguard._quarantine.reason is 'Why.';


create table mlguard._change (
  id bigint primary key generated always as identity,
  tbl text not null,
  key jsonb,
  column_name text not null,
  old jsonb,
  new jsonb,
  rule text not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  batch bigint,
  row_hash text,
  pending boolean not null default true
);

create index _change_batch on mlguard._change (batch);
create index _change_tbl on mlguard._change (tbl, id);
create index _change_pending on mlguard._change (tbl, batch) where pending;

comment on table mlguard._change is 'Private. Values mended before they landed.';
comment on column mlguard._change.id is 'Number.';
comment on column mlguard._change.tbl is 'The table.';
comment on column mlguard._change.key is 'Key of the row.';
comment on column mlguard._change.column_name is 'The column.';
comment on column mlguard._change.old is 'Value as it arrived.';
comment on column mlguard._change.new is 'Value that landed.';
comment on column mlguard._change.rule is 'Id of the SLO that mended it.';
comment on column mlguard._change.at is 'When.';
comment on column mlguard._change.batch is 'The batch.';
comment on column mlguard._change.row_hash is 'Hash of the mended row, by which it is found among those that landed.';
comment on column mlguard._change.pending is 'Not known to have landed: an upsert may drop a row after it was mended.';


create table mlguard._violation (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  slo text not null,
  tbl text not null,
  batch bigint,
  window_start timestamptz,
  window_end timestamptz,
  segment text,
  observed jsonb,
  allowed text,
  n bigint,
  bad bigint,
  key jsonb,
  outcome text not null,
  reason text,
  constraint _violation_outcome check (outcome in ('FAIL', 'NOTED'))
);

create index _violation_slo on mlguard._violation (slo, id);
create index _violation_tbl on mlguard._violation (tbl, id);

comment on table mlguard._violation is 'Private. Violations that were recorded rather than refused.';
comment on column mlguard._violation.id is 'Number.';
comment on column mlguard._violation.at is 'When it was recorded.';
comment on column mlguard._violation.slo is 'Id of the SLO.';
comment on column mlguard._violation.tbl is 'The table.';
comment on column mlguard._violation.batch is 'The batch judged.';
comment on column mlguard._violation.window_start is 'Start of the window judged.';
comment on column mlguard._violation.window_end is 'End of the window judged.';
comment on column mlguard._violation.segment is 'The segment judged.';
comment on column mlguard._violation.observed is 'What was found.';
comment on column mlguard._violation.allowed is 'What is allowed, in words.';
comment on column mlguard._violation.n is 'Rows judged.';
comment on column mlguard._violation.bad is 'Rows among them that break the SLO.';
comment on column mlguard._violation.key is 'Key of one such row.';
comment on column mlguard._violation.outcome is 'FAIL, or NOTED where the SLO is shadow or waived.';
comment on column mlguard._violation.reason is 'Further words.';


create table mlguard._hold (
  id bigint primary key generated always as identity,
  tbl text not null,
  slo text not null,
  batch bigint,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  observed text,
  allowed text,
  ended_at timestamptz,
  ended_by text,
  reason text
);

create index _hold_open on mlguard._hold (tbl) where ended_at is null;

comment on table mlguard._hold is 'Private. The gate of a table is closed while an open row names it.';
comment on column mlguard._hold.id is 'Number.';
comment on column mlguard._hold.tbl is 'The table.';
comment on column mlguard._hold.slo is 'Id of the SLO that holds it.';
comment on column mlguard._hold.batch is 'The batch held.';
comment on column mlguard._hold.since is 'Closed since.';
comment on column mlguard._hold.observed is 'What was found, in words: coverage(age) is 0.491.';
comment on column mlguard._hold.allowed is 'What is allowed, in words: allowed >= 0.75.';
comment on column mlguard._hold.ended_at is 'When it ended.';
comment on column mlguard._hold.ended_by is 'Who or what ended it.';
comment on column mlguard._hold.reason is 'Why it ended.';


create table mlguard._freshness (
  id bigint primary key generated always as identity,
  tbl text not null,
  newest timestamptz not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  xid xid8 not null default pg_catalog.pg_current_xact_id()
);

create index _freshness_newest on mlguard._freshness (tbl, newest desc);

comment on table mlguard._freshness is
  'Private. Newest event times, appended when they advance by more than the grain: one updated row is a hot spot.';
comment on column mlguard._freshness.id is 'Number.';
comment on column mlguard._freshness.tbl is 'The table.';
comment on column mlguard._freshness.newest is
  'An event time that the table holds. In the future: counts once it has come.';
comment on column mlguard._freshness.at is 'When the line was written.';
comment on column mlguard._freshness.xid is
  'The transaction that wrote it: tells lines of rows that a DELETE could not see.';
