-- The ways out of quarantine: released into the table, made obsolete by a later version, or discarded.
-- A row is in exactly one place and never changed: release() moves it in the transaction that marks it.

create function mlguard._offer(
  p_row mlguard._quarantine, p_set jsonb, out outcome text, out reason text, out broken jsonb)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
-- As the row was written down: see PLAIN in the emitter of row triggers.
set datestyle = 'ISO, YMD'
set intervalstyle = 'postgres'
set extra_float_digits = 1
set bytea_output = 'hex'
as $mlguard$
declare
  _table mlguard._table;
  _relation text := format('%I.%I', split_part(p_row.tbl, '.', 1), split_part(p_row.tbl, '.', 2));
  _row jsonb := p_row.row || p_set;
  _columns text[];
  _generated text[];
  _key text[];
  _wrong text;
  _as_text boolean := false;
  _stored boolean;
  _rows bigint;
  _state text;
  _message text;
  _detail text;
  _constraint text;
begin
  outcome := 'failed';
  select t.* into _table from mlguard._table t where t.tbl = p_row.tbl;
  if to_regclass(_relation) is null then
    reason := format('there is no table %s', p_row.tbl);
    return;
  end if;
  select array_agg(a.attname::text order by a.attnum),
         coalesce(array_agg(a.attname::text) filter (where a.attgenerated <> ''), '{}')
  into _columns, _generated
  from pg_attribute a
  where a.attrelid = to_regclass(_relation) and a.attnum > 0 and not a.attisdropped;

  -- A value that has no column any more would be lost without a word; {"column": null} in p_set agrees to that.
  select string_agg(format('"%s"', e.key), ', ' order by e.key)
  into _wrong
  from jsonb_each(_row) e
  where e.key <> all (_columns) and e.value <> 'null';
  if _wrong is not null then
    reason := format('%s is no column of %s', _wrong, p_row.tbl);
    return;
  end if;
  select string_agg(format('"%s"', k.name), ', ' order by k.name)
  into _wrong
  from jsonb_object_keys(p_set) k (name)
  where k.name = any (_generated);
  if _wrong is not null then
    reason := format('%s is generated and cannot be set', _wrong);
    return;
  end if;
  _columns := array(select c.name from unnest(_columns) c (name) where _row ? c.name and c.name <> all (_generated));
  _key := array(select k.name from unnest(_table.key) k (name) where _row -> k.name <> 'null');

  begin
    -- The text keeps what jsonb loses, but goes by position: it is used where both still say the same.
    execute format(
      'select pg_catalog.to_jsonb($1::%1$s) operator(pg_catalog.=) '
      'pg_catalog.to_jsonb(pg_catalog.jsonb_populate_record(null::%1$s, $2))', _relation)
    into _as_text
    using p_row.row_text, p_row.row;
  exception
    when data_exception or integrity_constraint_violation or datatype_mismatch or cannot_coerce then
      _as_text := false;
  end;
  _as_text := coalesce(_as_text, false);

  begin
    -- Triggers of the table's own may need the names they usually see; the statements here are qualified.
    perform set_config('search_path', s.reset_val, true) from pg_catalog.pg_settings s where s.name = 'search_path';
    perform set_config('mlguard.releasing', 'on', true);
    if cardinality(_key) > 0 and cardinality(_key) = cardinality(_table.key) then
      execute format(
        'select exists (select from %1$s stored, pg_catalog.jsonb_populate_record(null::%1$s, $1) kept where %2$s)',
        _relation,
        (select string_agg(format('stored.%1$I = kept.%1$I', k.name), ' and ') from unnest(_key) k (name)))
      into _stored
      using _row;
      if _stored then
        raise exception using errcode = 'unique_violation', message = 'a row with this key is stored';
      end if;
    end if;
    execute format(
      'insert into %s (%s) overriding system value select %s from (select %s as r) kept, '
      '(select pg_catalog.jsonb_populate_record(null::%s, $2) as r) patched',
      _relation,
      (select string_agg(format('%I', c.name), ', ' order by c.place)
       from unnest(_columns) with ordinality c (name, place)),
      (select string_agg(
                format('(%s.r).%I', case when p_set ? c.name or not _as_text then 'patched' else 'kept' end, c.name),
                ', ' order by c.place)
       from unnest(_columns) with ordinality c (name, place)),
      case when _as_text then format('$1::%s', _relation) else '$1' end,
      _relation)
    using p_row.row_text, _row;
    get diagnostics _rows = row_count;
    if _rows = 0 then
      raise exception using
        errcode = 'triggered_action_exception', message = 'a trigger of the table took the row away';
    end if;
    perform set_config('mlguard.releasing', '', true), set_config('search_path', '', true);
    outcome := 'released';
    reason := null;
  exception
    when serialization_failure or deadlock_detected then
      raise;
    when others then
      get stacked diagnostics
        _state = returned_sqlstate, _message = message_text, _detail = pg_exception_detail,
        _constraint = constraint_name;
      if _state = '23514' and _message like 'mlguard: %' and _detail like '{%' then
        -- mlguard's own words: from withhold_v1 every rule, from refuse_v1 the one that refused.
        broken := coalesce(
          _detail::jsonb -> 'broken',
          jsonb_build_array(jsonb_build_object(
            'slo', _detail::jsonb -> 'slo', 'observed', _detail::jsonb -> 'observed',
            'version', _detail::jsonb -> 'version')));
        outcome := 'still broken';
        reason := (
          select string_agg(
                   split_part(b.line ->> 'slo', '/', 2) || coalesce(': ' || mlguard._words(
                     mlguard._masked(b.line -> 'observed', _table.pii), s.columns, ' is '), ''),
                   '; ' order by b.place)
          from jsonb_array_elements(broken) with ordinality b (line, place)
          left join mlguard._slo s on s.id = b.line ->> 'slo');
      elsif _state in ('23505', '23P01') then
        outcome := 'conflict';
        reason := coalesce('a row with this key is stored (' || nullif(_constraint, '') || ')',
                           'a row with this key is stored');
      elsif _table.pii is distinct from '{}' then
        -- PostgreSQL's words may quote a value. (Null: the table is guarded no longer.)
        reason := format('PostgreSQL refused it with SQLSTATE %s%s', _state, ' (' || nullif(_constraint, '') || ')');
      else
        reason := _message;
      end if;
  end;
