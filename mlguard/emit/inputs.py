"""What the gates of a model's input tables do to its predictions: refused, replaced, or let in and marked. Pure.

Asked once a statement, before its first row. What was found travels to the statement's other triggers in a setting of
the transaction that the trigger after the statement clears; while it is set, an INSERT, COPY, upsert or MERGE writes.
Where a held input changes what lands or is noted, that it is held travels in `memory` too: a setting can be overwritten
by the statement itself.
"""

from __future__ import annotations

import json

from mlguard.emit import memory
from mlguard.emit.objects import DbObject, function, indent
from mlguard.emit.rules import key, literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.tree import Column, Expr, Is
from mlguard.names import digest, fit, quote_ident
from mlguard.program import Predictions, Step, TableProgram

BEFORE_TRIGGER = "zz_mlguard_predicting"
# BEFORE ROW triggers fire by name: before the steps (zz_mlguard_before_row), which fill what it empties.
FALLBACK_TRIGGER = "zz_mlguard_a_fallback"
RAW_TRIGGER = "zz_mlguard_raw"  # after them
# Values are kept in full, whatever the writer's session says.
PLAIN = (
    "set extra_float_digits = 1\nset datestyle = 'ISO, YMD'\nset intervalstyle = 'postgres'\nset bytea_output = 'hex'"
)


def objects(program: TableProgram) -> list[DbObject]:
    """Return the triggers before a statement and, with `when_features_held: fallback`, before a row."""
    assert program.predictions is not None
    made = _before(program, program.predictions)
    if remembers(program):
        made.insert(0, memory.memory(program, memory.INPUTS, "whether an input is held", readable=True))
    if program.predictions.features and program.predictions.when_features_held == "fallback":
        made += _fallback(program, program.predictions)
    return made


def remembers(program: TableProgram) -> bool:
    """Say whether predictions may be written while an input is held."""
    predictions = program.predictions
    return predictions is not None and bool(predictions.features) and predictions.when_features_held != "reject"


def setting(program: TableProgram) -> str:
    """Return the name of the setting that is not empty while a statement writes predictions.

    Its value begins with h where an input is held, with o where none is; then follows {table: state of its gate}.
    """
    return f"mlguard.predicting_{digest(str(program.table))}"


def replaced(predictions: Predictions) -> tuple[str, ...]:
    """Return the columns a fallback empties: those that some step fills where they are NULL, in the steps' order."""
    found = (part.column for step in predictions.steps for part in step.sets if _fills(step, part.column))
    return tuple(dict.fromkeys(found))


def restored(program: TableProgram) -> tuple[str, ...]:
    """Return the `raw:` columns that are filled after the steps, with what the model gave while an input was held."""
    predictions = program.predictions
    if predictions is None or not predictions.features or predictions.when_features_held != "fallback":
        return ()
    return tuple(predictions.raw[column] for column in replaced(predictions) if column in predictions.raw)


def _fills(step: Step, column: str) -> bool:
    return step.kind == "default" or (step.when is not None and _asks_null(step.when, column))


def _asks_null(when: Expr, column: str) -> bool:
    match when:
        case Is(operand=Column(name=name), what="null", negated=False):
            return name == column
    return False


def _before(program: TableProgram, predictions: Predictions) -> list[DbObject]:
    name = f"mlguard.{quote_ident(fit(f'before predictions of {program.table}'))}"
    slos = (str(program.table),)
    put = f"perform set_config({literal(setting(program))}, 'o{{}}', true);"
    if predictions.features:
        put = _gates(program, predictions)
    moves = remembers(program) and bool(program.shape.partition_columns)
    if moves:
        # An UPDATE that moves a row to another partition fires the row triggers of INSERT there.
        alone = f"coalesce(current_setting({literal(setting(program))}, true), '') = ''"
        put = (
            f"if TG_OP = 'UPDATE' then\n  if {alone} then\n"
            f"    perform {memory.put(program, memory.INPUTS, str(memory.OPEN))};\n  end if;\n  return null;\nend if;\n"
            f"{put}"
        )
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp",
        about=f"{one_line(str(program.table))}, once a statement, before its first row: the gates of what"
        f" {one_line(predictions.model)} reads.",
        declare=(),
        body=indent(f"{put}\nreturn null;"),
    )
    why = "tells predictions from later changes of their rows"
    if predictions.features:
        why = f"predictions made while an input is held: {predictions.when_features_held}"
    made_objects = [trigger_function(program, name, made, slos, why)]
    for relation in (program.table, *program.shape.partitions):
        rest = f"before insert{' or update' * moves} on {relation.sql}\nfor each statement\nexecute function {name}()"
        made_objects.append(trigger(program, relation, BEFORE_TRIGGER, rest, slos, why))
    return made_objects


