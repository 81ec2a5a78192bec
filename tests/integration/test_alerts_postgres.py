"""The bench of alarms judges alike through PostgreSQL and through DuckDB, and a fault as `sweep()` would judge it."""

from __future__ import annotations

import numpy as np
import pytest

from bench.alert_faults import Table, faults
from bench.alert_tables import made
from bench.alerts_duckdb import Usual
from bench.alerts_postgres import Postgres


@pytest.fixture
def table() -> Table:
    # Statements of fewer than 20 rows leave no sample in order of arrival: tables of few rows are not judged alike.
    frame = made("clustered", 22, seed=1)
    return Table("clustered", [(str(key), part.drop(columns="_part")) for key, part in frame.groupby("_part")], 20)


def test_both_plugins_score_alike(pg18: str, table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGUARD_DSN", pg18)
    product, twin = Postgres(table), Usual(table)
    for t in (20, 21):
        for method in (product, twin):
            method.fit(table.batches[:t])
        clean = table.batches[t]
        assert product.score(clean).cols == pytest.approx(twin.score(clean).cols, abs=1e-9)
        faulty = [fault.batch for fault in faults(table, clean, np.random.default_rng(1))][:6]
        judged = [product.score(batch).cols for batch in faulty]
        assert judged == [pytest.approx(twin.score(batch).cols, abs=1e-9) for batch in faulty]
        assert max(max(scores.values()) for scores in judged) > 1
        product._load_and_sweep(faulty[0])
        assert product._verdicts(faulty[0]).cols == judged[0]
    product.close()
