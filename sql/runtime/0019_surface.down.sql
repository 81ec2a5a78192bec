create or replace function mlguard.sweep(p_as_of timestamptz default now())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  perform mlguard._count_batch(b.id) from mlguard._batch b where b.closed_at is null;
  get diagnostics _n = row_count;
  return query select 'batches closed', _n;

  -- The gate asks for the newest line that has come; later ones are still to come.
  delete from mlguard._freshness f
  where f.newest < (
    select max(l.newest) from mlguard._freshness l where l.tbl = f.tbl and l.newest <= p_as_of);
  get diagnostics _n = row_count;
  return query select 'freshness lines pruned', _n;

  -- A day later nothing sums them any more; the batch keeps the totals.
  delete from mlguard._delta d
  using mlguard._batch b
  where b.id = d.batch and b.closed_at < p_as_of - interval '1 day';
  get diagnostics _n = row_count;
  return query select 'deltas pruned', _n;

  -- Left by transactions with IMMEDIATE constraints: their rows never landed.
  delete from mlguard._change c
  using mlguard._batch b
  where c.pending and b.id = c.batch and b.xid <> pg_current_xact_id();
  get diagnostics _n = row_count;
  return query select 'phantom changes deleted', _n;

  update mlguard._waiver w set ended_at = w.until where w.ended_at is null and w.until <= p_as_of;
  get diagnostics _n = row_count;
  return query select 'waivers ended', _n;

  with expired as (
    update mlguard._quarantine q
    set status = case q.status when 'waiting' then 'discarded' else q.status end,
        decided_at = coalesce(q.decided_at, clock_timestamp()),
        decided_by = coalesce(q.decided_by, session_user),
        reason = coalesce(q.reason, format('kept longer than %s', mlguard._length(t.quarantine_retention))),
        key = null, row = null, row_text = null,
        broken = (
          select coalesce(jsonb_agg(b.line - 'observed' order by b.place), '[]')
          from jsonb_array_elements(q.broken) with ordinality b (line, place))
    from mlguard._table t
    where t.tbl = q.tbl and q.row is not null and q.kept_at < p_as_of - t.quarantine_retention
    returning q.tbl
  ), recorded as (
    select mlguard._record('retention', e.tbl, null, jsonb_build_object('rows', count(*)), 'quarantine_retention')
    from expired e
    group by e.tbl
  )
  select (select count(*) from expired) from (select count(*) from recorded) r into _n;
  return query select 'kept rows erased', _n;
end
$mlguard$;

comment on function mlguard.sweep(timestamptz) is
  'Housekeeping: closes batches, prunes logs, ends waivers, erases kept rows whose retention is over. Never needed for '
  'a verdict to be right.';


create or replace function mlguard.grant_roles()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _role text;
begin
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant usage on schema mlguard to %I', _role);
    execute format(
      'grant select on mlguard.slo, mlguard.gate, mlguard.violation, mlguard.rejection, mlguard.batch to %I', _role);
    -- Views run their functions as who reads them.
    execute format(
      'grant execute on function mlguard.assert_ok(regclass), mlguard._closed(text), mlguard._health(text), '
      'mlguard._masked(jsonb, text[]), mlguard._masked_rules(jsonb, text[]), mlguard._refusals(), mlguard._seconds(interval), mlguard.newest_v1(text) to %I',
      _role);
    if to_regclass('mlguard.alembic_version') is not null then
      execute format('grant select on mlguard.alembic_version to %I', _role);
    end if;
  end loop;
  if exists (select from pg_roles r where r.rolname = 'mlguard_platform') then
    grant select on
      mlguard.quarantine, mlguard.change, mlguard.event, mlguard.hold, mlguard.waiver, mlguard.object
      to mlguard_platform;
    grant execute on function
      mlguard.release(bigint, jsonb), mlguard.replay(regclass), mlguard.discard(bigint, text),
      mlguard.off(text, interval, text), mlguard.waive(text, timestamptz, text),
      mlguard.resume(text, text), mlguard.sweep(timestamptz)
      to mlguard_platform;
  end if;
end
$mlguard$;


drop function mlguard._sweep_tidy(timestamptz);
drop function mlguard._drop_unguarded();
drop view mlguard.profile;
drop view mlguard.verdict;
drop view mlguard.metric;
create or replace view mlguard.violation as
select v.id, v.at, v.slo, v.tbl, v.batch, v.window_start, v.window_end, v.segment,
       mlguard._masked(v.observed, t.pii) as observed, v.allowed, v.n, v.bad,
       mlguard._masked(v.key, t.pii) as key, v.outcome, v.reason
from mlguard._violation v
left join mlguard._table t on t.tbl = v.tbl;

drop function mlguard._personal(jsonb, text[]);
drop function mlguard._shows_values(text[], text[]);
drop view mlguard.hold;

create view mlguard.hold as
select h.id, h.tbl, h.slo, h.batch, h.since, h.observed, h.allowed, h.ended_at, h.ended_by, h.reason
from mlguard._hold h;

comment on view mlguard.hold is 'Holds, open and ended.';

revoke all on mlguard.hold from public;

select mlguard.grant_roles();
