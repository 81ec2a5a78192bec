-- Kept rows cost less, and what the writer's own session says of them is believed only where it agrees with a table.
-- Exceptions can be ended early.

alter table mlguard._batch add column room bigint not null default 0;

comment on column mlguard._batch.room is
  'Kept rows with a lower number cannot be above the cap of the quarantine: they need not be counted.';

-- With the number: what a statement kept out is read without what earlier statements of its transaction did.
drop index mlguard._quarantine_batch;
create index _quarantine_batch on mlguard._quarantine (batch, id);


create function mlguard._batch_place(p_tbl text)
returns tid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _place text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
begin
  -- Whoever writes can set it to anything: what is no place is none, and a place is believed when its row agrees.
  return case when _place ~ '^\(\d{1,9},\d{1,4}\)$' then _place::tid end;
end
$mlguard$;

comment on function mlguard._batch_place(text) is
  'Private. Where the row of this transaction''s batch on a table is, as the transaction remembers it; null: unknown.';


create function mlguard._remember_batch(p_tbl text, p_place tid)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _places text := coalesce(nullif(current_setting('mlguard.batches', true), ''), '|');
  _old text := split_part(split_part(_places, '|' || p_tbl || '=', 2), '|', 1);
begin
  -- |features.customer=(0,1)|features.plan=(0,2)|
  perform set_config(
    'mlguard.batches',
    format('|%s=%s', p_tbl, p_place) || replace(_places, format('|%s=%s|', p_tbl, _old), '|'), true);
end
$mlguard$;

comment on function mlguard._remember_batch(text, tid) is
  'Private. Notes for the transaction where the row of its batch is.';


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


drop function mlguard._refuse_above_cap(text, bigint);

