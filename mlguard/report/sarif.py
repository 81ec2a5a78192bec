"""Verdicts and faults of SLO files as SARIF 2.1.0, which code scanning reads. Pure."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlguard.report.markup import dumps
from mlguard.report.text import headline
from mlguard.report.verdict import Outcome, Report, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mlguard.errors import Problem, Where

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SPEC_RULE = "slo-file"
_LEVELS = {
    Outcome.FAIL: "error",
    Outcome.ERROR: "error",
    Outcome.INSUFFICIENT: "warning",
    Outcome.NOTED: "note",
}


def of_report(report: Report, version: str) -> str:
    """Return a log with a rule for every SLO and a result for every verdict that is not PASS."""
    rules: dict[str, dict[str, Any]] = {}
    for verdict in report.verdicts:
        rules.setdefault(verdict.slo, _rule(verdict))
    order = {slo: index for index, slo in enumerate(rules)}
    results = [
        {
            "ruleId": verdict.slo,
            "ruleIndex": order[verdict.slo],
            "level": "warning" if _only_warns(verdict) else _LEVELS[verdict.outcome],
            "message": {"text": headline(verdict)},
            "locations": _locations(verdict.file, verdict.line),
            "partialFingerprints": {"mlguardSlo/v1": verdict.slo},
        }
        for verdict in report.verdicts
        if verdict.outcome is not Outcome.PASS
    ]
    return _log(rules.values(), results, version)


def of_problems(problems: Sequence[Problem], version: str) -> str:
    """Return a log with a result for every fault."""
    rule = {"id": SPEC_RULE, "shortDescription": {"text": "An SLO file is wrong"}}
    results = [
        {
            "ruleId": SPEC_RULE,
            "ruleIndex": 0,
            "level": "error",
            "message": {"text": f"{problem.words}. {problem.help}" if problem.help else problem.words},
            "locations": _place(problem.where),
        }
        for problem in problems
    ]
    return _log([rule], results, version)


def _only_warns(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.FAIL and verdict.action == "warn"


def _rule(verdict: Verdict) -> dict[str, Any]:
    text = f"{verdict.table}: {verdict.limit}" if verdict.limit else verdict.slo
    rule: dict[str, Any] = {"id": verdict.slo, "name": verdict.name, "shortDescription": {"text": text}}
    if verdict.runbook.startswith(("https://", "http://")):
        rule["helpUri"] = quote(verdict.runbook, safe=":/?#[]@!$&'()*+,;=%~")
    return rule


def _place(where: Where | None) -> list[dict[str, Any]]:
    return _locations(where.file, where.line, where.column) if where and where.line else []


def _locations(file: str, line: int, column: int = 0) -> list[dict[str, Any]]:
    if not file:
        return []
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(PurePath(file).as_posix())}}
    if line > 0:
        physical["region"] = {"startLine": line, **({"startColumn": column} if column > 0 else {})}
    return [{"physicalLocation": physical}]


def _log(rules: Iterable[dict[str, Any]], results: list[dict[str, Any]], version: str) -> str:
    driver = {"name": "mlguard", "version": version, "rules": list(rules)}
    return dumps(
        {
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
        }
    )
