CREATE SCHEMA mlguard;
ALTER SCHEMA mlguard OWNER TO postgres;
COMMENT ON SCHEMA mlguard IS 'mlguard: SLOs of feature tables. Views and functions are the interface; tables that begin with _ are private.';
CREATE TYPE mlguard._ratio AS (
	score double precision,
	error double precision,
	unit double precision,
	lim double precision,
	expected double precision,
	low double precision,
	high double precision,
	guess integer
);
ALTER TYPE mlguard._ratio OWNER TO postgres;
COMMENT ON TYPE mlguard._ratio IS 'Private. A value held against its band.';
CREATE TYPE mlguard.found_v1 AS (
	metrics text[],
	vals double precision[],
	n bigint,
	ok boolean,
	reason text
);
ALTER TYPE mlguard.found_v1 OWNER TO postgres;
COMMENT ON TYPE mlguard.found_v1 IS 'What a verdict function returns: metrics and values, rows, whether the check holds (null: no answer), and why not.';
CREATE TABLE mlguard._incident (
    id bigint NOT NULL,
    slo text NOT NULL,
    tbl text NOT NULL,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    column_name text,
    state text DEFAULT 'open'::text NOT NULL,
    severity text NOT NULL,
    cause bigint,
    precedence double precision[] NOT NULL,
    scope tstzrange,
    first_batch bigint,
    over text NOT NULL,
    batch bigint,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    n bigint,
    observed text,
    allowed text,
    headline text NOT NULL,
    pii text[] DEFAULT '{}'::text[] NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    times bigint NOT NULL,
    flaps integer DEFAULT 0 NOT NULL,
    first_verdict bigint,
    last_verdict bigint,
    also bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    acked_at timestamp with time zone,
    acked_by text,
    acked_reason text,
    snoozed_at timestamp with time zone,
    snoozed_by text,
    snoozed_until timestamp with time zone,
    snoozed_reason text,
    resolved_at timestamp with time zone,
    resolved_by text,
    resolved_reason text,
    auto boolean DEFAULT false NOT NULL,
    label text,
    labelled_at timestamp with time zone,
    labelled_by text,
    label_reason text,
    alarm bigint,
    told text,
    told_severity text,
    told_to text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT _incident_cause CHECK ((cause <> id)),
    CONSTRAINT _incident_label CHECK ((label = ANY (ARRAY['true'::text, 'false'::text, 'expected'::text]))),
    CONSTRAINT _incident_severity CHECK ((severity = ANY (ARRAY['low'::text, 'normal'::text, 'page'::text]))),
    CONSTRAINT _incident_state CHECK ((state = ANY (ARRAY['open'::text, 'acknowledged'::text, 'snoozed'::text, 'resolved'::text])))
);
ALTER TABLE mlguard._incident OWNER TO postgres;
COMMENT ON TABLE mlguard._incident IS 'Private. One row per SLO and segment, from the first failure to resolution. Written under one advisory lock, never by a judge.';
COMMENT ON COLUMN mlguard._incident.id IS 'Number.';
COMMENT ON COLUMN mlguard._incident.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._incident.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._incident.segment IS 'The segment; {}: all rows.';
COMMENT ON COLUMN mlguard._incident.column_name IS 'The one column it is about, where there is one.';
COMMENT ON COLUMN mlguard._incident.state IS 'open, acknowledged, snoozed or resolved.';
COMMENT ON COLUMN mlguard._incident.severity IS 'low, normal or page; never less than that of an incident it is the cause of.';
COMMENT ON COLUMN mlguard._incident.cause IS 'The incident this one is a consequence of; only incidents without one alert.';
COMMENT ON COLUMN mlguard._incident.precedence IS 'The smaller, the likelier the cause: kind (0 schema, 1 volume or freshness, 2 other, 3 could not be judged), - score, severity, - importance of the column, - excess over the limit, first verdict.';
COMMENT ON COLUMN mlguard._incident.scope IS 'Stretch of time that the failure which opened it is about.';
COMMENT ON COLUMN mlguard._incident.first_batch IS 'The batch whose failure opened it.';
COMMENT ON COLUMN mlguard._incident.over IS 'batch, a calendar length, last …, read, assertion or schema.';
COMMENT ON COLUMN mlguard._incident.batch IS 'The batch that failed last.';
COMMENT ON COLUMN mlguard._incident.window_start IS 'Start of the window that failed last.';
COMMENT ON COLUMN mlguard._incident.window_end IS 'End of the window that failed last.';
COMMENT ON COLUMN mlguard._incident.n IS 'Rows judged then.';
COMMENT ON COLUMN mlguard._incident.observed IS 'What was found then, in words; no value of a pii column.';
COMMENT ON COLUMN mlguard._incident.allowed IS 'What is allowed, in words.';
COMMENT ON COLUMN mlguard._incident.headline IS 'All of it in one line, as alerts begin.';
COMMENT ON COLUMN mlguard._incident.pii IS 'Columns that were personal when these words were written.';
COMMENT ON COLUMN mlguard._incident.opened_at IS 'When it was first judged a failure.';
COMMENT ON COLUMN mlguard._incident.last_at IS 'When it was last judged a failure.';
COMMENT ON COLUMN mlguard._incident.times IS 'How often it was judged a failure.';
COMMENT ON COLUMN mlguard._incident.flaps IS 'How often it came back soon after it had resolved itself; each time it takes one more good batch or window.';
COMMENT ON COLUMN mlguard._incident.first_verdict IS 'The verdict that opened it.';
COMMENT ON COLUMN mlguard._incident.last_verdict IS 'The last verdict that failed.';
COMMENT ON COLUMN mlguard._incident.also IS 'Other numbers it was given by transactions that failed at the same time and could not see one another.';
COMMENT ON COLUMN mlguard._incident.acked_at IS 'When somebody took it on.';
COMMENT ON COLUMN mlguard._incident.acked_by IS 'Who.';
COMMENT ON COLUMN mlguard._incident.acked_reason IS 'What they said.';
COMMENT ON COLUMN mlguard._incident.snoozed_at IS 'When it was snoozed.';
COMMENT ON COLUMN mlguard._incident.snoozed_by IS 'By whom.';
COMMENT ON COLUMN mlguard._incident.snoozed_until IS 'Until when.';
COMMENT ON COLUMN mlguard._incident.snoozed_reason IS 'Why.';
COMMENT ON COLUMN mlguard._incident.resolved_at IS 'When it was resolved.';
COMMENT ON COLUMN mlguard._incident.resolved_by IS 'By whom.';
COMMENT ON COLUMN mlguard._incident.resolved_reason IS 'Why.';
COMMENT ON COLUMN mlguard._incident.auto IS 'Resolved by itself.';
COMMENT ON COLUMN mlguard._incident.label IS 'Judged by a person: true, false (nothing was wrong) or expected (real, and wanted); null: not judged.';
COMMENT ON COLUMN mlguard._incident.labelled_at IS 'When it was judged.';
COMMENT ON COLUMN mlguard._incident.labelled_by IS 'By whom.';
COMMENT ON COLUMN mlguard._incident.label_reason IS 'What they said.';
COMMENT ON COLUMN mlguard._incident.alarm IS 'Number of the alarm: mostly its own. A likelier cause that is found later takes the alarm over with its number.';
COMMENT ON COLUMN mlguard._incident.told IS 'The state that the outbox told last; null: nobody was told yet.';
COMMENT ON COLUMN mlguard._incident.told_severity IS 'The severity that was told last.';
COMMENT ON COLUMN mlguard._incident.told_to IS 'Whom the outbox has told.';
CREATE FUNCTION mlguard._acted_on(p_id bigint, p_act text) RETURNS mlguard._incident
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident;
begin
  perform mlguard._wait_turn('incidents');
  perform mlguard._sweep_incidents(statement_timestamp());
  select i.* into _incident from mlguard._incident i where i.id = p_id or p_id = any (i.also) order by i.id = p_id desc;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no incident %s', coalesce(p_id::text, 'NULL')),
      hint = 'mlguard incidents list, or: select id, state, headline from mlguard.incident';
  end if;
  if _incident.state = 'resolved' and p_act <> 'label' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: incident %s was resolved %s by %s: %s', _incident.id,
                       mlguard._minute(_incident.resolved_at), _incident.resolved_by, _incident.resolved_reason),
      hint = 'Nothing is left to do; mlguard.label says whether it was a true or a false alarm.';
  end if;
  return _incident;
end
$$;
ALTER FUNCTION mlguard._acted_on(p_id bigint, p_act text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._acted_on(p_id bigint, p_act text) IS 'Private. The incident of a number, locked against sweeps; raises where there is none, or it is resolved.';
CREATE FUNCTION mlguard._alarm_of(p_incident mlguard._incident) RETURNS mlguard._incident
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Volatile: it has to see what the sweep before it just wrote.
  -- To acknowledge a consequence is to acknowledge the alarm it belongs to.
  select i.*
  from mlguard._incident i
  where i.id = coalesce(
    (select c.id from mlguard._incident c where c.id = p_incident.cause and c.state <> 'resolved'), p_incident.id)
$$;
ALTER FUNCTION mlguard._alarm_of(p_incident mlguard._incident) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._alarm_of(p_incident mlguard._incident) IS 'Private. The incident that alerts for another one, or itself.';
CREATE FUNCTION mlguard._arm(p_tbl text, p_over text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _trial integer;
  _alarms integer;
  _n bigint;
begin
  -- Those that act need no trial; what all verdicts there ever were say is not asked at every sweep.
  if not exists (
       select
       from mlguard._slo s
       where s.tbl = p_tbl and s.over = p_over and s.learned <> '{}' and not s.shadow
         and not exists (select from mlguard._armed a where a.slo = s.id)) then
    return 0;
  end if;
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
$$;
ALTER FUNCTION mlguard._arm(p_tbl text, p_over text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._arm(p_tbl text, p_over text) IS 'Private. Lets learned SLOs act once their trial stayed within the budget: at most one alarm in twenty windows or batches, real ones included.';
CREATE FUNCTION mlguard._arrival(p_tbl text, p_arrives jsonb, p_at timestamp with time zone, OUT due timestamp with time zone, OUT wanted timestamp with time zone, OUT arrived boolean) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  _before timestamptz;
begin
  due := mlguard._deadline(p_arrives, p_at, true);
  _before := mlguard._deadline(p_arrives, due, false);
  select mlguard._window_floor(t.window_length, _before at time zone t.time_zone) at time zone t.time_zone
  into wanted
  from mlguard._table t
  where t.tbl = p_tbl;
  arrived := exists (
    select
    from mlguard._freshness f
    where f.tbl = p_tbl and f.newest >= wanted and f.newest <= p_at and f.at > _before);
end
$$;
ALTER FUNCTION mlguard._arrival(p_tbl text, p_arrives jsonb, p_at timestamp with time zone, OUT due timestamp with time zone, OUT wanted timestamp with time zone, OUT arrived boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._arrival(p_tbl text, p_arrives jsonb, p_at timestamp with time zone, OUT due timestamp with time zone, OUT wanted timestamp with time zone, OUT arrived boolean) IS 'Private. The last deadline of an arrives_by, from which event time on data was wanted by then, and whether such data was written since the deadline before. PL/pgSQL for its cached plans: guarded reads ask it.';
CREATE FUNCTION mlguard._ask_retrain(p_model text, p_slo text, p_incident bigint, p_why text, p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
begin
  insert into mlguard._retrain_request (model, slo, incidents, why)
  values (p_model, p_slo, array_remove(array[p_incident], null), p_why)
  on conflict (model) where state in ('requested', 'vetoed', 'claimed') do nothing
  returning * into _request;
  if _request.id is null then
    update mlguard._retrain_request r
    set incidents = r.incidents || p_incident
    where r.model = p_model and r.state in ('requested', 'vetoed', 'claimed')
      and p_incident is not null and p_incident <> all (r.incidents)
    returning * into _request;
    return null;
  end if;
  perform mlguard._record_retrain('request retrain', _request, p_why);
  perform mlguard._veto(_request.id, p_as_of);
  return _request.id;
end
$$;
ALTER FUNCTION mlguard._ask_retrain(p_model text, p_slo text, p_incident bigint, p_why text, p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._ask_retrain(p_model text, p_slo text, p_incident bigint, p_why text, p_as_of timestamp with time zone) IS 'Private. Opens a request, or adds the incident to the open one of the model; returns the new request.';
CREATE FUNCTION mlguard._asker() RETURNS name
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when current_setting('role') = 'none' then session_user else current_setting('role') end::name
$$;
ALTER FUNCTION mlguard._asker() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._asker() IS 'Private. Who called, for functions that run as their owner.';
CREATE FUNCTION mlguard._asking(p_word text) RETURNS TABLE(incident bigint, slo text, tbl text, segment jsonb, opened_at timestamp with time zone, last_verdict bigint, words text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select i.id, i.slo, i.tbl, i.segment, i.opened_at, i.last_verdict,
         format('%s: %s', i.slo, concat_ws(', ', i.observed, i.allowed))
  from mlguard._slo s
  join mlguard._incident i on i.slo = s.id and i.state <> 'resolved'
  where p_word = any (s.then_do) and not s.shadow and not mlguard.waived_v1(s.id)
  order by i.id
$$;
ALTER FUNCTION mlguard._asking(p_word text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._asking(p_word text) IS 'Private. Open incidents of SLOs whose `then` has a word, but for those that are off or waived.';
CREATE FUNCTION mlguard._asks_for_stale(p_states jsonb[], p_metrics text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select exists (
    select
    from unnest(p_states) s (states)
    cross join lateral jsonb_array_elements_text(s.states -> 'stale') k (key)
    join unnest(p_metrics) m (metric)
      on m.metric ~ case substring(k.key from '^[a-z]+')
           when 'min' then '\mmin\('
           when 'max' then '\mmax\('
           when 'sum' then '\m(sum|mean)\('
           when 'moments' then '\mstddev\('
           when 'joint' then '\mcorrelation\('
           else '\m(median|quantile)\('
         end
      and strpos(m.metric, substring(k.key from '\((.*?)\)')) > 0)
$$;
ALTER FUNCTION mlguard._asks_for_stale(p_states jsonb[], p_metrics text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._asks_for_stale(p_states jsonb[], p_metrics text[]) IS 'Private. Whether a metric is made from a state that deleted rows left unknown.';
CREATE FUNCTION mlguard._assertion_key(p_row jsonb, p_tbl text) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(jsonb_object_agg(e.key, e.value), '{}')
  from mlguard._table t, jsonb_each(p_row) e
  where t.tbl = p_tbl and e.key = any (t.key)
$$;
ALTER FUNCTION mlguard._assertion_key(p_row jsonb, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._assertion_key(p_row jsonb, p_tbl text) IS 'Private. Of a row that an assertion returned the columns that are named like key columns of the table.';
CREATE FUNCTION mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- What the row says of itself, where the SELECT has a column `says`: a falls from 40 to 31 (customer_id 7), and 2 more.
  select case when p_samples -> 0 ? 'says' then
    format('%s (%s)%s', p_samples -> 0 ->> 'says',
           mlguard._words(
             coalesce(nullif(mlguard._assertion_key(p_samples -> 0, p_tbl), '{}'), (p_samples -> 0) - 'says'),
             t.key, ' '),
           case when p_n > 1 then format(', and %s more', p_n - 1) else '' end)
  else
    -- (name Joe; name Fred; and 2 more): the key columns of the table where the result has some, else what it has.
    format('the assertion returns %s', case when p_n = 1 then '1 row' else p_n || ' rows' end)
           || coalesce(
                (select ' (' || string_agg(mlguard._words(shown.value, t.key, ' '), '; ' order by s.place)
                        || case when p_n > count(*) then format('; and %s more', p_n - count(*)) else '' end || ')'
                 from jsonb_array_elements(p_samples) with ordinality s (value, place)
                 cross join lateral (
                   select coalesce(nullif(mlguard._assertion_key(s.value, p_tbl), '{}'), s.value) as value) shown
                 where s.place <= 3), '')
  end
  from mlguard._table t
  where t.tbl = p_tbl
$$;
ALTER FUNCTION mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text) IS 'Private. What an assertion returned, as messages say it.';
CREATE FUNCTION mlguard._at_rank(p_vals double precision[], p_ranks double precision[], p_rank double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _place integer := greatest(width_bucket(p_rank, p_ranks), 1);
  _step double precision;
begin
  -- Equal ends are not interpolated: Infinity - Infinity is no number.
  if _place >= cardinality(p_vals) or p_vals[_place] = p_vals[_place + 1] or p_rank <= p_ranks[_place] then
    return p_vals[_place];
  end if;
  _step := (p_rank - p_ranks[_place]) / (p_ranks[_place + 1] - p_ranks[_place]);
  return p_vals[_place] + _step * (p_vals[_place + 1] - p_vals[_place]);
end
$$;
ALTER FUNCTION mlguard._at_rank(p_vals double precision[], p_ranks double precision[], p_rank double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._at_rank(p_vals double precision[], p_ranks double precision[], p_rank double precision) IS 'Private. The value at a rank, interpolated between points.';
CREATE FUNCTION mlguard._attach(p_id bigint, p_cause bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _child mlguard._incident;
  _root mlguard._incident;
begin
  select i.* into _child from mlguard._incident i where i.id = p_id;
  select r.*
  into _root
  from mlguard._incident i
  join mlguard._incident r on r.id = coalesce(i.cause, i.id)
  where i.id = p_cause;
  if _root.id = p_id or _root.id = _child.cause then
    return;
  end if;
  update mlguard._incident i set cause = _root.id where i.id = p_id or i.cause = p_id;
  if _child.told <> 'resolved' then
    if _root.told is null or _root.told = 'resolved' then
      -- People know the alarm already: it goes on under its likelier cause, and nobody is alerted twice.
      update mlguard._incident i
      set alarm = _child.alarm, told = _child.told, told_severity = _child.told_severity, told_to = _child.told_to
      where i.id = _root.id;
      if _root.state = 'open' and _child.state <> 'resolved' then
        update mlguard._incident i
        set state = _child.state,
            acked_at = _child.acked_at, acked_by = _child.acked_by, acked_reason = _child.acked_reason,
            snoozed_at = _child.snoozed_at, snoozed_by = _child.snoozed_by, snoozed_until = _child.snoozed_until,
            snoozed_reason = _child.snoozed_reason
        where i.id = _root.id;
      end if;
    else
      -- Two alarms turn out to be one: the second is closed with whoever carries it.
      perform mlguard._say(p_id, 'resolved', _child.alarm, _child.told_to);
    end if;
  end if;
  update mlguard._incident i
  set alarm = null, told = null, told_severity = null, told_to = '{}',
      state = case when i.state in ('acknowledged', 'snoozed') then 'open' else i.state end
  where i.id = p_id;
  perform mlguard._make_severe(_root.id, _child.severity);
end
$$;
ALTER FUNCTION mlguard._attach(p_id bigint, p_cause bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._attach(p_id bigint, p_cause bigint) IS 'Private. Makes an incident, and what it was the cause of, a consequence of another one.';
CREATE FUNCTION mlguard._await_seal() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into mlguard._unsealed (event) values (new.id) on conflict do nothing;
  return null;
end
$$;
ALTER FUNCTION mlguard._await_seal() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._await_seal() IS 'Private. Puts a new event in the queue of the sealer.';
CREATE FUNCTION mlguard._bad_rows(p_batch bigint) RETURNS TABLE(slo text, bad bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._baseline_metrics(p_metrics text[]) RETURNS TABLE(metric text, name text, column_name text, spelled text)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  -- psi(age), psi("Age") where plan = 'free'; the argument is spelled as in the names of states.
  select m.metric, f.parts[1],
         case
           when f.parts[2] like '"%' then replace(substr(f.parts[2], 2, length(f.parts[2]) - 2), '""', '"')
           else f.parts[2]
         end,
         f.parts[2]
  from unnest(p_metrics) m (metric)
  cross join lateral regexp_match(
    m.metric, '^(psi|js|ks|linf|new_category_rate)\(("(?:[^"]|"")+"|[^")]+)\)(?: where .*)?$') f (parts)
  where f.parts is not null
$_$;
ALTER FUNCTION mlguard._baseline_metrics(p_metrics text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._baseline_metrics(p_metrics text[]) IS 'Private. Those of some metrics that compare with a baseline: which metric, and of which column.';
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
    window_length text DEFAULT '1 day'::text NOT NULL,
    late interval DEFAULT '00:00:00'::interval NOT NULL,
    base text,
    inputs text[] DEFAULT '{}'::text[] NOT NULL,
    baseline text DEFAULT 'first 28 days'::text NOT NULL,
    schema_mode text DEFAULT 'at_least'::text NOT NULL,
    importance jsonb DEFAULT '{}'::jsonb NOT NULL,
    judges_batches boolean DEFAULT false NOT NULL,
    recount text,
    sampler text,
    event_sql text,
    missing jsonb DEFAULT '{}'::jsonb NOT NULL,
    batch_column text,
    model text,
    version_column text,
    approval boolean DEFAULT false NOT NULL,
    features text[] DEFAULT '{}'::text[] NOT NULL,
    when_features_held text DEFAULT 'reject'::text NOT NULL,
    joins jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT _table_cap CHECK ((quarantine_cap > 0)),
    CONSTRAINT _table_name CHECK ((tbl = ((schema_name || '.'::text) || table_name))),
    CONSTRAINT _table_schema_mode CHECK ((schema_mode = ANY (ARRAY['exact'::text, 'at_least'::text, 'off'::text])))
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
COMMENT ON COLUMN mlguard._table.window_length IS 'The window of SLOs that name none: 1 day.';
COMMENT ON COLUMN mlguard._table.late IS 'How long after its end a window still waits for rows.';
COMMENT ON COLUMN mlguard._table.base IS 'Length of the buckets that states are kept in, the finest that every window of the table is made of; null: no window is judged.';
COMMENT ON COLUMN mlguard._table.inputs IS 'Upstream tables: an incident here attaches to an open one there.';
COMMENT ON COLUMN mlguard._table.baseline IS 'What distributions are compared with: first 28 days, previous 28 days, …';
COMMENT ON COLUMN mlguard._table.schema_mode IS 'Which change of columns closes the gate: exact, at_least or off.';
COMMENT ON COLUMN mlguard._table.importance IS 'Weights of columns for the models: {column: 0 to 1}.';
COMMENT ON COLUMN mlguard._table.judges_batches IS 'Whether metrics of every batch are judged at COMMIT.';
COMMENT ON COLUMN mlguard._table.recount IS 'The generated function that computes states from stored rows.';
COMMENT ON COLUMN mlguard._table.sampler IS 'The generated function that samples stored rows.';
COMMENT ON COLUMN mlguard._table.event_sql IS 'The event time of a row t as timestamptz, in SQL as mlguard writes it; null: the table has none.';
COMMENT ON COLUMN mlguard._table.missing IS 'What counts as missing beside NULL: {column: [values as text]}; numbers are compared as numbers.';
COMMENT ON COLUMN mlguard._table.batch_column IS 'The column whose values tell loads apart; null: a batch is a transaction, unless begin_batch() names it.';
COMMENT ON COLUMN mlguard._table.model IS 'Of a table of predictions: the model that writes it.';
COMMENT ON COLUMN mlguard._table.version_column IS 'Column that says which version of the model wrote a row.';
COMMENT ON COLUMN mlguard._table.approval IS 'Versions that nobody approved may not write here.';
COMMENT ON COLUMN mlguard._table.features IS 'Tables the model reads: their gates are looked at when predictions come.';
COMMENT ON COLUMN mlguard._table.when_features_held IS 'What becomes of predictions then: reject, fallback or allow.';
COMMENT ON COLUMN mlguard._table.joins IS 'Tables whose rows are matched with its own: [{"what": labels or attributes, "table", "on": [columns], "columns": [those taken from it]}].';
CREATE FUNCTION mlguard._baseline_periods(p_table mlguard._table, p_kind text, p_length interval, p_columns text[], p_as_of timestamp with time zone) RETURNS TABLE(column_name text, starts timestamp with time zone, ends timestamp with time zone, due timestamp with time zone)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _relation regclass := to_regclass(format('%I.%I', p_table.schema_name, p_table.table_name));
  _counted text;
  _since timestamptz;
begin
  if p_table.event_sql is null then
    select coalesce(
             least((select min(b.bucket) from mlguard._bucket b where b.tbl = p_table.tbl and isfinite(b.bucket)),
                   (select min(s.at) from mlguard._state s where s.tbl = p_table.tbl)),
             p_table.applied_at)
    into _since;
    return query
      select c.name, null::timestamptz, null::timestamptz,
             case when p_kind = 'first' then _since + p_length else _since end
      from unnest(p_columns) c (name);
    return;
  end if;
  select string_agg(format('(%L, (%s) is not null)', c.column_name, coalesce(c.amount, c.category)), ', ')
  into _counted
  from mlguard._cell_sql(_relation, _relation) c
  where c.column_name = any (p_columns);
  if _counted is null then
    return;
  end if;
  return query execute format(
    $statement$
      with daily as materialized (
        select c.name, date_trunc('day', %2$s at time zone $1) as day, count(*) as n
        from %1$s as t
        cross join lateral (values ('', true), %3$s) as c (name, present)
        where %2$s between '0001-01-02' and $2 and c.present
        group by c.name, day
      ), running as (
        select d.name, d.day, sum(d.n) over so_far as so_far, min(d.day) over (partition by d.name) as first_day,
               sum(d.n) over (
                 partition by d.name order by d.day
                 range between current row and $3 - interval '1 hour' following) as ahead
        from daily d
        window so_far as (partition by d.name order by d.day)
      ), own as (
        -- The first days that hold enough; a sentinel long before them does not. Where no stretch of that length does,
        -- as many days as it takes.
        select r.name, coalesce(min(r.day) filter (where r.ahead >= 200), min(r.first_day)) as starts,
               case
                 when bool_or(r.ahead >= 200) then min(r.day) filter (where r.ahead >= 200) + $3
                 else min(r.day) filter (where r.so_far >= 200) + interval '1 day'
               end as ends
        from running r
        group by r.name
        having max(r.so_far) >= 200
      ), recent as (
        select d.name, sum(d.n) filter (where d.day >= ($2 at time zone $1) - $3) >= 200 as enough
        from daily d
        group by d.name
        having sum(d.n) >= 200
      ), chosen as (
        -- All columns that can share the days of the table do.
        select o.name,
               case when s.shared then w.starts else o.starts end as starts,
               case when s.shared then w.ends else o.ends end as ends
        from own o
        join own w on w.name = ''
        cross join lateral (
          select coalesce(sum(d.n), 0) >= 200 as shared
          from daily d
          where d.name = o.name and d.day >= w.starts and d.day < w.ends
        ) s
        where $4 = 'first'
        union all
        select r.name, case when r.enough then ($2 at time zone $1) - $3 end, $2 at time zone $1
        from recent r
        where $4 = 'previous'
      )
      select c.name, c.starts at time zone $1, c.ends at time zone $1,
             case when $4 = 'first' then c.ends at time zone $1 + $5 else $2 end
      from chosen c
      where c.name <> ''
    $statement$, _relation, p_table.event_sql, _counted)
  using p_table.time_zone, p_as_of, p_length, p_kind, p_table.late;
end
$_$;
ALTER FUNCTION mlguard._baseline_periods(p_table mlguard._table, p_kind text, p_length interval, p_columns text[], p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._baseline_periods(p_table mlguard._table, p_kind text, p_length interval, p_columns text[], p_as_of timestamp with time zone) IS 'Private. From which stretch of time a learned baseline takes each column, and from when on it may; a column with fewer than 200 values is left out.';
CREATE FUNCTION mlguard._baseline_wanted(p_tbl text, p_version integer) RETURNS TABLE(column_name text, spelled text, present boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select w.column_name, w.spelled, exists (
           select
           from mlguard._baseline_column k
           where k.tbl = t.tbl and k.version = p_version and k.column_name = w.column_name)
  from mlguard._table t
  cross join lateral mlguard.baseline_columns(to_regclass(format('%I.%I', t.schema_name, t.table_name))) w
  where t.tbl = p_tbl and to_regclass(format('%I.%I', t.schema_name, t.table_name)) is not null
$$;
ALTER FUNCTION mlguard._baseline_wanted(p_tbl text, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._baseline_wanted(p_tbl text, p_version integer) IS 'Private. Columns that SLOs compare with the baseline, and whether a version of it has them.';
CREATE FUNCTION mlguard._batch_place(p_tbl text) RETURNS tid
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _place text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
begin
  -- Whoever writes can set it to anything: what is no place is none, and a place is believed when its row agrees.
  return case when _place ~ '^\(\d{1,9},\d{1,4}\)$' then _place::tid end;
end
$_$;
ALTER FUNCTION mlguard._batch_place(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._batch_place(p_tbl text) IS 'Private. Where the row of this transaction''s batch on a table is, as the transaction remembers it; null: unknown.';
CREATE FUNCTION mlguard._batch_sample(p_batch bigint) RETURNS TABLE(column_name text, n bigint, k integer, nums double precision[], texts text[])
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select p.*
  from mlguard._pool_samples(array(
    select s.id
    from mlguard._batch b
    join mlguard._sample s on s.tbl = b.tbl and s.batch = b.id
    where b.id = p_batch)) p
$$;
ALTER FUNCTION mlguard._batch_sample(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._batch_sample(p_batch bigint) IS 'Private. The sample of a batch, one row a column.';
CREATE FUNCTION mlguard._batch_states(p_batch bigint) RETURNS TABLE(segment jsonb, states jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _from bigint := 0;
  _own bigint[] := '{}';
  _corrected boolean := exists (select from mlguard._state s where s.corrects = p_batch);
begin
  if not _corrected and not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return query
      select s.segment, mlguard.merge_v1(s.states) from mlguard._state s where s.batch = p_batch group by s.segment;
    return;
  end if;
  _from := coalesce((select max(s.id) from mlguard._state s where s.batch = p_batch and s.op = 'TRUNCATE'), 0);
  _own := mlguard._own_removals(p_batch);
  -- Fewer than none of something: the rows taken away were of other batches after all.
  if exists (
       select
       from (
         select mlguard._unmerge(
                  mlguard.merge_v1(s.states) filter (where s.sign > 0),
                  mlguard.merge_v1(s.states) filter (where s.sign < 0)) as states
         from mlguard._state s
         where s.batch = p_batch and s.id > _from and (s.sign > 0 or s.id = any (_own))
         group by s.segment
       ) net
       cross join lateral jsonb_each(net.states) e
       where e.key ~ '^(n|have|nan|zero|negative|true)\M' and e.value < '0'::jsonb) then
    _own := '{}';
  end if;
  return query
    select c.segment,
           mlguard._unmerge(
             mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0))
    from (
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.batch = p_batch and s.id > _from and (s.sign > 0 or s.id = any (_own))
      union all
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.corrects = p_batch
    ) c
    group by c.segment;
end
$$;
ALTER FUNCTION mlguard._batch_states(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._batch_states(p_batch bigint) IS 'Private. What a batch wrote, by segment: without what it took away again itself, with what corrected it later.';
CREATE FUNCTION mlguard._before(p_scope bigint) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select y.id
  from mlguard._learned_scope c
  join mlguard._learned_scope y on y.tbl = c.tbl and y.over = c.over and y.observed and not y.excluded and y.id <> c.id
  where c.id = p_scope and (y.window_start < c.window_start or y.batch < c.batch)
  order by y.window_start desc nulls last, y.batch desc nulls last
  limit 1
$$;
ALTER FUNCTION mlguard._before(p_scope bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._before(p_scope bigint) IS 'Private. The observed scope just before one.';
CREATE FUNCTION mlguard._begin_baseline(p_tbl text, p_kind text, p_source text, p_starts timestamp with time zone, p_ends timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _version integer;
begin
  delete from mlguard._baseline b where b.tbl = p_tbl and b.state = 'learning';
  insert into mlguard._baseline (tbl, version, kind, source, starts, ends)
  select p_tbl, coalesce(max(b.version), 0) + 1, p_kind, p_source, p_starts, p_ends
  from mlguard._baseline b
  where b.tbl = p_tbl
  returning version into _version;
  return _version;
end
$$;
ALTER FUNCTION mlguard._begin_baseline(p_tbl text, p_kind text, p_source text, p_starts timestamp with time zone, p_ends timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._begin_baseline(p_tbl text, p_kind text, p_source text, p_starts timestamp with time zone, p_ends timestamp with time zone) IS 'Private. Opens the next version of a baseline; it is in use once _freeze_baseline() says so.';
CREATE FUNCTION mlguard._below(p_theta double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- 52 bits of the 64, which a double holds exactly.
  select case
    when p_theta < 1 then lpad(to_hex(ceil(p_theta * 4503599627370496)::bigint), 13, '0') || '000'
  end
$$;
ALTER FUNCTION mlguard._below(p_theta double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._below(p_theta double precision) IS 'Private. The hash that hashes below a theta are smaller than, in hexadecimal digits; null: no limit.';
CREATE FUNCTION mlguard._below(p_nums double precision[], p_counts integer[], p_edges double precision[]) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with bin as (
    select width_bucket(u.x, p_edges) as bin, sum(coalesce(u.c, 1)) as c
    from unnest(p_nums, p_counts) u (x, c)
    group by 1
  )
  select array_agg(coalesce((select sum(b.c) from bin b where b.bin < g.i), 0)::double precision
                   / (select sum(b.c) from bin b) order by g.i)
  from generate_series(1, cardinality(p_edges)) g (i)
$$;
ALTER FUNCTION mlguard._below(p_nums double precision[], p_counts integer[], p_edges double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._below(p_nums double precision[], p_counts integer[], p_edges double precision[]) IS 'Private. Share of the numbers below each edge; counts may be null for one each.';
CREATE FUNCTION mlguard._binned(p_value text, p_num double precision, p_bins jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Numbers by edges, an edge belonging to the bin above it; texts by the most frequent ones.
  select case
    when p_value is null then 'missing'
    when p_bins ? 'edges' then
      width_bucket(p_num, array(select e.edge::double precision from jsonb_array_elements_text(p_bins -> 'edges') e (edge) order by e.edge::double precision))::text
    when p_bins -> 'values' ? p_value then 'is ' || p_value
    else 'other'
  end
$$;
ALTER FUNCTION mlguard._binned(p_value text, p_num double precision, p_bins jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._binned(p_value text, p_num double precision, p_bins jsonb) IS 'Private. The bin of a value, for dependence.';
CREATE FUNCTION mlguard._bound_sql(p_bound text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard._bound_sql(p_bound text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._bound_sql(p_bound text) IS 'Private. The bound of a partition as SQL, made anew from its constants; raises where the text is anything else.';
CREATE FUNCTION mlguard._cell_sql(p_tbl regclass, p_relation regclass) RETURNS TABLE(column_name text, spelled text, in_bins boolean, in_values boolean, amount text, category text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  -- The same cells as in the states of generated triggers: NaN and missing values are NULL, magnitudes beyond 1e140
  -- infinite, categories text, long ones cut, of pii columns hashed.
  select w.column_name, w.spelled, w.in_bins, w.in_values,
         case
           when not w.in_bins then null
           when r.can_be_nan then format(
             'case when %s then %s::double precision when %s then sign(%s)::double precision * ''Infinity'' end',
             concat_ws(' and ', format('abs(%s) <= 1e140', r.cell), p.present), r.cell,
             concat_ws(' and ', format('%s < ''NaN''', r.cell), p.present), r.cell)
           when p.present is null then format('%s::double precision', r.cell)
           else format('case when %s then %s::double precision end', p.present, r.cell)
         end,
         case
           when not w.in_values then null
           when p.present is null then n.name
           else format('case when %s then %s end', p.present, n.name)
         end
  from mlguard.baseline_columns(p_tbl) w
  join pg_attribute a on a.attrelid = p_relation and a.attname = w.column_name and a.attnum > 0 and not a.attisdropped
  join pg_type y on y.oid = a.atttypid and (y.typcategory = 'N') = w.is_number
  cross join lateral (
    select format('t.%I', a.attname) as cell,
           format(case when b.type = 'numeric'::regtype then 'trim_scale(t.%I)::text' else 't.%I::text' end, a.attname)
             as text,
           b.type in ('float4'::regtype, 'float8'::regtype, 'numeric'::regtype) as can_be_nan
    from (select coalesce(nullif(y.typbasetype, 0), y.oid) as type) b
  ) r
  cross join lateral (
    select case
      when w.missing = '{}' then null
      when w.is_number then format('%s::numeric <> all (%L::numeric[])', r.cell, w.missing)
      else format('%s <> all (%L::text[])', r.text, w.missing)
    end as present
  ) p
  cross join lateral (
    select case
      when w.pii then format('left(md5(%s), 16)', r.text)
      else format(
        'case when length(%1$s) > 200 then left(%1$s, 180) || '' '' || left(md5(%1$s), 16) else %1$s end', r.text)
    end as name
  ) n
$_$;
ALTER FUNCTION mlguard._cell_sql(p_tbl regclass, p_relation regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._cell_sql(p_tbl regclass, p_relation regclass) IS 'Private. Expressions on a row t of a relation that give the compared columns of a guarded table, as numbers and as categories; null where they are not compared so.';
CREATE FUNCTION mlguard._cells(p_scope bigint, p_column text) RETURNS TABLE(i bigint, value text, num double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Both zeros are one number, and NaN is a missing one.
  select u.i, coalesce(u.text, (nullif(u.num, 'NaN') + 0)::text), nullif(u.num, 'NaN')
  from mlguard._profile p
  cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
  where p.scope = p_scope and p.column_name = p_column
$$;
ALTER FUNCTION mlguard._cells(p_scope bigint, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._cells(p_scope bigint, p_column text) IS 'Private. The sampled rows of one column, missing values as null.';
CREATE FUNCTION mlguard._chi_squared(p_freedom double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- 3.09… is the quantile of the normal distribution at 0.999.
  select p_freedom * (1 - 2 / (9 * p_freedom) + 3.090232306167813::float8 * sqrt(2 / (9 * p_freedom))) ^ 3
$$;
ALTER FUNCTION mlguard._chi_squared(p_freedom double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._chi_squared(p_freedom double precision) IS 'Private. Quantile 0.999 of the chi-squared distribution. Wilson and Hilferty (1931).';
CREATE TABLE mlguard._retrain_request (
    id bigint NOT NULL,
    model text NOT NULL,
    state text DEFAULT 'requested'::text NOT NULL,
    slo text,
    incidents bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    why text NOT NULL,
    vetoes jsonb DEFAULT '[]'::jsonb NOT NULL,
    requested_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    vetoed_at timestamp with time zone,
    claimed_at timestamp with time zone,
    claimed_by text,
    lease_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    ticket bigint,
    ended_at timestamp with time zone,
    version text,
    outcome text,
    CONSTRAINT _retrain_request_state CHECK ((state = ANY (ARRAY['requested'::text, 'vetoed'::text, 'claimed'::text, 'done'::text, 'failed'::text, 'cancelled'::text])))
);
ALTER TABLE mlguard._retrain_request OWNER TO postgres;
COMMENT ON TABLE mlguard._retrain_request IS 'Private. Requests to retrain: at most one of a model is open, whatever asks for it meanwhile is added to it.';
COMMENT ON COLUMN mlguard._retrain_request.id IS 'Number.';
COMMENT ON COLUMN mlguard._retrain_request.model IS 'The model.';
COMMENT ON COLUMN mlguard._retrain_request.state IS 'requested (waits for a worker), vetoed (waits for its inputs), claimed, done, failed or cancelled.';
COMMENT ON COLUMN mlguard._retrain_request.slo IS 'The SLO that asked first; null: a person did.';
COMMENT ON COLUMN mlguard._retrain_request.incidents IS 'The incidents that asked.';
COMMENT ON COLUMN mlguard._retrain_request.why IS 'Why, in words.';
COMMENT ON COLUMN mlguard._retrain_request.vetoes IS 'What speaks against training now: [{table, slo, why}].';
COMMENT ON COLUMN mlguard._retrain_request.requested_at IS 'When it was opened.';
COMMENT ON COLUMN mlguard._retrain_request.vetoed_at IS 'Since when it is vetoed.';
COMMENT ON COLUMN mlguard._retrain_request.claimed_at IS 'When it was claimed last.';
COMMENT ON COLUMN mlguard._retrain_request.claimed_by IS 'By whom.';
COMMENT ON COLUMN mlguard._retrain_request.lease_until IS 'Until when the claim holds without a sign of life.';
COMMENT ON COLUMN mlguard._retrain_request.attempts IS 'How often it was claimed.';
COMMENT ON COLUMN mlguard._retrain_request.ticket IS 'The ticket of the last claim.';
COMMENT ON COLUMN mlguard._retrain_request.ended_at IS 'When it was done, had failed or was cancelled.';
COMMENT ON COLUMN mlguard._retrain_request.version IS 'The version that came of it.';
COMMENT ON COLUMN mlguard._retrain_request.outcome IS 'What became of it, in words.';
CREATE FUNCTION mlguard._claimed(p_id bigint, p_ticket bigint) RETURNS mlguard._retrain_request
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
begin
  select r.* into _request from mlguard._retrain_request r where r.id = p_id for update;
  if not found then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: there is no request %s to retrain', p_id);
  elsif _request.state <> 'claimed' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: request %s is %s, not claimed', p_id, _request.state),
      hint = coalesce(_request.outcome, 'mlguard.claim_retrain() claims one.');
  elsif _request.ticket is distinct from coalesce(p_ticket, _request.ticket) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: request %s was claimed again since, with ticket %s: ticket %s lost it', p_id,
                       _request.ticket, p_ticket),
      hint = 'A claim without a sign of life is given to another worker when its lease is over.';
  elsif _request.claimed_by <> session_user
        and not pg_has_role(session_user, (select c.relowner from pg_class c where c.oid = 'mlguard._retrain_request'::regclass), 'member') then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('mlguard: request %s is claimed by %s', p_id, _request.claimed_by);
  end if;
  return _request;
end
$$;
ALTER FUNCTION mlguard._claimed(p_id bigint, p_ticket bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._claimed(p_id bigint, p_ticket bigint) IS 'Private. A request the caller has claimed, with this ticket where one is said, locked; raises otherwise.';
CREATE FUNCTION mlguard._close_batch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
begin
  if exists (select from mlguard._delta d where d.batch = new.id)
     or exists (select from mlguard._quarantine q where q.batch = new.id)
     or exists (select from mlguard._change c where c.batch = new.id) then
    perform mlguard._count_batch(new.id);
  else
    -- Under SET CONSTRAINTS … IMMEDIATE this runs as soon as the batch opens, before anything belongs to it.
    insert into mlguard._unclosed (batch) values (new.id);
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
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._compared(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT here double precision[], OUT baseline double precision[], OUT labels text[], OUT words text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _segment jsonb := coalesce(p_c -> 'segment', '{}');
  _state jsonb := p_s -> p_key;
  _baseline mlguard._baseline;
  _column mlguard._baseline_column;
  _past jsonb;
  _n double precision;
  _m double precision;
  _scale_n double precision;
  _scale_m double precision;
begin
  select b.* into _baseline from mlguard._baseline b where b.tbl = p_c ->> 'tbl' and b.state = 'frozen';
  select k.*
  into _column
  from mlguard._baseline_column k
  where k.tbl = _baseline.tbl and k.version = _baseline.version and k.column_name = p_column and k.key = p_key
    and k.segment = _segment and k.n > 0;
  if _column.key is null and _segment <> '{}' then
    -- Files and other tables have no segments: all of these are compared with the whole.
    select k.*
    into _column
    from mlguard._baseline_column k
    where k.tbl = _baseline.tbl and k.version = _baseline.version and k.column_name = p_column and k.key = p_key
      and k.segment = '{}' and _baseline.kind in ('table', 'file');
    if _column.key is null and _baseline.tbl is not null then
      words := 'this segment is not in the baseline';
      return;
    end if;
  end if;
  if _column.key is null then
    words := 'no baseline yet';
    return;
  end if;
  if _column.kind = 'number' and _state is null and coalesce((p_s ->> 'n')::numeric, 0) > 0
     and not mlguard._counted(_baseline, p_c) then
    words := format('counted before baseline %s', _baseline.version);
  elsif coalesce((_state ->> 'n')::numeric, 0) <= 0 then
    words := 'no values';
  elsif _column.kind = 'number'
        and ((_state ->> 'v')::integer is distinct from _baseline.version or _state ? 'partial') then
    words := format('counted before baseline %s', _baseline.version);
  end if;
  if words is not null then
    return;
  end if;
  if _baseline.kind = 'previous' then
    _past := mlguard._previous(_baseline, p_c, _segment, p_key, _column.kind = 'number');
    if (_past ->> 'n')::numeric >= 200 then
      _column.n := (_past ->> 'n')::numeric;
      _column.sampled := (_past ->> 'sampled')::numeric;
      if _column.kind = 'number' then
        _column.counts := array(select c.count::numeric
                                from jsonb_array_elements_text(_past -> 'c') with ordinality c (count, bin)
                                order by c.bin);
      else
        _column.categories := _past -> 'c';
        _column.other := coalesce((_past ->> 'other')::numeric, 0);
      end if;
    end if;
  end if;
  -- Of a sample, as many values count as were looked at.
  _n := coalesce(_state ->> 'sampled', _state ->> 'n')::double precision;
  _m := coalesce(_column.sampled, _column.n);
  _scale_n := _n / (_state ->> 'n')::double precision;
  _scale_m := _m / _column.n;
  if _column.kind = 'number' then
    select array_agg(b.here * _scale_n order by b.bin), array_agg(b.there * _scale_m order by b.bin),
           array_agg(case
             when b.bin > cardinality(_column.edges) then '> ' || _column.edges[b.bin - 1]
             -- The edge just below the least value is there to part what is smaller.
             when b.bin = 1 and _column.edges[2] - _column.edges[1] <= greatest(abs(_column.edges[2]), 1) * 2e-9
             then '< ' || _column.edges[2]
             else '<= ' || _column.edges[b.bin]
           end order by b.bin)
    into here, baseline, labels
    from (
      -- Below zero where rows were taken away that had been counted elsewhere.
      select b.bin, greatest((_state -> 'c' ->> (b.bin - 1)::integer)::double precision, 0) as here, b.there
      from unnest(_column.counts) with ordinality b (there, bin)
    ) b
    where b.here + b.there > 0;
    if (select coalesce(sum(b.n), 0) from unnest(here) b (n)) = 0 then
      words := 'no values';
    end if;
    return;
  end if;
  -- Categories too rare to compare make one, together with what is not listed: those that, by the shares of both sides
  -- pooled, fewer than 5 values of as many as the baseline has would fall in.
  with both_sides as (
    select coalesce(h.name, b.name) as name, greatest(coalesce(h.n::double precision, 0), 0) * _scale_n as here,
           coalesce(b.n::double precision, 0) * _scale_m as there
    from jsonb_each_text(_state -> 'c') h (name, n)
    full join jsonb_each_text(_column.categories) b (name, n) on b.name = h.name
  ), judged as (
    select b.*, _m * (b.here + b.there) / (_n + _m) >= 5 as kept from both_sides b
  ), sides as (
    select j.name, j.here, j.there from judged j where j.kept
    union all
    select null,
           greatest(coalesce((_state ->> 'other')::double precision, 0), 0) * _scale_n
           + coalesce(sum(j.here) filter (where not j.kept), 0),
           _column.other * _scale_m + coalesce(sum(j.there) filter (where not j.kept), 0)
    from judged j
    having bool_or(j.kept)
  )
  select array_agg(s.here order by s.name collate "C"), array_agg(s.there order by s.name collate "C"),
         array_agg(coalesce(s.name, 'all others') order by s.name collate "C")
  into here, baseline, labels
  from sides s
  where s.here + s.there > 0;
  if here is null then
    words := 'its categories are too rare to compare';
  elsif (select sum(b.n) from unnest(here) b (n)) = 0 then
    words := 'no values';
  end if;
end
$$;
ALTER FUNCTION mlguard._compared(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT here double precision[], OUT baseline double precision[], OUT labels text[], OUT words text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._compared(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT here double precision[], OUT baseline double precision[], OUT labels text[], OUT words text) IS 'Private. Values in each bin or category here and in the baseline, as they are compared; words: why there is nothing to compare.';
CREATE FUNCTION mlguard._conclude(p_verdict bigint, p_why text DEFAULT NULL::text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _v mlguard._verdict;
  _slo mlguard._slo;
  _because text;
begin
  select v.* into _v from mlguard._verdict v where v.id = p_verdict;
  select s.* into _slo from mlguard._slo s where s.id = _v.slo;
  if _slo.id is null or _v.reason is not distinct from 'before the SLO was in force' then
    return;
  end if;
  if _v.outcome = 'FAIL' then
    _because := case when _slo.shadow then 'shadow' when mlguard.waived_v1(_slo.id) then 'waived' end;
    if _because is not null then
      update mlguard._verdict v set outcome = 'NOTED', reason = _because where v.id = p_verdict;
      _v.outcome := 'NOTED';
      _v.reason := _because;
    end if;
  end if;
  if _v.outcome = 'FAIL' and _slo.action = 'reject' then
    perform mlguard._refuse_batch(array[_v]);
  end if;
  -- A new version that fails as the one before did is the same violation.
  if _v.outcome in ('FAIL', 'NOTED')
     and (_v.version = 1 or _v.outcome is distinct from (
       select o.outcome
       from mlguard._verdict o
       where o.slo = _v.slo and o.id < _v.id and o.segment = _v.segment and o.over = _v.over
         and o.batch is not distinct from _v.batch and o.window_start is not distinct from _v.window_start
       order by o.id desc
       limit 1)) then
    insert into mlguard._violation (
      slo, tbl, batch, window_start, window_end, segment, observed, allowed, n, outcome, reason)
    values (
      _v.slo, _v.tbl, _v.batch, _v.window_start, _v.window_end, nullif(_v.segment, '{}')::text,
      (select jsonb_object_agg(m.metric, m.value) from unnest(_v.metrics, _v.vals) m (metric, value)),
      _v.allowed, _v.n, _v.outcome, _v.reason);
  end if;
  -- Staleness is judged by the reader's clock; a hold would outlast it.
  if _v.outcome = 'FAIL' and _slo.action = 'hold' and _slo.level <> 'read' then
    perform mlguard._hold_by(_v, _slo);
  elsif _v.outcome = 'PASS' then
    update mlguard._hold h
    set ended_at = clock_timestamp(), ended_by = 'mlguard',
        reason = coalesce(p_why, case when h.window_start < _v.window_start then 'the next window is good'
                                      else 're-judged good' end)
    where h.tbl = _v.tbl and h.ended_at is null and h.slo = _v.slo and h.segment = _v.segment and h.verdict is not null
      and h.batch is not distinct from _v.batch
      and case
            when _v.window_start is null then h.window_start is null
            when _slo.reopen = 'same' then h.window_start = _v.window_start
            else h.window_start <= _v.window_start
          end;
  end if;
  if to_regprocedure('mlguard._incident_of(bigint)') is not null then
    perform mlguard._incident_of(p_verdict);
  end if;
end
$$;
ALTER FUNCTION mlguard._conclude(p_verdict bigint, p_why text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._conclude(p_verdict bigint, p_why text) IS 'Private. Acts on a verdict: notes the violation, refuses, opens and ends holds, tells incidents.';
CREATE FUNCTION mlguard._correct_held(p_batch bigint, p_tbl text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
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
  -- Two corrections of one batch come one after the other, or neither would see what the other did. The holds of all
  -- tables that this transaction corrects are locked at the first of them, in one order: it comes here once for each.
  perform
  from mlguard._hold h
  where h.id in (
    select o.id
    from mlguard._batch b
    join mlguard._hold o on o.tbl = b.tbl and o.ended_at is null and o.batch <> b.id
    where b.xid = pg_current_xact_id_if_assigned() and b.opened_at = now()
      and exists (select from mlguard._state s where s.batch = b.id and s.sign < 0))
  order by h.id
  for update;
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
$$;
ALTER FUNCTION mlguard._correct_held(p_batch bigint, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._correct_held(p_batch bigint, p_tbl text) IS 'Private. Counts what a batch changed and deleted with the held batches it belongs to, and judges those again.';
CREATE FUNCTION mlguard._corrected(p_incident mlguard._incident) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Deleted rows end a hold without a new verdict.
  select p_incident.batch is not null and bool_and(
    v.outcome = 'PASS' or (v.outcome = 'INSUFFICIENT' and v.n = 0)
    or exists (
      select
      from mlguard._hold h
      where h.slo = v.slo and h.batch = v.batch and h.ended_at is not null and h.ended_by = 'mlguard'))
  from mlguard._verdict v
  where v.slo = p_incident.slo and v.segment = p_incident.segment and v.id >= p_incident.first_verdict and v.current
    and v.batch in (
      select f.batch
      from mlguard._verdict f
      where f.slo = p_incident.slo and f.segment = p_incident.segment and f.outcome in ('FAIL', 'ERROR')
        and f.id between p_incident.first_verdict and p_incident.last_verdict)
$$;
ALTER FUNCTION mlguard._corrected(p_incident mlguard._incident) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._corrected(p_incident mlguard._incident) IS 'Private. Whether the batches that failed were judged anew and hold now, or have no rows left.';
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
    over text,
    by_columns text[] DEFAULT '{}'::text[] NOT NULL,
    max_segments integer DEFAULT 50 NOT NULL,
    reopen text DEFAULT 'next'::text NOT NULL,
    metrics text[] DEFAULT '{}'::text[] NOT NULL,
    verdict text,
    learned text[] DEFAULT '{}'::text[] NOT NULL,
    sensitivity double precision DEFAULT 1 NOT NULL,
    arrives jsonb,
    matures interval DEFAULT '00:00:00'::interval NOT NULL,
    volume jsonb,
    CONSTRAINT _slo_action CHECK ((action = ANY (ARRAY['reject'::text, 'quarantine'::text, 'repair'::text, 'hold'::text, 'warn'::text]))),
    CONSTRAINT _slo_id CHECK ((id = ((tbl || '/'::text) || name))),
    CONSTRAINT _slo_level CHECK ((level = ANY (ARRAY['row'::text, 'batch'::text, 'window'::text, 'read'::text, 'assertion'::text, 'schema'::text]))),
    CONSTRAINT _slo_max_bad CHECK (((max_bad_share IS NULL) OR (max_bad_rows IS NULL))),
    CONSTRAINT _slo_reopen CHECK ((reopen = ANY (ARRAY['same'::text, 'next'::text]))),
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
COMMENT ON COLUMN mlguard._slo.over IS 'What metrics are judged over: batch, a calendar length such as 1 day, or last 7 days; null for rows and reads.';
COMMENT ON COLUMN mlguard._slo.by_columns IS 'Segment columns, in order: one verdict for each combination of values.';
COMMENT ON COLUMN mlguard._slo.max_segments IS 'Segments judged alone; the rest is judged as other.';
COMMENT ON COLUMN mlguard._slo.reopen IS 'When a window hold ends: same window re-judged good, or next closed window good.';
COMMENT ON COLUMN mlguard._slo.metrics IS 'The metrics of the check, as messages name them.';
COMMENT ON COLUMN mlguard._slo.verdict IS 'The generated function that judges the states of a batch or window.';
COMMENT ON COLUMN mlguard._slo.learned IS 'For learned health: the series judged, or {all}; else empty.';
COMMENT ON COLUMN mlguard._slo.sensitivity IS 'Multiplies every learned limit; above 1 fewer alarms.';
COMMENT ON COLUMN mlguard._slo.arrives IS 'Of arrives_by: {"at": local time, "zone": its zone, "days": ISO numbers of weekdays, Monday 1}.';
COMMENT ON COLUMN mlguard._slo.matures IS 'Of SLOs about labels: how long after the end of a window (and the time it waits for rows) labels are waited for.';
COMMENT ON COLUMN mlguard._slo.volume IS 'Of row_count() judged by readers: {"least": rows wanted, "of": the window in words, "column": the event time, "counter": the function that counts}.';
CREATE TABLE mlguard._verdict (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    slo text NOT NULL,
    tbl text NOT NULL,
    over text NOT NULL,
    batch bigint,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    current boolean DEFAULT true NOT NULL,
    outcome text NOT NULL,
    metrics text[] DEFAULT '{}'::text[] NOT NULL,
    vals double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    n bigint,
    observed text,
    allowed text,
    reason text,
    detail jsonb,
    CONSTRAINT _verdict_outcome CHECK ((outcome = ANY (ARRAY['PASS'::text, 'FAIL'::text, 'NOTED'::text, 'INSUFFICIENT'::text, 'ERROR'::text])))
);
ALTER TABLE mlguard._verdict OWNER TO postgres;
COMMENT ON TABLE mlguard._verdict IS 'Private. What was found of each SLO over each batch and window; superseded ones stay.';
COMMENT ON COLUMN mlguard._verdict.id IS 'Number; mlguard explain takes it.';
COMMENT ON COLUMN mlguard._verdict.at IS 'When it was judged.';
COMMENT ON COLUMN mlguard._verdict.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._verdict.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._verdict.over IS 'batch, a calendar length, last …, read, assertion or schema.';
COMMENT ON COLUMN mlguard._verdict.batch IS 'The batch judged.';
COMMENT ON COLUMN mlguard._verdict.window_start IS 'Start of the window judged.';
COMMENT ON COLUMN mlguard._verdict.window_end IS 'End of the window judged.';
COMMENT ON COLUMN mlguard._verdict.segment IS 'The segment judged; {}: all rows.';
COMMENT ON COLUMN mlguard._verdict.version IS 'Counts the judgements of the same batch or window.';
COMMENT ON COLUMN mlguard._verdict.current IS 'The last judgement of its batch or window.';
COMMENT ON COLUMN mlguard._verdict.outcome IS 'PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT or ERROR.';
COMMENT ON COLUMN mlguard._verdict.metrics IS 'The metrics of the check.';
COMMENT ON COLUMN mlguard._verdict.vals IS 'Their values, in the same order.';
COMMENT ON COLUMN mlguard._verdict.n IS 'Rows judged.';
COMMENT ON COLUMN mlguard._verdict.observed IS 'What was found, in words: coverage(age) is 0.491.';
COMMENT ON COLUMN mlguard._verdict.allowed IS 'What is allowed, in words: allowed >= 0.75.';
COMMENT ON COLUMN mlguard._verdict.reason IS 'Why not PASS or FAIL: shadow, waived, 12 rows, fewer than 30; or no values.';
COMMENT ON COLUMN mlguard._verdict.detail IS 'Numbers behind it, for explain: band, bins, arithmetic.';
CREATE FUNCTION mlguard._could_not(p_slo mlguard._slo, p_c jsonb, p_code text) RETURNS mlguard._verdict
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _v mlguard._verdict := mlguard._verdict_of(p_slo, p_c);
begin
  _v.outcome := 'ERROR';
  _v.reason := 'could not be judged: ' || mlguard._error_class(p_code);
  return _v;
end
$$;
ALTER FUNCTION mlguard._could_not(p_slo mlguard._slo, p_c jsonb, p_code text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._could_not(p_slo mlguard._slo, p_c jsonb, p_code text) IS 'Private. The verdict where judging raised an error.';
CREATE FUNCTION mlguard._count_baseline(p_table mlguard._table, p_version integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _period record;
begin
  if p_table.recount is not null then
    for _period in
      select distinct k.starts, k.ends
      from mlguard._baseline_column k
      where k.tbl = p_table.tbl and k.version = p_version
    loop
      perform mlguard._count_stored(p_table, p_version, _period.starts, _period.ends,
                                    mlguard._left_out(p_table.tbl, _period.starts, _period.ends));
    end loop;
  end if;
end
$$;
ALTER FUNCTION mlguard._count_baseline(p_table mlguard._table, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_baseline(p_table mlguard._table, p_version integer) IS 'Private. Counts what a version in use lacks of filters and segments; counts that are there stay.';
CREATE FUNCTION mlguard._count_batch(p_id bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._count_kept(p_tbl text, p_slos text[], p_first boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._count_kept(p_tbl text, p_slos text[], p_first boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_kept(p_tbl text, p_slos text[], p_first boolean) IS 'Private. Counts a kept row for the warning under SERIALIZABLE, where reading the kept rows again would make concurrent writers fail. p_first: the first of its statement.';
CREATE FUNCTION mlguard._count_refusal(p_no integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._count_segments(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_end timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _first timestamptz;
  _baseline interval;
begin
  if (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
    return;
  end if;
  insert into mlguard._segment as s (slo, segment, n)
  select p_slo.id, p.segment, (p.states ->> 'n')::bigint
  from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, 1000000) p
  on conflict (slo, segment) do update set n = s.n + excluded.n;
  select w.first_start, coalesce(substring(t.baseline from '^(?:first|previous) (.*)$')::interval, interval '28 days')
  into _first, _baseline
  from mlguard._window w
  join mlguard._table t on t.tbl = w.tbl
  where w.slo = p_slo.id;
  if p_end >= _first + _baseline and exists (select from mlguard._segment s where s.slo = p_slo.id) then
    delete from mlguard._segment s
    using (
      select k.segment, row_number() over (order by k.n desc, k.segment) as place
      from mlguard._segment k
      where k.slo = p_slo.id
    ) ranked
    where s.slo = p_slo.id and s.segment = ranked.segment and ranked.place > p_slo.max_segments;
    update mlguard._window w set frozen = true where w.slo = p_slo.id;
  end if;
end
$_$;
ALTER FUNCTION mlguard._count_segments(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_end timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_segments(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_end timestamp with time zone) IS 'Private. Counts the segments of a window until the baseline is over, then keeps the largest for good.';
CREATE FUNCTION mlguard._count_stored(p_table mlguard._table, p_version integer, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  -- From the states that the table's own function computes, so that filters and segments of SLOs are in it: of the
  -- buckets, where these were counted by event time and the stretch is made of whole ones, else of the rows.
  execute format(
    $statement$
      with counted as materialized (
        select c.segment, mlguard.merge_v1(d.states) as states, sum(c.n) as n,
               (select array_agg(k.name order by k.name) from jsonb_object_keys(c.segment) k (name)) as names
        from %s c
        cross join lateral (
          select jsonb_object_agg(s.key, s.value) as states
          from jsonb_each(c.states) s (key, value)
          where s.key ~ '^(bins|values)\('
        ) d
        where d.states is not null and ($5 @> c.bucket) is not true
        group by c.segment
      ), ranked as (
        select c.*, row_number() over (partition by c.names order by c.n desc, c.segment::text) as rank from counted c
      ), pooled as (
        -- Segments beyond the largest are judged as one; which these are differs from SLO to SLO, so that more of them
        -- are kept by themselves than any SLO judges alone.
        select r.segment, r.states from ranked r where r.rank <= 1000 and not r.segment ? '*'
        union all
        select '{"*": "other"}', mlguard.merge_v1(r.states)
        from ranked r
        where r.segment ? '*' or (r.segment <> '{}' and r.rank > (
          select coalesce(max(s.max_segments), 50) from mlguard._slo s where s.tbl = $1 and s.by_columns <> '{}'))
        having count(*) > 0
      )
      insert into mlguard._baseline_column as k (
        tbl, version, column_name, key, segment, kind, edges, counts, categories, other, n, sampled, starts, ends)
      select $1, $2, w.column_name, s.key, p.segment, case when s.key like 'bins(%%' then 'number' else 'category' end,
             e.edges,
             case when s.key like 'bins(%%' then array(
               select c.n::numeric::bigint
               from jsonb_array_elements_text(s.state -> 'c') with ordinality c (n, bin)
               order by c.bin)
             end,
             case when s.key like 'values(%%' then s.state -> 'c' end,
             coalesce((s.state ->> 'other')::numeric, 0), (s.state ->> 'n')::numeric, (s.state ->> 'sampled')::numeric,
             $3, $4
      from pooled p
      cross join lateral jsonb_each(p.states) s (key, state)
      join mlguard._baseline_wanted($1, $2) w
        on s.key in (format('bins(%%s)', w.spelled), format('values(%%s)', w.spelled))
        or starts_with(s.key, format('bins(%%s) where ', w.spelled))
        or starts_with(s.key, format('values(%%s) where ', w.spelled))
      left join lateral (
        select b.edges
        from mlguard._baseline_column b
        where b.tbl = $1 and b.version = $2 and b.column_name = w.column_name and b.kind = 'number'
        limit 1
      ) e on s.key like 'bins(%%'
      where exists (
          select
          from mlguard._baseline_column b
          where b.tbl = $1 and b.version = $2 and b.column_name = w.column_name
            and b.starts is not distinct from $3 and b.ends is not distinct from $4)
        and (s.state ->> 'n')::numeric > 0
        and (s.key like 'values(%%'
             or ((s.state ->> 'v')::integer = $2 and jsonb_array_length(s.state -> 'c') = cardinality(e.edges) + 1))
      on conflict (tbl, version, column_name, key, segment) do update
      set counts = excluded.counts, categories = excluded.categories, other = excluded.other, n = excluded.n,
          sampled = excluded.sampled
      where k.n = 0
    $statement$,
    case
      when mlguard._counted_by_time(p_table)
           and (p_from is null or mlguard._window_start(p_table.base, p_table.time_zone, p_from) = p_from)
           and (p_to is null or mlguard._window_start(p_table.base, p_table.time_zone, p_to) = p_to)
      then '(select b.* from mlguard._bucket b where b.tbl = $1 and ($3 is null or b.bucket >= $3) '
           'and ($4 is null or b.bucket < $4))'
      else format('%s($3, $4)', p_table.recount)
    end)
  using p_table.tbl, p_version, p_from, p_to, p_left_out;
end
$_$;
ALTER FUNCTION mlguard._count_stored(p_table mlguard._table, p_version integer, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._count_stored(p_table mlguard._table, p_version integer, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) IS 'Private. Counts the stored rows of a stretch of time into the columns of a version that are of this stretch, for each filter and segment of their SLOs. The version is in use and the buckets are counted by then.';
CREATE TABLE mlguard._baseline (
    tbl text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    starts timestamp with time zone,
    ends timestamp with time zone,
    state text DEFAULT 'learning'::text NOT NULL,
    n bigint,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    set_by text DEFAULT SESSION_USER NOT NULL,
    next_at timestamp with time zone,
    CONSTRAINT _baseline_kind CHECK ((kind = ANY (ARRAY['first'::text, 'previous'::text, 'window'::text, 'table'::text, 'file'::text, 'ticket'::text]))),
    CONSTRAINT _baseline_state CHECK ((state = ANY (ARRAY['learning'::text, 'frozen'::text, 'replaced'::text])))
);
ALTER TABLE mlguard._baseline OWNER TO postgres;
COMMENT ON TABLE mlguard._baseline IS 'Private. One row per version of a table''s baseline; what is counted with one version is compared with no other.';
COMMENT ON COLUMN mlguard._baseline.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._baseline.version IS 'Counts the baselines of the table.';
COMMENT ON COLUMN mlguard._baseline.kind IS 'first or previous: learned from the first days, or from those before what is judged; window, table, file: set by hand; ticket: what a model was trained on.';
COMMENT ON COLUMN mlguard._baseline.source IS 'In words: first 28 days, all rows, features.training, ref.parquet.';
COMMENT ON COLUMN mlguard._baseline.starts IS 'Event time of its first rows; null: it has no limit, or the table no event time.';
COMMENT ON COLUMN mlguard._baseline.ends IS 'Event time up to which its rows reach, itself not included.';
COMMENT ON COLUMN mlguard._baseline.state IS 'learning: not there yet; frozen: the one in use; replaced: kept for explain.';
COMMENT ON COLUMN mlguard._baseline.n IS 'Values of the column that has most.';
COMMENT ON COLUMN mlguard._baseline.set_at IS 'When it was frozen; of one that is learned still, since when.';
COMMENT ON COLUMN mlguard._baseline.set_by IS 'Who set it, or whose sweep froze it.';
COMMENT ON COLUMN mlguard._baseline.next_at IS 'Columns it lacks are not looked for again before then.';
CREATE FUNCTION mlguard._counted(p_baseline mlguard._baseline, p_c jsonb) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Buckets by event time are counted anew for a new baseline; other rows are counted by the edges they met.
  select (p_c ->> 'batch' is null and mlguard._counted_by_time(t))
         or p_baseline.set_at <= coalesce(
              (p_c ->> 'start')::timestamptz,
              (select b.opened_at from mlguard._batch b where b.id = (p_c ->> 'batch')::bigint))
  from mlguard._table t
  where t.tbl = p_baseline.tbl
$$;
ALTER FUNCTION mlguard._counted(p_baseline mlguard._baseline, p_c jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._counted(p_baseline mlguard._baseline, p_c jsonb) IS 'Private. Whether the rows of a batch or window were counted by the edges of a baseline, if they have values at all.';
CREATE FUNCTION mlguard._counted_by_time(p_table mlguard._table) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select p_table.recount is not null and p_table.base is not null and p_table.event_sql is not null
$$;
ALTER FUNCTION mlguard._counted_by_time(p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._counted_by_time(p_table mlguard._table) IS 'Private. Whether the buckets of a table can be computed from its stored rows: these tell which bucket they are of.';
CREATE FUNCTION mlguard._deadline(p_arrives jsonb, p_before timestamp with time zone, p_itself boolean) RETURNS timestamp with time zone
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _zone text := p_arrives ->> 'zone';
  _at time := p_arrives ->> 'at';
  _day date := p_before at time zone _zone;
  _due timestamptz;
begin
  -- A week and a day back: only one day of the week may be named, and today's time may not have come. A time that the
  -- clock skips is taken an hour later, of one that comes twice the second counts: PostgreSQL's reading of local times.
  for _back in 0..8 loop
    if p_arrives -> 'days' @> to_jsonb(extract(isodow from _day - _back)::integer) then
      _due := (_day - _back + _at) at time zone _zone;
      if _due < p_before or (p_itself and _due = p_before) then
        return _due;
      end if;
    end if;
  end loop;
  return null;
end
$$;
ALTER FUNCTION mlguard._deadline(p_arrives jsonb, p_before timestamp with time zone, p_itself boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._deadline(p_arrives jsonb, p_before timestamp with time zone, p_itself boolean) IS 'Private. The last deadline of an arrives_by before a time (p_itself: or at it).';
CREATE FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update mlguard._quarantine
  set status = p_status, decided_at = clock_timestamp(), decided_by = session_user, reason = p_reason
  where id = p_id
$$;
ALTER FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) IS 'Private. Ends the waiting of a kept row.';
CREATE FUNCTION mlguard._deciles(p_ordered double precision[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(jsonb_agg(distinct p_ordered[1 + g.j * (cardinality(p_ordered) - 1) / 10]), '[]')
  from generate_series(1, 9) g (j)
  where cardinality(p_ordered) > 20
$$;
ALTER FUNCTION mlguard._deciles(p_ordered double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._deciles(p_ordered double precision[]) IS 'Private. Distinct deciles of ordered numbers.';
CREATE FUNCTION mlguard._decimals(p_nums double precision[]) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _spare double precision := 0.005 * cardinality(p_nums);
  _some double precision[] := array(select u.x from unnest(p_nums) with ordinality u (x, i) where u.i % 10 = 0);
  _p double precision;
begin
  for _d in 0 .. 5 loop
    _p := power(10::double precision, _d);
    -- A tenth of them mostly has too many already. In line, not as a function: there are thousands.
    continue when _spare < (
      select count(*) filter (
        where case when abs(u.x) between 1e-100 and 1e100 then abs(u.x * _p - round(u.x * _p)) > 1e-6 + 1e-9 * abs(u.x * _p) end)
      from unnest(_some) u (x));
    if _spare >= (
      select count(*) filter (
        where case when abs(u.x) between 1e-100 and 1e100 then abs(u.x * _p - round(u.x * _p)) > 1e-6 + 1e-9 * abs(u.x * _p) end)
      from unnest(p_nums) u (x))
    then
      return _d;
    end if;
  end loop;
  return null;
end
$$;
ALTER FUNCTION mlguard._decimals(p_nums double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._decimals(p_nums double precision[]) IS 'Private. Fewest decimals, up to 5, that all but 0.5 % of the numbers keep to; null: none.';
CREATE FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb DEFAULT '{}'::jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._deviation(p_values double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Equal values give 0 and nothing else: what rounding leaves over would be taken for a unit.
  select case when max(u.x) = min(u.x) then 0 else stddev_pop(u.x) end from unnest(p_values) u (x)
$$;
ALTER FUNCTION mlguard._deviation(p_values double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._deviation(p_values double precision[]) IS 'Private. Standard deviation (population) of numbers.';
CREATE FUNCTION mlguard._distance_detail(p_slo mlguard._slo, p_s jsonb, p_c jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _pii text[] := (select t.pii from mlguard._table t where t.tbl = p_slo.tbl);
  _found jsonb := '{}';
  _metric record;
  _compared record;
begin
  for _metric in
    select m.metric, m.name, m.column_name, s.key
    from mlguard._baseline_metrics(p_slo.metrics) m
    cross join lateral jsonb_object_keys(p_s) s (key)
    where m.name <> 'new_category_rate'
      and s.key in (replace(m.metric, m.name || '(', 'bins('), replace(m.metric, m.name || '(', 'values('))
  loop
    _compared := mlguard._compared(p_s, p_c, _metric.key, _metric.column_name);
    if _compared.words is null then
      _found := _found || jsonb_build_object(_metric.metric, jsonb_build_object(
        'baseline', mlguard.baseline_version_v1(p_slo.tbl),
        'noise', mlguard._noise(_metric.name, _compared.here, _compared.baseline),
        'n', (select sum(c.n) from unnest(_compared.here) c (n)),
        'm', (select sum(c.n) from unnest(_compared.baseline) c (n)),
        'bins', (
          select jsonb_agg(
                   jsonb_build_object('share', b.share, 'baseline', b.there)
                   || case
                        when _metric.column_name = any (_pii) then '{}'
                        else jsonb_build_object('bin', b.label)
                      end
                   order by b.place)
          from (
            select s.*, row_number() over (order by abs(s.share - s.there) desc) as rank
            from (
              select c.place, c.label, c.here / sum(c.here) over () as share, c.there / sum(c.there) over () as there
              from unnest(_compared.here, _compared.baseline, _compared.labels)
                   with ordinality c (here, there, label, place)
            ) s
          ) b
          where b.rank <= 30)));
    end if;
  end loop;
  return nullif(_found, '{}');
end
$$;
ALTER FUNCTION mlguard._distance_detail(p_slo mlguard._slo, p_s jsonb, p_c jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._distance_detail(p_slo mlguard._slo, p_s jsonb, p_c jsonb) IS 'Private. For explain: {metric: {baseline, noise, n, m, bins: [{bin, share, baseline}]}} with the 30 bins that differ most, without values of pii columns; null: nothing was compared with a baseline.';
CREATE FUNCTION mlguard._domain(p_tbl text, p_over text, p_first text, p_second text, p_mixed boolean) RETURNS TABLE(t integer, share double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  -- Share of rows whose two values were both known before and never met; with p_mixed, were the first column shuffled.
  with line as (
    select a.t, u.x, u.y, u.mixed
    from mlguard._pair_work a
    join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and b.t = a.t and b.column_name = p_second
    cross join lateral unnest(a.codes, b.codes, a.mixed) u (x, y, mixed)
    where a.tbl = p_tbl and a.over = p_over and a.column_name = p_first
  ), first_x as (
    select l.x, min(l.t) as t from line l where l.x is not null group by l.x
  ), first_y as (
    select l.y, min(l.t) as t from line l where l.y is not null group by l.y
  ), met as (
    select l.x, l.y, min(l.t) as t from line l where l.x is not null and l.y is not null group by l.x, l.y
  )
  select l.t, avg((l.x is not null and l.y is not null and coalesce(m.t >= l.t, true)
                   and coalesce(x.t < l.t, false) and coalesce(y.t < l.t, false))::integer)::double precision
  from (select l.t, case when p_mixed then l.mixed else l.x end as x, l.y from line l) l
  left join first_x x on x.x = l.x
  left join first_y y on y.y = l.y
  left join met m on m.x = l.x and m.y = l.y
  group by l.t
$$;
ALTER FUNCTION mlguard._domain(p_tbl text, p_over text, p_first text, p_second text, p_mixed boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._domain(p_tbl text, p_over text, p_first text, p_second text, p_mixed boolean) IS 'Private. Of each kept scope the share of rows with a pair of known values never seen together before.';
CREATE FUNCTION mlguard._drop_unguarded() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $_$
declare
  _relation text;
  _tbl text;
  _n bigint;
  _dropped bigint := 0;
begin
  foreach _relation in array array['_single', '_state', '_bucket', '_sample'] loop
    -- From one table's name to the next: reading every line to find a few names would cost as many lines.
    execute format('select min(s.tbl) from mlguard.%I s', _relation) into _tbl;
    while _tbl is not null loop
      if not exists (select from mlguard._table t where t.tbl = _tbl) and mlguard._lock_table(_tbl) then
        execute format('delete from mlguard.%I s where s.tbl = $1', _relation) using _tbl;
        get diagnostics _n = row_count;
        _dropped := _dropped + _n;
      end if;
      execute format('select min(s.tbl) from mlguard.%I s where s.tbl > $1', _relation) into _tbl using _tbl;
    end loop;
  end loop;
  return _dropped;
end
$_$;
ALTER FUNCTION mlguard._drop_unguarded() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._drop_unguarded() IS 'Private. Deletes states, buckets and samples of tables that are not guarded any more; returns how many.';
CREATE FUNCTION mlguard._emptied(p_hold bigint, p_why text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _hold mlguard._hold;
  _slo mlguard._slo;
  _v mlguard._verdict;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = p_why
  where h.id = p_hold
  returning h.* into _hold;
  select s.* into _slo from mlguard._slo s where s.id = _hold.slo;
  if found then
    _v := mlguard._verdict_of(_slo, mlguard._scope(_hold.tbl, 'batch', _hold.batch, null, null, _hold.segment));
    _v.outcome := 'INSUFFICIENT';
    _v.n := 0;
    _v.reason := 'no rows are left of it';
    perform mlguard._keep(array[_v], true);
  end if;
end
$$;
ALTER FUNCTION mlguard._emptied(p_hold bigint, p_why text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._emptied(p_hold bigint, p_why text) IS 'Private. Ends the hold of a batch of which no rows are left.';
CREATE FUNCTION mlguard._emptied_at(p_tbl text) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
  select greatest(
    (select max(s.id) from mlguard._state s where s.tbl = p_tbl and s.op = 'TRUNCATE'),
    (select max(l.upto) from mlguard._load_state l where l.tbl = p_tbl and l.load = ''),
    0)
$$;
ALTER FUNCTION mlguard._emptied_at(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._emptied_at(p_tbl text) IS 'Private. The line of mlguard._state that says a table was emptied; 0: it never was. What came before is void.';
CREATE FUNCTION mlguard._end_holds(p_slo text, p_reason text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _ended integer;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = session_user, reason = p_reason, resolved = true
  where h.slo = p_slo and h.ended_at is null;
  get diagnostics _ended = row_count;
  return _ended;
end
$$;
ALTER FUNCTION mlguard._end_holds(p_slo text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._end_holds(p_slo text, p_reason text) IS 'Private. A person ends every hold of an SLO, for the batches and windows it holds now; returns how many.';
CREATE FUNCTION mlguard._end_snoozes(p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident;
  _healing boolean;
  _n bigint := 0;
begin
  for _incident in
    select i.* from mlguard._incident i where i.state = 'snoozed' and i.snoozed_until <= p_as_of order by i.id
  loop
    -- Nobody is woken for what was good the last time it was judged.
    select v.outcome = 'PASS'
    into _healing
    from mlguard._verdict v
    where v.slo = _incident.slo and v.id >= _incident.last_verdict and v.segment = _incident.segment and v.current
      and v.outcome <> 'INSUFFICIENT'
    order by v.id desc
    limit 1;
    update mlguard._incident i
    set state = 'open', told = case when _healing and i.told is not null then 'open' else i.told end
    where i.id = _incident.id;
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._end_snoozes(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._end_snoozes(p_as_of timestamp with time zone) IS 'Private. Ends snoozes that are over; returns how many.';
CREATE FUNCTION mlguard._error_class(p_code text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Its class and not its message, which may hold a value.
  select format(
    'SQLSTATE %s (%s)', p_code,
    case left(p_code, 2)
      when '0A' then 'feature not supported'
      when '22' then 'data exception'
      when '23' then 'integrity constraint violation'
      when '25' then 'invalid transaction state'
      when '26' then 'invalid SQL statement name'
      when '2F' then 'SQL routine exception'
      when '42' then 'syntax error or access rule violation'
      when '53' then 'insufficient resources'
      when '54' then 'program limit exceeded'
      when '55' then 'object not in prerequisite state'
      when '58' then 'system error'
      when 'P0' then 'PL/pgSQL error'
      else 'internal error'
    end)
$$;
ALTER FUNCTION mlguard._error_class(p_code text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._error_class(p_code text) IS 'Private. An SQLSTATE in words that show no value.';
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
CREATE FUNCTION mlguard._event_text(p_no bigint, p_event mlguard._event) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- jsonb prints one value in one way, whoever asks; so does a time in UTC.
  select jsonb_build_array(
           p_no, p_event.id, to_char(p_event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_event.who,
           p_event.act, p_event.target, p_event.before, p_event.after, p_event.reason)::text
$$;
ALTER FUNCTION mlguard._event_text(p_no bigint, p_event mlguard._event) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._event_text(p_no bigint, p_event mlguard._event) IS 'Private. What is hashed of an event: a JSON array of seal number, id, time in UTC, who, act, target, before, after, reason.';
CREATE FUNCTION mlguard._evidence(p_states jsonb, p_columns text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Extremes are values of single rows, groups may be small; long states are for the machine.
  select jsonb_strip_nulls(jsonb_build_object(
    'states', jsonb_object_agg(s.key, s.value) filter (where s.key <> 'stale'),
    'stale', p_states -> 'stale'))
  from jsonb_each(p_states) s
  where s.key !~ '^(keys|quantiles|min|max|roc|parity|opportunity|unequal)\('
    and (s.key !~ '\(' or exists (select from unnest(p_columns) c (name) where strpos(s.key, c.name) > 0))
    and octet_length(s.value::text) <= 4000
$$;
ALTER FUNCTION mlguard._evidence(p_states jsonb, p_columns text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._evidence(p_states jsonb, p_columns text[]) IS 'Private. The states behind a verdict, for explain.';
CREATE FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo mlguard._slo;
  _alter text;
begin
  select s.* into _slo from mlguard._slo s where s.id = p_slo;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: there is no SLO %s', coalesce(p_slo, 'NULL')),
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
CREATE FUNCTION mlguard._exclude(p_id bigint, p_excluded boolean) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n bigint;
begin
  with scope as (
    select distinct v.over, v.batch, v.window_start, v.window_end
    from mlguard._incident i
    join mlguard._verdict v
      on v.slo = i.slo and v.segment = i.segment and v.id between i.first_verdict and i.last_verdict
    where i.id = p_id and v.current and v.outcome = 'FAIL'
      -- What another incident, judged a true alarm, found in the same place stays excluded.
      and (p_excluded or not exists (
        select
        from mlguard._incident o
        join mlguard._verdict w
          on w.slo = o.slo and w.segment = o.segment and w.id between o.first_verdict and o.last_verdict
        where o.tbl = i.tbl and o.segment = i.segment and o.label = 'true' and o.id <> i.id
          and w.current and w.outcome = 'FAIL' and w.over = v.over
          and (w.batch, w.window_start) is not distinct from (v.batch, v.window_start)))
  )
  update mlguard._metric m
  set excluded = p_excluded
  from mlguard._incident i, scope s
  where i.id = p_id and m.tbl = i.tbl and m.segment = i.segment and m.current and m.over = s.over
    and (m.batch = s.batch or (s.batch is null and m.window_start = s.window_start and m.window_end = s.window_end))
    and m.excluded <> p_excluded;
  get diagnostics _n = row_count;
  return _n;
end
$$;
ALTER FUNCTION mlguard._exclude(p_id bigint, p_excluded boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._exclude(p_id bigint, p_excluded boolean) IS 'Private. Leaves the metrics of the batches and windows of an incident out of learned bands, or takes them in again.';
CREATE FUNCTION mlguard._expire_claims() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
  _n bigint := 0;
begin
  for _request in
    select r.*
    from mlguard._retrain_request r
    where r.state = 'claimed' and r.lease_until < clock_timestamp()
    for update skip locked
  loop
    update mlguard._retrain_request r
    set state = case when r.attempts >= (mlguard._policy(r.model)).attempts then 'failed' else 'requested' end,
        ended_at = case when r.attempts >= (mlguard._policy(r.model)).attempts then clock_timestamp() end,
        outcome = format('no sign of life of %s since %s', r.claimed_by, mlguard._minute(r.lease_until)),
        lease_until = null
    where r.id = _request.id
    returning r.* into _request;
    perform mlguard._record_retrain('lose retrain', _request, _request.outcome);
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._expire_claims() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._expire_claims() IS 'Private. Takes claims back from workers that gave no sign of life: for another worker, or as failed after too many.';
CREATE FUNCTION mlguard._explained(p_first anyarray, p_second anyarray) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  -- Mutual information of two binned columns as a share of the smaller of their entropies, in nats.
  with joint as (
    select u.a, u.b, count(*)::double precision / cardinality(p_first) as p from unnest(p_first, p_second) u (a, b) group by u.a, u.b
  ), one as (
    select j.a, sum(j.p) as p from joint j group by j.a
  ), two as (
    select j.b, sum(j.p) as p from joint j group by j.b
  ), entropy as (
    select least((select -sum(o.p * ln(o.p)) from one o), (select -sum(t.p * ln(t.p)) from two t)) as h
  )
  select case when cardinality(p_first) >= 5 and e.h > 0.05 then (
           select sum(j.p * ln(j.p / (o.p * t.p))) from joint j join one o on o.a = j.a join two t on t.b = j.b) / e.h
         end
  from entropy e
$$;
ALTER FUNCTION mlguard._explained(p_first anyarray, p_second anyarray) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._explained(p_first anyarray, p_second anyarray) IS 'Private. How much one binned column tells of another: mutual information over the smaller entropy.';
CREATE FUNCTION mlguard._fair_groups(p_states jsonb, p_key text, p_least integer) RETURNS TABLE(name text, n double precision, a double precision, b double precision)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select g.name, sum(g.n), sum(g.a), sum(g.b)
  from (
    select case
             when t.key = '*' or (t.value ->> 0)::float8 < p_least then 'small groups'
             when t.key = '?' then 'missing'
             else t.key
           end as name,
           (t.value ->> 0)::float8 as n, (t.value ->> 1)::float8 as a, (t.value ->> 2)::float8 as b
    from jsonb_each(p_states -> p_key -> 'c') t
  ) g
  group by g.name
  having sum(g.n) >= greatest(p_least, 1)
$$;
ALTER FUNCTION mlguard._fair_groups(p_states jsonb, p_key text, p_least integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._fair_groups(p_states jsonb, p_key text, p_least integer) IS 'Private. Groups large enough to be compared, the small ones as one; a value has = before it.';
CREATE FUNCTION mlguard._figure(p_value double precision, p_limits text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _number numeric;
  _digits integer;
  _limits numeric[];
begin
  if p_value is null then
    return 'no value';
  elsif p_value = 'NaN' then
    return 'NaN';
  elsif abs(p_value) = 'Infinity' then
    return case when p_value > 0 then 'infinite' else '-infinite' end;
  elsif p_value = 0 then
    return '0';
  elsif abs(p_value) >= 1e15 or abs(p_value) < 1e-6 then
    return trim(to_char(p_value, '9.99EEEE'));
  end if;
  _number := p_value::numeric;
  _digits := case when abs(p_value) >= 0.1 then 3 else 2 - floor(log(abs(_number))) end;
  -- 0.7496 is not written 0.75 where 0.75 is the limit.
  _limits := array(select m[1]::numeric from regexp_matches(p_limits, '-?\d+(?:\.\d+)?', 'g') m);
  while _digits < 15 and round(_number, _digits) = any (_limits) and _number <> round(_number, _digits) loop
    _digits := _digits + 1;
  end loop;
  return trim_scale(round(_number, _digits))::text;
end
$$;
ALTER FUNCTION mlguard._figure(p_value double precision, p_limits text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._figure(p_value double precision, p_limits text) IS 'Private. A number as messages show it: three digits after the point, or three that count, and as many more as tell it from the limit.';
CREATE FUNCTION mlguard._fill_baseline(p_table mlguard._table, p_version integer, p_columns text[], p_from timestamp with time zone, p_to timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _relation regclass := to_regclass(format('%I.%I', p_table.schema_name, p_table.table_name));
  _left_out tstzmultirange := mlguard._left_out(p_table.tbl, p_from, p_to);
  _where text := mlguard._rows_sql(case
    when p_from is not null or p_to is not null or _left_out <> '{}' then p_table.event_sql
  end);
  _edges jsonb;
  _missing jsonb;
  _most bigint;
  _added bigint;
begin
  select jsonb_object_agg(s.column_name, s.edges), jsonb_object_agg(s.column_name, s.missing), max(s.n), count(*)
  into _edges, _missing, _most, _added
  from mlguard._survey(_relation, _relation, p_columns, _where, p_from, p_to, _left_out) s
  where s.n >= 200;
  if _added = 0 then
    return 0;
  end if;
  if p_table.recount is null then
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, other, n, missing, starts, ends)
    select p_table.tbl, p_version, c.column_name, c.key, c.kind, c.edges, c.counts, c.categories, c.other, c.n,
           c.missing, p_from, p_to
    from mlguard._tally(_relation, _relation, _edges, _where, p_from, p_to, _left_out) c;
  else
    -- Without counts for now: these are computed by the edges, once they are in use.
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, n, missing, starts, ends)
    select p_table.tbl, p_version, c.column_name, c.key, case when c.edges is null then 'category' else 'number' end,
           c.edges, case when c.edges is not null then array_fill(0, array[cardinality(c.edges) + 1]) end,
           case when c.edges is null then '{}'::jsonb end, 0, (_missing ->> c.column_name)::bigint,
           p_from, p_to
    from mlguard._tallied(_relation, _relation, _edges) c;
  end if;
  update mlguard._baseline b
  set n = greatest(b.n, _most), starts = least(b.starts, p_from), ends = greatest(b.ends, p_to)
  where b.tbl = p_table.tbl and b.version = p_version;
  return _added;
end
$$;
ALTER FUNCTION mlguard._fill_baseline(p_table mlguard._table, p_version integer, p_columns text[], p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._fill_baseline(p_table mlguard._table, p_version integer, p_columns text[], p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. Adds columns to a version of a baseline from the stored rows of a stretch of time; columns with fewer than 200 values stay out. Returns how many came in; _use_baseline() counts them.';
CREATE FUNCTION mlguard._find(p_slo mlguard._slo, p_states jsonb, p_c jsonb) RETURNS mlguard._verdict
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _v mlguard._verdict := mlguard._verdict_of(p_slo, p_c);
  _f mlguard.found_v1;
begin
  begin
    execute format('select * from %s($1, $2)', p_slo.verdict) into _f using p_states, p_c;
    if _f.metrics::text ~ '\m(psi|js|ks|linf|new_category_rate)\(' then
      _v.detail := mlguard._distance_detail(p_slo, p_states, p_c);
    end if;
  exception
    when others then
      -- A conflict with another transaction, or the server going down, is not about the check.
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      return mlguard._could_not(p_slo, p_c, sqlstate);
  end;
  _v.metrics := coalesce(_f.metrics, '{}');
  _v.vals := coalesce(_f.vals, '{}');
  _v.n := coalesce(_f.n, 0);
  if _v.n < p_slo.min_rows then
    _v.outcome := 'INSUFFICIENT';
    _v.reason := format('%s row%s, fewer than %s', _v.n, case when _v.n = 1 then '' else 's' end, p_slo.min_rows);
  elsif _f.ok then
    _v.outcome := 'PASS';
  elsif _f.ok is null and _f.reason is distinct from 'no values' then
    _v.outcome := 'INSUFFICIENT';
    _v.reason := coalesce(_f.reason, 'no answer');
  else
    _v.outcome := 'FAIL';
    _v.reason := _f.reason;
    _v.detail := coalesce(_v.detail, '{}') || mlguard._evidence(p_states, p_slo.columns);
    if _v.window_end <= p_slo.since then
      _v.outcome := 'NOTED';
      _v.reason := 'before the SLO was in force';
    elsif p_slo.shadow then
      _v.outcome := 'NOTED';
      _v.reason := 'shadow';
    elsif mlguard.waived_v1(p_slo.id) then
      _v.outcome := 'NOTED';
      _v.reason := 'waived';
    end if;
  end if;
  if p_states ? 'stale' then
    _v.detail := coalesce(_v.detail, '{}') || jsonb_build_object('stale', p_states -> 'stale');
  end if;
  _v.observed := mlguard._finding(
    _v.metrics, _v.vals, case when _v.outcome in ('FAIL', 'NOTED') then p_slo.allowed end,
    mlguard._for_segment(_v.segment, p_slo.by_columns));
  return _v;
end
$_$;
ALTER FUNCTION mlguard._find(p_slo mlguard._slo, p_states jsonb, p_c jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._find(p_slo mlguard._slo, p_states jsonb, p_c jsonb) IS 'Private. Judges states: runs the generated verdict function of an SLO and says what follows. Stores nothing.';
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
    xid xid8 DEFAULT pg_current_xact_id(),
    opened_at timestamp with time zone DEFAULT now() NOT NULL,
    closed_at timestamp with time zone,
    landed bigint,
    withheld bigint,
    writer text DEFAULT SESSION_USER NOT NULL,
    room bigint DEFAULT 0 NOT NULL,
    name text,
    part_of bigint,
    begun boolean DEFAULT false NOT NULL,
    ended_at timestamp with time zone,
    retired boolean DEFAULT false NOT NULL
);
ALTER TABLE mlguard._batch OWNER TO postgres;
COMMENT ON TABLE mlguard._batch IS 'Private. What one transaction wrote to one table, where a rule needs to know it.';
COMMENT ON COLUMN mlguard._batch.id IS 'Number.';
COMMENT ON COLUMN mlguard._batch.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._batch.xid IS 'The transaction; null for a load.';
COMMENT ON COLUMN mlguard._batch.opened_at IS 'Start of the transaction.';
COMMENT ON COLUMN mlguard._batch.closed_at IS 'Its COMMIT; null where constraints were IMMEDIATE and sweep() has not closed it yet.';
COMMENT ON COLUMN mlguard._batch.landed IS 'Rows that landed; null where no rule of the table counts them.';
COMMENT ON COLUMN mlguard._batch.withheld IS 'Rows that were kept out.';
COMMENT ON COLUMN mlguard._batch.writer IS 'Who wrote.';
COMMENT ON COLUMN mlguard._batch.room IS 'Kept rows with a lower number cannot be above the cap of the quarantine: they need not be counted.';
COMMENT ON COLUMN mlguard._batch.name IS 'Of a load: the value of the column, or what begin_batch() was told.';
COMMENT ON COLUMN mlguard._batch.part_of IS 'Of a transaction: the load it was part of, where it was part of one only.';
COMMENT ON COLUMN mlguard._batch.begun IS 'Somebody began it and is to end it: how many rows there are is judged then.';
COMMENT ON COLUMN mlguard._batch.ended_at IS 'Nothing more was expected from then on; null where nobody said so.';
COMMENT ON COLUMN mlguard._batch.retired IS 'Its states are forgotten: rows that come under its name begin a new load.';
CREATE FUNCTION mlguard._find_in_load(p_load mlguard._batch, p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_column text) RETURNS mlguard._verdict[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _part record;
  _v mlguard._verdict;
  _verdicts mlguard._verdict[] := '{}';
begin
  for _part in
    select p.segment, p.states
    from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, p_slo.max_segments) p
    where p_slo.by_columns <> '{}'
    union all
    select s.segment, s.states
    from unnest(p_segments, p_states) s (segment, states)
    where p_slo.by_columns = '{}' and s.segment = '{}'
  loop
    if p_slo.since > p_load.opened_at then
      -- Of its first rows the states may lack what this SLO asks for.
      _v := mlguard._verdict_of(p_slo, mlguard._scope(p_load.tbl, 'batch', p_load.id, null, null, _part.segment));
      _v.n := (_part.states ->> 'n')::bigint;
      _v.outcome := 'INSUFFICIENT';
      _v.reason := 'the batch began before the SLO was in force';
    elsif (_part.states ->> 'n')::numeric <= 0 then
      continue;
    else
      _v := mlguard._find(
        p_slo, _part.states, mlguard._scope(p_load.tbl, 'batch', p_load.id, null, null, _part.segment));
      _v.observed := _v.observed || format(' for %s %s', coalesce(p_column, 'batch'), p_load.name);
    end if;
    _verdicts := _verdicts || _v;
  end loop;
  return _verdicts;
end
$$;
ALTER FUNCTION mlguard._find_in_load(p_load mlguard._batch, p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._find_in_load(p_load mlguard._batch, p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_column text) IS 'Private. Judges one SLO over a load, a verdict for each segment. Stores nothing.';
CREATE FUNCTION mlguard._find_unseen(p_tbl text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _ids bigint[];
  _now pg_snapshot;
  _pairs numeric;
  _n bigint := 0;
  _more bigint;
  _gone xid8;
begin
  -- Numbers of transactions that are still to come are of another server: the database was restored.
  delete from mlguard._pairing m
  where m.tbl = p_tbl and m.xid >= pg_snapshot_xmax(pg_current_snapshot())
    and m.xid is distinct from pg_current_xact_id_if_assigned();
  delete from mlguard._paired d where d.tbl = p_tbl and d.upto >= pg_snapshot_xmax(pg_current_snapshot());
  -- One statement, one snapshot: a transaction that saw none of these marks had its number before _now ends.
  select array_agg(m.id), pg_current_snapshot(),
         count(*) filter (where m.side = 'predictions')::numeric * count(*) filter (where m.side <> 'predictions')
  into _ids, _now, _pairs
  from mlguard._pairing m
  where m.tbl = p_tbl;
  if _ids is null then
    return 0;
  end if;
  if _pairs <= 1000000 then
    insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
    select distinct p.tbl, p.bucket_from, p.bucket_to
    from mlguard._pairing p
    join mlguard._pairing o
      on o.tbl = p_tbl and o.side <> 'predictions' and o.id = any (_ids)
      and (o.known_at is null or p.known_at is null)
      and case
            when o.xid = p.xid then o.statement = p.statement
            else not pg_visible_in_snapshot(o.xid, p.seen) and not pg_visible_in_snapshot(p.xid, o.seen)
          end
    where p.tbl = p_tbl and p.side = 'predictions' and p.id = any (_ids);
    get diagnostics _n = row_count;
  else
    -- Too many to compare each with each: two that overlap in time are taken for such that saw nothing of each other.
    with mark as materialized (
      select m.id, m.side, m.known_at, m.bucket_from, m.bucket_to, m.xid::text::numeric as xid,
             pg_snapshot_xmin(m.seen)::text::numeric as low
      from mlguard._pairing m
      where m.tbl = p_tbl and m.id = any (_ids)
    ), line as (
      select m.id, m.low as place, null::numeric as low, null::numeric as new_low, 1 as kind
      from mark m
      where m.side = 'predictions'
      union all
      select null, m.xid, m.low, case when m.known_at is null then m.low end, 0
      from mark m
      where m.side <> 'predictions'
    ), reached as (
      select l.id, min(l.low) over later as low, min(l.new_low) over later as new_low
      from line l
      window later as (order by l.place desc, l.kind rows unbounded preceding)
    )
    insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
    select distinct p_tbl, m.bucket_from, m.bucket_to
    from mark m
    join reached r on r.id = m.id
    where case when m.known_at is null then r.low else r.new_low end <= m.xid;
    get diagnostics _n = row_count;
  end if;
  -- A transaction that looked at the database once, long ago, and wrote only now may have missed marks that are gone.
  insert into mlguard._recount_due (tbl, bucket_from, bucket_to)
  select distinct m.tbl, m.bucket_from, m.bucket_to
  from mlguard._pairing m
  join mlguard._paired d on d.tbl = m.tbl and pg_snapshot_xmin(m.seen) <= d.upto
  where m.tbl = p_tbl and m.id = any (_ids) and m.known_at is null;
  get diagnostics _more = row_count;
  update mlguard._pairing m
  set known_at = pg_snapshot_xmax(_now)
  where m.tbl = p_tbl and m.id = any (_ids) and m.known_at is null;
  with gone as (
    delete from mlguard._pairing m
    where m.tbl = p_tbl and m.id = any (_ids) and m.known_at <= pg_snapshot_xmin(_now)
    returning m.xid
  )
  select g.xid into _gone from gone g order by g.xid desc limit 1;
  if _gone is not null then
    insert into mlguard._paired as d (tbl, upto)
    values (p_tbl, _gone)
    on conflict (tbl) do update set upto = greatest(d.upto, excluded.upto);
  end if;
  return _n + _more;
end
$$;
ALTER FUNCTION mlguard._find_unseen(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._find_unseen(p_tbl text) IS 'Private. Has the buckets of predictions counted anew whose transaction and that of a label (or attribute) did not see each other; returns how many statements that were.';
CREATE FUNCTION mlguard._finding(p_metrics text[], p_vals double precision[], p_limits text, p_segment text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select nullif(
    string_agg(
      case
        when m.value is null then m.metric || ' has no value'
        else m.metric || ' is ' || mlguard._figure(m.value, p_limits)
      end, ', ' order by m.place) || p_segment,
    '')
  from unnest(p_metrics, p_vals) with ordinality m (metric, value, place)
$$;
ALTER FUNCTION mlguard._finding(p_metrics text[], p_vals double precision[], p_limits text, p_segment text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._finding(p_metrics text[], p_vals double precision[], p_limits text, p_segment text) IS 'Private. Metrics in words: coverage(age) is 0.491 for country DE.';
CREATE TABLE mlguard._band (
    tbl text NOT NULL,
    over text NOT NULL,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    metric text NOT NULL,
    class text NOT NULL,
    side text NOT NULL,
    factor double precision NOT NULL,
    scale double precision,
    filled double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    known boolean[] DEFAULT '{}'::boolean[] NOT NULL,
    slots integer[] DEFAULT '{}'::integer[] NOT NULL,
    units double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r1 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r2 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r3 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r4 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r5 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    r6 double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    errors double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    spreads double precision[] DEFAULT '{}'::double precision[] NOT NULL,
    plain integer,
    plain_up double precision,
    plain_down double precision,
    slot_up double precision,
    slot_down double precision,
    history integer DEFAULT 0 NOT NULL,
    upto bigint DEFAULT 0 NOT NULL,
    left_out bigint DEFAULT 0 NOT NULL,
    learned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE ONLY mlguard._band ALTER COLUMN filled SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN units SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r1 SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r2 SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r3 SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r4 SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r5 SET STORAGE EXTERNAL;
ALTER TABLE ONLY mlguard._band ALTER COLUMN r6 SET STORAGE EXTERNAL;
ALTER TABLE mlguard._band OWNER TO postgres;
COMMENT ON TABLE mlguard._band IS 'Private. What the next value of a series should be, and how far off is too far.';
COMMENT ON COLUMN mlguard._band.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._band.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._band.segment IS 'The segment; {}: all rows.';
COMMENT ON COLUMN mlguard._band.metric IS 'The series.';
COMMENT ON COLUMN mlguard._band.class IS 'share, count, information or location: how errors are made alike.';
COMMENT ON COLUMN mlguard._band.side IS 'Which direction is bad: up, down or both.';
COMMENT ON COLUMN mlguard._band.factor IS 'Multiplies the limit: above 1 where a change may well be the world''s.';
COMMENT ON COLUMN mlguard._band.scale IS 'Unit of a location: the column''s usual standard deviation; set at 20, 40, 80 … values.';
COMMENT ON COLUMN mlguard._band.filled IS 'The last 200 values on the steadied scale, missing ones filled, oldest first.';
COMMENT ON COLUMN mlguard._band.known IS 'Which of the last 150 had a value.';
COMMENT ON COLUMN mlguard._band.slots IS 'Day of the week, or hour of the day, of the last 35.';
COMMENT ON COLUMN mlguard._band.units IS 'Least error that counts, for each of the last 150.';
COMMENT ON COLUMN mlguard._band.r1 IS 'Errors of the median of 30 as a guess, for the last 150; null: no value, or too early.';
COMMENT ON COLUMN mlguard._band.r2 IS 'Of the median of 7.';
COMMENT ON COLUMN mlguard._band.r3 IS 'Of the last value.';
COMMENT ON COLUMN mlguard._band.r4 IS 'Of the value 7 ago.';
COMMENT ON COLUMN mlguard._band.r5 IS 'Of the median of those 7, 14 and 21 ago.';
COMMENT ON COLUMN mlguard._band.r6 IS 'Of the median of the last 4 on the same day of the week, or hour.';
COMMENT ON COLUMN mlguard._band.errors IS 'Trimmed mean error of each guess.';
COMMENT ON COLUMN mlguard._band.spreads IS 'Usual error of each guess.';
COMMENT ON COLUMN mlguard._band.plain IS 'The best of the first five guesses.';
COMMENT ON COLUMN mlguard._band.plain_up IS 'Its worst error upward in units; from 40 on the mean of the two worst.';
COMMENT ON COLUMN mlguard._band.plain_down IS 'The same downward.';
COMMENT ON COLUMN mlguard._band.slot_up IS 'The same of the sixth guess, where it is better.';
COMMENT ON COLUMN mlguard._band.slot_down IS 'The same downward.';
COMMENT ON COLUMN mlguard._band.history IS 'Past errors it rests on.';
COMMENT ON COLUMN mlguard._band.upto IS 'Number of the newest metric row it was learned from.';
COMMENT ON COLUMN mlguard._band.left_out IS 'Values labelled as faults when it was learned; another count, and it is learned anew.';
COMMENT ON COLUMN mlguard._band.learned_at IS 'When.';
CREATE FUNCTION mlguard._finished(b mlguard._band) RETURNS mlguard._band
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _worst double precision[];
begin
  select array_agg(q.error order by q.c), array_agg(q.spread order by q.c), max(q.h)
  into b.errors, b.spreads, b.history
  from (
    select c.c, q.h, greatest(1.4826 * q.q5, q.q9 / 1.645) as spread,
           -- LEAST leaves NULL out: a scope without an error must not count as one of q9.
           (select avg(least(abs(u.r), q.q9)) from unnest(c.r) u (r) where u.r is not null) * case c.c when 1 then 1 else 1.05 end as error
    from (values (1, b.r1), (2, b.r2), (3, b.r3), (4, b.r4), (5, b.r5), (6, b.r6)) c (c, r)
    cross join lateral (
      select count(u.r)::integer as h, percentile_cont(0.9) within group (order by abs(u.r)) as q9,
             percentile_cont(0.5) within group (order by abs(u.r)) as q5
      from unnest(c.r) u (r)
    ) q
  ) q;
  b.plain := (select e.c from unnest(b.errors[1:5]) with ordinality e (error, c) order by e.error nulls last, e.c limit 1);
  b.plain_up := null;
  b.plain_down := null;
  b.slot_up := null;
  b.slot_down := null;
  if b.history = 0 then
    return b;
  end if;
  _worst := mlguard._worst(
    case b.plain when 1 then b.r1 when 2 then b.r2 when 3 then b.r3 when 4 then b.r4 else b.r5 end,
    b.units, b.spreads[b.plain], b.side);
  b.plain_up := _worst[1];
  b.plain_down := _worst[2];
  -- With fewer than seven errors the sixth guess has no record to choose it by.
  if b.errors[6] < b.errors[b.plain] and (select count(u.r) from unnest(b.r6) u (r)) >= 7 then
    _worst := mlguard._worst(b.r6, b.units, b.spreads[6], b.side);
    b.slot_up := _worst[1];
    b.slot_down := _worst[2];
  end if;
  return b;
end
$$;
ALTER FUNCTION mlguard._finished(b mlguard._band) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._finished(b mlguard._band) IS 'Private. Which guess was best so far, its usual error, and its worst errors, which set the limit.';
CREATE FUNCTION mlguard._fit_partition(p_parent regclass, p_child regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard._fit_partition(p_parent regclass, p_child regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._fit_partition(p_parent regclass, p_child regclass) IS 'Private. Gives a table the CHECKs and NOT NULLs without which ATTACH PARTITION refuses it.';
CREATE FUNCTION mlguard._fold_failures() RETURNS bigint[]
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _failed record;
  _first mlguard._verdict;
  _last mlguard._verdict;
  _slo mlguard._slo;
  _table mlguard._table;
  _incident mlguard._incident;
  _good bigint;
  _severity text;
  _new bigint[] := '{}';
begin
  -- Whoever was removed meanwhile has no more incidents.
  for _failed in
    with taken as (
      delete from mlguard._incident_event returning *
    )
    select t.slo, t.segment, count(*) as times, min(t.verdict) as first_verdict, max(t.verdict) as last_verdict,
           array_agg(t.number order by t.id) as numbers, (array_agg(t.scope order by t.id))[1] as scope
    from taken t
    group by t.slo, t.segment
    order by min(t.id)
  loop
    select s.* into _slo from mlguard._slo s where s.id = _failed.slo;
    continue when not found;
    select v.* into _first from mlguard._verdict v where v.id = _failed.first_verdict;
    select v.* into _last from mlguard._verdict v where v.id = _failed.last_verdict;
    continue when _first.id is null or _last.id is null;
    select t.* into _table from mlguard._table t where t.tbl = _slo.tbl;
    _severity := case when 'ERROR' in (_first.outcome, _last.outcome) then 'page' else _slo.severity end;
    select i.*
    into _incident
    from mlguard._incident i
    where i.slo = _failed.slo and md5(i.segment::text) = md5(_failed.segment::text) and i.state <> 'resolved';
    if not found then
      -- It comes back soon after it had resolved itself, and nobody has judged it: the same incident goes on.
      select i.*
      into _incident
      from mlguard._incident i
      where i.slo = _failed.slo and i.segment = _failed.segment and i.state = 'resolved'
      order by i.resolved_at desc
      limit 1;
      if found and _incident.auto and _incident.label is null then
        select count(distinct (v.batch, v.window_start, v.window_end))
        into _good
        from mlguard._verdict v
        where v.slo = _failed.slo and v.segment = _failed.segment and v.current and v.outcome = 'PASS'
          and v.id > _incident.last_verdict and v.id < _failed.first_verdict;
        if _good > mlguard._good_needed(_incident) + 3
           or (_first.over in ('read', 'assertion', 'schema') and _first.at > _incident.resolved_at + interval '1 day') then
          _incident := null;
        end if;
      else
        _incident := null;
      end if;
      if _incident.id is not null then
        update mlguard._incident i
        set state = 'open', flaps = i.flaps + 1, cause = null, scope = _failed.scope, first_batch = _first.batch,
            precedence = mlguard._precedence(_first, _slo, _table), severity = _severity,
            resolved_at = null, resolved_by = null, resolved_reason = null, auto = false
        where i.id = _incident.id;
        _new := _new || _incident.id;
      end if;
    end if;
    if _incident.id is null then
      insert into mlguard._incident (
        id, slo, tbl, segment, column_name, severity, precedence, scope, first_batch, over, batch, window_start,
        window_end, n, observed, allowed, headline, pii, opened_at, last_at, times, first_verdict, last_verdict)
      values (
        -- The number may have been that of an incident which was resolved since.
        coalesce((select o.number
                  from unnest(_failed.numbers) with ordinality o (number, place)
                  where not exists (select from mlguard._incident i where i.id = o.number)
                  order by o.place
                  limit 1),
                 nextval('mlguard.incident_id')),
        _failed.slo, _slo.tbl, _failed.segment, _slo.column_name, _severity,
        mlguard._precedence(_first, _slo, _table), _failed.scope, _first.batch, _last.over, _last.batch,
        _last.window_start, _last.window_end, _last.n, mlguard._observed_words(_last, _slo, _table), _last.allowed,
        mlguard._headline(_last, _slo, _table), _table.pii, _first.at, _last.at, _failed.times,
        _failed.first_verdict, _failed.last_verdict)
      returning * into _incident;
      _new := _new || _incident.id;
    else
      update mlguard._incident i
      set over = _last.over, batch = _last.batch, window_start = _last.window_start, window_end = _last.window_end,
          n = _last.n, observed = mlguard._observed_words(_last, _slo, _table), allowed = _last.allowed,
          headline = mlguard._headline(_last, _slo, _table), pii = _table.pii,
          last_at = greatest(i.last_at, _last.at), times = i.times + _failed.times,
          last_verdict = greatest(i.last_verdict, _failed.last_verdict)
      where i.id = _incident.id;
      perform mlguard._make_severe(_incident.id, _severity);
    end if;
    update mlguard._incident i
    set also = (array(
      select distinct o.number from unnest(i.also || _failed.numbers) o (number) where o.number <> i.id))[1:100]
    where i.id = _incident.id and not _failed.numbers <@ (i.also || i.id);
  end loop;
  return _new;
end
$$;
ALTER FUNCTION mlguard._fold_failures() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._fold_failures() IS 'Private. Takes appended failures into incidents; returns those that were opened or came back.';
CREATE FUNCTION mlguard._fold_states(p_tbl text, p_most integer DEFAULT NULL::integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _chunk constant integer := 20000;
  _upto bigint;
  _emptied bigint;
  _n bigint;
  _folded bigint := 0;
  _at timestamptz;
begin
  -- The caller has the lock of the table. Rows of batches that are held stay: a correction judges them again.
  for _round in 1..coalesce(p_most, 1000000) loop
    _upto := (
      select max(c.id)
      from (select s.id from mlguard._state s where s.tbl = p_tbl and not s.folded order by s.id limit _chunk) c);
    exit when _upto is null;
    _at := mlguard._tick(p_tbl);
    _emptied := (
      select max(s.id)
      from mlguard._state s
      join mlguard._table t on t.tbl = s.tbl
      -- Without event time windows count what was written in them, whatever became of it.
      where s.tbl = p_tbl and not s.folded and s.op = 'TRUNCATE' and s.id <= _upto and t.event_time is not null);
    if _emptied is not null then
      update mlguard._bucket b
      set n = 0, states = '{"n": 0}', shrunk_at = _at
      where b.tbl = p_tbl and b.n <> 0;
    end if;
    with held as materialized (
      select k.batch from mlguard._kept_batches(p_tbl) k (batch)
    ), taken as (
      delete from mlguard._state s
      where s.tbl = p_tbl and s.id <= _upto and not s.folded
        and not exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.id, s.bucket, s.segment, s.sign, s.n, s.states
    ), marked as (
      update mlguard._state s
      set folded = true
      where s.tbl = p_tbl and s.id <= _upto and not s.folded
        and exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.id, s.bucket, s.segment, s.sign, s.n, s.states
    ), change as (
      select c.bucket, c.segment, sum(c.sign * c.n) as n, bool_or(c.sign > 0) as grew,
             mlguard.merge_v1(c.states) filter (where c.sign > 0) as come,
             mlguard.merge_v1(c.states) filter (where c.sign < 0) as gone,
             count(*) as lines
      from (select * from taken union all select * from marked) c
      where isfinite(c.bucket) and c.id > coalesce(_emptied, 0)
      group by c.bucket, c.segment
    ), folded as (
      insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at, shrunk_at)
      select p_tbl, c.bucket, c.segment, coalesce(b.n, 0) + c.n,
             mlguard._unmerge(mlguard._merge(b.states, c.come), c.gone),
             case when c.grew then _at else coalesce(b.changed_at, '-infinity') end,
             case when c.grew then b.shrunk_at else _at end
      from change c
      left join mlguard._bucket b on b.tbl = p_tbl and b.bucket = c.bucket and b.segment = c.segment
      on conflict (tbl, bucket, segment) do update
      set n = excluded.n, states = excluded.states, changed_at = excluded.changed_at, shrunk_at = excluded.shrunk_at
    )
    select (select count(*) from taken) + (select count(*) from marked) into _n;
    _folded := _folded + _n;
  end loop;
  return _folded;
end
$$;
ALTER FUNCTION mlguard._fold_states(p_tbl text, p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._fold_states(p_tbl text, p_most integer) IS 'Private. Folds states that writers appended into buckets, at most p_most times 20000; returns how many.';
CREATE FUNCTION mlguard._for_segment(p_segment jsonb, p_by text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when coalesce(p_segment, '{}') = '{}' then ''
    when p_segment ? '*' then ' for every other ' || array_to_string(p_by, ', ')
    else ' for ' || (
      select string_agg(
               e.key || ' ' || case when jsonb_typeof(e.value) = 'null' then 'missing' else mlguard._shown(e.value) end,
               ', ' order by array_position(p_by, e.key), e.key)
      from jsonb_each(p_segment) e)
  end
$$;
ALTER FUNCTION mlguard._for_segment(p_segment jsonb, p_by text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._for_segment(p_segment jsonb, p_by text[]) IS 'Private. A segment in words: « for country DE».';
CREATE FUNCTION mlguard._freeze_baseline(p_tbl text, p_version integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _before jsonb;
begin
  update mlguard._baseline b
  set state = 'replaced'
  where b.tbl = p_tbl and b.state = 'frozen' and b.version <> p_version
  returning jsonb_build_object('version', b.version, 'source', b.source) into _before;
  update mlguard._baseline b
  set state = 'frozen', set_at = clock_timestamp(), set_by = session_user
  where b.tbl = p_tbl and b.version = p_version and b.state = 'learning';
  if found then
    perform mlguard._record('baseline', p_tbl, _before, (
      select jsonb_build_object('version', b.version, 'source', b.source, 'from', b.starts, 'to', b.ends)
      from mlguard._baseline b
      where b.tbl = p_tbl and b.version = p_version), null);
  end if;
end
$$;
ALTER FUNCTION mlguard._freeze_baseline(p_tbl text, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._freeze_baseline(p_tbl text, p_version integer) IS 'Private. Puts a version in use in place of the one before; writes one event.';
CREATE FUNCTION mlguard._gather(p_tbl text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
declare
  _n bigint;
begin
  -- The caller has the lock of the table, so nobody recounts its rows meanwhile. One statement, one snapshot: who sees a
  -- row written after a TRUNCATE sees the TRUNCATE.
  with taken as (
    delete from mlguard._single l where l.tbl = p_tbl returning l.id, l.bucket, l.known, l.states
  ), merged as (
    select max(t.id) as id, t.bucket, count(*) as n, mlguard.merge_v1(t.known || coalesce(t.states, '{}')) as states
    from taken t
    cross join (select mlguard._emptied_at(p_tbl)) e (id)
    group by t.bucket, t.id > e.id
  ), gathered as (
    insert into mlguard._state (id, tbl, bucket, sign, op, n, states)
    overriding system value
    select m.id, p_tbl, m.bucket, 1, 'INSERT', m.n, m.states
    from merged m
  )
  select count(*) from taken into _n;
  return _n;
end
$$;
ALTER FUNCTION mlguard._gather(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._gather(p_tbl text) IS 'Private. Appends to mlguard._state what single rows of a table left in mlguard._single.';
CREATE FUNCTION mlguard._give_ticket(p_model text, p_from timestamp with time zone, p_to timestamp with time zone, p_request bigint) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _id bigint;
begin
  insert into mlguard._training_ticket (model, from_at, to_at, request, inputs)
  select p_model, p_from, p_to, p_request,
         coalesce(jsonb_object_agg(i.tbl, mlguard._judged_good(i.tbl, p_from, p_to)), '{}')
  from (
    select f.tbl from mlguard._inputs_of(p_model) f (tbl)
    union
    select t.tbl from mlguard._table t where t.model = p_model
  ) i
  returning id into _id;
  perform mlguard._record('begin_training', 'model ' || p_model, null,
                          jsonb_build_object('ticket', _id, 'from', p_from, 'to', p_to, 'request', p_request), null);
  return _id;
end
$$;
ALTER FUNCTION mlguard._give_ticket(p_model text, p_from timestamp with time zone, p_to timestamp with time zone, p_request bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._give_ticket(p_model text, p_from timestamp with time zone, p_to timestamp with time zone, p_request bigint) IS 'Private. Writes a ticket.';
CREATE FUNCTION mlguard._good_needed(p_incident mlguard._incident) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Batches and windows have to be good twice in a row, and once more for every time it came back.
  select case when p_incident.over in ('read', 'assertion', 'schema') then 1 else least(2 + p_incident.flaps, 7) end
$$;
ALTER FUNCTION mlguard._good_needed(p_incident mlguard._incident) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._good_needed(p_incident mlguard._incident) IS 'Private. Good verdicts in a row after which an incident resolves itself.';
CREATE FUNCTION mlguard._grant_baselines(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('grant select on mlguard.baseline, mlguard.baseline_column to %I', p_role);
  execute format(
    'grant execute on function mlguard.set_baseline(regclass, text, timestamptz, timestamptz), '
    'mlguard.set_baseline(regclass, regclass), mlguard.keep_baseline(regclass, text, jsonb, text), '
    'mlguard.baseline_columns(regclass), mlguard._set_own_baseline(regclass, timestamptz, timestamptz), '
    'mlguard._cell_sql(regclass, regclass), mlguard._tallied(regclass, regclass, jsonb), '
    'mlguard._survey(regclass, regclass, text[], text, timestamptz, timestamptz, tstzmultirange), '
    'mlguard._tally(regclass, regclass, jsonb, text, timestamptz, timestamptz, tstzmultirange), '
    'mlguard._tbl(regclass), mlguard._masked(jsonb, text[]) to %I',
    p_role);
end
$$;
ALTER FUNCTION mlguard._grant_baselines(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_baselines(p_role text) IS 'Private. Lets a role see baselines and set them. Part of grant_roles().';
CREATE FUNCTION mlguard._grant_incidents(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('grant select on mlguard.incident to %I', p_role);
  execute format(
    'grant execute on function mlguard._incident_words(bigint), mlguard._incident_history(bigint), '
    'mlguard._precision(text), mlguard._masked(jsonb, text[]) to %I', p_role);
  if p_role in ('mlguard_platform', 'mlguard_task') then
    execute format('grant execute on function mlguard.ack(bigint, text) to %I', p_role);
  end if;
  if p_role = 'mlguard_platform' then
    grant select on mlguard.outbox to mlguard_platform;
    grant execute on function
      mlguard.snooze(bigint, timestamptz, text), mlguard.resolve(bigint, text, text),
      mlguard.label(bigint, text, text), mlguard.waive(bigint, timestamptz, text),
      mlguard.claim_outbox(integer, interval), mlguard.claim_pages(integer, interval), mlguard.delivered(bigint),
      mlguard.failed(bigint, text)
      to mlguard_platform;
  end if;
end
$$;
ALTER FUNCTION mlguard._grant_incidents(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_incidents(p_role text) IS 'Private. Gives one of the three roles its rights on incidents: all see them, tasks acknowledge, the platform does the rest.';
CREATE FUNCTION mlguard._grant_loop(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format(
    'grant select on mlguard.model, mlguard.retrain_request, mlguard.training_ticket, mlguard.withdrawal to %I', p_role);
  -- Views run their functions as who reads them.
  execute format('grant execute on function mlguard._inputs_of(text), mlguard._policy(text) to %I', p_role);
  if p_role in ('mlguard_task', 'mlguard_platform') then
    execute format(
      'grant execute on function mlguard.begin_training(text, timestamptz, timestamptz), '
      'mlguard.ticket_v1(text, bigint), mlguard.claim_retrain(text), mlguard.heartbeat(bigint, bigint), '
      'mlguard.finish_retrain(bigint, text, text, boolean, bigint), mlguard.request_retrain(text, text) to %I', p_role);
  end if;
  if p_role = 'mlguard_platform' then
    execute format(
      'grant execute on function mlguard.reinstate(bigint, text), mlguard.cancel_retrain(bigint, text), '
      'mlguard.set_retrain_policy(text, interval, interval, interval, integer), '
      -- set_baseline() reads with the rights of who calls it.
      'mlguard._ticket_named(text), mlguard._set_ticket_baseline(regclass, bigint) to %I', p_role);
  end if;
end
$$;
ALTER FUNCTION mlguard._grant_loop(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_loop(p_role text) IS 'Private. Gives one of the three roles its rights on the retrain loop: tasks train, the platform decides.';
CREATE FUNCTION mlguard._grant_models(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format(
    'grant select on mlguard.model_version, mlguard.model_usage, mlguard.prediction_batch, mlguard.model_metric to %I',
    p_role);
  execute format('grant execute on function mlguard._previous(text) to %I', p_role);
  if p_role in ('mlguard_platform', 'mlguard_task') then
    execute format('grant execute on function mlguard.register(text, text, text, bigint) to %I', p_role);
  end if;
  if p_role = 'mlguard_platform' then
    grant execute on function
      mlguard.approve(text, text, text), mlguard.promote(text, text, text, text), mlguard.challenge(text, text, text),
      mlguard.rollback(text, text), mlguard.retire(text, text, text),
      mlguard.audit_head(), mlguard.verify_audit(bigint, text)
      to mlguard_platform;
  end if;
end
$$;
ALTER FUNCTION mlguard._grant_models(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_models(p_role text) IS 'Private. Gives one of the three roles its rights on models: all see them, tasks register, the platform does the rest.';
CREATE FUNCTION mlguard._grant_partitions(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._grant_partitions(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_partitions(p_role text) IS 'Private. Gives the platform its rights on partitions; of the tables it must be the owner, as for ALTER TABLE.';
CREATE FUNCTION mlguard._grant_public() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._grant_public() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_public() IS 'Private. Takes functions from everybody that nobody ever decided about, and gives everybody those that are theirs.';
CREATE FUNCTION mlguard._grant_review(p_role text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('grant select on mlguard.review, mlguard.post_set, mlguard.retention, mlguard.own_size to %I', p_role);
  execute format(
    'grant execute on function mlguard.review_accept(bigint, text), mlguard.review_reject(bigint, text), '
    'mlguard.review_override(bigint, jsonb, text), mlguard.set_retention(text, interval, bigint) to %I', p_role);
end
$$;
ALTER FUNCTION mlguard._grant_review(p_role text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_review(p_role text) IS 'Private. Rights of the platform role: to decide about routed rows, and how long records are kept.';
CREATE FUNCTION mlguard._grant_surface() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _role text;
begin
  for _role in
    select r.rolname from pg_roles r where r.rolname in ('mlguard_platform', 'mlguard_task', 'mlguard_writer')
  loop
    execute format('grant usage on schema mlguard to %I', _role);
    execute format(
      'grant select on mlguard.slo, mlguard.gate, mlguard.violation, mlguard.rejection, mlguard.batch, '
      'mlguard.metric, mlguard.verdict, mlguard.profile to %I', _role);
    -- Views run their functions as who reads them.
    execute format(
      'grant execute on function mlguard.assert_ok(regclass), mlguard._closed(text), mlguard._health(text), '
      'mlguard._masked(jsonb, text[]), mlguard._masked_rules(jsonb, text[]), mlguard._refusals(), '
      'mlguard._seconds(interval), mlguard.newest_v1(text), mlguard._shows_values(text[], text[]), '
      'mlguard._personal(jsonb, text[]) to %I',
      _role);
    perform mlguard._grant_incidents(_role);
    if to_regclass('mlguard.alembic_version') is not null then
      execute format('grant select on mlguard.alembic_version to %I', _role);
    end if;
  end loop;
  if exists (select from pg_roles r where r.rolname = 'mlguard_platform') then
    perform mlguard._grant_baselines('mlguard_platform');
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
$$;
ALTER FUNCTION mlguard._grant_surface() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._grant_surface() IS 'Gives mlguard_platform, mlguard_task and mlguard_writer their rights, as far as these roles exist. For the owner of the schema, after an administrator made the roles.';
CREATE FUNCTION mlguard._group_incidents(p_new bigint[]) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _new bigint[] := p_new || mlguard._open_upstream_holds(p_new);
  _id bigint;
  _incident mlguard._incident;
  _roots bigint[];
  _cause bigint;
begin
  -- 1. What failed together on one table, the likeliest cause first.
  foreach _id in array array(
    select i.id from mlguard._incident i where i.id = any (_new) order by i.precedence)
  loop
    select i.* into _incident from mlguard._incident i where i.id = _id and i.cause is null and i.state <> 'resolved';
    continue when not found;
    select array_agg(r.id order by r.tbl = _incident.tbl, r.precedence)
    into _roots
    from (
      select distinct coalesce(m.cause, m.id) as id
      from mlguard._incident m
      where m.tbl = _incident.tbl and m.state <> 'resolved' and m.id <> _id
        and m.cause is distinct from _id
        and mlguard._together(m, _incident)
    ) found
    join mlguard._incident r on r.id = found.id
    where r.state <> 'resolved';
    continue when _roots is null;
    -- A root on another table is further upstream, and comes first in the list.
    select r.id
    into _cause
    from mlguard._incident r
    where r.id = _roots[1] and (r.tbl <> _incident.tbl or r.precedence < _incident.precedence);
    if found then
      perform mlguard._attach(_id, _cause);
    else
      perform mlguard._attach(r.id, _id) from unnest(_roots) r (id);
    end if;
  end loop;
  -- 2. What fails because of what it is made from: the farthest table upstream is the cause.
  foreach _id in array array(
    select i.id from mlguard._incident i where i.cause is null and i.state <> 'resolved' order by i.precedence)
  loop
    select i.* into _incident from mlguard._incident i where i.id = _id and i.cause is null;
    continue when not found;
    select u.id
    into _cause
    from mlguard._upstream(_incident.tbl) above
    join mlguard._incident u on u.tbl = above.tbl and u.state <> 'resolved'
    where coalesce(u.cause, u.id) <> _id
      -- One that was open before this table failed; or both are news and about the same time.
      and (_id = any (_new) or (u.id = any (_new) and mlguard._together(u, _incident)))
    order by above.depth desc, u.precedence
    limit 1;
    if found then
      perform mlguard._attach(_id, _cause);
    end if;
  end loop;
  return (select count(*) from mlguard._incident i where i.id = any (_new) and i.cause is not null);
end
$$;
ALTER FUNCTION mlguard._group_incidents(p_new bigint[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._group_incidents(p_new bigint[]) IS 'Private. Finds the causes of incidents that are new; returns how many are a consequence of another.';
CREATE FUNCTION mlguard._guarded_above(p_relation oid) RETURNS TABLE(tbl text, root oid, event_sql text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select t.tbl, c.oid, t.event_sql
  from pg_partition_ancestors(p_relation) with ordinality a (relid, place)
  join pg_class c on c.oid = a.relid
  join pg_namespace n on n.oid = c.relnamespace
  join mlguard._table t on t.schema_name = n.nspname and t.table_name = c.relname
  order by a.place
  limit 1
$$;
ALTER FUNCTION mlguard._guarded_above(p_relation oid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._guarded_above(p_relation oid) IS 'Private. The guarded table that a partitioned table or partition is, or is a part of; no line where there is none.';
CREATE FUNCTION mlguard._guesses(p_filled double precision[], p_slots integer[], p_slot integer) RETURNS double precision[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n integer := cardinality(p_filled);
  _s integer := cardinality(p_slots);
  _m30 double precision;
  _m7 double precision;
  _same double precision;
  _weeks double precision;
begin
  if _n = 0 then
    return array[null, null, null, null, null, null]::double precision[];
  end if;
  _m30 := (select percentile_cont(0.5) within group (order by u.y) from unnest(p_filled[greatest(1, _n - 29) : _n]) u (y));
  _m7 := (select percentile_cont(0.5) within group (order by u.y) from unnest(p_filled[greatest(1, _n - 6) : _n]) u (y));
  if _n >= 21 then
    _weeks := greatest(least(p_filled[_n - 6], p_filled[_n - 13]),
                       least(greatest(p_filled[_n - 6], p_filled[_n - 13]), p_filled[_n - 20]));
  elsif _n >= 7 then
    _weeks := p_filled[_n - 6];
  end if;
  if p_slot is not null then
    select case when count(f.y) >= 2 then percentile_cont(0.5) within group (order by f.y) end
    into _same
    from (
      select p_filled[_n - _s + g.i] as y
      from generate_series(_s, 1, -1) g (i)
      where p_slots[g.i] = p_slot and _n - _s + g.i >= 1
      order by g.i desc
      limit 4
    ) f;
  end if;
  return array[_m30, _m7, p_filled[_n], case when _n >= 7 then p_filled[_n - 6] end, _weeks, _same];
end
$$;
ALTER FUNCTION mlguard._guesses(p_filled double precision[], p_slots integer[], p_slot integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._guesses(p_filled double precision[], p_slots integer[], p_slot integer) IS 'Private. Six guesses at the next value: median of 30, of 7, the last, 7 ago, median of 7, 14 and 21 ago, and median of the last 4 on the same day of the week or hour.';
CREATE FUNCTION mlguard._headline(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select format(
    '%s%s: %s (%s)',
    p_verdict.tbl,
    -- The metric mostly names its column; schema SLOs and assertions may not.
    case when strpos(f.found, p_slo.column_name) = 0 then ' column ' || p_slo.column_name else '' end,
    coalesce(nullif(concat_ws(', ', nullif(f.found, ''), nullif(p_verdict.allowed, '')), ''), 'it does not hold'),
    concat_ws(', ', split_part(p_verdict.slo, '/', 2),
              mlguard._scope_words(p_verdict.over, p_verdict.batch, p_verdict.window_start, p_verdict.window_end,
                                   coalesce(p_table.time_zone, 'UTC'))))
  from (select mlguard._observed_words(p_verdict, p_slo, p_table) as found) f
$$;
ALTER FUNCTION mlguard._headline(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._headline(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) IS 'Private. Table, column, number, limit, segment, SLO, batch or window of a verdict in one line.';
CREATE FUNCTION mlguard._heal_incidents(p_new bigint[]) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident;
  _why text;
  _n bigint := 0;
begin
  for _incident in
    select i.* from mlguard._incident i where i.state <> 'resolved' order by i.id
  loop
    _why := mlguard._healed(_incident);
    -- What is new is told before it is over, unless its own batch was mended before anybody could look at it.
    if _why is not null and (_incident.id <> all (p_new) or mlguard._corrected(_incident)) then
      perform mlguard._resolve_incident(_incident.id, 'mlguard', _why, true);
      _n := _n + 1;
    end if;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._heal_incidents(p_new bigint[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._heal_incidents(p_new bigint[]) IS 'Private. Resolves incidents that are over; returns how many.';
CREATE FUNCTION mlguard._healed(p_incident mlguard._incident) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo mlguard._slo;
  _bad bigint;
  _good bigint;
begin
  select s.* into _slo from mlguard._slo s where s.id = p_incident.slo;
  if not found then
    return 'the SLO is not in force any more';
  elsif _slo.shadow then
    return 'the SLO is in shadow now';
  elsif exists (select from mlguard._hold h where h.slo = p_incident.slo and h.ended_at is null) then
    return null;
  elsif p_incident.last_verdict is null then
    return 'the hold has ended';
  elsif mlguard._corrected(p_incident) then
    return format('batch %s was corrected', p_incident.batch);
  end if;
  -- Only what is judged counts: neither silence nor INSUFFICIENT is good, and NOTED is bad.
  select v.id
  into _bad
  from mlguard._verdict v
  where v.slo = p_incident.slo and v.id >= p_incident.last_verdict and v.segment = p_incident.segment
    and v.current and v.outcome in ('FAIL', 'ERROR', 'NOTED')
  order by v.id desc
  limit 1;
  select count(distinct (v.batch, v.window_start, v.window_end))
  into _good
  from mlguard._verdict v
  where v.slo = p_incident.slo and v.id > coalesce(_bad, p_incident.last_verdict) and v.segment = p_incident.segment
    and v.current and v.outcome = 'PASS'
    -- An older window that is judged anew, because rows came late, says nothing.
    and coalesce(v.batch >= p_incident.batch, v.window_start >= p_incident.window_start, true);
  if _good < mlguard._good_needed(p_incident) then
    return null;
  end if;
  return case
    when p_incident.over in ('read', 'assertion', 'schema') then 'it holds again'
    else format('%s good %s in a row', _good, case p_incident.over when 'batch' then 'batches' else 'windows' end)
  end;
end
$$;
ALTER FUNCTION mlguard._healed(p_incident mlguard._incident) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._healed(p_incident mlguard._incident) IS 'Private. Why an incident is over, in words; null while it is not.';
CREATE FUNCTION mlguard._health(p_slo text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._held_against(p_band mlguard._band, p_value double precision, p_n bigint, p_k bigint, p_slot integer, p_sensitivity double precision DEFAULT 1) RETURNS mlguard._ratio
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _g double precision[];
  _c integer := p_band.plain;
  _up double precision := p_band.plain_up;
  _down double precision := p_band.plain_down;
  _error double precision;
  _unit double precision;
  _limit_up double precision;
  _limit_down double precision;
  _r mlguard._ratio;
begin
  -- A series that mostly has no value says nothing when it has one.
  if p_value is null or p_band.history < 7
     or p_band.history + least(cardinality(p_band.filled), 7) < 0.5 * least(cardinality(p_band.filled), 150) then
    return null;
  end if;
  _g := mlguard._guesses(p_band.filled, p_band.slots, p_slot);
  if p_band.slot_up is not null and _g[6] is not null then
    _c := 6;
    _up := p_band.slot_up;
    _down := p_band.slot_down;
  end if;
  _error := mlguard._steady(p_band.class, p_value, p_band.scale) - _g[_c];
  _unit := greatest(p_band.spreads[_c], mlguard._unit(p_band.class, p_n, p_k));
  _limit_up := greatest(3.5, 1 + 2.5 * _up) * (1 + 8.0 / p_band.history) * p_band.factor * p_sensitivity;
  _limit_down := greatest(3.5, 1 + 2.5 * _down) * (1 + 8.0 / p_band.history) * p_band.factor * p_sensitivity;
  _r.guess := _c;
  _r.unit := _unit;
  _r.lim := case when p_band.side = 'up' or (p_band.side = 'both' and _error >= 0) then _limit_up else _limit_down end;
  _r.error := case p_band.side when 'up' then greatest(_error, 0) when 'down' then greatest(-_error, 0) else abs(_error) end;
  _r.score := _r.error / _unit / _r.lim;
  _r.expected := mlguard._unsteady(p_band.class, _g[_c], p_band.scale);
  _r.low := case when p_band.side <> 'up' then
    mlguard._unsteady(p_band.class, _g[_c] - _limit_down * _unit, p_band.scale) end;
  _r.high := case when p_band.side <> 'down' then
    mlguard._unsteady(p_band.class, _g[_c] + _limit_up * _unit, p_band.scale) end;
  return _r;
end
$$;
ALTER FUNCTION mlguard._held_against(p_band mlguard._band, p_value double precision, p_n bigint, p_k bigint, p_slot integer, p_sensitivity double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._held_against(p_band mlguard._band, p_value double precision, p_n bigint, p_k bigint, p_slot integer, p_sensitivity double precision) IS 'Private. Score above 1: the value lies outside the band. Null: the band knows too little.';
CREATE FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select concat_ws(' ', p_begin, 'Owner ' || nullif(p_owner, '') || '.', 'Runbook ' || nullif(p_runbook, ''), p_end)
$$;
ALTER FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) IS 'Private. The HINT of a message, without what is unknown.';
CREATE FUNCTION mlguard._hold_by(p_verdict mlguard._verdict, p_slo mlguard._slo) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _zone text;
  _when text := '';
begin
  -- One hold for one batch or window; what a person resolved stays resolved.
  if exists (
       select
       from mlguard._hold h
       where h.slo = p_verdict.slo and h.batch is not distinct from p_verdict.batch
         and h.window_start is not distinct from p_verdict.window_start and h.segment = p_verdict.segment
         and (h.ended_at is null or h.resolved)) then
    return;
  end if;
  if p_verdict.window_start is not null then
    -- A late finding about a window after which a good one closed already.
    if p_slo.reopen = 'next' and exists (
         select
         from mlguard._verdict v
         where v.slo = p_verdict.slo and v.over = p_verdict.over and v.window_start > p_verdict.window_start
           and v.segment = p_verdict.segment and v.current and v.outcome = 'PASS') then
      return;
    end if;
    _zone := (select t.time_zone from mlguard._table t where t.tbl = p_verdict.tbl);
    _when := mlguard._in_window(p_verdict.window_start, p_verdict.window_end, _zone);
  end if;
  insert into mlguard._hold (tbl, slo, batch, observed, allowed, window_start, window_end, segment, verdict)
  values (p_verdict.tbl, p_verdict.slo, p_verdict.batch, coalesce(p_verdict.observed, p_verdict.reason) || _when,
          p_verdict.allowed, p_verdict.window_start, p_verdict.window_end, p_verdict.segment, p_verdict.id);
end
$$;
ALTER FUNCTION mlguard._hold_by(p_verdict mlguard._verdict, p_slo mlguard._slo) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._hold_by(p_verdict mlguard._verdict, p_slo mlguard._slo) IS 'Private. Closes the gate for a batch or window that failed, once.';
CREATE FUNCTION mlguard._in_window(p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "DateStyle" TO 'ISO, YMD'
    AS $$
  select case
    when l.s::time = '00:00' and l.e::time = '00:00' and l.e::date - l.s::date = 1 then format(' on %s', l.s::date)
    when l.s::time = '00:00' and l.e::time = '00:00' then format(' from %s to %s', l.s::date, l.e::date - 1)
    else format(' from %s to %s %s', to_char(l.s, 'YYYY-MM-DD HH24:MI'),
                to_char(l.e, case when l.s::date = l.e::date then 'HH24:MI' else 'YYYY-MM-DD HH24:MI' end), p_zone)
  end
  from (select p_start at time zone p_zone as s, p_end at time zone p_zone as e) l
$$;
ALTER FUNCTION mlguard._in_window(p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._in_window(p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) IS 'Private. A window in words: « on 2026-11-19», days by their last one.';
CREATE FUNCTION mlguard._incident_history(p_id bigint) RETURNS TABLE(verdict bigint, at timestamp with time zone, outcome text, scope text, observed text, allowed text, n bigint, current boolean)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select v.id, v.at, v.outcome,
         mlguard._scope_words(v.over, v.batch, v.window_start, v.window_end, coalesce(t.time_zone, 'UTC')),
         mlguard._observed_words(v, s, t), v.allowed, v.n, v.current
  from mlguard._incident i
  join mlguard._verdict v on v.slo = i.slo and v.segment = i.segment and v.id >= i.first_verdict
  left join mlguard._slo s on s.id = i.slo
  left join mlguard._table t on t.tbl = i.tbl
  where i.id = p_id and v.at <= coalesce(i.resolved_at, 'infinity')
  order by v.id desc
  limit 20
$$;
ALTER FUNCTION mlguard._incident_history(p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._incident_history(p_id bigint) IS 'Private. The last 20 verdicts of an incident''s SLO and segment while it was open, newest first.';
CREATE FUNCTION mlguard._incident_no(p_slo text) RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select coalesce(
    (select min(coalesce(i.cause, i.id)) from mlguard._incident i where i.slo = p_slo and i.state <> 'resolved'),
    (select e.number from mlguard._incident_event e where e.slo = p_slo order by e.id limit 1))
$$;
ALTER FUNCTION mlguard._incident_no(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._incident_no(p_slo text) IS 'Private. The incident that alerts for an SLO now, as hints name it; null where there is none.';
CREATE FUNCTION mlguard._incident_of(p_verdict bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _verdict mlguard._verdict;
  _slo mlguard._slo;
  _table mlguard._table;
  _number bigint;
begin
  select v.* into _verdict from mlguard._verdict v where v.id = p_verdict;
  -- A sweep finds passes in the verdicts themselves; nothing else opens or ends an incident.
  if _verdict.outcome is null or _verdict.outcome not in ('FAIL', 'ERROR') then
    return null;
  end if;
  select s.* into _slo from mlguard._slo s where s.id = _verdict.slo;
  if _slo.shadow or mlguard.waived_v1(_verdict.slo) then
    return null;
  end if;
  select t.* into _table from mlguard._table t where t.tbl = _verdict.tbl;
  select i.id
  into _number
  from mlguard._incident i
  where i.slo = _verdict.slo and md5(i.segment::text) = md5(_verdict.segment::text) and i.state <> 'resolved';
  -- Not under SERIALIZABLE, where to look at lines of other writers is to fail with them.
  if _number is null and current_setting('transaction_isolation') <> 'serializable' then
    select e.number
    into _number
    from mlguard._incident_event e
    where e.slo = _verdict.slo and e.segment = _verdict.segment
    order by e.id
    limit 1;
  end if;
  _number := coalesce(_number, nextval('mlguard.incident_id'));
  insert into mlguard._incident_event (slo, segment, verdict, number, scope, observed, headline)
  values (_verdict.slo, _verdict.segment, _verdict.id, _number, mlguard._scope_range(_verdict, _table),
          mlguard._observed_words(_verdict, _slo, _table), mlguard._headline(_verdict, _slo, _table));
  return _number;
end
$$;
ALTER FUNCTION mlguard._incident_of(p_verdict bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._incident_of(p_verdict bigint) IS 'Private. Hands a verdict over: a failure is appended for the next sweep. Returns the number of its incident; null where the verdict opens none.';
CREATE FUNCTION mlguard._incident_words(p_id bigint) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with broken as (
    select c.headline, row_number() over (order by c.tbl <> i.tbl, c.precedence) as place, count(*) over () as all_of_them,
           nullif(s.runbook, '') as runbook
    from mlguard._incident i
    join mlguard._incident c on c.cause = i.id
    left join mlguard._slo s on s.id = c.slo
    where i.id = p_id and (c.state <> 'resolved' or c.resolved_at >= i.resolved_at)
  )
  select concat_ws(
    e'\n',
    i.headline,
    case
      when i.state = 'resolved' then
        format('resolved %s by %s: %s', mlguard._minute(i.resolved_at), i.resolved_by, i.resolved_reason)
      when i.times > 1 then
        format('failed %s times since %s, last %s', i.times, mlguard._minute(i.opened_at), mlguard._minute(i.last_at))
      else 'since ' || mlguard._minute(i.opened_at)
    end,
    'acknowledged ' || case when i.state = 'acknowledged' then
      mlguard._minute(i.acked_at) || ' by ' || i.acked_by || coalesce(': ' || nullif(i.acked_reason, ''), '')
    end,
    'snoozed until ' || case when i.state = 'snoozed' then
      mlguard._minute(i.snoozed_until) || ' by ' || i.snoozed_by || ': ' || i.snoozed_reason
    end,
    case when i.state <> 'resolved' and not mlguard.gate_open_v1(i.tbl) then i.tbl || ' is held: guarded reads raise' end,
    mlguard._readers_words(i.tbl),
    'part of incident ' || i.cause || ': ' || (select r.headline from mlguard._incident r where r.id = i.cause),
    (select 'also broke:'
            || string_agg(e'\n  ' || b.headline || coalesce(' · runbook ' || b.runbook, ''), '' order by b.place)
            || case when max(b.all_of_them) > 10 then format(e'\n  and %s more', max(b.all_of_them) - 10) else '' end
     from broken b
     where b.place <= 10),
    nullif(concat_ws(' · ',
      'owner ' || nullif(coalesce(nullif(s.owner, ''), t.owner), ''), 'runbook ' || nullif(s.runbook, '')), ''))
  from mlguard._incident i
  left join mlguard._slo s on s.id = i.slo
  left join mlguard._table t on t.tbl = i.tbl
  where i.id = p_id
$$;
ALTER FUNCTION mlguard._incident_words(p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._incident_words(p_id bigint) IS 'Private. The text of an alert: column, number, limit, batch or window, who reads the table, what else broke.';
CREATE FUNCTION mlguard._input_faults(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(tbl text, slo text, why text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
  select i.tbl, r.slo, i.tbl || ' ' || r.words
  from mlguard._inputs_of(p_model) i (tbl)
  cross join lateral mlguard._reasons(i.tbl) r
  union all
  select v.tbl, v.slo,
         format('%s: %s (%s)', v.tbl, concat_ws(', ', v.observed, v.allowed),
                concat_ws(', ', s.name,
                          coalesce('batch ' || v.batch, ltrim(mlguard._in_window(v.window_start, v.window_end, t.time_zone)))))
  from mlguard._inputs_of(p_model) i (tbl)
  join mlguard._table t on t.tbl = i.tbl
  join mlguard._slo s on s.tbl = i.tbl and s.level in ('batch', 'window') and not s.shadow
  join mlguard._verdict v on v.slo = s.id and v.current and v.outcome = 'FAIL'
  where coalesce(v.window_end, v.at) > p_from and coalesce(v.window_start, v.at) < p_to
    and not mlguard.waived_v1(s.id)
    -- A batch or window that is held is named above.
    and not exists (
      select
      from mlguard._hold h
      where h.slo = v.slo and h.ended_at is null and h.segment = v.segment
        and h.batch is not distinct from v.batch and h.window_start is not distinct from v.window_start)
    -- Somebody looked, and said that nothing was wrong or that it was wanted.
    and not exists (
      select
      from mlguard._incident n
      where n.slo = v.slo and n.segment = v.segment and n.label in ('false', 'expected')
        and v.id between n.first_verdict and n.last_verdict)
$$;
ALTER FUNCTION mlguard._input_faults(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._input_faults(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. What speaks against training on the inputs of a model from one time to another: tables held or stale now, and SLOs that failed on what would be read, unless waived or judged false or expected.';
CREATE FUNCTION mlguard._inputs_of(p_model text) RETURNS SETOF text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select distinct i.tbl
  from mlguard._table t
  cross join lateral (
    select u.tbl from unnest(t.features || t.inputs) u (tbl)
    union all
    -- The truth it learns from, where that is guarded too.
    select l.tbl
    from jsonb_array_elements(t.joins) j (line)
    join mlguard._table l
      on j.line ->> 'table' = format(
        '"%s"."%s"', replace(l.schema_name, '"', '""'), replace(l.table_name, '"', '""'))
    where j.line ->> 'what' in ('labels', 'training')
  ) i (tbl)
  where t.model = p_model
  order by i.tbl
$$;
ALTER FUNCTION mlguard._inputs_of(p_model text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._inputs_of(p_model text) IS 'Private. The tables a model reads: features and inputs of its tables of predictions, and labels that are guarded.';
CREATE FUNCTION mlguard._js(p_here double precision[], p_baseline double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  ), shares as (
    select b.here / s.n + b.there / s.m as total,
           abs(b.here / s.n - b.there / s.m) / (b.here / s.n + b.there / s.m) as d
    from unnest(p_here, p_baseline) b (here, there), sides s
    where b.here + b.there > 0
  ), parts as (
    -- (1 + d) ln(1 + d) + (1 - d) ln(1 - d), whose digits cancel where d is small: d² + d⁴ / 6 + d⁶ / 15 + …
    select h.total * case
      when h.d < 0.05 then
        h.d ^ 2 * (1 + h.d ^ 2 * (1 / 6.0::float8 + h.d ^ 2 * (1 / 15.0::float8 + h.d ^ 2 * (
          1 / 28.0::float8 + h.d ^ 2 * (1 / 45.0::float8 + h.d ^ 2 / 66)))))
      when h.d < 1 then (1 + h.d) * ln(1 + h.d) + (1 - h.d) * ln(1 - h.d)
      else (1 + h.d) * ln(1 + h.d)
    end as part
    from shares h
  )
  select least(1, sqrt(sum(t.part) / (4 * ln(2.0::float8)))) from parts t
$$;
ALTER FUNCTION mlguard._js(p_here double precision[], p_baseline double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._js(p_here double precision[], p_baseline double precision[]) IS 'Private. Jensen-Shannon distance: root of the divergence in bits. Lin (1991), Endres and Schindelin (2003).';
CREATE FUNCTION mlguard._judge(p_slo mlguard._slo, p_states jsonb, p_c jsonb, p_why text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _id bigint;
begin
  select k.id into _id from mlguard._keep(array[mlguard._find(p_slo, p_states, p_c)], true) k;
  if _id is not null then
    perform mlguard._conclude(_id, p_why);
  end if;
  return _id;
end
$$;
ALTER FUNCTION mlguard._judge(p_slo mlguard._slo, p_states jsonb, p_c jsonb, p_why text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge(p_slo mlguard._slo, p_states jsonb, p_c jsonb, p_why text) IS 'Private. Judges one SLO over one batch or window and acts on it; returns the verdict, null where nothing is new.';
CREATE FUNCTION mlguard._judge_arrivals(p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo record;
  _last text;
  _outcome text;
  _verdict bigint;
  _n bigint := 0;
begin
  for _slo in
    select s.id, s.tbl, s.allowed, a.arrived, a.words, n.newest
    from mlguard._slo s
    cross join lateral mlguard.arrivals_v1(s.tbl, p_as_of) a
    left join lateral (
      select f.newest from mlguard._freshness f where f.tbl = s.tbl and f.newest <= p_as_of order by f.newest desc limit 1
    ) n on true
    where s.level = 'read' and s.arrives is not null and a.slo = s.id
    order by s.no
  loop
    _outcome := case
      when _slo.arrived then 'PASS'
      when mlguard.waived_v1(_slo.id) or (select s.shadow from mlguard._slo s where s.id = _slo.id) then 'NOTED'
      else 'FAIL'
    end;
    select v.outcome
    into _last
    from mlguard._verdict v
    where v.slo = _slo.id and v.over = 'read' and v.current
    order by v.id desc
    limit 1;
    -- Only changes are written.
    continue when _last = _outcome;
    update mlguard._verdict v set current = false where v.slo = _slo.id and v.over = 'read' and v.current;
    insert into mlguard._verdict (at, slo, tbl, over, outcome, metrics, vals, observed, allowed, reason)
    values (p_as_of, _slo.id, _slo.tbl, 'read', _outcome, '{staleness()}',
            array[coalesce(extract(epoch from p_as_of - _slo.newest)::double precision, 'Infinity')],
            _slo.words, _slo.allowed,
            case when _outcome = 'NOTED' then case when mlguard.waived_v1(_slo.id) then 'waived' else 'shadow' end end)
    returning id into _verdict;
    perform mlguard._incident_of(_verdict);
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_arrivals(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_arrivals(p_as_of timestamp with time zone) IS 'Private. Judges arrives_by by the clock, where it changed; returns how many verdicts were written.';
CREATE FUNCTION mlguard._judge_assertion(p_slo text, p_version text, p_keys text[], p_refused text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _lock mlguard._assertion_lock := mlguard._lock_assertion(p_slo);
  _keys pg_catalog.text[];
  _it pg_catalog.record;
  _rejects boolean;
  _whole boolean;
  _n bigint;
  _samples pg_catalog.jsonb;
  _words pg_catalog.text;
  _state pg_catalog.text;
  _said pg_catalog.text;
begin
  if _lock.slo is null then
    return false;
  end if;
  select a.judge, a.version, s.action, s.shadow, s.no, s.tbl, s.owner, s.runbook,
         mlguard.waived_v1(p_slo) as waived,
         a.hidden or exists (select from mlguard._table t where t.tbl = any (a.tables) and t.pii <> '{}') as hidden
  into strict _it
  from mlguard._assertion a
  join mlguard._slo s on s.id = a.slo
  where a.slo = p_slo;
  _rejects := _it.action = 'reject' and not _it.shadow and not _it.waived;
  -- Where nothing broke it before, only touched keys can break it now. Where something does, a rejecting assertion
  -- refuses what this transaction touched; the others must know whether anything still does.
  _keys := case when p_version = _it.version then p_keys end;
  _whole := _keys is null or _lock.outcome is distinct from 'PASS';
  begin
    execute format('select f.n, f.samples from %s($1) f', _it.judge)
    into _n, _samples
    using case when not _whole then _keys end;
    if _whole and _rejects and _n > 0 and _keys is not null then
      _whole := false;
      execute format('select f.n, f.samples from %s($1) f', _it.judge) into _n, _samples using _keys;
    end if;
  exception
    when serialization_failure or deadlock_detected or lock_not_available then
      raise;
    when others then
      get stacked diagnostics _state = returned_sqlstate, _said = message_text;
      _said := case when _it.hidden then 'error ' || _state else _said end;
  end;
  if _state is not null then
    if _rejects then
      raise exception using
        errcode = _state,
        message = format('mlguard: %s could not be judged: %s; %s', p_slo, _said, p_refused),
        hint = mlguard._hint(null, _it.owner, _it.runbook, 'Correct the SELECT in the SLO file: mlguard apply.');
    end if;
    perform mlguard._record_assertion(p_slo, _lock, 'ERROR', null, null, 'could not be judged', _said);
    return false;
  end if;
  if _n = 0 then
    -- Touched keys alone say nothing of the others.
    if _whole and _lock.outcome is distinct from 'PASS' then
      perform mlguard._record_assertion(p_slo, _lock, 'PASS', 0, null, 'the assertion returns no rows', null);
    end if;
    return false;
  end if;
  _samples := case when not _it.hidden then _samples end;
  _words := mlguard._assertion_words(_n, _samples, _it.tbl);
  if _rejects then
    perform mlguard._count_refusal(_it.no);
    return mlguard._raise(
      'check_violation',
      format('mlguard: %s: %s; %s', p_slo, _words, p_refused),
      p_slo,
      mlguard._detail(p_slo, jsonb_build_object('rows', _n), null,
                      nullif(mlguard._assertion_key(_samples -> 0, _it.tbl), '{}'),
                      jsonb_build_object('sample', _samples)),
      mlguard._hint(null, _it.owner, _it.runbook,
                    'Correct what this transaction wrote; or, if the rule is wrong, change it in the SLO file.'));
  end if;
  perform mlguard._record_assertion(
    p_slo, _lock, case when _it.shadow or _it.waived then 'NOTED' else 'FAIL' end, _n, _samples, _words,
    case when _it.shadow then 'shadow' when _it.waived then 'waived' end);
  return false;
end
$_$;
ALTER FUNCTION mlguard._judge_assertion(p_slo text, p_version text, p_keys text[], p_refused text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_assertion(p_slo text, p_version text, p_keys text[], p_refused text) IS 'Private. Judges an assertion under its lock, for touched keys or (null) whole, and acts on what it finds. Called in an assignment: PostgreSQL prints the text of PERFORM as CONTEXT.';
CREATE FUNCTION mlguard._judge_assertion_due() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _places pg_catalog.jsonb := coalesce(
    nullif(current_setting('mlguard.assertions', true), '')::pg_catalog.jsonb, '{}');
  _due pg_catalog.record;
  _slo pg_catalog.text;
  _done boolean;
begin
  select d.ctid, d.version, d.keys
  into _due
  from mlguard._assertion_due d
  where d.ctid = (_places ->> new.slo)::pg_catalog.tid and d.id = new.id;
  if not found then
    select d.ctid, d.version, d.keys into _due from mlguard._assertion_due d where d.id = new.id;
  end if;
  -- Deleted first: a trigger that writes again during COMMIT has it judged again.
  delete from mlguard._assertion_due d where d.ctid = _due.ctid;
  -- All locks at the first event, in one order: transactions that wrote the same tables the other way round then wait
  -- for each other in turn, not in a circle.
  if _places - new.slo <> '{}' then
    for _slo in
      select a.slo
      from mlguard._assertion a
      where a.slo = new.slo or a.slo in (select jsonb_object_keys(_places))
      order by a.no
    loop
      perform mlguard._lock_assertion(_slo);
    end loop;
  end if;
  _done := mlguard._judge_assertion(new.slo, _due.version, _due.keys, 'COMMIT refused, nothing was stored');
  return null;
end
$$;
ALTER FUNCTION mlguard._judge_assertion_due() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_assertion_due() IS 'Private. Judges one assertion at COMMIT, on the final state, once however often the transaction wrote.';
CREATE FUNCTION mlguard._judge_batch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET extra_float_digits TO '1'
    AS $$
declare
  _table mlguard._table;
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
  select t.*
  into _table
  from mlguard._table t
  where t.tbl = (select b.tbl from mlguard._batch b where b.id = new.batch);
  if _table.judges_batches then
    perform mlguard._judge_metrics(new.batch, _table.tbl);
    perform mlguard._correct_held(new.batch, _table.tbl);
    if to_regprocedure('mlguard._judge_usual_batch(bigint)') is not null
       and exists (
         select
         from mlguard._slo s
         where s.tbl = _table.tbl and s.level = 'batch' and s.learned <> '{}') then
      perform mlguard._judge_usual_batch(new.batch);
    end if;
  end if;
  if _table.base is not null then
    perform mlguard._judge_due(_table.tbl);
  end if;
  return null;
end
$$;
ALTER FUNCTION mlguard._judge_batch() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_batch() IS 'Private. Judges a batch at COMMIT: max_bad, then metrics, then batches it corrects, then windows that closed.';
CREATE FUNCTION mlguard._judge_closed(p_table mlguard._table, p_over text, p_slos text[], p_as_of timestamp with time zone, p_most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _history constant integer := 1000;
  _patience constant integer := 62;
  _zone text := p_table.time_zone;
  _slides boolean := p_over like 'last %';
  -- A sliding window ends with each bucket.
  _step text := case when p_over like 'last %' then p_table.base else p_over end;
  _late interval := make_interval(secs => mlguard._seconds(p_table.late) + (
    select coalesce(max(mlguard._seconds(s.matures)), 0) from mlguard._slo s where s.id = any (p_slos)));
  _first_row timestamptz := (
    select b.bucket from mlguard._bucket b where b.tbl = p_table.tbl order by b.bucket limit 1);
  _to timestamptz;
  _start timestamptz;
  _end timestamptz;
  _next timestamptz;
  _done integer := 0;
  _empty integer := 0;
  _n bigint := 0;
begin
  -- History begins with the first row, or with the SLO, but no more than so many windows before the SLO.
  -- Without event time it begins with the first window that has all its states.
  update mlguard._window w
  set first_start = case
    when p_table.event_time is null
    then mlguard._window_end(_step, _zone, mlguard._window_start(_step, _zone, f.since - interval '1 microsecond'))
    else mlguard._window_start(
      _step, _zone,
      greatest(least(_first_row, f.since), (f.since at time zone _zone - _history * _step::interval) at time zone _zone))
  end
  from (
    select s.id, case when isfinite(s.since) then s.since else coalesce(_first_row, p_as_of) end as since
    from mlguard._slo s
  ) f
  where w.slo = any (p_slos) and f.id = w.slo and w.judged_to is null;
  _to := (select min(coalesce(w.judged_to, w.first_start)) from mlguard._window w where w.slo = any (p_slos));
  loop
    _start := mlguard._window_start(_step, _zone, _to);
    _end := mlguard._window_end(_step, _zone, _start);
    exit when _end + _late > p_as_of or _done >= p_most;
    if exists (
         select from mlguard._bucket b where b.tbl = p_table.tbl and b.bucket >= _start and b.bucket < _end and b.n <> 0) then
      _empty := 0;
    else
      _empty := _empty + 1;
    end if;
    if _empty > _patience then
      -- Only where many windows are made up for at once: a wrong clock in one row would make centuries of empty ones.
      _next := coalesce(
        (select b.bucket from mlguard._bucket b
         where b.tbl = p_table.tbl and b.bucket >= _end and b.bucket < p_as_of and b.n <> 0
         order by b.bucket limit 1),
        mlguard._window_start(_step, _zone, p_as_of - _late) - interval '1 microsecond');
      _empty := 0;
      if mlguard._window_start(_step, _zone, _next) > _start then
        _to := _next;
        continue;
      end if;
    end if;
    _n := _n + mlguard._judge_window(
      p_table,
      array(select w.slo from mlguard._window w
            where w.slo = any (p_slos) and coalesce(w.judged_to, w.first_start) < _end),
      p_over,
      case
        when _slides then (_end at time zone _zone - substr(p_over, 6)::interval) at time zone _zone
        else _start
      end,
      _end, false);
    _to := _end;
    _done := _done + 1;
  end loop;
  update mlguard._window w
  set judged_to = case when _done > 0 then greatest(w.judged_to, _to) else w.judged_to end, due_at = _end + _late
  where w.slo = any (p_slos);
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_closed(p_table mlguard._table, p_over text, p_slos text[], p_as_of timestamp with time zone, p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_closed(p_table mlguard._table, p_over text, p_slos text[], p_as_of timestamp with time zone, p_most integer) IS 'Private. Judges the windows of one length that have closed, oldest first, at most p_most; those that ended before an SLO came into force as its history.';
CREATE FUNCTION mlguard._judge_due(p_tbl text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
begin
  -- A writer judges what is due, one window of each length, when nobody else is at it; never at its own risk.
  if current_setting('transaction_isolation') <> 'read committed'
     or not exists (
       select from mlguard._slo s where s.tbl = p_tbl and s.level = 'window' and s.verdict is not null)
     or (exists (select from mlguard._window w where w.tbl = p_tbl)
         and not exists (
           select from mlguard._window w where w.tbl = p_tbl and w.due_at <= statement_timestamp()))
     or not mlguard._lock_table(p_tbl) then
    return;
  end if;
  begin
    perform mlguard._fold_states(p_tbl, 1);
    perform mlguard._judge_windows(p_tbl, statement_timestamp(), 1);
  exception
    -- OTHERS leaves out a statement that was cancelled: by statement_timeout, say, which counts this against the COMMIT.
    when query_canceled or others then
      raise log 'mlguard: windows of % could not be judged at COMMIT: SQLSTATE %; sweep() will', p_tbl, sqlstate;
  end;
end
$$;
ALTER FUNCTION mlguard._judge_due(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_due(p_tbl text) IS 'Private. Judges windows that are due at COMMIT of a writer; what fails, or takes longer than it may, is left to sweep().';
CREATE FUNCTION mlguard._judge_late(p_table mlguard._table, p_most integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _checked timestamptz;
  _seen timestamptz;
  _over record;
  _starts timestamptz[];
  _start timestamptz;
  _end timestamptz;
  _done integer := 0;
  _n bigint := 0;
begin
  _checked := (select min(w.checked_to) from mlguard._window w where w.tbl = p_table.tbl and w.judged_to is not null);
  _seen := greatest(
    (select b.changed_at from mlguard._bucket b where b.tbl = p_table.tbl order by b.changed_at desc limit 1),
    (select b.shrunk_at from mlguard._bucket b where b.tbl = p_table.tbl and b.shrunk_at is not null
     order by b.shrunk_at desc limit 1));
  -- What was never judged is judged for the first time, with all that came so far: rows of older windows may have come
  -- since it was last seen when the first one closes.
  update mlguard._window w
  set checked_to = _seen, due_at = '-infinity'
  where w.tbl = p_table.tbl and w.judged_to is null and w.checked_to < _seen;
  if _checked is null or _seen is null or _seen <= _checked then
    return 0;
  end if;
  for _over in
    select s.over, s.over like 'last %' as slides, array_agg(s.id) as slos, max(w.judged_to) as judged_to
    from mlguard._slo s
    join mlguard._window w on w.slo = s.id
    where s.tbl = p_table.tbl and w.judged_to is not null
    group by s.over, s.matures
  loop
    if _over.slides then
      -- Every bucket is in many sliding windows; only the newest still says how things are.
      _end := _over.judged_to;
      _starts := array[(_end at time zone p_table.time_zone - substr(_over.over, 6)::interval) at time zone p_table.time_zone];
      if not exists (
           select
           from mlguard._bucket b
           where b.tbl = p_table.tbl and b.bucket >= _starts[1] and b.bucket < _end
             and greatest(b.changed_at, b.shrunk_at) > _checked) then
        _starts := '{}';
      end if;
    else
      _starts := array(
        select distinct c.start
        from (
          select mlguard._window_start(_over.over, p_table.time_zone, b.bucket) as start
          from mlguard._bucket b
          where b.tbl = p_table.tbl and b.changed_at > _checked and b.bucket < _over.judged_to
          union all
          select f.start
          from (
            select distinct mlguard._window_start(_over.over, p_table.time_zone, b.bucket) as start
            from mlguard._bucket b
            where b.tbl = p_table.tbl and b.shrunk_at > _checked and b.bucket < _over.judged_to
          ) f
          where exists (
            select
            from mlguard._verdict v
            where v.slo = any (_over.slos) and v.window_start = f.start and v.current and v.outcome = 'FAIL')
        ) c
        order by c.start);
    end if;
    if _done + cardinality(_starts) > p_most then
      return _n;
    end if;
    foreach _start in array _starts loop
      if not _over.slides then
        _end := mlguard._window_end(_over.over, p_table.time_zone, _start);
      end if;
      _n := _n + mlguard._judge_window(
        p_table,
        array(select w.slo from mlguard._window w where w.slo = any (_over.slos) and w.judged_to >= _end),
        _over.over, _start, _end, true);
      _done := _done + 1;
    end loop;
  end loop;
  update mlguard._window w set checked_to = _seen where w.tbl = p_table.tbl;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_late(p_table mlguard._table, p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_late(p_table mlguard._table, p_most integer) IS 'Private. Judges windows anew to which rows came after they were judged, and failed ones from which rows went; all or none where there are more than p_most.';
CREATE FUNCTION mlguard._judge_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _load mlguard._batch;
  _column text := (select t.batch_column from mlguard._table t where t.tbl = p_tbl);
  _segments jsonb[];
  _states jsonb[];
  _n bigint;
  _failure text;
  _slo mlguard._slo;
  _verdicts mlguard._verdict[] := '{}';
  _id bigint;
begin
  -- COMMIT has it by now; end_batch() takes it here.
  perform pg_advisory_xact_lock(hashtextextended('mlguard load ' || p_load, 0));
  _load := mlguard._open_load(p_tbl, p_load, p_part, p_begun, p_ends);
  begin
    select array_agg(s.segment), array_agg(s.states),
           max((s.states ->> 'n')::numeric) filter (where s.segment = '{}')
    into _segments, _states, _n
    from mlguard._load_states(p_tbl, p_load) s;
  exception
    when others then
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      _failure := sqlstate;
  end;
  update mlguard._batch b set landed = greatest(_n, 0) where b.id = _load.id and _failure is null;
  if _failure is null then
    perform mlguard._merge_load(p_tbl, p_load, 32);
  end if;
  for _slo in
    select s.*
    from mlguard._slo s
    where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null and s.action <> 'reject'
      and (not _load.begun or _load.ended_at is not null or not mlguard._waits(s))
    order by s.no
  loop
    if _failure is not null then
      _verdicts := _verdicts || mlguard._could_not(
        _slo, mlguard._scope(p_tbl, 'batch', _load.id, null, null, '{}'), _failure);
    else
      _verdicts := _verdicts || mlguard._find_in_load(_load, _slo, _segments, _states, _column);
    end if;
  end loop;
  if cardinality(_verdicts) > 0 then
    for _id in select k.id from mlguard._keep(_verdicts, true) k loop
      perform mlguard._conclude(_id);
    end loop;
  end if;
  if _failure is not null then
    return _load.id;
  end if;
  -- The gate tells what is so now, not what was found first.
  update mlguard._hold h
  set observed = v.observed, verdict = v.id
  from mlguard._verdict v
  where h.tbl = p_tbl and h.ended_at is null and h.batch = _load.id and h.verdict <> v.id
    and v.tbl = p_tbl and v.batch = _load.id and v.current and v.outcome = 'FAIL' and v.slo = h.slo
    and v.segment = h.segment;
  perform mlguard._emptied(h.id, 'no rows are left of it')
  from mlguard._hold h
  where h.tbl = p_tbl and h.ended_at is null and h.batch = _load.id and h.verdict is not null
    and not h.segment ? '*'
    and not exists (
      select
      from unnest(_segments, _states) s (segment, states)
      where s.segment = h.segment and (s.states ->> 'n')::numeric > 0);
  return _load.id;
end
$$;
ALTER FUNCTION mlguard._judge_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) IS 'Private. Judges all of a load so far, and acts on it; returns its number. p_part: the transaction that wrote to it; p_begun: somebody is to end it; p_ends: nothing more is expected.';
CREATE FUNCTION mlguard._judge_loads() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET extra_float_digits TO '1'
    AS $$
declare
  _most constant integer := 100;
  _tbl text;
  _column text;
  _loads text[];
  _load text;
  _ended jsonb := coalesce(nullif(current_setting('mlguard.loads_ended', true), '')::jsonb, '[]');
begin
  select t.tbl, t.batch_column
  into _tbl, _column
  from mlguard._batch b
  join mlguard._table t on t.tbl = b.tbl and t.judges_batches
  where b.id = new.batch;
  if _tbl is null then
    return null;
  end if;
  _loads := mlguard._loads_of(new.batch);
  if cardinality(_loads) = 0 then
    return null;
  end if;
  if current_setting('transaction_isolation') <> 'read committed' then
    -- It does not see what others of the same load wrote since it began.
    insert into mlguard._load_due (tbl, load) select _tbl, l.load from unnest(_loads) l (load);
    return null;
  end if;
  insert into mlguard._load_due (tbl, load) select _tbl, l.load from unnest(_loads[_most + 1:]) l (load);
  for _load in select l.load from unnest(_loads[:_most]) l (load) order by l.load collate "C" loop
    perform mlguard._judge_load(
      _tbl, _load, case when cardinality(_loads) = 1 then new.batch end,
      (_column is null or _load is not distinct from current_setting('mlguard.load', true)) and not _ended ? _load, false);
  end loop;
  return null;
end
$$;
ALTER FUNCTION mlguard._judge_loads() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_loads() IS 'Private. Judges at COMMIT the loads that a transaction wrote to or took away from, after the transaction itself.';
CREATE FUNCTION mlguard._judge_metrics(p_batch bigint, p_tbl text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  -- A load is judged as a whole afterwards; but what is refused is what this transaction wrote.
  _alone boolean;
  _again boolean;
  _judged text := coalesce(current_setting('mlguard.judged', true), '');
  _segments jsonb[];
  _states jsonb[];
  _failure text;
  _slo mlguard._slo;
  _part record;
  _c jsonb;
  _v mlguard._verdict;
  _verdicts mlguard._verdict[] := '{}';
  _refused mlguard._verdict[] := '{}';
  _id bigint;
begin
  perform mlguard._lock_loads(p_batch, p_tbl);
  _alone := exists (select from mlguard._state s where s.batch = p_batch and s.sign > 0 and s.load is null);
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign > 0) then
    return;
  end if;
  begin
    select array_agg(b.segment), array_agg(b.states) into _segments, _states from mlguard._batch_states(p_batch) b;
  exception
    when others then
      if left(sqlstate, 2) in ('40', '57') then
        raise;
      end if;
      _failure := sqlstate;
  end;
  -- Everything it wrote, it took away again.
  if _failure is null and not exists (
       select from unnest(_states) s (states) where (s.states ->> 'n')::numeric > 0)
     and exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return;
  end if;
  for _slo in
    select s.*
    from mlguard._slo s
    where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null and (_alone or s.action = 'reject')
    order by s.no
  loop
    if _failure is not null then
      _verdicts := _verdicts || mlguard._could_not(_slo, mlguard._scope(p_tbl, 'batch', p_batch, null, null, '{}'), _failure);
      continue;
    end if;
    for _part in
      select p.segment, p.states
      from mlguard._pooled(_segments, _states, _slo.by_columns, null, _slo.max_segments) p
      where _slo.by_columns <> '{}'
      union all
      select s.segment, s.states
      from unnest(_segments, _states) s (segment, states)
      where _slo.by_columns = '{}' and s.segment = '{}'
    loop
      _c := mlguard._scope(p_tbl, 'batch', p_batch, null, null, _part.segment);
      _v := mlguard._find(_slo, _part.states, _c);
      _verdicts := _verdicts || _v;
      if _v.outcome = 'FAIL' and _slo.action = 'reject' then
        _refused := _refused || _v;
      end if;
    end loop;
  end loop;
  if cardinality(_refused) > 0 then
    perform mlguard._refuse_batch(_refused);
  end if;
  if cardinality(_verdicts) = 0 then
    return;
  end if;
  -- Looking for earlier verdicts of the batch would, under SERIALIZABLE, conflict with writers on the same page of the
  -- index: there only a transaction that remembers having judged looks.
  if current_setting('transaction_isolation') = 'serializable' then
    _again := strpos(_judged, format('|%s|', p_batch)) > 0;
    perform set_config('mlguard.judged', format('|%s|', p_batch) || _judged, true);
  else
    _again := exists (select from mlguard._verdict v where v.tbl = p_tbl and v.batch = p_batch and v.current);
  end if;
  for _id in
    select k.id
    from mlguard._keep(_verdicts, _again) k
    -- What is good for the first time has nothing to end.
    where _again or k.outcome in ('FAIL', 'NOTED', 'ERROR')
  loop
    perform mlguard._conclude(_id);
  end loop;
end
$$;
ALTER FUNCTION mlguard._judge_metrics(p_batch bigint, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_metrics(p_batch bigint, p_tbl text) IS 'Private. Judges the metrics of a batch at COMMIT: the first SLO that rejects raises, everything else is kept.';
CREATE FUNCTION mlguard._judge_reads(p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._judge_staleness(p_as_of) + mlguard._judge_arrivals(p_as_of) + mlguard._judge_volumes(p_as_of)
$$;
ALTER FUNCTION mlguard._judge_reads(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_reads(p_as_of timestamp with time zone) IS 'Private. Judges by the clock what readers find by theirs; returns how many verdicts were written.';
CREATE FUNCTION mlguard._judge_request() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET extra_float_digits TO '1'
    AS $$
begin
  -- The mark goes first: the next statement then leaves another, also under SET CONSTRAINTS … IMMEDIATE.
  delete from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is null;
  if exists (select from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is not null) then
    execute format('select %s', new.judge);
    delete from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is not null;
  end if;
  return null;
end
$$;
ALTER FUNCTION mlguard._judge_request() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_request() IS 'Private. Runs the steps over the requests that a transaction touched.';
CREATE FUNCTION mlguard._judge_schema(p_tbl text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._judge_schema(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_schema(p_tbl text) IS 'Private. Judges the columns of a table; writes a verdict when that changes, and holds or reopens the gate.';
CREATE FUNCTION mlguard._judge_staleness(p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo record;
  _last text;
  _outcome text;
  _verdict bigint;
  _n bigint := 0;
begin
  -- Readers find staleness by their own clock; this is for those who do not read at night. Only changes are written.
  for _slo in
    select s.*, t.event_time, log.newest,
           coalesce(p_as_of > log.newest + make_interval(secs => mlguard._seconds(s.max_age)), true) as stale
    from mlguard._slo s
    join mlguard._table t on t.tbl = s.tbl
    left join lateral (
      select f.newest from mlguard._freshness f where f.tbl = s.tbl and f.newest <= p_as_of order by f.newest desc limit 1
    ) log on true
    where s.level = 'read' and s.max_age is not null and not s.shadow
    order by s.no
  loop
    _outcome := case when not _slo.stale then 'PASS' when mlguard.waived_v1(_slo.id) then 'NOTED' else 'FAIL' end;
    select v.outcome
    into _last
    from mlguard._verdict v
    where v.slo = _slo.id and v.over = 'read' and v.current
    order by v.id desc
    limit 1;
    continue when _last = _outcome or (_last is null and _outcome = 'PASS');
    update mlguard._verdict v set current = false where v.slo = _slo.id and v.over = 'read' and v.current;
    insert into mlguard._verdict (at, slo, tbl, over, outcome, metrics, vals, observed, allowed, reason)
    values (p_as_of, _slo.id, _slo.tbl, 'read', _outcome, '{staleness()}',
            array[coalesce(extract(epoch from p_as_of - _slo.newest)::double precision, 'Infinity')],
            case
              when _slo.newest is null then 'has no rows, so it has no age'
              else format('newest %s is %s, %s old', coalesce(_slo.event_time, 'event time'),
                          mlguard._minute(_slo.newest), mlguard._length(p_as_of - _slo.newest))
            end,
            'allowed ' || mlguard._length(_slo.max_age),
            case when _outcome = 'NOTED' then 'waived' end)
    returning id into _verdict;
    perform mlguard._incident_of(_verdict);
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_staleness(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_staleness(p_as_of timestamp with time zone) IS 'Private. Judges staleness() by the clock, where it changed; returns how many verdicts were written.';
CREATE FUNCTION mlguard._judge_usual(p_tbl text, p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _scope bigint;
  _past bigint;
  _found record;
  _verdict bigint;
  _version integer;
  _slot integer := (
    select mlguard._slot(p_over, t.time_zone, coalesce(p_start, statement_timestamp()))
    from mlguard._table t
    where t.tbl = p_tbl);
begin
  if p_batch is null then
    insert into mlguard._learned_scope as c (tbl, over, window_start, window_end, n, k)
    values (p_tbl, p_over, p_start, p_end, p_n, 0)
    on conflict (tbl, over, window_start) where batch is null do update set n = excluded.n
    returning c.id into _scope;
  else
    insert into mlguard._learned_scope as c (tbl, over, batch, n, k)
    values (p_tbl, p_over, p_batch, p_n, 0)
    on conflict (tbl, over, batch) where batch is not null do update set n = excluded.n
    returning c.id into _scope;
  end if;
  perform mlguard._take_profile(_scope, p_tbl, p_start, p_end, p_batch);
  perform mlguard._measure(_scope);
  _past := (
    select count(*)
    from (
      select from mlguard._learned_scope c
      where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded and c.id <> _scope
      limit 20
    ) seen);
  for _found in
    with slo as (
      select s.id, s.no, coalesce(s.column_name, '') as column_name, s.learned, s.sensitivity
      from mlguard._slo s
      where s.tbl = p_tbl and s.over = p_over and s.learned <> '{}'
    ), held as materialized (
      select r.metric, r.family, r.column_name, r.partner, m.value, m.n as rows, b as band,
             mlguard._held_against(b, m.value, m.n, m.n, _slot) as h
      from mlguard._metric m
      join mlguard._series r on r.tbl = m.tbl and r.over = m.over and r.metric = m.metric
      join mlguard._band b on b.tbl = m.tbl and b.over = m.over and b.metric = m.metric and b.segment = '{}'
      where m.tbl = p_tbl and m.over = p_over and m.sampled and m.current and m.value is not null
        and (m.window_start = p_start or m.batch = p_batch)
    ), own as (
      select h.column_name, power(sum(case when (h.h).score > 1e-50 then power((h.h).score, 3) else 0 end), 1.0 / 3) as score
      from held h
      where h.partner = ''
      group by h.column_name
    ), broken as (
      select c.name as column_name, count(*) as rules
      from held h
      cross join lateral (values (h.column_name), (h.partner)) c (name)
      where h.partner <> '' and (h.h).score > 1
      group by c.name
    ), blamed as (
      -- A broken rule between two columns is laid to the one with more of them broken, then with the worse score.
      select c.name as column_name, h.metric
      from held h
      cross join lateral (values (h.column_name, h.partner), (h.partner, h.column_name)) c (name, other)
      cross join lateral (
        select coalesce((select b.rules from broken b where b.column_name = c.name), 0)
               + least(coalesce((select o.score from own o where o.column_name = c.name), 0), 0.99) as here,
               coalesce((select b.rules from broken b where b.column_name = c.other), 0)
               + least(coalesce((select o.score from own o where o.column_name = c.other), 0), 0.99) as there
      ) e
      where h.partner <> '' and (h.h).score > 0.5 and e.here >= e.there
    ), counted as (
      select s.id, h.metric, h.family, h.column_name, h.partner, h.value, h.rows, h.band,
             case when s.sensitivity = 1 then h.h
                  else mlguard._held_against(h.band, h.value, h.rows, h.rows, _slot, s.sensitivity) end as h
      from slo s
      join held h
        on (h.partner = '' and h.column_name = s.column_name)
        or (h.partner <> '' and exists (
             select from blamed b where b.metric = h.metric and b.column_name = s.column_name))
      where 'all' = any (s.learned) or h.family = any (s.learned) or h.partner <> ''
    )
    select s.id, s.no, count((c.h).score) as series,
           -- Several weak signs of one column add up: the cube root of the sum of cubes.
           greatest(power(sum(case when (c.h).score > 1e-50 then power((c.h).score, 3) else 0 end) filter (where c.partner = ''), 1.0 / 3),
                    max((c.h).score) filter (where c.partner <> '')) as score,
           max((c.h).score) as worst,
           (array_agg(mlguard._series_words(c.family, c.column_name, c.partner) order by (c.h).score desc nulls last))[1] as words,
           (array_agg(c.metric order by (c.h).score desc nulls last))[1] as metric,
           (array_agg(c.value order by (c.h).score desc nulls last))[1] as value,
           (array_agg((c.h).low order by (c.h).score desc nulls last))[1] as low,
           (array_agg((c.h).high order by (c.h).score desc nulls last))[1] as high,
           jsonb_agg(jsonb_build_object(
             'series', c.metric, 'words', mlguard._series_words(c.family, c.column_name, c.partner), 'value', c.value,
             'expected', (c.h).expected, 'error', (c.h).error, 'unit', (c.h).unit, 'limit', (c.h).lim,
             'score', (c.h).score, 'low', (c.h).low, 'high', (c.h).high,
             'predictor', (array['median of 30', 'median of 7', 'last', '7 ago', 'median of 7, 14 and 21 ago',
                                 'same day or hour'])[(c.h).guess],
             'history', (c.band).history, 'rows', c.rows)
             order by (c.h).score desc) filter (where (c.h).score is not null) as detail
    from slo s
    left join counted c on c.id = s.id
    group by s.id, s.no
    order by s.no
  loop
    update mlguard._verdict v
    set current = false
    where v.slo = _found.id and v.current and (v.window_start = p_start or v.batch = p_batch)
    returning v.version into _version;
    insert into mlguard._verdict
      (slo, tbl, over, batch, window_start, window_end, version, outcome, metrics, vals, n, observed, allowed, reason, detail)
    select _found.id, p_tbl, p_over, p_batch, p_start, p_end, coalesce(_version, 0) + 1,
           case
             when _past < 20 then 'INSUFFICIENT'
             when _found.series = 0 then 'INSUFFICIENT'
             when _found.score <= 1 then 'PASS'
             when a.slo is null then 'NOTED'
             else 'FAIL'
           end,
           array_remove(array[_found.metric], null), case when _found.metric is not null then array[_found.value] else '{}' end,
           p_n, case when _found.score > 1 and _found.worst <= 1 then 'several signs at once, the plainest: ' else '' end
             || _found.words || ' is ' || mlguard._figure(_found.value, null),
           case
             when _found.low is null then 'usually at most ' || mlguard._figure(_found.high, null)
             when _found.high is null then 'usually at least ' || mlguard._figure(_found.low, null)
             else format('usually %s to %s', mlguard._figure(_found.low, null), mlguard._figure(_found.high, null))
           end,
           case
             when _past < 20 then format('learning: %s of 20 past windows or batches', _past)
             when _found.series = 0 then 'no series has a band yet'
             when _found.score > 1 and a.slo is null then 'shadow: on trial until its alarms keep within the budget'
           end,
           jsonb_build_object('score', _found.score, 'series',
             (select jsonb_agg(e.value order by e.ordinality)
              from jsonb_array_elements(_found.detail) with ordinality e where e.ordinality <= 8))
    from (select _found.id) x
    left join (
      select m.slo from mlguard._armed m
      union
      select s.id from mlguard._slo s where 'armed' = any (s.learned)
    ) a on a.slo = _found.id
    returning id into _verdict;
    _version := null;
    perform mlguard._conclude(_verdict);
  end loop;
  return _scope;
end
$$;
ALTER FUNCTION mlguard._judge_usual(p_tbl text, p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_usual(p_tbl text, p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) IS 'Private. Judges the learned health of a window or batch; writes a verdict for each column.';
CREATE FUNCTION mlguard._judge_usual_batch(p_batch bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _batch record;
begin
  select b.tbl, coalesce(sum(s.n) filter (where s.sign = 1 and s.segment = '{}'), 0)::bigint as n
  into _batch
  from mlguard._batch b
  left join mlguard._state s on s.batch = b.id
  where b.id = p_batch
  group by b.tbl;
  if _batch.n > 0 then
    perform mlguard._judge_usual(_batch.tbl, 'batch', null, null, p_batch, _batch.n);
  end if;
end
$$;
ALTER FUNCTION mlguard._judge_usual_batch(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_usual_batch(p_batch bigint) IS 'Private. Judges a batch by what is usual, at its COMMIT; sweep() learns from it later.';
CREATE FUNCTION mlguard._judge_volumes(p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo record;
  _last mlguard._verdict;
  _outcome text;
  _verdict bigint;
  _n bigint := 0;
begin
  for _slo in
    select s.id, s.tbl, s.allowed, s.shadow, v.n, v.wanted, v.since, v.words
    from mlguard._slo s
    cross join lateral mlguard._volumes(s.tbl, p_as_of) v
    where s.level = 'read' and s.volume is not null and v.slo = s.id
    order by s.no
  loop
    _outcome := case
      when _slo.n >= _slo.wanted then 'PASS'
      when _slo.shadow or mlguard.waived_v1(_slo.id) then 'NOTED'
      else 'FAIL'
    end;
    select v.* into _last from mlguard._verdict v where v.slo = _slo.id and v.current order by v.id desc limit 1;
    -- Only changes are written.
    continue when _last.over = 'read' and _last.outcome = _outcome;
    -- Those of windows too, from before readers judged it.
    update mlguard._verdict v set current = false where v.slo = _slo.id and v.current;
    insert into mlguard._verdict (
      at, slo, tbl, over, window_start, window_end, outcome, n, metrics, vals, observed, allowed, reason)
    values (p_as_of, _slo.id, _slo.tbl, 'read', _slo.since, p_as_of, _outcome, _slo.n, '{row_count()}', array[_slo.n],
            _slo.words, _slo.allowed,
            case when _outcome = 'NOTED' then case when _slo.shadow then 'shadow' else 'waived' end end)
    returning id into _verdict;
    perform mlguard._incident_of(_verdict);
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_volumes(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_volumes(p_as_of timestamp with time zone) IS 'Private. Judges volumes by the clock, where it changed; returns how many verdicts were written.';
CREATE FUNCTION mlguard._judge_window(p_table mlguard._table, p_slos text[], p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_again boolean) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _by_segment boolean := exists (select from mlguard._slo s where s.id = any (p_slos) and s.by_columns <> '{}');
  _segments jsonb[];
  _states jsonb[];
  _whole jsonb;
  _slo mlguard._slo;
  _part record;
  _verdicts mlguard._verdict[] := '{}';
  _id bigint;
  _n bigint := 0;
begin
  select array_agg(w.segment), array_agg(w.states)
  into _segments, _states
  from mlguard._window_states(p_table.tbl, p_start, p_end, _by_segment) w;
  if p_table.recount is not null
     and mlguard._asks_for_stale(
       _states,
       array(select m.metric from mlguard._slo s, unnest(s.metrics) m (metric) where s.id = any (p_slos))) then
    -- The one case in which stored rows are read again: an extreme whose row was deleted.
    perform mlguard._recount(p_table.tbl, p_table.recount, p_start, p_end);
    select array_agg(w.segment), array_agg(w.states)
    into _segments, _states
    from mlguard._window_states(p_table.tbl, p_start, p_end, _by_segment) w;
  end if;
  _whole := coalesce(
    (select s.states from unnest(_segments, _states) s (segment, states) where s.segment = '{}'), '{"n": 0}');
  for _slo in select s.* from mlguard._slo s where s.id = any (p_slos) order by s.no loop
    if _slo.by_columns = '{}' then
      _verdicts := _verdicts || mlguard._find(
        _slo, _whole, mlguard._scope(p_table.tbl, p_over, null, p_start, p_end, '{}'));
    else
      for _part in
        select p.segment, p.states
        from mlguard._pooled(_segments, _states, _slo.by_columns,
                             mlguard._segments_alone(_slo, _segments, _states, p_start, p_again), null) p
      loop
        _verdicts := _verdicts || mlguard._find(
          _slo, _part.states, mlguard._scope(p_table.tbl, p_over, null, p_start, p_end, _part.segment));
      end loop;
      if not p_again then
        perform mlguard._count_segments(_slo, _segments, _states, p_end);
      end if;
    end if;
  end loop;
  if cardinality(_verdicts) = 0 then
    return 0;
  end if;
  for _id in select k.id from mlguard._keep(_verdicts, p_again) k loop
    perform mlguard._conclude(_id);
    _n := _n + 1;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_window(p_table mlguard._table, p_slos text[], p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_again boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_window(p_table mlguard._table, p_slos text[], p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_again boolean) IS 'Private. Judges one window by the SLOs named; returns the number of new verdicts.';
CREATE FUNCTION mlguard._judge_windows(p_tbl text, p_as_of timestamp with time zone, p_most integer DEFAULT NULL::integer) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _table mlguard._table;
  _over record;
  _n bigint := 0;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  if _table.base is null then
    return 0;
  end if;
  -- An SLO that is new, or means something new, begins with the first row.
  delete from mlguard._segment g
  using mlguard._window w, mlguard._slo s
  where w.tbl = p_tbl and s.id = w.slo and s.version <> w.version and g.slo = w.slo;
  delete from mlguard._window w using mlguard._slo s where w.tbl = p_tbl and s.id = w.slo and s.version <> w.version;
  insert into mlguard._window (slo, tbl, version)
  select s.id, s.tbl, s.version
  from mlguard._slo s
  where s.tbl = p_tbl and s.level = 'window' and s.verdict is not null
  on conflict (slo) do nothing;
  -- Pairs of predictions and labels that nobody counted come first. Where a writer judges, it leaves counting to sweep().
  perform mlguard._find_unseen(p_tbl);
  if p_most is null then
    perform mlguard._recount_now(_table);
  elsif exists (select from mlguard._recount_due d where d.tbl = p_tbl) then
    return 0;
  end if;
  _n := mlguard._judge_late(_table, p_most);
  for _over in
    select s.over, array_agg(s.id order by s.no) as slos
    from mlguard._window w
    join mlguard._slo s on s.id = w.slo
    where w.tbl = p_tbl and w.due_at <= p_as_of
    group by s.over, s.matures
    order by min(s.no)
  loop
    _n := _n + mlguard._judge_closed(_table, _over.over, _over.slos, p_as_of, p_most);
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._judge_windows(p_tbl text, p_as_of timestamp with time zone, p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judge_windows(p_tbl text, p_as_of timestamp with time zone, p_most integer) IS 'Private. Judges the windows of a table that are due; the caller has its lock. p_most: of each length at most so many.';
CREATE FUNCTION mlguard._judged_good(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET jit TO 'off'
    AS $$
  select jsonb_build_object(
    'batches', (
      select range_agg(int8range(b.id, b.id + 1))
      from mlguard._batch b
      where b.tbl = p_tbl and b.opened_at >= p_from and b.opened_at < p_to
        and not exists (select from mlguard._hold h where h.tbl = p_tbl and h.batch = b.id and h.ended_at is null))::text,
    'windows', (
      select coalesce(jsonb_agg(jsonb_build_object('start', w.start, 'end', w.end, 'slos', w.slos) order by w.start, w.end), '[]')
      from (
        select v.window_start as start, v.window_end as end, count(distinct v.slo) as slos
        from mlguard._slo s
        join mlguard._verdict v on v.slo = s.id and v.current
        where s.tbl = p_tbl and v.window_end > p_from and v.window_start < p_to
        group by v.window_start, v.window_end
        having bool_and(v.outcome in ('PASS', 'NOTED', 'INSUFFICIENT')) and max(v.n) > 0
      ) w),
    'slos', (select coalesce(jsonb_agg(s.id order by s.id), '[]') from mlguard._slo s where s.tbl = p_tbl),
    'newest', mlguard.newest_v1(p_tbl))
$$;
ALTER FUNCTION mlguard._judged_good(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._judged_good(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. The batches of a table that hold nothing, and the windows on which nothing failed, between two times.';
CREATE FUNCTION mlguard._keep(p_verdicts mlguard._verdict[], p_again boolean) RETURNS TABLE(id bigint, outcome text)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
begin
  perform mlguard._keep_metrics(p_verdicts, p_again);
  if (p_verdicts[1]).batch is not null and not p_again then
    return query
      insert into mlguard._verdict (
        slo, tbl, over, batch, segment, outcome, metrics, vals, n, observed, allowed, reason, detail)
      select v.slo, v.tbl, v.over, v.batch, v.segment, v.outcome, v.metrics, v.vals, v.n, v.observed, v.allowed,
             v.reason, v.detail
      from unnest(p_verdicts) v
      returning _verdict.id, _verdict.outcome;
    return;
  end if;
  -- What is judged again and found the same is no news; a window judged as history keeps the verdict it had.
  return query
    with wanted as materialized (
      select v.*, old.known, old.known_version, old.same
      from unnest(p_verdicts) v
      left join lateral (
        select o.id as known, o.version as known_version,
               (o.outcome, o.reason, o.vals, o.n) is not distinct from (v.outcome, v.reason, v.vals, v.n) as same
        from mlguard._verdict o
        where v.batch is null and o.slo = v.slo and o.window_start = v.window_start and o.current and o.over = v.over
          and o.segment = v.segment
        union all
        select o.id, o.version, (o.outcome, o.reason, o.vals, o.n) is not distinct from (v.outcome, v.reason, v.vals, v.n)
        from mlguard._verdict o
        where v.batch is not null and o.tbl = v.tbl and o.batch = v.batch and o.current and o.slo = v.slo
          and o.segment = v.segment
      ) old on true
    ), superseded as (
      update mlguard._verdict o set current = false from wanted w where o.id = w.known and p_again and not w.same
    ), kept as (
      insert into mlguard._verdict (
        slo, tbl, over, batch, window_start, window_end, segment, version, outcome, metrics, vals, n, observed, allowed,
        reason, detail)
      select w.slo, w.tbl, w.over, w.batch, w.window_start, w.window_end, w.segment, coalesce(w.known_version, 0) + 1,
             w.outcome, w.metrics, w.vals, w.n, w.observed, w.allowed, w.reason, w.detail
      from wanted w
      where w.known is null or (p_again and not w.same)
      returning _verdict.id, _verdict.outcome
    )
    select k.id, k.outcome from kept k order by k.id;
end
$$;
ALTER FUNCTION mlguard._keep(p_verdicts mlguard._verdict[], p_again boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._keep(p_verdicts mlguard._verdict[], p_again boolean) IS 'Private. Writes verdicts of one batch, or of windows, and their metrics; gives the new ones. p_again: what was found before is superseded where it differs, else it stays.';
CREATE FUNCTION mlguard._keep_load() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into mlguard._load_state (tbl, load, bucket, segment, sign, n, states, upto)
  values (old.tbl, case when old.op = 'TRUNCATE' then '' else old.load end, old.bucket, old.segment, old.sign, old.n,
          old.states, old.id);
  return null;
end
$$;
ALTER FUNCTION mlguard._keep_load() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._keep_load() IS 'Private. Keeps the states of a load when they were folded into buckets.';
CREATE FUNCTION mlguard._keep_metrics(p_verdicts mlguard._verdict[], p_again boolean) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
begin
  -- SLOs share metrics: of one batch or window each is kept once.
  if (p_verdicts[1]).batch is not null and not p_again then
    insert into mlguard._metric (tbl, metric, over, batch, segment, value, n)
    select distinct on (v.segment, m.metric) v.tbl, m.metric, v.over, v.batch, v.segment, m.value, v.n
    from unnest(p_verdicts) v
    cross join lateral unnest(v.metrics, v.vals) m (metric, value)
    order by v.segment, m.metric;
  elsif (p_verdicts[1]).batch is null then
    with wanted as materialized (
      select distinct on (v.over, v.window_start, v.segment, m.metric)
             v.tbl, v.over, v.window_start, v.window_end, v.segment, m.metric, m.value, v.n
      from unnest(p_verdicts) v
      cross join lateral unnest(v.metrics, v.vals) m (metric, value)
      order by v.over, v.window_start, v.segment, m.metric
    ), known as materialized (
      select m.id, m.excluded, m.value is not distinct from w.value and m.n is not distinct from w.n as same,
             w.over, w.window_start, w.segment, w.metric
      from wanted w
      join mlguard._metric m
        on m.tbl = w.tbl and m.over = w.over and m.metric = w.metric and m.segment = w.segment
        and m.window_start = w.window_start and m.current and not m.sampled
    ), superseded as (
      update mlguard._metric m set current = false from known k where m.id = k.id and not k.same
    )
    insert into mlguard._metric (tbl, metric, over, window_start, window_end, segment, value, n, excluded)
    select w.tbl, w.metric, w.over, w.window_start, w.window_end, w.segment, w.value, w.n, coalesce(k.excluded, false)
    from wanted w
    left join known k using (over, window_start, segment, metric)
    where k.same is not true;
  else
    with wanted as materialized (
      select distinct on (v.segment, m.metric) v.tbl, v.over, v.batch, v.segment, m.metric, m.value, v.n
      from unnest(p_verdicts) v
      cross join lateral unnest(v.metrics, v.vals) m (metric, value)
      order by v.segment, m.metric
    ), known as materialized (
      select m.id, m.excluded, m.value is not distinct from w.value and m.n is not distinct from w.n as same,
             w.segment, w.metric
      from wanted w
      join mlguard._metric m
        on m.tbl = w.tbl and m.metric = w.metric and m.segment = w.segment and m.batch = w.batch and m.current
        and not m.sampled
    ), superseded as (
      update mlguard._metric m set current = false from known k where m.id = k.id and not k.same
    )
    insert into mlguard._metric (tbl, metric, over, batch, segment, value, n, excluded)
    select w.tbl, w.metric, w.over, w.batch, w.segment, w.value, w.n, coalesce(k.excluded, false)
    from wanted w
    left join known k using (segment, metric)
    where k.same is not true;
  end if;
end
$$;
ALTER FUNCTION mlguard._keep_metrics(p_verdicts mlguard._verdict[], p_again boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._keep_metrics(p_verdicts mlguard._verdict[], p_again boolean) IS 'Private. Writes the metrics of verdicts, those that passed too; a value that changed supersedes the one before.';
CREATE FUNCTION mlguard._kept_batches(p_tbl text) RETURNS SETOF bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select h.batch from mlguard._hold h where h.tbl = p_tbl and h.ended_at is null and h.batch is not null
  union
  select b.id
  from mlguard._batch b
  where b.tbl = p_tbl and b.xid = pg_current_xact_id_if_assigned() and b.opened_at = now()
$$;
ALTER FUNCTION mlguard._kept_batches(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._kept_batches(p_tbl text) IS 'Private. Batches whose states are needed after they were folded: those that are held, and the one of this transaction, which COMMIT judges.';
CREATE FUNCTION mlguard._kind(p_metric text) RETURNS TABLE(class text, side text, factor double precision)
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select k.class, k.side, k.factor
  from (values
    ('null_rate', 'share', 'both', 1.0), ('coverage', 'share', 'both', 1), ('nan_rate', 'share', 'both', 1),
    ('zero_rate', 'share', 'both', 1), ('negative_rate', 'share', 'both', 1), ('share', 'share', 'both', 1),
    ('duplicate_rate', 'share', 'up', 1), ('new_category_rate', 'share', 'up', 1),
    ('psi', 'location', 'up', 1.5), ('js', 'share', 'up', 1.5), ('ks', 'share', 'up', 1.5), ('linf', 'share', 'up', 1),
    ('row_count', 'count', 'both', 1), ('count', 'count', 'both', 1), ('distinct_count', 'count', 'both', 1),
    ('mean', 'location', 'both', 1.5), ('sum', 'location', 'both', 1.5), ('median', 'location', 'both', 1.5),
    ('stddev', 'location', 'both', 1.5), ('min', 'location', 'both', 1.5), ('max', 'location', 'both', 1.5),
    ('quantile', 'location', 'both', 1.5), ('correlation', 'location', 'both', 1.5),
    ('usual_null', 'share', 'both', 1), ('usual_same', 'share', 'up', 1), ('usual_mean', 'location', 'both', 1.5),
    ('usual_magnitude', 'location', 'both', 1.5), ('usual_negative', 'share', 'both', 1),
    ('usual_grid', 'share', 'up', 1.5), ('usual_far', 'share', 'up', 2), ('usual_ks', 'share', 'up', 1.5),
    ('usual_spike', 'share', 'up', 1), ('usual_overlap', 'share', 'both', 1), ('usual_linf', 'share', 'up', 1),
    ('usual_new', 'share', 'up', 1), ('usual_shape', 'share', 'up', 1), ('usual_rows', 'count', 'both', 1),
    ('usual_repeats', 'share', 'up', 1), ('usual_pair', 'share', 'up', 1.25),
    ('usual_dependence', 'information', 'down', 1), ('usual_nulls', 'share', 'up', 1)
  ) k (name, class, side, factor)
  where k.name = split_part(p_metric, '(', 1)
$$;
ALTER FUNCTION mlguard._kind(p_metric text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._kind(p_metric text) IS 'Private. How the errors of a metric are judged.';
CREATE FUNCTION mlguard._known_model(p_model text) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not exists (select from mlguard._table t where t.model = p_model) then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no guarded table holds predictions of model %s', coalesce(p_model, '(null)')),
      hint = coalesce(
        'Models: ' || (select string_agg(distinct t.model, ', ') from mlguard._table t where t.model is not null),
        'A table is one of predictions when its SLO file says model: <name>.');
  end if;
end
$$;
ALTER FUNCTION mlguard._known_model(p_model text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._known_model(p_model text) IS 'Private. Raises where no SLO file names the model.';
CREATE FUNCTION mlguard._ks(p_here double precision[], p_baseline double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  ), cumulated as (
    select sum(b.here) over (order by b.bin) as here, sum(b.there) over (order by b.bin) as there
    from unnest(p_here, p_baseline) with ordinality b (here, there, bin)
  )
  select max(abs(c.here / s.n - c.there / s.m)) from cumulated c, sides s
$$;
ALTER FUNCTION mlguard._ks(p_here double precision[], p_baseline double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._ks(p_here double precision[], p_baseline double precision[]) IS 'Private. Two-sample Kolmogorov-Smirnov statistic at the edges of ordered bins. Smirnov (1948).';
CREATE FUNCTION mlguard._label_incident(p_incident mlguard._incident, p_label text, p_reason text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_label not in ('true', 'false', 'expected') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: an incident is not labelled %s', p_label),
      hint = 'true: something was wrong. false: nothing was. expected: real, and wanted. NULL takes the label back.';
  end if;
  update mlguard._incident i
  set label = p_label,
      labelled_at = case when p_label is not null then clock_timestamp() end,
      labelled_by = case when p_label is not null then session_user end,
      label_reason = case when p_label is not null then p_reason end
  where i.id = p_incident.id;
  perform mlguard._exclude(p_incident.id, p_label is not null and p_label = 'true');
  perform mlguard._record('label', 'incident ' || p_incident.id, jsonb_build_object('label', p_incident.label),
                          jsonb_build_object('label', p_label, 'slo', p_incident.slo), p_reason);
end
$$;
ALTER FUNCTION mlguard._label_incident(p_incident mlguard._incident, p_label text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._label_incident(p_incident mlguard._incident, p_label text, p_reason text) IS 'Private. Labels one incident.';
CREATE FUNCTION mlguard._lacking(p_root oid) RETURNS TABLE(relation oid, root_trigger oid, trigger_name text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select p.relid, k.oid, k.tgname::text
  from pg_partition_tree(p_root) p
  join pg_class c on c.oid = p.relid and c.relkind in ('r', 'p')
  join pg_trigger k on k.tgrelid = p_root
  -- 1: FOR EACH ROW
  where p.relid <> p_root and k.tgname like 'zz\_mlguard\_%' and not k.tgisinternal and k.tgtype & 1 = 0
    and not exists (select from pg_trigger o where o.tgrelid = p.relid and o.tgname = k.tgname)
  order by p.level, p.relid, k.tgname
$$;
ALTER FUNCTION mlguard._lacking(p_root oid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._lacking(p_root oid) IS 'Private. Statement triggers of a partitioned table that partitions of it lack: writes straight into those are not judged by them.';
CREATE FUNCTION mlguard._lacks_counts(p_table mlguard._table, p_version integer) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select p_table.recount is not null and exists (
    select
    from mlguard._bucket b
    cross join lateral jsonb_object_keys(b.states) s (key)
    join mlguard._baseline_wanted(p_table.tbl, p_version) w
      on s.key in (format('bins(%s)', w.spelled), format('values(%s)', w.spelled))
      or starts_with(s.key, format('bins(%s) where ', w.spelled))
      or starts_with(s.key, format('values(%s) where ', w.spelled))
    where b.tbl = p_table.tbl and not b.segment ? '*'
      and b.bucket = (select max(l.bucket) from mlguard._bucket l where l.tbl = p_table.tbl and isfinite(l.bucket))
      and not exists (
        select
        from mlguard._baseline_column k
        where k.tbl = p_table.tbl and k.version = p_version and k.column_name = w.column_name and k.key = s.key
          and k.n > 0
          and array(select n.n from jsonb_object_keys(k.segment) n (n) order by 1)
              = array(select n.n from jsonb_object_keys(b.segment) n (n) order by 1)))
$$;
ALTER FUNCTION mlguard._lacks_counts(p_table mlguard._table, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._lacks_counts(p_table mlguard._table, p_version integer) IS 'Private. Whether writers count something by a filter or by segments that this version of the baseline does not have.';
CREATE FUNCTION mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _few constant bigint := 100000;  -- rows that are read in no time
  _work mlguard._baseline;
  _learns boolean := p_table.baseline ~ '^(first|previous) ';
  _lacking text[];
  _period record;
  _next timestamptz;
  _added bigint := 0;
begin
  select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'learning';
  if found and _work.source <> p_table.baseline then
    delete from mlguard._baseline b where b.tbl = _work.tbl and b.version = _work.version;
    _work := null;
  end if;
  if _work.tbl is null then
    select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'frozen';
    if _learns
       and (_work.tbl is null or (_work.kind in ('first', 'previous') and _work.source <> p_table.baseline)) then
      perform mlguard._begin_baseline(p_table.tbl, split_part(p_table.baseline, ' ', 1), p_table.baseline, null, null);
      select b.* into _work from mlguard._baseline b where b.tbl = p_table.tbl and b.state = 'learning';
    end if;
  end if;
  if _work.tbl is null or _work.kind not in ('first', 'previous', 'window') or _work.next_at > p_as_of then
    return 0;
  end if;
  _lacking := array(
    select w.column_name from mlguard._baseline_wanted(p_table.tbl, _work.version) w where not w.present);
  if _lacking = '{}' then
    if not mlguard._lacks_counts(p_table, _work.version) then
      return 0;
    end if;
    -- An SLO with a new filter or new segments: the same rows, counted for it too.
    perform mlguard._count_baseline(p_table, _work.version);
  elsif _work.kind = 'window' then
    _added := mlguard._fill_baseline(p_table, _work.version, _lacking, _work.starts, _work.ends);
  else
    for _period in
      select p.starts, p.ends, p.due, array_agg(p.column_name) as columns
      from mlguard._baseline_periods(p_table, _work.kind, substr(_work.source, position(' ' in _work.source))::interval,
                                     _lacking, p_as_of) p
      group by p.starts, p.ends, p.due
      order by p.due, p.starts
    loop
      if _period.due <= p_as_of then
        _added := _added
                  + mlguard._fill_baseline(p_table, _work.version, _period.columns, _period.starts, _period.ends);
      else
        _next := least(_next, _period.due);
      end if;
    end loop;
  end if;
  if _added > 0 then
    perform mlguard._use_baseline(p_table, _work.version);
  end if;
  -- What could not be had is looked for again, but not with every sweep where that takes a long pass over the table.
  update mlguard._baseline b
  set next_at = case
    when cardinality(_lacking) <> _added or _lacking = '{}' then
      coalesce(_next, p_as_of + case
        when (select coalesce(sum(c.n), 0) from mlguard._bucket c where c.tbl = b.tbl and c.segment = '{}') <= _few then '0'
        when b.state = 'learning' then interval '1 hour'
        else interval '1 day'
      end)
  end
  where b.tbl = p_table.tbl and b.version = _work.version;
  return _added;
end
$$;
ALTER FUNCTION mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamp with time zone) IS 'Private. Freezes what can be frozen by now of the baseline that an SLO file describes; returns how many columns.';
CREATE FUNCTION mlguard._learn_pairs(p_tbl text, p_over text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _one record;
  _nature record;
  _kept integer;
  _half integer;
  _before bigint := (select count(*) from mlguard._pair r where r.tbl = p_tbl and r.over = p_over);
begin
  delete from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over;
  insert into mlguard._pair_work (tbl, over, t, scope, column_name, place, codes, mixed, able_domain, able_dependence)
  with kept as materialized (
    select c.id, (row_number() over (order by c.window_start, c.batch))::integer - 1 as t
    from (
      select c.*
      from mlguard._learned_scope c
      where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded and c.k > 0
      order by c.window_start desc nulls last, c.batch desc nulls last
      limit 35
    ) c
  ), cell as materialized (
    select k.t, k.id as scope, p.column_name, p.rows_nums is not null as numeric, u.i,
           dense_rank() over (partition by p.column_name order by u.text, nullif(u.num, 'NaN'))
             * case when u.text is null and nullif(u.num, 'NaN') is null then null else 1 end as code
    from kept k
    join mlguard._profile p on p.scope = k.id
    cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
  ), shuffled as (
    -- A fixed shuffle: learning twice finds the same rules.
    select c.*, row_number() over (partition by c.t, c.column_name order by (c.i - 1) * 2654435761 % 4294967296) as place
    from cell c
  ), able as (
    select f.column_name,
           percentile_cont(0.5) within group (order by f.distinct_values) as distinct_values,
           percentile_cont(0.5) within group (order by f.distinct_values::double precision / nullif(f.m, 0)) as uniqueness
    from (
      select c.t, c.column_name, count(distinct c.code) as distinct_values, count(c.code) as m
      from cell c
      group by c.t, c.column_name
    ) f
    group by f.column_name
  )
  select p_tbl, p_over, s.t, s.scope, s.column_name,
         coalesce((select a.attnum::integer
                   from mlguard._table t
                   join pg_namespace n on n.nspname = t.schema_name
                   join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
                   join pg_attribute a on a.attrelid = c.oid and a.attname = s.column_name
                   where t.tbl = p_tbl), 0),
         array_agg(s.code::integer order by s.i), array_agg(s.code::integer order by s.place),
         a.distinct_values between 2 and 5000 and a.uniqueness < 0.9,
         a.distinct_values >= 2 and a.uniqueness < 0.98
  from shuffled s
  join able a on a.column_name = s.column_name
  group by s.t, s.scope, s.column_name, a.distinct_values, a.uniqueness;
  _kept := (select count(distinct w.t) from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over);
  _half := _kept / 2;
  -- Nulls that come together. A column that never lacks a value, or never has one, has nothing to come together with.
  insert into mlguard._pair (tbl, over, column_name, metric, partner, evidence)
  with lacking as materialized (
    select w.t, w.column_name, w.place, w.codes
    from mlguard._pair_work w
    join (
      select c.column_name
      from mlguard._pair_work c
      where c.tbl = p_tbl and c.over = p_over
      group by c.column_name
      having bool_or(array_position(c.codes, null) is not null) and bool_or(cardinality(array_remove(c.codes, null)) > 0)
    ) n on n.column_name = w.column_name
    where w.tbl = p_tbl and w.over = p_over
  )
  select distinct on (least(f.a, f.b), greatest(f.a, f.b)) p_tbl, p_over, f.a, 'nulls', f.b,
         jsonb_build_object('scopes', _kept, 'mismatch', f.mismatch, 'missing', least(f.share_a, f.share_b))
  from (
    select e.*, row_number() over (partition by e.a order by e.mismatch, e.b) as rank
    from (
      select a.column_name as a, b.column_name as b, a.place,
             percentile_cont(0.5) within group (order by s.mismatch) as mismatch,
             percentile_cont(0.5) within group (order by s.share_a) as share_a,
             percentile_cont(0.5) within group (order by s.share_b) as share_b
      from lacking a
      join lacking b on b.t = a.t and b.column_name <> a.column_name
      cross join lateral (
        select avg(((u.x is null) <> (u.y is null))::integer) as mismatch, avg((u.x is null)::integer) as share_a,
               avg((u.y is null)::integer) as share_b
        from unnest(a.codes, b.codes) u (x, y)
      ) s
      group by a.column_name, b.column_name, a.place
    ) e
    where e.share_a > 0.0005 and e.share_a < 0.999 and e.share_b > 0.0005 and e.share_b < 0.999
      and e.mismatch <= 0.2 * least(e.share_a, e.share_b)
  ) f
  where f.rank = 1
  order by least(f.a, f.b), greatest(f.a, f.b), f.place, f.a
  on conflict do nothing;
  -- Values that only come in certain pairs: a shuffled column would break the rule, nature does not.
  for _one in
    select distinct a.column_name as a, b.column_name as b
    from mlguard._pair_work a
    join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and (b.place, b.column_name) > (a.place, a.column_name)
    where a.tbl = p_tbl and a.over = p_over and a.able_domain and b.able_domain
  loop
    select percentile_cont(0.5) within group (order by d.share) as median, stddev_pop(d.share) as deviation
    into _nature
    from mlguard._domain(p_tbl, p_over, _one.a, _one.b, false) d
    where d.t >= _half;
    continue when _nature.median is null or _nature.median > 0.1
      or exists (
        select
        from mlguard._pair r
        where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair'
          and (r.column_name, r.partner) in ((_one.a, _one.b), (_one.b, _one.a)));
    insert into mlguard._pair (tbl, over, column_name, metric, partner, evidence)
    select p_tbl, p_over, w.a, 'pair', w.b,
           jsonb_build_object('scopes', _kept, 'gain', e.broken - _nature.median - _nature.deviation, 'nature', _nature.median)
    from (values (_one.a, _one.b), (_one.b, _one.a)) w (a, b)
    cross join lateral (
      select percentile_cont(0.5) within group (order by d.share) as broken
      from mlguard._domain(p_tbl, p_over, w.a, w.b, true) d
      where d.t >= _half
    ) e
    where e.broken - _nature.median - _nature.deviation >= 0.1
    on conflict do nothing;
  end loop;
  -- Two partners a column at most, and each pair once.
  delete from mlguard._pair r
  using (
    select p.column_name, p.partner,
           row_number() over (partition by p.column_name order by (p.evidence ->> 'gain')::double precision desc, p.partner desc) as rank
    from mlguard._pair p
    where p.tbl = p_tbl and p.over = p_over and p.metric = 'pair'
  ) k
  where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and r.column_name = k.column_name and r.partner = k.partner
    and k.rank > 2;
  delete from mlguard._pair r
  using mlguard._pair o, mlguard._pair_work x, mlguard._pair_work y
  where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and o.tbl = r.tbl and o.over = r.over and o.metric = 'pair'
    and o.column_name = r.partner and o.partner = r.column_name
    and x.tbl = r.tbl and x.over = r.over and x.t = 0 and x.column_name = r.column_name
    and y.tbl = r.tbl and y.over = r.over and y.t = 0 and y.column_name = o.column_name
    and (x.place, x.column_name) > (y.place, y.column_name);
  -- Dependence: deciles of numbers, the thirty most frequent texts.
  with bin as (
    select v.column_name,
           case when bool_or(v.num is not null) then jsonb_build_object('edges', mlguard._deciles(array_agg(v.num order by v.num)))
                else jsonb_build_object('values', mlguard._most_frequent(array_agg(v.text)))
           end as bins
    from (
      select w.column_name, nullif(u.num, 'NaN') as num, u.text
      from mlguard._pair_work w
      join mlguard._profile p on p.scope = w.scope and p.column_name = w.column_name
      cross join lateral unnest(p.rows_nums, p.rows_texts) u (num, text)
      where w.tbl = p_tbl and w.over = p_over and w.able_dependence and (u.text is not null or nullif(u.num, 'NaN') is not null)
    ) v
    group by v.column_name
  ), edge as (
    select b.column_name, b.bins, array(
             select e.edge::double precision
             from jsonb_array_elements_text(b.bins -> 'edges') e (edge)
             order by e.edge::double precision) as edges
    from bin b
  ), binned as (
    select h.t, h.column_name, h.bins as cut, array_agg(h.bin order by h.i) as bins,
           array_agg(h.bin order by (h.i - 1) * 2654435761 % 4294967296) as mixed_bins
    from (
      select w.t, w.column_name, b.bins, u.i,
             case
               when u.text is null and nullif(u.num, 'NaN') is null then -1
               when b.edges <> '{}' then width_bucket(u.num, b.edges)
               when b.bins -> 'values' ? u.text then hashtext(u.text)
               else -2
             end as bin
      from mlguard._pair_work w
      join edge b on b.column_name = w.column_name
      join mlguard._profile p on p.scope = w.scope and p.column_name = w.column_name
      cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
      where w.tbl = p_tbl and w.over = p_over and (b.bins ? 'values' or b.edges <> '{}')
    ) h
    group by h.t, h.column_name, h.bins
  )
  update mlguard._pair_work w
  set cut = b.cut, bins = b.bins, mixed_bins = b.mixed_bins
  from binned b
  where w.tbl = p_tbl and w.over = p_over and w.t = b.t and w.column_name = b.column_name;
  insert into mlguard._pair (tbl, over, column_name, metric, partner, bins, partner_bins, evidence)
  select p_tbl, p_over, r.a, 'dependence', r.b, r.cut_a, r.cut_b,
         jsonb_build_object('scopes', _kept, 'strength', r.strength, 'dependence', r.middle)
  from (
    select s.*, row_number() over (partition by s.owner order by s.strength desc, s.a desc, s.b desc) as rank
    from (
      select e.*, o.owner
      from (
        select a.column_name as a, b.column_name as b, a.cut as cut_a, b.cut as cut_b,
               percentile_cont(0.5) within group (order by x.usual) as middle,
               (percentile_cont(0.5) within group (order by x.usual) - percentile_cont(0.5) within group (order by x.chance))
                 / (stddev_pop(x.usual) + 0.02 * percentile_cont(0.5) within group (order by x.usual)) as strength
        from mlguard._pair_work a
        join mlguard._pair_work b on b.tbl = a.tbl and b.over = a.over and b.t = a.t and (b.place, b.column_name) > (a.place, a.column_name)
        cross join lateral (
          select mlguard._explained(a.bins, b.bins) as usual,
                 case when (a.t - _half) % 3 = 0 then mlguard._explained(a.mixed_bins, b.bins) end as chance
        ) x
        where a.tbl = p_tbl and a.over = p_over and a.t >= _half and a.bins is not null and b.bins is not null
        group by a.column_name, b.column_name, a.cut, b.cut
        having percentile_cont(0.5) within group (order by x.usual) > 0
      ) e
      cross join lateral (values (e.a), (e.b)) o (owner)
      where e.strength >= 3
    ) s
  ) r
  where r.rank <= 2
  on conflict do nothing;
  -- What the new rules would have said of the scopes they were learned from: their bands need a past.
  insert into mlguard._series (tbl, over, metric, family, column_name, partner)
  select r.tbl, r.over, format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner), r.metric, r.column_name, r.partner
  from mlguard._pair r
  where r.tbl = p_tbl and r.over = p_over
  on conflict do nothing;
  insert into mlguard._metric (tbl, metric, over, batch, window_start, window_end, value, n, sampled)
  with added as materialized (
    select r.*, format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner) as name
    from mlguard._pair r
    where r.tbl = p_tbl and r.over = p_over
      and not exists (
        select
        from mlguard._metric m
        where m.tbl = p_tbl and m.over = p_over and m.metric = format('usual_%s(%s, %s)', r.metric, r.column_name, r.partner))
  ), valued as (
    select a.name, d.t, d.share as value
    from added a
    cross join lateral mlguard._domain(p_tbl, p_over, a.column_name, a.partner, false) d
    where a.metric = 'pair' and d.t >= 8
    union all
    select a.name, x.t, mlguard._explained(x.bins, y.bins)
    from added a
    join mlguard._pair_work x on x.tbl = p_tbl and x.over = p_over and x.column_name = a.column_name
    join mlguard._pair_work y on y.tbl = p_tbl and y.over = p_over and y.column_name = a.partner and y.t = x.t
    where a.metric = 'dependence'
    union all
    select a.name, x.t, (select avg(((u.x is null) <> (u.y is null))::integer) from unnest(x.codes, y.codes) u (x, y))
    from added a
    join mlguard._pair_work x on x.tbl = p_tbl and x.over = p_over and x.column_name = a.column_name
    join mlguard._pair_work y on y.tbl = p_tbl and y.over = p_over and y.column_name = a.partner and y.t = x.t
    where a.metric = 'nulls'
  )
  select p_tbl, a.name, p_over, c.batch, c.window_start, c.window_end, v.value, c.k, true
  from added a
  cross join (select distinct w.t, w.scope from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over) k
  join mlguard._learned_scope c on c.id = k.scope
  left join valued v on v.name = a.name and v.t = k.t;
  with met as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct p_tbl, p_over, 'pair', r.column_name || chr(31) || r.partner, a.value || chr(31) || b.value
    from mlguard._pair r
    join (select distinct w.scope from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over) k on true
    cross join lateral mlguard._cells(k.scope, r.column_name) a
    join lateral mlguard._cells(k.scope, r.partner) b on b.i = a.i
    where r.tbl = p_tbl and r.over = p_over and r.metric = 'pair' and a.value is not null and b.value is not null
    on conflict do nothing
    returning name
  )
  insert into mlguard._seen_size as z (tbl, over, what, name, size)
  select p_tbl, p_over, 'pair', m.name, count(*) from met m group by m.name
  on conflict (tbl, over, what, name) do update set size = z.size + excluded.size;
  delete from mlguard._pair_work w where w.tbl = p_tbl and w.over = p_over;
  return (select count(*) from mlguard._pair r where r.tbl = p_tbl and r.over = p_over) - _before;
end
$$;
ALTER FUNCTION mlguard._learn_pairs(p_tbl text, p_over text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._learn_pairs(p_tbl text, p_over text) IS 'Private. Finds rules between two columns in the last twenty samples: values that only come together in certain pairs, columns that tell of one another, values that are missing together.';
CREATE FUNCTION mlguard._learned(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone DEFAULT NULL::timestamp with time zone, p_batch bigint DEFAULT NULL::bigint) RETURNS mlguard._band
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _b mlguard._band;
  _past record;
begin
  select k.class, k.side, k.factor into _b.class, _b.side, _b.factor from mlguard._kind(p_metric) k;
  if not found then
    return null;
  end if;
  _b.tbl := p_tbl;
  _b.over := p_over;
  _b.segment := p_segment;
  _b.metric := p_metric;
  _b.scale := case when _b.class = 'location' then mlguard._scale_of(p_tbl, p_over, p_segment, p_metric) else 1 end;
  _b.filled := '{}';
  _b.known := '{}';
  _b.slots := '{}';
  _b.units := '{}';
  _b.r1 := '{}';
  _b.r2 := '{}';
  _b.r3 := '{}';
  _b.r4 := '{}';
  _b.r5 := '{}';
  _b.r6 := '{}';
  _b.history := 0;
  select coalesce(max(p.id), 0) as upto, array_agg(p.value order by p.place) as vals, array_agg(p.n order by p.place) as rows,
         mlguard._slots(p_over, (select t.time_zone from mlguard._table t where t.tbl = p_tbl),
                        array_agg(p.at order by p.place)) as slots
  into _past
  from mlguard._past(p_tbl, p_over, p_segment, p_metric, p_start, p_batch)
    with ordinality p (id, value, n, sd, at, place);
  _b := mlguard._taken_in(_b, _past.vals, _past.rows, _past.slots);
  _b.upto := _past.upto;
  _b.learned_at := clock_timestamp();
  return mlguard._finished(_b);
end
$$;
ALTER FUNCTION mlguard._learned(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._learned(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) IS 'Private. The band of a series learned from nothing, of all values or of those before a window or batch; null: nobody knows how the errors of such a metric are judged.';
CREATE FUNCTION mlguard._left_out(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS tstzmultirange
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    select coalesce(range_agg(tstzrange(w.window_start, w.window_end)), '{}')
    from (
      select v.window_start, v.window_end
      from mlguard._slo s
      join mlguard._verdict v
        on v.slo = s.id and v.current and v.outcome = 'FAIL' and v.window_start < coalesce(p_to, 'infinity')
      where s.tbl = p_tbl and s.action = 'hold' and v.over not like 'last %'
        and not exists (
          select
          from mlguard._incident i
          where i.slo = v.slo and i.segment = v.segment and i.label in ('false', 'expected')
            and i.scope && tstzrange(v.window_start, v.window_end))
      union all
      select m.window_start, m.window_end
      from mlguard._metric m
      where m.tbl = p_tbl and m.current and m.excluded and m.over not like 'last %'
    ) w
    where w.window_start < coalesce(p_to, 'infinity') and w.window_end > coalesce(p_from, '-infinity')
      and w.window_start < w.window_end);
end
$$;
ALTER FUNCTION mlguard._left_out(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._left_out(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. Windows no baseline is made of: labelled as faults, or failed under a hold that nobody called a false alarm.';
CREATE FUNCTION mlguard._length(p_length interval) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._less(p_key text, p_from jsonb, p_gone jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n double precision;
  _share double precision;
  _a double precision;
  _b double precision;
begin
  if p_gone is null then
    return p_from;
  end if;
  case substring(p_key from '^[a-z]+')
    when 'min', 'max' then
      return p_from;
    when 'moments' then
      _n := (p_from ->> 0)::float8 - (p_gone ->> 0)::float8;
      if p_from is null or _n <= 0 or (p_gone ->> 0)::float8 = 0 then
        return case when (p_gone ->> 0)::float8 = 0 then p_from else jsonb_build_array(coalesce(_n, 0), 0, 0) end;
      end if;
      _a := ((p_from ->> 0)::float8 * (p_from ->> 1)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 1)::float8) / _n;
      _share := _n * (p_gone ->> 0)::float8 / (p_from ->> 0)::float8;
      return jsonb_build_array(
        _n, _a,
        greatest((p_from ->> 2)::float8 - (p_gone ->> 2)::float8 - _share * ((p_gone ->> 1)::float8 - _a) ^ 2, 0));
    when 'joint' then
      _n := (p_from ->> 0)::float8 - (p_gone ->> 0)::float8;
      if p_from is null or _n <= 0 or (p_gone ->> 0)::float8 = 0 then
        return case
          when (p_gone ->> 0)::float8 = 0 then p_from
          else jsonb_build_array(coalesce(_n, 0), 0, 0, 0, 0, 0)
        end;
      end if;
      _a := ((p_from ->> 0)::float8 * (p_from ->> 1)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 1)::float8) / _n;
      _b := ((p_from ->> 0)::float8 * (p_from ->> 2)::float8 - (p_gone ->> 0)::float8 * (p_gone ->> 2)::float8) / _n;
      _share := _n * (p_gone ->> 0)::float8 / (p_from ->> 0)::float8;
      return jsonb_build_array(
        _n, _a, _b,
        greatest((p_from ->> 3)::float8 - (p_gone ->> 3)::float8 - _share * ((p_gone ->> 1)::float8 - _a) ^ 2, 0),
        greatest((p_from ->> 4)::float8 - (p_gone ->> 4)::float8 - _share * ((p_gone ->> 2)::float8 - _b) ^ 2, 0),
        (p_from ->> 5)::float8 - (p_gone ->> 5)::float8
        - _share * ((p_gone ->> 1)::float8 - _a) * ((p_gone ->> 2)::float8 - _b));
    when 'bins' then
      if p_from is null then
        return null;
      elsif p_from -> 'v' <> p_gone -> 'v' then
        return p_from || '{"partial": true}';
      end if;
      return p_from || jsonb_build_object(
        'c', (select coalesce(jsonb_agg(greatest(f.count::numeric - coalesce(g.count::numeric, 0), 0) order by f.place), '[]')
              from jsonb_array_elements_text(p_from -> 'c') with ordinality f (count, place)
              left join jsonb_array_elements_text(p_gone -> 'c') with ordinality g (count, place) using (place)),
        'n', (p_from ->> 'n')::numeric - (p_gone ->> 'n')::numeric);
    when 'values' then
      -- A value that is not counted by name is among the others.
      return (
        select jsonb_build_object(
                 'c', coalesce(jsonb_object_agg(c.key, c.f - c.g) filter (where c.f > c.g), '{}'),
                 'other', greatest(coalesce((p_from ->> 'other')::numeric, 0) - coalesce((p_gone ->> 'other')::numeric, 0)
                                   - coalesce(sum(c.g - c.f) filter (where c.g > c.f), 0), 0),
                 'n', coalesce((p_from ->> 'n')::numeric, 0) - (p_gone ->> 'n')::numeric)
               || case when p_from ? 'sampled' then jsonb_build_object('sampled', p_from -> 'sampled') else '{}' end
        from (
          select coalesce(f.key, g.key) as key, coalesce(f.value::numeric, 0) as f, coalesce(g.value::numeric, 0) as g
          from jsonb_each_text(p_from -> 'c') f
          full join jsonb_each_text(p_gone -> 'c') g on g.key = f.key
        ) c);
    when 'keys' then
      return (
        select jsonb_build_object(
                 't', least((p_from ->> 't')::float8, (p_gone ->> 't')::float8),
                 'k', coalesce(jsonb_object_agg(k.key, k.count) filter (where k.count > 0), '{}'),
                 'n', coalesce((p_from ->> 'n')::numeric, 0) - (p_gone ->> 'n')::numeric)
        from (
          select f.key, f.value::numeric - coalesce(g.value::numeric, 0) as count
          from jsonb_each_text(p_from -> 'k') f
          left join jsonb_each_text(p_gone -> 'k') g on g.key = f.key
          where coalesce(
            f.key collate "C" < mlguard._below(least((p_from ->> 't')::float8, (p_gone ->> 't')::float8)), true)
        ) k);
    when 'errors', 'confusion', 'scores' then
      return mlguard._sum_arrays(array[coalesce(p_from, '[]'), p_gone], array[1, -1]);
    when 'roc', 'calibration', 'parity', 'opportunity', 'unequal' then
      return mlguard._sum_tallies(p_key, array[coalesce(p_from, '{"c": {}}'), p_gone], array[1, -1]);
    when 'quantiles' then
      return p_from || jsonb_build_object('n', (p_from ->> 'n')::numeric - (p_gone ->> 'n')::numeric);
    else
      return to_jsonb(coalesce((p_from #>> '{}')::numeric, 0) - coalesce((p_gone #>> '{}')::numeric, 0));
  end case;
end
$$;
ALTER FUNCTION mlguard._less(p_key text, p_from jsonb, p_gone jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._less(p_key text, p_from jsonb, p_gone jsonb) IS 'Private. A state without the rows of another; what cannot be taken apart is left as it is.';
CREATE FUNCTION mlguard._linf(p_here double precision[], p_baseline double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with sides as (
    select sum(b.here) as n, sum(b.there) as m from unnest(p_here, p_baseline) b (here, there)
  )
  select max(abs(b.here / s.n - b.there / s.m)) from unnest(p_here, p_baseline) b (here, there), sides s
$$;
ALTER FUNCTION mlguard._linf(p_here double precision[], p_baseline double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._linf(p_here double precision[], p_baseline double precision[]) IS 'Private. Greatest difference of the share of one bin or category.';
CREATE FUNCTION mlguard._link(p_prev bytea, p_no bigint, p_event mlguard._event) RETURNS bytea
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select sha256(p_prev || convert_to(mlguard._event_text(p_no, p_event), 'UTF8'))
$$;
ALTER FUNCTION mlguard._link(p_prev bytea, p_no bigint, p_event mlguard._event) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._link(p_prev bytea, p_no bigint, p_event mlguard._event) IS 'Private. The hash of an event at a place of the chain.';
CREATE FUNCTION mlguard._load_rows(p_tbl text, p_load text, p_bucket timestamp with time zone, p_batch bigint, p_before bigint) RETURNS bigint
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select coalesce(sum(c.n), 0)::bigint
  from (
    select l.sign * l.n as n
    from mlguard._load_state l
    where l.tbl = p_tbl and l.load = p_load and l.segment = '{}'
      and (l.bucket = p_bucket or l.bucket is null or p_bucket is null)
    union all
    select s.sign * s.n
    from mlguard._state s
    where s.tbl = p_tbl and s.load = p_load and not s.load_kept and s.segment = '{}'
      and (s.bucket = p_bucket or s.bucket is null or p_bucket is null)
      and (s.batch is distinct from p_batch or (s.sign > 0 and s.id < p_before))
  ) c
$$;
ALTER FUNCTION mlguard._load_rows(p_tbl text, p_load text, p_bucket timestamp with time zone, p_batch bigint, p_before bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._load_rows(p_tbl text, p_load text, p_bucket timestamp with time zone, p_batch bigint, p_before bigint) IS 'Private. How many rows of a bucket a load has: of a transaction only what it wrote before a line.';
CREATE FUNCTION mlguard._load_states(p_tbl text, p_load text) RETURNS TABLE(segment jsonb, states jsonb)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _from bigint := mlguard._emptied_at(p_tbl);
begin
  -- One statement: what sweep() moves from one table to the other is counted once.
  return query
    select c.segment,
           mlguard._unmerge(
             mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0))
    from (
      select l.segment, l.sign, l.states
      from mlguard._load_state l
      where l.tbl = p_tbl and l.load = p_load and l.upto > _from
      union all
      select s.segment, s.sign, s.states
      from mlguard._state s
      where s.tbl = p_tbl and s.load = p_load and not s.load_kept and s.id > _from
    ) c
    group by c.segment;
end
$$;
ALTER FUNCTION mlguard._load_states(p_tbl text, p_load text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._load_states(p_tbl text, p_load text) IS 'Private. What a load wrote so far, by segment, without what of it was taken away.';
CREATE FUNCTION mlguard._loads_of(p_batch bigint) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select array(
    select s.load
    from mlguard._state s
    where s.batch = p_batch and s.load is not null
    group by s.load
    order by max(s.id) desc)
$$;
ALTER FUNCTION mlguard._loads_of(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._loads_of(p_batch bigint) IS 'Private. The loads that a transaction wrote to or took away from, the last first; COMMIT judges 100 of them.';
CREATE TABLE mlguard._assertion_lock (
    slo text NOT NULL,
    xid xid8,
    outcome text,
    verdict bigint
)
WITH (fillfactor='10');
ALTER TABLE mlguard._assertion_lock OWNER TO postgres;
COMMENT ON TABLE mlguard._assertion_lock IS 'Private. One row per assertion, updated by every transaction that has it judged: the lock that puts them in a row.';
COMMENT ON COLUMN mlguard._assertion_lock.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._assertion_lock.xid IS 'The transaction that holds it, or held it last.';
COMMENT ON COLUMN mlguard._assertion_lock.outcome IS 'What the last recorded judgement of the whole SELECT found; PASS: a judgement of the touched keys suffices.';
COMMENT ON COLUMN mlguard._assertion_lock.verdict IS 'That judgement, in mlguard._verdict.';
CREATE FUNCTION mlguard._lock_assertion(p_slo text) RETURNS mlguard._assertion_lock
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  _lock mlguard._assertion_lock;
begin
  for _try in 1..10 loop
    -- Once in a transaction: a row updated again and again would be found through all its versions.
    update mlguard._assertion_lock l
    set xid = pg_current_xact_id()
    where l.slo = p_slo and l.xid is distinct from pg_current_xact_id()
    returning l.* into _lock;
    if found then
      return _lock;
    end if;
    select l.* into _lock from mlguard._assertion_lock l where l.slo = p_slo and l.xid = pg_current_xact_id();
    if found then
      return _lock;
    end if;
    if not exists (select from mlguard._assertion a where a.slo = p_slo) then
      if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then
        return null;  -- it was taken out while this transaction ran
      end if;
      -- The trigger is there, so the assertion is: it was put in force after this transaction's snapshot.
      raise exception using
        errcode = 'serialization_failure',
        message = format('mlguard: %s was put in force while this transaction ran', p_slo),
        hint = 'The transaction can be tried again.';
    end if;
    -- It was put in force anew while we waited: there is another row now.
  end loop;
  raise exception using
    errcode = 'object_not_in_prerequisite_state',
    message = format('mlguard: the lock row of %s is gone, so that nothing can be judged', p_slo),
    hint = 'mlguard remove, then mlguard apply, makes it anew.';
end
$$;
ALTER FUNCTION mlguard._lock_assertion(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._lock_assertion(p_slo text) IS 'Private. Takes the lock of an assertion until the end of the transaction; null where it is no longer in force.';
CREATE FUNCTION mlguard._lock_loads(p_batch bigint, p_tbl text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
  -- order, for all tables that the transaction wrote, before any hold is locked, and one lock for a name whatever the
  -- table, so that none waits for one that waits.
  for _load in
    select l.load
    from (
      select distinct o.load
      from mlguard._batch b
      cross join lateral unnest((mlguard._loads_of(b.id))[:100]) o (load)
      where b.xid = pg_current_xact_id_if_assigned() and b.opened_at = now() and b.name is null
    ) l
    order by l.load collate "C"
  loop
    perform pg_advisory_xact_lock(hashtextextended('mlguard load ' || _load, 0));
  end loop;
end
$$;
ALTER FUNCTION mlguard._lock_loads(p_batch bigint, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._lock_loads(p_batch bigint, p_tbl text) IS 'Private. At COMMIT, first of all: which loads the transaction is of, and its turn to judge them.';
CREATE FUNCTION mlguard._lock_table(p_tbl text) RETURNS boolean
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._take_turn('table ' || p_tbl)
$$;
ALTER FUNCTION mlguard._lock_table(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._lock_table(p_tbl text) IS 'Private. Takes the lock of a table''s buckets and windows if it is free; true when this transaction has it.';
CREATE TABLE mlguard._model_version (
    model text NOT NULL,
    version text NOT NULL,
    state text DEFAULT 'registered'::text NOT NULL,
    author text DEFAULT SESSION_USER NOT NULL,
    registered_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    note text,
    ticket bigint,
    approver text,
    approved_at timestamp with time zone,
    promoted_by text,
    promoted_at timestamp with time zone,
    came_after text,
    rolled_back_at timestamp with time zone,
    retired_by text,
    retired_at timestamp with time zone,
    CONSTRAINT _model_version_approved CHECK (((state = ANY (ARRAY['registered'::text, 'retired'::text])) OR (approver IS NOT NULL))),
    CONSTRAINT _model_version_approver CHECK ((approver <> author)),
    CONSTRAINT _model_version_named CHECK ((version ~ '\S'::text)),
    CONSTRAINT _model_version_state CHECK ((state = ANY (ARRAY['registered'::text, 'approved'::text, 'champion'::text, 'challenger'::text, 'retired'::text])))
);
ALTER TABLE mlguard._model_version OWNER TO postgres;
COMMENT ON TABLE mlguard._model_version IS 'Private. One row per version of a model.';
COMMENT ON COLUMN mlguard._model_version.model IS 'The model.';
COMMENT ON COLUMN mlguard._model_version.version IS 'The version, as text: what the version column of predictions holds.';
COMMENT ON COLUMN mlguard._model_version.state IS 'registered (nobody approved it), approved, champion (served), challenger (writes beside it), retired.';
COMMENT ON COLUMN mlguard._model_version.author IS 'Who registered it: the user who logged in, whatever role was set.';
COMMENT ON COLUMN mlguard._model_version.registered_at IS 'When.';
COMMENT ON COLUMN mlguard._model_version.note IS 'What its author said about it.';
COMMENT ON COLUMN mlguard._model_version.ticket IS 'The training ticket it came from; null where there was none.';
COMMENT ON COLUMN mlguard._model_version.approver IS 'Who approved it; never its author.';
COMMENT ON COLUMN mlguard._model_version.approved_at IS 'When.';
COMMENT ON COLUMN mlguard._model_version.promoted_by IS 'Who made it champion or challenger last.';
COMMENT ON COLUMN mlguard._model_version.promoted_at IS 'When.';
COMMENT ON COLUMN mlguard._model_version.came_after IS 'The champion before it: where a rollback leads.';
COMMENT ON COLUMN mlguard._model_version.rolled_back_at IS 'Taken out of service by a rollback; another rollback does not lead back to it. Null once promoted again.';
COMMENT ON COLUMN mlguard._model_version.retired_by IS 'Who retired it.';
COMMENT ON COLUMN mlguard._model_version.retired_at IS 'When.';
CREATE FUNCTION mlguard._locked_version(p_model text, p_version text) RETURNS mlguard._model_version
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _found mlguard._model_version;
begin
  perform from mlguard._model m where m.model = p_model for update;
  if not found then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: no version of a model %s is registered', coalesce(p_model, '(null)')),
      hint = 'Models are known by their versions: mlguard models register MODEL VERSION, or mlguard.register(). '
             'select distinct model from mlguard.model_version';
  end if;
  select v.* into _found from mlguard._model_version v where v.model = p_model and v.version = p_version;
  if not found and p_version is not null then
    raise exception using
      errcode = 'undefined_object',
      message = format('mlguard: model %s has no version %s', p_model, p_version),
      hint = 'It has: ' || (
        select string_agg(r.version, ', ' order by r.registered_at desc)
        from (select v.version, v.registered_at from mlguard._model_version v
              where v.model = p_model order by v.registered_at desc limit 10) r);
  end if;
  return _found;
end
$$;
ALTER FUNCTION mlguard._locked_version(p_model text, p_version text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._locked_version(p_model text, p_version text) IS 'Private. One version, after the lock of its model is taken: who promotes, approves and retires goes one by one.';
CREATE FUNCTION mlguard._look_again() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _table record;
  _newest timestamptz;
begin
  update mlguard._freshness_due d
  set known_at = pg_snapshot_xmax(pg_current_snapshot())
  where d.ctid = any (array(
    select o.ctid from mlguard._freshness_due o where o.known_at is null for update skip locked));
  -- Who wrote before the newest row was gone for all has ended by now. (What is still to come is of another server.)
  for _table in
    with over as (
      delete from mlguard._freshness_due d
      where d.ctid = any (array(
        select o.ctid
        from mlguard._freshness_due o
        where o.known_at <= pg_snapshot_xmin(pg_current_snapshot())
           or o.known_at > pg_snapshot_xmax(pg_current_snapshot())
        for update skip locked))
      returning d.tbl
    )
    select distinct t.tbl, t.grain, t.event_sql, to_regclass(format('%I.%I', t.schema_name, t.table_name)) as relation
    from over o
    join mlguard._table t on t.tbl = o.tbl
    where t.event_sql is not null
  loop
    continue when _table.relation is null;
    execute format('select max(%1$s) from %2$s as t where %1$s <= statement_timestamp()', _table.event_sql, _table.relation)
    into _newest;
    if isfinite(_newest) and coalesce(_newest > mlguard.newest_v1(_table.tbl) + _table.grain, true) then
      -- When that row was written nobody knows: its event time alone decides whether it came in time.
      insert into mlguard._freshness (tbl, newest, at) values (_table.tbl, _newest, 'infinity');
    end if;
  end loop;
end
$_$;
ALTER FUNCTION mlguard._look_again() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._look_again() IS 'Private. Finds the newest event time of tables whose newest row went while others wrote.';
CREATE FUNCTION mlguard._loop_reason(p_reason text, p_act text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s takes a reason: it is what others read afterwards', p_act);
  end if;
end
$$;
ALTER FUNCTION mlguard._loop_reason(p_reason text, p_act text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._loop_reason(p_reason text, p_act text) IS 'Private. Raises where no reason is given.';
CREATE FUNCTION mlguard._made_stale(p_key text, p_from jsonb, p_gone jsonb) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(
    case substring(p_key from '^[a-z]+')
      -- An extreme stands as long as what went did not reach it.
      when 'min' then (p_gone #>> '{}')::numeric <= (p_from #>> '{}')::numeric
      when 'max' then (p_gone #>> '{}')::numeric >= (p_from #>> '{}')::numeric
      when 'quantiles' then (p_gone ->> 'n')::numeric > 0
      when 'moments' then p_gone ->> 1 in ('NaN', 'Infinity', '-Infinity') or p_gone ->> 2 in ('NaN', 'Infinity')
      when 'joint' then p_gone::text like any (array['%NaN%', '%Infinity%'])
      when 'sum' then jsonb_typeof(p_gone) = 'string'
    end,
    false)
$$;
ALTER FUNCTION mlguard._made_stale(p_key text, p_from jsonb, p_gone jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._made_stale(p_key text, p_from jsonb, p_gone jsonb) IS 'Private. Whether taking rows away leaves a state that only a recount can tell.';
CREATE FUNCTION mlguard._make_severe(p_id bigint, p_severity text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- What gets worse while it is snoozed alerts again, and so does the incident that stands for it.
  update mlguard._incident i
  set severity = p_severity, state = case i.state when 'snoozed' then 'open' else i.state end
  where i.id in (select p_id union select c.cause from mlguard._incident c where c.id = p_id)
    and mlguard._severity_rank(p_severity) > mlguard._severity_rank(i.severity)
$$;
ALTER FUNCTION mlguard._make_severe(p_id bigint, p_severity text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._make_severe(p_id bigint, p_severity text) IS 'Private. Raises the severity of an incident, and of its cause, where it is lower.';
CREATE FUNCTION mlguard._mask_incidents() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _old record;
  _n bigint := 0;
begin
  -- Columns that became personal after words about them were written.
  for _old in
    select i.id, i.cause, i.headline, i.observed, t.pii, w.*
    from mlguard._incident i
    join mlguard._table t on t.tbl = i.tbl and t.pii <> i.pii
    join mlguard._slo s on s.id = i.slo
    join mlguard._verdict v on v.id = i.last_verdict
    cross join lateral (
      select mlguard._headline(v, s, t) as new_headline, mlguard._observed_words(v, s, t) as new_observed
    ) w
    order by i.id
  loop
    update mlguard._incident i
    set pii = _old.pii, headline = _old.new_headline, observed = _old.new_observed
    where i.id = _old.id;
    if _old.new_headline <> _old.headline then
      update mlguard._outbox o
      set subject = 'not shown (pii): ' || format('%s #%s', o.event, o.incident),
          body = 'not shown (pii)',
          payload = o.payload - array['observed', 'also', 'segment']
      where o.incident in (_old.id, _old.cause)
         or o.payload -> 'also' @> jsonb_build_array(jsonb_build_object('incident', _old.id));
      _n := _n + 1;
    end if;
  end loop;
  return _n;
end
$$;
ALTER FUNCTION mlguard._mask_incidents() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._mask_incidents() IS 'Private. Takes values of columns that are personal by now out of incidents and alerts; returns how many incidents.';
CREATE FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._measure(p_scope bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _scope mlguard._learned_scope;
  _before bigint := mlguard._before(p_scope);
begin
  select c.* into _scope from mlguard._learned_scope c where c.id = p_scope;
  -- Two statements, so that each finds its rows by an index.
  update mlguard._metric m
  set current = false
  where m.tbl = _scope.tbl and m.over = _scope.over and m.sampled and m.current and m.window_start = _scope.window_start;
  update mlguard._metric m
  set current = false
  where m.tbl = _scope.tbl and m.over = _scope.over and m.sampled and m.current and m.batch = _scope.batch;
  with found as materialized (
    select s.metric as family, s.column_name, '' as partner, s.value, s.sd from mlguard._number_series(p_scope, _before) s
    union all
    select s.metric, s.column_name, '', s.value, null from mlguard._text_series(p_scope, _before) s
    union all
    select 'same', s.column_name, '', s.value, null from mlguard._same_series(p_scope, _before) s
    union all
    select 'null', p.column_name, '', 1 - p.m::double precision / _scope.k, null
    from mlguard._profile p
    where p.scope = p_scope and _scope.k > 0
    union all
    select 'rows', '', '', _scope.n, null
    union all
    select 'repeats', '', '', mlguard._repeated_share(p_scope), null
    union all
    select r.metric, r.column_name, r.partner, mlguard._pair_value(p_scope, r), null
    from mlguard._pair r
    where r.tbl = _scope.tbl and r.over = _scope.over and _scope.k > 0
  ), named as (
    select f.*, format('usual_%s(%s)', f.family, concat_ws(', ', nullif(f.column_name, ''), nullif(f.partner, ''))) as metric
    from found f
  ), known as (
    insert into mlguard._series (tbl, over, metric, family, column_name, partner)
    select _scope.tbl, _scope.over, f.metric, f.family, f.column_name, f.partner from named f
    on conflict do nothing
  )
  insert into mlguard._metric (tbl, metric, over, batch, window_start, window_end, value, n, sd, sampled)
  select _scope.tbl, f.metric, _scope.over, _scope.batch, _scope.window_start, _scope.window_end, f.value,
         case f.family when 'rows' then _scope.n else _scope.k end, f.sd, true
  from named f
  union all
  -- A series without a value here: its band must know that a scope went by.
  select _scope.tbl, r.metric, _scope.over, _scope.batch, _scope.window_start, _scope.window_end, null, _scope.k, null, true
  from mlguard._series r
  where r.tbl = _scope.tbl and r.over = _scope.over and r.metric not in (select f.metric from named f);
end
$$;
ALTER FUNCTION mlguard._measure(p_scope bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._measure(p_scope bigint) IS 'Private. Computes and keeps every learned series of a scope.';
CREATE FUNCTION mlguard._merge(p_a jsonb, p_b jsonb) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when coalesce(p_b, '{}') = '{}' then coalesce(p_a, '{}')
    when coalesce(p_a, '{}') = '{}' then p_b
    else mlguard._merge_all(array[p_a, p_b])
  end
$$;
ALTER FUNCTION mlguard._merge(p_a jsonb, p_b jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge(p_a jsonb, p_b jsonb) IS 'Private. Merges two documents of states.';
CREATE FUNCTION mlguard._merge_all(p_documents jsonb[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if cardinality(p_documents) = 1 then
    return coalesce(p_documents[1], '{}');
  end if;
  -- Numbers as numeric: sums of integers are exact, and sums of floats can be taken apart again.
  return (
    select coalesce(jsonb_object_agg(m.key, m.value) filter (where m.value is not null), '{}')
    from (
      select e.key,
             case
               when bool_or(e.kind in ('array', 'object'))
               then mlguard._merge_parts(e.key, array_agg(e.value) filter (where e.kind in ('array', 'object')))
               when e.key like 'min(%' then to_jsonb(min(e.number))
               when e.key like 'max(%' then to_jsonb(max(e.number))
               else to_jsonb(sum(e.number))
             end as value
      from (
        select s.key, s.value, kind.kind,
               case kind.kind
                 when 'number' then s.value::numeric
                 when 'string' then (s.value #>> '{}')::numeric
               end as number
        from unnest(p_documents) d (states), jsonb_each(d.states) s, jsonb_typeof(s.value) kind (kind)
      ) e
      group by e.key
    ) m);
end
$$;
ALTER FUNCTION mlguard._merge_all(p_documents jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_all(p_documents jsonb[]) IS 'Private. Merges documents of states.';
CREATE FUNCTION mlguard._merge_bins(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Counts of different edges cannot be added: the newest edges stand, and that rows are missing is said.
  with newest as (
    select coalesce(max((p.part ->> 'v')::bigint), 0) as v from unnest(p_parts) p (part)
  ), part as materialized (
    select p.part, coalesce((p.part ->> 'v')::bigint, 0) = newest.v as same from unnest(p_parts) p (part), newest
  ), bin as (
    select c.place, sum(c.count::numeric) as count
    from part p, jsonb_array_elements_text(p.part -> 'c') with ordinality c (count, place)
    where p.same
    group by c.place
  )
  select jsonb_build_object(
           'v', (select n.v from newest n),
           'c', coalesce((select jsonb_agg(b.count order by b.place) from bin b), '[]'),
           'n', coalesce(sum((p.part ->> 'n')::numeric) filter (where p.same), 0))
         || case
              when bool_or(p.part ? 'partial' or (not p.same and (p.part ->> 'n')::numeric > 0))
              then '{"partial": true}'::jsonb
              else '{}'
            end
         || mlguard._merge_sampled(array_agg(p.part) filter (where p.same))
  from part p
$$;
ALTER FUNCTION mlguard._merge_bins(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_bins(p_parts jsonb[]) IS 'Private. Merges counts of bins: {"v", "c", "n"}.';
CREATE FUNCTION mlguard._merge_joint(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Pébay 2008, equation 3.13, over all parts at once.
  with part as materialized (
    select (p.part ->> 0)::float8 as n, (p.part ->> 1)::float8 as a, (p.part ->> 2)::float8 as b,
           (p.part ->> 3)::float8 as aa, (p.part ->> 4)::float8 as bb, (p.part ->> 5)::float8 as ab
    from unnest(p_parts) p (part)
    where (p.part ->> 0)::float8 > 0
  ), whole as materialized (
    select sum(w.n) as n, sum(w.n * w.a) / sum(w.n) as a, sum(w.n * w.b) / sum(w.n) as b from part w
  )
  select coalesce(
    (select jsonb_build_array(
              w.n, w.a, w.b,
              sum(p.aa + p.n * (p.a - w.a) ^ 2),
              sum(p.bb + p.n * (p.b - w.b) ^ 2),
              sum(p.ab + p.n * (p.a - w.a) * (p.b - w.b)))
     from part p, whole w
     group by w.n, w.a, w.b),
    '[0, 0, 0, 0, 0, 0]')
$$;
ALTER FUNCTION mlguard._merge_joint(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_joint(p_parts jsonb[]) IS 'Private. Merges [n, mean_a, mean_b, m2_a, m2_b, c_ab].';
CREATE FUNCTION mlguard._merge_keys(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _theta double precision;
  _rows numeric;
  _hashes text[];
  _counts numeric[];
  _limit text;
begin
  select min((p.part ->> 't')::float8), sum((p.part ->> 'n')::numeric)
  into _theta, _rows
  from unnest(p_parts) p (part);
  _limit := mlguard._below(_theta);
  -- The smallest hashes of a union are a uniform sample of its keys (Bar-Yossef et al. 2002), counts complete.
  select array_agg(h.hash order by h.hash collate "C"), array_agg(h.count order by h.hash collate "C")
  into _hashes, _counts
  from (
    select k.key as hash, sum(k.value::numeric) as count
    from unnest(p_parts) p (part), jsonb_each_text(p.part -> 'k') k
    where _limit is null or k.key collate "C" < _limit
    group by k.key
  ) h
  where h.count <> 0;
  if cardinality(_hashes) > 4096 then
    _theta := ('x' || lpad(left(_hashes[4097], 13), 16, '0'))::bit(64)::bigint / 4503599627370496::float8;
    _limit := mlguard._below(_theta);
  end if;
  return jsonb_build_object(
    't', _theta,
    'k', (select coalesce(jsonb_object_agg(h.hash, h.count), '{}')
          from unnest(_hashes, _counts) h (hash, count)
          where _limit is null or h.hash collate "C" < _limit),
    'n', _rows);
end
$$;
ALTER FUNCTION mlguard._merge_keys(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_keys(p_parts jsonb[]) IS 'Private. Merges counts of hashed keys: {"t", "k", "n"}; above 4096 keys those with the smallest hashes.';
CREATE FUNCTION mlguard._merge_load(p_tbl text, p_load text, p_least integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _by_column boolean := (select t.batch_column is not null from mlguard._table t where t.tbl = p_tbl);
  _from bigint := mlguard._emptied_at(p_tbl);
  _merged bigint;
  _loose bigint;
begin
  select count(*) filter (where l.merged), count(*) filter (where not l.merged)
  into _merged, _loose
  from mlguard._load_state l
  where l.tbl = p_tbl and l.load = p_load;
  _loose := _loose + (
    select count(*) from mlguard._state s where s.tbl = p_tbl and s.load = p_load and not s.load_kept);
  -- Seldom enough that all the merging together costs no more than reading each line once.
  if _loose <= p_least + least(p_least, 1) * _merged then
    return;
  end if;
  -- What sweep() is about to move is left to it.
  with line as materialized (
    select s.id, s.bucket, s.segment, s.sign, s.n, s.states
    from mlguard._state s
    where s.tbl = p_tbl and s.load = p_load and not s.load_kept
    for update skip locked
  ), part as materialized (
    select l.id, l.bucket, l.segment, l.sign, l.n, l.states, l.upto
    from mlguard._load_state l
    where l.tbl = p_tbl and l.load = p_load
    for update skip locked
  ), kept as (
    update mlguard._state s set load_kept = true from line l where s.tbl = p_tbl and s.id = l.id
  ), dropped as (
    delete from mlguard._load_state l using part p where l.id = p.id
  )
  insert into mlguard._load_state (tbl, load, bucket, segment, sign, n, states, upto, merged)
  select p_tbl, p_load, c.bucket, c.segment, 1, sum(c.sign * c.n),
         mlguard._unmerge(
           mlguard.merge_v1(c.states) filter (where c.sign > 0), mlguard.merge_v1(c.states) filter (where c.sign < 0)),
         max(c.upto), true
  from (
    select case when not _by_column then l.bucket end as bucket, l.segment, l.sign, l.n, l.states, l.id as upto
    from line l
    union all
    select case when not _by_column then p.bucket end, p.segment, p.sign, p.n, p.states, p.upto
    from part p
  ) c
  where c.upto > _from
  group by c.bucket, c.segment;
end
$$;
ALTER FUNCTION mlguard._merge_load(p_tbl text, p_load text, p_least integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_load(p_tbl text, p_load text, p_least integer) IS 'Private. Merges the states of a load, if there are more than p_least that are not merged yet.';
CREATE FUNCTION mlguard._merge_moments(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Chan, Golub, LeVeque 1979, over all parts at once: squares around the common mean.
  with part as materialized (
    select (p.part ->> 0)::float8 as n, (p.part ->> 1)::float8 as mean, (p.part ->> 2)::float8 as m2
    from unnest(p_parts) p (part)
    where (p.part ->> 0)::float8 > 0
  ), whole as materialized (
    select sum(w.n) as n, sum(w.n * w.mean) / sum(w.n) as mean from part w
  )
  select coalesce(
    (select jsonb_build_array(w.n, w.mean, sum(p.m2 + p.n * (p.mean - w.mean) ^ 2))
     from part p, whole w
     group by w.n, w.mean),
    '[0, 0, 0]')
$$;
ALTER FUNCTION mlguard._merge_moments(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_moments(p_parts jsonb[]) IS 'Private. Merges [n, mean, m2].';
CREATE FUNCTION mlguard._merge_parts(p_key text, p_parts jsonb[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_key = 'stale' then
    return (select jsonb_agg(distinct s.key) from unnest(p_parts) p (part), jsonb_array_elements(p.part) s (key));
  elsif cardinality(p_parts) = 1 then
    return p_parts[1];
  end if;
  return case substring(p_key from '^[a-z]+')
    when 'moments' then mlguard._merge_moments(p_parts)
    when 'joint' then mlguard._merge_joint(p_parts)
    when 'bins' then mlguard._merge_bins(p_parts)
    when 'values' then mlguard._merge_values(p_parts)
    when 'keys' then mlguard._merge_keys(p_parts)
    when 'quantiles' then mlguard._merge_quantiles(p_parts)
    when 'errors' then mlguard._sum_arrays(p_parts)
    when 'confusion' then mlguard._sum_arrays(p_parts)
    when 'scores' then mlguard._sum_arrays(p_parts)
    else mlguard._sum_tallies(p_key, p_parts)
  end;
end
$$;
ALTER FUNCTION mlguard._merge_parts(p_key text, p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_parts(p_key text, p_parts jsonb[]) IS 'Private. Merges states of one name that are more than a number.';
CREATE FUNCTION mlguard._merge_quantiles(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _state jsonb;
  _points bigint;
  _exact boolean;
  _rows numeric;
  _points_of record;
begin
  _rows := (select coalesce(sum((p.part ->> 'n')::numeric), 0) from unnest(p_parts) p (part));
  select jsonb_build_object(
           'n', _rows,
           'v', coalesce(jsonb_agg(v.value order by v.value), '[]'),
           'w', coalesce(jsonb_agg(v.weight order by v.value), '[]')),
         count(*), coalesce(bool_and(v.weight = 1), true)
  into _state, _points, _exact
  from (
    select e.value::float8 as value, coalesce((p.part -> 'w' ->> (e.place::integer - 1))::float8, 1) as weight
    from unnest(p_parts) p (part), jsonb_array_elements_text(p.part -> 'v') with ordinality e (value, place)
  ) v;
  if _points > 2002 then
    _points_of := mlguard._ranks(case when _exact then _state - 'w' else _state end);
    return jsonb_build_object(
      'n', _rows,
      'v', (select jsonb_agg(mlguard._at_rank(_points_of.vals, _points_of.ranks, r.place / 500.0) order by r.place)
            from generate_series(0, 500) r (place)),
      'w', (select jsonb_agg(_rows::float8 / 501) from generate_series(0, 500)))
      || mlguard._merge_sampled(p_parts);
  end if;
  return case when _exact then _state - 'w' else _state end || mlguard._merge_sampled(p_parts);
end
$$;
ALTER FUNCTION mlguard._merge_quantiles(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_quantiles(p_parts jsonb[]) IS 'Private. Merges sorted values {"n", "v", "w"}; above 2002 points 501 of equal rank stay.';
CREATE FUNCTION mlguard._merge_sampled(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Counts are of rows; where some were left out, how many were looked at decides what chance can do.
  select case
    when bool_or(p.part ? 'sampled')
    then jsonb_build_object('sampled', sum(coalesce((p.part ->> 'sampled')::numeric, (p.part ->> 'n')::numeric)))
    else '{}'
  end
  from unnest(p_parts) p (part)
$$;
ALTER FUNCTION mlguard._merge_sampled(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_sampled(p_parts jsonb[]) IS 'Private. {"sampled": values looked at}, where a part left some out; else {}.';
CREATE FUNCTION mlguard._merge_values(p_parts jsonb[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with counted as (
    select c.key, sum(c.value::numeric) as count
    from unnest(p_parts) p (part), jsonb_each_text(p.part -> 'c') c
    group by c.key
  ), ranked as materialized (
    select c.key, c.count, row_number() over (order by c.count desc, c.key collate "C") as place from counted c
  )
  select jsonb_build_object(
           'c', coalesce((select jsonb_object_agg(r.key, r.count) from ranked r where r.place <= 1000), '{}'),
           'other', coalesce(sum((p.part ->> 'other')::numeric), 0)
                    + coalesce((select sum(r.count) from ranked r where r.place > 1000), 0),
           'n', coalesce(sum((p.part ->> 'n')::numeric), 0))
         || mlguard._merge_sampled(p_parts)
  from unnest(p_parts) p (part)
$$;
ALTER FUNCTION mlguard._merge_values(p_parts jsonb[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._merge_values(p_parts jsonb[]) IS 'Private. Merges counts of values: {"c", "other", "n"}; the 1000 most frequent stay by name.';
CREATE FUNCTION mlguard._minute(p_at timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select to_char(p_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
$$;
ALTER FUNCTION mlguard._minute(p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._minute(p_at timestamp with time zone) IS 'Private. A time as messages show it.';
CREATE FUNCTION mlguard._model_reason(p_reason text, p_act text) RETURNS void
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s a version needs a reason: it is what others read afterwards', p_act);
  end if;
end
$$;
ALTER FUNCTION mlguard._model_reason(p_reason text, p_act text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._model_reason(p_reason text, p_act text) IS 'Private. Raises where no reason is given.';
CREATE FUNCTION mlguard._most_frequent(p_texts text[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(jsonb_agg(f.x), '[]')
  from (select u.x from unnest(p_texts) u (x) group by u.x order by count(*) desc, u.x limit 30) f
$$;
ALTER FUNCTION mlguard._most_frequent(p_texts text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._most_frequent(p_texts text[]) IS 'Private. The thirty most frequent texts.';
CREATE FUNCTION mlguard._need_reason(p_reason text, p_act text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s an incident needs a reason', p_act),
      hint = 'It is what others read in the morning.';
  end if;
  return p_reason;
end
$$;
ALTER FUNCTION mlguard._need_reason(p_reason text, p_act text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._need_reason(p_reason text, p_act text) IS 'Private. The reason; raises where there is none.';
CREATE FUNCTION mlguard._new_categories(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT rate double precision, OUT words text) RETURNS record
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _state jsonb := p_s -> p_key;
  _baseline mlguard._baseline;
  _column mlguard._baseline_column;
  _past jsonb;
begin
  -- What no segment of the baseline knew is new, whichever segment it turns up in.
  select k.*
  into _column
  from mlguard._baseline b
  join mlguard._baseline_column k on k.tbl = b.tbl and k.version = b.version
  where b.tbl = p_c ->> 'tbl' and b.state = 'frozen' and k.column_name = p_column and k.key = p_key
    and k.segment = '{}' and k.n > 0;
  if not found then
    words := 'no baseline yet';
    return;
  end if;
  select b.* into _baseline from mlguard._baseline b where b.tbl = _column.tbl and b.version = _column.version;
  if _baseline.kind = 'previous' then
    _past := mlguard._previous(_baseline, p_c, '{}', p_key, false);
    if (_past ->> 'n')::numeric >= 200 then
      _column.categories := _past -> 'c';
      _column.other := coalesce((_past ->> 'other')::numeric, 0);
    end if;
  end if;
  words := case
    when coalesce((_state ->> 'n')::numeric, 0) <= 0 then 'no values'
    when _column.other > 0 then 'the baseline has more than 1000 categories'
  end;
  if words is null then
    select ((_state ->> 'other')::double precision
            + coalesce(sum(h.n::double precision) filter (where not _column.categories ? h.name), 0))
           / (_state ->> 'n')::double precision
    into rate
    from jsonb_each_text(_state -> 'c') h (name, n);
  end if;
end
$$;
ALTER FUNCTION mlguard._new_categories(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT rate double precision, OUT words text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._new_categories(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT rate double precision, OUT words text) IS 'Private. Share of values whose category the baseline does not know; words: why that cannot be told.';
CREATE FUNCTION mlguard._new_turn(p_name text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET lock_timeout TO '50ms'
    AS $$
begin
  insert into mlguard._turn (name) values (p_name) on conflict do nothing;
  return found;
exception
  when lock_not_available then
    return false;  -- another makes it, and so has the turn
end
$$;
ALTER FUNCTION mlguard._new_turn(p_name text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._new_turn(p_name text) IS 'Private. Makes the row of a turn that nobody ever took; true where this transaction has the turn by that.';
CREATE FUNCTION mlguard._noise(p_metric text, p_here double precision[], p_baseline double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- psi and js are (1/n + 1/m) times a chi-squared variable, js over 8 ln 2 and under the root (second-order
  -- expansion), with one degree of freedom for each bin but one. A bin in which the smaller side can expect few values
  -- counts for less in psi and for more in js; both fits are good to 7 % of the exact Poisson means. Below -700 exp()
  -- would raise instead of being 0.
  with sides as (
    select sum(b.here) as n, sum(b.there) as m, 1 / sum(b.here) + 1 / sum(b.there) as spread,
           least(sum(b.here), sum(b.there)) as least, count(*) as bins
    from unnest(p_here, p_baseline) b (here, there)
  ), pooled as (
    select (b.here + b.there) / (s.n + s.m) as share, s.least * (b.here + b.there) / (s.n + s.m) as expected
    from unnest(p_here, p_baseline) b (here, there), sides s
  )
  select case p_metric
    when 'psi' then s.spread * mlguard._chi_squared((
      select greatest(sum(1 - exp(greatest(-1.2::float8 * p.expected, -700))) - 1, 1) from pooled p))
    when 'js' then sqrt(s.spread / (8 * ln(2.0::float8)) * mlguard._chi_squared((
      select greatest(
        sum((1 - exp(greatest(-4 * p.expected, -700))) * (1 + 0.6::float8 / greatest(p.expected, 1.6::float8))) - 1, 1)
      from pooled p)))
    -- The first term of Kolmogorov's series at 1 in 1000.
    when 'ks' then sqrt(-ln(0.0005::float8) / 2 * s.spread)
    -- Bonferroni over the bins; binomial quantile by Cornish and Fisher (1938), half a value for continuity.
    when 'linf' then (
      select max(z.z * sqrt(p.share * (1 - p.share) * s.spread) + (z.z ^ 2 - 1) / 6 * abs(1 - 2 * p.share) / s.least)
      from pooled p, (select mlguard._normal_tail(0.0005::float8 / s.bins) as z) z) + 0.5 / s.least
  end
  from sides s
$$;
ALTER FUNCTION mlguard._noise(p_metric text, p_here double precision[], p_baseline double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._noise(p_metric text, p_here double precision[], p_baseline double precision[]) IS 'Private. The distance that chance alone exceeds once in 1000, were both sides samples of one distribution.';
CREATE FUNCTION mlguard._normal_tail(p_probability double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (((((((7.74545014278341407640e-4 * r.r + 2.27238449892691845833e-2) * r.r + 2.41780725177450611770e-1) * r.r
               + 1.27045825245236838258) * r.r + 3.64784832476320460504) * r.r + 5.76949722146069140550) * r.r
            + 4.63033784615654529590) * r.r + 1.42343711074968357734)
         / (((((((1.05075007164441684324e-9 * r.r + 5.47593808499534494600e-4) * r.r + 1.51986665636164571966e-2) * r.r
                 + 1.48103976427480074590e-1) * r.r + 6.89767334985100004550e-1) * r.r + 1.67638483018380384940) * r.r
              + 2.05319162663775882187) * r.r + 1)
  from (select sqrt(-ln(p_probability)) - 1.6::float8 as r) r
$$;
ALTER FUNCTION mlguard._normal_tail(p_probability double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._normal_tail(p_probability double precision) IS 'Private. What a standard normal variable exceeds with this probability, 1e-11 to 0.07. Wichura, AS 241 (1988).';
CREATE FUNCTION mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._record(p_act, g.tbl, null, jsonb_build_object('partition', p_child::text) || p_more, null)
  from mlguard._guarded_above(p_root) g
$$;
ALTER FUNCTION mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb) IS 'Private. Writes one event about a partition.';
CREATE FUNCTION mlguard._note_partitions(p_root oid) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._note_partitions(p_root oid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._note_partitions(p_root oid) IS 'Private. Records the triggers of partitions that are those of their guarded table, as apply would have.';
CREATE FUNCTION mlguard._number_series(p_scope bigint, p_before bigint) RETURNS TABLE(column_name text, metric text, value double precision, sd double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  select p.column_name, s.metric, s.value, case s.metric when 'mean' then p.deviation when 'magnitude' then p.logdeviation end
  from mlguard._profile p
  join mlguard._learned_scope c on c.id = p.scope
  left join mlguard._reference r on r.tbl = c.tbl and r.over = c.over and r.column_name = p.column_name and r.edges is not null
  left join mlguard._profile b on b.scope = p_before and b.column_name = p.column_name and b.m > 0
  cross join lateral (
    -- Of the finite ones: a mean of infinities tells nothing, and those that are new are far out. (Products of numbers
    -- near 0 would underflow, which is an error.)
    select sum(case when abs(u.x) >= 1e-100 then u.x else 0 end * u.c) filter (where abs(u.x) <= 1e100)
             / nullif(sum(u.c) filter (where abs(u.x) <= 1e100), 0) as mean,
           sum(ln(abs(u.x)) * u.c) filter (where u.x <> 0 and abs(u.x) <= 1e100)
             / nullif(sum(u.c) filter (where u.x <> 0 and abs(u.x) <= 1e100), 0) as magnitude,
           coalesce(sum(u.c) filter (where u.x < 0), 0)::double precision / p.m as negative,
           coalesce(sum(u.c) filter (where mlguard._off_grid(u.x, r.decimals)), 0)::double precision / p.m as grid,
           coalesce(sum(u.c) filter (where u.x < r.low or u.x > r.high), 0)::double precision / p.m as far
    from unnest(p.nums, p.counts) u (x, c)
  ) plain
  cross join lateral (
    select max(abs(e.here - e.usual)) as ks
    from unnest(mlguard._below(p.nums, p.counts, r.edges), r.below) e (here, usual)
  ) far
  cross join lateral (
    select coalesce(max(u.c::double precision / p.m - coalesce(h.share, 0)), 0) as spike
    from unnest(p.nums, p.counts) u (x, c)
    left join unnest(r.nums, r.shares) h (x, share) on h.x = u.x
    where u.c >= greatest(2, 0.004 * p.m)
  ) rise
  cross join lateral (
    select coalesce(sum(least(u.c::double precision / p.m, o.c::double precision / b.m)), 0) as overlap
    from unnest(p.nums, p.counts) u (x, c)
    join unnest(b.nums, b.counts) o (x, c) on o.x = u.x
  ) lap
  cross join lateral (values
    ('mean', plain.mean), ('magnitude', plain.magnitude), ('negative', plain.negative),
    ('grid', case when r.decimals is not null then plain.grid end),
    ('far', case when r.edges is not null then plain.far end), ('ks', case when r.edges is not null then far.ks end),
    ('spike', case when r.edges is not null then greatest(rise.spike, 0) end),
    ('overlap', case when b.m > 0 then lap.overlap end)
  ) s (metric, value)
  where p.scope = p_scope and p.rows_nums is not null and p.m > 0
$$;
ALTER FUNCTION mlguard._number_series(p_scope bigint, p_before bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._number_series(p_scope bigint, p_before bigint) IS 'Private. Series of the numeric columns of a scope, against the pooled reference and the scope before.';
CREATE FUNCTION mlguard._observe(p_scope bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _scope mlguard._learned_scope;
  _observed bigint;
  _round boolean;
begin
  select c.* into _scope from mlguard._learned_scope c where c.id = p_scope;
  with value as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select _scope.tbl, _scope.over, 'value', p.column_name, coalesce(u.text, (u.num + 0)::text)
    from mlguard._profile p
    cross join lateral unnest(p.nums, p.texts) u (num, text)
    where p.scope = p_scope and not mlguard._overfull(_scope.tbl, _scope.over, 'value', p.column_name)
      -- Numbers are remembered where a rule about pairs of values asks, or may come to ask, for them.
      and (p.texts is not null or cardinality(p.counts) <= 0.9 * p.m)
    on conflict do nothing
    returning name
  ), shape as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct _scope.tbl, _scope.over, 'shape', p.column_name, mlguard._shape(u.text)
    from mlguard._profile p
    cross join lateral unnest(p.texts) u (text)
    where p.scope = p_scope and not mlguard._overfull(_scope.tbl, _scope.over, 'shape', p.column_name)
      -- A value seen before has a shape seen before. (LIMIT keeps it a look-up by key.)
      and (select k.value
           from mlguard._seen k
           where k.tbl = _scope.tbl and k.over = _scope.over and k.what = 'value' and k.name = p.column_name
             and k.value = u.text
           limit 1) is null
    on conflict do nothing
    returning name
  ), pair as (
    insert into mlguard._seen (tbl, over, what, name, value)
    select distinct _scope.tbl, _scope.over, 'pair', r.column_name || chr(31) || r.partner, a.value || chr(31) || b.value
    from mlguard._pair r
    cross join lateral mlguard._cells(p_scope, r.column_name) a
    join lateral mlguard._cells(p_scope, r.partner) b on b.i = a.i
    where r.tbl = _scope.tbl and r.over = _scope.over and r.metric = 'pair' and a.value is not null and b.value is not null
      and not mlguard._overfull(_scope.tbl, _scope.over, 'pair', r.column_name || chr(31) || r.partner)
    on conflict do nothing
    returning name
  ), grown as (
    select 'value' as what, v.name, count(*) as n from value v group by v.name
    union all select 'shape', s.name, count(*) from shape s group by s.name
    union all select 'pair', p.name, count(*) from pair p group by p.name
  )
  insert into mlguard._seen_size as z (tbl, over, what, name, size)
  select _scope.tbl, _scope.over, g.what, g.name, g.n from grown g
  on conflict (tbl, over, what, name) do update set size = z.size + excluded.size;
  update mlguard._learned_scope c set observed = true where c.id = p_scope;
  delete from mlguard._profile p
  using (
    select c.id
    from mlguard._learned_scope c
    where c.tbl = _scope.tbl and c.over = _scope.over and c.observed
    order by c.window_start desc nulls last, c.batch desc nulls last
    offset 35
  ) old
  where p.scope = old.id;
  _observed := (select count(*) from mlguard._learned_scope c where c.tbl = _scope.tbl and c.over = _scope.over and c.observed);
  -- At 20, 40, 80, 160 …: pair rules are looked for anew, and the units of locations set again.
  _round := _observed >= 20 and _observed % 20 = 0 and (_observed / 20) & (_observed / 20 - 1) = 0;
  if _round and exists (
       select
       from mlguard._slo s
       where s.tbl = _scope.tbl and s.over = _scope.over and 'pairs' = any (s.learned)) then
    perform mlguard._learn_pairs(_scope.tbl, _scope.over);
  end if;
  perform mlguard._refresh_reference(_scope.tbl, _scope.over);
  perform mlguard._refresh_bands(_scope.tbl, _scope.over, _round);
end
$$;
ALTER FUNCTION mlguard._observe(p_scope bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._observe(p_scope bigint) IS 'Private. Takes a judged scope into what is usual: values seen, pooled references, bands.';
CREATE FUNCTION mlguard._observed_words(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    -- The words of an error may quote what could not be judged.
    when p_verdict.outcome = 'ERROR' then
      'could not be judged' || s.words || case
        when p_table.pii = '{}' then
          coalesce(': ' || left(regexp_replace(nullif(p_verdict.reason, ''), '[[:cntrl:][:space:]]+', ' ', 'g'), 300), '')
        else ''
      end
    -- These are values of single rows.
    when p_slo.columns && p_table.pii
         and exists (select from unnest(p_verdict.metrics) m where m ~ '^(usual_)?(min|max|median|quantile)\(') then
      array_to_string(p_verdict.metrics, ', ') || ' is not shown (pii)' || s.words
    when p_slo.by_columns && p_table.pii and p_verdict.segment <> '{}' then
      concat_ws(', ', mlguard._finding(p_verdict.metrics, p_verdict.vals, p_verdict.allowed, s.words),
                nullif(p_verdict.reason, ''))
    else concat_ws(', ', nullif(p_verdict.observed, ''), nullif(p_verdict.reason, ''))
  end
  from (
    select mlguard._for_segment(mlguard._masked(p_verdict.segment, coalesce(p_table.pii, '{}')), p_slo.by_columns) as words
  ) s
$$;
ALTER FUNCTION mlguard._observed_words(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._observed_words(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) IS 'Private. What a verdict found, in words, without values of pii columns.';
CREATE FUNCTION mlguard._off_grid(p_x double precision, p_decimals integer) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Numbers beyond 1e100 have no decimals, infinite ones neither; what is next to 0 is 0.
  select case
    when p_decimals is null then null
    when not abs(p_x) between 1e-100 and 1e100 then false
    else abs(p_x * power(10::double precision, p_decimals) - round(p_x * power(10::double precision, p_decimals)))
         > 1e-6 + 1e-9 * abs(p_x * power(10::double precision, p_decimals))
  end
$$;
ALTER FUNCTION mlguard._off_grid(p_x double precision, p_decimals integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._off_grid(p_x double precision, p_decimals integer) IS 'Private. Whether a number has more decimals than that.';
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
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._oldest_kept(p_what text, p_as_of timestamp with time zone, p_beyond bigint) RETURNS TABLE(before timestamp with time zone, upto bigint)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select p_as_of - r.keep, case when r.most is not null then p_beyond end
  from mlguard._retention r
  where r.what = p_what
$$;
ALTER FUNCTION mlguard._oldest_kept(p_what text, p_as_of timestamp with time zone, p_beyond bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._oldest_kept(p_what text, p_as_of timestamp with time zone, p_beyond bigint) IS 'Private. What a retention prunes: records before a time, and those numbered up to one. No row: nothing is pruned.';
CREATE FUNCTION mlguard._on_ddl() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._on_ddl() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._on_ddl() IS 'Private. Judges the columns of a guarded table as soon as somebody changes it.';
CREATE FUNCTION mlguard._on_partition() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._on_partition() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._on_partition() IS 'Private. Gives a partition its statement triggers as soon as it is made.';
CREATE FUNCTION mlguard._open_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) RETURNS mlguard._batch
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  _load mlguard._batch;
begin
  -- Only one at a time comes here with this name.
  insert into mlguard._batch (tbl, xid, name, opened_at)
  select p_tbl, null, p_load, coalesce((select p.opened_at from mlguard._batch p where p.id = p_part), now())
  where not exists (
    select from mlguard._batch b where b.tbl = p_tbl and b.name = p_load and b.name is not null and not b.retired);
  update mlguard._batch b
  set begun = b.begun or p_begun, closed_at = clock_timestamp(),
      ended_at = case when p_ends then clock_timestamp() when not p_begun then b.ended_at end
  where b.tbl = p_tbl and b.name = p_load and b.name is not null and not b.retired
  returning b.* into _load;
  update mlguard._batch b set part_of = _load.id where b.id = p_part and b.part_of is distinct from _load.id;
  return _load;
end
$$;
ALTER FUNCTION mlguard._open_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._open_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) IS 'Private. The row of a load, made when it is new; notes that rows came and whether more are expected.';
CREATE FUNCTION mlguard._open_upstream_holds(p_new bigint[]) RETURNS bigint[]
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- A hold comes with its incident; this is for one that somebody wrote by hand.
  with opened as (
    insert into mlguard._incident (
      id, slo, tbl, severity, precedence, over, batch, scope, observed, allowed, headline, opened_at, last_at, times)
    select nextval('mlguard.incident_id'), h.slo, h.tbl, 'page', array[2, 0, -3, 0, 0, 0], 'batch', h.batch,
           tstzrange(h.since, h.since, '[]'), h.observed, h.allowed,
           format('%s: %s (%s)', h.tbl, coalesce(nullif(concat_ws(', ', h.observed, h.allowed), ''), 'held by hand'),
                  concat_ws(', ', split_part(h.slo, '/', 2), 'batch ' || h.batch)),
           h.since, h.since, 1
    from (
      select distinct on (o.slo) o.*
      from mlguard._hold o
      where o.ended_at is null
      order by o.slo, o.since
    ) h
    where exists (
        select
        from mlguard._incident i, mlguard._upstream(i.tbl) u
        where i.id = any (p_new) and u.tbl = h.tbl)
      and exists (select from mlguard._slo s where s.id = h.slo)
      and not mlguard.waived_v1(h.slo)
      and not exists (select from mlguard._incident i where i.slo = h.slo and i.state <> 'resolved')
    returning id
  )
  select coalesce(array_agg(o.id), '{}') from opened o
$$;
ALTER FUNCTION mlguard._open_upstream_holds(p_new bigint[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._open_upstream_holds(p_new bigint[]) IS 'Private. Opens incidents for holds upstream that have none, so that what fails because of them has a cause.';
CREATE FUNCTION mlguard._outlived() RETURNS bigint[]
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- The cause is over and this is not: it failed later than the cause did, or it still holds its table.
  with stray as (
    select c.id
    from mlguard._incident c
    join mlguard._incident r on r.id = c.cause
    where c.state <> 'resolved' and r.state = 'resolved'
      and (c.last_at > r.resolved_at
           or (r.auto and (c.batch > r.batch or c.window_end > r.window_end))
           or (c.tbl = r.tbl and exists (select from mlguard._hold h where h.slo = c.slo and h.ended_at is null)))
  ), freed as (
    update mlguard._incident i
    set cause = null, alarm = null, told = null, told_severity = null, told_to = '{}'
    from stray s
    where i.id = s.id
    returning i.id
  )
  select coalesce(array_agg(f.id), '{}') from freed f
$$;
ALTER FUNCTION mlguard._outlived() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._outlived() IS 'Private. Lets incidents stand by themselves that go on after their cause is resolved; returns them.';
CREATE FUNCTION mlguard._overfull(p_tbl text, p_over text, p_what text, p_name text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce((
    select s.size > 100000
    from mlguard._seen_size s
    where s.tbl = p_tbl and s.over = p_over and s.what = p_what and s.name = p_name), false)
$$;
ALTER FUNCTION mlguard._overfull(p_tbl text, p_over text, p_what text, p_name text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._overfull(p_tbl text, p_over text, p_what text, p_name text) IS 'Private. Whether a column has held so many values that new ones are no news.';
CREATE FUNCTION mlguard._own_removals(p_batch bigint) RETURNS bigint[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _tbl text;
  _from bigint;
  _last_insert bigint;
  _replaces boolean;
begin
  -- Transition tables do not tell which transaction wrote an old row. A load that corrects itself inserts first and
  -- then changes or deletes fewer rows, of the same buckets; a reload deletes first; upserts change rows before the
  -- last of them is inserted.
  select coalesce(max(s.id) filter (where s.op = 'TRUNCATE'), 0), max(s.id) filter (where s.op = 'INSERT' and s.sign = 1)
  into _from, _last_insert
  from mlguard._state s
  where s.batch = p_batch;
  _replaces := exists (
    select
    from mlguard._state s
    where s.batch = p_batch and s.op = 'UPDATE' and s.sign = -1 and s.id > _from and s.id < _last_insert and s.n > 0);
  return array(
    select s.id
    from mlguard._state s
    join (
      select i.bucket, sum(i.n) as n
      from mlguard._state i
      where i.batch = p_batch and i.op = 'INSERT' and i.sign = 1 and i.segment = '{}' and i.id > _from
      group by i.bucket
    ) inserted on inserted.bucket is not distinct from s.bucket
    where s.batch = p_batch and s.sign = -1 and s.id > _last_insert and s.n <= inserted.n
      and (s.op = 'DELETE' or (s.op = 'UPDATE' and not _replaces)));
end
$$;
ALTER FUNCTION mlguard._own_removals(p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._own_removals(p_batch bigint) IS 'Private. Which rows of mlguard._state tell of rows that the batch itself wrote and took away again, as far as can be told.';
CREATE TABLE mlguard._pair (
    tbl text NOT NULL,
    over text NOT NULL,
    column_name text NOT NULL,
    metric text NOT NULL,
    partner text NOT NULL,
    bins jsonb,
    partner_bins jsonb,
    learned_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    evidence jsonb,
    CONSTRAINT _pair_metric CHECK ((metric = ANY (ARRAY['pair'::text, 'dependence'::text, 'nulls'::text])))
);
ALTER TABLE mlguard._pair OWNER TO postgres;
COMMENT ON TABLE mlguard._pair IS 'Private. Rules between two columns that were learned.';
COMMENT ON COLUMN mlguard._pair.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._pair.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._pair.column_name IS 'The one column.';
COMMENT ON COLUMN mlguard._pair.metric IS 'pair: values never seen together; dependence: one no longer tells of the other; nulls: they are missing together.';
COMMENT ON COLUMN mlguard._pair.partner IS 'The other column.';
COMMENT ON COLUMN mlguard._pair.bins IS 'How the one is cut into bins, for dependence.';
COMMENT ON COLUMN mlguard._pair.partner_bins IS 'How the other is cut.';
COMMENT ON COLUMN mlguard._pair.learned_at IS 'When it was learned.';
COMMENT ON COLUMN mlguard._pair.evidence IS 'What it rests on.';
CREATE FUNCTION mlguard._pair_value(p_scope bigint, p_rule mlguard._pair) RETURNS double precision
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
begin
  if p_rule.metric = 'nulls' then
    return (
      select avg(((a.value is null) <> (b.value is null))::integer)
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i);
  end if;
  if p_rule.metric = 'dependence' then
    return (
      select mlguard._explained(
               array_agg(mlguard._binned(a.value, a.num, p_rule.bins) order by a.i),
               array_agg(mlguard._binned(b.value, b.num, p_rule.partner_bins) order by a.i))
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i);
  end if;
  if mlguard._overfull(p_rule.tbl, p_rule.over, 'pair', p_rule.column_name || chr(31) || p_rule.partner)
     or mlguard._overfull(p_rule.tbl, p_rule.over, 'value', p_rule.column_name)
     or mlguard._overfull(p_rule.tbl, p_rule.over, 'value', p_rule.partner) then
    return null;
  end if;
  return (
    -- Of all sampled rows: where the two rarely have values, one odd row must not be a share of 1.
    select coalesce(sum(p.c) filter (where known_a.value is not null and known_b.value is not null and met.value is null), 0)
           ::double precision / nullif((select c.k from mlguard._learned_scope c where c.id = p_scope), 0)
    from (
      select a.value as a, b.value as b, count(*) as c
      from mlguard._cells(p_scope, p_rule.column_name) a
      join mlguard._cells(p_scope, p_rule.partner) b on b.i = a.i
      where a.value is not null and b.value is not null
      group by a.value, b.value
    ) p
    left join mlguard._seen known_a
      on known_a.tbl = p_rule.tbl and known_a.over = p_rule.over and known_a.what = 'value'
      and known_a.name = p_rule.column_name and known_a.value = p.a
    left join mlguard._seen known_b
      on known_b.tbl = p_rule.tbl and known_b.over = p_rule.over and known_b.what = 'value'
      and known_b.name = p_rule.partner and known_b.value = p.b
    left join mlguard._seen met
      on met.tbl = p_rule.tbl and met.over = p_rule.over and met.what = 'pair'
      and met.name = p_rule.column_name || chr(31) || p_rule.partner and met.value = p.a || chr(31) || p.b);
end
$$;
ALTER FUNCTION mlguard._pair_value(p_scope bigint, p_rule mlguard._pair) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._pair_value(p_scope bigint, p_rule mlguard._pair) IS 'Private. The value of a pair rule in a scope: share of pairs never seen, dependence, or share of lone nulls.';
CREATE FUNCTION mlguard._partition_went(p_root oid, p_child regclass, p_first timestamp with time zone, p_last timestamp with time zone, p_newest timestamp with time zone, p_seen pg_snapshot) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._partition_went(p_root oid, p_child regclass, p_first timestamp with time zone, p_last timestamp with time zone, p_newest timestamp with time zone, p_seen pg_snapshot) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._partition_went(p_root oid, p_child regclass, p_first timestamp with time zone, p_last timestamp with time zone, p_newest timestamp with time zone, p_seen pg_snapshot) IS 'Private. Forgets the triggers of a partition that was detached and has the buckets its rows were in counted anew.';
CREATE FUNCTION mlguard._past(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone DEFAULT NULL::timestamp with time zone, p_batch bigint DEFAULT NULL::bigint) RETURNS TABLE(id bigint, value double precision, n bigint, sd double precision, at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  -- Windows and batches each by the index they have; a series has only ones or the others.
  select p.id, p.value, p.n, p.sd, coalesce(p.window_start, p.at)
  from (
    (select m.*
     from mlguard._metric m
     where m.tbl = p_tbl and m.over = p_over and m.metric = p_metric and m.segment = p_segment
       and m.current and not m.excluded
       and m.window_start is not null and (p_start is null or m.window_start < p_start)
     order by m.window_start desc
     limit 200)
    union all
    (select m.*
     from mlguard._metric m
     where m.tbl = p_tbl and m.over = p_over and m.metric = p_metric and m.segment = p_segment
       and m.current and not m.excluded
       and m.batch is not null and (p_batch is null or m.batch < p_batch)
     order by m.batch desc
     limit 200)
  ) p
  order by p.window_start nulls first, p.batch nulls first
$$;
ALTER FUNCTION mlguard._past(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._past(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) IS 'Private. Past values of a series, oldest first, the last 200; those labelled as faults left out. With a start or a batch only those before it.';
CREATE FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when p_pii is not null then array(
    select o.metric
    from jsonb_object_keys(case when jsonb_typeof(p_observed) = 'object' then p_observed else '{}' end) o (metric)
    where mlguard._shows_values(array[o.metric], p_pii)) end
$$;
ALTER FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) IS 'Private. Of what was observed the metrics that show a value of a column that is personal by now.';
CREATE TABLE mlguard._retrain_policy (
    model text NOT NULL,
    training interval DEFAULT '28 days'::interval NOT NULL,
    cooldown interval DEFAULT '1 day'::interval NOT NULL,
    lease interval DEFAULT '00:10:00'::interval NOT NULL,
    attempts integer DEFAULT 3 NOT NULL,
    CONSTRAINT _retrain_policy_positive CHECK (((training > '00:00:00'::interval) AND (cooldown >= '00:00:00'::interval) AND (lease > '00:00:00'::interval) AND (attempts > 0)))
);
ALTER TABLE mlguard._retrain_policy OWNER TO postgres;
COMMENT ON TABLE mlguard._retrain_policy IS 'Private. How a model is retrained, where that was said; else the defaults.';
COMMENT ON COLUMN mlguard._retrain_policy.model IS 'The model.';
COMMENT ON COLUMN mlguard._retrain_policy.training IS 'Length of the window a training run reads, back from its start.';
COMMENT ON COLUMN mlguard._retrain_policy.cooldown IS 'How long after one request has ended no other is opened.';
COMMENT ON COLUMN mlguard._retrain_policy.lease IS 'How long a worker that says nothing keeps a claim.';
COMMENT ON COLUMN mlguard._retrain_policy.attempts IS 'How many workers may claim a request before it has failed.';
CREATE FUNCTION mlguard._policy(p_model text) RETURNS mlguard._retrain_policy
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (
    p_model, coalesce(p.training, interval '28 days'), coalesce(p.cooldown, interval '1 day'),
    coalesce(p.lease, interval '10 minutes'), coalesce(p.attempts, 3))::mlguard._retrain_policy
  from (select) one
  left join mlguard._retrain_policy p on p.model = p_model
$$;
ALTER FUNCTION mlguard._policy(p_model text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._policy(p_model text) IS 'Private. How a model is retrained.';
CREATE FUNCTION mlguard._pool_samples(p_ids bigint[]) RETURNS TABLE(column_name text, n bigint, k integer, nums double precision[], texts text[])
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _samples integer;
  _rows bigint;
  _size bigint;
begin
  select count(*), sum(s.n),
         -- No sample can give more rows than it has, or the rows of the others would count for too much.
         least(2000, sum(s.k), floor(min(s.k::numeric / s.n) * sum(s.n) + 0.000001))
  into _samples, _rows, _size
  from (
    select max(p.n) as n, max(p.k) as k
    from (
      select s.xid, s.batch, s.bucket, s.n, s.k,
             row_number() over (partition by s.xid, s.batch, s.bucket, s.column_name order by s.id) as place
      from mlguard._sample s
      where s.id = any (p_ids) and s.n > 0 and s.k > 0
    ) p
    group by p.xid, p.batch, p.bucket, p.place
  ) s;
  if _samples <= 1 then
    return query
      select s.column_name, s.n, s.k, s.nums, s.texts from mlguard._sample s where s.id = any (p_ids) order by s.id;
    return;
  end if;
  return query
    with line as materialized (
      select s.id, s.xid, s.batch, s.bucket, s.column_name, s.n, s.k,
             row_number() over (partition by s.xid, s.batch, s.bucket, s.column_name order by s.id) as place
      from mlguard._sample s
      where s.id = any (p_ids) and s.n > 0 and s.k > 0
    ), sample as materialized (
      select g.*, row_number() over (order by g.first) as no, sum(g.n) over (order by g.first) as upto
      from (
        select l.xid, l.batch, l.bucket, l.place, min(l.id) as first, max(l.n) as n, max(l.k) as k
        from line l
        group by l.xid, l.batch, l.bucket, l.place
      ) g
    ), pick as materialized (
      -- Each gives in proportion to the rows it stands for: evenly spaced points on all rows laid end to end.
      select s.no, 1 + floor((j.place + 0.5) * s.k / quota.rows)::integer as place
      from sample s
      cross join lateral (
        select least(s.k, floor(s.upto * _size / _rows + 0.5) - floor((s.upto - s.n) * _size / _rows + 0.5))::integer
          as rows
      ) quota
      cross join lateral generate_series(0, quota.rows - 1) j (place)
    ), value as (
      select c.column_name, s.no, v.place, v.num, v.text
      from line l
      join mlguard._sample c on c.id = l.id
      join sample s
        on s.xid = l.xid and s.place = l.place and s.batch is not distinct from l.batch
        and s.bucket is not distinct from l.bucket
      cross join lateral unnest(c.nums, c.texts) with ordinality v (num, text, place)
    )
    select c.column_name, _rows, (select count(*)::integer from pick),
           case when bool_or(c.numbers) then array_agg(v.num order by p.no, p.place) end,
           case when bool_or(c.words) then array_agg(v.text order by p.no, p.place) end
    from (
      select s.column_name, min(s.id) as first, bool_or(s.nums is not null) as numbers,
             bool_or(s.texts is not null) as words
      from mlguard._sample s
      where s.id = any (p_ids)
      group by s.column_name
    ) c
    cross join pick p
    left join value v on v.column_name = c.column_name and v.no = p.no and v.place = p.place
    group by c.column_name, c.first
    order by c.first;
end
$$;
ALTER FUNCTION mlguard._pool_samples(p_ids bigint[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._pool_samples(p_ids bigint[]) IS 'Private. One sample, of at most 2000 rows, from several: each counts by the rows it stands for, positions agree between columns.';
CREATE FUNCTION mlguard._pooled(p_segments jsonb[], p_states jsonb[], p_by text[], p_alone jsonb[], p_most integer) RETURNS TABLE(segment jsonb, states jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with mine as materialized (
    select s.segment, s.states,
           row_number() over (order by (s.states ->> 'n')::numeric desc nulls last, s.segment) as place
    from unnest(p_segments, p_states) s (segment, states)
    where (select coalesce(array_agg(k.name order by k.name collate "C"), '{}') from jsonb_object_keys(s.segment) k (name))
          = array(select b.name from unnest(p_by) b (name) order by b.name collate "C")
  )
  select m.segment, m.states
  from mine m
  where case when p_alone is null then m.place <= p_most else m.segment = any (p_alone) end
  union all
  select '{"*": "other"}', mlguard.merge_v1(m.states)
  from mine m
  where not case when p_alone is null then m.place <= p_most else m.segment = any (p_alone) end
  having count(*) > 0
  union all
  select a.segment, '{"n": 0}'
  from unnest(p_alone) a (segment)
  where not exists (select from mine m where m.segment = a.segment)
$$;
ALTER FUNCTION mlguard._pooled(p_segments jsonb[], p_states jsonb[], p_by text[], p_alone jsonb[], p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._pooled(p_segments jsonb[], p_states jsonb[], p_by text[], p_alone jsonb[], p_most integer) IS 'Private. The segments of an SLO: those judged alone (absent ones with no rows), all others as one. p_alone: which these are; null: the p_most largest.';
CREATE FUNCTION mlguard._precedence(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) RETURNS double precision[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array[
    case
      when p_verdict.outcome = 'ERROR' then 3
      when p_verdict.over = 'schema' then 0
      when p_verdict.over = 'read'
           or exists (select from unnest(p_verdict.metrics) m where m ~ '^(row_count|usual_rows|staleness)\(') then 1
      else 2
    end,
    - case
      when jsonb_typeof(p_verdict.detail -> 'score') = 'number' then (p_verdict.detail ->> 'score')::double precision
      else 0
    end,
    - coalesce(mlguard._severity_rank(p_slo.severity), 2),
    - case
      when jsonb_typeof(p_table.importance -> p_slo.column_name) = 'number' then
        (p_table.importance ->> p_slo.column_name)::double precision
      else 0
    end,
    -- How far beyond the number of «allowed >= 0.75», as a share of it.
    - coalesce(abs(p_verdict.vals[1] - l.bound) / greatest(abs(l.bound), 1e-9), 0),
    p_verdict.id]
  from (
    select m[1]::double precision / case m[2] when '%' then 100 else 1 end as bound
    from regexp_match(p_verdict.allowed, '[<>=]\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)(%?)') m) l
$$;
ALTER FUNCTION mlguard._precedence(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._precedence(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) IS 'Private. Arrays that compare smaller for likelier causes; see the column _incident.precedence.';
CREATE FUNCTION mlguard._precision(p_slo text) RETURNS TABLE(judged bigint, true_alarms bigint, "precision" double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select count(*), count(*) filter (where i.label <> 'false'),
         count(*) filter (where i.label <> 'false')::double precision / nullif(count(*), 0)
  from mlguard._incident i
  where i.slo = p_slo and i.label is not null
$$;
ALTER FUNCTION mlguard._precision(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._precision(p_slo text) IS 'Private. Of the incidents of an SLO that a person judged, how many were real (true or expected), and their share.';
CREATE FUNCTION mlguard._previous(p_model text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with recursive before (version, state, rolled_back_at, came_after, path) as (
    select v.version, v.state, v.rolled_back_at, v.came_after, array[v.version]
    from mlguard._model_version v
    where v.model = p_model and v.state = 'champion'
    union all
    select v.version, v.state, v.rolled_back_at, v.came_after, b.path || v.version
    from before b
    join mlguard._model_version v on v.model = p_model and v.version = b.came_after
    where v.version <> all (b.path)
  )
  select b.version
  from before b
  where b.state in ('approved', 'challenger') and b.rolled_back_at is null
  order by cardinality(b.path)
  limit 1
$$;
ALTER FUNCTION mlguard._previous(p_model text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._previous(p_model text) IS 'Private. The version a rollback leads to: the champion before this one that is still approved and was not rolled back itself; null where there is none.';
CREATE FUNCTION mlguard._previous(p_baseline mlguard._baseline, p_c jsonb, p_segment jsonb, p_key text, p_bins boolean) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _at timestamptz := coalesce(
    (p_c ->> 'start')::timestamptz,
    (select b.opened_at from mlguard._batch b where b.id = (p_c ->> 'batch')::bigint),
    statement_timestamp());
  _from timestamptz;
  _left_out tstzmultirange;
begin
  select (_at at time zone t.time_zone - substr(p_baseline.source, length('previous ') + 1)::interval)
         at time zone t.time_zone
  into _from
  from mlguard._table t
  where t.tbl = p_baseline.tbl;
  _left_out := mlguard._left_out(p_baseline.tbl, _from, _at);
  return (
    select mlguard.merge_v1(jsonb_build_object(p_key, b.states -> p_key)) -> p_key
    from mlguard._bucket b
    where b.tbl = p_baseline.tbl and b.bucket >= _from and b.bucket < _at and b.segment = p_segment
      and b.states ? p_key and not _left_out @> b.bucket
      and (not p_bins
           or (b.states -> p_key ->> 'v')::integer = p_baseline.version and not (b.states -> p_key) ? 'partial'));
end
$$;
ALTER FUNCTION mlguard._previous(p_baseline mlguard._baseline, p_c jsonb, p_segment jsonb, p_key text, p_bins boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._previous(p_baseline mlguard._baseline, p_c jsonb, p_segment jsonb, p_key text, p_bins boolean) IS 'Private. The merged state of the buckets before a batch or window, where these are the baseline; null: there is none.';
CREATE FUNCTION mlguard._prune_events(p_as_of timestamp with time zone, p_some integer) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _first bigint;
  _upto bigint;
  _n bigint;
begin
  if not exists (select from mlguard._retention r where r.what = 'event') then
    return;
  end if;
  -- Only who seals cuts: the lock is that of the chain.
  if current_setting('transaction_isolation') <> 'read committed'
     or not mlguard._take_turn('audit chain') then
    return;
  end if;
  select coalesce(max(c.no), 0) into _first from mlguard._event_checkpoint c;
  -- The first event that stays ends what goes, so that nothing within the chain is missing.
  select max(c.no) into _upto
  from (
    select s.no,
           bool_and(coalesce(e.at < p_as_of - r.keep, false) or coalesce(s.no <= l.last - r.most, false))
             over (order by s.no) as goes
    from mlguard._retention r
    cross join (select max(x.no) as last from mlguard._event_seal x) l
    join mlguard._event_seal s on s.no > _first and s.no <= _first + p_some and s.no < l.last
    join mlguard._event e on e.id = s.event
    where r.what = 'event'
  ) c
  where c.goes;
  if _upto is null then
    return query select 'events pruned', 0::bigint;
    return;
  end if;
  insert into mlguard._event_checkpoint (no, hash, last_at, events)
  select s.no, s.hash, e.at, _upto - _first
  from mlguard._event_seal s
  join mlguard._event e on e.id = s.event
  where s.no = _upto;
  perform mlguard._record(
    'prune', 'audit', jsonb_build_object('from', _first + 1, 'to', _upto),
    jsonb_build_object('checkpoint', c.no, 'hash', encode(c.hash, 'hex')), 'retention of events')
  from mlguard._event_checkpoint c
  where c.no = _upto;
  delete from mlguard._event e using mlguard._event_seal s where s.event = e.id and s.no <= _upto;
  get diagnostics _n = row_count;
  delete from mlguard._event_seal s where s.no <= _upto;
  return query select 'events pruned', _n;
end
$$;
ALTER FUNCTION mlguard._prune_events(p_as_of timestamp with time zone, p_some integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._prune_events(p_as_of timestamp with time zone, p_some integer) IS 'Private. Cuts the chain of events behind those past their retention, some at a time; the last seal always stays.';
CREATE FUNCTION mlguard._prune_judgements(p_as_of timestamp with time zone, p_some integer) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _limit record;
  _n bigint;
begin
  -- What is learned, and trailing(), look back on 500 windows or batches at most.
  select o.* into _limit
  from mlguard._oldest_kept('verdict', p_as_of, (
    select v.id from mlguard._verdict v order by v.id desc
    offset (select r.most from mlguard._retention r where r.what = 'verdict') limit 1)) o;
  if found then
    with needed as materialized (
      select i.first_verdict as id from mlguard._incident i
      union select i.last_verdict from mlguard._incident i
      union select e.verdict from mlguard._incident_event e
      union select h.verdict from mlguard._hold h where h.ended_at is null
    ), old as (
      select v.id
      from mlguard._verdict v
      where (v.at < _limit.before or v.id <= _limit.upto)
        and not exists (select from needed n where n.id = v.id)
        and (not v.current
             or (select count(*)
                 from (
                   select from mlguard._verdict l
                   where l.slo = v.slo and l.id > v.id and l.segment = v.segment
                   limit 500
                 ) later) = 500)
      order by v.id
      limit p_some
    )
    delete from mlguard._verdict v using old where v.id = old.id;
    get diagnostics _n = row_count;
    return query select 'verdicts pruned', _n;
  end if;
  select o.* into _limit
  from mlguard._oldest_kept('metric', p_as_of, (
    select m.id from mlguard._metric m order by m.id desc
    offset (select r.most from mlguard._retention r where r.what = 'metric') limit 1)) o;
  if found then
    with old as (
      select m.id
      from mlguard._metric m
      where (m.at < _limit.before or m.id <= _limit.upto)
        and (not m.current
             or (select count(*)
                 from (
                   select from mlguard._metric l
                   where l.tbl = m.tbl and l.over = m.over and l.metric = m.metric and l.segment = m.segment
                     and l.current and (l.window_start > m.window_start or l.batch > m.batch)
                   limit 500
                 ) later) = 500)
      order by m.id
      limit p_some
    )
    delete from mlguard._metric m using old where m.id = old.id;
    get diagnostics _n = row_count;
    return query select 'metrics pruned', _n;
  end if;
end
$$;
ALTER FUNCTION mlguard._prune_judgements(p_as_of timestamp with time zone, p_some integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._prune_judgements(p_as_of timestamp with time zone, p_some integer) IS 'Private. Deletes verdicts and metrics past their retention, some at a time: never the last 500 of an SLO or metric and segment, nor what an incident or open hold names.';
CREATE FUNCTION mlguard._prune_records(p_as_of timestamp with time zone, p_some integer) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _limit record;
  _n bigint;
begin
  select o.* into _limit
  from mlguard._oldest_kept('violation', p_as_of, (
    select v.id from mlguard._violation v order by v.id desc
    offset (select r.most from mlguard._retention r where r.what = 'violation') limit 1)) o;
  if found then
    delete from mlguard._violation v
    where v.id in (
      select w.id from mlguard._violation w where w.at < _limit.before or w.id <= _limit.upto order by w.id limit p_some);
    get diagnostics _n = row_count;
    return query select 'violations pruned', _n;
  end if;
  select o.* into _limit
  from mlguard._oldest_kept('change', p_as_of, (
    select c.id from mlguard._change c order by c.id desc
    offset (select r.most from mlguard._retention r where r.what = 'change') limit 1)) o;
  if found then
    delete from mlguard._change c
    where c.id in (
      select d.id from mlguard._change d
      where not d.pending and (d.at < _limit.before or d.id <= _limit.upto)
      order by d.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'changes pruned', _n;
  end if;
  -- Verdicts and metrics keep the number of a batch that has gone.
  select o.* into _limit
  from mlguard._oldest_kept('batch', p_as_of, (
    select b.id from mlguard._batch b order by b.id desc
    offset (select r.most from mlguard._retention r where r.what = 'batch') limit 1)) o;
  if found then
    delete from mlguard._batch b
    where b.id in (
      select a.id
      from mlguard._batch a
      where a.closed_at is not null and (a.closed_at < _limit.before or a.id <= _limit.upto)
        and (a.name is null or a.retired)
        and not exists (select from mlguard._batch p where p.part_of = a.id)
        and not exists (select from mlguard._delta d where d.batch = a.id)
        and not exists (select from mlguard._state s where s.batch = a.id)
        and not exists (select from mlguard._sample s where s.tbl = a.tbl and s.batch = a.id)
        and not exists (select from mlguard._quarantine q where q.batch = a.id and q.status = 'waiting')
        and not exists (select from mlguard._hold h where h.tbl = a.tbl and h.ended_at is null and h.batch = a.id)
      order by a.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'batches pruned', _n;
  end if;
  select o.* into _limit
  from mlguard._oldest_kept('incident', p_as_of, (
    select i.id from mlguard._incident i order by i.id desc
    offset (select r.most from mlguard._retention r where r.what = 'incident') limit 1)) o;
  if found then
    delete from mlguard._incident i
    where i.id in (
      select a.id
      from mlguard._incident a
      where a.state = 'resolved' and (a.resolved_at < _limit.before or a.id <= _limit.upto)
        and not exists (select from mlguard._incident c where c.cause = a.id)
        and not exists (select from mlguard._outbox o where o.incident = a.id and o.delivered_at is null)
      order by a.id
      limit p_some);
    get diagnostics _n = row_count;
    return query select 'incidents pruned', _n;
  end if;
end
$$;
ALTER FUNCTION mlguard._prune_records(p_as_of timestamp with time zone, p_some integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._prune_records(p_as_of timestamp with time zone, p_some integer) IS 'Private. Deletes violations, changes, batches and resolved incidents past their retention, some at a time; a batch that states, waiting rows or an open hold name stays, and so does an incident that is the cause of another.';
CREATE FUNCTION mlguard._psi(p_here double precision[], p_baseline double precision[]) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Half a value of the smaller side is added to every share of both: an empty bin has a logarithm then, and one that
  -- is as rare here as there counts for nothing however unequal the sides are.
  with sides as (
    select sum(b.here) as n, sum(b.there) as m, 0.5 / least(sum(b.here), sum(b.there)) as half, count(*) as bins
    from unnest(p_here, p_baseline) b (here, there)
  ), shares as (
    select (b.here / s.n + s.half) / (1 + s.half * s.bins) as p, (b.there / s.m + s.half) / (1 + s.half * s.bins) as q
    from unnest(p_here, p_baseline) b (here, there), sides s
  )
  select sum((h.p - h.q) * ln(h.p / h.q)) from shares h
$$;
ALTER FUNCTION mlguard._psi(p_here double precision[], p_baseline double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._psi(p_here double precision[], p_baseline double precision[]) IS 'Private. Population stability index: sum of (p - q) ln(p / q). Siddiqi, Credit Risk Scorecards (2006), chapter 10.';
CREATE FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._ranks(p_state jsonb, OUT vals double precision[], OUT ranks double precision[]) RETURNS record
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if not p_state ? 'w' then
    -- All values: the positions of percentile_cont.
    select array_agg(v.value::float8 order by v.place),
           array_agg((v.place - 1) / greatest(v.points - 1, 1)::float8 order by v.place)
    into vals, ranks
    from (
      select e.value, e.place, count(*) over () as points
      from jsonb_array_elements_text(p_state -> 'v') with ordinality e (value, place)
    ) v;
  else
    -- A point stands for the rows around it; the first and the last are the ends.
    select array_agg(c.value order by c.place),
           array_agg(coalesce((c.middle - c.first) / nullif(c.last - c.first, 0), 0) order by c.place)
    into vals, ranks
    from (
      select m.value, m.place, m.middle, min(m.middle) over () as first, max(m.middle) over () as last
      from (
        select v.value::float8 as value, v.place,
               sum(w.weight::float8) over (order by v.place) - w.weight::float8 / 2 as middle
        from jsonb_array_elements_text(p_state -> 'v') with ordinality v (value, place)
        join jsonb_array_elements_text(p_state -> 'w') with ordinality w (weight, place) using (place)
      ) m
    ) c;
  end if;
end
$$;
ALTER FUNCTION mlguard._ranks(p_state jsonb, OUT vals double precision[], OUT ranks double precision[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._ranks(p_state jsonb, OUT vals double precision[], OUT ranks double precision[]) IS 'Private. Points of a quantile state with their ranks, 0 to 1, both ascending.';
CREATE FUNCTION mlguard._readers_words(p_tbl text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with reader as (
    select c.name, null::text as through
    from mlguard._table t, unnest(t.consumers) c (name)
    where t.tbl = p_tbl
    union
    select c.name, t.tbl
    from mlguard._table t, unnest(t.consumers) c (name)
    where exists (select from mlguard._upstream(t.tbl) u where u.tbl = p_tbl)
  ), line as (
    select r.through, count(*) as n, string_agg(r.name, ', ' order by r.name) as names,
           row_number() over (order by r.through nulls first) as place
    from reader r
    group by r.through
  )
  select coalesce(
    string_agg(
      format('%s %s %s: %s', l.n, case when l.n = 1 then 'task reads' else 'tasks read' end,
             coalesce(l.through || ', made from it', p_tbl), l.names),
      '; ' order by l.place) filter (where l.place <= 5)
    || case when max(l.place) > 5 then format('; and readers of %s more tables made from it', max(l.place) - 5) else '' end,
    'no task is named as its reader')
  from line l
$$;
ALTER FUNCTION mlguard._readers_words(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._readers_words(p_tbl text) IS 'Private. How many tasks read a table, and which.';
CREATE FUNCTION mlguard._reasons(p_tbl text) RETURNS TABLE(slo text, state text, since timestamp with time zone, batch bigint, observed jsonb, words text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
  union all
  select a.slo, 'late', a.due, null, to_jsonb(a.words), format('is late: %s (%s)', a.words, split_part(a.slo, '/', 2))
  from mlguard.arrivals_v1(p_tbl, statement_timestamp()) a
  where a.holds and not a.arrived and not mlguard.waived_v1(a.slo)
  union all
  select v.slo, 'thin', null, null, to_jsonb(v.n),
         format('has %s (%s), wanted at least %s (%s)', v.words, v.event_time, v.wanted, split_part(v.slo, '/', 2))
  from mlguard._volumes(p_tbl, statement_timestamp()) v
  where v.holds and v.n < v.wanted and not mlguard.waived_v1(v.slo)
$$;
ALTER FUNCTION mlguard._reasons(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._reasons(p_tbl text) IS 'Private. Why the gate of a table is closed, one row per hold, and per SLO that readers judge.';
CREATE FUNCTION mlguard._recipients(p_incident bigint) RETURNS text[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(array_agg(distinct p.name order by p.name), '{}')
  from mlguard._incident i
  left join mlguard._slo s on s.id = i.slo
  left join mlguard._table t on t.tbl = i.tbl
  cross join unnest(array[nullif(coalesce(nullif(s.owner, ''), t.owner), '')] || coalesce(t.consumers, '{}')) p (name)
  where (i.id = p_incident or (i.cause = p_incident and i.state <> 'resolved')) and p.name is not null
$$;
ALTER FUNCTION mlguard._recipients(p_incident bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._recipients(p_incident bigint) IS 'Private. Owners and consumers of the tables of an incident and of what it is the cause of.';
CREATE FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._event (act, target, before, after, reason)
  values (p_act, p_target, p_before, p_after, p_reason)
$$;
ALTER FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) IS 'Private. Writes one event.';
CREATE FUNCTION mlguard._record_assertion(p_slo text, p_lock mlguard._assertion_lock, p_outcome text, p_n bigint, p_samples jsonb, p_words text, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo mlguard._slo;
  _before mlguard._verdict;
  _verdict bigint;
  _new boolean;
begin
  select s.* into strict _slo from mlguard._slo s where s.id = p_slo;
  select v.* into _before from mlguard._verdict v where v.id = p_lock.verdict;
  _verdict := _before.id;
  -- A violation that stands is one, however many transactions commit beside it.
  _new := (_before.outcome, _before.observed, _before.reason) is distinct from (p_outcome, p_words, p_reason);
  if _new then
    update mlguard._verdict v set current = false where v.id = _before.id;
    insert into mlguard._verdict (slo, tbl, over, version, outcome, n, observed, allowed, reason, detail)
    values (p_slo, _slo.tbl, 'assertion', coalesce(_before.version, 0) + 1, p_outcome, p_n, p_words, _slo.allowed,
            p_reason, jsonb_build_object('rows', p_n, 'sample', p_samples))
    returning id into _verdict;
    update mlguard._assertion_lock l set outcome = p_outcome, verdict = _verdict where l.slo = p_slo;
  end if;
  if p_outcome = 'FAIL' and _slo.action = 'hold'
     and not exists (select from mlguard._hold h where h.slo = p_slo and h.ended_at is null) then
    insert into mlguard._hold (tbl, slo, observed, allowed, verdict)
    values (_slo.tbl, p_slo, p_words, _slo.allowed, _verdict);
  elsif p_outcome = 'PASS' then
    perform mlguard._end_holds(p_slo, 'the assertion returns no rows any more');
  end if;
  if _new and p_outcome in ('FAIL', 'NOTED') then
    insert into mlguard._violation (slo, tbl, observed, allowed, bad, key, outcome, reason)
    values (p_slo, _slo.tbl, jsonb_build_object('rows', p_n), _slo.allowed, p_n,
            nullif(mlguard._assertion_key(p_samples -> 0, _slo.tbl), '{}'), p_outcome, p_reason);
  end if;
  if _new and to_regprocedure('mlguard._incident_of(bigint)') is not null then
    perform mlguard._incident_of(_verdict);
  end if;
end
$$;
ALTER FUNCTION mlguard._record_assertion(p_slo text, p_lock mlguard._assertion_lock, p_outcome text, p_n bigint, p_samples jsonb, p_words text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._record_assertion(p_slo text, p_lock mlguard._assertion_lock, p_outcome text, p_n bigint, p_samples jsonb, p_words text, p_reason text) IS 'Private. Writes the verdict of an assertion where it is another than the last, opens or ends its hold.';
CREATE FUNCTION mlguard._record_model(p_act text, p_model text, p_version text, p_before jsonb, p_after jsonb, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._record(p_act, format('%s version %s', p_model, p_version), p_before,
                         jsonb_build_object('model', p_model, 'version', p_version) || p_after, p_reason)
$$;
ALTER FUNCTION mlguard._record_model(p_act text, p_model text, p_version text, p_before jsonb, p_after jsonb, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._record_model(p_act text, p_model text, p_version text, p_before jsonb, p_after jsonb, p_reason text) IS 'Private. Writes an act on a version of a model into the events.';
CREATE FUNCTION mlguard._record_retrain(p_act text, p_request mlguard._retrain_request, p_reason text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._record(
    p_act, 'model ' || p_request.model, null,
    jsonb_strip_nulls(jsonb_build_object(
      'request', p_request.id, 'state', p_request.state, 'slo', p_request.slo, 'incidents', to_jsonb(p_request.incidents),
      'vetoes', nullif(p_request.vetoes, '[]'), 'ticket', p_request.ticket, 'version', p_request.version,
      'attempts', p_request.attempts)),
    p_reason)
$$;
ALTER FUNCTION mlguard._record_retrain(p_act text, p_request mlguard._retrain_request, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._record_retrain(p_act text, p_request mlguard._retrain_request, p_reason text) IS 'Private. Writes the event of a request.';
CREATE FUNCTION mlguard._recount(p_tbl text, p_recount text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _at timestamptz := mlguard._tick(p_tbl);
  _n bigint;
begin
  -- One statement, one snapshot: rows that were counted are exactly those whose states are dropped.
  execute format($statement$
    with counted as materialized (
      select c.bucket, c.segment, c.n, c.states
      from %s($2, $3) c
      where isfinite(c.bucket) and c.bucket >= coalesce($2, '-infinity') and c.bucket < coalesce($3, 'infinity')
    ), held as materialized (
      select k.batch from mlguard._kept_batches($1) k (batch)
    ), told as (
      delete from mlguard._state s
      where s.tbl = $1
        and (($2 is null and $3 is null) or (s.bucket >= $2 and s.bucket < $3))
        and not exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.bucket, s.sign, s.op, s.folded
    ), kept as (
      update mlguard._state s
      set folded = true
      where s.tbl = $1 and not s.folded
        and (($2 is null and $3 is null) or (s.bucket >= $2 and s.bucket < $3))
        and exists (select from held h where h.batch in (s.batch, s.corrects))
      returning s.bucket, s.sign, s.op
    ), single as (
      delete from mlguard._single l
      where l.tbl = $1 and (($2 is null and $3 is null) or (l.bucket >= $2 and l.bucket < $3))
      returning l.bucket
    ), news as materialized (
      select u.bucket, bool_or(u.sign > 0) as grew, bool_or(u.op = 'TRUNCATE') as emptied
      from (
        select t.bucket, t.sign, t.op from told t where not t.folded
        union all
        select distinct l.bucket, 1::smallint, 'INSERT' from single l
        union all
        select k.bucket, k.sign, k.op from kept k
      ) u
      group by u.bucket
    ), gone as materialized (
      select b.bucket, b.segment,
             exists (select from news w where w.bucket = b.bucket or w.emptied) as is_news
      from mlguard._bucket b
      where b.tbl = $1 and b.bucket >= coalesce($2, '-infinity') and b.bucket < coalesce($3, 'infinity')
        and not exists (select from counted c where c.bucket = b.bucket and c.segment = b.segment)
    ), forgotten as (
      delete from mlguard._bucket b
      using gone g
      where b.tbl = $1 and b.bucket = g.bucket and b.segment = g.segment and not g.is_news
    ), left_empty as (
      update mlguard._bucket b
      set n = 0, states = '{"n": 0}', shrunk_at = $4
      from gone g
      where b.tbl = $1 and b.bucket = g.bucket and b.segment = g.segment and g.is_news and b.n <> 0
    )
    insert into mlguard._bucket as b (tbl, bucket, segment, n, states, changed_at, shrunk_at)
    select $1, c.bucket, c.segment, c.n, c.states, case when w.grew then $4 else '-infinity' end,
           case when not w.grew then $4 end
    from counted c
    left join news w on w.bucket = c.bucket
    on conflict (tbl, bucket, segment) do update
    set n = excluded.n, states = excluded.states, changed_at = greatest(b.changed_at, excluded.changed_at),
        shrunk_at = greatest(b.shrunk_at, excluded.shrunk_at)
    $statement$, p_recount)
  using p_tbl, p_from, p_to, _at;
  get diagnostics _n = row_count;
  return _n;
end
$_$;
ALTER FUNCTION mlguard._recount(p_tbl text, p_recount text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._recount(p_tbl text, p_recount text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. Replaces buckets by a recount of the stored rows. Windows are judged anew only for rows whose states were not folded yet.';
CREATE FUNCTION mlguard._recount_now(p_table mlguard._table) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _most constant integer := 200;
  _ids bigint[] := array(select d.id from mlguard._recount_due d where d.tbl = p_table.tbl);
  _part record;
  _at timestamptz;
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
    _at := mlguard._tick(p_table.tbl);
    if _part.shrunk then
      -- As where rows are deleted: a bucket of which nothing is left says so.
      insert into mlguard._bucket (tbl, bucket, segment, n, states, changed_at)
      select p_table.tbl, g.bucket, g.segment, 0, '{"n": 0}', '-infinity'
      from unnest(_buckets, _segments) g (bucket, segment)
      on conflict (tbl, bucket, segment) do nothing;
      update mlguard._bucket b
      set shrunk_at = _at
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    else
      -- What was judged of them may have been wrong.
      update mlguard._bucket b
      set changed_at = _at
      where b.tbl = p_table.tbl and b.bucket >= coalesce(_part.first, '-infinity')
        and b.bucket < coalesce(_part.last, 'infinity');
    end if;
  end loop;
  delete from mlguard._recount_due d where d.tbl = p_table.tbl and d.id = any (_ids);
  return _n;
end
$$;
ALTER FUNCTION mlguard._recount_now(p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._recount_now(p_table mlguard._table) IS 'Private. Counts the buckets that are due anew and has their windows judged again; the caller has the lock of the table.';
CREATE FUNCTION mlguard._refresh_bands(p_tbl text, p_over text, p_rescale boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _one record;
  _b mlguard._band;
  _zone text := (select t.time_zone from mlguard._table t where t.tbl = p_tbl);
  -- What came since is read in one go for all bands, by number.
  _upto bigint := (
    select min(b.upto)
    from mlguard._band b
    where b.tbl = p_tbl and b.over = p_over and b.segment = '{}' and b.upto > 0);
begin
  for _one in
    with labelled as materialized (
      select m.metric, count(*) as n
      from mlguard._metric m
      where m.tbl = p_tbl and m.over = p_over and m.segment = '{}' and m.current and m.excluded
      group by m.metric
    ), fresh as materialized (
      select m.metric, max(m.id) as upto,
             array_agg(m.value order by m.window_start nulls first, m.batch nulls first) as vals,
             array_agg(m.n order by m.window_start nulls first, m.batch nulls first) as rows,
             array_agg(coalesce(m.window_start, m.at) order by m.window_start nulls first, m.batch nulls first) as ats
      from mlguard._metric m
      join mlguard._band b
        on b.tbl = m.tbl and b.over = m.over and b.segment = m.segment and b.metric = m.metric and b.upto < m.id
      where m.id > _upto and m.tbl = p_tbl and m.over = p_over and m.segment = '{}' and m.current and not m.excluded
      group by m.metric
    )
    select r.metric, b as band, coalesce(l.n, 0) as left_out, f.upto, f.vals, f.rows,
           mlguard._slots(p_over, _zone, f.ats) as slots,
           b.metric is null or b.upto = 0 or (p_rescale and b.class = 'location') or b.left_out <> coalesce(l.n, 0) as anew
    from mlguard._series r
    left join mlguard._band b on b.tbl = r.tbl and b.over = r.over and b.segment = '{}' and b.metric = r.metric
    left join labelled l on l.metric = r.metric
    left join fresh f on f.metric = r.metric
    where r.tbl = p_tbl and r.over = p_over
  loop
    if _one.anew then
      _b := mlguard._learned(p_tbl, p_over, '{}', _one.metric);
      continue when _b.metric is null;
      _b.left_out := _one.left_out;
    else
      continue when _one.upto is null;
      _b := mlguard._taken_in(_one.band, _one.vals, _one.rows, _one.slots);
      _b := mlguard._finished(_b);
      _b.upto := _one.upto;
      _b.learned_at := clock_timestamp();
    end if;
    delete from mlguard._band b
    where b.tbl = p_tbl and b.over = p_over and b.segment = '{}' and b.metric = _one.metric;
    insert into mlguard._band select _b.*;
  end loop;
end
$$;
ALTER FUNCTION mlguard._refresh_bands(p_tbl text, p_over text, p_rescale boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refresh_bands(p_tbl text, p_over text, p_rescale boolean) IS 'Private. Takes the values that came since into the bands of a table; p_rescale: locations are learned anew.';
CREATE FUNCTION mlguard._refresh_reference(p_tbl text, p_over text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  delete from mlguard._reference r where r.tbl = p_tbl and r.over = p_over;
  with recent as (
    select c.id
    from mlguard._learned_scope c
    where c.tbl = p_tbl and c.over = p_over and c.observed and not c.excluded
    order by c.window_start desc nulls last, c.batch desc nulls last
    limit 30
  ), pooled as (
    select p.* from mlguard._profile p join recent c on c.id = p.scope
  ), wide as (
    select p.column_name, sum(p.m) as m from pooled p group by p.column_name having count(*) >= 3
  ), sketch as (
    select p.column_name, array_agg(u.x order by u.x) as xs, count(*) as l
    from pooled p
    cross join lateral unnest(p.sketch) u (x)
    group by p.column_name
    having count(*) >= 20
  ), quantile as (
    select s.column_name, s.xs, s.l, s.xs[1 + (s.l - 1) / 20] as p05, s.xs[1 + 19 * (s.l - 1) / 20] as p95,
           (select array_agg(distinct s.xs[1 + g.j * (s.l - 1) / 20]) from generate_series(1, 19) g (j)) as edges
    from sketch s
  ), heavy as (
    select v.column_name, array_agg(v.x) as nums, array_agg(v.c / greatest(w.m, 1)::double precision) as shares
    from (
      select p.column_name, u.x, sum(u.c) as c
      from pooled p
      cross join lateral unnest(p.nums, p.counts) u (x, c)
      where u.c >= greatest(2, 0.004 * p.m)
      group by p.column_name, u.x
    ) v
    join wide w on w.column_name = v.column_name
    group by v.column_name
  ), word as (
    select v.column_name, array_agg(v.x) as texts, array_agg(v.c / greatest(w.m, 1)::double precision) as shares
    from (
      select p.column_name, u.x, sum(u.c) as c
      from pooled p
      cross join lateral unnest(p.texts, p.counts) u (x, c)
      where u.x is not null
      group by p.column_name, u.x
    ) v
    join wide w on w.column_name = v.column_name
    group by v.column_name
  )
  insert into mlguard._reference (tbl, over, column_name, edges, below, low, high, decimals, nums, texts, shares)
  select p_tbl, p_over, w.column_name, q.edges,
         mlguard._below(q.xs, null, q.edges),
         -- Where a twentieth of the numbers is infinite, or nearly so, none is far out.
         case when greatest(abs(q.p05), abs(q.p95)) <= 1e300 then q.p05 - 1.5 * greatest(q.p95 - q.p05, 1e-9) end,
         case when greatest(abs(q.p05), abs(q.p95)) <= 1e300 then q.p95 + 1.5 * greatest(q.p95 - q.p05, 1e-9) end,
         mlguard._decimals(q.xs),
         h.nums, t.texts, coalesce(t.shares, h.shares, '{}')
  from wide w
  left join quantile q on q.column_name = w.column_name
  left join heavy h on h.column_name = w.column_name
  left join word t on t.column_name = w.column_name
  where q.l is not null or t.texts is not null;
$$;
ALTER FUNCTION mlguard._refresh_reference(p_tbl text, p_over text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refresh_reference(p_tbl text, p_over text) IS 'Private. Pools the last 30 observed samples of every column of a table.';
CREATE FUNCTION mlguard._refusals() RETURNS TABLE(no integer, refused bigint, last_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select s.no, coalesce(pg_sequence_last_value(counter.oid), 0),
         to_timestamp(pg_sequence_last_value(clock.oid) / 1000.0)
  from mlguard._slo s
  join pg_class counter on counter.relnamespace = 'mlguard'::regnamespace and counter.relname = 'refused_' || s.no
  join pg_class clock on clock.relnamespace = 'mlguard'::regnamespace and clock.relname = 'refused_at_' || s.no
$$;
ALTER FUNCTION mlguard._refusals() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refusals() IS 'Private. Reads the refusal counters.';
CREATE FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint, p_batch bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
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
$$;
ALTER FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint, p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint, p_batch bigint) IS 'Private. Raises 53400 where the row just kept is one more than may wait; else notes in the batch how long that holds.';
CREATE FUNCTION mlguard._refuse_baseline(p_tbl text, p_source text, p_wanted integer) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_wanted = 0 then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: no SLO of %s compares a column with a baseline', p_tbl),
      hint = 'psi(c), js(c), ks(c), linf(c), new_category_rate(c) and the short form new_categories do.';
  end if;
  raise exception using
    errcode = 'invalid_parameter_value',
    message = format('mlguard: %s hold fewer than 200 values of every column that an SLO of %s compares', p_source,
                     p_tbl),
    hint = 'A baseline of fewer values could tell little from chance; take more rows.';
end
$$;
ALTER FUNCTION mlguard._refuse_baseline(p_tbl text, p_source text, p_wanted integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_baseline(p_tbl text, p_source text, p_wanted integer) IS 'Private. Raises why no baseline can be made.';
CREATE FUNCTION mlguard._refuse_batch(p_failed mlguard._verdict[]) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _v mlguard._verdict := p_failed[1];
  _slo mlguard._slo;
begin
  select s.* into strict _slo from mlguard._slo s where s.id = _v.slo;
  perform mlguard._count_refusal(s.no)
  from mlguard._slo s
  where s.id in (select f.slo from unnest(p_failed) f);
  return mlguard._raise(
    'check_violation',
    format('mlguard: %s: %s over the %s row%s this transaction wrote%s; COMMIT refused, nothing was stored',
           _v.slo, coalesce(_v.observed, _v.reason), _v.n, case when _v.n = 1 then '' else 's' end,
           coalesce(', ' || _v.allowed, '')),
    _v.slo,
    mlguard._detail(
      _v.slo,
      (select jsonb_object_agg(m.metric, m.value) from unnest(_v.metrics, _v.vals) m (metric, value)),
      null, null,
      jsonb_build_object(
        'batch', _v.batch, 'rows', _v.n, 'segment', _v.segment, 'reason', _v.reason,
        'also', (select coalesce(jsonb_agg(jsonb_build_object(
                          'slo', f.slo, 'segment', f.segment, 'observed', f.observed, 'allowed', f.allowed)
                          order by p.place), '[]')
                 from generate_subscripts(p_failed, 1) p (place)
                 cross join lateral (select (p_failed[p.place]).*) f
                 where p.place > 1))),
    mlguard._hint(null, _slo.owner, _slo.runbook, 'Correct the load and send it again.'));
end
$$;
ALTER FUNCTION mlguard._refuse_batch(p_failed mlguard._verdict[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_batch(p_failed mlguard._verdict[]) IS 'Private. Counts the refusals and raises 23514 at COMMIT for the first SLO that failed; names the others in DETAIL.';
CREATE FUNCTION mlguard._refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception 'mlguard: events are append-only; % refused', tg_op
    using errcode = 'insufficient_privilege',
          hint = 'An event that was wrong is corrected by a later one.';
end
$$;
ALTER FUNCTION mlguard._refuse_rewriting() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_rewriting() IS 'Private. Keeps mlguard._event append-only, for its owner too.';
CREATE FUNCTION mlguard._refuse_unsealed_deletion() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _upto bigint := coalesce((select max(c.no) from mlguard._event_checkpoint c), 0);
begin
  if tg_table_name = '_event' then
    if exists (
      select
      from gone g
      where not exists (select from mlguard._event_seal s where s.event = g.id and s.no <= _upto)) then
      raise exception 'mlguard: events are append-only; % refused', tg_op
        using errcode = 'insufficient_privilege',
              hint = 'Events that are old go by mlguard.set_retention(''event'', …).';
    end if;
  elsif exists (select from gone g where (to_jsonb(g) ->> 'no')::bigint > _upto) then
    raise exception 'mlguard: events are append-only; % refused', tg_op
      using errcode = 'insufficient_privilege',
            hint = 'Events that are old go by mlguard.set_retention(''event'', …).';
  end if;
  return null;
end
$$;
ALTER FUNCTION mlguard._refuse_unsealed_deletion() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._refuse_unsealed_deletion() IS 'Private. Lets go of events and seals up to the last checkpoint, and of no other.';
CREATE FUNCTION mlguard._remember_batch(p_tbl text, p_place tid) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _places text := coalesce(nullif(current_setting('mlguard.batches', true), ''), '|');
  _old text := split_part(split_part(_places, '|' || p_tbl || '=', 2), '|', 1);
begin
  -- |features.customer=(0,1)|features.plan=(0,2)|
  perform set_config(
    'mlguard.batches',
    format('|%s=%s', p_tbl, p_place) || replace(_places, format('|%s=%s|', p_tbl, _old), '|'), true);
end
$$;
ALTER FUNCTION mlguard._remember_batch(p_tbl text, p_place tid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._remember_batch(p_tbl text, p_place tid) IS 'Private. Notes for the transaction where the row of its batch is.';
CREATE FUNCTION mlguard._repeated_share(p_scope bigint) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select 1 - count(distinct r.line)::double precision / nullif(count(*), 0)
  from (
    select md5(string_agg(coalesce(u.text, (nullif(u.num, 'NaN') + 0)::text, chr(30)), chr(31) order by p.column_name)) as line
    from mlguard._profile p
    cross join lateral unnest(p.rows_nums, p.rows_texts) with ordinality u (num, text, i)
    where p.scope = p_scope
    group by u.i
  ) r
$$;
ALTER FUNCTION mlguard._repeated_share(p_scope bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._repeated_share(p_scope bigint) IS 'Private. Share of sampled rows equal to another in every column.';
CREATE FUNCTION mlguard._resolve_incident(p_id bigint, p_by text, p_reason text, p_auto boolean) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update mlguard._incident i
  set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = p_by, resolved_reason = p_reason, auto = p_auto
  where i.id = p_id
$$;
ALTER FUNCTION mlguard._resolve_incident(p_id bigint, p_by text, p_reason text, p_auto boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._resolve_incident(p_id bigint, p_by text, p_reason text, p_auto boolean) IS 'Private. Ends an incident.';
CREATE TABLE mlguard._review (
    id bigint NOT NULL,
    tbl text NOT NULL,
    key jsonb NOT NULL,
    row_key text NOT NULL,
    step text NOT NULL,
    step_set text NOT NULL,
    row_hash text NOT NULL,
    batch bigint NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    routed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    decided_at timestamp with time zone,
    decided_by text,
    reason text,
    given jsonb,
    CONSTRAINT _review_status CHECK ((status = ANY (ARRAY['pending'::text, 'accepted'::text, 'overridden'::text, 'rejected'::text, 'obsolete'::text])))
);
ALTER TABLE mlguard._review OWNER TO postgres;
COMMENT ON TABLE mlguard._review IS 'Private. Rows that guarded reads omit until a person decided, and what was decided.';
COMMENT ON COLUMN mlguard._review.id IS 'Number; review_accept, review_override and review_reject take it.';
COMMENT ON COLUMN mlguard._review.tbl IS 'The prediction table.';
COMMENT ON COLUMN mlguard._review.key IS 'Key of the row.';
COMMENT ON COLUMN mlguard._review.row_key IS 'The same in a spelling that no setting of a session changes.';
COMMENT ON COLUMN mlguard._review.step IS 'The step that routed it.';
COMMENT ON COLUMN mlguard._review.step_set IS 'Hash of its step set.';
COMMENT ON COLUMN mlguard._review.row_hash IS 'Hash of the row as it was routed.';
COMMENT ON COLUMN mlguard._review.batch IS 'The batch it came with.';
COMMENT ON COLUMN mlguard._review.status IS 'pending, accepted, overridden, rejected, or obsolete: predicted anew or deleted before or after the decision.';
COMMENT ON COLUMN mlguard._review.routed_at IS 'When it was routed.';
COMMENT ON COLUMN mlguard._review.decided_at IS 'When it was decided.';
COMMENT ON COLUMN mlguard._review.decided_by IS 'Who decided.';
COMMENT ON COLUMN mlguard._review.reason IS 'Why.';
COMMENT ON COLUMN mlguard._review.given IS 'Columns and values that the person gave instead.';
CREATE FUNCTION mlguard._review_closed(p_id bigint, p_row mlguard._review) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_row.id is null then 'not found'
    when p_row.status not in ('pending', 'rejected') then 'already ' || p_row.status
  end
$$;
ALTER FUNCTION mlguard._review_closed(p_id bigint, p_row mlguard._review) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._review_closed(p_id bigint, p_row mlguard._review) IS 'Private. Why nothing can be decided about a review any more; null where something can. A rejected row may be taken back.';
CREATE FUNCTION mlguard._review_decide(p_row mlguard._review, p_status text, p_reason text, p_given jsonb) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update mlguard._review r
  set status = p_status, decided_at = clock_timestamp(), decided_by = session_user, reason = p_reason, given = p_given
  where r.id = p_row.id;
  perform mlguard._record('review ' || p_status, format('review %s', p_row.id),
                          jsonb_build_object('table', p_row.tbl, 'step', p_row.step, 'status', p_row.status),
                          jsonb_build_object('status', p_status), p_reason);
end
$$;
ALTER FUNCTION mlguard._review_decide(p_row mlguard._review, p_status text, p_reason text, p_given jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._review_decide(p_row mlguard._review, p_status text, p_reason text, p_given jsonb) IS 'Private. Notes and records a decision.';
CREATE FUNCTION mlguard._review_row(p_id bigint, p_reason text) RETURNS mlguard._review
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _row mlguard._review;
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a decision about a prediction needs a reason',
      hint = format('select * from mlguard.review_accept(%s, ''checked by phone'')', p_id);
  end if;
  -- The lock makes two reviewers of one row wait here; the second then finds it decided.
  select r.* into _row from mlguard._review r where r.id = p_id for update;
  return _row;
end
$$;
ALTER FUNCTION mlguard._review_row(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._review_row(p_id bigint, p_reason text) IS 'Private. The review of this number, locked.';
CREATE FUNCTION mlguard._rows_sql(p_event_sql text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
  select case
    when p_event_sql is null then 'true'
    else format('($1 is null or %1$s >= $1) and ($2 is null or %1$s < $2) and ($3 @> %1$s) is not true', p_event_sql)
  end
$_$;
ALTER FUNCTION mlguard._rows_sql(p_event_sql text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._rows_sql(p_event_sql text) IS 'Private. The condition for rows t from $1 on, before $2 and outside the windows $3; without an event time all rows.';
CREATE FUNCTION mlguard._same_columns(p_staging regclass, p_target regclass) RETURNS TABLE(columns text, overriding text)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _wrong record;
begin
  select case
           when t.attname is null then
             format('mlguard: %s has a column %I, which %s lacks', p_staging, s.attname, p_target)
           when s.attname is null then
             format('mlguard: %s lacks column %I of %s, which has no default', p_staging, t.attname, p_target)
           else format('mlguard: column %I is %s in %s and %s in %s', t.attname,
                       format_type(s.atttypid, s.atttypmod), p_staging, format_type(t.atttypid, t.atttypmod), p_target)
         end as message,
         case
           when t.attname is null then 'Take it out of the staging table, or add it to the other.'
           when s.attname is null then 'Add it to the staging table; NULL is a value like any other.'
           else 'Cast it where the staging table is made.'
         end as hint
  into _wrong
  from (select a.* from pg_attribute a where a.attrelid = p_staging and a.attnum > 0 and not a.attisdropped) s
  full join (select a.* from pg_attribute a where a.attrelid = p_target and a.attnum > 0 and not a.attisdropped) t
    using (attname)
  where t.attname is null
     or (s.attname is null and not t.atthasdef and t.attidentity = '')
     or (s.atttypid <> t.atttypid and t.attgenerated = '')
  order by coalesce(t.attnum, 10000 + s.attnum)
  limit 1;
  if found then
    raise exception using errcode = 'datatype_mismatch', message = _wrong.message, hint = _wrong.hint;
  end if;
  return query
    select string_agg(quote_ident(t.attname), ', ' order by t.attnum),
           case when bool_or(t.attidentity = 'a') then ' overriding system value' else '' end
    from pg_attribute t
    join pg_attribute s on s.attrelid = p_staging and s.attname = t.attname and s.attnum > 0 and not s.attisdropped
    where t.attrelid = p_target and t.attnum > 0 and not t.attisdropped and t.attgenerated = '';
end
$$;
ALTER FUNCTION mlguard._same_columns(p_staging regclass, p_target regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._same_columns(p_staging regclass, p_target regclass) IS 'Private. The columns to move from a staging table, in words of SQL; raises where the two tables differ.';
CREATE FUNCTION mlguard._same_series(p_scope bigint, p_before bigint) RETURNS TABLE(column_name text, value double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  -- Row by row against the scope before: a load that delivers yesterday's values again shows here first.
  with place as (
    select h.i as here, b.i as there
    from mlguard._learned_scope c
    join mlguard._learned_scope d on d.id = p_before
    cross join lateral unnest(c.positions) with ordinality h (at, i)
    join lateral unnest(d.positions) with ordinality b (at, i) on b.at = h.at
    where c.id = p_scope
  )
  select p.column_name, case when s.n >= 5 then s.equal::double precision / s.n end
  from mlguard._profile p
  join mlguard._profile q
    on q.scope = p_before and q.column_name = p.column_name and (q.rows_nums is null) = (p.rows_nums is null)
  cross join lateral (
    select count(*) filter (where a.text is not null or b.text is not null
                              or coalesce(a.num, 'NaN') <> 'NaN' or coalesce(b.num, 'NaN') <> 'NaN') as n,
           count(*) filter (where a.text = b.text or (a.num = b.num and a.num <> 'NaN')) as equal
    from unnest(p.rows_nums, p.rows_texts) with ordinality a (num, text, i)
    join place l on l.here = a.i
    join unnest(q.rows_nums, q.rows_texts) with ordinality b (num, text, i) on b.i = l.there
  ) s
  where p.scope = p_scope
$$;
ALTER FUNCTION mlguard._same_series(p_scope bigint, p_before bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._same_series(p_scope bigint, p_before bigint) IS 'Private. Of each column the share of rows that hold what the row at the same place held in the scope before.';
CREATE FUNCTION mlguard._sample_of(p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) RETURNS TABLE(column_name text, nums double precision[], texts text[])
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _table mlguard._table;
begin
  if p_batch is not null then
    return query select s.column_name, s.nums, s.texts from mlguard._batch_sample(p_batch) s;
    return;
  end if;
  if p_n is distinct from (select max(s.n) from mlguard._window_sample(p_tbl, p_start, p_end) s) and p_n > 0 then
    -- Rows came singly, or were changed or taken away: the window's own rows are sampled anew, and only they are read.
    select t.* into _table from mlguard._table t where t.tbl = p_tbl;
    if _table.sampler is not null then
      delete from mlguard._sample s where s.tbl = p_tbl and s.bucket >= p_start and s.bucket < p_end;
      execute format(
        'insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts) '
        'select $1, s.bucket, s.n, s.k, s.column_name, s.nums, s.texts from %s($2, $3) s', _table.sampler)
      using p_tbl, p_start, p_end;
    end if;
  end if;
  return query select s.column_name, s.nums, s.texts from mlguard._window_sample(p_tbl, p_start, p_end) s where p_n > 0;
end
$_$;
ALTER FUNCTION mlguard._sample_of(p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sample_of(p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) IS 'Private. The sample of a window or batch, column by column, at most 2,000 rows.';
CREATE FUNCTION mlguard._say(p_id bigint, p_event text, p_alarm bigint, p_recipients text[]) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._outbox (incident, alarm, event, severity, recipients, subject, body, payload)
  select i.id, p_alarm, p_event, i.severity, p_recipients,
         format('%s #%s %s', p_event, i.id, i.headline),
         mlguard._incident_words(i.id),
         jsonb_build_object(
           'incident', i.id, 'alarm', p_alarm, 'event', p_event, 'state', i.state, 'severity', i.severity,
           'table', i.tbl, 'column', i.column_name, 'slo', i.slo,
           'segment', mlguard._masked(i.segment, coalesce(t.pii, '{}')),
           'observed', i.observed, 'allowed', i.allowed, 'over', i.over, 'batch', i.batch,
           'window_start', i.window_start, 'window_end', i.window_end, 'rows', i.n,
           'opened_at', i.opened_at, 'last_at', i.last_at, 'times', i.times, 'held', not mlguard.gate_open_v1(i.tbl),
           'consumers', to_jsonb(coalesce(t.consumers, '{}')), 'owner', coalesce(nullif(s.owner, ''), t.owner),
           'runbook', s.runbook, 'verdict', i.last_verdict, 'cause', i.cause,
           'by', case i.state
             when 'acknowledged' then i.acked_by when 'snoozed' then i.snoozed_by when 'resolved' then i.resolved_by
           end,
           'reason', case i.state
             when 'acknowledged' then i.acked_reason when 'snoozed' then i.snoozed_reason
             when 'resolved' then i.resolved_reason
           end,
           'snoozed_until', case when i.state = 'snoozed' then i.snoozed_until end,
           'also', (
             select coalesce(jsonb_agg(jsonb_build_object('incident', c.id, 'slo', c.slo, 'column', c.column_name,
                                                          'observed', c.observed, 'allowed', c.allowed)
                                       order by c.precedence), '[]')
             from mlguard._incident c
             where c.cause = i.id and (c.state <> 'resolved' or c.resolved_at >= i.resolved_at)))
  from mlguard._incident i
  left join mlguard._slo s on s.id = i.slo
  left join mlguard._table t on t.tbl = i.tbl
  where i.id = p_id
$$;
ALTER FUNCTION mlguard._say(p_id bigint, p_event text, p_alarm bigint, p_recipients text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._say(p_id bigint, p_event text, p_alarm bigint, p_recipients text[]) IS 'Private. Writes one line of the outbox.';
CREATE FUNCTION mlguard._scale_of(p_tbl text, p_over text, p_segment jsonb, p_metric text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(nullif(percentile_cont(0.5) within group (order by p.sd), 0),
                  nullif(percentile_cont(0.5) within group (order by abs(p.value)), 0), 1)
  from (
    select p.sd, p.value
    from mlguard._past(p_tbl, p_over, p_segment, p_metric) p
    order by p.id desc
    limit 90
  ) p
$$;
ALTER FUNCTION mlguard._scale_of(p_tbl text, p_over text, p_segment jsonb, p_metric text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._scale_of(p_tbl text, p_over text, p_segment jsonb, p_metric text) IS 'Private. The unit of a location: the median of the column''s standard deviation over the last 90 windows.';
CREATE FUNCTION mlguard._schema_faults(p_tbl text) RETURNS TABLE(column_name text, fault text, words text, slos text[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._schema_faults(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._schema_faults(p_tbl text) IS 'Private. What changed about the columns of a table since its SLO file was applied, and which SLOs read them.';
CREATE FUNCTION mlguard._scope(p_tbl text, p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_segment jsonb) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select jsonb_build_object(
    'tbl', p_tbl, 'over', p_over, 'batch', p_batch, 'start', p_start, 'end', p_end, 'segment', p_segment)
$$;
ALTER FUNCTION mlguard._scope(p_tbl text, p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_segment jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._scope(p_tbl text, p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_segment jsonb) IS 'Private. What a verdict is about: one batch or window of one table and segment.';
CREATE FUNCTION mlguard._scope_range(p_verdict mlguard._verdict, p_table mlguard._table) RETURNS tstzrange
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select case
    -- A sliding window is judged for what its last piece brought.
    when p_verdict.over like 'last %' and p_table.base is not null then
      tstzrange(greatest(p_verdict.window_start, p_verdict.window_end - p_table.base::interval), p_verdict.window_end)
    when p_verdict.window_start is not null then
      tstzrange(p_verdict.window_start, greatest(p_verdict.window_start, p_verdict.window_end))
    when p_verdict.batch is not null then
      coalesce(
        (select tstzrange(min(s.bucket), max(s.bucket) + p_table.base::interval)
         from mlguard._state s
         where s.batch = p_verdict.batch and s.sign = 1 and isfinite(s.bucket)
         having min(s.bucket) is not null and p_table.base is not null),
        (select tstzrange(least(b.opened_at, p_verdict.at), p_verdict.at, '[]')
         from mlguard._batch b
         where b.id = p_verdict.batch),
        tstzrange(p_verdict.at, p_verdict.at, '[]'))
    -- Freshness: since the newest event.
    when p_verdict.over = 'read' then
      tstzrange(p_verdict.at - make_interval(secs => nullif(p_verdict.vals[1], 'Infinity')), p_verdict.at, '[]')
    else tstzrange(p_verdict.at, p_verdict.at, '[]')
  end
$$;
ALTER FUNCTION mlguard._scope_range(p_verdict mlguard._verdict, p_table mlguard._table) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._scope_range(p_verdict mlguard._verdict, p_table mlguard._table) IS 'Private. The stretch of time a verdict is about: of a batch the event times it wrote, where buckets are kept.';
CREATE FUNCTION mlguard._scope_words(p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Whole days are dates of the table's own time zone, the last one included; anything else is minutes in UTC.
  select case
    when p_batch is not null then 'batch ' || p_batch
    when p_start is null or p_end is null then null
    when extract(epoch from w.from_local::time) = 0 and extract(epoch from w.to_local::time) = 0 then
      case when p_over like 'last %' then p_over || ' to ' else '' end
      || case
        when p_over like 'last %' or w.to_local = w.from_local + interval '1 day' then
          to_char(w.to_local - interval '1 day', 'YYYY-MM-DD')
        else to_char(w.from_local, 'YYYY-MM-DD') || ' to ' || to_char(w.to_local - interval '1 day', 'YYYY-MM-DD')
      end
      || case when p_zone <> 'UTC' then ' ' || p_zone else '' end
    else
      case when p_over like 'last %' then p_over || ' to ' else '' end
      || case when p_over like 'last %' then '' else to_char(p_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' to ' end
      || mlguard._minute(p_end)
  end
  from (select p_start at time zone p_zone as from_local, p_end at time zone p_zone as to_local) w
$$;
ALTER FUNCTION mlguard._scope_words(p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._scope_words(p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) IS 'Private. What was judged, as messages name it: batch 88123, 2026-11-19, last 7 days to 2026-11-19.';
CREATE FUNCTION mlguard._seal_events() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _event mlguard._event;
  _no bigint;
  _hash bytea;
  _prev bytea;
  _sealed bigint[] := '{}';
begin
  -- An older snapshot would not see the last seal.
  if current_setting('transaction_isolation') <> 'read committed'
     or not mlguard._take_turn('audit chain') then
    return 0;
  end if;
  select s.no, s.hash into _no, _prev from mlguard._event_seal s order by s.no desc limit 1;
  _no := coalesce(_no, 0);
  _prev := coalesce(_prev, decode(repeat('00', 32), 'hex'));
  for _event in
    select e.*
    from mlguard._unsealed u
    join mlguard._event e on e.id = u.event
    where not exists (select from mlguard._event_seal s where s.event = u.event)
    order by e.id
  loop
    _no := _no + 1;
    _hash := mlguard._link(_prev, _no, _event);
    insert into mlguard._event_seal (no, event, prev, hash) values (_no, _event.id, _prev, _hash);
    _prev := _hash;
    _sealed := _sealed || _event.id;
  end loop;
  delete from mlguard._unsealed u where u.event = any (_sealed);
  return cardinality(_sealed);
end
$$;
ALTER FUNCTION mlguard._seal_events() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._seal_events() IS 'Private. Chains the events that have committed; whoever finds another one at it leaves it to him. Returns how many.';
CREATE FUNCTION mlguard._seconds(p_length interval) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select floor(extract(epoch from p_length))::bigint
$$;
ALTER FUNCTION mlguard._seconds(p_length interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._seconds(p_length interval) IS 'Private. A length in seconds, a day being 24 hours: a limit must not depend on the reader''s time zone.';
CREATE FUNCTION mlguard._segments_alone(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamp with time zone, p_again boolean) RETURNS jsonb[]
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _alone jsonb[];
begin
  if exists (select from mlguard._table t where t.tbl = p_slo.tbl and t.version_column = any (p_slo.by_columns)) then
    -- Versions come and go: each is judged alone while it writes, and one that writes no more is not missing.
    return array(
      select p.segment
      from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, p_slo.max_segments) p
      where not p.segment ? '*');
  elsif (select w.frozen from mlguard._window w where w.slo = p_slo.id) then
    _alone := array(select s.segment from mlguard._segment s where s.slo = p_slo.id order by s.segment);
  else
    _alone := array(
      select k.segment
      from (
        select s.segment, s.n::numeric from mlguard._segment s where s.slo = p_slo.id
        union all
        select p.segment, (p.states ->> 'n')::numeric
        from mlguard._pooled(p_segments, p_states, p_slo.by_columns, null, 1000000) p
      ) k (segment, n)
      group by k.segment
      order by sum(k.n) desc, k.segment
      limit p_slo.max_segments);
  end if;
  if p_again then
    -- What was first seen later was not missing then.
    _alone := array(
      select a.segment from unnest(_alone) a (segment) where a.segment = any (p_segments)
      union
      select v.segment
      from mlguard._verdict v
      where v.slo = p_slo.id and v.window_start = p_start and v.over = p_slo.over and v.current and not v.segment ? '*');
  end if;
  return _alone;
end
$$;
ALTER FUNCTION mlguard._segments_alone(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamp with time zone, p_again boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._segments_alone(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamp with time zone, p_again boolean) IS 'Private. The segments of a window that are judged alone, absent ones too: the largest of the baseline, or, while that is not over, of all windows so far.';
CREATE FUNCTION mlguard._series_words(p_family text, p_column text, p_partner text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case p_family
    when 'null' then 'null_rate(' || p_column || ')'
    when 'mean' then 'mean(' || p_column || ')'
    when 'negative' then 'negative_rate(' || p_column || ')'
    when 'same' then 'share of rows where ' || p_column || ' repeats the time before'
    when 'magnitude' then 'order of magnitude of ' || p_column
    when 'grid' then 'share of values of ' || p_column || ' with more decimals than usual'
    when 'far' then 'share of far-out values of ' || p_column
    when 'ks' then 'shift of the distribution of ' || p_column
    when 'spike' then 'rise of a single value of ' || p_column
    when 'overlap' then 'overlap of ' || p_column || ' with the time before'
    when 'linf' then 'change of the mix of ' || p_column
    when 'new' then 'share of values of ' || p_column || ' never seen before'
    when 'shape' then 'share of values of ' || p_column || ' of a form never seen before'
    when 'rows' then 'row_count()'
    when 'repeats' then 'share of repeated rows'
    when 'pair' then format('share of pairs (%s, %s) never seen together', p_column, p_partner)
    when 'dependence' then format('dependence of %s and %s', p_column, p_partner)
    when 'nulls' then format('share of rows where only one of %s and %s is missing', p_column, p_partner)
    else p_family || '(' || concat_ws(', ', nullif(p_column, ''), nullif(p_partner, '')) || ')'
  end
$$;
ALTER FUNCTION mlguard._series_words(p_family text, p_column text, p_partner text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._series_words(p_family text, p_column text, p_partner text) IS 'Private. A learned series as messages name it.';
CREATE FUNCTION mlguard._set_own_baseline(p_tbl regclass, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
declare
  _table mlguard._table;
  _columns text[] := array(select c.column_name from mlguard.baseline_columns(p_tbl) c);
  _version integer;
begin
  select t.* into _table from mlguard._table t where t.tbl = mlguard._tbl(p_tbl);
  perform mlguard._wait_table(_table.tbl);
  if _table.event_sql is null and (p_from is not null or p_to is not null) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: %s has no event time, so its rows cannot be chosen by time', _table.tbl),
      hint = 'Name event_time in the SLO file, or take all stored rows.';
  end if;
  _version := mlguard._begin_baseline(
    _table.tbl, 'window',
    case
      when p_from is null and p_to is null then 'all rows'
      else concat_ws(' ', 'rows', 'from ' || mlguard._minute(p_from), 'to ' || mlguard._minute(p_to))
    end,
    p_from, p_to);
  if mlguard._fill_baseline(_table, _version, _columns, p_from, p_to) = 0 then
    perform mlguard._refuse_baseline(_table.tbl, 'these rows', cardinality(_columns));
  end if;
  perform mlguard._use_baseline(_table, _version);
  perform mlguard._warn_baseline(_table.tbl, _version);
  return _version;
end
$$;
ALTER FUNCTION mlguard._set_own_baseline(p_tbl regclass, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._set_own_baseline(p_tbl regclass, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. set_baseline() from the table''s own rows.';
CREATE FUNCTION mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _ticket mlguard._training_ticket;
  _version integer;
begin
  select t.* into strict _ticket from mlguard._training_ticket t where t.id = p_ticket;
  _version := mlguard._set_own_baseline(p_tbl, _ticket.from_at, _ticket.to_at);
  update mlguard._baseline b
  set source = format('ticket %s of model %s', _ticket.id, _ticket.model)
  where b.tbl = mlguard._tbl(p_tbl) and b.version = _version;
  return _version;
end
$$;
ALTER FUNCTION mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint) IS 'Private. Makes the rows that a training run could read the baseline of a table.';
CREATE FUNCTION mlguard._severity_rank(p_severity text) RETURNS integer
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array_position(array['low', 'normal', 'page'], p_severity)
$$;
ALTER FUNCTION mlguard._severity_rank(p_severity text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._severity_rank(p_severity text) IS 'Private. 1 low, 2 normal, 3 page.';
CREATE FUNCTION mlguard._shape(p_text text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Runs of one class of character are written once: AB-1234 is A-9.
  select regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
           left(p_text, 24),
           '((?![[:upper:]])[[:alpha:]])+', 'a', 'g'),
           '[[:upper:]]+', 'A', 'g'),
           '[[:digit:]]+', '9', 'g'),
           '[[:space:]]+', ' ', 'g'),
           '([^[:alnum:][:space:]])\1+', '\1', 'g')
$$;
ALTER FUNCTION mlguard._shape(p_text text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._shape(p_text text) IS 'Private. What a text looks like: digits 9, capitals A, other letters a.';
CREATE FUNCTION mlguard._short(p_number double precision) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select trim_scale(round(p_number::numeric, case
    when p_number = 0 or abs(p_number) >= 0.1 then 3
    else 2 - floor(log(abs(p_number)::numeric))::integer
  end))::text
$$;
ALTER FUNCTION mlguard._short(p_number double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._short(p_number double precision) IS 'Private. A distance in words: three decimals, of small ones three digits.';
CREATE FUNCTION mlguard._shown(p_value jsonb) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- An extreme or a quantile is the value of a row. Without a list (the table is guarded no longer) all are personal.
  select exists (
    select
    from unnest(p_metrics) m (metric)
    cross join lateral regexp_matches(m.metric, '\m(?:min|max|median|quantile)\(("(?:[^"]|"")+"|[^",)]+)', 'g') a (parts)
    where p_pii is null
       or case when a.parts[1] like '"%' then replace(trim('"' from a.parts[1]), '""', '"') else a.parts[1] end
          = any (p_pii))
$$;
ALTER FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) IS 'Private. Whether metrics show a value of a column that is personal by now.';
CREATE FUNCTION mlguard._slot(p_over text, p_zone text, p_at timestamp with time zone) RETURNS integer
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (mlguard._slots(p_over, p_zone, array[p_at]))[1]
$$;
ALTER FUNCTION mlguard._slot(p_over text, p_zone text, p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._slot(p_over text, p_zone text, p_at timestamp with time zone) IS 'Private. _slots() of one window.';
CREATE FUNCTION mlguard._slots(p_over text, p_zone text, p_ats timestamp with time zone[]) RETURNS integer[]
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array_agg(
           case
             when p_over in ('1 day', 'batch') then extract(dow from u.at at time zone p_zone)::integer
             when p_over = '1 hour' then extract(hour from u.at at time zone p_zone)::integer
           end
           order by u.i)
  from unnest(p_ats) with ordinality u (at, i)
$$;
ALTER FUNCTION mlguard._slots(p_over text, p_zone text, p_ats timestamp with time zone[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._slots(p_over text, p_zone text, p_ats timestamp with time zone[]) IS 'Private. The places of windows in their cycle: day of the week, or hour of the day; null for other lengths.';
CREATE FUNCTION mlguard._sort_removals(p_batch bigint, p_tbl text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
begin
  if not exists (select from mlguard._state s where s.batch = p_batch and s.sign < 0) then
    return;
  end if;
  -- Transition tables do not tell who wrote an old row. A load that is tried again takes away what it wrote before: as
  -- many rows, of the same buckets, as it has. More than that were of others.
  with gone as materialized (
    select s.load, s.bucket, sum(s.n) as n, max(s.id) as last
    from mlguard._state s
    where s.batch = p_batch and s.sign < 0 and s.segment = '{}' and s.load is not null and not s.load_kept
    group by s.load, s.bucket
  ), foreign_rows as materialized (
    select g.load, g.bucket
    from gone g
    where g.n > mlguard._load_rows(p_tbl, g.load, g.bucket, p_batch, g.last)
  )
  update mlguard._state s
  set load = null
  from foreign_rows f
  where s.batch = p_batch and s.sign < 0 and s.load = f.load and not s.load_kept and s.bucket is not distinct from f.bucket;
  -- They may be of a load that is held: then what was changed is counted with that, and may mend it.
  with held as materialized (
    select distinct b.id, b.name
    from mlguard._hold h
    join mlguard._batch b on b.id = h.batch
    where h.tbl = p_tbl and h.ended_at is null and b.name is not null
  ), line as materialized (
    select s.id,
           (select h.name
            from held h
            where mlguard._load_rows(p_tbl, h.name, s.bucket, p_batch, 0) > 0
            order by h.id desc
            limit 1) as load
    from mlguard._state s
    where s.batch = p_batch and s.load is null and s.corrects is null and (s.sign < 0 or s.op = 'UPDATE')
      and s.op <> 'TRUNCATE' and exists (select from held)
  )
  update mlguard._state s set load = l.load from line l where s.tbl = p_tbl and s.id = l.id and l.load is not null;
end
$$;
ALTER FUNCTION mlguard._sort_removals(p_batch bigint, p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sort_removals(p_batch bigint, p_tbl text) IS 'Private. Decides to which load the rows belong that a transaction changed or took away, as far as can be told.';
CREATE FUNCTION mlguard._steadied(p_class text, p_values double precision[], p_scale double precision) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- GREATEST leaves NULL out, hence the first branch. Infinity, NaN and numbers too large or too small to be divided must
  -- not raise: NaN is no value, the rest is cut at 1e150.
  select array_agg(
           case
             when u.x is null or u.x = 'NaN' then null
             when p_class = 'share' then asin(sqrt(least(greatest(u.x, 0), 1)))
             when p_class = 'count' then ln(1 + least(greatest(u.x, 0), 1e150))
             when p_class = 'information' then ln(least(greatest(u.x, 0.001), 1e150))
             when abs(u.x) < 1e-100 then 0
             else asinh(least(greatest(u.x, -1e150), 1e150) / least(greatest(p_scale, 1e-100), 1e150))
           end
           order by u.i)
  from unnest(p_values) with ordinality u (x, i)
$$;
ALTER FUNCTION mlguard._steadied(p_class text, p_values double precision[], p_scale double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._steadied(p_class text, p_values double precision[], p_scale double precision) IS 'Private. The scale on which errors of a kind of metric are alike whatever its level: asin √p of shares, ln(1 + n) of counts, ln of information, asinh(x / scale) of locations.';
CREATE FUNCTION mlguard._steady(p_class text, p_x double precision, p_scale double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (mlguard._steadied(p_class, array[p_x], p_scale))[1]
$$;
ALTER FUNCTION mlguard._steady(p_class text, p_x double precision, p_scale double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._steady(p_class text, p_x double precision, p_scale double precision) IS 'Private. _steadied() of one value.';
CREATE FUNCTION mlguard._sum_arrays(p_parts jsonb[], p_signs integer[] DEFAULT NULL::integer[]) RETURNS jsonb
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- As numeric, so that what was added can be taken away again without a trace.
  select coalesce(jsonb_agg(s.total order by s.place), '[]')
  from (
    select e.place, sum(e.value::numeric * coalesce(p_signs[p.no], 1)) as total
    from unnest(p_parts) with ordinality p (part, no)
    cross join lateral jsonb_array_elements_text(p.part) with ordinality e (value, place)
    group by e.place
  ) s
$$;
ALTER FUNCTION mlguard._sum_arrays(p_parts jsonb[], p_signs integer[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sum_arrays(p_parts jsonb[], p_signs integer[]) IS 'Private. Adds arrays of numbers, place by place.';
CREATE FUNCTION mlguard._sum_tallies(p_key text, p_parts jsonb[], p_signs integer[] DEFAULT NULL::integer[]) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
declare
  _scores boolean := p_key like 'roc(%';
  _groups boolean := p_key !~ '^(roc|calibration)\(';
  _rounded boolean := (select coalesce(bool_or(p.part ? 'rounded'), false) from unnest(p_parts) p (part));
  _tally jsonb;
  _size bigint;
begin
  loop
    select jsonb_object_agg(k.key, k.sums), count(*)
    into _tally, _size
    from (
      select g.key, jsonb_agg(g.total order by g.place) as sums
      from (
        select case when _rounded then mlguard.rounded_score_v1(t.key::float8)::text else t.key end as key, e.place,
               sum(e.value::numeric * coalesce(p_signs[p.no], 1)) as total
        from unnest(p_parts) with ordinality p (part, no)
        cross join lateral jsonb_each(p.part -> 'c') t
        cross join lateral jsonb_array_elements_text(t.value) with ordinality e (value, place)
        group by 1, 2
      ) g
      group by g.key
      having bool_or(g.total <> 0)
    ) k;
    exit when not _scores or _rounded or _size <= 10000;
    _rounded := true;
  end loop;
  if _groups and _size > 1000 then
    _tally := (
      select jsonb_object_agg(k.key, k.sums)
      from (
        select m.key, jsonb_agg(m.total order by m.place) as sums
        from (
          select case when r.place <= 1000 then r.key else '*' end as key, e.place, sum(e.value::numeric) as total
          from (
            select t.key, t.value, row_number() over (order by (t.value ->> 0)::numeric desc, t.key) as place
            from jsonb_each(_tally) t
          ) r
          cross join lateral jsonb_array_elements_text(r.value) with ordinality e (value, place)
          group by 1, 2
        ) m
        group by m.key
      ) k);
  end if;
  return jsonb_build_object('c', coalesce(_tally, '{}')) || case when _rounded then '{"rounded": true}'::jsonb else '{}' end;
end
$$;
ALTER FUNCTION mlguard._sum_tallies(p_key text, p_parts jsonb[], p_signs integer[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sum_tallies(p_key text, p_parts jsonb[], p_signs integer[]) IS 'Private. Adds tallies {"c": {name: [sums]}} name by name; above 10000 scores they are rounded, above 1000 groups the smallest are pooled as *.';
CREATE FUNCTION mlguard._sums(p_states jsonb, p_key text) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array_agg(e.value::float8 order by e.place)
  from jsonb_array_elements_text(p_states -> p_key) with ordinality e (value, place)
$$;
ALTER FUNCTION mlguard._sums(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sums(p_states jsonb, p_key text) IS 'Private. A state of sums as numbers; null where it was not kept.';
CREATE FUNCTION mlguard._survey(p_tbl regclass, p_relation regclass, p_columns text[], p_where text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone, p_left_out tstzmultirange DEFAULT '{}'::tstzmultirange) RETURNS TABLE(column_name text, edges double precision[], n bigint, missing bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _query text;
  _found text[];
begin
  select format('select array[%s]::text[] from %s as t where %s',
                string_agg(format(
                  case
                    when c.amount is null then 'null, null, count(%1$s), count(*)'
                    else '(percentile_disc(array[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) '
                         'within group (order by %1$s))::text, min(%1$s)::text, count(%1$s), count(*)'
                  end,
                  coalesce(c.amount, c.category)), ', ' order by c.column_name),
                p_relation, p_where)
  into _query
  from mlguard._cell_sql(p_tbl, p_relation) c
  where c.column_name = any (p_columns);
  if _query is null then
    return;
  end if;
  execute _query into _found using p_from, p_to, p_left_out;
  -- Where the least value is a decile itself, an edge just below it parts what is smaller.
  return query
    select c.column_name, e.edges, _found[c.place + 3]::bigint,
           _found[c.place + 4]::bigint - _found[c.place + 3]::bigint
    from (
      select s.column_name, 4 * (row_number() over (order by s.column_name) - 1) as place
      from mlguard._cell_sql(p_tbl, p_relation) s
      where s.column_name = any (p_columns)
    ) c
    left join lateral (
      select array_agg(distinct d.edge) as edges
      from (
        select unnest(_found[c.place + 1]::double precision[]) as edge
        union
        select m.least - greatest(abs(m.least), 1) * 1e-9::float8
        from (select _found[c.place + 2]::double precision as least) m
        where m.least = (_found[c.place + 1]::double precision[])[1] and m.least <> '-Infinity'
      ) d
    ) e on true;
end
$_$;
ALTER FUNCTION mlguard._survey(p_tbl regclass, p_relation regclass, p_columns text[], p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._survey(p_tbl regclass, p_relation regclass, p_columns text[], p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) IS 'Private. Edges and numbers of values of some columns over rows of a relation: edges are the distinct deciles, each a value that occurs.';
CREATE FUNCTION mlguard._sweep_audit() RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- So many records of a kind at a time: a sweep stays short, however much there is to prune.
  _some constant integer := 2000;
begin
  if exists (select from mlguard._retention) then
    return query select p.what, p.n from mlguard._prune_judgements(statement_timestamp(), _some) p;
    return query select p.what, p.n from mlguard._prune_records(statement_timestamp(), _some) p;
    return query select p.what, p.n from mlguard._prune_events(statement_timestamp(), _some) p;
  end if;
  return query select 'events sealed'::text, mlguard._seal_events();
end
$$;
ALTER FUNCTION mlguard._sweep_audit() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_audit() IS 'Private. The part of sweep() that prunes records past their retention, and then seals events.';
CREATE FUNCTION mlguard._sweep_baselines(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _table mlguard._table;
  _frozen bigint := 0;
begin
  for _table in
    select t.*
    from mlguard._table t
    where to_regclass(format('%I.%I', t.schema_name, t.table_name)) is not null
      and exists (
        select
        from mlguard._slo s
        where s.tbl = t.tbl and s.level in ('batch', 'window')
          and exists (select from mlguard._baseline_metrics(s.metrics)))
    order by t.tbl
  loop
    if mlguard._lock_table(_table.tbl) then
      _frozen := _frozen + mlguard._learn_baseline(_table, p_as_of);
    end if;
  end loop;
  return query select 'baseline columns frozen', _frozen;
end
$$;
ALTER FUNCTION mlguard._sweep_baselines(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_baselines(p_as_of timestamp with time zone) IS 'Private. Part of sweep(): freezes the baselines whose days are over.';
CREATE FUNCTION mlguard._sweep_fold(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _singles text[] := array(select distinct l.tbl from mlguard._single l);
  _tbl text;
  _n bigint;
  _folded bigint := 0;
  _dropped bigint := 0;
begin
  for _tbl in
    select t.tbl
    from mlguard._table t
    where t.tbl = any (_singles) or exists (select from mlguard._state s where s.tbl = t.tbl)
    order by t.tbl
  loop
    continue when not mlguard._lock_table(_tbl);
    if _tbl = any (_singles) then
      perform mlguard._gather(_tbl);
    end if;
    _folded := _folded + mlguard._fold_states(_tbl);
    delete from mlguard._state s
    where s.tbl = _tbl and s.folded
      and not exists (select from mlguard._kept_batches(_tbl) k (batch) where k.batch in (s.batch, s.corrects));
    get diagnostics _n = row_count;
    _dropped := _dropped + _n;
  end loop;
  return query values ('states folded', _folded), ('states of ended holds dropped', _dropped);
end
$$;
ALTER FUNCTION mlguard._sweep_fold(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_fold(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that folds states into buckets.';
CREATE FUNCTION mlguard._sweep_holds(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n bigint;
begin
  return query select l.what, l.n from mlguard._sweep_loads(p_as_of) l;
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'no SLO in force holds it'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo and s.level <> 'read');
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$$;
ALTER FUNCTION mlguard._sweep_holds(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_holds(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that judges loads, and ends holds of judgements whose SLO was taken out of its file, or is judged by readers now: nothing would judge it good again.';
CREATE FUNCTION mlguard._sweep_incidents(p_as_of timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _new bigint[];
  _n bigint;
begin
  -- One at a time; whoever comes second finds the work done. Acts of people wait, sweeps do not.
  if not mlguard._take_turn('incidents') then
    return;
  end if;
  return query select 'incidents masked', mlguard._mask_incidents();
  return query select 'freshness judged', mlguard._judge_reads(p_as_of);
  _new := mlguard._fold_failures();
  return query select 'incidents opened', cardinality(_new)::bigint;
  return query select 'incidents resolved', mlguard._heal_incidents(_new);
  return query select 'incidents attached to a cause', mlguard._group_incidents(_new || mlguard._outlived());
  return query select 'snoozes ended', mlguard._end_snoozes(p_as_of);
  return query select 'alerts written', mlguard._tell_incidents();
  delete from mlguard._outbox o where o.delivered_at < p_as_of - interval '90 days';
  get diagnostics _n = row_count;
  return query select 'alerts pruned', _n;
end
$$;
ALTER FUNCTION mlguard._sweep_incidents(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_incidents(p_as_of timestamp with time zone) IS 'Private. Makes incidents of what failed, finds causes, resolves what is over, ends snoozes, writes the outbox.';
CREATE FUNCTION mlguard._sweep_loads(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _patience constant interval := interval '1 hour';
  _memory constant interval := interval '90 days';
  _due record;
  _n bigint := 0;
  _tbl text;
begin
  -- A loader that is at its COMMIT is not waited for: what it leaves is due the next time.
  for _due in
    select l.tbl, l.load, false as ends, array_agg(l.id) as lines
    from mlguard._load_due l
    join mlguard._table t on t.tbl = l.tbl and t.judges_batches
    group by l.tbl, l.load
    union all
    -- Nobody ended it: what is there is all there is, until more comes.
    select b.tbl, b.name, true, '{}'
    from mlguard._batch b
    join mlguard._table t on t.tbl = b.tbl and t.judges_batches
    where b.name is not null and not b.retired and b.begun and b.ended_at is null and b.closed_at < p_as_of - _patience
    order by 1, 2, 3
  loop
    continue when not pg_try_advisory_xact_lock(hashtextextended('mlguard load ' || _due.load, 0));
    perform mlguard._judge_load(_due.tbl, _due.load, null, false, _due.ends);
    delete from mlguard._load_due l where l.id = any (_due.lines);
    _n := _n + 1;
  end loop;
  delete from mlguard._load_due l
  where not exists (select from mlguard._table t where t.tbl = l.tbl and t.judges_batches);
  return query values ('loads judged', _n);
  -- While a table is not guarded its rows change unseen.
  update mlguard._batch b
  set retired = true
  where b.name is not null and not b.retired
    and not exists (select from mlguard._table t where t.tbl = b.tbl);
  with old as (
    update mlguard._batch b
    set retired = true
    where b.name is not null and not b.retired and b.closed_at < p_as_of - _memory
      and not exists (
        select from mlguard._hold h where h.tbl = b.tbl and h.ended_at is null and h.batch = b.id)
      and not exists (select from mlguard._state s where s.tbl = b.tbl and s.load = b.name and not s.load_kept)
    returning b.tbl, b.name
  )
  delete from mlguard._load_state l using old where l.tbl = old.tbl and l.load = old.name;
  -- From one table's name to the next, as there may be many lines of few tables.
  _tbl := (select min(l.tbl) from mlguard._load_state l);
  while _tbl is not null loop
    if not exists (select from mlguard._table t where t.tbl = _tbl) then
      delete from mlguard._load_state l where l.tbl = _tbl;
    end if;
    delete from mlguard._load_state l
    using (select max(e.upto) as upto from mlguard._load_state e where e.tbl = _tbl and e.load = '') emptied
    where l.tbl = _tbl and l.upto < emptied.upto;
    perform mlguard._merge_load(_tbl, k.load, 0)
    from (select distinct l.load from mlguard._load_state l where l.tbl = _tbl and not l.merged and l.load <> '') k;
    _tbl := (select min(l.tbl) from mlguard._load_state l where l.tbl > _tbl);
  end loop;
end
$$;
ALTER FUNCTION mlguard._sweep_loads(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_loads(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that judges loads which COMMIT left to it or nobody ended, and merges and forgets states of loads.';
CREATE FUNCTION mlguard._sweep_models(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n bigint := 0;
begin
  if mlguard._take_turn('prediction lines') then
    with gone as (
      delete from mlguard._prediction_line l returning l.*
    ), batch as (
      select g.tbl, g.model, g.version, g.xid, g.started_at, min(g.at) as first_at, max(g.at) as last_at,
             min(g.writer) as writer, sum(g.n) as n, min(g.first_event) as first_event, max(g.last_event) as last_event,
             (array_agg(g.inputs order by g.held desc, g.at))[1] as inputs, bool_or(g.held) as held, count(*) as lines
      from gone g
      group by g.tbl, g.model, g.version, g.xid, g.started_at
    ), used as (
      insert into mlguard._model_usage as old (model, version, tbl, first_use, last_use, n)
      select b.model, b.version, b.tbl, min(b.first_at), max(b.last_at), sum(b.n)
      from batch b
      group by b.model, b.version, b.tbl
      on conflict (model, version, tbl) do update
      set first_use = least(old.first_use, excluded.first_use), last_use = greatest(old.last_use, excluded.last_use),
          n = old.n + excluded.n
    ), large as (
      insert into mlguard._prediction_batch (
        tbl, model, version, xid, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs,
        held)
      select b.tbl, b.model, b.version, b.xid, b.started_at, b.first_at, b.last_at, b.writer, b.n, 1, b.first_event,
             b.last_event, b.inputs, b.held
      from batch b
      where b.held or b.n >= 100
    ), small as (
      -- A batch a row would grow as fast as the table itself; of good ones the hour says enough.
      insert into mlguard._prediction_batch as old (
        tbl, model, version, started_at, first_at, last_at, writer, n, batches, first_event, last_event, inputs, held)
      select b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC'), min(b.first_at), max(b.last_at),
             case when min(b.writer) = max(b.writer) then min(b.writer) end, sum(b.n), count(*), min(b.first_event),
             max(b.last_event), (array_agg(b.inputs order by b.first_at desc))[1], false
      from batch b
      where not b.held and b.n < 100
      group by b.tbl, b.model, b.version, date_trunc('hour', b.first_at, 'UTC')
      on conflict (tbl, model, version, started_at) where xid is null do update
      set first_at = least(old.first_at, excluded.first_at), last_at = greatest(old.last_at, excluded.last_at),
          writer = case when old.writer = excluded.writer then old.writer end, n = old.n + excluded.n,
          batches = old.batches + excluded.batches, first_event = least(old.first_event, excluded.first_event),
          last_event = greatest(old.last_event, excluded.last_event), inputs = excluded.inputs
    )
    select coalesce(sum(b.lines), 0) from batch b into _n;
  end if;
  return query select 'lines of predictions folded', _n;
end
$$;
ALTER FUNCTION mlguard._sweep_models(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_models(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that folds what writers of predictions appended, one sweep at a time.';
CREATE FUNCTION mlguard._sweep_retrain(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _asks record;
  _id bigint;
  _lost bigint := mlguard._expire_claims();
  _opened bigint := 0;
begin
  for _asks in
    select a.*, t.model
    from mlguard._asking('retrain') a
    join mlguard._table t on t.tbl = a.tbl and t.model is not null
    where not exists (
            select from mlguard._retrain_request r where r.model = t.model and a.incident = any (r.incidents))
      -- The last run has to show what it brought before there is another.
      and not exists (
            select
            from mlguard._retrain_request r
            where r.model = t.model and r.ended_at > p_as_of - (mlguard._policy(t.model)).cooldown)
    order by a.incident
  loop
    if mlguard._ask_retrain(_asks.model, _asks.slo, _asks.incident, _asks.words, p_as_of) is not null then
      _opened := _opened + 1;
    end if;
  end loop;
  for _id in
    select r.id from mlguard._retrain_request r where r.state in ('requested', 'vetoed') order by r.id for update skip locked
  loop
    perform mlguard._veto(_id, p_as_of);
  end loop;
  return query values ('claims lost', _lost), ('retrain requests opened', _opened);
end
$$;
ALTER FUNCTION mlguard._sweep_retrain(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_retrain(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that opens requests to retrain, one an incident, and vetoes or releases them.';
CREATE FUNCTION mlguard._sweep_rollbacks(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _asks record;
  _champion mlguard._model_version;
  _previous text;
  _evidence mlguard._verdict;
  _failed mlguard._verdict;
  _why text;
  _n bigint := 0;
begin
  for _asks in
    select a.*, t.model, t.version_column
    from mlguard._asking('rollback_model') a
    join mlguard._table t on t.tbl = a.tbl and t.model is not null and t.version_column is not null
    where a.segment ? t.version_column
  loop
    select v.* into _champion from mlguard._model_version v where v.model = _asks.model and v.state = 'champion';
    continue when _champion.version is null or _champion.version <> _asks.segment ->> _asks.version_column;
    -- What was brought back by an SLO is never taken out by one again until a person has promoted: no flapping.
    continue when exists (
      select
      from mlguard._rollback_act a
      where a.model = _asks.model
        and (a.incident = _asks.incident or (a.brought_back = _champion.version and a.at >= _champion.promoted_at)));
    _previous := mlguard._previous(_asks.model);
    continue when _previous is null;
    select v.* into _failed from mlguard._verdict v where v.id = _asks.last_verdict;
    -- Only what the previous version was last found to do, on enough rows to be judged, speaks for it.
    select v.*
    into _evidence
    from mlguard._verdict v
    where v.slo = _asks.slo and v.current and v.outcome <> 'INSUFFICIENT'
      and v.segment = _asks.segment || jsonb_build_object(_asks.version_column, _previous)
    order by v.window_start desc nulls last, v.id desc
    limit 1;
    continue when _evidence.outcome is distinct from 'PASS' or _failed.outcome is distinct from 'FAIL';
    _why := format('%s failed on version %s (%s) and holds on version %s (%s)', _asks.slo, _champion.version,
                   concat_ws(', ', _failed.observed, _failed.allowed), _previous, _evidence.observed);
    perform mlguard.rollback(_asks.model, _why);
    insert into mlguard._rollback_act (model, incident, taken_out, brought_back, why)
    values (_asks.model, _asks.incident, _champion.version, _previous, _why);
    perform mlguard._tell_act(
      _asks.incident,
      format('model %s was rolled back from version %s to %s: %s', _asks.model, _champion.version, _previous, _why),
      jsonb_build_object('act', 'rollback_model', 'model', _asks.model, 'taken_out', _champion.version,
                         'brought_back', _previous, 'slo', _asks.slo));
    _n := _n + 1;
  end loop;
  return query values ('models rolled back', _n);
end
$$;
ALTER FUNCTION mlguard._sweep_rollbacks(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_rollbacks(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that brings the previous champion back where an SLO fails on the champion and holds on it.';
CREATE FUNCTION mlguard._sweep_schema(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- One at a time: two would both find what neither wrote down yet.
  select 'changes of columns judged', count(*) filter (where j.judged)
  from (select mlguard._take_turn('schema watch') as turn offset 0) mine
  cross join mlguard._table t
  cross join lateral mlguard._judge_schema(case when mine.turn then t.tbl end) j (judged)
$$;
ALTER FUNCTION mlguard._sweep_schema(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_schema(p_as_of timestamp with time zone) IS 'Private. Judges the columns of every guarded table.';
CREATE FUNCTION mlguard._sweep_tidy(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _some constant integer := 1000;
  _n bigint;
  _all bigint := 0;
begin
  with due as (
    delete from mlguard._unclosed u returning u.batch
  ), closed as materialized (
    select mlguard._count_batch(d.batch) from (select distinct u.batch from due u) d
  )
  select count(*) into _n from closed;
  return query select 'batches closed', _n;
  perform mlguard._look_again();
  -- The gate asks for the newest line that has come; later ones are still to come.
  delete from mlguard._freshness f
  where f.newest < (
    select max(l.newest) from mlguard._freshness l where l.tbl = f.tbl and l.newest <= p_as_of);
  get diagnostics _n = row_count;
  return query select 'freshness lines pruned', _n;
  -- A day later nothing sums them any more; the batch keeps the totals.
  -- The oldest first, which are the ones to go: all batches there ever were are not looked through for them.
  loop
    delete from mlguard._delta d
    where d.id in (
      select o.id
      from (select l.id, l.batch from mlguard._delta l order by l.id limit _some) o
      join mlguard._batch b on b.id = o.batch and b.closed_at < p_as_of - interval '1 day');
    get diagnostics _n = row_count;
    _all := _all + _n;
    exit when _n < _some / 10;
  end loop;
  return query select 'deltas pruned', _all;
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
$$;
ALTER FUNCTION mlguard._sweep_tidy(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_tidy(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that is housekeeping: closes batches, prunes logs and samples, ends waivers, erases kept rows whose retention is over.';
CREATE FUNCTION mlguard._sweep_usual(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    with fault as materialized (
      select distinct m.window_start, m.batch
      from mlguard._metric m
      where m.tbl = _table.tbl and m.excluded and m.current and m.over = _table.over and m.sampled
    )
    update mlguard._learned_scope c
    set excluded = not c.excluded
    where c.tbl = _table.tbl and c.over = _table.over
      and c.excluded <> exists (select from fault f where f.window_start = c.window_start or f.batch = c.batch)
      -- Of what was pruned nobody takes a label back.
      and (not c.excluded or exists (
        select
        from mlguard._metric m
        where m.tbl = c.tbl and m.over = c.over and m.sampled and m.current
          and (m.window_start = c.window_start or m.batch = c.batch)));
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
$$;
ALTER FUNCTION mlguard._sweep_usual(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_usual(p_as_of timestamp with time zone) IS 'Private. Judges closed windows by what is usual, in order, and learns from them.';
CREATE FUNCTION mlguard._sweep_version_baselines(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _found record;
  _n bigint := 0;
begin
  for _found in
    select distinct on (t.tbl)
           t.tbl, to_regclass(format('%I.%I', t.schema_name, t.table_name)) as relation, k.id as ticket, k.model
    from mlguard._table t
    join mlguard._table p on p.model is not null and (p.tbl = t.tbl or t.tbl = any (p.features))
    join mlguard._model_version v on v.model = p.model and v.state = 'champion'
    join mlguard._training_ticket k on k.id = v.ticket
    where t.baseline = 'version'
    order by t.tbl, p.tbl <> t.tbl, v.promoted_at desc
  loop
    continue when _found.relation is null or exists (
      select
      from mlguard._baseline b
      where b.tbl = _found.tbl and b.state = 'frozen'
        and b.source = format('ticket %s of model %s', _found.ticket, _found.model));
    begin
      perform mlguard._set_ticket_baseline(_found.relation, _found.ticket);
      _n := _n + 1;
    exception
      when invalid_parameter_value or object_not_in_prerequisite_state then
        null;  -- too few values in the window it was trained on: the baseline stays what it was
    end;
  end loop;
  return query values ('baselines of new champions', _n);
end
$$;
ALTER FUNCTION mlguard._sweep_version_baselines(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_version_baselines(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that follows `baseline: version`: what the champion was trained on is what its table of predictions, or a feature table it reads, is compared with.';
CREATE FUNCTION mlguard._sweep_windows(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _tbl text;
  _n bigint := 0;
begin
  for _tbl in
    select t.tbl
    from mlguard._table t
    where t.base is not null
      and exists (select from mlguard._slo s where s.tbl = t.tbl and s.level = 'window' and s.verdict is not null)
    order by t.tbl
  loop
    continue when not mlguard._lock_table(_tbl);
    _n := _n + mlguard._judge_windows(_tbl, p_as_of);
  end loop;
  return query values ('verdicts on windows', _n);
end
$$;
ALTER FUNCTION mlguard._sweep_windows(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_windows(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that judges windows.';
CREATE FUNCTION mlguard._sweep_withdrawals(p_as_of timestamp with time zone) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _verdict mlguard._verdict;
  _incident bigint;
  _id bigint;
  _n bigint := 0;
begin
  for _verdict in
    select v.*
    from mlguard._slo s
    join mlguard._verdict v on v.slo = s.id and v.current and v.outcome = 'FAIL' and v.window_start is not null
    where 'withdraw' = any (s.then_do) and not s.shadow and not mlguard.waived_v1(s.id)
      -- Pooled segments name no rows.
      and not v.segment ? '*'
      and not exists (
        select
        from mlguard._withdrawal w
        where w.slo = v.slo and w.window_start = v.window_start and md5(w.segment::text) = md5(v.segment::text))
    order by v.id
  loop
    insert into mlguard._withdrawal (tbl, slo, segment, window_start, window_end, verdict, observed, allowed)
    values (_verdict.tbl, _verdict.slo, _verdict.segment, _verdict.window_start, _verdict.window_end, _verdict.id,
            _verdict.observed, _verdict.allowed)
    on conflict do nothing
    returning id into _id;
    continue when _id is null;
    perform mlguard._record('withdraw', _verdict.slo, null,
                            jsonb_build_object('withdrawal', _id, 'from', _verdict.window_start, 'to', _verdict.window_end),
                            concat_ws(', ', _verdict.observed, _verdict.allowed));
    _incident := mlguard._incident_no(_verdict.slo);
    perform mlguard._tell_act(
      _incident,
      format('predictions of %s from %s to %s%s are withdrawn from readers: %s', _verdict.tbl,
             mlguard._minute(_verdict.window_start), mlguard._minute(_verdict.window_end),
             mlguard._for_segment(_verdict.segment, array(select jsonb_object_keys(_verdict.segment))),
             concat_ws(', ', _verdict.observed, _verdict.allowed)),
      jsonb_build_object('act', 'withdraw', 'withdrawal', _id, 'slo', _verdict.slo));
    _n := _n + 1;
  end loop;
  return query values ('windows withdrawn', _n);
end
$$;
ALTER FUNCTION mlguard._sweep_withdrawals(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._sweep_withdrawals(p_as_of timestamp with time zone) IS 'Private. The part of sweep() that takes predictions of failed windows away from readers.';
CREATE FUNCTION mlguard._take_profile(p_scope bigint, p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  delete from mlguard._profile p where p.scope = p_scope;
  with everything as materialized (
    select s.*
    from mlguard._learned_scope c
    cross join lateral mlguard._sample_of(p_tbl, p_start, p_end, p_batch, c.n) s
    where c.id = p_scope
  ), sample as (
    select e.* from everything e where e.column_name <> ''
  ), sized as (
    update mlguard._learned_scope c
    set k = coalesce((select max(cardinality(coalesce(e.nums::text[], e.texts))) from everything e), 0),
        positions = (
          select case when count(distinct u.at) = count(*) then array_agg(u.at::integer order by u.i) end
          from everything e
          cross join lateral unnest(e.nums) with ordinality u (at, i)
          where e.column_name = '')
    where c.id = p_scope
  ), number as (
    select v.column_name, array_agg(v.x order by v.x) as nums, array_agg(v.c order by v.x) as counts
    from (
      select s.column_name, u.x, count(*)::integer as c
      from sample s
      cross join lateral unnest(s.nums) u (x)
      where u.x <> 'NaN'
      group by s.column_name, u.x
    ) v
    group by v.column_name
  ), ordered as (
    select s.column_name, array_agg(u.x order by u.x) as xs, count(*) as m,
           mlguard._deviation(array_agg(u.x) filter (where abs(u.x) <= 1e100)) as deviation,
           mlguard._deviation(array_agg(ln(abs(u.x))) filter (where u.x <> 0 and abs(u.x) <= 1e100)) as logdeviation
    from sample s
    cross join lateral unnest(s.nums) u (x)
    where u.x <> 'NaN'
    group by s.column_name
  ), word as (
    select v.column_name, array_agg(v.x order by v.x collate "C") as texts, array_agg(v.c order by v.x collate "C") as counts,
           sum(v.c) as m
    from (
      select s.column_name, u.x, count(*)::integer as c
      from sample s
      cross join lateral unnest(s.texts) u (x)
      where u.x is not null
      group by s.column_name, u.x
    ) v
    group by v.column_name
  )
  insert into mlguard._profile
    (scope, column_name, m, nums, texts, counts, sketch, deviation, logdeviation, rows_nums, rows_texts)
  select p_scope, s.column_name, coalesce(o.m, w.m, 0), n.nums, w.texts, coalesce(n.counts, w.counts, '{}'),
         case when o.m <= 400 then o.xs
              when o.m > 400 then (
                select array_agg(o.xs[1 + (g.j * (o.m - 1) / 399)::integer] order by g.j) from generate_series(0, 399) g (j))
         end,
         o.deviation, o.logdeviation, s.nums, s.texts
  from sample s
  left join number n on n.column_name = s.column_name
  left join ordered o on o.column_name = s.column_name
  left join word w on w.column_name = s.column_name;
  -- A scope without rows is a scope all the same: its columns are those of the one before.
  insert into mlguard._profile (scope, column_name, m, counts, rows_nums, rows_texts)
  select p_scope, b.column_name, 0, '{}', case when b.rows_nums is not null then '{}'::double precision[] end,
         case when b.rows_texts is not null then '{}'::text[] end
  from mlguard._learned_scope c
  join mlguard._profile b on b.scope = mlguard._before(p_scope)
  where c.id = p_scope and c.k = 0
  on conflict do nothing;
$$;
ALTER FUNCTION mlguard._take_profile(p_scope bigint, p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._take_profile(p_scope bigint, p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint) IS 'Private. Profiles of the columns of a scope, from its sample.';
CREATE FUNCTION mlguard._take_turn(p_name text) RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform from mlguard._turn t where t.name = p_name for update skip locked;
  if found then
    return true;
  end if;
  if exists (select from mlguard._turn t where t.name = p_name) then
    return false;
  end if;
  return mlguard._new_turn(p_name);
end
$$;
ALTER FUNCTION mlguard._take_turn(p_name text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._take_turn(p_name text) IS 'Private. Takes a turn if it is free; true when this transaction has it.';
CREATE FUNCTION mlguard._taken_in(b mlguard._band, p_values double precision[], p_rows bigint[], p_slots integer[]) RETURNS mlguard._band
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- The whole past stays in these arrays, and each grows at its end, which does not copy it.
  _filled double precision[] := b.filled;
  _known boolean[] := b.known;
  _slots integer[] := b.slots;
  _units double precision[] := b.units;
  _r1 double precision[] := b.r1;
  _r2 double precision[] := b.r2;
  _r3 double precision[] := b.r3;
  _r4 double precision[] := b.r4;
  _r5 double precision[] := b.r5;
  _r6 double precision[] := b.r6;
  _new double precision[] := mlguard._steadied(b.class, p_values, coalesce(b.scale, 1));
  _least double precision[] := mlguard._units(b.class, p_rows, p_rows);
  _n integer := cardinality(b.filled);
  _m integer := cardinality(b.units);
  _s integer := cardinality(b.slots);
  _y double precision;
  _slot integer;
  -- The last 30 and the last 7 in order of size: a median is then read off.
  _by_size double precision[] := array(select u.y from unnest(b.filled[greatest(1, _n - 29) : _n]) u (y) order by u.y);
  _by_size_7 double precision[] := array(select u.y from unnest(b.filled[greatest(1, _n - 6) : _n]) u (y) order by u.y);
  _place integer;
  _m30 double precision;
  _m7 double precision;
  _weeks double precision;
  _same double precision;
  _low double precision;
  _high double precision;
  -- Where each slot came last, and where it had come before that.
  _latest integer[] := array_fill(0, array[24]);
  _earlier integer[] := array_fill(0, array[_n]);
  _a integer;
  _b integer;
  _c integer;
  _d integer;
begin
  for _i in 1 .. _s loop
    if _slots[_i] is not null then
      _earlier[_n - _s + _i] := _latest[_slots[_i] + 1];
      _latest[_slots[_i] + 1] := _n - _s + _i;
    end if;
  end loop;
  for _i in 1 .. coalesce(cardinality(p_values), 0) loop
    _y := _new[_i];
    _slot := p_slots[_i];
    -- The history of a series begins with its first value.
    continue when _y is null and _n = 0;
    _m30 := case when _n = 0 then null
                 when cardinality(_by_size) % 2 = 1 then _by_size[cardinality(_by_size) / 2 + 1]
                 else _by_size[cardinality(_by_size) / 2]
                      + 0.5 * (_by_size[cardinality(_by_size) / 2 + 1] - _by_size[cardinality(_by_size) / 2]) end;
    _m := _m + 1;
    if _n >= 7 then
      _m7 := _by_size_7[4];
      _weeks := _filled[_n - 6];
      if _n >= 21 then
        _weeks := greatest(least(_weeks, _filled[_n - 13]), least(greatest(_weeks, _filled[_n - 13]), _filled[_n - 20]));
      end if;
      _same := null;
      if _slot is not null then
        -- The last four on the same slot, of the last 35. Of four the middle two are the greater of the lesser and the
        -- lesser of the greater.
        _a := _latest[_slot + 1];
        _b := case when _a > 0 then _earlier[_a] else 0 end;
        if _b > 0 and _b > _n - 35 then
          _c := _earlier[_b];
          _d := case when _c > 0 then _earlier[_c] else 0 end;
          if _c > 0 and _c > _n - 35 and (_d = 0 or _d <= _n - 35) then
            _same := greatest(least(_filled[_a], _filled[_b]), least(greatest(_filled[_a], _filled[_b]), _filled[_c]));
          else
            _low := _filled[_a];
            _high := _filled[_b];
            if _d > 0 and _d > _n - 35 then
              _low := greatest(least(_filled[_a], _filled[_b]), least(_filled[_c], _filled[_d]));
              _high := least(greatest(_filled[_a], _filled[_b]), greatest(_filled[_c], _filled[_d]));
            end if;
            _same := least(_low, _high) + 0.5 * (greatest(_low, _high) - least(_low, _high));
          end if;
        end if;
      end if;
      _r1[_m] := _y - _m30;
      _r2[_m] := _y - _m7;
      _r3[_m] := _y - _filled[_n];
      _r4[_m] := _y - _filled[_n - 6];
      _r5[_m] := _y - _weeks;
      _r6[_m] := _y - _same;
    else
      _r1[_m] := null;
      _r2[_m] := null;
      _r3[_m] := null;
      _r4[_m] := null;
      _r5[_m] := null;
      _r6[_m] := null;
    end if;
    _units[_m] := _least[_i];
    _known[_m] := _y is not null;
    -- A scope without a value is taken to have been as usual.
    _y := coalesce(_y, _m30);
    if _n >= 30 then
      _place := width_bucket(_filled[_n - 29], _by_size);
      _by_size := _by_size[: _place - 1] || _by_size[_place + 1 :];
    end if;
    _place := width_bucket(_y, _by_size);
    _by_size := _by_size[: _place] || _y || _by_size[_place + 1 :];
    if _n >= 7 then
      _place := width_bucket(_filled[_n - 6], _by_size_7);
      _by_size_7 := _by_size_7[: _place - 1] || _by_size_7[_place + 1 :];
    end if;
    _place := width_bucket(_y, _by_size_7);
    _by_size_7 := _by_size_7[: _place] || _y || _by_size_7[_place + 1 :];
    _n := _n + 1;
    _s := _s + 1;
    _filled[_n] := _y;
    _slots[_s] := _slot;
    _earlier[_n] := 0;
    if _slot is not null then
      _earlier[_n] := _latest[_slot + 1];
      _latest[_slot + 1] := _n;
    end if;
  end loop;
  b.filled := _filled[greatest(1, _n - 199) : _n];
  b.known := _known[greatest(1, _m - 149) : _m];
  b.slots := _slots[greatest(1, _s - 34) : _s];
  b.units := _units[greatest(1, _m - 149) : _m];
  b.r1 := _r1[greatest(1, _m - 149) : _m];
  b.r2 := _r2[greatest(1, _m - 149) : _m];
  b.r3 := _r3[greatest(1, _m - 149) : _m];
  b.r4 := _r4[greatest(1, _m - 149) : _m];
  b.r5 := _r5[greatest(1, _m - 149) : _m];
  b.r6 := _r6[greatest(1, _m - 149) : _m];
  return b;
end
$$;
ALTER FUNCTION mlguard._taken_in(b mlguard._band, p_values double precision[], p_rows bigint[], p_slots integer[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._taken_in(b mlguard._band, p_values double precision[], p_rows bigint[], p_slots integer[]) IS 'Private. The band with more values in its past, oldest first: for each value the errors of the guesses that _guesses() makes.';
CREATE FUNCTION mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb) RETURNS TABLE(place bigint, column_name text, key text, edges double precision[], amount text, category text)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select row_number() over (order by w.column_name, w.key), w.column_name, w.key, w.edges, w.amount, w.category
  from (
    select c.column_name, format('bins(%s)', c.spelled) as key,
           array(select e.edge::double precision
                 from jsonb_array_elements_text(p_edges -> c.column_name) e (edge)
                 order by 1) as edges,
           c.amount, null as category
    from mlguard._cell_sql(p_tbl, p_relation) c
    where c.in_bins and jsonb_typeof(p_edges -> c.column_name) = 'array'
    union all
    select c.column_name, format('values(%s)', c.spelled), null, null, c.category
    from mlguard._cell_sql(p_tbl, p_relation) c
    where c.in_values and p_edges ? c.column_name
  ) w
$$;
ALTER FUNCTION mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb) IS 'Private. What _tally() counts, numbered: columns in bins, and columns value by value.';
CREATE FUNCTION mlguard._tally(p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone, p_left_out tstzmultirange DEFAULT '{}'::tstzmultirange) RETURNS TABLE(column_name text, key text, kind text, edges double precision[], counts bigint[], categories jsonb, other bigint, n bigint, missing bigint)
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _query text;
begin
  if not exists (select from mlguard._tallied(p_tbl, p_relation, p_edges)) then
    return;
  end if;
  -- Bin i holds the values above edge i - 1 and up to edge i: width_bucket over the mirrored edges counts from above.
  select format(
    $statement$
      with counted as (
        select c.place, c.name, count(*) as n
        from %s as t
        cross join lateral (values %s) as c (place, name)
        where %s
        group by c.place, c.name
      ), ranked as (
        select c.*,
               row_number() over (partition by c.place, c.name is null order by c.n desc, c.name collate "C") as rank
        from counted c
      )
      select r.place,
             coalesce(jsonb_object_agg(r.name, r.n) filter (where r.name is not null and r.rank <= 1000), '{}'),
             coalesce(sum(r.n) filter (where r.name is not null and r.rank > 1000), 0)::bigint,
             coalesce(sum(r.n) filter (where r.name is not null), 0)::bigint,
             coalesce(sum(r.n) filter (where r.name is null), 0)::bigint
      from ranked r
      group by r.place
    $statement$,
    p_relation,
    string_agg(format('(%s, %s)', c.place, case
      when c.edges is null then c.category
      else format('(%s - width_bucket(-(%s), %L::double precision[]))::text', cardinality(c.edges), c.amount,
                  array(select -e.edge from unnest(c.edges) e (edge) order by e.edge desc))
    end), ', '),
    p_where)
  into _query
  from mlguard._tallied(p_tbl, p_relation, p_edges) c;
  return query execute format(
    $statement$
      select c.column_name, c.key, case when c.edges is null then 'category' else 'number' end, c.edges,
             case when c.edges is not null then array(
               select coalesce((f.names ->> b.bin::text)::bigint, 0)
               from generate_series(0, cardinality(c.edges)) b (bin)
               order by b.bin)
             end,
             case when c.edges is null then f.names end, f.other, f.n, f.missing
      from mlguard._tallied($4, $5, $6) c
      join (%s) f (place, names, other, n, missing) on f.place = c.place
    $statement$, _query)
  using p_from, p_to, p_left_out, p_tbl, p_relation, p_edges;
end
$_$;
ALTER FUNCTION mlguard._tally(p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tally(p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) IS 'Private. Counts the rows of a relation by bins and categories, in one pass; p_edges: {column: edges, or null}.';
CREATE FUNCTION mlguard._tbl(p_table regclass) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._tell_act(p_incident bigint, p_words text, p_payload jsonb) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._outbox (incident, alarm, event, severity, recipients, subject, body, payload)
  select i.id, coalesce(i.alarm, i.cause, i.id), 'acted', i.severity, mlguard._recipients(coalesce(i.cause, i.id)), p_words,
         p_words, p_payload
  from mlguard._incident i
  where i.id = p_incident
$$;
ALTER FUNCTION mlguard._tell_act(p_incident bigint, p_words text, p_payload jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tell_act(p_incident bigint, p_words text, p_payload jsonb) IS 'Private. Announces what was done because of an incident.';
CREATE FUNCTION mlguard._tell_incidents() RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident;
  _all text[];
  _new text[];
  _event text;
  _wanted boolean;
  _told bigint := 0;
begin
  -- What the outbox told last is compared with what is so: one line per change, however often this runs.
  for _incident in
    select i.*
    from mlguard._incident i
    where i.id in (
      select c.id from mlguard._incident c where c.cause is null and c.told is distinct from c.state
      union all
      select c.id from mlguard._incident c where c.cause is null and c.state <> 'resolved')
    order by i.id
  loop
    _all := mlguard._recipients(_incident.id);
    _new := array(select a.name from unnest(_all) a (name) where a.name <> all (_incident.told_to));
    _event := case
      when _incident.told is null and _incident.state = 'resolved' then null  -- over before anybody was told
      when _incident.told is null then 'opened'
      when _incident.told = 'resolved' and _incident.state <> 'resolved' then
        case when _incident.told_severity is null then 'opened' else 'reopened' end
      when _incident.told <> 'resolved' and _incident.state = 'resolved' then 'resolved'
      when mlguard._severity_rank(_incident.severity) > mlguard._severity_rank(_incident.told_severity) then 'escalated'
      when _incident.told <> _incident.state then
        case _incident.state when 'open' then 'reopened' else _incident.state end
      when _new <> '{}' and _incident.state <> 'resolved' then 'escalated'
    end;
    if _event is null then
      update mlguard._incident i set told = i.state where i.id = _incident.id and i.told is distinct from i.state;
      continue;
    end if;
    -- Who was told once is told the rest, too.
    _wanted := coalesce(_incident.told <> 'resolved', false)
      or not exists (
        select from mlguard._slo s where s.id = _incident.slo and not 'notify' = any (s.then_do))
      or exists (
        select
        from mlguard._incident c
        join mlguard._slo s on s.id = c.slo
        where c.cause = _incident.id and c.state <> 'resolved' and 'notify' = any (s.then_do));
    continue when not _wanted;
    if _incident.alarm is null then
      -- Its own number may be the alarm that its cause took over.
      _incident.alarm := case
        when exists (select from mlguard._incident o where o.alarm = _incident.id and o.alarm <> o.id) then
          nextval('mlguard.incident_id')
        else _incident.id
      end;
    end if;
    update mlguard._incident i
    set alarm = _incident.alarm, told = i.state, told_severity = i.severity,
        told_to = array(select distinct p.name from unnest(i.told_to || _all) p (name) order by p.name)
    where i.id = _incident.id;
    perform mlguard._say(
      _incident.id, _event, _incident.alarm,
      case
        when _event = 'resolved' then _incident.told_to
        when _event = 'escalated' and _incident.severity = _incident.told_severity then _new
        else _all
      end);
    _told := _told + 1;
  end loop;
  return _told;
end
$$;
ALTER FUNCTION mlguard._tell_incidents() OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tell_incidents() IS 'Private. Writes the lines of the outbox that are due; returns how many.';
CREATE FUNCTION mlguard._text_series(p_scope bigint, p_before bigint) RETURNS TABLE(column_name text, metric text, value double precision)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_nestloop TO 'off'
    SET jit TO 'off'
    AS $$
  select p.column_name, s.metric, s.value
  from mlguard._profile p
  join mlguard._learned_scope c on c.id = p.scope
  left join mlguard._reference r on r.tbl = c.tbl and r.over = c.over and r.column_name = p.column_name and r.texts is not null
  left join mlguard._profile b on b.scope = p_before and b.column_name = p.column_name and b.m > 0
  cross join lateral (
    select max(abs(coalesce(u.c, 0)::double precision / p.m - coalesce(h.share, 0))) as linf,
           max(u.c::double precision / p.m - coalesce(h.share, 0)) as spike
    from unnest(p.texts, p.counts) u (x, c)
    full join unnest(r.texts, r.shares) h (x, share) on h.x = u.x
  ) change
  cross join lateral (
    select coalesce(sum(u.c) filter (where v.value is null), 0)::double precision / p.m as new,
           coalesce(sum(u.c) filter (where v.value is null and h.value is null), 0)::double precision / p.m as shape
    from unnest(p.texts, p.counts) u (x, c)
    left join mlguard._seen v
      on v.tbl = c.tbl and v.over = c.over and v.what = 'value' and v.name = p.column_name and v.value = u.x
    -- A value seen before has a shape seen before.
    left join mlguard._seen h
      on h.tbl = c.tbl and h.over = c.over and h.what = 'shape' and h.name = p.column_name
      and h.value = case when v.value is null then mlguard._shape(u.x) end
  ) unseen
  cross join lateral (
    select coalesce(sum(least(u.c::double precision / p.m, o.c::double precision / b.m)), 0) as overlap
    from unnest(p.texts, p.counts) u (x, c)
    join unnest(b.texts, b.counts) o (x, c) on o.x = u.x
  ) lap
  cross join lateral (
    -- A column that came later has a band from its first scope on.
    select exists (
             select from mlguard._band y
             where y.tbl = c.tbl and y.over = c.over and y.segment = '{}'
               and y.metric = format('usual_null(%s)', p.column_name)) as any_before
  ) past
  cross join lateral (values
    ('linf', case when r.texts is not null then change.linf end),
    ('spike', case when r.texts is not null then greatest(change.spike, 0) end),
    ('new', case when past.any_before and not mlguard._overfull(c.tbl, c.over, 'value', p.column_name) then unseen.new end),
    ('shape', case when past.any_before and not mlguard._overfull(c.tbl, c.over, 'shape', p.column_name) then unseen.shape end),
    ('overlap', case when b.m > 0 then lap.overlap end)
  ) s (metric, value)
  where p.scope = p_scope and p.rows_texts is not null and p.m > 0
$$;
ALTER FUNCTION mlguard._text_series(p_scope bigint, p_before bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._text_series(p_scope bigint, p_before bigint) IS 'Private. Series of the other columns of a scope, against the pooled reference, the scope before and all ever seen.';
CREATE FUNCTION mlguard._tick(p_tbl text) RETURNS timestamp with time zone
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
  select greatest(
    clock_timestamp(),
    interval '1 microsecond' + (
      select b.changed_at from mlguard._bucket b where b.tbl = p_tbl order by b.changed_at desc limit 1),
    interval '1 microsecond' + (
      select b.shrunk_at from mlguard._bucket b where b.tbl = p_tbl and b.shrunk_at is not null
      order by b.shrunk_at desc limit 1),
    interval '1 microsecond' + (select max(w.checked_to) from mlguard._window w where w.tbl = p_tbl))
$$;
ALTER FUNCTION mlguard._tick(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._tick(p_tbl text) IS 'Private. Now; or, where the clock was put back, just after all that was noted of the buckets of a table. The caller has its lock.';
CREATE FUNCTION mlguard._ticket_named(p_source text) RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _name text := substr(p_source, position(' ' in p_source) + 1);
  _version mlguard._model_version;
  _ticket bigint;
begin
  if p_source like 'ticket %' then
    select t.id into _ticket from mlguard._training_ticket t where t.id::text = _name;
    if _ticket is null then
      raise exception using
        errcode = 'undefined_object', message = format('mlguard: there is no training ticket %s', _name),
        hint = 'select id, model, from_at, to_at from mlguard.training_ticket';
    end if;
    return _ticket;
  end if;
  select v.* into _version from mlguard._model_version v where v.model || ':' || v.version = _name;
  if _version.model is null then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: no version %s is registered', _name),
      hint = 'Write it as model:version; mlguard models list shows them.';
  elsif _version.ticket is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s was not trained with a ticket, so nobody knows on what',
                       _version.model, _version.version),
      hint = 'Register what was trained with its ticket: mlguard.begin_training() gives one.';
  end if;
  return _version.ticket;
end
$$;
ALTER FUNCTION mlguard._ticket_named(p_source text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._ticket_named(p_source text) IS 'Private. The ticket that `ticket N` or `version model:version` means.';
CREATE FUNCTION mlguard._together(p_one mlguard._incident, p_other mlguard._incident) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_one.over = 'batch' and p_other.over = 'batch' then p_one.first_batch = p_other.first_batch
    -- While columns are missing or retyped whatever fails on the table fails because of it.
    when p_one.over = 'schema' and p_other.opened_at >= p_one.opened_at
         or p_other.over = 'schema' and p_one.opened_at >= p_other.opened_at then true
    when isempty(p_one.scope * p_other.scope) then false
    -- At least half of the shorter one lies in the longer one: the end of a feed also lies in the last day it filled.
    else coalesce(
      extract(epoch from upper(p_one.scope * p_other.scope) - lower(p_one.scope * p_other.scope))
      >= 0.5 * least(extract(epoch from upper(p_one.scope) - lower(p_one.scope)),
                     extract(epoch from upper(p_other.scope) - lower(p_other.scope))),
      true)
  end
$$;
ALTER FUNCTION mlguard._together(p_one mlguard._incident, p_other mlguard._incident) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._together(p_one mlguard._incident, p_other mlguard._incident) IS 'Private. Whether two incidents of one table began in the same batch, or in the same stretch of time.';
CREATE FUNCTION mlguard._trigger_on(p_trigger oid, p_relation oid) RETURNS text
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._trigger_on(p_trigger oid, p_relation oid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._trigger_on(p_trigger oid, p_relation oid) IS 'Private. CREATE TRIGGER for a trigger as it would hang on another relation.';
CREATE FUNCTION mlguard._unhook(p_child regclass) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard._unhook(p_child regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._unhook(p_child regclass) IS 'Private. Takes the triggers of a guarded table off a table that is no partition of it: what is written there would be counted as the other''s.';
CREATE FUNCTION mlguard._unit(p_class text, p_n bigint, p_k bigint) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (mlguard._units(p_class, array[p_n], array[p_k]))[1]
$$;
ALTER FUNCTION mlguard._unit(p_class text, p_n bigint, p_k bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._unit(p_class text, p_n bigint, p_k bigint) IS 'Private. _units() of one value.';
CREATE FUNCTION mlguard._units(p_class text, p_n bigint[], p_k bigint[]) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select array_agg(
           case p_class
             when 'share' then greatest(0.4 / sqrt(greatest(u.k, 1)), 0.01)
             when 'count' then greatest(0.02, 0.5 / (1 + greatest(u.n, 1)))
             when 'information' then greatest(1 / sqrt(greatest(u.k, 1)), 0.03)
             else greatest(1.25 / sqrt(greatest(u.k, 1)), 0.02)
           end
           order by u.i)
  from unnest(p_n::double precision[], p_k::double precision[]) with ordinality u (n, k, i)
$$;
ALTER FUNCTION mlguard._units(p_class text, p_n bigint[], p_k bigint[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._units(p_class text, p_n bigint[], p_k bigint[]) IS 'Private. The least error that counts as one: sampling noise of so many rows, or the smallest effect worth a word.';
CREATE FUNCTION mlguard._unmerge(p_from jsonb, p_gone jsonb) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _left jsonb;
  _stale jsonb;
begin
  if coalesce(p_gone, '{}') = '{}' then
    return coalesce(p_from, '{}');
  end if;
  -- No row left: every state is that of no rows, exactly, whatever rounding or staleness there was.
  if (p_from ->> 'n')::numeric = (p_gone ->> 'n')::numeric then
    return '{"n": 0}';
  end if;
  select jsonb_object_agg(s.key, s.value) filter (where s.value is not null),
         jsonb_agg(s.key order by s.key) filter (where s.stale)
  into _left, _stale
  from (
    select key, mlguard._less(key, f.value, g.value) as value,
           mlguard._made_stale(key, f.value, g.value) or p_from -> 'stale' ? key or p_gone -> 'stale' ? key as stale
    from jsonb_each(coalesce(p_from, '{}') - 'stale') f
    full join jsonb_each(p_gone - 'stale') g using (key)
  ) s;
  return coalesce(_left, '{}') || case when _stale is null then '{}' else jsonb_build_object('stale', _stale) end;
end
$$;
ALTER FUNCTION mlguard._unmerge(p_from jsonb, p_gone jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._unmerge(p_from jsonb, p_gone jsonb) IS 'Private. A document without the rows of another; "stale" lists states that only a recount can tell.';
CREATE FUNCTION mlguard._unsteady(p_class text, p_y double precision, p_scale double precision) RETURNS double precision
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case p_class
    when 'share' then case when p_y < 1e-100 then 0 else power(sin(least(p_y, pi() / 2)), 2) end
    when 'count' then greatest(exp(least(greatest(p_y, 0), 700)) - 1, 0)
    when 'information' then least(exp(least(greatest(p_y, -700), 700)), 1)
    when 'location' then
      case when abs(p_y) < 1e-100 then 0
           else sinh(least(greatest(p_y, -350), 350)) * least(greatest(p_scale, 1e-100), 1e150) end
  end
$$;
ALTER FUNCTION mlguard._unsteady(p_class text, p_y double precision, p_scale double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._unsteady(p_class text, p_y double precision, p_scale double precision) IS 'Private. The inverse of _steady.';
CREATE FUNCTION mlguard._upstream(p_tbl text) RETURNS TABLE(tbl text, depth integer)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  with recursive above as (
    select i.tbl, 1 as depth
    from mlguard._table t, unnest(t.inputs) i (tbl)
    where t.tbl = p_tbl
    union
    select i.tbl, a.depth + 1
    from above a
    join mlguard._table t on t.tbl = a.tbl, unnest(t.inputs) i (tbl)
    where a.depth < 20
  )
  select a.tbl, max(a.depth) from above a where a.tbl <> p_tbl group by a.tbl
$$;
ALTER FUNCTION mlguard._upstream(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._upstream(p_tbl text) IS 'Private. Tables that a table is made from, directly or not, and how far away; 20 steps at most, for circles.';
CREATE FUNCTION mlguard._use_baseline(p_table mlguard._table, p_version integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform mlguard._freeze_baseline(p_table.tbl, p_version);
  -- Buckets counted before the edges were in use have none of their bins.
  if mlguard._counted_by_time(p_table) then
    perform mlguard._recount(p_table.tbl, p_table.recount, null, null);
  end if;
  perform mlguard._count_baseline(p_table, p_version);
end
$$;
ALTER FUNCTION mlguard._use_baseline(p_table mlguard._table, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._use_baseline(p_table mlguard._table, p_version integer) IS 'Private. Puts a version of a baseline in use, counts the buckets by its edges, and from them what it holds.';
CREATE FUNCTION mlguard._verdict_of(p_slo mlguard._slo, p_c jsonb) RETURNS mlguard._verdict
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _v mlguard._verdict;
begin
  _v.slo := p_slo.id;
  _v.tbl := p_slo.tbl;
  _v.over := p_c ->> 'over';
  _v.batch := p_c ->> 'batch';
  _v.window_start := p_c ->> 'start';
  _v.window_end := p_c ->> 'end';
  _v.segment := coalesce(p_c -> 'segment', '{}');
  _v.metrics := '{}';
  _v.vals := '{}';
  _v.allowed := p_slo.allowed;
  return _v;
end
$$;
ALTER FUNCTION mlguard._verdict_of(p_slo mlguard._slo, p_c jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._verdict_of(p_slo mlguard._slo, p_c jsonb) IS 'Private. A verdict before anything is found.';
CREATE FUNCTION mlguard._veto(p_id bigint, p_as_of timestamp with time zone) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
  _before text;
  _vetoes jsonb;
begin
  -- The caller has the lock of the row.
  select r.* into _request from mlguard._retrain_request r where r.id = p_id;
  _before := _request.state;
  _vetoes := mlguard._vetoes(_request.model, p_as_of - (mlguard._policy(_request.model)).training, p_as_of);
  if (_vetoes = '[]') = (_before = 'requested') and _vetoes = _request.vetoes then
    return _before;
  end if;
  update mlguard._retrain_request r
  set state = case when _vetoes = '[]' then 'requested' else 'vetoed' end,
      vetoes = _vetoes,
      vetoed_at = case when _vetoes = '[]' then null else coalesce(r.vetoed_at, clock_timestamp()) end
  where r.id = p_id
  returning r.* into _request;
  if _request.state <> _before then
    perform mlguard._record_retrain(
      case _request.state when 'vetoed' then 'veto retrain' else 'release retrain' end, _request,
      coalesce(_vetoes -> 0 ->> 'why', 'the inputs are good again'));
  end if;
  return _request.state;
end
$$;
ALTER FUNCTION mlguard._veto(p_id bigint, p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._veto(p_id bigint, p_as_of timestamp with time zone) IS 'Private. Vetoes a request while its inputs are bad, and takes the veto back when they are good; returns its state.';
CREATE FUNCTION mlguard._vetoes(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS jsonb
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(jsonb_agg(jsonb_build_object('table', f.tbl, 'slo', f.slo, 'why', f.why) order by f.tbl, f.slo, f.why), '[]')
  from mlguard._input_faults(p_model, p_from, p_to) f
$$;
ALTER FUNCTION mlguard._vetoes(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._vetoes(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. The same as one JSON array.';
CREATE FUNCTION mlguard._volume(p_volume jsonb, p_at timestamp with time zone, OUT n bigint, OUT since timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
begin
  execute format('select c.n, c.since from %s($1) c', p_volume ->> 'counter') into n, since using p_at;
end
$_$;
ALTER FUNCTION mlguard._volume(p_volume jsonb, p_at timestamp with time zone, OUT n bigint, OUT since timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._volume(p_volume jsonb, p_at timestamp with time zone, OUT n bigint, OUT since timestamp with time zone) IS 'Private. How many rows the window of a volume has that ends at a time, counted up to the number wanted, and its start.';
CREATE FUNCTION mlguard._volumes(p_tbl text, p_at timestamp with time zone) RETURNS TABLE(slo text, holds boolean, n bigint, wanted bigint, since timestamp with time zone, event_time text, words text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select s.id, s.action = 'hold' and not s.shadow, c.n, w.wanted, c.since, t.event_time,
         case
           when c.n >= w.wanted then format('at least %s %s', w.wanted, case w.wanted when 1 then 'row' else 'rows' end)
           when c.n = 0 then 'no rows'
           when c.n = 1 then '1 row'
           else format('%s rows', c.n)
         end || ' of ' || (s.volume ->> 'of')
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join lateral (select (s.volume ->> 'least')::bigint as wanted) w
  cross join lateral mlguard._volume(s.volume, p_at) c
  where s.level = 'read' and s.volume is not null and s.tbl = p_tbl
  order by s.no
$$;
ALTER FUNCTION mlguard._volumes(p_tbl text, p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._volumes(p_tbl text, p_at timestamp with time zone) IS 'Private. The volumes of a table at a time: how many rows there are, how many there must be.';
CREATE FUNCTION mlguard._wait_table(p_tbl text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._wait_turn('table ' || p_tbl)
$$;
ALTER FUNCTION mlguard._wait_table(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._wait_table(p_tbl text) IS 'Private. Waits for the lock of a table''s buckets and windows.';
CREATE FUNCTION mlguard._wait_turn(p_name text) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  perform from mlguard._turn t where t.name = p_name for update;
  if not found then
    insert into mlguard._turn (name) values (p_name) on conflict do nothing;
    perform from mlguard._turn t where t.name = p_name for update;
  end if;
end
$$;
ALTER FUNCTION mlguard._wait_turn(p_name text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._wait_turn(p_name text) IS 'Private. Waits for a turn.';
CREATE FUNCTION mlguard._waits(p_slo mlguard._slo) RETURNS boolean
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select exists (select from unnest(p_slo.metrics) m (metric) where m.metric ~ '\m(row_count|count|sum|distinct_count)\(')
$$;
ALTER FUNCTION mlguard._waits(p_slo mlguard._slo) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._waits(p_slo mlguard._slo) IS 'Private. Whether an SLO asks how much there is, which of a load that was begun is not known before it has ended.';
CREATE FUNCTION mlguard._warn_baseline(p_tbl text, p_version integer) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _without text := (
    select string_agg(w.column_name, ', ') from mlguard._baseline_wanted(p_tbl, p_version) w where not w.present);
begin
  if _without is not null then
    raise warning using
      message = format('mlguard: baseline %s of %s lacks %s: fewer than 200 values there', p_version, p_tbl, _without),
      hint = 'SLOs that compare them are INSUFFICIENT until a baseline has them.';
  end if;
end
$$;
ALTER FUNCTION mlguard._warn_baseline(p_tbl text, p_version integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._warn_baseline(p_tbl text, p_version integer) IS 'Private. Names the columns that a baseline lacks.';
CREATE FUNCTION mlguard._window_end(p_length text, p_zone text, p_start timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select (mlguard._window_floor(p_length, p_start at time zone p_zone) + p_length::interval) at time zone p_zone
$$;
ALTER FUNCTION mlguard._window_end(p_length text, p_zone text, p_start timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._window_end(p_length text, p_zone text, p_start timestamp with time zone) IS 'Private. End of the calendar window that begins at a time: a day has 23 or 25 hours where the clock is changed.';
CREATE FUNCTION mlguard._window_floor(p_length text, p_local timestamp without time zone) RETURNS timestamp without time zone
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _length interval := p_length;
  _months integer := extract(year from _length) * 12 + extract(month from _length);
  _days integer := extract(day from _length);
  _seconds numeric := extract(epoch from _length);
  _origin constant timestamp := '2001-01-01';
begin
  if _months > 0 then
    return _origin + floor(
      ((extract(year from p_local) - 2001) * 12 + extract(month from p_local) - 1) / _months) * _months * interval '1 month';
  elsif _days > 0 then
    return _origin + floor((p_local::date - _origin::date)::numeric / _days) * _days * interval '1 day';
  end if;
  return date_trunc('day', p_local)
         + floor(extract(epoch from p_local - date_trunc('day', p_local)) / _seconds) * _length;
end
$$;
ALTER FUNCTION mlguard._window_floor(p_length text, p_local timestamp without time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._window_floor(p_length text, p_local timestamp without time zone) IS 'Private. The local time at which the window of a length begins: days counted from Monday 2001-01-01, hours and minutes from midnight.';
CREATE FUNCTION mlguard._window_sample(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS TABLE(column_name text, n bigint, k integer, nums double precision[], texts text[])
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select p.*
  from mlguard._pool_samples(array(
    select s.id from mlguard._sample s where s.tbl = p_tbl and s.bucket >= p_from and s.bucket < p_to)) p
$$;
ALTER FUNCTION mlguard._window_sample(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._window_sample(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Private. The sample of the rows of a window, one row a column.';
CREATE FUNCTION mlguard._window_start(p_length text, p_zone text, p_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._window_floor(p_length, p_at at time zone p_zone) at time zone p_zone
$$;
ALTER FUNCTION mlguard._window_start(p_length text, p_zone text, p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._window_start(p_length text, p_zone text, p_at timestamp with time zone) IS 'Private. Start of the calendar window that a time falls in, by the clock of a time zone.';
CREATE FUNCTION mlguard._window_states(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone, p_segments boolean) RETURNS TABLE(segment jsonb, states jsonb)
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
  select b.segment, mlguard.merge_v1(b.states)
  from mlguard._bucket b
  where b.tbl = p_tbl and b.bucket >= p_from and b.bucket < p_to and b.n <> 0 and (p_segments or b.segment = '{}')
  group by b.segment
$$;
ALTER FUNCTION mlguard._window_states(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone, p_segments boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._window_states(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone, p_segments boolean) IS 'Private. States of a window, by segment, or of all its rows only.';
CREATE FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard._worst(p_errors double precision[], p_units double precision[], p_spread double precision, p_side text) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- The worst errors upward and downward, in units; of both-sided series neither counts for less than .6 of the other.
  select case p_side
           when 'both' then array[greatest(t.up, 0.6 * t.any), greatest(t.down, 0.6 * t.any)]
           else array[t.up, t.down]
         end
  from (
    select case when count(*) < 40 then max(greatest(s.s, 0))
                else (select avg(x.v) from (select v from unnest(array_agg(greatest(s.s, 0))) v order by v desc limit 2) x) end as up,
           case when count(*) < 40 then max(greatest(-s.s, 0))
                else (select avg(x.v) from (select v from unnest(array_agg(greatest(-s.s, 0))) v order by v desc limit 2) x) end as down,
           case when count(*) < 40 then max(abs(s.s))
                else (select avg(x.v) from (select v from unnest(array_agg(abs(s.s))) v order by v desc limit 2) x) end as any
    from (
      select e.r / greatest(p_spread, e.unit) as s
      from unnest(p_errors, p_units) e (r, unit)
      where e.r is not null
    ) s
  ) t
$$;
ALTER FUNCTION mlguard._worst(p_errors double precision[], p_units double precision[], p_spread double precision, p_side text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._worst(p_errors double precision[], p_units double precision[], p_spread double precision, p_side text) IS 'Private. The worst past errors of a guess, up and down; from 40 errors on the mean of the two worst.';
CREATE FUNCTION mlguard._written(p_target oid) RETURNS TABLE(tbl text, kept_out bigint, mended bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select t.tbl,
         (select count(*) from mlguard._quarantine q where q.batch = b.id),
         (select count(distinct (c.key, c.row_hash)) from mlguard._change c where c.batch = b.id and not c.pending)
  from pg_class r
  join pg_namespace s on s.oid = r.relnamespace
  join mlguard._table t on t.schema_name = s.nspname and t.table_name = r.relname
  left join mlguard._batch b
    on b.xid = pg_current_xact_id_if_assigned() and b.tbl = t.tbl and b.opened_at = transaction_timestamp()
  where r.oid = p_target
$$;
ALTER FUNCTION mlguard._written(p_target oid) OWNER TO postgres;
COMMENT ON FUNCTION mlguard._written(p_target oid) IS 'Private. Of a guarded table: rows kept out and mended in this transaction; no line where it is not guarded.';
CREATE FUNCTION mlguard.accuracy_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return (_c[1] + _c[4]) / nullif(_c[1] + _c[2] + _c[3] + _c[4], 0);
end
$$;
ALTER FUNCTION mlguard.accuracy_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.accuracy_v1(p_states jsonb, p_key text) IS 'Share of right predictions, from [tp, fp, fn, tn].';
CREATE FUNCTION mlguard.ack(p_id bigint, p_reason text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident := mlguard._alarm_of(mlguard._acted_on(p_id, 'acknowledge'));
begin
  update mlguard._incident i
  set state = 'acknowledged', acked_at = clock_timestamp(), acked_by = session_user, acked_reason = p_reason
  where i.id = _incident.id;
  perform mlguard._record('acknowledge', 'incident ' || _incident.id, jsonb_build_object('state', _incident.state),
                          jsonb_build_object('state', 'acknowledged', 'slo', _incident.slo), p_reason);
  perform mlguard._tell_incidents();
  return _incident.id;
end
$$;
ALTER FUNCTION mlguard.ack(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.ack(p_id bigint, p_reason text) IS 'Says that somebody works on an incident. Of a consequence the incident that alerts is acknowledged; its number is returned.';
CREATE FUNCTION mlguard.acting_v1(p_tbl text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select exists (
    select from mlguard._acting a where a.tbl = p_tbl and a.xid = pg_current_xact_id_if_assigned())
$$;
ALTER FUNCTION mlguard.acting_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.acting_v1(p_tbl text) IS 'Whether mlguard itself is writing what a person decided.';
CREATE FUNCTION mlguard.add_sample_v1(p_tbl text, p_bucket timestamp with time zone, p_n bigint, p_k integer, p_column text, p_nums double precision[], p_texts text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
  end if;
  insert into mlguard._sample (tbl, batch, bucket, n, k, column_name, nums, texts)
  values (p_tbl, _batch, p_bucket, p_n, p_k, p_column, p_nums, p_texts);
end
$$;
ALTER FUNCTION mlguard.add_sample_v1(p_tbl text, p_bucket timestamp with time zone, p_n bigint, p_k integer, p_column text, p_nums double precision[], p_texts text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.add_sample_v1(p_tbl text, p_bucket timestamp with time zone, p_n bigint, p_k integer, p_column text, p_nums double precision[], p_texts text[]) IS 'Appends one column of a sample of the rows that a statement wrote, of one bucket.';
CREATE FUNCTION mlguard.add_states_v1(p_tbl text, p_op text, p_sign integer, p_bucket timestamp with time zone, p_segment jsonb, p_n bigint, p_states jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
    if p_sign < 0 then
      -- What is taken away may mend a batch that is held: COMMIT looks.
      perform mlguard.landed_v1(p_tbl, 0, '{}');
    end if;
  end if;
  insert into mlguard._state (tbl, batch, bucket, segment, sign, op, n, states)
  values (p_tbl, _batch, p_bucket, p_segment, p_sign, p_op, p_n, p_states);
end
$$;
ALTER FUNCTION mlguard.add_states_v1(p_tbl text, p_op text, p_sign integer, p_bucket timestamp with time zone, p_segment jsonb, p_n bigint, p_states jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.add_states_v1(p_tbl text, p_op text, p_sign integer, p_bucket timestamp with time zone, p_segment jsonb, p_n bigint, p_states jsonb) IS 'Appends the states of rows that a statement wrote (sign 1) or took away (sign -1), of one bucket and segment.';
CREATE FUNCTION mlguard.approve(p_model text, p_version text, p_reason text DEFAULT NULL::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _version mlguard._model_version := mlguard._locked_version(p_model, p_version);
begin
  -- session_user: SET ROLE does not change who somebody is.
  if _version.author = session_user then
    raise exception using
      errcode = 'insufficient_privilege',
      message = format('mlguard: model %s version %s was registered by %s: its author may not approve it',
                       p_model, p_version, _version.author),
      hint = 'Another member of mlguard_platform, logged in as somebody else, approves it; SET ROLE does not help.';
  end if;
  if _version.state not in ('registered', 'retired') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is approved already, by %s', p_model, p_version, _version.approver);
  end if;
  update mlguard._model_version v
  set state = 'approved', approver = session_user, approved_at = clock_timestamp(), retired_by = null, retired_at = null
  where v.model = p_model and v.version = p_version;
  perform mlguard._record_model('approve', p_model, p_version, jsonb_build_object('state', _version.state),
                                jsonb_build_object('state', 'approved', 'author', _version.author), p_reason);
  return 'approved';
end
$$;
ALTER FUNCTION mlguard.approve(p_model text, p_version text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.approve(p_model text, p_version text, p_reason text) IS 'Lets a version write predictions where approval is required. Its author may not: who logged in counts, not the role.';
CREATE FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(slo text, holds boolean, due timestamp with time zone, wanted timestamp with time zone, arrived boolean, words text)
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select s.id, s.action = 'hold' and not s.shadow, a.due, a.wanted, a.arrived,
         format('%s by %s %s, newest %s is %s',
                case when a.arrived then 'data came' else 'nothing new had come' end,
                to_char(a.due at time zone (s.arrives ->> 'zone'), 'YYYY-MM-DD HH24:MI'), s.arrives ->> 'zone',
                coalesce(t.event_time, 'event time'), coalesce(mlguard._minute(n.newest), 'unknown'))
         || case
              when a.arrived then ''
              else format(', wanted %s or later', mlguard._minute(a.wanted))
            end
  from mlguard._slo s
  join mlguard._table t on t.tbl = s.tbl
  cross join lateral mlguard._arrival(s.tbl, s.arrives, p_at) a
  left join lateral (
    select f.newest from mlguard._freshness f where f.tbl = t.tbl and f.newest <= p_at order by f.newest desc limit 1
  ) n on true
  where s.level = 'read' and s.arrives is not null and s.tbl = p_tbl
$$;
ALTER FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) IS 'The arrives_by of a table at a time: its last deadline, from which event time on data was wanted by then, whether such data was written since the deadline before.';
CREATE FUNCTION mlguard.assert_ok(p_table regclass) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- A table nobody guards is not known to be good: a breaker that says nothing then would be of no use.
  perform mlguard.guard_v1(mlguard._tbl(p_table));
end
$$;
ALTER FUNCTION mlguard.assert_ok(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.assert_ok(p_table regclass) IS 'Raises ML001 while the gate of a table is closed, as a guarded read does: the circuit breaker of pipelines.';
CREATE FUNCTION mlguard.assertion_due_v1(p_slo text, p_version text, p_keys text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _places pg_catalog.jsonb := coalesce(
    nullif(current_setting('mlguard.assertions', true), '')::pg_catalog.jsonb, '{}');
  _keys pg_catalog.text[] := array(select distinct k.key from unnest(p_keys) k (key));
  _place pg_catalog.tid;
  _due pg_catalog.record;
begin
  -- _places, {SLO id: ctid of this transaction's row}, is a hint, which anybody can set: a place is believed only where
  -- the row there says the same. Not by an index: under SERIALIZABLE every two writers would conflict on the page their
  -- rows share.
  select d.ctid, d.keys, d.version
  into _due
  from mlguard._assertion_due d
  where d.ctid = (_places ->> p_slo)::pg_catalog.tid and d.xid = pg_current_xact_id() and d.slo = p_slo;
  if found and (_due.keys is null or (p_keys is not null and _keys <@ _due.keys)) then
    return;
  end if;
  if found then
    _keys := array(select distinct k.key from unnest(_due.keys || _keys) k (key));
  end if;
  -- A missing key is found by no `=`; and a thousand cost about as much to judge as the whole SELECT.
  if p_keys is null or cardinality(_keys) > 1000 or array_position(_keys, null) is not null
     or _due.version <> p_version then
    _keys := null;
  end if;
  if _due.ctid is not null then
    update mlguard._assertion_due d set keys = _keys where d.ctid = _due.ctid returning d.ctid into _place;
  else
    insert into mlguard._assertion_due (slo, version, keys) values (p_slo, p_version, _keys) returning ctid into _place;
  end if;
  perform set_config('mlguard.assertions', (_places || jsonb_build_object(p_slo, _place))::pg_catalog.text, true);
end
$$;
ALTER FUNCTION mlguard.assertion_due_v1(p_slo text, p_version text, p_keys text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.assertion_due_v1(p_slo text, p_version text, p_keys text[]) IS 'Has an assertion judged at COMMIT of this transaction: for the keys that were touched, or (null) whole.';
CREATE FUNCTION mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text) RETURNS TABLE(stored bigint, quarantined bigint, repaired bigint)
    LANGUAGE plpgsql
    AS $$
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
    set constraints mlguard.judge_request immediate;
    set constraints mlguard.judge_batch, mlguard.judge_loads immediate;
    set constraints mlguard.judge_request, mlguard.judge_batch, mlguard.judge_loads deferred;
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
$$;
ALTER FUNCTION mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text) IS 'Attaches a table to a guarded one (or a part of it) after its rows have passed the guard as a load of their own: all or, where they are refused, none. The rows are written once more. Gives rows stored, kept out and mended.';
CREATE FUNCTION mlguard.auc_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Mann and Whitney 1947: how often a positive scores above a negative, ties counting half.
  select sum(s.yes * (s.below + s.no / 2)) / nullif(sum(s.yes) * sum(s.no), 0)
  from (
    select (t.value ->> 0)::float8 as no, (t.value ->> 1)::float8 as yes,
           coalesce(sum((t.value ->> 0)::float8) over (
             order by t.key::float8 rows between unbounded preceding and 1 preceding), 0) as below
    from jsonb_each(p_states -> p_key -> 'c') t
  ) s
$$;
ALTER FUNCTION mlguard.auc_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.auc_v1(p_states jsonb, p_key text) IS 'Area under the ROC curve, from {score: [negatives, positives]}; null with one class only.';
CREATE FUNCTION mlguard.audit_head() RETURNS TABLE(no bigint, hash text, at timestamp with time zone, unsealed bigint, unsealed_since timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select s.no, encode(s.hash, 'hex'), s.at, w.n, w.since
  from (
    select count(*) as n, min(e.at) as since
    from mlguard._event e
    where not exists (select from mlguard._event_seal s where s.event = e.id)
  ) w
  left join lateral (select l.no, l.hash, l.at from mlguard._event_seal l order by l.no desc limit 1) s on true
$$;
ALTER FUNCTION mlguard.audit_head() OWNER TO postgres;
COMMENT ON FUNCTION mlguard.audit_head() IS 'The end of the chain of events: number and hash of the last seal, and the events that wait for theirs. Who keeps it elsewhere can tell a chain that was made anew.';
CREATE FUNCTION mlguard.backfill_v1(p_tbl text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $_$
declare
  _table mlguard._table;
  _function text;
  _n bigint := 0;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  perform mlguard._wait_table(p_tbl);
  if _table.base is not null and _table.recount is not null then
    if current_setting('transaction_isolation') = 'read committed'
       and (select p.provolatile = 'v' from pg_proc p
            where p.oid = to_regprocedure(_table.recount || '(timestamptz, timestamptz)')) then
      raise exception using
        errcode = 'object_not_in_prerequisite_state',
        message = format('mlguard: %s is VOLATILE and would see rows that came after the count began', _table.recount),
        hint = 'Declare it STABLE, or backfill at REPEATABLE READ.';
    end if;
    _n := mlguard._recount(p_tbl, _table.recount, null, null);
  else
    delete from mlguard._bucket b where b.tbl = p_tbl;
  end if;
  delete from mlguard._sample s where s.tbl = p_tbl and s.batch is null;
  if _table.base is not null and _table.sampler is not null then
    execute format($statement$
      insert into mlguard._sample (tbl, bucket, n, k, column_name, nums, texts)
      select $1, s.bucket, s.n, s.k, s.column_name, s.nums, s.texts
      from %s(null, null) s
      where isfinite(s.bucket)
        and not exists (select from mlguard._sample o where o.tbl = $1 and o.bucket = s.bucket)
      $statement$, _table.sampler)
    using p_tbl;
  end if;
  return _n;
end
$_$;
ALTER FUNCTION mlguard.backfill_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.backfill_v1(p_tbl text) IS 'Computes the buckets and samples of a table anew from its stored rows; returns how many buckets there are. For apply, and for doctor where states and rows differ.';
CREATE FUNCTION mlguard.baseline_columns(p_tbl regclass) RETURNS TABLE(column_name text, spelled text, is_number boolean, in_bins boolean, in_values boolean, pii boolean, missing text[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select w.column_name, w.spelled, k.is_number, k.is_number and w.distance,
         w.categories or (w.distance and (not k.is_number or k.is_integer)),
         w.column_name = any (t.pii),
         array(select jsonb_array_elements_text(coalesce(t.missing -> w.column_name, '[]')))
  from mlguard._table t
  cross join lateral (
    select m.column_name, m.spelled, bool_or(m.name <> 'new_category_rate') as distance,
           bool_or(m.name = 'new_category_rate') as categories
    from mlguard._slo s
    cross join lateral mlguard._baseline_metrics(s.metrics) m
    where s.tbl = t.tbl and s.level in ('batch', 'window')
    group by m.column_name, m.spelled
  ) w
  join pg_attribute a on a.attrelid = p_tbl and a.attname = w.column_name and a.attnum > 0 and not a.attisdropped
  join pg_type y on y.oid = a.atttypid
  cross join lateral (
    select y.typcategory = 'N' as is_number,
           coalesce(nullif(y.typbasetype, 0), y.oid) in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
             as is_integer
  ) k
  where t.tbl = mlguard._tbl(p_tbl)
  order by a.attnum
$$;
ALTER FUNCTION mlguard.baseline_columns(p_tbl regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.baseline_columns(p_tbl regclass) IS 'Columns of a guarded table that an SLO compares with the baseline, and whether in bins, value by value, or both (integers: an `in` list makes names of them).';
CREATE FUNCTION mlguard.baseline_version_v1(p_tbl text) RETURNS integer
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (select b.version from mlguard._baseline b where b.tbl = p_tbl and b.state = 'frozen');
end
$$;
ALTER FUNCTION mlguard.baseline_version_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.baseline_version_v1(p_tbl text) IS 'The version of the baseline in use; null: there is none yet.';
CREATE FUNCTION mlguard.batch_v1(p_tbl text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
    insert into mlguard._unclosed (batch) values (_id);
  end if;
  perform mlguard._remember_batch(p_tbl, _place);
  return _id;
end
$$;
ALTER FUNCTION mlguard.batch_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.batch_v1(p_tbl text) IS 'The batch of this transaction on a table, opened when there is none.';
CREATE FUNCTION mlguard.begin_batch(p_id bigint, p_session boolean DEFAULT false) RETURNS text
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard.begin_batch(p_id::text, p_session)
$$;
ALTER FUNCTION mlguard.begin_batch(p_id bigint, p_session boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.begin_batch(p_id bigint, p_session boolean) IS 'As begin_batch(text, boolean), for ids that are numbers.';
CREATE FUNCTION mlguard.begin_batch(p_id text, p_session boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_id is null or p_id !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a batch needs an id',
      hint = 'Use what names the load wherever it is tried again: the id of the run, or the day it is for.';
  elsif length(p_id) > 200 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: the id of a batch has %s characters, allowed 200', length(p_id)),
      hint = 'Use a shorter one, or a hash.';
  end if;
  -- The first statement of its transaction, and so perhaps the only one.
  if not p_session and statement_timestamp() = transaction_timestamp() then
    raise notice using
      message = format('mlguard: batch %s is what the rest of this transaction writes', p_id),
      hint = 'Outside BEGIN … COMMIT that is nothing: begin a transaction first, or call begin_batch(id, true) on a '
             'connection of your own.';
  end if;
  perform set_config('mlguard.load', p_id, not p_session);
  return p_id;
end
$$;
ALTER FUNCTION mlguard.begin_batch(p_id text, p_session boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.begin_batch(p_id text, p_session boolean) IS 'What this transaction (p_session: this session) writes from here on belongs to the batch of this id, which may span transactions and sessions; the same id is the same batch. Call it at the start of each transaction.';
CREATE FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _to timestamptz := coalesce(p_to, statement_timestamp());
  _from timestamptz;
  _vetoes jsonb;
  _more integer;
begin
  perform mlguard._known_model(p_model);
  _from := coalesce(p_from, _to - (mlguard._policy(p_model)).training);
  if _from >= _to then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: a training window from %s to %s is empty', mlguard._minute(_from), mlguard._minute(_to));
  end if;
  _vetoes := mlguard._vetoes(p_model, _from, _to);
  _more := jsonb_array_length(_vetoes) - 1;
  if _more >= 0 then
    perform mlguard._raise(
      'ML002',
      format('mlguard: model %s must not be trained now: %s%s', p_model, _vetoes -> 0 ->> 'why',
             case when _more = 1 then ' and 1 more reason' when _more > 1 then format(' and %s more reasons', _more) else '' end),
      _vetoes -> 0 ->> 'slo',
      mlguard._detail(_vetoes -> 0 ->> 'slo', null, null, null,
                      jsonb_build_object('model', p_model, 'from', _from, 'to', _to, 'vetoes', _vetoes)),
      'There is no value in training on bad data. It may begin once these hold again, are waived, or were judged false '
      'or expected: mlguard incidents list');
  end if;
  return mlguard._give_ticket(p_model, _from, _to, null);
end
$$;
ALTER FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Gives leave to train a model on the data between two times (default: the training window of the model, up to now), and returns the ticket; raises ML002 while an input is held, or failed in that time.';
CREATE FUNCTION mlguard.bias_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states -> p_key ->> 3)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.bias_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.bias_v1(p_states jsonb, p_key text) IS 'Mean of prediction - label; null without rows to compare.';
CREATE FUNCTION mlguard.brier_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states -> p_key ->> 2)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.brier_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.brier_v1(p_states jsonb, p_key text) IS 'Mean squared error of probabilities, from [n, sum of losses, sum of squares].';
CREATE FUNCTION mlguard.calibration_error_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Naeini, Cooper and Hauskrecht 2015: |mean probability - share of positives| of each bin, weighted by its rows.
  select sum(abs((t.value ->> 1)::float8 - (t.value ->> 2)::float8)) / nullif(sum((t.value ->> 0)::float8), 0)
  from jsonb_each(p_states -> p_key -> 'c') t
$$;
ALTER FUNCTION mlguard.calibration_error_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.calibration_error_v1(p_states jsonb, p_key text) IS 'Expected calibration error, from {bin: [n, sum of probabilities, positives]}.';
CREATE FUNCTION mlguard.cancel_retrain(p_id bigint, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
begin
  perform mlguard._loop_reason(p_reason, 'cancel a request');
  update mlguard._retrain_request r
  set state = 'cancelled', ended_at = clock_timestamp(), outcome = p_reason, lease_until = null
  where r.id = p_id and r.state in ('requested', 'vetoed', 'claimed')
  returning r.* into _request;
  if _request.id is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state', message = format('mlguard: no request %s is open', p_id);
  end if;
  perform mlguard._record_retrain('cancel retrain', _request, p_reason);
end
$$;
ALTER FUNCTION mlguard.cancel_retrain(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.cancel_retrain(p_id bigint, p_reason text) IS 'Ends an open request without training.';
CREATE FUNCTION mlguard.challenge(p_model text, p_version text, p_reason text DEFAULT NULL::text) RETURNS text
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard.promote(p_model, p_version, p_reason, 'challenger')
$$;
ALTER FUNCTION mlguard.challenge(p_model text, p_version text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.challenge(p_model text, p_version text, p_reason text) IS 'Makes an approved version a challenger: it writes predictions beside the champion, and none of them is served.';
CREATE FUNCTION mlguard.claim_outbox(p_n integer DEFAULT 10, p_lease interval DEFAULT '00:05:00'::interval) RETURNS TABLE(id bigint, at timestamp with time zone, incident bigint, alarm bigint, event text, severity text, recipients text[], subject text, body text, payload jsonb, attempts integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- What was judged since the last sweep is looked at first, so that a page need not wait for one.
  if exists (select from mlguard._incident_event) then
    perform mlguard._sweep_incidents(statement_timestamp());
  end if;
  return query
    with claimed as (
      update mlguard._outbox o
      set attempts = o.attempts + 1, next_try = clock_timestamp() + p_lease
      where o.id = any (array(
        select c.id
        from mlguard._outbox c
        where c.delivered_at is null and c.next_try <= clock_timestamp()
          -- In order within an alarm: «resolved» must not overtake «opened».
          and not exists (
            select from mlguard._outbox e where e.alarm = c.alarm and e.delivered_at is null and e.id < c.id)
        order by c.id
        limit p_n
        for update skip locked))
      returning o.*
    )
    select c.id, c.at, c.incident, c.alarm, c.event, c.severity, c.recipients, c.subject, c.body, c.payload, c.attempts
    from claimed c
    order by c.id;
end
$$;
ALTER FUNCTION mlguard.claim_outbox(p_n integer, p_lease interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.claim_outbox(p_n integer, p_lease interval) IS 'Takes lines of the outbox to deliver, the oldest of each alarm; others may not take them before the lease is over. Then call delivered() or failed().';
CREATE FUNCTION mlguard.claim_pages(p_n integer DEFAULT 10, p_lease interval DEFAULT '00:05:00'::interval) RETURNS TABLE(id bigint, at timestamp with time zone, incident bigint, alarm bigint, event text, severity text, recipients text[], subject text, body text, payload jsonb, attempts integer)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- What was judged since the last sweep is looked at first, so that a page need not wait for one.
  if exists (select from mlguard._incident_event) then
    perform mlguard._sweep_incidents(statement_timestamp());
  end if;
  return query
    with claimed as (
      update mlguard._outbox o
      set attempts = o.attempts + 1, next_try = clock_timestamp() + p_lease
      where o.id = any (array(
        select c.id
        from mlguard._outbox c
        where c.delivered_at is null and c.next_try <= clock_timestamp()
          -- In order within an alarm: «resolved» must not overtake «opened».
          and not exists (
            select from mlguard._outbox e where e.alarm = c.alarm and e.delivered_at is null and e.id < c.id)
          -- What was less severe when it was written goes first where its alarm became a page since.
          and exists (
            select from mlguard._outbox p
            where p.alarm = c.alarm and p.delivered_at is null and p.severity = 'page')
        order by c.id
        limit p_n
        for update skip locked))
      returning o.*
    )
    select c.id, c.at, c.incident, c.alarm, c.event, c.severity, c.recipients, c.subject, c.body, c.payload, c.attempts
    from claimed c
    order by c.id;
end
$$;
ALTER FUNCTION mlguard.claim_pages(p_n integer, p_lease interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.claim_pages(p_n integer, p_lease interval) IS 'Takes lines of the outbox as claim_outbox() does, but only of alarms of which a page waits: for quiet hours.';
CREATE FUNCTION mlguard.claim_retrain(p_model text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request;
  _policy mlguard._retrain_policy;
  _now timestamptz := clock_timestamp();
begin
  if p_model is not null then
    perform mlguard._known_model(p_model);
  end if;
  perform mlguard._expire_claims();
  for _request in
    select r.*
    from mlguard._retrain_request r
    where r.state in ('requested', 'vetoed') and (p_model is null or r.model = p_model)
    order by r.id
    for update skip locked
  loop
    -- Asked again now: the last sweep may be a while ago.
    continue when mlguard._veto(_request.id, _now) = 'vetoed';
    _policy := mlguard._policy(_request.model);
    update mlguard._retrain_request r
    set state = 'claimed', claimed_at = _now, claimed_by = session_user, lease_until = _now + _policy.lease,
        attempts = r.attempts + 1, outcome = null,
        ticket = mlguard._give_ticket(r.model, _now - _policy.training, _now, r.id)
    where r.id = _request.id
    returning r.* into _request;
    perform mlguard._record_retrain('claim retrain', _request, null);
    return _request.id;
  end loop;
  return null;
end
$$;
ALTER FUNCTION mlguard.claim_retrain(p_model text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.claim_retrain(p_model text) IS 'Claims the oldest request to retrain that nothing speaks against, of one model or of any, with a ticket; null where there is none. Two workers never get the same one. heartbeat() keeps the claim, finish_retrain() ends it.';
CREATE FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.copying_v1(p_relation regclass) RETURNS boolean
    LANGUAGE sql STABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- Of another role's session (after SET ROLE) the view hides the relation, and the answer is false.
  select exists (
    select from pg_stat_progress_copy p
    where p.pid = pg_backend_pid() and p.relid = p_relation and p.command = 'COPY FROM')
$$;
ALTER FUNCTION mlguard.copying_v1(p_relation regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.copying_v1(p_relation regclass) IS 'Whether this session is loading a relation by COPY, all of whose rows land or none.';
CREATE FUNCTION mlguard.correlation_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _a double precision := (p_states -> p_key ->> 3)::float8;
  _b double precision := (p_states -> p_key ->> 4)::float8;
  _r double precision;
begin
  if (p_states -> p_key ->> 0)::float8 >= 2 and _a > 0 and _b > 0 then
    -- Two roots: the product of two sums of squares may overflow.
    _r := (p_states -> p_key ->> 5)::float8 / sqrt(_a) / sqrt(_b);
    -- Infinite values give NaN, of which least() would make 1.
    if _r <> 'NaN' then
      return greatest(least(_r, 1), -1);
    end if;
  end if;
  return null;
end
$$;
ALTER FUNCTION mlguard.correlation_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.correlation_v1(p_states jsonb, p_key text) IS 'Pearson correlation; null where one of the two columns does not vary, or a value is infinite.';
CREATE FUNCTION mlguard.count_refusals_v1(p_no integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- Sequences, because they alone survive the rollback that the refusal causes.
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_' || p_no);
  execute format('create sequence if not exists mlguard.%I as bigint', 'refused_at_' || p_no);
end
$$;
ALTER FUNCTION mlguard.count_refusals_v1(p_no integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.count_refusals_v1(p_no integer) IS 'Makes the refusal counters of the SLO with this number.';
CREATE FUNCTION mlguard.count_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- A state that was not kept while there were rows is unknown; of no rows it is 0.
  return case
    when p_states ? p_key then (p_states ->> p_key)::float8
    when coalesce((p_states ->> 'n')::float8, 0) = 0 then 0
  end;
end
$$;
ALTER FUNCTION mlguard.count_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.count_v1(p_states jsonb, p_key text) IS 'A count.';
CREATE FUNCTION mlguard.cover_partitions(p_table regclass) RETURNS bigint
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard.cover_partitions(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.cover_partitions(p_table regclass) IS 'Gives the partitions of a guarded table the statement triggers they lack, so that what is written straight into them is judged; returns how many were made. Their rows are not judged: for that attach_partition() is there.';
CREATE FUNCTION mlguard.delivered(p_id bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  update mlguard._outbox o set delivered_at = coalesce(o.delivered_at, clock_timestamp()), last_error = null
  where o.id = p_id;
  if not found then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: there is no line %s in the outbox', p_id);
  end if;
end
$$;
ALTER FUNCTION mlguard.delivered(p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.delivered(p_id bigint) IS 'Says that a line of the outbox was delivered.';
CREATE FUNCTION mlguard.detach_partition(p_parent regclass, p_child regclass) RETURNS bigint
    LANGUAGE plpgsql
    AS $_$
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
$_$;
ALTER FUNCTION mlguard.detach_partition(p_parent regclass, p_child regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.detach_partition(p_parent regclass, p_child regclass) IS 'Detaches a partition of a guarded table: its rows, which it returns the number of, leave the states at the next sweep(), verdicts about them stay, and the table that is left has neither triggers nor CHECKs of mlguard.';
CREATE FUNCTION mlguard.discard(p_id bigint, p_reason text) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.distinct_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return case
    when p_states ? p_key
    then round((select count(*) from jsonb_object_keys(p_states -> p_key -> 'k'))
               / (p_states -> p_key ->> 't')::float8)
    when coalesce((p_states ->> 'n')::float8, 0) = 0 then 0
  end;
end
$$;
ALTER FUNCTION mlguard.distinct_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.distinct_v1(p_states jsonb, p_key text) IS 'Different values; exact up to 4096, above that estimated from the values with the smallest hashes.';
CREATE FUNCTION mlguard.duplicates_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    select (sum(k.value::float8) - count(*)) / nullif(sum(k.value::float8), 0)
    from jsonb_each_text(p_states -> p_key -> 'k') k);
end
$$;
ALTER FUNCTION mlguard.duplicates_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.duplicates_v1(p_states jsonb, p_key text) IS 'Share of rows beyond the first of their key; above 4096 keys of the rows with the smallest hashes.';
CREATE FUNCTION mlguard.edges_v1(p_tbl text, p_column text) RETURNS double precision[]
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (
    select k.edges
    from mlguard._baseline b
    join mlguard._baseline_column k on k.tbl = b.tbl and k.version = b.version
    where b.tbl = p_tbl and b.state = 'frozen' and k.column_name = p_column and k.kind = 'number'
    limit 1);
end
$$;
ALTER FUNCTION mlguard.edges_v1(p_tbl text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.edges_v1(p_tbl text, p_column text) IS 'Edges of the bins in which values of a column are counted now; null: there is no baseline of it yet.';
CREATE FUNCTION mlguard.end_assertion_v1(p_slo text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- The lock first, which waits for whoever is judging; the objects are dropped after that.
  delete from mlguard._assertion_lock l where l.slo = p_slo;
  delete from mlguard._assertion a where a.slo = p_slo;
  update mlguard._verdict v set current = false where v.slo = p_slo and v.current;
  perform mlguard._end_holds(p_slo, 'the assertion was changed or taken out');
end
$$;
ALTER FUNCTION mlguard.end_assertion_v1(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.end_assertion_v1(p_slo text) IS 'Takes an assertion out of force, with its hold.';
CREATE FUNCTION mlguard.end_batch(p_id bigint) RETURNS TABLE(tbl text, slo text, outcome text, observed text, allowed text)
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select e.tbl, e.slo, e.outcome, e.observed, e.allowed from mlguard.end_batch(p_id::text) e
$$;
ALTER FUNCTION mlguard.end_batch(p_id bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.end_batch(p_id bigint) IS 'As end_batch(text), for ids that are numbers.';
CREATE FUNCTION mlguard.end_batch(p_id text DEFAULT NULL::text) RETURNS TABLE(tbl text, slo text, outcome text, observed text, allowed text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    SET extra_float_digits TO '1'
    AS $$
declare
  _now text := nullif(current_setting('mlguard.load', true), '');
  _load text := coalesce(p_id, _now);
  _table record;
  _id bigint;
  _known boolean := false;
begin
  if _load is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = 'mlguard: no batch was begun in this transaction',
      hint = 'Name the one to end: select * from mlguard.end_batch(<id>)';
  end if;
  if _now is not distinct from _load then
    perform set_config('mlguard.load', '', false);
  end if;
  perform set_config(
    'mlguard.loads_ended',
    (coalesce(nullif(current_setting('mlguard.loads_ended', true), '')::jsonb, '[]') || to_jsonb(_load))::text, true);
  for _table in
    select t.tbl, t.batch_column, t.pii
    from mlguard._table t
    where t.judges_batches
      and (exists (
             select from mlguard._batch b
             where b.tbl = t.tbl and b.name = _load and b.name is not null and not b.retired)
           or exists (
             select from mlguard._state s where s.tbl = t.tbl and s.load = _load and not s.load_kept))
      and has_table_privilege(mlguard._asker(), to_regclass(format('%I.%I', t.schema_name, t.table_name)), 'insert')
    order by t.tbl
  loop
    _known := true;
    if _table.batch_column is null then
      perform mlguard._sort_removals(b.id, b.tbl)
      from mlguard._batch b
      where b.xid = pg_current_xact_id_if_assigned() and b.tbl = _table.tbl and b.opened_at = now();
    end if;
    _id := mlguard._judge_load(_table.tbl, _load, null, true, true);
    return query
      select v.tbl, v.slo, v.outcome,
             case when not mlguard._shows_values(v.metrics, _table.pii) then coalesce(v.observed, v.reason) end, v.allowed
      from mlguard._verdict v
      where v.tbl = _table.tbl and v.batch = _id and v.current
      order by v.id;
  end loop;
  if not _known then
    raise notice using
      message = format('mlguard: nothing was written in batch %s to a table that judges batches', _load),
      hint = 'Only tables with SLOs over: batch know of batches, and only who may write to them ends them.';
  end if;
end
$$;
ALTER FUNCTION mlguard.end_batch(p_id text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.end_batch(p_id text) IS 'Ends a batch: judges it as complete in every table it was written to, and gives what was found. Without an id, the batch that begin_batch() named in this transaction. Rows that come later under the id are judged with it.';
CREATE FUNCTION mlguard.f1_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return 2 * _c[1] / nullif(2 * _c[1] + _c[2] + _c[3], 0);
end
$$;
ALTER FUNCTION mlguard.f1_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.f1_v1(p_states jsonb, p_key text) IS '2 tp / (2 tp + fp + fn), from [tp, fp, fn, tn]; null where nothing is and nothing is said to be positive.';
CREATE FUNCTION mlguard.failed(p_id bigint, p_error text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _next timestamptz;
begin
  update mlguard._outbox o
  set last_error = left(p_error, 500),
      next_try = clock_timestamp()
                 + least(interval '30 s' * 2 ^ least(greatest(o.attempts, 1) - 1, 10), interval '1 hour')
  where o.id = p_id and o.delivered_at is null
  returning o.next_try into _next;
  if not found then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: no line %s of the outbox waits to be delivered', p_id);
  end if;
  return _next;
end
$$;
ALTER FUNCTION mlguard.failed(p_id bigint, p_error text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.failed(p_id bigint, p_error text) IS 'Says that delivering a line failed; returns when it is tried again: after 30 s, doubling to an hour.';
CREATE FUNCTION mlguard.fair_bound_v1(p_states jsonb, p_metric text, p_key text, p_least integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  -- One-sided limits of confidence at 1 %, over all pairs of groups together (Bonferroni): of a difference of shares
  -- Newcombe 1998, method 10 (Wilson's intervals); of a ratio Katz et al. 1978 (the delta method on its logarithm, half
  -- a case added where there is none).
  with grp as materialized (
    select g.*, row_number() over (order by g.name) as no from mlguard._fair_groups(p_states, p_key, p_least) g
  ), z as materialized (
    select mlguard._normal_tail(0.01::float8 / greatest(count(*) * (count(*) - 1), 1)) as z from grp
  ), wilson as (
    select g.no, g.n, g.a / g.n as p,
           (g.a + z.z ^ 2 / 2) / (g.n + z.z ^ 2) as middle,
           z.z * sqrt(greatest(g.a * (1 - g.a / g.n), 0) + z.z ^ 2 / 4) / (g.n + z.z ^ 2) as half
    from grp g, z
  ), ratio as (
    select g.no, greatest(g.a, case when g.a = 0 then 0.5 else 0 end) / g.n as m,
           case
             when p_metric = 'error_ratio' and g.a > 0
             then greatest(g.b / g.n - (g.a / g.n) ^ 2, 0) / g.n / (g.a / g.n) ^ 2
             else 1 / greatest(g.a, 0.5) - 1 / greatest(g.n, 0.5)
           end as variance
    from grp g
  )
  select case
    when p_metric in ('parity_gap', 'equal_opportunity_gap')
    then (
      select greatest(max(
               h.p - l.p - sqrt((h.p - (h.middle - h.half)) ^ 2 + ((l.middle + l.half) - l.p) ^ 2)), 0)
      from wilson h join wilson l on l.no <> h.no)
    when p_metric = 'disparate_impact'
    then (
      select least(min(exp(ln(l.m / h.m) + z.z * sqrt(greatest(l.variance + h.variance, 0)))), 1)
      from ratio h join ratio l on l.no <> h.no, z)
    else (
      select greatest(max(exp(ln(h.m / l.m) - z.z * sqrt(greatest(l.variance + h.variance, 0)))), 1)
      from ratio h join ratio l on l.no <> h.no, z)
  end
$$;
ALTER FUNCTION mlguard.fair_bound_v1(p_states jsonb, p_metric text, p_key text, p_least integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.fair_bound_v1(p_states jsonb, p_metric text, p_key text, p_least integer) IS 'The value nearest to fairness that chance alone leaves possible, at 1 %; null with fewer than two groups.';
CREATE FUNCTION mlguard.fair_v1(p_states jsonb, p_metric text, p_key text, p_least integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when count(*) < 2 then null
    when p_metric in ('parity_gap', 'equal_opportunity_gap') then max(g.a / g.n) - min(g.a / g.n)
    when p_metric = 'disparate_impact' then min(g.a / g.n) / nullif(max(g.a / g.n), 0)
    when max(g.a) = 0 then null
    when min(g.a) = 0 then 'Infinity'
    else max(g.a / g.n) / nullif(min(g.a / g.n), 0)
  end
  from mlguard._fair_groups(p_states, p_key, p_least) g
$$;
ALTER FUNCTION mlguard.fair_v1(p_states jsonb, p_metric text, p_key text, p_least integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.fair_v1(p_states jsonb, p_metric text, p_key text, p_least integer) IS 'parity_gap, disparate_impact, equal_opportunity_gap or error_ratio between groups of at least so many rows; null with fewer than two.';
CREATE FUNCTION mlguard.fell_back_v1(p_tbl text, p_key jsonb, p_column text, p_old jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending)
  values (p_tbl, p_key, p_column, p_old, null, p_tbl || '/when_features_held', mlguard.batch_v1(p_tbl), false)
$$;
ALTER FUNCTION mlguard.fell_back_v1(p_tbl text, p_key jsonb, p_column text, p_old jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.fell_back_v1(p_tbl text, p_key jsonb, p_column text, p_old jsonb) IS 'Notes the value a model gave while an input was held, before a fallback takes its place.';
CREATE FUNCTION mlguard.finish_retrain(p_id bigint, p_version text DEFAULT NULL::text, p_outcome text DEFAULT NULL::text, p_failed boolean DEFAULT false, p_ticket bigint DEFAULT NULL::bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id, p_ticket);
  _again boolean;
begin
  if not p_failed and nullif(p_version, '') is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: request %s cannot be done without a version', p_id),
      hint = 'Name the version that was trained, or say p_failed => true and why.';
  end if;
  _again := p_failed and _request.attempts < (mlguard._policy(_request.model)).attempts;
  update mlguard._retrain_request r
  set state = case when _again then 'requested' when p_failed then 'failed' else 'done' end,
      ended_at = case when not _again then clock_timestamp() end,
      version = nullif(p_version, ''), outcome = p_outcome, lease_until = null
  where r.id = p_id
  returning r.* into _request;
  if not p_failed
     and not exists (select from mlguard._model_version v where v.model = _request.model and v.version = p_version) then
    perform mlguard.register(_request.model, p_version, format('request %s to retrain', p_id), _request.ticket);
  elsif not p_failed then
    update mlguard._model_version v
    set ticket = _request.ticket
    where v.model = _request.model and v.version = p_version and v.ticket is null;
  end if;
  perform mlguard._record_retrain(case when p_failed then 'fail retrain' else 'finish retrain' end, _request, p_outcome);
  return _request.state;
end
$$;
ALTER FUNCTION mlguard.finish_retrain(p_id bigint, p_version text, p_outcome text, p_failed boolean, p_ticket bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.finish_retrain(p_id bigint, p_version text, p_outcome text, p_failed boolean, p_ticket bigint) IS 'Ends a claim: the version that was trained is registered with its ticket (nobody has approved it yet), or the run failed and the request waits for another worker, at most as often as the policy of the model says. With the ticket of the claim it raises where another worker has claimed the request since.';
CREATE FUNCTION mlguard.forget_refusals_v1(p_no integer) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  execute format('drop sequence if exists mlguard.%I, mlguard.%I', 'refused_' || p_no, 'refused_at_' || p_no);
end
$$;
ALTER FUNCTION mlguard.forget_refusals_v1(p_no integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.forget_refusals_v1(p_no integer) IS 'Drops the refusal counters of the SLO with this number.';
CREATE FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
    SET search_path TO 'pg_catalog', 'pg_temp'
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
                              and statement_timestamp()))
     and not exists (
       select
       from mlguard._slo s
       where s.tbl = p_tbl and s.level = 'read' and s.action = 'hold' and not s.shadow
         and case
               when s.arrives is not null then not (mlguard._arrival(p_tbl, s.arrives, statement_timestamp())).arrived
               when s.volume is not null then
                 (mlguard._volume(s.volume, statement_timestamp())).n < (s.volume ->> 'least')::bigint
               else false
             end) then
    return true;
  end if;
  return not exists (select from mlguard._closed(p_tbl));
end
$$;
ALTER FUNCTION mlguard.gate_open_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.gate_open_v1(p_tbl text) IS 'Whether the gate of a table is open now.';
CREATE FUNCTION mlguard.grant_roles() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard.grant_roles() OWNER TO postgres;
COMMENT ON FUNCTION mlguard.grant_roles() IS 'Gives mlguard_platform, mlguard_task and mlguard_writer their rights, as far as these roles exist. For the owner of the schema, after an administrator made the roles.';
CREATE FUNCTION mlguard.greatest_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states ->> p_key)::float8;
end
$$;
ALTER FUNCTION mlguard.greatest_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.greatest_v1(p_states jsonb, p_key text) IS 'The greatest value; null where there are none.';
CREATE FUNCTION mlguard.guard_between_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard.guard_between_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.guard_between_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'As guard_v1(), for rows with event times from p_from up to p_to: holds of windows that do not reach there do not count, all others do.';
CREATE FUNCTION mlguard.guard_v1(p_tbl text) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _why record;
  _slo record;
  _incident bigint;
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
  _incident := mlguard._incident_no(_why.slo);
  return mlguard._raise(
    'ML001',
    format('mlguard: %s %s', p_tbl, _why.words),
    _why.slo,
    mlguard._detail(_why.slo, _why.observed, null, null,
                    jsonb_build_object('state', _why.state, 'since', _why.since, 'batch', _why.batch,
                                       'slos', _why.slos, 'incident', _incident)),
    mlguard._hint(
      'Nothing is wrong with your query.'
        || case when nullif(_slo.owner, '') is null then coalesce(format(' Incident %s.', _incident), '') else '' end,
      nullif(_slo.owner, '') || coalesce(', incident ' || _incident, ''), _slo.runbook,
      format('A platform role may read on with: mlguard waive %s --until … --reason …', _why.slo)));
end
$$;
ALTER FUNCTION mlguard.guard_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.guard_v1(p_tbl text) IS 'True while the gate of a table is open; raises ML001 while it is closed. STABLE, so that a guarded view evaluates it once, before any row, on an empty table too.';
CREATE FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint DEFAULT NULL::bigint) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _request mlguard._retrain_request := mlguard._claimed(p_id, p_ticket);
begin
  update mlguard._retrain_request r
  set lease_until = clock_timestamp() + (mlguard._policy(r.model)).lease
  where r.id = p_id
  returning r.* into _request;
  return _request.lease_until;
end
$$;
ALTER FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint) IS 'A sign of life of the worker that claimed a request; returns until when the claim holds now. With the ticket of the claim it raises where another worker has claimed the request since.';
CREATE FUNCTION mlguard.inputs_v1(p_tbl text, p_features text[], p_mode text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _feature text;
  _found jsonb := '{}';
  _held boolean := false;
  _why record;
  _slo record;
begin
  foreach _feature in array p_features loop
    if mlguard.gate_open_v1(_feature) then
      _found := _found || jsonb_build_object(_feature, case
        when exists (select from mlguard._table t where t.tbl = _feature) then 'open' else 'not guarded' end);
      continue;
    end if;
    select c.* into strict _why from mlguard._closed(_feature) c;
    if p_mode = 'reject' then
      select coalesce(s.owner, t.owner) as owner, s.runbook
      into _slo
      from mlguard._table t
      left join mlguard._slo s on s.id = _why.slo
      where t.tbl = _feature;
      perform mlguard._raise(
        'ML001',
        format('mlguard: %s: its input %s %s; this statement stored nothing', p_tbl, _feature, _why.words),
        _why.slo,
        mlguard._detail(_why.slo, _why.observed, null, null,
                        jsonb_build_object('table', p_tbl, 'column', null, 'input', _feature, 'state', _why.state,
                                           'since', _why.since, 'batch', _why.batch, 'slos', _why.slos)),
        mlguard._hint(
          'Predictions made now would be made on bad inputs.',
          _slo.owner, _slo.runbook,
          format('when_features_held: allow lets them in, marked; a platform role may waive the hold: '
                 'mlguard waive %s --until … --reason …', _why.slo)));
    end if;
    _held := true;
    _found := _found || jsonb_build_object(
      _feature, jsonb_build_object('state', _why.state, 'since', _why.since, 'slos', _why.slos,
                                   'why', format('%s %s', _feature, _why.words)));
  end loop;
  return case when _held then 'h' else 'o' end || _found;
end
$$;
ALTER FUNCTION mlguard.inputs_v1(p_tbl text, p_features text[], p_mode text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.inputs_v1(p_tbl text, p_features text[], p_mode text) IS 'The gates of the tables a model reads, as text: h (some are held) or o (all are open), then {table: state}. With mode reject raises ML001 while one is held.';
CREATE FUNCTION mlguard.js_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when c.words is null then mlguard._js(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$$;
ALTER FUNCTION mlguard.js_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.js_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) IS 'Jensen-Shannon distance of a column from its baseline; null: no_distance_v1 says why.';
CREATE FUNCTION mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text DEFAULT 'file'::text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
declare
  _table mlguard._table;
  _wanted integer := (select count(*) from mlguard.baseline_columns(p_tbl));
  _column record;
  _version integer;
begin
  select t.* into _table from mlguard._table t where t.tbl = mlguard._tbl(p_tbl);
  perform mlguard._wait_table(_table.tbl);
  if p_kind is distinct from 'file' and p_kind is distinct from 'table' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: the kind of a baseline that is given is file or table';
  end if;
  for _column in
    select c.*, w.spelled, w.in_bins, w.in_values
    from jsonb_to_recordset(p_columns) c (
      column_name text, key text, kind text, edges double precision[], counts bigint[], categories jsonb, other bigint,
      n bigint, missing bigint)
    left join mlguard.baseline_columns(p_tbl) w on w.column_name = c.column_name
    where c.n >= 200
  loop
    if (case _column.kind
         when 'number' then
           _column.in_bins and _column.key = format('bins(%s)', _column.spelled)
           and cardinality(_column.counts) = cardinality(_column.edges) + 1 and 0 <= all (_column.counts)
           and _column.edges = array(select distinct e.edge from unnest(_column.edges) e (edge) order by e.edge)
           and _column.n = (select sum(b.count) from unnest(_column.counts) b (count))
         when 'category' then
           _column.in_values and _column.key = format('values(%s)', _column.spelled)
           and jsonb_typeof(_column.categories) = 'object'
           and _column.n = coalesce(_column.other, 0) + (
             select sum(v.count::bigint) from jsonb_each_text(_column.categories) v (name, count))
       end) is not true
    then
      raise exception using
        errcode = 'invalid_parameter_value',
        message = format('mlguard: what is given of column %s is no baseline of %s', _column.column_name, _table.tbl),
        hint = 'Columns are those of mlguard.baseline_columns(); edges ascend, counts are one more and add up to n.';
    end if;
    _version := coalesce(_version, mlguard._begin_baseline(_table.tbl, p_kind, p_source, null, null));
    insert into mlguard._baseline_column (
      tbl, version, column_name, key, kind, edges, counts, categories, other, n, missing)
    values (_table.tbl, _version, _column.column_name, _column.key, _column.kind, _column.edges, _column.counts,
            _column.categories, coalesce(_column.other, 0), _column.n, _column.missing);
  end loop;
  if _version is null then
    perform mlguard._refuse_baseline(_table.tbl, 'the rows of ' || p_source, _wanted);
  end if;
  update mlguard._baseline b
  set n = (select max(k.n) from mlguard._baseline_column k where k.tbl = b.tbl and k.version = b.version)
  where b.tbl = _table.tbl and b.version = _version;
  perform mlguard._freeze_baseline(_table.tbl, _version);
  if mlguard._counted_by_time(_table) then
    perform mlguard._recount(_table.tbl, _table.recount, null, null);
  end if;
  perform mlguard._warn_baseline(_table.tbl, _version);
  return _version;
end
$$;
ALTER FUNCTION mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text) IS 'Sets a baseline whose edges and counts were computed elsewhere, as mlguard baseline set --from-file does; returns its version. p_columns: [{column_name, key, kind, edges, counts, categories, other, n, missing}].';
CREATE FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint DEFAULT NULL::bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) IS 'Warns (01ML1) how many rows of this statement were kept out; p_landed: rows of it that landed, where known.';
CREATE FUNCTION mlguard.kept_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard.kept_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.kept_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) IS 'Keeps a row as withhold_v1 does where that needs no decision; false where it does, and nothing was kept. For the second and later rows that one statement keeps out of a table.';
CREATE FUNCTION mlguard.ks_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when c.words is null and p_key like 'bins(%' then mlguard._ks(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$$;
ALTER FUNCTION mlguard.ks_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.ks_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) IS 'Kolmogorov-Smirnov statistic of a number column against its baseline; null: no_distance_v1 says why.';
CREATE FUNCTION mlguard.label(p_id bigint, p_label text, p_reason text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident := mlguard._acted_on(p_id, 'label');
begin
  perform mlguard._label_incident(_incident, p_label, p_reason);
  -- What failed together was judged together, unless somebody looked at it by itself.
  perform mlguard._label_incident(c, p_label, p_reason)
  from mlguard._incident c
  where c.cause = _incident.id and c.tbl = _incident.tbl and c.label is not distinct from _incident.label;
  return _incident.id;
end
$$;
ALTER FUNCTION mlguard.label(p_id bigint, p_label text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.label(p_id bigint, p_label text, p_reason text) IS 'Judges an alarm: true, false or expected. After true, learned bands leave its batches and windows out. Holds for what failed with it on the same table, too.';
CREATE FUNCTION mlguard.label_coverage_v1(p_states jsonb, p_labelled text, p_rows text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  -- Where no label has come, no state of labels was appended.
  return coalesce((p_states ->> p_labelled)::float8, 0) / nullif((p_states ->> p_rows)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.label_coverage_v1(p_states jsonb, p_labelled text, p_rows text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.label_coverage_v1(p_states jsonb, p_labelled text, p_rows text) IS 'Share of rows whose label has arrived; null without rows.';
CREATE FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.least_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states ->> p_key)::float8;
end
$$;
ALTER FUNCTION mlguard.least_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.least_v1(p_states jsonb, p_key text) IS 'The least value; null where there are none.';
CREATE FUNCTION mlguard.linf_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when c.words is null then mlguard._linf(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$$;
ALTER FUNCTION mlguard.linf_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.linf_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) IS 'Greatest difference of one share of a column from its baseline; null: no_distance_v1 says why.';
CREATE FUNCTION mlguard.logloss_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states -> p_key ->> 1)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.logloss_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.logloss_v1(p_states jsonb, p_key text) IS 'Mean logarithmic loss, from [n, sum of losses, sum of squares].';
CREATE FUNCTION mlguard.mae_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states -> p_key ->> 1)::float8 / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.mae_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.mae_v1(p_states jsonb, p_key text) IS 'Mean absolute error; null without rows to compare.';
CREATE FUNCTION mlguard.mape_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return ((p_states -> p_key ->> 4)::float8 + (p_states -> p_key ->> 5)::float8 / 2.220446049250313e-16::float8)
         / nullif((p_states -> p_key ->> 0)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.mape_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.mape_v1(p_states jsonb, p_key text) IS 'Mean of |prediction - label| / max(|label|, 2.2e-16), as in scikit-learn; null without rows to compare.';
CREATE FUNCTION mlguard.may_mend_v1() RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.mean_v1(p_states jsonb, p_sum text, p_have text, p_nan text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states ->> p_sum)::float8
         / nullif((p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0), 0);
end
$$;
ALTER FUNCTION mlguard.mean_v1(p_states jsonb, p_sum text, p_have text, p_nan text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.mean_v1(p_states jsonb, p_sum text, p_have text, p_nan text) IS 'Mean of the values that are neither missing nor NaN; null where there are none.';
CREATE FUNCTION mlguard.new_categories_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select c.rate from mlguard._new_categories(p_s, p_c, p_key, p_column) c
$$;
ALTER FUNCTION mlguard.new_categories_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.new_categories_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) IS 'Share of the values of a column whose category its baseline does not know; null: no_distance_v1 says why.';
CREATE FUNCTION mlguard.newest_v1(p_tbl text) RETURNS timestamp with time zone
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.no_distance_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case
    when p_metric = 'new_category_rate' then (mlguard._new_categories(p_s, p_c, p_key, p_column)).words
    else (mlguard._compared(p_s, p_c, p_key, p_column)).words
  end
$$;
ALTER FUNCTION mlguard.no_distance_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.no_distance_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text) IS 'Why a metric (psi, js, ks, linf, new_category_rate) has no value: no values, no baseline yet, …; null: it has one.';
CREATE FUNCTION mlguard.no_score_v1(p_states jsonb, p_metric text, p_key text, p_least integer, p_labelled text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return case
    when p_metric not in ('parity_gap', 'disparate_impact') and coalesce((p_states ->> p_labelled)::float8, 0) = 0
    then 'no labels'
    when p_metric in ('parity_gap', 'disparate_impact', 'equal_opportunity_gap', 'error_ratio')
    then case
      when (select count(*) from mlguard._fair_groups(p_states, p_key, p_least)) < 2
      then format('fewer than two groups of %s %s', p_least,
                  case p_metric
                    when 'equal_opportunity_gap' then 'positive labels'
                    when 'error_ratio' then 'labelled rows'
                    else 'rows'
                  end)
      when p_metric = 'error_ratio' then 'no errors'
      else 'no positive predictions'
    end
    when p_metric = 'auc' and p_states -> p_key -> 'c' <> '{}' then 'only one class'
    when p_metric = 'precision' and mlguard.accuracy_v1(p_states, p_key) is not null then 'no positive predictions'
    when p_metric = 'recall' and mlguard.accuracy_v1(p_states, p_key) is not null then 'no positive labels'
    when p_metric = 'f1' and mlguard.accuracy_v1(p_states, p_key) is not null
    then 'no positive labels or predictions'
    else 'no prediction that can be compared with its label'
  end;
end
$$;
ALTER FUNCTION mlguard.no_score_v1(p_states jsonb, p_metric text, p_key text, p_least integer, p_labelled text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.no_score_v1(p_states jsonb, p_metric text, p_key text, p_least integer, p_labelled text) IS 'Why a metric of labels or groups has no value, in words.';
CREATE FUNCTION mlguard.noise_v1(p_metric text, p_n bigint, p_m bigint, p_bins integer) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._noise(
    p_metric, array_fill(p_n / p_bins::float8, array[p_bins]), array_fill(p_m / p_bins::float8, array[p_bins]))
$$;
ALTER FUNCTION mlguard.noise_v1(p_metric text, p_n bigint, p_m bigint, p_bins integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.noise_v1(p_metric text, p_n bigint, p_m bigint, p_bins integer) IS 'The psi, js, ks or linf that chance alone exceeds once in 1000 between n values and a baseline of m, in bins that are equally full.';
CREATE FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) RETURNS jsonb
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._violation (slo, tbl, batch, observed, allowed, n, bad, key, outcome, reason)
  select p_slo, split_part(p_slo, '/', 1), mlguard.batch_v1(split_part(p_slo, '/', 1)), p_observed,
         (select s.allowed from mlguard._slo s where s.id = p_slo), p_n, p_bad, p_key, p_outcome, p_reason
$$;
ALTER FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) IS 'Records a violation that was not refused, in the batch of this transaction.';
CREATE FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._except(p_slo, 'off', statement_timestamp() + p_for, p_reason)
$$;
ALTER FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) IS 'Stops an SLO from acting for a while, with a reason; returns when that ends.';
CREATE FUNCTION mlguard.pair_v1(p_tbl text, p_side text, p_seen pg_snapshot, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._pairing (tbl, side, seen, bucket_from, bucket_to) values (p_tbl, p_side, p_seen, p_from, p_to)
$$;
ALTER FUNCTION mlguard.pair_v1(p_tbl text, p_side text, p_seen pg_snapshot, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.pair_v1(p_tbl text, p_side text, p_seen pg_snapshot, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Leaves the mark of a statement on predictions, labels or attributes.';
CREATE FUNCTION mlguard.part_emptied_v1(p_tbl text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._recount_due (tbl, shrunk) values (p_tbl, true)
$$;
ALTER FUNCTION mlguard.part_emptied_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.part_emptied_v1(p_tbl text) IS 'A partition was truncated, and nobody told which rows went: sweep() counts the stored ones anew.';
CREATE FUNCTION mlguard.post_lines_v1(p_tbl text, p_set text, p_key jsonb, p_row_hash text, p_lines jsonb, p_pending boolean, p_mark text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
declare
  _known text := split_part(split_part(current_setting('mlguard.batches', true), '|' || p_tbl || '=', 2), '|', 1);
  _place tid;
  _batch bigint;
  _id bigint;
  _first bigint;
begin
  -- What batch_v1 does first, without the call: this runs once a changed row.
  if _known ~ '^\(\d{1,9},\d{1,4}\)$' then
    _place := _known;
    select b.id
    into _batch
    from mlguard._batch b
    where b.ctid = _place and b.xid = pg_current_xact_id() and b.tbl = p_tbl and b.opened_at = now()
      and b.closed_at is null;
  end if;
  if _batch is null then
    _batch := mlguard.batch_v1(p_tbl);
  end if;
  for _n in 0 .. jsonb_array_length(p_lines) - 1 loop
    insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, row_hash, pending, step_set)
    values (p_tbl, p_key, p_lines -> _n ->> 'column', p_lines -> _n -> 'old', p_lines -> _n -> 'new',
            p_tbl || '/post.' || (p_lines -> _n ->> 'step'), _batch, p_row_hash, p_pending, p_set)
    returning id into _id;
    _first := coalesce(_first, _id);
  end loop;
  if coalesce(current_setting(p_mark, true), '') = '' then
    perform set_config(p_mark, _first::text, true);
  end if;
  return _first;
end
$_$;
ALTER FUNCTION mlguard.post_lines_v1(p_tbl text, p_set text, p_key jsonb, p_row_hash text, p_lines jsonb, p_pending boolean, p_mark text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.post_lines_v1(p_tbl text, p_set text, p_key jsonb, p_row_hash text, p_lines jsonb, p_pending boolean, p_mark text) IS 'Notes what post-prediction steps did to one row; returns the number of the first line. p_mark: setting that keeps the first of the statement, from which on lines of rows that did not land are taken back.';
CREATE FUNCTION mlguard.post_moved_v1(p_tbl text, p_first bigint, p_count integer, p_columns text[], p_row_hash text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
  update mlguard._change
  set row_hash = case when column_name = any (p_columns) then p_row_hash else '' end
  where id >= p_first and id < p_first + 1000 and tbl = p_tbl
    and batch = mlguard.batch_v1(p_tbl)
    and id in (
      select c.id
      from mlguard._change c
      where c.id >= p_first and c.id < p_first + 1000 and c.tbl = p_tbl and c.batch = mlguard.batch_v1(p_tbl)
      order by c.id
      limit p_count)
$$;
ALTER FUNCTION mlguard.post_moved_v1(p_tbl text, p_first bigint, p_count integer, p_columns text[], p_row_hash text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.post_moved_v1(p_tbl text, p_first bigint, p_count integer, p_columns text[], p_row_hash text) IS 'Gives the lines of a proposed row to the stored row that ON CONFLICT updated with its values.';
CREATE FUNCTION mlguard.post_set_ended_v1(p_tbl text, p_hash text) RETURNS void
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  update mlguard._post_set set ended_at = clock_timestamp() where tbl = p_tbl and hash = p_hash and ended_at is null
$$;
ALTER FUNCTION mlguard.post_set_ended_v1(p_tbl text, p_hash text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.post_set_ended_v1(p_tbl text, p_hash text) IS 'Ends a set of steps; what it was stays on record.';
CREATE FUNCTION mlguard.post_set_v1(p_tbl text, p_hash text, p_steps jsonb) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _version integer;
begin
  update mlguard._post_set s
  set ended_at = clock_timestamp()
  where s.tbl = p_tbl and s.hash <> p_hash and s.ended_at is null;
  insert into mlguard._post_set as s (tbl, version, hash, steps)
  values (p_tbl, 1 + coalesce((select max(o.version) from mlguard._post_set o where o.tbl = p_tbl), 0), p_hash, p_steps)
  on conflict on constraint _post_set_hash do update
  set since = case when s.ended_at is null then s.since else clock_timestamp() end,
      ended_at = null,
      applied_by = session_user
  returning s.version into _version;
  return _version;
end
$$;
ALTER FUNCTION mlguard.post_set_v1(p_tbl text, p_hash text, p_steps jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.post_set_v1(p_tbl text, p_hash text, p_steps jsonb) IS 'Puts a set of steps in force and returns its version. apply calls it.';
CREATE FUNCTION mlguard.precision_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return _c[1] / nullif(_c[1] + _c[2], 0);
end
$$;
ALTER FUNCTION mlguard.precision_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.precision_v1(p_states jsonb, p_key text) IS 'tp / (tp + fp), from [tp, fp, fn, tn]; null without positive predictions.';
CREATE FUNCTION mlguard.promote(p_model text, p_version text, p_reason text DEFAULT NULL::text, p_as text DEFAULT 'champion'::text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _version mlguard._model_version := mlguard._locked_version(p_model, p_version);
  _champion text;
begin
  if p_as is null or p_as not in ('champion', 'challenger') then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: a version is promoted to champion or to challenger';
  end if;
  if _version.state not in ('approved', 'champion', 'challenger') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s, and only an approved version can be %s', p_model, p_version,
                       _version.state, p_as),
      hint = format('mlguard models approve %s %s', p_model, p_version);
  end if;
  if _version.state = p_as then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s already', p_model, p_version, p_as);
  end if;
  if _version.state = 'champion' then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is the champion', p_model, p_version),
      hint = 'Promote another version to champion, or roll back, first.';
  end if;
  select v.version into _champion from mlguard._model_version v where v.model = p_model and v.state = 'champion';
  if p_as = 'champion' then
    update mlguard._model_version v set state = 'approved' where v.model = p_model and v.state = 'champion';
    update mlguard._model_version v
    set state = 'champion', promoted_by = session_user, promoted_at = clock_timestamp(), came_after = _champion,
        rolled_back_at = null
    where v.model = p_model and v.version = p_version;
  else
    update mlguard._model_version v
    set state = 'challenger', promoted_by = session_user, promoted_at = clock_timestamp()
    where v.model = p_model and v.version = p_version;
  end if;
  perform mlguard._record_model(
    case p_as when 'champion' then 'promote' else 'challenge' end, p_model, p_version,
    jsonb_build_object('state', _version.state, 'champion', _champion),
    jsonb_build_object('state', p_as, 'champion', case p_as when 'champion' then p_version else _champion end), p_reason);
  return p_as;
end
$$;
ALTER FUNCTION mlguard.promote(p_model text, p_version text, p_reason text, p_as text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.promote(p_model text, p_version text, p_reason text, p_as text) IS 'Makes an approved version the champion, whose predictions are served, in one step for all readers; the one before it stays approved and is where rollback() leads. p_as => ''challenger'': it writes beside the champion.';
CREATE FUNCTION mlguard.psi_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) RETURNS double precision
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select case when c.words is null then mlguard._psi(c.here, c.baseline) end
  from mlguard._compared(p_s, p_c, p_key, p_column) c
$$;
ALTER FUNCTION mlguard.psi_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.psi_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) IS 'Population stability index of a column against its baseline; null: no_distance_v1 says why.';
CREATE FUNCTION mlguard.publish(p_staging regclass, p_target regclass, p_replace boolean DEFAULT false) RETURNS TABLE(stored bigint, quarantined bigint, repaired bigint)
    LANGUAGE plpgsql
    AS $$
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
  set constraints mlguard.judge_request immediate;
  set constraints mlguard.judge_batch, mlguard.judge_loads immediate;
  set constraints mlguard.judge_request, mlguard.judge_batch, mlguard.judge_loads deferred;
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
$$;
ALTER FUNCTION mlguard.publish(p_staging regclass, p_target regclass, p_replace boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.publish(p_staging regclass, p_target regclass, p_replace boolean) IS 'Moves the rows of a staging table into a guarded one, judged as a load of their own: all or, where they are refused, none; p_replace: instead of the rows there. Gives rows stored, kept out and mended; the staging table is emptied.';
CREATE FUNCTION mlguard.put_assertion_v1(p_slo text, p_tables text[], p_relation text, p_judge text, p_hidden boolean, p_version text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  insert into mlguard._assertion (slo, tables, relation, judge, hidden, version)
  values (p_slo, p_tables, p_relation, p_judge, p_hidden, p_version);
  insert into mlguard._assertion_lock (slo) values (p_slo);
end
$$;
ALTER FUNCTION mlguard.put_assertion_v1(p_slo text, p_tables text[], p_relation text, p_judge text, p_hidden boolean, p_version text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.put_assertion_v1(p_slo text, p_tables text[], p_relation text, p_judge text, p_hidden boolean, p_version text) IS 'Puts an assertion in force.';
CREATE FUNCTION mlguard.quantile_v1(p_states jsonb, p_key text, p_rank double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _points record;
begin
  if coalesce((p_states -> p_key ->> 'n')::float8, 0) <= 0 then
    return null;
  end if;
  _points := mlguard._ranks(p_states -> p_key);
  return mlguard._at_rank(_points.vals, _points.ranks, p_rank);
end
$$;
ALTER FUNCTION mlguard.quantile_v1(p_states jsonb, p_key text, p_rank double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.quantile_v1(p_states jsonb, p_key text, p_rank double precision) IS 'The value at a rank from 0 to 1, interpolated as percentile_cont; null where there are no values.';
CREATE FUNCTION mlguard.ratio_v1(p_states jsonb, p_part text, p_whole text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states ->> p_part)::float8 / nullif((p_states ->> p_whole)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.ratio_v1(p_states jsonb, p_part text, p_whole text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.ratio_v1(p_states jsonb, p_part text, p_whole text) IS 'One count as a share of another; null where that is 0.';
CREATE FUNCTION mlguard.recall_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _c double precision[] := mlguard._sums(p_states, p_key);
begin
  return _c[1] / nullif(_c[1] + _c[3], 0);
end
$$;
ALTER FUNCTION mlguard.recall_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.recall_v1(p_states jsonb, p_key text) IS 'tp / (tp + fn), from [tp, fp, fn, tn]; null without positive labels.';
CREATE FUNCTION mlguard.recount_due_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._recount_due (tbl, bucket_from, bucket_to) values (p_tbl, p_from, p_to)
$$;
ALTER FUNCTION mlguard.recount_due_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.recount_due_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Has buckets counted anew from the stored rows before their windows are judged; null, null: all of the table.';
CREATE FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot DEFAULT NULL::pg_snapshot) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
  if found then
    -- Whoever wrote beside this a row within the grain of such a line left none of its own: sweep() looks again.
    insert into mlguard._freshness_due (tbl) values (p_tbl);
  end if;
  if isfinite(p_newest)
     and not exists (select from mlguard._freshness f where f.tbl = p_tbl and f.newest = p_newest) then
    -- When that row was written nobody knows: its event time alone decides whether it came in time.
    insert into mlguard._freshness (tbl, newest, at) values (p_tbl, p_newest, 'infinity');
  end if;
end
$$;
ALTER FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) IS 'Sets the freshness log back after the newest rows were deleted or changed. p_seen: pg_current_snapshot() taken before the newest event time was computed.';
CREATE FUNCTION mlguard.refuse_v1(p_slo text, p_observed jsonb, p_key jsonb) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.refuse_version_v1(p_tbl text, p_model text, p_version text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _table mlguard._table;
  _state text := (
    select v.state from mlguard._model_version v where v.model = p_model and v.version = p_version);
  _so text := case
    when p_version is null then format('model %s: a row names no version, and approval is required', p_model)
    when _state = 'retired' then format('model %s version %s is retired', p_model, p_version)
    when _state is null then format('model %s version %s is not registered', p_model, p_version)
    else format('model %s version %s is not approved', p_model, p_version)
  end;
begin
  select t.* into _table from mlguard._table t where t.tbl = p_tbl;
  return mlguard._raise(
    'ML003',
    format('mlguard: %s: %s; this statement stored nothing', p_tbl, _so),
    p_tbl || '/approval',
    jsonb_build_object('slo', p_tbl || '/approval', 'table', p_tbl, 'column', _table.version_column, 'model', p_model,
                       'version', p_version, 'state', _state, 'allowed', 'an approved version', 'owner', _table.owner),
    mlguard._hint(null, _table.owner, null, case
      when p_version is null then format('Write the version of the model into %s.', _table.version_column)
      when _state is null then format(
        'Register it: mlguard models register %s %s; then a platform role approves it: mlguard models approve %s %s',
        p_model, p_version, p_model, p_version)
      else format('A platform role other than its author approves it: mlguard models approve %s %s', p_model, p_version)
    end));
end
$$;
ALTER FUNCTION mlguard.refuse_version_v1(p_tbl text, p_model text, p_version text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.refuse_version_v1(p_tbl text, p_model text, p_version text) IS 'Raises ML003: this version of the model may not write the table. Generated triggers call it.';
CREATE FUNCTION mlguard.register(p_model text, p_version text, p_note text DEFAULT NULL::text, p_ticket bigint DEFAULT NULL::bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _found mlguard._model_version;
begin
  if p_model is null or p_model !~ '\S' or p_version is null or p_version !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value', message = 'mlguard: a version has a name, and so has its model';
  end if;
  insert into mlguard._model (model) values (p_model) on conflict do nothing;
  insert into mlguard._model_version (model, version, note, ticket)
  values (p_model, p_version, p_note, p_ticket)
  on conflict do nothing
  returning * into _found;
  if _found.version is null then
    select v.* into _found from mlguard._model_version v where v.model = p_model and v.version = p_version;
    raise exception using
      errcode = 'duplicate_object',
      message = format('mlguard: model %s version %s is registered already%s', p_model, p_version,
                       ', by ' || _found.author),
      hint = 'A version stays what it was: give a newly trained model a name of its own.';
  end if;
  perform mlguard._record_model('register', p_model, p_version, null,
                                jsonb_strip_nulls(jsonb_build_object('state', 'registered', 'ticket', p_ticket)), p_note);
  return 'registered';
end
$$;
ALTER FUNCTION mlguard.register(p_model text, p_version text, p_note text, p_ticket bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.register(p_model text, p_version text, p_note text, p_ticket bigint) IS 'Registers a version of a model; its author is the user who logged in. Somebody else approves it.';
CREATE FUNCTION mlguard.reinstate(p_id bigint, p_reason text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _slo text;
begin
  perform mlguard._loop_reason(p_reason, 'give predictions back to readers');
  update mlguard._withdrawal w
  set ended_at = clock_timestamp(), ended_by = session_user, reason = p_reason
  where w.id = p_id and w.ended_at is null
  returning w.slo into _slo;
  if _slo is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: there is no withdrawal %s, or it has ended', p_id),
      hint = 'select * from mlguard.withdrawal where ended_at is null';
  end if;
  perform mlguard._record('reinstate', _slo, null, jsonb_build_object('withdrawal', p_id), p_reason);
end
$$;
ALTER FUNCTION mlguard.reinstate(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.reinstate(p_id bigint, p_reason text) IS 'Gives withdrawn predictions back to readers, for good.';
CREATE FUNCTION mlguard.release(p_id bigint, p_set jsonb DEFAULT NULL::jsonb) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.remember_schema_v1(p_tbl text, p_wanted text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard.remember_schema_v1(p_tbl text, p_wanted text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.remember_schema_v1(p_tbl text, p_wanted text[]) IS 'Notes the columns of a table as they are now, and watches them; p_wanted: those that its SLO file names.';
CREATE FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, row_hash)
  values (p_tbl, p_key, p_column, p_old, p_new, p_rule, mlguard.batch_v1(p_tbl), p_row_hash)
$$;
ALTER FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) IS 'Notes a mended value before its row lands; confirm_repairs_v1 makes it final.';
CREATE FUNCTION mlguard.replay(p_table regclass) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
CREATE FUNCTION mlguard.request_acting_v1(p_tbl text, p_acting boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_acting then
    insert into mlguard._acting (tbl) values (p_tbl) on conflict do nothing;
    perform set_config('mlguard.acting', 'on', true);
  else
    perform set_config('mlguard.acting', '', true);
    delete from mlguard._acting a where a.tbl = p_tbl and a.xid = pg_current_xact_id();
  end if;
end
$$;
ALTER FUNCTION mlguard.request_acting_v1(p_tbl text, p_acting boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.request_acting_v1(p_tbl text, p_acting boolean) IS 'While true, what is written to a table is what COMMIT made of a request: steps leave such a row as it is.';
CREATE FUNCTION mlguard.request_due_v1(p_tbl text, p_judge text) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  insert into mlguard._request (tbl, judge) values (p_tbl, p_judge) on conflict (tbl, xid) where keys is null do nothing
$$;
ALTER FUNCTION mlguard.request_due_v1(p_tbl text, p_judge text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.request_due_v1(p_tbl text, p_judge text) IS 'Has COMMIT judge the requests that this transaction touches, once. Called before a statement, so that they are judged before the batch is closed and judged, and after it, since SET CONSTRAINTS … IMMEDIATE judges at once.';
CREATE FUNCTION mlguard.request_refused_v1(p_step text, p_meant bigint, p_done bigint) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  raise exception using
    errcode = 'check_violation',
    message = format('mlguard: %s: %s of %s rows could not be given their new value; COMMIT refused, nothing was stored',
                     p_step, p_meant - p_done, p_meant),
    hint = 'A rule or a trigger of the table keeps the new value out, or another transaction wrote the same request at '
           'the same time: then send it again.';
end
$$;
ALTER FUNCTION mlguard.request_refused_v1(p_step text, p_meant bigint, p_done bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.request_refused_v1(p_step text, p_meant bigint, p_done bigint) IS 'Refuses a COMMIT in which some rows of a request would stay as they were.';
CREATE FUNCTION mlguard.request_retrain(p_model text, p_reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _id bigint;
begin
  perform mlguard._known_model(p_model);
  perform mlguard._loop_reason(p_reason, 'ask for a training run');
  _id := mlguard._ask_retrain(p_model, null, null, p_reason, statement_timestamp());
  return coalesce(_id, (
    select r.id from mlguard._retrain_request r where r.model = p_model and r.state in ('requested', 'vetoed', 'claimed')));
end
$$;
ALTER FUNCTION mlguard.request_retrain(p_model text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.request_retrain(p_model text, p_reason text) IS 'A person asks for a training run; returns the request, the open one where there is one.';
CREATE FUNCTION mlguard.resolve(p_id bigint, p_reason text, p_label text DEFAULT NULL::text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _reason text := mlguard._need_reason(p_reason, 'resolve');
  _incident mlguard._incident := mlguard._acted_on(p_id, 'resolve');
  _each mlguard._incident;
begin
  -- What failed with it on the same table is over with it; on tables downstream the data are still what they are.
  for _each in
    select i.*
    from mlguard._incident i
    where i.id = _incident.id or (i.cause = _incident.id and i.tbl = _incident.tbl and i.state <> 'resolved')
    order by i.id <> _incident.id, i.id
  loop
    perform mlguard._resolve_incident(_each.id, session_user, _reason, false);
    perform mlguard._end_holds(_each.slo, format('incident %s resolved: %s', _incident.id, _reason));
    perform mlguard._record('resolve', 'incident ' || _each.id, jsonb_build_object('state', _each.state),
                            jsonb_build_object('state', 'resolved', 'slo', _each.slo), _reason);
    if p_label is not null then
      perform mlguard._label_incident(_each, p_label, _reason);
    end if;
  end loop;
  perform mlguard._tell_incidents();
  return _incident.id;
end
$$;
ALTER FUNCTION mlguard.resolve(p_id bigint, p_reason text, p_label text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.resolve(p_id bigint, p_reason text, p_label text) IS 'Ends an incident, what failed with it on the same table, and the holds of both; optionally says whether it was a true or a false alarm.';
CREATE FUNCTION mlguard.rest_v1(p_states jsonb, p_part text, p_whole text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return ((p_states ->> p_whole)::float8 - (p_states ->> p_part)::float8) / nullif((p_states ->> p_whole)::float8, 0);
end
$$;
ALTER FUNCTION mlguard.rest_v1(p_states jsonb, p_part text, p_whole text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.rest_v1(p_states jsonb, p_part text, p_whole text) IS 'What one count leaves of another, as a share of that; null where that is 0.';
CREATE FUNCTION mlguard.resume(p_slo text, p_reason text) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
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
$$;
ALTER FUNCTION mlguard.resume(p_slo text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.resume(p_slo text, p_reason text) IS 'Ends every exception (off, waive) of an SLO that is in force, now, with a reason; returns how many there were.';
CREATE FUNCTION mlguard.retire(p_model text, p_version text, p_reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _version mlguard._model_version;
begin
  perform mlguard._model_reason(p_reason, 'retire');
  _version := mlguard._locked_version(p_model, p_version);
  if _version.state in ('champion', 'retired') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = format('mlguard: model %s version %s is %s', p_model, p_version,
                       case _version.state when 'champion' then 'the champion' else 'retired already' end),
      hint = case _version.state when 'champion' then 'Promote another version to champion, or roll back, first.' end;
  end if;
  update mlguard._model_version v
  set state = 'retired', retired_by = session_user, retired_at = clock_timestamp()
  where v.model = p_model and v.version = p_version;
  perform mlguard._record_model('retire', p_model, p_version, jsonb_build_object('state', _version.state),
                                jsonb_build_object('state', 'retired'), p_reason);
  return 'retired';
end
$$;
ALTER FUNCTION mlguard.retire(p_model text, p_version text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.retire(p_model text, p_version text, p_reason text) IS 'Ends a version: where approval is required it may not write from now on. approve() takes that back.';
CREATE FUNCTION mlguard.review_accept(p_id bigint, p_reason text) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
begin
  if _closed is null then
    perform mlguard._review_decide(_row, 'accepted', p_reason, null);
  end if;
  return query select p_id, coalesce(_closed, 'accepted'), coalesce(_row.reason, p_reason);
end
$$;
ALTER FUNCTION mlguard.review_accept(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.review_accept(p_id bigint, p_reason text) IS 'Lets a routed row appear in guarded reads as it is. Outcome: accepted, not found, already …';
CREATE FUNCTION mlguard.review_override(p_id bigint, p_set jsonb, p_reason text) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $_$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
  _table mlguard._table;
  _relation text;
  _same text;
  _wrong text;
  _was jsonb;
  _is jsonb;
  _rows bigint;
  _state text;
  _message text;
begin
  if p_set is null or jsonb_typeof(p_set) <> 'object' or p_set = '{}' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: an override says which columns get which values',
      hint = format('select * from mlguard.review_override(%s, ''{"score": 0.2}'', ''checked by phone'')', p_id);
  end if;
  if _closed is not null then
    return query select p_id, _closed, _row.reason;
    return;
  end if;
  select t.* into _table from mlguard._table t where t.tbl = _row.tbl;
  _relation := format('%I.%I', _table.schema_name, _table.table_name);
  select string_agg(format('"%s"', k.name), ', ' order by k.name)
  into _wrong
  from jsonb_object_keys(p_set) k (name)
  left join pg_attribute a
    on a.attrelid = to_regclass(_relation) and a.attname = k.name and a.attnum > 0 and not a.attisdropped
  where a.attname is null or a.attgenerated <> '' or k.name = any (_table.key);
  if to_regclass(_relation) is null or _wrong is not null then
    return query select p_id, 'failed', coalesce(_wrong || ' cannot be set', format('there is no table %s', _row.tbl));
    return;
  end if;
  _same := (select string_agg(format('t.%1$I = k.%1$I', k.name), ' and ') from unnest(_table.key) k (name));
  begin
    -- Triggers of the table's own may need the names they usually see; the statements here are qualified.
    perform set_config('search_path', s.reset_val, true) from pg_catalog.pg_settings s where s.name = 'search_path';
    insert into mlguard._acting (tbl) values (_row.tbl) on conflict do nothing;
    perform pg_catalog.set_config('mlguard.acting', 'on', true);
    execute pg_catalog.format(
      'select pg_catalog.to_jsonb(t) from %1$s t, pg_catalog.jsonb_populate_record(null::%1$s, $1) k where %2$s',
      _relation, _same)
    into _was
    using _row.key;
    execute pg_catalog.format(
      'update %1$s t set %2$s from pg_catalog.jsonb_populate_record(null::%1$s, $1) k, '
      'pg_catalog.jsonb_populate_record(null::%1$s, $2) n where %3$s returning pg_catalog.to_jsonb(t)',
      _relation,
      (select pg_catalog.string_agg(pg_catalog.format('%1$I = n.%1$I', s.name), ', ')
       from pg_catalog.jsonb_object_keys(p_set) s (name)),
      _same)
    into _is
    using _row.key, p_set;
    get diagnostics _rows = row_count;
    perform pg_catalog.set_config('mlguard.acting', '', true), pg_catalog.set_config('search_path', '', true);
    delete from mlguard._acting a where a.tbl = _row.tbl and a.xid = pg_current_xact_id();
  exception
    when check_violation or not_null_violation or data_exception then
      get stacked diagnostics _state = returned_sqlstate, _message = message_text;
      -- PostgreSQL's own words may quote a value; mlguard's do not.
      return query select p_id, 'refused', case
        when _message like 'mlguard: %' or _table.pii = '{}' then _message
        else format('PostgreSQL refused it with SQLSTATE %s', _state)
      end;
      return;
  end;
  if _rows = 0 then
    return query select p_id, 'failed', 'the row is not in the table, or a trigger kept it as it was';
    return;
  end if;
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, pending, step_set)
  select _row.tbl, _row.key, k.name, _was -> k.name, _is -> k.name, _row.tbl || '/review', mlguard.batch_v1(_row.tbl),
         false, _row.step_set
  from jsonb_object_keys(p_set) k (name)
  where _was -> k.name is distinct from _is -> k.name;
  perform mlguard._review_decide(_row, 'overridden', p_reason, p_set);
  return query select p_id, 'overridden', p_reason;
end
$_$;
ALTER FUNCTION mlguard.review_override(p_id bigint, p_set jsonb, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.review_override(p_id bigint, p_set jsonb, p_reason text) IS 'Gives a routed row values of a person, under the table''s own rules, and lets it appear in guarded reads. Outcome: overridden, refused (a rule of the table, and which), failed, not found, already …';
CREATE FUNCTION mlguard.review_reject(p_id bigint, p_reason text) RETURNS TABLE(id bigint, outcome text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
#variable_conflict use_column
declare
  _row mlguard._review := mlguard._review_row(p_id, p_reason);
  _closed text := mlguard._review_closed(p_id, _row);
begin
  if _row.status = 'rejected' then
    _closed := 'already rejected';
  end if;
  if _closed is null then
    perform mlguard._review_decide(_row, 'rejected', p_reason, null);
  end if;
  return query select p_id, coalesce(_closed, 'rejected'), coalesce(_row.reason, p_reason);
end
$$;
ALTER FUNCTION mlguard.review_reject(p_id bigint, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.review_reject(p_id bigint, p_reason text) IS 'Keeps a routed row out of guarded reads for good; it stays in the table. Outcome: rejected, not found, already …';
CREATE FUNCTION mlguard.rmse_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return sqrt(greatest((p_states -> p_key ->> 2)::float8, 0) / nullif((p_states -> p_key ->> 0)::float8, 0));
end
$$;
ALTER FUNCTION mlguard.rmse_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.rmse_v1(p_states jsonb, p_key text) IS 'Root mean squared error; null without rows to compare.';
CREATE FUNCTION mlguard.rollback(p_model text, p_reason text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _champion text;
  _previous text;
begin
  perform mlguard._model_reason(p_reason, 'roll back');
  perform mlguard._locked_version(p_model, null);
  select v.version into _champion from mlguard._model_version v where v.model = p_model and v.state = 'champion';
  _previous := mlguard._previous(p_model);
  if _previous is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      message = case
        when _champion is null then format('mlguard: model %s has no champion to roll back', p_model)
        else format('mlguard: no approved version of model %s was champion before version %s', p_model, _champion)
      end,
      hint = format('Name the version that is to serve: mlguard models promote %s VERSION', p_model);
  end if;
  update mlguard._model_version v
  set state = 'approved', rolled_back_at = clock_timestamp()
  where v.model = p_model and v.version = _champion;
  update mlguard._model_version v
  set state = 'champion', promoted_by = session_user, promoted_at = clock_timestamp()
  where v.model = p_model and v.version = _previous;
  perform mlguard._record_model('rollback', p_model, _previous, jsonb_build_object('champion', _champion),
                                jsonb_build_object('champion', _previous), p_reason);
  return _previous;
end
$$;
ALTER FUNCTION mlguard.rollback(p_model text, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.rollback(p_model text, p_reason text) IS 'Makes the approved champion before the present one champion again, and returns it. The one taken out stays approved: promote() brings it back.';
CREATE FUNCTION mlguard.rounded_score_v1(p_score double precision) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return case
    when p_score = 0 or abs(p_score) < 1e-30 then 0
    else round(p_score::numeric, 2 - floor(log(abs(p_score)))::integer)::float8
  end;
end
$$;
ALTER FUNCTION mlguard.rounded_score_v1(p_score double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.rounded_score_v1(p_score double precision) IS 'A score with three digits that count: the grid on which scores are tallied where there are too many different ones.';
CREATE FUNCTION mlguard.route_v1(p_tbl text, p_set text, p_key jsonb, p_row_key text, p_row_hash text, p_steps text[], p_before bigint, p_mark text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
declare
  _batch bigint;
  _first bigint;
begin
  -- The prediction is a new one: what was asked or decided about the old one is no longer about it.
  update mlguard._review
  set status = 'obsolete'
  where tbl = p_tbl and row_key = p_row_key and status in ('pending', 'rejected') and id < p_before;
  if cardinality(p_steps) > 0 then
    _batch := mlguard.batch_v1(p_tbl);
    with routed as (
      insert into mlguard._review (tbl, key, row_key, step, step_set, row_hash, batch)
      select p_tbl, p_key, p_row_key, s.name, p_set, p_row_hash, _batch
      from unnest(p_steps) with ordinality s (name, place)
      order by s.place
      returning id
    )
    select min(r.id) into _first from routed r;
    if coalesce(current_setting(p_mark, true), '') = '' then
      perform set_config(p_mark, _first::text, true);
    end if;
  end if;
  return _first;
end
$$;
ALTER FUNCTION mlguard.route_v1(p_tbl text, p_set text, p_key jsonb, p_row_key text, p_row_hash text, p_steps text[], p_before bigint, p_mark text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.route_v1(p_tbl text, p_set text, p_key jsonb, p_row_key text, p_row_hash text, p_steps text[], p_before bigint, p_mark text) IS 'Withholds a row from guarded reads until a person decides, and returns the number of its first review; reviews of the row with a number below p_before are obsolete.';
CREATE FUNCTION mlguard.sample_places_v1(p_n bigint, p_tried integer, p_most integer) RETURNS bigint[]
    LANGUAGE plpgsql IMMUTABLE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  -- A row draws the fractional part of its place times the golden ratio, in units of 2^-32.
  _step constant bigint := 2654435761;
  _whole constant bigint := 4294967296;
  _below bigint := ceil(p_tried::numeric * _whole / p_n);
  _up bigint;
  _up_by bigint;
  _down bigint;
  _down_by bigint;
  _moved bigint := 0;
  _stride bigint := 0;
  _place bigint := 0;
  _draw bigint := 0;
  _places bigint[];
  _draws bigint[];
  _k integer := 0;
begin
  if p_n <= p_tried then
    return array(
      select p.place
      from (
        select g.i as place from generate_series(0, p_n - 1) g (i) order by g.i * _step % _whole limit p_most
      ) p
      order by p.place);
  end if;
  -- From one draw below the limit to the next leads the shortest stride that moves it up, the shortest that moves it down,
  -- or both together: the three gaps theorem (Slater 1967). So no other place is looked at.
  while _up is null or _down is null loop
    _stride := _stride + 1;
    _moved := (_moved + _step) % _whole;
    if _up is null and _moved < _below then
      _up := _stride;
      _up_by := _moved;
    end if;
    if _down is null and _whole - _moved < _below then
      _down := _stride;
      _down_by := _whole - _moved;
    end if;
  end loop;
  while _place < p_n loop
    _k := _k + 1;
    _places[_k] := _place;
    _draws[_k] := _draw;
    if _draw + _up_by < _below and (_up < _down or _draw < _down_by) then
      _place := _place + _up;
      _draw := _draw + _up_by;
    elsif _draw >= _down_by then
      _place := _place + _down;
      _draw := _draw - _down_by;
    else
      _place := _place + _up + _down;
      _draw := _draw + _up_by - _down_by;
    end if;
  end loop;
  return array(
    select p.place
    from (select u.place from unnest(_places, _draws) u (place, draw) order by u.draw limit p_most) p
    order by p.place);
end
$$;
ALTER FUNCTION mlguard.sample_places_v1(p_n bigint, p_tried integer, p_most integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.sample_places_v1(p_n bigint, p_tried integer, p_most integer) IS 'Places, from 0, of the rows that a sample of a statement takes: of about p_tried evenly spread ones the p_most that drew least.';
CREATE FUNCTION mlguard.schema_faults(p_tbl text) RETURNS TABLE(column_name text, fault text, words text, slos text[])
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select f.* from mlguard._schema_faults(p_tbl) f
$$;
ALTER FUNCTION mlguard.schema_faults(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.schema_faults(p_tbl text) IS 'Columns of a guarded table that were dropped, renamed, retyped, added or moved since its SLO file was applied.';
CREATE FUNCTION mlguard.sealed_v1(p_note jsonb) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select encode(sha256(convert_to(s.secret || p_note::text || s.secret, 'UTF8')), 'hex') || p_note::text
  from mlguard._seal s
$$;
ALTER FUNCTION mlguard.sealed_v1(p_note jsonb) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.sealed_v1(p_note jsonb) IS 'A note that a trigger leaves in a setting for a later trigger of its statement: signed, since the session''s user may write the setting too.';
CREATE FUNCTION mlguard.set_baseline(p_tbl regclass, p_other regclass) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
declare
  _tbl text := mlguard._tbl(p_tbl);
  _columns text[] := array(select c.column_name from mlguard.baseline_columns(p_tbl) c);
  _edges jsonb;
begin
  -- Not SECURITY DEFINER: the other table is read by who names it.
  select coalesce(jsonb_object_agg(s.column_name, s.edges), '{}')
  into _edges
  from mlguard._survey(p_tbl, p_other, _columns, 'true') s
  where s.n >= 200;
  return mlguard.keep_baseline(
    p_tbl,
    (select format('%s.%s', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.oid = p_other),
    (select coalesce(jsonb_agg(to_jsonb(t)), '[]') from mlguard._tally(p_tbl, p_other, _edges, 'true') t),
    'table');
end
$$;
ALTER FUNCTION mlguard.set_baseline(p_tbl regclass, p_other regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_other regclass) IS 'Makes the rows of another table, such as the one a model was trained on, the baseline of a guarded table; returns its version.';
CREATE FUNCTION mlguard.set_baseline(p_tbl regclass, p_source text DEFAULT NULL::text, p_from timestamp with time zone DEFAULT NULL::timestamp with time zone, p_to timestamp with time zone DEFAULT NULL::timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if p_source is null or p_source = 'window' then
    if p_from >= p_to then
      raise exception using
        errcode = 'invalid_parameter_value', message = 'mlguard: a baseline must begin before it ends';
    end if;
    return mlguard._set_own_baseline(p_tbl, p_from, p_to);
  elsif p_source in ('version', 'ticket') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: which %s the baseline is taken from is not said', p_source),
      hint = 'Write ''version model:version'', or ''ticket N''; baseline: version in the SLO file follows the champion.';
  elsif p_source ~ '^(version|ticket) ' then
    return mlguard._set_ticket_baseline(p_tbl, mlguard._ticket_named(p_source));
  elsif p_source ~ '^(first|previous) ' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: %s is what an SLO file says', p_source),
      hint = format('Write baseline: %s there; sweep() freezes it once its days are over.', p_source);
  elsif to_regclass(p_source) is null then
    raise exception using
      errcode = 'undefined_table',
      message = format('mlguard: there is no table %s to take a baseline from', p_source),
      hint = 'Give a table as schema.table, or a stretch of time; files are read by mlguard baseline set --from-file.';
  elsif p_from is not null or p_to is not null then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: of another table all rows are taken',
      hint = 'Select the rows you mean into a table of their own.';
  end if;
  return mlguard.set_baseline(p_tbl, to_regclass(p_source));
end
$$;
ALTER FUNCTION mlguard.set_baseline(p_tbl regclass, p_source text, p_from timestamp with time zone, p_to timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_source text, p_from timestamp with time zone, p_to timestamp with time zone) IS 'Pins what distributions of a guarded table are compared with: its own rows (of a stretch of time, or all), or another table; returns the version.';
CREATE FUNCTION mlguard.set_retention(p_what text, p_keep interval DEFAULT NULL::interval, p_most bigint DEFAULT NULL::bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _before mlguard._retention;
begin
  if p_what is null or p_what not in ('verdict', 'metric', 'violation', 'change', 'batch', 'incident', 'event') then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: there is no retention of %s', coalesce(p_what, 'null')),
      hint = 'There is one of verdict, metric, violation, change, batch, incident, event; of kept rows the SLO file says '
             'it: quarantine: {retention: 90 days}.';
  end if;
  if p_keep < interval '1 day' or p_most < 1000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a retention is of a day or more, and of 1000 records or more';
  end if;
  select r.* into _before from mlguard._retention r where r.what = p_what;
  if p_keep is null and p_most is null then
    delete from mlguard._retention r where r.what = p_what;
  else
    insert into mlguard._retention (what, keep, most)
    values (p_what, p_keep, p_most)
    on conflict (what) do update set keep = excluded.keep, most = excluded.most;
  end if;
  perform mlguard._record(
    'retention policy', p_what, case when _before.what is not null then to_jsonb(_before) end,
    jsonb_build_object('keep', p_keep, 'most', p_most), null);
end
$$;
ALTER FUNCTION mlguard.set_retention(p_what text, p_keep interval, p_most bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.set_retention(p_what text, p_keep interval, p_most bigint) IS 'Sets how long records are kept, by age (a day or more) and by number (1000 or more); neither: for ever. sweep() prunes.';
CREATE FUNCTION mlguard.set_retrain_policy(p_model text, p_training interval DEFAULT NULL::interval, p_cooldown interval DEFAULT NULL::interval, p_lease interval DEFAULT NULL::interval, p_attempts integer DEFAULT NULL::integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _before mlguard._retrain_policy := mlguard._policy(p_model);
  _after mlguard._retrain_policy;
begin
  perform mlguard._known_model(p_model);
  insert into mlguard._retrain_policy as p (model, training, cooldown, lease, attempts)
  values (p_model, coalesce(p_training, _before.training), coalesce(p_cooldown, _before.cooldown),
          coalesce(p_lease, _before.lease), coalesce(p_attempts, _before.attempts))
  on conflict (model) do update
  set training = excluded.training, cooldown = excluded.cooldown, lease = excluded.lease, attempts = excluded.attempts
  returning * into _after;
  perform mlguard._record('retrain policy', 'model ' || p_model, to_jsonb(_before), to_jsonb(_after), null);
end
$$;
ALTER FUNCTION mlguard.set_retrain_policy(p_model text, p_training interval, p_cooldown interval, p_lease interval, p_attempts integer) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.set_retrain_policy(p_model text, p_training interval, p_cooldown interval, p_lease interval, p_attempts integer) IS 'Sets how a model is retrained: length of the training window (28 days), cooldown between requests (1 day), lease of a claim (10 minutes), claims before it has failed (3). What is left out stays.';
CREATE FUNCTION mlguard.share_v1(p_states jsonb, p_part text, p_have text, p_nan text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return (p_states ->> p_part)::float8
         / nullif((p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0), 0);
end
$$;
ALTER FUNCTION mlguard.share_v1(p_states jsonb, p_part text, p_have text, p_nan text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.share_v1(p_states jsonb, p_part text, p_have text, p_nan text) IS 'A count as a share of the values that are neither missing nor NaN; null where there are none.';
CREATE FUNCTION mlguard.snooze(p_id bigint, p_until timestamp with time zone, p_reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _reason text := mlguard._need_reason(p_reason, 'snooze');
  _incident mlguard._incident;
begin
  if p_until is null or not isfinite(p_until) or p_until <= statement_timestamp() then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'mlguard: a snooze must end, and in the future',
      hint = 'What shall never alert again is resolved with a label, or its SLO is changed.';
  end if;
  _incident := mlguard._alarm_of(mlguard._acted_on(p_id, 'snooze'));
  update mlguard._incident i
  set state = 'snoozed', snoozed_at = clock_timestamp(), snoozed_by = session_user, snoozed_until = p_until,
      snoozed_reason = _reason
  where i.id = _incident.id;
  perform mlguard._record('snooze', 'incident ' || _incident.id, jsonb_build_object('state', _incident.state),
                          jsonb_build_object('state', 'snoozed', 'until', p_until, 'slo', _incident.slo), _reason);
  perform mlguard._tell_incidents();
  return _incident.id;
end
$$;
ALTER FUNCTION mlguard.snooze(p_id bigint, p_until timestamp with time zone, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.snooze(p_id bigint, p_until timestamp with time zone, p_reason text) IS 'Keeps an incident quiet until a time; then it alerts again unless it is over. Gates stay as they are. Returns the number of the incident that alerts.';
CREATE FUNCTION mlguard.stddev_v1(p_states jsonb, p_key text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _n double precision := (p_states -> p_key ->> 0)::float8;
begin
  return case when _n >= 2 then sqrt(greatest((p_states -> p_key ->> 2)::float8, 0) / (_n - 1)) end;
end
$$;
ALTER FUNCTION mlguard.stddev_v1(p_states jsonb, p_key text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.stddev_v1(p_states jsonb, p_key text) IS 'Sample standard deviation; null below two values.';
CREATE FUNCTION mlguard.sum_v1(p_states jsonb, p_sum text, p_have text DEFAULT NULL::text, p_nan text DEFAULT NULL::text) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  return case
    when (p_states ->> p_have)::float8 - coalesce((p_states ->> p_nan)::float8, 0) = 0 then null
    else (p_states ->> p_sum)::float8
  end;
end
$$;
ALTER FUNCTION mlguard.sum_v1(p_states jsonb, p_sum text, p_have text, p_nan text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.sum_v1(p_states jsonb, p_sum text, p_have text, p_nan text) IS 'A sum; null where there are no values, as far as p_have and p_nan tell.';
CREATE FUNCTION mlguard.sweep(p_as_of timestamp with time zone DEFAULT statement_timestamp()) RETURNS TABLE(what text, n bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET extra_float_digits TO '1'
    AS $$
begin
  if pg_is_in_recovery() then
    raise exception using
      errcode = 'read_only_sql_transaction',
      message = 'mlguard: this server is a standby: nothing can be judged or written down here',
      hint = 'Let sweep() run on the primary; what it finds, holds among it, arrives here with the rows. Guarded reads '
             'are judged here, staleness by this server''s clock.';
  end if;
  if current_setting('transaction_read_only') = 'on' then
    raise exception using
      errcode = 'read_only_sql_transaction',
      message = 'mlguard: this transaction is read-only: nothing can be judged or written down in it',
      hint = 'Call sweep() in a transaction that may write; guarded reads need none.';
  end if;
  -- Window after window up to no time at all would be judged for ever.
  if p_as_of is null or not isfinite(p_as_of) then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: sweep() judges what is due at a time, and %s is none', coalesce(p_as_of::text, 'NULL')),
      hint = 'Write sweep() for now, or a time: sweep(''2026-11-20 06:00+00'').';
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
$$;
ALTER FUNCTION mlguard.sweep(p_as_of timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) IS 'Folds what writers appended, judges windows that have closed, learns, opens and resolves incidents, tidies up. Run it every minute or so (mlguard watch, pg_cron, cron with psql); two at once do no harm. Reading stays guarded without.';
CREATE FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) RETURNS record
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _vetoes jsonb;
begin
  select t.from_at, t.to_at, t.at
  into from_at, to_at, given_at
  from mlguard._training_ticket t
  where t.id = p_ticket and t.model = p_model;
  if not found then
    raise exception using
      errcode = 'ML002',
      message = format('mlguard: %s is no training ticket of model %s', coalesce(p_ticket::text, 'null'), p_model),
      detail = jsonb_build_object('model', p_model, 'ticket', p_ticket)::text,
      hint = format('select mlguard.begin_training(%L) gives one.', p_model);
  end if;
  _vetoes := mlguard._vetoes(p_model, from_at, to_at);
  if _vetoes <> '[]' then
    perform mlguard._raise(
      'ML002',
      format('mlguard: model %s must not be trained now: %s; ticket %s was given before that', p_model,
             _vetoes -> 0 ->> 'why', p_ticket),
      _vetoes -> 0 ->> 'slo',
      mlguard._detail(_vetoes -> 0 ->> 'slo', null, null, null,
                      jsonb_build_object('model', p_model, 'ticket', p_ticket, 'vetoes', _vetoes)),
      'What was read with it so far may be bad too: begin anew once these hold again.');
  end if;
end
$$;
ALTER FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) IS 'What a ticket allows to be read; raises ML002 where there is none, or an input went bad since. Training functions call it.';
CREATE FUNCTION mlguard.trailing_v1(p_c jsonb, p_metric text, p_back interval) RETURNS double precision
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _batch bigint := p_c ->> 'batch';
  _zone text;
  _start timestamptz;
  _n bigint;
  _median double precision;
begin
  -- At most 1000 values, the newest: what history there is beside them costs nothing.
  if _batch is not null then
    _start := (select b.opened_at from mlguard._batch b where b.id = _batch);
    select count(*), percentile_cont(0.5) within group (order by h.value)
    into _n, _median
    from (
      select m.value, m.at
      from mlguard._metric m
      where m.tbl = p_c ->> 'tbl' and m.metric = p_metric and m.segment = p_c -> 'segment' and m.batch < _batch
        and m.current and not m.sampled and not m.excluded and m.value is not null
      order by m.batch desc
      limit 1000
    ) h
    where h.at >= (_start at time zone 'UTC' - p_back) at time zone 'UTC';
  else
    _zone := (select t.time_zone from mlguard._table t where t.tbl = p_c ->> 'tbl');
    _start := p_c ->> 'start';
    select count(*), percentile_cont(0.5) within group (order by h.value)
    into _n, _median
    from (
      select m.value
      from mlguard._metric m
      where m.tbl = p_c ->> 'tbl' and m.over = p_c ->> 'over' and m.metric = p_metric and m.segment = p_c -> 'segment'
        and m.window_start < _start and m.window_start >= (_start at time zone _zone - p_back) at time zone _zone
        and m.window_end <= _start
        and m.current and not m.sampled and not m.excluded and m.value is not null
      order by m.window_start desc
      limit 1000
    ) h;
  end if;
  return case when _n >= 3 then _median end;
end
$$;
ALTER FUNCTION mlguard.trailing_v1(p_c jsonb, p_metric text, p_back interval) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.trailing_v1(p_c jsonb, p_metric text, p_back interval) IS 'Median of a metric over the windows (or batches) before this one, as far back as a length; null: fewer than three.';
CREATE FUNCTION mlguard.truncated_v1(p_tbl text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    SET jit TO 'off'
    AS $$
declare
  _batch bigint;
begin
  if (select t.judges_batches from mlguard._table t where t.tbl = p_tbl) then
    _batch := mlguard.batch_v1(p_tbl);
    perform mlguard.landed_v1(p_tbl, 0, '{}');
  end if;
  -- TRUNCATE waits for all writers and they for it: all rows so far have lower numbers.
  insert into mlguard._state (tbl, batch, sign, op, n, states) values (p_tbl, _batch, -1, 'TRUNCATE', 0, '{}');
end
$$;
ALTER FUNCTION mlguard.truncated_v1(p_tbl text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.truncated_v1(p_tbl text) IS 'Notes that a table was emptied: all its states so far are void.';
CREATE FUNCTION mlguard.try_assertion_v1(p_slo text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _done boolean := mlguard._judge_assertion(p_slo, null, null, 'new writes are guarded, stored rows break it');
begin
  return (select l.outcome from mlguard._assertion_lock l where l.slo = p_slo);
end
$$;
ALTER FUNCTION mlguard.try_assertion_v1(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.try_assertion_v1(p_slo text) IS 'Judges an assertion on the stored rows now, as a COMMIT would; returns what is on record of it then.';
CREATE FUNCTION mlguard.unrouted_v1(p_tbl text, p_row_keys text[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET enable_seqscan TO 'off'
    AS $$
  update mlguard._review
  set status = 'obsolete'
  where tbl = p_tbl and status in ('pending', 'rejected') and (p_row_keys is null or row_key = any (p_row_keys))
$$;
ALTER FUNCTION mlguard.unrouted_v1(p_tbl text, p_row_keys text[]) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.unrouted_v1(p_tbl text, p_row_keys text[]) IS 'Ends the reviews of rows that were deleted; null: of all.';
CREATE FUNCTION mlguard.unsealed_v1(p_sealed text) RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
begin
  if length(p_sealed) > 64 and p_sealed = mlguard.sealed_v1(substr(p_sealed, 65)::jsonb) then
    return substr(p_sealed, 65)::jsonb;
  end if;
  return null;
exception
  when data_exception then
    return null;
end
$$;
ALTER FUNCTION mlguard.unsealed_v1(p_sealed text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.unsealed_v1(p_sealed text) IS 'The note of sealed_v1; null where the signature is not mlguard''s.';
CREATE FUNCTION mlguard.usual_v1(p_c jsonb, p_metric text, p_value double precision, p_rows bigint) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _tbl text := p_c ->> 'tbl';
  _over text := p_c ->> 'over';
  _segment jsonb := coalesce(p_c -> 'segment', '{}');
  _slot integer;
  _b mlguard._band;
begin
  if p_value is null then
    return null;
  end if;
  -- From the values before this one, so that a window judged again is held against the same past.
  _b := mlguard._learned(
    _tbl, _over, _segment, p_metric, (p_c ->> 'start')::timestamptz, (p_c ->> 'batch')::bigint);
  -- Before twenty values a band knows too little to call anything unusual.
  if coalesce(cardinality(_b.filled), 0) < 20 then
    return null;
  end if;
  _slot := (
    select mlguard._slot(_over, t.time_zone, coalesce((p_c ->> 'start')::timestamptz, statement_timestamp()))
    from mlguard._table t where t.tbl = _tbl);
  return coalesce((mlguard._held_against(_b, p_value, p_rows, p_rows, _slot)).score, 0) <= 1;
end
$$;
ALTER FUNCTION mlguard.usual_v1(p_c jsonb, p_metric text, p_value double precision, p_rows bigint) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.usual_v1(p_c jsonb, p_metric text, p_value double precision, p_rows bigint) IS 'Whether a value lies in the band learned from the windows or batches before it; null while there are fewer than 20.';
CREATE FUNCTION mlguard.verify_audit(p_no bigint DEFAULT NULL::bigint, p_hash text DEFAULT NULL::text) RETURNS TABLE(fault text, seal bigint, event bigint, words text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _last bigint := (select max(s.no) from mlguard._event_seal s);
  _cut mlguard._event_checkpoint;
begin
  select c.* into _cut from mlguard._event_checkpoint c order by c.no desc limit 1;
  return query
  with walked as (
    select s.no, s.event, s.prev, s.hash, e.id as found,
           lag(s.no, 1, coalesce(_cut.no, 0)) over (order by s.no) as before,
           lag(s.hash, 1, coalesce(_cut.hash, decode(repeat('00', 32), 'hex'))) over (order by s.no) as expected,
           e.id is not null and mlguard._link(s.prev, s.no, e) <> s.hash as wrong
    from mlguard._event_seal s
    left join mlguard._event e on e.id = s.event
  ), gap as (
    select 'gap'::text, w.no, w.event,
           case when w.no - w.before = 2 then format('seal %s is missing', w.no - 1)
                else format('seals %s to %s are missing', w.before + 1, w.no - 1) end
    from walked w
    where w.no <> w.before + 1
  ), broken as (
    select 'broken'::text, w.no, w.event,
           format('seal %s does not follow seal %s: one of them was replaced', w.no, w.before)
    from walked w
    where w.no = w.before + 1 and w.prev <> w.expected
  ), deleted as (
    select 'deleted'::text, w.no, w.event, format('event %s is gone', w.event)
    from walked w
    where w.found is null
    union all
    select 'deleted', null, u.event, format('event %s is gone, before it was sealed', u.event)
    from mlguard._unsealed u
    where not exists (select from mlguard._event e where e.id = u.event)
      and not exists (select from mlguard._event_seal s where s.event = u.event)
  ), moved as (
    -- Its own text gives the hash that stands at another place: it was taken from there.
    select distinct on (w.no) w.no, w.event, o.no as belongs
    from walked w
    join mlguard._event e on e.id = w.event
    join walked o on o.wrong and o.no <> w.no
    where w.wrong
      and (mlguard._link(o.prev, o.no, e) = o.hash or mlguard._link(w.prev, o.no, e) = w.hash)
    order by w.no, o.no
  ), changed as (
    select case when m.no is null then 'edited' else 'reordered' end, w.no, w.event,
           case when m.no is null then format('event %s is not what was sealed', w.event)
                else format('event %s stands at seal %s and was sealed as %s', w.event, w.no, m.belongs) end
    from walked w
    left join moved m on m.no = w.no
    where w.wrong
  ), unsaid as (
    -- A cut is an act itself, recorded in the chain that goes on behind it.
    select 'checkpoint'::text, _cut.no, null::bigint,
           format('the chain was cut at seal %s, and no event tells of it', _cut.no)
    where _cut.no is not null
      and not exists (
        select
        from mlguard._event e
        where e.act = 'prune' and e.target = 'audit'
          and e.after = jsonb_build_object('checkpoint', _cut.no, 'hash', encode(_cut.hash, 'hex')))
  )
  select f.* from (
    select * from gap union all select * from broken union all select * from deleted union all select * from changed
    union all select * from unsaid
  ) f (fault, seal, event, words)
  order by f.seal nulls last, f.event;
  if p_no > 0 and p_no = _cut.no then
    return query
    select 'rewritten'::text, p_no, null::bigint,
           format('the chain was cut at seal %s, which is not the one that was exported', p_no)
    where p_hash is not null and encode(_cut.hash, 'hex') <> lower(btrim(p_hash));
  elsif p_no > 0 and p_no < _cut.no then
    return query
    select 'pruned'::text, p_no, null::bigint,
           format('seal %s was pruned with all up to %s: compare a head exported later', p_no, _cut.no);
  elsif p_no is not null and not exists (select from mlguard._event_seal s where s.no = p_no) and p_no > 0 then
    return query select 'cut'::text, p_no, null::bigint,
      format('the chain ends at %s, and seal %s was exported', coalesce(_last, 0), p_no);
  elsif p_no > 0 and p_hash is not null then
    return query
    select 'rewritten'::text, s.no, s.event,
           format('seal %s is not the one that was exported: the chain was made anew', s.no)
    from mlguard._event_seal s
    where s.no = p_no and encode(s.hash, 'hex') <> lower(btrim(p_hash));
  end if;
  return query
  select 'unsealed'::text, null::bigint, e.id,
         format('event %s of %s was never sealed', e.id, mlguard._minute(e.at))
  from mlguard._event e
  where e.at < statement_timestamp() - interval '1 hour'
    and not exists (select from mlguard._event_seal s where s.event = e.id)
  order by e.id
  limit 100;
end
$$;
ALTER FUNCTION mlguard.verify_audit(p_no bigint, p_hash text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.verify_audit(p_no bigint, p_hash text) IS 'What is wrong with the chain of events, one row a fault, none where it is whole from its last checkpoint on: edited, deleted, reordered, gap, broken, checkpoint, unsealed for over an hour; against an exported head (number and hash) also cut, rewritten and pruned.';
CREATE FUNCTION mlguard.waive(p_id bigint, p_until timestamp with time zone, p_reason text) RETURNS timestamp with time zone
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _incident mlguard._incident := mlguard._acted_on(p_id, 'waive');
  _until timestamptz := mlguard.waive(_incident.slo, p_until, p_reason);
begin
  if _incident.cause is null then
    perform mlguard.snooze(_incident.id, p_until, 'waived: ' || p_reason);
  end if;
  return _until;
end
$$;
ALTER FUNCTION mlguard.waive(p_id bigint, p_until timestamp with time zone, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.waive(p_id bigint, p_until timestamp with time zone, p_reason text) IS 'Accepts violations of the SLO of an incident until a time and keeps the incident quiet; both arm again by themselves.';
CREATE FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select mlguard._except(p_slo, 'waive', p_until, p_reason)
$$;
ALTER FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) IS 'Accepts violations of an SLO until a time, with a reason; returns that time.';
CREATE FUNCTION mlguard.waived_v1(p_slo text) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select exists (
    select from mlguard._waiver w
    where w.slo = p_slo and w.ended_at is null and w.until > statement_timestamp())
$$;
ALTER FUNCTION mlguard.waived_v1(p_slo text) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.waived_v1(p_slo text) IS 'Whether an SLO is off or waived now.';
CREATE FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
$_$;
ALTER FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) IS 'Keeps a row that was not let into its table, whole, with every rule it broke.';
CREATE FUNCTION mlguard.within_noise_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text, p_value double precision) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
  _compared record;
  _n double precision;
  _m double precision;
  _noise double precision;
begin
  if p_value is null or p_metric = 'new_category_rate' then
    return null;
  end if;
  _compared := mlguard._compared(p_s, p_c, p_key, p_column);
  _noise := mlguard._noise(p_metric, _compared.here, _compared.baseline);
  if _noise is null or p_value > _noise then
    return null;
  end if;
  select sum(b.here), sum(b.there) into _n, _m from unnest(_compared.here, _compared.baseline) b (here, there);
  return format('n = %s values%s cannot tell %s from chance (up to %s)',
                round(_n), case when _m < _n then format(' and a baseline of %s', round(_m)) else '' end,
                mlguard._short(p_value), mlguard._short(_noise));
end
$$;
ALTER FUNCTION mlguard.within_noise_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text, p_value double precision) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.within_noise_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text, p_value double precision) IS 'Says that a distance is no greater than chance alone gives once in 1000; null: it is.';
CREATE FUNCTION mlguard.written_v1(p_table regclass) RETURNS bigint
    LANGUAGE sql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
  select coalesce(sum(pg_stat_get_xact_tuples_inserted(p.relid) + pg_stat_get_xact_tuples_updated(p.relid)), 0)::bigint
  from pg_partition_tree(p_table) p
  where p.isleaf
$$;
ALTER FUNCTION mlguard.written_v1(p_table regclass) OWNER TO postgres;
COMMENT ON FUNCTION mlguard.written_v1(p_table regclass) IS 'Rows that this transaction wrote into the partitions of a table so far, whichever partitions there are by now.';
CREATE AGGREGATE mlguard.merge_v1(jsonb) (
    SFUNC = array_append,
    STYPE = jsonb[],
    INITCOND = '{}',
    FINALFUNC = mlguard._merge_all,
    PARALLEL = safe
);
ALTER AGGREGATE mlguard.merge_v1(jsonb) OWNER TO postgres;
COMMENT ON AGGREGATE mlguard.merge_v1(jsonb) IS 'Merges documents of states; of none the empty document.';
CREATE TABLE mlguard._acting (
    tbl text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);
ALTER TABLE mlguard._acting OWNER TO postgres;
COMMENT ON TABLE mlguard._acting IS 'Private. While a person''s values are written: post-prediction steps leave such a row as it is. Empty between transactions.';
COMMENT ON COLUMN mlguard._acting.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._acting.xid IS 'The transaction.';
CREATE TABLE mlguard._armed (
    slo text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    scopes integer NOT NULL,
    alarms integer NOT NULL
);
ALTER TABLE mlguard._armed OWNER TO postgres;
COMMENT ON TABLE mlguard._armed IS 'Private. Learned SLOs that act: their alarms over their trial stayed within the budget. Others only note.';
COMMENT ON COLUMN mlguard._armed.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._armed.at IS 'When.';
COMMENT ON COLUMN mlguard._armed.scopes IS 'Windows or batches of the trial.';
COMMENT ON COLUMN mlguard._armed.alarms IS 'Those among them in which the table would have alarmed.';
CREATE TABLE mlguard._assertion (
    slo text NOT NULL,
    no integer NOT NULL,
    tables text[] NOT NULL,
    relation text NOT NULL,
    judge text NOT NULL,
    hidden boolean DEFAULT false NOT NULL,
    version text NOT NULL
);
ALTER TABLE mlguard._assertion OWNER TO postgres;
COMMENT ON TABLE mlguard._assertion IS 'Private. One row per assertion in force.';
COMMENT ON COLUMN mlguard._assertion.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._assertion.no IS 'Locks are taken in its order, so that two transactions cannot wait for each other.';
COMMENT ON COLUMN mlguard._assertion.tables IS 'The tables it reads: schema.table, exact names, unquoted.';
COMMENT ON COLUMN mlguard._assertion.relation IS 'The view of mlguard that holds the SELECT.';
COMMENT ON COLUMN mlguard._assertion.judge IS 'The generated function that counts its rows, quoted.';
COMMENT ON COLUMN mlguard._assertion.hidden IS 'A table it reads has pii columns: no value of its rows is shown.';
COMMENT ON COLUMN mlguard._assertion.version IS 'Hash of the SELECT and of its keys: keys noted for another are of no use.';
CREATE UNLOGGED TABLE mlguard._assertion_due (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    slo text NOT NULL,
    version text NOT NULL,
    keys text[]
)
WITH (fillfactor='50');
ALTER TABLE mlguard._assertion_due OWNER TO postgres;
COMMENT ON TABLE mlguard._assertion_due IS 'Private. Assertions that the running transactions must have judged at COMMIT.';
COMMENT ON COLUMN mlguard._assertion_due.id IS 'Number.';
COMMENT ON COLUMN mlguard._assertion_due.xid IS 'The transaction.';
COMMENT ON COLUMN mlguard._assertion_due.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._assertion_due.version IS 'The assertion as it was when they were noted.';
COMMENT ON COLUMN mlguard._assertion_due.keys IS 'Keys that were touched, as text; null: the whole SELECT is judged.';
ALTER TABLE mlguard._assertion_due ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._assertion_due_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE mlguard._assertion ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._assertion_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._baseline_column (
    tbl text NOT NULL,
    version integer NOT NULL,
    column_name text NOT NULL,
    key text NOT NULL,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    kind text NOT NULL,
    edges double precision[],
    counts bigint[],
    categories jsonb,
    other bigint DEFAULT 0 NOT NULL,
    n bigint NOT NULL,
    sampled bigint,
    missing bigint,
    starts timestamp with time zone,
    ends timestamp with time zone,
    CONSTRAINT _baseline_column_bins CHECK (((kind <> 'number'::text) OR (cardinality(counts) = (cardinality(edges) + 1)))),
    CONSTRAINT _baseline_column_kind CHECK ((kind = ANY (ARRAY['number'::text, 'category'::text])))
);
ALTER TABLE mlguard._baseline_column OWNER TO postgres;
COMMENT ON TABLE mlguard._baseline_column IS 'Private. The distribution of each compared column in a baseline.';
COMMENT ON COLUMN mlguard._baseline_column.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._baseline_column.version IS 'The version of its baseline.';
COMMENT ON COLUMN mlguard._baseline_column.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._baseline_column.key IS 'The state it is compared with: bins(age), values(plan), values(plan) where source = ''web''.';
COMMENT ON COLUMN mlguard._baseline_column.segment IS 'Values of the segment columns; {}: all rows.';
COMMENT ON COLUMN mlguard._baseline_column.kind IS 'number: in bins; category: value by value.';
COMMENT ON COLUMN mlguard._baseline_column.edges IS 'Edges of the bins, ascending; bin i holds the values above edge i - 1 and up to edge i.';
COMMENT ON COLUMN mlguard._baseline_column.counts IS 'Values in each bin.';
COMMENT ON COLUMN mlguard._baseline_column.categories IS 'Values of each category: {"free": 120}; the 1000 most frequent, of pii columns by hash.';
COMMENT ON COLUMN mlguard._baseline_column.other IS 'Values of all other categories.';
COMMENT ON COLUMN mlguard._baseline_column.n IS 'Values, NaN and missing ones left out.';
COMMENT ON COLUMN mlguard._baseline_column.sampled IS 'Values that were looked at for it; null: all of them.';
COMMENT ON COLUMN mlguard._baseline_column.missing IS 'Missing values and NaN; null: not counted.';
COMMENT ON COLUMN mlguard._baseline_column.starts IS 'Event time of its first rows, as of the baseline.';
COMMENT ON COLUMN mlguard._baseline_column.ends IS 'Event time up to which its rows reach.';
CREATE TABLE mlguard._bucket (
    tbl text NOT NULL,
    bucket timestamp with time zone NOT NULL,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    n bigint NOT NULL,
    states jsonb NOT NULL,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    shrunk_at timestamp with time zone
);
ALTER TABLE mlguard._bucket OWNER TO postgres;
COMMENT ON TABLE mlguard._bucket IS 'Private. States of all rows of a bucket of time, folded from mlguard._state. Only sweep() writes here.';
COMMENT ON COLUMN mlguard._bucket.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._bucket.bucket IS 'Start of the bucket.';
COMMENT ON COLUMN mlguard._bucket.segment IS 'Values of the segment columns; {}: all rows.';
COMMENT ON COLUMN mlguard._bucket.n IS 'Rows.';
COMMENT ON COLUMN mlguard._bucket.states IS 'The merged states.';
COMMENT ON COLUMN mlguard._bucket.changed_at IS 'When rows came to it last: windows judged before are judged anew.';
COMMENT ON COLUMN mlguard._bucket.shrunk_at IS 'When rows only went from it last: deleting what is old makes no window bad, but may mend one that failed.';
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
    pending boolean DEFAULT true NOT NULL,
    step_set text
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
COMMENT ON COLUMN mlguard._change.step_set IS 'Of a post-prediction step: hash of the set it belongs to.';
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
CREATE TABLE mlguard._event_checkpoint (
    no bigint NOT NULL,
    hash bytea NOT NULL,
    last_at timestamp with time zone NOT NULL,
    events bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE mlguard._event_checkpoint OWNER TO postgres;
COMMENT ON TABLE mlguard._event_checkpoint IS 'Private. Where the chain of events was cut: everything up to a seal was pruned, and the chain goes on from its hash.';
COMMENT ON COLUMN mlguard._event_checkpoint.no IS 'Number of the last seal that was pruned.';
COMMENT ON COLUMN mlguard._event_checkpoint.hash IS 'Its hash.';
COMMENT ON COLUMN mlguard._event_checkpoint.last_at IS 'When the newest event that went was written.';
COMMENT ON COLUMN mlguard._event_checkpoint.events IS 'Events that went with this cut.';
COMMENT ON COLUMN mlguard._event_checkpoint.at IS 'When it was cut.';
ALTER TABLE mlguard._event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._event_seal (
    no bigint NOT NULL,
    event bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    prev bytea NOT NULL,
    hash bytea NOT NULL
);
ALTER TABLE mlguard._event_seal OWNER TO postgres;
COMMENT ON TABLE mlguard._event_seal IS 'Private. The chain of events: events commit out of the order of their numbers, so committed ones get a number here.';
COMMENT ON COLUMN mlguard._event_seal.no IS 'Number in the chain, from 1, without gaps.';
COMMENT ON COLUMN mlguard._event_seal.event IS 'The event.';
COMMENT ON COLUMN mlguard._event_seal.at IS 'When it was sealed.';
COMMENT ON COLUMN mlguard._event_seal.prev IS 'Hash of the seal before it; 32 zero bytes for the first.';
COMMENT ON COLUMN mlguard._event_seal.hash IS 'SHA-256 of prev and the text of seal number and event, in UTF-8.';
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
COMMENT ON COLUMN mlguard._freshness.at IS 'When the line was written; infinity: found in stored rows, when they were written is not known.';
COMMENT ON COLUMN mlguard._freshness.xid IS 'The transaction that wrote it: tells lines of rows that a DELETE could not see.';
CREATE TABLE mlguard._freshness_due (
    tbl text NOT NULL,
    known_at xid8
);
ALTER TABLE mlguard._freshness_due OWNER TO postgres;
COMMENT ON TABLE mlguard._freshness_due IS 'Private. Tables whose newest row was taken away: its line may have stood for rows of others, so sweep() looks again.';
COMMENT ON COLUMN mlguard._freshness_due.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._freshness_due.known_at IS 'The first transaction that was still to come when a sweep saw it. Null: none has.';
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
    reason text,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    verdict bigint,
    resolved boolean DEFAULT false NOT NULL
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
COMMENT ON COLUMN mlguard._hold.window_start IS 'Start of the window held.';
COMMENT ON COLUMN mlguard._hold.window_end IS 'End of the window held.';
COMMENT ON COLUMN mlguard._hold.segment IS 'The segment held; {}: all rows.';
COMMENT ON COLUMN mlguard._hold.verdict IS 'The verdict it came from; null: held by hand.';
COMMENT ON COLUMN mlguard._hold.resolved IS 'Ended by a person: the same batch or window does not close the gate again.';
ALTER TABLE mlguard._hold ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._hold_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._incident_event (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    slo text NOT NULL,
    segment jsonb NOT NULL,
    verdict bigint NOT NULL,
    number bigint NOT NULL,
    scope tstzrange,
    observed text,
    headline text NOT NULL
);
ALTER TABLE mlguard._incident_event OWNER TO postgres;
COMMENT ON TABLE mlguard._incident_event IS 'Private. Failures that no sweep has seen yet, appended by judges; a sweep takes them out into _incident.';
COMMENT ON COLUMN mlguard._incident_event.id IS 'Number.';
COMMENT ON COLUMN mlguard._incident_event.at IS 'When it was judged.';
COMMENT ON COLUMN mlguard._incident_event.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._incident_event.segment IS 'The segment.';
COMMENT ON COLUMN mlguard._incident_event.verdict IS 'The verdict, FAIL or ERROR.';
COMMENT ON COLUMN mlguard._incident_event.number IS 'The incident it continues, or opens unless another one did so first.';
COMMENT ON COLUMN mlguard._incident_event.scope IS 'Stretch of time the failure is about.';
COMMENT ON COLUMN mlguard._incident_event.observed IS 'What was found, in words; no value of a pii column.';
COMMENT ON COLUMN mlguard._incident_event.headline IS 'All of it in one line.';
ALTER TABLE mlguard._incident_event ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._incident_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._learned_scope (
    id bigint NOT NULL,
    tbl text NOT NULL,
    over text NOT NULL,
    batch bigint,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    n bigint NOT NULL,
    k integer NOT NULL,
    positions integer[],
    observed boolean DEFAULT false NOT NULL,
    excluded boolean DEFAULT false NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
ALTER TABLE mlguard._learned_scope OWNER TO postgres;
COMMENT ON TABLE mlguard._learned_scope IS 'Private. Windows and batches whose samples were judged by what is usual.';
COMMENT ON COLUMN mlguard._learned_scope.id IS 'Number, in the order in which they were judged.';
COMMENT ON COLUMN mlguard._learned_scope.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._learned_scope.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._learned_scope.batch IS 'The batch.';
COMMENT ON COLUMN mlguard._learned_scope.window_start IS 'Start of the window.';
COMMENT ON COLUMN mlguard._learned_scope.window_end IS 'End of the window.';
COMMENT ON COLUMN mlguard._learned_scope.n IS 'Rows.';
COMMENT ON COLUMN mlguard._learned_scope.k IS 'Rows in the sample.';
COMMENT ON COLUMN mlguard._learned_scope.positions IS 'At which place among all rows each sampled row came, from 0; null: not known, as where batches were merged.';
COMMENT ON COLUMN mlguard._learned_scope.observed IS 'Taken into what is usual.';
COMMENT ON COLUMN mlguard._learned_scope.excluded IS 'Labelled as a fault: left out of what is usual.';
COMMENT ON COLUMN mlguard._learned_scope.at IS 'When it was judged first.';
ALTER TABLE mlguard._learned_scope ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._learned_scope_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._load_due (
    id bigint NOT NULL,
    tbl text NOT NULL,
    load text NOT NULL
);
ALTER TABLE mlguard._load_due OWNER TO postgres;
COMMENT ON TABLE mlguard._load_due IS 'Private. Loads that COMMIT left to sweep() to judge.';
COMMENT ON COLUMN mlguard._load_due.id IS 'Number.';
COMMENT ON COLUMN mlguard._load_due.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._load_due.load IS 'The load.';
ALTER TABLE mlguard._load_due ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._load_due_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._load_state (
    id bigint NOT NULL,
    tbl text NOT NULL,
    load text NOT NULL,
    bucket timestamp with time zone,
    segment jsonb NOT NULL,
    sign smallint NOT NULL,
    n bigint NOT NULL,
    states jsonb NOT NULL,
    upto bigint NOT NULL,
    merged boolean DEFAULT false NOT NULL
);
ALTER TABLE mlguard._load_state OWNER TO postgres;
COMMENT ON TABLE mlguard._load_state IS 'Private. States of loads, merged: a load may grow long after its rows were folded, and by many small transactions.';
COMMENT ON COLUMN mlguard._load_state.id IS 'Number.';
COMMENT ON COLUMN mlguard._load_state.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._load_state.load IS 'The load; empty: the table was emptied, all with lower numbers is void.';
COMMENT ON COLUMN mlguard._load_state.bucket IS 'Start of the bucket of time; null where there is none, and where loads are told apart by a column.';
COMMENT ON COLUMN mlguard._load_state.segment IS 'Values of the segment columns; {}: all rows.';
COMMENT ON COLUMN mlguard._load_state.sign IS '1 for rows that landed, -1 for rows that were taken away.';
COMMENT ON COLUMN mlguard._load_state.n IS 'Rows.';
COMMENT ON COLUMN mlguard._load_state.states IS 'The states, by name.';
COMMENT ON COLUMN mlguard._load_state.upto IS 'Number of the last line of mlguard._state in it.';
COMMENT ON COLUMN mlguard._load_state.merged IS 'Merged with what was there before.';
ALTER TABLE mlguard._load_state ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._load_state_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._metric (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    tbl text NOT NULL,
    metric text NOT NULL,
    over text NOT NULL,
    batch bigint,
    window_start timestamp with time zone,
    window_end timestamp with time zone,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    value double precision,
    n bigint,
    sd double precision,
    sampled boolean DEFAULT false NOT NULL,
    excluded boolean DEFAULT false NOT NULL,
    current boolean DEFAULT true NOT NULL
);
ALTER TABLE mlguard._metric OWNER TO postgres;
COMMENT ON TABLE mlguard._metric IS 'Private. Every value ever judged, passing ones too.';
COMMENT ON COLUMN mlguard._metric.id IS 'Number.';
COMMENT ON COLUMN mlguard._metric.at IS 'When it was computed.';
COMMENT ON COLUMN mlguard._metric.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._metric.metric IS 'The metric, as the check spells it: coverage(age).';
COMMENT ON COLUMN mlguard._metric.over IS 'batch, a calendar length such as 1 day, or last 7 days.';
COMMENT ON COLUMN mlguard._metric.batch IS 'The batch, where over is batch.';
COMMENT ON COLUMN mlguard._metric.window_start IS 'Start of the window.';
COMMENT ON COLUMN mlguard._metric.window_end IS 'End of the window.';
COMMENT ON COLUMN mlguard._metric.segment IS 'Values of the segment columns; {}: all rows.';
COMMENT ON COLUMN mlguard._metric.value IS 'The value; null where there is none.';
COMMENT ON COLUMN mlguard._metric.n IS 'Rows it was computed from; of a sample, rows in the sample.';
COMMENT ON COLUMN mlguard._metric.sd IS 'Standard deviation of the column there, for locations that are learned.';
COMMENT ON COLUMN mlguard._metric.sampled IS 'Computed from a sample.';
COMMENT ON COLUMN mlguard._metric.excluded IS 'Labelled as a fault: learned bands leave it out.';
COMMENT ON COLUMN mlguard._metric.current IS 'Not superseded by a later version for the same batch or window.';
ALTER TABLE mlguard._metric ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._metric_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._model (
    model text NOT NULL,
    CONSTRAINT _model_named CHECK ((model ~ '\S'::text))
);
ALTER TABLE mlguard._model OWNER TO postgres;
COMMENT ON TABLE mlguard._model IS 'Private. One row per model: whoever changes the state of its versions locks it, so that such acts go one by one.';
COMMENT ON COLUMN mlguard._model.model IS 'Name, as `model:` in an SLO file says it.';
CREATE TABLE mlguard._model_usage (
    model text NOT NULL,
    version text NOT NULL,
    tbl text NOT NULL,
    first_use timestamp with time zone NOT NULL,
    last_use timestamp with time zone NOT NULL,
    n bigint NOT NULL
);
ALTER TABLE mlguard._model_usage OWNER TO postgres;
COMMENT ON TABLE mlguard._model_usage IS 'Private. Totals by version and table, as far as sweep() has folded them.';
COMMENT ON COLUMN mlguard._model_usage.model IS 'The model.';
COMMENT ON COLUMN mlguard._model_usage.version IS 'Its version; empty for rows that name none.';
COMMENT ON COLUMN mlguard._model_usage.tbl IS 'The table of predictions.';
COMMENT ON COLUMN mlguard._model_usage.first_use IS 'When it wrote first.';
COMMENT ON COLUMN mlguard._model_usage.last_use IS 'When it wrote last.';
COMMENT ON COLUMN mlguard._model_usage.n IS 'Rows it wrote.';
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
CREATE TABLE mlguard._outbox (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    incident bigint NOT NULL,
    alarm bigint NOT NULL,
    event text NOT NULL,
    severity text NOT NULL,
    recipients text[] NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    payload jsonb NOT NULL,
    delivered_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    last_error text,
    next_try timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT _outbox_event CHECK ((event = ANY (ARRAY['opened'::text, 'escalated'::text, 'acknowledged'::text, 'snoozed'::text, 'resolved'::text, 'reopened'::text, 'acted'::text])))
);
ALTER TABLE mlguard._outbox OWNER TO postgres;
COMMENT ON TABLE mlguard._outbox IS 'Private. One line per change of state of an incident that alerts, waiting to be delivered. Nothing is ever NOTIFYed.';
COMMENT ON COLUMN mlguard._outbox.id IS 'Number, in the order of the changes.';
COMMENT ON COLUMN mlguard._outbox.at IS 'When it changed.';
COMMENT ON COLUMN mlguard._outbox.incident IS 'The incident.';
COMMENT ON COLUMN mlguard._outbox.alarm IS 'The same for all lines of one alarm, from opened to resolved: what a pager calls the deduplication key.';
COMMENT ON COLUMN mlguard._outbox.event IS 'opened, escalated (more severe, or more people concerned), acknowledged, snoozed, resolved, reopened, or acted (a model was rolled back, predictions were withdrawn).';
COMMENT ON COLUMN mlguard._outbox.severity IS 'low, normal or page.';
COMMENT ON COLUMN mlguard._outbox.recipients IS 'Owners and consumers of the tables concerned; of a line that tells further people only these.';
COMMENT ON COLUMN mlguard._outbox.subject IS 'In one line.';
COMMENT ON COLUMN mlguard._outbox.body IS 'In several lines.';
COMMENT ON COLUMN mlguard._outbox.payload IS 'The same for programs.';
COMMENT ON COLUMN mlguard._outbox.delivered_at IS 'When it was delivered.';
COMMENT ON COLUMN mlguard._outbox.attempts IS 'How often its delivery was begun.';
COMMENT ON COLUMN mlguard._outbox.last_error IS 'What went wrong last.';
COMMENT ON COLUMN mlguard._outbox.next_try IS 'Not claimed again before then.';
ALTER TABLE mlguard._outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._pair_work (
    tbl text NOT NULL,
    over text NOT NULL,
    t integer NOT NULL,
    scope bigint NOT NULL,
    column_name text NOT NULL,
    place integer NOT NULL,
    codes integer[] NOT NULL,
    mixed integer[] NOT NULL,
    cut jsonb,
    bins integer[],
    mixed_bins integer[],
    able_domain boolean NOT NULL,
    able_dependence boolean NOT NULL
);
ALTER TABLE mlguard._pair_work OWNER TO postgres;
COMMENT ON TABLE mlguard._pair_work IS 'Private. Scratch of _learn_pairs(): kept samples as integers. Empty between calls.';
COMMENT ON COLUMN mlguard._pair_work.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._pair_work.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._pair_work.t IS 'Place of the sample among those kept, from 0.';
COMMENT ON COLUMN mlguard._pair_work.scope IS 'The sample.';
COMMENT ON COLUMN mlguard._pair_work.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._pair_work.place IS 'Place of the column in the table.';
COMMENT ON COLUMN mlguard._pair_work.codes IS 'Values as integers; null: missing.';
COMMENT ON COLUMN mlguard._pair_work.mixed IS 'The same in a fixed shuffled order.';
COMMENT ON COLUMN mlguard._pair_work.cut IS 'How the column is cut into bins.';
COMMENT ON COLUMN mlguard._pair_work.bins IS 'Bins of the values.';
COMMENT ON COLUMN mlguard._pair_work.mixed_bins IS 'The same in the shuffled order.';
COMMENT ON COLUMN mlguard._pair_work.able_domain IS 'Its values come again often enough for pairs of values to be learned.';
COMMENT ON COLUMN mlguard._pair_work.able_dependence IS 'The same for dependence.';
CREATE TABLE mlguard._paired (
    tbl text NOT NULL,
    upto xid8 NOT NULL
);
ALTER TABLE mlguard._paired OWNER TO postgres;
COMMENT ON TABLE mlguard._paired IS 'Private. Which marks of mlguard._pairing are gone.';
COMMENT ON COLUMN mlguard._paired.tbl IS 'The prediction table.';
COMMENT ON COLUMN mlguard._paired.upto IS 'The newest transaction whose mark is gone.';
CREATE TABLE mlguard._pairing (
    id bigint NOT NULL,
    tbl text NOT NULL,
    side text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    seen pg_snapshot NOT NULL,
    statement timestamp with time zone DEFAULT statement_timestamp() NOT NULL,
    bucket_from timestamp with time zone,
    bucket_to timestamp with time zone,
    known_at xid8,
    CONSTRAINT _pairing_side CHECK ((side = ANY (ARRAY['predictions'::text, 'labels'::text, 'attributes'::text])))
);
ALTER TABLE mlguard._pairing OWNER TO postgres;
COMMENT ON TABLE mlguard._pairing IS 'Private. A mark of each statement on a prediction table and on those that hold its labels and attributes, kept while a transaction that did not see it can be around.';
COMMENT ON COLUMN mlguard._pairing.id IS 'Number.';
COMMENT ON COLUMN mlguard._pairing.tbl IS 'The prediction table.';
COMMENT ON COLUMN mlguard._pairing.side IS 'Which table was written: predictions, labels or attributes.';
COMMENT ON COLUMN mlguard._pairing.xid IS 'The transaction.';
COMMENT ON COLUMN mlguard._pairing.seen IS 'What its trigger saw before it looked for pairs.';
COMMENT ON COLUMN mlguard._pairing.statement IS 'When the statement began: triggers of one statement see the end of both.';
COMMENT ON COLUMN mlguard._pairing.bucket_from IS 'Start of the first bucket of the predictions written.';
COMMENT ON COLUMN mlguard._pairing.bucket_to IS 'Start of the last bucket of the predictions written.';
COMMENT ON COLUMN mlguard._pairing.known_at IS 'Transactions from this one on began after the mark was seen; null: it is new.';
ALTER TABLE mlguard._pairing ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._pairing_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._post_set (
    tbl text NOT NULL,
    version integer NOT NULL,
    hash text NOT NULL,
    steps jsonb NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    applied_by text DEFAULT SESSION_USER NOT NULL
);
ALTER TABLE mlguard._post_set OWNER TO postgres;
COMMENT ON TABLE mlguard._post_set IS 'Private. Every set of post-prediction steps that ever was in force.';
COMMENT ON COLUMN mlguard._post_set.tbl IS 'The prediction table.';
COMMENT ON COLUMN mlguard._post_set.version IS 'Counts the sets of the table; one that comes back keeps its number.';
COMMENT ON COLUMN mlguard._post_set.hash IS 'Hash of the steps; generated functions name their set by it.';
COMMENT ON COLUMN mlguard._post_set.steps IS 'The steps in order: name, kind, when, set.';
COMMENT ON COLUMN mlguard._post_set.since IS 'When it came into force last.';
COMMENT ON COLUMN mlguard._post_set.ended_at IS 'When another took its place; null while it is in force.';
COMMENT ON COLUMN mlguard._post_set.applied_by IS 'Who applied it last.';
CREATE TABLE mlguard._prediction_batch (
    id bigint NOT NULL,
    tbl text NOT NULL,
    model text NOT NULL,
    version text NOT NULL,
    xid xid8,
    started_at timestamp with time zone NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    writer text,
    n bigint NOT NULL,
    batches bigint NOT NULL,
    first_event timestamp with time zone,
    last_event timestamp with time zone,
    inputs jsonb NOT NULL,
    held boolean NOT NULL
);
ALTER TABLE mlguard._prediction_batch OWNER TO postgres;
COMMENT ON TABLE mlguard._prediction_batch IS 'Private. What one transaction wrote of one version, folded; small batches on good inputs share one row an hour.';
COMMENT ON COLUMN mlguard._prediction_batch.id IS 'Number.';
COMMENT ON COLUMN mlguard._prediction_batch.tbl IS 'The table of predictions.';
COMMENT ON COLUMN mlguard._prediction_batch.model IS 'The model.';
COMMENT ON COLUMN mlguard._prediction_batch.version IS 'Its version; empty where the rows name none.';
COMMENT ON COLUMN mlguard._prediction_batch.xid IS 'The transaction; null for an hour of small ones.';
COMMENT ON COLUMN mlguard._prediction_batch.started_at IS 'Its start, or the start of the hour.';
COMMENT ON COLUMN mlguard._prediction_batch.first_at IS 'When the first statement wrote.';
COMMENT ON COLUMN mlguard._prediction_batch.last_at IS 'When the last one did.';
COMMENT ON COLUMN mlguard._prediction_batch.writer IS 'Who wrote; null where several did.';
COMMENT ON COLUMN mlguard._prediction_batch.n IS 'Rows.';
COMMENT ON COLUMN mlguard._prediction_batch.batches IS 'Transactions.';
COMMENT ON COLUMN mlguard._prediction_batch.first_event IS 'First event time of the rows.';
COMMENT ON COLUMN mlguard._prediction_batch.last_event IS 'Last event time of the rows.';
COMMENT ON COLUMN mlguard._prediction_batch.inputs IS 'Gates of the input tables: {table: "open"}, or since when held, and why.';
COMMENT ON COLUMN mlguard._prediction_batch.held IS 'Some input was held.';
ALTER TABLE mlguard._prediction_batch ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._prediction_batch_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._prediction_line (
    tbl text NOT NULL,
    model text NOT NULL,
    version text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    writer text DEFAULT SESSION_USER NOT NULL,
    n bigint NOT NULL,
    first_event timestamp with time zone,
    last_event timestamp with time zone,
    inputs jsonb NOT NULL,
    held boolean NOT NULL
);
ALTER TABLE mlguard._prediction_line OWNER TO postgres;
COMMENT ON TABLE mlguard._prediction_line IS 'Private. One row per statement that wrote predictions, and version: appended, and without an index, because a row each writer updates would make them wait for one another. sweep() folds it.';
COMMENT ON COLUMN mlguard._prediction_line.tbl IS 'The table of predictions.';
COMMENT ON COLUMN mlguard._prediction_line.model IS 'The model.';
COMMENT ON COLUMN mlguard._prediction_line.version IS 'Its version; empty where the row names none.';
COMMENT ON COLUMN mlguard._prediction_line.xid IS 'The transaction.';
COMMENT ON COLUMN mlguard._prediction_line.started_at IS 'Its start.';
COMMENT ON COLUMN mlguard._prediction_line.at IS 'When the statement wrote.';
COMMENT ON COLUMN mlguard._prediction_line.writer IS 'Who wrote.';
COMMENT ON COLUMN mlguard._prediction_line.n IS 'Rows.';
COMMENT ON COLUMN mlguard._prediction_line.first_event IS 'Their first event time.';
COMMENT ON COLUMN mlguard._prediction_line.last_event IS 'Their last.';
COMMENT ON COLUMN mlguard._prediction_line.inputs IS 'Gates of the input tables just before: {table: "open"}, or since when held, and why.';
COMMENT ON COLUMN mlguard._prediction_line.held IS 'Some input was held.';
CREATE TABLE mlguard._profile (
    scope bigint NOT NULL,
    column_name text NOT NULL,
    m bigint NOT NULL,
    nums double precision[],
    texts text[],
    counts integer[] NOT NULL,
    sketch double precision[],
    deviation double precision,
    logdeviation double precision,
    rows_nums double precision[],
    rows_texts text[]
);
ALTER TABLE mlguard._profile OWNER TO postgres;
COMMENT ON TABLE mlguard._profile IS 'Private. Columns of a sample: distinct values and how often each came.';
COMMENT ON COLUMN mlguard._profile.scope IS 'The window or batch.';
COMMENT ON COLUMN mlguard._profile.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._profile.m IS 'Values in the sample that are not missing.';
COMMENT ON COLUMN mlguard._profile.nums IS 'Distinct numbers, ascending.';
COMMENT ON COLUMN mlguard._profile.texts IS 'Distinct texts; of pii columns hashes.';
COMMENT ON COLUMN mlguard._profile.counts IS 'How often each came.';
COMMENT ON COLUMN mlguard._profile.sketch IS 'At most 400 of the numbers, evenly spaced by rank.';
COMMENT ON COLUMN mlguard._profile.deviation IS 'Their standard deviation (population).';
COMMENT ON COLUMN mlguard._profile.logdeviation IS 'Standard deviation of ln |x| of those that are not 0.';
COMMENT ON COLUMN mlguard._profile.rows_nums IS 'The sampled rows, for numbers; aligned across columns.';
COMMENT ON COLUMN mlguard._profile.rows_texts IS 'The sampled rows, for texts; aligned across columns.';
ALTER TABLE mlguard._quarantine ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._quarantine_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._recount_due (
    id bigint NOT NULL,
    tbl text NOT NULL,
    bucket_from timestamp with time zone,
    bucket_to timestamp with time zone,
    shrunk boolean DEFAULT false NOT NULL
);
ALTER TABLE mlguard._recount_due OWNER TO postgres;
COMMENT ON TABLE mlguard._recount_due IS 'Private. Buckets whose stored rows sweep() counts anew before it judges: what was appended cannot tell them.';
COMMENT ON COLUMN mlguard._recount_due.id IS 'Number.';
COMMENT ON COLUMN mlguard._recount_due.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._recount_due.bucket_from IS 'Start of the first bucket; null: all.';
COMMENT ON COLUMN mlguard._recount_due.bucket_to IS 'Start of the last bucket; null: all.';
COMMENT ON COLUMN mlguard._recount_due.shrunk IS 'Rows only went: what was judged of them stands, unless what is left mends it.';
ALTER TABLE mlguard._recount_due ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._recount_due_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._reference (
    tbl text NOT NULL,
    over text NOT NULL,
    column_name text NOT NULL,
    edges double precision[],
    below double precision[],
    low double precision,
    high double precision,
    decimals integer,
    nums double precision[],
    texts text[],
    shares double precision[] NOT NULL
);
ALTER TABLE mlguard._reference OWNER TO postgres;
COMMENT ON TABLE mlguard._reference IS 'Private. The last 30 samples of a column, pooled.';
COMMENT ON COLUMN mlguard._reference.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._reference.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._reference.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._reference.edges IS 'Distinct 5 %, 10 % … 95 % quantiles.';
COMMENT ON COLUMN mlguard._reference.below IS 'Share of the pooled values below each edge.';
COMMENT ON COLUMN mlguard._reference.low IS 'A number below it is far out: p05 - 1.5 (p95 - p05).';
COMMENT ON COLUMN mlguard._reference.high IS 'A number above it is far out: p95 + 1.5 (p95 - p05).';
COMMENT ON COLUMN mlguard._reference.decimals IS 'Decimals that the numbers keep to; null: none.';
COMMENT ON COLUMN mlguard._reference.nums IS 'Numbers that were heavy in some sample.';
COMMENT ON COLUMN mlguard._reference.texts IS 'All texts.';
COMMENT ON COLUMN mlguard._reference.shares IS 'Their shares of the pooled values.';
CREATE TABLE mlguard._request (
    id bigint NOT NULL,
    tbl text NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    judge text NOT NULL,
    keys jsonb
);
ALTER TABLE mlguard._request OWNER TO postgres;
COMMENT ON TABLE mlguard._request IS 'Private. Requests whose rows this transaction wrote, and the mark by which COMMIT judges them. Empty between transactions.';
COMMENT ON COLUMN mlguard._request.id IS 'Number.';
COMMENT ON COLUMN mlguard._request.tbl IS 'The prediction table.';
COMMENT ON COLUMN mlguard._request.xid IS 'The transaction.';
COMMENT ON COLUMN mlguard._request.judge IS 'The generated function that runs the steps, as it is called.';
COMMENT ON COLUMN mlguard._request.keys IS 'Requests of one statement, some hundred at most: [[value of each column], …]; null: the mark.';
ALTER TABLE mlguard._request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._retention (
    what text NOT NULL,
    keep interval,
    most bigint,
    CONSTRAINT _retention_keep CHECK ((keep >= '1 day'::interval)),
    CONSTRAINT _retention_most CHECK ((most >= 1000)),
    CONSTRAINT _retention_said CHECK (((keep IS NOT NULL) OR (most IS NOT NULL))),
    CONSTRAINT _retention_what CHECK ((what = ANY (ARRAY['verdict'::text, 'metric'::text, 'violation'::text, 'change'::text, 'batch'::text, 'incident'::text, 'event'::text])))
);
ALTER TABLE mlguard._retention OWNER TO postgres;
COMMENT ON TABLE mlguard._retention IS 'Private. What sweep() prunes; records without a line here are kept for ever.';
COMMENT ON COLUMN mlguard._retention.what IS 'Kind of record: verdict, metric, violation, change, batch, incident or event.';
COMMENT ON COLUMN mlguard._retention.keep IS 'Age at which they go; null: no age.';
COMMENT ON COLUMN mlguard._retention.most IS 'Newest that stay, whatever their age; null: no limit.';
ALTER TABLE mlguard._retrain_request ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._retrain_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE mlguard._review ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._review_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._rollback_act (
    id bigint NOT NULL,
    model text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    incident bigint NOT NULL,
    taken_out text NOT NULL,
    brought_back text NOT NULL,
    why text NOT NULL
);
ALTER TABLE mlguard._rollback_act OWNER TO postgres;
COMMENT ON TABLE mlguard._rollback_act IS 'Private. Rollbacks that an SLO asked for.';
COMMENT ON COLUMN mlguard._rollback_act.id IS 'Number.';
COMMENT ON COLUMN mlguard._rollback_act.model IS 'The model.';
COMMENT ON COLUMN mlguard._rollback_act.at IS 'When.';
COMMENT ON COLUMN mlguard._rollback_act.incident IS 'The incident that asked.';
COMMENT ON COLUMN mlguard._rollback_act.taken_out IS 'The champion that failed.';
COMMENT ON COLUMN mlguard._rollback_act.brought_back IS 'The version that serves instead.';
COMMENT ON COLUMN mlguard._rollback_act.why IS 'The evidence, in words.';
ALTER TABLE mlguard._rollback_act ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._rollback_act_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._sample (
    id bigint NOT NULL,
    tbl text NOT NULL,
    batch bigint,
    bucket timestamp with time zone,
    n bigint NOT NULL,
    k integer NOT NULL,
    column_name text NOT NULL,
    nums double precision[],
    texts text[],
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);
ALTER TABLE mlguard._sample OWNER TO postgres;
COMMENT ON TABLE mlguard._sample IS 'Private. Columns of a uniform sample of the rows that landed, aligned by position; what learned health is judged by.';
COMMENT ON COLUMN mlguard._sample.id IS 'Number.';
COMMENT ON COLUMN mlguard._sample.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._sample.batch IS 'The batch; null where it stands for a bucket as a whole.';
COMMENT ON COLUMN mlguard._sample.bucket IS 'Start of the bucket of time; null: the table has none.';
COMMENT ON COLUMN mlguard._sample.n IS 'Rows the sample stands for.';
COMMENT ON COLUMN mlguard._sample.k IS 'Rows in the sample.';
COMMENT ON COLUMN mlguard._sample.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._sample.nums IS 'Its values, for numbers; null for a missing one.';
COMMENT ON COLUMN mlguard._sample.texts IS 'Its values as text, for all other types; of pii columns hashes.';
COMMENT ON COLUMN mlguard._sample.at IS 'When.';
COMMENT ON COLUMN mlguard._sample.xid IS 'The transaction: its n-th row of each column belongs to one sample, in which positions agree.';
ALTER TABLE mlguard._sample ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._sample_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._schema_column (
    tbl text NOT NULL,
    column_name text NOT NULL,
    attnum smallint NOT NULL,
    type text NOT NULL,
    wanted boolean NOT NULL,
    slos text[] DEFAULT '{}'::text[] NOT NULL
);
ALTER TABLE mlguard._schema_column OWNER TO postgres;
COMMENT ON TABLE mlguard._schema_column IS 'Private. Columns as they were when the SLO file was applied.';
COMMENT ON COLUMN mlguard._schema_column.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._schema_column.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._schema_column.attnum IS 'Its number, by which a renamed column is known again.';
COMMENT ON COLUMN mlguard._schema_column.type IS 'Its type, as PostgreSQL prints it.';
COMMENT ON COLUMN mlguard._schema_column.wanted IS 'The SLO file names it: without it something breaks.';
COMMENT ON COLUMN mlguard._schema_column.slos IS 'Ids of the SLOs that read it.';
CREATE TABLE mlguard._seal (
    secret text DEFAULT ((gen_random_uuid())::text || (gen_random_uuid())::text) NOT NULL
);
ALTER TABLE mlguard._seal OWNER TO postgres;
COMMENT ON TABLE mlguard._seal IS 'Private. What mlguard notes for its own transaction is signed with it.';
COMMENT ON COLUMN mlguard._seal.secret IS 'The secret; each database has its own.';
CREATE TABLE mlguard._seen (
    tbl text NOT NULL,
    over text NOT NULL,
    what text NOT NULL,
    name text NOT NULL,
    value text NOT NULL
);
ALTER TABLE mlguard._seen OWNER TO postgres;
COMMENT ON TABLE mlguard._seen IS 'Private. Values, shapes and value pairs that a column has ever held.';
COMMENT ON COLUMN mlguard._seen.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._seen.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._seen.what IS 'value, shape or pair.';
COMMENT ON COLUMN mlguard._seen.name IS 'The column; of a pair both.';
COMMENT ON COLUMN mlguard._seen.value IS 'What was seen; of pii columns hashes.';
CREATE TABLE mlguard._seen_size (
    tbl text NOT NULL,
    over text NOT NULL,
    what text NOT NULL,
    name text NOT NULL,
    size bigint NOT NULL
);
ALTER TABLE mlguard._seen_size OWNER TO postgres;
COMMENT ON TABLE mlguard._seen_size IS 'Private. How many values a column has ever held; past 100,000 what is new can no longer be told.';
COMMENT ON COLUMN mlguard._seen_size.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._seen_size.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._seen_size.what IS 'value, shape or pair.';
COMMENT ON COLUMN mlguard._seen_size.name IS 'The column; of a pair both.';
COMMENT ON COLUMN mlguard._seen_size.size IS 'How many.';
CREATE TABLE mlguard._segment (
    slo text NOT NULL,
    segment jsonb NOT NULL,
    n bigint NOT NULL
);
ALTER TABLE mlguard._segment OWNER TO postgres;
COMMENT ON TABLE mlguard._segment IS 'Private. Segments seen in the windows of an SLO while its baseline lasts; the largest are judged alone ever after.';
COMMENT ON COLUMN mlguard._segment.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._segment.segment IS 'Values of the segment columns.';
COMMENT ON COLUMN mlguard._segment.n IS 'Rows so far.';
CREATE TABLE mlguard._series (
    tbl text NOT NULL,
    over text NOT NULL,
    metric text NOT NULL,
    family text NOT NULL,
    column_name text NOT NULL,
    partner text NOT NULL
);
ALTER TABLE mlguard._series OWNER TO postgres;
COMMENT ON TABLE mlguard._series IS 'Private. Learned series: which column each belongs to. Column '''': the whole table.';
COMMENT ON COLUMN mlguard._series.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._series.over IS 'batch, or the length of the window.';
COMMENT ON COLUMN mlguard._series.metric IS 'Its name in mlguard.metric: usual_null(age).';
COMMENT ON COLUMN mlguard._series.family IS 'What it measures: null, mean, spike, …';
COMMENT ON COLUMN mlguard._series.column_name IS 'The column.';
COMMENT ON COLUMN mlguard._series.partner IS 'The other column of a pair rule, else empty.';
CREATE TABLE mlguard._state (
    id bigint NOT NULL,
    tbl text NOT NULL,
    batch bigint,
    bucket timestamp with time zone,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    sign smallint NOT NULL,
    op text NOT NULL,
    n bigint NOT NULL,
    states jsonb NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    folded boolean DEFAULT false NOT NULL,
    corrects bigint,
    load text DEFAULT NULLIF(current_setting('mlguard.load'::text, true), ''::text),
    load_kept boolean DEFAULT false NOT NULL
);
ALTER TABLE mlguard._state OWNER TO postgres;
COMMENT ON TABLE mlguard._state IS 'Private. States of the rows that statements wrote (sign 1) and took away (sign -1), appended; folded by sweep().';
COMMENT ON COLUMN mlguard._state.id IS 'Number.';
COMMENT ON COLUMN mlguard._state.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._state.batch IS 'The batch; null where the table judges no batches.';
COMMENT ON COLUMN mlguard._state.bucket IS 'Start of the bucket of time the rows belong to; null: the table has none.';
COMMENT ON COLUMN mlguard._state.segment IS 'Values of the segment columns; {}: all rows, whatever their segment.';
COMMENT ON COLUMN mlguard._state.sign IS '1 for rows that landed, -1 for rows that were taken away.';
COMMENT ON COLUMN mlguard._state.op IS 'INSERT, UPDATE, DELETE or TRUNCATE.';
COMMENT ON COLUMN mlguard._state.n IS 'Rows.';
COMMENT ON COLUMN mlguard._state.states IS 'The states, by name.';
COMMENT ON COLUMN mlguard._state.at IS 'When.';
COMMENT ON COLUMN mlguard._state.folded IS 'Counted in mlguard._bucket already; kept because the gate is closed by its batch, whose correction needs it.';
COMMENT ON COLUMN mlguard._state.corrects IS 'The earlier, held batch that these rows are counted with too.';
COMMENT ON COLUMN mlguard._state.load IS 'The load the rows belong to; null: none, their batch is their transaction.';
COMMENT ON COLUMN mlguard._state.load_kept IS 'Counted in mlguard._load_state already.';
ALTER TABLE mlguard._state ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._state_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._single (
    id bigint DEFAULT nextval('mlguard._state_id_seq'::regclass) NOT NULL,
    tbl text NOT NULL,
    bucket timestamp with time zone,
    known jsonb NOT NULL,
    states jsonb
);
ALTER TABLE ONLY mlguard._single REPLICA IDENTITY FULL;
ALTER TABLE mlguard._single OWNER TO postgres;
COMMENT ON TABLE mlguard._single IS 'Private. States of statements that wrote one ordinary row each, until sweep() gathers them; no index, which every writer would pay for.';
COMMENT ON COLUMN mlguard._single.id IS 'Number, among those of mlguard._state.';
COMMENT ON COLUMN mlguard._single.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._single.bucket IS 'Start of the bucket of time the row belongs to; null: the table has none.';
COMMENT ON COLUMN mlguard._single.known IS 'The states that every ordinary row has.';
COMMENT ON COLUMN mlguard._single.states IS 'The states that are the row''s own; null: none.';
ALTER TABLE mlguard._slo ALTER COLUMN no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._slo_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE mlguard._training_ticket (
    id bigint NOT NULL,
    model text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    who text DEFAULT SESSION_USER NOT NULL,
    request bigint,
    inputs jsonb NOT NULL,
    CONSTRAINT _training_ticket_range CHECK ((from_at < to_at))
);
ALTER TABLE mlguard._training_ticket OWNER TO postgres;
COMMENT ON TABLE mlguard._training_ticket IS 'Private. Leave to train, given while every input was good. Never changed.';
COMMENT ON COLUMN mlguard._training_ticket.id IS 'Number.';
COMMENT ON COLUMN mlguard._training_ticket.model IS 'The model.';
COMMENT ON COLUMN mlguard._training_ticket.from_at IS 'Start of what may be read, by event time.';
COMMENT ON COLUMN mlguard._training_ticket.to_at IS 'End of it; not included.';
COMMENT ON COLUMN mlguard._training_ticket.at IS 'When it was given.';
COMMENT ON COLUMN mlguard._training_ticket.who IS 'To whom: the user who logged in.';
COMMENT ON COLUMN mlguard._training_ticket.request IS 'The request to retrain it was given for; null: for a run by hand.';
COMMENT ON COLUMN mlguard._training_ticket.inputs IS 'Per table: batches (ranges of batch numbers that had closed), windows that were judged good, SLOs that held.';
ALTER TABLE mlguard._training_ticket ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._training_ticket_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE UNLOGGED TABLE mlguard._turn (
    name text NOT NULL
);
ALTER TABLE mlguard._turn OWNER TO postgres;
COMMENT ON TABLE mlguard._turn IS 'Private. What one transaction does at a time; who has the lock of a row has the turn, until it ends.';
COMMENT ON COLUMN mlguard._turn.name IS 'What is done: the sweep of a table, incidents, the audit chain.';
CREATE TABLE mlguard._unclosed (
    batch bigint NOT NULL
);
ALTER TABLE mlguard._unclosed OWNER TO postgres;
COMMENT ON TABLE mlguard._unclosed IS 'Private. Batches that their COMMIT did not close; appended, and without an index. sweep() closes them.';
COMMENT ON COLUMN mlguard._unclosed.batch IS 'The batch.';
CREATE TABLE mlguard._unsealed (
    event bigint NOT NULL
);
ALTER TABLE mlguard._unsealed OWNER TO postgres;
COMMENT ON TABLE mlguard._unsealed IS 'Private. Events that wait for their seal.';
COMMENT ON COLUMN mlguard._unsealed.event IS 'The event.';
ALTER TABLE mlguard._verdict ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._verdict_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
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
CREATE TABLE mlguard._window (
    slo text NOT NULL,
    tbl text NOT NULL,
    version integer NOT NULL,
    judged_to timestamp with time zone,
    due_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    checked_to timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    first_start timestamp with time zone,
    frozen boolean DEFAULT false NOT NULL
);
ALTER TABLE mlguard._window OWNER TO postgres;
COMMENT ON TABLE mlguard._window IS 'Private. How far the windows of each SLO are judged. Only sweep() writes here.';
COMMENT ON COLUMN mlguard._window.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._window.tbl IS 'The table.';
COMMENT ON COLUMN mlguard._window.version IS 'The version of the SLO that was judged; a new one begins with history.';
COMMENT ON COLUMN mlguard._window.judged_to IS 'End of the last window judged; null: none yet.';
COMMENT ON COLUMN mlguard._window.due_at IS 'When the next window is to be judged: its end and the time it waits for rows.';
COMMENT ON COLUMN mlguard._window.checked_to IS 'Changes of buckets up to this time were judged.';
COMMENT ON COLUMN mlguard._window.first_start IS 'Start of the first window judged.';
COMMENT ON COLUMN mlguard._window.frozen IS 'The segments that are judged alone are chosen, for good.';
CREATE TABLE mlguard._withdrawal (
    id bigint NOT NULL,
    tbl text NOT NULL,
    slo text NOT NULL,
    segment jsonb DEFAULT '{}'::jsonb NOT NULL,
    window_start timestamp with time zone NOT NULL,
    window_end timestamp with time zone NOT NULL,
    verdict bigint NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    observed text,
    allowed text,
    ended_at timestamp with time zone,
    ended_by text,
    reason text
);
ALTER TABLE mlguard._withdrawal OWNER TO postgres;
COMMENT ON TABLE mlguard._withdrawal IS 'Private. Predictions that readers do not see until somebody decides: of a window, and of a segment. A window that was given back is not withdrawn again.';
COMMENT ON COLUMN mlguard._withdrawal.id IS 'Number.';
COMMENT ON COLUMN mlguard._withdrawal.tbl IS 'The table of predictions.';
COMMENT ON COLUMN mlguard._withdrawal.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard._withdrawal.segment IS 'Values of the segment columns; {}: all rows of the window.';
COMMENT ON COLUMN mlguard._withdrawal.window_start IS 'Start of the window, by event time.';
COMMENT ON COLUMN mlguard._withdrawal.window_end IS 'End of it; not included.';
COMMENT ON COLUMN mlguard._withdrawal.verdict IS 'The verdict.';
COMMENT ON COLUMN mlguard._withdrawal.since IS 'Since when.';
COMMENT ON COLUMN mlguard._withdrawal.observed IS 'What was found.';
COMMENT ON COLUMN mlguard._withdrawal.allowed IS 'What is allowed.';
COMMENT ON COLUMN mlguard._withdrawal.ended_at IS 'When somebody gave the rows back to readers.';
COMMENT ON COLUMN mlguard._withdrawal.ended_by IS 'Who.';
COMMENT ON COLUMN mlguard._withdrawal.reason IS 'Why.';
ALTER TABLE mlguard._withdrawal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME mlguard._withdrawal_id_seq
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
CREATE VIEW mlguard.baseline AS
 SELECT tbl,
    version,
    source,
    state,
    starts,
    ends,
    n,
    set_at,
    set_by,
    next_at
   FROM mlguard._baseline b;
ALTER VIEW mlguard.baseline OWNER TO postgres;
COMMENT ON VIEW mlguard.baseline IS 'What distributions are compared with, version by version.';
COMMENT ON COLUMN mlguard.baseline.state IS 'learning: not there yet; frozen: in use; replaced: an earlier one.';
COMMENT ON COLUMN mlguard.baseline.n IS 'Values of the column that has most.';
COMMENT ON COLUMN mlguard.baseline.next_at IS 'When sweep() looks again for columns that it lacks.';
CREATE VIEW mlguard.baseline_column AS
 SELECT k.tbl,
    k.version,
    k.column_name,
    k.key AS state,
    mlguard._masked(k.segment, t.pii) AS segment,
    k.kind,
    p.pii,
        CASE
            WHEN (NOT p.pii) THEN k.edges
            ELSE NULL::double precision[]
        END AS edges,
    COALESCE(k.counts, ARRAY( SELECT (c.n)::bigint AS n
           FROM jsonb_each_text(k.categories) c(name, n)
          ORDER BY (c.n)::bigint DESC, (c.name COLLATE "C"))) AS counts,
        CASE
            WHEN (NOT p.pii) THEN ARRAY( SELECT c.name
               FROM jsonb_each_text(k.categories) c(name, n)
              ORDER BY (c.n)::bigint DESC, (c.name COLLATE "C"))
            ELSE NULL::text[]
        END AS categories,
    k.other,
    k.n,
    k.missing
   FROM ((mlguard._baseline_column k
     LEFT JOIN mlguard._table t ON ((t.tbl = k.tbl)))
     CROSS JOIN LATERAL ( SELECT ((k.column_name <> ALL (t.pii)) IS NOT TRUE) AS pii) p)
  WHERE (k.n > 0);
ALTER VIEW mlguard.baseline_column OWNER TO postgres;
COMMENT ON VIEW mlguard.baseline_column IS 'The distribution of each compared column in each baseline; of pii columns counts only.';
COMMENT ON COLUMN mlguard.baseline_column.pii IS 'Edges and categories are not shown: the column is personal.';
COMMENT ON COLUMN mlguard.baseline_column.edges IS 'Edges of the bins; bin i holds values above edge i - 1, up to edge i.';
COMMENT ON COLUMN mlguard.baseline_column.counts IS 'Values in each bin, or of each category, most frequent first.';
COMMENT ON COLUMN mlguard.baseline_column.categories IS 'Names of the categories, in the order of their counts.';
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
            WHEN (name IS NOT NULL) THEN ( SELECT (sum(p.withheld))::bigint AS sum
               FROM mlguard._batch p
              WHERE (p.part_of = b.id))
            WHEN (closed_at IS NOT NULL) THEN withheld
            ELSE ( SELECT count(*) AS count
               FROM mlguard._quarantine q
              WHERE (q.batch = b.id))
        END AS withheld,
    writer,
    name,
    part_of,
    ended_at
   FROM mlguard._batch b;
ALTER VIEW mlguard.batch OWNER TO postgres;
COMMENT ON VIEW mlguard.batch IS 'What one transaction wrote to one table, where a rule needed to know it; and loads of several transactions.';
COMMENT ON COLUMN mlguard.batch.landed IS 'Rows that landed; of a load those that are left of it.';
COMMENT ON COLUMN mlguard.batch.name IS 'Of a load: the value of its column, or what begin_batch() was told.';
COMMENT ON COLUMN mlguard.batch.part_of IS 'Of a transaction: the load it was part of.';
COMMENT ON COLUMN mlguard.batch.ended_at IS 'When end_batch() ended the load.';
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
    c.batch,
    s.version
   FROM ((mlguard._change c
     LEFT JOIN mlguard._table t ON ((t.tbl = c.tbl)))
     LEFT JOIN mlguard._post_set s ON (((s.tbl = c.tbl) AND (s.hash = c.step_set))))
  WHERE (NOT c.pending);
ALTER VIEW mlguard.change OWNER TO postgres;
COMMENT ON VIEW mlguard.change IS 'Values mended before they landed.';
COMMENT ON COLUMN mlguard.change.rule IS 'The SLO that repaired the value, or <table>/post.<step>, or <table>/review for a value that a person set.';
COMMENT ON COLUMN mlguard.change.version IS 'Of a post-prediction step: version of the step set; see mlguard.post_set.';
CREATE VIEW mlguard.event AS
 SELECT e.id,
    e.at,
    e.who,
    e.act,
    e.target,
    e.before,
    e.after,
    e.reason,
    s.no AS seal,
    encode(s.hash, 'hex'::text) AS hash
   FROM (mlguard._event e
     LEFT JOIN mlguard._event_seal s ON ((s.event = e.id)));
ALTER VIEW mlguard.event OWNER TO postgres;
COMMENT ON VIEW mlguard.event IS 'Audited acts, and their places in the chain.';
COMMENT ON COLUMN mlguard.event.seal IS 'Number in the chain; null until the next sweep() after its COMMIT.';
COMMENT ON COLUMN mlguard.event.hash IS 'Hash of the chain up to and with this event.';
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
 SELECT h.id,
    h.tbl,
    h.slo,
    h.batch,
    h.window_start,
    h.window_end,
    mlguard._masked(h.segment, t.pii) AS segment,
    h.since,
    h.observed,
    h.allowed,
    h.verdict,
    h.ended_at,
    h.ended_by,
    h.reason
   FROM (mlguard._hold h
     LEFT JOIN mlguard._table t ON ((t.tbl = h.tbl)));
ALTER VIEW mlguard.hold OWNER TO postgres;
COMMENT ON VIEW mlguard.hold IS 'Holds, open and ended.';
CREATE VIEW mlguard.incident AS
 SELECT i.id,
    i.state,
    i.severity,
    i.slo,
    i.tbl,
    i.column_name,
    mlguard._masked(i.segment, t.pii) AS segment,
    i.headline,
    i.observed,
    i.allowed,
    i.n,
    i.over,
    i.batch,
    i.window_start,
    i.window_end,
    i.opened_at,
    i.last_at,
    i.times,
    i.flaps,
    i.cause,
    ( SELECT count(*) AS count
           FROM mlguard._incident c
          WHERE ((c.cause = i.id) AND (c.state <> 'resolved'::text))) AS others,
    COALESCE(NULLIF(s.owner, ''::text), t.owner) AS owner,
    COALESCE(t.consumers, '{}'::text[]) AS consumers,
    s.runbook,
    i.first_verdict,
    i.last_verdict,
    i.acked_at,
    i.acked_by,
    i.acked_reason,
    i.snoozed_at,
    i.snoozed_by,
    i.snoozed_until,
    i.snoozed_reason,
    i.resolved_at,
    i.resolved_by,
    i.resolved_reason,
    i.auto,
    i.label,
    i.labelled_by,
    i.label_reason,
    i.also,
    true AS swept
   FROM ((mlguard._incident i
     LEFT JOIN mlguard._slo s ON ((s.id = i.slo)))
     LEFT JOIN mlguard._table t ON ((t.tbl = i.tbl)))
UNION ALL
 SELECT e.number AS id,
    'open'::text AS state,
        CASE v.outcome
            WHEN 'ERROR'::text THEN 'page'::text
            ELSE s.severity
        END AS severity,
    e.slo,
    v.tbl,
    s.column_name,
    mlguard._masked(e.segment, t.pii) AS segment,
    e.headline,
    e.observed,
    v.allowed,
    v.n,
    v.over,
    v.batch,
    v.window_start,
    v.window_end,
    e.at AS opened_at,
    e.last_at,
    e.times,
    0 AS flaps,
    NULL::bigint AS cause,
    0 AS others,
    COALESCE(NULLIF(s.owner, ''::text), t.owner) AS owner,
    t.consumers,
    s.runbook,
    e.verdict AS first_verdict,
    e.last_verdict,
    NULL::timestamp with time zone AS acked_at,
    NULL::text AS acked_by,
    NULL::text AS acked_reason,
    NULL::timestamp with time zone AS snoozed_at,
    NULL::text AS snoozed_by,
    NULL::timestamp with time zone AS snoozed_until,
    NULL::text AS snoozed_reason,
    NULL::timestamp with time zone AS resolved_at,
    NULL::text AS resolved_by,
    NULL::text AS resolved_reason,
    false AS auto,
    NULL::text AS label,
    NULL::text AS labelled_by,
    NULL::text AS label_reason,
    '{}'::bigint[] AS also,
    false AS swept
   FROM (((( SELECT DISTINCT ON (q.slo, q.segment) q.id,
            q.at,
            q.slo,
            q.segment,
            q.verdict,
            q.number,
            q.scope,
            q.observed,
            q.headline,
            max(q.at) OVER same AS last_at,
            count(*) OVER same AS times,
            max(q.verdict) OVER same AS last_verdict
           FROM mlguard._incident_event q
          WINDOW same AS (PARTITION BY q.slo, q.segment)
          ORDER BY q.slo, q.segment, q.id) e
     JOIN mlguard._verdict v ON ((v.id = e.verdict)))
     JOIN mlguard._slo s ON ((s.id = e.slo)))
     JOIN mlguard._table t ON ((t.tbl = s.tbl)))
  WHERE (NOT (EXISTS ( SELECT
           FROM mlguard._incident i
          WHERE ((i.slo = e.slo) AND (md5((i.segment)::text) = md5((e.segment)::text)) AND (i.state <> 'resolved'::text)))));
ALTER VIEW mlguard.incident OWNER TO postgres;
COMMENT ON VIEW mlguard.incident IS 'Incidents: an SLO and segment from the first failure to resolution. Those without a cause alert.';
COMMENT ON COLUMN mlguard.incident.id IS 'Number; ack(), snooze(), resolve() and label() take it.';
COMMENT ON COLUMN mlguard.incident.state IS 'open, acknowledged, snoozed or resolved.';
COMMENT ON COLUMN mlguard.incident.severity IS 'low, normal or page.';
COMMENT ON COLUMN mlguard.incident.slo IS 'Id of the SLO.';
COMMENT ON COLUMN mlguard.incident.tbl IS 'The table.';
COMMENT ON COLUMN mlguard.incident.column_name IS 'The one column it is about, where there is one.';
COMMENT ON COLUMN mlguard.incident.segment IS 'The segment; {}: all rows.';
COMMENT ON COLUMN mlguard.incident.headline IS 'Column, number, limit, batch or window in one line.';
COMMENT ON COLUMN mlguard.incident.observed IS 'What was found last, in words.';
COMMENT ON COLUMN mlguard.incident.allowed IS 'What is allowed, in words.';
COMMENT ON COLUMN mlguard.incident.n IS 'Rows judged last.';
COMMENT ON COLUMN mlguard.incident.over IS 'batch, a calendar length, last …, read, assertion or schema.';
COMMENT ON COLUMN mlguard.incident.batch IS 'The batch that failed last.';
COMMENT ON COLUMN mlguard.incident.window_start IS 'Start of the window that failed last.';
COMMENT ON COLUMN mlguard.incident.window_end IS 'End of the window that failed last.';
COMMENT ON COLUMN mlguard.incident.opened_at IS 'When it was first judged a failure.';
COMMENT ON COLUMN mlguard.incident.last_at IS 'When it was last judged a failure.';
COMMENT ON COLUMN mlguard.incident.times IS 'How often it was judged a failure.';
COMMENT ON COLUMN mlguard.incident.flaps IS 'How often it came back soon after it had resolved itself.';
COMMENT ON COLUMN mlguard.incident.cause IS 'The incident it is a consequence of; it does not alert by itself then.';
COMMENT ON COLUMN mlguard.incident.others IS 'Open incidents it is the cause of.';
COMMENT ON COLUMN mlguard.incident.owner IS 'Who answers for the SLO, or else for the table.';
COMMENT ON COLUMN mlguard.incident.consumers IS 'Tasks that read the table.';
COMMENT ON COLUMN mlguard.incident.runbook IS 'Where it is written what to do.';
COMMENT ON COLUMN mlguard.incident.first_verdict IS 'The verdict that opened it; mlguard explain takes it.';
COMMENT ON COLUMN mlguard.incident.last_verdict IS 'The last verdict that failed.';
COMMENT ON COLUMN mlguard.incident.acked_at IS 'When somebody took it on.';
COMMENT ON COLUMN mlguard.incident.acked_by IS 'Who.';
COMMENT ON COLUMN mlguard.incident.acked_reason IS 'What they said.';
COMMENT ON COLUMN mlguard.incident.snoozed_at IS 'When it was snoozed last.';
COMMENT ON COLUMN mlguard.incident.snoozed_by IS 'By whom.';
COMMENT ON COLUMN mlguard.incident.snoozed_until IS 'Until when.';
COMMENT ON COLUMN mlguard.incident.snoozed_reason IS 'Why.';
COMMENT ON COLUMN mlguard.incident.resolved_at IS 'When it was resolved.';
COMMENT ON COLUMN mlguard.incident.resolved_by IS 'By whom; mlguard: by itself.';
COMMENT ON COLUMN mlguard.incident.resolved_reason IS 'Why.';
COMMENT ON COLUMN mlguard.incident.auto IS 'Resolved by itself.';
COMMENT ON COLUMN mlguard.incident.label IS 'true, false or expected, as a person judged it; null: nobody has.';
COMMENT ON COLUMN mlguard.incident.labelled_by IS 'Who judged it.';
COMMENT ON COLUMN mlguard.incident.label_reason IS 'What they said.';
COMMENT ON COLUMN mlguard.incident.also IS 'Other numbers that messages gave it.';
COMMENT ON COLUMN mlguard.incident.swept IS 'False: found by a writer since the last sweep; its cause is not known and nobody was told yet.';
CREATE SEQUENCE mlguard.incident_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE mlguard.incident_id OWNER TO postgres;
COMMENT ON SEQUENCE mlguard.incident_id IS 'Numbers of incidents. Given when a failure is judged, so that messages can name it before a sweep.';
CREATE VIEW mlguard.metric AS
 SELECT m.id,
    m.at,
    m.tbl,
    m.metric,
    m.over,
    m.batch,
    m.window_start,
    m.window_end,
    mlguard._masked(m.segment, t.pii) AS segment,
        CASE
            WHEN (NOT mlguard._shows_values(ARRAY[m.metric], t.pii)) THEN m.value
            ELSE NULL::double precision
        END AS value,
    m.n,
    m.sd,
    m.sampled,
    m.excluded,
    m.current
   FROM (mlguard._metric m
     LEFT JOIN mlguard._table t ON ((t.tbl = m.tbl)));
ALTER VIEW mlguard.metric OWNER TO postgres;
COMMENT ON VIEW mlguard.metric IS 'Every value ever judged, passing ones too.';
COMMENT ON COLUMN mlguard.metric.metric IS 'The metric, as the check spells it: coverage(age).';
COMMENT ON COLUMN mlguard.metric.over IS 'batch, a calendar length such as 1 day, or last 7 days.';
COMMENT ON COLUMN mlguard.metric.value IS 'The value; null where there is none.';
COMMENT ON COLUMN mlguard.metric.n IS 'Rows it was computed from; of a sample, rows in the sample.';
COMMENT ON COLUMN mlguard.metric.excluded IS 'Labelled as a fault: what is learned leaves it out.';
COMMENT ON COLUMN mlguard.metric.current IS 'Not superseded by a later value for the same batch or window.';
CREATE VIEW mlguard.model_usage AS
 SELECT model,
    NULLIF(version, ''::text) AS version,
    tbl,
    min(first_use) AS first_use,
    max(last_use) AS last_use,
    (sum(n))::bigint AS predictions
   FROM ( SELECT t.model,
            t.version,
            t.tbl,
            t.first_use,
            t.last_use,
            t.n
           FROM mlguard._model_usage t
        UNION ALL
         SELECT l.model,
            l.version,
            l.tbl,
            l.at,
            l.at,
            l.n
           FROM mlguard._prediction_line l) u
  GROUP BY model, version, tbl;
ALTER VIEW mlguard.model_usage OWNER TO postgres;
COMMENT ON VIEW mlguard.model_usage IS 'What each version wrote, by table, registered or not: first and last use, rows. Exact, folded or not.';
COMMENT ON COLUMN mlguard.model_usage.version IS 'The version; null for rows that name none.';
COMMENT ON COLUMN mlguard.model_usage.predictions IS 'Rows that INSERT, COPY, MERGE and upserts wrote; later deletes do not count against it.';
CREATE VIEW mlguard.model_version AS
 SELECT v.model,
    v.version,
    v.state,
    v.author,
    v.registered_at,
    v.approver,
    v.approved_at,
    v.promoted_by,
    v.promoted_at,
    (NOT (v.version IS DISTINCT FROM mlguard._previous(v.model))) AS previous,
    v.retired_by,
    v.retired_at,
    v.note,
    v.ticket,
    u.first_use,
    u.last_use,
    (COALESCE(u.predictions, (0)::numeric))::bigint AS predictions
   FROM (mlguard._model_version v
     LEFT JOIN ( SELECT m.model,
            m.version,
            min(m.first_use) AS first_use,
            max(m.last_use) AS last_use,
            sum(m.predictions) AS predictions
           FROM mlguard.model_usage m
          GROUP BY m.model, m.version) u ON (((u.model = v.model) AND (u.version = v.version))));
ALTER VIEW mlguard.model_version OWNER TO postgres;
COMMENT ON VIEW mlguard.model_version IS 'Versions of models: state, author and approver, first and last use.';
COMMENT ON COLUMN mlguard.model_version.state IS 'registered, approved, champion (its predictions are served), challenger or retired.';
COMMENT ON COLUMN mlguard.model_version.previous IS 'Where a rollback of the model leads.';
COMMENT ON COLUMN mlguard.model_version.ticket IS 'The training ticket it came from.';
COMMENT ON COLUMN mlguard.model_version.predictions IS 'Rows it wrote.';
CREATE VIEW mlguard.model AS
 SELECT m.model,
    m.tables,
    m.inputs,
    ( SELECT v.version
           FROM mlguard.model_version v
          WHERE ((v.model = m.model) AND (v.state = 'champion'::text))) AS champion,
    p.training,
    p.cooldown,
    p.lease,
    p.attempts
   FROM (( SELECT t.model,
            array_agg(t.tbl ORDER BY t.tbl) AS tables,
            ARRAY( SELECT mlguard._inputs_of(t.model) AS _inputs_of) AS inputs
           FROM mlguard._table t
          WHERE (t.model IS NOT NULL)
          GROUP BY t.model) m
     CROSS JOIN LATERAL mlguard._policy(m.model) p(model, training, cooldown, lease, attempts));
ALTER VIEW mlguard.model OWNER TO postgres;
COMMENT ON VIEW mlguard.model IS 'Models: where their predictions are, what they read, which version serves, how they are retrained.';
CREATE VIEW mlguard.model_metric AS
 SELECT t.model,
    (m.segment ->> t.version_column) AS version,
    m.tbl,
    m.metric,
    m.over,
    NULLIF((m.segment - t.version_column), '{}'::jsonb) AS segment,
    m.window_start,
    m.window_end,
    m.value,
    m.n
   FROM (mlguard.metric m
     JOIN mlguard._table t ON ((t.tbl = m.tbl)))
  WHERE ((t.model IS NOT NULL) AND m.current AND (m.segment ? t.version_column));
ALTER VIEW mlguard.model_metric OWNER TO postgres;
COMMENT ON VIEW mlguard.model_metric IS 'Metrics by version: those of SLOs whose `by` names the version column.';
COMMENT ON COLUMN mlguard.model_metric.segment IS 'The other columns of `by`; null where there is none.';
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
CREATE VIEW mlguard.outbox AS
 SELECT id,
    at,
    incident,
    alarm,
    event,
    severity,
    recipients,
    subject,
    body,
    payload,
    delivered_at,
    attempts,
    last_error,
    next_try
   FROM mlguard._outbox o;
ALTER VIEW mlguard.outbox OWNER TO postgres;
COMMENT ON VIEW mlguard.outbox IS 'Alerts: one line per change of state of an incident that alerts. claim_outbox() takes lines for delivery.';
COMMENT ON COLUMN mlguard.outbox.id IS 'Number; delivered() and failed() take it.';
COMMENT ON COLUMN mlguard.outbox.at IS 'When it changed.';
COMMENT ON COLUMN mlguard.outbox.incident IS 'The incident.';
COMMENT ON COLUMN mlguard.outbox.alarm IS 'The same for all lines of one alarm: a deduplication key.';
COMMENT ON COLUMN mlguard.outbox.event IS 'opened, escalated, acknowledged, snoozed, resolved or reopened.';
COMMENT ON COLUMN mlguard.outbox.severity IS 'low, normal or page.';
COMMENT ON COLUMN mlguard.outbox.recipients IS 'Owners and consumers it is for.';
COMMENT ON COLUMN mlguard.outbox.subject IS 'In one line.';
COMMENT ON COLUMN mlguard.outbox.body IS 'In several lines.';
COMMENT ON COLUMN mlguard.outbox.payload IS 'The same for programs.';
COMMENT ON COLUMN mlguard.outbox.delivered_at IS 'When it was delivered.';
COMMENT ON COLUMN mlguard.outbox.attempts IS 'How often delivery was begun.';
COMMENT ON COLUMN mlguard.outbox.last_error IS 'What went wrong last.';
COMMENT ON COLUMN mlguard.outbox.next_try IS 'Not claimed again before then.';
CREATE VIEW mlguard.own_size AS
 SELECT relname AS relation,
    (reltuples)::bigint AS rows,
    pg_total_relation_size((oid)::regclass) AS bytes
   FROM pg_class c
  WHERE ((relnamespace = ('mlguard'::regnamespace)::oid) AND (relkind = ANY (ARRAY['r'::"char", 'p'::"char"])))
  ORDER BY (pg_total_relation_size((oid)::regclass)) DESC, relname;
ALTER VIEW mlguard.own_size OWNER TO postgres;
COMMENT ON VIEW mlguard.own_size IS 'Tables of schema mlguard, the largest first.';
COMMENT ON COLUMN mlguard.own_size.rows IS 'Rows, as the last ANALYZE estimated them; -1: never analysed.';
COMMENT ON COLUMN mlguard.own_size.bytes IS 'Bytes on disk, indexes and long values included.';
CREATE VIEW mlguard.post_set AS
 SELECT tbl,
    version,
    steps,
    since,
    ended_at,
    applied_by
   FROM mlguard._post_set s;
ALTER VIEW mlguard.post_set OWNER TO postgres;
COMMENT ON VIEW mlguard.post_set IS 'Post-prediction steps of each table, every version; ended_at is null of the one in force.';
CREATE VIEW mlguard.prediction_batch AS
 SELECT b.tbl,
    b.model,
    NULLIF(b.version, ''::text) AS version,
    b.xid,
    b.started_at,
    b.first_at,
    b.last_at,
    b.writer,
    b.n,
    b.batches,
    b.first_event,
    b.last_event,
    b.inputs,
    b.held AS inputs_held,
    k.id AS batch
   FROM (( SELECT p.tbl,
            p.model,
            p.version,
            p.xid,
            p.started_at,
            p.first_at,
            p.last_at,
            p.writer,
            p.n,
            p.batches,
            p.first_event,
            p.last_event,
            p.inputs,
            p.held
           FROM mlguard._prediction_batch p
        UNION ALL
         SELECT l.tbl,
            l.model,
            l.version,
            l.xid,
            l.started_at,
            min(l.at) AS min,
            max(l.at) AS max,
            min(l.writer) AS min,
            (sum(l.n))::bigint AS sum,
            1,
            min(l.first_event) AS min,
            max(l.last_event) AS max,
            (array_agg(l.inputs ORDER BY l.held DESC, l.at))[1] AS array_agg,
            bool_or(l.held) AS bool_or
           FROM mlguard._prediction_line l
          GROUP BY l.tbl, l.model, l.version, l.xid, l.started_at) b
     LEFT JOIN mlguard._batch k ON (((k.xid = b.xid) AND (k.tbl = b.tbl) AND (k.opened_at = b.started_at))));
ALTER VIEW mlguard.prediction_batch OWNER TO postgres;
COMMENT ON VIEW mlguard.prediction_batch IS 'Predictions by transaction and version, with the gates of their inputs; small ones on good inputs by the hour.';
COMMENT ON COLUMN mlguard.prediction_batch.xid IS 'The transaction; a column of the table with default pg_current_xact_id() finds its rows. Null for an hour of small ones.';
COMMENT ON COLUMN mlguard.prediction_batch.n IS 'Rows.';
COMMENT ON COLUMN mlguard.prediction_batch.batches IS 'Transactions.';
COMMENT ON COLUMN mlguard.prediction_batch.inputs IS 'Each input table: "open", "not guarded", or since when it was held, and why.';
COMMENT ON COLUMN mlguard.prediction_batch.inputs_held IS 'Some input was held: these predictions were made on broken features.';
COMMENT ON COLUMN mlguard.prediction_batch.batch IS 'The same in mlguard.batch, where an SLO judges batches.';
CREATE VIEW mlguard.profile AS
 SELECT tbl,
    over,
    batch,
    window_start,
    window_end,
    segment,
    column_name,
    max(n) AS n,
    COALESCE(max(value) FILTER (WHERE (name = 'null_rate'::text)), ((1)::double precision - max(value) FILTER (WHERE (name = 'coverage'::text))), max(value) FILTER (WHERE (name = 'usual_null'::text))) AS null_rate,
    max(value) FILTER (WHERE (name = 'nan_rate'::text)) AS nan_rate,
    max(value) FILTER (WHERE (name = 'zero_rate'::text)) AS zero_rate,
    COALESCE(max(value) FILTER (WHERE (name = 'negative_rate'::text)), max(value) FILTER (WHERE (name = 'usual_negative'::text))) AS negative_rate,
    COALESCE(max(value) FILTER (WHERE (name = 'mean'::text)), max(value) FILTER (WHERE (name = 'usual_mean'::text))) AS mean,
    max(value) FILTER (WHERE (name = 'stddev'::text)) AS stddev,
    max(value) FILTER (WHERE (name = 'min'::text)) AS min,
    max(value) FILTER (WHERE (name = 'median'::text)) AS median,
    max(value) FILTER (WHERE (name = 'max'::text)) AS max,
    max(value) FILTER (WHERE (name = 'distinct_count'::text)) AS distinct_count,
    jsonb_object_agg(name, value) AS metrics
   FROM ( SELECT m.tbl,
            m.over,
            m.batch,
            m.window_start,
            m.window_end,
            m.segment,
            m.n,
            m.value,
            c.parts[1] AS name,
                CASE
                    WHEN (c.parts[2] ~~ '"%'::text) THEN replace(substr(c.parts[2], 2, (length(c.parts[2]) - 2)), '""'::text, '"'::text)
                    ELSE c.parts[2]
                END AS column_name
           FROM (mlguard.metric m
             CROSS JOIN LATERAL regexp_match(m.metric, '^([a-z_]+)\(("(?:[^"]|"")+"|[^"(),]+)\)$'::text) c(parts))
          WHERE (m.current AND (c.parts IS NOT NULL))) p
  GROUP BY tbl, over, batch, window_start, window_end, segment, column_name;
ALTER VIEW mlguard.profile OWNER TO postgres;
COMMENT ON VIEW mlguard.profile IS 'Columns of judged batches and windows: what the SLOs on them measured, one row a column.';
COMMENT ON COLUMN mlguard.profile.metrics IS 'All metrics of the column by name.';
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
CREATE VIEW mlguard.retention AS
 SELECT k.what,
    r.keep,
    r.most,
    (c.reltuples)::bigint AS rows,
    pg_total_relation_size((c.oid)::regclass) AS bytes
   FROM ((unnest(ARRAY['verdict'::text, 'metric'::text, 'violation'::text, 'change'::text, 'batch'::text, 'incident'::text, 'event'::text]) WITH ORDINALITY k(what, place)
     JOIN pg_class c ON (((c.relname = ('_'::text || k.what)) AND (c.relnamespace = ('mlguard'::regnamespace)::oid))))
     LEFT JOIN mlguard._retention r ON ((r.what = k.what)))
  ORDER BY k.place;
ALTER VIEW mlguard.retention OWNER TO postgres;
COMMENT ON VIEW mlguard.retention IS 'How long records are kept, and what they take.';
COMMENT ON COLUMN mlguard.retention.what IS 'Kind of record.';
COMMENT ON COLUMN mlguard.retention.keep IS 'Age at which they go; null: no age.';
COMMENT ON COLUMN mlguard.retention.most IS 'Newest that stay; null: no limit.';
COMMENT ON COLUMN mlguard.retention.rows IS 'Rows, as the last ANALYZE estimated them; -1: never analysed.';
COMMENT ON COLUMN mlguard.retention.bytes IS 'Bytes on disk, indexes included.';
CREATE VIEW mlguard.retrain_request AS
 SELECT id,
    model,
    state,
    slo,
    incidents,
    why,
    vetoes,
    requested_at,
    vetoed_at,
    claimed_at,
    claimed_by,
    lease_until,
    attempts,
    ticket,
    ended_at,
    version,
    outcome
   FROM mlguard._retrain_request r;
ALTER VIEW mlguard.retrain_request OWNER TO postgres;
COMMENT ON VIEW mlguard.retrain_request IS 'Requests to retrain: what asked, what speaks against it, who works on it.';
CREATE VIEW mlguard.review AS
 SELECT r.id,
    r.tbl,
    mlguard._masked(r.key, t.pii) AS key,
    r.step,
    s.version,
    r.batch,
    r.status,
    r.routed_at,
    r.decided_at,
    r.decided_by,
    r.reason,
    mlguard._masked(r.given, t.pii) AS given
   FROM ((mlguard._review r
     LEFT JOIN mlguard._table t ON ((t.tbl = r.tbl)))
     LEFT JOIN mlguard._post_set s ON (((s.tbl = r.tbl) AND (s.hash = r.step_set))));
ALTER VIEW mlguard.review OWNER TO postgres;
COMMENT ON VIEW mlguard.review IS 'Rows that a step routed to review: guarded reads omit those that are pending or rejected.';
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
CREATE VIEW mlguard.training_ticket AS
 SELECT id,
    model,
    from_at,
    to_at,
    at,
    who,
    request,
    inputs
   FROM mlguard._training_ticket t;
ALTER VIEW mlguard.training_ticket OWNER TO postgres;
COMMENT ON VIEW mlguard.training_ticket IS 'Training runs that were let begin, and the batches and windows they may read.';
CREATE VIEW mlguard.verdict AS
 SELECT v.id,
    v.at,
    v.slo,
    v.tbl,
    v.over,
    v.batch,
    v.window_start,
    v.window_end,
    mlguard._masked(v.segment, t.pii) AS segment,
    v.version,
    v.current,
    v.outcome,
    v.metrics,
        CASE
            WHEN (NOT mlguard._shows_values(v.metrics, t.pii)) THEN v.vals
            ELSE NULL::double precision[]
        END AS vals,
    v.n,
        CASE
            WHEN (NOT mlguard._shows_values(v.metrics, t.pii)) THEN v.observed
            ELSE NULL::text
        END AS observed,
    v.allowed,
    v.reason,
    v.detail
   FROM (mlguard._verdict v
     LEFT JOIN mlguard._table t ON ((t.tbl = v.tbl)));
ALTER VIEW mlguard.verdict OWNER TO postgres;
COMMENT ON VIEW mlguard.verdict IS 'What was found of each SLO over each batch and window; superseded verdicts stay.';
COMMENT ON COLUMN mlguard.verdict.id IS 'Number; mlguard explain takes it.';
COMMENT ON COLUMN mlguard.verdict.version IS 'Counts the judgements of the same batch or window.';
COMMENT ON COLUMN mlguard.verdict.current IS 'The last judgement of its batch or window.';
COMMENT ON COLUMN mlguard.verdict.outcome IS 'PASS, FAIL, NOTED (fails, but shadow or waived), INSUFFICIENT or ERROR.';
COMMENT ON COLUMN mlguard.verdict.reason IS 'Why not PASS or FAIL, or no values.';
CREATE VIEW mlguard.violation AS
 SELECT v.id,
    v.at,
    v.slo,
    v.tbl,
    v.batch,
    v.window_start,
    v.window_end,
    v.segment,
    mlguard._masked(v.observed, (t.pii || mlguard._personal(v.observed, t.pii))) AS observed,
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
CREATE VIEW mlguard.withdrawal AS
 SELECT w.id,
    w.tbl,
    w.slo,
    mlguard._masked(w.segment, t.pii) AS segment,
    w.window_start,
    w.window_end,
    w.since,
    w.observed,
    w.allowed,
    w.ended_at,
    w.ended_by,
    w.reason
   FROM (mlguard._withdrawal w
     LEFT JOIN mlguard._table t ON ((t.tbl = w.tbl)));
ALTER VIEW mlguard.withdrawal OWNER TO postgres;
COMMENT ON VIEW mlguard.withdrawal IS 'Predictions taken away from readers, until somebody decides.';
ALTER TABLE ONLY mlguard._acting
    ADD CONSTRAINT _acting_pkey PRIMARY KEY (tbl, xid);
ALTER TABLE ONLY mlguard._armed
    ADD CONSTRAINT _armed_pkey PRIMARY KEY (slo);
ALTER TABLE ONLY mlguard._assertion_due
    ADD CONSTRAINT _assertion_due_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._assertion_lock
    ADD CONSTRAINT _assertion_lock_pkey PRIMARY KEY (slo);
ALTER TABLE ONLY mlguard._assertion
    ADD CONSTRAINT _assertion_no_key UNIQUE (no);
ALTER TABLE ONLY mlguard._assertion
    ADD CONSTRAINT _assertion_pkey PRIMARY KEY (slo);
ALTER TABLE ONLY mlguard._band
    ADD CONSTRAINT _band_pkey PRIMARY KEY (tbl, over, segment, metric);
ALTER TABLE ONLY mlguard._baseline_column
    ADD CONSTRAINT _baseline_column_pkey PRIMARY KEY (tbl, version, column_name, key, segment);
ALTER TABLE ONLY mlguard._baseline
    ADD CONSTRAINT _baseline_pkey PRIMARY KEY (tbl, version);
ALTER TABLE ONLY mlguard._batch
    ADD CONSTRAINT _batch_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._batch
    ADD CONSTRAINT _batch_transaction UNIQUE (xid, tbl, opened_at);
ALTER TABLE ONLY mlguard._bucket
    ADD CONSTRAINT _bucket_pkey PRIMARY KEY (tbl, bucket, segment);
ALTER TABLE ONLY mlguard._change
    ADD CONSTRAINT _change_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._delta
    ADD CONSTRAINT _delta_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._event_checkpoint
    ADD CONSTRAINT _event_checkpoint_pkey PRIMARY KEY (no);
ALTER TABLE ONLY mlguard._event
    ADD CONSTRAINT _event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._event_seal
    ADD CONSTRAINT _event_seal_event_key UNIQUE (event);
ALTER TABLE ONLY mlguard._event_seal
    ADD CONSTRAINT _event_seal_pkey PRIMARY KEY (no);
ALTER TABLE ONLY mlguard._freshness
    ADD CONSTRAINT _freshness_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._hold
    ADD CONSTRAINT _hold_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._incident_event
    ADD CONSTRAINT _incident_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._incident
    ADD CONSTRAINT _incident_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._learned_scope
    ADD CONSTRAINT _learned_scope_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._load_due
    ADD CONSTRAINT _load_due_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._load_state
    ADD CONSTRAINT _load_state_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._metric
    ADD CONSTRAINT _metric_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._model
    ADD CONSTRAINT _model_pkey PRIMARY KEY (model);
ALTER TABLE ONLY mlguard._model_usage
    ADD CONSTRAINT _model_usage_pkey PRIMARY KEY (model, version, tbl);
ALTER TABLE ONLY mlguard._model_version
    ADD CONSTRAINT _model_version_pkey PRIMARY KEY (model, version);
ALTER TABLE ONLY mlguard._object
    ADD CONSTRAINT _object_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._object
    ADD CONSTRAINT _object_tbl_kind_name_key UNIQUE (tbl, kind, name);
ALTER TABLE ONLY mlguard._outbox
    ADD CONSTRAINT _outbox_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._pair
    ADD CONSTRAINT _pair_pkey PRIMARY KEY (tbl, over, column_name, metric, partner);
ALTER TABLE ONLY mlguard._pair_work
    ADD CONSTRAINT _pair_work_pkey PRIMARY KEY (tbl, over, t, column_name);
ALTER TABLE ONLY mlguard._paired
    ADD CONSTRAINT _paired_pkey PRIMARY KEY (tbl);
ALTER TABLE ONLY mlguard._pairing
    ADD CONSTRAINT _pairing_pkey PRIMARY KEY (tbl, id);
ALTER TABLE ONLY mlguard._post_set
    ADD CONSTRAINT _post_set_hash UNIQUE (tbl, hash);
ALTER TABLE ONLY mlguard._post_set
    ADD CONSTRAINT _post_set_pkey PRIMARY KEY (tbl, version);
ALTER TABLE ONLY mlguard._prediction_batch
    ADD CONSTRAINT _prediction_batch_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._profile
    ADD CONSTRAINT _profile_pkey PRIMARY KEY (scope, column_name);
ALTER TABLE ONLY mlguard._quarantine
    ADD CONSTRAINT _quarantine_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._recount_due
    ADD CONSTRAINT _recount_due_pkey PRIMARY KEY (tbl, id);
ALTER TABLE ONLY mlguard._reference
    ADD CONSTRAINT _reference_pkey PRIMARY KEY (tbl, over, column_name);
ALTER TABLE ONLY mlguard._retention
    ADD CONSTRAINT _retention_pkey PRIMARY KEY (what);
ALTER TABLE ONLY mlguard._retrain_policy
    ADD CONSTRAINT _retrain_policy_pkey PRIMARY KEY (model);
ALTER TABLE ONLY mlguard._retrain_request
    ADD CONSTRAINT _retrain_request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._review
    ADD CONSTRAINT _review_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._rollback_act
    ADD CONSTRAINT _rollback_act_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._sample
    ADD CONSTRAINT _sample_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._schema_column
    ADD CONSTRAINT _schema_column_pkey PRIMARY KEY (tbl, column_name);
ALTER TABLE ONLY mlguard._seen
    ADD CONSTRAINT _seen_pkey PRIMARY KEY (tbl, over, what, name, value);
ALTER TABLE ONLY mlguard._seen_size
    ADD CONSTRAINT _seen_size_pkey PRIMARY KEY (tbl, over, what, name);
ALTER TABLE ONLY mlguard._segment
    ADD CONSTRAINT _segment_pkey PRIMARY KEY (slo, segment);
ALTER TABLE ONLY mlguard._series
    ADD CONSTRAINT _series_pkey PRIMARY KEY (tbl, over, metric);
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_no_key UNIQUE (no);
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._state
    ADD CONSTRAINT _state_pkey PRIMARY KEY (tbl, id);
ALTER TABLE ONLY mlguard._table
    ADD CONSTRAINT _table_pkey PRIMARY KEY (tbl);
ALTER TABLE ONLY mlguard._training_ticket
    ADD CONSTRAINT _training_ticket_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._turn
    ADD CONSTRAINT _turn_pkey PRIMARY KEY (name);
ALTER TABLE ONLY mlguard._unsealed
    ADD CONSTRAINT _unsealed_pkey PRIMARY KEY (event);
ALTER TABLE ONLY mlguard._verdict
    ADD CONSTRAINT _verdict_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._violation
    ADD CONSTRAINT _violation_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._waiver
    ADD CONSTRAINT _waiver_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard._window
    ADD CONSTRAINT _window_pkey PRIMARY KEY (slo);
ALTER TABLE ONLY mlguard._withdrawal
    ADD CONSTRAINT _withdrawal_pkey PRIMARY KEY (id);
ALTER TABLE ONLY mlguard.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
CREATE UNIQUE INDEX _baseline_frozen ON mlguard._baseline USING btree (tbl) WHERE (state = 'frozen'::text);
CREATE UNIQUE INDEX _baseline_learning ON mlguard._baseline USING btree (tbl) WHERE (state = 'learning'::text);
CREATE UNIQUE INDEX _batch_name ON mlguard._batch USING btree (tbl, name) WHERE ((name IS NOT NULL) AND (NOT retired));
CREATE INDEX _batch_part_of ON mlguard._batch USING btree (part_of) WHERE (part_of IS NOT NULL);
CREATE INDEX _bucket_changed ON mlguard._bucket USING btree (tbl, changed_at);
CREATE INDEX _bucket_shrunk ON mlguard._bucket USING btree (tbl, shrunk_at) WHERE (shrunk_at IS NOT NULL);
CREATE INDEX _change_batch ON mlguard._change USING btree (batch, id);
CREATE INDEX _change_pending ON mlguard._change USING btree (tbl, batch) WHERE pending;
CREATE INDEX _change_tbl ON mlguard._change USING btree (tbl, id);
CREATE INDEX _delta_batch ON mlguard._delta USING btree (batch);
CREATE UNIQUE INDEX _delta_first ON mlguard._delta USING btree (batch) WHERE first;
CREATE INDEX _event_target ON mlguard._event USING btree (target, id);
CREATE INDEX _freshness_newest ON mlguard._freshness USING btree (tbl, newest DESC);
CREATE INDEX _hold_open ON mlguard._hold USING btree (tbl) WHERE (ended_at IS NULL);
CREATE INDEX _hold_slo ON mlguard._hold USING btree (slo, id);
CREATE INDEX _incident_alarm ON mlguard._incident USING btree (alarm) WHERE (alarm <> id);
CREATE INDEX _incident_cause ON mlguard._incident USING btree (cause) WHERE (cause IS NOT NULL);
CREATE INDEX _incident_event_slo ON mlguard._incident_event USING btree (slo, id);
CREATE UNIQUE INDEX _incident_open ON mlguard._incident USING btree (slo, md5((segment)::text)) WHERE (state <> 'resolved'::text);
CREATE INDEX _incident_past ON mlguard._incident USING btree (slo, resolved_at) WHERE (state = 'resolved'::text);
CREATE INDEX _incident_tbl ON mlguard._incident USING btree (tbl) WHERE (state <> 'resolved'::text);
CREATE INDEX _incident_untold ON mlguard._incident USING btree (id) WHERE ((cause IS NULL) AND (told IS DISTINCT FROM state));
CREATE UNIQUE INDEX _learned_scope_batch ON mlguard._learned_scope USING btree (tbl, over, batch) WHERE (batch IS NOT NULL);
CREATE UNIQUE INDEX _learned_scope_window ON mlguard._learned_scope USING btree (tbl, over, window_start) WHERE (batch IS NULL);
CREATE INDEX _load_state_load ON mlguard._load_state USING btree (tbl, load);
CREATE INDEX _load_state_loose ON mlguard._load_state USING btree (tbl, load) WHERE (NOT merged);
CREATE INDEX _metric_batch ON mlguard._metric USING btree (tbl, metric, segment, batch) WHERE (current AND (batch IS NOT NULL));
CREATE INDEX _metric_excluded ON mlguard._metric USING btree (tbl, window_start) WHERE (excluded AND current);
CREATE INDEX _metric_of_batch ON mlguard._metric USING btree (tbl, batch) WHERE (current AND (batch IS NOT NULL));
CREATE INDEX _metric_of_window ON mlguard._metric USING btree (tbl, window_start) WHERE (current AND (window_start IS NOT NULL));
CREATE INDEX _metric_window ON mlguard._metric USING btree (tbl, over, metric, segment, window_start) WHERE (current AND (window_start IS NOT NULL));
CREATE UNIQUE INDEX _model_version_champion ON mlguard._model_version USING btree (model) WHERE (state = 'champion'::text);
CREATE INDEX _outbox_incident ON mlguard._outbox USING btree (incident);
CREATE INDEX _outbox_waiting ON mlguard._outbox USING btree (alarm, id) WHERE (delivered_at IS NULL);
CREATE INDEX _prediction_batch_held ON mlguard._prediction_batch USING btree (tbl, started_at) WHERE held;
CREATE UNIQUE INDEX _prediction_batch_hour ON mlguard._prediction_batch USING btree (tbl, model, version, started_at) WHERE (xid IS NULL);
CREATE INDEX _prediction_batch_tbl ON mlguard._prediction_batch USING btree (tbl, started_at);
CREATE INDEX _quarantine_batch ON mlguard._quarantine USING btree (batch, id);
CREATE INDEX _quarantine_waiting ON mlguard._quarantine USING btree (tbl, status, id);
CREATE UNIQUE INDEX _request_due ON mlguard._request USING btree (tbl, xid) WHERE (keys IS NULL);
CREATE INDEX _request_keys ON mlguard._request USING btree (tbl, xid) WHERE (keys IS NOT NULL);
CREATE INDEX _retrain_request_model ON mlguard._retrain_request USING btree (model, id);
CREATE UNIQUE INDEX _retrain_request_open ON mlguard._retrain_request USING btree (model) WHERE (state = ANY (ARRAY['requested'::text, 'vetoed'::text, 'claimed'::text]));
CREATE INDEX _review_batch ON mlguard._review USING btree (batch, id);
CREATE INDEX _review_tbl ON mlguard._review USING btree (tbl, id);
CREATE INDEX _review_withheld ON mlguard._review USING btree (tbl, row_key) WHERE (status = ANY (ARRAY['pending'::text, 'rejected'::text]));
CREATE INDEX _rollback_act_model ON mlguard._rollback_act USING btree (model, id);
CREATE INDEX _sample_batch ON mlguard._sample USING btree (tbl, batch);
CREATE INDEX _sample_bucket ON mlguard._sample USING btree (tbl, bucket);
CREATE INDEX _slo_gate ON mlguard._slo USING btree (tbl) WHERE (level = 'read'::text);
CREATE INDEX _slo_tbl ON mlguard._slo USING btree (tbl);
CREATE INDEX _state_batch ON mlguard._state USING btree (batch) WHERE (batch IS NOT NULL);
CREATE INDEX _state_corrects ON mlguard._state USING btree (corrects) WHERE (corrects IS NOT NULL);
CREATE INDEX _state_emptied ON mlguard._state USING btree (tbl, id) WHERE (op = 'TRUNCATE'::text);
CREATE INDEX _state_load ON mlguard._state USING btree (tbl, load) WHERE ((load IS NOT NULL) AND (NOT load_kept));
CREATE INDEX _training_ticket_model ON mlguard._training_ticket USING btree (model, id);
CREATE INDEX _verdict_batch ON mlguard._verdict USING btree (tbl, batch) WHERE (current AND (batch IS NOT NULL));
CREATE INDEX _verdict_slo ON mlguard._verdict USING btree (slo, id);
CREATE INDEX _verdict_window ON mlguard._verdict USING btree (slo, window_start) WHERE (current AND (window_start IS NOT NULL));
CREATE INDEX _violation_slo ON mlguard._violation USING btree (slo, id);
CREATE INDEX _violation_tbl ON mlguard._violation USING btree (tbl, id);
CREATE INDEX _waiver_open ON mlguard._waiver USING btree (slo, until) WHERE (ended_at IS NULL);
CREATE INDEX _window_due ON mlguard._window USING btree (tbl, due_at);
CREATE UNIQUE INDEX _withdrawal_once ON mlguard._withdrawal USING btree (slo, window_start, md5((segment)::text));
CREATE INDEX _withdrawal_open ON mlguard._withdrawal USING btree (tbl, slo) WHERE (ended_at IS NULL);
CREATE TRIGGER await_seal AFTER INSERT ON mlguard._event FOR EACH ROW EXECUTE FUNCTION mlguard._await_seal();
ALTER TABLE mlguard._event ENABLE ALWAYS TRIGGER await_seal;
CREATE CONSTRAINT TRIGGER close_batch AFTER INSERT ON mlguard._batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mlguard._close_batch();
ALTER TABLE mlguard._batch ENABLE ALWAYS TRIGGER close_batch;
CREATE CONSTRAINT TRIGGER judge_batch AFTER INSERT ON mlguard._delta DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.first) EXECUTE FUNCTION mlguard._judge_batch();
ALTER TABLE mlguard._delta ENABLE ALWAYS TRIGGER judge_batch;
CREATE CONSTRAINT TRIGGER judge_due AFTER INSERT ON mlguard._assertion_due DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mlguard._judge_assertion_due();
ALTER TABLE mlguard._assertion_due ENABLE ALWAYS TRIGGER judge_due;
CREATE CONSTRAINT TRIGGER judge_loads AFTER INSERT ON mlguard._delta DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.first) EXECUTE FUNCTION mlguard._judge_loads();
ALTER TABLE mlguard._delta ENABLE ALWAYS TRIGGER judge_loads;
CREATE CONSTRAINT TRIGGER judge_request AFTER INSERT ON mlguard._request DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN ((new.keys IS NULL)) EXECUTE FUNCTION mlguard._judge_request();
ALTER TABLE mlguard._request ENABLE ALWAYS TRIGGER judge_request;
CREATE TRIGGER keep_load AFTER DELETE ON mlguard._state FOR EACH ROW WHEN ((((old.load IS NOT NULL) AND (NOT old.load_kept)) OR (old.op = 'TRUNCATE'::text))) EXECUTE FUNCTION mlguard._keep_load();
ALTER TABLE mlguard._state ENABLE ALWAYS TRIGGER keep_load;
CREATE TRIGGER refuse_deletion AFTER DELETE ON mlguard._event REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_unsealed_deletion();
ALTER TABLE mlguard._event ENABLE ALWAYS TRIGGER refuse_deletion;
CREATE TRIGGER refuse_deletion AFTER DELETE ON mlguard._event_seal REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_unsealed_deletion();
ALTER TABLE mlguard._event_seal ENABLE ALWAYS TRIGGER refuse_deletion;
CREATE TRIGGER refuse_rewriting BEFORE UPDATE OR TRUNCATE ON mlguard._event FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_rewriting();
ALTER TABLE mlguard._event ENABLE ALWAYS TRIGGER refuse_rewriting;
CREATE TRIGGER refuse_rewriting BEFORE DELETE OR UPDATE OR TRUNCATE ON mlguard._event_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_rewriting();
ALTER TABLE mlguard._event_checkpoint ENABLE ALWAYS TRIGGER refuse_rewriting;
CREATE TRIGGER refuse_rewriting BEFORE UPDATE OR TRUNCATE ON mlguard._event_seal FOR EACH STATEMENT EXECUTE FUNCTION mlguard._refuse_rewriting();
ALTER TABLE mlguard._event_seal ENABLE ALWAYS TRIGGER refuse_rewriting;
ALTER TABLE ONLY mlguard._assertion_lock
    ADD CONSTRAINT _assertion_lock_slo_fkey FOREIGN KEY (slo) REFERENCES mlguard._assertion(slo) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._assertion
    ADD CONSTRAINT _assertion_slo_fkey FOREIGN KEY (slo) REFERENCES mlguard._slo(id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._model_version
    ADD CONSTRAINT _model_version_model_fkey FOREIGN KEY (model) REFERENCES mlguard._model(model);
ALTER TABLE ONLY mlguard._profile
    ADD CONSTRAINT _profile_scope_fkey FOREIGN KEY (scope) REFERENCES mlguard._learned_scope(id) ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._retrain_request
    ADD CONSTRAINT _retrain_request_ticket_fkey FOREIGN KEY (ticket) REFERENCES mlguard._training_ticket(id);
ALTER TABLE ONLY mlguard._schema_column
    ADD CONSTRAINT _schema_column_tbl_fkey FOREIGN KEY (tbl) REFERENCES mlguard._table(tbl) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._segment
    ADD CONSTRAINT _segment_slo_fkey FOREIGN KEY (slo) REFERENCES mlguard._slo(id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._slo
    ADD CONSTRAINT _slo_tbl_fkey FOREIGN KEY (tbl) REFERENCES mlguard._table(tbl) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY mlguard._window
    ADD CONSTRAINT _window_slo_fkey FOREIGN KEY (slo) REFERENCES mlguard._slo(id) ON UPDATE CASCADE ON DELETE CASCADE;
GRANT USAGE ON SCHEMA mlguard TO mlguard_platform;
GRANT USAGE ON SCHEMA mlguard TO mlguard_task;
GRANT USAGE ON SCHEMA mlguard TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._acted_on(p_id bigint, p_act text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._alarm_of(p_incident mlguard._incident) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._arm(p_tbl text, p_over text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._arrival(p_tbl text, p_arrives jsonb, p_at timestamp with time zone, OUT due timestamp with time zone, OUT wanted timestamp with time zone, OUT arrived boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._ask_retrain(p_model text, p_slo text, p_incident bigint, p_why text, p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._asker() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._asking(p_word text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._asks_for_stale(p_states jsonb[], p_metrics text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._assertion_key(p_row jsonb, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._at_rank(p_vals double precision[], p_ranks double precision[], p_rank double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._attach(p_id bigint, p_cause bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._await_seal() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._bad_rows(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._baseline_metrics(p_metrics text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._baseline_periods(p_table mlguard._table, p_kind text, p_length interval, p_columns text[], p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._baseline_wanted(p_tbl text, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._batch_place(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._batch_sample(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._batch_states(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._before(p_scope bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._begin_baseline(p_tbl text, p_kind text, p_source text, p_starts timestamp with time zone, p_ends timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._below(p_theta double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._below(p_nums double precision[], p_counts integer[], p_edges double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._binned(p_value text, p_num double precision, p_bins jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._bound_sql(p_bound text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._bound_sql(p_bound text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._cell_sql(p_tbl regclass, p_relation regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._cell_sql(p_tbl regclass, p_relation regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._cells(p_scope bigint, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._chi_squared(p_freedom double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._claimed(p_id bigint, p_ticket bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._close_batch() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._closed(p_tbl text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._closed(p_tbl text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._compared(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT here double precision[], OUT baseline double precision[], OUT labels text[], OUT words text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._conclude(p_verdict bigint, p_why text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._correct_held(p_batch bigint, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._corrected(p_incident mlguard._incident) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._could_not(p_slo mlguard._slo, p_c jsonb, p_code text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_baseline(p_table mlguard._table, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_batch(p_id bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_kept(p_tbl text, p_slos text[], p_first boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_refusal(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_segments(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_end timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._count_stored(p_table mlguard._table, p_version integer, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._counted(p_baseline mlguard._baseline, p_c jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._counted_by_time(p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._deadline(p_arrives jsonb, p_before timestamp with time zone, p_itself boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._decide(p_id bigint, p_status text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._deciles(p_ordered double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._decimals(p_nums double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._detail(p_slo text, p_observed jsonb, p_allowed text, p_key jsonb, p_more jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._deviation(p_values double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._distance_detail(p_slo mlguard._slo, p_s jsonb, p_c jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._domain(p_tbl text, p_over text, p_first text, p_second text, p_mixed boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._drop_unguarded() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._emptied(p_hold bigint, p_why text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._emptied_at(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._end_holds(p_slo text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._end_snoozes(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._error_class(p_code text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._event_text(p_no bigint, p_event mlguard._event) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._evidence(p_states jsonb, p_columns text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._except(p_slo text, p_kind text, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._exclude(p_id bigint, p_excluded boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._expire_claims() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._explained(p_first anyarray, p_second anyarray) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._fair_groups(p_states jsonb, p_key text, p_least integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._figure(p_value double precision, p_limits text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._fill_baseline(p_table mlguard._table, p_version integer, p_columns text[], p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._find(p_slo mlguard._slo, p_states jsonb, p_c jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._find_in_load(p_load mlguard._batch, p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._find_unseen(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._finding(p_metrics text[], p_vals double precision[], p_limits text, p_segment text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._finished(b mlguard._band) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._fit_partition(p_parent regclass, p_child regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._fit_partition(p_parent regclass, p_child regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._fold_failures() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._fold_states(p_tbl text, p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._for_segment(p_segment jsonb, p_by text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._freeze_baseline(p_tbl text, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._gather(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._give_ticket(p_model text, p_from timestamp with time zone, p_to timestamp with time zone, p_request bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._good_needed(p_incident mlguard._incident) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_baselines(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_incidents(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_loop(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_models(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_partitions(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_public() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_review(p_role text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._grant_surface() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._group_incidents(p_new bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._guarded_above(p_relation oid) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._guarded_above(p_relation oid) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._guesses(p_filled double precision[], p_slots integer[], p_slot integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._headline(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._heal_incidents(p_new bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._healed(p_incident mlguard._incident) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._health(p_slo text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._health(p_slo text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._held_against(p_band mlguard._band, p_value double precision, p_n bigint, p_k bigint, p_slot integer, p_sensitivity double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._hint(p_begin text, p_owner text, p_runbook text, p_end text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._hold_by(p_verdict mlguard._verdict, p_slo mlguard._slo) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._in_window(p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._incident_history(p_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._incident_history(p_id bigint) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._incident_history(p_id bigint) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._incident_history(p_id bigint) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._incident_no(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._incident_of(p_verdict bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._incident_words(p_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._incident_words(p_id bigint) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._incident_words(p_id bigint) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._incident_words(p_id bigint) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._input_faults(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._inputs_of(p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._inputs_of(p_model text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._inputs_of(p_model text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._inputs_of(p_model text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._js(p_here double precision[], p_baseline double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge(p_slo mlguard._slo, p_states jsonb, p_c jsonb, p_why text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_arrivals(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_assertion(p_slo text, p_version text, p_keys text[], p_refused text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_assertion_due() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_batch() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_closed(p_table mlguard._table, p_over text, p_slos text[], p_as_of timestamp with time zone, p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_due(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_late(p_table mlguard._table, p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_loads() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_metrics(p_batch bigint, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_reads(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_request() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_schema(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_staleness(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_usual(p_tbl text, p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_usual_batch(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_volumes(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_window(p_table mlguard._table, p_slos text[], p_over text, p_start timestamp with time zone, p_end timestamp with time zone, p_again boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judge_windows(p_tbl text, p_as_of timestamp with time zone, p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._judged_good(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._keep(p_verdicts mlguard._verdict[], p_again boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._keep_load() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._keep_metrics(p_verdicts mlguard._verdict[], p_again boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._kept_batches(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._kind(p_metric text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._known_model(p_model text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._ks(p_here double precision[], p_baseline double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._label_incident(p_incident mlguard._incident, p_label text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._lacking(p_root oid) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._lacking(p_root oid) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._lacks_counts(p_table mlguard._table, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._learn_baseline(p_table mlguard._table, p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._learn_pairs(p_tbl text, p_over text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._learned(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._left_out(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._length(p_length interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._less(p_key text, p_from jsonb, p_gone jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._linf(p_here double precision[], p_baseline double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._link(p_prev bytea, p_no bigint, p_event mlguard._event) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._load_rows(p_tbl text, p_load text, p_bucket timestamp with time zone, p_batch bigint, p_before bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._load_states(p_tbl text, p_load text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._loads_of(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._lock_assertion(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._lock_loads(p_batch bigint, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._lock_table(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._locked_version(p_model text, p_version text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._look_again() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._loop_reason(p_reason text, p_act text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._made_stale(p_key text, p_from jsonb, p_gone jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._make_severe(p_id bigint, p_severity text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._mask_incidents() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._masked(p_values jsonb, p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._masked_rules(p_broken jsonb, p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._measure(p_scope bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge(p_a jsonb, p_b jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_all(p_documents jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_bins(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_joint(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_keys(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_load(p_tbl text, p_load text, p_least integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_moments(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_parts(p_key text, p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_quantiles(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_sampled(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._merge_values(p_parts jsonb[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._minute(p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._model_reason(p_reason text, p_act text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._most_frequent(p_texts text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._need_reason(p_reason text, p_act text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._new_categories(p_s jsonb, p_c jsonb, p_key text, p_column text, OUT rate double precision, OUT words text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._new_turn(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._noise(p_metric text, p_here double precision[], p_baseline double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._normal_tail(p_probability double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._note_act(p_root oid, p_act text, p_child regclass, p_more jsonb) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._note_partitions(p_root oid) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._note_partitions(p_root oid) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._number_series(p_scope bigint, p_before bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._observe(p_scope bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._observed_words(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._off_grid(p_x double precision, p_decimals integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._offer(p_row mlguard._quarantine, p_set jsonb, OUT outcome text, OUT reason text, OUT broken jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._oldest_kept(p_what text, p_as_of timestamp with time zone, p_beyond bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._on_ddl() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._on_partition() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._open_load(p_tbl text, p_load text, p_part bigint, p_begun boolean, p_ends boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._open_upstream_holds(p_new bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._outlived() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._overfull(p_tbl text, p_over text, p_what text, p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._own_removals(p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._pair_value(p_scope bigint, p_rule mlguard._pair) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._partition_went(p_root oid, p_child regclass, p_first timestamp with time zone, p_last timestamp with time zone, p_newest timestamp with time zone, p_seen pg_snapshot) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._partition_went(p_root oid, p_child regclass, p_first timestamp with time zone, p_last timestamp with time zone, p_newest timestamp with time zone, p_seen pg_snapshot) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._past(p_tbl text, p_over text, p_segment jsonb, p_metric text, p_start timestamp with time zone, p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._personal(p_observed jsonb, p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._policy(p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._policy(p_model text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._policy(p_model text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._policy(p_model text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._pool_samples(p_ids bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._pooled(p_segments jsonb[], p_states jsonb[], p_by text[], p_alone jsonb[], p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._precedence(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._precision(p_slo text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._precision(p_slo text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._precision(p_slo text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._precision(p_slo text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._previous(p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._previous(p_model text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._previous(p_model text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._previous(p_model text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._previous(p_baseline mlguard._baseline, p_c jsonb, p_segment jsonb, p_key text, p_bins boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._prune_events(p_as_of timestamp with time zone, p_some integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._prune_judgements(p_as_of timestamp with time zone, p_some integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._prune_records(p_as_of timestamp with time zone, p_some integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._psi(p_here double precision[], p_baseline double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._raise(p_code text, p_message text, p_slo text, p_detail jsonb, p_hint text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._ranks(p_state jsonb, OUT vals double precision[], OUT ranks double precision[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._readers_words(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._reasons(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._recipients(p_incident bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._record(p_act text, p_target text, p_before jsonb, p_after jsonb, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._record_assertion(p_slo text, p_lock mlguard._assertion_lock, p_outcome text, p_n bigint, p_samples jsonb, p_words text, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._record_model(p_act text, p_model text, p_version text, p_before jsonb, p_after jsonb, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._record_retrain(p_act text, p_request mlguard._retrain_request, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._recount(p_tbl text, p_recount text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._recount_now(p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refresh_bands(p_tbl text, p_over text, p_rescale boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refresh_reference(p_tbl text, p_over text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refusals() FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._refusals() TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._refuse_above_cap(p_tbl text, p_id bigint, p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refuse_baseline(p_tbl text, p_source text, p_wanted integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refuse_batch(p_failed mlguard._verdict[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refuse_rewriting() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._refuse_unsealed_deletion() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._remember_batch(p_tbl text, p_place tid) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._repeated_share(p_scope bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._resolve_incident(p_id bigint, p_by text, p_reason text, p_auto boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._review_closed(p_id bigint, p_row mlguard._review) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._review_decide(p_row mlguard._review, p_status text, p_reason text, p_given jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._review_row(p_id bigint, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._rows_sql(p_event_sql text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._same_series(p_scope bigint, p_before bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sample_of(p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint, p_n bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._say(p_id bigint, p_event text, p_alarm bigint, p_recipients text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._scale_of(p_tbl text, p_over text, p_segment jsonb, p_metric text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._schema_faults(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._scope(p_tbl text, p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_segment jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._scope_range(p_verdict mlguard._verdict, p_table mlguard._table) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._scope_words(p_over text, p_batch bigint, p_start timestamp with time zone, p_end timestamp with time zone, p_zone text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._seal_events() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._seconds(p_length interval) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._seconds(p_length interval) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._segments_alone(p_slo mlguard._slo, p_segments jsonb[], p_states jsonb[], p_start timestamp with time zone, p_again boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._series_words(p_family text, p_column text, p_partner text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._set_own_baseline(p_tbl regclass, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._set_own_baseline(p_tbl regclass, p_from timestamp with time zone, p_to timestamp with time zone) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._set_ticket_baseline(p_tbl regclass, p_ticket bigint) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._severity_rank(p_severity text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._shape(p_text text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._short(p_number double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._shown(p_value jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard._shows_values(p_metrics text[], p_pii text[]) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard._slot(p_over text, p_zone text, p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._slots(p_over text, p_zone text, p_ats timestamp with time zone[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sort_removals(p_batch bigint, p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._steadied(p_class text, p_values double precision[], p_scale double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._steady(p_class text, p_x double precision, p_scale double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sum_arrays(p_parts jsonb[], p_signs integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sum_tallies(p_key text, p_parts jsonb[], p_signs integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sums(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._survey(p_tbl regclass, p_relation regclass, p_columns text[], p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._survey(p_tbl regclass, p_relation regclass, p_columns text[], p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._sweep_audit() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_baselines(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_fold(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_holds(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_incidents(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_loads(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_models(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_retrain(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_rollbacks(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_schema(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_tidy(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_usual(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_version_baselines(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_windows(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._sweep_withdrawals(p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._take_profile(p_scope bigint, p_tbl text, p_start timestamp with time zone, p_end timestamp with time zone, p_batch bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._take_turn(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._taken_in(b mlguard._band, p_values double precision[], p_rows bigint[], p_slots integer[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._tallied(p_tbl regclass, p_relation regclass, p_edges jsonb) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._tally(p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._tally(p_tbl regclass, p_relation regclass, p_edges jsonb, p_where text, p_from timestamp with time zone, p_to timestamp with time zone, p_left_out tstzmultirange) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._tbl(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._tbl(p_table regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._tell_act(p_incident bigint, p_words text, p_payload jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._tell_incidents() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._text_series(p_scope bigint, p_before bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._tick(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._ticket_named(p_source text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._ticket_named(p_source text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._together(p_one mlguard._incident, p_other mlguard._incident) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._trigger_on(p_trigger oid, p_relation oid) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._trigger_on(p_trigger oid, p_relation oid) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._unhook(p_child regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard._unhook(p_child regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard._unit(p_class text, p_n bigint, p_k bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._units(p_class text, p_n bigint[], p_k bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._unmerge(p_from jsonb, p_gone jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._unsteady(p_class text, p_y double precision, p_scale double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._upstream(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._use_baseline(p_table mlguard._table, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._verdict_of(p_slo mlguard._slo, p_c jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._veto(p_id bigint, p_as_of timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._vetoes(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._volume(p_volume jsonb, p_at timestamp with time zone, OUT n bigint, OUT since timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._volumes(p_tbl text, p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._wait_table(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._wait_turn(p_name text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._waits(p_slo mlguard._slo) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._warn_baseline(p_tbl text, p_version integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._window_end(p_length text, p_zone text, p_start timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._window_floor(p_length text, p_local timestamp without time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._window_sample(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._window_start(p_length text, p_zone text, p_at timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._window_states(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone, p_segments boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._words(p_values jsonb, p_order text[], p_between text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard._worst(p_errors double precision[], p_units double precision[], p_spread double precision, p_side text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.accuracy_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.ack(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.ack(p_id bigint, p_reason text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.ack(p_id bigint, p_reason text) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.acting_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.add_sample_v1(p_tbl text, p_bucket timestamp with time zone, p_n bigint, p_k integer, p_column text, p_nums double precision[], p_texts text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.add_states_v1(p_tbl text, p_op text, p_sign integer, p_bucket timestamp with time zone, p_segment jsonb, p_n bigint, p_states jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.approve(p_model text, p_version text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.approve(p_model text, p_version text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard.arrivals_v1(p_tbl text, p_at timestamp with time zone) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard.assert_ok(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard.assert_ok(p_table regclass) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard.assertion_due_v1(p_slo text, p_version text, p_keys text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.attach_partition(p_parent regclass, p_child regclass, p_bound text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.auc_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.audit_head() FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.audit_head() TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.backfill_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.baseline_columns(p_tbl regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.baseline_columns(p_tbl regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.baseline_version_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.batch_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.begin_training(p_model text, p_from timestamp with time zone, p_to timestamp with time zone) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.bias_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.brier_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.calibration_error_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.cancel_retrain(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.cancel_retrain(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.challenge(p_model text, p_version text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.challenge(p_model text, p_version text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.claim_outbox(p_n integer, p_lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.claim_outbox(p_n integer, p_lease interval) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.claim_pages(p_n integer, p_lease interval) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.claim_pages(p_n integer, p_lease interval) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.claim_retrain(p_model text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.claim_retrain(p_model text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.claim_retrain(p_model text) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.correlation_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.count_refusals_v1(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.count_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.cover_partitions(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.cover_partitions(p_table regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.delivered(p_id bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.delivered(p_id bigint) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.detach_partition(p_parent regclass, p_child regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.detach_partition(p_parent regclass, p_child regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.discard(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.discard(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.distinct_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.duplicates_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.edges_v1(p_tbl text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.end_assertion_v1(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.f1_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.failed(p_id bigint, p_error text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.failed(p_id bigint, p_error text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.fair_bound_v1(p_states jsonb, p_metric text, p_key text, p_least integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.fair_v1(p_states jsonb, p_metric text, p_key text, p_least integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.fell_back_v1(p_tbl text, p_key jsonb, p_column text, p_old jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.finish_retrain(p_id bigint, p_version text, p_outcome text, p_failed boolean, p_ticket bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.finish_retrain(p_id bigint, p_version text, p_outcome text, p_failed boolean, p_ticket bigint) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.finish_retrain(p_id bigint, p_version text, p_outcome text, p_failed boolean, p_ticket bigint) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.forget_refusals_v1(p_no integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.fresh_v1(p_tbl text, p_newest timestamp with time zone, p_future timestamp with time zone[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.grant_roles() FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.greatest_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.heartbeat(p_id bigint, p_ticket bigint) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.inputs_v1(p_tbl text, p_features text[], p_mode text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.js_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.keep_baseline(p_tbl regclass, p_source text, p_columns jsonb, p_kind text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.kept_out_warning_v1(p_tbl text, p_landed bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.kept_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.ks_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.label(p_id bigint, p_label text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.label(p_id bigint, p_label text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.label_coverage_v1(p_states jsonb, p_labelled text, p_rows text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.least_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.linf_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.logloss_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.mae_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.mape_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.mean_v1(p_states jsonb, p_sum text, p_have text, p_nan text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.new_categories_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.newest_v1(p_tbl text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_task;
GRANT ALL ON FUNCTION mlguard.newest_v1(p_tbl text) TO mlguard_writer;
REVOKE ALL ON FUNCTION mlguard.no_distance_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.no_score_v1(p_states jsonb, p_metric text, p_key text, p_least integer, p_labelled text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.noise_v1(p_metric text, p_n bigint, p_m bigint, p_bins integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.not_waived_v1(p_broken jsonb, p_key jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.note_v1(p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.off(p_slo text, p_for interval, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.pair_v1(p_tbl text, p_side text, p_seen pg_snapshot, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.part_emptied_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.post_lines_v1(p_tbl text, p_set text, p_key jsonb, p_row_hash text, p_lines jsonb, p_pending boolean, p_mark text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.post_moved_v1(p_tbl text, p_first bigint, p_count integer, p_columns text[], p_row_hash text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.post_set_ended_v1(p_tbl text, p_hash text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.post_set_v1(p_tbl text, p_hash text, p_steps jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.precision_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.promote(p_model text, p_version text, p_reason text, p_as text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.promote(p_model text, p_version text, p_reason text, p_as text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.psi_v1(p_s jsonb, p_c jsonb, p_key text, p_column text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.put_assertion_v1(p_slo text, p_tables text[], p_relation text, p_judge text, p_hidden boolean, p_version text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.quantile_v1(p_states jsonb, p_key text, p_rank double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.ratio_v1(p_states jsonb, p_part text, p_whole text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.recall_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.recount_due_v1(p_tbl text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.refreshed_v1(p_tbl text, p_newest timestamp with time zone, p_seen pg_snapshot) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.refuse_version_v1(p_tbl text, p_model text, p_version text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.register(p_model text, p_version text, p_note text, p_ticket bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.register(p_model text, p_version text, p_note text, p_ticket bigint) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.register(p_model text, p_version text, p_note text, p_ticket bigint) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.reinstate(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.reinstate(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.release(p_id bigint, p_set jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.release(p_id bigint, p_set jsonb) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.remember_schema_v1(p_tbl text, p_wanted text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.repaired_v1(p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.replay(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.replay(p_table regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.request_acting_v1(p_tbl text, p_acting boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.request_due_v1(p_tbl text, p_judge text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.request_refused_v1(p_step text, p_meant bigint, p_done bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.request_retrain(p_model text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.request_retrain(p_model text, p_reason text) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.request_retrain(p_model text, p_reason text) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.resolve(p_id bigint, p_reason text, p_label text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.resolve(p_id bigint, p_reason text, p_label text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.rest_v1(p_states jsonb, p_part text, p_whole text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.resume(p_slo text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.resume(p_slo text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.retire(p_model text, p_version text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.retire(p_model text, p_version text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.review_accept(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.review_accept(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.review_override(p_id bigint, p_set jsonb, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.review_override(p_id bigint, p_set jsonb, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.review_reject(p_id bigint, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.review_reject(p_id bigint, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.rmse_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.rollback(p_model text, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.rollback(p_model text, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.rounded_score_v1(p_score double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.route_v1(p_tbl text, p_set text, p_key jsonb, p_row_key text, p_row_hash text, p_steps text[], p_before bigint, p_mark text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.sample_places_v1(p_n bigint, p_tried integer, p_most integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.schema_faults(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.sealed_v1(p_note jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_other regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_other regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_source text, p_from timestamp with time zone, p_to timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.set_baseline(p_tbl regclass, p_source text, p_from timestamp with time zone, p_to timestamp with time zone) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.set_retention(p_what text, p_keep interval, p_most bigint) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.set_retention(p_what text, p_keep interval, p_most bigint) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.set_retrain_policy(p_model text, p_training interval, p_cooldown interval, p_lease interval, p_attempts integer) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.set_retrain_policy(p_model text, p_training interval, p_cooldown interval, p_lease interval, p_attempts integer) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.share_v1(p_states jsonb, p_part text, p_have text, p_nan text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.snooze(p_id bigint, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.snooze(p_id bigint, p_until timestamp with time zone, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.stddev_v1(p_states jsonb, p_key text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.sum_v1(p_states jsonb, p_sum text, p_have text, p_nan text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.sweep(p_as_of timestamp with time zone) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) TO mlguard_platform;
GRANT ALL ON FUNCTION mlguard.ticket_v1(p_model text, p_ticket bigint, OUT from_at timestamp with time zone, OUT to_at timestamp with time zone, OUT given_at timestamp with time zone) TO mlguard_task;
REVOKE ALL ON FUNCTION mlguard.trailing_v1(p_c jsonb, p_metric text, p_back interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.truncated_v1(p_tbl text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.try_assertion_v1(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.unrouted_v1(p_tbl text, p_row_keys text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.unsealed_v1(p_sealed text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.usual_v1(p_c jsonb, p_metric text, p_value double precision, p_rows bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.verify_audit(p_no bigint, p_hash text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.verify_audit(p_no bigint, p_hash text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.waive(p_id bigint, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.waive(p_id bigint, p_until timestamp with time zone, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.waive(p_slo text, p_until timestamp with time zone, p_reason text) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.waived_v1(p_slo text) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.withhold_v1(p_tbl text, p_broken jsonb, p_row jsonb, p_row_text text, p_key jsonb, p_op text, p_superseded boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.within_noise_v1(p_s jsonb, p_c jsonb, p_metric text, p_key text, p_column text, p_value double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION mlguard.written_v1(p_table regclass) FROM PUBLIC;
GRANT ALL ON FUNCTION mlguard.written_v1(p_table regclass) TO mlguard_platform;
REVOKE ALL ON FUNCTION mlguard.merge_v1(jsonb) FROM PUBLIC;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_task;
GRANT SELECT ON TABLE mlguard.alembic_version TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.baseline TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.baseline_column TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_task;
GRANT SELECT ON TABLE mlguard.batch TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.change TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.event TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_task;
GRANT SELECT ON TABLE mlguard.gate TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.hold TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.incident TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.incident TO mlguard_task;
GRANT SELECT ON TABLE mlguard.incident TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.metric TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.metric TO mlguard_task;
GRANT SELECT ON TABLE mlguard.metric TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.model_usage TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.model_usage TO mlguard_task;
GRANT SELECT ON TABLE mlguard.model_usage TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.model_version TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.model_version TO mlguard_task;
GRANT SELECT ON TABLE mlguard.model_version TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.model TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.model TO mlguard_task;
GRANT SELECT ON TABLE mlguard.model TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.model_metric TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.model_metric TO mlguard_task;
GRANT SELECT ON TABLE mlguard.model_metric TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.object TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.outbox TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.own_size TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.post_set TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.prediction_batch TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.prediction_batch TO mlguard_task;
GRANT SELECT ON TABLE mlguard.prediction_batch TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.profile TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.profile TO mlguard_task;
GRANT SELECT ON TABLE mlguard.profile TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.quarantine TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_task;
GRANT SELECT ON TABLE mlguard.rejection TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.retention TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.retrain_request TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.retrain_request TO mlguard_task;
GRANT SELECT ON TABLE mlguard.retrain_request TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.review TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_task;
GRANT SELECT ON TABLE mlguard.slo TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.training_ticket TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.training_ticket TO mlguard_task;
GRANT SELECT ON TABLE mlguard.training_ticket TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.verdict TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.verdict TO mlguard_task;
GRANT SELECT ON TABLE mlguard.verdict TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_task;
GRANT SELECT ON TABLE mlguard.violation TO mlguard_writer;
GRANT SELECT ON TABLE mlguard.waiver TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.withdrawal TO mlguard_platform;
GRANT SELECT ON TABLE mlguard.withdrawal TO mlguard_task;
GRANT SELECT ON TABLE mlguard.withdrawal TO mlguard_writer;
