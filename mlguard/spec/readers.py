"""Readers of single values: a positioned scalar to str, bool, int or a class of `values`, or a refusal in words.

Plain Python values are taken too, so that models can be built in code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mlguard.names import MAX_BYTES, TableName
from mlguard.spec.base import nearest, refuse
from mlguard.spec.source import shown
from mlguard.spec.values import Length, Value
from mlguard.spec.yaml_nodes import Scalar, as_number
from mlguard.spec.yaml_traps import cut_short

MAX_SMALL = 200  # characters of a value in one of the small languages
MAX_SLO_NAME = 200
_NO_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def found(value: Any) -> str:
    """Say what stands in the file, in words of YAML."""
    if isinstance(value, Scalar):
        return {"text": "text", "number": "a number", "boolean": "true or false", "null": "nothing"}[value.kind]
    if isinstance(value, (dict, BaseModel)):
        return "a mapping"
    return "a list" if isinstance(value, (tuple, list)) else f"{type(value).__name__}"


def wanted(what: str, value: Any) -> PydanticCustomError:
    """Return the error for a value of the wrong kind."""
    if isinstance(value, Scalar):
        if value.text and value.kind == "null":
            return refuse(f"wanted {what}, found null", "null is written only for open ends of a range and for repairs")
        if value.kind == "null":
            return refuse(f"a value is missing, wanted {what}", "write it, or remove the key")
        if what == "text" and value.kind in ("number", "boolean"):
            return refuse(
                f"wanted text, found {found(value)}: {shown(value.text)}", f"put quotes: '{shown(value.text)}'"
            )
        if what == "true or false" and value.text.lower() in ("yes", "no", "on", "off", "y", "n"):
            meant = "true" if value.text.lower() in ("yes", "on", "y") else "false"
            return refuse(f"`{value.text}` is text in YAML 1.2, wanted true or false", f"write {meant}")
        help = f"write [{shown(value.text)}]" if what == "a list" else ""
        return refuse(f"wanted {what}, found {found(value)}: {shown(value.text)}", help)
    return refuse(f"wanted {what}, found {found(value)}")


def as_text(value: Any) -> str:
    """Take text; a number or a boolean is refused, because quoting it may change what it says."""
    text = value.text if isinstance(value, Scalar) and value.kind == "text" else value
    if not isinstance(text, str):
        raise wanted("text", value)
    if "\0" in text:
        raise refuse("text with a NUL character, which PostgreSQL cannot hold")
    return _without_surrogates(text)


def _without_surrogates(text: str) -> str:
    """Join the pairs that JSON's escapes write for one character; half a pair is no character at all."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise refuse(
            "text with half a surrogate pair, which is no character", "write both halves, or the character"
        ) from None


def as_name(value: Any) -> str:
    """Take the exact name of a column or role, in the 63 bytes PostgreSQL keeps."""
    text = as_text(value)
    if not text:
        raise refuse("a name is empty")
    if (size := len(text.encode("utf-8", "surrogatepass"))) > MAX_BYTES:
        raise refuse(f"a name of {size} bytes; PostgreSQL keeps {MAX_BYTES}: {shown(text)}")
    return text


def as_label(value: Any) -> str:
    """Take a name of mlguard's own: of an SLO, a step, a model. It stands in messages and ids."""
    text = as_text(value)
    if not text.strip():
        raise refuse("a name is empty")
    if text != text.strip():
        raise refuse(f"the name `{shown(text)}` begins or ends with a space")
    if len(text) > MAX_SLO_NAME:
        raise refuse(f"a name of {len(text)} characters; at most {MAX_SLO_NAME}")
    if _NO_CONTROL.search(text):
        raise refuse(
            f"the name `{shown(text)}` holds invisible characters", "they would reorder or hide parts of messages"
        )
    return text


def as_expression(value: Any, *, strict: bool = False) -> str:
    """Take the text of an SQL expression, and catch the one a # cuts short."""
    if isinstance(value, Scalar) and (cut := cut_short(value, strict=strict)):
        raise refuse(cut.message, cut.help)
    text = as_text(value)
    if not text.strip():
        raise refuse("an expression is empty")
    return text


def as_check(value: Any) -> str:
    """Take a `check`; any comment behind it is refused, so that none is ever cut short unseen."""
    return as_expression(value, strict=True)


