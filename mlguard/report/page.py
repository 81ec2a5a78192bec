"""A database's gates, SLOs, plots and incidents as one HTML file that fetches nothing and runs nothing. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlguard.report import graph_svg
from mlguard.report.columns import count
from mlguard.report.explain_text import segment_words
from mlguard.report.html import Markup, element, joined, raw
from mlguard.report.plot import plot
from mlguard.report.status_text import gate_words, state_words
from mlguard.report.when import minute

if TYPE_CHECKING:
    from mlguard.operate.graph import Graph
    from mlguard.operate.incidents import Incident
    from mlguard.operate.overview import Overview, Segment, SloView, TableView

# No script, no font, no picture from anywhere: what a browser is told, and what the page holds itself to.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MARKS = {
    "held": "bad", "failing": "bad", "error": "bad", "refused": "warn", "kept out": "warn", "recorded": "warn",
    "noted": "warn", "insufficient": "dim", "off": "warn", "waived": "warn", "shadow": "dim", "holding": "good",
    "not applied": "dim",
}  # fmt: skip
RESOLVED = 20  # resolved incidents of a table that are listed
SEGMENTS = 12
LINKS = ("https://", "http://")


def render(found: Overview, graph: Graph | None = None) -> str:
    """Return the page.

    Args:
        found: what is shown.
        graph: tables, models and consumers, drawn at the top.
    """
    closed = sum(not table.gate.open for table in found.tables)
    slos = sum(len(table.slos) for table in found.tables)
    summary = f"{count(len(found.tables), 'guarded table')}, {closed} closed; {count(slos, 'SLO')}"
    body = element(
        "body",
        element(
            "header",
            element("h1", f"Data SLOs of {found.database}"),
            element("p", f"{summary}. As of {minute(found.at)}.", class_="dim"),
            None
            if found.whole
            else element("p", "Quarantine and incidents are not shown: this role may not see them."),
        ),
        element("div", raw(graph_svg.render(graph)), class_="graph") if graph is not None and graph.nodes else None,
        _contents(found.tables),
        *(_table(number, table) for number, table in enumerate(found.tables, 1)),
        element("footer", "Written by mlguard report.", class_="dim"),
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"Data SLOs of {found.database}"),
        element("style", raw(STYLE)),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _contents(tables: Sequence[TableView]) -> Markup:
    if not tables:
        return element("p", "No table is guarded in this database.")
    rows = []
    for number, table in enumerate(tables, 1):
        states = Counter(MARKS.get(view.status.state, "dim") for view in table.slos)
        open_now = sum(one.state != "resolved" for one in table.incidents)
        waiting = sum(row.rows for row in table.kept if row.status == "waiting")
        rows.append(
            element(
                "tr",
                element("td", element("a", table.gate.table, href=f"#t{number}")),
                element("td", _badge(table.gate.state, "good" if table.gate.open else "bad")),
                element("td", gate_words(table.gate)),
                element("td", str(states["bad"] or ""), class_="number"),
                element("td", str(len(table.slos)), class_="number"),
                element("td", str(open_now or ""), class_="number"),
                element("td", str(waiting or ""), class_="number"),
            )
        )
    heads = ("table", "gate", "", "failing", "SLOs", "incidents", "kept rows")
    return _grid(heads, rows)


def _grid(heads: Sequence[str], rows: Sequence[Markup]) -> Markup:
    return element(
        "div",
        element(
            "table",
            element("thead", element("tr", *(element("th", head, scope="col") for head in heads))),
            element("tbody", *rows),
        ),
        class_="grid",
    )


def _badge(words: str, mark: str) -> Markup:
    return element("span", words, class_=f"badge {mark}")


def _table(number: int, table: TableView) -> Markup:
    gate = table.gate
    return element(
        "section",
        element("h2", gate.table, " ", _badge(gate.state, "good" if gate.open else "bad"), id=f"t{number}"),
        element("p", gate_words(gate)) if gate_words(gate) else None,
        *_incidents(table.incidents),
        element("h3", "SLOs"),
        *(_slo(view) for view in sorted(table.slos, key=_urgency)),
        *_kept(table),
    )


def _urgency(view: SloView) -> tuple[int, str]:
    return ("bad", "warn", "good", "dim").index(MARKS.get(view.status.state, "dim")), view.status.slo


def _slo(view: SloView) -> Markup:
    status, facts = view.status, view.facts
    name = status.slo.removeprefix(f"{status.table}/")
    health = status.health.value if status.health is not None else ""
    said = [f"{status.action}, {status.severity}" if status.action else "", status.place, f"v{status.version}"]
    if health and health != "INSTALLED":
        said.append(health)
    if not status.validated:
        said.append("existing rows not validated")
    if status.precision is not None:
        said.append(f"{status.precision.true_alarms} of {count(status.precision.judged, 'judged alarm')} right")
    allowed = (view.last.allowed if view.last is not None else None) or (facts.allowed if facts is not None else None)
    return element(
        "article",
        element(
            "div",
            element("h4", name, " ", _badge(state_words(status), MARKS.get(status.state, "dim"))),
            element("p", element("code", facts.check_text)) if facts is not None else None,
            element("p", allowed) if allowed else None,
            element("p", facts.description) if facts is not None and facts.description else None,
            element("p", joined([part for part in said if part], " · "), class_="dim"),
            _who(facts.owner, facts.runbook) if facts is not None else None,
            *_segments(view.segments),
        ),
        plot(view.series.points, view.series.metric) if view.series is not None else None,
        class_="slo",
    )


def _who(owner: str | None, runbook: str | None) -> Markup | None:
    """Say who answers; a runbook is a link only where it is an address of the web."""
    parts: list[Markup | str] = [owner] if owner else []
    if runbook and runbook.startswith(LINKS):
        parts.append(element("a", runbook, href=runbook, rel="noopener noreferrer"))
    elif runbook:
        parts.append(runbook)
    return element("p", joined(parts, " · "), class_="dim") if parts else None


def _segments(failed: Sequence[Segment]) -> list[Markup]:
    if not failed:
        return []
    items = [
        element("li", f"{segment_words(one.segment).strip(' ()')}: {one.observed or one.outcome}")
        for one in failed[:SEGMENTS]
    ]
    if len(failed) > SEGMENTS:
        items.append(element("li", f"and {len(failed) - SEGMENTS} more"))
    return [element("p", "failing segments:"), element("ul", *items)]


def _incidents(found: Sequence[Incident]) -> list[Markup]:
    open_now = [one for one in found if one.state != "resolved"]
    resolved = [one for one in found if one.state == "resolved"][:RESOLVED]
    if not found:
        return []
    rows = [
        element(
            "tr",
            element("td", str(one.id), class_="number"),
            element("td", _badge(one.severity, "bad" if one.state != "resolved" else "dim")),
            element("td", one.state + (f", {one.label}" if one.label else "")),
            element("td", one.headline + (f" (follows from incident {one.cause})" if one.cause is not None else "")),
            element("td", minute(one.opened_at)),
            element("td", minute(one.resolved_at) if one.resolved_at else ""),
            element("td", one.acked_by or one.resolved_by or ""),
        )
        for one in (*open_now, *resolved)
    ]
    return [
        element("h3", f"Incidents: {len(open_now)} open"),
        _grid(("no", "severity", "state", "", "opened", "resolved", "by"), rows),
    ]


def _kept(table: TableView) -> list[Markup]:
    parts: list[Markup] = []
    if table.kept:
        rows = [
            element(
                "tr",
                element("td", row.status),
                element("td", f"{row.rows:,}", class_="number"),
                element("td", minute(row.first_at)),
                element("td", minute(row.last_at)),
            )
            for row in table.kept
        ]
        parts += [element("h3", "Quarantine"), _grid(("status", "rows", "from", "to"), rows)]
    if table.refused:
        rows = [
            element(
                "tr",
                element("td", row.slo.removeprefix(f"{row.table}/")),
                element("td", f"{row.refused:,}", class_="number"),
                element("td", minute(row.last_at) if row.last_at else ""),
            )
            for row in table.refused
        ]
        parts += [element("h3", "Refused writes"), _grid(("SLO", "times", "last"), rows)]
    return parts


STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
