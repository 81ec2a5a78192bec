-- Takes retention back. Events that were pruned stay pruned: to the version before, a chain that was cut has a gap.

create or replace function mlguard._grant_review(p_role text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  execute format('grant select on mlguard.review, mlguard.post_set to %I', p_role);
  execute format(
    'grant execute on function mlguard.review_accept(bigint, text), mlguard.review_reject(bigint, text), '
    'mlguard.review_override(bigint, jsonb, text) to %I', p_role);
end
$mlguard$;

comment on function mlguard._grant_review(text) is 'Private. Rights to decide about routed rows.';


create or replace function mlguard._sweep_audit()
returns table (what text, n bigint)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
  select 'events sealed', mlguard._seal_events()
$mlguard$;

comment on function mlguard._sweep_audit() is 'Private. The part of sweep() that seals events.';


create or replace function mlguard.verify_audit(p_no bigint default null, p_hash text default null)
returns table (fault text, seal bigint, event bigint, words text)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
declare
  _last bigint := (select max(s.no) from mlguard._event_seal s);
begin
  return query
  with walked as (
    select s.no, s.event, s.prev, s.hash, e.id as found,
           lag(s.no, 1, 0::bigint) over (order by s.no) as before,
           lag(s.hash, 1, decode(repeat('00', 32), 'hex')) over (order by s.no) as expected,
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
  )
  select f.* from (
    select * from gap union all select * from broken union all select * from deleted union all select * from changed
  ) f (fault, seal, event, words)
  order by f.seal nulls last, f.event;

  if p_no is not null and not exists (select from mlguard._event_seal s where s.no = p_no) and p_no > 0 then
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
$mlguard$;

comment on function mlguard.verify_audit(bigint, text) is
  'What is wrong with the chain of events, one row a fault, none where it is whole: edited, deleted, reordered, gap, '
  'broken, unsealed for over an hour; against an exported head (number and hash) also cut and rewritten.';


drop trigger refuse_deletion on mlguard._event;
drop trigger refuse_rewriting on mlguard._event;
create trigger refuse_rewriting
  before update or delete or truncate on mlguard._event
  for each statement
  execute function mlguard._refuse_rewriting();
alter table mlguard._event enable always trigger refuse_rewriting;

drop trigger refuse_deletion on mlguard._event_seal;
drop trigger refuse_rewriting on mlguard._event_seal;
create trigger refuse_rewriting
  before update or delete or truncate on mlguard._event_seal
  for each statement
  execute function mlguard._refuse_rewriting();
alter table mlguard._event_seal enable always trigger refuse_rewriting;

drop function mlguard._refuse_unsealed_deletion();
drop function mlguard._prune_events(timestamptz, integer);
drop function mlguard._prune_records(timestamptz, integer);
drop function mlguard._prune_judgements(timestamptz, integer);
drop function mlguard._oldest_kept(text, timestamptz, bigint);
drop view mlguard.own_size;
drop view mlguard.retention;
drop function mlguard.set_retention(text, interval, bigint);
drop table mlguard._event_checkpoint;
drop table mlguard._retention;
