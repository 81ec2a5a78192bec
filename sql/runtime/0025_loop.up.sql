-- The loop from a failed model SLO to a new version: requests to retrain, their veto while inputs are bad, tickets that
-- say what a training run may read, rollbacks, and predictions withdrawn from readers. Verdicts are made elsewhere;
-- sweep() acts on the incidents they opened, so that no writer waits for any of it.

create table mlguard._retrain_policy (
  model text primary key,
  training interval not null default '28 days',
  cooldown interval not null default '1 day',
  lease interval not null default '10 minutes',
  attempts integer not null default 3,
  constraint _retrain_policy_positive check (
    training > interval '0' and cooldown >= interval '0' and lease > interval '0' and attempts > 0)
);

comment on table mlguard._retrain_policy is 'Private. How a model is retrained, where that was said; else the defaults.';
comment on column mlguard._retrain_policy.model is 'The model.';
comment on column mlguard._retrain_policy.training is 'Length of the window a training run reads, back from its start.';
comment on column mlguard._retrain_policy.cooldown is 'How long after one request has ended no other is opened.';
comment on column mlguard._retrain_policy.lease is 'How long a worker that says nothing keeps a claim.';
comment on column mlguard._retrain_policy.attempts is 'How many workers may claim a request before it has failed.';


create table mlguard._training_ticket (
  id bigint primary key generated always as identity,
  model text not null,
  from_at timestamptz not null,
  to_at timestamptz not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  who text not null default session_user,
  request bigint,
  inputs jsonb not null,
  constraint _training_ticket_range check (from_at < to_at)
);

create index _training_ticket_model on mlguard._training_ticket (model, id);

comment on table mlguard._training_ticket is 'Private. Leave to train, given while every input was good. Never changed.';
comment on column mlguard._training_ticket.id is 'Number.';
comment on column mlguard._training_ticket.model is 'The model.';
comment on column mlguard._training_ticket.from_at is 'Start of what may be read, by event time.';
comment on column mlguard._training_ticket.to_at is 'End of it; not included.';
comment on column mlguard._training_ticket.at is 'When it was given.';
comment on column mlguard._training_ticket.who is 'To whom: the user who logged in.';
comment on column mlguard._training_ticket.request is 'The request to retrain it was given for; null: for a run by hand.';
comment on column mlguard._training_ticket.inputs is
  'Per table: batches (ranges of batch numbers that had closed), windows that were judged good, SLOs that held.';


create table mlguard._retrain_request (
  id bigint primary key generated always as identity,
  model text not null,
  state text not null default 'requested',
  slo text,
  incidents bigint[] not null default '{}',
  why text not null,
  vetoes jsonb not null default '[]',
  requested_at timestamptz not null default pg_catalog.clock_timestamp(),
  vetoed_at timestamptz,
  claimed_at timestamptz,
  claimed_by text,
  lease_until timestamptz,
  attempts integer not null default 0,
  ticket bigint references mlguard._training_ticket,
  ended_at timestamptz,
  version text,
  outcome text,
  constraint _retrain_request_state check (state in ('requested', 'vetoed', 'claimed', 'done', 'failed', 'cancelled'))
);

create unique index _retrain_request_open on mlguard._retrain_request (model)
  where state in ('requested', 'vetoed', 'claimed');
create index _retrain_request_model on mlguard._retrain_request (model, id);

comment on table mlguard._retrain_request is
  'Private. Requests to retrain: at most one of a model is open, whatever asks for it meanwhile is added to it.';
comment on column mlguard._retrain_request.id is 'Number.';
comment on column mlguard._retrain_request.model is 'The model.';
comment on column mlguard._retrain_request.state is
  'requested (waits for a worker), vetoed (waits for its inputs), claimed, done, failed or cancelled.';
comment on column mlguard._retrain_request.slo is 'The SLO that asked first; null: a person did.';
comment on column mlguard._retrain_request.incidents is 'The incidents that asked.';
comment on column mlguard._retrain_request.why is 'Why, in words.';
comment on column mlguard._retrain_request.vetoes is 'What speaks against training now: [{table, slo, why}].';
comment on column mlguard._retrain_request.requested_at is 'When it was opened.';
comment on column mlguard._retrain_request.vetoed_at is 'Since when it is vetoed.';
comment on column mlguard._retrain_request.claimed_at is 'When it was claimed last.';
comment on column mlguard._retrain_request.claimed_by is 'By whom.';
comment on column mlguard._retrain_request.lease_until is 'Until when the claim holds without a sign of life.';
comment on column mlguard._retrain_request.attempts is 'How often it was claimed.';
comment on column mlguard._retrain_request.ticket is 'The ticket of the last claim.';
comment on column mlguard._retrain_request.ended_at is 'When it was done, had failed or was cancelled.';
comment on column mlguard._retrain_request.version is 'The version that came of it.';
comment on column mlguard._retrain_request.outcome is 'What became of it, in words.';


create table mlguard._rollback_act (
  id bigint primary key generated always as identity,
  model text not null,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  incident bigint not null,
  taken_out text not null,
  brought_back text not null,
  why text not null
);

create index _rollback_act_model on mlguard._rollback_act (model, id);

comment on table mlguard._rollback_act is 'Private. Rollbacks that an SLO asked for.';
comment on column mlguard._rollback_act.id is 'Number.';
comment on column mlguard._rollback_act.model is 'The model.';
comment on column mlguard._rollback_act.at is 'When.';
comment on column mlguard._rollback_act.incident is 'The incident that asked.';
comment on column mlguard._rollback_act.taken_out is 'The champion that failed.';
comment on column mlguard._rollback_act.brought_back is 'The version that serves instead.';
comment on column mlguard._rollback_act.why is 'The evidence, in words.';


create table mlguard._withdrawal (
  id bigint primary key generated always as identity,
  tbl text not null,
  slo text not null,
  segment jsonb not null default '{}',
  window_start timestamptz not null,
  window_end timestamptz not null,
  verdict bigint not null,
  since timestamptz not null default pg_catalog.clock_timestamp(),
  observed text,
  allowed text,
  ended_at timestamptz,
  ended_by text,
  reason text
);

