-- Post-prediction steps: the versions of each table's step set, the lines they leave, rows that wait for a person.

create table mlguard._post_set (
  tbl text not null,
  version integer not null,
  hash text not null,
  steps jsonb not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  ended_at timestamptz,
  applied_by text not null default session_user,
  primary key (tbl, version),
  constraint _post_set_hash unique (tbl, hash)
);

comment on table mlguard._post_set is 'Private. Every set of post-prediction steps that ever was in force.';
comment on column mlguard._post_set.tbl is 'The prediction table.';
comment on column mlguard._post_set.version is 'Counts the sets of the table; one that comes back keeps its number.';
comment on column mlguard._post_set.hash is 'Hash of the steps; generated functions name their set by it.';
comment on column mlguard._post_set.steps is 'The steps in order: name, kind, when, set.';
comment on column mlguard._post_set.since is 'When it came into force last.';
comment on column mlguard._post_set.ended_at is 'When another took its place; null while it is in force.';
comment on column mlguard._post_set.applied_by is 'Who applied it last.';


create function mlguard.post_set_v1(p_tbl text, p_hash text, p_steps jsonb)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _version integer;
begin
  update mlguard._post_set s
  set ended_at = clock_timestamp()
  where s.tbl = p_tbl and s.hash <> p_hash and s.ended_at is null;
  insert into mlguard._post_set as s (tbl, version, hash, steps)
  values (p_tbl, 1 + coalesce((select max(o.version) from mlguard._post_set o where o.tbl = p_tbl), 0), p_hash, p_steps)
  on conflict on constraint _post_set_hash do update
  set since = case when s.ended_at is null then s.since else clock_timestamp() end,
      ended_at = null,
      applied_by = session_user
  returning s.version into _version;
  return _version;
end
$mlguard$;

comment on function mlguard.post_set_v1(text, text, jsonb) is
  'Puts a set of steps in force and returns its version. apply calls it.';


