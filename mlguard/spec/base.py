"""What every model of the YAML surface shares: strictness, faults with places, short forms. Knows no key of a file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

KeyPath = tuple[str | int, ...]
FAULT = "mlguard_fault"
FAULTS = "mlguard_faults"


@dataclass(frozen=True)
class Fault:
    """Something wrong inside one model: what, at which path under it, what to do, and whether the key is to blame."""

    message: str
    path: KeyPath = ()
    help: str = ""
    at_key: bool = False


def refuse(message: str, help: str = "") -> PydanticCustomError:
    """Return the error by which a reader of one value refuses it."""
    return PydanticCustomError(FAULT, "{message}", {"message": encodable(message), "help": encodable(help)})


def encodable(text: str) -> str:
    """Return the text with halves of surrogate pairs written out: they are no characters, and cannot be printed."""
    return text.encode("utf-8", "backslashreplace").decode()


class Model(BaseModel):
    """Base of all models: frozen, strict, no unknown keys; YAML keys are the aliases where Python reserves the word."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    def faults(self) -> Iterator[Fault]:
        """Yield what is wrong between keys that are each right by themselves."""
        return iter(())

    @model_validator(mode="after")
    def _no_faults(self) -> Model:
        if found := tuple(self.faults()):
            text = "; ".join(fault.message for fault in found)
            raise PydanticCustomError(FAULTS, "{text}", {"text": encodable(text), "faults": found})
        return self

    def was_set(self, name: str) -> bool:
        """Tell whether the file (or what it includes, or the defaults) says this field, by its Python name."""
        return name in self.model_fields_set


@dataclass(frozen=True)
class Short:
    """Marks a field that may be written as its bare value; `key` is the key the value then belongs to."""

    key: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.expand, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long = handler(schema)
        value = dict(handler.resolve_ref_schema(long)["properties"][self.key])
        value.pop("description", None)
        value.pop("default", None)
        return {"anyOf": [value, long]}

    def expand(self, value: Any) -> Any:
        """Turn the bare value into the mapping it stands for."""
        return value if isinstance(value, (dict, BaseModel)) else {self.key: value}


def nearest(word: str, legal: Iterable[str]) -> str | None:
    """Return the legal word a person most likely meant, if one is near."""
    known = {each.lower(): each for each in legal}
    folded = word.lower().replace("-", "_").replace(" ", "_")
    if folded in known:
        return known[folded]
    found = difflib.get_close_matches(folded, known, n=1, cutoff=0.6)
    return known[found[0]] if found else None
