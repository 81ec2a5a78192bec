-- Incidents: one alarm per cause, from the first failure to its resolution, and the outbox that tells of it.
-- A judge only appends to _incident_event. Whoever sweeps makes incidents of it, one sweep at a time (an advisory
-- lock) and with everything that failed together in sight, so that writers neither wait for one another nor alarm twice.

create sequence mlguard.incident_id as bigint;

comment on sequence mlguard.incident_id is
  'Numbers of incidents. Given when a failure is judged, so that messages can name it before a sweep.';


create table mlguard._incident (
  id bigint primary key,
  slo text not null,
  tbl text not null,
  segment jsonb not null default '{}',
  column_name text,
  state text not null default 'open',
  severity text not null,
  cause bigint,
  precedence double precision[] not null,
  scope tstzrange,
  first_batch bigint,
  over text not null,
  batch bigint,
  window_start timestamptz,
  window_end timestamptz,
  n bigint,
  observed text,
  allowed text,
  headline text not null,
  pii text[] not null default '{}',
  opened_at timestamptz not null,
  last_at timestamptz not null,
  times bigint not null,
  flaps integer not null default 0,
  first_verdict bigint,
  last_verdict bigint,
  also bigint[] not null default '{}',
  acked_at timestamptz,
  acked_by text,
  acked_reason text,
  snoozed_at timestamptz,
  snoozed_by text,
  snoozed_until timestamptz,
  snoozed_reason text,
  resolved_at timestamptz,
  resolved_by text,
  resolved_reason text,
  auto boolean not null default false,
  label text,
  labelled_at timestamptz,
  labelled_by text,
  label_reason text,
  alarm bigint,
  told text,
  told_severity text,
  told_to text[] not null default '{}',
  constraint _incident_state check (state in ('open', 'acknowledged', 'snoozed', 'resolved')),
  constraint _incident_severity check (severity in ('low', 'normal', 'page')),
  constraint _incident_label check (label in ('true', 'false', 'expected')),
  -- Causes are flat: an incident stands by itself, or belongs to one that does.
  constraint _incident_cause check (cause <> id)
);

-- A digest, because the values of a segment may be longer than an index entry.
create unique index _incident_open on mlguard._incident (slo, md5(segment::text)) where state <> 'resolved';
create index _incident_tbl on mlguard._incident (tbl) where state <> 'resolved';
create index _incident_past on mlguard._incident (slo, resolved_at) where state = 'resolved';
create index _incident_cause on mlguard._incident (cause) where cause is not null;
create index _incident_alarm on mlguard._incident (alarm) where alarm <> id;
create index _incident_untold on mlguard._incident (id) where cause is null and told is distinct from state;

comment on table mlguard._incident is
  'Private. One row per SLO and segment, from the first failure to resolution. Written under one advisory lock, never '
  'by a judge.';
comment on column mlguard._incident.id is 'Number.';
comment on column mlguard._incident.slo is 'Id of the SLO.';
comment on column mlguard._incident.tbl is 'The table.';
comment on column mlguard._incident.segment is 'The segment; {}: all rows.';
comment on column mlguard._incident.column_name is 'The one column it is about, where there is one.';
comment on column mlguard._incident.state is 'open, acknowledged, snoozed or resolved.';
comment on column mlguard._incident.severity is
  'low, normal or page; never less than that of an incident it is the cause of.';
comment on column mlguard._incident.cause is 'The incident this one is a consequence of; only incidents without one alert.';
comment on column mlguard._incident.precedence is
  'The smaller, the likelier the cause: kind (0 schema, 1 volume or freshness, 2 other, 3 could not be judged), '
  '- score, severity, - importance of the column, - excess over the limit, first verdict.';
