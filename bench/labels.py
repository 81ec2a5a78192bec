"""What labels cost: judging accuracy again on top of few and of many predictions, and COPY of predictions."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

import psycopg

from bench import slo_files
from bench.figures import Figure, at_most
from bench.measure import cpu_seconds, interleave
from bench.options import Options, say
from bench.servers import BenchServer

FEW = 100_000
DAYS = 50
CREATE = """
create table bench.{name} (id bigint, at timestamptz, version text, score double precision, primary key (id, at));
create table bench.{name}_label (id bigint, at timestamptz, y boolean, primary key (id, at));
"""
LOAD = """
insert into bench.{name}
select g, timestamptz '2026-01-01 12:00+00' + (g % {days}) * interval '1 day', 'v' || g % 2, (g % 1009) / 1009.0
from generate_series(1, {rows}) as g
"""
LABEL = """
insert into bench.{name}_label
select p.id, p.at, p.id % 3 = 0
from bench.{name} as p
where p.id = any (array(select 1 + (g * {step} + {round}) % {rows} from generate_series(0, {labels} - 1) as g))
"""
FILE = """
mlguard: 1
table: bench.{name}
model: bench
version_column: version
key: [id, at]
event_time: at
reads: none
labels: {{table: bench.{name}_label, on: [id, at], value: y, mature_after: 7 days}}
slos:
  - {{name: mae, check: 'mae(score, label) <= 1', over: 7 days, by: version}}
  - {{name: f1, check: 'f1(score >= 0.5, label) >= 0', over: 1 day}}
  - {{name: brier, check: 'brier(score, label) <= 1', over: 1 day}}
"""
OLD, MANY = "10k labels on few predictions", "10k labels on many predictions"
PLAIN, LABELLED = "COPY, no label metric", "COPY, label metrics, no label matches"


def run(server: BenchServer, options: Options) -> list[Figure]:
    """Measure labels on top of few and many predictions, and loads of predictions without labels."""
    many = options.rows * 10
    say(f"labels: {FEW} and {many} predictions")
    sizes = {"few": FEW, "many": many}
    labels = 10_000
    with server.connect() as connection:
        for name, rows in sizes.items():
            connection.execute(CREATE.format(name=name).encode())
            connection.execute(LOAD.format(name=name, rows=rows, days=DAYS).encode())
            connection.execute(f"analyze bench.{name}".encode())
        slo_files.apply(server, "labels", *(FILE.format(name=name) for name in sizes))
        connection.execute("select mlguard.sweep('2026-06-01')")
        steps = {name: rows // labels for name, rows in sizes.items()}
        rounds = {name: count() for name in sizes}

        def judge(name: str) -> float:
            number = next(rounds[name])
            sql = LABEL.format(name=name, step=steps[name], round=number, rows=sizes[name], labels=labels)
            before = cpu_seconds(connection.info.backend_pid)
            connection.execute(sql.encode())
            connection.execute("select mlguard.sweep('2026-06-01')")
            return cpu_seconds(connection.info.backend_pid) - before

        most = min(options.rounds, FEW // labels - 1)
        judge("few"), judge("many")  # plans and pages are warm from here on
        series = interleave({OLD: partial(judge, "few"), MANY: partial(judge, "many")}, most, say)
        figures = [Figure("labels", MANY, OLD, series.ratio(MANY, OLD), at_most(2.0))]
        return [*figures, *_copy(server, connection, options)]


def _copy(server: BenchServer, connection: psycopg.Connection[Any], options: Options) -> list[Figure]:
    """Measure loads of predictions of which no label is known yet."""
    plain = FILE.format(name="plain").replace("mae(score, label) <= 1", "mean(score) <= 1")
    plain = plain.replace("f1(score >= 0.5, label) >= 0", "share(score >= 0.5) >= 0")
    plain = plain.replace("brier(score, label) <= 1", "negative_rate(score) <= 1")
    for name in ("plain", "labelled"):
        connection.execute(CREATE.format(name=name).encode())
        connection.execute(
            f"insert into bench.{name}_label select -g, timestamptz '2026-01-01', true from generate_series(1, {FEW}) g"
            .encode()
        )  # fmt: skip
        connection.execute(f"analyze bench.{name}_label".encode())
    slo_files.apply(server, "labels_copy", plain, FILE.format(name="labelled"))
    rows = max(options.rows // 5, 1000)

    def load(name: str) -> float:
        before = cpu_seconds(connection.info.backend_pid)
        with connection.transaction(force_rollback=True):
            connection.execute(LOAD.format(name=name, rows=rows, days=DAYS).encode())
        return cpu_seconds(connection.info.backend_pid) - before

    load("plain"), load("labelled")
    series = interleave({PLAIN: partial(load, "plain"), LABELLED: partial(load, "labelled")}, options.rounds, say)
    return [Figure("labels", LABELLED, PLAIN, series.ratio(LABELLED, PLAIN))]
