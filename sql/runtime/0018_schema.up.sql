-- Columns that change under a guarded table: dropped, renamed, retyped, added, moved. Found at once by an event trigger
-- where one could be made (only superusers may), else by sweep(), plan, check and doctor.

create table mlguard._schema_column (
  tbl text not null references mlguard._table on update cascade on delete cascade,
  column_name text not null,
  attnum smallint not null,
  type text not null,
  wanted boolean not null,
  slos text[] not null default '{}',
  primary key (tbl, column_name)
);

comment on table mlguard._schema_column is 'Private. Columns as they were when the SLO file was applied.';
comment on column mlguard._schema_column.tbl is 'The table.';
comment on column mlguard._schema_column.column_name is 'The column.';
comment on column mlguard._schema_column.attnum is 'Its number, by which a renamed column is known again.';
comment on column mlguard._schema_column.type is 'Its type, as PostgreSQL prints it.';
comment on column mlguard._schema_column.wanted is 'The SLO file names it: without it something breaks.';
comment on column mlguard._schema_column.slos is 'Ids of the SLOs that read it.';


create function mlguard.remember_schema_v1(p_tbl text, p_wanted text[])
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  delete from mlguard._schema_column k where k.tbl = p_tbl;

  insert into mlguard._schema_column (tbl, column_name, attnum, type, wanted, slos)
  select t.tbl, a.attname, a.attnum, format_type(a.atttypid, a.atttypmod), a.attname = any (p_wanted),
         array(select s.id from mlguard._slo s where s.tbl = t.tbl and a.attname = any (s.columns) order by s.no)
  from mlguard._table t
  join pg_namespace n on n.nspname = t.schema_name
  join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where t.tbl = p_tbl;

  insert into mlguard._slo as s
    (id, tbl, name, level, over, check_text, allowed, action, place, reason, severity, owner)
  select t.tbl || '/schema', t.tbl, 'schema', 'schema', 'schema', 'schema: ' || t.schema_mode,
         'allowed as at the last mlguard apply', 'hold', 'schema watch',
         case when exists (select from pg_event_trigger e where e.evtname = 'mlguard_schema_changed')
           then 'an event trigger sees every ALTER TABLE'
           else 'sweep() compares the columns; an event trigger needs a superuser'
         end,
         'page', t.owner
  from mlguard._table t
  where t.tbl = p_tbl and t.schema_mode <> 'off'
  on conflict (id) do update
  set check_text = excluded.check_text, reason = excluded.reason, owner = excluded.owner,
      version = s.version + (s.check_text <> excluded.check_text)::integer;

  delete from mlguard._slo s
  using mlguard._table t
  where t.tbl = p_tbl and t.schema_mode = 'off' and s.id = t.tbl || '/schema' and s.level = 'schema'
$mlguard$;

comment on function mlguard.remember_schema_v1(text, text[]) is
  'Notes the columns of a table as they are now, and watches them; p_wanted: those that its SLO file names.';


create function mlguard._schema_faults(p_tbl text)
returns table (column_name text, fault text, words text, slos text[])
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  with guarded as (
    select t.tbl, t.schema_mode, c.oid
    from mlguard._table t
    left join pg_namespace n on n.nspname = t.schema_name
    left join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
    where t.tbl = p_tbl and t.schema_mode <> 'off'
      and exists (select from mlguard._schema_column k where k.tbl = p_tbl)
  ), now as (
    select a.attname::text as name, a.attnum, format_type(a.atttypid, a.atttypmod) as type
    from guarded g
    join pg_attribute a on a.attrelid = g.oid and a.attnum > 0 and not a.attisdropped
  ), faults as (
    select null::text as name, 'missing' as fault, 'the table is gone' as words,
           array(select s.id from mlguard._slo s where s.tbl = p_tbl) as slos
    from guarded g
    where g.oid is null
    union all
    select k.column_name,
           case when r.name is not null then 'renamed' when h.name is null then 'missing' else 'retyped' end,
           case
             when r.name is not null then format('column %s was renamed to %s', k.column_name, r.name)
             when h.name is null then format('column %s was dropped', k.column_name)
             else format('column %s is %s, was %s', k.column_name, h.type, k.type)
           end,
           k.slos
    from guarded g
    join mlguard._schema_column k on k.tbl = g.tbl and (k.wanted or g.schema_mode = 'exact')
    left join now h on h.name = k.column_name
    left join now r on h.name is null and r.attnum = k.attnum
    where g.oid is not null and (h.name is null or h.type <> k.type)
    union all
    select h.name, 'extra', format('column %s is new', h.name), '{}'
    from guarded g
    cross join now h
    where g.schema_mode = 'exact'
      and not exists (
        select from mlguard._schema_column k where k.tbl = g.tbl and (k.column_name = h.name or k.attnum = h.attnum))
    union all
    -- Only where nothing came or went: else every column behind it has moved.
    select null, 'reordered', 'columns stand in another order', '{}'
    from guarded g
    where g.schema_mode = 'exact' and g.oid is not null
      and (select array_agg(k.column_name order by k.attnum) from mlguard._schema_column k where k.tbl = g.tbl)
          <> (select array_agg(h.name order by h.attnum) from now h)
      and (select array_agg(k.column_name order by k.column_name) from mlguard._schema_column k where k.tbl = g.tbl)
          = (select array_agg(h.name order by h.name) from now h)
  )
  select f.name, f.fault, f.words, f.slos from faults f order by f.name nulls first
