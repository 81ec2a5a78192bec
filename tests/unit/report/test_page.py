"""The HTML page: complete, of allowed elements only, and text whatever names and words hold."""

from __future__ import annotations

import math
import random
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from mlguard.operate.gate import Gate
from mlguard.operate.graph import Graph, Node
from mlguard.operate.incidents import Incident
from mlguard.operate.overview import (
    Facts,
    KeptRows,
    Overview,
    Past,
    Point,
    Refused,
    Segment,
    Series,
    SloView,
    TableView,
    limits_of,
    series_of,
)
from mlguard.operate.status import SloStatus
from mlguard.report import page
from mlguard.report.columns import one_line
from mlguard.report.plot import plot
from tests.fuzz import hostile

AT = datetime(2026, 11, 20, 3, 12, tzinfo=UTC)
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "h4", "p", "a", "div", "table",
    "thead",
    "tbody", "tr", "th", "td", "span", "section", "article", "code", "ul", "li", "footer", "svg", "g", "text", "rect",
    "path", "polyline", "polygon", "circle", "defs", "marker",
}  # fmt: skip
ATTRIBUTES = re.compile(r"(?:on\w+|src|srcset|style|action|formaction|xlink:href|background)\Z", re.IGNORECASE)


class Reader(HTMLParser):
    """Collects elements, attributes and text, and sees that what is opened is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def view(text: Any) -> Overview:
    """Return an overview in which every text is hostile; `text` gives the next one."""
    name = f"a.{text()}"
    slo = SloStatus(
        f"{name}/{text()}", name, "failing", 3, AT, text(), text(), text(), None, True, 2, AT, text(), (1.0,)
    )
    facts = Facts(slo.slo, "window", text(), text(), text(), text(), text(), text(), [text()])
    past = Past(slo.slo, AT, "FAIL", [text()], [0.5], 100, text(), text(), None)
    incident = Incident(
        **{
            **dict.fromkeys(Incident.__dataclass_fields__),
            "id": 412,
            "state": "open",
            "severity": "page",
            "slo": slo.slo,
            "table": name,
            "segment": {},
            "headline": text(),
            "opened_at": AT,
            "last_at": AT,
            "acked_by": text(),
            "label": text(),
            "cause": 3,
        }
    )
    table = TableView(
        Gate(name, "closed", AT, None, text()),
        (
            SloView(
                slo,
                facts,
                Series(text(), (Point(AT, 0.5, "FAIL", 0.1, 0.4), Point(AT, None, "PASS"))),
                past,
                (Segment(slo.slo, {text(): text()}, "FAIL", text()),),
            ),
        ),
        (incident,),
        (KeptRows(name, "waiting", 12345, AT, AT),),
        (Refused(name, f"{name}/{text()}", 7, AT),),
    )
    return Overview(text(), AT, (table,), whole=True)


@pytest.mark.parametrize("seed", range(30))
def test_hostile_text_stays_text(seed: int) -> None:
    chance = random.Random(seed)
    used: list[str] = []

    def text() -> str:
        used.append(hostile.text(chance) + "<script>alert(1)</script>\"'>" + str(len(used)))
        return used[-1]

    found = view(text)
    graph = Graph((Node("t", "table", text(), (text(),), "held"),), (), with_state=True)
    reader = read(page.render(found, graph))
    assert reader.tags <= ALLOWED
    assert not [key for key, _ in reader.attributes if ATTRIBUTES.match(key)]
    links = [value or "" for key, value in reader.attributes if key == "href"]
    assert all(re.fullmatch(r"#t\d+|https?://.*", link) for link in links)
    shown = "".join(reader.words)
    assert one_line(found.tables[0].incidents[0].headline) in shown
    assert one_line(found.tables[0].gate.table) in shown


@pytest.mark.parametrize("runbook", ["javascript:alert(1)", " https://x", "data:text/html,x", "HTTPS:x"])
def test_only_addresses_of_the_web_are_links(runbook: str) -> None:
    found = view(lambda: "x")
    facts = Facts("a.x/x", "window", "c", None, None, None, runbook, None, [])
    table = found.tables[0]
    slo = SloView(table.slos[0].status, facts, None, None, ())
    shown = read(page.render(Overview("d", AT, (TableView(table.gate, (slo,), (), (), ()),), whole=True)))
    assert [value for key, value in shown.attributes if key == "href"] == ["#t1"]


def test_nothing_is_fetched() -> None:
    text = page.render(view(lambda: "x"))
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert not re.search(r"@import|url\(|<link|<script|<img", text)


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [5.0, 5.0, 5.0],
        [1.7e308, -1.7e308],
        [math.inf, 1.0, -math.inf, math.nan, None],
        [None, None],
        [0.0, 1e-320],
    ],
)
def test_plots_stay_within_their_frame(values: list[float | None]) -> None:
    points = [Point(AT + timedelta(days=n), value, "PASS", None, 2.0) for n, value in enumerate(values)]
    drawn = plot(points, "m")
    numbers = [float(number) for pair in re.findall(r'points="([^"]*)"', drawn) for number in re.split("[ ,]", pair)]
    numbers += [float(number) for number in re.findall(r'c[xy]="([^"]*)"', drawn)]
    assert all(0 <= number <= 420 for number in numbers)


@pytest.mark.parametrize(
    ("allowed", "ends"),
    [
        ("allowed >= 0.75", (0.75, None)),
        ("allowed <= 0.2", (None, 0.2)),
        ("coverage(age) > -3", (-3.0, None)),
        ("allowed 0 to 130", (None, None)),
        ("allowed mean(a) < 1 AND mean(b) < 2", (None, None)),
        ("", (None, None)),
    ],
)
def test_limits_in_words(allowed: str, ends: tuple[float | None, float | None]) -> None:
    assert limits_of(allowed) == ends


def past(value: float | None, **words: Any) -> Past:
    made = {"metrics": ["m"], "vals": [value], "detail": None, "allowed": "allowed <= 2", **words}
    return Past("a.b/c", AT, "PASS", made["metrics"], made["vals"], 9, "", made["allowed"], made["detail"])


def test_what_is_drawn() -> None:
    assert series_of([]) is None
    assert series_of([past(1), past(None, vals=None)]) is None  # personal
    drawn = series_of([past(1), past(3)])
    assert drawn is not None
    assert [(point.value, point.high) for point in drawn.points] == [(1, 2), (3, 2)]
    two = series_of([past(1, metrics=["m", "k"], vals=[1, 9])])
    assert two is not None
    assert two.points[0].high is None
    detail = {"series": [{"series": "k", "score": 0.1}, {"series": "m", "score": 2, "value": 7, "low": 1, "high": 5}]}
    learned = series_of([past(1), past(7, detail=detail), past(None, metrics=[], vals=[])])
    assert learned is not None
    assert (learned.metric, learned.points) == ("m", (Point(AT, 7, "PASS", 1, 5),))
