create or replace function mlguard._judge_batch()
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


drop function mlguard._correct_held(bigint, text);
drop function mlguard._emptied(bigint, text);
drop function mlguard._judge_metrics(bigint, text);
drop function mlguard._pooled(jsonb[], jsonb[], text[], jsonb[], integer);
drop function mlguard._batch_states(bigint);
drop function mlguard._own_removals(bigint);
drop function mlguard._judge(mlguard._slo, jsonb, jsonb, text);
drop function mlguard._end_holds(text, text);
drop function mlguard._conclude(bigint, text);
drop function mlguard._refuse_batch(mlguard._verdict[]);
drop function mlguard._in_window(timestamptz, timestamptz, text);
drop function mlguard._hold_by(mlguard._verdict, mlguard._slo);
drop function mlguard._keep(mlguard._verdict[], boolean);
drop function mlguard._keep_metrics(mlguard._verdict[], boolean);
drop function mlguard._find(mlguard._slo, jsonb, jsonb);
drop function mlguard._could_not(mlguard._slo, jsonb, text);
drop function mlguard._verdict_of(mlguard._slo, jsonb);
drop function mlguard._evidence(jsonb, text[]);
drop function mlguard._error_class(text);
drop function mlguard.trailing_v1(jsonb, text, interval);
drop function mlguard._scope(text, text, bigint, timestamptz, timestamptz, jsonb);
drop function mlguard._finding(text[], double precision[], text, text);
drop function mlguard._for_segment(jsonb, text[]);
drop function mlguard._figure(double precision, text);

drop index mlguard._hold_slo;

alter table mlguard._hold
  drop column window_start,
  drop column window_end,
  drop column segment,
  drop column verdict,
  drop column resolved;
