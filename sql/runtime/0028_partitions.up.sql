-- Partitions: triggers on those that come later, rows judged before they are attached, states taken away with those that
-- go. Row triggers and CHECKs are PostgreSQL's own to hand on; it hands on no statement trigger. And other servers: what
-- sweep() says on a standby, and rights after a restore without them.

alter table mlguard._recount_due add column shrunk boolean not null default false;

comment on column mlguard._recount_due.shrunk is
  'Rows only went: what was judged of them stands, unless what is left mends it.';


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
  _buckets timestamptz[];
  _segments jsonb[];
  _n bigint := 0;
begin
  if cardinality(_ids) = 0 or p_table.recount is null or p_table.base is null then
    return 0;
  end if;
  for _part in
    with due as materialized (
      select d.shrunk, d.bucket_from, mlguard._window_end(p_table.base, p_table.time_zone, d.bucket_to) as bucket_end
      from mlguard._recount_due d
      where d.tbl = p_table.tbl and d.id = any (_ids)
    ), island as (
      select l.shrunk, l.bucket_from, l.bucket_end,
             count(*) filter (where l.apart) over (partition by l.shrunk order by l.bucket_from, l.bucket_end) as no
      from (
        select d.*, d.bucket_from > max(d.bucket_end) over (
                      partition by d.shrunk
                      order by d.bucket_from, d.bucket_end rows between unbounded preceding and 1 preceding) as apart
        from due d
      ) l
    ), part as (
      select i.shrunk, min(i.bucket_from) as first, max(i.bucket_end) as last from island i group by i.shrunk, i.no
    ), whole as (
      select d.shrunk from due d where d.bucket_from is null group by d.shrunk
    )
    select w.shrunk, null::timestamptz as first, null::timestamptz as last
    from whole w
    union all
    select p.shrunk, p.first, p.last
    from part p
    where not exists (select from whole w where w.shrunk = p.shrunk)
      and (select count(*) from part o where o.shrunk = p.shrunk) <= _most
    union all
    select p.shrunk, min(p.first), max(p.last)
    from part p
    where not exists (select from whole w where w.shrunk = p.shrunk)
    group by p.shrunk
    having count(*) > _most
  loop
    select array_agg(b.bucket), array_agg(b.segment)
    into _buckets, _segments
    from mlguard._bucket b
    where _part.shrunk and b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
      and b.bucket < coalesce(_part.last, 'infinity');
    _n := _n + mlguard._recount(p_table.tbl, p_table.recount, _part.first, _part.last);
    if _part.shrunk then
      -- As where rows are deleted: a bucket of which nothing is left says so.
      insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at)
      select p_table.tbl, g.bucket, g.segment, 0, '{"n": 0}', '-infinity'
      from unnest(_buckets, _segments) g (bucket, segment)
      on conflict (tbl, bucket, segment) do nothing;
      update mlguard._bucket b
      set shrunk_at = clock_timestamp()
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    else
      -- What was judged of them may have been wrong.
      update mlguard._bucket b
      set changed_at = clock_timestamp()
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    end if;
  end loop;
  delete from mlguard._recount_due d where d.tbl = p_table.tbl and d.id = any (_ids);
  return _n;
end
$mlguard$;


create function mlguard.written_v1(p_table regclass)
returns bigint
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(sum(pg_stat_get_xact_tuples_inserted(p.relid) + pg_stat_get_xact_tuples_updated(p.relid)), 0)::bigint
  from pg_partition_tree(p_table) p
  where p.isleaf
$mlguard$;

comment on function mlguard.written_v1(regclass) is
  'Rows that this transaction wrote into the partitions of a table so far, whichever partitions there are by now.';


-- What a partition is a part of, and what it lacks.

create function mlguard._guarded_above(p_relation oid)
returns table (tbl text, root oid, event_sql text)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select t.tbl, c.oid, t.event_sql
  from pg_partition_ancestors(p_relation) with ordinality a (relid, place)
  join pg_class c on c.oid = a.relid
  join pg_namespace n on n.oid = c.relnamespace
  join mlguard._table t on t.schema_name = n.nspname and t.table_name = c.relname
  order by a.place
  limit 1
