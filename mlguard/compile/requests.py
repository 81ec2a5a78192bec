"""Steps over the rows of a request, judged at COMMIT → Steps. Pure.

All of a table's are about one request: the columns that group rows in one of them are among those of every other, so
that the rows COMMIT has to read are those of the requests that the transaction touched.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlguard.compile.draft import Path, Scene
from mlguard.compile.targets import KEY_KINDS, number
from mlguard.emit.pg_guard import guard
from mlguard.lang.tree import Expr
from mlguard.lang.types import FLOATS, Kind
from mlguard.program import Step
from mlguard.spec.models import SloFile
from mlguard.spec.predictions import PostStep

_ORDERED = KEY_KINDS | FLOATS | {Kind.UNKNOWN}
_GROUPED = KEY_KINDS | {Kind.UNKNOWN}


def over_request(said: PostStep, when: Expr | None, file: SloFile, scene: Scene, path: Path) -> Iterator[Step]:
    """Yield the step, unless a fault is noted.

    Args:
        said: a step with `top_k`, `dedupe`, or `normalise` with `by`.
        when: its condition.
        file: the SLO file.
        scene: where faults are noted.
        path: of the step in the file.
    """
    by = _by(said)
    at: Path = (*path, said.kind)
    if not file.key:
        scene.fault(f"{said.kind} over a request needs to know which row is which", at, "add key: [<columns>]")
        return
    if when is not None and guard(when, None, scene.time_zone).whole is not None:
        scene.fault(
            "this condition can err, and at COMMIT no single row can be kept out",
            (*path, "when"),
            "compare columns as they are, or set a column in a step before and ask for that",
        )
        return
    ranked = said.top_k or said.dedupe
    names = (ranked.order,) if ranked else said.normalise.columns if said.normalise else ()
    if len(names) != 1:
        scene.fault("over a request one column is normalised at a time", at, "write a step for each column")
        return
    good = [_column(name, _GROUPED, "groups rows", scene, (*at, "by", index)) for index, name in enumerate(by)]
    if said.kind == "normalise":
        good.append(number(names[0], "normalise", scene, (*at, "columns", 0), floats=True) is not None)
        if good[-1] and names[0] in by:
            scene.fault(f"{names[0]} names the request and cannot be changed", (*at, "columns", 0))
            return
    else:
        good.append(_column(names[0], _ORDERED, "ranks rows", scene, (*at, "order")))
    if all(good):
        k = said.top_k.k if said.top_k is not None else 0
        yield Step(said.name, said.kind, when, by=by, order=names[0], k=k)


def judge_nested(file: SloFile, scene: Scene) -> None:
    """Refuse steps that are not all about the same request."""
    found = [(index, said, _by(said)) for index, said in enumerate(file.post) if _over_request(said)]
    if not found:
        return
    request = min((by for _, _, by in found), key=len)
    for index, said, by in found:
        if not set(request) <= set(by):
            scene.fault(
                f"rows are grouped by {', '.join(by)} here and by {', '.join(request)} in another step",
                ("post", index, said.kind, "by"),
                f"steps at COMMIT are about one request: name {', '.join(request)} in each `by`",
            )


def _over_request(said: PostStep) -> bool:
    return said.kind in ("top_k", "dedupe") or bool(said.normalise and said.normalise.by)


def _by(said: PostStep) -> tuple[str, ...]:
    of = said.top_k or said.dedupe or said.normalise
    assert of is not None
    return tuple(of.by)


def _column(name: str, kinds: frozenset[Kind], does: str, scene: Scene, path: Path) -> bool:
    """Say whether the column is there and of a type that serves; faults are noted."""
    shape = scene.shape.column(name)
    if shape is None:
        if not scene.shape.declared:
            scene.fault(f"no column `{name}` in {scene.table}", path, scene.nearest(name))
        return scene.shape.declared
    if shape.virtual:
        scene.fault(f"{name} is generated when it is read, and a trigger sees NULL in its place", path)
        return False
    if shape.type.kind not in kinds:
        scene.fault(f"{name} is {shape.type}, and no column of that type {does}", path, "use another column")
        return False
    return True
