-- What is a writer's own affair stays out of verdicts, and verdicts out of its affairs: how its session prints numbers and
-- dates changes nothing that is kept, and what COMMIT does beyond judging the load ends with a timeout that the load
-- survives.

-- States, baselines and old values are jsonb, which holds as many digits of double precision as the session prints: where
-- they are merged and kept, all. Statement triggers pin it for themselves.
alter function mlguard._judge_batch() set extra_float_digits = 1;
alter function mlguard._judge_loads() set extra_float_digits = 1;
alter function mlguard._judge_request() set extra_float_digits = 1;
alter function mlguard._set_own_baseline(regclass, timestamptz, timestamptz) set extra_float_digits = 1;
alter function mlguard.backfill_v1(text) set extra_float_digits = 1;
alter function mlguard.end_batch(text) set extra_float_digits = 1;
alter function mlguard.keep_baseline(regclass, text, jsonb, text) set extra_float_digits = 1;
alter function mlguard.review_override(bigint, jsonb, text) set extra_float_digits = 1;
alter function mlguard.set_baseline(regclass, regclass) set extra_float_digits = 1;
alter function mlguard.sweep(timestamptz) set extra_float_digits = 1;

-- Its dates are cast to text.
alter function mlguard._in_window(timestamptz, timestamptz, text) set datestyle = 'ISO, YMD';


create or replace function mlguard._judge_due(p_tbl text)
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $mlguard$
begin
  -- A writer judges what is due, one window of each length, when nobody else is at it; never at its own risk.
  if current_setting('transaction_isolation') <> 'read committed'
     or not exists (
       select from mlguard._slo s where s.tbl = p_tbl and s.level = 'window' and s.verdict is not null)
     or (exists (select from mlguard._window w where w.tbl = p_tbl)
         and not exists (
           select from mlguard._window w where w.tbl = p_tbl and w.due_at <= statement_timestamp()))
     or not mlguard._lock_table(p_tbl) then
    return;
  end if;
  begin
    perform mlguard._fold_states(p_tbl, 1);
    perform mlguard._judge_windows(p_tbl, statement_timestamp(), 1);
  exception
    -- OTHERS leaves out a statement that was cancelled: by statement_timeout, say, which counts this against the COMMIT.
    when query_canceled or others then
      raise log 'mlguard: windows of % could not be judged at COMMIT: SQLSTATE %; sweep() will', p_tbl, sqlstate;
  end;
end
$mlguard$;

comment on function mlguard._judge_due(text) is
  'Private. Judges windows that are due at COMMIT of a writer; what fails, or takes longer than it may, is left to sweep().';
