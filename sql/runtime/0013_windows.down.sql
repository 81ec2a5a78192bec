drop function mlguard._sweep_holds(timestamptz);
drop function mlguard._sweep_windows(timestamptz);
drop function mlguard._judge_due(text);
drop function mlguard._judge_windows(text, timestamptz, integer);
drop function mlguard._judge_closed(mlguard._table, text, text[], timestamptz, integer);
drop function mlguard._judge_late(mlguard._table, integer);
drop function mlguard._judge_window(mlguard._table, text[], text, timestamptz, timestamptz, boolean);
drop function mlguard._count_segments(mlguard._slo, jsonb[], jsonb[], timestamptz);
drop function mlguard._segments_alone(mlguard._slo, jsonb[], jsonb[], timestamptz, boolean);
drop function mlguard._asks_for_stale(jsonb[], text[]);
drop function mlguard._window_states(text, timestamptz, timestamptz, boolean);
drop function mlguard._sweep_fold(timestamptz);
drop function mlguard._fold_states(text, integer);
drop function mlguard._window_end(text, text, timestamptz);
drop function mlguard._window_start(text, text, timestamptz);
drop function mlguard._window_floor(text, timestamp);

drop index mlguard._bucket_shrunk;
drop index mlguard._bucket_changed;

alter table mlguard._bucket drop column shrunk_at;

comment on column mlguard._bucket.changed_at is
  'When states were folded into it last: windows judged before are judged anew.';

drop table mlguard._segment;
drop table mlguard._window;
