-- Assertions: a SELECT over any tables whose rows are violations, judged at COMMIT of every transaction that wrote one of
-- them. What a transaction cannot see decides how: two that overlap could each leave the other's half of a violation.
-- So whoever judges an assertion first updates the assertion's own row. At READ COMMITTED the second waits there, and
-- its SELECT, begun afterwards, sees what the first committed; at REPEATABLE READ and SERIALIZABLE it fails with 40001,
-- because its snapshot is older (an advisory lock would let it go on and miss the first one's rows).
-- Types are qualified too where a writer's transaction runs them: PostgreSQL looks for types in pg_temp before pg_catalog
-- even where search_path is empty, so that a temporary domain of his called text could cut what is compared.

create table mlguard._assertion (
  slo text primary key references mlguard._slo on update cascade on delete cascade,
  no integer not null unique generated always as identity,
  tables text[] not null,
  relation text not null,
  judge text not null,
  hidden boolean not null default false,
  version text not null
);

comment on table mlguard._assertion is 'Private. One row per assertion in force.';
comment on column mlguard._assertion.slo is 'Id of the SLO.';
comment on column mlguard._assertion.no is 'Locks are taken in its order, so that two transactions cannot wait for each other.';
comment on column mlguard._assertion.tables is 'The tables it reads: schema.table, exact names, unquoted.';
comment on column mlguard._assertion.relation is 'The view of mlguard that holds the SELECT.';
comment on column mlguard._assertion.judge is 'The generated function that counts its rows, quoted.';
comment on column mlguard._assertion.hidden is 'A table it reads has pii columns: no value of its rows is shown.';
comment on column mlguard._assertion.version is 'Hash of the SELECT and of its keys: keys noted for another are of no use.';


-- Filled to a tenth, so that an update finds room beside the row and leaves its index alone.
create table mlguard._assertion_lock (
  slo text primary key references mlguard._assertion on update cascade on delete cascade,
  xid xid8,
  outcome text,
  verdict bigint
) with (fillfactor = 10);

comment on table mlguard._assertion_lock is
  'Private. One row per assertion, updated by every transaction that has it judged: the lock that puts them in a row.';
comment on column mlguard._assertion_lock.slo is 'Id of the SLO.';
comment on column mlguard._assertion_lock.xid is 'The transaction that holds it, or held it last.';
comment on column mlguard._assertion_lock.outcome is
  'What the last recorded judgement of the whole SELECT found; PASS: a judgement of the touched keys suffices.';
comment on column mlguard._assertion_lock.verdict is 'That judgement, in mlguard._verdict.';


-- Unlogged, because no row outlives its transaction: COMMIT and PREPARE TRANSACTION judge first, and delete it.
create unlogged table mlguard._assertion_due (
  id bigint primary key generated always as identity,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  slo text not null,
  version text not null,
  keys text[]
) with (fillfactor = 50);

comment on table mlguard._assertion_due is 'Private. Assertions that the running transactions must have judged at COMMIT.';
comment on column mlguard._assertion_due.id is 'Number.';
comment on column mlguard._assertion_due.xid is 'The transaction.';
comment on column mlguard._assertion_due.slo is 'Id of the SLO.';
comment on column mlguard._assertion_due.version is 'The assertion as it was when they were noted.';
comment on column mlguard._assertion_due.keys is 'Keys that were touched, as text; null: the whole SELECT is judged.';


create function mlguard.assertion_due_v1(p_slo text, p_version text, p_keys text[])
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.assertion_due_v1(text, text, text[]) is
  'Has an assertion judged at COMMIT of this transaction: for the keys that were touched, or (null) whole.';


create function mlguard._lock_assertion(p_slo text)
returns mlguard._assertion_lock
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._lock_assertion(text) is
  'Private. Takes the lock of an assertion until the end of the transaction; null where it is no longer in force.';


create function mlguard._assertion_key(p_row jsonb, p_tbl text)
returns jsonb
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select coalesce(jsonb_object_agg(e.key, e.value), '{}')
  from mlguard._table t, jsonb_each(p_row) e
  where t.tbl = p_tbl and e.key = any (t.key)
$mlguard$;

comment on function mlguard._assertion_key(jsonb, text) is
  'Private. Of a row that an assertion returned the columns that are named like key columns of the table.';


create function mlguard._assertion_words(p_n bigint, p_samples jsonb, p_tbl text)
returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- (name Joe; name Fred; and 2 more): the key columns of the table where the result has some, else what it has.
  select format('the assertion returns %s', case when p_n = 1 then '1 row' else p_n || ' rows' end)
         || coalesce(
              (select ' (' || string_agg(mlguard._words(shown.value, t.key, ' '), '; ' order by s.place)
                      || case when p_n > count(*) then format('; and %s more', p_n - count(*)) else '' end || ')'
               from jsonb_array_elements(p_samples) with ordinality s (value, place)
               cross join lateral (
                 select coalesce(nullif(mlguard._assertion_key(s.value, p_tbl), '{}'), s.value) as value) shown
               where s.place <= 3), '')
  from mlguard._table t
  where t.tbl = p_tbl
$mlguard$;

comment on function mlguard._assertion_words(bigint, jsonb, text) is 'Private. What an assertion returned, as messages say it.';


create function mlguard._record_assertion(
  p_slo text, p_lock mlguard._assertion_lock, p_outcome text, p_n bigint, p_samples jsonb, p_words text,
  p_reason text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._record_assertion(
  text, mlguard._assertion_lock, text, bigint, jsonb, text, text) is
  'Private. Writes the verdict of an assertion where it is another than the last, opens or ends its hold.';


create function mlguard._judge_assertion(p_slo text, p_version text, p_keys text[], p_refused text)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard._judge_assertion(text, text, text[], text) is
  'Private. Judges an assertion under its lock, for touched keys or (null) whole, and acts on what it finds. Called in '
  'an assignment: PostgreSQL prints the text of PERFORM as CONTEXT.';


create function mlguard._judge_assertion_due()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

-- No enable_seqscan = off here: it would hold for the SELECT too.
comment on function mlguard._judge_assertion_due() is
  'Private. Judges one assertion at COMMIT, on the final state, once however often the transaction wrote.';

create constraint trigger judge_due
  after insert on mlguard._assertion_due
  deferrable initially deferred
  for each row
  execute function mlguard._judge_assertion_due();

alter table mlguard._assertion_due enable always trigger judge_due;


create function mlguard.put_assertion_v1(
  p_slo text, p_tables text[], p_relation text, p_judge text, p_hidden boolean, p_version text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  insert into mlguard._assertion (slo, tables, relation, judge, hidden, version)
  values (p_slo, p_tables, p_relation, p_judge, p_hidden, p_version);
  insert into mlguard._assertion_lock (slo) values (p_slo);
end
$mlguard$;

comment on function mlguard.put_assertion_v1(text, text[], text, text, boolean, text) is 'Puts an assertion in force.';


create function mlguard.end_assertion_v1(p_slo text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  -- The lock first, which waits for whoever is judging; the objects are dropped after that.
  delete from mlguard._assertion_lock l where l.slo = p_slo;
  delete from mlguard._assertion a where a.slo = p_slo;
  update mlguard._verdict v set current = false where v.slo = p_slo and v.current;
  perform mlguard._end_holds(p_slo, 'the assertion was changed or taken out');
end
$mlguard$;

comment on function mlguard.end_assertion_v1(text) is 'Takes an assertion out of force, with its hold.';


create function mlguard.try_assertion_v1(p_slo text)
returns text
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _done boolean := mlguard._judge_assertion(p_slo, null, null, 'new writes are guarded, stored rows break it');
begin
  return (select l.outcome from mlguard._assertion_lock l where l.slo = p_slo);
end
$mlguard$;

comment on function mlguard.try_assertion_v1(text) is
  'Judges an assertion on the stored rows now, as a COMMIT would; returns what is on record of it then.';


revoke all on
  mlguard._assertion, mlguard._assertion_lock, mlguard._assertion_due
  from public;
revoke all on function
  mlguard.assertion_due_v1(text, text, text[]), mlguard._lock_assertion(text),
  mlguard._assertion_words(bigint, jsonb, text), mlguard._assertion_key(jsonb, text),
  mlguard._record_assertion(text, mlguard._assertion_lock, text, bigint, jsonb, text, text),
  mlguard._judge_assertion(text, text, text[], text), mlguard._judge_assertion_due(),
  mlguard.put_assertion_v1(text, text[], text, text, boolean, text), mlguard.end_assertion_v1(text),
  mlguard.try_assertion_v1(text)
  from public;
