"""Predictions judged by request at COMMIT: CPU of the backend that runs a server-side COPY, ten rows a request.

Against the same table without, and against the statement that one would write after the load by hand.
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
  id bigint primary key, request_id bigint, item bigint, score double precision, raw_score double precision,
  model_version text, latency_ms double precision, written_at timestamptz default now()
"""
HEAD = "mlguard: 1\ntable: bench.{table}\nmodel: ranker\nkey: [id]\npost:\n"
STEPS = {
    "top_k, nothing to remove": "  - {name: best, top_k: {k: 10, by: [request_id], order: score}}\n",
    "top_k, one row in ten removed": "  - {name: best, top_k: {k: 9, by: [request_id], order: score}}\n",
    "normalise": "  - {name: shares, normalise: {columns: score, by: [request_id]}}\nraw: {score: raw_score}\n",
}
BY_HAND = {"top_k, nothing to remove": 10, "top_k, one row in ten removed": 9}


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure loads of ranked predictions."""
    say(f"requests: {options.rows} rows, ten a request")
    file = _csv(server.folder / "requests.csv", options.rows)
    tables = {"plain": "r_plain", **{name: f"r_{number}" for number, name in enumerate(STEPS)}}
    hand = {f"{name}, by hand": k for name, k in BY_HAND.items()}
    tables |= {name: f"r_hand_{k}" for name, k in hand.items()}
    with server.connect() as connection:
        for table in tables.values():
            connection.execute(f"create table bench.{table} ({COLUMNS})".encode())
            connection.execute(f"create index on bench.{table} (request_id)".encode())
    folder = server.folder / "requests_slos"
    folder.mkdir(exist_ok=True)
    for name, text in STEPS.items():
        (folder / f"{tables[name]}.slo.yaml").write_text(HEAD.format(table=tables[name]) + text, encoding="utf-8")
    api.apply(api.load(folder), server.dsn)
    with server.connect() as connection:
        loads = {name: partial(_load, connection, table, file, hand.get(name)) for name, table in tables.items()}
        series = interleave(loads, options.rounds, say)
    found = [Figure("requests", name, "plain", series.ratio(name, "plain"), None) for name in (*STEPS, *hand)]
    found += [
        Figure("requests", name, f"{name}, by hand", series.ratio(name, f"{name}, by hand"), at_most(2))
        for name in BY_HAND
    ]
    return found


def _load(connection: psycopg.Connection[tuple[object, ...]], table: str, file: Path, k: int | None) -> float:
    connection.execute(f"truncate bench.{table}".encode())
    pid = connection.info.backend_pid
    before = cpu_seconds(pid)
    with connection.transaction():
        connection.execute(
            f"copy bench.{table} (id, request_id, item, score, model_version, latency_ms) from '{file}'"
            " (format csv)".encode()
        )
        if k is not None:
            connection.execute(
                f"delete from bench.{table} as t using (select id, row_number() over (partition by request_id"
                f" order by score desc nulls last) as rank from bench.{table}) as r"
                f" where r.rank > {k} and t.id = r.id".encode()
            )
    return cpu_seconds(pid) - before


def _csv(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, rows + 1):
            file.write(f"{number},{number // 10},{number % 10},{(number * 7919 % 2000) / 2000:.6f},v1,12.75\n")
    return path
