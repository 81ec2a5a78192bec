"""The types of single values in SLO files, each with its reader and the JSON Schema that editors see."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from mlguard.names import MAX_BYTES, TableName
from mlguard.spec.readers import (
    MAX_SLO_NAME,
    as_bound,
    as_check,
    as_expression,
    as_factor,
    as_flag,
    as_fraction,
    as_json,
    as_label,
    as_list,
    as_metrics,
    as_name,
    as_new_value,
    as_pair,
    as_pii,
    as_positive,
    as_text,
    as_time_zone,
    as_value,
    as_version,
    as_whole,
    one_or_many,
    positive_length,
    reader,
    table_name,
)
from mlguard.spec.values import Amount, Arrival, Baseline, Length, Over, QuietHours, Reference, Share, Value

_STRING = {"type": "string"}


def _number_or_text(pattern: str) -> dict[str, Any]:
    return {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "string", "pattern": pattern}]}


_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_BYTES}
_NAMES_SCHEMA = {"anyOf": [_NAME_SCHEMA, {"type": "array", "items": _NAME_SCHEMA}]}
_TEXTS_SCHEMA = {"anyOf": [_STRING, {"type": "array", "items": _STRING}]}
_TABLE_SCHEMA = {"type": "string", "pattern": r"^[^.]+\.[^.]+$"}
_VALUE_SCHEMA = {"type": ["string", "number", "boolean"]}
_BOUND_SCHEMA = {"type": ["string", "number", "null"]}
_EXPRESSION_SCHEMA = {"type": "string", "pattern": r"\S"}
_LENGTH_SCHEMA = {"type": "string", "pattern": r"\d"}

Text = Annotated[str, BeforeValidator(as_text), WithJsonSchema(_STRING)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(one_or_many), WithJsonSchema(_TEXTS_SCHEMA)]
Name = Annotated[str, BeforeValidator(as_name), WithJsonSchema(_NAME_SCHEMA)]
Names = Annotated[tuple[Name, ...], BeforeValidator(one_or_many), WithJsonSchema(_NAMES_SCHEMA)]
Label = Annotated[
    str, BeforeValidator(as_label), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_SLO_NAME})
]
Expression = Annotated[str, BeforeValidator(as_expression), WithJsonSchema(_EXPRESSION_SCHEMA)]
Check = Annotated[str, BeforeValidator(as_check), WithJsonSchema(_EXPRESSION_SCHEMA)]
NewValue = Annotated[
    str, BeforeValidator(as_new_value), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
Flag = Annotated[bool, BeforeValidator(as_flag)]
Pii = Annotated[bool | Literal["forbid"], BeforeValidator(as_pii), WithJsonSchema({"enum": [True, False, "forbid"]})]
Whole = Annotated[int, BeforeValidator(as_whole), WithJsonSchema({"type": "integer", "minimum": 0})]
Positive = Annotated[int, BeforeValidator(as_positive), WithJsonSchema({"type": "integer", "minimum": 1})]
Fraction = Annotated[
    Decimal, BeforeValidator(as_fraction), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
]
Factor = Annotated[
    Decimal, BeforeValidator(as_factor), WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 100})
]
Literal_ = Annotated[Value, BeforeValidator(as_value), WithJsonSchema(_VALUE_SCHEMA)]
Literals = Annotated[tuple[Literal_, ...], BeforeValidator(as_list)]
Bound = Annotated[Value | None, BeforeValidator(as_bound), WithJsonSchema(_BOUND_SCHEMA)]
Bounds = Annotated[
    tuple[Bound, Bound],
    BeforeValidator(as_pair),
    WithJsonSchema({"type": "array", "items": _BOUND_SCHEMA, "minItems": 2, "maxItems": 2}),
]
Factors = Annotated[
    tuple[Literal_, Literal_],
    BeforeValidator(as_pair),
    WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]
Metrics = Annotated[
    tuple[Text, ...],
    BeforeValidator(as_metrics),
    WithJsonSchema({"anyOf": [{"enum": ["all", "none"]}, {"type": "array", "items": _STRING}]}),
]
JsonValue = Annotated[Any, BeforeValidator(as_json), WithJsonSchema({})]
Version = Annotated[int, BeforeValidator(as_version), WithJsonSchema({"const": 1})]
TimeZone = Annotated[str, BeforeValidator(as_time_zone), WithJsonSchema(_STRING)]
Table = Annotated[TableName, BeforeValidator(reader(table_name)), WithJsonSchema(_TABLE_SCHEMA)]
Tables = Annotated[
    tuple[Table, ...],
    BeforeValidator(one_or_many),
    WithJsonSchema({"anyOf": [_TABLE_SCHEMA, {"type": "array", "items": _TABLE_SCHEMA}]}),
]
LengthOfTime = Annotated[Length, BeforeValidator(reader(positive_length)), WithJsonSchema(_LENGTH_SCHEMA)]
LengthOrZero = Annotated[Length, BeforeValidator(reader(Length.parse)), WithJsonSchema(_LENGTH_SCHEMA)]
ShareOfRows = Annotated[
    Share,
    BeforeValidator(reader(Share.parse, numbers=True)),
    WithJsonSchema(_number_or_text(r"^\s*\d*\.?\d+\s*%\s*$")),
]
AmountOfRows = Annotated[
    Amount,
    BeforeValidator(reader(Amount.parse, numbers=True)),
    WithJsonSchema({"type": "string", "pattern": r"(%|rows?)\s*$"}),
]
Count = Annotated[
    Amount,
    BeforeValidator(reader(Amount.parse_count, numbers=True)),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\s*\d+\s*$|(%|rows?)\s*$"}]}
    ),
]
OverWhat = Annotated[
    Over,
    BeforeValidator(reader(Over.parse)),
    WithJsonSchema({"type": "string", "pattern": r"^(row|batch|window|read|.*\d.*)$"}),
]
BaselineOf = Annotated[
    Baseline,
    BeforeValidator(reader(Baseline.parse)),
    WithJsonSchema({"type": "string", "pattern": r"^version$|^(first|previous)\s+.*\d|[./]"}),
]
ReferenceTo = Annotated[
    Reference,
    BeforeValidator(reader(Reference.parse)),
    WithJsonSchema({"type": "string", "pattern": r"^[^.]+\.[^.]+(\.[^.]+)?$"}),
]
TimeOfDay = Annotated[
    Arrival, BeforeValidator(reader(Arrival.parse)), WithJsonSchema({"type": "string", "pattern": r"^\s*\d?\d:\d\d"})
]
Hours = Annotated[
    QuietHours,
    BeforeValidator(reader(QuietHours.parse)),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d?\d:\d\d.*\d?\d:\d\d"}),
]