create index _withdrawal_open on mlguard._withdrawal (tbl, slo) where ended_at is null;
create unique index _withdrawal_once on mlguard._withdrawal (slo, window_start, md5(segment::text));

comment on table mlguard._withdrawal is
  'Private. Predictions that readers do not see until somebody decides: of a window, and of a segment. A window that was '
  'given back is not withdrawn again.';
comment on column mlguard._withdrawal.id is 'Number.';
comment on column mlguard._withdrawal.tbl is 'The table of predictions.';
comment on column mlguard._withdrawal.slo is 'Id of the SLO.';
comment on column mlguard._withdrawal.segment is 'Values of the segment columns; {}: all rows of the window.';
comment on column mlguard._withdrawal.window_start is 'Start of the window, by event time.';
comment on column mlguard._withdrawal.window_end is 'End of it; not included.';
comment on column mlguard._withdrawal.verdict is 'The verdict.';
comment on column mlguard._withdrawal.since is 'Since when.';
comment on column mlguard._withdrawal.observed is 'What was found.';
comment on column mlguard._withdrawal.allowed is 'What is allowed.';
comment on column mlguard._withdrawal.ended_at is 'When somebody gave the rows back to readers.';
comment on column mlguard._withdrawal.ended_by is 'Who.';
comment on column mlguard._withdrawal.reason is 'Why.';


create function mlguard._loop_reason(p_reason text, p_act text)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s takes a reason: it is what others read afterwards', p_act);
  end if;
end
$mlguard$;

comment on function mlguard._loop_reason(text, text) is 'Private. Raises where no reason is given.';


-- What a model reads, and what speaks against training on it.

create function mlguard._policy(p_model text)
returns mlguard._retrain_policy
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select (
    p_model, coalesce(p.training, interval '28 days'), coalesce(p.cooldown, interval '1 day'),
    coalesce(p.lease, interval '10 minutes'), coalesce(p.attempts, 3))::mlguard._retrain_policy
  from (select) one
  left join mlguard._retrain_policy p on p.model = p_model
$mlguard$;

comment on function mlguard._policy(text) is 'Private. How a model is retrained.';


