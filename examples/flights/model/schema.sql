-- What the arrival-delay model reads, writes and is measured by. Can be run again.

create schema if not exists features;
create schema if not exists predictions;
create schema if not exists labels;

create table if not exists features.departure (
  flight_date     date,
  carrier         text,
  flight          text,
  origin          text,
  sched_dep       timestamptz,
  hour            integer,
  origin_delay_1h double precision,
  distance        integer,
  primary key (flight_date, carrier, flight, origin)
);
comment on table features.departure is 'What is known of a flight at its scheduled departure: all that the model reads.';
comment on column features.departure.hour is 'Scheduled hour in New York.';
comment on column features.departure.origin_delay_1h is
  'Mean delay, in minutes, of flights that left the same airport in the hour before; null where none did.';
comment on column features.departure.distance is 'Miles.';

create table if not exists predictions.arrival_delay (
  flight_date   date,
  carrier       text,
  flight        text,
  origin        text,
  sched_dep     timestamptz,
  predicted     double precision,
  raw_predicted double precision,
  model_version text,
  written_in    xid8 default pg_current_xact_id(),
  primary key (flight_date, carrier, flight, origin, model_version)
);
comment on table predictions.arrival_delay is 'Predicted delay at arrival, one row per flight and version of the model.';
comment on column predictions.arrival_delay.predicted is 'Minutes, after the steps of the SLO file.';
comment on column predictions.arrival_delay.raw_predicted is 'Minutes, as the model gave them.';
comment on column predictions.arrival_delay.written_in is 'The transaction that wrote the row: joins mlguard.prediction_batch.';

create table if not exists labels.arrival (
  flight_date date,
  carrier     text,
  flight      text,
  origin      text,
  arr_delay   double precision,
  known_at    timestamptz,
  primary key (flight_date, carrier, flight, origin)
);
comment on table labels.arrival is 'How late flights arrived; a flight that was cancelled has no row.';
comment on column labels.arrival.known_at is 'When the delivery with it came.';
