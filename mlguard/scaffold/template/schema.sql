-- The table of slos/example.slo.yaml; yours come from your own migrations.
create schema if not exists features;

create table if not exists features.customer (
  customer_id bigint,
  event_ts    timestamptz,
  age         integer,
  plan        text,
  tenure_days double precision,
  churn_score double precision
);
