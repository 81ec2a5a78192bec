-- What one transaction wrote to one table, judged once at COMMIT; lines about rows that landed.
-- Functions that writers run read by index only (enable_seqscan = off): a plan cached while a table was empty must not
-- scan it when it is large, and under SERIALIZABLE a scan would conflict with every other writer.

create function mlguard.batch_v1(p_tbl text)
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

comment on function mlguard.batch_v1(text) is 'The batch of this transaction on a table, opened when there is none.';


create function mlguard._count_batch(p_id bigint)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  update mlguard._batch
  set closed_at = clock_timestamp(),
      landed = (select sum(d.landed) from mlguard._delta d where d.batch = p_id),
      withheld = (select count(*) from mlguard._quarantine q where q.batch = p_id)
  where id = p_id
$mlguard$;

comment on function mlguard._count_batch(bigint) is 'Private. Writes the totals of a batch that is done.';


create function mlguard._close_batch()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._close_batch() is
  'Private. Closes a batch at COMMIT, once, however many statements it had.';

create constraint trigger close_batch
  after insert on mlguard._batch
  deferrable initially deferred
  for each row
  execute function mlguard._close_batch();

alter table mlguard._batch enable always trigger close_batch;


create function mlguard.landed_v1(p_tbl text, p_rows bigint, p_broken jsonb)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
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
$mlguard$;

comment on function mlguard.landed_v1(text, bigint, jsonb) is
  'Appends what one statement landed: rows, and {SLO id: rows} of those that break a rule with max_bad.';


create function mlguard._bad_rows(p_batch bigint)
returns table (slo text, bad bigint)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._bad_rows(bigint) is
  'Private. Bad rows of a batch by SLO, whether they landed, were kept out or were mended.';


create function mlguard._judge_batch()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
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
$mlguard$;

comment on function mlguard._judge_batch() is 'Private. Judges max_bad at COMMIT, over all rows of the batch.';

create constraint trigger judge_batch
  after insert on mlguard._delta
  deferrable initially deferred
  for each row
  when (new.first)
  execute function mlguard._judge_batch();

alter table mlguard._delta enable always trigger judge_batch;


create function mlguard.note_v1(
  p_slo text, p_outcome text, p_observed jsonb, p_key jsonb, p_n bigint, p_bad bigint, p_reason text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._violation (slo, tbl, batch, observed, allowed, n, bad, key, outcome, reason)
  select p_slo, split_part(p_slo, '/', 1), mlguard.batch_v1(split_part(p_slo, '/', 1)), p_observed,
         (select s.allowed from mlguard._slo s where s.id = p_slo), p_n, p_bad, p_key, p_outcome, p_reason
$mlguard$;

comment on function mlguard.note_v1(text, text, jsonb, jsonb, bigint, bigint, text) is
  'Records a violation that was not refused, in the batch of this transaction.';


create function mlguard.waived_v1(p_slo text)
returns boolean
language sql
stable
parallel safe
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  select exists (
    select from mlguard._waiver w
    where w.slo = p_slo and w.ended_at is null and w.until > statement_timestamp())
$mlguard$;

comment on function mlguard.waived_v1(text) is 'Whether an SLO is off or waived now.';


create function mlguard.not_waived_v1(p_broken jsonb, p_key jsonb)
returns jsonb
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  -- A waived rule does not keep its row out; that the row broke it stays on record.
  select mlguard.note_v1(item ->> 'slo', 'NOTED', item -> 'observed', p_key, 1, 1, 'waived')
  from jsonb_array_elements(p_broken) item
  where mlguard.waived_v1(item ->> 'slo');

  select coalesce(jsonb_agg(item.value order by item.ordinality), '[]')
  from jsonb_array_elements(p_broken) with ordinality item
  where not mlguard.waived_v1(item.value ->> 'slo')
$mlguard$;

comment on function mlguard.not_waived_v1(jsonb, jsonb) is
  'Of the rules a row broke those that are not off or waived now; the others are noted.';


create function mlguard.repaired_v1(
  p_tbl text, p_key jsonb, p_row_hash text, p_column text, p_old jsonb, p_new jsonb, p_rule text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._change (tbl, key, column_name, old, new, rule, batch, row_hash)
  values (p_tbl, p_key, p_column, p_old, p_new, p_rule, mlguard.batch_v1(p_tbl), p_row_hash)
$mlguard$;

comment on function mlguard.repaired_v1(text, jsonb, text, text, jsonb, jsonb, text) is
  'Notes a mended value before its row lands; confirm_repairs_v1 makes it final.';


create function mlguard.confirm_repairs_v1(p_tbl text, p_row_hashes text[])
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
  update mlguard._change
  set pending = false
  where tbl = p_tbl
    and pending
    and row_hash = any (p_row_hashes)
    and batch = (
      select b.id
      from mlguard._batch b
      where b.xid = pg_current_xact_id_if_assigned() and b.tbl = p_tbl and b.opened_at = now())
$mlguard$;

comment on function mlguard.confirm_repairs_v1(text, text[]) is
  'Makes the change lines of rows that landed final; what stays pending is deleted at COMMIT.';
