"""PostgreSQL's numeric in DuckDB: decimals where 38 digits are certainly enough, else doubles that are only compared.

Three ways to hold a number. `Exact`: a decimal whose digits are bounded by its operands'. `Rough`: a double that stands
for the decimal number nearest to it (a numeric without precision, a text read as numeric); order and equality hold up
to 17 digits, arithmetic would not. `Ratio`: a quotient, which PostgreSQL rounds to 16 significant digits or more
(numeric.c, select_div_scale); as a double it compares the same with numbers that are short enough, see `compared`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mlguard.emit.duck_core import DIGITS, NotLocal

_DOUBLE_DIGITS = 15  # every decimal of so many digits is told apart by a double


@dataclass(frozen=True)
class Exact:
    """A decimal of `whole` digits before the point and `scale` after."""

    text: str
    whole: int
    scale: int
    shown: bool = False  # whether its text is PostgreSQL's, trailing zeros included

    @property
    def type(self) -> str:
        """The DuckDB type."""
        return f"decimal({max(self.whole + self.scale, 1)},{self.scale})"

    @property
    def digits(self) -> int:
        """How many digits it has at most."""
        return self.whole + self.scale


@dataclass(frozen=True)
class Rough:
    """A double."""

    text: str


@dataclass(frozen=True)
class Ratio:
    """A quotient of two decimals."""

    text: str  # as double
    above: Exact
    below: Exact


Num = Exact | Rough | Ratio


def exact(text: str, whole: int, scale: int, what: str, *, shown: bool = False) -> Exact:
    """Return a decimal.

    Raises:
        NotLocal: it may need more digits than a decimal has.
    """
    if whole + scale > DIGITS:
        raise NotLocal(what, f"its result may have {whole + scale} digits, and a decimal of DuckDB holds {DIGITS}")
    return Exact(text, whole, scale, shown)


def constant(value: Decimal) -> Num:
    """Return a number literal as a decimal."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    scale = max(-exponent, 0)
    whole = max(len(digits) + exponent, 0) if any(digits) else 0
    if max(whole, 1) + scale > DIGITS:
        return Rough(f"'{value}'::double")
    text = f"{value:f}"
    return Exact(f"{text}::decimal({max(whole, 1) + scale},{scale})", max(whole, 1), scale, shown=True)


def to(number: Exact, whole: int, scale: int) -> str:
    """Return a decimal in a type at least as wide."""
    if (whole, scale) == (number.whole, number.scale):
        return number.text
    return f"cast({number.text} as decimal({max(whole + scale, 1)},{scale}))"


def doubled(number: Num) -> str:
    """Return a number as double precision, rounded once."""
    if not isinstance(number, Exact):
        return number.text
    # Up to 15 digits both parts are exact in double, so that the division rounds once; beyond, text is read.
    via = "" if number.digits <= _DOUBLE_DIGITS else "::varchar"
    return f"({number.text}){via}::double"


def aligned(numbers: Sequence[Num], what: str) -> tuple[list[str], Num]:
    """Return numbers in one type, and an example of it: a decimal that holds them all, or double.

    Raises:
        NotLocal: no type holds them all without changing one.
    """
    if any(isinstance(number, Ratio) for number in numbers):
        raise NotLocal(what, "a quotient of numerics is rounded to a scale that depends on its values")
    decimals = [number for number in numbers if isinstance(number, Exact)]
    if len(decimals) < len(numbers):
        return [doubled(number) for number in numbers], Rough("")
    whole, scale = max(number.whole for number in decimals), max(number.scale for number in decimals)
    if whole + scale > DIGITS:
        raise NotLocal(
            what, f"its numbers need {whole + scale} digits together, and a decimal of DuckDB holds {DIGITS}"
        )
    return [to(number, whole, scale) for number in decimals], Exact("", whole, scale)


def compared(numbers: Sequence[Num], what: str) -> list[str]:
    """Return numbers in one type in which they compare as in PostgreSQL.

    A quotient N / B differs from another number D / 10^s, if at all, by 1 / (B * 10^s) or more, relative to that number
    by 1 / (B * D): more than both roundings, PostgreSQL's and that of a double, while B and D have 15 digits together.
    """
    ratios = [number for number in numbers if isinstance(number, Ratio)]
    if not ratios:
        return aligned(numbers, what)[0]
    for ratio in ratios:
        for other in numbers:
            short = isinstance(other, Exact) and other.digits + ratio.below.digits <= _DOUBLE_DIGITS
            if other is not ratio and not short:
                raise NotLocal(what, "a quotient of numerics is compared with a number of many digits")
    return [doubled(number) for number in numbers]


def quotient(above: Num, below: Num, zero: str) -> Ratio:
    """Return `above / below`; `zero` is what stands for a division by zero.

    Raises:
        NotLocal: an operand has too many digits.
    """
    if not isinstance(above, Exact) or not isinstance(below, Exact):
        raise NotLocal("/", "division of numerics without precision")
    shift = above.scale - below.scale
    top = Exact(above.text, above.whole, above.scale)
    bottom = Exact(below.text, below.whole, below.scale)
    # As integers: above * 10^scale over below * 10^scale, the smaller scale brought to the greater.
    digits_above, digits_below = top.digits + max(-shift, 0), bottom.digits + max(shift, 0)
    if max(digits_above, digits_below) > _DOUBLE_DIGITS:
        raise NotLocal("/", f"a quotient of numerics of more than {_DOUBLE_DIGITS} digits")
    scale = max(above.scale, below.scale)
    numerator, denominator = (f"{_whole(side, scale)}::double" for side in (top, bottom))
    text = f"case when {below.text} = 0 and {above.text} is not null then {zero} else {numerator} / {denominator} end"
    return Ratio(text, top, Exact(bottom.text, digits_below, 0))


def _whole(number: Exact, scale: int) -> str:
    """Return a decimal times 10^scale, as bigint."""
    width = number.whole + scale
    widened = to(number, number.whole, scale) if scale != number.scale else number.text
    power = f"1{'0' * scale}::decimal({scale + 1},0)"
    return f"cast({widened} * {power} as decimal({max(width, 1)},0))::bigint" if scale else f"({number.text})::bigint"
