"""Checks over metrics → Rules: over what they are judged, from how many rows on, and what cannot be. Pure."""

from __future__ import annotations

from typing import Any

from mlguard.compile.draft import Draft, Scene
from mlguard.compile.make import scope_of
from mlguard.compile.windows import over_of, size, span_of
from mlguard.lang import ExpressionError, compile_row
from mlguard.lang.analyse import base_metrics, columns_of, history_of, lookups_of, metrics_of
from mlguard.lang.literals import read_interval
from mlguard.lang.metric_calls import LABEL
from mlguard.lang.metrics import LEAST_ROWS, METRICS, Family
from mlguard.lang.tree import Expr, Literal
from mlguard.lang.types import FLOATS, TIMES, Kind
from mlguard.program import Action, ColumnShape, Level, Over, Place, Placement, Span

SHOWS_A_VALUE = frozenset({"min", "max", "median", "quantile"})
_NO_SEGMENT = FLOATS | TIMES | {Kind.INTERVAL, Kind.JSON, Kind.JSONB, Kind.ARRAY, Kind.BYTEA, Kind.OTHER}
_INSTEAD = {
    Action.QUARANTINE: "quarantine keeps single rows out",
    Action.REPAIR: "repair mends single rows",
}


def metric_fields(draft: Draft, scene: Scene, expr: Expr) -> dict[str, Any] | None:
    """Return the fields of the Rule that a check over metrics gives, or None where it has faults (noted)."""
    found = judged_fields(draft, scene)
    if found is None:
        return None
    where = _where(draft, scene)
    named = dict.fromkeys((*columns_of(expr), *(columns_of(where) if where is not None else ())))
    columns = tuple(name for name in named if name not in scene.attributes and not (scene.label and name == LABEL))
    good = where is not None or draft.words.where is None
    good = _no_personal(draft, scene, expr) and good
    good = _no_virtual(draft, scene, (*columns, *draft.words.by)) and good
    good = _history_is_long_enough(draft, scene, expr, found["over"]) and good
    late = needs_labels(expr)
    good = _labels_can_come(draft, scene, found["over"], late=late) and good
    if not good:
        return None
    said = draft.words.min_rows
    return {
        **found,
        "expr": expr,
        "where": where,
        "columns": columns,
        "min_rows": least_rows(expr) if said is None else said,
        **(_matures(scene, found["over"]) if late else {}),
    }


def _matures(scene: Scene, over: Over) -> dict[str, Any]:
    """Return what a rule about labels says otherwise than one about rows."""
    matures, placed = scene.matures, _placement(over, scene)
    waits = f", and its labels had {matures} to arrive" if matures is not None and matures.timedelta else ""
    return {"matures": matures, "placement": Placement(placed.place, placed.reason + waits)}


def needs_labels(expr: Expr) -> bool:
    """Say whether the check is about what labels say, or how many there are."""
    metrics = base_metrics(expr)
    return any(METRICS[metric.name].family is Family.LABELS or metric.name == "label_coverage" for metric in metrics)


def _labels_can_come(draft: Draft, scene: Scene, over: Over, *, late: bool) -> bool:
    if late and over.kind == "batch":
        scene.fault(
            "`over: batch`: a batch is judged at its COMMIT, when no label of it has arrived",
            (*draft.words_path, "over"),
            "write over: 7 days, or another window; it is judged once its labels are mature",
        )
        return False
    return True


def judged_fields(draft: Draft, scene: Scene) -> dict[str, Any] | None:
    """Return what all SLOs over batches and windows share: level, action, place, windows and segments."""
    words = draft.words
    good = _row_words_unsaid(draft, scene)
    over = _over(draft, scene)
    action = words.action or Action.WARN
    if over is None or not _action_fits(draft, scene, action, over):
        return None
    if not (_segments_fit(draft, scene) and good):
        return None
    return {
        "level": Level.BATCH if over.kind == "batch" else Level.WINDOW,
        "action": action,
        "placement": _placement(over, scene),
        "over": over,
        "by": words.by,
        "max_segments": words.max_segments,
        "reopen": words.reopen,
        "waivable": True,
    }


def least_rows(expr: Expr) -> int:
    """Return the number of rows below which a check is not judged: that of its most demanding metric."""
    return max((LEAST_ROWS[METRICS[metric.name].family] for metric in base_metrics(expr)), default=0)


def _over(draft: Draft, scene: Scene) -> Over | None:
    words, path = draft.words, (*draft.words_path, "over")
    said = words.over
    if said is None:
        return over_of(None, sliding=False, scene=scene, path=path)
    if said.kind in ("row", "read"):
        what = "a metric looks at many rows" if said.kind == "row" else "only staleness() is judged when it is read"
        scene.fault(f"`over: {said.kind}`: {what}", path, "write over: batch, window, 1 day, or last 7 days")
        return None
    if said.kind == "batch":
        if "reopen" in words.said:
            scene.fault(
                "`reopen` is for windows; a batch hold ends when the batch's rows are re-judged good",
                (*draft.words_path, "reopen"),
                "remove it",
            )
            return None
        return Over("batch")
    return over_of(said.length, sliding=said.kind == "sliding", scene=scene, path=path)


