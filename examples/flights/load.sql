-- Loads flights.csv.gz with psql, from this folder, moved by whole days so that the last one is yesterday in New York
-- and the table is fresh. Can be run again.
\set ON_ERROR_STOP on

begin;
create temporary table incoming (like features.flight) on commit drop;
\copy incoming from program 'gunzip -c flights.csv.gz' with (format csv, header)

truncate features.flight;
insert into features.flight
  (flight_date, carrier, flight, tailnum, origin, dest, sched_dep, dep_delay, origin_delay_1h, distance, air_time,
   arr_delay)
select
  i.flight_date + shift.days, i.carrier, i.flight, i.tailnum, i.origin, i.dest,
  i.sched_dep + shift.days * interval '24 hours', i.dep_delay, i.origin_delay_1h, i.distance, i.air_time, i.arr_delay
from incoming i
cross join (
  select (statement_timestamp() at time zone 'America/New_York')::date - 1 - max(flight_date) as days
  from incoming
) shift;
commit;