create function mlguard.post_set_ended_v1(p_tbl text, p_hash text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  update mlguard._post_set set ended_at = clock_timestamp() where tbl = p_tbl and hash = p_hash and ended_at is null
$mlguard$;

comment on function mlguard.post_set_ended_v1(text, text) is 'Ends a set of steps; what it was stays on record.';


alter table mlguard._change add column step_set text;

comment on column mlguard._change.step_set is 'Of a post-prediction step: hash of the set it belongs to.';

-- With the number: the lines of one statement are found without those of earlier statements of its transaction.
drop index mlguard._change_batch;
create index _change_batch on mlguard._change (batch, id);

create or replace view mlguard.change as
select c.id, c.tbl, mlguard._masked(c.key, t.pii) as key, c.column_name,
       case when c.column_name <> all (t.pii) then c.old else to_jsonb('not shown (pii)'::text) end as old,
       case when c.column_name <> all (t.pii) then c.new else to_jsonb('not shown (pii)'::text) end as new,
       c.rule, c.at, c.batch, s.version
from mlguard._change c
left join mlguard._table t on t.tbl = c.tbl
left join mlguard._post_set s on s.tbl = c.tbl and s.hash = c.step_set
where not c.pending;

comment on column mlguard.change.rule is
  'The SLO that repaired the value, or <table>/post.<step>, or <table>/review for a value that a person set.';
comment on column mlguard.change.version is 'Of a post-prediction step: version of the step set; see mlguard.post_set.';


create view mlguard.post_set as
select s.tbl, s.version, s.steps, s.since, s.ended_at, s.applied_by
from mlguard._post_set s;

comment on view mlguard.post_set is 'Post-prediction steps of each table, every version; ended_at is null of the one in force.';


create function mlguard.post_lines_v1(
  p_tbl text, p_set text, p_key jsonb, p_row_hash text, p_lines jsonb, p_pending boolean, p_mark text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _known text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
  _place tid;
  _batch bigint;
  _id bigint;
  _first bigint;
begin
  -- What batch_v1 does first, without the call: this runs once a changed row.
  if _known ~ '^\(\d{1,9},\d{1,4}\)$' then
    _place := _known;
    select b.id
    into _batch
    from mlguard._batch b
    where b.ctid = _place and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
      and b.closed_at is null;
  end if;
  if _batch is null then
    _batch := mlguard.batch_v1(p_tbl);
  end if;
  for _n in 0 .. jsonb_array_length(p_lines) - 1 loop
    insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, row_hash, pending, step_set)
    values (p_tbl, p_key, p_lines -> _n ->> 'column', p_lines -> _n -> 'old', p_lines -> _n -> 'new',
            p_tbl || '/post.' || (p_lines -> _n ->> 'step'), _batch, p_row_hash, p_pending, p_set)
    returning id into _id;
    _first := coalesce(_first, _id);
  end loop;
  if coalesce(current_setting(p_mark, true), '') = '' then
    perform set_config(p_mark, _first::text, true);
  end if;
  return _first;
end
$mlguard$;

comment on function mlguard.post_lines_v1(text, text, jsonb, text, jsonb, boolean, text) is
  'Notes what post-prediction steps did to one row; returns the number of the first line. p_mark: setting that keeps '
  'the first of the statement, from which on lines of rows that did not land are taken back.';


create function mlguard.copying_v1(p_relation regclass)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Of another role's session (after SET ROLE) the view hides the relation, and the answer is false.
  select exists (
    select from pg_stat_progress_copy p
    where p.pid = pg_backend_pid() and p.relid = p_relation and p.command = 'COPY FROM')
$mlguard$;

comment on function mlguard.copying_v1(regclass) is
  'Whether this session is loading a relation by COPY, all of whose rows land or none.';


create function mlguard.post_moved_v1(p_tbl text, p_first bigint, p_count integer, p_columns text[], p_row_hash text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  update mlguard._change
  set row_hash = case when column_name = any (p_columns) then p_row_hash else '' end
  where id >= p_first and id < p_first + 1000 and tbl = p_tbl
    and batch = mlguard.batch_v1(p_tbl)
    and id in (
      select c.id
      from mlguard._change c
      where c.id >= p_first and c.id < p_first + 1000 and c.tbl = p_tbl and c.batch = mlguard.batch_v1(p_tbl)
      order by c.id
      limit p_count)
$mlguard$;

comment on function mlguard.post_moved_v1(text, bigint, integer, text[], text) is
  'Gives the lines of a proposed row to the stored row that ON CONFLICT updated with its values.';


create table mlguard._seal (
  secret text not null default pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text
);

comment on table mlguard._seal is 'Private. What mlguard notes for its own transaction is signed with it.';
comment on column mlguard._seal.secret is 'The secret; each database has its own.';

insert into mlguard._seal default values;


create function mlguard.sealed_v1(p_note jsonb)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select encode(sha256(convert_to(s.secret || p_note::text || s.secret, 'UTF8')), 'hex') || p_note::text
  from mlguard._seal s
$mlguard$;

comment on function mlguard.sealed_v1(jsonb) is
  'A note that a trigger leaves in a setting for a later trigger of its statement: signed, since the session''s user may '
  'write the setting too.';


create function mlguard.unsealed_v1(p_sealed text)
returns jsonb
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if length(p_sealed) > 64 and p_sealed = mlguard.sealed_v1(substr(p_sealed, 65)::jsonb) then
    return substr(p_sealed, 65)::jsonb;
  end if;
  return null;
exception
  when data_exception then
    return null;
end
$mlguard$;

comment on function mlguard.unsealed_v1(text) is 'The note of sealed_v1; null where the signature is not mlguard''s.';


create table mlguard._review (
  id bigint primary key generated always as identity,
  tbl text not null,
  key jsonb not null,
  row_key text not null,
  step text not null,
  step_set text not null,
  row_hash text not null,
  batch bigint not null,
  status text not null default 'pending',
  routed_at timestamptz not null default pg_catalog.clock_timestamp(),
  decided_at timestamptz,
  decided_by text,
  reason text,
  given jsonb,
  constraint _review_status check (status in ('pending', 'accepted', 'overridden', 'rejected', 'obsolete'))
);

create index _review_withheld on mlguard._review (tbl, row_key) where status in ('pending', 'rejected');
create index _review_batch on mlguard._review (batch, id);
create index _review_tbl on mlguard._review (tbl, id);

comment on table mlguard._review is 'Private. Rows that guarded reads omit until a person decided, and what was decided.';
comment on column mlguard._review.id is 'Number; review_accept, review_override and review_reject take it.';
comment on column mlguard._review.tbl is 'The prediction table.';
comment on column mlguard._review.key is 'Key of the row.';
comment on column mlguard._review.row_key is 'The same in a spelling that no setting of a session changes.';
comment on column mlguard._review.step is 'The step that routed it.';
comment on column mlguard._review.step_set is 'Hash of its step set.';
comment on column mlguard._review.row_hash is 'Hash of the row as it was routed.';
comment on column mlguard._review.batch is 'The batch it came with.';
comment on column mlguard._review.status is
  'pending, accepted, overridden, rejected, or obsolete: predicted anew or deleted before or after the decision.';
comment on column mlguard._review.routed_at is 'When it was routed.';
comment on column mlguard._review.decided_at is 'When it was decided.';
comment on column mlguard._review.decided_by is 'Who decided.';
comment on column mlguard._review.reason is 'Why.';
comment on column mlguard._review.given is 'Columns and values that the person gave instead.';


create view mlguard.review as
select r.id, r.tbl, mlguard._masked(r.key, t.pii) as key, r.step, s.version, r.batch, r.status, r.routed_at,
       r.decided_at, r.decided_by, r.reason, mlguard._masked(r.given, t.pii) as given
from mlguard._review r
left join mlguard._table t on t.tbl = r.tbl
left join mlguard._post_set s on s.tbl = r.tbl and s.hash = r.step_set;

comment on view mlguard.review is
  'Rows that a step routed to review: guarded reads omit those that are pending or rejected.';


create function mlguard.route_v1(
  p_tbl text, p_set text, p_key jsonb, p_row_key text, p_row_hash text, p_steps text[], p_before bigint, p_mark text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _batch bigint;
  _first bigint;
begin
  -- The prediction is a new one: what was asked or decided about the old one is no longer about it.
  update mlguard._review
  set status = 'obsolete'
  where tbl = p_tbl and row_key = p_row_key and status in ('pending', 'rejected') and id < p_before;
  if cardinality(p_steps) > 0 then
    _batch := mlguard.batch_v1(p_tbl);
    with routed as (
      insert into mlguard._review (tbl, key, row_key, step, step_set, row_hash, batch)
      select p_tbl, p_key, p_row_key, s.name, p_set, p_row_hash, _batch
      from unnest(p_steps) with ordinality s (name, place)
      order by s.place
      returning id
    )
    select min(r.id) into _first from routed r;
    if coalesce(current_setting(p_mark, true), '') = '' then
      perform set_config(p_mark, _first::text, true);
    end if;
  end if;
  return _first;
end
$mlguard$;

comment on function mlguard.route_v1(text, text, jsonb, text, text, text[], bigint, text) is
  'Withholds a row from guarded reads until a person decides, and returns the number of its first review; reviews of '
  'the row with a number below p_before are obsolete.';


create function mlguard.unrouted_v1(p_tbl text, p_row_keys text[])
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  update mlguard._review
  set status = 'obsolete'
  where tbl = p_tbl and status in ('pending', 'rejected') and (p_row_keys is null or row_key = any (p_row_keys))
$mlguard$;

comment on function mlguard.unrouted_v1(text, text[]) is 'Ends the reviews of rows that were deleted; null: of all.';


create table mlguard._acting (
  tbl text not null,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  primary key (tbl, xid)
);

comment on table mlguard._acting is
  'Private. While a person''s values are written: post-prediction steps leave such a row as it is. Empty between transactions.';
comment on column mlguard._acting.tbl is 'The table.';
comment on column mlguard._acting.xid is 'The transaction.';


create function mlguard.acting_v1(p_tbl text)
returns boolean
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select exists (
    select from mlguard._acting a where a.tbl = p_tbl and a.xid = pg_current_xact_id_if_assigned())
$mlguard$;

comment on function mlguard.acting_v1(text) is 'Whether mlguard itself is writing what a person decided.';


create function mlguard._review_row(p_id bigint, p_reason text)
returns mlguard._review
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _row mlguard._review;
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a decision about a prediction needs a reason',
      hint = format('select * from mlguard.review_accept(%s, ''checked by phone'')', p_id);
  end if;
  -- The lock makes two reviewers of one row wait here; the second then finds it decided.
  select r.* into _row from mlguard._review r where r.id = p_id for update;
  return _row;
end
$mlguard$;

comment on function mlguard._review_row(bigint, text) is 'Private. The review of this number, locked.';


create function mlguard._review_decide(p_row mlguard._review, p_status text, p_reason text, p_given jsonb)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  update mlguard._review r
  set status = p_status, decided_at = clock_timestamp(), decided_by = session_user, reason = p_reason, given = p_given
  where r.id = p_row.id;
  perform mlguard._record('review ' || p_status, format('review %s', p_row.id),
                          jsonb_build_object('table', p_row.tbl, 'step', p_row.step, 'status', p_row.status),
                          jsonb_build_object('status', p_status), p_reason);
end
$mlguard$;

comment on function mlguard._review_decide(mlguard._review, text, text, jsonb) is 'Private. Notes and records a decision.';


create function mlguard._review_closed(p_id bigint, p_row mlguard._review)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select case
    when p_row.id is null then 'not found'
    when p_row.status not in ('pending', 'rejected') then 'already ' || p_row.status
  end
$mlguard$;

comment on function mlguard._review_closed(bigint, mlguard._review) is
  'Private. Why nothing can be decided about a review any more; null where something can. A rejected row may be taken back.';


create function mlguard.review_accept(p_id bigint, p_reason text)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
begin
  if _closed is null then
    perform mlguard._review_decide(_row, 'accepted', p_reason, null);
  end if;
  return query select p_id, coalesce(_closed, 'accepted'), coalesce(_row.reason, p_reason);
end
$mlguard$;

comment on function mlguard.review_accept(bigint, text) is
  'Lets a routed row appear in guarded reads as it is. Outcome: accepted, not found, already …';


create function mlguard.review_reject(p_id bigint, p_reason text)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
begin
  if _row.status = 'rejected' then
    _closed := 'already rejected';
  end if;
  if _closed is null then
    perform mlguard._review_decide(_row, 'rejected', p_reason, null);
  end if;
  return query select p_id, coalesce(_closed, 'rejected'), coalesce(_row.reason, p_reason);
end
$mlguard$;

comment on function mlguard.review_reject(bigint, text) is
  'Keeps a routed row out of guarded reads for good; it stays in the table. Outcome: rejected, not found, already …';


create function mlguard.review_override(p_id bigint, p_set jsonb, p_reason text)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
  _table mlguard._table;
  _relation text;
  _same text;
  _wrong text;
  _was jsonb;
  _is jsonb;
  _rows bigint;
  _state text;
  _message text;
begin
  if p_set is null or jsonb_typeof(p_set) <> 'object' or p_set = '{}' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: an override says which columns get which values',
      hint = format('select * from mlguard.review_override(%s, ''{"score": 0.2}'', ''checked by phone'')', p_id);
  end if;
  if _closed is not null then
    return query select p_id, _closed, _row.reason;
    return;
  end if;
  select t.* into _table from mlguard._table t where t.tbl = _row.tbl;
  _relation := format('%I.%I', _table.schema_name, _table.table_name);
  select string_agg(format('"%s"', k.name), ', ' order by k.name)
  into _wrong
  from jsonb_object_keys(p_set) k (name)
  left join pg_attribute a
    on a.attrelid = to_regclass(_relation) and a.attname = k.name and a.attnum > 0 and not a.attisdropped
  where a.attname is null or a.attgenerated <> '' or k.name = any (_table.key);
  if to_regclass(_relation) is null or _wrong is not null then
    return query select p_id, 'failed', coalesce(_wrong || ' cannot be set', format('there is no table %s', _row.tbl));
    return;
  end if;
  _same := (select string_agg(format('t.%1$I = k.%1$I', k.name), ' and ') from unnest(_table.key) k (name));

  begin
    -- Triggers of the table's own may need the names they usually see; the statements here are qualified.
    perform set_config('search_path', s.reset_val, true) from pg_catalog.pg_settings s where s.name = 'search_path';
    insert into mlguard._acting (tbl) values (_row.tbl) on conflict do nothing;
    perform pg_catalog.set_config('mlguard.acting', 'on', true);
    execute pg_catalog.format(
      'select pg_catalog.to_jsonb(t) from %1$s t, pg_catalog.jsonb_populate_record(null::%1$s, $1) k where %2$s',
      _relation, _same)
    into _was
    using _row.key;
    execute pg_catalog.format(
      'update %1$s t set %2$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) k, '
      'pg_catalog.jsonb_populate_record(null::%1$s, $2) n where %3$s returning pg_catalog.to_jsonb(t)',
      _relation,
      (select pg_catalog.string_agg(pg_catalog.format('%1$I = n.%1$I', s.name), ', ')
       from pg_catalog.jsonb_object_keys(p_set) s (name)),
      _same)
    into _is
    using _row.key, p_set;
    get diagnostics _rows = row_count;
    perform pg_catalog.set_config('mlguard.acting', '', true), pg_catalog.set_config('search_path', '', true);
    delete from mlguard._acting a where a.tbl = _row.tbl and a.xid = pg_current_xact_id();
  exception
    when check_violation or not_null_violation or data_exception then
      get stacked diagnostics _state = returned_sqlstate, _message = message_text;
      -- PostgreSQL's own words may quote a value; mlguard's do not.
      return query select p_id, 'refused', case
        when _message like 'mlguard: %' or _table.pii = '{}' then _message
        else format('PostgreSQL refused it with SQLSTATE %s', _state)
      end;
      return;
  end;
  if _rows = 0 then
    return query select p_id, 'failed', 'the row is not in the table, or a trigger kept it as it was';
    return;
  end if;
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending, step_set)
  select _row.tbl, _row.key, k.name, _was -> k.name, _is -> k.name, _row.tbl || '/review', mlguard.batch_v1(_row.tbl),
         false, _row.step_set
  from jsonb_object_keys(p_set) k (name)
  where _was -> k.name is distinct from _is -> k.name;
  perform mlguard._review_decide(_row, 'overridden', p_reason, p_set);
  return query select p_id, 'overridden', p_reason;
end
$mlguard$;

comment on function mlguard.review_override(bigint, jsonb, text) is
  'Gives a routed row values of a person, under the table''s own rules, and lets it appear in guarded reads. Outcome: '
  'overridden, refused (a rule of the table, and which), failed, not found, already …';


create function mlguard._grant_review(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('grant select on mlguard.review, mlguard.post_set to %I', p_role);
  execute format(
    'grant execute on function mlguard.review_accept(bigint, text), mlguard.review_reject(bigint, text), '
    'mlguard.review_override(bigint, jsonb, text) to %I', p_role);
end
$mlguard$;

comment on function mlguard._grant_review(text) is 'Private. Rights to decide about routed rows.';


revoke all on
  mlguard._post_set, mlguard._seal, mlguard._review, mlguard._acting, mlguard.review, mlguard.post_set, mlguard.change
  from public;
-- The condition of a trigger runs it as who writes; it tells a session about itself only.
grant execute on function mlguard.copying_v1(regclass) to public;

revoke all on function
  mlguard.post_set_v1(text, text, jsonb), mlguard.post_set_ended_v1(text, text),
  mlguard.post_lines_v1(text, text, jsonb, text, jsonb, boolean, text),
  mlguard.post_moved_v1(text, bigint, integer, text[], text),
  mlguard.sealed_v1(jsonb), mlguard.unsealed_v1(text),
  mlguard.route_v1(text, text, jsonb, text, text, text[], bigint, text), mlguard.unrouted_v1(text, text[]),
  mlguard.acting_v1(text), mlguard._review_row(bigint, text),
  mlguard._review_decide(mlguard._review, text, text, jsonb), mlguard._review_closed(bigint, mlguard._review),
  mlguard.review_accept(bigint, text), mlguard.review_reject(bigint, text),
  mlguard.review_override(bigint, jsonb, text), mlguard._grant_review(text)
  from public;

do $mlguard$
begin
  if exists (select from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) 'mlguard_platform') then
    perform mlguard._grant_review('mlguard_platform');
  end if;
end
$mlguard$;
