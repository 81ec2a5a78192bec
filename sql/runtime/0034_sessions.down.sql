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
    when others then
      raise log 'mlguard: windows of % could not be judged at COMMIT: SQLSTATE %; sweep() will', p_tbl, sqlstate;
  end;
end
$mlguard$;

comment on function mlguard._judge_due(text) is
  'Private. Judges windows that are due at COMMIT of a writer; what fails is left to sweep().';


alter function mlguard._in_window(timestamptz, timestamptz, text) reset datestyle;
alter function mlguard.sweep(timestamptz) reset extra_float_digits;
alter function mlguard.set_baseline(regclass, regclass) reset extra_float_digits;
alter function mlguard.review_override(bigint, jsonb, text) reset extra_float_digits;
alter function mlguard.keep_baseline(regclass, text, jsonb, text) reset extra_float_digits;
alter function mlguard.end_batch(text) reset extra_float_digits;
alter function mlguard.backfill_v1(text) reset extra_float_digits;
alter function mlguard._set_own_baseline(regclass, timestamptz, timestamptz) reset extra_float_digits;
alter function mlguard._judge_request() reset extra_float_digits;
alter function mlguard._judge_loads() reset extra_float_digits;
alter function mlguard._judge_batch() reset extra_float_digits;
