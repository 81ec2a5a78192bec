drop view mlguard.outbox;
drop view mlguard.incident;
drop function mlguard._grant_incidents(text);
drop function mlguard.failed(bigint, text);
drop function mlguard.delivered(bigint);
drop function mlguard.claim_outbox(integer, interval);
drop function mlguard._incident_history(bigint);
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
$mlguard$;

drop function mlguard._incident_no(text);
drop function mlguard._precision(text);
drop function mlguard.resolve(bigint, text, text);
drop function mlguard.label(bigint, text, text);
drop function mlguard._label_incident(mlguard._incident, text, text);
drop function mlguard._exclude(bigint, boolean);
drop function mlguard.waive(bigint, timestamptz, text);
drop function mlguard.snooze(bigint, timestamptz, text);
drop function mlguard.ack(bigint, text);
drop function mlguard._need_reason(text, text);
drop function mlguard._alarm_of(mlguard._incident);
drop function mlguard._acted_on(bigint, text);
drop function mlguard._sweep_incidents(timestamptz);
drop function mlguard._incident_key();
drop function mlguard._judge_reads(timestamptz);
drop function mlguard._mask_incidents();
drop function mlguard._end_snoozes(timestamptz);
drop function mlguard._outlived();
drop function mlguard._heal_incidents(bigint[]);
drop function mlguard._resolve_incident(bigint, text, text, boolean);
drop function mlguard._healed(mlguard._incident);
drop function mlguard._corrected(mlguard._incident);
drop function mlguard._good_needed(mlguard._incident);
drop function mlguard._group_incidents(bigint[]);
drop function mlguard._open_upstream_holds(bigint[]);
drop function mlguard._attach(bigint, bigint);
drop function mlguard._make_severe(bigint, text);
drop function mlguard._fold_failures();
drop function mlguard._tell_incidents();
drop function mlguard._say(bigint, text, bigint, text[]);
drop function mlguard._incident_words(bigint);
drop function mlguard._readers_words(text);
drop function mlguard._recipients(bigint);
drop function mlguard._upstream(text);
drop function mlguard._together(mlguard._incident, mlguard._incident);
drop function mlguard._precedence(mlguard._verdict, mlguard._slo, mlguard._table);
drop function mlguard._incident_of(bigint);
drop function mlguard._scope_range(mlguard._verdict, mlguard._table);
drop function mlguard._headline(mlguard._verdict, mlguard._slo, mlguard._table);
drop function mlguard._observed_words(mlguard._verdict, mlguard._slo, mlguard._table);
drop function mlguard._scope_words(text, bigint, timestamptz, timestamptz, text);
drop function mlguard._severity_rank(text);
drop table mlguard._outbox;
drop table mlguard._incident_event;
drop table mlguard._incident;
drop sequence mlguard.incident_id;