def _placement(over: Over, scene: Scene) -> Placement:
    if over.kind == "batch" and scene.batch_column is not None:
        return Placement(
            Place.COMMIT, f"over: batch: judged at COMMIT, over all rows of its {scene.batch_column} so far"
        )
    if over.kind == "batch":
        return Placement(Place.COMMIT, "over: batch: judged at COMMIT, over the rows the transaction wrote")
    if over.kind == "sliding":
        return Placement(Place.WINDOW, f"over the {over}: judged by sweep() at the end of every bucket of time")
    return Placement(Place.WINDOW, f"a window of {over}: judged by sweep() once it has closed")


def _row_words_unsaid(draft: Draft, scene: Scene) -> bool:
    words = draft.words
    said = {
        "nulls": (words.nulls_fail, "a metric without a value is FAIL, reason `no values`"),
        "max_bad": (words.max_bad is not None, "write share(<condition>) <= 0.01"),
        "portable": (words.portable, "only a CHECK can be portable"),
    }
    for word, (is_said, help) in said.items():
        if is_said:
            scene.fault(f"`{word}` is for row rules, and this judges metrics", (*draft.words_path, word), help)
    return not any(is_said for is_said, _ in said.values())


def _action_fits(draft: Draft, scene: Scene, action: Action, over: Over) -> bool:
    path = (*draft.words_path, "on_violation")
    if action in _INSTEAD:
        scene.fault(f"a metric cannot {action.value}: {_INSTEAD[action]}", path, "use hold or warn, or a row rule")
    elif action is Action.REJECT and over.kind == "batch" and scene.batch_column is not None:
        scene.fault(
            f"a `{scene.batch_column}` may span transactions, and rows of earlier ones cannot be taken back",
            path,
            "use hold (guarded reads raise until its rows are good); or max_bad on a row rule to refuse a transaction",
        )
    elif action is Action.REJECT and over.kind != "batch":
        scene.fault(
            f"a window of {over.span} cannot reject: its rows landed long ago",
            path,
            "use hold (guarded reads raise), or over: batch to refuse the load itself",
        )
    else:
        return True
    return False


def _segments_fit(draft: Draft, scene: Scene) -> bool:
    before = len(scene.problems)
    for index, name in enumerate(draft.words.by):
        path = (*draft.words_path, "by", index)
        column = scene.shape.column(name)
        if column is None and name in scene.attributes:
            column = ColumnShape(name, scene.attributes[name])
        if column is None:
            if not scene.shape.declared:
                scene.fault(f"no column `{name}` in {scene.table} to segment by", path, scene.nearest(name))
        elif name in scene.pii:
            scene.fault(
                f"{name} is pii, and the values of segments stand in every verdict", path, "segment by a coarser column"
            )
        elif column.type.kind in _NO_SEGMENT:
            scene.fault(
                f"{name} is {column.type}, which has too many values for segments",
                path,
                "add a generated column with few values and segment by it",
            )
        if name in draft.words.by[:index]:
            scene.fault(f"`by` names {name} twice", path, "remove it")
    return len(scene.problems) == before


def _where(draft: Draft, scene: Scene) -> Expr | None:
    if draft.words.where is None:
        return None
    path = (*draft.words_path, "where")
    try:
        where = compile_row(draft.words.where, scope_of(scene))
    except ExpressionError as error:
        scene.expression_fault(error, path)
        return None
    if lookups_of(where):
        scene.fault(
            "the `where` of a metric cannot read another table, whose rows can change before these are deleted",
            path,
            "keep what is needed in a column",
        )
        return None
    return where


def _no_personal(draft: Draft, scene: Scene, expr: Expr) -> bool:
    for metric in metrics_of(expr):
        shown = sorted(set(columns_of(metric)) & scene.pii)
        if metric.name in SHOWS_A_VALUE and shown:
            scene.fault(
                f"{metric.name}({shown[0]}) would show a value of {shown[0]}, which is pii",
                draft.path,
                f"write mean({shown[0]}), coverage({shown[0]}) or share(<condition>)",
            )
            return False
    return True


def _no_virtual(draft: Draft, scene: Scene, columns: tuple[str, ...]) -> bool:
    for name in columns:
        column = scene.shape.column(name)
        if column is not None and column.virtual:
            scene.fault(
                f"{name} is a virtual generated column, which statement triggers see as NULL",
                draft.path,
                "make the column STORED",
            )
            return False
    return True


def _history_is_long_enough(draft: Draft, scene: Scene, expr: Expr, over: Over) -> bool:
    """Refuse a look back in which there can never be the three windows it takes."""
    if over.span is None:
        return True
    for metric in history_of(expr):
        length = metric.args[-1]
        if not isinstance(length, Literal) or not isinstance(length.value, str):
            continue  # usual()
        back = read_interval(length.value)
        longest = size(Span("", back.months, back.days, back.microseconds))
        window = size(over.span) if not over.span.months else over.span.months * 28 * size(Span("", days=1))
        least = window * (3 if over.kind == "calendar" else 1)
        if longest < least:
            holds = longest // window
            scene.fault(
                f"{length.value} is {holds} window{'s' * (holds != 1)} of {over.span}, and {metric.name} takes three",
                draft.path,
                f"write {metric.name}(…, '{_thrice(over.span)}') or longer, or judge shorter windows",
            )
            return False
    return True


def _thrice(span: Span) -> str:
    return span_of(Span("", span.months * 3, span.days * 3, span.microseconds * 3)).text
