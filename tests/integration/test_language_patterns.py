"""On a server: a pattern we call wrong is wrong for PostgreSQL too."""

from __future__ import annotations

import re

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlguard.lang.patterns import like_fault, regex_fault

PIECES = st.sampled_from(
    [*"ab()[]{}*+?|^$\\.,-1", "(?:", "(?=", "(?i)", "(?q)", "[^", "[]", "[[:alpha:]]", "\\d", "\\1", "***="]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pattern=st.lists(PIECES, max_size=8).map("".join))
def test_faults_are_real(bare: str, pattern: str) -> None:
    with psycopg.connect(bare, autocommit=True) as connection:
        if regex_fault(pattern) is not None:
            with pytest.raises(psycopg.errors.InvalidRegularExpression):
                connection.execute("select 'a' ~ %s", [pattern])
        if like_fault(pattern) is not None:
            matching = re.sub(r"\\(.)", r"\1", pattern[:-1]) + "x"  # the fault shows once the match comes to it
            with pytest.raises(psycopg.errors.InvalidEscapeSequence):
                connection.execute("select %s like %s", [matching, pattern])
