"""The workload's rules over one Parquet file in another tool. Run by `local_peers.py` in that tool's environment.

    python local_peer.py pandera|gx|evidently FILE [REFERENCE] < rules.json

Prints how many of how many rules hold; of evidently, how many columns were compared.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"


def pandera(file: str, rules: list[dict[str, Any]]) -> str:
    """Pandera on polars: every column's checks at once, lazily, so that all failures are found."""
    import pandera.polars as pa
    import polars as pl

    checks: dict[str, list[Any]] = {}
    whole: list[Any] = []
    nullable: dict[str, bool] = {}
    unique: dict[str, bool] = {}
    for rule in rules:
        column, found = rule.get("column", ""), checks.setdefault(rule.get("column", ""), [])
        match rule["rule"]:
            case "not_null":
                nullable[column] = False
            case "range":
                found.append(pa.Check.in_range(rule["min"], rule["max"]))
            case "set":
                found.append(pa.Check.isin(rule["values"]))
            case "unique":
                unique[column] = True
            case "null_fraction":
                whole.append(_at_most(pl, pa, pl.col(column).is_null().mean(), rule["max"]))
            case "mean":
                whole.append(_between(pl, pa, pl.col(column).mean(), rule["min"], rule["max"]))
            case "row_count":
                whole.append(_between(pl, pa, pl.len(), rule["min"], 10**12))
    del checks[""]
    columns = {
        name: pa.Column(checks=found, nullable=nullable.get(name, True), unique=unique.get(name, False))
        for name, found in checks.items()
    }
    frame = pl.read_parquet(file)
    try:
        pa.DataFrameSchema(columns, checks=whole).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        failed = {(error.schema.name, str(error.check)) for error in errors.schema_errors}
        return f"{len(rules) - len(failed)} of {len(rules)} hold"
    return f"{len(rules)} of {len(rules)} hold"


def _at_most(pl: Any, pa: Any, value: Any, limit: float) -> Any:
    return pa.Check(lambda data: data.lazyframe.select((value <= limit).alias("ok")))


def _between(pl: Any, pa: Any, value: Any, low: float, high: float) -> Any:
    return pa.Check(lambda data: data.lazyframe.select(value.is_between(low, high).alias("ok")))


def gx(file: str, rules: list[dict[str, Any]]) -> str:
    """Great Expectations on pandas, with the least result it can be asked for."""
    import great_expectations
    import pandas as pd
    from peers_gx import expectation

    context = great_expectations.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("peers").add_dataframe_asset("data")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.read_parquet(file)})
    suite = great_expectations.ExpectationSuite(name="rules", expectations=[expectation(rule) for rule in rules])
    found = batch.validate(suite, result_format="BOOLEAN_ONLY")
    return f"{sum(bool(one.success) for one in found.results)} of {len(found.results)} hold"


def evidently(file: str, reference: str, columns: list[str]) -> str:
    """Evidently's drift preset, with the tests that it chooses itself."""
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    here, there = (pd.read_parquet(path, columns=columns) for path in (file, reference))
    found = Report([DataDriftPreset(columns=columns)]).run(here, there)
    return f"{len(found.dict()['metrics'])} metrics"


def main() -> None:
    """Judge once."""
    tool, file, *more = sys.argv[1:]
    given = json.load(sys.stdin)
    tools: dict[str, Callable[..., str]] = {"pandera": pandera, "gx": gx, "evidently": evidently}
    print(tools[tool](file, *more, given))


if __name__ == "__main__":
    main()
