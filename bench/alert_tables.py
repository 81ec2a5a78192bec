"""Made-up tables for `alert_quality.py`, each unlike the public ones in its own way, and without any fault.

    python bench/alert_tables.py FOLDER [--seed 1] [--batches 120]
    python bench/alert_quality.py --data FOLDER --plugin bench/alerts_duckdb.py --methods usual --by-dataset

What alarms on them as they are is a false alarm by construction: every batch follows the law that its table is named
after. Real tables have changes that nobody announced; these have none.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Generator = np.random.Generator
Columns = dict[str, Any]
FIRST = pd.Timestamp("2024-01-01")  # a Monday


def words(prefix: str, count: int) -> Any:
    """So many texts."""
    return np.array([f"{prefix}-{number:04d}" for number in range(count)], dtype=object)


def zipf(rng: Generator, among: Any, size: int, exponent: float = 1.1) -> Any:
    """Texts of which few are frequent and most are rare."""
    weights = 1 / np.arange(1, len(among) + 1) ** exponent
    return among[rng.choice(len(among), size, p=weights / weights.sum())]


def missing(rng: Generator, values: Any, share: float) -> Any:
    """The values without a random share of them."""
    kept = rng.random(len(values)) >= share
    if values.dtype.kind == "f":
        return np.where(kept, values, np.nan)
    return np.where(kept, values, None)


def heavy_tails(rng: Generator, t: int) -> Columns:
    """Amounts without a usual size, in orders of which a few are enormous; customers come from a long tail."""
    n = int(rng.lognormal(6, 0.3))
    items = rng.geometric(0.3, n).astype(float)
    return {
        "amount": np.round(rng.pareto(1.3, n) * 10, 2),
        "seconds": rng.lognormal(3, 1.8, n),
        "items": items,
        "weight": np.round(items * rng.lognormal(0, 0.8, n), 3),
        "balance": np.round(rng.standard_t(1.5, n) * 100, 2),
        "customer": zipf(rng, words("c", 20_000), n, 0.9),
        "country": zipf(rng, words("country", 90), n, 1.6),
        "rating": missing(rng, rng.integers(1, 6, n).astype(float), rng.beta(2, 6)),
    }


def intermittent(rng: Generator, t: int) -> Columns:
    """Columns that are filled on some days only, counters that stand still, and campaigns that come and go."""
    n = int(rng.integers(250, 400))
    campaign = rng.random() < 0.15
    surveyed = rng.random() < 0.3
    maintenance = rng.random() < 0.1
    return {
        "clicks": rng.poisson(rng.gamma(0.3, 4), n).astype(float),
        "discount": np.where(rng.random(n) < (0.5 if campaign else 0.02), rng.choice([5.0, 10.0, 20.0], n), 0.0),
        "coupon": missing(rng, zipf(rng, words("coupon", 12), n), 0.5 if campaign else 0.97),
        "survey": missing(rng, rng.normal(7, 1.5, n), 0.4 if surveyed else 1.0),
        "downtime": np.where(maintenance, rng.exponential(30, n), 0.0),
        "alarms": (rng.random(n) < rng.beta(0.3, 8)).astype(float),
        "source": np.where(rng.random(n) < rng.beta(0.5, 4), "batch", "live").astype(object),
    }


def trending(rng: Generator, t: int) -> Columns:
    """A business that grows: more rows, dearer products, versions that replace one another, ids that only go up."""
    n = int(rng.poisson(150 * 1.008**t))
    version = np.clip(np.floor(rng.normal(t / 15, 0.7, n)), 0, None).astype(int)
    adopted = 1 / (1 + np.exp(-(t - 60) / 15))
    return {
        "id": np.arange(n, dtype=float) + 1_000 * t,
        "price": np.round(rng.lognormal(3 + 0.004 * t, 0.5, n), 2),
        "users": rng.poisson(20 + 0.5 * t, n).astype(float),
        "latency": rng.gamma(4, 12 - 0.04 * t, n),
        "version": np.array([f"1.{number}.0" for number in version], dtype=object),
        "app": np.where(rng.random(n) < 0.1 + 0.8 * adopted, "mobile", "web").astype(object),
        "city": zipf(rng, words("city", 30 + t // 4), n, 1.2),
    }


def weekly(rng: Generator, t: int) -> Columns:
    """Weekends that have little in common with working days, and pay days at the end of the month."""
    day = FIRST + pd.Timedelta(days=t)
    weekend, pay = day.weekday() >= 5, day.day >= 28
    n = int(rng.poisson(rng.gamma(60, (90 if weekend else 350) * (1.4 if pay else 1) / 60)))
    hour = np.clip(rng.normal(14 if weekend else 11, 4 if weekend else 3, n), 0, 23).round()
    return {
        "hour": hour,
        "value": np.round(rng.gamma(2, 40 if weekend else 25, n) * (1.3 if pay else 1), 2),
        "duration": rng.exponential(20 + 10 * weekend, n) + hour / 2,
        "business": np.where(rng.random(n) < (0.1 if weekend else 0.8), "yes", "no").astype(object),
        "channel": rng.choice(words("channel", 4), n, p=[0.7, 0.1, 0.1, 0.1] if weekend else [0.3, 0.3, 0.2, 0.2]),
        "invoice": missing(rng, rng.integers(1, 10**6, n).astype(float), 0.9 if weekend else 0.3),
    }


def sparse_categories(rng: Generator, t: int) -> Columns:
    """Texts of many kinds, most of them rare, and columns that hardly ever have a value."""
    n = int(rng.integers(300, 500))
    city = zipf(rng, words("town", 1500), n, 1.0)
    return {
        "town": city,
        "district": np.array([f"d{int(text[-4:]) % 40}" for text in city], dtype=object),
        "tag": missing(rng, zipf(rng, words("tag", 400), n, 0.8), 0.7),
        "defect": missing(rng, zipf(rng, words("defect", 25), n, 1.0), 0.985),
        "note": missing(rng, np.array([f"n{value}" for value in rng.integers(0, 10**8, n)], dtype=object), 0.9),
        "grade": zipf(rng, np.array(list("ABCDEFGH"), dtype=object), n, 1.5),
        "code": np.array([f"{a}{b:03d}" for a, b in zip(zipf(rng, np.array(list("XYZ")), n), rng.integers(0, 999, n),
                                                         strict=True)], dtype=object),
        "score": rng.normal(0, 1, n),
    }  # fmt: skip


def few_rows(rng: Generator, t: int) -> Columns:
    """A weekly report of a dozen lines."""
    n = int(rng.integers(6, 30))
    return {
        "amount": np.round(rng.lognormal(4, 1, n), 2),
        "days": rng.poisson(6, n).astype(float),
        "share": np.round(rng.beta(2, 5, n), 3),
        "kind": zipf(rng, words("kind", 9), n, 1.0),
        "office": rng.choice(words("office", 3), n),
        "approved": missing(rng, rng.choice(np.array(["yes", "no"], dtype=object), n, p=[0.8, 0.2]), 0.15),
        "refund": missing(rng, np.round(rng.lognormal(2, 1, n), 2), 0.8),
    }


def clustered(rng: Generator, t: int) -> Columns:
    """Rows that come in reports of one to forty, alike in most columns: opinion polls by pollster and question."""
    reports = int(rng.integers(8, 30))
    sizes = np.minimum(rng.geometric(0.12, reports), 40)
    of = np.repeat(np.arange(reports), sizes)
    n = len(of)
    pollster = zipf(rng, words("pollster", 60), reports, 1.0)
    state = np.where(rng.random(reports) < 0.4, "national", zipf(rng, words("state", 50), reports, 0.5))
    asked = np.round(rng.lognormal(6.7, 0.5, reports))
    level = rng.normal(45, 6, reports)
    return {
        "pollster": pollster[of],
        "state": state.astype(object)[of],
        "sample": missing(rng, asked, 0.05)[of],
        "population": rng.choice(np.array(["lv", "rv", "a"], dtype=object), reports, p=[0.5, 0.4, 0.1])[of],
        "method": zipf(rng, words("method", 7), reports, 1.2)[of],
        "sponsor": missing(rng, zipf(rng, words("sponsor", 80), reports, 0.8), 0.6)[of],
        "share": np.round(np.clip(level[of] + rng.normal(0, 3, n), 0, 100), 1),
        "answer": zipf(rng, words("answer", 25), n, 1.3),
    }


def seasonal(rng: Generator, t: int) -> Columns:
    """A year's wave, weather that lasts for days, and sensors that fail together."""
    n, wave = 288, np.sin(2 * np.pi * t / 365)
    rng_days = np.random.default_rng(7)
    weather = pd.Series(rng_days.normal(0, 1, 1_000)).ewm(alpha=0.3).mean().to_numpy()
    temperature = 12 + 10 * wave + 6 * weather[t] + rng.normal(0, 2, n) + 4 * np.sin(np.arange(n) / 46)
    failed = rng.random(n) < rng.beta(0.6, 30)
    rain = np.where(rng.random(n) < np.clip(0.2 - 0.3 * weather[t], 0.01, 0.9), rng.exponential(2, n), 0.0)
    return {
        "temperature": np.where(failed, np.nan, np.round(temperature, 1)),
        "humidity": np.where(failed, np.nan, np.clip(70 - 1.2 * temperature + rng.normal(0, 5, n), 0, 100).round()),
        "rain": np.round(rain, 1),
        "wind": np.round(rng.weibull(2, n) * np.exp(0.4 * weather[t]) * 5, 1),
        "direction": rng.choice(np.array(["N", "E", "S", "W"], dtype=object), n, p=rng.dirichlet([3, 2, 4, 6])),
        "pressure": 1013 + 8 * weather[t] + rng.normal(0, 1, n),
    }


TABLES: dict[str, tuple[Callable[[Generator, int], Columns], int]] = {
    "heavy_tails": (heavy_tails, 1),
    "intermittent": (intermittent, 1),
    "trending": (trending, 1),
    "weekly": (weekly, 1),
    "sparse_categories": (sparse_categories, 1),
    "few_rows": (few_rows, 7),
    "clustered": (clustered, 7),
    "seasonal": (seasonal, 1),
}
"""Each table with the days between its batches."""


def made(name: str, batches: int, seed: int) -> pd.DataFrame:
    """One table; the same arguments make the same rows."""
    make, days = TABLES[name]
    parts = []
    for t in range(batches):
        rng = np.random.default_rng([seed, list(TABLES).index(name), t])
        key = (FIRST + pd.Timedelta(days=days * t)).strftime("%Y-%m-%d")
        parts.append(pd.DataFrame(make(rng, t)).assign(_part=key))
    return pd.concat(parts, ignore_index=True)


def main(arguments: list[str] | None = None) -> None:
    """Write all tables into a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batches", type=int, default=120)
    given = parser.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        made(name, given.batches, given.seed).to_parquet(given.folder / f"{name}.parquet")


if __name__ == "__main__":
    main()
