-- How a write is refused: the words and fields of every message, the count that outlives the rollback.
-- Functions ending in _v1 are called from objects made by apply: their meaning never changes, a new one is _v2.


create function mlguard._shown(p_value jsonb)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- One line, and not longer than a reader wants to see of one value.
  select case
    when v.text = '' then $$''$$
    when length(v.text) > 80 then left(v.text, 80) || '…'
    else v.text
  end
  from (select regexp_replace(coalesce(p_value #>> '{}', 'NULL'), '[[:cntrl:]]+', ' ', 'g') as text) v
$mlguard$;

comment on function mlguard._shown(jsonb) is 'Private. One value as messages show it.';


create function mlguard._words(p_values jsonb, p_order text[], p_between text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- jsonb orders its keys by length; people expect the order of the rule or of the key.
  select case coalesce(jsonb_typeof(p_values), 'null')
    when 'object' then (
      select string_agg(e.key || p_between || mlguard._shown(e.value), ', '
                        order by array_position(p_order, e.key), e.ordinality)
      from jsonb_each(p_values) with ordinality e (key, value, ordinality))
    when 'null' then null
    else mlguard._shown(p_values)
  end
$mlguard$;

comment on function mlguard._words(jsonb, text[], text) is 'Private. {"a": 1, "b": "x"} as «a is 1, b is x».';


create function mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text)
returns text
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select concat_ws(' ', p_begin, 'Owner ' || nullif(p_owner, '') || '.', 'Runbook ' || nullif(p_runbook, ''), p_end)
$mlguard$;

comment on function mlguard._hint(text, text, text, text) is 'Private. The HINT of a message, without what is unknown.';


create function mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb default '{}')
returns jsonb
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select jsonb_build_object(
           'slo', p_slo, 'table', split_part(p_slo, '/', 1), 'column', s.column_name, 'observed', p_observed,
           'allowed', coalesce(p_allowed, s.allowed), 'key', p_key, 'severity', s.severity, 'owner', s.owner,
           'runbook', s.runbook, 'version', s.version) || p_more
  from (select p_slo as id) wanted
  left join mlguard._slo s on s.id = wanted.id
$mlguard$;

comment on function mlguard._detail(text, jsonb, text, jsonb, jsonb) is
  'Private. The DETAIL of a message: what clients read instead of its words.';


create function mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._raise(text, text, text, jsonb, text) is
  'Private. Raises with every field set; never returns. A function, not a statement of PERFORM, whose text PostgreSQL '
  'would print as CONTEXT.';


create function mlguard.count_refusals_v1(p_no integer)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- Sequences, because they alone survive the rollback that the refusal causes.
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_' || p_no);
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_at_' || p_no);
end
$mlguard$;

comment on function mlguard.count_refusals_v1(integer) is 'Makes the refusal counters of the SLO with this number.';


create function mlguard.forget_refusals_v1(p_no integer)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('drop sequence if exists mlguard.%I, mlguard.%I', 'refused_' || p_no, 'refused_at_' || p_no);
end
$mlguard$;

comment on function mlguard.forget_refusals_v1(integer) is 'Drops the refusal counters of the SLO with this number.';


create function mlguard._count_refusal(p_no integer)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _counter regclass := to_regclass('mlguard.refused_' || p_no);
  _clock regclass := to_regclass('mlguard.refused_at_' || p_no);
begin
  if _counter is not null and _clock is not null then
    perform nextval(_counter), setval(_clock, (extract(epoch from clock_timestamp()) * 1000)::bigint);
  end if;
end
$mlguard$;

comment on function mlguard._count_refusal(integer) is 'Private. Counts one refusal and notes its time.';


create function mlguard.refuse_v1(p_slo text, p_observed jsonb, p_key jsonb)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.refuse_v1(text, jsonb, jsonb) is
  'Counts a refusal and raises 23514. CHECK constraints call it for a row that breaks the SLO, and only then.';
