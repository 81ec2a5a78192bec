-- Models: their versions and who approved them, what each version wrote and on which inputs, and the chain of events.
-- Writers append one line a statement and version; sweep() folds them, so that no two writers ever update one row.

alter table mlguard._table
  add column model text,
  add column version_column text,
  add column approval boolean not null default false,
  add column features text[] not null default '{}',
  add column when_features_held text not null default 'reject';

comment on column mlguard._table.model is 'Of a table of predictions: the model that writes it.';
comment on column mlguard._table.version_column is 'Column that says which version of the model wrote a row.';
comment on column mlguard._table.approval is 'Versions that nobody approved may not write here.';
comment on column mlguard._table.features is 'Tables the model reads: their gates are looked at when predictions come.';
comment on column mlguard._table.when_features_held is 'What becomes of predictions then: reject, fallback or allow.';


create table mlguard._model (
  model text primary key,
  constraint _model_named check (model ~ '\S')
);

comment on table mlguard._model is
  'Private. One row per model: whoever changes the state of its versions locks it, so that such acts go one by one.';
comment on column mlguard._model.model is 'Name, as `model:` in an SLO file says it.';


create table mlguard._model_version (
  model text not null references mlguard._model,
  version text not null,
  state text not null default 'registered',
  author text not null default session_user,
  registered_at timestamptz not null default pg_catalog.clock_timestamp(),
  note text,
  ticket bigint,
  approver text,
  approved_at timestamptz,
  promoted_by text,
  promoted_at timestamptz,
  came_after text,
  rolled_back_at timestamptz,
  retired_by text,
  retired_at timestamptz,
  primary key (model, version),
  constraint _model_version_named check (version ~ '\S'),
  constraint _model_version_state check (state in ('registered', 'approved', 'champion', 'challenger', 'retired')),
  -- Four eyes, whatever wrote the row.
  constraint _model_version_approver check (approver <> author),
  constraint _model_version_approved check (state in ('registered', 'retired') or approver is not null)
);

create unique index _model_version_champion on mlguard._model_version (model) where state = 'champion';

comment on table mlguard._model_version is 'Private. One row per version of a model.';
comment on column mlguard._model_version.model is 'The model.';
comment on column mlguard._model_version.version is
  'The version, as text: what the version column of predictions holds.';
comment on column mlguard._model_version.state is
  'registered (nobody approved it), approved, champion (served), challenger (writes beside it), retired.';
comment on column mlguard._model_version.author is 'Who registered it: the user who logged in, whatever role was set.';
comment on column mlguard._model_version.registered_at is 'When.';
comment on column mlguard._model_version.note is 'What its author said about it.';
comment on column mlguard._model_version.ticket is 'The training ticket it came from; null where there was none.';
comment on column mlguard._model_version.approver is 'Who approved it; never its author.';
comment on column mlguard._model_version.approved_at is 'When.';
comment on column mlguard._model_version.promoted_by is 'Who made it champion or challenger last.';
comment on column mlguard._model_version.promoted_at is 'When.';
comment on column mlguard._model_version.came_after is 'The champion before it: where a rollback leads.';
comment on column mlguard._model_version.rolled_back_at is
  'Taken out of service by a rollback; another rollback does not lead back to it. Null once promoted again.';
comment on column mlguard._model_version.retired_by is 'Who retired it.';
comment on column mlguard._model_version.retired_at is 'When.';


create table mlguard._prediction_line (
  tbl text not null,
  model text not null,
  version text not null,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  started_at timestamptz not null default pg_catalog.now(),
  at timestamptz not null default pg_catalog.clock_timestamp(),
  writer text not null default session_user,
  n bigint not null,
  first_event timestamptz,
  last_event timestamptz,
  inputs jsonb not null,
  held boolean not null
);

comment on table mlguard._prediction_line is
  'Private. One row per statement that wrote predictions, and version: appended, and without an index, because a row '
  'each writer updates would make them wait for one another. sweep() folds it.';
comment on column mlguard._prediction_line.tbl is 'The table of predictions.';
comment on column mlguard._prediction_line.model is 'The model.';
comment on column mlguard._prediction_line.version is 'Its version; empty where the row names none.';
comment on column mlguard._prediction_line.xid is 'The transaction.';
comment on column mlguard._prediction_line.started_at is 'Its start.';
comment on column mlguard._prediction_line.at is 'When the statement wrote.';
comment on column mlguard._prediction_line.writer is 'Who wrote.';
comment on column mlguard._prediction_line.n is 'Rows.';
comment on column mlguard._prediction_line.first_event is 'Their first event time.';
comment on column mlguard._prediction_line.last_event is 'Their last.';
comment on column mlguard._prediction_line.inputs is
  'Gates of the input tables just before: {table: "open"}, or since when held, and why.';
comment on column mlguard._prediction_line.held is 'Some input was held.';


create table mlguard._prediction_batch (
  id bigint primary key generated always as identity,
  tbl text not null,
  model text not null,
  version text not null,
  xid xid8,
  started_at timestamptz not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  writer text,
  n bigint not null,
  batches bigint not null,
  first_event timestamptz,
  last_event timestamptz,
  inputs jsonb not null,
  held boolean not null
);

