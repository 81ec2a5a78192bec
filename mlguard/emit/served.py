"""The served view of a table of predictions, and the triggers that ask which version wrote a row. Pure.

The view shows what customers may see: the champion's rows, while the gate is open. A row is there for readers once its
transaction has committed, and COMMIT judges it: a batch that was refused is not there, one that holds closes the gate.
"""

from __future__ import annotations

from mlguard.emit import gate, inputs, memory
from mlguard.emit.buckets import event_time
from mlguard.emit.objects import DbObject, Kind, Statement, comment, function, indent
from mlguard.emit.rules import literal, one_line
from mlguard.emit.triggers import trigger, trigger_function
from mlguard.lang.types import Kind as TypeKind
from mlguard.names import TableName, fit, quote_ident
from mlguard.program import Predictions, Reads, TableProgram

WRITING = "('approved', 'champion', 'challenger')"  # states in which a version may write where approval is required
COUNTS = "says which version of the model wrote how much, and on which inputs"
APPROVES = "only approved versions of the model may write"
WHOLE = (TypeKind.INT2, TypeKind.INT4, TypeKind.INT8)
# BEFORE ROW triggers fire by name: after the post-prediction steps, on the row as it will land.
CHANGED_TRIGGER = "zz_mlguard_version"


def objects(program: TableProgram) -> list[DbObject]:
    """Return the view and the triggers, none where the table is not one of predictions."""
    predictions = program.predictions
    if predictions is None:
        return []
    made = [*inputs.objects(program), *_written(program, predictions)]
    if predictions.approval:
        made += _changed(program, predictions)
    if shows(program):
        made.append(_view(program, predictions))
    return made


def shows(program: TableProgram) -> bool:
    """Say whether the table has a served view: it needs to know versions.

    A table with policies has none: the view would read as its owner, past the policies of who reads.
    """
    predictions = program.predictions
    return predictions is not None and predictions.version_column is not None and program.reads is not Reads.POLICY


def view_name(table: TableName) -> TableName:
    """Return the name of the served view."""
    return TableName(table.schema, fit(f"{table.name}_served"))


def conditions(program: TableProgram) -> list[str]:
    """Return what must hold for a row `t` to be served: what holds for every reader, and that the champion wrote it."""
    assert program.predictions is not None
    return [*gate.conditions(program), _champion(program, program.predictions)]


def _champion(program: TableProgram, predictions: Predictions) -> str:
    """Return the condition that the champion wrote the row; on whole numbers and text an index can serve it.

    The subquery does not depend on the row: a statement asks once, and all its rows are of one champion.
    """
    assert predictions.version_column is not None
    column = f"t.{quote_ident(predictions.version_column)}"
    shape = program.shape.column(predictions.version_column)
    version = "m.version"
    if shape is not None and shape.type.kind in WHOLE:
        version = "case when m.version ~ '^-?[0-9]{1,18}$' then m.version::bigint end"
    elif shape is None or shape.type.kind is not TypeKind.TEXT:
        column += "::text"
    return (
        f"{column} = (\n    select {version}\n    from mlguard._model_version as m\n"
        f"    where m.model = {literal(predictions.model)} and m.state = 'champion'\n  )"
    )


def _view(program: TableProgram, predictions: Predictions) -> DbObject:
    view = view_name(program.table)
    where = gate.AND.join(conditions(program))
    made = (
        f"create or replace view {view.sql} as\nselect\n{gate.columns_sql(program)}\n{gate.source(program)}\n"
        f"where {where}"
    )
    grants = [Statement(gate.grant_if_role(view, role)) for role in dict.fromkeys((gate.TASK_ROLE, *program.revoke))]
    slos = (str(program.table),)
    return DbObject(
        table=program.table,
        on=view,
        kind=Kind.VIEW,
        name=str(view),
        slos=slos,
        create=(Statement(made), *grants, Statement(comment(f"view {view.sql}", program.table, slos, made))),
        drop=(f"drop view if exists {view.sql}",),
        why=f"customers see what the champion of {one_line(predictions.model)} predicts, through the gate",
        replaces_in_place=True,
    )


def _version(predictions: Predictions, row: str) -> str:
    """Return the version of a row as text, empty where it names none."""
    if predictions.version_column is None:
        return "''"
    return f"coalesce({row}.{quote_ident(predictions.version_column)}::text, '')"


def _may_write(predictions: Predictions, version: str) -> str:
    return (
        f"exists (\n  select from mlguard._model_version as m\n  where m.model = {literal(predictions.model)}"
        f" and m.version = {version}\n    and m.state in {WRITING}\n)"
    )


def _refuse(program: TableProgram, predictions: Predictions, version: str) -> str:
    return (
        f"perform mlguard.refuse_version_v1({literal(str(program.table))}, {literal(predictions.model)},"
        f" nullif({version}, ''));"
    )


_LINE = "insert into mlguard._prediction_line (tbl, model, version, n, first_event, last_event, inputs, held)"


def _inputs(program: TableProgram) -> str:
    """Return the states of the inputs' gates, and whether one is held."""
    held = f"{memory.got(program, memory.INPUTS)} = {memory.HELD}" if inputs.remembers(program) else "false"
    return f"substr(_inputs, 2)::jsonb, {held}"


