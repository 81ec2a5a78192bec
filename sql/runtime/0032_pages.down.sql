drop function mlguard.claim_pages(integer, interval);

create or replace function mlguard._grant_incidents(p_role text)
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
