"""The workload's 38 rules in Great Expectations, over a table of PostgreSQL. Run by `peers.py` in their environment.

    python peers_gx.py CONNECTION TABLE BOOLEAN_ONLY|SUMMARY < rules.json

Prints how many of how many expectations hold, and fails where one could not be evaluated.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"

import great_expectations as gx
import great_expectations.expectations as expect


def expectation(rule: dict[str, Any]) -> Any:
    """One rule as an expectation."""
    column = rule.get("column")
    match rule["rule"]:
        case "not_null":
            return expect.ExpectColumnValuesToNotBeNull(column=column)
        case "null_fraction":
            return expect.ExpectColumnValuesToNotBeNull(column=column, mostly=1 - rule["max"])
        case "range":
            return expect.ExpectColumnValuesToBeBetween(column=column, min_value=rule["min"], max_value=rule["max"])
        case "set":
            return expect.ExpectColumnValuesToBeInSet(column=column, value_set=rule["values"])
        case "unique":
            return expect.ExpectColumnValuesToBeUnique(column=column)
        case "mean":
            return expect.ExpectColumnMeanToBeBetween(column=column, min_value=rule["min"], max_value=rule["max"])
        case "row_count":
            return expect.ExpectTableRowCountToBeBetween(min_value=rule["min"])
    raise ValueError(f"no such rule: {rule['rule']}")


def main() -> None:
    """Validate the table once."""
    connection, table, detail = sys.argv[1:]
    schema, _, name = table.partition(".")
    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_postgres("peers", connection_string=connection)
    asset = source.add_table_asset(name=name, table_name=name, schema_name=schema)
    batch = asset.add_batch_definition_whole_table("all").get_batch()
    suite = gx.ExpectationSuite(name="rules", expectations=[expectation(rule) for rule in json.load(sys.stdin)])
    found = batch.validate(suite, result_format=detail)
    for one in found.results:
        if one.exception_info and any(
            isinstance(raised, dict) and raised.get("raised_exception") for raised in one.exception_info.values()
        ):
            raise SystemExit(f"{one.expectation_config.type}: {one.exception_info}")
    print(f"{sum(bool(one.success) for one in found.results)} of {len(found.results)} hold")


if __name__ == "__main__":
    main()