create function mlguard._known_model(p_model text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if not exists (select from mlguard._table t where t.model = p_model) then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no guarded table holds predictions of model %s', coalesce(p_model, '(null)')),
      hint = coalesce(
        'Models: ' || (select string_agg(distinct t.model, ', ') from mlguard._table t where t.model is not null),
        'A table is one of predictions when its SLO file says model: <name>.');
  end if;
end
$mlguard$;

comment on function mlguard._known_model(text) is 'Private. Raises where no SLO file names the model.';


create function mlguard._inputs_of(p_model text)
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select distinct i.tbl
  from mlguard._table t
  cross join lateral unnest(t.features || t.inputs) i (tbl)
  where t.model = p_model
  order by i.tbl
$mlguard$;

comment on function mlguard._inputs_of(text) is
  'Private. The tables a model reads: features and inputs of its tables of predictions.';


create function mlguard._input_faults(p_model text, p_from timestamptz, p_to timestamptz)
returns table (tbl text, slo text, why text)
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $mlguard$
  select i.tbl, r.slo, i.tbl || ' ' || r.words
  from mlguard._inputs_of(p_model) i (tbl)
  cross join lateral mlguard._reasons(i.tbl) r
  union all
  select v.tbl, v.slo,
         format('%s: %s (%s)', v.tbl, concat_ws(', ', v.observed, v.allowed),
                concat_ws(', ', s.name,
                          coalesce('batch ' || v.batch, ltrim(mlguard._in_window(v.window_start, v.window_end, t.time_zone)))))
  from mlguard._inputs_of(p_model) i (tbl)
  join mlguard._table t on t.tbl = i.tbl
  join mlguard._slo s on s.tbl = i.tbl and s.level in ('batch', 'window') and not s.shadow
  join mlguard._verdict v on v.slo = s.id and v.current and v.outcome = 'FAIL'
  where coalesce(v.window_end, v.at) > p_from and coalesce(v.window_start, v.at) < p_to
    and not mlguard.waived_v1(s.id)
    -- A batch or window that is held is named above.
    and not exists (
      select
      from mlguard._hold h
      where h.slo = v.slo and h.ended_at is null and h.segment = v.segment
        and h.batch is not distinct from v.batch and h.window_start is not distinct from v.window_start)
    -- Somebody looked, and said that nothing was wrong or that it was wanted.
    and not exists (
      select
      from mlguard._incident n
      where n.slo = v.slo and n.segment = v.segment and n.label in ('false', 'expected')
        and v.id between n.first_verdict and n.last_verdict)
$mlguard$;

comment on function mlguard._input_faults(text, timestamptz, timestamptz) is
  'Private. What speaks against training on the inputs of a model from one time to another: tables held or stale now, '
  'and SLOs that failed on what would be read, unless waived or judged false or expected.';


create function mlguard._vetoes(p_model text, p_from timestamptz, p_to timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(jsonb_agg(jsonb_build_object('table', f.tbl, 'slo', f.slo, 'why', f.why) order by f.tbl, f.slo, f.why), '[]')
  from mlguard._input_faults(p_model, p_from, p_to) f
$mlguard$;

comment on function mlguard._vetoes(text, timestamptz, timestamptz) is 'Private. The same as one JSON array.';


create function mlguard._judged_good(p_tbl text, p_from timestamptz, p_to timestamptz)
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $mlguard$
  select jsonb_build_object(
    'batches', (
      select range_agg(int8range(b.id, b.id + 1))
      from mlguard._batch b
      where b.tbl = p_tbl and b.opened_at >= p_from and b.opened_at < p_to
        and not exists (select from mlguard._hold h where h.tbl = p_tbl and h.batch = b.id and h.ended_at is null))::text,
    'windows', (
      select coalesce(jsonb_agg(jsonb_build_object('start', w.start, 'end', w.end, 'slos', w.slos) order by w.start, w.end), '[]')
      from (
        select v.window_start as start, v.window_end as end, count(distinct v.slo) as slos
        from mlguard._slo s
        join mlguard._verdict v on v.slo = s.id and v.current
        where s.tbl = p_tbl and v.window_end > p_from and v.window_start < p_to
        group by v.window_start, v.window_end
        having bool_and(v.outcome in ('PASS', 'NOTED', 'INSUFFICIENT')) and max(v.n) > 0
      ) w),
    'slos', (select coalesce(jsonb_agg(s.id order by s.id), '[]') from mlguard._slo s where s.tbl = p_tbl),
    'newest', mlguard.newest_v1(p_tbl))
$mlguard$;

comment on function mlguard._judged_good(text, timestamptz, timestamptz) is
  'Private. The batches of a table that hold nothing, and the windows on which nothing failed, between two times.';


create function mlguard._give_ticket(p_model text, p_from timestamptz, p_to timestamptz, p_request bigint)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _id bigint;
begin
  insert into mlguard._training_ticket (model, from_at, to_at, request, inputs)
  select p_model, p_from, p_to, p_request,
         coalesce(jsonb_object_agg(i.tbl, mlguard._judged_good(i.tbl, p_from, p_to)), '{}')
  from (
    select f.tbl from mlguard._inputs_of(p_model) f (tbl)
    union
    select t.tbl from mlguard._table t where t.model = p_model
  ) i
  returning id into _id;
  perform mlguard._record('begin_training', 'model ' || p_model, null,
                          jsonb_build_object('ticket', _id, 'from', p_from, 'to', p_to, 'request', p_request), null);
  return _id;
end
$mlguard$;

comment on function mlguard._give_ticket(text, timestamptz, timestamptz, bigint) is 'Private. Writes a ticket.';


create function mlguard.begin_training(p_model text, p_from timestamptz default null, p_to timestamptz default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _to timestamptz := coalesce(p_to, statement_timestamp());
  _from timestamptz;
  _vetoes jsonb;
  _more integer;
begin
  perform mlguard._known_model(p_model);
  _from := coalesce(p_from, _to - (mlguard._policy(p_model)).training);
  if _from >= _to then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: a training window from %s to %s is empty', mlguard._minute(_from), mlguard._minute(_to));
  end if;
  _vetoes := mlguard._vetoes(p_model, _from, _to);
  _more := jsonb_array_length(_vetoes) - 1;
  if _more >= 0 then
    perform mlguard._raise(
      'ML002',
      format('mlguard: model %s must not be trained now: %s%s', p_model, _vetoes -> 0 ->> 'why',
             case when _more = 1 then ' and 1 more reason' when _more > 1 then format(' and %s more reasons', _more) else '' end),
      _vetoes -> 0 ->> 'slo',
      mlguard._detail(_vetoes -> 0 ->> 'slo', null, null, null,
                      jsonb_build_object('model', p_model, 'from', _from, 'to', _to, 'vetoes', _vetoes)),
      'There is no value in training on bad data. It may begin once these hold again, are waived, or were judged false '
      'or expected: mlguard incidents list');
  end if;
  return mlguard._give_ticket(p_model, _from, _to, null);
end
$mlguard$;

comment on function mlguard.begin_training(text, timestamptz, timestamptz) is
  'Gives leave to train a model on the data between two times (default: the training window of the model, up to now), '
  'and returns the ticket; raises ML002 while an input is held, or failed in that time.';


create function mlguard.ticket_v1(p_model text, p_ticket bigint, out from_at timestamptz, out to_at timestamptz, out given_at timestamptz)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _vetoes jsonb;
begin
  select t.from_at, t.to_at, t.at
  into from_at, to_at, given_at
  from mlguard._training_ticket t
  where t.id = p_ticket and t.model = p_model;
  if not found then
    raise exception using
      errcode = 'ML002',
      message = format('mlguard: %s is no training ticket of model %s', coalesce(p_ticket::text, 'null'), p_model),
      detail = jsonb_build_object('model', p_model, 'ticket', p_ticket)::text,
      hint = format('select mlguard.begin_training(%L) gives one.', p_model);
  end if;
  _vetoes := mlguard._vetoes(p_model, from_at, to_at);
  if _vetoes <> '[]' then
    perform mlguard._raise(
      'ML002',
      format('mlguard: model %s must not be trained now: %s; ticket %s was given before that', p_model,
             _vetoes -> 0 ->> 'why', p_ticket),
      _vetoes -> 0 ->> 'slo',
      mlguard._detail(_vetoes -> 0 ->> 'slo', null, null, null,
                      jsonb_build_object('model', p_model, 'ticket', p_ticket, 'vetoes', _vetoes)),
      'What was read with it so far may be bad too: begin anew once these hold again.');
  end if;
end
$mlguard$;

comment on function mlguard.ticket_v1(text, bigint) is
  'What a ticket allows to be read; raises ML002 where there is none, or an input went bad since. Training functions call it.';


-- Requests.

create function mlguard._record_retrain(p_act text, p_request mlguard._retrain_request, p_reason text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._record(
    p_act, 'model ' || p_request.model, null,
    jsonb_strip_nulls(jsonb_build_object(
      'request', p_request.id, 'state', p_request.state, 'slo', p_request.slo, 'incidents', to_jsonb(p_request.incidents),
      'vetoes', nullif(p_request.vetoes, '[]'), 'ticket', p_request.ticket, 'version', p_request.version,
      'attempts', p_request.attempts)),
    p_reason)
$mlguard$;

comment on function mlguard._record_retrain(text, mlguard._retrain_request, text) is 'Private. Writes the event of a request.';


create function mlguard._veto(p_id bigint, p_as_of timestamptz)
returns text
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
  _before text;
  _vetoes jsonb;
begin
  -- The caller has the lock of the row.
  select r.* into _request from mlguard._retrain_request r where r.id = p_id;
  _before := _request.state;
  _vetoes := mlguard._vetoes(_request.model, p_as_of - (mlguard._policy(_request.model)).training, p_as_of);
  if (_vetoes = '[]') = (_before = 'requested') and _vetoes = _request.vetoes then
    return _before;
  end if;
  update mlguard._retrain_request r
  set state = case when _vetoes = '[]' then 'requested' else 'vetoed' end,
      vetoes = _vetoes,
      vetoed_at = case when _vetoes = '[]' then null else coalesce(r.vetoed_at, clock_timestamp()) end
  where r.id = p_id
  returning r.* into _request;
  if _request.state <> _before then
    perform mlguard._record_retrain(
      case _request.state when 'vetoed' then 'veto retrain' else 'release retrain' end, _request,
      coalesce(_vetoes -> 0 ->> 'why', 'the inputs are good again'));
  end if;
  return _request.state;
end
$mlguard$;

comment on function mlguard._veto(bigint, timestamptz) is
  'Private. Vetoes a request while its inputs are bad, and takes the veto back when they are good; returns its state.';


create function mlguard._ask_retrain(p_model text, p_slo text, p_incident bigint, p_why text, p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
begin
  insert into mlguard._retrain_request (model, slo, incidents, why)
  values (p_model, p_slo, array_remove(array[p_incident], null), p_why)
  on conflict (model) where state in ('requested', 'vetoed', 'claimed') do nothing
  returning * into _request;
  if _request.id is null then
    update mlguard._retrain_request r
    set incidents = r.incidents || p_incident
    where r.model = p_model and r.state in ('requested', 'vetoed', 'claimed')
      and p_incident is not null and p_incident <> all (r.incidents)
    returning * into _request;
    return null;
  end if;
  perform mlguard._record_retrain('request retrain', _request, p_why);
  perform mlguard._veto(_request.id, p_as_of);
  return _request.id;
end
$mlguard$;

comment on function mlguard._ask_retrain(text, text, bigint, text, timestamptz) is
  'Private. Opens a request, or adds the incident to the open one of the model; returns the new request.';


create function mlguard.request_retrain(p_model text, p_reason text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _id bigint;
begin
  perform mlguard._known_model(p_model);
  perform mlguard._loop_reason(p_reason, 'ask for a training run');
  _id := mlguard._ask_retrain(p_model, null, null, p_reason, statement_timestamp());
  return coalesce(_id, (
    select r.id from mlguard._retrain_request r where r.model = p_model and r.state in ('requested', 'vetoed', 'claimed')));
end
$mlguard$;

comment on function mlguard.request_retrain(text, text) is
  'A person asks for a training run; returns the request, the open one where there is one.';


create function mlguard._expire_claims()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
  _n bigint := 0;
begin
  for _request in
    select r.*
    from mlguard._retrain_request r
    where r.state = 'claimed' and r.lease_until < clock_timestamp()
    for update skip locked
  loop
    update mlguard._retrain_request r
    set state = case when r.attempts >= (mlguard._policy(r.model)).attempts then 'failed' else 'requested' end,
        ended_at = case when r.attempts >= (mlguard._policy(r.model)).attempts then clock_timestamp() end,
        outcome = format('no sign of life of %s since %s', r.claimed_by, mlguard._minute(r.lease_until)),
        lease_until = null
    where r.id = _request.id
    returning r.* into _request;
    perform mlguard._record_retrain('lose retrain', _request, _request.outcome);
    _n := _n + 1;
  end loop;
  return _n;
end
$mlguard$;

comment on function mlguard._expire_claims() is
  'Private. Takes claims back from workers that gave no sign of life: for another worker, or as failed after too many.';


create function mlguard.claim_retrain(p_model text default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
  _policy mlguard._retrain_policy;
  _now timestamptz := clock_timestamp();
begin
  if p_model is not null then
    perform mlguard._known_model(p_model);
  end if;
  perform mlguard._expire_claims();
  for _request in
    select r.*
    from mlguard._retrain_request r
    where r.state in ('requested', 'vetoed') and (p_model is null or r.model = p_model)
    order by r.id
    for update skip locked
  loop
    -- Asked again now: the last sweep may be a while ago.
    continue when mlguard._veto(_request.id, _now) = 'vetoed';
    _policy := mlguard._policy(_request.model);
    update mlguard._retrain_request r
    set state = 'claimed', claimed_at = _now, claimed_by = session_user, lease_until = _now + _policy.lease,
        attempts = r.attempts + 1, outcome = null,
        ticket = mlguard._give_ticket(r.model, _now - _policy.training, _now, r.id)
    where r.id = _request.id
    returning r.* into _request;
    perform mlguard._record_retrain('claim retrain', _request, null);
    return _request.id;
  end loop;
  return null;
end
$mlguard$;

comment on function mlguard.claim_retrain(text) is
  'Claims the oldest request to retrain that nothing speaks against, of one model or of any, with a ticket; null where '
  'there is none. Two workers never get the same one. heartbeat() keeps the claim, finish_retrain() ends it.';


create function mlguard._claimed(p_id bigint)
returns mlguard._retrain_request
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
begin
  select r.* into _request from mlguard._retrain_request r where r.id = p_id for update;
  if not found then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: there is no request %s to retrain', p_id);
  elsif _request.state <> 'claimed' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: request %s is %s, not claimed', p_id, _request.state),
      hint = coalesce(_request.outcome, 'mlguard.claim_retrain() claims one.');
  elsif _request.claimed_by <> session_user
        and not pg_has_role(session_user, (select c.relowner from pg_class c where c.oid = 'mlguard._retrain_request'::regclass), 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('mlguard: request %s is claimed by %s', p_id, _request.claimed_by);
  end if;
  return _request;
end
$mlguard$;

comment on function mlguard._claimed(bigint) is 'Private. A request the caller has claimed, locked; raises otherwise.';


create function mlguard.heartbeat(p_id bigint)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id);
begin
  update mlguard._retrain_request r
  set lease_until = clock_timestamp() + (mlguard._policy(r.model)).lease
  where r.id = p_id
  returning r.* into _request;
  return _request.lease_until;
end
$mlguard$;

comment on function mlguard.heartbeat(bigint) is
  'A sign of life of the worker that claimed a request; returns until when the claim holds now.';


create function mlguard.finish_retrain(p_id bigint, p_version text default null, p_outcome text default null, p_failed boolean default false)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id);
  _again boolean;
begin
  if not p_failed and nullif(p_version, '') is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: request %s cannot be done without a version', p_id),
      hint = 'Name the version that was trained, or say p_failed => true and why.';
  end if;
  _again := p_failed and _request.attempts < (mlguard._policy(_request.model)).attempts;
  update mlguard._retrain_request r
  set state = case when _again then 'requested' when p_failed then 'failed' else 'done' end,
      ended_at = case when not _again then clock_timestamp() end,
      version = nullif(p_version, ''), outcome = p_outcome, lease_until = null
  where r.id = p_id
  returning r.* into _request;
  if not p_failed
     and not exists (select from mlguard._model_version v where v.model = _request.model and v.version = p_version) then
    perform mlguard.register(_request.model, p_version, format('request %s to retrain', p_id), _request.ticket);
  elsif not p_failed then
    update mlguard._model_version v
    set ticket = _request.ticket
    where v.model = _request.model and v.version = p_version and v.ticket is null;
  end if;
  perform mlguard._record_retrain(case when p_failed then 'fail retrain' else 'finish retrain' end, _request, p_outcome);
  return _request.state;
end
$mlguard$;

comment on function mlguard.finish_retrain(bigint, text, text, boolean) is
  'Ends a claim: the version that was trained is registered with its ticket (nobody has approved it yet), or the run '
  'failed and the request waits for another worker, at most as often as the policy of the model says.';


create function mlguard.cancel_retrain(p_id bigint, p_reason text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request;
begin
  perform mlguard._loop_reason(p_reason, 'cancel a request');
  update mlguard._retrain_request r
  set state = 'cancelled', ended_at = clock_timestamp(), outcome = p_reason, lease_until = null
  where r.id = p_id and r.state in ('requested', 'vetoed', 'claimed')
  returning r.* into _request;
  if _request.id is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state', message = format('mlguard: no request %s is open', p_id);
  end if;
  perform mlguard._record_retrain('cancel retrain', _request, p_reason);
end
$mlguard$;

comment on function mlguard.cancel_retrain(bigint, text) is 'Ends an open request without training.';


create function mlguard.set_retrain_policy(
  p_model text, p_training interval default null, p_cooldown interval default null, p_lease interval default null,
  p_attempts integer default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _before mlguard._retrain_policy := mlguard._policy(p_model);
  _after mlguard._retrain_policy;
begin
  perform mlguard._known_model(p_model);
  insert into mlguard._retrain_policy as p (model, training, cooldown, lease, attempts)
  values (p_model, coalesce(p_training, _before.training), coalesce(p_cooldown, _before.cooldown),
          coalesce(p_lease, _before.lease), coalesce(p_attempts, _before.attempts))
  on conflict (model) do update
  set training = excluded.training, cooldown = excluded.cooldown, lease = excluded.lease, attempts = excluded.attempts
  returning * into _after;
  perform mlguard._record('retrain policy', 'model ' || p_model, to_jsonb(_before), to_jsonb(_after), null);
end
$mlguard$;

comment on function mlguard.set_retrain_policy(text, interval, interval, interval, integer) is
  'Sets how a model is retrained: length of the training window (28 days), cooldown between requests (1 day), lease of a '
  'claim (10 minutes), claims before it has failed (3). What is left out stays.';


-- What sweep() does.

create function mlguard._asking(p_word text)
returns table (incident bigint, slo text, tbl text, segment jsonb, opened_at timestamptz, last_verdict bigint, words text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select i.id, i.slo, i.tbl, i.segment, i.opened_at, i.last_verdict,
         format('%s: %s', i.slo, concat_ws(', ', i.observed, i.allowed))
  from mlguard._slo s
  join mlguard._incident i on i.slo = s.id and i.state <> 'resolved'
  where p_word = any (s.then_do) and not s.shadow
  order by i.id
$mlguard$;

comment on function mlguard._asking(text) is 'Private. Open incidents of SLOs whose `then` has a word.';


create function mlguard._sweep_retrain(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _asks record;
  _id bigint;
  _lost bigint := mlguard._expire_claims();
  _opened bigint := 0;
begin
  for _asks in
    select a.*, t.model
    from mlguard._asking('retrain') a
    join mlguard._table t on t.tbl = a.tbl and t.model is not null
    where not exists (
            select from mlguard._retrain_request r where r.model = t.model and a.incident = any (r.incidents))
      -- The last run has to show what it brought before there is another.
      and not exists (
            select
            from mlguard._retrain_request r
            where r.model = t.model and r.ended_at > p_as_of - (mlguard._policy(t.model)).cooldown)
    order by a.incident
  loop
    if mlguard._ask_retrain(_asks.model, _asks.slo, _asks.incident, _asks.words, p_as_of) is not null then
      _opened := _opened + 1;
    end if;
  end loop;
  for _id in
    select r.id from mlguard._retrain_request r where r.state in ('requested', 'vetoed') order by r.id for update skip locked
  loop
    perform mlguard._veto(_id, p_as_of);
  end loop;
  return query values ('claims lost', _lost), ('retrain requests opened', _opened);
end
$mlguard$;

comment on function mlguard._sweep_retrain(timestamptz) is
  'Private. The part of sweep() that opens requests to retrain, one an incident, and vetoes or releases them.';


create function mlguard._tell_act(p_incident bigint, p_words text, p_payload jsonb)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._outbox (incident, alarm, event, severity, recipients, subject, body, payload)
  select i.id, coalesce(i.alarm, i.cause, i.id), 'acted', i.severity, mlguard._recipients(coalesce(i.cause, i.id)), p_words,
         p_words, p_payload
  from mlguard._incident i
  where i.id = p_incident
$mlguard$;

comment on function mlguard._tell_act(bigint, text, jsonb) is 'Private. Announces what was done because of an incident.';

alter table mlguard._outbox drop constraint _outbox_event;
alter table mlguard._outbox add constraint _outbox_event check (
  event in ('opened', 'escalated', 'acknowledged', 'snoozed', 'resolved', 'reopened', 'acted'));
comment on column mlguard._outbox.event is
  'opened, escalated (more severe, or more people concerned), acknowledged, snoozed, resolved, reopened, or acted (a '
  'model was rolled back, predictions were withdrawn).';


create function mlguard._sweep_rollbacks(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _asks record;
  _champion mlguard._model_version;
  _previous text;
  _evidence mlguard._verdict;
  _failed mlguard._verdict;
  _why text;
  _n bigint := 0;
begin
  for _asks in
    select a.*, t.model, t.version_column
    from mlguard._asking('rollback_model') a
    join mlguard._table t on t.tbl = a.tbl and t.model is not null and t.version_column is not null
    where a.segment ? t.version_column
  loop
    select v.* into _champion from mlguard._model_version v where v.model = _asks.model and v.state = 'champion';
    continue when _champion.version is null or _champion.version <> _asks.segment ->> _asks.version_column;
    -- What was brought back by an SLO is never taken out by one again until a person has promoted: no flapping.
    continue when exists (
      select
      from mlguard._rollback_act a
      where a.model = _asks.model
        and (a.incident = _asks.incident or (a.brought_back = _champion.version and a.at >= _champion.promoted_at)));
    _previous := mlguard._previous(_asks.model);
    continue when _previous is null;
    select v.* into _failed from mlguard._verdict v where v.id = _asks.last_verdict;
    -- Only what the previous version was last found to do, on enough rows to be judged, speaks for it.
    select v.*
    into _evidence
    from mlguard._verdict v
    where v.slo = _asks.slo and v.current and v.outcome <> 'INSUFFICIENT'
      and v.segment = _asks.segment || jsonb_build_object(_asks.version_column, _previous)
    order by v.window_start desc nulls last, v.id desc
    limit 1;
    continue when _evidence.outcome is distinct from 'PASS' or _failed.outcome is distinct from 'FAIL';
    _why := format('%s failed on version %s (%s) and holds on version %s (%s)', _asks.slo, _champion.version,
                   concat_ws(', ', _failed.observed, _failed.allowed), _previous, _evidence.observed);
    perform mlguard.rollback(_asks.model, _why);
    insert into mlguard._rollback_act (model, incident, taken_out, brought_back, why)
    values (_asks.model, _asks.incident, _champion.version, _previous, _why);
    perform mlguard._tell_act(
      _asks.incident,
      format('model %s was rolled back from version %s to %s: %s', _asks.model, _champion.version, _previous, _why),
      jsonb_build_object('act', 'rollback_model', 'model', _asks.model, 'taken_out', _champion.version,
                         'brought_back', _previous, 'slo', _asks.slo));
    _n := _n + 1;
  end loop;
  return query values ('models rolled back', _n);
end
$mlguard$;

comment on function mlguard._sweep_rollbacks(timestamptz) is
  'Private. The part of sweep() that brings the previous champion back where an SLO fails on the champion and holds on it.';


create function mlguard._sweep_withdrawals(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _verdict mlguard._verdict;
  _incident bigint;
  _id bigint;
  _n bigint := 0;
begin
  for _verdict in
    select v.*
    from mlguard._slo s
    join mlguard._verdict v on v.slo = s.id and v.current and v.outcome = 'FAIL' and v.window_start is not null
    where 'withdraw' = any (s.then_do) and not s.shadow
      -- Pooled segments name no rows.
      and not v.segment ? '*'
      and not exists (
        select
        from mlguard._withdrawal w
        where w.slo = v.slo and w.window_start = v.window_start and md5(w.segment::text) = md5(v.segment::text))
    order by v.id
  loop
    insert into mlguard._withdrawal (tbl, slo, segment, window_start, window_end, verdict, observed, allowed)
    values (_verdict.tbl, _verdict.slo, _verdict.segment, _verdict.window_start, _verdict.window_end, _verdict.id,
            _verdict.observed, _verdict.allowed)
    on conflict do nothing
    returning id into _id;
    continue when _id is null;
    perform mlguard._record('withdraw', _verdict.slo, null,
                            jsonb_build_object('withdrawal', _id, 'from', _verdict.window_start, 'to', _verdict.window_end),
                            concat_ws(', ', _verdict.observed, _verdict.allowed));
    _incident := mlguard._incident_no(_verdict.slo);
    perform mlguard._tell_act(
      _incident,
      format('predictions of %s from %s to %s%s are withdrawn from readers: %s', _verdict.tbl,
             mlguard._minute(_verdict.window_start), mlguard._minute(_verdict.window_end),
             mlguard._for_segment(_verdict.segment, array(select jsonb_object_keys(_verdict.segment))),
             concat_ws(', ', _verdict.observed, _verdict.allowed)),
      jsonb_build_object('act', 'withdraw', 'withdrawal', _id, 'slo', _verdict.slo));
    _n := _n + 1;
  end loop;
  return query values ('windows withdrawn', _n);
end
$mlguard$;

comment on function mlguard._sweep_withdrawals(timestamptz) is
  'Private. The part of sweep() that takes predictions of failed windows away from readers.';


create function mlguard.reinstate(p_id bigint, p_reason text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo text;
begin
  perform mlguard._loop_reason(p_reason, 'give predictions back to readers');
  update mlguard._withdrawal w
  set ended_at = clock_timestamp(), ended_by = session_user, reason = p_reason
  where w.id = p_id and w.ended_at is null
  returning w.slo into _slo;
  if _slo is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: there is no withdrawal %s, or it has ended', p_id),
      hint = 'select * from mlguard.withdrawal where ended_at is null';
  end if;
  perform mlguard._record('reinstate', _slo, null, jsonb_build_object('withdrawal', p_id), p_reason);
end
$mlguard$;

comment on function mlguard.reinstate(bigint, text) is 'Gives withdrawn predictions back to readers, for good.';


create or replace function mlguard._segments_alone(
  p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamptz, p_again boolean)
returns jsonb[]
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _alone jsonb[];
begin
  if exists (select from mlguard._table t where t.tbl = p_slo.tbl and t.version_column = any (p_slo.by_columns)) then
    -- Versions come and go: each is judged alone while it writes, and one that writes no more is not missing.
    return array(
      select p.segment
      from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, p_slo.max_segments) p
      where not p.segment ? '*');
  elsif (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
    _alone := array(select s.segment from mlguard._segment s where s.slo = p_slo.id order by s.segment);
  else
    _alone := array(
      select k.segment
      from (
        select s.segment, s.n::numeric from mlguard._segment s where s.slo = p_slo.id
        union all
        select p.segment, (p.states ->> 'n')::numeric
        from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, 1000000) p
      ) k (segment, n)
      group by k.segment
      order by sum(k.n) desc, k.segment
      limit p_slo.max_segments);
  end if;
  if p_again then
    -- What was first seen later was not missing then.
    _alone := array(
      select a.segment from unnest(_alone) a (segment) where a.segment = any (p_segments)
      union
      select v.segment
      from mlguard._verdict v
      where v.slo = p_slo.id and v.window_start = p_start and v.over = p_slo.over and v.current and not v.segment ? '*');
  end if;
  return _alone;
end
$mlguard$;


create function mlguard._ticket_named(p_source text)
returns bigint
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _name text := substr(p_source, position(' ' in p_source) + 1);
  _version mlguard._model_version;
  _ticket bigint;
begin
  if p_source like 'ticket %' then
    select t.id into _ticket from mlguard._training_ticket t where t.id::text = _name;
    if _ticket is null then
      raise exception using
        errcode = 'undefined_object', message = format('mlguard: there is no training ticket %s', _name),
        hint = 'select id, model, from_at, to_at from mlguard.training_ticket';
    end if;
    return _ticket;
  end if;
  select v.* into _version from mlguard._model_version v where v.model || ':' || v.version = _name;
  if _version.model is null then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: no version %s is registered', _name),
      hint = 'Write it as model:version; mlguard models list shows them.';
  elsif _version.ticket is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s was not trained with a ticket, so nobody knows on what',
                       _version.model, _version.version),
      hint = 'Register what was trained with its ticket: mlguard.begin_training() gives one.';
  end if;
  return _version.ticket;
end
$mlguard$;

comment on function mlguard._ticket_named(text) is 'Private. The ticket that `ticket N` or `version model:version` means.';


create function mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _ticket mlguard._training_ticket;
  _version integer;
begin
  select t.* into strict _ticket from mlguard._training_ticket t where t.id = p_ticket;
  _version := mlguard._set_own_baseline(p_tbl, _ticket.from_at, _ticket.to_at);
  update mlguard._baseline b
  set source = format('ticket %s of model %s', _ticket.id, _ticket.model)
  where b.tbl = mlguard._tbl(p_tbl) and b.version = _version;
  return _version;
end
$mlguard$;

comment on function mlguard._set_ticket_baseline(regclass, bigint) is
  'Private. Makes the rows that a training run could read the baseline of a table.';


create or replace function mlguard.set_baseline(
  p_tbl regclass, p_source text default null, p_from timestamptz default null, p_to timestamptz default null)
returns integer
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_source is null or p_source = 'window' then
    if p_from >= p_to then
      raise exception using
        errcode = 'invalid_parameter_value', message = 'mlguard: a baseline must begin before it ends';
    end if;
    return mlguard._set_own_baseline(p_tbl, p_from, p_to);
  elsif p_source in ('version', 'ticket') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: which %s the baseline is taken from is not said', p_source),
      hint = 'Write ''version model:version'', or ''ticket N''; baseline: version in the SLO file follows the champion.';
  elsif p_source ~ '^(version|ticket) ' then
    return mlguard._set_ticket_baseline(p_tbl, mlguard._ticket_named(p_source));
  elsif p_source ~ '^(first|previous) ' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: %s is what an SLO file says', p_source),
      hint = format('Write baseline: %s there; sweep() freezes it once its days are over.', p_source);
  elsif to_regclass(p_source) is null then
    raise exception using
      errcode = 'undefined_table',
      message = format('mlguard: there is no table %s to take a baseline from', p_source),
      hint = 'Give a table as schema.table, or a stretch of time; files are read by mlguard baseline set --from-file.';
  elsif p_from is not null or p_to is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: of another table all rows are taken',
      hint = 'Select the rows you mean into a table of their own.';
  end if;
  return mlguard.set_baseline(p_tbl, to_regclass(p_source));
end
$mlguard$;


create function mlguard._sweep_version_baselines(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _found record;
  _n bigint := 0;
begin
  for _found in
    select distinct on (t.tbl)
           t.tbl, to_regclass(format('%I.%I', t.schema_name, t.table_name)) as relation, k.id as ticket, k.model
    from mlguard._table t
    join mlguard._table p on p.model is not null and (p.tbl = t.tbl or t.tbl = any (p.features))
    join mlguard._model_version v on v.model = p.model and v.state = 'champion'
    join mlguard._training_ticket k on k.id = v.ticket
    where t.baseline = 'version'
    order by t.tbl, p.tbl <> t.tbl, v.promoted_at desc
  loop
    continue when _found.relation is null or exists (
      select
      from mlguard._baseline b
      where b.tbl = _found.tbl and b.state = 'frozen'
        and b.source = format('ticket %s of model %s', _found.ticket, _found.model));
    begin
      perform mlguard._set_ticket_baseline(_found.relation, _found.ticket);
      _n := _n + 1;
    exception
      when invalid_parameter_value or object_not_in_prerequisite_state then
        null;  -- too few values in the window it was trained on: the baseline stays what it was
    end;
  end loop;
  return query values ('baselines of new champions', _n);
end
$mlguard$;

comment on function mlguard._sweep_version_baselines(timestamptz) is
  'Private. The part of sweep() that follows `baseline: version`: what the champion was trained on is what its table of '
  'predictions, or a feature table it reads, is compared with.';


create view mlguard.model as
select m.model, m.tables, m.inputs,
       (select v.version from mlguard.model_version v where v.model = m.model and v.state = 'champion') as champion,
       p.training, p.cooldown, p.lease, p.attempts
from (
  select t.model, array_agg(t.tbl order by t.tbl) as tables, array(select mlguard._inputs_of(t.model)) as inputs
  from mlguard._table t
  where t.model is not null
  group by t.model
) m
cross join lateral mlguard._policy(m.model) p;

comment on view mlguard.model is 'Models: where their predictions are, what they read, which version serves, how they are retrained.';

create view mlguard.retrain_request as
select r.id, r.model, r.state, r.slo, r.incidents, r.why, r.vetoes, r.requested_at, r.vetoed_at, r.claimed_at, r.claimed_by,
       r.lease_until, r.attempts, r.ticket, r.ended_at, r.version, r.outcome
from mlguard._retrain_request r;

comment on view mlguard.retrain_request is 'Requests to retrain: what asked, what speaks against it, who works on it.';

create view mlguard.training_ticket as
select t.id, t.model, t.from_at, t.to_at, t.at, t.who, t.request, t.inputs from mlguard._training_ticket t;

comment on view mlguard.training_ticket is 'Training runs that were let begin, and the batches and windows they may read.';

create view mlguard.withdrawal as
select w.id, w.tbl, w.slo, mlguard._masked(w.segment, t.pii) as segment, w.window_start, w.window_end, w.since, w.observed,
       w.allowed, w.ended_at, w.ended_by, w.reason
from mlguard._withdrawal w
left join mlguard._table t on t.tbl = w.tbl;

comment on view mlguard.withdrawal is 'Predictions taken away from readers, until somebody decides.';


create function mlguard._grant_loop(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format(
    'grant select on mlguard.model, mlguard.retrain_request, mlguard.training_ticket, mlguard.withdrawal to %I', p_role);
  -- Views run their functions as who reads them.
  execute format('grant execute on function mlguard._inputs_of(text), mlguard._policy(text) to %I', p_role);
  if p_role in ('mlguard_task', 'mlguard_platform') then
    execute format(
      'grant execute on function mlguard.begin_training(text, timestamptz, timestamptz), '
      'mlguard.ticket_v1(text, bigint), mlguard.claim_retrain(text), mlguard.heartbeat(bigint), '
      'mlguard.finish_retrain(bigint, text, text, boolean), mlguard.request_retrain(text, text) to %I', p_role);
  end if;
  if p_role = 'mlguard_platform' then
    execute format(
      'grant execute on function mlguard.reinstate(bigint, text), mlguard.cancel_retrain(bigint, text), '
      'mlguard.set_retrain_policy(text, interval, interval, interval, integer), '
      -- set_baseline() reads with the rights of who calls it.
      'mlguard._ticket_named(text), mlguard._set_ticket_baseline(regclass, bigint) to %I', p_role);
  end if;
end
$mlguard$;

comment on function mlguard._grant_loop(text) is
  'Private. Gives one of the three roles its rights on the retrain loop: tasks train, the platform decides.';


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
  return query select v.what, v.n from mlguard._sweep_version_baselines(p_as_of) v;
  return query select b.what, b.n from mlguard._sweep_baselines(p_as_of) b;
  return query select w.what, w.n from mlguard._sweep_windows(p_as_of) w;
  return query select u.what, u.n from mlguard._sweep_usual(p_as_of) u;
  return query select h.what, h.n from mlguard._sweep_holds(p_as_of) h;
  return query select i.what, i.n from mlguard._sweep_incidents(p_as_of) i;
  -- What incidents ask for: readers first, then who serves, then who trains.
  return query select w.what, w.n from mlguard._sweep_withdrawals(p_as_of) w;
  return query select r.what, r.n from mlguard._sweep_rollbacks(p_as_of) r;
  return query select r.what, r.n from mlguard._sweep_retrain(p_as_of) r;
  -- Last, so that what the sweep itself recorded is sealed too.
  return query select a.what, a.n from mlguard._sweep_audit() a;
end
$mlguard$;


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
    perform mlguard._grant_loop(_role);
  end loop;
  if exists (select from pg_roles r where r.rolname = 'mlguard_platform') then
    perform mlguard._grant_review('mlguard_platform');
  end if;
end
$mlguard$;


revoke all on function
  mlguard._ask_retrain(text, text, bigint, text, timestamptz), mlguard._asking(text), mlguard._claimed(bigint),
  mlguard._expire_claims(), mlguard._give_ticket(text, timestamptz, timestamptz, bigint), mlguard._grant_loop(text),
  mlguard._input_faults(text, timestamptz, timestamptz), mlguard._inputs_of(text),
  mlguard._judged_good(text, timestamptz, timestamptz), mlguard._known_model(text), mlguard._loop_reason(text, text),
  mlguard._policy(text), mlguard._record_retrain(text, mlguard._retrain_request, text),
  mlguard._set_ticket_baseline(regclass, bigint), mlguard._sweep_retrain(timestamptz),
  mlguard._sweep_rollbacks(timestamptz), mlguard._sweep_version_baselines(timestamptz),
  mlguard._sweep_withdrawals(timestamptz), mlguard._tell_act(bigint, text, jsonb), mlguard._ticket_named(text),
  mlguard._veto(bigint, timestamptz), mlguard._vetoes(text, timestamptz, timestamptz),
  mlguard.begin_training(text, timestamptz, timestamptz), mlguard.cancel_retrain(bigint, text),
  mlguard.claim_retrain(text), mlguard.finish_retrain(bigint, text, text, boolean), mlguard.heartbeat(bigint),
  mlguard.reinstate(bigint, text), mlguard.request_retrain(text, text),
  mlguard.set_retrain_policy(text, interval, interval, interval, integer), mlguard.ticket_v1(text, bigint)
  from public;

revoke all on mlguard.model, mlguard.retrain_request, mlguard.training_ticket, mlguard.withdrawal from public;

select mlguard.grant_roles();