create unique index _prediction_batch_hour on mlguard._prediction_batch (tbl, model, version, started_at)
  where xid is null;
create index _prediction_batch_held on mlguard._prediction_batch (tbl, started_at) where held;
create index _prediction_batch_tbl on mlguard._prediction_batch (tbl, started_at);

comment on table mlguard._prediction_batch is
  'Private. What one transaction wrote of one version, folded; small batches on good inputs share one row an hour.';
comment on column mlguard._prediction_batch.id is 'Number.';
comment on column mlguard._prediction_batch.tbl is 'The table of predictions.';
comment on column mlguard._prediction_batch.model is 'The model.';
comment on column mlguard._prediction_batch.version is 'Its version; empty where the rows name none.';
comment on column mlguard._prediction_batch.xid is 'The transaction; null for an hour of small ones.';
comment on column mlguard._prediction_batch.started_at is 'Its start, or the start of the hour.';
comment on column mlguard._prediction_batch.first_at is 'When the first statement wrote.';
comment on column mlguard._prediction_batch.last_at is 'When the last one did.';
comment on column mlguard._prediction_batch.writer is 'Who wrote; null where several did.';
comment on column mlguard._prediction_batch.n is 'Rows.';
comment on column mlguard._prediction_batch.batches is 'Transactions.';
comment on column mlguard._prediction_batch.first_event is 'First event time of the rows.';
comment on column mlguard._prediction_batch.last_event is 'Last event time of the rows.';
comment on column mlguard._prediction_batch.inputs is
  'Gates of the input tables: {table: "open"}, or since when held, and why.';
comment on column mlguard._prediction_batch.held is 'Some input was held.';


create table mlguard._model_usage (
  model text not null,
  version text not null,
  tbl text not null,
  first_use timestamptz not null,
  last_use timestamptz not null,
  n bigint not null,
  primary key (model, version, tbl)
);

comment on table mlguard._model_usage is 'Private. Totals by version and table, as far as sweep() has folded them.';
comment on column mlguard._model_usage.model is 'The model.';
comment on column mlguard._model_usage.version is 'Its version; empty for rows that name none.';
comment on column mlguard._model_usage.tbl is 'The table of predictions.';
comment on column mlguard._model_usage.first_use is 'When it wrote first.';
comment on column mlguard._model_usage.last_use is 'When it wrote last.';
comment on column mlguard._model_usage.n is 'Rows it wrote.';


create function mlguard._locked_version(p_model text, p_version text)
returns mlguard._model_version
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _found mlguard._model_version;
begin
  perform from mlguard._model m where m.model = p_model for update;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no version of a model %s is registered', coalesce(p_model, '(null)')),
      hint = 'Models are known by their versions: mlguard models register MODEL VERSION, or mlguard.register(). '
             'select distinct model from mlguard.model_version';
  end if;
  select v.* into _found from mlguard._model_version v where v.model = p_model and v.version = p_version;
  if not found and p_version is not null then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: model %s has no version %s', p_model, p_version),
      hint = 'It has: ' || (
        select string_agg(r.version, ', ' order by r.registered_at desc)
        from (select v.version, v.registered_at from mlguard._model_version v
              where v.model = p_model order by v.registered_at desc limit 10) r);
  end if;
  return _found;
end
$mlguard$;

comment on function mlguard._locked_version(text, text) is
  'Private. One version, after the lock of its model is taken: who promotes, approves and retires goes one by one.';


