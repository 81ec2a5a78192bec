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
      errcode = 'feature_not_supported',
      message = 'mlguard: a baseline cannot be taken from a model version yet',
      hint = 'Name the table it was trained on: select mlguard.set_baseline(…, ''features.training'')';
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
  if (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
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

alter table mlguard._outbox drop constraint _outbox_event;
delete from mlguard._outbox where event = 'acted';
alter table mlguard._outbox add constraint _outbox_event check (
  event in ('opened', 'escalated', 'acknowledged', 'snoozed', 'resolved', 'reopened'));
comment on column mlguard._outbox.event is
  'opened, escalated (more severe, or more people concerned), acknowledged, snoozed, resolved or reopened.';

drop view mlguard.withdrawal;
drop view mlguard.training_ticket;
drop view mlguard.retrain_request;
drop view mlguard.model;
drop function mlguard._grant_loop(text);
drop function mlguard._sweep_version_baselines(timestamptz);
drop function mlguard._set_ticket_baseline(regclass, bigint);
drop function mlguard._ticket_named(text);
drop function mlguard.reinstate(bigint, text);
drop function mlguard._sweep_withdrawals(timestamptz);
drop function mlguard._sweep_rollbacks(timestamptz);
drop function mlguard._tell_act(bigint, text, jsonb);
drop function mlguard._sweep_retrain(timestamptz);
drop function mlguard._asking(text);
drop function mlguard.set_retrain_policy(text, interval, interval, interval, integer);
drop function mlguard.cancel_retrain(bigint, text);
drop function mlguard.finish_retrain(bigint, text, text, boolean);
drop function mlguard.heartbeat(bigint);
drop function mlguard._claimed(bigint);
drop function mlguard.claim_retrain(text);
drop function mlguard._expire_claims();
drop function mlguard.request_retrain(text, text);
drop function mlguard._ask_retrain(text, text, bigint, text, timestamptz);
drop function mlguard._veto(bigint, timestamptz);
drop function mlguard._record_retrain(text, mlguard._retrain_request, text);
drop function mlguard.ticket_v1(text, bigint);
drop function mlguard.begin_training(text, timestamptz, timestamptz);
drop function mlguard._give_ticket(text, timestamptz, timestamptz, bigint);
drop function mlguard._judged_good(text, timestamptz, timestamptz);
drop function mlguard._vetoes(text, timestamptz, timestamptz);
drop function mlguard._input_faults(text, timestamptz, timestamptz);
drop function mlguard._inputs_of(text);
drop function mlguard._known_model(text);
drop function mlguard._policy(text);
drop function mlguard._loop_reason(text, text);
drop table mlguard._withdrawal;
drop table mlguard._rollback_act;
drop table mlguard._retrain_request;
drop table mlguard._training_ticket;
drop table mlguard._retrain_policy;
