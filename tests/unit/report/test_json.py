"""JSON that any parser reads, whatever was measured."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from mlguard.report.markup import dumps


def test_numbers_that_json_has_no_word_for_are_text() -> None:
    def refuse(word: str) -> float:
        raise AssertionError(word)

    given = {"vals": [math.inf, -math.inf, math.nan, 0.5], "deep": {"tuple": (math.inf, None)}}
    found = json.loads(dumps(given), parse_constant=refuse)
    assert found == {"vals": ["Infinity", "-Infinity", "NaN", 0.5], "deep": {"tuple": ["Infinity", None]}}
    assert float(found["vals"][0]) == math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [(Decimal("1.50"), '"1.50"'), (datetime(2026, 11, 20, tzinfo=UTC), '"2026-11-20T00:00:00+00:00"'), (True, "true")],
)
def test_other_values(value: object, text: str) -> None:
    assert dumps(value) == text
