-- Rows that are kept out of their table: how they are kept, how many may be, what their writer is told.

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


create function mlguard.withhold_v1(
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

comment on function mlguard.withhold_v1(text, jsonb, jsonb, text, jsonb, text, boolean) is
  'Keeps a row that was not let into its table, whole, with every rule it broke.';


create function mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint default null)
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

comment on function mlguard.kept_out_warning_v1(text, bigint) is
  'Warns (01ML1) how many rows of this statement were kept out; p_landed: rows of it that landed, where known.';


create function mlguard._masked(p_values jsonb, p_pii text[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Without a list (the table is guarded no longer, and with it went what is personal) nothing is shown.
  select case
    when jsonb_typeof(p_values) = 'object' and p_pii is null then (
      select jsonb_object_agg(e.key, 'not shown (pii)'::text) from jsonb_each(p_values) e)
    when jsonb_typeof(p_values) = 'object' and p_values ?| p_pii then (
      select jsonb_object_agg(
               e.key, case when e.key = any (p_pii) then to_jsonb('not shown (pii)'::text) else e.value end)
      from jsonb_each(p_values) e)
    else p_values
  end
$mlguard$;

create function mlguard._masked_rules(p_broken jsonb, p_pii text[])
returns jsonb
language sql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $mlguard$
  select jsonb_agg(
           case
             when b.line ? 'observed'
             then b.line || jsonb_build_object('observed', mlguard._masked(b.line -> 'observed', p_pii))
             else b.line
           end
           order by b.place)
  from jsonb_array_elements(p_broken) with ordinality b (line, place)
$mlguard$;

comment on function mlguard._masked_rules(jsonb, text[]) is
  'Private. The rules a kept row broke, without the values of columns that are personal by now.';

comment on function mlguard._masked(jsonb, text[]) is 'Private. {column: value} without the values of pii columns.';