$mlguard$;

comment on function mlguard._guarded_above(oid) is
  'Private. The guarded table that a partitioned table or partition is, or is a part of; no line where there is none.';


create function mlguard._trigger_on(p_trigger oid, p_relation oid)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Between the name of a trigger of ours and its table stand only the words of its events.
  select overlay(d.text placing format(' ON %I.%I ', n.nspname, c.relname) from strpos(d.text, d.place)
                 for length(d.place))
  from (
    select pg_get_triggerdef(k.oid) as text, format(' ON %I.%I ', kn.nspname, kc.relname) as place
    from pg_trigger k
    join pg_class kc on kc.oid = k.tgrelid
    join pg_namespace kn on kn.oid = kc.relnamespace
    where k.oid = p_trigger
  ) d
  cross join pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_relation
$mlguard$;

comment on function mlguard._trigger_on(oid, oid) is
  'Private. CREATE TRIGGER for a trigger as it would hang on another relation.';


create function mlguard._lacking(p_root oid)
returns table (relation oid, root_trigger oid, trigger_name text)
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select p.relid, k.oid, k.tgname::text
  from pg_partition_tree(p_root) p
  join pg_class c on c.oid = p.relid and c.relkind in ('r', 'p')
  join pg_trigger k on k.tgrelid = p_root
  -- 1: FOR EACH ROW
  where p.relid <> p_root and k.tgname like 'zz\_mlguard\_%' and not k.tgisinternal and k.tgtype & 1 = 0
    and not exists (select from pg_trigger o where o.tgrelid = p.relid and o.tgname = k.tgname)
  order by p.level, p.relid, k.tgname
$mlguard$;

comment on function mlguard._lacking(oid) is
  'Private. Statement triggers of a partitioned table that partitions of it lack: writes straight into those are not '
  'judged by them.';


create function mlguard._note_partitions(p_root oid)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  with root as (
    select n.nspname || '.' || c.relname as name
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = p_root
  )
  insert into mlguard._object (tbl, kind, name, slos, hash, definition_hash, undo)
  select o.tbl, 'TRIGGER', format('%s on %s.%s', k.tgname, n.nspname, c.relname), o.slos, o.hash,
         left(encode(sha256(convert_to(pg_get_triggerdef(k.oid) || ' ' || k.tgenabled::text, 'UTF8')), 'hex'), 12),
         array[format('drop trigger if exists %I on %I.%I', k.tgname, n.nspname, c.relname)]
  from root
  cross join pg_partition_tree(p_root) p
  join pg_class c on c.oid = p.relid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_trigger k on k.tgrelid = p.relid and not k.tgisinternal and k.tgparentid = 0 and k.tgenabled = 'A'
  join pg_trigger r on r.tgrelid = p_root and r.tgname = k.tgname and r.tgenabled = 'A'
  join mlguard._object o
    on o.kind = 'TRIGGER'
   and (o.name = k.tgname and o.tbl = root.name or o.name = format('%s on %s', k.tgname, root.name))
  where p.relid <> p_root and pg_get_triggerdef(k.oid) = mlguard._trigger_on(r.oid, k.tgrelid)
  on conflict (tbl, kind, name) do nothing
$mlguard$;

comment on function mlguard._note_partitions(oid) is
  'Private. Records the triggers of partitions that are those of their guarded table, as apply would have.';


create function mlguard.cover_partitions(p_table regclass)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _root oid := (select g.root from mlguard._guarded_above(p_table) g);
  _lacking record;
  _n bigint := 0;
