-- Post-prediction steps over the rows of a request: which requests a transaction touched, judged once at COMMIT.

create table mlguard._request (
  id bigint generated always as identity,
  tbl text not null,
  xid xid8 not null default pg_catalog.pg_current_xact_id(),
  judge text not null,
  keys jsonb
);

create unique index _request_due on mlguard._request (tbl, xid) where keys is null;
create index _request_keys on mlguard._request (tbl, xid) where keys is not null;

comment on table mlguard._request is
  'Private. Requests whose rows this transaction wrote, and the mark by which COMMIT judges them. Empty between transactions.';
comment on column mlguard._request.id is 'Number.';
comment on column mlguard._request.tbl is 'The prediction table.';
comment on column mlguard._request.xid is 'The transaction.';
comment on column mlguard._request.judge is 'The generated function that runs the steps, as it is called.';
comment on column mlguard._request.keys is
  'Requests of one statement, some hundred at most: [[value of each column], …]; null: the mark.';


create function mlguard.request_due_v1(p_tbl text, p_judge text)
returns void
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
  insert into mlguard._request (tbl, judge) values (p_tbl, p_judge) on conflict (tbl, xid) where keys is null do nothing
$mlguard$;

comment on function mlguard.request_due_v1(text, text) is
  'Has COMMIT judge the requests that this transaction touches, once. Called before a statement, so that they are judged '
  'before the batch is closed and judged, and after it, since SET CONSTRAINTS … IMMEDIATE judges at once.';


create function mlguard.request_acting_v1(p_tbl text, p_acting boolean)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  if p_acting then
    insert into mlguard._acting (tbl) values (p_tbl) on conflict do nothing;
    perform set_config('mlguard.acting', 'on', true);
  else
    perform set_config('mlguard.acting', '', true);
    delete from mlguard._acting a where a.tbl = p_tbl and a.xid = pg_current_xact_id();
  end if;
end
$mlguard$;

comment on function mlguard.request_acting_v1(text, boolean) is
  'While true, what is written to a table is what COMMIT made of a request: steps leave such a row as it is.';


create function mlguard.request_refused_v1(p_step text, p_meant bigint, p_done bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $mlguard$
begin
  raise exception using
    errcode = 'check_violation',
    message = format('mlguard: %s: %s of %s rows could not be given their new value; COMMIT refused, nothing was stored',
                     p_step, p_meant - p_done, p_meant),
    hint = 'A rule or a trigger of the table keeps the new value out, or another transaction wrote the same request at '
           'the same time: then send it again.';
end
$mlguard$;

comment on function mlguard.request_refused_v1(text, bigint, bigint) is
  'Refuses a COMMIT in which some rows of a request would stay as they were.';


create function mlguard._judge_request()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $mlguard$
begin
  -- The mark goes first: the next statement then leaves another, also under SET CONSTRAINTS … IMMEDIATE.
  delete from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is null;
  if exists (select from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is not null) then
    execute format('select %s', new.judge);
    delete from mlguard._request r where r.tbl = new.tbl and r.xid = new.xid and r.keys is not null;
  end if;
  return null;
end
$mlguard$;

comment on function mlguard._judge_request() is 'Private. Runs the steps over the requests that a transaction touched.';

create constraint trigger judge_request
  after insert on mlguard._request
  deferrable initially deferred
  for each row
  when (new.keys is null)
  execute function mlguard._judge_request();

alter table mlguard._request enable always trigger judge_request;

revoke all on mlguard._request from public;

revoke all on function
  mlguard.request_due_v1(text, text), mlguard.request_acting_v1(text, boolean),
  mlguard.request_refused_v1(text, bigint, bigint), mlguard._judge_request()
  from public;