def _of_one(program: TableProgram, predictions: Predictions) -> str:
    """Return what is done for a statement of one version: nothing is grouped, which is what a single row pays for."""
    put = (
        f"{_LINE}\nselect {literal(str(program.table))}, {literal(predictions.model)}, _one, _n, _first, _last,\n"
        f"  {_inputs(program)}"
    )
    if not predictions.approval:
        return f"{put};"
    allowed = _may_write(predictions, "_one")
    return f"{put}\nwhere {allowed};\nif not found then\n  {_refuse(program, predictions, '_one')}\nend if;"


def _of_several(program: TableProgram, predictions: Predictions, times: tuple[str, str]) -> str:
    """Return what is done for a statement of several versions: they are grouped; one that may not write is named."""
    used = (
        f"select {_version(predictions, 'r')} as version,\n  count(*) as n,\n  {times[0]} as first_event,\n"
        f"  {times[1]} as last_event\nfrom new_rows as r\ngroup by 1"
    )
    put = (
        f"{_LINE}\nselect {literal(str(program.table))}, {literal(predictions.model)}, u.version, u.n, u.first_event,"
        f" u.last_event,\n  {_inputs(program)}\nfrom used as u"
    )
    if not predictions.approval:
        return f"with used as (\n{indent(used)}\n)\n{put};"
    wrong = f"not {indent(_may_write(predictions, 'u.version')).lstrip()}"
    chosen = f"select u.version\n  into _one\n  from used as u\n  where {wrong}\n  limit 1;"
    return (
        f"with used as (\n{indent(used)}\n), put as (\n{indent(put)}\n)\n{chosen}\n"
        f"if found then\n  {_refuse(program, predictions, '_one')}\nend if;"
    )


def _written(program: TableProgram, predictions: Predictions) -> list[DbObject]:
    """Return the triggers that note, once a statement, which version wrote how many rows; unapproved ones are refused.

    Judged are the versions of the statement, not its rows. An UPDATE that no INSERT belongs to mends rows: it is not
    counted as predictions, and its rows keep the right to be there. An upsert or MERGE, which fires both events in
    one statement, writes predictions with both.
    """
    name = f"mlguard.{quote_ident(fit(f'predicted {program.table}'))}"
    slos = (str(program.table),)
    setting = literal(inputs.setting(program))
    times = ("null::timestamptz", "null::timestamptz")
    if program.event_time is not None:
        at = event_time(program, "r")
        times = (f"min({at})", f"max({at})")
    declare = [
        f"_inputs text := coalesce(current_setting({setting}, true), '')",
        "_one text",
        "_other text",
        "_n bigint",
        "_first timestamptz",
        "_last timestamptz",
    ]
    alone = "elsif _inputs = '' then  -- no INSERT belongs to this UPDATE\n  return null;"
    version = _version(predictions, "r")
    found_out = (
        f'select min({version} collate "C"),\n  max({version} collate "C"),\n  count(*),\n'
        f"  {times[0]},\n  {times[1]}\n  into _one, _other, _n, _first, _last\n  from new_rows as r;"
    )
    noted = (
        "if _one = _other then  -- a statement is mostly of one version; where it wrote no row, both are null\n"
        f"{indent(_of_one(program, predictions))}\nelsif _n > 0 then\n"
        f"{indent(_of_several(program, predictions, times))}\nend if;\nreturn null;"
    )
    body = [
        f"if TG_OP = 'INSERT' then\n  perform set_config({setting}, '', true);\n{alone}\nend if;",
        "if _inputs = '' then\n  _inputs := 'o{}';\nend if;",
        found_out,
        noted,
    ]
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp",
        about=f"{one_line(str(program.table))}, once a statement: which versions of {one_line(predictions.model)}"
        " wrote how many rows.",
        declare=tuple(declare),
        body=indent("\n".join(body)),
    )
    why = f"{COUNTS}; {APPROVES}" if predictions.approval else COUNTS
    found = [trigger_function(program, name, made, slos, why)]
    for relation in (program.table, *program.shape.partitions):
        for event in ("insert", "update"):
            rest = (
                f"after {event} on {relation.sql}\nreferencing new table as new_rows\nfor each statement\n"
                f"execute function {name}()"
            )
            found.append(trigger(program, relation, f"zz_mlguard_predicted_{event}", rest, slos, why))
    return found


def _changed(program: TableProgram, predictions: Predictions) -> list[DbObject]:
    """Return the trigger for UPDATEs that give a row another version: that version must be approved too."""
    assert predictions.version_column is not None
    name = f"mlguard.{quote_ident(fit(f'version of {program.table}'))}"
    slos = (str(program.table),)
    column = quote_ident(predictions.version_column)
    version = _version(predictions, "NEW")
    body = (
        f"if not {_may_write(predictions, version)} then\n  {_refuse(program, predictions, version)}\nend if;\n"
        "return NEW;"
    )
    made = function(
        f"{name}()",
        returns="trigger",
        attributes="security definer\nset search_path = pg_catalog, pg_temp",
        about=f"{one_line(str(program.table))}, called for a row that is given another version.",
        declare=(),
        body=indent(body),
    )
    rest = (
        f"before update on {program.table.sql}\nfor each row\n"
        f"when (OLD.{column} is distinct from NEW.{column})\nexecute function {name}()"
    )
    return [
        trigger_function(program, name, made, slos, APPROVES),
        trigger(program, program.table, CHANGED_TRIGGER, rest, slos, APPROVES),
    ]