begin
  if _root is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: %s is not a partitioned table that is guarded, nor a part of one', p_table),
      hint = 'Its guard is made by mlguard apply.';
  end if;
  for _lacking in
    select l.*, obj_description(l.root_trigger, 'pg_trigger') as about from mlguard._lacking(_root) l
  loop
    execute mlguard._trigger_on(_lacking.root_trigger, _lacking.relation);
    execute format('alter table %s enable always trigger %I', _lacking.relation::regclass, _lacking.trigger_name);
    execute format('comment on trigger %I on %s is %L', _lacking.trigger_name, _lacking.relation::regclass,
                   _lacking.about);
    _n := _n + 1;
  end loop;
  if _n > 0 then
    perform mlguard._note_partitions(_root);
  end if;
  return _n;
end
$mlguard$;

comment on function mlguard.cover_partitions(regclass) is
  'Gives the partitions of a guarded table the statement triggers they lack, so that what is written straight into them '
  'is judged; returns how many were made. Their rows are not judged: for that attach_partition() is there.';


create function mlguard._on_partition()
returns event_trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  perform mlguard.cover_partitions(g.root)
  from (
    select distinct g.root
    from pg_event_trigger_ddl_commands() d
    cross join lateral mlguard._guarded_above(d.objid) g
    where d.classid = 'pg_class'::regclass and d.object_type = 'table' and g.root <> d.objid
  ) g;
exception
  when others then
    -- Whoever makes a partition must not fail because of us; doctor and plan name what it lacks.
    raise warning 'mlguard: a new partition has no statement triggers yet (%): mlguard apply makes them', sqlstate;
end
$mlguard$;

comment on function mlguard._on_partition() is 'Private. Gives a partition its statement triggers as soon as it is made.';

-- Event triggers need a superuser; without one doctor and plan name the partition.
do $mlguard$
begin
  create event trigger mlguard_partition_made on ddl_command_end
    when tag in ('CREATE TABLE')
    execute function mlguard._on_partition();
exception
  when insufficient_privilege then
    null;
end
$mlguard$;


-- Readers of a partition by event time are not kept from it by what was found of other days.

create function mlguard.guard_between_v1(p_tbl text, p_from timestamptz, p_to timestamptz)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if exists (select from mlguard._reasons(p_tbl) r where r.state <> 'held')
     or exists (
       select
       from mlguard._hold h
       where h.tbl = p_tbl and h.ended_at is null and not mlguard.waived_v1(h.slo)
         and (h.window_start is null or h.window_end is null or (h.window_start < p_to and h.window_end > p_from))) then
    return mlguard.guard_v1(p_tbl);
  end if;
  return true;
end
$mlguard$;

comment on function mlguard.guard_between_v1(text, timestamptz, timestamptz) is
  'As guard_v1(), for rows with event times from p_from up to p_to: holds of windows that do not reach there do not count, '
  'all others do.';


-- A standby.

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


-- Attaching: the rows pass the guard as a load of their own, so that they are judged by what judges every other.

create function mlguard._bound_sql(p_bound text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _constant constant text :=
    $re$(?:'(?:[^']|'')*'|[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|minvalue|maxvalue|null|true|false)$re$;
  _list constant text := '\(\s*(' || _constant || '(?:\s*,\s*' || _constant || ')*)\s*\)';
  _head constant text := '^\s*(?:for\s+values\s+)?';
  _hash text[] := regexp_match(
    p_bound, _head || 'with\s*\(\s*modulus\s+([0-9]+)\s*,\s*remainder\s+([0-9]+)\s*\)\s*$', 'i');
  _lists text[] := coalesce(
    regexp_match(p_bound, _head || 'in\s*' || _list || '\s*$', 'i'),
    regexp_match(p_bound, _head || 'from\s*' || _list || '\s*to\s*' || _list || '\s*$', 'i'));
