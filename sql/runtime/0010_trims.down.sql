drop function mlguard.resume(text, text);
drop function mlguard.kept_v1(text, jsonb, jsonb, text, jsonb, text, boolean);

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
           else format('has no rows, so it has no age (%s)', s.name)
         end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join (select mlguard.newest_v1(p_tbl) as newest) log
  where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
    and coalesce(statement_timestamp() > log.newest + make_interval(secs => mlguard._seconds(s.max_age)), true)
    and not mlguard.waived_v1(s.id)
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


create or replace function mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint default null)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _counts jsonb := coalesce(nullif(current_setting('mlguard.kept_out_rows', true), '')::jsonb, '{}');
  _rows bigint := _counts -> p_tbl ->> '';
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
  if strpos(current_setting('mlguard.kept_out', true), '|' || p_tbl || '|') > 0 and _rows > 0 then
    _batch := mlguard.batch_v1(p_tbl);
    select string_agg(format('%s %s', split_part(c.slo, '/', 2), c.rows), ', ' order by c.rows::bigint desc, c.slo)
    into _rules
    from jsonb_each_text(_counts -> p_tbl) c (slo, rows)
    where c.slo <> '';
    raise warning using
      errcode = '01ML1',
      message = format('mlguard: %s%s kept out of %s (%s), batch %s; the row count and RETURNING omit them',
                       _rows, coalesce(' of ' || _rows + p_landed || ' rows', case when _rows = 1 then ' row' else ' rows' end),
                       p_tbl, _rules, _batch),
      detail = jsonb_build_object('table', p_tbl, 'kept_out', _rows, 'landed', p_landed, 'batch', _batch)::text,
      hint = format('They wait in mlguard.quarantine: mlguard quarantine list %s', p_tbl),
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
    perform set_config('mlguard.kept_out',
                       replace(current_setting('mlguard.kept_out', true), '|' || p_tbl || '|', '|'), true),
            set_config('mlguard.kept_out_rows', (_counts - p_tbl)::text, true);
  end if;
end
$mlguard$;


create or replace function mlguard.withhold_v1(
  p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _id bigint;
  _slos text[] := array(select b.line ->> 'slo' from jsonb_array_elements(p_broken) b (line));
  _told text := coalesce(current_setting('mlguard.kept_out', true), '');
  _counts jsonb := coalesce(nullif(current_setting('mlguard.kept_out_rows', true), '')::jsonb, '{}');
  _of_table jsonb;  -- {SLO id: rows}, and under '' all rows
  _slo text;
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

  insert into mlguard._quarantine (tbl, key, row, row_text, broken, slos, batch, op, superseded)
  values (p_tbl, p_key, p_row, p_row_text, p_broken,
          _slos, mlguard.batch_v1(p_tbl), p_op, p_superseded)
  returning id into _id;
  if _id >= coalesce((nullif(current_setting('mlguard.quarantine_room', true), '')::jsonb ->> p_tbl)::bigint, 0) then
    perform mlguard._refuse_above_cap(p_tbl, _id);
  end if;

  -- The list is read by the WHEN of the trigger that warns once a statement (one statement may write two tables), the
  -- counts by the warning; both are the transaction's own and go back with a savepoint.
  if strpos(_told, '|' || p_tbl || '|') = 0 then
    perform set_config('mlguard.kept_out', coalesce(nullif(_told, ''), '|') || p_tbl || '|', true);
    _counts := _counts - p_tbl;
  end if;
  _of_table := coalesce(_counts -> p_tbl, '{}');
  foreach _slo in array _slos || array[''] loop
    _of_table := _of_table || jsonb_build_object(_slo, coalesce((_of_table ->> _slo)::bigint, 0) + 1);
  end loop;
  perform set_config('mlguard.kept_out_rows', (_counts || jsonb_build_object(p_tbl, _of_table))::text, true);
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
  _places jsonb := coalesce(nullif(current_setting('mlguard.batches', true), '')::jsonb, '{}');
  _id bigint;
  _closed_at timestamptz;
  _place tid;
begin
  -- Where the row is, is remembered for the transaction, and believed only when the row says the same. Looking it up
  -- in an index would, under SERIALIZABLE, make every two writers conflict on the page their batches share.
  select b.id, b.closed_at
  into _id, _closed_at
  from mlguard._batch b
  where b.ctid = (_places ->> p_tbl)::tid and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now();
  if _id is not null and _closed_at is null then
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
  perform set_config('mlguard.batches', (_places || jsonb_build_object(p_tbl, _place))::text, true);
  return _id;
end
$mlguard$;


drop function mlguard._count_kept(text, text[], boolean);
drop function mlguard._refuse_above_cap(text, bigint, bigint);

create function mlguard._refuse_above_cap(p_tbl text, p_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
declare
  _known jsonb := coalesce(nullif(current_setting('mlguard.quarantine_room', true), '')::jsonb, '{}');
  _cap bigint;
  _oldest bigint;
  _waiting bigint;
  _until bigint;
begin
  -- Counting at every row would be O(n). Numbers of kept rows come from one sequence: as long as the oldest waiting
  -- row and this one are fewer than cap numbers apart, no more than cap can wait. Past that they are counted; a count
  -- of c is good for cap - c more numbers, near a large cap for a thousandth part of it, which is how far the cap may
  -- be overrun.
  -- Under SERIALIZABLE, where looking at other writers' rows makes transactions fail, only every thousandth row looks.
  if p_id < (_known ->> p_tbl)::bigint
     or (current_setting('transaction_isolation') = 'serializable' and p_id % 1000 <> 0) then
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
  perform set_config('mlguard.quarantine_room', (_known || jsonb_build_object(p_tbl, _until))::text, false);
end
$mlguard$;

comment on function mlguard._refuse_above_cap(text, bigint) is
  'Private. Raises 53400 where the row just kept is one more than may wait.';

revoke all on function mlguard._refuse_above_cap(text, bigint) from public;

drop function mlguard._remember_batch(text, tid);
drop function mlguard._batch_place(text);

drop index mlguard._quarantine_batch;
create index _quarantine_batch on mlguard._quarantine (batch);

alter table mlguard._batch drop column room;