def _gates(program: TableProgram, predictions: Predictions) -> str:
    """Return the statements that look at the gates: in line while nothing can close them, by inputs_v1 otherwise."""
    names = [str(table) for table in predictions.features]
    tables = ", ".join(map(literal, names))
    opened = literal("o" + json.dumps(dict.fromkeys(names, "open"), ensure_ascii=False))
    setting_of = literal(setting(program))
    asked = (
        f"mlguard.inputs_v1(\n    {literal(str(program.table))}, array[{tables}],"
        f" {literal(predictions.when_features_held)})"
    )
    remember_open = remember_asked = ""
    if remembers(program):
        remember_open = f"\n  perform {memory.put(program, memory.INPUTS, str(memory.OPEN))};"
        held = f"case left(current_setting({setting_of}, true), 1) when 'h' then {memory.HELD} else {memory.OPEN} end"
        remember_asked = f"\n  perform {memory.put(program, memory.INPUTS, held)};"
    return (
        f"if (select count(*) from mlguard._table as t where t.tbl in ({tables})) = {len(set(names))}\n"
        f"   and not exists (select from mlguard._hold as h where h.tbl in ({tables}) and h.ended_at is null)\n"
        f"   and not exists (select from mlguard._slo as s where s.tbl in ({tables}) and s.level = 'read') then\n"
        f"  perform set_config({setting_of}, {opened}, true);{remember_open}\nelse\n"
        f"  perform set_config({setting_of}, {asked}, true);{remember_asked}\nend if;"
    )


def _fallback(program: TableProgram, predictions: Predictions) -> list[DbObject]:
    """Return the triggers that let a fallback take the place of what the model gave.

    The first, before the steps, empties what they fill; the model's own value goes into the change log, or waits in a
    setting for the second, after the steps, which puts it into the column that `raw:` names: the steps have written
    there what they found.
    """
    slos = (str(program.table),)
    first, second = [], []
    waiting = literal(f"{setting(program)}_raw")
    raw = {column: kept for column in replaced(predictions) if (kept := predictions.raw.get(column)) is not None}
    if raw:
        pairs = ", ".join(f"{literal(column)}, NEW.{quote_ident(column)}" for column in raw)
        first.append(f"perform set_config({waiting}, jsonb_build_object({pairs})::text, true);")
        second = [
            f"NEW.{quote_ident(kept)} := current_setting({waiting}, true)::jsonb ->> {literal(column)};"
            for column, kept in raw.items()
        ]
    for column in replaced(predictions):
        value = f"NEW.{quote_ident(column)}"
        if column not in raw:
            first.append(
                f"perform mlguard.fell_back_v1({literal(str(program.table))}, {key(program, 'NEW', whole=True)},"
                f" {literal(column)}, to_jsonb({value}));"
            )
        first.append(f"{value} := null;")
    about = (
        f"{one_line(str(program.table))}, called for each row while an input of {one_line(predictions.model)} is held:"
    )
    made = []
    for label, name, body, words in (
        ("fallback of", FALLBACK_TRIGGER, first, "what the model gave gives way to the step that stands in for NULL."),
        ("raw of", RAW_TRIGGER, second, "what the model gave is kept, whatever took its place."),
    ):
        if not body:
            continue
        called = f"mlguard.{quote_ident(fit(f'{label} {program.table}'))}"
        text = function(
            f"{called}()",
            returns="trigger",
            attributes=f"security definer\nset search_path = pg_catalog, pg_temp\n{PLAIN}",
            about=f"{about}\n{words}",
            declare=(),
            body=indent("\n".join((*body, "return NEW;"))),
        )
        rest = (
            f"before insert on {program.table.sql}\nfor each row\n"
            f"when ({memory.got(program, memory.INPUTS)} = {memory.HELD})\nexecute function {called}()"
        )
        why = "while an input is held a fallback takes the place of what the model gave"
        made.append(trigger_function(program, called, text, slos, why))
        made.append(trigger(program, program.table, name, rest, slos, why))
    return made