begin
  if p_bound ~* '^\s*default\s*$' then
    return 'default';
  elsif _hash is not null then
    return format('for values with (modulus %s, remainder %s)', _hash[1], _hash[2]);
  elsif _lists is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: this is no bound of a partition',
      hint = 'Write FROM (…) TO (…), IN (…), WITH (MODULUS n, REMAINDER n) or DEFAULT; between the brackets constants: '
             '''2026-01-01'', 42, MINVALUE, MAXVALUE, NULL, TRUE, FALSE.';
  end if;
  -- Made anew from what was read: nothing of the text itself becomes SQL.
  select array_agg(l.made order by l.place)
  into _lists
  from (
    select t.place,
           string_agg(
             case when m.part[1] like '''%'
                  then quote_literal(replace(substr(m.part[1], 2, length(m.part[1]) - 2), '''''', ''''))
                  else upper(m.part[1]) end,
             ', ' order by m.no) as made
    from unnest(_lists) with ordinality t (list, place)
    cross join lateral regexp_matches(t.list, _constant, 'gi') with ordinality m (part, no)
    group by t.place
  ) l;
  return case cardinality(_lists)
    when 1 then format('for values in (%s)', _lists[1])
    else format('for values from (%s) to (%s)', _lists[1], _lists[2])
  end;
end
$mlguard$;

comment on function mlguard._bound_sql(text) is
  'Private. The bound of a partition as SQL, made anew from its constants; raises where the text is anything else.';


create function mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select mlguard._record(p_act, g.tbl, null, jsonb_build_object('partition', p_child::text) || p_more, null)
  from mlguard._guarded_above(p_root) g
$mlguard$;

comment on function mlguard._note_act(oid, text, regclass, jsonb) is 'Private. Writes one event about a partition.';


create function mlguard._fit_partition(p_parent regclass, p_child regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _wanted record;
begin
  -- A CHECK of ours may have been changed since this table was a partition before.
  for _wanted in
    select k.conname, regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') as definition,
           exists (select from pg_constraint o where o.conrelid = p_child and o.conname = k.conname) as there
    from pg_constraint k
    where k.conrelid = p_parent and k.contype = 'c' and not k.connoinherit
    order by k.conname
  loop
    continue when _wanted.there and _wanted.conname not like 'mlguard\_%';
    if _wanted.there then
      execute format('alter table %s drop constraint %I', p_child, _wanted.conname);
    end if;
    execute format('alter table %s add constraint %I %s', p_child, _wanted.conname, _wanted.definition);
  end loop;
  for _wanted in
    select a.attname
    from pg_attribute a
    join pg_attribute o on o.attrelid = p_child and o.attname = a.attname and not o.attisdropped and not o.attnotnull
    where a.attrelid = p_parent and a.attnum > 0 and not a.attisdropped and a.attnotnull
  loop
    execute format('alter table %s alter column %I set not null', p_child, _wanted.attname);
  end loop;
end
$mlguard$;

comment on function mlguard._fit_partition(regclass, regclass) is
  'Private. Gives a table the CHECKs and NOT NULLs without which ATTACH PARTITION refuses it.';


create function mlguard._unhook(p_child regclass)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _hook record;
begin
  for _hook in
    select k.tgrelid, k.tgname
    from pg_trigger k
    where (k.tgrelid = p_child or k.tgrelid in (select p.relid from pg_partition_tree(p_child) p))
      and k.tgname like 'zz\_mlguard\_%' and not k.tgisinternal and k.tgparentid = 0
    order by k.tgrelid, k.tgname
  loop
    execute format('drop trigger %I on %s', _hook.tgname, _hook.tgrelid::regclass);
  end loop;
end
$mlguard$;

comment on function mlguard._unhook(regclass) is
  'Private. Takes the triggers of a guarded table off a table that is no partition of it: what is written there would be '
  'counted as the other''s.';


-- As its caller, and on the caller's search_path: triggers of the owner run under it as they always do.
create function mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text)
returns table (stored bigint, quarantined bigint, repaired bigint)
language plpgsql
volatile
as $mlguard$
declare
  _bound text := mlguard._bound_sql(p_bound);
  _guarded record;
  _child record;
  _before record;
  _after record;
  _columns text;
  _overriding text;
  _any boolean;
begin
  select g.* into _guarded from mlguard._guarded_above(p_parent) g;
  if _guarded.tbl is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = pg_catalog.format('mlguard: %s is not a partitioned table that is guarded, nor a part of one', p_parent),
      hint = 'Nothing would judge the rows: ALTER TABLE … ATTACH PARTITION does what is left to do.';
  end if;
  select c.relkind, c.relispartition,
         exists (select from mlguard._written(p_child)) as guarded
  into _child
  from pg_catalog.pg_class c
  where c.oid operator(pg_catalog.=) p_child;
  if _child.relkind operator(pg_catalog.<>) all ('{r,p}'::"char"[]) or _child.relispartition
     or p_child operator(pg_catalog.=) p_parent or _child.guarded then
    raise exception using
      errcode = 'wrong_object_type',
      message = pg_catalog.format('mlguard: %s cannot be attached to %s', p_child, p_parent),
      hint = case when _child.guarded then 'It is guarded itself: mlguard remove takes that guard off first.'
                  else 'Name an ordinary table that is no partition yet.' end;
  end if;

  execute pg_catalog.format('lock table %s in access exclusive mode', p_child);
  perform mlguard._unhook(p_child);
  execute pg_catalog.format('select exists (select from %s)', p_child) into _any;
  if _any then
    select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum),
           case when pg_catalog.bool_or(a.attidentity operator(pg_catalog.=) 'a') then ' overriding system value'
                else '' end
    into _columns, _overriding
    from pg_catalog.pg_attribute a
    where a.attrelid operator(pg_catalog.=) p_child and a.attnum operator(pg_catalog.>) 0 and not a.attisdropped
      and a.attgenerated operator(pg_catalog.=) '';
    if pg_catalog.to_regclass('pg_temp.mlguard_attached') is not null then
      drop table pg_temp.mlguard_attached;
    end if;
    execute pg_catalog.format(
      'create temporary table mlguard_attached on commit drop as select %s from %s', _columns, p_child);
    if exists (select from pg_catalog.pg_constraint f where f.confrelid operator(pg_catalog.=) p_child) then
      execute pg_catalog.format('delete from %s', p_child);
    else
      execute pg_catalog.format('truncate %s', p_child);
    end if;
  end if;
  perform mlguard._fit_partition(p_parent, p_child);
  execute pg_catalog.format('alter table %s attach partition %s %s', p_parent, p_child, _bound);
  perform mlguard.cover_partitions(p_child);

  stored := 0;
  quarantined := 0;
  repaired := 0;
  if _any then
    select w.* into _before from mlguard._written(_guarded.root) w;
    execute pg_catalog.format(
      'insert into %s (%s)%s select %s from pg_temp.mlguard_attached', p_child, _columns, _overriding, _columns);
    get diagnostics stored = row_count;
    -- Judged here rather than at COMMIT, so that it is this call that fails.
    set constraints mlguard.judge_batch, mlguard.judge_loads immediate;
    set constraints mlguard.judge_batch, mlguard.judge_loads deferred;
    drop table pg_temp.mlguard_attached;
    select w.* into _after from mlguard._written(_guarded.root) w;
    quarantined := _after.kept_out operator(pg_catalog.-) _before.kept_out;
    repaired := _after.mended operator(pg_catalog.-) _before.mended;
  end if;
  perform mlguard._note_act(
    _guarded.root, 'attach partition', p_child,
    pg_catalog.jsonb_build_object('bound', _bound, 'stored', stored, 'quarantined', quarantined, 'repaired', repaired));
  return next;
end
$mlguard$;

comment on function mlguard.attach_partition(regclass, regclass, text) is
  'Attaches a table to a guarded one (or a part of it) after its rows have passed the guard as a load of their own: all '
  'or, where they are refused, none. The rows are written once more. Gives rows stored, kept out and mended.';


-- Detaching.

create function mlguard._partition_went(
  p_root oid, p_child regclass, p_first timestamptz, p_last timestamptz, p_newest timestamptz, p_seen pg_snapshot)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table mlguard._table;
begin
  select t.* into _table from mlguard._guarded_above(p_root) g join mlguard._table t on t.tbl = g.tbl;
  if exists (select from mlguard._guarded_above(p_child)) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: %s is still a partition', p_child);
  end if;
  delete from mlguard._object o
  using pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where (c.oid = p_child or c.oid in (select p.relid from pg_partition_tree(p_child) p))
    and o.kind = 'TRIGGER' and o.name like 'zz\_mlguard\_% on %'
    and substr(o.name, strpos(o.name, ' on ') + 4) = format('%s.%s', n.nspname, c.relname);
  if _table.recount is not null and _table.base is not null and p_first is not null then
    insert into mlguard._recount_due (tbl, bucket_from, bucket_to, shrunk)
    values (_table.tbl, mlguard._window_start(_table.base, _table.time_zone, p_first),
            mlguard._window_start(_table.base, _table.time_zone, p_last), true);
  end if;
  if p_seen is not null then
    perform mlguard.refreshed_v1(_table.tbl, p_newest, p_seen);
  end if;
end
$mlguard$;

comment on function mlguard._partition_went(oid, regclass, timestamptz, timestamptz, timestamptz, pg_snapshot) is
  'Private. Forgets the triggers of a partition that was detached and has the buckets its rows were in counted anew.';


create function mlguard.detach_partition(p_parent regclass, p_child regclass)
returns bigint
language plpgsql
volatile
as $mlguard$
declare
  _guarded record;
  _rows bigint;
  _first timestamptz;
  _last timestamptz;
  _past timestamptz;
  _newest timestamptz;
  _seen pg_catalog.pg_snapshot;
  _check record;
begin
  select g.* into _guarded from mlguard._guarded_above(p_parent) g;
  if _guarded.tbl is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = pg_catalog.format('mlguard: %s is not a partitioned table that is guarded, nor a part of one', p_parent),
      hint = 'No states are kept of its rows: ALTER TABLE … DETACH PARTITION does what is left to do.';
  end if;
  -- Nobody writes into it while its rows are counted; readers go on until the detaching itself.
  execute pg_catalog.format('lock table %s in share row exclusive mode', p_child);
  if _guarded.event_sql is null then
    execute pg_catalog.format('select pg_catalog.count(*) from %s', p_child) into _rows;
  else
    execute pg_catalog.format(
      'select pg_catalog.count(*), pg_catalog.min(%1$s) filter (where pg_catalog.isfinite(%1$s)), '
      'pg_catalog.max(%1$s) filter (where pg_catalog.isfinite(%1$s)), '
      'pg_catalog.max(%1$s) filter (where %1$s operator(pg_catalog.<=) pg_catalog.statement_timestamp()) from %2$s as t',
      _guarded.event_sql, p_child)
    into _rows, _first, _last, _past;
  end if;
  execute pg_catalog.format('alter table %s detach partition %s', p_parent, p_child);
  perform mlguard._unhook(p_child);
  for _check in
    select k.conname
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_constraint o
      on o.conrelid operator(pg_catalog.=) p_parent and o.conname operator(pg_catalog.=) k.conname
    where k.conrelid operator(pg_catalog.=) p_child and k.contype operator(pg_catalog.=) 'c'
      and k.conname operator(pg_catalog.~~) 'mlguard\_%'
  loop
    execute pg_catalog.format('alter table %s drop constraint %I', p_child, _check.conname);
  end loop;
  if _past operator(pg_catalog.>=) mlguard.newest_v1(_guarded.tbl) then
    -- The newest row went: what is left decides how fresh the table is.
    _seen := pg_catalog.pg_current_snapshot();
    execute pg_catalog.format(
      'select pg_catalog.max(%1$s) from %2$s as t where %1$s operator(pg_catalog.<=) pg_catalog.statement_timestamp()',
      _guarded.event_sql, _guarded.root::pg_catalog.regclass)
    into _newest;
  end if;
  perform mlguard._partition_went(_guarded.root, p_child, _first, _last, _newest, _seen);
  perform mlguard._note_act(
    _guarded.root, 'detach partition', p_child, pg_catalog.jsonb_build_object('rows', _rows));
  return _rows;
end
$mlguard$;

comment on function mlguard.detach_partition(regclass, regclass) is
  'Detaches a partition of a guarded table: its rows, which it returns the number of, leave the states at the next '
  'sweep(), verdicts about them stay, and the table that is left has neither triggers nor CHECKs of mlguard.';


create function mlguard._grant_partitions(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_role = 'mlguard_platform' then
    execute format(
      'grant execute on function mlguard._guarded_above(oid), mlguard._trigger_on(oid, oid), mlguard._lacking(oid), '
      'mlguard._note_partitions(oid), mlguard._bound_sql(text), mlguard._note_act(oid, text, regclass, jsonb), '
      'mlguard._fit_partition(regclass, regclass), mlguard._unhook(regclass), mlguard.newest_v1(text), '
      'mlguard._partition_went(oid, regclass, timestamptz, timestamptz, timestamptz, pg_snapshot), '
      'mlguard.written_v1(regclass), mlguard.cover_partitions(regclass), mlguard.attach_partition(regclass, regclass, text), '
      'mlguard.detach_partition(regclass, regclass) to %I', p_role);
  end if;
end
$mlguard$;

comment on function mlguard._grant_partitions(text) is
  'Private. Gives the platform its rights on partitions; of the tables it must be the owner, as for ALTER TABLE.';


create function mlguard._grant_public()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _function regprocedure;
begin
  -- A restore without privileges leaves every function to everybody, this one's caller too. One with privileges does not
  -- spell out those that are for everybody.
  for _function in
    select p.oid
    from pg_proc p
    where p.pronamespace = 'mlguard'::regnamespace and p.proacl is null
      and exists (select from pg_proc g where g.oid = 'mlguard.grant_roles()'::regprocedure and g.proacl is null)
  loop
    execute format('revoke all on function %s from public', _function);
  end loop;
  grant execute on function
    mlguard._same_columns(regclass, regclass), mlguard._written(oid), mlguard.begin_batch(bigint, boolean),
    mlguard.begin_batch(text, boolean), mlguard.copying_v1(regclass), mlguard.end_batch(bigint),
    mlguard.end_batch(text), mlguard.gate_open_v1(text), mlguard.guard_between_v1(text, timestamptz, timestamptz),
    mlguard.guard_v1(text), mlguard.may_mend_v1(), mlguard.publish(regclass, regclass, boolean),
    mlguard.refuse_v1(text, jsonb, jsonb)
    to public;
end
$mlguard$;

comment on function mlguard._grant_public() is
  'Private. Takes functions from everybody that nobody ever decided about, and gives everybody those that are theirs.';


create or replace function mlguard.grant_roles()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _role text;
begin
  perform mlguard._grant_public();
  perform mlguard._grant_surface();
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant execute on function mlguard.arrivals_v1(text, timestamptz) to %I', _role);
    perform mlguard._grant_models(_role);
    perform mlguard._grant_loop(_role);
    perform mlguard._grant_partitions(_role);
  end loop;
  if exists (select from pg_roles r where r.rolname = 'mlguard_platform') then
    perform mlguard._grant_review('mlguard_platform');
  end if;
end
$mlguard$;


revoke all on function
  mlguard.written_v1(regclass), mlguard.guard_between_v1(text, timestamptz, timestamptz), mlguard._guarded_above(oid),
  mlguard._trigger_on(oid, oid), mlguard._lacking(oid), mlguard._note_partitions(oid),
  mlguard._on_partition(), mlguard._bound_sql(text), mlguard._note_act(oid, text, regclass, jsonb),
  mlguard._fit_partition(regclass, regclass), mlguard._unhook(regclass),
  mlguard._partition_went(oid, regclass, timestamptz, timestamptz, timestamptz, pg_snapshot),
  mlguard._grant_partitions(text), mlguard._grant_public(), mlguard.cover_partitions(regclass),
  mlguard.attach_partition(regclass, regclass, text), mlguard.detach_partition(regclass, regclass)
  from public;

select mlguard.grant_roles();
