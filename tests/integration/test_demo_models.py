"""`mlguard demo --models` on the embedded server: every act of the story happens, and the database says so."""

from __future__ import annotations

import os
import re
from pathlib import Path

import psycopg
import pytest

from mlguard.demo.model import tell
from mlguard.demo.people import require_rights
from mlguard.demo.screen import Screen
from mlguard.errors import EngineError
from tests.support import query

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"
MOST_SECONDS = 90


def test_a_model_from_its_approval_to_its_rollback(bare18: str) -> None:
    lines: list[str] = []
    screen = Screen(lines.append)
    tell(FLIGHTS, bare18, screen)
    if os.getloadavg()[0] < 2 * (os.cpu_count() or 1):  # on a machine that is busy with other things time says nothing
        assert screen.seconds < MOST_SECONDS
    told = "\n".join(lines)
    parts = dict(re.findall(r"^── (\d)\.(.*?)(?=^── |\Z)", told, re.MULTILINE | re.DOTALL))
    assert sorted(parts) == list("12345678")

    def said(chapter: int, *words: str) -> None:
        text = " ".join(parts[str(chapter)].split())
        for word in words:
            assert word in text, (chapter, word, text)

    said(2, "model arrival_delay version 1 is not approved", "SQLSTATE: ML003", "champion")
    said(3, "plausible", "desk_decides", "PASS | 6552 | mae(predicted, label) is 25.7")
    said(4, "FAIL | 6131 | mae(predicted, label) is 42.1", "vetoed | predictions.arrival_delay/mae_week")
    said(
        4,
        "request 1 of arrival_delay is vetoed: features.departure is held",
        "SQLSTATE: ML002",
        "begin once these hold",
    )
    said(5, "945 | 0.0 | 0.0", "features.departure/hour_before_known")
    said(
        6,
        "requested | []",
        "claimed request 1 of arrival_delay, ticket 1",
        "request 1 of arrival_delay is done: version 2",
    )
    said(7, "2 | FAIL | 733 | bias(predicted, label) is 22.", "1 | PASS | 733", "1 | champion", "2 | approved")
    said(7, "rolled back from version 2 to 1")
    said(8, "rollback", "demo_bert", "(0 rows)")
    assert "permission denied" not in told
    assert told.count("ERROR:") == 2, "the two that the story is about"

    # What the screen shows is what is stored.
    assert query(bare18, "select distinct model_version from predictions.arrival_delay_served") == [("1",)]
    assert query(bare18, "select inputs_held, sum(n)::int from mlguard.prediction_batch group by 1 order by 1") == [
        (False, 17834 + 2542 - 945),
        (True, 945),
    ]
    assert query(bare18, "select * from mlguard.verify_audit()") == []
    assert query(bare18, "select rolname from pg_roles where rolname like 'demo%'") == [], "its people go"


def test_a_server_where_nobody_may_make_roles_is_refused_before_anything_is_made(bare18: str) -> None:
    with psycopg.connect(bare18, autocommit=True) as admin:
        admin.execute("create role nobody_much login")
        try:
            with pytest.raises(EngineError, match="you may not make roles here") as refused:
                require_rights(psycopg.conninfo.make_conninfo(bare18, user="nobody_much"))
            assert "CREATEROLE" in str(refused.value.help)
            admin.execute("create role demo_anna")
            with pytest.raises(EngineError, match="role demo_anna is there already"):
                require_rights(bare18)
        finally:
            admin.execute("drop role if exists nobody_much, demo_anna")