comment on column mlguard._incident.scope is 'Stretch of time that the failure which opened it is about.';
comment on column mlguard._incident.first_batch is 'The batch whose failure opened it.';
comment on column mlguard._incident.over is 'batch, a calendar length, last …, read, assertion or schema.';
comment on column mlguard._incident.batch is 'The batch that failed last.';
comment on column mlguard._incident.window_start is 'Start of the window that failed last.';
comment on column mlguard._incident.window_end is 'End of the window that failed last.';
comment on column mlguard._incident.n is 'Rows judged then.';
comment on column mlguard._incident.observed is 'What was found then, in words; no value of a pii column.';
comment on column mlguard._incident.allowed is 'What is allowed, in words.';
comment on column mlguard._incident.headline is 'All of it in one line, as alerts begin.';
comment on column mlguard._incident.pii is 'Columns that were personal when these words were written.';
comment on column mlguard._incident.opened_at is 'When it was first judged a failure.';
comment on column mlguard._incident.last_at is 'When it was last judged a failure.';
comment on column mlguard._incident.times is 'How often it was judged a failure.';
comment on column mlguard._incident.flaps is
  'How often it came back soon after it had resolved itself; each time it takes one more good batch or window.';
comment on column mlguard._incident.first_verdict is 'The verdict that opened it.';
comment on column mlguard._incident.last_verdict is 'The last verdict that failed.';
comment on column mlguard._incident.also is
  'Other numbers it was given by transactions that failed at the same time and could not see one another.';
comment on column mlguard._incident.acked_at is 'When somebody took it on.';
comment on column mlguard._incident.acked_by is 'Who.';
comment on column mlguard._incident.acked_reason is 'What they said.';
comment on column mlguard._incident.snoozed_at is 'When it was snoozed.';
comment on column mlguard._incident.snoozed_by is 'By whom.';
comment on column mlguard._incident.snoozed_until is 'Until when.';
comment on column mlguard._incident.snoozed_reason is 'Why.';
comment on column mlguard._incident.resolved_at is 'When it was resolved.';
comment on column mlguard._incident.resolved_by is 'By whom.';
comment on column mlguard._incident.resolved_reason is 'Why.';
comment on column mlguard._incident.auto is 'Resolved by itself.';
comment on column mlguard._incident.label is
  'Judged by a person: true, false (nothing was wrong) or expected (real, and wanted); null: not judged.';
comment on column mlguard._incident.labelled_at is 'When it was judged.';
comment on column mlguard._incident.labelled_by is 'By whom.';
comment on column mlguard._incident.label_reason is 'What they said.';
comment on column mlguard._incident.alarm is
  'Number of the alarm: mostly its own. A likelier cause that is found later takes the alarm over with its number.';
comment on column mlguard._incident.told is 'The state that the outbox told last; null: nobody was told yet.';
comment on column mlguard._incident.told_severity is 'The severity that was told last.';
comment on column mlguard._incident.told_to is 'Whom the outbox has told.';


create table mlguard._incident_event (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  slo text not null,
  segment jsonb not null,
  verdict bigint not null,
  number bigint not null,
  scope tstzrange,
  observed text,
  headline text not null
);

create index _incident_event_slo on mlguard._incident_event (slo, id);

comment on table mlguard._incident_event is
  'Private. Failures that no sweep has seen yet, appended by judges; a sweep takes them out into _incident.';
comment on column mlguard._incident_event.id is 'Number.';
comment on column mlguard._incident_event.at is 'When it was judged.';
comment on column mlguard._incident_event.slo is 'Id of the SLO.';
comment on column mlguard._incident_event.segment is 'The segment.';
comment on column mlguard._incident_event.verdict is 'The verdict, FAIL or ERROR.';
comment on column mlguard._incident_event.number is 'The incident it continues, or opens unless another one did so first.';
comment on column mlguard._incident_event.scope is 'Stretch of time the failure is about.';
comment on column mlguard._incident_event.observed is 'What was found, in words; no value of a pii column.';
comment on column mlguard._incident_event.headline is 'All of it in one line.';


