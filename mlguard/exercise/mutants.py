"""Mutation: which SLO could be dropped, or weakened, without an example noticing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlguard.exercise.run import Bench, ExampleReport, benches, left_out, run_examples
from mlguard.exercise.table import Seen, Table
from mlguard.exercise.weaken import weaker
from mlguard.program import Rule
from mlguard.report.of_rule import verdict_of
from mlguard.report.verdict import Outcome, Verdict
from mlguard.spec import Project

if TYPE_CHECKING:
    from mlguard.connect import Target

MOST_TOLD = 3  # weaker forms that are spelled out


class MutationReport(ExampleReport):
    """One verdict an SLO on single rows.

    FAIL with action `reject`: no example breaks it, so it could be dropped unnoticed. FAIL with action `warn`: an
    example does, but none tells it from a weaker form.
    """

    unit = "SLO"

    @property
    def units(self) -> tuple[Verdict, ...]:
        """Every SLO."""
        return self.verdicts


def mutate(
    project: Project,
    target: Target = None,
    *,
    engine: str = "duckdb",
    embedded: bool = False,
    schema: Sequence[str | Path] = (),
    data: Mapping[str, Any] | None = None,
) -> ExampleReport:
    """Drop and weaken the SLOs one at a time and tell which of them no example would catch.

    Where an example fails as it is, the report of the examples is returned: they must pass first. The arguments are
    those of run_examples; `both` judges mutants on DuckDB.

    Raises:
        SpecError: an SLO file is wrong, or does not fit the database.
        EngineError: DuckDB is not installed, or the database cannot be reached.
    """
    plain = run_examples(project, target, engine=engine, embedded=embedded, schema=schema, data=data)
    if plain.having(Outcome.FAIL, Outcome.ERROR):
        return plain
    with benches(project, target, engine=engine, embedded=embedded, schema=schema, data=data) as (bench, *_):
        verdicts = [verdict for table in bench.tables for verdict in _of_table(bench, table)]
        return MutationReport(tuple(verdicts), engine=bench.engine.name, left_out=left_out(bench.tables))


def _of_table(bench: Bench, table: Table) -> list[Verdict]:
    forms: dict[str, list[tuple[str, Rule]]] = {}
    for rule in table.rules:
        forms[rule.name] = [
            (words, replace(form, name=f"{rule.name}\x1f{number}"))  # a name that no SLO can have
            for number, (words, form) in enumerate(weaker(rule))
        ]
    mutants = [form for each in forms.values() for _, form in each]
    seen = bench.engine.judge(table, [*table.rules, *mutants])
    return [_verdict(rule, forms[rule.name], seen) for rule in table.rules]


def _verdict(rule: Rule, forms: Sequence[tuple[str, Rule]], seen: Sequence[Seen]) -> Verdict:
    reasons = [each.undecided.get(rule.name) for each in seen if not each.error]
    if reasons and all(reasons):
        return verdict_of(rule, Outcome.INSUFFICIENT, reason=f"judged on no example: {reasons[0]}")
    breaking = [number for number, each in enumerate(seen) if rule.name in each.broken]
    if not breaking:
        verdict = verdict_of(replace(rule, shadow=False), Outcome.FAIL, observed="no example breaks it")
        return replace(verdict, action="reject", limit="it could be dropped")
    unnoticed = [words for words, form in forms if not any(_tells(rule, form, each) for each in seen)]
    if not unnoticed:
        first = f"example {breaking[0] + 1} breaks it"
        told = f", {len(forms)} of {len(forms)} weaker forms noticed" if forms else ""
        return replace(verdict_of(rule, Outcome.PASS, observed=first + told), limit="")
    more = f" and {len(unnoticed) - MOST_TOLD} more" if len(unnoticed) > MOST_TOLD else ""
    listed = ", or ".join(unnoticed[:MOST_TOLD]) + more
    verdict = verdict_of(replace(rule, shadow=False), Outcome.FAIL, observed=f"no example tells it from {listed}")
    return replace(verdict, action="warn", limit=rule.text)


def _tells(rule: Rule, form: Rule, seen: Seen) -> bool:
    """Tell whether an example breaks the rule and not its weaker form."""
    unsure = rule.name in seen.undecided or form.name in seen.undecided
    return not unsure and rule.name in seen.broken and form.name not in seen.broken
