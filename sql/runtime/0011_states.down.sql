drop function mlguard.backfill_v1(text);
drop function mlguard._recount(text, text, timestamptz, timestamptz);
drop function mlguard._kept_batches(text);
drop function mlguard._wait_table(text);
drop function mlguard._lock_table(text);
drop function mlguard._window_sample(text, timestamptz, timestamptz);
drop function mlguard._batch_sample(bigint);
drop function mlguard._pool_samples(bigint[]);
drop function mlguard.truncated_v1(text);
drop function mlguard.sample_places_v1(bigint, integer, integer);
drop function mlguard.add_sample_v1(text, timestamptz, bigint, integer, text, double precision[], text[]);
drop function mlguard.add_states_v1(text, text, integer, timestamptz, jsonb, bigint, jsonb);
drop function mlguard.duplicates_v1(jsonb, text);
drop function mlguard.distinct_v1(jsonb, text);
drop function mlguard.correlation_v1(jsonb, text);
drop function mlguard.quantile_v1(jsonb, text, double precision);
drop function mlguard.greatest_v1(jsonb, text);
drop function mlguard.least_v1(jsonb, text);
drop function mlguard.stddev_v1(jsonb, text);
drop function mlguard.mean_v1(jsonb, text, text, text);
drop function mlguard.sum_v1(jsonb, text, text, text);
drop function mlguard.share_v1(jsonb, text, text, text);
drop function mlguard.rest_v1(jsonb, text, text);
drop function mlguard.ratio_v1(jsonb, text, text);
drop function mlguard.count_v1(jsonb, text);
drop function mlguard._unmerge(jsonb, jsonb);
drop function mlguard._made_stale(text, jsonb, jsonb);
drop function mlguard._less(text, jsonb, jsonb);
drop aggregate mlguard.merge_v1(jsonb);
drop function mlguard._merge(jsonb, jsonb);
drop function mlguard._merge_all(jsonb[]);
drop function mlguard._merge_parts(text, jsonb[]);
drop function mlguard._merge_quantiles(jsonb[]);
drop function mlguard._at_rank(double precision[], double precision[], double precision);
drop function mlguard._ranks(jsonb);
drop function mlguard._merge_keys(jsonb[]);
drop function mlguard._below(double precision);
drop function mlguard._merge_values(jsonb[]);
drop function mlguard._merge_bins(jsonb[]);
drop function mlguard._merge_sampled(jsonb[]);
drop function mlguard._merge_joint(jsonb[]);
drop function mlguard._merge_moments(jsonb[]);

drop type mlguard.found_v1;
drop table mlguard._verdict;
drop table mlguard._metric;
drop table mlguard._sample;
drop table mlguard._bucket;
drop table mlguard._state;

alter table mlguard._slo
  drop column over,
  drop column by_columns,
  drop column max_segments,
  drop column reopen,
  drop column metrics,
  drop column verdict,
  drop column learned,
  drop column sensitivity,
  drop constraint _slo_level,
  add constraint _slo_level check (level in ('row', 'batch', 'window', 'read', 'assertion'));

alter table mlguard._table
  drop column window_length,
  drop column late,
  drop column base,
  drop column inputs,
  drop column baseline,
  drop column schema_mode,
  drop column importance,
  drop column judges_batches,
  drop column recount,
  drop column sampler;
