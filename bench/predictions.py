"""Predictions through post-prediction steps: CPU of the backend that runs a server-side COPY, against the same without.

Six steps, the model's own value kept in a column, one row in a hundred hit by a conditional step, in two forms: all
steps look at the row alone, or one of them looks each row up in a block list. The trigger by hand does the same with
one PL/pgSQL function, as one would write it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import psycopg

from bench.figures import Figure, at_most
from bench.measure import cpu_seconds, interleave
from bench.options import Options, say
from bench.servers import BenchServer
from mlguard import api

COLUMNS = """
  customer_id bigint, as_of timestamptz, request_id bigint, model_version text, business_unit text,
  score double precision, raw_score double precision, action text, reason text, latency_ms double precision,
  cost_usd double precision, written_at timestamptz default now(), primary key (customer_id, as_of)
"""
WRITTEN = "customer_id, as_of, request_id, model_version, business_unit, score, action, reason, latency_ms, cost_usd"
STEPS = """
mlguard: 1
table: bench.{table}
model: churn
key: [customer_id, as_of]
post:
  - {{name: fallback_prior, when: score IS NULL, set: {{score: 0.5}}}}
  - {{name: calibrate, set: {{score: 1 / (1 + exp(-(1.3 * score - 0.2)))}}}}
  - {{name: clip, clamp: {{score: [0.05, 0.95]}}}}
  - {{name: round, round: {{score: 4}}}}
  - {fifth}
  - {{name: small_units_wait, when: score > 0.949 AND business_unit = 'x', set: {{action: "'wait'"}}}}
raw: {{score: raw_score}}
"""
ROW_ONLY = """{name: cheap_ones, when: cost_usd > 1, set: {action: "'none'"}}"""
LOOKUP = """{name: blocked, when: customer_id IN (SELECT customer_id FROM bench.blocklist), set: {action: "'none'"}}"""
BY_HAND = """
create table bench.{name}_log (
  customer_id bigint, as_of timestamptz, column_name text, old text, new text, step text, at timestamptz default now());
create index on bench.{name}_log (customer_id, as_of);
create function bench.{name}_steps() returns trigger language plpgsql as $$
declare
  _old double precision;
begin
  NEW.raw_score := NEW.score;
  if NEW.score is null then
    NEW.score := 0.5;
    insert into bench.{name}_log values (NEW.customer_id, NEW.as_of, 'score', null, '0.5', 'fallback_prior');
  end if;
  NEW.score := 1 / (1 + exp(-(1.3 * NEW.score - 0.2)));
  if NEW.score < 0.05 or NEW.score > 0.95 then
    _old := NEW.score;
    NEW.score := least(greatest(NEW.score, 0.05), 0.95);
    insert into bench.{name}_log values (NEW.customer_id, NEW.as_of, 'score', _old::text, NEW.score::text, 'clip');
  end if;
  NEW.score := round(NEW.score::numeric, 4);
  if {fifth} then
    insert into bench.{name}_log values (NEW.customer_id, NEW.as_of, 'action', NEW.action, 'none', 'fifth');
    NEW.action := 'none';
  end if;
  if NEW.score > 0.949 and NEW.business_unit = 'x' then
    insert into bench.{name}_log values (NEW.customer_id, NEW.as_of, 'action', NEW.action, 'wait', 'wait');
    NEW.action := 'wait';
  end if;
  return NEW;
end $$;
create trigger steps before insert or update on bench.{name} for each row execute function bench.{name}_steps();
"""
FORMS = {
    "": (ROW_ONLY, "NEW.cost_usd > 1"),
    ", one a lookup": (LOOKUP, "exists (select from bench.blocklist b where b.customer_id = NEW.customer_id)"),
}


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure loads of predictions."""
    say(f"predictions: {options.rows} rows, six steps, 1 % of rows hit")
    file = _csv(server.folder / "predictions.csv", options.rows)
    loads = {"plain": "plain"}
    with server.connect() as connection:
        connection.execute("create table bench.blocklist (customer_id bigint primary key)")
        connection.execute(
            "insert into bench.blocklist select g * 100 from generate_series(1, %s) as g", [options.rows // 100]
        )
        connection.execute("analyze bench.blocklist")
        connection.execute(f"create table bench.plain ({COLUMNS})".encode())
        for number, (form, (_, by_hand)) in enumerate(FORMS.items(), 1):
            for kind in ("steps", "by_hand"):
                connection.execute(f"create table bench.{kind}_{number} ({COLUMNS})".encode())
            connection.execute(BY_HAND.format(name=f"by_hand_{number}", fifth=by_hand).encode())
            loads |= {f"six steps{form}": f"steps_{number}", f"trigger by hand{form}": f"by_hand_{number}"}
    _apply(server)
    with server.connect() as connection:
        variants = {name: partial(_load, connection, table, file) for name, table in loads.items()}
        series = interleave(variants, options.rounds, say)
    found = []
    for form in FORMS:
        six, by_hand = f"six steps{form}", f"trigger by hand{form}"
        found.append(Figure("predictions", six, "plain", series.ratio(six, "plain"), at_most(2.2)))
        found.append(Figure("predictions", six, by_hand, series.ratio(six, by_hand), at_most(1.0)))
        found.append(Figure("predictions", by_hand, "plain", series.ratio(by_hand, "plain"), None))
    return found


def _apply(server: BenchServer) -> None:
    folder = server.folder / "predictions_slos"
    folder.mkdir(exist_ok=True)
    for number, (fifth, _) in enumerate(FORMS.values(), 1):
        text = STEPS.format(table=f"steps_{number}", fifth=fifth)
        (folder / f"steps_{number}.slo.yaml").write_text(text, encoding="utf-8")
    api.apply(api.load(folder), server.dsn)


def _load(connection: psycopg.Connection[tuple[object, ...]], table: str, file: Path) -> float:
    connection.execute(f"truncate bench.{table}".encode())
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    connection.execute(f"copy bench.{table} ({WRITTEN}) from '{file}' (format csv)".encode())
    return cpu_seconds(pid) - before


def _csv(path: Path, rows: int) -> Path:
    """Write predictions; every hundredth costs so much, or is blocked, that a conditional step acts on it."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            cost = "1.5" if number % 100 == 0 else "0.0021"
            file.write(
                f"{number},2026-11-01 00:00:00+00,{number // 10},churn-2026-10,retail,"
                f"{(number * 7919 % 2000) / 1000 - 1:.6f},call,top decile,12.75,{cost}\n"
            )
    return path
