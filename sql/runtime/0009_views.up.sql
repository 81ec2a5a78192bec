-- The views, and who may use what. No view shows a value of a pii column.

create view mlguard.slo as
select s.id, s.tbl, s.name, s.level, s.check_text, s.allowed, s.action, s.place, s.reason, s.columns,
       coalesce(s.max_bad_rows || ' rows', trim_scale(s.max_bad_share * 100) || '%') as max_bad,
       s.max_age, s.shadow, s.waivable, s.portable, s.severity, s.owner, s.runbook, s.description, s.tags, s.then_do,
       s.version, s.since,
       (select max(w.until)
        from mlguard._waiver w
        where w.slo = s.id and w.ended_at is null and w.until > statement_timestamp()) as waived_until,
       mlguard._health(s.id) as health
from mlguard._slo s;

comment on view mlguard.slo is 'SLOs in force.';


create view mlguard.violation as
select v.id, v.at, v.slo, v.tbl, v.batch, v.window_start, v.window_end, v.segment,
       mlguard._masked(v.observed, t.pii) as observed, v.allowed, v.n, v.bad,
       mlguard._masked(v.key, t.pii) as key, v.outcome, v.reason
from mlguard._violation v
left join mlguard._table t on t.tbl = v.tbl;

comment on view mlguard.violation is 'Recorded violations.';


create view mlguard.quarantine as
select q.id, q.tbl, mlguard._masked(q.key, t.pii) as key, mlguard._masked(q.row, t.pii) as row,
       mlguard._masked_rules(q.broken, t.pii) as broken, q.slos,
       q.batch, q.op, q.superseded, q.status, q.kept_at, q.writer, q.decided_at, q.decided_by, q.reason
from mlguard._quarantine q
left join mlguard._table t on t.tbl = q.tbl;

comment on view mlguard.quarantine is 'Rows kept out of guarded tables.';


create view mlguard.change as
select c.id, c.tbl, mlguard._masked(c.key, t.pii) as key, c.column_name,
       case when c.column_name <> all (t.pii) then c.old else to_jsonb('not shown (pii)'::text) end as old,
       case when c.column_name <> all (t.pii) then c.new else to_jsonb('not shown (pii)'::text) end as new,
       c.rule, c.at, c.batch
from mlguard._change c
left join mlguard._table t on t.tbl = c.tbl
where not c.pending;

comment on view mlguard.change is 'Values mended before they landed.';


create view mlguard.rejection as
select s.id as slo, s.tbl, r.refused, r.last_at
from mlguard._slo s
join mlguard._refusals() r on r.no = s.no;

comment on view mlguard.rejection is
  'Refused attempts by SLO; they survive the rollback that refused them. Approximate after a crash of the server.';


create view mlguard.batch as
select b.id, b.tbl, b.opened_at, b.closed_at,
       case when b.closed_at is not null then b.landed
            else (select sum(d.landed)::bigint from mlguard._delta d where d.batch = b.id) end as landed,
       case when b.closed_at is not null then b.withheld
            else (select count(*) from mlguard._quarantine q where q.batch = b.id) end as withheld,
       b.writer
from mlguard._batch b;

comment on view mlguard.batch is 'What one transaction wrote to one table, where a rule needed to know it.';


create view mlguard.gate as
select t.tbl,
       case when c.words is null then 'open' else 'closed' end as state,
       c.since,
       f.fresh_until,
       t.tbl || ' ' || c.words as why
from mlguard._table t
left join lateral mlguard._closed(t.tbl) c on true
left join lateral (
  select mlguard.newest_v1(t.tbl) + make_interval(secs => mlguard._seconds(min(s.max_age))) as fresh_until
  from mlguard._slo s
  where s.tbl = t.tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
) f on true;

comment on view mlguard.gate is
  'Guarded tables: whether reads are let through, until when without new rows, and why not.';
comment on column mlguard.gate.since is 'Closed since; null while open, and where the table never held a row.';


create view mlguard.event as
select e.id, e.at, e.who, e.act, e.target, e.before, e.after, e.reason
from mlguard._event e;

comment on view mlguard.event is 'Audited acts.';


create view mlguard.hold as
select h.id, h.tbl, h.slo, h.batch, h.since, h.observed, h.allowed, h.ended_at, h.ended_by, h.reason
from mlguard._hold h;

comment on view mlguard.hold is 'Holds, open and ended.';


create view mlguard.waiver as
select w.id, w.slo, w.kind, w.until, w.reason, w.who, w.at,
       case when w.until <= statement_timestamp() then least(w.ended_at, w.until) else w.ended_at end as ended_at
from mlguard._waiver w;

comment on view mlguard.waiver is 'Exceptions to SLOs, current and past.';


create view mlguard.object as
select o.tbl, o.kind, o.name, o.slos, o.hash, o.definition_hash, o.installed_at
from mlguard._object o;

comment on view mlguard.object is 'Constraints, triggers, functions, views and policies made by mlguard.';


-- Roles belong to the server, not to this database: they are made where the installer may, and never dropped.
do $mlguard$
declare
  _role text;
begin
  foreach _role in array array['mlguard_platform', 'mlguard_task', 'mlguard_writer'] loop
    if not exists (select from pg_catalog.pg_roles r where r.rolname operator(pg_catalog.=) _role) then
      begin
        execute pg_catalog.format('create role %I nologin', _role);
      exception
        when insufficient_privilege or duplicate_object or unique_violation then
          null;  -- an administrator makes them; grant_roles() then gives them their rights
      end;
    end if;
  end loop;
end
$mlguard$;


create function mlguard.grant_roles()
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
      mlguard.off(text, interval, text), mlguard.waive(text, timestamptz, text), mlguard.sweep(timestamptz)
      to mlguard_platform;
  end if;
end
$mlguard$;

comment on function mlguard.grant_roles() is
  'Gives mlguard_platform, mlguard_task and mlguard_writer their rights, as far as these roles exist. For the owner of '
  'the schema, after an administrator made the roles.';


-- CHECK constraints, guarded views and policies run these as whoever writes or reads.
revoke all on all tables in schema mlguard from public;
revoke all on all functions in schema mlguard from public;
grant execute on function
  mlguard.refuse_v1(text, jsonb, jsonb), mlguard.guard_v1(text), mlguard.gate_open_v1(text), mlguard.may_mend_v1()
  to public;

select mlguard.grant_roles();