def as_new_value(value: Any) -> str:
    """Take an expression that gives a value; numbers, booleans and null may stand as they are."""
    if isinstance(value, Scalar) and value.kind != "text":
        return "NULL" if value.kind == "null" else value.text
    return as_expression(value)


def as_flag(value: Any) -> bool:
    """Take true or false."""
    if isinstance(value, Scalar) and value.kind == "boolean":
        return value.text.lower() == "true"
    if isinstance(value, bool):
        return value
    raise wanted("true or false", value)


def as_pii(value: Any) -> bool | str:
    """Take true, false or forbid."""
    if value == "forbid" or (isinstance(value, Scalar) and value.text == "forbid"):
        return "forbid"
    if isinstance(value, Scalar) and value.kind == "text":
        raise refuse(f"`{shown(value.text)}` is not one of true, false, forbid")
    return as_flag(value)


def as_whole(value: Any) -> int:
    """Take a whole number from 0 on."""
    if isinstance(value, Scalar) and value.kind == "number":
        number = value.number
        if number is None or number != number.to_integral_value() or not 0 <= number < 10**18:
            raise refuse(f"wanted a whole number from 0 on, found {shown(value.text)}")
        return int(number)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise wanted("a whole number", value)


def as_positive(value: Any) -> int:
    """Take a whole number from 1 on."""
    if (number := as_whole(value)) == 0:
        raise refuse("wanted a whole number from 1 on, found 0")
    return number


def as_fraction(value: Any) -> Decimal:
    """Take a number from 0 to 1."""
    number = value.number if isinstance(value, Scalar) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        number = as_number(str(number))
    if not isinstance(number, Decimal):
        raise wanted("a number from 0 to 1", value)
    if not 0 <= number <= 1:
        raise refuse(f"wanted a number from 0 to 1, found {shown(str(number))}")
    return number


def as_factor(value: Any) -> Decimal:
    """Take a number above 0, at most 100."""
    number = value.number if isinstance(value, Scalar) else value
    if isinstance(number, (int, float)) and not isinstance(number, bool):
        number = as_number(str(number))
    if not isinstance(number, Decimal):
        raise wanted("a number above 0", value)
    if not 0 < number <= 100:
        raise refuse(f"wanted a number above 0, at most 100, found {shown(str(number))}")
    return number


def as_value(value: Any) -> Any:
    """Take a literal: text, number or boolean, with its source text."""
    if isinstance(value, Scalar) and value.kind != "null":
        as_text(value if value.kind == "text" else value.text)
        return Value.of(value)
    if isinstance(value, str):
        return Value(as_text(value), "text", quoted=True)
    if isinstance(value, bool):
        return Value(str(value).lower(), "boolean")
    if isinstance(value, (int, float, Decimal)):
        return Value(str(value), "number")
    if isinstance(value, Value):
        return value
    raise wanted("text or a number", value)


def as_bound(value: Any) -> Any:
    """Take one end of a range: a number or text such as a date, or null for an open end."""
    if value is None or (isinstance(value, Scalar) and value.kind == "null"):
        return None
    bound = as_value(value)
    if bound.kind == "boolean" or (bound.kind == "number" and bound.number is None):
        raise refuse(f"`{shown(bound.text)}` cannot be the end of a range", "write null for an open end")
    return bound


def as_pair(value: Any) -> tuple[Any, ...]:
    """Take a list of two ends."""
    if not isinstance(value, (tuple, list)):
        raise wanted("a list of two, [lowest, highest]", value)
    if len(value) != 2:
        raise refuse(f"wanted a list of two, [lowest, highest], found {len(value)}", "write null for an open end")
    return tuple(value)


