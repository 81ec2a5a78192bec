drop function mlguard.refuse_v1(text, jsonb, jsonb);
drop function mlguard._count_refusal(integer);
drop function mlguard._raise(text, text, text, jsonb, text);
drop function mlguard._detail(text, jsonb, text, jsonb, jsonb);
drop function mlguard._hint(text, text, text, text);
drop function mlguard._words(jsonb, text[], text);
drop function mlguard._shown(jsonb);

-- The counters of every SLO that was ever in force.
do $mlguard$
declare
  _counter regclass;
begin
  for _counter in
    select c.oid
    from pg_catalog.pg_class c
    where c.relnamespace = 'mlguard'::pg_catalog.regnamespace
      and c.relkind = 'S'
      and c.relname operator(pg_catalog.~) '^refused_(at_)?[0-9]+$'
  loop
    execute pg_catalog.format('drop sequence %s', _counter);
  end loop;
end
$mlguard$;

drop function mlguard.forget_refusals_v1(integer);
drop function mlguard.count_refusals_v1(integer);
