create or replace function mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text)
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
  if p_staging is null or p_target is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: publish needs a staging table and a target',
      hint = 'Write publish(''staging.customer'', ''features.customer'').';
  end if;
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


create or replace function mlguard._sweep_schema(p_as_of timestamptz)
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


create or replace function mlguard._arm(p_tbl text, p_over text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _trial integer;
  _alarms integer;
  _n bigint;
begin
  -- On trial are the scopes judged with at least twenty before them; ten of them at least, the last sixty at most.
  select count(*), count(*) filter (where t.alarmed)
  into _trial, _alarms
  from (
    select bool_or(v.outcome in ('FAIL', 'NOTED')) as alarmed
    from mlguard._verdict v
    join mlguard._slo s on s.id = v.slo and s.learned <> '{}'
    where v.tbl = p_tbl and v.over = p_over and v.current and v.outcome in ('PASS', 'FAIL', 'NOTED')
    group by v.window_start, v.batch
    order by v.window_start desc nulls last, v.batch desc nulls last
    limit 60
  ) t;
  if _trial < 10 or _alarms > greatest(1, 0.05 * _trial) then
    return 0;
  end if;
  insert into mlguard._armed (slo, scopes, alarms)
  select s.id, _trial, _alarms
  from mlguard._slo s
  where s.tbl = p_tbl and s.over = p_over and s.learned <> '{}' and not s.shadow
  on conflict do nothing;
  get diagnostics _n = row_count;
  return _n;
end
$mlguard$;


create or replace function mlguard._sweep_usual(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _table record;
  _start timestamptz;
  _end timestamptz;
  _judged bigint := 0;
  _armed bigint := 0;
  _scope bigint;
begin
  for _table in
    select t.tbl, t.time_zone, t.late, t.base, s.over
    from mlguard._table t
    join mlguard._slo s on s.tbl = t.tbl and s.learned <> '{}'
    group by t.tbl, t.time_zone, t.late, t.base, s.over
    order by t.tbl, s.over
  loop
    -- What somebody labelled a fault since is no example of what is usual.
    update mlguard._learned_scope c
    set excluded = m.excluded
    from (
      select m.window_start, m.batch, bool_or(m.excluded) as excluded
      from mlguard._metric m
      where m.tbl = _table.tbl and m.over = _table.over and m.sampled and m.current
      group by m.window_start, m.batch
    ) m
    where c.tbl = _table.tbl and c.over = _table.over and c.excluded <> m.excluded
      and (c.window_start = m.window_start or c.batch = m.batch);
    if _table.over = 'batch' then
      for _scope in
        select c.id
        from mlguard._learned_scope c
        where c.tbl = _table.tbl and c.over = 'batch' and not c.observed and not c.excluded
        order by c.batch
      loop
        perform mlguard._observe(_scope);
      end loop;
    else
      _start := coalesce(
        (select max(c.window_end) from mlguard._learned_scope c where c.tbl = _table.tbl and c.over = _table.over and c.batch is null),
        -- A stray event time long ago must not open a thousand empty windows: 400 are learned from at most.
        (select mlguard._window_start(_table.over, _table.time_zone,
                                      greatest(min(b.bucket), max(b.bucket) - 400 * _table.over::interval))
         from mlguard._bucket b
         where b.tbl = _table.tbl and isfinite(b.bucket) and b.bucket <= p_as_of));
      while _start is not null loop
        _end := mlguard._window_end(_table.over, _table.time_zone, _start);
        exit when _end + _table.late > p_as_of;
        _scope := mlguard._judge_usual(
          _table.tbl, _table.over, _start, _end, null,
          coalesce((select sum(b.n) from mlguard._bucket b
                    where b.tbl = _table.tbl and b.segment = '{}' and b.bucket >= _start and b.bucket < _end), 0)::bigint);
        perform mlguard._observe(_scope);
        _judged := _judged + 1;
        _start := _end;
      end loop;
    end if;
    _armed := _armed + mlguard._arm(_table.tbl, _table.over);
  end loop;
  return query values ('windows judged by what is usual', _judged), ('learned SLOs armed', _armed);
end
$mlguard$;


create or replace function mlguard._sweep_tidy(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
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

  -- What was learned is kept in bands and series; a sample only has to last until its window was judged and learned from.
  with scope as (
    select t.tbl,
           exists (
             select from mlguard._slo k where k.tbl = t.tbl and k.learned <> '{}' and k.over <> 'batch') as by_window,
           (select b.batch
            from (select distinct s.batch from mlguard._sample s where s.tbl = t.tbl and s.batch is not null) b
            order by b.batch desc
            offset 40
            limit 1) as batch,
           (select min(l.done - 40 * (l.done - l.start))
            from (
              select max(v.window_end) as done, max(v.window_start) as start
              from mlguard._slo k
              join mlguard._verdict v on v.slo = k.id and v.current and v.window_start is not null
              where k.tbl = t.tbl and k.learned <> '{}'
              group by k.over
            ) l) as bucket
    from mlguard._table t
    where exists (select from mlguard._sample s where s.tbl = t.tbl)
  )
  delete from mlguard._sample s
  using scope c
  where s.tbl = c.tbl and case when c.by_window then s.bucket < c.bucket else s.batch <= c.batch end;
  get diagnostics _n = row_count;
  return query select 'samples pruned', _n;

  -- While a table is not guarded its rows change unseen: when it is guarded again they are counted anew.
  _n := mlguard._drop_unguarded();
  return query select 'states of tables no longer guarded dropped', _n;
end
$mlguard$;


create or replace function mlguard.refreshed_v1(p_tbl text, p_newest timestamptz, p_seen pg_snapshot default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- Only lines whose rows the caller could see when it looked for the newest: a line committed in between belongs
  -- to a row that is still there. An xid from the future comes from a dump of another cluster.
  delete from mlguard._freshness f
  where f.tbl = p_tbl
    and (p_newest is null or f.newest > p_newest)
    and (p_seen is null
         or f.xid = pg_current_xact_id()
         or pg_visible_in_snapshot(f.xid, p_seen)
         or f.xid >= pg_snapshot_xmax(pg_current_snapshot()));
  if isfinite(p_newest)
     and not exists (select from mlguard._freshness f where f.tbl = p_tbl and f.newest = p_newest) then
    -- When that row was written nobody knows: its event time alone decides whether it came in time.
    insert into mlguard._freshness (tbl, newest, at) values (p_tbl, p_newest, 'infinity');
  end if;
end
$mlguard$;


create or replace function mlguard.batch_v1(p_tbl text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _id bigint;
  _place tid := mlguard._batch_place(p_tbl);
begin
  -- Where the row is, is remembered for the transaction, and believed only when the row says the same. Looking it up
  -- in an index would, under SERIALIZABLE, make every two writers conflict on the page their batches share.
  select b.id
  into _id
  from mlguard._batch b
  where b.ctid = _place and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
    and b.closed_at is null;
  if _id is not null then
    return _id;
  end if;

  insert into mlguard._batch (tbl)
  values (p_tbl)
  on conflict on constraint _batch_transaction do nothing
  returning id, ctid into _id, _place;
  if _id is null then
    -- SET CONSTRAINTS … IMMEDIATE closed it before its transaction was done; sweep() will count it.
    update mlguard._batch b
    set closed_at = null, landed = null, withheld = null
    where b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
    returning b.id, b.ctid into _id, _place;
  end if;
  perform mlguard._remember_batch(p_tbl, _place);
  return _id;
end
$mlguard$;


create or replace function mlguard._close_batch()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
begin
  -- Under SET CONSTRAINTS … IMMEDIATE this runs as soon as the batch opens, before anything belongs to it.
  if exists (select from mlguard._delta d where d.batch = new.id)
     or exists (select from mlguard._quarantine q where q.batch = new.id)
     or exists (select from mlguard._change c where c.batch = new.id) then
    perform mlguard._count_batch(new.id);
  end if;
  -- Mended rows that never landed: an upsert dropped them after their BEFORE trigger.
  delete from mlguard._change c where c.tbl = new.tbl and c.batch = new.id and c.pending;
  return null;
end
$mlguard$;


create or replace function mlguard._correct_held(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
  _why text := format('corrected by batch %s', p_batch);
  _held bigint[];
  _corrected bigint;
  _hold record;
  _slo mlguard._slo;
  _segments jsonb[];
  _states jsonb[];
  _net jsonb;
begin
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0)
     or not exists (select from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null and h.batch <> p_batch) then
    return;
  end if;
  -- Two corrections of one batch come one after the other, or neither would see what the other did.
  _held := array(
    select l.batch
    from (
      select h.batch
      from mlguard._hold h
      where h.tbl = p_tbl and h.ended_at is null and h.batch <> p_batch
      order by h.id
      for update
    ) l
    group by l.batch
    order by l.batch desc);

  if exists (select from mlguard._state s where s.batch = p_batch and s.op = 'TRUNCATE') then
    perform mlguard._emptied(h.id, _why)
    from mlguard._hold h
    where h.tbl = p_tbl and h.ended_at is null and h.batch = any (_held);
    return;
  end if;

  -- What was taken away belongs, unless its load is known, to the newest held batch that wrote into the same bucket; what
  -- replaces it goes along.
  update mlguard._state s
  set corrects = (
    select b.batch
    from unnest(_held) b (batch)
    where exists (
      select
      from mlguard._state w
      where w.batch = b.batch and w.sign > 0 and (w.bucket = s.bucket or w.bucket is null or s.bucket is null))
    order by b.batch desc
    limit 1)
  where s.batch = p_batch and s.corrects is null and s.load is null and (s.sign < 0 or s.op = 'UPDATE');

  for _corrected in
    select distinct s.corrects from mlguard._state s where s.batch = p_batch and s.corrects is not null
  loop
    select array_agg(b.segment), array_agg(b.states)
    into _segments, _states
    from mlguard._batch_states(_corrected) b;
    for _hold in
      select h.id, h.slo, h.segment
      from mlguard._hold h
      where h.tbl = p_tbl and h.ended_at is null and h.batch = _corrected
      order by h.id
    loop
      select s.* into _slo from mlguard._slo s where s.id = _hold.slo;
      if _hold.segment ? '*' then
        -- The rest is what is not judged alone: of this batch that has a verdict of its own.
        _net := (
          select mlguard.merge_v1(p.states)
          from mlguard._pooled(
            _segments, _states, _slo.by_columns,
            array(select v.segment
                  from mlguard._verdict v
                  where v.tbl = p_tbl and v.batch = _corrected and v.current and v.slo = _slo.id and not v.segment ? '*'),
            0) p
          where p.segment ? '*');
      else
        _net := (select s.states from unnest(_segments, _states) s (segment, states) where s.segment = _hold.segment);
      end if;
      if coalesce((_net ->> 'n')::numeric, 0) <= 0 then
        perform mlguard._emptied(_hold.id, _why);
      elsif _slo.verdict is not null then
        perform mlguard._judge(
          _slo, _net, mlguard._scope(p_tbl, 'batch', _corrected, null, null, _hold.segment), _why);
      end if;
    end loop;
  end loop;
end
$mlguard$;


create or replace function mlguard._lock_loads(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _load text;
begin
  if exists (select from mlguard._table t where t.tbl = p_tbl and t.batch_column is null) then
    perform mlguard._sort_removals(p_batch, p_tbl);
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  -- Until this transaction ends the next of the same load waits here: else neither would see what the other wrote. In one
  -- order, before any hold is locked, and one lock for a name whatever the table, so that none waits for one that waits.
  for _load in select l.load from unnest((mlguard._loads_of(p_batch))[:100]) l (load) order by l.load collate "C" loop
    perform pg_advisory_xact_lock(hashtextextended('mlguard load ' || _load, 0));
  end loop;
end
$mlguard$;


drop function mlguard.part_emptied_v1(text);
drop function mlguard._look_again();
drop table mlguard._freshness_due;
drop table mlguard._unclosed;
