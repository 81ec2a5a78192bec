create or replace function mlguard.sweep(p_as_of timestamptz default statement_timestamp())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if pg_is_in_recovery() then
    raise exception using
      errcode = 'read_only_sql_transaction',
      message = 'mlguard: this server is a standby: nothing can be judged or written down here',
      hint = 'Let sweep() run on the primary; what it finds, holds among it, arrives here with the rows. Guarded reads '
             'are judged here, staleness by this server''s clock.';
  end if;
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


create or replace function mlguard.publish(p_staging regclass, p_target regclass, p_replace boolean default false)
returns table (stored bigint, quarantined bigint, repaired bigint)
language plpgsql
volatile
as $mlguard$
declare
  _kind "char" := (select c.relkind from pg_catalog.pg_class c where c.oid operator(pg_catalog.=) p_staging);
  _before record;
  _after record;
  _names record;
  _any boolean;
begin
  select w.* into _before from mlguard._written(p_target) w;
  if _before.tbl is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = pg_catalog.format('mlguard: %s is not guarded, so there is nothing to judge rows by', p_target),
      hint = 'publish(staging, target) takes the guarded table second; its guard is made by mlguard apply.';
  elsif p_staging operator(pg_catalog.=) p_target or _kind operator(pg_catalog.<>) all ('{r,p}'::"char"[]) then
    raise exception using
      errcode = 'wrong_object_type',
      message = pg_catalog.format('mlguard: %s is no staging table for %s', p_staging, p_target),
      hint = 'Name another, ordinary table: it is emptied when its rows have moved.';
  end if;
  select c.* into _names from mlguard._same_columns(p_staging, p_target) c;

  execute pg_catalog.format('lock table %s in access exclusive mode', p_staging);
  if p_replace then
    execute pg_catalog.format('select exists (select from %s)', p_staging) into _any;
    if not _any then
      raise exception using
        errcode = 'no_data_found',
        message = pg_catalog.format('mlguard: %s is empty, and would replace all rows of %s by none', p_staging, p_target),
        hint = pg_catalog.format('If that is meant: delete from %s', p_target);
    end if;
    execute pg_catalog.format('delete from %s', p_target);
  end if;
  execute pg_catalog.format(
    'insert into %s (%s)%s select %s from %s', p_target, _names.columns, _names.overriding, _names.columns, p_staging);
  get diagnostics stored = row_count;
  if p_replace and stored operator(pg_catalog.=) 0 then
    raise exception using
      errcode = 'no_data_found',
      message = pg_catalog.format('mlguard: all rows of %s were kept out, and %s would be left empty', p_staging, p_target),
      hint = 'Correct them; they are still there.';
  end if;

  -- Judged here rather than at COMMIT, so that it is this call that fails.
  set constraints mlguard.judge_batch, mlguard.judge_loads immediate;
  set constraints mlguard.judge_batch, mlguard.judge_loads deferred;

  if pg_catalog.has_table_privilege(p_staging, 'truncate') and not exists (
       select from pg_catalog.pg_constraint f where f.confrelid operator(pg_catalog.=) p_staging) then
    execute pg_catalog.format('truncate %s', p_staging);
  else
    execute pg_catalog.format('delete from %s', p_staging);
  end if;
  select w.* into _after from mlguard._written(p_target) w;
  quarantined := _after.kept_out operator(pg_catalog.-) _before.kept_out;
  repaired := _after.mended operator(pg_catalog.-) _before.mended;
  return next;
end
$mlguard$;


create or replace function mlguard._except(p_slo text, p_kind text, p_until timestamptz, p_reason text)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo mlguard._slo;
  _alter text;
begin
  select s.* into _slo from mlguard._slo s where s.id = p_slo;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no SLO %s', p_slo),
      hint = 'Ids are <schema>.<table>/<name>: select id from mlguard.slo';
  end if;
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: an exception to an SLO needs a reason';
  end if;
  if p_until is null or not isfinite(p_until) or p_until <= statement_timestamp() then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: an exception to an SLO must end, and in the future',
      hint = 'An SLO that is never wanted again is taken out of its file.';
  end if;
  if not _slo.waivable and (_slo.place like '%constraint' or _slo.action = 'reject') then
    select u.statement
    into _alter
    from mlguard._object o, unnest(o.undo) u (statement)
    where o.tbl = _slo.tbl and p_slo = any (o.slos) and _slo.place like '%constraint'
      and u.statement ilike 'alter table%'
    limit 1;
    raise exception using
      errcode = 'feature_not_supported',
      message = format('mlguard: %s is a %s, which looks at no waiver', p_slo, _slo.place),
      hint = coalesce('To take it out: ' || _alter || '; mlguard apply puts it back. ', '')
             || 'With waivable: true in the SLO file it is placed where a waiver takes effect.',
      constraint = p_slo;
  end if;

  insert into mlguard._waiver (slo, kind, until, reason) values (p_slo, p_kind, p_until, p_reason);
  perform mlguard._record(p_kind, p_slo, null, jsonb_build_object('until', p_until), p_reason);
  return p_until;
end
$mlguard$;
