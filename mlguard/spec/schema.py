"""JSON Schema of SLO files and of mlguard.yaml, for editors; made from the models, checked in under schema/."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from mlguard.spec.models import MODEL_ONLY, SharedFile, SloFile
from mlguard.spec.project_file import ProjectFile

Which = Literal["slo", "project", "shared"]
BASE = "https://raw.githubusercontent.com/mlguard/mlguard/main/schema"
_MODELS: dict[Which, tuple[type, str, str]] = {
    "slo": (SloFile, "slo-v1", "mlguard SLO file"),
    "project": (ProjectFile, "project-v1", "mlguard.yaml"),
    "shared": (SharedFile, "shared-v1", "file that mlguard SLO files include"),
}


class _Generator(GenerateJsonSchema):
    """As pydantic, less what misleads an editor: generated titles, `null` for absent keys, unprintable defaults."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        return {**inner, "default": default} if isinstance(default, (str, int, bool)) and default != "" else inner

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        made.pop("title", None)
        return made


def export(which: Which = "slo") -> str:
    """Return the JSON Schema (draft 2020-12) as text, stable between runs."""
    model, name, title = _MODELS[which]
    made: dict[str, Any] = TypeAdapter(model).json_schema(schema_generator=_Generator, by_alias=True)
    if which == "slo":
        slo = made["$defs"]["Slo"]
        made["dependentRequired"] = {key: ["model"] for key in MODEL_ONLY}
        slo["oneOf"] = [{"required": ["check"]}, {"required": ["assert"]}]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{BASE}/{name}.schema.json",
        "title": title,
    }
    return json.dumps({**head, **made}, indent=2, ensure_ascii=False) + "\n"
