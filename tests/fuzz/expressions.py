"""Random expressions from the language's own catalogue, well typed more often than not, and damaged ones."""

from __future__ import annotations

import random
import re

from mlguard.lang.catalogue import FUNCTIONS, METRICS
from mlguard.lang.lex import OPERATORS
from tests.fuzz import hostile
from tests.unit.lang.generate import COLUMNS

TYPES = ("integer", "numeric(6,2)", "text", "date", "timestamptz", "interval", "boolean", "double precision", "jsonb")
NUMBERS = (
    "0",
    "1",
    "-1",
    "2.5",
    "1e400",
    "1e-400",
    "9223372036854775808",
    "9" * 900,
    ".5",
    "5.",
    "1e9999999",
    "0x1F",
    "1_0",
)
UNITS = ("day", "hour", "epoch", "month", "week", "fortnight")
WORDS = (
    *sorted(OPERATORS), "and", "or", "not", "is", "null", "in", "between", "like", "ilike", "case", "when", "then",
    "else", "end", "distinct", "from", "(", ")", ",", "::", ".", "[", "]", ";", "true", "select", "over", "filter",
    "at", "time", "zone", "interval", "date", "array", "cast", "as", "extract", "similar", "to", "escape", "unknown",
)  # fmt: skip


_SLOT = re.compile(r"(?<!\{)\{(\w+)\}")
KINDS = {
    "bool": ("b",),
    "number": ("s", "i", "j", "n", "m", "r", "f", "g"),
    "text": ("t", "u"),
    "time": ("l", "z"),
    "span": ("v",),
}
# Written as {kind}; most nest, so that what is made grows in every direction.
TEMPLATES = {
    "bool": (
        "{number} < {number}", "{text} = {text}", "{text} >= {text}", "{time} <= {time}", "{span} > {span}",
        "not ({bool})",
        "({bool}) and ({bool})", "({bool}) or ({bool})", "{number} in ({number}, {number}, 3)",
        "{text} in ({literal}, {literal})",
        "{text} not in ({literal})", "{number} between {number} and {number}", "{text} like {literal}",
        "{text} ilike {literal}",
        "{text} is null", "{number} is distinct from {number}", "({bool}) is not true",
        "starts_with({text}, {literal})",
        "is_finite({number})", "case when {bool} then {bool} else {bool} end", "{text}::boolean",
        "p ->> {literal} = {literal}",
        "p -> {literal} is null", "e = 'ok'", "d = {time}::date", "coalesce({bool}, b)", "{text} ~ '^[a-z]+$'",
    ),
    "number": (
        "({number}) + ({number})", "({number}) * ({number})", "({number}) / ({number})", "- ({number})",
        "abs({number})",
        "round({number})", "sqrt({number})", "ln({number})", "power({number}, 2)", "coalesce({number}, 1)", "i % 7",
        "greatest({number}, {number})", "length({text})", "num_nulls({number}, {text})", "{text}::numeric",
        "{number}::bigint",
        "extract(epoch from {time})", "case when {bool} then {number} else 0 end", "(p ->> {literal})::integer",
        "cardinality(a)",
    ),
    "text": (
        "({text}) || ({text})", "lower({text})", "upper({text})", "trim({text})", "left({text}, 3)",
        "coalesce({text}, {literal})",
        "nullif({text}, {literal})", "case when {bool} then {text} else {literal} end", "p ->> {literal}",
        "{number}::text",
        "k ->> {literal}", "p #>> '{{a,b}}'", "greatest({text}, {literal})",
    ),
    "time": ("{time} + {span}", "{time} - {span}", "date_trunc('day', {time})", "coalesce({time}, {time})"),
    "span": ("{span} + {span}", "{span} * 2", "l - l", "interval '3 hours'"),
}  # fmt: skip


def well_typed(chance: random.Random, kind: str = "bool", depth: int = 4) -> str:
    """An expression whose types fit, mostly; its texts try to get out of their quotes."""
    if kind == "literal":
        return hostile.literal(hostile.text(chance))
    if depth == 0:
        return chance.choice(KINDS[kind]) if kind != "text" or chance.random() < 0.6 else well_typed(chance, "literal")
    template = chance.choice(TEMPLATES[kind])
    parts = _SLOT.split(template)
    return "".join(
        well_typed(chance, part, depth - 1) if place % 2 else part.replace("{{", "{").replace("}}", "}")
        for place, part in enumerate(parts)
    )


