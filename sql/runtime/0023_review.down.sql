drop function mlguard._grant_review(text);
drop function mlguard.review_override(bigint, jsonb, text);
drop function mlguard.review_reject(bigint, text);
drop function mlguard.review_accept(bigint, text);
drop function mlguard._review_closed(bigint, mlguard._review);
drop function mlguard._review_decide(mlguard._review, text, text, jsonb);
drop function mlguard._review_row(bigint, text);
drop function mlguard.acting_v1(text);
drop table mlguard._acting;
drop function mlguard.unrouted_v1(text, text[]);
drop function mlguard.route_v1(text, text, jsonb, text, text, text[], bigint, text);
drop view mlguard.review;
drop table mlguard._review;
drop function mlguard.unsealed_v1(text);
drop function mlguard.sealed_v1(jsonb);
drop table mlguard._seal;
drop function mlguard.copying_v1(regclass);
drop function mlguard.post_moved_v1(text, bigint, integer, text[], text);
drop function mlguard.post_lines_v1(text, text, jsonb, text, jsonb, boolean, text);
drop view mlguard.post_set;
drop view mlguard.change;

create view mlguard.change as
select c.id, c.tbl, mlguard._masked(c.key, t.pii) as key, c.column_name,
       case when c.column_name <> all (t.pii) then c.old else to_jsonb('not shown (pii)'::text) end as old,
       case when c.column_name <> all (t.pii) then c.new else to_jsonb('not shown (pii)'::text) end as new,
       c.rule, c.at, c.batch
from mlguard._change c
left join mlguard._table t on t.tbl = c.tbl
where not c.pending;

comment on view mlguard.change is 'Values mended before they landed.';

drop index mlguard._change_batch;
create index _change_batch on mlguard._change (batch);
alter table mlguard._change drop column step_set;
drop function mlguard.post_set_ended_v1(text, text);
drop function mlguard.post_set_v1(text, text, jsonb);
drop table mlguard._post_set;

revoke all on mlguard.change from public;

select mlguard.grant_roles();
