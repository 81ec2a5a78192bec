-- The feature table of an arrival-delay model, and the reference tables it looks up. Can be run again.

create schema if not exists ref;
create schema if not exists features;

create table if not exists ref.airport (
  faa text primary key
);
comment on table ref.airport is 'Airports that flights from New York serve, by FAA code.';

create table if not exists ref.carrier (
  carrier text primary key
);
comment on table ref.carrier is 'Airlines, by IATA code.';

create table if not exists features.flight (
  flight_date     date,
  carrier         text,
  flight          text,
  tailnum         text,
  origin          text,
  dest            text,
  sched_dep       timestamptz,
  dep_delay       double precision,
  origin_delay_1h double precision,
  distance        integer,
  air_time        double precision,
  arr_delay       double precision,
  primary key (flight_date, carrier, flight, origin)
);
comment on table features.flight is 'One row per scheduled flight from New York: what the arrival-delay model reads.';
comment on column features.flight.flight is 'Flight number; a name, not a quantity.';
comment on column features.flight.sched_dep is 'Scheduled departure: the event time.';
comment on column features.flight.dep_delay is 'Minutes, negative when early; null when it never left.';
comment on column features.flight.origin_delay_1h is
  'Mean dep_delay of flights that left the same airport in the hour before sched_dep; null where none did.';
comment on column features.flight.distance is 'Miles.';
comment on column features.flight.air_time is 'Minutes; null when it never arrived.';
comment on column features.flight.arr_delay is 'Minutes, negative when early; null when it never arrived. The target.';

insert into ref.airport
select code[1] from regexp_matches('
  ABQ ACK ALB ANC ATL AUS AVL BDL BGR BHM BNA BOS BQN BTV BUF BUR BWI BZN CAE CAK CHO CHS CLE CLT
  CMH CRW CVG DAY DCA DEN DFW DSM DTW EGE EWR EYW FLL GRR GSO GSP HDN HNL HOU IAD IAH ILM IND JAC
  JAX JFK LAS LAX LEX LGA LGB MCI MCO MDW MEM MHT MIA MKE MSN MSP MSY MTJ MVY MYR OAK OKC OMA ORD
  ORF PBI PDX PHL PHX PIT PSE PSP PVD PWM RDU RIC ROC RSW SAN SAT SAV SBN SDF SEA SFO SJC SJU SLC
  SMF SNA SRQ STL STT SYR TPA TUL TVC TYS XNA
', '[A-Z]{3}', 'g') code
on conflict do nothing;

insert into ref.carrier
select code[1] from regexp_matches('9E AA AS B6 DL EV F9 FL HA MQ OO UA US VX WN YV', '[0-9A-Z]{2}', 'g') code
on conflict do nothing;