create function mlguard._model_reason(p_reason text, p_act text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s a version needs a reason: it is what others read afterwards', p_act);
  end if;
end
$mlguard$;

comment on function mlguard._model_reason(text, text) is 'Private. Raises where no reason is given.';


create function mlguard._record_model(
  p_act text, p_model text, p_version text, p_before jsonb, p_after jsonb, p_reason text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._record(p_act, format('%s version %s', p_model, p_version), p_before,
                         jsonb_build_object('model', p_model, 'version', p_version) || p_after, p_reason)
$mlguard$;

comment on function mlguard._record_model(text, text, text, jsonb, jsonb, text) is
  'Private. Writes an act on a version of a model into the events.';


create function mlguard.register(
  p_model text, p_version text, p_note text default null, p_ticket bigint default null)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _found mlguard._model_version;
begin
  if p_model is null or p_model !~ '\S' or p_version is null or p_version !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: a version has a name, and so has its model';
  end if;
  insert into mlguard._model (model) values (p_model) on conflict do nothing;
  insert into mlguard._model_version (model, version, note, ticket)
  values (p_model, p_version, p_note, p_ticket)
  on conflict do nothing
  returning * into _found;
  if _found.version is null then
    select v.* into _found from mlguard._model_version v where v.model = p_model and v.version = p_version;
    raise exception using
      errcode = 'duplicate_object',
      message = format('mlguard: model %s version %s is registered already%s', p_model, p_version,
                       ', by ' || _found.author),
      hint = 'A version stays what it was: give a newly trained model a name of its own.';
  end if;
  perform mlguard._record_model('register', p_model, p_version, null,
                                jsonb_strip_nulls(jsonb_build_object('state', 'registered', 'ticket', p_ticket)), p_note);
  return 'registered';
end
$mlguard$;

comment on function mlguard.register(text, text, text, bigint) is
  'Registers a version of a model; its author is the user who logged in. Somebody else approves it.';


create function mlguard.approve(p_model text, p_version text, p_reason text default null)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _version mlguard._model_version := mlguard._locked_version(p_model, p_version);
begin
  -- session_user: SET ROLE does not change who somebody is.
  if _version.author = session_user then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('mlguard: model %s version %s was registered by %s: its author may not approve it',
                       p_model, p_version, _version.author),
      hint = 'Another member of mlguard_platform, logged in as somebody else, approves it; SET ROLE does not help.';
  end if;
  if _version.state not in ('registered', 'retired') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is approved already, by %s', p_model, p_version, _version.approver);
  end if;
  update mlguard._model_version v
  set state = 'approved', approver = session_user, approved_at = clock_timestamp(), retired_by = null, retired_at = null
  where v.model = p_model and v.version = p_version;
  perform mlguard._record_model('approve', p_model, p_version, jsonb_build_object('state', _version.state),
                                jsonb_build_object('state', 'approved', 'author', _version.author), p_reason);
  return 'approved';
end
$mlguard$;

comment on function mlguard.approve(text, text, text) is
  'Lets a version write predictions where approval is required. Its author may not: who logged in counts, not the role.';


create function mlguard.promote(
  p_model text, p_version text, p_reason text default null, p_as text default 'champion')
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _version mlguard._model_version := mlguard._locked_version(p_model, p_version);
  _champion text;
begin
  if p_as is null or p_as not in ('champion', 'challenger') then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: a version is promoted to champion or to challenger';
  end if;
  if _version.state not in ('approved', 'champion', 'challenger') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s, and only an approved version can be %s', p_model, p_version,
                       _version.state, p_as),
      hint = format('mlguard models approve %s %s', p_model, p_version);
  end if;
  if _version.state = p_as then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s already', p_model, p_version, p_as);
  end if;
  if _version.state = 'champion' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is the champion', p_model, p_version),
      hint = 'Promote another version to champion, or roll back, first.';
  end if;
  select v.version into _champion from mlguard._model_version v where v.model = p_model and v.state = 'champion';
  if p_as = 'champion' then
    update mlguard._model_version v set state = 'approved' where v.model = p_model and v.state = 'champion';
    update mlguard._model_version v
    set state = 'champion', promoted_by = session_user, promoted_at = clock_timestamp(), came_after = _champion,
        rolled_back_at = null
    where v.model = p_model and v.version = p_version;
  else
    update mlguard._model_version v
    set state = 'challenger', promoted_by = session_user, promoted_at = clock_timestamp()
    where v.model = p_model and v.version = p_version;
  end if;
  perform mlguard._record_model(
    case p_as when 'champion' then 'promote' else 'challenge' end, p_model, p_version,
    jsonb_build_object('state', _version.state, 'champion', _champion),
    jsonb_build_object('state', p_as, 'champion', case p_as when 'champion' then p_version else _champion end), p_reason);
  return p_as;
end
$mlguard$;

comment on function mlguard.promote(text, text, text, text) is
  'Makes an approved version the champion, whose predictions are served, in one step for all readers; the one before it '
  'stays approved and is where rollback() leads. p_as => ''challenger'': it writes beside the champion.';


create function mlguard.challenge(p_model text, p_version text, p_reason text default null)
returns text
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard.promote(p_model, p_version, p_reason, 'challenger')
$mlguard$;

comment on function mlguard.challenge(text, text, text) is
  'Makes an approved version a challenger: it writes predictions beside the champion, and none of them is served.';


create function mlguard._previous(p_model text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  with recursive before (version, state, rolled_back_at, came_after, path) as (
    select v.version, v.state, v.rolled_back_at, v.came_after, array[v.version]
    from mlguard._model_version v
    where v.model = p_model and v.state = 'champion'
    union all
    select v.version, v.state, v.rolled_back_at, v.came_after, b.path || v.version
    from before b
    join mlguard._model_version v on v.model = p_model and v.version = b.came_after
    where v.version <> all (b.path)
  )
  select b.version
  from before b
  where b.state in ('approved', 'challenger') and b.rolled_back_at is null
  order by cardinality(b.path)
  limit 1
$mlguard$;

comment on function mlguard._previous(text) is
  'Private. The version a rollback leads to: the champion before this one that is still approved and was not rolled back '
  'itself; null where there is none.';


create function mlguard.rollback(p_model text, p_reason text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _champion text;
  _previous text;
begin
  perform mlguard._model_reason(p_reason, 'roll back');
  perform mlguard._locked_version(p_model, null);
  select v.version into _champion from mlguard._model_version v where v.model = p_model and v.state = 'champion';
  _previous := mlguard._previous(p_model);
  if _previous is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = case
        when _champion is null then format('mlguard: model %s has no champion to roll back', p_model)
        else format('mlguard: no approved version of model %s was champion before version %s', p_model, _champion)
      end,
      hint = format('Name the version that is to serve: mlguard models promote %s VERSION', p_model);
  end if;
  update mlguard._model_version v
  set state = 'approved', rolled_back_at = clock_timestamp()
  where v.model = p_model and v.version = _champion;
  update mlguard._model_version v
  set state = 'champion', promoted_by = session_user, promoted_at = clock_timestamp()
  where v.model = p_model and v.version = _previous;
  perform mlguard._record_model('rollback', p_model, _previous, jsonb_build_object('champion', _champion),
                                jsonb_build_object('champion', _previous), p_reason);
  return _previous;
end
$mlguard$;

comment on function mlguard.rollback(text, text) is
  'Makes the approved champion before the present one champion again, and returns it. The one taken out stays approved: '
  'promote() brings it back.';


create function mlguard.retire(p_model text, p_version text, p_reason text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _version mlguard._model_version;
begin
  perform mlguard._model_reason(p_reason, 'retire');
  _version := mlguard._locked_version(p_model, p_version);
  if _version.state in ('champion', 'retired') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s', p_model, p_version,
                       case _version.state when 'champion' then 'the champion' else 'retired already' end),
      hint = case _version.state when 'champion' then 'Promote another version to champion, or roll back, first.' end;
  end if;
  update mlguard._model_version v
  set state = 'retired', retired_by = session_user, retired_at = clock_timestamp()
  where v.model = p_model and v.version = p_version;
  perform mlguard._record_model('retire', p_model, p_version, jsonb_build_object('state', _version.state),
                                jsonb_build_object('state', 'retired'), p_reason);
  return 'retired';
end
$mlguard$;

comment on function mlguard.retire(text, text, text) is
  'Ends a version: where approval is required it may not write from now on. approve() takes that back.';


create function mlguard.refuse_version_v1(p_tbl text, p_model text, p_version text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
  _state text := (
    select v.state from mlguard._model_version v where v.model = p_model and v.version = p_version);
  _so text := case
    when p_version is null then format('model %s: a row names no version, and approval is required', p_model)
    when _state = 'retired' then format('model %s version %s is retired', p_model, p_version)
    when _state is null then format('model %s version %s is not registered', p_model, p_version)
    else format('model %s version %s is not approved', p_model, p_version)
  end;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  return mlguard._raise(
    'ML003',
    format('mlguard: %s: %s; this statement stored nothing', p_tbl, _so),
    p_tbl || '/approval',
    jsonb_build_object('slo', p_tbl || '/approval', 'table', p_tbl, 'column', _table.version_column, 'model', p_model,
                       'version', p_version, 'state', _state, 'allowed', 'an approved version', 'owner', _table.owner),
    mlguard._hint(null, _table.owner, null, case
      when p_version is null then format('Write the version of the model into %s.', _table.version_column)
      when _state is null then format(
        'Register it: mlguard models register %s %s; then a platform role approves it: mlguard models approve %s %s',
        p_model, p_version, p_model, p_version)
      else format('A platform role other than its author approves it: mlguard models approve %s %s', p_model, p_version)
    end));
end
$mlguard$;

comment on function mlguard.refuse_version_v1(text, text, text) is
  'Raises ML003: this version of the model may not write the table. Generated triggers call it.';


create function mlguard.inputs_v1(p_tbl text, p_features text[], p_mode text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _feature text;
  _found jsonb := '{}';
  _held boolean := false;
  _why record;
  _slo record;
begin
  foreach _feature in array p_features loop
    if mlguard.gate_open_v1(_feature) then
      _found := _found || jsonb_build_object(_feature, case
        when exists (select from mlguard._table t where t.tbl = _feature) then 'open' else 'not guarded' end);
      continue;
    end if;
    select c.* into strict _why from mlguard._closed(_feature) c;
    if p_mode = 'reject' then
      select coalesce(s.owner, t.owner) as owner, s.runbook
      into _slo
      from mlguard._table t
      left join mlguard._slo s on s.id = _why.slo
      where t.tbl = _feature;
      perform mlguard._raise(
        'ML001',
        format('mlguard: %s: its input %s %s; this statement stored nothing', p_tbl, _feature, _why.words),
        _why.slo,
        mlguard._detail(_why.slo, _why.observed, null, null,
                        jsonb_build_object('table', p_tbl, 'column', null, 'input', _feature, 'state', _why.state,
                                           'since', _why.since, 'batch', _why.batch, 'slos', _why.slos)),
        mlguard._hint(
          'Predictions made now would be made on bad inputs.',
          _slo.owner, _slo.runbook,
          format('when_features_held: allow lets them in, marked; a platform role may waive the hold: '
                 'mlguard waive %s --until … --reason …', _why.slo)));
    end if;
    _held := true;
    _found := _found || jsonb_build_object(
      _feature, jsonb_build_object('state', _why.state, 'since', _why.since, 'slos', _why.slos,
                                   'why', format('%s %s', _feature, _why.words)));
  end loop;
  return case when _held then 'h' else 'o' end || _found;
end
$mlguard$;

comment on function mlguard.inputs_v1(text, text[], text) is
  'The gates of the tables a model reads, as text: h (some are held) or o (all are open), then {table: state}. With mode '
  'reject raises ML001 while one is held.';


create function mlguard.fell_back_v1(p_tbl text, p_key jsonb, p_column text, p_old jsonb)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending)
  values (p_tbl, p_key, p_column, p_old, null, p_tbl || '/when_features_held', mlguard.batch_v1(p_tbl), false)
$mlguard$;

comment on function mlguard.fell_back_v1(text, jsonb, text, jsonb) is
  'Notes the value a model gave while an input was held, before a fallback takes its place.';


create view mlguard.model_usage as
select u.model, nullif(u.version, '') as version, u.tbl, min(u.first_use) as first_use, max(u.last_use) as last_use,
       sum(u.n)::bigint as predictions
from (
  select t.model, t.version, t.tbl, t.first_use, t.last_use, t.n from mlguard._model_usage t
  union all
  select l.model, l.version, l.tbl, l.at, l.at, l.n from mlguard._prediction_line l
) u
group by u.model, u.version, u.tbl;

comment on view mlguard.model_usage is
  'What each version wrote, by table, registered or not: first and last use, rows. Exact, folded or not.';
comment on column mlguard.model_usage.version is 'The version; null for rows that name none.';
comment on column mlguard.model_usage.predictions is
  'Rows that INSERT, COPY, MERGE and upserts wrote; later deletes do not count against it.';


create view mlguard.model_version as
select v.model, v.version, v.state, v.author, v.registered_at, v.approver, v.approved_at, v.promoted_by, v.promoted_at,
       v.version is not distinct from mlguard._previous(v.model) as previous,
       v.retired_by, v.retired_at, v.note, v.ticket,
       u.first_use, u.last_use, coalesce(u.predictions, 0)::bigint as predictions
from mlguard._model_version v
left join (
  select m.model, m.version, min(m.first_use) as first_use, max(m.last_use) as last_use,
         sum(m.predictions) as predictions
  from mlguard.model_usage m
  group by m.model, m.version
) u on u.model = v.model and u.version = v.version;

comment on view mlguard.model_version is 'Versions of models: state, author and approver, first and last use.';
comment on column mlguard.model_version.state is
  'registered, approved, champion (its predictions are served), challenger or retired.';
comment on column mlguard.model_version.previous is 'Where a rollback of the model leads.';
comment on column mlguard.model_version.ticket is 'The training ticket it came from.';
comment on column mlguard.model_version.predictions is 'Rows it wrote.';


create view mlguard.prediction_batch as
select b.tbl, b.model, nullif(b.version, '') as version, b.xid, b.started_at, b.first_at, b.last_at, b.writer, b.n,
       b.batches, b.first_event, b.last_event, b.inputs, b.held as inputs_held, k.id as batch
from (
  select p.tbl, p.model, p.version, p.xid, p.started_at, p.first_at, p.last_at, p.writer, p.n, p.batches,
         p.first_event, p.last_event, p.inputs, p.held
  from mlguard._prediction_batch p
  union all
  select l.tbl, l.model, l.version, l.xid, l.started_at, min(l.at), max(l.at), min(l.writer), sum(l.n)::bigint, 1,
         min(l.first_event), max(l.last_event), (array_agg(l.inputs order by l.held desc, l.at))[1], bool_or(l.held)
  from mlguard._prediction_line l
  group by l.tbl, l.model, l.version, l.xid, l.started_at
) b
left join mlguard._batch k on k.xid = b.xid and k.tbl = b.tbl and k.opened_at = b.started_at;

comment on view mlguard.prediction_batch is
  'Predictions by transaction and version, with the gates of their inputs; small ones on good inputs by the hour.';
comment on column mlguard.prediction_batch.xid is
  'The transaction; a column of the table with default pg_current_xact_id() finds its rows. Null for an hour of small ones.';
comment on column mlguard.prediction_batch.n is 'Rows.';
comment on column mlguard.prediction_batch.batches is 'Transactions.';
comment on column mlguard.prediction_batch.inputs is
  'Each input table: "open", "not guarded", or since when it was held, and why.';
comment on column mlguard.prediction_batch.inputs_held is
  'Some input was held: these predictions were made on broken features.';
comment on column mlguard.prediction_batch.batch is 'The same in mlguard.batch, where an SLO judges batches.';


create view mlguard.model_metric as
select t.model, m.segment ->> t.version_column as version, m.tbl, m.metric, m.over,
       nullif(m.segment - t.version_column, '{}') as segment, m.window_start, m.window_end, m.value, m.n
from mlguard.metric m
join mlguard._table t on t.tbl = m.tbl
where t.model is not null and m.current and m.segment ? t.version_column;

comment on view mlguard.model_metric is
  'Metrics by version: those of SLOs whose `by` names the version column.';
comment on column mlguard.model_metric.segment is 'The other columns of `by`; null where there is none.';


create function mlguard._sweep_models(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint := 0;
begin
  if pg_try_advisory_xact_lock(hashtextextended('mlguard prediction lines', 0)) then
    with gone as (
      delete from mlguard._prediction_line l returning l.*
    ), batch as (
      select g.tbl, g.model, g.version, g.xid, g.started_at, min(g.at) as first_at, max(g.at) as last_at,
             min(g.writer) as writer, sum(g.n) as n, min(g.first_event) as first_event, max(g.last_event) as last_event,
             (array_agg(g.inputs order by g.held desc, g.at))[1] as inputs, bool_or(g.held) as held, count(*) as lines
      from gone g
      group by g.tbl, g.model, g.version, g.xid, g.started_at
    ), used as (
      insert into mlguard._model_usage as old (model, version, tbl, first_use, last_use, n)
      select b.model, b.version, b.tbl, min(b.first_at), max(b.last_at), sum(b.n)
      from batch b
      group by b.model, b.version, b.tbl
      on conflict (model, version, tbl) do update
      set first_use = least(old.first_use, excluded.first_use), last_use = greatest(old.last_use, excluded.last_use),
          n = old.n + excluded.n
    ), large as (
      insert into mlguard._prediction_batch (
        tbl, model, version, xid, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs,
        held)
      select b.tbl, b.model, b.version, b.xid, b.started_at, b.first_at, b.last_at, b.writer, b.n, 1, b.first_event,
             b.last_event, b.inputs, b.held
      from batch b
      where b.held or b.n >= 100
    ), small as (
      -- A batch a row would grow as fast as the table itself; of good ones the hour says enough.
      insert into mlguard._prediction_batch as old (
        tbl, model, version, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs, held)
      select b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC'), min(b.first_at), max(b.last_at),
             case when min(b.writer) = max(b.writer) then min(b.writer) end, sum(b.n), count(*), min(b.first_event),
             max(b.last_event), (array_agg(b.inputs order by b.first_at desc))[1], false
      from batch b
      where not b.held and b.n < 100
      group by b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC')
      on conflict (tbl, model, version, started_at) where xid is null do update
      set first_at = least(old.first_at, excluded.first_at), last_at = greatest(old.last_at, excluded.last_at),
          writer = case when old.writer = excluded.writer then old.writer end, n = old.n + excluded.n,
          batches = old.batches + excluded.batches, first_event = least(old.first_event, excluded.first_event),
          last_event = greatest(old.last_event, excluded.last_event), inputs = excluded.inputs
    )
    select coalesce(sum(b.lines), 0) from batch b into _n;
  end if;
  return query select 'lines of predictions folded', _n;
end
$mlguard$;

comment on function mlguard._sweep_models(timestamptz) is
  'Private. The part of sweep() that folds what writers of predictions appended, one sweep at a time.';


create table mlguard._event_seal (
  no bigint primary key,
  event bigint not null unique,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  prev bytea not null,
  hash bytea not null
);

comment on table mlguard._event_seal is
  'Private. The chain of events: events commit out of the order of their numbers, so committed ones get a number here.';
comment on column mlguard._event_seal.no is 'Number in the chain, from 1, without gaps.';
comment on column mlguard._event_seal.event is 'The event.';
comment on column mlguard._event_seal.at is 'When it was sealed.';
comment on column mlguard._event_seal.prev is 'Hash of the seal before it; 32 zero bytes for the first.';
comment on column mlguard._event_seal.hash is 'SHA-256 of prev and the text of seal number and event, in UTF-8.';

create trigger refuse_rewriting
  before update or delete or truncate on mlguard._event_seal
  for each statement
  execute function mlguard._refuse_rewriting();

alter table mlguard._event_seal enable always trigger refuse_rewriting;


create table mlguard._unsealed (
  event bigint primary key
);

comment on table mlguard._unsealed is 'Private. Events that wait for their seal.';
comment on column mlguard._unsealed.event is 'The event.';

insert into mlguard._unsealed (event)
select e.id from mlguard._event e;


create function mlguard._await_seal()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  insert into mlguard._unsealed (event) values (new.id) on conflict do nothing;
  return null;
end
$mlguard$;

comment on function mlguard._await_seal() is 'Private. Puts a new event in the queue of the sealer.';

create trigger await_seal
  after insert on mlguard._event
  for each row
  execute function mlguard._await_seal();

alter table mlguard._event enable always trigger await_seal;


create function mlguard._event_text(p_no bigint, p_event mlguard._event)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- jsonb prints one value in one way, whoever asks; so does a time in UTC.
  select jsonb_build_array(
           p_no, p_event.id, to_char(p_event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_event.who,
           p_event.act, p_event.target, p_event.before, p_event.after, p_event.reason)::text
$mlguard$;

comment on function mlguard._event_text(bigint, mlguard._event) is
  'Private. What is hashed of an event: a JSON array of seal number, id, time in UTC, who, act, target, before, after, '
  'reason.';


create function mlguard._link(p_prev bytea, p_no bigint, p_event mlguard._event)
returns bytea
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select sha256(p_prev || convert_to(mlguard._event_text(p_no, p_event), 'UTF8'))
$mlguard$;

comment on function mlguard._link(bytea, bigint, mlguard._event) is
  'Private. The hash of an event at a place of the chain.';


create function mlguard._seal_events()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _event mlguard._event;
  _no bigint;
  _hash bytea;
  _prev bytea;
  _sealed bigint[] := '{}';
begin
  -- An older snapshot would not see the last seal.
  if current_setting('transaction_isolation') <> 'read committed'
     or not pg_try_advisory_xact_lock(hashtextextended('mlguard audit chain', 0)) then
    return 0;
  end if;
  select s.no, s.hash into _no, _prev from mlguard._event_seal s order by s.no desc limit 1;
  _no := coalesce(_no, 0);
  _prev := coalesce(_prev, decode(repeat('00', 32), 'hex'));
  for _event in
    select e.*
    from mlguard._unsealed u
    join mlguard._event e on e.id = u.event
    where not exists (select from mlguard._event_seal s where s.event = u.event)
    order by e.id
  loop
    _no := _no + 1;
    _hash := mlguard._link(_prev, _no, _event);
    insert into mlguard._event_seal (no, event, prev, hash) values (_no, _event.id, _prev, _hash);
    _prev := _hash;
    _sealed := _sealed || _event.id;
  end loop;
  delete from mlguard._unsealed u where u.event = any (_sealed);
  return cardinality(_sealed);
end
$mlguard$;

comment on function mlguard._seal_events() is
  'Private. Chains the events that have committed; whoever finds another one at it leaves it to him. Returns how many.';


create function mlguard.audit_head()
returns table (no bigint, hash text, at timestamptz, unsealed bigint, unsealed_since timestamptz)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select s.no, encode(s.hash, 'hex'), s.at, w.n, w.since
  from (
    select count(*) as n, min(e.at) as since
    from mlguard._event e
    where not exists (select from mlguard._event_seal s where s.event = e.id)
  ) w
  left join lateral (select l.no, l.hash, l.at from mlguard._event_seal l order by l.no desc limit 1) s on true
$mlguard$;

comment on function mlguard.audit_head() is
  'The end of the chain of events: number and hash of the last seal, and the events that wait for theirs. Who keeps it '
  'elsewhere can tell a chain that was made anew.';


create function mlguard.verify_audit(p_no bigint default null, p_hash text default null)
returns table (fault text, seal bigint, event bigint, words text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _last bigint := (select max(s.no) from mlguard._event_seal s);
begin
  return query
  with walked as (
    select s.no, s.event, s.prev, s.hash, e.id as found,
           lag(s.no, 1, 0::bigint) over (order by s.no) as before,
           lag(s.hash, 1, decode(repeat('00', 32), 'hex')) over (order by s.no) as expected,
           e.id is not null and mlguard._link(s.prev, s.no, e) <> s.hash as wrong
    from mlguard._event_seal s
    left join mlguard._event e on e.id = s.event
  ), gap as (
    select 'gap'::text, w.no, w.event,
           case when w.no - w.before = 2 then format('seal %s is missing', w.no - 1)
                else format('seals %s to %s are missing', w.before + 1, w.no - 1) end
    from walked w
    where w.no <> w.before + 1
  ), broken as (
    select 'broken'::text, w.no, w.event,
           format('seal %s does not follow seal %s: one of them was replaced', w.no, w.before)
    from walked w
    where w.no = w.before + 1 and w.prev <> w.expected
  ), deleted as (
    select 'deleted'::text, w.no, w.event, format('event %s is gone', w.event)
    from walked w
    where w.found is null
    union all
    select 'deleted', null, u.event, format('event %s is gone, before it was sealed', u.event)
    from mlguard._unsealed u
    where not exists (select from mlguard._event e where e.id = u.event)
      and not exists (select from mlguard._event_seal s where s.event = u.event)
  ), moved as (
    -- Its own text gives the hash that stands at another place: it was taken from there.
    select distinct on (w.no) w.no, w.event, o.no as belongs
    from walked w
    join mlguard._event e on e.id = w.event
    join walked o on o.wrong and o.no <> w.no
    where w.wrong
      and (mlguard._link(o.prev, o.no, e) = o.hash or mlguard._link(w.prev, o.no, e) = w.hash)
    order by w.no, o.no
  ), changed as (
    select case when m.no is null then 'edited' else 'reordered' end, w.no, w.event,
           case when m.no is null then format('event %s is not what was sealed', w.event)
                else format('event %s stands at seal %s and was sealed as %s', w.event, w.no, m.belongs) end
    from walked w
    left join moved m on m.no = w.no
    where w.wrong
  )
  select f.* from (
    select * from gap union all select * from broken union all select * from deleted union all select * from changed
  ) f (fault, seal, event, words)
  order by f.seal nulls last, f.event;

  if p_no is not null and not exists (select from mlguard._event_seal s where s.no = p_no) and p_no > 0 then
    return query select 'cut'::text, p_no, null::bigint,
      format('the chain ends at %s, and seal %s was exported', coalesce(_last, 0), p_no);
  elsif p_no > 0 and p_hash is not null then
    return query
    select 'rewritten'::text, s.no, s.event,
           format('seal %s is not the one that was exported: the chain was made anew', s.no)
    from mlguard._event_seal s
    where s.no = p_no and encode(s.hash, 'hex') <> lower(btrim(p_hash));
  end if;

  return query
  select 'unsealed'::text, null::bigint, e.id,
         format('event %s of %s was never sealed', e.id, mlguard._minute(e.at))
  from mlguard._event e
  where e.at < statement_timestamp() - interval '1 hour'
    and not exists (select from mlguard._event_seal s where s.event = e.id)
  order by e.id
  limit 100;
end
$mlguard$;

comment on function mlguard.verify_audit(bigint, text) is
  'What is wrong with the chain of events, one row a fault, none where it is whole: edited, deleted, reordered, gap, '
  'broken, unsealed for over an hour; against an exported head (number and hash) also cut and rewritten.';


create or replace view mlguard.event as
select e.id, e.at, e.who, e.act, e.target, e.before, e.after, e.reason, s.no as seal, encode(s.hash, 'hex') as hash
from mlguard._event e
left join mlguard._event_seal s on s.event = e.id;

comment on view mlguard.event is 'Audited acts, and their places in the chain.';
comment on column mlguard.event.seal is 'Number in the chain; null until the next sweep() after its COMMIT.';
comment on column mlguard.event.hash is 'Hash of the chain up to and with this event.';


create function mlguard._sweep_audit()
returns table (what text, n bigint)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select 'events sealed', mlguard._seal_events()
$mlguard$;

comment on function mlguard._sweep_audit() is 'Private. The part of sweep() that seals events.';


create or replace function mlguard.sweep(p_as_of timestamptz default statement_timestamp())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- What needs the lock of a table leaves it to whoever has it, and goes on.
  return query select t.what, t.n from mlguard._sweep_tidy(p_as_of) t;
  return query select c.what, c.n from mlguard._sweep_schema(p_as_of) c;
  return query select f.what, f.n from mlguard._sweep_fold(p_as_of) f;
  return query select m.what, m.n from mlguard._sweep_models(p_as_of) m;
  -- What is frozen now is what the windows below are compared with.
  return query select b.what, b.n from mlguard._sweep_baselines(p_as_of) b;
  return query select w.what, w.n from mlguard._sweep_windows(p_as_of) w;
  return query select u.what, u.n from mlguard._sweep_usual(p_as_of) u;
  return query select h.what, h.n from mlguard._sweep_holds(p_as_of) h;
  return query select i.what, i.n from mlguard._sweep_incidents(p_as_of) i;
  -- Last, so that what the sweep itself recorded is sealed too.
  return query select a.what, a.n from mlguard._sweep_audit() a;
end
$mlguard$;


create function mlguard._grant_models(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format(
    'grant select on mlguard.model_version, mlguard.model_usage, mlguard.prediction_batch, mlguard.model_metric to %I',
    p_role);
  execute format('grant execute on function mlguard._previous(text) to %I', p_role);
  if p_role in ('mlguard_platform', 'mlguard_task') then
    execute format('grant execute on function mlguard.register(text, text, text, bigint) to %I', p_role);
  end if;
  if p_role = 'mlguard_platform' then
    grant execute on function
      mlguard.approve(text, text, text), mlguard.promote(text, text, text, text), mlguard.challenge(text, text, text),
      mlguard.rollback(text, text), mlguard.retire(text, text, text),
      mlguard.audit_head(), mlguard.verify_audit(bigint, text)
      to mlguard_platform;
  end if;
end
$mlguard$;

comment on function mlguard._grant_models(text) is
  'Private. Gives one of the three roles its rights on models: all see them, tasks register, the platform does the rest.';


create or replace function mlguard.grant_roles()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _role text;
begin
  perform mlguard._grant_surface();
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant execute on function mlguard.arrivals_v1(text, timestamptz) to %I', _role);
    perform mlguard._grant_models(_role);
  end loop;
end
$mlguard$;


-- Functions of this version are called by generated objects, by sweep() and by each other, which run as their owner.
do $mlguard$
declare
  _function record;
begin
  for _function in
    select p.oid::pg_catalog.regprocedure as name
    from pg_catalog.pg_proc p
    where p.pronamespace operator(pg_catalog.=) 'mlguard'::pg_catalog.regnamespace
      and p.proname operator(pg_catalog.!~) ' '
      and p.proname operator(pg_catalog.!~) '^(refuse_v1|guard_v1|gate_open_v1|may_mend_v1|begin_batch|end_batch|publish|_written|_same_columns)$'
  loop
    execute pg_catalog.format('revoke all on function %s from public', _function.name);
  end loop;
end
$mlguard$;

revoke all on mlguard.model_version, mlguard.model_usage, mlguard.prediction_batch, mlguard.model_metric from public;

select mlguard.grant_roles();
