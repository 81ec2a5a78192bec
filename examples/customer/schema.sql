-- The customer feature table. Can be run again.

create schema if not exists features;

create table if not exists features.customer (
  customer_id        bigint,
  event_ts           timestamptz,
  age                integer,
  plan               text,
  tenure_days        double precision,
  secs_since_refresh bigint,
  engagement         double precision,
  source             text,
  payload            jsonb,
  cancelled_service  boolean,
  new_customer       boolean,
  email_domain       text
);
comment on table features.customer is 'One row per customer: what the churn and lifetime-value models read.';
