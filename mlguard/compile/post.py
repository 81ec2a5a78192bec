"""The steps under `post:` and the columns under `raw:` → Steps: typed against the table, refused in words. Pure.

Every step becomes a condition and assignments: a clamp, for one, assigns where a value lies outside. So there is one
way in which steps are emitted, logged and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from mlguard.compile.draft import Path, Scene
from mlguard.compile.lookups import column_there
from mlguard.compile.make import scope_of
from mlguard.compile.repair import clamp
from mlguard.compile.requests import judge_nested, over_request
from mlguard.compile.shorts import literal
from mlguard.compile.targets import KEY_KINDS, number, writable
from mlguard.lang import ExpressionError, compile_row, compile_value
from mlguard.lang.analyse import columns_of
from mlguard.lang.tree import Case, Column, Expr, Logical
from mlguard.lang.types import BOOL, FLOATS, UNKNOWN, Kind
from mlguard.names import quote_ident
from mlguard.program import Points, Repair, Step
from mlguard.spec.models import SloFile
from mlguard.spec.predictions import Calibration, PostStep

_WORDS = re.compile(r"[A-Za-z_][\w-]*")


def steps_of(file: SloFile, scene: Scene) -> tuple[Step, ...]:
    """Return the steps in file order; a step over several columns is one Step for each condition. Faults are noted."""
    found = [step for index, said in enumerate(file.post) for step in _step(said, file, scene, ("post", index))]
    _judge_together(file, scene)
    judge_nested(file, scene)
    return tuple(found)


def raw_of(file: SloFile, scene: Scene, steps: tuple[Step, ...]) -> dict[str, str]:
    """Return column → column that keeps the model's own value; faults are noted."""
    stepped = {name for step in steps for name in (*step.targets, *step.scales)}
    found: dict[str, str] = {}
    for name, kept in file.raw.items():
        path: Path = ("raw", name)
        if not writable(name, scene, path) or not writable(kept, scene, path):
            continue
        own, other = scene.shape.column(name), scene.shape.column(kept)
        if name not in stepped:
            scene.fault(f"no step changes {name}", path, "remove it, or name a column that a step sets")
        elif kept in stepped or kept in file.raw or kept in found.values():
            scene.fault(
                f"{kept} cannot keep the model's own {name}: it is changed too", path, "use a column of its own"
            )
        elif own and other and own.type != other.type and Kind.UNKNOWN not in (own.type.kind, other.type.kind):
            scene.fault(f"{kept} is {other.type}, {name} is {own.type}", path, "give both columns the same type")
        else:
            found[name] = kept
    return found


def _step(said: PostStep, file: SloFile, scene: Scene, path: Path) -> Iterator[Step]:
    when = _condition(said.when, scene, (*path, "when")) if said.when is not None else None
    if said.when is not None and when is None:
        return
    kind = said.kind
    made: list[tuple[Expr | None, tuple[Repair, ...]]] = []
    match kind:
        case "set":
            values = [_value(name, text, scene, (*path, "set", name)) for name, text in said.set.items()]
            if all(values):
                made.append((None, tuple(item for item in values if item)))
        case "clamp" | "default":
            values_of = said.clamp if kind == "clamp" else said.default
            for name, value in values_of.items():
                made += _bounded(kind, name, value, scene, (*path, kind, name))
        case "round":
            for name, digits in said.round.items():
                made += _rounded(name, digits, scene, (*path, "round", name))
        case "calibrate":
            yield from _calibrated(said, when, scene, path)
            return
        case "normalise":
            assert said.normalise is not None
            if said.normalise.by:
                yield from over_request(said, when, file, scene, path)
                return
            made += _normalised(said.normalise.columns, scene, (*path, "normalise"))
        case "route":
            if _may_route(file, scene, (*path, "route")):
                yield Step(said.name, kind, when, on_error=said.on_error)
            return
        case _:
            yield from over_request(said, when, file, scene, path)
            return
    for own, sets in made:
        yield Step(said.name, kind, _both(when, own), sets, on_error=said.on_error, total=kind == "round")


def _both(when: Expr | None, own: Expr | None) -> Expr | None:
    if when is None or own is None:
        return when or own
    return Logical(BOOL, "and", (when, own))


def _condition(text: str, scene: Scene, path: Path) -> Expr | None:
    try:
        expr = compile_row(text, scope_of(scene))
    except ExpressionError as error:
        scene.expression_fault(error, path)
        return None
    return expr if _readable(expr, scene, path) else None


def _readable(expr: Expr, scene: Scene, path: Path) -> bool:
    for name in columns_of(expr):
        shape = scene.shape.column(name)
        if shape is not None and shape.generated is not None:
            scene.fault(
                f"{name} is generated, and PostgreSQL computes it after BEFORE triggers have run",
                path,
                f"write its expression into the step: {shape.generated}",
            )
            return False
    return True


def _value(name: str, text: str, scene: Scene, path: Path) -> Repair | None:
    if not writable(name, scene, path):
        return None
    shape = scene.shape.column(name)
    try:
        expr = compile_value(text, scope_of(scene), shape.type if shape else None)
    except ExpressionError as error:
        texts = shape is not None and shape.type.kind in (Kind.TEXT, Kind.ENUM)
        if texts and _WORDS.fullmatch(text.strip()):
            error = ExpressionError(
                error.message, error.pos, error.end, f"""text wants its own quotes: {name}: "'{text.strip()}'\""""
            )
        scene.expression_fault(error, path)
        return None
    return Repair(name, expr) if _readable(expr, scene, path) else None


