"""What the emitters of post-prediction steps share: names of their functions and settings, which columns they write."""

from __future__ import annotations

import json
from dataclasses import replace

from mlguard.emit import inputs
from mlguard.lang.spell import spelled
from mlguard.lang.tree import Column
from mlguard.lang.types import UNKNOWN, Kind
from mlguard.names import digest, fit, quote_ident
from mlguard.program import Predictions, Repair, Step, TableProgram

_NONE = Predictions(model="")
NOT_HASHABLE = frozenset({Kind.JSON, Kind.OTHER, Kind.UNKNOWN, Kind.ARRAY})


def of(program: TableProgram) -> Predictions:
    """Return the table's steps that run before a row lands, with the rest of what makes it a prediction table.

    A column whose own value `raw:` keeps, and which only COMMIT changes, is a step's all the same: one that leaves it.
    """
    found = program.predictions or _NONE
    steps = [step for step in found.steps if not step.at_commit]
    written = {name for step in steps for name in step.targets}
    for step in found.steps:
        for name in step.scales:
            column = program.shape.column(name)
            if name in found.raw and name not in written:
                written.add(name)
                left = Repair(name, Column(column.type if column else UNKNOWN, name))
                steps.append(Step(step.name, "keep", sets=(left,), total=True))
    return replace(found, steps=tuple(steps))


def has_steps(program: TableProgram) -> bool:
    """Say whether rows pass through steps before they land."""
    return bool(of(program).steps)


def routes(program: TableProgram) -> bool:
    """Say whether a step withholds rows until a person decides."""
    return any(step.kind == "route" for step in of(program).steps)


def stepped(program: TableProgram) -> tuple[str, ...]:
    """Return the columns that steps write, in order of their first step."""
    return tuple(dict.fromkeys(name for step in of(program).steps for name in step.targets))


def unique_key(program: TableProgram) -> bool:
    """Say whether the key finds a stored row by a unique index."""
    return bool(program.key) and any(set(found) <= set(program.key) for found in program.shape.unique)


def values_hash(program: TableProgram, row: str) -> str:
    """Return a hash of the values that steps may have set in a row; the key and its transaction say which row."""
    kinds = {column.name: column.type.kind for column in program.shape.columns}
    later = inputs.restored(program)  # filled after the steps
    columns = [name for name in dict.fromkeys((*stepped(program), *of(program).raw.values())) if name not in later]
    values = [f"{row}.{quote_ident(name)}" + "::text" * (kinds.get(name) in NOT_HASHABLE) for name in columns]
    return f"hash_record_extended(row({', '.join(values)}), 0)::text" if values else "'0'"


def function(program: TableProgram, what: str) -> str:
    """Return the qualified name of a function of the steps."""
    return f"mlguard.{quote_ident(fit(f'post {program.table} {what}'))}"


def both(program: TableProgram) -> str:
    """Return the setting that says a statement may both insert and update: ON CONFLICT DO UPDATE, MERGE."""
    return _setting(program, "both")


def memo(program: TableProgram) -> str:
    """Return the setting that carries a signed note from one row trigger to the next."""
    return _setting(program, "memo")


def lines_mark(program: TableProgram) -> str:
    """Return the setting with the number of the statement's first line in the change log."""
    return _setting(program, "lines")


def routed_mark(program: TableProgram) -> str:
    """Return the setting with the number of the statement's first review."""
    return _setting(program, "routed")


def _setting(program: TableProgram, what: str) -> str:
    return f"mlguard.post_{what}_{digest(str(program.table))[:12]}"


def step_set(program: TableProgram) -> tuple[str, str]:
    """Return (hash, JSON) of the whole set of steps, those judged at COMMIT included."""
    steps = program.predictions.steps if program.predictions is not None else ()
    raw = dict(of(program).raw)
    said = [
        {
            "name": step.name,
            "kind": step.kind,
            "when": spelled(step.when) if step.when is not None else None,
            "set": {item.column: spelled(item.value) for item in step.sets},
            "points": str(step.points) if step.points is not None else None,
            "on_error": step.on_error,
            "by": list(step.by),
            "order": step.order or None,
            "k": step.k or None,
        }
        for step in steps
    ]
    text = json.dumps([{key: value for key, value in step.items() if value} for step in said], ensure_ascii=False)
    return digest(text, json.dumps(raw)), text
