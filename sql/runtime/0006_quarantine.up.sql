-- Rows that are kept out of their table: how they are kept, how many may be, what their writer is told.

create function mlguard._refuse_above_cap(p_tbl text, p_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $mlguard$
declare
  _known jsonb := coalesce(nullif(current_setting('mlguard.quarantine_room', true), '')::jsonb, '{}');
  _cap bigint;
  _waiting bigint;
begin
  -- Counting at every row would be O(n). A count of c leaves room for cap - c more, and numbers of kept rows come
  -- from one sequence, so no session can pass the cap before that many numbers later. Then it is counted again;
  -- near a large cap only every thousandth part of it, which is how far the cap may be overrun.
  if p_id < (_known ->> p_tbl)::bigint then
    return;
  end if;
  select t.quarantine_cap into _cap from mlguard._table t where t.tbl = p_tbl;
  if _cap is null then
    return;
  end if;
  select count(*)
  into _waiting
  from (select from mlguard._quarantine q where q.tbl = p_tbl and q.status = 'waiting' limit _cap + 1) w;
  if _waiting > _cap then
    raise exception using
      errcode = 'configuration_limit_exceeded',
      message = format('mlguard: the quarantine of %s is full: %s rows wait; this statement stored nothing',
                       p_tbl, _cap),
      detail = jsonb_build_object('table', p_tbl, 'waiting', _cap, 'cap', _cap)::text,
      hint = format('Release or discard them (mlguard quarantine list %s), or raise quarantine_cap in the SLO file.',
                    p_tbl),
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
  end if;
  perform set_config(
    'mlguard.quarantine_room',
    (_known || jsonb_build_object(p_tbl, p_id + 1 + greatest(_cap - _waiting, _cap / 1000)))::text,
    false);
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
set search_path = ''
as $mlguard$
declare
  _id bigint;
  _told text := coalesce(current_setting('mlguard.kept_out', true), '');
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
          array(select b.line ->> 'slo' from jsonb_array_elements(p_broken) b (line)),
          mlguard.batch_v1(p_tbl), p_op, p_superseded)
  returning id into _id;
  perform mlguard._refuse_above_cap(p_tbl, _id);

  -- Read by the WHEN of the trigger that warns once a statement. A list: one statement may write two tables.
  if strpos(_told, '|' || p_tbl || '|') = 0 then
    perform set_config('mlguard.kept_out', coalesce(nullif(_told, ''), '|') || p_tbl || '|', true),
            set_config(
              'mlguard.kept_out_from',
              (coalesce(nullif(current_setting('mlguard.kept_out_from', true), '')::jsonb, '{}')
               || jsonb_build_object(p_tbl, _id))::text,
              true);
  end if;
end
$mlguard$;

comment on function mlguard.withhold_v1(text, jsonb, jsonb, text, jsonb, text, boolean) is
  'Keeps a row that was not let into its table, whole, with every rule it broke.';


create function mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint default null)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $mlguard$
declare
  _from jsonb := coalesce(nullif(current_setting('mlguard.kept_out_from', true), '')::jsonb, '{}');
  _batch bigint := mlguard.batch_v1(p_tbl);
  _rows bigint;
  _rules text;
begin
  select count(*)
  into _rows
  from mlguard._quarantine q
  where q.batch = _batch and q.id >= (_from ->> p_tbl)::bigint;
  if _rows > 0 then
    select string_agg(format('%s %s', split_part(b.slo, '/', 2), b.rows), ', ' order by b.rows desc, b.slo)
    into _rules
    from (
      select s.slo, count(*) as rows
      from mlguard._quarantine q, unnest(q.slos) s (slo)
      where q.batch = _batch and q.id >= (_from ->> p_tbl)::bigint
      group by s.slo
    ) b;
    raise warning using
      errcode = '01ML1',
      message = format('mlguard: %s%s rows kept out of %s (%s), batch %s; the row count and RETURNING omit them',
                       _rows, ' of ' || _rows + p_landed, p_tbl, _rules, _batch),
      detail = jsonb_build_object('table', p_tbl, 'kept_out', _rows, 'landed', p_landed, 'batch', _batch)::text,
      hint = format('They wait in mlguard.quarantine: mlguard quarantine list %s', p_tbl),
      schema = split_part(p_tbl, '.', 1),
      table = split_part(p_tbl, '.', 2);
  end if;
  perform set_config('mlguard.kept_out',
                     replace(current_setting('mlguard.kept_out', true), '|' || p_tbl || '|', '|'), true),
          set_config('mlguard.kept_out_from', (_from - p_tbl)::text, true);
end
$mlguard$;

comment on function mlguard.kept_out_warning_v1(text, bigint) is
  'Warns (01ML1) how many rows of this statement were kept out; p_landed: rows of it that landed, where known.';


create function mlguard._masked(p_values jsonb, p_pii text[])
returns jsonb
language sql
immutable
parallel safe
set search_path = ''
as $mlguard$
  select case
    when jsonb_typeof(p_values) = 'object' and p_values ?| p_pii then (
      select jsonb_object_agg(e.key, case when e.key = any (p_pii) then to_jsonb('not shown (pii)'::text) else e.value end)
      from jsonb_each(p_values) e)
    else p_values
  end
$mlguard$;

comment on function mlguard._masked(jsonb, text[]) is 'Private. {column: value} without the values of pii columns.';
