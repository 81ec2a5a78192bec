drop event trigger if exists mlguard_partition_made;

drop function mlguard.attach_partition(regclass, regclass, text);
drop function mlguard.detach_partition(regclass, regclass);
drop function mlguard._partition_went(oid, regclass, timestamptz, timestamptz, timestamptz, pg_snapshot);
drop function mlguard._unhook(regclass);
drop function mlguard._fit_partition(regclass, regclass);
drop function mlguard._note_act(oid, text, regclass, jsonb);
drop function mlguard._bound_sql(text);
drop function mlguard._on_partition();
drop function mlguard.cover_partitions(regclass);
drop function mlguard._note_partitions(oid);
drop function mlguard._lacking(oid);
drop function mlguard._trigger_on(oid, oid);
drop function mlguard._guarded_above(oid);
drop function mlguard.written_v1(regclass);
drop function mlguard.guard_between_v1(text, timestamptz, timestamptz);


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

drop function mlguard._grant_partitions(text);
drop function mlguard._grant_public();


create or replace function mlguard._recount_now(p_table mlguard._table)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _most constant integer := 200;
  _ids bigint[] := array(select d.id from mlguard._recount_due d where d.tbl = p_table.tbl);
  _part record;
  _n bigint := 0;
begin
  if cardinality(_ids) = 0 or p_table.recount is null or p_table.base is null then
    return 0;
  end if;
  for _part in
    with due as materialized (
      select d.bucket_from, mlguard._window_end(p_table.base, p_table.time_zone, d.bucket_to) as bucket_end
      from mlguard._recount_due d
      where d.tbl = p_table.tbl and d.id = any (_ids)
    ), island as (
      select l.bucket_from, l.bucket_end, count(*) filter (where l.apart) over (order by l.bucket_from, l.bucket_end) as no
      from (
        select d.*, d.bucket_from > max(d.bucket_end) over (
                      order by d.bucket_from, d.bucket_end rows between unbounded preceding and 1 preceding) as apart
        from due d
      ) l
    ), part as (
      select min(i.bucket_from) as first, max(i.bucket_end) as last from island i group by i.no
    )
    select null::timestamptz as first, null::timestamptz as last
    where exists (select from due d where d.bucket_from is null)
    union all
    select p.first, p.last from part p
    where not exists (select from due d where d.bucket_from is null) and (select count(*) from part) <= _most
    union all
    select min(p.first), max(p.last) from part p
    where not exists (select from due d where d.bucket_from is null)
    having count(*) > _most
  loop
    _n := _n + mlguard._recount(p_table.tbl, p_table.recount, _part.first, _part.last);
    -- What was judged of them may have been wrong.
    update mlguard._bucket b
    set changed_at = clock_timestamp()
    where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
      and b.bucket < coalesce(_part.last, 'infinity');
  end loop;
  delete from mlguard._recount_due d where d.tbl = p_table.tbl and d.id = any (_ids);
  return _n;
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


alter table mlguard._recount_due drop column shrunk;
