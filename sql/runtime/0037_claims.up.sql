-- Who may act in the loop: an SLO that is off or waived asks for nothing, a worker that was taken for dead ends nobody
-- else's claim, and a model is not trained on labels that are held or failed.

create or replace function mlguard._inputs_of(p_model text)
returns setof text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select distinct i.tbl
  from mlguard._table t
  cross join lateral (
    select u.tbl from unnest(t.features || t.inputs) u (tbl)
    union all
    -- The truth it learns from, where that is guarded too.
    select l.tbl
    from jsonb_array_elements(t.joins) j (line)
    join mlguard._table l
      on j.line ->> 'table' = format(
        '"%s"."%s"', replace(l.schema_name, '"', '""'), replace(l.table_name, '"', '""'))
    where j.line ->> 'what' in ('labels', 'training')
  ) i (tbl)
  where t.model = p_model
  order by i.tbl
$mlguard$;

comment on function mlguard._inputs_of(text) is
  'Private. The tables a model reads: features and inputs of its tables of predictions, and labels that are guarded.';


create or replace function mlguard._asking(p_word text)
returns table (incident bigint, slo text, tbl text, segment jsonb, opened_at timestamptz, last_verdict bigint, words text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select i.id, i.slo, i.tbl, i.segment, i.opened_at, i.last_verdict,
         format('%s: %s', i.slo, concat_ws(', ', i.observed, i.allowed))
  from mlguard._slo s
  join mlguard._incident i on i.slo = s.id and i.state <> 'resolved'
  where p_word = any (s.then_do) and not s.shadow and not mlguard.waived_v1(s.id)
  order by i.id
$mlguard$;

comment on function mlguard._asking(text) is
  'Private. Open incidents of SLOs whose `then` has a word, but for those that are off or waived.';


create or replace function mlguard._sweep_withdrawals(p_as_of timestamptz)
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
    where 'withdraw' = any (s.then_do) and not s.shadow and not mlguard.waived_v1(s.id)
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


drop function mlguard.heartbeat(bigint);
drop function mlguard.finish_retrain(bigint, text, text, boolean);
drop function mlguard._claimed(bigint);


create function mlguard._claimed(p_id bigint, p_ticket bigint)
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
  elsif _request.ticket is distinct from coalesce(p_ticket, _request.ticket) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: request %s was claimed again since, with ticket %s: ticket %s lost it', p_id,
                       _request.ticket, p_ticket),
      hint = 'A claim without a sign of life is given to another worker when its lease is over.';
  elsif _request.claimed_by <> session_user
        and not pg_has_role(session_user, (select c.relowner from pg_class c where c.oid = 'mlguard._retrain_request'::regclass), 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('mlguard: request %s is claimed by %s', p_id, _request.claimed_by);
  end if;
  return _request;
end
$mlguard$;

comment on function mlguard._claimed(bigint, bigint) is
  'Private. A request the caller has claimed, with this ticket where one is said, locked; raises otherwise.';


create function mlguard.heartbeat(p_id bigint, p_ticket bigint default null)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id, p_ticket);
begin
  update mlguard._retrain_request r
  set lease_until = clock_timestamp() + (mlguard._policy(r.model)).lease
  where r.id = p_id
  returning r.* into _request;
  return _request.lease_until;
end
$mlguard$;

comment on function mlguard.heartbeat(bigint, bigint) is
  'A sign of life of the worker that claimed a request; returns until when the claim holds now. With the ticket of the '
  'claim it raises where another worker has claimed the request since.';


create function mlguard.finish_retrain(
  p_id bigint, p_version text default null, p_outcome text default null, p_failed boolean default false,
  p_ticket bigint default null)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id, p_ticket);
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

comment on function mlguard.finish_retrain(bigint, text, text, boolean, bigint) is
  'Ends a claim: the version that was trained is registered with its ticket (nobody has approved it yet), or the run '
  'failed and the request waits for another worker, at most as often as the policy of the model says. With the ticket of '
  'the claim it raises where another worker has claimed the request since.';


create or replace function mlguard._grant_loop(p_role text)
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
      'mlguard.ticket_v1(text, bigint), mlguard.claim_retrain(text), mlguard.heartbeat(bigint, bigint), '
      'mlguard.finish_retrain(bigint, text, text, boolean, bigint), mlguard.request_retrain(text, text) to %I', p_role);
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


revoke all on function
  mlguard._claimed(bigint, bigint), mlguard.heartbeat(bigint, bigint),
  mlguard.finish_retrain(bigint, text, text, boolean, bigint) from public;

select mlguard.grant_roles();
