"""From validation errors to problems: in words of YAML, one message a fault, each with its place."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from mlguard.errors import Problem, Where
from mlguard.spec.base import FAULT, FAULTS, Fault, nearest
from mlguard.spec.models import locate, place
from mlguard.spec.readers import wanted
from mlguard.spec.rules import ShortForm
from mlguard.spec.source import shown
from mlguard.spec.yaml_nodes import Node, Pairs

_MAPPINGS = ("model_type", "model_attributes_type", "dict_type", "mapping_type")
_LISTS = ("tuple_type", "list_type")
_KEY = "[key]"


def problems(error: ValidationError, model: type[BaseModel], root: Node) -> Iterator[Problem]:
    """Yield every fault that validation of `root` as `model` found."""
    found = error.errors(include_url=False)
    meant = {
        (*each["loc"][:-1], nearest(str(each["loc"][-1]), legal_keys(model_at(model, each["loc"][:-1]))))
        for each in found
        if each["type"] == "extra_forbidden"
    }
    for each in found:
        path = tuple(each["loc"])
        kind, context = each["type"], each.get("ctx", {})
        if kind == FAULTS:
            for fault in context["faults"]:
                yield _fault(fault, path, root)
        elif kind == FAULT:
            at_key = bool(path) and path[-1] == _KEY
            where = place(root, path[:-1] if at_key else path, key=at_key)
            yield Problem(context["message"], where, context["help"])
        elif kind == "extra_forbidden":
            yield _unknown(str(path[-1]), model_at(model, path[:-1]), place(root, path, key=True))
        elif kind == "missing":
            if path not in meant:  # a misspelt key is one fault, not an unknown and a missing one
                yield _missing(str(path[-1]), model_at(model, path[:-1]), path[:-1], root)
        else:
            yield _wrong_kind(kind, each["input"], place(root, path))


def _wrong_kind(kind: str, value: Any, where: Where) -> Problem:
    if kind not in _MAPPINGS and kind not in _LISTS:
        return Problem("this value cannot stand here", where)
    context = wanted("a mapping" if kind in _MAPPINGS else "a list", value).context or {}
    return Problem(context["message"], where, context["help"])


def _fault(fault: Fault, path: tuple[Any, ...], root: Node) -> Problem:
    return Problem(fault.message, place(root, path + fault.path, key=fault.at_key), fault.help)


def legal_keys(model: type[BaseModel] | None) -> tuple[str, ...]:
    """Return the keys a mapping may have, as they are written."""
    if model is None:
        return ()
    return tuple(info.alias or name for name, info in model.model_fields.items())


def _unknown(key: str, model: type[BaseModel] | None, where: Where) -> Problem:
    legal = legal_keys(model)
    near = nearest(key, legal)
    if key == "name" and model is not None and issubclass(model, ShortForm):
        return Problem(
            "a short form has no `name`", where, "its name is <column>.<rule>; for another, write it under `slos:`"
        )
    known = f"the keys here are {', '.join(legal)}" if legal else ""
    return Problem(f"unknown key `{shown(key)}`", where, f'did you mean "{near}"?' if near else known)


def _missing(key: str, model: type[BaseModel] | None, path: tuple[Any, ...], root: Node) -> Problem:
    help = ""
    for name, info in model.model_fields.items() if model else ():
        if (info.alias or name) == key:
            help = info.description or ""
    node, _ = locate(root, path)
    if isinstance(node, Pairs) and node.entries and not path:
        first = next(iter(node.entries.values())).key
        return Problem(f"`{key}` is missing", first.span.source.where(first.span.start), help)
    return Problem(f"`{key}` is missing", place(root, path), help)


def model_at(model: type[BaseModel], path: Iterable[str | int]) -> type[BaseModel] | None:
    """Return the model that the mapping at `path` is read as."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            found = [info.annotation for name, info in current.model_fields.items() if (info.alias or name) == part]
            current = found[0] if found else None
        else:
            arguments = [each for each in get_args(current) if each is not ...]
            current = arguments[-1] if arguments else None
        current = _bare(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _bare(annotation: Any) -> Any:
    """Strip Annotated and `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            annotation = next(each for each in get_args(annotation) if each is not type(None))
        else:
            return annotation


def without_repeats(found: Iterable[Problem]) -> list[Problem]:
    """Sort by file and place; drop repeats, as files that include one another see the same fault twice."""
    unique = {(problem.where, problem.message): problem for problem in found}
    return sorted(unique.values(), key=lambda problem: (problem.where or Where("", 0, 0), problem.message))
