"""A learner as plain data and back: what JSON can hold, so that a backtest can stop and go on."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlguard.learn.learner import Learner
from mlguard.learn.pairs import Rule
from mlguard.learn.profile import numeric
from mlguard.learn.sample import Column
from mlguard.learn.scope import Scope, scope_of
from mlguard.learn.seen import Seen
from mlguard.learn.series import Series
from mlguard.learn.vocabulary import Vocabulary

VERSION = 1


def dump(learner: Learner) -> dict[str, Any]:
    """Everything a learner knows, as dicts, lists, texts, numbers and None."""
    memory, history = learner.memory, learner.history
    scales = None
    if history is not None:
        scales = [[*series, scale] for series, scale in zip(history.series, history.scale.tolist(), strict=True)]
    return {
        "version": VERSION,
        "sensitivity": learner.sensitivity,
        "observed": memory.observed,
        "texts": {name: vocabulary.listed() for name, vocabulary in memory.vocabularies.items()},
        "values": {name: _dump_seen(seen) for name, seen in memory.values.items()},
        "shapes": {name: _dump_seen(seen) for name, seen in memory.shapes.items()},
        "rules": [_dump_rule(rule) for rule in memory.rules],
        "scopes": [_dump_scope(scope) for scope in memory.scopes],
        "series": [list(series) for series in learner.series],
        "past": [_dump_column(row) for row in learner.values],
        "rows": [list(row) for row in learner.rows],
        "scales": scales,
    }


def load(state: dict[str, Any]) -> Learner:
    """The learner that `dump` was given.

    Raises:
        ValueError: the state was written by another version.
    """
    if state.get("version") != VERSION:
        raise ValueError(
            f"a learner's state of version {state.get('version')} cannot be read; this is version {VERSION}"
        )
    learner = Learner(state["sensitivity"])
    memory = learner.memory
    memory.observed = state["observed"]
    memory.vocabularies = {name: Vocabulary(listed) for name, listed in state["texts"].items()}
    memory.values = {name: Seen(**seen) for name, seen in state["values"].items()}
    memory.shapes = {name: Seen(**seen) for name, seen in state["shapes"].items()}
    memory.rules = [_load_rule(rule) for rule in state["rules"]]
    memory.scopes.extend(_load_scope(scope) for scope in state["scopes"])
    learner.series = {Series(*names): i for i, names in enumerate(state["series"])}
    learner.values = np.array([_floats(row) for row in state["past"]]).reshape(len(state["past"]), len(learner.series))
    learner.rows = [(n, k, slot) for n, k, slot in state["rows"]]
    if state["scales"] is not None:
        learner.rebuild({Series(*names): scale for *names, scale in state["scales"]})
    return learner


def _dump_seen(seen: Seen) -> dict[str, Any]:
    return {"values": seen.listed(), "full": seen.full}


def _dump_rule(rule: Rule) -> dict[str, Any]:
    bins = None if rule.bins is None else [[numeric(column), _dump_column(column)] for column in rule.bins]
    return {"series": list(rule.series), "seen": _dump_seen(rule.seen), "bins": bins}


def _load_rule(state: dict[str, Any]) -> Rule:
    bins = None
    if state["bins"] is not None:
        first, second = (_load_column(is_number, values) for is_number, values in state["bins"])
        bins = first, second
    return Rule(Series(*state["series"]), seen=Seen(**state["seen"]), bins=bins)


def _dump_scope(scope: Scope) -> dict[str, Any]:
    return {
        "n": scope.n,
        "slot": scope.slot,
        "positions": None if scope.positions is None else scope.positions.tolist(),
        "columns": {name: [numeric(column), _dump_column(column)] for name, column in scope.columns.items()},
    }


def _load_scope(state: dict[str, Any]) -> Scope:
    positions = None if state["positions"] is None else np.array(state["positions"], dtype=np.int64)
    columns = {name: _load_column(is_number, values) for name, (is_number, values) in state["columns"].items()}
    return scope_of(state["n"], state["slot"], positions, columns)


def _dump_column(column: Column) -> list[Any]:
    """Values of a column; NaN is None and infinities are texts, which JSON has no numbers for."""
    if not numeric(column):
        return list(column.tolist())
    return [None if x != x else str(x) if np.isinf(x) else x for x in column.tolist()]  # noqa: PLR0124 - NaN only


def _load_column(is_number: bool, values: list[Any]) -> Column:
    return np.array(_floats(values)) if is_number else np.array(values, dtype=np.int64)


def _floats(values: list[Any]) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]
