"""The learner of `usual` inside PostgreSQL, as a method of `alert_quality.py`: every batch goes through the product.

    python bench/alert_quality.py --plugin bench/alerts_postgres.py --methods usual_postgres

A table is guarded by `usual: all` and `pairs: all`; every partition becomes a day, or a week where partitions are
weeks. A clean batch is copied in and swept, and committed when it becomes history. A batch with a fault is copied in,
judged by the function that `sweep()` calls for a closed window, and rolled back: `sweep()` would go on to learn from
it, which nothing here would see. Nothing that the harness has computed is read.
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

import psycopg
from psycopg.conninfo import make_conninfo

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.alert_faults import steps_of
from bench.alert_quality import Result
from mlguard import api, runtime
from mlguard.embedded import EmbeddedServer

TABLE = "bench.t"
FIRST = datetime(2020, 1, 6, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "4GB"}


class Postgres:
    """`usual: all` on a table of its own, in a server of its own process."""

    name = "usual_postgres"
    _server: EmbeddedServer | None = None

    def __init__(self, ctx: Any) -> None:
        self.ctx = ctx
        self.seen = 0
        self.pending: Any = None
        """The clean batch that is loaded and swept in the open transaction."""
        weekly, first = steps_of(ctx)
        self.step = timedelta(days=7 if weekly else 1)
        self.first = FIRST + timedelta(days=0 if weekly or first is None else first)
        self.folder = Path(tempfile.mkdtemp(prefix="mlguard-alerts-"))
        self.dsn = self._database()
        self.connection = psycopg.connect(self.dsn, autocommit=True)
        self.columns = [f"c{number}" for number in range(len(ctx.cols))]
        self._guard()

    def _database(self) -> str:
        dsn = os.environ.get("MLGUARD_DSN")
        if dsn is None:
            if Postgres._server is None:
                Postgres._server = EmbeddedServer(settings=SETTINGS).start()
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
            "mlguard: 1\ntable: bench.t\nevent_time: at\nusual: all\npairs: all\nreads: none\n"
            f"window: {self.step.days} day{'s' * (self.step.days > 1)}\n",
            encoding="utf-8",
        )
        runtime.install(self.connection)
        api.apply(api.load(slos), self.dsn)
        self.over = self.connection.execute("select min(over) from mlguard._slo").fetchall()[0][0]

    def fit(self, history: Sequence[Any]) -> None:
        """Load the clean batches that were not loaded yet."""
        for batch in history[self.seen :]:
            if batch is not self.pending:
                self._load_and_sweep(batch)
            self.connection.execute("commit")
            self.pending = None
            self.seen += 1

    def score(self, batch: Any) -> Result:
        """Judge a batch; a clean one stays in the open transaction until it is history."""
        if batch is self.ctx.batches[batch.t]:
            self._load_and_sweep(batch)
            return self._verdicts(batch)
        self._begin(batch)
        self.connection.execute(
            "select mlguard._judge_usual(%s, %s, %s, %s, null, %s)",
            (TABLE, self.over, self._start(batch), self._start(batch) + self.step, len(batch.df)),
        )
        result = self._verdicts(batch)
        self.connection.execute("rollback")
        return result

    def observe(self, batch: Any) -> None:
        """Clean batches come with the next fit."""

    def _begin(self, batch: Any) -> None:
        """Open a transaction in which the batch has been written up to its COMMIT."""
        if self.pending is not None:
            self.connection.execute("rollback")
            self.pending = None
        self.connection.execute("begin")
        names = ", ".join([*self.columns, "at"])
        at = self._start(batch)
        frame = batch.df.astype(object).where(batch.df.notna(), None)
        with self.connection.cursor().copy(f"copy bench.t ({names}) from stdin".encode()) as copy:
            for row in frame.itertuples(index=False, name=None):
                copy.write_row([*row, at])
        self.connection.execute("set constraints all immediate")

    def _load_and_sweep(self, batch: Any) -> None:
        self._begin(batch)
        self.connection.execute("select mlguard.sweep(%s)", (self._start(batch) + self.step + MINUTE,))
        self.pending = batch

    def _verdicts(self, batch: Any) -> Result:
        rows = self.connection.execute(
            "select split_part(v.slo, '/', 2), coalesce((v.detail ->> 'score')::float8, 0)"
            " from mlguard._verdict v where v.tbl = %s and v.current and v.window_start = %s",
            (TABLE, self._start(batch)),
        ).fetchall()
        names = dict(zip((f"{column}.usual" for column in self.columns), self.ctx.cols, strict=True))
        table = self.ctx.names[-1]
        found = dict.fromkeys(self.ctx.names, 0.0)
        for slo, score in rows:
            name = names.get(slo, table)
            found[name] = max(found[name], score)
        return Result(found)

    def _start(self, batch: Any) -> datetime:
        return self.first + int(batch.t) * self.step

    def close(self) -> None:
        """End the session and take the folder away."""
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __del__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


METHODS = [Postgres]