create table mlguard._outbox (
  id bigint primary key generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  incident bigint not null,
  alarm bigint not null,
  event text not null,
  severity text not null,
  recipients text[] not null,
  subject text not null,
  body text not null,
  payload jsonb not null,
  delivered_at timestamptz,
  attempts integer not null default 0,
  last_error text,
  next_try timestamptz not null default pg_catalog.clock_timestamp(),
  constraint _outbox_event check (
    event in ('opened', 'escalated', 'acknowledged', 'snoozed', 'resolved', 'reopened'))
);

create index _outbox_waiting on mlguard._outbox (alarm, id) where delivered_at is null;
create index _outbox_incident on mlguard._outbox (incident);

comment on table mlguard._outbox is
  'Private. One line per change of state of an incident that alerts, waiting to be delivered. Nothing is ever NOTIFYed.';
comment on column mlguard._outbox.id is 'Number, in the order of the changes.';
comment on column mlguard._outbox.at is 'When it changed.';
comment on column mlguard._outbox.incident is 'The incident.';
comment on column mlguard._outbox.alarm is
  'The same for all lines of one alarm, from opened to resolved: what a pager calls the deduplication key.';
comment on column mlguard._outbox.event is
  'opened, escalated (more severe, or more people concerned), acknowledged, snoozed, resolved or reopened.';
comment on column mlguard._outbox.severity is 'low, normal or page.';
comment on column mlguard._outbox.recipients is
  'Owners and consumers of the tables concerned; of a line that tells further people only these.';
comment on column mlguard._outbox.subject is 'In one line.';
comment on column mlguard._outbox.body is 'In several lines.';
comment on column mlguard._outbox.payload is 'The same for programs.';
comment on column mlguard._outbox.delivered_at is 'When it was delivered.';
comment on column mlguard._outbox.attempts is 'How often its delivery was begun.';
comment on column mlguard._outbox.last_error is 'What went wrong last.';
comment on column mlguard._outbox.next_try is 'Not claimed again before then.';


-- What a failure is called, and which stretch of time it is about.

create function mlguard._severity_rank(p_severity text)
returns integer
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select array_position(array['low', 'normal', 'page'], p_severity)
$mlguard$;

comment on function mlguard._severity_rank(text) is 'Private. 1 low, 2 normal, 3 page.';