end
$mlguard$;

comment on function mlguard._offer(mlguard._quarantine, jsonb) is
  'Private. Offers a kept row to its table: released, still broken, conflict or failed, and why.';


create function mlguard._decide(p_id bigint, p_status text, p_reason text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  update mlguard._quarantine
  set status = p_status, decided_at = clock_timestamp(), decided_by = session_user, reason = p_reason
  where id = p_id
$mlguard$;

comment on function mlguard._decide(bigint, text, text) is 'Private. Ends the waiting of a kept row.';


create function mlguard.release(p_id bigint, p_set jsonb default null)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _set jsonb := coalesce(p_set, '{}');
  _row mlguard._quarantine;
  _offered record;
  _patch text;
begin
  if jsonb_typeof(_set) <> 'object' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: p_set is no object',
      hint = 'Write the columns to correct: select * from mlguard.release(17, ''{"age": 4}'')';
  end if;
  -- The lock makes concurrent releases of one row wait here and then find it released.
  select q.* into _row from mlguard._quarantine q where q.id = p_id for update;
  if not found then
    return query select p_id, 'not found', 'no kept row has this number';
    return;
  elsif _row.status <> 'waiting' then
    return query select p_id, 'already ' || _row.status,
                        format('by %s at %s', _row.decided_by, mlguard._minute(_row.decided_at));
    return;
  end if;

  select o.* into _offered from mlguard._offer(_row, _set) o;
  if _offered.outcome = 'released' then
    _patch := (select 'set ' || string_agg(k.name, ', ' order by k.name) from jsonb_object_keys(_set) k (name));
    perform mlguard._decide(p_id, 'released', _patch);
    perform mlguard._record('release', format('quarantine %s', p_id),
                            jsonb_build_object('table', _row.tbl, 'status', 'waiting', 'slos', _row.slos),
                            jsonb_build_object('status', 'released'), _patch);
    if _row.key is not null and _row.key <> '{}' then
      perform mlguard._decide(older.id, 'obsolete', format('quarantine %s, a later version, was released', p_id))
      from mlguard._quarantine older
      where older.tbl = _row.tbl and older.status = 'waiting' and older.id < p_id and older.key = _row.key;
    end if;
  elsif _offered.outcome = 'still broken' then
    update mlguard._quarantine q
    set broken = _offered.broken,
        slos = array(select b.line ->> 'slo' from jsonb_array_elements(_offered.broken) b (line))
    where q.id = p_id and _set = '{}';
  end if;
  return query select p_id, _offered.outcome, _offered.reason;
end
$mlguard$;

comment on function mlguard.release(bigint, jsonb) is
  'Moves a kept row into its table, judged again as any row written to it; p_set: {column: value} to correct first. '
  'Outcome: released, still broken, conflict, failed, not found, already released/obsolete/discarded.';


create function mlguard.replay(p_table regclass)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _tbl text := mlguard._tbl(p_table);
  _id bigint;
begin
  -- Of several versions of one key only the latest: an earlier one, once in the table, would bar it.
  for _id in
    select q.id
    from mlguard._quarantine q
    where q.tbl = _tbl
      and q.status = 'waiting'
      and (q.key is null
           or q.key = '{}'
           or not exists (
             select
             from mlguard._quarantine later
             where later.tbl = _tbl and later.status = 'waiting' and later.id > q.id and later.key = q.key))
    order by q.id
  loop
    return query select r.id, r.outcome, r.reason from mlguard.release(_id) r;
  end loop;
end
$mlguard$;

comment on function mlguard.replay(regclass) is
  'Offers every waiting row of a table to it again, the latest version of each key; what release() says of each.';


create function mlguard.discard(p_id bigint, p_reason text)
returns table (id bigint, outcome text, reason text)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
#variable_conflict use_column
declare
  _row mlguard._quarantine;
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: discarding a row needs a reason',
      hint = format('select * from mlguard.discard(%s, ''test data'')', p_id);
  end if;
  select q.* into _row from mlguard._quarantine q where q.id = p_id for update;
  if not found then
    return query select p_id, 'not found', 'no kept row has this number';
  elsif _row.status <> 'waiting' then
    return query select p_id, 'already ' || _row.status,
                        format('by %s at %s', _row.decided_by, mlguard._minute(_row.decided_at));
  else
    perform mlguard._decide(p_id, 'discarded', p_reason);
    perform mlguard._record('discard', format('quarantine %s', p_id),
                            jsonb_build_object('table', _row.tbl, 'status', 'waiting', 'slos', _row.slos),
                            jsonb_build_object('status', 'discarded'), p_reason);
    return query select p_id, 'discarded', p_reason;
  end if;
end
$mlguard$;

comment on function mlguard.discard(bigint, text) is
  'Gives a kept row up, with who and why. It stays readable in mlguard.quarantine until its retention is over.';
