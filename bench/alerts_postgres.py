"""The learner of `usual` inside PostgreSQL, as a method of `alert_quality.py`: every batch goes through the product.

    python bench/alert_quality.py --plugin bench/alerts_postgres.py --methods usual_postgres

A table is guarded by `usual: all` and `pairs: all`; every partition becomes a day. A clean batch is copied in,
committed and swept; a batch to be scored is copied in and swept in a transaction that is rolled back. Nothing that the
harness has computed is read. Slow: each score is a load and a sweep.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
from psycopg.conninfo import make_conninfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlguard import api, runtime
from mlguard.embedded import EmbeddedServer

TABLE = "bench.t"
FIRST = datetime(2020, 1, 6, tzinfo=UTC)  # a Monday
LATER = timedelta(days=1, minutes=1)


class Result:
    """What the harness wants of a judgement."""

    def __init__(self, columns: dict[str, float]) -> None:
        self.cols = columns
        self.score = max(columns.values(), default=0.0)
        self.alert = self.score > 1
        self.flagged = [name for name, score in columns.items() if score > 1]


class Postgres:
    """`usual: all` on a table of its own, in a server of its own process."""

    name = "usual_postgres"
    _server: EmbeddedServer | None = None

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.seen = 0
        self.folder = Path(tempfile.mkdtemp(prefix="mlguard-alerts-"))
        self.dsn = self._database()
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.columns = [f"c{number}" for number in range(len(ctx.cols))]
        self._guard()

    def _database(self) -> str:
        dsn = os.environ.get("MLGUARD_DSN")
        if dsn is None:
            if Postgres._server is None:
                Postgres._server = EmbeddedServer().start()
            dsn = Postgres._server.dsn
        name = f"alerts_{os.getpid()}_{self.ctx.name}"
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f'drop database if exists "{name}"'.encode())
            connection.execute(f'create database "{name}"'.encode())
        return make_conninfo(dsn, dbname=name)

    def _guard(self) -> None:
        kinds = ("double precision" if self.ctx.kind[name] == "num" else "text" for name in self.ctx.cols)
        declared = ", ".join(f"{column} {kind}" for column, kind in zip(self.columns, kinds, strict=True))
        self.connection.execute(b"create schema bench")
        self.connection.execute(f"create table bench.t ({declared}, at timestamptz)".encode())
        slos = self.folder / "slos"
        slos.mkdir()
        (slos / "t.slo.yaml").write_text(
            "mlguard: 1\ntable: bench.t\nevent_time: at\nusual: all\npairs: all\nreads: none\n",
            encoding="utf-8",
        )
        runtime.install(self.connection)
        api.apply(api.load(slos), self.dsn)

    def fit(self, history: Sequence[Any]) -> None:
        """Load the clean batches that were not loaded yet."""
        for batch in history[self.seen :]:
            with self.connection.transaction():
                self._copy(batch)
            self.connection.execute("select mlguard.sweep(%s)", (_closed(batch),))
            self.seen += 1

    def score(self, batch: Any) -> Result:
        """Judge a batch that is not kept."""
        with self.connection.transaction(force_rollback=True):
            self._copy(batch)
            self.connection.execute("set constraints all immediate")
            self.connection.execute("select mlguard.sweep(%s)", (_closed(batch),))
            rows = self.connection.execute(
                "select split_part(v.slo, '/', 2), coalesce((v.detail ->> 'score')::float8, 0)"
                " from mlguard._verdict v where v.tbl = %s and v.current and v.window_start = %s",
                (TABLE, _start(batch)),
            ).fetchall()
        names = dict(zip((f"{column}.usual" for column in self.columns), self.ctx.cols, strict=True))
        table = self.ctx.names[-1]
        found = dict.fromkeys(self.ctx.names, 0.0)
        for slo, score in rows:
            name = names.get(slo, table)
            found[name] = max(found[name], score)
        return Result(found)

    def observe(self, batch: Any) -> None:
        """Clean batches come with the next fit."""

    def _copy(self, batch: Any) -> None:
        names = ", ".join([*self.columns, "at"])
        at = _start(batch)
        with self.connection.cursor().copy(f"copy bench.t ({names}) from stdin".encode()) as copy:
            for row in batch.df.itertuples(index=False, name=None):
                copy.write_row([*(None if pd.isna(value) else value for value in row), at])

    def __del__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _start(batch: Any) -> datetime:
    return FIRST + timedelta(days=int(batch.t))


def _closed(batch: Any) -> datetime:
    return _start(batch) + LATER


METHODS = [Postgres]
