"""Alerts and incidents as lines of text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mlguard.operate.incidents import Incident, Whole
from mlguard.operate.watch import Change
from mlguard.report.incidents_text import change_line, list_text, show_text, summary

AT = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
HEADLINE = "features.customer: coverage(age) is 0.491, allowed >= 0.75 (age_coverage, batch 88123)"
INCIDENT = Incident(
    id=412, state="open", severity="page", slo="features.customer/age_coverage", table="features.customer",
    column="age", segment={}, headline=HEADLINE, observed=None, allowed=None, n=1000, over="batch", batch=88123,
    window_start=None, window_end=None, opened_at=AT, last_at=AT, times=1, flaps=0, cause=None, owner="platform-ml",
    consumers=["churn"], runbook=None, first_verdict=1, last_verdict=1, acked_at=None, acked_by=None,
    acked_reason=None, snoozed_by=None, snoozed_until=None, snoozed_reason=None, resolved_at=None, resolved_by=None,
    resolved_reason=None, auto=False, label=None, labelled_by=None, label_reason=None, also=[], swept=True,
)  # fmt: skip


def change(event: str, **payload: Any) -> Change:
    return Change(1, AT, 412, 411, event, "page", ["churn"], f"{event} #412 {HEADLINE}", "", payload, 1)


@pytest.mark.parametrize(
    ("event", "payload", "end"),
    [
        ("opened", {}, "; for churn"),
        ("opened", {"also": [{}, {}], "held": True}, "; 2 more broke with it; table is held; for churn"),
        ("acknowledged", {"by": "ann", "reason": "on it"}, "; by ann: on it; for churn"),
        (
            "snoozed",
            {"by": "ann", "reason": "x", "snoozed_until": "2026-11-20T07:12:00+00:00"},
            "; by ann until 2026-11-20 07:12 UTC: x; for churn",
        ),
        ("resolved", {"cause": 500, "by": None}, "; part of #500 now; for churn"),
    ],
)
def test_an_alert_is_one_line(event: str, payload: dict[str, Any], end: str) -> None:
    assert change_line(change(event, **payload)) == f"2026-11-20 03:12 UTC  PAGE    {event} #412 {HEADLINE}{end}"


def test_what_people_wrote_cannot_make_a_second_line_or_paint_the_terminal() -> None:
    line = change_line(change("acknowledged", by="ann", reason="a\nb\x1b[31m\u202ec"))
    assert line.isprintable()
    assert r"a b\x1b[31m\u202ec" in line
    assert "\x1b" not in list_text([replace(INCIDENT, headline="x\x1b[2J")])


def test_a_list_puts_consequences_below_their_cause() -> None:
    part = replace(INCIDENT, id=413, cause=412)
    lines = list_text([INCIDENT, part]).splitlines()
    assert lines[0].startswith("#412    PAGE  open        since 2026-11-20 03:12 UTC  ")
    assert lines[1].startswith("+ #413        also broke")
    assert summary([INCIDENT, part]) == "1 alarm: 1 open; 1 more broke with them"
    assert "open, part of #412" in list_text([part])
    assert summary([part]) == "1 alarm: 1 open"
    assert summary([]) == "no incident is open"


def test_next_steps_fit_the_state() -> None:
    whole = Whole(INCIDENT, HEADLINE, [], [], [], [], held=False)
    assert "mlguard incidents ack 412" in show_text(whole)
    assert "mlguard off" not in show_text(whole)
    assert "mlguard off features.customer/age_coverage" in show_text(replace(whole, held=True))
    resolved = replace(INCIDENT, state="resolved", resolved_at=AT, resolved_by="ann", resolved_reason="x")
    shown = show_text(replace(whole, incident=resolved))
    assert "incidents ack" not in shown
    assert "mlguard incidents label 412 --false" in shown
    labelled = show_text(replace(whole, incident=replace(resolved, label="true")))
    assert "resolved by ann, a true alarm" in labelled
    assert "incidents label" not in labelled
    assert "mlguard incidents ack 412" in show_text(replace(whole, incident=replace(INCIDENT, id=413, cause=412)))