def as_list(value: Any) -> tuple[Any, ...]:
    """Take a list."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    raise wanted("a list", value)


def one_or_many(value: Any) -> tuple[Any, ...]:
    """Take a list, or one value that stands alone for a list of one."""
    if isinstance(value, (tuple, list)):
        return tuple(value)
    if isinstance(value, (str, TableName)) or (isinstance(value, Scalar) and value.kind != "null"):
        return (value,)
    raise wanted("a list", value)


def as_metrics(value: Any) -> tuple[Any, ...]:
    """Take `none`, `all`, or a list of metrics."""
    if isinstance(value, Scalar) and value.kind == "text" and value.text in ("all", "none"):
        return ("all",) if value.text == "all" else ()
    if isinstance(value, Scalar) and value.kind == "text":
        raise refuse(
            f"`{shown(value.text)}` is not one of all, none, or a list of metrics", f"write [{shown(value.text)}]"
        )
    return as_list(value)


def as_json(value: Any) -> Any:
    """Take any value, as the JSON it stands for; numbers keep their digits."""
    if isinstance(value, dict):
        return {as_text(key): as_json(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return tuple(as_json(each) for each in value)
    if not isinstance(value, Scalar):
        return value
    if value.kind == "number":
        number = value.number
        if number is None:
            raise refuse(f"`{shown(value.text)}` is no number of JSON", "write 'NaN' or 'Infinity' in quotes")
        return int(number) if re.fullmatch(r"[-+]?\d{1,18}", value.text) else number
    if value.kind == "boolean":
        return value.text.lower() == "true"
    return None if value.kind == "null" else as_text(value)


def as_version(value: Any) -> int:
    """Take the format version; there is one."""
    if isinstance(value, (Scalar, int)) and (value.text if isinstance(value, Scalar) else str(value)) == "1":
        return 1
    if isinstance(value, Scalar) and value.kind == "number":
        raise refuse(
            f"format version {shown(value.text)}; this mlguard reads version 1", "write mlguard: 1, or upgrade"
        )
    raise wanted("the format version, 1", value)


@lru_cache(maxsize=64)
def _zone_exists(name: str) -> bool:
    """Tell whether a time zone is known; without a zone database on this machine the server judges."""
    from zoneinfo import ZoneInfo

    def known(key: str) -> bool:
        try:
            ZoneInfo(key)
        except (KeyError, ValueError, OSError):
            return False
        return True

    return known(name) or not known("Europe/Berlin")


def as_time_zone(value: Any) -> str:
    """Take the name of a time zone."""
    name = as_text(value)
    if name != "UTC" and not _zone_exists(name):
        from zoneinfo import available_timezones

        near = nearest(name, sorted(available_timezones()))
        raise refuse(
            f"no time zone `{shown(name)}`", f'did you mean "{near}"?' if near else "write UTC, or Europe/Berlin"
        )
    return name


def reader(read: Callable[[str], Any], *, numbers: bool = False) -> Callable[[Any], Any]:
    """Return a validator for a small language: text in, value out, ValueError said at its place."""

    def take(value: Any) -> Any:
        is_number = isinstance(value, Scalar) and value.kind == "number"
        if is_number:
            text = value.text
        elif numbers and isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            text = str(value)
        elif isinstance(value, (str, Scalar)):
            text = as_text(value)
        elif isinstance(value, (dict, tuple, list)):
            raise wanted("text", value)
        else:
            return value
        if len(text) > MAX_SMALL:
            raise refuse(f"a value of {len(text)} characters; at most {MAX_SMALL}")
        try:
            made = read(text)
        except ValueError as error:
            message, _, help = str(error).partition("; ")
            raise refuse(shown(message, 300), help) from error
        if is_number and not numbers:
            raise wanted("text", value)
        zone = getattr(made, "time_zone", None)
        if zone is not None:
            as_time_zone(zone)
        return made

    return take


def table_name(text: str) -> TableName:
    """Read schema.table; exact names, so no SQL quotes."""
    schema, dot, name = text.partition(".")
    if not dot or not schema or not name or "." in name:
        raise ValueError(f"`{text}` is not a table with its schema; write schema.table, for example features.customer")
    for part in (schema, name):
        if (size := len(part.encode("utf-8", "surrogatepass"))) > MAX_BYTES:
            raise ValueError(f"a name of {size} bytes, PostgreSQL keeps {MAX_BYTES}: {part}")
    return TableName(schema, name)


def positive_length(text: str) -> Length:
    """Read a length of time above zero."""
    length = Length.parse(text)
    if not length:
        raise ValueError("wanted a length above zero; write a length such as 1 hour or 7 days")
    return length


@dataclass(frozen=True)
class OneOf:
    """Marks a Literal of words; a wrong word is answered with the legal ones and the nearest."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        legal = get_args(source)

        def take(value: Any) -> Any:
            text = value.text if isinstance(value, Scalar) and value.kind != "null" else value
            if not isinstance(text, str):
                raise wanted(f"one of {', '.join(legal)}", value)
            if text not in legal:
                near = nearest(text, legal)
                help = f'did you mean "{near}"?' if near else ""
                raise refuse(f"`{shown(text)}` is not one of {', '.join(legal)}", help)
            return text

        return core_schema.no_info_before_validator_function(take, handler(source))
