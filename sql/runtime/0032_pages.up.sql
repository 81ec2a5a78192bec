-- Quiet hours: who delivers alerts may take those of pages alone, and leave all others unclaimed.

create function mlguard.claim_pages(p_n integer default 10, p_lease interval default '5 minutes')
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
$mlguard$;

comment on function mlguard.claim_pages(integer, interval) is
  'Takes lines of the outbox as claim_outbox() does, but only of alarms of which a page waits: for quiet hours.';


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
      mlguard.claim_outbox(integer, interval), mlguard.claim_pages(integer, interval), mlguard.delivered(bigint),
      mlguard.failed(bigint, text)
      to mlguard_platform;
  end if;
end
$mlguard$;


revoke all on function mlguard.claim_pages(integer, interval) from public;

select mlguard.grant_roles();
