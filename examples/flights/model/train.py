"""Train a version of the arrival-delay model.

    python train.py --from-file ../flights_2013.parquet --first 2013-05-01 --last 2013-05-31 --version 1
    mlguard retrain work --model arrival_delay -- python train.py

Without a file it reads what the ticket of the request allows, from predictions.arrival_delay_training, which knows that
no feature may be younger than the prediction and no label older. Needs scikit-learn, and duckdb for files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import Ridge

sys.path.insert(0, str(Path(__file__).parent))
from weights import describe, path_of

ROWS = "select {columns} from predictions.arrival_delay_training(%s) where model_version = %s"
COLUMNS = "carrier, origin, departure_hour, departure_origin_delay_1h, departure_distance, label"
FROM_FILE = """
select carrier, origin, hour(sched_dep), origin_delay_1h, distance, arr_delay::double
from read_parquet($file)
where flight_date between $first::date and $last::date and arr_delay is not null
"""


def fit(rows: Sequence[Sequence[Any]], version: str) -> None:
    """Fit the weights on rows of five features and the delay, and keep them as that version."""
    vectors = DictVectorizer()
    numbers = vectors.fit_transform([describe(*row[:-1]) for row in rows])
    model = Ridge().fit(numbers, [row[-1] for row in rows])
    weights = dict(zip(vectors.get_feature_names_out().tolist(), model.coef_.tolist(), strict=True))
    text = json.dumps({"intercept": float(model.intercept_), "weights": weights}, indent=1)
    path_of(version).write_text(text, encoding="utf-8")


def from_file(file: str, first: str, last: str) -> Sequence[Sequence[Any]]:
    """Return the flights of some days of a Parquet file."""
    import duckdb

    with duckdb.connect() as duck:
        duck.execute("set timezone = 'America/New_York'")
        return duck.execute(FROM_FILE, {"file": file, "first": first, "last": last}).fetchall()


def from_ticket() -> tuple[Sequence[Sequence[Any]], str]:
    """Return what the ticket allows to be read, and the name of the next version.

    Two versions may have predicted a flight; it is one flight to learn from, so the rows of the champion are taken.
    """
    import psycopg

    with psycopg.connect(os.environ["MLGUARD_DSN"]) as connection:
        versions = connection.execute(
            "select version, state from mlguard.model_version where model = %s", [os.environ["MLGUARD_MODEL"]]
        ).fetchall()
        champion = next(version for version, state in versions if state == "champion")
        rows = connection.execute(ROWS.format(columns=COLUMNS).encode(), [int(os.environ["MLGUARD_TICKET"]), champion])
        return rows.fetchall(), str(1 + max(int(version) for version, _ in versions))


def main() -> None:
    """Train, and say the name of the version where `mlguard retrain work` looks for it."""
    options = argparse.ArgumentParser()
    for name in ("--from-file", "--first", "--last", "--version"):
        options.add_argument(name)
    said = options.parse_args()
    rows, version = (
        (from_file(said.from_file, said.first, said.last), said.version) if said.from_file else from_ticket()
    )
    fit(rows, version)
    print(f"version {version}: trained on {len(rows)} flights")  # noqa: T201 - a script for people at a terminal
    if "MLGUARD_VERSION_FILE" in os.environ:
        Path(os.environ["MLGUARD_VERSION_FILE"]).write_text(version, encoding="utf-8")


if __name__ == "__main__":
    main()
