"""docs/slo-file.md lists every key; its tables are made from the models (--force-regen writes them anew)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from mlguard.lang.metrics import COLUMN_SERIES, TABLE_SERIES
from mlguard.spec import columns, models, predictions, project_file, rules
from mlguard.spec.base import Model, Short
from mlguard.spec.values import Baseline

DOCS = Path(__file__).parents[3] / "docs" / "slo-file.md"
MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (
        models.SloFile,
        models.Quarantine,
        models.Example,
        models.SharedFile,
        models.Defaults,
        columns.Column,
        columns.Group,
        columns.Usual,
        rules.Slo,
        rules.Repair,
        predictions.PostStep,
        predictions.Calibration,
        predictions.Normalise,
        predictions.TopK,
        predictions.Dedupe,
        predictions.Attributes,
        predictions.Labels,
        project_file.ProjectFile,
        project_file.Target,
        project_file.Roles,
    )
}
MARKER = re.compile(r"<!-- (keys|names|short forms)(?:: (\w+)([^>]*?))? -->\n\n(?:(?:\||`\w+`, ).*\n)*\n?")
OF_COLUMN = tuple(key for key in columns.Group.model_fields if key in columns.ColumnRules.model_fields)
# The same keys as elsewhere, said in the text beside the table.
ELSEWHERE = {"Group": {*OF_COLUMN, "in"}, "Usual": set(rules.ShortForm.model_fields)}


def key_of(name: str, info: FieldInfo) -> str:
    return info.alias or name


def default_of(info: FieldInfo) -> str:
    default = info.get_default()
    if info.is_required():
        return "required"
    if isinstance(default, Model) or default is None or default in ((), {}, ""):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`[{', '.join(default)}]`"
    if isinstance(default, Baseline):
        return f"`{default.kind} {default.length}`"
    return f"`{default}`"


def table(model: type[Model], keys: list[str]) -> str:
    fields = {key_of(name, info): info for name, info in model.model_fields.items()}
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key in keys or fields:
        meaning = (fields[key].description or "").replace("|", r"\|").replace("<", r"\<")
        rows.append(f"| `{key}` | {default_of(fields[key])} | {meaning} |")
    return "\n".join(rows) + "\n"


def short_forms() -> str:
    rows = ["| rule | key of its value |", "|---|---|"]
    for model in (columns.ColumnRules, models.SloFile):
        for name, info in model.model_fields.items():
            short = next((each for each in _metadata(info) if isinstance(each, Short)), None)
            if short is not None:
                rows.append(f"| `{key_of(name, info)}` | `{short.key}` |")
    return "\n".join(dict.fromkeys(rows)) + "\n"  # `usual` stands under columns and files


def _metadata(info: FieldInfo) -> list[object]:
    found = list(info.metadata)
    for argument in getattr(info.annotation, "__args__", ()):
        found += getattr(argument, "__metadata__", ())
    return found


def rendered(match: re.Match[str]) -> str:
    kind, name, keys = match[1], match[2], (match[3] or "").split()
    if kind == "keys":
        body = table(MODELS[name], keys)
    elif kind == "names":
        body = ", ".join(f"`{key_of(*each)}`" for each in MODELS[name].model_fields.items()) + "\n"
    else:
        body = short_forms()
    head = match.group().split("-->")[0] + "-->"
    return f"{head}\n\n{body}\n"


def test_tables_are_those_of_the_models(request: pytest.FixtureRequest) -> None:
    text = DOCS.read_text()
    wanted = MARKER.sub(rendered, text)
    if request.config.getoption("force_regen"):
        DOCS.write_text(wanted.rstrip("\n") + "\n")
    assert text == wanted.rstrip("\n") + "\n"


@pytest.mark.parametrize("name", MODELS)
def test_every_key_is_listed(name: str) -> None:
    listed: set[str] = set(ELSEWHERE.get(name, ()))
    for match in MARKER.finditer(DOCS.read_text()):
        if match[2] == name:
            listed |= set(re.findall(r"`(\w+)`", match.group()) if match[1] == "names" else _first_cells(match.group()))
    keys = {key_of(*each) for each in MODELS[name].model_fields.items()}
    assert keys <= listed


def _first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_every_key_has_a_description() -> None:
    for model in (*MODELS.values(), *rules.ShortForm.__subclasses__()):
        for name, info in model.model_fields.items():
            assert info.description, f"{model.__name__}.{name}"
            assert len(info.description) <= 140


def test_every_learned_series_is_named() -> None:
    told = DOCS.read_text().partition("### Learned health")[2].partition("### Missing values")[0]
    for name in (*COLUMN_SERIES, *TABLE_SERIES):
        assert f"`{name}`" in told, name
    assert set(re.findall(r"`(\w+_rate)`", told)) <= {*COLUMN_SERIES, *TABLE_SERIES}
