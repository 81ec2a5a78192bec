"""Verdicts as values. Knows neither engine nor output format."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from mlguard.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class Outcome(Enum):
    """How one SLO was judged."""

    PASS = "PASS"  # noqa: S105 - a word, not a password
    FAIL = "FAIL"
    NOTED = "NOTED"  # fails, but shadow or waived
    INSUFFICIENT = "INSUFFICIENT"
    ERROR = "ERROR"  # could not be judged: never shown as FAIL, never silently PASS


@dataclass(frozen=True)
class Verdict:
    """The judgement of one SLO.

    Attributes:
        slo: full id, `<schema>.<table>/<name>`.
        observed: what was found, in words; no value of a pii column.
        limit: what is allowed, in words.
        n: rows judged; None where it is not about rows.
        bad: rows that break the SLO.
        samples: references to rows that break it: {"observed": …, "key": …}.
        file, line: where the SLO is written.
    """

    slo: str
    table: str
    name: str
    outcome: Outcome
    action: str
    severity: str = "normal"
    column: str | None = None
    observed: str = ""
    limit: str = ""
    n: int | None = None
    bad: int | None = None
    reason: str = ""
    owner: str = ""
    runbook: str = ""
    file: str = ""
    line: int = 0
    samples: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready values."""
        return {**asdict(self), "outcome": self.outcome.value, "samples": list(self.samples)}


@dataclass(frozen=True)
class Report:
    """The verdicts of one run, in the order of the SLO files."""

    unit: ClassVar[str] = "SLO"  # what a verdict is about, in words
    nothing: ClassVar[str] = "nothing was judged: no SLO was selected, so nothing is known"

    verdicts: tuple[Verdict, ...] = field(default_factory=tuple)
    engine: str = ""

    @property
    def units(self) -> tuple[Verdict, ...]:
        """The verdicts that the summary counts."""
        return self.verdicts

    def having(self, *outcomes: Outcome) -> tuple[Verdict, ...]:
        """Return the verdicts with one of `outcomes`."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome in outcomes)

    @property
    def holds(self) -> bool:
        """True where something was judged and nothing failed; an empty report does not hold."""
        return not self.judged_nothing and not self.having(Outcome.FAIL, Outcome.ERROR)

    @property
    def judged_nothing(self) -> bool:
        """True where no SLO was judged: there is none, or all are INSUFFICIENT."""
        return len(self.having(Outcome.INSUFFICIENT)) == len(self.verdicts)

    def exit_code(self, fail_on: Iterable[str] = ()) -> Exit:
        """Return the exit code: ERROR before FAIL, since what could not be judged says nothing.

        Args:
            fail_on: `warn` counts failing SLOs that only warn, `insufficient` those with too few rows.
        """
        strict = set(fail_on)
        if self.having(Outcome.ERROR):
            return Exit.ENGINE
        failed = [v for v in self.having(Outcome.FAIL) if v.action != "warn" or "warn" in strict]
        if failed or ("insufficient" in strict and self.having(Outcome.INSUFFICIENT)):
            return Exit.VIOLATED
        return Exit.HOLDS

    def to_frame(self) -> pd.DataFrame:
        """Return one row a verdict.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        return pd.DataFrame([verdict.to_dict() for verdict in self.verdicts])

    @property
    def failures(self) -> pd.DataFrame:
        """The verdicts that failed or could not be judged, as a frame."""
        frame = self.to_frame()
        return frame[frame["outcome"].isin(["FAIL", "ERROR"])] if len(frame) else frame

    def raise_for_violation(self) -> None:
        """Raise SloViolation for the first failing SLO, EvaluationError where one could not be judged."""
        from mlguard.errors import EvaluationError
        from mlguard.violation import SloViolation

        for verdict in self.having(Outcome.ERROR):
            raise EvaluationError(f"{verdict.slo} could not be judged: {verdict.reason}")
        for verdict in self.having(Outcome.FAIL):
            raise SloViolation(
                f"{verdict.slo}: {verdict.observed}, {verdict.limit}",
                slo=verdict.slo,
                table=verdict.table,
                column=verdict.column,
                observed=verdict.observed,
                limit=verdict.limit,
                severity=verdict.severity,
                runbook=verdict.runbook,
                owner=verdict.owner,
            )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("outcome", "SLO", "observed", "limit", "rows"))
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(str(value))}</td>"
                for value in (v.outcome.value, v.slo, v.observed, v.limit, "" if v.n is None else v.n)
            )
            + "</tr>"
            for v in self.verdicts
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
