"""What mlguard remembers of a table and its SLOs in the database, as plain rows. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mlguard.emit import labelled
from mlguard.emit.baselines import event_sql, missing_words
from mlguard.emit.gaps import gap_metric
from mlguard.emit.samples import sampler_name
from mlguard.emit.states import judges_batches, recount_name
from mlguard.emit.verdicts import counts_labels, verdict_name
from mlguard.emit.volume import counter_name
from mlguard.lang.analyse import columns_of, told_metrics
from mlguard.lang.measure import measured_name
from mlguard.names import digest
from mlguard.program import AttributeSource, LabelSource, Predictions, Rule, TableProgram


@dataclass(frozen=True)
class Record:
    """One row of a private table: its columns and values, and a hash by which a change is seen."""

    values: dict[str, Any]

    @property
    def hash(self) -> str:
        """The hash of all values."""
        return digest(*(f"{name}={value!r}" for name, value in sorted(self.values.items())))


def of_rule(rule: Rule) -> Record:
    """Return the row of mlguard._slo for a rule."""
    return Record(
        {
            "id": rule.id,
            "tbl": str(rule.table),
            "name": rule.name,
            "level": rule.level.value,
            "check_text": rule.text,
            "allowed": rule.limit,
            "action": rule.action.value,
            "place": rule.placement.place.value,
            "reason": rule.placement.reason,
            "columns": list(rule.columns),
            "column_name": rule.column,
            "max_bad_share": rule.max_bad.share if rule.max_bad else None,
            "max_bad_rows": rule.max_bad.rows if rule.max_bad else None,
            "min_rows": 0 if counts_labels(rule) else rule.min_rows,
            "max_age": rule.max_age,
            "arrives": _deadline(rule),
            "volume": _volume(rule),
            "shadow": rule.shadow,
            "waivable": rule.waivable,
            "portable": rule.portable,
            "severity": rule.severity,
            "owner": rule.owner,
            "runbook": rule.runbook,
            "description": rule.description,
            "tags": list(rule.tags),
            "then_do": list(rule.then),
            "over": str(rule.over) if rule.over is not None else None,
            "by_columns": list(rule.by),
            "max_segments": rule.max_segments,
            "reopen": rule.reopen,
            "metrics": _metrics(rule),
            "verdict": (verdict_name(rule) or None) if rule.over is not None else None,
            "learned": list(rule.learned),
            "matures": rule.matures.text if rule.matures is not None else "0 hours",
            "sensitivity": float(rule.tolerance),
        }
    )


def _deadline(rule: Rule) -> str | None:
    if rule.arrives is None:
        return None
    return json.dumps({"at": rule.arrives.at, "zone": rule.arrives.time_zone, "days": list(rule.arrives.days)})


def _volume(rule: Rule) -> str | None:
    if rule.volume is None:
        return None
    said = {"least": rule.volume.least, "of": rule.volume.words, "column": rule.volume.column}
    return json.dumps({**said, "counter": counter_name(rule)})


def _metrics(rule: Rule) -> list[str]:
    """Return the metrics of a check over batches or windows, in the order in which its verdict function gives them."""
    if rule.no_gaps is not None:
        return [gap_metric(rule)]
    if rule.over is None or rule.expr is None:
        return []
    return [measured_name(metric, rule.where) for metric in told_metrics(rule.expr)]


def _joins(program: TableProgram) -> list[dict[str, Any]]:
    """Return the tables whose rows are matched with the table's own, where an SLO or training needs that."""
    wanted = labelled.wanted(program)
    found: list[tuple[str, LabelSource | AttributeSource, tuple[str, ...]]] = []
    if wanted.labels is not None:
        found.append(("labels", wanted.labels, columns_of(wanted.labels.value)))
    elif program.predictions is not None and program.predictions.labels is not None:
        found.append(("training", program.predictions.labels, columns_of(program.predictions.labels.value)))
    if wanted.attributes is not None:
        found.append(("attributes", wanted.attributes, wanted.attributes.columns))
    return [
        {"what": what, "table": source.table.sql, "on": list(source.on), "columns": list(columns)}
        for what, source, columns in found
    ]


def of_table(program: TableProgram) -> Record:
    """Return the row of mlguard._table for a table."""
    return Record(
        {
            "tbl": str(program.table),
            "schema_name": program.table.schema,
            "table_name": program.table.name,
            "key": list(program.key),
            "pii": sorted(program.pii),
            "event_time": program.event_time_text or None,
            "time_zone": program.time_zone,
            "writes": "rows" if program.writes_rows else "bulk",
            "reads": program.reads.value,
            "on_update": program.on_update.value,
            "quarantine_cap": program.quarantine_cap,
            "quarantine_retention": program.quarantine_retention,
            "grain": program.grain,
            "owner": program.owner,
            "consumers": list(program.consumers),
            "window_length": str(program.window),
            "late": program.late,
            "base": str(program.base) if program.base is not None else None,
            "inputs": [str(table) for table in program.inputs],
            "baseline": str(program.baseline),
            "schema_mode": program.schema_mode,
            "importance": json.dumps({name: float(weight) for name, weight in sorted(program.importance.items())}),
            "judges_batches": judges_batches(program),
            "batch_column": program.batch_column,
            "recount": recount_name(program) or None,
            "sampler": sampler_name(program) or None,
            "event_sql": event_sql(program),
            "missing": json.dumps(missing_words(program)),
            **_of_predictions(program.predictions),
            "joins": json.dumps(_joins(program)),
        }
    )


def _of_predictions(predictions: Predictions | None) -> dict[str, Any]:
    predictions = predictions or Predictions(model="")
    return {
        "model": predictions.model or None,
        "version_column": predictions.version_column,
        "approval": predictions.approval,
        "features": [str(table) for table in predictions.features],
        "when_features_held": predictions.when_features_held,
    }
