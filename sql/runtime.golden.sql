CREATE SCHEMA mlguard;
ALTER SCHEMA mlguard OWNER TO postgres;
COMMENT ON SCHEMA mlguard IS 'mlguard: SLOs of feature tables. Views and functions are the interface; tables that begin with _ are private.';
CREATE FUNCTION mlguard._bad_rows(p_batch bigint) RETURNS TABLE(slo text, bad bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
  select found.slo, sum(found.bad)::bigint
  from (
    select e.key as slo, e.value::bigint as bad
    from mlguard._delta d, jsonb_each_text(d.broken) e
    where d.batch = p_batch
    union all
    select broken.slo, count(*)
    from mlguard._quarantine q, unnest(q.slos) broken (slo)
    where q.batch = p_batch
    group by broken.slo
    union all
    select c.rule, count(distinct (c.key, c.row_hash))
    from mlguard._change c
    where c.batch = p_batch and not c.pending
    group by c.rule
  ) found
  group by found.slo
$$;
ALTER FUNCTION mlguard._bad_rows(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._bad_rows(p_batch bigint) IS 'Private. Bad rows of a batch by SLO, whether they landed, were kept out or were mended.';
CREATE FUNCTION mlguard._close_batch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
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
$$;
ALTER FUNCTION mlguard._close_batch() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._close_batch() IS 'Private. Closes a batch at COMMIT, once, however many statements it had.';
CREATE FUNCTION mlguard._closed(p_tbl text) RETURNS TABLE(slo text, state text, since timestamp with time zone, batch bigint, observed jsonb, slos text[], words text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    AS $$
  select r.slo, r.state, r.since, r.batch, r.observed, everything.slos,
         r.words || case
           when everything.more = 1 then ' and 1 more SLO'
           when everything.more > 1 then format(' and %s more SLOs', everything.more)
           else ''
         end
  from mlguard._reasons(p_tbl) r
  cross join (
    select array_agg(distinct a.slo) as slos, count(distinct a.slo) - 1 as more from mlguard._reasons(p_tbl) a
  ) everything
  order by r.state <> 'held', r.since nulls first, r.slo
  limit 1
$$;
ALTER FUNCTION mlguard._closed(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._closed(p_tbl text) IS 'Private. Why the gate of a table is closed, in one row; none while it is open.';
CREATE FUNCTION mlguard._count_batch(p_id bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
  update mlguard._batch
  set closed_at = clock_timestamp(),
      landed = (select sum(d.landed) from mlguard._delta d where d.batch = p_id),
      withheld = (select count(*) from mlguard._quarantine q where q.batch = p_id)
  where id = p_id
$$;
ALTER FUNCTION mlguard._count_batch(p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_batch(p_id bigint) IS 'Private. Writes the totals of a batch that is done.';
CREATE FUNCTION mlguard._count_refusal(p_no integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  _counter regclass := to_regclass('mlguard.refused_' || p_no);
  _clock regclass := to_regclass('mlguard.refused_at_' || p_no);
begin
  if _counter is not null and _clock is not null then
    perform nextval(_counter), setval(_clock, (extract(epoch from clock_timestamp()) * 1000)::bigint);
  end if;
end
$$;
ALTER FUNCTION mlguard._count_refusal(p_no integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_refusal(p_no integer) IS 'Private. Counts one refusal and notes its time.';
CREATE FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  update mlguard._quarantine
  set status = p_status, decided_at = clock_timestamp(), decided_by = session_user, reason = p_reason
  where id = p_id
$$;
ALTER FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) IS 'Private. Ends the waiting of a kept row.';
CREATE FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select jsonb_build_object(
           'slo', p_slo, 'table', split_part(p_slo, '/', 1), 'column', s.column_name, 'observed', p_observed,
           'allowed', coalesce(p_allowed, s.allowed), 'key', p_key, 'severity', s.severity, 'owner', s.owner,
           'runbook', s.runbook, 'version', s.version) || p_more
  from (select p_slo as id) wanted
  left join mlguard._slo s on s.id = wanted.id
$$;
ALTER FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb) IS 'Private. The DETAIL of a message: what clients read instead of its words.';
CREATE FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  _slo mlguard._slo;
  _alter text;
begin
  select s.* into _slo from mlguard._slo s where s.id = p_slo;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no SLO %s', p_slo),
      hint = 'Ids are <schema>.<table>/<name>: select id from mlguard.slo';
  end if;
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: an exception to an SLO needs a reason';
  end if;
  if p_until is null or not isfinite(p_until) or p_until <= statement_timestamp() then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: an exception to an SLO must end, and in the future',
      hint = 'An SLO that is never wanted again is taken out of its file.';
  end if;
  if not _slo.waivable and (_slo.place like '%constraint' or _slo.action = 'reject') then
    select u.statement
    into _alter
    from mlguard._object o, unnest(o.undo) u (statement)
    where o.tbl = _slo.tbl and p_slo = any (o.slos) and _slo.place like '%constraint'
      and u.statement ilike 'alter table%'
    limit 1;
    raise exception using
      errcode = 'feature_not_supported',
      message = format('mlguard: %s is a %s, which looks at no waiver', p_slo, _slo.place),
      hint = coalesce('To take it out: ' || _alter || '; mlguard apply puts it back. ', '')
             || 'With waivable: true in the SLO file it is placed where a waiver takes effect.',
      constraint = p_slo;
  end if;
  insert into mlguard._waiver (slo, kind, until, reason) values (p_slo, p_kind, p_until, p_reason);
  perform mlguard._record(p_kind, p_slo, null, jsonb_build_object('until', p_until), p_reason);
  return p_until;
end
$$;
ALTER FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) IS 'Private. Writes an expiring exception to an SLO.';
CREATE FUNCTION mlguard._health(p_slo text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  with carried as (
    select o.kind, o.name,
           -- A partition's trigger is named «trigger on schema.partition».
           split_part(o.name, ' on ', 1) as trigger,
           coalesce(nullif(split_part(o.name, ' on ', 2), ''), o.tbl) as relation
    from mlguard._slo s
    join mlguard._object o
      on o.tbl = s.tbl and (s.id = any (o.slos) or (s.level = 'read' and o.kind in ('VIEW', 'POLICY')))
    where s.id = p_slo
  ), located as (
    select c.*, to_regclass(format('%I.%I', split_part(c.relation, '.', 1), split_part(c.relation, '.', 2))) as oid
    from carried c
  ), seen as (
    select case
      when l.kind in ('CHECK', 'UNIQUE', 'FOREIGN_KEY') then exists (
        select from pg_constraint k where k.conrelid = l.oid and k.conname = l.name)
      when l.kind = 'NOT_NULL' then exists (
        select from pg_attribute a
        where a.attrelid = l.oid and a.attname || ' not null' = l.name and a.attnotnull and not a.attisdropped)
      when l.kind = 'TRIGGER' then exists (
        select from pg_trigger t where t.tgrelid = l.oid and t.tgname = l.trigger)
      when l.kind = 'FUNCTION' then to_regprocedure(l.name) is not null
      when l.kind = 'VIEW' then
        to_regclass(format('%I.%I', split_part(l.name, '.', 1), split_part(l.name, '.', 2))) is not null
      when l.kind = 'POLICY' then exists (
        select from pg_policy p where p.polrelid = l.oid and p.polname = l.name)
      else true
    end as present,
    l.kind = 'TRIGGER' and exists (
      select
      from pg_trigger t
      where t.tgrelid = l.oid and t.tgname = l.trigger and t.tgenabled in ('D', 'R')) as disabled
    from located l
  )
  select case when not bool_and(s.present) then 'MISSING' when bool_or(s.disabled) then 'DISABLED' else 'INSTALLED' end
  from seen s
$$;
ALTER FUNCTION mlguard._health(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._health(p_slo text) IS 'Private. INSTALLED, DISABLED or MISSING: whether the objects of an SLO are there. Whether they are still the same is told by mlguard status.';
CREATE FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select concat_ws(' ', p_begin, 'Owner ' || nullif(p_owner, '') || '.', 'Runbook ' || nullif(p_runbook, ''), p_end)
$$;
ALTER FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) IS 'Private. The HINT of a message, without what is unknown.';
CREATE FUNCTION mlguard._judge_batch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  _n bigint;
  _over record;
  _allowed text;
  _raised boolean;
begin
  -- Cleared first: the next statement then opens a new stretch, also under SET CONSTRAINTS … IMMEDIATE.
  update mlguard._delta set first = false where id = new.id;
  _n := (select sum(d.landed) from mlguard._delta d where d.batch = new.batch)
        + (select count(*) from mlguard._quarantine q where q.batch = new.batch);
  select s.*, b.bad
  into _over
  from mlguard._bad_rows(new.batch) b
  join mlguard._slo s on s.id = b.slo
  where not s.shadow
    and (b.bad > s.max_bad_rows or (_n >= s.min_rows and b.bad > s.max_bad_share * _n))
    and not mlguard.waived_v1(s.id)
  order by s.no
  limit 1;
  if found then
    _allowed := coalesce(_over.max_bad_rows || ' rows', trim_scale(_over.max_bad_share * 100) || '%');
    perform mlguard._count_refusal(_over.no);
    _raised := mlguard._raise(
      'check_violation',
      format('mlguard: %s: %s bad rows%s of the %s rows this transaction wrote, allowed %s; '
             'COMMIT refused, nothing was stored',
             _over.id, _over.bad,
             case when _over.max_bad_rows is null
               then ' (' || trim_scale(round(100.0 * _over.bad / _n, 2)) || '%)'
             end,
             _n, _allowed),
      _over.id,
      mlguard._detail(_over.id, jsonb_build_object('bad', _over.bad, 'rows', _n), 'allowed ' || _allowed, null,
                      jsonb_build_object('batch', new.batch)),
      mlguard._hint(null, _over.owner, _over.runbook, 'Correct the load and send it again.'));
  end if;
  return null;
end
$$;
ALTER FUNCTION mlguard._judge_batch() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_batch() IS 'Private. Judges max_bad at COMMIT, over all rows of the batch.';
CREATE FUNCTION mlguard._length(p_length interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- Two units, the second only where it is not 0; hours up to four days, because limits are written in hours.
  select case
    when s < 60 then s || ' s'
    when s < 3600 then s / 60 || ' min' || coalesce(' ' || nullif(s % 60, 0) || ' s', '')
    when s < 4 * 86400 then s / 3600 || ' h' || coalesce(' ' || nullif(s % 3600 / 60, 0) || ' min', '')
    else s / 86400 || ' d' || coalesce(' ' || nullif(s % 86400 / 3600, 0) || ' h', '')
  end
  from (select mlguard._seconds(p_length) as s) seconds
$$;
ALTER FUNCTION mlguard._length(p_length interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._length(p_length interval) IS 'Private. A length of time as messages show it: 28 h 12 min.';
CREATE FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) IS 'Private. {column: value} without the values of pii columns.';
CREATE FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO ''
    AS $$
  select jsonb_agg(
           case
             when b.line ? 'observed'
             then b.line || jsonb_build_object('observed', mlguard._masked(b.line -> 'observed', p_pii))
             else b.line
           end
           order by b.place)
  from jsonb_array_elements(p_broken) with ordinality b (line, place)
$$;
ALTER FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) IS 'Private. The rules a kept row broke, without the values of columns that are personal by now.';
CREATE FUNCTION mlguard._minute(p_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO ''
    AS $$
  select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
$$;
ALTER FUNCTION mlguard._minute(p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._minute(p_at timestamp with time zone) IS 'Private. A time as messages show it.';
CREATE TABLE mlguard._quarantine (
    id bigint NOT NULL,
    tbl text NOT NULL,
    key jsonb,
    "row" jsonb,
    row_text text,
    broken jsonb DEFAULT '[]'::jsonb NOT NULL,
    slos text[] NOT NULL,
    batch bigint,
    op text NOT NULL,
    superseded boolean DEFAULT false NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    kept_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    writer text DEFAULT SESSION_USER NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    reason text
);
ALTER TABLE mlguard._quarantine OWNER TO postgres;
COMMENT ON TABLE mlguard._quarantine IS 'Private. Rows kept out of guarded tables, whole.';
COMMENT ON COLUMN mlguard._quarantine.id IS 'Number; release() and discard() take it.';
COMMENT ON COLUMN mlguard._quarantine.tbl IS 'The table it was meant for.';
COMMENT ON COLUMN mlguard._quarantine.key IS 'Its key columns.';
COMMENT ON COLUMN mlguard._quarantine."row" IS 'The row; null once its retention is over.';
COMMENT ON COLUMN mlguard._quarantine.row_text IS 'The row as PostgreSQL prints it: what jsonb loses (duplicate keys, array bounds) is here.';
COMMENT ON COLUMN mlguard._quarantine.broken IS 'Every rule it breaks: [{"slo", "observed", "version"}].';
COMMENT ON COLUMN mlguard._quarantine.slos IS 'Ids of the rules it breaks.';
COMMENT ON COLUMN mlguard._quarantine.batch IS 'The batch it came with.';
COMMENT ON COLUMN mlguard._quarantine.op IS 'INSERT, UPDATE, or APPLY for a stored row that a new rule found.';
COMMENT ON COLUMN mlguard._quarantine.superseded IS 'A stored row of the same key stayed, older than this one.';
COMMENT ON COLUMN mlguard._quarantine.status IS 'waiting, released, obsolete (a later version was released) or discarded.';
COMMENT ON COLUMN mlguard._quarantine.kept_at IS 'When it was kept out.';
COMMENT ON COLUMN mlguard._quarantine.writer IS 'Who wrote it.';
COMMENT ON COLUMN mlguard._quarantine.decided_at IS 'When it stopped waiting.';
COMMENT ON COLUMN mlguard._quarantine.decided_by IS 'Who decided.';
COMMENT ON COLUMN mlguard._quarantine.reason IS 'Why.';
CREATE FUNCTION mlguard._offer(p_row mlguard._quarantine, p_set jsonb, OUT outcome text, OUT reason text, OUT broken jsonb) RETURNS record
    LANGUAGE plpgsql
    SET search_path TO ''
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard._offer(p_row mlguard._quarantine, p_set jsonb, OUT outcome text, OUT reason text, OUT broken jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._offer(p_row mlguard._quarantine, p_set jsonb, OUT outcome text, OUT reason text, OUT broken jsonb) IS 'Private. Offers a kept row to its table: released, still broken, conflict or failed, and why.';
CREATE FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
declare
  _tbl text := p_detail ->> 'table';
begin
  -- An option of RAISE may not be NULL, and an empty COLUMN is not the same as none.
  if p_detail ->> 'column' is null then
    raise exception using
      errcode = p_code, message = p_message, detail = p_detail::text, hint = p_hint, constraint = p_slo,
      schema = split_part(_tbl, '.', 1), table = split_part(_tbl, '.', 2);
  end if;
  raise exception using
    errcode = p_code, message = p_message, detail = p_detail::text, hint = p_hint, constraint = p_slo,
    schema = split_part(_tbl, '.', 1), table = split_part(_tbl, '.', 2), column = p_detail ->> 'column';
end
$$;
ALTER FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) IS 'Private. Raises with every field set; never returns. A function, not a statement of PERFORM, whose text PostgreSQL would print as CONTEXT.';
CREATE FUNCTION mlguard._reasons(p_tbl text) RETURNS TABLE(slo text, state text, since timestamp with time zone, batch bigint, observed jsonb, words text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard._reasons(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._reasons(p_tbl text) IS 'Private. Why the gate of a table is closed, one row per hold or stale SLO.';
CREATE FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO ''
    AS $$
  insert into mlguard._event (act, target, before, after, reason)
  values (p_act, p_target, p_before, p_after, p_reason)
$$;
ALTER FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) IS 'Private. Writes one event.';
CREATE FUNCTION mlguard._refusals() RETURNS TABLE(no integer, refused bigint, last_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select s.no, coalesce(pg_sequence_last_value(counter.oid), 0),
         to_timestamp(pg_sequence_last_value(clock.oid) / 1000.0)
  from mlguard._slo s
  join pg_class counter on counter.relnamespace = 'mlguard'::regnamespace and counter.relname = 'refused_' || s.no
  join pg_class clock on clock.relnamespace = 'mlguard'::regnamespace and clock.relname = 'refused_at_' || s.no
$$;
ALTER FUNCTION mlguard._refusals() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refusals() IS 'Private. Reads the refusal counters.';
CREATE FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
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
$$;
ALTER FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint) IS 'Private. Raises 53400 where the row just kept is one more than may wait.';
CREATE FUNCTION mlguard._refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  raise exception 'mlguard: events are append-only; % refused', tg_op
    using errcode = 'insufficient_privilege',
          hint = 'An event that was wrong is corrected by a later one.';
end
$$;
ALTER FUNCTION mlguard._refuse_rewriting() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_rewriting() IS 'Private. Keeps mlguard._event append-only, for its owner too.';
CREATE FUNCTION mlguard._seconds(p_length interval) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  select floor(extract(epoch from p_length))::bigint
$$;
ALTER FUNCTION mlguard._seconds(p_length interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._seconds(p_length interval) IS 'Private. A length in seconds, a day being 24 hours: a limit must not depend on the reader''s time zone.';
CREATE FUNCTION mlguard._shown(p_value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $_$
  -- One line, and not longer than a reader wants to see of one value.
  select case
    when v.text = '' then $$''$$
    when length(v.text) > 80 then left(v.text, 80) || '…'
    else v.text
  end
  from (select regexp_replace(coalesce(p_value #>> '{}', 'NULL'), '[[:cntrl:]]+', ' ', 'g') as text) v
$_$;
ALTER FUNCTION mlguard._shown(p_value jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._shown(p_value jsonb) IS 'Private. One value as messages show it.';
CREATE FUNCTION mlguard._tbl(p_table regclass) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  _tbl text := (
    select n.nspname || '.' || c.relname
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.oid = p_table);
begin
  if not exists (select from mlguard._table t where t.tbl = _tbl) then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no SLO is in force on %s', coalesce(_tbl, 'this table')),
      hint = 'The guarded tables are listed in mlguard.gate; mlguard apply puts SLOs in force.';
  end if;
  return _tbl;
end
$$;
ALTER FUNCTION mlguard._tbl(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tbl(p_table regclass) IS 'Private. The guarded table; raises where no SLO is in force on it.';
CREATE FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO ''
    AS $$
  -- jsonb orders its keys by length; people expect the order of the rule or of the key.
  select case coalesce(jsonb_typeof(p_values), 'null')
    when 'object' then (
      select string_agg(e.key || p_between || mlguard._shown(e.value), ', '
                        order by array_position(p_order, e.key), e.ordinality)
      from jsonb_each(p_values) with ordinality e (key, value, ordinality))
    when 'null' then null
    else mlguard._shown(p_values)
  end
$$;
ALTER FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) IS 'Private. {"a": 1, "b": "x"} as «a is 1, b is x».';
CREATE FUNCTION mlguard.assert_ok(p_table regclass) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO ''
    AS $$
begin
  -- A table nobody guards is not known to be good: a breaker that says nothing then would be of no use.
  perform mlguard.guard_v1(mlguard._tbl(p_table));
end
$$;
ALTER FUNCTION mlguard.assert_ok(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.assert_ok(p_table regclass) IS 'Raises ML001 while the gate of a table is closed, as a guarded read does: the circuit breaker of pipelines.';
CREATE FUNCTION mlguard.batch_v1(p_tbl text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.batch_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.batch_v1(p_tbl text) IS 'The batch of this transaction on a table, opened when there is none.';
CREATE FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
  update mlguard._change
  set pending = false
  where tbl = p_tbl
    and pending
    and row_hash = any (p_row_hashes)
    and batch = (
      select b.id
      from mlguard._batch b
      where b.xid = pg_current_xact_id_if_assigned() and b.tbl = p_tbl and b.opened_at = now())
$$;
ALTER FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) IS 'Makes the change lines of rows that landed final; what stays pending is deleted at COMMIT.';
CREATE FUNCTION mlguard.count_refusals_v1(p_no integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  -- Sequences, because they alone survive the rollback that the refusal causes.
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_' || p_no);
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_at_' || p_no);
end
$$;
ALTER FUNCTION mlguard.count_refusals_v1(p_no integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.count_refusals_v1(p_no integer) IS 'Makes the refusal counters of the SLO with this number.';
CREATE FUNCTION mlguard.discard(p_id bigint, p_reason text) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.discard(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.discard(p_id bigint, p_reason text) IS 'Gives a kept row up, with who and why. It stays readable in mlguard.quarantine until its retention is over.';
CREATE FUNCTION mlguard.forget_refusals_v1(p_no integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
begin
  execute format('drop sequence if exists mlguard.%I, mlguard.%I', 'refused_' || p_no, 'refused_at_' || p_no);
end
$$;
ALTER FUNCTION mlguard.forget_refusals_v1(p_no integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.forget_refusals_v1(p_no integer) IS 'Drops the refusal counters of the SLO with this number.';
CREATE FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
declare
  _grain interval;
  _last timestamptz;
  _time timestamptz;
begin
  if p_newest is null and p_future is null then
    return;
  end if;
  _grain := (select t.grain from mlguard._table t where t.tbl = p_tbl);
  _last := mlguard.newest_v1(p_tbl);
  if isfinite(p_newest) and (_last is null or p_newest > _last + _grain) then
    insert into mlguard._freshness (tbl, newest) values (p_tbl, p_newest);
  end if;
  -- A time that has not come yet gets a line of its own, so that it counts from the moment it comes.
  _last := null;
  for _time in
    select distinct f.time from unnest(p_future) f (time) where isfinite(f.time) order by f.time
  loop
    if (_last is null or _time > _last + _grain)
       and not exists (
         select from mlguard._freshness f where f.tbl = p_tbl and f.newest between _time - _grain and _time) then
      insert into mlguard._freshness (tbl, newest) values (p_tbl, _time);
      _last := _time;
    end if;
  end loop;
end
$$;
ALTER FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) IS 'Notes the newest event time of rows that landed, and those that lie in the future.';
CREATE FUNCTION mlguard.gate_open_v1(p_tbl text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    AS $$
begin
  -- The common case in one cached plan; waivers are looked at only past it.
  if not exists (
       select from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null)
     and not exists (
       select
       from mlguard._slo s
       where s.tbl = p_tbl and s.level = 'read' and s.max_age is not null and s.action = 'hold' and not s.shadow
         and not exists (
           select
           from mlguard._freshness f
           where f.tbl = p_tbl
             and f.newest between statement_timestamp() - make_interval(secs => mlguard._seconds(s.max_age))
                              and statement_timestamp())) then
    return true;
  end if;
  return not exists (select from mlguard._closed(p_tbl));
end
$$;
ALTER FUNCTION mlguard.gate_open_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.gate_open_v1(p_tbl text) IS 'Whether the gate of a table is open now.';
CREATE FUNCTION mlguard.grant_roles() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.grant_roles() OWNER TO postgres;
COMMENT ON FUNCTION mlguard.grant_roles() IS 'Gives mlguard_platform, mlguard_task and mlguard_writer their rights, as far as these roles exist. For the owner of the schema, after an administrator made the roles.';
CREATE FUNCTION mlguard.guard_v1(p_tbl text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    AS $$
declare
  _why record;
  _slo record;
begin
  if mlguard.gate_open_v1(p_tbl) then
    return true;
  end if;
  select c.* into strict _why from mlguard._closed(p_tbl) c;
  select coalesce(s.owner, t.owner) as owner, s.runbook
  into _slo
  from mlguard._table t
  left join mlguard._slo s on s.id = _why.slo
  where t.tbl = p_tbl;
  return mlguard._raise(
    'ML001',
    format('mlguard: %s %s', p_tbl, _why.words),
    _why.slo,
    mlguard._detail(_why.slo, _why.observed, null, null,
                    jsonb_build_object('state', _why.state, 'since', _why.since, 'batch', _why.batch,
                                       'slos', _why.slos)),
    mlguard._hint(
      'Nothing is wrong with your query.',
      _slo.owner, _slo.runbook,
      format('A platform role may read on with: mlguard waive %s --until … --reason …', _why.slo)));
end
$$;
ALTER FUNCTION mlguard.guard_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.guard_v1(p_tbl text) IS 'True while the gate of a table is open; raises ML001 while it is closed. STABLE, so that a guarded view evaluates it once, before any row, on an empty table too.';
CREATE FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint DEFAULT NULL::bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) IS 'Warns (01ML1) how many rows of this statement were kept out; p_landed: rows of it that landed, where known.';
CREATE FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  _batch bigint := mlguard.batch_v1(p_tbl);
  _broken jsonb := coalesce(p_broken, '{}');
begin
  -- One judgement at COMMIT for a whole stretch of statements: re-summing at each would cost O(n²).
  insert into mlguard._delta (batch, landed, broken, first)
  values (_batch, p_rows, _broken, true)
  on conflict (batch) where first do nothing;
  if not found then
    insert into mlguard._delta (batch, landed, broken, first) values (_batch, p_rows, _broken, false);
  end if;
end
$$;
ALTER FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) IS 'Appends what one statement landed: rows, and {SLO id: rows} of those that break a rule with max_bad.';
CREATE FUNCTION mlguard.may_mend_v1() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO ''
    AS $$
  -- The invoker's rights, not ours: policies ask it on behalf of who reads.
  select exists (
    select
    from pg_roles r
    where r.rolname in ('mlguard_writer', 'mlguard_platform') and pg_has_role(current_user, r.oid, 'member'))
    or (select u.rolsuper from pg_roles u where u.rolname = current_user)
$$;
ALTER FUNCTION mlguard.may_mend_v1() OWNER TO postgres;
COMMENT ON FUNCTION mlguard.may_mend_v1() IS 'Whether the current user may read a held table in order to mend it: mlguard_writer, mlguard_platform, superusers.';
CREATE FUNCTION mlguard.newest_v1(p_tbl text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    SET enable_seqscan TO 'off'
    AS $$
  -- Event times in the future do not count: one wrong clock would keep a dead feed fresh.
  select f.newest
  from mlguard._freshness f
  where f.tbl = p_tbl and f.newest <= statement_timestamp()
  order by f.newest desc
  limit 1
$$;
ALTER FUNCTION mlguard.newest_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.newest_v1(p_tbl text) IS 'The newest event time of the freshness log that is not in the future; the table''s own is at most a grain newer.';
CREATE FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  -- A waived rule does not keep its row out; that the row broke it stays on record.
  select mlguard.note_v1(item ->> 'slo', 'NOTED', item -> 'observed', p_key, 1, 1, 'waived')
  from jsonb_array_elements(p_broken) item
  where mlguard.waived_v1(item ->> 'slo');
  select coalesce(jsonb_agg(item.value order by item.ordinality), '[]')
  from jsonb_array_elements(p_broken) with ordinality item
  where not mlguard.waived_v1(item.value ->> 'slo')
$$;
ALTER FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) IS 'Of the rules a row broke those that are not off or waived now; the others are noted.';
CREATE FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into mlguard._violation (slo, tbl, batch, observed, allowed, n, bad, key, outcome, reason)
  select p_slo, split_part(p_slo, '/', 1), mlguard.batch_v1(split_part(p_slo, '/', 1)), p_observed,
         (select s.allowed from mlguard._slo s where s.id = p_slo), p_n, p_bad, p_key, p_outcome, p_reason
$$;
ALTER FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) IS 'Records a violation that was not refused, in the batch of this transaction.';
CREATE FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select mlguard._except(p_slo, 'off', statement_timestamp() + p_for, p_reason)
$$;
ALTER FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) IS 'Stops an SLO from acting for a while, with a reason; returns when that ends.';
CREATE FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot DEFAULT NULL::pg_snapshot) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
    insert into mlguard._freshness (tbl, newest) values (p_tbl, p_newest);
  end if;
end
$$;
ALTER FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) IS 'Sets the freshness log back after the newest rows were deleted or changed. p_seen: pg_current_snapshot() taken before the newest event time was computed.';
CREATE FUNCTION mlguard.refuse_v1(p_slo text, p_observed jsonb, p_key jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
declare
  _slo mlguard._slo;
  _key_order text[];
begin
  select s.* into _slo from mlguard._slo s where s.id = p_slo;
  select t.key into _key_order from mlguard._table t where t.tbl = _slo.tbl;
  perform mlguard._count_refusal(_slo.no);
  return mlguard._raise(
    'check_violation',
    format('mlguard: %s: %s%s; this statement stored nothing',
           p_slo,
           coalesce(nullif(concat_ws(', ', mlguard._words(p_observed, _slo.columns, ' is '), _slo.allowed), ''),
                    'the row breaks it'),
           ' (' || mlguard._words(nullif(p_key, '{}'), _key_order, ' ') || ')'),
    p_slo,
    mlguard._detail(p_slo, p_observed, null, p_key),
    mlguard._hint(null, _slo.owner, _slo.runbook,
                  'Correct the row; or, if the rule is wrong, change it in the SLO file.'));
end
$$;
ALTER FUNCTION mlguard.refuse_v1(p_slo text, p_observed jsonb, p_key jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.refuse_v1(p_slo text, p_observed jsonb, p_key jsonb) IS 'Counts a refusal and raises 23514. CHECK constraints call it for a row that breaks the SLO, and only then.';
CREATE FUNCTION mlguard.release(p_id bigint, p_set jsonb DEFAULT NULL::jsonb) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.release(p_id bigint, p_set jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.release(p_id bigint, p_set jsonb) IS 'Moves a kept row into its table, judged again as any row written to it; p_set: {column: value} to correct first. Outcome: released, still broken, conflict, failed, not found, already released/obsolete/discarded.';
CREATE FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, row_hash)
  values (p_tbl, p_key, p_column, p_old, p_new, p_rule, mlguard.batch_v1(p_tbl), p_row_hash)
$$;
ALTER FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) IS 'Notes a mended value before its row lands; confirm_repairs_v1 makes it final.';
CREATE FUNCTION mlguard.replay(p_table regclass) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.replay(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.replay(p_table regclass) IS 'Offers every waiting row of a table to it again, the latest version of each key; what release() says of each.';
CREATE FUNCTION mlguard.sweep(p_as_of timestamp with time zone DEFAULT now()) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
end
$$;
ALTER FUNCTION mlguard.sweep(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) IS 'Housekeeping: closes batches, prunes logs, ends waivers, erases kept rows whose retention is over. Never needed for a verdict to be right.';
CREATE FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO ''
    AS $$
  select mlguard._except(p_slo, 'waive', p_until, p_reason)
$$;
ALTER FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) IS 'Accepts violations of an SLO until a time, with a reason; returns that time.';
CREATE FUNCTION mlguard.waived_v1(p_slo text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO ''
    AS $$
  select exists (
    select from mlguard._waiver w
    where w.slo = p_slo and w.ended_at is null and w.until > statement_timestamp())
$$;
ALTER FUNCTION mlguard.waived_v1(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.waived_v1(p_slo text) IS 'Whether an SLO is off or waived now.';
CREATE FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO ''
    AS $$
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
$$;
ALTER FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) IS 'Keeps a row that was not let into its table, whole, with every rule it broke.';
CREATE SEQUENCE mlguard.batch_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE mlguard.batch_id OWNER TO postgres;
COMMENT ON SEQUENCE mlguard.batch_id IS 'Numbers of batches. A sequence, because a transaction id does not survive dump and restore.';
CREATE TABLE mlguard._batch (
    id bigint DEFAULT nextval('mlguard.batch_id'::regclass) NOT NULL,
    tbl text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    landed bigint,
    withheld bigint,
    writer text DEFAULT SESSION_USER NOT NULL
);
ALTER TABLE mlguard._batch OWNER TO postgres;
COMMENT ON TABLE mlguard._batch IS 'Private. What one transaction wrote to one table, where a rule needs to know it.';
COMMENT ON COLUMN mlguard._batch.id IS 'Number.';
COMMENT ON COLUMN mlguard._batch.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._batch.xid IS 'The transaction.';
COMMENT ON COLUMN mlguard._batch.opened_at IS 'Start of the transaction.';
COMMENT ON COLUMN mlguard._batch.closed_at IS 'Its COMMIT; null where constraints were IMMEDIATE and sweep() has not closed it yet.';
COMMENT ON COLUMN mlguard._batch.landed IS 'Rows that landed; null where no rule of the table counts them.';
COMMENT ON COLUMN mlguard._batch.withheld IS 'Rows that were kept out.';
COMMENT ON COLUMN mlguard._batch.writer IS 'Who wrote.';
CREATE TABLE mlguard._change (
    id bigint NOT NULL,
    tbl text NOT NULL,
    key jsonb,
    column_name text NOT NULL,
    old jsonb,
    new jsonb,
    rule text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    batch bigint,
    row_hash text,
    pending boolean DEFAULT true NOT NULL
);
ALTER TABLE mlguard._change OWNER TO postgres;
COMMENT ON TABLE mlguard._change IS 'Private. Values mended before they landed.';
COMMENT ON COLUMN mlguard._change.id IS 'Number.';
COMMENT ON COLUMN mlguard._change.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._change.key IS 'Key of the row.';
COMMENT ON COLUMN mlguard._change.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._change.old IS 'Value as it arrived.';
COMMENT ON COLUMN mlguard._change.new IS 'Value that landed.';
COMMENT ON COLUMN mlguard._change.rule IS 'Id of the SLO that mended it.';
COMMENT ON COLUMN mlguard._change.at IS 'When.';
COMMENT ON COLUMN mlguard._change.batch IS 'The batch.';
COMMENT ON COLUMN mlguard._change.row_hash IS 'Hash of the mended row, by which it is found among those that landed.';
COMMENT ON COLUMN mlguard._change.pending IS 'Not known to have landed: an upsert may drop a row after it was mended.';
ALTER TABLE mlguard._change ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._delta (
    id bigint NOT NULL,
    batch bigint NOT NULL,
    landed bigint NOT NULL,
    broken jsonb DEFAULT '{}'::jsonb NOT NULL,
    first boolean NOT NULL
);
ALTER TABLE mlguard._delta OWNER TO postgres;
COMMENT ON TABLE mlguard._delta IS 'Private. One row per writing statement: appended, because updating one row again and again costs O(n²).';
COMMENT ON COLUMN mlguard._delta.id IS 'Number.';
COMMENT ON COLUMN mlguard._delta.batch IS 'The batch.';
COMMENT ON COLUMN mlguard._delta.landed IS 'Rows the statement landed.';
COMMENT ON COLUMN mlguard._delta.broken IS 'Landed rows that break a rule: {SLO id: count}.';
COMMENT ON COLUMN mlguard._delta.first IS 'Opens a stretch that has not been judged yet; the judge at COMMIT clears it.';
ALTER TABLE mlguard._delta ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._delta_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text DEFAULT SESSION_USER NOT NULL,
    act text NOT NULL,
    target text NOT NULL,
    before jsonb,
    after jsonb,
    reason text
);
ALTER TABLE mlguard._event OWNER TO postgres;
COMMENT ON TABLE mlguard._event IS 'Private. Audited acts; append-only.';
COMMENT ON COLUMN mlguard._event.id IS 'Number, in order of writing.';
COMMENT ON COLUMN mlguard._event.at IS 'When.';
COMMENT ON COLUMN mlguard._event.who IS 'Who: the user who logged in, whatever role was set.';
COMMENT ON COLUMN mlguard._event.act IS 'What was done: apply, release, discard, off, waive, …';
COMMENT ON COLUMN mlguard._event.target IS 'To what: an SLO id, a table, a quarantined row.';
COMMENT ON COLUMN mlguard._event.before IS 'State before, without values of pii columns.';
COMMENT ON COLUMN mlguard._event.after IS 'State after, without values of pii columns.';
COMMENT ON COLUMN mlguard._event.reason IS 'Why, in the words of who did it.';
ALTER TABLE mlguard._event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._freshness (
    id bigint NOT NULL,
    tbl text NOT NULL,
    newest timestamp with time zone NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);
ALTER TABLE mlguard._freshness OWNER TO postgres;
COMMENT ON TABLE mlguard._freshness IS 'Private. Newest event times, appended when they advance by more than the grain: one updated row is a hot spot.';
COMMENT ON COLUMN mlguard._freshness.id IS 'Number.';
COMMENT ON COLUMN mlguard._freshness.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._freshness.newest IS 'An event time that the table holds. In the future: counts once it has come.';
COMMENT ON COLUMN mlguard._freshness.at IS 'When the line was written.';
COMMENT ON COLUMN mlguard._freshness.xid IS 'The transaction that wrote it: tells lines of rows that a DELETE could not see.';
ALTER TABLE mlguard._freshness ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._freshness_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._hold (
    id bigint NOT NULL,
    tbl text NOT NULL,
    slo text NOT NULL,
    batch bigint,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    observed text,
    allowed text,
    ended_at timestamp with time zone,
    ended_by text,
    reason text
);
ALTER TABLE mlguard._hold OWNER TO postgres;
COMMENT ON TABLE mlguard._hold IS 'Private. The gate of a table is closed while an open row names it.';
COMMENT ON COLUMN mlguard._hold.id IS 'Number.';
COMMENT ON COLUMN mlguard._hold.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._hold.slo IS 'Id of the SLO that holds it.';
COMMENT ON COLUMN mlguard._hold.batch IS 'The batch held.';
COMMENT ON COLUMN mlguard._hold.since IS 'Closed since.';
COMMENT ON COLUMN mlguard._hold.observed IS 'What was found, in words: coverage(age) is 0.491.';
COMMENT ON COLUMN mlguard._hold.allowed IS 'What is allowed, in words: allowed >= 0.75.';
COMMENT ON COLUMN mlguard._hold.ended_at IS 'When it ended.';
COMMENT ON COLUMN mlguard._hold.ended_by IS 'Who or what ended it.';
COMMENT ON COLUMN mlguard._hold.reason IS 'Why it ended.';
ALTER TABLE mlguard._hold ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._object (
    id bigint NOT NULL,
    tbl text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    slos text[] DEFAULT '{}'::text[] NOT NULL,
    hash text DEFAULT ''::text NOT NULL,
    definition_hash text DEFAULT ''::text NOT NULL,
    undo text[] DEFAULT '{}'::text[] NOT NULL,
    installed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE mlguard._object OWNER TO postgres;
COMMENT ON TABLE mlguard._object IS 'Private. One row per constraint, trigger, function, view or policy made by apply.';
COMMENT ON COLUMN mlguard._object.id IS 'Number.';
COMMENT ON COLUMN mlguard._object.tbl IS 'The guarded table it belongs to.';
COMMENT ON COLUMN mlguard._object.kind IS 'What it is: constraint, trigger, function, view, policy, …';
COMMENT ON COLUMN mlguard._object.name IS 'Its identity within table and kind.';
COMMENT ON COLUMN mlguard._object.slos IS 'Ids of the SLOs it carries.';
COMMENT ON COLUMN mlguard._object.hash IS 'Hash of the SQL that made it; also in its COMMENT.';
COMMENT ON COLUMN mlguard._object.definition_hash IS 'Hash of PostgreSQL''s own definition, read back after apply.';
COMMENT ON COLUMN mlguard._object.undo IS 'Statements that take it out again, in order.';
COMMENT ON COLUMN mlguard._object.installed_at IS 'When it was made or replaced.';
ALTER TABLE mlguard._object ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._object_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE mlguard._quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._slo (
    id text NOT NULL,
    no integer NOT NULL,
    tbl text NOT NULL,
    name text NOT NULL,
    level text NOT NULL,
    check_text text NOT NULL,
    allowed text,
    action text NOT NULL,
    place text NOT NULL,
    reason text,
    columns text[] DEFAULT '{}'::text[] NOT NULL,
    column_name text,
    max_bad_share numeric,
    max_bad_rows bigint,
    min_rows bigint DEFAULT 30 NOT NULL,
    max_age interval,
    shadow boolean DEFAULT false NOT NULL,
    waivable boolean DEFAULT false NOT NULL,
    portable boolean DEFAULT false NOT NULL,
    severity text DEFAULT 'normal'::text NOT NULL,
    owner text,
    runbook text,
    description text,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    then_do text[] DEFAULT '{notify}'::text[] NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    hash text DEFAULT ''::text NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT _slo_action CHECK ((action = ANY (ARRAY['reject'::text, 'quarantine'::text, 'repair'::text, 'hold'::text, 'warn'::text]))),
    CONSTRAINT _slo_id CHECK ((id = ((tbl || '/'::text) || name))),
    CONSTRAINT _slo_level CHECK ((level = ANY (ARRAY['row'::text, 'batch'::text, 'window'::text, 'read'::text, 'assertion'::text]))),
    CONSTRAINT _slo_max_bad CHECK (((max_bad_share IS NULL) OR (max_bad_rows IS NULL))),
    CONSTRAINT _slo_severity CHECK ((severity = ANY (ARRAY['low'::text, 'normal'::text, 'page'::text])))
);
ALTER TABLE mlguard._slo OWNER TO postgres;
COMMENT ON TABLE mlguard._slo IS 'Private. One row per SLO in force.';
COMMENT ON COLUMN mlguard._slo.id IS '<schema>.<table>/<name>.';
COMMENT ON COLUMN mlguard._slo.no IS 'Short number; names the refusal counters refused_<no> and refused_at_<no>.';
COMMENT ON COLUMN mlguard._slo.tbl IS 'The guarded table.';
COMMENT ON COLUMN mlguard._slo.name IS 'Name within the table.';
COMMENT ON COLUMN mlguard._slo.level IS 'Over what it is judged: row, batch, window, read, assertion.';
COMMENT ON COLUMN mlguard._slo.check_text IS 'The check as its author wrote it.';
COMMENT ON COLUMN mlguard._slo.allowed IS 'What is allowed, in words, as messages end: allowed 0 to 130.';
COMMENT ON COLUMN mlguard._slo.action IS 'What happens on violation: reject, quarantine, repair, hold, warn.';
COMMENT ON COLUMN mlguard._slo.place IS 'Where in the database it lives: CHECK constraint, row trigger, read gate, …';
COMMENT ON COLUMN mlguard._slo.reason IS 'Why it lives there.';
COMMENT ON COLUMN mlguard._slo.columns IS 'Columns the check reads, in the order it names them.';
COMMENT ON COLUMN mlguard._slo.column_name IS 'The one column it is about, where there is one.';
COMMENT ON COLUMN mlguard._slo.max_bad_share IS 'Tolerated share of bad rows in one transaction; 0.05 is 5%.';
COMMENT ON COLUMN mlguard._slo.max_bad_rows IS 'Tolerated number of bad rows in one transaction.';
COMMENT ON COLUMN mlguard._slo.min_rows IS 'Rows below which a share is not judged.';
COMMENT ON COLUMN mlguard._slo.max_age IS 'Limit of staleness(), for level read.';
COMMENT ON COLUMN mlguard._slo.shadow IS 'Judged and recorded, never acts.';
COMMENT ON COLUMN mlguard._slo.waivable IS 'Placed where a waiver takes effect without DDL.';
COMMENT ON COLUMN mlguard._slo.portable IS 'A plain CHECK that loads without schema mlguard.';
COMMENT ON COLUMN mlguard._slo.severity IS 'low, normal or page.';
COMMENT ON COLUMN mlguard._slo.owner IS 'Who answers for it.';
COMMENT ON COLUMN mlguard._slo.runbook IS 'Where it is written what to do.';
COMMENT ON COLUMN mlguard._slo.description IS 'What it is for.';
COMMENT ON COLUMN mlguard._slo.tags IS 'Words to select by.';
COMMENT ON COLUMN mlguard._slo.then_do IS 'Further actions: notify, retrain, …';
COMMENT ON COLUMN mlguard._slo.version IS 'Counts the changes of its meaning.';
COMMENT ON COLUMN mlguard._slo.hash IS 'Hash of its meaning.';
COMMENT ON COLUMN mlguard._slo.since IS 'In force since, in this version.';
ALTER TABLE mlguard._slo ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._slo_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._table (
    tbl text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    key text[] DEFAULT '{}'::text[] NOT NULL,
    pii text[] DEFAULT '{}'::text[] NOT NULL,
    event_time text,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    writes text DEFAULT 'bulk'::text NOT NULL,
    reads text DEFAULT 'view'::text NOT NULL,
    on_update text DEFAULT 'reject'::text NOT NULL,
    quarantine_cap bigint DEFAULT 1000000 NOT NULL,
    quarantine_retention interval,
    grain interval DEFAULT '00:01:00'::interval NOT NULL,
    owner text,
    consumers text[] DEFAULT '{}'::text[] NOT NULL,
    hash text DEFAULT ''::text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    applied_by text DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT _table_cap CHECK ((quarantine_cap > 0)),
    CONSTRAINT _table_name CHECK ((tbl = ((schema_name || '.'::text) || table_name)))
);
ALTER TABLE mlguard._table OWNER TO postgres;
COMMENT ON TABLE mlguard._table IS 'Private. One row per table that an SLO file guards.';
COMMENT ON COLUMN mlguard._table.tbl IS 'schema.table, exact names, unquoted.';
COMMENT ON COLUMN mlguard._table.schema_name IS 'Schema of the table.';
COMMENT ON COLUMN mlguard._table.table_name IS 'Name of the table.';
COMMENT ON COLUMN mlguard._table.key IS 'Columns that identify a row; empty: rows are told by a hash.';
COMMENT ON COLUMN mlguard._table.pii IS 'Columns whose values mlguard never shows.';
COMMENT ON COLUMN mlguard._table.event_time IS 'Event time as the SLO file writes it: column or expression.';
COMMENT ON COLUMN mlguard._table.time_zone IS 'How days are cut and times without a zone are read.';
COMMENT ON COLUMN mlguard._table.writes IS 'How the table is mostly written: bulk or rows.';
COMMENT ON COLUMN mlguard._table.reads IS 'How guarded readers reach it: view, rename, policy or none.';
COMMENT ON COLUMN mlguard._table.on_update IS 'What a quarantine rule does to an UPDATE: reject, keep or remove.';
COMMENT ON COLUMN mlguard._table.quarantine_cap IS 'Waiting rows at most; at the cap writes are refused.';
COMMENT ON COLUMN mlguard._table.quarantine_retention IS 'Age at which sweep() erases kept rows; null: never.';
COMMENT ON COLUMN mlguard._table.grain IS 'Step of the freshness log: smaller advances are not written.';
COMMENT ON COLUMN mlguard._table.owner IS 'Who answers for the table.';
COMMENT ON COLUMN mlguard._table.consumers IS 'Tasks that read the table.';
COMMENT ON COLUMN mlguard._table.hash IS 'Hash of the program that was applied.';
COMMENT ON COLUMN mlguard._table.applied_at IS 'When it was applied last.';
COMMENT ON COLUMN mlguard._table.applied_by IS 'Who applied it.';
CREATE TABLE mlguard._violation (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    slo text NOT NULL,
    tbl text NOT NULL,
    batch bigint,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    segment text,
    observed jsonb,
    allowed text,
    n bigint,
    bad bigint,
    key jsonb,
    outcome text NOT NULL,
    reason text,
    CONSTRAINT _violation_outcome CHECK ((outcome = ANY (ARRAY['FAIL'::text, 'NOTED'::text])))
);
ALTER TABLE mlguard._violation OWNER TO postgres;
COMMENT ON TABLE mlguard._violation IS 'Private. Violations that were recorded rather than refused.';
COMMENT ON COLUMN mlguard._violation.id IS 'Number.';
COMMENT ON COLUMN mlguard._violation.at IS 'When it was recorded.';
COMMENT ON COLUMN mlguard._violation.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._violation.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._violation.batch IS 'The batch judged.';
COMMENT ON COLUMN mlguard._violation.window_start IS 'Start of the window judged.';
COMMENT ON COLUMN mlguard._violation.window_end IS 'End of the window judged.';
COMMENT ON COLUMN mlguard._violation.segment IS 'The segment judged.';
COMMENT ON COLUMN mlguard._violation.observed IS 'What was found.';
COMMENT ON COLUMN mlguard._violation.allowed IS 'What is allowed, in words.';
COMMENT ON COLUMN mlguard._violation.n IS 'Rows judged.';
COMMENT ON COLUMN mlguard._violation.bad IS 'Rows among them that break the SLO.';
COMMENT ON COLUMN mlguard._violation.key IS 'Key of one such row.';
COMMENT ON COLUMN mlguard._violation.outcome IS 'FAIL, or NOTED where the SLO is shadow or waived.';
COMMENT ON COLUMN mlguard._violation.reason IS 'Further words.';
ALTER TABLE mlguard._violation ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._violation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._waiver (
    id bigint NOT NULL,
    slo text NOT NULL,
    kind text NOT NULL,
    until timestamp with time zone NOT NULL,
    reason text NOT NULL,
    who text DEFAULT SESSION_USER NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    CONSTRAINT _waiver_ends CHECK (isfinite(until)),
    CONSTRAINT _waiver_kind CHECK ((kind = ANY (ARRAY['off'::text, 'waive'::text]))),
    CONSTRAINT _waiver_reason CHECK ((reason ~ '\S'::text))
);
ALTER TABLE mlguard._waiver OWNER TO postgres;
COMMENT ON TABLE mlguard._waiver IS 'Private. Expiring exceptions to SLOs.';
COMMENT ON COLUMN mlguard._waiver.id IS 'Number.';
COMMENT ON COLUMN mlguard._waiver.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._waiver.kind IS 'off: not acted on for a while; waive: a known failure is accepted.';
COMMENT ON COLUMN mlguard._waiver.until IS 'When it ends by itself.';
COMMENT ON COLUMN mlguard._waiver.reason IS 'Why.';
COMMENT ON COLUMN mlguard._waiver.who IS 'Who.';
COMMENT ON COLUMN mlguard._waiver.at IS 'When it was given.';
COMMENT ON COLUMN mlguard._waiver.ended_at IS 'When it was ended, by hand or by sweep().';
ALTER TABLE mlguard._waiver ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._waiver_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard.alembic_version (
    version_num character varying(32) NOT NULL
);
ALTER TABLE mlguard.alembic_version OWNER TO postgres;
CREATE VIEW mlguard.batch AS
 SELECT id,
    tbl,
    opened_at,
    closed_at,
        CASE
            WHEN (closed_at IS NOT NULL) THEN landed
            ELSE ( SELECT (sum(d.landed))::bigint AS sum
               FROM mlguard._delta d
              WHERE (d.batch = b.id))
        END AS landed,
        CASE
            WHEN (closed_at IS NOT NULL) THEN withheld
            ELSE ( SELECT count(*) AS count
               FROM mlguard._quarantine q
              WHERE (q.batch = b.id))
        END AS withheld,
    writer
   FROM mlguard._batch b;
ALTER VIEW mlguard.batch OWNER TO postgres;
COMMENT ON VIEW mlguard.batch IS 'What one transaction wrote to one table, where a rule needed to know it.';
CREATE VIEW mlguard.change AS
 SELECT c.id,
    c.tbl,
    mlguard._masked(c.key, t.pii) AS key,
    c.column_name,
        CASE
            WHEN (c.column_name <> ALL (t.pii)) THEN c.old
            ELSE to_jsonb('not shown (pii)'::text)
        END AS old,
        CASE
            WHEN (c.column_name <> ALL (t.pii)) THEN c.new
            ELSE to_jsonb('not shown (pii)'::text)
        END AS new,
    c.rule,
    c.at,
    c.batch
   FROM (mlguard._change c
     LEFT JOIN mlguard._table t ON ((t.tbl = c.tbl)))
  WHERE (NOT c.pending);
ALTER VIEW mlguard.change OWNER TO postgres;
COMMENT ON VIEW mlguard.change IS 'Values mended before they landed.';
CREATE VIEW mlguard.event AS
 SELECT id,
    at,
    who,
    act,
    target,
    before,
    after,
    reason
   FROM mlguard._event e;
ALTER VIEW mlguard.event OWNER TO postgres;
COMMENT ON VIEW mlguard.event IS 'Audited acts.';
CREATE VIEW mlguard.gate AS
 SELECT t.tbl,
        CASE
            WHEN (c.words IS NULL) THEN 'open'::text
            ELSE 'closed'::text
        END AS state,
    c.since,
    f.fresh_until,
    ((t.tbl || ' '::text) || c.words) AS why
   FROM ((mlguard._table t
     LEFT JOIN LATERAL mlguard._closed(t.tbl) c(slo, state, since, batch, observed, slos, words) ON (true))
     LEFT JOIN LATERAL ( SELECT (mlguard.newest_v1(t.tbl) + make_interval(secs => (mlguard._seconds(min(s.max_age)))::double precision)) AS fresh_until
           FROM mlguard._slo s
          WHERE ((s.tbl = t.tbl) AND (s.level = 'read'::text) AND (s.max_age IS NOT NULL) AND (s.action = 'hold'::text) AND (NOT s.shadow))) f ON (true));
ALTER VIEW mlguard.gate OWNER TO postgres;
COMMENT ON VIEW mlguard.gate IS 'Guarded tables: whether reads are let through, until when without new rows, and why not.';
COMMENT ON COLUMN mlguard.gate.since IS 'Closed since; null while open, and where the table never held a row.';
CREATE VIEW mlguard.hold AS
 SELECT id,
    tbl,
    slo,
    batch,
    since,
    observed,
    allowed,
    ended_at,
    ended_by,
    reason
   FROM mlguard._hold h;
ALTER VIEW mlguard.hold OWNER TO postgres;
COMMENT ON VIEW mlguard.hold IS 'Holds, open and ended.';
CREATE VIEW mlguard.object AS
 SELECT tbl,
    kind,
    name,
    slos,
    hash,
    definition_hash,
    installed_at
   FROM mlguard._object o;
ALTER VIEW mlguard.object OWNER TO postgres;
COMMENT ON VIEW mlguard.object IS 'Constraints, triggers, functions, views and policies made by mlguard.';
CREATE VIEW mlguard.quarantine AS
 SELECT q.id,
    q.tbl,
    mlguard._masked(q.key, t.pii) AS key,
    mlguard._masked(q."row", t.pii) AS "row",
    mlguard._masked_rules(q.broken, t.pii) AS broken,
    q.slos,
    q.batch,
    q.op,
    q.superseded,
    q.status,
    q.kept_at,
    q.writer,
    q.decided_at,
    q.decided_by,
    q.reason
   FROM (mlguard._quarantine q
     LEFT JOIN mlguard._table t ON ((t.tbl = q.tbl)));
ALTER VIEW mlguard.quarantine OWNER TO postgres;
COMMENT ON VIEW mlguard.quarantine IS 'Rows kept out of guarded tables.';
CREATE VIEW mlguard.rejection AS
 SELECT s.id AS slo,
    s.tbl,
    r.refused,
    r.last_at
   FROM (mlguard._slo s
     JOIN mlguard._refusals() r(no, refused, last_at) ON ((r.no = s.no)));
ALTER VIEW mlguard.rejection OWNER TO postgres;
COMMENT ON VIEW mlguard.rejection IS 'Refused attempts by SLO; they survive the rollback that refused them. Approximate after a crash of the server.';
CREATE VIEW mlguard.slo AS
 SELECT id,
    tbl,
    name,
    level,
    check_text,
    allowed,
    action,
    place,
    reason,
    columns,
    COALESCE((max_bad_rows || ' rows'::text), (trim_scale((max_bad_share * (100)::numeric)) || '%'::text)) AS max_bad,
    max_age,
    shadow,
    waivable,
    portable,
    severity,
    owner,
    runbook,
    description,
    tags,
    then_do,
    version,
    since,
    ( SELECT max(w.until) AS max
           FROM mlguard._waiver w
          WHERE ((w.slo = s.id) AND (w.ended_at IS NULL) AND (w.until > statement_timestamp()))) AS waived_until,
    mlguard._health(id) AS health
   FROM mlguard._slo s;
ALTER VIEW mlguard.slo OWNER TO postgres;
COMMENT ON VIEW mlguard.slo IS 'SLOs in force.';
CREATE VIEW mlguard.violation AS
 SELECT v.id,
    v.at,
    v.slo,
    v.tbl,
    v.batch,
    v.window_start,
    v.window_end,
    v.segment,
    mlguard._masked(v.observed, t.pii) AS observed,
    v.allowed,
    v.n,
    v.bad,
    mlguard._masked(v.key, t.pii) AS key,
    v.outcome,
    v.reason
   FROM (mlguard._violation v
     LEFT JOIN mlguard._table t ON ((t.tbl = v.tbl)));
ALTER VIEW mlguard.violation OWNER TO postgres;
COMMENT ON VIEW mlguard.violation IS 'Recorded violations.';
CREATE VIEW mlguard.waiver AS
 SELECT id,
    slo,
    kind,
    until,
    reason,
    who,
    at,
        CASE
            WHEN (until <= statement_timestamp()) THEN LEAST(ended_at, until)
            ELSE ended_at
        END AS ended_at
   FROM mlguard._waiver w;
ALTER VIEW mlguard.waiver OWNER TO postgres;
COMMENT ON VIEW mlguard.waiver IS 'Exceptions to SLOs, current and past.';
ALTER TABLE ONLY mlguard._batch
    ADD CONSTRAINT _batch_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._batch
    ADD CONSTRAINT _batch_transaction UNIQUE (xid, tbl, opened_at);
ALTER TABLE ONLY mlguard._change
    ADD CONSTRAINT _change_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._delta
    ADD CONSTRAINT _delta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._event
    ADD CONSTRAINT _event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._freshness
    ADD CONSTRAINT _freshness_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._hold
    ADD CONSTRAINT _hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._object
    ADD CONSTRAINT _object_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._object
    ADD CONSTRAINT _object_tbl_kind_name_key UNIQUE (tbl, kind, name);
ALTER TABLE ONLY mlguard._quarantine
    ADD CONSTRAINT _quarantine_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_no_key UNIQUE (no);
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._table
    ADD CONSTRAINT _table_pkey PRIMARY KEY (tbl);
ALTER TABLE ONLY mlguard._violation
    ADD CONSTRAINT _violation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._waiver
    ADD CONSTRAINT _waiver_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
CREATE INDEX _change_batch ON mlguard._change USING btree (batch);
CREATE INDEX _change_pending ON mlguard._change USING btree (tbl, batch) WHERE pending;
CREATE INDEX _change_tbl ON mlguard._change USING btree (tbl, id);
CREATE INDEX _delta_batch ON mlguard._delta USING btree (batch);
CREATE UNIQUE INDEX _delta_first ON mlguard._delta USING btree (batch) WHERE first;
CREATE INDEX _event_target ON mlguard._event USING btree (target, id);
CREATE INDEX _freshness_newest ON mlguard._freshness USING btree (tbl, newest DESC);
CREATE INDEX _hold_open ON mlguard._hold USING btree (tbl) WHERE (ended_at IS NULL);
CREATE INDEX _quarantine_batch ON mlguard._quarantine USING btree (batch);
CREATE INDEX _quarantine_waiting ON mlguard._quarantine USING btree (tbl, id) WHERE (status = 'waiting'::text);
CREATE INDEX _slo_gate ON mlguard._slo USING btree (tbl) WHERE (level = 'read'::text);
CREATE INDEX _slo_tbl ON mlguard._slo USING btree (tbl);
CREATE INDEX _violation_slo ON mlguard._violation USING btree (slo, id);
CREATE INDEX _violation_tbl ON mlguard._violation USING btree (tbl, id);
CREATE INDEX _waiver_open ON mlguard._waiver USING btree (slo, until) WHERE (ended_at IS NULL);
CREATE CONSTRAINT TRIGGER close_batch AFTER INSERT ON mlguard._batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mlguard._close_batch();
ALTER TABLE mlguard._batch ENABLE ALWAYS TRIGGER close_batch;
CREATE CONSTRAINT TRIGGER judge_batch AFTER INSERT ON mlguard._delta DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.first) EXECUTE FUNCTION mlguard._judge_batch();
ALTER TABLE mlguard._delta ENABLE ALWAYS TRIGGER judge_batch;
CREATE TRIGGER refuse_rewriting BEFORE DELETE OR UPDATE OR TRUNCATE ON mlguard._event FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_rewriting();
ALTER TABLE mlguard._event ENABLE ALWAYS TRIGGER refuse_rewriting;
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_tbl_fkey FOREIGN KEY (tbl) REFERENCES mlguard._table(tbl) ON UPDATE CASCADE ON DELETE CASCADE;
GRANT USAGE ON SCHEMA mlguard TO mlguard_platform;
GRANT USAGE ON SCHEMA mlguard TO mlguard_task;
GRANT USAGE ON SCHEMA mlguard TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._bad_rows(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._close_batch() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._closed(p_tbl text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._count_batch(p_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_refusal(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._health(p_slo text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_batch() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._length(p_length interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._minute(p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._offer(p_row mlguard._quarantine, p_set jsonb, OUT outcome text, OUT reason text, OUT broken jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._reasons(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refusals() FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refuse_rewriting() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._seconds(p_length interval) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._shown(p_value jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._tbl(p_table regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.assert_ok(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard.batch_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.count_refusals_v1(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.discard(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.discard(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.forget_refusals_v1(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.grant_roles() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.newest_v1(p_tbl text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.release(p_id bigint, p_set jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.release(p_id bigint, p_set jsonb) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.replay(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.replay(p_table regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.waived_v1(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) FROM PUBLIC;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_task;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_task;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.change TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.event TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_task;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.hold TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.object TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.quarantine TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_task;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_task;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_task;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.waiver TO mlguard_platform;
