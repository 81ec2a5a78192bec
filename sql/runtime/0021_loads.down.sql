drop function mlguard.publish(regclass, regclass, boolean);
drop function mlguard._same_columns(regclass, regclass);
drop function mlguard._written(oid);

drop view mlguard.batch;

create view mlguard.batch as
select b.id, b.tbl, b.opened_at, b.closed_at,
       case when b.closed_at is not null then b.landed
            else (select sum(d.landed)::bigint from mlguard._delta d where d.batch = b.id) end as landed,
       case when b.closed_at is not null then b.withheld
            else (select count(*) from mlguard._quarantine q where q.batch = b.id) end as withheld,
       b.writer
from mlguard._batch b;

comment on view mlguard.batch is 'What one transaction wrote to one table, where a rule needed to know it.';

revoke all on mlguard.batch from public;

select mlguard.grant_roles();


create or replace function mlguard._sweep_holds(p_as_of timestamptz)
returns table (what text, n bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _n bigint;
begin
  update mlguard._hold h
  set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'the SLO is no longer in force'
  where h.ended_at is null and h.verdict is not null
    and not exists (select from mlguard._slo s where s.id = h.slo);
  get diagnostics _n = row_count;
  return query values ('holds without an SLO ended', _n);
end
$mlguard$;

comment on function mlguard._sweep_holds(timestamptz) is
  'Private. The part of sweep() that ends holds whose SLO was taken out of its file: nothing would judge it good again.';

drop function mlguard._sweep_loads(timestamptz);
drop trigger judge_loads on mlguard._delta;


create or replace function mlguard._correct_held(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
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
  -- Two corrections of one batch come one after the other, or neither would see what the other did.
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

  -- What was taken away belongs to the newest held batch that wrote into the same bucket; what replaces it goes along.
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
  where s.batch = p_batch and s.corrects is null and (s.sign < 0 or s.op = 'UPDATE');

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
$mlguard$;


create or replace function mlguard._judge_metrics(p_batch bigint, p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
declare
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
    select s.* from mlguard._slo s where s.tbl = p_tbl and s.level = 'batch' and s.verdict is not null order by s.no
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
$mlguard$;


drop function mlguard.end_batch(bigint);
drop function mlguard.end_batch(text);
drop function mlguard._asker();
drop function mlguard._judge_loads();
drop function mlguard._judge_load(text, text, bigint, boolean, boolean);
drop function mlguard._open_load(text, text, bigint, boolean, boolean);
drop function mlguard._find_in_load(mlguard._batch, mlguard._slo, jsonb[], jsonb[], text);
drop function mlguard._waits(mlguard._slo);
drop function mlguard._lock_loads(bigint, text);
drop function mlguard._loads_of(bigint);
drop function mlguard._merge_load(text, text, integer);
drop function mlguard._sort_removals(bigint, text);
drop function mlguard._load_rows(text, text, timestamptz, bigint, bigint);
drop function mlguard._load_states(text, text);
drop function mlguard._emptied_at(text);
drop function mlguard.begin_batch(bigint, boolean);
drop function mlguard.begin_batch(text, boolean);
drop trigger keep_load on mlguard._state;
drop function mlguard._keep_load();
drop table mlguard._load_due;
drop table mlguard._load_state;

drop index mlguard._state_emptied;

alter table mlguard._state
  drop column load,
  drop column load_kept;

-- Without them there is nothing that could judge a load again, nor end its hold.
update mlguard._hold h
set ended_at = clock_timestamp(), ended_by = 'mlguard', reason = 'loads are not judged in this version'
from mlguard._batch b
where b.id = h.batch and b.name is not null and h.ended_at is null;
delete from mlguard._batch where name is not null;

alter table mlguard._batch
  alter column xid set not null,
  drop column name,
  drop column part_of,
  drop column begun,
  drop column ended_at,
  drop column retired;

comment on column mlguard._batch.xid is 'The transaction.';

alter table mlguard._table drop column batch_column;
