"""The JSON Schema in the repository is that of the models, and agrees with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # its stubs are a package of their own

from mlguard.spec.schema import Which, export
from mlguard.spec.source import Source, read_source
from mlguard.spec.yaml_nodes import Items, Node, Pairs, compose

HERE = Path(__file__).parent
SCHEMA = Path(__file__).parents[3] / "schema"
WHICH: tuple[Which, ...] = ("slo", "project", "shared")
# What only the loader can see: YAML itself, keys that depend on one another, names that must exist or differ.
ONLY_LOADER = {
    "aliases", "colon_in_value", "comma_splits_check", "duplicate_keys", "duplicate_slos", "hash_cuts_check",
    "hash_cuts_where", "include_broken", "include_circle", "keys_that_are_no_names", "merge_of_text",
    "quoted_start", "repeated_key_column", "segments", "table_too_long", "times_of_day",
    "times_of_day_zone", "times_of_day_zone_name", "unique_quarantine", "yaml_1_1",
}  # fmt: skip


def as_json(node: Node) -> Any:
    if isinstance(node, Pairs):
        return {name: as_json(entry.value) for name, entry in node.entries.items()}
    if isinstance(node, Items):
        return [as_json(item) for item in node.items]
    if node.kind == "number":
        number = node.number
        return number if number is None else int(number) if number == number.to_integral_value() else float(number)
    return {"null": None, "boolean": node.text.lower() == "true"}.get(node.kind, node.text)


@pytest.mark.parametrize("which", WHICH)
def test_checked_in_schema_is_the_exported_one(which: Which, request: pytest.FixtureRequest) -> None:
    path = SCHEMA / f"{which}-v1.schema.json"
    if request.config.getoption("force_regen"):
        path.write_text(export(which))
    assert path.read_text() == export(which)
    Draft202012Validator.check_schema(json.loads(export(which)))


@pytest.mark.parametrize(
    "path", sorted((HERE / "good").glob("*.yaml")) + sorted((HERE / "bad").glob("*.yaml")), ids=lambda p: p.stem
)
def test_schema_and_loader_agree(path: Path) -> None:
    source = read_source(path, path.name)
    root = compose(source)[0] if isinstance(source, Source) else None
    if root is None:
        return  # no YAML, so nothing a schema could judge
    is_valid = Draft202012Validator(json.loads(export())).is_valid(as_json(root))
    assert is_valid == (path.parent.name == "good" or path.name.removesuffix(".slo.yaml") in ONLY_LOADER)


def test_every_key_has_a_description() -> None:
    def described(schema: Any, path: str) -> None:
        for key, value in schema.get("properties", {}).items():
            assert "description" in value, f"{path}.{key}"

    for which in WHICH:
        schema = json.loads(export(which))
        described(schema, which)
        for name, definition in schema["$defs"].items():
            described(definition, name)