create function mlguard._scope_words(
  p_over text, p_batch bigint, p_start timestamptz, p_end timestamptz, p_zone text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._scope_words(text, bigint, timestamptz, timestamptz, text) is
  'Private. What was judged, as messages name it: batch 88123, 2026-11-19, last 7 days to 2026-11-19.';


create function mlguard._observed_words(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._observed_words(mlguard._verdict, mlguard._slo, mlguard._table) is
  'Private. What a verdict found, in words, without values of pii columns.';


create function mlguard._headline(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._headline(mlguard._verdict, mlguard._slo, mlguard._table) is
  'Private. Table, column, number, limit, segment, SLO, batch or window of a verdict in one line.';


create function mlguard._scope_range(p_verdict mlguard._verdict, p_table mlguard._table)
returns tstzrange
language sql
stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._scope_range(mlguard._verdict, mlguard._table) is
  'Private. The stretch of time a verdict is about: of a batch the event times it wrote, where buckets are kept.';


create function mlguard._incident_of(p_verdict bigint)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._incident_of(bigint) is
  'Private. Hands a verdict over: a failure is appended for the next sweep. Returns the number of its incident; null '
  'where the verdict opens none.';


-- Which incident is the cause of which.

create function mlguard._precedence(p_verdict mlguard._verdict, p_slo mlguard._slo, p_table mlguard._table)
returns double precision[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._precedence(mlguard._verdict, mlguard._slo, mlguard._table) is
  'Private. Arrays that compare smaller for likelier causes; see the column _incident.precedence.';


create function mlguard._together(p_one mlguard._incident, p_other mlguard._incident)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._together(mlguard._incident, mlguard._incident) is
  'Private. Whether two incidents of one table began in the same batch, or in the same stretch of time.';


create function mlguard._upstream(p_tbl text)
returns table (tbl text, depth integer)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._upstream(text) is
  'Private. Tables that a table is made from, directly or not, and how far away; 20 steps at most, for circles.';


create function mlguard._recipients(p_incident bigint)
returns text[]
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(array_agg(distinct p.name order by p.name), '{}')
  from mlguard._incident i
  left join mlguard._slo s on s.id = i.slo
  left join mlguard._table t on t.tbl = i.tbl
  cross join unnest(array[nullif(coalesce(nullif(s.owner, ''), t.owner), '')] || coalesce(t.consumers, '{}')) p (name)
  where (i.id = p_incident or (i.cause = p_incident and i.state <> 'resolved')) and p.name is not null
$mlguard$;

comment on function mlguard._recipients(bigint) is
  'Private. Owners and consumers of the tables of an incident and of what it is the cause of.';


create function mlguard._readers_words(p_tbl text)
returns text
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._readers_words(text) is 'Private. How many tasks read a table, and which.';


create function mlguard._incident_words(p_id bigint)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._incident_words(bigint) is
  'Private. The text of an alert: column, number, limit, batch or window, who reads the table, what else broke.';


-- The outbox.

create function mlguard._say(p_id bigint, p_event text, p_alarm bigint, p_recipients text[])
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._say(bigint, text, bigint, text[]) is 'Private. Writes one line of the outbox.';


create function mlguard._tell_incidents()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._tell_incidents() is
  'Private. Writes the lines of the outbox that are due; returns how many.';


-- From failures to incidents. Everything from here to _sweep_incidents runs under the advisory lock.

create function mlguard._fold_failures()
returns bigint[]
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._fold_failures() is
  'Private. Takes appended failures into incidents; returns those that were opened or came back.';


create function mlguard._make_severe(p_id bigint, p_severity text)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- What gets worse while it is snoozed alerts again, and so does the incident that stands for it.
  update mlguard._incident i
  set severity = p_severity, state = case i.state when 'snoozed' then 'open' else i.state end
  where i.id in (select p_id union select c.cause from mlguard._incident c where c.id = p_id)
    and mlguard._severity_rank(p_severity) > mlguard._severity_rank(i.severity)
$mlguard$;

comment on function mlguard._make_severe(bigint, text) is
  'Private. Raises the severity of an incident, and of its cause, where it is lower.';


create function mlguard._attach(p_id bigint, p_cause bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._attach(bigint, bigint) is
  'Private. Makes an incident, and what it was the cause of, a consequence of another one.';


create function mlguard._open_upstream_holds(p_new bigint[])
returns bigint[]
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._open_upstream_holds(bigint[]) is
  'Private. Opens incidents for holds upstream that have none, so that what fails because of them has a cause.';


create function mlguard._group_incidents(p_new bigint[])
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._group_incidents(bigint[]) is
  'Private. Finds the causes of incidents that are new; returns how many are a consequence of another.';


create function mlguard._good_needed(p_incident mlguard._incident)
returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Batches and windows have to be good twice in a row, and once more for every time it came back.
  select case when p_incident.over in ('read', 'assertion', 'schema') then 1 else least(2 + p_incident.flaps, 7) end
$mlguard$;

comment on function mlguard._good_needed(mlguard._incident) is
  'Private. Good verdicts in a row after which an incident resolves itself.';


create function mlguard._corrected(p_incident mlguard._incident)
returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._corrected(mlguard._incident) is
  'Private. Whether the batches that failed were judged anew and hold now, or have no rows left.';


create function mlguard._healed(p_incident mlguard._incident)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._healed(mlguard._incident) is
  'Private. Why an incident is over, in words; null while it is not.';


create function mlguard._resolve_incident(p_id bigint, p_by text, p_reason text, p_auto boolean)
returns void
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  update mlguard._incident i
  set state = 'resolved', resolved_at = clock_timestamp(), resolved_by = p_by, resolved_reason = p_reason, auto = p_auto
  where i.id = p_id
$mlguard$;

comment on function mlguard._resolve_incident(bigint, text, text, boolean) is 'Private. Ends an incident.';


create function mlguard._heal_incidents(p_new bigint[])
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._heal_incidents(bigint[]) is
  'Private. Resolves incidents that are over; returns how many.';


create function mlguard._outlived()
returns bigint[]
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._outlived() is
  'Private. Lets incidents stand by themselves that go on after their cause is resolved; returns them.';


create function mlguard._end_snoozes(p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._end_snoozes(timestamptz) is 'Private. Ends snoozes that are over; returns how many.';


create function mlguard._mask_incidents()
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._mask_incidents() is
  'Private. Takes values of columns that are personal by now out of incidents and alerts; returns how many incidents.';


create function mlguard._judge_reads(p_as_of timestamptz)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._judge_reads(timestamptz) is
  'Private. Judges staleness() by the clock, where it changed; returns how many verdicts were written.';


create function mlguard._incident_key()
returns bigint
language sql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
  select hashtextextended('mlguard incidents', 0)
$mlguard$;

comment on function mlguard._incident_key() is 'Private. The advisory lock under which incidents are written.';


create function mlguard._sweep_incidents(p_as_of timestamptz default statement_timestamp())
returns table (what text, n bigint)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _new bigint[];
  _n bigint;
begin
  -- One at a time; whoever comes second finds the work done. Acts of people wait, sweeps do not.
  if not pg_try_advisory_xact_lock(mlguard._incident_key()) then
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
$mlguard$;

comment on function mlguard._sweep_incidents(timestamptz) is
  'Private. Makes incidents of what failed, finds causes, resolves what is over, ends snoozes, writes the outbox.';


-- What people do.

create function mlguard._acted_on(p_id bigint, p_act text)
returns mlguard._incident
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _incident mlguard._incident;
begin
  perform pg_advisory_xact_lock(mlguard._incident_key());
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
$mlguard$;

comment on function mlguard._acted_on(bigint, text) is
  'Private. The incident of a number, locked against sweeps; raises where there is none, or it is resolved.';


create function mlguard._alarm_of(p_incident mlguard._incident)
returns mlguard._incident
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- Volatile: it has to see what the sweep before it just wrote.
  -- To acknowledge a consequence is to acknowledge the alarm it belongs to.
  select i.*
  from mlguard._incident i
  where i.id = coalesce(
    (select c.id from mlguard._incident c where c.id = p_incident.cause and c.state <> 'resolved'), p_incident.id)
$mlguard$;

comment on function mlguard._alarm_of(mlguard._incident) is 'Private. The incident that alerts for another one, or itself.';


create function mlguard._need_reason(p_reason text, p_act text)
returns text
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_reason is null or p_reason !~ '\S' then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = format('mlguard: to %s an incident needs a reason', p_act),
      hint = 'It is what others read in the morning.';
  end if;
  return p_reason;
end
$mlguard$;

comment on function mlguard._need_reason(text, text) is 'Private. The reason; raises where there is none.';


create function mlguard.ack(p_id bigint, p_reason text default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.ack(bigint, text) is
  'Says that somebody works on an incident. Of a consequence the incident that alerts is acknowledged; its number is '
  'returned.';


create function mlguard.snooze(p_id bigint, p_until timestamptz, p_reason text)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.snooze(bigint, timestamptz, text) is
  'Keeps an incident quiet until a time; then it alerts again unless it is over. Gates stay as they are. Returns the '
  'number of the incident that alerts.';


create function mlguard.waive(p_id bigint, p_until timestamptz, p_reason text)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _incident mlguard._incident := mlguard._acted_on(p_id, 'waive');
  _until timestamptz := mlguard.waive(_incident.slo, p_until, p_reason);
begin
  if _incident.cause is null then
    perform mlguard.snooze(_incident.id, p_until, 'waived: ' || p_reason);
  end if;
  return _until;
end
$mlguard$;

comment on function mlguard.waive(bigint, timestamptz, text) is
  'Accepts violations of the SLO of an incident until a time and keeps the incident quiet; both arm again by themselves.';


create function mlguard._exclude(p_id bigint, p_excluded boolean)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._exclude(bigint, boolean) is
  'Private. Leaves the metrics of the batches and windows of an incident out of learned bands, or takes them in again.';


create function mlguard._label_incident(p_incident mlguard._incident, p_label text, p_reason text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._label_incident(mlguard._incident, text, text) is 'Private. Labels one incident.';


create function mlguard.label(p_id bigint, p_label text, p_reason text default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.label(bigint, text, text) is
  'Judges an alarm: true, false or expected. After true, learned bands leave its batches and windows out. Holds for '
  'what failed with it on the same table, too.';


create function mlguard.resolve(p_id bigint, p_reason text, p_label text default null)
returns bigint
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.resolve(bigint, text, text) is
  'Ends an incident, what failed with it on the same table, and the holds of both; optionally says whether it was a true '
  'or a false alarm.';


create function mlguard._precision(p_slo text)
returns table (judged bigint, true_alarms bigint, "precision" double precision)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select count(*), count(*) filter (where i.label <> 'false'),
         count(*) filter (where i.label <> 'false')::double precision / nullif(count(*), 0)
  from mlguard._incident i
  where i.slo = p_slo and i.label is not null
$mlguard$;

comment on function mlguard._precision(text) is
  'Private. Of the incidents of an SLO that a person judged, how many were real (true or expected), and their share.';


create function mlguard._incident_no(p_slo text)
returns bigint
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
  select coalesce(
    (select min(coalesce(i.cause, i.id)) from mlguard._incident i where i.slo = p_slo and i.state <> 'resolved'),
    (select e.number from mlguard._incident_event e where e.slo = p_slo order by e.id limit 1))
$mlguard$;

comment on function mlguard._incident_no(text) is
  'Private. The incident that alerts for an SLO now, as hints name it; null where there is none.';


-- As in 0005, with the incident in the hint.
create or replace function mlguard.guard_v1(p_tbl text)
returns boolean
language plpgsql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;


create function mlguard._incident_history(p_id bigint)
returns table (
  verdict bigint, at timestamptz, outcome text, scope text, observed text, allowed text, n bigint, current boolean)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._incident_history(bigint) is
  'Private. The last 20 verdicts of an incident''s SLO and segment while it was open, newest first.';


-- Delivery.

create function mlguard.claim_outbox(p_n integer default 10, p_lease interval default '5 minutes')
returns table (
  id bigint, at timestamptz, incident bigint, alarm bigint, event text, severity text, recipients text[],
  subject text, body text, payload jsonb, attempts integer)
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.claim_outbox(integer, interval) is
  'Takes lines of the outbox to deliver, the oldest of each alarm; others may not take them before the lease is over. '
  'Then call delivered() or failed().';


create function mlguard.delivered(p_id bigint)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  update mlguard._outbox o set delivered_at = coalesce(o.delivered_at, clock_timestamp()), last_error = null
  where o.id = p_id;
  if not found then
    raise exception using
      errcode = 'undefined_object', message = format('mlguard: there is no line %s in the outbox', p_id);
  end if;
end
$mlguard$;

comment on function mlguard.delivered(bigint) is 'Says that a line of the outbox was delivered.';


create function mlguard.failed(p_id bigint, p_error text)
returns timestamptz
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.failed(bigint, text) is
  'Says that delivering a line failed; returns when it is tried again: after 30 s, doubling to an hour.';


create view mlguard.incident as
select i.id, i.state, i.severity, i.slo, i.tbl, i.column_name, mlguard._masked(i.segment, t.pii) as segment,
       i.headline, i.observed, i.allowed, i.n, i.over, i.batch, i.window_start, i.window_end,
       i.opened_at, i.last_at, i.times, i.flaps, i.cause,
       (select count(*) from mlguard._incident c where c.cause = i.id and c.state <> 'resolved') as others,
       coalesce(nullif(s.owner, ''), t.owner) as owner, coalesce(t.consumers, '{}') as consumers, s.runbook,
       i.first_verdict, i.last_verdict, i.acked_at, i.acked_by, i.acked_reason,
       i.snoozed_at, i.snoozed_by, i.snoozed_until, i.snoozed_reason,
       i.resolved_at, i.resolved_by, i.resolved_reason, i.auto, i.label, i.labelled_by, i.label_reason, i.also,
       true as swept
from mlguard._incident i
left join mlguard._slo s on s.id = i.slo
left join mlguard._table t on t.tbl = i.tbl
union all
select e.number, 'open', case v.outcome when 'ERROR' then 'page' else s.severity end, e.slo, v.tbl, s.column_name,
       mlguard._masked(e.segment, t.pii), e.headline, e.observed, v.allowed, v.n, v.over, v.batch, v.window_start,
       v.window_end, e.at, e.last_at, e.times, 0, null, 0, coalesce(nullif(s.owner, ''), t.owner), t.consumers, s.runbook,
       e.verdict, e.last_verdict, null, null, null, null, null, null, null, null, null, null, false, null, null, null,
       '{}', false
from (
  select distinct on (q.slo, q.segment)
         q.*, max(q.at) over same as last_at, count(*) over same as times, max(q.verdict) over same as last_verdict
  from mlguard._incident_event q
  window same as (partition by q.slo, q.segment)
  order by q.slo, q.segment, q.id
) e
join mlguard._verdict v on v.id = e.verdict
join mlguard._slo s on s.id = e.slo
join mlguard._table t on t.tbl = s.tbl
where not exists (
  select
  from mlguard._incident i
  where i.slo = e.slo and md5(i.segment::text) = md5(e.segment::text) and i.state <> 'resolved');

comment on view mlguard.incident is
  'Incidents: an SLO and segment from the first failure to resolution. Those without a cause alert.';
comment on column mlguard.incident.id is 'Number; ack(), snooze(), resolve() and label() take it.';
comment on column mlguard.incident.state is 'open, acknowledged, snoozed or resolved.';
comment on column mlguard.incident.severity is 'low, normal or page.';
comment on column mlguard.incident.slo is 'Id of the SLO.';
comment on column mlguard.incident.tbl is 'The table.';
comment on column mlguard.incident.column_name is 'The one column it is about, where there is one.';
comment on column mlguard.incident.segment is 'The segment; {}: all rows.';
comment on column mlguard.incident.headline is 'Column, number, limit, batch or window in one line.';
comment on column mlguard.incident.observed is 'What was found last, in words.';
comment on column mlguard.incident.allowed is 'What is allowed, in words.';
comment on column mlguard.incident.n is 'Rows judged last.';
comment on column mlguard.incident.over is 'batch, a calendar length, last …, read, assertion or schema.';
comment on column mlguard.incident.batch is 'The batch that failed last.';
comment on column mlguard.incident.window_start is 'Start of the window that failed last.';
comment on column mlguard.incident.window_end is 'End of the window that failed last.';
comment on column mlguard.incident.opened_at is 'When it was first judged a failure.';
comment on column mlguard.incident.last_at is 'When it was last judged a failure.';
comment on column mlguard.incident.times is 'How often it was judged a failure.';
comment on column mlguard.incident.flaps is 'How often it came back soon after it had resolved itself.';
comment on column mlguard.incident.cause is 'The incident it is a consequence of; it does not alert by itself then.';
comment on column mlguard.incident.others is 'Open incidents it is the cause of.';
comment on column mlguard.incident.owner is 'Who answers for the SLO, or else for the table.';
comment on column mlguard.incident.consumers is 'Tasks that read the table.';
comment on column mlguard.incident.runbook is 'Where it is written what to do.';
comment on column mlguard.incident.first_verdict is 'The verdict that opened it; mlguard explain takes it.';
comment on column mlguard.incident.last_verdict is 'The last verdict that failed.';
comment on column mlguard.incident.acked_at is 'When somebody took it on.';
comment on column mlguard.incident.acked_by is 'Who.';
comment on column mlguard.incident.acked_reason is 'What they said.';
comment on column mlguard.incident.snoozed_at is 'When it was snoozed last.';
comment on column mlguard.incident.snoozed_by is 'By whom.';
comment on column mlguard.incident.snoozed_until is 'Until when.';
comment on column mlguard.incident.snoozed_reason is 'Why.';
comment on column mlguard.incident.resolved_at is 'When it was resolved.';
comment on column mlguard.incident.resolved_by is 'By whom; mlguard: by itself.';
comment on column mlguard.incident.resolved_reason is 'Why.';
comment on column mlguard.incident.auto is 'Resolved by itself.';
comment on column mlguard.incident.label is 'true, false or expected, as a person judged it; null: nobody has.';
comment on column mlguard.incident.labelled_by is 'Who judged it.';
comment on column mlguard.incident.label_reason is 'What they said.';
comment on column mlguard.incident.also is 'Other numbers that messages gave it.';
comment on column mlguard.incident.swept is
  'False: found by a writer since the last sweep; its cause is not known and nobody was told yet.';


create view mlguard.outbox as
select o.id, o.at, o.incident, o.alarm, o.event, o.severity, o.recipients, o.subject, o.body, o.payload,
       o.delivered_at, o.attempts, o.last_error, o.next_try
from mlguard._outbox o;

comment on view mlguard.outbox is
  'Alerts: one line per change of state of an incident that alerts. claim_outbox() takes lines for delivery.';
comment on column mlguard.outbox.id is 'Number; delivered() and failed() take it.';
comment on column mlguard.outbox.at is 'When it changed.';
comment on column mlguard.outbox.incident is 'The incident.';
comment on column mlguard.outbox.alarm is 'The same for all lines of one alarm: a deduplication key.';
comment on column mlguard.outbox.event is 'opened, escalated, acknowledged, snoozed, resolved or reopened.';
comment on column mlguard.outbox.severity is 'low, normal or page.';
comment on column mlguard.outbox.recipients is 'Owners and consumers it is for.';
comment on column mlguard.outbox.subject is 'In one line.';
comment on column mlguard.outbox.body is 'In several lines.';
comment on column mlguard.outbox.payload is 'The same for programs.';
comment on column mlguard.outbox.delivered_at is 'When it was delivered.';
comment on column mlguard.outbox.attempts is 'How often delivery was begun.';
comment on column mlguard.outbox.last_error is 'What went wrong last.';
comment on column mlguard.outbox.next_try is 'Not claimed again before then.';


create function mlguard._grant_incidents(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
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
      mlguard.claim_outbox(integer, interval), mlguard.delivered(bigint), mlguard.failed(bigint, text)
      to mlguard_platform;
  end if;
end
$mlguard$;

comment on function mlguard._grant_incidents(text) is
  'Private. Gives one of the three roles its rights on incidents: all see them, tasks acknowledge, the platform does the '
  'rest.';


revoke all on function
  mlguard._acted_on, mlguard._alarm_of, mlguard._attach, mlguard._corrected, mlguard._end_snoozes, mlguard._exclude,
  mlguard._fold_failures, mlguard._good_needed, mlguard._grant_incidents, mlguard._group_incidents,
  mlguard._headline, mlguard._heal_incidents, mlguard._healed, mlguard._incident_history, mlguard._incident_key,
  mlguard._incident_no, mlguard._incident_of, mlguard._incident_words, mlguard._judge_reads,
  mlguard._label_incident, mlguard._make_severe, mlguard._mask_incidents, mlguard._need_reason, mlguard._observed_words,
  mlguard._open_upstream_holds, mlguard._outlived, mlguard._precedence, mlguard._precision, mlguard._readers_words,
  mlguard._recipients, mlguard._resolve_incident, mlguard._say, mlguard._scope_range, mlguard._scope_words,
  mlguard._severity_rank, mlguard._sweep_incidents, mlguard._tell_incidents, mlguard._together, mlguard._upstream,
  mlguard.ack, mlguard.claim_outbox, mlguard.delivered, mlguard.failed, mlguard.label, mlguard.resolve,
  mlguard.snooze, mlguard.waive(bigint, timestamptz, text)
  from public;