create function mlguard._refuse_above_cap(p_tbl text, p_id bigint, p_batch bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _cap bigint;
  _oldest bigint;
  _waiting bigint;
  _until bigint;
  _place tid;
begin
  -- Counting at every row would be O(n). Numbers of kept rows come from one sequence: as long as the oldest waiting
  -- row and this one are fewer than cap numbers apart, no more than cap can wait. Past that they are counted; a count
  -- of c is good for cap - c more numbers, near a large cap for a thousandth part of it, which is how far the cap may
  -- be overrun. Up to which number that holds is kept in the transaction's batch, where its writer cannot reach it.
  -- Under SERIALIZABLE, where looking at other writers' rows makes transactions fail, only every thousandth row looks.
  if current_setting('transaction_isolation') = 'serializable' and p_id % 1000 <> 0 then
    return;
  end if;
  select t.quarantine_cap into _cap from mlguard._table t where t.tbl = p_tbl;
  if _cap is null then
    return;
  end if;
  select q.id
  into _oldest
  from mlguard._quarantine q
  where q.tbl = p_tbl and q.status = 'waiting'
  order by q.id
  limit 1;
  if p_id < _oldest + _cap then
    _until := _oldest + _cap;
  else
    select count(*)
    into _waiting
    from (select from mlguard._quarantine q where q.tbl = p_tbl and q.status = 'waiting' limit _cap + 1) w;
    if _waiting > _cap and exists (select from mlguard._table t where t.tbl = p_tbl and t.pii <> '{}') then
      -- Raised from a row trigger under COPY, the raw line would be printed beside it; the statement trigger raises.
      perform set_config('mlguard.quarantine_full', p_tbl, true);
      return;
    elsif _waiting > _cap then
      raise exception using
        errcode = 'configuration_limit_exceeded',
        message = format('mlguard: the quarantine of %s is full: %s rows wait; this statement stored nothing',
                         p_tbl, _cap),
        detail = jsonb_build_object('table', p_tbl, 'waiting', _cap, 'cap', _cap)::text,
        hint = format('Release or discard them (mlguard quarantine list %s), or raise `quarantine: {cap: …}` in the SLO file.',
                      p_tbl),
        schema = split_part(p_tbl, '.', 1),
        table = split_part(p_tbl, '.', 2);
    end if;
    _until := p_id + 1 + greatest(_cap - _waiting, _cap / 1000);
  end if;
  update mlguard._batch b
  set room = _until
  where b.ctid = mlguard._batch_place(p_tbl) and b.id = p_batch
  returning b.ctid into _place;
  if _place is not null then
    perform mlguard._remember_batch(p_tbl, _place);
  end if;
end
$mlguard$;

comment on function mlguard._refuse_above_cap(text, bigint, bigint) is
  'Private. Raises 53400 where the row just kept is one more than may wait; else notes in the batch how long that holds.';


create function mlguard._count_kept(p_tbl text, p_slos text[], p_first boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _counts jsonb;
  _of_table jsonb := '{}';  -- {SLO id: rows}, and under '' all rows
  _slo text;
begin
  begin
    _counts := nullif(current_setting('mlguard.kept_out_rows', true), '')::jsonb;
    if not p_first then
      _of_table := _counts -> p_tbl;
    end if;
    foreach _slo in array p_slos || array[''] loop
      _of_table := _of_table || jsonb_build_object(_slo, coalesce((_of_table ->> _slo)::bigint, 0) + 1);
    end loop;
  exception
    when data_exception then
      return;  -- the writer's session wrote over it, and will be told less
  end;
  perform set_config('mlguard.kept_out_rows',
                     (coalesce(_counts, '{}') || jsonb_build_object(p_tbl, coalesce(_of_table, '{}')))::text, true);
end
$mlguard$;

comment on function mlguard._count_kept(text, text[], boolean) is
  'Private. Counts a kept row for the warning under SERIALIZABLE, where reading the kept rows again would make '
  'concurrent writers fail. p_first: the first of its statement.';


create or replace function mlguard.withhold_v1(
  p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _place tid;
  _known text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
  _batch bigint;
  _room bigint;
  _slos text[] := array[p_broken -> 0 ->> 'slo'];
  _id bigint;
  _told text;
begin
  if current_setting('mlguard.releasing', true) = 'on' then
    -- release() offers a kept row to the table again and reads here what it still breaks.
    raise exception using
      errcode = 'check_violation',
      message = format('mlguard: a row of %s still breaks its rules', p_tbl),
      detail = jsonb_build_object('table', p_tbl, 'broken', p_broken)::text,
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
  end if;

  -- What batch_v1 does first, without the call: this runs once a kept row.
  if _known ~ '^\(\d{1,9},\d{1,4}\)$' then
    _place := _known;
    select b.id, b.room
    into _batch, _room
    from mlguard._batch b
    where b.ctid = _place and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
      and b.closed_at is null;
  end if;
  if _batch is null then
    _batch := mlguard.batch_v1(p_tbl);
    _room := 0;
  end if;
  if jsonb_array_length(p_broken) <> 1 then
    _slos := array(select b.line ->> 'slo' from jsonb_array_elements(p_broken) b (line));
  end if;

  insert into mlguard._quarantine (tbl, key, row, row_text, broken, slos, batch, op, superseded)
  values (p_tbl, p_key, p_row, p_row_text, p_broken, _slos, _batch, p_op, p_superseded)
  returning id into _id;
  if _id >= _room then
    perform mlguard._refuse_above_cap(p_tbl, _id, _batch);
  end if;

  -- The list is read by the WHEN of the trigger that warns once a statement (one statement may write two tables), the
  -- number of the first row by the warning; both are the transaction's own and go back with a savepoint.
  _told := current_setting('mlguard.kept_out', true);
  if current_setting('transaction_isolation') = 'serializable' then
    perform mlguard._count_kept(p_tbl, _slos, coalesce(strpos(_told, '|' || p_tbl || '|'), 0) = 0);
  end if;
  if coalesce(strpos(_told, '|' || p_tbl || '|'), 0) = 0 then
    perform set_config('mlguard.kept_out', coalesce(nullif(_told, ''), '|') || p_tbl || '|', true),
            set_config('mlguard.kept_from',
                       format('|%s=%s|', p_tbl, _id) || coalesce(current_setting('mlguard.kept_from', true), ''), true);
  end if;
end
$mlguard$;


create function mlguard.kept_v1(
  p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _known text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
  _slos text[] := array[p_broken -> 0 ->> 'slo'];
  _id bigint;
begin
  -- Every statement that PL/pgSQL runs is set up anew for every row, which costs more than what it does: here one
  -- INSERT also asks for the batch, for room below the cap, and whether any waiver is in force. Where one of them is
  -- not as expected nothing is inserted, a number of the sequence is spent, and withhold_v1 does the row.
  if _known ~ '^\(\d{1,9},\d{1,4}\)$'
     and current_setting('mlguard.releasing', true) is distinct from 'on'
     and current_setting('transaction_isolation') <> 'serializable' then
    if jsonb_array_length(p_broken) <> 1 then
      _slos := array(select b.line ->> 'slo' from jsonb_array_elements(p_broken) b (line));
    end if;
    _id := nextval('mlguard._quarantine_id_seq');
    insert into mlguard._quarantine (id, tbl, key, row, row_text, broken, slos, batch, op, superseded)
    overriding system value
    select _id, p_tbl, p_key, p_row, p_row_text, p_broken, _slos, b.id, p_op, p_superseded
    from mlguard._batch b
    where b.ctid = _known::tid and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
      and b.closed_at is null
      and b.room > _id
      and not exists (
        select from mlguard._waiver w where w.ended_at is null and w.until > statement_timestamp());
    return found;
  end if;
  return false;
end
$mlguard$;

comment on function mlguard.kept_v1(text, jsonb, jsonb, text, jsonb, text, boolean) is
  'Keeps a row as withhold_v1 does where that needs no decision; false where it does, and nothing was kept. For the '
  'second and later rows that one statement keeps out of a table.';


create or replace function mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _told text := current_setting('mlguard.kept_out', true);
  _known text := coalesce(current_setting('mlguard.kept_from', true), '');
  _from text := split_part(split_part(_known, '|' || p_tbl || '=', 2), '|', 1);
  _rows bigint;
  _batch bigint;
  _rules text;
  _cap bigint;
begin
  if current_setting('mlguard.quarantine_full', true) = p_tbl then
    select t.quarantine_cap into _cap from mlguard._table t where t.tbl = p_tbl;
    raise exception using
      errcode = 'configuration_limit_exceeded',
      message = format('mlguard: the quarantine of %s is full: %s rows wait; this statement stored nothing', p_tbl, _cap),
      detail = jsonb_build_object('table', p_tbl, 'waiting', _cap, 'cap', _cap)::text,
      hint = format('Release or discard rows (mlguard quarantine list %s), or raise `quarantine: {cap: …}` in the SLO file.',
                    p_tbl),
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
  end if;
  if coalesce(strpos(_told, '|' || p_tbl || '|'), 0) = 0 then
    return;
  end if;
  perform set_config('mlguard.kept_out', replace(_told, '|' || p_tbl || '|', '|'), true),
          set_config('mlguard.kept_from', replace(_known, format('|%s=%s|', p_tbl, _from), ''), true);
  select b.id
  into _batch
  from mlguard._batch b
  where b.ctid = mlguard._batch_place(p_tbl) and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now();
  if _batch is null then
    return;  -- the writer's session wrote over the place, and is told nothing
  end if;
  if current_setting('transaction_isolation') = 'serializable' then
    begin
      select max(c.rows::bigint) filter (where c.slo = ''),
             string_agg(format('%s %s', split_part(c.slo, '/', 2), c.rows), ', ' order by c.rows::bigint desc, c.slo)
               filter (where c.slo <> '')
      into _rows, _rules
      from jsonb_each_text(nullif(current_setting('mlguard.kept_out_rows', true), '')::jsonb -> p_tbl) c (slo, rows);
    exception
      when data_exception then
        return;  -- as in _count_kept
    end;
  else
    select max(c.rows) filter (where c.slo = ''),
           string_agg(format('%s %s', split_part(c.slo, '/', 2), c.rows), ', ' order by c.rows desc, c.slo)
             filter (where c.slo <> '')
    into _rows, _rules
    from (
      select broken.slo, sum(alike.rows)::bigint as rows
      from (
        -- Most rows break the same few sets of rules: taken apart once a set, not once a row.
        select q.slos, count(*) as rows
        from mlguard._quarantine q
        where q.batch = _batch and q.id >= case when _from ~ '^\d{1,18}$' then _from::bigint else 0 end
        group by q.slos
      ) alike, unnest(alike.slos || array['']) broken (slo)
      group by broken.slo
    ) c;
  end if;
  if _rows > 0 then
    raise warning using
      errcode = '01ML1',
      message = format('mlguard: %s%s kept out of %s (%s), batch %s; the row count and RETURNING omit them',
                       _rows, coalesce(' of ' || _rows + p_landed || ' rows', case when _rows = 1 then ' row' else ' rows' end),
                       p_tbl, _rules, _batch),
      detail = jsonb_build_object('table', p_tbl, 'kept_out', _rows, 'landed', p_landed, 'batch', _batch)::text,
      hint = format('They wait in mlguard.quarantine: mlguard quarantine list %s', p_tbl),
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
  end if;
end
$mlguard$;


create or replace function mlguard._reasons(p_tbl text)
returns table (slo text, state text, since timestamptz, batch bigint, observed jsonb, words text)
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select h.slo, 'held', h.since, h.batch, to_jsonb(h.observed),
         format('is held since %s: %s (%s%s)',
                mlguard._minute(h.since),
                coalesce(nullif(concat_ws(', ', h.observed, h.allowed), ''), 'held by hand'),
                split_part(h.slo, '/', 2), ', batch ' || h.batch)
  from mlguard._hold h
  where h.tbl = p_tbl and h.ended_at is null and not mlguard.waived_v1(h.slo)
  union all
  select s.id, case when log.newest is null then 'empty' else 'stale' end,
         log.newest + make_interval(secs => mlguard._seconds(s.max_age)), null, to_jsonb(log.newest),
         case
           when log.newest is not null then
             format('is stale: newest %s is %s, %s old, allowed %s (%s)',
                    coalesce(t.event_time, 'event time'), mlguard._minute(log.newest),
                    mlguard._length(statement_timestamp() - log.newest), mlguard._length(s.max_age), s.name)
           when exists (select from mlguard._freshness f where f.tbl = p_tbl) then
             format('has only event times in the future, so it has no age (%s)', s.name)
           -- By its size: whoever asks may read no row of the table.
           else format('has no %s, so it has no age (%s)',
                       case
                         when pg_relation_size(relation.oid) > 0 or exists (
                           select from pg_partition_tree(relation.oid) p where pg_relation_size(p.relid) > 0)
                         then 'event time'
                         else 'rows'
                       end, s.name)
         end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join to_regclass(format('%I.%I', t.schema_name, t.table_name)) relation (oid)
  cross join (select mlguard.newest_v1(p_tbl) as newest) log
  where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
    and coalesce(statement_timestamp() > log.newest + make_interval(secs => mlguard._seconds(s.max_age)), true)
    and not mlguard.waived_v1(s.id)
$mlguard$;


create function mlguard.resume(p_slo text, p_reason text)
returns integer
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _open jsonb;
  _ended integer;
begin
  if not exists (select from mlguard._slo s where s.id = p_slo) then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no SLO %s', p_slo),
      hint = 'Ids are <schema>.<table>/<name>: select id from mlguard.slo';
  end if;
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: ending an exception to an SLO needs a reason';
  end if;

  with ended as (
    update mlguard._waiver w
    set ended_at = clock_timestamp()
    where w.slo = p_slo and w.ended_at is null and w.until > statement_timestamp()
    returning w.id, w.kind, w.until
  )
  select count(*), jsonb_agg(jsonb_build_object('waiver', e.id, 'kind', e.kind, 'until', e.until) order by e.id)
  into _ended, _open
  from ended e;
  if _ended > 0 then
    perform mlguard._record('resume', p_slo, _open, null, p_reason);
  end if;
  return _ended;
end
$mlguard$;

comment on function mlguard.resume(text, text) is
  'Ends every exception (off, waive) of an SLO that is in force, now, with a reason; returns how many there were.';


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


revoke all on function
  mlguard.resume(text, text), mlguard._batch_place(text), mlguard._remember_batch(text, tid),
  mlguard._refuse_above_cap(text, bigint, bigint), mlguard._count_kept(text, text[], boolean),
  mlguard.kept_v1(text, jsonb, jsonb, text, jsonb, text, boolean)
  from public;

select mlguard.grant_roles();