def _bounded(
    kind: str, name: str, value: Any, scene: Scene, path: Path
) -> Iterator[tuple[Expr | None, tuple[Repair, ...]]]:
    """Yield a clamp or a default: the rows it changes, and the new value."""
    it = quote_ident(name)
    if kind == "default":
        shape = scene.shape.column(name)
        if not writable(name, scene, path):
            return
        when, text = f"{it} IS NULL", literal(value, shape.type if shape else UNKNOWN)
    else:
        type_ = number(name, kind, scene, path)
        if type_ is None:
            return
        low, high = value
        tests = [f"{it} < {literal(low, type_)}"] if low is not None else []
        tests += [f"{it} > {literal(high, type_)}"] if high is not None else []
        if type_.kind in FLOATS or type_.kind is Kind.NUMERIC:
            tests.append(f"{it} = 'NaN'")
        when, text = " OR ".join(tests), clamp(name, type_, low, high)
    own = _condition(when, scene, path)
    made = _value(name, text, scene, path)
    if own is not None and made is not None:
        yield own, (made,)


# Above it a double precision number has fewer decimals than are asked for, and scaling it could overflow.
_SCALED_MOST = 15
_MOST_DIGITS = 12


def _rounded(name: str, digits: int, scene: Scene, path: Path) -> Iterator[tuple[Expr | None, tuple[Repair, ...]]]:
    """Yield the nearest number of so many decimals.

    Of double precision the nearest multiple of 10^-digits, ties to the even one, divided once, which gives the double
    that the decimal number itself would give: PostgreSQL's own round() of decimals goes through numeric, which costs
    more than the rest of a step chain together.
    """
    type_ = number(name, "round", scene, path, floats=True)
    if type_ is None:
        return
    if digits > _MOST_DIGITS:
        scene.fault(f"round to {digits} decimals; at most {_MOST_DIGITS}", path)
        return
    it = quote_ident(name)
    if type_.kind is Kind.NUMERIC:
        text = f"round({it}, {digits})"
    else:
        scale = 10**digits
        text = (
            f"CASE WHEN abs({it}) < {10 ** (_SCALED_MOST - digits)} THEN round({it} * {scale}) / {scale} ELSE {it} END"
        )
    made = _value(name, text, scene, path)
    if made is not None:
        yield None, (made,)


def _calibrated(said: PostStep, when: Expr | None, scene: Scene, path: Path) -> Iterator[Step]:
    for name, how in said.calibrate.items():
        at: Path = (*path, "calibrate", name)
        type_ = number(name, "calibrate", scene, at, floats=True)
        if type_ is None:
            continue
        if how.table is not None:
            if type_.kind is not Kind.FLOAT8:
                scene.fault(f"a table of points calibrates double precision; {name} is {type_}", at)
                continue
            assert how.x is not None
            assert how.y is not None
            if not all(column_there(how.table, column, at, scene) for column in (how.x, how.y)):
                continue
            points = Points(name, how.table, how.x, how.y)
            yield Step(said.name, "calibrate", when, points=points, on_error=said.on_error)
            continue
        made = _value(name, _curve(quote_ident(name), how), scene, at)
        if made is not None:
            yield Step(said.name, "calibrate", when, (made,), on_error=said.on_error)


def _curve(it: str, how: Calibration) -> str:
    factors = how.linear or how.logistic
    assert factors is not None
    a, b = factors
    line = f"({a.text}) * {it} + ({b.text})"
    return line if how.linear is not None else f"1 / (1 + exp(-({line})))"


def _normalised(names: tuple[str, ...], scene: Scene, path: Path) -> Iterator[tuple[Expr | None, tuple[Repair, ...]]]:
    if len(names) < 2:
        scene.fault("normalise needs at least two columns of one row", path, "normalise: [p_a, p_b, p_c]")
        return
    if not all(number(name, "normalise", scene, (*path, index), floats=True) for index, name in enumerate(names)):
        return
    total = " + ".join(quote_ident(name) for name in names)
    own = _condition(f"{total} IS NOT NULL", scene, path)
    made = [_value(name, f"{quote_ident(name)} / ({total})", scene, path) for name in names]
    if own is not None and all(made):
        yield None, tuple(Repair(item.column, _guarded(own, item, scene)) for item in made if item is not None)


def _guarded(own: Expr, item: Repair, scene: Scene) -> Expr:
    """Return the new value where all parts are known, else the column as it is."""
    shape = scene.shape.column(item.column)
    return Case(item.value.type, ((own, item.value),), Column(shape.type if shape else UNKNOWN, item.column))


def _may_route(file: SloFile, scene: Scene, path: Path) -> bool:
    if not file.key:
        scene.fault("route: review needs to know which row is withheld", path, "add key: [<columns>]")
        return False
    if not any(set(found) <= set(file.key) for found in scene.shape.unique) and not scene.shape.declared:
        scene.fault(
            f"route: review needs a unique key; {', '.join(file.key)} is not held unique by the table",
            path,
            "add a primary key or a unique constraint",
        )
        return False
    if file.reads != "view":
        scene.fault("route: review withholds rows from the guarded view", path, "use reads: view")
        return False
    for index, name in enumerate(file.key):
        shape = scene.shape.column(name)
        if shape is not None and shape.type.kind not in KEY_KINDS and shape.type.kind is not Kind.UNKNOWN:
            scene.fault(f"rows are not withheld by a key of type {shape.type}", ("key", index), "use another key")
            return False
    return True


def _judge_together(file: SloFile, scene: Scene) -> None:
    written = [column for column in scene.shape.columns if column.cascade]
    if file.post and written and file.quarantine_update != "reject":
        scene.fault(
            f"a foreign key writes {written[0].name} ({written[0].cascade}): keeping such an update out, as an error of"
            " a step would, leaves orphans",
            ("quarantine_update",),
            "use quarantine_update: reject, or change the foreign key to NO ACTION",
        )