$mlguard$;

comment on function mlguard._schema_faults(text) is
  'Private. What changed about the columns of a table since its SLO file was applied, and which SLOs read them.';


create function mlguard.schema_faults(p_tbl text)
returns table (column_name text, fault text, words text, slos text[])
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select f.* from mlguard._schema_faults(p_tbl) f
$mlguard$;

comment on function mlguard.schema_faults(text) is
  'Columns of a guarded table that were dropped, renamed, retyped, added or moved since its SLO file was applied.';


create function mlguard._judge_schema(p_tbl text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _slo text := p_tbl || '/schema';
  _last mlguard._verdict;
  _words text;
  _slos text[];
  _n integer;
  _verdict bigint;
begin
  if not exists (select from mlguard._slo s where s.id = _slo and s.level = 'schema') then
    return false;
  end if;
  select string_agg(f.words, '; '), count(*) into _words, _n from mlguard._schema_faults(p_tbl) f;
  _slos := array(
    select distinct s.id from mlguard._schema_faults(p_tbl) f cross join lateral unnest(f.slos) s (id) order by s.id);
  select v.* into _last from mlguard._verdict v where v.slo = _slo and v.current order by v.id desc limit 1;
  -- Only changes are written.
  if (_last.id is null and _n = 0) or (_last.outcome = 'PASS' and _n = 0)
     or (_last.outcome <> 'PASS' and _last.detail ->> 'words' = _words) then
    return false;
  end if;
  update mlguard._verdict v set current = false where v.slo = _slo and v.current;
  -- The gate says what is wrong now, not what was wrong first.
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = session_user, reason = 'columns changed again'
  where h.slo = _slo and h.ended_at is null and _n > 0;
  insert into mlguard._verdict (slo, tbl, over, version, outcome, observed, allowed, detail)
  select _slo, p_tbl, 'schema', coalesce(_last.version, 0) + 1, case when _n = 0 then 'PASS' else 'FAIL' end,
         coalesce(_words, 'columns are as at the last mlguard apply')
           || case cardinality(_slos)
                when 0 then ''
                when 1 then format(' (breaks %s)', split_part(_slos[1], '/', 2))
                else format(' (breaks %s and %s more)', split_part(_slos[1], '/', 2), cardinality(_slos) - 1)
              end,
         'allowed as at the last mlguard apply, which takes them as they are', jsonb_build_object('words', _words, 'breaks', _slos)
  returning id into _verdict;
  perform mlguard._conclude(_verdict);
  return true;
end
$mlguard$;

comment on function mlguard._judge_schema(text) is
  'Private. Judges the columns of a table; writes a verdict when that changes, and holds or reopens the gate.';


create function mlguard._sweep_schema(p_as_of timestamptz)
returns table (what text, n bigint)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select 'changes of columns judged', count(*) filter (where j.judged)
  from mlguard._table t
  cross join lateral mlguard._judge_schema(t.tbl) j (judged)
$mlguard$;

comment on function mlguard._sweep_schema(timestamptz) is 'Private. Judges the columns of every guarded table.';


create function mlguard._on_ddl()
returns event_trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  perform mlguard._judge_schema(t.tbl)
  from mlguard._table t
  where t.schema_mode <> 'off'
    and (tg_event = 'sql_drop' and exists (
           select
           from pg_event_trigger_dropped_objects() d
           where d.address_names[1] = t.schema_name and d.address_names[2] = t.table_name)
         or tg_event = 'ddl_command_end' and exists (
           select
           from pg_event_trigger_ddl_commands() d
           join pg_class c on c.oid = d.objid
           join pg_namespace n on n.oid = c.relnamespace
           where d.classid = 'pg_class'::regclass and n.nspname = t.schema_name and c.relname = t.table_name));
exception
  when others then
    -- Whoever changes a table must not fail because of us; the next sweep finds what changed.
    raise warning 'mlguard: the change of columns could not be judged (%)', sqlstate;
end
$mlguard$;

comment on function mlguard._on_ddl() is 'Private. Judges the columns of a guarded table as soon as somebody changes it.';


-- Event triggers need a superuser; without one sweep() finds the same, later.
do $mlguard$
begin
  create event trigger mlguard_schema_changed on ddl_command_end
    when tag in ('ALTER TABLE')
    execute function mlguard._on_ddl();
  create event trigger mlguard_schema_dropped on sql_drop
    when tag in ('ALTER TABLE', 'DROP TABLE')
    execute function mlguard._on_ddl();
exception
  when insufficient_privilege then
    null;
end
$mlguard$;
