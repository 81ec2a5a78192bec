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
  -- What is frozen now is what the windows below are compared with.
  return query select b.what, b.n from mlguard._sweep_baselines(p_as_of) b;
  return query select w.what, w.n from mlguard._sweep_windows(p_as_of) w;
  return query select u.what, u.n from mlguard._sweep_usual(p_as_of) u;
  return query select h.what, h.n from mlguard._sweep_holds(p_as_of) h;
  return query select i.what, i.n from mlguard._sweep_incidents(p_as_of) i;
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
  end loop;
end
$mlguard$;


drop view mlguard.event;

create view mlguard.event as
select e.id, e.at, e.who, e.act, e.target, e.before, e.after, e.reason
from mlguard._event e;

comment on view mlguard.event is 'Audited acts.';

revoke all on mlguard.event from public;

drop view mlguard.model_metric, mlguard.prediction_batch, mlguard.model_version, mlguard.model_usage;

drop function
  mlguard._sweep_audit(), mlguard.verify_audit(bigint, text), mlguard.audit_head(), mlguard._seal_events(),
  mlguard._link(bytea, bigint, mlguard._event), mlguard._event_text(bigint, mlguard._event);

drop trigger await_seal on mlguard._event;

drop function mlguard._await_seal();

drop table mlguard._unsealed, mlguard._event_seal;

drop function
  mlguard._grant_models(text), mlguard._sweep_models(timestamptz), mlguard.fell_back_v1(text, jsonb, text, jsonb),
  mlguard.inputs_v1(text, text[], text), mlguard.refuse_version_v1(text, text, text),
  mlguard.retire(text, text, text), mlguard.rollback(text, text), mlguard._previous(text),
  mlguard.challenge(text, text, text), mlguard.promote(text, text, text, text), mlguard.approve(text, text, text),
  mlguard.register(text, text, text, bigint), mlguard._record_model(text, text, text, jsonb, jsonb, text),
  mlguard._model_reason(text, text), mlguard._locked_version(text, text);

drop table
  mlguard._model_usage, mlguard._prediction_batch, mlguard._prediction_line, mlguard._model_version, mlguard._model;

alter table mlguard._table
  drop column when_features_held,
  drop column features,
  drop column approval,
  drop column version_column,
  drop column model;

select mlguard.grant_roles();
