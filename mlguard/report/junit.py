"""A report as JUnit XML: a test suite a table, a test case an SLO. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from mlguard.report.text import headline, limit, sample_words
from mlguard.report.verdict import Outcome, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2 Characters


def render(report: Report, fail_on: Iterable[str] = ()) -> str:
    """Return the report as JUnit XML.

    A case fails exactly where the exit code says so: what could not be judged is an error, what only warns, is
    noted or has too few rows is skipped unless `fail_on` counts it.
    """
    strict = frozenset(fail_on)
    suites: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in report.verdicts:
        suites[verdict.table].append(verdict)
    root = ET.Element("testsuites", {"name": "mlguard"})
    for table, verdicts in suites.items():
        suite = ET.SubElement(root, "testsuite", {"name": _clean(table), "time": "0"})
        for verdict in verdicts:
            _case(suite, verdict, strict)
        _count(suite)
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _case(suite: ET.Element, verdict: Verdict, strict: frozenset[str]) -> None:
    case = ET.SubElement(
        suite, "testcase", {"classname": _clean(verdict.table), "name": _clean(verdict.name), "time": "0"}
    )
    said = {"message": _clean(headline(verdict))}
    counts = verdict.action != "warn" or "warn" in strict
    if verdict.outcome is Outcome.ERROR:
        ET.SubElement(case, "error", {**said, "type": "ERROR"}).text = _details(verdict)
    elif verdict.outcome is Outcome.FAIL and counts:
        ET.SubElement(case, "failure", {**said, "type": verdict.severity}).text = _details(verdict)
    elif verdict.outcome is Outcome.INSUFFICIENT and "insufficient" in strict:
        ET.SubElement(case, "failure", {**said, "type": "INSUFFICIENT"}).text = _details(verdict)
    elif verdict.outcome is not Outcome.PASS:
        words = "FAIL, but it only warns" if verdict.outcome is Outcome.FAIL else verdict.outcome.value
        ET.SubElement(case, "skipped", {"message": f"{words}: {said['message']}"})


def _details(verdict: Verdict) -> str:
    lines = [f"observed: {verdict.observed or verdict.reason}"]
    if verdict.limit:
        lines.append(f"allowed: {limit(verdict)[1:-1]}")
    lines += [f"row: {sample_words(sample)}" for sample in verdict.samples]
    for name, value in (("owner", verdict.owner), ("runbook", verdict.runbook)):
        if value:
            lines.append(f"{name}: {value}")
    if verdict.file:
        lines.append(f"written at: {verdict.file}:{verdict.line}")
    return _clean("\n".join(lines))


def _count(suite: ET.Element) -> None:
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite)))


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