def well_formed(chance: random.Random, depth: int = 4) -> str:
    """An expression that follows the grammar; its types may not fit."""
    if depth == 0 or chance.random() < 0.15:
        return leaf(chance)

    def inner() -> str:
        return well_formed(chance, depth - 1)

    match chance.randrange(11):
        case 0:
            return f"{inner()} {chance.choice(sorted(OPERATORS))} {inner()}"
        case 1:
            return f"({inner()}) {chance.choice(['and', 'or', '=', '<', '+', '||', 'is distinct from'])} ({inner()})"
        case 2:
            function = chance.choice(list(FUNCTIONS.values()))
            most = max(function.most if function.most is not None else 3, function.least)
            arguments = (inner() for _ in range(chance.randint(function.least, most)))
            return f"{function.name}({', '.join(arguments)})"
        case 3:
            metric = chance.choice(list(METRICS.values()))
            return f"{metric.name}({', '.join(inner() for _ in metric.takes)})"
        case 4:
            return f"case when {inner()} then {inner()} else {inner()} end"
        case 5:
            return f"({inner()})::{chance.choice(TYPES)}"
        case 6:
            return (
                f"{inner()} {chance.choice(['', 'not '])}in ({', '.join(inner() for _ in range(chance.randint(1, 4)))})"
            )
        case 7:
            return f"{inner()} {chance.choice(['', 'not '])}between {inner()} and {inner()}"
        case 8:
            return f"{inner()} is {chance.choice(['', 'not '])}{chance.choice(['null', 'true', 'false', 'unknown'])}"
        case 9:
            return f"extract({chance.choice(UNITS)} from {inner()})"
        case _:
            return f"{chance.choice(['not ', '- ', '+ '])}{inner()}"


def leaf(chance: random.Random) -> str:
    """A column, a number, or a text that tries to get out of its quotes."""
    match chance.randrange(6):
        case 0 | 1 | 2:
            return chance.choice(list(COLUMNS))
        case 3:
            return chance.choice(NUMBERS)
        case 4:
            return hostile.quoted(hostile.identifier(chance))
        case _:
            return hostile.literal(hostile.text(chance))


def damaged(chance: random.Random, text: str) -> str:
    """The text with some of it cut, repeated, swapped, or put in between."""
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(text))
        to = min(len(text), at + chance.randint(0, 10))
        word = chance.choice(WORDS)
        piece = chance.choice((word, f" {word} ", chance.choice(hostile.PIECES), "\0", "("))
        begin, cut, end = text[:at], text[at:to], text[to:]
        text = chance.choice((begin + piece + cut + end, begin + end, begin + piece + end, begin + cut + cut + end))
    return text


def monstrous(chance: random.Random) -> str:
    """Something very long or very deep."""
    n = chance.choice((50, 99, 101, 500, 5000, 30_000))
    return chance.choice(
        (
            "(" * n + "b" + ")" * n, "not " * n + "b", "-" * n + "1", " or ".join(["b"] * n),
            " + ".join(["i"] * n) + " > 1",
            "case when b then " * n, "f(" * n, "'" + "x" * n + "'" + " = t", "i in (" + ",".join(["1"] * n) + ")",
            '"' * n, "'" * n, "i = " + "9" * n, "t || " * n + "t = 'a'", "i" + "::integer" * n + " = 1",
            "b" + " is true" * n,
            "a -> 'x' " * n, "/*" * n + "*/" * n + " b", "t ~ '" + "(" * n + "'", "t ~ '" + "a*" * n + "'",
            "coalesce(" * n + "b",
            "t = '" + "\\" * n + "'", "interval '" + "1 day " * n + "' = v", "d = '" + "9" * n + "-01-01'",
            "$$" * n, "1e" + "9" * n + " > 1",
        )
    )  # fmt: skip
