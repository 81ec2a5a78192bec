-- For psql, after `mlguard apply`: one load that mlguard sorts, then writes that it refuses. psql goes on after an error.

-- 200 customers. One has an age of -4 and is kept out; engagement above 1 is clamped.
insert into features.customer
select
  number, now() - number * interval '1 minute', case when number = 17 then -4 else 20 + number % 60 end,
  (array['free', 'pro', 'enterprise'])[1 + number % 3], number % 900, 3600, 0.5 + number / 250.0, 'billing', '{}',
  false, number % 10 = 0, 'example.com'
from generate_series(1, 200) number;

-- Refused: no such plan, and half of the features missing in more than 1 % of the rows.
insert into features.customer (customer_id, event_ts, age, plan, tenure_days) values (1001, now(), 40, 'gold', 10);
insert into features.customer (customer_id, event_ts, age)
select number, now(), 40 from generate_series(1001, 1100) number;

-- What happened, in the database's own tables.
select * from mlguard.quarantine;
select slo, refused, last_at from mlguard.rejection where refused > 0;
select * from mlguard.gate;
select count(*) from features.customer_guarded;
